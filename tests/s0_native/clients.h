/* What the thread tests share: seeded random numbers, two threads at once, and an end for those
 * that hang.
 *
 * Each client is one file for two judges. As a thread test it runs under ThreadSanitizer, which
 * sees every ordering bug through a plain variable written before a send and read after the
 * receive. With -DGENMC it is a GenMC client: tiny bounds, and a step that cannot be made now ends
 * that execution (GenMC explores the others). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef GENMC
#include <genmc.h>
#define GIVE_WAY()            __VERIFIER_assume(0)
#define CHECK(condition, ...) __VERIFIER_assert(condition)
#else
#include <sched.h>
#include <unistd.h>
#define GIVE_WAY() sched_yield()
#define CHECK(condition, ...)                                               \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fputc('\n', stderr);                                            \
            _exit(1);                                                       \
        }                                                                   \
    } while (0)
#endif

/* Knuth's MMIX generator; the high half is random enough for choosing. */
static inline uint32_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33);
}

static inline uint64_t argument(int argc, char **argv, int i, uint64_t otherwise)
{
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

/* A client that waits for what never comes is ended by SIGALRM: by its seconds without any
 * progress, not by a total. */
static inline void progress(void)
{
#ifndef GENMC
#ifndef STUCK_SECONDS
#define STUCK_SECONDS 60
#endif
    alarm(STUCK_SECONDS);
#endif
}
