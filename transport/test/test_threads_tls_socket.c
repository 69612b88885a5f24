/*
 * Tests of the sockets with TLS by themselves: what socket.h and tls.h promise of each call.
 *
 * Mental model: each test runs twice, with TLS 1.2 and with TLS 1.3. The peer is a scripted server, or,
 * where it matters which bytes come when, a session of OpenSSL's that the test drives by hand (peer). SIGPIPE
 * has its default effect throughout, and would end the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "lastbyte/lastbyte.h"
#include "socket/tls_trust.h"
#include "test/loopback_tls.h"
#include "test/memory_fixture.h"

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */
#define PATIENCE_NS (PATIENCE_MS * MS)
#define ECHO_SIZE 4000000
#define RACES 300
#define FLOOD_SIZE 100000
#define FLOOD_ENOUGH 40000 /* more than a call takes, less than a socket's first buffer */

static struct world {
    struct authority authority; /* for all tests of a version */
    int version;
    struct lb_network *network;
    struct secure_server *server;
    uint32_t fd_count; /* before the test */
} world;

static uint64_t now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

static uint64_t soon(void)
{
    return now() + PATIENCE_NS;
}

static int setup(void **state)
{
    (void)state;
    struct lb_tls_options options = {.ca_file = world.authority.path};
    struct secure_options server_options = {
        .host = "127.0.0.1", .authority = &world.authority, .version = world.version};
    world.fd_count = loopback_fd_count();
    assert_int_equal(lb_network_tls_new(&options, lb_memory_standard(), &world.network), LB_OK);
    world.server = secure_start(&server_options);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    secure_stop(&world.server);
    lb_network_tls_free(&world.network);
    assert_int_equal(loopback_fd_count(), world.fd_count);
    return 0;
}

/* -- short forms of a socket's calls -- */

static struct lb_socket *open_at(const char *scheme, const char *host, uint16_t port)
{
    struct lb_socket *socket = NULL;
    struct lb_endpoint endpoint = {scheme, host, port};
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &socket), LB_OK);
    return socket;
}

static struct lb_socket *open_connected(void)
{
    struct lb_socket *s = open_at("https", "127.0.0.1", secure_port(world.server));
    assert_int_equal(s->ops->connect(s, soon(), LB_SITE_SOCKET_CONNECT), LB_OK);
    return s;
}

static enum lb_status look(struct lb_socket *s, uint64_t deadline_ns)
{
    size_t size = 0;
    return s->ops->read(s, NULL, 0, deadline_ns, LB_SITE_SOCKET_READ_FIRST, &size);
}

static enum lb_status take(struct lb_socket *s, void *bytes, size_t size, size_t *ret_size)
{
    return s->ops->read(s, bytes, size, soon(), LB_SITE_SOCKET_READ_BODY, ret_size);
}

/* take_to_end: reads and drops everything; returns what it ends with. */
static enum lb_status take_to_end(struct lb_socket *s)
{
    char bytes[1000];
    size_t size = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        status = take(s, bytes, sizeof bytes, &size);
    }
    return status;
}

static void say(struct lb_socket *s, const char *text)
{
    size_t size = 0;
    assert_int_equal(s->ops->write(s, text, strlen(text), soon(), LB_SITE_SOCKET_WRITE, &size),
                     LB_OK);
    assert_int_equal(size, strlen(text));
}

/* ask: an order for a body of `size` bytes. */
static void ask(struct lb_socket *s, enum secure_after after, size_t size)
{
    char target[LOOPBACK_TARGET_MAX];
    char head[LOOPBACK_TARGET_MAX + 32];
    struct secure_order order = {SECURE_LENGTH, after, 4, 1, size};
    secure_target(&order, target);
    (void)snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n\r\n", target);
    say(s, head);
}

/* A call on a socket in another thread. */
struct socket_call {
    struct lb_socket *socket;
    pthread_t thread;
    enum lb_status status;
    atomic_bool is_done;
};

static void *look_main(void *argument)
{
    struct socket_call *call = argument;
    call->status = look(call->socket, LB_NEVER);
    atomic_store(&call->is_done, true);
    return NULL;
}

