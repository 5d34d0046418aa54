#include "client/client.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

enum { CHANNEL_PROGRAMS = 1, PUT_BYTES = 40, GET_BYTES = 48, YIELDS = 32 };
enum { STEP_US = 50000, CLOCK_PIECES = 256 };

struct client *client_open(struct segment *segment, int supervisor)
{
    struct client *client = calloc(1, sizeof *client);
    size_t channels = (size_t)segment->geometry.cores * CLIENT_CHANNELS;
    if (!client)
        return NULL;
    client->segment = segment;
    client->supervisor = supervisor;
    client->senders = calloc(channels, sizeof *client->senders);
    client->abandoned = calloc(channels, sizeof *client->abandoned);
    if (!client->senders || !client->abandoned) {
        client_close(client);
        return NULL;
    }
    segment_region(&segment->geometry, &client->region);
    for (uint32_t i = 0; i < channels; i++)
        call_open_sender(
            &client->senders[i],
            segment_client(segment, &client->region, i / CLIENT_CHANNELS, i % CLIENT_CHANNELS),
            CLIENT_LINES);
    return client;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    free(client->senders);
    free(client->abandoned);
    free(client);
}

bool client_gone(const struct client *client)
{
    struct pollfd supervisor = {.fd = client->supervisor, .events = POLLRDHUP};
    return atomic_load_explicit(&client->segment->stop, memory_order_relaxed) ||
           poll(&supervisor, 1, 0) < 0 ||
           supervisor.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL);
}

int client_send(struct client *client, uint32_t core, uint32_t channel,
                const struct message *request, const uint64_t *set)
{
    uint32_t index = core * CLIENT_CHANNELS + channel;
    struct message dropped;
    for (uint32_t left = client->abandoned[index]; left; left &= left - 1)
        if (call_try_take(&client->senders[index], (uint32_t)__builtin_ctz(left), &dropped))
            client->abandoned[index] &= ~(left & -left);
    struct call_sender *sender = &client->senders[index];
    if (set && call_has_credit(sender)) /* the line's release store publishes it */
        memcpy(segment_client_set(client->segment, &client->region, core, channel, sender->next),
               set, 8 * (size_t)core_set_words(client->segment->geometry.cores));
    int line = call_try_send(sender, request);
    if (line >= 0)
        doorbell_ring(segment_doorbell(client->segment, core));
    return line;
}

bool client_wait(struct client *client, uint32_t core, uint32_t channel, uint32_t line,
                 struct message *reply, uint64_t timeout_us)
{
    /* Never a spin alone: the core may need this very CPU. */
    static const struct patience patience = {0, YIELDS};
    struct call_sender *sender = &client->senders[core * CLIENT_CHANNELS + channel];
    const uint64_t start = clock_ns(CLOCK_MONOTONIC);
    struct wait wait = {0};
    while (!call_try_take(sender, line, reply)) {
        if (!wait_step(&wait, &patience))
            continue;
        if (clock_ns(CLOCK_MONOTONIC) - start > timeout_us * 1000)
            return false;
        wait_sleep(&wait);
    }
    return true;
}

void client_abandon(struct client *client, uint32_t core, uint32_t channel)
{
    uint32_t index = core * CLIENT_CHANNELS + channel;
    client->abandoned[index] = client->senders[index].outstanding;
}

/* Both directions: pieces go out as lines are free, replies are taken in the order of sending. */
enum transfer_state client_transfer(struct client *client, uint32_t core, struct transfer *t)
{
    const bool fetch = t->fetch;
    const uint64_t piece = fetch ? GET_BYTES : PUT_BYTES, start = clock_ns(CLOCK_MONOTONIC);
    for (uint32_t taken = 1; t->tail != t->head || (!t->refused && t->sent < t->size); taken++) {
        while (!t->refused && t->sent < t->size && t->head - t->tail < CLIENT_LINES) {
            struct message request = {
                {message_head(fetch ? KIND_RUN_FETCH : KIND_RUN_DATA, 0, 0, 0, 0), t->sent}};
            uint64_t length = t->size - t->sent < piece ? t->size - t->sent : piece;
            if (!fetch)
                memcpy(&request.word[2], t->bytes + t->sent, length);
            int line = client_send(client, core, CHANNEL_PROGRAMS, &request, NULL);
            if (line < 0)
                break;
            t->lines[t->head++ % CLIENT_LINES] = (uint32_t)line;
            t->sent += length;
        }
        struct message reply;
        if (t->tail == t->head || !client_wait(client, core, CHANNEL_PROGRAMS,
                                               t->lines[t->tail % CLIENT_LINES], &reply, STEP_US))
            return client_gone(client) ? TRANSFER_FAILED : TRANSFER_MORE;
        t->tail++;
        t->refused |= message_verdict(&reply) != VERDICT_OK;
        uint64_t length = t->size - t->done < piece ? t->size - t->done : piece;
        if (fetch && !t->refused)
            memcpy(t->bytes + t->done, &reply.word[1], length);
        t->done += length;
        if (taken % CLOCK_PIECES == 0 && clock_ns(CLOCK_MONOTONIC) - start > STEP_US * 1000)
            return TRANSFER_MORE;
    }
    return t->refused ? TRANSFER_FAILED : TRANSFER_DONE;
}
