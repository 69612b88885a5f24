/*
 * The simulation's scheduler: workers as coroutines on one OS thread, virtual time, schedules.
 *
 * Base schedule: a worker runs until it blocks; then the runnable worker of the best priority runs
 * (priority = order of start). Time moves only when nobody can run, to the earliest deadline; all
 * workers whose deadline that is become runnable together. A schedule is a list of departures from
 * that. Same program and same schedule give the same trace, byte for byte.
 *
 * A *point* is a place where the schedule may run another worker. A *decision* is a point, or a
 * block, at which two or more workers can run; only decisions are counted by departures. A worker
 * *stands* at a site at each point and at each block there: a lock that is contended is two
 * standings, the point and the block. A worker that ends stands at LB_SITE_NONE; when a run begins,
 * the worker that goes on first stands where it was.
 *
 * Outside any worker a point has no effect, a free lock may be taken, and nothing can block.
 */
#ifndef LASTBYTE_SIM_SIM_H
#define LASTBYTE_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/runtime.h"
#include "sim/fault.h"

#define LB_SIM_WORKERS_MAX 512           /* workers started in one run, ended ones included */
#define LB_SIM_DEPARTURES_MAX 64         /* departures of one schedule */
#define LB_SIM_LABEL_MAX 24              /* bytes of a worker's label, the NUL included */
#define LB_SIM_STACK_SIZE (128u * 1024u) /* usable bytes of a worker's stack; a guard page below */

struct lb_sim;

/* One departure from the base schedule. */
enum lb_sim_departure_kind {
    LB_SIM_AFTER,    /* after `skip` decisions (counted from the previous AFTER): demote */
    LB_SIM_ANCHOR,   /* when `role(label)` stands at `site` for the `occurrence`-th time: demote */
    LB_SIM_PRIORITY, /* the worker started as number `worker` begins at priority `priority` */
};

/*
 * To demote: the worker that the base schedule would run next gets the lowest priority, and the
 * `choice`-th best other runnable worker runs (0: the best; beyond the last: the last).
 * A priority of 0 is the best; without a departure worker n has the priority after worker n - 1.
 */
struct lb_sim_departure {
    enum lb_sim_departure_kind kind;
    uint8_t choice;               /* AFTER, ANCHOR: 0 to 2 */
    uint16_t skip;                /* AFTER */
    enum lb_role role;            /* ANCHOR */
    char label[LB_SIM_LABEL_MAX]; /* ANCHOR */
    enum lb_site site;            /* ANCHOR */
    uint32_t occurrence;          /* ANCHOR: 1 is the first */
    uint16_t worker;              /* PRIORITY: order of start, from 0 */
    /* PRIORITY: 0 to 7: before the worker started as that number, after those of equal priority
     * that were started earlier. If several name one worker, the first of the list counts. */
    uint8_t priority;
};

/* What happened; the trace is the list of these. `subject` is a static or run-long string. */
enum lb_sim_event_kind {
    LB_SIM_STARTED,  /* a worker was started; value: its index */
    LB_SIM_SWITCHED, /* another worker runs now; value: its index */
    LB_SIM_BLOCKED,  /* the worker blocks at site on subject; value: deadline */
    LB_SIM_WOKEN,    /* a worker was woken; value: its index */
    LB_SIM_EXPIRED,  /* a worker's deadline came; value: its index */
    LB_SIM_ENDED,    /* the worker returned */
    LB_SIM_DEPARTED, /* a departure took effect; value: its position in the schedule */
    LB_SIM_ADVANCED, /* the clock moved; value: new time */
    LB_SIM_NOTED,    /* something the world or the network reports: subject, detail, value */
};

struct lb_sim_event {
    enum lb_sim_event_kind kind;
    enum lb_site site;
    int32_t worker; /* index of the worker that ran, -1: none */
    uint64_t time_ns;
    uint64_t value;
    const char *subject; /* what it touches, such as "a.1", "" if nothing; borrowed for the call */
    const char *detail;  /* NOTED: a static word such as "send"; STARTED: the role's; otherwise "" */
};

struct lb_sim_options {
    uint64_t step_count_max; /* points and blocks; beyond it the run stops with LB_SIM_STOP_STEPS */
    uint64_t time_max_ns;    /* the clock does not pass this: LB_SIM_STOP_TIME */
    const struct lb_sim_departure *departures; /* kept until the next reset */
    size_t departure_count;
    /* After each step of a worker (it blocked, ended or was demoted), on that worker's stack, with
     * no worker current: it is cheap, needs little stack, and cannot block; or NULL. */
    void (*on_switch)(void *context);
    void (*on_event)(void *context, const struct lb_sim_event *event); /* or NULL */
    void *context;
    struct lb_fault_state *fault; /* of worker_start; kept until the next reset; NULL: none */
};

