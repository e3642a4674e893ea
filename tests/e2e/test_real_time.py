"""Runs in real time: activations cross whole, both clocks agree, and a machine that cannot keep up says so.

A test may not depend on how busy this machine is. What is asserted of time is one-sided (nothing is faster than it should
be), or asserted only of a run that found itself trusted; such a run is tried a few times."""
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed
import wiretap

SMALL = ('-s', 'dapo', '-n', 4, '-m', 2, '--seed', 5)


def twin(db, *arguments):
    """The comparison as JSON, of a run that kept up."""
    output, _ = testbed.call(*testbed.launch('--twin', '-q', '--json', '--db', db, *arguments), status=None)
    result = json.loads(output)
    tap.true(result['trusted'], f'the run kept up: {result}')
    return result


@tap.test
@testbed.real_time
def both_clocks_agree_on_latency_and_energy():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        result = twin(db, *SMALL, '-p', 'greedy', '-t', 3)
        tap.true(result['agrees'], f"the clocks agree: {result}")
        tap.equal(result['tasks'], 12, 'tasks')
        tap.equal({part['tasks'] for part in result['parts']}, {12}, 'every task was compared')
        tap.true(result['latency_mape_pct'] <= 3.0 and result['energy_mape_pct'] <= 2.0, 'within the promised limits')
        real = result['real_run']
        tap.equal(testbed.rows(db, f'SELECT kind, host, clock, time_scale, trusted FROM run WHERE run_id = {real}'),
                  [('twin', 'tcp', 'real', 1.0, 1)], 'the real run')
        tap.equal(testbed.one(db, f"SELECT clock || kind FROM run WHERE run_id = {result['virtual_run']}"), 'virtualtwin',
                  'its parent')


@tap.test
@testbed.real_time
def both_clocks_agree_over_a_rough_link_and_back():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        result = twin(db, *SMALL, '-p', 'static', '-t', 2, '--set', 'link.delay_s=0.05', '--set', 'link.jitter_s=0.02', '--set',
                      'link.loss=0.05', '--set', 'link.retransmit_s=0.1', '--set', 'link.result_kb=250', '--set',
                      'link.down_mbps=10')
        tap.true(result['agrees'], f"the clocks agree: {result}")
        real = result['real_run']
        down = testbed.rows(db, "SELECT device, server, duration_s, set_bps, achieved_bps FROM link_sample WHERE run_id = "
                                f"{real} AND direction = 'down'")
        tap.true(len(down) >= 8, f'{len(down)} windows of RESULTs, each 200 ms long')
        for device, server, duration_s, set_bps, achieved_bps in down:
            tap.true(device < 4 and server < 2 and duration_s > 0.019, 'a window')
            tap.true(abs(achieved_bps - set_bps) * duration_s < 0.06 * set_bps * duration_s + 24000,
                     f'{achieved_bps} of {set_bps} bit/s')
        mean_bps = sum(row[3] * row[2] for row in down) / sum(row[2] for row in down)
        # Behind a lost packet others wait, and then come at once; but on the whole:
        tap.true(mean_bps < 10.5e6, f'not above its rate: {mean_bps} bit/s')
        floor_s = testbed.one(db, f'SELECT min(transmit_s) FROM task WHERE run_id = {real} AND server IS NOT NULL')
        tap.true(floor_s >= 0.1 + 0.2, f'both delays and the RESULT: {floor_s} s')


def both_agree_on_what_is_missing(*keys):
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        result = twin(db, *SMALL, '-p', 'static', '-t', 3, *(part for key in keys for part in ('--set', key)))
        tap.true(result['agrees'], f"the clocks agree: {result}")
        pairs = testbed.rows(db, 'SELECT r.missing, v.missing FROM task r JOIN task v USING (episode, slot, device) '
                                 f"WHERE r.run_id = {result['real_run']} AND v.run_id = {result['virtual_run']}")
        tap.true(len(pairs) > 5, f'{len(pairs)} tasks')
        tap.equal([pair for pair in pairs if pair[0] != pair[1]], [], 'tasks of which another share is missing')
        tap.equal(any(pair[0] for pair in pairs), 'channel.mode=bounded' in keys, 'something is missing')


@tap.test
@testbed.real_time
def both_clocks_agree_on_bad_channels():
    both_agree_on_what_is_missing('channel.mode=bounded', 'channel.margin_db=6', 'channel.deadline_s=0.3')
    both_agree_on_what_is_missing('channel.mode=bounded', 'channel.transmissions=3', 'link.retransmit_s=0.05')
    both_agree_on_what_is_missing('channel.mode=bounded', 'run.mode=queue', 'devices.count=3')
    both_agree_on_what_is_missing('channel.harq=on', 'channel.harq_error=0.3')
    both_agree_on_what_is_missing('channel.mode=analog', 'radio.bandwidth_mhz=10')


