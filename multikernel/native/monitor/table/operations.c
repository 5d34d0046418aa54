/* The kinds of operation there are. The engine is handed this table with its environment. */
#include "monitor/capability/ranges.h"
#include "monitor/install_tree.h"
#include "monitor/mapping/mapping.h"

const struct operations monitor_operations = {
    .kind =
        {
            [OPERATION_MAP] = &map_operation,
            [OPERATION_UNMAP] = &unmap_operation,
            [OPERATION_PROTECT] = &protect_operation,
            [OPERATION_TREE] = &tree_operation,
            [OPERATION_COPY] = &copy_operation,
            [OPERATION_RETYPE] = &retype_operation,
            [OPERATION_REVOKE] = &revoke_operation,
            [OPERATION_DELETE] = &delete_operation,
            [OPERATION_MAP_FRAME] = &map_frame_operation,
            [OPERATION_UNMAP_GOING] = &unmap_going_operation,
            [OPERATION_RECLAIM] = &reclaim_operation,
        },
    .page_gone = capability_page_deleted,
    .page_undecided = capability_page_undecided,
};
