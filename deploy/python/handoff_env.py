"""Decides for handoff's devices from Python: the policy `external` as an environment that follows Gymnasium's API.

    env = HandoffEnv(devices=5, servers=2, slots=50)
    observation, info = env.reset(seed=1)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())

Needs msgpack (Debian: python3-msgpack). With numpy, observations are arrays of float32, else lists; with gymnasium, the
class is a gymnasium.Env and its spaces are gymnasium's, else it has the same methods, and spaces that can do as much as
is needed here. What reset, step and seeds mean is told in docs/external-policies.md, the messages in docs/protocol.md.
"""
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

import msgpack

try:
    import numpy
except ImportError:
    numpy = None
try:
    import gymnasium
except ImportError:
    gymnasium = None

MAJOR, MINOR = 2, 5
BODY_MAX = 4 * 1024 * 1024  # of a frame, as in proto/message.h
SERVER_NONE = 256           # of ACTION and OUTCOME: the task stays on its device
PASS, CHOICE, CONTINUOUS = 0, 1, 2  # kinds of ACTION
STOP_S = 10   # an orchestrator that was told to stop
ANSWER_S = 600  # what is awaited of an orchestrator: with all its devices and servers, a slot takes far less

# From proto/messages.def, fields in order; `:I` is a list of u32, `:d` one of f64. A test compares.
MESSAGES = {
    'READY': (0x06, ''),
    'GOODBYE': (0x07, 'status'),
    'REFUSE': (0x08, 'reason text'),
    'AGENT': (0x28, 'major minor name'),
    'WORLD': (0x29, 'major minor schema_hash seed devices servers layers min_split state_size action_size phase first_episode '
                    'episodes slots timeout_s fallback scenario max_split:I device_flops:d device_power_w:d transmit_power_w:d server_x_m:d '
                    'server_y_m:d server_flops:d server_power_w:d'),
    'VIEW': (0x2A, 'round phase episode slot closing state:d present:I x_m:d y_m:d speed_mps:d tokens:I gain:d covered:I load:I '
                   'processor_s:d unsent_bits:d backlog_s:d coming_s:d'),
    'ACTION': (0x2B, 'round kind split:I server:I value:d'),
    'OUTCOME': (0x2C, 'round reward truncated fallback split:I server:I task_device:I task_slot:I recovered:I latency_s:d '
                      'energy_j:d cost:d'),
}
_FIELDS = {name: [field.partition(':')[::2] for field in fields.split()] for name, (_, fields) in MESSAGES.items()}
_NAMES = {number: name for name, (number, _) in MESSAGES.items()}


class RunOver(Exception):
    """The run that this environment did not start itself has no further episode."""


# ---- the wire ----

def _pack_list(kind, values):
    if numpy is not None:
        return numpy.asarray(values, dtype={'I': '<u4', 'd': '<f8'}[kind]).tobytes()
    return struct.pack(f'<{len(values)}{kind}', *values)


def _unpack_list(kind, data):
    if numpy is not None:
        return numpy.frombuffer(data, dtype={'I': '<u4', 'd': '<f8'}[kind])
    return list(struct.unpack(f'<{len(data) // struct.calcsize(kind)}{kind}', data))


class Connection:
    """Messages to and from an orchestrator, as pairs of a name and a dictionary."""

    def __init__(self, host, port):
        self._socket = socket.create_connection((host, port), timeout=ANSWER_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile('rb')

    def send(self, message, **fields):
        values = [_pack_list(kind, fields[field]) if kind else fields[field] for field, kind in _FIELDS[message]]
        body = msgpack.packb([MESSAGES[message][0], *values], use_bin_type=True)
        self._socket.sendall(struct.pack('>I', len(body)) + body)

    def receive(self):
        (size,) = struct.unpack('>I', self._exactly(4))
        if not 0 < size <= BODY_MAX:
            raise ConnectionError(f'a frame of {size} bytes')
        number, *values = msgpack.unpackb(self._exactly(size), raw=False)
        name = _NAMES.get(number)
        if name is None or len(values) < len(_FIELDS[name]):
            raise ConnectionError(f'message {number} with {len(values)} fields is none of those that an agent gets')
        return name, {field: _unpack_list(kind, value) if kind else value for (field, kind), value in zip(_FIELDS[name], values)}

    def expect(self, *names):
        name, fields = self.receive()
        if name == 'REFUSE':
            raise ConnectionError('the orchestrator says: ' + fields['text'])
        if name not in names:
            raise ConnectionError(f'{name} came, and not {" or ".join(names)}')
        return name, fields

    def _exactly(self, size):
        data = self._stream.read(size)
        if len(data) < size:
            raise ConnectionError('the orchestrator has closed the connection')
        return data

    def close(self):
        self._stream.close()
        self._socket.close()


# ---- an orchestrator as a child ----

def find_program():
    here = os.path.dirname(os.path.abspath(__file__))
    built = os.path.join(here, '..', '..', 'build', 'orchestrator', 'handoff-orchestrator')
    program = built if os.access(built, os.X_OK) else shutil.which('handoff-orchestrator')
    if program is None:
        raise FileNotFoundError('handoff-orchestrator is neither built nor installed: name it as program=')
    return program


class _Child:
    """Ends with this process (--die-with-parent), or when told to."""

    def __init__(self, arguments):
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
                                         start_new_session=True)
        self.port = self._read_port()

    def _read_port(self):
        for line in self._process.stdout:
            if line.startswith(b'AGENT port='):
                return int(line[len(b'AGENT port='):])
        status = self._process.wait()
        raise RuntimeError(f'the orchestrator has ended with status {status}: {self._said()}')

    def _said(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors='replace').strip()

    def wait(self):
        """What it has printed, once it has ended by itself or by a signal; its status and what it said on stderr."""
        try:
            output, _ = self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, _ = self._process.communicate()
        return self._process.returncode, output.decode(errors='replace'), self._said()

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self.wait()


