#!/usr/bin/env python3
"""Whole tasks that reserve parts of a cloud and its edges: what the printed problem gives, the same bits over TCP, replays."""
import csv
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import tap
import testbed

RULES = ('random-shares', 'random-server', 'round-robin', 'least-loaded', 'cloud-only', 'edge-only', 'data-sheet', 'assignment')
COLUMNS = ('episode, slot, tokens, split, server, repaired, bandwidth_share, compute_share, transmit_s, edge_s, latency_s, cost, '
           'status, served_by, reserved_compute, reserved_band, reserved_memory, class, arrival_s, deadline_s, answer_tokens, '
           'answer_chance, answer_right, price, foreseen_s, foreseen_in_time, foreseen_gain')
ADAPTIVE = ('data-sheet', 'greedy-adaptive', 'active-belief', 'thompson', 'ucb', 'full-knowledge')
SUMMARY = """
SELECT avg(latency_s IS NOT NULL AND deadline_missed = 0), avg(latency_s), -total(cost) / count(DISTINCT episode),
       avg((latency_s IS NOT NULL AND deadline_missed = 0) * CASE served_by WHEN 0 THEN 0.1159 ELSE 0.1892 END)
FROM task WHERE run_id = ?"""


def play(db, policy, *more, episodes=20, scenario='cloud-edge'):
    testbed.orchestrator('run', '-q', '--over', 'memory', '-s', scenario, '-p', policy, '-e', episodes, '--db', db, *more)
    return testbed.one(db, 'SELECT max(run_id) FROM run')


def near(value, wanted, within, what):
    tap.true(abs(value - wanted) <= within, f'{what}: {value}, expected {wanted} within {within}')


# A second program, in another language, gave these: completion, seconds, sum of rewards, pass@100 over all tasks.
KNOWN = {'round-robin': ((0.998, 0.01), (7.9, 0.1), (34.2, 0.5), (0.174, 0.001)),
         'random-server': ((0.92, 0.03), (8.0, 0.2), (31.6, 1.0), (0.161, 0.005)),
         'cloud-only': ((0.2, 0.001), (2.45, 0.1), (10.5, 0.3), (0.0232, 0.0002)),
         'edge-only': ((0.8, 0.001), (9.2, 0.1), (23.8, 0.3), (0.1514, 0.0002)),
         'data-sheet': ((1.0, 0.01), (7.9, 0.1), (34.2, 0.7), (0.174, 0.001))}


@tap.test
def the_printed_problem_gives_what_a_second_program_gave():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        for policy, wanted in KNOWN.items():
            values = testbed.rows(db, SUMMARY, play(db, policy))[0]
            for value, (known, within), what in zip(values, wanted, ('completion', 'seconds', 'reward', 'pass@100')):
                near(value, known, within, f'{policy}: {what}')
        testbed.check_database(db)


def over_both_hosts(folder, policy, *more, scenario='cloud-edge'):
    """The same rows in memory and over TCP, and a replay of both."""
    memory, tcp = (os.path.join(folder, f'{policy}-{host}.db') for host in ('memory', 'tcp'))
    play(memory, policy, *more, episodes=2, scenario=scenario)
    program = testbed.start_orchestrator('-s', scenario, '-p', policy, '-e', 2, '--db', tcp, *more)
    port = program.port()
    nodes = [testbed.start_device(port), testbed.start_server(port, '--tier', 'cloud')]
    nodes += [testbed.start_server(port, '--tier', 'edge') for _ in range(4)]
    tap.equal(program.wait(), 0, program.text())
    for node in nodes:
        tap.equal(node.wait(), 0, node.text())
    query = f'SELECT {COLUMNS} FROM task ORDER BY episode, slot'
    tap.equal(testbed.rows(tcp, query), testbed.rows(memory, query), policy)
    tap.equal(testbed.rows(tcp, 'SELECT * FROM tier_summary'), testbed.rows(memory, 'SELECT * FROM tier_summary'), policy)
    testbed.verify(memory)
    testbed.verify(tcp)
    return memory


