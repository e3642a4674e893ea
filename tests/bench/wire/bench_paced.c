/* What a paced link achieves, measured at the receiver: a process of its own that notes when how many bytes
 * came.
 *
 *   bench_paced                      sweep of rates, one link; many links at once; a step change
 *   bench_paced RATE_MBPS SECONDS    one link; prints the mean error in per cent, for the comparison with a
 * kernel's tbf
 *
 * The peer is the rate itself: a window is within bounds when its bytes differ from rate times length by at
 * most the bound and one packet. */
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "proto/wire/lag.h"
#include "proto/wire/pacer.h"

#define LINKS_MAX 100u
#define MS UINT64_C(1000000)
#define SETTLE_S 0.3 /* after the start, before the first window */

struct arrival {
    uint64_t at_ns;
    double bytes; /* of the link, in all */
};

struct curve {
    struct arrival *arrival;
    size_t count, capacity;
};

struct sender {
    struct wire_pacer pacer;
    int fd;
    uint64_t refused; /* bytes the kernel did not take at once */
};

struct bench {
    struct wire_loop loop;
    struct wire_alarms alarms;
    struct wire_alarm end, step;
    struct sender sender[LINKS_MAX];
    unsigned links;
    double delay_s;
    const double *step_mbps; /* NULL: none */
    unsigned steps, step_at;
    uint64_t step_ns[64];
    struct wire_lag lag;
    double lag_max_s;
};

static const char zeros[1 << 20];

static _Noreturn void stop(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- receiving ---- */

static void note(struct curve *curve, size_t bytes)
{
    if (curve->count == curve->capacity) {
        curve->capacity = curve->capacity > 0 ? 2 * curve->capacity : 4096;
        curve->arrival = realloc(curve->arrival, curve->capacity * sizeof *curve->arrival);
        if (curve->arrival == NULL)
            stop("memory");
    }
    double before = curve->count > 0 ? curve->arrival[curve->count - 1].bytes : 0.0;
    curve->arrival[curve->count++] =
        (struct arrival){.at_ns = clock_monotonic_ns(), .bytes = before + (double) bytes};
}

/* Reads all connections to their ends, then writes the curves to `out`. */
static _Noreturn void receive(int listener, unsigned links, int out)
{
    static char buffer[1 << 20];
    static struct curve curve[LINKS_MAX];
    struct pollfd fds[LINKS_MAX];
    for (unsigned i = 0; i < links; i++)
        fds[i] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
    for (unsigned open = links; open > 0;) {
        if (poll(fds, links, -1) < 0)
            stop("poll");
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
    for (unsigned i = 0; i < links && file != NULL; i++) {
        (void) fwrite(&curve[i].count, sizeof curve[i].count, 1, file);
        (void) fwrite(curve[i].arrival, sizeof *curve[i].arrival, curve[i].count, file);
    }
    exit(file != NULL && fclose(file) == 0 ? 0 : 1);
}

static void read_curves(int in, unsigned links, struct curve *curve)
{
    FILE *file = fdopen(in, "r");
    for (unsigned i = 0; i < links; i++) {
        if (file == NULL || fread(&curve[i].count, sizeof curve[i].count, 1, file) != 1)
            stop("receiver");
        curve[i].arrival = calloc(curve[i].count + 1, sizeof *curve[i].arrival);
        if (fread(curve[i].arrival, sizeof *curve[i].arrival, curve[i].count, file) != curve[i].count)
            stop("receiver");
    }
    (void) fclose(file);
}

/* Bytes that had come by `at_ns`. */
static double bytes_at(const struct curve *curve, uint64_t at_ns)
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

/* ---- sending ---- */

static void on_bytes(void *user, uint64_t bytes)
{
    struct sender *sender = user;
    while (bytes > 0) {
        size_t size = bytes < sizeof zeros ? (size_t) bytes : sizeof zeros;
        ssize_t sent = send(sender->fd, zeros, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            sender->refused += bytes;
            return;
        }
        bytes -= (uint64_t) sent;
    }
}

static void on_done(void *user)
{
    (void) user;
}

static const struct wire_pacer_hooks hooks = {.on_bytes = on_bytes, .on_done = on_done};

static void on_end(struct wire_alarm *alarm)
{
    struct bench *bench = alarm->user;
    for (unsigned i = 0; i < bench->links; i++)
        wire_pacer_finish(&bench->sender[i].pacer);
    wire_lag_flush(&bench->lag);
    wire_alarms_close(&bench->alarms);
}

static void on_step(struct wire_alarm *alarm)
{
    struct bench *bench = alarm->user;
    if (bench->step_at >= bench->steps)
        return;
    for (unsigned i = 0; i < bench->links; i++)
        wire_pacer_set_rate(&bench->sender[i].pacer, bench->step_mbps[bench->step_at] * 1e6);
    bench->step_ns[bench->step_at] = clock_monotonic_ns();
    bench->step_at++;
    (void) wire_alarm_set(&bench->alarms, alarm, alarm->due_ns + 500 * MS);
}

static void on_interval(void *user, const struct wire_lag_interval *interval)
{
    struct bench *bench = user;
    bench->lag_max_s = fmax(bench->lag_max_s, interval->max_s);
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = (in_port_t) port};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) != 0)
        stop("connect");
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* measured below */
    return fd;
}

