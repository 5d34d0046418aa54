/* Monitors that are told anything: what other cores' monitors say, changed or made up, replies to
 * nothing, notices out of turn, among genuine requests and their messages.
 *
 * What must hold (native/README.md): a step ends; it touches nothing but its state, and its output
 * holds what may come out, to cores that there are; the blank records stay blank, and what the
 * capabilities promise of themselves (cspace.h) holds. That what was agreed makes sense is not
 * promised: who may send between cores is believed. */
#include "step_world.h"

/* --- Steps --- */

static void put(const struct output_entry *entry, uint32_t to)
{
    static const char *const kinds[] = {"a request", "a notice", "a reply", "an outcome"};
    FUZZ_CHECK(entry->kind <= OUTPUT_DONE, "an output of kind %u", entry->kind);
    FUZZ_CHECK(to < CORES && (to == me) == (entry->kind == OUTPUT_DONE),
               "%s from core %u to core %u", kinds[entry->kind], me, to);
    if (entry->kind == OUTPUT_DONE || now.packets == PACKETS)
        return;
    now.packet[now.packets++] = (struct packet){
        .reply = entry->kind == OUTPUT_REPLY,
        .from = me,
        .to = to,
        .token = entry->kind == OUTPUT_REPLY ? entry->token : ++serial,
        .message = entry->message,
    };
}

static void turn(uint32_t core, const struct input *input)
{
    struct input in = *input;
    struct monitor *m = now.monitor[core];
    me = core;
    for (uint32_t steps = 0;; steps++) {
        environment.now = ++clock_now;
        struct foresight foresight;
        const bool foreseen =
            in.kind == INPUT_MESSAGE && monitor_foresees(m, &environment, in.message, &foresight);
        asked = (struct asked){0};
        monitor_step(m, &environment, &in, output);
        const char *wrong = foreseen ? foreseen_wrongly(&foresight, &in, &asked, output) : NULL;
        FUZZ_CHECK(!wrong, "%s is not as it was foreseen", wrong);
        FUZZ_CHECK(output->count <= OUTPUT_ENTRIES, "%u entries", output->count);
        for (uint32_t i = 0; i < output->count; i++)
            for (uint32_t n = 0; n < output_receivers(output, &output->entry[i]); n++)
                put(&output->entry[i], output_receiver(output, &output->entry[i], n));
        if (output->local == NO_OPERATION)
            return;
        FUZZ_CHECK(output->local < CORES * LANES && steps < 16, "it goes on with %u",
                   output->local);
        in = (struct input){.kind = INPUT_CONTINUE, .operation = output->local};
    }
}

static void check(const struct world *w)
{
    for (uint32_t core = 0; core < CORES; core++) {
        const struct monitor *m = w->monitor[core];
        const char *page = sparse_record(&m->mappings, 0), *of = sparse_record(&m->agreements, 0);
        for (uint32_t i = 0; i < m->mappings.stride; i++)
            FUZZ_CHECK(!page[i], "core %u: the blank mapping, byte %u", core, i);
        for (uint32_t i = 0; i < m->agreements.stride; i++)
            FUZZ_CHECK(!of[i], "core %u: the blank agreement, byte %u", core, i);
        for (uint32_t i = 0; shape.cnodes && i < cspace_slots(monitor_cspace(m)); i++)
            FUZZ_CHECK(cspace_slot(monitor_cspace(m), i)->owner < CORES, "core %u: an owner", core);
        const char *wrong = shape.cnodes ? cspace_check(monitor_cspace(m)) : NULL;
        FUZZ_CHECK(!wrong, "core %u: %s", core, wrong);
    }
}

/* --- What is there to be named --- */

static const struct mapping *some_mapping(const struct monitor *m)
{
    return monitor_mapping_record(m, draw(monitor_mapping_records(m)));
}
static const struct agreement *some_agreement(const struct monitor *m)
{
    return (const void *)sparse_record(&m->agreements, draw(m->agreements.fresh));
}
static uint64_t some_id(const struct monitor *m)
{
    const uint64_t sequence = (uint64_t)draw(64) * LANES + draw(LANES);
    return one_in(3) ? (uint64_t)draw(CORES + one_in(16)) << 48 | sequence : some_agreement(m)->id;
}
/* The slot of a capability of that type (CAP_NULL: of any) with those relations, if there is one. */
static uint32_t some_slot(const struct monitor *m, enum capability_type type, uint32_t relations)
{
    const uint32_t slots = cspace_slots(monitor_cspace(m)), first = draw(slots);
    for (uint32_t i = first; i < first + slots; i++) {
        const struct capability *c = cspace_slot(monitor_cspace(m), i % slots);
        if (c->type && (type == CAP_NULL || c->type == type) && (c->flags & relations) == relations)
            return i % slots;
    }
    return first;
}
static const struct capability *some_capability(const struct monitor *m)
{
    static const struct capability none;
    return shape.cnodes ? cspace_slot(monitor_cspace(m), some_slot(m, CAP_NULL, 0)) : &none;
}
static uint64_t some_reference(const struct monitor *m, enum capability_type type)
{
    const uint32_t relations = one_in(3) ? CAP_REMOTE_COPIES : 0;
    if (one_in(16) || !shape.cnodes)
        return draw_word(CORES);
    return cspace_reference(monitor_cspace(m), some_slot(m, type, relations));
}
static uint64_t some_page(uint32_t pages)
{
    return RAM_AT + (uint64_t)draw(pages) * PAGE_BYTES;
}

