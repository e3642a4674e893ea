-- ?1: the run.
SELECT episode, slot, phase, kind, role, number, detail FROM event WHERE run_id = ?1 ORDER BY event_id;
