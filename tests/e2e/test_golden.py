"""Nothing recorded changes by one bit: every column of small reference runs, hashed, is what it was.

One set of digests holds for every processor and every C library: products and elementary functions are our own. The build
plays this program also with fewer vector instructions and another path of the C library (tests/e2e/meson.build). To renew
the digests:

    meson test -C build 'e2e golden' --test-args=--write
"""
import functools
import hashlib
import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

WRITING = '--write' in sys.argv[6:]
GOLDEN = os.path.join(testbed.SOURCE_ROOT, 'tests', 'golden', 'rows.json')
RENEW = "if that is meant: meson test -C build 'e2e golden' --test-args=--write"

# What no digest holds, and why. All other columns of all tables are in.
LEFT_OUT = {
    'run': {'host': 'one digest for memory and TCP', 'version': 'names the revision', 'cpu': 'names the machine',
            'started_utc': 'wall time', 'vector_path': 'names the machine', 'libc': 'names the machine'},
    'node': {'address': 'ports are free ones'},
    'episode': {'wall_s': 'wall time'},
    'sweep': {'version': 'names the revision', 'created_utc': 'wall time'},
    'job': {'worker': 'names host and process', 'started_utc': 'wall time', 'finished_utc': 'wall time',
            'wall_s': 'wall time', 'cpu_s': 'processor time'},
}
CONFIG_LEFT_OUT = {'program': 'names the revision', 'host': 'one digest for memory and TCP'}
# By the wall clock these are measured too: two runs differ in them.
_MEASURED = dict.fromkeys(
    ('local_s', 'transmit_s', 'queue_s', 'edge_s', 'latency_s', 'compute_j', 'transmit_j', 'server_j', 'energy_j',
     'cost', 'deadline_missed'), 'measured')
_QUEUED = dict.fromkeys(
    ('wait_s', 'rate_bps', 'end_slot', 'bandwidth_share', 'status'), 'follows from what was measured')
_EPISODE = dict.fromkeys(
    ('mean_latency_s', 'p50_latency_s', 'p95_latency_s', 'p99_latency_s', 'mean_energy_j', 'mean_cost',
     'episode_return', 'deadline_misses'), 'made of what was measured')
REAL_LEFT_OUT = {**LEFT_OUT, 'task': _MEASURED, 'episode': {**LEFT_OUT['episode'], **_EPISODE}}
REAL_QUEUE_LEFT_OUT = {**LEFT_OUT, 'task': {**_MEASURED, **_QUEUED},
                       'episode': {**LEFT_OUT['episode'], **_EPISODE, 'failures': 'made of what was measured'}}
SAMPLES = ('link_sample', 'process_sample', 'compute_sample')  # measured from end to end


# ---- digests ----

def pack(value):
    if isinstance(value, float):
        return b'F' + struct.pack('<d', value)
    kind, data = (b'T', value.encode()) if isinstance(value, str) else (b'B', value) if isinstance(value, bytes) else \
        (b'N', b'') if value is None else (b'I', str(value).encode())
    return kind + struct.pack('<Q', len(data)) + data


def configuration(text):
    return json.dumps({name: value for name, value in json.loads(text).items() if name not in CONFIG_LEFT_OUT})


def digests(db, left_out=None, without=()):
    """Of each table with rows: its columns' names and its rows in order of the primary key."""
    testbed.check_database(db)
    left_out = LEFT_OUT if left_out is None else left_out
    connection = sqlite3.connect(f'file:{db}?mode=ro', uri=True)
    found = {}
    tables = [row[0] for row in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")]
    for table in tables:
        info = connection.execute(f'PRAGMA table_info({table})').fetchall()
        columns = [row[1] for row in info if row[1] not in left_out.get(table, ())]
        key = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5] > 0]
        rows = connection.execute(f'SELECT {", ".join(columns)} FROM {table} ORDER BY {", ".join(key)}').fetchall()
        if not rows or table in without:
            continue
        digest = hashlib.sha256(' '.join(columns).encode())
        for row in rows:
            for column, value in zip(columns, row):
                digest.update(pack(configuration(value) if column == 'config_json' else value))
        found[table] = digest.hexdigest()[:12]
    connection.close()
    return found


