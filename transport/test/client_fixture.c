/*
 * The simulated world of client tests. Invariants are checked at every step.
 */
#include "test/client_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "test/memory_fixture.h"

struct fixture fixture;

static struct test_memory fixture_memory;

/* part_play: sends a part; false: the connection is over. */
static bool part_play(struct lb_net_conn *conn, const struct fixture_part *part)
{
    if (part->pause_ns > 0) {
        lb_sim_sleep(fixture.sim, lb_sim_now(fixture.sim) + part->pause_ns, LB_SITE_SERVER_PAUSE);
    }
    if (part->bytes != NULL) {
        size_t size = part->size == 0 ? strlen(part->bytes) : part->size;
        assert_int_equal(lb_net_send(conn, part->bytes, size, LB_SITE_SERVER_SEND), LB_OK);
    }
    if (part->is_close) {
        lb_net_close(conn, LB_SITE_SERVER_CLOSE);
    }
    return !part->is_close;
}

/* answer_play: the next answer; false: the connection is over. */
static bool answer_play(struct lb_net_conn *conn)
{
    bool is_open = true;
    assert_true(fixture.answer_count < FIXTURE_ANSWERS_MAX);
    const struct fixture_answer *answer = &fixture.answers[fixture.answer_count++];
    for (size_t i = 0; is_open && i < FIXTURE_PARTS_MAX; i++) {
        is_open = part_play(conn, &answer->parts[i]);
    }
    return is_open;
}

/* serve: answers every request of one connection. */
static void serve(void *argument)
{
    struct lb_net_conn *conn = argument;
    if (fixture.is_unasked) {
        (void)answer_play(conn);
        return; /* it looks at no request */
    }
    bool is_open = true;
    while (is_open && lb_net_wait_input(conn, 0, LB_NEVER, LB_SITE_SERVER_WANT) == LB_OK) {
        const uint8_t *input = NULL;
        size_t size = 0;
        lb_net_input(conn, &input, &size);
        assert_true(size >= 4 && memcmp(input + size - 4, "\r\n\r\n", 4) == 0);
        lb_net_consume(conn, size);
        is_open = answer_play(conn);
    }
}

static void on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), serve, conn};
    uint32_t index = 0;
    (void)context;
    assert_int_equal(lb_sim_spawn(fixture.sim, &options, &index), LB_OK);
}

static void on_violation(void *context, const char *rule, const char *phrase)
{
    (void)context;
    fail_msg("%s: %s", rule, phrase);
}

static void on_switch(void *context)
{
    (void)context;
    if (fixture.transport != NULL) {
        lb_transport_check(fixture.transport);
    }
}

void fixture_begin(size_t fail_at, const struct lb_sim_departure *departure, uint32_t slice)
{
    struct lb_sim_options sim_options = {.step_count_max = 1000000,
                                         .time_max_ns = LB_NEVER,
                                         .departures = departure,
                                         .departure_count = departure == NULL ? 0 : 1,
                                         .on_switch = on_switch};
    struct lb_net_options net_options = {
        .slice = slice, .on_accept = on_accept, .on_violation = on_violation};
    struct fixture fresh = {.sim = fixture.sim, .net = fixture.net};
    fixture = fresh;
    test_memory_init(&fixture_memory, fail_at);
    lb_sim_reset(fixture.sim, &sim_options);
    lb_net_reset(fixture.net, &net_options);
    assert_int_equal(lb_net_host_add(fixture.net, "a"), LB_OK);
    assert_int_equal(lb_net_host_add(fixture.net, "b"), LB_OK);
    lb_transport_options_default(&fixture.options);
    fixture.options.is_checked = true;
    fixture.options.idle_duration_ns = LB_NEVER;
    fixture.options.runtime = lb_sim_runtime(fixture.sim);
    fixture.options.network = lb_net_network(fixture.net);
    fixture.options.memory = &fixture_memory.memory;
}

enum lb_status fixture_open(void)
{
    return lb_transport_new(&fixture.options, &fixture.transport);
}