@tap.test
def no_rule_with_full_shares_earns_more_than_the_assignment():
    """In each episode, where there is room for all tasks, for two of three, and where three devices share a slot."""
    earned = 'SELECT -total(cost) FROM task WHERE run_id = ? GROUP BY episode ORDER BY episode'
    for more in ((), ('-t', 150), ('-t', 50, '--devices', 3, '--set', 'objective.reward=printed', '--set', 'objective.deadline_s=5')):
        with testbed.scratch() as folder:
            db = os.path.join(folder, 'x.db')
            best = [row[0] for row in testbed.rows(db, earned, play(db, 'assignment', *more, episodes=5))]
            for policy in RULES:
                if policy in ('assignment', 'random-shares'):
                    continue
                own = [row[0] for row in testbed.rows(db, earned, play(db, policy, *more, episodes=5))]
                tap.true(all(one <= most + 1e-9 for one, most in zip(own, best)), f'{policy} with {more}: {own} above {best}')
                if policy == 'data-sheet' and not more:
                    near(sum(own) / sum(best), 0.985, 0.01, 'part of the optimum, of which a second program gave 0.985')


LEARNERS = ('ppo-gaussian', 'sac')


def bounds(*arguments):
    return json.loads(testbed.orchestrator('bound', '-q', '--json', *arguments)[0])


def check_order(found, earned, returns):
    tap.equal((found['phase'], len(found['episodes'])), ('train', len(earned)), 'what it is of')
    for own, one in zip(earned, found['episodes']):
        near(one['earned'], own, 1e-6, 'what the command says that the run earned')
        tap.true(one['priced'] <= one['fractions'] <= one['bound'], f'order of {one}')
        tap.true((one['assignment'] is None) == returns, f'{one}')
    return found['episodes']


@tap.test
def no_policy_earns_more_than_the_bound_of_its_episodes():
    """Rules with full shares, others that ask for any, learners; where parts come back too, and with late tasks paid."""
    for more in ((), ('-t', 150), ('-t', 120, '--set', 'reserve.returns=end', '--set', 'run.slot_s=0.04'),
                 ('-t', 40, '--devices', 3, '--set', 'objective.reward=printed', '--set', 'reserve.most=3', '--set', 'reserve.memory_need=1')):
        returns = 'reserve.returns=end' in more
        with testbed.scratch() as folder:
            db = os.path.join(folder, 'x.db')
            found = None
            for policy in ('data-sheet',) + RULES + LEARNERS:
                if policy == 'assignment' and returns:
                    continue
                run = play(db, policy, *more, '--set', 'evaluation.validate_episodes=1', episodes=3)
                earned = [row[0] for row in testbed.rows(db, 'SELECT -total(cost) FROM task WHERE run_id = ? GROUP BY episode '
                                                             'ORDER BY episode', run)]
                found = found or check_order(bounds('--db', db, '--run', run), earned, returns)
                for own, one in zip(earned, found):
                    tap.true(own <= one['bound'], f'{policy} with {more}: {own} above {one}')
                    if policy == 'assignment':
                        near(one['assignment'], own, 1e-6, 'the assignment, played and computed')


@tap.test
def the_bound_holds_where_tasks_have_classes_and_servers_drift():
    for scenario in ('cloud-edge-busy', 'cloud-edge-live'):
        with testbed.scratch() as folder:
            db, found = os.path.join(folder, 'x.db'), None
            for run, policy in enumerate(('data-sheet', 'round-robin', 'random-server', 'greedy-adaptive'), 1):
                testbed.orchestrator('run', '-q', '--over', 'memory', '-s', scenario, '-p', policy, '-e', 2, '-t', 150, '--db', db)
                earned = [row[0] for row in testbed.rows(db, 'SELECT -total(cost) FROM task WHERE run_id = ? GROUP BY episode '
                                                             'ORDER BY episode', run)]
                found = found or check_order(bounds('--db', db, '--run', run), earned, True)
                for own, one in zip(earned, found):
                    tap.true(0 < own <= one['bound'], f'{policy} on {scenario}: {own} above {one}')
            tap.true(all(one['gap'] < 0.12 for one in found), f'{scenario}: {found}')


