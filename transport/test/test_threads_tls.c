/*
 * Tests of the client over TLS, on threads and real sockets: what the pool makes of TLS, and what a caller
 * is told. What single calls on a socket do is tested in test_threads_tls_socket.c.
 *
 * Mental model: each test runs twice, with a server that speaks TLS 1.2 and with one that speaks TLS 1.3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"
#include "test/loopback_tls.h"

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */
#define SIZE 5001         /* bytes of a body: more than the client's buffer */
#define LARGE_SIZE 3000000
#define CALLERS 4
#define TURNS 60

/* What the network was told about failures. */
struct watch {
    struct lb_tls_watch watch; /* first */
    pthread_mutex_t lock;      /* of what follows */
    uint32_t count;
    enum lb_status status;
    char reason[200];
    char host[64];
};

static struct world {
    struct authority authority; /* for all tests of a version */
    int version;
    struct lb_tls_options tls;
    struct secure_options server_options;
    struct watch watch;
    struct lb_network *network;
    struct secure_server *server;
    struct lb_transport_options options;
    struct lb_transport *transport;
    uint32_t fd_count; /* before the test */
    uint32_t thread_count;
    uint32_t request_count; /* numbers given out */
} world;

static uint64_t now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

static void watch_failed(struct lb_tls_watch *seam, const struct lb_endpoint *endpoint,
                         const char *name, enum lb_status status, const char *reason)
{
    struct watch *watch = (struct watch *)(void *)seam;
    assert_string_equal(endpoint->scheme, "https");
    assert_non_null(strchr(name, '#'));
    (void)pthread_mutex_lock(&watch->lock);
    watch->count++;
    watch->status = status;
    (void)snprintf(watch->reason, sizeof watch->reason, "%s", reason);
    (void)snprintf(watch->host, sizeof watch->host, "%s", endpoint->host);
    (void)pthread_mutex_unlock(&watch->lock);
}

/* expect_reason: one failure has been told of, in these words. */
static void expect_reason(enum lb_status status, const char *words)
{
    (void)pthread_mutex_lock(&world.watch.lock);
    assert_int_equal(world.watch.count, 1);
    assert_int_equal(world.watch.status, status);
    if (strstr(world.watch.reason, words) == NULL) {
        fail_msg("the reason is: %s", world.watch.reason);
    }
    world.watch.count = 0;
    (void)pthread_mutex_unlock(&world.watch.lock);
}

/* What is waited for. */
typedef bool (*holds_fn)(uint32_t value);

