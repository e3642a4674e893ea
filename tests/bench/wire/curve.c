#include "tests/bench/wire/curve.h"

#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/array.h"
#include "core/base/clock.h"
#include "core/model/transfer.h"

/* After a stall everything that waited comes at once, through both ends. */
#define AFTER_NS (3 * CURVE_MS / 2)

_Noreturn void curve_stop(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- receiving ---- */

static void note(struct curve *curve, size_t bytes)
{
    if (array_reserve(&curve->arrival, &curve->capacity, curve->count + 1) != 0)
        curve_stop("memory");
    double before = curve->count > 0 ? curve->arrival[curve->count - 1].bytes : 0.0;
    curve->arrival[curve->count++] =
        (struct curve_arrival){.at_ns = clock_monotonic_ns(), .bytes = before + (double) bytes};
}

void curve_stalls_add(struct curve_stalls *stalls, uint64_t from_ns, uint64_t to_ns)
{
    if (array_reserve(&stalls->stall, &stalls->capacity, stalls->count + 1) != 0)
        curve_stop("memory");
    stalls->stall[stalls->count++] = (struct curve_stall){from_ns, to_ns};
}

static void put(FILE *file, const void *list, size_t count, size_t size)
{
    if (file == NULL || fwrite(&count, sizeof count, 1, file) != 1 ||
        (count > 0 && fwrite(list, size, count, file) != count)) /* an empty list is NULL */
        curve_stop("receiver");
}

/* Reads all connections to their ends, then writes what it noted to `out`. */
static _Noreturn void receive(int listener, unsigned links, int out)
{
    static char buffer[1 << 20];
    static struct curve curve[CURVE_LINKS_MAX];
    struct curve_stalls stalls = {0};
    struct pollfd fds[CURVE_LINKS_MAX];
    for (unsigned i = 0; i < links; i++)
        fds[i] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
    uint64_t last_ns = clock_monotonic_ns();
    for (unsigned open = links; open > 0;) {
        if (poll(fds, links, 1) < 0)
            curve_stop("poll");
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns > last_ns + CURVE_MS + CURVE_LATE_NS)
            curve_stalls_add(&stalls, last_ns, now_ns);
        last_ns = now_ns;
        for (unsigned i = 0; i < links; i++) {
            if ((fds[i].revents & (POLLIN | POLLHUP)) == 0)
                continue;
            ssize_t size = read(fds[i].fd, buffer, sizeof buffer);
            if (size > 0) {
                note(&curve[i], (size_t) size);
            } else {
                (void) close(fds[i].fd);
                fds[i].fd = -1;
                open--;
            }
        }
    }
    FILE *file = fdopen(out, "w");
    put(file, stalls.stall, stalls.count, sizeof *stalls.stall);
    for (unsigned i = 0; i < links; i++)
        put(file, curve[i].arrival, curve[i].count, sizeof *curve[i].arrival);
    exit(fclose(file) == 0 ? 0 : 1);
}

pid_t curve_start(unsigned links, int *ret_port, int *ret_channel)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), channel[2];
    if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof address) != 0 ||
        listen(listener, CURVE_LINKS_MAX) != 0 ||
        getsockname(listener, (struct sockaddr *) &address, &size) != 0 || pipe(channel) != 0)
        curve_stop("listen");
    (void) fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        curve_stop("fork");
    if (child == 0) {
        (void) close(channel[0]);
        receive(listener, links, channel[1]);
    }
    (void) close(channel[1]);
    (void) close(listener);
    *ret_port = address.sin_port;
    *ret_channel = channel[0];
    return child;
}

static void *get(FILE *file, size_t *ret_count, size_t size)
{
    if (file == NULL || fread(ret_count, sizeof *ret_count, 1, file) != 1)
        curve_stop("receiver");
    void *list = calloc(*ret_count + 1, size);
    if (list == NULL || fread(list, size, *ret_count, file) != *ret_count)
        curve_stop("receiver");
    return list;
}

void curve_collect(pid_t receiver, int channel, unsigned links, struct curve *ret_curve,
                   struct curve_stalls *stalls)
{
    FILE *file = fdopen(channel, "r");
    size_t count;
    struct curve_stall *stall = get(file, &count, sizeof *stall);
    for (size_t i = 0; i < count; i++)
        curve_stalls_add(stalls, stall[i].from_ns, stall[i].to_ns);
    free(stall);
    for (unsigned i = 0; i < links; i++)
        ret_curve[i].arrival = get(file, &ret_curve[i].count, sizeof *ret_curve[i].arrival);
    (void) fclose(file);
    (void) waitpid(receiver, NULL, 0);
}

void curve_free(struct curve *curve, unsigned links)
{
    for (unsigned i = 0; i < links; i++) {
        free(curve[i].arrival);
        curve[i] = (struct curve){0};
    }
}

/* ---- judging ---- */

double curve_bytes_at(const struct curve *curve, uint64_t at_ns)
{
    size_t low = 0, high = curve->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (curve->arrival[middle].at_ns <= at_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? curve->arrival[low - 1].bytes : 0.0;
}

bool curve_was_disturbed(const struct curve_stalls *stalls, uint64_t from_ns, uint64_t to_ns)
{
    for (size_t i = 0; i < stalls->count; i++)
        if (to_ns >= stalls->stall[i].from_ns && from_ns < stalls->stall[i].to_ns + AFTER_NS)
            return true;
    return false;
}

struct curve_windows curve_judge(const struct curve *curve, unsigned links, const struct curve_stalls *stalls,
                                 double mbps, uint64_t first_ns, uint64_t end_ns, double length_s,
                                 double bound_pct)
{
    struct curve_windows windows = {0};
    uint64_t length_ns = (uint64_t) (length_s * 1e9);
    double wanted = mbps * 1e6 * length_s / 8.0;
    for (uint64_t at_ns = first_ns; at_ns + length_ns < end_ns; at_ns += 10 * CURVE_MS) {
        bool quiet = !curve_was_disturbed(stalls, at_ns, at_ns) &&
                     !curve_was_disturbed(stalls, at_ns + length_ns, at_ns + length_ns);
        for (unsigned i = 0; i < links; i++) {
            double bytes = curve_bytes_at(&curve[i], at_ns + length_ns) - curve_bytes_at(&curve[i], at_ns);
            double off = fabs(bytes - wanted) - TRANSFER_PACKET_BYTES;
            double pct = off > 0.0 ? 100.0 * off / wanted : 0.0;
            windows.all++;
            windows.within += pct <= bound_pct ? 1 : 0;
            windows.worst_pct = fmax(windows.worst_pct, pct);
            windows.quiet += quiet ? 1 : 0;
            windows.quiet_within += quiet && pct <= bound_pct ? 1 : 0;
            windows.quiet_worst_pct = quiet ? fmax(windows.quiet_worst_pct, pct) : windows.quiet_worst_pct;
        }
    }
    return windows;
}
