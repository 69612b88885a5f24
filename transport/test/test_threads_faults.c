/*
 * Tests of the client on threads and real sockets when the outside fails: a handful of conversations,
 * each with every single fault (faulty.h), the n-th call for each n until a run does not come to it.
 *
 * After each run no descriptor, thread, socket or byte is left, whatever the callers saw; and what they
 * saw is explained: the bytes are the server's own, an end is a whole body, an error is the one that the
 * fault brings or that the conversation brings by itself. Between threads the n-th call is not always the
 * same one: nothing below depends on which it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "lastbyte/lastbyte.h"
#include "test/faulty.h"
#include "test/loopback.h"

#define MS UINT64_C(1000000)
#define PATIENCE_MS 20000 /* for what happens at once on a machine that is not busy */
#define SIZE 600          /* bytes of a body */
#define UPLOAD 500        /* bytes of a request's body */
#define PIECE 100
#define CALLS_MAX 4
#define NUMBER_MAX 2000 /* calls of one kind in one run */

/* A request's body. */
struct letters {
    struct lb_source source; /* first */
    uint32_t number;         /* of its request, as loopback_byte has it */
    size_t at;               /* of whoever reads */
    size_t stop_at;          /* there it blocks until it is closed; SIZE_MAX: nowhere */
    atomic_bool is_inside;
    atomic_uint closed_count;
    atomic_uint late_count; /* uses after its close, or two at a time */
};

/* One request and what became of it. Written by the thread that makes it. */
struct call {
    struct letters letters;
    bool has_body;
    bool is_chunked;
    enum loopback_kind kind;
    uint32_t number;
    struct lb_request *request;
    struct lb_response *response;
    enum lb_status status; /* LB_OK: its body was left open or closed */
    size_t size;           /* bytes that were read */
    bool is_wrong;         /* some of them are not the server's */
    bool is_cancelled;
    atomic_bool is_over; /* its thread does nothing more with it */
    pthread_t thread;
};

static struct world {
    struct lb_network *tcp;
    struct loopback *server;
    struct lb_transport *transport;
    struct call calls[CALLS_MAX];
    size_t call_count;
    uint32_t request_count; /* numbers given out */
    uint32_t fd_count;      /* before the first run, with the server */
    uint32_t thread_count;
    enum faulty_kind kind;
    uint32_t number;
    const char *name; /* of the conversation */
} world;

/* -- what a conversation is made of -- */

static struct letters *letters_of(struct lb_source *source)
{
    return (struct letters *)(void *)source;
}

static enum lb_status letters_read(struct lb_source *source, void *bytes, size_t size,
                                   size_t *ret_size)
{
    struct letters *l = letters_of(source);
    bool was_inside = atomic_exchange(&l->is_inside, true);
    atomic_fetch_add(&l->late_count, was_inside ? 1 : 0);
    while (l->at == l->stop_at && atomic_load(&l->closed_count) == 0) {
        loopback_pause(1);
    }
    size_t left = UPLOAD - l->at < PIECE ? UPLOAD - l->at : PIECE;
    *ret_size = size < left ? size : left;
    for (size_t i = 0; i < *ret_size; i++) {
        ((char *)bytes)[i] = loopback_byte(l->number, l->at + i);
    }
    l->at += *ret_size;
    atomic_store(&l->is_inside, false);
    return *ret_size == 0 ? LB_END : LB_OK;
}

static void letters_close(struct lb_source *source)
{
    atomic_fetch_add(&letters_of(source)->closed_count, 1);
}

static enum lb_status letters_rewind(struct lb_source *source)
{
    struct letters *l = letters_of(source);
    bool is_late = atomic_load(&l->is_inside) || atomic_load(&l->closed_count) > 0;
    atomic_fetch_add(&l->late_count, is_late ? 1 : 0);
    l->at = 0;
    return LB_OK;
}

static const struct lb_source_ops letters_ops = {letters_read, letters_close, letters_rewind};

static struct call *call_new(enum loopback_kind kind)
{
    assert_true(world.call_count < CALLS_MAX);
    struct call *call = &world.calls[world.call_count++];
    *call = (struct call){.kind = kind, .number = ++world.request_count};
    call->letters =
        (struct letters){.source = {&letters_ops}, .number = call->number, .stop_at = SIZE_MAX};
    return call;
}

