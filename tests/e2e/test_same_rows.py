"""The same seed gives the same rows, whatever carries the messages: whole databases are compared, bit for bit."""
import json
import os
import struct
import sys
import sqlite3

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

# What may differ: wall time, addresses, and the name of the host.
EXCEPT = {'run': {'started_utc', 'host', 'config_json'}, 'episode': {'wall_s'}, 'node': {'address'}}
EPISODES, SLOTS, DEVICES, SERVERS = 2, 120, 5, 2
WHAT = ('-s', 'dapo-quick', '-n', DEVICES, '-m', SERVERS, '-e', EPISODES, '-t', SLOTS)
LEARNING = ('--set', 'ddpg.warmup=50', '--seed', 11)


def bits(value):
    return struct.pack('<d', value) if isinstance(value, float) else value


def content(path):
    """Every table: its columns, and its rows in order of their primary keys."""
    connection = sqlite3.connect(path)
    tables = {}
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        info = connection.execute(f'PRAGMA table_info({table})').fetchall()
        columns = [row[1] for row in info if row[1] not in EXCEPT.get(table, ())]
        key = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5] > 0]
        rows = connection.execute(f'SELECT {", ".join(columns)} FROM {table} ORDER BY {", ".join(key)}').fetchall()
        tables[table] = (columns, [tuple(bits(value) for value in row) for row in rows])
        if table == 'run':
            config = [json.loads(row[0]) for row in connection.execute('SELECT config_json FROM run ORDER BY run_id')]
            for entry in config:
                entry.pop('host')
            tables['configuration'] = (['config'], config)
    connection.close()
    return tables


def compare(first, second):
    tap.equal(sorted(first), sorted(second), 'tables')
    for table, (columns, expected) in first.items():
        actual = second[table][1]
        tap.equal(len(actual), len(expected), f'rows of {table}')
        for row, (one, other) in enumerate(zip(expected, actual)):
            if one != other:
                names = [c for c, a, b in zip(columns, one, other) if a != b] if table != 'configuration' else one
                raise AssertionError(f'{table}, row {row}: {names} differ')


def run_over_memory(folder, extra):
    db = os.path.join(folder, 'memory.db')
    testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, *WHAT, *extra)
    return content(db)


def run_over_tcp(folder, shares, extra, servers_first=True):
    db = os.path.join(folder, f'tcp-{len(shares)}-{servers_first}.db')
    program = testbed.start_orchestrator('--db', db, *WHAT, *extra)
    port = program.port()
    starters = [lambda: testbed.start_server(port)] * SERVERS
    starters += [lambda share=share: testbed.start_device(port, '--count', str(share)) for share in shares]
    nodes = [start() for start in (starters if servers_first else reversed(starters))]
    tap.equal(program.wait(), 0, program.text())
    for node in nodes:
        tap.equal(node.wait(), 0, node.text())
    return content(db)


def check_that_it_learned(tables):
    columns, rows = tables['checkpoint']
    weights = [row[columns.index('weights')] for row in rows]
    tap.equal(len(weights), EPISODES, 'checkpoints')
    tap.true(weights[0] != weights[1], 'the weights move')
    tap.equal(len(tables['task'][1]), EPISODES * SLOTS * DEVICES, 'tasks')


@tap.test
def memory_and_one_process_a_device_and_several_devices_a_process_record_the_same_while_learning():
    with testbed.scratch() as folder:
        memory = run_over_memory(folder, LEARNING)
        check_that_it_learned(memory)
        compare(memory, run_over_tcp(folder, [1] * DEVICES, LEARNING))
        compare(memory, run_over_tcp(folder, [3, 2], LEARNING, servers_first=False))
        compare(memory, run_over_tcp(folder, [DEVICES], LEARNING))


@tap.test
def policies_that_do_not_learn_record_the_same():
    for policy in ('random', 'best-response', 'optimum'):
        with testbed.scratch() as folder:
            extra = ('-p', policy)
            compare(run_over_memory(folder, extra), run_over_tcp(folder, [2, 3], extra))


