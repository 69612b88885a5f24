/*
 * Content codings (RFC 9110 section 8.4.1): gzip and deflate, undone from pieces of any size.
 *
 * A coding lies outside the framing: what is fed here are a body's bytes without their framing. It
 * decides what the coded bytes mean and whether they are whole; where the message ends is the
 * framing's affair, so the end of a coding is not yet the end of its body (rule F8).
 */
#ifndef LASTBYTE_WIRE_CODING_H
#define LASTBYTE_WIRE_CODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/client.h"
#include "lastbyte/memory.h"
#include "lastbyte/status.h"
#include "wire/head.h"

struct lbi_coding; /* opaque: what undoes the coding of one body */

enum lbi_coding_kind {
    LBI_CODING_NONE,    /* the body is given out as it comes */
    LBI_CODING_GZIP,    /* RFC 1952, members one behind the other */
    LBI_CODING_DEFLATE, /* RFC 1950 around RFC 1951: RFC 9110 section 8.4.1.2 */
};

/* lbi_coding_kind_of: the coding of a body that its head announces: of the only Content-Encoding, which
 * is gzip, x-gzip or deflate in any case. Everything else is not undone. */
enum lbi_coding_kind lbi_coding_kind_of(const struct lbi_head *head);

struct lbi_coding_options {
    enum lbi_coding_kind kind; /* not LBI_CODING_NONE */
    enum lb_gzip_tail tail;    /* what may follow the coding's end */
    uint32_t
        decoded_ratio_max; /* decoded bytes for each coded one, beyond LBI_DECODED_FREE; 0: any */
};

/* lbi_coding_new: gives *ret_coding, released by lbi_coding_free. Keeps memory. Errors: LB_MEMORY. */
enum lb_status lbi_coding_new(struct lb_memory *memory, const struct lbi_coding_options *options,
                              struct lbi_coding **ret_coding);

/* lbi_coding_free: takes *coding; NULL is allowed. */
void lbi_coding_free(struct lbi_coding **coding);

/* lbi_coding_room: where the next coded bytes are to be stored, and how many fit (at least 1). Asked for
 * only when lbi_coding_decode has returned LB_AGAIN. */
char *lbi_coding_room(struct lbi_coding *coding, size_t *ret_size);

/* lbi_coding_feed: `size` coded bytes have been stored in the room, and this is how the framing stands
 * behind them: LB_OK (more to come), LB_END or an error. Not called again after the last two. */
void lbi_coding_feed(struct lbi_coding *coding, size_t size, enum lb_status framing);

/*
 * lbi_coding_decode: stores up to `size` decoded bytes in `out` (not NULL, even for a size of 0). When
 * the room is full it reads on through what stores nothing, so that an end that has been fed is
 * reported with the last bytes. Returns LB_OK (the room is full), LB_AGAIN (coded bytes are needed),
 * or, with the bytes before it stored: LB_END (the coding is whole and so is the body); LB_INCOMPLETE
 * (the body ends inside the coding); LB_PROTOCOL (no such coding, a wrong check, a forbidden tail);
 * LB_LIMIT (the ratio); LB_MEMORY; or the framing's error. It is not called again after these.
 */
enum lb_status lbi_coding_decode(struct lbi_coding *coding, char *out, size_t size,
                                 size_t *ret_size);

#endif
