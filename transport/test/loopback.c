/*
 * A scripted server on loopback: one thread that accepts, one per connection.
 *
 * Mental model: a connection's thread reads a request, does what its target says, and goes on to the
 * next. It blocks in the kernel; to end it, its socket is shut down. Only that thread closes the
 * descriptor, and under the lock, so that nobody shuts down one that has gone to somebody else.
 */
#include "test/loopback.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/assert.h"

#define CONNECTIONS_MAX 512
#define REQUEST_MAX 1024 /* bytes of a request's head */
#define PIECE_SIZE 4096  /* bytes sent at once, and of the longest chunk */

/* One connection; free while it has no thread. */
struct connection {
    struct loopback *server;
    pthread_t thread;
    int fd;
    bool has_thread;
    bool is_done; /* its thread is about to end: join it */
};

struct loopback {
    const char *host;
    uint16_t port;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    bool is_stopping;
    uint32_t accepted_count, ended_count, request_count;
    struct connection connections[CONNECTIONS_MAX];
};

/* What a request asks for. */
struct order {
    enum loopback_kind kind;
    uint32_t number;
    size_t size;
};

static void server_lock(struct loopback *server)
{
    int error = pthread_mutex_lock(&server->lock);
    LB_ASSERT(error == 0);
}

static void server_unlock(struct loopback *server)
{
    int error = pthread_mutex_unlock(&server->lock);
    LB_ASSERT(error == 0);
}

char loopback_byte(uint32_t number, size_t index)
{
    static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    size_t place = index % 9;
    return place == 8 ? ';' : (char)('0' + number / powers[place] % 10);
}

void loopback_target(enum loopback_kind kind, uint32_t number, size_t size,
                     char ret_target[LOOPBACK_TARGET_MAX])
{
    LB_ASSERT(kind < LOOPBACK_KIND_COUNT);
    int length = snprintf(ret_target, LOOPBACK_TARGET_MAX, "/%u/%u/%zu", (unsigned)kind,
                          (unsigned)number, size);
    LB_ASSERT(length > 0);
    LB_ASSERT(length < LOOPBACK_TARGET_MAX);
}

/* -- a connection -- */

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);
        if (count <= 0) {
            return false;
        }
        bytes += count;
        size -= (size_t)count;
    }
    return true;
}

/* send_body: sends bytes `start` to `end` of the body, as chunks if that is the kind. */
static bool send_body(int fd, const struct order *order, size_t start, size_t end)
{
    char piece[PIECE_SIZE + 32];
    bool is_chunked = order->kind == LOOPBACK_CHUNKED;
    bool is_slow = order->kind == LOOPBACK_SLOW;
    size_t step = is_slow ? order->size / 4 + 1 : 1 + (order->number * 37u) % PIECE_SIZE;
    step = step > PIECE_SIZE ? PIECE_SIZE : step;
    while (start < end) {
        size_t size = end - start < step ? end - start : step;
        size_t used = 0;
        if (is_chunked) {
            used = (size_t)snprintf(piece, sizeof piece, "%zx\r\n", size);
        }
        for (size_t i = 0; i < size; i++) {
            piece[used++] = loopback_byte(order->number, start + i);
        }
        if (is_chunked) {
            piece[used++] = '\r';
            piece[used++] = '\n';
        }
        if (is_slow) {
            loopback_pause(1);
        }
        if (!send_all(fd, piece, used)) {
            return false;
        }
        start += size;
    }
    return true;
}

static bool send_head(int fd, const struct order *order)
{
    char head[256];
    char framing[64] = "";
    bool is_empty = order->kind == LOOPBACK_EMPTY;
    if (order->kind == LOOPBACK_CHUNKED) {
        (void)snprintf(framing, sizeof framing, "Transfer-Encoding: chunked\r\n");
    } else if (order->kind == LOOPBACK_CLOSE) {
        (void)snprintf(framing, sizeof framing, "Connection: close\r\n");
    } else if (!is_empty) {
        (void)snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", order->size);
    }
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nX-Number: %u\r\n%s\r\n",
                        is_empty ? "204 No Content" : "200 OK", (unsigned)order->number, framing);
    LB_ASSERT(size > 0);
    LB_ASSERT((size_t)size < sizeof head);
    return send_all(fd, head, (size_t)size);
}

