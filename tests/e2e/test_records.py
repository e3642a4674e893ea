"""A recorded run is evaluated, queried, shown, exported and replayed: what quickstart does, in miniature."""
import csv
import io
import json
import os
import sqlite3
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

POLICIES = ['best-response', 'dapo', 'edge-best-channel', 'edge-nearest', 'greedy', 'iao', 'local', 'multi-start', 'nash', 'neurosurgeon',
            'optimum', 'random', 'static', 'static-association']
EPISODES, SLOTS, DEVICES, SERVERS = 2, 40, 4, 2
HELD_OUT = 2 * 10


def record(folder, *extra):
    db = os.path.join(folder, 'x.db')
    testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-n', DEVICES, '-m', SERVERS, '-e', EPISODES,
                         '-t', SLOTS, '--db', db, '--set', 'ddpg.warmup=30', '--set', 'evaluation.validate_episodes=1', '--set',
                         'evaluation.validate_slots=10', '--set', 'evaluation.test_episodes=2', '--set',
                         'evaluation.test_slots=10', *extra)
    return db


def flip_last_bit(db, column, where):
    connection = sqlite3.connect(db)
    (value,) = connection.execute(f'SELECT {column} FROM task WHERE {where}').fetchone()
    (pattern,) = struct.unpack('<Q', struct.pack('<d', value))
    (changed,) = struct.unpack('<d', struct.pack('<Q', pattern ^ 1))
    connection.execute(f'UPDATE task SET {column} = ? WHERE {where}', (changed,))
    connection.commit()
    connection.close()
    return value


@tap.test
def a_run_is_compared_with_every_yardstick_on_the_same_held_out_slots():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', DEVICES, '-m', SERVERS, '--episodes', EPISODES, '--slots', SLOTS,
                                     '--db', db, '-q', '--set', 'ddpg.warmup=30', '--set', 'evaluation.validate_slots=10',
                                     '--set', 'evaluation.test_episodes=2', '--set', 'evaluation.test_slots=10'))
        output, _ = testbed.orchestrator('evaluate', '--db', db, '-q', '--json')
        shown = json.loads(output)
        tap.equal(sorted(row['policy'] for row in shown), POLICIES, 'policies')
        compared = testbed.rows(db, 'SELECT policy, mean_cost, p95_latency_s, regret_pct, tasks FROM policy_comparison')
        tap.equal(sorted(row[0] for row in compared), POLICIES, 'policies of the view')
        tap.equal({row[4] for row in compared}, {HELD_OUT * DEVICES}, 'tasks of each')
        best = {row[0]: row for row in compared}
        tap.equal(best['optimum'][3], 0, "the optimum's regret")
        for policy, cost, p95, regret, _ in compared:
            tap.true(cost >= best['optimum'][1] and regret >= 0, f'{policy} is no better than the optimum')
            tap.true(p95 > 0, f'{policy} has a 95th percentile')
        parents = testbed.rows(db, "SELECT DISTINCT parent_run_id FROM run WHERE kind = 'test'")
        tap.equal(parents, [(1,)], 'the run that was evaluated')
        testbed.check_database(db)
        tap.equal(testbed.verify(db), EPISODES * SLOTS * DEVICES + len(POLICIES) * HELD_OUT * DEVICES, 'tasks replayed')


def boxed(text):
    """Rows of the one table that is drawn with boxes, its head first."""
    return [[cell.strip() for cell in line.split('│')[1:-1]] for line in text.splitlines() if line.startswith('│')]


