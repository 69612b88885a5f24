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

#include <zlib.h>

#include "core/assert.h"

#define CONNECTIONS_MAX 512
#define REQUEST_MAX 1024 /* bytes of a request's head */
#define PIECE_SIZE 4096  /* bytes sent at once, and of the longest chunk */
#define TAIL "these bytes stand behind the end of gzip"
#define LEFTOVER "more" /* what stands behind a body, in one segment with its end */

/* One connection; free while it has no thread. */
struct connection {
    struct loopback *server;
    pthread_t thread;
    int fd;
    bool has_thread;
    bool is_done; /* its thread is about to end: join it */
    size_t input_start, input_end;
    char input[REQUEST_MAX + 1]; /* with a NUL behind it, for its own thread */
};

struct loopback {
    const char *host;
    uint16_t port;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool is_stopping;
    bool is_open; /* the gate of LOOPBACK_GATED */
    uint32_t accepted_count, ended_count, closed_count, request_count, junk_count;
    struct connection connections[CONNECTIONS_MAX];
};

/* What a request asks for. */
struct order {
    enum loopback_kind kind;
    uint32_t number;
    size_t size; /* of the body, or of what HEAD says about it */
    bool is_head;
    bool is_coded;   /* the answer comes in gzip */
    bool has_upload; /* the request has a body, */
    bool is_chunked; /* in chunks, */
    bool is_expect;  /* and waits for 100-continue */
    size_t upload_size;
    enum loopback_upload upload;
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
    if (order->is_head) {
        return true;
    }
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
        if (order->kind == LOOPBACK_LEFTOVER && start + size == end) {
            used += (size_t)snprintf(piece + used, sizeof piece - used, "%s", LEFTOVER);
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
        (void)snprintf(framing, sizeof framing, "Content-Length: %zu\r\n%s", order->size,
                       order->kind == LOOPBACK_LEAVING ? "Connection: close\r\n" : "");
    }
    bool is_more = order->kind == LOOPBACK_LEFTOVER && order->is_head;
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nX-Number: %u\r\n%s\r\n%s",
                        is_empty ? "204 No Content" : "200 OK", (unsigned)order->number, framing,
                        is_more ? LEFTOVER : "");
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

/* code: the whole body in gzip. Gives a block of *ret_size bytes, released by free. */
static char *code(const struct order *order, size_t *ret_size)
{
    z_stream stream = {.next_in = NULL};
    int error = deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_HUFFMAN_ONLY);
    LB_ASSERT(error == Z_OK);
    size_t room = deflateBound(&stream, (uLong)order->size);
    char *plain = malloc(order->size + 1);
    char *coded = malloc(room);
    LB_ASSERT(plain != NULL);
    LB_ASSERT(coded != NULL);
    for (size_t i = 0; i < order->size; i++) {
        plain[i] = loopback_byte(order->number, i);
    }
    stream.next_in = (Bytef *)plain;
    stream.avail_in = (uInt)order->size;
    stream.next_out = (Bytef *)coded;
    stream.avail_out = (uInt)room;
    error = deflate(&stream, Z_FINISH);
    LB_ASSERT(error == Z_STREAM_END);
    *ret_size = stream.total_out;
    (void)deflateEnd(&stream);
    free(plain);
    return coded;
}

/* gate_wait: waits until the gate is open or the server stops. */
static void gate_wait(struct loopback *server)
{
    server_lock(server);
    while (!server->is_open && !server->is_stopping) {
        int error = pthread_cond_wait(&server->changed, &server->lock);
        LB_ASSERT(error == 0);
    }
    server_unlock(server);
}

