/*
 * The rig's threads and its clock.
 *
 * A worker is a thread with a note of what it waits for. The world is quiet when every thread waits and
 * none of these waits can end by itself: a wake-up ends a wait before anybody runs, a read ends when the
 * server has sent more than the client has read, a join when its worker is done. All of that is known
 * under the one lock, whatever the kernel is doing meanwhile, so quiet is a fact and not a guess.
 *
 * The thread that runs the world holds the lock except where it waits for quiet. When the world is
 * quiet, it lets the oldest go on that waits for that, or moves the clock to the next deadline and ends
 * the waits that have it. A world that does not become quiet in real time has hung: then, and when
 * threads do not end, the rig has failed, and says so.
 */
#include "rig_inside.h"

#include "lastbyte/tcp.h"
#include "lastbyte/threads.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who calls: runtime and sockets are not told. */
static _Thread_local struct lbi_rig_worker *rig_self;

static struct lb_rig *rig_of(struct lb_stage *stage)
{
    return (struct lb_rig *)(void *)stage;
}

static const struct lb_runtime_ops *rig_threads(void)
{
    return lb_runtime_threads()->ops;
}

/* rig_wake_up: with the rig's lock. */
static void rig_wake_up(struct lb_cond *cond)
{
    rig_threads()->cond_wake(lb_runtime_threads(), cond, LB_SITE_NONE);
}

struct lbi_rig_worker *lbi_rig_self(void)
{
    return rig_self;
}

void lbi_rig_lock(struct lb_rig *rig)
{
    rig_threads()->mutex_lock(lb_runtime_threads(), &rig->lock, LB_SITE_NONE);
}

void lbi_rig_unlock(struct lb_rig *rig)
{
    rig_threads()->mutex_unlock(lb_runtime_threads(), &rig->lock);
}

/* -- chaos -- */

