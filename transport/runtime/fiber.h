/*
 * Fibers: coroutines with stacks of their own, for the schedulers of the simulation and of the loop.
 *
 * A fiber is suspended, running or over. Whoever runs switches to another one directly; there is no
 * middleman. The context outside all fibers is a `struct lbi_fiber` too: all bytes zero.
 */
#ifndef LASTBYTE_RUNTIME_FIBER_H
#define LASTBYTE_RUNTIME_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LBI_FIBER_STACKS_MAX 512 /* free stacks that a pool keeps */

struct lbi_fiber;

/* What a fiber executes; returns the fiber that runs when this one is over. */
typedef struct lbi_fiber *(*lbi_fiber_fn)(void *argument);

struct lbi_fiber {
    void *context;        /* suspended: where it goes on; a stack pointer */
    unsigned char *stack; /* its lowest usable byte */
    size_t stack_size;
    void *fake_stack;         /* suspended: the sanitizer's own bookkeeping */
    void *race_state;         /* likewise */
    struct lbi_fiber *target; /* suspended: to whom it switched */
    lbi_fiber_fn function;
    void *argument;
};

/* Stacks, mapped when first needed and kept. With all other bytes zero it is an empty pool. */
struct lbi_fiber_pool {
    size_t stack_size; /* usable bytes of each: a number of pages; a guard page below */
    unsigned char *free[LBI_FIBER_STACKS_MAX];
    uint32_t free_count;
    uint32_t made_count; /* mapped, in use or free */
};

/* lbi_fiber_pool_deinit: unmaps all stacks; none is in use. */
void lbi_fiber_pool_deinit(struct lbi_fiber_pool *pool);

/*
 * lbi_fiber_init: makes a suspended fiber that will call function(argument) on a stack of `pool`.
 * Keeps argument until the fiber is over. False when no stack could be had.
 */
bool lbi_fiber_init(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool, lbi_fiber_fn function,
                    void *argument);

/* lbi_fiber_give_stack: called by a fiber's function as its last act: its stack may be reused as
 * soon as it is over. The pool has room for it. */
void lbi_fiber_give_stack(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool);

/* lbi_fiber_take_stack: the same from outside, of a fiber that is over; a full pool unmaps it. */
void lbi_fiber_take_stack(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool);

/* lbi_fiber_drop: abandons a suspended fiber; its stack goes back to `pool` as if it were over.
 * What only its stack knows of is lost. Called outside all fibers, whose context is `outside`. */
void lbi_fiber_drop(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool,
                    struct lbi_fiber *outside);

/* lbi_fiber_end: releases what is left of a fiber that is over or dropped. */
void lbi_fiber_end(struct lbi_fiber *fiber);

/* lbi_fiber_switch: suspends the running fiber `from` and runs `to`; returns when somebody switches
 * back to `from`. */
void lbi_fiber_switch(struct lbi_fiber *from, struct lbi_fiber *to);

#endif
