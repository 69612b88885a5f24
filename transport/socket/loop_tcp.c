/*
 * Sockets over TCP for the loop.
 *
 * Mental model. A socket is a non-blocking descriptor that the loop watches edge-triggered from its
 * connect on, two notes about it, and two queues of coroutines that wait for it. The notes say what the
 * kernel has, as far as that is known without asking:
 *
 *   input    READY, since an event said so; DRAINED, since a read got less than it asked for; OPEN, since
 *            a read got all it asked for, and there may be more
 *   is_writable   until a write has not been taken whole; then from the next event on
 *
 *   opened --tcp_connect--> connected --tcp_shutdown--> shut --tcp_close--> gone
 *      \_________________tcp_shutdown__________________^
 *
 * While the notes say that there is nothing, no system call is made: the next change is an event. What
 * has been read is not told again, as epoll looks itself before it tells. Whoever only wants to know
 * whether there is something (a read of size 0, is_pending) polls where the note is OPEN.
 *
 * How old may a note be? "Drained" was true when the read returned; what has come since waits in the
 * kernel until the loop asks for events. is_pending answers from the note if it is younger than
 * LBI_LOOK_NS, and polls otherwise. What that loses of rule R3 is what a round trip on the wire loses
 * anyway: the moment before the request, in which what the server has sent cannot be known here.
 *
 * Invariants: the end and failures are never drained (`is_final`, `is_broken` stay);
 * whoever meets a failure, which the kernel reports once, notes it before anybody else can look; a
 * socket is closed only when nobody waits in it.
 */
#include "runtime/loop.h"

#include "core/assert.h"
#include "core/limits.h"
#include "socket/address.h"
#include "socket/lookup.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SOCKET_MAGIC UINT32_C(0x736c6f70)

/* What is known of the bytes that the kernel has for a reader. */
enum input {
    INPUT_DRAINED, /* there was nothing at looked_ns, and no event since */
    INPUT_READY,   /* there is something */
    INPUT_OPEN,    /* there may be something */
};

struct loop_socket {
    struct lb_socket socket;     /* first */
    struct lbi_loop_watch watch; /* second: loop_socket_of_watch */
    uint32_t magic;
    struct lbi_loop_network *network;
    size_t size;      /* bytes of this block */
    const char *host; /* behind this struct, as is the name */
    char *name;
    uint16_t port;
    bool is_secure; /* "https" */
    bool is_connected;
    bool is_shut;
    bool is_writable; /* there may be room to write */
    bool is_final;    /* the end or a failure has come: there will always be something to read */
    bool is_broken;   /* the kernel has reported a failure, and will not do so again */
    enum input input;
    int fd; /* -1: none */
    uint32_t call_count;
    uint64_t looked_ns; /* when it was last found drained */
    struct lbi_loop_queue readers, writers;
};

static struct loop_socket *socket_of(const struct lb_socket *socket);

/* -- what the kernel says -- */

static void socket_happened(struct lbi_loop_watch *watch, uint32_t events)
{
    struct loop_socket *s =
        (struct loop_socket *)(void *)((char *)watch - offsetof(struct loop_socket, watch));
    LB_ASSERT(s->magic == SOCKET_MAGIC);
    LB_ASSERT(s->fd >= 0);
    struct lb_loop *loop = s->network->loop;
    bool is_final = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    s->is_final = s->is_final || is_final;
    if (is_final || (events & EPOLLIN) != 0) {
        s->input = INPUT_READY;
        lbi_loop_wake(loop, &s->readers);
    }
    if (is_final || (events & EPOLLOUT) != 0) {
        s->is_writable = true;
        lbi_loop_wake(loop, &s->writers);
    }
}

/* socket_wait: LB_OK when something has happened, LB_TIMEOUT, or LB_CLOSED. */
static enum lb_status socket_wait(struct loop_socket *s, struct lbi_loop_queue *queue,
                                  uint64_t deadline_ns)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    s->call_count++;
    enum lb_status status = lbi_loop_park(s->network->loop, queue, deadline_ns, true);
    LB_ASSERT(s->call_count > 0);
    s->call_count--;
    return s->is_shut ? LB_CLOSED : status;
}

/* socket_share: before a read or a write, which need not wait. */
static void socket_share(struct loop_socket *s)
{
    s->call_count++;
    lbi_loop_share(s->network->loop);
    LB_ASSERT(s->call_count > 0);
    s->call_count--;
}

/* -- connecting -- */

/* socket_attach: the socket has a descriptor, which is being connected. False: no memory. */
static bool socket_attach(struct loop_socket *s, int fd)
{
    LB_ASSERT(s->fd < 0);
    s->fd = fd;
    s->input = INPUT_DRAINED;
    s->is_writable = false;
    s->is_final = false;
    return lbi_loop_watch(s->network->loop, fd, &s->watch);
}

