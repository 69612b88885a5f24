/*
 * Tests of the client on real sockets: what a caller sees, what the server sees, and what the process
 * holds afterwards. The rules themselves are tested in the simulation; here it is the other universes
 * that are under test: runtime/threads.c and socket/tcp.c, and, with TEST_ON_LOOP, runtime/loop.c and
 * socket/loop_tcp.c.
 *
 * Mental model: a test makes requests to a server on loopback. Time is real, so nothing is asserted
 * about it but generous bounds; what another thread brings about is waited for (await).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "test/loopback.h"
#include "test/memory_fixture.h"
#include "test/side.h"

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */
#define SIZE 5000         /* bytes of a body: more than the client's buffer */

static struct world {
    struct test_memory memory; /* on the loop; on threads it would need a lock */
    struct loopback *server;
    struct lb_transport *transport;
    struct lb_transport_options options;
    uint32_t fd_count; /* before the test */
    uint32_t thread_count;
    uint32_t request_count; /* numbers given out */
} world;

static uint64_t now(void)
{
    struct lb_runtime *runtime = side_runtime();
    return runtime->ops->now(runtime);
}

/* What is waited for. */
typedef bool (*holds_fn)(uint32_t value);

/* await: waits until it holds. */
static void await(holds_fn holds, uint32_t value)
{
    uint32_t waited = 0;
    while (!holds(value)) {
        assert_true(waited < PATIENCE_MS);
        side_pause(2);
        waited += 2;
    }
}

static struct lb_stats stats(void)
{
    struct lb_stats all;
    lb_transport_stats(world.transport, NULL, &all);
    return all;
}

static bool idle_is(uint32_t value)
{
    return stats().idle == value;
}

static bool waiting_is(uint32_t value)
{
    return stats().waiting == value;
}

static bool dialing_is(uint32_t value)
{
    return stats().dialing == value;
}

static bool ended_is(uint32_t value)
{
    return loopback_ended(world.server) == value;
}

static bool requests_are(uint32_t value)
{
    return loopback_requests(world.server) == value;
}

static bool threads_are(uint32_t value)
{
    return loopback_thread_count() == value; /* the kernel forgets a joined one a little later */
}

/* -- a world for each test -- */

static void transport_make(void)
{
    assert_int_equal(lb_transport_new(&world.options, &world.transport), LB_OK);
}

static int setup_on(const char *host)
{
    memset(&world, 0, sizeof world);
    world.fd_count = loopback_fd_count();
    world.thread_count = loopback_thread_count();
    test_memory_init(&world.memory, 0);
    side_begin(SIDE_IS_LOOP ? &world.memory.memory : lb_memory_standard());
    world.server = loopback_start(host);
    lb_transport_options_default(&world.options);
    world.options.is_checked = true;
    world.options.runtime = side_runtime();
    world.options.network = side_network();
    world.options.memory = SIDE_IS_LOOP ? &world.memory.memory : lb_memory_standard();
    transport_make();
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_on("127.0.0.1");
}

static int setup_six(void **state)
{
    (void)state;
    return setup_on("::1");
}

/* world_end: what the last caller does. */
static void world_end(void)
{
    lb_transport_free(&world.transport);
    assert_null(world.transport);
    loopback_stop(&world.server);
    await(threads_are, world.thread_count);
}

static int teardown(void **state)
{
    (void)state;
    if (side_is_left()) {
        return -1;
    }
    side_end();
    assert_int_equal(loopback_fd_count(), world.fd_count);
    assert_int_equal(world.memory.block_count, 0);
    assert_int_equal(world.memory.size, 0);
    return 0;
}

/* A test: its scenario runs on this program's side. */
struct scenario {
    void (*function)(void **state);
};

static void scenario_run(void **state)
{
    const struct scenario *scenario = *state;
    side_run(scenario->function, world_end);
}

/* -- short forms of the client's calls -- */

/* One request, and what became of it. */
struct call {
    struct lb_request *request;
    struct lb_response *response;
    uint32_t number;
    enum lb_status status; /* of a send or read beside the scenario */
    struct side_task task;
};

static struct call make_at(uint16_t port, enum loopback_kind kind, uint64_t deadline_ns,
                           const char *call_site)
{
    struct call call = {.number = ++world.request_count};
    char target[LOOPBACK_TARGET_MAX];
    loopback_target(kind, call.number, SIZE, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = "http", .host = loopback_host(world.server), .port = port},
        .target = target,
        .deadline_ns = deadline_ns,
        .call_site = call_site,
    };
    assert_int_equal(lb_request_new(world.transport, &options, &call.request), LB_OK);
    return call;
}