@tap.test
def a_cloud_behind_a_network_records_the_same_whatever_tier_joins_first():
    what = ('-s', 'dapo-cloud', '-n', 6, '-p', 'greedy', '-e', 1, '-t', 60, '--set', 'link.result_kb=2', '--set', 'tiers.cloud.wan_jitter_s=0.004')
    with testbed.scratch() as folder:
        for mode in (('--set', 'run.mode=round'), ('--set', 'run.mode=queue', '--set', 'task.probability=0.4')):
            paths = [os.path.join(folder, f'{where}-{mode[1]}.db') for where in ('memory', 'tcp')]
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', paths[0], *what, *mode)
            program = testbed.start_orchestrator('--db', paths[1], *what, *mode)
            port = program.port()
            nodes = [testbed.start_device(port, '--count', '6'), testbed.start_server(port, '--tier', 'cloud')]
            nodes += [testbed.start_server(port, *tier) for tier in (('--tier', 'edge'), (), ())]
            tap.equal(program.wait(), 0, program.text())
            for node in nodes:
                tap.equal(node.wait(), 0, node.text())
            compare(content(paths[0]), content(paths[1]))
            served = sqlite3.connect(paths[0]).execute('SELECT count(DISTINCT served_by), sum(served_by = 3) FROM task').fetchone()
            tap.true(served[0] == 4 and served[1] > 20, f'every server has tasks, the cloud too: {served}')
            testbed.orchestrator('replay', '--verify', '--run', '1', '--db', paths[0])


def write_traces(folder):
    """A fine trace longer than a piece of TRACE, and two logs with cells."""
    rates = os.path.join(folder, 'rates')
    logs = os.path.join(folder, 'logs')
    os.mkdir(rates)
    os.mkdir(logs)
    for name, factor in (('a', 1), ('b', 3)):
        with open(os.path.join(rates, name), 'w', encoding='utf-8') as file:
            file.writelines(f'{i * 0.06:.2f} {i * factor % 41 * (i % 700 > 200)}\n' for i in range(13000))
        with open(os.path.join(logs, name + '.csv'), 'w', encoding='utf-8') as file:
            file.write('Timestamp,Longitude,Latitude,Speed,CellID,DL_bitrate,UL_bitrate\n')
            file.writelines(f'2020.01.01_10.{i // 60:02}.{i % 60:02},-8.{5000 + i * factor},51.{9000 + i},{i % 50},{i // 23},{i},{i}\n'
                            for i in range(600))
    return ['--set', f'radio.trace={rates}', '--set', 'mobility.kind=trace', '--set', f'mobility.trace={logs}']


@tap.test
def traces_reach_the_nodes_as_they_are_also_those_that_come_back():
    script = ['--set', 'faults.script=slot 20 kill device 3; slot 40 rejoin device 3; slot 30 kill device 0; slot 31 rejoin device 0']
    with testbed.scratch() as folder:
        extra = [*write_traces(folder), *LEARNING]
        memory = run_over_memory(folder, extra)
        columns, rows = memory['node']
        sizes = [len(row[columns.index('rate_trace')] or '') for row in rows]
        tap.true(sorted(sizes)[-2] > 4096 * 16 and sizes.count(0) == len(rows) - 2, f'two traces of several pieces each: {sizes}')
        compare(memory, run_over_tcp(folder, [1] * DEVICES, extra))
        compare(memory, run_over_tcp(folder, [3, 2], extra, servers_first=False))
    with testbed.scratch() as folder:
        extra = [*write_traces(folder), '-p', 'greedy', *script]
        compare(run_over_memory(folder, extra), run_over_tcp(folder, [1] * DEVICES, extra))
    with testbed.scratch() as folder:
        extra = [*write_traces(folder), '-p', 'static', '--set', 'run.mode=queue', '--set', 'handover.policy=resume']
        memory = run_over_memory(folder, extra)
        columns, rows = memory['event']
        tap.true('handover' in [row[columns.index('kind')] for row in rows], 'cells change under transfers')
        compare(memory, run_over_tcp(folder, [1, 4], extra))


@tap.test
def rough_links_record_the_same_and_replay():
    extra = ('-p', 'greedy', '--set', 'link.delay_s=0.01', '--set', 'link.jitter_s=0.005', '--set', 'link.loss=0.01', '--set',
             'link.down_mbps=20', '--set', 'link.result_kb=30')
    with testbed.scratch() as folder:
        memory = run_over_memory(folder, extra)
        compare(memory, run_over_tcp(folder, [2, 3], extra))
        testbed.orchestrator('replay', '-q', '--verify', '--db', os.path.join(folder, 'memory.db'))
    with testbed.scratch() as folder:
        plain = run_over_memory(folder, ('-p', 'greedy'))
        tap.true(plain['task'] != memory['task'], 'the link makes a difference')


