#!/usr/bin/env python3
"""Draws `evaluate --draws K --json` as a bar chart in SVG, without any library.

handoff-orchestrator evaluate -s dapo --draws 100 --json | docs/figure.py > docs/policies.svg
"""
import html
import json
import sys

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 150, 60, 58, 30
COLOURS = {"observations": "#9aa5b1", "model": "#4c78a8", "world": "#4c78a8"}  # by what a policy sees


def text(x, y, content, anchor="start", size=13, weight="normal"):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" font-weight="%s">%s</text>' % (
        x, y, anchor, size, weight, html.escape(content))


def bar(index, row, scale):
    y = TOP + index * ROW
    end = LEFT + row["mean_cost"] * scale
    spread = row["standard_error"] * scale
    middle = y + ROW / 2
    return [
        text(LEFT - 8, middle + 4, row["policy"], "end"),
        '<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>' % (
            LEFT, y + 4, end - LEFT, ROW - 8, COLOURS[row["sees"]]),
        '<path d="M%.1f %.1fH%.1f" stroke="#222" stroke-width="1.5"/>' % (end - spread, middle, end + spread),
        text(end + spread + 6, middle + 4, "%.2f" % row["mean_cost"]),
    ]


def main():
    rows = sorted(json.load(sys.stdin), key=lambda row: row["mean_cost"])
    scale = (WIDTH - LEFT - RIGHT) / max(row["mean_cost"] + row["standard_error"] for row in rows)
    height = TOP + ROW * len(rows) + 16
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
        'font-family="sans-serif" fill="#222">' % (WIDTH, height, WIDTH, height),
        '<rect width="%d" height="%d" fill="#fff"/>' % (WIDTH, height),
        text(16, 24, "Mean cost of a task, %d draws of node parameters (line: standard error)" % rows[0]["draws"], size=15,
             weight="bold"),
        text(16, 44, "blue: knows the cost model; grey: does not. Lower is better.", size=12),
    ]
    for index, row in enumerate(rows):
        parts += bar(index, row, scale)
    print("\n".join(parts + ["</svg>"]))


if __name__ == "__main__":
    main()
