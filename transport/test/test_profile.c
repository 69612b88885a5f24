/*
 * Tests of the transport's account of itself: in each state of an exchange the stats and the profile say
 * what is so.
 *
 * Mental model: the truth is what the simulation's workers stand at. A *gate* between the transport and
 * the simulated network holds whoever calls a socket at one site, for as long as a test likes; so each
 * state can be made to last, also those that nobody could see otherwise. `expect_truth` waits until nobody
 * can run and compares the profile with the workers themselves, in both directions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "sim/net.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define PARTIAL "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
#define HALF_A_HEAD "HTTP/1.1 200 OK\r\nConte"
#define EMPTY "HTTP/1.1 204 No Content\r\n\r\n"
#define ROWS_MAX 16
#define REQUESTS_MAX 8

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_network gate; /* what the transport sees of the network */
    struct lb_transport *transport;
    enum lb_site held; /* calls at this site wait at the gate; NONE: it is open */
    struct lb_sim_queue queue;
    const char *answer; /* to every request; NULL: none ever comes */
    bool is_unasked;    /* the answer comes before the request */
    bool is_stalled;    /* no connection is ever made */
    struct lb_request *requests[REQUESTS_MAX];
    size_t sent_count; /* requests whose send has begun */
    struct lb_profile_row rows[ROWS_MAX];
    size_t row_count;
    uint32_t done_count; /* scripts that have come to their end */
    bool is_running;     /* inside run: still so in the teardown of a test that failed there */
} world;

/* -- the gate -- */

struct gate_socket {
    struct lb_socket base;
    struct lb_socket *inner;
};

static struct lb_socket *inner_of(const struct lb_socket *socket)
{
    return ((const struct gate_socket *)(const void *)socket)->inner;
}

static void gate_pass(enum lb_site site)
{
    while (world.held == site) {
        (void)lb_sim_block(world.sim, &world.queue, LB_NEVER, site);
    }
}

static void gate_open(void)
{
    world.held = LB_SITE_NONE;
    lb_sim_wake(world.sim, &world.queue);
}

static const char *gate_name(const struct lb_socket *socket)
{
    return inner_of(socket)->ops->name(inner_of(socket));
}

static enum lb_status gate_connect(struct lb_socket *socket, uint64_t deadline_ns,
                                   enum lb_site site)
{
    gate_pass(site);
    return inner_of(socket)->ops->connect(inner_of(socket), deadline_ns, site);
}

static enum lb_status gate_read(struct lb_socket *socket, void *bytes, size_t size,
                                uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    gate_pass(site);
    return inner_of(socket)->ops->read(inner_of(socket), bytes, size, deadline_ns, site, ret_size);
}

static enum lb_status gate_write(struct lb_socket *socket, const void *bytes, size_t size,
                                 uint64_t deadline_ns, enum lb_site site, size_t *ret_size)
{
    gate_pass(site);
    return inner_of(socket)->ops->write(inner_of(socket), bytes, size, deadline_ns, site, ret_size);
}

static bool gate_is_pending(const struct lb_socket *socket)
{
    return inner_of(socket)->ops->is_pending(inner_of(socket));
}

static void gate_shutdown(struct lb_socket *socket, enum lb_site site)
{
    inner_of(socket)->ops->shutdown(inner_of(socket), site);
}

static void gate_close(struct lb_socket **socket, enum lb_site site)
{
    struct lb_socket *inner = inner_of(*socket);
    free(*socket);
    *socket = NULL;
    inner->ops->close(&inner, site);
}

static const struct lb_socket_ops gate_socket_ops = {
    .name = gate_name,
    .connect = gate_connect,
    .read = gate_read,
    .write = gate_write,
    .is_pending = gate_is_pending,
    .shutdown = gate_shutdown,
    .close = gate_close,
};

