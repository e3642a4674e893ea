-- ?1: the run. Sums over the tasks of which they are known: log of perplexity over a clean channel's, nats, tokens and
-- bytes.
SELECT count(quality), total(quality), total(nll), total(nll_tokens), total(nll_bytes) FROM task WHERE run_id = ?1;
