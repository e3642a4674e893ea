"""Bad files and bad names: one clear line, a documented status, nothing lost."""
import os
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

# A scenario's text, and what the message must hold.
BAD_SCENARIOS = {
    'unknown key': ('radio:\n  bandwith_mhz: 10\n', ['bad.yaml:2', 'radio.bandwith_mhz', 'bandwidth_mhz']),
    'unknown section': ('radios:\n  bandwidth_mhz: 10\n', ['bad.yaml:1', 'radios']),
    'duplicate key': ('run:\n  slots: 5\n  slots: 6\n', ['bad.yaml:3', 'slots']),
    'out of range': ('radio:\n  bandwidth_mhz: -1\n', ['bad.yaml:2', 'radio.bandwidth_mhz', '-1', 'MHz', ' to ']),
    'zero slots': ('run:\n  slots: 0\n', ['bad.yaml:2', 'run.slots', '1 to 1000000']),
    'no number': ('run:\n  slots: many\n', ['bad.yaml:2', 'run.slots', 'many']),
    'trailing letters': ('radio:\n  bandwidth_mhz: 1.2abc\n', ['bad.yaml:2', '1.2abc']),
    'not a number': ('radio:\n  bandwidth_mhz: nan\n', ['bad.yaml:2', 'nan']),
    'too large a number': ('radio:\n  bandwidth_mhz: 1e999\n', ['bad.yaml:2', '1e999']),
    'octal': ('run:\n  slots: 010\n', ['bad.yaml:2', '010']),
    'unknown choice': ('radio:\n  fading: foggy\n', ['bad.yaml:2', 'radio.fading', 'foggy', 'rayleigh']),
    'a list for a number': ('run:\n  slots: [1, 2]\n', ['bad.yaml:2', 'slots']),
    'no YAML': ('run: {slots: 5\n', ['bad.yaml:']),
    'empty': ('', ['bad.yaml', 'empty']),
    'two documents': ('run:\n  slots: 5\n---\nrun:\n  slots: 6\n', ['bad.yaml']),
    'a bandwidth of zero': ('radio:\n  bandwidth_mhz: 0\n', ['bad.yaml:2', 'radio.bandwidth_mhz', '1e-06 to 1e+06 MHz']),
    'an infinite bandwidth': ('radio:\n  bandwidth_mhz: inf\n', ['bad.yaml:2', 'radio.bandwidth_mhz', 'inf']),
    'no power to send with': ('devices:\n  transmit_power_w: 0\n', ['bad.yaml:2', 'devices.transmit_power_w']),
    'a negative downlink': ('link:\n  down_mbps: -5\n', ['bad.yaml:2', 'link.down_mbps', '-5', '0 to 1e+06 Mbit/s']),
    'an infinite downlink': ('link:\n  down_mbps: inf\n', ['bad.yaml:2', 'link.down_mbps', 'inf']),
    'a downlink that is no number': ('link:\n  down_mbps: nan\n', ['bad.yaml:2', 'link.down_mbps', 'nan']),
    'a certain loss': ('link:\n  loss: 1\n', ['bad.yaml:2', 'link.loss', '0 to 0.9']),
    'a negative delay': ('link:\n  delay_s: -0.01\n', ['bad.yaml:2', 'link.delay_s', '0 to 60 s']),
    'a negative jitter': ('link:\n  jitter_s: -1\n', ['bad.yaml:2', 'link.jitter_s']),
    'no queue at all': ('link:\n  queue_kb: 0\n', ['bad.yaml:2', 'link.queue_kb', '3 to 1e+06 kB']),
    'a time scale of zero': ('run:\n  time_scale: 0\n', ['bad.yaml:2', 'run.time_scale', '0.1 to 100']),
    'too fast a time scale': ('run:\n  time_scale: 101\n', ['bad.yaml:2', 'run.time_scale', '0.1 to 100']),
    'a time scale beyond the links': ('run:\n  clock: real\n  time_scale: 2\n', ['run.time_scale', '1 Gbit/s', 'at most 1.70']),
    'a time scale beyond the downlinks': ('run: {clock: real}\nlink:\n  down_mbps: 4000\n', ['run.time_scale', 'downlinks',
                                                                                           'at most 0.25']),
    'unknown model': ('model:\n  llm: gpt-17\n', ['gpt-17', 'llama-2-7b']),
    'missing data file': ('task:\n  requests_csv: nowhere.csv\n', ['nowhere.csv']),
}


def one_line(errors):
    tap.equal(len(errors.strip().splitlines()), 1, f'lines of {errors!r}')
    tap.true(errors.startswith('handoff-orchestrator'), f'it says who speaks: {errors!r}')


