"""Queueing mode with real processes: the same rows over TCP as in memory, whatever breaks or moves, and both clocks agree."""
import json
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

DEVICES, SERVERS, EPISODES, SLOTS = 8, 2, 2, 40
MOVING = ('mobility.speed_mean=40', 'mobility.speed_max=60', 'servers.coverage_m=350', 'radio.bandwidth_mhz=2', 'fixed.split=4')
ROW = ('episode, slot, device, tokens, split, server, bandwidth_share, wait_s, local_s, transmit_s, queue_s, edge_s, '
       'interrupted_s, latency_s, energy_j, cost, rate_bps, extra_bytes, extra_j, end_slot, handovers, status')


def what(policy, *settings):
    flags = [flag for setting in ('task.probability=0.6', *settings) for flag in ('--set', setting)]
    return ('-s', 'dapo-queue', '-n', DEVICES, '-m', SERVERS, '-e', EPISODES, '-t', SLOTS, '-p', policy, *flags)


def content(db):
    return (testbed.rows(db, f'SELECT {ROW} FROM task ORDER BY run_id, episode, slot, device'),
            testbed.rows(db, 'SELECT episode, slot, phase, kind, role, number, detail FROM event ORDER BY event_id'),
            testbed.rows(db, 'SELECT episode, episode_return, mean_cost, failures FROM episode ORDER BY episode'))


def run_over_tcp(folder, shares, arguments):
    db = os.path.join(folder, f'tcp-{len(shares)}.db')
    program = testbed.start_orchestrator('--db', db, *arguments)
    port = program.port()
    nodes = [testbed.start_server(port) for _ in range(SERVERS)]
    nodes += [testbed.start_device(port, '--count', str(share)) for share in shares]
    tap.equal(program.wait(), 0, program.text())
    for node in nodes:
        tap.true(node.wait() in (0, 7), f'a node: {node.text()}')
    return db


def compare(arguments, layouts=([1] * DEVICES, [5, 3])):
    """Memory against TCP in several layouts; returns the rows of one."""
    with testbed.scratch() as folder:
        memory = os.path.join(folder, 'memory.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', memory, *arguments)
        expected = content(memory)
        for shares in layouts:
            db = run_over_tcp(folder, shares, arguments)
            for here, there, name in zip(expected, content(db), ('task', 'event', 'episode')):
                tap.equal(len(there), len(here), f'rows of {name}')
                for one, other in zip(here, there):
                    tap.equal(other, one, name)
            tap.equal(testbed.verify(db), len(expected[0]), 'tasks replayed')
            testbed.check_database(db)
        return expected


@tap.test
def policies_leave_the_same_rows_over_tcp_as_in_memory():
    for policy, *settings in (('random',), ('priced', 'servers.discipline=processor-sharing'),
                              ('dapo', 'ddpg.warmup=20', 'ddpg.hidden_1=16', 'ddpg.hidden_2=16')):
        rows, _, _ = compare(what(policy, *settings))
        tap.true(any(row[-2] == 0 and row[-3] > row[1] for row in rows), 'work carried over')


@tap.test
def handovers_leave_the_same_rows_over_tcp_as_in_memory():
    for how in ('resume', 'restart'):
        rows, events, _ = compare(what('static', *MOVING, 'run.slots=80', f'handover.policy={how}'), layouts=([4, 4],))
        tap.true(sum(row[-2] for row in rows) > 3, f'handovers: {sum(row[-2] for row in rows)}')
        tap.true(any(event[3] == 'handover' for event in events), 'events tell of them')


@tap.test
def what_the_scenario_breaks_leaves_the_same_rows_over_tcp_as_in_memory():
    script = ('slot 5 kill server 1; slot 12 rejoin server 1; slot 8 pause device 3 for 5; slot 20 slow server 0 by 0.5 for 9; '
              'slot 16 partition device 0 server 1 for 4; slot 18 kill device 2; slot 25 rejoin device 2; '
              'episode 0 slot 3 slow server 0 by 0.3')
    for recovery, status in (('local', 'recovered'), ('reoffload', 'reoffloaded'), ('none', 'server_lost')):
        rows, _, _ = compare(what('edge-best-channel', f'faults.script={script}', f'faults.recovery={recovery}',
                                  'chaos.rate=0.01'), layouts=([1] * DEVICES,))
        tap.true(status in {row[-1] for row in rows}, f'{status} among the statuses')