static enum lb_status gate_network_open(struct lb_network *network,
                                        const struct lb_endpoint *endpoint,
                                        struct lb_socket **ret_socket)
{
    struct lb_network *inner = lb_net_network(world.net);
    struct gate_socket *socket = calloc(1, sizeof *socket);
    (void)network;
    assert_non_null(socket);
    socket->base.ops = &gate_socket_ops;
    assert_int_equal(inner->ops->open(inner, endpoint, &socket->inner), LB_OK);
    *ret_socket = &socket->base;
    return LB_OK;
}

static const struct lb_network_ops gate_network_ops = {.open = gate_network_open};

/* -- the world -- */

static void serve(void *argument)
{
    struct lb_net_conn *conn = argument;
    bool is_first = true;
    while ((is_first && world.is_unasked) ||
           lb_net_wait_input(conn, 0, LB_NEVER, LB_SITE_SERVER_WANT) == LB_OK) {
        const uint8_t *input = NULL;
        size_t size = 0;
        lb_net_input(conn, &input, &size);
        lb_net_consume(conn, size);
        bool is_answered = world.is_unasked && !is_first;
        is_first = false;
        if (world.answer != NULL && !is_answered) {
            assert_int_equal(
                lb_net_send(conn, world.answer, strlen(world.answer), LB_SITE_SERVER_SEND), LB_OK);
        }
    }
}

static enum lb_net_answer on_connect(void *context, struct lb_net_conn *conn,
                                     uint64_t *ret_delay_ns)
{
    (void)context;
    (void)conn;
    (void)ret_delay_ns;
    return world.is_stalled ? LB_NET_STALL : LB_NET_ACCEPT;
}

static void on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), serve, conn};
    uint32_t index = 0;
    (void)context;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static void transport_make(uint32_t per_host_max, uint64_t drain_size_max)
{
    struct lb_transport_options options;
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = lb_sim_runtime(world.sim);
    options.network = &world.gate;
    options.connections_per_host_max = per_host_max;
    options.written_duration_ns = LB_NEVER;
    options.drain_size_max = drain_size_max;
    assert_int_equal(lb_transport_new(&options, &world.transport), LB_OK);
}

static int setup(void **state)
{
    static const struct lb_sim_options sim_options = {.step_count_max = 100000,
                                                      .time_max_ns = LB_NEVER};
    static const struct lb_net_options net_options = {.on_connect = on_connect,
                                                      .on_accept = on_accept};
    struct world fresh = {.gate.ops = &gate_network_ops, .answer = HELLO};
    (void)state;
    world = fresh;
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &net_options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
    transport_make(0, 0);
    return 0;
}

static void script_free(void *argument)
{
    (void)argument;
    lb_transport_free(&world.transport);
    world.done_count++;
}

static void spawn(const char *label, lb_worker_fn script)
{
    struct lb_worker_options options = {LB_ROLE_CALLER, label, script, NULL};
    uint32_t index = 0;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

/* run: runs a script to its end, and whatever follows from it. */
static void run(lb_worker_fn script)
{
    uint32_t done_count = world.done_count;
    world.is_running = true;
    spawn("main", script);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_NOW), LB_SIM_SETTLED);
    world.is_running = false;
    assert_true(world.done_count > done_count);
}

static int teardown(void **state)
{
    (void)state;
    if (world.is_running) {
        return 0; /* the failure was in the middle of a step: nothing can be taken down */
    }
    if (world.transport != NULL) {
        gate_open();
        run(script_free);
    }
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

/* -- what a script does -- */

static void make(const char *call_site)
{
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = "http", .host = "a", .port = 80},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .call_site = call_site,
    };
    size_t i = world.sent_count;
    assert_true(i < REQUESTS_MAX);
    assert_int_equal(lb_request_new(world.transport, &options, &world.requests[i]), LB_OK);
}

static struct lb_response *send_now(void)
{
    struct lb_response *response = NULL;
    size_t i = world.sent_count++;
    assert_int_equal(lb_request_send(world.requests[i], &response), LB_OK);
    return response;
}

static void script_send(void *argument)
{
    struct lb_response *response = NULL;
    (void)argument;
    enum lb_status status = lb_request_send(world.requests[world.sent_count++], &response);
    assert_true(status == LB_OK || status == LB_CANCELLED || status == LB_CLOSED);
}

