# Virtual time for Python, included by _native.pyx: a modelled machine, and a multikernel on it. What
# the numbers mean: virtual/machine.h, monitors.h.

cdef extern from "virtual/machine.h":
    struct distance:
        double own, fetch, send, handle
    struct machine:
        uint32_t cores, places, distances, homes, links
        const uint16_t *place
        const uint16_t *home
        const uint16_t *distance
        const uint16_t *hops
        const distance *costs
        const uint32_t *route
        const uint16_t *link
        double hop, home_interval, link_interval, line_interval
        bint probes_all, fences, stores_in_order
        uint32_t lines_under_way, cycles_per_us
        double look, relax, call, change, invalidate, trap, interrupt_send, interrupt_delivery, clear, wake, work_scale

cdef extern from "virtual/work.h":
    enum:
        WORK_KEYS, WORK_ROLES
    struct work_table:
        double warm[1]
        double cold[1]
        double message, driver
    struct work_sample:
        uint64_t count, messages, least
        double cycles, squares

cdef extern from "monitor/monitor.h":
    enum:
        INPUTS, OPERATIONS, AGREEMENT_KINDS
    struct monitor_shape:
        uint64_t pages
        uint32_t capability_protocol

cdef extern from "multikernel/multikernel.h":
    monitor_shape multikernel_shape(uint32_t cores, uint32_t slots_per_core, uint32_t cnodes)

cdef extern from "virtual/world.h":
    struct core_ "core":
        uint8_t idle
        uint64_t busy
    struct lines_ "lines":
        uint64_t *link_passed
    struct world:
        core_ *core
        lines_ lines
        uint32_t buffers
        uint64_t now, sent, handled, happened, charged
        bint failed

cdef extern from "virtual/answer.h":
    struct virtual_answer "answer":
        uint64_t began, time, ticket
        message reply

cdef extern from "virtual/shared_work.h":
    enum:
        SHARED_KEYS, STAGES, STAGE_LINES, STAGE_NOTIFIES
    struct shared_work:
        pass

cdef extern from "virtual/shared.h":
    struct shared_cores:
        pass
    struct shared_shape:
        uint32_t slots_per_core, cnodes, lock_scope, along_trees
        uint64_t pages
    shared_cores *shared_cores_new(const machine *m, const shared_work *work,
            const shared_shape *shape) nogil
    void shared_cores_free(shared_cores *s) nogil
    world *shared_cores_world(shared_cores *s)
    bint shared_cores_ask(shared_cores *s, uint64_t time, uint32_t from_, uint32_t core,
            uint64_t ticket, const message *request, const uint64_t *kept)
    bint shared_cores_run(shared_cores *s, virtual_answer *answer) nogil
    double shared_cores_measure(shared_cores *s, work_sample *samples, bint lines)

cdef extern from "virtual/monitors.h":
    struct monitors:
        pass
    monitors *monitors_new(const machine *m, const work_table *work, const monitor_shape *shape) nogil
    void monitors_free(monitors *m) nogil
    world *monitors_world(monitors *m)
    bint monitors_plant(monitors *m, uint32_t root, const uint32_t *edges)
    bint monitors_ask(monitors *m, uint64_t time, uint32_t from_, uint32_t core, uint64_t ticket,
            const message *request, const uint64_t *kept)
    bint monitors_run(monitors *m, virtual_answer *answer) nogil
    double monitors_measure(monitors *m, work_sample *samples, bint cold)
    bint monitors_trace(monitors *m, uint64_t events)
    const trace_log *monitors_traced(const monitors *m, uint32_t core)

cdef extern from "virtual/bare.h":
    uint64_t bare_tree(const machine *m, uint32_t buffers, bint meets, uint32_t root, uint32_t cores,
            const uint32_t *edges) nogil
    uint64_t bare_broadcast(const machine *m, uint32_t root, uint32_t cores, double part) nogil
    double bare_shared_update(const machine *m, uint32_t cores, uint32_t lines, uint32_t rounds) nogil

