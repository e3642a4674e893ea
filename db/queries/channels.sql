-- ?1: the run. Of tasks that met a channel which damages: where they were split, and the channel's condition. Tasks of
-- one episode stand together.
SELECT episode, slot, channel, split FROM task WHERE run_id = ?1 AND channel IS NOT NULL ORDER BY episode, slot, device;
