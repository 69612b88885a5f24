/*
 * The drivers of exploration: which schedules are run, and in which order.
 *
 * Delays. A schedule with one demotion more departs at one of the decisions behind its last one. The
 * search goes through that tree with a stack of one frame for each demotion; the runs on the way down
 * are repeated for each bound, which costs little because the leaves are many.
 *
 * Sleep. Let worker w stand at decision i, go on, and stand at decision i + 1 next, having woken nobody.
 * To demote it at i or at i + 1 differs in one step of w only: it comes after what the others do until w
 * runs again, or before. If that step and theirs touch nothing in common, the worlds are the same, and
 * so is everything that follows. So a leaf that has run puts to sleep those behind it that differ from
 * it in such steps only. Only the last demotion of a schedule is judged so: what sleeps is then
 * equivalent to a schedule of as many demotions that has run, and the bound means what it says.
 *
 * Draws. PCT: random ranks, and d - 1 demotions at decisions drawn from as many as the longest run so far
 * has had. Walk: from a random decision on, at each of them the worker
 * that the base schedule runs, or the next, or the second next, with equal chances.
 */
#include "explore_inside.h"

#include <string.h>

#include "core/assert.h"

/* -- delays -- */

/* frame_next: moves to the next place where a departure makes a difference; false: there is none. */
static bool frame_next(struct lbi_frame *frame)
{
    while (frame->position < frame->decision_count &&
           frame->choice >= frame->alternatives[frame->position]) {
        frame->position++;
        frame->choice = 0;
    }
    return frame->position < frame->decision_count;
}

/* search_depart: adds the demotion that a frame stands at. */
static void search_depart(struct lbi_search *s, uint32_t depth)
{
    const struct lbi_frame *frame = &s->explorer->frames[depth];
    uint32_t first = depth == 0 ? 0 : s->explorer->frames[depth - 1].position + 1;
    LB_ASSERT(frame->position >= first);
    s->departures[depth] = (struct lb_sim_departure){
        .kind = LB_SIM_AFTER, .choice = frame->choice, .skip = (uint16_t)(frame->position - first)};
    s->departure_count = depth + 1;
}

/* step_departed: the first step behind the departure at a frame's position; NULL: whoever stood there
 * did so at a block or at its end, and not at a point. */
static const struct lb_sim_step *step_departed(const struct lb_sim_step *steps, size_t count,
                                               uint32_t position)
{
    size_t i = 0;
    while (i < count && steps[i].decisions < position + 1) {
        i++;
    }
    bool is_there = i > 0 && i < count && steps[i].decisions == position + 1 && !steps[i].is_kept;
    return is_there && !steps[i - 1].has_blocked ? &steps[i] : NULL;
}

/* search_sleep: a leaf has run; lets those sleep that it stands for. */
static void search_sleep(struct lbi_search *s, struct lbi_frame *frame)
{
    const struct lb_sim_step *steps = s->explorer->steps;
    size_t count = lb_runner_noted_steps(s->explorer->runner);
    if (count > LBI_EXPLORE_STEPS_MAX) {
        return;
    }
    const struct lb_sim_step *step = step_departed(steps, count, frame->position);
    if (step == NULL) {
        return;
    }
    int32_t worker = step[-1].worker;
    uint64_t touched = 0;
    while (step < steps + count && step->worker != worker) {
        touched |= step->touched;
        step++;
    }
    /* what its worker did from where it stood to its next point, and on: could it have come first? */
    uint32_t position = frame->position + 1;
    while (step < steps + count && step->worker == worker && !step->has_blocked &&
           !step->has_released && (step->touched & touched) == 0 &&
           position < frame->decision_count) {
        LB_ASSERT(frame->alternatives[position] == frame->alternatives[frame->position]);
        frame->asleep[position] |= (uint8_t)(1u << frame->choice);
        position++;
        step++;
    }
}

