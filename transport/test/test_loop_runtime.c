/*
 * Tests of what only the loop has: its order of workers, its timers, and what its sockets claim to know
 * without asking the kernel.
 *
 * Mental model: while a caller does not wait, nobody else runs and the loop asks the kernel nothing: a
 * pause of the whole thread (loopback_pause) makes things happen behind its back; the test asks the kernel
 * itself whether they have (await_bytes, await_end).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "test/loopback.h"
#include "test/memory_fixture.h"

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */
#define ANSWER_SIZE 62    /* bytes of the answer to socket_ask */
#define CALLERS 100
#define SIZE 5000

static struct world {
    struct test_memory memory;
    struct lb_loop *loop;
    struct lb_runtime *runtime;
    struct lb_network *network;
    struct loopback *server;
    struct lb_transport *transport;
    struct lb_mutex mutex;
    struct lb_cond cond, other;
    uint32_t fd_count;
    uint32_t number_last;
    uint32_t left_count; /* callers still at work */
    uint32_t order[8];
    uint32_t order_count;
    bool is_done;
    bool is_running; /* and after the test, too, if it failed inside the loop */
} world;

static uint64_t now(void)
{
    return world.runtime->ops->now(world.runtime);
}

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.fd_count = loopback_fd_count();
    world.server = loopback_start("127.0.0.1");
    test_memory_init(&world.memory, 0);
    assert_int_equal(lb_loop_new(&world.memory.memory, &world.loop), LB_OK);
    world.runtime = lb_loop_runtime(world.loop);
    world.network = lb_loop_network(world.loop);
    world.runtime->ops->mutex_init(world.runtime, &world.mutex);
    world.runtime->ops->cond_init(world.runtime, &world.cond);
    world.runtime->ops->cond_init(world.runtime, &world.other);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (world.is_running) {
        return -1; /* the loop has been left in the middle: it cannot be taken down */
    }
    world.runtime->ops->mutex_deinit(world.runtime, &world.mutex);
    world.runtime->ops->cond_deinit(world.runtime, &world.cond);
    world.runtime->ops->cond_deinit(world.runtime, &world.other);
    lb_loop_free(&world.loop);
    assert_null(world.loop);
    loopback_stop(&world.server);
    assert_int_equal(world.memory.block_count, 0);
    assert_int_equal(world.memory.size, 0);
    assert_int_equal(loopback_fd_count(), world.fd_count);
    return 0;
}

static void lock(void)
{
    world.runtime->ops->mutex_lock(world.runtime, &world.mutex, LB_SITE_NONE);
}

static void unlock(void)
{
    world.runtime->ops->mutex_unlock(world.runtime, &world.mutex);
}

static enum lb_status wait_until(struct lb_cond *cond, uint64_t deadline_ns)
{
    return world.runtime->ops->cond_wait(world.runtime, cond, &world.mutex, deadline_ns,
                                         LB_SITE_NONE);
}

static void wake(struct lb_cond *cond)
{
    world.runtime->ops->cond_wake(world.runtime, cond, LB_SITE_NONE);
}

static void spawn(lb_worker_fn function, void *argument)
{
    assert_int_equal(lb_loop_spawn(world.loop, function, argument), LB_OK);
}

static enum lb_status run_with(lb_worker_fn function, void *argument)
{
    world.is_running = true;
    enum lb_status status = lb_loop_run(world.loop, function, argument);
    world.is_running = false;
    return status;
}

static void run(lb_worker_fn function)
{
    assert_int_equal(run_with(function, NULL), LB_OK);
}

/* -- workers, timers, locks -- */

static void sleep_main(void *argument)
{
    uint32_t number = *(const uint32_t *)argument;
    lock();
    assert_int_equal(wait_until(&world.cond, now() + number * 10 * MS), LB_TIMEOUT);
    unlock();
    world.order[world.order_count++] = number;
}

static void test_loop_timers_end_in_their_order(void **state)
{
    (void)state;
    static uint32_t numbers[7] = {4, 1, 6, 3, 5, 7, 2};
    for (size_t i = 0; i < 6; i++) {
        spawn(sleep_main, &numbers[i]);
    }
    uint64_t begun_ns = now();
    assert_int_equal(run_with(sleep_main, &numbers[6]), LB_OK);
    assert_true(now() - begun_ns >= 70 * MS);
    assert_int_equal(world.order_count, 7);
    for (uint32_t i = 0; i < 7; i++) {
        assert_int_equal(world.order[i], i + 1);
    }
}

