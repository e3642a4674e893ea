"""Minutes of chaos, after which memory, file descriptors and processes are what they were after a warm-up.

The scenario kills, pauses, slows and cuts nodes (chaos.rate); besides, real processes are killed with SIGKILL and started
anew, or frozen for longer than they may be silent. The orchestrator, one edge server and one mobile node are spared the
latter: theirs is the memory that is followed. Every SAMPLE_S their private memory and open descriptors are read, and all
processes are counted; a straight line is fitted to what came after the warm-up. Its rise over the time measured is what is
asserted, and printed. The orchestrator may keep besides what its database has grown by, up to the 8 MiB
of pages that SQLite caches (db/db.c): in virtual time they are full when the warm-up ends, in real time they never are. With SOAK_S in the environment each soak lasts that many seconds instead of its own time."""
import os
import random
import signal
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

WARM_UP = 1 / 3        # of the time
SAMPLE_S, STRIKE_S = 1.0, 1.5
FROZEN_S = 1.0
MEMORY_RISE_KIB = 256  # over the time measured; a leak of 64 bytes a slot, or of 2 KiB a reconnection, would be more
FILES_RISE = 2.0
CACHE_KIB = 8192


def private_kib(pid):
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith('Private_'))


def open_files(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def cached_kib(db):
    """Pages of a database, as far as they are kept."""
    return min(CACHE_KIB, testbed.one(db, 'PRAGMA page_count') * testbed.one(db, 'PRAGMA page_size') / 1024)


def rise(samples):
    """Of the line whose slope is the median of all slopes between two samples (Theil-Sen): one batch that was being written
    when a sample was taken does not tilt it."""
    slopes = [(v - u) / (t - s) for i, (s, u) in enumerate(samples) for t, v in samples[i + 1:]]
    return statistics.median(slopes) * (samples[-1][0] - samples[0][0])


class Soak:
    def __init__(self, folder, devices, servers, seconds, stall_s, *arguments):
        self.seconds = float(os.environ.get('SOAK_S', seconds))
        self.draw = random.Random(1)
        self.db = os.path.join(folder, 'soak.db')
        self.orchestrator = testbed.start_orchestrator('--db', self.db, '-n', devices, '-m', servers, '--stall-s', stall_s, *arguments)
        self.port = self.orchestrator.port()
        starters = [testbed.start_server] * servers + [testbed.start_device] * devices
        self.nodes = [[starter, starter(self.port)] for starter in starters]
        self.spared = {'orchestrator': self.orchestrator, 'edge server': self.nodes[0][1], 'mobile node': self.nodes[servers][1]}
        self.samples = {name: [] for name in self.spared}
        self.cached = []
        self.counts = {'killed': 0, 'frozen': 0, 'ended': 0}

    def renew(self, node):
        """Starts a process that has ended anew, and keeps nothing of it."""
        node[1].wait()
        node[1].child.stdout.close()
        node[1].child.stderr.close()
        testbed.forget(node[1])
        node[1] = node[0](self.port)

    def renew_the_ended(self):
        for node in self.nodes:
            if node[1].child.poll() is not None:
                tap.true(node[1] not in self.spared.values(), f'one that was spared has ended: {node[1].text()}')
                self.counts['ended'] += 1  # two claimed one place: the older one went
                self.renew(node)

    def strike(self):
        node = self.draw.choice([node for node in self.nodes if node[1] not in self.spared.values()])
        if self.draw.random() < 0.7:
            self.counts['killed'] += 1
            node[1].kill(signal.SIGKILL)
            self.renew(node)
        else:
            self.counts['frozen'] += 1
            node[1].kill(signal.SIGSTOP)
            threading.Timer(FROZEN_S, node[1].kill, [signal.SIGCONT]).start()

    def sample(self, now_s):
        for name, program in self.spared.items():
            self.samples[name].append((now_s, private_kib(program.pid), open_files(program.pid)))
        self.cached.append(cached_kib(self.db))
        tap.equal(len(testbed.children(os.getpid())), 1 + len(self.nodes), 'processes')
        tap.equal(testbed.children(self.orchestrator.pid), [], 'children of the orchestrator')

    def run(self):
        begin_s = time.monotonic()
        next_strike_s, now_s = STRIKE_S, 0.0
        tick = threading.Event()
        while now_s < self.seconds:
            tick.wait(SAMPLE_S)  # this is what a soak is: letting time pass
            now_s = time.monotonic() - begin_s
            tap.true(self.orchestrator.child.poll() is None, f'it runs: {self.orchestrator.text()}')
            self.renew_the_ended()
            if now_s >= self.seconds * WARM_UP:
                self.sample(now_s)
            if now_s >= next_strike_s:
                self.strike()
                next_strike_s += STRIKE_S
        tick.wait(2 * FROZEN_S)  # the last one thaws
        self.orchestrator.kill(signal.SIGINT)
        tap.equal(self.orchestrator.wait(), 130, f'orchestrator: {self.orchestrator.text()}')
        for node in self.nodes:
            tap.true(node[1].wait() in (0, 3, 4, 7), f'a node: {node[1].text()}')
        tap.equal(testbed.children(os.getpid()), [], 'processes left')

    def judge(self, copies=1.0, buffers_kib=0):
        """`copies`: what the orchestrator keeps for each page of a growing database, until its cache is full; measured where tasks
        are recorded. `buffers_kib`: what a node that computes has at hand in one sample and not in the next."""
        testbed.check_database(self.db)
        slots, failures = testbed.one(self.db, 'SELECT sum(slots), sum(failures) FROM episode')
        kinds = dict(testbed.rows(self.db, 'SELECT kind, count(*) FROM event GROUP BY kind'))
        print(f'# {self.seconds:.0f} s, {slots} slots, {failures} tasks lost; {self.counts}; events {kinds}', flush=True)
        too_much = []
        cache = self.cached[-1] - self.cached[0]
        print(f'# the database has grown by {cache:.0f} KiB that are kept', flush=True)
        for name, samples in self.samples.items():
            memory, files = [(t, kib) for t, kib, _ in samples], [(t, count) for t, _, count in samples]
            kib, count = rise(memory), rise(files)
            print(f'# {name}: private memory {memory[0][1]} to {memory[-1][1]} KiB, between {min(m for _, m in memory)} and '
                  f'{max(m for _, m in memory)}, fitted rise {kib:+.1f} KiB; open files '
                  f'{files[0][1]} to {files[-1][1]}, at most {max(files, key=lambda f: f[1])[1]}, fitted rise {count:+.2f}', flush=True)
            allowed = MEMORY_RISE_KIB + (copies * cache if name == 'orchestrator' else buffers_kib)
            if kib > allowed or count > FILES_RISE:
                too_much.append(name)
        tap.equal(too_much, [], 'who keeps more and more')
        tap.true(kinds['node_lost'] > 0 and kinds['rejoin'] > 0 and kinds['fault'] > 0, f'{kinds}')


@tap.test
def an_hour_of_scaled_real_time_with_chaos_leaves_nothing_behind():
    scale, hour_s = 25, 3600
    with testbed.scratch() as folder:
        soak = Soak(folder, 6, 3, hour_s / scale / (1 - WARM_UP), 3, '-s', 'dapo', '-p', 'edge-best-channel', '-e', 10000, '-t', 50, '--record', 'episodes',
                    *(flag for setting in ('run.clock=real', f'run.time_scale={scale}', 'radio.bandwidth_mhz=0.5', 'chaos.rate=0.01',
                                           'faults.recovery=reoffload') for flag in ('--set', setting)))
        soak.run()
        soak.judge()


@tap.test
def an_hour_of_real_layers_with_faults_and_handovers_accounts_for_every_task():
    scale, hour_s = 3, 3600  # the house's nodes are declared so slow that most machines compute three times as fast
    model = os.path.join(testbed.SOURCE_ROOT, 'deploy', 'models', 'house')
    settings = (f'run.time_scale={scale}', 'run.mode=queue', f'model.file={model}', f'compute.text={model}/evaluation/sotu.txt', 'task.probability=0.2',
                'radio.bandwidth_mhz=0.01', 'servers.coverage_m=350', 'mobility.speed_mean=40', 'mobility.speed_max=60', 'handover.policy=resume',
                'chaos.rate=0.005', 'faults.recovery=reoffload')
    with testbed.scratch() as folder:
        soak = Soak(folder, 6, 3, hour_s / scale, 3, '-s', 'house', '-p', 'edge-best-channel', '-e', 10000, '-t', 50,
                    *(flag for setting in settings for flag in ('--set', setting)))
        soak.run()
        account(soak.db)
        soak.judge(copies=2.5, buffers_kib=1024)


def account(db):
    """Every task has ended in one way, what ended well has its answer, and each answer is that of one process."""
    ways = dict(testbed.rows(db, 'SELECT status, count(*) FROM task GROUP BY status'))
    moved, handovers = testbed.one(db, 'SELECT count(*) FROM task WHERE handovers > 0'), testbed.one(
        db, "SELECT count(*) FROM event WHERE kind = 'handover'")
    print(f'# tasks {ways}; {handovers} handovers, {moved} tasks moved', flush=True)
    tap.true(handovers > 0 and moved > 0 and ways.get('reoffloaded', 0) > 0, f'{ways}, {handovers} handovers')
    ended = testbed.one(db, 'SELECT count(*) FROM task WHERE latency_s IS NOT NULL')
    answered = testbed.one(db, 'SELECT count(*) FROM task JOIN answer USING (run_id, episode, slot, device) '
                               'WHERE latency_s IS NOT NULL AND length(answer) = 4')
    tap.equal((answered, testbed.one(db, 'SELECT count(*) FROM answer')), (ended, ended), 'answers of tasks that ended')
    output, _ = testbed.orchestrator('replay', '--verify', '--run', 1, '--db', db, '-q')
    tap.contains(output, f'{ended} of {ended} answers identical')


@tap.test
def minutes_of_virtual_time_with_chaos_leave_nothing_behind():
    with testbed.scratch() as folder:
        soak = Soak(folder, 8, 3, 180, 1, '-s', 'dapo', '-p', 'greedy', '-e', 100000, '-t', 100, '--set', 'chaos.rate=0.005')
        soak.run()
        soak.judge()


tap.main()
