-- ?1: the run, finished. Devices that a server has in a slot, in the mean; server -1: those that compute alone. (run_summary
-- has the slots too, but looks at every episode of the file.)
WITH played (slots) AS (SELECT nullif(sum(slots), 0) FROM episode WHERE run_id = ?1)
SELECT n.number AS server,
       (SELECT count(*) FROM task AS t WHERE t.run_id = ?1 AND t.server = n.number) * 1.0 / slots AS devices
FROM node AS n, played
WHERE n.run_id = ?1 AND n.role = 'server'
UNION ALL
SELECT -1, (SELECT count(*) FROM task WHERE run_id = ?1 AND server IS NULL) * 1.0 / slots FROM played
ORDER BY 1;
