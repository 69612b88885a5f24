/*
 * Fuzz targets: claims about any bytes, judged in this process. targets.tsv is their registry, from
 * which the build makes programs (engine.h), the command its list, and the tests what they run.
 *
 * A target is a page below targets/: bytes to a conversation, and what must hold of it.
 */
#ifndef LASTBYTE_FUZZ_TARGET_H
#define LASTBYTE_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "run.h"

/* What the bytes of a target are. */
enum lb_target_form {
    LB_TARGET_OPERATIONS, /* the byte form (codec.h) */
    LB_TARGET_PREFIXED,   /* operands of the target's own, then the byte form */
    LB_TARGET_OWN,        /* operations of the target's own; records as in the byte form */
    LB_TARGET_TEXT,       /* text */
};

/* A row of targets.tsv. */
struct lb_target_row {
    const char *name;
    size_t size_max;        /* bytes of an input */
    uint64_t smoke_count;   /* executions of a short test */
    const char *dictionary; /* file in fuzz/ */
    enum lb_target_form form;
    const char *seeds;   /* folder in corpus/ */
    const char *surface; /* a phrase */
    const char *claims;  /* a phrase */
};

/* lb_target_row: row `index` of the registry, in its order; NULL beyond the last. Static. */
const struct lb_target_row *lb_target_row(uint32_t index);

/* lb_target_find: the row of that name; NULL: there is none. */
const struct lb_target_row *lb_target_find(const char *name);

/* lb_target_favoured: the operations that matter most to a target, for the mutator; *ret_count 0:
 * all alike. Static. */
const uint8_t *lb_target_favoured(const struct lb_target_row *row, size_t *ret_count);

/* Counts since lb_target_new. */
struct lb_target_counters {
    uint64_t runs;       /* inputs judged */
    uint64_t responded;  /* in which a request came to a response */
    uint64_t reused;     /* in which a connection carried a second request */
    uint64_t broken;     /* whose servers or schedule did not fit the conversation */
    uint64_t trace_hash; /* of the last input, over all its runs */
};

struct lb_target;

/* lb_target_new: gives *ret_target, released by lb_target_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_target_new(const struct lb_target_row *row,
                                         struct lb_target **ret_target);
void lb_target_free(struct lb_target **target);

/*
 * lb_target_judge: what `bytes` show, in *ret_result: its findings, the first of which names the claim
 * that does not hold; none: all hold. Same bytes, same result, whatever was judged before. Bytes beyond
 * the row's size_max are ignored. Does not end the process, but for a failed assertion of the transport.
 */
void lb_target_judge(struct lb_target *target, const uint8_t *bytes, size_t size,
                     struct lb_result *ret_result);

/* lb_target_counters: borrowed from the target. */
const struct lb_target_counters *lb_target_counters(const struct lb_target *target);

/* lb_target_print: the last input as text for people: its case, as far as there is one. */
void lb_target_print(const struct lb_target *target, FILE *stream);

/* lb_target_case: the case of the last input; borrowed until the next one. */
const struct lb_case *lb_target_case(const struct lb_target *target);

/* lb_target_watch: from now on runs count the switches between workers into a map whose size is a power of
 * two (lb_runner_cover_switches), and events by state into one of LB_COVER_STATES_SIZE
 * (lb_runner_cover_states). Keeps both. */
void lb_target_watch(struct lb_target *target, uint8_t *switches, size_t switches_size,
                     uint8_t *states);

#endif