/* search_leaves: the last demotion of a schedule, from where its frame stands on. */
static void search_leaves(struct lbi_search *s, uint32_t depth)
{
    struct lbi_frame *frame = &s->explorer->frames[depth];
    LB_ASSERT(frame->decision_count <= LB_EXPLORE_DECISIONS_MAX);
    memset(frame->asleep, 0, frame->decision_count);
    if (s->options->may_sleep) {
        lb_runner_watch_steps(s->explorer->runner, s->explorer->steps, LBI_EXPLORE_STEPS_MAX);
    }
    while (!s->is_over && frame_next(frame)) {
        struct lb_result result;
        if ((frame->asleep[frame->position] & 1u << frame->choice) != 0) {
            s->found->slept_count++;
        } else {
            search_depart(s, depth);
            lbi_search_run(s, NULL, &result);
            if (s->options->may_sleep) {
                search_sleep(s, frame);
            }
            lbi_search_count(s, &result);
        }
        frame->choice++;
    }
    lb_runner_watch_steps(s->explorer->runner, NULL, 0);
}

void lbi_search_delays(struct lbi_search *s, uint32_t bound)
{
    LB_ASSERT(bound >= 1);
    LB_ASSERT(bound <= LB_EXPLORE_DELAYS_MAX);
    struct lbi_frame *frames = s->explorer->frames;
    struct lb_result result;
    uint32_t depth = 0;
    s->departure_count = 0;
    lbi_search_run(s, &frames[0], &result);
    frames[0].position = 0;
    while (!s->is_over) {
        bool is_leaf = depth + 1 == bound;
        if (is_leaf) {
            search_leaves(s, depth);
        }
        if (is_leaf || !frame_next(&frames[depth])) {
            if (depth == 0) {
                break;
            }
            depth--;
            frames[depth].choice++;
            continue;
        }
        search_depart(s, depth);
        uint32_t behind = frames[depth].position + 1;
        depth++;
        lbi_search_run(s, &frames[depth], &result);
        frames[depth].position = behind;
    }
}

/* -- deviations -- */

/* rank_is_new: whether a rank moves a worker: the others stand in the order of their start. */
static bool rank_is_new(const struct lbi_search *s, uint32_t worker, uint32_t rank)
{
    return rank != worker && rank != worker + 1 && rank <= s->found->worker_max;
}

static struct lb_sim_departure rank_of(uint32_t worker, uint32_t rank)
{
    LB_ASSERT(worker < LB_EXPLORE_WORKERS_MAX);
    LB_ASSERT(rank < LB_EXPLORE_RANKS);
    return (struct lb_sim_departure){
        .kind = LB_SIM_PRIORITY, .worker = (uint16_t)worker, .priority = (uint8_t)rank};
}

/* search_rank: one rank, alone, then with each demotion. */
static void search_rank(struct lbi_search *s, uint32_t worker, uint32_t rank)
{
    struct lbi_frame *frame = &s->explorer->frames[0];
    struct lb_result result;
    s->departures[0] = rank_of(worker, rank);
    s->departure_count = 1;
    lbi_search_run(s, frame, &result);
    lbi_search_count(s, &result);
    frame->position = 0;
    while (!s->is_over && frame_next(frame)) {
        s->departures[1] = (struct lb_sim_departure){
            .kind = LB_SIM_AFTER, .choice = frame->choice, .skip = (uint16_t)frame->position};
        s->departure_count = 2;
        lbi_search_run(s, NULL, &result);
        lbi_search_count(s, &result);
        frame->choice++;
    }
}

/* search_two_ranks: one rank, and each rank of a worker that was started later. */
static void search_two_ranks(struct lbi_search *s, uint32_t worker, uint32_t rank,
                             uint32_t worker_count)
{
    for (uint32_t i = worker + 1; i < worker_count; i++) {
        for (uint32_t j = 0; j < LB_EXPLORE_RANKS && !s->is_over; j++) {
            struct lb_result result;
            if (rank_is_new(s, i, j)) {
                s->departures[0] = rank_of(worker, rank);
                s->departures[1] = rank_of(i, j);
                s->departure_count = 2;
                lbi_search_run(s, NULL, &result);
                lbi_search_count(s, &result);
            }
        }
    }
}

void lbi_search_deviations(struct lbi_search *s)
{
    uint32_t workers = s->found->worker_max;
    uint32_t count = workers < LB_EXPLORE_RANKS ? workers : LB_EXPLORE_RANKS;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < LB_EXPLORE_RANKS && !s->is_over; j++) {
            if (rank_is_new(s, i, j)) {
                search_rank(s, i, j);
            }
            if (rank_is_new(s, i, j) && !s->is_over) {
                search_two_ranks(s, i, j, count);
            }
        }
    }
}

/* -- draws -- */

/* random_next: splitmix64. */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint32_t random_below(uint64_t *state, uint32_t bound)
{
    LB_ASSERT(bound > 0);
    return (uint32_t)(random_next(state) % bound);
}

