/*
 * Tests of requests with bodies over the simulation: what reaches the wire, when the source is closed,
 * early answers, Expect, interim responses, upgrades, and attempts after the first.
 *
 * Mental model: the servers of host "a" follow one list of steps for each connection; the source gives
 * the alphabet over and over, and notes how it is treated. A test is a script that runs as a caller,
 * followed by a look at the record of the network.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "sim/net.h"
#include "test/memory_fixture.h"

#define SECOND_NS UINT64_C(1000000000)
#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define OK_CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

enum action { OVER, HEAD, BYTES, SEND, PAUSE, END };

/* What a server does next. */
struct step {
    enum action action;
    size_t count;     /* BYTES: how many are awaited; PAUSE: milliseconds */
    const char *text; /* SEND */
};

/* A source that notes how it is treated. */
struct letters {
    struct lb_source source; /* first */
    size_t size;             /* it ends behind these */
    size_t piece;            /* bytes of a read at most; 0: any */
    size_t stop_at;          /* there it blocks until it is closed; SIZE_MAX: nowhere */
    size_t fail_at;          /* there it fails; SIZE_MAX: nowhere */
    size_t at;
    struct lb_sim_queue queue;
    bool is_inside;
    uint32_t closed_count, rewound_count, read_count, late_count;
};

static struct world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_transport *transport;
    struct lb_transport_options options;
    struct test_memory memory;
    const struct step *plans[4];
    struct letters letters;
    struct lb_request_options wanted;
    struct lb_request *request;
    struct lb_response *response;
    enum lb_status status;
    char bytes[64];
    size_t size;
    uint16_t codes[4];
    uint32_t code_count;
    uint32_t done_count;
    bool is_running;
} world;

static const struct step plan_good[] = {
    {HEAD, 0, NULL}, {BYTES, 10, NULL}, {SEND, 0, OK_HELLO}, {0}};
static const struct step plan_waiting[] = {{HEAD, 0, NULL}, {BYTES, 11, NULL}, {0}};
static const struct step plan_early[] = {
    {HEAD, 0, NULL}, {SEND, 0, OK_HELLO}, {BYTES, 10, NULL}, {0}};

/* -- the source -- */

static struct letters *letters_of(struct lb_source *source)
{
    return (struct letters *)(void *)source;
}

static enum lb_status letters_read(struct lb_source *source, void *bytes, size_t size,
                                   size_t *ret_size)
{
    struct letters *l = letters_of(source);
    assert_false(l->is_inside);
    l->is_inside = true;
    l->read_count++;
    l->late_count += l->closed_count > 0 ? 1 : 0;
    while (l->at == l->stop_at && l->closed_count == 0) {
        (void)lb_sim_block(world.sim, &l->queue, LB_NEVER, LB_SITE_SOURCE_READ);
    }
    l->is_inside = false;
    if (l->closed_count > 0 || l->at == l->fail_at) {
        return LB_CLOSED;
    }
    size_t left = l->size - l->at;
    size = size < left ? size : left;
    size = l->piece > 0 && l->piece < size ? l->piece : size;
    size = l->stop_at > l->at && l->stop_at - l->at < size ? l->stop_at - l->at : size;
    size = l->fail_at > l->at && l->fail_at - l->at < size ? l->fail_at - l->at : size;
    for (size_t i = 0; i < size; i++) {
        ((char *)bytes)[i] = (char)('a' + (l->at + i) % 26);
    }
    l->at += size;
    *ret_size = size;
    return size == 0 ? LB_END : LB_OK;
}

static void letters_close(struct lb_source *source)
{
    struct letters *l = letters_of(source);
    l->closed_count++;
    lb_sim_wake(world.sim, &l->queue);
}

static enum lb_status letters_rewind(struct lb_source *source)
{
    struct letters *l = letters_of(source);
    assert_false(l->is_inside);
    assert_int_equal(l->closed_count, 0);
    l->rewound_count++;
    l->at = 0;
    return LB_OK;
}