/* await: waits until it holds. */
static void await(holds_fn holds, uint32_t value)
{
    uint32_t waited = 0;
    while (!holds(value)) {
        assert_true(waited < PATIENCE_MS);
        loopback_pause(2);
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

static bool notified_is(uint32_t value)
{
    return secure_look(world.server).notified == value;
}

static bool ended_is(uint32_t value)
{
    return secure_look(world.server).ended == value;
}

static bool accepted_is(uint32_t value)
{
    return secure_look(world.server).accepted == value;
}

static bool said_is(uint32_t value)
{
    return secure_look(world.server).said == value;
}

static bool fds_are(uint32_t value)
{
    return loopback_fd_count() == value;
}

static bool threads_are(uint32_t value)
{
    return loopback_thread_count() == value; /* the kernel forgets a joined one a little later */
}

/* -- a world for each test -- */

/* server_make: a server as world.server_options say, instead of the one before. */
static void server_make(void)
{
    secure_stop(&world.server);
    world.server = secure_start(&world.server_options);
}

/* client_make: a network and a transport as world.tls and world.options say, instead of those before. */
static void client_make(void)
{
    lb_transport_free(&world.transport);
    lb_network_tls_free(&world.network);
    assert_int_equal(lb_network_tls_new(&world.tls, lb_memory_standard(), &world.network), LB_OK);
    world.options.network = world.network;
    assert_int_equal(lb_transport_new(&world.options, &world.transport), LB_OK);
}

static int setup(void **state)
{
    (void)state;
    world.fd_count = loopback_fd_count();
    world.thread_count = loopback_thread_count();
    world.request_count = 0;
    world.watch = (struct watch){.watch = {watch_failed}};
    assert_int_equal(pthread_mutex_init(&world.watch.lock, NULL), 0);
    world.tls =
        (struct lb_tls_options){.ca_file = world.authority.path, .watch = &world.watch.watch};
    world.server_options = (struct secure_options){
        .host = "127.0.0.1", .authority = &world.authority, .version = world.version};
    lb_transport_options_default(&world.options);
    world.options.is_checked = true;
    world.options.runtime = lb_runtime_threads();
    server_make();
    client_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lb_transport_free(&world.transport);
    secure_stop(&world.server);
    lb_network_tls_free(&world.network);
    assert_null(world.network);
    assert_int_equal(pthread_mutex_destroy(&world.watch.lock), 0);
    await(fds_are, world.fd_count);
    await(threads_are, world.thread_count);
    return 0;
}

/* -- short forms of the client's calls -- */

/* One request, and what became of it. */
struct call {
    struct lb_request *request;
    struct lb_response *response;
    uint32_t number;
    enum lb_status status; /* of a send in another thread */
    pthread_t thread;
};

static struct call make_to(const char *scheme, const char *host, struct secure_order order)
{
    struct call call = {.number = ++world.request_count};
    char target[LOOPBACK_TARGET_MAX];
    order.number = call.number;
    secure_target(&order, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {.scheme = scheme, .host = host, .port = secure_port(world.server)},
        .target = target,
        .deadline_ns = LB_NEVER,
    };
    assert_int_equal(lb_request_new(world.transport, &options, &call.request), LB_OK);
    return call;
}

static struct secure_order order_of(enum secure_framing framing, enum secure_after after)
{
    return (struct secure_order){.framing = framing, .after = after, .part = 4, .size = SIZE};
}

/* get: makes and sends a request that is answered with 200. */
static struct call get(struct secure_order order)
{
    struct call call = make_to("https", "127.0.0.1", order);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_OK);
    assert_int_equal(lb_response_code(call.response), 200);
    return call;
}

/* read_some: reads the body to its end or its first `size` bytes, whatever comes first. */
static enum lb_status read_some(const struct call *call, size_t size, size_t *ret_size)
{
    static char bytes[50000];
    struct lb_body *body = lb_response_body(call->response);
    enum lb_status status = LB_OK;
    *ret_size = 0;
    while (status == LB_OK && *ret_size < size) {
        size_t room = size - *ret_size < sizeof bytes ? size - *ret_size : sizeof bytes;
        size_t count = 0;
        status = lb_body_read(body, bytes, room, &count);
        for (size_t i = 0; i < count; i++) {
            if (bytes[i] != loopback_byte(call->number, *ret_size + i)) {
                fail_msg("byte %zu is another's", *ret_size + i);
            }
        }
        *ret_size += count;
    }
    return status;
}

/* finish: reads the body to what it ends with, and releases the request. */
static void finish(struct call *call, enum lb_status expected, size_t expected_size)
{
    size_t size = 0;
    assert_int_equal(read_some(call, SIZE_MAX, &size), expected);
    assert_int_equal(size, expected_size);
    size_t more = 0;
    assert_int_equal(read_some(call, 1, &more), expected);
    assert_int_equal(more, 0);
    lb_request_free(&call->request);
}

static void get_all(enum secure_framing framing, enum secure_after after)
{
    struct call call = get(order_of(framing, after));
    finish(&call, LB_END, SIZE);
}

/* expect_send: a request to `host` whose send ends so; 200 if it ends well. */
static void expect_send(const char *host, enum lb_status expected)
{
    struct call call = make_to("https", host, order_of(SECURE_LENGTH, SECURE_NEXT));
    assert_int_equal(lb_request_send(call.request, &call.response), expected);
    if (expected == LB_OK) {
        finish(&call, LB_END, SIZE);
    } else {
        lb_request_free(&call.request);
    }
}

/* -- the pool -- */

static void test_threads_tls_body_read_to_its_end_gives_the_connection_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        get_all(SECURE_LENGTH, SECURE_NEXT);
        assert_int_equal(stats().idle, 1);
        get_all(SECURE_CHUNKED, SECURE_NEXT);
        assert_int_equal(stats().idle, 1);
    }
    struct secure_seen seen = secure_look(world.server);
    assert_int_equal(seen.accepted, 1);
    assert_int_equal(seen.requests, 6);
    assert_string_equal(seen.name, ""); /* an address is not asked for by name */
    assert_string_equal(seen.protocol, "http/1.1");
    lb_transport_close_idle(world.transport, NULL);
    await(notified_is, 1);
}

