/*
 * Tests of the simulation's faults: which call is struck, what its caller and its peer see then, what
 * the record says, and that a fault that no call comes to is not reached.
 *
 * Mental model: one client worker and one server worker on one connection; the server sends eleven bytes
 * in two segments at once, unless a test says otherwise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sim/net.h"

#define MS UINT64_C(1000000)

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_fault_state fault;
    struct lb_socket *socket;
    struct lb_net_conn *conn;
    lb_worker_fn server;
    size_t size;
    char bytes[64];
    uint32_t ended_count; /* scripts that have come to their end */
} world;

static void spawn(enum lb_role role, lb_worker_fn function)
{
    struct lb_worker_options options = {role, "a.1", function, NULL};
    uint32_t index = 0;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static enum lb_net_answer on_connect(void *context, struct lb_net_conn *conn,
                                     uint64_t *ret_delay_ns)
{
    (void)context;
    (void)ret_delay_ns;
    world.conn = conn;
    spawn(LB_ROLE_SERVER, world.server);
    return LB_NET_ACCEPT;
}

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

/* world_begin: an empty world with one fault. */
static void world_begin(struct lb_fault fault)
{
    world.fault = (struct lb_fault_state){.fault = fault, .sim = world.sim};
    struct lb_sim_options sim_options = {
        .step_count_max = 1000, .time_max_ns = LB_NEVER, .fault = &world.fault};
    struct lb_net_options net_options = {.on_connect = on_connect, .fault = &world.fault};
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &net_options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
}

static enum lb_status open_socket(void)
{
    struct lb_network *network = lb_net_network(world.net);
    struct lb_endpoint endpoint = {.scheme = "http", .host = "a", .port = 80};
    return network->ops->open(network, &endpoint, &world.socket);
}

/* run: both scripts come to their ends, under a fault. */
static void run(struct lb_fault fault, lb_worker_fn client, lb_worker_fn server)
{
    world_begin(fault);
    world.server = server;
    assert_int_equal(open_socket(), LB_OK);
    spawn(LB_ROLE_READ, client);
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    assert_int_equal(world.ended_count, 2);
    world.ended_count = 0;
}

/* -- short forms of the client's calls -- */

static enum lb_status dial(uint64_t deadline_ns)
{
    return world.socket->ops->connect(world.socket, deadline_ns, LB_SITE_SOCKET_CONNECT);
}

static enum lb_status read_until(uint64_t deadline_ns)
{
    world.size = 0;
    memset(world.bytes, 0, sizeof world.bytes);
    return world.socket->ops->read(world.socket, world.bytes, sizeof world.bytes - 1, deadline_ns,
                                   LB_SITE_SOCKET_READ_BODY, &world.size);
}

static void expect_read(const char *bytes)
{
    assert_int_equal(read_until(LB_NEVER), LB_OK);
    assert_string_equal(world.bytes, bytes);
}

static enum lb_status write_bytes(const char *bytes, uint64_t deadline_ns)
{
    return world.socket->ops->write(world.socket, bytes, strlen(bytes), deadline_ns,
                                    LB_SITE_SOCKET_WRITE, &world.size);
}

/* finish: the client's last act. */
static void finish(void)
{
    world.socket->ops->shutdown(world.socket, LB_SITE_SOCKET_SHUTDOWN);
    world.socket->ops->close(&world.socket, LB_SITE_SOCKET_CLOSE);
    world.ended_count++;
}

static uint64_t record_sum(enum lb_net_record_kind kind, uint32_t *ret_count)
{
    struct lb_net_log log;
    uint64_t sum = 0;
    lb_net_log(world.net, 0, &log);
    *ret_count = 0;
    for (size_t i = 0; i < log.record_count; i++) {
        bool is_wanted = log.records[i].kind == kind;
        sum += is_wanted ? log.records[i].value : 0;
        *ret_count += is_wanted ? 1 : 0;
    }
    return sum;
}

/* -- servers -- */

static void serve(void *argument)
{
    (void)argument;
    assert_int_equal(lb_net_send(world.conn, "hello", 5, LB_SITE_SERVER_SEND), LB_OK);
    assert_int_equal(lb_net_send(world.conn, " world", 6, LB_SITE_SERVER_SEND), LB_OK);
    world.ended_count++;
}

/* take: reads until the client is gone. */
static void take(void *argument)
{
    (void)argument;
    size_t size = 0;
    const uint8_t *bytes = NULL;
    while (lb_net_wait_input(world.conn, size, LB_NEVER, LB_SITE_SERVER_WANT) == LB_OK) {
        lb_net_input(world.conn, &bytes, &size);
    }
    world.ended_count++;
}

/* ignore: reads nothing. */
static void ignore(void *argument)
{
    (void)argument;
    world.ended_count++;
}

/* -- what is struck -- */

static void test_fault_open_is_memory_once(void **state)
{
    (void)state;
    world_begin((struct lb_fault){LB_FAULT_OPEN, LB_FAULT_MEMORY, 2, 0});
    assert_int_equal(open_socket(), LB_OK);
    assert_false(world.fault.is_reached);
    assert_int_equal(open_socket(), LB_MEMORY);
    assert_true(world.fault.is_reached);
    assert_int_equal(open_socket(), LB_OK);
    assert_int_equal(lb_net_log_count(world.net), 2);
}

static void test_fault_start_is_memory_once(void **state)
{
    (void)state;
    world_begin((struct lb_fault){LB_FAULT_START, LB_FAULT_MEMORY, 2, 0});
    struct lb_runtime *runtime = lb_sim_runtime(world.sim);
    struct lb_worker_options options = {LB_ROLE_DIAL, "a.1", ignore, NULL};
    struct lb_worker *workers[3] = {NULL, NULL, NULL};
    for (int i = 0; i < 3; i++) {
        enum lb_status status =
            runtime->ops->worker_start(runtime, &options, LB_SITE_START_DIAL, &workers[i]);
        assert_int_equal(status, i == 1 ? LB_MEMORY : LB_OK);
        assert_true((workers[i] == NULL) == (i == 1));
    }
    assert_int_equal(lb_sim_worker_count(world.sim), 2);
}

static void client_refused(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_REFUSED);
    finish();
    world.ended_count++; /* no server was started */
}

