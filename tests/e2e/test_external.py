"""A policy in another language: the Python client, the example, and agents that do not do what they should."""
import concurrent.futures
import json
import os
import re
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
CLIENT = os.path.join(os.path.abspath(sys.argv[4]), 'deploy', 'python')
import python_with

python_with.modules('msgpack', 'numpy')
sys.dont_write_bytecode = True
sys.path.insert(0, CLIENT)
import handoff_env
import msgpack
import numpy
import tap
import testbed
from handoff_env import CHOICE, CONTINUOUS, PASS, SERVER_NONE, Connection, HandoffEnv

DEVICES, SERVERS, EPISODES, SLOTS = 4, 2, 2, 8
WHAT = ('-s', 'dapo-quick', '-n', DEVICES, '-m', SERVERS, '-e', EPISODES, '-t', SLOTS)
SOON = ('--set', 'external.timeout_s=0.05')  # for answers that shall come too late
TASK = ('episode, slot, device, split, server, repaired, bandwidth_share, compute_share, local_s, transmit_s, queue_s, edge_s, '
        'latency_s, compute_j, transmit_j, server_j, energy_j, cost, status')


def tasks(db, where='1'):
    rows = testbed.rows(db, f'SELECT {TASK} FROM task WHERE {where} ORDER BY run_id, episode, slot, device')
    return [tuple(struct.pack('<d', value) if isinstance(value, float) else value for value in row) for row in rows]


def events(db):
    return testbed.rows(db, 'SELECT episode, slot, kind, detail FROM event ORDER BY event_id')


def play_greedy(folder, *extra):
    db = os.path.join(folder, 'greedy.db')
    testbed.orchestrator('run', '-q', '--over', 'memory', '-p', 'greedy', '--db', db, *WHAT, *extra)
    return db


class Run:
    """An orchestrator that waits for its agent."""

    def __init__(self, folder, *extra, over='memory'):
        self.db = os.path.join(folder, 'external.db')
        self.program = testbed.start_orchestrator('--db', self.db, '-p', 'external', '--over', over, *WHAT, *extra)
        testbed.until(lambda: self._line() is not None or self.program.child.poll() is not None, 'AGENT port=N')
        if self._line() is None:
            raise AssertionError(self.program.text())
        self.port = int(self._line().partition('=')[2])

    def _line(self):
        return next((line for line in list(self.program.output) if line.startswith('AGENT port=')), None)

    def connect(self, ready=True):
        agent = Connection('127.0.0.1', self.port)
        agent.send('AGENT', major=handoff_env.MAJOR, minor=handoff_env.MINOR, name='test')
        _, self.world = agent.expect('WORLD')
        if ready:
            agent.send('READY')
        return agent

    def finish(self, status=0):
        tap.equal(self.program.wait(), status, self.program.text())
        return self.program.text()


def pass_on(agent, view=None):
    """Leaves everything to the fallback until the run is over."""
    while True:
        if view is None:
            name, view = agent.expect('VIEW', 'OUTCOME', 'GOODBYE')
            if name == 'GOODBYE':
                agent.close()
                return
            if name == 'OUTCOME':
                view = None
                continue
        if view['closing'] == 0:
            agent.send('ACTION', round=view['round'], kind=PASS, split=[], server=[], value=[])
        view = None


# ---- the client ----

@tap.test
def the_clients_table_of_messages_is_the_schemas():
    with open(os.path.join(testbed.SOURCE_ROOT, 'proto', 'messages.def'), encoding='utf-8') as file:
        text = file.read()
    schema = {}
    for number, name, fields in re.findall(r'^MSG\((0x\w+), (\w+),.*?\n(.*?)^END_MSG', text, re.M | re.S):
        kinds = re.findall(r'^(\w+)\(\w+, (\w+),', fields, re.M)
        suffix = {'U': '', 'R': '', 'S': '', 'UV': ':I', 'RV': ':d'}
        if name in handoff_env.MESSAGES:
            schema[name] = (int(number, 16), ' '.join(field + suffix[kind] for kind, field in kinds))
    tap.equal(handoff_env.MESSAGES, schema, 'messages')
    with open(os.path.join(testbed.SOURCE_ROOT, 'proto', 'message.h'), encoding='utf-8') as file:
        text = file.read()
    tap.contains(text, f'PROTO_MAJOR {handoff_env.MAJOR}u', f'PROTO_MINOR {handoff_env.MINOR}u',
                 f'PROTO_SERVER_NONE {SERVER_NONE}u')


