"""Flags that no other test gives, each against an oracle: draws of node parameters, checkpoints, a twin of a recorded run, the
address that a server tells, and what a message costs a node."""
import json
import os
import re
import resource
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

WORLD = ('-s', 'dapo-quick', '-n', 4, '-m', 2)
HELD_OUT = [flag for key in ('test_episodes=1', 'test_slots=20', 'validate_episodes=1', 'validate_slots=20')
            for flag in ('--set', f'evaluation.{key}')]
LEARNER = [flag for key in ('hidden_1=16', 'hidden_2=16', 'warmup=20') for flag in ('--set', f'ddpg.{key}')]


def draws(count, seed, *arguments):
    output, _ = testbed.orchestrator('evaluate', '--json', '-q', '--draws', count, *WORLD, *HELD_OUT, '--seed', seed, *arguments)
    return {row['policy']: row for row in json.loads(output)}


@tap.test
def several_draws_are_the_mean_over_as_many_seeds():
    policies = ('-p', 'greedy,local,optimum')
    both, first, second = draws(2, 11, *policies), draws(1, 11, *policies), draws(1, 12, *policies)
    tap.equal(sorted(both), ['greedy', 'local', 'optimum'], 'policies')
    for name, row in both.items():
        one, other = first[name]['mean_cost'], second[name]['mean_cost']
        tap.true(one != other, f'{name}: two draws are two worlds')
        tap.true(abs(row['mean_cost'] - (one + other) / 2) < 1e-12, f'{name}: {row["mean_cost"]} of {one} and {other}')
        tap.true(abs(row['standard_error'] - abs(one - other) / 2) < 1e-9, f'{name}: {row["standard_error"]}')
        tap.equal((row['tasks'], row['draws']), (2 * 20 * 4, 2), 'tasks and draws')
        tap.true(0 <= row['local_share'] + row['interior_share'] <= 1, 'shares')
    tap.equal(both['local']['local_share'], 1, 'the share of local tasks of local')
    tap.true(both['optimum']['mean_cost'] <= both['greedy']['mean_cost'], 'nobody is below the optimum')
    text, _ = testbed.orchestrator('evaluate', '-q', '--draws', 2, *WORLD, *HELD_OUT, '--seed', 11, *policies)
    tap.contains(text, f'{both["greedy"]["mean_cost"]:.4f}', f'{both["optimum"]["mean_cost"]:.4f}')


def train(db):
    """Run 1: a learner with a checkpoint after each of its four episodes. Returns what each costs on the validation streams."""
    testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *WORLD, *HELD_OUT, *LEARNER, '-p', 'dapo', '-e', 4, '-t', 100,
                         '--seed', 7)
    testbed.orchestrator('evaluate', '-q', '--db', db, '--run', 1, '-p', 'dapo', '--phase', 'validate')  # measures all
    return dict(testbed.rows(db, 'SELECT episode, validation_cost FROM checkpoint WHERE run_id = 1 ORDER BY episode'))


