/*
 * Stress of the client on threads and real sockets, for ThreadSanitizer and AddressSanitizer.
 *
 *   stress_threads [SECONDS]     or LASTBYTE_STRESS_SECONDS in the environment; 5 without either
 *
 * Mental model: callers make random requests to servers on loopback and end each in a random way: read
 * to its end, closed early, cancelled or closed by another thread, past its deadline, dropped. A meddler
 * thread does what any thread may: cancels, closes, asks for profiles, closes idle connections. The
 * servers answer in every framing, and end, reset or spoil connections at all times. It goes in rounds;
 * each has a transport of its own, with other options, which is freed with requests in progress and with
 * all that was dropped. Threads make no two runs equal, so nothing is compared; what is asserted holds
 * for every run:
 *
 * - each byte is the request's own, in its place; a body that ends has all of its bytes (F1, F2);
 * - a status has a cause: the server's fault, the deadline, or this program's own cancel or close; what
 *   a server says unasked spoils one request at most;
 * - the drops are what the profile shows; after each round no worker, no descriptor and no byte is left.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ssl.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"
#include "test/counted_memory.h"
#include "test/loopback.h"
#include "test/loopback_tls.h"
#include "test/pattern_source.h"

#define CALLER_COUNT 8
#define SERVER_COUNT 3
#define DROPS_MAX 5 /* of a caller in one round: a dropped body holds its connection to its end */
#define SPARE_MAX                                                                                  \
    2 /* connections of a host beyond its drops: fewer than callers, so that some wait */
#define HANG_COUNT 3 /* requests that are in progress when a transport is freed */
#define PATIENCE_MS 60000
#define MS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
#define ROUND_NS (2 * SECOND_NS)
#define PROGRESS_NS (10 * SECOND_NS)

/* How a caller means to end a request. ENDING(enumerator, word). */
#define ENDING_LIST(ENDING)                                                                        \
    ENDING(READ, "read")     /* reads to the end */                                                \
    ENDING(CLOSE, "close")   /* reads some, closes */                                              \
    ENDING(FREE, "free")     /* reads some, releases the request with its body open */             \
    ENDING(CANCEL, "cancel") /* the meddler cancels it at some time */                             \
    ENDING(CLOSED, "closed") /* the meddler closes the body at some time */                        \
    ENDING(LATE, "late")     /* has a deadline that may pass */                                    \
    ENDING(DROP, "drop")     /* reads some, forgets it */

enum ending {
#define ENDING_ENUM(name, word) ENDING_##name,
    ENDING_LIST(ENDING_ENUM)
#undef ENDING_ENUM
        ENDING_COUNT
};

#define ENDING_WORD(name, word) word,
static const char *const ending_words[] = {ENDING_LIST(ENDING_WORD)};
#undef ENDING_WORD

/* In the order of enum loopback_kind. */
static const char *const kind_words[LOOPBACK_KIND_COUNT] = {
    "length",    "chunked", "until-close", "empty", "slow",  "last",
    "truncated", "reset",   "part",        "hang",  "gated", "leaving",
    "leftover",  "junk",    "last-reset",  "gzip",  "tailed"};

/* One caller, and the request that the meddler may touch. */
struct caller {
    pthread_t thread;
    uint64_t random;
    size_t drop_server; /* the one it drops responses of */
    uint32_t drop_count;
    struct pattern_source *dropped[DROPS_MAX]; /* sources of dropped requests; NULL: had none */
    pthread_mutex_t lock;                      /* of what follows */
    struct lb_request *request;                /* NULL: hands off */
    struct lb_body *body;                      /* to close instead of cancelling */
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
    bool is_head;
    bool is_secure;              /* goes to the server with TLS */
    enum loopback_upload upload; /* with an upload: when the server reads it */
    size_t upload_size;          /* bytes of the request's body; 0: it has none */
    size_t stop_at;              /* where its source blocks or fails */
    bool is_blocking;            /* the source does, for good */
    bool is_failing;             /* the source does */
    bool is_once;                /* it cannot be sent again */
    bool is_chunked;
    bool is_expect;
};

