/* What opening an end needs of adaptive.c. */
#pragma once

#include "object/object_inside.h"

/* From now on every wait of this end does its duties, and calls the caller's. */
void object_attend(struct object *o, void (*while_waiting)(void *context), void *context);
