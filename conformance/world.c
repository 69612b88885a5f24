/*
 * What every part of a run needs of its world: what to file findings and failures under, the options
 * and signals of its case.
 *
 * A finding is filed once per rule and context, in the order of discovery; the verdict only ever gets
 * graver.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"

void lb_world_grade(struct lb_world *world, enum lb_verdict verdict)
{
    if (verdict > world->result->verdict) {
        world->result->verdict = verdict;
    }
}

/* rule_verdict: workers, sockets and memory that stay behind are leaks; the rest is failure. */
static enum lb_verdict rule_verdict(const char *rule)
{
    bool is_leak = strcmp(rule, "E1") == 0 || strcmp(rule, "E2") == 0 || strcmp(rule, "E3") == 0;
    return is_leak ? LB_VERDICT_LEAK : LB_VERDICT_FAIL;
}

void lb_world_find(struct lb_world *world, const char *rule, const char *context,
                   const char *detail, ...)
{
    struct lb_result *result = world->result;
    for (uint32_t i = 0; i < result->finding_count; i++) {
        if (strcmp(result->findings[i].rule, rule) == 0 &&
            strcmp(result->findings[i].context, context) == 0) {
            return;
        }
    }
    lb_world_grade(world, rule_verdict(rule));
    if (result->finding_count == LB_FINDINGS_MAX) {
        return;
    }
    struct lb_finding *finding = &result->findings[result->finding_count++];
    snprintf(finding->rule, sizeof finding->rule, "%s", rule);
    snprintf(finding->context, sizeof finding->context, "%s", context);
    va_list arguments;
    va_start(arguments, detail);
    vsnprintf(finding->detail, sizeof finding->detail, detail, arguments);
    va_end(arguments);
}

bool lb_world_has_fault(const struct lb_world *world)
{
    return world->fault.fault.kind != LB_FAULT_NONE;
}

void lb_world_exhaust(struct lb_world *world)
{
    lb_world_find(world, "B5", "livelock", "the run has used up its workers");
    lb_world_grade(world, LB_VERDICT_HANG);
}

/* line_verdict: how grave it is that a line fails. */
static enum lb_verdict line_verdict(const struct lb_case *c, const struct lb_line *line)
{
    switch (line->prefix) {
    case LB_PREFIX_SETUP:
        return LB_VERDICT_BROKEN;
    case LB_PREFIX_SHOULD:
        return LB_VERDICT_WEAK;
    case LB_PREFIX_NONE:
        break;
    }
    return c->level == LB_LEVEL_SHOULD ? LB_VERDICT_WEAK : LB_VERDICT_FAIL;
}

/* case_is_cut: whether a case says that it holds however the servers' bytes are cut. */
static bool case_is_cut(const struct lb_case *c)
{
    uint32_t i = 0;
    while (i < c->slice_count && (c->slices[i] == 0 || c->slices[i] == LB_NET_WHOLE)) {
        i++;
    }
    return i < c->slice_count;
}

/* world_is_expected: whether what the case expects must come. A fault may change it; short writes may
 * not, nor short reads where the case is cut anyway, unless a schedule has them meet something else. */
bool lb_world_is_expected(const struct lb_world *world)
{
    enum lb_fault_kind kind = world->fault.fault.kind;
    bool is_short =
        kind == LB_FAULT_SHORT_WRITE || (kind == LB_FAULT_SHORT_READ && case_is_cut(world->c));
    bool is_base = world->variant->departure_count == 0 && world->c->departure_count == 0;
    return kind == LB_FAULT_NONE || (is_short && is_base);
}

void lb_world_fail(struct lb_world *world, const struct lb_line *line, const char *expected,
                   const char *actual)
{
    struct lb_result *result = world->result;
    if (!lb_world_is_expected(world)) {
        return;
    }
    lb_world_grade(world, line_verdict(world->c, line));
    lb_story_failed(world, line, expected, actual);
    if (result->line == NULL) {
        result->line = line;
        snprintf(result->expected, sizeof result->expected, "%s", expected);
        snprintf(result->actual, sizeof result->actual, "%s", actual);
    }
}

void lb_world_options(const struct lb_world *world, struct lb_transport_options *ret_options)
{
    *ret_options = world->options;
}

