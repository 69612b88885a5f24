/*
 * The targets: the registry, and what surrounds a page.
 *
 * Mental model: a target owns a runner and two cases, whose memory it keeps from input to input, and
 * nothing else that a run could see. A page is called with all of an input's marks cleared.
 */
#include "target.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "operations.h"
#include "targets/page.h"

#define LB_TARGET_ROW(id, name, size_max, smoke, dictionary, form, seeds, surface, claims)         \
    LB_TARGET_PAGE(id);
#include "targets.inc"
#undef LB_TARGET_ROW

typedef void judge_fn(struct lb_target *target, const uint8_t *bytes, size_t size,
                      struct lb_result *ret_result);

static const struct lb_target_row rows[] = {
#define LB_TARGET_ROW(id, name, size_max, smoke, dictionary, form, seeds, surface, claims)         \
    {name, size_max, smoke, dictionary, LB_TARGET_##form, seeds, surface, claims},
#include "targets.inc"
#undef LB_TARGET_ROW
};

static judge_fn *const pages[] = {
#define LB_TARGET_ROW(id, name, size_max, smoke, dictionary, form, seeds, surface, claims)         \
    lb_target_judge_##id,
#include "targets.inc"
#undef LB_TARGET_ROW
};

#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

const struct lb_target_row *lb_target_row(uint32_t index)
{
    return index < ROW_COUNT ? &rows[index] : NULL;
}

const struct lb_target_row *lb_target_find(const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

const uint8_t *lb_target_favoured(const struct lb_target_row *row, size_t *ret_count)
{
    static const uint8_t pool[] = {
        LBI_OPERATION_PER_HOST, LBI_OPERATION_IDLE_PER_HOST, LBI_OPERATION_IDLE_TOTAL,
        LBI_OPERATION_GET,      LBI_OPERATION_EXCHANGE,      LBI_OPERATION_CANCEL,
        LBI_OPERATION_WAIT,     LBI_OPERATION_CLOSE,         LBI_OPERATION_CLOSE_IDLE,
        LBI_OPERATION_SCRIPT,   LBI_OPERATION_REFUSE,        LBI_OPERATION_PAUSE,
    };
    static const uint8_t upload[] = {
        LBI_OPERATION_ASK,       LBI_OPERATION_BODY,     LBI_OPERATION_BODY_EVENT,
        LBI_OPERATION_WANT_BODY, LBI_OPERATION_RETRIES,  LBI_OPERATION_CONTINUE_TIMEOUT,
        LBI_OPERATION_SIGNAL,    LBI_OPERATION_RESPOND,  LBI_OPERATION_END,
        LBI_OPERATION_RESET,     LBI_OPERATION_EXCHANGE, LBI_OPERATION_CANCEL,
    };
    static const uint8_t schedule[] = {LBI_OPERATION_AFTER, LBI_OPERATION_PRIORITY};
    static const struct {
        const char *name;
        const uint8_t *operations;
        size_t count;
    } favours[] = {
        {"pool", pool, sizeof(pool)},
        {"upload", upload, sizeof(upload)},
        {"schedule", schedule, sizeof(schedule)},
    };
    for (size_t i = 0; i < sizeof(favours) / sizeof(*favours); i++) {
        if (strcmp(favours[i].name, row->name) == 0) {
            *ret_count = favours[i].count;
            return favours[i].operations;
        }
    }
    *ret_count = 0;
    return NULL;
}

enum lb_status lb_target_new(const struct lb_target_row *row, struct lb_target **ret_target)
{
    LB_ASSERT(row >= rows);
    LB_ASSERT(row < rows + ROW_COUNT);
    struct lb_target *target = calloc(1, sizeof(*target));
    if (target == NULL) {
        return LB_MEMORY;
    }
    target->row = row;
    if (lb_case_init(&target->c) != LB_OK || lb_case_init(&target->other) != LB_OK ||
        lb_runner_new(&target->runner) != LB_OK) {
        lb_target_free(&target);
        return LB_MEMORY;
    }
    *ret_target = target;
    return LB_OK;
}

void lb_target_free(struct lb_target **target_pointer)
{
    struct lb_target *target = *target_pointer;
    *target_pointer = NULL;
    if (target != NULL) {
        lb_case_deinit(&target->c);
        lb_case_deinit(&target->other);
        lb_runner_free(&target->runner);
        free(target);
    }
}

void lb_target_judge(struct lb_target *target, const uint8_t *bytes, size_t size,
                     struct lb_result *ret_result)
{
    LB_ASSERT(bytes != NULL || size == 0);
    size_t index = (size_t)(target->row - rows);
    LB_ASSERT(index < ROW_COUNT);
    target->has_responded = false;
    target->has_reused = false;
    target->is_broken = false;
    target->fault[0] = '\0';
    target->text = NULL;
    target->counters.trace_hash = 0;
    memset(ret_result, 0, sizeof(*ret_result));
    pages[index](target, bytes, size < target->row->size_max ? size : target->row->size_max,
                 ret_result);
    target->counters.runs++;
    target->counters.responded += target->has_responded ? 1 : 0;
    target->counters.reused += target->has_reused ? 1 : 0;
    target->counters.broken += target->is_broken ? 1 : 0;
    LB_ASSERT(ret_result->finding_count <= LB_FINDINGS_MAX);
}

const struct lb_target_counters *lb_target_counters(const struct lb_target *target)
{
    return &target->counters;
}

const struct lb_case *lb_target_case(const struct lb_target *target)
{
    return &target->c;
}

void lb_target_print(const struct lb_target *target, FILE *stream)
{
    char *text = NULL;
    size_t size = 0;
    if (target->text != NULL) {
        (void)fwrite(target->text, 1, target->text_size, stream);
        return;
    }
    if (target->fault[0] != '\0') {
        fprintf(stream, "# lastbyte run --fault \"%s\"\n", target->fault);
    }
    lb_case_print(&target->c, &text, &size);
    (void)fwrite(text, 1, size, stream);
    free(text);
}

void lb_target_watch(struct lb_target *target, uint8_t *switches, size_t switches_size,
                     uint8_t *states)
{
    lb_runner_cover_switches(target->runner, switches, switches_size);
    lb_runner_cover_states(target->runner, states);
}

/* -- for the pages -- */

void lbi_target_run(struct lb_target *target, const struct lb_case *c,
                    const struct lb_variant *variant, struct lb_result *ret_result)
{
    const struct lb_variant own = {.name = "base", .slice = c->slice_count > 0 ? c->slices[0] : 0};
    lb_runner_run(target->runner, c, variant == NULL ? &own : variant, NULL, ret_result);
    target->has_responded =
        target->has_responded || (ret_result->requests_sent > 0 && ret_result->responses > 0);
    target->has_reused = target->has_reused || ret_result->reuses > 0;
    target->is_broken = target->is_broken || ret_result->verdict == LB_VERDICT_BROKEN;
    uint64_t mixed = (target->counters.trace_hash ^ ret_result->trace_hash);
    target->counters.trace_hash = mixed * UINT64_C(0x9E3779B97F4A7C15);
}

void lbi_target_default(struct lb_target *target, enum lb_case_option option, uint64_t value)
{
    LB_ASSERT(option < LB_CASE_OPTION_COUNT);
    if (!target->c.is_option_set[option]) {
        target->c.is_option_set[option] = true;
        target->c.options[option] = value;
    }
}

void lbi_target_file(struct lb_result *result, const char *claim, const char *context,
                     const char *detail, ...)
{
    va_list arguments;
    if (result->finding_count == LB_FINDINGS_MAX) {
        return;
    }
    struct lb_finding *finding = &result->findings[result->finding_count];
    memset(finding, 0, sizeof(*finding));
    LB_ASSERT(strlen(claim) < sizeof(finding->rule));
    LB_ASSERT(strlen(context) < sizeof(finding->context));
    snprintf(finding->rule, sizeof(finding->rule), "%s", claim);
    snprintf(finding->context, sizeof(finding->context), "%s", context);
    va_start(arguments, detail);
    (void)vsnprintf(finding->detail, sizeof(finding->detail), detail, arguments);
    va_end(arguments);
    result->finding_count++;
    if (result->verdict < LB_VERDICT_FAIL) {
        result->verdict = LB_VERDICT_FAIL;
    }
}

bool lbi_case_has_reset(const struct lb_case *c)
{
    for (uint32_t i = 0; i < c->host_count; i++) {
        for (uint32_t k = 0; k < c->hosts[i].conn_count; k++) {
            const struct lb_lines *script = &c->hosts[i].conns[k].script;
            for (uint32_t j = 0; j < script->count; j++) {
                if (script->lines[j].verb == LB_VERB_RESET) {
                    return true;
                }
            }
        }
    }
    return false;
}

bool lbi_line_may_race(const struct lb_line *line)
{
    return line->source != NULL && line->source->event != LB_SOURCE_GOES_ON;
}

void lbi_target_compare(const struct lb_target *target, uint32_t count, const char *claim,
                        struct lb_result *result)
{
    LB_ASSERT(count <= target->c.client.count);
    for (uint32_t i = 0; i < count; i++) {
        const struct lb_line *line = &target->c.client.lines[i];
        if (target->outcomes[0][i] != target->outcomes[1][i]) {
            char text[160];
            lb_line_print(&target->c, line, text, sizeof(text));
            lbi_target_file(result, claim, lb_verb_word(line->verb),
                            "line %u of the program, %s, saw something else", (unsigned)i + 1,
                            text);
            return;
        }
    }
}
