-- Version 6: what a bad channel did to a task's activations, and what that cost in quality. New columns come last.
-- Costs may be negative (objective.reward: shaped): then regret is counted in their size.

PRAGMA user_version = 6;

ALTER TABLE run ADD COLUMN surrogate TEXT; -- that took the model's place (quality.surrogate_after), as quality.table; NULL: none

ALTER TABLE run ADD COLUMN prompt_bytes BLOB; -- bytes of text that each of prompt_tokens stands for, one byte each; NULL: not known

ALTER TABLE task ADD COLUMN channel REAL; -- condition of its channel (channel.mode): a probability, or an SNR in dB; NULL: reliable
ALTER TABLE task ADD COLUMN missing REAL CHECK (missing BETWEEN 0 AND 1); -- share of its packets that did not arrive; NULL: it has none
ALTER TABLE task ADD COLUMN quality REAL; -- log of its perplexity over that of a clean channel; NULL: not known
ALTER TABLE task ADD COLUMN nll REAL CHECK (nll >= 0); -- summed negative log-likelihood of its tokens, nats; NULL: not known
ALTER TABLE task ADD COLUMN nll_tokens REAL CHECK (nll_tokens >= 0); -- how many tokens that is of
ALTER TABLE task ADD COLUMN nll_bytes REAL CHECK (nll_bytes >= 0); -- and how many bytes of text
ALTER TABLE task ADD COLUMN coding INTEGER NOT NULL DEFAULT 0 CHECK (coding >= 0); -- of its activations; 0: the scenario's format and margin
ALTER TABLE task ADD COLUMN element_bits REAL CHECK (element_bits >= 0); -- of its format; NULL: nothing was sent
ALTER TABLE task ADD COLUMN margin_db REAL; -- of its rate; NULL: nothing was sent, or the channel is not bounded

DROP VIEW episode_summary;
DROP VIEW policy_comparison;
DROP VIEW sweep_result;
DROP VIEW sweep_curve;

-- One row an episode: the learning curve. closed = 0: the episode is not over, or never was, and its numbers are those
-- of open_episode.
CREATE VIEW episode_summary AS
SELECT e.run_id, r.kind, r.policy, e.episode, e.slots, e.tasks, e.mean_cost, e.optimum_cost,
       iif(e.optimum_cost < 0, -100.0, 100.0) * (e.mean_cost / nullif(e.optimum_cost, 0) - 1) AS regret_pct,
       e.mean_latency_s, e.p50_latency_s, e.p95_latency_s, e.p99_latency_s, e.mean_energy_j,
       e.deadline_misses * 1.0 / nullif(e.tasks - e.failures, 0) AS deadline_miss_share,
       e.failures, e.repairs, e.episode_return, e.wall_s,
       e.tasks / nullif(e.wall_s, 0) AS tasks_per_s,
       1 AS closed
FROM episode AS e JOIN run AS r ON r.run_id = e.run_id
UNION ALL
SELECT o.run_id, r.kind, r.policy, o.episode, o.slots, o.tasks, o.mean_cost, NULL, NULL,
       o.mean_latency_s, NULL, NULL, NULL, o.mean_energy_j,
       o.deadline_misses * 1.0 / nullif(o.tasks - o.failures, 0), o.failures, o.repairs, NULL, NULL, NULL, 0
FROM open_episode AS o JOIN run AS r ON r.run_id = o.run_id
ORDER BY 1, 4;