/* lb_sim_new: gives *ret_sim, released by lb_sim_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_sim_new(struct lb_sim **ret_sim);

/* lb_sim_free: takes *sim; NULL is allowed. Stacks of unfinished workers are dropped. */
void lb_sim_free(struct lb_sim **sim);

/*
 * lb_sim_reset: forgets all workers and events (stacks of unfinished ones are dropped and reused),
 * sets the clock to 0 and takes new options. Keeps memory, so that a run costs no allocation.
 */
void lb_sim_reset(struct lb_sim *sim, const struct lb_sim_options *options);

/* lb_sim_runtime: the runtime to give to a transport; lives as long as the simulation. */
struct lb_runtime *lb_sim_runtime(struct lb_sim *sim);

/* How far a run goes. */
enum lb_sim_horizon {
    LB_SIM_NOW,    /* until nobody can run; the clock stands */
    LB_SIM_SCRIPT, /* and no caller or server waits for a time, and nobody for settled; until then
                      all deadlines that come earlier fire, too */
    LB_SIM_ALL,    /* and nobody waits for a time */
};

/* Why a run stopped. */
enum lb_sim_stop {
    LB_SIM_SETTLED,    /* the horizon was reached */
    LB_SIM_STOP_STEPS, /* step_count_max: a livelock */
    LB_SIM_STOP_TIME,  /* time_max_ns */
};

/* lb_sim_run: runs workers until the horizon; called from outside any worker. */
enum lb_sim_stop lb_sim_run(struct lb_sim *sim, enum lb_sim_horizon horizon);

/* lb_sim_now: the virtual clock, nanoseconds since the reset. */
uint64_t lb_sim_now(const struct lb_sim *sim);

/* lb_sim_steps, lb_sim_switches, lb_sim_decisions: counts since the reset. */
uint64_t lb_sim_steps(const struct lb_sim *sim);
uint64_t lb_sim_switches(const struct lb_sim *sim);
uint64_t lb_sim_decisions(const struct lb_sim *sim);

/* lb_sim_hash: the 64-bit hash of all events since the reset (strings by content). */
uint64_t lb_sim_hash(const struct lb_sim *sim);

/*
 * lb_sim_cover_switches: from now on counts each switch, by its tuple (site and role left, site and
 * role entered, blocked or preempted), in one of `size` saturating counters; size is a power of two
 * of at most 64 Ki. Keeps counters until it is called again; NULL: nothing is counted.
 */
void lb_sim_cover_switches(struct lb_sim *sim, uint8_t *counters, size_t size);

/*
 * lb_sim_watch_decisions: from now on notes, for the first `capacity` decisions of each run since its
 * reset, how many other workers could have run, up to 3. Keeps alternatives until it is called again;
 * NULL: nothing is noted.
 */
void lb_sim_watch_decisions(struct lb_sim *sim, uint8_t *alternatives, size_t capacity);

/* A step: what a worker did from a point, or from the end of a block, to its next. */
struct lb_sim_step {
    uint64_t touched;   /* a bit for each object, by order of first touch in this run */
    uint32_t decisions; /* made before it began */
    int32_t worker;     /* its index */
    bool is_kept;       /* it began at a point at which its worker went on */
    bool has_released;  /* it started, woke or ended a worker */
    bool has_blocked;   /* it ended with a block, not at a point */
};

/* lb_sim_watch_steps: from now on notes the first `capacity` steps of each run. Keeps steps until it is
 * called again; NULL: none are noted, which is cheaper. Called between runs. */
void lb_sim_watch_steps(struct lb_sim *sim, struct lb_sim_step *steps, size_t capacity);

/* lb_sim_noted_steps: steps since the reset, those beyond the capacity included. */
size_t lb_sim_noted_steps(const struct lb_sim *sim);

/* lb_sim_departure_is_met: whether departure `position` took effect; else it is stale. */
bool lb_sim_departure_is_met(const struct lb_sim *sim, size_t position);

/* lb_sim_departure_anchor: the ANCHOR form of departure `position` as it took effect in this run:
 * whoever stood where. False if it did not, or has no such form (PRIORITY). */