@tap.test
def where_nothing_comes_back_the_bound_is_nearly_attained():
    for slots, wanted, within in ((100, 34.77, 0.1), (150, 44.2, 0.7), (200, 46.7, 0.7)):
        mean = bounds('-s', 'cloud-edge', '-t', slots, '-e', 2)['mean']
        tap.true(mean['gap'] <= 0.0012, f'{slots} tasks: {mean}')
        near(mean['bound'], wanted, within, f'bound of {slots} tasks')
        tap.true(mean['assignment'] <= mean['bound'], f'{mean}')
        tap.true(mean['priced'] >= 0.95 * mean['bound'], f'{mean}')


@tap.test
def bound_is_a_table_of_what_is_asked_and_says_what_it_is_not_made_for():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        play(db, 'data-sheet', episodes=4)
        output, _ = testbed.orchestrator('bound', '-q', '--db', db, '-e', 2)
        lines = [line.split() for line in output.splitlines()]
        tap.equal(lines[0], ['episode', 'bound', 'gap_pct', 'fractions', 'priced', 'assignment', 'earned', 'earned_pct'], 'head')
        tap.equal([line[0] for line in lines[1:]], ['0', '1', 'mean'], 'rows')
        tap.true(all(97 < float(line[7]) <= 100 for line in lines[1:]), output)
        first = bounds('-s', 'cloud-edge', '-e', 1, '--phase', 'validate', '--seed', 4)
        tap.equal(first, bounds('-s', 'cloud-edge', '-e', 1, '--phase', 'validate', '--set', 'run.seed=4'), 'twice')
        tap.equal((first['phase'], first['slots']), ('validate', 100), 'phase and slots')
        tap.true(first['episodes'] != bounds('-s', 'cloud-edge', '-e', 1, '--seed', 4)['episodes'], 'another phase is another draw')
        play(db, 'data-sheet', '--set', 'faults.script=slot 5 kill server 0', episodes=1)
        for arguments, words in ((('-s', 'dapo'), 'is made for servers.discipline: reserved'),
                                 (('-s', 'cloud-edge', '--set', 'link.jitter_s=0.1'), 'link.jitter_s'),
                                 (('-s', 'cloud-edge', '--set', 'reserve.returns=stage'), 'reserve.returns must be off or end'),
                                 (('-s', 'cloud-edge', '--run', 1), '--db'), (('--db', db, '-s', 'cloud-edge'), '--scenario'),
                                 (('--db', db, '--run', 9), '9'), (('--db', db, '--run', 2), 'faults.script')):
            _, errors = testbed.orchestrator('bound', '-q', *arguments, status=2)
            tap.true(words in errors, errors)


@tap.test
def every_rule_records_the_same_over_tcp_and_replays():
    with testbed.scratch() as folder:
        for policy in RULES:
            over_both_hosts(folder, policy)


@tap.test
def the_agent_plans_the_same_over_tcp_and_learns_in_a_dozen_episodes():
    with testbed.scratch() as folder:
        over_both_hosts(folder, 'active-inference', '--set', 'active.warmup=40', '--set', 'active.fit_slots=20',
                        '--set', 'active.candidates=50', '--set', 'active.horizon=2')
        db = os.path.join(folder, 'x.db')
        run = play(db, 'active-inference', '--set', 'active.plan=enumerate', episodes=12)
        begun = "SELECT sum(status = 'done') FROM task WHERE run_id = ? GROUP BY episode ORDER BY episode"
        done = [row[0] for row in testbed.rows(db, begun, run)]
        tap.true(done[-1] > done[0] + 20, f'tasks that were accepted, by episode: {done}')


