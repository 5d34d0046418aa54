/* What a program on a modelled core gets. */
#pragma once

#include "base/message.h"

struct answer {
    uint64_t began, time; /* the program asked, and goes on */
    uint64_t ticket;      /* the caller's */
    struct message reply; /* as a driver's */
};
