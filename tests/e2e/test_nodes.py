"""The programs at their edges: flags, statuses, strangers at the door, deaths at every moment."""
import os
import re
import signal
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed
import wiretap

EPISODES, SLOTS, DEVICES, SERVERS = 2, 15, 4, 2
TIMEOUT, TOO_BIG = 10, 2  # codes in REFUSE
MOMENT_S = 0.25  # for which a test may hold up a slot: who is held up longer than --stall-s is given up
FAULT_ROUND = 6  # of 32: each episode has an observation of its own at its end


class Run:
    """Orchestrator, devices and servers, one of which speaks through a wiretap."""

    def __init__(self, folder, *arguments, policy='greedy', devices=DEVICES, servers=SERVERS, record='tasks', slots=SLOTS):
        self.db = os.path.join(folder, 'x.db')
        self.devices, self.servers, self.slots = devices, servers, slots
        self.orchestrator = testbed.start_orchestrator('-s', 'dapo-quick', '--db', self.db, '-n', devices, '-m', servers,
                                                       '-e', EPISODES, '-t', slots, '-p', policy, '--record', record,
                                                       '--set', 'ddpg.warmup=20', *arguments)
        self.port = self.orchestrator.port()
        self.nodes = []

    def add(self, starter, *arguments, hook=None):
        tap_line = wiretap.Wiretap(self.port, hook) if hook is not None else None
        node = starter(tap_line.port if tap_line is not None else self.port, *arguments)
        self.nodes.append(node)
        return node

    def fill(self, device_shares, servers):
        for _ in range(servers):
            self.add(testbed.start_server)
        for share in device_shares:
            self.add(testbed.start_device, '--count', str(share))

    def finish(self, victim=None, status=0):
        tap.equal(self.orchestrator.wait(), status, f'orchestrator: {self.orchestrator.text()}')
        for node in self.nodes:
            if node is not victim:
                tap.equal(node.wait(), 0, f'a node: {node.text()}')
        if victim is not None:
            tap.equal(victim.wait(), 137, 'the victim')


def dies_at(victim, wanted, goes_on):
    """A hook that kills the victim with the FAULT_ROUND-th message of a kind."""
    seen = {'count': 0}

    def hook(message):
        seen['count'] += message == wanted
        if message == wanted and seen['count'] == FAULT_ROUND:
            victim[0].kill(signal.SIGKILL)
            victim[0].child.wait()
            return goes_on
        return True
    return hook


def run_with_death(role, message, goes_on, policy='greedy', share=1, phase=None):
    with testbed.scratch() as folder:
        run = Run(folder, policy=policy)
        victim = [None]
        hook = dies_at(victim, message, goes_on)
        if role == 'device':
            victim[0] = run.add(testbed.start_device, '--count', str(share), hook=hook)
            run.fill([1] * (DEVICES - share), SERVERS)
        else:
            victim[0] = run.add(testbed.start_server, hook=hook)
            run.fill([1] * DEVICES, SERVERS - 1)
        run.finish(victim[0])
        testbed.check_database(run.db)
        tap.equal(testbed.one(run.db, 'SELECT status FROM run'), 'finished', 'run')
        tap.equal(testbed.one(run.db, 'SELECT count(*) FROM task'), EPISODES * SLOTS * DEVICES, 'tasks')
        lost = testbed.rows(run.db, "SELECT role, number, phase FROM event WHERE kind = 'node_lost'")
        tap.equal([row[0] for row in lost], [role] * share, f'node_lost events {lost}')
        if phase is not None:
            tap.equal([row[2] for row in lost], [phase] * share, 'phase')
        if role == 'device':
            numbers = [row[1] for row in lost]
            failed = testbed.rows(run.db, "SELECT DISTINCT device FROM task WHERE status = 'device_lost' ORDER BY device")
            tap.equal([row[0] for row in failed], sorted(numbers), 'devices with lost tasks')
            tap.equal(testbed.one(run.db, "SELECT count(*) FROM task WHERE device = ? AND episode = 1 AND status = 'done'",
                                  numbers[0]), 0, 'tasks of a dead device')
        tap.equal(testbed.verify(run.db), EPISODES * SLOTS * DEVICES, 'tasks replayed identically')


