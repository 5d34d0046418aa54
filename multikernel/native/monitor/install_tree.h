/* Installing a root's multicast tree by agreement. */
#pragma once

#include "monitor/operation.h"

extern const struct operation_kind tree_operation;
