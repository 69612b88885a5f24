/*
 * The accounts that the rules come from, on threads and real sockets: one function for each case of
 * conformance/cases/origins/, named after it. The cases say what must be seen in the simulation; here the
 * same is seen by a server on loopback, by the kernel, which counts threads and descriptors, and by the
 * memory that the client was given.
 *
 * Worker counts leave the caller's own thread out, and the server's threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "test/loopback_tls.h"
#include "test/threads_world.h"

#define RACE_COUNT 100 /* rounds of a race */

/* -- reading to the end -- */

/* One connection for six bodies that nobody closes, and two workers instead of twelve. */
static void test_threads_origins_six_reads_one_host(void **state)
{
    (void)state;
    struct call calls[6];
    for (size_t i = 0; i < 6; i++) {
        calls[i] = call_get(LOOPBACK_LENGTH);
        call_read_all(&calls[i]); /* and never closes it */
        await_pool(1, 0);
    }
    assert_int_equal(loopback_requests(world.servers[0]), 6);
    await_conns(1, 0);
    await_workers(1, 1);
    await_fds(1);
}

/* six_reads: one body from each of six hosts, read to its end. */
static void six_reads(void)
{
    for (size_t i = 0; i < 6; i++) {
        struct call_options options = {.server = i};
        struct call call = call_get_as(LOOPBACK_CHUNKED, &options);
        call_read_all(&call);
    }
}

static void test_threads_origins_six_reads_six_hosts(void **state)
{
    (void)state;
    six_reads();
    await_pool(6, 0);
    await_workers(6, 6);
    await_fds(6);
    loopback_pause(20); /* nothing ends them by itself */
    await_workers(6, 6);
    lb_transport_close_idle(world.transport, NULL);
    await_pool(0, 0);
    await_conns(6, 6);
    await_workers(0, 0);
    await_fds(0);
}

static void test_threads_origins_six_reads_six_hosts_until_timeout(void **state)
{
    (void)state;
    world.options.idle_duration_ns = 1000 * WORLD_MS;
    world_remake();
    uint64_t begun_ns = world_now();
    six_reads();
    uint32_t read_count = loopback_named_count("read ");
    uint32_t idle_count = world_stats().idle;
    if (world_now() < begun_ns + world.options.idle_duration_ns) {
        assert_int_equal(idle_count, 6); /* the machine was fast enough to look */
        assert_int_equal(read_count, 6);
    }
    await_workers(0, 0);
    assert_true(world_now() >= begun_ns + world.options.idle_duration_ns);
    await_conns(6, 6);
    await_fds(0);
}

static void test_threads_origins_drain_then_close(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_LENGTH);
    assert_int_equal(call_read(&call, 10), LB_OK);
    assert_int_equal(call.size, 10);
    call_read_all(&call); /* the rest */
    lb_body_close(call.body);
    struct call next = call_get(LOOPBACK_LENGTH);
    call_read_all(&next);
    lb_body_close(next.body);
    await_conns(1, 0);
    await_pool(1, 0);
    await_workers(1, 1);
}

static void test_threads_origins_body_is_read_once(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_LENGTH);
    call_read_all(&call);
    await_pool(1, 0);
    for (size_t i = 0; i < 3; i++) { /* a second pass, and more */
        char bytes[10];
        size_t size = 0;
        assert_int_equal(lb_body_read(call.body, bytes, sizeof bytes, &size), LB_END);
        assert_int_equal(size, 0);
    }
    await_pool(1, 0);
    assert_int_equal(lb_body_state(call.body), LB_BODY_ENDED);
    await_conns(1, 0);
}

static void test_threads_origins_close_after_end(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_CHUNKED);
    call_read_all(&call);
    for (size_t i = 0; i < 2; i++) {
        lb_body_close(call.body);
        await_pool(1, 0); /* neither closed nor pooled twice */
        assert_int_equal(lb_body_state(call.body), LB_BODY_ENDED);
    }
    struct call next = call_get(LOOPBACK_LENGTH);
    await_pool(0, 1);
    call_read_all(&next);
    await_conns(1, 0);
    await_workers(1, 1);
}

