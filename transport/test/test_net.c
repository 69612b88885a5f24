/*
 * Tests of the simulation's network: what a client reads, when it blocks, what ends it, what misuse
 * is told, and what the record holds.
 *
 * Mental model: most tests are one client script and one server script, two workers on one
 * connection. The server is started first and runs up to its first block, unless it sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/net.h"

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_socket *socket;
    struct lb_net_conn *conn;
    enum lb_net_answer answer;
    uint64_t delay_ns; /* before the host accepts */
    lb_worker_fn server;
    char phrase[40];
    uint32_t violation_count;
    enum lb_status status;
    size_t size;
    char bytes[64];
} world;

static void spawn(enum lb_role role, lb_worker_fn function)
{
    struct lb_worker_options options = {
        .role = role, .label = "a.1", .function = function, .argument = NULL};
    uint32_t index = 0;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static enum lb_net_answer on_connect(void *context, struct lb_net_conn *conn,
                                     uint64_t *ret_delay_ns)
{
    assert_ptr_equal(context, &world);
    world.conn = conn;
    *ret_delay_ns = world.delay_ns;
    if (world.answer == LB_NET_ACCEPT && world.server != NULL) {
        spawn(LB_ROLE_SERVER, world.server);
    }
    return world.answer;
}

static void on_violation(void *context, const char *rule, const char *phrase)
{
    assert_ptr_equal(context, &world);
    assert_string_equal(rule, "O1");
    assert_true(strlen(phrase) < sizeof(world.phrase));
    memcpy(world.phrase, phrase, strlen(phrase) + 1);
    world.violation_count += 1;
}

static void world_reset(uint32_t slice)
{
    static const struct lb_sim_options sim_options = {.step_count_max = 1000,
                                                      .time_max_ns = 1000000};
    struct lb_net_options options = {
        .slice = slice, .on_connect = on_connect, .on_violation = on_violation, .context = &world};
    struct world fresh = {.sim = world.sim, .net = world.net};
    world = fresh;
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    world_reset(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

static struct lb_socket *open_socket(const char *host)
{
    struct lb_network *network = lb_net_network(world.net);
    struct lb_endpoint endpoint = {.scheme = "http", .host = host, .port = 80};
    struct lb_socket *socket = NULL;
    assert_int_equal(network->ops->open(network, &endpoint, &socket), LB_OK);
    return socket;
}

/* Runs both to their ends; `blocked_count` workers are blocked for ever then. */
static void run_blocked(lb_worker_fn client, lb_worker_fn server, uint32_t blocked_count)
{
    world.server = server;
    world.socket = open_socket("a");
    spawn(LB_ROLE_READ, client);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    for (uint32_t i = 0; i < lb_sim_worker_count(world.sim); i += 1) {
        struct lb_sim_view view;
        lb_sim_view(world.sim, i, &view);
        blocked_count -= view.state == LB_SIM_BLOCKING;
    }
    assert_int_equal(blocked_count, 0);
}

static void run(lb_worker_fn client, lb_worker_fn server)
{
    run_blocked(client, server, 0);
}

/* -- short forms of the client's calls -- */

static enum lb_status dial(void)
{
    return world.socket->ops->connect(world.socket, 100, LB_SITE_SOCKET_CONNECT);
}

static enum lb_status read_some(size_t size, uint64_t deadline_ns)
{
    world.size = 0;
    memset(world.bytes, 0, sizeof(world.bytes));
    return world.socket->ops->read(world.socket, world.bytes, size, deadline_ns,
                                   LB_SITE_SOCKET_READ_BODY, &world.size);
}

static void expect_read(size_t size, const char *bytes)
{
    assert_int_equal(read_some(size, LB_NEVER), LB_OK);
    assert_string_equal(world.bytes, bytes);
    assert_int_equal(world.size, strlen(bytes));
}

static enum lb_status write_some(const char *bytes)
{
    world.size = 0;
    return world.socket->ops->write(world.socket, bytes, strlen(bytes), LB_NEVER,
                                    LB_SITE_SOCKET_WRITE, &world.size);
}

static void shut(void)
{
    world.socket->ops->shutdown(world.socket, LB_SITE_SOCKET_SHUTDOWN);
}

static void close_socket(void)
{
    struct lb_socket *socket = world.socket;
    socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
    assert_null(socket);
}

static void send_text(const char *bytes)
{
    assert_int_equal(lb_net_send(world.conn, bytes, strlen(bytes), LB_SITE_SERVER_SEND), LB_OK);
}

static struct lb_net_log log_of_first(void)
{
    struct lb_net_log log;
    lb_net_log(world.net, 0, &log);
    return log;
}

static size_t count_records(enum lb_net_record_kind kind)
{
    struct lb_net_log log = log_of_first();
    size_t count = 0;
    for (size_t i = 0; i < log.record_count; i += 1) {
        count += log.records[i].kind == kind;
    }
    return count;
}

/* -- reading -- */

static void serve_segments(void *argument)
{
    (void)argument;
    send_text("hello");
    send_text("wo");
    send_text("");
    send_text("rld");
    lb_net_close(world.conn, LB_SITE_SERVER_CLOSE);
}

static void read_segments(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    lb_sim_sleep(world.sim, 1, LB_SITE_CALLER_ADVANCE);
    expect_read(3, "hel");
    expect_read(60, "lo");
    expect_read(60, "wo");
    expect_read(60, "rld");
    assert_int_equal(read_some(60, LB_NEVER), LB_END);
    assert_int_equal(read_some(60, LB_NEVER), LB_END);
}

static void test_net_reads_one_segment_at_most(void **state)
{
    (void)state;
    run(read_segments, serve_segments);
    struct lb_net_log log = log_of_first();
    assert_int_equal(log.sent_size, 10);
    assert_memory_equal(log.sent, "helloworld", 10);
    assert_int_equal(log.unread_size, 0);
    assert_true(log.is_server_ended);
    assert_true(log.is_open);
}

static void read_slices(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    lb_sim_sleep(world.sim, 1, LB_SITE_CALLER_ADVANCE);
    expect_read(60, "he");
    expect_read(1, "l");
    expect_read(60, "l");
    expect_read(60, "o");
    expect_read(60, "wo");
    expect_read(60, "rl");
    expect_read(60, "d");
    assert_int_equal(read_some(60, LB_NEVER), LB_END);
}

static void test_net_cuts_slices(void **state)
{
    (void)state;
    world_reset(2);
    run(read_slices, serve_segments);
}

static void serve_whole(void *argument)
{
    (void)argument;
    send_text("hello");
    send_text("world");
    lb_sim_sleep(world.sim, 2, LB_SITE_SERVER_PAUSE);
    send_text("again");
    lb_net_end(world.conn, LB_SITE_SERVER_CLOSE);
}

static void read_whole(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    lb_sim_sleep(world.sim, 1, LB_SITE_CALLER_ADVANCE);
    expect_read(3, "hel");
    lb_sim_sleep(world.sim, 3, LB_SITE_CALLER_ADVANCE);
    expect_read(60, "loworldagain");
    assert_int_equal(read_some(60, LB_NEVER), LB_END);
}

static void test_net_joins_what_is_unread(void **state)
{
    (void)state;
    world_reset(LB_NET_WHOLE);
    run(read_whole, serve_whole);
}

static void serve_late(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 50, LB_SITE_SERVER_PAUSE);
    send_text("late");
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
}

static void read_late(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    assert_false(world.socket->ops->is_pending(world.socket));
    assert_int_equal(read_some(60, 49), LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), 49);
    expect_read(60, "late");
    assert_int_equal(lb_sim_now(world.sim), 50);
    world.status = read_some(60, LB_NEVER);
}

static void test_net_read_waits_for_bytes_or_its_deadline(void **state)
{
    (void)state;
    run_blocked(read_late, serve_late, 1);
    struct lb_sim_view view;
    lb_sim_view(world.sim, 0, &view); /* the second read waits for ever, on its connection */
    assert_int_equal(view.state, LB_SIM_BLOCKING);
    assert_int_equal(lb_sim_now(world.sim), 50);
    assert_int_equal(lb_net_log_of(world.net, view.queue), 0);
    assert_int_equal(lb_net_log_of(world.net, &view), -1);
    assert_int_equal(lb_net_log_of(world.net, NULL), -1);
}

/* -- ends -- */

static void serve_half_close(void *argument)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    (void)argument;
    send_text("x");
    lb_net_end(world.conn, LB_SITE_SERVER_CLOSE);
    send_text("without effect");
    assert_int_equal(lb_net_wait_input(world.conn, 3, LB_NEVER, LB_SITE_SERVER_WANT), LB_OK);
    lb_net_input(world.conn, &bytes, &size);
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "ping", 4);
    lb_net_consume(world.conn, 3);
    assert_int_equal(lb_net_wait_input(world.conn, 1, 70, LB_SITE_SERVER_WANT), LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), 70);
    assert_int_equal(lb_net_wait_input(world.conn, 1, LB_NEVER, LB_SITE_SERVER_WANT), LB_END);
    assert_int_equal(lb_net_wait_input(world.conn, 0, LB_NEVER, LB_SITE_SERVER_WANT), LB_OK);
    world.status = LB_END;
}

