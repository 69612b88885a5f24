/*
 * The transport's inside: what a transport, a host, a connection and a request are made of.
 *
 * One lock guards all of it. A transition happens under the lock, by the one function that may make
 * it; what it causes outside (a socket to shut down, a dial to start) is collected in a `struct
 * lbi_work` and done after the lock is released (lbi_work_run). Wake-ups are given under the lock.
 * Nobody reads or writes a socket, and nobody waits for anything but a condition, inside the lock.
 *
 * Who may touch a connection's input buffer and reader, without the lock:
 *   idle, or waiting for a head   its read worker
 *   body                          the caller inside lb_body_read (is_reading), one at a time
 *   drain                         its read worker
 */
#ifndef LASTBYTE_LIFE_LIFE_H
#define LASTBYTE_LIFE_LIFE_H

#include "core/limits.h"
#include "lastbyte/client.h"
#include "wire/coding.h"
#include "wire/request_head.h"
#include "wire/response.h"

#define LBI_TRANSPORT_MAGIC 0x7472616eu
#define LBI_HOST_MAGIC 0x686f7374u
#define LBI_CONNECTION_MAGIC 0x636f6e6eu
#define LBI_REQUEST_MAGIC 0x72657175u

#define LBI_CHECK_MAGIC(object, value) LB_ASSERT((object) != NULL && (object)->magic == (value))

enum lbi_connection_state {
    LBI_CONNECTION_DIALING, /* its dial worker connects */
    LBI_CONNECTION_IDLE,    /* in its host's pool, both workers parked */
    LBI_CONNECTION_BUSY,    /* serves an exchange */
    LBI_CONNECTION_CLOSED,  /* shut down; its workers are ending */
};

/* Where the exchange of a busy connection stands. */
enum lbi_exchange {
    LBI_EXCHANGE_NONE, /* not busy */
    LBI_EXCHANGE_HEAD, /* the read worker waits for the response's head */
    LBI_EXCHANGE_BODY, /* the body is open; the read worker waits for its end */
    LBI_EXCHANGE_DRAIN, /* the body was closed early; the read worker reads what is left of it (E5) */
};

/* Whether the body of a request with an expectation is to be sent (RFC 9110 section 10.1.1). */
enum lbi_continue {
    LBI_CONTINUE_OPEN,    /* nothing has been said yet */
    LBI_CONTINUE_WANTED,  /* 100, or a final response that leaves the connection open (R8) */
    LBI_CONTINUE_REFUSED, /* a final response that ends the connection: the body is left out */
};

enum lbi_request_phase {
    LBI_REQUEST_NEW,     /* not sent, or to be sent again */
    LBI_REQUEST_QUEUED,  /* waits for a connection, in its host's queue */
    LBI_REQUEST_STARTED, /* has a connection, waits for the head */
    LBI_REQUEST_BODY,    /* the head was delivered, the body is open */
    LBI_REQUEST_DONE,    /* final: `outcome` says how */
};

/* Effects of a transition, done after the lock is released. Zero is empty. Its connections and requests
 * are pinned, so that they live until the effects have been done. */
struct lbi_work {
    struct lbi_connection *dials; /* linked by next_dial: start their dial workers */
    struct lbi_connection *shuts; /* linked by next_shut: shut their sockets down */
    struct lb_request *sources;   /* linked by next_source: close their sources */
};

#define LBI_NO_WORK                                                                                \
    {                                                                                              \
        NULL, NULL, NULL                                                                           \
    }

struct lbi_host {
    uint32_t magic;
    struct lb_transport *transport;
    struct lbi_host *prev, *next; /* of the transport's hosts */
    char *scheme, *name;          /* behind this struct, in its block */
    size_t size;                  /* bytes of the block */
    uint16_t port;
    bool is_idle_refused; /* close-idle was called and no request has come since */
    uint32_t user_count;  /* connections and requests that point here */
    uint32_t slot_count;  /* connections that are not yet gone, dialing ones included */
    uint32_t idle_count;
    uint32_t waiter_count;
    struct lbi_connection *connections; /* all of them, linked by prev/next */
    struct lbi_connection *idle;        /* newest first, linked by idle_prev/idle_next */
    struct lb_request *waiters;         /* first come first, linked by queue_prev/queue_next */
};

