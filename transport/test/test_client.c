/*
 * Tests of the client over the simulation: what a caller sees of requests and bodies, what a profile
 * shows of those that were dropped, and what is left when memory fails.
 *
 * Mental model: a server answers every request on its connection with the same bytes, then perhaps
 * ends it. A test is a script that runs as a caller, followed by a look at the settled world.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "sim/net.h"
#include "test/memory_fixture.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Name: value\r\n\r\nhello"
#define PARTIAL "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_transport *transport;
    struct test_memory memory;
    struct lb_fault_state fault; /* of workers and sockets */
    const char *answer;          /* to every request; NULL: none ever comes */
    struct lb_request *request;
    struct lb_response *response;
    enum lb_status status;
    char bytes[64];
    size_t size;
    uint32_t done_count; /* scripts that have come to their end */
    bool is_running;     /* inside run: still so in the teardown of a test that failed there */
} world;

/* serve: answers every request, until the client ends the connection. */
static void serve(void *argument)
{
    struct lb_net_conn *conn = argument;
    while (lb_net_wait_input(conn, 0, LB_NEVER, LB_SITE_SERVER_WANT) == LB_OK) {
        const uint8_t *input = NULL;
        size_t size = 0;
        lb_net_input(conn, &input, &size);
        assert_true(size >= 4 && memcmp(input + size - 4, "\r\n\r\n", 4) == 0);
        lb_net_consume(conn, size);
        if (world.answer != NULL) {
            assert_int_equal(
                lb_net_send(conn, world.answer, strlen(world.answer), LB_SITE_SERVER_SEND), LB_OK);
        }
    }
}

static void on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), serve, conn};
    uint32_t index = 0;
    (void)context;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static void on_violation(void *context, const char *rule, const char *phrase)
{
    (void)context;
    fail_msg("%s: %s", rule, phrase);
}

static void on_switch(void *context)
{
    (void)context;
    if (world.transport != NULL) {
        lb_transport_check(world.transport);
    }
}

/* world_begin: an empty world whose allocation number `fail_at` fails. */
static void world_begin(size_t fail_at)
{
    static const struct lb_sim_options sim_options = {.step_count_max = 100000,
                                                      .time_max_ns = LB_NEVER,
                                                      .on_switch = on_switch,
                                                      .fault = &world.fault};
    static const struct lb_net_options net_options = {
        .on_accept = on_accept, .on_violation = on_violation, .fault = &world.fault};
    struct world fresh = {.sim = world.sim, .net = world.net, .answer = HELLO};
    world = fresh;
    test_memory_init(&world.memory, fail_at);
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &net_options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
    assert_int_equal(lb_net_host_add(world.net, "b"), LB_OK);
}

static enum lb_status transport_make_with(bool is_keep_alive_off)
{
    struct lb_transport_options options;
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.is_keep_alive_off = is_keep_alive_off;
    options.runtime = lb_sim_runtime(world.sim);
    options.network = lb_net_network(world.net);
    options.memory = &world.memory.memory;
    return lb_transport_new(&options, &world.transport);
}

static enum lb_status transport_make(void)
{
    return transport_make_with(false);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    world_begin(0);
    assert_int_equal(transport_make(), LB_OK);
    return 0;
}