static void read_half_close(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    expect_read(60, "x");
    assert_int_equal(read_some(60, LB_NEVER), LB_END);
    assert_true(world.socket->ops->is_pending(world.socket));
    assert_int_equal(write_some("ping"), LB_OK);
    assert_int_equal(world.size, 4);
    lb_sim_sleep(world.sim, 80, LB_SITE_CALLER_ADVANCE);
    shut();
    assert_int_equal(read_some(60, LB_NEVER), LB_CLOSED);
    assert_int_equal(write_some("ping"), LB_CLOSED);
}

static void test_net_half_closed_server_still_reads(void **state)
{
    (void)state;
    run(read_half_close, serve_half_close);
    assert_int_equal(world.status, LB_END);
    assert_int_equal(log_of_first().sent_size, 1);
    assert_int_equal(log_of_first().written_size, 4);
    assert_true(log_of_first().is_shut);
}

static void serve_close(void *argument)
{
    (void)argument;
    lb_net_close(world.conn, LB_SITE_SERVER_CLOSE);
    assert_int_equal(lb_net_wait_input(world.conn, 0, LB_NEVER, LB_SITE_SERVER_WANT), LB_END);
}

static void write_to_closed(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    assert_int_equal(read_some(60, LB_NEVER), LB_END);
    assert_int_equal(write_some("ping"), LB_RESET);
}

