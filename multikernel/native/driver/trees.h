/* The trees' tables, in the segment: a core's own in its own region, which only it writes; and the
 * edges that come in pieces before they become one. For both kernels. */
#pragma once

#include "monitor/tree.h"

enum { TREE_EDGES_MAX = 6 }; /* that a request carries */

/* The edges of this core's next tree, as far as they have come. */
struct tree_staging {
    uint64_t ticket; /* of the installation that is under way; 0: none */
    uint32_t number; /* of the installation that the edges belong to: any but 0 */
    uint32_t count;
    uint32_t *edges; /* cores - 1 */
};

/* The context of all three is the driver. */
const struct tree_link *trees_links(void *driver, uint32_t root, uint32_t place);
/* The staged edges become this core's table there. False: they are no tree. */
bool trees_publish(void *driver, uint32_t place, uint64_t ticket);
