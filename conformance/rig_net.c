/*
 * The rig's network: each connection is a real one, over loopback, to a listener of its own.
 *
 * The client's handle wraps a socket of lb_network_tcp, whose endpoint is 127.0.0.1 and the port of that
 * listener: so a host's name and the order of its connections say what its server does, as in the
 * simulation. A server that refuses is a port where nobody listens, one that never answers a listener
 * whose queue is full.
 *
 * The record is exact, as the rules need it. What a server sends, and its end, is recorded and given to
 * the kernel in one step under the lock. A client's read waits without it, and takes and records in one
 * step. A write is recorded before it is made, is as small as the kernel always takes at once, and is
 * over when its bytes have arrived. So what lies in the kernel is known: what was sent and not read. What
 * the kernel has no room for waits here (`sent` beyond pushed_size), as on the way.
 */
#include "rig_inside.h"

#include "lastbyte/threads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_WRITE_MAX 16384u           /* bytes of one write, far below any buffer of the kernel */
#define NET_ARRIVE_MAX 1000            /* milliseconds until bytes on loopback have arrived */
#define NET_LONG_NS UINT64_C(50000000) /* real time between two looks where nothing can change */

static struct lbi_rig_conn *conn_of(const struct lb_socket *socket)
{
    return (struct lbi_rig_conn *)(uintptr_t)socket;
}

static struct lbi_rig_conn *peer_of(const struct lb_peer *peer)
{
    return (struct lbi_rig_conn *)(uintptr_t)peer;
}

static struct lb_rig *rig_of(struct lb_stage *stage)
{
    return (struct lb_rig *)(void *)stage;
}

static void array_append(struct lbi_rig_array *array, const void *bytes, size_t size)
{
    if (array->capacity - array->size < size) {
        size_t capacity = (array->size + size) * 2;
        unsigned char *items = realloc(array->items, capacity);
        LB_ASSERT(items != NULL);
        array->items = items;
        array->capacity = capacity;
    }
    if (size > 0) {
        memcpy(array->items + array->size, bytes, size);
        array->size += size;
    }
}

static void conn_record(struct lbi_rig_conn *conn, enum lb_net_record_kind kind, uint64_t value)
{
    struct lb_rig *rig = conn->rig;
    struct lb_net_record record = {kind, rig->sequence++, atomic_load(&rig->now_ns), value};
    array_append(&conn->records, &record, sizeof record);
}

/* conn_violate: the socket was misused (O1). */
static void conn_violate(struct lbi_rig_conn *conn, const char *words)
{
    lb_world_find(conn->rig->world, "O1", words, "a socket was misused: %s", words);
}

bool lbi_rig_is_readable(const struct lbi_rig_conn *conn)
{
    return conn->is_shut || conn->is_closed || conn->read_size < conn->sent.size ||
           conn->is_reset || conn->is_server_ended;
}

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

/* -- the server's end of the wire -- */

