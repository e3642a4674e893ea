#!/usr/bin/env python3
"""Our paced link beside the kernel's: iperf3 through a token bucket filter between two network namespaces, and the same
seconds of bytes through our own link, at five rates; both errors side by side.

bench_tbf.py BENCH_PACED [SECONDS]

Needs root, iproute2 and iperf3; without them it says so and ends with 0. The filter counts whole frames (1,514 bytes for 1,448 of
payload), so iperf3's goodput is compared with that share of the rate."""
import json
import os
import shutil
import subprocess
import sys

RATES = (1, 5, 20, 100, 500)  # Mbit/s
PAYLOAD_SHARE = 1448 / 1514
NAMES = (f'handoff-a{os.getpid()}', f'handoff-b{os.getpid()}')
LINKS = (f'ha{os.getpid()}', f'hb{os.getpid()}')
ADDRESSES = ('10.77.0.1', '10.77.0.2')


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout


def inside(name, *command):
    return ('ip', 'netns', 'exec', name, *command)


def build():
    for name in NAMES:
        run('ip', 'netns', 'add', name)
    run('ip', 'link', 'add', LINKS[0], 'netns', NAMES[0], 'type', 'veth', 'peer', 'name', LINKS[1], 'netns', NAMES[1])
    for name, link, address in zip(NAMES, LINKS, ADDRESSES):
        run(*inside(name, 'ip', 'address', 'add', address + '/24', 'dev', link))
        run(*inside(name, 'ip', 'link', 'set', link, 'up'))


def tear_down():
    for name in NAMES:
        subprocess.run(('ip', 'netns', 'delete', name), stderr=subprocess.DEVNULL)


def kernel_error_pct(mbps, seconds):
    burst = max(3028, int(mbps * 1e6 / 8 * 0.004))  # tc-tbf(8): no less than a timer interrupt's worth
    run(*inside(NAMES[0], 'tc', 'qdisc', 'replace', 'dev', LINKS[0], 'root', 'tbf', 'rate', f'{mbps}mbit', 'burst', str(burst),
                'latency', '50ms'))
    server = subprocess.Popen(inside(NAMES[1], 'iperf3', '--server', '--one-off', '--forceflush'), stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    server.stdout.readline()  # "Server listening"
    report = json.loads(run(*inside(NAMES[0], 'iperf3', '--client', ADDRESSES[1], '--time', str(seconds), '--omit', '1', '--json')))
    server.communicate()
    achieved = report['end']['sum_received']['bits_per_second']
    return 100 * (achieved / (mbps * 1e6 * PAYLOAD_SHARE) - 1)


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    missing = [tool for tool in ('ip', 'tc', 'iperf3') if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        print('skipped: needs root' if os.geteuid() != 0 else f"skipped: {', '.join(missing)} is not installed")
        return
    try:
        build()
        print("| Mbit/s | kernel's tbf, iperf3: error | our link: error |\n|---|---|---|")
        for mbps in RATES:
            ours = float(run(sys.argv[1], str(mbps), str(seconds)))
            print(f'| {mbps} | {kernel_error_pct(mbps, seconds):+.2f} % | {ours:+.3f} % |', flush=True)
    except subprocess.CalledProcessError as error:
        print(f"skipped: {' '.join(error.cmd)}: {error.stderr.strip() or error.stdout.strip()}")
    finally:
        tear_down()


if __name__ == '__main__':
    main()