@tap.test
def the_checkpoint_that_is_named_is_the_one_that_plays():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        costs = train(db)
        tap.equal(sorted(costs), [0, 1, 2, 3], 'checkpoints')
        tap.true(len(set(costs.values())) >= 3, f'their costs differ: {costs}')
        best = min(costs, key=costs.get)
        for name, episode in (('last', 3), ('best', best), (1, 1), (None, best)):
            flag = () if name is None else ('--checkpoint', name)
            testbed.orchestrator('evaluate', '-q', '--db', db, '--run', 1, '-p', 'dapo', '--phase', 'validate', *flag)
            run = testbed.one(db, 'SELECT max(run_id) FROM run')
            tap.equal(testbed.one(db, f'SELECT checkpoint_episode FROM run WHERE run_id = {run}'), episode, f'--checkpoint {name}')
            # The same weights on the same streams cost what they cost when they were validated.
            cost = testbed.one(db, f'SELECT avg(mean_cost) FROM episode WHERE run_id = {run}')
            tap.true(abs(cost - costs[episode]) < 1e-9, f'--checkpoint {name}: {cost}, not {costs[episode]}')
        for name, part in ((9, '9'), ('first', 'first')):
            _, errors = testbed.orchestrator('evaluate', '-q', '--db', db, '--run', 1, '-p', 'dapo', '--checkpoint', name, status=2)
            tap.contains(errors, part)
        weighed = draws(1, 7, *LEARNER, '-p', 'dapo', '--db', db, '--run', 1, '--checkpoint', 'last')['dapo']['mean_cost']
        testbed.orchestrator('evaluate', '-q', '--db', db, '--run', 1, '-p', 'dapo', '--checkpoint', 'last')
        cost = testbed.one(db, 'SELECT mean_cost FROM episode WHERE run_id = (SELECT max(run_id) FROM run)')
        tap.true(abs(weighed - cost) < 1e-9, f'the draw of its own seed is its own world: {weighed} and {cost}')


@tap.test
def a_twin_of_a_recorded_run_plays_its_world_and_weights_in_both_clocks():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        train(db)
        first = testbed.one(db, 'SELECT max(run_id) FROM run') + 1
        program = testbed.Program([testbed.ORCHESTRATOR, 'twin', '--quiet', '--json', '--die-with-parent', '--db', db, '--run', '1',
                                   '--checkpoint', '2', '-t', '1', '--time-scale', '1.5'])
        port = program.port()
        nodes = [testbed.start_server(port), testbed.start_server(port), testbed.start_device(port, '--count', '4')]
        tap.true(program.wait() in (0, 5), f'the clocks agree, or this machine is busy: {program.text()}')
        for node in nodes:
            tap.equal(node.wait(), 0, node.text())
        tap.equal(testbed.rows(db, "SELECT run_id, kind, clock, host, policy, seed, parent_run_id, checkpoint_episode FROM run "
                                   "WHERE kind = 'twin' ORDER BY run_id"),
                  [(first, 'twin', 'virtual', 'memory', 'dapo', 7, 1, 2), (first + 1, 'twin', 'real', 'tcp', 'dapo', 7, first, 2)],
                  'runs')
        told = json.loads(''.join(line for line in program.output if not line.startswith('READY')))
        virtual, real = (testbed.one(db, f'SELECT mean_cost FROM episode WHERE run_id = {run}') for run in (first, first + 1))
        difference = told['cost_difference_pct']
        tap.true(abs(difference - 100 * (real - virtual) / virtual) < 1e-6, f'{difference} %: {virtual} and {real}')
        decided = [testbed.rows(db, f'SELECT slot, device, tokens, x_m, y_m, split, server FROM task WHERE run_id = {run} '
                                    'ORDER BY slot, device') for run in (first, first + 1)]
        tap.equal(len(decided[0]), 4, 'tasks')
        tap.equal(decided[1], decided[0], 'what was met and decided')
        parameters = [testbed.rows(db, f'SELECT role, number, flops FROM node WHERE run_id = {run} ORDER BY role, number')
                      for run in (1, first, first + 1)]
        tap.true(parameters[0] == parameters[1] == parameters[2], "the run's nodes")
        for arguments, part in ((('--run', 9), 'run 9'), (('--run', 1, '--checkpoint', 9), '9'),
                                (('-s', 'dapo-quick', '-p', 'local', '--set', 'radio.bandwidth_mhz=1000'), 'radio.bandwidth_mhz')):
            _, errors = testbed.orchestrator('twin', '-q', '--db', db, *arguments, status=2)
            tap.contains(errors, part)


