"""Many nodes on one machine, small enough for the ordinary suite; the table to 5,000 is made by tests/bench/orchestrator/bench_scale.py.

Every program is started with a soft limit of 64 open files, and raises it by itself where it needs more."""
import json
import os
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

FILES = 64
SLOTS = 20


def run(devices, servers, count):
    """Through deploy/launch, which inherits the limit and hands it on."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        output, errors = testbed.call(*testbed.launch('-s', 'dapo', '-n', devices, '-m', servers, '--count', count, '-p', 'greedy', '-e', 1,
                                                      '-t', SLOTS, '--json', '-q', '-d', db),
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, limit[1])))
        tap.equal(errors, '', 'what was said')
        result = json.loads(output)[0]
        tap.equal((result['slots'], result['tasks'], result['failures']), (SLOTS, SLOTS * devices, 0), 'slots, tasks, failures')
        tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE status = 'done'"), SLOTS * devices, 'tasks done')


@tap.test
def sixty_device_processes_and_ten_servers_play_an_episode():
    run(60, 10, 1)


@tap.test
def a_thousand_devices_in_ten_processes_play_an_episode():
    run(1000, 20, 100)


tap.main()
