"""A small llama2.c model with drawn weights, and a tokenizer of single bytes for it."""
import random
import struct

HIDDEN, FF, LAYERS, HEADS, KV_HEADS, CONTEXT = 64, 96, 3, 4, 2, 64
TOKENS = ['<unk>', '\n<s>\n', '\n</s>\n'] + [f'<0x{i:02X}>' for i in range(256)] + [' '] + [chr(97 + i) for i in range(26)]


def write(path, tokenizer=None, seed=1):
    draw = random.Random(seed)
    kv = HIDDEN // HEADS * KV_HEADS

    def numbers(count, middle, width):
        return struct.pack(f'<{count}f', *(middle + width * draw.uniform(-1, 1) for _ in range(count)))

    parts = [struct.pack('<7i', HIDDEN, FF, LAYERS, HEADS, KV_HEADS, len(TOKENS), CONTEXT), numbers(len(TOKENS) * HIDDEN, 0, 1),
             numbers(LAYERS * HIDDEN, 1, 0.3), numbers(LAYERS * HIDDEN * HIDDEN, 0, 0.3), numbers(2 * LAYERS * HIDDEN * kv, 0, 0.3),
             numbers(LAYERS * HIDDEN * HIDDEN, 0, 0.2), numbers(LAYERS * HIDDEN, 1, 0.3), numbers(3 * LAYERS * HIDDEN * FF, 0, 0.2),
             numbers(HIDDEN, 1, 0.3), bytes(4 * CONTEXT * HIDDEN // HEADS)]
    with open(path, 'wb') as file:
        file.write(b''.join(parts))
    if tokenizer is not None:
        write_tokenizer(tokenizer)


def write_tokenizer(path):
    with open(path, 'wb') as file:
        file.write(struct.pack('<i', max(len(token.encode()) for token in TOKENS)))
        for token in TOKENS:
            file.write(struct.pack('<fi', 0.0, len(token.encode())) + token.encode())
