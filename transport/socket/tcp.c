/*
 * Sockets over TCP.
 *
 * Mental model. A socket is a non-blocking descriptor, an eventfd that becomes readable for good when
 * the socket is shut down, and a lock around both. No call blocks but in poll, with both descriptors
 * in the set and the lock released; every call of the kernel that moves bytes is made under the lock
 * and does not wait. That reads like a condition: try, wait, try again.
 *
 *   opened --tcp_connect--> connected --tcp_shutdown--> shut --tcp_close--> gone
 *      \_________________tcp_shutdown__________________^
 *
 * Why the lock: the kernel reports the failure of a connection once, to whichever call comes first,
 * and the end of the stream to every call after it. A read that finds "the end" after a write in
 * another worker has found the reset would take a cut body for a whole one. So whoever meets the
 * failure notes it (is_broken) before anybody else can look.
 *
 * Why the eventfd: shutdown(2) wakes who polls a connected socket, but not reliably one that is being
 * connected, and there is none at all while addresses are changed.
 *
 * Invariants: `fd` changes only in tcp_connect, while no other call but a shutdown is in progress;
 * is_shut and is_broken never become false again; no descriptor is closed while it is polled.
 */
#include "lastbyte/tcp.h"

#include "core/assert.h"
#include "core/limits.h"
#include "lastbyte/threads.h"
#include "socket/address.h"
#include "socket/tcp_inside.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define NETWORK_MAGIC UINT32_C(0x6e746370)
#define SOCKET_MAGIC UINT32_C(0x73746370)
#define SECOND_NS UINT64_C(1000000000)

struct tcp_network {
    struct lb_network network; /* first */
    uint32_t magic;
    struct lb_memory *memory;
    atomic_uint opened_count;
    atomic_uint closed_count;
};

struct tcp_socket {
    struct lb_socket socket; /* first */
    uint32_t magic;
    struct tcp_network *network;
    size_t size;      /* bytes of this block */
    const char *host; /* behind this struct, as is the name */
    char *name;
    uint16_t port;
    bool is_secure;       /* "https" */
    int wake_fd;          /* readable once shut */
    pthread_mutex_t lock; /* of what follows */
    int fd;               /* -1: none */
    uint32_t call_count;  /* calls in progress */
    bool is_connected;
    bool is_shut;
    bool is_broken; /* the kernel has reported a failure, and will not do so again */
};

static uint64_t tcp_now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

static struct tcp_socket *socket_of(const struct lb_socket *socket);

static void socket_lock(struct tcp_socket *s)
{
    int error = pthread_mutex_lock(&s->lock);
    LB_ASSERT(error == 0);
    LB_ASSERT(s->magic == SOCKET_MAGIC);
}

static void socket_unlock(struct tcp_socket *s)
{
    int error = pthread_mutex_unlock(&s->lock);
    LB_ASSERT(error == 0);
}

/* socket_enter: begins a call that may wait; returns with the lock. */
static void socket_enter(struct tcp_socket *s)
{
    socket_lock(s);
    s->call_count++;
    LB_ASSERT(s->call_count > 0);
}

static void socket_leave(struct tcp_socket *s)
{
    LB_ASSERT(s->call_count > 0);
    s->call_count--;
    socket_unlock(s);
}

/* socket_poll: polls once, until `events` come, the socket is shut down, `also_fd` is readable or the
 * deadline passes; returns what poll does. Without the lock. */
static int socket_poll(int fd, int wake_fd, short events, int also_fd, uint64_t deadline_ns)
{
    struct pollfd polls[3] = {
        {.fd = fd, .events = events},
        {.fd = wake_fd, .events = POLLIN},
        {.fd = also_fd, .events = POLLIN}}; /* a negative one is passed over */
    struct timespec duration = {0, 0};
    uint64_t now_ns = deadline_ns == LB_NEVER ? 0 : tcp_now();
    if (deadline_ns > now_ns) {
        duration.tv_sec = (time_t)((deadline_ns - now_ns) / SECOND_NS);
        duration.tv_nsec = (long)((deadline_ns - now_ns) % SECOND_NS);
    }
    int count = ppoll(polls, 3, deadline_ns == LB_NEVER ? NULL : &duration, NULL);
    LB_ASSERT(count <= 0 || (polls[0].revents & POLLNVAL) == 0);
    LB_ASSERT(count <= 0 || (polls[1].revents & POLLNVAL) == 0);
    LB_ASSERT(count <= 0 || (polls[2].revents & POLLNVAL) == 0);
    return count;
}

