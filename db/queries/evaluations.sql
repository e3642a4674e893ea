-- Evaluations that belong to no sweep, oldest first. The training run is a learner's own. results.c reads the columns by
-- place; r.scenario is the text that tells scenarios apart.
SELECT '', c.scenario, '', '', c.policy, c.sees, c.seed,
       (SELECT sum(e.slots) FROM episode AS e WHERE e.run_id = p.run_id), c.mean_cost, c.mean_latency_s,
       c.p95_latency_s, c.mean_energy_j, c.deadline_miss_share, c.regret_pct, p.run_id, c.run_id, r.scenario, c.updates,
       (SELECT CASE WHEN a.arithmetic IS NULL THEN 'an older arithmetic'
                    ELSE a.linalg || CASE a.linalg WHEN 'openblas' THEN ' ' || coalesce(a.vector_path, '') ELSE '' END ||
                         ', arithmetic ' || a.arithmetic END
        FROM run AS a WHERE a.run_id = coalesce(p.run_id, c.run_id)),
       (SELECT avg(e.episode_return) FROM episode AS e WHERE e.run_id = c.run_id)
FROM policy_comparison AS c
JOIN run AS r ON r.run_id = c.run_id
LEFT JOIN run AS p ON p.run_id = c.parent_run_id AND p.policy = c.policy
WHERE c.run_id NOT IN (SELECT test_run_id FROM job WHERE test_run_id IS NOT NULL)
ORDER BY c.run_id;
