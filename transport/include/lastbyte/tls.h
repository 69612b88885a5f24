/*
 * The network of real use, with TLS: "http" by TCP, "https" by TLS over the same TCP sockets.
 */
#ifndef LASTBYTE_TLS_H
#define LASTBYTE_TLS_H

#include <stdbool.h>

#include "lastbyte/memory.h"
#include "lastbyte/socket.h"
#include "lastbyte/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whoever wants to know why TLS failed. Embed it as the first member of a larger struct to give it
 * state. */
struct lb_tls_watch {
    /*
     * failed: TLS has failed on the socket called `name` to `endpoint`: `status` is LB_REFUSED, in the
     * handshake, or LB_RESET, afterwards; `reason` is one sentence, such as "certificate verify failed:
     * certificate has expired". Not told of: what happens to TCP of an established connection, its end
     * without close_notify included. At most once for a socket: from its connect, or from its close.
     * Borrows all. Called by any worker, several at once, with no lock held; it does not block.
     */
    void (*failed)(struct lb_tls_watch *watch, const struct lb_endpoint *endpoint, const char *name,
                   enum lb_status status, const char *reason);
};

/* Whom to trust. All zero is right for most programs: the system's authorities, no watch. */
struct lb_tls_options {
    const char *ca_file;   /* the authorities trusted, in PEM; borrowed; NULL: see below */
    const char *ca_folder; /* the same, named as `openssl rehash` does; borrowed; NULL: see below */
    struct lb_tls_watch *watch; /* kept until lb_network_tls_free; NULL: nobody watches */
    /* Accepts whatever certificate is shown, by whomever, for whatever name: anybody on the way can read
     * and change everything. For tests. */
    bool is_dangerously_unverified;
};

/*
 * lb_network_tls_new: makes a network of TCP sockets, with TLS for the scheme "https". With neither
 * ca_file nor ca_folder it trusts the system's authorities, which are where OpenSSL looks by default.
 * Borrows options; keeps memory until lb_network_tls_free: it is called from any worker. Gives
 * *ret_network. Errors: LB_MEMORY; LB_REFUSED when ca_file or ca_folder cannot be read or the file holds
 * no certificate. Reads files; does not block otherwise.
 *
 * A socket for "http" is what lb_network_tcp_new makes. One for "https" does what socket.h and tcp.h say;
 * it has three descriptors, and
 * - connect includes the handshake, all within the one deadline. A failed handshake is LB_REFUSED, and no
 *   other address is tried;
 * - TLS 1.2 is the least, "http/1.1" is offered (ALPN), renegotiation refused, no session resumed;
 * - the certificate has to be valid and for the endpoint's host: a DNS name or an IP address among its
 *   subject alternative names; the common name is not looked at (RFC 9110 section 4.3.4, RFC 9525). The
 *   name is sent (SNI, RFC 6066 section 3), an address is not;
 * - LB_END is the peer's close_notify, and nothing else. An end of TCP without it is LB_RESET, as the
 *   stream may have been cut by anybody (RFC 8446 section 6.1, RFC 9112 section 9.8). So are a record
 *   that does not decrypt and an alert that the peer sends; a body that was complete before is complete;
 * - is_pending, and a read of size 0, are about what a read would return: a session ticket, a key update
 *   or the first part of a record is nothing;
 * - a write that times out behind a part of its record may have been sent or not: from then on each write
 *   of the socket is LB_TIMEOUT;
 * - shutdown and close send close_notify if there is room for it; they wait for nothing.
 *
 * The network and its sockets come from `memory`; OpenSSL's own memory comes from malloc.
 */
LB_MUST_USE enum lb_status lb_network_tls_new(const struct lb_tls_options *options,
                                              struct lb_memory *memory,
                                              struct lb_network **ret_network);

/*
 * lb_network_tls_free: releases a network of lb_network_tls_new whose sockets have all been closed.
 * Takes *network; NULL is allowed. Does not block.
 */
void lb_network_tls_free(struct lb_network **network);

#ifdef __cplusplus
}
#endif
#endif