bool lb_sim_departure_anchor(const struct lb_sim *sim, size_t position,
                             struct lb_sim_departure *ret_departure);

/* lb_sim_note: adds a NOTED event, from inside or outside a worker. detail is a static string. */
void lb_sim_note(struct lb_sim *sim, const char *subject, const char *detail, uint64_t value);

/* -- for code that runs on a worker of the simulation -- */

/* What the workers of a queue wait for. */
enum lb_sim_wait {
    LB_SIM_WAIT_OTHER,     /* whoever owns the queue knows: a socket, a script, a program */
    LB_SIM_WAIT_LOCK,      /* its holder gives it back */
    LB_SIM_WAIT_CONDITION, /* somebody wakes it */
    LB_SIM_WAIT_END,       /* a worker ends */
    LB_SIM_WAIT_QUIET,     /* nobody else can run, or settled: nor waits for a time */
};

/* Workers blocked on one thing. All bytes zero is empty. `name` is for traces, may be NULL. */
struct lb_sim_queue {
    struct lb_sim_worker *first;
    struct lb_sim_worker *last;
    const char *name;
    enum lb_sim_wait wait;
};

/* lb_sim_spawn: starts a worker that is never joined; its index. Errors: LB_MEMORY, LB_LIMIT. */
LB_MUST_USE enum lb_status lb_sim_spawn(struct lb_sim *sim, const struct lb_worker_options *options,
                                        uint32_t *ret_index);

/* lb_sim_point: a scheduling point of the current worker, about to touch `object`; NULL: anything. */
void lb_sim_point(struct lb_sim *sim, enum lb_site site, const void *object);

/* lb_sim_touch: the current worker's step touches `object` too, which is neither what its point has
 * declared nor a lock, condition or queue of the simulation. */
void lb_sim_touch(struct lb_sim *sim, const void *object);

/* lb_sim_block: blocks the current worker on `queue` (NULL: on time alone) until woken (LB_OK) or
 * the deadline (LB_TIMEOUT; at once if it has passed). The caller checks its condition again. */
enum lb_status lb_sim_block(struct lb_sim *sim, struct lb_sim_queue *queue, uint64_t deadline_ns,
                            enum lb_site site);

/* lb_sim_wake: makes every worker of `queue` runnable. No point. */
void lb_sim_wake(struct lb_sim *sim, struct lb_sim_queue *queue);

/* lb_sim_sleep: blocks the current worker until `time_ns`; returns at once if that has passed. */
void lb_sim_sleep(struct lb_sim *sim, uint64_t time_ns, enum lb_site site);

/* lb_sim_wait_quiet: blocks the current worker until no other can run; the clock stands. Of several
 * that wait, the oldest goes on alone. */
void lb_sim_wait_quiet(struct lb_sim *sim, enum lb_site site);

/* lb_sim_wait_settled: blocks the current worker until no other can run or waits for a time; the
 * oldest goes on alone, after those that wait for quiet. Until then the clock moves, unless the
 * horizon is LB_SIM_NOW. */
void lb_sim_wait_settled(struct lb_sim *sim, enum lb_site site);

/* -- looking at workers -- */

enum lb_sim_worker_state { LB_SIM_RUNNABLE, LB_SIM_BLOCKING, LB_SIM_DONE };

struct lb_sim_view {
    enum lb_role role;
    const char *label; /* lives until the next reset */
    enum lb_sim_worker_state state;
    enum lb_site site;     /* BLOCKING: where; otherwise the last point */
    const void *queue;     /* BLOCKING: a queue's, lock's or condition's address; otherwise NULL, as
                           * for a worker that only waits for a time */
    uint64_t deadline_ns;  /* BLOCKING: its deadline; otherwise, or if it has none, LB_NEVER */
    bool is_joined;        /* worker_join was called for it */
    enum lb_sim_wait wait; /* BLOCKING on a queue: what for */
    int32_t holder; /* LOCK: the worker that holds it; END: the one that has to end; -1: none */
};

/* lb_sim_worker_count: workers started since the reset, ended ones included. */
uint32_t lb_sim_worker_count(const struct lb_sim *sim);

/* lb_sim_view: worker `index` (< count) as it stands now. */
void lb_sim_view(const struct lb_sim *sim, uint32_t index, struct lb_sim_view *ret_view);

/* lb_sim_current: index of the running worker, -1 outside. */
int32_t lb_sim_current(const struct lb_sim *sim);

#endif
