"""A decoder of LLaMA's kind in double precision, and writers of files with drawn weights for it. Needs numpy.

Written from the architecture and the published formats alone, so that it can disagree with the program:

* architecture: Touvron et al., arXiv:2302.13971; rotary positions: Su et al., arXiv:2104.09864; grouped queries: Ainslie et
  al., arXiv:2305.13245; LLaMA-3's scaling of frequencies: github.com/meta-llama/llama-models; biases: Qwen2's report,
  arXiv:2407.10671;
* files: github.com/huggingface/safetensors, README; github.com/ggml-org/ggml, docs/gguf.md and ggml-common.h;
  github.com/karpathy/llama2.c, export.py;
* the order of rows of queries and keys in a GGUF file of architecture llama: llama.cpp's convert_hf_to_gguf.py, permute.

Tensors have Hugging Face's names, shapes and order of rows: a model computes with both halves of a head turned together.
"""
import json
import math
import os
import struct
from dataclasses import dataclass

import numpy


@dataclass(frozen=True)
class Shape:
    layers: int = 3
    hidden: int = 48
    heads: int = 6
    kv_heads: int = 3
    head_size: int = 10  # heads * head_size need not be hidden
    ff: int = 56
    vocab: int = 77
    context: int = 64
    theta: float = 10000.0
    epsilon: float = 1e-3  # large enough to be seen
    is_tied: bool = False
    has_biases: bool = False
    scaling: tuple = ()  # ('linear', factor) or ('llama3', factor, low, high, context)


# ---- what is computed ----

def divisors(shape):
    """By what each frequency is divided."""
    count = shape.head_size // 2
    if not shape.scaling:
        return numpy.ones(count)
    kind, factor, *rest = shape.scaling
    if kind == 'linear':
        return numpy.full(count, float(factor))
    low, high, context = rest
    result = []
    for frequency in frequencies(shape):
        wave = 2.0 * math.pi / frequency
        if wave < context / high:
            result.append(1.0)
        elif wave > context / low:
            result.append(factor)
        else:
            smooth = (context / wave - low) / (high - low)
            result.append(frequency / ((1.0 - smooth) * frequency / factor + smooth * frequency))
    return numpy.array(result)


def frequencies(shape):
    return shape.theta ** (-numpy.arange(0, shape.head_size, 2) / shape.head_size)


def turn(shape, x, interleaved):
    """x [positions][heads][head_size], each pair as a complex number that is turned."""
    angle = numpy.outer(numpy.arange(len(x)), frequencies(shape) / divisors(shape))
    by = numpy.exp(1j * angle)[:, None, :]
    half = shape.head_size // 2
    result = numpy.empty_like(x)
    one, other = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(0, half), slice(half, None))
    turned = (x[..., one] + 1j * x[..., other]) * by
    result[..., one], result[..., other] = turned.real, turned.imag
    return result


def rounded(x):
    """What a product with integer weights sees of its rows: in blocks of 32 multiples of the largest / 127."""
    blocks = x.reshape(-1, 32).astype(numpy.float32)
    most = numpy.abs(blocks).max(1, keepdims=True)
    most[most == 0] = 1
    return (numpy.rint(blocks * (numpy.float32(127) / most)) * (most / numpy.float32(127)).astype(float)).reshape(x.shape)


def integers(values, bits):
    """Weights of a row rounded to 8 or 4 bits as --weights q8 and q4 do: Q8_0 and Q4_0, in single precision."""
    blocks = values.astype(numpy.float32).reshape(-1, 32)
    most = numpy.take_along_axis(blocks, numpy.abs(blocks).argmax(1)[:, None], 1)
    scale = (numpy.abs(most) / numpy.float32(127) if bits == 8 else most / numpy.float32(-8)).astype(numpy.float16)
    low, high = (-127, 127) if bits == 8 else (-8, 7)
    numbers = numpy.clip(numpy.rint(blocks / scale.astype(numpy.float32)), low, high)
    return (numbers * scale.astype(float)).reshape(values.shape)


def exactly(x):
    return x


