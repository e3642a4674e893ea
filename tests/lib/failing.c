/* Preloaded into a program (LD_PRELOAD), it makes the n-th call of one kind fail, and counts the calls:
 *
 *   HANDOFF_FAIL=KIND:N     the N-th call of that kind after main has begun fails; 0: none
 *   HANDOFF_FAIL=KIND:N+    that one and all later ones
 *   HANDOFF_FAIL=KIND:N!    the process is killed (SIGKILL) instead of the call
 *   HANDOFF_FAIL_COUNT=FILE gets the number of calls when the process ends, and below it the number of each call that
 *                           came from a new place of the program. A place is where the program's last functions were
 *                           that the call came through; what libraries do between them does not count
 *
 * KIND is memory, open, read, write, sync or truncate. Or it is clock: nothing fails, but at each look the monotonic clock
 * is N seconds later, in children, too. Reads and writes are those of regular files and sockets: on
 * pipes, which libuv uses to talk to itself, they do not fail. Only the process itself is meant, not its children. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { MEMORY, OPEN, READ, WRITE, SYNC, TRUNCATE, CLOCK, KINDS };

static const char *const names[KINDS] = {"memory", "open", "read", "write", "sync", "truncate", "clock"};
static const int reasons[KINDS] = {ENOMEM, EIO, EIO, ENOSPC, EIO, EIO, 0};

static enum kind chosen = KINDS;
static unsigned long first;
static bool later_too, kills;
static atomic_ulong calls;
static atomic_bool armed;
static pid_t process;

/* glibc's own, which work while symbols are looked up. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* ---- places ---- */

#define PLACES 8192u   /* at most; a power of two */
#define FRAMES_SEEN 48 /* of a call */
#define FRAMES_KEPT 4  /* of the program's own functions */

static struct {
    uintptr_t key;        /* 0: free */
    unsigned long number; /* of the first call from there */
} place[PLACES];
static atomic_flag places_busy = ATOMIC_FLAG_INIT;
static uintptr_t program_begin, program_end;
static bool notes_places;
static _Thread_local bool within; /* walking the stack may allocate */

/* The program comes first. */
static int find_program(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void) size;
    (void) unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0) {
            program_begin = info->dlpi_addr + part->p_vaddr;
            program_end = program_begin + part->p_memsz;
        }
    }
    return 1;
}

/* The last of the program's functions that the call came through, as one number. */
static uintptr_t place_of_call(void)
{
    void *frame[FRAMES_SEEN];
    uintptr_t key = 1;
    int count = backtrace(frame, FRAMES_SEEN), kept = 0;
    for (int i = 0; i < count && kept < FRAMES_KEPT; i++) {
        uintptr_t at = (uintptr_t) frame[i];
        if (at < program_begin || at >= program_end)
            continue;
        key = (key ^ at) * 0x9e3779b97f4a7c15u;
        kept++;
    }
    return key;
}

static void note_place(unsigned long number)
{
    if (within)
        return;
    within = true;
    int kept = errno;
    uintptr_t key = place_of_call();
    while (atomic_flag_test_and_set(&places_busy))
        ;
    size_t at = key >> 40 & (PLACES - 1);
    for (size_t tries = 0; tries < PLACES && place[at].key != 0 && place[at].key != key; tries++)
        at = (at + 1) & (PLACES - 1);
    if (place[at].key == 0) {
        place[at].key = key;
        place[at].number = number;
    }
    atomic_flag_clear(&places_busy);
    errno = kept;
    within = false;
}

static bool fails(enum kind kind)
{
    if (kind != chosen || within || !atomic_load(&armed))
        return false;
    unsigned long number = atomic_fetch_add(&calls, 1) + 1;
    if (notes_places)
        note_place(number);
    if (first == 0 || (later_too ? number < first : number != first))
        return false;
    if (kills && getpid() == process)
        (void) raise(SIGKILL);
    errno = reasons[kind];
    return true;
}

/* Can reading or writing fail there? */
static bool can_fail(int file)
{
    struct stat status;
    int kept = errno;
    bool can =
        chosen != KINDS && fstat(file, &status) == 0 && (S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode));
    errno = kept;
    return can;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* ---- memory ---- */

void *malloc(size_t size)
{
    return fails(MEMORY) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(MEMORY) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails(MEMORY) ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(MEMORY) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
    void *memory = fails(MEMORY) ? NULL : __libc_memalign(alignment, size);
    if (memory == NULL)
        return ENOMEM;
    *ret_memory = memory;
    return 0;
}

/* ---- files ---- */

