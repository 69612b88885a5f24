/*
 * The scheduler's inside, shared by sim.c (workers, dispatch, clock), sim_schedule.c (departures),
 * sim_trace.c (events, hash, coverage), sim_steps.c (footprints) and sim_runtime.c (locks and conditions
 * for the transport).
 *
 * Ranks. Every worker has a *slot*; the lower, the better. Slots are laid out so that all orders
 * that departures can ask for exist beforehand, and the runnable workers are a bitmap over them:
 *
 *   8 times: 64 slots for workers that were given this priority, then worker 0 .. 7 itself;
 *   then worker 8 .. 511; then 64 slots for demoted workers, the last demoted one last.
 */
#ifndef LASTBYTE_SIM_SIM_INSIDE_H
#define LASTBYTE_SIM_SIM_INSIDE_H

#include "core/assert.h"
#include "runtime/fiber.h"
#include "sim/sim.h"

#define LBI_SIM_PRIORITIES 8u
#define LBI_SIM_SLOTS_FRONT (LBI_SIM_PRIORITIES * (LB_SIM_DEPARTURES_MAX + 1u))
#define LBI_SIM_SLOTS_DEMOTED (LBI_SIM_SLOTS_FRONT + LB_SIM_WORKERS_MAX - LBI_SIM_PRIORITIES)
#define LBI_SIM_SLOTS (LBI_SIM_SLOTS_DEMOTED + LB_SIM_DEPARTURES_MAX)
#define LBI_SIM_WORDS ((LBI_SIM_SLOTS + 63u) / 64u)
#define LBI_SIM_COVER_MAX 65536u
#define LBI_SIM_OBJECTS 64u /* that footprints tell apart, the one for all further ones included */
#define LBI_SIM_OBJECT_PLACES 128u /* of the table in which they are found */
#define LBI_SIM_WORD_CACHE 256u    /* places for static words whose hash is kept */

LB_STATIC_ASSERT(LBI_SIM_WORDS <= 64, "one word summarises the bitmap");
LB_STATIC_ASSERT(LBI_FIBER_STACKS_MAX >= LB_SIM_WORKERS_MAX, "a pool keeps each stack");

struct lb_sim_worker {
    struct lbi_fiber fiber;
    struct lb_sim *sim;
    lb_worker_fn function;
    void *argument;
    struct lb_sim_queue *queue; /* blocked on; NULL: on nothing but time */
    struct lb_sim_worker *queue_next;
    struct lb_sim_worker *queue_before;
    struct lb_sim_worker *timer_next; /* blocked with a deadline */
    struct lb_sim_worker *timer_before;
    uint64_t deadline_ns;
    struct lb_sim_queue joiners;
    enum lb_role role;
    enum lb_site site; /* blocked: where; otherwise the last point */
    enum lb_sim_worker_state state;
    int32_t index;
    uint32_t slot;
    bool is_expired; /* the last block ended by its deadline */
    bool is_joined;
    bool is_anchored; /* some anchored departure names it */
    char label[LB_SIM_LABEL_MAX];
    uint32_t occurrences[LB_SITE_COUNT]; /* only kept when the schedule demotes */
};

/* A static word and the hash of its content. */
struct lbi_sim_word {
    const char *word;
    uint64_t hash;
};

/* An object that a step of this run has touched. */
struct lbi_sim_object {
    const void *object;
    uint32_t run; /* object_run: it is in use */
    uint8_t number;
    bool is_gone; /* what lives there now is another object */
};

/* What became of one departure. */
struct lbi_sim_fate {
    bool is_met;
    int32_t worker;      /* AFTER, ANCHOR: who stood at ... */
    enum lb_site site;   /* ... this site ... */
    uint32_t occurrence; /* ... for the n-th time */
};

struct lb_sim {
    struct lb_runtime runtime; /* first: the runtime is the simulation */
    struct lb_sim_options options;
    struct lb_sim_worker *current;
    struct lbi_fiber outside; /* the caller of lb_sim_run */
    enum lb_sim_horizon horizon;
    bool is_running;
    bool is_stopped_steps;
    bool is_stopped_time;
    uint64_t now_ns;
    uint64_t step_count;
    uint64_t switch_count;
    uint64_t decision_count;
    uint64_t hash;

    uint32_t runnable_count;
    uint64_t runnable_summary; /* bit w: runnable[w] is not 0 */
    uint64_t runnable[LBI_SIM_WORDS];
    uint16_t slot_worker[LBI_SIM_SLOTS]; /* for slots in use */

    struct lb_sim_worker *timers; /* all blocked with a deadline */
    uint32_t script_timer_count;  /* of these: callers and servers */
    struct lb_sim_queue quiet;
    struct lb_sim_queue settled;

    struct lbi_sim_word words[LBI_SIM_WORD_CACHE];
    bool has_demotions; /* the schedule has AFTER or ANCHOR, and some has not taken effect yet */
    uint32_t demotions_left;
    bool has_anchors;
    bool has_priorities;
    size_t after_position; /* next AFTER; departure_count: none */
    uint32_t after_left;   /* decisions before it */
    uint32_t demoted_count;
    uint32_t priority_counts[LBI_SIM_PRIORITIES];
    struct lbi_sim_fate fates[LB_SIM_DEPARTURES_MAX];