static void script_start(lb_worker_fn script)
{
    struct lb_worker_options options = {LB_ROLE_CALLER, "main", script, NULL};
    uint32_t index = 0;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

/* run: runs a script until nothing more happens, time-outs left aside. */
static void run(lb_worker_fn script)
{
    world.is_running = true;
    script_start(script);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    world.is_running = false;
}

static void free_transport(void *argument)
{
    struct lb_transport *transport = world.transport;
    (void)argument;
    world.transport = NULL;
    lb_transport_free(&transport);
    assert_null(transport);
    world.done_count++;
}

/* expect_nothing_left: no socket, no byte and no worker of the transport survives. */
static void expect_nothing_left(void)
{
    for (size_t i = 0; i < lb_net_log_count(world.net); i++) {
        struct lb_net_log log;
        lb_net_log(world.net, i, &log);
        assert_false(log.is_open);
    }
    for (uint32_t i = 0; i < lb_sim_worker_count(world.sim); i++) {
        struct lb_sim_view view;
        lb_sim_view(world.sim, i, &view);
        assert_int_equal(view.state, LB_SIM_DONE);
    }
    assert_int_equal(world.memory.block_count, 0);
    assert_int_equal(world.memory.size, 0);
}

static int teardown(void **state)
{
    (void)state;
    uint32_t done_count = world.done_count;
    if (world.is_running) {
        return 0; /* the failure was in the middle of a step: nothing can be taken down */
    }
    if (world.transport != NULL) {
        run(free_transport);
        assert_int_equal(world.done_count, done_count + 1);
    }
    expect_nothing_left();
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

/* -- short forms of the client's calls -- */

static enum lb_status make(const char *host, const char *call_site)
{
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = "http", .host = host, .port = 80},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .call_site = call_site,
    };
    world.request = NULL;
    world.response = NULL;
    return lb_request_new(world.transport, &options, &world.request);
}

static enum lb_status send_request(void)
{
    return lb_request_send(world.request, &world.response);
}

static void get(const char *host, const char *call_site)
{
    assert_int_equal(make(host, call_site), LB_OK);
    assert_int_equal(send_request(), LB_OK);
    assert_int_equal(lb_response_code(world.response), 200);
}

static struct lb_body *body(void)
{
    return lb_response_body(world.response);
}

static enum lb_status read_some(size_t size)
{
    world.size = SIZE_MAX;
    return lb_body_read(body(), world.bytes, size, &world.size);
}

static struct lb_stats stats_of(const char *host)
{
    struct lb_stats stats;
    memset(&stats, 0xff, sizeof stats);
    lb_transport_stats(world.transport, host, &stats);
    return stats;
}

static void expect_stats(const char *host, uint32_t idle, uint32_t busy, uint32_t open_bodies)
{
    struct lb_stats stats = stats_of(host);
    assert_int_equal(stats.idle, idle);
    assert_int_equal(stats.busy, busy);
    assert_int_equal(stats.open_bodies, open_bodies);
    assert_int_equal(stats.dialing, 0);
    assert_int_equal(stats.waiting, 0);
}

/* -- a whole exchange -- */

