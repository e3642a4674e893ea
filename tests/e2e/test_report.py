"""`report` writes a page that stands alone, and each figure with its data and a script that draws it again."""
import atexit
import csv
import functools
import hashlib
import html.parser
import json
import math
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import small_llama
import sweeps
import tap
import testbed

SWEEP = """
name: tiny
scenario: dapo-quick
set: {devices.count: 4, servers.count: 2, run.episodes: 2, run.slots: 30, ddpg.warmup: 10,
      evaluation.validate_episodes: 1, evaluation.validate_slots: 10, evaluation.test_episodes: 1, evaluation.test_slots: 20}
seeds: [1, 2]
experiments:
  - {name: learning, policies: [dapo, local, optimum], curve: true, record_tasks: [1]}
  - {name: users, policies: [dapo, local, greedy, optimum], vary: {devices.count: [2, 4]}, record_tasks: [1]}
  - {name: fading, policies: [local, greedy], vary: {radio.fading: [rayleigh, none]}}
  - {name: pairs, policies: [dapo, local], vary: {devices.count: [2, 3], radio.fading: [none]}}
"""
STEMS = {f'{kind}-tiny-{experiment}' for kind, experiments in {
    'convergence': ('learning', 'users', 'pairs'), 'learning': ('learning',), 'boxes': ('learning', 'users'),
    'splits': ('learning', 'users'), 'servers': ('learning', 'users'), 'tracks': ('learning', 'users'),
    'cost': ('users', 'fading', 'pairs'), 'latency': ('users', 'fading', 'pairs'), 'energy': ('users', 'fading', 'pairs'),
    'p95': ('users', 'fading', 'pairs'),
}.items() for experiment in experiments}
VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}


class Page(html.parser.HTMLParser):
    """Insists that what begins ends, that ids are there once and links lead to what is there; gathers text and tags."""

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.words = [], set(), [], set(), []
        with open(path, encoding='utf-8') as file:
            self.source = file.read()
        self.feed(self.source)
        self.close()
        tap.equal(self.open, [], 'elements that never end')
        for link in self.links:
            if link.startswith('#'):
                tap.true(link[1:] in self.ids, f'{link} is there')
            else:
                tap.true(os.path.isfile(os.path.join(os.path.dirname(path), link)), f'{link} is a file')

    def handle_starttag(self, tag, attributes, ended=False):
        self.tags.add(tag)
        for name, value in attributes:
            tap.true(not name.startswith('on'), f'{name} runs nothing')
            if name == 'id':
                tap.true(value not in self.ids, f'id {value} is there once')
                self.ids.add(value)
            if name in ('href', 'src', 'xlink:href', 'data', 'action'):
                tap.true('//' not in value and ':' not in value, f'{name}={value} asks no network')
                self.links.append(value)
        if tag not in VOID and not ended:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes, ended=True)

    def handle_endtag(self, tag):
        tap.true(self.open and self.open[-1] == tag, f'</{tag}> ends {self.open[-3:]}')
        self.open.pop()

    def handle_data(self, data):
        self.words.append(data)

    def text(self):
        return ' '.join(' '.join(self.words).split())


def need_gnuplot():
    if shutil.which('gnuplot') is None:
        raise tap.Skip('gnuplot is not installed')


