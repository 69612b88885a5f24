/*
 * Tests of the sockets over TCP by themselves: what socket.h promises of each call, against a server on
 * loopback. On threads, and with TEST_ON_LOOP on the loop.
 */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "test/loopback.h"
#include "test/memory_fixture.h"
#include "test/side.h"

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */

static struct world {
    struct lb_network *network; /* borrowed from the side */
    struct loopback *server;
    uint32_t fd_count; /* before the test */
} world;

static uint64_t now(void)
{
    struct lb_runtime *runtime = side_runtime();
    return runtime->ops->now(runtime);
}

static int setup(void **state)
{
    (void)state;
    world.fd_count = loopback_fd_count();
    side_begin(lb_memory_standard());
    world.network = side_network();
    world.server = loopback_start("127.0.0.1");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (side_is_left()) {
        return -1;
    }
    loopback_stop(&world.server);
    side_end();
    assert_int_equal(loopback_fd_count(), world.fd_count);
    return 0;
}

static void nothing_more(void)
{
}

/* A test: its scenario runs on this program's side. */
struct scenario {
    void (*function)(void **state);
};

static void scenario_run(void **state)
{
    const struct scenario *scenario = *state;
    side_run(scenario->function, nothing_more);
}

static struct lb_socket *open_socket(const char *scheme, const char *host)
{
    struct lb_socket *socket = NULL;
    struct lb_endpoint endpoint = {scheme, host, loopback_port(world.server)};
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &socket), LB_OK);
    return socket;
}

static void test_threads_tcp_has_a_name(void **state)
{
    (void)state;
    char expected[64];
    unsigned port = loopback_port(world.server);
    struct lb_socket *four = open_socket("http", "127.0.0.1");
    struct lb_socket *six = open_socket("http", "::1");
    (void)snprintf(expected, sizeof expected, "127.0.0.1:%u#1", port);
    assert_string_equal(four->ops->name(four), expected);
    (void)snprintf(expected, sizeof expected, "[::1]:%u#2", port);
    assert_string_equal(six->ops->name(six), expected);
    four->ops->close(&four, LB_SITE_SOCKET_CLOSE);
    six->ops->close(&six, LB_SITE_SOCKET_CLOSE);
    assert_null(four);
}

static void test_threads_tcp_without_memory_or_descriptors_does_not_open(void **state)
{
    (void)state;
    struct test_memory memory;
    struct lb_network *network = NULL;
    struct lb_socket *socket = NULL;
    struct lb_endpoint endpoint = {"http", "127.0.0.1", 80};
    struct rlimit limit;
    test_memory_init(&memory, 1);
    assert_int_equal(lb_network_tcp_new(&memory.memory, &network), LB_MEMORY);
    test_memory_init(&memory, 2);
    assert_int_equal(lb_network_tcp_new(&memory.memory, &network), LB_OK);
    assert_int_equal(network->ops->open(network, &endpoint, &socket), LB_MEMORY);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(network->ops->open(network, &endpoint, &socket), LB_MEMORY);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_null(socket);
    lb_network_tcp_free(&network);
    lb_network_tcp_free(&network); /* NULL is allowed */
    assert_int_equal(memory.block_count, 0);
    assert_int_equal(memory.size, 0);
}

static void test_threads_tcp_without_tls_refuses_https(void **state)
{
    (void)state;
    struct lb_socket *socket = open_socket("https", "127.0.0.1");
    assert_int_equal(socket->ops->connect(socket, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_REFUSED);
    socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
}

static void test_threads_tcp_tries_each_address_of_a_name(void **state)
{
    (void)state;
    /* "localhost" is both ::1, where nobody listens, and 127.0.0.1, or only the latter; a machine
     * without a hosts file and a resolver knows neither. */
    struct addrinfo *addresses = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &addresses) != 0) {
        print_message("localhost has no address here: nothing to try\n");
        return; /* skip() would leave the side in the middle of its run */
    }
    freeaddrinfo(addresses);
    struct lb_socket *socket = open_socket("http", "localhost");
    assert_int_equal(socket->ops->connect(socket, now() + 20000 * MS, LB_SITE_SOCKET_CONNECT),
                     LB_OK);
    socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
}