/* A session ticket or a key update is nothing to read. A refusal to renegotiate makes the server give up:
 * that is its choice, and if the client had not refused, the connection would have stayed. */
static void test_threads_tls_what_tls_says_on_an_idle_connection_is_not_junk(void **state)
{
    (void)state;
    bool is_kept = world.version == TLS1_3_VERSION;
    for (uint32_t i = 1; i <= 3; i++) {
        get_all(SECURE_LENGTH, SECURE_TICKET);
        await(said_is, i);
        await(ended_is, is_kept ? 0 : i);
        loopback_pause(20); /* for the client to have got it, or not */
        await(idle_is, is_kept);
    }
    get_all(SECURE_LENGTH, SECURE_NEXT);
    struct secure_seen seen = secure_look(world.server);
    assert_int_equal(seen.accepted, is_kept ? 1 : 4);
    assert_int_equal(seen.requests, 4);
    assert_true(!is_kept || world.watch.count == 0);
}

static void test_threads_tls_bytes_on_an_idle_connection_end_it(void **state)
{
    (void)state;
    get_all(SECURE_LENGTH, SECURE_JUNK);
    await(said_is, 1);
    await(idle_is, 0);
    get_all(SECURE_LENGTH, SECURE_NEXT);
    assert_int_equal(secure_look(world.server).accepted, 2);
}

static void test_threads_tls_end_on_an_idle_connection_ends_it(void **state)
{
    (void)state;
    get_all(SECURE_LENGTH, SECURE_NOTIFY);
    await(idle_is, 0);
    get_all(SECURE_CHUNKED, SECURE_FIN); /* of a body that was complete before: nothing is lost */
    await(idle_is, 0);
    get_all(SECURE_LENGTH, SECURE_NEXT);
    assert_int_equal(secure_look(world.server).accepted, 3);
}

/* pool-key-is-scheme-and-host: one name and port, with TLS and without. */
static void test_threads_tls_schemes_are_pooled_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct call call = make_to("http", "127.0.0.1", order_of(SECURE_LENGTH, SECURE_NEXT));
        assert_int_equal(lb_request_send(call.request, &call.response), LB_OK);
        finish(&call, LB_END, SIZE);
        get_all(SECURE_LENGTH, SECURE_NEXT);
        assert_int_equal(stats().idle, 2);
        assert_int_equal(secure_look(world.server).accepted, 2);
    }
    assert_int_equal(secure_look(world.server).requests, 4);
}

/* -- whom to trust -- */

static void test_threads_tls_asks_for_a_name_and_accepts_each_that_is_certified(void **state)
{
    (void)state;
    if (!loopback_resolves("localhost")) {
        skip();
    }
    expect_send("localhost", LB_OK);
    assert_string_equal(secure_look(world.server).name, "localhost");
    expect_send("127.0.0.1", LB_OK);
    assert_string_equal(secure_look(world.server).name, "");
    world.server_options.host = "::1";
    server_make();
    expect_send("::1", LB_OK);
    assert_string_equal(secure_look(world.server).name, "");
    assert_int_equal(world.watch.count, 0);
}

static void test_threads_tls_unknown_authority_is_refused(void **state)
{
    (void)state;
    if (!loopback_resolves("localhost")) {
        skip();
    }
    struct authority stranger;
    authority_init(&stranger);
    world.tls.ca_file = stranger.path;
    client_make();
    expect_send("localhost", LB_REFUSED);
    expect_reason(LB_REFUSED, "certificate verify failed: ");
    assert_string_equal(world.watch.host, "localhost");
    world.tls.ca_file = NULL; /* the system's know ours no better */
    client_make();
    expect_send("127.0.0.1", LB_REFUSED);
    expect_reason(LB_REFUSED, "certificate verify failed: unable to get local issuer certificate");
    assert_int_equal(secure_look(world.server).requests, 0);
    authority_deinit(&stranger);
}

