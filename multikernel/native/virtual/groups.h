/* Groups of programs on modelled cores: the collectives of driver/collective.h, with the same
 * requests, along the same trees, one message an edge and one back. Who has joined, what is waited
 * for, and who is sent what next is decided here anew, since a driver's are bound to its lines.
 * Boxes never fill, as modelled channels don't. */
#pragma once

#include "virtual/monitors_inside.h"

/* Of the tokens of packets between members (monitors_inside.h): a contribution and its outcome. */
#define GROUP_UP 0x100u

/* GROUP, GATHER, SPREAD, ORDER, TAKE: OK or an error, or PENDING: port.answer follows. */
enum verdict groups_request(struct monitors *m, uint32_t number);
/* A message between members, or its reply. */
void groups_came(struct monitors *m, const struct packet *packet);
/* Into the own core's box, or to its program that waits for one: words 1 to 6. */
void groups_keep(struct monitors *m, uint32_t core, uint64_t name, const uint64_t *word);
/* All of them. */
void groups_free(struct monitors *m);