static void test_threads_origins_close_after_end_of_reused(void **state)
{
    (void)state;
    struct call first = call_get(LOOPBACK_LENGTH);
    call_read_all(&first);
    struct call second = call_get(LOOPBACK_GATED);
    assert_int_equal(call_read(&second, 10), LB_OK);
    lb_body_close(first.body);
    lb_request_cancel(first.request);
    assert_int_equal(lb_body_state(second.body), LB_BODY_OPEN);
    await_conns(1, 0);
    loopback_open(world.servers[0]);
    call_read_all(&second);
    await_pool(1, 0);
    await_conns(1, 0);
}

/* -- losing a body -- */

/* print_profile: what a person would look at. */
static void print_profile(void)
{
    struct lb_profile_row rows[32];
    size_t row_count = 0;
    lb_transport_profile(world.transport, rows, 32, &row_count);
    for (size_t i = 0; i < row_count; i++) {
        print_message("  %u %s workers in %s%s%s\n", (unsigned)rows[i].count,
                      lb_role_word(rows[i].role), lb_site_label(rows[i].waits_for),
                      rows[i].call_site == NULL ? "" : ", from ",
                      rows[i].call_site == NULL ? "" : rows[i].call_site);
    }
}

/* Two workers, two descriptors and some memory more with each body that is lost; the profile shows six. */
static void test_threads_origins_six_drops_one_host(void **state)
{
    (void)state;
    static const struct call_options options = {.call_site = "report.c:10"};
    size_t size = atomic_load(&world.memory.size);
    for (uint32_t i = 1; i <= 6; i++) {
        struct call call = call_get_as(LOOPBACK_LENGTH, &options);
        call_drop(&call);
        await_workers(i, i);
        await_fds(i);
        assert_true(atomic_load(&world.memory.size) > size);
        size = atomic_load(&world.memory.size);
    }
    print_profile();
    assert_int_equal(world_rows(LB_ROLE_READ, LB_SITE_WAIT_BODY_END, "report.c:10"), 6);
    assert_int_equal(world_rows(LB_ROLE_READ, LB_SITE_WAIT_BODY_END, NULL), 6);
    await_pool(0, 6);
    assert_int_equal(world_stats().open_bodies, 6);
    lb_transport_close_idle(world.transport, NULL); /* does not help */
    loopback_pause(20);
    await_conns(6, 0);
    await_workers(6, 6);
    assert_int_equal(atomic_load(&world.memory.size), size);
    lb_transport_free(&world.transport); /* this does */
    await_conns(6, 6);
    assert_int_equal(loopback_named_count("write "), 0);
}

static void test_threads_origins_ten_bytes_no_close(void **state)
{
    (void)state;
    static const char *const sites[4] = {"list.c:11", "list.c:12", "list.c:13", "list.c:14"};
    for (uint32_t i = 1; i <= 4; i++) {
        struct call_options options = {.call_site = sites[i - 1]};
        struct call call = call_get_as(LOOPBACK_LENGTH, &options);
        assert_int_equal(call_read(&call, 10), LB_OK);
        assert_int_equal(call.size, 10);
        call_drop(&call);
        await_workers(i, i);
        await_pool(0, i);
    }
    for (size_t i = 0; i < 4; i++) { /* each forgotten body is named */
        assert_int_equal(world_rows(LB_ROLE_READ, LB_SITE_WAIT_BODY_END, sites[i]), 1);
    }
    await_conns(4, 0);
}

static void test_threads_origins_ten_bytes_then_close(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 3; i++) {
        struct call call = call_get(LOOPBACK_LENGTH);
        assert_int_equal(call_read(&call, 10), LB_OK);
        lb_body_close(call.body);
        assert_int_equal(lb_body_state(call.body), LB_BODY_CLOSED);
        await_workers(0, 0);
        await_pool(0, 0);
        await_conns(i, i); /* every request dials anew */
    }
    await_fds(0);
}

static void test_threads_origins_idle_is_not_a_leak_until_asked(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_LENGTH);
    call_read_all(&call);
    lb_body_close(call.body);
    call_free(&call);
    await_workers(1, 1); /* a strict leak check reports these */
    assert_int_equal(world_rows(LB_ROLE_READ, LB_SITE_SOCKET_READ_FIRST, NULL), 1);
    await_pool(1, 0);
    await_fds(1);
    lb_transport_close_idle(world.transport, loopback_host(world.servers[0]));
    await_workers(0, 0);
    await_conns(1, 1);
    await_fds(0);
}

