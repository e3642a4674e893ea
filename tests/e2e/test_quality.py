#!/usr/bin/env python3
"""Quality measured beside a run: the same in both hosts, in replays and when a run goes on; and the surrogate."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import small_llama
import tap
import testbed

TEXT = 'the quick brown fox jumps over a lazy dog, and '
COLUMNS = 'episode, slot, split, channel, quality, nll, nll_tokens, nll_bytes, cost'


def keys(folder, *more):
    """Two phones whose split moves, over a channel that erases elements of a small model's activations."""
    text = os.path.join(folder, 'text.txt')
    with open(text, 'w', encoding='utf-8') as file:
        file.write(TEXT * 20)
    model = os.path.join(folder, 'model.bin')
    small_llama.write(model, os.path.join(folder, 'tokenizer.bin'), 1)
    settings = ('devices.count=2', f'model.file={model}', 'model.max_split=2', 'model.first_split_max=2',
                f'quality.text={text}', 'quality.tokens=128', 'run.checkpoint_every=2', 'ppo.rollout=8', 'ppo.batch=4',
                'evaluation.test_episodes=2', 'evaluation.validate_episodes=2', *more)
    return [word for setting in settings for word in ('--set', setting)]


def run(folder, name, *more, episodes=8):
    db = os.path.join(folder, name + '.db')
    testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'layersplit-house', '-e', episodes, '--db', db,
                         *keys(folder, *more))
    return db


def tasks(db, run_id=1):
    return testbed.rows(db, f'SELECT {COLUMNS} FROM task WHERE run_id = ? ORDER BY episode, slot, device', run_id)


@tap.test
def every_task_that_crosses_a_split_is_measured():
    with testbed.scratch() as folder:
        db = run(folder, 'x')
        testbed.check_database(db)
        tap.equal(testbed.one(db, 'SELECT count(*) FROM task WHERE nll_tokens = 128 AND nll_bytes > 0 AND channel > 0'), 80, 'tasks')
        # Of the same text; a group's perplexity follows from its sums.
        tap.true(testbed.one(db, 'SELECT max(abs(quality - (nll / nll_tokens - nll0))) < 1e-9 FROM task, '
                                 '(SELECT min(nll / nll_tokens - quality) AS nll0 FROM task)'), 'one clean text')
        tap.equal(len({row[:1] + row[3:4] for row in tasks(db)}), 16, 'conditions: one for each phone and episode')
        testbed.verify(db)


@tap.test
def nodes_over_tcp_leave_the_same_qualities():
    with testbed.scratch() as folder:
        wanted = tasks(run(folder, 'memory'))
        db = os.path.join(folder, 'tcp.db')
        program = testbed.start_orchestrator('-s', 'layersplit-house', '-e', 8, '--db', db, *keys(folder))
        port = program.port()
        nodes = [testbed.start_server(port), testbed.start_device(port), testbed.start_device(port)]
        for process in (program, *nodes):
            tap.equal(process.wait(), 0, process.text())
        tap.equal(tasks(db), wanted, 'tasks')


def check_surrogate(folder, *more):
    more = ('quality.surrogate_after=20', *more)
    whole = run(folder, 'whole', *more)
    table = testbed.one(whole, 'SELECT surrogate FROM run')
    tap.true(table is not None, 'a surrogate')
    tap.equal(testbed.rows(whole, 'SELECT DISTINCT episode < 4, nll IS NULL FROM task'), [(1, 0), (0, 1)], 'measured until then')
    testbed.verify(whole)
    for episodes in (2, 6):  # before it has taken over, and after
        part = run(folder, f'part{episodes}', *more, episodes=episodes)
        testbed.orchestrator('run', '-q', '--resume', '--episodes', 8, '--db', part)
        tap.equal(testbed.one(part, 'SELECT surrogate FROM run'), table, f'{episodes} episodes: the surrogate')
        tap.equal(tasks(part), tasks(whole), f'{episodes} episodes: tasks')