/* A request that is in progress when the transport is freed. */
struct hang {
    pthread_t thread;
    struct lb_request *request;
};

static struct stress {
    struct lb_transport *transport;
    struct lb_network *network;
    struct counted_memory memory;
    struct loopback *servers[SERVER_COUNT];
    struct secure_server *secure;
    struct authority authority;
    struct caller callers[CALLER_COUNT];
    pthread_t meddler;
    uint32_t round;
    uint32_t drops_max;  /* of a caller in this round */
    uint32_t drop_count; /* in all */
    uint64_t round_end_ns;
    uint32_t fd_count;     /* with the servers, without connections */
    uint32_t thread_count; /* likewise */
    atomic_uint number_last;
    atomic_bool has_callers;
    atomic_uint kind_counts[LOOPBACK_KIND_COUNT];
    atomic_uint ending_counts[ENDING_COUNT];
    atomic_uint status_counts[LB_STATUS_COUNT];
    atomic_uint head_count;
    atomic_uint secure_count;
    atomic_uint upload_counts[LOOPBACK_UPLOAD_COUNT];
    atomic_uint block_count;
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

/* plan_may_break: whether the upload may meet a stale connection that forbids another try (R5), or a
 * server that closes with bytes unread, which takes its answer away. */
static bool plan_may_break(const struct plan *plan)
{
    bool is_ending = plan->kind == LOOPBACK_CLOSE || plan->kind == LOOPBACK_LAST ||
                     plan->kind == LOOPBACK_TRUNCATED;
    bool is_unread = plan->upload == LOOPBACK_UPLOAD_NEVER ||
                     (plan->upload == LOOPBACK_UPLOAD_AFTER && is_ending);
    return plan->upload_size > 0 && (plan->is_once || is_unread);
}

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
        return plan->kind == LOOPBACK_TRUNCATED || plan_may_break(plan);
    case LB_RESET: /* a late one takes bytes away that have not been read */
        return plan->kind == LOOPBACK_RESET || plan->kind == LOOPBACK_LAST_RESET ||
               plan_may_break(plan);
    case LB_SOURCE:
        return plan->is_failing;
    case LB_PROTOCOL: /* another one's junk may have come: how often, the end of it all shows */
        return true;
    case LB_OK:
    case LB_END:
    case LB_AGAIN:
    case LB_REFUSED:
    case LB_LIMIT:
    case LB_MEMORY:
        return false;
    }
    LB_UNREACHABLE("a status is an enum lb_status");
}

/* plan_judge: ends the process unless the status is lawful. */
static void plan_judge(const struct plan *plan, enum lb_status status, const char *where)
{
    (void)atomic_fetch_add(&stress.status_counts[status], 1);
    if (!plan_allows(plan, status)) {
        (void)fprintf(
            stderr,
            "stress: request %u, %s, ending %s, size %zu, upload %zu (%u%s%s%s%s%s): %s at %s\n",
            plan->number, kind_words[plan->kind], ending_words[plan->ending], plan->size,
            plan->upload_size, (unsigned)plan->upload, plan->is_once ? " once" : "",
            plan->is_chunked ? " chunked" : "", plan->is_expect ? " expect" : "",
            plan->is_blocking ? " blocking" : "", plan->is_failing ? " failing" : "",
            lb_status_word(status), where);
        abort();
    }
}

/* plan_judge_end: a body has come to its end: all of it is there, and it had one. */
static void plan_judge_end(const struct plan *plan, size_t size)
{
    (void)atomic_fetch_add(&stress.status_counts[LB_END], 1);
    bool is_bodiless = plan->kind == LOOPBACK_EMPTY || plan->is_head;
    LB_ASSERT(size == (is_bodiless ? 0 : plan->size));
    LB_ASSERT(plan->kind != LOOPBACK_TRUNCATED || is_bodiless);
    LB_ASSERT(plan->kind != LOOPBACK_RESET || is_bodiless);
    LB_ASSERT(plan->kind != LOOPBACK_PART || is_bodiless);
}

/* -- a caller -- */

