/* The derivation rules, one table, after the list in Barrelfish's capabilities/caps.hl. */
#include "capability/capability.h"

#define BIT(type) (1u << CAP_##type)

const struct capability_rule capability_rules[CAP_TYPES] = {
    [CAP_NULL] = {.name = "Null"},
    [CAP_RAM] = {.name = "RAM",
                 .derives = BIT(RAM) | BIT(FRAME) | BIT(CNODE),
                 .rights = CAP_RIGHTS_ALL,
                 .copyable = 1,
                 .remote = 1},
    [CAP_FRAME] = {.name = "Frame",
                   .derives = BIT(MAPPING),
                   .rights = CAP_RIGHTS_ALL,
                   .copyable = 1,
                   .remote = 1},
    [CAP_CNODE] = {.name = "CNode",
                   .rights = CAP_WRITE | CAP_GRANT,
                   .copyable = 1,
                   .size = CNODE_BYTES},
    [CAP_MAPPING] = {.name = "Mapping", .rights = CAP_READ | CAP_WRITE},
};
