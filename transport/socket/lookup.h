/*
 * Looking up a name without holding up the loop.
 */
#ifndef LASTBYTE_SOCKET_LOOKUP_H
#define LASTBYTE_SOCKET_LOOKUP_H

#include <netdb.h>
#include <stdint.h>

#include "lastbyte/loop.h"

/* lbi_lookup: the addresses of a host, released by freeaddrinfo; NULL if there are none, or no memory.
 * Called by a worker of the loop, which waits; the others go on. Nothing interrupts it. */
struct addrinfo *lbi_lookup(struct lb_loop *loop, const char *host, uint16_t port);

#endif
