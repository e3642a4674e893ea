-- Tests that are not finished, oldest first: no comparison has them.
SELECT run_id FROM run WHERE kind = 'test' AND status <> 'finished' ORDER BY run_id;
