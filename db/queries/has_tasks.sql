-- ?1: the run. 1: it recorded tasks, 0: episodes alone.
SELECT EXISTS (SELECT 1 FROM task WHERE run_id = ?1);
