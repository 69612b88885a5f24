/*
 * The scheduler: workers, dispatch, virtual clock.
 *
 * Mental model. One worker is `current`; it runs until it calls lb_sim_block, ends, or stands at a
 * point where a departure runs somebody else. Then it picks the next worker itself and jumps there
 * directly; the caller of lb_sim_run is only jumped to when the run stops.
 *
 *                    lbi_sim_start
 *                          v
 *       wake, expire   RUNNABLE  <---- dispatch ---->  (current)
 *      +-------------->    |                               |
 *      |                   | lb_sim_block      worker_main |
 *   BLOCKING <-------------+                               v
 *                                                        DONE
 *
 * When nobody can run, refill() makes somebody runnable, in this order: the oldest waiter for
 * quiet; those with the earliest deadline, all together, if the horizon lets the clock move; when
 * nobody waits for a time, the oldest waiter for settled. If it cannot, the run stops.
 *
 * Invariants:
 * - the current worker is RUNNABLE, and its bit is set;
 * - a BLOCKING worker is in at most one queue, and in `timers` exactly if it has a deadline;
 * - no address, no wall clock and nothing outside the run influences a choice;
 * - the clock only moves when no worker can run.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inside.h"

/* -- queues and timers -- */

static void queue_append(struct lb_sim_queue *queue, struct lb_sim_worker *worker)
{
    LB_ASSERT(worker->queue == NULL);
    LB_ASSERT((queue->first == NULL) == (queue->last == NULL));
    worker->queue = queue;
    worker->queue_next = NULL;
    worker->queue_before = queue->last;
    if (queue->last == NULL) {
        queue->first = worker;
    } else {
        queue->last->queue_next = worker;
    }
    queue->last = worker;
}

static void queue_remove(struct lb_sim_worker *worker)
{
    struct lb_sim_queue *queue = worker->queue;
    LB_ASSERT(queue != NULL);
    LB_ASSERT(queue->first != NULL);
    if (worker->queue_before == NULL) {
        queue->first = worker->queue_next;
    } else {
        worker->queue_before->queue_next = worker->queue_next;
    }
    if (worker->queue_next == NULL) {
        queue->last = worker->queue_before;
    } else {
        worker->queue_next->queue_before = worker->queue_before;
    }
    worker->queue = NULL;
}

static bool worker_is_script(const struct lb_sim_worker *worker)
{
    return worker->role == LB_ROLE_CALLER || worker->role == LB_ROLE_SERVER;
}

static void timer_add(struct lb_sim *sim, struct lb_sim_worker *worker)
{
    LB_ASSERT(worker->deadline_ns > sim->now_ns);
    LB_ASSERT(worker->deadline_ns != LB_NEVER);
    worker->timer_before = NULL;
    worker->timer_next = sim->timers;
    if (sim->timers != NULL) {
        sim->timers->timer_before = worker;
    }
    sim->timers = worker;
    sim->script_timer_count += worker_is_script(worker);
}

static void timer_remove(struct lb_sim *sim, struct lb_sim_worker *worker)
{
    LB_ASSERT(worker->deadline_ns != LB_NEVER);
    LB_ASSERT(worker->timer_before != NULL || sim->timers == worker);
    if (worker->timer_before == NULL) {
        sim->timers = worker->timer_next;
    } else {
        worker->timer_before->timer_next = worker->timer_next;
    }
    if (worker->timer_next != NULL) {
        worker->timer_next->timer_before = worker->timer_before;
    }
    LB_ASSERT(sim->script_timer_count >= worker_is_script(worker));
    sim->script_timer_count -= worker_is_script(worker);
}