@tap.test
def the_readme_has_the_table_that_quickstart_prints():
    with open(os.path.join(testbed.SOURCE_ROOT, 'README.md'), encoding='utf-8') as file:
        readme = boxed(file.read())
    with testbed.scratch() as folder:
        db = record(folder)
        for policy in ('ppo', 'dapo-plus', 'dqn'):
            record(folder, '-p', policy, '--set', 'plus.warmup=10', '--set', 'ppo.rollout=1000')
        testbed.orchestrator('evaluate', '--db', db, '-q')
        output, _ = testbed.call(os.path.join(testbed.SOURCE_ROOT, 'deploy', 'quickstart'), '--table', db)
        printed = boxed(output)
        tap.equal(readme[0], printed[0], 'the head')
        tap.equal({row[0] for row in readme}, {row[0] for row in printed}, 'the policies, trained one after the other')
        learned = {row[0]: row[2] for row in printed}
        tap.equal((learned['dapo-plus'], learned['ppo'], learned['nash']), ('yes', 'never', ''), 'who learned')
        tap.equal({row[0]: row[1:3] for row in readme[1:] if row[2]},
                  {name: ['observations', 'yes'] for name in ('dapo-plus', 'dqn', 'ppo', 'dapo')}, "the readme's learners")


@tap.test
def every_view_and_every_word_of_show_answers():
    with testbed.scratch() as folder:
        db = record(folder)
        testbed.orchestrator('evaluate', '--db', db, '-q', '-p', 'dapo,greedy,optimum')
        for view in ('run_summary', 'episode_summary', 'policy_comparison', 'split_histogram', 'server_load'):
            tap.true(testbed.one(db, f'SELECT count(*) FROM {view}') > 0, f'{view} has rows')
        for word in ('policies', 'models', 'scenarios', 'keys', 'scenario', 'runs', 'comparison', 'episodes', 'splits', 'servers'):
            output, _ = testbed.orchestrator('show', word, '--json', '--db', db)
            tap.true(len(json.loads(output)) > 0, f'show {word} --json has content')
            output, _ = testbed.orchestrator('show', word, '--db', db)
            tap.true(len(output.splitlines()) > 1, f'show {word} has lines')
        output, _ = testbed.orchestrator('show', 'episodes', '--json', '--db', db, '--run', 1)
        tap.equal(len(json.loads(output)), EPISODES, 'episodes of run 1')
        tap.equal(sum(row['tasks'] for row in json.loads(testbed.orchestrator('show', 'splits', '--json', '--db', db)[0])),
                  EPISODES * SLOTS * DEVICES, 'tasks in the histogram of the newest training run')
        output, _ = testbed.orchestrator('show', 'scenario', 'dapo-literal', '--json')
        tap.equal(json.loads(output)['name'], 'dapo-literal', 'name')


@tap.test
def the_scenario_in_effect_reads_back_as_itself():
    with testbed.scratch() as folder:
        path = os.path.join(folder, 'printed.yaml')
        for name in json.loads(testbed.orchestrator('show', 'scenarios', '--json')[0]):
            printed, _ = testbed.orchestrator('show', 'scenario', name, cwd=testbed.SOURCE_ROOT)  # it names a model there
            with open(path, 'w', encoding='utf-8') as file:
                file.write(printed)
            tap.equal(testbed.orchestrator('show', 'scenario', path)[0], printed, name)


@tap.test
def rows_are_exported_as_csv_and_json():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'greedy')
        output, _ = testbed.orchestrator('export', 'tasks', '--db', db)
        exported = list(csv.DictReader(io.StringIO(output)))
        tap.equal(len(exported), EPISODES * SLOTS * DEVICES, 'tasks')
        recorded = testbed.rows(db, 'SELECT latency_s FROM task ORDER BY run_id, episode, slot, device')
        tap.equal([float(row['latency_s']) for row in exported], [row[0] for row in recorded], 'latencies, to the last bit')
        path = os.path.join(folder, 'episodes.json')
        output, _ = testbed.orchestrator('export', 'episodes', '--format', 'json', '--db', db, '-o', path)
        tap.equal(output, '', 'standard output')
        with open(path, encoding='utf-8') as file:
            tap.equal([row['episode'] for row in json.load(file)], [0, 1], 'episodes')
        tap.equal(json.loads(testbed.orchestrator('export', 'events', '--json', '--db', db, '--run', 1)[0]), [], 'events')
        _, errors = testbed.orchestrator('export', 'tasks', '--db', db, '--run', 99, status=2)
        tap.contains(errors, '99')


def execute(db, *statements):
    connection = sqlite3.connect(db)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@tap.test
