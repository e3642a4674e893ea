-- Every run, newest last. Of its tasks open_tasks belong to an episode that is not closed.
SELECT run_id, kind, scenario, policy, status, episodes, tasks, open_tasks, mean_cost, mean_latency_s, mean_energy_j,
       deadline_miss_share, updates, parent_run_id
FROM run_summary
ORDER BY run_id;