static void script_read_to_the_end(void *argument)
{
    (void)argument;
    get("a", NULL);
    assert_string_equal(lb_response_header(world.response, "x-NAME"), "value");
    assert_null(lb_response_header(world.response, "X-Other"));
    assert_int_equal(lb_body_state(body()), LB_BODY_OPEN);
    assert_int_equal(read_some(2), LB_OK);
    assert_int_equal(world.size, 2);
    assert_memory_equal(world.bytes, "he", 2);
    expect_stats("a", 0, 1, 1);
    assert_int_equal(read_some(3), LB_END);
    assert_int_equal(world.size, 3);
    assert_memory_equal(world.bytes, "llo", 3);
    assert_int_equal(lb_body_state(body()), LB_BODY_ENDED);
    expect_stats("a", 1, 0, 0); /* given back before the caller knew */
    assert_int_equal(read_some(3), LB_END);
    assert_int_equal(world.size, 0);
    lb_request_free(&world.request);
    assert_null(world.request);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_client_reads_to_the_end(void **state)
{
    (void)state;
    run(script_read_to_the_end);
    run(script_read_to_the_end); /* on the same connection */
    assert_int_equal(world.done_count, 2);
    assert_int_equal(lb_net_log_count(world.net), 1);
}

static void script_close(void *argument)
{
    (void)argument;
    get("a", NULL);
    lb_body_close(body());
    assert_int_equal(lb_body_state(body()), LB_BODY_CLOSED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_some(5), LB_CLOSED);
        assert_int_equal(world.size, 0);
        lb_body_close(body());
        assert_int_equal(lb_body_state(body()), LB_BODY_CLOSED);
    }
    expect_stats(NULL, 0, 0, 0);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_client_close_is_idempotent(void **state)
{
    (void)state;
    run(script_close);
    assert_int_equal(world.done_count, 1);
}

static void script_close_after_the_end(void *argument)
{
    (void)argument;
    get("a", NULL);
    assert_int_equal(read_some(64), LB_END);
    assert_int_equal(world.size, 5);
    for (int i = 0; i < 2; i++) {
        lb_body_close(body());
        assert_int_equal(lb_body_state(body()), LB_BODY_ENDED);
        assert_int_equal(read_some(5), LB_CLOSED);
        assert_int_equal(world.size, 0);
    }
    expect_stats("a", 1, 0, 0);
    lb_request_cancel(world.request);
    assert_int_equal(lb_body_state(body()), LB_BODY_ENDED);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_client_close_after_the_end_changes_nothing(void **state)
{
    (void)state;
    run(script_close_after_the_end);
    assert_int_equal(world.done_count, 1);
}

static void script_cancel_before_send(void *argument)
{
    (void)argument;
    assert_int_equal(make("a", NULL), LB_OK);
    lb_request_cancel(world.request);
    lb_request_cancel(world.request);
    assert_int_equal(send_request(), LB_CANCELLED);
    assert_null(world.response);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_client_cancel_before_send_opens_nothing(void **state)
{
    (void)state;
    run(script_cancel_before_send);
    assert_int_equal(world.done_count, 1);
    assert_int_equal(lb_net_log_count(world.net), 0);
}

static void script_refused(void *argument)
{
    (void)argument;
    assert_int_equal(make("nowhere", NULL), LB_OK);
    assert_int_equal(send_request(), LB_REFUSED);
    lb_request_free(&world.request);
    assert_int_equal(make("a b", NULL), LB_PROTOCOL);
    assert_null(world.request);
    world.done_count++;
}

static void test_client_refused(void **state)
{
    (void)state;
    run(script_refused);
    assert_int_equal(world.done_count, 1);
}

/* -- profiles and stats -- */

/* Four bodies are dropped in one place and two in another; their handles are lost. */
static void script_drop_six(void *argument)
{
    char another[] = "fetch.c:7"; /* equal text counts as the same place */
    (void)argument;
    for (int i = 0; i < 4; i++) {
        get("a", i == 0 ? "fetch.c:7" : another);
    }
    get("b", "poll.c:9");
    get("b", "poll.c:9");
    struct lb_profile_row rows[8];
    size_t count = 0;
    lb_transport_profile(world.transport, rows, 8, &count);
    assert_int_equal(count, 4);
    uint32_t waiting = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_fetch = strcmp(rows[i].call_site, "fetch.c:7") == 0;
        bool is_read = rows[i].role == LB_ROLE_READ;
        assert_true(is_fetch || strcmp(rows[i].call_site, "poll.c:9") == 0);
        assert_true(is_read || rows[i].role == LB_ROLE_WRITE);
        assert_int_equal(rows[i].count, is_fetch ? 4 : 2);
        assert_int_equal(rows[i].waits_for, is_read ? LB_SITE_WAIT_BODY_END : LB_SITE_WAIT_REQUEST);
        waiting += is_read ? rows[i].count : 0;
    }
    assert_int_equal(waiting, 6);
    world.done_count++;
    free_transport(NULL); /* while the place's name lives */
}

static void test_client_profile_shows_dropped_bodies(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    run(script_drop_six);
    assert_int_equal(world.done_count, 2);
}

static void script_stats(void *argument)
{
    (void)argument;
    get("a", NULL);
    assert_int_equal(read_some(64), LB_END);
    lb_request_free(&world.request);
    get("b", "here");
    expect_stats("a", 1, 0, 0);
    expect_stats("b", 0, 1, 1);
    expect_stats(NULL, 1, 1, 1);
    expect_stats("nowhere", 0, 0, 0);
    lb_request_free(&world.request); /* closes the open body */
    expect_stats(NULL, 1, 0, 0);
    lb_transport_close_idle(world.transport, "b");
    expect_stats(NULL, 1, 0, 0);
    lb_transport_close_idle(world.transport, "a");
    expect_stats(NULL, 0, 0, 0);
    world.done_count++;
}

static void test_client_stats_by_host(void **state)
{
    (void)state;
    run(script_stats);
    assert_int_equal(world.done_count, 1);
}

static void script_profile_idle(void *argument)
{
    struct lb_profile_row rows[4] = {{.count = 99}, {.count = 99}, {.count = 99}};
    size_t count = 99;
    (void)argument;
    lb_transport_profile(world.transport, rows, 1, &count);
    assert_int_equal(count, 0);
    get("a", "here");
    assert_int_equal(read_some(64), LB_END);
    lb_transport_profile(world.transport, rows, 4, &count);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        bool is_read = rows[i].role == LB_ROLE_READ;
        assert_null(rows[i].call_site);
        assert_int_equal(rows[i].count, 1);
        assert_int_equal(rows[i].waits_for,
                         is_read ? LB_SITE_SOCKET_READ_FIRST : LB_SITE_WAIT_REQUEST);
    }
    assert_int_equal(rows[2].count, 99);
    rows[1].count = 99;
    lb_transport_profile(world.transport, rows, 1, &count);
    assert_int_equal(count, 1); /* there was no row for the other */
    assert_int_equal(rows[0].count, 1);
    assert_int_equal(rows[1].count, 99);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_client_profile_of_an_idle_connection(void **state)
{
    (void)state;
    run(script_profile_idle);
    assert_int_equal(world.done_count, 1);
}

static void script_chunked_end(void *argument)
{
    (void)argument;
    get("a", NULL);
    assert_int_equal(read_some(5), LB_END);
    assert_int_equal(world.size, 5);
    expect_stats("a", 1, 0, 0);
    lb_request_free(&world.request);
    world.done_count++;
}

/* A chunked body whose terminator came with its last bytes has ended with the read that brings these. */
static void test_client_end_comes_with_the_last_chunk(void **state)
{
    (void)state;
    world.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    run(script_chunked_end);
    assert_int_equal(world.done_count, 1);
}

/* -- origins and writes -- */

/* The writes of a connection that the network saw, by the number of the connection. */
static uint32_t writes_of(size_t connection)
{
    struct lb_net_log log;
    uint32_t count = 0;
    lb_net_log(world.net, connection, &log);
    for (size_t i = 0; i < log.record_count; i++) {
        count += log.records[i].kind == LB_NET_WROTE ? 1 : 0;
    }
    return count;
}

static void script_two_requests(void *argument)
{
    (void)argument;
    for (uint32_t i = 1; i <= 2; i++) {
        get("a", NULL);
        assert_int_equal(read_some(64), LB_END);
        lb_request_free(&world.request);
        assert_int_equal(writes_of(0), i);
    }
    world.done_count++;
}

/* A request without a body is one write: it travels in one segment. */
static void test_client_writes_a_request_at_once(void **state)
{
    (void)state;
    run(script_two_requests);
    assert_int_equal(world.done_count, 1);
    assert_int_equal(lb_net_log_count(world.net), 1);
}

static void script_closes(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < 2; i++) {
        struct lb_request_options options = {.method = "GET",
                                             .endpoint = {"http", "a", 80},
                                             .target = "/",
                                             .deadline_ns = LB_NEVER,
                                             .is_close = i > 0};
        assert_int_equal(lb_request_new(world.transport, &options, &world.request), LB_OK);
        assert_int_equal(send_request(), LB_OK);
        assert_int_equal(read_some(64), LB_END);
        lb_request_free(&world.request);
    }
    world.done_count++;
}

/* A transport without keep-alive says close in each request, and does not say it again in one that says
 * so itself (RFC 9112 section 9.6). */
static void test_client_says_close_once(void **state)
{
    static const char wanted[] = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, deflate\r\n"
                                 "Connection: close\r\n\r\n";
    (void)state;
    run(free_transport);
    assert_int_equal(transport_make_with(true), LB_OK);
    run(script_closes);
    assert_int_equal(world.done_count, 2);
    assert_int_equal(lb_net_log_count(world.net), 2);
    for (size_t i = 0; i < 2; i++) {
        struct lb_net_log log;
        lb_net_log(world.net, i, &log);
        assert_int_equal(log.written_size, sizeof wanted - 1);
        assert_memory_equal(log.written, wanted, sizeof wanted - 1);
    }
}

static const struct lb_endpoint origins[] = {
    {"http", "a", 80},  {"http", "a", 8080}, {"https", "a", 443},
    {"https", "a", 80}, {"http", "b", 80},
};

#define ORIGIN_COUNT (sizeof origins / sizeof *origins)

static void script_origins(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < 2 * ORIGIN_COUNT; i++) {
        struct lb_request_options options = {.method = "GET",
                                             .endpoint = origins[i % ORIGIN_COUNT],
                                             .target = "/",
                                             .deadline_ns = LB_NEVER};
        assert_int_equal(lb_request_new(world.transport, &options, &world.request), LB_OK);
        assert_int_equal(send_request(), LB_OK);
        assert_int_equal(read_some(64), LB_END);
        lb_request_free(&world.request);
        assert_int_equal(lb_net_log_count(world.net), i < ORIGIN_COUNT ? i + 1 : ORIGIN_COUNT);
        assert_int_equal(writes_of(i % ORIGIN_COUNT), i < ORIGIN_COUNT ? 1 : 2);
    }
    world.done_count++;
}

