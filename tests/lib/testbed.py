"""Starts the real programs for a test: private folders, free ports, deadlines, and no process left at the end.

Arguments of a test program: ORCHESTRATOR MOBILE-NODE EDGE-SERVER SOURCE-ROOT BUILD-ROOT.
"""
import atexit
import contextlib
import functools
import json
import os
import queue
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

import tap

ORCHESTRATOR, MOBILE_NODE, EDGE_SERVER, SOURCE_ROOT, BUILD_ROOT = (os.path.abspath(path) for path in sys.argv[1:6])
DEADLINE_S = 300  # for everything, also on a busy machine; only a failing test ever waits that long
SCRATCH = 'handoff-test-'  # how a test's folder begins
POLL_S = 0.01     # for what sends no event: the process table

_children = []


def _kill_children():
    for child in _children:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


atexit.register(_kill_children)
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # meson's time-out: children end with us


@contextlib.contextmanager
def scratch():
    """A folder of its own for a test."""
    path = tempfile.mkdtemp(prefix=SCRATCH)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Program:
    """A program that runs: its lines on both outputs come to queues, so that a test waits for them."""

    def __init__(self, arguments, **options):
        self.child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, start_new_session=True, **options)
        _children.append(self.child)
        self.pid = self.child.pid
        self.output, self.errors = [], []
        self._ready = queue.Queue()
        self._threads = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.child.stdout, self.output), (self.child.stderr, self.errors))]
        for thread in self._threads:
            thread.start()

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line)
            if line.startswith('READY port='):
                self._ready.put(int(line[len('READY port='):]))
        if stream is self.child.stdout:
            self._ready.put(None)

    def port(self):
        """Waits for the READY line."""
        port = self._ready.get(timeout=DEADLINE_S)
        if port is None:
            raise AssertionError(f'ended before it was ready: {self.text()}')
        return port

    def wait(self):
        """Exit status as a shell sees it."""
        status = self.child.wait(timeout=DEADLINE_S)
        for thread in self._threads:
            thread.join(timeout=DEADLINE_S)
        return status if status >= 0 else 128 - status

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def freeze(self):
        """Stops it, and waits until it has stopped."""
        self.kill(signal.SIGSTOP)
        until(lambda: _read_process(self.pid, 'stat').rpartition(b')')[2].split()[0] == b'T', 'it stands still')

    def text(self):
        return ''.join(self.output) + ''.join(self.errors)


