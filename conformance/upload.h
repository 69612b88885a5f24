/*
 * Requests as a server reads them: where a body ends, and whether it is the standard pattern. Used by the
 * scripted servers as bytes come, and by the model of the wire on all that a connection has carried.
 * Independent of the transport: it knows what RFC 9112 section 6 lets a client send, and no more.
 */
#ifndef LASTBYTE_CONFORMANCE_UPLOAD_H
#define LASTBYTE_CONFORMANCE_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What of a body comes next. */
enum lb_upload_state {
    LB_UPLOAD_DATA,
    LB_UPLOAD_SIZE_LINE, /* of a chunk */
    LB_UPLOAD_DATA_END,  /* the line's end behind a chunk's data */
    LB_UPLOAD_TRAILER,   /* the empty line behind the last chunk */
    LB_UPLOAD_OVER,      /* nothing: the request is whole */
    LB_UPLOAD_BROKEN,    /* what no client may send */
};

/* A request whose head has been read. */
struct lb_upload {
    enum lb_upload_state state;
    bool has_body; /* the head says so, even of none bytes */
    bool is_chunked;
    bool is_expect; /* the head asks for 100-continue */
    bool is_close;  /* it says Connection: close */
    bool is_other;  /* some byte was not the pattern's */
    bool is_http10;
    bool is_upgrade; /* it asks for another protocol */
    bool is_coding;  /* and for a content coding, in the transport's own spelling */
    uint64_t left;   /* bytes of this chunk, or of the body, that are still to come */
    uint64_t offset; /* bytes of the body that have come */
};

/* lb_upload_head: the size of the request head at the start of `bytes`; 0: it is not whole. */
size_t lb_upload_head(const uint8_t *bytes, size_t size);

/* lb_upload_begin: a request from its head (all of it, the empty line included). */
void lb_upload_begin(struct lb_upload *upload, const uint8_t *head, size_t size);

/* lb_upload_take: reads on, up to `limit` bytes of the body. Returns how many of `bytes` are done
 * with; what is not yet whole (a chunk's size line) is left to the next call. */
size_t lb_upload_take(struct lb_upload *upload, const uint8_t *bytes, size_t size, uint64_t limit);

#endif
