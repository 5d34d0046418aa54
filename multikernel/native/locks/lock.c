#include "locks/lock.h"

#include "locks/hapax.h"
#include "locks/mcs.h"
#include "locks/readers.h"
#include "locks/robust.h"
#include "locks/ticket.h"
#include "locks/ttas.h"

#define ALGORITHM(kind, fifo) {#kind, fifo, kind##_acquire, kind##_release, kind##_holder}

const struct lock_algorithm lock_mcs = ALGORITHM(mcs, true);
static const struct lock_algorithm others[] = {
    ALGORITHM(ttas, false),  ALGORITHM(readers, false), ALGORITHM(robust, false),
    ALGORITHM(ticket, true), ALGORITHM(hapax, true),
};

const struct lock_algorithm *const lock_algorithms[] = {
    &others[0], &others[1], &others[2], &others[3], &lock_mcs, &others[4], NULL,
};
