"""Runs are deleted: by the program, by hand beside it, while others record, and by a program that is killed meanwhile."""
import json
import os
import shutil
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import failing
import tap
import testbed

SMALL = ('-s', 'dapo-quick', '-n', 3, '-m', 2, '-e', 2, '-t', 5, '--set', 'evaluation.test_episodes=1', '--set',
         'evaluation.test_slots=10')
TASKS = 2 * 5 * 3
OWN = ('node', 'task', 'episode', 'event', 'checkpoint', 'experience', 'link_sample', 'process_sample', 'answer',
       'compute_sample')
SWEEP = """\
name: small
scenario: dapo-quick
seeds: 1..2
set: {devices.count: 3, servers.count: 2, evaluation.test_episodes: 1, evaluation.test_slots: 10}
experiments:
  - name: rules
    policies: [local, greedy]
"""


def record(db, count=1, policy='greedy'):
    for _ in range(count):
        testbed.orchestrator('run', '-q', '--over', 'memory', *SMALL, '-p', policy, '--db', db)


def by_hand(db, statement):
    """As the sqlite3 shell does it, which does not look at keys."""
    connection = sqlite3.connect(db)
    connection.execute(statement)
    connection.commit()
    connection.close()


def runs(db):
    return [run for run, in testbed.rows(db, 'SELECT run_id FROM run ORDER BY run_id')]