-- Policies on the same held-out streams: finished runs of kind 'test' with the same scenario name, seed and streams,
-- whoever was trained last; of several runs of one policy, and of one training's weights, the newest. streams is the
-- number that a run has for what its held-out streams come from; older runs have the scenario's text there. updates is
-- how often the learner's weights had been improved: 0 has learned nothing. p95_latency_s is the run's own 95th
-- percentile (nearest rank over its finished tasks; where only episodes were recorded, a single episode's). regret_pct
-- is 0 for the exact optimum, and NULL where the optimum was not run on as many slots of the same streams.
CREATE VIEW policy_comparison AS
WITH candidate AS (
    SELECT s.*, r.policy_sees AS sees, coalesce(json_extract(r.config_json, '$.streams'), r.scenario) AS streams
    FROM run AS r JOIN run_summary AS s ON s.run_id = r.run_id
    WHERE r.kind = 'test' AND r.status = 'finished' AND s.tasks > 0
), ranked AS ( -- weights are told apart by the run that trained them
    SELECT *, row_number() OVER (PARTITION BY scenario, streams, seed, phase, policy,
                                              iif(checkpoint_episode IS NULL, 0, parent_run_id)
                                 ORDER BY run_id DESC) AS age
    FROM candidate
), newest AS (
    SELECT * FROM ranked WHERE age = 1
), optimum AS ( -- max() alone: the other columns are those of that row
    SELECT seed, phase, streams, episodes, slots, mean_cost, max(run_id)
    FROM newest WHERE policy = 'optimum'
    GROUP BY seed, phase, streams, episodes, slots
), placed AS ( -- the finished tasks of those runs from fast to slow
    SELECT t.run_id, t.latency_s,
           row_number() OVER (PARTITION BY t.run_id ORDER BY t.latency_s) AS place,
           count(*) OVER (PARTITION BY t.run_id) AS done
    FROM newest AS m CROSS JOIN task AS t ON t.run_id = m.run_id -- CROSS: look these runs up, scan no other
    WHERE t.latency_s IS NOT NULL
), percentile AS (
    SELECT run_id, min(latency_s) AS latency_s FROM placed WHERE 100 * place >= 95 * done GROUP BY run_id
)
SELECT n.policy, n.sees, n.mean_cost, n.mean_latency_s,
       coalesce(p.latency_s,
                (SELECT max(e.p95_latency_s) FROM episode AS e WHERE e.run_id = n.run_id AND n.episodes = 1))
           AS p95_latency_s,
       n.mean_energy_j, n.deadline_miss_share,
       iif(o.mean_cost < 0, -100.0, 100.0) * (n.mean_cost / nullif(o.mean_cost, 0) - 1) AS regret_pct,
       n.tasks, n.scenario, n.parent_run_id, n.seed, n.run_id, n.checkpoint_episode, n.updates, n.streams
FROM newest AS n
LEFT JOIN percentile AS p ON p.run_id = n.run_id
LEFT JOIN optimum AS o ON o.seed = n.seed AND o.phase = n.phase AND o.streams = n.streams
    AND o.episodes = n.episodes AND o.slots = n.slots
ORDER BY n.scenario, n.seed, n.streams, n.mean_cost, n.policy, n.run_id;

-- A sweep's results, one row a job that is done and has a test run. All policies of the same experiment, value and
-- seed met the same world and the same held-out streams. regret_pct is NULL where the optimum's job has no result.
CREATE VIEW sweep_result AS
WITH tested AS (
    SELECT j.*, s.mean_cost, s.mean_latency_s, s.mean_energy_j, s.deadline_miss_share, s.updates,
           s.mean_episode_return
    FROM job AS j JOIN run_summary AS s ON s.run_id = j.test_run_id
    WHERE j.status = 'done'
)
SELECT w.name AS sweep, t.experiment, t.axis, t.value, t.policy, t.sees, t.seed,
       (SELECT coalesce(sum(e.slots), 0) FROM episode AS e WHERE e.run_id = t.train_run_id) AS train_slots,
       t.mean_cost, t.mean_latency_s, t.p95_latency_s, t.mean_energy_j, t.deadline_miss_share,
       iif(o.mean_cost < 0, -100.0, 100.0) * (t.mean_cost / nullif(o.mean_cost, 0) - 1) AS regret_pct,
       t.wall_s, t.train_run_id, t.test_run_id, t.updates, t.mean_episode_return
FROM tested AS t
JOIN sweep AS w ON w.sweep_id = t.sweep_id
LEFT JOIN tested AS o ON o.policy = 'optimum' AND o.sweep_id = t.sweep_id AND o.experiment = t.experiment
    AND o.value = t.value AND o.seed = t.seed
ORDER BY w.name, t.number;

-- Learning curves of a sweep: what each checkpoint of a training cost on the validation streams, against the training
-- slots until then. regret_pct relates it to the optimum on the same streams, and is NULL where that has no result.
CREATE VIEW sweep_curve AS
WITH validated AS (
    SELECT j.sweep_id, j.number, v.run_id, v.checkpoint_episode
    FROM job AS j CROSS JOIN run AS v ON v.parent_run_id = j.train_run_id
    WHERE j.status = 'done' AND j.trained_by IS NULL AND v.kind = 'validate' AND v.policy = j.policy
    UNION ALL
    SELECT j.sweep_id, j.number, j.validate_run_id, NULL FROM job AS j WHERE j.validate_run_id IS NOT NULL
), mean AS (
    SELECT v.sweep_id, v.number, v.checkpoint_episode,
           sum(e.mean_cost * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0) AS mean_cost,
           sum(e.mean_latency_s * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0)
               AS mean_latency_s,
           sum(e.mean_energy_j * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0) AS mean_energy_j,
           avg(e.episode_return) AS mean_episode_return
    FROM validated AS v CROSS JOIN episode AS e ON e.run_id = v.run_id
    GROUP BY v.sweep_id, v.number, v.run_id
), optimum AS (
    SELECT j.sweep_id, j.experiment, j.value, j.seed, m.mean_cost
    FROM job AS j JOIN mean AS m ON m.sweep_id = j.sweep_id AND m.number = j.number
    WHERE j.policy = 'optimum'
)
SELECT w.name AS sweep, j.experiment, j.axis, j.value, j.policy, j.sees, j.seed,
       (SELECT sum(e.slots) FROM episode AS e
        WHERE e.run_id = j.train_run_id AND e.episode <= m.checkpoint_episode) AS slots,
       m.mean_cost, m.mean_latency_s, m.mean_energy_j,
       iif(o.mean_cost < 0, -100.0, 100.0) * (m.mean_cost / nullif(o.mean_cost, 0) - 1) AS regret_pct,
       m.checkpoint_episode, m.mean_episode_return
FROM mean AS m
JOIN job AS j ON j.sweep_id = m.sweep_id AND j.number = m.number
JOIN sweep AS w ON w.sweep_id = j.sweep_id
LEFT JOIN optimum AS o ON o.sweep_id = j.sweep_id AND o.experiment = j.experiment AND o.value = j.value
    AND o.seed = j.seed
WHERE m.checkpoint_episode IS NOT NULL
ORDER BY w.name, j.number, m.checkpoint_episode;

-- What a bad channel cost, by split: means over finished tasks. Perplexity and bits per byte are those of all their
-- tokens together: exact, whatever the lengths. relative_perplexity is that over a clean channel's (quality.source), the
-- geometric mean.
CREATE VIEW task_quality AS
SELECT run_id, split, count(*) AS tasks, avg(latency_s) AS latency_s, avg(energy_j) AS energy_j, avg(missing) AS missing,
       exp(sum(nll) / nullif(sum(nll_tokens), 0)) AS perplexity,
       sum(nll) / 0.6931471805599453 / nullif(sum(nll_bytes), 0) AS bits_per_byte,
       exp(avg(quality)) AS relative_perplexity
FROM task
WHERE latency_s IS NOT NULL
GROUP BY run_id, split
ORDER BY run_id, split;
