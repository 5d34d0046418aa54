/* What monitors say to each other: kinds of operation, kinds of message, and how a message is laid
 * out. */
#pragma once

#include "base/message.h"
#include "base/verdict.h"

enum protocol { TWO_PHASE = 0, ONE_PHASE = 1 };

/* What monitors agree about (operation.h). */
enum operation_number {
    OPERATION_MAP = 0,
    OPERATION_UNMAP,
    OPERATION_PROTECT,
    OPERATION_TREE,
    OPERATION_COPY, /* of a capability, to another core; and move */
    OPERATION_RETYPE,
    OPERATION_REVOKE,
    OPERATION_DELETE,
    OPERATION_MAP_FRAME,   /* with a Mapping */
    OPERATION_UNMAP_GOING, /* never asked for: a step of deleting what is mapped, or holds that */
    OPERATION_RECLAIM,
    OPERATIONS
};

/* The core that drives an operation on capabilities, for all of a system: the initiator, or the
 * object's owner (capability/ranges.c). */
enum capability_protocol { CAPABILITIES_TWO_PHASE = 0, CAPABILITIES_OWNER };

/* Kinds of message. The first four are requests that are answered when the receiver's whole subtree
 * has answered; from KIND_RELEASE on they are notices that nobody answers. RELEASE says that an
 * operation is final, ASK hands one to the core that is to drive it, and ANSWER says what became of
 * it. */
enum agreement_kind {
    KIND_PREPARE = 1,
    KIND_APPLY,
    KIND_COMMIT,
    KIND_ABORT,
    KIND_RELEASE,
    KIND_ASK,
    KIND_ANSWER,
    AGREEMENT_KINDS
};

/* Word 0 of every message: kind 0-7, operation 8-15, verdict 16-23, flags 24-31 (24: the
 * transports', 25-26: the place of the root's tree, 27-31: the attempt's strength), core 32-47 (in
 * the first four requests the root, in what answers the core that the verdict names), view 48-63.
 * Word 1: the attempt, initiator 48-63 and sequence 0-47. Word 2: the object: for mappings slot
 * 0-31 and generation 32-63, for capabilities the address of a range. Words 3-6: the operation's;
 * in an answer that says BUSY, word 3 is the attempt that it met. */
static inline uint64_t message_head(uint32_t kind, uint32_t operation, uint32_t verdict,
                                    uint32_t core, uint32_t view)
{
    return kind | (uint64_t)operation << 8 | (uint64_t)verdict << 16 | (uint64_t)core << 32 |
           (uint64_t)view << 48;
}
static inline uint32_t message_kind(const struct message *m)
{
    return m->word[0] & 0xff;
}
static inline uint32_t message_operation(const struct message *m)
{
    return m->word[0] >> 8 & 0xff;
}
static inline enum verdict message_verdict(const struct message *m)
{
    return (enum verdict)(m->word[0] >> 16 & 0xff);
}
static inline uint32_t message_core(const struct message *m)
{
    return m->word[0] >> 32 & 0xffff;
}
static inline uint32_t message_view(const struct message *m)
{
    return (uint32_t)(m->word[0] >> 48);
}
static inline uint32_t message_place(const struct message *m)
{
    return m->word[0] >> 25 & 3;
}
/* Of the attempt: how often its operation was aborted before. */
enum { STRENGTH_MAX = 31 };
/* What a reply has of its request. */
#define HEAD_WAY ((3ull | STRENGTH_MAX << 2) << 25)
static inline uint32_t message_strength(const struct message *m)
{
    return m->word[0] >> 27 & STRENGTH_MAX;
}
