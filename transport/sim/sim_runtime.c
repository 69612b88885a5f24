/*
 * The runtime of a simulation: locks, conditions and joins over queues of blocked workers.
 *
 * Mental model: one worker runs at a time, so a lock is an owner and a queue. Outside any worker
 * (between two runs) a lock that is free can be taken, nothing can be waited for, and no call is a
 * point. A condition needs no point of its own before it blocks: waking it needs its lock, and the
 * block itself is a decision.
 *
 * Invariants: a lock with waiters has, or has just had, an owner; only the owner releases it; the
 * queue is the first member, so that the address a worker blocks on is the lock's own.
 */
#include <string.h>

#include "sim/sim_inside.h"

#define MUTEX_MAGIC UINT64_C(0x6d757465785f6c62)
#define COND_MAGIC UINT64_C(0x636f6e645f5f6c62)

/* What is inside the storage of a lock; it is written and read through these types only. */
struct __attribute__((may_alias)) sim_mutex {
    struct lb_sim_queue waiters;
    struct lb_sim_worker *owner; /* NULL: free */
    uint64_t magic;
};

struct __attribute__((may_alias)) sim_cond {
    struct lb_sim_queue waiters;
    uint64_t magic;
};

LB_STATIC_ASSERT(sizeof(struct sim_mutex) <= sizeof(struct lb_mutex), "a lock fits its storage");
LB_STATIC_ASSERT(sizeof(struct sim_cond) <= sizeof(struct lb_cond), "a condition fits its storage");

static struct lb_sim *runtime_sim(struct lb_runtime *runtime)
{
    LB_ASSERT(runtime->ops == &lbi_sim_runtime_ops);
    return (struct lb_sim *)(void *)runtime;
}

static struct sim_mutex *mutex_of(struct lb_mutex *mutex)
{
    struct sim_mutex *inside = (struct sim_mutex *)(void *)mutex->storage;
    LB_ASSERT(inside->magic == MUTEX_MAGIC);
    return inside;
}

static struct sim_cond *cond_of(struct lb_cond *cond)
{
    struct sim_cond *inside = (struct sim_cond *)(void *)cond->storage;
    LB_ASSERT(inside->magic == COND_MAGIC);
    return inside;
}

/* Who calls: the current worker, or the outsider. */
static struct lb_sim_worker *runtime_self(struct lb_sim *sim)
{
    return sim->current == NULL ? &sim->outsider : sim->current;
}

/* What is made here is another object than what stood here. */
static void runtime_forget(struct lb_sim *sim, const void *object)
{
    LB_ASSERT(object != NULL);
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_forget(sim, object);
    }
}

static uint64_t runtime_now(struct lb_runtime *runtime)
{
    return runtime_sim(runtime)->now_ns;
}

static enum lb_status runtime_worker_start(struct lb_runtime *runtime,
                                           const struct lb_worker_options *options,
                                           enum lb_site site, struct lb_worker **ret_worker)
{
    struct lb_sim *sim = runtime_sim(runtime);
    LB_ASSERT(ret_worker != NULL);
    lb_sim_point(sim, site, NULL);
    bool is_struck = lb_fault_strike(sim->options.fault, LB_FAULT_START, false) != LB_FAULT_NOT;
    struct lb_sim_worker *worker = is_struck ? NULL : lbi_sim_start(sim, options);
    if (worker == NULL) {
        return LB_MEMORY;
    }
    *ret_worker = (struct lb_worker *)(void *)worker;
    return LB_OK;
}

static void runtime_worker_join(struct lb_runtime *runtime, struct lb_worker **worker,
                                enum lb_site site)
{
    struct lb_sim *sim = runtime_sim(runtime);
    struct lb_sim_worker *joined = (struct lb_sim_worker *)(void *)*worker;
    LB_ASSERT(joined != NULL);
    LB_ASSERT(joined->sim == sim);
    LB_ASSERT(joined != sim->current);
    LB_ASSERT(!joined->is_joined);
    joined->is_joined = true;
    *worker = NULL;
    lb_sim_point(sim, site, joined);
    while (joined->state != LB_SIM_DONE) {
        enum lb_status status = lb_sim_block(sim, &joined->joiners, LB_NEVER, site);
        LB_ASSERT(status == LB_OK);
    }
}

static void runtime_mutex_init(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct sim_mutex *inside = (struct sim_mutex *)(void *)mutex->storage;
    runtime_forget(runtime_sim(runtime), inside);
    *inside = (struct sim_mutex){.waiters.wait = LB_SIM_WAIT_LOCK, .magic = MUTEX_MAGIC};
}

