/* What monitors agree about, in words. */
#pragma once

#include "monitor/protocol.h"

static const char *const operation_names[] = {
    [OPERATION_MAP] = "map",
    [OPERATION_UNMAP] = "unmap",
    [OPERATION_PROTECT] = "protect",
    [OPERATION_TREE] = "tree",
    [OPERATION_COPY] = "copy",
    [OPERATION_RETYPE] = "retype",
    [OPERATION_REVOKE] = "revoke",
    [OPERATION_DELETE] = "delete",
    [OPERATION_MAP_FRAME] = "map a Frame",
    [OPERATION_UNMAP_GOING] = "unmap what goes",
    [OPERATION_RECLAIM] = "reclaim",
    [OPERATIONS] = "-",
};
