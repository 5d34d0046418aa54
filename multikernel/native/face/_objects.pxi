# Objects that change their form, for Python, included by _native.pyx: object/object.h has forms and
# types, driver/object_end.h a core's ends, which its driver keeps.

cdef extern from "object/object.h":
    enum object_form:
        FORM_LOCKED, FORM_AGREED_TWO_PHASE, FORM_COMBINED
    const char *const object_form_name[]
    enum object_verdict:
        OBJECT_OK, OBJECT_NO_SUCH_SHAPE, OBJECT_NOT_LOCKFREE
    const char *object_verdict_says(object_verdict verdict)
    enum:
        TYPE_COUNTERS, TYPE_MAP, TYPE_QUEUE, OBJECT_CORES_MOST, OBJECT_LOG_LEAST, OBJECT_LOG_MOST
    struct object_type:
        const char *name
    struct object_geometry:
        uint32_t type, shape, cores, owner, log, lock, nodes
    struct native_object "object":
        pass
    struct operation:
        uint64_t kind, key
        uint64_t value[4]
    struct result:
        uint64_t status, value
    uint64_t object_bytes(const object_geometry *g, object_verdict *verdict)
    object_form form_of_object "object_form"(const native_object *o)
    uint64_t object_switches(const native_object *o)
    enum:
        COUNTERS_ADD, COUNTERS_SUM, COUNTERS_MOST, MAP_GET, MAP_PUT, MAP_REMOVE, MAP_ADD
        MAP_SLOTS_MOST, QUEUE_PUT, QUEUE_TAKE, QUEUE_FRONT, QUEUE_SLOTS_MOST
        RESULT_OK, RESULT_ABSENT, RESULT_FULL, RESULT_EMPTY, RESULT_BAD

cdef extern from "driver/object_end.h":
    enum:
        OBJECT_ENDS, OBJECT_CHANGES_KEPT, FORM_ADAPTIVE
    struct object_end:
        native_object of "object"
    object_end *object_end_of(driver *d, uint64_t page)
    bint object_end_apply(object_end *end, const operation *what, result *became,
            uint64_t patience)
    object_verdict object_end_switch(object_end *end, uint32_t form)
    object_verdict object_end_suits(const object_end *end, uint32_t form)
    struct object_work:
        operation operation[3]
        uint64_t reads, keys, seed, think, begins, ends
    struct object_worked:
        uint64_t operations, reads, cycles
    bint object_end_work(object_end *end, const object_work *work, object_worked *worked)


# Programs have no agreed forms: a core that computes would not be notified of what is asked.
OBJECT_FORMS = {
    object_form_name[i].decode(): i for i in (*range(FORM_AGREED_TWO_PHASE), FORM_COMBINED)}
OBJECT_ADAPTIVE = FORM_ADAPTIVE
OBJECT_TYPES = {"counter": TYPE_COUNTERS, "map": TYPE_MAP, "queue": TYPE_QUEUE}
OBJECT_SHAPES = {"counter": COUNTERS_MOST, "map": MAP_SLOTS_MOST, "queue": QUEUE_SLOTS_MOST}
OBJECT_OPERATIONS = {
    "add": COUNTERS_ADD, "sum": COUNTERS_SUM, "map get": MAP_GET, "map put": MAP_PUT,
    "map remove": MAP_REMOVE, "map add": MAP_ADD, "queue put": QUEUE_PUT, "queue take": QUEUE_TAKE,
    "queue front": QUEUE_FRONT,
}
OBJECT_STATUS = {
    "ok": RESULT_OK, "absent": RESULT_ABSENT, "full": RESULT_FULL, "empty": RESULT_EMPTY,
    "bad": RESULT_BAD,
}
OBJECT_VERDICTS = {"not-lock-free": OBJECT_NOT_LOCKFREE, "no-such-shape": OBJECT_NO_SUCH_SHAPE}
OBJECT_LOGS = (OBJECT_LOG_LEAST, OBJECT_LOG_MOST)
OBJECT_MEMBERS, OBJECT_ENDS_OF_A_CORE = OBJECT_CORES_MOST, OBJECT_ENDS
OBJECT_CHANGES = OBJECT_CHANGES_KEPT