class Model:
    """interleaved: the rows of queries and keys are in the order that turns neighbours. seen: `rounded` or `exactly`."""

    def __init__(self, shape, tensors, interleaved=False, seen=exactly):
        self.shape, self.tensors, self.interleaved, self.seen = shape, tensors, interleaved, seen

    def _norm(self, x, name):
        return x / numpy.sqrt((x * x).mean(-1, keepdims=True) + self.shape.epsilon) * self.tensors[name]

    def _times(self, x, name):
        product = self.seen(x) @ self.tensors[name + '.weight'].T
        return product + self.tensors[name + '.bias'] if name + '.bias' in self.tensors else product

    def _attended(self, x, name):
        shape, positions = self.shape, len(x)
        queries = turn(shape, self._times(x, name + 'q_proj').reshape(positions, shape.heads, -1), self.interleaved)
        keys = turn(shape, self._times(x, name + 'k_proj').reshape(positions, shape.kv_heads, -1), self.interleaved)
        values = self._times(x, name + 'v_proj').reshape(positions, shape.kv_heads, -1)
        group = shape.heads // shape.kv_heads
        result = numpy.empty_like(queries)
        for head in range(shape.heads):
            scores = queries[:, head] @ keys[:, head // group].T / math.sqrt(shape.head_size)
            weights = numpy.exp(scores - scores.max(-1, keepdims=True)) * numpy.tri(positions)
            result[:, head] = weights / weights.sum(-1, keepdims=True) @ values[:, head // group]
        return self._times(result.reshape(positions, -1), name + 'o_proj')

    def _inner(self, x, name):
        gate = self._times(x, name + 'gate_proj')
        return self._times(gate / (1.0 + numpy.exp(-gate)) * self._times(x, name + 'up_proj'), name + 'down_proj')

    def logits(self, ids):
        """Those behind the last id."""
        x = self.tensors['model.embed_tokens.weight'][ids]
        for layer in range(self.shape.layers):
            name = f'model.layers.{layer}.'
            x = x + self._attended(self._norm(x, name + 'input_layernorm.weight'), name + 'self_attn.')
            x = x + self._inner(self._norm(x, name + 'post_attention_layernorm.weight'), name + 'mlp.')
        last = self._norm(x[-1:], 'model.norm.weight')
        return self._times(last, 'model.embed_tokens' if self.shape.is_tied else 'lm_head')[0]


# ---- drawn weights ----

def sizes(shape):
    """Each tensor's name and size, in the order of a file of Hugging Face's."""
    query, kv = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    result = {'model.embed_tokens.weight': (shape.vocab, shape.hidden)}
    for layer in range(shape.layers):
        name = f'model.layers.{layer}.'
        result[name + 'input_layernorm.weight'] = (shape.hidden,)
        for part, rows in (('q', query), ('k', kv), ('v', kv)):
            result[f'{name}self_attn.{part}_proj.weight'] = (rows, shape.hidden)
            if shape.has_biases:
                result[f'{name}self_attn.{part}_proj.bias'] = (rows,)
        result[name + 'self_attn.o_proj.weight'] = (shape.hidden, query)
        result[name + 'post_attention_layernorm.weight'] = (shape.hidden,)
        result[name + 'mlp.gate_proj.weight'] = result[name + 'mlp.up_proj.weight'] = (shape.ff, shape.hidden)
        result[name + 'mlp.down_proj.weight'] = (shape.hidden, shape.ff)
    result['model.norm.weight'] = (shape.hidden,)
    if not shape.is_tied:
        result['lm_head.weight'] = (shape.vocab, shape.hidden)
    return result


def is_vector(name):
    return name.endswith(('norm.weight', '.bias'))


def width(name, size):
    """Spread of a matrix's weights. Queries and keys are large enough for attention to choose."""
    return (2.0 if 'q_proj' in name or 'k_proj' in name else 1.0) / math.sqrt(size[-1])


def draw_values(draw, name, size):
    if name.endswith('norm.weight'):
        return draw.uniform(0.6, 1.4, size)
    return draw.normal(0.0, 0.5 if name.endswith('.bias') else width(name, size), size)


# ---- formats: bytes of drawn values, and the values of bytes ----

def _f16(block, at):
    return numpy.ascontiguousarray(block[:, at:at + 2]).view('<f2').astype(float)


def _half_bytes(values):
    return values.astype('<f2').view(numpy.uint8).reshape(-1, 2)


def _bytes(draw, *size):
    return draw.integers(0, 256, size, numpy.uint8)


def _bf16(values):
    """Rounded to the nearest, to even between two."""
    bits = values.astype('<f4').view('<u4')
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype('<u2')


def q8_0(block):
    return _f16(block, 0) * block[:, 2:].view(numpy.int8)


def q4_0(block):
    nibbles = block[:, 2:]
    return _f16(block, 0) * (numpy.concatenate([nibbles & 15, nibbles >> 4], 1).astype(float) - 8.0)


def q4_k(block):
    packed = block[:, 4:16].astype(int)
    first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = numpy.concatenate([first & 63, (third & 15) | (first >> 6) << 4], 1)
    least = numpy.concatenate([second & 63, (third >> 4) | (second >> 6) << 4], 1)
    pairs = block[:, 16:].reshape(-1, 4, 1, 32)
    nibbles = numpy.concatenate([pairs & 15, pairs >> 4], 2).reshape(-1, 8, 32).astype(float)
    values = (_f16(block, 0) * scales)[..., None] * nibbles - (_f16(block, 2) * least)[..., None]
    return values.reshape(-1, 256)


def q6_k(block):
    low, high = block[:, :128].reshape(-1, 2, 64), block[:, 128:192].reshape(-1, 2, 32)
    scales = block[:, 192:208].view(numpy.int8).astype(float)
    left, right = low[..., :32], low[..., 32:]
    parts = [(left & 15) | (high & 3) << 4, (right & 15) | (high >> 2 & 3) << 4, (left >> 4) | (high >> 4 & 3) << 4,
             (right >> 4) | high >> 6 << 4]
    numbers = numpy.stack(parts, 2).reshape(-1, 16, 16).astype(float) - 32.0
    return ((_f16(block, 208) * scales)[..., None] * numbers).reshape(-1, 256)


# name: GGUF's number, elements and bytes of a block, the values of blocks
BLOCKS = {'Q4_0': (2, 32, 18, q4_0), 'Q8_0': (8, 32, 34, q8_0), 'Q4_K': (12, 256, 144, q4_k), 'Q6_K': (14, 256, 210, q6_k)}
PLAIN = {'F32': 0, 'F16': 1, 'BF16': 30}


def draw_blocks(draw, kind, count, spread):
    """Blocks with all bytes drawn, and scales by which the values spread so far."""
    _, _, size, _ = BLOCKS[kind]
    block = _bytes(draw, count, size)
    scale = spread * draw.uniform(0.5, 1.5, count)
    sign = draw.choice([-1.0, 1.0], count)
    if kind == 'Q8_0':
        block[:, :2] = _half_bytes(scale / 74.0)
    elif kind == 'Q4_0':
        block[:, :2] = _half_bytes(sign * scale / 4.6)
    elif kind == 'Q4_K':
        block[:, :2], block[:, 2:4] = _half_bytes(scale / 170.0), _half_bytes(7.5 * scale / 170.0)
    else:
        block[:, 208:] = _half_bytes(sign * scale / 1360.0)
    return block


def draw_tensor(draw, kind, name, size):
    """(rows of bytes, values) of a tensor."""
    if kind in BLOCKS:
        _, elements, bytes_, values_of = BLOCKS[kind]
        block = draw_blocks(draw, kind, math.prod(size) // elements, width(name, size))
        return block.reshape(size[0], size[1] // elements * bytes_), values_of(block).reshape(size)
    values = draw_values(draw, name, size)
    if kind == 'BF16':
        stored = _bf16(values)
        values = (stored.astype('<u4') << 16).view('<f4')
    else:
        stored = values = values.astype('<f4' if kind == 'F32' else '<f2')
    return stored.reshape(size[0], -1).view(numpy.uint8), values.astype(float)


# ---- files: each writer returns the values that the file holds ----

def write_safetensors(folder, shape, kind, seed, model_type='llama', shards=1, is_newer=False):
    """A folder as Hugging Face's: to several shards the tensors are dealt out in turn. is_newer: config.json as of 2025."""
    draw = numpy.random.default_rng(seed)
    tensors, stored = {}, {}
    for name, size in sizes(shape).items():
        stored[name], tensors[name] = draw_tensor(draw, kind, name, size)
    names = list(stored)
    places = {}
    for shard in range(shards):
        file = 'model.safetensors' if shards == 1 else f'model-{shard + 1:05}-of-{shards:05}.safetensors'
        dealt = names[shard::shards]
        _write_shard(os.path.join(folder, file), kind, {name: (tensors[name].shape, stored[name]) for name in dealt})
        places |= dict.fromkeys(dealt, file)
    if shards > 1:
        with open(os.path.join(folder, 'model.safetensors.index.json'), 'w', encoding='ascii') as file:
            json.dump({'metadata': {'total_size': sum(rows.size for rows in stored.values())}, 'weight_map': places}, file)
    with open(os.path.join(folder, 'config.json'), 'w', encoding='ascii') as file:
        json.dump(_config(shape, model_type, is_newer), file)
    return tensors


def _write_shard(path, kind, tensors):
    head, data, at = {'__metadata__': {'format': 'pt'}}, [], 0
    for name, (size, rows) in tensors.items():
        head[name] = {'dtype': kind, 'shape': size, 'data_offsets': [at, at + rows.size]}
        data.append(rows.tobytes())
        at += rows.size
    text = json.dumps(head).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(data))


def _config(shape, model_type, is_newer=False):
    """Newer files keep all that is said of rotary positions in one object."""
    config = {
        'model_type': model_type, 'hidden_act': 'silu', 'num_hidden_layers': shape.layers, 'hidden_size': shape.hidden,
        'num_attention_heads': shape.heads, 'num_key_value_heads': shape.kv_heads, 'intermediate_size': shape.ff,
        'vocab_size': shape.vocab, 'max_position_embeddings': shape.context, 'rope_theta': shape.theta,
        'rms_norm_eps': shape.epsilon, 'tie_word_embeddings': shape.is_tied,
    }
    if shape.heads * shape.head_size != shape.hidden:
        config['head_dim'] = shape.head_size
    if shape.scaling:
        kind, factor, *rest = shape.scaling
        config['rope_scaling'] = {'rope_type': kind, 'factor': factor} | dict(
            zip(('low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'), rest))
    if is_newer:
        rope = config.pop('rope_scaling', {'rope_type': 'default'})
        config['rope_parameters'] = {'rope_theta': config.pop('rope_theta'), **rope}
    return config


GGUF_NAMES = {'self_attn.q_proj': 'attn_q', 'self_attn.k_proj': 'attn_k', 'self_attn.v_proj': 'attn_v',
              'self_attn.o_proj': 'attn_output', 'mlp.gate_proj': 'ffn_gate', 'mlp.up_proj': 'ffn_up',
              'mlp.down_proj': 'ffn_down', 'input_layernorm': 'attn_norm', 'post_attention_layernorm': 'ffn_norm'}


def gguf_name(name):
    once = {'model.embed_tokens.weight': 'token_embd.weight', 'model.norm.weight': 'output_norm.weight',
            'lm_head.weight': 'output.weight'}
    if name in once:
        return once[name]
    layer, rest = name.removeprefix('model.layers.').split('.', 1)
    part, what = rest.rsplit('.', 1)
    return f'blk.{layer}.{GGUF_NAMES[part]}.{what}'


def permuted(rows, heads):
    """Rows of queries or keys so that neighbours turn: the halves of each head are shuffled into one another."""
    return rows.reshape(heads, 2, len(rows) // heads // 2, -1).swapaxes(1, 2).reshape(rows.shape)


def interleaved(shape, tensors):
    """The same model with the rows of queries and keys in the other order."""
    heads = {'q_proj': shape.heads, 'k_proj': shape.kv_heads}
    return {name: permuted(rows, heads[name.split('.')[-2]]) if name.split('.')[-2] in heads else rows
            for name, rows in tensors.items()}


def _text(text):
    return struct.pack('<Q', len(text)) + text.encode()


def _pair(key, value):
    if isinstance(value, str):
        return _text(key) + struct.pack('<I', 8) + _text(value)
    return _text(key) + (struct.pack('<If', 6, value) if isinstance(value, float) else struct.pack('<II', 4, value))


def _gguf_keys(shape, architecture):
    keys = {
        'block_count': shape.layers, 'context_length': shape.context, 'embedding_length': shape.hidden,
        'feed_forward_length': shape.ff, 'attention.head_count': shape.heads, 'attention.head_count_kv': shape.kv_heads,
        'attention.layer_norm_rms_epsilon': shape.epsilon, 'rope.freq_base': shape.theta,
        'rope.dimension_count': shape.head_size,
    }
    if shape.heads * shape.head_size != shape.hidden:
        keys |= {'attention.key_length': shape.head_size, 'attention.value_length': shape.head_size}
    if shape.scaling and shape.scaling[0] == 'linear':
        keys |= {'rope.scaling.type': 'linear', 'rope.scaling.factor': float(shape.scaling[1])}
    return {'general.architecture': architecture, 'general.alignment': 32, 'general.quantization_version': 2} | {
        f'{architecture}.{key}': value for key, value in keys.items()}


def write_gguf(path, shape, kind, seed, architecture='llama', reorder=None):
    """kind(name): a matrix's format. Vectors are F32, as converters write them. reorder: whether queries and keys are in the
    order that turns neighbours; None: as llama.cpp's converter does for the architecture."""
    draw = numpy.random.default_rng(seed)
    tensors, stored, kinds = {}, {}, {}
    for name, size in sizes(shape).items():
        kinds[name] = 'F32' if is_vector(name) else kind(name)
        stored[name], tensors[name] = draw_tensor(draw, kinds[name], name, size)
    if architecture == 'llama' if reorder is None else reorder:
        stored = interleaved(shape, stored)
    if shape.scaling and shape.scaling[0] == 'llama3':
        kinds['rope_freqs.weight'] = 'F32'
        stored['rope_freqs.weight'] = divisors(shape).astype('<f4').view(numpy.uint8)
    pairs = _gguf_keys(shape, architecture)
    head = [struct.pack('<4sIQQ', b'GGUF', 3, len(stored), len(pairs)), *(_pair(*pair) for pair in pairs.items())]
    data, at = [], 0
    for name, rows in stored.items():
        size = tensors[name].shape if name in tensors else (shape.head_size // 2,)
        number = PLAIN[kinds[name]] if kinds[name] in PLAIN else BLOCKS[kinds[name]][0]
        head.append(_text(gguf_name(name) if name in tensors else name)
                    + struct.pack(f'<I{len(size)}QIQ', len(size), *reversed(size), number, at))
        data.append(rows.tobytes() + bytes(-rows.size % 32))
        at += len(data[-1])
    head = b''.join(head)
    with open(path, 'wb') as file:
        file.write(head + bytes(-len(head) % 32) + b''.join(data))
    return tensors


def write_llama2c(path, shape, seed):
    """One file of float32, with the rows of queries and keys that turn neighbours."""
    draw = numpy.random.default_rng(seed)
    tensors = {name: draw_tensor(draw, 'F32', name, size)[1] for name, size in sizes(shape).items()}
    stored = interleaved(shape, tensors)
    parts = ['input_layernorm', 'self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj',
             'post_attention_layernorm', 'mlp.gate_proj', 'mlp.down_proj', 'mlp.up_proj']
    names = ['model.embed_tokens.weight', *(f'model.layers.{layer}.{part}.weight' for part in parts
                                            for layer in range(shape.layers)), 'model.norm.weight']
    with open(path, 'wb') as file:
        file.write(struct.pack('<7i', shape.hidden, shape.ff, shape.layers, shape.heads, shape.kv_heads,
                               shape.vocab if shape.is_tied else -shape.vocab, shape.context))
        for name in names:
            file.write(stored[name].astype('<f4').tobytes())
        file.write(bytes(4 * shape.context * shape.head_size))  # cosines and sines, which nobody reads
        if not shape.is_tied:
            file.write(stored['lm_head.weight'].astype('<f4').tobytes())
    return tensors
