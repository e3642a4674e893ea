-- The database as it stands today, for reading: one file holds one experiment. It is made by
-- migrations/*.sql, one after the other; a test proves that both give the same tables, columns, indexes and
-- views. docs/database.md explains it with examples.
--
-- Conventions: units end a column's name (_s seconds, _j joules, _m metres, _w watts, _bps bits per second).
-- NULL means never measured: a lost task has no latency, a local task no server. Server and device numbers
-- count from 0.

PRAGMA application_id = 1751215716; -- 0x68616e64, "hand"
PRAGMA user_version = 9;            -- the last migration

CREATE TABLE run ( -- one start of the orchestrator, or one policy's evaluation
    run_id             INTEGER PRIMARY KEY AUTOINCREMENT, -- of a run that was deleted: never given again
    kind               TEXT NOT NULL
                       CHECK (kind IN ('train', 'validate', 'test', 'counterfactual', 'twin')),
    scenario_name      TEXT NOT NULL,
    scenario           TEXT NOT NULL, -- canonical YAML
    config_json        TEXT NOT NULL CHECK (json_valid(config_json)), -- effective configuration
    seed               INTEGER NOT NULL CHECK (seed >= 0),
    policy             TEXT NOT NULL,
    parent_run_id      INTEGER REFERENCES run (run_id), -- the run whose world or learner this one reuses
    checkpoint_episode INTEGER CHECK (checkpoint_episode >= 0), -- of the parent's learner, evaluated here
    phase              TEXT NOT NULL CHECK (phase IN ('train', 'validate', 'test')), -- its random streams
    host               TEXT NOT NULL CHECK (host IN ('memory', 'tcp')),
    clock              TEXT NOT NULL CHECK (clock IN ('virtual', 'real')),
    time_scale         REAL NOT NULL CHECK (time_scale > 0), -- model seconds in a second of the real clock
    mode               TEXT NOT NULL CHECK (mode IN ('round', 'queue')), -- does work carry over to the next slot?
    version            TEXT NOT NULL, -- program version and git revision
    cpu                TEXT NOT NULL, -- CPU model and BLAS kernel
    started_utc        TEXT NOT NULL,
    status             TEXT NOT NULL -- a killed run stays 'running'
                       CHECK (status IN ('running', 'finished', 'aborted')),
    trusted            INTEGER NOT NULL CHECK (trusted IN (0, 1)),
    untrusted_reason   TEXT CHECK (trusted = 0 OR untrusted_reason IS NULL),
    policy_sees        TEXT CHECK (policy_sees IN ('observations', 'model', 'world')), -- what it decides from
    updates            INTEGER CHECK (updates >= 0), -- of the learner; NULL: the policy does not learn
    vector_path        TEXT, -- vector instructions that the arithmetic used
    libc               TEXT, -- C library and its version
    linalg             TEXT CHECK (linalg IN ('portable', 'openblas')), -- who multiplied matrices
    arithmetic         INTEGER CHECK (arithmetic > 0), -- version of the arithmetic; NULL: recorded before there was one
    prompt_tokens      BLOB, -- token ids of compute.text, u32 little-endian each; NULL: none
    surrogate          TEXT, -- that took the model's place (quality.surrogate_after), as quality.table; NULL: none
    prompt_bytes       BLOB -- bytes of text that each of prompt_tokens stands for, one byte each; NULL: not known
) STRICT;

CREATE INDEX run_by_parent ON run (parent_run_id);

CREATE TABLE node ( -- a device or server of a run, with the parameters drawn for it
    run_id           INTEGER NOT NULL REFERENCES run (run_id),
    role             TEXT NOT NULL CHECK (role IN ('device', 'server')),
    number           INTEGER NOT NULL CHECK (number >= 0),
    flops            REAL NOT NULL CHECK (flops > 0),  -- floating-point operations per second
    power_w          REAL NOT NULL CHECK (power_w >= 0), -- while computing
    transmit_power_w REAL CHECK (transmit_power_w >= 0), -- devices only
    x_m              REAL, -- server: where it stands; device: its home, if it has one
    y_m              REAL,
    max_split        INTEGER CHECK (max_split >= 0), -- devices only: layers that fit it; NULL: all
    memory_bytes     REAL CHECK (memory_bytes > 0), -- servers only; NULL: not limited
    requests         BLOB, -- devices only: prompt tokens of its real requests, u32 little-endian each; NULL: none
    address          TEXT, -- host:port of its process; NULL in the memory host
    -- The run's traces of link rates and of movement, number i in device i's row; device n plays number n modulo how
    -- many there are. f64 little-endian: the duration, every point's start, every point's value (bit/s), or values (x
    -- and y in m, speed in m/s, cell or -1).
    rate_trace       BLOB,
    place_trace      BLOB,
    tier             TEXT, -- servers only: the scenario's tier; NULL: it lists none
    PRIMARY KEY (run_id, role, number)
) STRICT, WITHOUT ROWID;

-- One inference request: one device in one slot. A row is written for every slot and device, in queueing mode for
-- every slot in which the device has a task. The status check
-- is a chain of ORs because SQLite would build a lookup table for IN at every insert.
CREATE TABLE task (
    run_id          INTEGER NOT NULL REFERENCES run (run_id),
    episode         INTEGER NOT NULL CHECK (episode >= 0),
    slot            INTEGER NOT NULL CHECK (slot >= 0),
    device          INTEGER NOT NULL CHECK (device >= 0),
    tokens          INTEGER NOT NULL CHECK (tokens >= 0),
    split           INTEGER NOT NULL CHECK (split >= 0),    -- layers computed on the device
    server          INTEGER CHECK (server >= 0),            -- as decided; NULL: all layers on the device
    repaired        INTEGER NOT NULL CHECK (repaired IN (0, 1)), -- the policy's wish had to be changed
    bandwidth_share REAL CHECK (bandwidth_share BETWEEN 0 AND 1), -- of the bandwidth of who served it
    compute_share   REAL CHECK (compute_share BETWEEN 0 AND 1),   -- of the compute of who served it
    wait_s          REAL CHECK (wait_s >= 0),               -- on the device, for its processor and its radio
    local_s         REAL CHECK (local_s >= 0),              -- layers 1..split on the device
    transmit_s      REAL CHECK (transmit_s >= 0),           -- activations on the link
    queue_s         REAL CHECK (queue_s >= 0),              -- waiting at the server
    edge_s          REAL CHECK (edge_s >= 0),               -- the remaining layers on the server
    latency_s       REAL CHECK (latency_s >= 0),            -- start of the task to its result
    compute_j       REAL CHECK (compute_j >= 0),            -- device, computing
    transmit_j      REAL CHECK (transmit_j >= 0),           -- device, sending
    server_j        REAL CHECK (server_j >= 0),             -- server, this task's share
    energy_j        REAL CHECK (energy_j >= 0),             -- as the objective counts it
    cost            REAL,                                   -- this task's part of the objective
    rate_bps        REAL CHECK (rate_bps >= 0),             -- bits per second on the link
    payload_bytes   REAL CHECK (payload_bytes >= 0),
    x_m             REAL,                                   -- where the device was
    y_m             REAL,
    end_slot        INTEGER NOT NULL CHECK (end_slot >= slot), -- in which it was finished or lost
    handovers       INTEGER NOT NULL CHECK (handovers >= 0),   -- times its transfer went on to another server
    interrupted_s   REAL CHECK (interrupted_s >= 0),        -- in handovers, or before a lost server was noticed
    extra_bytes     REAL CHECK (extra_bytes >= 0),          -- sent again, over the backhaul, or to a lost server
    extra_j         REAL CHECK (extra_j >= 0),              -- spent on that
    deadline_missed INTEGER NOT NULL CHECK (deadline_missed IN (0, 1)),
    -- recovered: finished by the device after its server was lost; reoffloaded: by another server; expired: still
    -- unfinished when the episode ended; refused: never begun; abandoned: given up at its deadline.
    status          TEXT NOT NULL CHECK (status = 'done' OR status = 'recovered' OR status = 'reoffloaded' OR
                                         status = 'device_lost' OR status = 'server_lost' OR status = 'expired' OR
                                         status = 'refused' OR status = 'abandoned'),
    served_by       INTEGER CHECK (served_by >= 0), -- the server of the remaining layers; NULL: none
    channel         REAL, -- condition of its channel (channel.mode): a probability, or an SNR in dB; NULL: reliable
    missing         REAL CHECK (missing BETWEEN 0 AND 1), -- share of its packets that did not arrive; NULL: it has none
    quality         REAL, -- log of its perplexity over that of a clean channel; NULL: not known
    nll             REAL CHECK (nll >= 0), -- summed negative log-likelihood of its tokens, nats; NULL: not known
    nll_tokens      REAL CHECK (nll_tokens >= 0), -- how many tokens that is of
    nll_bytes       REAL CHECK (nll_bytes >= 0), -- and how many bytes of text
    coding          INTEGER NOT NULL DEFAULT 0 CHECK (coding >= 0), -- of its activations; 0: the scenario's format and margin
    element_bits    REAL CHECK (element_bits >= 0), -- of its format; NULL: nothing was sent
    margin_db       REAL, -- of its rate; NULL: nothing was sent, or the channel is not bounded
    reserved_compute REAL CHECK (reserved_compute BETWEEN 0 AND 1), -- of its server's compute; NULL: it reserves nothing
    reserved_band   REAL CHECK (reserved_band BETWEEN 0 AND 1),     -- of its band
    reserved_memory REAL CHECK (reserved_memory BETWEEN 0 AND 1),   -- of its memory
    class           INTEGER NOT NULL DEFAULT 0 CHECK (class >= 0), -- of the scenario's classes, from 0
    arrival_s       REAL CHECK (arrival_s >= 0),  -- when it came, seconds of the episode; NULL: tasks do not reserve
    deadline_s      REAL CHECK (deadline_s >= 0), -- after that; NULL: none
    answer_tokens   REAL CHECK (answer_tokens >= 0), -- length of its answer; NULL: nobody began it, or lengths are not drawn
    answer_chance   REAL CHECK (answer_chance BETWEEN 0 AND 1), -- declared for its server that the answer is right
    answer_right    REAL CHECK (answer_right BETWEEN 0 AND 1), -- the answer is right; NULL: there is none in time
    price           REAL CHECK (price >= 0),      -- of what its server made of it
    foreseen_s      REAL CHECK (foreseen_s >= 0), -- latency that its policy foresaw; NULL: it does not tell
    foreseen_in_time REAL CHECK (foreseen_in_time BETWEEN 0 AND 1), -- chance to be in time, likewise
    foreseen_gain   REAL, -- expected information gain, nats, likewise
    PRIMARY KEY (run_id, episode, slot, device),
    CHECK ((status = 'done' OR status = 'recovered' OR status = 'reoffloaded' OR status = 'abandoned') =
           (latency_s IS NOT NULL)),
    CHECK (latency_s IS NULL OR (energy_j IS NOT NULL AND cost IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE answer ( -- what a finished task's layers gave, with real layers alone
    run_id           INTEGER NOT NULL REFERENCES run (run_id),
    episode          INTEGER NOT NULL CHECK (episode >= 0),
    slot             INTEGER NOT NULL CHECK (slot >= 0),
    device           INTEGER NOT NULL CHECK (device >= 0),
    tokens           INTEGER NOT NULL CHECK (tokens BETWEEN 0 AND 64), -- of the answer
    answer           BLOB CHECK (length(answer) = 4 * tokens), -- their ids, u32 little-endian; NULL: they were not kept
    first_token_s    REAL CHECK (first_token_s >= 0), -- start of the task to the first token
    device_layer_s   REAL CHECK (device_layer_s >= 0), -- measured, of one layer on the device; NULL: it had none
    server_layer_s   REAL CHECK (server_layer_s >= 0), -- likewise on the server
    activation_bytes INTEGER NOT NULL CHECK (activation_bytes >= 0), -- crossed the link, encoded
    overridden       INTEGER NOT NULL CHECK (overridden IN (0, 1)), -- 1: the device chose its own split or server
    prompt           BLOB CHECK (length(prompt) % 4 = 0), -- a guest's own, ids u32 little-endian; NULL: the world's, or not kept
    PRIMARY KEY (run_id, episode, slot, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE episode ( -- statistics over the episode's finished tasks; NULL: there were none
    run_id          INTEGER NOT NULL REFERENCES run (run_id),
    episode         INTEGER NOT NULL CHECK (episode >= 0),
    slots           INTEGER NOT NULL CHECK (slots >= 0),
    mean_latency_s  REAL CHECK (mean_latency_s >= 0),
    p50_latency_s   REAL CHECK (p50_latency_s >= 0),
    p95_latency_s   REAL CHECK (p95_latency_s >= 0),
    p99_latency_s   REAL CHECK (p99_latency_s >= 0),
    mean_energy_j   REAL CHECK (mean_energy_j >= 0),
    mean_cost       REAL,
    episode_return  REAL, -- sum of the slots' rewards
    optimum_cost    REAL, -- the exact optimum's mean cost on the same slots; NULL: not computed
    tasks           INTEGER NOT NULL CHECK (tasks >= 0), -- all, lost ones included
    deadline_misses INTEGER NOT NULL CHECK (deadline_misses >= 0),
    failures        INTEGER NOT NULL CHECK (failures BETWEEN 0 AND tasks), -- tasks lost or expired
    repairs         INTEGER NOT NULL CHECK (repairs >= 0),
    wall_s          REAL CHECK (wall_s >= 0), -- real time the episode took
    PRIMARY KEY (run_id, episode)
) STRICT, WITHOUT ROWID;

-- Something out of the ordinary. Checks are chains of ORs, as those of task are.
CREATE TABLE event (
    event_id    INTEGER PRIMARY KEY, -- in the order in which they happened
    run_id      INTEGER NOT NULL REFERENCES run (run_id),
    episode     INTEGER NOT NULL CHECK (episode >= 0),
    slot        INTEGER NOT NULL CHECK (slot >= 0),
    -- Of the slot; '': outside of one.
    phase       TEXT NOT NULL CHECK (phase = '' OR phase = 'observe' OR phase = 'execute' OR phase = 'serve'),
    kind        TEXT NOT NULL CHECK (kind = 'node_lost' OR kind = 'rejoin' OR kind = 'refusal' OR
                                     kind = 'fault' OR kind = 'recovered' OR kind = 'handover'),
    role        TEXT NOT NULL CHECK (role = '' OR role = 'device' OR role = 'server'),
    number      INTEGER CHECK (number >= 0), -- the node's; NULL: no node
    action      TEXT CHECK (action = 'kill' OR action = 'pause' OR action = 'return' OR action = 'slow' OR
                            action = 'restore' OR action = 'local' OR action = 'reoffload' OR
                            action = 'restart' OR action = 'resume'), -- NULL: the kind says it all
    until_slot  INTEGER CHECK (until_slot >= 0), -- in which the node is back; NULL: not in this episode
    from_server INTEGER CHECK (from_server >= 0), -- of a task that moves: the server that it leaves
    to_server   INTEGER CHECK (to_server >= 0), -- and the one that it goes to; NULL: its device does the rest
    task_slot   INTEGER CHECK (task_slot >= 0), -- and the slot of its request
    speed       REAL CHECK (speed > 0), -- share of its speed that the node has from now on
    detail      TEXT NOT NULL -- why, where the reason comes from outside; a sentence where an older version wrote it
) STRICT;

CREATE INDEX event_by_run ON event (run_id, event_id);

CREATE TABLE checkpoint ( -- a learner's weights after an episode
    run_id          INTEGER NOT NULL REFERENCES run (run_id),
    episode         INTEGER NOT NULL CHECK (episode >= 0),
    weights         BLOB NOT NULL,
    learner         BLOB, -- full state for resuming, in the latest row alone
    validation_cost REAL, -- mean cost on the validation streams; NULL: not validated
    PRIMARY KEY (run_id, episode)
) STRICT;

CREATE TABLE experience ( -- what a learner went through since the checkpoint before, while the run may have to be resumed
    run_id           INTEGER NOT NULL REFERENCES run (run_id),
    episode          INTEGER NOT NULL CHECK (episode >= 0), -- of the checkpoint that it came with
    first_transition INTEGER NOT NULL CHECK (first_transition >= 0), -- counted from the run's beginning
    transition_count INTEGER NOT NULL CHECK (transition_count > 0),
    transitions      BLOB NOT NULL,
    PRIMARY KEY (run_id, episode)
) STRICT;

-- What this machine kept of the real clock. Times count from the run's start, on the wall; rates are the wall's.
CREATE TABLE link_sample ( -- a window of about 100 ms of a link while something was on it
    sample_id    INTEGER PRIMARY KEY,
    run_id       INTEGER NOT NULL REFERENCES run (run_id),
    device       INTEGER NOT NULL CHECK (device >= 0),
    server       INTEGER NOT NULL CHECK (server >= 0),
    direction    TEXT NOT NULL CHECK (direction IN ('up', 'down')),
    start_s      REAL NOT NULL CHECK (start_s >= 0),
    duration_s   REAL NOT NULL CHECK (duration_s >= 0),
    set_bps      REAL NOT NULL CHECK (set_bps >= 0),
    achieved_bps REAL NOT NULL CHECK (achieved_bps >= 0)
) STRICT;

CREATE INDEX link_sample_by_run ON link_sample (run_id);

CREATE TABLE process_sample ( -- how late a process's event loop was in about a second
    sample_id  INTEGER PRIMARY KEY,
    run_id     INTEGER NOT NULL REFERENCES run (run_id),
    role       TEXT NOT NULL CHECK (role IN ('device', 'server', 'orchestrator')),
    number     INTEGER CHECK (number >= 0), -- the process's first node; NULL: the orchestrator
    start_s    REAL NOT NULL CHECK (start_s >= 0),
    duration_s REAL NOT NULL CHECK (duration_s >= 0),
    lag_max_s  REAL NOT NULL CHECK (lag_max_s >= 0),
    lag_mean_s REAL NOT NULL CHECK (lag_mean_s >= 0)
) STRICT;

CREATE INDEX process_sample_by_run ON process_sample (run_id);

CREATE TABLE compute_sample ( -- how late a process's real layers were in about a second
    sample_id  INTEGER PRIMARY KEY,
    run_id     INTEGER NOT NULL REFERENCES run (run_id),
    role       TEXT NOT NULL CHECK (role IN ('device', 'server')),
    number     INTEGER NOT NULL CHECK (number >= 0), -- the process's first node
    start_s    REAL NOT NULL CHECK (start_s >= 0),
    duration_s REAL NOT NULL CHECK (duration_s >= 0),
    jobs       INTEGER NOT NULL CHECK (jobs >= 0), -- computations that ended
    late_jobs  INTEGER NOT NULL CHECK (late_jobs BETWEEN 0 AND jobs),
    computed_s REAL NOT NULL CHECK (computed_s >= 0), -- how long they computed
    late_s     REAL NOT NULL CHECK (late_s >= 0), -- how long the late ones did
    worst_s    REAL NOT NULL CHECK (worst_s >= 0) -- how late the latest ended
) STRICT;

CREATE INDEX compute_sample_by_run ON compute_sample (run_id);

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

CREATE TABLE leak ( -- how many tokens of prompts an attack recovers from what crosses a split; belongs to no run
    model        TEXT NOT NULL CHECK (length(model) = 64), -- as model.hash of a run's scenario
    format       TEXT NOT NULL, -- of the activations, as compute.format; 'topk:K'
    channel      TEXT NOT NULL, -- what damages them, but for how much: 'none', 'erasure, fill zero' ...
    level        REAL NOT NULL, -- how much, in the unit of task.channel; 0 of 'none'
    split        INTEGER NOT NULL CHECK (split >= 0),
    attack       TEXT NOT NULL CHECK (attack IN ('nearest', 'probe', 'search')),
    tokens       INTEGER NOT NULL CHECK (tokens > 0), -- of all prompts
    seeds        INTEGER NOT NULL CHECK (seeds > 0), -- of the channel's draws: how often the same prompts crossed
    found        INTEGER NOT NULL CHECK (found BETWEEN 0 AND tokens * seeds), -- tokens recovered, with all seeds
    version      TEXT NOT NULL, -- program version and git revision
    measured_utc TEXT NOT NULL,
    PRIMARY KEY (model, format, channel, level, split, attack)
) STRICT, WITHOUT ROWID;

-- An episode that is not closed, of a run that is still played, or was killed: statistics over the tasks that were
-- recorded of it. In queueing mode a slot's tasks are recorded when the last of them has ended. What is only known of a
-- whole episode is NULL.
CREATE VIEW open_episode AS
SELECT t.run_id, t.episode, max(t.slot) + 1 AS slots,
       avg(t.latency_s) AS mean_latency_s,
       avg(iif(t.latency_s IS NULL, NULL, t.energy_j)) AS mean_energy_j,
       avg(iif(t.latency_s IS NULL, NULL, t.cost)) AS mean_cost,
       count(*) AS tasks,
       total(t.latency_s IS NOT NULL AND t.deadline_missed) AS deadline_misses,
       sum(t.latency_s IS NULL) AS failures,
       sum(t.repaired) AS repairs
FROM run AS r CROSS JOIN task AS t ON t.run_id = r.run_id -- CROSS: those runs' last rows alone
    AND t.episode > coalesce((SELECT max(e.episode) FROM episode AS e WHERE e.run_id = r.run_id), -1)
WHERE r.status <> 'finished'
GROUP BY r.run_id, t.episode;

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

-- One row a run. Means are over all finished tasks of the run: each episode's mean weighs as many tasks as it has.
-- mean_episode_p95_latency_s is the mean of the episodes' 95th percentiles, not the run's percentile. `episodes` counts
-- those that are closed; open_tasks says how many of the tasks belong to one that is not.
CREATE VIEW run_summary AS
WITH part AS (
    SELECT run_id, 1 AS closed, slots, tasks, failures, repairs, mean_cost, mean_latency_s, p95_latency_s,
           mean_energy_j, deadline_misses, episode_return, wall_s
    FROM episode
    UNION ALL
    SELECT run_id, 0, slots, tasks, failures, repairs, mean_cost, mean_latency_s, NULL, mean_energy_j,
           deadline_misses, NULL, NULL
    FROM open_episode
)
SELECT r.run_id, r.kind, r.scenario_name AS scenario, r.policy, r.seed, r.parent_run_id, r.checkpoint_episode,
       r.phase, r.host, r.clock, r.mode, r.status, r.trusted, r.updates,
       coalesce(sum(e.closed), 0) AS episodes,
       coalesce(sum(e.slots), 0) AS slots,
       coalesce(sum(e.tasks), 0) AS tasks,
       coalesce(sum(e.failures), 0) AS failures,
       coalesce(sum(e.repairs), 0) AS repairs,
       sum(e.mean_cost * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0) AS mean_cost,
       sum(e.mean_latency_s * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0)
           AS mean_latency_s,
       avg(e.p95_latency_s) AS mean_episode_p95_latency_s,
       sum(e.mean_energy_j * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0) AS mean_energy_j,
       sum(e.deadline_misses) * 1.0 / nullif(sum(e.tasks - e.failures), 0) AS deadline_miss_share,
       avg(e.episode_return) AS mean_episode_return,
       sum(e.wall_s) AS wall_s,
       r.started_utc,
       coalesce(sum(iif(e.closed, 0, e.tasks)), 0) AS open_tasks
FROM run AS r LEFT JOIN part AS e ON e.run_id = r.run_id
GROUP BY r.run_id
ORDER BY r.run_id;

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

-- How often a run chose each split, lost tasks included: they were decided too.
CREATE VIEW split_histogram AS
SELECT h.run_id, (SELECT r.policy FROM run AS r WHERE r.run_id = h.run_id) AS policy, h.split, h.tasks,
       h.tasks * 1.0 / sum(h.tasks) OVER (PARTITION BY h.run_id) AS share
FROM (SELECT run_id, split, count(*) AS tasks FROM task GROUP BY run_id, split) AS h
ORDER BY h.run_id, h.split;

-- Where each second went: means over finished tasks, whose parts add up to the latency.
CREATE VIEW task_seconds AS
SELECT run_id, split, count(*) AS tasks, avg(wait_s) AS wait_s, avg(local_s) AS local_s, avg(transmit_s) AS transmit_s,
       avg(queue_s) AS queue_s, avg(edge_s) AS edge_s, avg(interrupted_s) AS interrupted_s, avg(latency_s) AS latency_s
FROM task
WHERE latency_s IS NOT NULL
GROUP BY run_id, split
ORDER BY run_id, split;

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

-- What each tier of servers did, by who served. Tasks that nobody served have tier NULL: refused, lost, or computed by
-- their device. in_time counts those that were finished by their deadline, right those of them with a right answer.
CREATE VIEW tier_summary AS
SELECT t.run_id, (SELECT r.policy FROM run AS r WHERE r.run_id = t.run_id) AS policy, n.tier,
       count(*) AS tasks, sum(t.latency_s IS NOT NULL AND t.deadline_missed = 0) AS in_time,
       sum(t.status = 'refused') AS refused, sum(t.status = 'abandoned') AS abandoned,
       total(t.answer_right) AS right, avg(t.latency_s) AS mean_latency_s,
       avg(t.answer_tokens) AS mean_answer_tokens, total(t.price) AS price,
       avg(t.reserved_compute) AS mean_reserved_compute, avg(t.reserved_band) AS mean_reserved_band,
       avg(t.reserved_memory) AS mean_reserved_memory, total(t.edge_s) AS busy_s, avg(t.cost) AS mean_cost
FROM task AS t LEFT JOIN node AS n ON n.run_id = t.run_id AND n.role = 'server' AND n.number = t.served_by
GROUP BY t.run_id, n.tier
ORDER BY t.run_id, n.tier;

-- What each server had to do, by who served; servers that served nobody have 0 tasks. `lost` counts the tasks that were
-- decided for the server and that nobody has finished. busy_s adds the tasks' compute times; as tasks share a server, it
-- can exceed the time that passed.
CREATE VIEW server_load AS
SELECT t.run_id, (SELECT r.policy FROM run AS r WHERE r.run_id = t.run_id) AS policy, t.served_by AS server,
       count(*) AS tasks,
       (SELECT count(*) FROM task AS l
        WHERE l.run_id = t.run_id AND l.server = t.served_by AND l.latency_s IS NULL) AS lost,
       avg(t.bandwidth_share) AS mean_bandwidth_share,
       avg(t.compute_share) AS mean_compute_share,
       avg(t.queue_s) AS mean_queue_s,
       avg(t.edge_s) AS mean_edge_s,
       total(t.edge_s) AS busy_s,
       total(t.server_j) AS energy_j,
       total(t.payload_bytes) AS payload_bytes
FROM task AS t
WHERE t.served_by IS NOT NULL
GROUP BY t.run_id, t.served_by
UNION ALL
SELECT n.run_id, (SELECT r.policy FROM run AS r WHERE r.run_id = n.run_id), n.number, 0,
       (SELECT count(*) FROM task AS l
        WHERE l.run_id = n.run_id AND l.server = n.number AND l.latency_s IS NULL),
       NULL, NULL, NULL, NULL, 0.0, 0.0, 0.0
FROM node AS n
WHERE n.role = 'server'
    AND NOT EXISTS (SELECT 1 FROM task AS t WHERE t.run_id = n.run_id AND t.served_by = n.number)
ORDER BY 1, 3;

-- The same scenario in both clocks, part by part: a real-time run of kind 'twin' against its parent, the run in virtual
-- time, over the tasks that both finished after the same decision. mape_pct is the mean of the tasks' own relative
-- differences (parts of no length left out); off_pct is the mean difference as a share of the whole that the part
-- belongs to (latency, energy, cost), so the part with the largest is the one that is off.
CREATE VIEW twin_comparison AS
WITH pair AS (
    SELECT r.run_id, v.latency_s AS latency_v, t.latency_s AS latency_r, v.wait_s AS wait_v, t.wait_s AS wait_r,
           v.local_s AS local_v, t.local_s AS local_r, v.transmit_s AS transmit_v, t.transmit_s AS transmit_r,
           v.queue_s AS queue_v, t.queue_s AS queue_r, v.edge_s AS edge_v, t.edge_s AS edge_r,
           v.energy_j AS energy_v, t.energy_j AS energy_r, v.compute_j AS compute_v, t.compute_j AS compute_r,
           v.transmit_j AS radio_v, t.transmit_j AS radio_r, v.server_j AS server_v, t.server_j AS server_r,
           v.cost AS cost_v, t.cost AS cost_r
    FROM run AS r
    JOIN run AS p ON p.run_id = r.parent_run_id AND p.kind = 'twin'
    JOIN task AS t ON t.run_id = r.run_id
    JOIN task AS v ON v.run_id = p.run_id AND v.episode = t.episode AND v.slot = t.slot AND v.device = t.device
    WHERE r.kind = 'twin' AND t.latency_s IS NOT NULL AND v.latency_s IS NOT NULL AND t.split = v.split
        AND t.server IS v.server
), part AS (
    SELECT run_id, 1 AS place, 'latency_s' AS part, latency_v AS v, latency_r AS r, latency_v AS whole FROM pair
    UNION ALL SELECT run_id, 2, 'wait_s', wait_v, wait_r, latency_v FROM pair
    UNION ALL SELECT run_id, 3, 'local_s', local_v, local_r, latency_v FROM pair
    UNION ALL SELECT run_id, 4, 'transmit_s', transmit_v, transmit_r, latency_v FROM pair
    UNION ALL SELECT run_id, 5, 'queue_s', queue_v, queue_r, latency_v FROM pair
    UNION ALL SELECT run_id, 6, 'edge_s', edge_v, edge_r, latency_v FROM pair
    UNION ALL SELECT run_id, 7, 'energy_j', energy_v, energy_r, energy_v FROM pair
    UNION ALL SELECT run_id, 8, 'compute_j', compute_v, compute_r, energy_v FROM pair
    UNION ALL SELECT run_id, 9, 'transmit_j', radio_v, radio_r, energy_v FROM pair
    UNION ALL SELECT run_id, 10, 'server_j', server_v, server_r, energy_v FROM pair
    UNION ALL SELECT run_id, 11, 'cost', cost_v, cost_r, cost_v FROM pair
)
SELECT run_id, part, count(*) AS tasks, avg(v) AS virtual_mean, avg(r) AS real_mean,
       100.0 * avg(abs(r - v) / nullif(v, 0)) AS mape_pct,
       100.0 * sum(abs(r - v)) / nullif(sum(abs(whole)), 0) AS off_pct
FROM part
GROUP BY run_id, place, part
ORDER BY run_id, place;

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

-- The share of tokens that is recovered. low and high are its 95 % interval by Wilson (1927), as if tokens were
-- recovered independently; seeds damage the same tokens anew, so they count once.
CREATE VIEW leak_share AS
SELECT model, format, channel, level, split, attack, share,
       max(0.0, (share + 1.920729440648 / tokens - 1.959964 * sqrt((share * (1 - share) + 0.960364720324 / tokens) / tokens))
                / (1 + 3.841458881296 / tokens)) AS low,
       min(1.0, (share + 1.920729440648 / tokens + 1.959964 * sqrt((share * (1 - share) + 0.960364720324 / tokens) / tokens))
                / (1 + 3.841458881296 / tokens)) AS high,
       tokens, seeds
FROM (SELECT *, found * 1.0 / (tokens * seeds) AS share FROM leak)
ORDER BY model, format, channel, level, split, attack;
