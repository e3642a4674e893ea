#!/usr/bin/env python3
"""Makes handoff-scenario(5) of its template and the orchestrator's own table of keys.

    docs/scenario_man.py ORCHESTRATOR > docs/handoff-scenario.5
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = os.path.join(HERE, '..', 'deploy', 'scenarios')


def roff(text):
    """Text as roff prints it: `code` in bold, minus signs that can be copied, no line that looks like a request."""
    text = text.replace('\\', '\\e').replace('-', '\\-')
    text = re.sub(r'`([^`]*)`', r'\\fB\1\\fR', text)
    return '\\&' + text if text.startswith(('.', "'")) else text


def ask(orchestrator, word):
    return json.loads(subprocess.run([orchestrator, 'show', word, '--json'], check=True, stdout=subprocess.PIPE).stdout)


def keys(orchestrator):
    section = None
    for key in ask(orchestrator, 'keys'):
        if key['section'] != section:
            section = key['section']
            yield f'.SS {section}'
        yield '.TP'
        yield f".B {roff(key['key'])}"
        unit = f" {key['unit']}" if key['unit'] else ''
        yield roff(key['meaning']) + ';'
        yield f"default {roff(key['default'] + unit)}; allowed {roff(key['range'])} [{roff(key['source'])}]."


def scenarios(orchestrator):
    """Each with the first sentence of its file, less its name."""
    for name in ask(orchestrator, 'scenarios'):
        with open(os.path.join(SCENARIOS, name + '.yaml'), encoding='utf-8') as file:
            comment = ' '.join(line.lstrip('# ').rstrip() for line in file.read().split('\n\n')[0].splitlines())
        sentence = comment.partition(': ')[2].partition('. ')[0].rstrip('.')
        yield '.TP'
        yield f'.B {roff(name)}'
        yield roff(sentence)


def page(orchestrator):
    with open(os.path.join(HERE, 'handoff-scenario.5.in'), encoding='utf-8') as file:
        template = file.read()
    made = '.\\" Made by docs/scenario_man.py from handoff-scenario.5.in and core/model/scenario.def.\n'
    return made + template.replace('@SCENARIOS@', '\n'.join(scenarios(orchestrator))).replace(
        '@KEYS@', '\n'.join(keys(orchestrator)))


if __name__ == '__main__':
    sys.stdout.write(page(sys.argv[1]))
