#!/usr/bin/env python3
"""Breaks one line at a time and reports what no test notices.

A mutant is a copy of one source file in which one line says something else: a comparison, an operator, a condition, a number, an
argument's place, a statement left out, a result that is always 0. Each is built in a private copy of the source tree, and the
tests nearest to the file are run until one fails: those of its room, whole sessions, all others; with --programs, those of the
programs, too. A test whose program is the same as without the mutant is not run. The mutants that survive name what can be broken
without notice. A survivor is a hole in the tests, or does no harm (the new line does the same, or says it more slowly): a person
has to tell. One whose machine code is the same is none.

  tests/mutants/mutants.py --count 20 --seed 1                    # 20 mutants of all rooms
  tests/mutants/mutants.py --count 50 core/model/link.c db        # of one file and of one room
  tests/mutants/mutants.py --count 20 --seed 1 --list             # which they would be

The same count, seed and files name the same mutants as long as the sources stay. A run that was interrupted goes on with the same
command: what is in the log (FOLDER/log.jsonl) is not done again; remove it when tests have changed. It takes minutes: first a build
of the tests that may run, then for each mutant a partial build and some tests. The suite e2e has tests of a minute, and a mutant that is caught
by its last one costs a dozen: name the files that need it (those of orchestrator/command, say). Or name the tests: with --then the
same command tries them on what has survived so far, and keeps what it finds in the log.

  tests/mutants/mutants.py --near --count 60 --seed 2                                       # the rooms' own tests
  tests/mutants/mutants.py --near --count 60 --seed 2 --then 'e2e said' --then 'e2e report'   # and these, for what is left
"""
import argparse
import collections
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
ROOMS = ('core', 'db', 'edge-server', 'mobile-node', 'orchestrator', 'proto')  # with sources of the programs
# What no compiler should take for a program; and sections, so that a program is the same when it does not use what is broken.
FATAL = '-Werror=incompatible-pointer-types -Werror=int-conversion -ffunction-sections -fdata-sections'
SUITES = ('sim', 'e2e', 'unit')
SLOW = ('e2e failures', 'e2e golden, AVX2 alone', 'e2e golden, no vectors, another libm')  # and alike to others
SLOWEST = 10  # a test that takes so many times as long as before has failed
LEAST_S = 20  # and longer than this
STAGES = 4    # Tree.plan: the room, whole sessions, all others, the programs

Mutant = collections.namedtuple('Mutant', 'file line kind old new')
Test = collections.namedtuple('Test', 'command environment suite folder programs')  # folder: below tests; programs to build

# ---- what can be broken in a line ----