void lb_world_note(struct lb_world *world, const struct lb_line *line, uint32_t index)
{
    struct lb_result *result = world->result;
    LB_ASSERT(index < 32);
    if (!world->is_policy || lb_line_alternatives(line) == 1) {
        return;
    }
    uint32_t at = 0;
    while (at < result->note_count && result->notes[at].line != line) {
        at++;
    }
    if (at == LB_NOTES_MAX) {
        return; /* a report of the first ones is enough */
    }
    result->note_count += at == result->note_count ? 1 : 0;
    result->notes[at].line = line;
    result->notes[at].taken |= UINT32_C(1) << index;
}

void lb_world_set_options(struct lb_world *world)
{
    const struct lb_case *c = world->c;
    struct lb_transport_options *options = &world->options;
    lb_transport_options_default(options);
    options->is_checked = true;
    uint64_t *const durations[LB_CASE_OPTION_COUNT] = {
        [LB_CASE_OPTION_IDLE_TIMEOUT] = &options->idle_duration_ns,
        [LB_CASE_OPTION_DIAL_TIMEOUT] = &options->dial_duration_ns,
        [LB_CASE_OPTION_HEAD_TIMEOUT] = &options->head_duration_ns,
        [LB_CASE_OPTION_DRAIN_TIME] = &options->drain_duration_ns,
        [LB_CASE_OPTION_CONTINUE_TIMEOUT] = &options->continue_duration_ns,
        [LB_CASE_OPTION_WRITTEN_TIMEOUT] = &options->written_duration_ns,
    };
    uint32_t *const numbers[LB_CASE_OPTION_COUNT] = {
        [LB_CASE_OPTION_PER_HOST] = &options->connections_per_host_max,
        [LB_CASE_OPTION_IDLE_PER_HOST] = &options->idle_per_host_max,
        [LB_CASE_OPTION_IDLE_TOTAL] = &options->idle_total_max,
        [LB_CASE_OPTION_HEAD_SIZE] = &options->head_size_max,
        [LB_CASE_OPTION_RETRIES] = &options->retries_max,
        [LB_CASE_OPTION_GZIP_RATIO] = &options->gzip_ratio_max,
    };
    for (int i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        if (c->is_option_set[i] && durations[i] != NULL) {
            *durations[i] = c->options[i];
        } else if (c->is_option_set[i] && numbers[i] != NULL) {
            *numbers[i] = c->options[i] > UINT32_MAX ? UINT32_MAX : (uint32_t)c->options[i];
        }
    }
    if (c->is_option_set[LB_CASE_OPTION_DRAIN]) {
        options->drain_size_max = c->options[LB_CASE_OPTION_DRAIN];
    }
    bool is_tail_dropped = c->options[LB_CASE_OPTION_GZIP_TAIL] != 0;
    options->gzip_tail = is_tail_dropped ? LB_GZIP_TAIL_DROPPED : LB_GZIP_TAIL_MEMBERS;
    options->is_gzip_off = c->options[LB_CASE_OPTION_GZIP] == 0;
    options->is_keep_alive_off =
        c->is_option_set[LB_CASE_OPTION_KEEP_ALIVE] && c->options[LB_CASE_OPTION_KEEP_ALIVE] == 0;
    options->head_size_max = options->head_size_max == 0 ? 1 : options->head_size_max;
}

bool lb_world_drains(const struct lb_world *world)
{
    return world->c->is_option_set[LB_CASE_OPTION_DRAIN] &&
           world->c->options[LB_CASE_OPTION_DRAIN] > 0;
}

struct lb_signal *lb_world_signal(struct lb_world *world, struct lb_text name)
{
    for (uint32_t i = 0; i < world->signal_count; i++) {
        struct lb_signal *signal = &world->signals[i];
        if (signal->name.size == name.size &&
            memcmp(signal->name.bytes, name.bytes, name.size) == 0) {
            return signal;
        }
    }
    if (world->signal_count == LB_WORLD_SIGNALS_MAX) {
        return NULL;
    }
    struct lb_signal *signal = &world->signals[world->signal_count++];
    memset(signal, 0, sizeof *signal);
    signal->name = name;
    return signal;
}
