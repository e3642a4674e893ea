-- Every measure of what an observer reads from what crosses a split. results.c reads the columns by place.
SELECT model, format, channel, level, split, attack, tokens, seeds, found FROM leak
ORDER BY model, format, channel, level, split, attack;
