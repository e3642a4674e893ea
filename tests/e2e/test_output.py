"""What is printed arrives, or the program says that it did not: on a full disk, with a closed output, and into a closed pipe."""
import errno
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import small_llama
import tap
import testbed

SMALL = ('-s', 'dapo-quick', '-n', 3, '-m', 2)
HELD_OUT = ('--set', 'evaluation.validate_slots=10', '--set', 'evaluation.test_episodes=1', '--set', 'evaluation.test_slots=10')
SWEEP = """\
name: small
scenario: dapo-quick
seeds: 1..2
set:
  devices.count: 3
  servers.count: 2
  evaluation.test_episodes: 1
  evaluation.test_slots: 10
experiments:
  - name: rules
    policies: [local, greedy]
"""
TRAIN = ('--layers', 1, '--width', 8, '--heads', 2, '--hidden', 8, '--vocabulary', 260, '--context', 8, '--steps', 1)
FULL = re.compile(r'^handoff-[a-z-]+: standard output: cannot write: ' + re.escape(os.strerror(errno.ENOSPC)) + '$', re.M)
CLOSED = re.compile(r'^handoff-[a-z-]+: standard output: cannot write: ' + re.escape(os.strerror(errno.EBADF)) + '$', re.M)


def experiment(folder):
    """A file with a run, and with a sweep; returns its name."""
    db, sweep = os.path.join(folder, 'x.db'), os.path.join(folder, 'small.yaml')
    with open(sweep, 'w', encoding='utf-8') as file:
        file.write(SWEEP)
    testbed.orchestrator('run', '-q', '--over', 'memory', *SMALL, *HELD_OUT, '-p', 'greedy', '-e', 2, '-t', 5, '--db', db)
    testbed.orchestrator('sweep', sweep, '-q', '--jobs', 2, '--db', db)
    for part in ('train', 'evaluation'):
        os.makedirs(os.path.join(folder, 'texts', part))
        with open(os.path.join(folder, 'texts', part, 'a.txt'), 'w', encoding='ascii') as file:
            file.write('the cat and the hat ' * 20)
    testbed.orchestrator(*trained(folder))
    small_llama.write(os.path.join(folder, 'small.bin'), os.path.join(folder, 'tokenizer.bin'))
    return db


def trained(folder, *how):
    return ('train', os.path.join(folder, 'texts'), '-q', '-o', os.path.join(folder, 'model'), *TRAIN, *how)


def commands(folder, db):
    """Each command in each of its forms, by its name: (arguments, exit status where it can print)."""
    another, small = os.path.join(folder, 'another.db'), os.path.join(folder, 'small.bin')
    run = ('run', '-q', '--over', 'memory', *SMALL, '-p', 'greedy', '-e', 2, '-t', 5, '--db', another)
    of_words = ('policies', 'models', 'scenarios', 'keys', 'scenario', 'runs', 'comparison', 'episodes', 'splits', 'servers')
    return {
        'run': [run, (*run, '--json')],
        'evaluate': [('evaluate', '-q', '--db', db, '--run', 1, '-p', 'local,greedy'),
                     ('evaluate', '-q', *SMALL, *HELD_OUT, '--draws', 2, '-p', 'local', '--json')],
        'replay': [('replay', '-q', '--verify', '--db', db), ('replay', '-q', '--verify', '--json', '--db', db),
                   ('replay', '-q', '--policy', 'local', '--db', db)],
        'show': [('show', word, '--db', db, *how) for word in of_words for how in ((), ('--json',))],
        'export': [('export', what, '--db', db, '--format', how) for what in ('tasks', 'episodes') for how in ('csv', 'json')],
        'sweep': [('sweep', os.path.join(folder, 'small.yaml'), '-q', '--db', db, *how)
                  for how in ((), ('--json',), ('--dry-run',), ('--dry-run', '--json'))],
        'compare': [('compare', '--db', db), ('compare', '--db', db, '--json')],
        'report': [('report', '-q', '--db', db, '-o', os.path.join(folder, 'report')),
                   ('report', '-q', '--db', db, '-o', os.path.join(folder, 'report'), '--json')],
        'delete': [('delete', '--db', db, '--run', 1, '--with-dependents', '--dry-run', *how) for how in ((), ('--json',))],
        'train': [trained(folder, '--resume'), trained(folder, '--resume', '--json')],
        'model': [('model', small, *how) for how in ((), ('--json',))],
        'generate': [('generate', '--model', small, '--prompt', 'a', '--tokens', 3, '--portion', portion, *how)
                     for portion, how in ((1, ()), (2, ('--json',)))],
        'perplexity': [('perplexity', '-q', '--model', small, '--text', os.path.join(folder, 'texts', 'train'), '--mode', 'none', *how)
                       for how in ((), ('--json',))],
        'leak': [('leak', '-q', '--model', small, '--text', os.path.join(folder, 'texts', 'train'), '--mode', 'none', '--tokens', 8, *how)
                 for how in ((), ('--json',))],
        'bound': [('bound', '-q', '-s', 'cloud-edge', '-t', 20, '-e', 1, *how) for how in ((), ('--json',))],
        # Nobody joins, so it fails in any case.
        'twin': [('twin', '-q', *SMALL, '-p', 'greedy', '--wait-s', 1, '--db', another)],
    }