@tap.test
def servers_that_are_lost_and_come_back_leave_the_same_rows_in_both_hosts():
    more = ('--set', 'reserve.returns=end', '--set', 'faults.script=slot 20 kill server 0; slot 60 rejoin server 0; slot 25 kill server 3; '
            'slot 70 kill device 0; slot 80 rejoin device 0')
    with testbed.scratch() as folder:
        memory, tcp = (os.path.join(folder, host + '.db') for host in ('memory', 'tcp'))
        play(memory, 'data-sheet', *more, episodes=2)
        testbed.call(*testbed.launch('-q', '-s', 'cloud-edge', '-p', 'data-sheet', '-e', 2, '--db', tcp, *more))
        query = f'SELECT {COLUMNS} FROM task ORDER BY episode, slot'
        tap.equal(testbed.rows(tcp, query), testbed.rows(memory, query), 'rows')
        lost = testbed.rows(memory, "SELECT sum(status = 'server_lost') > 0, sum(status = 'device_lost'), "
                                    "sum(served_by = 0 AND slot BETWEEN 20 AND 59) FROM task")
        tap.equal(lost, [(1, 20, 0)], 'the task at hand is lost, and nobody is sent to a server that is down')
        testbed.verify(memory)
        testbed.verify(tcp)


@tap.test
def a_server_never_gives_more_than_it_has():
    """What tasks hold together, from the rows alone: those of an episode, or those that have not ended."""
    held = """
SELECT max(compute), max(band), max(memory) FROM (
    SELECT sum(o.reserved_compute) AS compute, sum(o.reserved_band) AS band, sum(o.reserved_memory) AS memory
    FROM task AS t JOIN task AS o ON o.run_id = t.run_id AND o.episode = t.episode AND o.server = t.server AND o.slot <= t.slot
         AND (:off OR o.slot * 0.09 + min(o.latency_s, 15.0) > t.slot * 0.09)
    WHERE t.run_id = 1 AND t.server IS NOT NULL GROUP BY t.episode, t.slot)"""
    with testbed.scratch() as folder:
        for returns in ('off', 'end'):
            for policy in ('random-shares', 'random-server', 'data-sheet'):
                db = os.path.join(folder, f'{policy}-{returns}.db')
                play(db, policy, '--set', f'reserve.returns={returns}', '--set', 'reserve.most=3', '-t', 400, episodes=3)
                most = testbed.rows(db, held.replace(':off', '1' if returns == 'off' else '0'))[0]
                tap.true(all(0.5 < value <= 1.0 + 1e-9 for value in most), f'{policy}, returns {returns}: {most}')


@tap.test
def what_comes_back_can_be_given_again():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        refused = 'SELECT sum(status = \'refused\') FROM task WHERE run_id = ?'
        off = testbed.rows(db, refused, play(db, 'data-sheet', '-t', 400, episodes=2))[0][0]
        end = testbed.rows(db, refused, play(db, 'data-sheet', '-t', 400, '--set', 'reserve.returns=end', episodes=2))[0][0]
        tap.equal(off, 600, 'of 400 tasks an episode has room for 100')
        tap.true(end < 100, f'in a task every 0.09 s nearly all find room: {end} refused')


@tap.test
def a_learner_learns_to_share_and_goes_on_after_a_kill():
    with testbed.scratch() as folder:
        more = ('--set', 'ppo.rollout=500', '--set', 'run.checkpoint_every=10')
        whole, parts = (os.path.join(folder, name) for name in ('whole.db', 'parts.db'))
        play(whole, 'ppo-gaussian', *more, episodes=80)
        returns = [row[0] for row in testbed.rows(whole, 'SELECT episode_return FROM episode ORDER BY episode')]
        first, last = sum(returns[:10]) / 10, sum(returns[-10:]) / 10
        tap.true(last > first + 4, f'return of the first and the last ten episodes: {first}, {last}')
        play(parts, 'ppo-gaussian', *more, episodes=40)
        testbed.orchestrator('run', '-q', '--db', parts, '--resume', '-e', 80)
        query = f'SELECT {COLUMNS} FROM task ORDER BY episode, slot'
        tap.equal(testbed.rows(parts, query), testbed.rows(whole, query), 'tasks')
        testbed.verify(parts)


