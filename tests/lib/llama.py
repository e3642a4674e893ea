"""A second opinion on a model's files: what Hugging Face's LlamaForCausalLM computes from model.safetensors and
config.json, and what their tokenizer makes of ASCII text, written from their formats alone. Needs numpy."""
import json
import math
import os
import re
import struct

import numpy

# GPT-2's pattern, for ASCII.
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def letters():
    """GPT-2's letter for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


class Tokenizer:
    def __init__(self, folder):
        with open(os.path.join(folder, 'tokenizer.json'), encoding='utf-8') as file:
            self.file = json.load(file)
        self.vocabulary = self.file['model']['vocab']
        self.rank = {tuple(merge.split(' ')): i for i, merge in enumerate(self.file['model']['merges'])}
        self.letter = letters()

    def pieces(self, text):
        return [piece for word in WORD.findall(text) for piece in self._merged([self.letter[byte] for byte in word.encode()])]

    def _merged(self, parts):
        while len(parts) > 1:
            rank, at = min((self.rank.get((a, b), math.inf), i) for i, (a, b) in enumerate(zip(parts, parts[1:])))
            if rank == math.inf:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        return parts


class Model:
    def __init__(self, folder):
        with open(os.path.join(folder, 'config.json'), encoding='utf-8') as file:
            self.config = json.load(file)
        with open(os.path.join(folder, 'model.safetensors'), 'rb') as file:
            length, = struct.unpack('<Q', file.read(8))
            head, data = json.loads(file.read(length)), file.read()
        self.metadata = head.pop('__metadata__')
        self.tensors = {name: numpy.frombuffer(data[slice(*tensor['data_offsets'])], '<f2').reshape(tensor['shape']).astype(float)
                        for name, tensor in head.items()}

    def _norm(self, x, name):
        root = numpy.sqrt((x * x).mean(-1, keepdims=True) + self.config['rms_norm_eps'])
        return x / root * self.tensors[name + '.weight']

    def _heads(self, x, name, heads):
        return (x @ self.tensors[name + '.weight'].T).reshape(len(x), heads, -1).transpose(1, 0, 2)

    def _turn(self, x):
        positions, size = x.shape[1:]
        angle = numpy.outer(range(positions), self.config['rope_theta'] ** (-numpy.arange(0, size, 2) / size))
        angle = numpy.concatenate([angle, angle], -1)
        low, high = x[..., :size // 2], x[..., size // 2:]
        return x * numpy.cos(angle) + numpy.concatenate([-high, low], -1) * numpy.sin(angle)

    def _layer(self, x, name):
        heads, kv_heads = self.config['num_attention_heads'], self.config['num_key_value_heads']
        normed = self._norm(x, name + 'input_layernorm')
        queries = self._turn(self._heads(normed, name + 'self_attn.q_proj', heads))
        keys = self._turn(self._heads(normed, name + 'self_attn.k_proj', kv_heads)).repeat(heads // kv_heads, 0)
        values = self._heads(normed, name + 'self_attn.v_proj', kv_heads).repeat(heads // kv_heads, 0)
        scores = queries @ keys.transpose(0, 2, 1) / math.sqrt(queries.shape[-1])
        scores += numpy.triu(numpy.full(scores.shape[1:], -numpy.inf), 1)
        weights = numpy.exp(scores - scores.max(-1, keepdims=True))
        attended = (weights / weights.sum(-1, keepdims=True) @ values).transpose(1, 0, 2).reshape(x.shape)
        x = x + attended @ self.tensors[name + 'self_attn.o_proj.weight'].T
        normed = self._norm(x, name + 'post_attention_layernorm')
        gate = normed @ self.tensors[name + 'mlp.gate_proj.weight'].T
        up = normed @ self.tensors[name + 'mlp.up_proj.weight'].T
        return x + (gate / (1.0 + numpy.exp(-gate)) * up) @ self.tensors[name + 'mlp.down_proj.weight'].T

    def nats(self, tokens):
        """-log p of each token but the first."""
        x = self.tensors['model.embed_tokens.weight'][tokens[:-1]]
        for number in range(self.config['num_hidden_layers']):
            x = self._layer(x, f'model.layers.{number}.')
        logits = self._norm(x, 'model.norm') @ self.tensors['model.embed_tokens.weight'].T
        most = logits.max(-1)
        return numpy.log(numpy.exp(logits - most[:, None]).sum(-1)) + most - logits[range(len(x)), tokens[1:]]


def bits_per_byte(folder, text):
    """(bits per byte, scored tokens): windows half a context apart, the last half of each is scored."""
    model, tokenizer = Model(folder), Tokenizer(folder)
    pieces = tokenizer.pieces(text)
    tokens = numpy.array([tokenizer.vocabulary[piece] for piece in pieces])
    context = model.config['max_position_embeddings']
    stride, last = context // 2, len(tokens) - 1 - context
    nats, count, scored = 0.0, 0, 0
    for first in [*range(0, last, stride), last]:
        begin = max(first + context - stride, count + context - stride) - first
        nats += model.nats(tokens[first:first + context + 1])[begin:].sum()
        scored += sum(len(piece) for piece in pieces[first + begin + 1:first + context + 1])
        count += context - begin
    return nats / math.log(2.0) / scored, count