/* Plays `links` links at a rate for some seconds; the curves belong to the caller. Returns when it started.
 */
static uint64_t play(struct bench *bench, double mbps, double seconds, struct curve *curve)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), channel[2];
    if (listener < 0 || bind(listener, (struct sockaddr *) &address, sizeof address) != 0 ||
        listen(listener, LINKS_MAX) != 0 || getsockname(listener, (struct sockaddr *) &address, &size) != 0 ||
        pipe(channel) != 0)
        stop("listen");
    (void) fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        stop("fork");
    if (child == 0) {
        (void) close(channel[0]);
        receive(listener, bench->links, channel[1]);
    }
    (void) close(channel[1]);
    (void) close(listener);
    if (wire_loop_init(&bench->loop, NULL, NULL) != 0 || wire_alarms_open(&bench->alarms, &bench->loop) != 0)
        stop("loop");
    for (unsigned i = 0; i < bench->links; i++)
        bench->sender[i] = (struct sender){.fd = connect_to(address.sin_port)};
    uint64_t start_ns = clock_monotonic_ns();
    struct link_params params = {.rate_bps = mbps * 1e6, .delay_s = bench->delay_s};
    for (unsigned i = 0; i < bench->links; i++) {
        wire_pacer_init(&bench->sender[i].pacer, &bench->alarms, &params, &hooks, &bench->sender[i]);
        (void) wire_pacer_send(&bench->sender[i].pacer, UINT64_C(1) << 40); /* more than time for it */
    }
    bench->lag_max_s = 0.0;
    (void) wire_lag_start(&bench->lag, &bench->alarms, on_interval, bench);
    bench->end = (struct wire_alarm){.on_due = on_end, .user = bench};
    bench->step = (struct wire_alarm){.on_due = on_step, .user = bench};
    bench->step_at = 0;
    (void) wire_alarm_set(&bench->alarms, &bench->end, start_ns + (uint64_t) (seconds * 1e9));
    (void) wire_alarm_set(&bench->alarms, &bench->step, start_ns + 500 * MS);
    (void) uv_run(&bench->loop.uv, UV_RUN_DEFAULT);
    wire_loop_finish(&bench->loop);
    for (unsigned i = 0; i < bench->links; i++)
        (void) close(bench->sender[i].fd);
    read_curves(channel[0], bench->links, curve);
    (void) waitpid(child, NULL, 0);
    return start_ns;
}

/* ---- judging ---- */

struct windows {
    uint64_t all, within;
    double worst_pct; /* beyond one packet */
};

static struct windows judge(const struct curve *curve, unsigned links, double mbps, uint64_t start_ns,
                            double seconds, double length_s, double bound_pct)
{
    struct windows windows = {0};
    uint64_t first_ns = start_ns + (uint64_t) (SETTLE_S * 1e9), length_ns = (uint64_t) (length_s * 1e9);
    uint64_t last_ns = start_ns + (uint64_t) (seconds * 1e9) - length_ns;
    double wanted = mbps * 1e6 * length_s / 8.0;
    for (unsigned i = 0; i < links; i++)
        for (uint64_t at_ns = first_ns; at_ns < last_ns; at_ns += 10 * MS) {
            double bytes = bytes_at(&curve[i], at_ns + length_ns) - bytes_at(&curve[i], at_ns);
            double off = fabs(bytes - wanted) - TRANSFER_PACKET_BYTES;
            double pct = off > 0.0 ? 100.0 * off / wanted : 0.0;
            windows.all++;
            windows.within += pct <= bound_pct ? 1 : 0;
            windows.worst_pct = fmax(windows.worst_pct, pct);
        }
    return windows;
}

static void free_curves(struct curve *curve)
{
    for (unsigned i = 0; i < LINKS_MAX; i++) {
        free(curve[i].arrival);
        curve[i] = (struct curve){0};
    }
}

