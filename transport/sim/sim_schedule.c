/*
 * Schedules: departures from the base schedule, and the ranks of workers.
 *
 * Mental model: at each decision the base schedule has a worker `next` that it would run. A
 * departure that is due gives `next` the last free slot and runs another one. Because the slot
 * persists, the demoted worker stays behind until everybody else is blocked: that opens a long
 * window.
 *
 * A worker *stands* at a site when it reaches a point there, when it blocks there, when it ends
 * (site NONE), and when a run begins and it is the first to go on. Each counts as one occurrence.
 *
 * Invariants:
 * - a slot belongs to one worker; a runnable worker's bit is set, and no other;
 * - at most one departure applies at one decision; an anchored one goes before an AFTER;
 * - AFTER departures apply in the order of the list, and none applies where fewer than two can run.
 */
#include <string.h>

#include "sim/sim_inside.h"

/* The next AFTER from `position` on. */
static void after_seek(struct lb_sim *sim, size_t position)
{
    const struct lb_sim_options *options = &sim->options;
    while (position < options->departure_count &&
           options->departures[position].kind != LB_SIM_AFTER) {
        position += 1;
    }
    LB_ASSERT(position <= options->departure_count);
    sim->after_position = position;
    sim->after_left = position < options->departure_count ? options->departures[position].skip : 0;
}

static void departure_check(const struct lb_sim_departure *departure)
{
    switch (departure->kind) {
    case LB_SIM_AFTER:
        LB_ASSERT(departure->choice <= 2);
        return;
    case LB_SIM_ANCHOR:
        LB_ASSERT(departure->choice <= 2);
        LB_ASSERT((unsigned)departure->site < LB_SITE_COUNT);
        LB_ASSERT(departure->occurrence > 0);
        LB_ASSERT(memchr(departure->label, '\0', LB_SIM_LABEL_MAX) != NULL);
        return;
    case LB_SIM_PRIORITY:
        LB_ASSERT(departure->priority < LBI_SIM_PRIORITIES);
        return;
    }
    lb_assert_fail(__FILE__, __LINE__, "kind is an enum lb_sim_departure_kind");
}

void lbi_sim_schedule_reset(struct lb_sim *sim)
{
    const struct lb_sim_options *options = &sim->options;
    LB_ASSERT(options->departure_count <= LB_SIM_DEPARTURES_MAX);
    LB_ASSERT(options->departure_count == 0 || options->departures != NULL);
    sim->demotions_left = 0;
    sim->has_anchors = false;
    sim->has_priorities = false;
    sim->demoted_count = 0;
    memset(sim->priority_counts, 0, sizeof(sim->priority_counts));
    for (size_t i = 0; i < options->departure_count; i += 1) {
        const struct lb_sim_departure *departure = &options->departures[i];
        departure_check(departure);
        sim->fates[i] = (struct lbi_sim_fate){.worker = -1};
        sim->has_anchors |= departure->kind == LB_SIM_ANCHOR;
        sim->has_priorities |= departure->kind == LB_SIM_PRIORITY;
        sim->demotions_left += departure->kind != LB_SIM_PRIORITY ? 1 : 0;
    }
    sim->has_demotions = sim->demotions_left > 0;
    after_seek(sim, 0);
}

static bool anchor_names(const struct lb_sim_departure *departure,
                         const struct lb_sim_worker *worker)
{
    LB_ASSERT(departure->kind <= LB_SIM_PRIORITY);
    return departure->kind == LB_SIM_ANCHOR && departure->role == worker->role &&
           strcmp(departure->label, worker->label) == 0;
}

/* The position of the first PRIORITY departure for the worker, or departure_count. */
static size_t priority_find(const struct lb_sim *sim, const struct lb_sim_worker *worker)
{
    LB_ASSERT(worker->index >= 0);
    size_t i = 0;
    while (i < sim->options.departure_count &&
           (sim->options.departures[i].kind != LB_SIM_PRIORITY ||
            sim->options.departures[i].worker != (uint16_t)worker->index)) {
        i += 1;
    }
    return i;
}

void lbi_sim_schedule_start(struct lb_sim *sim, struct lb_sim_worker *worker)
{
    uint32_t index = (uint32_t)worker->index;
    LB_ASSERT(index < LB_SIM_WORKERS_MAX);
    worker->slot = index < LBI_SIM_PRIORITIES
                       ? index * (LB_SIM_DEPARTURES_MAX + 1u) + LB_SIM_DEPARTURES_MAX
                       : LBI_SIM_SLOTS_FRONT + index - LBI_SIM_PRIORITIES;
    worker->is_anchored = false;
    if (sim->has_demotions) {
        memset(worker->occurrences, 0, sizeof(worker->occurrences));
    }
    for (size_t i = 0; sim->has_anchors && i < sim->options.departure_count; i += 1) {
        worker->is_anchored |= anchor_names(&sim->options.departures[i], worker);
    }
    size_t position =
        sim->has_priorities ? priority_find(sim, worker) : sim->options.departure_count;
    if (position < sim->options.departure_count) {
        uint32_t priority = sim->options.departures[position].priority;
        LB_ASSERT(sim->priority_counts[priority] < LB_SIM_DEPARTURES_MAX);
        worker->slot = priority * (LB_SIM_DEPARTURES_MAX + 1u) + sim->priority_counts[priority];
        sim->priority_counts[priority] += 1;
        sim->fates[position].is_met = true;
        sim->fates[position].worker = worker->index;
        lbi_sim_emit(sim, LB_SIM_DEPARTED, LB_SITE_NONE, worker->index, position, worker->label,
                     "");
    }
    sim->slot_worker[worker->slot] = (uint16_t)index;
}