def content(db):
    """All rows of all tables."""
    tables = [name for name, in testbed.rows(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
    return {table: testbed.rows(db, f'SELECT * FROM {table}') for table in tables}


def rows_of(db, run):
    return {table: testbed.one(db, f'SELECT count(*) FROM {table} WHERE run_id = ?', run) for table in OWN}


def insert_anything(db, table):
    """A row of run 1 in a file that may hold nothing else of it."""
    values = {'INTEGER': 1, 'REAL': 0.5, 'TEXT': 'x', 'BLOB': b'x'}
    columns = testbed.rows(db, f'PRAGMA table_info({table})')
    connection = sqlite3.connect(db)
    connection.execute('PRAGMA ignore_check_constraints = on')
    connection.execute(f'INSERT INTO {table} VALUES ({", ".join("?" * len(columns))})', [values[column[2]] for column in columns])
    connection.commit()
    connection.close()


@tap.test
def whatever_is_left_of_a_run_can_be_deleted():
    with testbed.scratch() as folder:
        empty = os.path.join(folder, 'empty.db')
        record(empty)
        testbed.orchestrator('delete', '--run', 1, '--db', empty)
        tap.equal(set(rows_of(empty, 1).values()), {0}, 'what a run has left')
        for table in OWN:
            db = os.path.join(folder, table + '.db')
            shutil.copy(empty, db)
            _, errors = testbed.orchestrator('delete', '--run', 1, '--db', db, status=2)
            tap.contains(errors, f'{db}: holds no run 1', table)
            insert_anything(db, table)
            tap.equal(rows_of(db, 1)[table], 1, table)
            testbed.orchestrator('delete', '--run', 1, '--db', db)
            tap.equal(rows_of(db, 1)[table], 0, table)


@tap.test
def a_deleted_run_leaves_nothing_and_its_number_is_not_given_again():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        record(db, 2)
        output, _ = testbed.orchestrator('delete', '--db', db, '--run', 2)
        tap.contains(output, 'run 2: removed, train, greedy, 2 episodes, 30 tasks')
        tap.equal(set(rows_of(db, 2).values()), {0}, 'rows of run 2')
        record(db)
        tap.equal(runs(db), [1, 3], 'runs')
        tap.equal(testbed.verify(db), 2 * TASKS, 'tasks of the others, replayed')
        testbed.check_database(db)


@tap.test
def what_a_deletion_by_hand_has_left_is_nobodys():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        record(db, 2)
        by_hand(db, 'DELETE FROM run WHERE run_id = 2')
        record(db)
        tap.equal(runs(db), [1, 3], 'runs')
        tap.equal(rows_of(db, 3)['task'], TASKS, 'tasks of the next run')
        tap.equal(rows_of(db, 2)['task'], TASKS, 'tasks that were left behind')
        output, _ = testbed.orchestrator('delete', '--db', db, '--run', 2)
        tap.contains(output, 'run 2: removed, what a deletion by hand has left')
        tap.equal(set(rows_of(db, 2).values()), {0}, 'rows of run 2')
        testbed.check_database(db)
        _, errors = testbed.orchestrator('delete', '--db', db, '--run', 2, status=2)
        tap.contains(errors, 'holds no run 2')


@tap.test
def a_run_deleted_by_hand_while_it_is_recorded_ends_its_recording_and_leaves_no_orphan():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = testbed.Program([testbed.ORCHESTRATOR, 'run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-p', 'greedy',
                                   '-e', '1000000', '-t', '5000', '--record', 'episodes', '--db', db, '--die-with-parent'])
        testbed.until(lambda: os.path.exists(db) and recorded(db) > 0, 'an episode is recorded')
        connection = sqlite3.connect(db, timeout=testbed.DEADLINE_S, isolation_level=None)
        connection.execute('BEGIN IMMEDIATE')
        for table in (*OWN, 'run'):
            connection.execute(f'DELETE FROM {table}')
        connection.execute('COMMIT')
        connection.close()
        tap.equal(program.wait(), 1, program.text())
        tap.contains(program.text(), 'x.db: cannot record', 'FOREIGN KEY constraint failed')
        tap.equal(testbed.rows(db, 'PRAGMA foreign_key_check'), [], 'orphans')
        tap.equal(set(rows_of(db, 1).values()), {0}, 'rows of the run')


def recorded(db):
    try:
        return testbed.one(db, 'SELECT count(*) FROM episode')
    except sqlite3.Error:  # its first moments
        return 0


@tap.test
def a_run_that_a_process_records_is_refused_and_another_one_beside_it_goes():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        record(db)
        program = testbed.Program([testbed.ORCHESTRATOR, 'run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-p', 'greedy',
                                   '-e', '1000000', '-t', '50', '--db', db, '--die-with-parent'])
        testbed.until(lambda: recorded(db) > 2, 'the second run has an episode')
        _, errors = testbed.orchestrator('delete', '--db', db, '--run', 2, status=2)
        tap.contains(errors, 'run 2 is being recorded by a running process')
        testbed.orchestrator('delete', '--db', db, '--run', 1)
        program.kill()
        program.wait()
        tap.equal(runs(db), [2], 'runs')
        testbed.check_database(db)
        testbed.orchestrator('delete', '--db', db, '--run', 2)
        tap.equal(runs(db), [], 'runs')


@tap.test
def what_others_were_built_on_is_refused_unless_told():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        record(db, 2)
        testbed.orchestrator('evaluate', '-q', '--db', db, '--run', 1, '-p', 'local,greedy')
        before = content(db)
        _, errors = testbed.orchestrator('delete', '--db', db, '--run', 1, status=2)
        tap.contains(errors, 'run 3, run 4', '--with-dependents')
        shown = json.loads(testbed.orchestrator('delete', '--db', db, '--run', 1, '--with-dependents', '--dry-run', '--json')[0])
        tap.equal([(run['run_id'], run['asked'], run['tasks']) for run in shown['runs']],
                  [(1, True, TASKS), (3, False, TASKS), (4, False, TASKS)], 'what would go')
        tap.equal(content(db), before, 'rows after a trial')
        testbed.orchestrator('delete', '--db', db, '--run', 1, '--with-dependents')
        tap.equal(runs(db), [2], 'runs')
        testbed.check_database(db)


@tap.test
def the_jobs_of_a_sweep_that_lost_a_run_are_played_again_alone():
    with testbed.scratch() as folder:
        db, sweep = os.path.join(folder, 'x.db'), os.path.join(folder, 'small.yaml')
        with open(sweep, 'w', encoding='utf-8') as file:
            file.write(SWEEP)
        testbed.orchestrator('sweep', sweep, '-q', '--db', db)
        results = 'SELECT policy, seed, mean_cost, p95_latency_s FROM sweep_result ORDER BY policy, seed'
        before = testbed.rows(db, results)
        run = testbed.one(db, 'SELECT test_run_id FROM job WHERE number = 3')
        _, errors = testbed.orchestrator('delete', '--db', db, '--run', run, status=2)
        tap.contains(errors, "job 3 of sweep 'small'")
        output, _ = testbed.orchestrator('delete', '--db', db, '--run', run, '--with-dependents')
        tap.contains(output, 'job 3 of sweep small: waits to be played again')
        told = json.loads(testbed.orchestrator('sweep', sweep, '-q', '--json', '--db', db)[0])
        tap.equal((told['played'], told['done']), (1, 4), 'cells played, cells done')
        tap.equal(testbed.rows(db, results), before, 'results')
        tap.true(run not in runs(db), 'the number was not given again')
        testbed.check_database(db)
        by_hand(db, f'DELETE FROM run WHERE run_id = {testbed.one(db, "SELECT test_run_id FROM job WHERE number = 2")}')
        told = json.loads(testbed.orchestrator('sweep', sweep, '-q', '--json', '--db', db)[0])
        tap.equal((told['played'], told['done']), (1, 4), 'cells played, cells done after a deletion by hand')
        tap.equal(testbed.rows(db, results), before, 'results')


@tap.test
def a_deletion_that_is_killed_has_done_all_or_nothing():
    with testbed.scratch() as folder:
        first, db = os.path.join(folder, 'first.db'), os.path.join(folder, 'x.db')
        record(first, 2, 'dapo')
        before = content(first)
        shutil.copy(first, db)
        calls = failing.count('write', testbed.ORCHESTRATOR, 'delete', '--db', db, '--run', 1)
        after = content(db)
        seen = set()
        for number in failing.spread(calls, 20):
            shutil.copy(first, db)
            failing.run(f'write:{number}!', testbed.ORCHESTRATOR, 'delete', '--db', db, '--run', 1)
            testbed.orchestrator('show', 'runs', '--db', db)  # a reader gets by with what was left beside it
            testbed.check_database(db)
            now = content(db)
            tap.true(now in (before, after), f'killed at write {number} of {calls}: all or nothing')
            seen.add(now == after)
            os.remove(db)
            for beside in ('-wal', '-shm', '-journal'):
                if os.path.exists(db + beside):
                    os.remove(db + beside)
        tap.equal(seen, {False, True}, 'both outcomes')


@tap.test
def the_space_comes_back_on_request():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        record(db, 3, 'dapo')
        size = os.path.getsize(db)
        testbed.orchestrator('delete', '--db', db, '--run', 1)
        tap.equal(os.path.getsize(db), size, 'bytes without a request')
        told = json.loads(testbed.orchestrator('delete', '--db', db, '--run', 2, '--compact', '--json')[0])
        tap.equal((told['bytes_before'], told['bytes_after']), (size, os.path.getsize(db)), 'bytes told')
        tap.true(os.path.getsize(db) < 0.6 * size, f'{os.path.getsize(db)} of {size} bytes')
        testbed.orchestrator('delete', '--db', db, '--compact')
        tap.equal(os.listdir(folder), ['x.db'], 'files')
        testbed.check_database(db)


@tap.test
def what_is_not_a_request_is_said():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        record(db)
        for words, part in (((), '--run R is needed'), (('--run', 0), 'whole number'), (('--run', 5), 'holds no run 5')):
            _, errors = testbed.orchestrator('delete', '--db', db, *words, status=2)
            tap.contains(errors, part)
        tap.equal(runs(db), [1], 'runs')


tap.main()
