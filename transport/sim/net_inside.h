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
    struct lb_sim_queue server; /* a server's wait for input */

    struct lbi_net_array sent;     /* server to client */
    struct lbi_net_array segments; /* of sent: struct lbi_net_segment */
    size_t segment_at;             /* the first that is not read to its end */
    size_t read_size;              /* of sent: read by the client, or lost by a reset */
    struct lbi_net_array written;  /* client to server */
    size_t consumed_size;          /* of written: consumed by the server */
    struct lbi_net_array records;  /* struct lb_net_record */

    bool is_known; /* its host has been added */
    bool is_connected;
    bool is_shut;
    bool is_closed;
    bool is_server_ended;  /* no more bytes of the server */
    bool is_server_closed; /* and it takes none */
    bool is_reset;
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

#endif
