#!/usr/bin/env python3
"""What it costs a learning run that it can be resumed: the same run with a checkpoint after every episode and with one at its
end, in turn; and how long it takes to go on with one that was killed.

bench_resume.py BUILD_DIRECTORY

Memory host, scenario dapo with 5 episodes of 1000 slots, and with 25 of 200. The ratio is the median over pairs of time with
checkpoints to time without."""
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed

PAIRS = 7


def run(build, database, *arguments, **options):
    return subprocess.Popen([testbed.programs(build)["orchestrator"], "run", "--quiet", "--json", "--db", database, *arguments],
                            stdout=subprocess.DEVNULL, **options)


def seconds(build, folder, shape, every):
    database = os.path.join(folder, "x.db")
    start = time.monotonic()
    if run(build, database, "--over", "memory", *shape, "--set", "run.checkpoint_every=%d" % every).wait() != 0:
        sys.exit("the run failed")
    elapsed = time.monotonic() - start
    size = os.path.getsize(database)
    os.remove(database)
    return elapsed, size


def compare(build, folder, episodes, slots):
    shape = ("-e", str(episodes), "-t", str(slots))
    pairs = [(seconds(build, folder, shape, 1), seconds(build, folder, shape, 1000000)) for _ in range(PAIRS)]
    print("%d episodes of %d slots: %.2f s with a checkpoint each, %.2f s with one (medians of %d); file %.1f and %.1f MB" %
          (episodes, slots, statistics.median(a[0] for a, _ in pairs), statistics.median(b[0] for _, b in pairs), PAIRS,
           pairs[0][0][1] / 1e6, pairs[0][1][1] / 1e6))
    print("ratio with/without: %.3f" % statistics.median(a[0] / b[0] for a, b in pairs))


def episodes_of(database):
    try:
        connection = sqlite3.connect("file:%s?mode=ro" % database, uri=True)
        with connection:
            (count,) = connection.execute("SELECT count(*) FROM episode").fetchone()
        connection.close()
        return count
    except sqlite3.OperationalError:
        return 0  # not made yet


def go_on(build, folder):
    """Killed after 20 of 21 episodes, so that hardly anything but the way there is left to do."""
    database = os.path.join(folder, "killed.db")
    child = run(build, database, "--over", "memory", "-e", "21", "-t", "1000")
    while episodes_of(database) < 20 and child.poll() is None:
        time.sleep(0.001)
    child.kill()
    child.wait()
    connection = sqlite3.connect(database)
    kept, transitions, size = connection.execute(
        "SELECT (SELECT max(episode) + 1 FROM checkpoint), sum(transition_count), sum(length(transitions)) FROM experience").fetchone()
    connection.close()
    start = time.monotonic()
    child = run(build, database, "--resume", stderr=subprocess.PIPE, text=True)
    child.stderr.readline()  # "goes on after": everything is restored
    elapsed = time.monotonic() - start
    child.stderr.read()
    if child.wait() != 0:
        sys.exit("the run could not be resumed")
    print("to go on after %d episodes, %d transitions in %.1f MB: %.2f s" % (kept, transitions, size / 1e6, elapsed))


def main():
    build = sys.argv[1]
    print(testbed.machine())
    with tempfile.TemporaryDirectory() as folder:
        compare(build, folder, 5, 1000)
        compare(build, folder, 25, 200)
        go_on(build, folder)


if __name__ == "__main__":
    main()
