"""What breaks, by the scenario or by a real failure: the run goes on, no task is forgotten, and who comes back takes part."""
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed
import wiretap

EPISODES, SLOTS, DEVICES, SERVERS = 2, 40, 5, 3
MOMENT_S = 0.25  # for which a test may hold up a slot: who is held up longer than --stall-s is given up
SCRIPT = ('slot 5 kill server 1; slot 12 rejoin server 1; slot 8 pause device 3 for 5; slot 20 slow server 0 by 0.5 for 9; '
          'slot 16 partition device 0 server 2 for 4; slot 18 kill device 2; slot 25 rejoin device 2; slot 35 kill server 0; '
          'episode 0 slot 30 slow server 2 by 0.5 until episode 1 slot 11')
COLUMNS = ('episode, slot, device, tokens, split, server, local_s, transmit_s, edge_s, latency_s, interrupted_s, extra_bytes, '
           'extra_j, energy_j, cost, x_m, status')


def what(policy='edge-best-channel', *settings):
    extra = [flag for setting in settings for flag in ('--set', setting)]
    return ('-s', 'dapo-quick', '-n', DEVICES, '-m', SERVERS, '-e', EPISODES, '-t', SLOTS, '-p', policy, *extra)


def content(db):
    return (testbed.rows(db, f'SELECT {COLUMNS} FROM task ORDER BY episode, slot, device'),
            testbed.rows(db, 'SELECT episode, slot, phase, kind, role, number, detail FROM event ORDER BY event_id'))


def statuses(db):
    return dict(testbed.rows(db, 'SELECT status, count(*) FROM task GROUP BY status'))


def check_counts(db, slots=SLOTS):
    tap.equal(sum(statuses(db).values()), EPISODES * slots * DEVICES, 'tasks with a status')
    testbed.check_database(db)


class Run:
    def __init__(self, folder, *arguments):
        self.db = os.path.join(folder, 'run.db')
        self.orchestrator = testbed.start_orchestrator('--db', self.db, *arguments)
        self.port = self.orchestrator.port()
        self.nodes, self.taps = [], []

    def add(self, starter, *arguments, hook=None):
        port = self.port
        if hook is not None:
            self.taps.append(wiretap.Wiretap(port, hook))
            port = self.taps[-1].port
        self.nodes.append(starter(port, *arguments))
        return self.nodes[-1]

    def finish(self, expected=None):
        """`expected`: exit statuses of some nodes; the others end with 0."""
        tap.equal(self.orchestrator.wait(), 0, f'orchestrator: {self.orchestrator.text()}')
        for node in self.nodes:
            tap.equal(node.wait(), (expected or {}).get(node, 0), f'a node: {node.text()}')
        for line in self.taps:
            if line.error is not None:
                raise line.error


# ---- by the scenario ----

@tap.test
def scripted_and_drawn_faults_leave_the_same_rows_over_tcp_as_in_memory():
    for recovery, shares in (('local', [1] * DEVICES), ('reoffload', [1] * DEVICES), ('none', [3, 2])):
        with testbed.scratch() as folder:
            arguments = what('edge-best-channel', f'faults.script={SCRIPT}', f'faults.recovery={recovery}', 'chaos.rate=0.01')
            memory = os.path.join(folder, 'memory.db')
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', memory, *arguments)
            run = Run(folder, *arguments)
            for _ in range(SERVERS):
                run.add(testbed.start_server)
            for share in shares:
                run.add(testbed.start_device, '--count', str(share))
            tap.equal(run.orchestrator.wait(), 0, run.orchestrator.text())
            for node in run.nodes:  # a node that is killed for good in the last episode ends with 7
                tap.true(node.wait() in (0, 7), f'a node: {node.text()}')
            for here, there, name in zip(content(memory), content(run.db), ('tasks', 'events')):
                for one, other in zip(here, there):
                    tap.equal(other, one, f'{recovery}: {name}')
                tap.equal(len(there), len(here), f'{recovery}: {name}')
            check_counts(run.db)
            tap.equal(testbed.verify(run.db), EPISODES * SLOTS * DEVICES, 'tasks replayed')
            saved = statuses(run.db)
            tap.true({'local': 'recovered', 'reoffload': 'reoffloaded', 'none': 'server_lost'}[recovery] in saved, f'{saved}')