@functools.cache
def played():
    """The sweep's file, played once for all tests."""
    folder = tempfile.mkdtemp(prefix='handoff-test-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path, db = os.path.join(folder, 'tiny.yaml'), os.path.join(folder, 'tiny.db')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(SWEEP)
    testbed.orchestrator('sweep', path, '--db', db, '-q', '-j', 1)
    return db


def swept(folder):
    return shutil.copy(played(), folder)


def report(db, folder, *arguments, **options):
    output = os.path.join(folder, 'out')
    told, errors = testbed.orchestrator('report', db, '-o', output, '--json', '-q', *arguments, **options)
    return output, json.loads(told) if told else None, errors


def read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


# Learners that have learned, seeds enough for a ranking, values of which one is better than the other.
GOLDEN_SWEEP = """
name: golden
scenario: dapo-quick
set: {devices.count: 3, servers.count: 2, run.episodes: 2, run.slots: 40, ddpg.warmup: 10, ddpg.batch: 8, ddpg.hidden_1: 8,
      ddpg.hidden_2: 8, ppo.rollout: 20, ppo.batch: 10, evaluation.validate_episodes: 1, evaluation.validate_slots: 10,
      evaluation.test_episodes: 1, evaluation.test_slots: 20}
seeds: [1, 2, 3, 4, 5]
experiments:
  - {name: learning, policies: [dapo, ppo, local, optimum], curve: true, record_tasks: [1, 2]}
  - {name: users, policies: [dapo, local, greedy, optimum], vary: {devices.count: [2, 3]}, record_tasks: [1]}
  - {name: links, policies: [local, greedy], vary: {radio.fading: [rayleigh, none], radio.bandwidth_mhz: [5, 40]}}
"""
# One seed, no curve of what is at a place, no row of a task, nothing learned, nothing done: what is missing is said.
LITTLE_SWEEP = """
name: little
scenario: dapo-quick
set: {devices.count: 3, servers.count: 2, run.episodes: 2, run.slots: 20, ddpg.warmup: 10, ddpg.batch: 8, ddpg.hidden_1: 8,
      ddpg.hidden_2: 8, ppo.rollout: 200, evaluation.validate_episodes: 1, evaluation.validate_slots: 5,
      evaluation.test_episodes: 1, evaluation.test_slots: 10}
seeds: [1]
experiments:
  - {name: curve, policies: [dapo, local], curve: true}
  - {name: rules, policies: [local, greedy]}
  - {name: late, policies: [dapo, ppo, optimum], vary: {devices.count: [2, 3]}, train: once}
  - {name: queue, policies: [edge-nearest, optimum], set: {run.mode: queue}, record_tasks: [1]}
"""
GOLDEN = os.path.join(testbed.SOURCE_ROOT, 'tests', 'golden', '%s.txt')
BEGIN, END = '\x01', '\x02'  # of what stands as it is
BLOCKS = {'tr', 'p', 'h1', 'h2', 'h3', 'li', 'section', 'table', 'pre', 'figure', 'svg', 'div'}


class Lines(html.parser.HTMLParser):
    """What a page says, line by line; without its figures, and without what differs from machine to machine."""

    def __init__(self, source):
        super().__init__()
        self.words, self.silent = [], 0
        self.feed(source)
        self.close()
        said = ' '.join(self.words).split('# the scenario in effect:')[0]
        said = re.sub(BEGIN + r'\s*run:.*?' + END, 'SCENARIO', said, flags=re.S)  # it has keys that come and go
        said = said.replace(BEGIN, '').replace(END, '')
        said = re.sub(r'\d{4}-\d\d-\d\dT[\d:]+Z', 'TIME', said)
        said = re.sub(r'\d+\.\d+\.\d+ \([^)]*\)', 'VERSION', said)
        said = re.sub(r'(\n\s*VERSION ).*( \d+ +TIME +TIME)', r'\1CPU\2', said)
        self.lines = [' '.join(line.split()) for line in said.split('\n') if line.strip()]

    def handle_starttag(self, tag, attributes):
        self.silent += tag in ('svg', 'style')
        self.words.append('\n' + BEGIN if tag == 'pre' else '\n' if tag in BLOCKS else '')

    def handle_endtag(self, tag):
        self.silent -= tag in ('svg', 'style')
        self.words.append(END if tag == 'pre' else '')

    def handle_data(self, data):
        if not self.silent:
            self.words.append(data)


def hold(name, lines):
    """Compares with tests/golden/NAME.txt. To renew: meson test -C build 'e2e report' --test-args=--write"""
    if '--write' in sys.argv[6:]:
        with open(GOLDEN % name, 'w', encoding='utf-8') as file:
            file.writelines(line + '\n' for line in lines)
    with open(GOLDEN % name, encoding='utf-8') as file:
        golden = file.read().splitlines()
    for number, (line, wanted) in enumerate(zip(lines, golden), 1):
        tap.equal(line, wanted, f'line {number} of tests/golden/{name}.txt')
    tap.equal(len(lines), len(golden), 'lines')


def sweep_into(folder, name, text, **options):
    path, db = os.path.join(folder, name + '.yaml'), os.path.join(folder, name + '.db')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    testbed.orchestrator('sweep', path, '--db', db, '-q', '-j', 1, **options)
    return db


def lines_of(db, folder):
    """What the page says, what is said to be missing, and the digests of data and scripts."""
    output, told, errors = report(db, folder)
    lines = Lines(read(output, 'index.html').decode().replace(db, os.path.basename(db))).lines
    lines += told['left_out'] + errors.splitlines()
    return lines + [f'{name} {hashlib.sha256(read(output, name)).hexdigest()[:16]}'
                    for name in sorted(os.listdir(output)) if name.endswith(('.csv', '.gp'))]


@tap.test
def what_a_page_and_its_files_say_is_what_they_said():
    need_gnuplot()
    with testbed.scratch() as folder:
        hold('report', lines_of(sweep_into(folder, 'golden', GOLDEN_SWEEP), folder))


@tap.test
def what_a_page_of_little_says_is_what_it_said():
    need_gnuplot()
    with testbed.scratch() as folder:
        db = sweep_into(folder, 'little', LITTLE_SWEEP)
        with sweeps.connection(db) as file:
            file.execute("UPDATE job SET status = 'failed', error = 'the disk is full' "
                         "WHERE experiment = 'rules' AND policy = 'greedy'")
        for arguments in (('-p', 'dapo', '-e', 2), ('-p', 'greedy', '-e', 1, '--set', 'radio.bandwidth_mhz=5')):
            testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', *sweeps.SMALL, *arguments, '--db', db)
            testbed.orchestrator('evaluate', '-q', '-p', 'local,greedy', '--db', db)
        rules = os.path.join(folder, 'rules.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', *sweeps.SMALL, '-p', 'local', '-e', 1,
                             '--db', rules)
        testbed.orchestrator('evaluate', '-q', '-p', 'local', '--db', rules)
        little = lines_of(db, folder)
        shutil.rmtree(os.path.join(folder, 'out'))
        hold('report_little', little + lines_of(rules, folder))


@tap.test
def a_sweep_becomes_a_page_with_every_figure_and_its_files():
    need_gnuplot()
    with testbed.scratch() as folder:
        db = swept(folder)
        output, told, _ = report(db, folder)
        tap.equal({figure['stem'] for figure in told['figures']}, STEMS, 'figures')
        tap.true(all(figure['drawn'] for figure in told['figures']), 'all are drawn')
        tap.equal(set(os.listdir(output)),
                  {'index.html'} | {f'{stem}.{ending}' for stem in STEMS for ending in ('csv', 'gp', 'svg', 'pdf')}, 'files')
        page = Page(os.path.join(output, 'index.html'))
        tap.equal({'script', 'link', 'iframe', 'object', 'img'} & page.tags, set(), 'what a page that stands alone has not')
        tap.true(page.source.startswith('<!DOCTYPE html>'), 'HTML5')
        tap.equal(page.source.count('<svg '), len(STEMS), 'figures on the page')
        tap.contains(page.text(), 'observations: what a deployment could know', 'not ranked: 2 common seeds', 'devices.count: [2, 4]',
                     'seeds 1 2', 'fading: no convergence', 'PPO and A2C have no results here')
        for stem in STEMS:
            for table in (csv.DictReader(read(output, stem + '.csv').decode().splitlines()),):
                tap.true(len(list(table)) > 0, f'{stem}.csv has rows')
            xml.etree.ElementTree.fromstring(read(output, stem + '.svg'))
            tap.true(read(output, stem + '.pdf').startswith(b'%PDF'), f'{stem}.pdf is one')


@tap.test
def numbers_of_figures_are_those_of_the_database():
    with testbed.scratch() as folder:
        db = swept(folder)
        output, _, _ = report(db, folder, status=None)
        rows = {(row['policy'], row['x']): row
                for row in csv.DictReader(read(output, 'latency-tiny-users.csv').decode().splitlines())}
        for policy, value, mean, low, high, seeds in testbed.rows(db, """
                SELECT policy, value, avg(mean_latency_s), min(mean_latency_s), max(mean_latency_s), count(*)
                FROM sweep_result WHERE experiment = 'users' GROUP BY policy, value"""):
            row = rows[policy, value]
            for name, expected in (('mean', mean), ('low', low), ('high', high)):  # two seeds: their ends
                tap.true(abs(float(row[name]) - expected) < 1e-9 * expected, f'{name} of {policy} at {value}')
            tap.equal(int(row['seeds']), seeds, 'seeds')
        returns = testbed.rows(db, """
            SELECT e.episode, avg(e.episode_return) FROM job AS j JOIN episode AS e ON e.run_id = j.train_run_id
            WHERE j.experiment = 'learning' AND j.policy = 'dapo' GROUP BY e.episode""")
        drawn = [(int(row['x']), float(row['mean']))
                 for row in csv.DictReader(read(output, 'convergence-tiny-learning.csv').decode().splitlines())]
        tap.equal([(e, round(r, 6)) for e, r in drawn], [(e, round(r, 6)) for e, r in returns], 'mean returns')
        shares = [row for row in csv.DictReader(read(output, 'splits-tiny-users.csv').decode().splitlines())
                  if row['policy'] == 'greedy' and row['value'] == '4']
        counted = testbed.rows(db, """SELECT t.split, count(*) FROM job AS j JOIN task AS t ON t.run_id = j.test_run_id
            WHERE j.experiment = 'users' AND j.policy = 'greedy' AND j.value = '4' GROUP BY t.split""")
        tap.equal([(int(row['split']), int(row['tasks'])) for row in shares], counted, 'splits of greedy')


REWARD_SWEEP = """
name: moves
scenario: layersplit-a
set: {run.episodes: 60, run.checkpoint_every: 30, ppo.rollout: 50, ppo.batch: 25, evaluation.validate_episodes: 4,
      evaluation.test_episodes: 120}
seeds: [1, 2]
record_tasks: [1]
experiments:
  - {name: loss, policies: [ppo, random, stay, optimum], vary: {channel.loss_max: [0.1, 0.3]}, curve: true}
  - {name: rate, policies: [ppo], vary: {ppo.rate: [0.0003, 0.003]}, record_tasks: none}
"""


@functools.cache
def moved():
    """A sweep whose objective is a reward, played once for all tests."""
    folder = tempfile.mkdtemp(prefix='handoff-test-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return sweep_into(folder, 'moves', REWARD_SWEEP)


def table(output, stem):
    return list(csv.DictReader(read(output, stem + '.csv').decode().splitlines()))


def near(is_, expected, what, off=1e-6):
    tap.true(abs(float(is_) - expected) <= off * max(1, abs(expected)), f'{what}: {is_}, expected {expected}')


@tap.test
def training_is_drawn_against_steps_in_blocks_that_are_told_beside_what_does_not_learn():
    with testbed.scratch() as folder:
        db = shutil.copy(moved(), folder)
        output, told, _ = report(db, folder, status=None)
        rows = table(output, 'convergence-moves-loss')
        of_seed = [testbed.rows(db, """SELECT e.episode_return FROM job AS j JOIN episode AS e ON e.run_id = j.train_run_id
            WHERE j.experiment = 'loss' AND j.policy = 'ppo' AND j.value = '0.3' AND j.seed = ? ORDER BY e.episode""", seed)
                   for seed in (1, 2)]
        drawn = [row for row in rows if (row['value'], row['policy']) == ('0.3', 'ppo')]
        tap.equal([float(row['x']) for row in drawn], [10 * (block + 1) for block in range(30)], 'steps at the ends of blocks')
        for block, row in enumerate(drawn):  # two episodes each: 60 in at most 50 points
            near(row['mean'], statistics.mean(seed[episode][0] for seed in of_seed for episode in (2 * block, 2 * block + 1)),
                 f'block {block}')
        level = [row for row in rows if (row['value'], row['policy']) == ('0.3', 'optimum')]
        expected = testbed.one(db, """SELECT avg(mean_episode_return) FROM sweep_result
            WHERE experiment = 'loss' AND policy = 'optimum' AND value = '0.3'""")
        tap.equal([float(row['x']) for row in level], [10, 300], 'from the first point to the last')
        for row in level:
            near(row['mean'], expected, 'level of the optimum')
        page = Page(os.path.join(output, 'index.html'))
        tap.contains(page.text(), 'means of blocks of 2 episodes', 'Levels: policies that do not learn', 'return of an episode',
                     'return below the group\'s best', 'more is better')
        tap.true('Headline' not in page.text(), 'nothing is said of another paper')
        curve = [row for row in table(output, 'learning-moves-loss') if (row['value'], row['policy']) == ('0.1', 'ppo')]
        for row, (slots, mean) in zip(curve, testbed.rows(db, """SELECT slots, avg(mean_episode_return) FROM sweep_curve
                WHERE experiment = 'loss' AND policy = 'ppo' AND value = '0.1' GROUP BY slots ORDER BY slots"""), strict=True):
            near(row['x'], slots, 'slots')
            near(row['mean'], mean, 'return of a checkpoint')


@tap.test
def a_setting_of_policies_has_a_panel_for_each_learner():
    with testbed.scratch() as folder:
        output, _, _ = report(shutil.copy(moved(), folder), folder, status=None)
        script = read(output, 'convergence-moves-rate.gp').decode()
        tap.contains(script, 'a panel for each learner', "'0.0003', '0.003'")
        tap.equal({(row['policy'], row['value']) for row in table(output, 'convergence-moves-rate')},
                  {('ppo', '0.0003'), ('ppo', '0.003')}, 'curves')
        tap.contains(read(output, 'convergence-moves-loss.gp').decode(), 'a panel for each value of the axis')
        tap.equal({row['policy'] for row in table(output, 'return-moves-rate')}, {'ppo'}, 'return against the setting')


@tap.test
def violins_are_densities_of_the_returns_of_all_test_episodes():
    with testbed.scratch() as folder:
        db = shutil.copy(moved(), folder)
        output, _, _ = report(db, folder, status=None)
        rows = [row for row in table(output, 'violins-moves-loss') if (row['value'], row['policy']) == ('0.1', 'random')]
        sample = [r for (r,) in testbed.rows(db, """SELECT e.episode_return FROM job AS j JOIN episode AS e
            ON e.run_id = j.test_run_id WHERE j.experiment = 'loss' AND j.policy = 'random' AND j.value = '0.1'""")]
        tap.equal({int(row['episodes']) for row in rows}, {len(sample)}, 'episodes of both seeds')
        tap.equal(len(sample), 240, 'episodes of both seeds')
        quartiles = statistics.quantiles(sample, n=4, method='inclusive')
        at = {row['row']: row['return'] for row in rows}
        for name, expected in zip(('q1', 'median', 'q3', 'mean'), (*quartiles, statistics.mean(sample))):
            near(at[name], expected, name)
        width = 0.9 * min(statistics.stdev(sample), (quartiles[2] - quartiles[0]) / 1.34) * len(sample) ** -0.2
        outline = [row for row in rows if row['row'] == 'density']
        tap.equal(len(outline), 202, 'up and down again')
        near(outline[0]['return'], min(sample), 'where it begins')
        near(outline[100]['return'], max(sample), 'where it turns')
        for row in outline[::20]:
            curves = (statistics.NormalDist(x, width).pdf(float(row['return'])) for x in sample)
            near(row['density'], sum(curves) / len(sample), 'density')


def local_line(points, span, at):
    """Cleveland's local regression, by the normal equations."""
    distance = sorted(abs(x - at) for x, _ in points)[round(span * len(points)) - 1]
    weighted = [((1 - min(1, abs(x - at) / distance) ** 3) ** 3, x - at, y) for x, y in points]
    s0, s1, s2, t0, t1 = (sum(w * x ** i * y ** j for w, x, y in weighted) for i, j in ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1)))
    return (t0 * s2 - t1 * s1) / (s0 * s2 - s1 * s1)


