-- ?1: the run.
SELECT server, tasks, lost, mean_bandwidth_share, mean_compute_share, mean_queue_s, mean_edge_s,
       busy_s, energy_j, payload_bytes
FROM server_load
WHERE run_id = ?1;
