"""What a bad channel does to a model's perplexity, and what an observer reads from it: numbers, files and refusals."""
import csv
import json
import math
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import small_llama
import tap
import testbed

HOUSE = os.path.join(testbed.SOURCE_ROOT, 'deploy', 'models', 'house')
TEXT = 'the quick brown fox jumps over the lazy dog and the dog sleeps on '


def small(folder):
    """A small model, and a text for it, as flags."""
    model, text = os.path.join(folder, 'small.bin'), os.path.join(folder, 'text.txt')
    small_llama.write(model, os.path.join(folder, 'tokenizer.bin'))
    with open(text, 'w', encoding='utf-8') as file:
        file.write(TEXT * 6)
    return '--model', model, '--text', text


def perplexity(*arguments, **options):
    return json.loads(testbed.orchestrator('perplexity', '--json', '-q', *arguments, **options)[0])


@tap.test
def the_same_command_gives_the_same_bits_and_another_seed_others():
    with testbed.scratch() as folder:
        flags = (*small(folder), '--mode', 'none,erasure,packets,analog,bits', '--seeds', 2)
        first, again, other = perplexity(*flags), perplexity(*flags), perplexity(*flags, '--seed', 9)
        tap.equal(first, again, 'the same command')
        pairs = list(zip(first['settings'], other['settings'], strict=True))
        tap.true(all((a['splits'] == b['splits']) == (a['mode'] == 'none') for a, b in pairs if a['level'] not in (0.01, 0.0001)),
                 'seeds matter where there are draws')
        tap.equal({s['mode'] for s in first['settings']}, {'none', 'erasure', 'packets', 'analog', 'bits'}, 'modes')


@tap.test
def means_bands_ratios_and_slopes_follow_from_the_nats():
    with testbed.scratch() as folder:
        said = perplexity(*small(folder), '--mode', 'erasure', '--loss', 0.5, '--seeds', 3, '--splits', '0-3')
        tap.equal((said['tokens'], said['window'], said['skip'], said['seeds']), (len(TEXT) * 6 + 1, 64, 0, 3),
                  'head: the tokenizer puts a space in front, and every token but BOS is scored')
        tap.equal(said['bytes'], len(TEXT) * 6, 'the space in front has no byte of the text')
        tap.true(abs(said['clean_perplexity'] - math.exp(said['clean_nats'] / said['tokens'])) < 1e-9, 'clean')
        setting, = said['settings']
        tap.equal([row['split'] for row in setting['splits']], [0, 1, 2, 3], 'splits')
        logs = []
        for row in setting['splits']:
            logs.append([nats / said['tokens'] for nats in row['nats']])
            mean = sum(map(math.exp, logs[-1])) / 3
            deviation = math.sqrt(sum((math.exp(x) - mean) ** 2 for x in logs[-1]) / 2)
            half = 4.30265272975 * deviation / math.sqrt(3)
            tap.true(abs(row['perplexity'] - mean) < 1e-9 * mean, f'mean: {row}')
            tap.true(abs(row['high'] - mean - half) < 1e-6 and abs(mean - row['low'] - half) < 1e-6, f'band: {row}')
            ratio = sum(logs[-1]) / 3 - said['clean_nats'] / said['tokens']
            tap.true(abs(row['log_ratio'] - ratio) < 1e-12, f'log ratio: {row}')
        slopes = [sum((s - 1.5) * logs[s][seed] for s in range(4)) / 5 for seed in range(3)]
        tap.true(abs(setting['slope'] - sum(slopes) / 3) < 1e-12, f'slope {setting["slope"]}, not {sum(slopes) / 3}')
        wanted = 'falls' if setting['slope_high'] < 0 else 'rises' if setting['slope_low'] > 0 else 'open'
        tap.equal(setting['trend'], wanted, 'trend')


@tap.test
def fp32_without_damage_is_the_clean_model_at_every_split():
    with testbed.scratch() as folder:
        said = perplexity(*small(folder), '--mode', 'none', '--format', 'fp32', '--splits', '0-3')
        for row in said['settings'][0]['splits']:
            tap.equal(row['nats'], [said['clean_nats']], f'nats at split {row["split"]}')
            tap.equal((row['low'], row['missing'], row['log_ratio']), (None, 0, 0), 'no draws, no interval, nothing missing')


