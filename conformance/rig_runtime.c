/*
 * The runtime that a transport on the rig gets: lb_runtime_threads, with a clock that the rig moves, and
 * with a note of who waits.
 *
 * A worker that is about to wait says so before it gives its lock back, and a wake-up ends the wait of
 * everybody whom it concerns before they run: so between the two nobody takes them for waiting. A wait
 * with a deadline looks at the rig's clock now and then.
 */
#include "rig_inside.h"

#include "lastbyte/threads.h"

static struct lb_rig *rig_of(struct lb_runtime *runtime)
{
    return (struct lb_rig *)(void *)((char *)runtime - offsetof(struct lb_rig, runtime));
}

static const struct lb_runtime_ops *inner_ops(void)
{
    return lb_runtime_threads()->ops;
}

static uint64_t rig_now(struct lb_runtime *runtime)
{
    return atomic_load(&rig_of(runtime)->now_ns);
}

static enum lb_status rig_worker_start(struct lb_runtime *runtime,
                                       const struct lb_worker_options *options, enum lb_site site,
                                       struct lb_worker **ret_worker)
{
    struct lb_rig *rig = rig_of(runtime);
    struct lbi_rig_worker *worker = NULL;
    lbi_rig_point(rig, site);
    lbi_rig_lock(rig);
    enum lb_status status = lbi_rig_start(rig, options, false, &worker);
    lbi_rig_unlock(rig);
    if (status == LB_OK) {
        *ret_worker = (struct lb_worker *)(void *)worker;
    }
    return status;
}

static void rig_worker_join(struct lb_runtime *runtime, struct lb_worker **handle,
                            enum lb_site site)
{
    struct lb_rig *rig = rig_of(runtime);
    struct lbi_rig_worker *worker = (struct lbi_rig_worker *)(void *)*handle;
    struct lbi_rig_worker *self = lbi_rig_self();
    *handle = NULL;
    lbi_rig_point(rig, site);
    lbi_rig_lock(rig);
    LB_ASSERT(worker->rig == rig);
    LB_ASSERT(worker->thread != NULL);
    self->target = worker;
    lbi_rig_begin_wait(rig, LBI_RIG_JOIN, worker, LB_NEVER, site);
    lbi_rig_unlock(rig);
    inner_ops()->worker_join(lb_runtime_threads(), &worker->thread, site);
    lbi_rig_lock(rig);
    self->wait = LBI_RIG_RUNS;
    worker->is_joined = true;
    lbi_rig_unlock(rig);
}

static void rig_mutex_init(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    (void)runtime;
    inner_ops()->mutex_init(lb_runtime_threads(), mutex);
}

static void rig_mutex_deinit(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    (void)runtime;
    inner_ops()->mutex_deinit(lb_runtime_threads(), mutex);
}

static void rig_mutex_lock(struct lb_runtime *runtime, struct lb_mutex *mutex, enum lb_site site)
{
    lbi_rig_point(rig_of(runtime), site);
    inner_ops()->mutex_lock(lb_runtime_threads(), mutex, site);
}

static void rig_mutex_unlock(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    (void)runtime;
    inner_ops()->mutex_unlock(lb_runtime_threads(), mutex);
}

static void rig_cond_init(struct lb_runtime *runtime, struct lb_cond *cond)
{
    (void)runtime;
    inner_ops()->cond_init(lb_runtime_threads(), cond);
}

static void rig_cond_deinit(struct lb_runtime *runtime, struct lb_cond *cond)
{
    (void)runtime;
    inner_ops()->cond_deinit(lb_runtime_threads(), cond);
}

static enum lb_status rig_cond_wait(struct lb_runtime *runtime, struct lb_cond *cond,
                                    struct lb_mutex *mutex, uint64_t deadline_ns, enum lb_site site)
{
    struct lb_rig *rig = rig_of(runtime);
    struct lbi_rig_worker *self = lbi_rig_self();
    struct lb_runtime *inner = lb_runtime_threads();
    LB_ASSERT(self != NULL);
    lbi_rig_lock(rig);
    bool is_late = deadline_ns <= atomic_load(&rig->now_ns);
    if (!is_late) {
        lbi_rig_begin_wait(rig, LBI_RIG_COND, cond, deadline_ns, site);
    }
    lbi_rig_unlock(rig);
    while (!is_late) {
        uint64_t until_ns =
            deadline_ns == LB_NEVER ? LB_NEVER : inner->ops->now(inner) + LBI_RIG_SLICE_NS;
        enum lb_status status = inner->ops->cond_wait(inner, cond, mutex, until_ns, site);
        lbi_rig_lock(rig);
        bool is_ended = self->wait != LBI_RIG_COND;
        is_late = self->is_expired;
        if (status == LB_OK) {
            self->wait = LBI_RIG_RUNS; /* also where it woke for no cause */
        }
        lbi_rig_unlock(rig);
        if (status == LB_OK || is_ended) {
            break;
        }
    }
    return is_late ? LB_TIMEOUT : LB_OK;
}

static void rig_cond_wake(struct lb_runtime *runtime, struct lb_cond *cond, enum lb_site site)
{
    struct lb_rig *rig = rig_of(runtime);
    lbi_rig_point(rig, site);
    lbi_rig_lock(rig);
    lbi_rig_wake(rig, LBI_RIG_COND, cond);
    lbi_rig_unlock(rig);
    inner_ops()->cond_wake(lb_runtime_threads(), cond, site);
}

const struct lb_runtime_ops lbi_rig_runtime_ops = {
    .now = rig_now,
    .worker_start = rig_worker_start,
    .worker_join = rig_worker_join,
    .mutex_init = rig_mutex_init,
    .mutex_deinit = rig_mutex_deinit,
    .mutex_lock = rig_mutex_lock,
    .mutex_unlock = rig_mutex_unlock,
    .cond_init = rig_cond_init,
    .cond_deinit = rig_cond_deinit,
    .cond_wait = rig_cond_wait,
    .cond_wake = rig_cond_wake,
};