cdef extern from "virtual/streams.h":
    struct stream_ "stream":
        uint32_t sender, receiver, window, acknowledges, count, batch
    bint stream_run(const machine *m, const stream_ *s, uint64_t *took, uint64_t *ahead) nogil
    uint64_t stream_echo(const machine *m, uint32_t one, uint32_t other) nogil

cdef extern from "virtual/barriers.h":
    uint64_t barrier_central(const machine *m, uint32_t cores) nogil
    uint64_t barrier_dissemination(const machine *m, uint32_t cores) nogil

cdef extern from "object/chooser.h":
    enum:
        FORM_LOCKFREE, OBJECT_FORMS
    struct chooser_rules:
        uint64_t window, trial, settle, pause
        uint32_t work, rounds, alarm, moved, hysteresis, budget, drop
    chooser_rules chooser_rules_for "chooser_rules" (uint64_t cycles_per_us, uint32_t cores)
    struct chooser_row:
        double reads, owners, lines
        double rate[1]

cdef extern from "virtual/sharing.h":
    enum:
        SHARING_LINES_MOST, SHARING_CORES_MOST
    struct sharing_costs:
        double operation, line, atomic, look, relax, turn, clock
    struct sharing_ "sharing":
        uint32_t form, lock, lines, reads, share, owner
        uint64_t think, edge, span, counted
        uint32_t precision
        bint migrates, counts
        uint64_t seed
        uint32_t forms
        const chooser_rules *rules
        const chooser_row *rows
        uint32_t row_count
    struct sharing_done:
        uint64_t done, reads
    struct sharing_outcome:
        uint64_t cycles, moved, events, longest, rows
        uint32_t form
        uint64_t changes, races
        uint64_t cycles_in[1]
    bint sharing_run(const machine *m, const sharing_costs *costs, const sharing_ *sharing,
            sharing_done *done, sharing_outcome *outcome) nogil

cdef extern from "virtual/alone.h":
    struct software:
        double turn, system_call, relax, clear, lock, bare, doorbell, call, protect
    bint alone_measure(software *s, uint32_t batches, const char **refused) nogil


def measure_software(uint32_t batches):
    """Cycles of what two cores' drivers do in one process, where no line travels
    (virtual/alone.h), by name. Opens drivers in this process, which is good for nothing else
    afterwards. Raises OSError.
    """
    cdef software s
    cdef const char *refused = NULL
    cdef bint measured
    with nogil:
        measured = alone_measure(&s, batches, &refused)
    if not measured:
        raise OSError(errno, refused.decode() if refused else "drivers")
    return {"turn": s.turn, "system_call": s.system_call, "relax": s.relax, "clear": s.clear,
            "lock": s.lock, "bare": s.bare, "doorbell": s.doorbell, "call": s.call,
            "protect": s.protect}


cdef extern from "virtual/interrupts.h":
    uint64_t interrupt_unmap(const machine *m, uint32_t cores, uint32_t order) nogil


WORK = {"keys": WORK_KEYS, "inputs": INPUTS, "operations": OPERATIONS + 1,
        "kinds": AGREEMENT_KINDS, "roles": WORK_ROLES}


