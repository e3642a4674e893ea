"""Model files: what they hold, text that goes on, and a scenario whose language model is a file."""
import csv
import io
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import small_llama
import tap
import testbed

HOUSE_PROMPT = 'My fellow citizens, '
HOUSE_ANSWER = ('especially, and of the family of the United States, and of the United States,'
                ' to the fullest and favorable consideration of the subject. They')
STORY = ('Once upon a time, there was a little girl named Lily. She loved to play outside in the park.'
         ' One day, she saw a big, red ball.')


def stories():
    folder = os.path.join(sys.argv[4], '..', 'shared', 'data', 'lm')
    paths = [os.path.join(folder, name) for name in ('stories260K.bin', 'tok512.bin')]
    if not all(os.path.exists(path) for path in paths):
        raise tap.Skip('../shared/data/lm has no stories260K.bin and tok512.bin')
    return paths


def vector_paths():
    for word in ('avx512', 'avx2', 'neon', 'none'):
        environment = {**os.environ, 'HANDOFF_VECTOR': word}
        if testbed.orchestrator('show', 'policies', status=None, env=environment)[1] == '':
            yield environment


def small(folder):
    path = os.path.join(folder, 'small.bin')
    small_llama.write(path, os.path.join(folder, 'tokenizer.bin'))
    return path


def generate(model, *more, **options):
    return json.loads(testbed.orchestrator('generate', '--json', '--model', model, *more, **options)[0])


@tap.test
def the_published_story_comes_out_at_every_split_in_any_portions_on_every_vector_path():
    model, tokenizer = stories()
    told = set()
    for environment in vector_paths():
        for split in range(6):
            answer = generate(model, '--tokenizer', tokenizer, '--prompt', 'Once upon a time', '--tokens', 60, '--split', split,
                              '--portion', 1 + split, env=environment)
            tap.true(('Once upon a time' + answer['text']).startswith(STORY), answer['text'])
            told.add(tuple(answer['tokens']))
    tap.equal(len(told), 1, 'answers')
    output, errors = testbed.orchestrator('generate', '--model', model, '--tokenizer', tokenizer, '--prompt', 'Once upon a time',
                                          '--tokens', 20)
    tap.true(output.startswith(', there was a little girl named Lily.'), output)
    tap.contains(errors, '20 of answer', 'first token')


@tap.test
def the_house_model_goes_on_with_the_same_text_at_every_split_on_every_vector_path():
    model = os.path.join(sys.argv[4], 'deploy', 'models', 'house')
    told = set()
    for environment in vector_paths():
        for split in (0, 1, 6, 11, 12):
            answer = generate(model, '--prompt', HOUSE_PROMPT, '--tokens', 40, '--split', split, '--portion', 2 + split,
                              env=environment)
            told.add(answer['text'])
    tap.equal(told, {HOUSE_ANSWER}, 'answers')
    said = json.loads(testbed.orchestrator('model', model, '--json')[0])
    tap.equal((said['layers'], said['hidden'], said['heads'], said['kv_heads'], said['ff'], said['vocab'], said['tied']),
              (12, 128, 4, 2, 352, 1024, True), 'geometry')


@tap.test
def a_model_file_says_its_geometry_and_costs():
    with testbed.scratch() as folder:
        path = small(folder)
        told = json.loads(testbed.orchestrator('model', path, '--json')[0])
        wanted = {'kind': 'llama2.c', 'layers': 3, 'hidden': 64, 'heads': 4, 'kv_heads': 2, 'head_size': 16, 'ff': 96,
                  'vocab': len(small_llama.TOKENS), 'context': 64, 'tied': True}
        tap.equal({key: told[key] for key in wanted}, wanted, 'geometry')
        weights = 64 * (2 * 64 + 2 * 32 + 3 * 96)
        tap.equal(told['layer_flop_per_token'], 2.0 * weights, 'FLOP')
        tap.equal(told['parameters'], 3.0 * (weights + 2 * 64) + 64 + 64 * len(small_llama.TOKENS), 'parameters')
        tap.equal(told['kv_bytes_per_token_and_layer'], 4.0 * 2 * 32, 'bytes')
        text, _ = testbed.orchestrator('model', path)
        tap.contains(text, 'llama2.c', '4 of 16, 2 of keys and values', 'tied head', told['sha256'])


