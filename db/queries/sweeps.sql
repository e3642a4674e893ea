-- Every sweep, oldest first.
SELECT sweep_id, name, text, version, created_utc FROM sweep ORDER BY sweep_id;
