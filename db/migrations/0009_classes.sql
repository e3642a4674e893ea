-- Version 9: classes of tasks, what an answer is worth, what a policy foresaw, and tasks that are abandoned at their
-- deadline. A constraint of `task` changes, so it is made anew, as in version 8.

PRAGMA user_version = 9;

DROP VIEW tier_summary;

CREATE TABLE task_9 (
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

INSERT INTO task_9 (
    run_id, episode, slot, device, tokens, split, server, repaired, bandwidth_share, compute_share, wait_s,
    local_s, transmit_s, queue_s, edge_s, latency_s, compute_j, transmit_j, server_j, energy_j, cost, rate_bps,
    payload_bytes, x_m, y_m, end_slot, handovers, interrupted_s, extra_bytes, extra_j, deadline_missed, status,
    served_by, channel, missing, quality, nll, nll_tokens, nll_bytes, coding, element_bits, margin_db,
    reserved_compute, reserved_band, reserved_memory)
SELECT
    run_id, episode, slot, device, tokens, split, server, repaired, bandwidth_share, compute_share, wait_s,
    local_s, transmit_s, queue_s, edge_s, latency_s, compute_j, transmit_j, server_j, energy_j, cost, rate_bps,
    payload_bytes, x_m, y_m, end_slot, handovers, interrupted_s, extra_bytes, extra_j, deadline_missed, status,
    served_by, channel, missing, quality, nll, nll_tokens, nll_bytes, coding, element_bits, margin_db,
    reserved_compute, reserved_band, reserved_memory
FROM task;
DROP TABLE task;
PRAGMA legacy_alter_table = ON;
ALTER TABLE task_9 RENAME TO task;
PRAGMA legacy_alter_table = OFF;

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
