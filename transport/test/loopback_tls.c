/*
 * A scripted server with TLS: one thread that accepts, one per connection, which blocks in the kernel; to
 * end it, its socket is shut down.
 *
 * OpenSSL writes to sockets with write(2), so the server's threads block SIGPIPE. The client's do not need
 * to, and nobody else in the process does.
 */
#include "test/loopback_tls.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/assert.h"

#define CONNECTIONS_MAX 512 /* of a server, at once */
#define REQUEST_MAX 1024    /* bytes of a request's head */
#define PIECE_SIZE 20000    /* bytes sent at once: more than a record */
#define HANDSHAKE 22        /* the first byte of a record of TLS's own (RFC 8446 section 5.1) */
#define ECHO_UPDATE 20      /* pieces of an echo between two changes of keys */

struct connection {
    struct secure_server *server;
    pthread_t thread;
    int fd;   /* -1: closed, its thread is about to end */
    SSL *ssl; /* NULL: without TLS */
    bool has_thread;
};

struct secure_server {
    struct secure_options options;
    uint16_t port;
    int fd;
    SSL_CTX *context;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    bool is_stopping;
    struct secure_seen seen;
    struct connection connections[CONNECTIONS_MAX];
};

static void server_lock(struct secure_server *server)
{
    int error = pthread_mutex_lock(&server->lock);
    LB_ASSERT(error == 0);
}

static void server_unlock(struct secure_server *server)
{
    int error = pthread_mutex_unlock(&server->lock);
    LB_ASSERT(error == 0);
}

/* server_count: one more of something. */
static void server_count(struct secure_server *server, uint32_t *counter)
{
    server_lock(server);
    (*counter)++;
    server_unlock(server);
}

void secure_target(const struct secure_order *order, char ret_target[LOOPBACK_TARGET_MAX])
{
    LB_ASSERT(order->part <= 4);
    int size = snprintf(ret_target, LOOPBACK_TARGET_MAX, "/%u/%u/%u/%u/%zu",
                        (unsigned)order->framing, (unsigned)order->after, (unsigned)order->part,
                        (unsigned)order->number, order->size);
    LB_ASSERT(size > 0);
    LB_ASSERT(size < LOOPBACK_TARGET_MAX);
}

/* -- a connection -- */

static bool send_all(struct connection *c, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t count = 0;
        if (c->ssl != NULL) {
            if (SSL_write_ex(c->ssl, bytes, size, &count) != 1) {
                return false;
            }
        } else {
            ssize_t sent = send(c->fd, bytes, size, MSG_NOSIGNAL);
            count = sent > 0 ? (size_t)sent : 0;
        }
        if (count == 0) {
            return false;
        }
        bytes += count;
        size -= count;
    }
    return true;
}

/* receive: some bytes; 0: there will be no more. */
static size_t receive(struct connection *c, char *bytes, size_t size)
{
    size_t count = 0;
    if (c->ssl == NULL) {
        ssize_t got = recv(c->fd, bytes, size, 0);
        return got > 0 ? (size_t)got : 0;
    }
    if (SSL_read_ex(c->ssl, bytes, size, &count) == 1) {
        return count;
    }
    if (SSL_get_error(c->ssl, 0) == SSL_ERROR_ZERO_RETURN) {
        server_count(c->server, &c->server->seen.notified);
    }
    return 0;
}

/* stay: until the client ends the connection. */
static void stay(struct connection *c)
{
    char bytes[256];
    while (receive(c, bytes, sizeof bytes) > 0) {
    }
}

static bool send_head(struct connection *c, const struct secure_order *order)
{
    char head[256];
    char framing[64] = "";
    if (order->framing == SECURE_LENGTH) {
        (void)snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", order->size);
    } else if (order->framing == SECURE_CHUNKED) {
        (void)snprintf(framing, sizeof framing, "Transfer-Encoding: chunked\r\n");
    }
    int size = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n%s\r\n", framing);
    LB_ASSERT(size > 0);
    return send_all(c, head, (size_t)size);
}

static bool send_body(struct connection *c, const struct secure_order *order)
{
    char piece[PIECE_SIZE + 32];
    size_t end = order->size / 4 * order->part + order->size % 4 * (order->part == 4);
    bool is_chunked = order->framing == SECURE_CHUNKED;
    bool is_sent = true;
    for (size_t start = 0; start < end && is_sent;) {
        size_t size = end - start < PIECE_SIZE ? end - start : PIECE_SIZE;
        size_t used = is_chunked ? (size_t)snprintf(piece, sizeof piece, "%zx\r\n", size) : 0;
        for (size_t i = 0; i < size; i++) {
            piece[used++] = loopback_byte(order->number, start + i);
        }
        if (is_chunked) {
            piece[used++] = '\r';
            piece[used++] = '\n';
        }
        is_sent = send_all(c, piece, used);
        start += size;
    }
    bool is_whole = order->part == 4;
    return is_sent && (!is_chunked || !is_whole || send_all(c, "0\r\n\r\n", 5));
}

