/*
 * The network's inside, shared by net.c (the client's sockets), net_server.c (the servers' side)
 * and net_record.c (growing arrays, the record, what is read from it).
 */
#ifndef LASTBYTE_SIM_NET_INSIDE_H
#define LASTBYTE_SIM_NET_INSIDE_H

#include "core/assert.h"
#include "sim/net.h"

#define LBI_NET_KEPT_MAX (256u * 1024u) /* bytes of an array's memory that a reset keeps */

/* Bytes or items that grow at the end. All bytes zero is empty. */
struct lbi_net_array {
    unsigned char *items;
    size_t size; /* bytes in use */
    size_t capacity;
};

/* What one client read may cross no end of. */
struct lbi_net_segment {
    uint32_t start;
    uint32_t end;
};

struct lb_net_conn {
    struct lb_socket socket; /* first: the client's handle */
    struct lb_net *net;
    uint32_t ordinal;
    uint32_t calls;             /* calls of the client in progress */
    struct lb_sim_queue client; /* a client's connect or read */
    struct lb_sim_queue writer; /* a client's write, if a fault holds it up */
    struct lb_sim_queue server; /* a server's wait for input */

    struct lbi_net_array sent;     /* server to client */
    struct lbi_net_array segments; /* of sent: struct lbi_net_segment */
    size_t segment_at;             /* the first that is not read to its end */
    size_t read_size;              /* of sent: read by the client, or lost by a reset */
    struct lbi_net_array written;  /* client to server */
    size_t consumed_size;          /* of written: consumed by the server */
    size_t seen_size;              /* of written: consumed, or waited for more than these */
    uint64_t silent_until_ns;      /* the server does nothing before; 0: at once */
    struct lbi_net_array records;  /* struct lb_net_record */

    bool is_known; /* its host has been added */
    bool is_connected;
    bool is_shut;
    bool is_closed;
    bool is_server_ended;  /* no more bytes of the server */
    bool is_server_closed; /* and it takes none */
    bool is_reset;
    bool is_write_held; /* a fault holds a write up */
    char host[LB_NET_NAME_MAX];
    char name[LB_SIM_LABEL_MAX];
};

struct lb_net_host {
    char name[LB_NET_NAME_MAX];
};

struct lb_net {
    struct lb_network network; /* first: the transport's handle */
    struct lb_sim *sim;
    struct lb_net_options options;
    struct lb_net_host hosts[LB_NET_HOSTS_MAX];
    size_t host_count;
    struct lb_net_conn *conns[LB_NET_CONNS_MAX]; /* made when first needed, and kept */
    size_t conn_count;
    uint32_t sequence;
};

/* lbi_net_append: appends bytes; a network without memory ends the process. */
void lbi_net_append(struct lbi_net_array *array, const void *bytes, size_t size);

/* lbi_net_clear: empties an array; gives memory beyond LBI_NET_KEPT_MAX back. */
void lbi_net_clear(struct lbi_net_array *array);

/* lbi_net_deinit: releases an array's memory. */
void lbi_net_deinit(struct lbi_net_array *array);

/* lbi_net_record: adds to the connection's record, and to the trace. */
void lbi_net_record(struct lb_net_conn *conn, enum lb_net_record_kind kind, uint64_t value);

extern const struct lb_socket_ops lbi_net_socket_ops;

/* lbi_net_writable: what a write returns now: LB_OK, LB_CLOSED or LB_RESET (net.c). */
enum lb_status lbi_net_writable(const struct lb_net_conn *conn);

/* lbi_net_leave: the server closes both directions (net_server.c). No point. */
void lbi_net_leave(struct lb_net_conn *conn);

/* -- net_fault.c -- */

/* lbi_net_abort: the connection is reset; is_unread_lost: and nothing more can be read. No point. */
void lbi_net_abort(struct lb_net_conn *conn, bool is_unread_lost);

/* lbi_net_break: the peer goes away, as a fault says. No point. */
void lbi_net_break(struct lb_net_conn *conn, enum lb_fault_how how);

/* lbi_net_strike_read: the fault of a read that begins. Returns how the connection is to be broken when
 * the read would return; LB_FAULT_NOT: not then. */
enum lb_fault_how lbi_net_strike_read(struct lb_net_conn *conn, uint64_t deadline_ns);

/* lbi_net_hush: holds up a server that a fault has made silent. */
void lbi_net_hush(struct lb_net_conn *conn, enum lb_site site);

/* lbi_net_saw: the server has looked at the first `seen_size` bytes of its input, or knows of them. */
void lbi_net_saw(struct lb_net_conn *conn, size_t seen_size);

/* lbi_net_write_begin: waits until a write may take bytes, and cuts *size to what it may take. Returns
 * LB_OK, LB_RESET, LB_TIMEOUT or LB_CLOSED. */
enum lb_status lbi_net_write_begin(struct lb_net_conn *conn, uint64_t deadline_ns,
                                   enum lb_site site, size_t *size);

#endif
