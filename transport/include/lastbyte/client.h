/*
 * The client: a transport with pooled connections, requests on it, and the bodies of their responses.
 *
 * A request is made (lb_request_new), sent (lb_request_send, which returns at the response's head),
 * its body is read (lb_body_read) to LB_END or closed (lb_body_close), and the request is released
 * (lb_request_free). A caller that does neither with an open body holds a connection and its two
 * workers: that is the leak this project is about, and lb_transport_profile shows it.
 */
#ifndef LASTBYTE_CLIENT_H
#define LASTBYTE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/memory.h"
#include "lastbyte/runtime.h"
#include "lastbyte/socket.h"
#include "lastbyte/source.h"
#include "lastbyte/status.h"
#include "lastbyte/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lb_transport;
struct lb_request;
struct lb_response; /* borrowed from its request */
struct lb_body;     /* borrowed from its request */

/* What a gzip or deflate coding is decoded to when something follows its end (rule F8). */
enum lb_gzip_tail {
    LB_GZIP_TAIL_MEMBERS, /* further gzip members are decoded, too; anything else is LB_PROTOCOL */
    LB_GZIP_TAIL_DROPPED, /* whatever follows the first member is read and dropped */
};

/* Limits of a drain that suit most programs: what a body closed early may still bring, and in what
 * time, so that its connection can be used again (rule E5). */
#define LB_DRAIN_SIZE UINT64_C(262144)
#define LB_DRAIN_DURATION_NS UINT64_C(50000000)

/* How a transport behaves. Start from lb_transport_options_default and change what matters. */
struct lb_transport_options {
    struct lb_runtime *runtime; /* kept until the transport is freed */
    struct lb_network *network; /* kept until the transport is freed */
    struct lb_memory *memory;   /* kept until the transport is freed */
    struct lb_trace *trace;     /* kept until the transport is freed; NULL: nobody watches */
    /* Connections of one host, dialing ones included; 0: no limit. */
    uint32_t connections_per_host_max;
    /* Idle ones of one host: a connection that returns to a full host is closed; 0: pool nothing. */
    uint32_t idle_per_host_max;
    uint32_t idle_total_max; /* beyond it the connection idle for longest is closed; 0: no limit */
    uint64_t idle_duration_ns; /* an idle connection is closed after this; LB_NEVER: never */
    uint64_t dial_duration_ns; /* a dial fails with LB_TIMEOUT after this; LB_NEVER: never */
    uint64_t head_duration_ns; /* from the end of the request's write to the response's head */
    /* How long the end of a body waits for the end of the request's write (R7). */
    uint64_t written_duration_ns;
    /* How long a request's body waits for 100-continue (RFC 9110 section 10.1.1); 0: not at all. */
    uint64_t continue_duration_ns;
    /* A body closed early is drained if no more bytes than this are still to come, and they come
     * within the duration (E5); 0: never. */
    uint64_t drain_size_max;
    uint64_t drain_duration_ns;
    uint32_t head_size_max;  /* bytes of the heads of one exchange, interim ones included (B4) */
    uint32_t retries_max;    /* attempts on stale connections after the first attempt (R5) */
    uint32_t gzip_ratio_max; /* decoded bytes for each coded one, beyond 1 MiB (B4); 0: any */
    enum lb_gzip_tail gzip_tail; /* what may follow a coded body */
    bool is_gzip_off;            /* do not ask for gzip or deflate, and decode neither */
    bool is_keep_alive_off;      /* each request says "Connection: close", nothing is pooled */
    /* Assert every invariant at each step, which takes time in proportion to the connections: for
     * tests. Assertions about what is at hand are always on. */
    bool is_checked;
};

