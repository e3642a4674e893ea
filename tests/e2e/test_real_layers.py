"""Phones and servers that really compute (compute.kind model): the answers that come over TCP are those of one process,
whatever the clock, the mode, the split, the format, the batch, the processes, and the servers that are lost."""
import contextlib
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import small_llama
import tap
import testbed
import wiretap

DEVICES, SERVERS, SLOTS, TOKENS = 4, 2, 4, 20
HOUSE = os.path.join(sys.argv[4], 'deploy', 'models', 'house')
HOUSE_LAYERS = 12
FINISHED = ('done', 'recovered', 'reoffloaded')
MOVING = ('run.mode=queue', 'compute.format=fp32', 'mobility.speed_mean=40', 'mobility.speed_max=60', 'servers.coverage_m=350',
          'radio.bandwidth_mhz=0.002', 'objective.deadline_s=0', 'task.probability=0.6', 'run.slots=60')
BROKEN = ('faults.script=slot 3 kill server 1; slot 9 rejoin server 1; slot 12 pause device 3 for 3; '
          'slot 15 partition device 2 server 0 for 3; slot 20 slow server 0 by 0.5 for 5')
REAL = ('run.clock=real', 'run.slot_s=0.2', 'objective.deadline_s=0.2')
FORMATS = ('fp32', 'fp16', 'int8', 'q4', 'topk')


@contextlib.contextmanager
def small():
    """A folder with a small model in it."""
    with testbed.scratch() as folder:
        path = os.path.join(folder, 'small.bin')
        small_llama.write(path)
        yield folder, path


def flags(folder, model, split, *sets, devices=DEVICES):
    settings = {'compute.kind': 'model', 'model.file': model, 'task.tokens': TOKENS, 'fixed.split': split, 'run.slots': SLOTS,
                'run.record': 'answers', **dict(text.split('=', 1) for text in sets)}
    return ['--db', os.path.join(folder, 'results.db'), '-n', devices, '-m', SERVERS, '-e', 1, '--policy', 'static',
            *(word for key, value in settings.items() for word in ('--set', f'{key}={value}'))]


BYTES = 'SELECT sum(activation_bytes) FROM answer GROUP BY run_id ORDER BY run_id DESC LIMIT 2'


def answers(path, run):
    """{(episode, slot, device): tokens} of a run."""
    got = {tuple(row[:3]): row[3] for row in testbed.rows(
        path, 'SELECT episode, slot, device, answer FROM answer WHERE run_id = ?', run)}
    tap.equal(len(got), testbed.one(path, f'SELECT count(*) FROM task WHERE run_id = ? AND status IN {FINISHED}', run), 'answers')
    tap.true(None not in got.values(), 'every answer is kept')
    return got


def in_memory(folder, model, split, *sets, devices=DEVICES):
    arguments = flags(folder, model, split, *sets, devices=devices)
    testbed.orchestrator('run', '--quiet', '--over', 'memory', *arguments)
    return answers(arguments[1], newest(arguments[1]))


def newest(path):
    return testbed.one(path, 'SELECT max(run_id) FROM run')


def play(folder, model, split, *sets, processes=(1,) * DEVICES, during=None, more=()):
    """A run over TCP; returns its answers."""
    arguments = flags(folder, model, split, *sets, devices=sum(processes))
    orchestrator = testbed.start_orchestrator(*arguments, *more)
    port = orchestrator.port()
    nodes = [testbed.start_device(port, '--count', str(count)) for count in processes]
    nodes += [testbed.start_server(port) for _ in range(SERVERS)]
    if during is not None:
        during(orchestrator, nodes)
    tap.equal(orchestrator.wait(), 0, orchestrator.text())
    for node in nodes:
        status = node.wait()
        tap.true(status == 0, f'{status}: {node.text()}')
    testbed.check_database(arguments[1])
    return answers(arguments[1], newest(arguments[1]))