static void test_threads_tcp_waits_without_taking_bytes(void **state)
{
    (void)state;
    static const char request[] = "GET /0/1/1 HTTP/1.1\r\n\r\n";
    char bytes[512];
    size_t size = 0;
    struct lb_socket *s = open_socket("http", "127.0.0.1");
    assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
    assert_false(s->ops->is_pending(s));
    assert_int_equal(s->ops->read(s, NULL, 0, now() + 10 * MS, LB_SITE_SOCKET_READ_FIRST, &size),
                     LB_TIMEOUT);
    assert_int_equal(s->ops->read(s, bytes, 1, now() + 10 * MS, LB_SITE_SOCKET_READ_HEAD, &size),
                     LB_TIMEOUT);
    assert_int_equal(
        s->ops->write(s, request, sizeof request - 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size),
        LB_OK);
    assert_int_equal(size, sizeof request - 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(s->ops->read(s, NULL, 0, LB_NEVER, LB_SITE_SOCKET_READ_FIRST, &size),
                         LB_OK);
        assert_true(s->ops->is_pending(s));
    }
    assert_int_equal(s->ops->read(s, bytes, 8, LB_NEVER, LB_SITE_SOCKET_READ_HEAD, &size), LB_OK);
    assert_memory_equal(bytes, "HTTP/1.1", 8);
    loopback_close_all(world.server);
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        status = s->ops->read(s, bytes, sizeof bytes, LB_NEVER, LB_SITE_SOCKET_READ_BODY, &size);
    }
    assert_int_equal(status, LB_END);
    assert_true(s->ops->is_pending(s)); /* the end is there */
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    assert_int_equal(s->ops->read(s, bytes, 1, LB_NEVER, LB_SITE_SOCKET_READ_BODY, &size),
                     LB_CLOSED);
    assert_int_equal(s->ops->read(s, NULL, 0, LB_NEVER, LB_SITE_SOCKET_READ_FIRST, &size),
                     LB_CLOSED);
    assert_int_equal(s->ops->write(s, request, 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size),
                     LB_CLOSED);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

/* A reset that the write found first is still a reset, and no end, to the reader. */
static void test_threads_tcp_keeps_a_reset_that_a_write_found(void **state)
{
    (void)state;
    static const char request[] = "GET /7/1/0 HTTP/1.1\r\n\r\n"; /* LOOPBACK_RESET, no body */
    char bytes[512];
    size_t size = 0;
    uint32_t taken = loopback_requests(world.server);
    struct lb_socket *s = open_socket("http", "127.0.0.1");
    assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
    assert_int_equal(
        s->ops->write(s, request, sizeof request - 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size),
        LB_OK);
    for (uint32_t i = 0; i < PATIENCE_MS && loopback_requests(world.server) == taken; i++) {
        side_pause(1); /* more bytes belong behind the request, not into it */
    }
    assert_int_equal(loopback_requests(world.server), taken + 1);
    enum lb_status status = LB_OK;
    for (uint32_t i = 0; i < PATIENCE_MS && status == LB_OK; i++) {
        side_pause(1);
        status = s->ops->write(s, "x", 1, LB_NEVER, LB_SITE_SOCKET_WRITE, &size);
    }
    assert_int_equal(status, LB_RESET);
    status = LB_OK;
    while (status == LB_OK) {
        status = s->ops->read(s, bytes, sizeof bytes, LB_NEVER, LB_SITE_SOCKET_READ_BODY, &size);
    }
    assert_int_equal(status, LB_RESET);
    assert_true(s->ops->is_pending(s));
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

/* A call on a socket beside the scenario. */
struct socket_call {
    struct lb_socket *socket;
    enum lb_status status;
};

static void connect_main(void *argument)
{
    struct socket_call *call = argument;
    call->status = call->socket->ops->connect(call->socket, LB_NEVER, LB_SITE_SOCKET_CONNECT);
}

static void write_main(void *argument)
{
    static const char bytes[65536];
    struct socket_call *call = argument;
    size_t size = 0;
    call->status = LB_OK;
    while (call->status == LB_OK) {
        call->status = call->socket->ops->write(call->socket, bytes, sizeof bytes, LB_NEVER,
                                                LB_SITE_SOCKET_WRITE, &size);
    }
}

/* expect_shutdown_unblocks: a call that blocks for good on a socket to a port that stalls. */
static void expect_shutdown_unblocks(struct lb_socket *socket, void (*function)(void *))
{
    struct socket_call call = {.socket = socket};
    struct side_task task;
    side_start(&task, function, &call);
    side_pause(50);
    socket->ops->shutdown(socket, LB_SITE_SOCKET_SHUTDOWN);
    side_finish(&task);
    assert_int_equal(call.status, LB_CLOSED);
    socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
}

static void test_threads_tcp_shutdown_unblocks_connect_and_write(void **state)
{
    (void)state;
    struct lb_socket *socket = NULL;
    uint16_t port = 0;
    int fd = loopback_bind(&port); /* listens, and never reads */
    assert_int_equal(listen(fd, 8), 0);
    struct lb_endpoint endpoint = {"http", "127.0.0.1", port};
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &socket), LB_OK);
    assert_int_equal(socket->ops->connect(socket, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
    expect_shutdown_unblocks(socket, write_main);
    assert_int_equal(close(fd), 0);

    struct loopback_stalled stalled = loopback_stall();
    endpoint.port = stalled.port;
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &socket), LB_OK);
    expect_shutdown_unblocks(socket, connect_main);
    loopback_unstall(&stalled);
}

