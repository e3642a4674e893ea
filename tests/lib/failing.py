"""Runs a program with tests/lib/failing.c before it: the n-th allocation, read or write fails, or the process is killed there."""
import os
import subprocess
import tempfile

import tap
import testbed

LIBRARY = os.path.join(testbed.BUILD_ROOT, 'tests', 'lib', 'libfailing.so')


class Ended:
    """How a program ended: status as a shell sees it, or None when it had to be ended; what it printed; calls counted, and the
    first one of each place of the program."""

    def __init__(self, status, output, errors, calls):
        self.status, self.output, self.errors = status, output, errors
        self.calls, self.places = calls[0] if calls else 0, sorted(calls[1:])


def environment(wish, count=None):
    if testbed.has_sanitizers():
        raise tap.Skip('AddressSanitizer lets nothing be loaded before it')
    env = dict(os.environ, HANDOFF_FAIL=wish, LD_PRELOAD=LIBRARY)
    return dict(env, HANDOFF_FAIL_COUNT=count) if count else env


def run(wish, *arguments, deadline_s=testbed.DEADLINE_S, path=None):
    """`path`: a folder whose programs come first."""
    with tempfile.TemporaryDirectory(prefix='handoff-test-') as folder:
        count = os.path.join(folder, 'calls')
        env = environment(wish, count)
        if path:
            env['PATH'] = f'{path}:{env["PATH"]}'
        child = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env=env)
        try:
            output, errors = child.communicate(timeout=deadline_s)
            status = child.returncode if child.returncode >= 0 else 128 - child.returncode
        except subprocess.TimeoutExpired:
            child.kill()
            output, errors = child.communicate()
            status = None
        calls = []
        if os.path.exists(count):
            with open(count, encoding='ascii') as file:
                calls = [int(line) for line in file]
        return Ended(status, output, errors, calls)


def count(kind, *arguments):
    """How many calls of the kind a program makes that ends in order."""
    ended = run(f'{kind}:0', *arguments)
    if ended.status != 0:
        raise AssertionError(f'{arguments} ended with {ended.status}: {ended.errors}')
    return ended.calls


def spread(calls, most):
    """At most `most` numbers from 1 to `calls`, the first and the last among them."""
    if calls <= most:
        return list(range(1, calls + 1))
    return sorted({1 + round(i * (calls - 1) / (most - 1)) for i in range(most)})