/*
 * socket_wait_also: with the lock, which it releases meanwhile: waits until `events` or an error have come
 * or `also_fd` (-1: none) is readable (LB_OK), the deadline has passed (LB_TIMEOUT) or the socket has been
 * shut down (LB_CLOSED).
 */
static enum lb_status socket_wait_also(struct tcp_socket *s, short events, int also_fd,
                                       uint64_t deadline_ns)
{
    LB_ASSERT(s->fd >= 0);
    LB_ASSERT(s->call_count > 0);
    int count = 0;
    while (!s->is_shut && count <= 0) { /* again when a signal has interrupted it */
        int fd = s->fd;
        socket_unlock(s);
        count = socket_poll(fd, s->wake_fd, events, also_fd, deadline_ns);
        socket_lock(s);
        LB_ASSERT(s->fd == fd);
        if (count == 0 && !s->is_shut && tcp_now() >= deadline_ns) {
            return LB_TIMEOUT;
        }
    }
    return s->is_shut ? LB_CLOSED : LB_OK;
}

static enum lb_status socket_wait(struct tcp_socket *s, short events, uint64_t deadline_ns)
{
    return socket_wait_also(s, events, -1, deadline_ns);
}

enum lb_status lbi_tcp_wait(struct lb_socket *socket, short events, int also_fd,
                            uint64_t deadline_ns)
{
    struct tcp_socket *s = socket_of(socket);
    socket_enter(s);
    LB_ASSERT(s->is_shut || s->is_connected);
    enum lb_status status = socket_wait_also(s, events, also_fd, deadline_ns);
    socket_leave(s);
    return status;
}

/* -- connecting -- */

/* socket_connect: connects to one address; with the lock. LB_OK leaves `fd`, anything else does not. */
static enum lb_status socket_connect(struct tcp_socket *s, const struct addrinfo *address,
                                     uint64_t deadline_ns)
{
    LB_ASSERT(s->fd < 0);
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    address->ai_protocol);
    if (fd < 0) {
        return LB_REFUSED;
    }
    s->fd = fd;
    enum lb_status status = LB_OK;
    int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR) {
        status = socket_wait(s, POLLOUT, deadline_ns);
        error = status == LB_OK ? lbi_fd_error(fd) : 0;
    }
    if (status == LB_OK && (error != 0 || lbi_fd_is_own_peer(fd))) {
        status = LB_REFUSED;
    }
    if (status != LB_OK) {
        s->fd = -1;
        (void)close(fd);
        return status;
    }
    int one = 1; /* a head is written at once and waits for nothing */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->is_connected = true;
    return LB_OK;
}

/* socket_connect_any: connects to the first address that can be; with the lock. */
static enum lb_status socket_connect_any(struct tcp_socket *s, const struct addrinfo *addresses,
                                         uint64_t deadline_ns)
{
    uint32_t left = lbi_address_count(addresses);
    enum lb_status status = LB_REFUSED;
    for (const struct addrinfo *a = addresses; left > 0; a = a->ai_next) {
        uint64_t now_ns = tcp_now();
        if (s->is_shut) {
            return LB_CLOSED;
        }
        if (deadline_ns <= now_ns) {
            return LB_TIMEOUT;
        }
        status = socket_connect(s, a, lbi_address_share(deadline_ns, now_ns, left));
        if (status == LB_OK || status == LB_CLOSED) {
            return status;
        }
        left--;
    }
    return status;
}

static enum lb_status tcp_connect(struct lb_socket *socket, uint64_t deadline_ns, enum lb_site site)
{
    struct tcp_socket *s = socket_of(socket);
    struct addrinfo *addresses = NULL;
    (void)site;
    socket_enter(s);
    LB_ASSERT(!s->is_connected);
    LB_ASSERT(s->fd < 0);
    enum lb_status status = s->is_shut ? LB_CLOSED : LB_REFUSED;
    if (!s->is_shut && !s->is_secure) {
        socket_unlock(s);
        addresses = lbi_address_resolve(s->host, s->port, 0);
        socket_lock(s);
        status = s->is_shut ? LB_CLOSED : socket_connect_any(s, addresses, deadline_ns);
    }
    LB_ASSERT(s->is_connected == (status == LB_OK));
    socket_leave(s);
    if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
    return status;
}

/* -- bytes -- */