int fixture_setup(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    assert_int_equal(lb_sim_new(&fixture.sim), LB_OK);
    assert_int_equal(lb_net_new(fixture.sim, &fixture.net), LB_OK);
    fixture_begin(0, NULL, 0);
    return 0;
}

void fixture_spawn(const char *label, lb_worker_fn script)
{
    struct lb_worker_options options = {LB_ROLE_CALLER, label, script, NULL};
    uint32_t index = 0;
    assert_int_equal(lb_sim_spawn(fixture.sim, &options, &index), LB_OK);
}

void fixture_run(lb_worker_fn script)
{
    uint32_t done_count = fixture.done_count;
    fixture.is_running = true;
    fixture_spawn("main", script);
    assert_int_equal(lb_sim_run(fixture.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    fixture.is_running = false;
    assert_true(fixture.done_count > done_count);
}

void fixture_close(void *argument)
{
    struct lb_transport *transport = fixture.transport;
    (void)argument;
    fixture.transport = NULL;
    lb_transport_free(&transport);
    fixture.done_count++;
}

void fixture_expect_nothing_left(void)
{
    for (size_t i = 0; i < lb_net_log_count(fixture.net); i++) {
        struct lb_net_log log;
        lb_net_log(fixture.net, i, &log);
        assert_false(log.is_open);
    }
    for (uint32_t i = 0; i < lb_sim_worker_count(fixture.sim); i++) {
        struct lb_sim_view view;
        lb_sim_view(fixture.sim, i, &view);
        assert_int_equal(view.state, LB_SIM_DONE);
    }
    assert_int_equal(fixture_memory.block_count, 0);
    assert_int_equal(fixture_memory.size, 0);
}

int fixture_teardown(void **state)
{
    (void)state;
    if (fixture.is_running) {
        return 0; /* the failure was in the middle of a step: nothing can be taken down */
    }
    if (fixture.transport != NULL) {
        fixture_run(fixture_close);
    }
    fixture_expect_nothing_left();
    lb_net_free(&fixture.net);
    lb_sim_free(&fixture.sim);
    return 0;
}

struct lb_request *fixture_make(const char *host, const char *method)
{
    struct lb_request_options options = {
        .method = method,
        .endpoint = {.scheme = "http", .host = host, .port = 80},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .call_site = "test",
    };
    struct lb_request *request = NULL;
    assert_int_equal(lb_request_new(fixture.transport, &options, &request), LB_OK);
    return request;
}

struct lb_request *fixture_get(const char *host, struct lb_response **ret_response)
{
    struct lb_request *request = fixture_make(host, "GET");
    assert_int_equal(lb_request_send(request, ret_response), LB_OK);
    return request;
}

void fixture_sleep(uint64_t duration_ns)
{
    lb_sim_sleep(fixture.sim, lb_sim_now(fixture.sim) + duration_ns, LB_SITE_CALLER_ADVANCE);
}

void fixture_expect_stats(uint32_t idle, uint32_t busy, uint32_t open_bodies)
{
    struct lb_stats stats;
    lb_transport_stats(fixture.transport, NULL, &stats);
    assert_int_equal(stats.idle, idle);
    assert_int_equal(stats.busy, busy);
    assert_int_equal(stats.open_bodies, open_bodies);
}

size_t fixture_alloc_count(void)
{
    return fixture_memory.alloc_count;
}

size_t fixture_memory_size(void)
{
    return fixture_memory.size;
}

bool fixture_has_failed(void)
{
    return fixture_memory.has_failed;
}

uint64_t fixture_shut_time(size_t index)
{
    struct lb_net_log log;
    uint64_t time_ns = LB_NEVER;
    lb_net_log(fixture.net, index, &log);
    for (size_t i = 0; i < log.record_count; i++) {
        if (log.records[i].kind == LB_NET_SHUT) {
            time_ns = log.records[i].time_ns;
        }
    }
    return time_ns;
}