def skip_without_the_instructions():
    """HANDOFF_VECTOR may ask for what this processor does not have."""
    wish = os.environ.get('HANDOFF_VECTOR')
    result = subprocess.run([testbed.ORCHESTRATOR, 'show', 'policies'], capture_output=True, text=True)
    if wish is not None and result.returncode != 0:
        print(f'1..0 # SKIP {result.stderr.strip()}')
        sys.exit(0)


_played = {}
_sentences = {'begun': 0, 'ended': 0}


@functools.lru_cache(maxsize=None)
def recorded():
    if not os.path.exists(GOLDEN):
        return {}
    with open(GOLDEN, encoding='utf-8') as file:
        return json.load(file)


def golden():
    """The digests that are known. Comes first in a sentence."""
    _sentences['begun'] += 1
    return {} if WRITING else recorded()


def hold(found, wanted):
    """Compares what runs have left with what is known, and names all runs and tables that differ."""
    _played.update(found)
    _sentences['ended'] += 1
    if WRITING:
        return
    changes = []
    for run, tables in found.items():
        known = wanted.get(run)
        if known is None:
            changes.append(f'{run}: not in the file')
            continue
        wrong = [table for table in sorted({*known, *tables}) if known.get(table) != tables.get(table)]
        if wrong:
            changes.append(f'{run}: {", ".join(wrong)}')
    tap.true(not changes, f'changed, run by run, tables: {"; ".join(changes)} ({RENEW})')


# ---- runs ----

def sets(*settings):
    return [flag for setting in settings for flag in ('--set', setting)]


def what(policy, *settings, scenario='dapo-quick', devices=4, servers=2, episodes=2, slots=20):
    return ['-s', scenario, '-n', devices, '-m', servers, '-e', episodes, '-t', slots, '-p', policy, *sets(*settings)]


def queue(policy, *settings, **options):
    return what(policy, 'task.probability=0.6', *settings, scenario='dapo-queue', **options)


def policy_of(arguments):
    return arguments[arguments.index('-p') + 1]


def count(arguments, flag):
    return arguments[arguments.index(flag) + 1]


def over_memory(folder, name, arguments):
    db = os.path.join(folder, name + '.db')
    testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *arguments, cwd=folder)
    return db


def over_tcp(folder, name, arguments):
    """One device alone, the others in one process."""
    db = os.path.join(folder, name + '-tcp.db')
    program = testbed.start_orchestrator('--db', db, *arguments, cwd=folder)
    port = program.port()
    nodes = [testbed.start_server(port) for _ in range(count(arguments, '-m'))]
    nodes += [testbed.start_device(port, '--count', str(share)) for share in (1, count(arguments, '-n') - 1)]
    tap.equal(program.wait(), 0, program.text())
    for node in nodes:  # one that the scenario kills for good ends with 7
        tap.true(node.wait() in (0, 7), f'a node: {node.text()}')
    return db


def play(runs, wanted, tcp=(), prepare=None):
    """Plays each run in memory, those named in `tcp` over TCP too: the same must come out. Returns how tasks ended."""
    found, statuses = {}, set()
    with testbed.scratch() as folder:
        if prepare is not None:
            prepare(folder)
        for name, arguments in runs.items():
            db = over_memory(folder, name, arguments)
            found[name] = digests(db)
            statuses |= {row[0] for row in testbed.rows(db, 'SELECT DISTINCT status FROM task')}
            if name in tcp:
                tap.equal(digests(over_tcp(folder, name, arguments)), found[name], f'{name} over TCP')
    hold(found, wanted)
    return statuses


# ---- learners ----

