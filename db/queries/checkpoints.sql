-- ?1: the run.
SELECT episode, length(weights) AS weights_bytes, length(learner) AS learner_bytes, validation_cost
FROM checkpoint
WHERE run_id = ?1
ORDER BY episode;