#define PASS(name, type, ...)                                                                                \
    static type (*real)(__VA_ARGS__);                                                                        \
    if (real == NULL)                                                                                        \
    *(void **) &real = next(#name)

#define OPENING(name)                                                                                        \
    int name(const char *path, int flags, ...)                                                               \
    {                                                                                                        \
        PASS(name, int, const char *, int, ...);                                                             \
        va_list args;                                                                                        \
        va_start(args, flags);                                                                               \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;                                     \
        va_end(args);                                                                                        \
        return fails(OPEN) ? -1 : real(path, flags, mode);                                                   \
    }

#define STREAM_OPENING(name)                                                                                 \
    FILE *name(const char *path, const char *mode)                                                           \
    {                                                                                                        \
        PASS(name, FILE *, const char *, const char *);                                                      \
        return fails(OPEN) ? NULL : real(path, mode);                                                        \
    }

#define READING(name, offset_type)                                                                           \
    ssize_t name(int file, void *bytes, size_t size, offset_type offset)                                     \
    {                                                                                                        \
        PASS(name, ssize_t, int, void *, size_t, offset_type);                                               \
        return can_fail(file) && fails(READ) ? -1 : real(file, bytes, size, offset);                         \
    }

#define WRITING(name, offset_type)                                                                           \
    ssize_t name(int file, const void *bytes, size_t size, offset_type offset)                               \
    {                                                                                                        \
        PASS(name, ssize_t, int, const void *, size_t, offset_type);                                         \
        return can_fail(file) && fails(WRITE) ? -1 : real(file, bytes, size, offset);                        \
    }

#define SYNCING(name)                                                                                        \
    int name(int file)                                                                                       \
    {                                                                                                        \
        PASS(name, int, int);                                                                                \
        return fails(SYNC) ? -1 : real(file);                                                                \
    }

#define TRUNCATING(name, offset_type)                                                                        \
    int name(int file, offset_type size)                                                                     \
    {                                                                                                        \
        PASS(name, int, int, offset_type);                                                                   \
        return fails(TRUNCATE) ? -1 : real(file, size);                                                      \
    }

OPENING(open)
OPENING(open64)
STREAM_OPENING(fopen)
STREAM_OPENING(fopen64)
READING(pread, off_t)
READING(pread64, off64_t)
WRITING(pwrite, off_t)
WRITING(pwrite64, off64_t)
SYNCING(fsync)
SYNCING(fdatasync)
TRUNCATING(ftruncate, off_t)
TRUNCATING(ftruncate64, off64_t)

ssize_t read(int file, void *bytes, size_t size)
{
    PASS(read, ssize_t, int, void *, size_t);
    return can_fail(file) && fails(READ) ? -1 : real(file, bytes, size);
}

size_t fread(void *bytes, size_t size, size_t count, FILE *file)
{
    PASS(fread, size_t, void *, size_t, size_t, FILE *);
    if (!fails(READ))
        return real(bytes, size, count, file);
    file->_flags |= 0x20; /* glibc's mark of an error: ferror sees it */
    return 0;
}

ssize_t write(int file, const void *bytes, size_t size)
{
    PASS(write, ssize_t, int, const void *, size_t);
    return can_fail(file) && fails(WRITE) ? -1 : real(file, bytes, size);
}

ssize_t writev(int file, const struct iovec *part, int count)
{
    PASS(writev, ssize_t, int, const struct iovec *, int);
    return can_fail(file) && fails(WRITE) ? -1 : real(file, part, count);
}

/* ---- time ---- */

int clock_gettime(clockid_t id, struct timespec *ret_time)
{
    int rc = (int) syscall(SYS_clock_gettime, id, ret_time);
    if (rc == 0 && id == CLOCK_MONOTONIC && chosen == CLOCK && atomic_load(&armed))
        ret_time->tv_sec += (time_t) ((atomic_fetch_add(&calls, 1) + 1) * first);
    return rc;
}

/* ---- begin and end ---- */

static void read_wish(const char *wish)
{
    const char *colon = wish != NULL ? strchr(wish, ':') : NULL;
    for (size_t i = 0; colon != NULL && i < KINDS; i++)
        if (strncmp(wish, names[i], (size_t) (colon - wish)) == 0 && names[i][colon - wish] == '\0')
            chosen = (enum kind) i;
    if (colon == NULL)
        return;
    char *end = NULL;
    first = strtoul(colon + 1, &end, 10);
    later_too = *end == '+';
    kills = *end == '!';
}

static int (*real_main)(int, char **, char **);

static int watched_main(int count, char **arguments, char **environment)
{
    process = getpid();
    read_wish(getenv("HANDOFF_FAIL"));
    (void) dl_iterate_phdr(find_program, NULL);
    notes_places = chosen != KINDS && first == 0 && getenv("HANDOFF_FAIL_COUNT") != NULL;
    atomic_store(&armed, true);
    return real_main(count, arguments, environment);
}

/* Libraries have been set up: what fails from here on is the program's business. */
int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void), void *stack_end)
{
    PASS(__libc_start_main, int, int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void),
         void (*)(void), void *);
    real_main = main;
    return real(watched_main, count, arguments, init, fini, loader_fini, stack_end);
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("HANDOFF_FAIL_COUNT");
    atomic_store(&armed, false);
    FILE *file = path != NULL && getpid() == process ? fopen(path, "w") : NULL;
    if (file == NULL)
        return;
    (void) fprintf(file, "%lu\n", atomic_load(&calls));
    for (size_t i = 0; i < PLACES; i++)
        if (place[i].key != 0)
            (void) fprintf(file, "%lu\n", place[i].number);
    (void) fclose(file);
}
