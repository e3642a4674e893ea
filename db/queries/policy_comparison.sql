-- ?1: the parent run whose evaluations are compared, or 0 for all.
SELECT policy, sees, mean_cost, mean_latency_s, p95_latency_s, mean_energy_j, deadline_miss_share, regret_pct, run_id
FROM policy_comparison
WHERE ?1 = 0 OR parent_run_id = ?1;