static struct call make(enum loopback_kind kind)
{
    return make_at(loopback_port(world.server), kind, LB_NEVER, NULL);
}

/* get: makes and sends a request that is answered with 200. */
static struct call get(enum loopback_kind kind)
{
    struct call call = make(kind);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_OK);
    assert_int_equal(lb_response_code(call.response), 200);
    return call;
}

/* read_some: reads the body to its end or its first `size` bytes, whatever comes first. */
static enum lb_status read_some(const struct call *call, size_t size, size_t *ret_size)
{
    struct lb_body *body = lb_response_body(call->response);
    enum lb_status status = LB_OK;
    char bytes[1000];
    *ret_size = 0;
    while (status == LB_OK && *ret_size < size) {
        size_t room = size - *ret_size < sizeof bytes ? size - *ret_size : sizeof bytes;
        size_t count = 0;
        status = lb_body_read(body, bytes, room, &count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(bytes[i], loopback_byte(call->number, *ret_size + i));
        }
        *ret_size += count;
    }
    return status;
}

/* read_all: reads the whole body, and releases the request. */
static void read_all(struct call *call)
{
    size_t size = 0;
    assert_int_equal(read_some(call, SIZE + 1, &size), LB_END);
    assert_int_equal(size, SIZE);
    assert_int_equal(lb_body_state(lb_response_body(call->response)), LB_BODY_ENDED);
    lb_request_free(&call->request);
}

static void get_all(enum loopback_kind kind)
{
    struct call call = get(kind);
    read_all(&call);
}

static void send_main(void *argument)
{
    struct call *call = argument;
    call->status = lb_request_send(call->request, &call->response);
}

static void read_main(void *argument)
{
    struct call *call = argument;
    size_t size = 0;
    call->status = read_some(call, SIZE + 1, &size);
}

static void start(struct call *call, void (*function)(void *))
{
    side_start(&call->task, function, call);
}

static enum lb_status finish(struct call *call)
{
    side_finish(&call->task);
    return call->status;
}

/* -- bodies and the pool -- */

static void test_threads_body_read_to_its_end_gives_the_connection_back(void **state)
{
    (void)state;
    get_all(LOOPBACK_LENGTH);
    assert_int_equal(stats().idle, 1);
    get_all(LOOPBACK_CHUNKED);
    get_all(LOOPBACK_SLOW);
    assert_int_equal(stats().idle, 1);
    assert_int_equal(loopback_accepted(world.server), 1);
}

static void test_threads_body_until_close_ends_the_connection(void **state)
{
    (void)state;
    get_all(LOOPBACK_CLOSE);
    assert_int_equal(stats().idle, 0);
    get_all(LOOPBACK_CLOSE);
    assert_int_equal(loopback_accepted(world.server), 2);
}

static void test_threads_close_early_ends_the_connection(void **state)
{
    (void)state;
    size_t size = 0;
    struct call call = get(LOOPBACK_PART);
    assert_int_equal(read_some(&call, 10, &size), LB_OK);
    assert_int_equal(size, 10);
    lb_body_close(lb_response_body(call.response));
    assert_int_equal(read_some(&call, 10, &size), LB_CLOSED);
    lb_request_free(&call.request);
    await(ended_is, 1);
    get_all(LOOPBACK_LENGTH);
    assert_int_equal(loopback_accepted(world.server), 2);
}

static void test_threads_truncated_body_is_incomplete(void **state)
{
    (void)state;
    size_t size = 0;
    struct call call = get(LOOPBACK_TRUNCATED);
    assert_int_equal(read_some(&call, SIZE, &size), LB_INCOMPLETE);
    assert_int_equal(size, SIZE / 2);
    lb_request_free(&call.request);
}

/* read_large: reads a body of `size` bytes in large pieces, checking each byte; returns how it ended. */
static enum lb_status read_large(enum loopback_kind kind, size_t size, size_t *ret_size)
{
    static char bytes[20000];
    char target[LOOPBACK_TARGET_MAX];
    uint32_t number = ++world.request_count;
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    loopback_target(kind, number, size, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {"http", loopback_host(world.server), loopback_port(world.server)},
        .target = target,
        .deadline_ns = LB_NEVER,
    };
    assert_int_equal(lb_request_new(world.transport, &options, &request), LB_OK);
    enum lb_status status = lb_request_send(request, &response);
    *ret_size = 0;
    while (status == LB_OK) {
        size_t count = 0;
        status = lb_body_read(lb_response_body(response), bytes, sizeof bytes, &count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(bytes[i], loopback_byte(number, *ret_size + i));
        }
        *ret_size += count;
    }
    lb_request_free(&request);
    return status;
}

