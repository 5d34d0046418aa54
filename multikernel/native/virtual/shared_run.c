/* The modelled shared kernel's operations: what they take, and how they stand still. Each core has a
 * coroutine in which they run, one after the other. */
#include <sys/mman.h>

#include "arch/arch.h"
#include "virtual/shared_inside.h"

/* Of a coroutine: more than an operation needs. */
enum { STACK = 64 << 10, DISTURBED = 20000 };

_Thread_local struct shared_cores *shared_at_work;

/* --- What it takes --- */

static void sample(struct shared_cores *s, enum shared_stage stage, uint64_t cycles, uint32_t count)
{
    struct work_sample *one = &s->samples[s->kind * STAGES + stage];
    if (cycles > DISTURBED)
        return;
    one->least = one->count && one->least < cycles ? one->least : cycles;
    one->count++;
    one->messages += count;
    one->cycles += (double)cycles;
    one->squares += (double)cycles * (double)cycles;
}

static double cost(const struct shared_cores *s, enum shared_stage stage)
{
    const uint32_t key = s->kind * STAGES + stage;
    return s->world.core[s->at].idle == IDLE_POLLS ? s->work->warm[key] : s->work->cold[key];
}

void shared_comes_to(struct shared_cores *s, enum shared_stage stage, uint32_t count)
{
    const bool further = stage == STAGE_SENDS && s->last == STAGE_SENDS;
    s->last = stage;
    if (further) {
        world_charge(&s->world, s->world.machine->work_scale * s->work->message);
        return;
    }
    if (s->samples && !s->counts_lines)
        sample(s, stage, arch_cycles() - s->since, count);
    const double rings = count > 1 ? (count - 1) * s->work->ring : 0;
    world_charge(&s->world, s->world.machine->work_scale * (cost(s, stage) + rings));
}

void shared_resumes(struct shared_cores *s)
{
    s->since = s->samples ? arch_cycles() : 0;
}

/* --- Standing still --- */

void shared_stands(struct shared_cores *s)
{
    const uint32_t core = s->at;
    swapcontext(&s->core[core].inside, &s->outside);
    shared_resumes(s);
}

void shared_catches_up(struct shared_cores *s)
{
    if (s->world.clock <= s->world.now)
        return;
    shared_wake(s, s->at, s->world.clock, WAKE_GOES_ON, 0);
    shared_stands(s);
}

/* What a core does; it never returns. */
static void life(void)
{
    for (;;) {
        struct shared_cores *s = shared_at_work;
        s->serves(s, s->at);
        swapcontext(&s->core[s->at].inside, &s->outside);
    }
}

void shared_goes_on(struct shared_cores *s, uint32_t core)
{
    struct shared_core *c = &s->core[core];
    s->at = core;
    s->kind = message_kind(&s->ask[c->ask].request);
    swapcontext(&s->outside, &c->inside);
}

void shared_is_told(struct shared_cores *s, uint32_t core, uint32_t kind)
{
    s->at = core;
    s->kind = kind;
    s->last = STAGE_ENDS;
    shared_resumes(s);
}

void shared_was_told(struct shared_cores *s)
{
    shared_comes_to(s, STAGE_ENDS, 0);
}

bool shared_lives(struct shared_cores *s, uint32_t core)
{
    struct shared_core *c = &s->core[core];
    c->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c->stack == MAP_FAILED || getcontext(&c->inside)) {
        c->stack = NULL;
        return false;
    }
    c->inside.uc_stack.ss_sp = c->stack;
    c->inside.uc_stack.ss_size = STACK;
    makecontext(&c->inside, life, 0);
    return true;
}

void shared_dies(struct shared_cores *s, uint32_t core)
{
    if (s->core[core].stack)
        munmap(s->core[core].stack, STACK);
}