@tap.test
def help_and_version_are_given():
    for program in (testbed.ORCHESTRATOR, testbed.MOBILE_NODE, testbed.EDGE_SERVER):
        output, _ = testbed.call(program, '--help')
        tap.contains(output, 'Exit status')
        output, _ = testbed.call(program, '--version')
        tap.contains(output, os.path.basename(program))
    for verb in ('run', 'evaluate', 'replay', 'show', 'export'):
        output, _ = testbed.orchestrator(verb, '--help')
        tap.contains(output, verb)


@tap.test
def bad_flags_are_usage_errors():
    for program in (testbed.MOBILE_NODE, testbed.EDGE_SERVER):
        for wrong in ([], ['--nonsense'], ['--orchestrator', 'nowhere'], ['--orchestrator', '127.0.0.1:70000'],
                      ['--orchestrator', '127.0.0.1:1', '--reconnect-s', 'soon']):
            _, errors = testbed.call(program, *wrong, status=2)
            tap.true(errors.strip(), f'{program} {wrong}: it says why')
    testbed.call(testbed.MOBILE_NODE, '--orchestrator', '127.0.0.1:1', '--count', '0', status=2)
    for wrong in ([], ['dance'], ['run', 'along'], ['run', '--nonsense'], ['run', '--over', 'pigeon'], ['run', '-n', 'many'],
                  ['run', '--listen', 'x'], ['replay'], ['show'], ['show', 'nothing'], ['export', 'nothing']):
        _, errors = testbed.orchestrator(*wrong, status=2)
        tap.true(errors.strip(), f'{wrong}: it says why')


@tap.test
def a_node_without_an_orchestrator_gives_up_with_status_3():
    with socket.socket() as silent:  # bound, so that nobody else takes the port, but it does not listen
        silent.bind(('127.0.0.1', 0))
        address = f'127.0.0.1:{silent.getsockname()[1]}'
        for program in (testbed.MOBILE_NODE, testbed.EDGE_SERVER):
            _, errors = testbed.call(program, '--orchestrator', address, '--reconnect-s', '1', status=3)
            tap.contains(errors, 'cannot reach', address)


@tap.test
def a_node_too_many_is_refused_with_status_4():
    with testbed.scratch() as folder:
        run = Run(folder, devices=1, servers=1)
        pair = [testbed.start_device(run.port) for _ in range(2)]
        testbed.until(lambda: any(node.child.poll() is not None for node in pair), 'one of two is refused')
        (refused,) = [node for node in pair if node.child.poll() is not None]
        tap.equal(refused.wait(), 4, 'status of the one too many')
        tap.contains(refused.text(), 'refused', 'no room')
        run.nodes = [node for node in pair if node is not refused]
        run.fill([], 1)
        run.finish()


def hello(role=1, count=1, major=None):
    """A HELLO as a stranger would write it: no host, no token, no number, no tier."""
    major = wiretap.proto_version()[0] if major is None else major
    return frame(bytes([0x9b, 0x01, major, 0, 0, role, count, 0, 0xa0, 0, 0, 0xa0]))


@tap.test
def a_refused_node_frees_its_place_at_once():
    with testbed.scratch() as folder:
        run = Run(folder, devices=1, servers=1)
        with socket.create_connection(('127.0.0.1', run.port), timeout=testbed.DEADLINE_S) as stranger:
            stranger.sendall(hello() + hello())  # the second one is refused; the connection stays half open
            while stranger.recv(65536):
                pass
            run.fill([1], 1)
            run.finish()


def half_open(port, sent):
    """A connection on which `sent` is all that ever comes."""
    stranger = socket.create_connection(('127.0.0.1', port), timeout=testbed.DEADLINE_S)
    stranger.sendall(sent)
    return stranger


def end_of(stranger):
    """The code in the REFUSE with which the other side ends a connection; None: it ends without."""
    answer = b''
    with stranger:
        while piece := stranger.recv(65536):
            answer += piece
    return answer[6] if len(answer) > 6 and answer[5] == wiretap.REFUSE else None


def refusal_of(sent, port):
    """The code in the REFUSE that `sent` leads to; None when the connection just closes."""
    return end_of(half_open(port, sent))


