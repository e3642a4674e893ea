#!/usr/bin/env python3
"""How long a node is silent before the orchestrator gives it up, in real time: a distribution.

bench_silence.py BUILD_DIRECTORY [TIMES]

An edge server is frozen (SIGSTOP) in mid-run, lost, thawed, and comes back, TIMES times (30) over. Time is taken at the
server's connection: from the last frame that came from it to the REFUSE that tells it of its loss. Promised: 200 ms."""
import os
import signal
import sys
import tempfile
import threading
import time

BUILD = os.path.abspath(sys.argv[1])
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
TIMES = int(sys.argv[2]) if len(sys.argv) > 2 else 30
# The library of the tests finds the programs in its arguments.
sys.argv[1:] = [os.path.join(BUILD, *path) for path in (("orchestrator", "handoff-orchestrator"), ("mobile-node", "handoff-mobile-node"),
                                                        ("edge-server", "handoff-edge-server"))] + [ROOT, BUILD]
sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))
sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import testbed
import wiretap

ALLOTS_BETWEEN = 3  # for which the server serves before it is frozen again
LIMIT_MS = 200


class Watch:
    """The hook at the frozen server's connection."""

    def __init__(self):
        self.server = None
        self.silences_ms = []
        self.allots, self.heard_s, self.frozen = 0, 0.0, False
        self.done = threading.Event()

    def __call__(self, message):
        now_s = time.monotonic()
        if message == wiretap.ALLOT and not self.frozen:
            self.allots += 1
            if self.allots == ALLOTS_BETWEEN:
                self.frozen = True
                self.server.kill(signal.SIGSTOP)
        elif message == wiretap.REFUSE and self.frozen:
            self.silences_ms.append(1000 * (now_s - self.heard_s))
            self.allots, self.frozen = 0, False
            self.server.kill(signal.SIGCONT)
            if len(self.silences_ms) == TIMES:
                self.done.set()
        elif message in (wiretap.BEAT, wiretap.ADVANCED):
            self.heard_s = now_s
        return True


def main():
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        orchestrator = testbed.start_orchestrator(
            "--db", os.path.join(folder, "s.db"), "-s", "dapo-quick", "-n", 2, "-m", 2, "-e", 1, "-t", 100000, "-p", "edge-nearest",
            "--set", "run.clock=real", "--set", "run.time_scale=10", "--set", "radio.bandwidth_mhz=2")
        port = orchestrator.port()
        watch.server = testbed.start_server(wiretap.Wiretap(port, watch).port)
        nodes = [testbed.start_server(port), testbed.start_device(port), testbed.start_device(port)]
        done = watch.done.wait(10 * TIMES)
        orchestrator.kill(signal.SIGINT)
        orchestrator.wait()
        for node in nodes + [watch.server]:
            node.wait()
    silences = sorted(watch.silences_ms)
    if not done:
        raise SystemExit("only %d times in %d s" % (len(silences), 10 * TIMES))
    print("silence before a node was given up, %d times: %.0f to %.0f ms, median %.0f, 95 %% below %.0f; load %.1f" %
          (len(silences), silences[0], silences[-1], silences[len(silences) // 2], silences[len(silences) * 95 // 100],
           os.getloadavg()[0]))
    print("ratio of the longest to the promised %d ms: %.2f" % (LIMIT_MS, silences[-1] / LIMIT_MS))


if __name__ == "__main__":
    main()