@tap.test
def a_surrogate_takes_over_and_a_run_that_goes_on_has_the_same():
    with testbed.scratch() as folder:
        check_surrogate(folder)


@tap.test
def a_surrogate_learns_from_what_was_really_missing_and_so_does_a_run_that_goes_on():
    with testbed.scratch() as folder:
        check_surrogate(folder, 'channel.mode=bounded', 'channel.margin_db=0', 'task.tokens=300')


@tap.test
def held_out_streams_are_measured_and_planners_are_left_out():
    with testbed.scratch() as folder:
        db = run(folder, 'x', 'quality.surrogate_after=20')
        _, errors = testbed.orchestrator('evaluate', '--db', db, '-p', 'ppo,stay,greedy,optimum')
        tap.equal(testbed.rows(db, "SELECT policy, count(nll) FROM run JOIN task USING (run_id) WHERE kind = 'test' GROUP BY policy"),
                  [('ppo', 20), ('stay', 20)], 'test runs')
        for name in ('greedy', 'optimum'):
            tap.true(f'policy {name}: plans with the model, and quality.source: model is known only when it is measured' in errors,
                     f'{name} is left out: {errors}')


@tap.test
def what_nodes_tell_of_their_prompts_is_a_quality_too():
    with testbed.scratch() as folder:
        db = run(folder, 'x', 'quality.source=task', 'compute.kind=model', 'compute.nll=on', 'task.tokens=20',
                 f'compute.text={folder}/text.txt')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM task WHERE nll_tokens = 19 AND quality IS NOT NULL'), 80, 'tasks')
        tap.true(testbed.one(db, 'SELECT max(abs(quality - (nll / nll_tokens - nll0))) < 1e-9 FROM task, '
                                 '(SELECT min(nll / nll_tokens - quality) AS nll0 FROM task)'), 'beside one clean text')
        testbed.verify(db)


@tap.test
def one_command_says_what_a_bad_channel_costs():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        script = os.path.join(testbed.SOURCE_ROOT, 'deploy', 'bad-channel')
        words = (script, '--db', db, '--slots', 8, '--splits', '1,11', '--programs', testbed.BUILD_ROOT, '-q')
        rows = json.loads(testbed.call(*words, '--json')[0])
        tap.equal(sum(row['tasks'] for row in rows), 48, 'tasks')
        for row in rows:
            tap.true(row['perplexity'] > 5 and row['latency_s'] > 0 and row['energy_j'] > 0 and row['missing'] is not None, f'{row}')
        tap.equal([row['split'] for row in rows if row['read'] is not None and row['read'] > 0.5], [1, 11], 'prompts are read')
        recorded = testbed.rows(db, 'SELECT DISTINCT split, share, channel, level = (SELECT max(channel) FROM task) FROM leak_share')
        tap.equal(recorded, [(row['split'], row['read'], 'packets of 1500 bytes, rows, fill zero', 1) for row in rows if row['split'] in (1, 11)],
                  'as the database has it')
        _, errors = testbed.call(*words, status=1)
        tap.true('is there already' in errors, errors)


@tap.test
def another_model_file_is_refused():
    with testbed.scratch() as folder:
        db = run(folder, 'x', episodes=2)
        small_llama.write(os.path.join(folder, 'model.bin'), None, 2)
        for status, words in ((1, ('run', '--resume', '--episodes', 4)), (5, ('replay', '--verify')), (1, ('evaluate', '-p', 'stay'))):
            _, errors = testbed.orchestrator(*words, '-q', '--db', db, status=status)
            tap.true('it is another model' in errors, f'{words[0]}: {errors}')


@tap.test
def an_estimate_is_told_and_the_surrogate_says_how_good_it_is():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        _, errors = testbed.orchestrator('run', '--over', 'memory', '-s', 'layersplit-house', '-e', 8, '--db', db,
                                         *keys(folder, 'quality.surrogate_after=20'))
        tap.true('quality is measured: 40 times, about ' in errors, errors)
        tap.true('a surrogate takes over: 40 records; on records not seen the mean squared error is ' in errors, errors)


tap.main()