@tap.test
def prompts_in_chunks_record_the_same_and_replay():
    chunks = ('--set', 'compute.chunks=4')
    extra = ('-p', 'optimum', *chunks, '--set', 'link.delay_s=0.01', '--set', 'link.result_kb=30', '--set', 'link.down_mbps=20',
             '--set', 'faults.recovery=reoffload', '--set', 'faults.script=slot 20 pause server 1 for 2')
    with testbed.scratch() as folder:
        memory = run_over_memory(folder, extra)
        compare(memory, run_over_tcp(folder, [2, 3], extra))
        testbed.orchestrator('replay', '-q', '--verify', '--db', os.path.join(folder, 'memory.db'))
        _, refused = testbed.orchestrator('run', '--over', 'memory', *WHAT, *chunks, '--set', 'run.mode=queue', status=2)
        tap.true('compute.chunks: run.mode: queue sends a prompt whole, allowed 1' in refused, refused)
    with testbed.scratch() as folder:
        whole = run_over_memory(folder, extra + ('--set', 'compute.chunks=1'))
        tap.true(whole['task'] != memory['task'], 'chunks make a difference')


BAD_CHANNELS = {
    'HARQ': ('channel.harq=on', 'compute.chunks=3'),
    'HARQ in queues': ('channel.harq=on', 'run.mode=queue'),
    'bounded': ('channel.mode=bounded', 'channel.margin_db=3', 'channel.transmissions=2', 'channel.deadline_s=0.2'),
    'bounded in queues': ('channel.mode=bounded', 'channel.transmissions=2', 'run.mode=queue', 'handover.policy=resume',
                          'servers.coverage_m=350'),
    'bounded, coded': ('channel.mode=bounded', 'action.margins_db=0 3 20', 'action.formats=int8 q4'),
    'bounded, coded, in queues': ('channel.mode=bounded', 'action.margins_db=0 20', 'action.formats=q4', 'run.mode=queue'),
    'analog': ('channel.mode=analog', 'channel.snr=radio', 'channel.fading=rayleigh'),
    'erasure': ('channel.mode=erasure',),
    'bits in queues': ('channel.mode=bits', 'run.mode=queue'),
}


@tap.test
def bad_channels_record_the_same_and_replay():
    for name, keys in BAD_CHANNELS.items():
        with testbed.scratch() as folder:
            extra = ['-p', 'random', *(part for key in keys for part in ('--set', key))]
            db = os.path.join(folder, 'memory.db')
            memory = run_over_memory(folder, extra)
            compare(memory, run_over_tcp(folder, [2, 3], extra))
            testbed.orchestrator('replay', '-q', '--verify', '--db', db)
            missing = testbed.one(db, 'SELECT count(missing) FROM task WHERE served_by IS NOT NULL')
            tap.equal(missing > 100, name.startswith('bounded'), f'{name}: {missing} tasks whose packets may be missing')
            if missing:
                with sqlite3.connect(db) as connection:
                    connection.execute('UPDATE task SET missing = missing / 2 WHERE (episode, slot, device) IN '
                                       '(SELECT episode, slot, device FROM task WHERE missing > 0 LIMIT 1)')
                told = ''.join(testbed.orchestrator('replay', '-q', '--verify', '--db', db, status=5))
                tap.true('missing' in told, told)


@tap.test
def learned_codings_record_the_same_and_replay():
    keys = ('channel.mode=bounded', 'action.formats=int8 q4', 'action.margins_db=0 3', 'plus.warmup=30', 'ppo.rollout=64',
            'dqn.warmup=50')
    for policy in ('dapo-plus', 'td3', 'ppo', 'dqn'):
        with testbed.scratch() as folder:
            extra = ['-p', policy, *LEARNING, *(part for key in keys for part in ('--set', key))]
            db = os.path.join(folder, 'memory.db')
            memory = run_over_memory(folder, extra)
            check_that_it_learned(memory)
            compare(memory, run_over_tcp(folder, [2, 3], extra))
            testbed.orchestrator('replay', '-q', '--verify', '--db', db)
            chosen = testbed.one(db, 'SELECT count(DISTINCT coding) FROM task WHERE server IS NOT NULL')
            tap.equal(chosen, 5, f'{policy}: codings tried')


@tap.test
def another_seed_records_something_else():
    with testbed.scratch() as folder:
        first = run_over_memory(folder, LEARNING)
    with testbed.scratch() as folder:
        second = run_over_memory(folder, ('--set', 'ddpg.warmup=50', '--seed', 12))
    tap.true(first['task'] != second['task'], 'tasks differ')


tap.main()