# ---- spaces, where gymnasium is not installed ----

class _Space:
    def __init__(self, seed=None):
        self._random = random.Random(seed)

    def seed(self, seed=None):
        self._random.seed(seed)


class Box(_Space):
    """Numbers from low to high."""

    def __init__(self, low, high, shape, seed=None):
        super().__init__(seed)
        self.low, self.high, self.shape = low, high, tuple(shape)

    def sample(self):
        return _floats([self._random.uniform(self.low, self.high) for _ in range(self.shape[0])])

    def contains(self, values):
        return len(values) == self.shape[0] and all(self.low <= value <= self.high for value in values)

    __contains__ = contains


class MultiDiscrete(_Space):
    """Whole numbers, number i from 0 to nvec[i] - 1."""

    def __init__(self, nvec, seed=None):
        super().__init__(seed)
        self.nvec, self.shape = list(nvec), (len(nvec),)

    def sample(self):
        values = [self._random.randrange(count) for count in self.nvec]
        return values if numpy is None else numpy.array(values)

    def contains(self, values):
        return len(values) == len(self.nvec) and all(0 <= value < count and value == int(value)
                                                     for value, count in zip(values, self.nvec))

    __contains__ = contains


def _floats(values):
    return [float(value) for value in values] if numpy is None else numpy.asarray(values, dtype=numpy.float32)


def _make_box(low, high, size):
    if gymnasium is not None:
        return gymnasium.spaces.Box(low, high, (size,), dtype=numpy.float32)
    return Box(low, high, (size,))


def _make_choices(nvec):
    return gymnasium.spaces.MultiDiscrete(nvec) if gymnasium is not None else MultiDiscrete(nvec)


# ---- the environment ----