@tap.test
def splits_against_the_channel_have_a_local_and_a_straight_line():
    with testbed.scratch() as folder:
        db = shutil.copy(moved(), folder)
        output, told, _ = report(db, folder, status=None)
        tap.equal([gap for gap in told['left_out'] if 'against the channel' in gap],
                  ["moves: rate: no splits against the channel, because no recorded task says its channel's condition. "
                   '`record_tasks` in the sweep\'s file would give them (of an evaluation: `run --record tasks`).'], 'gaps')
        rows = [row for row in table(output, 'channel-moves-loss-2') if row['policy'] == 'optimum']
        points = [(float(row['channel']), float(row['split'])) for row in rows if row['row'] == 'task']
        recorded = [(float(f'{channel:.10g}'), split) for channel, split in testbed.rows(db, """SELECT t.channel, t.split FROM job AS j
            JOIN task AS t ON t.run_id = j.test_run_id WHERE j.experiment = 'loss' AND j.policy = 'optimum' AND j.value = '0.3'""")]
        tap.equal(len(recorded), 600, 'recorded tasks')
        tap.equal(len(points), 500, 'drawn tasks')
        for x, y in points:
            recorded.remove((x, y))  # each of them once
        line = statistics.linear_regression(*zip(*points))
        low, high = [row for row in rows if row['row'] == 'line']
        for end in (low, high):
            near(end['split'], line.intercept + line.slope * float(end['channel']), 'straight line')
        for row in [row for row in rows if row['row'] == 'loess'][::10]:
            near(row['split'], local_line(points, 0.75, float(row['channel'])), 'local line', 1e-5)
        said = re.search(r'optimum: slope (\S+) \((\S+) to (\S+)\), R\u00b2 (\S+) \((\S+) to (\S+)\)\.',
                         Page(os.path.join(output, 'index.html')).text().split('Splits against the channel, channel.loss_max = 0.3')[-1])
        slope, slope_low, slope_high, r2, r2_low, r2_high = map(float, said.groups())
        near(slope, line.slope, 'slope', 0.006)
        near(r2, statistics.correlation(*zip(*points)) ** 2, 'r2', 0.0006)
        tap.true(slope_low < slope < slope_high and r2_low < r2 < r2_high, 'intervals hold what they are of')


