#!/usr/bin/python3
"""An example of an agent: a small policy, the same for every device, learned by the cross-entropy method.

    deploy/python/example_agent.py            # learns for some seconds, then compares with random decisions

Each device chooses the server of the highest score, and a split; both are linear in what the state vector says of the
device and the server. The cross-entropy method (Rubinstein, Methodology and Computing in Applied Probability 1, 1999)
draws weights from a normal distribution, plays an episode with each, and moves the distribution to the best of them.
"""
import argparse
import json

import numpy

from handoff_env import HandoffEnv

SCORES, SPLITS = 4, 5   # weights of a server's score, and of the split
DRAWN, KEPT = 16, 4     # weights tried in a round, and those that the next round is drawn around
SPREAD_MIN = 0.1        # so that the search does not stop too early


class Policy:
    """Reads the state vector (docs/model.md) of tasks that are all alike."""

    def __init__(self, world):
        self.devices, self.servers, self.layers = world['devices'], world['servers'], world['layers']

    def decide(self, weights, state):
        devices, servers = self.devices, self.servers
        own = state[:4 * devices].reshape(devices, 4)
        pairs = state[4 * devices:4 * devices + 2 * devices * servers].reshape(devices, servers, 2)
        there = state[4 * devices + 2 * devices * servers:].reshape(servers, 2)
        features = numpy.concatenate([pairs, numpy.broadcast_to(there, (devices, servers, 2))], axis=2)
        choice = numpy.argmax(features @ weights[:SCORES], axis=1)
        chosen = features[numpy.arange(devices), choice]
        inputs = numpy.column_stack([numpy.ones(devices), own[:, 3], chosen[:, 0], chosen[:, 2], chosen[:, 3]])
        share = 1 / (1 + numpy.exp(-inputs @ weights[SCORES:]))  # of the layers
        action = numpy.empty(2 * devices, dtype=int)
        action[0::2] = numpy.rint(share * self.layers)
        action[1::2] = choice
        return action


def play(env, decide, **options):
    """Mean reward of a slot of one episode, and the mean latency and energy of its tasks."""
    state, _ = env.reset(**options)
    rewards, latencies, energies, truncated = [], [], [], False
    while not truncated:
        state, reward, _, truncated, info = env.step(decide(state))
        rewards.append(reward)
        latencies.extend(info['outcome']['latency_s'])
        energies.extend(info['outcome']['energy_j'])
    return numpy.mean(rewards), numpy.mean(latencies), numpy.mean(energies)


def learn(env, rounds, seed, tell=lambda text: None):
    policy, draw = Policy(env.world), numpy.random.default_rng(seed)
    mean, spread = numpy.zeros(SCORES + SPLITS), numpy.full(SCORES + SPLITS, 2.0)
    for number in range(rounds):
        drawn = mean + spread * draw.standard_normal((DRAWN, mean.size))
        returns = [play(env, lambda state, w=weights: policy.decide(w, state))[0] for weights in drawn]
        best = drawn[numpy.argsort(returns, kind='stable')[-KEPT:]]
        mean, spread = best.mean(axis=0), numpy.maximum(best.std(axis=0), SPREAD_MIN)
        tell(f'round {number + 1}: mean reward {numpy.mean(returns):.3f}, best {max(returns):.3f}')
    return lambda state: policy.decide(mean, state)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--scenario', default='dapo-quick')
    parser.add_argument('--devices', type=int, default=5)
    parser.add_argument('--servers', type=int, default=2)
    parser.add_argument('--slots', type=int, default=40, help='in an episode (default 40)')
    parser.add_argument('--rounds', type=int, default=10, help='of the search (default 10)')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--program', help='handoff-orchestrator')
    parser.add_argument('--db', help='where the runs are recorded (default nowhere)')
    parser.add_argument('--json', action='store_true')
    options = parser.parse_args()
    with HandoffEnv(options.scenario, options.devices, options.servers, options.rounds * DRAWN, options.slots, options.seed,
                    program=options.program, db=options.db) as env:
        learned = learn(env, options.rounds, options.seed, tell=(lambda text: None) if options.json else print)
        env.action_space.seed(options.seed)
        result = {}
        for name, decide in (('learned', learned), ('random', lambda state: env.action_space.sample())):
            # The same new seed for both: other devices and servers than those it was trained on.
            runs = [play(env, decide, seed=1000 * options.seed + draw) for draw in range(5)]
            reward, latency, energy = numpy.mean(runs, axis=0)
            result[name] = {'reward': reward, 'latency_s': latency, 'energy_j': energy}
    if options.json:
        print(json.dumps(result))
        return
    for name, means in result.items():
        print(f"{name:8} mean reward {means['reward']:.3f}, latency {means['latency_s']:.3f} s, energy {means['energy_j']:.2f} J")


if __name__ == '__main__':
    main()
