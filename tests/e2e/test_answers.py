#!/usr/bin/env python3
"""Answers of real layers: what a run records of them, and that they are the same when they are computed again."""
import json
import os
import sqlite3
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import small_llama
import tap
import testbed

DEVICES, SLOTS = 3, 4
TASKS = DEVICES * SLOTS
TEXT = 'the quick brown fox jumps over a lazy dog, and '


def model(folder, name='model.bin', seed=1):
    path = os.path.join(folder, name)
    small_llama.write(path, os.path.join(folder, 'tokenizer.bin'), seed)
    return path


def keys(folder, *more):
    text = os.path.join(folder, 'text.txt')
    with open(text, 'w', encoding='utf-8') as file:
        file.write(TEXT * 20)
    settings = ('compute.kind=model', f'model.file={model(folder)}', f'compute.text={text}', 'task.tokens=20', *more)
    return [word for setting in settings for word in ('--set', setting)]


def play(folder, *more, record='answers', slots=SLOTS):
    """A run in memory. Its file."""
    db = os.path.join(folder, 'x.db')
    testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-n', DEVICES, '-m', 2, '-e', 1, '-t', slots,
                         '-p', 'random', '--record', record, '--db', db, *keys(folder, *more))
    return db


def play_over_tcp(folder, *more, slots=SLOTS):
    db = os.path.join(folder, 'tcp.db')
    orchestrator = testbed.start_orchestrator('-s', 'dapo-quick', '-n', DEVICES, '-m', 2, '-e', 1, '-t', slots, '-p', 'random',
                                              '--record', 'answers', '--db', db, *keys(folder, *more))
    port = orchestrator.port()
    nodes = [testbed.start_server(port), testbed.start_server(port), testbed.start_device(port),
             testbed.start_device(port, '--count', str(DEVICES - 1))]
    for program in (orchestrator, *nodes):
        tap.equal(program.wait(), 0, program.text())
    return db


def by_hand(db, statement):
    connection = sqlite3.connect(db)
    connection.execute(statement)
    connection.commit()
    connection.close()


def verified(db, *words, status=0):
    """What is said of run 1, and what went to standard error."""
    output, errors = testbed.orchestrator('replay', '--verify', '-q', '--run', 1, '--db', db, *words, status=status)
    return output, errors


@tap.test
def every_answer_is_recorded_and_the_same_when_it_is_computed_again():
    for more in ((), ('run.mode=queue',), ('compute.head=device', 'compute.format=int8'), ('compute.format=q4', 'run.mode=queue')):
        with testbed.scratch() as folder:
            db = play(folder, *more)
            testbed.check_database(db)
            tap.equal(testbed.one(db, 'SELECT count(*) FROM task JOIN answer USING (run_id, episode, slot, device)'), TASKS, 'answers')
            tap.equal(testbed.one(db, 'SELECT count(*) FROM answer WHERE length(answer) = 4 AND tokens = 1'), TASKS, 'of one token')
            apart = 'task JOIN answer USING (run_id, episode, slot, device) WHERE split < 3'
            tap.true(testbed.one(db, f'SELECT count(*) FROM {apart}') > 0, 'no task was split')
            tap.equal(testbed.one(db, f'SELECT count(*) FROM {apart} AND (server_layer_s IS NULL OR activation_bytes = 0)'), 0, 'without')
            output, _ = verified(db)
            tap.contains(output, f'{TASKS} of {TASKS} tasks identical', f'{TASKS} of {TASKS} answers identical')


@tap.test
def a_changed_token_is_named():
    with testbed.scratch() as folder:
        db = play(folder)
        token, = struct.unpack('<I', testbed.one(db, 'SELECT answer FROM answer WHERE slot = 2 AND device = 1'))
        by_hand(db, "UPDATE answer SET answer = x'03000000' WHERE slot = 2 AND device = 1")
        output, _ = verified(db, status=5)
        tap.contains(output, f'{TASKS} of {TASKS} tasks identical', f'{TASKS - 1} of {TASKS} answers identical',
                     f'episode 0, slot 2, device 1: token 0 of the answer was recorded as 3 and is {token}')
        output, _ = verified(db, '--json', status=5)
        tap.equal(json.loads(output)[0]['answers']['different'], 1, 'different answers')
        by_hand(db, 'DELETE FROM answer WHERE slot = 2 AND device = 1')
        output, _ = verified(db, status=5)
        tap.contains(output, 'slot 2, device 1: the task was finished, and no answer was recorded')


