-- ?1: the training run whose validations are listed, with those of other trainings on the same streams; 0: all. Of
-- several of one policy and checkpoint the newest.
WITH validated AS (
    SELECT s.*, r.policy_sees AS sees,
           row_number() OVER (PARTITION BY r.parent_run_id, r.policy, r.checkpoint_episode ORDER BY r.run_id DESC) AS age
    FROM run AS r JOIN run_summary AS s ON s.run_id = r.run_id
    WHERE r.kind = 'validate' AND r.status = 'finished' AND s.tasks > 0
        AND (?1 = 0 OR r.parent_run_id = ?1
             OR json_extract(r.config_json, '$.streams')
                = (SELECT json_extract(p.config_json, '$.streams') FROM run AS p WHERE p.run_id = ?1))
)
SELECT policy, sees, checkpoint_episode, mean_cost, mean_latency_s, mean_energy_j, deadline_miss_share, updates,
       parent_run_id, run_id
FROM validated
WHERE age = 1
ORDER BY mean_cost, policy, run_id;