COMPARISONS = {'<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '=='}
OPERATORS = {'+': '-', '-': '+', '*': '/', '/': '*'}
LOGIC = {'&&': '||', '||': '&&'}
WORDS = {'true': 'false', 'false': 'true'}
PLACE = r"\*?\(?[a-z][\w.>\[\] ()*+%-]*"  # what can be assigned to
STATEMENT = re.compile(rf'^ +(?:{PLACE} (?:[-+*/|&%]|<<|>>)?= .*|{PLACE}(?:\+\+|--)|(?:\(void\) )?[a-z][\w.>-]*\(.*\));$')
NO_STATEMENT = re.compile(r'^ +(?:return|break|continue|goto|const|struct|enum|static|unsigned|u?int\w*|size_t|double|float|bool|'
                          r'char|void)\b')


def hide(line):
    """The line with texts, characters and comments blanked out, column by column."""
    def blank(match):
        return match[0][0] + '~' * (len(match[0]) - 2) + match[0][-1]
    line = re.sub(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', blank, line)
    return re.sub(r'/\*.*?(?:\*/|$)', lambda match: '~' * len(match[0]), line)


def bodies(lines):
    """Numbers (from 0) of the lines within functions, without comments that span several."""
    inside = comment = False
    for number, line in enumerate(lines):
        if comment:
            comment = '*/' not in line
        elif line == '{':
            inside = True
        elif line.startswith('}'):
            inside = False
        else:
            comment = '/*' in line and '*/' not in line[line.index('/*'):]
            if inside and line.startswith('    '):
                yield number


def other_number(text):
    if '.' in text:
        return {'0.0': '1.0', '1.0': '2.0'}.get(text, repr(float(text) * 1.1))
    return str(int(text) + 1)


def replaced(line, match, group, new):
    return line[:match.start(group)] + new + line[match.end(group):]


def in_place(line, seen):
    """(kind, new line) for everything that one word or sign can be changed to."""
    for kind, pattern, table in (('comparison', r' (<=|>=|<|>|==|!=) ', COMPARISONS),
                                 ('operator', r'(?<=[\w)\]]) ([-+*/])=? (?=[\w(&-])', OPERATORS),
                                 ('logic', r' (&&|\|\|)(?: |$)', LOGIC),
                                 ('word', r'\b(true|false)\b', WORDS)):
        for match in re.finditer(pattern, seen):
            declared = kind == 'operator' and re.match(r'^ +(?:const )?(?:struct )?\w+ $', seen[:match.start() + 1])
            if not declared:
                yield kind, replaced(line, match, 1, table[match[1]])
    for match in re.finditer(r'(?<![\w.~])(\d+\.\d+|\d+)(?=u?\b)(?![.x])', seen):
        yield 'number', replaced(line, match, 1, other_number(match[1]))
    for match in re.finditer(r'(?<![\w.])(!)(?=[\w(])', seen):
        yield 'condition', replaced(line, match, 1, '')


def conditions(line, seen):
    match = re.match(r'^ +(?:} else )?(?:if|while) \((.*)\)(?: {)?$', seen)
    if match and match[1].count('(') == match[1].count(')'):
        yield 'condition', replaced(line, match, 1, f'!({line[match.start(1):match.end(1)]})')


def arguments(seen, start, end):
    """Where the arguments of a call stand between its brackets."""
    depth, first = 0, start
    for place in range(start, end + 1):
        sign = seen[place] if place < end else ','
        depth += (sign in '([{') - (sign in ')]}')
        if sign == ',' and depth == 0:
            yield first, place
            first = place + 2
    return


def swapped(line, seen):
    for match in re.finditer(r'\b(?!if\b|for\b|while\b|switch\b|sizeof\b|return\b)[a-z]\w+\(([^()]*(?:\([^()]*\)[^()]*)*)\)', seen):
        places = list(arguments(seen, match.start(1), match.end(1)))
        for (a, b), (c, d) in zip(places, places[1:]):
            if line[a:b] != line[c:d]:
                yield 'argument', line[:a] + line[c:d] + line[b:c] + line[a:b] + line[d:]


def left_out(line, seen, before):
    begins = before.rstrip().endswith((';', '{', '}', ':', ')', 'else')) or before.strip() == '' or before.rstrip().endswith('~')
    whole = begins and seen.count('(') == seen.count(')')
    if whole and STATEMENT.match(seen) and not NO_STATEMENT.match(seen) and not seen.strip().startswith('free('):
        yield 'statement', line[:len(line) - len(line.lstrip())] + ';'
    match = re.match(r'^ +return (.+);$', seen)
    if match and seen.count('(') == seen.count(')') and match[1] not in ('0', 'false', 'true', 'NULL'):
        yield 'result', replaced(line, match, 1, '0')


def mutants_of(file, text):
    """All mutants of a source file, in the order of its lines."""
    lines = text.split('\n')
    found = []
    for number in bodies(lines):
        line, seen = lines[number], hide(lines[number])
        if re.search(r'\bassert\(|\blog_\w+\(|_fail\(|snprintf\(|^ *#|^ *case ', seen):
            continue
        before = hide(lines[number - 1])
        for kind, new in (*in_place(line, seen), *conditions(line, seen), *swapped(line, seen), *left_out(line, seen, before)):
            if new != line:
                found.append(Mutant(file, number + 1, kind, line, new))
    return found


def choose(mutants, count, seed):
    """So many, drawn; each kind in its turn, so that the frequent ones do not crowd out the others."""
    draw = random.Random(seed)
    kinds = collections.defaultdict(list)
    for mutant in mutants:
        kinds[mutant.kind].append(mutant)
    for each in kinds.values():
        draw.shuffle(each)
    chosen = []
    while len(chosen) < count and any(kinds.values()):
        for kind in sorted(kinds):
            if kinds[kind] and len(chosen) < count:
                chosen.append(kinds[kind].pop())
    return chosen


def listed(*names):
    """The files of the tree, those too that are not committed yet, without what is built."""
    output = subprocess.run(['git', '-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard', *names],
                            capture_output=True, text=True, check=True).stdout
    return sorted(set(filter(None, output.split('\0'))))


def sources(names):
    """The programs' sources below these files and folders."""
    return sorted(name for name in listed(*(names or ROOMS)) if name.endswith('.c') and name.split('/')[0] in ROOMS)


# ---- a tree of our own ----

class Tree:
    """A copy of the sources with a build folder, the tests that it can run, and what they are made of without a mutant."""

    def __init__(self, folder, jobs, files, stages, named=()):
        """What is to be broken, the tests that are wanted of it by Tree.plan, and those by name."""
        self._named = named
        self.source, self.build, self._jobs = os.path.join(folder, 'source'), os.path.join(folder, 'build'), jobs
        self._times = os.path.join(folder, 'seconds.json')
        self._fresh()
        if not os.path.exists(os.path.join(self.build, 'build.ninja')):
            linker = {'CC_LD': 'lld'} if shutil.which('ld.lld') else {}
            subprocess.run(['meson', 'setup', self.build, self.source, '--buildtype=release', '-Doptimization=1',
                            '-Dc_args=' + FATAL, '-Dc_link_args=-Wl,--gc-sections'], check=True, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, **linker))
        error = self.make(['build.ninja'])  # a test may have come
        if error:
            sys.exit(f'the sources cannot be configured: {error}')
        self._objects = self._read_objects()
        self._tests = self._read_tests()
        self._usual_s = json.loads(read(self._times)) if os.path.exists(self._times) else {}
        wanted = {name for file in files for names in self.plan(file)[:stages] for name in names} | {*named} & {*self._tests}
        error = self.make(sorted({*self.programs(wanted), *(self._objects[file] for file in files if file in self._objects)}))
        if error:
            sys.exit(f'the sources do not build: {error}')
        self._made = {path: digest(os.path.join(self.build, path)) for path in self._paths()}

    def _fresh(self):
        """As the sources are now; files that are the same keep their times, so that little is built anew."""
        for name in listed():
            here, there = os.path.join(ROOT, name), os.path.join(self.source, name)
            if not os.path.isfile(here):
                continue
            os.makedirs(os.path.dirname(there), exist_ok=True)
            if not os.path.exists(there) or read(here) != read(there):
                shutil.copy(here, there)
                os.utime(there)  # newer than what an interrupted run has built

    def _read_objects(self):
        with open(os.path.join(self.build, 'compile_commands.json'), encoding='utf-8') as file:
            commands = json.load(file)
        return {os.path.relpath(os.path.join(self.build, one['file']), self.source): one['output'] for one in commands}

    def _read_tests(self):
        """The tests of SUITES by their names."""
        files = {target['id']: os.path.relpath(target['filename'][0], self.build) for target in self._introspect('--targets')}
        tests = {}
        for test in self._introspect('--tests'):
            suite = next((name for name in SUITES if name in {each.split(':')[-1] for each in test['suite']}), None)
            programs = [files[target] for target in test['depends']]
            if suite and programs and (test['name'] not in SLOW or test['name'] in self._named):
                folder = os.path.dirname(programs[0])[len('tests/'):]
                tests[test['name']] = Test(test['cmd'], test['env'], suite, folder, programs)
        return tests

    def _introspect(self, what):
        shown = subprocess.run(['meson', 'introspect', self.build, what], capture_output=True, text=True, check=True)
        return json.loads(shown.stdout)

    def _paths(self):
        """What is compared with the same thing without a mutant: objects and programs."""
        paths = {*self._objects.values(), *(program for test in self._tests.values() for program in test.programs)}
        return [path for path in paths if os.path.isfile(os.path.join(self.build, path))]

    def is_built(self, file):
        """Whether this machine has a use for the source: other processors' kernels are not built."""
        return self._objects.get(file) in self._made

    def object_of(self, file):
        return self._objects[file]

    def same(self, path):
        """Whether the object or program is what it is without a mutant."""
        return digest(os.path.join(self.build, path)) == self._made[path]

    def plan(self, file):
        """The tests of a file in stages: those of its name and of its room, whole sessions, all others, the programs."""
        stem = os.path.basename(file)[:-2]
        parts = os.path.dirname(file).split('/')
        rooms = {'unit/' + name for name in ('/'.join(parts[1:]), parts[-1], parts[-1].split('-')[0]) if name}

        family = 'unit/' + parts[1] + '/' if len(parts) > 2 else '-'  # rooms of one room, such as policies

        def has_its_name(name):
            words, own = set(name.split(' ')[-1].split('_')), set(stem.split('_'))
            return words <= own or own <= words

        def rank(name):
            return (not has_its_name(name), self._usual_s.get(name, 0.0), name)

        def stage_of(name):
            test = self._tests[name]
            if test.suite == 'e2e':
                return 3
            if test.folder in rooms or test.folder.startswith(family) or has_its_name(name):
                return 0
            return 1 if test.suite == 'sim' else 2
        return [sorted((name for name in self._tests if stage_of(name) == stage), key=rank) for stage in range(STAGES)]

    def make(self, targets):
        """The end of what the build says when it fails; None: it is built."""
        result = subprocess.run(['ninja', f'-j{self._jobs}', '-C', self.build, *targets], capture_output=True, text=True)
        errors = [line for line in result.stdout.split('\n') if 'error:' in line]
        return None if result.returncode == 0 else (errors or [result.stdout])[0][-160:]

    def has(self, name):
        return name in self._tests

    def programs(self, names):
        return sorted({program for name in names for program in self._tests[name].programs})

    def is_other(self, name):
        """Whether the mutant is in what the test runs."""
        return not all(self.same(program) for program in self._tests[name].programs)

    def run(self, name):
        """Why the test failed, as soon as it does; None: it passed."""
        limit_s = max(LEAST_S, SLOWEST * self._usual_s.get(name, LEAST_S))
        test = self._tests[name]
        process = subprocess.Popen(test.command, cwd=self.build, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   errors='replace', env={**os.environ, **test.environment}, start_new_session=True)
        late = threading.Timer(limit_s, end, [process])
        late.start()
        try:
            failed = next((line.strip() for line in process.stdout if line.startswith('not ok')), None)
        finally:
            in_time = late.is_alive()
            late.cancel()
            if failed:
                end(process)
            process.stdout.close()
            status = process.wait()
        if failed:
            return failed[:120]
        return None if status == 0 else f'status {status}' if in_time else f'not done after {limit_s:.0f} s'

    def learn(self, names):
        """Runs the tests that were never run, on the sources as they are; forgets those that fail here anyway."""
        unknown = [name for name in names if self.has(name) and name not in self._usual_s]
        if not unknown:
            return
        error = self.make(self.programs(unknown))
        if error:
            sys.exit(f'the sources do not build: {error}')
        for name in unknown:
            start = time.monotonic()
            why = self.run(name)
            if why:
                print(f'{name}: left out, it fails without a mutant: {why}', flush=True)
                del self._tests[name]
            else:
                self._usual_s[name] = round(time.monotonic() - start, 2)
        with open(self._times, 'w', encoding='utf-8') as file:
            json.dump(self._usual_s, file, indent=1)


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def digest(path):
    return hashlib.sha256(read(path)).hexdigest()


@contextlib.contextmanager
def broken(path, mutant):
    """The file with the mutant in it, as long as the block runs."""
    text = read(path)
    lines = text.decode().split('\n')
    assert lines[mutant.line - 1] == mutant.old
    lines[mutant.line - 1] = mutant.new
    try:
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines))
        yield
    finally:
        with open(path, 'wb') as file:
            file.write(text)