def open_env(**options):
    return HandoffEnv('dapo-quick', DEVICES, SERVERS, EPISODES, SLOTS, program=testbed.ORCHESTRATOR, **options)


# Names that Gymnasium's wrappers and vector environments, and Stable-Baselines3, write into `info` or read from it.
RESERVED = {'episode', 'final_observation', 'final_obs', 'final_info', 'terminal_observation', 'TimeLimit.truncated', 'is_success'}
RESERVED |= {f'_{key}' for key in RESERVED}


@tap.test
def no_key_of_info_is_one_that_wrappers_and_learners_reserve():
    with open_env(seed=3) as env:
        _, info = env.reset()
        infos = [info]
        for _ in range(SLOTS):
            _, _, _, _, info = env.step(env.action_space.sample())
            infos.append(info)
        for info in infos:
            tap.equal(RESERVED & set(info), set(), 'reserved keys')
            tap.true(set(info) <= {'view', 'outcome'}, f'the keys that are told: {sorted(info)}')


@tap.test
def an_episode_ends_by_truncation_with_what_was_observed_then():
    with open_env(seed=3) as env:
        tap.equal(env.observation_space.shape, (env.world['state_size'],), 'observations')
        tap.equal(env.action_space.shape, (2 * DEVICES,), 'actions')
        for episode in range(EPISODES):
            first, info = env.reset()
            tap.equal((info['view']['episode'], info['view']['slot'], first.dtype), (episode, 0, numpy.float32), 'reset')
            for slot in range(SLOTS):
                observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
                tap.equal((terminated, truncated), (False, slot == SLOTS - 1), 'the end')
                tap.equal((info['view']['slot'], info['outcome']['fallback']), (slot + 1, 0), 'slot')
                tap.equal(reward, -numpy.mean(info['outcome']['cost']), 'reward')
                tap.true(observation in env.observation_space, 'within the space')
            tap.true((observation != first).any(), 'devices have moved')
            try:
                env.step(env.action_space.sample())
                raise AssertionError('a step behind the end')
            except RuntimeError:
                pass


@tap.test
def a_seed_begins_a_run_and_none_the_next_episode_or_the_next_run():
    with open_env(seed=3) as env:
        first, _ = env.reset(seed=5)
        env.step(env.action_space.sample())
        second, info = env.reset()  # in mid-episode
        tap.equal((env.world['seed'], info['view']['episode']), (5, 1), 'the next episode')
        again, _ = env.reset(seed=5)
        tap.true((again == first).all() and (second != first).any(), 'the same seed begins in the same way')
        for _ in range(EPISODES - 1):
            env.reset()
        _, info = env.reset()
        tap.equal((env.world['seed'], info['view']['episode']), (6, 0), 'the run was over')
        for wrong in ([0] * (2 * DEVICES - 1), [33] + [0] * (2 * DEVICES - 1), [0, SERVERS] * DEVICES):
            try:
                env.step(numpy.array(wrong))
                raise AssertionError(f'{wrong} was sent')
            except ValueError:
                pass


