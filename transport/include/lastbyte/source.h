/*
 * Sources: where the bytes of a request's body come from.
 *
 * The caller implements one and hands it over with its request (struct lb_request_options). From then
 * on the transport calls it: `read` and `rewind` from a worker, one at a time; `close` once (rule O2),
 * from any thread. After lb_request_free, or after lb_request_send has returned an error, it is not
 * touched any more (rule B6).
 */
#ifndef LASTBYTE_SOURCE_H
#define LASTBYTE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "lastbyte/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "Not known": of a source, it is sent chunked (RFC 9112 section 7.1); of a response, it has no
 * Content-Length that counts. */
#define LB_SIZE_UNKNOWN UINT64_MAX

struct lb_source;

struct lb_source_ops {
    /*
     * read: stores 1 to `size` bytes (size > 0), or reports the end. Returns LB_OK with
     * *ret_size >= 1; LB_END with *ret_size >= 0, these are the last bytes; any other status is the
     * source's own failure, the request then fails with LB_SOURCE. A source of known size is asked for
     * no byte beyond it, nor for its end. May block until `close` is called.
     */
    enum lb_status (*read)(struct lb_source *source, void *bytes, size_t size, size_t *ret_size);

    /*
     * close: no byte is wanted any more. A read in progress in another worker returns soon after,
     * with whatever status (rule E9); the transport waits for that before it lets the request go.
     * Called exactly once, on every path, also when lb_request_new fails. Never blocks.
     */
    void (*close)(struct lb_source *source);

    /*
     * rewind: goes back to the first byte, so that the request can be sent again (rule R5). Returns
     * LB_OK, anything else fails the request with LB_SOURCE. Called neither during a read nor after
     * close. NULL: the bytes come only once, and a request whose first byte has been read is never
     * sent again.
     */
    enum lb_status (*rewind)(struct lb_source *source);
};

/* A source. Embed it as the first member of a larger struct to give it state. */
struct lb_source {
    const struct lb_source_ops *ops;
};

#ifdef __cplusplus
}
#endif
#endif