@tap.test
def every_split_and_format_gives_the_answers_of_one_process():
    with small() as (folder, model):
        kinds = set()
        for number, form in enumerate(FORMATS):
            kept = ('compute.kept=16',) if form == 'topk' else ()
            for split in range(small_llama.LAYERS + 1):
                sets = (f'compute.format={form}', f'compute.head={("server", "device")[(number + split) % 2]}',
                        f'run.mode={("round", "queue")[split % 2]}', *kept)
                wanted = in_memory(folder, model, split, *sets)
                processes = ((1,) * DEVICES, (DEVICES,), (3, 1))[(number + split) % 3]
                batch = f'compute.batch={(1, 16)[split // 2]}'
                tap.equal(play(folder, model, split, batch, *sets, processes=processes), wanted, f'{form}, split {split}')
                kinds.update(wanted.values())
        tap.true(len(kinds) > 10, f'{len(kinds)} answers differ')


@tap.test
def both_modes_and_heads_agree_where_nothing_is_lost_on_the_way():
    with small() as (folder, model):
        wanted = in_memory(folder, model, small_llama.LAYERS)
        for split in range(small_llama.LAYERS + 1):
            for mode in ('round', 'queue'):
                for head in ('server', 'device'):
                    sets = ('compute.format=fp32', f'run.mode={mode}', f'compute.head={head}')
                    tap.equal(in_memory(folder, model, split, *sets), wanted, f'in memory: {mode}, {head}, split {split}')
                    tap.equal(play(folder, model, split, *sets, processes=(2, 2)), wanted, f'{mode}, {head}, split {split}')
                    told = [row[0] for row in testbed.rows(flags(folder, model, split)[1], BYTES)]  # over TCP, in memory
                    tap.equal(told[0], told[1], f'bytes that crossed: {mode}, {head}, split {split}')


@tap.test
def the_house_model_answers_as_in_one_process():
    with testbed.scratch() as folder:
        for split, mode in ((0, 'queue'), (5, 'round'), (HOUSE_LAYERS, 'round')):
            wanted = in_memory(folder, HOUSE, split, f'run.mode={mode}')
            tap.equal(play(folder, HOUSE, split, f'run.mode={mode}'), wanted, f'split {split}')


@testbed.real_time
def play_in_real_time():
    with small() as (folder, model):
        for mode in ('round', 'queue'):
            for split in range(small_llama.LAYERS + 1):
                sets = (f'run.mode={mode}', f'compute.head={("server", "device")[split % 2]}')
                wanted = in_memory(folder, model, split, *sets)
                tap.equal(play(folder, model, split, *REAL, *sets, processes=(2, 1, 1)), wanted, f'{mode}, split {split}')
                path = os.path.join(folder, 'results.db')
                jobs, late = testbed.one(path, 'SELECT sum(jobs), sum(late_jobs) FROM compute_sample WHERE run_id = ?', newest(path))
                tap.true(jobs is None or late <= jobs, f'{late} of {jobs} late')


@tap.test
def the_real_clock_changes_no_answer():
    play_in_real_time()


SCORES = 'SELECT episode, slot, device, channel, missing, nll, nll_tokens, nll_bytes FROM task WHERE run_id = ?'
CHANNELS = (('channel.mode=erasure', 'compute.format=fp16'),
            ('channel.mode=erasure', 'compute.format=topk', 'compute.kept=16', 'channel.fill=previous'),
            ('channel.mode=bounded', 'compute.format=fp32', 'channel.margin_db=0', 'channel.fill=mean'),
            ('channel.mode=bounded', 'compute.format=int8', 'channel.margin_db=0', 'channel.layout=interleaved'),
            ('channel.mode=analog', 'compute.format=fp32', 'channel.fading=rayleigh', 'channel.power=per_token'),
            ('channel.mode=analog', 'compute.format=fp32', 'channel.snr=radio', 'radio.bandwidth_mhz=20', 'run.mode=round'),
            ('channel.mode=bits', 'compute.format=q4', 'channel.bit_error=0.01'),
            ('channel.mode=reliable', 'compute.format=int8', 'compute.chunks=2', 'run.mode=round'))