struct lbi_connection {
    uint32_t magic;
    enum lbi_connection_state state;
    enum lbi_exchange exchange;
    struct lb_transport *transport;
    struct lbi_host *host;
    struct lb_socket *socket;
    struct lb_worker *dial_worker, *read_worker, *write_worker;
    struct lb_cond read_wake;  /* for its read worker, or whoever finishes it */
    struct lb_cond write_wake; /* for its write worker */
    struct lbi_connection *prev, *next;
    struct lbi_connection *idle_prev, *idle_next; /* of the host's pool */
    struct lbi_connection *age_prev, *age_next;   /* of all pools, oldest first */
    struct lbi_connection *next_dial, *next_shut; /* of a work */
    struct lbi_connection *next_ended;            /* of the transport's ended ones */
    struct lb_request *request;                   /* BUSY: whose exchange it is; DRAIN: nobody's */
    struct lb_request *dialed_for;                /* DIALING: who started it and still waits */
    struct lb_request *writing;    /* whom the write worker writes for, and so pins (B6) */
    struct lbi_request_head *head; /* DRAIN: still being written, although its request is over */
    uint64_t idle_deadline_ns;     /* IDLE: when it is too old */
    uint64_t drain_deadline_ns;    /* DRAIN: until when the body's rest must have come */
    uint32_t pin_count;            /* works that hold it */
    bool has_read_worker;          /* it runs, and has joined ... */
    bool is_dial_joined;           /* ... the dial worker */
    bool has_write_worker;         /* it runs */
    bool is_finishing;             /* CLOSED: whoever finishes it has begun to */
    bool is_reading;               /* a caller is inside lb_body_read */
    bool is_reused;                /* has been pooled, or has served an exchange */
    bool is_answered;              /* the read worker has taken the response's first bytes for it */
    enum lb_site write_site;       /* where the write worker stands while it writes, for profiles */
    enum lbi_continue go_ahead;
    bool is_write_wanted; /* the write worker has a request to write */
    bool is_write_begun;
    bool is_write_done;
    bool is_write_failed;
    bool is_write_empty;       /* not a byte of the request has been written; its write worker's */
    bool is_head_written;      /* the request's head has been, and its body is on the way */
    bool is_write_awaited;     /* somebody waits for is_write_done or is_head_written */
    uint64_t head_deadline_ns; /* STARTED request: until when the head must have come */
    struct lbi_reader reader;
    uint32_t input_start, input_end;
    char input[LBI_INPUT_SIZE];
};

struct lb_response {
    struct lbi_head head;
    struct lbi_head trailers;         /* complete with the body's end, empty before */
    uint64_t size;                    /* lb_response_size, if no coding is undone */
    enum lbi_coding_kind coding_kind; /* which coding is undone */
};

struct lb_body {
    bool is_closed;         /* lb_body_close was called */
    bool is_read;           /* a caller is inside lb_body_read, whatever became of the connection */
    uint32_t waiting_count; /* readers that wait for their turn */
    struct lbi_coding *coding; /* from the first read on, where a coding is undone */
};

struct lb_request {
    uint32_t magic;
    enum lbi_request_phase phase;
    struct lb_transport *transport;
    struct lbi_host *host;
    struct lb_request *prev, *next;             /* of the transport's requests */
    struct lb_request *queue_prev, *queue_next; /* QUEUED: of the host's waiters */
    struct lbi_connection *connection;          /* STARTED, BODY */
    struct lbi_connection *dial;                /* QUEUED: the dial made for it, if any */
    struct lb_cond wake;                        /* for the callers inside send and read */
    struct lb_request *next_source;             /* of a work */
    struct lbi_request_head *head;
    struct lb_source *source;         /* its body, while it may still be read; NULL: none */
    struct lb_source *source_closing; /* of a work: to be closed */
    uint64_t source_size;
    struct lb_interim *interim;
    struct lb_socket *upgraded; /* after a 101, until somebody takes it */
    uint64_t id;                /* order of lb_request_new, from 1 */
    uint64_t deadline_ns;
    const char *call_site;
    uint32_t retry_count;
    bool is_head_method;
    bool is_close;
    bool is_coding_asked; /* the transport has asked for codings; otherwise it undoes none (F8) */
    uint32_t pin_count;   /* workers and effects inside its head, its source or its hook (B6) */
    bool is_pin_awaited;  /* somebody waits until there is none */
    bool is_expect;
    bool is_upgrade;
    bool has_body;       /* it has a source that is not empty */
    bool is_source_read; /* the source has been asked for a byte since it was at its first */
    bool may_repeat;     /* R5: it may be sent again although it may have been received */
    enum lb_body_state body_state;
    enum lb_status outcome; /* DONE: LB_END or an error; before: LB_OK */
    struct lb_response response;
    struct lb_body body;
};