/* Scheme, host and port make an origin (R6): each has a connection of its own, and uses it again. */
static void test_client_pools_each_origin_apart(void **state)
{
    (void)state;
    run(script_origins);
    assert_int_equal(world.done_count, 1);
}

/* -- the end of a transport -- */

static void script_open(void *argument)
{
    (void)argument;
    get("a", "here");
    world.done_count++;
}

static void test_client_free_with_an_open_body(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    run(script_open);
    run(free_transport);
    assert_int_equal(world.done_count, 2);
    expect_nothing_left();
}

static void script_blocked_send(void *argument)
{
    (void)argument;
    assert_int_equal(make("a", NULL), LB_OK);
    world.status = send_request();
    world.done_count++;
}

static void script_blocked_read(void *argument)
{
    (void)argument;
    get("a", NULL);
    assert_int_equal(read_some(64), LB_OK);
    assert_int_equal(world.size, 5);
    world.status = read_some(64);
    assert_int_equal(world.size, 0);
    world.done_count++;
}

static void free_while(lb_worker_fn script)
{
    run(script);
    assert_int_equal(world.done_count, 0);
    run(free_transport);
    assert_int_equal(world.done_count, 2);
    assert_int_equal(world.status, LB_CLOSED);
    expect_nothing_left();
}

