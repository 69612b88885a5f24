/*
 * Test of workers in a program whose thread-local variables do not fit on a small stack: the C library takes
 * their room from it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"

static _Thread_local volatile char large[2 * LB_THREADS_STACK_SIZE];

static void worker_main(void *argument)
{
    volatile char frame[LB_THREADS_STACK_SIZE / 4]; /* what a function of the caller may use */
    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (char)i;
    }
    for (size_t i = 0; i < sizeof frame; i++) {
        frame[i] = large[i];
    }
    *(char *)argument = frame[1];
}

static void test_threads_stack_has_room_for_large_variables(void **state)
{
    (void)state;
    char result = 0;
    struct lb_runtime *runtime = lb_runtime_threads();
    struct lb_worker *worker = NULL;
    struct lb_worker_options options = {LB_ROLE_READ, "a.1", worker_main, &result};
    assert_int_equal(runtime->ops->worker_start(runtime, &options, LB_SITE_START_READ, &worker),
                     LB_OK);
    runtime->ops->worker_join(runtime, &worker, LB_SITE_JOIN_READ);
    assert_int_equal(result, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_stack_has_room_for_large_variables),
    };
    return cmocka_run_group_tests_name("threads_stack", tests, NULL, NULL);
}
