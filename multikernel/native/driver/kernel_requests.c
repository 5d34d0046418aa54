/* What is asked of the kernel: operations on pages and trees, pins, and looks at its state. */
#include "base/hint.h"
#include "driver/driver.h"

const uint64_t *driver_set(struct driver *d, uint64_t address, uint64_t word)
{
    if (cores_form(word) != CORES_KEPT)
        return NULL;
    if (reply_type(address) == REPLY_LOCAL)
        return d->program_set;
    return reply_type(address) == REPLY_CLIENT
               ? segment_client_set(d->segment, &d->region, d->me, reply_who(address),
                                    reply_line(address))
               : NULL;
}

APART static enum verdict map(struct driver *d, uint64_t address, const uint64_t *word,
                              struct message *reply)
{
    struct request request = request_of_map(word);
    request.ticket = address;
    request.kept = driver_set(d, address, word[4]);
    if (!request_may_map(&request, d->cores))
        return VERDICT_BAD_REQUEST;
    return d->kernel->begin(d, &request, reply);
}

static enum verdict change(struct driver *d, uint64_t address, const struct message *message,
                           struct message *reply)
{
    struct request request = request_of_change(message);
    request.ticket = address;
    return d->kernel->begin(d, &request, reply);
}

static void digest_request(struct driver *d, const struct message *request, struct message *reply)
{
    const bool one = request->word[1] < d->cores;
    uint32_t mapped, locked;
    reply->word[1] = d->kernel->digest(d, one ? d->me : TREE_NOBODY,
                                       one ? (uint32_t)request->word[1] : TREE_NOBODY);
    mapping_count(d->mappings, &mapped, &locked);
    reply->word[2] = mapped;
    reply->word[3] = locked;
}

static enum verdict trees_request(struct driver *d, const struct message *request,
                                  struct message *reply)
{
    if (request->word[1] >= d->cores)
        return VERDICT_BAD_REQUEST;
    d->kernel->hold(d);
    for (uint32_t root = 0; root < d->cores; root++)
        if (d->trees[root].version != TREE_FLAT)
            reply->word[1] += hash_mix(hash_mix(0, root), d->trees[root].version);
    reply->word[2] = d->trees[request->word[1]].version;
    d->kernel->release(d);
    return VERDICT_OK;
}

enum verdict kernel_request(struct driver *d, uint64_t address, const struct message *request,
                            struct message *reply)
{
    switch (message_kind(request)) {
    case KIND_MAP:
        return map(d, address, request->word, reply);
    case KIND_TREE:
        return tree_request(d, address, request, reply);
    case KIND_TREES:
        return trees_request(d, request, reply);
    case KIND_DIGEST:
        digest_request(d, request, reply);
        return VERDICT_OK;
    default:
        return change(d, address, request, reply);
    }
}