@tap.test
@testbed.real_time
def both_clocks_agree_on_prompts_in_chunks():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        result = twin(db, *SMALL, '-p', 'static', '-t', 3, '--set', 'compute.chunks=4', '--set', 'link.delay_s=0.02')
        tap.true(result['agrees'], f"the clocks agree: {result}")
        tap.equal({part['tasks'] for part in result['parts']}, {12}, 'every task was compared')


@tap.test
@testbed.real_time
def nothing_is_faster_in_real_time_than_the_model_says():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        what = (*SMALL, '-p', 'greedy', '-e', 1, '-t', 2, '-q', '--db', db)
        testbed.call(*testbed.launch(*what, '--set', 'run.clock=real', '--set', 'run.time_scale=1.5'))
        testbed.orchestrator('run', '--over', 'memory', *what)
        pairs = testbed.rows(db, 'SELECT r.latency_s, v.latency_s, r.local_s, v.local_s, r.edge_s, v.edge_s, r.transmit_s, '
                                 'v.transmit_s, r.payload_bytes, v.payload_bytes FROM task r JOIN task v USING (episode, slot, '
                                 'device) WHERE r.run_id = 1 AND v.run_id = 2')
        tap.equal(len(pairs), 8, 'tasks of both')
        for pair in pairs:
            for real, model in zip(pair[0:8:2], pair[1:8:2]):
                tap.true(real >= model * (1 - 1e-9), f'{real} is not below {model}')
            tap.equal(pair[8], pair[9], 'bytes that crossed')


def change(db, statement):
    connection = sqlite3.connect(db)
    changed = connection.execute(statement).rowcount
    connection.commit()
    connection.close()
    tap.equal(changed, 1, f'rows changed by {statement}')


def verified(db, status=0):
    (run,) = json.loads(testbed.orchestrator('replay', '--verify', '--json', '-q', '--db', db, status=status)[0])
    return run


@tap.test
@testbed.real_time
def a_run_in_real_time_is_verified_and_its_clock_compared_with_the_model():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch(*SMALL, '-p', 'greedy', '-e', 1, '-t', 2, '-q', '--db', db, '--set', 'run.clock=real', '--set',
                                     'run.time_scale=1.5'))
        run = verified(db)
        tap.equal((run['clock'], run['tasks'], run['identical'], run['touched_by_losses']), ('real', 8, 8, 0), 'tasks')
        parts = {row['part']: row for row in run['measured_minus_modelled']}
        tap.equal(sorted(parts), ['edge_s', 'latency_s', 'local_s', 'queue_s', 'transmit_s', 'wait_s'], 'parts')
        for name, row in parts.items():
            tap.equal(row['tasks'], 8, f'tasks with {name}')
            tap.true(-1e-6 <= row['p5_s'] <= row['p50_s'] <= row['p95_s'] <= row['max_s'], f'nothing is faster: {row}')
        # What was measured may be anything; what was decided, met and sent may not.
        change(db, 'UPDATE task SET latency_s = latency_s + 1000, cost = 77, deadline_missed = 1 WHERE slot = 1 AND device = 2')
        worst = {row['part']: row for row in verified(db)['measured_minus_modelled']}['latency_s']['max_s']
        tap.true(1000 <= worst < 1100, f'the worst latency is now {worst} s late')
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db)
        tap.contains(output, '8 of 8 tasks identical', 'measured minus modelled', 'latency_s', 'payload sizes')
        for column, value in (('x_m', 'x_m + 0.001'), ('tokens', 'tokens + 1'), ('payload_bytes', 'payload_bytes + 1')):
            copy = os.path.join(folder, f'{column}.db')
            shutil.copy(db, copy)
            change(copy, f'UPDATE task SET {column} = {value} WHERE slot = 1 AND device = 2')
            run = verified(copy, status=5)
            tap.equal(run['identical'], 7, f'identical tasks with another {column}')
            tap.contains(run['first_difference'], column, 'slot 1', 'device 2')
        _, errors = testbed.orchestrator('replay', '--verify', '-q', '--over', 'tcp', '--db', db, status=2)
        tap.contains(errors, 'in real time', '--over memory')


@tap.test
def what_replay_prints_of_a_clock_are_the_numbers_of_its_json_in_milliseconds():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch(*SMALL, '-p', 'greedy', '-e', 1, '-t', 2, '-q', '--db', db, '--set', 'run.clock=real'))
        output, _ = testbed.orchestrator('replay', '--verify', '-q', '--db', db)
        rows = [row for row in verified(db)['measured_minus_modelled'] if row['tasks'] > 0]
        tap.true(len(rows) >= 4, f'parts: {rows}')
        for row in rows:
            (line,) = [line for line in output.split('\n') if line.strip().startswith(row['part'])]
            numbers = [f'{1e3 * row[name]:.3f}' for name in ('mean_s', 'p5_s', 'p50_s', 'p95_s', 'max_s')]
            tap.equal(line.split(), [row['part'], str(row['tasks']), *numbers], 'a line of the table')