SHORT = (
    'ddpg.warmup=30', 'ddpg.batch=16', 'ddpg.hidden_1=24', 'ddpg.hidden_2=16', 'maddpg.hidden_1=16',
    'maddpg.hidden_2=16', 'dqn.warmup=60', 'dqn.batch=16', 'dqn.epsilon_slots=100', 'ppo.rollout=22', 'ppo.batch=11',
    'ppo.epochs=6', 'a2c.steps=2', 'plus.warmup=20', 'plus.batch=32', 'plus.price_block=12', 'plus.price_settle=3',
    'plus.explore_slots=100', 'active.warmup=20', 'active.fit_slots=20', 'active.width=16', 'active.members=3',
    'active.epochs=2', 'evaluation.validate_episodes=1', 'evaluation.validate_slots=8',
    'evaluation.test_episodes=2', 'evaluation.test_slots=8')
LONG_ENOUGH = {'devices': 3, 'slots': 110}  # with SHORT 100 updates or more, whoever learns
FAULTS = ('faults.script=slot 5 kill server 1; slot 12 rejoin server 1; slot 8 pause device 1 for 5; '
          'slot 18 kill device 2; slot 25 rejoin device 2; episode 0 slot 50 slow server 0 by 0.3; '
          'slot 60 partition device 0 server 1 for 9')
LEARNERS = {
    **{name: what(name, *SHORT, **LONG_ENOUGH) for name in (
        'dapo', 'bandit', 'td3', 'sac', 'maddpg', 'dqn', 'ppo', 'ppo-gaussian', 'a2c', 'dapo-plus',
        'active-inference', 'rainbow')},
    **{f'{name} in queues': queue(name, *SHORT, **LONG_ENOUGH) for name in (
        'dapo', 'sac', 'dqn', 'ppo', 'dapo-plus')},
    **{f'{name} under faults': what(name, *SHORT, FAULTS, **LONG_ENOUGH) for name in (
        'dapo', 'maddpg', 'dqn', 'ppo', 'dapo-plus')},
    'dapo-plus in queues under faults': queue('dapo-plus', *SHORT, FAULTS, **LONG_ENOUGH),
    'dapo, other ways': what('dapo', *SHORT, 'ddpg.buffer=100', 'ddpg.noise=ornstein-uhlenbeck',
                             'action.mapping=rounding', 'run.checkpoint_every=2', **LONG_ENOUGH),
    'td3, scores': what('td3', *SHORT, 'action.mapping=scores', 'td3.delay=3', **LONG_ENOUGH),
    'sac, fixed temperature': what('sac', *SHORT, 'sac.temperature=0.2', 'sac.temperature_rate=0', **LONG_ENOUGH),
    'dqn, plain': what('dqn', *SHORT, 'dqn.double_q=off', 'dqn.dueling=off', 'dqn.buffer=200', **LONG_ENOUGH),
    'ppo, traces and entropy': what('ppo', *SHORT, 'ppo.trace=0.95', 'ppo.entropy=0.01', 'ppo.norm=0', **LONG_ENOUGH),
    'active-inference, drawn and learned': what('active-inference', *SHORT, 'active.plan=cross-entropy',
                                                'active.candidates=50', 'active.elites=5', 'active.iterations=3',
                                                'active.preference=learned', 'active.estimate=gaussian',
                                                'active.anew=on', 'active.buffer=200', **LONG_ENOUGH),
    'dapo-plus, linear parts': what('dapo-plus', *SHORT, 'plus.hidden=0', 'plus.swaps=off', 'plus.watch=off',
                                    'plus.buffer=300', **LONG_ENOUGH),
}
OVER_TCP_TOO = ('dapo', 'dapo-plus in queues')


def file_that_keeps_experience(folder):
    """A database in which all experience stays, also what has fallen out of a full buffer."""
    path = over_memory(folder, 'empty', what('local', devices=1, servers=1, episodes=1, slots=1))
    connection = sqlite3.connect(path)
    connection.execute('CREATE TRIGGER keep BEFORE DELETE ON experience BEGIN SELECT RAISE(IGNORE); END')
    connection.commit()
    connection.close()
    return path


