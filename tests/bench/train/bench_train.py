"""Our training beside torch's, of the same model, batch and number of threads: blocks of steps alternate, and each pair
gives one ratio, so that a noisy neighbour slows both. Skips without torch (Debian: python3-torch).

With two threads, only on a machine that has nothing else to do: torch's threads wait for each other by spinning.

usage: bench_train.py BENCH_TRAIN [THREADS]
"""
import statistics
import subprocess
import sys
import time

try:
    import torch
except ImportError:
    print('bench_train: skipped, python3-torch is not installed')
    sys.exit(77)

LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN, VOCABULARY, CONTEXT, BATCH = 12, 128, 4, 2, 352, 1024, 256, 8
SIZE = WIDTH // HEADS
STEPS, PAIRS = 3, 5


class Norm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(WIDTH))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def linear(inputs, outputs):
    return torch.nn.Linear(inputs, outputs, bias=False)


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention_norm, self.feed_norm = Norm(), Norm()
        self.qkv, self.output = linear(WIDTH, WIDTH + 2 * KV_HEADS * SIZE), linear(WIDTH, WIDTH)
        self.gate_up, self.down = linear(WIDTH, 2 * HIDDEN), linear(HIDDEN, WIDTH)

    def forward(self, x, cosine, sine, mask):
        batch, length, _ = x.shape
        query, key, value = self.qkv(self.attention_norm(x)).split([WIDTH, KV_HEADS * SIZE, KV_HEADS * SIZE], -1)
        query, key, value = (part.view(batch, length, -1, SIZE).transpose(1, 2) for part in (query, key, value))
        query, key = turn(query, cosine, sine), turn(key, cosine, sine)
        key, value = (part.repeat_interleave(HEADS // KV_HEADS, 1) for part in (key, value))
        weights = (query @ key.transpose(2, 3) * SIZE ** -0.5 + mask).softmax(-1)
        x = x + self.output((weights @ value).transpose(1, 2).reshape(batch, length, WIDTH))
        gate, up = self.gate_up(self.feed_norm(x)).split(HIDDEN, -1)
        return x + self.down(torch.nn.functional.silu(gate) * up)


def turn(x, cosine, sine):
    low, high = x.split(SIZE // 2, -1)
    return x * cosine + torch.cat([-high, low], -1) * sine


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, WIDTH)
        self.layers, self.norm = torch.nn.ModuleList(Layer() for _ in range(LAYERS)), Norm()
        angle = torch.outer(torch.arange(CONTEXT), 10000.0 ** (-torch.arange(0, SIZE, 2) / SIZE)).repeat(1, 2)
        self.cosine, self.sine = angle.cos(), angle.sin()
        self.mask = torch.full((CONTEXT, CONTEXT), float('-inf')).triu(1)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine, self.mask)
        return self.norm(x) @ self.embedding.weight.T


def step(model, optimiser):
    tokens = torch.randint(VOCABULARY, (BATCH, CONTEXT + 1))
    logits = model(tokens[:, :-1])
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), tokens[:, 1:].reshape(-1))
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()


def theirs(model, optimiser):
    begun = time.perf_counter()
    for _ in range(STEPS):
        step(model, optimiser)
    return STEPS * BATCH * CONTEXT / (time.perf_counter() - begun)


def main():
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.set_num_threads(threads)
    model = Model()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
    theirs(model, optimiser)  # warm
    pairs = []
    for _ in range(PAIRS):
        said = subprocess.run([sys.argv[1], str(threads), str(STEPS)], check=True, capture_output=True, text=True).stdout
        pairs.append((float(said.split()[0]), theirs(model, optimiser)))
    ours, torchs = (statistics.median(values) for values in zip(*pairs))
    ratio = statistics.median(own / other for own, other in pairs)
    print(f'{threads} threads: ours {ours:.0f} tokens/s, torch {torch.__version__} {torchs:.0f} tokens/s; '
          f'median of {PAIRS} ratios {ratio:.2f}')


if __name__ == '__main__':
    main()
