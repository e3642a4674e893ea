"""deploy/launch: what it starts, what it says, and that it leaves nothing behind."""
import os
import pty
import re
import select
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

ENDLESS = ('-s', 'dapo-quick', '-n', 3, '-m', 2, '--policy', 'greedy', '--episodes', 100000, '--slots', 1000, '--record', 'episodes')


def gone(word):
    testbed.until(lambda: not testbed.processes_with(word), f'no process knows {word}')


def started(folder):
    """Waits until a run that records there has begun: its orchestrator has nodes to write down."""
    db = os.path.join(folder, 'x.db')

    def begun():
        try:
            return testbed.one(db, 'SELECT count(*) FROM node') > 0
        except Exception:
            return False  # no file yet, or no table
    testbed.until(begun, 'the run begins')
    return db


@tap.test
def a_run_of_five_nodes_ends_in_order_and_leaves_no_process():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        output, errors = testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', 3, '-m', 2, '--episodes', 2, '--slots', 30,
                                                      '-p', 'greedy', '--db', db, '-q'))
        tap.contains(output, 'run 1', '180 tasks')
        tap.true('READY' not in output, 'the READY line is for the script')
        tap.equal(errors, '', 'standard error')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM task'), 180, 'tasks')
        tap.equal(testbed.rows(db, 'SELECT role, count(*) FROM node GROUP BY role'), [('device', 3), ('server', 2)], 'nodes')
        gone(folder)


@tap.test
def numbers_of_nodes_come_from_the_scenario_and_the_database_from_where_we_are():
    with testbed.scratch() as folder:
        with open(os.path.join(folder, 'mine.yaml'), 'w', encoding='utf-8') as file:
            file.write('run:\n  name: mine\n  slots: 5\n  episodes: 1\n  policy: greedy\n'
                       'devices:\n  count: 4\nservers:\n  count: 2\n')
        testbed.call(*testbed.launch('-s', 'mine.yaml', '--db', 'here.db', '-q'), cwd=folder)
        db = os.path.join(folder, 'here.db')
        tap.equal(testbed.rows(db, 'SELECT role, count(*) FROM node GROUP BY role'), [('device', 4), ('server', 2)], 'nodes')
        tap.equal(testbed.one(db, 'SELECT scenario_name FROM run'), 'mine', 'scenario')


@tap.test
def several_devices_share_a_process_and_the_last_takes_the_rest():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', 7, '-m', 2, '--count', 3, '--episodes', 1, '--slots', 5, '--db', db,
                                     '--policy', 'greedy', '-q'))
        shares = testbed.rows(db, "SELECT count(*) FROM node WHERE role = 'device' GROUP BY address ORDER BY 1")
        tap.equal(shares, [(1,), (3,), (3,)], 'devices of each process')


@tap.test
def over_memory_it_starts_no_nodes():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', 3, '-m', 2, '--over', 'memory', '--episodes', 1, '--slots', 5,
                                     '--db', db, '-q', '--policy', 'local'))
        tap.equal(testbed.one(db, 'SELECT host, status FROM run'), ('memory', 'finished'), 'run')


@tap.test
def json_is_all_that_it_prints():
    import json
    with testbed.scratch() as folder:
        output, _ = testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', 2, '-m', 1, '--episodes', 1, '--slots', 3, '--json', '-q',
                                                 '--policy', 'greedy', '--db', os.path.join(folder, 'x.db'), '--seed', 7,
                                                 '--set', 'radio.bandwidth_mhz=10'))
        (row,) = json.loads(output)
        tap.equal((row['tasks'], row['seed'], row['policy']), (6, 7, 'greedy'), 'summary')


@tap.test
def killing_the_script_ends_every_process():
    with testbed.scratch() as folder:
        script = testbed.Program(testbed.launch(*ENDLESS, '--db', os.path.join(folder, 'x.db'), '-q'))
        db = started(folder)
        children = testbed.children(script.pid)
        tap.equal(len(children), 6, 'processes of the script')
        script.kill(signal.SIGKILL)
        tap.equal(script.child.wait(), -signal.SIGKILL, 'status of the script')
        testbed.until(lambda: not any(testbed.is_running(pid) for pid in children), 'all its processes end')
        testbed.check_database(db)


