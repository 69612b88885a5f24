/*
 * Names of sockets, addresses of hosts, and what the kernel says about a connection just made.
 */
#include "socket/address.h"

#include "core/assert.h"
#include "core/limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PORT_SIZE sizeof "65535"

void lbi_address_name(const struct lb_endpoint *endpoint, unsigned number, char *ret_name)
{
    size_t room = strlen(endpoint->host) + LBI_ADDRESS_SUFFIX_SIZE;
    bool has_colon = strchr(endpoint->host, ':') != NULL;
    int size = snprintf(ret_name, room, "%s%s%s:%u#%u", has_colon ? "[" : "", endpoint->host,
                        has_colon ? "]" : "", (unsigned)endpoint->port, number);
    LB_ASSERT(size > 0);
    LB_ASSERT((size_t)size < room);
}

struct addrinfo *lbi_address_resolve(const char *host, uint16_t port, int flags)
{
    char service[PORT_SIZE];
    struct addrinfo hints;
    struct addrinfo *addresses = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_protocol = IPPROTO_TCP;
    hints.ai_flags = AI_NUMERICSERV | flags;
    int size = snprintf(service, sizeof service, "%u", (unsigned)port);
    LB_ASSERT(size > 0);
    LB_ASSERT((size_t)size < sizeof service);
    return getaddrinfo(host, service, &hints, &addresses) == 0 ? addresses : NULL;
}

uint64_t lbi_address_share(uint64_t deadline_ns, uint64_t now_ns, uint32_t count)
{
    LB_ASSERT(count > 0);
    if (deadline_ns == LB_NEVER || deadline_ns <= now_ns) {
        return deadline_ns;
    }
    uint64_t left_ns = deadline_ns - now_ns;
    uint64_t share_ns = left_ns / count;
    share_ns = share_ns < LBI_ADDRESS_SHARE_NS ? LBI_ADDRESS_SHARE_NS : share_ns;
    return share_ns < left_ns ? now_ns + share_ns : deadline_ns;
}

uint32_t lbi_address_count(const struct addrinfo *addresses)
{
    uint32_t count = 0;
    for (const struct addrinfo *a = addresses; a != NULL && count < LBI_ADDRESS_MAX;
         a = a->ai_next) {
        count++;
    }
    return count;
}

bool lbi_fd_is_own_peer(int fd)
{
    struct sockaddr_storage here;
    struct sockaddr_storage there;
    socklen_t here_size = sizeof here;
    socklen_t there_size = sizeof there;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    return getsockname(fd, (struct sockaddr *)&here, &here_size) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_size) == 0 &&
           here_size == there_size && memcmp(&here, &there, here_size) == 0;
}

int lbi_fd_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}
