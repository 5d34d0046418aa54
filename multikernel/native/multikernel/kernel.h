/* The multikernel behind the driver's kernel interface. */
#pragma once

#include "driver/kernel.h"

extern const struct kernel kernel_multikernel;