/* Read in pieces larger than the client's buffer, bytes go past it; how many are left for it varies. */
static void test_threads_large_reads_bring_all_bytes(void **state)
{
    (void)state;
    size_t size = 0;
    for (size_t i = 0; i < 8; i++) {
        size_t expected = 20000 + i * 3001;
        assert_int_equal(read_large(LOOPBACK_LENGTH, expected, &size), LB_END);
        assert_int_equal(size, expected);
        assert_int_equal(read_large(LOOPBACK_CHUNKED, expected, &size), LB_END);
        assert_int_equal(size, expected);
    }
    assert_int_equal(loopback_accepted(world.server), 1);
    assert_int_equal(read_large(LOOPBACK_CLOSE, 50000, &size), LB_END);
    assert_int_equal(size, 50000);
    assert_int_equal(read_large(LOOPBACK_TRUNCATED, 50000, &size), LB_INCOMPLETE);
    assert_int_equal(size, 25000);
    assert_int_equal(read_large(LOOPBACK_RESET, 50000, &size), LB_RESET);
    assert_true(size <= 25000);
}

static void test_threads_reset_body_is_reset(void **state)
{
    (void)state;
    size_t size = 0;
    struct call call = get(LOOPBACK_RESET);
    assert_int_equal(read_some(&call, SIZE, &size), LB_RESET);
    assert_int_equal(read_some(&call, SIZE, &size), LB_RESET);
    lb_request_free(&call.request);
}

static void test_threads_six_drops_are_six_read_workers_in_the_profile(void **state)
{
    (void)state;
    static const char *const sites[2] = {"report.c:10", "report.c:20"};
    for (size_t i = 0; i < 6; i++) {
        struct call call =
            make_at(loopback_port(world.server), LOOPBACK_LENGTH, LB_NEVER, sites[i % 2]);
        assert_int_equal(lb_request_send(call.request, &call.response), LB_OK);
    } /* and the handles are lost */
    assert_int_equal(stats().open_bodies, 6);
    struct lb_profile_row rows[16];
    size_t row_count = 0;
    uint32_t counts[2] = {0, 0};
    lb_transport_profile(world.transport, rows, 16, &row_count);
    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].role == LB_ROLE_READ) {
            assert_int_equal(rows[i].waits_for, LB_SITE_WAIT_BODY_END);
            assert_non_null(rows[i].call_site);
            counts[strcmp(rows[i].call_site, sites[1]) == 0] += rows[i].count;
        }
    }
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 3);
    assert_int_equal(loopback_ended(world.server), 0);
    lb_transport_free(&world.transport);
    await(ended_is, 6);
}

static void test_threads_server_that_closes_an_idle_connection_is_noticed(void **state)
{
    (void)state;
    get_all(LOOPBACK_LENGTH);
    assert_int_equal(stats().idle, 1);
    loopback_close_all(world.server);
    await(idle_is, 0);
    get_all(LOOPBACK_LAST); /* and one that closes as soon as it has answered */
    await(idle_is, 0);
    get_all(LOOPBACK_LENGTH);
    assert_int_equal(loopback_accepted(world.server), 3);
}

static void test_threads_idle_connection_is_closed_in_time(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    world.options.idle_duration_ns = 50 * MS;
    transport_make();
    get_all(LOOPBACK_LENGTH);
    await(idle_is, 0);
    await(ended_is, 1);
}

static void test_threads_close_idle_closes(void **state)
{
    (void)state;
    get_all(LOOPBACK_LENGTH);
    lb_transport_close_idle(world.transport, loopback_host(world.server));
    assert_int_equal(stats().idle, 0);
    await(ended_is, 1);
}

static void test_threads_limit_of_one_makes_the_second_caller_wait(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    world.options.connections_per_host_max = 1;
    transport_make();
    struct call first = get(LOOPBACK_LENGTH);
    struct call second = make(LOOPBACK_LENGTH);
    start(&second, send_main);
    await(waiting_is, 1);
    assert_int_equal(loopback_requests(world.server), 1);
    read_all(&first);
    assert_int_equal(finish(&second), LB_OK);
    read_all(&second);
    assert_int_equal(loopback_accepted(world.server), 1);
}