/* size_make: of a body: most are small, some larger than every buffer, few very large. */
static size_t size_make(uint64_t *random)
{
    uint32_t rank = pick(random, 200);
    return 2 + pick(random, rank == 0 ? 1000000 : rank < 25 ? 100000 : 6000);
}

/* kind_make: half of the answers leave their connection in order, so that it is used again. */
static enum loopback_kind kind_make(uint64_t *random)
{
    static const enum loopback_kind orderly[] = {LOOPBACK_LENGTH, LOOPBACK_CHUNKED, LOOPBACK_EMPTY,
                                                 LOOPBACK_GZIP};
    if (pick(random, 2) == 0) {
        return orderly[pick(random, sizeof orderly / sizeof orderly[0])];
    }
    return (enum loopback_kind)pick(random, LOOPBACK_KIND_COUNT);
}

/* plan_add_upload: gives a request a body. A dropped one has been read by the server before its answer,
 * so that nothing can end it afterwards. */
static void plan_add_upload(struct plan *plan, uint64_t *random)
{
    bool is_bounded = plan->ending == ENDING_CANCEL || plan->ending == ENDING_LATE;
    plan->upload_size = size_make(random);
    plan->stop_at = pick(random, (uint32_t)plan->upload_size);
    plan->is_chunked = pick(random, 2) == 0;
    plan->is_once = pick(random, 2) == 0;
    plan->is_expect = pick(random, 4) == 0;
    if (plan->ending != ENDING_DROP) {
        plan->upload = (enum loopback_upload)pick(random, LOOPBACK_UPLOAD_COUNT);
        plan->is_blocking = is_bounded && pick(random, 3) == 0;
        plan->is_failing = !plan->is_blocking && pick(random, 20) == 0;
    }
    (void)atomic_fetch_add(&stress.upload_counts[plan->upload], 1);
    (void)atomic_fetch_add(&stress.block_count, plan->is_blocking);
}

/* plan_secure: sends a request to the server with TLS, which knows fewer ways to answer. */
static void plan_secure(struct plan *plan)
{
    static const bool has_way[LOOPBACK_KIND_COUNT] = {
        [LOOPBACK_CHUNKED] = true, [LOOPBACK_CLOSE] = true, [LOOPBACK_SLOW] = true,
        [LOOPBACK_LAST] = true,    [LOOPBACK_PART] = true,  [LOOPBACK_TRUNCATED] = true,
        [LOOPBACK_RESET] = true,   [LOOPBACK_JUNK] = true,  [LOOPBACK_LAST_RESET] = true};
    plan->is_secure = true;
    plan->kind = has_way[plan->kind] ? plan->kind : LOOPBACK_LENGTH;
    (void)atomic_fetch_add(&stress.secure_count, 1);
}

