# Locks between processes for Python, included by _native.pyx: locks/lock.h has the kinds.

cdef extern from "<unistd.h>":
    int _getpid "getpid"()

cdef extern from "locks/lock.h":
    struct lock:
        pass
    struct lock_node:
        uint32_t cpu, process
    struct lock_waiter:
        bint parks
        uint64_t patience_ns
    enum lock_outcome:
        LOCK_TAKEN, LOCK_OWNER_DIED, LOCK_GIVEN_UP
    struct lock_algorithm:
        const char *name
        bint fifo
        lock_outcome (*acquire)(lock *l, lock_node *nodes, uint32_t me, const lock_waiter *w) nogil
        void (*release)(lock *l, lock_node *nodes, uint32_t me) nogil
        uint32_t (*holder)(lock *l, lock_node *nodes, uint32_t me) nogil
    const lock_algorithm *const lock_algorithms[]

cdef extern from "locks/waiting.h":
    bint lock_prepare() nogil
    uint32_t lock_own_cpu() nogil

cdef extern from "locks/readers.h":
    lock_outcome readers_read(lock *l, lock_node *nodes, uint32_t me, const lock_waiter *w) nogil
    void readers_read_release(lock *l, lock_node *nodes, uint32_t me) nogil

cdef extern from "locks/robust.h":
    int robust_init(lock *l) nogil


cdef dict _locks():
    """By name: whether it is FIFO; in the order of the table."""
    kinds = {}
    while lock_algorithms[len(kinds)]:
        kinds[lock_algorithms[len(kinds)].name.decode()] = bool(lock_algorithms[len(kinds)].fifo)
    return kinds

LOCKS = _locks()


def lock_bytes(uint32_t cores):
    """Bytes of memory for a lock of any kind between that many cores."""
    return sizeof(lock) + cores * sizeof(lock_node)


cdef class LockEnd:
    """One core's way to a lock that lies in memory (a writable buffer, aligned to 128 bytes) which
    all have mapped. fresh: the first one lays it out, in zeroed memory.

    Raises ValueError.
    """

    cdef const lock_algorithm *algorithm
    cdef lock *l
    cdef lock_node *nodes
    cdef uint32_t me, cores
    cdef unsigned char[::1] memory

    def __cinit__(self, str kind, memory, uint32_t core, uint32_t cores, bint fresh):
        if kind not in LOCKS:
            raise ValueError(f"no such lock: {kind}; one of {', '.join(LOCKS)}")
        if core >= cores:
            raise ValueError(f"core {core} of a lock between {cores}; they are counted from 0")
        self.memory = memory
        if len(self.memory) < lock_bytes(cores) or <uintptr_t>&self.memory[0] % 128:
            raise ValueError(f"a lock between {cores} needs {lock_bytes(cores)} bytes, aligned to "
                    f"128: {len(self.memory)} bytes")
        self.algorithm = lock_algorithms[<int>list(LOCKS).index(kind)]
        self.l = <lock *><void *>&self.memory[0]
        self.nodes = <lock_node *><void *>(&self.memory[0] + sizeof(lock))
        self.me, self.cores = core, cores
        if fresh and kind == "robust" and robust_init(self.l):
            raise ValueError("this host has no robust mutexes between processes")
        lock_prepare()
        self.nodes[core].process = _getpid()
        self.nodes[core].cpu = lock_own_cpu()

    def acquire(self, uint64_t patience_ns, bint reads=False):
        """True: it is taken; and whether its last holder has died. False: it is not, and nobody who
        was given up in a queue gets it any more."""
        cdef lock_waiter waiter
        cdef lock_outcome outcome
        memset(&waiter, 0, sizeof(waiter))
        waiter.parks, waiter.patience_ns = True, patience_ns
        with nogil:
            if reads:
                outcome = readers_read(self.l, self.nodes, self.me, &waiter)
            else:
                outcome = self.algorithm.acquire(self.l, self.nodes, self.me, &waiter)
        return outcome != LOCK_GIVEN_UP, outcome == LOCK_OWNER_DIED

    def release(self, bint reads=False):
        """Of who has it."""
        if reads:
            readers_read_release(self.l, self.nodes, self.me)
        else:
            self.algorithm.release(self.l, self.nodes, self.me)

    def holder(self):
        """Who holds it as far as it shows, or had it last: a core; None: nobody."""
        cdef uint32_t holder = self.algorithm.holder(self.l, self.nodes, self.me)
        return holder - 1 if 0 < holder <= self.cores else None

    def processes(self):
        """By core, of those that have come: the process."""
        return {core: self.nodes[core].process for core in range(self.cores)
                if self.nodes[core].process}
