/*
 * Stress of the client on threads and real sockets, for ThreadSanitizer and AddressSanitizer.
 *
 *   stress_threads [SECONDS]
 *
 * Mental model: callers make random requests to two servers on loopback and end each in a random way:
 * read to its end, closed early, cancelled or closed by another thread, past its deadline, dropped. A
 * meddler thread does what any thread may: cancels, closes, asks for profiles, closes idle connections.
 * Threads make no two runs equal, so nothing is compared; what is asserted holds for every run:
 *
 * - each byte is the request's own, in its place; a body that ends has all of its bytes (F1, F2);
 * - a status has a cause: the server's fault, the deadline, or this program's own cancel or close;
 * - the drops are what the profile shows, and nothing is left when the transport has been freed.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"
#include "test/loopback.h"

#define CALLER_COUNT 8
#define SERVER_COUNT 2
#define DROPS_MAX 5 /* of each caller: a dropped body holds its connection to the end */
#define SPARE_MAX                                                                                  \
    3 /* connections of a host beyond its drops: fewer than callers, so that some wait */
#define PATIENCE_MS 20000
#define MS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

/* How a caller means to end a request. */
enum ending {
    ENDING_READ,   /* reads to the end */
    ENDING_CLOSE,  /* reads some, closes */
    ENDING_FREE,   /* reads some, releases the request with its body open */
    ENDING_CANCEL, /* the meddler cancels it at some time */
    ENDING_CLOSED, /* the meddler closes the body at some time */
    ENDING_LATE,   /* has a deadline that may pass */
    ENDING_DROP,   /* reads some, forgets it */
};

#define ENDING_COUNT 7

/* One caller, and the request that the meddler may touch. */
struct caller {
    pthread_t thread;
    uint64_t random;
    size_t drop_server; /* the one it drops responses of */
    uint32_t drop_count;
    pthread_mutex_t lock;       /* of what follows */
    struct lb_request *request; /* NULL: hands off */
    struct lb_body *body;       /* to close instead of cancelling */
    uint64_t meddle_ns;
};

/* What a caller does with one request. */
struct plan {
    enum loopback_kind kind;
    enum ending ending;
    uint32_t number;
    size_t size;
    size_t read_size; /* how much to read before ending early */
    uint64_t deadline_ns;
};

static struct stress {
    struct lb_transport *transport;
    struct lb_network *network;
    struct loopback *servers[SERVER_COUNT];
    struct caller callers[CALLER_COUNT];
    pthread_t meddler;
    uint64_t end_ns;
    atomic_uint number_last;
    atomic_bool has_callers;
    atomic_uint kind_counts[LOOPBACK_KIND_COUNT];
    atomic_uint ending_counts[ENDING_COUNT];
    atomic_uint status_counts[LB_STATUS_COUNT];
} stress;

static uint64_t now(void)
{
    struct lb_runtime *runtime = lb_runtime_threads();
    return runtime->ops->now(runtime);
}

/* pick: a number below `count` (xorshift64). */
static uint32_t pick(uint64_t *random, uint32_t count)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 32) % count;
}

static void caller_lock(struct caller *caller)
{
    int error = pthread_mutex_lock(&caller->lock);
    LB_ASSERT(error == 0);
}

static void caller_unlock(struct caller *caller)
{
    int error = pthread_mutex_unlock(&caller->lock);
    LB_ASSERT(error == 0);
}

/* -- what is lawful -- */

/* plan_allows: whether a request may come to this status before its body has ended. */
static bool plan_allows(const struct plan *plan, enum lb_status status)
{
    switch (status) {
    case LB_CANCELLED:
        return plan->ending == ENDING_CANCEL;
    case LB_CLOSED:
        return plan->ending == ENDING_CLOSED;
    case LB_TIMEOUT:
        return plan->deadline_ns != LB_NEVER;
    case LB_INCOMPLETE:
        return plan->kind == LOOPBACK_TRUNCATED;
    case LB_RESET:
        return plan->kind == LOOPBACK_RESET;
    case LB_OK:
    case LB_END:
    case LB_AGAIN:
    case LB_PROTOCOL:
    case LB_REFUSED:
    case LB_LIMIT:
    case LB_MEMORY:
    case LB_SOURCE:
        return false;
    }
    LB_UNREACHABLE("a status is an enum lb_status");
}