/* -- Connection: close -- */

static void test_threads_origins_connection_close_dropped(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_LEAVING);
    call_drop(&call);
    loopback_pause(20);
    await_workers(1, 1);
    await_pool(0, 1);
    await_conns(1, 0);
}

/* expect_not_recycled: the connection is held while the body is open, ended with it, and not reused. */
static void expect_not_recycled(struct call *call)
{
    await_workers(1, 1);
    await_pool(0, 1);
    await_conns(1, 0);
    call_read_all(call);
    await_conns(1, 1);
    await_workers(0, 0);
    struct call next = call_get(LOOPBACK_LENGTH);
    call_read_all(&next);
    await_conns(2, 1);
}

static void test_threads_origins_connection_close_request(void **state)
{
    (void)state;
    struct call_options options = {.is_close = true};
    struct call call = call_get_as(LOOPBACK_LENGTH, &options);
    expect_not_recycled(&call);
}

static void test_threads_origins_connection_close_response(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_LEAVING);
    expect_not_recycled(&call);
}

/* -- the ways out of waiting for a body -- */

/* expect_both_gone: no worker and no connection is left, and the body stands where it should. */
static void expect_both_gone(const struct call *call, enum lb_body_state body_state)
{
    await_workers(0, 0);
    await_pool(0, 0);
    await_fds(0);
    assert_int_equal(lb_body_state(call->body), body_state);
}

static void test_threads_origins_exits_of_the_read_worker_ended(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_CHUNKED);
    await_workers(1, 1);
    call_read_all(&call);
    await_pool(1, 0);
    await_workers(1, 1);
    assert_int_equal(world_rows(LB_ROLE_READ, LB_SITE_SOCKET_READ_FIRST, NULL), 1);
    await_conns(1, 0);
}

static void test_threads_origins_exits_of_the_read_worker_closed(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_PART);
    await_workers(1, 1);
    lb_body_close(call.body);
    expect_both_gone(&call, LB_BODY_CLOSED);
    await_conns(1, 1);
}

static void test_threads_origins_exits_of_the_read_worker_cancelled(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_PART);
    await_workers(1, 1);
    lb_request_cancel(call.request);
    expect_both_gone(&call, LB_BODY_CANCELLED);
    await_conns(1, 1);
}

/* Nobody reads: the read worker keeps the time itself. */
static void test_threads_origins_exits_of_the_read_worker_deadline(void **state)
{
    (void)state;
    struct call_options options = {.deadline_ns = world_now() + 1500 * WORLD_MS};
    struct call call = call_make(LOOPBACK_PART, &options);
    enum lb_status status = lb_request_send(call.request, &call.response);
    if (status == LB_TIMEOUT && world_now() >= options.deadline_ns) {
        skip(); /* a machine that takes longer for a head */
    }
    assert_int_equal(status, LB_OK);
    call.body = lb_response_body(call.response);
    uint32_t read_count = loopback_named_count("read ");
    enum lb_body_state body_state = lb_body_state(call.body);
    if (world_now() < options.deadline_ns) {
        assert_int_equal(read_count, 1);
        assert_int_equal(body_state, LB_BODY_OPEN);
    }
    expect_both_gone(&call, LB_BODY_FAILED);
    assert_true(world_now() >= options.deadline_ns);
    assert_int_equal(call_read(&call, 1), LB_TIMEOUT);
    await_conns(1, 1);
}

static void test_threads_origins_exits_of_the_read_worker_connection_closed(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_TRUNCATED);
    assert_int_equal(call_read(&call, WORLD_SIZE), LB_INCOMPLETE);
    assert_int_equal(call.size, WORLD_SIZE / 2);
    expect_both_gone(&call, LB_BODY_FAILED);
    assert_int_equal(loopback_closed(world.servers[0]), 1);
}

/* -- read and close at the same time -- */

