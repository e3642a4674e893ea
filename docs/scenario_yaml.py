#!/usr/bin/env python3
"""Makes the shipped scenario dapo, which lists every key with its default, of the orchestrator's own table of keys.

    docs/scenario_yaml.py ORCHESTRATOR > deploy/scenarios/dapo.yaml
"""
import json
import subprocess
import sys
import textwrap

WIDTH = 110
COLUMN = 31  # of a comment behind its value, where both fit

HEAD = """\
# dapo: the headline scenario. Ten phones, three edge servers and a deadline that makes interior splits pay.
# System model: A1 to A15 of DAPO (Feng et al., Electronics 2025, 14, 3929), reconstructed; see
# docs/model.md. The values are this testbed's, not the paper's, where the source says so.
#
# Every key stands here with its default, so this file is also the place to copy from: a scenario needs only
# the keys that differ. Behind each value: unit; meaning [source]. Sources: "A n" an equation of
# docs/model.md; S stated by the paper's hyper-parameter table; R reconstructed by analogy with the named
# work; house: this testbed's choice. Made by docs/scenario_yaml.py.
"""


def entry(key):
    """One key: its value, and what it is, behind it or above it."""
    value = f"  {key['key']}: {key['default']}"
    unit = key['unit'] + '; ' if key['unit'] else ''
    comment = f"{unit}{key['meaning']} [{key['source']}]"
    line = f'{value:<{COLUMN - 1}} # {comment}'
    if len(line) <= WIDTH:
        return line + '\n'
    above = textwrap.wrap(comment, WIDTH - 4)
    return ''.join(f'  # {part}\n' for part in above) + value + '\n'


def page(orchestrator):
    keys = json.loads(subprocess.run([orchestrator, 'show', 'keys', '--json'], check=True, stdout=subprocess.PIPE).stdout)
    text, section = HEAD, None
    for key in (key for key in keys if not key['list']):
        if key['section'] != section:
            section = key['section']
            text += f'\n{section}:\n'
        text += entry(key)
    return text


if __name__ == '__main__':
    sys.stdout.write(page(sys.argv[1]))
