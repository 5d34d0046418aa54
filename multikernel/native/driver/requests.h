/* The requests a driver answers, by kind, and the address that a reply goes to. */
#pragma once

#include "monitor/monitor.h"

/* Requests a driver answers; they follow the agreement's kinds. Those of one kind stand together
 * (dispatch.c), and operations in the order of enum operation_number. Words 1-6 are theirs: */
enum driver_kind {
    KIND_PING = 16, /* 1-6 come back */
    KIND_TOUCH,     /* 1 slot, generation; 2 address: reads there */
    KIND_READ,      /* 1 slot, generation; 2 address; 3 length <= 48 -> 1-6 bytes */
    KIND_WRITE,     /* 1 slot, generation; 2 address; 3 length <= 24; 4-6 bytes */
    KIND_ALLOCATE,  /* 1 length -> 1 frame; 2 generation 0-31, keeper 32-47 */
    KIND_FREE,      /* of its keeper. 1 frame; 2 length; 3 generation */
    /* Memory for another core to hand out, of core 0. 1 length -> 1 address; 2 length; 3 not 0:
     * somebody had it. And: the borrower has it. 1 address; 2 length */
    KIND_BORROW,
    KIND_BORROWED,
    /* 1 frame; 2 length; 3 rights 0-7, afresh 8; 4 cores in a word; 5 generation 0-31, keeper 32-47
     * -> 1 slot, generation; 2 address */
    KIND_MAP,
    KIND_UNMAP,   /* 1 slot, generation; 2 protocol */
    KIND_PROTECT, /* 1 slot, generation; 2 rights */
    KIND_PIN,     /* 1 slot, generation */
    KIND_UNPIN,   /* 1 slot, generation */
    KIND_DIGEST,  /* 1 core or ~0: entries it holds too -> 1 digest; 2 mapped; 3 locked */
    KIND_TREE,    /* a piece of the core's own tree: trees.c */
    KIND_TREES, /* 1 root -> 1 digest of all, 0: all flat; 2 version of the root's, 0: it is flat */
    KIND_GROUP, /* opens or closes a group; this and the next four: collective.h */
    KIND_GATHER, /* 1 group_word; 2-6 values -> 2-6 outcome */
    KIND_SPREAD, /* 1 the group's name; 2-6 a message */
    KIND_ORDER,  /* the same, to all members in one order: asked of the root */
    KIND_TAKE, /* 1 the name; 2 do not wait -> 1 the sender's word 1, ~0: nothing; 2-6 the message */
    KIND_POLICY,    /* 1 spin cycles; 2 yields; 3 slice in microseconds */
    KIND_RUN_BEGIN, /* 1 bytes of the program -> 1 number of the run */
    KIND_RUN_DATA,  /* 1 offset; 2-6 forty bytes */
    KIND_RUN_GO,    /* -> 1 bytes of its result, when it has ended */
    KIND_RUN_FETCH, /* 1 offset -> 1-6 forty-eight bytes */
    /* 1 number of the run; 2 not 0: cancel it -> 1 what it is at: 0 not running, 1 running, 2 not
     * interrupted yet, 3 interrupted */
    KIND_RUN_CANCEL,
    /* 1 size; 2 CNode; 3 index -> 1 reference to RAM; 2 its address. Of core 0, which keeps the
     * memory */
    KIND_CAP_CREATE,
    /* 1 source; 2 CNode there; 3 index 0-15, rights 16-23, move 24, core 32-63 -> 1 reference
     * there */
    KIND_CAP_COPY,
    /* 1 source; 2 CNode; 3 index 0-15, type 16-31, count 32-63; 4 offset; 5 size -> 1 reference */
    KIND_CAP_RETYPE,
    KIND_CAP_REVOKE, /* 1 source */
    KIND_CAP_DELETE, /* 1 source */
    /* 1 source; 2 CNode; 3 index 0-15, rights 16-23; 4 cores in a word -> 1 slot,
     * generation; 2 address; 4 the Mapping's reference */
    KIND_CAP_MAP,
    /* 1 slot; 2 not 0: or the next in use, if there is one -> 1 reference; 2 address; 3 size; 4
     * about; 5 owner 0-15, type 16-23, rights 24-31, flags 32-39 */
    KIND_CAP_LOOK,
    /* -> 1 digest; 2 capabilities; 3 locks; 4 slots; 5 not 0: an invariant does not hold
     * (cspace_check) */
    KIND_CAP_DIGEST,
    /* An object's ends (object_end.h). 1 its page's slot, generation; 2 address; 3 this member's
     * number 0-15, the owner's core 16-31; 4 what the owner makes it of, 0: it is made; 5 shape -> 1
     * an object_verdict */
    KIND_OBJECT_OPEN,
    KIND_OBJECT_CLOSE, /* 1 the page */
    KIND_OBJECT_APPLY, /* of the owner. 1 the page; 2 kind; 3 key; 4-6 values -> 1 status; 2 value */
    KIND_OBJECT_FORM,  /* of the owner. 1 the page; 2 form -> 1 an object_verdict */
    /* 1 the page; 2 form -> 1 form 0-7, changes of form 8-63; of this core: 2 operations; 3 of them
     * that read; 4 of those that were timed in that form how many; 5 their cycles */
    KIND_OBJECT_LOOK,
    /* Of the owner. 1 the page; 2 number of a change of form, 0: as it was made -> 1 form 0-7, its
     * number 8-63: another one, if that one was not seen or is not kept; 2 when, by its clock; 3
     * whether it chooses; 4 races; 5 cycles that they lost, 6 of so many */
    KIND_OBJECT_CHANGES,
    KIND_SERVED, /* see driver_serve */
};