def check_that_it_learned(db, name):
    weights = testbed.rows(db, 'SELECT weights FROM checkpoint ORDER BY run_id, episode')
    kept = 1 if 'run.checkpoint_every=2' in LEARNERS[name] else 2
    tap.equal(len(set(weights)), kept, f'{name}: checkpoints that differ')


@tap.test
def every_learner_learns_the_same_and_tests_the_same():
    wanted = golden()
    table = testbed.orchestrator('show', 'policies')[0].splitlines()
    tap.equal({policy_of(arguments) for arguments in LEARNERS.values()},
              {line.split()[0] for line in table if '  learns; ' in line}, 'learners of the policy table')
    found = {}
    with testbed.scratch() as folder:
        empty = file_that_keeps_experience(folder)
        for name, arguments in LEARNERS.items():
            policy = policy_of(arguments)
            db = os.path.join(folder, name + '.db')
            shutil.copy(empty, db)
            over_memory(folder, name, arguments)
            check_that_it_learned(db, name)
            others = [policy, 'greedy', *(['dapo-plus-actor'] if name == 'dapo-plus' else [])]
            testbed.orchestrator('evaluate', '-q', '--db', db, '-r', 2, '-p', ','.join(others))
            found[name] = digests(db)
            if policy in ('dapo', 'bandit', 'td3', 'sac', 'maddpg', 'dqn', 'rainbow'):
                tap.true('experience' in found[name], f'{name}: experience')
    hold(found, wanted)


@tap.test
def learners_over_tcp_leave_the_same_rows_as_in_memory():
    wanted = golden()
    play({name + ', training alone': LEARNERS[name] for name in OVER_TCP_TOO}, wanted,
         tcp=[name + ', training alone' for name in OVER_TCP_TOO])


# ---- policies that do not learn ----

ROUND = ('local', 'edge-nearest', 'edge-best-channel', 'random', 'static', 'static-association', 'greedy',
         'neurosurgeon', 'nash', 'iao', 'genetic', 'swarm', 'best-response', 'multi-start', 'optimum')
QUEUE = ('local', 'edge-nearest', 'edge-best-channel', 'random', 'static', 'greedy', 'myopic', 'priced')
SLOW = ('radio.bandwidth_mhz=0.5', 'servers.tflops_max=5.1', 'objective.server_energy=0.3')
SEARCH = ('genetic.population=12', 'genetic.generations=6', 'swarm.particles=8', 'swarm.iterations=8')


@tap.test
def policies_that_do_not_learn_decide_the_same_in_rounds():
    runs = {name: what(name, *SEARCH, 'radio.bandwidth_mhz=10', devices=7, slots=12) for name in ROUND}
    play(runs, golden(), tcp=('random', 'optimum', 'greedy'))


@tap.test
def policies_that_do_not_learn_decide_the_same_in_queues():
    runs = {f'{name} in queues': queue(name, *SLOW, devices=6) for name in QUEUE}
    runs['priced, shared processors'] = queue('priced', 'servers.discipline=processor-sharing', 'priced.price=0.5',
                                              devices=6)
    runs['random, crowded queues'] = queue('random', 'task.probability=1', 'radio.bandwidth_mhz=2', devices=8)
    play(runs, golden(), tcp=('random in queues', 'priced, shared processors'))


# ---- worlds ----

def write_files(folder):
    """Requests, positions, a fine trace of rates, and two logs with cells."""
    def write(name, *lines):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.writelines(line + '\n' for line in lines)

    write('requests.csv', 'TIMESTAMP,ContextTokens,GeneratedTokens',
          *(f'{i},{17 + i * 37 % 900},{i}' for i in range(300)))
    for name in ('sites.csv', 'homes.csv'):
        write(name, 'Latitude,Longitude', *(f'-37.8{13 + i * 7 % 30},144.9{50 + i * 11 % 40}' for i in range(40)))
    os.mkdir(os.path.join(folder, 'rates'))
    os.mkdir(os.path.join(folder, 'logs'))
    for name, factor in (('a', 1), ('b', 3)):
        write(f'rates/{name}', *(f'{i * 0.06:.2f} {i * factor % 41 * (i % 700 > 200)}' for i in range(6000)))
        write(f'logs/{name}.csv', 'Timestamp,Longitude,Latitude,Speed,CellID,DL_bitrate,UL_bitrate', *(
            f'2020.01.01_10.{i // 60:02}.{i % 60:02},-8.{5000 + i * factor},51.{9000 + i},{i % 50},{i // 23},{i},{i}'
            for i in range(600)))


