/*
 * Watching a transport: which connection serves which request, and what there has been of connections. A
 * watch is the transport's trace; it knows of requests because they are made through it.
 */
#ifndef LASTBYTE_TOOLS_WATCH_H
#define LASTBYTE_TOOLS_WATCH_H

#include "lastbyte/client.h"

#include <stdint.h>

#include <uv.h>

#define WATCH_NAME_MAX 300 /* bytes of a connection's name, the NUL included */

/* Where a request is, or was last. Its owner keeps it where it is until watch_forget. */
struct watched {
    uint64_t id;                     /* as events count requests */
    char connection[WATCH_NAME_MAX]; /* the one that serves or served it; "" if none has yet */
    uint32_t ordinal;                /* the how many-th request of that connection it is, from 1 */
    uint32_t retry_count;
    struct watched *prev, *next; /* of the watch */
};

/* What there has been. */
struct watch_totals {
    uint64_t dialed;    /* dials begun */
    uint64_t connected; /* connections made */
    uint64_t closed;    /* of those */
    uint64_t reused;    /* exchanges on a connection that had served one before */
    uint64_t exchanges;
    uint64_t retries;
};

struct watch_connection;

struct watch {
    struct lb_trace trace; /* for lb_transport_options */
    uv_mutex_t birth;      /* requests are made one at a time, so that their ids are known */
    uv_mutex_t lock;       /* of what follows; the transport's own is taken before it */
    uint64_t id_last;
    struct watched *requests;
    struct watch_connection *connections; /* that are not closed */
    struct watch_totals totals;
};

void watch_init(struct watch *watch);

/* watch_deinit: after its transport has been freed. */
void watch_deinit(struct watch *watch);

/* watch_request_new: lb_request_new on the watched transport; from now on *ret_watched follows the
 * request, until watch_forget. All requests of the transport are made by this. */
enum lb_status watch_request_new(struct watch *watch, struct lb_transport *transport,
                                 const struct lb_request_options *options,
                                 struct watched *ret_watched, struct lb_request **ret_request);

/* watch_look: a copy of where a request is now. */
struct watched watch_look(struct watch *watch, const struct watched *watched);

void watch_forget(struct watch *watch, struct watched *watched);

struct watch_totals watch_totals(struct watch *watch);

#endif
