"""Traces from file to record: what `show trace` says, against a second implementation; runs that need no file afterwards."""
import json
import math
import os
import random
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import tap
import testbed

HEADER = 'Timestamp,Longitude,Latitude,Speed,Operatorname,CellID,NetworkMode,RSRP,DL_bitrate,UL_bitrate,NODEHEX'


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return path


def show(path, *arguments):
    output, errors = testbed.orchestrator('show', 'trace', path, '--json', *arguments)
    tap.equal(errors, '', 'standard error')
    return json.loads(output)


# ---- the second implementation: a trace is a list of (start, end, bit/s) ----

def mahimahi(text):
    times = [int(line) for line in text.split()]
    deliveries = {}
    for ms in times:
        deliveries[max(ms, 1)] = deliveries.get(max(ms, 1), 0) + 1
    return [((ms - 1) / 1000, ms / 1000, deliveries.get(ms, 0) * 12e6) for ms in range(1, times[-1] + 1)]


def columns(text):
    rows = [tuple(map(float, line.replace(',', ' ').split())) for line in text.splitlines() if line.strip() and line[0] != '#']
    last = rows[-1][0] - rows[-2][0] if len(rows) > 1 else 1.0
    ends = [row[0] for row in rows[1:]] + [rows[-1][0] + last]
    return [(start - rows[0][0], end - rows[0][0], rate * 1e6) for (start, rate), end in zip(rows, ends)]


def irish(text, column):
    import datetime
    lines = text.splitlines()
    names = lines[0].split(',')
    seconds, cells, known = {}, {}, set()
    cell = None
    for line in lines[1:]:
        row = dict(zip(names, line.split(',')))
        at = datetime.datetime.strptime(row['Timestamp'], '%Y.%m.%d_%H.%M.%S')
        seconds.setdefault(at, [])
        if row[column] != '-':
            seconds[at].append(float(row[column]) * 1000)
        if row['CellID'] != '-':
            cell = (row['NODEHEX'], row['CellID'])
            known.add(cell)
        cells[at] = cell
    order = sorted(seconds)
    pieces = []
    for here, there in zip(order, order[1:] + [order[-1] + datetime.timedelta(seconds=1)]):
        start, end = (here - order[0]).total_seconds(), (there - order[0]).total_seconds()
        rate = sum(seconds[here]) / len(seconds[here]) if seconds[here] else 0.0
        pieces.append((start, min(end, start + 10), rate))
        if end > start + 10:
            pieces.append((start + 10, end, 0.0))
    seen = [cells[at] for at in order]
    changes = sum(a != b for a, b in zip(seen, seen[1:]))
    return pieces, len(known), changes


def statistics(pieces):
    duration = pieces[-1][1]
    bins = [0.0] * math.ceil(duration)
    for start, end, rate in pieces:
        for second in range(int(start), min(math.ceil(end), len(bins))):
            bins[second] += rate * max(0.0, min(end, second + 1) - max(start, second))
    lengths = [min(i + 1, duration) - i for i in range(len(bins))]
    rates = sorted((bits / length, length) for bits, length in zip(bins, lengths))

    def percentile(part):
        passed = 0.0
        for rate, length in rates:
            passed += length
            if passed >= part * duration * (1 - 1e-12):
                return rate
        return rates[-1][0]

    gaps, since = [], None
    for start, end, rate in pieces + [(duration, duration, 1.0)]:
        if rate == 0 and since is None:
            since = start
        if rate > 0 and since is not None:
            gaps += [start - since] if start - since > 1 + 1e-9 else []
            since = None
    return {'duration_s': duration, 'mean_bps': sum(bins) / duration, 'min_bps': rates[0][0], 'max_bps': rates[-1][0],
            'p5_bps': percentile(0.05), 'p95_bps': percentile(0.95), 'gaps': len(gaps), 'longest_gap_s': max(gaps, default=0.0),
            'gaps_s': sum(gaps)}