TRACES = ('radio.trace=rates', 'mobility.kind=trace', 'mobility.trace=logs')
ROUGH = ('link.delay_s=0.01', 'link.jitter_s=0.005', 'link.loss=0.01', 'link.down_mbps=20', 'link.result_kb=30')
MOVING = ('mobility.speed_mean=40', 'mobility.speed_max=60', 'servers.coverage_m=350', 'radio.bandwidth_mhz=2',
          'fixed.split=4', 'handover.backhaul_nj_bit=2')


@tap.test
def worlds_of_all_kinds_are_the_same():
    runs = {
        'waypoints, no fading, proportional': what(
            'best-response', 'mobility.kind=random-waypoint', 'radio.fading=none', 'radio.sharing=proportional',
            'servers.sharing=proportional'),
        'one band, still, geometry': what(
            'nash', 'radio.sharing=shared', 'mobility.kind=still', 'model.work=geometry'),
        'little memory, layers kept': what(
            'multi-start', 'devices.memory_gb=8', 'servers.memory_gb=0.2', 'model.min_split=2'),
        'neurosurgeon, proportional': what(
            'neurosurgeon', 'radio.sharing=proportional', 'servers.sharing=proportional'),
        'no deadline, less energy': what('optimum', 'objective.deadline_s=0', 'objective.server_energy=0.3'),
        'requests and sites': what(
            'greedy', 'task.requests_csv=requests.csv', 'servers.positions_csv=sites.csv',
            'devices.positions_csv=homes.csv', 'area.width_m=4000', 'area.height_m=4000'),
        'requests in queues': queue('priced', 'task.requests_csv=requests.csv', devices=5),
        'episodes alone': what('random', 'run.record=episodes'),
        'repairs': what('random', 'devices.memory_gb=6', 'servers.memory_gb=0.2'),
        'a cloud behind a network': what('greedy', 'tiers.cloud.wan_jitter_s=0.004', 'link.result_kb=2',
                                         scenario='dapo-cloud', servers=4),
        'whole tasks in bursts': what('active-belief', 'adaptive.price=learned', scenario='cloud-edge-busy', devices=1, servers=5,
                                      slots=150),
        'whole tasks, drawn beliefs': what('thompson', 'reserve.returns=stage', scenario='cloud-edge-live', devices=2, servers=5,
                                           slots=100),
        'whole tasks': what('data-sheet', 'reserve.returns=end', scenario='cloud-edge', devices=3, servers=5, slots=80),
        'whole tasks, drawn': what('random-shares', 'reserve.excess=clamp', 'objective.reward=printed',
                                   scenario='cloud-edge', devices=3, servers=5),
        'sac, whole tasks': what('sac', *SHORT, scenario='cloud-edge', devices=1, servers=5, slots=110),
    }
    play(runs, golden(), tcp=('requests and sites', 'a cloud behind a network', 'whole tasks'), prepare=write_files)


@tap.test
def traces_play_the_same():
    runs = {
        'traces': what('greedy', *TRACES, 'faults.script=slot 6 kill device 3; slot 11 rejoin device 3'),
        'traces, downlink in logs': what('optimum', 'radio.trace=logs', 'radio.trace_direction=down'),
        'traces in queues': queue('static', *TRACES, 'handover.policy=resume', slots=60),
    }
    play(runs, golden(), tcp=('traces', 'traces in queues'), prepare=write_files)


