/* A clock that stands still unless it is told to go on: preloaded into a server, so that a trace takes as much of the server's
 * time as its author wants and as little of ours as the machine allows.
 *
 * VIRTUAL_CLOCK names a file of eight bytes: the nanoseconds that have passed. With VIRTUAL_MONOTONIC the monotonic
 * clock stands still too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BEGIN 1800000000LL /* seconds since the epoch: the same moment in every run */
#define SECOND 1000000000LL

static const volatile int64_t *passed;
static int monotonic;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void) {
    int file = open(getenv("VIRTUAL_CLOCK"), O_RDONLY);
    passed = mmap(NULL, sizeof *passed, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || passed == MAP_FAILED) abort();
    close(file);
    monotonic = getenv("VIRTUAL_MONOTONIC") != NULL;
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    unsetenv("LD_PRELOAD");
}

int clock_gettime(clockid_t id, struct timespec *time) {
    if (!real_gettime) real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (!passed || !(wall || (monotonic && id == CLOCK_MONOTONIC))) return real_gettime(id, time);
    time->tv_sec = BEGIN + *passed / SECOND;
    time->tv_nsec = *passed % SECOND;
    return 0;
}

int gettimeofday(struct timeval *time, void *zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