@tap.test
def bad_scenario_files_are_explained_in_one_line():
    with testbed.scratch() as folder:
        for what, (text, parts) in BAD_SCENARIOS.items():
            with open(os.path.join(folder, 'bad.yaml'), 'w', encoding='utf-8') as file:
                file.write(text)
            _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'bad.yaml', '-e', 1, '-t', 1, cwd=folder,
                                             status=2)
            one_line(errors)
            try:
                tap.contains(errors, *parts)
            except AssertionError as error:
                raise AssertionError(f'{what}: {error}') from None
            tap.true(not os.path.exists(os.path.join(folder, 'results.db')), f'{what}: no database was made')


@tap.test
def missing_and_unreadable_files_are_named():
    with testbed.scratch() as folder:
        for path in ('missing.yaml', folder):
            _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '-s', path, cwd=folder, status=2)
            one_line(errors)
            tap.contains(errors, path)
        for verb in (['evaluate'], ['replay', '--verify'], ['show', 'runs'], ['export', 'tasks']):
            _, errors = testbed.orchestrator(*verb, '--db', 'missing.db', cwd=folder, status=2)
            one_line(errors)
            tap.contains(errors, 'missing.db')
            tap.true(not os.path.exists(os.path.join(folder, 'missing.db')), 'reading makes no file')


@tap.test
def bad_settings_are_explained():
    for setting, parts in {'radio.bandwidth_mhz=x': ['radio.bandwidth_mhz', 'x'], 'nothing=1': ['nothing'],
                           'radio.nothing=1': ['radio.nothing'], 'run.slots': ['run.slots'],
                           'run.slots=0': ['run.slots', '1 to 1000000']}.items():
        _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '--set', setting, status=2)
        one_line(errors)
        tap.contains(errors, *parts)


BAD_TRACES = {
    'zero': ('0 0\n1 0\n', 'bad.trace', 'every rate is 0'),
    'negative': ('0 1\n1 -1\n', 'bad.trace:2', '-1'),
    'infinite': ('0 1\n1 inf\n', 'bad.trace:2', "'inf' is not a finite number"),
    'too large a number': ('0 1\n1 1e999\n', 'bad.trace:2', '1e999'),
    'not a number': ('0 nan\n', 'bad.trace:1', 'nan'),
    'backwards': ('0 1\n3 2\n2 1\n', 'bad.trace:3', 'backwards'),
    'milliseconds backwards': ('5\n7\n6\n', 'bad.trace:3', 'backwards'),
    'negative time': ('-5\n7\n', 'bad.trace:1', 'negative'),
    'three columns': ('0 1 2\n', 'bad.trace:1', 'two'),
    'a log backwards': ('Timestamp,DL_bitrate,UL_bitrate\n2020.01.01_00.00.01,1,1\n2020.01.01_00.00.00,1,1\n', 'bad.trace:3',
                        'backwards'),
    'a short row': ('Timestamp,DL_bitrate,UL_bitrate\n2020.01.01_00.00.01,1\n', 'bad.trace:2', '2 fields'),
    'empty': ('', 'bad.trace', 'empty'),
    'words': ('nothing of the kind\n', 'bad.trace:1', 'no trace'),
}


@tap.test
def bad_traces_are_explained_in_one_line():
    with testbed.scratch() as folder:
        for what, (text, *parts) in BAD_TRACES.items():
            with open(os.path.join(folder, 'bad.trace'), 'w', encoding='utf-8') as file:
                file.write(text)
            for verb in (['show', 'trace', 'bad.trace'],
                         ['run', '-q', '--over', 'memory', '-e', 1, '-t', 1, '--set', 'radio.trace=bad.trace']):
                _, errors = testbed.orchestrator(*verb, cwd=folder, status=2)
                one_line(errors)
                try:
                    tap.contains(errors, *parts)
                except AssertionError as error:
                    raise AssertionError(f'{what}: {error}') from None
            tap.true(not os.path.exists(os.path.join(folder, 'results.db')), f'{what}: no database was made')


@tap.test
def traces_that_cannot_be_played_are_explained():
    with testbed.scratch() as folder:
        with open(os.path.join(folder, 'fast'), 'w', encoding='utf-8') as file:
            file.write('0 2000\n')
        for settings, parts in ((['radio.trace=fast'], ['fast', '2000 Mbit/s', 'radio.bandwidth_mhz to at least']),
                                (['radio.trace=missing'], ['missing']),
                                (['mobility.kind=trace'], ['mobility.trace']),
                                (['mobility.kind=trace', 'mobility.trace=fast'], ['fast', 'no positions']),
                                (['radio.trace_format=tape'], ['radio.trace_format', 'mahimahi'])):
            _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', *(word for s in settings for word in ('--set', s)),
                                             cwd=folder, status=2)
            one_line(errors)
            tap.contains(errors, *parts)
        for arguments in (['show', 'trace'], ['show', 'trace', 'fast', '--direction', 'left'], ['show', 'trace', 'missing'],
                          ['show', 'trace', 'fast', '--format', 'tape'], ['show', 'trace', '.']):
            _, errors = testbed.orchestrator(*arguments, cwd=folder, status=2)
            one_line(errors)


