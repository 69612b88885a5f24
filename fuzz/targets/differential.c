/*
 * The fuzz target of choices that a program may not notice.
 *
 * Surface: the scheduler's order, and whether bodies that are closed early are drained.
 * Input:   a case in bytes (codec.h). A nanosecond passes before each line of the program, and
 *          no time-out ends in the moment of something else, so that what is left to race is within one
 *          line; its schedule does not count.
 * Claims:  the rules hold, and the program sees the same, line by line,
 *          - whether workers run until they block or take turns;
 *          - whether bodies closed early are drained or not, up to the first such close, behind which
 *            another connection serves the next request.
 *
 * Not where a difference is lawful: a reset takes with it what was not read by then; what a server says
 * unasked, as soon as it is connected, races with the request; a source that fails, ends or waits races with
 * a server that answers early; and what is compared ends at a line with `&`, which is there to race.
 */
#include "page.h"

#include <string.h>

#include "core/assert.h"
#include "operations.h"

#define MILLISECOND UINT64_C(1000000)
#define DRAIN_SIZE 4096u
#define TURNS LB_SIM_DEPARTURES_MAX /* departures of the schedule that takes turns */

/* space_lines: a nanosecond in front of each line of the program, in which all others run until they
 * wait. (`settle` would wait for them, too, but also for the time-outs of idle connections.) */
static void space_lines(struct lb_case *c)
{
    uint32_t count = c->client.count;
    struct lb_line *lines = lb_case_alloc(c, 2 * (size_t)count * sizeof(*lines) + 1);
    LB_ASSERT(2 * count <= LB_CASE_LINES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        lines[2 * i] =
            (struct lb_line){.verb = LB_VERB_ADVANCE, .request = -1, .host = -1, .time_ns = 1};
        lines[2 * i + 1] = c->client.lines[i];
    }
    c->client = (struct lb_lines){.lines = lines, .count = 2 * count};
}

static uint64_t whole(uint64_t time_ns)
{
    return time_ns < MILLISECOND ? MILLISECOND : time_ns - time_ns % MILLISECOND;
}

/* part_times: servers and the program wait whole milliseconds, time-outs end some hundreds of nanoseconds
 * beside them, so that nothing happens in the moment in which a time is over. */
static void part_times(struct lb_case *c)
{
    for (uint32_t i = 0; i < c->host_count; i++) {
        for (uint32_t k = 0; k < c->hosts[i].conn_count; k++) {
            const struct lb_lines *script = &c->hosts[i].conns[k].script;
            for (uint32_t j = 0; j < script->count; j++) {
                if (script->lines[j].verb == LB_VERB_PAUSE) {
                    script->lines[j].time_ns = whole(script->lines[j].time_ns);
                }
            }
        }
    }
    for (uint32_t i = 0; i < c->client.count; i++) {
        struct lb_line *line = &c->client.lines[i];
        if (line->time_ns > 0) {
            uint64_t beside =
                lb_verb_is_request(line->verb) ? 401 + 7 * (uint64_t)line->request : 0;
            line->time_ns = whole(line->time_ns) + beside;
        }
    }
    for (uint32_t i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        bool is_time =
            lbi_operation_row(lbi_operation_of_option((enum lb_case_option)i))->operands[0] ==
            LBI_OPERAND_TIME;
        if (is_time && c->is_option_set[i] && c->options[i] != LB_NEVER && c->options[i] > 0) {
            c->options[i] = whole(c->options[i]) + 601 + 11 * i;
        }
    }
}

/* speaks_first: whether a server sends or ends something before it was asked anything. */
static bool speaks_first(const struct lb_case *c)
{
    for (uint32_t i = 0; i < c->host_count; i++) {
        for (uint32_t k = 0; k < c->hosts[i].conn_count; k++) {
            const struct lb_lines *script = &c->hosts[i].conns[k].script;
            uint32_t first = 0;
            while (first < script->count && script->lines[first].verb == LB_VERB_PAUSE) {
                first++;
            }
            enum lb_verb verb = first < script->count ? script->lines[first].verb : LB_VERB_STALL;
            if (verb != LB_VERB_WANT && verb != LB_VERB_SERVE && verb != LB_VERB_STALL &&
                verb != LB_VERB_REFUSE) {
                return true;
            }
        }
    }
    return false;
}

/* comparable: how many lines of the program turns may not change. */
static uint32_t comparable(const struct lb_case *c)
{
    uint32_t count = 0;
    while (count < c->client.count && !lbi_line_may_race(&c->client.lines[count]) &&
           !c->client.lines[count].is_background) {
        count++;
    }
    return lbi_case_has_reset(c) || speaks_first(c) ? 0 : count;
}

/* first_close: the first line at which draining may begin to matter. */
static uint32_t first_close(const struct lb_case *c)
{
    for (uint32_t i = 0; i < c->client.count; i++) {
        if (c->client.lines[i].verb == LB_VERB_CLOSE) {
            return i;
        }
    }
    return c->client.count;
}

/* run_other: a second run; false: it broke a rule, which is what there is to report. */
static bool run_other(struct lb_target *target, const struct lb_variant *variant,
                      struct lb_result *result)
{
    lbi_target_run(target, &target->c, variant, &target->second);
    if (target->second.finding_count > 0) {
        *result = target->second;
        return false;
    }
    return true;
}

LB_TARGET_PAGE(differential)
{
    struct lb_sim_departure turns[TURNS];
    struct lb_variant variant = {.name = "base"};
    struct lb_case *c = &target->c;
    lb_codec_decode(bytes, size, c);
    part_times(c);
    space_lines(c);
    uint32_t count = comparable(c);
    uint32_t first = first_close(c);
    c->departure_count = 0;
    variant.slice = c->slice_count > 0 ? c->slices[0] : 0;
    lb_runner_watch_outcomes(target->runner, target->outcomes[0]);
    lbi_target_run(target, c, &variant, ret_result);
    if (ret_result->finding_count > 0) {
        return;
    }
    lb_runner_watch_outcomes(target->runner, target->outcomes[1]);
    memset(turns, 0, sizeof(turns));
    for (uint32_t i = 0; i < TURNS; i++) {
        turns[i].kind = LB_SIM_AFTER; /* each decision takes the next in line */
    }
    variant.departures = turns;
    variant.departure_count = TURNS;
    if (!run_other(target, &variant, ret_result)) {
        return;
    }
    lbi_target_compare(target, count, "turns", ret_result);
    variant.departures = NULL;
    variant.departure_count = 0;
    bool is_drained =
        c->is_option_set[LB_CASE_OPTION_DRAIN] && c->options[LB_CASE_OPTION_DRAIN] > 0;
    c->is_option_set[LB_CASE_OPTION_DRAIN] = true;
    c->options[LB_CASE_OPTION_DRAIN] = is_drained ? 0 : DRAIN_SIZE;
    if (run_other(target, &variant, ret_result)) {
        lbi_target_compare(target, count < first ? count : first, "drain", ret_result);
    }
}
