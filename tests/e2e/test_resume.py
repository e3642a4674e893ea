"""The orchestrator is killed at any moment: the database opens, and `run --resume` makes of it the run that nobody killed,
bit for bit."""
import glob
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed
import wiretap

CHAOS = ('--set', 'chaos.rate=0.02', '--set', 'faults.recovery=reoffload')
# Warm in the second episode, and the buffer wraps in the fourth.
LEARNER = ('--set', 'ddpg.warmup=90', '--set', 'ddpg.buffer=200', '--set', 'ddpg.batch=16', '--set', 'ddpg.hidden_1=64', '--set',
           'ddpg.hidden_2=32')
TABLES = {
    'task': '*', 'event': '*', 'node': 'run_id, role, number, flops, power_w, max_split, requests',
    'checkpoint': 'run_id, episode, weights, validation_cost',
    'experience': 'run_id, episode, first_transition, transition_count, transitions',
    'episode': 'run_id, episode, slots, mean_latency_s, p50_latency_s, p95_latency_s, p99_latency_s, mean_energy_j, mean_cost, '
               'episode_return, optimum_cost, tasks, deadline_misses, failures, repairs',
}


def what(episodes, slots, devices, servers, *extra):
    return ('-s', 'dapo-quick', '-n', devices, '-m', servers, '-e', episodes, '-t', slots, *LEARNER, *extra)


def content(db):
    return {table: testbed.rows(db, f'SELECT {columns} FROM {table} ORDER BY 1, 2, 3') for table, columns in TABLES.items()}


def expect_same(db, whole):
    """All rows of an uninterrupted run, and nothing more."""
    testbed.check_database(db)
    resumed = content(db)
    for table, rows in whole.items():
        tap.equal(len(resumed[table]), len(rows), f'rows of {table}')
        for was, now in zip(rows, resumed[table]):
            if was != now:
                raise AssertionError(f'{table}: uninterrupted {str(was)[:300]}, resumed {str(now)[:300]}')
    tap.equal(testbed.one(db, 'SELECT status FROM run'), 'finished', 'status')


def count(db, table='task'):
    """Rows so far; 0 before there is a table."""
    try:
        return testbed.one(db, f'SELECT count(*) FROM {table}')
    except sqlite3.OperationalError:
        return 0


def log_bytes(db):
    try:
        return os.stat(db + '-wal').st_size
    except OSError:
        return 0