def a_run_that_was_killed_within_an_episode_is_read_to_its_last_row():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'greedy')
        testbed.orchestrator('evaluate', '-q', '--run', 1, '-p', 'local,greedy', '--db', db)
        execute(db, 'DELETE FROM episode WHERE run_id = 1 AND episode = 1',
                'DELETE FROM task WHERE run_id = 1 AND episode = 1 AND slot >= 25',
                "UPDATE run SET status = 'running' WHERE run_id = 1 OR policy = 'local'")
        tasks, still_open = (SLOTS + 25) * DEVICES, 25 * DEVICES
        shown = json.loads(testbed.orchestrator('show', 'runs', '--json', '--db', db)[0])[0]
        tap.equal((shown['episodes'], shown['tasks'], shown['open_tasks']), (1, tasks, still_open), 'episodes and tasks')
        cost, mean = testbed.one(db, 'SELECT avg(cost), count(*) FROM task WHERE run_id = 1')
        tap.true(mean == tasks and abs(shown['mean_cost'] - cost) < 1e-9 * cost, f'mean cost {shown["mean_cost"]} of {cost}')
        path = os.path.join(folder, 'episodes.json')
        testbed.orchestrator('export', 'episodes', '--format', 'json', '--run', 1, '--db', db, '-o', path)
        with open(path, encoding='utf-8') as file:
            tap.equal([(row['episode'], row['closed'], row['tasks']) for row in json.load(file)],
                      [(0, 1, SLOTS * DEVICES), (1, 0, still_open)], 'episodes')
        servers = json.loads(testbed.orchestrator('show', 'servers', '--run', 1, '--json', '--db', db)[0])
        tap.equal(sum(row['tasks'] for row in servers),
                  testbed.one(db, 'SELECT count(served_by) FROM task WHERE run_id = 1'), 'tasks of all servers')
        tap.contains(testbed.orchestrator('replay', '--verify', '-q', '--run', 1, '--db', db)[0], f'{tasks} of {tasks}')
        left_out = testbed.one(db, "SELECT run_id FROM run WHERE kind = 'test' AND policy = 'local'")
        tap.contains(testbed.orchestrator('compare', '--db', db)[0], f'left out: run {left_out}, a test that is not finished')


@tap.test
def one_changed_bit_is_noticed_and_named():
    for column in ('local_s', 'latency_s', 'energy_j', 'cost', 'x_m', 'rate_bps'):
        with testbed.scratch() as folder:
            db = record(folder, '-p', 'greedy')
            testbed.verify(db)
            where = 'episode = 1 AND slot = 17 AND device = 2'
            if column == 'rate_bps':  # a task that crosses a link
                episode, slot, device = testbed.rows(
                    db, 'SELECT episode, slot, device FROM task WHERE rate_bps > 0 ORDER BY episode DESC, slot DESC LIMIT 1')[0]
                where = f'episode = {episode} AND slot = {slot} AND device = {device}'
            flip_last_bit(db, column, where)
            output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db, status=8)
            tap.contains(output, f'{EPISODES * SLOTS * DEVICES - 1} of {EPISODES * SLOTS * DEVICES}', column,
                         "1 more differ by rounding alone", "recorded with this program's arithmetic",
                         *where.replace(' =', '').split(' AND '))


def change(db, statement):
    connection = sqlite3.connect(db)
    connection.execute(statement)
    connection.commit()
    connection.close()


@tap.test
def a_file_of_older_arithmetic_differs_by_rounding_and_has_a_status_of_its_own():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'greedy')
        tap.equal(testbed.rows(db, 'SELECT linalg, arithmetic, libc IS NOT NULL, vector_path IS NOT NULL FROM run'),
                  [('portable', 1, 1, 1)], 'what the run row says')
        change(db, 'UPDATE run SET vector_path = NULL, libc = NULL, linalg = NULL, arithmetic = NULL')
        testbed.verify(db)
        change(db, 'UPDATE task SET latency_s = latency_s * (1 + 3e-14), x_m = x_m + 3e-12')
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db, status=8)
        tap.contains(output, 'differ by rounding alone', 'before the arithmetic was the same on every processor')
        (run,) = json.loads(testbed.orchestrator('replay', '--verify', '--json', '-q', '--db', db, status=8)[0])
        tap.equal((run['rounded'] + run['identical'], run['different'], run['arithmetic']), (run['tasks'], 0, 0), 'counts')
        change(db, 'UPDATE task SET cost = cost * 1.000001 WHERE episode = 1 AND slot = 5 AND device = 0')
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db, status=5)
        tap.contains(output, 'slot 5, device 0', 'cost')


