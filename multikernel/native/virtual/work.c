#include "virtual/work.h"

#include "arch/arch.h"

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