/* send_aside: makes a request, which another caller sends. */
static void send_aside(void)
{
    make("aside.c:1");
    spawn("aside", script_send);
}

static void script_read(void *argument)
{
    char bytes[64];
    size_t size = 0;
    struct lb_request *request = world.requests[world.sent_count - 1];
    struct lb_response *response = NULL;
    (void)argument;
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    while (lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size) == LB_OK) {
    }
}

/* read_aside: a request that another caller sends and whose body it reads. */
static void read_aside(void)
{
    make("aside.c:2");
    world.sent_count++;
    spawn("aside", script_read);
}

static void read_to_the_end(struct lb_response *response)
{
    char bytes[64];
    size_t size = 0;
    while (lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size) == LB_OK) {
    }
    assert_int_equal(lb_body_state(lb_response_body(response)), LB_BODY_ENDED);
}

/* -- a request with a body -- */

/* A source that blocks in each read until it is closed. */
static struct lb_source source;

static enum lb_status source_read(struct lb_source *self, void *bytes, size_t size,
                                  size_t *ret_size)
{
    (void)self;
    (void)bytes;
    (void)size;
    (void)ret_size;
    gate_pass(LB_SITE_SOURCE_READ);
    return LB_CLOSED;
}

static void source_close(struct lb_source *self)
{
    (void)self;
    gate_open();
}

static const struct lb_source_ops source_ops = {.read = source_read, .close = source_close};

/* upload_aside: a request with a body, which another caller sends. */
static void upload_aside(bool is_expect)
{
    struct lb_request_options options = {
        .method = "POST",
        .endpoint = {.scheme = "http", .host = "a", .port = 80},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .source = &source,
        .source_size = LB_SIZE_UNKNOWN,
        .is_expect = is_expect,
        .call_site = "aside.c:3",
    };
    source.ops = &source_ops;
    world.held = LB_SITE_SOURCE_READ;
    assert_int_equal(lb_request_new(world.transport, &options, &world.requests[world.sent_count]),
                     LB_OK);
    spawn("aside", script_send);
}

/* -- what is compared -- */

static uint32_t rows_of(enum lb_role role, enum lb_site site)
{
    uint32_t count = 0;
    for (size_t i = 0; i < world.row_count; i++) {
        bool is_it = world.rows[i].role == role && world.rows[i].waits_for == site;
        count += is_it ? world.rows[i].count : 0;
    }
    return count;
}

static uint32_t workers_at(enum lb_role role, enum lb_site site)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lb_sim_worker_count(world.sim); i++) {
        struct lb_sim_view view;
        lb_sim_view(world.sim, i, &view);
        count += view.state != LB_SIM_DONE && view.role == role && view.site == site ? 1 : 0;
    }
    return count;
}

/* expect_truth: once nobody can run, the profile is what the workers stand at. */
static void expect_truth(void)
{
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
    lb_transport_profile(world.transport, world.rows, ROWS_MAX, &world.row_count);
    assert_true(world.row_count < ROWS_MAX);
    for (size_t i = 0; i < world.row_count; i++) {
        const struct lb_profile_row *row = &world.rows[i];
        assert_true(row->count > 0);
        assert_int_equal(rows_of(row->role, row->waits_for), workers_at(row->role, row->waits_for));
    }
    for (uint32_t i = 0; i < lb_sim_worker_count(world.sim); i++) {
        struct lb_sim_view view;
        lb_sim_view(world.sim, i, &view);
        bool is_ours =
            view.role == LB_ROLE_READ || view.role == LB_ROLE_WRITE || view.role == LB_ROLE_DIAL;
        if (is_ours && view.state != LB_SIM_DONE) {
            assert_int_equal(rows_of(view.role, view.site), workers_at(view.role, view.site));
        }
    }
}