/* expect_distrust: a server with a certificate that is not for it. */
static void expect_distrust(enum identity identity, const char *host, const char *words)
{
    world.server_options.identity = identity;
    server_make();
    expect_send(host, LB_REFUSED);
    expect_reason(LB_REFUSED, words);
    assert_int_equal(secure_look(world.server).requests, 0);
}

static void test_threads_tls_certificate_for_somebody_else_is_refused(void **state)
{
    (void)state;
    if (!loopback_resolves("localhost")) {
        skip();
    }
    expect_distrust(IDENTITY_OTHER, "localhost", "hostname mismatch");
    expect_distrust(IDENTITY_OTHER, "127.0.0.1", "IP address mismatch");
    expect_distrust(IDENTITY_COMMON_NAME, "localhost", "hostname mismatch");
}

static void test_threads_tls_expired_certificate_is_refused(void **state)
{
    (void)state;
    if (!loopback_resolves("localhost")) {
        skip();
    }
    expect_distrust(IDENTITY_EXPIRED, "localhost", "certificate has expired");
}

static void test_threads_tls_unverified_accepts_whatever_comes(void **state)
{
    (void)state;
    if (!loopback_resolves("localhost")) {
        skip();
    }
    static const enum identity identities[] = {IDENTITY_EXPIRED, IDENTITY_OTHER};
    world.tls.is_dangerously_unverified = true;
    world.tls.ca_file = NULL;
    client_make();
    for (size_t i = 0; i < 2; i++) {
        world.server_options.identity = identities[i];
        server_make();
        expect_send("localhost", LB_OK);
        assert_string_equal(secure_look(world.server).name, "localhost");
    }
    assert_int_equal(world.watch.count, 0);
}

static void test_threads_tls_older_versions_are_refused(void **state)
{
    (void)state;
    if (!loopback_resolves("localhost")) {
        skip();
    }
    world.server_options.version = TLS1_1_VERSION;
    server_make();
    expect_send("localhost", LB_REFUSED);
    expect_reason(LB_REFUSED, "version");
}

/* -- how bodies end -- */

/* How a body ends, by its framing. */
struct ending {
    enum secure_after after;
    uint32_t part;
    enum lb_status statuses[3]; /* by enum secure_framing */
};

static void test_threads_tls_only_close_notify_is_an_end(void **state)
{
    (void)state;
    static const struct ending endings[] = {
        {SECURE_NOTIFY, 4, {LB_END, LB_END, LB_END}},
        {SECURE_NOTIFY, 2, {LB_INCOMPLETE, LB_INCOMPLETE, LB_END}},
        {SECURE_FIN, 4, {LB_END, LB_END, LB_RESET}},
        {SECURE_FIN, 2, {LB_RESET, LB_RESET, LB_RESET}},
        {SECURE_RESET, 2, {LB_RESET, LB_RESET, LB_RESET}},
    };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        for (size_t framing = 0; framing < 3; framing++) {
            struct secure_order order = order_of((enum secure_framing)framing, endings[i].after);
            order.part = endings[i].part;
            order.size = 4000;
            struct call call = get(order);
            if (endings[i].after == SECURE_RESET) { /* which may take bytes away */
                size_t size = 0;
                assert_int_equal(read_some(&call, SIZE_MAX, &size), LB_RESET);
                assert_true(size <= 2000);
                lb_request_free(&call.request);
            } else {
                finish(&call, endings[i].statuses[framing], (size_t)1000 * endings[i].part);
            }
            await(idle_is, 0);
        }
    }
}

static void test_threads_tls_close_early_leaves_nothing_behind(void **state)
{
    (void)state;
    size_t size = 0;
    struct secure_order order = order_of(SECURE_LENGTH, SECURE_STAY);
    order.part = 2;
    struct call call = get(order);
    assert_int_equal(read_some(&call, 10, &size), LB_OK);
    assert_int_equal(size, 10);
    lb_body_close(lb_response_body(call.response));
    assert_int_equal(read_some(&call, 10, &size), LB_CLOSED);
    lb_request_free(&call.request);
    await(ended_is, 1);
    await(notified_is, 1);
    get_all(SECURE_LENGTH, SECURE_NEXT);
    assert_int_equal(secure_look(world.server).accepted, 2);
}

