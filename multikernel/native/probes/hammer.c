/* Reads one word of a page as fast as the accessor can, until the page is gone for good. For the
 * test that no core reads through a mapping once its unmap has returned. */
#include "probes/probes.h"

enum { LOADS_A_TURN = 32 };

uint64_t probe_hammer(struct driver *d, const struct hammer_probe *probe, uint64_t *loads)
{
    const uint64_t *word = (const uint64_t *)(uintptr_t)probe->address;
    uint64_t value = 0;
    *loads = 0;
    if (probe->polling)
        driver_enter(d);
    for (bool there = true; there && value != probe->poison;) {
        int faulted = 0;
        for (int i = 0; i < LOADS_A_TURN && !faulted && value != probe->poison; i++) {
            faulted = mk_access_load(&value, word);
            *loads += !faulted;
        }
        if (probe->polling)
            driver_poll(d);
        if (faulted && value != probe->poison) {
            /* A prepared page is waited for: its outcome decides. */
            if (!probe->polling)
                driver_enter(d);
            there = driver_access(d, probe->slot, probe->generation, probe->address, &value,
                                  sizeof value, 0) == VERDICT_OK;
            if (!probe->polling)
                driver_leave(d);
        }
    }
    if (probe->polling)
        driver_leave(d);
    return value;
}