/* Ends a block: the worker leaves its queue and its timer, and can run. */
static void worker_release(struct lb_sim *sim, struct lb_sim_worker *worker,
                           enum lb_sim_event_kind kind)
{
    LB_ASSERT(worker->state == LB_SIM_BLOCKING);
    LB_ASSERT(kind == LB_SIM_WOKEN || kind == LB_SIM_EXPIRED);
    const char *name = "";
    if (worker->queue != NULL) {
        name = worker->queue->name == NULL ? "" : worker->queue->name;
        queue_remove(worker);
    }
    if (worker->deadline_ns != LB_NEVER) {
        timer_remove(sim, worker);
        worker->deadline_ns = LB_NEVER;
    }
    worker->is_expired = kind == LB_SIM_EXPIRED;
    lbi_sim_runnable_add(sim, worker);
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_release(sim);
    }
    lbi_sim_emit(sim, kind, worker->site, lb_sim_current(sim), (uint64_t)worker->index, name, "");
}

/* -- the clock -- */

static bool clock_may_move(const struct lb_sim *sim)
{
    switch (sim->horizon) {
    case LB_SIM_NOW:
        return false;
    case LB_SIM_SCRIPT:
        return sim->script_timer_count > 0 || sim->settled.first != NULL;
    case LB_SIM_ALL:
        return true;
    }
    lb_assert_fail(__FILE__, __LINE__, "horizon is an enum lb_sim_horizon");
}

/* Moves the clock to the earliest deadline; false if that is beyond time_max_ns. */
static bool clock_advance(struct lb_sim *sim)
{
    LB_ASSERT(sim->runnable_count == 0);
    LB_ASSERT(sim->timers != NULL);
    uint64_t earliest_ns = LB_NEVER;
    for (const struct lb_sim_worker *w = sim->timers; w != NULL; w = w->timer_next) {
        earliest_ns = w->deadline_ns < earliest_ns ? w->deadline_ns : earliest_ns;
    }
    LB_ASSERT(earliest_ns > sim->now_ns);
    if (earliest_ns > sim->options.time_max_ns) {
        sim->is_stopped_time = true;
        return false;
    }
    sim->now_ns = earliest_ns;
    lbi_sim_emit(sim, LB_SIM_ADVANCED, LB_SITE_NONE, -1, earliest_ns, "", "");
    struct lb_sim_worker *next = NULL;
    for (struct lb_sim_worker *w = sim->timers; w != NULL; w = next) {
        next = w->timer_next;
        if (w->deadline_ns == earliest_ns) {
            worker_release(sim, w, LB_SIM_EXPIRED);
        }
    }
    LB_ASSERT(sim->runnable_count > 0);
    return true;
}

/* Nobody can run: makes somebody runnable, or returns false. */
static bool sim_refill(struct lb_sim *sim)
{
    LB_ASSERT(sim->runnable_count == 0);
    LB_ASSERT(sim->runnable_summary == 0);
    if (sim->quiet.first != NULL) {
        worker_release(sim, sim->quiet.first, LB_SIM_WOKEN);
        return true;
    }
    if (sim->timers != NULL) {
        return clock_may_move(sim) && clock_advance(sim);
    }
    if (sim->settled.first != NULL) {
        worker_release(sim, sim->settled.first, LB_SIM_WOKEN);
        return true;
    }
    return false;
}

/* -- dispatch -- */

/* `from` stops and `to` runs (NULL: the outside); returns when `from` runs again. */
static void sim_jump(struct lb_sim *sim, struct lb_sim_worker *from, struct lb_sim_worker *to)
{
    LB_ASSERT(from != to);
    sim->current = to;
    if (to != NULL) {
        lbi_sim_cover(sim, from, to);
        sim->switch_count += 1;
        lbi_sim_emit(sim, LB_SIM_SWITCHED, to->site, from == NULL ? -1 : from->index,
                     (uint64_t)to->index, to->label, "");
    }
    lbi_fiber_switch(from == NULL ? &sim->outside : &from->fiber,
                     to == NULL ? &sim->outside : &to->fiber);
    LB_ASSERT(sim->current == from);
}

/* A worker's step is over: lets the world look, on that worker's stack, as if from outside. */
static void sim_between(struct lb_sim *sim)
{
    if (sim->options.on_switch != NULL) {
        sim->current = NULL;
        sim->options.on_switch(sim->options.context);
        LB_ASSERT(sim->current == NULL);
    }
}

