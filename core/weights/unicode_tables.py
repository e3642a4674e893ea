"""Makes unicode_tables.h and unicode_tables.c: which characters are letters, numbers and white space. They come from
the Unicode database of Python; `check` is skipped where Python has another version of it.

usage: unicode_tables.py header > unicode_tables.h
       unicode_tables.py source > unicode_tables.c
       unicode_tables.py check                       are they what they would be?
"""
import os
import sys
import unicodedata

VERSION = '14.0.0'
SKIPPED = 77  # meson's exit status of a test that is skipped
LETTER, NUMBER, SPACE = 1, 2, 3  # enum unicode_class

HEADER = '''/* Made by unicode_tables.py, which says how. Unicode {version}. */
#ifndef HANDOFF_CORE_WEIGHTS_UNICODE_TABLES_H
#define HANDOFF_CORE_WEIGHTS_UNICODE_TABLES_H

#include <stdint.h>

#define UNICODE_RANGES {count}

/* In rising order, without overlap. `class` is an enum unicode_class. */
struct unicode_range {{
    uint32_t first, last, class;
}};

extern const struct unicode_range unicode_range[UNICODE_RANGES];

#endif
'''

SOURCE = '''/* Made by unicode_tables.py, which says how. Unicode {version}. */
#include "core/weights/unicode_tables.h"

/* clang-format off */
const struct unicode_range unicode_range[UNICODE_RANGES] = {{
{rows}
}};
/* clang-format on */
'''


def class_of(number):
    """White_Space is the separators and six controls (PropList.txt)."""
    category = unicodedata.category(chr(number))
    if category[0] == 'Z' or 0x09 <= number <= 0x0d or number == 0x85:
        return SPACE
    return {'L': LETTER, 'N': NUMBER}.get(category[0], 0)


def ranges():
    found = []
    for number in range(0x110000):
        kind = class_of(number)
        if kind and found and found[-1][1] == number - 1 and found[-1][2] == kind:
            found[-1][1] = number
        elif kind:
            found.append([number, number, kind])
    return found


def rows(found):
    """Four ranges a line."""
    texts = [f'{{0x{first:04x}, 0x{last:04x}, {kind}}},' for first, last, kind in found]
    return '\n'.join('    ' + ' '.join(texts[i:i + 4]) for i in range(0, len(texts), 4))


def main():
    if unicodedata.unidata_version != VERSION:
        print(f'Python has Unicode {unicodedata.unidata_version}; the tables are of {VERSION}')
        return SKIPPED
    found = ranges()
    made = {'header': HEADER.format(version=VERSION, count=len(found)),
            'source': SOURCE.format(version=VERSION, rows=rows(found))}
    if sys.argv[1] != 'check':
        sys.stdout.write(made[sys.argv[1]])
        return 0
    folder = os.path.dirname(os.path.abspath(__file__))
    for part, ending in (('header', 'h'), ('source', 'c')):
        path = os.path.join(folder, 'unicode_tables.' + ending)
        with open(path, encoding='utf-8') as file:
            if file.read() != made[part]:
                print(f'{path} is not what unicode_tables.py makes')
                return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
