#include "channel/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const channel_form_names[] = {
    [CHANNEL_EPOCH_RING] = "epoch-ring", [CHANNEL_USED_RING] = "used-ring",
    [CHANNEL_CALL_LINE] = "call-line",   [CHANNEL_CALLS] = "calls",
    [CHANNEL_SOCKET] = "socket",         [CHANNEL_PIPE] = "pipe",
};
enum { FORMS = sizeof channel_form_names / sizeof *channel_form_names };

static uint32_t descriptors_of(enum channel_kind kind)
{
    return kind == CHANNEL_SOCKET ? 3 : 4;
}

/* A number, and the colon that ends it, or the text's end. */
static bool number(const char **at, uint64_t most, uint64_t *value)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoull(*at, &end, 10);
    if (errno || *value > most || (*end && *end != ':'))
        return false;
    *at = *end ? end + 1 : end;
    return true;
}

static struct channel_header *header_of(const struct channel_side *side)
{
    struct stat status;
    if (fstat(side->descriptor[0], &status) || (uint64_t)status.st_size < side->bytes ||
        side->bytes < sizeof(struct channel_header))
        return NULL;
    void *memory =
        mmap(NULL, side->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, side->descriptor[0], 0);
    return memory == MAP_FAILED ? NULL : memory;
}

const char *channel_side_parse(const char *text, struct channel_side *side)
{
    uint64_t value[2];
    *side = (struct channel_side){0};
    const size_t length = strcspn(text, ":");
    for (unsigned kind = CHANNEL_EPOCH_RING; kind < FORMS; kind++)
        if (strlen(channel_form_names[kind]) == length &&
            !strncmp(text, channel_form_names[kind], length))
            side->kind = (enum channel_kind)kind;
    if (!side->kind || text[length] != ':')
        return "this is no side of a channel: its form is unknown";
    text += length + 1;
    if (!number(&text, 1, &value[0]) || !number(&text, INT64_MAX, &value[1]))
        return "this is no side of a channel: a number is missing";
    side->side = (uint32_t)value[0];
    side->bytes = value[1];
    for (; *text && side->count < SIDE_DESCRIPTORS_MOST; side->count++) {
        if (!number(&text, INT32_MAX, &value[0]))
            return "this is no side of a channel: a descriptor is wrong";
        side->descriptor[side->count] = (int)value[0];
    }
    if (*text || side->count != descriptors_of(side->kind))
        return "this is no side of a channel: it has too many descriptors, or too few";
    struct channel_header *header = header_of(side);
    if (!header)
        return "the descriptors of this side are not in this process";
    channel_hold(header, side->side, (uint32_t)getpid(), -1);
    munmap(header, side->bytes);
    return NULL;
}

/* --- Opening, closing --- */

static const char *open_over(struct channel *channel, const struct channel_side *side)
{
    const int *own = side->descriptor;
    switch (side->kind) {
    case CHANNEL_SOCKET:
        return channel_socket_open(channel, own[2]) ? "it is no socket for messages" : NULL;
    case CHANNEL_PIPE:
        return channel_pipe_open(channel, own[2], own[3]) ? "they are no pipes" : NULL;
    default:
        return NULL;
    }
}

const char *channel_side_open(struct channel *channel, const struct channel_side *side)
{
    channel_blank(channel);
    struct channel_header *header =
        side->count == descriptors_of(side->kind) ? header_of(side) : NULL;
    const char *wrong = "its descriptors are not in this process";
    if (header) {
        wrong = open_over(channel, side);
        channel->header = header;
        channel->side = side->side & 1;
        channel->mapped = side->bytes;
    }
    const bool memory = side->kind < CHANNEL_SOCKET;
    if (!wrong) {
        channel_holders_open(channel, side->descriptor[1]);
        channel_bell_open(channel, memory ? side->descriptor[2] : -1,
                          memory ? side->descriptor[3] : -1);
        wrong = channel_memory_open(channel, header, side->bytes, side->kind, side->side);
    }
    if (!wrong) {
        close(side->descriptor[0]);
        channel_opened(channel);
        return NULL;
    }
    for (uint32_t i = 0; i < side->count; i++)
        close(side->descriptor[i]);
    if (header)
        munmap(header, side->bytes);
    channel_blank(channel);
    return wrong;
}

void channel_close(struct channel *channel)
{
    if (channel->form && channel->header) {
        /* Pairs with the acquire in channel_other_closed. */
        atomic_store_explicit(&channel_own(channel)->state, CHANNEL_SIDE_CLOSED,
                              memory_order_release);
        channel_opened(channel); /* it is woken for this, too */
    }
    channel_drop(channel);
}

void channel_drop(struct channel *channel)
{
    if (!channel->form)
        return;
    if (channel->form->close)
        channel->form->close(channel);
    channel_holders_close(channel);
    channel_bell_close(channel);
    free(channel->receiving.data);
    if (channel->mapped)
        munmap(channel->header, channel->mapped);
    channel_blank(channel);
}