@tap.test
def where_their_number_alone_was_kept_it_is_compared():
    with testbed.scratch() as folder:
        db = play(folder, record='tasks')
        tap.equal(testbed.one(db, 'SELECT count(*) FROM answer WHERE answer IS NULL AND tokens = 1'), TASKS, 'without tokens')
        output, _ = verified(db)
        tap.contains(output, f'{TASKS} of {TASKS} answers identical, {TASKS} of them compared by their number of tokens alone')
        by_hand(db, 'UPDATE answer SET tokens = 2 WHERE slot = 1 AND device = 0')
        output, _ = verified(db, status=5)
        tap.contains(output, 'slot 1, device 0: the answer was recorded with 2 tokens and has 1')


@tap.test
def without_the_runs_model_the_rows_are_compared_and_it_is_named():
    with testbed.scratch() as folder:
        db = play(folder)
        moved = os.path.join(folder, 'moved.bin')
        os.rename(os.path.join(folder, 'model.bin'), moved)
        output, errors = verified(db, status=2)
        tap.contains(output, f'{TASKS} of {TASKS} tasks identical')
        tap.contains(errors, 'model.bin: No such file or directory; --model names the run\'s model where it lies now')
        output, _ = verified(db, '--model', moved)
        tap.contains(output, f'{TASKS} of {TASKS} answers identical')
        _, errors = verified(db, '--model', model(folder, 'other.bin', seed=2), status=2)
        tap.contains(errors, 'other.bin: its SHA-256 is', 'it is another model')


@tap.test
def answers_are_shown_as_text_and_without_the_model_as_ids():
    with testbed.scratch() as folder:
        db = play(folder)
        output, _ = testbed.orchestrator('show', 'answers', '--run', 1, '--json', '--db', db)
        shown = json.loads(output)
        tap.equal(len(shown), TASKS, 'answers shown')
        looped = TEXT * 3
        for row in shown:
            tap.true(row['prompt_end'] in looped, f'{row["prompt_end"]!r} is no part of the text')
            tap.equal(len(row['ids']), 1, 'tokens')
            tap.equal(row['seconds']['first_token_s'], row['seconds']['latency_s'], 'first token')
        output, _ = testbed.orchestrator('show', 'answers', '--run', 1, '--limit', 2, '--db', db)
        tap.equal(output.count('  answer  '), 2, 'answers')
        tap.contains(output, f'prompt  {shown[0]["prompt_end"]}', 'seconds ', 'ms a layer', 'and more')
        os.remove(os.path.join(folder, 'model.bin'))
        output, errors = testbed.orchestrator('show', 'answers', '--run', 1, '--db', db)
        tap.contains(errors, 'token ids are shown in place of text')
        tap.contains(output, f'answer  {shown[0]["ids"][0]}\n')
        output, _ = testbed.orchestrator('show', 'answers', '--run', 1, '--json', '--db', db)
        tap.equal([row['text'] for row in json.loads(output)], [None] * TASKS, 'texts')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-e', 1, '-t', 1, '-p', 'local', '--db', db)
        _, errors = testbed.orchestrator('show', 'answers', '--run', 2, '--db', db, status=2)
        tap.contains(errors, 'run 2 has no answers', 'emulated')
        _, errors = testbed.orchestrator('show', 'answers', '--limit', 0, '--db', db, status=2)
        tap.contains(errors, '--limit')


@tap.test
def answers_are_exported_and_an_emulated_run_has_none():
    with testbed.scratch() as folder:
        db = play(folder)
        output, _ = testbed.orchestrator('export', 'answers', '--run', 1, '--db', db)
        lines = output.splitlines()
        tap.equal(lines[0], 'run_id,episode,slot,device,tokens,answer,first_token_s,device_layer_s,server_layer_s,'
                  'activation_bytes,overridden,prompt', 'columns')
        tap.equal(len(lines), 1 + TASKS, 'lines')
        tap.equal(bytes.fromhex(lines[1].split(',')[5]), testbed.one(db, 'SELECT answer FROM answer LIMIT 1'), 'first answer')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-e', 1, '-t', 1, '-p', 'local', '--record',
                             'answers', '--db', db)
        tap.equal(testbed.one(db, 'SELECT count(*) FROM answer WHERE run_id = 2'), 0, 'answers of an emulated run')
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--run', 2, '--db', db)
        tap.true('answers' not in output, output)