/* answer_coded: answers in gzip, in two pieces; what stands behind waits for the gate. */
static enum after answer_coded(struct connection *c, const struct order *order)
{
    char head[256];
    size_t size = 0;
    char *coded = code(order, &size);
    size_t tail_size = order->kind == LOOPBACK_TAILED ? sizeof TAIL : 0;
    int head_size = snprintf(head, sizeof head,
                             "HTTP/1.1 200 OK\r\nX-Number: %u\r\nContent-Encoding: gzip\r\n"
                             "Content-Length: %zu\r\n\r\n",
                             (unsigned)order->number, size + tail_size);
    LB_ASSERT(head_size > 0);
    LB_ASSERT((size_t)head_size < sizeof head);
    bool is_sent = send_all(c->fd, head, (size_t)head_size) && send_all(c->fd, coded, size / 2) &&
                   send_all(c->fd, coded + size / 2, size - size / 2);
    free(coded);
    if (is_sent && tail_size > 0) {
        gate_wait(c->server);
        is_sent = send_all(c->fd, TAIL, tail_size);
    }
    return is_sent ? AFTER_NEXT : AFTER_CLIENT_ENDED;
}

/* say_junk: says something unasked, and counts it before anybody can have read it. */
static enum after say_junk(struct connection *c)
{
    loopback_pause(1);
    server_lock(c->server);
    c->server->junk_count++;
    server_unlock(c->server);
    if (send_all(c->fd, "junk\r\n", 6)) {
        wait_end(c->fd);
    }
    return AFTER_CLIENT_ENDED;
}

/* answer_whole: how the connection goes on behind a body that has been sent. */
static enum after answer_whole(struct connection *c, const struct order *order)
{
    switch (order->kind) {
    case LOOPBACK_EMPTY:
    case LOOPBACK_LENGTH:
    case LOOPBACK_SLOW:
    case LOOPBACK_GATED:
    case LOOPBACK_GZIP:
    case LOOPBACK_TAILED:
        return AFTER_NEXT;
    case LOOPBACK_CHUNKED:
        return order->is_head || send_all(c->fd, "0\r\n\r\n", 5) ? AFTER_NEXT : AFTER_CLIENT_ENDED;
    case LOOPBACK_CLOSE:
    case LOOPBACK_LAST:
    case LOOPBACK_TRUNCATED:
        return AFTER_CLOSE;
    case LOOPBACK_RESET:
        return fd_reset(c->fd);
    case LOOPBACK_LAST_RESET:
        loopback_pause(1); /* a reset takes bytes away that have not been read */
        return fd_reset(c->fd);
    case LOOPBACK_JUNK:
        return say_junk(c);
    case LOOPBACK_PART:
        if (order->is_head) {
            return AFTER_NEXT;
        }
        wait_end(c->fd);
        return AFTER_CLIENT_ENDED;
    case LOOPBACK_LEFTOVER:
    case LOOPBACK_LEAVING:
        wait_end(c->fd);
        return AFTER_CLIENT_ENDED;
    case LOOPBACK_HANG:
        break;
    }
    LB_UNREACHABLE("an order is an enum loopback_kind");
}

/* answer: does what one request says. */
static enum after answer(struct connection *c, const struct order *order)
{
    bool is_half = order->kind == LOOPBACK_TRUNCATED || order->kind == LOOPBACK_RESET ||
                   order->kind == LOOPBACK_PART;
    bool is_gated = order->kind == LOOPBACK_GATED;
    size_t half = order->size / 2;
    size_t size = order->kind == LOOPBACK_EMPTY ? 0 : is_half ? half : order->size;
    if (order->kind == LOOPBACK_HANG) {
        wait_end(c->fd);
        return AFTER_CLIENT_ENDED;
    }
    if (order->is_coded) {
        return answer_coded(c, order);
    }
    if (!send_head(c->fd, order) || !send_body(c->fd, order, 0, is_gated ? half : size)) {
        return AFTER_CLIENT_ENDED;
    }
    if (is_gated) {
        gate_wait(c->server);
        if (!send_body(c->fd, order, half, size)) {
            return AFTER_CLIENT_ENDED;
        }
    }
    return answer_whole(c, order);
}