/* Whoever wins, both return, the body is closed, and the connection is whole or gone. */
static void test_threads_origins_read_and_close_race(void **state)
{
    (void)state;
    uint32_t end_count = 0;
    for (uint32_t i = 0; i < RACE_COUNT; i++) {
        struct call call = call_get(i % 2 == 0 ? LOOPBACK_LENGTH : LOOPBACK_CHUNKED);
        char byte = 0;
        size_t size = 0;
        call_start(&call, call_read_main);
        for (uint32_t j = 0; j < i * 40; j++) { /* meet it at different places */
            (void)lb_body_state(call.body);
        }
        lb_body_close(call.body);
        enum lb_status status = call_finish(&call);
        assert_true(status == LB_END || status == LB_CLOSED);
        assert_true(status != LB_END || call.size == WORLD_SIZE);
        end_count += status == LB_END;
        assert_int_equal(lb_body_read(call.body, &byte, 1, &size), LB_CLOSED);
        call_free(&call);
        assert_int_equal(world_stats().busy, 0);
        assert_int_equal(world_stats().open_bodies, 0);
    }
    print_message("  %u ends, %u closes\n", (unsigned)end_count,
                  (unsigned)(RACE_COUNT - end_count));
    struct call next = call_get(LOOPBACK_LENGTH);
    call_read_all(&next);
    await_pool(1, 0);
    await_workers(1, 1);
    await_fds(1);
}

static void test_threads_origins_read_and_close_race_blocked(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_PART);
    assert_int_equal(call_read(&call, WORLD_SIZE / 2), LB_OK); /* all there is */
    call_start(&call, call_read_main);
    loopback_pause(20); /* inside the read by now, or not: closed either way */
    uint64_t begun_ns = world_now();
    lb_body_close(call.body);
    assert_int_equal(call_finish(&call), LB_CLOSED);
    assert_true(world_now() - begun_ns < 60000 * WORLD_MS);
    expect_both_gone(&call, LB_BODY_CLOSED);
    await_conns(1, 1);
}

static void test_threads_origins_read_and_close_race_two_closes(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= RACE_COUNT / 4; i++) {
        struct call call = call_get(LOOPBACK_PART);
        call_start(&call, call_close_main);
        lb_body_close(call.body);
        (void)call_finish(&call);
        assert_int_equal(call_read(&call, 1), LB_CLOSED);
        expect_both_gone(&call, LB_BODY_CLOSED);
        call_free(&call);
        await_conns(i, i); /* each socket is closed once: the network asserts it */
    }
}

/* -- what keeps a connection from being reused, alone -- */

/* expect_dialed_anew: the next request finds no connection. */
static void expect_dialed_anew(void)
{
    await_pool(0, 0);
    uint32_t accepted_count = loopback_accepted(world.servers[0]);
    struct call next = call_get(LOOPBACK_LENGTH);
    call_read_all(&next);
    assert_int_equal(loopback_accepted(world.servers[0]), accepted_count + 1);
}

static void test_threads_origins_early_exit_keeps_alive_false_body_not_read(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_PART);
    assert_int_equal(call_read(&call, 3), LB_OK);
    lb_body_close(call.body);
    expect_dialed_anew();
    await_conns(2, 1);
}

/* The whole body and the server's close have both arrived before the caller reads. */
static void test_threads_origins_early_exit_keeps_alive_false_server_closed(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_LAST);
    await_half_closed(1);
    call_read_all(&call);
    assert_int_equal(world_stats().idle, 0); /* at once: it was never pooled */
    expect_dialed_anew();
}

static void test_threads_origins_early_exit_keeps_alive_false_pool_full(void **state)
{
    (void)state;
    world.options.idle_per_host_max = 0;
    world_remake();
    struct call call = call_get(LOOPBACK_LENGTH);
    call_read_all(&call);
    assert_int_equal(world_stats().idle, 0);
    await_workers(0, 0);
    expect_dialed_anew();
    await_conns(2, 2);
}

/* -- the request's body -- */

#define UPLOAD_SIZE (4u << 20) /* more than the kernel keeps of what nobody reads */

/* expect_closed: the source has been closed, once, and is not touched any more. */
static void expect_closed(struct pattern_source *source)
{
    assert_int_equal(source->closed_count, 1); /* without its lock: nobody is there */
    pattern_source_deinit(source);
}

/* upload_well: all of it is sent; the server compares each byte. */
static void upload_well(void)
{
    struct pattern_source source;
    struct call_options options = {.source = &source};
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    struct call call = call_get_as(LOOPBACK_LENGTH, &options);
    call_read_all(&call);
    call_free(&call);
    expect_closed(&source);
    await_pool(1, 0);
}

