"""What commands say of small runs, in words, in JSON and in errors, is what they said: tests/golden/said.txt.

Wall times, dates and sizes of files are left out, and numbers have nine digits: libraries differ in the last ones. To renew:
meson test -C build 'e2e said' --test-args=--write"""
import csv
import json
import os
import re
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import small_llama
import sweeps
import tap
import testbed

GOLDEN = os.path.join(testbed.SOURCE_ROOT, 'tests', 'golden', 'said.txt')
WRITE = '--write' in sys.argv[6:]
WORLD = ('-s', 'dapo-quick', '-n', 3, '-m', 2)
HELD_OUT = ('--set', 'evaluation.validate_episodes=1', '--set', 'evaluation.validate_slots=5', '--set', 'evaluation.test_episodes=1',
            '--set', 'evaluation.test_slots=10')
LEARNS = ('--set', 'ddpg.warmup=10', '--set', 'ddpg.batch=8', '--set', 'ddpg.hidden_1=8', '--set', 'ddpg.hidden_2=8')
IN_MEMORY = ('run', '--over', 'memory', *WORLD)
FAULTS = 'slot 3 kill server 1; slot 8 kill device 0; slot 12 rejoin server 1; slot 15 slow server 0 by 0.5 for 3'
SWEEP = """\
name: small
scenario: dapo-quick
seeds: [1, 2]
set: {devices.count: 3, servers.count: 2, run.episodes: 2, run.slots: 20, ddpg.warmup: 10, ddpg.batch: 8, ddpg.hidden_1: 8,
      ddpg.hidden_2: 8, evaluation.validate_episodes: 1, evaluation.validate_slots: 5, evaluation.test_episodes: 1,
      evaluation.test_slots: 10}
experiments:
  - {name: rules, policies: [local, greedy]}
  - {name: learning, policies: [dapo, optimum, ppo], vary: {devices.count: [2, 3]}, train: once}
  - {name: queue, policies: [greedy, optimum], set: {run.mode: queue}}
"""

# ---- what differs from machine to machine, and from run to run ----

CLOCKED = ('wall_s', 'started_utc')  # columns
MASKS = (
    (r'\d{4}-\d\d-\d\dT[\d:]+Z', 'TIME'),
    (r'in \d+\.\d s \(\d+ slots/s\)', 'in S s (N slots/s)'),
    (r'played in \d+\.\d s, \d+\.\d\d cores busy', 'played in S s, N cores busy'),
    (r'about \d+ s with', 'about S s with'),
    (r'("(?:wall_s|cpu_s|first_token_s|per_token_s|cores_busy|bytes_before|bytes_after)": ?)[-+.e\d]+', r'\1N'),
    (r'\d+\.\d MB', 'N MB'),
    (r'(; known are|, and shipped are) dapo, .*', r'\1 ...'),
)
PROGRESS = re.compile(r'^\S+: \d+%(?:,| in) .*\n', re.M)  # of what takes more than four seconds


def plain(text):
    for pattern, what in MASKS:
        text = re.sub(pattern, what, text)
    return re.sub(r'-?\d+\.\d{9,}(?:e[-+]?\d+)?', lambda match: f'{float(match[0]):.9g}', text)


def without_clock(lines):
    """A table in which columns of CLOCKED are left out, whether it is CSV or words; other lines as they are."""
    comma = lines and ',' in lines[0] and '  ' not in lines[0]
    head = next(csv.reader([lines[0]])) if comma else re.split('  +', lines[0].strip()) if lines else []
    if lines[:1] == ['['] or not any(name in CLOCKED for name in head):
        return lines
    rows = [next(csv.reader([line])) if comma else re.split('  +', line.strip()) for line in lines]
    kept = [i for i, name in enumerate(head) if name not in CLOCKED]
    return [(',' if comma else '  ').join(row[i] for i in kept) for row in rows]


