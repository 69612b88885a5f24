/*
 * Tests of the lifecycle events: what a watcher is told, in which order, in whole conversations.
 *
 * Mental model: the watcher writes each event as a line, "word subject value". A test runs a script against
 * a server that answers each connection's requests from a list, and compares the lines with those that it
 * knows. The last test looks whether each event there is has been seen.
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

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define PARTIAL "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
#define EMPTY "HTTP/1.1 204 No Content\r\n\r\n"
#define LAST "" /* instead of an answer: ends the connection */
#define LINES_MAX 4096

static bool is_seen[LB_EVENT_COUNT]; /* by any test */

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_transport *transport;
    struct lb_trace trace;
    char lines[LINES_MAX];
    size_t size;
    const char *answers[4]; /* of each connection in turn; NULL: silence */
    struct lb_request *request;
    struct lb_response *response;
    uint64_t duration_ns; /* of a request */
    uint32_t done_count;
    bool is_running; /* inside run: still so in the teardown of a test that failed there */
} world;

static void emit(struct lb_trace *trace, enum lb_event event, const char *subject, uint64_t value)
{
    assert_ptr_equal(trace, &world.trace);
    is_seen[event] = true;
    char number[24];
    const char *word = number;
    (void)snprintf(number, sizeof number, "%u", (unsigned)value);
    if (event == LB_EVENT_DIAL_END || event == LB_EVENT_EXCHANGE_WRITTEN ||
        event == LB_EVENT_CONNECTION_CLOSE) {
        word = lb_status_word((enum lb_status)value);
    } else if (event == LB_EVENT_BODY_STATE) {
        word = lb_body_state_word((enum lb_body_state)value);
    }
    int size = snprintf(world.lines + world.size, sizeof world.lines - world.size, "%s %s %s\n",
                        lb_event_word(event), subject[0] == '\0' ? "-" : subject, word);
    assert_true(size > 0 && world.size + (size_t)size < sizeof world.lines);
    world.size += (size_t)size;
}

static void serve(void *argument)
{
    struct lb_net_conn *conn = argument;
    for (size_t i = 0; i < 4 && world.answers[i] != NULL; i++) {
        const uint8_t *input = NULL;
        size_t size = 0;
        if (lb_net_wait_input(conn, 0, LB_NEVER, LB_SITE_SERVER_WANT) != LB_OK) {
            return;
        }
        lb_net_input(conn, &input, &size);
        lb_net_consume(conn, size);
        if (world.answers[i][0] == '\0') {
            lb_net_close(conn, LB_SITE_SERVER_CLOSE);
            return;
        }
        assert_int_equal(
            lb_net_send(conn, world.answers[i], strlen(world.answers[i]), LB_SITE_SERVER_SEND),
            LB_OK);
    }
}

static void on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), serve, conn};
    uint32_t index = 0;
    (void)context;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static void transport_make(uint64_t drain_size_max)
{
    struct lb_transport_options options;
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = lb_sim_runtime(world.sim);
    options.network = lb_net_network(world.net);
    options.trace = &world.trace;
    options.connections_per_host_max = 1;
    options.drain_size_max = drain_size_max;
    assert_int_equal(lb_transport_new(&options, &world.transport), LB_OK);
}

static int setup(void **state)
{
    static const struct lb_sim_options sim_options = {.step_count_max = 100000,
                                                      .time_max_ns = LB_NEVER};
    static const struct lb_net_options net_options = {.on_accept = on_accept};
    struct world fresh = {
        .trace.emit = emit, .answers = {HELLO, HELLO, HELLO, HELLO}, .duration_ns = 1000};
    (void)state;
    world = fresh;
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &net_options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
    transport_make(0);
    return 0;
}

static void script_free(void *argument)
{
    (void)argument;
    lb_transport_free(&world.transport);
    world.done_count++;
}