def scores(folder):
    """What the newest run tells of each task's channel and likelihood, and whether a replay computes the same."""
    path = os.path.join(folder, 'results.db')
    got = {tuple(row[:3]): tuple(row[3:]) for row in testbed.rows(path, SCORES, newest(path))}
    said, _ = testbed.orchestrator('replay', '--quiet', '--verify', '--db', path, '--run', newest(path))
    for words in ('tasks identical', 'answers identical'):
        tap.true(re.search(rf'(\d+) of \1 {words}', said), said)
    return got


@tap.test
def what_a_channel_leaves_and_how_prompts_are_foretold_is_the_same_in_one_process():
    with small() as (folder, model):
        for number, channel in enumerate(CHANNELS):
            clean = {}
            for split in range(small_llama.LAYERS + 1):
                sets = (f'run.mode={("round", "queue")[(number + split) % 2]}', 'compute.nll=on', *channel)
                wanted = in_memory(folder, model, split, *sets), scores(folder)
                processes = ((1,) * DEVICES, (DEVICES,), (3, 1))[(number + split) % 3]
                batch = f'compute.batch={(1, 16)[split // 2]}'
                got = play(folder, model, split, batch, *sets, processes=processes), scores(folder)
                tap.equal(got, wanted, f'{channel}, split {split}')
                nats = {key: row[2] for key, row in wanted[1].items()}
                tap.true(all(row[3] == TOKENS - 1 for row in wanted[1].values()), 'all prompts are scored')
                if split == 0:
                    clean = nats
                whole = [key for key in nats if abs(nats[key] - clean[key]) < 1e-3]
                if split in (0, small_llama.LAYERS):
                    tap.equal(len(whole), len(nats), f'{channel}, split {split}: what arrives whole')
                elif 'channel.mode=reliable' not in channel:
                    tap.true(len(whole) < len(nats) / 2, f'{channel}, split {split}: what is damaged')


@tap.test
def a_text_has_bytes_that_every_node_knows():
    with testbed.scratch() as folder:
        text = os.path.join(sys.argv[4], 'README.md')
        sets = (f'compute.text={text}', 'compute.nll=on', 'channel.mode=erasure', 'channel.loss_min=0.2')
        wanted = in_memory(folder, HOUSE, 5, *sets), scores(folder)
        tap.equal((play(folder, HOUSE, 5, *sets, processes=(3, 1)), scores(folder)), wanted, 'over TCP')
        told = [row[2:] for row in wanted[1].values()]
        tap.true(all(TOKENS - 1 <= size <= 20 * TOKENS for _, _, size in told), f'bytes: {told}')
        tap.true(all(1 < nats / tokens < 40 for nats, tokens, _ in told), f'nats: {told}')


@tap.test
def what_goes_on_without_its_server_is_whole_and_elsewhere_it_is_damaged():
    with small() as (folder, model):
        for recovery in ('local', 'reoffload'):
            for mode, channel in (('round', CHANNELS[0]), ('queue', CHANNELS[3]), ('round', CHANNELS[2]), ('round', CHANNELS[5])):
                sets = (BROKEN, 'run.slots=40', f'faults.recovery={recovery}', f'run.mode={mode}', 'compute.nll=on', *channel)
                wanted = in_memory(folder, model, 1, *sets), scores(folder)
                got = play(folder, model, 1, *sets, processes=(2, 2)), scores(folder)
                tap.equal(got, wanted, f'{recovery}, {mode}, {channel}')
                moved = testbed.one(os.path.join(folder, 'results.db'), "SELECT count(*) FROM task WHERE status IN "
                                    "('recovered', 'reoffloaded') AND nll_tokens > 0")
                tap.true(moved > 0, f'{recovery}, {mode}: something went on')
        for how in ('resume', 'restart'):
            sets = (*MOVING, f'handover.policy={how}', 'compute.nll=on', *CHANNELS[2])
            wanted = in_memory(folder, model, 1, *sets), scores(folder)
            tap.equal((play(folder, model, 1, *sets, processes=(3, 1)), scores(folder)), wanted, how)