/* plan_judge: ends the process unless the status is lawful. */
static void plan_judge(const struct plan *plan, enum lb_status status, const char *where)
{
    (void)atomic_fetch_add(&stress.status_counts[status], 1);
    if (!plan_allows(plan, status)) {
        (void)fprintf(stderr, "stress: request %u, kind %u, ending %u, size %zu: %s at %s\n",
                      plan->number, (unsigned)plan->kind, (unsigned)plan->ending, plan->size,
                      lb_status_word(status), where);
        abort();
    }
}

/* plan_judge_end: a body has come to its end: all of it is there, and it had one. */
static void plan_judge_end(const struct plan *plan, size_t size)
{
    (void)atomic_fetch_add(&stress.status_counts[LB_END], 1);
    LB_ASSERT(size == (plan->kind == LOOPBACK_EMPTY ? 0 : plan->size));
    LB_ASSERT(plan->kind != LOOPBACK_TRUNCATED);
    LB_ASSERT(plan->kind != LOOPBACK_RESET);
    LB_ASSERT(plan->kind != LOOPBACK_PART);
}

/* -- a caller -- */

/* plan_make: what comes next. */
static struct plan plan_make(struct caller *caller)
{
    uint64_t *random = &caller->random;
    struct plan plan = {.deadline_ns = LB_NEVER};
    plan.number = atomic_fetch_add(&stress.number_last, 1) + 1;
    plan.kind = (enum loopback_kind)pick(random, LOOPBACK_KIND_COUNT);
    plan.ending = pick(random, 3) == 0 ? (enum ending)pick(random, ENDING_COUNT) : ENDING_READ;
    bool is_endless = plan.kind == LOOPBACK_PART || plan.kind == LOOPBACK_HANG;
    bool is_bounded = plan.ending == ENDING_CANCEL || plan.ending == ENDING_LATE;
    if (plan.ending == ENDING_DROP && caller->drop_count == DROPS_MAX) {
        plan.ending = ENDING_CLOSE;
    }
    if (is_endless && !is_bounded) { /* somebody has to end it */
        plan.ending = pick(random, 2) == 0 ? ENDING_CANCEL : ENDING_LATE;
    }
    if (plan.ending == ENDING_LATE) {
        plan.deadline_ns = now() + pick(random, 4000) * (MS / 1000);
    }
    plan.size = 2 + pick(random, pick(random, 8) == 0 ? 100000 : 6000);
    plan.read_size = pick(random, (uint32_t)plan.size) + 1;
    (void)atomic_fetch_add(&stress.kind_counts[plan.kind], 1);
    (void)atomic_fetch_add(&stress.ending_counts[plan.ending], 1);
    return plan;
}

/* caller_offer: leaves its request, or the body of it, to the meddler. */
static void caller_offer(struct caller *caller, struct lb_request *request, struct lb_body *body)
{
    caller_lock(caller);
    caller->request = request;
    caller->body = body;
    caller->meddle_ns = now() + pick(&caller->random, 3000) * (MS / 1000);
    caller_unlock(caller);
}

static void caller_withdraw(struct caller *caller)
{
    caller_lock(caller);
    caller->request = NULL;
    caller->body = NULL;
    caller_unlock(caller);
}

/* body_read: reads up to `size` bytes or the end, checks each, and judges how it stopped. */
static enum lb_status body_read(const struct plan *plan, struct lb_body *body, size_t size,
                                uint64_t *random)
{
    char bytes[3000];
    size_t total = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK && total < size) {
        size_t count = 0;
        status = lb_body_read(body, bytes, 1 + pick(random, sizeof bytes), &count);
        for (size_t i = 0; i < count; i++) {
            LB_ASSERT(bytes[i] == loopback_byte(plan->number, total + i));
        }
        total += count;
        LB_ASSERT(status != LB_OK || count > 0);
    }
    if (status == LB_END) {
        plan_judge_end(plan, total);
    } else if (status != LB_OK) {
        plan_judge(plan, status, "read");
    }
    LB_ASSERT(total <= plan->size);
    return status;
}