/* upload_refused: nobody listens. */
static void upload_refused(void)
{
    struct pattern_source source;
    struct call_options options = {.source = &source};
    int fd = loopback_bind(&options.port);
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    struct call call = call_make(LOOPBACK_LENGTH, &options);
    assert_int_equal(lb_request_send(call.request, &call.response), LB_REFUSED);
    expect_closed(&source);
    assert_int_equal(close(fd), 0);
    call_free(&call);
}

/* upload_answered_early: the answer is there, and read to its end, while the source still blocks; its
 * close unblocks it. */
static void upload_answered_early(void)
{
    struct pattern_source source;
    struct call_options options = {.source = &source, .upload = LOOPBACK_UPLOAD_AFTER};
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    source.block_at = UPLOAD_SIZE / 2;
    struct call call = call_get_as(LOOPBACK_LENGTH, &options);
    call_read_all(&call);
    call_free(&call);
    expect_closed(&source);
    await_pool(0, 0);
}

/* upload_cancelled: while its source blocks. */
static void upload_cancelled(void)
{
    struct pattern_source source;
    struct call_options options = {.source = &source};
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    source.block_at = 10;
    struct call call = call_make(LOOPBACK_LENGTH, &options);
    call_start(&call, call_send_main);
    await_blocked(&source);
    lb_request_cancel(call.request);
    assert_int_equal(call_finish(&call), LB_CANCELLED);
    expect_closed(&source); /* it is not touched behind an error, before any release */
    call_free(&call);
    await_pool(0, 0);
}

/* upload_not_taken: the server answers and closes, and the write fails. */
static void upload_not_taken(void)
{
    struct pattern_source source;
    struct call_options options = {.source = &source, .upload = LOOPBACK_UPLOAD_NEVER};
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    struct call call = call_make(LOOPBACK_EMPTY, &options);
    enum lb_status status = lb_request_send(call.request, &call.response);
    assert_true(status == LB_OK || status == LB_RESET); /* a reset may take the answer away */
    call_free(&call);
    expect_closed(&source);
    await_pool(0, 0);
}

/* upload_invalid: the request is never made. */
static void upload_invalid(void)
{
    struct pattern_source source;
    struct lb_request *request = NULL;
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    struct lb_request_options options = {
        .method = "PO ST",
        .endpoint = {"http", "127.0.0.1", 80},
        .target = "/",
        .deadline_ns = LB_NEVER,
        .source = &source.source,
        .source_size = UPLOAD_SIZE,
    };
    assert_int_equal(lb_request_new(world.transport, &options, &request), LB_PROTOCOL);
    assert_null(request);
    expect_closed(&source);
}

/* All of the answer has come, and some of the request is still to be written. */
static void test_threads_origins_early_exit_keeps_alive_false_request_not_written(void **state)
{
    struct pattern_source source;
    struct call_options options = {.source = &source, .upload = LOOPBACK_UPLOAD_AFTER};
    (void)state;
    pattern_source_init(&source, 0, UPLOAD_SIZE, true);
    source.block_at = UPLOAD_SIZE - 1;
    struct call call = call_get_as(LOOPBACK_LENGTH, &options);
    call_read_all(&call);
    assert_int_equal(world_stats().idle, 0);
    expect_dialed_anew();
    await_conns(2, 1);
    call_free(&call);
    expect_closed(&source);
}

static void test_threads_origins_request_body_closed_once(void **state)
{
    (void)state;
    upload_well();
    lb_transport_close_idle(world.transport, NULL);
    upload_refused();
    upload_answered_early();
    upload_cancelled();
    upload_not_taken();
    upload_invalid();
    await_workers(0, 0);
    await_fds(0);
}

/* -- layers -- */

/* The end of the decoder is not the end: what stands behind it belongs to the body, too. Then the end
 * gives the connection back, and a close before it ends it. */