static void test_net_write_after_servers_close_is_reset(void **state)
{
    (void)state;
    run(write_to_closed, serve_close);
    struct lb_net_log log = log_of_first();
    assert_int_equal(log.written_size, 0);
    assert_int_equal(log.records[log.record_count - 1].kind, LB_NET_WRITE_END);
    assert_int_equal(log.records[log.record_count - 1].value, LB_RESET);
}

static void serve_reset(void *argument)
{
    (void)argument;
    send_text("lost");
    lb_net_reset_conn(world.conn, LB_SITE_SERVER_CLOSE);
    lb_net_reset_conn(world.conn, LB_SITE_SERVER_CLOSE);
    send_text("without effect");
    lb_net_end(world.conn, LB_SITE_SERVER_CLOSE);
    assert_int_equal(lb_net_wait_input(world.conn, 0, LB_NEVER, LB_SITE_SERVER_WANT), LB_END);
}

static void read_reset(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    lb_sim_sleep(world.sim, 1, LB_SITE_CALLER_ADVANCE);
    assert_true(world.socket->ops->is_pending(world.socket));
    assert_int_equal(read_some(60, LB_NEVER), LB_RESET);
    assert_int_equal(write_some("ping"), LB_RESET);
}

static void read_until_reset(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    assert_int_equal(read_some(60, LB_NEVER), LB_RESET);
}

static void test_net_reset_loses_unread_bytes(void **state)
{
    (void)state;
    run(read_reset, serve_reset);
    assert_true(log_of_first().is_reset);
    assert_false(log_of_first().is_server_ended);
    assert_int_equal(log_of_first().sent_size, 4);
    assert_int_equal(count_records(LB_NET_SERVER_RESET), 1);
    assert_int_equal(log_of_first().unread_size, 0);
}

static void serve_and_reset_at_40(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 40, LB_SITE_SERVER_PAUSE);
    lb_net_reset_conn(world.conn, LB_SITE_SERVER_CLOSE);
}

static void serve_waiting(void *argument)
{
    (void)argument;
    spawn(LB_ROLE_SERVER, serve_and_reset_at_40);
    world.status = lb_net_wait_input(world.conn, 0, LB_NEVER, LB_SITE_SERVER_WANT);
}

static void test_net_reset_unblocks_both_sides(void **state)
{
    (void)state;
    run(read_until_reset, serve_waiting);
    assert_int_equal(world.status, LB_END);
    assert_int_equal(lb_sim_now(world.sim), 40);
}

/* -- connecting -- */

static void dial_only(void *argument)
{
    (void)argument;
    world.status = dial();
}