/* chaos_draw: the next number of a worker. */
static uint64_t chaos_draw(struct lbi_rig_worker *worker)
{
    uint64_t z = (worker->chaos += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* chaos_sleep: nobody wakes what it waits for. */
static void chaos_sleep(uint64_t duration_us)
{
    struct lb_runtime *threads = lb_runtime_threads();
    uint64_t until_ns = threads->ops->now(threads) + duration_us * 1000;
    struct lb_mutex mutex;
    struct lb_cond cond;
    threads->ops->mutex_init(threads, &mutex);
    threads->ops->cond_init(threads, &cond);
    threads->ops->mutex_lock(threads, &mutex, LB_SITE_NONE);
    while (threads->ops->cond_wait(threads, &cond, &mutex, until_ns, LB_SITE_NONE) == LB_OK) {
    }
    threads->ops->mutex_unlock(threads, &mutex);
    threads->ops->cond_deinit(threads, &cond);
    threads->ops->mutex_deinit(threads, &mutex);
}

void lbi_rig_point(struct lb_rig *rig, enum lb_site site)
{
    struct lbi_rig_worker *self = rig_self;
    if (rig->seed == 0 || self == NULL) {
        return;
    }
    LB_MAYBE(site == LB_SITE_NONE);
    uint64_t draw = chaos_draw(self);
    uint64_t kind = draw % 256;
    draw /= 256;
    if (self->starve_left > 0) {
        self->starve_left--;
        chaos_sleep(200 + draw % 800);
    } else if (kind < 80) {
        (void)sched_yield();
    } else if (kind < 110) {
        chaos_sleep(draw % 200);
    } else if (kind < 114) {
        chaos_sleep(draw % 3000);
    } else if (kind < 117) {
        self->starve_left = 4 + (uint32_t)(draw % 16);
    }
}

/* -- waits -- */

/* worker_is_quiet: whether a worker waits for what only others, or time, can bring. */
static bool worker_is_quiet(const struct lbi_rig_worker *worker)
{
    switch (worker->wait) {
    case LBI_RIG_RUNS:
        return false;
    case LBI_RIG_JOIN:
        return worker->target->wait != LBI_RIG_DONE;
    case LBI_RIG_READ:
        return !lbi_rig_is_readable(worker->queue);
    case LBI_RIG_DONE:
    case LBI_RIG_QUEUE:
    case LBI_RIG_QUIET:
    case LBI_RIG_SETTLED:
    case LBI_RIG_COND:
    case LBI_RIG_CONNECT:
        return true;
    }
    LB_UNREACHABLE("a wait");
    return false;
}

static bool rig_is_quiet(const struct lb_rig *rig)
{
    uint32_t i = 0;
    while (i < rig->worker_count && worker_is_quiet(rig->workers[i])) {
        i++;
    }
    return i == rig->worker_count;
}

/* rig_tell: tells the thread that runs the world when there is something for it to do. */
static void rig_tell(struct lb_rig *rig)
{
    if (rig->is_over || rig_is_quiet(rig)) {
        rig_wake_up(&rig->changed);
    }
}

void lbi_rig_begin_wait(struct lb_rig *rig, enum lbi_rig_wait wait, const void *queue,
                        uint64_t deadline_ns, enum lb_site site)
{
    struct lbi_rig_worker *self = rig_self;
    LB_ASSERT(self != NULL);
    LB_ASSERT(self->wait == LBI_RIG_RUNS);
    self->wait = wait;
    self->queue = queue;
    self->deadline_ns = deadline_ns;
    self->site = site;
    self->is_expired = false;
    self->since = rig->waits++;
    rig_tell(rig);
}

bool lbi_rig_wait(struct lb_rig *rig, enum lbi_rig_wait wait, const void *queue,
                  uint64_t deadline_ns, enum lb_site site)
{
    struct lbi_rig_worker *self = rig_self;
    if (rig->is_over || deadline_ns <= atomic_load(&rig->now_ns)) {
        return true;
    }
    lbi_rig_begin_wait(rig, wait, queue, deadline_ns, site);
    while (self->wait != LBI_RIG_RUNS) {
        (void)rig_threads()->cond_wait(lb_runtime_threads(), &self->cond, &rig->lock, LB_NEVER,
                                       site);
    }
    return self->is_expired;
}

/* worker_go: ends a worker's wait. */
static void worker_go(struct lbi_rig_worker *worker, bool is_expired)
{
    worker->wait = LBI_RIG_RUNS;
    worker->is_expired = is_expired;
    rig_wake_up(&worker->cond);
}

void lbi_rig_wake(struct lb_rig *rig, enum lbi_rig_wait wait, const void *queue)
{
    for (uint32_t i = 0; i < rig->worker_count; i++) {
        struct lbi_rig_worker *worker = rig->workers[i];
        if (worker->wait == wait && worker->queue == queue) {
            worker_go(worker, false);
        }
    }
}

/* -- workers -- */

/* worker_run: the body of every thread. Callers and servers have the lock while they run. */
static void worker_run(void *argument)
{
    struct lbi_rig_worker *worker = argument;
    struct lb_rig *rig = worker->rig;
    rig_self = worker;
    if (worker->is_own) {
        lbi_rig_lock(rig);
        worker->function(worker->argument);
    } else {
        worker->function(worker->argument);
        lbi_rig_lock(rig);
    }
    LB_ASSERT(worker->wait == LBI_RIG_RUNS);
    worker->wait = LBI_RIG_DONE;
    rig_tell(rig);
    lbi_rig_unlock(rig);
}

enum lb_status lbi_rig_start(struct lb_rig *rig, const struct lb_worker_options *options,
                             bool is_own, struct lbi_rig_worker **ret_worker)
{
    struct lb_worker_options inner = *options;
    struct lbi_rig_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL || rig->worker_count == LB_SIM_WORKERS_MAX) {
        free(worker);
        return LB_MEMORY;
    }
    worker->rig = rig;
    worker->role = options->role;
    snprintf(worker->label, sizeof worker->label, "%s", options->label);
    worker->function = options->function;
    worker->argument = options->argument;
    worker->is_own = is_own;
    worker->deadline_ns = LB_NEVER;
    worker->chaos = rig->seed * 1000003 + rig->worker_count;
    rig_threads()->cond_init(lb_runtime_threads(), &worker->cond);
    inner.function = worker_run;
    inner.argument = worker;
    struct lb_runtime *threads = lb_runtime_threads();
    if (threads->ops->worker_start(threads, &inner, LB_SITE_NONE, &worker->thread) != LB_OK) {
        rig_threads()->cond_deinit(lb_runtime_threads(), &worker->cond);
        free(worker);
        return LB_MEMORY;
    }
    rig->workers[rig->worker_count++] = worker;
    *ret_worker = worker;
    return LB_OK;
}

/* -- the clock -- */

/* rig_oldest: the worker that has waited longest so; NULL: none does. */
static struct lbi_rig_worker *rig_oldest(const struct lb_rig *rig, enum lbi_rig_wait wait)
{
    struct lbi_rig_worker *oldest = NULL;
    for (uint32_t i = 0; i < rig->worker_count; i++) {
        struct lbi_rig_worker *worker = rig->workers[i];
        if (worker->wait == wait && (oldest == NULL || worker->since < oldest->since)) {
            oldest = worker;
        }
    }
    return oldest;
}

/* rig_next: the earliest deadline, and whether a caller or a server has one. */
static uint64_t rig_next(const struct lb_rig *rig, bool *ret_is_scripted)
{
    uint64_t next_ns = LB_NEVER;
    *ret_is_scripted = false;
    for (uint32_t i = 0; i < rig->worker_count; i++) {
        const struct lbi_rig_worker *worker = rig->workers[i];
        if (worker->wait != LBI_RIG_DONE && worker->deadline_ns != LB_NEVER) {
            next_ns = worker->deadline_ns < next_ns ? worker->deadline_ns : next_ns;
            *ret_is_scripted = *ret_is_scripted || worker->is_own;
        }
    }
    return next_ns;
}

/* rig_advance: moves the clock, and ends the waits whose deadline that is. */
static void rig_advance(struct lb_rig *rig, uint64_t now_ns)
{
    LB_ASSERT(now_ns > atomic_load(&rig->now_ns));
    atomic_store(&rig->now_ns, now_ns);
    for (uint32_t i = 0; i < rig->worker_count; i++) {
        struct lbi_rig_worker *worker = rig->workers[i];
        if (worker->wait == LBI_RIG_DONE || worker->deadline_ns > now_ns) {
            continue;
        }
        if (worker->wait == LBI_RIG_CONNECT) {
            struct lbi_rig_conn *conn = (struct lbi_rig_conn *)(uintptr_t)worker->queue;
            conn->inner->ops->shutdown(conn->inner, LB_SITE_SOCKET_SHUTDOWN);
        }
        worker_go(worker, true);
    }
}

static void rig_fail(struct lb_rig *rig, const char *sentence)
{
    uint32_t i = 0;
    while (i < rig->worker_count && worker_is_quiet(rig->workers[i])) {
        i++;
    }
    if (i < rig->worker_count) {
        const struct lbi_rig_worker *worker = rig->workers[i];
        snprintf(rig->failure, sizeof rig->failure, "%s: %s(%s) was last seen at %s", sentence,
                 lb_role_word(worker->role), worker->label, lb_site_label(worker->site));
    } else {
        snprintf(rig->failure, sizeof rig->failure, "%s", sentence);
    }
}

/* rig_await: waits in real time until the world is quiet, or has ended; false: too long. */
static bool rig_await(struct lb_rig *rig, bool (*is_true)(const struct lb_rig *rig))
{
    struct lb_runtime *threads = lb_runtime_threads();
    uint64_t until_ns = threads->ops->now(threads) + LBI_RIG_QUIET_MAX_NS;
    enum lb_status status = LB_OK;
    while (!is_true(rig) && status == LB_OK) {
        status =
            threads->ops->cond_wait(threads, &rig->changed, &rig->lock, until_ns, LB_SITE_NONE);
    }
    return is_true(rig);
}

static enum lb_sim_stop rig_run(struct lb_stage *stage, enum lb_sim_horizon horizon)
{
    struct lb_rig *rig = rig_of(stage);
    for (;;) {
        bool is_scripted = false;
        if (!rig_await(rig, rig_is_quiet)) {
            rig_fail(rig, "the world did not become quiet");
            return LB_SIM_STOP_STEPS;
        }
        struct lbi_rig_worker *quiet = rig_oldest(rig, LBI_RIG_QUIET);
        struct lbi_rig_worker *settled = rig_oldest(rig, LBI_RIG_SETTLED);
        uint64_t next_ns = rig_next(rig, &is_scripted);
        if (quiet != NULL) {
            worker_go(quiet, false);
        } else if (next_ns == LB_NEVER && settled != NULL) {
            worker_go(settled, false);
        } else if (next_ns == LB_NEVER || horizon == LB_SIM_NOW ||
                   (horizon == LB_SIM_SCRIPT && !is_scripted && settled == NULL)) {
            return LB_SIM_SETTLED;
        } else if (next_ns > LB_WORLD_TIME_MAX_NS) {
            return LB_SIM_STOP_TIME;
        } else {
            rig_advance(rig, next_ns);
        }
    }
}

/* -- the stage -- */

static void rig_leave(struct lb_stage *stage)
{
    lbi_rig_unlock(rig_of(stage));
}

static void rig_enter(struct lb_stage *stage)
{
    lbi_rig_lock(rig_of(stage));
}

static uint64_t rig_now(struct lb_stage *stage)
{
    return atomic_load(&rig_of(stage)->now_ns);
}

static enum lb_status rig_spawn(struct lb_stage *stage, const struct lb_worker_options *options)
{
    struct lbi_rig_worker *worker = NULL;
    return lbi_rig_start(rig_of(stage), options, true, &worker);
}

static void rig_point(struct lb_stage *stage, enum lb_site site)
{
    struct lb_rig *rig = rig_of(stage);
    if (rig->seed != 0) {
        lbi_rig_unlock(rig);
        lbi_rig_point(rig, site);
        lbi_rig_lock(rig);
    }
}

static enum lb_status rig_block(struct lb_stage *stage, struct lb_sim_queue *queue,
                                uint64_t deadline_ns, enum lb_site site)
{
    bool is_expired = lbi_rig_wait(rig_of(stage), LBI_RIG_QUEUE, queue, deadline_ns, site);
    return is_expired ? LB_TIMEOUT : LB_OK;
}

static void rig_wake(struct lb_stage *stage, struct lb_sim_queue *queue)
{
    lbi_rig_wake(rig_of(stage), LBI_RIG_QUEUE, queue);
}

static void rig_wait_quiet(struct lb_stage *stage, enum lb_site site)
{
    (void)lbi_rig_wait(rig_of(stage), LBI_RIG_QUIET, NULL, LB_NEVER, site);
}

static void rig_wait_settled(struct lb_stage *stage, enum lb_site site)
{
    (void)lbi_rig_wait(rig_of(stage), LBI_RIG_SETTLED, NULL, LB_NEVER, site);
}

static uint32_t rig_worker_count(struct lb_stage *stage)
{
    return rig_of(stage)->worker_count;
}

static void rig_view(struct lb_stage *stage, uint32_t index, struct lb_sim_view *ret_view)
{
    const struct lb_rig *rig = rig_of(stage);
    LB_ASSERT(index < rig->worker_count);
    const struct lbi_rig_worker *worker = rig->workers[index];
    bool is_blocking = worker->wait != LBI_RIG_RUNS && worker->wait != LBI_RIG_DONE;
    *ret_view = (struct lb_sim_view){
        .role = worker->role,
        .label = worker->label,
        .state = is_blocking                    ? LB_SIM_BLOCKING
                 : worker->wait == LBI_RIG_DONE ? LB_SIM_DONE
                                                : LB_SIM_RUNNABLE,
        .site = worker->site,
        .queue = is_blocking ? worker->queue : NULL,
        .deadline_ns = is_blocking ? worker->deadline_ns : LB_NEVER,
        .is_joined = worker->is_joined,
    };
}

/* -- beginning and end -- */

static void *rig_alloc(struct lb_memory *memory, size_t size)
{
    struct lb_rig *rig =
        (struct lb_rig *)(void *)((char *)memory - offsetof(struct lb_rig, memory));
    rig_threads()->mutex_lock(lb_runtime_threads(), &rig->allocating, LB_SITE_NONE);
    struct lb_memory *counted = &rig->world->memory.memory;
    void *block = counted->alloc(counted, size);
    rig_threads()->mutex_unlock(lb_runtime_threads(), &rig->allocating);
    return block;
}

static void rig_release(struct lb_memory *memory, void *block, size_t size)
{
    struct lb_rig *rig =
        (struct lb_rig *)(void *)((char *)memory - offsetof(struct lb_rig, memory));
    rig_threads()->mutex_lock(lb_runtime_threads(), &rig->allocating, LB_SITE_NONE);
    struct lb_memory *counted = &rig->world->memory.memory;
    counted->release(counted, block, size);
    rig_threads()->mutex_unlock(lb_runtime_threads(), &rig->allocating);
}

static void rig_begin(struct lb_stage *stage, struct lb_world *world,
                      struct lb_transport_options *options)
{
    struct lb_rig *rig = rig_of(stage);
    LB_ASSERT(rig->worker_count == 0);
    LB_ASSERT(rig->conn_count == 0);
    rig->world = world;
    rig->is_over = false;
    rig->sequence = 0;
    rig->failure[0] = '\0';
    atomic_store(&rig->now_ns, 0);
    options->runtime = &rig->runtime;
    options->network = &rig->network;
    options->memory = &rig->memory;
    options->trace = NULL;
    lbi_rig_lock(rig);
}

static bool rig_is_done(const struct lb_rig *rig)
{
    uint32_t i = 0;
    while (i < rig->worker_count && rig->workers[i]->wait == LBI_RIG_DONE) {
        i++;
    }
    return i == rig->worker_count;
}

static void rig_end(struct lb_stage *stage)
{
    struct lb_rig *rig = rig_of(stage);
    rig->is_over = true;
    for (uint32_t i = 0; i < rig->worker_count; i++) {
        enum lbi_rig_wait wait = rig->workers[i]->wait;
        if (wait == LBI_RIG_QUEUE || wait == LBI_RIG_QUIET || wait == LBI_RIG_SETTLED) {
            worker_go(rig->workers[i], true);
        }
    }
    if (rig->failure[0] == '\0' && !rig_await(rig, rig_is_done)) {
        rig_fail(rig, "threads are left that nothing ends");
    }
    lbi_rig_unlock(rig);
    if (rig->failure[0] != '\0') {
        return;
    }
    struct lb_runtime *threads = lb_runtime_threads();
    for (uint32_t i = 0; i < rig->worker_count; i++) {
        struct lbi_rig_worker *worker = rig->workers[i];
        if (worker->thread != NULL) {
            threads->ops->worker_join(threads, &worker->thread, LB_SITE_NONE);
        }
        rig_threads()->cond_deinit(lb_runtime_threads(), &worker->cond);
        free(worker);
    }
    rig->worker_count = 0;
    lbi_rig_forget(rig);
}

static const struct lb_stage_ops rig_ops = {
    .begin = rig_begin,
    .finish = rig_end,
    .leave = rig_leave,
    .enter = rig_enter,
    .now = rig_now,
    .spawn = rig_spawn,
    .point = rig_point,
    .block = rig_block,
    .wake = rig_wake,
    .wait_quiet = rig_wait_quiet,
    .wait_settled = rig_wait_settled,
    .run = rig_run,
    .worker_count = rig_worker_count,
    .view = rig_view,
    .input = lbi_rig_input,
    .wait_input = lbi_rig_wait_input,
    .consume = lbi_rig_consume,
    .send = lbi_rig_send,
    .end = lbi_rig_end,
    .close = lbi_rig_close,
    .reset = lbi_rig_reset,
    .sequence = lbi_rig_sequence,
    .log_count = lbi_rig_log_count,
    .log = lbi_rig_log,
    .log_of = lbi_rig_log_of,
};

enum lb_status lb_rig_new(struct lb_rig **ret_rig)
{
    struct lb_rig *rig = calloc(1, sizeof *rig);
    if (rig == NULL) {
        return LB_MEMORY;
    }
    rig->stage.ops = &rig_ops;
    rig->runtime.ops = &lbi_rig_runtime_ops;
    rig->network.ops = &lbi_rig_network_ops;
    rig->memory.alloc = rig_alloc;
    rig->memory.release = rig_release;
    atomic_init(&rig->now_ns, 0);
    struct lb_runtime *threads = lb_runtime_threads();
    threads->ops->cond_init(threads, &rig->changed);
    threads->ops->mutex_init(threads, &rig->lock);
    threads->ops->mutex_init(threads, &rig->allocating);
    if (lb_network_tcp_new(lb_memory_standard(), &rig->inner) != LB_OK) {
        lb_rig_free(&rig);
        return LB_MEMORY;
    }
    *ret_rig = rig;
    return LB_OK;
}

void lb_rig_free(struct lb_rig **rig_pointer)
{
    struct lb_rig *rig = *rig_pointer;
    *rig_pointer = NULL;
    if (rig == NULL) {
        return;
    }
    struct lb_runtime *threads = lb_runtime_threads();
    LB_ASSERT(rig->worker_count == 0);
    lb_network_tcp_free(&rig->inner);
    threads->ops->cond_deinit(threads, &rig->changed);
    threads->ops->mutex_deinit(threads, &rig->lock);
    threads->ops->mutex_deinit(threads, &rig->allocating);
    free(rig);
}

struct lb_stage *lb_rig_stage(struct lb_rig *rig)
{
    LB_ASSERT(rig != NULL);
    return &rig->stage;
}

void lb_rig_set_chaos(struct lb_rig *rig, uint64_t seed)
{
    LB_ASSERT(rig->worker_count == 0);
    rig->seed = seed;
}

const char *lb_rig_failure(const struct lb_rig *rig)
{
    return rig->failure[0] == '\0' ? NULL : rig->failure;
}