static void test_threads_origins_gzip_over_all(void **state)
{
    (void)state;
    struct call call = call_get(LOOPBACK_GZIP);
    assert_true(lb_response_is_decoded(call.response));
    call_read_all(&call);
    await_pool(1, 0);
    lb_body_close(call.body);
    await_pool(1, 0);
    call = call_get(LOOPBACK_GZIP);
    assert_int_equal(call_read(&call, 10), LB_OK);
    lb_body_close(call.body);
    assert_int_equal(call_read(&call, 10), LB_CLOSED);
    await_workers(0, 0);
    await_conns(1, 1);
    world.options.gzip_tail = LB_GZIP_TAIL_DROPPED;
    world_remake();
    call = call_get(LOOPBACK_TAILED);
    call_start(&call, call_read_main);
    loopback_pause(20); /* the decoder has ended by now, or not: the body has not */
    await_pool(0, 1);
    assert_int_equal(lb_body_state(call.body), LB_BODY_OPEN);
    loopback_open(world.servers[0]);
    assert_int_equal(call_finish(&call), LB_END);
    assert_int_equal(call.size, WORLD_SIZE);
    await_pool(1, 0);
    world.options.gzip_tail = LB_GZIP_TAIL_MEMBERS;
    world_remake();
    call = call_get(LOOPBACK_TAILED); /* nothing but members may follow */
    assert_int_equal(call_read(&call, WORLD_SIZE + 1), LB_PROTOCOL);
    await_workers(0, 0);
    await_fds(0);
}

/* -- the pool's key -- */

/* key_of_host: two names of one address and port are two pools; so are two ports of one name. */
static void key_of_host(void)
{
    static const char other[] = "127.1"; /* the same address in other digits */
    struct call_options as_other = {.host = other};
    struct call_options at_other = {.server = 1};
    for (size_t i = 0; i < 2; i++) {
        struct call call = call_get(LOOPBACK_LENGTH);
        call_read_all(&call);
        call = call_get_as(LOOPBACK_LENGTH, &as_other);
        call_read_all(&call);
        call = call_get_as(LOOPBACK_LENGTH, &at_other);
        call_read_all(&call);
    }
    assert_int_equal(loopback_accepted(world.servers[0]), 2);
    assert_int_equal(loopback_accepted(world.servers[1]), 1);
    assert_int_equal(world_stats_of(other).idle, 1);
    assert_int_equal(world_stats_of("127.0.0.1").idle, 2);
    lb_transport_close_idle(world.transport, other);
    assert_int_equal(world_stats_of(other).idle, 0);
    assert_int_equal(world_stats_of("127.0.0.1").idle, 2);
    await_conns(3, 1);
}

/* secure_get: a GET to a server that speaks both http and https at one port. */
static void secure_get(uint16_t port, bool is_https)
{
    struct secure_order order = {SECURE_LENGTH, SECURE_NEXT, 4, 7, 100};
    char target[LOOPBACK_TARGET_MAX];
    char bytes[200];
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    size_t total = 0;
    secure_target(&order, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {is_https ? "https" : "http", "127.0.0.1", port},
        .target = target,
        .deadline_ns = LB_NEVER,
    };
    assert_int_equal(lb_request_new(world.transport, &options, &request), LB_OK);
    enum lb_status status = lb_request_send(request, &response);
    assert_int_equal(status, LB_OK);
    while (status == LB_OK) {
        size_t size = 0;
        status = lb_body_read(lb_response_body(response), bytes, sizeof bytes, &size);
        total += size;
    }
    assert_int_equal(status, LB_END);
    assert_int_equal(total, order.size);
    lb_request_free(&request);
}

/* key_of_scheme: http and https to one name and port, where one server speaks both. */
static void key_of_scheme(void)
{
    struct authority authority;
    struct lb_network *network = NULL;
    authority_init(&authority);
    struct secure_options options = {.host = "127.0.0.1",
                                     .authority = &authority,
                                     .identity = IDENTITY_LOOPBACK,
                                     .version = TLS1_3_VERSION};
    struct secure_server *server = secure_start(&options);
    struct lb_tls_options tls = {.ca_file = authority.path};
    assert_int_equal(lb_network_tls_new(&tls, &world.memory.memory, &network), LB_OK);
    world.options.network = network;
    world_remake();
    for (uint32_t i = 0; i < 3; i++) {
        secure_get(secure_port(server), false);
        secure_get(secure_port(server), true);
        assert_int_equal(secure_look(server).accepted, 2); /* one of each, used again */
        assert_int_equal(world_stats().idle, 2);
    }
    assert_int_equal(secure_look(server).requests, 6);
    lb_transport_free(&world.transport);
    lb_network_tls_free(&network);
    secure_stop(&server);
    authority_deinit(&authority);
}

