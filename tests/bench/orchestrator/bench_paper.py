#!/usr/bin/env python3
"""The whole published training budget over TCP: scenario dapo-paper, 200 episodes of 1000 slots, 10 devices and 3 servers
as processes, learning and recording on. Prints wall time, slots per second, and the orchestrator's peak memory.

bench_paper.py BUILD_DIRECTORY [DATABASE]

With DATABASE the record is kept there, so that it can be evaluated. The ratio is to the same run's learning alone (same
updates in the memory host, without recording tasks): what the testbed around the learner costs."""
import os
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed


def watch(pid, sizes):
    """Samples the peak memory until the process is gone."""
    while True:
        size = testbed.peak_bytes(pid)
        if size == 0:
            return
        sizes.append(size)
        time.sleep(0.5)


def run(build, database):
    bed = testbed.Testbed(build, ["--scenario", "dapo-paper", "--db", database])
    sizes = []
    watcher = threading.Thread(target=watch, args=(bed.orchestrator.pid, sizes))
    watcher.start()
    start = time.monotonic()
    row = bed.finish()
    wall_s = time.monotonic() - start
    watcher.join()
    print("dapo-paper over TCP: %d slots, %d tasks in %.0f s (%.1f min), %.0f slots/s" %
          (row["slots"], row["tasks"], wall_s, wall_s / 60, row["slots"] / wall_s))
    print("orchestrator's peak memory: %.0f MiB; database: %.0f MB" %
          (max(sizes) / 2**20, os.path.getsize(database) / 1e6))
    return row["slots"] / wall_s


def memory_rate(build, folder):
    """Slots per second of the memory host with learning, over a tenth of the budget."""
    import subprocess
    start = time.monotonic()
    subprocess.run([testbed.programs(build)["orchestrator"], "run", "--scenario", "dapo-paper", "--over", "memory",
                    "-e", "20", "--record", "episodes", "--quiet", "--json", "--db", os.path.join(folder, "m.db")],
                   check=True, stdout=subprocess.DEVNULL)
    return 20 * 1000 / (time.monotonic() - start)


def main():
    build = sys.argv[1]
    print(testbed.machine())
    with tempfile.TemporaryDirectory() as folder:
        database = sys.argv[2] if len(sys.argv) > 2 else os.path.join(folder, "paper.db")
        tcp = run(build, database)
        memory = memory_rate(build, folder)
    print("ratio to learning in the memory host without task rows (%.0f slots/s): %.2f" % (memory, tcp / memory))


if __name__ == "__main__":
    main()