@tap.test
def perplexity_and_bits_per_byte_are_exact_over_recorded_tasks_and_shown_where_there_are_some():
    with testbed.scratch() as folder:
        db = shutil.copy(moved(), folder)
        output, _, _ = report(db, folder, status=None)
        text = Page(os.path.join(output, 'index.html')).text()
        quality = testbed.one(db, """SELECT avg(t.quality) FROM job AS j JOIN task AS t ON t.run_id = j.test_run_id
            WHERE j.experiment = 'loss' AND j.policy = 'stay' AND j.value = '0.1'""")
        of_value = text.split('moves: loss, channel.loss_max = 0.1')[1].split('moves: loss, channel.loss_max = 0.3')[0]
        row = re.search(r' stay .*', of_value).group(0)
        tap.contains(row, f'{math.exp(quality):.3f}')
        tap.true('bits per byte' not in text, 'what no task says has no column')
        shutil.rmtree(output)
        with sweeps.connection(db) as file:
            file.execute("""UPDATE task SET nll = 3.0 + slot, nll_tokens = 2, nll_bytes = 7
                WHERE run_id IN (SELECT test_run_id FROM job WHERE experiment = 'loss' AND policy = 'stay' AND value = '0.1')""")
        output, _, _ = report(db, folder, status=None)
        text = Page(os.path.join(output, 'index.html')).text()
        tap.contains(text, f'{5.0 / math.log(2) / 7:.3f}', f'{math.exp(5.0 / 2):.2f}', 'all nats / log 2 / all bytes of text')