def compare(shown, expected, what):
    for name, value in expected.items():
        tap.true(math.isclose(shown[name], value, rel_tol=1e-9, abs_tol=1e-6), f'{what}: {name} is {shown[name]}, expected {value}')


# ---- generated files ----

def some_mahimahi(draw):
    ms, lines = draw.choice([0, 5]), []
    for _ in range(draw.randrange(1, 4000)):
        ms += draw.choice([0, 0, 0, 1, 1, 2, 7] + ([1500] if draw.random() < 0.01 else []))
        lines.append(ms)
    return '\n'.join(map(str, lines + [ms + 1])) + '\n'


def some_columns(draw):
    at, lines = draw.choice([0, 17.5]), ['# made for a test']
    for _ in range(draw.randrange(1, 300)):
        lines.append(f'{at:.3f}{draw.choice([" ", ",", chr(9)])}{draw.choice([0, 0, 1, draw.random() * 50]):.4f}')
        at += draw.choice([0.05, 0.5, 1, 1, 3.25])
    return '\n'.join(lines + [f'{at:.3f} 2'])


def some_irish(draw):
    import datetime
    at, lines = datetime.datetime(2020, 2, 28, 23, 50), [HEADER]
    for _ in range(draw.randrange(2, 400)):
        rate = lambda: draw.choice(['-', '0', '0', str(draw.randrange(1, 90000))])
        cell = draw.choice(['-', '1', '2', '2', '2'])
        lines.append(f'{at:%Y.%m.%d_%H.%M.%S},-8.{draw.randrange(100, 999)},51.9,{draw.randrange(90)},B,{cell if lines[1:] else 1},5G,-90,{rate()},{rate()},A{draw.randrange(2)}')
        at += datetime.timedelta(seconds=draw.choice([0, 1, 1, 1, 2, 3] + ([40] if draw.random() < 0.05 else [])))
    return '\n'.join(lines + [f'{at:%Y.%m.%d_%H.%M.%S},-8.1,51.9,0,B,2,5G,-90,9,9,A0'])


@tap.test
def show_trace_agrees_with_a_second_implementation():
    draw = random.Random(3)
    with testbed.scratch() as folder:
        for i in range(12):
            text = some_mahimahi(draw)
            shown = show(write(folder, 'a.up', text))
            tap.equal(shown['format'], 'mahimahi', 'format')
            compare(shown, statistics(mahimahi(text)), f'mahimahi {i}')
            times = text.split()
            compare(shown, {'mean_bps': 12000 * len(times) / (int(times[-1]) / 1000)}, f'bits over duration {i}')
            text = some_columns(draw)
            shown = show(write(folder, 'a.txt', text))
            tap.equal(shown['format'], 'columns', 'format')
            compare(shown, statistics(columns(text)), f'columns {i}')
            tap.equal(shown['steps'], len(columns(text)), 'steps')
            text = some_irish(draw)
            path = write(folder, 'a.csv', text)
            for direction, column in (('up', 'UL_bitrate'), ('down', 'DL_bitrate')):
                shown = show(path, '--direction', direction)
                tap.equal((shown['format'], shown['direction']), ('csv', direction), 'format and direction')
                pieces, cells, changes = irish(text, column)
                compare(shown, statistics(pieces), f'csv {i} {direction}')
                tap.equal((shown['cells'], shown['cell_changes']), (cells, changes), 'cells and changes')


@tap.test
def the_picture_is_at_most_80_wide_and_plain_where_utf_8_is_not_read():
    with testbed.scratch() as folder:
        path = write(folder, 'a.txt', ''.join(f'{i} {i % 50 if i < 300 else 0}\n' for i in range(500)))
        for locale, signs in (('C.UTF-8', ' ▁▂▃▄▅▆▇█'), ('C', ' .:-=+*#@')):
            output, _ = testbed.orchestrator('show', 'trace', path, env={**os.environ, 'LC_ALL': locale})
            picture = output.splitlines()[-2]
            tap.equal(len(picture), 80, f'width of {picture!r}')
            tap.true(set(picture) <= set(signs), f'{picture!r} is drawn with {signs!r}')
            tap.equal(picture[-32:].strip(), '', 'an outage is blank')
            tap.contains(picture, signs[-1])
        short, _ = testbed.orchestrator('show', 'trace', write(folder, 'b.txt', '0 1\n1 2\n2 1\n'))
        tap.equal(len(short.splitlines()[-2]), 3, 'one sign a second')