static void test_threads_tls_large_bodies_in_large_and_small_records(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 512};
    for (size_t i = 0; i < 2; i++) {
        world.server_options.record_size = sizes[i];
        server_make();
        for (size_t framing = 0; framing < 3; framing++) {
            struct secure_order order = order_of((enum secure_framing)framing, SECURE_NOTIFY);
            order.size = LARGE_SIZE;
            struct call call = get(order);
            finish(&call, LB_END, LARGE_SIZE);
        }
    }
}

/* -- handshakes that do not end -- */

static void *send_main(void *argument)
{
    struct call *call = argument;
    call->status = lb_request_send(call->request, &call->response);
    return NULL;
}

static void test_threads_tls_dial_time_out_is_for_the_handshake_too(void **state)
{
    (void)state;
    world.server_options.is_silent = true;
    server_make();
    world.options.dial_duration_ns = 100 * MS;
    client_make();
    uint64_t begun_ns = now();
    expect_send("127.0.0.1", LB_TIMEOUT);
    assert_true(now() - begun_ns >= 100 * MS);
    assert_true(now() - begun_ns < PATIENCE_MS * MS);
    assert_int_equal(secure_look(world.server).accepted, 1);
    await(ended_is, 1);
    assert_int_equal(world.watch.count, 0);
}

/* start_stalled: a request whose handshake gets no answer. */
static void start_stalled(struct call *call)
{
    world.server_options.is_silent = true;
    server_make();
    *call = make_to("https", "127.0.0.1", order_of(SECURE_LENGTH, SECURE_NEXT));
    assert_int_equal(pthread_create(&call->thread, NULL, send_main, call), 0);
    await(accepted_is, 1);
}

static void test_threads_tls_cancel_during_the_handshake(void **state)
{
    (void)state;
    struct call call;
    start_stalled(&call);
    lb_request_cancel(call.request);
    assert_int_equal(pthread_join(call.thread, NULL), 0);
    assert_int_equal(call.status, LB_CANCELLED);
    lb_request_free(&call.request);
    assert_int_equal(stats().dialing, 1); /* it goes on, for whoever comes */
    lb_transport_close_idle(world.transport, NULL);
    await(ended_is, 1);
    assert_int_equal(world.watch.count, 0);
}

static void test_threads_tls_free_during_the_handshake(void **state)
{
    (void)state;
    struct call call;
    start_stalled(&call);
    lb_transport_free(&world.transport);
    assert_int_equal(pthread_join(call.thread, NULL), 0);
    assert_int_equal(call.status, LB_CLOSED);
    await(ended_is, 1);
    assert_int_equal(world.watch.count, 0);
}

/* -- all at once -- */

/* How a caller ends a request. */
enum ending_way { WAY_READ, WAY_CLOSE, WAY_FREE, WAY_CANCEL, WAY_DEADLINE };

#define WAY_COUNT 5

/* A thread that makes requests and ends them in one way after another. */
struct caller {
    pthread_t thread;
    uint32_t index;
};

/* A thread that cancels a request a little later. */
struct canceller {
    pthread_t thread;
    struct lb_request *request;
    uint32_t pause_us;
};

static void *cancel_main(void *argument)
{
    struct canceller *canceller = argument;
    struct timespec pause = {.tv_nsec = (long)canceller->pause_us * 1000};
    (void)nanosleep(&pause, NULL);
    lb_request_cancel(canceller->request);
    return NULL;
}

/* caller_read: reads up to `size` bytes, each of which has to be the request's own. */
static enum lb_status caller_read(struct lb_body *body, uint32_t number, size_t size)
{
    char bytes[700];
    size_t got = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK && got < size) {
        size_t count = 0;
        status = lb_body_read(body, bytes, sizeof bytes, &count);
        for (size_t i = 0; i < count; i++) {
            LB_ASSERT(bytes[i] == loopback_byte(number, got + i));
        }
        got += count;
    }
    LB_ASSERT(status != LB_END || got == SIZE);
    return status;
}