/* socket_connect: connects to one address. LB_OK leaves `fd`, anything else does not. */
static enum lb_status socket_connect(struct loop_socket *s, const struct addrinfo *address,
                                     uint64_t deadline_ns)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    address->ai_protocol);
    if (fd < 0) {
        return LB_REFUSED;
    }
    enum lb_status status = LB_OK;
    int error = connect(fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    bool is_attached = socket_attach(s, fd);
    if (is_attached && (error == EINPROGRESS || error == EINTR)) {
        while (status == LB_OK && !s->is_writable) {
            status = socket_wait(s, &s->writers, deadline_ns);
        }
        error = status == LB_OK ? lbi_fd_error(fd) : 0;
    }
    if (status == LB_OK && (error != 0 || !is_attached || lbi_fd_is_own_peer(fd))) {
        status = LB_REFUSED;
    }
    if (status != LB_OK) {
        s->fd = -1;
        lbi_loop_close(s->network->loop, fd);
        return status;
    }
    int one = 1; /* a head is written at once and waits for nothing */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->is_writable = true;
    s->is_connected = true;
    return LB_OK;
}

/* socket_connect_any: connects to the first address that can be. */
static enum lb_status socket_connect_any(struct loop_socket *s, const struct addrinfo *addresses,
                                         uint64_t deadline_ns)
{
    uint32_t left = lbi_address_count(addresses);
    enum lb_status status = LB_REFUSED;
    for (const struct addrinfo *a = addresses; left > 0; a = a->ai_next) {
        uint64_t now_ns = lbi_loop_now();
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
    struct loop_socket *s = socket_of(socket);
    struct addrinfo *addresses = NULL;
    (void)site;
    LB_ASSERT(!s->is_connected);
    LB_ASSERT(s->fd < 0);
    if (s->is_shut) {
        return LB_CLOSED;
    }
    if (s->is_secure) {
        return LB_REFUSED;
    }
    s->call_count++;
    addresses = lbi_lookup(s->network->loop, s->host, s->port);
    enum lb_status status = s->is_shut ? LB_CLOSED : socket_connect_any(s, addresses, deadline_ns);
    s->call_count--;
    LB_ASSERT(s->is_connected == (status == LB_OK));
    if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
    return status;
}

/* -- bytes -- */

/* socket_drained: there is no more. */
static void socket_drained(struct loop_socket *s)
{
    s->input = s->is_final ? INPUT_READY : INPUT_DRAINED;
    s->looked_ns = lbi_loop_now();
}

/* socket_take: reads what there is; LB_AGAIN: nothing. */
static enum lb_status socket_take(struct loop_socket *s, void *bytes, size_t size, size_t *ret_size)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    LB_ASSERT(s->is_connected);
    if (s->input == INPUT_DRAINED) {
        return LB_AGAIN;
    }
    ssize_t count = -1;
    do {
        count = recv(s->fd, bytes, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *ret_size = (size_t)count;
        s->input = INPUT_OPEN;
        if ((size_t)count < size) {
            socket_drained(s);
        }
        return LB_OK;
    }
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        s->is_final = false; /* what makes it final would have been read */
        socket_drained(s);
        return LB_AGAIN;
    }
    s->is_final = true;
    s->input = INPUT_READY;
    s->is_broken = s->is_broken || count < 0;
    return s->is_broken ? LB_RESET : LB_END;
}

/* socket_look: whether a read would return at once. By poll and not by a peek, which would take the
 * report of a failure away from the reader. */
static bool socket_look(struct loop_socket *s)
{
    LB_ASSERT(s->is_connected);
    int count = 0;
    struct pollfd look = {.fd = s->fd, .events = POLLIN};
    do {
        count = poll(&look, 1, 0);
    } while (count < 0 && errno == EINTR);
    if (count == 0) {
        socket_drained(s);
    } else {
        s->input = INPUT_READY;
    }
    return s->input == INPUT_READY;
}

/* socket_is_ready: for a read of size 0; LB_AGAIN: nothing has come. */
static enum lb_status socket_is_ready(struct loop_socket *s)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    bool is_ready = s->input == INPUT_READY || (s->input == INPUT_OPEN && socket_look(s));
    return is_ready ? LB_OK : LB_AGAIN;
}

static enum lb_status tcp_read(struct lb_socket *socket, void *bytes, size_t size,
                               uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct loop_socket *s = socket_of(socket);
    LB_ASSERT(bytes != NULL || size == 0);
    LB_ASSERT(ret_size != NULL);
    (void)site;
    enum lb_status status = LB_AGAIN;
    socket_share(s);
    while (status == LB_AGAIN) {
        status = size == 0 ? socket_is_ready(s) : socket_take(s, bytes, size, ret_size);
        if (status == LB_AGAIN) {
            enum lb_status waited = socket_wait(s, &s->readers, deadline_ns);
            status = waited == LB_OK ? LB_AGAIN : waited;
        }
    }
    return status;
}

/*
 * socket_send: writes what there is room for; LB_AGAIN: none. EPIPE tells nothing about the other
 * direction: it follows a failure already reported, or an orderly end.
 */
