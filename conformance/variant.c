/*
 * The default set of variants: what `check` runs of each case.
 *
 * Each slice runs under the base schedule and under a fixed set of others, which move where workers
 * stand to each other: each of the first workers started last in rank, and single departures spread
 * over the decisions of a short run. A case with a schedule of its own runs under that alone.
 */
#include <stddef.h>
#include <string.h>

#include "core/assert.h"
#include "run.h"
#include "sim/net.h"

/* A schedule of the default set. */
struct schedule {
    const char *name;
    uint32_t count;
    struct lb_sim_departure departures[2];
};

#define AFTER(skip_, choice_)                                                                      \
    {                                                                                              \
        .kind = LB_SIM_AFTER, .skip = (skip_), .choice = (choice_)                                 \
    }
#define PRIORITY(worker_, priority_)                                                               \
    {                                                                                              \
        .kind = LB_SIM_PRIORITY, .worker = (worker_), .priority = (priority_)                      \
    }

static const struct schedule schedules[] = {
    {"base", 0, {{0}}},
    {"after-0", 1, {AFTER(0, 0)}},
    {"after-1", 1, {AFTER(1, 0)}},
    {"after-2", 1, {AFTER(2, 0)}},
    {"after-3", 1, {AFTER(3, 0)}},
    {"after-5", 1, {AFTER(5, 0)}},
    {"after-8", 1, {AFTER(8, 0)}},
    {"after-13", 1, {AFTER(13, 0)}},
    {"after-21", 1, {AFTER(21, 0)}},
    {"after-34", 1, {AFTER(34, 0)}},
    {"after-2-3", 2, {AFTER(2, 0), AFTER(3, 0)}},
    {"after-4-second", 1, {AFTER(4, 1)}},
    {"after-7-7", 2, {AFTER(7, 0), AFTER(7, 0)}},
    {"after-11-second", 1, {AFTER(11, 1)}},
    {"first-3", 1, {PRIORITY(3, 0)}},
    {"first-4", 1, {PRIORITY(4, 0)}},
};

#define SCHEDULE_COUNT (sizeof schedules / sizeof schedules[0])

bool lb_check_variant(const struct lb_case *c, uint32_t index, struct lb_variant *ret_variant)
{
    uint32_t slice_count = c->slice_count == 0 ? 1 : c->slice_count;
    uint32_t schedule_count = c->departure_count > 0 ? 1 : (uint32_t)SCHEDULE_COUNT;
    if (index >= slice_count * schedule_count) {
        return false;
    }
    const struct schedule *schedule = &schedules[index % schedule_count];
    ret_variant->fault = NULL;
    ret_variant->slice = c->slice_count == 0 ? 0 : c->slices[index / schedule_count];
    if (c->departure_count > 0) {
        ret_variant->departures = c->departures;
        ret_variant->departure_count = c->departure_count;
        ret_variant->name = "own";
    } else {
        ret_variant->departures = schedule->departures;
        ret_variant->departure_count = schedule->count;
        ret_variant->name = schedule->name;
    }
    return true;
}

/* note_merge: adds what one variant took; the notes stay in the order of their places. */
static void note_merge(struct lb_check *check, const struct lb_note *note)
{
    uint32_t at = 0;
    while (at < check->note_count && check->notes[at].line != note->line) {
        at++;
    }
    if (at < check->note_count) {
        check->notes[at].taken |= note->taken;
        return;
    }
    if (check->note_count == LB_NOTES_MAX) {
        return;
    }
    for (; at > 0 && check->notes[at - 1].line->place > note->line->place; at--) {
        check->notes[at] = check->notes[at - 1];
    }
    check->notes[at] = *note;
    check->note_count++;
}

void lb_check_case(struct lb_runner *runner, const struct lb_case *c, struct lb_check *ret_check)
{
    LB_ASSERT(ret_check != NULL);
    ret_check->verdict = LB_VERDICT_PASS;
    ret_check->variant_count = 0;
    ret_check->note_count = 0;
    struct lb_variant variant;
    while (lb_check_variant(c, ret_check->variant_count, &variant)) {
        struct lb_result result;
        lb_runner_run(runner, c, &variant, NULL, &result);
        if (ret_check->variant_count == 0 || result.verdict > ret_check->verdict) {
            ret_check->verdict = result.verdict;
            ret_check->worst = variant;
            ret_check->result = result;
        }
        for (uint32_t i = 0; i < result.note_count; i++) {
            note_merge(ret_check, &result.notes[i]);
        }
        ret_check->variant_count++;
    }
    LB_ASSERT(ret_check->variant_count > 0);
}