struct lb_transport {
    uint32_t magic;
    struct lb_transport_options options;
    struct lb_runtime *runtime;
    struct lb_memory *memory;
    struct lb_mutex lock;
    struct lb_cond drained; /* for lb_transport_free */
    bool is_locked;         /* by whom is the runtime's affair */
    bool is_closing;
    uint64_t request_id_last;
    uint32_t caller_count;     /* calls inside send and read */
    uint32_t connection_count; /* connections that are not yet gone */
    uint32_t idle_count;
    struct lbi_host *hosts;
    struct lb_request *requests;        /* all that have not been released */
    struct lbi_connection *oldest_idle; /* of all pools, linked by age_prev/age_next */
    struct lbi_connection *ended;       /* gone but for the join of their last worker */
};

/* -- lock.c: the lock, conditions and effects -- */

void lbi_lock(struct lb_transport *t, enum lb_site site);
void lbi_unlock(struct lb_transport *t);
/* lbi_wait: waits on `cond` until woken or the deadline; false: the deadline passed. */
bool lbi_wait(struct lb_transport *t, struct lb_cond *cond, uint64_t deadline_ns,
              enum lb_site site);
void lbi_wake(struct lb_transport *t, struct lb_cond *cond, enum lb_site site);
uint64_t lbi_now(const struct lb_transport *t);
/* lbi_deadline: now + a duration; LB_NEVER stays. */
uint64_t lbi_deadline(const struct lb_transport *t, uint64_t duration_ns);
void lbi_emit(const struct lb_transport *t, enum lb_event event, const char *subject,
              uint64_t value);
/* lbi_work_is_empty: whether there is nothing to be done. */
bool lbi_work_is_empty(const struct lbi_work *work);
/* lbi_unlock_run: releases the lock, then does the effects collected under it. */
void lbi_unlock_run(struct lb_transport *t, struct lbi_work *work);
/* lbi_leave: the last act of a call that may block: does the effects, then is no caller any more. */
void lbi_leave(struct lb_transport *t, struct lbi_work *work);
/* lbi_reap: joins the workers of connections that have ended and frees these. Without the lock. */
void lbi_reap(struct lb_transport *t);

/* -- pool.c: hosts, idle connections, waiters; all under the lock -- */

enum lb_status lbi_host_acquire(struct lb_transport *t, const struct lb_endpoint *endpoint,
                                struct lbi_host **ret_host);
void lbi_host_release(struct lbi_host **host);
struct lbi_host *lbi_host_find(struct lb_transport *t, const char *name,
                               const struct lbi_host *after);
/* lbi_pool_obtain: gives the request an idle connection, or queues it and dials as limits allow. */
void lbi_pool_obtain(struct lb_request *request, struct lbi_work *work);
/* lbi_pool_give: a connection without an exchange goes to the first waiter, to the pool, or ends. */
void lbi_pool_give(struct lbi_connection *connection, struct lbi_work *work);
/* lbi_pool_remove: takes an idle connection out of its pool. */
void lbi_pool_remove(struct lbi_connection *connection);
/* lbi_pool_dial: starts dials for waiters without one while the host's limit allows. */
void lbi_pool_dial(struct lbi_host *host, struct lbi_work *work);
/* lbi_pool_unqueue: a queued request waits no more; its dial goes on for whoever comes. */
void lbi_pool_unqueue(struct lb_request *request);

/* -- connection.c: the life of a connection -- */

enum lb_status lbi_connection_new(struct lbi_host *host, struct lbi_connection **ret_connection);
void lbi_connection_set_state(struct lbi_connection *c, enum lbi_connection_state state);
/* lbi_connection_is_quiet: nothing has arrived that nobody asked for (rules R2, R3). */
bool lbi_connection_is_quiet(const struct lbi_connection *c);
/* lbi_connection_begin: an exchange begins. The connection comes from DIALING, IDLE or BUSY/NONE. */
void lbi_connection_begin(struct lbi_connection *c, struct lb_request *request);
/* lbi_connection_end: the exchange has ended well; the connection is given back or closed (R1). */
void lbi_connection_end(struct lbi_connection *c, struct lbi_work *work);
/* lbi_connection_may_drain: whether an open body that is closed now is drained: the connection could be
 * used again, nobody reads, and what is left is within the options' limits (E5). */
