#include "virtual/work.h"

#include <sys/mman.h>

#include "arch/arch.h"

enum { LINE = 64, PAGE = 4096 };

double work_clock(void)
{
    enum { READINGS = 20000, MOST = 400 };
    uint64_t sum = 0, count = 0;
    for (int i = 0; i < READINGS; i++) {
        const uint64_t began = arch_cycles(), took = arch_cycles() - began;
        if (took < MOST) {
            sum += took;
            count++;
        }
    }
    return count ? (double)sum / (double)count : 0;
}

static bool is_there(char *page)
{
    unsigned char there = 1;
    return mincore(page, PAGE, &there) || there & 1;
}

void work_evict(char *from, size_t bytes, bool sparse)
{
    for (char *page = from; page < from + bytes; page += PAGE) {
        if (sparse && !is_there(page))
            continue;
        for (char *line = page; line < page + PAGE && line < from + bytes; line += LINE)
            arch_evict(line);
    }
    arch_evicted();
}
