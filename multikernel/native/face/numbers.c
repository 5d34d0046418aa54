#include "face/numbers.h"

#include "channel/channel.h"
#include "probes/probes.h"

#define NUMBER(NAME, VALUE) {NAME, VALUE}
#define KIND(NAME)          NUMBER(#NAME, KIND_##NAME)
#define VERDICT(NAME)       NUMBER(#NAME, VERDICT_##NAME)
#define END                 {0}

const struct number numbers_kinds[] = {KIND(PING),       KIND(TOUCH),      KIND(READ),
                                       KIND(WRITE),      KIND(ALLOCATE),   KIND(FREE),
                                       KIND(MAP),        KIND(UNMAP),      KIND(PROTECT),
                                       KIND(PIN),        KIND(UNPIN),      KIND(DIGEST),
                                       KIND(TREE),       KIND(TREES),      KIND(GROUP),
                                       KIND(GATHER),     KIND(SPREAD),     KIND(ORDER),
                                       KIND(TAKE),       KIND(POLICY),     KIND(RUN_BEGIN),
                                       KIND(RUN_DATA),   KIND(RUN_GO),     KIND(RUN_FETCH),
                                       KIND(CAP_CREATE), KIND(CAP_COPY),   KIND(CAP_RETYPE),
                                       KIND(CAP_REVOKE), KIND(CAP_DELETE), KIND(CAP_LOOK),
                                       KIND(CAP_MAP),    KIND(CAP_DIGEST), END};
const struct number numbers_verdicts[] = {
    VERDICT(OK),        VERDICT(BUSY),         VERDICT(NOT_MAPPED),
    VERDICT(PINNED),    VERDICT(STALE_VIEW),   VERDICT(NO_SLOT),
    VERDICT(HOST),      VERDICT(BAD_REQUEST),  VERDICT(NO_MEMORY),
    VERDICT(FAULT),     VERDICT(FRAME_IN_USE), VERDICT(NOT_A_FRAME),
    VERDICT(CORE_BUSY), VERDICT(OVERTAKEN),    END};
const struct number numbers_rights[] = {NUMBER("read-only", RIGHTS_READ),
                                        NUMBER("read-write", RIGHTS_WRITE), END};
const struct number numbers_protocols[] = {NUMBER("two-phase", TWO_PHASE),
                                           NUMBER("one-phase", ONE_PHASE), END};
const struct number numbers_capability_rights[] = {
    NUMBER("read", CAP_READ), NUMBER("write", CAP_WRITE), NUMBER("grant", CAP_GRANT), END};
const struct number numbers_capability_flags[] = {
    NUMBER("remote-copies", CAP_REMOTE_COPIES),
    NUMBER("remote-descendants", CAP_REMOTE_DESCENDANTS),
    NUMBER("remote-ancestors", CAP_REMOTE_ANCESTORS), NUMBER("dying", CAP_DYING), END};
const struct number numbers_capability_verdicts[] = {NUMBER("ok", CAP_OK),
                                                     NUMBER("more", CAP_MORE),
                                                     NUMBER("stale", CAP_STALE),
                                                     NUMBER("not-a-cnode", CAP_NOT_A_CNODE),
                                                     NUMBER("slot-in-use", CAP_SLOT_IN_USE),
                                                     NUMBER("no-slots", CAP_NO_SLOTS),
                                                     NUMBER("no-cnodes", CAP_NO_CNODES),
                                                     NUMBER("wrong-type", CAP_WRONG_TYPE),
                                                     NUMBER("not-copyable", CAP_NOT_COPYABLE),
                                                     NUMBER("bad-size", CAP_BAD_SIZE),
                                                     NUMBER("retype-conflict", CAP_RETYPE_CONFLICT),
                                                     NUMBER("rights-exceeded", CAP_RIGHTS_EXCEEDED),
                                                     NUMBER("busy", CAP_BUSY),
                                                     NUMBER("cnode-cycle", CAP_CNODE_CYCLE),
                                                     NUMBER("needs-agreement", CAP_NEEDS_AGREEMENT),
                                                     NUMBER("permanent", CAP_PERMANENT),
                                                     NUMBER("mapped", CAP_MAPPED),
                                                     END};
const struct number numbers_channels[] = {
    NUMBER("epoch-ring", CHANNEL_EPOCH_RING), NUMBER("used-ring", CHANNEL_USED_RING),
    NUMBER("call-line", CHANNEL_CALL_LINE), NUMBER("calls", CHANNEL_CALLS), END};
const struct number numbers_streams[] = {
    NUMBER("epoch-ring", STREAM_EPOCH), NUMBER("used-ring", STREAM_USED),
    NUMBER("plain", STREAM_PLAIN), NUMBER("call-line", STREAM_CALLS), END};
const struct number numbers_host_forms[] = {
    NUMBER("bytes", HOST_BYTES), NUMBER("eventfd", HOST_EVENTFD), NUMBER("futex", HOST_FUTEX), END};
const struct number numbers_counters[] = {
    NUMBER("l1d-reads", COUNTER_L1D_READS), NUMBER("l1d-misses", COUNTER_L1D_MISSES),
    NUMBER("l1i-misses", COUNTER_L1I_MISSES), NUMBER("context-switches", COUNTER_CONTEXT_SWITCHES),
    END};
const struct number numbers_barriers[] = {NUMBER("central", BARRIER_CENTRAL),
                                          NUMBER("dissemination", BARRIER_DISSEMINATION), END};
const struct number numbers_collectives[] = {
    NUMBER("barrier", COLLECTIVE_BARRIER), NUMBER("all-reduce", COLLECTIVE_REDUCE),
    NUMBER("broadcast", COLLECTIVE_BROADCAST), NUMBER("agreement", COLLECTIVE_ORDER), END};
const struct number numbers_operations[] = {
    NUMBER("retype", PROBE_RETYPE), NUMBER("copy", PROBE_COPY), NUMBER("revoke", PROBE_REVOKE),
    NUMBER("delete", PROBE_DELETE), END};