@tap.test
def a_node_of_another_version_is_refused_with_its_code():
    with testbed.scratch() as folder:
        run = Run(folder, devices=1, servers=1)
        tap.equal(refusal_of(hello(major=1), run.port), 6, 'code of an older node')
        tap.equal(refusal_of(hello(major=99), run.port), 6, 'code of a newer one')
        run.fill([1], 1)
        run.finish()


@tap.test
def whoever_stalls_in_the_middle_of_a_frame_is_shown_the_door_and_keeps_no_memory():
    """Before HELLO and ATTACH nobody gets room for more than a greeting, nor more than some seconds to say it."""
    with testbed.scratch() as folder:
        run = Run(folder)
        server = testbed.start_server(run.port)
        ports = run.port, server.port()
        before = resident_kib(run.orchestrator.pid), resident_kib(server.pid)
        stalled = [half_open(port, hello()[:9]) for port in ports for _ in range(12)]
        large = [half_open(port, struct.pack('>I', 2 << 20) + bytes(500)) for port in ports for _ in range(4)]
        tap.equal({end_of(stranger) for stranger in large}, {TOO_BIG}, 'codes of those who announce megabytes')
        after = resident_kib(run.orchestrator.pid), resident_kib(server.pid)
        tap.equal({end_of(stranger) for stranger in stalled}, {TIMEOUT}, 'codes of those who stall')
        growth = max(b - a for a, b in zip(before, after))
        print(f'# grew by {growth} KiB with 24 of them', flush=True)
        tap.true(growth < 24 * 64, f'grew by {growth} KiB')
        run.nodes.append(server)
        run.fill([1] * DEVICES, SERVERS - 1)
        run.finish()


