/* In place of the atomic operations, in every file that is compiled with this: each is a step of an
 * explorer (lock_explorer.c, object_explorer.c). */
#pragma once

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t step_load(void *at, size_t bytes);
void step_store(void *at, size_t bytes, uint64_t value);
uint64_t step_add(void *at, size_t bytes, uint64_t value);
uint64_t step_exchange(void *at, size_t bytes, uint64_t value);
bool step_compare(void *at, size_t bytes, void *expected, uint64_t value);
uint64_t step_bits(void *at, size_t bytes, uint64_t and_, uint64_t or_);

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_signal_fence
#undef atomic_thread_fence
#define AT(p)                                                  ((void *)(uintptr_t)(p)), sizeof *(p)
#define atomic_load_explicit(p, order)                         step_load(AT(p))
#define atomic_store_explicit(p, v, order)                     step_store(AT(p), v)
#define atomic_fetch_add_explicit(p, v, o)                     step_add(AT(p), v)
#define atomic_fetch_sub_explicit(p, v, o)                     step_add(AT(p), -(uint64_t)(v))
#define atomic_fetch_or_explicit(p, v, o)                      step_bits(AT(p), UINT64_MAX, v)
#define atomic_fetch_and_explicit(p, v, o)                     step_bits(AT(p), v, 0)
#define atomic_exchange_explicit(p, v, o)                      step_exchange(AT(p), v)
#define atomic_signal_fence(order)                             ((void)0)
#define atomic_thread_fence(order)                             ((void)0)
#define atomic_compare_exchange_strong_explicit(p, e, v, o, f) step_compare(AT(p), e, v)
#define atomic_compare_exchange_weak_explicit(p, e, v, o, f)   step_compare(AT(p), e, v)

#define LOCK_SPINS LOCK_SPINS
enum { LOCK_SPINS = 1, DOOR_VISITS = 1 };
