#include "locks/lock.h"

#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/robust.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

#define ALGORITHM(kind, fifo)                                                               \
    const struct lock_algorithm lock_##kind = {#kind, fifo, kind##_acquire, kind##_release, \
                                               kind##_holder}

ALGORITHM(ttas, false);
ALGORITHM(ticket, true);
ALGORITHM(mcs, true);
ALGORITHM(hapax, true);
ALGORITHM(readers, false);
ALGORITHM(robust, false);
