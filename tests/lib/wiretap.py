"""A connection to the orchestrator that a test can see: forwards frames both ways and calls a hook for each.

The hook is called before a frame goes on; what it does (kill a process, say) has happened by then, and when it returns
False, the frame does not go on. HALF lets half of it go on, and nothing of that direction ever after, as if the peer had
stalled in mid-frame; DEAF stops reading this direction until its sender hangs up, as if the receiver never read its socket.
"""
import os
import re
import select
import socket
import struct
import threading

import testbed

# Message ids, from proto/messages.def.
SERVER, ATTACH, TASK = 0x05, 0x20, 0x21
HELLO, WELCOME, READY, GOODBYE, REFUSE, BEAT, FAULT = 0x01, 0x02, 0x06, 0x07, 0x08, 0x09, 0x1d
HALF, DEAF = 'half', 'deaf'
SLOT, OBSERVATION, ALLOT, DECISION, REPORT, ADVANCED = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15


def proto_version():
    """(major, minor), from proto/message.h."""
    with open(os.path.join(testbed.SOURCE_ROOT, 'proto', 'message.h'), encoding='utf-8') as header:
        text = header.read()
    return tuple(int(re.search(rf'#define PROTO_{part} (\d+)', text)[1]) for part in ('MAJOR', 'MINOR'))


def _exactly(connection, size):
    data = b''
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError('closed')
        data += piece
    return data


def _wait_for_the_end(connection):
    """Until the other side has closed, without reading what it has sent."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    poll.poll()


def message_id(body):
    """First element of the msgpack array that a frame holds."""
    start = 1 if body[0] & 0xf0 == 0x90 else 3  # fixarray or array 16
    return body[start] if body[start] < 0x80 else body[start + 1]  # positive fixint or uint 8


class Wiretap:
    """Listens on a port of its own for one node, and speaks to the orchestrator on its behalf."""

    def __init__(self, orchestrator_port, hook, prompt=False):
        """prompt: a small frame goes on at once, and does not wait for an acknowledgement, which costs 40 ms a slot."""
        self._hook = hook
        self._prompt = prompt
        self._target = orchestrator_port
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self.error = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:  # a node may come back
            node, _ = self._listener.accept()
            try:
                orchestrator = socket.create_connection(('127.0.0.1', self._target))
            except OSError:  # it has ended: nobody is to be reached here either
                self._listener.close()
                node.close()
                return
            for side in (node, orchestrator) if self._prompt else ():
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((node, orchestrator), (orchestrator, node)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source, sink):
        try:
            while True:
                head = _exactly(source, 4)
                body = _exactly(source, struct.unpack('>I', head)[0])
                with self._lock:
                    goes_on = self._hook(message_id(body))
                if goes_on == DEAF:
                    _wait_for_the_end(source)
                    raise ConnectionError('closed')
                if goes_on == HALF:
                    sink.sendall((head + body)[:(4 + len(body)) // 2])
                    while source.recv(65536):
                        pass
                    raise ConnectionError('closed')
                if goes_on is not False:
                    sink.sendall(head + body)
        except OSError:
            pass  # one side has closed: so does the other
        except Exception as error:  # the hook's: the test shall see it
            self.error = error
        for connection in (source, sink):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already
