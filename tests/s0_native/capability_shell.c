/* A replica of capabilities, one operation a line; each is answered by a line of numbers.
 *
 * o CNODES CORE ROOT_ADDRESS LOCKS SLOT_BITS: a fresh one
 * a ADDRESS SIZE CNODE INDEX: create RAM; verdict, reference
 * g TYPE ADDRESS SIZE RIGHTS OWNER RELATIONS CNODE INDEX OP: receive; the same
 * c SOURCE CNODE INDEX OP: copy; the same
 * m SOURCE RIGHTS CNODE INDEX OP: mint; the same
 * p SOURCE ADDRESS RIGHTS CNODE INDEX: map; the same
 * t SOURCE TYPE OFFSET SIZE COUNT CNODE INDEX OP: retype; the same
 * d REFERENCE WORK OP: delete; verdict, done, slot
 * s REFERENCE ADDRESS SIZE ABOUT TYPE WORK OP: revoke; the same
 * r REFERENCE: begin to revoke; verdict, then what s begins with
 * l ADDRESS SIZE OP, u OP: lock, unlock
 * f ADDRESS SIZE START END: conflict
 * e REFERENCE OWNER RELATIONS: relate
 * x ADDRESS SIZE TYPE: find the object; verdict, slot
 * y ADDRESS END: derived elsewhere
 * A: all of it: 1 when all invariants hold, digest, a hash of all bytes, locks, used slots; then
 *    three numbers a lock, the slots in order, nine numbers a used slot
 *
 * The measuring loops, each with the verdict and how many values its histograms have:
 * F COUNT: a fresh one, filled
 * P ROUNDS SEED, Q ROUNDS SEED, V DESCENDANTS ROUNDS: operations, splits, revokes */
#include "base/hash.h"
#include "capability/cspace_going.h"
#include "capability/request.h"
#include "probes/capabilities.h"

#include "shell.h"

static struct cspace *cs;

static void say(int count, const uint64_t *numbers)
{
    for (int i = 0; i < count; i++)
        printf("%llu ", (unsigned long long)numbers[i]);
}

static void open_fresh(const uint64_t *n)
{
    const struct cspace_shape shape = {
        .cnodes = (uint32_t)n[0], .slot_bits = (uint32_t)n[4], .locks = (uint32_t)n[3]};
    size_t size = cspace_size(&shape);
    free(cs);
    if (posix_memalign((void **)&cs, 64, size))
        exit(1);
    memset(cs, 0, size);
    cspace_init(cs, (uint32_t)n[1], &shape, n[2]);
}

static uint64_t hash_bytes(void)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < cs->size / 8; i++)
        hash = (hash ^ ((uint64_t *)(void *)cs)[i]) * 0x100000001b3;
    return hash;
}

static uint32_t next_in_order(uint32_t slot)
{
    return mapping_database_next(cspace_database(cs), slot);
}

static uint64_t hash_lock(const struct cspace_lock *lock)
{
    const uint64_t hash = hash_mix(~lock->operation, lock->address);
    return hash_mix(hash_mix(hash, lock->end), lock->operation);
}

/* With all its rights. */
static enum capability_verdict copy(uint64_t source, const struct cspace_place *to,
                                    uint64_t operation, uint64_t *made)
{
    const uint32_t slot = cspace_find(cs, source);
    const uint32_t rights = slot == NO_CAPABILITY ? 0 : cspace_slot(cs, slot)->rights;
    return cspace_mint(cs, source, rights, to, operation, made);
}

static void say_all(void)
{
    const char *wrong = cspace_check(cs);
    if (wrong)
        fprintf(stderr, "invariant: %s\n", wrong);
    uint64_t figures[5];
    cspace_figures(cs, 0, figures);
    for (uint32_t i = 0; i < cs->locks; i++)
        figures[0] += hash_lock(&cspace_locks(cs)[i]);
    uint64_t head[5] = {!wrong, figures[0], hash_bytes(), cs->locks};
    for (uint32_t i = next_in_order(NO_CAPABILITY); i != NO_CAPABILITY; i = next_in_order(i))
        head[4]++;
    say(5, head);
    for (uint32_t i = 0; i < cs->locks; i++)
        say(3, &cspace_locks(cs)[i].address);
    for (uint32_t i = next_in_order(NO_CAPABILITY); i != NO_CAPABILITY; i = next_in_order(i))
        printf("%u ", i);
    for (uint32_t slot = 0; slot < cspace_slots(cs); slot++) {
        const struct capability *c = cspace_slot(cs, slot);
        const uint64_t numbers[9] = {slot,     c->generation, c->type,  c->address, c->size,
                                     c->about, c->rights,     c->owner, c->flags};
        if (c->type)
            say(9, numbers);
    }
}

static struct histogram *fresh_histogram(int i)
{
    static struct histogram histograms[3];
    memset(&histograms[i], 0, sizeof histograms[i]);
    return &histograms[i];
}