def batches(names):
    """The first alone: most mutants end there, and what is not built costs nothing."""
    size = 1
    while names:
        yield names[:size]
        names, size = names[size:], 3 * size


def try_stage(tree, names):
    """(result, why) of tests with the mutant in place; None: they all passed."""
    for some in batches(names):
        error = tree.make(tree.programs(some))
        if error:
            return 'not built', error
        for name in some:
            why = tree.run(name) if tree.is_other(name) else None
            if why:
                return 'caught', f'{name}: {why}'
    return None


def test_named(tree, mutant, names):
    """(result, why) of tests that are named, for what has survived all others."""
    tree.learn(names)
    with broken(os.path.join(tree.source, mutant.file), mutant):
        return try_stage(tree, [name for name in names if tree.has(name)]) or ('survived', '')


def test_mutant(tree, mutant, stages):
    """(result, why): caught, survived, same (the same machine code), or not built."""
    if not tree.is_built(mutant.file):
        return 'not built', 'not for this processor'
    path, made = os.path.join(tree.source, mutant.file), tree.object_of(mutant.file)
    with broken(path, mutant):
        error = tree.make([made])
        if error:
            return 'not built', error
        if tree.same(made):
            return 'same', ''
    for stage in range(stages):
        tree.learn(tree.plan(mutant.file)[stage])  # on the sources as they are
        with broken(path, mutant):
            result = try_stage(tree, tree.plan(mutant.file)[stage])
        if result:
            return result
    return 'survived', ''


