/* What tests that write files share: a directory of their own, plausible rows, and plain SQL beside our
 * functions. */
#ifndef HANDOFF_TESTS_LIB_SCRATCH_H
#define HANDOFF_TESTS_LIB_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "db/rows.h"

#define SCRATCH_PATH 256

struct scratch {
    char directory[SCRATCH_PATH / 2];
    char file[SCRATCH_PATH]; /* results.db in it, not yet made */
};

/* cmocka's setup and teardown: *state is a struct scratch. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* A path in the directory. */
void scratch_path(const struct scratch *scratch, const char *name, char ret_path[static SCRATCH_PATH]);
void scratch_write(const char *path, const void *bytes, size_t size);
size_t scratch_size(const char *path);
int scratch_exists(const char *path);

/* Through a plain SQLite connection: runs statements, or gives the result's values joined by '|', rows by
 * newlines. Fails the test when SQLite objects. */
void scratch_exec(const char *path, const char *sql);
void scratch_query(const char *path, const char *sql, char *ret_text, size_t size);
/* Asserts both what a query gives and shows both sides when it does not. */
void scratch_expect(const char *path, const char *sql, const char *expected);

struct db_run scratch_run(void);
struct db_event scratch_event(enum db_event_kind kind); /* of no node, and nothing more is known of it */
struct db_task scratch_task(uint32_t episode, uint32_t slot, uint32_t device);
/* Of that task: its tokens are kept. */
struct db_answer scratch_answer(uint32_t episode, uint32_t slot, uint32_t device);
struct db_episode scratch_episode(uint32_t episode);

#endif
