-- ?1: the run. Every column of every task, in the order in which they were recorded.
SELECT run_id, episode, slot, device, tokens, split, server, repaired, bandwidth_share,
       compute_share, wait_s, local_s, transmit_s, queue_s, edge_s, latency_s, compute_j, transmit_j,
       server_j, energy_j, cost, rate_bps, payload_bytes, x_m, y_m, end_slot, handovers,
       interrupted_s, extra_bytes, extra_j, deadline_missed, status
FROM task
WHERE run_id = ?1
ORDER BY run_id, episode, slot, device;
