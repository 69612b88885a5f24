/*
 * Exploration: runs, the certificate, and the reduction of what fails.
 *
 * Mental model: a run under a schedule tells how many decisions it took and how many workers could have
 * run at each. The drivers (explore_drivers.c) make schedules of that; here they are run, counted, and the
 * first that fails is made as short as it can be.
 *
 * Invariants: a run is counted once; the search is over at the first bad verdict; what is reported as a
 * failure was run in its reduced form, and showed the same.
 */
#include "explore_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "sim/sim.h"

#define SEEN_FIRST 1024u /* places of a fresh set of hashes */

const char *lb_driver_word(enum lb_driver driver)
{
    static const char *const words[LB_DRIVER_COUNT] = {"delays", "deviations", "pct", "walk"};
    LB_ASSERT((unsigned)driver < LB_DRIVER_COUNT);
    return words[driver];
}

static bool seen_init(struct lbi_seen *seen)
{
    *seen = (struct lbi_seen){calloc(SEEN_FIRST, sizeof *seen->places), SEEN_FIRST, 0};
    return seen->places != NULL;
}

static void seen_clear(struct lbi_seen *seen)
{
    memset(seen->places, 0, seen->capacity * sizeof *seen->places);
    seen->count = 0;
}

/* seen_place: where a hash stands, or would. */
static uint64_t *seen_place(const struct lbi_seen *seen, uint64_t hash)
{
    size_t at = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (seen->capacity - 1);
    while (seen->places[at] != 0 && seen->places[at] != hash) {
        at = (at + 1) & (seen->capacity - 1);
    }
    return &seen->places[at];
}

/* seen_key: a hash as it stands in a set, in which 0 is no hash. */
static uint64_t seen_key(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

static void seen_add(struct lbi_seen *seen, uint64_t hash)
{
    hash = seen_key(hash);
    if ((seen->count + 1) * 2 > seen->capacity) {
        struct lbi_seen grown = {calloc(seen->capacity * 2, sizeof *grown.places),
                                 seen->capacity * 2, seen->count};
        LB_ASSERT(grown.places != NULL);
        for (size_t i = 0; i < seen->capacity; i++) {
            if (seen->places[i] != 0) {
                *seen_place(&grown, seen->places[i]) = seen->places[i];
            }
        }
        free(seen->places);
        *seen = grown;
    }
    uint64_t *place = seen_place(seen, hash);
    seen->count += *place == 0 ? 1 : 0;
    *place = hash;
}

/* seen_sum: a hash of a set, whatever the order in which it was filled. */
static uint64_t seen_sum(const struct lbi_seen *seen)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < seen->capacity; i++) {
        sum += seen->places[i] * UINT64_C(0xd6e8feb86659fd93);
    }
    return sum;
}

void lbi_search_run(struct lbi_search *s, struct lbi_frame *frame, struct lb_result *ret_result)
{
    const struct lb_variant variant = {s->options->slice, s->departures, s->departure_count,
                                       LB_EXPLORED, NULL};
    if (s->options->go_on != NULL) {
        s->is_stopped |= !s->options->go_on(s->options->context, s->departures, s->departure_count);
    }
    if (frame != NULL) {
        lb_runner_watch_decisions(s->explorer->runner, frame->alternatives,
                                  LB_EXPLORE_DECISIONS_MAX);
    }
    lb_runner_run(s->explorer->runner, s->c, &variant, NULL, ret_result);
    lb_runner_watch_decisions(s->explorer->runner, NULL, 0);
    if (frame != NULL) {
        bool is_beyond = ret_result->decisions > LB_EXPLORE_DECISIONS_MAX;
        s->found->is_beyond |= is_beyond;
        frame->decision_count =
            is_beyond ? LB_EXPLORE_DECISIONS_MAX : (uint32_t)ret_result->decisions;
        frame->choice = 0;
    }
}