/* plan_make: what comes next. */
static struct plan plan_make(struct caller *caller)
{
    uint64_t *random = &caller->random;
    struct plan plan = {.deadline_ns = LB_NEVER};
    plan.number = atomic_fetch_add(&stress.number_last, 1) + 1;
    plan.kind = kind_make(random);
    plan.ending = pick(random, 3) == 0 ? (enum ending)pick(random, ENDING_COUNT) : ENDING_READ;
    bool is_endless = plan.kind == LOOPBACK_PART || plan.kind == LOOPBACK_HANG;
    bool is_bounded = plan.ending == ENDING_CANCEL || plan.ending == ENDING_LATE;
    if (plan.ending == ENDING_DROP && caller->drop_count >= stress.drops_max) {
        plan.ending = ENDING_CLOSE;
    }
    if (is_endless && !is_bounded) { /* somebody has to end it */
        plan.ending = pick(random, 2) == 0 ? ENDING_CANCEL : ENDING_LATE;
    }
    if (plan.ending == ENDING_LATE) {
        plan.deadline_ns = now() + pick(random, 4000) * (MS / 1000);
    }
    plan.is_head = pick(random, 12) == 0;
    plan.size = size_make(random);
    if (!plan.is_head && pick(random, 3) == 0) {
        plan_add_upload(&plan, random);
    }
    bool is_plain = plan.is_head || plan.upload_size > 0 || plan.ending == ENDING_DROP;
    if (!is_plain && pick(random, 6) == 0) {
        plan_secure(&plan);
    }
    plan.read_size = pick(random, (uint32_t)plan.size) + 1;
    (void)atomic_fetch_add(&stress.kind_counts[plan.kind], 1);
    (void)atomic_fetch_add(&stress.ending_counts[plan.ending], 1);
    (void)atomic_fetch_add(&stress.head_count, plan.is_head);
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
    LB_ASSERT((header == NULL) == plan->is_secure);
    LB_ASSERT(header == NULL || strcmp(header, number) == 0);
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

/* source_make: the body of the request, NULL if it has none; released by source_free. */
static struct pattern_source *source_make(const struct plan *plan)
{
    if (plan->upload_size == 0) {
        return NULL;
    }
    struct pattern_source *source = malloc(sizeof *source);
    LB_ASSERT(source != NULL);
    pattern_source_init(source, plan->number, plan->upload_size, plan->is_once);
    source->block_at = plan->is_blocking ? plan->stop_at : SIZE_MAX;
    source->fail_at = plan->is_failing ? plan->stop_at : SIZE_MAX;
    return source;
}

/* source_free: asserts that it was closed once, and is not in use. NULL is allowed. */
static void source_free(struct pattern_source *source)
{
    if (source != NULL) {
        pattern_source_deinit(source);
        free(source);
    }
}

/* plan_target_secure: writes what the server with TLS is asked for. */
static void plan_target_secure(const struct plan *plan, char ret_target[LOOPBACK_TARGET_MAX])
{
    struct secure_order order = {SECURE_LENGTH, SECURE_NEXT, 4, plan->number, plan->size};
    bool is_half = plan->kind == LOOPBACK_TRUNCATED || plan->kind == LOOPBACK_RESET ||
                   plan->kind == LOOPBACK_PART;
    order.part = is_half ? 2 : 4;
    if (plan->kind == LOOPBACK_CHUNKED) {
        order.framing = SECURE_CHUNKED;
    } else if (plan->kind == LOOPBACK_CLOSE) {
        order.framing = SECURE_UNTIL_CLOSE;
        order.after = SECURE_NOTIFY;
    } else if (plan->kind == LOOPBACK_LAST || plan->kind == LOOPBACK_TRUNCATED) {
        order.after = SECURE_NOTIFY;
    } else if (plan->kind == LOOPBACK_RESET || plan->kind == LOOPBACK_LAST_RESET) {
        order.after = SECURE_RESET;
    } else if (plan->kind == LOOPBACK_PART) {
        order.after = SECURE_STAY;
    } else if (plan->kind == LOOPBACK_SLOW) {
        order.after = SECURE_TICKET;
    } else if (plan->kind == LOOPBACK_JUNK) {
        order.after = SECURE_JUNK;
    }
    secure_target(&order, ret_target);
}

/* caller_make: makes the request. */
static struct lb_request *caller_make(struct caller *caller, const struct plan *plan,
                                      struct pattern_source *source)
{
    size_t index =
        plan->ending == ENDING_DROP ? caller->drop_server : pick(&caller->random, SERVER_COUNT);
    const struct loopback *server = stress.servers[index];
    char target[LOOPBACK_TARGET_MAX];
    char upload[8];
    struct lb_field fields[2] = {{"X-Upload", upload}, {"Idempotency-Key", upload}};
    struct lb_request *request = NULL;
    if (plan->is_secure) {
        plan_target_secure(plan, target);
    } else {
        loopback_target(plan->kind, plan->number, plan->size, target);
    }
    (void)snprintf(upload, sizeof upload, "%u", (unsigned)plan->upload);
    struct lb_request_options options = {
        .method = source != NULL  ? "POST"
                  : plan->is_head ? "HEAD"
                                  : "GET",
        .endpoint = {plan->is_secure ? "https" : "http",
                     plan->is_secure ? "127.0.0.1" : loopback_host(server),
                     plan->is_secure ? secure_port(stress.secure) : loopback_port(server)},
        .target = target,
        .fields = fields,
        .field_count = source == NULL  ? 0
                       : plan->is_once ? 1
                                       : 2,
        .source = source == NULL ? NULL : &source->source,
        .source_size = plan->is_chunked ? LB_SIZE_UNKNOWN : plan->upload_size,
        .is_expect = plan->is_expect,
        .is_close = pick(&caller->random, 20) == 0,
        .deadline_ns = plan->deadline_ns,
        .call_site = "stress",
    };
    enum lb_status status = lb_request_new(stress.transport, &options, &request);
    LB_ASSERT(status == LB_OK);
    return request;
}

/* caller_request: one request from its beginning to its end. */
static void caller_request(struct caller *caller)
{
    struct plan plan = plan_make(caller);
    struct lb_response *response = NULL;
    struct pattern_source *source = source_make(&plan);
    struct lb_request *request = caller_make(caller, &plan, source);
    if (plan.ending == ENDING_CANCEL) {
        caller_offer(caller, request, NULL);
    }
    enum lb_status status = lb_request_send(request, &response);
    if (status == LB_OK) {
        LB_ASSERT(plan.kind != LOOPBACK_HANG);
        caller_use(caller, &plan, request, response);
    } else {
        plan_judge(&plan, status, "send");
        LB_ASSERT(source == NULL || source->closed_count == 1); /* without the lock: B6 */
    }
    caller_withdraw(caller);
    bool is_open = status == LB_OK && lb_body_state(lb_response_body(response)) == LB_BODY_OPEN;
    if (plan.ending == ENDING_DROP && is_open) {
        caller->dropped[caller->drop_count++] = source;
    } else {
        lb_request_free(&request);
        source_free(source);
    }
}

static void *caller_main(void *argument)
{
    struct caller *caller = argument;
    while (now() < stress.round_end_ns) {
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
            lb_transport_close_idle(stress.transport, pick(&random, 2) == 0 ? NULL : "::1");
        }
        lb_transport_stats(stress.transport, NULL, &stats);
        LB_ASSERT(stats.open_bodies <= stats.busy);
        (void)profile_count();
        loopback_pause(1);
    }
    return NULL;
}

