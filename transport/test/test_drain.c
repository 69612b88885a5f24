/*
 * Tests of draining (rule E5): a body that is closed early is read to its end by the connection's read
 * worker, within limits, and its connection used again. Each condition alone forbids it.
 *
 * Mental model: the first request's body is closed with bytes still to come; what becomes of its
 * connection is seen by the account, the network's record, and where the next request is served.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/client_fixture.h"

#define OK200 "HTTP/1.1 200 OK\r\n"
#define LENGTH(n) OK200 "Content-Length: " n "\r\n\r\n"
#define CHUNKED OK200 "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT LENGTH("2") "ok"

static struct lb_request *request;
static struct lb_response *response;

static enum lb_status read_some(size_t size, size_t *ret_size)
{
    char bytes[64];
    assert_true(size <= sizeof bytes);
    return lb_body_read(lb_response_body(response), bytes, size, ret_size);
}

/* answer_begin: the first answer: its head and 5 bytes, and later the rest. */
static void answer_begin(const char *head, const char *rest, uint64_t pause_ns)
{
    struct fixture_answer *answer = &fixture.answers[0];
    memset(answer, 0, sizeof *answer);
    answer->parts[0].bytes = head;
    answer->parts[1].bytes = rest;
    answer->parts[1].pause_ns = pause_ns;
    for (size_t i = 1; i < FIXTURE_ANSWERS_MAX; i++) {
        fixture.answers[i].parts[0].bytes = NEXT;
    }
}

static void open_draining(void)
{
    fixture.options.drain_size_max = 10;
    fixture.options.drain_duration_ns = 50 * FIXTURE_MS;
    assert_int_equal(fixture_open(), LB_OK);
}

/* begin: gets the first response and reads a byte of its body. */
static void begin(void)
{
    size_t size = 0;
    request = fixture_get("a", &response);
    assert_int_equal(read_some(1, &size), LB_OK);
    assert_int_equal(size, 1);
}

/* close_now: closes the body; close waits for nothing, and the request has ended. */
static void close_now(void)
{
    size_t size = 1;
    uint64_t now_ns = lb_sim_now(fixture.sim);
    lb_body_close(lb_response_body(response));
    assert_int_equal(lb_sim_now(fixture.sim), now_ns);
    assert_int_equal(lb_body_state(lb_response_body(response)), LB_BODY_CLOSED);
    assert_int_equal(read_some(1, &size), LB_CLOSED);
    assert_int_equal(size, 0);
}

/* expect_next: the next request is served, by the first connection or by another. */
static void expect_next(bool is_reused)
{
    size_t size = 0;
    struct lb_request *next = fixture_get("a", &response);
    assert_int_equal(read_some(64, &size), LB_END);
    assert_int_equal(size, 2);
    assert_int_equal(lb_net_log_count(fixture.net), is_reused ? 1 : 2);
    lb_request_free(&next);
}

static void script_drained(void *argument)
{
    (void)argument;
    begin();
    close_now();
    fixture_expect_stats(0, 1, 0);
    lb_request_cancel(request); /* too late: it touches nothing (O6) */
    fixture_expect_stats(0, 1, 0);
    lb_request_free(&request);
    fixture_sleep(50 * FIXTURE_MS - 1);
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    fixture_expect_stats(1, 0, 0);
    expect_next(true);
    fixture.done_count++;
}

static void script_closed(void *argument)
{
    (void)argument;
    begin();
    close_now();
    fixture_expect_stats(0, 0, 0);
    lb_request_free(&request);
    expect_next(false);
    fixture.done_count++;
}

/* script_gives_up: it is drained, but without success. */
static void script_gives_up(void *argument)
{
    (void)argument;
    begin();
    close_now();
    fixture_expect_stats(0, 1, 0);
    lb_request_free(&request);
    fixture_sleep(200 * FIXTURE_MS);
    fixture_expect_stats(0, 0, 0);
    expect_next(false);
    fixture.done_count++;
}

