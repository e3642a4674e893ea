/* What came when, at the far end of paced links: a process of its own reads them and notes each arrival; and
 * when this machine kept neither end from being on time, so that a window tells of the link and not of the
 * machine. */
#ifndef HANDOFF_TESTS_BENCH_WIRE_CURVE_H
#define HANDOFF_TESTS_BENCH_WIRE_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CURVE_LINKS_MAX 100u
#define CURVE_MS UINT64_C(1000000)
/* Who is woken later than this was kept from working. */
#define CURVE_LATE_NS (CURVE_MS / 2)

struct curve_arrival {
    uint64_t at_ns;
    double bytes; /* of the link, in all */
};

struct curve {
    struct curve_arrival *arrival;
    size_t count, capacity;
};

/* Times in which one end was not woken though it should have been, in order. */
struct curve_stalls {
    struct curve_stall {
        uint64_t from_ns, to_ns;
    } * stall;
    size_t count, capacity;
};

/* Prints what failed and ends the process. */
_Noreturn void curve_stop(const char *what);

/* Forks a receiver of `links` connections. Connect to *ret_port, in network order; close all when done, then
 * curve_collect. */
pid_t curve_start(unsigned links, int *ret_port, int *ret_channel);
/* Curves [links], owned by the caller (curve_free), and the receiver's stalls, which are appended. */
void curve_collect(pid_t receiver, int channel, unsigned links, struct curve *ret_curve,
                   struct curve_stalls *stalls);
void curve_free(struct curve *curve, unsigned links);

/* Did an end of the link stand still at any time from one to the other, both included? */
bool curve_was_disturbed(const struct curve_stalls *stalls, uint64_t from_ns, uint64_t to_ns);

void curve_stalls_add(struct curve_stalls *stalls, uint64_t from_ns, uint64_t to_ns);

/* Bytes that had come by `at_ns`. */
double curve_bytes_at(const struct curve *curve, uint64_t at_ns);

/* Windows of a length at a rate: within bounds when their bytes differ from rate times length by at most the
 * bound and one packet. A window is disturbed when an end of the link stood still as it began or ended. */
struct curve_windows {
    uint64_t all, within;
    uint64_t quiet, quiet_within; /* those that were not disturbed */
    double worst_pct, quiet_worst_pct;
};
struct curve_windows curve_judge(const struct curve *curve, unsigned links, const struct curve_stalls *stalls,
                                 double mbps, uint64_t first_ns, uint64_t end_ns, double length_s,
                                 double bound_pct);

#endif
