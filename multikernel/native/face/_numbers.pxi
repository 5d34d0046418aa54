# The numbers of the native headers, by name, so that Python has no copy of its own. Included by
# _native.pyx.

cdef extern from "face/numbers.h":
    struct number:
        const char *name
        int value
    const number numbers_kinds[], numbers_verdicts[], numbers_rights[], numbers_protocols[]
    const number numbers_capability_rights[], numbers_capability_flags[], numbers_channels[]
    const number numbers_capability_verdicts[]
    const number numbers_streams[], numbers_host_forms[], numbers_counters[], numbers_barriers[]
    const number numbers_collectives[], numbers_operations[]

cdef extern from "driver/driver.h":
    enum:
        KIND_PIN, KIND_UNPIN, VERDICT_CAPABILITY


cdef dict _table(const number *numbers):
    table = {}
    while numbers.name:
        table[numbers.name.decode()] = numbers.value
        numbers += 1
    return table


cdef int _number(dict table, str name, str what) except -1:
    """Raises ValueError for a name that the table does not have."""
    if name not in table:
        raise ValueError(f"{what}: {name}; one of {', '.join(table)}")
    return table[name]


KINDS = _table(numbers_kinds)
VERDICTS = _table(numbers_verdicts)
VERDICT_CAPABILITY_BASE = VERDICT_CAPABILITY
RIGHTS = _table(numbers_rights)
PROTOCOLS = _table(numbers_protocols)
CAPABILITY_RIGHTS = _table(numbers_capability_rights)
CAPABILITY_FLAGS = _table(numbers_capability_flags)
CAPABILITY_VERDICTS = _table(numbers_capability_verdicts)
CHANNELS = _table(numbers_channels)
STREAMS = _table(numbers_streams)
BARRIERS = _table(numbers_barriers)
COLLECTIVES = _table(numbers_collectives)
OPERATIONS = _table(numbers_operations)
_HOST_FORMS = _table(numbers_host_forms)
_COUNTERS = _table(numbers_counters)
