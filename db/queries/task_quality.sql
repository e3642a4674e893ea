-- ?1: the run.
SELECT split, tasks, round(latency_s, 4) AS latency_s, round(energy_j, 3) AS energy_j, round(missing, 3) AS missing,
       round(perplexity, 2) AS perplexity, round(bits_per_byte, 3) AS bits_per_byte,
       round(relative_perplexity, 3) AS relative_perplexity
FROM task_quality
WHERE run_id = ?1;
