-- Which program on which machine made how many runs, and when.
SELECT version, cpu, count(*) AS runs, min(started_utc) AS first_utc, max(started_utc) AS last_utc
FROM run
GROUP BY version, cpu
ORDER BY first_utc, version, cpu;