/* say_own: TLS says something of its own. */
static void say_own(struct connection *c)
{
    LB_ASSERT(c->ssl != NULL);
    loopback_pause(20); /* until the client's connection is idle, or not: both are right */
    bool is_said = c->server->options.version == TLS1_3_VERSION
                       ? SSL_new_session_ticket(c->ssl) == 1 && SSL_do_handshake(c->ssl) == 1 &&
                             SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED) == 1
                       : SSL_renegotiate(c->ssl) == 1;
    LB_ASSERT(is_said);
    (void)SSL_do_handshake(c->ssl);
    server_count(c->server, &c->server->seen.said);
}

/* go_on: what comes behind a body; false: the connection is over. */
static bool go_on(struct connection *c, enum secure_after after)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    switch (after) {
    case SECURE_NEXT:
        return true;
    case SECURE_TICKET:
        say_own(c);
        return true;
    case SECURE_NOTIFY:
        (void)SSL_shutdown(c->ssl);
        return false;
    case SECURE_RESET:
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        return false;
    case SECURE_FIN:
        return false;
    case SECURE_JUNK:
        loopback_pause(20);
        (void)send_all(c, "junk", 4);
        server_count(c->server, &c->server->seen.said);
        stay(c);
        return false;
    case SECURE_STAY:
        stay(c);
        return false;
    }
    LB_UNREACHABLE("an order's after is an enum secure_after");
}

/* echo: sends back what comes; false: the connection is over. */
static bool echo(struct connection *c, size_t size)
{
    char bytes[PIECE_SIZE];
    bool is_updating = c->server->options.version == TLS1_3_VERSION;
    for (uint32_t pieces = 0; size > 0; pieces++) {
        size_t count = receive(c, bytes, size < sizeof bytes ? size : sizeof bytes);
        if (count == 0) {
            return false;
        }
        if (is_updating && pieces % ECHO_UPDATE == 0) {
            (void)SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED); /* goes out with the bytes */
        }
        if (!send_all(c, bytes, count)) {
            return false;
        }
        size -= count;
    }
    return true;
}

/* read_head: reads one request's head and nothing behind it; false: the connection is over. */
static bool read_head(struct connection *c, char head[REQUEST_MAX + 1])
{
    size_t size = 0;
    head[0] = '\0';
    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        LB_ASSERT(size < REQUEST_MAX);
        if (receive(c, head + size, 1) == 0) {
            return false;
        }
        head[++size] = '\0';
    }
    return true;
}

/* serve: one request; false: the connection is over. */
static bool serve(struct connection *c)
{
    char head[REQUEST_MAX + 1];
    if (!read_head(c, head)) {
        return false;
    }
    server_count(c->server, &c->server->seen.requests);
    unsigned framing = 0;
    unsigned after = 0;
    unsigned part = 0;
    unsigned number = 0;
    size_t size = 0;
    if (sscanf(head, "ECHO /%zu\r\n", &size) == 1) {
        return echo(c, size);
    }
    int count =
        sscanf(head, "GET /%u/%u/%u/%u/%zu HTTP/1.1\r\n", &framing, &after, &part, &number, &size);
    LB_ASSERT(count == 5);
    LB_ASSERT(framing <= SECURE_UNTIL_CLOSE);
    LB_ASSERT(after <= SECURE_TICKET);
    struct secure_order order = {(enum secure_framing)framing, (enum secure_after)after, part,
                                 number, size};
    return send_head(c, &order) && send_body(c, &order) && go_on(c, order.after);
}

/* shake_hands: begins TLS, if the client does; false: it failed. */
static bool shake_hands(struct connection *c)
{
    unsigned char first = 0;
    if (recv(c->fd, &first, 1, MSG_PEEK) != 1) {
        return false;
    }
    if (first != HANDSHAKE) {
        return true;
    }
    c->ssl = SSL_new(c->server->context);
    LB_ASSERT(c->ssl != NULL);
    int is_set = SSL_set_fd(c->ssl, c->fd);
    LB_ASSERT(is_set == 1);
    if (SSL_accept(c->ssl) != 1) {
        return false;
    }
    const char *name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    const unsigned char *protocol = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(c->ssl, &protocol, &size);
    server_lock(c->server);
    struct secure_seen *seen = &c->server->seen;
    (void)snprintf(seen->name, sizeof seen->name, "%s", name == NULL ? "" : name);
    (void)snprintf(seen->protocol, sizeof seen->protocol, "%.*s", (int)size,
                   size == 0 ? "" : (const char *)protocol);
    server_unlock(c->server);
    return true;
}

static void *connection_main(void *argument)
{
    struct connection *c = argument;
    char bytes[256];
    if (c->server->options.is_silent) {
        while (recv(c->fd, bytes, sizeof bytes, 0) > 0) {
        }
    } else if (shake_hands(c)) {
        while (serve(c)) {
        }
    }
    SSL_free(c->ssl);
    server_lock(c->server);
    (void)close(c->fd);
    c->fd = -1;
    c->server->seen.ended++;
    server_unlock(c->server);
    return NULL;
}

/* -- the server -- */