/* make_call: makes a request. */
static void make_call(struct call *call)
{
    static const struct lb_field again = {"Idempotency-Key", "1"}; /* it may be sent again (R5) */
    char target[LOOPBACK_TARGET_MAX];
    loopback_target(call->kind, call->number, SIZE, target);
    struct lb_request_options options = {
        .method = call->has_body ? "PUT" : "GET",
        .endpoint = {"http", loopback_host(world.server), loopback_port(world.server)},
        .target = target,
        .deadline_ns = LB_NEVER,
        .source = call->has_body ? &call->letters.source : NULL,
        .source_size = call->is_chunked ? LB_SIZE_UNKNOWN : UPLOAD,
        .fields = &again,
        .field_count = 1,
    };
    call->status = lb_request_new(world.transport, &options, &call->request);
}

/* send_call: makes and sends a request. */
static void send_call(struct call *call)
{
    make_call(call);
    if (call->status == LB_OK) {
        call->status = lb_request_send(call->request, &call->response);
    }
}

/* read_call: reads the first `size` bytes of the body, or all. */
static void read_call(struct call *call, size_t size)
{
    char bytes[100];
    while (call->status == LB_OK && call->size < size) {
        size_t room = size - call->size < sizeof bytes ? size - call->size : sizeof bytes;
        size_t count = 0;
        call->status = lb_body_read(lb_response_body(call->response), bytes, room, &count);
        for (size_t i = 0; i < count; i++) {
            call->is_wrong |= bytes[i] != loopback_byte(call->number, call->size + i);
        }
        call->size += count;
    }
}

static void get_all(enum loopback_kind kind)
{
    struct call *call = call_new(kind);
    send_call(call);
    read_call(call, SIZE + 1);
    lb_request_free(&call->request);
}

static void *call_main(void *argument)
{
    struct call *call = argument;
    send_call(call);
    read_call(call, SIZE + 1);
    return NULL;
}

static struct call *start(enum loopback_kind kind)
{
    struct call *call = call_new(kind);
    assert_int_equal(pthread_create(&call->thread, NULL, call_main, call), 0);
    return call;
}

static void finish(struct call *call)
{
    assert_int_equal(pthread_join(call->thread, NULL), 0);
    lb_request_free(&call->request);
}

/* -- the conversations -- */

static void talk_reuse(void)
{
    get_all(LOOPBACK_LENGTH);
    get_all(LOOPBACK_CHUNKED);
    get_all(LOOPBACK_EMPTY);
}

static void talk_stale(void)
{
    get_all(LOOPBACK_LAST);
    get_all(LOOPBACK_LENGTH);
}

static void talk_waiters(void)
{
    struct call *first = start(LOOPBACK_SLOW);
    struct call *second = start(LOOPBACK_LENGTH);
    struct call *third = start(LOOPBACK_CLOSE);
    finish(first);
    finish(second);
    finish(third);
}

static void talk_close_early(void)
{
    struct call *call = call_new(LOOPBACK_PART);
    send_call(call);
    read_call(call, 10);
    if (call->response != NULL) {
        lb_body_close(lb_response_body(call->response));
    }
    lb_request_free(&call->request);
    get_all(LOOPBACK_LENGTH);
}

static void talk_drop(void)
{
    struct call *call = call_new(LOOPBACK_PART);
    send_call(call);
    read_call(call, 10); /* and the handle is lost */
    get_all(LOOPBACK_TRUNCATED);
}

static void *cancel_main(void *argument)
{
    lb_request_cancel(argument);
    return NULL;
}