@tap.test
def a_changed_decision_is_noticed():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'local')
        connection = sqlite3.connect(db)
        connection.execute('UPDATE task SET tokens = tokens + 1 WHERE episode = 0 AND slot = 3 AND device = 1')
        connection.commit()
        connection.close()
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db, status=5)
        tap.contains(output, 'slot 3', 'device 1', 'tokens')


@tap.test
def rows_that_are_missing_at_the_end_of_a_finished_run_are_noticed():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'local')
        connection = sqlite3.connect(db)
        connection.execute('DELETE FROM task WHERE episode = ? AND slot = ?', (EPISODES - 1, SLOTS - 1))
        connection.commit()
        _, errors = testbed.orchestrator('replay', '--verify', '-q', '--db', db, status=5)
        tap.contains(errors, 'missing', f'episode {EPISODES - 1}', f'slot {SLOTS - 1}')
        connection.execute("UPDATE run SET status = 'aborted'")  # where that is how it is
        connection.commit()
        connection.close()
        testbed.orchestrator('replay', '--verify', '-q', '--db', db)


@tap.test
def a_replay_over_tcp_is_identical_too():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'random')
        replay = testbed.Program([testbed.ORCHESTRATOR, 'replay', '--verify', '--json', '-q', '--over', 'tcp', '--die-with-parent',
                                  '--db', db])
        port = replay.port()
        nodes = [testbed.start_server(port) for _ in range(SERVERS)] + [testbed.start_device(port, '--count', str(DEVICES))]
        tap.equal(replay.wait(), 0, replay.text())
        (run,) = json.loads(''.join(line for line in replay.output if not line.startswith('READY')))
        tap.equal((run['identical'], run['tasks']), (EPISODES * SLOTS * DEVICES,) * 2, 'identical tasks')
        for node in nodes:
            tap.equal(node.wait(), 0, node.text())


@tap.test
def a_counterfactual_is_a_linked_run_over_the_same_world():
    with testbed.scratch() as folder:
        db = record(folder)
        testbed.orchestrator('replay', '--policy', 'greedy', '--run', 1, '-q', '--db', db)
        tap.equal(testbed.one(db, 'SELECT kind, policy, parent_run_id, status FROM run WHERE run_id = 2'),
                  ('counterfactual', 'greedy', 1, 'finished'), 'run 2')
        same = testbed.one(db, """SELECT count(*) FROM task AS a JOIN task AS b USING (episode, slot, device)
            WHERE a.run_id = 1 AND b.run_id = 2 AND a.x_m = b.x_m AND a.y_m = b.y_m AND a.tokens = b.tokens""")
        tap.equal(same, EPISODES * SLOTS * DEVICES, 'tasks of the same phones at the same places')
        tap.equal(testbed.verify(db), 2 * EPISODES * SLOTS * DEVICES, 'tasks replayed')
        _, errors = testbed.orchestrator('replay', '--policy', 'dapo', '-q', '--db', db, status=2)
        tap.contains(errors, 'evaluate')


@tap.test
def what_was_recorded_without_tasks_says_so():
    with testbed.scratch() as folder:
        db = record(folder, '-p', 'greedy', '--record', 'episodes')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM task'), 0, 'tasks')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM episode'), EPISODES, 'episodes')
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db)
        tap.contains(output, 'no tasks')


@tap.test
def runs_gather_in_one_file():
    with testbed.scratch() as folder:
        record(folder, '-p', 'greedy')
        db = record(folder, '-p', 'local', '--seed', 2)
        tap.equal(testbed.rows(db, 'SELECT run_id, policy, seed FROM run'), [(1, 'greedy', 1), (2, 'local', 2)], 'runs')


tap.main()