def resident_kib(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return int(re.search(r'VmRSS:\s+(\d+)', file.read())[1])


@tap.test
def a_flood_of_connections_costs_little_memory_and_the_run_goes_on():
    """Strangers that say nothing, and strangers that read nothing of what they are answered."""
    with testbed.scratch() as folder:
        run = Run(folder)
        server = testbed.start_server(run.port)
        data_port = server.port()
        seen = {'count': 0}

        def hook(message):
            seen['count'] += message == wiretap.SLOT
            if message == wiretap.SLOT and seen['count'] == FAULT_ROUND:
                before = resident_kib(run.orchestrator.pid), resident_kib(server.pid)
                for port in (run.port, data_port):
                    flood = [socket.create_connection(('127.0.0.1', port)) for _ in range(300)]
                    for stranger in flood[::2]:
                        try:
                            stranger.sendall(hello() * 20)
                        except OSError:
                            pass  # shown the door already
                    seen.setdefault('flood', []).extend(flood)  # half of them stay open to the end
                after = resident_kib(run.orchestrator.pid), resident_kib(server.pid)
                seen['growth'] = max(b - a for a, b in zip(before, after))
            return True
        run.nodes.append(server)
        run.add(testbed.start_device, hook=hook)
        run.fill([1] * (DEVICES - 1), SERVERS - 1)
        run.finish()
        print(f"# grew by {seen['growth']} KiB", flush=True)
        tap.true(seen['growth'] < 32 * 1024, f"grew by {seen['growth']} KiB")
        tap.equal(testbed.one(run.db, "SELECT count(*) FROM task WHERE status = 'done'"), EPISODES * SLOTS * DEVICES, 'tasks')
        for stranger in seen['flood']:
            stranger.close()


def torpid(role, moment, how, *settings):
    """At the FAULT_ROUND-th `moment` a node stalls in mid-frame, or reads no more: it is given up, alone, and comes back."""
    with testbed.scratch() as folder:
        run = Run(folder, '--stall-s', 1, *settings)
        seen, back = {'count': 0, 'before': 0, 'refused': False}, threading.Event()

        def hook(message):
            seen['count'] += message == moment
            if message == moment and seen['count'] == FAULT_ROUND:
                seen['before'] = resident_kib(run.orchestrator.pid)
                return how
            if message == wiretap.HELLO and seen['before'] > 0:
                seen['growth'] = resident_kib(run.orchestrator.pid) - seen['before']
            elif message in (wiretap.SLOT, wiretap.ALLOT) and 'growth' in seen:
                back.set()
            return True

        def on_slot(message):
            if message == wiretap.SLOT and seen['before'] > 0 and not settings:
                back.wait(MOMENT_S)  # or the run would be over before it is back; in real time it lasts long enough
            return True
        run.add(testbed.start_server if role == 'server' else testbed.start_device, hook=hook)
        run.add(testbed.start_device, hook=on_slot)
        run.fill([1] * (DEVICES - 1 - (role == 'device')), SERVERS - (role == 'server'))
        run.finish()
        events = testbed.rows(run.db, "SELECT kind, role FROM event WHERE kind IN ('node_lost', 'rejoin')")
        tap.equal(events, [('node_lost', role), ('rejoin', role)], 'events')
        tap.true(seen['growth'] < 4096, f"grew by {seen['growth']} KiB")
        tap.equal(testbed.one(run.db, 'SELECT count(*) FROM task'), EPISODES * SLOTS * DEVICES, 'tasks')


@tap.test
def a_node_that_stalls_in_mid_frame_is_given_up_alone_and_may_come_back():
    torpid('device', wiretap.OBSERVATION, wiretap.HALF)
    torpid('server', wiretap.ADVANCED, wiretap.HALF)


@tap.test
def a_node_that_reads_no_more_is_given_up_alone_although_it_still_says_that_it_is_there():
    torpid('device', wiretap.DECISION, wiretap.DEAF)
    real = '--set', 'run.clock=real', '--set', 'run.time_scale=10', '--set', 'radio.bandwidth_mhz=2'
    torpid('server', wiretap.ALLOT, wiretap.DEAF, *real)


@tap.test
def what_waits_for_nodes_can_be_interrupted():
    with testbed.scratch() as folder:
        run = Run(folder)
        run.orchestrator.kill(signal.SIGINT)
        tap.equal(run.orchestrator.wait(), 130, 'status')


@tap.test
def nodes_of_a_run_that_is_given_up_end_with_status_6():
    with testbed.scratch() as folder:
        run = Run(folder)
        seen = []
        node = run.add(testbed.start_device, hook=lambda message: seen.append(message) or True)
        testbed.until(lambda: wiretap.WELCOME in seen, 'a device has joined')
        run.orchestrator.kill(signal.SIGINT)
        tap.equal(run.orchestrator.wait(), 130, 'status of the orchestrator')
        tap.equal(node.wait(), 6, 'status of the node')


def frame(body):
    return struct.pack('>I', len(body)) + body


GARBAGE = {
    'another protocol': b'GET / HTTP/1.1\r\n\r\n',
    'a length beyond all bounds': b'\xff\xff\xff\xff',
    'an empty frame': struct.pack('>I', 0),
    'no array': frame(b'\xc0'),
    'an unknown message': frame(b'\x91\x7f'),
    'an array that declares gigabytes': frame(b'\xdd\x7f\xff\xff\xff'),
    'a REPORT by a stranger': frame(b'\x9e' + b'\x14' + b'\x00' * 13),
    'a HELLO with a field of another type': frame(b'\x98\x01\xc0\x00\x00\x01\x01\x00\xa0'),
    'a HELLO of a third kind': frame(b'\x98\x01\x01\x00\x00\x03\x01\x00\xa0'),
    'a HELLO for no device': frame(b'\x98\x01\x01\x00\x00\x01\x00\x00\xa0'),
}


def is_shown_the_door(port, sent):
    """The other side closes this connection, and within the deadline."""
    with socket.create_connection(('127.0.0.1', port), timeout=testbed.DEADLINE_S) as stranger:
        stranger.sendall(sent)
        try:
            while stranger.recv(65536):
                pass  # a REFUSE
        except ConnectionResetError:
            pass  # closed as well: it had not read all of it


def torment(port):
    for what, sent in GARBAGE.items():
        try:
            is_shown_the_door(port, sent)
        except TimeoutError:
            raise AssertionError(f'{what} is not refused') from None
    with socket.create_connection(('127.0.0.1', port)) as stranger:
        stranger.sendall(struct.pack('>I', 100) + b'\x98\x01')  # and leaves in mid-frame


@tap.test
def strangers_are_shown_the_door_and_the_run_goes_on():
    with testbed.scratch() as folder:
        run = Run(folder)
        torment(run.port)  # while nodes join
        rounds = {'count': 0}
        server = testbed.start_server(run.port)
        data_port = server.port()
        torment(data_port)

        def hook(message):
            rounds['count'] += message == wiretap.SLOT
            if message == wiretap.SLOT and rounds['count'] == FAULT_ROUND:
                torment(run.port)
                torment(data_port)
            return True
        run.nodes.append(server)
        run.add(testbed.start_device, hook=hook)
        run.fill([1] * (DEVICES - 1), SERVERS - 1)
        run.finish()
        tap.true(rounds['count'] >= FAULT_ROUND, 'strangers came in mid-run')
        tap.equal(testbed.one(run.db, "SELECT count(*) FROM task WHERE status = 'done'"), EPISODES * SLOTS * DEVICES, 'tasks')
        tap.equal(testbed.rows(run.db, "SELECT * FROM event WHERE kind = 'node_lost'"), [], 'lost nodes')


@tap.test
def a_device_killed_before_its_slot_is_recorded_as_lost():
    run_with_death('device', wiretap.SLOT, False, phase='observe')


@tap.test
def a_device_killed_after_it_observed_is_recorded_as_lost():
    run_with_death('device', wiretap.OBSERVATION, True)


@tap.test
def a_device_killed_with_its_decision_is_recorded_as_lost():
    run_with_death('device', wiretap.DECISION, False, phase='execute')


@tap.test
def a_device_killed_before_its_report_is_recorded_as_lost():
    run_with_death('device', wiretap.REPORT, False, phase='execute')


@tap.test
def a_device_killed_after_its_slot_is_recorded_as_lost():
    run_with_death('device', wiretap.REPORT, True)


@tap.test
def a_process_killed_takes_all_its_devices_with_it():
    run_with_death('device', wiretap.DECISION, False, share=2)


@tap.test
def a_device_killed_while_a_learner_learns_is_recorded_as_lost():
    run_with_death('device', wiretap.DECISION, False, policy='dapo')


@tap.test
def a_server_killed_before_its_slot_is_recorded_as_lost():
    run_with_death('server', wiretap.ALLOT, False)


@tap.test
def a_server_killed_after_its_slot_is_recorded_as_lost():
    run_with_death('server', wiretap.ADVANCED, True)


@tap.test
def a_server_killed_before_it_says_that_it_is_done_is_recorded_as_lost():
    run_with_death('server', wiretap.ADVANCED, False, policy='dapo')


@tap.test
def when_every_device_is_lost_the_run_ends_and_says_so():
    with testbed.scratch() as folder:
        run = Run(folder, devices=1)
        victim = [None]
        victim[0] = run.add(testbed.start_device, hook=dies_at(victim, wiretap.DECISION, False))
        run.fill([], SERVERS)
        tap.equal(run.orchestrator.wait(), 1, 'status')
        tap.contains(run.orchestrator.text(), 'every device was lost')
        testbed.check_database(run.db)


@tap.test
def a_killed_orchestrator_leaves_a_database_that_opens_and_its_nodes_end():
    with testbed.scratch() as folder:
        run = Run(folder, slots=2000)
        rounds = {'count': 0}

        def hook(message):
            rounds['count'] += message == wiretap.SLOT
            if message == wiretap.SLOT and rounds['count'] == 500:
                run.orchestrator.kill(signal.SIGKILL)
            return True
        patience = ('--reconnect-s', '1')
        run.add(testbed.start_device, *patience, hook=hook)
        for starter in [testbed.start_device] * (DEVICES - 1) + [testbed.start_server] * SERVERS:
            run.add(starter, *patience)
        tap.equal(run.orchestrator.wait(), 137, 'orchestrator')
        for node in run.nodes:
            tap.equal(node.wait(), 3, f'a node: {node.text()}')
        output, _ = testbed.orchestrator('show', 'runs', '--json', '--db', run.db)
        tap.contains(output, '"running"')
        testbed.check_database(run.db)
        testbed.orchestrator('run', '--over', 'memory', '-q', '-s', 'dapo-quick', '-p', 'local', '-e', '1', '-t', '2', '--db', run.db)
        tap.equal(testbed.one(run.db, 'SELECT count(*) FROM run'), 2, 'runs: the file is of use again')


tap.main()