static void *connect_main(void *argument)
{
    struct socket_call *call = argument;
    call->status = call->socket->ops->connect(call->socket, LB_NEVER, LB_SITE_SOCKET_CONNECT);
    return NULL;
}

static void *write_main(void *argument)
{
    static const char bytes[65536];
    struct socket_call *call = argument;
    size_t size = 0;
    call->status = LB_OK;
    while (call->status == LB_OK) {
        call->status = call->socket->ops->write(call->socket, bytes, sizeof bytes, LB_NEVER,
                                                LB_SITE_SOCKET_WRITE, &size);
    }
    return NULL;
}

static void *write_one_main(void *argument)
{
    struct socket_call *call = argument;
    size_t size = 0;
    call->status =
        call->socket->ops->write(call->socket, "x", 1, soon(), LB_SITE_SOCKET_WRITE, &size);
    return NULL;
}

static void call_start(struct socket_call *call, struct lb_socket *socket, void *(*main)(void *))
{
    *call = (struct socket_call){.socket = socket};
    assert_int_equal(pthread_create(&call->thread, NULL, main, call), 0);
}

static enum lb_status call_finish(struct socket_call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    return call->status;
}

/* -- a peer driven by hand -- */

/* One connection of a server whose bytes go where and when the test says. */
struct peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out; /* of ssl, which owns them */
    int listener;
    int fd;
    uint16_t port;
};

static void peer_init(struct peer *peer)
{
    EVP_PKEY *key = NULL;
    X509 *certificate = NULL;
    *peer = (struct peer){.context = SSL_CTX_new(TLS_server_method()), .fd = -1};
    peer->listener = loopback_bind(&peer->port);
    assert_int_equal(listen(peer->listener, 4), 0);
    authority_issue(&world.authority, IDENTITY_LOOPBACK, &key, &certificate);
    assert_int_equal(SSL_CTX_set_max_proto_version(peer->context, world.version), 1);
    assert_int_equal(SSL_CTX_use_certificate(peer->context, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(peer->context, key), 1);
    assert_int_equal(SSL_CTX_set_num_tickets(peer->context, 0), 1);
    EVP_PKEY_free(key);
    X509_free(certificate);
    peer->ssl = SSL_new(peer->context);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_accept_state(peer->ssl);
}

static void peer_deinit(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->context);
    assert_int_equal(close(peer->listener), 0);
    if (peer->fd >= 0) {
        assert_int_equal(close(peer->fd), 0);
    }
}

/* peer_send: sends `size` bytes of what the session has said, or all of it. */
static void peer_send(struct peer *peer, size_t size)
{
    char *bytes = NULL;
    size_t left = (size_t)BIO_get_mem_data(peer->out, &bytes);
    size = size < left ? size : left;
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    assert_int_equal(BIO_read(peer->out, copy, (int)size), size);
    assert_int_equal(send(peer->fd, copy, size, MSG_NOSIGNAL), size);
    free(copy);
}

static void peer_receive(struct peer *peer)
{
    char bytes[4096];
    ssize_t count = recv(peer->fd, bytes, sizeof bytes, 0);
    assert_true(count > 0);
    assert_int_equal(BIO_write(peer->in, bytes, (int)count), count);
}

