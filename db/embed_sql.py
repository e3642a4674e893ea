#!/usr/bin/env python3
"""Turns the SQL files into C arrays, so that the programs carry their schema.

embed_sql.py OUTPUT.c SCHEMA.sql --migrations FILE... --queries FILE...
"""
import argparse
import pathlib
import re
import sys


def c_array(name, text):
    """A char array, not a literal: C17 only promises literals of 4095 characters."""
    codes = [str(code) for code in text.encode("ascii")] + ["0"]
    lines = [",".join(codes[i : i + 30]) for i in range(0, len(codes), 30)]
    return "static const char %s[] = {\n%s\n};\n" % (name, ",\n".join(lines))


def c_table(name, prefix, paths):
    stems = [path.stem for path in paths]
    arrays = [c_array("%s_%s" % (prefix, stem), path.read_text("ascii")) for stem, path in zip(stems, paths)]
    rows = ['    {"%s", %s_%s},\n' % (stem, prefix, stem) for stem in stems]
    return "%s\nconst struct sql_text %s[] = {\n%s};\nconst size_t %s_count = %d;\n" % (
        "\n".join(arrays), name, "".join(rows), name, len(rows))


def check_migrations(paths):
    for number, path in enumerate(paths, 1):
        if not re.match("%04d_[a-z0-9_]+$" % number, path.stem):
            sys.exit("%s: migration %d must be called %04d_something.sql" % (path, number, number))
        if "PRAGMA user_version = %d;" % number not in path.read_text("ascii"):
            sys.exit("%s: must state PRAGMA user_version = %d;" % (path, number))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("schema", type=pathlib.Path)
    parser.add_argument("--migrations", type=pathlib.Path, nargs="+", required=True)
    parser.add_argument("--queries", type=pathlib.Path, nargs="+", required=True)
    args = parser.parse_args()
    check_migrations(args.migrations)
    args.output.write_text("\n".join([
        "/* Made by db/embed_sql.py from the SQL files. */\n#include \"db/sql.h\"\n",
        c_array("schema", args.schema.read_text("ascii")),
        "const char *const sql_schema = schema;\n",
        c_table("sql_migrations", "migration", args.migrations),
        c_table("sql_queries", "query", args.queries),
    ]), "ascii")


if __name__ == "__main__":
    main()