/* input_more: waits for more bytes; false: the client has ended the connection. */
static bool input_more(struct connection *c)
{
    if (c->input_start == c->input_end) {
        c->input_start = 0;
        c->input_end = 0;
    }
    LB_ASSERT(c->input_end < REQUEST_MAX);
    ssize_t count = recv(c->fd, c->input + c->input_end, REQUEST_MAX - c->input_end, 0);
    if (count <= 0) {
        return false;
    }
    c->input_end += (size_t)count;
    c->input[c->input_end] = '\0';
    return true;
}

/* input_byte: takes one byte. */
static bool input_byte(struct connection *c, char *ret_byte)
{
    if (c->input_start == c->input_end && !input_more(c)) {
        return false;
    }
    *ret_byte = c->input[c->input_start++];
    return true;
}

/* order_parse: what the head of a request says. */
static struct order order_parse(const char *head)
{
    unsigned kind = 0;
    unsigned number = 0;
    unsigned upload = 0;
    char method[8] = "";
    struct order order = {.size = 0};
    int count =
        sscanf(head, "%7[A-Z] /%u/%u/%zu HTTP/1.1\r\n", method, &kind, &number, &order.size);
    LB_ASSERT(count == 4);
    LB_ASSERT(kind < LOOPBACK_KIND_COUNT);
    const char *length = strstr(head, "\r\nContent-Length: ");
    const char *mode = strstr(head, "\r\nX-Upload: ");
    order.kind = (enum loopback_kind)kind;
    order.number = number;
    order.is_head = strcmp(method, "HEAD") == 0;
    order.is_chunked = strstr(head, "\r\nTransfer-Encoding: chunked\r\n") != NULL;
    order.is_expect = strstr(head, "\r\nExpect: 100-continue\r\n") != NULL;
    LB_ASSERT(length == NULL || sscanf(length, "\r\nContent-Length: %zu", &order.upload_size) == 1);
    LB_ASSERT(mode == NULL || sscanf(mode, "\r\nX-Upload: %u", &upload) == 1);
    bool is_gzip = kind == LOOPBACK_GZIP || kind == LOOPBACK_TAILED;
    order.is_coded = is_gzip && !order.is_head && strstr(head, "gzip") != NULL;
    order.has_upload = order.is_chunked || order.upload_size > 0;
    order.upload = (enum loopback_upload)upload;
    return order;
}

/* read_order: reads the head of one request; false: the client has ended the connection. */
static bool read_order(struct connection *c, struct order *ret_order)
{
    /* Behind a body that was read behind its answer the next request may stand already. */
    c->input_end -= c->input_start;
    memmove(c->input, c->input + c->input_start, c->input_end);
    c->input[c->input_end] = '\0';
    c->input_start = 0;
    const char *end = strstr(c->input, "\r\n\r\n");
    while (end == NULL) {
        if (!input_more(c)) {
            return false;
        }
        end = strstr(c->input, "\r\n\r\n");
    }
    *ret_order = order_parse(c->input);
    c->input_start = (size_t)(end - c->input) + 4;
    LB_ASSERT(ret_order->has_upload || c->input_start == c->input_end); /* nobody pipelines */
    return true;
}

/* read_size: reads the line of a chunk's size. */
static bool read_size(struct connection *c, size_t *ret_size)
{
    char line[16];
    size_t used = 0;
    char byte = '\0';
    while (byte != '\n') {
        LB_ASSERT(used < sizeof line - 1);
        if (!input_byte(c, &byte)) {
            return false;
        }
        line[used++] = byte;
    }
    line[used] = '\0';
    LB_ASSERT(used > 2 && line[used - 2] == '\r');
    int count = sscanf(line, "%zx", ret_size);
    LB_ASSERT(count == 1);
    return true;
}

/* read_bytes: reads bytes of the request's body, each of which must be the right one. */
static bool read_bytes(struct connection *c, uint32_t number, size_t start, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = '\0';
        if (!input_byte(c, &byte)) {
            return false;
        }
        LB_ASSERT(byte == loopback_byte(number, start + i));
    }
    return true;
}