/* expect: the truth, and that these two rows are all there is. */
static void expect(enum lb_site read_site, enum lb_site write_site)
{
    expect_truth();
    assert_int_equal(world.row_count, 2);
    assert_int_equal(rows_of(LB_ROLE_READ, read_site), 1);
    assert_int_equal(rows_of(LB_ROLE_WRITE, write_site), 1);
}

static void expect_stats(struct lb_stats expected)
{
    struct lb_stats stats;
    memset(&stats, 0xff, sizeof stats);
    lb_transport_stats(world.transport, "a", &stats);
    assert_int_equal(stats.idle, expected.idle);
    assert_int_equal(stats.busy, expected.busy);
    assert_int_equal(stats.dialing, expected.dialing);
    assert_int_equal(stats.waiting, expected.waiting);
    assert_int_equal(stats.open_bodies, expected.open_bodies);
}

/* -- the states, in the order of an exchange -- */

static void script_dialing(void *argument)
{
    (void)argument;
    send_aside();
    expect_truth();
    assert_int_equal(world.row_count, 1);
    assert_int_equal(rows_of(LB_ROLE_DIAL, LB_SITE_SOCKET_CONNECT), 1);
    expect_stats((struct lb_stats){.dialing = 1, .waiting = 1});
    world.done_count++;
}

static void test_profile_of_a_dial(void **state)
{
    (void)state;
    world.is_stalled = true;
    run(script_dialing);
}

static void script_dial_of_nobody(void *argument)
{
    (void)argument;
    world.held = LB_SITE_SOCKET_CONNECT;
    send_aside();
    expect_truth();
    lb_request_cancel(world.requests[0]);
    expect_truth(); /* the dial goes on */
    assert_int_equal(rows_of(LB_ROLE_DIAL, LB_SITE_SOCKET_CONNECT), 1);
    expect_stats((struct lb_stats){.dialing = 1});
    lb_transport_close_idle(world.transport, NULL);
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
    lb_transport_profile(world.transport, world.rows, ROWS_MAX, &world.row_count);
    assert_int_equal(world.row_count, 1); /* closed, and its worker is still there */
    assert_int_equal(rows_of(LB_ROLE_DIAL, LB_SITE_WAIT_WORKERS), 1);
    expect_stats((struct lb_stats){.dialing = 0});
    gate_open();
    expect_truth();
    assert_int_equal(world.row_count, 0);
    world.done_count++;
}

static void test_profile_of_a_dial_that_is_given_up(void **state)
{
    (void)state;
    run(script_dial_of_nobody);
}

static void script_writing(void *argument)
{
    (void)argument;
    world.held = LB_SITE_SOCKET_WRITE;
    send_aside();
    expect(LB_SITE_SOCKET_READ_FIRST, LB_SITE_SOCKET_WRITE);
    expect_stats((struct lb_stats){.busy = 1});
    gate_open();
    expect(LB_SITE_WAIT_BODY_END, LB_SITE_WAIT_REQUEST);
    expect_stats((struct lb_stats){.busy = 1, .open_bodies = 1});
    world.done_count++;
}

static void test_profile_of_a_head_that_is_written(void **state)
{
    (void)state;
    run(script_writing);
}

static void script_joining(void *argument)
{
    (void)argument;
    world.held = LB_SITE_SOCKET_WRITE;
    send_aside();
    expect_truth();
    lb_request_cancel(world.requests[0]);
    expect(LB_SITE_JOIN_WRITE, LB_SITE_SOCKET_WRITE);
    expect_stats((struct lb_stats){.busy = 0});
    gate_open();
    expect_truth();
    assert_int_equal(world.row_count, 0);
    world.done_count++;
}

static void test_profile_of_a_connection_that_waits_for_its_writer(void **state)
{
    (void)state;
    run(script_joining);
}

static void script_head(void *argument)
{
    (void)argument;
    send_aside();
    expect(world.answer == NULL ? LB_SITE_SOCKET_READ_FIRST : LB_SITE_SOCKET_READ_HEAD,
           LB_SITE_WAIT_REQUEST);
    expect_stats((struct lb_stats){.busy = 1});
    world.done_count++;
}

