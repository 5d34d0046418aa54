/* What became of a request, on the wire and to the caller: one list for both kernels, so that a
 * verdict means the same wherever it comes from. Verdicts of operations on capabilities follow it
 * (capability/capability.h), and a few never leave the room named with them. */
#pragma once

enum verdict {
    VERDICT_OK = 0,
    VERDICT_BUSY,       /* locked by another operation: abort, retry; never surfaces */
    VERDICT_NOT_MAPPED, /* no such mapping here */
    VERDICT_PINNED,     /* a core holds a pin; the core is named */
    VERDICT_STALE_VIEW, /* the message comes from another membership */
    VERDICT_NO_SLOT,    /* the table of mappings is full */
    VERDICT_HOST,       /* the host refused a mapping call (ENOMEM: too many mappings) */
    VERDICT_BAD_REQUEST,
    VERDICT_NO_MEMORY, /* no frame of that size */
    VERDICT_FAULT,     /* page fault */
    VERDICT_FRAME_IN_USE,
    VERDICT_NOT_A_FRAME,
    VERDICT_CORE_BUSY, /* the core runs a program already */
    VERDICT_OVERTAKEN, /* another installation of that tree came in between */
    VERDICT_LATER,     /* (transports only) the reply will come as a message of its own */
    VERDICT_PENDING,   /* (local only) not finished yet */
    VERDICT_ALONE,     /* (local only) finished without asking anybody */
    /* (between monitors only) the core that was asked to order it does not own the object */
    VERDICT_NOT_OWNER,
    VERDICT_CANCELLED,       /* (local only) the program is cancelled: it waits no longer */
    VERDICT_MORE,            /* (local only) a part is done and there is more: ask again */
    VERDICT_NO_ADDRESS,      /* the core's range has no gap of that length */
    VERDICT_CAPABILITY = 64, /* and up: enum capability_verdict; but OK and BUSY are those above */
};
