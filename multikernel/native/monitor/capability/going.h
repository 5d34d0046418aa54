/* The pages that go with a victim. */
#pragma once

#include "monitor/capability/ranges.h"

enum { NO_PAGE = UINT32_MAX };

/* The next own page from that slot on that goes with the victim, whose CNodes are closing; NO_PAGE:
 * there is none. */
uint32_t capability_next_going(const struct monitor *m, uint32_t slot, uint32_t victim);
/* Fills the agreement for the unmap of all pages that go with the victim: OK, ALONE: there are
 * none; BUSY, or PINNED here. */
enum verdict capability_ask_to_unmap(struct monitor *m, const struct workflow *w,
                                     struct agreement *a, uint32_t victim);