/* wait_end: reads until the client ends the connection; nothing is expected. */
static void wait_end(int fd)
{
    char bytes[256];
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
}

/* How a connection goes on after a request. */
enum after { AFTER_NEXT, AFTER_CLOSE, AFTER_CLIENT_ENDED };

static enum after fd_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return AFTER_CLOSE;
}

/* answer: does what one request says. */
static enum after answer(int fd, const struct order *order)
{
    size_t half = order->size / 2;
    if (order->kind == LOOPBACK_HANG) {
        wait_end(fd);
        return AFTER_CLIENT_ENDED;
    }
    if (!send_head(fd, order)) {
        return AFTER_CLIENT_ENDED;
    }
    switch (order->kind) {
    case LOOPBACK_EMPTY:
        return AFTER_NEXT;
    case LOOPBACK_LENGTH:
    case LOOPBACK_SLOW:
        return send_body(fd, order, 0, order->size) ? AFTER_NEXT : AFTER_CLIENT_ENDED;
    case LOOPBACK_CHUNKED:
        return send_body(fd, order, 0, order->size) && send_all(fd, "0\r\n\r\n", 5)
                   ? AFTER_NEXT
                   : AFTER_CLIENT_ENDED;
    case LOOPBACK_CLOSE:
    case LOOPBACK_LAST:
        return send_body(fd, order, 0, order->size) ? AFTER_CLOSE : AFTER_CLIENT_ENDED;
    case LOOPBACK_TRUNCATED:
        return send_body(fd, order, 0, half) ? AFTER_CLOSE : AFTER_CLIENT_ENDED;
    case LOOPBACK_RESET:
        return send_body(fd, order, 0, half) ? fd_reset(fd) : AFTER_CLIENT_ENDED;
    case LOOPBACK_PART:
        if (send_body(fd, order, 0, half)) {
            wait_end(fd);
        }
        return AFTER_CLIENT_ENDED;
    case LOOPBACK_HANG:
        break;
    }
    LB_UNREACHABLE("an order is an enum loopback_kind");
}

/* skip_body: reads the rest of a request of which `extra` bytes stand behind the head. A chunked body ends
 * where five bytes are those of the last chunk: those of a test hold no line's end. */
static bool skip_body(int fd, const char *head, const char *end, size_t extra)
{
    char tail[5] = {0};
    char piece[1024];
    const char *field = strstr(head, "\r\nContent-Length: ");
    bool is_chunked = strstr(head, "\r\nTransfer-Encoding: chunked") != NULL;
    size_t length = field == NULL ? 0 : (size_t)strtoul(strchr(field, ':') + 1, NULL, 10);
    size_t got = 0;
    const char *bytes = end;
    size_t size = extra;
    while (true) {
        for (size_t i = 0; i < size; i++) {
            memmove(tail, tail + 1, 4);
            tail[4] = bytes[i];
        }
        got += size;
        if (is_chunked ? memcmp(tail, "0\r\n\r\n", 5) == 0 : got >= length) {
            LB_ASSERT(is_chunked || got == length); /* nobody pipelines */
            return true;
        }
        ssize_t count = recv(fd, piece, sizeof piece, 0);
        if (count <= 0) {
            return false;
        }
        bytes = piece;
        size = (size_t)count;
    }
}

