/*
 * The client at scale, on threads and real sockets: a thousand idle connections, two hundred requests at
 * once, and what an idle connection costs.
 *
 * Mental model: a server of one thread, which would not need two thousand of its own, answers each request
 * with "ok"; it can hold its answers back until so many requests have come, which proves that they were
 * in progress at the same time. The client's checker is off: it looks at everything at each step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"
#include "test/counted_memory.h"
#include "test/loopback.h"

#define IDLE_COUNT 1000
#define CALLER_COUNT 200
#define FDS_NEEDED (3 * IDLE_COUNT + 100) /* two of the client, one of the server, each */
#define THREADS_NEEDED (2 * IDLE_COUNT + CALLER_COUNT + 100)
#define PATIENCE_MS 60000
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* More than a connection may cost: its own bytes (4 KiB of input above all), and its stacks. */
#define CONNECTION_SIZE_MAX 8192u
#define STACK_SIZE_MAX (LB_THREADS_STACK_SIZE + 16384u) /* what the C library puts around it */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

static struct world {
    struct counted_memory memory;
    struct lb_network *network;
    struct lb_transport *transport;
    uint16_t port;
    int listener, epoll, stop;
    pthread_t server;
    pthread_mutex_t lock; /* of what follows */
    size_t hold_count;    /* answer when so many requests have come */
    size_t held_count;
    int held[CALLER_COUNT];
    atomic_uint accepted_count;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* -- the server -- */

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int error = epoll_ctl(world.epoll, EPOLL_CTL_ADD, fd, &event);
    LB_ASSERT(error == 0);
}

static void answer(int fd)
{
    ssize_t count = send(fd, RESPONSE, sizeof RESPONSE - 1, MSG_NOSIGNAL);
    LB_ASSERT(count == (ssize_t)(sizeof RESPONSE - 1));
}

/* server_take: a request has come; answers it, or all that were held back with it. */
static void server_take(int fd)
{
    int error = pthread_mutex_lock(&world.lock);
    LB_ASSERT(error == 0);
    if (world.hold_count == 0) {
        answer(fd);
    } else {
        LB_ASSERT(world.held_count < CALLER_COUNT);
        world.held[world.held_count++] = fd;
    }
    if (world.held_count == world.hold_count) {
        for (size_t i = 0; i < world.held_count; i++) {
            answer(world.held[i]);
        }
        world.held_count = 0;
    }
    error = pthread_mutex_unlock(&world.lock);
    LB_ASSERT(error == 0);
}

/* server_event: a connection comes, brings a request, or ends; false: the test is over. */
static bool server_event(int fd)
{
    char bytes[1024];
    if (fd == world.stop) {
        return false;
    }
    if (fd == world.listener) {
        int accepted = accept(fd, NULL, NULL);
        LB_ASSERT(accepted >= 0);
        watch(accepted);
        (void)atomic_fetch_add(&world.accepted_count, 1);
        return true;
    }
    ssize_t count = recv(fd, bytes, sizeof bytes, 0);
    if (count <= 0) {
        (void)close(fd);
    } else {
        LB_ASSERT(count >= 4 &&
                  memcmp(bytes + count - 4, "\r\n\r\n", 4) == 0); /* heads are small */
        server_take(fd);
    }
    return true;
}

static void *server_main(void *argument)
{
    struct epoll_event event;
    (void)argument;
    bool is_open = true;
    while (is_open) {
        int count = epoll_wait(world.epoll, &event, 1, -1);
        is_open = count < 1 || server_event(event.data.fd);
    }
    return NULL;
}

static void server_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    world.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    world.epoll = epoll_create1(EPOLL_CLOEXEC);
    world.stop = eventfd(0, EFD_CLOEXEC);
    assert_true(world.listener >= 0 && world.epoll >= 0 && world.stop >= 0);
    assert_int_equal(bind(world.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(world.listener, 128), 0);
    assert_int_equal(getsockname(world.listener, (struct sockaddr *)&address, &size), 0);
    world.port = ntohs(address.sin_port);
    watch(world.listener);
    watch(world.stop);
    assert_int_equal(pthread_create(&world.server, NULL, server_main, NULL), 0);
}

static void server_stop(void)
{
    uint64_t one = 1;
    assert_int_equal(write(world.stop, &one, sizeof one), (ssize_t)sizeof one);
    assert_int_equal(pthread_join(world.server, NULL), 0);
    assert_int_equal(close(world.listener), 0);
    assert_int_equal(close(world.epoll), 0);
    assert_int_equal(close(world.stop), 0);
}

/* -- the client -- */

static struct lb_request *make(void)
{
    struct lb_request *request = NULL;
    struct lb_request_options options = {.method = "GET",
                                         .endpoint = {"http", "127.0.0.1", world.port},
                                         .target = "/",
                                         .deadline_ns = LB_NEVER};
    enum lb_status status = lb_request_new(world.transport, &options, &request);
    LB_ASSERT(status == LB_OK);
    return request;
}

static void read_to_end(struct lb_response *response)
{
    char bytes[8];
    size_t total = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        size_t size = 0;
        status = lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size);
        total += size;
    }
    LB_ASSERT(status == LB_END);
    LB_ASSERT(total == 2);
}

static void *caller_main(void *argument)
{
    struct lb_request *request = make();
    struct lb_response *response = NULL;
    (void)argument;
    enum lb_status status = lb_request_send(request, &response);
    LB_ASSERT(status == LB_OK);
    read_to_end(response);
    lb_request_free(&request);
    return NULL;
}