SECRET_SWEEP = """
name: secret
scenario: layersplit-house
set: {model.file: MODEL, quality.text: TEXT, quality.tokens: 64, model.max_split: 2, model.first_split_max: 2,
      evaluation.validate_episodes: 1, evaluation.test_episodes: 4}
seeds: [1, 2]
experiments:
  - {name: open, policies: [stay, random], record_tasks: [1, 2]}
  - {name: formats, policies: [stay], vary: {compute.format: [int8]}, record_tasks: [1]}
"""


def secret(folder):
    """A sweep of a small model behind a channel that erases 1 to 30 % of elements."""
    model, text = os.path.join(folder, 'a model.bin'), os.path.join(folder, 'text.txt')
    small_llama.write(model, os.path.join(folder, 'tokenizer.bin'))
    with open(text, 'w', encoding='utf-8') as file:
        file.write('the quick brown fox jumps over a lazy dog, and ' * 8)
    sweep = SECRET_SWEEP.replace('MODEL', f'"{model}"').replace('TEXT', text)
    return sweep_into(folder, 'secret', sweep, cwd=testbed.SOURCE_ROOT), text  # the scenario names files from there


def tokens_read(db, policy, share):
    """Percent of the prompts' tokens, where share says what is read at a split and a loss."""
    rows = testbed.rows(db, """SELECT t.tokens, t.split, t.channel, t.server IS NULL FROM job AS j JOIN task AS t ON t.run_id = j.test_run_id
        WHERE j.experiment = 'open' AND j.policy = ?""", policy)
    return 100 * sum(tokens * (0 if stays else share(split, loss)) for tokens, split, loss, stays in rows) / sum(row[0] for row in rows)


