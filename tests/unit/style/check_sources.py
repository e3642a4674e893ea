"""What the sources promise one another, checked by reading them: pure cores, rooms that know only what stands below,
headers that compile alone, own headers first. Speaks TAP.

usage: check_sources.py ROOT COMPILER [ARGUMENT...]
"""
import concurrent.futures
import os
import re
import subprocess
import sys

ARCHITECTURE = 'ARCHITECTURE.md'
ROOM_ROW = re.compile(r'^\| ([a-z/-]+) \|[^|]*\|([^|]*)\|([^|]*)\|$', re.M)


def read_rooms(root):
    """The rooms of ARCHITECTURE's table, below its head: by name, what each stands on and the libraries from outside."""
    with open(os.path.join(root, ARCHITECTURE), encoding='utf-8') as file:
        text = file.read()
    table = text[text.index('## Who may know whom'):text.index('### Where the next rooms go')]
    return {room: (words(stands_on), words(outside)) for room, stands_on, outside in ROOM_ROW.findall(table)[1:]}


def words(cell):
    return [word.strip() for word in cell.split(',') if word.strip()]


ROOMS = read_rooms(sys.argv[1])
PROGRAMS = ['mobile-node', 'edge-server']


def may_know(room):
    """The rooms that it stands on, and what those stand on. A program's room is known to the composer alone."""
    known = set()
    for other in ROOMS[room][0]:
        if other not in PROGRAMS:
            known |= {other} | may_know(other)
    return known


# The one place where a program includes another program's header, and the only ones it may.
COMPOSER = 'orchestrator/host/host_memory.c'
COMPOSED = ['mobile-node/device_core.h', 'mobile-node/device_queue_virtual.h', 'edge-server/server_core.h',
            'edge-server/server_queue_virtual.h']

# Files that are functions of what they are given, and what they may not include or call.
PURE = [
    r'mobile-node/device_(core|messages|queue|queue_tasks|queue_internal|queue_virtual)\.[ch]',
    r'edge-server/server_(core|messages|queue|queue_virtual)\.[ch]',
    r'orchestrator/session/.*\.[ch]', r'orchestrator/policy/.*\.[ch]',
    r'orchestrator/compare/(evidence|ranking|reduction)\.[ch]', r'orchestrator/replay/clock_gap\.[ch]',
    r'orchestrator/report/secrecy(_command)?\.[ch]',
    r'orchestrator/sweep/(sweep_eta|sweep_grid)\.[ch]', r'proto/node/(join|real_time)\.[ch]',
    r'proto/(decode|encode|frame|limits|message|scan|schema)\.[ch]',
    r'core/assign/.*\.[ch]',
    r'core/model/(agenda|audit|cost|device_slot|env|faults|forecast|forecast_model|layer_work|link|llm|mobility|radio|station|task_features'
    r'|tracks?|transfer|world)\.[ch]',
    r'core/base/(array|elementary(_\w+)?|err|half|rng|sha256|text_markup|units)\.[ch]', r'core/infer/.*\.[ch]',
    r'core/compute/.*\.[ch]', r'core/perplexity/.*\.[ch]', r'core/leak/.*\.[ch]', r'core/rl/.*\.[ch]',
    r'core/train/(adamw|bpe(_\w+)?|evaluation|pass(_\w+)?|rows|shape)\.[ch]', r'core/stats/.*\.[ch]', r'db/row_text\.[ch]',
]
IMPURE_HEADERS = ['uv.h', 'sqlite3.h', 'time.h', 'sys/time.h', 'stdio.h', 'pthread.h', 'threads.h', 'unistd.h', 'fcntl.h',
                  'core/base/clock.h', 'core/base/file.h', 'core/base/log.h']
IMPURE_CALLS = re.compile(r'\b(printf|fprintf|puts|fopen|getenv|system)\s*\(')
CHANCE = re.compile(r'\b(s?rand|rand_r|s?random|[del]rand48|arc4random\w*)\s*\(')

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def room_of(path):
    """The longest room name that is a folder of the path."""
    fitting = [room for room in ROOMS if path.startswith(room + '/')]
    return max(fitting, key=len) if fitting else None


def without_comments(text):
    """Comments become blanks; strings stay, so that an include keeps its name."""
    return COMMENT_OR_STRING.sub(lambda match: match[0] if match[0][0] in '"\'' else ' ', text)


def without_strings(text):
    return COMMENT_OR_STRING.sub(' ', text)


def read_sources(root):
    sources = {}
    for top in sorted({room.split('/')[0] for room in ROOMS}):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith(('.c', '.h')):
                    path = os.path.join(folder, name)
                    with open(path, encoding='utf-8') as file:
                        sources[os.path.relpath(path, root)] = file.read()
    return sources


def includes(text):
    """(is a header of ours, name) in order."""
    return [(kind == '"', name) for kind, name in INCLUDE.findall(without_comments(text))]


def is_pure(path):
    return any(re.fullmatch(pattern, path) for pattern in PURE)


def pure_files_touch_no_clock_file_or_socket(sources):
    for path, text in sources.items():
        if not is_pure(path):
            continue
        for _, name in includes(text):
            if name in IMPURE_HEADERS:
                yield f'{path} includes {name}'
        for call in IMPURE_CALLS.findall(without_strings(text)):
            yield f'{path} calls {call}'


