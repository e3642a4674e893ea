-- ?1: the run.
SELECT episode, slot, phase, kind, role, number, action, until_slot, from_server, to_server, task_slot, speed, detail
FROM event WHERE run_id = ?1 ORDER BY event_id;
