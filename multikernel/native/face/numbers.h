/* The numbers of the native headers by name: Python makes its tables of them, and has no copy. */
#pragma once

struct number {
    const char *name; /* NULL: the table ends */
    int value;
};

extern const struct number numbers_kinds[], numbers_verdicts[], numbers_rights[],
    numbers_protocols[], numbers_capability_rights[], numbers_capability_flags[],
    numbers_capability_verdicts[], numbers_channels[], numbers_streams[], numbers_host_forms[],
    numbers_counters[], numbers_barriers[], numbers_collectives[], numbers_operations[];
