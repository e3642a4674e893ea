-- Every run, newest last.
SELECT run_id, kind, scenario, policy, status, episodes, tasks, mean_cost, mean_latency_s, mean_energy_j,
       deadline_miss_share, updates, parent_run_id
FROM run_summary
ORDER BY run_id;