static void test_client_free_unblocks_send(void **state)
{
    (void)state;
    world.answer = NULL;
    free_while(script_blocked_send);
}

static void test_client_free_unblocks_read(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    free_while(script_blocked_read);
}

static void test_client_free_of_nothing(void **state)
{
    struct lb_transport *none = NULL;
    (void)state;
    lb_transport_free(&none);
    assert_null(none);
}

/* -- memory -- */

/* script_simple: a get, a read and a close; keeps the first failure. */
static void script_simple(void *argument)
{
    (void)argument;
    world.status = make("a", NULL);
    if (world.status == LB_OK) {
        world.status = send_request();
    }
    if (world.status == LB_OK) {
        world.status = read_some(64);
        lb_body_close(body());
    }
    lb_request_free(&world.request);
    free_transport(NULL);
}

static void test_client_survives_every_memory_failure(void **state)
{
    bool has_failed = true;
    size_t n = 0;
    (void)state;
    run(free_transport);
    while (has_failed) {
        world_begin(++n);
        world.status = transport_make();
        if (world.status == LB_OK) {
            run(script_simple);
            assert_int_equal(world.done_count, 1);
        }
        has_failed = world.memory.has_failed;
        assert_int_equal(world.status, has_failed ? LB_MEMORY : LB_END);
        expect_nothing_left();
    }
    assert_true(n > 6); /* transport, head, request, host, connection, fields */
}