static void test_net_connect_is_refused(void **state)
{
    (void)state;
    world.answer = LB_NET_REFUSE;
    run(dial_only, NULL);
    assert_int_equal(world.status, LB_REFUSED);
    assert_false(log_of_first().is_connected);
    world_reset(0);
    world.socket = open_socket("unknown");
    spawn(LB_ROLE_DIAL, dial_only);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_int_equal(world.status, LB_REFUSED);
    assert_null(world.conn); /* nobody was asked */
    assert_string_equal(log_of_first().name, "unknown.1");
}

static void test_net_stalled_connect_ends_by_deadline(void **state)
{
    (void)state;
    world.answer = LB_NET_STALL;
    run(dial_only, NULL);
    assert_int_equal(world.status, LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), 100);
    struct lb_net_log log = log_of_first();
    assert_int_equal(log.records[1].kind, LB_NET_FAILED);
    assert_int_equal(log.records[1].value, LB_TIMEOUT);
    assert_int_equal(log.records[1].time_ns, 100);
}

static void shut_at_40(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 40, LB_SITE_CALLER_ADVANCE);
    shut();
    shut();
}

static void test_net_shutdown_unblocks_a_connect(void **state)
{
    (void)state;
    world.answer = LB_NET_STALL;
    spawn(LB_ROLE_CALLER, shut_at_40);
    run(dial_only, NULL);
    assert_int_equal(world.status, LB_CLOSED);
    assert_int_equal(lb_sim_now(world.sim), 40);
}

static void read_until_shut(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    world.status = read_some(60, LB_NEVER);
}

static void test_net_shutdown_unblocks_a_read(void **state)
{
    (void)state;
    spawn(LB_ROLE_CALLER, shut_at_40);
    run(read_until_shut, NULL);
    assert_int_equal(world.status, LB_CLOSED);
    assert_int_equal(lb_sim_now(world.sim), 40);
    assert_int_equal(count_records(LB_NET_SHUT), 1);
}

/* -- misuse -- */

static void misuse_after_close(void *argument)
{
    (void)argument;
    assert_int_equal(dial(), LB_OK);
    assert_string_equal(world.socket->ops->name(world.socket), "a.1");
    close_socket();
    assert_int_equal(world.violation_count, 0);
    close_socket();
    assert_string_equal(world.phrase, "close after close");
    assert_int_equal(read_some(60, LB_NEVER), LB_CLOSED);
    assert_string_equal(world.phrase, "read after close");
    assert_int_equal(write_some("ping"), LB_CLOSED);
    assert_string_equal(world.phrase, "write after close");
    shut();
    assert_string_equal(world.phrase, "shutdown after close");
    assert_false(world.socket->ops->is_pending(world.socket));
    assert_string_equal(world.phrase, "look after close");
    assert_int_equal(dial(), LB_CLOSED);
    assert_string_equal(world.phrase, "connect after close");
    assert_string_equal(world.socket->ops->name(world.socket), "a.1");
    assert_string_equal(world.phrase, "name after close");
    assert_int_equal(world.violation_count, 7);
}

static void test_net_use_after_close_is_told(void **state)
{
    (void)state;
    run(misuse_after_close, NULL);
    assert_int_equal(world.violation_count, 7);
    assert_false(log_of_first().is_open);
}

static void close_at_40(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 40, LB_SITE_CALLER_ADVANCE);
    close_socket();
}

static void test_net_close_during_a_read_is_told(void **state)
{
    (void)state;
    spawn(LB_ROLE_CALLER, close_at_40);
    run(read_until_shut, NULL);
    assert_int_equal(world.violation_count, 1);
    assert_string_equal(world.phrase, "close during a call");
    assert_int_equal(world.status, LB_CLOSED);
}

/* -- the record -- */

