#!/usr/bin/env python3
"""Turns the figures' templates and the page's style sheet into a C table, so that the program carries them.

embed_templates.py OUTPUT.c FILE...
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
    rows = ['    {"%s", text_%d},\n' % (path.name, i) for i, path in enumerate(files)]
    pathlib.Path(output).write_text(
        "/* Made by orchestrator/report/embed_templates.py. */\n"
        '#include "orchestrator/report/figure.h"\n\n%s\n'
        "const struct figure_template report_templates[] = {\n%s};\n"
        "const size_t report_template_count = %d;\n"
        % ("\n".join(arrays), "".join(rows), len(rows)))


if __name__ == "__main__":
    main()