/* A peer that takes what is written to it, in a thread of its own whatever the side. */
struct sink {
    pthread_t thread;
    int fd; /* listens */
    size_t size;
    bool is_right; /* each byte was as written */
};

static char sink_byte(size_t index)
{
    return (char)(index % 251);
}

static void *sink_main(void *argument)
{
    struct sink *sink = argument;
    static char bytes[30011];
    int fd = accept(sink->fd, NULL, NULL);
    ssize_t count = fd < 0 ? -1 : 1;
    while (count > 0) {
        count = recv(fd, bytes, sizeof bytes, 0);
        for (ssize_t i = 0; i < count; i++) {
            sink->is_right = sink->is_right && bytes[i] == sink_byte(sink->size++);
        }
    }
    (void)close(fd);
    return NULL;
}

/* More than the kernel has room for: a write takes a part, and goes on when there is room again. */
static void test_threads_tcp_write_goes_on_when_there_is_room(void **state)
{
    (void)state;
    enum { SINK_SIZE = 20000000 };
    static char bytes[251 * 4000];
    struct sink sink = {.is_right = true};
    struct lb_socket *s = NULL;
    struct lb_endpoint endpoint = {"http", "127.0.0.1", 0};
    bool was_cut = false;
    sink.fd = loopback_bind(&endpoint.port);
    assert_int_equal(listen(sink.fd, 8), 0);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = sink_byte(i);
    }
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &s), LB_OK);
    assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
    size_t sent = 0;
    while (sent < SINK_SIZE) {
        size_t size = 0;
        size_t at = sent % 251;
        size_t room = SINK_SIZE - sent < sizeof bytes - at ? SINK_SIZE - sent : sizeof bytes - at;
        enum lb_status status =
            s->ops->write(s, bytes + at, room, LB_NEVER, LB_SITE_SOCKET_WRITE, &size);
        assert_int_equal(status, LB_OK);
        sent += size;
        if (size < room && !was_cut) { /* nobody reads before it was full once */
            was_cut = true;
            assert_int_equal(pthread_create(&sink.thread, NULL, sink_main, &sink), 0);
        }
    }
    assert_true(was_cut);
    s->ops->shutdown(s, LB_SITE_SOCKET_SHUTDOWN);
    assert_int_equal(pthread_join(sink.thread, NULL), 0);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
    assert_int_equal(close(sink.fd), 0);
    assert_int_equal(sink.size, SINK_SIZE);
    assert_true(sink.is_right);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
        "test_" SIDE_NAME "_tcp_" #name, scenario_run, setup, teardown, &(struct scenario)         \
        {                                                                                          \
            test_threads_tcp_##name                                                                \
        }                                                                                          \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(has_a_name),
        TEST(without_memory_or_descriptors_does_not_open),
        TEST(without_tls_refuses_https),
        TEST(tries_each_address_of_a_name),
        TEST(waits_without_taking_bytes),
        TEST(keeps_a_reset_that_a_write_found),
        TEST(shutdown_unblocks_connect_and_write),
        TEST(write_goes_on_when_there_is_room),
    };
    return cmocka_run_group_tests_name(SIDE_NAME "_tcp", tests, NULL, NULL);
}