@tap.test
def files_hold_what_is_printed():
    with testbed.scratch() as folder:
        paths = [os.path.join(folder, name) for name in ('all.csv', 'table.csv')]
        said = perplexity(*small(folder), '--mode', 'analog', '--power', 'per_token', '--snr', '10,0', '--seeds', 2, '--csv',
                          paths[0], '--table', paths[1])
        with open(paths[0], encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        tap.equal(list(rows[0])[:12], ['mode', 'level', 'format', 'power', 'layout', 'fill', 'split', 'seed', 'nats', 'tokens', 'bytes',
                                       'clean_nats'], 'columns')
        found = [(float(row['level']), int(row['split']), float(row['nats'])) for row in rows]
        wanted = [(s['level'], p['split'], nats) for s in said['settings'] for p in s['splits'] for nats in p['nats']]
        tap.equal(found, wanted, 'rows')
        with open(paths[1], encoding='utf-8') as file:
            table = [(float(r['condition']), int(r['split']), float(r['log_ratio'])) for r in csv.DictReader(file)]
        ratios = {(s['level'], p['split']): p['log_ratio'] for s in said['settings'] for p in s['splits']}
        tap.equal([row[:2] for row in table], [(0, 1), (10, 1), (0, 2), (10, 2)], 'order')
        tap.true(all(abs(value - ratios[level, split]) < 1e-5 for level, split, value in table), 'log ratios')


@tap.test
def a_table_of_several_formats_is_a_scenarios():
    with testbed.scratch() as folder:
        path, db = os.path.join(folder, 'table.csv'), os.path.join(folder, 'x.db')
        said = perplexity(*small(folder), '--mode', 'packets', '--layout', 'rows', '--loss', '0.2,0.5', '--format', 'fp16,int8,q4',
                          '--seeds', 2, '--table', path)
        ratios = {(s['format'], s['level'], p['split']): p['log_ratio'] for s in said['settings'] for p in s['splits']}
        with open(path, encoding='utf-8') as file:
            rows = {(r['format'], float(r['condition']), int(r['split'])): float(r['log_ratio']) for r in csv.DictReader(file)}
        tap.equal(sorted(rows), sorted(ratios), 'rows')
        tap.true(all(abs(rows[key] - ratios[key]) < 1e-5 for key in rows), 'log ratios')
        sets = ('channel.mode=bounded', 'quality.source=table', f'quality.table_csv={path}', 'action.formats=int8 q4',
                'objective.quality_weight=1')
        testbed.orchestrator('run', '-q', '--over', 'memory', '-s', 'dapo-quick', '-p', 'random', '-e', 1, '-t', 20, '--db', db,
                             *(word for text in sets for word in ('--set', text)))
        scenario = testbed.one(db, 'SELECT scenario FROM run')
        for words in ('  table: "0.2,0.5 | 1:', '  formats: "int8 = 0.2,0.5 | 1:', '; q4 = 0.2,0.5 | 1:'):
            tap.true(words in scenario, f'{words}: {scenario}')
        testbed.orchestrator('replay', '-q', '--verify', '--db', db)


@tap.test
def text_says_the_clean_model_every_setting_and_its_trend():
    with testbed.scratch() as folder:
        output, errors = testbed.orchestrator('perplexity', *small(folder), '--mode', 'none,analog', '--snr', 0, '--power', 'fixed',
                                              '--format', 'fp32', '--seeds', 2)
        said = perplexity(*small(folder), '--mode', 'none,analog', '--snr', 0, '--power', 'fixed', '--format', 'fp32', '--seeds', 2)
        tap.contains(output, f'clean perplexity {said["clean_perplexity"]:.4g}', 'none, fp32', 'analog 0 dB, power fixed',
                     f'root mean square of {said["reference_rms"]:.4g}', said['settings'][1]['trend'], 'no draws, no interval')
        for row in said['settings'][1]['splits']:
            tap.contains(output, f'{row["perplexity"]:.4g}')
        tap.equal(errors, '', 'it took less than two seconds')


@tap.test
def windows_and_tokens_choose_what_is_scored():
    with testbed.scratch() as folder:
        flags = (*small(folder), '--mode', 'none', '--format', 'fp32', '--splits', '1')
        tap.equal(perplexity(*flags, '--tokens', 100)['windows'], 2, 'windows of 64 for 100 tokens')
        said = perplexity(*flags, '--window', 32, '--skip', 16, '--tokens', 0)
        tap.equal((said['window'], said['tokens']), (32, len(TEXT) * 6 + 1 - 16), 'all but the first 16')


@tap.test
def what_cannot_be_is_refused_before_anything_is_measured():
    with testbed.scratch() as folder:
        flags = small(folder)
        for more, part in (
                (('--mode', 'fog'), "--mode: 'fog'"), (('--seeds', 1), 'whole number from 2'), (('--loss', 2), "--loss: '2'"),
                (('--splits', '1-4'), "--splits: '1-4'"), (('--mode', 'bits', '--power', 'fixed'), '--power goes with --mode analog'),
                (('--format', 'int9'), "'int9'"), (('--window', 65), 'context of 64'), (('--skip', 64), '64 tokens of a window'),
                (('--text', os.path.join(folder, 'none')), 'none'), (('--model', os.path.join(folder, 'none')), 'none'),
                (('--weights', 'q5'), "'q5'"), (('--reference-rms', 0), '--reference-rms'), (('--table', 't.csv'), '--table'),
                (('--csv', '/no/such/folder/x.csv'), '/no/such/folder/x.csv'), (('--figure', 'x.png'), "'x.png' is no FILE.svg"),
                (('word',), "unexpected word 'word'"), (('--scenario', 'dapo'), '--scenario')):
            output, errors = testbed.orchestrator('perplexity', *flags, *more, status=2, cwd=folder)
            tap.equal(output, '', f'{more} prints')
            tap.contains(errors, part)
        _, errors = testbed.orchestrator('perplexity', status=2, cwd=folder)
        tap.contains(errors, '--model FILE is needed')
        _, errors = testbed.orchestrator('perplexity', *flags[:2], status=2, cwd=folder)
        tap.contains(errors, '--text FILE is needed')


@tap.test
def the_house_model_needs_no_flags_but_less_text():
    said = perplexity('--tokens', 256, '--mode', 'analog', '--snr', 0, '--power', 'fixed,per_token', '--splits', '1,11', '--seeds', 2,
                      cwd=testbed.SOURCE_ROOT)
    fixed, normal = said['settings']
    tap.equal(fixed['trend'], 'falls', 'one gain for all splits: early ones suffer more')
    tap.true(normal['slope'] > fixed['slope'], 'each token scaled to the same power: they do not')
    tap.true(said['rms'][0] < said['rms'][1], 'the residual stream grows')
    tap.true(10 < said['clean_perplexity'] < 40, 'clean perplexity')


def leak(*arguments, **options):
    return json.loads(testbed.orchestrator('leak', '--json', '-q', *arguments, **options)[0])


@tap.test
def an_observer_with_the_weights_reads_what_crossed_undamaged_and_nothing_that_is_lost():
    with testbed.scratch() as folder:
        said = leak(*small(folder), '--mode', 'none,erasure', '--loss', '1', '--format', 'fp32', '--splits', '0-3', '--tokens', 64)
        again = leak(*small(folder), '--mode', 'none,erasure', '--loss', '1', '--format', 'fp32', '--splits', '0-3', '--tokens', 64)
        tap.equal(said, again, 'the same command')
        clean, lost = said['settings']
        tap.equal((said['tokens'], said['prompts'], said['window'], said['splits']), (64, 2, 32, [0, 1, 2, 3]), 'head')
        tap.equal(clean['search'], [1, 1, 1, 1], 'the share of tokens that a search finds')
        tap.equal(clean['nearest'][0], 1, 'embeddings are their own nearest')
        tap.equal(set(lost['probe']), {said['guess']}, 'a probe that sees nothing says the commonest token')
        tap.true(0 < said['guess'] < 0.5, 'which is not most of the text')
        tap.true(max(lost['search']) < 0.2, 'a search in nothing finds nothing')


@tap.test
def noise_hides_some_tokens_from_a_search_and_the_table_says_where():
    with testbed.scratch() as folder:
        flags = (*small(folder), '--mode', 'analog', '--snr', '30,-10', '--power', 'per_token', '--tokens', 64, '--seeds', 2, '--attack', 'search')
        path = os.path.join(folder, 'leak.csv')
        said = leak(*flags, '--csv', path)
        quiet, loud = said['settings']
        tap.equal(quiet['search'], [1, 1], 'at 30 dB')
        tap.true(max(loud['search']) < 1 and loud['nearest'] is None, 'at -10 dB, and the search alone')
        with open(path, encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        tap.equal(len(rows), 2 * 2 * 2, 'rows: level, split, seed')
        for number, split in enumerate(said['splits']):
            found = [int(r['found']) for r in rows if r['split'] == str(split) and r['level'] == '-10']
            tap.equal(sum(found) / 128, loud['search'][number], 'share')
        output, _ = testbed.orchestrator('leak', '-q', *flags)
        tap.contains(output, 'search: every token at 2 of 4 settings and splits', 'analog -10 dB, power per_token',
                     f'{100 * min(loud["search"]):.1f} %')


@tap.test
def what_leak_cannot_do_is_refused():
    with testbed.scratch() as folder:
        flags = small(folder)
        for more, part in ((('--attack', 'guess'), "--attack: 'guess'"), (('--ridge', 0), '--ridge'), (('--seeds', 0), '--seeds'),
                           (('--window', 65), 'context of 64'), (('--csv', '/no/such/x.csv'), '/no/such/x.csv'),
                           (('--probe-text', os.path.join(folder, 'none')), 'none'), (('--table', 'x'), '--table'),
                           (('--splits', '9'), "--splits: '9'")):
            output, errors = testbed.orchestrator('leak', *flags, *more, status=2)
            tap.equal(output, '', f'{more} prints')
            tap.contains(errors, part)


@tap.test
def the_house_model_hides_no_token_from_one_who_has_its_weights():
    said = leak('--mode', 'none', '--format', 'fp32,q4', '--splits', '1,11', '--tokens', 32, '--probe-tokens', 1024,
                cwd=testbed.SOURCE_ROOT)
    for setting in said['settings']:
        tap.equal(setting['search'], [1, 1], f'search, {setting["name"]}')
        tap.true(max(setting['nearest']) < 0.3 and min(setting['probe']) > said['guess'], setting)


@tap.test
def a_signal_ends_it_between_two_measures():
    child = testbed.Program([testbed.ORCHESTRATOR, 'perplexity', '--tokens', '4096', '--seeds', '200'], cwd=testbed.SOURCE_ROOT)
    testbed.until(lambda: 'about' in child.text(), 'it has told how long it takes')
    child.kill(signal.SIGINT)
    tap.equal(child.wait(), 130, 'exit status')
    tap.equal(child.output, [], 'nothing half is printed')
    tap.contains(child.text(), 'interrupted')


@tap.test
def the_published_story_model_shows_the_measured_sizes():
    folder = os.path.join(testbed.SOURCE_ROOT, '..', 'shared', 'data', 'lm')
    model, tokenizer = (os.path.join(folder, name) for name in ('stories260K.bin', 'tok512.bin'))
    if not (os.path.exists(model) and os.path.exists(tokenizer)):
        raise tap.Skip('../shared/data/lm has no stories260K.bin and tok512.bin')
    text = os.path.join(testbed.SOURCE_ROOT, 'tests', 'e2e', 'stories.txt')
    flags = ('--model', model, '--tokenizer', tokenizer, '--text', text)
    said = perplexity(*flags, '--mode', 'analog', '--snr', 0, '--power', 'fixed', '--seeds', 2)
    tap.true(3 < said['clean_perplexity'] < 8, f'clean perplexity {said["clean_perplexity"]}: it knows such stories')
    tap.true(said['rms'] == sorted(said['rms']), 'the residual stream grows')
    tap.equal(said['settings'][0]['trend'], 'falls', 'one gain for all splits')
    read = leak(*flags, '--mode', 'none', '--tokens', 64)
    tap.true(all(share == 1 for setting in read['settings'] for share in setting['search']), 'a search reads every token')


tap.main()
