/* The kinds of operation there are. The engine (monitor/step.c) knows them by this table alone. */
#include "monitor/operation.h"

const struct row *const monitor_rows[ROWS] = {
    [ROW_MAP] = &map_row,
    [ROW_UNMAP] = &unmap_row,
    [ROW_PROTECT] = &protect_row,
    [ROW_TREE] = &tree_row,
    [ROW_CAP_COPY] = &capability_copy_row,
    [ROW_CAP_RETYPE] = &capability_retype_row,
    [ROW_CAP_REVOKE] = &capability_revoke_row,
    [ROW_CAP_DELETE] = &capability_delete_row,
    [ROW_CAP_MAP] = &capability_map_row,
    [ROW_CAP_UNMAP] = &capability_unmap_row,
    [ROW_CAP_RECLAIM] = &capability_reclaim_row,
};
