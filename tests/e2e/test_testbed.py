"""The judge of tests in real time: what is broken fails on a machine that keeps time, and is skipped only by a witness from
outside the product. Here the witness and the tests are made up."""
import contextlib
import io
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

QUIET_MS, BUSY_MS = 0.5, 40.0


class Witness:
    """Says in turn how late a bare timer was; the last one again and again."""

    def __init__(self, *late_ms):
        self._late_ms = list(late_ms)
        self.tries = 0

    def __enter__(self):
        self.worst_ms = self._late_ms[min(self.tries, len(self._late_ms) - 1)]
        self.tries += 1
        return self

    def __exit__(self, *_):
        pass


def judge(test, *late_ms):
    """The result of a test under the decorator beside such a witness: ('passed', what it returned), ('failed', the error) or
    ('skipped', why); and how often it was tried."""
    witness = Witness(*late_ms)
    real, testbed.Lateness = testbed.Lateness, lambda: witness
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its notes on each try
            return ('passed', testbed.real_time(test)()), witness.tries
    except tap.Skip as reason:
        return ('skipped', str(reason)), witness.tries
    except Exception as error:  # a test may fail in any way
        return ('failed', error), witness.tries
    finally:
        testbed.Lateness = real


def failing(*errors):
    """A test that fails with these errors in turn, the last one again and again; None: it passes."""
    left = list(errors)

    def test():
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise AssertionError(error)
        return 'done'
    return test


def another_each_time():
    number = iter(range(1000))

    def test():
        raise AssertionError(f'late by {next(number)} ms')
    return test


@tap.test
def a_test_that_passes_is_played_once():
    tap.equal(judge(failing(None), BUSY_MS), (('passed', 'done'), 1))


@tap.test
def what_always_fails_on_a_quiet_machine_has_failed_after_three_tries():
    (result, error), tries = judge(another_each_time(), QUIET_MS)
    tap.equal((result, str(error), tries), ('failed', 'late by 2 ms', 3))


@tap.test
def tries_on_a_busy_machine_do_not_count_and_those_between_do():
    (result, _), tries = judge(another_each_time(), BUSY_MS, QUIET_MS, BUSY_MS, QUIET_MS, BUSY_MS, QUIET_MS)
    tap.equal((result, tries), ('failed', 6))


@tap.test
def a_failure_now_and_then_is_tried_again():
    tap.equal(judge(failing('late', 'late again', None), QUIET_MS), (('passed', 'done'), 3))


@tap.test
def a_machine_that_is_never_quiet_skips_and_says_how_late_it_was():
    (result, reason), tries = judge(another_each_time(), BUSY_MS)
    tap.equal((result, tries), ('skipped', testbed.REAL_TIME_TRIES))
    tap.contains(reason, '40, 40', 'ms')


@tap.test
def the_limit_of_lateness_belongs_to_the_busy():
    (result, _), _ = judge(another_each_time(), testbed.LATE_MS)
    tap.equal(result, 'skipped')
    (result, _), _ = judge(another_each_time(), testbed.LATE_MS - 0.001)
    tap.equal(result, 'failed')


@tap.test
def the_very_same_error_at_each_try_is_no_matter_of_time():
    (result, error), tries = judge(failing('7 tasks, expected 8'), BUSY_MS)
    tap.equal((result, str(error), tries), ('failed', '7 tasks, expected 8', testbed.REAL_TIME_TRIES))


@tap.test
def another_folder_makes_no_other_error():
    def test():
        with testbed.scratch() as folder:
            testbed.call('false', os.path.join(folder, 'x.db'))
    (result, error), tries = judge(test, BUSY_MS)
    tap.equal((result, tries), ('failed', testbed.REAL_TIME_TRIES), f'{error}')


@tap.test
def an_error_that_is_no_failed_assertion_ends_it_at_once():
    def test():
        raise KeyError('a table without this column')
    (result, error), tries = judge(test, BUSY_MS)
    tap.equal((result, type(error), tries), ('failed', KeyError, 1))


@tap.test
def the_witness_is_a_timer_that_hears_of_a_stop():
    """Whoever holds everything up for 60 ms is noticed; a timer that rings in vain would be 10 ms early, never late."""
    with testbed.Lateness() as machine:
        rung = threading.Event()
        rung.wait(0.03)
        before = sys.getswitchinterval()
        sys.setswitchinterval(10)  # nobody else gets the interpreter
        try:
            end = time.monotonic() + 0.06
            while time.monotonic() < end:
                pass
        finally:
            sys.setswitchinterval(before)
        rung.wait(0.03)
    tap.true(machine.worst_ms > 30, f'late by {machine.worst_ms} ms')


tap.main()