static void test_threads_origins_pool_key_is_scheme_and_host(void **state)
{
    (void)state;
    key_of_host();
    key_of_scheme();
}

/* -- the list is whole -- */

#define ORIGIN(name)                                                                               \
    cmocka_unit_test_setup_teardown(test_threads_origins_##name, world_setup, world_teardown)
#define ORIGIN_SIX(name)                                                                           \
    cmocka_unit_test_setup_teardown(test_threads_origins_##name, world_setup_six, world_teardown)

static const struct CMUnitTest origins[] = {
    ORIGIN(body_is_read_once),
    ORIGIN(close_after_end),
    ORIGIN(close_after_end_of_reused),
    ORIGIN(connection_close_dropped),
    ORIGIN(connection_close_request),
    ORIGIN(connection_close_response),
    ORIGIN(drain_then_close),
    ORIGIN(early_exit_keeps_alive_false_body_not_read),
    ORIGIN(early_exit_keeps_alive_false_pool_full),
    ORIGIN(early_exit_keeps_alive_false_request_not_written),
    ORIGIN(early_exit_keeps_alive_false_server_closed),
    ORIGIN(exits_of_the_read_worker_cancelled),
    ORIGIN(exits_of_the_read_worker_closed),
    ORIGIN(exits_of_the_read_worker_connection_closed),
    ORIGIN(exits_of_the_read_worker_deadline),
    ORIGIN(exits_of_the_read_worker_ended),
    ORIGIN(gzip_over_all),
    ORIGIN(idle_is_not_a_leak_until_asked),
    ORIGIN_SIX(pool_key_is_scheme_and_host),
    ORIGIN(read_and_close_race),
    ORIGIN(read_and_close_race_blocked),
    ORIGIN(read_and_close_race_two_closes),
    ORIGIN(request_body_closed_once),
    ORIGIN(six_drops_one_host),
    ORIGIN(six_reads_one_host),
    ORIGIN_SIX(six_reads_six_hosts),
    ORIGIN_SIX(six_reads_six_hosts_until_timeout),
    ORIGIN(ten_bytes_no_close),
    ORIGIN(ten_bytes_then_close),
};

#define ORIGIN_COUNT (sizeof origins / sizeof origins[0])

/* origin_is: whether a function is named after the case in a file, "a-b.case" after "a_b". */
static bool origin_is(const struct CMUnitTest *origin, const char *file)
{
    const char *name = origin->name + strlen("test_threads_origins_");
    size_t i = 0;
    while (name[i] != '\0' && name[i] == (file[i] == '-' ? '_' : file[i])) {
        i++;
    }
    return name[i] == '\0' && strcmp(file + i, ".case") == 0;
}

/* Every case has a function, and every function a case. */
static void test_threads_origins_are_the_cases(void **state)
{
    (void)state;
    bool is_found[ORIGIN_COUNT] = {false};
    uint32_t missing_count = 0;
    DIR *folder = opendir(LASTBYTE_SOURCE_DIR "/conformance/cases/origins");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *ending = strrchr(entry->d_name, '.');
        bool is_known = ending == NULL || strcmp(ending, ".case") != 0;
        for (size_t i = 0; i < ORIGIN_COUNT; i++) {
            bool is_same = origin_is(&origins[i], entry->d_name);
            is_found[i] = is_found[i] || is_same;
            is_known = is_known || is_same;
        }
        if (!is_known) {
            print_message("%s has no function here\n", entry->d_name);
            missing_count++;
        }
    }
    assert_int_equal(closedir(folder), 0);
    for (size_t i = 0; i < ORIGIN_COUNT; i++) {
        if (!is_found[i]) {
            print_message("%s has no case\n", origins[i].name);
            missing_count++;
        }
    }
    assert_int_equal(missing_count, 0);
}

int main(void)
{
    const struct CMUnitTest whole[] = {
        cmocka_unit_test(test_threads_origins_are_the_cases),
    };
    loopback_warm_up();
    int failed_count = cmocka_run_group_tests_name("threads_origins_whole", whole, NULL, NULL);
    return failed_count + cmocka_run_group_tests_name("threads_origins", origins, NULL, NULL);
}
