/* Notified along trees: the shared kernel's control. The state is one, under one lock, as it is
 * with the line; only the news of a change travels as the multikernel's does, along the initiator's
 * multicast tree over the cores' call lines (lines_first). So what the tree is worth can be told
 * apart from what the structure is worth.
 *
 * A core that is notified passes the request on to those next below it, does its own part, and
 * answers when all of them have. The trees lie in the shared state and are contracted to the page's
 * holders (monitor/tree.h); a root without one notifies every core itself, by call lines too.
 * Installing one is a change under the lock, so no change is on its way meanwhile.
 *
 * Why nothing waits for ever. The lock is held from the first request to the last answer, so one
 * change is under way at a time. A core answers after those below it, so when the last answer has
 * come every line is free: no send ever waits for a line, and the circle that LATER breaks in the
 * multikernel (driver/lines.c) cannot close. Each core is asked once, by a core nearer to the root.
 * What a core needs to answer is its own page table and the answers from below, never the lock; and
 * every core that waits, for the lock (shared_while_waiting) or for anything else in its driver's
 * loop, goes on passing requests on and answering. The initiator looks for its own answers alone:
 * it holds the lock, so no other core can notify it of anything. */
#include <errno.h>
#include <stdlib.h>

#include "shared/shared.h"

/* A request: word 1 slot 0-31, what 32-39, rights 40-47, root 48-63; 2 the holders, of up to 64
 * cores; 3-5 address, frame, length, so that nobody need look at the entry, which the initiator has
 * just written. */
static struct message request_of(struct driver *d, const struct shared_entry *entry, uint32_t slot,
                                 enum change_kind what, uint32_t rights)
{
    uint64_t head = slot | (uint64_t)what << 32 | (uint64_t)rights << 40 | (uint64_t)d->me << 48;
    return (struct message){{message_head(KIND_SHOOTDOWN, 0, 0, d->me, 0), head, entry->sets[0],
                             entry->page.address, entry->page.frame, entry->page.length}};
}

/* --- The trees --- */

uint64_t shared_trees_bytes(uint32_t cores)
{
    return PAD_BYTES + sizeof(struct tree) * cores;
}

struct tree *shared_tree(const struct driver *d, uint32_t root)
{
    struct shared_kernel *k = shared_state(d);
    return (struct tree *)(void *)((char *)k + round_up(k->trees_offset, PAD_BYTES)) + root;
}

int shared_trees_open(struct driver *d, const uint32_t *trees, uint32_t tree_count)
{
    struct shootdown *shootdown =
        calloc(1, sizeof *shootdown + d->cores * sizeof *shootdown->child);
    if (!shootdown)
        return ENOMEM;
    shared_private(d)->shootdown = shootdown;
    /* The driver serves the kernel when this differs from pending_seen, which stays 0. */
    d->pending = &shootdown->waits;
    for (uint32_t i = 0; d->me == 0 && i < tree_count; i++)
        shared_tree(d, trees[(size_t)i * d->cores])->version = 1;
    return 0;
}

enum verdict shared_install_tree(struct driver *d, const struct request *request)
{
    struct tree *tree = shared_tree(d, d->me);
    if (!trees_publish(d, tree_place(tree->version + 1), request->ticket))
        return VERDICT_BAD_REQUEST;
    tree->version++;
    return VERDICT_OK;
}

/* --- Notifying --- */

/* To those next below this core in root's tree: first all requests, then the bells of cores that do
 * not poll. */
static void pass_on(struct driver *d, uint32_t root, const struct message *request)
{
    struct shared_kernel *k = shared_state(d);
    struct shootdown *shootdown = shared_private(d)->shootdown;
    const uint64_t *holders =
        k->set_words == 1 ? &request->word[2] : entry_at(k, (uint32_t)request->word[1])->sets;
    const uint32_t place = tree_place(shared_tree(d, root)->version);
    const struct tree_link *link = place == TREE_FLAT ? NULL : trees_links(d, root, place);
    uint32_t core = TREE_NOBODY;
    shootdown->missing = 0;
    shootdown->failed = false;
    while ((core = tree_next(link, holders, d->cores, root, d->me, core)) != TREE_NOBODY) {
        int line = call_try_send(lines_first(d, core), request);
        assert(line >= 0); /* free: see above */
        shootdown->child[shootdown->missing++] =
            (struct shootdown_child){(uint16_t)core, (uint16_t)line};
    }
    for (uint32_t i = 0; i < shootdown->missing; i++)
        doorbell_ring(d->peers[shootdown->child[i].core].doorbell);
}

static bool collect(struct driver *d)
{
    struct shootdown *shootdown = shared_private(d)->shootdown;
    bool any = false;
    for (uint32_t i = 0; i < shootdown->missing;) {
        struct shootdown_child child = shootdown->child[i];
        struct message answer;
        if (!call_try_take(lines_first(d, child.core), child.line, &answer)) {
            i++;
            continue;
        }
        shootdown->failed |= message_verdict(&answer) != VERDICT_OK;
        shootdown->child[i] = shootdown->child[--shootdown->missing];
        any = true;
    }
    return any;
}

void tree_notify(struct driver *d, struct shared_entry *entry, uint32_t slot, enum change_kind what,
                 uint32_t rights)
{
    struct message request = request_of(d, entry, slot, what, rights);
    pass_on(d, d->me, &request);
}

enum verdict tree_await(struct driver *d)
{
    while (shared_private(d)->shootdown->missing)
        if (!collect(d))
            shared_breathe(d);
    return shared_private(d)->shootdown->failed ? VERDICT_HOST : VERDICT_OK;
}

/* --- Being notified --- */

static void answer(struct driver *d)
{
    struct shootdown *shootdown = shared_private(d)->shootdown;
    struct message reply = {
        {message_head(KIND_SHOOTDOWN, 0, shootdown->failed ? VERDICT_HOST : VERDICT_OK, d->me, 0)}};
    atomic_store_explicit(&shootdown->waits, 0, memory_order_relaxed); /* ours alone */
    driver_reply(d, shootdown->answer_to, &reply);
}

bool tree_serve(struct driver *d)
{
    struct shootdown *shootdown = shared_private(d)->shootdown;
    if (!atomic_load_explicit(&shootdown->waits, memory_order_relaxed) || !collect(d))
        return false;
    if (!shootdown->missing)
        answer(d);
    return true;
}

void tree_notified(struct driver *d, const struct arrival *arrival)
{
    struct shootdown *shootdown = shared_private(d)->shootdown;
    const uint64_t *word = arrival->message.word;
    uint32_t slot = (uint32_t)word[1], rights = word[1] >> 40 & 0xff;
    enum change_kind what = (enum change_kind)(word[1] >> 32 & 0xff);
    pass_on(d, (uint32_t)(word[1] >> 48), &arrival->message);
    enum verdict own = what == CHANGE_INSERT
                           ? vspace_insert(&d->vspace, slot, word[3], word[4], word[5], rights)
                           : vspace_protect(&d->vspace, slot,
                                            what == CHANGE_UNMAP ? (uint32_t)RIGHTS_NONE : rights);
    shootdown->failed |= own != VERDICT_OK;
    shootdown->answer_to = arrival->address;
    collect(d);
    if (shootdown->missing)
        atomic_store_explicit(&shootdown->waits, 1, memory_order_relaxed);
    else
        answer(d);
    if (what == CHANGE_UNMAP)
        vspace_retire(&d->vspace, slot);
}
