"""Queueing mode with real processes: the same rows over TCP as in memory, whatever breaks or moves, and both clocks agree."""
import json
import os
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed
import wiretap

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


RESULT_S = 0.9  # a RESULT's way down: longer than a slot, so that they queue behind each other


@tap.test
@testbed.real_time
def in_real_time_results_of_one_device_come_down_one_behind_the_other():
    """Tasks come faster than their RESULTs can go down. Each one comes, none is faster than its link, and they wait."""
    slots, slot_s = 12, 0.6
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        settings = [flag for setting in ('task.probability=0.9', 'fixed.split=1', 'run.clock=real', 'run.time_scale=2',
                                         'link.result_kb=112.5', 'link.down_mbps=1', 'servers.coverage_m=5000', 'radio.bandwidth_mhz=5')
                    for flag in ('--set', setting)]
        testbed.call(*testbed.launch('-q', '--db', db, '-s', 'dapo-queue', '-n', 2, '-m', 1, '--count', 2, '-p', 'static', '-e', 1,
                                     '-t', slots, *settings))
        for device in range(2):
            done = testbed.rows(db, 'SELECT slot, latency_s, transmit_s FROM task WHERE device = ? AND server IS NOT NULL AND '
                                    "status = 'done' ORDER BY slot", device)
            tap.true(len(done) >= 3, f'device {device}: {len(done)} tasks were finished')
            ends = [slot * slot_s + latency_s for slot, latency_s, _ in done]
            tap.equal(ends, sorted(ends), f'device {device}: first come, first served')
            for number, end in enumerate(ends, 1):
                tap.true(end >= number * RESULT_S, f'device {device}: RESULT {number} came after {end} s')
            tap.true(min(transmit_s for _, _, transmit_s in done) >= RESULT_S, 'nothing is faster than its link')
            tap.true(max(transmit_s for _, _, transmit_s in done) >= 1.5 * RESULT_S, 'one waited for another')


BUSY_RADIO = [flag for setting in ('task.probability=0.6', 'fixed.split=1', 'run.clock=real', 'run.time_scale=2',
                                   'radio.bandwidth_mhz=5', 'servers.coverage_m=5000') for flag in ('--set', setting)]


def start_busy_run(db, slots):
    """Six devices send nearly all the time to two servers, in real time."""
    return testbed.start_orchestrator('--db', db, '-s', 'dapo-queue', '-n', 6, '-m', 2, '-p', 'static', '-e', 1, '-t', slots,
                                      *BUSY_RADIO)


class Wire:
    """Stands between devices and a server: cuts the first connection that has carried `cut_bytes`, and no other."""

    def __init__(self, cut_bytes):
        self.cuts = 0
        self._cut_bytes = cut_bytes
        self._listener = socket.create_server(('127.0.0.2', 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            device, _ = self._listener.accept()
            server = socket.create_connection(('127.0.0.3', self.port))
            threading.Thread(target=self._forward, args=(device, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, device, False), daemon=True).start()

    def _forward(self, source, sink, may_cut):
        carried = 0
        try:
            while True:
                data = source.recv(65536)
                carried += len(data)
                if data and may_cut and self.cuts == 0 and carried > self._cut_bytes:
                    self.cuts += 1
                    break
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass  # one side has closed: so does the other
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already


@tap.test
@testbed.real_time
def in_real_time_a_device_whose_connection_is_cut_in_sending_sends_on_over_another():
    with testbed.scratch() as folder:
        db, wire = os.path.join(folder, 'x.db'), Wire(300000)
        program = start_busy_run(db, 24)
        port = program.port()
        nodes = [testbed.start_server(port, '--listen', f'127.0.0.3:{wire.port}', '--advertise', '127.0.0.2'),
                 testbed.start_server(port), testbed.start_device(port, '--count', '6')]
        for each in (program, *nodes):
            tap.equal(each.wait(), 0, each.text())
        tap.equal(wire.cuts, 1, 'a connection was cut')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM event'), 0, 'nobody was lost')
        went_on = {device for (device,) in testbed.rows(
            db, "SELECT DISTINCT device FROM task WHERE slot >= 12 AND status = 'done' AND server IS NOT NULL")}
        tap.equal(went_on, set(range(6)), 'devices that sent on')


def cuts_at(count):
    """A hook that breaks its connection with so many ALLOTs, once."""
    seen = {'count': 0}

    def hook(message):
        seen['count'] += message == wiretap.ALLOT
        if message == wiretap.ALLOT and seen['count'] == count:
            raise ConnectionError('cut')
        return True
    return hook


@tap.test
@testbed.real_time
def in_real_time_a_server_that_comes_back_is_sent_tasks_again():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        program = start_busy_run(db, 24)
        port = program.port()
        line = wiretap.Wiretap(port, cuts_at(8))
        nodes = [testbed.start_server(line.port), testbed.start_server(port), testbed.start_device(port, '--count', '6')]
        for each in (program, *nodes):
            tap.equal(each.wait(), 0, each.text())
        slot, number = testbed.one(db, "SELECT slot, number FROM event WHERE kind = 'node_lost' AND role = 'server'")
        back = testbed.one(db, "SELECT min(slot) FROM event WHERE kind = 'rejoin' AND role = 'server'")
        tap.true(back is not None and 3 < slot <= back < 20, f'lost in slot {slot}, back in slot {back}')
        again = testbed.one(db, "SELECT count(*) FROM task WHERE slot > ? AND status = 'done' AND server = ?", back, number)
        tap.true(again > 0, f'tasks at server {number} after slot {back}')


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
