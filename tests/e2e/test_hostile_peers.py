"""Peers that speak the protocol and ask for what cannot be: they lose their connection, and nobody else loses anything."""
import os
import queue
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import python_with

python_with.modules('msgpack')
import msgpack
import tap
import testbed
import wiretap

DEVICES, SLOTS = 3, 10


class Phone:
    """A device of ours that speaks for itself, and may say what it likes."""

    def __init__(self, port):
        self._socket = socket.create_connection(('127.0.0.1', port), timeout=testbed.DEADLINE_S)
        self._read = self._socket.makefile('rb')

    def send(self, *message):
        body = msgpack.packb(message, use_bin_type=True)
        self._socket.sendall(struct.pack('>I', len(body)) + body)

    def receive(self):
        """The next message; [] at the end of the stream."""
        try:
            head = self._read.read(4)
            return msgpack.unpackb(self._read.read(struct.unpack('>I', head)[0]), raw=False) if len(head) == 4 else []
        except ConnectionResetError:
            return []

    def join(self):
        """Returns (its token, its number)."""
        self.send(wiretap.HELLO, *wiretap.proto_version(), 0, 1, 1, 0, '', 0, 0, '')
        welcome = self.receive()
        tap.equal(welcome[0], wiretap.WELCOME, 'answer to HELLO')
        return welcome[4], welcome[6]

    def attack(self, *messages):
        """The answers to these messages, until the other side hangs up."""
        for message in messages:
            self.send(*message)
        return list(iter(self.receive, []))


def insolent_phone(port, attempts):
    """Plays the device's part. With the first DECISION it sends the server `attempts`: lists of messages made from its token,
    its number and the round, each on a connection of its own. Returns the reasons of the server's refusals."""
    phone = Phone(port)
    token, number = phone.join()
    refusals = None
    for message in iter(phone.receive, []):
        round_number = message[1] if message[0] == wiretap.SLOT else None
        if message[0] == wiretap.SERVER:
            data_port = message[6]
            phone.send(wiretap.READY)
        elif message[0] == wiretap.SLOT:
            phone.send(*observation_of(number, round_number))
        elif message[0] == wiretap.DECISION:
            if refusals is None:
                answers = [Phone(data_port).attack(*attempt(token, number, message[2])) for attempt in attempts]
                refusals = [[answer[2] for answer in one if answer[0] == wiretap.REFUSE] for one in answers]
            phone.send(*report_of(number, message[2]))
        elif message[0] == wiretap.GOODBYE:
            break
    return refusals


def task_of(number, round_number, share, arrival_s=1.):
    return (wiretap.TASK, number, round_number, 1, 128, 0., arrival_s, 1., b'', share, 0., 0., 0, 0, 0, 0., 0., 0, 0, 0, 0)


@tap.test
def a_phone_that_asks_for_the_impossible_is_refused_and_its_server_serves_on():
    attempts = (
        lambda token, number, turn: [(wiretap.ATTACH, token, number, 1), task_of(number, turn, 1e-300)],
        lambda token, number, turn: [(wiretap.ATTACH, token, number, 1), task_of(number, turn, 1e-30)],
        lambda token, number, turn: [(wiretap.ATTACH, token, number, 1), task_of(number, turn, 0.5, 1e25)],
        lambda token, number, turn: [(wiretap.ATTACH, token, number, 1), task_of(number, turn + 1, 1e-300)],
        lambda token, number, turn: [(wiretap.ATTACH, token ^ 1, number, 1)],
        lambda token, number, turn: [(wiretap.ATTACH, token, number + 1, 1000)],
    )
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        orchestrator = testbed.start_orchestrator('-s', 'dapo-quick', '-n', DEVICES, '-m', 1, '-e', 1, '-t', SLOTS, '-p', 'local',
                                                  '--db', db)
        port = orchestrator.port()
        nodes = [testbed.start_server(port), testbed.start_device(port, '--count', str(DEVICES - 1))]
        told = queue.Queue()
        threading.Thread(target=lambda: told.put(insolent_phone(port, attempts)), daemon=True).start()
        for program in (orchestrator, *nodes):
            tap.equal(program.wait(), 0, program.text())
        refusals = told.get(timeout=testbed.DEADLINE_S)
        tap.equal([len(one) for one in refusals], [1] * len(attempts), f'refusals: {refusals}')
        tap.contains(refusals[0][0], 'with a share of 1e-300', 'at most')
        tap.contains(refusals[2][0], 'arrival_s')
        tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE status = 'done'"), SLOTS * DEVICES, 'tasks')