@tap.test
def what_was_measured_is_a_table_for_a_scenario():
    with testbed.scratch() as folder:
        path, times = small(folder), os.path.join(folder, 'times.csv')
        text, _ = testbed.orchestrator('model', path, '-q', '--measure', '--times-csv')
        rows = list(csv.DictReader(io.StringIO(text)))
        tap.equal([int(row['rows']) for row in rows], [1, 2, 4, 8, 16, 32, 64], 'rows, up to the context')
        tap.true(all(float(row['seconds_per_layer']) > 0 for row in rows), text)
        with open(times, 'w', encoding='ascii') as file:
            file.write(text)
        db = os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '-s', 'dapo-quick', '--over', 'memory', '-p', 'greedy', '-e', 1, '-t', 5, '--db', db,
                             '--set', f'model.file={path}', '--set', f'model.times_csv={times}')
        testbed.orchestrator('replay', '--verify', '--db', db)


@tap.test
def a_scenario_takes_its_model_from_a_file_and_needs_it_no_more():
    with testbed.scratch() as folder:
        path, db = small(folder), os.path.join(folder, 'x.db')
        testbed.orchestrator('run', '-q', '-s', 'dapo-quick', '--over', 'memory', '-p', 'greedy', '-e', 1, '-t', 10, '--db', db,
                             '--set', f'model.file={path}')
        os.remove(path)
        tap.equal(testbed.one(db, 'SELECT max(split) FROM task'), 3, 'layers')
        testbed.orchestrator('replay', '--verify', '--db', db)
        _, errors = testbed.orchestrator('run', '-q', '-s', 'dapo-quick', '--over', 'memory', '-p', 'greedy', '-e', 1, '-t', 10,
                                         '--db', db, '--set', f'model.file={path}', status=2)
        tap.contains(errors, path)


@tap.test
def splits_and_portions_change_no_token():
    with testbed.scratch() as folder:
        path = small(folder)
        for weights in ('f32', 'q8', 'q4'):
            whole = generate(path, '--prompt', 'a small model', '--tokens', 30, '--weights', weights)
            tap.equal((len(whole['tokens']) > 0, whole['split_bytes']), (True, 0), 'the answer')
            for split in (1, 2):
                parts = generate(path, '--prompt', 'a small model', '--tokens', 30, '--weights', weights, '--split', split,
                                 '--portion', 3)
                tap.equal(parts['tokens'], whole['tokens'], f'{weights}, split {split}')
                tokens = parts['prompt_tokens'] + len(parts['tokens']) - (0 if parts['ended'] else 1)
                tap.equal(parts['split_bytes'], 4 * 64 * tokens, 'bytes across')
        int8 = generate(path, '--prompt', 'a small model', '--tokens', 5, '--split', 2, '--activation', 'int8')
        tap.true(int8['split_bytes'] < 64 * 2 * 30, int8)


@tap.test
def what_cannot_be_is_said():
    with testbed.scratch() as folder:
        path = small(folder)
        stranger = os.path.join(folder, 'stranger')
        with open(stranger, 'wb') as file:
            file.write(b'no model')
        for arguments, words in (
                (('model',), 'which model?'),
                (('model', stranger), stranger),
                (('model', os.path.join(folder, 'gone')), 'gone'),
                (('model', path, '--times-csv'), '--times-csv goes with --measure'),
                (('model', path, '--weights', 'q5'), "'q5' is no format of weights"),
                (('generate', '--model', path), '--model FILE and --prompt TEXT are needed'),
                (('generate', '--model', path, '--prompt', 'a' * 64), 'leave no room in a context of 64'),
                (('generate', '--model', path, '--prompt', 'a', '--split', 4), 'split 4: the model has 3 layers'),
                (('generate', '--model', path, '--prompt', 'a', '--split', 1, '--activation', 'fp8'), "'fp8' is no encoding"),
                (('generate', '--model', path, '--prompt', 'a', '--split', 1, '--activation', 'topk:65'), '65'),
                (('generate', '--model', path, '--prompt', 'a', '--tokenizer', stranger), stranger)):
            _, errors = testbed.orchestrator(*arguments, status=2)
            tap.contains(errors, words)


tap.main()