void lbi_search_count(struct lbi_search *s, const struct lb_result *result)
{
    struct lb_explore *found = s->found;
    uint32_t decisions = (uint32_t)result->decisions;
    seen_add(&s->explorer->traces, result->trace_hash);
    seen_add(&s->explorer->outcomes, result->outcome_hash);
    seen_add(&s->explorer->worlds, result->world_hash);
    found->schedule_count++;
    found->driver_counts[s->driver] += s->is_base ? 0 : 1;
    found->decision_max = decisions > found->decision_max ? decisions : found->decision_max;
    found->worker_max = result->workers > found->worker_max ? result->workers : found->worker_max;
    if (found->schedule_count == 1 || result->verdict > found->verdict) {
        found->verdict = result->verdict;
        found->driver = s->driver;
        found->is_base = s->is_base;
        found->result = *result;
        found->departure_count = s->departure_count;
        memcpy(found->departures, s->departures, sizeof s->departures);
    }
    bool is_limit =
        s->options->schedule_max > 0 && found->schedule_count >= s->options->schedule_max;
    s->is_over = lb_verdict_is_bad(found->verdict) || is_limit || s->is_stopped;
}

/* -- reduction -- */

/* is_same: whether a run shows what the failure shows. */
static bool is_same(const struct lb_result *a, const struct lb_result *b)
{
    bool has_finding = a->finding_count > 0;
    return a->verdict == b->verdict && a->line == b->line &&
           has_finding == (b->finding_count > 0) &&
           (!has_finding || strcmp(a->findings[0].rule, b->findings[0].rule) == 0);
}

/* search_try: runs the schedule as it stands, and keeps it if it fails as the failure does. */
static bool search_try(struct lbi_search *s)
{
    struct lb_explore *found = s->found;
    struct lb_result result;
    lbi_search_run(s, NULL, &result);
    if (!is_same(&result, &found->result)) {
        return false;
    }
    found->departure_count = s->departure_count;
    memcpy(found->departures, s->departures, sizeof s->departures);
    found->result = result;
    return true;
}

/* search_without: the failing schedule without one departure; `is_placed`: those behind it stay at
 * their decisions. */
static void search_without(struct lbi_search *s, uint32_t position, bool is_placed)
{
    const struct lb_explore *found = s->found;
    const struct lb_sim_departure *gone = &found->departures[position];
    uint32_t behind = found->departure_count - position - 1;
    LB_ASSERT(position < found->departure_count);
    s->departure_count = found->departure_count - 1;
    memcpy(s->departures, found->departures, sizeof s->departures);
    memmove(&s->departures[position], &s->departures[position + 1],
            behind * sizeof s->departures[0]);
    for (uint32_t i = position; is_placed && i < s->departure_count; i++) {
        if (gone->kind == LB_SIM_AFTER && s->departures[i].kind == LB_SIM_AFTER) {
            uint32_t skip = s->departures[i].skip + gone->skip + 1u;
            s->departures[i].skip = (uint16_t)(skip < UINT16_MAX ? skip : UINT16_MAX);
            return;
        }
    }
}

/* search_reduce: leaves departures out of a failing schedule for as long as it still fails so, then
 * lets the best worker run where another one did. */
static void search_reduce(struct lbi_search *s)
{
    struct lb_explore *found = s->found;
    bool is_smaller = true;
    while (is_smaller) {
        is_smaller = false;
        for (uint32_t i = found->departure_count; i > 0; i--) {
            search_without(s, i - 1, true);
            bool is_kept = search_try(s);
            if (!is_kept) {
                search_without(s, i - 1, false);
                is_kept = search_try(s);
            }
            is_smaller |= is_kept;
        }
    }
    for (uint32_t i = 0; i < found->departure_count; i++) {
        if (found->departures[i].kind == LB_SIM_AFTER && found->departures[i].choice > 0) {
            s->departure_count = found->departure_count;
            memcpy(s->departures, found->departures, sizeof s->departures);
            s->departures[i].choice = 0;
            (void)search_try(s);
        }
    }
}

/* -- a search -- */

/* search_own: a case with a schedule of its own has that one alone. */
static void search_own(struct lbi_search *s)
{
    struct lb_result result;
    const struct lb_case *c = s->c;
    LB_ASSERT(c->departure_count <= LB_SIM_DEPARTURES_MAX);
    const struct lb_variant own = {s->options->slice, c->departures, c->departure_count, "own",
                                   NULL};
    lb_runner_run(s->explorer->runner, c, &own, NULL, &result);
    lbi_search_count(s, &result);
    s->found->delay_complete = 0;
    s->found->is_complete = true;
}