static void row(unsigned links, double mbps, double seconds)
{
    static struct bench bench;
    static struct curve curve[LINKS_MAX];
    memset(&bench, 0, sizeof bench);
    bench.links = links;
    uint64_t used_ns = clock_process_ns(), start_ns = play(&bench, mbps, seconds, curve);
    used_ns = clock_process_ns() - used_ns;
    struct windows tenth = judge(curve, links, mbps, start_ns, seconds, 0.1, 2.0);
    struct windows whole = judge(curve, links, mbps, start_ns, seconds, 1.0, 1.0);
    (void) printf("| %u | %g | %.2f %% | %.3f %% | %.2f %% | %.3f %% | %.1f ms | %.0f %% |\n", links, mbps,
                  100.0 * (double) tenth.within / (double) tenth.all, tenth.worst_pct,
                  100.0 * (double) whole.within / (double) whole.all, whole.worst_pct, 1e3 * bench.lag_max_s,
                  100.0 * units_ns_to_s(used_ns) / seconds);
    (void) fflush(stdout);
    free_curves(curve);
}

/* The most that came within the first 20 ms after a step, beyond what the new rate allows. */
static double burst_bytes(const struct curve *curve, uint64_t at_ns, double mbps)
{
    double burst = 0.0, before = bytes_at(curve, at_ns);
    for (uint64_t ms = 1; ms <= 20; ms++) {
        double allowed = mbps * 1e6 * 1e-3 * (double) ms / 8.0;
        burst = fmax(burst, bytes_at(curve, at_ns + ms * MS) - before - allowed);
    }
    return burst;
}

/* Steps every 500 ms. The rate has taken hold when the 100 ms that begin 20 ms after the step (and the delay)
 * are within 2 % of it. What is in the air when it happens may still come, and one packet: the burst's bound.
 */
static void steps(double delay_s)
{
    static const double mbps[] = {50, 5, 100, 1, 20, 500, 10, 0.1, 50, 200};
    static struct bench bench;
    static struct curve curve[LINKS_MAX];
    enum { STEPS = sizeof mbps / sizeof *mbps };
    memset(&bench, 0, sizeof bench);
    bench.links = 1;
    bench.delay_s = delay_s;
    bench.step_mbps = mbps;
    bench.steps = STEPS;
    (void) play(&bench, 20.0, 0.5 * (STEPS + 1), curve);
    (void) printf("\ndelay %g ms\n\n| step to Mbit/s | off in 100 ms, from 20 ms after it | burst in those "
                  "20 ms, bytes | "
                  "bound |\n|---|---|---|---|\n",
                  1e3 * delay_s);
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t at_ns = bench.step_ns[i], held_ns = at_ns + 20 * MS + (uint64_t) (1e9 * delay_s);
        double before = i > 0 ? mbps[i - 1] : 20.0, wanted = mbps[i] * 1e6 * 0.1 / 8.0;
        double bytes = bytes_at(curve, held_ns + 100 * MS) - bytes_at(curve, held_ns);
        double off = fabs(bytes - wanted) - TRANSFER_PACKET_BYTES;
        (void) printf("| %g | %.2f %% | %.0f | %.0f |\n", mbps[i], off > 0.0 ? 100.0 * off / wanted : 0.0,
                      burst_bytes(curve, at_ns, mbps[i]),
                      fmax(before * 1e6 / 8.0 * delay_s, TRANSFER_PACKET_BYTES));
    }
    free_curves(curve);
}

static void mean_error(double mbps, double seconds)
{
    static struct bench bench;
    static struct curve curve[LINKS_MAX];
    bench.links = 1;
    uint64_t start_ns = play(&bench, mbps, seconds, curve);
    uint64_t first_ns = start_ns + (uint64_t) (SETTLE_S * 1e9),
             last_ns = start_ns + (uint64_t) (seconds * 1e9);
    double bytes = bytes_at(curve, last_ns) - bytes_at(curve, first_ns);
    double wanted = mbps * 1e6 * units_ns_to_s(last_ns - first_ns) / 8.0;
    (void) printf("%.4f\n", 100.0 * (bytes / wanted - 1.0));
    free_curves(curve);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        mean_error(strtod(argv[1], NULL), strtod(argv[2], NULL));
        return 0;
    }
    (void) printf("| links | Mbit/s each | 100 ms within 2 %% | worst | 1 s within 1 %% | worst | loop's "
                  "worst lag | sender's "
                  "CPU |\n|---|---|---|---|---|---|---|---|\n");
    static const double sweep[] = {0.1, 1, 5, 20, 100, 500, 1000};
    for (size_t i = 0; i < sizeof sweep / sizeof *sweep; i++)
        row(1, sweep[i], sweep[i] < 1.0 ? 6.0 : 4.0);
    row(100, 5, 5.0);
    row(10, 50, 5.0);
    steps(0.0);
    steps(0.02);
    return 0;
}