static const struct lb_source_ops letters_ops = {letters_read, letters_close, letters_rewind};
static const struct lb_source_ops once_ops = {letters_read, letters_close, NULL};

/* -- the servers -- */

/* head_size: bytes of the head that the input begins with; 0: it is not complete. */
static size_t head_size(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size < 4 ? NULL : memmem(bytes, size, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

/* server_take: consumes a head, or `count` bytes; false when the client ends first. */
static bool server_take(struct lb_net_conn *conn, size_t count)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    lb_net_input(conn, &bytes, &size);
    size_t taken = count > 0 ? (size >= count ? count : 0) : head_size(bytes, size);
    while (taken == 0) {
        if (lb_net_wait_input(conn, size, LB_NEVER, LB_SITE_SERVER_WANT) != LB_OK) {
            return false;
        }
        lb_net_input(conn, &bytes, &size);
        taken = count > 0 ? (size >= count ? count : 0) : head_size(bytes, size);
    }
    lb_net_consume(conn, taken);
    return true;
}

static void serve(void *argument)
{
    struct lb_net_conn *conn = argument;
    uint32_t ordinal = lb_net_conn_ordinal(conn);
    assert_in_range(ordinal, 1, 4);
    const struct step *step = world.plans[ordinal - 1];
    bool is_going = step != NULL;
    for (; is_going && step->action != OVER; step++) {
        switch (step->action) {
        case HEAD:
            is_going = server_take(conn, 0);
            break;
        case BYTES:
            is_going = server_take(conn, step->count);
            break;
        case SEND:
            assert_int_equal(lb_net_send(conn, step->text, strlen(step->text), LB_SITE_SERVER_SEND),
                             LB_OK);
            break;
        case PAUSE:
            lb_sim_sleep(world.sim, lb_sim_now(world.sim) + step->count * 1000000,
                         LB_SITE_SERVER_PAUSE);
            break;
        case END:
            lb_net_close(conn, LB_SITE_SERVER_CLOSE);
            return;
        case OVER:
            break;
        }
    }
}

static void on_accept(void *context, struct lb_net_conn *conn)
{
    struct lb_worker_options options = {LB_ROLE_SERVER, lb_net_conn_name(conn), serve, conn};
    uint32_t index = 0;
    (void)context;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static void on_violation(void *context, const char *rule, const char *phrase)
{
    (void)context;
    fail_msg("%s: %s", rule, phrase);
}

static void on_switch(void *context)
{
    (void)context;
    if (world.transport != NULL) {
        lb_transport_check(world.transport);
    }
}

/* -- the world -- */

static void world_begin(size_t fail_at)
{
    static const struct lb_sim_options sim_options = {
        .step_count_max = 100000, .time_max_ns = LB_NEVER, .on_switch = on_switch};
    static const struct lb_net_options net_options = {.on_accept = on_accept,
                                                      .on_violation = on_violation};
    struct world fresh = {.sim = world.sim, .net = world.net};
    world = fresh;
    test_memory_init(&world.memory, fail_at);
    lb_sim_reset(world.sim, &sim_options);
    lb_net_reset(world.net, &net_options);
    assert_int_equal(lb_net_host_add(world.net, "a"), LB_OK);
    lb_transport_options_default(&world.options);
    world.options.is_checked = true;
    world.options.is_gzip_off = true;
    world.options.idle_duration_ns = LB_NEVER; /* so that a pool stands when all time is over */
    world.options.runtime = lb_sim_runtime(world.sim);
    world.options.network = lb_net_network(world.net);
    world.options.memory = &world.memory.memory;
    world.letters = (struct letters){
        .source = {&letters_ops}, .size = 10, .stop_at = SIZE_MAX, .fail_at = SIZE_MAX};
    world.wanted = (struct lb_request_options){.method = "POST",
                                               .endpoint = {"http", "a", 80},
                                               .target = "/",
                                               .deadline_ns = LB_NEVER,
                                               .source = &world.letters.source,
                                               .source_size = 10};
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(lb_sim_new(&world.sim), LB_OK);
    assert_int_equal(lb_net_new(world.sim, &world.net), LB_OK);
    world_begin(0);
    return 0;
}

static void start(lb_worker_fn script, const char *label)
{
    struct lb_worker_options options = {LB_ROLE_CALLER, label, script, NULL};
    uint32_t index = 0;
    assert_int_equal(lb_sim_spawn(world.sim, &options, &index), LB_OK);
}

static void run_to(lb_worker_fn script)
{
    world.is_running = true;
    if (world.transport == NULL) {
        assert_int_equal(lb_transport_new(&world.options, &world.transport), LB_OK);
    }
    start(script, "main");
    assert_int_equal(lb_sim_run(world.sim, LB_SIM_ALL), LB_SIM_SETTLED);
    world.is_running = false;
}

/* run: a script to its end, and every time-out. */
static void run(lb_worker_fn script)
{
    uint32_t done_count = world.done_count;
    run_to(script);
    assert_int_equal(world.done_count, done_count + 1);
}

static void free_transport(void *argument)
{
    struct lb_transport *transport = world.transport;
    (void)argument;
    world.transport = NULL;
    lb_transport_free(&transport);
    world.done_count++;
}

static void expect_nothing_left(void)
{
    for (size_t i = 0; i < lb_net_log_count(world.net); i++) {
        struct lb_net_log log;
        lb_net_log(world.net, i, &log);
        assert_false(log.is_open);
    }
    for (uint32_t i = 0; i < lb_sim_worker_count(world.sim); i++) {
        struct lb_sim_view view;
        lb_sim_view(world.sim, i, &view);
        assert_int_equal(view.state, LB_SIM_DONE);
    }
    assert_int_equal(world.memory.block_count, 0);
    assert_int_equal(world.memory.size, 0);
    assert_int_equal(world.letters.late_count, 0);
}

static int teardown(void **state)
{
    (void)state;
    if (world.is_running) {
        return 0; /* the failure was in the middle of a step: nothing can be taken down */
    }
    if (world.transport != NULL) {
        run(free_transport);
    }
    expect_nothing_left();
    lb_net_free(&world.net);
    lb_sim_free(&world.sim);
    return 0;
}

/* -- short forms -- */

static enum lb_status post(void)
{
    world.request = NULL;
    world.response = NULL;
    enum lb_status status = lb_request_new(world.transport, &world.wanted, &world.request);
    return status == LB_OK ? lb_request_send(world.request, &world.response) : status;
}

/* read_all: to the body's end or error. */
static enum lb_status read_all(void)
{
    enum lb_status status = LB_OK;
    world.size = 0;
    while (status == LB_OK) {
        size_t size = 0;
        status = lb_body_read(lb_response_body(world.response), world.bytes + world.size,
                              sizeof world.bytes - world.size, &size);
        world.size += size;
    }
    return status;
}

/* warm: brings a used connection into the pool. */
static void warm(void)
{
    struct lb_request_options get = {
        .method = "GET", .endpoint = {"http", "a", 80}, .target = "/", .deadline_ns = LB_NEVER};
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    assert_int_equal(lb_request_new(world.transport, &get, &request), LB_OK);
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    lb_request_free(&request);
}

static void expect_written(size_t index, const char *text)
{
    struct lb_net_log log;
    lb_net_log(world.net, index, &log);
    assert_int_equal(log.written_size, strlen(text));
    assert_memory_equal(log.written, text, strlen(text));
}

static uint32_t idle_count(void)
{
    struct lb_stats stats;
    lb_transport_stats(world.transport, NULL, &stats);
    return stats.idle;
}

static void script_post(void *argument)
{
    (void)argument;
    world.status = post();
    world.status = world.status == LB_OK ? read_all() : world.status;
    lb_request_free(&world.request);
    world.done_count++;
}

/* run_post: one request, how it ends, and its source is closed once (O2). */
static void run_post(enum lb_status status)
{
    run(script_post);
    assert_int_equal(world.status, status);
    assert_int_equal(world.letters.closed_count, 1);
}

static void script_warm_post(void *argument)
{
    warm();
    script_post(argument);
}

#define POST_HEAD "POST / HTTP/1.1\r\nHost: a\r\n"

/* -- framing -- */

static void test_upload_of_known_size(void **state)
{
    (void)state;
    world.plans[0] = plan_good;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Content-Length: 10\r\n\r\nabcdefghij");
    assert_int_equal(world.letters.read_count, 1); /* not asked for its end */
    assert_int_equal(idle_count(), 1);
}

static void test_upload_chunked_a_piece_a_write(void **state)
{
    static const struct step plan[] = {
        {HEAD, 0, NULL}, {BYTES, 30, NULL}, {SEND, 0, OK_HELLO}, {0}};
    uint32_t writes = 0;
    (void)state;
    world.plans[0] = plan;
    world.letters.piece = 4;
    world.wanted.source_size = LB_SIZE_UNKNOWN;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"
                                "4\r\nabcd\r\n4\r\nefgh\r\n2\r\nij\r\n0\r\n\r\n");
    struct lb_net_log log;
    lb_net_log(world.net, 0, &log);
    for (size_t i = 0; i < log.record_count; i++) {
        writes += log.records[i].kind == LB_NET_WROTE ? 1 : 0;
    }
    assert_int_equal(writes, 5); /* the head, three chunks, the last chunk */
    assert_int_equal(idle_count(), 1);
}

static void test_upload_of_nothing(void **state)
{
    static const struct step plan[] = {{HEAD, 0, NULL}, {SEND, 0, OK_HELLO}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.wanted.source_size = 0;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Content-Length: 0\r\n\r\n");
    assert_int_equal(world.letters.read_count, 0);
}

static void test_upload_larger_than_a_piece(void **state)
{
    static const struct step plan[] = {
        {HEAD, 0, NULL}, {BYTES, 100000, NULL}, {SEND, 0, OK_HELLO}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.letters.size = 100000;
    world.wanted.source_size = 100000;
    run_post(LB_END);
    struct lb_net_log log;
    lb_net_log(world.net, 0, &log);
    const uint8_t *body = log.written + (log.written_size - 100000);
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(body[i], 'a' + i % 26);
    }
}

/* -- sources that fail or block -- */

static void test_upload_of_a_source_that_fails(void **state)
{
    (void)state;
    world.plans[0] = plan_waiting;
    world.letters.fail_at = 4;
    run_post(LB_SOURCE);
    assert_int_equal(idle_count(), 0);
}

static void test_upload_of_a_source_that_is_too_short(void **state)
{
    (void)state;
    world.plans[0] = plan_waiting;
    world.letters.size = 9;
    run_post(LB_SOURCE);
}

static void script_cancel(void *argument)
{
    (void)argument;
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
    assert_true(world.letters.is_inside);
    lb_request_cancel(world.request);
    assert_int_equal(world.letters.closed_count, 1);
    lb_request_cancel(world.request);
}

static void script_post_cancelled(void *argument)
{
    (void)argument;
    start(script_cancel, "other");
    world.status = post();
    assert_false(world.letters.is_inside); /* B6 */
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_upload_cancelled_while_its_source_blocks(void **state)
{
    (void)state;
    world.letters.stop_at = 4;
    run(script_post_cancelled);
    assert_int_equal(world.status, LB_CANCELLED);
    assert_int_equal(world.letters.closed_count, 1);
    assert_int_equal(idle_count(), 0);
}

static void test_upload_past_its_deadline_while_its_source_blocks(void **state)
{
    (void)state;
    world.letters.stop_at = 0;
    world.wanted.deadline_ns = SECOND_NS;
    run_post(LB_TIMEOUT);
    assert_int_equal(lb_sim_now(world.sim), SECOND_NS);
}

static void script_free(void *argument)
{
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
    free_transport(argument);
}

static void script_post_freed(void *argument)
{
    (void)argument;
    start(script_free, "other");
    world.status = post();
    assert_false(world.letters.is_inside);
}

static void test_upload_freed_while_its_source_blocks(void **state)
{
    (void)state;
    world.letters.stop_at = 4;
    run(script_post_freed);
    assert_int_equal(world.status, LB_CLOSED);
    assert_int_equal(world.letters.closed_count, 1);
}

/* -- requests that never come to a write -- */

static void script_invalid(void *argument)
{
    (void)argument;
    struct lb_request_options wanted = world.wanted;
    static const struct lb_field fields[] = {
        {"Content-Length", "3"}, {"X y", "z"}, {"X", "a\r\nb"}, {"TRANSFER-encoding", "chunked"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        world.wanted.fields = &fields[i];
        world.wanted.field_count = 1;
        assert_int_equal(post(), LB_PROTOCOL);
        assert_int_equal(world.letters.closed_count, i + 1);
    }
    world.wanted = wanted;
    world.wanted.method = "CONNECT";
    assert_int_equal(post(), LB_PROTOCOL);
    world.wanted = wanted;
    world.wanted.is_http10 = true;
    world.wanted.source_size = LB_SIZE_UNKNOWN;
    assert_int_equal(post(), LB_PROTOCOL);
    assert_int_equal(world.letters.closed_count, 6);
    assert_int_equal(world.letters.read_count, 0);
    world.done_count++;
}

static void test_upload_that_is_invalid_closes_its_source(void **state)
{
    (void)state;
    run(script_invalid);
}

static void test_upload_refused_closes_its_source(void **state)
{
    (void)state;
    world.wanted.endpoint.host = "nobody";
    run_post(LB_REFUSED);
    assert_int_equal(world.letters.read_count, 0);
}

static void script_never_sent(void *argument)
{
    (void)argument;
    assert_int_equal(lb_request_new(world.transport, &world.wanted, &world.request), LB_OK);
    lb_request_free(&world.request);
    assert_int_equal(world.letters.closed_count, 1);
    world.done_count++;
}

static void test_upload_never_sent_closes_its_source(void **state)
{
    (void)state;
    run(script_never_sent);
}

/* -- early answers -- */

static void test_upload_early_answer_is_delivered(void **state)
{
    static const struct step plan[] = {{HEAD, 0, NULL}, {SEND, 0, OK_HELLO}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.letters.stop_at = 4;
    run_post(LB_END);
    assert_int_equal(world.size, 5);
    assert_int_equal(idle_count(), 0);
    assert_int_equal(lb_sim_now(world.sim), world.options.written_duration_ns);
}

static void script_let_go(void *argument)
{
    (void)argument;
    lb_sim_sleep(world.sim, 10000000, LB_SITE_CALLER_ADVANCE);
    world.letters.stop_at = SIZE_MAX;
    lb_sim_wake(world.sim, &world.letters.queue);
}

static void script_post_let_go(void *argument)
{
    start(script_let_go, "other");
    script_post(argument);
}

static void test_upload_early_answer_and_the_write_in_time(void **state)
{
    (void)state;
    world.plans[0] = plan_early;
    world.letters.stop_at = 4;
    run(script_post_let_go);
    assert_int_equal(world.status, LB_END);
    assert_int_equal(world.letters.closed_count, 1);
    assert_int_equal(idle_count(), 1);
}

static void test_upload_answer_before_a_write_error(void **state)
{
    static const struct step plan[] = {{HEAD, 0, NULL}, {SEND, 0, OK_CLOSE}, {END, 0, NULL}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.letters.size = 1000000;
    world.letters.piece = 100;
    world.wanted.source_size = 1000000;
    run_post(LB_END);
    assert_int_equal(world.size, 5);
}

/* -- Expect -- */

static void test_upload_expects_and_is_continued(void **state)
{
    static const struct step plan[] = {{HEAD, 0, NULL},   {PAUSE, 300, NULL},  {SEND, 0, CONTINUE},
                                       {BYTES, 10, NULL}, {SEND, 0, OK_HELLO}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.wanted.is_expect = true;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Content-Length: 10\r\nExpect: 100-continue\r\n\r\nabcdefghij");
    assert_int_equal(lb_sim_now(world.sim), 300000000);
    assert_int_equal(idle_count(), 1);
}

static void test_upload_expects_in_vain(void **state)
{
    (void)state;
    world.plans[0] = plan_good;
    world.wanted.is_expect = true;
    run_post(LB_END);
    assert_int_equal(lb_sim_now(world.sim), SECOND_NS);
    assert_int_equal(idle_count(), 1);
}

static void test_upload_expects_and_is_answered(void **state)
{
    (void)state;
    world.plans[0] = plan_early;
    world.wanted.is_expect = true;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Content-Length: 10\r\nExpect: 100-continue\r\n\r\nabcdefghij");
    assert_int_equal(lb_sim_now(world.sim), 0);
    assert_int_equal(idle_count(), 1);
}

static void test_upload_expects_and_is_refused(void **state)
{
    static const struct step plan[] = {{HEAD, 0, NULL}, {SEND, 0, OK_CLOSE}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.wanted.is_expect = true;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(world.letters.read_count, 0);
    assert_int_equal(idle_count(), 0);
}

/* -- interim responses and upgrades -- */

static enum lb_status interim_seen(struct lb_interim *interim, const struct lb_response *response)
{
    (void)interim;
    assert_in_range(world.code_count, 0, 3);
    world.codes[world.code_count++] = lb_response_code(response);
    const char *link = lb_response_header(response, "link");
    return link != NULL && strcmp(link, "stop") == 0 ? LB_LIMIT : LB_OK;
}

static struct lb_interim interim_hook = {interim_seen};

static const struct step plan_interim[] = {
    {HEAD, 0, NULL},
    {SEND, 0, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"},
    {BYTES, 10, NULL},
    {SEND, 0, OK_HELLO},
    {0}};

static void test_upload_hook_sees_interim_responses(void **state)
{
    (void)state;
    world.plans[0] = plan_interim;
    world.wanted.interim = &interim_hook;
    run_post(LB_END);
    assert_int_equal(world.code_count, 2);
    assert_int_equal(world.codes[0], 103);
    assert_int_equal(world.codes[1], 102);
    assert_int_equal(idle_count(), 1);
}

static void test_upload_hook_ends_the_request(void **state)
{
    static const struct step plan[] = {
        {HEAD, 0, NULL}, {SEND, 0, "HTTP/1.1 103 Early Hints\r\nLink: stop\r\n\r\n" OK_HELLO}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.wanted.interim = &interim_hook;
    run_post(LB_PROTOCOL);
    assert_int_equal(world.code_count, 1);
}

/* An interim response counts for itself where there is a hook, and with the others where there is none. */
static void interim_bounded(struct lb_interim *interim, enum lb_status status)
{
    world.plans[0] = plan_interim;
    world.options.head_size_max = 60;
    world.wanted.interim = interim;
    run_post(status);
}

static void test_upload_interim_heads_are_bounded_together(void **state)
{
    (void)state;
    interim_bounded(NULL, LB_LIMIT);
}

static void test_upload_interim_heads_that_are_seen_are_bounded_each(void **state)
{
    (void)state;
    interim_bounded(&interim_hook, LB_END);
}

static void script_upgrade(void *argument)
{
    struct lb_socket *socket = NULL;
    struct lb_socket *other = NULL;
    (void)argument;
    world.wanted = (struct lb_request_options){.method = "GET",
                                               .endpoint = {"http", "a", 80},
                                               .target = "/",
                                               .deadline_ns = LB_NEVER,
                                               .upgrade = "echo"};
    assert_int_equal(post(), LB_OK);
    assert_int_equal(lb_response_code(world.response), 101);
    assert_int_equal(read_all(), LB_END);
    if (world.size == 0 && world.code_count == 0) {
        assert_int_equal(lb_response_take_socket(world.response, &socket), LB_OK);
        assert_int_equal(lb_response_take_socket(world.response, &other), LB_CLOSED);
        lb_request_free(&world.request);
        size_t size = 0;
        assert_true(socket->ops->is_pending(socket));
        assert_int_equal(socket->ops->read(socket, world.bytes, 3, LB_NEVER, LB_SITE_NONE, &size),
                         LB_OK);
        assert_int_equal(size, 3);
        assert_memory_equal(world.bytes, "buf", 3);
        assert_int_equal(socket->ops->write(socket, "ping", 4, LB_NEVER, LB_SITE_NONE, &size),
                         LB_OK);
        assert_int_equal(size, 4);
        while (world.size < 7) {
            assert_int_equal(socket->ops->read(socket, world.bytes + world.size, 10, LB_NEVER,
                                               LB_SITE_NONE, &size),
                             LB_OK);
            world.size += size;
        }
        assert_memory_equal(world.bytes, "feredpong", 7);
        socket->ops->shutdown(socket, LB_SITE_SOCKET_SHUTDOWN);
        socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
    }
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_upgrade_hands_the_socket_over(void **state)
{
    static const struct step plan[] = {
        {HEAD, 0, NULL},
        {SEND, 0, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nbuffered"},
        {BYTES, 4, NULL},
        {SEND, 0, "pong"},
        {0}};
    (void)state;
    world.plans[0] = plan;
    run(script_upgrade);
    expect_written(0, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
                      "ping");
}

static void test_upgrade_that_nobody_takes_is_closed(void **state)
{
    static const struct step plan[] = {
        {HEAD, 0, NULL},
        {SEND, 0, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nbuffered"},
        {0}};
    (void)state;
    world.plans[0] = plan;
    world.code_count = 1; /* do not take it */
    run(script_upgrade);
}

static void script_unasked_upgrade(void *argument)
{
    struct lb_socket *socket = NULL;
    (void)argument;
    assert_int_equal(post(), LB_OK);
    assert_int_equal(lb_response_code(world.response), 101);
    assert_int_equal(lb_response_take_socket(world.response, &socket), LB_CLOSED);
    lb_request_free(&world.request);
    world.done_count++;
}

static void test_upgrade_that_nobody_asked_for(void **state)
{
    static const struct step plan[] = {
        {HEAD, 0, NULL},
        {BYTES, 10, NULL},
        {SEND, 0, "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"},
        {0}};
    (void)state;
    world.plans[0] = plan;
    run(script_unasked_upgrade);
    assert_int_equal(idle_count(), 0);
}

/* -- further attempts -- */

static const struct step plan_stale[] = {{HEAD, 0, NULL},   {SEND, 0, OK_EMPTY}, {HEAD, 0, NULL},
                                         {BYTES, 10, NULL}, {END, 0, NULL},      {0}};
static const struct lb_field key = {"Idempotency-Key", "1"};

static void test_upload_that_was_written_is_not_repeated(void **state)
{
    (void)state;
    world.plans[0] = plan_stale;
    world.plans[1] = plan_good;
    run(script_warm_post);
    assert_int_equal(world.status, LB_INCOMPLETE);
    assert_int_equal(world.letters.closed_count, 1);
    assert_int_equal(lb_net_log_count(world.net), 1);
}

static void test_upload_with_a_key_is_repeated(void **state)
{
    (void)state;
    world.plans[0] = plan_stale;
    world.plans[1] = plan_good;
    world.wanted.fields = &key;
    world.wanted.field_count = 1;
    run(script_warm_post);
    assert_int_equal(world.status, LB_END);
    assert_int_equal(world.letters.rewound_count, 1);
    assert_int_equal(world.letters.closed_count, 1);
    expect_written(1, POST_HEAD "Content-Length: 10\r\nIdempotency-Key: 1\r\n\r\nabcdefghij");
    assert_int_equal(idle_count(), 1);
}

static void test_upload_that_comes_only_once_is_not_repeated(void **state)
{
    (void)state;
    world.plans[0] = plan_stale;
    world.plans[1] = plan_good;
    world.letters.source.ops = &once_ops;
    world.wanted.fields = &key;
    world.wanted.field_count = 1;
    run(script_warm_post);
    assert_int_equal(world.status, LB_INCOMPLETE);
    assert_int_equal(world.letters.closed_count, 1);
}

static void script_stale_post(void *argument)
{
    warm();
    lb_sim_wait_quiet(world.sim, LB_SITE_CALLER_QUIET);
    script_post(argument);
}

static void test_upload_of_which_nothing_was_written_is_repeated(void **state)
{
    static const struct step plan[] = {{HEAD, 0, NULL}, {SEND, 0, OK_EMPTY}, {END, 0, NULL}, {0}};
    (void)state;
    world.plans[0] = plan;
    world.plans[1] = plan_good;
    world.letters.source.ops = &once_ops;
    run(script_stale_post);
    assert_int_equal(world.status, LB_END);
    assert_int_equal(world.letters.closed_count, 1);
    assert_int_equal(lb_net_log_count(world.net), 2);
}

/* -- persistence -- */

static void test_upload_without_keep_alive(void **state)
{
    (void)state;
    world.plans[0] = world.plans[1] = plan_good;
    world.options.is_keep_alive_off = true;
    run_post(LB_END);
    expect_written(0, POST_HEAD "Connection: close\r\nContent-Length: 10\r\n\r\nabcdefghij");
    assert_int_equal(idle_count(), 0);
}

static void test_upload_of_http10(void **state)
{
    (void)state;
    world.plans[0] = plan_good;
    world.wanted.is_http10 = true;
    run_post(LB_END);
    expect_written(0, "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 10\r\n\r\nabcdefghij");
    assert_int_equal(idle_count(), 0);
}

/* -- memory -- */

static void script_post_and_free(void *argument)
{
    script_post(argument);
    free_transport(NULL);
}

static void test_upload_survives_every_memory_failure(void **state)
{
    bool has_failed = true;
    size_t n = 1; /* the transport's own block is another test's */
    (void)state;
    while (has_failed) {
        world_begin(++n);
        world.plans[0] = plan_good;
        world.wanted.source_size = LB_SIZE_UNKNOWN;
        run_to(script_post_and_free);
        has_failed = world.memory.has_failed;
        assert_int_equal(world.status, has_failed ? LB_MEMORY : LB_END);
        assert_int_equal(world.letters.closed_count, 1);
        expect_nothing_left();
    }
    assert_true(n > 6); /* transport, head, request, host, connection, upload, fields */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_upload_of_known_size),
        TEST(test_upload_chunked_a_piece_a_write),
        TEST(test_upload_of_nothing),
        TEST(test_upload_larger_than_a_piece),
        TEST(test_upload_of_a_source_that_fails),
        TEST(test_upload_of_a_source_that_is_too_short),
        TEST(test_upload_cancelled_while_its_source_blocks),
        TEST(test_upload_past_its_deadline_while_its_source_blocks),
        TEST(test_upload_freed_while_its_source_blocks),
        TEST(test_upload_that_is_invalid_closes_its_source),
        TEST(test_upload_refused_closes_its_source),
        TEST(test_upload_never_sent_closes_its_source),
        TEST(test_upload_early_answer_is_delivered),
        TEST(test_upload_early_answer_and_the_write_in_time),
        TEST(test_upload_answer_before_a_write_error),
        TEST(test_upload_expects_and_is_continued),
        TEST(test_upload_expects_in_vain),
        TEST(test_upload_expects_and_is_answered),
        TEST(test_upload_expects_and_is_refused),
        TEST(test_upload_hook_sees_interim_responses),
        TEST(test_upload_hook_ends_the_request),
        TEST(test_upload_interim_heads_are_bounded_together),
        TEST(test_upload_interim_heads_that_are_seen_are_bounded_each),
        TEST(test_upgrade_hands_the_socket_over),
        TEST(test_upgrade_that_nobody_takes_is_closed),
        TEST(test_upgrade_that_nobody_asked_for),
        TEST(test_upload_that_was_written_is_not_repeated),
        TEST(test_upload_with_a_key_is_repeated),
        TEST(test_upload_that_comes_only_once_is_not_repeated),
        TEST(test_upload_of_which_nothing_was_written_is_repeated),
        TEST(test_upload_without_keep_alive),
        TEST(test_upload_of_http10),
        TEST(test_upload_survives_every_memory_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