@tap.test
def what_an_observer_reads_is_told_where_it_was_measured_and_elsewhere_the_command_that_measures_it():
    with testbed.scratch() as folder:
        db, text = secret(folder)

        def page():
            output, _, _ = report(db, folder, status=None)
            source = read(output, 'index.html').decode()
            shutil.rmtree(output)
            return source

        def measure(source):
            command = shlex.split(html.unescape(re.search('<code>(handoff-orchestrator .*?)</code>', source).group(1)))
            command[command.index('FILE')] = db
            testbed.orchestrator(*command[1:], '--text', text, '--tokens', 64, '-q')

        def cells(source, policy):
            return [float(row.split(' ')[0]) if row[0].isdigit() else row
                    for row in re.findall(rf'<th scope="row">{policy}</th><td>\d</td>.*<td>(.*?)</td></tr>', source)]

        source = page()
        tap.equal((cells(source, 'stay'), cells(source, 'random')), (['not measured'] * 2, ['not measured']), 'before')
        tap.contains(source, '--mode=erasure --format=fp32 --loss=0.01,0.155,0.3 --fill=zero', '--mode=erasure --format=int8')
        measure(source)
        source = page()
        tap.equal(cells(source, 'stay')[1], 'not measured', 'another format')
        tap.equal(cells(source, 'random'), [100.0], 'a search finds all')
        tap.contains(source, 'who knows the model\'s weights', 'on 64 tokens at least')
        measure(source)
        tap.true('not measured' not in page(), 'all is measured')
        with sweeps.connection(db) as file:  # as if late splits gave less, and a bad channel, too
            file.execute("UPDATE leak SET found = (4 - split) * CASE WHEN level < 0.1 THEN 16 WHEN level < 0.2 THEN 12 ELSE 4 END")
        source = page()

        def share(split, loss):
            good, middle, bad = (16, 12, 4)
            part = good + (middle - good) * (loss - 0.01) / 0.145 if loss < 0.155 else middle + (bad - middle) * (loss - 0.155) / 0.145
            return (4 - split) * part / 64

        for policy in ('stay', 'random'):
            near(cells(source, policy)[0], tokens_read(db, policy, share), policy, 1e-3)
        tap.true(cells(source, 'stay')[0] != cells(source, 'random')[0], 'policies differ')


