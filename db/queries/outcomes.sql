-- Every result of every sweep, in the order of their files. results.c reads the columns by place.
SELECT sweep, experiment, axis, value, policy, sees, seed, train_slots, mean_cost, mean_latency_s, p95_latency_s,
       mean_energy_j, deadline_miss_share, regret_pct, train_run_id, test_run_id, NULL,
       updates
FROM sweep_result;
