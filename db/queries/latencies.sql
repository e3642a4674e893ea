-- ?1: the run. Of its finished tasks.
SELECT latency_s FROM task WHERE run_id = ?1 AND latency_s IS NOT NULL;
