"""train: a model from a folder of texts; it is the same however often it was stopped, and its files say what it says."""
import hashlib
import json
import os
import random
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import python_with
import tap
import testbed

python_with.modules('numpy')
import llama  # noqa: E402

SHAPE = ('--layers', 2, '--width', 32, '--heads', 4, '--kv-heads', 2, '--hidden', 48, '--vocabulary', 300, '--context', 32)
TRAINING = ('--steps', 300, '--warm-up', 10, '--rate', 1e-2, '--noise-share', 0.25, '--exit-weight', 0.1, '--evaluate-steps', 100)
NOUNS, VERBS = ('cat', 'dog', "king's son", 'ship', 'whale'), ('sees', 'follows', 'has lost', "doesn't know")


def sentences(seed, count):
    draw = random.Random(seed)
    return ''.join(f'The {draw.choice(NOUNS)} {draw.choice(VERBS)} the {draw.choice(NOUNS)}{draw.choice(".!?,")}\n'
                   for _ in range(count))


def write_texts(folder):
    texts = {'train/a.txt': sentences(1, 300), 'train/b.txt': sentences(2, 300), 'evaluation/near.txt': sentences(3, 60),
             'evaluation/far.txt': 'In 1812, 3 ships (of 40 guns) went  down -- all hands!\n' * 12}
    for name, text in texts.items():
        path = os.path.join(folder, 'texts', name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='ascii') as file:
            file.write(text)
    return os.path.join(folder, 'texts')


def command(texts, model, *arguments):
    return ('train', texts, '-o', model, *SHAPE, *TRAINING, *arguments)


def train(texts, model, *arguments, status=0):
    return testbed.orchestrator(*command(texts, model, *arguments), status=status)


def files_of(model):
    """Digests of all that a training leaves; what a killed one was just writing does not count."""
    digests = {}
    for name in sorted(name for name in os.listdir(model) if not name.endswith('.new')):
        with open(os.path.join(model, name), 'rb') as file:
            digests[name] = hashlib.sha256(file.read()).hexdigest()
    return digests


def age_of(model):
    """When the state was last saved; None: never."""
    path = os.path.join(model, 'training.state')
    return os.stat(path).st_mtime_ns if os.path.exists(path) else None


@tap.test
def threads_and_interruptions_change_no_byte_of_its_files():
    with testbed.scratch() as folder:
        texts, whole, cut = write_texts(folder), os.path.join(folder, 'whole'), os.path.join(folder, 'cut')
        train(texts, whole, '--quiet', '--threads', 2)
        tap.equal(sorted(files_of(whole)), ['config.json', 'model.safetensors', 'tokenizer.json', 'training.json', 'training.state'])
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
            before, resume = age_of(cut), ('--resume',) if age_of(cut) else ()
            program = testbed.Program([str(word) for word in (testbed.ORCHESTRATOR, *command(texts, cut, '--save-s', 0, *resume))])
            testbed.until(lambda: age_of(cut) != before or program.child.poll() is not None, 'a step is done')
            program.kill(number)
            tap.equal(program.wait(), 137 if number == signal.SIGKILL else 130, 'status')
            if number != signal.SIGKILL:
                tap.contains(program.text(), 'interrupted after step', '--resume goes on from there')
        tap.true(not os.path.exists(os.path.join(cut, 'model.safetensors')), 'it was stopped before its end')
        train(texts, cut, '--quiet', '--resume')
        tap.equal(files_of(cut), files_of(whole))


@tap.test
def its_files_foretell_the_text_as_it_says():
    with testbed.scratch() as folder:
        texts, model = write_texts(folder), os.path.join(folder, 'model')
        told = json.loads(train(texts, model, '--quiet', '--json')[0])
        with open(os.path.join(model, 'training.json'), encoding='utf-8') as file:
            tap.equal(json.load(file), told)
        tap.equal([kind['text'] for kind in told['evaluation']], ['far', 'near'])
        for kind in told['evaluation']:
            with open(os.path.join(texts, 'evaluation', kind['text'] + '.txt'), encoding='ascii') as file:
                bits, tokens = llama.bits_per_byte(model, file.read())
            tap.equal(kind['scored_tokens'], tokens)
            tap.true(abs(bits - kind['bits_per_byte']) < 1e-4, f'{kind["text"]}: {bits}, and it says {kind["bits_per_byte"]}')
        near, far = told['evaluation'][1]['bits_per_byte'], told['evaluation'][0]['bits_per_byte']
        tap.true(near < 1.5 < far, f'text of the kind that it has read: {near}, other text: {far}')


@tap.test
def its_table_has_every_kind_of_text():
    with testbed.scratch() as folder:
        texts, model = write_texts(folder), os.path.join(folder, 'model')
        output, _ = train(texts, model)
        tap.contains(output, 'bits per byte', 'near', 'far', 'parameters, seed 1, 300 steps')


@tap.test
def what_cannot_be_trained_is_said():
    with testbed.scratch() as folder:
        texts, model = write_texts(folder), os.path.join(folder, 'model')
        for arguments, said in {
                (texts, '--width', 33): 'heads: a width of 33 does not divide into 4 heads',
                (texts, '--rate', 'fast'): "--rate: 'fast' is not a number",
                (texts, '--shards', 3): 'shards: 3 do not divide a batch of 8',
                (texts, '--vocabulary', 4000): 'the texts are too short for 4000 tokens',
                (texts, '--vocabulary', 200): 'vocabulary: 200 is not from 257 to 4096',
                (texts, '--context', 2048, '--vocabulary', 300): 'evaluation/far.txt: a text of',
                (os.path.join(folder, 'nowhere'),): 'nowhere/train: ' + os.strerror(2),
                (): 'train on what?',
                (texts, '--vocabulary', 300, '--resume'): 'training.state: ' + os.strerror(2),
                (texts, texts): 'too many words',
        }.items():
            _, errors = testbed.orchestrator('train', *arguments, '-q', '-o', model, '--steps', 1, status=2)
            tap.contains(errors, said)


@tap.test
def a_state_is_not_written_over():
    with testbed.scratch() as folder:
        texts, model = write_texts(folder), os.path.join(folder, 'model')
        train(texts, model, '-q')
        before = files_of(model)
        _, errors = train(texts, model, '-q', status=2)
        tap.contains(errors, 'training.state is there already: --resume goes on with it')
        _, errors = train(texts, model, '-q', '--resume', '--seed', 2, status=None)
        tap.contains(errors, 'was trained with seed 1, and is to go on with 2')
        tap.equal(files_of(model), before)
        train(texts, model, '-q', '--resume')  # nothing is left to do but to evaluate
        tap.equal(files_of(model), before)


@tap.test
def the_house_models_evaluation_set_is_what_was_recorded():
    house = os.path.join(testbed.SOURCE_ROOT, 'deploy', 'models', 'house')
    with open(os.path.join(house, 'texts.sha256'), encoding='ascii') as file:
        recorded = {name: digest for digest, name in (line.split() for line in file)}
    found = {'evaluation/' + name: digest for name, digest in files_of(os.path.join(house, 'evaluation')).items()}
    tap.equal(found, {name: digest for name, digest in recorded.items() if name.startswith('evaluation/')})
    held_out = {name.partition('/')[2] for name in recorded if name.startswith('held-out/')}
    trained_on = {name.partition('/')[2] for name in recorded if name.startswith('train/')}
    tap.equal(held_out & trained_on, set(), 'works that are held out and trained on')
    tap.equal(len(held_out), 19, 'works held out')


tap.main()