def end(*arguments, **options):
    """(exit status as a shell sees it, standard error) of a program that cannot print."""
    result = subprocess.run([str(a) for a in arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            timeout=testbed.DEADLINE_S, **options)
    return result.returncode if result.returncode >= 0 else 128 - result.returncode, result.stderr


def into_full(*arguments):
    with open('/dev/full', 'w', encoding='utf-8') as full:
        return end(*arguments, stdout=full)


def into_closed(*arguments):
    return end('/bin/sh', '-c', 'exec "$@" >&-', 'sh', *arguments)


def into_closed_pipe(*arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return end(*arguments, stdout=writer)
    finally:
        os.close(writer)


def all_helps():
    programs = ((testbed.ORCHESTRATOR,), (testbed.MOBILE_NODE,), (testbed.EDGE_SERVER,))
    yield from ((*program, flag) for program in programs for flag in ('--help', '--version'))
    for command in names():
        yield testbed.ORCHESTRATOR, command, '--help'


def names():
    output, _ = testbed.orchestrator('--help')
    return re.findall(r'^  ([a-z]+) +[A-Z]', output, re.M)


@tap.test
def no_command_is_left_out_here():
    tap.equal(sorted(commands('', '')), sorted(names()), 'commands')


@tap.test
def every_command_says_that_standard_output_is_full():
    with testbed.scratch() as folder:
        for forms in commands(folder, experiment(folder)).values():
            for form in forms:
                status, errors = into_full(testbed.ORCHESTRATOR, *form)
                tap.equal(status, 1, f'exit status of {form}: {errors}')
                tap.equal(len(FULL.findall(errors)), 1, f'lines that say so in {form}: {errors}')


@tap.test
def every_command_says_that_standard_output_is_closed_and_prints_into_no_file():
    with testbed.scratch() as folder:
        db = experiment(folder)
        for forms in commands(folder, db).values():
            status, errors = into_closed(testbed.ORCHESTRATOR, *forms[0])
            tap.equal(status, 1, f'exit status of {forms[0]}: {errors}')
            tap.equal(len(CLOSED.findall(errors)), 1, f'lines that say so in {forms[0]}: {errors}')
        for path in (db, os.path.join(folder, 'another.db')):
            testbed.check_database(path)
        tap.equal(testbed.rows(os.path.join(folder, 'another.db'), "SELECT status FROM run WHERE kind = 'train'"),
                  [('finished',)], 'what could not be told was recorded')


@tap.test
def help_and_version_say_so_too():
    for words in all_helps():
        for unwritable, line in ((into_full, FULL), (into_closed, CLOSED)):
            status, errors = unwritable(*words)
            tap.equal(status, 1, f'exit status of {words}: {errors}')
            tap.true(line.match(errors) and errors.count('\n') == 1, f'one line in {words}: {errors}')


@tap.test
def a_reader_that_has_gone_ends_a_program_without_a_word():
    with testbed.scratch() as folder:
        db = experiment(folder)
        forms = [(testbed.ORCHESTRATOR, *form) for form in (
            ('show', 'keys'), ('show', 'keys', '--json'), ('export', 'tasks', '--db', db), ('compare', '--db', db),
            ('run', '-q', '--over', 'memory', *SMALL, '-p', 'greedy', '-e', 1, '-t', 5, '--db', db))]
        for words in (*forms, *all_helps()):
            tap.equal(into_closed_pipe(*words), (128 + signal.SIGPIPE, ''), f'end of {words}')
        testbed.check_database(db)
        tap.equal(testbed.rows(db, "SELECT DISTINCT status FROM run"), [('finished',)], 'status')


def on_a_terminal(*arguments, when_it_shows=None):
    """(exit status, what is left on the terminal of standard error, all that was there) of a program. when_it_shows: (text, call),
    which is called with standard output when the text is there."""
    ours, theirs = pty.openpty()
    with open(ours, 'rb', buffering=0) as screen:
        child = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
                                 text=True)
        os.close(theirs)
        seen = b''
        try:
            while piece := screen.read(4096):
                seen += piece
                if when_it_shows and when_it_shows[0] in seen:
                    when_it_shows[1](child.stdout)
                    when_it_shows = None
        except OSError as error:
            tap.equal(error.errno, errno.EIO, 'how a terminal says that nobody writes any more')
        finally:
            child.stdout.close()
            status = child.wait(timeout=testbed.DEADLINE_S)
    return status, re.sub(r'[^\n]*\r\x1b\[K', '', seen.decode().replace('\r\n', '\n')), seen.decode()


@tap.test
def a_terminal_shows_how_many_nodes_have_joined_and_that_line_ends():
    with testbed.scratch() as folder:
        run = (testbed.ORCHESTRATOR, 'run', *SMALL, '-n', 1, '-m', 1, '-p', 'greedy', '-e', 1, '-t', 5, '--die-with-parent')
        status, left, seen = on_a_terminal(*run, '--wait-s', 2, '--db', os.path.join(folder, 'none.db'))
        tap.equal(status, 1, left)
        tap.contains(seen, 'nodes [' + 28 * '.' + ']   0%')
        tap.true(re.match(r'nodes: 0% in \d\.\d s\nhandoff-orchestrator: waited 2 s: 0 of 1 devices and 0 of 1 servers have joined',
                          left), left)

        def join(output):
            where = ('--orchestrator', f'127.0.0.1:{int(output.readline()[len("READY port="):])}', '--die-with-parent')
            nodes.extend(testbed.Program([program, *where]) for program in (testbed.EDGE_SERVER, testbed.MOBILE_NODE))
        nodes = []
        status, left, seen = on_a_terminal(*run, '--db', os.path.join(folder, 'all.db'), when_it_shows=(b'nodes [', join))
        tap.equal([status, *(node.wait() for node in nodes)], [0, 0, 0], left)
        tap.true(re.fullmatch(r'nodes: 100% in \d+\.\d s\n', left), f'{left!r}')


@tap.test
def nodes_that_cannot_print_play_their_run_and_say_so_at_the_end():
    with testbed.scratch() as folder, open('/dev/full', 'w', encoding='utf-8') as full:
        db = os.path.join(folder, 'x.db')
        run = testbed.start_orchestrator(*SMALL, '-n', 1, '-m', 1, '-p', 'greedy', '-e', 1, '-t', 5, '--db', db)
        where = ('--orchestrator', f'127.0.0.1:{run.port()}', '--die-with-parent')
        server = subprocess.Popen([testbed.EDGE_SERVER, *where], stdout=full, stderr=subprocess.PIPE, text=True)
        device = testbed.Program([testbed.MOBILE_NODE, *where])
        tap.equal(run.wait(), 0, run.text())
        tap.equal(device.wait(), 0, device.text())  # it prints nothing
        _, errors = server.communicate(timeout=testbed.DEADLINE_S)
        tap.equal(server.returncode, 1, errors)
        tap.equal(len(FULL.findall(errors)), 1, errors)


@tap.test
def a_file_that_cannot_be_written_is_named_with_the_reason():
    with testbed.scratch() as folder:
        db = experiment(folder)
        _, errors = testbed.orchestrator('export', 'tasks', '--db', db, '-o', '/dev/full', status=1)
        tap.contains(errors, '/dev/full: cannot write: ' + os.strerror(errno.ENOSPC))


tap.main()