def call(*arguments, status=0, **options):
    """Runs a program to its end; returns (standard output, standard error) and insists on the exit status."""
    result = subprocess.run([str(a) for a in arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            timeout=DEADLINE_S, **options)
    code = result.returncode if result.returncode >= 0 else 128 - result.returncode
    if status is not None and code != status:
        raise AssertionError(f'{arguments} ended with {code}, expected {status}:\n{result.stdout}{result.stderr}')
    return result.stdout, result.stderr


def orchestrator(*arguments, status=0, **options):
    return call(ORCHESTRATOR, *arguments, status=status, **options)


def forget(program):
    """A program that has ended: nothing is left to be killed."""
    _children.remove(program.child)


def start_orchestrator(*arguments, **options):
    return Program([ORCHESTRATOR, 'run', '--quiet', '--die-with-parent', *(str(a) for a in arguments)], **options)


def start_device(port, *arguments):
    return Program([MOBILE_NODE, '--orchestrator', f'127.0.0.1:{port}', '--die-with-parent', *arguments])


def start_server(port, *arguments):
    return Program([EDGE_SERVER, '--orchestrator', f'127.0.0.1:{port}', '--die-with-parent', *arguments])


def has_sanitizers():
    with open(ORCHESTRATOR, 'rb') as file:
        return b'__asan_init' in file.read()


def launch(*arguments):
    return [os.path.join(SOURCE_ROOT, 'deploy', 'launch'), '--programs', BUILD_ROOT, *(str(a) for a in arguments)]


def until(happened, what):
    """Polls for what sends no event."""
    give_up = time.monotonic() + DEADLINE_S
    while not happened():
        if time.monotonic() > give_up:
            raise AssertionError(f'not within {DEADLINE_S} s: {what}')
        threading.Event().wait(POLL_S)


class Lateness:
    """How late a bare timer of 10 ms rings while the block runs: what this machine does to everybody."""

    def __enter__(self):
        self.worst_ms, self._over = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        before = time.monotonic()
        while not self._over.wait(0.01):
            now = time.monotonic()
            self.worst_ms = max(self.worst_ms, 1000 * (now - before) - 10)
            before = now

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


REAL_TIME_TRIES = 8
QUIET_FAILURES = 3  # as often must a test fail on a machine that kept time; what is broken fails every time
LATE_MS = 5         # a quiet machine's timers are late by 1 ms; 5 ms spoil a window of 100 ms (docs/real-time.md)


def _told(error):
    """An error's text without the names of folders, which are others at each try."""
    return re.sub(re.escape(SCRATCH) + r'\w+', SCRATCH, str(error))


def real_time(test):
    """A test of the real clock. On a machine that is too busy it fails whatever the product does, so it is tried again. The
    witness is a bare timer beside it, never the product: three failures while the timer was on time are a failure, and so is
    the very same error at each try. Otherwise the test is skipped in the end."""
    @functools.wraps(test)
    def judged():
        late_ms, errors = [], []
        for _ in range(REAL_TIME_TRIES):
            try:
                with Lateness() as machine:
                    return test()
            except AssertionError as error:
                late_ms.append(machine.worst_ms)
                errors.append(_told(error))
                quiet = sum(ms < LATE_MS for ms in late_ms)
                same = len(errors) == REAL_TIME_TRIES and len(set(errors)) == 1
                if quiet == QUIET_FAILURES or same:
                    raise
                print(f'# tried again: a bare timer was late by {machine.worst_ms:.0f} ms; {error}', flush=True)
        raise tap.Skip('this machine is too busy to keep the real clock: a bare timer was late by '
                       f'{", ".join(f"{ms:.0f}" for ms in late_ms)} ms')
    return judged


def _read_process(pid, name):
    try:
        with open(f'/proc/{pid}/{name}', 'rb') as file:
            return file.read()
    except OSError:
        return b''  # it has just ended


def _processes():
    return [int(name) for name in os.listdir('/proc') if name.isdigit()]


def processes_with(word):
    """Ids of processes that have `word` among their arguments. (One that has ended but not been waited for has none.)"""
    return [pid for pid in _processes() if word.encode() in _read_process(pid, 'cmdline')]


def children(parent):
    """Ids of a process's children: their parent stands behind the name in brackets and the state."""
    return [pid for pid in _processes()
            if _read_process(pid, 'stat').rpartition(b')')[2].split()[1:2] == [str(parent).encode()]]


def is_running(pid):
    return _read_process(pid, 'cmdline') != b''


def rows(path, query, *parameters):
    """Rows of a query over a closed or an open database."""
    connection = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
    try:
        return connection.execute(query, parameters).fetchall()
    finally:
        connection.close()


def one(path, query, *parameters):
    (row,) = rows(path, query, *parameters)
    return row[0] if len(row) == 1 else row


def check_database(path):
    """It opens, is whole, and holds whole slots only."""
    from_sqlite = rows(path, 'PRAGMA integrity_check')
    if from_sqlite != [('ok',)]:
        raise AssertionError(f'integrity_check: {from_sqlite}')
    if rows(path, 'PRAGMA foreign_key_check'):
        raise AssertionError('a row refers to one that is not there')
    broken = rows(path, """
        SELECT t.run_id, t.episode, t.slot, count(*) AS tasks,
               (SELECT count(*) FROM node AS n WHERE n.run_id = t.run_id AND n.role = 'device') AS devices
        FROM task AS t JOIN run AS r USING (run_id) WHERE r.mode = 'round'
        GROUP BY t.run_id, t.episode, t.slot HAVING tasks <> devices""")
    if broken:
        raise AssertionError(f'slots are not whole: {broken[:3]}')


def verify(path, *arguments):
    """replay --verify must find every task identical; returns how many there were."""
    output, _ = orchestrator('replay', '--verify', '--json', '--quiet', '--db', path, *arguments)
    runs = json.loads(output)
    for run in runs:
        if run['identical'] != run['tasks']:
            raise AssertionError(f'{run}')
    return sum(run['tasks'] for run in runs)
