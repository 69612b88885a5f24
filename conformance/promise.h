/*
 * The rules of lastbyte as text, for reports: what each promises, and where that comes from. README.md
 * has the same list for readers.
 */
#ifndef LASTBYTE_CONFORMANCE_PROMISE_H
#define LASTBYTE_CONFORMANCE_PROMISE_H

#include <stdint.h>

/* One rule; all strings are static. */
struct lb_promise {
    const char *rule;   /* "R3" */
    const char *brief;  /* in a few words, without a capital and a full stop */
    const char *help;   /* in full: one or more sentences */
    const char *source; /* the section of a standard that demands it, or that no standard does */
};

/* lb_promise_at: rule `index` in the order of README.md; NULL beyond the last. */
const struct lb_promise *lb_promise_at(uint32_t index);

/* lb_promise_index: the index of a rule; UINT32_MAX: there is none of that name. */
uint32_t lb_promise_index(const char *rule);

#endif