def make_folder(folder):
    """Two logs with places and cells, and a fine trace with an outage of minutes."""
    draw = random.Random(11)
    logs = os.path.join(folder, 'logs')
    os.mkdir(logs)
    for name in ('a.csv', 'b.csv'):
        write(logs, name, some_irish(draw))
    fine = write(folder, 'fine.txt', '0 3\n0.05 40\n1 0.2\n' + ''.join(f'{2 + i * 0.07:.2f} {i % 9}\n' for i in range(90)) +
                 '9 0\n250 12\n260 12\n')
    return logs, fine


def settings(**keys):
    return [word for key, value in keys.items() for word in ('--set', f'{key.replace("__", ".")}={value}')]


@tap.test
def a_run_replays_and_is_evaluated_after_its_traces_are_gone():
    with testbed.scratch() as folder:
        logs, fine = make_folder(folder)
        db = os.path.join(folder, 'x.db')
        for extra in (['--data', folder, *settings(radio__trace='fine.txt')], settings(radio__trace=logs, radio__trace_direction='down', mobility__kind='trace',
                                                            mobility__trace=logs)):
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, '-s', 'dapo-quick', '-p', 'greedy', '-n', 5, '-e', 2,
                                 '-t', 60, '--seed', 4, *extra)
        os.remove(fine)
        for name in os.listdir(logs):
            os.remove(os.path.join(logs, name))
        os.rmdir(logs)
        tap.equal(testbed.verify(db), 2 * 2 * 60 * 5, 'tasks that are the same')
        testbed.orchestrator('replay', '-q', '-p', 'optimum', '--run', 2, '--db', db)
        testbed.orchestrator('evaluate', '-q', '--run', 1, '-p', 'local,greedy', '--db', db)
        tap.equal(testbed.rows(db, "SELECT count(rate_trace), count(place_trace) FROM node WHERE role = 'device' GROUP BY run_id")[:2],
                  [(1, 0), (2, 2)], 'each trace is recorded once')
        testbed.check_database(db)


@tap.test
def offloaded_tasks_alone_get_the_traces_rate():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        path = write(folder, 'steady.txt', '0 7.5\n')
        testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, '-p', 'edge-best-channel', '-n', 1, '-m', 1, '-e', 1, '-t', 20,
                             *settings(radio__trace=path, servers__coverage_m=2000))
        rates = [rate for (rate,) in testbed.rows(db, 'SELECT rate_bps FROM task')]
        tap.true(all(math.isclose(rate, 7.5e6, rel_tol=1e-9) for rate in rates), f'{rates}')


@tap.test
def cells_decide_which_server_is_used():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        rows = [f'2020.02.28_10.{i // 60:02}.{i % 60:02},-8.5,51.9{i:03},9,B,{5 if i < 30 else 6 if i < 60 else 7},5G,-90,9000,9000,A'
                for i in range(90)]
        path = write(folder, 'way.csv', HEADER + '\n' + '\n'.join(rows) + '\n')
        for slots, end in ((180, 'turn'), (90, 'restart')):
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, '-p', 'edge-best-channel', '-n', 4, '-m', 3, '-e', 1,
                                 '-t', slots, *settings(radio__trace=path, mobility__kind='trace', mobility__trace=path,
                                                        run__trace_end=end))
        shares = testbed.rows(db, 'SELECT run_id, served_by, count(*) FROM task GROUP BY run_id, served_by')
        tap.equal(shares, [(run, server, tasks) for run, tasks in ((1, 240), (2, 120)) for server in range(3)],
                  'each cell for a third of the round, whatever the start')
        changes = dict(testbed.rows(db, """SELECT run_id, sum(server <> before) FROM (SELECT run_id, server,
                                           lag(server) OVER (PARTITION BY run_id, device ORDER BY slot) AS before FROM task)
                                           GROUP BY run_id"""))
        tap.true(12 <= changes[1] <= 16, f'{changes[1]} changes of 4 phones there and back through three cells')
        tap.true(8 <= changes[2] <= 12, f'{changes[2]} changes of 4 phones on a round of three cells')


