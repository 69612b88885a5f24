/*
 * Tests of coded bodies on threads and real sockets: callers that read them to the end, in part, or
 * while somebody else closes or cancels them; with draining, so that connections come back.
 *
 * Mental model: the server answers every request with the same gzip body in chunks, the last bytes a
 * little later. Each caller does one thing in each round, and takes the connections that the others
 * leave. Nothing is left at the end: no thread, no descriptor, and no memory that a sanitizer misses.
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
#include <zlib.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"
#include "test/loopback.h"

#define PATIENCE_MS 20000
#define CALLERS 4
#define ROUNDS 40
#define CONNECTIONS_MAX (CALLERS * ROUNDS)
#define TEXT_SIZE 40000

static struct world {
    struct lb_network *network;
    struct lb_transport *transport;
    int listener;
    uint16_t port;
    pthread_t acceptor;
    pthread_t servers[CONNECTIONS_MAX];
    size_t server_count; /* the acceptor's, until it has been joined */
    char text[TEXT_SIZE];
    char answer[TEXT_SIZE];
    size_t answer_size;
} world;

/* -- the server -- */

static void send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; /* the client has ended the connection: the next recv says so */
        }
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* serve: answers every request of a connection. */
static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char last[4] = "";
    char byte = 0;
    while (recv(fd, &byte, 1, 0) == 1) {
        memmove(last, last + 1, 3);
        last[3] = byte;
        if (memcmp(last, "\r\n\r\n", 4) == 0) {
            send_all(fd, world.answer, world.answer_size - 100);
            loopback_pause(1);
            send_all(fd, world.answer + world.answer_size - 100, 100);
        }
    }
    (void)close(fd);
    return NULL;
}

static void *accept_run(void *argument)
{
    int fd = -1;
    (void)argument;
    while ((fd = accept(world.listener, NULL, NULL)) >= 0) {
        LB_ASSERT(world.server_count < CONNECTIONS_MAX);
        int error =
            pthread_create(&world.servers[world.server_count++], NULL, serve, (void *)(intptr_t)fd);
        LB_ASSERT(error == 0);
    }
    return NULL;
}

/* answer_make: the text as gzip, in one chunk. */
static void answer_make(void)
{
    static char coded[TEXT_SIZE];
    z_stream stream = {.next_in = (Bytef *)world.text, .avail_in = TEXT_SIZE};
    uint32_t value = 1;
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        value = value * 1103515245u + 12345u;
        world.text[i] = (char)('a' + (value >> 16) % 16);
    }
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_out = (Bytef *)coded;
    stream.avail_out = sizeof coded;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_true(stream.total_out > TEXT_SIZE / 3); /* many reads of the socket */
    size_t size = (size_t)snprintf(world.answer, sizeof world.answer,
                                   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n%lx\r\n",
                                   stream.total_out);
    memcpy(world.answer + size, coded, stream.total_out);
    size += stream.total_out;
    memcpy(world.answer + size, "\r\n0\r\nA: b\r\n\r\n", 13);
    world.answer_size = size + 13;
    assert_int_equal(deflateEnd(&stream), Z_OK);
}

static void server_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    world.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(world.listener >= 0);
    assert_int_equal(bind(world.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(world.listener, 64), 0);
    assert_int_equal(getsockname(world.listener, (struct sockaddr *)&address, &size), 0);
    world.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&world.acceptor, NULL, accept_run, NULL), 0);
}

static void server_stop(void)
{
    (void)shutdown(world.listener, SHUT_RDWR);
    assert_int_equal(pthread_join(world.acceptor, NULL), 0);
    (void)close(world.listener);
    for (size_t i = 0; i < world.server_count; i++) {
        assert_int_equal(pthread_join(world.servers[i], NULL), 0);
    }
}

/* -- the callers; they assert with LB_ASSERT, for cmocka knows one thread only -- */

enum ending { TO_THE_END, CLOSE_EARLY, CLOSE_BESIDE, CANCEL_BESIDE, RELEASE_EARLY };

#define ENDING_COUNT 5