/* lb_transport_options_default: the reference's defaults: 0 per host, 2 idle per host, 100 idle in
 * all, 90 s idle, 30 s dial, no head time-out, 50 ms written, 64 KiB head, 1 s for 100-continue, no
 * drain (LB_DRAIN_SIZE and LB_DRAIN_DURATION_NS are there for those who want one), gzip asked for with
 * further members decoded and a ratio of 200. The standard memory; the runtime and the network are the
 * caller's to set. */
void lb_transport_options_default(struct lb_transport_options *ret_options);

/*
 * lb_transport_new: makes a transport. Borrows options; gives *ret_transport, released by
 * lb_transport_free. Errors: LB_MEMORY. Does not block.
 */
LB_MUST_USE enum lb_status lb_transport_new(const struct lb_transport_options *options,
                                            struct lb_transport **ret_transport);

/*
 * lb_transport_free: ends everything. Calls in progress on its requests return LB_CLOSED, every
 * connection is closed, every worker joined, every request released whether its caller still holds
 * the handle or has lost it (rule E7). Takes *transport; NULL is allowed. Blocks until the workers
 * have ended, which nothing but a runtime that stands still can delay. Calls in progress may be
 * lb_request_send and lb_body_read; no other call is, and none begins.
 */
void lb_transport_free(struct lb_transport **transport);

/*
 * lb_transport_close_idle: closes the idle connections of `host` (NULL: of all hosts) and the dials
 * that nobody waits for any more; until its next request, a host pools nothing. Does not block.
 */
void lb_transport_close_idle(struct lb_transport *transport, const char *host);

/* The transport's own account of a host, or of all. */
struct lb_stats {
    uint32_t idle;        /* connections in the pool */
    uint32_t busy;        /* connections serving an exchange, from hand-over to the body's end */
    uint32_t dialing;     /* connections being made */
    uint32_t waiting;     /* requests waiting for a connection */
    uint32_t open_bodies; /* bodies neither ended, failed, cancelled nor closed */
};

/* lb_transport_stats: the account of `host` (NULL: all hosts). Zero for an unknown host. Does not
 * block for longer than the lock. */
void lb_transport_stats(struct lb_transport *transport, const char *host,
                        struct lb_stats *ret_stats);

/* One row of a profile: workers of one role that wait for one thing. */
struct lb_profile_row {
    enum lb_role role;
    enum lb_site waits_for;
    uint32_t count;
    /* Where the request was made, if an open body is what is waited for; otherwise NULL. Borrowed as
     * lb_request_options says. */
    const char *call_site;
};

/*
 * lb_transport_profile: the live workers, grouped by role, what they wait for, and call site. Stores
 * at most `row_count` rows (row_count > 0); *ret_row_count is how many were stored. Workers for whom
 * there is no row left are not counted: when all rows are used, ask again with more.
 */
void lb_transport_profile(struct lb_transport *transport, struct lb_profile_row *rows,
                          size_t row_count, size_t *ret_row_count);

/*
 * lb_transport_check: asserts every invariant of the transport's machines. For simulations, between
 * two steps: it takes no lock, and looks at nothing while a worker stands inside the transport's.
 */
void lb_transport_check(const struct lb_transport *transport);

/* A field of a request or a response (RFC 9110 section 5). */
struct lb_field {
    const char *name;  /* a token */
    const char *value; /* without control characters; may be empty */
};

/* Whoever wants to see the interim responses (1xx but 101) to a request. Embed it as the first member
 * of a larger struct to give it state. */
struct lb_interim {
    /*
     * seen: an interim response has come. Called by a worker, before lb_request_send returns, with no
     * lock held; it neither blocks nor calls the transport. Borrows response, whose code and fields may
     * be asked for. Returns LB_OK to go on; anything else ends the request with LB_PROTOCOL.
     */
    enum lb_status (*seen)(struct lb_interim *interim, const struct lb_response *response);
};

