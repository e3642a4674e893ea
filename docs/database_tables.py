#!/usr/bin/env python3
"""The tables of docs/database.md that are made from db/*.def, each between two marker comments.

    docs/database_tables.py            renews them
    docs/database_tables.py --check    says whether they are as they should be. Prints TAP.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, 'database.md')
ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s,"]+)')


def rows(name, macro):
    """The arguments of each line that is the macro's, in order."""
    with open(os.path.join(HERE, '..', 'db', name), encoding='utf-8') as file:
        lines = re.findall(rf'(?m)^{macro}\((.*)\)$', file.read())
    return [[quoted or plain for quoted, plain in ARGUMENT.findall(arguments)] for arguments in lines]


def table(heads, lines):
    rule = '|' + '---|' * len(heads) + '\n'
    made = ['|' + '|'.join(f' {cell} ' if cell else ' ' for cell in line) + '|\n' for line in [heads, *lines]]
    return made[0] + rule + ''.join(made[1:])


def task_columns():
    run = [(name, unit, meaning) for name, unit, meaning in rows('task.def', 'TASK_RUN')]
    others = [(name, unit, meaning) for name, _, unit, _, meaning in rows('task.def', 'TASK')]
    return table(['column', 'unit', 'meaning'], [[f'`{name}`', unit, meaning] for name, unit, meaning in run + others])


def words(name, macro, head):
    return table([head, 'meaning'], [[f'`{word}`' if word else 'empty', meaning]
                                     for _, word, meaning in rows(name, macro)])


TABLES = {
    'task.def': task_columns,
    'task_status.def': lambda: words('task_status.def', 'TASK_STATUS', 'status'),
    'event.def, kinds': lambda: words('event.def', 'EVENT_KIND', 'kind'),
    'event.def, actions': lambda: words('event.def', 'EVENT_ACTION', 'action'),
    'event.def, phases': lambda: words('event.def', 'EVENT_PHASE', 'phase'),
}


def renewed(page):
    for source, make in TABLES.items():
        first = f'<!-- made from db/{source} by docs/database_tables.py -->\n'
        before, found, rest = page.partition(first)
        _, ended, after = rest.partition('<!-- end -->\n')
        if not found or not ended:
            sys.exit(f'{PAGE}: has no table between {first.strip()} and <!-- end -->')
        page = before + first + make() + '<!-- end -->\n' + after
    return page


def main():
    with open(PAGE, encoding='utf-8') as file:
        page = file.read()
    if sys.argv[1:] == ['--check']:
        fresh = renewed(page) == page
        print(f"1..1\n{'ok' if fresh else 'not ok'} 1 - docs/database.md has the columns and words of db/*.def")
        if not fresh:
            print('# stale: renew it with docs/database_tables.py')
        return 0 if fresh else 1
    fresh = renewed(page)
    with open(PAGE, 'w', encoding='utf-8') as file:
        file.write(fresh)
    return 0


if __name__ == '__main__':
    sys.exit(main())