/* caller_use: does with a response what the plan says. */
static void caller_use(struct caller *caller, const struct plan *plan, struct lb_request *request,
                       struct lb_response *response)
{
    char number[16];
    struct lb_body *body = lb_response_body(response);
    bool is_partial =
        plan->ending == ENDING_CLOSE || plan->ending == ENDING_FREE || plan->ending == ENDING_DROP;
    (void)snprintf(number, sizeof number, "%u", (unsigned)plan->number);
    const char *header = lb_response_header(response, "x-number");
    LB_ASSERT(header != NULL);
    LB_ASSERT(strcmp(header, number) == 0);
    LB_ASSERT(lb_response_code(response) == (plan->kind == LOOPBACK_EMPTY ? 204 : 200));
    if (plan->ending == ENDING_CLOSED) {
        caller_offer(caller, request, body);
    }
    size_t size = is_partial ? plan->read_size : plan->size + 1;
    enum lb_status status = body_read(plan, body, size, &caller->random);
    if (plan->ending == ENDING_CLOSE) {
        size_t count = 0;
        lb_body_close(body);
        status = lb_body_read(body, number, 1, &count);
        LB_ASSERT(status == LB_CLOSED);
    }
}

/* caller_request: one request from its beginning to its end. */
static void caller_request(struct caller *caller)
{
    struct plan plan = plan_make(caller);
    size_t index =
        plan.ending == ENDING_DROP ? caller->drop_server : pick(&caller->random, SERVER_COUNT);
    const struct loopback *server = stress.servers[index];
    char target[LOOPBACK_TARGET_MAX];
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    loopback_target(plan.kind, plan.number, plan.size, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {"http", loopback_host(server), loopback_port(server)},
        .target = target,
        .is_close = pick(&caller->random, 20) == 0,
        .deadline_ns = plan.deadline_ns,
        .call_site = "stress",
    };
    enum lb_status status = lb_request_new(stress.transport, &options, &request);
    LB_ASSERT(status == LB_OK);
    if (plan.ending == ENDING_CANCEL) {
        caller_offer(caller, request, NULL);
    }
    status = lb_request_send(request, &response);
    if (status == LB_OK) {
        LB_ASSERT(plan.kind != LOOPBACK_HANG);
        caller_use(caller, &plan, request, response);
    } else {
        plan_judge(&plan, status, "send");
    }
    caller_withdraw(caller);
    bool is_open = status == LB_OK && lb_body_state(lb_response_body(response)) == LB_BODY_OPEN;
    if (plan.ending == ENDING_DROP && is_open) {
        caller->drop_count++;
    } else {
        lb_request_free(&request);
    }
}

static void *caller_main(void *argument)
{
    struct caller *caller = argument;
    while (now() < stress.end_ns) {
        caller_request(caller);
    }
    return NULL;
}

/* -- the meddler -- */

/* meddle: cancels the request, or closes the body, that a caller has left to it. */
static void meddle(struct caller *caller)
{
    caller_lock(caller);
    if (caller->request != NULL && now() >= caller->meddle_ns) {
        if (caller->body != NULL) {
            lb_body_close(caller->body);
        } else {
            lb_request_cancel(caller->request);
        }
        caller->request = NULL;
        caller->body = NULL;
    }
    caller_unlock(caller);
}

/* profile_count: the read workers that stand behind an open body. */
static uint32_t profile_count(void)
{
    struct lb_profile_row rows[32];
    size_t row_count = 0;
    uint32_t count = 0;
    lb_transport_profile(stress.transport, rows, 32, &row_count);
    for (size_t i = 0; i < row_count; i++) {
        bool is_behind = rows[i].waits_for == LB_SITE_WAIT_BODY_END;
        count += is_behind && rows[i].role == LB_ROLE_READ ? rows[i].count : 0;
    }
    return count;
}

static void *meddler_main(void *argument)
{
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    struct lb_stats stats;
    (void)argument;
    while (atomic_load(&stress.has_callers)) {
        for (size_t i = 0; i < CALLER_COUNT; i++) {
            meddle(&stress.callers[i]);
        }
        if (pick(&random, 50) == 0) {
            lb_transport_close_idle(stress.transport, NULL);
        }
        lb_transport_stats(stress.transport, NULL, &stats);
        LB_ASSERT(stats.open_bodies <= stats.busy);
        (void)profile_count();
        loopback_pause(1);
    }
    return NULL;
}

/* -- all of it -- */

