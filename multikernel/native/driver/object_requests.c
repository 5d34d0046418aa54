/* What programs and the launcher ask a driver about its ends of objects. */
#include <errno.h>
#include <stdlib.h>

#include "driver/object_end_inside.h"

/* Pinned here, and this core may write to it: where it lies, and how long it is. */
static enum verdict pinned(struct driver *d, uint64_t page, uint64_t address, uint64_t *length)
{
    const uint32_t slot = (uint32_t)page, generation = (uint32_t)(page >> 32);
    const enum verdict verdict = d->kernel->pin(d, slot, generation, true);
    if (verdict != VERDICT_OK)
        return verdict;
    const struct mapping *mapping = sparse_at(d->mappings, slot);
    const uint64_t rights = mapping_word(mapping) >> 40 & 0xff;
    *length = mapping->length;
    if (rights == RIGHTS_WRITE && mapping->address == address)
        return VERDICT_OK;
    d->kernel->pin(d, slot, generation, false);
    return VERDICT_BAD_REQUEST;
}

static enum object_verdict make(void *block, uint64_t length, uint64_t what, uint32_t shape)
{
    const struct object_geometry geometry = {.type = what & 0xff,
                                             .shape = shape,
                                             .cores = what >> 16 & 0xffff,
                                             .owner = what >> 32 & 0xff,
                                             .log = what >> 40 & 0xffff,
                                             .lock = what >> 56 & 0xf};
    enum object_verdict verdict;
    const uint64_t bytes = object_bytes(&geometry, &verdict);
    if (!bytes)
        return verdict;
    const uint32_t form = what >> 8 & 0xff;
    if (object_is_agreed(form))
        return OBJECT_NO_SUCH_FORM;
    return bytes > length
               ? OBJECT_TOO_SHORT
               : object_init(block, &geometry,
                             form == FORM_ADAPTIVE ? FORM_LOCKED : (enum object_form)form);
}

static enum verdict open_end(struct driver *d, const struct message *request, struct message *reply)
{
    const uint64_t *word = request->word, member = word[3] & 0xffff, owner = word[3] >> 16;
    struct object_ends *ends = d->ends;
    if (object_end_of(d, word[1]) || owner >= d->cores)
        return VERDICT_BAD_REQUEST;
    if (ends->count == OBJECT_ENDS)
        return VERDICT_NO_SLOT;
    struct object_end *end = ends->end;
    while (end->open)
        end++;
    uint64_t length = 0;
    const enum verdict verdict = pinned(d, word[1], word[2], &length);
    if (verdict != VERDICT_OK)
        return verdict;
    void *block = (void *)(uintptr_t)word[2];
    enum object_verdict opened =
        word[4] ? make(block, length, word[4], (uint32_t)word[5]) : OBJECT_OK;
    *end = (struct object_end){.driver = d, .page = word[1], .owner = d->peers[owner].doorbell};
    if (opened == OBJECT_OK)
        opened = object_open(&end->object, block, length, (uint32_t)member, object_end_waits, end);
    /* A program can write to the page: what an operation finds there must lead nowhere else. */
    if (opened == OBJECT_OK && end->object.type->plain)
        opened = OBJECT_NO_SUCH_TYPE;
    reply->word[1] = opened;
    if (opened != OBJECT_OK) {
        d->kernel->pin(d, (uint32_t)word[1], (uint32_t)(word[1] >> 32), false);
        return VERDICT_OK;
    }
    end->open = true;
    ends->open[ends->count++] = end;
    end->made = (struct object_change){0, object_form(&end->object), arch_cycles()};
    if (word[4] && (word[4] >> 8 & 0xff) == FORM_ADAPTIVE)
        reply->word[1] = object_end_adapt(end);
    d->duties = object_duties;
    return VERDICT_OK;
}

static enum verdict look(const struct object_end *end, const struct message *request,
                         struct message *reply)
{
    const uint64_t form = request->word[2];
    const struct object_counts counts = object_counts(&end->object, end->object.me);
    if (form >= OBJECT_FORMS)
        return VERDICT_BAD_REQUEST;
    reply->word[1] = object_form(&end->object) | object_switches(&end->object) << 8;
    reply->word[2] = counts.done;
    reply->word[3] = counts.reads;
    reply->word[4] = end->cost[form].operations;
    reply->word[5] = end->cost[form].cycles;
    return VERDICT_OK;
}

static enum verdict changes(const struct object_end *end, const struct message *request,
                            struct message *reply)
{
    const uint64_t number = request->word[2];
    const struct object_change *change =
        number ? &end->change[number % OBJECT_CHANGES_KEPT] : &end->made;
    reply->word[1] = change->form | change->number << 8;
    reply->word[2] = change->when;
    reply->word[3] = end->object.chooser != NULL;
    reply->word[4] = end->chooser.races;
    reply->word[5] = (uint64_t)end->chooser.lost;
    reply->word[6] = end->chooser.cycles;
    return VERDICT_OK;
}

static enum verdict object_request(struct driver *d, const struct message *request,
                                   struct message *reply)
{
    const uint64_t *word = request->word;
    if (message_kind(request) == KIND_OBJECT_OPEN)
        return open_end(d, request, reply);
    struct object_end *end = object_end_of(d, word[1]);
    if (!end)
        return VERDICT_NOT_MAPPED;
    if (message_kind(request) == KIND_OBJECT_LOOK)
        return look(end, request, reply);
    if (message_kind(request) == KIND_OBJECT_CHANGES)
        return changes(end, request, reply);
    if (end->busy)
        return VERDICT_BUSY;
    if (message_kind(request) == KIND_OBJECT_CLOSE) {
        object_end_close(end);
        d->kernel->pin(d, (uint32_t)word[1], (uint32_t)(word[1] >> 32), false);
        return VERDICT_OK;
    }
    if (end->object.me != end->object.owner)
        return VERDICT_BAD_REQUEST; /* it would have to wait for the owner, in a request */
    if (message_kind(request) == KIND_OBJECT_FORM) {
        reply->word[1] = object_end_switch(end, (uint32_t)word[2]);
        return VERDICT_OK;
    }
    const struct operation operation = {word[2], word[3], {word[4], word[5], word[6]}};
    struct result result;
    object_end_apply(end, &operation, &result, OBJECT_NO_PROGRAM); /* the owner asks nobody */
    reply->word[1] = result.status;
    reply->word[2] = result.value;
    return VERDICT_OK;
}

int object_ends_open(struct driver *d)
{
    d->ends = calloc(OBJECT_ENDS, sizeof *d->ends);
    d->objects = object_request;
    return d->ends ? 0 : ENOMEM;
}