/* draw_demotions: `count` different decisions of the first `bound`, in order, behind the ranks. */
static void draw_demotions(struct lbi_search *s, uint64_t *state, uint32_t count, uint32_t bound)
{
    uint32_t places[LB_EXPLORE_PCT_COUNT];
    uint32_t next = 0;
    LB_ASSERT(count <= LB_EXPLORE_PCT_COUNT);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = random_below(state, bound);
        uint32_t at = i;
        for (; at > 0 && places[at - 1] > place; at--) {
            places[at] = places[at - 1];
        }
        places[at] = place;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t skip = places[i] > next ? places[i] - next : 0;
        s->departures[s->departure_count++] = (struct lb_sim_departure){
            .kind = LB_SIM_AFTER, .skip = (uint16_t)(skip < UINT16_MAX ? skip : UINT16_MAX)};
        next += skip + 1;
    }
}

/* draw_pct: ranks, and d - 1 demotions. Each worker is the last of all with the same chance: the first
 * eight by their order, the j-th of the others with 1 / (j + 1), which leaves as much to those before. */
static void draw_pct(struct lbi_search *s, uint64_t *state, uint32_t d)
{
    uint8_t ranks[LB_EXPLORE_RANKS];
    uint32_t workers = s->found->worker_max;
    uint32_t most = LB_EXPLORE_WORKERS_MAX;
    LB_ASSERT(d >= 2);
    s->departure_count = 0;
    for (uint32_t i = 0; i < LB_EXPLORE_RANKS; i++) {
        uint32_t j = random_below(state, i + 1);
        ranks[i] = ranks[j];
        ranks[j] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < LB_EXPLORE_RANKS; i++) {
        s->departures[s->departure_count++] = rank_of(i, ranks[i]);
    }
    for (uint32_t i = LB_EXPLORE_RANKS; i < workers && i < most; i++) {
        if (random_below(state, i + 1) > 0) {
            s->departures[s->departure_count++] = rank_of(i, random_below(state, LB_EXPLORE_RANKS));
        }
    }
    draw_demotions(s, state, d - 1, s->found->decision_max + (s->found->decision_max == 0));
}

/* draw_walk: whoever, for as many decisions as a schedule has room for; in a long run from a random one
 * on. */
static void draw_walk(struct lbi_search *s, uint64_t *state)
{
    uint32_t most = s->found->decision_max;
    uint32_t skip = most <= LB_EXPLORE_DEPARTURES_MAX
                        ? 0
                        : random_below(state, most - LB_EXPLORE_DEPARTURES_MAX + 1);
    uint32_t left = most > skip ? most - skip : 0;
    s->departure_count = 0;
    for (; left > 0 && s->departure_count < LB_EXPLORE_DEPARTURES_MAX; left--) {
        uint32_t who = random_below(state, 3);
        if (who == 0) {
            skip++;
            continue;
        }
        s->departures[s->departure_count++] =
            (struct lb_sim_departure){.kind = LB_SIM_AFTER,
                                      .choice = (uint8_t)(who - 1),
                                      .skip = (uint16_t)(skip < UINT16_MAX ? skip : UINT16_MAX)};
        skip = 0;
    }
}

void lbi_search_draws(struct lbi_search *s)
{
    uint64_t state = s->options->seed;
    bool has_pct = (s->options->drivers & 1u << LB_DRIVER_PCT) != 0;
    bool has_walk = (s->options->drivers & 1u << LB_DRIVER_WALK) != 0;
    uint64_t count = has_pct || has_walk ? s->options->draw_count : 0;
    for (uint64_t i = 0; i < count && !s->is_over; i++) {
        struct lb_result result;
        bool is_walk = has_walk && (!has_pct || i % (LB_EXPLORE_PCT_COUNT + 1) == 3);
        uint32_t depth =
            (uint32_t)(i % (has_walk ? LB_EXPLORE_PCT_COUNT + 1 : LB_EXPLORE_PCT_COUNT));
        s->driver = is_walk ? LB_DRIVER_WALK : LB_DRIVER_PCT;
        if (is_walk) {
            draw_walk(s, &state);
        } else {
            draw_pct(s, &state, depth + 2);
            s->found->pct_counts[depth]++;
        }
        lbi_search_run(s, NULL, &result);
        lbi_search_count(s, &result);
    }
}