static enum lb_status socket_send(struct loop_socket *s, const void *bytes, size_t size,
                                  size_t *ret_size)
{
    if (s->is_shut) {
        return LB_CLOSED;
    }
    LB_ASSERT(s->is_connected);
    if (!s->is_writable) {
        return LB_AGAIN;
    }
    ssize_t count = -1;
    do {
        count = send(s->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        *ret_size = (size_t)count;
        s->is_writable = (size_t)count == size;
        return LB_OK;
    }
    if (count == 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
        s->is_writable = false;
        return LB_AGAIN;
    }
    if (errno != EPIPE) {
        s->is_broken = true;
        s->is_final = true;
        s->input = INPUT_READY;
    }
    return LB_RESET;
}

static enum lb_status tcp_write(struct lb_socket *socket, const void *bytes, size_t size,
                                uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct loop_socket *s = socket_of(socket);
    LB_ASSERT(bytes != NULL);
    LB_ASSERT(size > 0);
    LB_ASSERT(ret_size != NULL);
    (void)site;
    socket_share(s);
    enum lb_status status = socket_send(s, bytes, size, ret_size);
    while (status == LB_AGAIN) {
        status = socket_wait(s, &s->writers, deadline_ns);
        status = status == LB_OK ? socket_send(s, bytes, size, ret_size) : status;
    }
    return status;
}

static bool tcp_is_pending(const struct lb_socket *socket)
{
    struct loop_socket *s = socket_of(socket);
    if (s->is_shut || s->input == INPUT_READY) {
        return true;
    }
    bool is_fresh = s->input == INPUT_DRAINED && lbi_loop_now() - s->looked_ns < LBI_LOOK_NS;
    return !is_fresh && socket_look(s);
}

/* -- the end -- */

static void tcp_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct loop_socket *s = socket_of(socket);
    (void)site;
    if (!s->is_shut) {
        s->is_shut = true;
        lbi_loop_wake(s->network->loop, &s->readers);
        lbi_loop_wake(s->network->loop, &s->writers);
        if (s->is_connected) {
            (void)shutdown(s->fd, SHUT_RDWR); /* fails when the peer has ended it already */
        }
    }
}

static void tcp_close(struct lb_socket **socket, enum lb_site site)
{
    LB_ASSERT(socket != NULL);
    struct loop_socket *s = socket_of(*socket);
    struct lbi_loop_network *network = s->network;
    *socket = NULL;
    (void)site;
    LB_ASSERT(s->call_count == 0);
    LB_ASSERT(s->readers.first == NULL);
    LB_ASSERT(s->writers.first == NULL);
    if (s->fd >= 0) {
        lbi_loop_close(network->loop, s->fd);
    }
    s->magic = 0;
    network->loop->memory->release(network->loop->memory, s, s->size);
    network->closed_count++;
}

static const char *tcp_name(const struct lb_socket *socket)
{
    const struct loop_socket *s = socket_of(socket);
    LB_ASSERT(s->name[0] != '\0');
    return s->name;
}

static const struct lb_socket_ops loop_socket_ops = {
    .name = tcp_name,
    .connect = tcp_connect,
    .read = tcp_read,
    .write = tcp_write,
    .is_pending = tcp_is_pending,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
};

/* A look changes what is known of a socket, not the socket: it is const to the transport. */
static struct loop_socket *socket_of(const struct lb_socket *socket)
{
    LB_ASSERT(socket != NULL);
    LB_ASSERT(socket->ops == &loop_socket_ops);
    struct loop_socket *s = (struct loop_socket *)(uintptr_t)socket;
    LB_ASSERT(s->magic == SOCKET_MAGIC);
    return s;
}

/* -- the network -- */

static enum lb_status tcp_open(struct lb_network *seam, const struct lb_endpoint *endpoint,
                               struct lb_socket **ret_socket)
{
    struct lbi_loop_network *network = (struct lbi_loop_network *)(void *)seam;
    struct lb_memory *memory = network->loop->memory;
    LB_ASSERT(network->loop->magic == LBI_LOOP_MAGIC);
    LB_ASSERT(ret_socket != NULL);
    size_t host_size = strlen(endpoint->host) + 1;
    size_t size = sizeof(struct loop_socket) + host_size + host_size + LBI_ADDRESS_SUFFIX_SIZE;
    struct loop_socket *s = memory->alloc(memory, size);
    if (s == NULL) {
        return LB_MEMORY;
    }
    memset(s, 0, sizeof *s);
    char *host = (char *)(s + 1);
    memcpy(host, endpoint->host, host_size);
    s->socket.ops = &loop_socket_ops;
    s->watch.happened = socket_happened;
    s->magic = SOCKET_MAGIC;
    s->network = network;
    s->size = size;
    s->host = host;
    s->name = host + host_size;
    s->port = endpoint->port;
    s->is_secure = strcmp(endpoint->scheme, "http") != 0;
    s->fd = -1;
    lbi_address_name(endpoint, ++network->opened_count, s->name);
    *ret_socket = &s->socket;
    return LB_OK;
}

static const struct lb_network_ops loop_network_ops = {.open = tcp_open};

void lbi_loop_network_init(struct lb_loop *loop)
{
    loop->network = (struct lbi_loop_network){.network.ops = &loop_network_ops, .loop = loop};
}

void lbi_loop_network_deinit(struct lb_loop *loop)
{
    LB_ASSERT(loop->network.opened_count == loop->network.closed_count);
    loop->network.loop = NULL;
}
