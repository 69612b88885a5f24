/*
 * The runtime: what workers run on. The transport knows no thread, clock or lock but these.
 *
 * Three implementations: POSIX threads, coroutines on one thread (loop.h), and the simulation
 * (transport/sim), where every call marked "point" is a scheduling point: the schedule may run any other
 * worker before the call takes effect.
 */
#ifndef LASTBYTE_RUNTIME_H
#define LASTBYTE_RUNTIME_H

#include <stdint.h>

#include "lastbyte/site.h"
#include "lastbyte/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "No deadline": later than any time of any clock. */
#define LB_NEVER UINT64_MAX

struct lb_runtime;
struct lb_worker; /* opaque: one started worker, until it is joined */

/* What a worker executes; it ends when this returns. */
typedef void (*lb_worker_fn)(void *argument);

/* The kinds of workers that a transport starts, as `expect workers` and profiles count them. */
enum lb_role {
    LB_ROLE_READ,   /* reads responses from one connection */
    LB_ROLE_WRITE,  /* writes requests to one connection */
    LB_ROLE_DIAL,   /* makes one connection */
    LB_ROLE_CALLER, /* the program that uses the transport; never started by it */
    LB_ROLE_SERVER, /* a scripted server of the simulation; never started by it */
};

/* Number of enumerators of `enum lb_role`. */
#define LB_ROLE_COUNT 5

/* lb_role_word: "read", "write", "dial", "caller", "server": a static string. Never blocks. */
const char *lb_role_word(enum lb_role role);

/* Storage for a lock. All bytes zero is "not initialised" and legal to deinit. */
struct lb_mutex {
    uint64_t storage[8];
};

/* Storage for a condition. All bytes zero is "not initialised" and legal to deinit. */
struct lb_cond {
    uint64_t storage[8];
};

struct lb_worker_options {
    enum lb_role role;
    const char *label; /* whom it works for, such as "a.1"; borrowed, copied by the runtime */
    lb_worker_fn function;
    void *argument; /* kept until the worker has ended */
};

struct lb_runtime_ops {
    /* now: the monotonic clock in nanoseconds. Never blocks, no point. */
    uint64_t (*now)(struct lb_runtime *runtime);

    /*
     * worker_start: starts a worker. Gives *ret_worker, released by worker_join.
     * Errors: LB_MEMORY. Point; does not block.
     */
    enum lb_status (*worker_start)(struct lb_runtime *runtime,
                                   const struct lb_worker_options *options, enum lb_site site,
                                   struct lb_worker **ret_worker);

    /* worker_join: blocks until the worker has ended, then releases it. Takes *worker. Point. */
    void (*worker_join)(struct lb_runtime *runtime, struct lb_worker **worker, enum lb_site site);

    /* mutex_init: makes a lock of the storage; it is not recursive. Never blocks, no point. */
    void (*mutex_init)(struct lb_runtime *runtime, struct lb_mutex *mutex);

    /* mutex_deinit: releases what init made; nobody holds the lock. Never blocks, no point. */
    void (*mutex_deinit)(struct lb_runtime *runtime, struct lb_mutex *mutex);

    /* mutex_lock: blocks until the lock is free, then takes it. Point. */
    void (*mutex_lock)(struct lb_runtime *runtime, struct lb_mutex *mutex, enum lb_site site);

    /* mutex_unlock: gives the lock back, from the worker that holds it. Never blocks; no point: what
     * follows it will be one. */
    void (*mutex_unlock)(struct lb_runtime *runtime, struct lb_mutex *mutex);

    /* cond_init: makes a condition of the storage. Never blocks, no point. */
    void (*cond_init)(struct lb_runtime *runtime, struct lb_cond *cond);

    /* cond_deinit: releases what init made; nobody waits. Never blocks, no point. */
    void (*cond_deinit)(struct lb_runtime *runtime, struct lb_cond *cond);

    /*
     * cond_wait: releases `mutex`, blocks until woken or until `deadline_ns`, takes `mutex` again.
     * Returns LB_OK (woken, perhaps for no cause: the caller checks its condition again) or
     * LB_TIMEOUT (the deadline passed). Point.
     */
    enum lb_status (*cond_wait)(struct lb_runtime *runtime, struct lb_cond *cond,
                                struct lb_mutex *mutex, uint64_t deadline_ns, enum lb_site site);

    /* cond_wake: wakes every waiter of `cond`; called with its lock held. Point; does not block. */
    void (*cond_wake)(struct lb_runtime *runtime, struct lb_cond *cond, enum lb_site site);
};

/* A runtime. Embed it as the first member of a larger struct to give it state. */
struct lb_runtime {
    const struct lb_runtime_ops *ops;
};

#ifdef __cplusplus
}
#endif
#endif