@tap.test
def continuous_actions_are_mapped_by_the_orchestrator():
    with open_env(seed=3, action='continuous') as env:
        env.reset()
        _, _, _, _, info = env.step(numpy.array([-1, 0, 1, 0] * (DEVICES // 2), dtype=numpy.float32))
        tap.equal(list(info['outcome']['split']), [0, 32] * (DEVICES // 2), 'splits')
        tap.true(SERVER_NONE in info['outcome']['server'], 'the highest split is local')
    with open_env(seed=3, action='continuous', settings={'action.mapping': 'scores'}) as env:
        tap.equal(env.action_space.shape, ((1 + SERVERS) * DEVICES,), 'scores')
        env.reset()
        _, _, _, _, info = env.step(env.action_space.sample())
        tap.equal(info['outcome']['fallback'], 0, 'taken')


@tap.test
def it_works_without_numpy_and_as_a_gymnasium_env():
    script = """
import sys, types
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
if sys.argv[3] == 'plain':
    sys.modules['numpy'] = sys.modules['gymnasium'] = None
else:  # as much of it as is used
    class Env:
        def reset(self, *, seed=None, options=None):
            self.seeded = seed
    class Box:
        def __init__(self, low, high, shape, dtype):
            self.shape = shape
    class MultiDiscrete:
        def __init__(self, nvec):
            self.nvec = nvec
        def contains(self, action):
            return len(action) == len(self.nvec)
    sys.modules['gymnasium'] = types.SimpleNamespace(Env=Env, spaces=types.SimpleNamespace(Box=Box, MultiDiscrete=MultiDiscrete))
from handoff_env import HandoffEnv
env = HandoffEnv('dapo-quick', 3, 2, 1, 4, program=sys.argv[2])
observation, _ = env.reset(seed=7)
if sys.argv[3] == 'plain':
    env.action_space.seed(1)
    assert isinstance(observation, list) and env.observation_space.contains(observation)
    action = env.action_space.sample()
else:
    assert isinstance(env, Env) and env.seeded == 7
    action = [4, 1] * 3
steps, truncated = 0, False
while not truncated:
    _, reward, _, truncated, info = env.step(action)
    steps += 1
env.close()
print(steps, reward < 0, len(info['outcome']['cost']))
"""
    for kind in ('plain', 'gymnasium'):
        output, _ = testbed.call(sys.executable, '-c', script, CLIENT, testbed.ORCHESTRATOR, kind)
        tap.equal(output, '4 True 3\n', kind)


@tap.test
def the_example_learns_to_beat_random():
    output, _ = testbed.call(sys.executable, '-B', os.path.join(CLIENT, 'example_agent.py'), '--json', '--rounds', 5, '--program',
                             testbed.ORCHESTRATOR)
    result = json.loads(output)
    tap.true(result['learned']['reward'] > 0.75 * result['random']['reward'], f'a quarter less cost: {result}')


@tap.test
def wrong_settings_and_a_missing_agent_are_explained():
    for settings, part in (({'radio.bandwidth_mhz': -1}, 'radio.bandwidth_mhz'), ({'external.fallback': 'dapo'}, 'has to learn'),
                           ({'external.timeout_s': 0}, 'external.timeout_s')):
        try:
            open_env(settings=settings)
            raise AssertionError(f'{settings} was taken')
        except RuntimeError as error:
            tap.contains(str(error), part, 'status 2')
    with testbed.scratch() as folder:
        _, text = testbed.orchestrator('run', '-q', '--over', 'memory', '-p', 'external', '--wait-s', 1, cwd=folder, status=1)
        tap.contains(text, 'waited 1 s: no agent has come')
        tap.true(not os.path.exists(os.path.join(folder, 'results.db')), 'no database was made')
        testbed.orchestrator('evaluate', '--draws', 2, '-p', 'external', status=2)
        with open(os.path.join(folder, 'grid.yaml'), 'w', encoding='utf-8') as file:
            json.dump({'name': 'grid', 'experiments': [{'name': 'one', 'policies': ['external']}]}, file)
        _, text = testbed.orchestrator('sweep', 'grid.yaml', cwd=folder, status=None)
        tap.contains(text, 'external has no agent in a sweep')


@tap.test
def a_killed_script_takes_its_orchestrator_along():
    script = ('import signal, sys; sys.path.insert(0, sys.argv[1]); from handoff_env import HandoffEnv\n'
              'env = HandoffEnv(program=sys.argv[2], db=sys.argv[3]); env.reset(); print("READY port=1", flush=True)\n'
              'signal.pause()')
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'killed.db')
        program = testbed.Program([sys.executable, '-B', '-c', script, CLIENT, testbed.ORCHESTRATOR, db])
        program.port()
        children = testbed.children(program.pid)
        tap.equal(len(children), 1, 'children')
        program.kill()
        program.wait()
        testbed.until(lambda: not testbed.is_running(children[0]), 'the orchestrator has ended')
        testbed.check_database(db)


# ---- the same bits ----

def decisions_of(db):
    """Actions that repeat a recorded run's decisions, by episode and slot."""
    actions = {}
    query = 'SELECT episode, slot, split, server FROM task ORDER BY episode, slot, device'
    for episode, slot, split, server in testbed.rows(db, query):
        actions.setdefault((episode, slot), []).extend([split, 0 if server is None else server])
    return actions


def repeat(env, actions):
    for _ in range(EPISODES):
        _, info = env.reset()
        truncated = False
        while not truncated:
            _, _, _, truncated, info = env.step(numpy.array(actions[info['view']['episode'], info['view']['slot']]))
    try:
        env.reset()
        raise AssertionError('a further episode')
    except handoff_env.RunOver:
        pass


def start_nodes(run):
    port = run.program.port()
    for _ in range(SERVERS):
        testbed.start_server(port)
    testbed.start_device(port, '--count', str(DEVICES))


@tap.test
def an_agent_that_decides_as_greedy_records_greedys_rows_over_memory_and_tcp():
    with testbed.scratch() as folder:
        greedy = play_greedy(folder)
        actions = decisions_of(greedy)
        for over in ('memory', 'tcp'):
            run = Run(folder, over=over)
            with HandoffEnv(address=('127.0.0.1', run.port)) as env, concurrent.futures.ThreadPoolExecutor() as pool:
                agent = pool.submit(repeat, env, actions)
                if over == 'tcp':  # nodes are awaited when the agent is READY; they end with the thread that starts them
                    start_nodes(run)
                agent.result()
            run.finish()
            tap.equal(tasks(run.db), tasks(greedy), over)
            tap.equal(events(run.db), [], 'events')
            tap.equal(testbed.one(run.db, 'SELECT status, policy FROM run'), ('finished', 'external'), 'run')
            testbed.verify(run.db)
            os.unlink(run.db)


@tap.test
def an_agent_that_passes_in_queueing_mode_records_the_fallbacks_rows():
    with testbed.scratch() as folder:
        extra = ('--set', 'run.mode=queue')
        greedy = play_greedy(folder, *extra)
        run = Run(folder, *extra)
        pass_on(run.connect())
        run.finish()
        tap.equal(tasks(run.db), tasks(greedy), 'tasks')
        tap.equal([row[2] for row in events(run.db)], [row[2] for row in events(greedy)], 'events')


@tap.test
def views_hold_what_a_policy_is_shown():
    """The rule of edge-best-channel, from the gains in VIEW, is the policy edge-best-channel to the last bit."""
    with testbed.scratch() as folder:
        known = os.path.join(folder, 'channel.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-p', 'edge-best-channel', '--db', known, *WHAT)
        run = Run(folder)
        with HandoffEnv(address=('127.0.0.1', run.port)) as env:
            for _ in range(EPISODES):
                _, info = env.reset()
                truncated = False
                while not truncated:
                    gain = numpy.where(info['view']['covered'] == 1, info['view']['gain'], -1).reshape(DEVICES, SERVERS)
                    action = numpy.zeros(2 * DEVICES, dtype=int)
                    action[1::2] = numpy.argmax(gain, axis=1)
                    action[0::2] = numpy.where(gain.max(axis=1) > 0, 0, env.world['layers'])
                    _, _, _, truncated, info = env.step(action)
            try:
                env.reset()
            except handoff_env.RunOver:
                pass
        run.finish()
        tap.equal(tasks(run.db), tasks(known), 'tasks')


@tap.test
def a_trained_agent_is_compared_on_held_out_streams():
    with testbed.scratch() as folder:
        db = play_greedy(folder, '--set', 'evaluation.test_episodes=2', '--set', 'evaluation.test_slots=5')
        with HandoffEnv(program=testbed.ORCHESTRATOR, command=['evaluate', '--json', '--db', db]) as env:
            for _ in range(2):
                _, info = env.reset()
                tap.equal(info['view']['phase'], 2, 'test streams')
                truncated = False
                while not truncated:
                    _, _, _, truncated, _ = env.step(None)
            try:
                env.reset()
            except handoff_env.RunOver:
                pass
            (row,) = [row for row in json.loads(env.printed) if row['policy'] == 'external']
        testbed.orchestrator('evaluate', '-q', '--db', db, '-p', 'greedy')
        one, other = testbed.rows(db, "SELECT run_id FROM run WHERE kind = 'test' ORDER BY run_id")
        tap.equal(tasks(db, f'run_id = {one[0]}'), tasks(db, f'run_id = {other[0]}'), 'tasks')
        tap.true(row['mean_latency_s'] > 0, f'{row}')


# ---- agents that do not do what they should ----

def check_fallback(run, greedy, *parts):
    """The run is whole, greedy's from slot 2 on, and an event says why."""
    text = run.finish()
    testbed.check_database(run.db)
    tap.equal(testbed.one(run.db, 'SELECT status FROM run'), 'finished', 'status')
    later = 'episode > 0 OR slot >= 2'
    tap.equal(tasks(run.db, later), tasks(greedy, later), 'greedy has decided')
    (row,) = [row for row in events(run.db) if 'the agent is lost' in row[3]]
    tap.equal(row[:3], (0, 2, 'refusal'), 'event')
    tap.contains(row[3], 'greedy decides', *parts)
    tap.contains(text, f"greedy decided {EPISODES * SLOTS - 2} slots in the agent's place")
    testbed.verify(run.db)


def play_two_slots(agent):
    """Everything local; returns the VIEW of slot 2."""
    for _ in range(2):
        _, view = agent.expect('VIEW')
        agent.send('ACTION', round=view['round'], kind=CHOICE, split=[32] * DEVICES, server=[SERVER_NONE] * DEVICES, value=[])
        _, outcome = agent.expect('OUTCOME')
        tap.equal((outcome['round'], outcome['fallback'], list(outcome['split'])), (view['round'], 0, [32] * DEVICES), 'outcome')
    return agent.expect('VIEW')[1]


def frame(*values):
    body = msgpack.packb(list(values), use_bin_type=True)
    return struct.pack('>I', len(body)) + body


WRONG = {
    'NaN': (lambda r: frame(0x2B, r, 2, b'', b'', struct.pack('<8d', *[float('nan')] * 8)), 'ACTION.value'),
    'infinite': (lambda r: frame(0x2B, r, 2, b'', b'', struct.pack('<8d', *[float('inf')] * 8)), 'ACTION.value'),
    'out of range': (lambda r: frame(0x2B, r, 2, b'', b'', struct.pack('<8d', *[1.5] * 8)), 'ACTION.value is 1.5'),
    'too few values': (lambda r: frame(0x2B, r, 2, b'', b'', struct.pack('<7d', *[0.5] * 7)), '7 values'),
    'half a value': (lambda r: frame(0x2B, r, 2, b'', b'', b'1234'), 'not a multiple'),
    'a split too high': (lambda r: frame(0x2B, r, 1, struct.pack('<4I', 33, 0, 0, 0), bytes(16), b''), 'split 33'),
    'no such server': (lambda r: frame(0x2B, r, 1, bytes(16), struct.pack('<4I', 0, 2, 0, 0), b''), 'server 2'),
    'no such kind': (lambda r: frame(0x2B, r, 3, b'', b'', b''), 'ACTION.kind'),
    'a text for a number': (lambda r: frame(0x2B, str(r), 0, b'', b'', b''), 'ACTION.round'),
    'a missing field': (lambda r: frame(0x2B, r, 0, b'', b''), 'lacks'),
    'a round to come': (lambda r: frame(0x2B, r + 1, 0, b'', b'', b''), 'is not awaited'),
    'two answers': (lambda r: 2 * frame(0x2B, r, 0, b'', b'', b''), 'is not awaited'),
    'READY again': (lambda r: frame(0x06), 'READY is not for'),
    'no message': (lambda r: frame(0x3F), 'no message has the id'),
    'no msgpack': (lambda r: b'\x00\x00\x00\x04\xc1\xc1\xc1\xc1', 'declares more than it holds'),
    'an empty frame': (lambda r: b'\x00\x00\x00\x00', 'an empty frame'),
    'a huge frame': (lambda r: b'\xff\xff\xff\xff', 'at most'),
    'a frame too long': (lambda r: struct.pack('>I', 524289) + bytes(524289), '524289 bytes, at most 524288'),
}


@tap.test
def an_answer_that_is_wrong_ends_the_conversation_and_not_the_run():
    with testbed.scratch() as folder:
        greedy = play_greedy(folder)
        for what, (make, part) in WRONG.items():
            run = Run(folder)
            agent = run.connect()
            view = play_two_slots(agent)
            try:
                agent._socket.sendall(make(view['round']))
                while True:
                    agent.expect('OUTCOME', 'VIEW')
            except ConnectionError as error:  # REFUSE, or a reset when bytes were left unread
                told = str(error)
            agent.close()
            try:
                check_fallback(run, greedy, part)
                if 'the orchestrator says' in told:
                    tap.contains(told, part)
            except AssertionError as error:
                raise AssertionError(f'{what}: {error}') from None
            os.unlink(run.db)


@tap.test
def an_agent_that_dies_or_stops_in_mid_frame_is_lost():
    with testbed.scratch() as folder:
        greedy = play_greedy(folder)
        for half in (b'', b'\x00\x00\x00\x10\x96'):
            run = Run(folder)
            agent = run.connect()
            play_two_slots(agent)
            agent._socket.sendall(half)
            agent.close()
            check_fallback(run, greedy)
            os.unlink(run.db)


@tap.test
def an_agent_that_hangs_is_waited_for_so_often_and_no_more():
    with testbed.scratch() as folder:
        greedy = play_greedy(folder)
        run = Run(folder, *SOON, '--set', 'external.patience=3')
        agent = run.connect()
        text = run.finish()
        tap.equal(tasks(run.db), tasks(greedy), 'tasks')
        late = 'greedy decides: no answer within 0.05 s'
        tap.equal(events(run.db), [(0, 0, 'refusal', late), (0, 1, 'refusal', late),
                                   (0, 2, 'refusal', late + ', 3 times in a row; the agent is lost')], 'events')
        tap.contains(text, f'greedy decided {EPISODES * SLOTS} slots')
        testbed.verify(run.db)
        agent.close()


@tap.test
def a_late_answer_is_dropped_and_the_next_one_taken():
    with testbed.scratch() as folder:
        run = Run(folder, *SOON, '--set', 'external.patience=1000000')
        agent = run.connect()
        _, first = agent.expect('VIEW')
        _, outcome = agent.expect('OUTCOME')  # the time is up
        tap.equal((outcome['round'], outcome['fallback']), (first['round'], 1), 'the fallback has decided')
        _, second = agent.expect('VIEW')
        for view in (first, second):  # one is late; the other may be
            agent.send('ACTION', round=view['round'], kind=CONTINUOUS, split=[], server=[],
                       value=[1.0] * (2 * DEVICES))
        taken = 0
        name, fields = agent.expect('OUTCOME')
        while name != 'GOODBYE':
            if name == 'OUTCOME':
                taken += 1 - fields['fallback']
            elif fields['closing'] == 0:
                agent.send('ACTION', round=fields['round'], kind=CONTINUOUS, split=[], server=[],
                           value=[1.0] * (2 * DEVICES))
            name, fields = agent.expect('OUTCOME', 'VIEW', 'GOODBYE')
        agent.close()
        run.finish()
        tap.true(taken >= 1, 'an answer in time was taken after one that was late')
        local = testbed.one(run.db, 'SELECT count(*) FROM task WHERE split = 32 AND server IS NULL')
        tap.true(local >= taken * DEVICES, 'and did what it said')
        tap.equal(events(run.db)[0], (0, 0, 'refusal', 'greedy decides: no answer within 0.05 s'), 'event')


@tap.test
def one_agent_at_a_time_and_another_may_take_its_place():
    with testbed.scratch() as folder:
        run = Run(folder)
        stranger = socket.create_connection(('127.0.0.1', run.port))  # says nothing
        agent = run.connect(ready=False)
        try:
            run.connect()
            raise AssertionError('two agents')
        except ConnectionError as error:
            tap.contains(str(error), 'an agent is there already')
        agent.send('READY')
        view = play_two_slots(agent)
        second = socket.create_connection(('127.0.0.1', run.port))
        second.sendall(frame(0x28, handoff_env.MAJOR, 0, 'the next') + frame(0x06))
        agent.send('ACTION', round=view['round'], kind=PASS, split=[], server=[], value=[])
        agent.expect('OUTCOME')
        agent.expect('VIEW')
        second.close()  # it has been refused
        agent.close()
        text = run.finish()
        tap.contains(text, 'slots in the agent')
        stranger.close()


@tap.test
def an_agent_that_comes_back_decides_again():
    with testbed.scratch() as folder:
        # Nodes are processes: the run stands still until they are there, so the next agent is not too late for it.
        run = Run(folder, over='tcp')
        lost = run.connect()
        testbed.until(lambda: any('READY port=' in line for line in list(run.program.output)), 'it waits for nodes')
        lost.close()
        agent = Connection('127.0.0.1', run.port)
        agent.send('AGENT', major=handoff_env.MAJOR, minor=0, name='the next')
        agent.send('READY')
        start_nodes(run)
        agent.expect('WORLD')
        pass_on(agent)
        run.finish()
        kinds = [row[2] for row in events(run.db)]
        tap.true('rejoin' in kinds and kinds.index('rejoin') <= 1, f'{kinds}')
        tap.equal(kinds.count('rejoin'), 1, 'it is back once')


@tap.test
def who_does_not_greet_properly_is_turned_away_and_the_run_waits_on():
    with testbed.scratch() as folder:
        run = Run(folder)
        for greeting, part in ((frame(0x2B, 0, 0, b'', b'', b''), 'ACTION came instead of AGENT'),
                               (frame(0x06), 'READY came'),
                               (frame(0x28, 1, 0, 'old'), 'version 1'), (b'GET / HTTP/1.1\r\n\r\n', 'at most 1024'),
                               (frame(0x28, handoff_env.MAJOR, 0, 'x' * 65), 'AGENT.name')):
            guest = Connection('127.0.0.1', run.port)
            guest._socket.sendall(greeting)
            try:
                guest.expect()
            except ConnectionError as error:
                if 'closed' not in str(error) and 'reset' not in str(error):
                    tap.contains(str(error), part)
            guest.close()
        pass_on(run.connect())
        run.finish()
        tap.equal(events(run.db), [], 'events')


@tap.test
def a_stopped_run_does_not_wait_for_its_agent_and_is_resumed_with_another():
    with testbed.scratch() as folder:
        greedy = play_greedy(folder)
        run = Run(folder)  # waits 10 s for each answer
        agent = run.connect()
        while True:
            name, view = agent.expect('VIEW', 'OUTCOME')
            if name == 'VIEW' and (view['episode'], view['slot']) == (1, 3):
                break
            if name == 'VIEW' and view['closing'] == 0:
                agent.send('ACTION', round=view['round'], kind=PASS, split=[], server=[], value=[])
        run.program.kill(15)
        _, outcome = agent.expect('OUTCOME')
        tap.equal((outcome['fallback'], outcome['truncated']), (1, 1), 'the end')
        agent.expect('VIEW')
        _, goodbye = agent.expect('GOODBYE')
        tap.equal(goodbye['status'], 1, 'given up')
        agent.close()
        run.finish(130)
        program = testbed.start_orchestrator('--resume', '--db', run.db)
        testbed.until(lambda: any(line.startswith('AGENT port=') for line in list(program.output)), 'AGENT port=N')
        run.program = program
        run.port = int(next(line for line in program.output if line.startswith('AGENT port=')).partition('=')[2])
        agent = run.connect()
        tap.equal((run.world['first_episode'], run.world['episodes']), (1, EPISODES), 'it goes on')
        pass_on(agent)
        run.finish()
        tap.equal(tasks(run.db), tasks(greedy), 'tasks')


tap.main()