    struct lbi_fiber_pool stacks;
    uint32_t worker_count;
    struct lb_sim_worker outsider; /* owns a lock that is taken outside any worker */
    uint8_t *cover;                /* NULL: switches are not counted */
    size_t cover_size;             /* a power of two */
    uint8_t *alternatives;         /* NULL: decisions are not noted */
    size_t alternatives_capacity;
    struct lb_sim_step *steps; /* NULL: steps are not noted */
    size_t steps_capacity;
    size_t noted_count; /* those beyond the capacity included */
    uint32_t object_count;
    uint32_t object_run; /* counts the resets, from 1 */
    struct lbi_sim_object objects[LBI_SIM_OBJECT_PLACES];
    struct lb_sim_worker workers[LB_SIM_WORKERS_MAX];
};

/* -- sim_trace.c -- */

/* lbi_sim_emit: adds an event at the current time. */
void lbi_sim_emit(struct lb_sim *sim, enum lb_sim_event_kind kind, enum lb_site site,
                  int32_t worker, uint64_t value, const char *subject, const char *detail);

/* lbi_sim_cover: counts a switch in the map; from: NULL if from outside. */
void lbi_sim_cover(struct lb_sim *sim, const struct lb_sim_worker *from,
                   const struct lb_sim_worker *to);

/* lbi_sim_mix: the trace hash with one more word. */
static inline uint64_t lbi_sim_mix(uint64_t hash, uint64_t word)
{
    return (((hash << 5) | (hash >> 59)) ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

/* -- sim_schedule.c -- */

/* lbi_sim_schedule_reset: prepares the departures of sim->options. */
void lbi_sim_schedule_reset(struct lb_sim *sim);

/* lbi_sim_schedule_start: gives a worker that starts its slot. */
void lbi_sim_schedule_start(struct lb_sim *sim, struct lb_sim_worker *worker);

/*
 * lbi_sim_schedule_decide: `standing` stands at `site`, and the base schedule runs `next`. Returns
 * who runs. Called only if the schedule has demotions.
 */
struct lb_sim_worker *lbi_sim_schedule_decide(struct lb_sim *sim, struct lb_sim_worker *standing,
                                              struct lb_sim_worker *next, enum lb_site site);

/* -- the runnable workers -- */

static inline void lbi_sim_slot_set(struct lb_sim *sim, uint32_t slot)
{
    sim->runnable[slot / 64] |= UINT64_C(1) << (slot % 64);
    sim->runnable_summary |= UINT64_C(1) << (slot / 64);
}

static inline void lbi_sim_slot_clear(struct lb_sim *sim, uint32_t slot)
{
    sim->runnable[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (sim->runnable[slot / 64] == 0) {
        sim->runnable_summary &= ~(UINT64_C(1) << (slot / 64));
    }
}

static inline void lbi_sim_runnable_add(struct lb_sim *sim, struct lb_sim_worker *worker)
{
    LB_ASSERT(worker->state != LB_SIM_RUNNABLE);
    worker->state = LB_SIM_RUNNABLE;
    sim->runnable_count += 1;
    lbi_sim_slot_set(sim, worker->slot);
}

static inline void lbi_sim_runnable_remove(struct lb_sim *sim, struct lb_sim_worker *worker,
                                           enum lb_sim_worker_state state)
{
    LB_ASSERT(worker->state == LB_SIM_RUNNABLE);
    LB_ASSERT(sim->runnable_count > 0);
    worker->state = state;
    sim->runnable_count -= 1;
    lbi_sim_slot_clear(sim, worker->slot);
}

/* lbi_sim_runnable_best: the runnable worker of the best rank; there is one. */
static inline struct lb_sim_worker *lbi_sim_runnable_best(struct lb_sim *sim)
{
    LB_ASSERT(sim->runnable_summary != 0);
    uint32_t word = (uint32_t)__builtin_ctzll(sim->runnable_summary);
    uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(sim->runnable[word]);
    return &sim->workers[sim->slot_worker[slot]];
}

/* -- sim_steps.c; only while steps are noted, but for reset -- */

/* lbi_sim_step_note: a step of the current worker begins, about to touch object (NULL: anything).
 * is_kept: it stood at a point, and goes on. */
void lbi_sim_step_note(struct lb_sim *sim, const struct lb_sim_worker *worker, const void *object,
                       bool is_kept);

/* lbi_sim_step_touch: the step that runs touches object. */
void lbi_sim_step_touch(struct lb_sim *sim, const void *object);

/* lbi_sim_step_block: it ends with a block on queue (NULL: on time alone). */
void lbi_sim_step_block(struct lb_sim *sim, const struct lb_sim_queue *queue);

/* lbi_sim_step_release: it has started, woken or ended a worker. */
void lbi_sim_step_release(struct lb_sim *sim);

/* lbi_sim_step_forget: another object begins to live at this address. */
void lbi_sim_step_forget(struct lb_sim *sim, const void *object);

/* lbi_sim_steps_reset: a run begins: no step, no object. */
void lbi_sim_steps_reset(struct lb_sim *sim);

/* lbi_sim_touch: the step that runs touches object, if steps are noted. */
static inline void lbi_sim_touch(struct lb_sim *sim, const void *object)
{
    if (__builtin_expect(sim->steps != NULL, 0)) {
        lbi_sim_step_touch(sim, object);
    }
}

/* -- sim.c -- */

/* lbi_sim_start: starts a worker, no point. NULL: out of workers or of memory. */
struct lb_sim_worker *lbi_sim_start(struct lb_sim *sim, const struct lb_worker_options *options);

/* -- sim_runtime.c -- */

/* lbi_sim_lock_holder: index of the worker that holds the lock of a queue; -1: none. */
int32_t lbi_sim_lock_holder(const struct lb_sim_queue *queue);

extern const struct lb_runtime_ops lbi_sim_runtime_ops;

#endif