@tap.test
def a_twin_is_told_as_a_table_in_which_what_nobody_did_has_no_number():
    with testbed.scratch() as folder:
        program = testbed.Program([testbed.ORCHESTRATOR, 'twin', '--quiet', '--die-with-parent', '--db', os.path.join(folder, 'x.db'),
                                   '-s', 'dapo-quick', '-p', 'local', '-n', '2', '-m', '1', '-e', '1', '-t', '1', '--time-scale', '0.5'])
        port = program.port()
        nodes = [testbed.start_server(port), testbed.start_device(port, '--count', '2')]
        tap.true(program.wait() in (0, 5), f'the clocks agree, or this machine is busy: {program.text()}')
        for node in nodes:
            tap.equal(node.wait(), 0, node.text())
        rows = {words[0]: words[1:] for words in map(str.split, program.output) if words}
        tap.true(all(re.fullmatch(r'[\d.]+', word) for word in rows['local_s']), f'local_s: {rows["local_s"]}')
        tap.equal(rows['edge_s'], ['0.0000', '0.0000', '-', '0.0000'], f'edge_s in {program.text()}')


def hello_of(*arguments):
    """What a server tells the orchestrator when it joins: its frame's bytes. The test plays the orchestrator."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(testbed.DEADLINE_S)
        program = testbed.start_server(listener.getsockname()[1], *arguments)
        connection, _ = listener.accept()
        with connection, connection.makefile('rb') as stream:
            connection.settimeout(testbed.DEADLINE_S)
            body = stream.read(struct.unpack('>I', stream.read(4))[0])
        program.kill()
        program.wait()
        return body


@tap.test
def devices_are_told_the_address_that_a_server_advertises():
    tap.true(b'127.0.0.1' in hello_of(), 'by default that of --listen')
    tap.true(b'127.0.0.3' in hello_of('--listen', '127.0.0.3:0'), 'that of --listen')
    told = hello_of('--listen', '127.0.0.3:0', '--advertise', 'edge.example')
    tap.true(b'edge.example' in told and b'127.0.0.3' not in told, f'what is advertised alone: {told}')


@tap.test
def tasks_go_to_the_advertised_address():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = testbed.start_orchestrator('-s', 'dapo-quick', '-n', 2, '-m', 1, '-e', 1, '-t', 3, '-p', 'static', '--db', db)
        port = program.port()
        nodes = [testbed.start_server(port, '--listen', '0.0.0.0:0', '--advertise', '127.0.0.2'),
                 testbed.start_device(port, '--count', '2')]
        for each in (program, *nodes):
            tap.equal(each.wait(), 0, each.text())
        tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE status = 'done' AND server = 0"), 6, 'tasks')


MESSAGE_MS = 5  # of processor time that a message may cost its node: 50 times what it does, a quarter of what spoils a run


def processor_s():
    """Of all programs that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@tap.test
def a_message_costs_a_node_little_processor_time_in_either_mode_and_clock():
    queue = ('-s', 'dapo-queue', '--set', 'task.probability=0.01', '--set', 'run.slot_s=0.1')
    for world, slots in ((('-s', 'dapo-quick'), 40), (queue, 30), ((*queue, '--set', 'run.clock=real'), 30)):
        with testbed.scratch() as folder:
            before = processor_s()
            program = testbed.start_orchestrator(*world, '-n', 6, '-m', 2, '-e', 1, '-t', slots, '-p', 'local', '--db',
                                                 os.path.join(folder, 'x.db'))
            port = program.port()
            nodes = [testbed.start_server(port), testbed.start_server(port), testbed.start_device(port, '--count', '6')]
            for each in (program, *nodes):
                tap.equal(each.wait(), 0, each.text())
            messages = slots * (1 + 6 + 2)  # SLOT to the process, DECISION to each device, ALLOT to each server
            used_ms = 1000 * (processor_s() - before)
            tap.true(used_ms < MESSAGE_MS * messages, f'{world}: {used_ms:.0f} ms for {messages} messages')
            print(f'# {used_ms / messages:.2f} ms a message, of all programs together', flush=True)


tap.main()
