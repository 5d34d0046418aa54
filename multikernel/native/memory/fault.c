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

static void on_fault(int signal, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    uintptr_t pc = arch_fault_pc(machine), address = (uintptr_t)info->si_addr;
    if (pc >= (uintptr_t)mk_access_begin && pc < (uintptr_t)mk_access_end &&
        address - range_base < range_size) {
        arch_set_pc(machine, (uintptr_t)mk_access_landing);
        return;
    }
    struct sigaction *previous = signal == SIGSEGV ? &previous_segv : &previous_bus;
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(signal, info, context);
    } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
        sigaction(signal, previous, NULL); /* the access runs again and dies */
    } else {
        previous->sa_handler(signal);
    }
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
    struct sigaction action = {.sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &previous_segv) || sigaction(SIGBUS, &action, &previous_bus))
        return errno;
    return 0;
}