/* -- requests in progress -- */

static void *hang_main(void *argument)
{
    struct lb_response *response = NULL;
    enum lb_status status = lb_request_send(argument, &response);
    LB_ASSERT(status == LB_CLOSED);
    (void)atomic_fetch_add(&stress.status_counts[LB_CLOSED], 1);
    return NULL;
}

/* hang_start: a request that is never answered; returns when its server has it. */
static void hang_start(struct hang *hang, struct loopback *server)
{
    char target[LOOPBACK_TARGET_MAX];
    uint32_t request_count = loopback_requests(server);
    loopback_target(LOOPBACK_HANG, atomic_fetch_add(&stress.number_last, 1) + 1, 0, target);
    struct lb_request_options options = {
        .method = "GET",
        .endpoint = {"http", loopback_host(server), loopback_port(server)},
        .target = target,
        .deadline_ns = LB_NEVER,
    };
    enum lb_status status = lb_request_new(stress.transport, &options, &hang->request);
    LB_ASSERT(status == LB_OK);
    int error = pthread_create(&hang->thread, NULL, hang_main, hang->request);
    LB_ASSERT(error == 0);
    for (uint32_t waited = 0; loopback_requests(server) == request_count; waited++) {
        LB_ASSERT(waited < PATIENCE_MS);
        loopback_pause(1);
    }
}

/* -- a round -- */

