/* Two kernels, one interface. What differs between the multikernel and the shared kernel is behind
 * these functions; the driver's loop, its channels, its modes and the programs on top are the same
 * for both. */
#pragma once

#include "driver/transport.h"
#include "monitor/monitor.h"

struct driver_options;

struct kernel {
    /* Makes the core's state, in a driver that is open but for its channels. 0, or an errno. */
    int (*open)(struct driver *, const struct driver_options *);

    /* From another core's kernel: a request of a kind below KIND_PING, or the reply to one. False:
     * this kernel knows no such request. */
    bool (*message)(struct driver *, const struct arrival *);
    /* Does what is to be done without a message; true if there was something. The loop asks when
     * the word that driver.pending points to has changed. Safe in the interrupt handler and while
     * waiting for a lock. */
    bool (*serve)(struct driver *);
    /* Others wait for this core, and are about to say more. */
    bool (*engaged)(struct driver *);

    /* Begins an operation. PENDING: driver_reply to the request's ticket follows. BUSY: ask again
     * later. Otherwise the final verdict, with result filled like OUTPUT_DONE's message. */
    enum verdict (*begin)(struct driver *, const struct request *, struct message *result);
    /* BUSY: an operation holds the page; ask again. fault: see monitor_fault. */
    enum verdict (*pin)(struct driver *, uint32_t slot, uint32_t generation, bool pinned);
    enum verdict (*fault)(struct driver *, uint32_t slot, uint32_t generation, int write);
    /* Of all mappings; or of those that both cores hold, unless they are TREE_NOBODY. */
    uint64_t (*digest)(struct driver *, uint32_t one, uint32_t other);
    /* The table of mappings, frames and the trees do not change between the two. */
    void (*hold)(struct driver *);
    void (*release)(struct driver *);

    /* Frames that are handed out, lent or taken back: this core's, or everybody's. */
    enum verdict (*frames)(struct driver *, struct frames_request *);
    enum verdict (*create_ram)(struct driver *, uint64_t address, uint64_t size,
                               const struct cspace_place *, uint64_t *made);
    /* What a slot of this core holds, or the next in use if there is one, and its reference.
     * BAD_REQUEST: there is no such slot. BUSY: whether it is still there is being decided. */
    enum verdict (*look)(struct driver *, uint64_t slot, bool next, struct capability *,
                         uint64_t *reference);
    /* Words 1-5 of KIND_CAP_DIGEST's reply. */
    void (*capability_digest)(struct driver *, uint64_t words[5]);
    /* OK: no core has a capability to any of that memory. BUSY: it is being found out, ask again.
     * Anything else: it is in use. */
    enum verdict (*unused)(struct driver *, uint64_t address, uint64_t size);
};
