#!/usr/bin/env python3
"""The TCP host in virtual time: 10 devices and 3 servers, each its own process, random policy, no learning. Prints slots
per second, and messages per second as a share of a bare libuv echo between two processes with the same sizes.

bench_tcp.py BUILD_DIRECTORY

Messages are all frames of a slot: SLOT, OBSERVATION, DECISION and REPORT of each device, ALLOT and ADVANCED of each
server, TASK and RESULT of each offloaded task. Runs and echoes alternate, so that a noisy machine disturbs both. Two echoes
are shown: one connection, one message at a time; and 13 connections in lockstep, all answers awaited before the next round,
as a slot's phases are."""
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed

DEVICES = 10
SERVERS = 3
EPISODES = 4
SLOTS = 1000
REPEATS = 5
# Mean frame sizes of a slot (SLOT 13, DECISION 26, ALLOT 60, TASK 1090 | OBSERVATION 80, REPORT 115, ADVANCED 28, RESULT 45)
BYTES_OUT = 300
BYTES_BACK = 80


def run(build, folder, repeat):
    """Slots per second and messages per second of one run over TCP."""
    database = os.path.join(folder, "tcp%d.db" % repeat)
    bed = testbed.Testbed(build, ["--policy", "random", "-e", str(EPISODES), "-t", str(SLOTS), "--db", database],
                          devices=DEVICES, servers=SERVERS)
    row = bed.finish()
    with sqlite3.connect("file:%s?mode=ro" % database, uri=True) as db:
        offloaded = db.execute("SELECT count(*) FROM task WHERE server IS NOT NULL").fetchone()[0]
    messages = row["slots"] * (4 * DEVICES + 2 * SERVERS) + 2 * offloaded
    return row["slots"] / row["wall_s"], messages / row["wall_s"]


def echo(build, *flags):
    """Messages per second of the bare libuv echo."""
    text = subprocess.run(
        [os.path.join(build, "tests", "bench", "wire", "bench_echo"), "--bytes-out", str(BYTES_OUT), "--bytes-back",
         str(BYTES_BACK), "--seconds", "2", *flags], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"messages_per_s=(\d+)", text).group(1))


def main():
    build = sys.argv[1]
    print(testbed.machine())
    slots, messages, single, lockstep = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS):
            slot_rate, message_rate = run(build, folder, repeat)
            slots.append(slot_rate)
            messages.append(message_rate)
            single.append(echo(build, "--connections", "1"))
            lockstep.append(echo(build, "--connections", str(DEVICES + SERVERS), "--lockstep", "true"))
    print("TCP host, %d devices, %d servers, no learning: %.0f slots/s, %.0f messages/s (medians of %d)" %
          (DEVICES, SERVERS, statistics.median(slots), statistics.median(messages), REPEATS))
    for name, rates in (("one connection", single), ("13 connections in lockstep", lockstep)):
        share = statistics.median(a / b for a, b in zip(messages, rates))
        print("ratio to a bare libuv echo, %s (%.0f messages/s): %.2f" % (name, statistics.median(rates), share))


if __name__ == "__main__":
    main()