/* run_until: runs a script until nothing more happens up to the horizon. */
static void run_until(lb_worker_fn script, enum lb_sim_horizon horizon)
{
    struct lb_worker_options options = {LB_ROLE_CALLER, "main", script, NULL};
    uint32_t done_count = world.done_count;
    uint32_t index = 0;
    world.is_running = true;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
    assert_int_equal(lb_sim_run(world.sim, horizon), LB_SIM_SETTLED);
    world.is_running = false;
    assert_true(world.done_count > done_count);
}

static void run(lb_worker_fn script)
{
    run_until(script, LB_SIM_NOW);
}

static int teardown(void **state)
{
    (void)state;
    if (world.is_running) {
        return 0; /* the failure was in the middle of a step: nothing can be taken down */
    }
    if (world.transport != NULL) {
        run(script_free);
    }
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

/* expect_lines: these are the events since the last call. */
static void expect_lines(const char *lines)
{
    assert_string_equal(world.lines, lines);
    world.size = 0;
    world.lines[0] = '\0';
}

static struct lb_request *make(const char *host)
{
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = "http", .host = host, .port = 80},
        .target = "/",
        .deadline_ns = lb_sim_now(world.sim) + world.duration_ns,
    };
    struct lb_request *request = NULL;
    assert_int_equal(lb_request_new(world.transport, &options, &request), LB_OK);
    return request;
}

static enum lb_status get(const char *host)
{
    world.request = make(host);
    return lb_request_send(world.request, &world.response);
}

static void read_to_the_end(void)
{
    char bytes[64];
    size_t size = 0;
    struct lb_body *body = lb_response_body(world.response);
    assert_int_equal(lb_body_read(body, bytes, sizeof bytes, &size), LB_END);
    lb_request_free(&world.request);
}

static void script_reuse(void *argument)
{
    (void)argument;
    assert_int_equal(get("a"), LB_OK);
    read_to_the_end();
    assert_int_equal(get("a"), LB_OK);
    read_to_the_end();
    lb_transport_close_idle(world.transport, NULL);
    world.done_count++;
}

static void test_trace_of_two_requests_on_one_connection(void **state)
{
    (void)state;
    run(script_reuse);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 200\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 1\n"
                 "body.state a.1 ended\n"
                 "request.end end 1\n"
                 "connection.idle a.1 0\n"
                 "connection.take a.1 2\n"
                 "exchange.start a.1 2\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 200\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 2\n"
                 "body.state a.1 ended\n"
                 "request.end end 2\n"
                 "connection.idle a.1 0\n"
                 "connection.close a.1 closed\n");
}

static void script_bodiless(void *argument)
{
    (void)argument;
    assert_int_equal(get("a"), LB_OK);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_trace_of_an_empty_body(void **state)
{
    (void)state;
    world.answers[0] = EMPTY;
    run(script_bodiless);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 204\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 1\n"
                 "body.state a.1 ended\n"
                 "request.end end 1\n"
                 "connection.idle a.1 0\n");
}

static void test_trace_of_an_interim_response(void **state)
{
    (void)state;
    world.answers[0] = "HTTP/1.1 103 Early Hints\r\n\r\n" EMPTY;
    run(script_bodiless);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.interim a.1 103\n"
                 "exchange.head a.1 204\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 1\n"
                 "body.state a.1 ended\n"
                 "request.end end 1\n"
                 "connection.idle a.1 0\n");
}

static void script_early_ends(void *argument)
{
    (void)argument;
    assert_int_equal(get("a"), LB_OK);
    lb_body_close(lb_response_body(world.response));
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_trace_of_a_body_closed_early(void **state)
{
    (void)state;
    world.answers[0] = PARTIAL;
    run(script_early_ends);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 200\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 1\n"
                 "connection.close a.1 closed\n"
                 "body.state a.1 closed\n"
                 "request.end closed 1\n");
}

static void test_trace_of_a_drain(void **state)
{
    (void)state;
    run(script_free);
    transport_make(LB_DRAIN_SIZE);
    run(script_early_ends);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 200\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 1\n"
                 "connection.drain a.1 0\n"
                 "body.state a.1 closed\n"
                 "request.end closed 1\n"
                 "connection.idle a.1 0\n");
}

