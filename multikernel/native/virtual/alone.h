/* Two cores' drivers in one process, by turns, without a host's page table: what software costs of
 * what cores do together, where no line travels. The process can be used for nothing else
 * afterwards. */
#pragma once

#include "driver/driver.h"

struct alone {
    struct driver *driver[2];
    const char *refused; /* what could not be had */
};

/* False, with errno: see refused. */
bool alone_open(struct alone *both, uint32_t cnodes);
/* A request of a program on that core, waited for while both take turns. */
struct message alone_ask(struct alone *both, uint32_t core, const struct message *request);
struct message alone_await(struct alone *both, uint32_t core, uint64_t ticket);
/* Until neither has anything to do. */
void alone_settle(struct alone *both);

/* A request from core 0's driver to core 1's, and its reply. */
bool alone_call(struct alone *both, struct message *reply);

/* Cycles, of the least of so many batches: a turn in which nothing comes; a program's request to its
 * own driver; the processor's pause; a page set to zero; the shared kernel's lock, taken and given
 * back; a message there and back over a line with nothing around it; a look whether a message's
 * receiver sleeps, with its fence; alone_call; and a change of a page's rights that both agree
 * about, without its two page-table changes. */
struct software {
    double turn, system_call, relax, clear, lock, bare, doorbell, call, protect;
};
/* False, with errno: see refused. */
bool alone_measure(struct software *software, uint32_t batches, const char **refused);