bool lbi_connection_may_drain(const struct lbi_connection *c);
/* lbi_connection_drain: the request ends with LB_CLOSED at once, its read worker drains the body. */
void lbi_connection_drain(struct lbi_connection *c, struct lbi_work *work);
/* lbi_connection_drained: the drain has come to its end: the connection is given back or closed. */
void lbi_connection_drained(struct lbi_connection *c, enum lb_status status, struct lbi_work *work);
/* lbi_connection_close: ends the connection; its request, if it still has one, ends with `cause`, or
 * starts again where may_retry and rule R5 allow. */
void lbi_connection_close(struct lbi_connection *c, enum lb_status cause, bool may_retry,
                          struct lbi_work *work);
/* lbi_connection_finish: the last worker's last act: everything is released but its own handle. The
 * dials that its slot makes possible are added to `work`; NULL: they are started here. */
void lbi_connection_finish(struct lbi_connection *c, struct lbi_work *work);
const char *lbi_connection_name(const struct lbi_connection *c);
/* lbi_connection_await_write: waits on `cond` until the request is written (its head alone where
 * is_head_enough), the connection is closed, or the time that R7 allows is over. */
void lbi_connection_await_write(struct lbi_connection *c, struct lb_cond *cond,
                                bool is_head_enough);
/* lbi_connection_may_repeat: whether its request could start again elsewhere, were the connection lost
 * before a response (R5). */
bool lbi_connection_may_repeat(const struct lbi_connection *c);

/* -- dial.c, read_worker.c, write_worker.c: what workers execute; the argument is a connection -- */

void lbi_dial_worker(void *argument);
void lbi_read_worker(void *argument);
void lbi_write_worker(void *argument);
/* lbi_dial_start: starts the dial worker. Without one the connection is closed with LB_MEMORY, and
 * the caller, who holds its pin, finishes it. */
enum lb_status lbi_dial_start(struct lbi_connection *c);

/* -- upgrade.c -- */

/* lbi_upgrade_new: wraps the connection's socket, and the bytes behind the head, into one that the
 * caller can take; the connection has no socket any more. Errors: LB_MEMORY, nothing is changed then. */
enum lb_status lbi_upgrade_new(struct lbi_connection *c, struct lb_socket **ret_socket);

/* -- request.c -- */

void lbi_request_set_phase(struct lb_request *request, enum lbi_request_phase phase);
/* lbi_request_pin: somebody is inside something of the request without the lock: neither does its send
 * return an error nor is it released before the pin is given back (B6). */
void lbi_request_pin(struct lb_request *request);
void lbi_request_unpin(struct lb_request *request);
/* lbi_request_close_source: no byte of its body is needed any more: closes the source, once (O2). */
void lbi_request_close_source(struct lb_request *request, struct lbi_work *work);
/* lbi_request_fail: ends a request that has not ended, at whatever stage, with an error. */
void lbi_request_fail(struct lb_request *request, enum lb_status cause, struct lbi_work *work);
/* lbi_request_lost: its connection `c` has gone, or it never had one (NULL). Ends the request with
 * `cause`, or makes it NEW again. */
void lbi_request_lost(struct lb_request *request, const struct lbi_connection *c,
                      enum lb_status cause, bool may_retry, struct lbi_work *work);
/* lbi_request_end: the body has come to its end, on `c`, which has let go of it. */
void lbi_request_end(struct lb_request *request, const struct lbi_connection *c,
                     struct lbi_work *work);
/* lbi_request_close: its caller wants no more of an open body: it is drained or given up (E5). */
void lbi_request_close(struct lb_request *request, struct lbi_work *work);
/* lbi_request_release: ends with the lock released: waits until nobody is inside anything of a request
 * that is DONE, closes a socket that nobody has taken, and destroys it. */
void lbi_request_release(struct lb_request *request);

/* -- body.c -- */

/* lbi_body_release: the body is over: gives the decoder's memory back, at the latest when the reader
 * that is inside comes out. */
void lbi_body_release(struct lb_body *body);

/* -- check.c: assertions on whole machines, with the lock held or no worker running -- */

void lbi_transport_check(const struct lb_transport *t);

#endif
