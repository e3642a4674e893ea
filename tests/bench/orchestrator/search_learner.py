#!/usr/bin/env python3
"""Tries a learner's settings on scenario dapo and says which is best on validation streams. No benchmark of speed, and not
run by meson: how docs/benchmarks.md's learners got their constants.

search_learner.py BUILD_DIRECTORY POLICY [--seeds S,S] [KEY=VALUE,VALUE...]...

Every combination of the values is trained once for each seed, for 20,000 slots; what counts is the mean over seeds of the best
checkpoint's mean cost on 1000 validation slots. Test streams are not touched. Prints rows of a table, best first."""
import argparse
import itertools
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import testbed


def call(*arguments):
    run = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit("%s: %s" % (' '.join(arguments), run.stderr))


def best_cost(orchestrator, policy, seed, setting):
    """Mean cost of the checkpoint that validation prefers."""
    with tempfile.TemporaryDirectory() as folder:
        database = os.path.join(folder, "search.db")
        keys = [word for pair in setting for word in ("--set", "%s=%s" % pair)]
        call(orchestrator, "run", "-s", "dapo", "-p", policy, "--seed", str(seed), "--over", "memory", "--record", "episodes",
             "-q", "-d", database, *keys)
        call(orchestrator, "evaluate", "--phase", "validate", "-p", policy, "-q", "-d", database)
        connection = sqlite3.connect(database)
        (cost,) = connection.execute("SELECT min(validation_cost) FROM checkpoint").fetchone()
        connection.close()
        return cost


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("policy")
    parser.add_argument("--seeds", default="1001,1002")
    parser.add_argument("keys", nargs="*")
    arguments = parser.parse_intermixed_args()  # --seeds may stand between the policy and the keys
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    choices = [[(key.split("=")[0], value) for value in key.split("=")[1].split(",")] for key in arguments.keys]
    rows = []
    for setting in itertools.product(*choices):
        costs = [best_cost(testbed.programs(arguments.build)["orchestrator"], arguments.policy, seed, setting) for seed in seeds]
        rows.append((statistics.mean(costs), setting, costs))
        print("tried %s: %.3f" % (setting, rows[-1][0]), file=sys.stderr)
    for mean, setting, costs in sorted(rows):
        cells = [arguments.policy] + [value for _, value in setting] + ["%.3f" % cost for cost in costs] + ["%.3f" % mean]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
