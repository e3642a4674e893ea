"""A sweep is a grid of cells: what each of them gives depends on the file alone, whoever is killed meanwhile."""
import json
import os
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

SETTINGS = {
    'run.episodes': 3, 'run.slots': 40, 'ddpg.warmup': 30, 'ddpg.batch': 16, 'ddpg.hidden_1': 32, 'ddpg.hidden_2': 16,
    'evaluation.validate_episodes': 1, 'evaluation.validate_slots': 20, 'evaluation.test_episodes': 2,
    'evaluation.test_slots': 20, 'devices.count': 4, 'servers.count': 2,
}
GRID = {
    'name': 'grid', 'scenario': 'dapo-quick', 'set': SETTINGS, 'seeds': [1, 2],
    'experiments': [
        {'name': 'learning', 'policies': ['dapo', 'optimum'], 'curve': True},
        {'name': 'band', 'policies': ['dapo', 'local', 'greedy', 'random', 'optimum'],
         'vary': {'radio.bandwidth_mhz': [5, 20]}, 'record_tasks': [1]},
        {'name': 'drift', 'policies': ['dapo', 'greedy'], 'seeds': [3], 'train': 'once',
         'vary': {'radio.bandwidth_mhz': [5, 20]}, 'record_tasks': 'all'},
    ],
}
CELLS = 2 * 2 + 2 * 5 * 2 + 1 + 2 * 2
# A cell that takes long enough to be met while it runs.
LONG = {**GRID, 'name': 'long', 'set': {**SETTINGS, 'run.episodes': 200},
        'experiments': [{'name': 'a', 'policies': ['dapo', 'greedy', 'local']}]}

EPISODE = ', '.join('e.' + column for column in (
    'episode', 'slots', 'mean_latency_s', 'p50_latency_s', 'p95_latency_s', 'p99_latency_s', 'mean_energy_j', 'mean_cost',
    'episode_return', 'tasks', 'deadline_misses', 'failures', 'repairs'))
QUERIES = {
    'sweep_result': 'SELECT sweep, experiment, axis, value, policy, sees, seed, train_slots, mean_cost, mean_latency_s, '
                    'p95_latency_s, mean_energy_j, deadline_miss_share, regret_pct FROM sweep_result',
    'sweep_curve': 'SELECT * FROM sweep_curve',
    'job': 'SELECT number, experiment, axis, value, policy, sees, seed, settings_json, trained_by, status, error FROM job',
    'task': 'SELECT j.number, t.* FROM job AS j JOIN task AS t ON t.run_id = j.test_run_id',
    'episode': f'SELECT j.number, r.kind, r.checkpoint_episode, {EPISODE} FROM job AS j JOIN run AS r ON r.run_id IN '
               '(j.train_run_id, j.test_run_id, j.validate_run_id) JOIN episode AS e USING (run_id)',
    'validation': f'SELECT j.number, r.checkpoint_episode, {EPISODE} FROM job AS j JOIN run AS r ON r.kind = \'validate\' AND '
                  'r.parent_run_id = j.train_run_id JOIN episode AS e USING (run_id)',
    'checkpoint': 'SELECT j.number, c.episode, c.weights, c.validation_cost FROM job AS j JOIN checkpoint AS c ON c.run_id = '
                  'j.train_run_id',
    'node': 'SELECT j.number, r.kind, n.role, n.number, n.flops, n.x_m, n.y_m FROM job AS j JOIN run AS r ON r.run_id IN '
            '(j.train_run_id, j.test_run_id) JOIN node AS n USING (run_id)',
    'runs': 'SELECT kind, policy, policy_sees, seed, checkpoint_episode, status, count(*) FROM run GROUP BY 1, 2, 3, 4, 5, 6',
}


def content(db):
    """All that a sweep has found out, but for numbers of runs and times."""
    found = {}
    for name, query in QUERIES.items():
        rows = testbed.rows(db, query)
        if name == 'task':
            rows = [row[:1] + row[2:] for row in rows]  # without the run's number
        found[name] = sorted(rows, key=repr)
    return found


