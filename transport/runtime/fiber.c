/*
 * Fibers over Boost.Context.
 *
 * Mental model: make_fcontext writes a first frame onto a fresh stack; jump_fcontext pushes the
 * registers, exchanges stack pointers and pops. It returns, on the other side, the stack pointer
 * that was left, so each side stores where the *other* one can be continued; `target` and the
 * pointer handed over tell who that is. The C header of Boost.Context is C++, but its symbols are
 * C: they are declared here.
 *
 * AddressSanitizer has to know which stack is current, and keeps its own bookkeeping per stack: it
 * is told before and after each jump, and so is MemorySanitizer. Functions around a jump are not instrumented, because a frame
 * of theirs would be registered on one stack and released on the other.
 *
 * Invariants:
 * - a fiber's stack is its own from init until give_stack, take_stack or drop;
 * - a free stack carries no poison: a fiber that is over has returned from every instrumented
 *   frame, and for a dropped one everything from its stack pointer up is unpoisoned (below it
 *   nothing is alive, hence nothing poisoned);
 * - the page below a stack cannot be touched: an overflow is a fault, not a corruption.
 */
#include "runtime/fiber.h"

#include <sys/mman.h>

#include "core/assert.h"

#if defined(__has_feature)
#define FIBER_HAS(x) __has_feature(x)
#else
#define FIBER_HAS(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || FIBER_HAS(address_sanitizer)
#define FIBER_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define FIBER_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || FIBER_HAS(thread_sanitizer)
#define FIBER_TSAN 1
#include <sanitizer/tsan_interface.h>
#else
#define FIBER_TSAN 0
#endif

#if FIBER_HAS(memory_sanitizer)
#define FIBER_MSAN 1
#include <sanitizer/msan_interface.h>
#else
#define FIBER_MSAN 0
#endif

#if FIBER_MSAN /* no_sanitize leaves the calls that clean the shadow of parameters */
#define FIBER_BARE __attribute__((no_sanitize("memory"), noinline))
#elif defined(__clang__) && FIBER_TSAN /* no_sanitize leaves the calls that keep its call stack */
#define FIBER_BARE __attribute__((disable_sanitizer_instrumentation, noinline))
#else
#define FIBER_BARE __attribute__((no_sanitize("address"), no_sanitize("thread"), noinline))
#endif

#define FIBER_GUARD_SIZE 4096u

/* Boost.Context, boost/context/detail/fcontext.hpp. */
struct transfer {
    void *context; /* where the side that jumped here can be continued */
    void *data;    /* what it handed over: its struct lbi_fiber */
};
extern struct transfer jump_fcontext(void *context, void *data);
extern void *make_fcontext(void *stack_top, size_t size, void (*function)(struct transfer));

/* -- switching -- */

/* Tells the sanitizers about a jump to `to`; NULL: the fiber that jumps is over. */
FIBER_BARE static void fiber_leave(void **ret_fake_stack, const struct lbi_fiber *to)
{
#if FIBER_ASAN
    __sanitizer_start_switch_fiber(ret_fake_stack, to->stack, to->stack_size);
#endif
#if FIBER_TSAN
    __tsan_switch_to_fiber(to->race_state, 0);
#endif
#if FIBER_MSAN
    __msan_start_switch_fiber(to->stack, to->stack_size);
#endif
    (void)ret_fake_stack;
    (void)to;
}

/* Tells the sanitizers that a jump from `origin` has arrived, and stores where origin goes on. */
FIBER_BARE static void fiber_arrive(void *fake_stack, struct transfer transfer)
{
    struct lbi_fiber *origin = transfer.data;
    origin->context = transfer.context;
#if FIBER_ASAN || FIBER_MSAN
    const void *stack = NULL;
    size_t size = 0;
#if FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, &stack, &size);
#else
    __msan_finish_switch_fiber(&stack, &size);
#endif
    origin->stack = (unsigned char *)(uintptr_t)stack; /* the outside's is only known from here */
    origin->stack_size = size;
#endif
    (void)fake_stack;
}

FIBER_BARE static void fiber_main(struct transfer transfer)
{
    struct lbi_fiber *self = ((struct lbi_fiber *)transfer.data)->target;
    fiber_arrive(NULL, transfer);
    struct lbi_fiber *to = self->function(self->argument);
    self->target = to;
    fiber_leave(NULL, to);
    (void)jump_fcontext(to->context, self);
    lb_assert_fail(__FILE__, __LINE__, "a fiber that is over is never continued");
}

FIBER_BARE void lbi_fiber_switch(struct lbi_fiber *from, struct lbi_fiber *to)
{
    LB_ASSERT(from != to);
    LB_ASSERT(to->context != NULL);
#if FIBER_TSAN
    if (from->race_state == NULL) {
        from->race_state = __tsan_get_current_fiber(); /* the outside */
    }
#endif
    from->target = to;
    fiber_leave(&from->fake_stack, to);
    struct transfer transfer = jump_fcontext(to->context, from);
    fiber_arrive(from->fake_stack, transfer);
    from->fake_stack = NULL;
}