static void test_drain_is_off_by_default(void **state)
{
    (void)state;
    answer_begin(LENGTH("10") "hello", "world", FIXTURE_MS);
    assert_int_equal(fixture.options.drain_size_max, 0);
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_closed);
    assert_int_equal(fixture_shut_time(0), 0);
}

static void test_drain_of_a_length(void **state)
{
    (void)state;
    answer_begin(LENGTH("11") "h", "ello world", FIXTURE_MS);
    open_draining();
    fixture_run(script_drained);
}

static void test_drain_of_chunks_drops_trailers(void **state)
{
    (void)state;
    answer_begin(CHUNKED "5\r\nhello\r\n0\r\nA: b", "c\r\nD: e\r\n\r\n", FIXTURE_MS);
    open_draining();
    fixture_run(script_drained);
}

/* All has arrived, and waits in the connection's input. */
static void test_drain_of_what_is_there(void **state)
{
    (void)state;
    answer_begin(CHUNKED "5\r\nhello\r\n0\r\n\r\n", NULL, 0);
    open_draining();
    fixture_run(script_drained);
}

static void test_drain_to_the_last_nanosecond(void **state)
{
    (void)state;
    answer_begin(LENGTH("11") "h", "ello world", 50 * FIXTURE_MS - 1);
    open_draining();
    fixture_run(script_drained);
}

static void test_drain_ends_at_its_time(void **state)
{
    (void)state;
    answer_begin(LENGTH("11") "h", "ello world", 51 * FIXTURE_MS);
    open_draining();
    fixture_run(script_gives_up);
    assert_int_equal(fixture_shut_time(0), 50 * FIXTURE_MS);
}

/* Bytes that keep coming do not prolong it. */
static void test_drain_is_not_prolonged(void **state)
{
    (void)state;
    answer_begin(LENGTH("11") "h", "e", 20 * FIXTURE_MS);
    for (size_t i = 2; i < FIXTURE_PARTS_MAX; i++) {
        fixture.answers[0].parts[i] = (struct fixture_part){20 * FIXTURE_MS, "l", 0, false};
    }
    open_draining();
    fixture_run(script_gives_up);
    assert_int_equal(fixture_shut_time(0), 50 * FIXTURE_MS);
}

static void test_drain_without_a_time(void **state)
{
    (void)state;
    answer_begin(LENGTH("11") "h", "ello world", 49 * FIXTURE_MS);
    fixture.options.drain_size_max = 10;
    fixture.options.drain_duration_ns = LB_NEVER;
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_drained);
}

/* Of a known size what is left decides, before a byte of it is waited for. */
static void test_drain_of_a_length_too_big(void **state)
{
    (void)state;
    answer_begin(LENGTH("12") "h", "ello world!", FIXTURE_MS);
    open_draining();
    fixture_run(script_closed);
    assert_int_equal(fixture_shut_time(0), 0);
}

static void test_drain_of_chunks_up_to_the_limit(void **state)
{
    (void)state;
    answer_begin(CHUNKED "1\r\nh\r\n", "9\r\nello worl\r\n1\r\nd\r\n0\r\n\r\n", FIXTURE_MS);
    open_draining();
    fixture_run(script_drained);
}

static void test_drain_of_chunks_too_big(void **state)
{
    (void)state;
    answer_begin(CHUNKED "1\r\nh\r\n", "9\r\nello worl\r\n2\r\nd!\r\n0\r\n\r\n", FIXTURE_MS);
    open_draining();
    fixture_run(script_gives_up);
    assert_int_equal(fixture_shut_time(0), FIXTURE_MS);
}