/* transport_make: with options that change from round to round. */
static void transport_make(void)
{
    struct lb_transport_options options;
    uint32_t round = stress.round;
    lb_transport_options_default(&options);
    options.is_checked = true;
    options.runtime = lb_runtime_threads();
    options.network = stress.network;
    options.memory = &stress.memory.memory;
    options.idle_duration_ns = round % 2 == 0 ? 20 * MS : 2 * MS;
    options.idle_per_host_max = round % 5 == 4 ? 1 : 4;
    options.idle_total_max = round % 4 == 3 ? 3 : 100;
    options.retries_max = 1000; /* a stale connection is never the cause of a status */
    options.continue_duration_ns = round % 3 == 0 ? 0 : 3 * MS;
    options.gzip_tail = LB_GZIP_TAIL_DROPPED;
    options.drain_size_max = round % 2 == 0 ? 0 : LB_DRAIN_SIZE;
    stress.drops_max = round % 3 == 2 ? 0 : DROPS_MAX;
    uint32_t droppers_max = (CALLER_COUNT + SERVER_COUNT - 1) / SERVER_COUNT;
    options.connections_per_host_max = droppers_max * stress.drops_max + SPARE_MAX;
    enum lb_status status = lb_transport_new(&options, &stress.transport);
    LB_ASSERT(status == LB_OK);
}

static void callers_run(void)
{
    atomic_store(&stress.has_callers, true);
    int error = pthread_create(&stress.meddler, NULL, meddler_main, NULL);
    LB_ASSERT(error == 0);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        stress.callers[i].drop_count = 0;
        error = pthread_create(&stress.callers[i].thread, NULL, caller_main, &stress.callers[i]);
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
    stress.drop_count += drop_count;
}

/* await_count: waits until the kernel or a server, which learn of things a little later, have it. */
static void await_count(uint32_t (*count)(void), uint32_t value)
{
    for (uint32_t waited = 0; count() != value; waited += 5) {
        LB_ASSERT(waited < PATIENCE_MS);
        loopback_pause(5);
    }
}

/* expect_nothing_left: no worker, no descriptor of a connection and no byte. */
static void expect_nothing_left(void)
{
    LB_ASSERT(atomic_load(&stress.memory.block_count) == 0);
    LB_ASSERT(atomic_load(&stress.memory.size) == 0);
    await_count(loopback_thread_count, stress.thread_count);
    await_count(loopback_fd_count, stress.fd_count);
}

static void round_run(void)
{
    struct hang hangs[HANG_COUNT];
    transport_make();
    callers_run();
    expect_drops();
    for (size_t i = 0; i < HANG_COUNT; i++) {
        hang_start(&hangs[i], stress.servers[i % SERVER_COUNT]);
    }
    uint64_t begun_ns = now();
    lb_transport_free(&stress.transport);
    LB_ASSERT(now() - begun_ns < PATIENCE_MS * MS);
    for (size_t i = 0; i < HANG_COUNT; i++) {
        int error = pthread_join(hangs[i].thread, NULL);
        LB_ASSERT(error == 0);
    }
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        for (uint32_t j = 0; j < stress.callers[i].drop_count; j++) {
            source_free(stress.callers[i].dropped[j]);
        }
    }
}

/* -- all of it -- */

/* stress_begin: servers, network and callers; what the process holds is counted with the servers. */
static void stress_begin(void)
{
    static const char *const hosts[SERVER_COUNT] = {"127.0.0.1", "::1", "127.0.0.1"};
    loopback_warm_up();
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        stress.servers[i] = loopback_start(hosts[i]);
        loopback_open(stress.servers[i]);
    }
    authority_init(&stress.authority);
    stress.secure = secure_start(&(struct secure_options){.host = "127.0.0.1",
                                                          .authority = &stress.authority,
                                                          .identity = IDENTITY_LOOPBACK,
                                                          .version = TLS1_3_VERSION});
    counted_memory_init(&stress.memory);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        stress.callers[i].random = UINT64_C(0x2545f4914f6cdd1d) * (i + 1);
        stress.callers[i].drop_server = i % SERVER_COUNT;
        int error = pthread_mutex_init(&stress.callers[i].lock, NULL);
        LB_ASSERT(error == 0);
    }
    stress.fd_count = loopback_fd_count();
    stress.thread_count = loopback_thread_count();
}

static void stress_end(void)
{
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        loopback_stop(&stress.servers[i]);
    }
    secure_stop(&stress.secure);
    authority_deinit(&stress.authority);
    for (size_t i = 0; i < CALLER_COUNT; i++) {
        (void)pthread_mutex_destroy(&stress.callers[i].lock);
    }
}