@tap.test
def answers_over_tcp_are_those_of_one_process():
    with testbed.scratch() as folder:
        memory, db = play(folder), play_over_tcp(folder)
        query = 'SELECT episode, slot, device, tokens, answer, activation_bytes FROM answer ORDER BY 1, 2, 3'
        tap.equal(testbed.rows(db, query), testbed.rows(memory, query), 'answers')
        output, _ = verified(db)
        tap.contains(output, f'{TASKS} of {TASKS} answers identical')


BROKEN = 'faults.script=slot 3 kill server 1; slot 9 rejoin server 1; slot 15 kill server 0; slot 18 rejoin server 0'
CODED = (('compute.format=fp32', 'compute.head=device', BROKEN, 'faults.recovery=local'),
         ('compute.format=topk', 'compute.kept=9', 'compute.chunks=3', BROKEN, 'faults.recovery=reoffload'),
         ('compute.format=int8', 'channel.mode=bounded', 'action.margins_db=0 3', 'compute.nll=on', BROKEN,
          'faults.recovery=local'),
         ('channel.mode=bits', 'channel.protected_bits=2', 'run.mode=queue', 'compute.nll=on', BROKEN,
          'faults.recovery=reoffload'),
         ('channel.mode=erasure', 'compute.nll=on'))


@tap.test
def formats_chosen_task_by_task_give_the_same_answers_over_tcp_and_again():
    # In memory a task whose server was lost counts what it would have sent.
    told = ("SELECT episode, slot, device, answer, CASE status WHEN 'done' THEN activation_bytes END, coding, element_bits, "
            'missing, nll, nll_tokens FROM answer JOIN task USING (run_id, episode, slot, device) ORDER BY 1, 2, 3')
    for more in CODED:
        with testbed.scratch() as folder:
            more = ('action.formats=fp16 int8 q4', 'servers.coverage_m=2000', *more)
            memory, db = play(folder, *more, slots=24), play_over_tcp(folder, *more, slots=24)
            tap.equal(testbed.rows(db, told), testbed.rows(memory, told), f'{more}: what was answered')
            output, _ = verified(db)
            answered = testbed.one(db, 'SELECT count(*) FROM answer')
            tap.contains(output, f'{answered} of {answered} answers identical')
            tap.true(answered > 50, f'{more}: {answered} answers')
            chosen = testbed.one(db, 'SELECT count(DISTINCT coding) FROM task WHERE server IS NOT NULL AND split > 0')
            tap.equal(chosen, 7 if 'action.margins_db=0 3' in more else 4, f'{more}: codings')
            if 'compute.chunks=3' not in more and 'compute.head=device' not in more:
                continue
            sizes = testbed.rows(db, 'SELECT DISTINCT coding, activation_bytes FROM answer JOIN task USING (run_id, episode, slot, '
                                     "device) WHERE split > 0 AND server IS NOT NULL AND status = 'done' ORDER BY 1")
            tap.equal(len(sizes), 4, f'{more}: bytes that cross, by coding: {sizes}')
            tap.equal(len({size for _, size in sizes}), 4, f'{more}: {sizes}')


@testbed.real_time
def play_coded_in_real_time():
    for mode in ('round', 'queue'):
        with testbed.scratch() as folder:
            more = ('action.formats=fp16 int8 q4', 'channel.mode=erasure', 'compute.nll=on', 'servers.coverage_m=2000',
                    'objective.deadline_s=0.2', 'run.slot_s=0.2', f'run.mode={mode}')
            memory, db = play(folder, *more, slots=12), play_over_tcp(folder, *more, 'run.clock=real', slots=12)
            told = ('SELECT episode, slot, device, answer, activation_bytes, coding, nll FROM answer '
                    "JOIN task USING (run_id, episode, slot, device) WHERE status = 'done' ORDER BY 1, 2, 3")
            wanted = {row[:3]: row for row in testbed.rows(memory, told)}
            got = testbed.rows(db, told)
            tap.equal(got, [wanted[row[:3]] for row in got], f'{mode}: answers')
            tap.true(len(got) > 20 and len({row[5] for row in got}) == 4, f'{mode}: {len(got)} answers')


@tap.test
def formats_chosen_task_by_task_give_the_same_answers_in_real_time():
    play_coded_in_real_time()


tap.main()