/* conn_pull: takes in what has arrived at the server. */
static void conn_pull(struct lbi_rig_conn *conn)
{
    char bytes[4096];
    ssize_t size = 1;
    while (conn->server_fd >= 0 && size > 0) {
        size = recv(conn->server_fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (size > 0) {
            LB_ASSERT(conn->received.size + (size_t)size <= conn->written.size);
            array_append(&conn->received, bytes, (size_t)size);
        }
    }
    lbi_rig_wake(conn->rig, LBI_RIG_QUEUE, &conn->received);
}

/* conn_push: gives the kernel what it takes of the server's bytes, and then its end. */
static void conn_push(struct lbi_rig_conn *conn)
{
    while (conn->server_fd >= 0 && conn->pushed_size < conn->sent.size) {
        ssize_t size = send(conn->server_fd, conn->sent.items + conn->pushed_size,
                            conn->sent.size - conn->pushed_size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return;
        }
        conn->pushed_size = size < 0 ? conn->sent.size : conn->pushed_size + (size_t)size;
    }
    if (conn->server_fd >= 0 && conn->is_server_ended && !conn->is_end_pushed) {
        conn->is_end_pushed = true;
        (void)shutdown(conn->server_fd, SHUT_WR);
    }
    if (conn->is_server_closed) {
        conn_pull(conn); /* the kernel would answer what nobody has read with a reset */
        fd_close(&conn->server_fd);
    }
}

static bool sending_is_over(const struct lbi_rig_conn *conn)
{
    return conn->is_server_ended || conn->is_reset || conn->is_shut || conn->is_closed ||
           conn->rig->is_over;
}

/* input_is_over: whether the server's input grows no more. */
static bool input_is_over(const struct lbi_rig_conn *conn)
{
    bool is_client_over = (conn->is_shut || conn->is_closed) && !conn->is_writing;
    return is_client_over || conn->is_server_closed || conn->is_reset || conn->rig->is_over;
}

void lbi_rig_input(struct lb_stage *stage, const struct lb_peer *peer, const uint8_t **ret_bytes,
                   size_t *ret_size)
{
    const struct lbi_rig_conn *conn = peer_of(peer);
    LB_ASSERT(conn->rig == rig_of(stage));
    LB_ASSERT(conn->consumed_size <= conn->received.size);
    *ret_size = conn->received.size - conn->consumed_size;
    *ret_bytes = *ret_size == 0 ? (const uint8_t *)"" : conn->received.items + conn->consumed_size;
}

enum lb_status lbi_rig_wait_input(struct lb_stage *stage, struct lb_peer *peer, size_t size,
                                  enum lb_site site)
{
    struct lbi_rig_conn *conn = peer_of(peer);
    while (conn->received.size - conn->consumed_size <= size && !input_is_over(conn)) {
        (void)lbi_rig_wait(rig_of(stage), LBI_RIG_QUEUE, &conn->received, LB_NEVER, site);
    }
    return conn->received.size - conn->consumed_size > size ? LB_OK : LB_END;
}

void lbi_rig_consume(struct lb_stage *stage, struct lb_peer *peer, size_t size)
{
    struct lbi_rig_conn *conn = peer_of(peer);
    LB_ASSERT(conn->rig == rig_of(stage));
    LB_ASSERT(size <= conn->received.size - conn->consumed_size);
    conn->consumed_size += size;
}

enum lb_status lbi_rig_send(struct lb_stage *stage, struct lb_peer *peer, const void *bytes,
                            size_t size, enum lb_site site)
{
    struct lbi_rig_conn *conn = peer_of(peer);
    stage->ops->point(stage, site);
    if (size == 0 || sending_is_over(conn)) {
        return LB_OK;
    }
    if (size > LB_NET_STREAM_MAX - conn->sent.size) {
        return LB_LIMIT;
    }
    array_append(&conn->sent, bytes, size);
    conn_record(conn, LB_NET_SENT, size);
    conn_push(conn);
    return LB_OK;
}

/* conn_end: ends the server's sending, if that has not happened yet. */
static void conn_end(struct lbi_rig_conn *conn)
{
    if (!conn->is_server_ended && !conn->is_reset) {
        conn->is_server_ended = true;
        conn_record(conn, LB_NET_SERVER_END, 0);
    }
}

void lbi_rig_end(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site)
{
    struct lbi_rig_conn *conn = peer_of(peer);
    stage->ops->point(stage, site);
    conn_end(conn);
    conn_push(conn);
}

void lbi_rig_close(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site)
{
    struct lbi_rig_conn *conn = peer_of(peer);
    stage->ops->point(stage, site);
    conn_end(conn);
    conn->is_server_closed = conn->is_server_ended;
    conn_push(conn);
}

void lbi_rig_reset(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site)
{
    struct lbi_rig_conn *conn = peer_of(peer);
    stage->ops->point(stage, site);
    if (conn->is_reset || conn->is_server_closed) {
        return;
    }
    struct linger abort = {.l_onoff = 1, .l_linger = 0};
    conn->is_reset = true;
    conn_record(conn, LB_NET_SERVER_RESET, 0);
    (void)setsockopt(conn->server_fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    fd_close(&conn->server_fd);
    lbi_rig_wake(conn->rig, LBI_RIG_QUEUE, &conn->received);
}

/* server_run: the body of a server's thread. */
static void server_run(void *argument)
{
    struct lbi_rig_conn *conn = argument;
    lb_server_serve(conn->rig->world, (struct lb_peer *)(void *)conn, conn->host, conn->ordinal);
}

/* -- calls of the client -- */

/* call_begin: a call of the client's handle; with the lock afterwards. False after its close. */
static bool call_begin(struct lbi_rig_conn *conn, enum lb_site site, const char *words)
{
    lbi_rig_point(conn->rig, site);
    lbi_rig_lock(conn->rig);
    if (conn->is_closed) {
        conn_violate(conn, words);
        lbi_rig_unlock(conn->rig);
        return false;
    }
    conn->calls++;
    return true;
}

static void call_end(struct lbi_rig_conn *conn)
{
    LB_ASSERT(conn->calls > 0);
    conn->calls--;
    lbi_rig_unlock(conn->rig);
}

static const char *socket_name(const struct lb_socket *socket)
{
    return conn_of(socket)->name;
}

/* conn_accept: the server's end of a connection that was made. */
static void conn_accept(struct lbi_rig_conn *conn)
{
    int one = 1;
    conn->server_fd = accept4(conn->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    LB_ASSERT(conn->server_fd >= 0);
    (void)setsockopt(conn->server_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->is_connected = true;
    conn_record(conn, LB_NET_CONNECTED, 0);
    struct lb_worker_options options = {LB_ROLE_SERVER, conn->name, server_run, conn};
    if (conn->rig->stage.ops->spawn(&conn->rig->stage, &options) != LB_OK) {
        lb_world_exhaust(conn->rig->world);
    }
}

/* conn_connect: the connection is made for real, after what its server waits for. With the lock. */
static enum lb_status conn_connect(struct lbi_rig_conn *conn, uint64_t deadline_ns,
                                   enum lb_site site)
{
    struct lb_rig *rig = conn->rig;
    struct lbi_rig_worker *self = lbi_rig_self();
    uint64_t accepted_ns = atomic_load(&rig->now_ns) + conn->delay_ns;
    uint64_t until_ns = accepted_ns < deadline_ns ? accepted_ns : deadline_ns;
    bool is_stalled = conn->answer == LB_NET_STALL;
    while (conn->delay_ns > 0 && !conn->is_shut &&
           !lbi_rig_wait(rig, LBI_RIG_QUEUE, conn, until_ns, site)) {
    }
    if (conn->is_shut) {
        return LB_CLOSED;
    }
    if (conn->delay_ns > 0 && accepted_ns >= deadline_ns) {
        return LB_TIMEOUT;
    }
    if (is_stalled) {
        lbi_rig_begin_wait(rig, LBI_RIG_CONNECT, conn, deadline_ns, site);
    }
    lbi_rig_unlock(rig);
    enum lb_status status = conn->inner->ops->connect(conn->inner, LB_NEVER, site);
    lbi_rig_lock(rig);
    if (is_stalled) {
        LB_ASSERT(self->wait == LBI_RIG_RUNS); /* a deadline or a shutdown has ended it */
        status = self->is_expired ? LB_TIMEOUT : status;
    }
    return status;
}

static enum lb_status socket_connect(struct lb_socket *socket, uint64_t deadline_ns,
                                     enum lb_site site)
{
    struct lbi_rig_conn *conn = conn_of(socket);
    if (!call_begin(conn, site, "connect-after-close")) {
        return LB_CLOSED;
    }
    enum lb_status status = conn->is_shut ? LB_CLOSED : conn_connect(conn, deadline_ns, site);
    if (status == LB_OK) {
        conn_accept(conn);
    } else {
        conn_record(conn, LB_NET_FAILED, (uint64_t)status);
    }
    call_end(conn);
    return status;
}

/* real_after: that long from now by the clock of the real sockets. */
static uint64_t real_after(uint64_t duration_ns)
{
    struct lb_runtime *threads = lb_runtime_threads();
    return threads->ops->now(threads) + duration_ns;
}

/* conn_await: waits until a read would return; LB_OK, LB_CLOSED or LB_TIMEOUT. With the lock. */
static enum lb_status conn_await(struct lbi_rig_conn *conn, uint64_t deadline_ns, enum lb_site site)
{
    struct lb_rig *rig = conn->rig;
    struct lbi_rig_worker *self = lbi_rig_self();
    self->is_expired = false;
    if (!lbi_rig_is_readable(conn)) {
        if (deadline_ns <= atomic_load(&rig->now_ns)) {
            return LB_TIMEOUT;
        }
        lbi_rig_begin_wait(rig, LBI_RIG_READ, conn, deadline_ns, site);
    }
    for (;;) {
        size_t size = 0;
        conn_push(conn);
        bool is_watched = deadline_ns != LB_NEVER || conn->pushed_size < conn->sent.size;
        uint64_t until_ns = real_after(is_watched ? LBI_RIG_SLICE_NS : NET_LONG_NS);
        lbi_rig_unlock(rig);
        enum lb_status status = conn->inner->ops->read(conn->inner, NULL, 0, until_ns, site, &size);
        lbi_rig_lock(rig);
        if (status != LB_TIMEOUT && !lbi_rig_is_readable(conn)) {
            continue; /* what the kernel told of has not been recorded: it never was */
        }
        if (self->wait == LBI_RIG_RUNS && self->is_expired) {
            self->is_expired = false;
            return LB_TIMEOUT;
        }
        if (status != LB_TIMEOUT) {
            self->wait = LBI_RIG_RUNS;
            return status;
        }
    }
}

/* conn_take: reads what is there, and records it. */
static enum lb_status conn_take(struct lbi_rig_conn *conn, void *bytes, size_t size,
                                enum lb_site site, size_t *ret_size)
{
    enum lb_status status = conn->inner->ops->read(
        conn->inner, bytes, size, real_after(NET_ARRIVE_MAX * LBI_RIG_SLICE_NS), site, ret_size);
    if (status == LB_OK) {
        conn->read_size += *ret_size;
        LB_ASSERT(conn->read_size <= conn->sent.size);
        conn_record(conn, LB_NET_READ, *ret_size);
        conn_push(conn);
    } else if (status == LB_END || status == LB_RESET) {
        conn_record(conn, LB_NET_READ_END, (uint64_t)status);
    }
    return status;
}

static enum lb_status socket_read(struct lb_socket *socket, void *bytes, size_t size,
                                  uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct lbi_rig_conn *conn = conn_of(socket);
    if (!call_begin(conn, site, "read-after-close")) {
        return LB_CLOSED;
    }
    enum lb_status status = conn->is_shut ? LB_CLOSED : conn_await(conn, deadline_ns, site);
    if (status == LB_OK && size > 0) {
        status = conn_take(conn, bytes, size, site, ret_size);
    } else if (status == LB_OK) {
        *ret_size = 0;
    }
    call_end(conn);
    return status;
}

/* conn_arrive: waits until what was written has come to the server, unless that has gone. */
static void conn_arrive(struct lbi_rig_conn *conn)
{
    conn_pull(conn);
    while (conn->server_fd >= 0 && conn->received.size < conn->written.size) {
        struct pollfd look = {.fd = conn->server_fd, .events = POLLIN};
        lbi_rig_unlock(conn->rig);
        int count = poll(&look, 1, NET_ARRIVE_MAX);
        lbi_rig_lock(conn->rig);
        size_t before = conn->received.size;
        conn_pull(conn);
        if (count <= 0 || conn->received.size == before) {
            return; /* the connection has broken under it */
        }
    }
}

/* conn_write: one write that is recorded before it is made, and put right afterwards. */
static enum lb_status conn_write(struct lbi_rig_conn *conn, const void *bytes, size_t size,
                                 enum lb_site site, size_t *ret_size)
{
    size_t at = conn->records.size;
    size_t taken = 0;
    conn->is_writing = true;
    array_append(&conn->written, bytes, size);
    conn_record(conn, LB_NET_WROTE, size);
    lbi_rig_unlock(conn->rig);
    enum lb_status status =
        conn->inner->ops->write(conn->inner, bytes, size, LB_NEVER, site, &taken);
    lbi_rig_lock(conn->rig);
    taken = status == LB_OK ? taken : 0;
    conn->written.size -= size - taken;
    struct lb_net_record *record = (struct lb_net_record *)(void *)(conn->records.items + at);
    LB_ASSERT(record->kind == LB_NET_WROTE);
    record->value = taken;
    if (taken == 0) {
        size_t behind = conn->records.size - at - sizeof *record;
        memmove(record, record + 1, behind);
        conn->records.size -= sizeof *record;
    }
    if (status == LB_RESET) {
        conn_record(conn, LB_NET_WRITE_END, (uint64_t)status);
    }
    *ret_size = taken;
    conn_arrive(conn);
    conn->is_writing = false;
    lbi_rig_wake(conn->rig, LBI_RIG_QUEUE, &conn->received);
    return status;
}

static enum lb_status socket_write(struct lb_socket *socket, const void *bytes, size_t size,
                                   uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    struct lbi_rig_conn *conn = conn_of(socket);
    LB_ASSERT(size > 0);
    LB_MAYBE(deadline_ns == LB_NEVER); /* the kernel always has room */
    if (!call_begin(conn, site, "write-after-close")) {
        return LB_CLOSED;
    }
    enum lb_status status = LB_CLOSED;
    if (!conn->is_shut) {
        status =
            conn_write(conn, bytes, size < NET_WRITE_MAX ? size : NET_WRITE_MAX, site, ret_size);
    }
    call_end(conn);
    return status;
}

/* Called under the transport's lock: no point. What was sent is there, however late the kernel is. */
static bool socket_is_pending(const struct lb_socket *socket)
{
    struct lbi_rig_conn *conn = conn_of(socket);
    bool is_pending = false;
    lbi_rig_lock(conn->rig);
    if (conn->is_closed) {
        conn_violate(conn, "look-after-close");
    } else {
        is_pending = conn->inner->ops->is_pending(conn->inner);
        while (!is_pending && lbi_rig_is_readable(conn)) {
            (void)sched_yield();
            is_pending = conn->inner->ops->is_pending(conn->inner);
        }
        conn_record(conn, LB_NET_LOOKED, is_pending);
    }
    lbi_rig_unlock(conn->rig);
    return is_pending;
}

static void socket_shutdown(struct lb_socket *socket, enum lb_site site)
{
    struct lbi_rig_conn *conn = conn_of(socket);
    if (!call_begin(conn, site, "shutdown-after-close")) {
        return;
    }
    if (!conn->is_shut) {
        conn->is_shut = true;
        conn_record(conn, LB_NET_SHUT, 0);
        conn->inner->ops->shutdown(conn->inner, site);
        lbi_rig_wake(conn->rig, LBI_RIG_QUEUE, conn);
        lbi_rig_wake(conn->rig, LBI_RIG_CONNECT, conn);
        lbi_rig_wake(conn->rig, LBI_RIG_QUEUE, &conn->received);
    }
    call_end(conn);
}

static void socket_close(struct lb_socket **socket, enum lb_site site)
{
    struct lbi_rig_conn *conn = conn_of(*socket);
    *socket = NULL;
    if (!call_begin(conn, site, "close-after-close")) {
        return;
    }
    if (conn->calls > 1) {
        conn_violate(conn, "close-during-a-call");
    } else {
        conn->inner->ops->close(&conn->inner, site);
    }
    conn->is_closed = true;
    conn_record(conn, LB_NET_CLOSED, 0);
    lbi_rig_wake(conn->rig, LBI_RIG_QUEUE, &conn->received);
    call_end(conn);
}

static const struct lb_socket_ops socket_ops = {
    .name = socket_name,
    .connect = socket_connect,
    .read = socket_read,
    .write = socket_write,
    .is_pending = socket_is_pending,
    .shutdown = socket_shutdown,
    .close = socket_close,
};

/* -- opening -- */

/* listener_make: a socket on loopback, at a free port, that listens with that backlog; < 0: not at all.
 * Its port; 0: there is none. */
static uint16_t listener_make(int backlog, int *ret_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*ret_fd < 0 || bind(*ret_fd, (struct sockaddr *)&address, size) != 0 ||
        (backlog >= 0 && listen(*ret_fd, backlog) != 0) ||
        getsockname(*ret_fd, (struct sockaddr *)&address, &size) != 0) {
        fd_close(ret_fd);
        return 0;
    }
    return ntohs(address.sin_port);
}

/* filler_make: occupies the one place in a listener's queue, so that it answers nobody else. */
static int filler_make(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fd_close(&fd);
    }
    return fd;
}

/* conn_make: a connection to the host, with its listener and the real socket; with the lock. */
static enum lb_status conn_make(struct lb_rig *rig, const char *host, struct lbi_rig_conn *conn)
{
    conn->socket.ops = &socket_ops;
    conn->rig = rig;
    conn->listen_fd = conn->fill_fd = conn->server_fd = -1;
    conn->ordinal = 1;
    for (uint32_t i = 0; i < rig->conn_count; i++) {
        conn->ordinal += strcmp(rig->conns[i]->host, host) == 0 ? 1 : 0;
    }
    snprintf(conn->host, sizeof conn->host, "%s", host);
    snprintf(conn->name, sizeof conn->name, "%s.%u", conn->host, conn->ordinal % 1000);
    conn->answer = lb_server_answer(rig->world, host, conn->ordinal, &conn->delay_ns);
    int backlog = conn->answer == LB_NET_REFUSE ? -1 : conn->answer == LB_NET_STALL ? 0 : 1;
    struct lb_endpoint endpoint = {"http", "127.0.0.1", 0};
    endpoint.port = listener_make(backlog, &conn->listen_fd);
    if (conn->answer == LB_NET_STALL && endpoint.port != 0) {
        conn->fill_fd = filler_make(endpoint.port);
    }
    bool is_made = endpoint.port != 0 && (conn->answer != LB_NET_STALL || conn->fill_fd >= 0);
    if (!is_made || rig->inner->ops->open(rig->inner, &endpoint, &conn->inner) != LB_OK) {
        fd_close(&conn->listen_fd);
        fd_close(&conn->fill_fd);
        return LB_MEMORY;
    }
    return LB_OK;
}

static enum lb_status net_open(struct lb_network *network, const struct lb_endpoint *endpoint,
                               struct lb_socket **ret_socket)
{
    struct lb_rig *rig =
        (struct lb_rig *)(void *)((char *)network - offsetof(struct lb_rig, network));
    struct lbi_rig_conn *conn = calloc(1, sizeof *conn);
    enum lb_status status = LB_MEMORY;
    lbi_rig_lock(rig);
    if (conn != NULL && rig->conn_count < LB_NET_CONNS_MAX) {
        status = conn_make(rig, endpoint->host, conn);
    }
    if (status == LB_OK) {
        rig->conns[rig->conn_count++] = conn;
        conn_record(conn, LB_NET_OPENED, 0);
        *ret_socket = &conn->socket;
    } else {
        free(conn);
    }
    lbi_rig_unlock(rig);
    return status;
}

const struct lb_network_ops lbi_rig_network_ops = {.open = net_open};

/* -- the record -- */

uint32_t lbi_rig_sequence(struct lb_stage *stage)
{
    return rig_of(stage)->sequence;
}

size_t lbi_rig_log_count(struct lb_stage *stage)
{
    return rig_of(stage)->conn_count;
}

void lbi_rig_log(struct lb_stage *stage, size_t index, struct lb_net_log *ret_log)
{
    const struct lb_rig *rig = rig_of(stage);
    LB_ASSERT(index < rig->conn_count);
    const struct lbi_rig_conn *conn = rig->conns[index];
    *ret_log = (struct lb_net_log){
        .name = conn->name,
        .host = conn->host,
        .ordinal = conn->ordinal,
        .records = (const struct lb_net_record *)(const void *)conn->records.items,
        .record_count = conn->records.size / sizeof(struct lb_net_record),
        .sent = conn->sent.items,
        .sent_size = conn->sent.size,
        .written = conn->written.items,
        .written_size = conn->written.size,
        .is_open = !conn->is_closed,
        .is_connected = conn->is_connected,
        .is_shut = conn->is_shut,
        .is_server_ended = conn->is_server_ended,
        .is_reset = conn->is_reset,
        .unread_size = conn->sent.size - conn->read_size,
    };
}

ptrdiff_t lbi_rig_log_of(struct lb_stage *stage, const void *queue)
{
    const struct lb_rig *rig = rig_of(stage);
    for (uint32_t i = 0; i < rig->conn_count; i++) {
        if (queue == rig->conns[i] || queue == &rig->conns[i]->received) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

void lbi_rig_forget(struct lb_rig *rig)
{
    for (uint32_t i = 0; i < rig->conn_count; i++) {
        struct lbi_rig_conn *conn = rig->conns[i];
        if (conn->inner != NULL) {
            conn->inner->ops->close(&conn->inner, LB_SITE_SOCKET_CLOSE);
        }
        fd_close(&conn->server_fd);
        fd_close(&conn->listen_fd);
        fd_close(&conn->fill_fd);
        free(conn->records.items);
        free(conn->sent.items);
        free(conn->written.items);
        free(conn->received.items);
        free(conn);
    }
    rig->conn_count = 0;
}
