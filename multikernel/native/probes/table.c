/* Which loops there are, and what each is given. */
#include <errno.h>

#include "probes/probes.h"

#define RINGS "epoch-ring used-ring plain call-line"
#define OF_RINGS                                                                                   \
    "no ring of so many slots can be measured there: a power of two from 4 on (1 to 32 of a call " \
    "line), memory for it, page-aligned, and echoes in whole batches"
#define OF_MEMBERS "this core and the timer are members, and all members are cores of the system"

const struct probe_kind probe_kinds[] = {
    /* One cache line there and back, a word of it. base: even. */
    {"floor", probe_floor, "core role line base count batch times", "", ""},
    /* One line each way, the shape of two rings, each in the region of the core that reads it. */
    {"two-lines", probe_two_lines, "core role line base count batch times", "", ""},
    /* What a message costs either side, `count` times each: role 0 gets the cycles its send and the
     * fence behind it took, and after these the round trips (2 * count values); role 1 the cycles
     * that taking a message took which had been there for a while (count values). The clock's own
     * cost is taken off. */
    {"message", probe_message, "core role count results", "", "a result for each"},
    /* Counts until it is stopped, and publishes its turns. Returns them. */
    {"compute", probe_compute, "", "", ""},
    /* Turns so far of the computing loop on that core; 0 when none runs. */
    {"turns", probe_turns, "core", "", ""},

    /* A message there and back over fresh ends on scratch lines. All of these return how many
     * messages were wrong. */
    {"bare-echo", probe_echo, "form core role count batch times", RINGS, OF_RINGS},
    /* The same over rings in this memory: a page, and 2 * slots * 64 bytes. */
    {"echo", probe_echo, "form memory role slots base count batch times", RINGS, OF_RINGS},
    /* One way. times: cycles for each whole batch (not divided, a message takes few), on this side;
     * role 1: and how many messages the writer was ahead at the end of each, seen no finer than
     * every 16. */
    {"stream", probe_stream, "form memory role slots base count batch times", RINGS, OF_RINGS},
    /* Messages of 64 bytes over a descriptor each way that carries bytes or packets; or the message
     * is in shared memory, and an eventfd or a futex says so. base: messages before over this
     * memory. */
    {"host-echo", probe_host_echo, "form memory receive send role base count batch times",
     "bytes eventfd futex", "whole batches; memory for eventfd and futex, and for no other"},
    {"host-stream", probe_host_stream, "receive send role count batch times", "", ""},
    /* Over an end of a channel, looking again until it goes. Not over "calls" one way. */
    {"channel-echo", probe_channel_echo, "channel role count batch times", "", "whole batches"},
    {"channel-stream", probe_channel_stream, "channel role count batch times", "",
     "a channel that is no calls channel"},

    /* The messages of a shootdown; every core of the tree with its own place in it. core, line: to
     * the parent, line 0 at the root; each: to the children in sending order, core and line by
     * turns; broadcast: the root has all others for children. times (root only): until the root has
     * all acknowledgements. Returns how many messages were wrong. A line belongs to one edge, or to
     * one side of a broadcast, at a time. */
    {"shootdown", probe_shootdown,
     "core line each shared_core shared_line below sum base count batch times", "",
     "lines 1 to 62 of cores of this system"},
    /* Barriers over shared memory. Returns how often a member seemed to leave before all had
     * come. */
    {"shared-barrier", probe_barrier, "form each timer base count batch times",
     "central dissemination", OF_MEMBERS},
    /* Of an open group of these members; an agreement is sent by the timer alone. Returns how many
     * outcomes and messages were wrong. */
    {"collective", probe_collective, "form each timer group core base count batch times",
     "barrier all-reduce broadcast agreement", OF_MEMBERS},

    /* Fig 3. Every core updates the same lines of core 0 ... */
    {"update-shared", probe_update_shared, "lines count batch times", "", "at most 8 lines"},
    /* ... or asks a core to update lines of its own, over a user channel, or over the transport's
     * where that shares no memory; times: also what it cost there, by its own clock. Returns the
     * verdict that ended it early, or OK, as all below. */
    {"update-message", probe_update_message, "core lines count batch times", "", "at most 8 lines"},
    /* From now on this core's driver answers that. */
    {"serve-updates", probe_update_serve, "", "", ""},
    /* Pings at exponential intervals, from that seed. Latency from the intended time of sending. */
    {"open-loop", probe_open_loop, "core cycles seed count times", "", ""},
    /* A request to a driver, over the first user channel, the ring or the last user channel. To the
     * own core's: a system call there and back. */
    {"ping", probe_ping, "form core count batch times", "call-line ring user", ""},
    /* A message from the root of each of these groups to all members and their acknowledgements, by
     * turns: cycles, the groups' values side by side. The messages stay in the members' boxes,
     * which must have room for them. */
    {"spread", probe_spread, "each count results", "", "a result for each"},
    /* Maps a page on the holders, touches it on each, waits, unmaps. times: of the unmap, map,
     * touch. Local: on this core alone, and what is timed is the host's call that takes the rights
     * away. */
    {"unmap", probe_unmap, "form frame frame_name each protocol count think_us times", "all local",
     ""},
    /* A page's whole life, so often, and the mean of each batch: mapped, touched on each holder,
     * unmapped. Fresh: where none was, and removed in the end, sixteen at a time. */
    {"life", probe_life, "form frame frame_name each protocol count batch times", "fresh reused",
     "the holders, as words of a set, and whole batches"},
    /* Every core at once: map pages of frames of its own, meet the others, unmap them all, count
     * times. Results: cycles of the unmapping, and of the mapping and a touch. */
    {"own-pages", probe_own_pages, "pages count protocol base results", "", "at most 1024 pages"},

    /* Retypes a page of the source to a Frame; or copies, revokes, deletes such a Frame. copies: of
     * revoke and delete, and batch is 1 then; on another core they are in its root CNode, here in
     * `cnode`, from to_index on. */
    {"operations", probe_operations,
     "form source cnode index core to_cnode to_index in_flight copies cores count batch times",
     "retype copy revoke delete", ""},
    /* Revokes RAM of which that many Frames have been made, a page each, in these CNodes, all of
     * whose slots are empty. */
    {"revokes", probe_revoke, "source each pages count times", "", "a CNode for every 256 pages"},
    /* On all cores at once: retypes a page to a Frame and deletes it, until enough was counted; with
     * none in flight it only answers the others. base: of the meeting, whose counter grows by twice
     * `cores` with each use. results: operations, when they began, in how many cycles they were
     * done, and of this time ns on the CPU and ns. */
    {"at-once", probe_at_once,
     "source offset cnode index in_flight cores base edge cycles batch times results", "", ""},

    /* On all cores at once: operations on an object, whose block is that memory, in a form or in
     * those `forms` that it chooses; `core` owns it. each: for each of the `count` segments, percent
     * of reads, cycles of thinking and the owner's share of a thousand; then rows of the chooser's
     * table: percent of reads, the owner's share of a thousand, lines, and the rate of each form in
     * operations a million cycles. base: as of at-once. results: operations, when they began, in how
     * many cycles they were done, of this time ns on the CPU and ns; the longest burst of this core
     * and how many there were; the form at the end, changes of form, races, and cycles that they
     * lost; then the operations of each segment. */
    {"sharing", probe_sharing,
     "form memory type shape core forms count cycles edge base each results",
     "locked fifo optimistic delegated replicated lock-free agreed-two-phase agreed-one-phase "
     "agreed-owner combined adaptive",
     "an object that there is, in memory for it and a form that it has"},
    {0}};
;

int64_t probe_run(struct driver *d, const struct probe_kind *kind, const struct probe *p)
{
    if (p->core >= d->cores || p->line >= FREE_LINES || p->lines > UPDATE_LINES || !p->batch)
        return -EINVAL;
    return kind->run(d, p);
}