@tap.test
def a_replay_knows_what_arrived_of_tasks_whose_server_was_killed():
    for recovery in ('local', 'reoffload'):
        for mode, more in (('round', CHANNELS[3][::2]), ('queue', CHANNELS[0][:1]), ('round', (*CHANNELS[0][:1], *REAL))):
            tap.true(lose_a_server(recovery, mode, 1, 'server', 'compute.nll=on', *more) > DEVICES, 'answers')


@testbed.real_time
def play_damaged_in_real_time():
    with small() as (folder, model):
        for mode in ('round', 'queue'):
            for channel in CHANNELS[1:5:2]:
                sets = (f'run.mode={mode}', 'compute.nll=on', *channel)
                wanted = in_memory(folder, model, 1, *sets), scores(folder)
                got = play(folder, model, 1, *REAL, *sets, processes=(2, 1, 1))
                path = os.path.join(folder, 'results.db')
                told = {tuple(row[:3]): tuple(row[3:]) for row in testbed.rows(path, SCORES, newest(path))}
                tap.equal((got, told), wanted, f'{mode}, {channel}')


@tap.test
def the_real_clock_changes_nothing_that_a_channel_leaves():
    play_damaged_in_real_time()


@tap.test
def prompts_in_chunks_have_the_answers_of_whole_ones():
    with small() as (folder, model):
        for split in range(small_llama.LAYERS + 1):
            sets = ('compute.format=int8', f'compute.head={("server", "device")[split % 2]}')
            wanted = in_memory(folder, model, split, *sets)
            for chunks in (2, 5):
                cut = (f'compute.chunks={chunks}', *sets)
                tap.equal(in_memory(folder, model, split, *cut), wanted, f'{chunks} chunks in memory, split {split}')
                batch = f'compute.batch={(3, 16)[chunks == 5]}'
                tap.equal(play(folder, model, split, batch, *cut, processes=(3, 1)), wanted, f'{chunks} chunks, split {split}')


@testbed.real_time
def play_chunks_in_real_time():
    with small() as (folder, model):
        for split in range(small_llama.LAYERS + 1):
            sets = ('compute.format=int8', f'compute.head={("server", "device")[split % 2]}')
            wanted = in_memory(folder, model, split, *sets)
            for chunks in (2, 5):
                cut = (f'compute.chunks={chunks}', *sets, *REAL)
                tap.equal(play(folder, model, split, *cut, processes=(2, 1, 1)), wanted, f'{chunks} chunks, split {split}')
                path = os.path.join(folder, 'results.db')
                jobs = testbed.one(path, 'SELECT sum(jobs) FROM compute_sample WHERE run_id = ?', newest(path))
                tap.true(jobs is None or jobs <= SLOTS * DEVICES * (2 * chunks + 1), f'{jobs} jobs of {chunks} chunks')


@tap.test
def the_real_clock_changes_no_answer_of_chunks():
    play_chunks_in_real_time()