def folded(value):
    """JSON in long lines, each row of a table from a new one: thousands of lines would hide what is different."""
    rows, short = [], {}
    for key, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, list) and len(item) > 1:
            rows += [{key: [one]} for one in item]
        else:
            short[key] = item
    rows = value if isinstance(value, list) else [short, *rows]
    return [line for row in rows for line in textwrap.wrap(json.dumps(row), 118, break_long_words=False, break_on_hyphens=False)]


def lines_of(output):
    text = plain(output)
    try:
        return folded(json.loads(re.sub(r'": ?N(?=[,}\n])', '": "N"', text)))
    except ValueError:
        return without_clock(text.splitlines())


# ---- one command after another ----

class Said:
    """Plays commands in a folder and compares what they say with a part of the golden file, from its "# title" on."""

    def __init__(self, title, folder):
        self.title, self.folder, self.lines = title, folder, []

    def say(self, *words, lines=None, fails=False):
        """`lines`: only the first ones, of what is long and looked at elsewhere."""
        ended = subprocess.run([testbed.ORCHESTRATOR, *map(str, words)], cwd=self.folder, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=testbed.DEADLINE_S, check=False)
        self.lines.append('$ ' + ' '.join(f"'{word}'" if ' ' in str(word) else str(word) for word in words))
        self.lines += lines_of(ended.stdout.replace(self.folder, '.'))[:lines]
        self.lines += ['! ' + line for line in plain(PROGRESS.sub('', ended.stderr).replace(self.folder, '.')).splitlines()]
        tap.equal(ended.returncode != 0, fails, f'{words} fails: {ended.stderr}')
        if fails:
            self.lines.append(f'= {ended.returncode}')

    def end(self):
        with open(GOLDEN, encoding='utf-8') as file:
            parts = dict(re.findall(r'^# (.*)\n((?:(?!# ).*\n)*)', file.read(), re.M))
        if WRITE:
            parts[self.title] = ''.join(line.rstrip() + '\n' for line in self.lines)
            with open(GOLDEN, 'w', encoding='utf-8') as file:
                file.writelines(f'# {title}\n{part}' for title, part in parts.items())
        golden = parts.get(self.title, '').splitlines()
        command = ''
        for line, wanted in zip(self.lines, golden):
            command = line if line.startswith('$') else command
            tap.equal(line.rstrip(), wanted, f'{self.title}: {command}')
        tap.equal(len(self.lines), len(golden), f'{self.title}: lines')


def said(title):
    """A test of one part: it gets a Said in a folder of its own."""
    def make(play):
        def compared():
            with testbed.scratch() as folder:
                part = Said(title, folder)
                play(part)
                part.end()
        compared.__name__ = play.__name__
        return tap.test(compared)
    return make


def in_both_forms(part, *words, **options):
    part.say(*words, **options)
    part.say(*words, '--json', **options)


