"""Matrix products: the same bits on every vector path; OpenBLAS is loaded when it is asked for, and only then."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

ADDRESS_SPACE_KB = 200 * 1024
SMALL = ('-s', 'dapo-quick', '--over', 'memory', '-n', 3, '-m', 2, '--set', 'ddpg.hidden_1=24', '--set', 'ddpg.hidden_2=17',
         '--set', 'ddpg.warmup=40', '--set', 'ddpg.batch=33', '--set', 'dqn.warmup=40', '--set', 'ppo.rollout=40',
         '--set', 'ppo.batch=13', '--set', 'plus.warmup=20', '--set', 'evaluation.validate_slots=20', '--set', 'evaluation.validate_episodes=1')
LEARNERS = ('dapo', 'sac', 'maddpg', 'dqn', 'ppo', 'a2c', 'dapo-plus')


def vector(word):
    return {**os.environ, 'HANDOFF_VECTOR': word}


def paths():
    """The vector paths of this processor: the others are refused."""
    found = []
    for word in ('avx512', 'avx2', 'neon', 'none'):
        _, errors = testbed.orchestrator('show', 'policies', status=None, env=vector(word))
        found += [word] if errors == '' else []
        tap.true(errors == '' or f'HANDOFF_VECTOR is {word}, which this processor does not have' in errors, errors)
    return found


def train(folder, policy, name, *more, **options):
    db = os.path.join(folder, f'{policy}-{name}.db')
    testbed.orchestrator('run', '-q', *SMALL, '-p', policy, '-e', 2, '-t', 60, '--db', db, *more, **options)
    return (testbed.rows(db, 'SELECT episode, weights FROM checkpoint ORDER BY episode'),
            testbed.rows(db, 'SELECT episode, slot, device, split, server, cost FROM task ORDER BY 1, 2, 3'))


@tap.test
def learners_have_the_same_bits_on_every_vector_path():
    words = paths()
    tap.true('none' in words, f'plain C is always there: {words}')
    with testbed.scratch() as folder:
        for policy in LEARNERS:
            weights, tasks = train(folder, policy, words[0], env=vector(words[0]))
            tap.true(len(set(weights)) > 1 and len(tasks) > 0, f'{policy} has learned')
            for word in words[1:]:
                other_weights, other_tasks = train(folder, policy, word, env=vector(word))
                tap.true(weights == other_weights, f"{policy}: {word}'s weights are {words[0]}'s")
                tap.true(tasks == other_tasks, f"{policy}: {word}'s tasks are {words[0]}'s")


@tap.test
def greedy_runs_in_200_mb_of_address_space():
    if testbed.has_sanitizers():
        raise tap.Skip('a sanitizer reserves terabytes')
    with testbed.scratch() as folder:
        testbed.call('sh', '-c', f'ulimit -v {ADDRESS_SPACE_KB} && exec "$@"', 'sh', testbed.ORCHESTRATOR, 'run', '-q', *SMALL,
                     '-p', 'greedy', '-e', 1, '-t', 20, '--db', os.path.join(folder, 'x.db'))


@tap.test
def openblas_multiplies_when_the_scenario_asks_for_it():
    with testbed.scratch() as folder:
        ours, _ = train(folder, 'dapo', 'portable')
        db = os.path.join(folder, 'x.db')
        _, errors = testbed.orchestrator('run', '-q', *SMALL, '-p', 'dapo', '-e', 2, '-t', 60, '--db', db, '--set',
                                         'run.linalg=openblas', status=None)
        if 'OpenBLAS cannot be loaded' in errors:
            raise tap.Skip('OpenBLAS is not installed')
        theirs = testbed.rows(db, 'SELECT episode, weights FROM checkpoint ORDER BY episode')
        tap.equal(len(theirs), len(ours), f'checkpoints; {errors}')
        tap.true(theirs != ours, 'its sums have another order')
        testbed.orchestrator('evaluate', '-q', '--db', db, '-p', 'dapo')
        output, _ = testbed.orchestrator('compare', '--db', db)
        tap.true('different arithmetic' not in output, f'all results have one arithmetic: {output}')
        testbed.orchestrator('run', '-q', *SMALL, '-p', 'dapo', '-e', 2, '-t', 60, '--db', db)
        testbed.orchestrator('evaluate', '-q', '--db', db, '-p', 'dapo')
        output, _ = testbed.orchestrator('compare', '--db', db)
        tap.contains(output, 'Results of different arithmetic stand together', '1 with openblas ', '1 with portable, arithmetic 1')


@tap.test
def a_machine_without_openblas_says_so():
    with testbed.scratch() as folder:
        for name in ('libopenblas.so.0', 'libopenblas.so'):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                file.write('no library')
        there = {**os.environ, 'LD_LIBRARY_PATH': folder}
        db = os.path.join(folder, 'x.db')
        _, errors = testbed.orchestrator('run', '-q', *SMALL, '-p', 'dapo', '-t', 2, '-e', 1, '--set', 'run.linalg=openblas',
                                         '--db', db, status=2, env=there)
        tap.contains(errors, 'run.linalg: OpenBLAS cannot be loaded', 'libopenblas.so.0')
        tap.true(not os.path.exists(db), 'nothing was begun')
        testbed.orchestrator('run', '-q', '-s', 'dapo-quick', '--over', 'memory', '-p', 'greedy', '-t', 2, '-e', 1, '--db', db,
                             env=there)


tap.main()