def lose_a_server(recovery, mode, split, head, *more):
    """Kills server 0 when the second slot's decisions are on their way: its tasks go on elsewhere."""
    with small() as (folder, model):
        sets = (f'faults.recovery={recovery}', f'run.mode={mode}', f'compute.head={head}', 'compute.format=int8')
        wanted = in_memory(folder, model, split, *sets)
        arguments = flags(folder, model, split, *sets, *more)
        orchestrator = testbed.start_orchestrator(*arguments)
        port, seen, servers = orchestrator.port(), [], []

        def hook(number):
            seen.extend([number] if number == wiretap.ALLOT else [])
            if len(seen) == 2 and number == wiretap.ALLOT:
                servers[0].kill()
                servers[0].wait()
        tapped = wiretap.Wiretap(port, hook, prompt=True)
        servers.append(testbed.start_server(tapped.port))
        servers.append(testbed.start_server(port))
        devices = [testbed.start_device(port, '--count', str(DEVICES))]
        tap.equal(orchestrator.wait(), 0, orchestrator.text())
        for node in devices + servers[1:]:
            tap.equal(node.wait(), 0, node.text())
        path = arguments[1]
        got = answers(path, newest(path))
        moved = testbed.one(path, 'SELECT count(*) FROM event WHERE run_id = ?', newest(path))
        tap.true(moved > 0, 'something was lost')
        if any('channel.mode' in key for key in more):
            scores(folder)  # what arrived depends on who served it: a replay knows
        else:
            tap.equal(got, {key: wanted[key] for key in got}, f'{recovery}, {mode}')
        return len(got)


@tap.test
def a_task_whose_server_is_lost_has_the_same_answer():
    for recovery in ('local', 'reoffload'):
        for mode, split, head in (('round', 1, 'server'), ('round', 0, 'device'), ('queue', 2, 'device')):
            tap.true(lose_a_server(recovery, mode, split, head) > DEVICES, 'answers')


@tap.test
def chunks_whose_server_is_lost_have_the_same_answers():
    for recovery in ('local', 'reoffload'):
        for chunks, split, head in ((2, 1, 'server'), (5, 0, 'device'), (5, 2, 'device')):
            answered = lose_a_server(recovery, 'round', split, head, f'compute.chunks={chunks}')
            tap.true(answered > DEVICES, 'answers')
            answered = lose_a_server(recovery, 'round', split, head, f'compute.chunks={chunks}', *REAL)
            tap.true(answered > DEVICES, 'answers in real time')


def agree(got, wanted, what):
    """Tasks that were lost have no answer."""
    tap.equal(got, {key: wanted[key] for key in got}, what)


@tap.test
def whatever_the_scenario_breaks_the_answers_that_come_are_the_same():
    with small() as (folder, model):
        wanted = in_memory(folder, model, small_llama.LAYERS, 'run.slots=40')
        for recovery in ('local', 'reoffload'):
            for mode, head, split in (('round', 'server', 1), ('queue', 'device', 0)):
                got = play(folder, model, split, BROKEN, 'run.slots=40', 'compute.format=fp32', f'faults.recovery={recovery}',
                           f'run.mode={mode}', f'compute.head={head}', processes=(2, 2))
                agree(got, wanted, f'{recovery}, {mode}')
                tap.true(len(got) > 150, f'{len(got)} answers')


def hand_over(folder, model, wanted, *sets):
    got = play(folder, model, 1, *MOVING, *sets, processes=(2, 2))
    path = os.path.join(folder, 'results.db')
    tap.true(testbed.one(path, 'SELECT sum(handovers) FROM task WHERE run_id = ?', newest(path)) > 0, 'handovers')
    agree(got, wanted, f'{sets}')


@tap.test
def a_task_that_is_handed_over_has_the_same_answer():
    with small() as (folder, model):
        wanted = in_memory(folder, model, small_llama.LAYERS, *MOVING)
        for how in ('resume', 'restart'):
            hand_over(folder, model, wanted, f'handover.policy={how}', f'compute.head={("server", "device")[how == "resume"]}')
            hand_over(folder, model, wanted, f'handover.policy={how}', 'run.clock=real', 'run.time_scale=10')


def refuse(folder, model, sentence, *device_flags, sets=()):
    orchestrator = testbed.start_orchestrator(*flags(folder, model, 1, *sets))
    port = orchestrator.port()
    bad = testbed.start_device(port, *device_flags)
    nodes = [testbed.start_device(port) for _ in range(DEVICES - 1)] + [testbed.start_server(port) for _ in range(SERVERS)]
    tap.equal(bad.wait(), 2, bad.text())
    tap.contains(bad.text(), sentence)
    tap.equal(orchestrator.wait(), 2, orchestrator.text())
    tap.contains(orchestrator.text(), sentence, 'device ')
    for node in nodes:
        tap.true(node.wait() != 0, node.text())
    path = os.path.join(folder, 'results.db')
    tap.equal(testbed.one(path, 'SELECT count(*) FROM task') if os.path.exists(path) else 0, 0, 'tasks')