@tap.test
def rough_links_and_handovers_are_the_same():
    runs = {'rough links': what('greedy', *ROUGH), 'rough links in queues': queue('priced', *ROUGH)}
    for how in ('finish', 'resume', 'restart'):
        runs[f'handover, {how}'] = queue('static', *MOVING, f'handover.policy={how}', devices=8, slots=60)
    play(runs, golden(), tcp=('rough links', 'handover, resume', 'handover, restart'))


@tap.test
def what_the_scenario_breaks_ends_the_same():
    script = ('faults.script=slot 5 kill server 1; slot 12 rejoin server 1; slot 8 pause device 3 for 5; '
              'slot 20 slow server 0 by 0.5 for 9; slot 16 partition device 0 server 2 for 4; slot 18 kill device 2; '
              'slot 25 rejoin device 2; slot 33 kill server 0; '
              'episode 0 slot 30 slow server 2 by 0.5 until episode 1 slot 11')
    runs = {}
    for recovery in ('local', 'reoffload', 'none'):
        broken = (script, f'faults.recovery={recovery}', 'chaos.rate=0.01')
        runs[f'faults, {recovery}'] = what('edge-best-channel', *broken, devices=5, servers=3, slots=36)
        runs[f'faults in queues, {recovery}'] = queue('edge-best-channel', *broken, devices=6, servers=3, slots=36)
    runs['faults, optimum'] = what('optimum', script, 'chaos.rate=0.02', servers=3, slots=36)
    runs['faults in queues, priced'] = queue('priced', script, 'chaos.rate=0.02', *ROUGH, 'faults.recovery=reoffload',
                                             devices=6, servers=3, slots=36)
    statuses = play(runs, golden(), tcp=('faults, local', 'faults, reoffload', 'faults in queues, reoffload'))
    tap.equal(statuses, {'done', 'recovered', 'reoffloaded', 'device_lost', 'server_lost', 'expired'}, 'ways to end')


# ---- other verbs ----

@tap.test
def a_replay_verifies_and_records_what_if_the_same():
    wanted = golden()
    found = {}
    with testbed.scratch() as folder:
        for name, arguments, others in (
                ('replays', what('random', *ROUGH, FAULTS, slots=40), ('greedy', 'best-response')),
                ('replays in queues', queue('random', FAULTS, 'handover.policy=resume', slots=40), ('priced',)),
                ('replays of a learner', what('dapo', *SHORT, devices=3, slots=60), ('optimum',))):
            db = over_memory(folder, name, arguments)
            tap.equal(testbed.verify(db), testbed.one(db, 'SELECT count(*) FROM task'), f'{name}: tasks replayed')
            for policy in others:
                testbed.orchestrator('replay', '-q', '--db', db, '-r', 1, '-p', policy)
            found[name] = digests(db)
    hold(found, wanted)


@tap.test
def evaluations_on_held_out_slots_are_the_same():
    wanted = golden()
    found = {}
    with testbed.scratch() as folder:
        held_out = ('evaluation.test_episodes=2', 'evaluation.test_slots=12', 'evaluation.validate_episodes=1',
                    'evaluation.validate_slots=9')
        for name, arguments, policies in (
                ('evaluations', what('local', *held_out), 'greedy,random,nash,optimum,static-association'),
                ('evaluations in queues', queue('local', *held_out), 'greedy,random,myopic,priced')):
            db = over_memory(folder, name, arguments)
            for phase in ('test', 'validate'):
                testbed.orchestrator('evaluate', '-q', '--db', db, '-p', policies, '--phase', phase)
            found[name] = digests(db)
    hold(found, wanted)


