/*
 * The world of tests on threads and real sockets.
 */
#include "test/threads_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 60000 /* for what happens at once on a machine that is not busy */
#define ROWS_MAX 64

struct world world;

uint64_t world_now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

struct lb_stats world_stats_of(const char *host)
{
    struct lb_stats stats;
    lb_transport_stats(world.transport, host, &stats);
    return stats;
}

struct lb_stats world_stats(void)
{
    return world_stats_of(NULL);
}

uint32_t world_rows(enum lb_role role, enum lb_site waits_for, const char *call_site)
{
    struct lb_profile_row rows[ROWS_MAX];
    size_t row_count = 0;
    uint32_t count = 0;
    lb_transport_profile(world.transport, rows, ROWS_MAX, &row_count);
    assert_true(row_count < ROWS_MAX);
    for (size_t i = 0; i < row_count; i++) {
        bool is_site = call_site == NULL ||
                       (rows[i].call_site != NULL && strcmp(rows[i].call_site, call_site) == 0);
        if (rows[i].role == role && rows[i].waits_for == waits_for && is_site) {
            count += rows[i].count;
        }
    }
    return count;
}

/* -- waiting -- */

/* What is waited for: so many of one thing, and of another. */
typedef bool (*holds_fn)(uint32_t first, uint32_t second);

/* await: waits until it holds; returns whether it did. */
static bool await(holds_fn holds, uint32_t first, uint32_t second)
{
    for (uint32_t waited = 0; waited < PATIENCE_MS; waited += 2) {
        if (holds(first, second)) {
            return true;
        }
        loopback_pause(2);
    }
    return false;
}

/* profile_count: the workers of a role, whatever they wait for. */
static uint32_t profile_count(enum lb_role role)
{
    struct lb_profile_row rows[ROWS_MAX];
    size_t row_count = 0;
    uint32_t count = 0;
    lb_transport_profile(world.transport, rows, ROWS_MAX, &row_count);
    assert_true(row_count < ROWS_MAX);
    for (size_t i = 0; i < row_count; i++) {
        count += rows[i].role == role ? rows[i].count : 0;
    }
    return count;
}

static bool workers_are(uint32_t read_count, uint32_t write_count)
{
    return loopback_named_count("read ") == read_count &&
           loopback_named_count("write ") == write_count && loopback_named_count("dial ") == 0 &&
           profile_count(LB_ROLE_READ) == read_count &&
           profile_count(LB_ROLE_WRITE) == write_count && profile_count(LB_ROLE_DIAL) == 0;
}

void await_workers(uint32_t read_count, uint32_t write_count)
{
    if (!await(workers_are, read_count, write_count)) {
        assert_int_equal(loopback_named_count("read "), read_count);
        assert_int_equal(loopback_named_count("write "), write_count);
        assert_int_equal(profile_count(LB_ROLE_READ), read_count);
        assert_int_equal(profile_count(LB_ROLE_WRITE), write_count);
        fail_msg("a dial worker is left");
    }
}

static bool pool_is(uint32_t idle_count, uint32_t busy_count)
{
    struct lb_stats stats = world_stats();
    return stats.idle == idle_count && stats.busy == busy_count && stats.waiting == 0 &&
           stats.dialing == 0;
}

void await_pool(uint32_t idle_count, uint32_t busy_count)
{
    if (!await(pool_is, idle_count, busy_count)) {
        assert_int_equal(world_stats().idle, idle_count);
        assert_int_equal(world_stats().busy, busy_count);
        fail_msg("somebody waits for a connection");
    }
}

static uint32_t accepted_total(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < world.server_count; i++) {
        count += loopback_accepted(world.servers[i]);
    }
    return count;
}

static uint32_t ended_total(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < world.server_count; i++) {
        count += loopback_ended(world.servers[i]);
    }
    return count;
}

static bool conns_are(uint32_t accepted_count, uint32_t ended_count)
{
    return accepted_total() == accepted_count && ended_total() == ended_count;
}

void await_conns(uint32_t accepted_count, uint32_t ended_count)
{
    if (!await(conns_are, accepted_count, ended_count)) {
        assert_int_equal(accepted_total(), accepted_count);
        assert_int_equal(ended_total(), ended_count);
    }
}

static bool fds_are(uint32_t count, uint32_t unused)
{
    (void)unused;
    return loopback_fd_count() == count;
}

void await_fds(uint32_t connection_count)
{
    uint32_t count = world.idle_fds + connection_count * (WORLD_FDS + 1);
    if (!await(fds_are, count, 0)) {
        assert_int_equal(loopback_fd_count(), count);
    }
}

/* half_closed_count: sockets of this machine in CLOSE_WAIT whose peer has the port. */
static uint32_t half_closed_count(uint16_t port)
{
    uint32_t count = 0;
    char line[256];
    FILE *file = fopen("/proc/net/tcp", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned peer_port = 0;
        unsigned tcp_state = 0;
        int found = sscanf(line, " %*u: %*x:%*x %*x:%x %x", &peer_port, &tcp_state);
        count += found == 2 && peer_port == port && tcp_state == 8;
    }
    (void)fclose(file);
    return count;
}

static bool half_closed_is(uint32_t count, uint32_t port)
{
    return loopback_closed(world.servers[0]) == count && half_closed_count((uint16_t)port) == count;
}

void await_half_closed(uint32_t count)
{
    assert_true(await(half_closed_is, count, loopback_port(world.servers[0])));
}

static bool requests_are(uint32_t count, uint32_t unused)
{
    (void)unused;
    return loopback_requests(world.servers[0]) == count;
}