/* -- what unblocks -- */

static void test_threads_cancel_unblocks_a_send(void **state)
{
    (void)state;
    struct call call = make(LOOPBACK_HANG);
    start(&call, send_main);
    await(requests_are, 1);
    lb_request_cancel(call.request);
    assert_int_equal(finish(&call), LB_CANCELLED);
    lb_request_free(&call.request);
    await(ended_is, 1);
}

static void test_threads_cancel_unblocks_a_read(void **state)
{
    (void)state;
    struct call call = get(LOOPBACK_PART);
    start(&call, read_main);
    side_pause(20); /* it may be inside the read by now, or not: both are cancelled */
    lb_request_cancel(call.request);
    assert_int_equal(finish(&call), LB_CANCELLED);
    assert_int_equal(lb_body_state(lb_response_body(call.response)), LB_BODY_CANCELLED);
    lb_request_free(&call.request);
    await(ended_is, 1);
}

static void test_threads_close_unblocks_a_read(void **state)
{
    (void)state;
    struct call call = get(LOOPBACK_PART);
    start(&call, read_main);
    side_pause(20);
    lb_body_close(lb_response_body(call.response));
    assert_int_equal(finish(&call), LB_CLOSED);
    lb_request_free(&call.request);
    await(ended_is, 1);
}

static void test_threads_free_unblocks_a_send(void **state)
{
    (void)state;
    struct call call = make(LOOPBACK_HANG);
    start(&call, send_main);
    await(requests_are, 1);
    lb_transport_free(&world.transport);
    assert_int_equal(finish(&call), LB_CLOSED);
    await(ended_is, 1);
}

static void test_threads_deadline_at_the_head(void **state)
{
    (void)state;
    uint64_t deadline_ns = now() + 50 * MS;
    struct call call = make_at(loopback_port(world.server), LOOPBACK_HANG, deadline_ns, NULL);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_TIMEOUT);
    assert_true(now() >= deadline_ns);
    lb_request_free(&call.request);
}

static void test_threads_head_time_out(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    world.options.head_duration_ns = 50 * MS;
    transport_make();
    struct call call = make(LOOPBACK_HANG);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_TIMEOUT);
    lb_request_free(&call.request);
    await(ended_is, 1);
}

static void test_threads_deadline_in_the_body(void **state)
{
    (void)state;
    size_t size = 0;
    uint64_t deadline_ns = now() + 1000 * MS;
    struct call call = make_at(loopback_port(world.server), LOOPBACK_PART, deadline_ns, NULL);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_OK);
    assert_int_equal(read_some(&call, SIZE, &size), LB_TIMEOUT);
    assert_true(now() >= deadline_ns);
    assert_int_equal(size, SIZE / 2);
    lb_request_free(&call.request);
    await(ended_is, 1);
}

/* -- dials -- */

static void test_threads_port_without_listener_is_refused(void **state)
{
    (void)state;
    uint16_t port = 0;
    int fd = loopback_bind(&port);
    struct call call = make_at(port, LOOPBACK_LENGTH, LB_NEVER, NULL);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_REFUSED);
    lb_request_free(&call.request);
    assert_int_equal(close(fd), 0);
}

static void test_threads_cancel_during_a_dial(void **state)
{
    (void)state;
    struct loopback_stalled stalled = loopback_stall();
    struct call call = make_at(stalled.port, LOOPBACK_LENGTH, LB_NEVER, NULL);
    start(&call, send_main);
    await(dialing_is, 1);
    lb_request_cancel(call.request);
    assert_int_equal(finish(&call), LB_CANCELLED);
    lb_request_free(&call.request);
    assert_int_equal(stats().dialing, 1); /* it goes on, for whoever comes */
    uint64_t begun_ns = now();
    lb_transport_close_idle(world.transport, NULL);
    lb_transport_free(&world.transport); /* waits for the dial, which has been unblocked */
    assert_true(now() - begun_ns < 20000 * MS);
    loopback_unstall(&stalled);
}

static void test_threads_dial_times_out(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    world.options.dial_duration_ns = 50 * MS;
    transport_make();
    struct loopback_stalled stalled = loopback_stall();
    struct call call = make_at(stalled.port, LOOPBACK_LENGTH, LB_NEVER, NULL);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_TIMEOUT);
    lb_request_free(&call.request);
    loopback_unstall(&stalled);
}