/* Counts a decision, if there is one to be made. */
static inline void sim_count_decision(struct lb_sim *sim)
{
    if (sim->runnable_count < 2) {
        return;
    }
    if (sim->alternatives != NULL && sim->decision_count < sim->alternatives_capacity) {
        uint32_t others = sim->runnable_count - 1;
        sim->alternatives[sim->decision_count] = (uint8_t)(others < 3 ? others : 3);
    }
    sim->decision_count += 1;
}

/* Who runs after `worker` has blocked or ended at `site`; NULL: the run stops. */
static struct lb_sim_worker *sim_next(struct lb_sim *sim, struct lb_sim_worker *worker,
                                      enum lb_site site)
{
    LB_ASSERT(worker->state != LB_SIM_RUNNABLE);
    sim_between(sim);
    sim->current = NULL;
    if (sim->runnable_count == 0 && !sim_refill(sim)) {
        if (sim->has_demotions) {
            worker->occurrences[site] += 1; /* it stood there, though nothing was to decide */
        }
        return NULL;
    }
    struct lb_sim_worker *next = lbi_sim_runnable_best(sim);
    sim_count_decision(sim);
    if (sim->has_demotions) {
        next = lbi_sim_schedule_decide(sim, worker, next, site);
    }
    return next;
}

/* The budget of steps is used up: never returns. */
static void __attribute__((noinline, cold))
sim_stop(struct lb_sim *sim, struct lb_sim_worker *worker)
{
    LB_ASSERT(!sim->is_stopped_steps);
    sim->is_stopped_steps = true;
    sim_between(sim);
    sim_jump(sim, worker, NULL);
    lb_assert_fail(__FILE__, __LINE__, "a run that stopped for its steps does not go on");
}

/* Counts one step of the current worker; at the limit, it never returns. */
static inline void sim_step(struct lb_sim *sim, struct lb_sim_worker *worker, enum lb_site site)
{
    LB_ASSERT((unsigned)site < LB_SITE_COUNT);
    worker->site = site;
    sim->step_count += 1;
    sim->hash = lbi_sim_mix(sim->hash, (uint64_t)site << 32 | (uint32_t)worker->index);
    if (__builtin_expect(sim->step_count > sim->options.step_count_max, 0)) {
        sim_stop(sim, worker);
    }
}

void lb_sim_point(struct lb_sim *sim, enum lb_site site, const void *object)
{
    struct lb_sim_worker *worker = sim->current;
    struct lb_sim_worker *next = worker;
    if (worker == NULL) {
        return; /* outside any worker nothing is scheduled */
    }
    sim_step(sim, worker, site);
    sim_count_decision(sim);
    if (sim->has_demotions) {
        next = lbi_sim_schedule_decide(sim, worker, worker, site);
        if (next != worker) {
            sim_between(sim);
            sim_jump(sim, worker, next);
        }
    }
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_note(sim, worker, object, next == worker);
    }
}

enum lb_status lb_sim_block(struct lb_sim *sim, struct lb_sim_queue *queue, uint64_t deadline_ns,
                            enum lb_site site)
{
    struct lb_sim_worker *worker = sim->current;
    LB_ASSERT(worker != NULL);
    LB_ASSERT(worker->queue == NULL);
    sim_step(sim, worker, site);
    if (deadline_ns <= sim->now_ns) {
        return LB_TIMEOUT;
    }
    const char *name = queue == NULL || queue->name == NULL ? "" : queue->name;
    lbi_sim_emit(sim, LB_SIM_BLOCKED, site, worker->index, deadline_ns, name, "");
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_block(sim, queue);
    }
    lbi_sim_runnable_remove(sim, worker, LB_SIM_BLOCKING);
    worker->deadline_ns = deadline_ns;
    if (queue != NULL) {
        queue_append(queue, worker);
    }
    if (deadline_ns != LB_NEVER) {
        timer_add(sim, worker);
    }
    struct lb_sim_worker *next = sim_next(sim, worker, site);
    if (next == worker) {
        sim->current = worker; /* it was its own deadline */
    } else {
        sim_jump(sim, worker, next);
    }
    LB_ASSERT(worker->state == LB_SIM_RUNNABLE);
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_note(sim, worker, queue, false);
    }
    return worker->is_expired ? LB_TIMEOUT : LB_OK;
}