def expect_same(db, expected):
    testbed.check_database(db)
    found = content(db)
    for name, rows in expected.items():
        tap.equal(len(found[name]), len(rows), f'rows of {name}')
        for was, now in zip(rows, found[name]):
            if was != now:
                raise AssertionError(f'{name}: undisturbed {str(was)[:300]}, now {str(now)[:300]}')


def write(folder, grid=GRID, name='sweep.yaml'):
    """JSON is YAML."""
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(grid, file)
    return path


def sweep(folder, *arguments, grid=GRID, db='x.db', status=0):
    return testbed.orchestrator('sweep', write(folder, grid), '--db', os.path.join(folder, db), '-q', *arguments, status=status)


def start(folder, db, grid=GRID, jobs=2):
    return testbed.Program([testbed.ORCHESTRATOR, 'sweep', write(folder, grid), '--db', db, '-q', '--json', '--jobs', str(jobs),
                            '--die-with-parent'])


def jobs(db, status):
    """How many there are; 0 before there is a table."""
    try:
        return testbed.one(db, 'SELECT count(*) FROM job WHERE status = ?', status)
    except sqlite3.OperationalError:
        return 0


_undisturbed = {}


def undisturbed():
    """The content of the grid's database when nobody interferes and one worker plays one cell after the other."""
    if not _undisturbed:
        with testbed.scratch() as folder:
            output, _ = sweep(folder, '--jobs', 1, '--json')
            tap.equal(json.loads(output)['done'], CELLS, 'cells done')
            _undisturbed.update(content(os.path.join(folder, 'x.db')))
    return _undisturbed


@tap.test
def every_cell_has_its_rows_and_all_policies_meet_the_same_world():
    with testbed.scratch() as folder:
        output, _ = sweep(folder)
        db = os.path.join(folder, 'x.db')
        tap.contains(output, f'{CELLS} of {CELLS} cells done')
        testbed.check_database(db)
        tap.equal(sorted(os.listdir(folder)), ['sweep.yaml', 'x.db'], 'files that are left')
        tap.equal(jobs(db, 'done'), CELLS, 'jobs done')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM sweep_result'), CELLS - 1, 'results: all but the one that only trains')
        tap.equal(testbed.rows(db, 'SELECT DISTINCT policy, sees FROM sweep_result ORDER BY 1'),
                  [('dapo', 'observations'), ('greedy', 'model'), ('local', 'observations'), ('optimum', 'world'),
                   ('random', 'observations')], 'who sees what')
        for policy, cost, regret in testbed.rows(db, "SELECT policy, mean_cost, regret_pct FROM sweep_result WHERE experiment = "
                                                     "'band'"):
            tap.true(regret == 0 if policy == 'optimum' else regret >= 0, f'regret of {policy}: {regret}, cost {cost}')
        tap.equal(testbed.one(db, "SELECT count(*) FROM sweep_result WHERE experiment = 'drift' AND regret_pct IS NOT NULL"), 0,
                  'regrets where no optimum was played')
        # The same phones, places and tasks for all policies; and no task rows where nobody asked for them.
        met = testbed.rows(db, """
            SELECT j.value, j.policy, group_concat(t.tokens || ':' || t.x_m || ':' || t.y_m) FROM job AS j
            JOIN task AS t ON t.run_id = j.test_run_id WHERE j.experiment = 'band' GROUP BY j.number""")
        tap.equal(len(met), 10, 'cells of seed 1 with task rows')
        tap.equal(len({row[2] for row in met}), 1, 'different courses of events')
        tap.equal(testbed.rows(db, """
            SELECT DISTINCT j.seed FROM job AS j JOIN task AS t ON t.run_id = j.test_run_id WHERE j.experiment = 'band'"""),
            [(1,)], 'seeds with task rows')
        testbed.verify(db)