static void talk_cancel(void)
{
    struct call *call = call_new(LOOPBACK_PART);
    send_call(call);
    pthread_t thread;
    bool is_open = call->status == LB_OK;
    call->is_cancelled = is_open;
    if (is_open) {
        assert_int_equal(pthread_create(&thread, NULL, cancel_main, call->request), 0);
        read_call(call, SIZE + 1);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    lb_request_free(&call->request);
    get_all(LOOPBACK_CHUNKED);
}

static struct call *call_put(bool is_chunked)
{
    struct call *call = call_new(LOOPBACK_LENGTH);
    call->has_body = true;
    call->is_chunked = is_chunked;
    return call;
}

static void put_all(bool is_chunked)
{
    struct call *call = call_put(is_chunked);
    send_call(call);
    read_call(call, SIZE + 1);
    lb_request_free(&call->request);
}

static void talk_upload(void)
{
    put_all(false);
    put_all(true);
    get_all(LOOPBACK_LAST);
    put_all(false);
}

/* held_main: sends a request whose source blocks. */
static void *held_main(void *argument)
{
    struct call *call = argument;
    call->status = lb_request_send(call->request, &call->response);
    atomic_store(&call->is_over, true);
    return NULL;
}

static void talk_upload_cancel(void)
{
    struct call *call = call_put(false);
    call->letters.stop_at = PIECE;
    make_call(call);
    if (call->status == LB_OK) {
        assert_int_equal(pthread_create(&call->thread, NULL, held_main, call), 0);
        while (!atomic_load(&call->letters.is_inside) && !atomic_load(&call->is_over)) {
            loopback_pause(1);
        }
        call->is_cancelled = true;
        lb_request_cancel(call->request);
        finish(call);
    }
    put_all(true);
}

/* -- what is judged -- */

/* judge_source: a source is closed once, and left alone afterwards (O2). */
static void judge_source(const struct call *call)
{
    const struct letters *l = &call->letters;
    uint32_t closed_count = atomic_load(&l->closed_count);
    if (closed_count != (call->has_body ? 1 : 0) || atomic_load(&l->late_count) > 0 ||
        atomic_load(&l->is_inside)) {
        fail_msg("%s, %s %u: call %d: its source was closed %u times, and misused %u times",
                 world.name, faulty_kind_word(world.kind), (unsigned)world.number,
                 (int)(call - world.calls), (unsigned)closed_count,
                 (unsigned)atomic_load(&l->late_count));
    }
}

/* fault_allows: whether the fault explains that a request ends so. */
static bool fault_allows(enum lb_status status)
{
    switch (world.kind) {
    case FAULTY_ALLOC:
    case FAULTY_START:
    case FAULTY_OPEN:
        return status == LB_MEMORY;
    case FAULTY_CONNECT_REFUSED:
        return status == LB_REFUSED;
    case FAULTY_CONNECT_TIMEOUT:
        return status == LB_TIMEOUT;
    case FAULTY_READ_RESET:
    case FAULTY_WRITE_RESET:
        return status == LB_RESET;
    case FAULTY_READ_END: /* a request or an answer cut, or a write to a socket that has ended */
        return status == LB_INCOMPLETE || status == LB_RESET;
    case FAULTY_NONE:
    case FAULTY_SHORT_READ:
    case FAULTY_SHORT_WRITE:
    case FAULTY_DELAY:
        break;
    }
    return false;
}

/* call_allows: whether the conversation does. */
static bool call_allows(const struct call *call)
{
    switch (call->status) {
    case LB_OK: /* left open, or closed */
        return call->kind == LOOPBACK_PART && call->size == 10 && !call->is_cancelled;
    case LB_END:
        return call->size == (call->kind == LOOPBACK_EMPTY ? 0 : SIZE) ||
               (call->kind == LOOPBACK_CLOSE && world.kind == FAULTY_READ_END);
    case LB_INCOMPLETE:
        return call->kind == LOOPBACK_TRUNCATED;
    case LB_CANCELLED:
        return call->is_cancelled;
    default:
        return false;
    }
}

static uint32_t judge_calls(void)
{
    uint32_t hit_count = 0;
    for (size_t i = 0; i < world.call_count; i++) {
        const struct call *call = &world.calls[i];
        if (call->is_wrong) {
            fail_msg("%s, %s %u: call %zu got bytes of another", world.name,
                     faulty_kind_word(world.kind), (unsigned)world.number, i);
        }
        judge_source(call);
        if (call_allows(call)) {
            continue;
        }
        hit_count++;
        if (!faulty_is_reached() || !fault_allows(call->status)) {
            fail_msg("%s, %s %u: call %zu came to %s after %zu bytes", world.name,
                     faulty_kind_word(world.kind), (unsigned)world.number, i,
                     lb_status_word(call->status), call->size);
        }
    }
    return hit_count;
}

/* await_count: waits until a count has come down, or up, to what it was. */
static void await_count(uint32_t (*count)(void), uint32_t wanted, const char *what)
{
    for (uint32_t waited = 0; count() != wanted; waited++) {
        if (waited == PATIENCE_MS) {
            fail_msg("%s, %s %u: %u %s, not %u", world.name, faulty_kind_word(world.kind),
                     (unsigned)world.number, (unsigned)count(), what, (unsigned)wanted);
        }
        loopback_pause(1);
    }
}

/* run_once: one conversation with one fault; false: the fault was not reached. */
static bool run_once(void (*talk)(void), enum faulty_kind kind, uint32_t number)
{
    struct lb_transport_options options;
    world.kind = kind;
    world.number = number;
    world.call_count = 0;
    faulty_begin(kind, number);
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = faulty_runtime();
    options.memory = faulty_memory();
    options.connections_per_host_max = 2;
    enum lb_status status = lb_network_tcp_new(faulty_memory(), &world.tcp);
    if (status == LB_OK) {
        options.network = faulty_network(world.tcp);
        status = lb_transport_new(&options, &world.transport);
    }
    if (status == LB_OK) {
        talk();
    } else {
        assert_true(fault_allows(status));
    }
    lb_transport_free(&world.transport);
    assert_int_equal(faulty_workers(), 0);
    assert_int_equal(faulty_sockets(), 0);
    lb_network_tcp_free(&world.tcp);
    assert_int_equal(faulty_bytes(), 0);
    uint32_t hit_count = judge_calls();
    assert_true(hit_count <= (kind == FAULTY_READ_END || kind == FAULTY_READ_RESET ? 2 : 1));
    return faulty_is_reached();
}

/* run_kind: a conversation with every fault of a kind. */
static void run_kind(void (*talk)(void), enum faulty_kind kind)
{
    uint32_t number = 1;
    while (run_once(talk, kind, number)) {
        number++;
        assert_true(number < NUMBER_MAX);
    }
    if (number == 1) {
        fail_msg("%s: no %s at all", world.name, faulty_kind_word(kind));
    }
}

static void run_all(const char *name, void (*talk)(void))
{
    static const uint32_t sizes[] = {1, 2, 7};
    world.name = name;
    for (int kind = FAULTY_ALLOC; kind <= FAULTY_WRITE_RESET; kind++) {
        run_kind(talk, (enum faulty_kind)kind);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_true(run_once(talk, FAULTY_SHORT_READ, sizes[i]));
        assert_true(run_once(talk, FAULTY_SHORT_WRITE, sizes[i]));
    }
    world.kind = FAULTY_NONE;
    await_count(loopback_fd_count, world.fd_count, "descriptors");
    await_count(loopback_thread_count, world.thread_count, "threads");
}

static int setup(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.name = "setup";
    world.server = loopback_start("127.0.0.1");
    world.fd_count = loopback_fd_count();
    world.thread_count = loopback_thread_count();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    faulty_begin(FAULTY_NONE, 0);
    lb_transport_free(&world.transport);
    loopback_stop(&world.server);
    return 0;
}

static void test_threads_faults_reuse(void **state)
{
    (void)state;
    run_all("reuse", talk_reuse);
}

static void test_threads_faults_stale(void **state)
{
    (void)state;
    run_all("stale", talk_stale);
}

static void test_threads_faults_waiters(void **state)
{
    (void)state;
    run_all("waiters", talk_waiters);
}

static void test_threads_faults_close_early(void **state)
{
    (void)state;
    run_all("close-early", talk_close_early);
}

static void test_threads_faults_drop(void **state)
{
    (void)state;
    run_all("drop", talk_drop);
}

static void test_threads_faults_cancel(void **state)
{
    (void)state;
    run_all("cancel", talk_cancel);
}

static void test_threads_faults_upload(void **state)
{
    (void)state;
    run_all("upload", talk_upload);
}

static void test_threads_faults_upload_cancel(void **state)
{
    (void)state;
    run_all("upload-cancel", talk_upload_cancel);
}

static void test_threads_faults_delay(void **state)
{
    (void)state;
    world.name = "delay";
    assert_true(run_once(talk_close_early, FAULTY_DELAY, 1));
    assert_false(run_once(talk_reuse, FAULTY_NONE, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_threads_faults_reuse),   TEST(test_threads_faults_stale),
        TEST(test_threads_faults_waiters), TEST(test_threads_faults_close_early),
        TEST(test_threads_faults_drop),    TEST(test_threads_faults_cancel),
        TEST(test_threads_faults_upload),  TEST(test_threads_faults_upload_cancel),
        TEST(test_threads_faults_delay),
    };
    loopback_warm_up();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