void await_requests(uint32_t count)
{
    assert_true(await(requests_are, count, 0));
}

static bool threads_are(uint32_t count, uint32_t unused)
{
    (void)unused;
    return loopback_thread_count() == count;
}

void await_blocked(struct pattern_source *source)
{
    uint32_t waited = 0;
    while (!pattern_source_is_blocked(source)) {
        assert_true(waited < PATIENCE_MS);
        loopback_pause(1);
        waited++;
    }
}

/* -- making and ending -- */

static void setup_with(size_t server_count)
{
    memset(&world, 0, sizeof world);
    world.fd_count = loopback_fd_count();
    world.thread_count = loopback_thread_count();
    counted_memory_init(&world.memory);
    world.server_count = server_count;
    for (size_t i = 0; i < server_count; i++) {
        world.servers[i] = loopback_start("127.0.0.1");
    }
    assert_int_equal(lb_network_tcp_new(&world.memory.memory, &world.network), LB_OK);
    lb_transport_options_default(&world.options);
    world.options.is_checked = true;
    world.options.runtime = lb_runtime_threads();
    world.options.network = world.network;
    world.options.memory = &world.memory.memory;
    world.options.idle_duration_ns = LB_NEVER;
    world_remake();
    world.idle_fds = loopback_fd_count();
}

int world_setup(void **state)
{
    (void)state;
    setup_with(1);
    return 0;
}

int world_setup_six(void **state)
{
    (void)state;
    setup_with(6);
    return 0;
}

void world_remake(void)
{
    lb_transport_free(&world.transport);
    assert_int_equal(lb_transport_new(&world.options, &world.transport), LB_OK);
}

int world_teardown(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    assert_null(world.transport);
    lb_network_tcp_free(&world.network);
    assert_int_equal(atomic_load(&world.memory.block_count), 0);
    assert_int_equal(atomic_load(&world.memory.size), 0);
    for (size_t i = 0; i < world.server_count; i++) {
        loopback_stop(&world.servers[i]);
    }
    assert_int_equal(loopback_fd_count(), world.fd_count);
    assert_true(await(threads_are, world.thread_count, 0)); /* the kernel forgets a little later */
    return 0;
}

/* -- calls -- */

struct call call_make(enum loopback_kind kind, const struct call_options *options)
{
    static const struct call_options plain;
    struct call call = {.number = ++world.number_last};
    char target[LOOPBACK_TARGET_MAX];
    options = options == NULL ? &plain : options;
    struct loopback *server = world.servers[options->server];
    struct pattern_source *source = options->source;
    char upload[8];
    struct lb_field field = {"X-Upload", upload};
    (void)snprintf(upload, sizeof upload, "%u", (unsigned)options->upload);
    loopback_target(kind, call.number, WORLD_SIZE, target);
    if (source != NULL) {
        source->number = call.number;
    }
    struct lb_request_options request = {
        .method = options->method == NULL ? (source == NULL ? "GET" : "POST") : options->method,
        .endpoint = {.scheme = "http",
                     .host = options->host == NULL ? loopback_host(server) : options->host,
                     .port = options->port == 0 ? loopback_port(server) : options->port},
        .target = target,
        .fields = &field,
        .field_count = source == NULL ? 0 : 1,
        .source = source == NULL ? NULL : &source->source,
        .source_size = source == NULL ? 0 : source->size,
        .deadline_ns = options->deadline_ns == 0 ? LB_NEVER : options->deadline_ns,
        .is_close = options->is_close,
        .call_site = options->call_site,
    };
    assert_int_equal(lb_request_new(world.transport, &request, &call.request), LB_OK);
    return call;
}

void call_send(struct call *call)
{
    assert_int_equal(lb_request_send(call->request, &call->response), LB_OK);
    assert_int_equal(lb_response_code(call->response), 200);
    call->body = lb_response_body(call->response);
}

struct call call_get_as(enum loopback_kind kind, const struct call_options *options)
{
    struct call call = call_make(kind, options);
    call_send(&call);
    return call;
}

struct call call_get(enum loopback_kind kind)
{
    return call_get_as(kind, NULL);
}

enum lb_status call_read(struct call *call, size_t size)
{
    enum lb_status status = LB_OK;
    size_t end = call->size + size;
    char bytes[1000];
    while (status == LB_OK && call->size < end) {
        size_t room = end - call->size < sizeof bytes ? end - call->size : sizeof bytes;
        size_t count = 0;
        status = lb_body_read(call->body, bytes, room, &count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(bytes[i], loopback_byte(call->number, call->size + i));
        }
        call->size += count;
    }
    return status;
}

void call_read_all(struct call *call)
{
    assert_int_equal(call_read(call, WORLD_SIZE + 1), LB_END);
    assert_int_equal(call->size, WORLD_SIZE);
    assert_int_equal(lb_body_state(call->body), LB_BODY_ENDED);
}

void call_start(struct call *call, void *(*function)(void *))
{
    assert_int_equal(pthread_create(&call->thread, NULL, function, call), 0);
}

enum lb_status call_finish(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    return call->status;
}

void *call_send_main(void *argument)
{
    struct call *call = argument;
    call->status = lb_request_send(call->request, &call->response);
    return NULL;
}

void *call_read_main(void *argument)
{
    struct call *call = argument;
    call->status = call_read(call, WORLD_SIZE + 1);
    return NULL;
}

void *call_close_main(void *argument)
{
    struct call *call = argument;
    lb_body_close(call->body);
    return NULL;
}

void call_free(struct call *call)
{
    lb_request_free(&call->request);
    assert_null(call->request);
}

void call_drop(struct call *call)
{
    *call = (struct call){.request = NULL};
}
