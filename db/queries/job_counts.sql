-- How the jobs of each sweep ended, and why those did that have no result.
SELECT s.name, j.status, j.error, count(*) AS jobs
FROM job AS j JOIN sweep AS s USING (sweep_id)
GROUP BY j.sweep_id, j.status, j.error
ORDER BY j.sweep_id, j.status, j.error;
