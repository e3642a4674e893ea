-- ?1: the run. What each episode came to: its number, the slots until its end, its return, and its own slots.
SELECT episode, slots_until, episode_return, slots
FROM (SELECT episode, sum(slots) OVER (ORDER BY episode) AS slots_until, episode_return, slots
      FROM episode WHERE run_id = ?1)
WHERE episode_return IS NOT NULL
ORDER BY episode;