void lb_sim_wake(struct lb_sim *sim, struct lb_sim_queue *queue)
{
    LB_ASSERT((queue->first == NULL) == (queue->last == NULL));
    lbi_sim_touch(sim, queue);
    while (queue->first != NULL) {
        LB_ASSERT(queue->first != sim->current);
        worker_release(sim, queue->first, LB_SIM_WOKEN);
    }
}

void lb_sim_sleep(struct lb_sim *sim, uint64_t time_ns, enum lb_site site)
{
    LB_ASSERT(sim->current != NULL);
    LB_ASSERT(time_ns != LB_NEVER);
    enum lb_status status = lb_sim_block(sim, NULL, time_ns, site);
    LB_ASSERT(status == LB_TIMEOUT);
}

void lb_sim_wait_quiet(struct lb_sim *sim, enum lb_site site)
{
    enum lb_status status = lb_sim_block(sim, &sim->quiet, LB_NEVER, site);
    LB_ASSERT(status == LB_OK);
    LB_MAYBE(sim->timers != NULL);
}

void lb_sim_wait_settled(struct lb_sim *sim, enum lb_site site)
{
    enum lb_status status = lb_sim_block(sim, &sim->settled, LB_NEVER, site);
    LB_ASSERT(status == LB_OK);
    LB_MAYBE(sim->timers != NULL); /* once it runs again, others may start to wait */
}

/* -- life of a worker -- */

/* What every fiber executes. */
static struct lbi_fiber *worker_main(void *argument)
{
    struct lb_sim_worker *worker = argument;
    struct lb_sim *sim = worker->sim;
    LB_ASSERT(sim->current == worker);
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_note(sim, worker, NULL, false);
    }
    worker->function(worker->argument);
    LB_ASSERT(sim->current == worker);
    worker->site = LB_SITE_NONE;
    lbi_sim_emit(sim, LB_SIM_ENDED, LB_SITE_NONE, worker->index, 0, worker->label, "");
    lbi_sim_runnable_remove(sim, worker, LB_SIM_DONE);
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_touch(sim, worker); /* whoever joins it looks whether it is done */
        lbi_sim_step_release(sim);
    }
    lb_sim_wake(sim, &worker->joiners);
    struct lb_sim_worker *next = sim_next(sim, worker, LB_SITE_NONE);
    lbi_fiber_give_stack(&worker->fiber, &sim->stacks);
    sim->current = next;
    if (next == NULL) {
        return &sim->outside;
    }
    lbi_sim_cover(sim, worker, next);
    sim->switch_count += 1;
    lbi_sim_emit(sim, LB_SIM_SWITCHED, next->site, worker->index, (uint64_t)next->index,
                 next->label, "");
    return &next->fiber;
}

static void label_copy(char *label, const char *source)
{
    size_t size = 0;
    while (size < LB_SIM_LABEL_MAX - 1 && source[size] != '\0') {
        label[size] = source[size];
        size += 1;
    }
    LB_ASSERT(source[size] == '\0'); /* a label is never cut: anchors would name another worker */
    memset(label + size, 0, LB_SIM_LABEL_MAX - size);
}