# ---- the whole ----

def key(mutant):
    return '\n'.join(map(str, mutant))


def read_log(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding='utf-8') as file:
        entries = [json.loads(line) for line in file]
    return {key(Mutant(*entry['mutant'])): entry for entry in entries}


def report(entries):
    counts = collections.Counter(entry['result'] for entry in entries)
    judged = counts['caught'] + counts['survived']
    print(f"\n{len(entries)} mutants: {counts['caught']} caught, {counts['survived']} survived, {counts['same']} with the same code, "
          f"{counts['not built']} not built", flush=True)
    if judged > 0:
        print(f"{100 * counts['caught'] / judged:.0f} % of those that are other programs were caught")
    for entry in entries:
        if entry['result'] == 'survived':
            file, line, kind, old, new = entry['mutant']
            print(f'\n{file}:{line} ({kind})\n  - {old.strip()}\n  + {new.strip()}')


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', metavar='FILE', nargs='*', help='sources or folders to break (default: all of the programs)')
    parser.add_argument('--count', metavar='N', type=int, default=20, help='how many mutants (default 20)')
    parser.add_argument('--seed', metavar='S', type=int, default=1, help='which ones are drawn (default 1)')
    parser.add_argument('--folder', metavar='DIR', default=os.path.join(ROOT, 'build-mutants'),
                        help='where the copy, its build and the log lie (default build-mutants)')
    parser.add_argument('-j', '--jobs', metavar='N', type=int, default=2, help='compilers at a time (default 2)')
    parser.add_argument('--near', action='store_true', help="run only the tests of the file's room: faster, and more survive")
    parser.add_argument('--programs', action='store_true', help='run the suite e2e, too: minutes more for what survives so far')
    parser.add_argument('--then', metavar='TEST', action='append', default=[],
                        help='a test by its name that is tried on what survives; can be given several times')
    parser.add_argument('--list', action='store_true', help='print the mutants, build nothing')
    options = parser.parse_args()
    options.stages = 1 if options.near else STAGES if options.programs else STAGES - 1
    if options.count < 1 or options.jobs < 1:
        parser.error('--count and --jobs are at least 1')
    return options