/* read_crlf: reads the end of a line. */
static bool read_crlf(struct connection *c)
{
    char bytes[2] = "";
    if (!input_byte(c, &bytes[0]) || !input_byte(c, &bytes[1])) {
        return false;
    }
    LB_ASSERT(bytes[0] == '\r');
    LB_ASSERT(bytes[1] == '\n');
    return true;
}

/* read_upload: reads the request's body; false: the client has ended the connection before its end. */
static bool read_upload(struct connection *c, const struct order *order)
{
    size_t start = 0;
    size_t size = order->upload_size;
    if (!order->is_chunked) {
        return read_bytes(c, order->number, 0, size);
    }
    do {
        if (!read_size(c, &size) || !read_bytes(c, order->number, start, size) || !read_crlf(c)) {
            return false;
        }
        start += size;
    } while (size > 0);
    return true;
}

/* serve: one request whose head has been read, its body included. */
static enum after serve(struct connection *c, const struct order *order)
{
    bool is_first =
        order->has_upload && order->upload == LOOPBACK_UPLOAD_FIRST && order->kind != LOOPBACK_HANG;
    bool is_continued = is_first && order->is_expect && order->number % 4 != 0;
    if (is_continued && !send_all(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25)) {
        return AFTER_CLIENT_ENDED;
    }
    if (is_first && !read_upload(c, order)) {
        return AFTER_CLIENT_ENDED;
    }
    enum after after = answer(c, order);
    if (after == AFTER_NEXT && order->has_upload && !is_first) {
        if (order->upload == LOOPBACK_UPLOAD_NEVER) {
            return AFTER_CLOSE;
        }
        return read_upload(c, order) ? AFTER_NEXT : AFTER_CLIENT_ENDED;
    }
    return after;
}

static void *connection_main(void *argument)
{
    struct connection *c = argument;
    struct order order;
    enum after after = AFTER_NEXT;
    while (after == AFTER_NEXT) {
        if (!read_order(c, &order)) {
            after = AFTER_CLIENT_ENDED;
        } else {
            server_lock(c->server);
            c->server->request_count++;
            server_unlock(c->server);
            after = serve(c, &order);
        }
    }
    server_lock(c->server);
    (void)close(c->fd);
    c->server->ended_count += after == AFTER_CLIENT_ENDED;
    c->server->closed_count += after == AFTER_CLOSE;
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
    error = pthread_cond_init(&server->changed, NULL);
    LB_ASSERT(error == 0);
    error = pthread_create(&server->thread, NULL, server_main, server);
    LB_ASSERT(error == 0);
    return server;
}

void loopback_open(struct loopback *server)
{
    server_lock(server);
    server->is_open = true;
    int error = pthread_cond_broadcast(&server->changed);
    LB_ASSERT(error == 0);
    server_unlock(server);
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
    int error = pthread_cond_broadcast(&server->changed);
    LB_ASSERT(error == 0);
    server_unlock(server);
    (void)shutdown(server->fd, SHUT_RDWR);
    error = pthread_join(server->thread, NULL);
    LB_ASSERT(error == 0);
    loopback_close_all(server);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].has_thread) {
            error = pthread_join(server->connections[i].thread, NULL);
            LB_ASSERT(error == 0);
        }
    }
    (void)close(server->fd);
    (void)pthread_cond_destroy(&server->changed);
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

uint32_t loopback_closed(struct loopback *server)
{
    return server_read(server, &server->closed_count);
}

uint32_t loopback_junks(struct loopback *server)
{
    return server_read(server, &server->junk_count);
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

uint32_t loopback_named_count(const char *prefix)
{
    uint32_t count = 0;
    DIR *folder = opendir("/proc/self/task");
    LB_ASSERT(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[300];
        char name[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file != NULL) { /* it may have ended meanwhile */
            count += fgets(name, sizeof name, file) != NULL &&
                     strncmp(name, prefix, strlen(prefix)) == 0;
            (void)fclose(file);
        }
    }
    (void)closedir(folder);
    return count;
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
