"""Checks that the man pages say what the programs do. Prints TAP.

    docs/check_manual.py ORCHESTRATOR MOBILE-NODE EDGE-SERVER
"""
import os
import re
import subprocess
import sys

import scenario_man
import scenario_yaml

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = ('run', 'evaluate', 'replay', 'show', 'export', 'twin', 'sweep', 'compare', 'report', 'delete',
            'model', 'generate', 'train', 'perplexity', 'leak', 'bound')


def read(name):
    with open(os.path.join(HERE, name), encoding='utf-8') as file:
        return file.read()


def flags_of_help(*command):
    text = subprocess.run([*command, '--help'], check=True, stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r'(?m)^ +(?:-., )?(--[a-z-]+)', text))


def flags_of_page(name):
    """The flags that an OPTIONS paragraph is about."""
    options = read(name).partition('.SH OPTIONS')[2].partition('\n.SH ')[0].replace('\\-', '-')
    tagged = re.findall(r'(?m)^\.TP\n\.B[R]? (.*)$', options)
    return {flag for line in tagged for flag in re.findall(r'--[a-z-]+', line)}


def difference(page, flags):
    documented = flags_of_page(page)
    return [f'{page} lacks {flag}' for flag in sorted(flags - documented)] + [
        f'{page} has {flag}, which is no flag' for flag in sorted(documented - flags)]


def main():
    orchestrator, mobile_node, edge_server = sys.argv[1:4]
    dapo = os.path.join('..', 'deploy', 'scenarios', 'dapo.yaml')
    stale_dapo = read(dapo) != scenario_yaml.page(orchestrator)
    stale = read('handoff-scenario.5') != scenario_man.page(orchestrator)
    checks = [
        ('handoff-scenario(5) is made of the present keys',
         ['run docs/scenario_man.py ORCHESTRATOR > docs/handoff-scenario.5'] if stale else []),
        ('the shipped scenario dapo lists the present keys and defaults',
         ['run docs/scenario_yaml.py ORCHESTRATOR > deploy/scenarios/dapo.yaml'] if stale_dapo else []),
        ('handoff-orchestrator(1) has every flag',
         difference('handoff-orchestrator.1', set().union(*(flags_of_help(orchestrator, command) for command in COMMANDS)))),
        ('handoff-mobile-node(1) has every flag', difference('handoff-mobile-node.1', flags_of_help(mobile_node))),
        ('handoff-edge-server(1) has every flag', difference('handoff-edge-server.1', flags_of_help(edge_server))),
    ]
    print(f'1..{len(checks)}')
    for number, (sentence, faults) in enumerate(checks, 1):
        print(f"{'not ok' if faults else 'ok'} {number} - {sentence}")
        for fault in faults:
            print('# ' + fault)
    return 1 if any(faults for _, faults in checks) else 0


if __name__ == '__main__':
    sys.exit(main())