/* --- Requests: what the driver lets through --- */

/* Mostly what makes sense; answered in place. */
static struct frames_request some_frames(uint32_t core)
{
    struct frames_request frames = {
        .action = one_in(2) ? FRAMES_ALLOCATE : draw(FRAMES_RETURN + 2),
        .generation = draw(4),
        .offset = one_in(8) ? draw_word(CORES) : (uint64_t)draw(16) * PAGE_BYTES,
        .length = one_in(8) ? draw_word(CORES) : (1ull + draw(4)) * PAGE_BYTES,
        .most = one_in(8) ? draw_word(CORES) : (uint64_t)draw(8) * PAGE_BYTES,
        .used = one_in(2),
    };
    turn(core, &(struct input){.kind = INPUT_FRAMES, .frames = &frames});
    return frames;
}

static void ask(uint32_t core)
{
    const struct monitor *m = now.monitor[core];
    const struct mapping *mapping = some_mapping(m);
    static const uint8_t often[] = {
        OPERATION_MAP,    OPERATION_UNMAP,  OPERATION_PROTECT, OPERATION_TREE,
        OPERATION_COPY,   OPERATION_COPY,   OPERATION_RETYPE,  OPERATION_RETYPE,
        OPERATION_REVOKE, OPERATION_DELETE, OPERATION_DELETE,  OPERATION_MAP_FRAME,
        OPERATION_DELETE, OPERATION_RETYPE, OPERATION_RECLAIM, OPERATION_MAP_FRAME};
    const enum capability_type sources[OPERATIONS + 1] = {
        [OPERATION_COPY] = one_in(2) ? CAP_RAM : CAP_FRAME,
        [OPERATION_RETYPE] = CAP_RAM,
        [OPERATION_REVOKE] = one_in(2) ? CAP_RAM : CAP_NULL,
        [OPERATION_DELETE] = one_in(4) ? CAP_CNODE : CAP_NULL,
        [OPERATION_MAP_FRAME] = CAP_FRAME};
    const uint32_t operation =
        one_in(16) ? draw(OPERATIONS + 1) : often[draw(sizeof often / sizeof *often)];
    const uint64_t all = (1ull << CORES) - 1, kept = 1 + draw((uint32_t)all);
    struct capability_task task = {
        .source = some_reference(m, one_in(8) ? CAP_NULL : sources[operation]),
        .place = {.cnode = one_in(3) ? some_reference(m, CAP_CNODE) : CSPACE_ROOT,
                  .index = one_in(8)   ? draw(0x10000)
                           : one_in(4) ? draw(16)
                                       : CNODE_ANY},
        .rights = one_in(8) ? draw(256) : CAP_RIGHTS_ALL,
        .type = one_in(8) ? draw(0x10000) : 1 + draw(3),
        .count = one_in(8) ? draw(1u << 31) : 1,
        .to = draw(CORES + one_in(8)),
        .move = one_in(3),
        .offset = one_in(8) ? draw_word(CORES) : (uint64_t)draw(8) * PAGE_BYTES,
        .size = one_in(8) ? draw_word(CORES) : (1ull + draw(6)) * PAGE_BYTES,
    };
    struct request request = {
        .operation = operation,
        .protocol = draw(2),
        .slot = (uint32_t)mapping->slot,
        .generation = mapping->generation,
        .rights = one_in(2) ? RIGHTS_READ : RIGHTS_WRITE,
        .frame = some_page(RAM_PAGES),
        .length = (1ull + draw(4)) * PAGE_BYTES,
        .ticket = ++serial,
        .holders = one_in(2) ? CORES_ALL : kept,
        .task = &task,
    };
    if (request.operation == OPERATION_MAP && one_in(2)) {
        const struct frames_request frames = some_frames(core);
        request.keeper = one_in(8) ? draw_word(CORES) & 0x1ffff : core + 1;
        request.frame = frames.offset;
        request.length = frames.length;
        request.generation = frames.generation;
    }
    if (request.operation == OPERATION_PROTECT && one_in(4))
        request.rights = (uint32_t)draw64();
    if (one_in(8) && request.operation != OPERATION_MAP) {
        request.slot = (uint32_t)draw_word(CORES);
        request.generation = (uint32_t)draw_word(CORES);
    }
    if (one_in(6) && shape.sets) {
        request.holders = (uint64_t)CORES_KEPT << 60 | draw64() >> 4;
        request.kept = &kept;
    }
    if (task.type == CAP_CNODE && !one_in(8))
        task.size = CNODE_BYTES;
    if (request.operation < OPERATION_COPY || request.operation == OPERATION_RECLAIM)
        request.task = NULL;
    if (request.operation == OPERATION_TREE) {
        request.slot = one_in(8) ? draw(CORES) : core;
        request.generation = 0;
    } else if (request.operation >= OPERATION_COPY) {
        request.slot = request.generation = 0;
    }
    turn(core, &(struct input){.kind = INPUT_REQUEST, .request = &request});
}

