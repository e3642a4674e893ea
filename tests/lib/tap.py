"""Prints TAP for tests written as functions: every name is a sentence.

    @tap.test
    def a_port_in_use_is_said(): ...

    tap.main()
"""
import sys
import traceback

_tests = []


class Skip(Exception):
    """Raised by a test that cannot run here; its text says why."""


def test(function):
    _tests.append(function)
    return function


def equal(actual, expected, what='value'):
    if actual != expected:
        raise AssertionError(f'{what}: is {actual!r}, expected {expected!r}')


def true(condition, what):
    if not condition:
        raise AssertionError(what)


def contains(text, *parts):
    for part in parts:
        if part not in text:
            raise AssertionError(f'{part!r} is not in {text!r}')


def _run(number, function):
    try:
        function()
    except Skip as reason:
        print(f'ok {number} - {function.__name__} # SKIP {reason}', flush=True)
    except Exception:  # a test may fail in any way; the others still run
        print(f'not ok {number} - {function.__name__}', flush=True)
        for line in traceback.format_exc().splitlines():
            print('# ' + line, flush=True)
        return False
    else:
        print(f'ok {number} - {function.__name__}', flush=True)
    return True


def main():
    """Runs all tests, or those whose names contain a word of the environment's TAP_ONLY."""
    import os
    only = os.environ.get('TAP_ONLY', '').split()
    tests = [t for t in _tests if not only or any(word in t.__name__ for word in only)]
    print(f'1..{len(tests)}', flush=True)
    results = [_run(number, function) for number, function in enumerate(tests, 1)]
    sys.exit(0 if all(results) else 1)
