/*
 * Stress of the client on the loop, for AddressSanitizer and its own assertions.
 *
 *   stress_loop [SECONDS]
 *
 * Mental model: as stress_threads, with coroutines: callers make random requests to two servers and end
 * each in a random way; a meddler cancels, closes and closes idle connections in between. The servers are
 * threads, so no two runs are equal; what is asserted holds for every run: each byte is the request's own,
 * a status has a cause, and nothing is left: no byte, no descriptor, no thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"
#include "test/loopback.h"
#include "test/memory_fixture.h"

#define CALLER_COUNT 24
#define SERVER_COUNT 2
#define KIND_COUNT (LOOPBACK_HANG + 1) /* of the kinds of servers: those that need no gate */
#define DROPS_MAX 2
#define LIMIT                                                                                      \
    (CALLER_COUNT / SERVER_COUNT * DROPS_MAX + 6) /* connections of a host: some callers wait */
#define MS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

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

struct caller {
    uint64_t random;
    size_t drop_server;
    uint32_t drop_count;
    struct lb_request *request; /* what the meddler may touch; NULL: hands off */
    struct lb_body *body;       /* to close instead of cancelling */
    uint64_t meddle_ns;
    char bytes[20000];
};

/* What a caller does with one request. */
struct plan {
    enum loopback_kind kind;
    enum ending ending;
    size_t server;
    uint32_t number;
    size_t size;
    size_t read_size; /* how much to read before ending early */
    uint64_t deadline_ns;
};

static struct stress {
    struct test_memory memory;
    struct lb_loop *loop;
    struct lb_runtime *runtime;
    struct lb_transport *transport;
    struct loopback *servers[SERVER_COUNT];
    struct caller callers[CALLER_COUNT];
    uint32_t caller_count; /* still at work */
    uint32_t number_last;
    uint32_t status_counts[LB_STATUS_COUNT];
    uint64_t end_ns;
} stress;

static uint64_t now(void)
{
    return stress.runtime->ops->now(stress.runtime);
}

/* pick: a number below `count` (xorshift64). */
static uint32_t pick(uint64_t *random, uint32_t count)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 32) % count;
}

/* -- a caller -- */

static bool plan_allows(const struct plan *plan, enum lb_status status)
{
    switch (status) {
    case LB_END:
        return plan->kind != LOOPBACK_TRUNCATED && plan->kind != LOOPBACK_RESET &&
               plan->kind != LOOPBACK_PART;
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

static void plan_judge(const struct plan *plan, enum lb_status status)
{
    stress.status_counts[status]++;
    if (!plan_allows(plan, status)) {
        (void)fprintf(stderr, "stress: request %u, kind %u, ending %u, size %zu: %s\n",
                      plan->number, (unsigned)plan->kind, (unsigned)plan->ending, plan->size,
                      lb_status_word(status));
        abort();
    }
}

static struct plan plan_make(struct caller *caller)
{
    uint64_t *random = &caller->random;
    struct plan plan = {.deadline_ns = LB_NEVER, .number = ++stress.number_last};
    plan.kind = (enum loopback_kind)pick(random, KIND_COUNT);
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
    plan.server = plan.ending == ENDING_DROP ? caller->drop_server : pick(random, SERVER_COUNT);
    plan.size = 2 + pick(random, pick(random, 8) == 0 ? 100000 : 6000);
    plan.read_size = pick(random, (uint32_t)plan.size) + 1;
    return plan;
}

static void caller_offer(struct caller *caller, struct lb_request *request, struct lb_body *body)
{
    caller->request = request;
    caller->body = body;
    caller->meddle_ns = now() + pick(&caller->random, 3000) * (MS / 1000);
}

/* body_read: reads up to `size` bytes or the outcome, and checks each. */
static enum lb_status body_read(const struct plan *plan, struct lb_body *body, size_t size,
                                struct caller *caller)
{
    uint64_t *random = &caller->random;
    size_t total = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK && total < size) {
        size_t count = 0;
        uint32_t room = 1 + pick(random, pick(random, 2) == 0 ? 500 : sizeof caller->bytes);
        status = lb_body_read(body, caller->bytes, room, &count);
        for (size_t i = 0; i < count; i++) {
            LB_ASSERT(caller->bytes[i] == loopback_byte(plan->number, total + i));
        }
        total += count;
    }
    if (status != LB_OK) {
        plan_judge(plan, status);
    }
    LB_ASSERT(status != LB_END || total == (plan->kind == LOOPBACK_EMPTY ? 0 : plan->size));
    LB_ASSERT(total <= plan->size);
    return status;
}

static void caller_use(struct caller *caller, const struct plan *plan, struct lb_request *request,
                       struct lb_response *response)
{
    char byte = 0;
    size_t count = 0;
    struct lb_body *body = lb_response_body(response);
    bool is_partial =
        plan->ending == ENDING_CLOSE || plan->ending == ENDING_FREE || plan->ending == ENDING_DROP;
    LB_ASSERT(lb_response_code(response) == (plan->kind == LOOPBACK_EMPTY ? 204 : 200));
    if (plan->ending == ENDING_CLOSED) {
        caller_offer(caller, request, body);
    }
    (void)body_read(plan, body, is_partial ? plan->read_size : plan->size + 1, caller);
    if (plan->ending == ENDING_CLOSE) {
        lb_body_close(body);
        enum lb_status status = lb_body_read(body, &byte, 1, &count);
        LB_ASSERT(status == LB_CLOSED);
    }
}

static void caller_request(struct caller *caller)
{
    struct plan plan = plan_make(caller);
    const struct loopback *server = stress.servers[plan.server];
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
    };
    enum lb_status status = lb_request_new(stress.transport, &options, &request);
    LB_ASSERT(status == LB_OK);
    if (plan.ending == ENDING_CANCEL) {
        caller_offer(caller, request, NULL);
    }
    status = lb_request_send(request, &response);
    if (status == LB_OK) {
        caller_use(caller, &plan, request, response);
    } else {
        LB_ASSERT(status != LB_END);
        plan_judge(&plan, status);
    }
    caller->request = NULL;
    bool is_open = status == LB_OK && lb_body_state(lb_response_body(response)) == LB_BODY_OPEN;
    if (plan.ending == ENDING_DROP && is_open) {
        caller->drop_count++;
    } else {
        lb_request_free(&request);
    }
}

