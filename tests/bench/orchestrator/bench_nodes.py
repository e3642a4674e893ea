#!/usr/bin/env python3
"""How fast 200 node processes are up, and how much private memory an idle node keeps.

bench_nodes.py BUILD_DIRECTORY

All 200 join one run, whose first slot begins when the last is ready; the run is one slot long. The peer is the time that
200 processes of /bin/true take to start and end, one after the other."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed

NODES = 200
SERVERS = 3


def start_true():
    """Seconds to start and end as many processes that do nothing."""
    start = time.monotonic()
    for child in [subprocess.Popen(["/bin/true"]) for _ in range(NODES)]:
        child.wait()
    return time.monotonic() - start


def start_nodes(build, folder):
    """Seconds from the first process to the end of a run of one slot, all nodes gone again."""
    start = time.monotonic()
    bed = testbed.Testbed(build, ["--policy", "local", "-e", "1", "-t", "1", "--db", os.path.join(folder, "n.db")],
                          devices=NODES - SERVERS, servers=SERVERS)
    bed.finish()
    return time.monotonic() - start


def idle_memory(build, folder):
    """Private bytes of a device and a server that have joined and wait for one device more."""
    paths = testbed.programs(build)
    orchestrator = subprocess.Popen(
        [paths["orchestrator"], "run", "--quiet", "-n", "2", "-m", "1", "--db", os.path.join(folder, "i.db")],
        stdout=subprocess.PIPE, text=True)
    address = "127.0.0.1:" + orchestrator.stdout.readline().strip().split("=")[1]
    server = subprocess.Popen([paths["server"], "--orchestrator", address], stdout=subprocess.DEVNULL)
    device = subprocess.Popen([paths["device"], "--orchestrator", address])
    deadline = time.monotonic() + 5
    sizes = [0, 0]
    while time.monotonic() < deadline:  # idle once the figure stands still: sample until it does
        latest = [testbed.private_bytes(server.pid), testbed.private_bytes(device.pid)]
        if latest == sizes and min(latest) > 100 * 1024:
            break
        sizes = latest
        try:
            device.wait(timeout=0.3)
        except subprocess.TimeoutExpired:
            pass
    orchestrator.terminate()
    for child in (orchestrator, server, device):
        child.wait()
    return sizes


def main():
    build = sys.argv[1]
    print(testbed.machine())
    with tempfile.TemporaryDirectory() as folder:
        ready_s = start_nodes(build, folder)
        true_s = start_true()
        server, device = idle_memory(build, folder)
    print("%d node processes started, joined, played one slot and ended in %.2f s" % (NODES, ready_s))
    print("ratio to %d processes of /bin/true (%.2f s): %.1f" % (NODES, true_s, ready_s / true_s))
    print("private memory when idle: mobile node %.2f MiB, edge server %.2f MiB" % (device / 2**20, server / 2**20))


if __name__ == "__main__":
    main()
