/* Opening a core: the one place that knows both kernels. */
#pragma once

#include "driver/driver.h"

/* Opens the driver of a core on a mapped kernel segment, in the pinned process that will be that
 * core: first touches its region, reserves its range, installs handlers. NULL when that
 * fails, with errno and what was refused. */
struct driver *driver_open(struct segment *segment, int memory,
                           const struct driver_options *options, const char **refused);