def start_in_memory(db, *arguments, file_bytes=resource.RLIM_INFINITY):
    """No file of it grows beyond file_bytes: like a full disk, at a moment that no load of the machine can move."""
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    return subprocess.Popen([testbed.ORCHESTRATOR, 'run', '-q', '--db', db, *(str(a) for a in arguments)], preexec_fn=limit,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_when(child, happened, number=signal.SIGKILL):
    """The signal as soon as it has happened; None: the run was over before. Else how it ended."""
    while not happened():
        if child.poll() is not None:
            return None
    child.send_signal(number)
    return child.wait()


TRIES = 10


def start_and_kill(db, arguments, happened, number=signal.SIGKILL):
    """On a busy machine a run may be over before it is looked at: then it is begun anew. Returns how it ended."""
    for _ in range(TRIES):
        for path in glob.glob(glob.escape(db) + '*'):
            os.remove(path)
        status = kill_when(start_in_memory(db, *arguments), happened, number)
        if status not in (None, 0):
            return status
    return 0


def resume(db, *arguments, status=0):
    return testbed.orchestrator('run', '--resume', '-q', '--db', db, *arguments, status=status)


# ---- in memory ----

def kill_everywhere(arguments, moments):
    """moments: functions that take a database's path and the arguments and play a run until its moment, each on a run of its own.
    They return how it ended."""
    killed, kept = 0, set()
    with testbed.scratch() as folder:
        whole_db = os.path.join(folder, 'whole.db')
        testbed.orchestrator('run', '-q', '--db', whole_db, *arguments)
        whole = content(whole_db)
        for number, moment in enumerate(moments):
            db = os.path.join(folder, f'{number}.db')
            killed += moment(db, arguments) != 0
            if os.path.exists(db) and count(db, 'run') == 1:
                kept.add(count(db, 'episode'))
                resume(db)
                expect_same(db, whole)
    return killed, kept


def after_rows(number):
    return lambda db, arguments: start_and_kill(db, arguments, lambda: count(db) >= number)


def after_log_bytes(number):
    return lambda db, arguments: start_and_kill(db, arguments, lambda: log_bytes(db) >= number)


def at_file_bytes(number):
    return lambda db, arguments: start_in_memory(db, *arguments, file_bytes=number).wait()


@tap.test
def a_learner_killed_in_memory_at_many_moments_is_resumed_bit_for_bit():
    arguments = ('--over', 'memory', *what(8, 60, 4, 2))
    killed, kept = kill_everywhere(arguments, [after_rows(60 * 4 * k // 2 + 1) for k in range(13)])
    print(f'# killed {killed} of 13, with {sorted(kept)} episodes recorded')
    tap.true(killed == 13 and len(kept) >= 2, f'{killed} were killed, after {kept} episodes')


@tap.test
def a_learner_killed_while_the_log_is_being_written_is_resumed_bit_for_bit():
    arguments = ('--over', 'memory', *what(8, 60, 4, 2, *CHAOS))
    killed, kept = kill_everywhere(arguments, [after_log_bytes(40000 + 160001 * k) for k in range(12)])
    print(f'# killed {killed} of 12, with {sorted(kept)} episodes recorded')
    tap.true(killed >= 8 and len(kept) >= 2, f'{killed} were killed, after {kept} episodes')


@tap.test
def a_learner_whose_disk_is_full_at_many_bytes_is_resumed_bit_for_bit():
    arguments = ('--over', 'memory', *what(8, 60, 4, 2, *CHAOS))
    ended, kept = kill_everywhere(arguments, [at_file_bytes(40000 + 320001 * k) for k in range(6)])
    print(f'# ended {ended} of 6, with {sorted(kept)} episodes recorded')
    tap.true(ended == 6 and len(kept) >= 3, f'{ended} ended early, after {kept} episodes')


@tap.test
def one_that_is_killed_again_and_again_comes_to_its_end():
    arguments = what(10, 50, 4, 2, '--set', 'run.checkpoint_every=2', *CHAOS)
    with testbed.scratch() as folder:
        whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', whole_db, *arguments)
        start_and_kill(db, ('--over', 'memory', *arguments), lambda: count(db, 'episode') >= 1)
        kills = 1
        for _ in range(8):
            before = count(db, 'episode')
            kills += kill_when(start_in_memory(db, '--resume'), lambda: count(db, 'episode') > before) == -signal.SIGKILL
        resume(db)
        print(f'# killed {kills} times')
        tap.true(kills >= 3, f'killed {kills} times')
        expect_same(db, content(whole_db))
        resumed = json.loads(testbed.one(db, 'SELECT config_json FROM run'))['resumed']
        tap.true(all((entry['after_episode'] + 1) % 2 == 0 for entry in resumed), f'it went on at checkpoints: {resumed}')


@tap.test
def a_policy_that_does_not_learn_goes_on_after_its_last_whole_episode():
    for policy in ('greedy', 'random'):
        arguments = ('--over', 'memory', *what(12, 100, 5, 3, '-p', policy, *CHAOS))
        killed, kept = kill_everywhere(arguments, [after_rows(500 * k + 1) for k in (1, 4, 8)])
        print(f'# {policy}: killed {killed} of 3, with {sorted(kept)} episodes recorded')


@tap.test
def in_queueing_mode_too_what_waited_when_it_was_killed_is_played_again():
    queue = ('--set', 'run.mode=queue', '--set', 'task.probability=0.7', '--set', 'run.slot_s=0.5', '--set', 'radio.bandwidth_mhz=5',
             '--set', 'handover.policy=resume')
    for policy, rows in (('dapo', 170), ('random', 850)):
        arguments = ('--over', 'memory', *what(8, 60, 4, 2, '-p', policy, *queue, *CHAOS))
        killed, kept = kill_everywhere(arguments, [after_rows(rows * k // 2 + 1) for k in range(8)])
        print(f'# {policy}: killed {killed} of 8, with {sorted(kept)} episodes recorded')
        tap.true(killed >= 1, f'{policy}: {killed} were killed')


@tap.test
def one_that_was_interrupted_goes_on_as_if_it_had_not_been():
    for every in (1, 3):
        arguments = ('--over', 'memory', *what(40, 60, 4, 2, '--set', f'run.checkpoint_every={every}'))  # not over when the signal comes
        with testbed.scratch() as folder:
            whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
            testbed.orchestrator('run', '-q', '--db', whole_db, *arguments)
            tap.equal(start_and_kill(db, arguments, lambda: count(db, 'episode') >= 3, signal.SIGTERM), 130, 'exit status')
            tap.equal(testbed.one(db, 'SELECT status FROM run'), 'aborted', 'status')
            resume(db)
            expect_same(db, content(whole_db))


# ---- more episodes, and another run's weights ----

HEAD_BYTES = 200  # of a checkpoint, and more: sizes
LEARNERS = ('dapo', 'td3', 'dqn', 'ppo')
SMALL = ('--set', 'ppo.rollout=60', '--set', 'ppo.batch=20', '--set', 'ppo.epochs=2')


@tap.test
def a_finished_run_that_is_given_more_episodes_becomes_the_run_that_had_them_from_the_beginning():
    for policy in (*LEARNERS, 'greedy'):
        with testbed.scratch() as folder:
            whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
            for path, episodes in ((whole_db, 5), (db, 2)):
                testbed.orchestrator('run', '-q', '--over', 'memory', '--db', path, *what(episodes, 60, 4, 2, '-p', policy, *SMALL))
            output, _ = resume(db)
            tap.contains(output, 'run 1 is finished', '--episodes E')
            resume(db, '--episodes', 5)
            expect_same(db, content(whole_db))
            config = json.loads(testbed.one(db, 'SELECT config_json FROM run'))
            tap.equal((config['episodes'], [entry['after_episode'] for entry in config['resumed']]), (5, [1]), 'configuration')
            _, errors = resume(db, '--episodes', 4, status=2)
            tap.contains(errors, 'run 1 has 5 already')
            testbed.orchestrator('replay', '--verify', '-q', '--db', db)


@tap.test
def one_that_was_killed_on_the_way_to_its_further_episodes_goes_on_with_them():
    with testbed.scratch() as folder:
        whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
        for path, episodes in ((whole_db, 30), (db, 2)):
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', path, *what(episodes, 60, 4, 2))
        status = kill_when(start_in_memory(db, '--resume=1', '--episodes', '30'), lambda: count(db, 'episode') >= 4)
        if status == -signal.SIGKILL:  # else the machine was fast, and the run is over
            tap.equal(testbed.one(db, 'SELECT status FROM run'), 'running', 'status')
            resume(db)
        expect_same(db, content(whole_db))


@tap.test
def a_new_run_begins_with_the_weights_of_another():
    idle = ('--set', 'ddpg.warmup=200', '--set', 'ppo.rollout=1000')  # no update: its weights are what it began with
    for policy in (*LEARNERS, 'dapo-plus'):
        with testbed.scratch() as folder:
            db = os.path.join(folder, 'x.db')
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *what(3, 60, 4, 2, '-p', policy, *SMALL))
            for number, checkpoint in ((2, ()), (3, ('--checkpoint', 1))):
                testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, '--from', 1, *checkpoint, '--seed', 9, '-e', 1,
                                     *idle)
                episode = checkpoint[1] if checkpoint else 2
                tap.equal(testbed.one(db, f'SELECT kind, policy, seed, parent_run_id, checkpoint_episode FROM run WHERE run_id = {number}'),
                          ('train', policy, 9, 1, episode), 'the new run')
                if policy != 'dapo-plus':  # whose weights hold what it has noticed, too
                    here, there = (testbed.one(db, f'SELECT weights FROM checkpoint WHERE {where}')[HEAD_BYTES:-4]
                                   for where in (f'run_id = {number}', f'run_id = 1 AND episode = {episode}'))
                    tap.true(len(here) > 4000 and here == there, f'weights of {policy}, between header and checksum')
            testbed.orchestrator('replay', '--verify', '-q', '--db', db)


@tap.test
def weights_that_do_not_fit_or_are_not_there_are_refused():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *what(2, 60, 4, 2))
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *what(1, 60, 4, 2, '-p', 'greedy'))
        before = count(db, 'run')
        for arguments, words in ((('--from', 1, '-n', 5), 'do not fit'), (('--from', 1, '-p', 'td3'), 'no weights for td3'),
                                 (('--from', 2), 'does not learn'), (('--from', 7), 'no run 7'),
                                 (('--from', 1, '--checkpoint', 9), 'no checkpoint after episode 9'),
                                 (('--from', 1, '--resume'), 'name one of them'), (('--checkpoint', 1), '--from')):
            result = subprocess.run([testbed.ORCHESTRATOR, 'run', '-q', '--over', 'memory', '--db', db, *(str(a) for a in arguments)],
                                    capture_output=True, text=True)
            tap.true(result.returncode in (1, 2), f'{arguments}: ended with {result.returncode}')
            tap.contains(result.stderr, words)
        tap.equal(count(db, 'run'), before, 'runs')


@tap.test
def a_run_that_began_with_weights_and_was_killed_before_its_first_checkpoint_begins_with_them_again():
    rare = ('--set', 'run.checkpoint_every=6', '--seed', 9, '-e', 6, '-t', 200)
    with testbed.scratch() as folder:
        base, whole_db, db = (os.path.join(folder, name) for name in ('base.db', 'whole.db', 'x.db'))
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', base, *what(2, 60, 4, 2))
        for path in (whole_db, db):
            shutil.copy(base, path)
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', whole_db, '--from', 1, *rare)
        first = count(db)
        status = kill_when(start_in_memory(db, '--over', 'memory', '--from', 1, *rare), lambda: count(db) >= first + 500)
        if status == -signal.SIGKILL:
            resume(db, '--run', 2)
        for table, rows in content(whole_db).items():
            tap.equal(content(db)[table], rows, f'rows of {table}')


# ---- over TCP ----

class TcpRun:
    def __init__(self, *arguments):
        self.orchestrator = testbed.start_orchestrator(*arguments)
        self.port = self.orchestrator.port()

    def play(self, devices, servers, hook=None):
        """All nodes join; the devices in one process, behind a wiretap where there is a hook."""
        port = wiretap.Wiretap(self.port, hook, prompt=True).port if hook is not None else self.port
        self.nodes = [testbed.start_server(self.port) for _ in range(servers)]
        self.nodes.append(testbed.start_device(port, '--count', str(devices)))
        return self.orchestrator.wait()

    def end(self):
        for node in self.nodes:
            if testbed.is_running(node.pid):
                node.kill()
            node.wait()


def kill_after(run, number, of):
    """A hook that kills the orchestrator when a message has come by so many times."""
    seen = [0]

    def hook(message):
        seen[0] += message == of
        if message == of and seen[0] == number:
            run.orchestrator.kill()
        return True
    return hook


def kill_over_tcp(arguments, devices, servers, moments):
    with testbed.scratch() as folder:
        whole_db = os.path.join(folder, 'whole.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', whole_db, *arguments)
        whole = content(whole_db)
        kept = []
        for number, (count_of, of) in enumerate(moments):
            db = os.path.join(folder, f'{number}.db')
            run = TcpRun('--db', db, *arguments)
            tap.equal(run.play(devices, servers, kill_after(run, count_of, of)), 128 + signal.SIGKILL, 'killed')
            run.end()
            kept.append(count(db, 'episode'))
            again = TcpRun('--resume', '--db', db)
            tap.equal(again.play(devices, servers), 0, again.orchestrator.text())
            again.end()
            expect_same(db, whole)
        print(f'# killed {len(moments)} times, with {kept} episodes recorded')
        tap.true(len(set(kept)) >= 3, f'episodes recorded: {kept}')
        tap.true(testbed.verify(whole_db) > 0, 'tasks replayed')


SLOT, DECISION, OBSERVATION, REPORT = wiretap.SLOT, wiretap.DECISION, wiretap.OBSERVATION, wiretap.REPORT
# Episodes of 30 slots and one closing observation, 3 devices: any message of a slot, the first and last slots among them.
MOMENTS = [(1, SLOT), (2, REPORT), (31, SLOT), (93, OBSERVATION), (32, SLOT), (91, DECISION), (150, REPORT), (62, SLOT), (63, SLOT),
           (279, OBSERVATION), (300, DECISION), (359, REPORT), (360, REPORT), (124, SLOT)]


@tap.test
def a_learner_killed_over_tcp_at_any_message_is_resumed_bit_for_bit():
    kill_over_tcp(what(4, 30, 3, 2, '--set', 'ddpg.warmup=40', '--set', 'ddpg.buffer=70'), 3, 2, MOMENTS)


@tap.test
def so_is_one_in_whose_scenario_nodes_die():
    # Devices fall silent by the scenario: messages are fewer.
    kill_over_tcp(what(4, 30, 3, 2, '--set', 'ddpg.warmup=40', '--set', 'ddpg.buffer=70', *CHAOS), 3, 2,
                  [(31, SLOT), (62, SLOT), (150, OBSERVATION), (200, DECISION), (94, SLOT)])


@tap.test
def a_run_may_go_on_in_the_other_host():
    arguments = what(4, 30, 3, 2, '--set', 'ddpg.warmup=40')
    with testbed.scratch() as folder:
        whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', whole_db, *arguments)
        run = TcpRun('--db', db, *arguments)
        tap.equal(run.play(3, 2, kill_after(run, 70, SLOT)), 128 + signal.SIGKILL, 'killed')
        run.end()
        resume(db, '--over', 'memory')
        expect_same(db, content(whole_db))
        (entry,) = json.loads(testbed.one(db, 'SELECT config_json FROM run'))['resumed']
        tap.equal(entry['host'], 'memory', 'where it went on')


@tap.test
def launch_goes_on_with_what_was_killed_under_it():
    arguments = what(60, 50, 3, 2, '--set', 'ddpg.warmup=40')
    with testbed.scratch() as folder:
        whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', whole_db, *arguments)
        first = testbed.Program(testbed.launch('-q', '--count', 3, '-d', db, *arguments))
        testbed.until(lambda: count(db, 'episode') >= 2, 'two episodes')
        first.kill()  # takes all of its processes with it
        first.wait()
        testbed.until(lambda: not testbed.processes_with(db), 'the orchestrator has ended')
        tap.true(testbed.one(db, 'SELECT status FROM run') != 'finished', 'it was not over')
        testbed.call(*testbed.launch('-q', '--count', 3, '-d', db, '--resume'))
        expect_same(db, content(whole_db))
        _, errors = testbed.call(*testbed.launch('-q', '-d', db, '--resume', '--run', 7), status=2)
        tap.contains(errors, 'no run 7')


@tap.test
def nodes_lost_before_are_there_again_and_the_run_is_replayed():
    arguments = what(4, 30, 3, 2, '-p', 'edge-best-channel')
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        run = TcpRun('--db', db, *arguments)
        slots = [0]

        def hook(message):
            slots[0] += message == SLOT
            if message == SLOT and slots[0] == 40:
                run.nodes[1].kill()  # a server: a real failure
            if message == SLOT and slots[0] == 100:
                run.orchestrator.kill()
            return True
        tap.equal(run.play(3, 2, hook), 128 + signal.SIGKILL, 'killed')
        run.end()
        tap.equal(testbed.rows(db, "SELECT role, episode FROM event WHERE kind = 'node_lost'"), [('server', 1)], 'losses')
        kept = count(db, 'episode')
        again = TcpRun('--resume', '--db', db)
        tap.equal(again.play(3, 2), 0, again.orchestrator.text())
        again.end()
        used = dict(testbed.rows(db, 'SELECT episode, count(DISTINCT server) FROM task WHERE server IS NOT NULL GROUP BY episode'))
        tap.equal((used[2], used[kept]), (1 if kept > 2 else 2, 2), 'servers in use without, and again with, the lost one')
        tap.equal(testbed.verify(db), 4 * 30 * 3, 'tasks replayed')


@tap.test
@testbed.real_time
def a_run_in_real_time_goes_on_too():
    """Its bits are its own; nothing is missing, nothing twice, and the samples' times go on."""
    arguments = ('-s', 'dapo', '-n', 3, '-m', 2, '-e', 3, '-t', 2, '-p', 'static', '--set', 'run.clock=real', '--set',
                 'run.time_scale=3', '--set', 'radio.bandwidth_mhz=3', '--set', 'fixed.split=1')
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        run = TcpRun('--db', db, *arguments)
        tap.equal(run.play(3, 2, kill_after(run, 4, SLOT)), 128 + signal.SIGKILL, 'killed')
        run.end()
        _, errors = resume(db, '--over', 'memory', status=2)
        tap.contains(errors, 'run.clock', 'memory has no wall clock')
        again = TcpRun('--resume', '--db', db)
        tap.equal(again.play(3, 2), 0, again.orchestrator.text())
        again.end()
        testbed.check_database(db)
        tap.equal(testbed.rows(db, 'SELECT episode, count(*) FROM task GROUP BY episode'), [(0, 6), (1, 6), (2, 6)], 'tasks')
        (entry,) = json.loads(testbed.one(db, 'SELECT config_json FROM run'))['resumed']
        before_s = testbed.one(db, 'SELECT total(wall_s) FROM episode WHERE episode <= ?', entry['after_episode'])
        after_s = testbed.one(db, 'SELECT total(wall_s) FROM episode')
        latest_s = testbed.one(db, 'SELECT max(start_s) FROM link_sample')
        tap.true(before_s < latest_s < after_s + 5, f'{latest_s} s is between {before_s} s and {after_s} s')
        (result,) = json.loads(testbed.orchestrator('replay', '--verify', '--json', '-q', '--db', db)[0])
        tap.equal((result['tasks'], result['identical']), (18, 18), 'tasks verified')


# ---- what comes after ----

@tap.test
def a_resumed_run_is_replayed_and_compared_like_any_other():
    arguments = what(6, 50, 4, 2, '--set', 'evaluation.validate_episodes=1', '--set', 'evaluation.validate_slots=10', '--set',
                     'evaluation.test_episodes=1', '--set', 'evaluation.test_slots=20', *CHAOS)
    with testbed.scratch() as folder:
        whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', whole_db, *arguments)
        start_and_kill(db, ('--over', 'memory', *arguments), lambda: count(db, 'episode') >= 2)
        resume(db)
        for path in (whole_db, db):
            testbed.orchestrator('evaluate', '-q', '--db', path, '-p', 'dapo,greedy,optimum')
        query = 'SELECT policy, mean_cost, p95_latency_s, regret_pct, checkpoint_episode FROM policy_comparison ORDER BY policy'
        tap.equal(testbed.rows(db, query), testbed.rows(whole_db, query), 'comparison')
        tap.true(testbed.verify(db) > 6 * 50 * 4, 'tasks replayed')


# ---- what cannot be resumed ----

def killed_run(folder, *arguments):
    """A run that was killed after its second episode."""
    db = os.path.join(folder, 'x.db')
    status = start_and_kill(db, ('--over', 'memory', *arguments), lambda: count(db, 'episode') >= 2)
    tap.equal(status, -signal.SIGKILL, 'how it ended')
    return db


LONG = what(40, 60, 4, 2)


@tap.test
def a_finished_run_has_nothing_to_resume():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *what(1, 20, 2, 1))
        before = content(db)
        output, _ = resume(db)
        tap.contains(output, 'run 1 is finished', 'nothing to resume')
        tap.equal(content(db), before, 'rows')


@tap.test
def only_training_runs_that_exist_are_resumed_and_only_as_they_were():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *what(1, 20, 2, 1))
        testbed.orchestrator('replay', '-q', '--policy', 'local', '--db', db)
        _, errors = resume(db, '--run', 2, status=2)
        tap.contains(errors, 'run 2 is a counterfactual run', 'replay --policy')
        _, errors = resume(db, '--run', 9, status=2)
        tap.contains(errors, 'no run 9')
        _, errors = resume(os.path.join(folder, 'none.db'), status=2)
        tap.contains(errors, 'none.db', 'No such file')
        for flags in (('--set', 'run.episodes=9'), ('-s', 'dapo'), ('-p', 'greedy'), ('-t', '9'), ('--seed', '3')):
            _, errors = resume(db, *flags, status=2)
            tap.contains(errors, '--resume', 'recorded scenario')
        _, errors = testbed.orchestrator('run', '--run', 1, '--db', db, status=2)
        tap.contains(errors, '--resume')


@tap.test
def a_run_that_a_living_process_records_is_left_alone():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        child = start_in_memory(db, '--over', 'memory', *what(4000, 60, 4, 2))  # not over before we have looked
        testbed.until(lambda: count(db, 'episode') >= 1, 'an episode')
        _, errors = resume(db, status=2)
        tap.contains(errors, 'run 1 is being recorded by a running process')
        tap.equal(kill_when(child, lambda: True), -signal.SIGKILL, 'how it ended')
        again = testbed.Program([testbed.ORCHESTRATOR, 'run', '--resume', '-q', '--die-with-parent', '--db', db])
        testbed.until(lambda: 'run 1 goes on after episode' in again.text(), 'it goes on')
        again.kill()
        again.wait()


@tap.test
def a_run_without_a_checkpoint_begins_anew_and_says_so():
    with testbed.scratch() as folder:
        whole_db, db = os.path.join(folder, 'whole.db'), os.path.join(folder, 'x.db')
        arguments = ('--over', 'memory', *what(30, 60, 4, 2, '--set', 'run.checkpoint_every=30'))
        testbed.orchestrator('run', '-q', '--db', whole_db, *arguments)
        tap.equal(start_and_kill(db, arguments, lambda: count(db, 'episode') >= 2), -signal.SIGKILL, 'how it ended')
        _, errors = resume(db)
        tap.contains(errors, 'no checkpoint yet', 'begins anew')
        expect_same(db, content(whole_db))


@tap.test
def another_version_is_told_and_the_run_goes_on():
    with testbed.scratch() as folder:
        db = killed_run(folder, *LONG)
        connection = sqlite3.connect(db)
        connection.execute("UPDATE run SET version = '0.0.9 (abc)', cpu = 'an abacus', arithmetic = NULL")
        connection.commit()
        connection.close()
        _, errors = resume(db)
        tap.contains(errors, 'version 0.0.9 (abc)', 'arithmetic 0', 'may differ')
        tap.true('abacus' not in errors, 'another processor gives the same bits')


@tap.test
def only_with_openblas_does_another_vector_path_deserve_a_warning():
    for linalg in ('portable', 'openblas', None):
        with testbed.scratch() as folder:
            db = os.path.join(folder, 'x.db')
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *what(2, 60, 4, 2))
            connection = sqlite3.connect(db)
            connection.execute("UPDATE run SET linalg = ?, vector_path = 'pebbles'", (linalg,))
            connection.commit()
            connection.close()
            _, errors = resume(db, '--episodes', 3)
            tap.equal("OpenBLAS's kernel pebbles" in errors, linalg == 'openblas', f'a warning with {linalg}')