@tap.test
def learners_of_classes_choose_a_server_and_three_levels_of_it():
    """The same rows in memory and over TCP, a replay, and after it was broken off."""
    more = [word for pair in ('dqn.warmup=100', 'dqn.epsilon_slots=300', 'ppo.rollout=150', 'run.checkpoint_every=2', 'ddpg.hidden_1=32', 'ddpg.hidden_2=32')
            for word in ('--set', pair)]
    query = f'SELECT {COLUMNS} FROM task WHERE run_id = 1 ORDER BY episode, slot'
    weights = 'SELECT episode, weights FROM checkpoint ORDER BY episode'
    with testbed.scratch() as folder:
        for policy in ('dqn', 'rainbow', 'ppo'):
            memory, tcp, parts = (os.path.join(folder, f'{policy}-{name}.db') for name in ('memory', 'tcp', 'parts'))
            play(memory, policy, *more, episodes=6)
            testbed.call(*testbed.launch('-q', '-s', 'cloud-edge', '-p', policy, '-e', 6, '--db', tcp, *more))
            play(parts, policy, *more, episodes=4)
            testbed.orchestrator('run', '-q', '--db', parts, '--resume', '-e', 6)
            for other in (tcp, parts):
                tap.equal(testbed.rows(other, query), testbed.rows(memory, query), f'{policy}: {other}')
                tap.equal(testbed.rows(other, weights), testbed.rows(memory, weights), f'{policy}: weights of {other}')
            asked = testbed.rows(memory, 'SELECT DISTINCT round(600 * reserved_compute), round(600 * reserved_band), round(600 * reserved_memory)'
                                         " FROM task WHERE run_id = 1 AND status = 'done'")
            tap.true(len(asked) > 9 and all(part in (5, 15, 25) for parts in asked for part in parts), f'{policy} asks for {asked}')
            testbed.verify(memory)
            testbed.verify(tcp)


@tap.test
def rainbow_learns_from_tasks_that_were_refused_and_its_best_is_who_earns_most():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        play(db, 'rainbow', '--set', 'evaluation.validate_episodes=2', '--set', 'evaluation.test_episodes=4', episodes=60)
        testbed.orchestrator('evaluate', '-q', '--db', db, '-p', 'rainbow')
        completed = 'SELECT avg(latency_s IS NOT NULL AND deadline_missed = 0) FROM task JOIN run USING (run_id) WHERE '
        trained = testbed.one(db, completed + "kind = 'train' AND episode >= 50")
        tested = testbed.one(db, completed + "kind = 'test'")
        tap.true(trained > 0.85 and tested > 0.85, f'completed in training and on held-out tasks: {trained}, {tested}')
        costs = testbed.rows(db, """SELECT c.validation_cost, -sum(e.episode_return) / sum(e.tasks) FROM checkpoint AS c
            JOIN run AS r ON r.kind = 'validate' AND r.checkpoint_episode = c.episode JOIN episode AS e ON e.run_id = r.run_id
            GROUP BY c.episode""")
        tap.true(len(costs) > 1, f'checkpoints: {costs}')
        for cost, wanted in costs:
            near(cost, wanted, 1e-9, 'what a task cost in validation, refused ones among them')


@tap.test
def rules_that_adapt_hear_and_decide_the_same_over_tcp():
    priced = ('--set', 'adaptive.price=learned')
    with testbed.scratch() as folder:
        for policy in ADAPTIVE:
            over_both_hosts(folder, policy, '-t', 150, *(priced if policy != 'thompson' else ()), scenario='cloud-edge-busy')
        over_both_hosts(folder, 'round-robin', '-t', 100, '--set', 'reserve.returns=stage', scenario='cloud-edge-live')


# Of each task, what its row must be by the scenario alone: 0 rows.
BROKEN = """
SELECT count(*) FROM (SELECT *, lag(arrival_s) OVER (PARTITION BY episode ORDER BY slot) AS before_s FROM task) AS t
LEFT JOIN node AS n ON n.run_id = t.run_id AND n.role = 'server' AND n.number = t.served_by
WHERE arrival_s <= before_s OR class NOT IN (0, 1, 2)
   OR deadline_s NOT IN (4 * (1 << class), 12 * (1 << class))
   OR (status = 'abandoned') IS NOT coalesce(latency_s > deadline_s, 0)
   OR deadline_missed <> (status = 'abandoned')
   OR (status = 'done') <> (answer_right IS NOT NULL)
   OR (status = 'refused') <> (answer_tokens IS NULL)
   OR abs(price - (n.tier = 'cloud') * (0.1 + 0.0004 * answer_tokens * min(1, deadline_s / latency_s))) > 1e-12
   OR abs(cost - (price - coalesce(answer_right, 0))) > 1e-12"""
