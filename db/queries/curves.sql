-- Every checkpoint of every sweep on its validation streams. results.c reads the columns by place.
SELECT sweep, experiment, axis, value, policy, seed, slots, mean_cost, regret_pct FROM sweep_curve;
