-- Version 6: what a bad channel did to a task's activations, and what that cost in quality. New columns come last.

PRAGMA user_version = 6;

ALTER TABLE run ADD COLUMN surrogate TEXT; -- that took the model's place (quality.surrogate_after), as quality.table; NULL: none

ALTER TABLE run ADD COLUMN prompt_bytes BLOB; -- bytes of text that each of prompt_tokens stands for, one byte each; NULL: not known

ALTER TABLE task ADD COLUMN channel REAL; -- condition of its channel (channel.mode): a probability, or an SNR in dB; NULL: reliable
ALTER TABLE task ADD COLUMN missing REAL CHECK (missing BETWEEN 0 AND 1); -- share of its packets that did not arrive; NULL: it has none
ALTER TABLE task ADD COLUMN quality REAL; -- log of its perplexity over that of a clean channel; NULL: not known
ALTER TABLE task ADD COLUMN nll REAL CHECK (nll >= 0); -- summed negative log-likelihood of its tokens, nats; NULL: not known
ALTER TABLE task ADD COLUMN nll_tokens REAL CHECK (nll_tokens >= 0); -- how many tokens that is of
ALTER TABLE task ADD COLUMN nll_bytes REAL CHECK (nll_bytes >= 0); -- and how many bytes of text
