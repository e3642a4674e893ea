-- ?1: the run.
SELECT split, tasks, round(wait_s, 4) AS wait_s, round(local_s, 4) AS local_s, round(transmit_s, 4) AS transmit_s,
       round(queue_s, 4) AS queue_s, round(edge_s, 4) AS edge_s, round(interrupted_s, 4) AS interrupted_s,
       round(latency_s, 4) AS latency_s
FROM task_seconds
WHERE run_id = ?1;