@tap.test
def every_script_draws_its_figure_again():
    need_gnuplot()
    with testbed.scratch() as folder:
        output, told, _ = report(swept(folder), folder)
        alone = os.path.join(folder, 'alone')
        for stem in (figure['stem'] for figure in told['figures']):
            os.makedirs(alone)
            for ending in ('csv', 'gp'):
                shutil.copy(os.path.join(output, f'{stem}.{ending}'), alone)
            result = subprocess.run(['gnuplot', stem + '.gp'], cwd=alone, capture_output=True, text=True, check=False)
            tap.equal((result.returncode, result.stderr), (0, ''), stem)
            tap.true(read(alone, stem + '.svg') == read(output, stem + '.svg'), f'{stem}.svg is the same')
            shutil.rmtree(alone)


@tap.test
def without_gnuplot_there_are_tables_data_and_scripts():
    with testbed.scratch() as folder:
        db = swept(folder)
        output, told, errors = report(db, folder, status=1, env={**os.environ, 'PATH': folder})
        tap.contains(errors, 'gnuplot is not installed (package gnuplot-nox)', 'data and scripts')
        tap.true(not any(figure['drawn'] for figure in told['figures']), 'nothing is drawn')
        tap.equal(set(os.listdir(output)), {'index.html'} | {f'{stem}.{ending}' for stem in STEMS for ending in ('csv', 'gp')},
                  'files')
        page = Page(os.path.join(output, 'index.html'))
        tap.contains(page.text(), 'Not drawn', 'observations: what a deployment could know')


