-- Version 5: what devices and servers really computed (compute.kind model): the text of a run's prompts, the answers of
-- its tasks, and how late the computations were in real time. New columns come last.

PRAGMA user_version = 5;

ALTER TABLE run ADD COLUMN prompt_tokens BLOB; -- token ids of compute.text, u32 little-endian each; NULL: none

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

CREATE VIEW task_seconds AS
SELECT run_id, split, count(*) AS tasks, avg(wait_s) AS wait_s, avg(local_s) AS local_s, avg(transmit_s) AS transmit_s,
       avg(queue_s) AS queue_s, avg(edge_s) AS edge_s, avg(interrupted_s) AS interrupted_s, avg(latency_s) AS latency_s
FROM task
WHERE latency_s IS NOT NULL
GROUP BY run_id, split
ORDER BY run_id, split;