@said('runs')
def what_is_said_of_recorded_runs_is_what_was_said(part):
    part.say(*IN_MEMORY, *HELD_OUT, *LEARNS, '-p', 'dapo', '-e', 2, '-t', 30, '--db', 'x.db')
    part.say(*IN_MEMORY, '-p', 'greedy', '-e', 2, '-t', 5, '--db', 'x.db', '--json')
    part.say('evaluate', '--run', 1, '-p', 'dapo,local,greedy,optimum', '--db', 'x.db')
    part.say('evaluate', '--run', 1, '-p', 'dapo,random', '--db', 'x.db', '--json')
    in_both_forms(part, 'evaluate', '--run', 1, '--phase', 'validate', '-p', 'dapo,local,optimum', '--db', 'x.db')
    in_both_forms(part, 'evaluate', *WORLD, *HELD_OUT, '--draws', 3, '-p', 'local,greedy,random')
    part.say('evaluate', *WORLD, *HELD_OUT, *LEARNS, '--draws', 2, '-p', 'local,dapo', '--run', 1, '--db', 'x.db')
    part.say('replay', '--policy', 'edge-nearest', '--run', 2, '--db', 'x.db')
    part.say('replay', '--policy', 'random', '--run', 2, '--db', 'x.db', '--json')
    part.say('replay', '--verify', '--db', 'x.db')
    part.say('replay', '--verify', '--db', 'x.db', '--json', lines=12)
    for word in ('runs', 'comparison', 'episodes', 'splits', 'servers'):
        part.say('show', word, '--db', 'x.db')
        part.say('show', word, '--db', 'x.db', '--json', lines=20)
    for word in ('comparison', 'episodes', 'splits', 'servers'):
        part.say('show', word, '--run', 1, '--db', 'x.db')
    for metric in ('cost', 'latency', 'energy', 'p95', 'regret'):
        part.say('compare', '--metric', metric, '--db', 'x.db')
    part.say('run', '--resume', '--db', 'x.db')
    part.say('run', '--resume', '-e', 3, '--run', 2, '--db', 'x.db')
    part.say('run', '--resume', '-e', 3, '--run', 2, '--db', 'x.db', '--json')
    part.say('run', '--over', 'memory', '--from', 1, '-e', 1, '-t', 5, '--db', 'x.db')
    for what in ('tasks', 'episodes', 'events'):
        for form in ('csv', 'json'):
            part.say('export', what, '--run', 2, '--db', 'x.db', '--format', form, lines=4)
    part.say('delete', '--run', 1, '--db', 'x.db', '--dry-run', fails=True)
    in_both_forms(part, 'delete', '--run', 2, '--with-dependents', '--dry-run', '--db', 'x.db')
    part.say('delete', '--run', 2, '--with-dependents', '--db', 'x.db')
    part.say('delete', '--run', 1, '--with-dependents', '--compact', '--db', 'x.db', '--json')


@said('failures and queues')
def what_is_said_of_what_breaks_and_waits_is_what_was_said(part):
    part.say(*IN_MEMORY, '-p', 'edge-nearest', '-e', 2, '-t', 20, '--set', f'faults.script={FAULTS}', '--set', 'chaos.rate=0.01',
             '--db', 'faults.db')
    part.say(*IN_MEMORY, '-p', 'edge-nearest', '-e', 1, '-t', 20, '--set', f'faults.script={FAULTS}', '--set',
             'faults.recovery=reoffload', '--db', 'faults.db', '--json')
    part.say('export', 'events', '--run', 1, '--db', 'faults.db', '--format', 'csv')
    part.say('export', 'events', '--run', 1, '--db', 'faults.db', '--format', 'json')
    in_both_forms(part, 'show', 'servers', '--run', 1, '--db', 'faults.db')
    in_both_forms(part, 'replay', '--verify', '--db', 'faults.db')
    part.say(*IN_MEMORY, '-p', 'edge-nearest', '-e', 2, '-t', 20, '--set', 'run.mode=queue', '--set', f'faults.script={FAULTS}',
             '--db', 'queue.db')
    for word in ('runs', 'episodes', 'splits', 'servers'):
        part.say('show', word, '--db', 'queue.db')
    part.say('replay', '--verify', '--db', 'queue.db')
    part.say(*IN_MEMORY, '-p', 'edge-nearest', '-e', 2, '-t', 20, '--set', 'run.mode=queue', '--set', 'run.record=episodes',
             '--db', 'few.db', '--json')
    part.say('export', 'tasks', '--db', 'few.db', '--format', 'json')
    part.say('show', 'episodes', '--db', 'few.db')