static void caller_main(void *argument)
{
    struct caller *caller = argument;
    while (now() < stress.end_ns) {
        caller_request(caller);
    }
    stress.caller_count--;
}

/* -- the meddler, who also ends it -- */

static void meddle(struct caller *caller)
{
    if (caller->request != NULL && now() >= caller->meddle_ns) {
        if (caller->body != NULL) {
            lb_body_close(caller->body);
        } else {
            lb_request_cancel(caller->request);
        }
        caller->request = NULL;
    }
}

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
    (void)printf("stress: %u drops\n", (unsigned)drop_count);
}

static void meddler_main(void *argument)
{
    struct lb_runtime *runtime = stress.runtime;
    struct lb_mutex mutex;
    struct lb_cond cond;
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15);
    (void)argument;
    runtime->ops->mutex_init(runtime, &mutex);
    runtime->ops->cond_init(runtime, &cond);
    runtime->ops->mutex_lock(runtime, &mutex, LB_SITE_NONE);
    while (stress.caller_count > 0) {
        for (size_t i = 0; i < CALLER_COUNT; i++) {
            meddle(&stress.callers[i]);
        }
        if (pick(&random, 50) == 0) {
            lb_transport_close_idle(stress.transport, NULL);
        }
        enum lb_status status =
            runtime->ops->cond_wait(runtime, &cond, &mutex, now() + MS, LB_SITE_NONE);
        LB_ASSERT(status == LB_TIMEOUT);
    }
    runtime->ops->mutex_unlock(runtime, &mutex);
    runtime->ops->cond_deinit(runtime, &cond);
    runtime->ops->mutex_deinit(runtime, &mutex);
    expect_drops();
    lb_transport_free(&stress.transport);
}

/* -- all of it -- */

static void transport_make(void)
{
    struct lb_transport_options options;
    test_memory_init(&stress.memory, 0);
    enum lb_status status = lb_loop_new(&stress.memory.memory, &stress.loop);
    LB_ASSERT(status == LB_OK);
    stress.runtime = lb_loop_runtime(stress.loop);
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = stress.runtime;
    options.network = lb_loop_network(stress.loop);
    options.memory = &stress.memory.memory;
    options.idle_duration_ns = 20 * MS;
    options.idle_per_host_max = 4;
    options.connections_per_host_max = LIMIT;
    options.retries_max = 1000; /* a stale connection is never the cause of a status */
    status = lb_transport_new(&options, &stress.transport);
    LB_ASSERT(status == LB_OK);
}

int main(int argc, char **argv)
{
    static const char *const hosts[SERVER_COUNT] = {"127.0.0.1", "::1"};
    unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3;
    uint32_t fd_count = loopback_fd_count();
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        stress.servers[i] = loopback_start(hosts[i]);
    }
    transport_make();
    stress.end_ns = now() + seconds * SECOND_NS;
    stress.caller_count = CALLER_COUNT;
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        stress.callers[i].random = UINT64_C(0x2545f4914f6cdd1d) * (i + 1);
        stress.callers[i].drop_server = i % SERVER_COUNT;
        enum lb_status status = lb_loop_spawn(stress.loop, caller_main, &stress.callers[i]);
        LB_ASSERT(status == LB_OK);
    }
    enum lb_status status = lb_loop_run(stress.loop, meddler_main, NULL);
    LB_ASSERT(status == LB_OK);
    lb_loop_free(&stress.loop);
    LB_ASSERT(stress.memory.block_count == 0);
    LB_ASSERT(stress.memory.size == 0);
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        loopback_stop(&stress.servers[i]);
    }
    LB_ASSERT(loopback_fd_count() == fd_count);
    (void)printf("stress: %u requests, by status:", (unsigned)stress.number_last);
    for (size_t i = 0; i < LB_STATUS_COUNT; i++) {
        (void)printf(" %u", (unsigned)stress.status_counts[i]);
    }
    (void)printf("\n");
    return 0;
}
