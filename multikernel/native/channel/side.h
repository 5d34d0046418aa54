/* One side of a pair of channels, as it is handed from process to process: descriptors, and a line
 * of text that says what they are.
 *
 *     form:side:bytes:memory:lifeline[:descriptor[:descriptor]]
 *
 * form: a name of channel_form_names; side: 0 or 1; bytes: of the memory; then numbers of file
 * descriptors: the memory, with the header of channel.h; the lifeline (holders.h); and of a form in
 * memory this side's bell and the other's, of `socket` the socket, of `pipe` what it receives from
 * and sends to. A program that is started with these descriptors is given the text. */
#pragma once

#include "channel/channel.h"

enum { SIDE_DESCRIPTORS_MOST = 4 };

struct channel_side {
    enum channel_kind kind;
    uint32_t side;
    uint64_t bytes;
    uint32_t count;
    int descriptor[SIDE_DESCRIPTORS_MOST];
};

extern const char *const channel_form_names[];

/* NULL when fine, else what is wrong. The process is written down as a holder. */
const char *channel_side_parse(const char *text, struct channel_side *side);
/* The end takes the descriptors, also where this fails. NULL when fine, else what is wrong. */
const char *channel_side_open(struct channel *channel, const struct channel_side *side);