@said('sweeps')
def what_is_said_of_a_sweep_is_what_was_said(part):
    with open(os.path.join(part.folder, 'small.yaml'), 'w', encoding='utf-8') as file:
        file.write(SWEEP)
    in_both_forms(part, 'sweep', 'small.yaml', '--dry-run', '-j', 2, '--db', 'x.db')
    in_both_forms(part, 'sweep', 'small.yaml', '-j', 1, '--db', 'x.db')
    part.say('sweep', 'small.yaml', '--dry-run', '-j', 2, '--db', 'x.db')
    part.say('sweep', 'small.yaml', '-j', 2, '--db', 'x.db')
    with sweeps.connection(os.path.join(part.folder, 'x.db')) as file:
        file.execute("UPDATE job SET status = 'waiting' WHERE number = 4")
        file.execute("UPDATE job SET wall_s = 1.5 WHERE status = 'done'")
    part.say('sweep', 'small.yaml', '--dry-run', '-j', 2, '--db', 'x.db')
    in_both_forms(part, 'compare', '--db', 'x.db')
    part.say('compare', '--experiment', 'learning', '--metric', 'energy', '--db', 'x.db')
    part.say('delete', '--run', 1, '--with-dependents', '--dry-run', '--db', 'x.db')
    part.say('delete', '--run', 1, '--with-dependents', '--dry-run', '--db', 'x.db', '--json')
    part.say('show', 'runs', '--db', 'x.db')


@said('comparisons')
def what_is_said_of_seeds_enough_is_what_was_said(part):
    db = sweeps.empty(part.folder)
    with sweeps.connection(db) as file:
        sweep = sweeps.add_sweep(file, 'paper')
        for value, more in (('5', 0.0), ('50', 1.13)):
            sweeps.add_results(file, sweep, 'users', 'devices.count', value, {
                'dapo': [1.0 + more, 1.1, 1.2, 1.3, 1.4], 'local': [1.5, 1.7 + more, 1.6, 1.9, 1.8],
                'random': [1.55, 1.68, 1.66 + more, 1.85, 1.83], 'greedy': [1.2, 1.3, 1.1, 1.5, 1.2 + more],
                'best-response': [0.9, 1.0, 1.1, 1.2, 1.3], 'optimum': [0.8, 0.9, 1.0, 1.1, 1.2 + more / 2]})
        sweeps.add_results(file, sweep, 'alone', '', '', {'dapo-plus': [1.0, 2.0, 3.0], 'local': [1.5, 2.5, 3.7], 'random': [7.0]})
    for metric in ('cost', 'latency', 'energy', 'p95', 'regret'):
        part.say('compare', '--metric', metric, '--db', 'x.db')
    part.say('compare', '--db', 'x.db', '--json')


@said('what there is')
def what_is_said_of_what_there_is_is_what_was_said(part):
    for word, lines in (('policies', 6), ('models', 3), ('scenarios', 2), ('keys', 6), ('scenario', 12)):
        part.say('show', word, lines=lines)
        part.say('show', word, '--json', lines=lines)
    with open(os.path.join(part.folder, 'up.trace'), 'w', encoding='ascii') as file:
        file.writelines(f'{17 * i + i % 7 * 2}\n' for i in range(1, 400))
    in_both_forms(part, 'show', 'trace', 'up.trace', '--format', 'mahimahi')
    small_llama.write(os.path.join(part.folder, 'small.bin'), os.path.join(part.folder, 'tokenizer.bin'))
    in_both_forms(part, 'model', 'small.bin')
    part.say('generate', '--model', 'small.bin', '--ids', '5,6,7', '--tokens', 3, '--json', lines=2)