/* later_main: waits with a far deadline, is woken, and then with a near and again with a far one: a timer
 * that is left where it was neither fires for the wrong wait nor too late. */
static void later_main(void *argument)
{
    (void)argument;
    lock();
    assert_int_equal(wait_until(&world.cond, now() + 20 * MS), LB_OK);
    uint64_t deadline_ns = now() + 200 * MS; /* beyond the timer of before */
    assert_int_equal(wait_until(&world.cond, deadline_ns), LB_TIMEOUT);
    assert_true(now() >= deadline_ns);
    assert_int_equal(wait_until(&world.cond, now() + 60000 * MS), LB_OK);
    uint64_t begun_ns = now();
    assert_int_equal(wait_until(&world.cond, begun_ns + 10 * MS), LB_TIMEOUT);
    assert_true(now() - begun_ns < 30000 * MS);
    unlock();
    world.is_done = true;
}

static void waker_main(void *argument)
{
    (void)argument;
    lock();
    wake(&world.cond);
    (void)wait_until(&world.other, now() + 300 * MS);
    wake(&world.cond);
    unlock();
}

static void test_loop_timer_follows_the_deadline(void **state)
{
    (void)state;
    spawn(later_main, NULL);
    run(waker_main);
    assert_true(world.is_done);
}

/* Two that wake each other all the time, and one that waits for a deadline. */
static void ping_main(void *argument)
{
    struct lb_cond *mine = argument;
    struct lb_cond *others = mine == &world.cond ? &world.other : &world.cond;
    lock();
    while (!world.is_done) {
        wake(others);
        (void)wait_until(mine, LB_NEVER);
    }
    wake(others);
    unlock();
}

static void done_main(void *argument)
{
    struct lb_cond own;
    (void)argument;
    world.runtime->ops->cond_init(world.runtime, &own);
    lock();
    assert_int_equal(wait_until(&own, now() + 5 * MS), LB_TIMEOUT);
    world.is_done = true;
    unlock();
    world.runtime->ops->cond_deinit(world.runtime, &own);
}

static void test_loop_nobody_starves(void **state)
{
    (void)state;
    spawn(ping_main, &world.cond);
    spawn(ping_main, &world.other);
    run(done_main);
}

static void holder_main(void *argument)
{
    struct lb_mutex second;
    (void)argument;
    memset(&second, 0, sizeof second);
    world.runtime->ops->mutex_init(world.runtime, &second);
    lock();
    world.runtime->ops->mutex_lock(world.runtime, &second, LB_SITE_NONE);
    enum lb_status status = world.runtime->ops->cond_wait(world.runtime, &world.cond, &second,
                                                          now() + 20 * MS, LB_SITE_NONE);
    assert_int_equal(status, LB_TIMEOUT);
    assert_int_equal(world.order_count, 0); /* nobody got the lock meanwhile */
    world.order[world.order_count++] = 1;
    world.runtime->ops->mutex_unlock(world.runtime, &second);
    unlock();
    world.runtime->ops->mutex_deinit(world.runtime, &second);
}

static void contender_main(void *argument)
{
    (void)argument;
    lock();
    world.order[world.order_count++] = 2;
    unlock();
}

static void test_loop_lock_is_held_across_a_wait_for_something_else(void **state)
{
    (void)state;
    spawn(holder_main, NULL);
    spawn(contender_main, NULL);
    run(contender_main);
    assert_int_equal(world.order_count, 3);
    assert_int_equal(world.order[0], 1);
}

static void nothing_main(void *argument)
{
    (void)argument;
}

/* More workers one after the other than a pool keeps stacks, and more at once than the heap began with. */
static void many_main(void *argument)
{
    (void)argument;
    struct lb_worker *workers[600];
    struct lb_worker_options options = {LB_ROLE_READ, "a", nothing_main, NULL};
    for (size_t i = 0; i < 600; i++) {
        assert_int_equal(world.runtime->ops->worker_start(world.runtime, &options,
                                                          LB_SITE_START_READ, &workers[i]),
                         LB_OK);
    }
    for (size_t i = 0; i < 600; i++) {
        world.runtime->ops->worker_join(world.runtime, &workers[i], LB_SITE_JOIN_READ);
        assert_null(workers[i]);
    }
    world.is_done = true;
}