/* What to ask for. With the first four members alone it is a plain request. */
struct lb_request_options {
    const char *method;          /* a token such as "GET", not "CONNECT"; borrowed */
    struct lb_endpoint endpoint; /* borrowed */
    /* Origin form, "/path?query" (RFC 9112 section 3.2.1), or "*" for OPTIONS; borrowed. */
    const char *target;
    uint64_t deadline_ns;          /* for the whole request, body included; LB_NEVER: none */
    const struct lb_field *fields; /* further fields, sent in this order; borrowed */
    size_t field_count;
    struct lb_source *source; /* the body; kept until its close is called; NULL: none */
    uint64_t source_size;     /* its bytes, or LB_SIZE_UNKNOWN; without a source not looked at */
    /* Kept until lb_request_send has returned; NULL: interim responses are read over, their bytes
     * counted against head_size_max together; with a hook, each has head_size_max for itself. */
    struct lb_interim *interim;
    const char *upgrade; /* ask for this protocol (RFC 9110 section 7.8); borrowed; NULL: do not */
    bool is_expect;      /* with a body: send "Expect: 100-continue" and wait (R8) */
    bool is_close;       /* send "Connection: close" (RFC 9112 section 9.6) */
    bool is_http10;      /* say HTTP/1.0; the connection is not used again */
    const char *call_site; /* for profiles; kept until the request is released; NULL allowed */
};

/*
 * lb_request_new: makes a request; nothing is sent. Gives *ret_request, released by lb_request_free
 * or, if that is never called, by lb_transport_free. Errors, each of which closes the source: LB_MEMORY;
 * LB_PROTOCOL when a part holds a byte that would break the message, a field is one that the transport
 * writes itself (Host, Content-Length, Transfer-Encoding, Connection, Expect, Upgrade, Trailer), or
 * HTTP/1.0 is to carry what it cannot (a source of unknown size, an expectation, an upgrade); LB_LIMIT
 * when the host, the target or the fields are too long.
 */
LB_MUST_USE enum lb_status lb_request_new(struct lb_transport *transport,
                                          const struct lb_request_options *options,
                                          struct lb_request **ret_request);

/*
 * lb_request_send: sends the request and waits for the response's head. Once per request.
 * Borrows out *ret_response until the request is released. Blocks; unblocked by lb_request_cancel,
 * the deadline and lb_transport_free.
 * Errors: LB_CANCELLED, LB_TIMEOUT, LB_REFUSED, LB_RESET, LB_INCOMPLETE (the connection ended before
 * the head did), LB_PROTOCOL, LB_LIMIT, LB_MEMORY, LB_CLOSED, LB_SOURCE. After an error nothing of the
 * request is read or written any more, its source and hook included (rule B6): an error waits for a
 * read of the source that its close has to unblock (rule E9).
 */
LB_MUST_USE enum lb_status lb_request_send(struct lb_request *request,
                                           struct lb_response **ret_response);

/*
 * lb_request_cancel: abandons the request at whatever stage it stands: a pending send or read returns
 * LB_CANCELLED. No effect on a request that has ended (rule O6). Never waits for anything (rule B1).
 */
void lb_request_cancel(struct lb_request *request);

/*
 * lb_request_free: releases the request and its response; an open body is closed first, and so is a
 * socket that nobody has taken. Takes *request; NULL is allowed. No other call on the request is in
 * progress. Does not block, but for a read of the source that its close has to unblock.
 */
void lb_request_free(struct lb_request **request);

/* lb_response_code: the status code, 100 to 999 (RFC 9110 section 15). */
uint16_t lb_response_code(const struct lb_response *response);

/* lb_response_header: the first value of field `name` (case-insensitive), borrowed, or NULL. */
const char *lb_response_header(const struct lb_response *response, const char *name);

/* lb_response_field: the field at `index`, from 0, in the order received; strings borrowed as above.
 * False: there are no more. Fields of a coding that was undone (Content-Encoding, Content-Length) are
 * still there. */
bool lb_response_field(const struct lb_response *response, size_t index,
                       struct lb_field *ret_field);

