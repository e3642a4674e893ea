-- ?1: the run. What each episode of a training came to.
SELECT episode, episode_return FROM episode WHERE run_id = ?1 AND episode_return IS NOT NULL ORDER BY episode;
