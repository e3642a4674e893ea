-- Every checkpoint of every sweep on its validation streams, and the policies that do not learn beside them (slots NULL).
-- results.c reads the columns by place.
WITH level AS (
    SELECT j.sweep_id, j.number, j.experiment, j.axis, j.value, j.policy, j.seed,
           sum(e.mean_cost * (e.tasks - e.failures)) / nullif(sum(e.tasks - e.failures), 0) AS mean_cost,
           avg(e.episode_return) AS mean_episode_return
    FROM job AS j CROSS JOIN episode AS e ON e.run_id = j.validate_run_id
    GROUP BY j.sweep_id, j.number
)
SELECT sweep, experiment, axis, value, policy, seed, slots, mean_cost, regret_pct, mean_episode_return FROM sweep_curve
UNION ALL
SELECT w.name, l.experiment, l.axis, l.value, l.policy, l.seed, NULL, l.mean_cost,
       iif(o.mean_cost < 0, -100.0, 100.0) * (l.mean_cost / nullif(o.mean_cost, 0) - 1), l.mean_episode_return
FROM level AS l
JOIN sweep AS w ON w.sweep_id = l.sweep_id
LEFT JOIN level AS o ON o.policy = 'optimum' AND o.sweep_id = l.sweep_id AND o.experiment = l.experiment
    AND o.value = l.value AND o.seed = l.seed;
