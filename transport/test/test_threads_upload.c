/*
 * Tests of request bodies on threads and real sockets: early answers to large uploads, sources that
 * block, chunks that have to be seen at once, Expect, and an upgraded connection.
 *
 * Mental model: the server is a thread of the test that accepts one connection after the other and does
 * with each what the test's function says, with plain blocking calls. A source is a queue that the test
 * fills; it blocks while it is empty, until it is closed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "test/loopback.h"

#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */
#define LARGE (4u << 20)  /* more than the kernel keeps of what nobody reads */
#define ROUNDS 20

/* What the server does with a connection, until it returns. */
typedef void (*serve_fn)(int fd);

/* A source that gives what it has been fed. */
struct feed {
    struct lb_source source; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t fed, taken; /* bytes, all of them 'x' */
    bool is_ended;
    bool is_inside;
    uint32_t closed_count;
};

static struct world {
    struct lb_network *network;
    struct lb_transport *transport;
    struct feed feed;
    int listener;
    uint16_t port;
    serve_fn serve;
    pthread_t server;
    uint32_t fd_count, thread_count;
    struct lb_request *request;
    struct lb_response *response;
    enum lb_status status;
} world;

/* -- the source -- */

static struct feed *feed_of(struct lb_source *source)
{
    return (struct feed *)(void *)source;
}

static void feed_lock(struct feed *feed)
{
    assert_int_equal(pthread_mutex_lock(&feed->lock), 0);
}

static void feed_unlock(struct feed *feed)
{
    assert_int_equal(pthread_mutex_unlock(&feed->lock), 0);
}

static enum lb_status feed_read(struct lb_source *source, void *bytes, size_t size,
                                size_t *ret_size)
{
    struct feed *feed = feed_of(source);
    feed_lock(feed);
    feed->is_inside = true;
    while (feed->taken == feed->fed && !feed->is_ended && feed->closed_count == 0) {
        (void)pthread_cond_wait(&feed->changed, &feed->lock);
    }
    feed->is_inside = false;
    size_t left = feed->fed - feed->taken;
    size = size < left ? size : left;
    bool is_closed = feed->closed_count > 0;
    feed->taken += size;
    feed_unlock(feed);
    memset(bytes, 'x', size);
    *ret_size = size;
    return is_closed ? LB_CLOSED : size == 0 ? LB_END : LB_OK;
}

static void feed_close(struct lb_source *source)
{
    struct feed *feed = feed_of(source);
    feed_lock(feed);
    feed->closed_count++;
    (void)pthread_cond_broadcast(&feed->changed);
    feed_unlock(feed);
}

static const struct lb_source_ops feed_ops = {feed_read, feed_close, NULL};

/* feed_more: gives the source bytes, or its end. */
static void feed_more(size_t size, bool is_ended)
{
    feed_lock(&world.feed);
    world.feed.fed += size;
    world.feed.is_ended = is_ended;
    (void)pthread_cond_broadcast(&world.feed.changed);
    feed_unlock(&world.feed);
}

static uint32_t feed_closed_count(void)
{
    feed_lock(&world.feed);
    uint32_t count = world.feed.closed_count;
    feed_unlock(&world.feed);
    return count;
}

static bool feed_is_inside(void)
{
    feed_lock(&world.feed);
    bool is_inside = world.feed.is_inside;
    feed_unlock(&world.feed);
    return is_inside;
}

/* -- the server -- */

static void *server_run(void *argument)
{
    (void)argument;
    int fd = accept(world.listener, NULL, NULL);
    while (fd >= 0) {
        world.serve(fd);
        (void)close(fd);
        fd = accept(world.listener, NULL, NULL);
    }
    return NULL;
}

/* server_read: reads until the bytes end with `text`; false when the client ends first. */
static bool server_read(int fd, const char *text)
{
    char bytes[4096];
    size_t size = 0;
    size_t length = strlen(text);
    while (size < length || memcmp(bytes + size - length, text, length) != 0) {
        if (size == sizeof bytes || recv(fd, bytes + size, 1, 0) != 1) {
            return false;
        }
        size++;
    }
    return true;
}