PASSED, LINK_AUDIT = 0x17, 0x0c
NOBODY = 99999  # no device of any run here
USURPATIONS = {
    'an observation of another device': lambda number, other, turn: observation_of(other, turn),
    'an observation of no device': lambda number, other, turn: observation_of(NOBODY, turn),
    'a report of another device': lambda number, other, turn: report_of(other, turn),
    'a report of no device': lambda number, other, turn: report_of(NOBODY, turn),
    'what another device has lived through': lambda number, other, turn: (PASSED, other, turn, b'', b'', b''),
    'a link of another device': lambda number, other, turn: (LINK_AUDIT, other, 0, b'', b'', b'', b''),
    'a link to no server': lambda number, other, turn: (LINK_AUDIT, number, 200, b'', b'', b'', b''),
    'a server that has advanced': lambda number, other, turn: (wiretap.ADVANCED, 0, turn, 0, 0., 0., b'', b'', b'', b'', b''),
    'no server that has advanced': lambda number, other, turn: (wiretap.ADVANCED, 200, turn, 0, 0., 0., b'', b'', b'', b'', b''),
}


def observation_of(number, round_number):
    return (wiretap.OBSERVATION, number, round_number, 1., 1., 0., 10, struct.pack('<d', 1e-9), 0., b'', b'', b'', b'', 0)


def report_of(number, round_number):
    return (wiretap.REPORT, number, round_number, *[1.] * 11, 0, 0., 0., 0., 0., 0, 256, 0., 0., b'', 0, 0., 0., 0., 0, b'', 0., 0., 0, 0)


def usurper(phone, number, usurp):
    """Plays the device's part until the first DECISION, and then speaks for somebody else. Returns why it was refused."""
    for message in iter(phone.receive, []):
        if message[0] == wiretap.SERVER:
            phone.send(wiretap.READY)
        elif message[0] == wiretap.SLOT:
            phone.send(*observation_of(number, message[1]))
        elif message[0] == wiretap.DECISION:
            phone.send(*usurp(number, 0 if number > 0 else 1, message[2]))
        elif message[0] == wiretap.REFUSE:
            return message[2]
    return 'it was not refused'


@tap.test
def who_speaks_for_others_is_refused_and_lost_and_the_run_goes_on():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        orchestrator = testbed.start_orchestrator('-s', 'dapo-quick', '-n', len(USURPATIONS) + 1, '-m', 1, '-e', 1, '-t', SLOTS,
                                                  '-p', 'local', '--db', db)
        port = orchestrator.port()
        nodes = [testbed.start_server(port), testbed.start_device(port)]
        told = {}

        def play(name):
            phone = Phone(port)
            _, number = phone.join()
            told[name] = usurper(phone, number, USURPATIONS[name])
        players = [threading.Thread(target=play, args=[name], daemon=True) for name in USURPATIONS]
        for player in players:
            player.start()
        for program in (orchestrator, *nodes):
            tap.equal(program.wait(), 0, program.text())
        for player in players:
            player.join(testbed.DEADLINE_S)
        for name in USURPATIONS:
            tap.contains(told.get(name, 'nothing was heard'), 'does not belong to this connection')
        tap.equal(testbed.one(db, "SELECT count(*) FROM event WHERE kind = 'node_lost'"), len(USURPATIONS), 'lost devices')
        tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE status = 'done'"), SLOTS, 'tasks of the one that is left')


tap.main()