/* pages: the size of the process in bytes: all that is mapped, or what is in memory. */
static uint64_t pages(bool is_resident)
{
    unsigned long long mapped = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &mapped, &resident), 2);
    assert_int_equal(fclose(file), 0);
    return (is_resident ? resident : mapped) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* has_room: whether the machine allows so many descriptors and threads; says what it does not. */
static bool has_room(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < FDS_NEEDED) {
        print_message("skipped: %llu descriptors are allowed, %d are needed\n",
                      (unsigned long long)limit.rlim_max, FDS_NEEDED);
        return false;
    }
    if (limit.rlim_cur < FDS_NEEDED) {
        limit.rlim_cur = FDS_NEEDED;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    assert_int_equal(getrlimit(RLIMIT_NPROC, &limit), 0);
    if (limit.rlim_cur < THREADS_NEEDED) {
        print_message("skipped: %llu threads are allowed, %d are needed\n",
                      (unsigned long long)limit.rlim_cur, THREADS_NEEDED);
        return false;
    }
    return true;
}

/* connect_many: a thousand bodies are open at once; false when the machine has no thread left. */
static bool connect_many(struct lb_request **requests, struct lb_response **responses)
{
    for (size_t i = 0; i < IDLE_COUNT; i++) {
        requests[i] = make();
        enum lb_status status = lb_request_send(requests[i], &responses[i]);
        if (status == LB_MEMORY) {
            print_message("skipped: no thread or descriptor for connection %zu\n", i);
            return false;
        }
        assert_int_equal(status, LB_OK);
    }
    return true;
}

/* call_at_once: two hundred requests, of which none is answered before the last has come. */
static void call_at_once(void)
{
    pthread_t callers[CALLER_COUNT];
    assert_int_equal(pthread_mutex_lock(&world.lock), 0);
    world.hold_count = CALLER_COUNT;
    assert_int_equal(pthread_mutex_unlock(&world.lock), 0);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        assert_int_equal(pthread_create(&callers[i], NULL, caller_main, NULL), 0);
    }
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        assert_int_equal(pthread_join(callers[i], NULL), 0);
    }
}

static void await_no_workers(void)
{
    for (uint32_t waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (loopback_named_count("read ") + loopback_named_count("write ") == 0) {
            return;
        }
        loopback_pause(10);
    }
    fail_msg("workers are left");
}

/* expect_cost: prints what an idle connection costs, and holds it against its bounds. */
static void expect_cost(uint64_t mapped_before, uint64_t resident_before)
{
    uint64_t own = atomic_load(&world.memory.size) / IDLE_COUNT;
    uint64_t mapped = (pages(false) - mapped_before) / IDLE_COUNT;
    uint64_t resident = (pages(true) - resident_before) / IDLE_COUNT;
    print_message("an idle connection: %llu bytes of its own, %llu in memory with two stacks, %llu "
                  "mapped\n",
                  (unsigned long long)own, (unsigned long long)resident,
                  (unsigned long long)mapped);
    assert_true(own <= CONNECTION_SIZE_MAX);
    if (!IS_SANITIZED) {
        assert_true(mapped <= CONNECTION_SIZE_MAX + 2 * STACK_SIZE_MAX);
        assert_true(resident <= mapped);
    }
}

static void test_threads_scale_thousand_idle_and_two_hundred_at_once(void **state)
{
    (void)state;
    static struct lb_request *requests[IDLE_COUNT];
    static struct lb_response *responses[IDLE_COUNT];
    struct lb_stats stats;
    if (!has_room()) {
        skip();
    }
    uint64_t mapped_before = pages(false);
    uint64_t resident_before = pages(true);
    bool is_whole = connect_many(requests, responses);
    for (size_t i = 0; i < IDLE_COUNT; i++) {
        if (responses[i] != NULL) {
            read_to_end(responses[i]);
        }
        lb_request_free(&requests[i]);
    }
    if (!is_whole) {
        skip();
    }
    lb_transport_stats(world.transport, NULL, &stats);
    assert_int_equal(stats.idle, IDLE_COUNT);
    expect_cost(mapped_before, resident_before);
    call_at_once();
    lb_transport_stats(world.transport, NULL, &stats);
    assert_int_equal(stats.idle, IDLE_COUNT);
    assert_int_equal(atomic_load(&world.accepted_count), IDLE_COUNT); /* none of them dialed */
    lb_transport_close_idle(world.transport, NULL);
    await_no_workers();
}

static int setup(void **state)
{
    (void)state;
    struct lb_transport_options options;
    counted_memory_init(&world.memory);
    server_start();
    assert_int_equal(lb_network_tcp_new(&world.memory.memory, &world.network), LB_OK);
    lb_transport_options_default(&options);
    options.runtime = lb_runtime_threads();
    options.network = world.network;
    options.memory = &world.memory.memory;
    options.idle_per_host_max = IDLE_COUNT;
    options.idle_total_max = 0;
    options.idle_duration_ns = LB_NEVER;
    assert_int_equal(lb_transport_new(&options, &world.transport), LB_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    lb_network_tcp_free(&world.network);
    assert_int_equal(atomic_load(&world.memory.block_count), 0);
    server_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_threads_scale_thousand_idle_and_two_hundred_at_once,
                                        setup, teardown),
    };
    (void)mallopt(M_ARENA_MAX, 1); /* what is mapped is stacks, and not malloc's arenas of 64 MiB */
    return cmocka_run_group_tests_name("threads_scale", tests, NULL, NULL);
}