int main(void)
{
    struct operation_line operation;
    while (shell_next(&operation)) {
        const uint64_t *n = operation.number;
        uint64_t answer[6] = {0};
        int answers = 2;
        struct cspace_progress progress;
        struct cspace_revocation revocation;
        struct capability_task task;
        struct cspace_place to;
        struct capability record;
        struct histogram *times[3];
        switch (operation.letter) {
        case 'o':
            open_fresh(n);
            break;
        case 'a':
            to = (struct cspace_place){.cnode = n[2], .index = (uint32_t)n[3]};
            answer[0] = cspace_create_ram(cs, n[0], n[1], &to, &answer[1]);
            break;
        case 'g':
            to = (struct cspace_place){.cnode = n[6], .index = (uint32_t)n[7]};
            record = (struct capability){.type = (uint8_t)n[0],
                                         .address = n[1],
                                         .size = n[2],
                                         .rights = (uint8_t)n[3],
                                         .owner = (uint16_t)n[4],
                                         .flags = (uint8_t)n[5]};
            answer[0] = cspace_receive(cs, &record, &to, n[8], &answer[1]);
            break;
        case 'c':
            to = (struct cspace_place){.cnode = n[1], .index = (uint32_t)n[2]};
            answer[0] = copy(n[0], &to, n[3], &answer[1]);
            break;
        case 'm':
            to = (struct cspace_place){.cnode = n[2], .index = (uint32_t)n[3]};
            answer[0] = cspace_mint(cs, n[0], (uint32_t)n[1], &to, n[4], &answer[1]);
            break;
        case 'p':
            task = (struct capability_task){.source = n[0],
                                            .place = {.cnode = n[3], .index = (uint32_t)n[4]}};
            answer[0] = capability_map(cs, &task, n[1], (uint32_t)n[2]);
            answer[1] = task.made;
            if (answer[0] == CAP_OK) /* only a monitor knows of pages */
                cspace_slot(cs, (uint32_t)task.made)->flags &= (uint8_t)~CAP_REMOTE_COPIES;
            break;
        case 't':
            task = (struct capability_task){.source = n[0],
                                            .type = (uint32_t)n[1],
                                            .offset = n[2],
                                            .size = n[3],
                                            .count = (uint32_t)n[4],
                                            .place = {.cnode = n[5], .index = (uint32_t)n[6]}};
            answer[0] = capability_retype(cs, &task, n[7]);
            answer[1] = task.made;
            break;
        case 'd':
            answer[0] = cspace_delete(cs, n[0], n[2], (uint32_t)n[1], &progress);
            answer[1] = progress.done;
            answer[2] = progress.slot;
            answers = 3;
            break;
        case 'r':
            revocation = (struct cspace_revocation){0};
            answer[0] = cspace_revoke_begin(cs, n[0], &revocation);
            answer[1] = revocation.reference;
            answer[2] = revocation.of.address;
            answer[3] = revocation.of.size;
            answer[4] = revocation.of.about;
            answer[5] = revocation.of.type;
            answers = 6;
            break;
        case 's':
            revocation = (struct cspace_revocation){
                .reference = n[0],
                .of = {.address = n[1], .size = n[2], .about = n[3], .type = (uint8_t)n[4]}};
            answer[0] = cspace_revoke_step(cs, &revocation, n[6], (uint32_t)n[5], &progress);
            answer[1] = progress.done;
            answer[2] = progress.slot;
            answers = 3;
            break;
        case 'l':
            answer[0] = cspace_lock(cs, n[0], n[1], n[2]);
            answers = 1;
            break;
        case 'u':
            cspace_unlock(cs, n[0]);
            answers = 1;
            break;
        case 'f':
            answer[0] = cspace_conflict(cs, n[0], n[1], n[2], n[3]);
            answers = 1;
            break;
        case 'e':
            answer[0] =
                cspace_relate(cs, cspace_find_any(cs, n[0]), (uint32_t)n[1], 0, (uint32_t)n[2]);
            answers = 1;
            break;
        case 'x': {
            uint32_t slot = cspace_find_object(cs, n[0], n[1], (uint32_t)n[2]);
            answer[0] = slot == NO_CAPABILITY ? CAP_STALE : CAP_OK;
            answer[1] = slot;
            break;
        }
        case 'y':
            cspace_derived_elsewhere(cs, n[0], n[1]);
            break;
        case 'A':
            say_all();
            answers = 0;
            break;
        case 'F':
            open_fresh((const uint64_t[]){probe_capabilities_cnodes((uint32_t)n[0]), 0, 0, 0,
                                          CNODE_SLOT_BITS});
            answer[0] = probe_capabilities_fill(cs, (uint32_t)n[0]);
            answers = 1;
            break;
        case 'P':
            for (int i = 0; i < 3; i++)
                times[i] = fresh_histogram(i);
            answer[0] = probe_capabilities(cs, (uint32_t)n[0], n[1], times[0], times[1], times[2]);
            for (int i = 0; i < 3; i++)
                answer[1 + i] = times[i]->n;
            answers = 4;
            break;
        case 'Q':
            times[0] = fresh_histogram(0);
            answer[0] = probe_capabilities_split(cs, (uint32_t)n[0], n[1], times[0]);
            answer[1] = times[0]->n;
            break;
        case 'V':
            times[0] = fresh_histogram(0);
            answer[0] = probe_capabilities_revoke(cs, (uint32_t)n[0], (uint32_t)n[1], times[0]);
            answer[1] = times[0]->n;
            break;
        default:
            shell_unknown(&operation);
        }
        say(answers, answer);
        printf("\n");
        if (operation.letter == 'A') /* asked for after every other operation */
            fflush(stdout);
    }
    return 0;
}
