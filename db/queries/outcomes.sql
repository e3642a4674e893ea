-- Every result of every sweep, in the order of their files. results.c reads the columns by place.
SELECT sweep, experiment, axis, value, policy, sees, seed, train_slots, mean_cost, mean_latency_s, p95_latency_s,
       mean_energy_j, deadline_miss_share, regret_pct, train_run_id, test_run_id, NULL,
       updates,
       (SELECT CASE WHEN a.arithmetic IS NULL THEN 'an older arithmetic'
                    ELSE a.linalg || CASE a.linalg WHEN 'openblas' THEN ' ' || coalesce(a.vector_path, '') ELSE '' END ||
                         ', arithmetic ' || a.arithmetic END
        FROM run AS a WHERE a.run_id = coalesce(train_run_id, test_run_id)),
       mean_episode_return
FROM sweep_result;
