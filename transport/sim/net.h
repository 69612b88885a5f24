/*
 * The simulation's network: fake sockets for the client, connections for scripted servers, and a
 * record of everything that passed, from which rules are judged.
 *
 * A send is one segment: one client read returns bytes of at most one segment. Bytes arrive at
 * once; latency is a server's pause. A connection's name is its host and the order of its opening:
 * "a.1". Connections live until the next reset, so that a use after close is seen and not a crash.
 */
#ifndef LASTBYTE_SIM_NET_H
#define LASTBYTE_SIM_NET_H

#include "lastbyte/socket.h"
#include "sim/fault.h"
#include "sim/sim.h"

#define LB_NET_HOSTS_MAX 16
#define LB_NET_CONNS_MAX 256         /* connections opened in one run */
#define LB_NET_NAME_MAX 20           /* bytes of a host's name, the NUL included */
#define LB_NET_STREAM_MAX (4u << 20) /* bytes of one direction of one connection */

struct lb_net;
struct lb_net_conn;

/* What a host does with a connection attempt. */
enum lb_net_answer {
    LB_NET_ACCEPT, /* connected, after the delay that on_connect stored */
    LB_NET_REFUSE, /* connect returns LB_REFUSED */
    LB_NET_STALL,  /* connect never returns by itself */
};

struct lb_net_options {
    /* 0: segments as sent; n: each send is cut into segments of n bytes; LB_NET_WHOLE: a send joins
     * the bytes that are not read yet. */
    uint32_t slice;
    /* A connection attempt to a known host, on the worker that connects; NULL: all are accepted. */
    enum lb_net_answer (*on_connect)(void *context, struct lb_net_conn *conn,
                                     uint64_t *ret_delay_ns);
    /* A connection has been accepted: time to start its server; or NULL. */
    void (*on_accept)(void *context, struct lb_net_conn *conn);
    /* A socket was misused: `rule` is "O1", `phrase` is "CALL after close" (CALL: name, connect,
     * read, write, look, shutdown, close) or "close during a call". NULL: nobody is told. */
    void (*on_violation)(void *context, const char *rule, const char *phrase);
    void *context;
    struct lb_fault_state *fault; /* of open, connect, read, write; kept; NULL: none */
};

#define LB_NET_WHOLE UINT32_MAX

/* lb_net_new: gives *ret_net, released by lb_net_free. Keeps sim. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_net_new(struct lb_sim *sim, struct lb_net **ret_net);
void lb_net_free(struct lb_net **net);

/* lb_net_reset: forgets hosts, connections and records, after lb_sim_reset. Keeps memory. */
void lb_net_reset(struct lb_net *net, const struct lb_net_options *options);

/* lb_net_network: the network to give to a transport; lives as long as `net`. */
struct lb_network *lb_net_network(struct lb_net *net);

/* lb_net_host_add: makes a host known; a connection to an unknown one is refused. LB_LIMIT. */
LB_MUST_USE enum lb_status lb_net_host_add(struct lb_net *net, const char *name);

/* -- a server's side of a connection; the blocking calls run on a worker -- */

const char *lb_net_conn_name(const struct lb_net_conn *conn); /* "a.1" */
const char *lb_net_conn_host(const struct lb_net_conn *conn); /* "a" */
uint32_t lb_net_conn_ordinal(const struct lb_net_conn *conn); /* 1 is the host's first */
void *lb_net_conn_context(const struct lb_net_conn *conn);    /* lb_net_options.context */

/* lb_net_input: the client's bytes not yet consumed; borrowed until the next consume or block. */
void lb_net_input(const struct lb_net_conn *conn, const uint8_t **ret_bytes, size_t *ret_size);

/*
 * lb_net_wait_input: blocks until more than `size` unconsumed bytes are there (LB_OK), the client
 * has ended the connection (LB_END), or the deadline (LB_TIMEOUT).
 */
enum lb_status lb_net_wait_input(struct lb_net_conn *conn, size_t size, uint64_t deadline_ns,
                                 enum lb_site site);

/* lb_net_consume: drops the first `size` bytes of the input. */
void lb_net_consume(struct lb_net_conn *conn, size_t size);

/* lb_net_send: sends one segment (cut as options say); without effect once either side has ended
 * the server's sending. Point. LB_LIMIT beyond LB_NET_STREAM_MAX. */
LB_MUST_USE enum lb_status lb_net_send(struct lb_net_conn *conn, const void *bytes, size_t size,
                                       enum lb_site site);

/* lb_net_end: half-close: ends the server's sending. Point. */
void lb_net_end(struct lb_net_conn *conn, enum lb_site site);

/* lb_net_close: orderly close of both directions: the client's writes get LB_RESET. Point. */
void lb_net_close(struct lb_net_conn *conn, enum lb_site site);

/* lb_net_reset_conn: abort: the client reads LB_RESET, unread bytes are lost. Point. */
void lb_net_reset_conn(struct lb_net_conn *conn, enum lb_site site);

/* -- the record: what the network saw, for rules -- */

enum lb_net_record_kind {
    LB_NET_OPENED,       /* client: socket.open */
    LB_NET_CONNECTED,    /* client: connect succeeded */
    LB_NET_FAILED,       /* client: connect failed; value: enum lb_status */
    LB_NET_WROTE,        /* client: bytes written; value: how many */
    LB_NET_READ,         /* client: bytes read; value: how many */
    LB_NET_READ_END,     /* client: a read saw the end or the reset; value: enum lb_status */
    LB_NET_LOOKED,       /* client: is_pending; value: its answer */
    LB_NET_SHUT,         /* client: first shutdown */
    LB_NET_CLOSED,       /* client: close */
    LB_NET_SENT,         /* server: bytes sent; value: how many */
    LB_NET_SERVER_END,   /* server: end of sending (half-close or close) */
    LB_NET_SERVER_RESET, /* server: abort */
    LB_NET_WRITE_END,    /* client: a write after the server's close or abort; value: LB_RESET */
    LB_NET_LOST, /* server: bytes of LB_NET_SENT that were not sent after all; value: how many */
};

struct lb_net_record {
    enum lb_net_record_kind kind;
    uint32_t sequence; /* order over all connections of the run, from 0 */
    uint64_t time_ns;
    uint64_t value;
};

/* What passed on one connection; pointers live until the next call that adds to it. */
struct lb_net_log {
    const char *name;
    const char *host;
    uint32_t ordinal;
    const struct lb_net_record *records;
    size_t record_count;
    const uint8_t *sent; /* all bytes the server sent, in order, without those of LB_NET_LOST */
    size_t sent_size;
    const uint8_t *written; /* all bytes the client wrote, in order */
    size_t written_size;
    bool is_open;         /* opened and not yet closed by the client */
    bool is_connected;    /* connect succeeded */
    bool is_shut;         /* the client has shut it down */
    bool is_server_ended; /* the server has ended its sending in order */
    bool is_reset;        /* the server has aborted */
    bool is_write_held;   /* a fault holds a write of the client up (SLOW_WRITE, WINDOW) */
    size_t unread_size;   /* bytes sent and not yet read by the client */
};

/* lb_net_sequence: the sequence that the next record of the run will have. */
uint32_t lb_net_sequence(const struct lb_net *net);

size_t lb_net_log_count(const struct lb_net *net);
void lb_net_log(const struct lb_net *net, size_t index, struct lb_net_log *ret_log);

/* lb_net_log_of: the connection whose queue a worker blocks on (lb_sim_view), or -1. */
ptrdiff_t lb_net_log_of(const struct lb_net *net, const void *queue);

#endif
