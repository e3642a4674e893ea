-- ?1: the run. Every column of every task, in the order in which they were recorded.
SELECT * FROM task
WHERE run_id = ?1
ORDER BY run_id, episode, slot, device;