static void client_times_out(void *argument)
{
    (void)argument;
    assert_int_equal(dial(50 * MS), LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), 50 * MS);
    finish();
    world.ended_count++;
}

static void client_dials(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    finish();
}

static void test_fault_connect(void **state)
{
    (void)state;
    run((struct lb_fault){LB_FAULT_CONNECT, LB_FAULT_REFUSED, 1, 0}, client_refused, serve);
    run((struct lb_fault){LB_FAULT_CONNECT, LB_FAULT_TIMEOUT, 1, 0}, client_times_out, serve);
    assert_true(world.fault.is_reached);
}

static void test_fault_that_no_call_comes_to_is_not_reached(void **state)
{
    (void)state;
    run((struct lb_fault){LB_FAULT_CONNECT, LB_FAULT_REFUSED, 2, 0}, client_dials, serve);
    assert_false(world.fault.is_reached);
    run((struct lb_fault){LB_FAULT_CONNECT, LB_FAULT_TIMEOUT, 1, 0}, client_dials, serve);
    assert_false(world.fault.is_reached); /* without a deadline there is no time-out */
}

static void client_reset_in_second_read(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    expect_read("hello");
    assert_int_equal(read_until(LB_NEVER), LB_RESET);
    assert_int_equal(read_until(LB_NEVER), LB_RESET); /* it stays so */
    assert_int_equal(write_bytes("x", LB_NEVER), LB_RESET);
    finish();
}

static void client_ended_in_second_read(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    expect_read("hello");
    assert_int_equal(read_until(LB_NEVER), LB_END);
    assert_int_equal(read_until(LB_NEVER), LB_END);
    assert_int_equal(write_bytes("x", LB_NEVER), LB_OK); /* a half-close */
    finish();
}

