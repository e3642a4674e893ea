"""deploy/experiments goes from a sweep to the report: the paper's sweep, every learner and every figure, in miniature."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

SOURCE, BUILD = sys.argv[4], sys.argv[5]
SMALL = {
    'run.episodes': 2, 'run.slots': 20, 'ddpg.warmup': 20, 'dqn.epsilon_slots': 20,
    'evaluation.validate_episodes': 1, 'evaluation.validate_slots': 5, 'evaluation.test_episodes': 2, 'evaluation.test_slots': 5,
}


LEARNERS = {'dapo', 'bandit', 'td3', 'sac', 'maddpg', 'ppo', 'ppo-gaussian', 'a2c', 'dqn', 'dapo-plus', 'dapo-plus-actor'}


def miniature(folder):
    """The shipped reduced sweep with next to no slots, one seed, small networks and fewer values on each axis."""
    with open(os.path.join(SOURCE, 'deploy', 'sweeps', 'paper-reduced.yaml'), encoding='utf-8') as file:
        text = file.read()
    for key, value in SMALL.items():
        text, found = re.subn(rf'^(  {re.escape(key)}:) .*$', rf'\1 {value}', text, flags=re.MULTILINE)
        assert found == 1, key
    text = text.replace('set:\n', 'set:\n  ddpg.hidden_1: 32\n  ddpg.hidden_2: 16\n  plus.warmup: 10\n  ppo.rollout: 15\n  ppo.batch: 10\n', 1)
    text = text.replace('seeds: 1..3', 'seeds: [1]').replace('[5, 10, 20, 40]', '[5, 40]').replace('[5, 10, 20]', '[5, 8]')
    text = text.replace('[0, 10, 30]', '[0, 30]').replace('[20, 50]', '[12]').replace('"episode 8 ', '"episode 1 ')
    path = os.path.join(folder, 'miniature.yaml')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return path


def experiments(folder, *options):
    return subprocess.run([os.path.join(SOURCE, 'deploy', 'experiments'), '--built', BUILD, *options], cwd=folder,
                          capture_output=True, text=True, check=False)


@tap.test
def one_command_goes_from_the_sweep_to_the_report_and_a_second_plays_nothing_again():
    with testbed.scratch() as folder:
        sweep = miniature(folder)
        first = experiments(folder, '--sweep', sweep)
        tap.equal(first.returncode, 0, first.stderr + first.stdout)
        db = os.path.join(folder, 'miniature.db')
        failed = testbed.rows(db, "SELECT policy, experiment, value, status, error FROM job WHERE status <> 'done'")
        tap.equal(failed, [], 'cells that are not done')
        policies = {row[0] for row in testbed.rows(db, 'SELECT DISTINCT policy FROM sweep_result')}
        tap.true(LEARNERS <= policies, f'all learners are among {policies}')
        tap.equal(testbed.one(db, "SELECT count(*) FROM sweep_result WHERE experiment = 'convergence' AND regret_pct IS NULL"), 0,
                  'unknown regrets where the optimum was played')
        with open(os.path.join(folder, 'report', 'index.html'), encoding='utf-8') as file:
            tap.contains(file.read(), 'dapo-plus', '<table')
        tap.contains(first.stdout, 'not ranked')  # one seed ranks nobody
        second = experiments(folder, '--sweep', sweep)
        tap.equal(second.returncode, 0, second.stderr + second.stdout)
        tap.contains(second.stdout, ' 0 played')


@tap.test
def a_wrong_word_is_answered_with_what_there_is():
    with testbed.scratch() as folder:
        wrong = experiments(folder, '--sweep', 'nonsense')
        tap.equal(wrong.returncode, 2, wrong.stderr)
        tap.contains(wrong.stderr, 'nonsense', 'paper-reduced.yaml')
        for options in (['--db'], ['--wrong']):
            tap.equal(experiments(folder, *options).returncode, 2, options)
        tap.contains(experiments(folder, '--help').stdout, 'deploy/experiments')


tap.main()
