-- ?1: the run, or 0 for all.
SELECT * FROM run_summary WHERE ?1 = 0 OR run_id = ?1;
