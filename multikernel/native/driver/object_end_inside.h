/* What an end's files share. */
#pragma once

#include "driver/object_end.h"

/* Done by the loop on every turn, while there is an end: polls each that is not busy. */
bool object_duties(struct driver *driver);
/* One moment of a wait: an object's while_waiting. context: the end. */
void object_end_waits(void *context);

/* Around operations: nobody else polls the end, or closes it. */
void object_end_begin(struct object_end *end);
void object_end_over(struct object_end *end);
/* One in between; false: it was given up. */
bool object_end_applied(struct object_end *end, const struct operation *operation,
                        struct result *result);
/* So many took so long, in that form. */
void object_end_cost(struct object_end *end, enum object_form form, uint64_t operations,
                     uint64_t cycles);

/* Of the owner: the form may have changed. */
void object_end_note(struct object_end *end);
/* The owner's chooser begins. */
enum object_verdict object_end_adapt(struct object_end *end);

/* It is closed; its pin is the caller's to take back. */
void object_end_close(struct object_end *end);
