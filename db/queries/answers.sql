-- ?1: the run. Every answer that a run with real layers recorded, in the order of its tasks; ids as hexadecimal digits.
SELECT run_id, episode, slot, device, tokens, hex(answer) AS answer, first_token_s, device_layer_s, server_layer_s,
       activation_bytes, overridden, hex(prompt) AS prompt
FROM answer
WHERE run_id = ?1
ORDER BY run_id, episode, slot, device;