static void runtime_mutex_deinit(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    struct sim_mutex *inside = (struct sim_mutex *)(void *)mutex->storage;
    LB_ASSERT(runtime_sim(runtime) != NULL);
    LB_ASSERT(inside->owner == NULL);
    LB_ASSERT(inside->waiters.first == NULL);
    memset(mutex, 0, sizeof(*mutex));
}

int32_t lbi_sim_lock_holder(const struct lb_sim_queue *queue)
{
    LB_ASSERT(queue->wait == LB_SIM_WAIT_LOCK);
    const struct sim_mutex *inside = (const struct sim_mutex *)(const void *)queue;
    return inside->owner == NULL ? -1 : inside->owner->index;
}

/* Takes a lock, without a point of its own. */
static void mutex_take(struct lb_sim *sim, struct sim_mutex *mutex, enum lb_site site)
{
    struct lb_sim_worker *self = runtime_self(sim);
    LB_ASSERT(mutex->owner != self);
    lbi_sim_touch(sim, mutex);
    while (mutex->owner != NULL) {
        enum lb_status status = lb_sim_block(sim, &mutex->waiters, LB_NEVER, site);
        LB_ASSERT(status == LB_OK);
    }
    mutex->owner = self;
}

static void mutex_give(struct lb_sim *sim, struct sim_mutex *mutex)
{
    LB_ASSERT(mutex->owner == runtime_self(sim));
    lbi_sim_touch(sim, mutex);
    mutex->owner = NULL;
    if (mutex->waiters.first != NULL) {
        lb_sim_wake(sim, &mutex->waiters);
    }
}

static void runtime_mutex_lock(struct lb_runtime *runtime, struct lb_mutex *mutex,
                               enum lb_site site)
{
    struct lb_sim *sim = runtime_sim(runtime);
    struct sim_mutex *inside = mutex_of(mutex);
    LB_ASSERT(inside->owner != runtime_self(sim));
    lb_sim_point(sim, site, mutex);
    mutex_take(sim, inside, site);
}

static void runtime_mutex_unlock(struct lb_runtime *runtime, struct lb_mutex *mutex)
{
    mutex_give(runtime_sim(runtime), mutex_of(mutex));
}

static void runtime_cond_init(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct sim_cond *inside = (struct sim_cond *)(void *)cond->storage;
    runtime_forget(runtime_sim(runtime), inside);
    *inside = (struct sim_cond){.waiters.wait = LB_SIM_WAIT_CONDITION, .magic = COND_MAGIC};
}

static void runtime_cond_deinit(struct lb_runtime *runtime, struct lb_cond *cond)
{
    struct sim_cond *inside = (struct sim_cond *)(void *)cond->storage;
    LB_ASSERT(runtime_sim(runtime) != NULL);
    LB_ASSERT(inside->waiters.first == NULL);
    memset(cond, 0, sizeof(*cond));
}

static enum lb_status runtime_cond_wait(struct lb_runtime *runtime, struct lb_cond *cond,
                                        struct lb_mutex *mutex, uint64_t deadline_ns,
                                        enum lb_site site)
{
    struct lb_sim *sim = runtime_sim(runtime);
    struct sim_mutex *lock = mutex_of(mutex);
    LB_ASSERT(sim->current != NULL);
    mutex_give(sim, lock);
    enum lb_status status = lb_sim_block(sim, &cond_of(cond)->waiters, deadline_ns, site);
    mutex_take(sim, lock, site);
    LB_ASSERT(status == LB_OK || status == LB_TIMEOUT);
    return status;
}

static void runtime_cond_wake(struct lb_runtime *runtime, struct lb_cond *cond, enum lb_site site)
{
    struct lb_sim *sim = runtime_sim(runtime);
    struct sim_cond *inside = cond_of(cond);
    lb_sim_point(sim, site, cond);
    LB_ASSERT(inside->magic == COND_MAGIC);
    lb_sim_wake(sim, &inside->waiters);
}

const struct lb_runtime_ops lbi_sim_runtime_ops = {
    .now = runtime_now,
    .worker_start = runtime_worker_start,
    .worker_join = runtime_worker_join,
    .mutex_init = runtime_mutex_init,
    .mutex_deinit = runtime_mutex_deinit,
    .mutex_lock = runtime_mutex_lock,
    .mutex_unlock = runtime_mutex_unlock,
    .cond_init = runtime_cond_init,
    .cond_deinit = runtime_cond_deinit,
    .cond_wait = runtime_cond_wait,
    .cond_wake = runtime_cond_wake,
};
