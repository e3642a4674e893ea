-- Version 3: sweeps, and what a run's policy may observe.

PRAGMA user_version = 3;

DROP VIEW policy_comparison;

ALTER TABLE run ADD COLUMN policy_sees TEXT CHECK (policy_sees IN ('observations', 'model', 'world'));

CREATE INDEX run_by_parent ON run (parent_run_id);

CREATE TABLE sweep ( -- a grid of cells: policies x seeds x scenario keys
    sweep_id    INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    text        TEXT NOT NULL, -- canonical YAML, and the scenario in effect as its comment
    version     TEXT NOT NULL, -- program version and git revision that began it
    created_utc TEXT NOT NULL
) STRICT;

CREATE TABLE job ( -- a cell of a sweep: what one worker plays at a time
    sweep_id        INTEGER NOT NULL REFERENCES sweep (sweep_id),
    number          INTEGER NOT NULL CHECK (number > 0), -- its place in the grid
    experiment      TEXT NOT NULL, -- the part of the sweep file that it belongs to
    axis            TEXT NOT NULL, -- the scenario key varied, several with commas between; '': none
    value           TEXT NOT NULL, -- of the axis, likewise
    policy          TEXT NOT NULL,
    sees            TEXT NOT NULL CHECK (sees IN ('observations', 'model', 'world')),
    seed            INTEGER NOT NULL CHECK (seed >= 0),
    settings_json   TEXT NOT NULL CHECK (json_valid(settings_json)), -- every key set, with its value
    trained_by      INTEGER CHECK (trained_by <> number), -- the job whose weights it tests; NULL: its own, or none
    -- skipped: the policy is not made for this cell, and error says why.
    status          TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'failed', 'skipped')),
    worker          TEXT, -- host:process that had it last
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    started_utc     TEXT,
    finished_utc    TEXT,
    wall_s          REAL CHECK (wall_s >= 0),
    cpu_s           REAL CHECK (cpu_s >= 0), -- processor time of its worker
    train_run_id    INTEGER REFERENCES run (run_id),
    test_run_id     INTEGER REFERENCES run (run_id), -- NULL: it only trains, for others
    validate_run_id INTEGER REFERENCES run (run_id), -- of a policy that does not learn, beside learning curves
    p95_latency_s   REAL CHECK (p95_latency_s >= 0), -- of the test run's finished tasks, recorded or not
    error           TEXT,
    PRIMARY KEY (sweep_id, number),
    CHECK (status <> 'done' OR coalesce(test_run_id, train_run_id) IS NOT NULL),
    CHECK ((status = 'failed' OR status = 'skipped') = (error IS NOT NULL))
) STRICT;

-- Policies on the same held-out streams: finished runs of kind 'test' with the same parent, scenario and
-- seed; of several runs of one policy the newest. p95_latency_s is the run's own 95th percentile (nearest
-- rank over its finished tasks; where only episodes were recorded, a single episode's). regret_pct is 0 for the
-- exact optimum, and NULL where the optimum was not run on as many slots of the same streams: those of the same
-- scenario and seed, whatever the parent.
CREATE VIEW policy_comparison AS
WITH candidate AS (
    SELECT s.*, r.scenario AS scenario_text, r.policy_sees AS sees,
           row_number() OVER (PARTITION BY r.parent_run_id, r.scenario, r.seed, r.phase, r.policy
                              ORDER BY r.run_id DESC) AS age
    FROM run AS r JOIN run_summary AS s ON s.run_id = r.run_id
    WHERE r.kind = 'test' AND r.status = 'finished' AND s.tasks > 0
), newest AS (
    SELECT * FROM candidate WHERE age = 1
), optimum AS ( -- max() alone: the other columns are those of that row
    SELECT seed, phase, scenario_text, episodes, slots, mean_cost, max(run_id)
    FROM newest WHERE policy = 'optimum'
    GROUP BY seed, phase, scenario_text, episodes, slots
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
       100.0 * (n.mean_cost / nullif(o.mean_cost, 0) - 1) AS regret_pct,
       n.tasks, n.scenario, n.parent_run_id, n.seed, n.run_id, n.checkpoint_episode
FROM newest AS n
LEFT JOIN percentile AS p ON p.run_id = n.run_id
LEFT JOIN optimum AS o ON o.seed = n.seed AND o.phase = n.phase AND o.scenario_text = n.scenario_text
    AND o.episodes = n.episodes AND o.slots = n.slots
ORDER BY n.scenario, n.parent_run_id, n.seed, n.mean_cost, n.policy;

-- A sweep's results, one row a job that is done and has a test run. All policies of the same experiment, value and
-- seed met the same world and the same held-out streams. regret_pct is NULL where the optimum's job has no result.
CREATE VIEW sweep_result AS
WITH tested AS (
    SELECT j.*, s.mean_cost, s.mean_latency_s, s.mean_energy_j, s.deadline_miss_share
    FROM job AS j JOIN run_summary AS s ON s.run_id = j.test_run_id
    WHERE j.status = 'done'
)
SELECT w.name AS sweep, t.experiment, t.axis, t.value, t.policy, t.sees, t.seed,
       (SELECT coalesce(sum(e.slots), 0) FROM episode AS e WHERE e.run_id = t.train_run_id) AS train_slots,
       t.mean_cost, t.mean_latency_s, t.p95_latency_s, t.mean_energy_j, t.deadline_miss_share,
       100.0 * (t.mean_cost / nullif(o.mean_cost, 0) - 1) AS regret_pct,
       t.wall_s, t.train_run_id, t.test_run_id
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
           sum(e.mean_energy_j * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0) AS mean_energy_j
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
       100.0 * (m.mean_cost / nullif(o.mean_cost, 0) - 1) AS regret_pct,
       m.checkpoint_episode
FROM mean AS m
JOIN job AS j ON j.sweep_id = m.sweep_id AND j.number = m.number
JOIN sweep AS w ON w.sweep_id = j.sweep_id
LEFT JOIN optimum AS o ON o.sweep_id = j.sweep_id AND o.experiment = j.experiment AND o.value = j.value
    AND o.seed = j.seed
WHERE m.checkpoint_episode IS NOT NULL
ORDER BY w.name, j.number, m.checkpoint_episode;
