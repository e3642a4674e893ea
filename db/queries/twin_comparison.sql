-- ?1: the real-time run of a twin.
SELECT part, tasks, virtual_mean, real_mean, mape_pct, off_pct FROM twin_comparison WHERE run_id = ?1;