@tap.test
def the_runs_of_a_twin_are_verified_each_in_its_clock():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch('--twin', '-q', '--db', db, *SMALL, '-p', 'local', '-t', 1), status=None)
        runs = json.loads(testbed.orchestrator('replay', '--verify', '--json', '-q', '--db', db)[0])
        tap.equal([(run['kind'], run['clock'], run['identical']) for run in runs], [('twin', 'virtual', 4), ('twin', 'real', 4)],
                  'runs')


@tap.test
@testbed.real_time
def links_and_loops_are_sampled():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.call(*testbed.launch(*SMALL, '-p', 'static', '-e', 1, '-t', 2, '-q', '--db', db, '--set', 'run.clock=real',
                                     '--set', 'fixed.split=1', '--set', 'radio.bandwidth_mhz=2'))
        windows = testbed.rows(db, 'SELECT device, server, direction, start_s, duration_s, set_bps, achieved_bps FROM link_sample')
        tap.true(len(windows) > 8, f'{len(windows)} windows')
        for device, server, direction, start_s, duration_s, set_bps, achieved_bps in windows:
            tap.true(device < 4 and server < 2 and direction == 'up' and start_s >= 0 and duration_s > 0.019, 'a window')
            tap.true(0 < achieved_bps and set_bps > 0, 'a rate')
        roles = {role for (role,) in testbed.rows(db, 'SELECT DISTINCT role FROM process_sample')}
        tap.equal(roles, {'device', 'server', 'orchestrator'}, 'whose loops were sampled')


def limits():
    """The verdict's limits, from core/model/audit.h."""
    with open(os.path.join(testbed.SOURCE_ROOT, 'core', 'model', 'audit.h'), encoding='utf-8') as header:
        return {name: float(value) for name, value in re.findall(r'#define AUDIT_(\w+) ([0-9.]+)\n', header.read())}


def judged_samples(db, run):
    """Of links and of loops: each sample's weight, and whether it is off."""
    limit = limits()
    links = []
    for duration_s, set_bps, achieved_bps in testbed.rows(
            db, f'SELECT duration_s, set_bps, achieved_bps FROM link_sample WHERE run_id = {run}'):
        bits, off = set_bps * duration_s, abs(achieved_bps - set_bps) * duration_s
        links.append((bits, off > limit['LINK_TOLERANCE'] * bits and off > limit['PACKET_BITS']))
    loops = [(duration_s, lag_max_s > limit['LATE_S']) for duration_s, lag_max_s in testbed.rows(
        db, f'SELECT duration_s, lag_max_s FROM process_sample WHERE run_id = {run}')]
    return links, loops


def share(samples):
    """Of all weights, that of the samples that are off."""
    return sum(weight for weight, off in samples if off) / max(sum(weight for weight, _ in samples), 1e-300)


@tap.test
def a_run_is_trusted_exactly_if_its_own_samples_say_so():
    """The verdict made again from what was recorded: true on every machine, however busy."""
    limit = limits()
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        # The last one is usually over before anything is sampled: then there is nothing to distrust.
        for policy, slots, scale in (('static', 2, 1), ('static', 2, 8), ('local', 1, 25)):
            output, errors = testbed.call(*testbed.launch('--twin', '--json', *SMALL, '-p', policy, '-t', slots, '-q', '--db', db,
                                                          '--time-scale', scale, '--set', 'radio.bandwidth_mhz=1'), status=None)
            tap.true(output.startswith('{'), f'{output}{errors}')
            result = json.loads(output)
            run = result['real_run']
            reason = testbed.one(db, f'SELECT untrusted_reason FROM run WHERE run_id = {run}')
            tap.equal(testbed.one(db, f'SELECT trusted FROM run WHERE run_id = {run}'), result['trusted'], 'what is recorded')
            links, loops = judged_samples(db, run)
            tap.true(scale > 1 or (links and loops), 'samples of both kinds')
            kept_up = share(links) <= limit['LINK_SHARE'] and share(loops) <= limit['LATE_SHARE']
            tap.equal(result['trusted'], kept_up, f'run {run}: {share(links):.4f} of bits off, {share(loops):.4f} of the time late')
            tap.equal(reason is None, kept_up, f'why run {run} is not trusted: {reason}')


def twin_in_any_case(db, *arguments):
    """(exit status, output): how far the clocks are apart depends on the machine."""
    ended = subprocess.run(testbed.launch('--twin', '-q', '--db', db, *SMALL, '-p', 'static', '-t', 2, *arguments), text=True,
                           capture_output=True, timeout=testbed.DEADLINE_S, check=False)
    tap.true(ended.returncode in (0, 5), f'{ended.stdout}{ended.stderr}')
    return ended.returncode, ended.stdout


