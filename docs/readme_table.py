#!/usr/bin/env python3
"""Puts the table that deploy/quickstart ends with into README.md.

    docs/readme_table.py quickstart.db             # writes README.md
    docs/readme_table.py --check quickstart.db     # only says whether README.md has that very table
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = ROOT / 'README.md'


def table_of(lines):
    """First and last line of the one table that is drawn with boxes."""
    tops = [i for i, line in enumerate(lines) if line.startswith('┌')]
    ends = [i for i, line in enumerate(lines) if line.startswith('└')]
    if len(tops) != 1 or len(ends) != 1:
        sys.exit(f'{README}: there is not exactly one table')
    return tops[0], ends[0]


def main():
    check = sys.argv[1:2] == ['--check']
    (database,) = sys.argv[2:] if check else sys.argv[1:]
    made = subprocess.run([ROOT / 'deploy' / 'quickstart', '--table', database], check=True, stdout=subprocess.PIPE, text=True)
    lines = README.read_text(encoding='utf-8').split('\n')
    top, end = table_of(lines)
    if check:
        sys.exit(0 if lines[top:end + 1] == made.stdout.splitlines() else f'{README} has another table than {database}')
    lines[top:end + 1] = made.stdout.splitlines()
    README.write_text('\n'.join(lines), encoding='utf-8')


if __name__ == '__main__':
    main()