@tap.test
def a_sweep_finds_out_the_same():
    wanted = golden()
    grid = {
        'name': 'golden', 'scenario': 'dapo-quick', 'seeds': [1, 2],
        'set': {
            'run.episodes': 2, 'run.slots': 40, 'devices.count': 3, 'servers.count': 2, 'ddpg.warmup': 20,
            'ddpg.batch': 16, 'ddpg.hidden_1': 24, 'ddpg.hidden_2': 16, 'plus.warmup': 10, 'plus.batch': 32,
            'evaluation.validate_episodes': 1, 'evaluation.validate_slots': 8, 'evaluation.test_episodes': 2,
            'evaluation.test_slots': 8},
        'experiments': [
            {'name': 'learning', 'policies': ['dapo', 'dapo-plus', 'dapo-plus-actor', 'optimum'], 'curve': True,
             'seeds': [1]},
            {'name': 'band', 'policies': ['greedy', 'random', 'optimum', 'priced'],
             'vary': {'radio.bandwidth_mhz': [5, 20]}, 'record_tasks': [1]},
            {'name': 'drift', 'policies': ['dapo', 'greedy'], 'seeds': [3], 'train': 'once',
             'vary': {'radio.bandwidth_mhz': [5, 20]}, 'record_tasks': 'all'},
            {'name': 'queues', 'policies': ['priced', 'random'], 'seeds': [1], 'set': {'run.mode': 'queue'},
             'test_set': {'faults.script': 'slot 2 kill server 0'}}],
    }
    with testbed.scratch() as folder:
        path, db = os.path.join(folder, 'sweep.yaml'), os.path.join(folder, 'x.db')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(grid, file)
        testbed.orchestrator('sweep', path, '-q', '--jobs', 1, '--db', db)  # one worker: runs keep their order
        tap.equal(testbed.rows(db, "SELECT DISTINCT status FROM job ORDER BY 1"), [('done',), ('skipped',)], 'statuses')
        tap.true(testbed.one(db, 'SELECT count(validation_cost) FROM checkpoint') > 0, 'checkpoints are evaluated')
        found = {'sweep': digests(db)}
    hold(found, wanted)


# ---- the real clock ----

FAST = ('run.time_scale=4', 'radio.bandwidth_mhz=5', 'task.tokens=32')


def in_real_time(play_into, left_out):
    """A run that kept up, and lost no node: what does not depend on the clock."""
    with testbed.scratch() as folder:
        db = play_into(folder)
        tap.equal(testbed.one(db, 'SELECT min(trusted), (SELECT count(*) FROM event) FROM run'), (1, 0), 'trusted runs, events')
        return digests(db, left_out, SAMPLES)


def twin(folder):
    db = os.path.join(folder, 'twin.db')
    testbed.call(*testbed.launch('--twin', '-q', '--db', db, '-s', 'dapo-quick', '-n', 4, '-m', 2, '--count', 2,
                                 '-t', 4, '-p', 'random', *sets(*FAST)), status=None)  # 5 where the clocks do not agree
    return db


@tap.test
@testbed.real_time
def what_does_not_depend_on_the_clock_is_the_same_in_real_time():
    wanted = golden()
    found = {'real time, twin': in_real_time(twin, REAL_LEFT_OUT)}
    for name, arguments, left_out in (
            ('real time', what('random', 'run.clock=real', *FAST, episodes=1, slots=4), REAL_LEFT_OUT),
            ('real time in queues', queue('greedy', 'run.clock=real', *FAST, episodes=1, slots=8),
             REAL_QUEUE_LEFT_OUT)):
        found[name] = in_real_time(lambda folder, a=arguments: over_tcp(folder, 'real', a), left_out)
    hold(found, wanted)


# ---- the file ----

@tap.test
def every_run_in_the_file_was_played():
    if WRITING or os.environ.get('TAP_ONLY'):
        raise tap.Skip('not all are compared')
    wanted = golden()
    left = {run for run in set(wanted) - set(_played) if not run.startswith('real time')}  # a busy machine skips those
    tap.equal(sorted(left), [], f'runs that are no more ({RENEW})')


if WRITING:
    @tap.test
    def the_digests_at_hand_are_written():
        tap.true(not os.environ.get('TAP_ONLY') and _sentences['begun'] == _sentences['ended'],
                 'every sentence before came to its end')
        lines = [f' {json.dumps(run)}: {json.dumps(_played[run])}' for run in sorted(_played)]
        with open(GOLDEN, 'w', encoding='utf-8') as file:
            file.write('{\n' + ',\n'.join(lines) + '\n}\n')


skip_without_the_instructions()
tap.main()