def verdict_in_words(text):
    """What the sentences say, by the names of the JSON."""
    virtual, real = re.search(r'runs (\d+) \(virtual\) and (\d+) \(real', text).groups()
    latency, energy = re.search(r'latency differs by ([\d.]+) % \(at most 3 %\), energy by ([\d.]+) % \(at most 2 %\): ',
                                text).groups()
    off = re.search(r'the clocks do not agree; (\w+) is off', text)
    tap.true(off or 'the clocks agree' in text, text)
    return {'virtual_run': int(virtual), 'real_run': int(real), 'latency_mape_pct': float(latency),
            'energy_mape_pct': float(energy), 'agrees': off is None, 'part_off': off[1] if off else None}


def check_verdict(db, status, said):
    run = said['real_run']
    tap.equal(testbed.one(db, 'SELECT parent_run_id FROM run WHERE run_id = ?', run), said['virtual_run'], 'its parent')
    parts = {part: (mape, off) for part, mape, off in testbed.rows(
        db, 'SELECT part, mape_pct, off_pct FROM twin_comparison WHERE run_id = ?', run)}
    mape = {'latency': parts['latency_s'][0], 'energy': parts['energy_j'][0]}
    for name, value in mape.items():
        told = said[name + '_mape_pct']
        tap.true(abs(told - value) <= 0.0051, f'{name} differs by {told} % as is said, by {value} % in the file')
    late, costly = mape['latency'] > 3.0, mape['energy'] > 2.0
    tap.equal((said['agrees'], status), (False, 5) if late or costly else (True, 0), f'whether the clocks agree: {mape}')
    if late or costly:
        scenario = testbed.one(db, 'SELECT scenario FROM run WHERE run_id = ?', run)
        apart = () if float(re.search(r'server_energy: (\S+)', scenario)[1]) > 0 else ('server_j',)
        worst = max(off for part, (_, off) in parts.items()
                    if part.endswith('_s' if late else '_j') and part not in ('latency_s', 'energy_j', *apart))
        tap.equal(parts[said['part_off']][1], worst, f"{said['part_off']} is what lies furthest apart")


@tap.test
def a_twins_verdict_follows_from_its_parts():
    """On a machine that keeps time the clocks agree, 25 times as fast they do not. Whatever they do, words, JSON and the exit
    status say what the file says."""
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        for scale in (1, 25):
            how = ('--time-scale', scale, '--set', 'radio.bandwidth_mhz=1')
            status, text = twin_in_any_case(db, *how)
            check_verdict(db, status, verdict_in_words(text))
            status, output = twin_in_any_case(db, *how, '--json')
            result = json.loads(output)
            check_verdict(db, status, result)
            tap.equal([tuple(part[name] for name in ('part', 'tasks', 'virtual_mean', 'real_mean', 'mape_pct', 'off_pct'))
                       for part in result['parts']],
                      testbed.rows(db, 'SELECT part, tasks, virtual_mean, real_mean, mape_pct, off_pct FROM twin_comparison '
                                   'WHERE run_id = ?', result['real_run']), 'parts')


@tap.test
def nodes_that_are_ready_may_beat_while_others_are_still_joining():
    beats = {'count': 0}
    lively = threading.Event()

    def on_first(message):
        beats['count'] += message == wiretap.BEAT
        if beats['count'] == 2:
            lively.set()

    def on_second(message):  # its READY comes when the other has beaten twice
        return message != wiretap.READY or lively.wait(timeout=30)

    with testbed.scratch() as folder:
        program = testbed.start_orchestrator('-s', 'dapo', '-n', 2, '-m', 1, '-p', 'local', '-e', 1, '-t', 1, '--db',
                                             os.path.join(folder, 'x.db'), '--set', 'run.clock=real')
        port = program.port()
        taps = [wiretap.Wiretap(port, hook) for hook in (on_first, on_second)]
        nodes = [testbed.start_server(port)] + [testbed.start_device(line.port) for line in taps]
        tap.equal(program.wait(), 0, program.text())
        tap.true(lively.is_set(), 'the first device was ready for long enough')
        for node in nodes:
            tap.equal(node.wait(), 0, node.text())


@tap.test
def a_learner_without_a_run_and_a_run_with_a_scenario_are_refused():
    for arguments, part in ((('-s', 'dapo-quick'), 'trained first'), (('--run', 1, '-s', 'dapo'), 'go with --run'),
                            (('-p', 'greedy', '--time-scale', 'fast'), 'run.time_scale'),
                            (('-p', 'greedy', '--time-scale', '3'), 'fits')):
        _, errors = testbed.orchestrator('twin', '-q', *arguments, status=2)
        tap.contains(errors, part)


tap.main()