@tap.test
def a_change_of_cell_in_a_transfer_is_a_handover_and_an_outage_is_waited_for():
    with testbed.scratch() as folder:
        db = os.path.join(folder, 'x.db')
        rows = [f'2020.02.28_10.{i // 60:02}.{i % 60:02},-8.5,51.9{i:03},9,B,{i // 7},5G,-90,9000,{0 if 100 < i < 300 else 4000},A'
                for i in range(400)]
        path = write(folder, 'way.csv', HEADER + '\n' + '\n'.join(rows) + '\n')
        for policy in ('finish', 'resume', 'restart'):
            testbed.orchestrator('run', '-q', '--over', 'memory', '--db', db, '-s', 'dapo-queue', '-p', 'static', '-n', 4, '-m', 3, '-e', 1,
                                 '-t', 700, *settings(radio__trace=path, mobility__kind='trace', mobility__trace=path,
                                                      handover__policy=policy, task__probability=0.1))
        events = dict(testbed.rows(db, "SELECT run_id, count(*) FROM event WHERE kind = 'handover' GROUP BY run_id"))
        tap.true(1 not in events and events.get(2, 0) > 4 and events.get(3, 0) > 4, f'handovers: {events}')
        tap.true(all(longest > 150 for (longest,) in testbed.rows(db, 'SELECT max(latency_s) FROM task GROUP BY run_id')),
                 'who is sending when the outage begins waits for its end')


# ---- real files ----

def data_folder():
    folder = os.environ.get('HANDOFF_DATA_DIR')
    if folder is None or not os.path.isdir(os.path.join(folder, 'links')):
        raise tap.Skip('HANDOFF_DATA_DIR names no folder with links')
    return os.path.join(folder, 'links')


@tap.test
def real_mahimahi_traces_have_the_mean_of_their_lines():
    links = data_folder()
    names = [name for name in sorted(os.listdir(links)) if name.endswith(('.up', '.down'))]
    tap.true(names, 'there are some')
    for name in names:
        with open(os.path.join(links, name), encoding='ascii') as file:
            text = file.read()
        times = text.split()
        shown = show(os.path.join(links, name))
        compare(shown, {'mean_bps': 12000 * len(times) / (int(times[-1]) / 1000)}, name)
        compare(shown, statistics(mahimahi(text)), name)


@tap.test
def real_irish_logs_are_read_or_refused_for_going_backwards():
    links = data_folder()
    refused = []
    with testbed.scratch() as folder, zipfile.ZipFile(os.path.join(links, 'irish-5g-production.zip')) as archive:
        names = [name for name in archive.namelist() if name.endswith('.csv') and not name.startswith('__MACOSX')]
        tap.equal(len(names), 83, 'logs')
        for name in names:
            text = archive.read(name).decode()
            path = write(folder, 'log.csv', text)
            output, errors = testbed.orchestrator('show', 'trace', path, '--json', status=None)
            if errors:
                tap.contains(errors, 'log.csv:', 'time goes backwards')
                refused.append(name)
                continue
            pieces, cells, changes = irish(text, 'UL_bitrate')
            shown = json.loads(output)
            compare(shown, statistics(pieces), name)
            tap.equal((shown['cells'], shown['cell_changes']), (cells, changes), f'cells and changes of {name}')
    print('# refused: ' + ', '.join(refused))
    tap.true(len(refused) <= 1, f'{refused}')


tap.main()
