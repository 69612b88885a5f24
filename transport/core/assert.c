/*
 * Assertions: what happens when one fails. The hook may be NULL; lb_assert_fail never returns.
 */
#include "core/assert.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_print(const char *file, int line, const char *expression)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    (void)fflush(stderr);
}

lb_assert_fn lb_assert_hook = assert_print;

void lb_assert_fail(const char *file, int line, const char *expression)
{
    if (lb_assert_hook != NULL) {
        lb_assert_hook(file, line, expression);
    }
    abort();
}

void lb_assert_holds(int is_true, const char *file, int line, const char *expression)
{
    if (!is_true) {
        lb_assert_fail(file, line, expression);
    }
}
