-- ?1: the parent run whose evaluations are compared, with all on the same streams; 0: all.
SELECT policy, sees, mean_cost, mean_latency_s, p95_latency_s, mean_energy_j, deadline_miss_share, regret_pct, updates,
       run_id
FROM policy_comparison
WHERE ?1 = 0 OR parent_run_id = ?1
    OR streams = (SELECT json_extract(r.config_json, '$.streams') FROM run AS r WHERE r.run_id = ?1);