/* lb_response_size: the bytes that the body will have, as the head said; LB_SIZE_UNKNOWN when it did
 * not say, or when a coding is undone. For HEAD what GET would bring (RFC 9110 section 9.3.2). */
uint64_t lb_response_size(const struct lb_response *response);

/* lb_response_is_decoded: whether gzip or deflate is undone (rule F8). */
bool lb_response_is_decoded(const struct lb_response *response);

/* lb_response_trailer: the first value of trailer field `name` (case-insensitive), borrowed, or NULL.
 * NULL until the body has ended, and for fields that may not stand in trailers: those for framing,
 * routing, persistence, conditions, authentication, control and the body's format (RFC 9110 section
 * 6.5.1, rule F11). */
const char *lb_response_trailer(const struct lb_response *response, const char *name);

/*
 * lb_response_take_socket: after a 101 to a request with `upgrade`: gives *ret_socket, the connection's
 * socket, whose reads first bring what the server sent behind its head; the caller releases it with its
 * close. It is out of the transport's hands: no worker, limit or deadline of the transport stands behind
 * it. Errors: LB_CLOSED when it is another response, or has been taken. Does not block.
 */
LB_MUST_USE enum lb_status lb_response_take_socket(struct lb_response *response,
                                                   struct lb_socket **ret_socket);

/* lb_response_body: the body, borrowed until the request is released. Present even when empty. */
struct lb_body *lb_response_body(struct lb_response *response);

/* Where a body stands, as its caller sees it. The last four are final. */
enum lb_body_state {
    LB_BODY_NONE,      /* no response yet */
    LB_BODY_OPEN,      /* bytes or the end are still to come */
    LB_BODY_ENDED,     /* read to its end */
    LB_BODY_FAILED,    /* truncated, malformed, timed out or reset */
    LB_BODY_CANCELLED, /* lb_request_cancel came first */
    LB_BODY_CLOSED,    /* lb_body_close came first, or the transport was freed */
};

/* Number of enumerators of `enum lb_body_state`. */
#define LB_BODY_STATE_COUNT 6

/* lb_body_state_word: "none", "open", "ended", "failed", "cancelled", "closed": a static string. */
const char *lb_body_state_word(enum lb_body_state state);

/* lb_body_state: where the body stands now; another worker may change it at once. */
enum lb_body_state lb_body_state(struct lb_body *body);

/*
 * lb_body_read: stores 1 to `size` bytes (size > 0), or reports how the body ended.
 * Returns LB_OK with *ret_size >= 1; LB_END with *ret_size >= 0: these are the last bytes, the
 * connection has been given back or ended already (rule F7); or an error with *ret_size = 0:
 * LB_INCOMPLETE, LB_PROTOCOL, LB_RESET, LB_TIMEOUT, LB_CANCELLED, LB_LIMIT, LB_CLOSED, LB_MEMORY (the
 * decoder's). Bytes that arrived before an error are returned before it. Each outcome but LB_OK
 * repeats, without bytes (rule F3); after lb_body_close it is LB_CLOSED, except that a body that had
 * ended or failed keeps its outcome in lb_body_state and gives LB_CLOSED here (rule F4).
 * Blocks; unblocked by lb_body_close, lb_request_cancel, the deadline, lb_transport_free. Two workers
 * may read at once; they take turns.
 */
LB_MUST_USE enum lb_status lb_body_read(struct lb_body *body, void *bytes, size_t size,
                                        size_t *ret_size);

/*
 * lb_body_close: ends the caller's interest. Before the end it ends the connection or, where the options
 * allow it, has its read worker drain it (rule E5); after it, it changes nothing (rule E4). A read in
 * progress returns LB_CLOSED, and then nothing is drained. Idempotent, and never waits for the network
 * (rule B1).
 */
void lb_body_close(struct lb_body *body);

#ifdef __cplusplus
}
#endif
#endif