/* socket_try_read: reads what is there; LB_AGAIN: nothing. With the lock. */
static enum lb_status socket_try_read(struct tcp_socket *s, void *bytes, size_t size,
                                      size_t *ret_size)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    LB_ASSERT(s->is_connected);
    ssize_t count = -1;
    do {
        count = recv(s->fd, bytes, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *ret_size = (size_t)count;
        return LB_OK;
    }
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return LB_AGAIN;
    }
    s->is_broken = s->is_broken || count < 0;
    return s->is_broken ? LB_RESET : LB_END;
}

/* A read of size 0 looks at nothing that the kernel tells only once: it does not even ask. */
static enum lb_status tcp_read(struct lb_socket *socket, void *bytes, size_t size,
                               uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct tcp_socket *s = socket_of(socket);
    LB_ASSERT(bytes != NULL || size == 0);
    LB_ASSERT(ret_size != NULL);
    (void)site;
    size_t stored = 0;
    enum lb_status status = LB_OK;
    socket_enter(s);
    if (size == 0) {
        status = s->is_shut ? LB_CLOSED : socket_wait(s, POLLIN, deadline_ns);
    } else {
        status = socket_try_read(s, bytes, size, &stored);
        while (status == LB_AGAIN) {
            status = socket_wait(s, POLLIN, deadline_ns);
            status = status == LB_OK ? socket_try_read(s, bytes, size, &stored) : status;
        }
    }
    socket_leave(s);
    LB_ASSERT(status != LB_OK || (stored > 0) == (size > 0));
    if (status == LB_OK) {
        *ret_size = stored;
    }
    return status;
}

/*
 * socket_try_write: writes what there is room for; LB_AGAIN: none. With the lock. EPIPE tells nothing
 * about the other direction: it follows a failure already reported, or an orderly end.
 */
static enum lb_status socket_try_write(struct tcp_socket *s, const void *bytes, size_t size,
                                       size_t *ret_size)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    LB_ASSERT(s->is_connected);
    ssize_t count = -1;
    do {
        count = send(s->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *ret_size = (size_t)count;
        return LB_OK;
    }
    if (count == 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
        return LB_AGAIN;
    }
    s->is_broken = s->is_broken || errno != EPIPE;
    return LB_RESET;
}

static enum lb_status tcp_write(struct lb_socket *socket, const void *bytes, size_t size,
                                uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct tcp_socket *s = socket_of(socket);
    LB_ASSERT(bytes != NULL);
    LB_ASSERT(size > 0);
    LB_ASSERT(ret_size != NULL);
    (void)site;
    size_t taken = 0;
    socket_enter(s);
    enum lb_status status = socket_try_write(s, bytes, size, &taken);
    while (status == LB_AGAIN) {
        status = socket_wait(s, POLLOUT, deadline_ns);
        status = status == LB_OK ? socket_try_write(s, bytes, size, &taken) : status;
    }
    socket_leave(s);
    LB_ASSERT(status != LB_OK || taken > 0);
    if (status == LB_OK) {
        *ret_size = taken;
    }
    return status;
}

/* By poll and not by a peek, which would take the report of a failure away from the reader. */
static bool tcp_is_pending(const struct lb_socket *socket)
{
    struct tcp_socket *s = socket_of(socket);
    int count = 1;
    socket_lock(s);
    if (!s->is_shut) {
        LB_ASSERT(s->is_connected);
        struct pollfd look = {.fd = s->fd, .events = POLLIN};
        do {
            count = poll(&look, 1, 0);
        } while (count < 0 && errno == EINTR);
    }
    socket_unlock(s);
    return count != 0;
}

/* -- the end -- */

static void tcp_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct tcp_socket *s = socket_of(socket);
    (void)site;
    socket_lock(s);
    if (!s->is_shut) {
        uint64_t one = 1;
        s->is_shut = true;
        ssize_t count = write(s->wake_fd, &one, sizeof one);
        LB_ASSERT(count == (ssize_t)sizeof one); /* the first and only write never waits */
        if (s->is_connected) {
            (void)shutdown(s->fd, SHUT_RDWR); /* fails when the peer has ended it already */
        }
    }
    socket_unlock(s);
}

static void tcp_close(struct lb_socket **socket, enum lb_site site)
{
    LB_ASSERT(socket != NULL);
    struct tcp_socket *s = socket_of(*socket);
    *socket = NULL;
    (void)site;
    socket_lock(s); /* after everything that others did here */
    LB_ASSERT(s->call_count == 0);
    s->magic = 0;
    socket_unlock(s);
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    (void)close(s->wake_fd);
    int error = pthread_mutex_destroy(&s->lock);
    LB_ASSERT(error == 0);
    struct tcp_network *network = s->network;
    network->memory->release(network->memory, s, s->size);
    (void)atomic_fetch_add(&network->closed_count, 1);
}

