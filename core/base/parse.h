/* Strict numbers: the whole text must be the number. "1.2abc", "nan", "inf", "1e999", "010", "+1" and "" are
 * errors. */
#ifndef HANDOFF_CORE_BASE_PARSE_H
#define HANDOFF_CORE_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/* 0, ERR_SYNTAX or ERR_RANGE; the result is written only on success. */
int parse_u64(const char *text, uint64_t *ret_value);
int parse_i64(const char *text, int64_t *ret_value);
int parse_real(const char *text, double *ret_value);
/* Numbers with blanks between, each as parse_real takes it, into ret_value[most]. How many there are; ERR_SYNTAX, ERR_RANGE, or
 * ERR_TOO_BIG: they are more than `most`. */
int parse_real_list(const char *text, double *ret_value, uint32_t most);
/* "true" or "false". */
int parse_bool(const char *text, bool *ret_value);

#endif
