#!/usr/bin/env python3
"""What recording every task costs a learning run: the same run with task rows and without, in turn.

bench_recording.py BUILD_DIRECTORY

Memory host, scenario dapo, 5 episodes of 1000 slots. The ratio is the median over pairs of time with rows to time without."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed

PAIRS = 7


def seconds(build, folder, record):
    database = os.path.join(folder, record + ".db")
    start = time.monotonic()
    subprocess.run([testbed.programs(build)["orchestrator"], "run", "--over", "memory", "-e", "5", "-t", "1000",
                    "--record", record, "--quiet", "--json", "--db", database], check=True, stdout=subprocess.DEVNULL)
    elapsed = time.monotonic() - start
    os.remove(database)
    return elapsed


def main():
    build = sys.argv[1]
    print(testbed.machine())
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(seconds(build, folder, "tasks"), seconds(build, folder, "episodes")) for _ in range(PAIRS)]
    print("learning run of 5000 slots: %.2f s recording every task, %.2f s without (medians of %d)" %
          (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), PAIRS))
    print("ratio with/without: %.3f" % statistics.median(a / b for a, b in pairs))


if __name__ == "__main__":
    main()