static void local(uint32_t core)
{
    const struct mapping *mapping = some_mapping(now.monitor[core]);
    const struct creation creation = {
        .address = some_page(RAM_PAGES),
        .size = (1ull + draw(24)) * PAGE_BYTES,
        .to = {.cnode = CSPACE_ROOT, .index = one_in(2) ? CNODE_ANY : draw(16)}};
    struct input in = {
        .slot = (uint32_t)mapping->slot, .generation = mapping->generation, .creation = &creation};
    static const enum input_kind kinds[] = {INPUT_TICK, INPUT_TICK,  INPUT_TICK,
                                            INPUT_PIN,  INPUT_UNPIN, INPUT_CREATE};
    in.kind = kinds[draw(sizeof kinds / sizeof *kinds)];
    if (one_in(8))
        some_frames(core);
    if (one_in(8)) {
        in.slot = (uint32_t)draw_word(CORES);
        in.generation = (uint32_t)draw_word(CORES);
    }
    turn(core, &in);
}

/* --- Messages --- */

static void deliver(const struct packet *packet)
{
    const struct packet copied = *packet;
    turn(copied.to, &(struct input){.kind = copied.reply ? INPUT_REPLY : INPUT_MESSAGE,
                                    .from = copied.from,
                                    .token = copied.token,
                                    .message = &copied.message});
}

static void take(uint32_t i)
{
    const struct packet packet = now.packet[i];
    memmove(&now.packet[i], &now.packet[i + 1], (--now.packets - i) * sizeof packet);
    deliver(&packet);
}

/* The first of its way. */
static void take_in_order(void)
{
    const uint32_t some = draw(now.packets);
    for (uint32_t i = 0; i <= some; i++)
        if (now.packet[i].from == now.packet[some].from &&
            now.packet[i].to == now.packet[some].to &&
            now.packet[i].reply == now.packet[some].reply) {
            take(i);
            return;
        }
}

static void make_up(struct packet *p)
{
    const struct monitor *m = now.monitor[p->to];
    uint64_t *word = p->message.word;
    const struct mapping *page = some_mapping(m);
    const struct capability *c = some_capability(m);
    const struct agreement *a = some_agreement(m);
    word[0] = message_head(draw(AGREEMENT_KINDS + one_in(8)), draw(OPERATIONS + one_in(16)),
                           one_in(2)   ? VERDICT_OK
                           : one_in(2) ? VERDICT_BUSY
                                       : draw(256),
                           draw(CORES + one_in(16)), one_in(32) ? draw(3) : 1) |
              (uint64_t)draw(256) << 24;
    word[1] = some_id(m);
    word[2] = one_in(3)   ? page->slot | (uint64_t)page->generation << 32
              : one_in(2) ? draw(CORES * SLOTS) | (uint64_t)draw(4) << 32
              : one_in(2) ? c->address
                          : draw_word(CORES);
    for (int i = 3; i < 7; i++)
        word[i] = draw_word(CORES);
    if (one_in(2)) { /* of one that is known here */
        word[2] = a->slot | (uint64_t)a->generation << 32;
        memcpy(&word[3], a->argument, sizeof a->argument);
        word[0] = (word[0] & ~0xff00ull) | (uint64_t)a->operation << 8;
        if (one_in(2)) {
            word[0] = (word[0] & ~0xffffull << 32) | (uint64_t)a->root << 32;
            word[1] = a->id;
        }
        if (one_in(3))
            draw_change(&word[draw(MESSAGE_WORDS)], CORES);
    } else if (one_in(2)) { /* about a range */
        word[2] = c->address;
        word[3] = c->size;
        word[4] = one_in(2) ? c->type : word[4];
    } else if (one_in(2)) { /* a map */
        const uint32_t home = (uint32_t)(word[1] >> 48);
        word[0] =
            message_head(KIND_PREPARE, one_in(2) ? OPERATION_MAP : OPERATION_MAP_FRAME, 0, home, 1);
        word[2] = ((one_in(8) ? draw(CORES) : home) * SLOTS + draw(SLOTS)) | (uint64_t)draw(4)
                                                                                 << 32;
        word[3] = 0x10000 + (uint64_t)draw(64) * PAGE_BYTES;
        word[4] = draw(64) | (uint64_t)(one_in(8) ? draw(0x10000) : draw(CORES + 1)) << 40 |
                  (uint64_t)(one_in(2) ? RIGHTS_READ : RIGHTS_WRITE) << 56;
        word[5] = (1 + draw(4)) | (uint64_t)draw(4) << 32;
        word[6] = draw_cores(CORES);
    }
}