@said('refusals')
def what_is_refused_is_refused_in_the_words_it_was(part):
    part.say(*IN_MEMORY, '-p', 'local', '-e', 1, '-t', 2, '--db', 'x.db')
    with open(os.path.join(part.folder, 'bad.yaml'), 'w', encoding='utf-8') as file:
        file.write(SWEEP.replace('[local, greedy]', '[local, gready]'))
    for name, text in (('tab.yaml', 'name: small\nexperiments:\n\t- {}\n'), ('open.yaml', 'name: [small\n'),
                       ('two.yaml', 'a: 1\n---\nb: 2\n'), ('alias.yaml', 'name: *small\n'), ('empty.yaml', ''), ('list.yaml', '- 1\n')):
        with open(os.path.join(part.folder, name), 'w', encoding='utf-8') as file:
            file.write(text)
        part.say('sweep', name, '--db', 'x.db', fails=True)
        part.say('run', '--over', 'memory', '-s', name, '--db', 'x.db', fails=True)
    for words in (
            ('run', '--over', 'memory', '-p', 'dapo-mode', '--db', 'x.db'), ('run', '--set', 'run.slots=0', '--db', 'x.db'),
            ('run', '--set', 'run.slot=1', '--db', 'x.db'), ('run', '--resume', '--run', 9, '--db', 'x.db'),
            ('run', '--over', 'memory', '--set', 'run.clock=real', '--db', 'x.db'), ('run', '--from', 1, '-p', 'dapo', '--db', 'x.db'),
            ('run', '-s', 'nowhere', '--db', 'x.db'), ('evaluate', '-p', 'dapo', '--db', 'x.db'), ('evaluate', '--db', 'none.db'),
            ('evaluate', '-s', 'dapo-quick', '--draws', 2, '-p', 'external'), ('evaluate', '-s', 'dapo-quick', '--draws', 2, '-p', 'dapo'),
            ('evaluate', '-s', 'dapo-quick', '--draws', 2, '-p', 'iao', '--set', 'run.mode=queue'),
            ('evaluate', '-s', 'dapo', '--db', 'x.db'), ('evaluate', '--run', 7, '--db', 'x.db'), ('replay', '--db', 'x.db'),
            ('replay', '--verify', '--run', 5, '--db', 'x.db'), ('replay', '--policy', 'dapo', '--db', 'x.db'),
            ('replay', '--policy', 'none', '--db', 'x.db'), ('show',), ('show', 'everything'),
            ('show', 'episodes', '--run', 4, '--db', 'x.db'),
            ('show', 'scenario', 'nowhere'), ('show', 'trace', 'none.trace'), ('export', 'all', '--db', 'x.db'),
            ('export', 'tasks', '--run', 3, '--db', 'x.db'), ('sweep',), ('sweep', 'none.yaml'), ('sweep', 'bad.yaml', '--db', 'x.db'),
            ('sweep', 'bad.yaml', '--name', 'a b'), ('compare', '--db', 'x.db'), ('compare', '--metric', 'speed', '--db', 'x.db'),
            ('report', 'x.db', '-o', 'out'), ('delete', '--db', 'x.db'), ('delete', '--run', 8, '--db', 'x.db'), ('twin', '--db', 'x.db'),
            ('twin', '--run', 1, '-p', 'local', '--time-scale', '0', '--db', 'x.db'), ('generate',), ('model',), ('train',)):
        part.say(*words, lines=4, fails=True)


NUMBERS = ('', 'x', '-1', '0', '1', '1.5', '64', '65', '1000', '1001', '3600', '3601', '86400', '86401', '100000', '100001', '1048576',
           '1048577', '4294967296', '99999999999999999999')
ADDRESSES = ('', ':', 'host', 'host:', ':0', ':70000', ':65535', '4711', '[::1]:4711', '[::1:4711', 'a:b:c', 'host:1x', 'x' * 255 + ':1',
             'x' * 256 + ':1')
HERE = '--orchestrator=:4711'
# The last flag begins nothing: what stands before it is good. Or there is something wrong with them all.
FLAGS = {
    'handoff-mobile-node': [
        *((f'--{flag}={value}', '--version') for flag in ('count', 'reconnect-s', 'answer', 'split') for value in NUMBERS),
        *((f'--orchestrator={address}', '--version') for address in ADDRESSES),
        (), (HERE, '--answer=2'), (HERE, '--split=2'), (HERE, '--json'), (HERE, '--split=2', '--json'), (HERE, '--json', '--answer=2'),
        (HERE, '--prompt=x', '--count=2'), ('--prompt=x', '--count=1'), ('--prompt=x', '--answer=2', '--split=2', '--json'),
        ('--model=x', '--verbose', '--die-with-parent'), (HERE, '--listen=:1'), (HERE, '--advertise=x'), (HERE, 'word')],
    'handoff-edge-server': [
        *((f'--reconnect-s={value}', '--version') for value in NUMBERS),
        *((f'--listen={address}', '--version') for address in ADDRESSES),
        *((f'--advertise={"x" * count}', '--version') for count in (0, 1, 255, 256)),
        (), (HERE, '--count=1'), (HERE, '--prompt=x'), (HERE, '--answer=2'), (HERE, '--json'), ('--model=x', '--verbose'),
        (HERE, 'word')],
}


