/*
 * What a layer above TCP needs of a TCP socket, beyond socket.h.
 */
#ifndef LASTBYTE_SOCKET_TCP_INSIDE_H
#define LASTBYTE_SOCKET_TCP_INSIDE_H

#include <stdint.h>

#include "lastbyte/socket.h"
#include "lastbyte/status.h"

/*
 * lbi_tcp_wait: waits until a connected socket has one of `events` (poll's POLLIN or POLLOUT) or an error,
 * or `also_fd` (-1: none) is readable: LB_OK. Takes nothing from either. Otherwise LB_TIMEOUT at
 * `deadline_ns`, or LB_CLOSED once the socket is shut down. Blocks; shutdown unblocks it.
 */
LB_MUST_USE enum lb_status lbi_tcp_wait(struct lb_socket *socket, short events, int also_fd,
                                        uint64_t deadline_ns);

#endif