static void transport_make(void)
{
    struct lb_transport_options options;
    enum lb_status status = lb_network_tcp_new(lb_memory_standard(), &stress.network);
    LB_ASSERT(status == LB_OK);
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = lb_runtime_threads();
    options.network = stress.network;
    options.idle_duration_ns = 20 * MS;
    options.idle_per_host_max = 4;
    options.connections_per_host_max = CALLER_COUNT / SERVER_COUNT * DROPS_MAX + SPARE_MAX;
    options.drain_size_max = LB_DRAIN_SIZE;
    options.retries_max = 1000; /* a stale connection is never the cause of a status */
    status = lb_transport_new(&options, &stress.transport);
    LB_ASSERT(status == LB_OK);
}

static void callers_run(void)
{
    int error = 0;
    atomic_store(&stress.has_callers, true);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        error = pthread_mutex_init(&stress.callers[i].lock, NULL);
        LB_ASSERT(error == 0);
    }
    error = pthread_create(&stress.meddler, NULL, meddler_main, NULL);
    LB_ASSERT(error == 0);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        struct caller *caller = &stress.callers[i];
        caller->random = UINT64_C(0x2545f4914f6cdd1d) * (i + 1);
        caller->drop_server = i % SERVER_COUNT;
        error = pthread_create(&caller->thread, NULL, caller_main, caller);
        LB_ASSERT(error == 0);
    }
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        error = pthread_join(stress.callers[i].thread, NULL);
        LB_ASSERT(error == 0);
    }
    atomic_store(&stress.has_callers, false);
    error = pthread_join(stress.meddler, NULL);
    LB_ASSERT(error == 0);
}

/* expect_drops: the transport knows of each drop, and of nothing else that is open. */
static void expect_drops(void)
{
    struct lb_stats stats;
    uint32_t drop_count = 0;
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        drop_count += stress.callers[i].drop_count;
    }
    lb_transport_stats(stress.transport, NULL, &stats);
    LB_ASSERT(stats.open_bodies == drop_count);
    LB_ASSERT(stats.waiting == 0);
    LB_ASSERT(profile_count() == drop_count);
    (void)printf("stress: %u drops\n", (unsigned)drop_count);
}

/* expect_nothing_left: descriptors and threads are as many as before. */
static void expect_nothing_left(uint32_t fd_count, uint32_t thread_count)
{
    uint32_t waited = 0;
    while (loopback_thread_count() != thread_count) { /* the kernel forgets a little later */
        LB_ASSERT(waited < PATIENCE_MS);
        loopback_pause(5);
        waited += 5;
    }
    LB_ASSERT(loopback_fd_count() == fd_count);
}

static void counts_print(const char *title, const atomic_uint *counts, size_t count)
{
    (void)printf("stress: %s", title);
    for (size_t i = 0; i < count; i++) {
        (void)printf(" %u", atomic_load(&counts[i]));
    }
    (void)printf("\n");
}

int main(int argc, char **argv)
{
    static const char *const hosts[SERVER_COUNT] = {"127.0.0.1", "::1"};
    unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    loopback_warm_up();
    uint32_t fd_count = loopback_fd_count();
    uint32_t thread_count = loopback_thread_count();
    stress.end_ns = now() + seconds * SECOND_NS;
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        stress.servers[i] = loopback_start(hosts[i]);
    }
    transport_make();
    callers_run();
    expect_drops();
    uint64_t begun_ns = now();
    lb_transport_free(&stress.transport);
    LB_ASSERT(now() - begun_ns < 20 * SECOND_NS);
    lb_network_tcp_free(&stress.network);
    uint32_t accepted_count = 0;
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        accepted_count += loopback_accepted(stress.servers[i]);
        loopback_stop(&stress.servers[i]);
    }
    expect_nothing_left(fd_count, thread_count);
    (void)printf("stress: %u requests, %u connections\n", atomic_load(&stress.number_last),
                 (unsigned)accepted_count);
    counts_print("by kind:", stress.kind_counts, LOOPBACK_KIND_COUNT);
    counts_print("by ending:", stress.ending_counts, ENDING_COUNT);
    counts_print("by status:", stress.status_counts, LB_STATUS_COUNT);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        (void)pthread_mutex_destroy(&stress.callers[i].lock);
    }
    return 0;
}
