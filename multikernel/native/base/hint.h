/* What a compiler cannot know about how often code runs. An unmap is some thousands of
 * instructions, most of them run once, and the system call in its middle takes them out of the
 * first cache. So what is rare must not lie between what is not: each line of code that need not be
 * fetched is some cycles less. */
#pragma once

/* Seldom called. */
#define RARE __attribute__((cold, noinline))
/* Called as often as not, by what is worth keeping small. */
#define APART         __attribute__((noinline, unused))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