@tap.test
def a_node_killed_for_good_ends_with_status_7_and_one_that_comes_back_keeps_its_number():
    with testbed.scratch() as folder:
        arguments = what('local', 'faults.script=slot 3 kill device 1; slot 9 rejoin device 1; episode 1 slot 30 kill server 0')
        run = Run(folder, *arguments)
        seen = {}

        def hook_of(index):
            return lambda message: seen.setdefault(index, []).append(message) or True
        servers = [run.add(testbed.start_server, hook=hook_of('server')), *(run.add(testbed.start_server) for _ in range(2))]
        for _ in range(DEVICES):
            run.add(testbed.start_device)
        tap.equal(run.orchestrator.wait(), 0, run.orchestrator.text())
        ended = sorted(node.wait() for node in run.nodes)
        tap.equal(ended, [0] * (len(run.nodes) - 1) + [7], 'exit statuses')
        tap.true(any(node.wait() == 7 for node in servers), 'it was a server')
        lost = testbed.rows(run.db, "SELECT DISTINCT episode, device FROM task WHERE status = 'device_lost'")
        tap.equal(sorted(lost), [(0, 1), (1, 1)], 'lost devices')
        tap.equal(testbed.one(run.db, "SELECT count(*) FROM event WHERE kind = 'node_lost'"), 0, 'real losses')


# ---- real failures, in virtual time ----

def start_orphan(port, program=testbed.EDGE_SERVER, hook=None):
    """A node that outlives the thread that starts it, which is all that --die-with-parent knows of a parent."""
    port = wiretap.Wiretap(port, hook).port if hook is not None else port
    return testbed.Program([program, '--orchestrator', f'127.0.0.1:{port}'])


@tap.test
def a_server_that_is_killed_and_started_again_takes_part_again():
    with testbed.scratch() as folder:
        run = Run(folder, *what())
        joined, rounds, victim = threading.Event(), {'slots': 0}, [None]

        def on_slot(message):
            rounds['slots'] += message == wiretap.SLOT
            if message == wiretap.SLOT and rounds['slots'] == 10:
                victim[0].kill(signal.SIGKILL)
                victim[0].child.wait()
            if message == wiretap.SLOT and rounds['slots'] == 20:
                run.add(start_orphan, hook=lambda reply: joined.set() if reply == wiretap.READY else True)
                tap.true(joined.wait(testbed.DEADLINE_S), 'the new one is ready')
            return True
        victim[0] = run.add(testbed.start_server)
        for _ in range(SERVERS - 1):
            run.add(testbed.start_server)
        run.add(testbed.start_device, hook=on_slot)
        for _ in range(DEVICES - 1):
            run.add(testbed.start_device)
        run.finish({victim[0]: 137})
        check_counts(run.db)
        events = testbed.rows(run.db, "SELECT kind, role, number FROM event WHERE kind IN ('node_lost', 'rejoin')")
        (kinds, roles, numbers) = zip(*events)
        tap.equal((kinds, roles), (('node_lost', 'rejoin'), ('server', 'server')), 'events')
        tap.equal(numbers[0], numbers[1], 'it has the number of the one that died')
        back = testbed.one(run.db, "SELECT slot FROM event WHERE kind = 'rejoin'")
        again = testbed.one(run.db, 'SELECT count(*) FROM task WHERE server = ? AND slot > ? AND edge_s IS NOT NULL', numbers[0], back)
        tap.true(again > 0, 'it serves tasks')
        _, errors = testbed.orchestrator('replay', '--verify', '--over', 'tcp', '-q', '--db', run.db, status=2)
        tap.contains(errors, 'lost nodes by real failures', 'in memory')
        tap.equal(testbed.verify(run.db), EPISODES * SLOTS * DEVICES, 'tasks replayed')