/* The position of the anchored departure that names this standing, or departure_count. */
static size_t anchor_find(const struct lb_sim *sim, const struct lb_sim_worker *standing,
                          enum lb_site site, uint32_t occurrence)
{
    size_t i = 0;
    while (i < sim->options.departure_count) {
        const struct lb_sim_departure *departure = &sim->options.departures[i];
        if (!sim->fates[i].is_met && departure->site == site &&
            departure->occurrence == occurrence && anchor_names(departure, standing)) {
            break;
        }
        i += 1;
    }
    LB_ASSERT(i <= sim->options.departure_count);
    return i;
}

/* Counts one decision; the position of the AFTER departure that is due, or departure_count. With
 * `is_taken`, the decision is another departure's, and one that is due waits for the next. */
static size_t after_count(struct lb_sim *sim, bool is_taken)
{
    size_t position = sim->after_position;
    LB_ASSERT(position <= sim->options.departure_count);
    if (position == sim->options.departure_count) {
        return position;
    }
    if (sim->after_left > 0) {
        sim->after_left -= 1;
        return sim->options.departure_count;
    }
    if (is_taken) {
        return sim->options.departure_count;
    }
    after_seek(sim, position + 1);
    return position;
}

static void worker_demote(struct lb_sim *sim, struct lb_sim_worker *worker)
{
    LB_ASSERT(worker->state == LB_SIM_RUNNABLE);
    LB_ASSERT(sim->demoted_count < LB_SIM_DEPARTURES_MAX);
    lbi_sim_slot_clear(sim, worker->slot);
    worker->slot = LBI_SIM_SLOTS_DEMOTED + sim->demoted_count;
    sim->demoted_count += 1;
    sim->slot_worker[worker->slot] = (uint16_t)worker->index;
    lbi_sim_slot_set(sim, worker->slot);
}

/* The `choice`-th best runnable worker but the last, which is the one just demoted. */
static struct lb_sim_worker *worker_choose(struct lb_sim *sim, uint32_t choice)
{
    LB_ASSERT(sim->runnable_count >= 2);
    uint32_t left = choice < sim->runnable_count - 1 ? choice : sim->runnable_count - 2;
    uint32_t word = 0;
    while ((uint32_t)__builtin_popcountll(sim->runnable[word]) <= left) {
        left -= (uint32_t)__builtin_popcountll(sim->runnable[word]);
        word += 1;
        LB_ASSERT(word < LBI_SIM_WORDS);
    }
    uint64_t bits = sim->runnable[word];
    for (; left > 0; left -= 1) {
        bits &= bits - 1;
    }
    return &sim->workers[sim->slot_worker[word * 64 + (uint32_t)__builtin_ctzll(bits)]];
}

struct lb_sim_worker *lbi_sim_schedule_decide(struct lb_sim *sim, struct lb_sim_worker *standing,
                                              struct lb_sim_worker *next, enum lb_site site)
{
    LB_ASSERT(sim->has_demotions);
    LB_ASSERT(next->state == LB_SIM_RUNNABLE);
    size_t none = sim->options.departure_count;
    uint32_t occurrence = standing->occurrences[site] += 1;
    if (sim->runnable_count < 2) {
        return next;
    }
    size_t anchor = standing->is_anchored ? anchor_find(sim, standing, site, occurrence) : none;
    size_t after = after_count(sim, anchor != none);
    LB_ASSERT(anchor == none || after == none);
    size_t position = anchor != none ? anchor : after;
    if (position == none) {
        return next;
    }
    worker_demote(sim, next);
    struct lb_sim_worker *chosen = worker_choose(sim, sim->options.departures[position].choice);
    LB_ASSERT(chosen != next);
    sim->fates[position] = (struct lbi_sim_fate){
        .is_met = true, .worker = standing->index, .site = site, .occurrence = occurrence};
    LB_ASSERT(sim->demotions_left > 0);
    sim->demotions_left -= 1;
    sim->has_demotions = sim->demotions_left > 0;
    lbi_sim_emit(sim, LB_SIM_DEPARTED, site, standing->index, position, next->label, "");
    return chosen;
}

bool lb_sim_departure_is_met(const struct lb_sim *sim, size_t position)
{
    LB_ASSERT(position < sim->options.departure_count);
    return sim->fates[position].is_met;
}

bool lb_sim_departure_anchor(const struct lb_sim *sim, size_t position,
                             struct lb_sim_departure *ret_departure)
{
    LB_ASSERT(position < sim->options.departure_count);
    LB_ASSERT(ret_departure != NULL);
    const struct lb_sim_departure *departure = &sim->options.departures[position];
    const struct lbi_sim_fate *fate = &sim->fates[position];
    if (!fate->is_met || departure->kind == LB_SIM_PRIORITY) {
        return false;
    }
    const struct lb_sim_worker *worker = &sim->workers[fate->worker];
    *ret_departure = (struct lb_sim_departure){.kind = LB_SIM_ANCHOR,
                                               .choice = departure->choice,
                                               .role = worker->role,
                                               .site = fate->site,
                                               .occurrence = fate->occurrence};
    memcpy(ret_departure->label, worker->label, sizeof(ret_departure->label));
    return true;
}