# What tasks hold of each server at each arrival: those that came before and have not ended.
HELD = """
SELECT max(compute), max(memory) FROM (
    SELECT sum(o.reserved_compute) AS compute, sum(o.reserved_memory) AS memory
    FROM task AS t JOIN task AS o ON o.episode = t.episode AND o.server = t.server AND o.slot <= t.slot
         AND o.arrival_s + min(o.latency_s, o.deadline_s) > t.arrival_s
    WHERE t.server IS NOT NULL GROUP BY t.episode, t.slot)"""


@tap.test
def rows_of_tasks_with_classes_say_what_the_scenario_says():
    with testbed.scratch() as folder:
        for policy in ('random-server', 'greedy-adaptive', 'random-shares'):
            db = os.path.join(folder, f'{policy}.db')
            play(db, policy, '--set', 'run.slots=1000', episodes=2, scenario='cloud-edge-busy')
            tap.equal(testbed.one(db, BROKEN), 0, policy)
            most = testbed.rows(db, HELD)[0]
            tap.true(all(0.7 < value <= 1.0 + 1e-9 for value in most), f'{policy}: {most}')
            tap.true(testbed.one(db, "SELECT sum(status = 'abandoned') FROM task") > 20, f'{policy}: tasks are abandoned')
            testbed.check_database(db)
        lengths = testbed.rows(db, 'SELECT class, avg(answer_tokens) FROM task WHERE answer_tokens IS NOT NULL GROUP BY class')
        for (number, mean), wanted in zip(lengths, (80, 200, 500)):
            near(mean, wanted, 0.15 * wanted, f'mean length of an answer of class {number}')


@tap.test
def what_a_rule_foresaw_came_so_often():
    """Who knows the servers knows how often tasks are in time: the calibration is a query."""
    calibration = """
SELECT avg(foreseen_in_time), avg(status = 'done') FROM task WHERE foreseen_in_time {}"""
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        play(db, 'full-knowledge', episodes=2, scenario='cloud-edge-busy')
        for part, within in (('>= 0.95', 0.01), ('BETWEEN 0.6 AND 0.95', 0.05)):
            foreseen, done = testbed.rows(db, calibration.format(part))[0]
            near(done, foreseen, within, f'in time, of those that were foreseen {part}')


@tap.test
def knowing_more_earns_more_and_prices_earn_something_where_servers_are_full():
    earned = 'SELECT -total(cost) FROM task WHERE run_id = ?'
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        sums = {}
        for name, policy, *more in (('random', 'random-server'), ('sheet', 'data-sheet'), ('adaptive', 'greedy-adaptive'),
                                    ('priced', 'greedy-adaptive', '--set', 'adaptive.price=learned'), ('known', 'full-knowledge')):
            sums[name] = sum(testbed.one(db, earned.replace('?', str(play(db, policy, '--seed', seed, *more, episodes=1,
                                                                          scenario='cloud-edge-busy')))) for seed in (51, 52, 53))
        tap.true(sums['random'] < sums['sheet'] < sums['adaptive'] < sums['priced'], sums)
        tap.true(sums['adaptive'] < sums['known'], sums)


@tap.test
def parts_that_come_back_by_stage_let_more_tasks_in():
    refused = "SELECT sum(status = 'refused') FROM task WHERE run_id = ?"
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        counts = []
        for returns in ('off', 'end', 'stage'):
            counts.append(testbed.rows(db, refused, play(db, 'random-shares', '-t', 400, '--set', f'reserve.returns={returns}',
                                                         '--set', 'objective.deadline_s=60', '--set', 'reserve.memory_need=0', episodes=4))[0][0])
        tap.true(counts[0] > counts[1] > counts[2], f'refused with returns off, end, stage: {counts}')