static void server_write(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* server_drop: reads until the client ends. */
static void server_drop(int fd)
{
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
}

/* -- a world for each test -- */

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.fd_count = loopback_fd_count();
    world.thread_count = loopback_thread_count();
    world.listener = loopback_bind(&world.port);
    assert_int_equal(listen(world.listener, 8), 0);
    world.feed.source.ops = &feed_ops;
    assert_int_equal(pthread_mutex_init(&world.feed.lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&world.feed.changed, NULL), 0);
    assert_int_equal(pthread_create(&world.server, NULL, server_run, NULL), 0);
    assert_int_equal(lb_network_tcp_new(lb_memory_standard(), &world.network), LB_OK);
    struct lb_transport_options options;
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = lb_runtime_threads();
    options.network = world.network;
    options.continue_duration_ns = UINT64_C(60000000000);
    options.written_duration_ns = UINT64_C(20000000000); /* for the test that waits for it */
    assert_int_equal(lb_transport_new(&options, &world.transport), LB_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_request_free(&world.request);
    lb_transport_free(&world.transport);
    lb_network_tcp_free(&world.network);
    (void)shutdown(world.listener, SHUT_RDWR);
    assert_int_equal(pthread_join(world.server, NULL), 0);
    (void)close(world.listener);
    assert_int_equal(pthread_mutex_destroy(&world.feed.lock), 0);
    assert_int_equal(pthread_cond_destroy(&world.feed.changed), 0);
    uint32_t waited = 0;
    while (loopback_thread_count() != world.thread_count || loopback_fd_count() != world.fd_count) {
        assert_true(waited < PATIENCE_MS); /* the kernel forgets a joined thread a little later */
        loopback_pause(2);
        waited += 2;
    }
    return 0;
}

/* post: makes a request whose body is the feed. */
static void post(uint64_t size, bool is_expect)
{
    struct lb_request_options options = {
        .method = "POST",
        .endpoint = {.scheme = "http", .host = "127.0.0.1", .port = world.port},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .source = &world.feed.source,
        .source_size = size,
        .is_expect = is_expect,
    };
    lb_request_free(&world.request); /* from here on the last one's source is not touched */
    world.feed.fed = world.feed.taken = 0;
    world.feed.is_ended = false;
    world.feed.closed_count = 0;
    assert_int_equal(lb_request_new(world.transport, &options, &world.request), LB_OK);
}

static enum lb_status send_request(void)
{
    return lb_request_send(world.request, &world.response);
}

static void *send_run(void *argument)
{
    (void)argument;
    world.status = send_request();
    return NULL;
}

/* await_inside: until the source blocks somebody. */
static void await_inside(void)
{
    for (uint32_t waited = 0; !feed_is_inside(); waited += 2) {
        assert_true(waited < PATIENCE_MS);
        loopback_pause(2);
    }
}

/* expect_body: the response's code and body, to its end. */
static void expect_body(uint16_t code, const char *text)
{
    char bytes[64];
    size_t size = 0;
    enum lb_status status = LB_OK;
    assert_int_equal(lb_response_code(world.response), code);
    while (status == LB_OK) {
        size_t stored = 0;
        status = lb_body_read(lb_response_body(world.response), bytes + size, sizeof bytes - size,
                              &stored);
        size += stored;
    }
    assert_int_equal(status, LB_END);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
}

/* -- the tests -- */

/* An answer in the middle of an upload, then the end of the connection. */
static void serve_early(int fd)
{
    assert_true(server_read(fd, "\r\n\r\n"));
    server_write(fd, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
                     "Content-Length: 5\r\n\r\nlarge");
    (void)shutdown(fd, SHUT_WR);
    loopback_pause(1);
}

static void test_threads_upload_answer_beats_the_write_error(void **state)
{
    (void)state;
    world.serve = serve_early;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        post(LARGE, false);
        feed_more(LARGE, true);
        assert_int_equal(send_request(), LB_OK);
        expect_body(413, "large");
        lb_request_free(&world.request); /* by then, at the latest */
        assert_int_equal(feed_closed_count(), 1);
    }
}

static void serve_head(int fd)
{
    assert_true(server_read(fd, "\r\n\r\n"));
    server_drop(fd);
}

static void test_threads_upload_cancelled_while_its_source_blocks(void **state)
{
    pthread_t sender;
    (void)state;
    world.serve = serve_head;
    post(LB_SIZE_UNKNOWN, false);
    feed_more(10, false);
    assert_int_equal(pthread_create(&sender, NULL, send_run, NULL), 0);
    await_inside();
    lb_request_cancel(world.request);
    assert_int_equal(pthread_join(sender, NULL), 0);
    assert_int_equal(world.status, LB_CANCELLED);
    assert_false(feed_is_inside());
    assert_int_equal(feed_closed_count(), 1);
}

