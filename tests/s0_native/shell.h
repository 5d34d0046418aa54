/* What the shells share: they read one operation a line, a letter and numbers, and print one line
 * for each. The tests hold what they print against a naive model. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct operation_line {
    char letter;
    uint64_t number[10];
};

static inline bool shell_next(struct operation_line *operation)
{
    char text[256];
    if (!fgets(text, sizeof text, stdin))
        return false;
    operation->letter = text[0];
    char *at = text + 1;
    for (int i = 0; i < 10; i++)
        operation->number[i] = strtoull(at, &at, 10);
    return true;
}

static inline void shell_say(int64_t value)
{
    printf("%lld\n", (long long)value);
    fflush(stdout);
}

static inline void shell_unknown(const struct operation_line *operation)
{
    fprintf(stderr, "no operation '%c'\n", operation->letter);
    exit(2);
}
