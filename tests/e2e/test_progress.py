"""What progress lines count: each command's steps, all of them, one by one. The clock is in a hurry (tests/lib/failing.c), so that
every step is shown."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import failing
import small_llama
import tap
import testbed

SMALL = ('-s', 'dapo-quick', '-n', 2, '-m', 1)
HELD_OUT = ('--set', 'evaluation.validate_episodes=1', '--set', 'evaluation.validate_slots=5', '--set', 'evaluation.test_episodes=2',
            '--set', 'evaluation.test_slots=2')
LINE = re.compile(r'^([\w-]+): (\d+)%(?: in \d+\.\d s|, (\d+) s, ETA (\?|\d+ s)  (.*))$')
LAYERS = 3  # of small_llama
SWEEP = """\
name: small
scenario: dapo-quick
seeds: [1, 2]
set: {devices.count: 2, servers.count: 1, evaluation.test_episodes: 1, evaluation.test_slots: 10}
experiments: [{name: rules, policies: [local, greedy]}]
"""


def shares(steps, all_of_them=None):
    """Percents of 1, 2, ... steps."""
    return [100 * step // (all_of_them or steps) for step in range(1, steps + 1)]


def run(*words, status=0):
    """(label, percents with the last line's, notes) of each stretch of progress lines, in their order."""
    ended = failing.run('clock:5', testbed.ORCHESTRATOR, *words)
    tap.equal(ended.status, status, ended.errors)
    stretches = []
    begins = True
    for line in ended.errors.splitlines():
        parts = LINE.match(line)
        if not parts:
            continue
        label, percent, passed, left, note = parts.groups()
        if begins:
            stretches.append((label, [], []))
        tap.equal(label, stretches[-1][0], ended.errors)
        stretches[-1][1].append(int(percent))
        if passed:
            stretches[-1][2].append(note)
            tap.equal(left == '?', percent == '0', line)
        begins = passed is None
    tap.true(begins, ended.errors)
    return stretches


def without_notes(stretches):
    return [(label, percents) for label, percents, notes in stretches if not any(notes)]


def model(folder):
    small, tokenizer = os.path.join(folder, 'small.bin'), os.path.join(folder, 'tokenizer.bin')
    small_llama.write(small, tokenizer)
    return small


@tap.test
def a_run_and_what_comes_of_it_count_slots():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        slots = [0, *shares(10)[:-1], 100]
        play = ('run', '--over', 'memory', *SMALL, *HELD_OUT, '-p', 'greedy', '--db', db)
        tap.equal(without_notes(run(*play, '-e', 2, '-t', 5)), [('greedy', slots)], 'run')
        tap.equal(without_notes(run('run', '--resume', '-e', 4, '--db', db)), [('greedy', slots)], 'run --resume')
        tested = ('evaluate', '--run', 1, '-p', 'local', '--db', db)
        tap.equal(without_notes(run(*tested)), [('local', [0, 25, 50, 75, 100])], 'evaluate')
        tap.equal(without_notes(run('evaluate', *SMALL, *HELD_OUT, '--draws', 3, '-p', 'local')), [('draws', [33, 66, 100, 100])],
                  'evaluate --draws')
        tap.equal(without_notes(run('replay', '--policy', 'local', '--run', 1, '--db', db)),
                  [('local', [0, *shares(20)[:-1], 100])], 'replay')
        tap.equal(run('run', '-q', *play[1:], '-e', 1, '-t', 5), [], 'quiet')


@tap.test
def what_is_deleted_counts_tasks():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', *SMALL, '-p', 'local', '-e', 4, '-t', 1000, '--db', db)
        told = run('delete', '--run', 1, '--dry-run', '--db', db)
        tap.equal(told, [], 'a dry run')
        (label, percents, _), *told = run('delete', '--run', 1, '--db', db)
        tap.equal((label, percents, told), ('delete', [*shares(4), 100, 100], []), 'delete')  # portions, and that there are no more
        testbed.orchestrator('run', '-q', '--over', 'memory', *SMALL, '-p', 'local', '-e', 5, '-t', 5000, '--db', db)
        testbed.orchestrator('run', '-q', '--over', 'memory', *SMALL, '-p', 'local', '-e', 1, '-t', 1, '--db', db)
        *_, (label, percents, _) = run('delete', '--run', 3, '--compact', '--db', db)
        tap.equal((label, percents == sorted(percents), percents[-1]), ('compact', True, 100), percents)
        first, steps = percents[0], len(percents) - 1  # each as many of SQLite's steps, of about four a row
        tap.true(2 < steps and 0 < first < 12 and all(abs(percents[i] - percents[i - 1] - first) <= 1 for i in range(1, steps)
                                                     if percents[i] < 100), percents)


@tap.test
def figures_are_counted():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', *SMALL, *HELD_OUT, '-p', 'local', '-e', 2, '-t', 5, '--db', db)
        testbed.orchestrator('evaluate', '-q', '--run', 1, '-p', 'local,greedy', '--db', db)
        told = without_notes(run('report', '--db', db, '-o', os.path.join(folder, 'out')))
        (label, percents), = told
        figures = len(percents) - 1
        tap.equal((label, percents), ('figures', [*shares(figures), 100]), 'report')
        tap.true(figures > 1, f'{figures} figures')


@tap.test
def a_model_counts_layers_tokens_and_bytes():
    with testbed.scratch() as folder:
        small = model(folder)
        layers = [*shares(LAYERS), 100]
        told = without_notes(run('generate', '--model', small, '--ids', '5,6,7,8', '--tokens', 2, '--portion', 1))
        tap.equal(told, [('load', layers), ('prompt', [25, 50, 75, 100, 100])], 'generate')
        told = without_notes(run('model', small, '--measure'))
        tap.equal(told[0], ('load', layers), 'model')
        label, percents = told[1]
        measured = len(percents) - 1
        tap.equal((label, percents, measured > 1), ('measure', [*shares(measured, 10), 100], True), 'model --measure')


@tap.test
def training_counts_steps_and_kinds_of_text():
    with testbed.scratch() as folder:
        for part in ('train', 'evaluation'):
            os.makedirs(os.path.join(folder, 'texts', part))
            with open(os.path.join(folder, 'texts', part, 'a.txt'), 'w', encoding='ascii') as file:
                file.write('the cat and the hat ' * 20)
        told = run('train', os.path.join(folder, 'texts'), '-o', os.path.join(folder, 'model'), '--layers', 1, '--width', 8, '--heads',
                   2, '--hidden', 8, '--vocabulary', 260, '--context', 8, '--steps', 4, '--batch', 2, '--shards', 2)
        told = {label: (percents, notes) for label, percents, notes in told}
        percents, notes = told['training']
        tap.equal(percents, [25, 50, 75, 100, 100], 'training')
        tap.equal([re.match(r'step (\d+), loss \d+\.\d{3}, \d+ tokens/s', note)[1] for note in notes], ['1', '2', '3', '4'], notes)
        tap.equal(told['evaluation'][0], [100, 100], 'evaluation')


@tap.test
def a_sweep_counts_cells_and_guesses_the_rest_from_those_that_are_done():
    with testbed.scratch() as folder:
        sweep, db = os.path.join(folder, 'small.yaml'), os.path.join(folder, 'x.db')
        with open(sweep, 'w', encoding='utf-8') as file:
            file.write(SWEEP)
        (label, percents, notes), = run('sweep', sweep, '-j', 1, '--db', db)
        cells = [tuple(int(n) for n in re.fullmatch(r'(\d) cells played, ([01]) running', note).groups()) for note in notes]
        tap.equal((label, percents[-1], cells[-1]), ('small', 100, (4, 0)), notes)
        tap.equal(cells, sorted(cells, key=lambda cell: cell[0]), 'cells')
        tap.true(all(percent == 0 for percent, (played, _) in zip(percents, cells) if played == 0), percents)
        tap.true(all(0 < percent < 100 for percent, (played, _) in zip(percents, cells) if 0 < played < 4), percents)


tap.main()