struct lb_sim_worker *lbi_sim_start(struct lb_sim *sim, const struct lb_worker_options *options)
{
    LB_ASSERT(options->function != NULL);
    LB_ASSERT(options->label != NULL);
    LB_ASSERT((unsigned)options->role < LB_ROLE_COUNT);
    if (sim->worker_count == LB_SIM_WORKERS_MAX) {
        return NULL;
    }
    struct lb_sim_worker *worker = &sim->workers[sim->worker_count];
    if (!lbi_fiber_init(&worker->fiber, &sim->stacks, worker_main, worker)) {
        return NULL;
    }
    worker->sim = sim;
    worker->function = options->function;
    worker->argument = options->argument;
    worker->queue = NULL;
    worker->deadline_ns = LB_NEVER;
    worker->joiners = (struct lb_sim_queue){.name = worker->label, .wait = LB_SIM_WAIT_END};
    worker->role = options->role;
    worker->site = LB_SITE_NONE;
    worker->state = LB_SIM_DONE;
    worker->index = (int32_t)sim->worker_count;
    worker->is_expired = false;
    worker->is_joined = false;
    label_copy(worker->label, options->label);
    sim->worker_count += 1;
    lbi_sim_emit(sim, LB_SIM_STARTED, LB_SITE_NONE, lb_sim_current(sim), (uint64_t)worker->index,
                 worker->label, lb_role_word(worker->role));
    lbi_sim_schedule_start(sim, worker);
    lbi_sim_runnable_add(sim, worker);
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_touch(sim, sim);
        lbi_sim_step_release(sim);
    }
    return worker;
}

enum lb_status lb_sim_spawn(struct lb_sim *sim, const struct lb_worker_options *options,
                            uint32_t *ret_index)
{
    LB_ASSERT(ret_index != NULL);
    if (sim->worker_count == LB_SIM_WORKERS_MAX) {
        return LB_LIMIT;
    }
    struct lb_sim_worker *worker = lbi_sim_start(sim, options);
    if (worker == NULL) {
        return LB_MEMORY;
    }
    worker->is_joined = true;
    *ret_index = (uint32_t)worker->index;
    return LB_OK;
}

/* -- a simulation and its runs -- */

enum lb_status lb_sim_new(struct lb_sim **ret_sim)
{
    LB_ASSERT(ret_sim != NULL);
    struct lb_sim *sim = calloc(1, sizeof(*sim));
    if (sim == NULL) {
        return LB_MEMORY;
    }
    sim->runtime.ops = &lbi_sim_runtime_ops;
    sim->stacks.stack_size = LB_SIM_STACK_SIZE;
    sim->outsider.sim = sim;
    sim->outsider.index = -1;
    lb_sim_reset(sim, &(struct lb_sim_options){0});
    LB_ASSERT(sim->worker_count == 0);
    *ret_sim = sim;
    return LB_OK;
}

static void sim_drop_workers(struct lb_sim *sim)
{
    LB_ASSERT(sim->current == NULL);
    LB_ASSERT(sim->worker_count <= LB_SIM_WORKERS_MAX);
    for (uint32_t i = 0; i < sim->worker_count; i += 1) {
        struct lb_sim_worker *worker = &sim->workers[i];
        if (worker->state != LB_SIM_DONE) {
            lbi_fiber_drop(&worker->fiber, &sim->stacks, &sim->outside);
        }
        lbi_fiber_end(&worker->fiber);
    }
    sim->worker_count = 0;
    sim->timers = NULL;
    sim->script_timer_count = 0;
    sim->quiet = (struct lb_sim_queue){.name = "quiet", .wait = LB_SIM_WAIT_QUIET};
    sim->settled = (struct lb_sim_queue){.name = "settled", .wait = LB_SIM_WAIT_QUIET};
    sim->runnable_count = 0;
    sim->runnable_summary = 0;
    memset(sim->runnable, 0, sizeof(sim->runnable));
}

void lb_sim_free(struct lb_sim **sim)
{
    LB_ASSERT(sim != NULL);
    if (*sim != NULL) {
        LB_ASSERT(!(*sim)->is_running);
        sim_drop_workers(*sim);
        lbi_fiber_pool_deinit(&(*sim)->stacks);
        free(*sim);
        *sim = NULL;
    }
}

void lb_sim_reset(struct lb_sim *sim, const struct lb_sim_options *options)
{
    LB_ASSERT(!sim->is_running);
    LB_ASSERT(options != NULL);
    sim_drop_workers(sim);
    sim->options = *options;
    sim->is_stopped_steps = false;
    sim->is_stopped_time = false;
    sim->now_ns = 0;
    sim->step_count = 0;
    sim->switch_count = 0;
    sim->decision_count = 0;
    sim->hash = 0;
    lbi_sim_steps_reset(sim);
    lbi_sim_schedule_reset(sim);
}

