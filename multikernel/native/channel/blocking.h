/* A channel for a program that has nothing else to do: sends and receives that wait. milliseconds:
 * how long at most, a negative number: as long as the other side lives; AGAIN: so long it took. An
 * end that sends words by these cannot send frames, and the other way round. */
#pragma once

#include "channel/frame.h"

enum channel_status channel_send(struct channel *channel, const struct message *message,
                                 int64_t milliseconds);
enum channel_status channel_receive(struct channel *channel, struct message *message,
                                    int64_t milliseconds);

/* Bytes of any length. After an AGAIN nothing more can be sent: a part of them may be. */
enum channel_status channel_send_bytes(struct channel *channel, const void *data, uint64_t length,
                                       int64_t milliseconds);
/* The next bytes; *data is to be freed. BROKEN also where there is no memory for them, or the other
 * side sends objects of Python's. */
enum channel_status channel_receive_bytes(struct channel *channel, void **data, uint64_t *length,
                                          int64_t milliseconds);
