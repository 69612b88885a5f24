/*
 * The codec: cases as bytes, for fuzzers.
 *
 * A byte with its top bit set starts an operation (its low seven bits pick the opcode by a fixed alias
 * table), the bytes without it are operands of seven bits. Missing operands are zero, surplus ones and
 * those before any operation are ignored: every byte string is a case, the empty one the empty case.
 * Zero is always the simplest choice. Operations belong to three lanes (server, client, scheduler),
 * each collected in its own order.
 */
#ifndef LASTBYTE_FUZZ_CODEC_H
#define LASTBYTE_FUZZ_CODEC_H

#include "case.h"

#define LB_CODEC_OPERATIONS_MAX 64 /* further ones are ignored */
#define LB_CODEC_SIZE_MAX 4096     /* bytes of an input; the rest is ignored */
/* Bytes that all servers of a decoded case may send; beyond it a size is cut. */
#define LB_CODEC_SERVED_MAX (64u * 1024)

/* lb_codec_decode: the case that the bytes say. *ret_case was initialised; it is cleared first. The
 * case has title, level and spec as a case file needs them, and no expectations. */
void lb_codec_decode(const uint8_t *bytes, size_t size, struct lb_case *ret_case);

/* Why a case cannot be said in bytes. */
struct lb_codec_error {
    uint32_t place; /* line in its file; 0: the case as a whole */
    char reason[120];
};

/*
 * lb_codec_encode: the canonical bytes of a case of the fuzz dialect (what decode makes). Stores at
 * most `size` bytes. Errors: LB_LIMIT or LB_PROTOCOL with *ret_error filled.
 */
LB_MUST_USE enum lb_status lb_codec_encode(const struct lb_case *c, uint8_t *ret_bytes, size_t size,
                                           size_t *ret_size, struct lb_codec_error *ret_error);

/*
 * lb_codec_project: a case of the fuzz dialect that makes the same conversation as `c`: expectations
 * dropped, hosts, requests and paths renamed, `want` made to accept any request. *ret_case was
 * initialised. Errors: LB_PROTOCOL with *ret_error naming what bytes cannot say.
 */
LB_MUST_USE enum lb_status lb_codec_project(const struct lb_case *c, struct lb_case *ret_case,
                                            struct lb_codec_error *ret_error);

#endif
