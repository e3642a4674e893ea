"""Every n-th allocation, read and write of a short run fails, and so do some of every command and of the nodes: the program ends
with a documented status and says why, the file is whole, what was committed is there, and the run can be resumed.

With --all (meson test -C build --suite failures) every n is tried; else all of those that are few, and a spread of the others. Of
allocations it is the first one of each place of the program: hundreds, of tens of thousands of calls.
"""
import concurrent.futures
import errno
import itertools
import os
import re
import shutil
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import failing
import tap
import testbed

ALL = '--all' in sys.argv
AT_A_TIME = 2
DEADLINE_S = 120  # a program that is not over by then stands still
WORLD = ('-s', 'dapo-quick', '-n', '2', '-m', '1', '-e', '2', '-t', '4', '--set', 'evaluation.test_episodes=1', '--set',
         'evaluation.test_slots=4', '--set', 'evaluation.validate_episodes=1', '--set', 'evaluation.validate_slots=2')
LEARNS = ('--set', 'ddpg.warmup=2', '--set', 'ddpg.batch=2')
SWEEP = """\
name: small
scenario: dapo-quick
seeds: 1..1
set: {devices.count: 2, servers.count: 1, evaluation.test_episodes: 1, evaluation.test_slots: 4}
experiments:
  - name: rules
    policies: [local, greedy]
"""
# Something of every figure.
LEARNERS = """\
name: learners
scenario: dapo-quick
seeds: [1, 2]
set: {devices.count: 2, servers.count: 1, run.episodes: 2, run.slots: 4, ddpg.warmup: 2, ddpg.batch: 2,
      evaluation.validate_episodes: 1, evaluation.validate_slots: 2, evaluation.test_episodes: 1, evaluation.test_slots: 4}
experiments:
  - {name: many, policies: [dapo, local, optimum], vary: {devices.count: [2, 3]}, curve: true, record_tasks: all}
"""
SAID = re.compile(r'^handoff-[a-z-]+( [a-z]+)?: .+', re.M)


class Case:
    """A command, tried in folders of its own that begin as copies of one."""

    def __init__(self, folder, *arguments, path=None):
        self.folder, self.arguments, self.path = folder, arguments, path

    def play(self, wish, after=None):
        """Runs it once; `after` looks at the folder and at how it ended, and its result is returned."""
        with tempfile.TemporaryDirectory(prefix='handoff-test-') as place:
            shutil.copytree(self.folder, place, dirs_exist_ok=True)
            ended = failing.run(wish, *(str(a).replace('@', place) for a in self.arguments), deadline_s=DEADLINE_S, path=self.path)
            ended.errors = ended.errors.replace(place, '@')
            ended.output = ended.output.replace(place, '@')
            return after(place, ended) if after else ended

    def calls(self, kind):
        ended = self.play(f'{kind}:0')
        tap.equal(ended.status, 0, f'{self.arguments}: {ended.errors}')
        return ended.calls

    def without_memory(self):
        """Wishes: that the first allocation of each place fails."""
        ended = self.play('memory:0')
        tap.equal(ended.status, 0, f'{self.arguments}: {ended.errors}')
        tap.true(1 < len(ended.places) < 2000, f'{len(ended.places)} places of {ended.calls} allocations')
        return [f'memory:{n}' for n in (range(1, ended.calls + 1) if ALL else ended.places)]