@tap.test
def a_server_that_is_lost_among_tasks_with_classes_leaves_the_same_rows():
    more = ('-t', 120, '--set', 'faults.script=slot 20 kill server 0; slot 60 rejoin server 0; slot 30 kill server 2')
    with testbed.scratch() as folder:
        memory, tcp = (os.path.join(folder, host + '.db') for host in ('memory', 'tcp'))
        play(memory, 'active-belief', *more, episodes=2, scenario='cloud-edge-busy')
        testbed.call(*testbed.launch('-q', '-s', 'cloud-edge-busy', '-p', 'active-belief', '-e', 2, '--db', tcp, *more))
        query = f'SELECT {COLUMNS} FROM task ORDER BY episode, slot'
        tap.equal(testbed.rows(tcp, query), testbed.rows(memory, query), 'rows')
        tap.true(testbed.one(memory, "SELECT sum(status = 'server_lost') FROM task") > 0, 'tasks are lost with their server')
        testbed.verify(memory)
        testbed.verify(tcp)


@tap.test
def one_command_draws_the_papers_figures_and_a_second_start_plays_nothing_again():
    """Few episodes and policies. What is drawn is what a second program would read in the database."""
    if shutil.which('gnuplot') is None:
        raise tap.Skip('gnuplot is not installed')
    command = [os.path.join(testbed.SOURCE_ROOT, 'deploy', 'cloud-edge'), '--programs', testbed.BUILD_ROOT, '--seeds', '2', '--episodes', '6',
               '--policies', 'rainbow,round-robin', '-q']
    with testbed.scratch() as folder:
        first = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        tap.equal(first.returncode, 0, first.stderr)
        db, out = (os.path.join(folder, 'cloud-edge', *name) for name in (('cloud-edge.db',), ()))
        tap.equal(testbed.rows(db, "SELECT count(*) FROM job WHERE status <> 'done'"), [(0,)], 'cells that are not done')
        tap.equal(testbed.one(db, "SELECT count(*) FROM run WHERE kind = 'train'"), 2, 'each seed trains once for all figures')
        for figure, place, points in (('figure3', 'episode', 2 + 2), ('figure4', 'value', 15 * 2), ('figure5', 'value', 6 * 2)):
            with open(os.path.join(out, figure + '.csv'), encoding='utf-8') as file:
                rows = list(csv.DictReader(file))
            tap.equal(len(rows), points, f'{figure}: {rows}')
            tap.true(all(row['seeds'] == '2' and float(row[place]) > 0 for row in rows), f'{figure}: {rows}')
            with open(os.path.join(out, figure + '.svg'), encoding='utf-8') as file:
                tap.contains(file.read(), 'rainbow', 'round-robin', 'pass@100')
        completed, passed = testbed.rows(db, """SELECT avg(latency_s <= 8), avg((latency_s <= 8) * iif(served_by = 0, 0.1159, 0.1892)) FROM task
            WHERE run_id IN (SELECT test_run_id FROM job WHERE policy = 'round-robin' AND value = '8')""")[0]
        with open(os.path.join(out, 'figure4.csv'), encoding='utf-8') as file:
            drawn = [row for row in csv.DictReader(file) if row['policy'] == 'round-robin' and float(row['value']) == 8][0]
        near(float(drawn['completed']), completed, 1e-12, 'completed within 8 s')
        near(float(drawn['pass']), passed, 1e-9, 'pass@100 within 8 s')
        before = testbed.rows(db, 'SELECT run_id, started_utc FROM run')
        second = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        tap.equal((second.returncode, second.stdout), (0, first.stdout), second.stderr)
        tap.equal(testbed.rows(db, 'SELECT run_id, started_utc FROM run'), before, 'runs after a second start')


@tap.test
def policies_of_splits_and_of_whole_tasks_say_what_they_are_made_for():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        for scenario, policy, words in (('cloud-edge', 'greedy', 'servers.discipline: reserved is of whole tasks'),
                                        ('dapo', 'round-robin', 'is made for servers.discipline: reserved'),
                                        ('dapo', 'assignment', 'is made for servers.discipline: reserved')):
            _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '-s', scenario, '-p', policy, '--db', db, status=2)
            tap.true(words in errors, errors)


tap.main()