static void script_refused(void *argument)
{
    (void)argument;
    assert_int_equal(get("nowhere"), LB_REFUSED);
    lb_request_free(&world.request);
    world.request = make("a");
    lb_request_cancel(world.request);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_trace_of_requests_that_reach_nobody(void **state)
{
    (void)state;
    run(script_refused);
    expect_lines("request.wait - 1\n"
                 "dial.start nowhere.1 1\n"
                 "dial.end nowhere.1 refused\n"
                 "connection.close nowhere.1 refused\n"
                 "request.end refused 1\n"
                 "request.end cancelled 2\n");
}

static void script_retry(void *argument)
{
    (void)argument;
    assert_int_equal(get("a"), LB_OK);
    read_to_the_end();
    assert_int_equal(get("a"), LB_OK);
    read_to_the_end();
    world.done_count++;
}

static void test_trace_of_a_retry(void **state)
{
    (void)state;
    world.answers[1] = LAST;
    run(script_retry);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 200\n"
                 "body.state a.1 open\n"
                 "exchange.end a.1 1\n"
                 "body.state a.1 ended\n"
                 "request.end end 1\n"
                 "connection.idle a.1 0\n"
                 "connection.take a.1 2\n"
                 "exchange.start a.1 2\n"
                 "exchange.written a.1 ok\n"
                 "exchange.end a.1 2\n"
                 "connection.close a.1 incomplete\n"
                 "request.retry - 2\n"
                 "request.wait - 2\n"
                 "dial.start a.2 2\n"
                 "dial.end a.2 ok\n"
                 "exchange.start a.2 2\n"
                 "exchange.written a.2 ok\n"
                 "exchange.head a.2 200\n"
                 "body.state a.2 open\n"
                 "exchange.end a.2 2\n"
                 "body.state a.2 ended\n"
                 "request.end end 2\n"
                 "connection.idle a.2 0\n");
}

/* The second request waits behind the limit until its deadline, the first one's comes in the body. */
static void script_deadlines(void *argument)
{
    char bytes[64];
    size_t size = 0;
    (void)argument;
    assert_int_equal(get("a"), LB_OK);
    struct lb_request *first = world.request;
    struct lb_response *response = world.response;
    world.duration_ns = 500;
    assert_int_equal(get("a"), LB_TIMEOUT);
    lb_request_free(&world.request);
    assert_int_equal(lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size), LB_OK);
    assert_int_equal(lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size),
                     LB_TIMEOUT);
    lb_request_free(&first);
    world.done_count++;
}

static void test_trace_of_deadlines(void **state)
{
    (void)state;
    world.answers[0] = PARTIAL;
    run_until(script_deadlines, LB_SIM_ALL);
    expect_lines("request.wait - 1\n"
                 "dial.start a.1 1\n"
                 "dial.end a.1 ok\n"
                 "exchange.start a.1 1\n"
                 "exchange.written a.1 ok\n"
                 "exchange.head a.1 200\n"
                 "body.state a.1 open\n"
                 "request.wait - 2\n"
                 "request.end timeout 2\n"
                 "exchange.end a.1 1\n"
                 "connection.close a.1 timeout\n"
                 "body.state a.1 failed\n"
                 "request.end timeout 1\n");
}

static void test_trace_has_shown_each_event(void **state)
{
    (void)state;
    for (int i = 0; i < LB_EVENT_COUNT; i++) {
        if (!is_seen[i]) {
            fail_msg("no test has seen %s", lb_event_word((enum lb_event)i));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_trace_of_two_requests_on_one_connection),
        TEST(test_trace_of_an_empty_body),
        TEST(test_trace_of_an_interim_response),
        TEST(test_trace_of_a_body_closed_early),
        TEST(test_trace_of_a_drain),
        TEST(test_trace_of_requests_that_reach_nobody),
        TEST(test_trace_of_a_retry),
        TEST(test_trace_of_deadlines),
        TEST(test_trace_has_shown_each_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
