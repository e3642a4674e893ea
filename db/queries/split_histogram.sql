-- ?1: the run.
SELECT split, tasks, share FROM split_histogram WHERE run_id = ?1;
