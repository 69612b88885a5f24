/*
 * The steps of a run and their footprints, for whoever asks which of them could change places.
 *
 * Mental model: a step is what a worker does from one point (or the end of a block) to its next. Its
 * footprint is what it touches: the object that its point declares, and each lock, condition, queue or
 * connection that it takes, gives, wakes or waits for meanwhile. Two steps of different workers that
 * touch nothing in common lead to the same world in either order. What a step does outside a lock is its
 * worker's own (the client has no data races), so that a lock stands for all that it guards.
 *
 * An object is a number in the order of first touches, never an address. A step whose point declares
 * nothing may touch everything; so may the first step of a worker.
 *
 * Invariants: a footprint only grows until the next step begins; an object whose storage is made afresh
 * is another object; beyond LBI_SIM_OBJECTS - 1 objects all others are one; nothing is kept of objects
 * while no steps are noted.
 */
#include <string.h>

#include "sim/sim_inside.h"

#define TOUCHED_ALL UINT64_MAX

/* Where an object stands, or would. */
static struct lbi_sim_object *object_place(struct lb_sim *sim, const void *object)
{
    size_t at = (size_t)((uintptr_t)object * UINT64_C(0x9e3779b97f4a7c15) >> 57);
    LB_STATIC_ASSERT(LBI_SIM_OBJECT_PLACES == 128, "seven bits pick a place");
    LB_STATIC_ASSERT(LBI_SIM_OBJECT_PLACES >= 2 * LBI_SIM_OBJECTS,
                     "at most half of them are taken");
    while (sim->objects[at].run == sim->object_run && sim->objects[at].object != object) {
        at = (at + 1) % LBI_SIM_OBJECT_PLACES;
    }
    return &sim->objects[at];
}

/* The bit of an object. */
static uint64_t object_bit(struct lb_sim *sim, const void *object)
{
    LB_ASSERT(object != NULL);
    LB_ASSERT(sim->object_count < LBI_SIM_OBJECTS);
    struct lbi_sim_object *place = object_place(sim, object);
    bool is_known = place->run == sim->object_run && !place->is_gone;
    if (!is_known && sim->object_count == LBI_SIM_OBJECTS - 1) {
        return UINT64_C(1) << (LBI_SIM_OBJECTS - 1);
    }
    if (!is_known) {
        *place = (struct lbi_sim_object){
            .object = object, .run = sim->object_run, .number = (uint8_t)sim->object_count};
        sim->object_count += 1;
    }
    return UINT64_C(1) << place->number;
}

/* The step that runs; NULL: none that is noted. */
static struct lb_sim_step *step_current(struct lb_sim *sim)
{
    if (sim->current == NULL || sim->noted_count == 0 || sim->noted_count > sim->steps_capacity) {
        return NULL;
    }
    return &sim->steps[sim->noted_count - 1];
}

void lbi_sim_step_note(struct lb_sim *sim, const struct lb_sim_worker *worker, const void *object,
                       bool is_kept)
{
    LB_ASSERT(sim->steps != NULL);
    LB_ASSERT(sim->current == worker);
    if (sim->noted_count < sim->steps_capacity) {
        sim->steps[sim->noted_count] = (struct lb_sim_step){
            .touched = object == NULL ? TOUCHED_ALL : object_bit(sim, object),
            .decisions = (uint32_t)sim->decision_count,
            .worker = worker->index,
            .is_kept = is_kept,
        };
    }
    sim->noted_count += 1;
}

void lbi_sim_step_touch(struct lb_sim *sim, const void *object)
{
    struct lb_sim_step *step = step_current(sim);
    LB_ASSERT(sim->steps != NULL);
    if (step != NULL) {
        step->touched |= object_bit(sim, object);
    }
}

void lbi_sim_step_block(struct lb_sim *sim, const struct lb_sim_queue *queue)
{
    struct lb_sim_step *step = step_current(sim);
    LB_ASSERT(sim->steps != NULL);
    if (step != NULL) {
        step->has_blocked = true;
        step->touched |= queue == NULL ? 0 : object_bit(sim, queue);
    }
}

void lbi_sim_step_release(struct lb_sim *sim)
{
    struct lb_sim_step *step = step_current(sim);
    LB_ASSERT(sim->steps != NULL);
    if (step != NULL) {
        step->has_released = true;
    }
}

void lbi_sim_step_forget(struct lb_sim *sim, const void *object)
{
    LB_ASSERT(object != NULL);
    LB_ASSERT(sim->steps != NULL);
    struct lbi_sim_object *place = object_place(sim, object);
    if (place->run == sim->object_run) {
        place->is_gone = true;
    }
}

void lbi_sim_steps_reset(struct lb_sim *sim)
{
    sim->noted_count = 0;
    sim->object_count = 0;
    sim->object_run += 1;
    if (sim->object_run == 0) { /* once in 2^32 runs */
        memset(sim->objects, 0, sizeof(sim->objects));
        sim->object_run = 1;
    }
    LB_ASSERT(sim->object_run != 0);
}

void lb_sim_touch(struct lb_sim *sim, const void *object)
{
    LB_ASSERT(object != NULL);
    lbi_sim_touch(sim, object);
}

void lb_sim_watch_steps(struct lb_sim *sim, struct lb_sim_step *steps, size_t capacity)
{
    LB_ASSERT(!sim->is_running);
    LB_ASSERT(steps == NULL || capacity > 0);
    sim->steps = steps;
    sim->steps_capacity = capacity;
}

size_t lb_sim_noted_steps(const struct lb_sim *sim)
{
    LB_MAYBE(sim->noted_count > sim->steps_capacity);
    return sim->noted_count;
}
