/*
 * Addresses: what the networks of threads and of the loop have in common about reaching a host.
 */
#ifndef LASTBYTE_SOCKET_ADDRESS_H
#define LASTBYTE_SOCKET_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "lastbyte/runtime.h"
#include "lastbyte/socket.h"

/* Bytes of a socket's name behind the host's, with the NUL. */
#define LBI_ADDRESS_SUFFIX_SIZE sizeof "[]:65535#4294967295"

/* lbi_address_name: writes "host:port#number", an IPv6 address in brackets; ret_name has room for the
 * host's bytes and LBI_ADDRESS_SUFFIX_SIZE. */
void lbi_address_name(const struct lb_endpoint *endpoint, unsigned number, char *ret_name);

/* lbi_address_resolve: the addresses of a host, released by freeaddrinfo; NULL if there are none. Blocks
 * on the resolver, but not with the flag AI_NUMERICHOST. */
struct addrinfo *lbi_address_resolve(const char *host, uint16_t port, int flags);

/* lbi_address_share: until when the next of `count` addresses may take (count > 0). */
uint64_t lbi_address_share(uint64_t deadline_ns, uint64_t now_ns, uint32_t count);

/* lbi_address_count: how many of them a dial tries. */
uint32_t lbi_address_count(const struct addrinfo *addresses);

/* lbi_fd_is_own_peer: a connection to a port that nobody listens on may meet itself, when the kernel picks
 * that very port for this end. */
bool lbi_fd_is_own_peer(int fd);

/* lbi_fd_error: the failure that the kernel has kept for a descriptor, or 0. */
int lbi_fd_error(int fd);

#endif
