/*
 * Assertions: what happens when one fails, and the list of marks.
 *
 * Mental model: each LB_SEEN places one struct lb_mark into the linker section "lb_marks"; the
 * linker gives its two ends, so that the marks of a program are an array without registration.
 *
 * Invariants: the hook is never NULL; lb_assert_fail never returns.
 */
#include "core/assert.h"

#include <stdio.h>
#include <stdlib.h>

/* The ends of the section; weak, because a program without marks has none. */
extern const struct lb_mark marks_first[] __asm__("__start_lb_marks")
    __attribute__((weak, visibility("hidden")));
extern const struct lb_mark marks_end[] __asm__("__stop_lb_marks")
    __attribute__((weak, visibility("hidden")));

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

const struct lb_mark *lb_marks(size_t *ret_count)
{
    const struct lb_mark *volatile first = marks_first; /* a weak address may be NULL */
    const struct lb_mark *volatile end = marks_end;
    LB_ASSERT(ret_count != NULL);
    LB_ASSERT((first == NULL) == (end == NULL));
    *ret_count = first == NULL ? 0 : (size_t)(end - first);
    return *ret_count == 0 ? NULL : first;
}
