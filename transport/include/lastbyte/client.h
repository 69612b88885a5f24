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
#include "lastbyte/status.h"
#include "lastbyte/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lb_transport;
struct lb_request;
struct lb_response; /* borrowed from its request */
struct lb_body;     /* borrowed from its request */

/* How a transport behaves. Start from lb_transport_options_default and change what matters. */
struct lb_transport_options {
    struct lb_runtime *runtime; /* kept until the transport is freed */
    struct lb_network *network; /* kept until the transport is freed */
    struct lb_memory *memory;   /* kept until the transport is freed */
    struct lb_trace *trace;     /* kept until the transport is freed; NULL: nobody watches */
    uint32_t
        connections_per_host_max; /* connections of one host, dialing ones included; 0: no limit */
    uint32_t
        idle_per_host_max; /* a connection that returns to a full host is closed; 0: pool nothing */
    uint32_t idle_total_max; /* beyond it the connection idle for longest is closed; 0: no limit */
    uint64_t idle_duration_ns; /* an idle connection is closed after this; LB_NEVER: never */
    uint64_t dial_duration_ns; /* a dial fails with LB_TIMEOUT after this; LB_NEVER: never */
    uint64_t head_duration_ns; /* from the end of the request's write to the response's head */
    uint64_t
        written_duration_ns; /* how long the end of a body waits for the end of the write (R7) */
    uint32_t head_size_max;  /* bytes of the heads of one exchange, interim ones included (B4) */
    uint32_t retries_max;    /* attempts on stale connections after the first attempt (R5) */
};

/* lb_transport_options_default: the reference's defaults: 0 per host, 2 idle per host, 100 idle in
 * all, 90 s idle, 30 s dial, no head time-out, 50 ms written, 64 KiB head. The standard memory; the
 * runtime and the network are the caller's to set. */
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

/* What to ask for. */
struct lb_request_options {
    const char *method;          /* "GET" or "HEAD"; borrowed */
    struct lb_endpoint endpoint; /* borrowed */
    const char *target;          /* origin form, "/path?query" (RFC 9112 section 3.2.1); borrowed */
    bool is_close;               /* send "Connection: close" (RFC 9112 section 9.6) */
    uint64_t deadline_ns;        /* for the whole request, body included; LB_NEVER: none */
    const char *call_site; /* for profiles; kept until the request is released; NULL allowed */
};

/*
 * lb_request_new: makes a request; nothing is sent. Gives *ret_request, released by lb_request_free
 * or, if that is never called, by lb_transport_free. Errors: LB_MEMORY; LB_PROTOCOL when the method,
 * host or target holds a byte that would break the request line; LB_LIMIT when it is too long.
 */
LB_MUST_USE enum lb_status lb_request_new(struct lb_transport *transport,
                                          const struct lb_request_options *options,
                                          struct lb_request **ret_request);

/*
 * lb_request_send: sends the request and waits for the response's head. Once per request.
 * Borrows out *ret_response until the request is released. Blocks; unblocked by lb_request_cancel,
 * the deadline and lb_transport_free.
 * Errors: LB_CANCELLED, LB_TIMEOUT, LB_REFUSED, LB_RESET, LB_INCOMPLETE (the connection ended before
 * the head did), LB_PROTOCOL, LB_LIMIT, LB_MEMORY, LB_CLOSED. After an error nothing of the request
 * is read or written any more (rule B6).
 */
LB_MUST_USE enum lb_status lb_request_send(struct lb_request *request,
                                           struct lb_response **ret_response);

/*
 * lb_request_cancel: abandons the request at whatever stage it stands: a pending send or read returns
 * LB_CANCELLED. No effect on a request that has ended (rule O6). Never waits for anything (rule B1).
 */
void lb_request_cancel(struct lb_request *request);

/*
 * lb_request_free: releases the request and its response; an open body is closed first. Takes
 * *request; NULL is allowed. No other call on the request is in progress. Does not block.
 */
void lb_request_free(struct lb_request **request);

/* lb_response_code: the status code, 100 to 999 (RFC 9110 section 15). */
uint16_t lb_response_code(const struct lb_response *response);

/* lb_response_header: the first value of field `name` (case-insensitive), borrowed, or NULL. */
const char *lb_response_header(const struct lb_response *response, const char *name);

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
 * LB_INCOMPLETE, LB_PROTOCOL, LB_RESET, LB_TIMEOUT, LB_CANCELLED, LB_LIMIT, LB_CLOSED. Bytes that
 * arrived before an error are returned before it. Each outcome but LB_OK repeats, without bytes
 * (rule F3); after lb_body_close it is LB_CLOSED, except that a body that had ended or failed keeps
 * its outcome in lb_body_state and gives LB_CLOSED here (rule F4).
 * Blocks; unblocked by lb_body_close, lb_request_cancel, the deadline, lb_transport_free. Two workers
 * may read at once; they take turns.
 */
LB_MUST_USE enum lb_status lb_body_read(struct lb_body *body, void *bytes, size_t size,
                                        size_t *ret_size);

/*
 * lb_body_close: ends the caller's interest. Before the end it ends the connection (rule E5); after
 * it, it changes nothing (rule E4). Idempotent, and never waits for the network (rule B1).
 */
void lb_body_close(struct lb_body *body);

#ifdef __cplusplus
}
#endif
#endif
