/*
 * The network of real use: sockets over TCP, IPv4 and IPv6.
 */
#ifndef LASTBYTE_TCP_H
#define LASTBYTE_TCP_H

#include "lastbyte/memory.h"
#include "lastbyte/socket.h"
#include "lastbyte/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * lb_network_tcp_new: makes a network of TCP sockets. Keeps memory until lb_network_tcp_free; it is
 * called from any worker. Gives *ret_network. Errors: LB_MEMORY. Does not block.
 *
 * Its sockets do what socket.h says, with the deadlines of lb_runtime_threads' clock, and
 * - a name is "host:port#n", n counting the sockets of the network from 1; an IPv6 address stands in
 *   brackets;
 * - open is LB_MEMORY also when there is no descriptor left for it; a socket has two;
 * - connect tries the addresses of a host in the resolver's order, and shares what is left of the
 *   deadline among those left (at least two seconds each). It is LB_REFUSED when no address could be
 *   connected, and LB_TIMEOUT when the last one tried ran out of time;
 * - looking a name up is the C library's getaddrinfo, which nothing can interrupt: a deadline or a
 *   shutdown takes effect when the resolver has answered or given up. An address in digits never waits;
 * - the scheme "https" is LB_REFUSED at connect: tls.h has a network for it;
 * - any failure of an established connection is LB_RESET, and stays so.
 */
LB_MUST_USE enum lb_status lb_network_tcp_new(struct lb_memory *memory,
                                              struct lb_network **ret_network);

/*
 * lb_network_tcp_free: releases a network of lb_network_tcp_new whose sockets have all been closed.
 * Takes *network; NULL is allowed. Does not block.
 */
void lb_network_tcp_free(struct lb_network **network);

#ifdef __cplusplus
}
#endif
#endif