def object_says(int verdict):
    """What a verdict about an object means, and what to do."""
    return object_verdict_says(<object_verdict>verdict).decode()


def object_block(int kind, uint32_t shape, uint32_t cores, uint32_t owner, uint32_t log):
    """(bytes of such an object, verdict): 0 where there is none, and the verdict says why."""
    cdef object_geometry g = object_geometry(kind, shape, cores, owner, log, 0, 0)
    cdef object_verdict verdict = OBJECT_OK
    cdef uint64_t size = object_bytes(&g, &verdict)
    return size, <int>verdict


def object_made_of(int kind, int form, uint32_t cores, uint32_t owner, uint32_t log):
    """As KIND_OBJECT_OPEN names it."""
    return (kind | form << 8 | <uint64_t>cores << 16 | <uint64_t>owner << 32 | <uint64_t>log << 40
            | <uint64_t>1 << 63)


cdef class ObjectEnd:
    """This core's end of the object in that page (slot and generation, as they travel), which its
    driver has open. Every method is a system call, and raises LookupError when the end is closed.
    Of a program's threads one at a time is in here: a call keeps the interpreter's lock.
    """

    cdef Driver driver
    cdef uint64_t page, patience

    def __cinit__(self, Driver driver, uint64_t page, uint64_t patience):
        """patience: cycles."""
        self.driver, self.page, self.patience = driver, page, patience

    cdef object_end *enter(self) except NULL:
        self.driver.enter()
        cdef object_end *end = object_end_of(self.driver.d, self.page)
        if not end:
            self.driver.leave()
            raise LookupError(self.page)
        return end

    def apply(self, uint64_t kind, uint64_t key=0, uint64_t value=0, uint64_t second=0):
        """One operation, in the form that is set now: (status, value). Raises TimeoutError when the
        owner was asked and has not answered for so long.
        """
        cdef bint done, cancelled
        cdef operation o
        cdef result r
        cdef object_end *end = self.enter()
        o.kind, o.key = kind, key
        o.value[0], o.value[1], o.value[2], o.value[3] = value, second, 0, 0
        done = object_end_apply(end, &o, &r, self.patience)
        cancelled = not done and driver_to_be_cancelled(self.driver.d)
        self.driver.leave()
        if cancelled:
            self.driver.raise_cancelled()
        if not done:
            raise TimeoutError
        return r.status, r.value

    def switch(self, uint32_t form):
        """The form from now on; of the owner. An object's verdict."""
        cdef object_end *end = self.enter()
        cdef int verdict = object_end_switch(end, form)
        self.driver.leave()
        return verdict

    def suits(self, uint32_t form):
        """Whether it could; of any core. An object's verdict."""
        cdef object_end *end = self.enter()
        cdef int verdict = object_end_suits(end, form)
        self.driver.leave()
        return verdict

    def form(self):
        """The form that is set now, and how often it has changed."""
        cdef object_end *end = self.enter()
        form, switches = form_of_object(&end.of), object_switches(&end.of)
        self.driver.leave()
        return form, switches

    def work(self, operations, uint64_t keys, double reads, uint64_t think, uint64_t seed,
            uint64_t begins, uint64_t ends):
        """Operations one behind the other from `begins` to `ends` by tsc(): three, each (kind, key,
        value, second), of which the last is the share `reads` of all, and the first two the others
        by turns; key: a random one from there on, fewer than `keys` more. think: cycles between two.

        (operations, those that read, cycles).
        """
        cdef object_work w
        cdef object_worked done
        cdef bint whole
        cdef object_end *end
        memset(&w, 0, sizeof(w))
        for i, (kind, key, value, second) in enumerate(operations):
            w.operation[<int>i].kind, w.operation[<int>i].key = kind, key
            w.operation[<int>i].value[0], w.operation[<int>i].value[1] = value, second
        w.reads, w.keys, w.seed, w.think = <uint64_t>(reads * 2.0 ** 32), keys, seed, think
        w.begins, w.ends = begins, ends
        end = self.enter()
        whole = object_end_work(end, &w, &done)
        self.driver.leave()
        if not whole:
            self.driver.raise_cancelled()
        return done.operations, done.reads, done.cycles