@tap.test
def a_node_with_another_model_or_none_ends_the_run_before_it_begins():
    with small() as (folder, model):
        other = os.path.join(folder, 'other.bin')
        small_llama.write(other, seed=2)
        refuse(folder, model, 'SHA-256', '--model', other)
        refuse(folder, model, 'none.bin', '--model', os.path.join(folder, 'none.bin'))
        refuse(folder, model, 'layers', '--model', HOUSE)


CROWD = 150      # devices in one process, which compute one after the other
STALLED_S = 3.0  # --stall-s, and the second in which a node has to answer


@contextlib.contextmanager
def slow_products():
    os.environ['HANDOFF_VECTOR'] = 'none'
    try:
        yield
    finally:
        del os.environ['HANDOFF_VECTOR']


@tap.test
def who_computes_for_longer_than_the_stall_takes_is_not_lost():
    with testbed.scratch() as folder:
        for split in (HOUSE_LAYERS, 0):
            sets = ('run.slots=1', 'task.tokens=256')
            wanted = in_memory(folder, HOUSE, split, *sets, devices=CROWD)
            with slow_products():
                got = play(folder, HOUSE, split, *sets, processes=(CROWD,), more=('--stall-s', '1'))
            tap.equal(got, wanted, f'split {split}')
            path = os.path.join(folder, 'results.db')
            side = 'device' if split > 0 else 'server'
            seconds = testbed.one(path, f'SELECT sum({side}_layer_s) * 12 FROM answer WHERE run_id = ?', newest(path))
            if seconds < STALLED_S:
                raise tap.Skip(f'this machine computes all in {seconds:.1f} s: that is no stall')


# ---- a peer that sends what is no task ----

def frame(*fields):
    """A frame of numbers, reals and bytes."""
    body = bytes([0x90 | len(fields)]) if len(fields) < 16 else b'\xdc' + struct.pack('>H', len(fields))
    for field in fields:
        if isinstance(field, bytes):
            body += b'\xc6' + struct.pack('>I', len(field)) + field
        elif isinstance(field, float):
            body += b'\xcb' + struct.pack('>d', field)
        else:
            body += b'\xcf' + struct.pack('>Q', field)
    return struct.pack('>I', len(body)) + body


PIECE = 0x23


def refusal_of(address, token, device, activations, chunk=(0, 0, 0)):
    """What a server says to a device's TASK behind these bytes."""
    with socket.create_connection(address) as peer:
        peer.sendall(frame(wiretap.ATTACH, token, device, 1))
        for at in range(0, len(activations), 65536):
            peer.sendall(frame(PIECE, device, 1 << 20, activations[at:at + 65536]))
        peer.sendall(frame(wiretap.TASK, device, 1 << 20, 1, TOKENS, 0.0, 0.0, 0.0, b'', 0.0, 0.0, 0.0, *chunk, 0.0, 0.0, 0, 0, 0, 0))
        data = b''
        while True:
            part = peer.recv(4096)
            if not part:
                return data
            data += part