/* -- the runtime by itself -- */

/* What a worker finds about itself. */
struct worker_view {
    char name[16];
    sigset_t mask;
};

static void worker_look(void *argument)
{
    struct worker_view *view = argument;
    assert_int_equal(pthread_getname_np(pthread_self(), view->name, sizeof view->name), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &view->mask), 0);
}

static void test_threads_worker_has_a_name_and_no_signals(void **state)
{
    (void)state;
    struct worker_view view;
    struct lb_runtime *runtime = lb_runtime_threads(); /* on the loop a worker has neither */
    struct lb_worker *worker = NULL;
    struct lb_worker_options options = {LB_ROLE_WRITE, "127.0.0.1:8080#17", worker_look, &view};
    assert_int_equal(runtime->ops->worker_start(runtime, &options, LB_SITE_START_WRITE, &worker),
                     LB_OK);
    runtime->ops->worker_join(runtime, &worker, LB_SITE_JOIN_WRITE);
    assert_null(worker);
    assert_string_equal(view.name, "write 1:8080#17");
    assert_int_equal(sigismember(&view.mask, SIGTERM), 1);
    assert_int_equal(sigismember(&view.mask, SIGALRM), 1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &view.mask), 0);
    assert_int_equal(sigismember(&view.mask, SIGTERM), 0);
}

static void test_threads_condition_waits_until_its_deadline(void **state)
{
    (void)state;
    struct lb_runtime *runtime = side_runtime();
    struct lb_mutex mutex = {{0}};
    struct lb_cond cond = {{0}};
    runtime->ops->mutex_deinit(runtime, &mutex); /* never initialised: legal */
    runtime->ops->cond_deinit(runtime, &cond);
    runtime->ops->mutex_init(runtime, &mutex);
    runtime->ops->cond_init(runtime, &cond);
    runtime->ops->mutex_lock(runtime, &mutex, LB_SITE_NONE);
    uint64_t deadline_ns = now() + 20 * MS;
    enum lb_status status = LB_OK;
    while (status == LB_OK) { /* it may wake for no cause */
        status = runtime->ops->cond_wait(runtime, &cond, &mutex, deadline_ns, LB_SITE_NONE);
    }
    assert_int_equal(status, LB_TIMEOUT);
    assert_true(now() >= deadline_ns);
    assert_int_equal(runtime->ops->cond_wait(runtime, &cond, &mutex, 0, LB_SITE_NONE), LB_TIMEOUT);
    runtime->ops->mutex_unlock(runtime, &mutex);
    runtime->ops->cond_deinit(runtime, &cond);
    runtime->ops->mutex_deinit(runtime, &mutex);
}

#define TEST_WITH(name, setup_fn)                                                                  \
    {                                                                                              \
        "test_" SIDE_NAME "_" #name, scenario_run, setup_fn, teardown, &(struct scenario)          \
        {                                                                                          \
            test_threads_##name                                                                    \
        }                                                                                          \
    }
#define TEST(name) TEST_WITH(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(body_read_to_its_end_gives_the_connection_back),
        TEST_WITH(body_read_to_its_end_gives_the_connection_back, setup_six),
        TEST(body_until_close_ends_the_connection),
        TEST(close_early_ends_the_connection),
        TEST(truncated_body_is_incomplete),
        TEST(reset_body_is_reset),
        TEST(large_reads_bring_all_bytes),
        TEST(six_drops_are_six_read_workers_in_the_profile),
        TEST(server_that_closes_an_idle_connection_is_noticed),
        TEST(idle_connection_is_closed_in_time),
        TEST(close_idle_closes),
        TEST(limit_of_one_makes_the_second_caller_wait),
        TEST(cancel_unblocks_a_send),
        TEST(cancel_unblocks_a_read),
        TEST(close_unblocks_a_read),
        TEST(free_unblocks_a_send),
        TEST(deadline_at_the_head),
        TEST(head_time_out),
        TEST(deadline_in_the_body),
        TEST(port_without_listener_is_refused),
        TEST(cancel_during_a_dial),
        TEST(dial_times_out),
        TEST(worker_has_a_name_and_no_signals),
        TEST(condition_waits_until_its_deadline),
    };
    loopback_warm_up();
    return cmocka_run_group_tests_name(SIDE_NAME, tests, NULL, NULL);
}