def kill_at(victim, wanted, here):
    """A hook that kills the victim with the `wanted`-th ALLOT, which it never gets: its tasks are under way. `here` is set
    when the victim has its number."""
    seen = {'allots': 0}

    def hook(message):
        if message == wiretap.WELCOME:
            here.set()
        seen['allots'] += message == wiretap.ALLOT
        if message == wiretap.ALLOT and seen['allots'] == wanted:
            victim[0].kill(signal.SIGKILL)
            victim[0].child.wait()
            return False
        return True
    return hook


@tap.test
def every_task_has_a_status_when_three_of_ten_servers_are_killed_in_mid_run():
    """As tests/sim does in memory for 20 seeds: here they are processes, and nobody has told the orchestrator."""
    for seed, recovery, status in ((1, 'local', 'recovered'), (2, 'reoffload', 'reoffloaded'), (3, 'none', 'server_lost')):
        with testbed.scratch() as folder:
            run = Run(folder, '-s', 'dapo', '-n', 10, '-m', 10, '-e', 1, '-t', SLOTS, '-p', 'edge-best-channel', '--seed', seed,
                      '--set', f'faults.recovery={recovery}')
            victims = {}
            for i in range(3):
                victim, here = [None], threading.Event()
                victim[0] = run.add(testbed.start_server, hook=kill_at(victim, SLOTS // 2 + i, here))
                victims[victim[0]] = 137
                tap.true(here.wait(testbed.DEADLINE_S), f'it is server {i}: those have tasks then')
            for _ in range(7):
                run.add(testbed.start_server)
            for _ in range(2):
                run.add(testbed.start_device, '--count', '5')
            run.finish(victims)
            counts = statuses(run.db)
            tap.equal(sum(counts.values()), SLOTS * 10, f'tasks with a status: {counts}')
            allowed = {'done', status} | ({'recovered'} if recovery == 'reoffload' else set())
            tap.true(set(counts) <= allowed and status in counts, f'{recovery}: {counts}')
            tap.equal(testbed.one(run.db, "SELECT count(*) FROM event WHERE kind = 'node_lost' AND role = 'server'"), 3, 'losses')
            tap.equal(testbed.verify(run.db), SLOTS * 10, 'tasks replayed')


def freeze(role, moment):
    """Freezes a node as the 10th `moment` is about to reach it; it is given up, alone; it thaws, comes back, takes part.

    It joins behind the servers, so that what its loss leads to is told to them while others are still being judged."""
    with testbed.scratch() as folder:
        run = Run(folder, '--stall-s', 1, *what())
        servers_here, refused, back = threading.Event(), threading.Event(), threading.Event()
        count, frozen = {'moments': 0, 'servers': 0, 'ready': 0}, [None]
        others = SERVERS - (role == 'server')

        def on_server(message):
            count['servers'] += message == wiretap.WELCOME
            if count['servers'] == others:
                servers_here.set()
            return True

        def on_frozen(message):
            count['moments'] += message == moment
            if message == wiretap.HELLO:
                tap.true(servers_here.wait(testbed.DEADLINE_S), 'the servers have joined')
            if message == moment and count['moments'] == 10:
                frozen[0].freeze()
            elif message == wiretap.REFUSE and not refused.is_set():
                refused.set()
                frozen[0].kill(signal.SIGCONT)
            elif message == wiretap.READY:
                count['ready'] += 1
            elif message in (wiretap.SLOT, wiretap.ALLOT) and count['ready'] == 2:
                back.set()
            return True

        def on_slot(message):
            if message == wiretap.SLOT and refused.is_set():  # the run has gone on without it
                back.wait(MOMENT_S)  # or the run would be over before it is back
            return True
        for _ in range(others):
            run.add(testbed.start_server, hook=on_server)
        frozen[0] = run.add(testbed.start_server if role == 'server' else testbed.start_device, hook=on_frozen)
        run.add(testbed.start_device, hook=on_slot)
        for _ in range(DEVICES - 1 - (role == 'device')):
            run.add(testbed.start_device)
        run.finish()
        check_counts(run.db)
        events = testbed.rows(run.db, "SELECT kind, role, detail FROM event WHERE kind IN ('node_lost', 'rejoin')")
        tap.equal([event[:2] for event in events], [('node_lost', role), ('rejoin', role)], f'events {events}')
        tap.equal(events[0][2], 'does not answer', 'why')
        tap.equal(testbed.verify(run.db), EPISODES * SLOTS * DEVICES, 'tasks replayed')


@tap.test
def a_frozen_server_is_given_up_alone_and_comes_back_when_it_thaws():
    freeze('server', wiretap.ALLOT)


@tap.test
def a_device_frozen_before_it_observes_is_given_up_alone_and_comes_back_when_it_thaws():
    freeze('device', wiretap.SLOT)


@tap.test
def a_device_frozen_with_its_decision_is_given_up_alone_and_comes_back_when_it_thaws():
    freeze('device', wiretap.DECISION)


@tap.test
def a_thawed_node_takes_its_place_back_and_the_process_that_has_taken_it_ends_with_status_4():
    with testbed.scratch() as folder:
        run = Run(folder, '--stall-s', 1, *what('local'))
        refused, taken, back = threading.Event(), threading.Event(), threading.Event()
        seen, frozen, other = {'slots': 0, 'others': 0}, [None], [None]

        def on_frozen(message):
            seen['slots'] += message == wiretap.SLOT
            if message == wiretap.SLOT and seen['slots'] == 10:
                frozen[0].freeze()
            elif message == wiretap.REFUSE:
                refused.set()
            elif message == wiretap.SLOT and taken.is_set():
                back.set()
            return True

        def on_other(message):
            if message == wiretap.SLOT and not taken.is_set():
                taken.set()
                frozen[0].kill(signal.SIGCONT)
            return True

        def on_slot(message):
            if message == wiretap.SLOT and refused.is_set():
                if other[0] is None:
                    other[0] = start_orphan(run.port, testbed.MOBILE_NODE, on_other)
                (back if taken.is_set() else taken).wait(MOMENT_S)
            return True
        frozen[0] = run.add(testbed.start_device, hook=on_frozen)
        run.add(testbed.start_device, hook=on_slot)
        for starter in [testbed.start_server] * SERVERS + [testbed.start_device] * (DEVICES - 2):
            run.add(starter)
        run.finish()
        tap.equal(other[0].wait(), 4, f'the other: {other[0].text()}')
        tap.contains(other[0].text(), 'another connection plays this node now')
        check_counts(run.db)
        events = [kind for kind, in testbed.rows(run.db, "SELECT kind FROM event WHERE kind IN ('node_lost', 'rejoin')")]
        tap.equal(events, ['node_lost', 'rejoin'] * 2, 'events')


@tap.test
def a_fresh_process_takes_the_place_of_one_that_died_before_that_of_one_that_the_scenario_has_killed():
    with testbed.scratch() as folder:
        run = Run(folder, *what('local', 'faults.script=episode 0 slot 5 kill device 0; episode 0 slot 30 rejoin device 0'))
        here, welcome = threading.Event(), threading.Event()
        seen, victim, fresh = {'hellos': 0, 'slots': 0}, [None], [None]

        def on_killed(message):
            seen['hellos'] += message == wiretap.HELLO
            if message == wiretap.WELCOME:
                here.set()
            if message == wiretap.HELLO and seen['hellos'] == 2:
                tap.true(welcome.wait(testbed.DEADLINE_S), 'the fresh one comes first')
            return True

        def on_slot(message):
            seen['slots'] += message == wiretap.SLOT
            if message == wiretap.SLOT and seen['slots'] == 10:
                victim[0].kill(signal.SIGKILL)
                victim[0].child.wait()
                fresh[0] = start_orphan(run.port, testbed.MOBILE_NODE,
                                        lambda reply: welcome.set() if reply == wiretap.WELCOME else True)
            return True
        run.add(testbed.start_device, hook=on_killed)
        tap.true(here.wait(testbed.DEADLINE_S), 'it is device 0')
        victim[0] = run.add(testbed.start_device)
        run.add(testbed.start_device, hook=on_slot)
        for starter in [testbed.start_server] * SERVERS + [testbed.start_device] * (DEVICES - 3):
            run.add(starter)
        run.finish({victim[0]: 137})
        tap.equal(fresh[0].wait(), 0, f'the fresh one: {fresh[0].text()}')
        check_counts(run.db)


# ---- in real time ----

def silence_ms():
    """For how long a frozen server was silent before it was lost, seen at its connection; it thaws and comes back."""
    with testbed.scratch() as folder:
        settings = ('run.clock=real', 'run.time_scale=2', 'radio.bandwidth_mhz=5')
        run = Run(folder, '-s', 'dapo-quick', '-n', 2, '-m', 2, '-e', 1, '-t', 8, '-p', 'edge-nearest',
                  *(flag for setting in settings for flag in ('--set', setting)))
        times, count, frozen = {}, {'allots': 0}, [None]

        def hook(message):
            now = time.monotonic()
            count['allots'] += message == wiretap.ALLOT
            if message == wiretap.ALLOT and count['allots'] == 3:
                frozen[0].kill(signal.SIGSTOP)
            elif message == wiretap.REFUSE and 'refused' not in times:
                times['refused'] = now
                frozen[0].kill(signal.SIGCONT)
            elif message in (wiretap.BEAT, wiretap.ADVANCED) and 'refused' not in times:
                times['heard'] = now
            return True
        frozen[0] = run.add(testbed.start_server, hook=hook)
        run.add(testbed.start_server)
        for _ in range(2):
            run.add(testbed.start_device)
        run.finish()
        events = testbed.rows(run.db, "SELECT kind, role FROM event WHERE kind IN ('node_lost', 'rejoin') AND number >= 0")
        tap.equal(events[:1], [('node_lost', 'server')], 'events')
        tap.true(('rejoin', 'server') in events, 'it has come back')
        tap.equal(sum(statuses(run.db).values()), 8 * 2, 'tasks with a status')
        return 1000 * (times['refused'] - times['heard'])


@tap.test
@testbed.real_time
def in_real_time_a_frozen_node_is_lost_within_200_ms_of_silence():
    silent_ms = silence_ms()
    print(f'# lost after {silent_ms:.0f} ms of silence', flush=True)
    tap.true(100 < silent_ms <= 200, f'lost after {silent_ms:.0f} ms of silence')


def verify_in_real_time(db, tasks):
    """All that both clocks have in common is identical; what was lost is told apart."""
    (result,) = json.loads(testbed.orchestrator('replay', '--verify', '--json', '-q', '--db', db)[0])
    ended = statuses(db)
    touched = sum(ended.values()) - ended['done']
    tap.true(touched > 0, f'tasks were touched: {ended}')
    tap.equal((result['clock'], result['tasks'], result['identical'], result['touched_by_losses']), ('real', tasks, tasks, touched),
              'tasks')
    tap.equal({row['tasks'] for row in result['measured_minus_modelled']}, {ended['done']}, 'tasks compared with the model')
    output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db)
    tap.contains(output, f'{touched} tasks were touched by lost nodes', 'alone were checked')


REAL = [flag for setting in ('run.clock=real', 'run.time_scale=4', 'radio.bandwidth_mhz=5') for flag in ('--set', setting)]


@tap.test
def in_real_time_a_run_begins_although_one_node_is_ready_long_after_the_others():
    with testbed.scratch() as folder:
        run = Run(folder, '-s', 'dapo-quick', '-n', 2, '-m', 1, '-e', 1, '-t', 2, '-p', 'local', *REAL)
        beats, enough = {'count': 0}, threading.Event()

        def early(message):
            beats['count'] += message == wiretap.BEAT
            if beats['count'] == 3:
                enough.set()
            return True

        def late(message):
            if message == wiretap.READY:
                tap.true(enough.wait(testbed.DEADLINE_S), 'another is ready, and says that it is there')
            return True
        run.add(testbed.start_server)
        run.add(testbed.start_device, hook=early)
        run.add(testbed.start_device, hook=late)
        run.finish()
        tap.equal(statuses(run.db), {'done': 4}, 'tasks')


@tap.test
@testbed.real_time
def in_real_time_the_scenario_breaks_the_same_things_at_the_same_places():
    for recovery, status in (('local', 'recovered'), ('reoffload', 'reoffloaded')):
        with testbed.scratch() as folder:
            arguments = ('-s', 'dapo-quick', '-n', 3, '-m', 3, '-e', 1, '-t', 8, '-p', 'edge-best-channel', *REAL,
                         '--set', f'faults.recovery={recovery}', '--set',
                         'faults.script=slot 2 kill server 0; slot 2 kill server 2; slot 4 rejoin server 0; '
                         'slot 4 rejoin server 2; slot 5 kill server 1; slot 5 pause device 1 for 2')
            memory = os.path.join(folder, 'memory.db')
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', memory,
                                 *(flag if flag != 'run.clock=real' else 'run.clock=virtual' for flag in arguments))
            run = Run(folder, *arguments)
            for starter in [testbed.start_server] * 3 + [testbed.start_device] * 3:
                run.add(starter)
            tap.equal(run.orchestrator.wait(), 0, run.orchestrator.text())
            ended = sorted(node.wait() for node in run.nodes)
            tap.equal(ended, [0] * 5 + [7], f'exit statuses: {run.orchestrator.text()}')
            query = 'SELECT slot, device, split, server, status FROM task ORDER BY slot, device'
            tap.equal(testbed.rows(run.db, query), testbed.rows(memory, query), 'decisions and statuses')
            tap.equal(content(run.db)[1], content(memory)[1], 'events')
            tap.true(status in statuses(run.db), f'{statuses(run.db)}')
            verify_in_real_time(run.db, 8 * 3)
            pairs = zip(*(testbed.rows(db, "SELECT latency_s, interrupted_s FROM task WHERE status LIKE 're%' ORDER BY slot, device")
                          for db in (memory, run.db)))
            for (model_s, model_gap_s), (real_s, gap_s) in pairs:
                tap.true(abs(real_s / model_s - 1) < 0.15, f'latency {real_s} s, by the model {model_s} s')
                tap.true(abs(gap_s - model_gap_s) < 0.1, f'interrupted for {gap_s} s, by the model {model_gap_s} s')


