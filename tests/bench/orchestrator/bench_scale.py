#!/usr/bin/env python3
"""How far one machine carries, and what a device costs there: a table from 10 to 5,000 devices.

bench_scale.py BUILD_DIRECTORY [SLOTS [PART]]

Every row is a run over TCP in virtual time, 200 slots of `dapo` under `greedy` unless said otherwise: part 1 has each device
in a process of its own, part 2 a hundred devices to a process, part 3 the same with the servers kept at 20: what grows with
the servers is left out there. Processor time counts every process of the testbed, from its start to
its end, and depends little on what else the machine does; slots a second do, and so does how soon all nodes are up: the time
from the first process to the first slot. Memory is the largest private memory seen.
Every program is started with a soft limit of 1,024 open files, and raises it."""
import os
import resource
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed

SLOTS = 200
PARTS = ((1, ((10, 3), (50, 6), (100, 9), (200, 12), (500, 20))),
         (100, ((100, 9), (500, 20), (1000, 40), (2000, 60), (5000, 100))),
         (100, ((500, 20), (1000, 20), (2000, 20), (5000, 20))))
HEAD = ("devices", "a process", "servers", "up in", "slots/s", "CPU a device-slot", "orchestrator", "mobile node",
        "a device", "edge server")


def children_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def private_mib(children):
    """Mean private memory of processes that all live; None when one has ended."""
    try:
        return sum(testbed.private_bytes(child.pid) for child in children) / len(children) / 2**20
    except (FileNotFoundError, ProcessLookupError):
        return None


def watch_memory(bed, servers):
    """The largest seen of each kind, sampled until the run ends."""
    kinds = [bed.orchestrator], bed.nodes[servers:], bed.nodes[:servers]
    most = [0.0, 0.0, 0.0]
    while bed.orchestrator.poll() is None:
        for kind, children in enumerate(kinds):
            most[kind] = max(most[kind], private_mib(children[:50]) or 0.0)
        time.sleep(0.05)
    return most


def measure(build, folder, devices, servers, count, slots):
    used_s = children_s()
    start = time.monotonic()
    bed = testbed.Testbed(build, ["--policy", "greedy", "-e", "1", "-t", str(slots), "--record", "episodes", "--db",
                                  os.path.join(folder, "s.db")], devices=devices, servers=servers, count=count)
    memory = watch_memory(bed, servers)
    summary = bed.finish()
    wall_s = summary["wall_s"]
    up_s = bed.ended - start - wall_s
    if summary["tasks"] != devices * slots or summary["failures"] != 0:
        raise SystemExit("%s of %d tasks, %s failed" % (summary["tasks"], devices * slots, summary["failures"]))
    each_s = (children_s() - used_s) / (devices * slots)
    cells = ("%d" % devices, "%d" % count, "%d" % servers, "%.1f s" % up_s, "%.0f" % (slots / wall_s),
             "%.1f us" % (each_s * 1e6), "%.1f MiB" % memory[0], "%.2f MiB" % memory[1],
             "%.0f KiB" % (memory[1] * 1024 / min(count, devices)), "%.2f MiB" % memory[2])
    print("| " + " | ".join(cells) + " |", flush=True)
    return each_s


def main():
    build = sys.argv[1]
    slots = int(sys.argv[2]) if len(sys.argv) > 2 else SLOTS
    parts = PARTS if len(sys.argv) <= 3 else PARTS[int(sys.argv[3]) - 1:int(sys.argv[3])]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, limit[0]), limit[1]))
    print(testbed.machine())
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    with tempfile.TemporaryDirectory() as folder:
        for count, sizes in parts:
            costs = [measure(build, folder, devices, servers, count, slots) for devices, servers in sizes]
            print("largest to smallest cost of a device-slot, %d to a process: %.2f" %
                  (count, max(costs) / min(costs)), flush=True)


if __name__ == "__main__":
    main()