static void test_net_record_is_complete(void **state)
{
    (void)state;
    run(read_segments, serve_segments);
    static const struct lb_net_record records[] = {
        {.kind = LB_NET_OPENED, .sequence = 0},
        {.kind = LB_NET_CONNECTED, .sequence = 1},
        {.kind = LB_NET_SENT, .sequence = 2, .value = 5},
        {.kind = LB_NET_SENT, .sequence = 3, .value = 2},
        {.kind = LB_NET_SENT, .sequence = 4, .value = 3},
        {.kind = LB_NET_SERVER_END, .sequence = 5},
        {.kind = LB_NET_READ, .sequence = 6, .time_ns = 1, .value = 3},
        {.kind = LB_NET_READ, .sequence = 7, .time_ns = 1, .value = 2},
        {.kind = LB_NET_READ, .sequence = 8, .time_ns = 1, .value = 2},
        {.kind = LB_NET_READ, .sequence = 9, .time_ns = 1, .value = 3},
        {.kind = LB_NET_READ_END, .sequence = 10, .time_ns = 1, .value = LB_END},
        {.kind = LB_NET_READ_END, .sequence = 11, .time_ns = 1, .value = LB_END},
    };
    struct lb_net_log log = log_of_first();
    assert_int_equal(log.record_count, sizeof(records) / sizeof(records[0]));
    for (size_t i = 0; i < log.record_count; i += 1) {
        assert_int_equal(log.records[i].kind, records[i].kind);
        assert_int_equal(log.records[i].sequence, records[i].sequence);
        assert_int_equal(log.records[i].time_ns, records[i].time_ns);
        assert_int_equal(log.records[i].value, records[i].value);
    }
}

static void test_net_names_count_by_host(void **state)
{
    (void)state;
    assert_int_equal(lb_net_host_add(world.net, "bb"), LB_OK);
    for (int i = 0; i < 12; i += 1) {
        (void)open_socket(i % 3 == 2 ? "bb" : "a");
    }
    struct lb_net_log log;
    assert_int_equal(lb_net_log_count(world.net), 12);
    lb_net_log(world.net, 2, &log);
    assert_string_equal(log.name, "bb.1");
    assert_string_equal(log.host, "bb");
    lb_net_log(world.net, 3, &log);
    assert_string_equal(log.name, "a.3");
    assert_int_equal(log.ordinal, 3);
    while (lb_net_log_count(world.net) < LB_NET_CONNS_MAX) {
        (void)open_socket("a");
    }
    lb_net_log(world.net, LB_NET_CONNS_MAX - 1, &log);
    assert_string_equal(log.name, "a.252");
    lb_net_log(world.net, 14, &log);
    assert_string_equal(log.name, "a.11");
    struct lb_network *network = lb_net_network(world.net);
    struct lb_socket *socket = NULL;
    struct lb_endpoint endpoint = {.scheme = "http", .host = "a", .port = 80};
    assert_int_equal(network->ops->open(network, &endpoint, &socket), LB_MEMORY);
    assert_null(socket);
    world_reset(0);
    assert_int_equal(lb_net_log_count(world.net), 0);
}

static void serve_too_much(void *argument)
{
    static const char bytes[65536];
    enum lb_status status = LB_OK;
    (void)argument;
    for (int i = 0; i < 64; i += 1) {
        status = lb_net_send(world.conn, bytes, sizeof(bytes), LB_SITE_SERVER_SEND);
        assert_int_equal(status, LB_OK);
    }
    world.status = lb_net_send(world.conn, bytes, 1, LB_SITE_SERVER_SEND);
}

static void test_net_streams_are_bounded(void **state)
{
    (void)state;
    run(read_until_shut, serve_too_much);
    assert_int_equal(log_of_first().sent_size, LB_NET_STREAM_MAX);
    assert_int_equal(lb_net_host_add(world.net, "a-name-that-is-too-long"), LB_LIMIT);
}

static uint64_t hash_of(uint32_t slice)
{
    world_reset(slice);
    run(read_until_shut, serve_segments);
    return lb_sim_hash(world.sim);
}

static void test_net_hash_covers_what_passed(void **state)
{
    (void)state;
    uint64_t hash = hash_of(0);
    assert_true(hash == hash_of(0));
    assert_true(hash != hash_of(2)); /* only the value of one read differs */
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_net_reads_one_segment_at_most),
        TEST(test_net_cuts_slices),
        TEST(test_net_joins_what_is_unread),
        TEST(test_net_read_waits_for_bytes_or_its_deadline),
        TEST(test_net_half_closed_server_still_reads),
        TEST(test_net_write_after_servers_close_is_reset),
        TEST(test_net_reset_loses_unread_bytes),
        TEST(test_net_reset_unblocks_both_sides),
        TEST(test_net_connect_is_refused),
        TEST(test_net_stalled_connect_ends_by_deadline),
        TEST(test_net_shutdown_unblocks_a_connect),
        TEST(test_net_shutdown_unblocks_a_read),
        TEST(test_net_use_after_close_is_told),
        TEST(test_net_close_during_a_read_is_told),
        TEST(test_net_record_is_complete),
        TEST(test_net_names_count_by_host),
        TEST(test_net_streams_are_bounded),
        TEST(test_net_hash_covers_what_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