def main():
    options = parse()
    names = sources(options.files)
    if not names:
        sys.exit('no source of the programs has such a name')
    found = [mutant for name in names for mutant in mutants_of(name, read(os.path.join(ROOT, name)).decode())]
    chosen = choose(found, options.count, options.seed)
    if options.list:
        for mutant in chosen:
            print(f'{mutant.file}:{mutant.line} ({mutant.kind})\n  - {mutant.old.strip()}\n  + {mutant.new.strip()}')
        return
    os.makedirs(options.folder, exist_ok=True)
    log = os.path.join(options.folder, 'log.jsonl')
    known, tree, entries = read_log(log), None, []
    for number, mutant in enumerate(chosen, 1):
        entry = known.get(key(mutant))
        left = [name for name in options.then if entry is None or entry['result'] == 'survived' and name not in entry.get('tried', [])]
        if entry is None or left:
            tree = tree or Tree(options.folder, options.jobs, {one.file for one in chosen}, options.stages, options.then)
            start = time.monotonic()
            result, why = test_mutant(tree, mutant, options.stages) if entry is None else ('survived', '')
            if result == 'survived' and left:
                result, why = test_named(tree, mutant, left)
            entry = {'mutant': list(mutant), 'result': result, 'why': why, 'seconds': round(time.monotonic() - start, 1),
                     'tried': (entry or {}).get('tried', []) + left}
            with open(log, 'a', encoding='utf-8') as file:
                file.write(json.dumps(entry) + '\n')
        entries.append(entry)
        print(f"{number}/{len(chosen)} {mutant.file}:{mutant.line} {mutant.kind}: {entry['result']} after {entry['seconds']} s "
              f"{entry['why']}", flush=True)
    report(entries)


if __name__ == '__main__':
    main()
