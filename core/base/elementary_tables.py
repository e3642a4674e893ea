"""Makes elementary_tables.h and elementary_tables.c: the constants of the elementary functions, from integer and decimal
arithmetic with 60 digits. Each is the double nearest to the true value, or doubles whose sum is near to it.

usage: elementary_tables.py header > elementary_tables.h
       elementary_tables.py source > elementary_tables.c
       elementary_tables.py check                           are they what they would be?
"""
import decimal
import os
import struct
import sys
from fractions import Fraction

decimal.getcontext().prec = 60
STEPS = 128  # of each table

# Bits of the least argument that the logarithm reduces to, in the middle between two steps: about sqrt(1/2).
LOG_LEAST = 0x3fe6900000000000
LOG_GRID = Fraction(1, 1 << 42)  # k ln 2 + log_high is exact for every exponent k
ATAN_STEPS = 64


def double(bits):
    return struct.unpack('>d', struct.pack('>Q', bits))[0]


def exact(value):
    """A Decimal, an int or a float as a fraction."""
    return Fraction(value)


def nearest(value):
    """The nearest double; Python's division of integers rounds correctly."""
    value = Fraction(value)
    return value.numerator / value.denominator


def pair(value):
    high = nearest(value)
    low = nearest(value - exact(high))
    return high, low if abs(low) > 1e-45 else 0.0  # what is below is the error of a series


def on_grid(value, grid):
    high = Fraction(round(value / grid)) * grid
    assert exact(nearest(high)) == high
    return nearest(high), nearest(value - high)


def leading(value, bits):
    """The value cut to so many bits."""
    shift = Fraction(2) ** (bits - exponent(value))
    return Fraction(int(value * shift)) / shift


def exponent(value):
    """e with 2^(e - 1) <= value < 2^e."""
    e = 0
    while Fraction(2) ** e <= value:
        e += 1
    while Fraction(2) ** (e - 1) > value:
        e -= 1
    return e


def ln(value):
    value = Fraction(value)
    return exact((decimal.Decimal(value.numerator) / decimal.Decimal(value.denominator)).ln())


def exp(value):
    return exact((decimal.Decimal(value.numerator) / decimal.Decimal(value.denominator)).exp())


def series(first, ratio):
    """first + first ratio(1) + first ratio(1) ratio(2) + ..., to 60 digits."""
    total, term, n = Fraction(0), Fraction(first), 0
    while abs(term) > Fraction(1, 10 ** 60):
        total += term
        n += 1
        term = (term * ratio(n)).limit_denominator(10 ** 75)
    return total


def sine(x):
    return series(x, lambda n: -x * x / ((2 * n) * (2 * n + 1)))


def cosine(x):
    return series(1, lambda n: -x * x / ((2 * n - 1) * (2 * n)))


def arc_tangent(x):
    """Euler's series, whose terms fall at least by half for |x| <= 1."""
    x = Fraction(x)
    return series(x / (1 + x * x), lambda n: Fraction(2 * n, 2 * n + 1) * x * x / (1 + x * x))


PI = 4 * (4 * arc_tangent(Fraction(1, 5)) - arc_tangent(Fraction(1, 239)))  # Machin
LN_2, LN_10 = ln(2), ln(10)


def power_rows():
    """2^(j / STEPS) = value (1 + tail)."""
    for j in range(STEPS):
        value = exp(LN_2 * j / STEPS)
        high = nearest(value)
        yield high, nearest(value / exact(high) - 1)


def log_rows():
    """The centre of each step, 1 / centre, and ln(centre) in two parts."""
    for i in range(STEPS):
        centre = double(LOG_LEAST + (i << 45) + (1 << 44))
        yield (centre, nearest(1 / exact(centre))) + on_grid(ln(exact(centre)), LOG_GRID)


