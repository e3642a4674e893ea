-- ?1: the run. Where its servers stand.
SELECT number, x_m, y_m FROM node WHERE run_id = ?1 AND role = 'server' AND x_m IS NOT NULL ORDER BY number;