@tap.test
def a_peer_that_sends_no_activations_costs_itself_its_connection():
    with small() as (folder, model):
        size = 4 * TOKENS * small_llama.HIDDEN
        wanted = in_memory(folder, model, 1, 'compute.format=fp32')
        told = []

        def attack(server):
            address = ('127.0.0.1', server.port())
            for activations, words, *chunk in ((b'', b'0 bytes of activations came, and %d were due' % size),
                                               (bytes(size - 1), b'were due'), (bytes(size + 1), b'which no task has'),
                                               (b'\xff' * size, b'finite'), (bytes(size), b'cut into 2 chunks', (1, 3, 7)),
                                               (bytes(size // 2), b'does not follow', (1, 2, TOKENS // 2)),
                                               (bytes(size // 2 - 1), b'%d were due' % (size // 2), (0, 2, TOKENS // 2))):
                told.append((refusal_of(address, token[0], DEVICES - 1, activations, *chunk), words))

        token = []
        original = wiretap.message_id

        def message_id(body):
            if original(body) == wiretap.WELCOME and not token:
                token.append(run_token(body))
            return original(body)
        wiretap.message_id = message_id
        try:
            got = attacked(folder, model, attack)
        finally:
            wiretap.message_id = original
        for answer, words in told:
            tap.true(words in answer, f'{words} in {answer}')
        tap.equal((got, len(told)), (wanted, 7), 'answers of all devices, and refusals')


def run_token(body):
    """Fourth field of WELCOME."""
    at = 3 if body[0] == 0xdc else 1
    for number in range(5):
        wide = {0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8}.get(body[at], 0)
        value = int.from_bytes(body[at + 1:at + 1 + wide], 'big') if wide else body[at]
        at += 1 + wide
        if number == 4:
            return value
    raise AssertionError('no token')


def attacked(folder, model, attack):
    """A run whose last device waits, before its first slot, until the attack is over."""
    arguments = flags(folder, model, 1, 'compute.format=fp32', 'compute.chunks=2')
    orchestrator = testbed.start_orchestrator(*arguments)
    port, state = orchestrator.port(), []

    def hook(number):
        if number == wiretap.SLOT and not state:
            state.append(True)
            attack(servers[0])
    tapped = wiretap.Wiretap(port, hook, prompt=True)
    servers = [testbed.start_server(port) for _ in range(SERVERS)]
    nodes = [testbed.start_device(port, '--count', str(DEVICES - 1)), testbed.start_device(tapped.port), *servers]
    tap.equal(orchestrator.wait(), 0, orchestrator.text())
    if tapped.error:
        raise tapped.error
    for node in nodes:
        tap.equal(node.wait(), 0, node.text())
    return answers(arguments[1], newest(arguments[1]))


# ---- memory ----

EXTRA_KB = 6 * 1024


def peak_kb(node):
    """Most memory that a device's process has had, read before it ends."""
    with open(f'/proc/{node.pid}/status', encoding='ascii') as status:
        return int(re.search(r'VmHWM:\s+(\d+) kB', status.read())[1])


def peak_of_a_phone(folder, *sets):
    arguments = flags(folder, HOUSE, 4, *sets)
    orchestrator = testbed.start_orchestrator(*arguments)
    port, peak, device = orchestrator.port(), [], []

    def hook(number):
        if number == wiretap.GOODBYE and not peak:
            peak.append(peak_kb(device[0]))
    tapped = wiretap.Wiretap(port, hook, prompt=True)
    device.append(testbed.start_device(tapped.port))
    nodes = device + [testbed.start_device(port) for _ in range(DEVICES - 1)]
    nodes += [testbed.start_server(port) for _ in range(SERVERS)]
    tap.equal(orchestrator.wait(), 0, orchestrator.text())
    for node in nodes:
        tap.equal(node.wait(), 0, node.text())
    return peak[0]


@tap.test
def a_phone_needs_little_more_memory_than_its_layers():
    if testbed.has_sanitizers():
        raise tap.Skip('sanitizers need memory of their own')
    with testbed.scratch() as folder:
        with_layers = peak_of_a_phone(folder)
        without = peak_of_a_phone(folder, 'compute.kind=emulated')
        layers_kb = 4 * 4 * (128 * (2 * 128 + 2 * 64) + 3 * 128 * 352) / 1024  # as float32; stored, they are smaller
        tap.true(with_layers - without <= layers_kb + EXTRA_KB, f'{with_layers} KB, {without} KB without layers of {layers_kb} KB')


tap.main()