/* search_bounds: the schedules of `first` to `last` demotions. */
static void search_bounds(struct lbi_search *s, uint32_t first, uint32_t last)
{
    struct lb_explore *found = s->found;
    s->driver = LB_DRIVER_DELAYS;
    for (uint32_t bound = first; bound <= last && !s->is_over; bound++) {
        uint64_t before = found->schedule_count + found->slept_count;
        lbi_search_delays(s, bound);
        if (!s->is_over && !found->is_beyond) {
            found->delay_complete = bound;
            found->delay_size += found->schedule_count + found->slept_count - before;
        }
    }
}

/* search_all: the base schedule, then each driver that is asked for. What takes longest comes last, so
 * that a limit leaves something to each. */
static void search_all(struct lbi_search *s)
{
    const struct lb_explore_options *options = s->options;
    struct lb_explore *found = s->found;
    struct lb_result result;
    bool has_delays = (options->drivers & 1u << LB_DRIVER_DELAYS) != 0;
    bool has_deviations = (options->drivers & 1u << LB_DRIVER_DEVIATIONS) != 0;
    uint32_t most = has_delays ? options->delay_max : 0;
    lbi_search_run(s, NULL, &result);
    lbi_search_count(s, &result);
    found->delay_size = 1;
    s->is_base = false;
    search_bounds(s, 1, most < 2 ? most : 2);
    if (has_deviations && !s->is_over) {
        s->driver = LB_DRIVER_DEVIATIONS;
        lbi_search_deviations(s);
        found->is_deviated = !s->is_over && !found->is_beyond;
    }
    if (!s->is_over) {
        lbi_search_draws(s);
    }
    search_bounds(s, 3, most);
    found->is_complete = !s->is_over && !found->is_beyond;
}

void lb_explore(struct lb_explorer *explorer, const struct lb_case *c,
                const struct lb_explore_options *options, struct lb_explore *ret_explore)
{
    LB_ASSERT(options->delay_max <= LB_EXPLORE_DELAYS_MAX);
    LB_ASSERT((options->drivers & ~LB_DRIVERS_ALL) == 0);
    struct lbi_search s = {
        .explorer = explorer, .c = c, .options = options, .found = ret_explore, .is_base = true};
    memset(ret_explore, 0, sizeof *ret_explore);
    seen_clear(&explorer->traces);
    seen_clear(&explorer->outcomes);
    seen_clear(&explorer->worlds);
    memset(explorer->tuples, 0, sizeof explorer->tuples);
    lb_runner_watch_alternatives(explorer->runner, options->taken);
    lb_runner_cover_switches(explorer->runner, explorer->tuples, LBI_EXPLORE_TUPLES);
    if (c->departure_count > 0) {
        search_own(&s);
    } else {
        search_all(&s);
    }
    for (size_t i = 0; i < LBI_EXPLORE_TUPLES; i++) {
        ret_explore->tuple_count += explorer->tuples[i] != 0 ? 1 : 0;
    }
    if (lb_verdict_is_bad(ret_explore->verdict) && c->departure_count == 0) {
        search_reduce(&s);
    }
    lb_runner_watch_alternatives(explorer->runner, NULL);
    lb_runner_cover_switches(explorer->runner, NULL, 0);
    ret_explore->trace_count = explorer->traces.count;
    ret_explore->outcome_count = explorer->outcomes.count;
    ret_explore->outcome_set = seen_sum(&explorer->outcomes);
    ret_explore->world_count = explorer->worlds.count;
    ret_explore->world_set = seen_sum(&explorer->worlds);
}