/* total: of one counter over all servers. */
static uint32_t total(uint32_t (*count)(struct loopback *server))
{
    uint32_t sum = 0;
    for (size_t i = 0; i < SERVER_COUNT; i++) {
        sum += count(stress.servers[i]);
    }
    return sum;
}

static void progress_print(uint64_t begun_ns)
{
    struct secure_seen seen = secure_look(stress.secure);
    uint32_t served_count = total(loopback_requests) + seen.requests;
    uint32_t accepted_count = total(loopback_accepted) + seen.accepted;
    uint32_t reused_count = served_count > accepted_count ? served_count - accepted_count : 0;
    (void)printf("stress: %llu s, %u rounds, %u requests, %u reached a server on %u connections, "
                 "%u%% reused one\n",
                 (unsigned long long)((now() - begun_ns) / SECOND_NS), (unsigned)stress.round,
                 (unsigned)atomic_load(&stress.number_last), (unsigned)served_count,
                 (unsigned)accepted_count,
                 (unsigned)(reused_count * UINT64_C(100) / (served_count == 0 ? 1 : served_count)));
    (void)fflush(stdout);
}

static void counts_print(const char *title, const char *const *words, const atomic_uint *counts,
                         size_t count)
{
    (void)printf("stress: %s:", title);
    for (size_t i = 0; i < count; i++) {
        unsigned value = atomic_load(&counts[i]);
        if (value > 0) {
            const char *word = words == NULL ? lb_status_word((enum lb_status)i) : words[i];
            (void)printf(" %s %u", word, value);
        }
    }
    (void)printf("\n");
}

static unsigned long seconds_of(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : getenv("LASTBYTE_STRESS_SECONDS");
    unsigned long seconds = text == NULL ? 5 : strtoul(text, NULL, 10);
    return seconds == 0 ? 1 : seconds;
}

int main(int argc, char **argv)
{
    uint64_t begun_ns = now();
    uint64_t end_ns = begun_ns + seconds_of(argc, argv) * SECOND_NS;
    uint64_t progress_ns = begun_ns + PROGRESS_NS;
    stress_begin();
    while (now() < end_ns) {
        uint64_t begun_round_ns = now();
        stress.round_end_ns =
            end_ns - begun_round_ns < ROUND_NS ? end_ns : begun_round_ns + ROUND_NS;
        enum lb_status status =
            lb_network_tls_new(&(struct lb_tls_options){.ca_file = stress.authority.path},
                               &stress.memory.memory, &stress.network);
        LB_ASSERT(status == LB_OK);
        round_run();
        lb_network_tls_free(&stress.network);
        expect_nothing_left();
        stress.round++;
        if (now() >= progress_ns) {
            progress_print(begun_ns);
            progress_ns = now() + PROGRESS_NS;
        }
    }
    progress_print(begun_ns);
    uint32_t junk_count = total(loopback_junks) + secure_look(stress.secure).said;
    LB_ASSERT(atomic_load(&stress.status_counts[LB_PROTOCOL]) <= junk_count);
    (void)printf("stress: %u drops, %u HEAD, %u by TLS, %u times junk\n",
                 (unsigned)stress.drop_count, (unsigned)atomic_load(&stress.head_count),
                 (unsigned)atomic_load(&stress.secure_count), (unsigned)junk_count);
    (void)printf(
        "stress: uploads: read before the answer %u, behind it %u, never %u; sources that block "
        "%u\n",
        (unsigned)atomic_load(&stress.upload_counts[LOOPBACK_UPLOAD_FIRST]),
        (unsigned)atomic_load(&stress.upload_counts[LOOPBACK_UPLOAD_AFTER]),
        (unsigned)atomic_load(&stress.upload_counts[LOOPBACK_UPLOAD_NEVER]),
        (unsigned)atomic_load(&stress.block_count));
    counts_print("kinds", kind_words, stress.kind_counts, LOOPBACK_KIND_COUNT);
    counts_print("endings", ending_words, stress.ending_counts, ENDING_COUNT);
    counts_print("outcomes", NULL, stress.status_counts, LB_STATUS_COUNT);
    stress_end();
    return 0;
}
