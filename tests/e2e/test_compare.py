"""`compare` ranks policies where the seeds carry it, and says what is missing where they do not."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import sweeps
import tap
import testbed

FIVE = {'dapo': [1.0, 1.1, 1.2, 1.3, 1.4], 'local': [1.5, 1.7, 1.6, 1.9, 1.8], 'random': [1.55, 1.68, 1.66, 1.85, 1.83],
        'best-response': [0.9, 1.0, 1.1, 1.2, 1.3], 'optimum': [0.8, 0.9, 1.0, 1.1, 1.2]}


def made_up(folder, *results):
    db = sweeps.empty(folder)
    with sweeps.connection(db) as file:
        sweep = sweeps.add_sweep(file, 'paper')
        for value, costs in results:
            sweeps.add_results(file, sweep, 'users', 'devices.count', value, costs)
    return db


def compare(db, *arguments):
    return json.loads(testbed.orchestrator('compare', '--json', '--db', db, *arguments)[0])


@tap.test
def five_clearly_different_seeds_are_ranked_and_what_is_not_clear_is_not():
    with testbed.scratch() as folder:
        db = made_up(folder, ('5', FIVE))
        (value,) = compare(db)['values']
        tap.equal(value['observations']['ranking'], [['dapo'], ['local', 'random']], 'ranking of those that observe')
        tap.equal(value['all']['ranking'], [['optimum'], ['best-response'], ['dapo'], ['local', 'random']], 'ranking of all')
        (doubt,) = value['observations']['not_ranked']
        tap.equal(doubt['policies'], ['local', 'random'], 'not told apart')
        tap.true(doubt['interval'][0] < 0 < doubt['interval'][1], 'the interval of their difference holds 0')
        # Differences 0.05, -0.02, 0.06, -0.05, 0.03: mean 0.014, deviation 0.0472; t(46) * s / sqrt(47) = 0.01386 < 0.014.
        tap.equal(doubt['more_runs'], 42, 'more runs')
        text, _ = testbed.orchestrator('compare', '--db', db)
        tap.contains(text, 'observations: ranked: dapo < local = random', 'it would take 42 more runs of each')


@tap.test
def three_seeds_are_refused_however_different():
    with testbed.scratch() as folder:
        db = made_up(folder, ('5', {'dapo': [1, 1, 1], 'local': [9, 9.5, 10], 'random': [1.1, 0.8, 1.4]}))
        (value,) = compare(db)['values']
        tap.equal([len(tied) for tied in value['observations']['ranking']], [3], 'nobody is told apart')
        more = {line['policy']: line['to_best']['more_runs'] for line in value['observations']['policies'][1:]}
        tap.equal(more['local'], 2, 'more runs for a difference that is plain')
        tap.true(5 < more['random'] < 100, f'more runs for a small difference: {more["random"]}')
        text, _ = testbed.orchestrator('compare', '--db', db)
        tap.contains(text, 'not ranked: 3 common seeds, 5 are the least; it would take at least 2 more runs')
        tap.true(' ranked: dapo' not in text, 'no ranking is printed')


@tap.test
def the_headline_is_the_greatest_and_the_mean_reduction_with_its_value():
    with testbed.scratch() as folder:
        db = made_up(folder, ('5', {'dapo': [1] * 5, 'local': [2] * 5}), ('50', {'dapo': [3] * 5, 'local': [4] * 5}),
                     ('20', {'dapo': [5] * 5, 'local': [4] * 5}))
        answer = compare(db)
        tap.equal([value['value'] for value in answer['values']], ['5', '20', '50'], 'values ascend')
        (reduction,) = answer['reductions']
        tap.equal((reduction['policy'], reduction['against']), ('dapo', 'local'), 'whom it is about')
        for metric in ('latency', 'energy'):
            told = reduction[metric]
            tap.equal((round(told['most'], 9), told['most_at']), (0.5, '5'), 'greatest reduction')
            tap.equal(round(told['mean'], 9), round((0.5 + 0.25 - 0.25) / 3, 9), 'mean over the values')
            tap.equal((told['better'], told['worse'], told['values']), (2, 1, 3), 'where that is sure')


@tap.test
def sweep_experiment_and_metric_choose():
    with testbed.scratch() as folder:
        db = made_up(folder, ('5', FIVE))
        with sweeps.connection(db) as file:
            sweeps.add_results(file, sweeps.add_sweep(file, 'other'), 'speed', 'mobility.speed_mean', '3', {'local': [4, 5]})
        tap.equal(len(compare(db)['values']), 2, 'values')
        (value,) = compare(db, '--sweep', 'other')['values']
        tap.equal(value['experiment'], 'speed', 'experiment of the sweep')
        (value,) = compare(db, '--experiment', 'users', '--metric', 'regret')['values']
        optimum, = value['world']['policies']
        tap.equal((optimum['policy'], optimum['mean']), ('optimum', 0), "the optimum's regret")
        _, errors = testbed.orchestrator('compare', '--db', db, '--experiment', 'nothing', status=2)
        tap.contains(errors, 'paper: users', 'other: speed')
        _, errors = testbed.orchestrator('compare', '--db', db, '--metric', 'fun', status=2)
        tap.contains(errors, "'fun' is none of cost, latency, energy, p95, regret")
        _, errors = testbed.orchestrator('compare', '--db', sweeps.empty(folder, 'empty.db'), status=2)
        tap.contains(errors, 'no results to compare')


@tap.test
def names_from_the_database_do_not_steer_the_terminal():
    with testbed.scratch() as folder:
        db = sweeps.empty(folder)
        with sweeps.connection(db) as file:
            sweeps.add_results(file, sweeps.add_sweep(file, 'a\x1b[2J'), 'b\nc', 'd\r', '\x07', {'e\x9b': [1, 2], 'local': [2, 3]})
        text, _ = testbed.orchestrator('compare', '--db', db)
        tap.contains(text, 'a?[2J: b?c, d? = ?', 'e?')
        tap.true(all(c == '\n' or c.isprintable() for c in text), 'every character can be printed')
        tap.equal(compare(db)['values'][0]['sweep'], 'a?[2J', 'sweep')


@tap.test
def nothing_is_claimed_with_a_learner_that_never_learned():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        said = {}
        for policy in ('dapo-plus', 'ppo'):
            _, said[policy] = testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', *sweeps.SMALL, '-e', 1,
                                                   '-t', 20, '--set', 'ppo.rollout=20', '--set', 'ppo.batch=10', '-p', policy, '--db',
                                                   db)
        tap.equal(said['dapo-plus'], '', 'a learner that learns')
        tap.contains(said['ppo'], 'ppo will not learn: this training has 20 slots', 'ppo.rollout')
        output, said = testbed.orchestrator('evaluate', '-q', '--json', '-p', 'dapo-plus,ppo,greedy', '--db', db)
        updates = {row['policy']: row['updates'] for row in json.loads(output)}
        tap.equal((updates['ppo'], updates['greedy'], updates['dapo-plus'] > 0), (0, None, True), 'updates in the table')
        tap.contains(said, 'ppo never learned')
        shown = compare(db)
        tap.equal([(line['policy'], line['never_learned']) for line in shown['values'][0]['all']['policies']
                   if line['never_learned']], [('ppo', 1)], 'who is marked')
        tap.equal([(row['policy'], row['against']) for row in shown['reductions']], [('dapo-plus', 'greedy')], 'what is claimed')
        tap.equal([(row['policy'], row['against'], row['never_learned']) for row in shown['refused']],
                  [('dapo-plus', 'ppo', 'ppo')], 'what is not')
        text, _ = testbed.orchestrator('compare', '--db', db)
        tap.contains(text, '(never learned)', 'nothing is said: ppo never learned at 1 of 1 seeds')
        page = os.path.join(folder, 'report')
        testbed.orchestrator('report', db, '-q', '-o', page, status=None)
        with open(os.path.join(page, 'index.html'), encoding='utf-8') as file:
            tap.contains(file.read(), 'no headline: ppo never learned at 1 of 1 seeds', 'ppo (never learned)')


@tap.test
def evaluations_outside_of_sweeps_are_compared_by_scenario_over_their_seeds():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        for seed in range(1, 6):
            testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', *sweeps.SMALL, '-e', 1, '-p', 'dapo',
                                 '--seed', seed, '--db', db)
            testbed.orchestrator('evaluate', '-q', '-p', 'dapo,local,optimum', '--db', db)
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', *sweeps.SMALL, '-e', 1, '-p', 'greedy',
                             '--set', 'radio.bandwidth_mhz=5', '--db', db)
        testbed.orchestrator('evaluate', '-q', '-p', 'local', '--db', db)
        first, other = compare(db)['values']
        tap.equal({line['policy']: line['seeds'] for line in first['all']['policies']},
                  {'dapo': 5, 'local': 5, 'optimum': 5}, 'seeds of each policy')
        tap.equal(first['all']['ranking'][0], ['optimum'], 'the best')
        tap.equal([line['policy'] for line in other['all']['policies']], ['local'], 'the other scenario stands alone')
        tap.equal(other['experiment'], 'dapo-quick, radio.bandwidth_mhz: 5', 'what is different about it')
        compared = testbed.rows(db, "SELECT avg(mean_cost) FROM policy_comparison WHERE policy = 'dapo'")
        (dapo,) = [line for line in first['all']['policies'] if line['policy'] == 'dapo']
        tap.true(abs(dapo['mean'] - compared[0][0]) < 1e-12, 'mean cost')


tap.main()