enum lb_status lb_explorer_new(struct lb_explorer **ret_explorer)
{
    struct lb_explorer *explorer = calloc(1, sizeof *explorer);
    if (explorer == NULL) {
        return LB_MEMORY;
    }
    if (!seen_init(&explorer->traces) || !seen_init(&explorer->outcomes) ||
        !seen_init(&explorer->worlds) || lb_runner_new(&explorer->runner) != LB_OK) {
        lb_explorer_free(&explorer);
        return LB_MEMORY;
    }
    *ret_explorer = explorer;
    return LB_OK;
}

void lb_explorer_free(struct lb_explorer **explorer_pointer)
{
    struct lb_explorer *explorer = *explorer_pointer;
    *explorer_pointer = NULL;
    if (explorer == NULL) {
        return;
    }
    lb_runner_free(&explorer->runner);
    free(explorer->traces.places);
    free(explorer->outcomes.places);
    free(explorer->worlds.places);
    free(explorer);
}

bool lb_explorer_has_outcome(const struct lb_explorer *explorer, uint64_t outcome_hash)
{
    LB_ASSERT(explorer != NULL);
    return *seen_place(&explorer->outcomes, seen_key(outcome_hash)) != 0;
}

double lb_explore_guarantee(const struct lb_explore *explore, uint32_t d)
{
    double chance = 1.0;
    LB_ASSERT(d >= 2);
    LB_ASSERT(d < 2 + LB_EXPLORE_PCT_COUNT);
    if (explore->worker_max == 0 || explore->worker_max > LB_EXPLORE_WORKERS_MAX ||
        explore->decision_max == 0) {
        return 0.0;
    }
    for (uint32_t i = 1; i < d; i++) {
        chance /= explore->decision_max;
    }
    return chance / explore->worker_max;
}

/* -- schedules that last -- */

/* anchors_make: the departures as they took effect in the last run. */
static void anchors_make(const struct lb_explorer *explorer, const struct lb_explore *explore,
                         struct lb_sim_departure ret_anchors[LB_EXPLORE_DEPARTURES_MAX])
{
    LB_ASSERT(explore->departure_count <= LB_EXPLORE_DEPARTURES_MAX);
    for (uint32_t i = 0; i < explore->departure_count; i++) {
        if (!lb_runner_anchor(explorer->runner, i, &ret_anchors[i])) {
            LB_MAYBE(explore->departures[i].kind == LB_SIM_AFTER); /* it has had no effect */
            ret_anchors[i] = explore->departures[i];
        }
    }
}

/* anchors_print: departures as `schedule` lines. */
static void anchors_print(const struct lb_sim_departure *departures, uint32_t count, char *ret_text,
                          size_t size)
{
    static const char *const choices[] = {"", " second", " third"};
    size_t at = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        const struct lb_sim_departure *d = &departures[i];
        int used = 0;
        if (d->kind == LB_SIM_ANCHOR) {
            used = snprintf(ret_text + at, size - at, "schedule demote %s(%s) @ %s #%u%s\n",
                            lb_role_word(d->role), d->label, lb_site_label(d->site), d->occurrence,
                            choices[d->choice]);
        } else if (d->kind == LB_SIM_PRIORITY) {
            used = snprintf(ret_text + at, size - at, "schedule start %u %u\n", d->worker,
                            d->priority);
        }
        at += used > 0 && (size_t)used < size - at ? (size_t)used : 0;
    }
}

bool lb_explore_anchors(struct lb_explorer *explorer, const struct lb_case *c,
                        const struct lb_explore_options *options, const struct lb_explore *explore,
                        char *ret_text, size_t size)
{
    struct lb_result result;
    struct lb_sim_departure anchors[LB_EXPLORE_DEPARTURES_MAX];
    struct lb_variant variant = {options->slice, explore->departures, explore->departure_count,
                                 LB_EXPLORED, NULL};
    LB_ASSERT(size > 0);
    lb_runner_run(explorer->runner, c, &variant, NULL, &result);
    anchors_make(explorer, explore, anchors);
    anchors_print(anchors, explore->departure_count, ret_text, size);
    bool is_verified = true;
    variant.departures = anchors;
    for (int i = 0; i < 2; i++) {
        lb_runner_run(explorer->runner, c, &variant, NULL, &result);
        is_verified = is_verified && is_same(&result, &explore->result);
    }
    return is_verified;
}