/* read_order: reads one request and nothing behind it; false: the client has ended the connection. */
static bool read_order(int fd, struct order *ret_order)
{
    char bytes[REQUEST_MAX + 1];
    size_t size = 0;
    bytes[0] = '\0';
    while (strstr(bytes, "\r\n\r\n") == NULL) {
        LB_ASSERT(size < REQUEST_MAX);
        ssize_t count = recv(fd, bytes + size, REQUEST_MAX - size, 0);
        if (count <= 0) {
            return false;
        }
        size += (size_t)count;
        bytes[size] = '\0';
    }
    unsigned kind = 0;
    unsigned number = 0;
    size_t body_size = 0;
    const char *end = strstr(bytes, "\r\n\r\n") + 4;
    int count = sscanf(bytes, "%*[A-Z] /%u/%u/%zu HTTP/1.1\r\n", &kind, &number, &body_size);
    LB_ASSERT(count == 3);
    LB_ASSERT(kind < LOOPBACK_KIND_COUNT);
    *ret_order = (struct order){(enum loopback_kind)kind, number, body_size};
    return skip_body(fd, bytes, end, size - (size_t)(end - bytes));
}

static void *connection_main(void *argument)
{
    struct connection *c = argument;
    struct order order;
    enum after after = AFTER_NEXT;
    while (after == AFTER_NEXT) {
        if (!read_order(c->fd, &order)) {
            after = AFTER_CLIENT_ENDED;
        } else {
            server_lock(c->server);
            c->server->request_count++;
            server_unlock(c->server);
            after = answer(c->fd, &order);
        }
    }
    server_lock(c->server);
    c->server->ended_count += after == AFTER_CLIENT_ENDED;
    (void)close(c->fd);
    c->fd = -1;
    c->is_done = true;
    server_unlock(c->server);
    return NULL;
}

/* -- the server -- */

/* server_join: joins the connections that have ended; with the lock. Returns one that is free. */
static struct connection *server_join(struct loopback *server)
{
    struct connection *unused = NULL;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &server->connections[i];
        if (c->has_thread && c->is_done) {
            int error = pthread_join(c->thread, NULL);
            LB_ASSERT(error == 0);
            c->has_thread = false;
        }
        unused = c->has_thread ? unused : c;
    }
    return unused;
}

static void server_accept(struct loopback *server, int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    server_lock(server);
    struct connection *c = server_join(server);
    LB_ASSERT(c != NULL); /* a test stays below CONNECTIONS_MAX */
    if (server->is_stopping) {
        (void)close(fd);
    } else {
        *c = (struct connection){.server = server, .fd = fd, .has_thread = true};
        server->accepted_count++;
        int error = pthread_create(&c->thread, NULL, connection_main, c);
        LB_ASSERT(error == 0);
    }
    server_unlock(server);
}

static void *server_main(void *argument)
{
    struct loopback *server = argument;
    int fd = accept(server->fd, NULL, NULL);
    while (fd >= 0) {
        server_accept(server, fd);
        fd = accept(server->fd, NULL, NULL);
    }
    return NULL; /* shut down */
}

/* listen_on: a listening descriptor on the host, and its port. */
static int listen_on(const char *host, uint16_t *ret_port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_six = strcmp(host, "::1") == 0;
    LB_ASSERT(is_six || strcmp(host, "127.0.0.1") == 0);
    struct sockaddr *address = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t size = is_six ? sizeof six : sizeof four;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LB_ASSERT(fd >= 0);
    int error = bind(fd, address, size);
    LB_ASSERT(error == 0);
    error = listen(fd, 128);
    LB_ASSERT(error == 0);
    error = getsockname(fd, address, &size);
    LB_ASSERT(error == 0);
    *ret_port = ntohs(is_six ? six.sin6_port : four.sin_port);
    return fd;
}

struct loopback *loopback_start(const char *host)
{
    struct loopback *server = calloc(1, sizeof *server);
    LB_ASSERT(server != NULL);
    server->host = host;
    server->fd = listen_on(host, &server->port);
    int error = pthread_mutex_init(&server->lock, NULL);
    LB_ASSERT(error == 0);
    error = pthread_create(&server->thread, NULL, server_main, server);
    LB_ASSERT(error == 0);
    return server;
}

