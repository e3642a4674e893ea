-- ?1: the run. closed = 0: the episode is not over, or never was.
SELECT episode, slots, tasks, mean_cost, optimum_cost, regret_pct, mean_latency_s, p50_latency_s,
       p95_latency_s, p99_latency_s, mean_energy_j, deadline_miss_share, failures, repairs,
       episode_return, wall_s, closed
FROM episode_summary
WHERE run_id = ?1;