@tap.test
@testbed.real_time
def in_real_time_tasks_of_a_killed_server_go_on_at_their_devices():
    with testbed.scratch() as folder:
        run = Run(folder, '-s', 'dapo-quick', '-n', 3, '-m', 1, '-e', 1, '-t', 6, '-p', 'edge-nearest', *REAL)
        seen, victim = {'allots': 0}, [None]

        def hook(message):
            seen['allots'] += message == wiretap.ALLOT
            if message == wiretap.ALLOT and seen['allots'] == 3:
                victim[0].kill(signal.SIGKILL)
                victim[0].child.wait()
            return True
        victim[0] = run.add(testbed.start_server, hook=hook)
        for _ in range(3):
            run.add(testbed.start_device)
        run.finish({victim[0]: 137})
        saved = testbed.rows(run.db, 'SELECT slot, server, status FROM task WHERE server IS NOT NULL AND slot >= 2')
        tap.true(saved != [], 'tasks were on their way to it')
        tap.equal({(slot, status) for slot, _, status in saved}, {(2, 'recovered')}, 'how they ended')
        tap.equal(sum(statuses(run.db).values()), 6 * 3, 'tasks with a status')
        verify_in_real_time(run.db, 6 * 3)


# ---- launch ----

@tap.test
def launch_tells_a_scripted_death_from_another():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        output, errors = testbed.call(*testbed.launch('-s', 'dapo-quick', '-p', 'greedy', '-e', 1, '-t', 20, '--json', '-q',
                                                      '-d', db, '--set', 'faults.script=slot 4 kill server 0; slot 5 kill device 2'))
        tap.equal(json.loads(output)[0]['tasks'], 20 * 10, 'tasks')
        tap.true('ended with status' not in errors, errors)
        tap.contains(errors, 'server 0', 'slot 4', 'killed by the scenario')


tap.main()
