-- ?1: the run. Where its devices were in the first episode that is recorded, and which server they had (NULL: none).
SELECT device, slot, x_m, y_m, server
FROM task
WHERE run_id = ?1 AND episode = (SELECT min(episode) FROM task WHERE run_id = ?1) AND x_m IS NOT NULL
ORDER BY device, slot;
