#!/usr/bin/env python3
"""Puts the results of two sweeps into the tables of docs/benchmarks.md ("All learners") and docs/systems.md (the headline).

    deploy/experiments --sweep learners && deploy/experiments --sweep published
    docs/learners_table.py learners.db published.db
"""
import pathlib
import sqlite3
import sys

DOCS = pathlib.Path(__file__).resolve().parent
SQL = """SELECT policy, avg(mean_cost), avg(mean_latency_s), avg(mean_energy_j), avg(deadline_miss_share), max(updates)
         FROM sweep_result GROUP BY policy"""


def results(database):
    connection = sqlite3.connect(f'file:{database}?mode=ro', uri=True)
    rows = {policy: numbers for policy, *numbers in connection.execute(SQL)}
    connection.close()
    return rows


def per_cent(share):
    return f'{100 * share:.1f} %' if abs(share) < 0.2 else f'{100 * share:.0f} %'


def policy_lines(shipped, published):
    optimum = shipped['optimum'][0]
    rows = [(numbers, policy, '' if numbers[4] is None else "the paper's" if policy == 'dapo' else 'shipped')
            for policy, numbers in shipped.items()]
    rows += [(numbers, policy, 'published') for policy, numbers in published.items()
             if numbers[4] is not None and policy != 'dapo']
    for (cost, latency, energy, missed, _), policy, constants in sorted(rows, key=lambda row: row[0][0]):
        above = '' if policy == 'optimum' else per_cent(max(0.0, cost / optimum - 1))
        yield f'| {policy} | {constants} | {cost:.3f} | {latency:.3f} | {energy:.2f} | {100 * missed:.0f} % | {above} |'


def headline_lines(shipped, published):
    for ours in ('dapo', 'dapo-plus'):
        for baseline in ('ppo', 'a2c'):
            for constants, rows in (('published', published), ('shipped', shipped)):
                lower = [f'{100 * (1 - mine / theirs):.1f} %' for mine, theirs in zip(shipped[ours], rows[baseline])][:3]
                yield f'| {ours} | {baseline} | {constants} | {lower[1]} | {lower[2]} | {lower[0]} |'


def replace(page, head, made):
    """The body of the one table with that head."""
    lines = (DOCS / page).read_text(encoding='utf-8').split('\n')
    (top,) = [i for i, line in enumerate(lines) if line.startswith(head)]
    end = top + 2
    while end < len(lines) and lines[end].startswith('|'):
        end += 1
    (DOCS / page).write_text('\n'.join(lines[:top + 2] + list(made) + lines[end:]), encoding='utf-8')


def main():
    shipped, published = (results(database) for database in sys.argv[1:3])
    replace('benchmarks.md', '| policy | constants | cost |', policy_lines(shipped, published))
    replace('systems.md', '| policy | against | constants |', headline_lines(shipped, published))


if __name__ == '__main__':
    main()