/* caller_check: a status has a cause. */
static void caller_check(enum lb_status status, enum ending_way way, enum secure_after after)
{
    LB_ASSERT(status != LB_CANCELLED || way == WAY_CANCEL);
    LB_ASSERT(status != LB_TIMEOUT || way == WAY_DEADLINE);
    LB_ASSERT(status != LB_RESET || after == SECURE_RESET);
    LB_ASSERT(status == LB_OK || status == LB_END || status == LB_CANCELLED ||
              status == LB_TIMEOUT || status == LB_RESET);
}

/* caller_request: one request; `turn` tells what becomes of it. */
static void caller_request(uint32_t number, uint32_t turn)
{
    static const enum secure_after afters[] = {SECURE_NEXT, SECURE_NEXT, SECURE_NOTIFY,
                                               SECURE_RESET};
    struct secure_order order = {(enum secure_framing)(turn % 2), afters[turn / 2 % 4], 4, number,
                                 SIZE};
    enum ending_way way = (enum ending_way)(turn / 3 % WAY_COUNT);
    struct canceller canceller = {.pause_us = turn * 37 % 2000};
    struct lb_response *response = NULL;
    char target[LOOPBACK_TARGET_MAX];
    order.part = order.after == SECURE_RESET ? 2 : 4;
    secure_target(&order, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {"https", "127.0.0.1", secure_port(world.server)},
        .target = target,
        .deadline_ns = way == WAY_DEADLINE ? now() + turn % 5 * MS : LB_NEVER,
    };
    enum lb_status status = lb_request_new(world.transport, &options, &canceller.request);
    LB_ASSERT(status == LB_OK);
    if (way == WAY_CANCEL) {
        int error = pthread_create(&canceller.thread, NULL, cancel_main, &canceller);
        LB_ASSERT(error == 0);
    }
    status = lb_request_send(canceller.request, &response);
    if (status == LB_OK) {
        struct lb_body *body = lb_response_body(response);
        bool is_early = way == WAY_CLOSE || way == WAY_FREE;
        status = caller_read(body, number, is_early ? turn % SIZE : SIZE_MAX);
        if (way == WAY_CLOSE) {
            lb_body_close(body);
        }
    }
    caller_check(status, way, order.after);
    if (way == WAY_CANCEL) {
        int error = pthread_join(canceller.thread, NULL);
        LB_ASSERT(error == 0);
    }
    lb_request_free(&canceller.request);
}

static void *caller_main(void *argument)
{
    const struct caller *caller = argument;
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        caller_request(caller->index * TURNS + turn, turn * CALLERS + caller->index);
    }
    return NULL;
}

static void test_threads_tls_callers_end_requests_in_all_ways_at_once(void **state)
{
    (void)state;
    struct caller callers[CALLERS];
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i].index = i;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (uint32_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
    }
    assert_int_equal(stats().busy, 0);
    get_all(SECURE_LENGTH, SECURE_NEXT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_threads_tls_##name, setup, teardown)

/* run: all tests, with one version of TLS. */
static int run(int version, const char *name)
{
    const struct CMUnitTest tests[] = {
        TEST(body_read_to_its_end_gives_the_connection_back),
        TEST(what_tls_says_on_an_idle_connection_is_not_junk),
        TEST(bytes_on_an_idle_connection_end_it),
        TEST(end_on_an_idle_connection_ends_it),
        TEST(schemes_are_pooled_apart),
        TEST(asks_for_a_name_and_accepts_each_that_is_certified),
        TEST(unknown_authority_is_refused),
        TEST(certificate_for_somebody_else_is_refused),
        TEST(expired_certificate_is_refused),
        TEST(unverified_accepts_whatever_comes),
        TEST(older_versions_are_refused),
        TEST(only_close_notify_is_an_end),
        TEST(close_early_leaves_nothing_behind),
        TEST(large_bodies_in_large_and_small_records),
        TEST(dial_time_out_is_for_the_handshake_too),
        TEST(cancel_during_the_handshake),
        TEST(free_during_the_handshake),
        TEST(callers_end_requests_in_all_ways_at_once),
    };
    world.version = version;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    loopback_warm_up();
    authority_init(&world.authority);
    int failed = run(TLS1_2_VERSION, "threads_tls 1.2") + run(TLS1_3_VERSION, "threads_tls 1.3");
    authority_deinit(&world.authority);
    return failed;
}