static void test_fault_read_breaks_the_connection(void **state)
{
    static const enum lb_fault_how resets[] = {LB_FAULT_RESET, LB_FAULT_LATE_RESET};
    static const enum lb_fault_how ends[] = {LB_FAULT_END, LB_FAULT_LATE_END};
    uint32_t count = 0;
    (void)state;
    for (int i = 0; i < 2; i++) {
        run((struct lb_fault){LB_FAULT_READ, resets[i], 2, 0}, client_reset_in_second_read, serve);
        (void)record_sum(LB_NET_SERVER_RESET, &count);
        assert_int_equal(count, 1);
        run((struct lb_fault){LB_FAULT_READ, ends[i], 2, 0}, client_ended_in_second_read, serve);
        (void)record_sum(LB_NET_SERVER_END, &count);
        assert_int_equal(count, 1);
        struct lb_net_log log;
        lb_net_log(world.net, 0, &log);
        assert_int_equal(log.sent_size, 5); /* the rest has never been sent */
        uint64_t sent = record_sum(LB_NET_SENT, &count);
        assert_int_equal(sent - record_sum(LB_NET_LOST, &count), 5);
    }
}

/* speak_late: sends when the client is blocked already. */
static void speak_late(void *argument)
{
    lb_sim_sleep(world.sim, 10 * MS, LB_SITE_SERVER_PAUSE);
    serve(argument);
}

static void client_reset_at_once(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(read_until(LB_NEVER), LB_RESET);
    assert_int_equal(lb_sim_now(world.sim), 0);
    finish();
}

static void client_reset_late(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(read_until(LB_NEVER), LB_RESET);
    assert_int_equal(lb_sim_now(world.sim), 10 * MS);
    finish();
}

static void test_fault_late_breaks_when_the_read_would_return(void **state)
{
    (void)state;
    run((struct lb_fault){LB_FAULT_READ, LB_FAULT_RESET, 1, 0}, client_reset_at_once, speak_late);
    run((struct lb_fault){LB_FAULT_READ, LB_FAULT_LATE_RESET, 1, 0}, client_reset_late, speak_late);
}

static void client_read_times_out(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(read_until(30 * MS), LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), 30 * MS);
    expect_read("hello");
    assert_int_equal(lb_sim_now(world.sim), 30 * MS + 1);
    finish();
}

static void test_fault_read_timeout_silences_the_server(void **state)
{
    (void)state;
    run((struct lb_fault){LB_FAULT_READ, LB_FAULT_TIMEOUT, 1, 0}, client_read_times_out,
        speak_late);
}

static void client_write_resets(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    expect_read("hello");
    assert_int_equal(write_bytes("x", LB_NEVER), LB_RESET);
    assert_int_equal(read_until(LB_NEVER), LB_RESET);
    finish();
}

static void client_write_breaks(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    expect_read("hello");
    assert_int_equal(write_bytes("x", LB_NEVER), LB_RESET);
    expect_read(" world");
    assert_int_equal(read_until(LB_NEVER), LB_RESET);
    finish();
}

static void client_write_is_to_nobody(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    expect_read("hello");
    assert_int_equal(write_bytes("x", LB_NEVER), LB_RESET);
    expect_read(" world");
    assert_int_equal(read_until(LB_NEVER), LB_END);
    finish();
}

static void test_fault_write_breaks_the_connection(void **state)
{
    struct lb_net_log log;
    (void)state;
    run((struct lb_fault){LB_FAULT_WRITE, LB_FAULT_BROKEN, 1, 0}, client_write_breaks, serve);
    run((struct lb_fault){LB_FAULT_WRITE, LB_FAULT_CLOSED, 1, 0}, client_write_is_to_nobody, serve);
    run((struct lb_fault){LB_FAULT_WRITE, LB_FAULT_RESET, 1, 0}, client_write_resets, serve);
    lb_net_log(world.net, 0, &log);
    assert_int_equal(log.written_size, 0);
    assert_true(log.is_reset);
}