static void test_loop_starts_and_joins_many(void **state)
{
    (void)state;
    run(many_main);
    assert_true(world.is_done);
}

/* As many workers as run until the kernel is asked again, then nobody: the last one asks nobody. */
static void test_loop_ends_at_any_count(void **state)
{
    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        run(nothing_main);
    }
    for (size_t count = 1; count < 600; count++) {
        for (size_t i = 1; i < count; i++) {
            spawn(nothing_main, NULL);
        }
        run(nothing_main);
    }
}

static void test_loop_without_memory_or_descriptors_is_not_made(void **state)
{
    (void)state;
    struct test_memory memory;
    struct lb_loop *loop = NULL;
    struct rlimit limit;
    test_memory_init(&memory, 1);
    assert_int_equal(lb_loop_new(&memory.memory, &loop), LB_MEMORY);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    test_memory_init(&memory, 0);
    assert_int_equal(lb_loop_new(&memory.memory, &loop), LB_MEMORY);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_null(loop);
    assert_int_equal(memory.block_count, 0);
    for (size_t n = 2; n <= 3; n++) { /* a caller: the heap of timers, itself */
        test_memory_init(&memory, n);
        assert_int_equal(lb_loop_new(&memory.memory, &loop), LB_OK);
        assert_int_equal(lb_loop_run(loop, nothing_main, NULL), LB_MEMORY);
        lb_loop_free(&loop);
        assert_int_equal(memory.block_count, 0);
    }
    lb_loop_free(&loop); /* NULL is allowed */
}

/* -- what a socket knows -- */

/* client_fd: the descriptor of the only client's end of a connection to the server. */
static int client_fd(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        memset(&peer, 0, sizeof peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
            ntohs(peer.sin_port) == loopback_port(world.server)) {
            return fd;
        }
    }
    return -1;
}

/* await_bytes: waits, the whole thread, until the kernel has so many bytes for the client. */
static void await_bytes(int size)
{
    int fd = client_fd();
    int count = 0;
    for (uint32_t i = 0; i < PATIENCE_MS && count < size; i++) {
        loopback_pause(1); /* at least once: what was known before is too old afterwards */
        assert_int_equal(ioctl(fd, FIONREAD, &count), 0);
    }
    assert_int_equal(count, size);
}

/* await_end: likewise until the server's end has come. */
static void await_end(void)
{
    int fd = client_fd();
    struct tcp_info info = {.tcpi_state = TCP_ESTABLISHED};
    for (uint32_t i = 0; i < PATIENCE_MS && info.tcpi_state == TCP_ESTABLISHED; i++) {
        socklen_t size = sizeof info;
        loopback_pause(1);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    }
    assert_int_equal(info.tcpi_state, TCP_CLOSE_WAIT);
}

static struct lb_socket *socket_make(void)
{
    struct lb_socket *s = NULL;
    struct lb_endpoint endpoint = {"http", "127.0.0.1", loopback_port(world.server)};
    assert_int_equal(world.network->ops->open(world.network, &endpoint, &s), LB_OK);
    assert_int_equal(s->ops->connect(s, LB_NEVER, LB_SITE_SOCKET_CONNECT), LB_OK);
    return s;
}

static void socket_ask(struct lb_socket *s, enum loopback_kind kind)
{
    char request[LOOPBACK_TARGET_MAX + 32];
    char target[LOOPBACK_TARGET_MAX];
    size_t size = 0;
    loopback_target(kind, 1, 10, target);
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n\r\n", target);
    assert_int_equal(
        s->ops->write(s, request, (size_t)length, LB_NEVER, LB_SITE_SOCKET_WRITE, &size), LB_OK);
    assert_int_equal(size, length);
}

static enum lb_status socket_read(struct lb_socket *s, size_t room, uint64_t deadline_ns,
                                  size_t *ret_size)
{
    static char bytes[4096];
    *ret_size = 0;
    return s->ops->read(s, bytes, room, deadline_ns, LB_SITE_SOCKET_READ_BODY, ret_size);
}

