/*
 * What passed on the connections of a run, exchange by exchange, as far as the network saw it: which
 * request was written when, what the server had sent and the client had read by then, and what the
 * server's answer means (model.h). Nothing here comes from the transport.
 */
#ifndef LASTBYTE_CONFORMANCE_WIRE_H
#define LASTBYTE_CONFORMANCE_WIRE_H

#include "model.h"
#include "upload.h"
#include "world.h"

#define LB_WIRE_EXCHANGES_MAX 512

/* What had passed on a connection at one moment. */
struct lb_wire_mark {
    uint32_t sequence;
    uint64_t time_ns;
    size_t sent_size;
    size_t read_size;
    bool is_server_ended; /* or reset */
};

/* One request on one connection, and its answer. */
struct lb_wire_exchange {
    size_t log_index;
    const char *host; /* of its connection */
    uint64_t callers; /* a bit for each whose request it can be */
    uint32_t ordinal; /* 0 is the connection's first */
    bool is_head;
    bool is_upgrade; /* the request asks for another protocol */
    bool is_gzip;    /* the transport has asked for a content coding */
    bool is_located; /* it is known where the answer begins */
    const char *method;
    size_t method_size;
    bool is_partial; /* its head was not written to its end; the path is what there is of it */
    const char *path;
    size_t path_size;
    const uint8_t *head; /* of the request, head_size bytes, as it was written */
    size_t head_size;
    struct lb_upload upload; /* the request: whether it is whole, what it says */
    struct lb_wire_mark
        begin; /* when the client, asked for it, last looked before it wrote, or wrote */
    struct lb_wire_mark wrote; /* when it began to write */
    struct lb_wire_mark asked; /* when the head was written */
    bool has_body_begun;
    struct lb_wire_mark body_begin; /* before the first byte of the body was written */
    size_t start;                   /* where in the server's bytes the answer begins */
    struct lb_model model;          /* offsets count from `start` */
    const uint8_t *body;
    uint8_t *decoded; /* malloc; NULL: no coding was undone */
};

struct lb_wire {
    struct lb_wire_exchange exchanges[LB_WIRE_EXCHANGES_MAX];
    uint32_t count;
    uint64_t stamp; /* of the traffic that was read (lb_wire_read) */
    uint8_t *bodies;
    size_t capacity;
};

/* lb_wire_read: reads all connections of the world anew into world->wire. */
void lb_wire_read(struct lb_world *world);

/* lb_wire_forget: gives back what lb_wire_read has allocated for decoded bodies. */
void lb_wire_forget(struct lb_wire *wire);

/* lb_wire_is_of: whether the exchange, one of world->wire, carries the caller's request: host, method and
 * path agree, and it was written after it was asked for. */
static inline bool lb_wire_is_of(const struct lb_world *world,
                                 const struct lb_wire_exchange *exchange,
                                 const struct lb_caller *caller)
{
    return (exchange->callers >> (size_t)(caller - world->callers) & 1) != 0;
}

/* lb_wire_last: the last exchange of a connection, or NULL. */
const struct lb_wire_exchange *lb_wire_last(const struct lb_wire *wire, size_t log_index);

/* lb_wire_last_of: the latest exchange that carried the caller's request, or NULL. */
const struct lb_wire_exchange *lb_wire_last_of(const struct lb_world *world,
                                               const struct lb_caller *caller);

/* lb_wire_is_unasked: whether the caller's answer can be one that the server of this connection gave
 * before any request reached it (RFC 9112 section 9.2 leaves that to the client). */
bool lb_wire_is_unasked(const struct lb_world *world, const struct lb_net_log *log,
                        const struct lb_caller *caller);

/* lb_wire_is_host_of: whether the connection goes to the host of the caller's request. */
bool lb_wire_is_host_of(const struct lb_world *world, const struct lb_net_log *log,
                        const struct lb_caller *caller);

/* lb_wire_read_unasked: what the server of a connection has sent, read as the answer to the caller's
 * request. Body bytes go to `body`, which has room for all that was sent; gives ret_exchange->decoded. */
void lb_wire_read_unasked(const struct lb_world *world, size_t log_index,
                          const struct lb_caller *caller, uint8_t *body,
                          struct lb_wire_exchange *ret_exchange);

/* lb_wire_is_taken: whether a program has taken the socket of this connection over. */
bool lb_wire_is_taken(const struct lb_world *world, const struct lb_net_log *log);

/* lb_wire_has_field: whether a request line has a further field of that name (lower case). */
bool lb_wire_has_field(const struct lb_line *line, const char *name);

/* lb_wire_was_refused: whether a dial to the caller's host was refused. */
bool lb_wire_was_refused(const struct lb_world *world, const struct lb_caller *caller);

/* lb_wire_has_unasked: whether some connection of the run is so. */
bool lb_wire_has_unasked(const struct lb_world *world, const struct lb_caller *caller);

/* lb_wire_has_foundling: whether some head was cut before it said which of several requests it is: who holds
 * which connection, and who waits for which, then cannot be told. */
bool lb_wire_has_foundling(const struct lb_world *world);

/* lb_wire_caller: the only caller whose request the exchange can be; NULL if none or several. */
const struct lb_caller *lb_wire_caller(const struct lb_world *world,
                                       const struct lb_wire_exchange *exchange);

/* lb_wire_mark_at: what had passed when a record of that kind was first made; all, if never. */
void lb_wire_mark_at(const struct lb_net_log *log, enum lb_net_record_kind kind,
                     struct lb_wire_mark *ret_mark);

/* lb_wire_may_pool: whether no limit, close-idle, cancel or time-out of the run can have kept this
 * connection out of the pool, or taken it from there. */
bool lb_wire_may_pool(const struct lb_world *world, const struct lb_net_log *log,
                      const struct lb_transport_options *options);

/*
 * lb_wire_dirt: why a connection whose last exchange is `exchange` may not carry another request at
 * `mark`: the rule, with *ret_context; NULL when nothing forbids it (R1 to R4).
 */
const char *lb_wire_dirt(const struct lb_world *world, const struct lb_wire_exchange *exchange,
                         const struct lb_wire_mark *mark, const char **ret_context);

#endif