static void test_profile_of_a_wait_for_a_head(void **state)
{
    (void)state;
    world.answer = NULL;
    run(script_head);
}

static void test_profile_of_half_a_head(void **state)
{
    (void)state;
    world.answer = HALF_A_HEAD;
    run(script_head);
}

static void script_early(void *argument)
{
    (void)argument;
    world.held = LB_SITE_SOCKET_WRITE;
    send_aside();
    expect(LB_SITE_WAIT_WRITTEN, LB_SITE_SOCKET_WRITE);
    expect_stats((struct lb_stats){.busy = 1});
    gate_open();
    expect(LB_SITE_SOCKET_READ_FIRST, LB_SITE_WAIT_REQUEST);
    expect_stats((struct lb_stats){.idle = 1});
    world.done_count++;
}

static void test_profile_of_an_answer_before_the_question(void **state)
{
    (void)state;
    world.answer = EMPTY;
    world.is_unasked = true;
    run(script_early);
}

static void script_reader_inside(void *argument)
{
    (void)argument;
    read_aside();
    expect(LB_SITE_WAIT_BODY_END, LB_SITE_WAIT_REQUEST);
    assert_string_equal(world.rows[0].call_site, "aside.c:2");
    assert_string_equal(world.rows[1].call_site, "aside.c:2");
    expect_stats((struct lb_stats){.busy = 1, .open_bodies = 1});
    world.done_count++;
}

static void test_profile_of_a_body_with_a_reader_inside(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    run(script_reader_inside);
}

static void script_finishing(void *argument)
{
    (void)argument;
    world.held = LB_SITE_SOCKET_READ_BODY;
    read_aside();
    expect(LB_SITE_WAIT_BODY_END, LB_SITE_WAIT_REQUEST);
    lb_request_cancel(world.requests[0]);
    expect_truth(); /* the reader keeps the connection from being finished */
    assert_int_equal(world.row_count, 1);
    assert_int_equal(rows_of(LB_ROLE_READ, LB_SITE_WAIT_WORKERS), 1);
    assert_null(world.rows[0].call_site);
    expect_stats((struct lb_stats){.open_bodies = 0});
    gate_open();
    expect_truth();
    assert_int_equal(world.row_count, 0);
    world.done_count++;
}

static void test_profile_of_a_connection_that_waits_for_its_reader(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    run(script_finishing);
}

static void script_idle(void *argument)
{
    (void)argument;
    make("idle.c:1");
    read_to_the_end(send_now());
    expect(LB_SITE_SOCKET_READ_FIRST, LB_SITE_WAIT_REQUEST);
    assert_null(world.rows[0].call_site);
    assert_null(world.rows[1].call_site);
    expect_stats((struct lb_stats){.idle = 1});
    lb_transport_close_idle(world.transport, NULL);
    expect_truth();
    assert_int_equal(world.row_count, 0);
    expect_stats((struct lb_stats){.idle = 0});
    world.done_count++;
}

static void test_profile_of_an_idle_connection(void **state)
{
    (void)state;
    run(script_idle);
}

static void script_limited(void *argument)
{
    (void)argument;
    make("first.c:1");
    (void)send_now();
    send_aside();
    expect(LB_SITE_WAIT_BODY_END, LB_SITE_WAIT_REQUEST);
    expect_stats((struct lb_stats){.busy = 1, .waiting = 1, .open_bodies = 1});
    lb_request_free(&world.requests[0]);
    expect(LB_SITE_WAIT_BODY_END, LB_SITE_WAIT_REQUEST); /* now of the other one */
    assert_string_equal(world.rows[0].call_site, "aside.c:1");
    expect_stats((struct lb_stats){.busy = 1, .open_bodies = 1});
    world.done_count++;
}

static void test_profile_of_a_request_behind_the_limit(void **state)
{
    (void)state;
    run(script_free);
    transport_make(1, 0);
    run(script_limited);
}

