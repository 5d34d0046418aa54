/* Page faults of the accessor. A fault is ours only when its PC lies in the accessor and its
 * address in the reserved range: then execution goes on at the landing pad, which returns 1 to the
 * accessor's caller. Any other fault goes to the handler that was there before, or kills the
 * process as it would have: a raw load of an unmapped page dies of SIGSEGV. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "memory/vspace.h"

ARCH_ACCESSOR;

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static uint64_t range_base, range_size;
static struct sigaction previous_segv, previous_bus;

/* The default, now: what others have put in our place says no more than it has said. */
static void die(int number)
{
    struct sigaction end = {.sa_handler = SIG_DFL};
    sigaction(number, &end, NULL);
    raise(number);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    static _Thread_local bool passed_on;
    ucontext_t *machine = context;
    uintptr_t pc = arch_fault_pc(machine), address = (uintptr_t)info->si_addr;
    if (pc >= (uintptr_t)mk_access_begin && pc < (uintptr_t)mk_access_end &&
        address - range_base < range_size) {
        arch_set_pc(machine, (uintptr_t)mk_access_landing);
        return;
    }
    struct sigaction *previous = signal == SIGSEGV ? &previous_segv : &previous_bus;
    const bool nobody = !(previous->sa_flags & SA_SIGINFO) &&
                        (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN);
    /* A signal that somebody has sent comes but once. One that comes back while it is passed on is
     * for whoever was there before all. */
    if (nobody || passed_on) {
        die(signal);
        return;
    }
    passed_on = true;
    if (previous->sa_flags & SA_SIGINFO)
        previous->sa_sigaction(signal, info, context);
    else
        previous->sa_handler(signal);
    passed_on = false;
}

static const struct sigaction ours = {.sa_sigaction = on_fault,
                                      .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

static int stand_before(int number, struct sigaction *previous)
{
    struct sigaction now;
    if (sigaction(number, NULL, &now))
        return errno;
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault)
        return 0;
    *previous = now;
    return sigaction(number, &ours, NULL) ? errno : 0;
}

int fault_stand_first(void)
{
    const int error = stand_before(SIGSEGV, &previous_segv);
    return error ? error : stand_before(SIGBUS, &previous_bus);
}

int fault_install(uint64_t base, uint64_t size)
{
    range_base = base;
    range_size = size;
    /* AVX-512 state alone is past the old MINSIGSTKSZ, and the interrupt handler nests on this
     * stack. */
    size_t stack_size = getauxval(AT_MINSIGSTKSZ) * 4 + 65536;
    stack_t stack = {.ss_sp = malloc(stack_size), .ss_size = stack_size};
    if (!stack.ss_sp || sigaltstack(&stack, NULL))
        return errno;
    return fault_stand_first();
}
