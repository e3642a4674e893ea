"""Sweeps as rows, for tests of what reads them: an experiment's file with made-up results, or with real runs."""
import json
import os
import sqlite3

import testbed

SEES = {'dapo': 'observations', 'dapo-plus': 'observations', 'greedy': 'model', 'best-response': 'model', 'optimum': 'world'}
SMALL = ('-n', 4, '-m', 2, '-t', 30, '--set', 'ddpg.warmup=30', '--set', 'evaluation.validate_episodes=1', '--set',
         'evaluation.validate_slots=10', '--set', 'evaluation.test_episodes=1', '--set', 'evaluation.test_slots=20')


def empty(folder, name='x.db'):
    """A file of the present version without a run."""
    db = os.path.join(folder, name)
    testbed.orchestrator('run', '-q', '--over', 'memory', '-p', 'local', '-n', 1, '-m', 1, '-e', 1, '-t', 1, '--db', db)
    with connection(db) as file:
        for table in ('task', 'episode', 'node', 'event', 'run'):
            file.execute(f'DELETE FROM {table}')
    return db


class connection:
    """Committed and closed behind the block."""

    def __init__(self, db):
        self.file = sqlite3.connect(db)

    def __enter__(self):
        return self.file

    def __exit__(self, kind, *_):
        if kind is None:
            self.file.commit()
        self.file.close()


def add_sweep(file, name, text='name: made up\n'):
    return file.execute('INSERT INTO sweep (name, text, version, created_utc) VALUES (?, ?, ?, ?)',
                        (name, text, '0.0 (test)', '2026-01-01T00:00:00Z')).lastrowid


def add_run(file, policy, seed, cost, latency, energy, kind='test', parent=None):
    """A finished run with one episode of ten tasks."""
    run = file.execute(
        """INSERT INTO run (kind, scenario_name, scenario, config_json, seed, policy, policy_sees, parent_run_id, phase, host,
                            clock, time_scale, mode, version, cpu, started_utc, status, trusted)
           VALUES (?, 'dapo', 'run:', '{}', ?, ?, ?, ?, ?, 'memory', 'virtual', 1, 'round', '0.0 (test)', 'a CPU',
                   '2026-01-01T00:00:00Z', 'finished', 1)""",
        (kind, seed, policy, SEES.get(policy, 'observations'), parent, kind)).lastrowid
    file.execute('INSERT INTO episode VALUES (?, 0, 10, ?, ?, ?, ?, ?, ?, ?, NULL, 10, 0, 0, 0, 1)',
                 (run, latency, latency, 2 * latency, 2 * latency, energy, cost, -10 * cost))
    return run


def add_job(file, sweep, experiment, axis, value, policy, seed, test, train=None):
    number = file.execute('SELECT coalesce(max(number), 0) + 1 FROM job WHERE sweep_id = ?', (sweep,)).fetchone()[0]
    p95 = file.execute('SELECT max(p95_latency_s) FROM episode WHERE run_id = ?', (test,)).fetchone()[0]
    file.execute(
        """INSERT INTO job (sweep_id, number, experiment, axis, value, policy, sees, seed, settings_json, status, attempts,
                            wall_s, train_run_id, test_run_id, p95_latency_s)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'done', 1, 1.5, ?, ?, ?)""",
        (sweep, number, experiment, axis, value, policy, SEES.get(policy, 'observations'), seed, json.dumps({axis: value}),
         train, test, p95))


def add_results(file, sweep, experiment, axis, value, costs):
    """costs: by policy a cost for each seed from 1; latency is a tenth of it, energy its double."""
    for policy, of_seed in costs.items():
        for seed, cost in enumerate(of_seed, 1):
            add_job(file, sweep, experiment, axis, value, policy, seed, add_run(file, policy, seed, cost, cost / 10, 2 * cost))
