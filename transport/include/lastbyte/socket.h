/*
 * Sockets: how the transport reaches a server. Implementations: TCP/TLS for threads, TCP for the loop,
 * and the fake sockets of the simulation. A socket is used by several workers at once: one reads, one
 * writes, any may shut it down. `close` is called exactly once (rule O1), when no other call is in
 * progress.
 */
#ifndef LASTBYTE_SOCKET_H
#define LASTBYTE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/site.h"
#include "lastbyte/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lb_socket;
struct lb_network;

/* Where a connection goes: the key by which connections are pooled (rule R6). */
struct lb_endpoint {
    const char *scheme; /* "http" or "https" */
    const char *host;   /* a name or an address, without brackets */
    uint16_t port;
};

struct lb_network_ops {
    /*
     * open: makes a socket for `endpoint`, not yet connected. Gives *ret_socket, released by close.
     * Errors: LB_MEMORY. Never blocks, no point, so that it may be called under a lock.
     */
    enum lb_status (*open)(struct lb_network *network, const struct lb_endpoint *endpoint,
                           struct lb_socket **ret_socket);
};

struct lb_network {
    const struct lb_network_ops *ops;
};

struct lb_socket_ops {
    /* name: a short name for labels and traces, such as "a.1"; lives as long as the socket. */
    const char *(*name)(const struct lb_socket *socket);

    /*
     * connect: connects, blocking until done, failed or `deadline_ns`; shutdown unblocks it.
     * Errors: LB_REFUSED, LB_TIMEOUT, LB_CLOSED (shut down meanwhile). Point.
     */
    enum lb_status (*connect)(struct lb_socket *socket, uint64_t deadline_ns, enum lb_site site);

    /*
     * read: blocks until at least one byte has arrived, then stores 1 to `size` bytes. With a size
     * of 0 (bytes may be NULL) it stores nothing and returns LB_OK as soon as any other read would
     * return at once: bytes, the end or a reset are there (is_pending).
     * Returns LB_OK; LB_END at the end of the peer's sending; LB_RESET; LB_TIMEOUT when
     * `deadline_ns` passes first; LB_CLOSED once the socket has been shut down here. Point.
     */
    enum lb_status (*read)(struct lb_socket *socket, void *bytes, size_t size, uint64_t deadline_ns,
                           enum lb_site site, size_t *ret_size);

    /*
     * write: blocks until at least one byte is taken, then takes 1 to `size` bytes (size > 0).
     * Returns LB_OK, LB_RESET, LB_TIMEOUT or LB_CLOSED as read does. Point.
     */
    enum lb_status (*write)(struct lb_socket *socket, const void *bytes, size_t size,
                            uint64_t deadline_ns, enum lb_site site, size_t *ret_size);

    /*
     * is_pending: whether a read would return at once: bytes, the end or a reset have arrived.
     * Never blocks, no point: it may be called under a lock.
     */
    bool (*is_pending)(const struct lb_socket *socket);

    /* shutdown: ends both directions; pending and later calls return LB_CLOSED. Idempotent. Point. */
    void (*shutdown)(struct lb_socket *socket, enum lb_site site);

    /* close: releases the socket. Takes *socket; no other call is in progress. Point. */
    void (*close)(struct lb_socket **socket, enum lb_site site);
};

struct lb_socket {
    const struct lb_socket_ops *ops;
};

#ifdef __cplusplus
}
#endif
#endif
