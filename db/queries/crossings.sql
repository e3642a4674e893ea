-- ?1: the run. Its prompts' tokens by what crossed: the split, the coding and the channel's condition; NULL split: nothing
-- did, the task stayed on its device.
SELECT iif(server IS NULL, NULL, split), iif(server IS NULL, NULL, coding), iif(server IS NULL, NULL, channel), sum(tokens)
FROM task WHERE run_id = ?1 GROUP BY 1, 2, 3;