@tap.test
def a_damaged_state_is_refused_and_nothing_is_dropped():
    damages = {
        'UPDATE checkpoint SET learner = substr(learner, 1, 1000) WHERE learner IS NOT NULL': 'ends too early',
        "UPDATE checkpoint SET learner = x'00' WHERE learner IS NOT NULL": 'not a training',
        'DELETE FROM experience WHERE episode = (SELECT max(episode) FROM experience)': 'missing',
        'UPDATE experience SET transitions = substr(transitions, 1, 500)': 'damaged',
    }
    with testbed.scratch() as folder:
        db = killed_run(folder, *LONG)
        for number, (damage, words) in enumerate(damages.items()):
            copy = os.path.join(folder, f'{number}.db')
            connection = sqlite3.connect(db)
            connection.execute('VACUUM INTO ?', (copy,))
            connection.close()
            connection = sqlite3.connect(copy)
            connection.execute(damage)
            connection.commit()
            connection.close()
            tasks = count(copy)
            result = subprocess.run([testbed.ORCHESTRATOR, 'run', '--resume', '-q', '--db', copy], capture_output=True, text=True)
            tap.true(result.returncode in (1, 2), f'{damage}: ended with {result.returncode}')
            tap.contains(result.stderr, 'run 1 cannot be resumed', words)
            tap.equal((count(copy), testbed.one(copy, 'SELECT status FROM run')), (tasks, 'running'), 'rows and status')


tap.main()