class HandoffEnv(gymnasium.Env if gymnasium is not None else object):
    """One agent decides for all devices, slot by slot.

    action      'discrete': split 0..L and server 0..M-1 of each device in turn (split L: local, whatever the server);
                'continuous': numbers in [-1, 1], two for each, which the orchestrator maps (equation A14, action.mapping).
    scenario, devices, servers, episodes, slots, seed, settings ({'radio.bandwidth_mhz': 10}): what is played; None: the
                scenario's own.
    timeout_s, fallback: how long step may take to come, and who decides if it does not.
    db          where the runs are recorded; None: nowhere.
    program     the orchestrator; None: the one in build/, or the one installed.
    command     instead of `run`: a command and its flags that play `external`, e.g. ['evaluate', '--run', '1', '--db', FILE].
    address     (host, port): an orchestrator that was started by somebody else.
    """

    metadata = {'render_modes': []}
    render_mode = None
    spec = None

    def __init__(self, scenario='dapo', devices=None, servers=None, episodes=None, slots=None, seed=None, *, action='discrete',
                 settings=None, timeout_s=60, fallback='greedy', db=None, program=None, command=None, address=None):
        if action not in ('discrete', 'continuous'):
            raise ValueError(f"action is {action!r}, and neither 'discrete' nor 'continuous'")
        self._action = action
        self._address, self._command, self._program = address, command, program
        self._settings = {'external.timeout_s': timeout_s, 'external.fallback': fallback, **(settings or {})}
        for key, value in (('devices.count', devices), ('servers.count', servers), ('run.episodes', episodes),
                           ('run.slots', slots)):
            if value is not None:
                self._settings[key] = value
        self._scenario, self._db = scenario, db
        self._folder = None
        self._child = self._connection = None
        self._begin(seed)
        world = self.world
        self.observation_space = _make_box(-1.5, 1.5, world['state_size'])
        self.action_space = (_make_box(-1.0, 1.0, world['action_size']) if action == 'continuous' else
                             _make_choices([world['layers'] + 1, world['servers']] * world['devices']))

    # ---- runs ----

    def _arguments(self, seed):
        program = self._program or find_program()
        common = ['--quiet', '--die-with-parent', '--policy', 'external', '--agent', '127.0.0.1:0']
        if self._command is not None:
            return [program, *self._command, *common]
        if self._db is None and self._folder is None:
            self._folder = tempfile.mkdtemp(prefix='handoff-env-')
        arguments = [program, 'run', '--over', 'memory', '--scenario', self._scenario, *common]
        arguments += ['--db', self._db] if self._db is not None else ['--db', os.path.join(self._folder, 'runs.db'),
                                                                      '--record', 'episodes']
        for key, value in self._settings.items():
            arguments += ['--set', f'{key}={value}']
        return arguments + ([] if seed is None else ['--seed', str(seed)])

    def _begin(self, seed):
        """A run that waits to be READY."""
        if self._address is None:
            self._child = _Child(self._arguments(seed))
        try:
            self._connection = Connection(*(self._address or ('127.0.0.1', self._child.port)))
            self._connection.send('AGENT', major=MAJOR, minor=MINOR, name='handoff_env')
            _, self.world = self._connection.expect('WORLD')
        except (OSError, ConnectionError) as error:
            self._fail(error)
        self._is_ready = False  # no VIEW has been asked for
        self._view = None       # the last one
        self._may_step = False

    def _end(self):
        """Whatever is left of the run is dropped."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._child is not None:
            self._child.stop()
            self._child = None
        self._may_step = False

    def _finish(self, goodbye):
        """GOODBYE has come: with 0 when the run was finished."""
        self._connection.close()
        self._connection = None
        status, said = goodbye, ''
        if self._child is not None:
            status, self.printed, said = self._child.wait()
        self._child = None
        if said:
            print(said, file=sys.stderr)
        if status != 0:
            raise RuntimeError(f'the orchestrator has given up the run, with status {status}')

    def _fail(self, error):
        said = ''
        if self._child is not None:
            status, _, text = self._child.stop()
            said = f' (it ended with status {status}: {text})'
            self._child = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        raise ConnectionError(f'{error}{said}') from error

    def _exchange(self, *names):
        try:
            return self._connection.expect(*names)
        except OSError as error:
            return self._fail(error)

    def _send(self, message, **fields):
        try:
            self._connection.send(message, **fields)
        except OSError as error:
            self._fail(error)

    # ---- episodes ----

    def reset(self, *, seed=None, options=None):
        """With a seed: a new run. Without: the next episode; of an episode in mid-way, the fallback decides the rest."""
        del options
        if gymnasium is not None:
            super().reset(seed=seed)
        if seed is not None:
            self._new_run(seed)
        while self._may_step:
            self._act(PASS)
        if not self._begin_episode():
            if self._address is not None or self._command is not None:
                raise RunOver('the run is over')
            self._begin(self.world['seed'] + 1)
            self._begin_episode()
        return self._observe(), self._info(None)

    def _begin_episode(self):
        """False: the run has none any more."""
        if self._connection is None:
            return False
        if not self._is_ready:
            self._is_ready = True
            self._send('READY')
        name, fields = self._exchange('VIEW', 'GOODBYE')
        if name == 'GOODBYE':
            self._finish(fields['status'])
            return False
        self._take(fields)
        return True

    def _new_run(self, seed):
        fresh = self._connection is not None and not self._is_ready
        if fresh and self.world['seed'] == seed:
            return
        if self._address is not None or self._command is not None:
            raise ValueError(f'the run has seed {self.world["seed"]}, and is not this program\'s to begin anew with seed {seed}')
        self._end()
        self._begin(seed)

    def _take(self, view):
        self._view = view
        self._may_step = view['closing'] == 0

    def step(self, action):
        """Gymnasium's five: observation, reward, terminated (never), truncated, info."""
        if not self._may_step:
            raise RuntimeError('step without an episode: reset first')
        if action is None:
            outcome = self._act(PASS)
        elif not self.action_space.contains(action):
            raise ValueError(f'{action!r} is not in the action space')
        elif self._action == 'continuous':
            outcome = self._act(CONTINUOUS, value=action)
        else:
            splits, servers = list(action[0::2]), list(action[1::2])
            local = self.world['layers']
            servers = [SERVER_NONE if split == local else server for split, server in zip(splits, servers)]
            outcome = self._act(CHOICE, split=splits, server=servers)
        return self._observe(), outcome['reward'], False, outcome['truncated'] == 1, self._info(outcome)

    def _act(self, kind, split=(), server=(), value=()):
        self._send('ACTION', round=self._view['round'], kind=kind, split=split, server=server, value=value)
        _, outcome = self._exchange('OUTCOME')
        _, view = self._exchange('VIEW')
        self._take(view)
        return outcome

    def _observe(self):
        return _floats(self._view['state'])

    def _info(self, outcome):
        """`view`, and the `outcome` that led to it: see docs/protocol.md for what VIEW and OUTCOME have. No field of theirs is
        a key here, since wrappers and learners reserve some of these names (`episode`, `final_observation`, ...)."""
        info = {'view': {key: value for key, value in self._view.items() if key != 'state'}}
        if outcome is not None:
            info['outcome'] = outcome
        return info

    def render(self):
        return None

    def close(self):
        """The run ends here, and is recorded as aborted if it had further slots to play."""
        self._end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