@tap.test
def evaluations_alone_are_reported_and_what_is_missing_is_said():
    need_gnuplot()
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', *sweeps.SMALL, '-e', 2, '--db', db)
        testbed.orchestrator('evaluate', '-q', '-p', 'dapo,greedy,optimum', '--db', db)
        output, told, _ = report(db, folder)
        tap.equal({figure['stem'].split('-')[0] for figure in told['figures']},
                  {'convergence', 'boxes', 'splits', 'servers', 'tracks'}, 'figures')
        page = Page(os.path.join(output, 'index.html'))
        tap.contains(page.text(), 'Scenario of dapo-quick', 'nothing to compare', 'open: too few seeds')
        with sweeps.connection(db) as file:
            file.execute('DELETE FROM task')
        _, told, _ = report(db, folder)
        (gap,) = told['left_out']
        tap.contains(gap, 'dapo-quick: no latencies of single tasks', 'run --record tasks')


@tap.test
def values_that_no_run_has_are_refused_not_drawn():
    """The schema looks at what is written; a file that was damaged since, or made by hand, may hold anything."""
    with testbed.scratch() as folder:
        for change in ('UPDATE task SET split = 1000000', 'UPDATE task SET split = -1', 'UPDATE task SET split = 1024',
                       "UPDATE node SET number = number + 256 WHERE role = 'server'"):
            db = swept(folder)
            with sweeps.connection(db) as file:
                file.execute('PRAGMA ignore_check_constraints = on')
                file.execute(change)
            _, told, errors = report(db, folder, status=None, env={**os.environ, 'PATH': folder})  # nothing is drawn: it takes long
            tap.equal((change, told, 'out of range' in errors), (change, None, True), errors)


@tap.test
def hostile_names_are_shown_and_do_nothing():
    need_gnuplot()
    with testbed.scratch() as folder:
        db = sweeps.empty(folder)
        names = ['<script>alert(1)</script>', "'; system \"touch pwned\" #", '`touch pwned`', 'a"b\nset output "pwned"', '../../up',
                 '@pwned {/Bold x}', '%s%n', 'caf\u00e9', '$(touch pwned)']
        with sweeps.connection(db) as file:
            for sweep_name in names[:3]:
                sweep = sweeps.add_sweep(file, sweep_name, text=''.join(names))
                for value in names:
                    sweeps.add_results(file, sweep, names[3], '</table>' + names[4], value,
                                       {policy: [1 + index, 2 + index] for index, policy in enumerate(names)})
            file.execute('UPDATE run SET cpu = ?, version = ?', (names[0], names[2]))
            file.execute("UPDATE sweep SET text = CAST(x'fffe3c' AS TEXT) WHERE sweep_id = 1")
        output, told, _ = report(db, folder)
        tap.true(told['figures'] and all(figure['drawn'] for figure in told['figures']), 'figures are drawn')
        tap.true(all(re.fullmatch('[a-z0-9-]+', figure['stem']) for figure in told['figures']), 'stems are plain')
        page = Page(os.path.join(output, 'index.html'))
        tap.true('script' not in page.tags, 'no script')
        tap.contains(page.text(), '<script>alert(1)</script>', '`touch pwned`', 'caf\u00e9')
        for figure in told['figures']:
            xml.etree.ElementTree.fromstring(read(output, figure['stem'] + '.svg'))
        found = [name for _, _, files in os.walk(folder) for name in files if name == 'pwned']
        tap.equal(found, [], 'files that names made')


@tap.test
def what_cannot_be_reported_is_refused():
    with testbed.scratch() as folder:
        db = sweeps.empty(folder)
        _, _, errors = report(db, folder, status=2)
        tap.contains(errors, 'no results to compare')
        tap.true(not os.path.exists(os.path.join(folder, 'out')), 'nothing was made')
        _, _, errors = report(os.path.join(folder, 'none.db'), folder, status=2)
        tap.contains(errors, 'none.db')
        with sweeps.connection(db) as file:
            sweeps.add_results(file, sweeps.add_sweep(file, 'paper'), 'users', '', '', {'local': [1, 2]})
        with open(os.path.join(folder, 'out'), 'w', encoding='utf-8') as file:
            file.write('mine')
        _, _, errors = report(db, folder, status=None)
        tap.contains(errors, 'out: is a file, a folder was expected')
        tap.equal(read(folder, 'out'), b'mine', 'the file')


tap.main()