/* server_unused: a place for a connection, perhaps of one that has ended; with the lock. */
static struct connection *server_unused(struct secure_server *server)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = &server->connections[i];
        if (c->has_thread && c->fd < 0) {
            int error = pthread_join(c->thread, NULL);
            LB_ASSERT(error == 0);
            c->has_thread = false;
        }
        if (!c->has_thread) {
            return c;
        }
    }
    LB_UNREACHABLE("a test stays below CONNECTIONS_MAX");
}

static void server_accept(struct secure_server *server, int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    server_lock(server);
    if (server->is_stopping) {
        (void)close(fd);
    } else {
        struct connection *c = server_unused(server);
        server->seen.accepted++;
        *c = (struct connection){.server = server, .fd = fd, .has_thread = true};
        int error = pthread_create(&c->thread, NULL, connection_main, c);
        LB_ASSERT(error == 0);
    }
    server_unlock(server);
}

static void *server_main(void *argument)
{
    struct secure_server *server = argument;
    sigset_t pipe_only;
    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    int error =
        pthread_sigmask(SIG_BLOCK, &pipe_only, NULL); /* and so in all threads that it makes */
    LB_ASSERT(error == 0);
    int fd = accept(server->fd, NULL, NULL);
    while (fd >= 0) {
        server_accept(server, fd);
        fd = accept(server->fd, NULL, NULL);
    }
    return NULL; /* shut down */
}

static int choose_protocol(SSL *ssl, const unsigned char **ret_protocol, unsigned char *ret_size,
                           const unsigned char *offered, unsigned offered_size, void *argument)
{
    static const unsigned char known[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)argument;
    int result =
        SSL_select_next_proto(&chosen, ret_size, known, sizeof known - 1, offered, offered_size);
    *ret_protocol = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *context_new(const struct secure_options *options)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    LB_ASSERT(context != NULL);
    authority_issue(options->authority, options->identity, &key, &certificate);
    bool is_set = SSL_CTX_set_min_proto_version(context, options->version) == 1 &&
                  SSL_CTX_set_max_proto_version(context, options->version) == 1 &&
                  SSL_CTX_use_certificate(context, certificate) == 1 &&
                  SSL_CTX_use_PrivateKey(context, key) == 1;
    LB_ASSERT(is_set);
    if (options->version < TLS1_2_VERSION) { /* which the library has to be talked into */
        SSL_CTX_set_security_level(context, 0);
    }
    if (options->record_size > 0) {
        int is_sized = (int)SSL_CTX_set_max_send_fragment(context, (long)options->record_size);
        LB_ASSERT(is_sized == 1);
    }
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    EVP_PKEY_free(key);
    X509_free(certificate);
    return context;
}

/* listen_on: a listening descriptor on the host, and its port. */
static int listen_on(const char *host, uint16_t *ret_port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_six = strcmp(host, "::1") == 0;
    struct sockaddr *address = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t size = is_six ? sizeof six : sizeof four;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LB_ASSERT(fd >= 0);
    int error = bind(fd, address, size);
    LB_ASSERT(error == 0);
    error = listen(fd, 64);
    LB_ASSERT(error == 0);
    error = getsockname(fd, address, &size);
    LB_ASSERT(error == 0);
    *ret_port = ntohs(is_six ? six.sin6_port : four.sin_port);
    return fd;
}

struct secure_server *secure_start(const struct secure_options *options)
{
    struct secure_server *server = calloc(1, sizeof *server);
    LB_ASSERT(server != NULL);
    server->options = *options;
    server->context = context_new(options);
    server->fd = listen_on(options->host, &server->port);
    int error = pthread_mutex_init(&server->lock, NULL);
    LB_ASSERT(error == 0);
    error = pthread_create(&server->thread, NULL, server_main, server);
    LB_ASSERT(error == 0);
    return server;
}

void secure_stop(struct secure_server **server_pointer)
{
    struct secure_server *server = *server_pointer;
    *server_pointer = NULL;
    if (server == NULL) {
        return;
    }
    server_lock(server);
    server->is_stopping = true;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].has_thread && server->connections[i].fd >= 0) {
            (void)shutdown(server->connections[i].fd, SHUT_RDWR);
        }
    }
    server_unlock(server);
    (void)shutdown(server->fd, SHUT_RDWR);
    int error = pthread_join(server->thread, NULL);
    LB_ASSERT(error == 0);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (server->connections[i].has_thread) {
            error = pthread_join(server->connections[i].thread, NULL);
            LB_ASSERT(error == 0);
        }
    }
    (void)close(server->fd);
    SSL_CTX_free(server->context);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

uint16_t secure_port(const struct secure_server *server)
{
    LB_ASSERT(server->port != 0);
    return server->port;
}

struct secure_seen secure_look(struct secure_server *server)
{
    server_lock(server);
    struct secure_seen seen = server->seen;
    server_unlock(server);
    return seen;
}

bool loopback_resolves(const char *name)
{
    struct addrinfo *addresses = NULL;
    if (getaddrinfo(name, NULL, NULL, &addresses) != 0) {
        return false;
    }
    freeaddrinfo(addresses);
    return true;
}
