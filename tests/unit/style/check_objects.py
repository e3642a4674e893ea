"""What the built objects promise one another, checked by reading their symbols: no dead exports, names that say where
they are defined, no variable that is not on the list, no function of libm that differs between machines. Speaks TAP.

usage: check_objects.py ROOT BUILD
"""
import json
import os
import re
import shutil
import subprocess
import sys

# Variables that live as long as the process, and why each must. Everything else is a constant, or belongs to somebody.
MUTABLE = {
    ('core/linalg/vector_path.c', 'in_use'): 'the vector path of the process; all of them give the same bits',
    ('core/linalg/product.c', 'replacement'): "OpenBLAS in place of the process's product, before learners are made",
    ('core/linalg/openblas.c', 'library'): 'a library that has threads and buffers of its own is loaded once',
    ('core/base/log.c', 'sink'): 'the name and the level of the process, set before the first message',
    ('core/base/process.c', 'output'): 'standard output is one for the process, and what runs at its end is told nothing',
    ('orchestrator/setup/stop_signal.c', 'raised'): 'a signal handler has no other way to tell',
}
# Sections whose bytes a program may change. `.data.rel.ro` holds constants with addresses in them.
WRITABLE = re.compile(r'\.(bss|data|tbss|tdata)(?!\.rel\.ro)\b')
# Functions of libm whose last digit differs between machines, in each type. core/base/elementary.h has ours.
ROUNDED_BY_LIBM = re.compile(r'(a?(sin|cos|tan)h?|atan2|sincos|exp(2|10|m1)?|log(2|10|1p)?|pow|cbrt|hypot|erfc?|[lt]gamma'
                             r'|j[01n]|y[01n])[fl]?')
EXPORTED = re.compile(r'[A-TV-Z]')
# Compilers and sanitizers add names of their own.
OF_THE_COMPILER = re.compile(r'[_.]')


class Symbol:
    def __init__(self, source, name, kind, section):
        self.source, self.name, self.kind, self.section = source, name, kind, section


def read_objects(root, build):
    """Each object's path and its source's, from the root; of a generated source the path in the build folder."""
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as file:
        for command in json.load(file):
            source = os.path.join(command['directory'], command['file'])
            top = build if os.path.realpath(source).startswith(os.path.realpath(build) + os.sep) else root
            yield (os.path.join(command['directory'], command['output']),
                   os.path.relpath(os.path.realpath(source), os.path.realpath(top)))


def read_symbols(source_of):
    """nm names the object before its symbols: `Symbols from FILE:`."""
    run = subprocess.run(['nm', '-f', 'sysv', *source_of], capture_output=True, text=True, check=True)
    source = None
    for line in run.stdout.splitlines():
        heading = re.fullmatch(r'(?:Undefined s|S)ymbols from (.*):', line)
        fields = [field.strip() for field in line.split('|')]
        if heading:
            source = source_of[heading[1]]
        elif len(fields) == 7 and not OF_THE_COMPILER.match(fields[0]):
            yield Symbol(source, fields[0], fields[2], fields[6])


def is_test(source):
    return source.startswith('tests/')


def exports(symbols):
    """A name with a dot is the compiler's copy of a function."""
    return [symbol for symbol in symbols if EXPORTED.fullmatch(symbol.kind) and not is_test(symbol.source)
            and symbol.name != 'main' and '.' not in symbol.name]


# Made by a table's macro for every row, and there for other tables too, whether they use this one or not.
FACE = {'core/model/scenario.c': re.compile(r'scenario_\w+_words')}


def every_exported_name_is_used_by_another_file(symbols):
    used = {symbol.name for symbol in symbols if symbol.kind == 'U'}
    for symbol in exports(symbols):
        made = symbol.source in FACE and FACE[symbol.source].fullmatch(symbol.name)
        if symbol.name not in used and not made:
            yield f'{symbol.source} exports {symbol.name}, which no other file uses: make it static, or remove it'


def prefixes(source):
    """The file's name, its leading parts, and the folders of its path."""
    folders, name = os.path.split(source)
    words = re.split(r'[-_.]', name)[:-1]
    yield from ('_'.join(words[:count]) for count in range(len(words), 0, -1))
    yield from (folder.replace('-', '_') for folder in folders.split('/'))


def exported_names_begin_with_their_file_or_a_folder(symbols):
    for symbol in exports(symbols):
        allowed = list(prefixes(symbol.source))
        if not any((symbol.name + '_').startswith(prefix + '_') for prefix in allowed):
            yield f'{symbol.source} exports {symbol.name}: it should begin with {" or ".join(allowed)}'


def variables(symbols):
    """A variable inside a function is `name.NUMBER` to gcc and `function.name` to clang."""
    return {(symbol.source, re.sub(r'(\.\d+)+$', '', symbol.name).split('.')[-1]) for symbol in symbols
            if symbol.kind not in 'tTUwW' and WRITABLE.match(symbol.section) and not is_test(symbol.source)}


def mutable_statics_are_listed(symbols):
    found = variables(symbols)
    for source, name in sorted(found - MUTABLE.keys()):
        yield f'{source} has the variable {name}: give it an owner, or list it in MUTABLE with a reason'
    for source, name in sorted(MUTABLE.keys() - found):
        yield f'{source} has no variable {name} any more: the list MUTABLE is out of date'


def no_program_takes_an_elementary_function_of_libm(symbols):
    for symbol in symbols:
        if symbol.kind == 'U' and not is_test(symbol.source) and ROUNDED_BY_LIBM.fullmatch(symbol.name):
            yield f'{symbol.source} calls {symbol.name} of libm, which differs between machines: see core/base/elementary.h'


def main():
    root, build = sys.argv[1:]
    if shutil.which('nm') is None:
        print('1..0 # SKIP nm is not installed')
        return 0
    source_of = dict(read_objects(root, build))
    missing = [path for path in source_of if not os.path.exists(path)]
    if missing:
        print(f'1..0 # SKIP {len(missing)} of {len(source_of)} objects are not built: run ninja first')
        return 0
    symbols = list(read_symbols(source_of))
    checks = [every_exported_name_is_used_by_another_file, exported_names_begin_with_their_file_or_a_folder,
              mutable_statics_are_listed, no_program_takes_an_elementary_function_of_libm]
    results = [(check.__name__, list(check(symbols))) for check in checks]
    print(f'1..{len(results)}')
    for number, (name, faults) in enumerate(results, 1):
        print(f'{"not ok" if faults else "ok"} {number} - {name}')
        for fault in faults:
            print('# ' + fault)
    return 1 if any(faults for _, faults in results) else 0


if __name__ == '__main__':
    sys.exit(main())