@said('flags of nodes')
def what_is_wrong_with_a_nodes_flags_is_what_was_wrong(part):
    for name, program in (('handoff-mobile-node', testbed.MOBILE_NODE), ('handoff-edge-server', testbed.EDGE_SERVER)):
        for words in FLAGS[name]:
            ended = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                   timeout=testbed.DEADLINE_S, check=False)
            part.lines.append(' '.join(('$', name, *words)))
            part.lines += ['! ' + line for line in ended.stderr.replace(program, name).splitlines()[:1]] + [f'= {ended.returncode}']


@said('settings')
def what_is_wrong_with_a_runs_settings_is_what_was_wrong(part):
    """Flags that stand for keys are looked at with the whole scenario: nothing of what is wrong begins."""
    commands = [
        *((*IN_MEMORY, '-p', 'local', '-e', 1, '-t', 1, f'--{flag}={value}') for value in NUMBERS[:6] + NUMBERS[-2:]
          for flag in ('episodes', 'slots', 'devices', 'servers', 'seed', 'record', 'set', 'policy', 'scenario', 'data', 'checkpoint')),
        *(('run', '--resume', f'--episodes={value}') for value in ('', 'x', '0', '1.5', '1000001')),
        *(('twin', '-q', *WORLD, '-p', 'local', f'--{flag}={value}') for flag in ('episodes', 'slots', 'time-scale')
          for value in ('', 'x', '-1', '0', '1000001'))]
    for words in commands:
        ended = subprocess.run([testbed.ORCHESTRATOR, *map(str, words), '--db', 'x.db'], cwd=part.folder, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=testbed.DEADLINE_S, check=False)
        said = plain(PROGRESS.sub('', ended.stderr)).splitlines()[:1]
        part.lines += [f'$ {words[0]} ... {words[-1]}', *('! ' + line for line in said), f'= {ended.returncode}']


@said('flags of commands')
def what_is_wrong_with_a_commands_flags_is_what_was_wrong(part):
    """Each flag with a value, where a command has it first: which numbers are good, and what is said of the others."""
    seen = set()
    for command in re.findall(r'^  ([a-z]+) +[A-Z]', testbed.orchestrator('--help')[0], re.M):
        for flag in re.findall(r'^ +(?:-\w, )?--([a-z0-9-]+)=', testbed.orchestrator(command, '--help')[0], re.M):
            if flag in seen:
                continue
            seen.add(flag)
            tried, good, errors = list(NUMBERS), [], {}
            for value in tried:  # it grows
                ended = subprocess.run([testbed.ORCHESTRATOR, command, f'--{flag}={value}', '--help'], stdin=subprocess.DEVNULL,
                                       capture_output=True, text=True, timeout=testbed.DEADLINE_S, check=False)
                if ended.returncode == 0:
                    good.append(value)
                    continue
                said = plain(ended.stderr.splitlines()[0]).replace(f"'{value}'", "'N'")
                if bounds := re.search(r'from (\d+) to (\d+)', said):
                    low, high = map(int, bounds.groups())
                    tried += [str(n) for n in (low, low - 1, high, high + 1) if str(n) not in tried]
                errors.setdefault(f'! {said} = {ended.returncode}', []).append(value)
            part.lines += [f'$ {command} --{flag}=N', f'good: {" ".join(good) if errors else "all"}',
                           *(f'{error}: {" ".join(values)}' for error, values in errors.items())]


def timed(*words, **options):
    """(seconds that a command took, its output)."""
    start = time.monotonic()
    output, _ = testbed.orchestrator(*words, **options)
    return time.monotonic() - start, output


