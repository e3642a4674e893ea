-- Version 7: what an observer reads of prompts from what crosses a split (command leak), beside the runs that it is about.

PRAGMA user_version = 7;

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