/* peer_meet: accepts a connection and shakes hands on it. Gives the client's socket. */
static struct lb_socket *peer_meet(struct peer *peer)
{
    struct socket_call call;
    struct lb_socket *socket = open_at("https", "127.0.0.1", peer->port);
    call_start(&call, socket, connect_main);
    peer->fd = accept(peer->listener, NULL, NULL);
    assert_true(peer->fd >= 0);
    int one = 1;
    assert_int_equal(setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    while (SSL_do_handshake(peer->ssl) != 1) {
        if (BIO_pending(peer->out) > 0) {
            peer_send(peer, SIZE_MAX);
        } else {
            peer_receive(peer);
        }
    }
    if (BIO_pending(peer->out) > 0) {
        peer_send(peer, SIZE_MAX);
    }
    assert_int_equal(call_finish(&call), LB_OK);
    return socket;
}

/* -- making networks and sockets -- */

static void test_threads_tls_socket_has_the_name_of_its_tcp_socket(void **state)
{
    (void)state;
    struct lb_socket *first = open_at("http", "localhost", 80);
    struct lb_socket *second = open_at("https", "::1", 443);
    assert_string_equal(first->ops->name(first), "localhost:80#1");
    assert_string_equal(second->ops->name(second), "[::1]:443#2");
    first->ops->close(&first, LB_SITE_SOCKET_CLOSE);
    second->ops->close(&second, LB_SITE_SOCKET_CLOSE);
    assert_null(second);
}

static void test_threads_tls_socket_without_memory_or_descriptors_does_not_open(void **state)
{
    (void)state;
    struct test_memory memory;
    struct lb_tls_options options = {.ca_file = world.authority.path};
    struct lb_network *network = NULL;
    struct lb_socket *socket = NULL;
    struct lb_endpoint endpoint = {"https", "127.0.0.1", 443};
    struct rlimit limit;
    for (size_t fail_at = 1; fail_at <= 4; fail_at++) { /* two of the network, two of the socket */
        test_memory_init(&memory, fail_at);
        enum lb_status status = lb_network_tls_new(&options, &memory.memory, &network);
        assert_int_equal(status, fail_at <= 2 ? LB_MEMORY : LB_OK);
        if (status == LB_OK) {
            assert_int_equal(network->ops->open(network, &endpoint, &socket), LB_MEMORY);
        }
        lb_network_tls_free(&network);
        assert_true(memory.has_failed);
        assert_int_equal(memory.block_count, 0);
        assert_int_equal(memory.size, 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int next_fd = dup(world.authority.fd);
    assert_true(next_fd >= 0);
    assert_int_equal(close(next_fd), 0);
    for (uint32_t more = 0; more < 2; more++) { /* a descriptor for TCP, none for TLS */
        struct rlimit few = {.rlim_cur = (rlim_t)next_fd + more, .rlim_max = limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        assert_int_equal(world.network->ops->open(world.network, &endpoint, &socket), LB_MEMORY);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    assert_null(socket);
}

static void test_threads_tls_socket_needs_authorities_that_can_be_read(void **state)
{
    (void)state;
    struct lb_network *network = NULL;
    struct lb_tls_options options = {.ca_file = "/dev/null"};
    assert_int_equal(lb_network_tls_new(&options, lb_memory_standard(), &network), LB_REFUSED);
    options.ca_file = "/nowhere/authorities.pem";
    assert_int_equal(lb_network_tls_new(&options, lb_memory_standard(), &network), LB_REFUSED);
    assert_null(network);
}

static void test_threads_tls_socket_finds_authorities_in_a_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/lastbyte-test-XXXXXX";
    char path[64];
    int is_hashed = 0;
    assert_non_null(mkdtemp(folder));
    unsigned long hash = X509_NAME_hash_ex(X509_get_subject_name(world.authority.certificate), NULL,
                                           NULL, &is_hashed);
    assert_int_equal(is_hashed, 1);
    (void)snprintf(path, sizeof path, "%s/%08lx.0", folder, hash);
    assert_int_equal(symlink(world.authority.path, path), 0);
    lb_network_tls_free(&world.network);
    struct lb_tls_options options = {.ca_folder = folder};
    assert_int_equal(lb_network_tls_new(&options, lb_memory_standard(), &world.network), LB_OK);
    struct lb_socket *s = open_connected();
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* A watch that knows what it will be told. */
struct expecting_watch {
    struct lb_tls_watch watch; /* first */
    uint32_t count;
};

static void watch_expects_host(struct lb_tls_watch *watch, const struct lb_endpoint *endpoint,
                               const char *name, enum lb_status status, const char *reason)
{
    assert_string_equal(endpoint->scheme, "https");
    assert_non_null(strchr(name, '#'));
    assert_int_equal(status, LB_REFUSED);
    assert_string_equal(reason, "no certificate can be for such a host");
    ((struct expecting_watch *)(void *)watch)->count++;
}

/* An empty name would mean "whoever", a leading dot "whoever below". */
static void test_threads_tls_socket_refuses_hosts_that_nobody_is_certified_for(void **state)
{
    (void)state;
    static const char *const hosts[] = {"", ".", ".localhost", "%lo:"};
    struct expecting_watch watch = {.watch = {watch_expects_host}};
    struct lb_tls_options options = {.ca_file = world.authority.path, .watch = &watch.watch};
    lb_network_tls_free(&world.network);
    assert_int_equal(lb_network_tls_new(&options, lb_memory_standard(), &world.network), LB_OK);
    for (uint32_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct lb_socket *s = open_at("https", hosts[i], secure_port(world.server));
        assert_int_equal(s->ops->connect(s, soon(), LB_SITE_SOCKET_CONNECT), LB_REFUSED);
        assert_int_equal(watch.count, i + 1);
        s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
        assert_int_equal(watch.count, i + 1);
    }
    assert_int_equal(secure_look(world.server).accepted, 0);
}

/* A host, and what OpenSSL is told about it. */
struct naming {
    const char *host;
    const char *name;    /* NULL: none */
    const char *address; /* NULL: none */
};

static void test_threads_tls_socket_names_hosts_as_certificates_do(void **state)
{
    (void)state;
    static const struct naming namings[] = {
        {"www.example.com", "www.example.com", NULL},
        {"www.example.com.", "www.example.com", NULL},
        {"192.0.2.7", NULL, "192.0.2.7"},
        {"2001:db8::7", NULL, "2001:DB8:0:0:0:0:0:7"},
        {"fe80::7%eth0", NULL, "FE80:0:0:0:0:0:0:7"},
    };
    struct lb_tls_options options = {.ca_file = world.authority.path};
    SSL_CTX *context = NULL;
    assert_int_equal(lbi_tls_context_new(&options, &context), LB_OK);
    for (size_t i = 0; i < sizeof namings / sizeof namings[0]; i++) {
        const struct naming *naming = &namings[i];
        SSL *ssl = SSL_new(context);
        assert_true(lbi_tls_set_host(ssl, naming->host, true));
        const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        const char *name = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0);
        char *address = X509_VERIFY_PARAM_get1_ip_asc(SSL_get0_param(ssl));
        assert_string_equal(asked == NULL ? "" : asked, naming->name == NULL ? "" : naming->name);
        assert_string_equal(name == NULL ? "" : name, naming->name == NULL ? "" : naming->name);
        assert_string_equal(address == NULL ? "" : address,
                            naming->address == NULL ? "" : naming->address);
        OPENSSL_free(address);
        SSL_free(ssl);
    }
    assert_int_equal(SSL_CTX_get_min_proto_version(context), TLS1_2_VERSION);
    SSL_CTX_free(context);
}

/* -- what is pending -- */

/* TLS 1.3: the two tickets behind the handshake make TCP readable. */
static void test_threads_tls_socket_waits_without_taking_bytes(void **state)
{
    (void)state;
    char bytes[16];
    size_t size = 0;
    struct lb_socket *s = open_connected();
    loopback_pause(20);
    assert_false(s->ops->is_pending(s));
    uint64_t deadline_ns = now() + 20 * MS;
    assert_int_equal(look(s, deadline_ns), LB_TIMEOUT);
    assert_true(now() >= deadline_ns);
    assert_int_equal(s->ops->read(s, bytes, 1, 0, LB_SITE_SOCKET_READ_HEAD, &size), LB_TIMEOUT);
    ask(s, SECURE_NOTIFY, 100);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(look(s, soon()), LB_OK);
        assert_true(s->ops->is_pending(s));
    }
    assert_int_equal(take(s, bytes, 8, &size), LB_OK);
    assert_int_equal(size, 8);
    assert_memory_equal(bytes, "HTTP/1.1", 8);
    assert_true(
        s->ops->is_pending(s)); /* the rest of the record, of which TCP has nothing any more */
    assert_int_equal(look(s, 0), LB_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(take_to_end(s), LB_END);
        assert_true(s->ops->is_pending(s)); /* the end is there */
        assert_int_equal(look(s, 0), LB_OK);
    }
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    assert_int_equal(take(s, bytes, 1, &size), LB_CLOSED);
    assert_int_equal(look(s, LB_NEVER), LB_CLOSED);
    assert_true(s->ops->is_pending(s));
    assert_int_equal(s->ops->write(s, "x", 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size), LB_CLOSED);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

static void test_threads_tls_socket_part_of_a_record_is_nothing(void **state)
{
    (void)state;
    struct peer peer;
    char byte = 0;
    size_t size = 0;
    peer_init(&peer);
    struct lb_socket *s = peer_meet(&peer);
    assert_int_equal(SSL_write(peer.ssl, "x", 1), 1);
    peer_send(&peer, 10);
    loopback_pause(20);
    assert_false(s->ops->is_pending(s));
    assert_int_equal(look(s, now() + 10 * MS), LB_TIMEOUT);
    peer_send(&peer, SIZE_MAX);
    assert_int_equal(look(s, soon()), LB_OK);
    assert_true(s->ops->is_pending(s));
    assert_int_equal(take(s, &byte, 1, &size), LB_OK);
    assert_int_equal(byte, 'x');
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    peer_deinit(&peer);
}

/* Bytes that is_pending takes from TCP are not lost for a reader that polls for them at that moment. */
static void test_threads_tls_socket_look_does_not_take_from_a_reader(void **state)
{
    (void)state;
    struct peer peer;
    char byte = 0;
    size_t size = 0;
    peer_init(&peer);
    struct lb_socket *s = peer_meet(&peer);
    for (size_t i = 0; i < RACES; i++) {
        struct socket_call call;
        call_start(&call, s, look_main);
        loopback_pause((uint32_t)(i % 2)); /* mostly it polls then, but never has to */
        assert_int_equal(SSL_write(peer.ssl, "x", 1), 1);
        peer_send(&peer, SIZE_MAX);
        while (!s->ops->is_pending(s)) {
        }
        for (uint32_t waited = 0; !atomic_load(&call.is_done) && waited < PATIENCE_MS; waited++) {
            loopback_pause(1);
        }
        assert_true(atomic_load(&call.is_done));
        assert_int_equal(call_finish(&call), LB_OK);
        assert_int_equal(take(s, &byte, 1, &size), LB_OK);
    }
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    peer_deinit(&peer);
}

/* peer_await_arrival: waits until the client's kernel has all but `left` of the bytes sent. */
static void peer_await_arrival(const struct peer *peer, int left)
{
    int unacknowledged = 0;
    for (uint32_t waited = 0; waited < PATIENCE_MS; waited++) {
        assert_int_equal(ioctl(peer->fd, SIOCOUTQ, &unacknowledged), 0);
        if (unacknowledged <= left) {
            return;
        }
        loopback_pause(1);
    }
    fail_msg("%d bytes have not arrived", unacknowledged);
}

/* A peer that never stops to say nothing neither holds up others nor passes for quiet. */
static void test_threads_tls_socket_flood_of_tickets_is_pending(void **state)
{
    (void)state;
    if (world.version != TLS1_3_VERSION) {
        skip();
    }
    struct peer peer;
    peer_init(&peer);
    struct lb_socket *s = peer_meet(&peer);
    while (BIO_pending(peer.out) < FLOOD_SIZE) {
        assert_int_equal(SSL_new_session_ticket(peer.ssl), 1);
        assert_int_equal(SSL_do_handshake(peer.ssl), 1);
    }
    assert_false(s->ops->is_pending(s));
    peer_send(&peer, SIZE_MAX);
    peer_await_arrival(&peer, FLOOD_SIZE - FLOOD_ENOUGH);
    assert_true(s->ops->is_pending(s));
    assert_int_equal(look(s, now() + 100 * MS), LB_TIMEOUT);
    for (uint32_t i = 0; s->ops->is_pending(s); i++) { /* until all of it has come and gone */
        assert_true(i < PATIENCE_MS);
        loopback_pause(1);
    }
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    peer_deinit(&peer);
}

/* -- writing -- */

/* fatten: makes a session ticket longer than a small record. */
static int fatten(SSL *ssl, void *argument)
{
    static const char bytes[2000];
    (void)argument;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), bytes, sizeof bytes);
}

/* peer_say_half: sends the first records of a session ticket, and leaves the others. */
static void peer_say_half(struct peer *peer)
{
    assert_int_equal(SSL_new_session_ticket(peer->ssl), 1);
    assert_int_equal(SSL_do_handshake(peer->ssl), 1);
    assert_true(BIO_pending(peer->out) > 2000);
    peer_send(peer, 1000);
    loopback_pause(1);
}

/* In the middle of a message of TLS's own nothing can be written; its end may be read by the reader, while
 * the writer polls for it. */
static void test_threads_tls_socket_write_waits_for_the_rest_of_a_message(void **state)
{
    (void)state;
    if (world.version != TLS1_3_VERSION) {
        skip();
    }
    struct peer peer;
    size_t size = 0;
    peer_init(&peer);
    assert_int_equal(SSL_set_max_send_fragment(peer.ssl, 512), 1);
    assert_int_equal(SSL_CTX_set_session_ticket_cb(peer.context, fatten, NULL, NULL), 1);
    struct lb_socket *s = peer_meet(&peer);
    peer_say_half(&peer);
    assert_false(s->ops->is_pending(s));
    assert_int_equal(s->ops->write(s, "x", 1, now() + 20 * MS, LB_SITE_SOCKET_WRITE, &size),
                     LB_TIMEOUT);
    peer_send(&peer, SIZE_MAX);
    assert_int_equal(s->ops->write(s, "x", 1, soon(), LB_SITE_SOCKET_WRITE, &size), LB_OK);
    struct socket_call reader;
    call_start(&reader, s, look_main);
    for (size_t i = 0; i < RACES; i++) {
        struct socket_call writer;
        peer_say_half(&peer);
        call_start(&writer, s, write_one_main);
        if (i % 2 == 0) {
            loopback_pause(1);
        }
        peer_send(&peer, SIZE_MAX);
        assert_int_equal(call_finish(&writer), LB_OK);
    }
    assert_false(atomic_load(&reader.is_done));
    assert_int_equal(SSL_write(peer.ssl, "x", 1), 1);
    peer_send(&peer, SIZE_MAX);
    assert_int_equal(call_finish(&reader), LB_OK);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    peer_deinit(&peer);
}

static void test_threads_tls_socket_write_that_times_out_is_the_last(void **state)
{
    (void)state;
    struct peer peer;
    static char bytes[65536];
    size_t size = 0;
    size_t sum = 0;
    peer_init(&peer);
    struct lb_socket *s = peer_meet(&peer); /* and never reads */
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        status =
            s->ops->write(s, bytes, sizeof bytes, now() + 50 * MS, LB_SITE_SOCKET_WRITE, &size);
        assert_true(size <= 16384);
        sum += size;
    }
    assert_int_equal(status, LB_TIMEOUT);
    assert_true(sum > 0);
    peer_receive(&peer); /* now there is room */
    assert_int_equal(s->ops->write(s, bytes, 1, soon(), LB_SITE_SOCKET_WRITE, &size), LB_TIMEOUT);
    assert_false(s->ops->is_pending(s)); /* reading goes on */
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    peer_deinit(&peer);
}

static char echo_byte(size_t index)
{
    return (char)('a' + index % 23);
}

static void *echo_main(void *argument)
{
    static char bytes[100000];
    struct socket_call *call = argument;
    struct lb_socket *s = call->socket;
    size_t size = 0;
    call->status = LB_OK;
    for (size_t sent = 0; sent < ECHO_SIZE && call->status == LB_OK; sent += size) {
        size_t wanted = 1 + sent * 7 % sizeof bytes;
        wanted = ECHO_SIZE - sent < wanted ? ECHO_SIZE - sent : wanted;
        for (size_t i = 0; i < wanted; i++) {
            bytes[i] = echo_byte(sent + i);
        }
        call->status = s->ops->write(s, bytes, wanted, LB_NEVER, LB_SITE_SOCKET_WRITE, &size);
    }
    return NULL;
}

static void test_threads_tls_socket_reads_and_writes_at_once(void **state)
{
    (void)state;
    static char bytes[30000];
    char head[64];
    struct socket_call call;
    struct lb_socket *s = open_connected();
    (void)snprintf(head, sizeof head, "ECHO /%u\r\n\r\n", (unsigned)ECHO_SIZE);
    say(s, head);
    call_start(&call, s, echo_main);
    for (size_t got = 0; got < ECHO_SIZE;) {
        size_t size = 0;
        assert_int_equal(take(s, bytes, 1 + got * 13 % sizeof bytes, &size), LB_OK);
        for (size_t i = 0; i < size; i++) {
            if (bytes[i] != echo_byte(got + i)) {
                fail_msg("byte %zu is wrong", got + i);
            }
        }
        got += size;
        (void)s->ops->is_pending(s);
    }
    assert_int_equal(call_finish(&call), LB_OK);
    assert_false(s->ops->is_pending(s));
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

/* -- the end -- */

/* A record with a wrong byte is the end of everything. */
static void test_threads_tls_socket_forged_record_is_a_reset(void **state)
{
    (void)state;
    struct peer peer;
    char *bytes = NULL;
    size_t size = 0;
    peer_init(&peer);
    struct lb_socket *s = peer_meet(&peer);
    assert_int_equal(SSL_write(peer.ssl, "hello", 5), 5);
    long left = BIO_get_mem_data(peer.out, &bytes);
    bytes[left - 1] ^= 1;
    peer_send(&peer, SIZE_MAX);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(look(s, soon()), LB_OK);
        assert_true(s->ops->is_pending(s));
        assert_int_equal(take_to_end(s), LB_RESET);
        assert_int_equal(s->ops->write(s, "x", 1, soon(), LB_SITE_SOCKET_WRITE, &size), LB_RESET);
    }
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    peer_deinit(&peer);
}

/* A reset that the write found first is no end to the reader, and SIGPIPE reaches nobody. */
static void test_threads_tls_socket_keeps_a_reset_that_a_write_found(void **state)
{
    (void)state;
    size_t size = 0;
    struct lb_socket *s = open_connected();
    ask(s, SECURE_RESET, 0);
    for (uint32_t i = 0; i < PATIENCE_MS && secure_look(world.server).ended == 0; i++) {
        loopback_pause(1); /* more bytes belong behind the request, not into it */
    }
    enum lb_status status = LB_OK;
    for (uint32_t i = 0; i < PATIENCE_MS && status == LB_OK; i++) {
        loopback_pause(1);
        status = s->ops->write(s, "x", 1, soon(), LB_SITE_SOCKET_WRITE, &size);
    }
    assert_int_equal(status, LB_RESET);
    assert_int_equal(take_to_end(s), LB_RESET);
    assert_true(s->ops->is_pending(s));
    assert_int_equal(s->ops->write(s, "x", 1, soon(), LB_SITE_SOCKET_WRITE, &size), LB_RESET);
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

/* Who has been told the end, closes, and is written to, answers with a reset: the kernel has a signal for
 * the next write. It reaches nobody, and the end remains an end. */
static void test_threads_tls_socket_write_behind_the_end_raises_no_signal(void **state)
{
    (void)state;
    size_t size = 0;
    struct lb_socket *s = open_connected();
    ask(s, SECURE_NOTIFY, 10);
    assert_int_equal(take_to_end(s), LB_END);
    for (uint32_t i = 0; i < PATIENCE_MS && secure_look(world.server).ended == 0; i++) {
        loopback_pause(1);
    }
    enum lb_status status = LB_OK;
    for (uint32_t i = 0; i < PATIENCE_MS && status == LB_OK; i++) {
        status = s->ops->write(s, "x", 1, soon(), LB_SITE_SOCKET_WRITE, &size);
        loopback_pause(1);
    }
    assert_int_equal(status, LB_RESET);
    assert_int_equal(take_to_end(s), LB_END);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

/* expect_shutdown_unblocks: a call that blocks for good; `s` is shut down and closed. */
static void expect_shutdown_unblocks(struct lb_socket *s, void *(*main)(void *))
{
    struct socket_call call;
    call_start(&call, s, main);
    loopback_pause(50);
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    assert_int_equal(call_finish(&call), LB_CLOSED);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

static void test_threads_tls_socket_shutdown_unblocks_everything(void **state)
{
    (void)state;
    struct peer peer;
    uint16_t port = 0;
    int fd = loopback_bind(&port); /* listens, and never says anything */
    assert_int_equal(listen(fd, 8), 0);
    expect_shutdown_unblocks(open_at("https", "127.0.0.1", port), connect_main);
    assert_int_equal(close(fd), 0);
    struct loopback_stalled stalled = loopback_stall();
    expect_shutdown_unblocks(open_at("https", "127.0.0.1", stalled.port), connect_main);
    loopback_unstall(&stalled);
    expect_shutdown_unblocks(open_connected(), look_main);
    peer_init(&peer);
    expect_shutdown_unblocks(peer_meet(&peer), write_main);
    peer_deinit(&peer);
    struct lb_socket *s = open_at("https", "127.0.0.1", secure_port(world.server));
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_CLOSED);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

/* A server that says something all the time, but never the end of the handshake. */
static void test_threads_tls_socket_handshake_that_drips_times_out(void **state)
{
    (void)state;
    static const char warning[] = "\x16\x03\x03\x01\x00\x02\x00\x00\xff"; /* of a longer message */
    struct socket_call call;
    uint16_t port = 0;
    int fd = loopback_bind(&port);
    assert_int_equal(listen(fd, 8), 0);
    struct lb_socket *s = open_at("https", "127.0.0.1", port);
    uint64_t begun_ns = now();
    call = (struct socket_call){.socket = s};
    call.status = LB_OK;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, connect_main, &call), 0);
    int peer_fd = accept(fd, NULL, NULL);
    for (size_t i = 0; i < 20; i++) {
        (void)send(peer_fd, warning + (i < 9 ? i : 8), 1, MSG_NOSIGNAL);
        loopback_pause(2);
    }
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(call.status, LB_CLOSED);
    assert_true(now() - begun_ns < PATIENCE_NS);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    s = open_at("https", "127.0.0.1", port);
    uint64_t deadline_ns = now() + 50 * MS;
    assert_int_equal(s->ops->connect(s, deadline_ns, LB_SITE_SOCKET_CONNECT), LB_TIMEOUT);
    assert_true(now() >= deadline_ns);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    assert_int_equal(close(peer_fd), 0);
    assert_int_equal(close(fd), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_threads_tls_socket_##name, setup, teardown)

/* run: all tests, with one version of TLS. */
static int run(int version, const char *name)
{
    const struct CMUnitTest tests[] = {
        TEST(has_the_name_of_its_tcp_socket),
        TEST(without_memory_or_descriptors_does_not_open),
        TEST(needs_authorities_that_can_be_read),
        TEST(finds_authorities_in_a_folder),
        TEST(refuses_hosts_that_nobody_is_certified_for),
        TEST(names_hosts_as_certificates_do),
        TEST(waits_without_taking_bytes),
        TEST(part_of_a_record_is_nothing),
        TEST(look_does_not_take_from_a_reader),
        TEST(flood_of_tickets_is_pending),
        TEST(write_waits_for_the_rest_of_a_message),
        TEST(write_that_times_out_is_the_last),
        TEST(reads_and_writes_at_once),
        TEST(forged_record_is_a_reset),
        TEST(keeps_a_reset_that_a_write_found),
        TEST(write_behind_the_end_raises_no_signal),
        TEST(shutdown_unblocks_everything),
        TEST(handshake_that_drips_times_out),
    };
    world.version = version;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    loopback_warm_up();
    authority_init(&world.authority);
    int failed = run(TLS1_2_VERSION, "threads_tls_socket 1.2") +
                 run(TLS1_3_VERSION, "threads_tls_socket 1.3");
    authority_deinit(&world.authority);
    return failed;
}