/* Enters the first worker that can run; returns when the run stops. */
static void sim_enter(struct lb_sim *sim)
{
    LB_ASSERT(sim->current == NULL);
    if (sim->runnable_count == 0 && !sim_refill(sim)) {
        return;
    }
    struct lb_sim_worker *next = lbi_sim_runnable_best(sim);
    sim_count_decision(sim);
    if (sim->has_demotions) {
        next = lbi_sim_schedule_decide(sim, next, next, next->site);
    }
    sim_jump(sim, NULL, next);
}

enum lb_sim_stop lb_sim_run(struct lb_sim *sim, enum lb_sim_horizon horizon)
{
    LB_ASSERT(!sim->is_running);
    LB_ASSERT(horizon <= LB_SIM_ALL);
    sim->horizon = horizon;
    sim->is_stopped_time = false;
    if (!sim->is_stopped_steps) {
        sim->is_running = true;
        sim_enter(sim);
        sim->is_running = false;
    }
    if (sim->is_stopped_steps) {
        return LB_SIM_STOP_STEPS;
    }
    LB_ASSERT(sim->runnable_count == 0);
    return sim->is_stopped_time ? LB_SIM_STOP_TIME : LB_SIM_SETTLED;
}

/* -- looking -- */

struct lb_runtime *lb_sim_runtime(struct lb_sim *sim)
{
    LB_ASSERT(sim != NULL);
    return &sim->runtime;
}

uint64_t lb_sim_now(const struct lb_sim *sim)
{
    return sim->now_ns;
}

uint64_t lb_sim_steps(const struct lb_sim *sim)
{
    return sim->step_count;
}

uint64_t lb_sim_switches(const struct lb_sim *sim)
{
    return sim->switch_count;
}

uint64_t lb_sim_decisions(const struct lb_sim *sim)
{
    return sim->decision_count;
}

uint32_t lb_sim_worker_count(const struct lb_sim *sim)
{
    return sim->worker_count;
}

/* Who has to do something before the workers of a queue can go on; -1: not one worker. */
static int32_t queue_holder(const struct lb_sim_queue *queue)
{
    if (queue == NULL) {
        return -1;
    }
    switch (queue->wait) {
    case LB_SIM_WAIT_LOCK:
        return lbi_sim_lock_holder(queue);
    case LB_SIM_WAIT_END:
        return ((const struct lb_sim_worker *)(const void *)((const char *)queue -
                                                             offsetof(struct lb_sim_worker,
                                                                      joiners)))
            ->index;
    case LB_SIM_WAIT_OTHER:
    case LB_SIM_WAIT_CONDITION:
    case LB_SIM_WAIT_QUIET:
        break;
    }
    return -1;
}

void lb_sim_view(const struct lb_sim *sim, uint32_t index, struct lb_sim_view *ret_view)
{
    LB_ASSERT(index < sim->worker_count);
    LB_ASSERT(ret_view != NULL);
    const struct lb_sim_worker *worker = &sim->workers[index];
    bool is_blocking = worker->state == LB_SIM_BLOCKING;
    LB_ASSERT(is_blocking || worker->queue == NULL);
    *ret_view = (struct lb_sim_view){.role = worker->role,
                                     .label = worker->label,
                                     .state = worker->state,
                                     .site = worker->site,
                                     .queue = worker->queue,
                                     .deadline_ns = worker->deadline_ns,
                                     .is_joined = worker->is_joined,
                                     .wait = worker->queue == NULL ? LB_SIM_WAIT_OTHER
                                                                   : worker->queue->wait,
                                     .holder = queue_holder(worker->queue)};
}

int32_t lb_sim_current(const struct lb_sim *sim)
{
    return sim->current == NULL ? -1 : sim->current->index;
}