/* -- stacks -- */

static unsigned char *stack_map(size_t stack_size)
{
    size_t size = FIBER_GUARD_SIZE + stack_size;
    LB_ASSERT(stack_size > 0);
    LB_ASSERT(stack_size % FIBER_GUARD_SIZE == 0);
    unsigned char *low = mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (low == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(low, FIBER_GUARD_SIZE, PROT_NONE) != 0) {
        int result = munmap(low, size);
        LB_ASSERT(result == 0);
        return NULL;
    }
    return low + FIBER_GUARD_SIZE;
}

static void stack_unmap(struct lbi_fiber_pool *pool, unsigned char *stack)
{
    int result = munmap(stack - FIBER_GUARD_SIZE, FIBER_GUARD_SIZE + pool->stack_size);
    LB_ASSERT(result == 0);
    LB_ASSERT(pool->made_count > 0);
    pool->made_count -= 1;
}

static unsigned char *stack_acquire(struct lbi_fiber_pool *pool)
{
    LB_ASSERT(pool->free_count <= pool->made_count);
    if (pool->free_count > 0) {
        pool->free_count -= 1;
        return pool->free[pool->free_count];
    }
    unsigned char *stack = stack_map(pool->stack_size);
    pool->made_count += stack != NULL;
    return stack;
}

static void stack_release(struct lbi_fiber_pool *pool, unsigned char *stack)
{
    LB_ASSERT(stack != NULL);
    LB_ASSERT(pool->free_count < pool->made_count);
    LB_ASSERT(pool->free_count < LBI_FIBER_STACKS_MAX);
    pool->free[pool->free_count] = stack;
    pool->free_count += 1;
}

void lbi_fiber_pool_deinit(struct lbi_fiber_pool *pool)
{
    LB_ASSERT(pool->free_count == pool->made_count);
    while (pool->free_count > 0) {
        pool->free_count -= 1;
        stack_unmap(pool, pool->free[pool->free_count]);
    }
    LB_ASSERT(pool->made_count == 0);
}

/* -- life of a fiber -- */

bool lbi_fiber_init(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool, lbi_fiber_fn function,
                    void *argument)
{
    LB_ASSERT(function != NULL);
    unsigned char *stack = stack_acquire(pool);
    if (stack == NULL) {
        return false;
    }
    *fiber = (struct lbi_fiber){
        .stack = stack,
        .stack_size = pool->stack_size,
        .function = function,
        .argument = argument,
        .context = make_fcontext(stack + pool->stack_size, pool->stack_size, fiber_main)};
#if FIBER_TSAN
    fiber->race_state = __tsan_create_fiber(0);
#endif
    return true;
}

void lbi_fiber_give_stack(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool)
{
    LB_ASSERT(fiber->stack != NULL);
    LB_ASSERT(fiber->fake_stack == NULL);
    stack_release(pool, fiber->stack);
}

void lbi_fiber_take_stack(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool)
{
    LB_ASSERT(fiber->stack != NULL);
    LB_ASSERT(fiber->fake_stack == NULL);
    if (pool->free_count < LBI_FIBER_STACKS_MAX) {
        stack_release(pool, fiber->stack);
    } else {
        stack_unmap(pool, fiber->stack);
    }
    fiber->stack = NULL;
}

FIBER_BARE void lbi_fiber_drop(struct lbi_fiber *fiber, struct lbi_fiber_pool *pool,
                               struct lbi_fiber *outside)
{
    unsigned char *pointer = fiber->context;
    LB_ASSERT(pointer >= fiber->stack);
    LB_ASSERT(pointer < fiber->stack + fiber->stack_size);
#if FIBER_ASAN
    ASAN_UNPOISON_MEMORY_REGION(pointer, (size_t)(fiber->stack + fiber->stack_size - pointer));
    if (fiber->fake_stack != NULL) {
        /* A fake stack is only released by leaving it for good: pretend to have been there. */
        void *fake_stack = NULL;
        LB_ASSERT(outside->stack_size > 0);
        __sanitizer_start_switch_fiber(&fake_stack, fiber->stack, fiber->stack_size);
        __sanitizer_finish_switch_fiber(fiber->fake_stack, NULL, NULL);
        __sanitizer_start_switch_fiber(NULL, outside->stack, outside->stack_size);
        __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
        fiber->fake_stack = NULL;
    }
#endif
    (void)outside;
    fiber->context = NULL;
    stack_release(pool, fiber->stack);
}

void lbi_fiber_end(struct lbi_fiber *fiber)
{
    LB_ASSERT(fiber->fake_stack == NULL);
#if FIBER_TSAN
    if (fiber->race_state != NULL) {
        __tsan_destroy_fiber(fiber->race_state);
    }
#endif
    fiber->race_state = NULL;
}