/* Neither a read that got all it asked for nor an event about bytes that have been read is a reason to say
 * that there are some. */
static void overtaken_main(void *argument)
{
    size_t size = 0;
    (void)argument;
    struct lb_socket *s = socket_make();
    socket_ask(s, LOOPBACK_LENGTH);
    assert_int_equal(socket_read(s, 1, LB_NEVER, &size), LB_OK); /* the loop has heard of it */
    socket_ask(s, LOOPBACK_LENGTH);
    await_bytes(2 * ANSWER_SIZE - 1); /* the second has come, and its event waits in the kernel */
    assert_int_equal(socket_read(s, 2 * ANSWER_SIZE - 1, LB_NEVER, &size), LB_OK);
    assert_int_equal(size, 2 * ANSWER_SIZE - 1);
    assert_int_equal(s->ops->read(s, NULL, 0, now() + 20 * MS, LB_SITE_SOCKET_READ_FIRST, &size),
                     LB_TIMEOUT);
    assert_false(s->ops->is_pending(s));
    socket_ask(s, LOOPBACK_LENGTH);
    await_bytes(ANSWER_SIZE);
    assert_int_equal(socket_read(s, ANSWER_SIZE, LB_NEVER, &size), LB_OK);
    assert_false(s->ops->is_pending(s));
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

static void test_loop_event_that_was_overtaken_wakes_nobody(void **state)
{
    (void)state;
    run(overtaken_main);
}

/* What has come behind the loop's back is seen, if the last look is not of just now (rule R3). */
static void behind_main(void *argument)
{
    size_t size = 0;
    (void)argument;
    struct lb_socket *s = socket_make();
    socket_ask(s, LOOPBACK_LENGTH);
    await_bytes(ANSWER_SIZE);
    assert_true(s->ops->is_pending(s));
    assert_int_equal(s->ops->read(s, NULL, 0, LB_NEVER, LB_SITE_SOCKET_READ_FIRST, &size), LB_OK);
    assert_int_equal(socket_read(s, 4, LB_NEVER, &size), LB_OK);
    assert_int_equal(size, 4);
    assert_true(s->ops->is_pending(s));
    assert_int_equal(socket_read(s, 4096, LB_NEVER, &size), LB_OK);
    assert_int_equal(size, ANSWER_SIZE - 4);
    assert_false(s->ops->is_pending(s));
    loopback_close_all(world.server);
    await_end();
    assert_true(s->ops->is_pending(s));
    assert_int_equal(socket_read(s, 4096, LB_NEVER, &size), LB_END);
    assert_int_equal(socket_read(s, 4096, LB_NEVER, &size), LB_END);
    assert_true(s->ops->is_pending(s));
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

static void test_loop_bytes_that_came_behind_its_back_are_seen(void **state)
{
    (void)state;
    run(behind_main);
}

/* The end that came together with the last bytes is told once by the kernel, and still found. */
static void end_main(void *argument)
{
    size_t size = 0;
    (void)argument;
    struct lb_socket *s = socket_make();
    socket_ask(s, LOOPBACK_LAST);
    await_end();
    assert_int_equal(socket_read(s, 4096, LB_NEVER, &size), LB_OK);
    assert_int_equal(s->ops->read(s, NULL, 0, LB_NEVER, LB_SITE_SOCKET_READ_FIRST, &size), LB_OK);
    assert_int_equal(socket_read(s, 4096, LB_NEVER, &size), LB_END);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

static void test_loop_end_behind_the_last_bytes_is_found(void **state)
{
    (void)state;
    run(end_main);
}

/* -- a transport on it -- */

static void transport_make(uint32_t limit)
{
    struct lb_transport_options options;
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = world.runtime;
    options.network = world.network;
    options.memory = &world.memory.memory;
    options.connections_per_host_max = limit;
    options.idle_per_host_max = CALLERS;
    assert_int_equal(lb_transport_new(&options, &world.transport), LB_OK);
}

static enum lb_status request_make(enum loopback_kind kind, uint16_t port,
                                   struct lb_request **ret_request, uint32_t *ret_number)
{
    char target[LOOPBACK_TARGET_MAX];
    *ret_number = ++world.number_last;
    loopback_target(kind, *ret_number, SIZE, target);
    struct lb_request_options options = {.method = "GET",
                                         .endpoint = {"http", "127.0.0.1", port},
                                         .target = target,
                                         .deadline_ns = LB_NEVER};
    return lb_request_new(world.transport, &options, ret_request);
}

/* get: one request to its end; each byte is checked. Returns how it ended. */
static enum lb_status get(enum loopback_kind kind)
{
    uint32_t number = 0;
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    enum lb_status status = request_make(kind, loopback_port(world.server), &request, &number);
    if (status == LB_OK) {
        status = lb_request_send(request, &response);
    }
    size_t total = 0;
    while (status == LB_OK) {
        char bytes[700];
        size_t size = 0;
        status = lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(bytes[i], loopback_byte(number, total + i));
        }
        total += size;
    }
    assert_true(status != LB_END || total == SIZE);
    lb_request_free(&request);
    return status;
}

static void busy_main(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 20; i++) {
        enum loopback_kind kind = i % 3 == 0 ? LOOPBACK_CHUNKED : LOOPBACK_LENGTH;
        assert_int_equal(get(i % 5 == 4 ? LOOPBACK_SLOW : kind), LB_END);
    }
    if (--world.left_count == 0) {
        struct lb_stats stats;
        lb_transport_stats(world.transport, NULL, &stats);
        assert_int_equal(stats.busy, 0);
        assert_int_equal(stats.waiting, 0);
        assert_int_equal(stats.idle, loopback_accepted(world.server));
        lb_transport_free(&world.transport);
    }
}

static void test_loop_hundred_callers_share_ten_connections(void **state)
{
    (void)state;
    transport_make(10);
    world.left_count = CALLERS;
    for (size_t i = 1; i < CALLERS; i++) {
        spawn(busy_main, NULL);
    }
    run(busy_main);
    assert_int_equal(loopback_requests(world.server), CALLERS * 20);
    assert_in_range(loopback_accepted(world.server), 1, 10);
}

/* One caller in each state that a request can be in, when the transport is freed. */
struct stuck {
    enum loopback_kind kind;
    uint16_t port;
    size_t read_size; /* to read of the body; 0: nothing */
    enum lb_status status;
};

static void stuck_main(void *argument)
{
    struct stuck *stuck = argument;
    char bytes[SIZE];
    uint32_t number = 0;
    size_t size = 0;
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    assert_int_equal(request_make(stuck->kind, stuck->port, &request, &number), LB_OK);
    stuck->status = lb_request_send(request, &response);
    while (stuck->status == LB_OK && stuck->read_size > 0) {
        stuck->status = lb_body_read(lb_response_body(response), bytes, stuck->read_size, &size);
    } /* and the handle is lost */
}

static bool all_are_stuck(void)
{
    struct lb_stats stats;
    lb_transport_stats(world.transport, NULL, &stats);
    return stats.idle == 1 && stats.dialing == 1 && stats.waiting == 1 && stats.busy == 3 &&
           stats.open_bodies == 2;
}

static void free_main(void *argument)
{
    (void)argument;
    assert_int_equal(get(LOOPBACK_LENGTH), LB_END); /* and idle */
    lock();
    for (uint32_t i = 0; i < PATIENCE_MS && !all_are_stuck(); i++) {
        assert_int_equal(wait_until(&world.cond, now() + MS), LB_TIMEOUT);
    }
    unlock();
    assert_true(all_are_stuck());
    lb_transport_free(&world.transport);
}

static void test_loop_free_ends_everything(void **state)
{
    (void)state;
    transport_make(0);
    struct loopback_stalled stalled = loopback_stall();
    uint16_t port = loopback_port(world.server);
    struct stuck stuck[4] = {
        {LOOPBACK_LENGTH, stalled.port, 0, LB_OK}, /* a dial */
        {LOOPBACK_HANG, port, 0, LB_OK},           /* a head */
        {LOOPBACK_PART, port, SIZE, LB_OK},        /* inside a body */
        {LOOPBACK_LENGTH, port, 0, LB_OK},         /* dropped */
    };
    for (size_t i = 0; i < 4; i++) {
        spawn(stuck_main, &stuck[i]);
    }
    run(free_main);
    assert_int_equal(stuck[0].status, LB_CLOSED);
    assert_int_equal(stuck[1].status, LB_CLOSED);
    assert_int_equal(stuck[2].status, LB_CLOSED);
    assert_int_equal(stuck[3].status, LB_OK);
    loopback_unstall(&stalled);
}

/* Each allocation fails once (rule B7): the request ends with LB_MEMORY or does without, and the next one
 * is served. */
static void failing_main(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < 2; i++) { /* on a fresh connection, and on a reused one */
        bool had_failed = world.memory.has_failed;
        enum lb_status status = get(LOOPBACK_LENGTH);
        bool may_fail = world.memory.has_failed && !had_failed;
        assert_true(status == LB_END || (status == LB_MEMORY && may_fail));
    }
    world.memory.fail_at = 0;
    assert_int_equal(get(LOOPBACK_LENGTH), LB_END);
    lb_transport_free(&world.transport);
}

