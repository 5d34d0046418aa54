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

const char *capability_verdict_name(uint32_t verdict)
{
    static const char *const names[CAP_VERDICTS] = {
        [CAP_OK] = "ok",
        [CAP_MORE] = "more",
        [CAP_STALE] = "stale",
        [CAP_NOT_A_CNODE] = "not-a-cnode",
        [CAP_SLOT_IN_USE] = "slot-in-use",
        [CAP_NO_SLOTS] = "no-slots",
        [CAP_NO_CNODES] = "no-cnodes",
        [CAP_WRONG_TYPE] = "wrong-type",
        [CAP_NOT_COPYABLE] = "not-copyable",
        [CAP_BAD_SIZE] = "bad-size",
        [CAP_RETYPE_CONFLICT] = "retype-conflict",
        [CAP_RIGHTS_EXCEEDED] = "rights-exceeded",
        [CAP_BUSY] = "busy",
        [CAP_CNODE_CYCLE] = "cnode-cycle",
        [CAP_NEEDS_AGREEMENT] = "needs-agreement",
        [CAP_PERMANENT] = "permanent",
        [CAP_MAPPED] = "mapped",
    };
    return verdict < CAP_VERDICTS ? names[verdict] : NULL;
}