@tap.test
def a_learner_is_tested_with_its_best_checkpoint():
    with testbed.scratch() as folder:
        sweep(folder)
        db = os.path.join(folder, 'x.db')
        for number, tested, best in testbed.rows(db, """
                SELECT j.number, r.checkpoint_episode,
                       (SELECT episode FROM checkpoint WHERE run_id = j.train_run_id ORDER BY validation_cost, episode LIMIT 1)
                FROM job AS j JOIN run AS r ON r.run_id = j.test_run_id WHERE j.policy = 'dapo'"""):
            tap.equal(tested, best, f'checkpoint tested by job {number}')
        curve = testbed.rows(db, "SELECT seed, slots, regret_pct > 0 FROM sweep_curve ORDER BY seed, slots")
        tap.equal(curve, [(seed, 40 * episode, 1) for seed in (1, 2) for episode in (1, 2, 3)], 'learning curves')
        tap.equal(testbed.one(db, "SELECT count(*) FROM run WHERE kind = 'validate'"), 2 * 3 + 2, 'validations kept')


@tap.test
def the_percentile_is_that_of_the_tasks():
    with testbed.scratch() as folder:
        sweep(folder)
        db = os.path.join(folder, 'x.db')
        for number, p95 in testbed.rows(db, "SELECT number, p95_latency_s FROM job WHERE experiment = 'band' AND seed = 1"):
            latencies = sorted(row[0] for row in testbed.rows(
                db, 'SELECT latency_s FROM task JOIN job ON run_id = test_run_id WHERE number = ? AND latency_s IS NOT NULL',
                number))
            tap.equal(p95, latencies[-(-95 * len(latencies) // 100) - 1], f'95th percentile of job {number}')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM sweep_result WHERE p95_latency_s IS NULL'), 0, 'unknown percentiles')


@tap.test
def a_learner_that_trains_once_takes_its_weights_along_the_axis():
    with testbed.scratch() as folder:
        sweep(folder)
        db = os.path.join(folder, 'x.db')
        runs = testbed.rows(db, "SELECT trained_by, train_run_id, test_run_id IS NULL, value FROM job WHERE experiment = 'drift' "
                                "AND policy = 'dapo' ORDER BY number")
        trainer = runs[0][1]
        number = testbed.one(db, 'SELECT number FROM job WHERE train_run_id = ? AND trained_by IS NULL', trainer)
        tap.equal(runs, [(None, trainer, 1, ''), (number, trainer, 0, '5'), (number, trainer, 0, '20')], 'jobs')
        tap.equal(testbed.one(db, "SELECT count(*) FROM run WHERE kind = 'train' AND seed = 3"), 1, 'trainings')
        tap.equal(testbed.one(db, "SELECT count(DISTINCT parent_run_id) FROM run WHERE kind = 'test' AND seed = 3 "
                                  "AND policy = 'dapo'"), 1, 'parents of the tests')


@tap.test
def how_many_workers_there_are_changes_no_number():
    with testbed.scratch() as folder:
        sweep(folder, '--jobs', 5)
        expect_same(os.path.join(folder, 'x.db'), undisturbed())


@tap.test
def a_sweep_that_is_killed_again_and_again_comes_out_as_if_it_had_not_been():
    expected = undisturbed()
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        kills = 0
        for wanted in range(1, CELLS, 4):
            program = start(folder, db, jobs=3)
            testbed.until(lambda: jobs(db, 'done') >= wanted or program.child.poll() is not None, f'{wanted} cells are done')
            if program.child.poll() is not None:
                break
            workers = testbed.children(program.pid)
            program.kill()
            tap.equal(program.wait(), 128 + signal.SIGKILL, 'status')
            testbed.until(lambda: not any(testbed.is_running(pid) for pid in workers), 'the workers end with their parent')
            kills += 1
            testbed.check_database(db)
            tap.equal(testbed.one(db, """
                SELECT count(*) FROM run WHERE run_id NOT IN (SELECT train_run_id FROM job WHERE train_run_id IS NOT NULL)
                AND run_id NOT IN (SELECT test_run_id FROM job WHERE test_run_id IS NOT NULL) AND kind <> 'validate'"""),
                0, 'runs of cells that are not done')
        tap.true(kills >= 3, f'only {kills} kills: the sweep was over before')
        done = jobs(db, 'done')
        output, _ = sweep(folder, '--json')
        tap.equal(json.loads(output)['played'], CELLS - done, 'cells played by the last start: finished ones are not')
        expect_same(db, expected)
        tap.equal(sorted(os.listdir(folder)), ['sweep.yaml', 'x.db'], 'files that are left')


@tap.test
def a_worker_that_is_killed_fails_its_cell_alone_and_is_tried_again():
    expected = undisturbed()
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = start(folder, db)
        testbed.until(lambda: testbed.children(program.pid), 'a worker is there')
        os.kill(testbed.children(program.pid)[0], signal.SIGKILL)
        tap.equal(program.wait(), 1, 'status')
        told = json.loads(''.join(program.output))
        # One that trains for others takes them with it.
        tap.true(told['failed'] >= 1 and told['done'] == CELLS - told['failed'], f'failed and done: {told}')
        tap.contains(told['problems'][0]['error'], 'signal 9')
        tap.equal(jobs(db, 'failed'), told['failed'], 'failed jobs')
        output, _ = sweep(folder, '--json')
        tap.equal(json.loads(output)['played'], told['failed'], 'cells played again')
        expect_same(db, expected)
        tap.equal(testbed.one(db, 'SELECT max(attempts) FROM job'), 2, 'attempts')


@tap.test
def an_interrupt_ends_in_order_and_the_same_command_goes_on():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = start(folder, db, grid=LONG, jobs=1)
        testbed.until(lambda: jobs(db, 'running') > 0, 'a cell runs')
        program.kill(signal.SIGINT)
        tap.equal(program.wait(), 130, 'status')
        tap.equal(testbed.processes_with(db), [], 'processes that are left')
        tap.equal(sorted(os.listdir(folder)), ['sweep.yaml', 'x.db'], 'files that are left')
        tap.equal(jobs(db, 'running'), 0, 'running jobs')
        testbed.check_database(db)
        tap.true(json.loads(''.join(program.output))['waiting'] > 0, 'cells are left')


@tap.test
def one_process_at_a_time_plays_a_sweep():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = start(folder, db, grid=LONG, jobs=1)
        testbed.until(lambda: jobs(db, 'running') > 0, 'a cell runs')
        _, errors = sweep(folder, grid=LONG, status=2)
        tap.contains(errors, 'a running process plays this sweep')
        output, _ = sweep(folder, '--dry-run', '--json', grid=LONG)
        tap.equal(len(json.loads(output)), 6, 'cells that can be looked at meanwhile')
        sweep(folder, grid={**GRID, 'name': 'other', 'experiments': [{'name': 'b', 'policies': ['local']}]})
        tap.equal(testbed.rows(db, "SELECT j.status FROM job AS j JOIN sweep USING (sweep_id) WHERE name = 'other'"),
                  [('done',)] * 2, 'another sweep in the same file')
        program.kill(signal.SIGTERM)
        tap.equal(program.wait(), 130, 'status')


@tap.test
def a_dry_run_lists_the_cells_and_makes_no_file():
    with testbed.scratch() as folder:
        output, _ = sweep(folder, '--dry-run', '--json')
        cells = json.loads(output)
        tap.equal(len(cells), CELLS, 'cells')
        tap.equal({cell['status'] for cell in cells}, {'waiting'}, 'status')
        tap.equal([cell['number'] for cell in cells], list(range(1, CELLS + 1)), 'numbers')
        output, _ = sweep(folder, '--dry-run')
        tap.contains(output, f'{CELLS} cells, {CELLS} to play', 'none is done yet')
        tap.equal(os.listdir(folder), ['sweep.yaml'], 'files')
        sweep(folder)
        connection = sqlite3.connect(os.path.join(folder, 'x.db'))
        connection.execute("UPDATE job SET status = 'waiting', test_run_id = NULL WHERE number = 9")
        connection.commit()
        connection.close()
        output, _ = sweep(folder, '--dry-run')
        tap.contains(output, f'{CELLS} cells, 1 to play: about ')


@tap.test
def a_policy_that_cannot_do_a_cell_leaves_it_out_and_says_why():
    grid = {**GRID, 'seeds': [1], 'experiments': [
        {'name': 'many', 'policies': ['optimum', 'local'], 'set': {'servers.count': 8}, 'vary': {'devices.count': [4, 60]}},
        {'name': 'fit', 'policies': ['dapo'], 'train': 'once', 'vary': {'devices.count': [4, 5]}}]}
    with testbed.scratch() as folder:
        output, _ = sweep(folder, '--json', grid=grid)
        told = json.loads(output)
        tap.equal((told['done'], told['skipped'], told['failed']), (5, 2, 0), 'done, skipped, failed')
        tap.contains(told['problems'][0]['error'], '60 devices and 8 servers have too many load vectors')
        tap.contains(told['problems'][1]['error'], 'checkpoint is for')
        output, _ = sweep(folder, grid=grid)
        tap.contains(output, 'skipped: job ', '5 of 7 cells done, 2 skipped; 0 played')


@tap.test
def a_learner_whose_training_is_too_short_is_told_once_for_all_seeds_of_a_place():
    experiment = {'name': 'brief', 'policies': ['greedy', 'dapo'], 'vary': {'run.slots': [20, 40]}}
    with testbed.scratch() as folder:
        _, errors = sweep(folder, grid={**GRID, 'experiments': [experiment], 'set': {**SETTINGS, 'ddpg.warmup': 100}})
        told = [line for line in errors.split('\n') if 'experiment brief' in line]
        tap.equal(len(told), 1, f'warnings: {errors}')
        tap.contains(told[0], 'experiment brief, run.slots = 20: ')


@tap.test
def a_sweep_whose_database_takes_no_more_fails_and_the_same_command_goes_on():
    grid = {**GRID, 'experiments': [{'name': 'b', 'policies': ['local', 'greedy']}]}
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        sweep(folder, grid={**grid, 'name': 'other'})  # the tables are there

        def change(statement):
            connection = sqlite3.connect(db)
            connection.execute(statement)
            connection.commit()
            connection.close()
        change("CREATE TRIGGER full BEFORE UPDATE ON job WHEN new.status = 'done' BEGIN SELECT RAISE(ABORT, 'no more'); END")
        _, errors = sweep(folder, grid=grid, status=1)
        tap.contains(errors, 'no more')
        change('DROP TRIGGER full')
        output, _ = sweep(folder, grid=grid)
        tap.contains(output, '4 of 4 cells done')


@tap.test
def another_content_under_the_same_name_is_refused():
    small = {**GRID, 'experiments': [{'name': 'b', 'policies': ['local']}]}
    with testbed.scratch() as folder:
        sweep(folder, grid=small)
        _, errors = sweep(folder, grid={**small, 'seeds': [1, 3]}, status=2)
        tap.contains(errors, "holds a sweep 'grid' of another content", 'seeds: [1, 2]', 'seeds: [1, 3]')
        scenario = os.path.join(folder, 'own.yaml')
        with open(scenario, 'w', encoding='utf-8') as file:
            file.write('run: {name: own}\n')
        own = {**small, 'name': 'own', 'scenario': scenario}
        sweep(folder, grid=own)
        with open(scenario, 'w', encoding='utf-8') as file:
            file.write('run: {name: own}\ntask: {tokens: 64}\n')
        _, errors = sweep(folder, grid=own, status=2)
        tap.contains(errors, 'tokens: 128', 'tokens: 64')
        sweep(folder, '--name', 'grid-2', grid={**small, 'seeds': [1, 3]})
        tap.equal(testbed.rows(os.path.join(folder, 'x.db'), 'SELECT name FROM sweep ORDER BY 1'),
                  [('grid',), ('grid-2',), ('own',)], 'sweeps')


@tap.test
def what_cannot_be_played_is_refused_before_anything_is():
    def vary(key, values):
        return {**GRID, 'experiments': [{'name': 'b', 'policies': ['local'], 'vary': {key: values}}]}

    with testbed.scratch() as folder:
        for grid, parts in (
                (vary('mobility.speed_mean', [5, 50]), ('experiment b, mobility.speed_mean = 50', 'mobility.speed_max')),
                (vary('run.clock', ['virtual', 'real']), ('run.clock = real', 'played in memory')),
                ({**GRID, 'scenario': 'dope'}, ("unknown scenario 'dope'",)),
                ({**GRID, 'seeds': []}, ('sweep.yaml:1: seeds: a list of 0',))):
            _, errors = sweep(folder, grid=grid, status=2)
            tap.contains(errors, *parts)
        tap.equal(os.listdir(folder), ['sweep.yaml'], 'files')
        db = os.path.join(folder, 'x.db')
        for arguments, part in (((), 'a FILE is needed'), ((os.path.join(folder, 'no.yaml'),), 'no.yaml'),
                                ((write(folder), '--jobs', 0), '--jobs'), ((write(folder), '--name', 'a/b'), "'a/b' is no name")):
            _, errors = testbed.orchestrator('sweep', *arguments, '--db', db, status=2)
            tap.contains(errors, part)


@tap.test
def training_and_testing_may_differ():
    slow = 'slot 0 slow server 0 by 0.05 for 40; slot 0 slow server 1 by 0.05 for 40'
    grid = {**GRID, 'seeds': [1], 'experiments': [
        {'name': 'well', 'policies': ['dapo'], 'curve': True},
        {'name': 'slow', 'policies': ['dapo'], 'curve': True, 'test_set': {'faults.script': slow}},
        {'name': 'adapts', 'policies': ['dapo'], 'curve': True, 'test_set': {'faults.script': slow},
         'train_set': {'faults.script': f'episode 1 {slow.split(";")[0]}; episode 2 {slow.split(";")[0]}'}}]}
    with testbed.scratch() as folder:
        sweep(folder, grid=grid)
        db = os.path.join(folder, 'x.db')
        train = {name: testbed.rows(db, f'SELECT {EPISODE} FROM job JOIN episode AS e ON run_id = train_run_id WHERE '
                                    'experiment = ?', name) for name in ('well', 'slow', 'adapts')}
        tap.equal(train['slow'], train['well'], 'training without its own settings')
        tap.equal(train['adapts'][0], train['well'][0], 'the episode before the change')
        tap.true(train['adapts'][1] != train['well'][1], 'the change is felt in training')
        cost = dict(testbed.rows(db, 'SELECT experiment, mean_latency_s FROM sweep_result'))
        tap.true(cost['slow'] > cost['well'], 'the change is felt in the test')
        curve = dict(testbed.rows(db, 'SELECT experiment, max(mean_latency_s) FROM sweep_curve GROUP BY 1'))
        tap.true(curve['slow'] > curve['well'], 'and in the learning curve')


@tap.test
def the_shipped_sweep_can_be_played():
    path = os.path.join(testbed.SOURCE_ROOT, 'deploy', 'sweeps', 'mini.yaml')
    with testbed.scratch() as folder:
        output, _ = testbed.orchestrator('sweep', path, '--db', os.path.join(folder, 'x.db'), '--dry-run', '--json')
        tap.true(len(json.loads(output)) > 20, 'cells')


@tap.test
def the_manuals_example_is_a_sweep():
    with open(os.path.join(testbed.SOURCE_ROOT, 'docs', 'handoff-sweep.5'), encoding='utf-8') as file:
        example = file.read().partition('.SH EXAMPLES')[2].partition('.nf\n')[2].partition('.fi\n')[0].replace('\\-', '-')
    with testbed.scratch() as folder:
        path = os.path.join(folder, 'paper.yaml')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(example)
        output, _ = testbed.orchestrator('sweep', path, '--db', os.path.join(folder, 'x.db'), '--dry-run', '--json')
        tap.equal({cell['experiment'] for cell in json.loads(output)},
                  {'convergence', 'users', 'band', 'speed', 'split', 'gap', 'adaptation'}, 'experiments')


@tap.test
def progress_comes_as_plain_lines_where_there_is_no_terminal():
    with testbed.scratch() as folder:
        program = testbed.Program([testbed.ORCHESTRATOR, 'sweep', write(folder, LONG), '--db', os.path.join(folder, 'x.db')])
        testbed.until(lambda: any('ETA' in line for line in program.errors), 'a line of progress')
        program.kill(signal.SIGINT)
        tap.equal(program.wait(), 130, 'status')
        (line,) = [line for line in program.errors if 'ETA' in line][:1]
        tap.contains(line, 'long: ', '%', 'cells played', 'running')


tap.main()
