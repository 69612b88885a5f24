/*
 * Assertions, on in every build, and marks.
 *
 * LB_ASSERT states what the program itself guarantees; a failure is a programmer's error and ends
 * the process. LB_MAYBE documents that both values of a condition are expected. LB_SEEN counts that
 * a place was reached, so that a campaign can list the places it never reached.
 */
#ifndef LASTBYTE_CORE_ASSERT_H
#define LASTBYTE_CORE_ASSERT_H

#ifdef __cplusplus
extern "C" {
#endif

/* What runs when an assertion fails; the process is aborted if it returns. */
typedef void (*lb_assert_fn)(const char *file, int line, const char *expression);

/*
 * lb_assert_hook: called first when an assertion fails; never NULL. Initially it prints "FILE:LINE:
 * assertion failed: EXPRESSION" to standard error. A tool replaces it to add what it was running;
 * it is the only mutable global of the project.
 */
extern lb_assert_fn lb_assert_hook;

/* lb_assert_fail: calls the hook, then abort(). Does not return. */
__attribute__((noreturn, cold)) void lb_assert_fail(const char *file, int line,
                                                    const char *expression);

/* lb_assert_holds: lb_assert_fail unless is_true. */
void lb_assert_holds(int is_true, const char *file, int line, const char *expression);

/* LB_ASSERT(x): x holds, in every build. x is evaluated once. */
#ifdef LB_UNGUARDED /* for tools/bugs: a client that shipped a bug had no assertion that saw it */
#define LB_ASSERT(x) ((void)sizeof((x) ? 1 : 0))
#elif defined(LASTBYTE_COVERAGE) /* a call: no run may take that branch, and it is not to count */
#define LB_ASSERT(x) lb_assert_holds(!!(x), __FILE__, __LINE__, #x)
#else
#define LB_ASSERT(x) (__builtin_expect(!!(x), 1) ? (void)0 : lb_assert_fail(__FILE__, __LINE__, #x))
#endif

/* LB_UNREACHABLE("what"): control never comes here. */
#define LB_UNREACHABLE(text) lb_assert_fail(__FILE__, __LINE__, "unreachable: " text)

/* LB_MAYBE(x): x may hold or not; both happen. Not evaluated, but it has to compile. */
#define LB_MAYBE(x) ((void)sizeof((x) ? 1 : 0))

/* LB_STATIC_ASSERT(x, text): x holds at compile time. */
#ifdef __cplusplus
#define LB_STATIC_ASSERT(x, text) static_assert(x, text)
#else
#define LB_STATIC_ASSERT(x, text) _Static_assert(x, text)
#endif

#ifdef __cplusplus
}
#endif
#endif