@tap.test
def nodes_killed_in_earnest_take_no_other_task_with_them_and_the_run_replays():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = testbed.start_orchestrator('--db', db, *what('random', 'run.slots=400', 'faults.recovery=reoffload'))
        port = program.port()
        servers = [testbed.start_server(port) for _ in range(SERVERS)]
        devices = [testbed.start_device(port, '--count', '2') for _ in range(DEVICES // 2)]
        for victim, slot in ((servers[1], 50), (devices[2], 150)):
            testbed.until(lambda slot=slot: os.path.exists(db) and reached(db, slot), f'slot {slot}')
            victim.kill(signal.SIGKILL)
        tap.equal(program.wait(), 0, program.text())
        lost = testbed.rows(db, "SELECT role, count(*) FROM event WHERE kind = 'node_lost' GROUP BY role ORDER BY role")
        tap.equal(lost, [('device', 2), ('server', 1)], 'lost nodes')
        statuses = dict(testbed.rows(db, 'SELECT status, count(*) FROM task GROUP BY status'))
        tap.true(statuses.get('device_lost', 0) > 0, f'{statuses}')
        tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE latency_s IS NULL AND status NOT IN "
                                  "('device_lost', 'server_lost', 'expired')"), 0, 'tasks without an end')
        tap.equal(testbed.verify(db), sum(statuses.values()), 'tasks replayed')


def reached(db, slot):
    try:
        return testbed.one(db, 'SELECT coalesce(max(slot), 0) FROM task') >= slot
    except Exception:  # the file is being made
        return False


@tap.test
def an_interrupted_run_verifies_as_far_as_it_was_decided():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = testbed.Program([testbed.ORCHESTRATOR, 'run', '-q', '--over', 'memory', '--db', db, *map(str, what('priced')),
                                   '-t', '20000'])
        testbed.until(lambda: os.path.exists(db) and reached(db, 30), 'slot 30')
        program.kill(signal.SIGINT)
        tap.equal(program.wait(), 130, program.text())
        output, _ = testbed.orchestrator('replay', '--verify', '--json', '-q', '--db', db)
        (run,) = json.loads(output)
        tap.true(run['tasks'] == run['identical'] > 100, f'{run}')
        tap.equal(run['tasks'] + run['unsettled'], testbed.one(db, 'SELECT count(*) FROM task'), 'every row was met')


def twin(db, *arguments):
    output, errors = testbed.call(*testbed.launch('--twin', '-q', '--json', '--db', db, *arguments), status=None)
    tap.true(output.startswith('{'), f'{output}{errors}')
    result = json.loads(output)
    tap.true(result['trusted'], f'the run kept up: {result}')
    return result


REAL = ('-s', 'dapo-queue', '-n', 6, '-m', 2, '--count', 3, '-t', 6)


@tap.test
@testbed.real_time
def both_clocks_agree_where_work_carries_over():
    with testbed.scratch() as folder:
        result = twin(os.path.join(folder, 'x.db'), *REAL, '-p', 'static', '--set', 'task.probability=0.8', '--set',
                      'radio.bandwidth_mhz=5')
        tap.true(result['agrees'], f'the clocks agree: {result}')
        parts = {part['part']: part for part in result['parts']}
        tap.true(parts['wait_s']['virtual_mean'] > 0.01, 'something waited')


@tap.test
@testbed.real_time
def in_real_time_a_handed_over_transfer_reaches_the_new_server():
    for how in ('resume', 'restart'):
        with testbed.scratch() as folder:
            db = os.path.join(folder, 'x.db')
            settings = [f for s in (*MOVING, f'handover.policy={how}', 'run.clock=real', 'run.time_scale=8',
                                    'radio.bandwidth_mhz=0.5', 'task.probability=0.5') for f in ('--set', s)]
            testbed.call(*testbed.launch('-q', '--db', db, '-s', 'dapo-queue', '-n', 6, '-m', 3, '--count', 3, '-p', 'static',
                                         '-e', 1, '-t', 60, *settings))
            done, extra, interrupted = testbed.one(
                db, "SELECT count(*), total(extra_bytes), total(interrupted_s) FROM task WHERE handovers > 0 AND status = 'done'")
            tap.true(done > 0 and interrupted > 0, f'{how}: {done} tasks were handed over and finished')
            tap.true(extra > 0, f'{how}: extra bytes')
            tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE status NOT IN ('done', 'expired')"), 0, 'no task was lost')


@tap.test
def what_does_not_go_with_the_mode_is_refused():
    for arguments, part in ((('-s', 'dapo', '--set', 'task.probability=0.5'), 'task.probability: 0.5 needs run.mode: queue'),
                            (('-s', 'dapo-queue', '--set', 'radio.sharing=shared'), 'radio.sharing'),
                            (('-s', 'dapo-queue', '-t', '70000'), 'run.slots: 70000'),
                            (('-s', 'dapo-queue', '-p', 'optimum'), 'made for run.mode: round'),
                            (('-s', 'dapo', '-p', 'priced'), 'made for run.mode: queue')):
        _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '--db', '/nonexistent/x.db', *arguments, status=2)
        tap.contains(errors, part)


tap.main()