static void tell(void)
{
    struct packet p = {.from = draw(CORES), .reply = one_in(3), .token = draw64()};
    p.to = (p.from + 1 + draw(CORES - 1)) % CORES;
    if (now.packets && !one_in(3)) {
        p = now.packet[draw(now.packets)];
        if (message_kind(&p.message) != KIND_COMMIT)
            p = now.packet[draw(now.packets)];
        for (uint32_t changes = draw(3); changes; changes--)
            draw_change(&p.message.word[draw(MESSAGE_WORDS)], CORES);
        if (one_in(8))
            p.reply = !p.reply;
        if (one_in(8))
            p.to = (p.from + 1 + draw(CORES - 1)) % CORES;
        if (one_in(8))
            p.from = (p.to + 1 + draw(CORES - 1)) % CORES;
    } else {
        make_up(&p);
    }
    deliver(&p);
}

/* --- Generations --- */

static void genuine(void)
{
    const uint32_t core = draw(CORES);
    if (now.packets > PACKETS / 4 || (now.packets && !one_in(8)))
        take_in_order();
    else if (one_in(3))
        local(core);
    else
        ask(core);
}

static void begin(void)
{
    shape = monitor_shape_whole(CORES, LANES, SLOTS);
    shape.cnodes = one_in(8) ? 0 : 4;
    shape.slot_bits = 4;
    shape.pages = RAM_AT / PAGE_BYTES + RAM_PAGES;
    shape.capability_protocol = one_in(2) ? CAPABILITIES_OWNER : CAPABILITIES_TWO_PHASE;
    shape.capability_work = 1 + draw(8);
    shape.piece_slots = 1 + draw(4);
    shape.strength_max = 1 + draw(STRENGTH_MAX);
    shape.sets = draw(3);
    if (one_in(3)) {
        shape.agreements = 1 + draw(4);
        shape.mappings = 1 + draw(4);
    }
    environment = (struct environment){&monitor_operations, &mmu, &routing, .backoff = 2};
    make(&now);
    make(&before);
    for (uint32_t core = 0; core < CORES; core++)
        monitor_init(now.monitor[core], core, &shape, 0x10000, 0x100000);
    for (uint32_t root = 0; root < CORES; root++) {
        if (one_in(2))
            continue;
        plant(root, 1);
        for (uint32_t core = 0; core < CORES; core++)
            monitor_planted(now.monitor[core], root);
    }
    now.packets = 0;
    for (uint32_t core = 0; shape.cnodes && core < CORES; core++) {
        const struct creation creation = {.address = RAM_AT + core * 16ull * PAGE_BYTES,
                                          .size = 16 * PAGE_BYTES,
                                          .to = {.cnode = CSPACE_ROOT, .index = CNODE_ANY}};
        turn(core, &(struct input){.kind = INPUT_CREATE, .creation = &creation});
    }
}

static uint64_t generation(void)
{
    output = zeroed(monitor_output_size(CORES));
    begin();
    for (uint32_t steps = draw(400); steps; steps--)
        genuine();
    check(&now);
    copy(&before, &now);
    for (uint32_t i = 0; i < EXECUTIONS; i++) {
        copy(&now, &before);
        for (uint32_t inputs = 2 + draw(24); inputs; inputs--)
            if (one_in(2))
                tell();
            else if (now.packets && one_in(4))
                take(draw(now.packets));
            else
                genuine();
        check(&now);
    }
    unmake(&now);
    unmake(&before);
    free(output);
    return EXECUTIONS;
}

int main(int argc, char **argv)
{
    return fuzz_run(argc, argv, generation);
}
