"""Guests: a phone that joins a run in real time with a prompt of its own, and prints what the model answers to it."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

HOUSE = os.path.join(testbed.SOURCE_ROOT, 'deploy', 'models', 'house')
PROMPT = 'My fellow Americans, '
LAYERS = 12
# So many slots that no guest outlives them: a test stops the run. Three phones, the last of which is a guest.
WORLD = ('-s', 'house', '--set', 'devices.count=3', '--set', 'devices.guests=1', '--set', 'servers.count=2', '--set',
         'task.tokens=8', '--set', f'model.file={HOUSE}', '--set',
         f'compute.text={HOUSE}/evaluation/sotu.txt', '--set', 'run.slots=20000', '--set', 'servers.coverage_m=5000',
         '--set', 'run.time_scale=0.25')


class Run:
    """A run that goes on, and its nodes."""

    def __init__(self, db, *arguments):
        self.orchestrator = testbed.start_orchestrator('--db', db, '--listen', '127.0.0.1:0', *WORLD, *arguments)
        self.port = self.orchestrator.port()
        self.nodes = [testbed.start_server(self.port) for _ in range(2)] + [testbed.start_device(self.port) for _ in range(2)]

    def guest(self, *arguments):
        return testbed.start_device(self.port, *arguments)

    def stop(self):
        """Ends the run after its slot."""
        self.orchestrator.kill(testbed.signal.SIGINT)
        status = self.orchestrator.wait()
        for node in self.nodes:
            node.wait()
        return status


def generated(tokens, *arguments):
    output, _ = testbed.orchestrator('generate', '--model', HOUSE, '--prompt', PROMPT, '--tokens', tokens, '-q', *arguments)
    return output


def guest_rows(db, what):
    return testbed.rows(db, f'SELECT {what} FROM task t JOIN answer a USING (run_id, episode, slot, device) WHERE device = 2 '
                            'ORDER BY episode, slot')


@tap.test
@testbed.real_time
def a_guest_prints_what_generate_prints_and_leaves_and_another_takes_its_place():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        run = Run(db)
        first = run.guest('--prompt', PROMPT, '--answer', '6', '--split', str(LAYERS))
        tap.equal(first.wait(), 0, f'the first guest: {first.text()}')
        tap.equal(''.join(first.output), generated(6), 'its answer, all of it computed here')
        second = run.guest('--prompt', PROMPT, '--answer', '4', '--split', '3', '--json')
        tap.equal(second.wait(), 0, f'the second guest: {second.text()}')
        lines = [json.loads(line) for line in second.output]
        expected = json.loads(generated(4, '--json', '--split', 3, '--activation', 'fp16'))
        tap.equal([line['token'] for line in lines], expected['tokens'], 'its tokens')
        tap.equal(''.join(line['text'] for line in lines), expected['text'], 'their text')
        tap.equal({(line['split'], line['overridden']) for line in lines}, {(3, True)}, 'its own split')
        tap.true(all(line['server'] in (0, 1) and line['server_compute_s'] > 0 for line in lines), 'a server did the rest')
        run.stop()
        prompt = expected['prompt_tokens']
        tap.equal(guest_rows(db, 't.tokens, length(prompt) / 4, split, overridden, status'),
                  [(prompt + i, prompt + i, LAYERS, 1, 'done') for i in range(6)] +
                  [(prompt + i, prompt + i, 3, 1, 'done') for i in range(4)], 'rows')
        events = [row[0] for row in testbed.rows(db, "SELECT kind FROM event WHERE role = 'device' ORDER BY event_id")]
        tap.equal(events, ['rejoin', 'node_lost'] * 2, 'they came and went')
        output, _ = testbed.orchestrator('replay', '--verify', '--db', db, '--json', '-q')
        result = json.loads(output)[0]
        tap.equal((result['different'], result['answers']['different'], result['answers']['unknown']), (0, 0, 0), 'verified')
        tap.equal(result['answers']['compared'], testbed.one(db, 'SELECT count(*) FROM answer'), 'with their prompts')


@tap.test
@testbed.real_time
def in_queueing_mode_a_guest_waits_for_its_token_before_it_asks_for_the_next():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        run = Run(db, '-p', 'priced', '--set', 'run.mode=queue', '--set', 'run.slot_s=0.05')
        guest = run.guest('--prompt', PROMPT, '--answer', '5', '--split', '3')
        tap.equal(guest.wait(), 0, f'the guest: {guest.text()}')
        tap.equal(''.join(guest.output), generated(5, '--split', 3, '--activation', 'fp16'), 'its answer')
        run.stop()
        first = guest_rows(db, 't.tokens')[0][0]
        tap.equal(guest_rows(db, 't.tokens, length(prompt) / 4, overridden'), [(first + i, first + i, 1) for i in range(5)],
                  'one task a token')
        output, _ = testbed.orchestrator('replay', '--verify', '--db', db, '--json', '-q')
        result = json.loads(output)[0]
        tap.equal((result['different'], result['answers']['different'], result['answers']['unknown']), (0, 0, 0), 'verified')


@tap.test
@testbed.real_time
def a_guest_without_a_place_is_refused_and_one_that_is_killed_leaves_its_place():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        run = Run(db)
        long = run.guest('--prompt', PROMPT, '--answer', '100000', '--json')
        testbed.until(lambda: len(long.output) >= 2, 'two tokens')
        refused = run.guest('--prompt', PROMPT)
        tap.equal(refused.wait(), 4, 'refused')
        tap.contains(refused.text(), 'all 1 places for guests are taken')
        long.kill()
        long.wait()
        testbed.until(lambda: 'lost' in ''.join(run.orchestrator.errors), 'its loss')
        after = run.guest('--prompt', PROMPT, '--answer', '2')
        tap.equal(after.wait(), 0, f'the next one: {after.text()}')
        tap.equal(run.stop(), 130, 'the run went on until it was stopped')
        tap.equal(testbed.one(db, "SELECT count(*) FROM event WHERE kind = 'node_lost'"), 2, 'both left, one of them in order')
        tap.equal(testbed.one(db, "SELECT count(*) FROM task WHERE device < 2 AND status <> 'done'"), 0, 'nobody else lost a task')


@tap.test
@testbed.real_time
def a_guest_whose_run_ends_first_says_so():
    with testbed.scratch() as folder:
        run = Run(os.path.join(folder, 'x.db'))
        guest = run.guest('--prompt', PROMPT, '--answer', '100000')
        testbed.until(lambda: 'here again' in ''.join(run.orchestrator.errors), 'the guest is there')
        run.stop()
        tap.equal(guest.wait(), 1, 'its status')
        tap.contains(guest.text(), 'of 100000 tokens of the answer')


@tap.test
def flags_of_a_guest_go_with_its_prompt():
    for flags, said in ((('--answer', '5'), '--answer goes with --prompt'), (('--split', '5'), '--split goes with --prompt'),
                        (('--json',), '--json goes with --prompt'),
                        (('--prompt', 'x', '--count', '2'), 'a guest is one device'),
                        (('--prompt', 'x', '--split', '1001'), 'from 0 to 1000'),
                        (('--prompt', 'x', '--answer', '0'), 'from 1 to')):
        _, errors = testbed.call(testbed.MOBILE_NODE, '--orchestrator', '127.0.0.1:1', *flags, status=2)
        tap.contains(errors, said)


tap.main()
