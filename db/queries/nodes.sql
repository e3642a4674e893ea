-- ?1: the run.
SELECT role, number, flops, power_w, transmit_power_w, x_m, y_m, max_split, memory_bytes, address
FROM node
WHERE run_id = ?1
ORDER BY role, number;