static void test_loop_survives_each_failing_allocation(void **state)
{
    (void)state;
    size_t n = 0;
    do {
        n++;
        transport_make(0);
        world.memory.alloc_count = 0;
        world.memory.has_failed = false;
        world.memory.fail_at = n;
        enum lb_status status = run_with(failing_main, NULL);
        if (status == LB_MEMORY) {
            lb_transport_free(&world.transport); /* nothing has run */
        } else {
            assert_int_equal(status, LB_OK);
        }
    } while (world.memory.has_failed);
    assert_true(n > 8);
}

/* A child that has the descriptors, too, keeps what they stand for alive in the kernel: what happens to
 * a socket that is closed here is nobody's. */
static void forked_main(void *argument)
{
    int gate[2];
    char byte = 0;
    (void)argument;
    assert_int_equal(get(LOOPBACK_LENGTH), LB_END);
    assert_int_equal(pipe(gate), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(gate[1]);
        _exit((int)read(gate[0], &byte, 1)); /* until the parent has done */
    }
    lb_transport_close_idle(world.transport, NULL);
    for (size_t i = 0; i < 10; i++) {
        lock();
        assert_int_equal(wait_until(&world.cond, now() + 2 * MS), LB_TIMEOUT);
        unlock();
    }
    assert_int_equal(get(LOOPBACK_LENGTH), LB_END);
    lb_transport_free(&world.transport);
    (void)close(gate[0]);
    (void)close(gate[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    world.is_done = true;
}

static void test_loop_closed_socket_that_a_child_has_is_not_told(void **state)
{
    (void)state;
    transport_make(0);
    run(forked_main);
    assert_true(world.is_done);
}

/* Who always finds something to read makes room all the same, for a deadline that passes meanwhile. */
static void greedy_main(void *argument)
{
    size_t size = 0;
    (void)argument;
    struct lb_socket *s = socket_make();
    for (int i = 1; i <= 10; i++) {
        socket_ask(s, LOOPBACK_LENGTH);
        await_bytes(i * ANSWER_SIZE);
    }
    spawn(done_main, NULL);
    for (int i = 0; i < 10 * ANSWER_SIZE; i++) {
        loopback_pause(i < 200 ? 1 : 0);
        assert_int_equal(socket_read(s, 1, LB_NEVER, &size), LB_OK);
    }
    assert_true(world.is_done);
    s->ops->close(&s, LB_SITE_SOCKET_CLOSE);
}

static void test_loop_reader_without_a_wait_makes_room(void **state)
{
    (void)state;
    run(greedy_main);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_loop_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_end_in_their_order),
        TEST(timer_follows_the_deadline),
        TEST(nobody_starves),
        TEST(lock_is_held_across_a_wait_for_something_else),
        TEST(starts_and_joins_many),
        TEST(ends_at_any_count),
        TEST(without_memory_or_descriptors_is_not_made),
        TEST(event_that_was_overtaken_wakes_nobody),
        TEST(bytes_that_came_behind_its_back_are_seen),
        TEST(end_behind_the_last_bytes_is_found),
        TEST(hundred_callers_share_ten_connections),
        TEST(free_ends_everything),
        TEST(survives_each_failing_allocation),
        TEST(closed_socket_that_a_child_has_is_not_told),
        TEST(reader_without_a_wait_makes_room),
    };
    loopback_warm_up();
    return cmocka_run_group_tests_name("loop_runtime", tests, NULL, NULL);
}