cdef class VirtualMachine:
    """A modelled machine: tables, as arrays of the types of machine.h, and numbers by name."""

    cdef machine m
    cdef object _kept

    def __cinit__(self, place, home, distance_, hops, costs, route, link, dict numbers):
        cdef uint16_t[::1] places = place, homes = home, distances = distance_, steps = hops
        cdef uint16_t[::1] links = link
        cdef uint32_t[::1] routes = route
        cdef double[::1] values = costs
        cdef uint32_t n = <uint32_t>len(home)
        if len(distance_) != n * n or len(hops) != n * n or len(route) != n * n + 1 or not n:
            raise ValueError("tables of places, each with each")
        self._kept = place, home, distance_, hops, costs, route, link
        self.m.cores = <uint32_t>len(place)
        self.m.places = n
        self.m.place = &places[0]
        self.m.home = &homes[0]
        self.m.distance = &distances[0]
        self.m.hops = &steps[0]
        self.m.costs = <const distance *>&values[0]
        self.m.distances = <uint32_t>(len(costs) // 4)
        self.m.route = &routes[0]
        self.m.link = &links[0] if len(link) else NULL
        self.m.homes = max(home) + 1
        self.m.links = max(link) + 1 if len(link) else 0
        if (max(place) >= n or max(distance_) >= self.m.distances
                or list(route) != sorted(route) or route[n * n] != len(link)):
            raise ValueError("a table names what there is not")
        self.m.hop = numbers["hop"]
        self.m.home_interval = numbers["home_interval"]
        self.m.link_interval = numbers["link_interval"]
        self.m.line_interval = numbers["line_interval"]
        self.m.probes_all = numbers["probes_all"]
        self.m.fences = numbers["fences"]
        self.m.stores_in_order = numbers["stores_in_order"]
        self.m.lines_under_way = numbers["lines_under_way"]
        self.m.cycles_per_us = numbers["cycles_per_us"]
        self.m.look = numbers["look"]
        self.m.relax = numbers["relax"]
        self.m.call = numbers["call"]
        self.m.change = numbers["change"]
        self.m.invalidate = numbers["invalidate"]
        self.m.trap = numbers["trap"]
        self.m.interrupt_send = numbers["interrupt_send"]
        self.m.interrupt_delivery = numbers["interrupt_delivery"]
        self.m.clear = numbers["clear"]
        self.m.wake = numbers["wake"]
        self.m.work_scale = numbers["work_scale"]

    @property
    def cores(self):
        return self.m.cores

    def tree(self, uint32_t root, uint32_t cores, edges, bint sender, bint meets=False):
        """Cycles of bare messages along a tree of the first cores (uint32 edges) and back. sender:
        lines lie with senders; meets: a barrier, up and down.
        """
        cdef uint32_t[::1] given = edges
        cdef uint64_t took
        if not 1 < cores <= self.m.cores or len(edges) != cores - 1 or root >= cores:
            raise ValueError("a tree of 2 cores or more has one edge less than cores")
        with nogil:
            took = bare_tree(&self.m, sender, meets, root, cores, &given[0])
        if not took:
            raise ValueError("no tree of these cores below that root, or no memory")
        return took

    def broadcast(self, uint32_t root, uint32_t cores, double part=0):
        """Cycles of one line that all poll, and an acknowledgement from each; part: what each does
        in between.
        """
        if not 1 < cores <= self.m.cores or root >= cores:
            raise ValueError("2 cores or more")
        return bare_broadcast(&self.m, root, cores, part)

    def barrier(self, uint32_t cores, bint central):
        """Cycles of a barrier over shared memory, by one counter, or by dissemination."""
        if not 0 < cores <= self.m.cores:
            raise ValueError("1 core or more")
        return barrier_central(&self.m, cores) if central else barrier_dissemination(&self.m, cores)

    def echo(self, uint32_t one, uint32_t other):
        """Cycles of a bare message there and back."""
        if one >= self.m.cores or other >= self.m.cores or one == other:
            raise ValueError("two cores")
        return stream_echo(&self.m, one, other)

    def stream(self, uint32_t sender, uint32_t receiver, uint32_t window, uint32_t acknowledges,
            uint32_t batches, uint32_t batch):
        """Messages one way: of each batch the cycles, and how far ahead the sender was then.
        window: messages under way at most; acknowledges: after so many.
        """
        cdef stream_ s = stream_(sender, receiver, window, acknowledges, batches * batch, batch)
        if (sender >= self.m.cores or receiver >= self.m.cores or sender == receiver
                or not 0 < acknowledges <= window or not 0 < batches * batch):
            raise ValueError("two cores, and a window that is acknowledged")
        cdef uint64_t[::1] took = array.array("Q", bytes(8 * batches))
        cdef uint64_t[::1] ahead = array.array("Q", bytes(8 * batches))
        cdef bint done
        with nogil:
            done = stream_run(&self.m, &s, &took[0], &ahead[0])
        if not done:
            raise MemoryError("a stream")
        return list(took), list(ahead)

    def interrupts(self, uint32_t cores, bint one_by_one):
        """Cycles of an unmap by interrupts, of a page that so many cores have."""
        if not 0 < cores <= self.m.cores:
            raise ValueError("1 core or more")
        return interrupt_unmap(&self.m, cores, one_by_one)

    def shared_update(self, uint32_t cores, uint32_t lines, uint32_t rounds):
        """Cycles of an update of so many lines that all these cores update over and over."""
        if not 0 < cores <= self.m.cores or not lines or not rounds:
            raise ValueError("cores, lines and rounds are at least 1")
        return bare_shared_update(&self.m, cores, lines, rounds)


    def sharing(self, dict costs, dict how, uint32_t forms=0, rows=(), rules=None):
        """All cores operate on one object (virtual/sharing.h): operations and reads by core, what
        else is known of the run, by name, and cycles in each form. costs: as struct sharing_costs; how: as the numbers of
        struct sharing; forms: those that it may choose, as bits, with rows of its table (reads,
        owners, lines, and the rate of each form); rules: other ones than its own, by name. Raises
        ValueError, MemoryError.
        """
        cdef sharing_costs c = costs
        cdef sharing_ s
        cdef sharing_outcome outcome
        cdef sharing_done *done = NULL
        cdef chooser_row *table = NULL
        cdef chooser_rules chosen = chooser_rules_for(self.m.cycles_per_us, self.m.cores)
        cdef bint ran
        cdef uint32_t i, n
        memset(&s, 0, sizeof(s))
        s.form, s.lock, s.lines, s.reads = how["form"], how["lock"], how["lines"], how["reads"]
        s.share, s.owner, s.think = how["share"], how["owner"], how["think"]
        s.edge, s.span, s.seed = how["edge"], how["span"], how["seed"]
        s.migrates, s.counts = how["migrates"], how["counts"]
        s.precision, s.counted = how["precision"], how["counted"]
        if (not 0 < s.lines <= SHARING_LINES_MOST or s.reads > 100 or s.form > FORM_LOCKFREE
                or s.owner >= self.m.cores or self.m.cores > SHARING_CORES_MOST or not s.span or not s.counted
                or s.lock > 1 or not 0 < s.share <= 1000 or forms >> (FORM_LOCKFREE + 1)):
            raise ValueError("an object that there is, and cores, lines and shares within bounds")
        if rules is not None:
            chosen = {**chosen, **rules}
        s.forms, s.rules, s.row_count = forms, &chosen, <uint32_t>len(rows)
        try:
            done = <sharing_done *>calloc(self.m.cores, sizeof(sharing_done))
            table = <chooser_row *>calloc(len(rows) + 1, sizeof(chooser_row))
            if not done or not table:
                raise MemoryError("modelled cores")
            for n, row in enumerate(rows):
                table[n].reads, table[n].owners, table[n].lines = row[:3]
                for i in range(OBJECT_FORMS):
                    table[n].rate[i] = row[3 + i]
            s.rows = table
            with nogil:
                ran = sharing_run(&self.m, &c, &s, done, &outcome)
            if not ran:
                raise MemoryError("modelled cores")
            found = {"moved": outcome.moved, "events": outcome.events, "longest": outcome.longest,
                     "rows": outcome.rows, "form": outcome.form, "changes": outcome.changes, "races": outcome.races,
                     "cycles": outcome.cycles}
            return ([done[i].done for i in range(self.m.cores)],
                    [done[i].reads for i in range(self.m.cores)], found,
                    [outcome.cycles_in[i] for i in range(OBJECT_FORMS)])
        finally:
            free(done)
            free(table)


cdef class VirtualKernel:
    """A multikernel on a modelled machine. work: 2 * keys + 2 doubles (virtual/work.h). Times are
    the machine's cycles.
    """

    cdef monitors *m
    cdef work_sample *samples
    cdef object _kept
    cdef uint64_t _traced
    cdef VirtualMachine _machine
    cdef uint32_t _cores

    def __cinit__(self, VirtualMachine machine, work, uint32_t slots_per_core, uint64_t pages,
            uint32_t cnodes, uint32_t capability_protocol):
        cdef double[::1] table = work
        cdef monitor_shape shape = multikernel_shape(machine.m.cores, slots_per_core, cnodes)
        if len(work) != 2 * WORK_KEYS + 2 or not slots_per_core:
            raise ValueError("a work table has all keys, warm and cold; a core has slots")
        shape.pages = pages
        shape.capability_protocol = capability_protocol
        self._kept = work
        self._machine = machine
        self._cores = machine.m.cores
        with nogil:
            self.m = monitors_new(&machine.m, <const work_table *>&table[0], &shape)
        if not self.m:
            raise MemoryError(f"{machine.m.cores} modelled cores")

    def __dealloc__(self):
        if self.m:
            monitors_free(self.m)
        free(self.samples)

    def plant(self, uint32_t root, edges):
        """Before anything runs: the root's tree, as uint32 edges. Raises ValueError."""
        cdef uint32_t[::1] given = edges
        if root >= self._cores or len(edges) != self._cores - 1:
            raise ValueError("a tree has one edge less than cores")
        if not monitors_plant(self.m, root, &given[0]):
            raise ValueError(f"no tree below core {root}")

    def keep_trace(self, uint64_t events):
        """Before anything runs: what each core does is kept, the last so many events, a power of
        two.
        """
        if not events or events & (events - 1) or self._traced:
            raise ValueError("a power of two, once")
        self._traced = events
        if not monitors_trace(self.m, events):
            raise MemoryError("a trace")

    def trace(self, uint32_t core):
        """What a core has done, as _trace has it; (b"", 0) where that is not kept."""
        if core >= self._cores:
            raise IndexError(core)
        return _trace(monitors_traced(self.m, core), self._traced)

    def idle(self, uint32_t core, uint8_t how):
        """What a core does while nothing comes: 0 polls, 1 computes, 2 sleeps."""
        if core >= self._cores or how > 2:
            raise ValueError("no such core, or no such way")
        monitors_world(self.m).core[core].idle = how

    def ask(self, uint64_t time, uint32_t from_, uint32_t core, uint64_t ticket, int kind,
            tuple words, bytes kept=b""):
        """A program on core `from_` asks the kernel of `core` at that time; see cores_word for
        kept.
        """
        cdef message request = _message(kind, words)
        if from_ >= self._cores or core >= self._cores:
            raise ValueError("no such core")
        if kept and len(kept) < (self._cores + 63) // 64 * 8:
            raise ValueError("a set of all cores")
        if not monitors_ask(self.m, time, from_, core, ticket, &request,
                <const uint64_t *>PyBytes_AS_STRING(kept) if kept else NULL):
            raise MemoryError("a request")

    def run(self):
        """Until a program has its answer: (ticket, began, time, reply); None: nothing is going on."""
        cdef virtual_answer done
        cdef bint there
        with nogil:
            there = monitors_run(self.m, &done)
        if monitors_world(self.m).failed:
            raise MemoryError("virtual time")
        return (done.ticket, done.began, done.time, _reply(&done.reply)) if there else None

    def counts(self):
        """now, messages sent and handled, events, cycles charged to all cores."""
        cdef world *w = monitors_world(self.m)
        return w.now, w.sent, w.handled, w.happened, w.charged

    def links(self):
        """Transactions that passed each link."""
        return [monitors_world(self.m).lines.link_passed[i] for i in range(self._machine.m.links)]

    def busy(self):
        """Cycles in which each core waited for a message's line, or did something."""
        return [monitors_world(self.m).core[i].busy for i in range(self._cores)]

    def measure(self, bint cold=False):
        """From now on steps are timed on this host; cycles that the clock takes of each. cold: the
        state of a monitor has left the caches when its turn begins.
        """
        if not self.samples:
            self.samples = <work_sample *>calloc(WORK_KEYS, sizeof(work_sample))
            if not self.samples:
                raise MemoryError("samples")
        memset(self.samples, 0, WORK_KEYS * sizeof(work_sample))
        return monitors_measure(self.m, self.samples, cold)

    def samples_by_key(self):
        """What was measured: key -> (count, messages put out, least, mean, variance) in cycles."""
        return _samples(self.samples, WORK_KEYS)


SHARED_WORK = {"keys": SHARED_KEYS, "kinds": SHARED_KEYS // STAGES, "stages": STAGES, "lines": STAGE_LINES,
               "notifies": STAGE_NOTIFIES}


cdef dict _samples(work_sample *samples, uint32_t keys):
    cdef work_sample *s
    cdef uint32_t key
    found = {}
    for key in range(keys if samples else 0):
        s = &samples[key]
        if s.count:
            mean = s.cycles / s.count
            found[key] = (s.count, s.messages, s.least, mean, s.squares / s.count - mean * mean)
    return found


cdef class VirtualShared:
    """A shared kernel on a modelled machine. work: 2 * keys + 4 doubles (virtual/shared_work.h);
    lock_scope: 0 one lock for capabilities, 1 one a region. Its methods are VirtualKernel's.
    """

    cdef shared_cores *s
    cdef work_sample *samples
    cdef object _kept
    cdef VirtualMachine _machine
    cdef uint32_t _cores

    def __cinit__(self, VirtualMachine machine, work, uint32_t slots_per_core, uint64_t pages,
            uint32_t cnodes, uint32_t lock_scope, bint along_trees):
        cdef double[::1] table = work
        cdef shared_shape shape = shared_shape(slots_per_core, cnodes, lock_scope, along_trees, pages)
        if len(work) != 2 * SHARED_KEYS + 4 or not slots_per_core or not cnodes or lock_scope > 1:
            raise ValueError("a work table has all keys; a core has slots, and a root CNode")
        self._kept = work
        self._machine = machine
        self._cores = machine.m.cores
        with nogil:
            self.s = shared_cores_new(&machine.m, <const shared_work *>&table[0], &shape)
        if not self.s:
            raise MemoryError(f"{machine.m.cores} modelled cores")

    def __dealloc__(self):
        if self.s:
            shared_cores_free(self.s)
        free(self.samples)

    def idle(self, uint32_t core, uint8_t how):
        if core >= self._cores or how > 2:
            raise ValueError("no such core, or no such way")
        shared_cores_world(self.s).core[core].idle = how

    def ask(self, uint64_t time, uint32_t from_, uint32_t core, uint64_t ticket, int kind,
            tuple words, bytes kept=b""):
        cdef message request = _message(kind, words)
        if from_ >= self._cores or core >= self._cores:
            raise ValueError("no such core")
        if kept and len(kept) < (self._cores + 63) // 64 * 8:
            raise ValueError("a set of all cores")
        if not shared_cores_ask(self.s, time, from_, core, ticket, &request,
                <const uint64_t *>PyBytes_AS_STRING(kept) if kept else NULL):
            raise MemoryError("a request")

    def run(self):
        cdef virtual_answer done
        cdef bint there
        with nogil:
            there = shared_cores_run(self.s, &done)
        if shared_cores_world(self.s).failed:
            raise MemoryError("virtual time")
        return (done.ticket, done.began, done.time, _reply(&done.reply)) if there else None

    def counts(self):
        cdef world *w = shared_cores_world(self.s)
        return w.now, w.sent, w.handled, w.happened, w.charged

    def links(self):
        cdef lines_ *lines = &shared_cores_world(self.s).lines
        return [lines.link_passed[i] for i in range(self._machine.m.links)]

    def busy(self):
        return [shared_cores_world(self.s).core[i].busy for i in range(self._cores)]

    def measure(self, bint lines=False):
        """lines: those that move are counted, and nothing is timed."""
        if not self.samples:
            self.samples = <work_sample *>calloc(SHARED_KEYS, sizeof(work_sample))
            if not self.samples:
                raise MemoryError("samples")
        memset(self.samples, 0, SHARED_KEYS * sizeof(work_sample))
        return shared_cores_measure(self.s, self.samples, lines)

    def samples_by_key(self):
        return _samples(self.samples, SHARED_KEYS)