def every_kind_of_pure_file_exists(sources):
    for pattern in PURE:
        if not any(re.fullmatch(pattern, path) for path in sources):
            yield f'nothing is named like {pattern}: the list is out of date'


def nothing_draws_from_the_c_library(sources):
    for path, text in sources.items():
        for call in CHANCE.findall(without_strings(text)):
            yield f'{path} calls {call}'


def rooms_know_only_what_stands_below(sources):
    for path, text in sources.items():
        room = room_of(path)
        for ours, name in includes(text):
            if not ours or (path == COMPOSER and name in COMPOSED):
                continue
            other = room_of(name)
            if name not in sources and not name.endswith('.def') and name != 'orchestrator/setup/revision.h':
                yield f'{path} includes {name}, which is no header of the tree by its full path'
            elif other != room and other not in may_know(room):
                yield f'{path} includes {name}: {room} may not know {other}'


def every_room_of_the_picture_is_a_folder_and_every_folder_a_room(sources):
    folders = {os.path.dirname(path) for path in sources}
    yield from (f'{ARCHITECTURE} has a room {room}, which holds no source' for room in sorted(set(ROOMS) - folders))
    yield from (f'{folder} holds sources and is no room of {ARCHITECTURE}' for folder in sorted(folders - set(ROOMS)))


def the_picture_is_what_is_built(root):
    """What each room's meson.build links is what ARCHITECTURE says that it stands on."""
    linked = {room: linked_by(os.path.join(root, room, 'meson.build')) for room in ROOMS}
    owner = {library: room for room, (libraries, _) in linked.items() for library in libraries}
    for room, (own, names) in linked.items():
        built = {owner.get(name, name) for name in names - own} - {room}
        drawn = {word for part in ROOMS[room] for word in part}
        yield from (f'{room} links {name}; {ARCHITECTURE} does not say so' for name in sorted(built - drawn))
        yield from (f'{room} does not link {name}; {ARCHITECTURE} says so' for name in sorted(drawn - built))


def linked_by(path):
    """(libraries that a build file makes, dependencies of its libraries and programs), both without the ending _dep."""
    with open(path, encoding='utf-8') as file:
        text = re.sub(r'#.*', '', file.read())
    lists = dict(re.findall(r'^(\w+) = \[([^\]]*)\]', text, re.M))
    names = set()
    for target in re.findall(r'^\w+ = (?:static_library|executable)\((.*?)\n?\)$', text, re.M | re.S):
        listed = re.search(r'\bdependencies: (?:\[([^\]]*)\]|(\w+))', target)
        if listed:
            names |= set(re.findall(r'(\w+)_dep\b', listed[1] or lists.get(listed[2], listed[2])))
    return set(re.findall(r'^(\w+)_dep = declare_dependency', text, re.M)), names


def internal_headers_stay_in_their_room(sources):
    for path, text in sources.items():
        for _, name in includes(text):
            if name.endswith('_internal.h') and os.path.dirname(name) != os.path.dirname(path):
                yield f'{path} includes {name}'


def every_source_includes_its_own_header_first(sources):
    for path, text in sources.items():
        own = path[:-2] + '.h'
        listed = includes(text)
        if path.endswith('.c') and own in sources and (not listed or listed[0][1] != own):
            yield f'{path} does not include {own} first'


def every_header_has_a_guard_that_spells_its_path(sources):
    for path, text in sources.items():
        if not path.endswith('.h'):
            continue
        guard = 'HANDOFF_' + re.sub(r'[^A-Z0-9]', '_', path.upper())
        code = without_comments(text).split()
        if code[:4] != ['#ifndef', guard, '#define', guard]:
            yield f'{path} is not guarded by {guard}'


def every_header_compiles_alone(sources, root, compiler):
    def compile_alone(path):
        command = compiler + ['-fsyntax-only', '-Werror', '-std=c17', '-D_POSIX_C_SOURCE=200809L', '-I' + root, '-x', 'c', '-']
        run = subprocess.run(command, input=f'#include "{path}"\n', capture_output=True, text=True, check=False)
        return None if run.returncode == 0 else f'{path}:\n{run.stderr}'

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        headers = sorted(path for path in sources if path.endswith('.h'))
        yield from filter(None, pool.map(compile_alone, headers))


def main():
    root, compiler = sys.argv[1], sys.argv[2:]
    sources = read_sources(root)
    checks = [
        pure_files_touch_no_clock_file_or_socket, every_kind_of_pure_file_exists, nothing_draws_from_the_c_library,
        every_room_of_the_picture_is_a_folder_and_every_folder_a_room, rooms_know_only_what_stands_below,
        internal_headers_stay_in_their_room,
        every_source_includes_its_own_header_first, every_header_has_a_guard_that_spells_its_path,
    ]
    results = [(check.__name__, list(check(sources))) for check in checks]
    results.append(('the_picture_is_what_is_built', list(the_picture_is_what_is_built(root))))
    results.append(('every_header_compiles_alone', list(every_header_compiles_alone(sources, root, compiler))))
    print(f'1..{len(results)}')
    for number, (name, faults) in enumerate(results, 1):
        print(f'{"not ok" if faults else "ok"} {number} - {name}')
        for fault in faults:
            print('# ' + fault.replace('\n', '\n# '))
    return 1 if any(faults for _, faults in results) else 0


if __name__ == '__main__':
    sys.exit(main())