static const char *tcp_name(const struct lb_socket *socket)
{
    const struct tcp_socket *s = socket_of(socket);
    LB_ASSERT(s->name[0] != '\0');
    return s->name;
}

static const struct lb_socket_ops tcp_socket_ops = {
    .name = tcp_name,
    .connect = tcp_connect,
    .read = tcp_read,
    .write = tcp_write,
    .is_pending = tcp_is_pending,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
};

/* The lock is taken by calls that are const to the transport. */
static struct tcp_socket *socket_of(const struct lb_socket *socket)
{
    LB_ASSERT(socket != NULL);
    LB_ASSERT(socket->ops == &tcp_socket_ops);
    struct tcp_socket *s = (struct tcp_socket *)(uintptr_t)socket;
    LB_ASSERT(s->magic == SOCKET_MAGIC);
    return s;
}

/* -- the network -- */

static struct tcp_network *network_of(struct lb_network *network);

/* socket_init: everything but the descriptor of its wake-ups; the host and the name stand behind it. */
static void socket_init(struct tcp_socket *s, struct tcp_network *network,
                        const struct lb_endpoint *endpoint, size_t host_size)
{
    char *host = (char *)(s + 1);
    unsigned number = atomic_fetch_add(&network->opened_count, 1) + 1;
    memcpy(host, endpoint->host, host_size + 1);
    s->socket.ops = &tcp_socket_ops;
    s->magic = SOCKET_MAGIC;
    s->network = network;
    s->host = host;
    s->name = host + host_size + 1;
    s->port = endpoint->port;
    s->is_secure = strcmp(endpoint->scheme, "http") != 0;
    s->fd = -1;
    lbi_address_name(endpoint, number, s->name);
    int error = pthread_mutex_init(&s->lock, NULL);
    LB_ASSERT(error == 0);
}

static enum lb_status tcp_open(struct lb_network *network_seam, const struct lb_endpoint *endpoint,
                               struct lb_socket **ret_socket)
{
    struct tcp_network *network = network_of(network_seam);
    LB_ASSERT(endpoint->host != NULL);
    LB_ASSERT(endpoint->scheme != NULL);
    LB_ASSERT(ret_socket != NULL);
    size_t host_size = strlen(endpoint->host);
    size_t size = sizeof(struct tcp_socket) + host_size + 1 + host_size + LBI_ADDRESS_SUFFIX_SIZE;
    struct tcp_socket *s = network->memory->alloc(network->memory, size);
    if (s == NULL) {
        return LB_MEMORY;
    }
    memset(s, 0, sizeof *s);
    s->size = size;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->wake_fd < 0) {
        network->memory->release(network->memory, s, size);
        return LB_MEMORY;
    }
    socket_init(s, network, endpoint, host_size);
    *ret_socket = &s->socket;
    return LB_OK;
}

static const struct lb_network_ops tcp_network_ops = {.open = tcp_open};

static struct tcp_network *network_of(struct lb_network *seam)
{
    LB_ASSERT(seam != NULL);
    LB_ASSERT(seam->ops == &tcp_network_ops);
    struct tcp_network *network = (struct tcp_network *)(void *)seam;
    LB_ASSERT(network->magic == NETWORK_MAGIC);
    return network;
}

enum lb_status lb_network_tcp_new(struct lb_memory *memory, struct lb_network **ret_network)
{
    LB_ASSERT(memory != NULL);
    LB_ASSERT(ret_network != NULL);
    struct tcp_network *network = memory->alloc(memory, sizeof *network);
    if (network == NULL) {
        return LB_MEMORY;
    }
    network->network.ops = &tcp_network_ops;
    network->magic = NETWORK_MAGIC;
    network->memory = memory;
    atomic_init(&network->opened_count, 0);
    atomic_init(&network->closed_count, 0);
    *ret_network = &network->network;
    return LB_OK;
}

void lb_network_tcp_free(struct lb_network **network_pointer)
{
    LB_ASSERT(network_pointer != NULL);
    if (*network_pointer == NULL) {
        return;
    }
    struct tcp_network *network = network_of(*network_pointer);
    *network_pointer = NULL;
    LB_ASSERT(atomic_load(&network->opened_count) == atomic_load(&network->closed_count));
    network->magic = 0;
    network->memory->release(network->memory, network, sizeof *network);
}
