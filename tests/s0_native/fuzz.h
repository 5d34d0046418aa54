/* What the random drivers share: numbers drawn from a seed, mostly such as mean something somewhere,
 * and the generation that was at work, said whatever ends the program.
 *
 * An execution is a sequence of arbitrary inputs. Executions come in generations, each drawn from
 * the seed and its own number alone: to see one again, give its number as the third argument.
 *
 *     … SEED EXECUTIONS [FIRST GENERATION]
 *
 * Built with the address and the undefined-behaviour sanitizer, and with assertions. */
#pragma once

#include <signal.h>
#include <string.h>

#include "base/align.h"
#include "base/core_set.h"
#include "base/hash.h"
#include "clients.h"

/* Of the sanitizers' runtime. */
extern void __sanitizer_set_death_callback(void (*callback)(void));

static uint64_t fuzz_seed, fuzz_generation, fuzz_state;

static void fuzz_say(void)
{
    char text[96];
    const int length = snprintf(text, sizeof text, "\nseed %llu, generation %llu\n",
                                (unsigned long long)fuzz_seed, (unsigned long long)fuzz_generation);
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)length);
    (void)ignored;
}

static void fuzz_die(int number)
{
    fuzz_say();
    signal(number, SIG_DFL);
    raise(number);
}

/* CHECK, with the generation. */
#define FUZZ_CHECK(condition, ...)     \
    do {                               \
        if (!(condition)) {            \
            fuzz_say();                \
            CHECK(false, __VA_ARGS__); \
        }                              \
    } while (0)

static uint64_t draw64(void)
{
    return (uint64_t)random_next(&fuzz_state) << 33 ^ (uint64_t)random_next(&fuzz_state) << 11 ^
           random_next(&fuzz_state);
}
static uint32_t draw(uint32_t below)
{
    return below ? random_next(&fuzz_state) % below : 0;
}
static bool one_in(uint32_t n)
{
    return draw(n) == 0;
}

/* A set of cores in a word, of every form, and words that are none. */
static uint64_t draw_cores(uint32_t cores)
{
    const uint64_t form = (uint64_t)draw(one_in(4) ? 16 : 4) << 60;
    switch (draw(5)) {
    case 0:
        return CORES_ALL;
    case 1:
        return draw64() & ((1ull << cores) - 1);
    case 2:
        return form | (uint64_t)draw(16) << 56 | (draw64() & 0x3003003003003);
    default:
        return form | draw64() >> 4;
    }
}

static uint64_t draw_word(uint32_t cores)
{
    switch (draw(12)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX - draw(2) * (PAGE_BYTES - 1ull);
    case 2:
        return draw(8);
    case 3:
        return 1ull << draw(64);
    case 4:
        return (1ull << draw(64)) - 1;
    case 5:
        return (uint64_t)draw(64) * PAGE_BYTES;
    case 6:
        return draw(4) | (uint64_t)draw(4) << 32;
    case 7:
        return (uint64_t)draw(64) * PAGE_BYTES | (uint64_t)draw(4) << 56;
    case 8:
        return draw_cores(cores);
    case 9: /* what lies at the ends of a range that is locked, or behind all memory */
        return (1ull << 56) + (uint64_t)draw(8) * PAGE_BYTES;
    default:
        return draw64();
    }
}

static void draw_change(uint64_t *word, uint32_t cores)
{
    if (one_in(2))
        *word ^= 1ull << draw(64);
    else if (one_in(2))
        *word += (uint64_t)(int64_t)((int)draw(9) - 4);
    else
        *word = draw_word(cores);
}

/* Runs generations until there have been so many executions; one returns how many it made. */
static int fuzz_run(int argc, char **argv, uint64_t (*run)(void))
{
    const uint64_t executions = argument(argc, argv, 2, 20000), first = argument(argc, argv, 3, 0);
    uint64_t done = 0;
    fuzz_seed = argument(argc, argv, 1, 1);
    __sanitizer_set_death_callback(fuzz_say);
    signal(SIGALRM, fuzz_die);
    signal(SIGABRT, fuzz_die);
    for (fuzz_generation = first; done < executions; fuzz_generation++) {
        fuzz_state = hash_mix(hash_mix(0, fuzz_seed), fuzz_generation);
        progress();
        done += run();
        if (argc > 3)
            break;
    }
    printf("%llu executions in %llu generations\n", (unsigned long long)done,
           (unsigned long long)(fuzz_generation - first));
    return 0;
}