@tap.test
def a_node_that_dies_is_named_and_the_run_goes_on():
    with testbed.scratch() as folder:
        script = testbed.Program(testbed.launch(*ENDLESS, '--db', os.path.join(folder, 'x.db'), '-q'))
        started(folder)
        nodes = testbed.processes_with(testbed.MOBILE_NODE)
        victim = next(pid for pid in testbed.children(script.pid) if pid in nodes)
        os.kill(victim, signal.SIGKILL)
        testbed.until(lambda: f'(process {victim}) ended with status 137' in script.text(), 'the script names it')
        script.kill(signal.SIGTERM)
        tap.equal(script.wait(), 130, 'status')
        gone(folder)


def in_terminal(arguments):
    """Starts a program in a terminal of its own; returns its id and our end."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execv(arguments[0], arguments)
        finally:
            os._exit(127)
    return pid, terminal


def read_terminal(terminal, text, enough):
    """Reads until `enough(text)`, or to the end."""
    give_up = time.monotonic() + testbed.DEADLINE_S
    while not enough(text):
        readable, _, _ = select.select([terminal], [], [], max(0, give_up - time.monotonic()))
        if not readable:
            raise AssertionError(f'the terminal fell silent after: {text!r}')
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            piece = b''  # how a terminal says that its last program has ended
        if not piece:
            return text
        text += piece.decode(errors='replace')
    return text


@tap.test
def control_c_in_a_terminal_finishes_the_slot_and_closes_the_database():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        arguments = [a if a != 'episodes' else 'tasks' for a in ENDLESS]
        pid, terminal = in_terminal(testbed.launch(*arguments, '--db', db))
        try:
            text = read_terminal(terminal, '', lambda text: 'ETA' in text)
            os.write(terminal, b'\x03')
            text = read_terminal(terminal, text, lambda text: False)
        finally:
            os.close(terminal)
        _, raw = os.waitpid(pid, 0)
        tap.equal(os.waitstatus_to_exitcode(raw), 130, f'status; it said {text!r}')
        tap.true(re.search(r'run 1 in .* tasks in', text), f'it tells what was done: {text!r}')
        testbed.check_database(db)
        tap.equal(testbed.one(db, 'SELECT status FROM run'), 'aborted', 'run')
        tap.true(testbed.one(db, 'SELECT count(*) FROM task') > 0, 'there are tasks')
        tap.true(not os.path.exists(db + '-wal'), 'one clean file is left')
        gone(folder)


@tap.test
def unknown_names_end_with_the_list_of_known_ones():
    _, errors = testbed.call(*testbed.launch('-s', 'nowhere', '-q'), status=2)
    tap.contains(errors, 'nowhere', 'dapo-literal', 'melbourne')
    _, errors = testbed.call(*testbed.launch('--policy', 'clever', '-n', 1, '-m', 1, '-q'), status=2)
    tap.contains(errors, 'clever', 'best-response', 'optimum')


@tap.test
def bad_options_are_usage_errors():
    for wrong in (['--count', '0'], ['--count', 'x'], ['--nonsense'], ['-n'], ['--over', 'pigeon'], ['-n', '0'], ['-n', '-3'],
                  ['--set', 'radio.nothing=1'], ['--slots', '1e3']):
        _, errors = testbed.call(*testbed.launch(*wrong, '-q'), status=2)
        tap.true(errors.strip(), f'{wrong}: it says why')


@tap.test
def the_database_of_another_program_is_refused():
    import sqlite3
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        other = sqlite3.connect(db)
        other.execute('CREATE TABLE t (a)')
        other.close()
        before = open(db, 'rb').read()
        _, errors = testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', 1, '-m', 1, '--db', db, '-q'), status=None)
        tap.contains(errors, 'another program')
        tap.true(open(db, 'rb').read() == before, 'it is untouched')
        gone(folder)


@tap.test
def a_port_in_use_is_said():
    import socket
    with testbed.scratch() as folder, socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        _, errors = testbed.call(*testbed.launch('-s', 'dapo-quick', '-n', 1, '-m', 1, '--listen', f'127.0.0.1:{port}', '-q',
                                                 '--db', os.path.join(folder, 'x.db')), status=1)
        tap.contains(errors, str(port), 'in use')


@tap.test
def help_is_given():
    output, _ = testbed.call(*testbed.launch('--help'))
    tap.contains(output, '--count K', 'Ctrl-C', 'Exit status')


tap.main()