enum { MAP_AFRESH = 1 << 8 }; /* in word 3 of MAP */

/* --- What they ask of a kernel. Ticket and kept set are the caller's to fill in --- */

static inline struct request request_of_map(const uint64_t *word)
{
    return (struct request){.operation = OPERATION_MAP,
                            .frame = word[1],
                            .length = word[2],
                            .rights = (uint32_t)word[3] & 0xff,
                            .afresh = (word[3] & MAP_AFRESH) != 0,
                            .holders = word[4],
                            .generation = (uint32_t)word[5],
                            .keeper = (word[5] >> 32 & 0xffff) + 1};
}

/* Has a map request holders, rights that make sense, and a keeper? Cores that there are not are left
 * out. */
static inline bool request_may_map(struct request *request, uint32_t cores)
{
    bool anybody = false;
    if (cores_form(request->holders) == CORES_BITS && cores < CORES_IN_BITS)
        request->holders &= (1ull << cores) - 1;
    if (cores_form(request->holders) > CORES_KEPT ||
        (cores_form(request->holders) == CORES_KEPT && !request->kept))
        return false;
    for (uint32_t core = 0; core < cores && !anybody; core++)
        anybody = cores_has(request->holders, core, request->kept);
    return anybody && request->keeper <= cores &&
           (request->rights == RIGHTS_READ || request->rights == RIGHTS_WRITE);
}

/* UNMAP, PROTECT. */
static inline struct request request_of_change(const struct message *message)
{
    const uint64_t *word = message->word;
    struct request request = {.operation = OPERATION_UNMAP,
                              .slot = (uint32_t)word[1],
                              .generation = (uint32_t)(word[1] >> 32)};
    if ((word[0] & 0xff) == KIND_PROTECT) {
        request.operation = OPERATION_PROTECT;
        request.rights = (uint32_t)word[2];
    } else {
        request.protocol = word[2] == ONE_PHASE ? ONE_PHASE : TWO_PHASE;
    }
    return request;
}

/* Of capabilities, COPY to MAP: every kind has its numbers in the same places, as far as it has
 * them. */
static inline struct capability_task task_of(const uint64_t *word)
{
    return (struct capability_task){
        .source = word[1],
        .place = {.cnode = word[2], .index = word[3] & 0xffff},
        .rights = word[3] >> 16 & 0xff,
        .type = word[3] >> 16 & 0xffff,
        .move = word[3] >> 24 & 1,
        .count = (uint32_t)(word[3] >> 32),
        .to = (uint32_t)(word[3] >> 32),
        .offset = word[4],
        .size = word[5],
    };
}
static_assert(OPERATION_MAP_FRAME - OPERATION_COPY == KIND_CAP_MAP - KIND_CAP_COPY,
              "in the same order");
static inline struct request request_of_task(const struct message *message,
                                             const struct capability_task *task)
{
    return (struct request){
        .operation = OPERATION_COPY + (uint32_t)(message->word[0] & 0xff) - KIND_CAP_COPY,
        .rights = message->word[3] >> 16 & 0xff,
        .holders = message->word[4],
        .task = task,
    };
}

/* A DONE has slot and generation, or the reference made, in word 2, and the address in word 3; a
 * requester wants them in 1 and 2. A Mapping's reference is in word 4 of both. */
static inline void reply_of_done(struct message *reply, const struct message *done)
{
    reply->word[0] = done->word[0] | KIND_PING;
    reply->word[1] = done->word[2];
    reply->word[2] = done->word[3];
    reply->word[4] = done->word[4];
}

static inline void reply_of_look(struct message *reply, const struct capability *c)
{
    reply->word[2] = c->address;
    reply->word[3] = c->size;
    reply->word[4] = c->about;
    reply->word[5] =
        c->owner | (uint64_t)c->type << 16 | (uint64_t)c->rights << 24 | (uint64_t)c->flags << 32;
}

/* Where a reply goes: type 60-63, peer or channel 44-59, count 8-43 (never twice the same), line
 * 0-7. */
enum reply_type {
    REPLY_LOCAL = 1,
    REPLY_CLIENT,
    REPLY_CHANNEL,
    REPLY_GROUP,
    REPLY_LINE, /* from here on: of what came by a transport */
    REPLY_RING,
    REPLY_HOST,
};

static inline uint64_t reply_address(enum reply_type type, uint32_t who, uint64_t count,
                                     uint32_t line)
{
    return (uint64_t)type << 60 | (uint64_t)who << 44 | (count & ((1ull << 36) - 1)) << 8 | line;
}

static inline enum reply_type reply_type(uint64_t address)
{
    return (enum reply_type)(address >> 60);
}
static inline uint32_t reply_who(uint64_t address)
{
    return address >> 44 & 0xffff;
}
static inline uint64_t reply_count(uint64_t address)
{
    return address >> 8 & ((1ull << 36) - 1);
}
static inline uint32_t reply_line(uint64_t address)
{
    return address & 0xff;
}
