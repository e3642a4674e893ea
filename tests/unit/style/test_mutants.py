"""What tests/mutants/mutants.py breaks in a source, and what it leaves alone."""
import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..'))
sys.path[:0] = [os.path.join(ROOT, 'tests', 'lib'), os.path.join(ROOT, 'tests', 'mutants')]
import mutants
import tap


def broken(*lines):
    """(kind, new line) of every mutant of a function with these lines."""
    text = '\n'.join(('static int some(int a, int b)', '{', *('    ' + line for line in lines), '}', ''))
    return [(one.kind, one.new.strip()) for one in mutants.mutants_of('x.c', text)]


@tap.test
def a_line_is_broken_in_every_way_that_it_can_be():
    tap.equal(broken('if (a < b && !c)'), [('comparison', 'if (a <= b && !c)'), ('logic', 'if (a < b || !c)'),
                                           ('condition', 'if (a < b && c)'), ('condition', 'if (!(a < b && !c))')])
    tap.equal(broken('x = a + 2;'), [('operator', 'x = a - 2;'), ('number', 'x = a + 3;'), ('statement', ';')])
    tap.equal(broken('put(a, b);'), [('argument', 'put(b, a);'), ('statement', ';')])
    tap.equal(broken('x[a]->y *= b;'), [('operator', 'x[a]->y /= b;'), ('statement', ';')])
    tap.equal(broken('return a;'), [('result', 'return 0;')])
    tap.equal(broken('return true;'), [('word', 'return false;')])


@tap.test
def comments_texts_assertions_and_declarations_stay():
    for line in ('/* if (a < b) */', 'assert(a < b);', 'log_warn("x", "1 < 2");', '#define N 3', 'const char *name;', 'free(name);'):
        tap.equal(broken(line), [], line)
    tap.equal(broken('say("a && 1");'), [('statement', ';')])
    tap.equal(broken('/* of two', 'if (a < 1) that span lines */', 'int c = a;', 'char d;'), [])


@tap.test
def what_stands_outside_of_functions_stays():
    tap.equal(mutants.mutants_of('x.c', 'static const int limit = 3;\nstruct one {\n    int two;\n};\n'), [])


@tap.test
def the_same_seed_names_the_same_mutants_of_all_kinds():
    name = 'proto/wire/pacer.c'
    found = mutants.mutants_of(name, mutants.read(os.path.join(ROOT, name)).decode())
    tap.true(len(found) > 100, f'{len(found)} mutants')
    tap.equal(mutants.choose(found, 30, 5), mutants.choose(found, 30, 5), 'the same')
    tap.true(mutants.choose(found, 30, 5) != mutants.choose(found, 30, 6), 'another seed')
    tap.equal(len(set(mutants.choose(found, 30, 5))), 30, 'no mutant twice')
    tap.true(len({one.kind for one in mutants.choose(found, 9, 1)}) >= 7, 'kinds')
    lines = mutants.read(os.path.join(ROOT, name)).decode().split('\n')
    for one in found:
        tap.equal(lines[one.line - 1], one.old, 'the line that is broken')
        tap.true(one.new != one.old, 'it is another')


tap.main()