@tap.test
def an_outage_of_minutes_is_lived_through():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        with open(os.path.join(folder, 'outage'), 'w', encoding='utf-8') as file:
            file.write('0 10\n60 0\n360 10\n400 10\n440 0\n')  # 5 of 8 minutes, at least
        for policy in ('dapo', 'edge-best-channel', 'edge-nearest', 'random', 'greedy', 'best-response', 'optimum', 'static',
                       'static-association', 'neurosurgeon', 'nash', 'iao'):
            testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-n', 4, '-e', 1, '-t', 480, '-p', policy, '--db', db,
                                 '--set', 'radio.trace=outage', '--set', 'run.trace_end=restart', '--set', 'ddpg.warmup=50', cwd=folder)
        testbed.check_database(db)
        outages = testbed.rows(db, """SELECT run_id, count(*) FROM task WHERE server IS NULL AND rate_bps = 0 AND status = 'done'
                                      AND latency_s > 0 GROUP BY run_id""")
        tap.equal(len(outages), 12, 'runs')
        tap.true(all(count >= 4 * 339 for _, count in outages), f'in outages tasks stay on the phone: {outages}')
        tap.true(testbed.one(db, 'SELECT count(*) FROM task WHERE server IS NOT NULL AND run_id = 2') >= 4 * 99,
                 'between them they are sent away')
        tap.equal(testbed.verify(db), 12 * 4 * 480, 'tasks that are the same')


@tap.test
def the_memory_host_refuses_the_real_clock():
    _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '--set', 'run.clock=real', status=2)
    one_line(errors)
    tap.contains(errors, 'run.clock', '--over tcp')


@tap.test
def time_scales_out_of_range_are_refused():
    for scale, part in ((0, '0.1 to 100'), (1000, '0.1 to 100'), ('inf', 'inf'), (50, 'at most 1.70 fits')):
        _, errors = testbed.orchestrator('run', '-q', '--set', 'run.clock=real', '--set', f'run.time_scale={scale}',
                                         status=2)
        one_line(errors)
        tap.contains(errors, 'run.time_scale', part)


@tap.test
def files_of_other_programs_and_newer_files_are_refused_untouched():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-p', 'local', '-e', 1, '-t', 2, '--db', db)
        for pragma, part in (('user_version = 999', '999'), ('application_id = 7', 'another program')):
            connection = sqlite3.connect(db)
            connection.execute('PRAGMA ' + pragma)
            connection.close()
            before = open(db, 'rb').read()
            for verb in (['run', '-q', '--over', 'memory', '-p', 'local', '-e', 1, '-t', 1], ['show', 'runs'],
                         ['replay', '--verify']):
                _, errors = testbed.orchestrator(*verb, '--db', db, status=2)
                one_line(errors)
                tap.contains(errors, part)
            tap.true(open(db, 'rb').read() == before, 'the file is untouched')
        with open(db, 'wb') as file:
            file.write(b'this is no database at all, only a text of some length' * 20)
        _, errors = testbed.orchestrator('show', 'runs', '--db', db, status=2)
        one_line(errors)


@tap.test
def a_folder_that_is_not_there_is_named():
    _, errors = testbed.orchestrator('run', '-q', '--over', 'memory', '-p', 'local', '-e', 1, '-t', 1, '--db', '/nowhere/x.db',
                                     status=None)
    one_line(errors)
    tap.contains(errors, '/nowhere/x.db')


@tap.test
def vector_instructions_that_do_not_exist_are_refused():
    for word in ('sse', 'AVX2', ''):
        _, errors = testbed.orchestrator('show', 'policies', status=2, env={**os.environ, 'HANDOFF_VECTOR': word})
        one_line(errors)
        tap.contains(errors, f"HANDOFF_VECTOR is '{word}'", 'avx512, avx2, neon or none')


@tap.test
def what_cannot_be_evaluated_is_explained():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-p', 'local', '-e', 1, '-t', 2, '--db', db)
        for arguments, parts in ((['-p', 'clever'], ['clever', 'optimum']), (['--run', 9, '-p', 'local'], ['9']),
                                 (['-p', 'dapo'], ['dapo', 'local'])):
            _, errors = testbed.orchestrator('evaluate', '-q', '--db', db, *arguments, status=2)
            one_line(errors)
            tap.contains(errors, *parts)


tap.main()