def check_time(told_s, took_s, what):
    tap.true(0 <= told_s <= took_s + 0.06, f'{what}: {told_s} s are told, all took {took_s} s')  # told in tenths


@tap.test
def the_times_that_are_told_are_no_longer_than_the_command_took():
    with testbed.scratch() as folder:
        db, model = os.path.join(folder, 'x.db'), os.path.join(folder, 'small.bin')
        took_s, output = timed(*IN_MEMORY, '-p', 'optimum', '-e', 4, '-t', 500, '--db', db)
        told_s, rate = (float(n) for n in re.search(r'in ([\d.]+) s \((\d+) slots/s\)', output).groups())
        check_time(told_s, took_s, 'run')
        tap.true(2000 / (told_s + 0.0501) <= rate + 0.51 and (told_s < 0.06 or rate - 0.51 <= 2000 / (told_s - 0.0501)),
                 f'2000 slots in {told_s} s are {rate} slots/s')
        took_s, output = timed(*IN_MEMORY, '-p', 'optimum', '-e', 2, '-t', 200, '--db', db, '--json')
        (row,) = json.loads(output)
        episodes_s = [wall_s for wall_s, in testbed.rows(db, 'SELECT wall_s FROM episode WHERE run_id = ?', row['run_id'])]
        check_time(row['wall_s'], took_s, 'run --json')
        tap.true(abs(row['wall_s'] - sum(episodes_s)) < 1e-9 and min(episodes_s) > 0, f"{row['wall_s']} s in {episodes_s}")
        sweep = os.path.join(folder, 'small.yaml')
        with open(sweep, 'w', encoding='utf-8') as file:
            file.write(SWEEP)
        took_s, output = timed('sweep', sweep, '-q', '-j', 1, '--db', db)
        told_s, busy = (float(n) for n in re.search(r'played in ([\d.]+) s, ([\d.]+) cores busy', output).groups())
        check_time(told_s, took_s, 'sweep')
        tap.true(0 < busy <= 1.1, f'{busy} cores busy with one worker')  # the kernel counts in ticks
        cells_s = [wall_s for wall_s, in testbed.rows(db, 'SELECT wall_s FROM job')]
        tap.true(min(cells_s) > 0 and sum(cells_s) <= told_s + 0.06, f'one after the other in {told_s} s: {cells_s}')
        small_llama.write(model, os.path.join(folder, 'tokenizer.bin'))
        took_s, output = timed('model', model, '--measure', '-q')
        check_time(float(re.search(r'loaded in ([\d.]+) ms', output)[1]) / 1e3, took_s, 'model')
        layers = int(re.search(r' of (\d+) layers', output)[1])
        rows = re.findall(r'^ +(\d+) +([\d.]+) +(\d+) +([\d.]+)$', output, re.M)
        for count, layer_us, rate, _ in rows:
            tokens = int(count) / (float(layer_us) * layers * 1e-6)
            tap.true(abs(tokens - float(rate)) <= tokens * 0.051 / float(layer_us) + 1,
                     f'{count} rows in {layer_us} us are {rate} tokens/s')
        tap.true(len(rows) > 1, output)


def no_port(text):
    return re.sub(r'\b(port=|:)\d{4,5}\b', r'\1PORT', text)


@said('processes')
def what_processes_say_is_what_they_said(part):
    run = testbed.Program([testbed.ORCHESTRATOR, 'run', *map(str, WORLD), '-p', 'greedy', '-e', '2', '-t', '5', '--db', 'x.db',
                           '--die-with-parent'], cwd=part.folder)
    port = run.port()
    nodes = [testbed.start_server(port), testbed.start_server(port), testbed.start_device(port, '--count', '3')]
    for name, program in (('orchestrator', run), *zip(('edge-server', 'edge-server', 'mobile-node'), nodes)):
        tap.equal(program.wait(), 0, program.text())
        part.lines.append(f'$ {name}')
        part.lines += sorted(no_port(plain(PROGRESS.sub('', program.text()))).splitlines())


tap.main()
