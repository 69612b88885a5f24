/*
 * Bytes to response: the head over llhttp, then the body's framing. Knows no socket and no lock.
 *
 * A reader is begun for each exchange, fed the head (interim responses included) until it is
 * complete, then asked for the body's bytes until the framing says that the message has ended.
 * Framing follows RFC 9112 section 6.3; what it calls faulty or ambiguous is LB_PROTOCOL (rule F12).
 */
#ifndef LASTBYTE_WIRE_RESPONSE_H
#define LASTBYTE_WIRE_RESPONSE_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/memory.h"
#include "lastbyte/source.h"
#include "lastbyte/status.h"
#include "wire/chunked.h"
#include "wire/head.h"

/* How a body's end is found (RFC 9112 section 6.3). */
enum lbi_framing {
    LBI_FRAMING_NONE,        /* there is no body */
    LBI_FRAMING_LENGTH,      /* Content-Length */
    LBI_FRAMING_CHUNKED,     /* Transfer-Encoding: chunked */
    LBI_FRAMING_UNTIL_CLOSE, /* the connection's end is the body's */
};

struct lbi_reader {
    llhttp_t parser;
    struct lbi_head head; /* taken by the exchange when complete (lbi_reader_take_head) */
    enum lbi_framing framing;
    bool is_head_request;   /* the request was HEAD: no body (RFC 9110 section 9.3.2) */
    bool is_head_complete;  /* of the final response */
    bool is_complete;       /* the whole message has been read */
    bool may_keep_alive;    /* the response does not forbid reuse (RFC 9112 section 9.3) */
    enum lb_status failure; /* LB_OK, or why the message is no good; sticky */
    uint32_t head_size_max;
    uint32_t head_size;         /* bytes of heads seen in this exchange, interim ones included */
    uint64_t body_size;         /* bytes of body given out */
    uint64_t overhead_size;     /* bytes of framing between them */
    uint64_t length_left;       /* LENGTH: bytes of the body still to come */
    struct lbi_chunked chunked; /* CHUNKED: where in the coding it stands */
    struct lbi_head trailers;   /* CHUNKED: the fields behind the last chunk */
    uint64_t said_size;         /* bytes of the body that the head announced, or LB_SIZE_UNKNOWN */
};

/* lbi_reader_init: before the first begin. Keeps memory until deinit. */
void lbi_reader_init(struct lbi_reader *reader, struct lb_memory *memory, uint32_t head_size_max);
void lbi_reader_deinit(struct lbi_reader *reader);

/* lbi_reader_begin: forgets the last message and waits for the response to a new request. */
void lbi_reader_begin(struct lbi_reader *reader, bool is_head_request);

/*
 * lbi_reader_feed_head: reads head bytes. *ret_used tells how many were taken; what is left belongs to
 * the body, or to the next head if this one is interim. Returns LB_OK when a head is complete, LB_AGAIN
 * when all bytes were taken and more are needed; LB_PROTOCOL, LB_LIMIT or LB_MEMORY otherwise.
 */
enum lb_status lbi_reader_feed_head(struct lbi_reader *reader, const char *bytes, size_t size,
                                    size_t *ret_used);

/* lbi_reader_is_interim: whether the complete head is that of an interim response, which answers nothing
 * (RFC 9110 section 15.2); 101 is final. */
bool lbi_reader_is_interim(const struct lbi_reader *reader);

/* lbi_reader_next: behind an interim response: waits for the next head, whose bytes count together with
 * those before it, or, with is_fresh, for themselves. */
void lbi_reader_next(struct lbi_reader *reader, bool is_fresh);

/* lbi_reader_take_head: gives the complete head, released by lbi_head_deinit. */
void lbi_reader_take_head(struct lbi_reader *reader, struct lbi_head *ret_head);

/* lbi_reader_take_trailers: the message is complete: gives its trailer fields, released by
 * lbi_head_deinit. */
void lbi_reader_take_trailers(struct lbi_reader *reader, struct lbi_head *ret_trailers);

/* lbi_reader_drop_trailers: nobody wants the trailer fields of this message: those that have come are
 * released, those to come only checked. */
void lbi_reader_drop_trailers(struct lbi_reader *reader);

/*
 * lbi_reader_feed_body: decodes body bytes into `out` (out_size > 0). *ret_used input bytes were
 * taken and *ret_size body bytes stored. Returns LB_OK (more to come), LB_END (the message is
 * complete; what is left of the input is not its), or an error, with the bytes before it stored.
 */
enum lb_status lbi_reader_feed_body(struct lbi_reader *reader, const char *bytes, size_t size,
                                    size_t *ret_used, char *out, size_t out_size, size_t *ret_size);

/* lbi_reader_plain_size: how many bytes, of those that have not been fed, are the body's as they stand on
 * the wire, for certain. They may go to the caller past the reader, which is told by lbi_reader_pass. */
uint64_t lbi_reader_plain_size(const struct lbi_reader *reader);

/* lbi_reader_pass: that many of them have; LB_OK or LB_END as feed_body. */
enum lb_status lbi_reader_pass(struct lbi_reader *reader, size_t size);

/* lbi_reader_finish: the connection has ended: LB_END if that completes the message, otherwise
 * LB_INCOMPLETE (RFC 9112 section 8). */
enum lb_status lbi_reader_finish(struct lbi_reader *reader);

#endif
