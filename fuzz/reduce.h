/*
 * The reducer: from an input that shows a finding to a small one that shows the same finding.
 *
 * It works on operations, not on bytes: it leaves out blocks of them, requests and connections with all
 * that belongs to them, says several as one, and lowers operands, until nothing smaller in the order of
 * lbi_program_compare shows the finding. Where the byte form is not what the input is, it leaves out and
 * lowers what there is. Every candidate is made canonical before it is tried, so what
 * has no effect goes by itself, and results can be compared. Same input and same answers give the same
 * result.
 */
#ifndef LASTBYTE_FUZZ_REDUCE_H
#define LASTBYTE_FUZZ_REDUCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the bytes of an input are. */
enum lb_reduce_form {
    LB_REDUCE_OPERATIONS, /* the byte form (codec.h); operands before it are kept and lowered */
    LB_REDUCE_RECORDS,    /* records as in the byte form, with a meaning of their own */
    LB_REDUCE_BYTES,      /* text */
};

struct lb_reduce_options {
    /* Whether bytes show the finding. */
    bool (*is_same)(void *context, const uint8_t *bytes, size_t size);
    /* What was found so far, smaller than anything before; NULL allowed. */
    void (*on_better)(void *context, const uint8_t *bytes, size_t size);
    /* Before each try; false ends the search. NULL allowed. */
    bool (*go_on)(void *context);
    void *context;
    enum lb_reduce_form form;
    uint64_t run_max; /* calls of is_same; 0: no limit */
};

struct lb_reduce_result {
    uint64_t run_count;       /* calls of is_same */
    uint64_t better_count;    /* of these, how many were kept */
    uint32_t operation_count; /* of the result; of bytes where the input has none */
    bool is_complete;         /* nothing was left to try */
};

/*
 * lb_reduce: reduces `*size` bytes, of LB_CODEC_SIZE_MAX, in place; they show the finding. The result
 * does, too, and is canonical.
 */
void lb_reduce(const struct lb_reduce_options *options, uint8_t *bytes, size_t *size,
               struct lb_reduce_result *ret_result);

#endif