/* Whatever ends the body badly while it is drained ends the connection. */
static void test_drain_that_goes_wrong(void **state)
{
    static const struct {
        const char *head, *rest;
    } rows[] = {
        {LENGTH("11") "h", "ello worldHTTP/1.1 200"},               /* junk behind the end (R2) */
        {LENGTH("11") "h", "ello"},                                 /* cut, see below */
        {CHUNKED "1\r\nh\r\n", "X\r\n"},                            /* malformed */
        {CHUNKED "1\r\nh\r\n", "0\r\nno colon\r\n\r\n"},            /* malformed trailers */
        {CHUNKED "1\r\nh\r\n", "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}, /* unasked */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_begin(0, NULL, 0);
        answer_begin(rows[i].head, rows[i].rest, FIXTURE_MS);
        fixture.answers[0].parts[2].is_close = i == 1;
        open_draining();
        fixture_run(script_gives_up);
        assert_int_equal(fixture_shut_time(0), FIXTURE_MS);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

/* A connection that could not be used again is not drained. */
static void test_drain_not_without_reuse(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        fixture_begin(0, NULL, 0);
        answer_begin(i == 0   ? OK200 "Connection: close\r\nContent-Length: 5\r\n\r\nh"
                     : i == 1 ? OK200 "\r\nh"
                     : i == 2 ? "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nh"
                              : LENGTH("5") "h",
                     "ello", FIXTURE_MS);
        fixture.options.idle_per_host_max = i == 3 ? 0 : 2;
        fixture.options.is_keep_alive_off = i == 4;
        open_draining();
        fixture_run(script_closed);
        assert_int_equal(fixture_shut_time(0), 0);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

static void script_not_after_close_token(void *argument)
{
    struct lb_request_options options = {.method = "GET",
                                         .endpoint = {"http", "a", 80},
                                         .target = "/",
                                         .deadline_ns = LB_NEVER,
                                         .is_close = true};
    size_t size = 0;
    (void)argument;
    assert_int_equal(lb_request_new(fixture.transport, &options, &request), LB_OK);
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    assert_int_equal(read_some(1, &size), LB_OK);
    close_now();
    fixture_expect_stats(0, 0, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_drain_not_after_a_close_token_of_ours(void **state)
{
    (void)state;
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    open_draining();
    fixture_run(script_not_after_close_token);
    assert_int_equal(fixture_shut_time(0), 0);
}

/* A source that has a first byte and then blocks until it is closed. */
static struct source {
    struct lb_source source;
    struct lb_sim_queue queue;
    size_t read_count;
    uint32_t close_count;
} source;

static enum lb_status source_read(struct lb_source *self, void *bytes, size_t size,
                                  size_t *ret_size)
{
    (void)self;
    assert_true(size > 0);
    if (source.read_count++ > 0) {
        while (source.close_count == 0) {
            (void)lb_sim_block(fixture.sim, &source.queue, LB_NEVER, LB_SITE_SOURCE_READ);
        }
        return LB_CLOSED;
    }
    *(char *)bytes = 'x';
    *ret_size = 1;
    return LB_OK;
}

static void source_close(struct lb_source *self)
{
    (void)self;
    source.close_count++;
    lb_sim_wake(fixture.sim, &source.queue);
}

static void script_upload(void *argument)
{
    static const struct lb_source_ops ops = {.read = source_read, .close = source_close};
    memset(&source, 0, sizeof source);
    source.source.ops = &ops;
    struct lb_request_options options = {.method = "POST",
                                         .endpoint = {"http", "a", 80},
                                         .target = "/",
                                         .deadline_ns = LB_NEVER,
                                         .source = &source.source,
                                         .source_size = 2};
    size_t size = 0;
    (void)argument;
    assert_int_equal(lb_request_new(fixture.transport, &options, &request), LB_OK);
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    assert_int_equal(read_some(1, &size), LB_OK);
    assert_int_equal(source.close_count, 0);
    close_now();
    assert_int_equal(source.close_count, 1);
    fixture_expect_stats(0, 0, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_drain_not_while_a_body_is_sent(void **state)
{
    (void)state;
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    fixture.is_unasked = true; /* an early response: nobody reads the request */
    open_draining();
    fixture_run(script_upload);
    assert_int_equal(fixture_shut_time(0), 0);
}

/* -- who is there besides -- */

static void script_waiter(void *argument)
{
    struct lb_response *own = NULL;
    char bytes[4];
    size_t size = 0;
    (void)argument;
    struct lb_request *waiter = fixture_get("a", &own);
    assert_int_equal(lb_sim_now(fixture.sim), FIXTURE_MS);
    assert_int_equal(lb_body_read(lb_response_body(own), bytes, sizeof bytes, &size), LB_END);
    assert_int_equal(size, 2);
    lb_request_free(&waiter);
    fixture.done_count++;
}

static void script_with_waiter(void *argument)
{
    (void)argument;
    begin();
    fixture_spawn("waiter", script_waiter);
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    close_now();
    lb_request_free(&request);
}

static void test_drain_serves_a_waiter(void **state)
{
    (void)state;
    for (uint32_t idle_max = 0; idle_max <= 2; idle_max++) {
        fixture_begin(0, NULL, 0);
        answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
        fixture.options.connections_per_host_max = 1;
        fixture.options.idle_per_host_max = idle_max;
        open_draining();
        fixture_run(script_with_waiter);
        assert_int_equal(lb_net_log_count(fixture.net), 1);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

/* The drain fails: its slot serves the waiter by a new connection. */
static void test_drain_leaves_its_slot(void **state)
{
    (void)state;
    answer_begin(CHUNKED "1\r\nh\r\n", "X", FIXTURE_MS);
    fixture.options.connections_per_host_max = 1;
    open_draining();
    fixture_run(script_with_waiter);
    assert_int_equal(lb_net_log_count(fixture.net), 2);
}

static bool has_drain_begun; /* the read worker is inside it when the transport is freed */

static void script_free_while_draining(void *argument)
{
    (void)argument;
    begin();
    close_now();
    fixture_expect_stats(0, 1, 0);
    if (has_drain_begun) {
        lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    }
    fixture_close(NULL);
    assert_int_equal(lb_sim_now(fixture.sim), 0);
}

static void test_drain_ends_with_the_transport(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        has_drain_begun = i == 1;
        fixture_begin(0, NULL, 0);
        answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
        open_draining();
        fixture_run(script_free_while_draining);
        fixture_expect_nothing_left();
    }
}

static void script_close_idle(void *argument)
{
    (void)argument;
    begin();
    close_now();
    lb_request_free(&request);
    lb_transport_close_idle(fixture.transport, NULL);
    fixture_expect_stats(0, 1, 0);
    fixture_sleep(2 * FIXTURE_MS);
    fixture_expect_stats(0, 0, 0);
    fixture.done_count++;
}

static void test_drain_is_not_pooled_after_close_idle(void **state)
{
    (void)state;
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    open_draining();
    fixture_run(script_close_idle);
    assert_int_equal(fixture_shut_time(0), FIXTURE_MS);
}

static void script_reader(void *argument)
{
    size_t size = 1;
    (void)argument;
    assert_int_equal(read_some(1, &size), LB_CLOSED);
    assert_int_equal(size, 0);
    assert_int_equal(lb_sim_now(fixture.sim), 0);
    fixture.done_count++;
}

static void script_close_beside_a_reader(void *argument)
{
    (void)argument;
    begin();
    fixture_spawn("reader", script_reader);
    fixture_spawn("second", script_reader);
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    lb_body_close(lb_response_body(response));
    fixture_expect_stats(0, 0, 0);
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_drain_not_with_a_reader_inside(void **state)
{
    (void)state;
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    open_draining();
    fixture_run(script_close_beside_a_reader);
    assert_int_equal(fixture.done_count, 3);
    assert_int_equal(fixture_shut_time(0), 0);
}

static void script_free_request(void *argument)
{
    (void)argument;
    begin();
    lb_request_free(&request);
    fixture_expect_stats(0, 1, 0);
    fixture_sleep(2 * FIXTURE_MS);
    fixture_expect_stats(1, 0, 0);
    expect_next(true);
    fixture.done_count++;
}

static void test_drain_when_the_request_is_released(void **state)
{
    (void)state;
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    open_draining();
    fixture_run(script_free_request);
}

static void script_profile(void *argument)
{
    struct lb_profile_row rows[4];
    size_t count = 0;
    (void)argument;
    begin();
    close_now();
    lb_transport_profile(fixture.transport, rows, 4, &count);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        bool is_read = rows[i].role == LB_ROLE_READ;
        assert_null(rows[i].call_site); /* it is nobody's any more */
        assert_int_equal(rows[i].count, 1);
        assert_int_equal(rows[i].waits_for,
                         is_read ? LB_SITE_SOCKET_READ_DRAIN : LB_SITE_WAIT_REQUEST);
    }
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_drain_in_a_profile(void **state)
{
    (void)state;
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    open_draining();
    fixture_run(script_profile);
}

/* Memory that is counted does not grow by a drain, trailers or not. */
static void script_memory(void *argument)
{
    (void)argument;
    begin();
    size_t alloc_count = fixture_alloc_count();
    close_now();
    fixture_sleep(2 * FIXTURE_MS);
    fixture_expect_stats(1, 0, 0);
    assert_int_equal(fixture_alloc_count(), alloc_count);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_drain_needs_no_memory(void **state)
{
    (void)state;
    answer_begin(CHUNKED "1\r\nh\r\n", "4\r\nello\r\n0\r\nA: b\r\n\r\n", FIXTURE_MS);
    open_draining();
    fixture_run(script_memory);
}

/* The write's report is late: the response came, was closed and drained before it. Reuse waits. */
static void test_drain_waits_for_the_request_to_be_written(void **state)
{
    static const struct lb_sim_departure late = {.kind = LB_SIM_ANCHOR,
                                                 .role = LB_ROLE_WRITE,
                                                 .label = "a.1",
                                                 .site = LB_SITE_WRITE_DONE,
                                                 .occurrence = 1};
    (void)state;
    fixture_begin(0, &late, 0);
    answer_begin(CHUNKED "5\r\nhello\r\n0\r\n\r\n", NULL, 0);
    open_draining();
    fixture_run(script_drained);
    assert_true(lb_sim_departure_is_met(fixture.sim, 0));
}

/* The response was there before the request, of which nothing has been written yet. */
static void test_drain_not_before_the_request_is_written(void **state)
{
    static const struct lb_sim_departure late = {.kind = LB_SIM_ANCHOR,
                                                 .role = LB_ROLE_WRITE,
                                                 .label = "a.1",
                                                 .site = LB_SITE_WRITE_TAKE,
                                                 .occurrence = 1};
    (void)state;
    fixture_begin(0, &late, 0);
    answer_begin(LENGTH("5") "h", "ello", FIXTURE_MS);
    fixture.answers[1].parts[0].bytes = LENGTH("2") "ok";
    fixture.is_unasked = true;
    open_draining();
    fixture_run(script_closed);
    assert_true(lb_sim_departure_is_met(fixture.sim, 0));
    assert_int_equal(fixture_shut_time(0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drain_is_off_by_default),
        TEST(test_drain_of_a_length),
        TEST(test_drain_of_chunks_drops_trailers),
        TEST(test_drain_of_what_is_there),
        TEST(test_drain_to_the_last_nanosecond),
        TEST(test_drain_ends_at_its_time),
        TEST(test_drain_is_not_prolonged),
        TEST(test_drain_without_a_time),
        TEST(test_drain_of_a_length_too_big),
        TEST(test_drain_of_chunks_up_to_the_limit),
        TEST(test_drain_of_chunks_too_big),
        TEST(test_drain_that_goes_wrong),
        TEST(test_drain_not_without_reuse),
        TEST(test_drain_not_after_a_close_token_of_ours),
        TEST(test_drain_not_while_a_body_is_sent),
        TEST(test_drain_serves_a_waiter),
        TEST(test_drain_leaves_its_slot),
        TEST(test_drain_ends_with_the_transport),
        TEST(test_drain_is_not_pooled_after_close_idle),
        TEST(test_drain_not_with_a_reader_inside),
        TEST(test_drain_when_the_request_is_released),
        TEST(test_drain_in_a_profile),
        TEST(test_drain_needs_no_memory),
        TEST(test_drain_waits_for_the_request_to_be_written),
        TEST(test_drain_not_before_the_request_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