void loopback_close_all(struct loopback *server)
{
    server_lock(server);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &server->connections[i];
        if (c->has_thread && c->fd >= 0) {
            (void)shutdown(c->fd, SHUT_RDWR);
        }
    }
    server_unlock(server);
}

void loopback_stop(struct loopback **server_pointer)
{
    struct loopback *server = *server_pointer;
    *server_pointer = NULL;
    if (server == NULL) {
        return;
    }
    server_lock(server);
    server->is_stopping = true;
    server_unlock(server);
    (void)shutdown(server->fd, SHUT_RDWR);
    int error = pthread_join(server->thread, NULL);
    LB_ASSERT(error == 0);
    loopback_close_all(server);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].has_thread) {
            error = pthread_join(server->connections[i].thread, NULL);
            LB_ASSERT(error == 0);
        }
    }
    (void)close(server->fd);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *loopback_host(const struct loopback *server)
{
    return server->host;
}

uint16_t loopback_port(const struct loopback *server)
{
    LB_ASSERT(server->port != 0);
    return server->port;
}

/* server_read: one counter, under the lock. */
static uint32_t server_read(struct loopback *server, const uint32_t *counter)
{
    server_lock(server);
    uint32_t value = *counter;
    server_unlock(server);
    return value;
}

uint32_t loopback_accepted(struct loopback *server)
{
    return server_read(server, &server->accepted_count);
}

uint32_t loopback_ended(struct loopback *server)
{
    return server_read(server, &server->ended_count);
}

uint32_t loopback_requests(struct loopback *server)
{
    return server_read(server, &server->request_count);
}

/* -- ports that do not answer -- */

/* four_loopback: 127.0.0.1, at a port. */
static struct sockaddr_in four_loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int loopback_bind(uint16_t *ret_port)
{
    struct sockaddr_in address = four_loopback(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LB_ASSERT(fd >= 0);
    int error = bind(fd, (struct sockaddr *)&address, size);
    LB_ASSERT(error == 0);
    error = getsockname(fd, (struct sockaddr *)&address, &size);
    LB_ASSERT(error == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

struct loopback_stalled loopback_stall(void)
{
    struct loopback_stalled stalled;
    stalled.fd = loopback_bind(&stalled.port);
    struct sockaddr_in address = four_loopback(stalled.port);
    int error = listen(stalled.fd, 0);
    LB_ASSERT(error == 0);
    for (size_t i = 0; i < LOOPBACK_STALLED_MAX; i++) {
        stalled.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        LB_ASSERT(stalled.fds[i] >= 0);
        (void)connect(stalled.fds[i], (struct sockaddr *)&address, sizeof address);
    }
    return stalled;
}

void loopback_unstall(const struct loopback_stalled *stalled)
{
    for (size_t i = 0; i < LOOPBACK_STALLED_MAX; i++) {
        (void)close(stalled->fds[i]);
    }
    (void)close(stalled->fd);
}

/* -- what the process holds -- */

static uint32_t entry_count(const char *path)
{
    uint32_t count = 0;
    DIR *folder = opendir(path);
    LB_ASSERT(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(folder);
    return count;
}

uint32_t loopback_fd_count(void)
{
    return entry_count("/proc/self/fd"); /* one of them is the folder's own, each time */
}

uint32_t loopback_thread_count(void)
{
    return entry_count("/proc/self/task");
}

static void *nothing_main(void *argument)
{
    return argument;
}

void loopback_warm_up(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing_main, NULL);
    LB_ASSERT(error == 0);
    error = pthread_join(thread, NULL);
    LB_ASSERT(error == 0);
    loopback_pause(100); /* the kernel forgets it a little later */
}

void loopback_pause(uint32_t milliseconds)
{
    struct timespec duration = {.tv_sec = milliseconds / 1000,
                                .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&duration, NULL);
}