def circle_rows():
    """sin(j pi / STEPS) in two parts and cos(j pi / STEPS) - 1, for j from -STEPS / 2."""
    for j in range(-STEPS // 2, STEPS // 2):
        angle = PI * j / STEPS
        yield pair(sine(angle)) + (nearest(cosine(angle) - 1),)


def arc_rows():
    """atan(j / ATAN_STEPS) in two parts."""
    for j in range(ATAN_STEPS + 1):
        yield pair(arc_tangent(Fraction(j, ATAN_STEPS)))


def parts(value, bits, count):
    """Parts of so many bits each, the last one of 53."""
    for _ in range(count - 1):
        part = leading(value, bits)
        yield nearest(part)
        value -= part
    yield nearest(value)


def words_of_pi():
    """STEPS / pi in base 2^32, from 410 decimal digits of pi: 0, the whole part, and what the largest double needs."""
    value = STEPS / long_pi()
    words = [0, int(value)]
    for _ in range(37):
        value = (value - words[-1]) * (1 << 32)
        words.append(int(value))
    return words


def long_pi():
    """Machin's formula in integers."""
    one = 10 ** 410

    def inverse_tangent(n):
        total, term, k = 0, one // n, 0
        while term:
            total += (-1) ** k * (term // (2 * k + 1))
            term //= n * n
            k += 1
        return total
    return Fraction(4 * (4 * inverse_tangent(5) - inverse_tangent(239)), one)


def constants():
    """Macros: (name, what it is, values)."""
    step = LN_2 / STEPS
    return [
        ('STEPS_PER_LN_2', f'{STEPS} / ln 2', [nearest(1 / step)]),
        # k times the first part is exact for every k that exp can meet.
        ('LN_2_STEP', f'ln 2 / {STEPS}', list(parts(step, 34, 2))),
        ('LN_2', 'ln 2; the first part is a multiple of 2^-42', list(on_grid(LN_2, LOG_GRID))),
        ('LOG2_E', '1 / ln 2; the first part has 26 bits', list(parts(1 / LN_2, 26, 2))),
        ('LOG10_E', '1 / ln 10; the first part has 26 bits', list(parts(1 / LN_10, 26, 2))),
        ('STEPS_PER_PI', f'{STEPS} / pi', [nearest(STEPS / PI)]),
        # k times the first two parts is exact for |k| < 2^15.
        ('PI_STEP', f'pi / {STEPS}; the first two parts have 38 bits', list(parts(PI / STEPS, 38, 3))),
        ('PI', 'pi', list(pair(PI))),
    ]


# name, its struct's fields, what a row is, the rows
TABLES = [
    ('elementary_power', ['value', 'tail'], f'2^(j / {STEPS}) = value (1 + tail)', power_rows),
    ('elementary_log_step', ['centre', 'inverse', 'high', 'low'],
     'a step of the logarithm: its centre, 1 / centre, ln(centre) = high + low; high is a multiple of 2^-42', log_rows),
    ('elementary_circle', ['sine', 'sine_low', 'cosine_less_1'],
     f'sine + sine_low = sin((j - {STEPS // 2}) pi / {STEPS}), and the cosine less 1', circle_rows),
    ('elementary_arc', ['angle', 'low'], f'angle + low = atan(j / {ATAN_STEPS})', arc_rows),
]
MADE = '/* Made by elementary_tables.py, which says how. */'


def header():
    yield MADE
    yield '#ifndef HANDOFF_CORE_BASE_ELEMENTARY_TABLES_H\n#define HANDOFF_CORE_BASE_ELEMENTARY_TABLES_H\n'
    yield '#include <stdint.h>\n'
    for name, what, values in constants():
        yield f'/* {what} */'
        for number, value in enumerate(values, 1):
            yield f'#define ELEMENTARY_{name}{"_" + str(number) if len(values) > 1 else ""} {value.hex()}'
    yield '\n/* Bits of the least argument to which a logarithm reduces. */'
    yield f'#define ELEMENTARY_LOG_LEAST UINT64_C({LOG_LEAST:#x})\n'
    for name, fields, what, rows in TABLES:
        yield f'/* Row j: {what}. */'
        yield f'struct {name} {{\n    double {", ".join(fields)};\n}};'
        yield f'extern const struct {name} {name}[{len(list(rows()))}];\n'
    yield f'/* {STEPS} / pi in base 2^32: 0, its whole part, then the digits after the point. */'
    yield f'extern const uint32_t elementary_steps_per_pi[{len(words_of_pi())}];\n\n#endif'


def source():
    yield MADE
    yield '#include "core/base/elementary_tables.h"\n\n/* clang-format off */'
    for name, _, _, rows in TABLES:
        rows = list(rows())
        yield f'const struct {name} {name}[{len(rows)}] = {{'
        for row in rows:
            yield '    {' + ', '.join(value.hex() for value in row) + '},'
        yield '};\n'
    words = words_of_pi()
    yield f'const uint32_t elementary_steps_per_pi[{len(words)}] = {{'
    for at in range(0, len(words), 8):
        yield '    ' + ' '.join(f'{word:#010x},' for word in words[at:at + 8])
    yield '};'


def text(lines):
    return ''.join(line + '\n' for line in lines())


def check():
    for name, lines in ('elementary_tables.h', header), ('elementary_tables.c', source):
        with open(os.path.join(os.path.dirname(__file__), name), encoding='utf-8') as file:
            if file.read() != text(lines):
                sys.exit(f'{name} is not what elementary_tables.py makes')


def main():
    if sys.argv[1] == 'check':
        check()
    else:
        sys.stdout.write(text({'header': header, 'source': source}[sys.argv[1]]))


main()