/* script_again: requests until one is answered; counts those that ran out of memory in world.size. */
static void script_again(void *argument)
{
    (void)argument;
    size_t failed_count = 0;
    world.status = LB_MEMORY;
    while (world.status == LB_MEMORY) {
        assert_true(failed_count < 2);
        world.status = make("a", NULL);
        assert_true((world.request == NULL) == (world.status != LB_OK));
        if (world.status == LB_OK) {
            world.status = send_request();
            assert_true((world.response == NULL) == (world.status != LB_OK));
        }
        if (world.status == LB_OK) {
            world.status = read_some(64);
            assert_int_equal(read_some(64), world.status); /* F3 */
            assert_int_equal(world.size, 0);
        }
        failed_count += world.status == LB_MEMORY ? 1 : 0;
        lb_request_free(&world.request);
    }
    world.size = failed_count;
    free_transport(NULL);
}

static void test_client_goes_on_after_every_memory_failure(void **state)
{
    bool has_failed = true;
    size_t n = 1;
    (void)state;
    run(free_transport);
    while (has_failed) {
        world_begin(++n); /* the first makes the transport */
        assert_int_equal(transport_make(), LB_OK);
        run(script_again);
        has_failed = world.memory.has_failed;
        assert_int_equal(world.status, LB_END);
        assert_int_equal(world.size, has_failed ? 1 : 0);
        expect_nothing_left();
    }
    assert_true(n > 6);
}

/* fault_each: the same with the n-th call of another kind; returns how many there were. */
static uint32_t fault_each(enum lb_fault_kind kind)
{
    uint32_t count = 0;
    bool is_reached = true;
    while (is_reached) {
        world_begin(0);
        world.fault.fault = (struct lb_fault){kind, LB_FAULT_MEMORY, ++count, 0};
        assert_int_equal(transport_make(), LB_OK);
        run(script_again);
        is_reached = world.fault.is_reached;
        assert_int_equal(world.status, LB_END);
        assert_int_equal(world.size, is_reached ? 1 : 0);
        expect_nothing_left();
    }
    return count - 1;
}

static void test_client_goes_on_without_a_worker_or_a_socket(void **state)
{
    (void)state;
    run(free_transport);
    assert_int_equal(fault_each(LB_FAULT_START), 3); /* dial, write, read */
    assert_int_equal(fault_each(LB_FAULT_OPEN), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_reads_to_the_end),
        TEST(test_client_close_is_idempotent),
        TEST(test_client_close_after_the_end_changes_nothing),
        TEST(test_client_cancel_before_send_opens_nothing),
        TEST(test_client_refused),
        TEST(test_client_profile_shows_dropped_bodies),
        TEST(test_client_stats_by_host),
        TEST(test_client_profile_of_an_idle_connection),
        TEST(test_client_end_comes_with_the_last_chunk),
        TEST(test_client_writes_a_request_at_once),
        TEST(test_client_says_close_once),
        TEST(test_client_pools_each_origin_apart),
        TEST(test_client_free_with_an_open_body),
        TEST(test_client_free_unblocks_send),
        TEST(test_client_free_unblocks_read),
        TEST(test_client_free_of_nothing),
        TEST(test_client_survives_every_memory_failure),
        TEST(test_client_goes_on_after_every_memory_failure),
        TEST(test_client_goes_on_without_a_worker_or_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
