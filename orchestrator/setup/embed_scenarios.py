#!/usr/bin/env python3
"""Turns the shipped scenarios into a C table, so that their names work wherever the program is.

embed_scenarios.py OUTPUT.c FILE.yaml...
"""
import pathlib
import sys


def c_array(index, text):
    """A char array, not a literal: C17 only promises literals of 4095 characters."""
    codes = [str(code) for code in text.encode("ascii")] + ["0"]
    lines = [",".join(codes[i : i + 30]) for i in range(0, len(codes), 30)]
    return "static const char text_%d[] = {\n%s\n};\n" % (index, ",\n".join(lines))


def main():
    output, files = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
    arrays = [c_array(i, path.read_text("ascii")) for i, path in enumerate(files)]
    rows = ['    {"%s", text_%d},\n' % (path.stem, i) for i, path in enumerate(files)]
    pathlib.Path(output).write_text(
        "/* Made by orchestrator/setup/embed_scenarios.py from deploy/scenarios. */\n"
        '#include "orchestrator/setup/shipped_scenarios.h"\n\n%s\n'
        "const struct shipped_scenario shipped_scenarios[] = {\n%s};\n"
        "const size_t shipped_scenarios_count = %d;\n" % ("\n".join(arrays), "".join(rows), len(rows)))


if __name__ == "__main__":
    main()