static void script_upload(void *argument)
{
    (void)argument;
    upload_aside(false);
    expect(LB_SITE_SOCKET_READ_FIRST, LB_SITE_SOURCE_READ);
    expect_stats((struct lb_stats){.busy = 1});
    lb_request_cancel(world.requests[0]);
    expect_truth();
    assert_int_equal(world.row_count, 0);
    world.done_count++;
}

static void test_profile_of_a_source_that_blocks(void **state)
{
    (void)state;
    world.answer = NULL;
    run(script_upload);
}

static void script_early_answer(void *argument)
{
    (void)argument;
    upload_aside(false);
    expect(LB_SITE_WAIT_BODY_END, LB_SITE_SOURCE_READ);
    assert_string_equal(world.rows[1].call_site, "aside.c:3");
    expect_stats((struct lb_stats){.busy = 1, .open_bodies = 1});
    world.done_count++;
}

static void test_profile_of_an_answer_before_the_source_ends(void **state)
{
    (void)state;
    run(script_early_answer);
}

static void script_expect(void *argument)
{
    (void)argument;
    upload_aside(true);
    expect(LB_SITE_SOCKET_READ_FIRST, LB_SITE_WAIT_CONTINUE);
    lb_request_cancel(world.requests[0]);
    expect_truth();
    assert_int_equal(world.row_count, 0);
    world.done_count++;
}

static void test_profile_of_a_wait_for_100(void **state)
{
    (void)state;
    world.answer = NULL;
    run(script_expect);
}

static void script_drain(void *argument)
{
    (void)argument;
    make("drain.c:1");
    struct lb_response *response = send_now();
    lb_body_close(lb_response_body(response));
    expect(LB_SITE_SOCKET_READ_DRAIN, LB_SITE_WAIT_REQUEST);
    assert_null(world.rows[0].call_site);
    expect_stats((struct lb_stats){.busy = 1});
    world.done_count++;
}

static void test_profile_of_a_drain(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    run(script_free);
    transport_make(0, LB_DRAIN_SIZE);
    run(script_drain);
}

/* -- the leak -- */

static void script_six_drops(void *argument)
{
    (void)argument;
    for (uint32_t i = 1; i <= 6; i++) {
        make("fetch.c:7");
        (void)send_now();
        expect_truth();
        assert_int_equal(rows_of(LB_ROLE_READ, LB_SITE_WAIT_BODY_END), i);
        expect_stats((struct lb_stats){.busy = i, .open_bodies = i});
    }
    assert_int_equal(world.row_count, 2); /* six of a kind are one row */
    for (size_t i = 0; i < 2; i++) {
        bool is_read = world.rows[i].role == LB_ROLE_READ;
        assert_int_equal(world.rows[i].count, 6);
        assert_int_equal(world.rows[i].waits_for,
                         is_read ? LB_SITE_WAIT_BODY_END : LB_SITE_WAIT_REQUEST);
        assert_string_equal(world.rows[i].call_site, "fetch.c:7");
    }
    world.done_count++;
}

static void test_profile_of_six_drops_prints_six(void **state)
{
    (void)state;
    world.answer = PARTIAL;
    run(script_six_drops);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_profile_of_a_dial),
        TEST(test_profile_of_a_dial_that_is_given_up),
        TEST(test_profile_of_a_head_that_is_written),
        TEST(test_profile_of_a_connection_that_waits_for_its_writer),
        TEST(test_profile_of_a_wait_for_a_head),
        TEST(test_profile_of_half_a_head),
        TEST(test_profile_of_an_answer_before_the_question),
        TEST(test_profile_of_a_body_with_a_reader_inside),
        TEST(test_profile_of_a_connection_that_waits_for_its_reader),
        TEST(test_profile_of_an_idle_connection),
        TEST(test_profile_of_a_request_behind_the_limit),
        TEST(test_profile_of_a_source_that_blocks),
        TEST(test_profile_of_an_answer_before_the_source_ends),
        TEST(test_profile_of_a_wait_for_100),
        TEST(test_profile_of_a_drain),
        TEST(test_profile_of_six_drops_prints_six),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