static void test_threads_upload_freed_while_its_source_blocks(void **state)
{
    pthread_t sender;
    (void)state;
    world.serve = serve_head;
    post(LB_SIZE_UNKNOWN, false);
    assert_int_equal(pthread_create(&sender, NULL, send_run, NULL), 0);
    await_inside();
    lb_transport_free(&world.transport);
    assert_int_equal(pthread_join(sender, NULL), 0);
    world.request = NULL; /* released with the transport */
    assert_int_equal(world.status, LB_CLOSED);
    assert_int_equal(feed_closed_count(), 1);
}

/* Each piece arrives before the next one is given. */
static void serve_pieces(int fd)
{
    assert_true(server_read(fd, "\r\n\r\n"));
    feed_more(3, false);
    assert_true(server_read(fd, "3\r\nxxx\r\n"));
    feed_more(2, false);
    assert_true(server_read(fd, "2\r\nxx\r\n"));
    feed_more(0, true);
    assert_true(server_read(fd, "0\r\n\r\n"));
    server_write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    server_drop(fd);
}

static void test_threads_upload_sends_each_piece_at_once(void **state)
{
    (void)state;
    world.serve = serve_pieces;
    post(LB_SIZE_UNKNOWN, false);
    assert_int_equal(send_request(), LB_OK);
    expect_body(200, "ok");
    struct lb_stats stats;
    lb_transport_stats(world.transport, NULL, &stats);
    assert_int_equal(stats.idle, 1);
}

static void serve_continue(int fd)
{
    char byte;
    assert_true(server_read(fd, "\r\n\r\n"));
    loopback_pause(20);
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1); /* the body waits */
    server_write(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(server_read(fd, "xxxx"));
    server_write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_true(server_read(fd, "\r\n\r\n"));
    server_write(fd, "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\n"
                     "Content-Length: 2\r\n\r\nno");
    assert_int_equal(recv(fd, &byte, 1, 0), 0); /* no byte of the body came */
}

static void test_threads_upload_waits_for_100(void **state)
{
    (void)state;
    world.serve = serve_continue;
    post(4, true);
    feed_more(4, false);
    assert_int_equal(send_request(), LB_OK);
    expect_body(200, "ok");
    post(4, true);
    feed_more(4, false);
    assert_int_equal(send_request(), LB_OK);
    expect_body(417, "no");
    lb_request_free(&world.request);
    assert_int_equal(world.feed.taken, 0);
    assert_int_equal(feed_closed_count(), 1);
}

static void serve_upgrade(int fd)
{
    assert_true(server_read(fd, "Upgrade: echo\r\n\r\n"));
    server_write(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nhello");
    assert_true(server_read(fd, "ping"));
    server_write(fd, "pong");
    server_drop(fd);
}

static void test_threads_upgraded_socket_speaks_both_ways(void **state)
{
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = "http", .host = "127.0.0.1", .port = world.port},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .upgrade = "echo",
    };
    struct lb_socket *socket = NULL;
    char bytes[16];
    size_t size = 0;
    size_t total = 0;
    (void)state;
    world.serve = serve_upgrade;
    assert_int_equal(lb_request_new(world.transport, &options, &world.request), LB_OK);
    assert_int_equal(send_request(), LB_OK);
    assert_int_equal(lb_response_take_socket(world.response, &socket), LB_OK);
    lb_transport_free(&world.transport); /* which the socket does not belong to any more */
    world.request = NULL;
    assert_int_equal(socket->ops->write(socket, "ping", 4, LB_NEVER, LB_SITE_NONE, &size), LB_OK);
    assert_int_equal(size, 4);
    while (total < 9) {
        assert_int_equal(socket->ops->read(socket, bytes + total, sizeof bytes - total, LB_NEVER,
                                           LB_SITE_NONE, &size),
                         LB_OK);
        total += size;
    }
    assert_memory_equal(bytes, "hellopong", 9);
    socket->ops->shutdown(socket, LB_SITE_SOCKET_SHUTDOWN);
    socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_threads_upload_answer_beats_the_write_error),
        TEST(test_threads_upload_cancelled_while_its_source_blocks),
        TEST(test_threads_upload_freed_while_its_source_blocks),
        TEST(test_threads_upload_sends_each_piece_at_once),
        TEST(test_threads_upload_waits_for_100),
        TEST(test_threads_upgraded_socket_speaks_both_ways),
    };
    loopback_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
