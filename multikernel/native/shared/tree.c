/* Notified along trees: the shared kernel's control. The state is one, under one lock, as it is
 * with the line; only the news of a change travels as the multikernel's does, along the initiator's
 * multicast tree over the cores' call lines. So what the tree is worth can be told
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
 * loop, goes on passing requests on and answering. The initiator looks for answers alone: it holds
 * the lock, so no other core can notify it of anything. */
#include "shared/shared.h"

enum verdict shared_install_tree(struct driver *d, const struct request *request)
{
    struct tree *tree = &shared_private(d)->trees[d->me];
    if (!shared_private(d)->along_trees ||
        !trees_publish(d, tree_place(tree->version + 1), request->ticket))
        return VERDICT_BAD_REQUEST;
    tree->version++;
    return VERDICT_OK;
}

/* --- Notifying --- */

/* To those next below this core in root's tree. */
static void pass_on(struct driver *d, uint32_t root, const struct message *request)
{
    struct shared_kernel *k = shared_state(d);
    struct shootdown *s = &shared_private(d)->shootdown;
    const uint64_t *holders =
        k->set_words == 1 ? &request->word[2] : entry_at(k, (uint32_t)request->word[1])->sets;
    const uint32_t place = tree_place(d->trees[root].version);
    const struct tree_link *link = place == TREE_FLAT ? NULL : trees_links(d, root, place);
    *s = (struct shootdown){0};
    for (uint32_t core = TREE_NOBODY;
         (core = tree_next(link, holders, d->cores, root, d->me, core)) != TREE_NOBODY;
         s->missing++) {
        const bool sent = d->transport->send(d, core, request);
        assert(sent); /* its line is free: see above */
        (void)sent;
        notify_request(d, core, false);
    }
}

/* A request: word 1 slot 0-31, what 32-39, rights 40-47, root 48-63; 2 the holders, of up to 64
 * cores; 3-5 address, frame, length, so that nobody need look at the entry, which the initiator has
 * just written. */
static void notify_holders(struct driver *d, uint32_t slot, enum change_kind what, uint32_t rights)
{
    const struct shared_entry *entry = entry_at(shared_state(d), slot);
    const struct message request = {
        {message_head(KIND_SHOOTDOWN, 0, 0, d->me, 0),
         slot | (uint64_t)what << 32 | (uint64_t)rights << 40 | (uint64_t)d->me << 48,
         entry->sets[0], entry->page.address, entry->page.frame, entry->page.length}};
    pass_on(d, d->me, &request);
}

static enum verdict await(struct driver *d)
{
    const struct shootdown *s = &shared_private(d)->shootdown;
    notify_all(d);
    while (s->missing)
        if (!driver_poll_replies(d))
            shared_breathe(d);
    return s->failed ? VERDICT_HOST : VERDICT_OK;
}

static void meanwhile(struct driver *d)
{
    if (!(driver_poll_transport(d) | driver_poll_replies(d)))
        shared_breathe(d);
}

const struct notification notification_along_trees = {notify_holders, await, meanwhile};

/* --- Being notified --- */

static void answer(struct driver *d)
{
    struct shootdown *s = &shared_private(d)->shootdown;
    const uint64_t to = s->answer_to;
    const struct message reply = {
        {message_head(KIND_SHOOTDOWN, 0, s->failed ? VERDICT_HOST : VERDICT_OK, d->me, 0)}};
    s->answer_to = 0;
    driver_reply(d, to, &reply);
}

void tree_notified(struct driver *d, const struct arrival *arrival)
{
    struct shootdown *s = &shared_private(d)->shootdown;
    const uint64_t *word = arrival->message.word;
    uint32_t slot = (uint32_t)word[1], rights = word[1] >> 40 & 0xff;
    enum change_kind what = (enum change_kind)(word[1] >> 32 & 0xff);
    const struct mapping page = {.address = word[3], .frame = word[4], .length = word[5]};
    pass_on(d, (uint32_t)(word[1] >> 48), &arrival->message);
    s->failed = shared_own_part(d, slot, what, rights, &page) != VERDICT_OK;
    s->answer_to = arrival->address;
    if (!s->missing)
        answer(d);
    if (what == CHANGE_UNMAP)
        shared_retire(d, slot);
}

void tree_answered(struct driver *d, const struct message *reply)
{
    struct shootdown *s = &shared_private(d)->shootdown;
    s->failed |= message_verdict(reply) != VERDICT_OK;
    if (!--s->missing && s->answer_to)
        answer(d);
}