/* -- what is bounded -- */

static void client_reads_two_at_a_time(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    expect_read("he");
    expect_read("ll");
    expect_read("o"); /* not beyond the segment */
    expect_read(" w");
    finish();
}

static void client_writes_two_at_a_time(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("hello", LB_NEVER), LB_OK);
    assert_int_equal(world.size, 2);
    finish();
}

static void test_fault_short_calls(void **state)
{
    (void)state;
    run((struct lb_fault){LB_FAULT_SHORT_READ, LB_FAULT_NOT, 0, 2}, client_reads_two_at_a_time,
        serve);
    run((struct lb_fault){LB_FAULT_SHORT_WRITE, LB_FAULT_NOT, 0, 2}, client_writes_two_at_a_time,
        take);
    assert_true(world.fault.is_reached);
}

static void client_writes_slowly(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("hello", LB_NEVER), LB_OK);
    assert_int_equal(world.size, 5);
    assert_int_equal(lb_sim_now(world.sim), 20 * MS);
    assert_int_equal(write_bytes("hello", 25 * MS), LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), 25 * MS);
    finish();
}

/* leave: resets the connection while the client writes. */
static void leave(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 5 * MS, LB_SITE_SERVER_PAUSE);
    lb_net_reset_conn(world.conn, LB_SITE_SERVER_CLOSE);
    world.ended_count++;
}

static void client_write_is_cut_short(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("hello", LB_NEVER), LB_RESET);
    assert_int_equal(lb_sim_now(world.sim), 5 * MS);
    finish();
}

static void test_fault_slow_write(void **state)
{
    struct lb_fault fault = {LB_FAULT_SLOW_WRITE, LB_FAULT_NOT, 0, 20 * MS};
    (void)state;
    run(fault, client_writes_slowly, take);
    run(fault, client_write_is_cut_short, leave);
}

static void client_fills_the_window(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("hello", LB_NEVER), LB_OK);
    assert_int_equal(world.size, 3);
    assert_int_equal(write_bytes("lo", LB_NEVER), LB_OK);
    assert_int_equal(world.size, 2);
    finish();
}

static void client_waits_for_the_window(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("hello", LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("lo", 7 * MS), LB_TIMEOUT);
    finish();
}

static void shut_down(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 9 * MS, LB_SITE_SERVER_PAUSE);
    struct lb_net_log log;
    lb_net_log(world.net, 0, &log);
    assert_true(log.is_write_held);
    world.socket->ops->shutdown(world.socket, LB_SITE_SOCKET_SHUTDOWN);
    world.ended_count++;
}

static void client_is_shut_down(void *argument)
{
    (void)argument;
    assert_int_equal(dial(LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("hello", LB_NEVER), LB_OK);
    assert_int_equal(write_bytes("lo", LB_NEVER), LB_CLOSED);
    assert_int_equal(lb_sim_now(world.sim), 9 * MS);
    finish();
}

static void test_fault_window(void **state)
{
    struct lb_fault fault = {LB_FAULT_WINDOW, LB_FAULT_NOT, 0, 3};
    (void)state;
    run(fault, client_fills_the_window, take);
    run(fault, client_waits_for_the_window, ignore);
    run(fault, client_is_shut_down, shut_down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_open_is_memory_once),
        cmocka_unit_test(test_fault_start_is_memory_once),
        cmocka_unit_test(test_fault_connect),
        cmocka_unit_test(test_fault_that_no_call_comes_to_is_not_reached),
        cmocka_unit_test(test_fault_read_breaks_the_connection),
        cmocka_unit_test(test_fault_late_breaks_when_the_read_would_return),
        cmocka_unit_test(test_fault_read_timeout_silences_the_server),
        cmocka_unit_test(test_fault_write_breaks_the_connection),
        cmocka_unit_test(test_fault_short_calls),
        cmocka_unit_test(test_fault_slow_write),
        cmocka_unit_test(test_fault_window),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