def numbers(calls, most, last=0):
    """Which calls are to fail: all, or at most `most`, half of them among the `last` ones where that is given."""
    if ALL or calls <= most:
        return range(1, calls + 1)
    if last == 0 or calls <= last:
        return failing.spread(calls, most)
    behind = failing.spread(last, most // 2)
    return sorted({*failing.spread(calls - last, most - most // 2), *(calls - last + n for n in behind)})


def for_each(wishes, look):
    """Calls look(wish) for each, some at a time, and names the wish that did not go well."""
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for wish, future in [(wish, pool.submit(look, wish)) for wish in wishes]:
            try:
                future.result()
            except AssertionError as error:
                raise AssertionError(f'HANDOFF_FAIL={wish}: {error}') from error


def check_end(ended, allowed=(0, 1)):
    """It ends as the manual says, and says why on a line of its own."""
    tap.true(ended.status in allowed, f'status {ended.status}, one of {allowed} expected: {ended.errors}')
    if ended.status != 0:
        tap.true(SAID.search(ended.errors + ended.output.replace('failed: ', 'handoff-orchestrator: ')), f'it says why: {ended.errors!r}')
    tap.true('ssertion' not in ended.errors, ended.errors)


def check_file(db):
    """What can be looked at is whole. An empty file is one that was about to be made."""
    if not os.path.exists(db) or os.path.getsize(db) == 0:
        return False
    connection = sqlite3.connect(db)  # may fold back what a failure has left beside it
    try:
        tap.equal(connection.execute('PRAGMA integrity_check').fetchall(), [('ok',)], 'integrity_check')
        tap.equal(connection.execute('PRAGMA foreign_key_check').fetchall(), [], 'foreign_key_check')
        return connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'run'").fetchone() == (1,)
    finally:
        connection.close()


def experience_of(db, run):
    """What a run that is resumed after its last episode would begin with."""
    return testbed.rows(db, 'SELECT episode, first_transition, transition_count, transitions FROM experience WHERE run_id = ?', run)


def tasks_of(db, run):
    return testbed.rows(db, 'SELECT * FROM task WHERE run_id = ? ORDER BY episode, slot, device', run)


def status_of(db, run):
    found = testbed.rows(db, 'SELECT status FROM run WHERE run_id = ?', run)
    return found[0][0] if found else None


def check_run(reference, run, more, place, ended):
    """A run that met a failure: nothing but a beginning of it is there, and it goes on from there to its end."""
    db = os.path.join(place, 'x.db')
    check_end(ended)
    log = os.path.exists(db + '-wal') and os.path.getsize(db + '-wal') > 0
    tap.true(not log or f'keep {db}-wal beside it'.replace(place, '@') in ended.errors, f'the log is named: {ended.errors!r}')
    status = status_of(db, run) if check_file(db) else None
    tap.true(ended.status != 0 or status == 'finished', f'ended with 0, and the run is {status}')
    if status is not None:
        there = tasks_of(db, run)
        tap.equal(there, reference[:len(there)], 'tasks that are there')
    if status in ('running', 'aborted'):
        testbed.orchestrator('run', '-q', '--resume', '--db', db)
    elif status is None:
        testbed.orchestrator(*more, '--db', db)
    tap.equal(status_of(db, run), 'finished', 'status in the end')
    tap.equal(tasks_of(db, run), reference, 'tasks in the end')
    testbed.check_database(db)


class recorded:
    """A folder with an experiment's file: run 1, and those of a sweep."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='handoff-test-')
        self.db, sweep = os.path.join(self.folder, 'x.db'), os.path.join(self.folder, 'small.yaml')
        with open(sweep, 'w', encoding='utf-8') as file:
            file.write(SWEEP)
        testbed.orchestrator('run', '-q', '--over', 'memory', *WORLD, '-p', 'greedy', '--db', self.db)
        testbed.orchestrator('sweep', sweep, '-q', '-j', 1, '--db', self.db)
        with open(os.path.join(self.folder, 'other.yaml'), 'w', encoding='utf-8') as file:
            file.write(SWEEP.replace('name: small', 'name: other'))
        with open(os.path.join(self.folder, 'learners.yaml'), 'w', encoding='utf-8') as file:
            file.write(LEARNERS)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)


def fail_run(folder, policy, run, wishes_of):
    """A run over memory into x.db of the folder, as run number `run`, failing as wished."""
    words = ('run', '-q', '--over', 'memory', *WORLD, *(() if policy == 'greedy' else LEARNS), '-p', policy)
    case = Case(folder, testbed.ORCHESTRATOR, *words, '--db', '@/x.db')
    reference, experience = case.play('', lambda place, ended: [what(os.path.join(place, 'x.db'), run)
                                                                for what in (tasks_of, experience_of)])
    tap.equal(len(reference), 16, 'tasks')

    def look(wish, place, ended):
        if ended.status != 0 and wish.startswith('write'):
            tap.true('disk is full' in ended.errors or os.strerror(errno.ENOSPC) in ended.errors, f'the reason: {ended.errors!r}')
        check_run(reference, run, words, place, ended)
        tap.equal(experience_of(os.path.join(place, 'x.db'), run), experience, 'experience in the end')
    for_each(wishes_of(case), lambda wish: case.play(wish, lambda place, ended: look(wish, place, ended)))


@tap.test
def a_run_into_a_new_file_that_cannot_read_or_write_leaves_it_whole():
    with testbed.scratch() as folder:
        fail_run(folder, 'greedy', 1, lambda case: [f'{kind}:{n}' for kind in ('open', 'sync', 'truncate', 'read', 'write')
                                                    for n in numbers(case.calls(kind), 45)])


@tap.test
def a_run_on_a_disk_that_stays_full_or_broken_leaves_its_file_whole():
    with testbed.scratch() as folder:
        fail_run(folder, 'greedy', 1, lambda case: [f'{kind}:{n}+' for kind in ('read', 'write')
                                                    for n in numbers(case.calls(kind), 15)])


@tap.test
def a_run_without_memory_leaves_its_file_whole():
    with recorded() as there:
        runs = testbed.one(there.db, 'SELECT max(run_id) FROM run') + 1
        fail_run(there.folder, 'greedy', runs, Case.without_memory)


@tap.test
def a_learner_that_meets_a_failure_goes_on_from_its_checkpoint():
    with recorded() as there:
        runs = testbed.one(there.db, 'SELECT max(run_id) FROM run') + 1
        fail_run(there.folder, 'dapo', runs, lambda case: case.without_memory() +
                 [f'write:{n}' for n in numbers(case.calls('write'), 20)])
        fail_run(there.folder, 'dqn', runs, Case.without_memory)


@tap.test
def every_command_that_meets_a_failure_says_so_and_leaves_the_file_whole():
    with recorded() as there:
        for words in (('show', 'runs'), ('show', 'keys', '--json'), ('show', 'policies'), ('export', 'tasks'), ('replay', '--verify', '-q'),
                      ('evaluate', '-q', '--run', '1', '-p', 'local'), ('compare', '--json'), ('compare',), ('delete', '--run', '1'),
                      ('delete', '--compact'), ('replay', '-q', '--run', '1', '--policy', 'local'),
                      ('sweep', '@/other.yaml', '-q', '-j', '1')):
            case = Case(there.folder, testbed.ORCHESTRATOR, *words, '--db', '@/x.db')
            rightly = case.play('').output

            def look(place, ended):
                check_end(ended)
                check_file(os.path.join(place, 'x.db'))
                if ended.status == 0 and words[0] not in ('sweep', 'evaluate', 'replay'):  # these tell times
                    tap.equal(ended.output, rightly, 'what it prints')
            for_each(case.without_memory() + [f'{kind}:{n}' for kind, most in (('read', 4), ('write', 4), ('open', 3))
                                              for n in numbers(case.calls(kind), most)], lambda wish: case.play(wish, look))


@tap.test
def a_comparison_without_memory_says_what_it_was_about():
    with recorded() as there:
        said = set()
        for form in ((), ('--json',)):
            case = Case(there.folder, testbed.ORCHESTRATOR, 'compare', '--db', '@/x.db', *form)

            def look(wish, case=case):
                ended = case.play(wish)
                if ended.status != 0:
                    said.add(re.sub(r'\d+', 'N', ended.errors))
            for_each(case.without_memory(), look)
        of_sqlite = re.compile(r'handoff-orchestrator: @/x\.db: (cannot [a-z ]+: )?out of memory\n')
        tap.equal(sorted(text for text in said if not of_sqlite.fullmatch(text)),
                  ['handoff-orchestrator compare: Cannot allocate memory\n', 'handoff-orchestrator: comparison: Cannot allocate memory\n',
                   'handoff-orchestrator: intervals over N seeds: Cannot allocate memory\n', 'handoff-orchestrator: out of memory\n',
                   'handoff-orchestrator: results: Cannot allocate memory\n', 'handoff-orchestrator: results: out of memory\n'],
                  'what is said')


# It draws nothing: what matters is that it is asked, and that the page takes what it leaves.
GNUPLOT = """#!/bin/sh
echo '<svg width="1"><desc>none</desc><g id="a"/></svg>' > "${2%.gp}.svg"
"""


def files_in(folder):
    """Names and contents, but for the page's time and the folder's name."""
    found = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        with open(os.path.join(folder, name), encoding='utf-8') as file:
            found[name] = re.sub(r'\d{4}-\d\d-\d\dT[\d:]+Z', 'TIME', file.read()).replace(os.path.dirname(folder), '@')
    return found


def first_other_line(text, wanted):
    """(line, wanted line) where two texts are different at first."""
    return next((pair for pair in itertools.zip_longest(text.split('\n'), wanted.split('\n')) if pair[0] != pair[1]), None)


@tap.test
def a_report_without_memory_is_whole_or_says_why_it_is_not():
    with recorded() as there:
        path = os.path.join(there.folder, 'bin')
        os.makedirs(path)
        with open(os.path.join(path, 'gnuplot'), 'w', encoding='ascii') as file:
            file.write(GNUPLOT)
        os.chmod(os.path.join(path, 'gnuplot'), 0o755)
        testbed.orchestrator('sweep', os.path.join(there.folder, 'learners.yaml'), '-q', '-j', 1, '--db', there.db)
        case = Case(there.folder, testbed.ORCHESTRATOR, 'report', '@/x.db', '-o', '@/out', '-q', path=path)
        rightly = case.play('', lambda place, ended: (ended.status, ended.errors, files_in(os.path.join(place, 'out'))))
        tap.equal(rightly[:2], (0, ''), 'a report that meets no failure')
        tap.true(len(rightly[2]) > 8, f'{sorted(rightly[2])}')

        def look(place, ended):
            check_end(ended)
            tap.true('left out' not in ended.errors, f'nothing is missing without a reason: {ended.errors!r}')
            if ended.status == 0:
                made = files_in(os.path.join(place, 'out'))
                tap.equal(sorted(made), sorted(rightly[2]), 'names of files')
                for name, text in made.items():
                    tap.equal(first_other_line(text, rightly[2][name]), None, name)
        for_each(case.without_memory(), lambda wish: case.play(wish, look))


@tap.test
def a_training_that_meets_a_failure_says_so_and_goes_on_from_its_state():
    with testbed.scratch() as folder:
        for part in ('train', 'evaluation'):
            os.makedirs(os.path.join(folder, 'texts', part))
            with open(os.path.join(folder, 'texts', part, 'a.txt'), 'w', encoding='ascii') as file:
                file.write('the cat and the hat ' * 20)
        words = ('train', '@/texts', '-q', '-o', '@/model', '--layers', '2', '--width', '8', '--heads', '2', '--hidden', '8',
                 '--vocabulary', '260', '--context', '8', '--steps', '3', '--save-s', '0')
        case = Case(folder, testbed.ORCHESTRATOR, *words)

        def read_model(place, ended):
            tap.equal(ended.status, 0, ended.errors)
            with open(os.path.join(place, 'model', 'model.safetensors'), 'rb') as file:
                return file.read()

        def look(place, ended):
            check_end(ended)
            resume = ['--resume'] if os.path.exists(os.path.join(place, 'model', 'training.state')) else []
            again = failing.run('', testbed.ORCHESTRATOR, *(word.replace('@', place) for word in words), *resume,
                                deadline_s=DEADLINE_S)
            tap.equal(read_model(place, again), rightly, 'the model in the end')

        rightly = case.play('', read_model)
        for_each([f'{kind}:{n}' for kind in ('memory', 'read', 'write', 'open') for n in numbers(case.calls(kind), 30)],
                 lambda wish: case.play(wish, look))


# ---- over TCP ----

NODE_STATUSES = (0, 1, 3, 4, 6, 7)  # as their manual pages say


class Processes:
    """A run over TCP of three processes, one of which meets a failure."""

    def __init__(self, wish, failing_one, folder):
        self.folder, self.db, self.count = folder, os.path.join(folder, 'x.db'), os.path.join(folder, 'calls')
        env = {failing_one: failing.environment(wish, self.count)}
        self.all = {'orchestrator': testbed.Program(
            [testbed.ORCHESTRATOR, 'run', '-q', *WORLD, '-p', 'greedy', '--db', self.db, '--wait-s', '3', '--stall-s', '2',
             '--die-with-parent'], env=env.get('orchestrator'))}
        try:
            where = ('--orchestrator', f'127.0.0.1:{self.all["orchestrator"].port()}', '--reconnect-s', '1', '--die-with-parent')
        except AssertionError:
            return  # it has ended before it listened
        self.all['server'] = testbed.Program([testbed.EDGE_SERVER, *where], env=env.get('server'))
        self.all['device'] = testbed.Program([testbed.MOBILE_NODE, *where, '--count', '2'], env=env.get('device'))

    def wait(self):
        return {name: (program.wait(), program.text()) for name, program in self.all.items()}


def check_processes(wish, failing_one):
    with testbed.scratch() as folder:
        run = Processes(wish, failing_one, folder)
        for name, (status, text) in run.wait().items():
            allowed = (0, 1) if name == 'orchestrator' else NODE_STATUSES
            tap.true(status in allowed, f'{name} ended with {status}: {text}')
            tap.true(status in (0, 7) or SAID.search(text), f'{name} says why: {text!r}')
            tap.true('ssertion' not in text, text)
        if check_file(run.db) and status_of(run.db, 1) in ('running', 'aborted'):
            testbed.orchestrator('run', '-q', '--resume', '--over', 'memory', '--db', run.db)
            tap.equal(status_of(run.db, 1), 'finished', 'status in the end')
            testbed.check_database(run.db)


def calls_of_processes(kind, failing_one):
    with testbed.scratch() as folder:
        run = Processes(f'{kind}:0', failing_one, folder)
        for name, (status, text) in run.wait().items():
            tap.equal(status, 0, f'{name}: {text}')
        with open(run.count, encoding='ascii') as file:
            return int(file.readline())


@tap.test
def processes_over_tcp_of_which_one_meets_a_failure_end_and_say_so():
    for one, last in (('device', 40), ('server', 40), ('orchestrator', 200)):
        for kind, most in (('memory', 12), ('read', 4), ('write', 4)):
            for_each([f'{kind}:{n}' for n in numbers(calls_of_processes(kind, one), most, last if kind == 'memory' else 0)],
                     lambda wish: check_processes(wish, one))


tap.main()