struct caller {
    pthread_t thread;
    size_t number;
    enum ending ending;
    struct lb_request *request;
    struct lb_body *body;
};

/* meddle_run: ends the body while the caller reads it. */
static void *meddle_run(void *argument)
{
    struct caller *caller = argument;
    if (caller->ending == CLOSE_BESIDE) {
        lb_body_close(caller->body);
    } else {
        lb_request_cancel(caller->request);
    }
    return NULL;
}

/* caller_read: reads to the end of the body, whichever, or one piece; what comes is the text. */
static enum lb_status caller_read(struct caller *caller, bool is_all)
{
    char bytes[3000];
    size_t total = 0;
    size_t size = 0;
    enum lb_status status = LB_OK;
    do {
        status = lb_body_read(caller->body, bytes, sizeof bytes - caller->number * 500, &size);
        LB_ASSERT(total + size <= TEXT_SIZE);
        LB_ASSERT(memcmp(bytes, world.text + total, size) == 0);
        total += size;
    } while (status == LB_OK && is_all);
    LB_ASSERT(status != LB_END || total == TEXT_SIZE);
    return status;
}

static void caller_round(struct caller *caller)
{
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = "http", .host = "127.0.0.1", .port = world.port},
        .target = "/",
        .deadline_ns = LB_NEVER,
    };
    struct lb_response *response = NULL;
    pthread_t meddler;
    enum lb_status status = lb_request_new(world.transport, &options, &caller->request);
    LB_ASSERT(status == LB_OK);
    status = lb_request_send(caller->request, &response);
    LB_ASSERT(status == LB_OK);
    LB_ASSERT(lb_response_is_decoded(response));
    caller->body = lb_response_body(response);
    bool is_beside = caller->ending == CLOSE_BESIDE || caller->ending == CANCEL_BESIDE;
    if (is_beside) {
        int error = pthread_create(&meddler, NULL, meddle_run, caller);
        LB_ASSERT(error == 0);
    }
    status = caller_read(caller, caller->ending == TO_THE_END || is_beside);
    if (is_beside) {
        int error = pthread_join(meddler, NULL);
        LB_ASSERT(error == 0);
        LB_ASSERT(status == LB_END || status == LB_CLOSED || status == LB_CANCELLED);
    } else {
        LB_ASSERT(status == (caller->ending == TO_THE_END ? LB_END : LB_OK));
    }
    if (status == LB_END) {
        LB_ASSERT(strcmp(lb_response_trailer(response, "A"), "b") == 0);
    }
    if (caller->ending == CLOSE_EARLY) {
        lb_body_close(caller->body);
    }
    lb_request_free(&caller->request);
}

static void *caller_run(void *argument)
{
    struct caller *caller = argument;
    for (size_t i = 0; i < ROUNDS; i++) {
        caller->ending = (enum ending)((i + caller->number) % ENDING_COUNT);
        caller_round(caller);
    }
    return NULL;
}

static void test_threads_body_of_everybody(void **state)
{
    struct caller callers[CALLERS];
    struct lb_transport_options options;
    (void)state;
    loopback_warm_up();
    uint32_t fd_count = loopback_fd_count();
    answer_make();
    server_start();
    lb_transport_options_default(&options);
    assert_int_equal(lb_network_tcp_new(lb_memory_standard(), &world.network), LB_OK);
    options.runtime = lb_runtime_threads();
    options.network = world.network;
    options.is_checked = true;
    options.idle_per_host_max = CALLERS;
    options.drain_size_max = LB_DRAIN_SIZE;
    options.drain_duration_ns = UINT64_C(1000000) * PATIENCE_MS;
    assert_int_equal(lb_transport_new(&options, &world.transport), LB_OK);
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].number = i;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_run, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
    }
    lb_transport_free(&world.transport);
    lb_network_tcp_free(&world.network);
    server_stop();
    assert_int_equal(loopback_fd_count(), fd_count);
    /* What was read to the end, or closed by who read it, gave its connection back. */
    assert_in_range(world.server_count, 1, CALLERS * ROUNDS * 3 / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads_body_of_everybody)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
