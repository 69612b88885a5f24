/*
 * The fuzz target of schedules.
 *
 * Surface: how workers, callers and servers interleave, in a fixed set of small conversations.
 * Input:   one operand: which of the cases below; then `after` and `priority` in bytes (codec.h), other
 *          operations being ignored.
 * Claims:  the case holds as it is written, all of its expectations included: a case without a schedule
 *          of its own holds under every one.
 *
 * The cases are conformance cases, which the build copies into schedule_cases.inc.
 */
#include "page.h"

#include "core/assert.h"

struct schedule_case {
    const char *path;
    const char *text;
    size_t size;
};

static const struct schedule_case cases[] = {
#define SCHEDULE_CASE(path, ...)                                                                   \
    {path, (const char[]){__VA_ARGS__}, sizeof((const char[]){__VA_ARGS__})},
#include "schedule_cases.inc"
#undef SCHEDULE_CASE
};

#define CASE_COUNT (sizeof(cases) / sizeof(*cases))

LB_TARGET_PAGE(schedule)
{
    uint8_t operand = size > 0 && bytes[0] < 0x80 ? bytes[0] : 0;
    const struct schedule_case *chosen = &cases[operand % CASE_COUNT];
    struct lb_case_error error;
    enum lb_status status =
        lb_case_parse(chosen->path, chosen->text, chosen->size, &target->c, &error);
    LB_ASSERT(status == LB_OK);
    LB_ASSERT(target->c.departure_count == 0);
    lb_codec_decode(bytes, size, &target->other);
    struct lb_variant variant = {
        .name = "own",
        .departures = target->other.departures,
        .departure_count = target->other.departure_count,
        .slice = target->c.slice_count > 0 ? target->c.slices[0] : 0,
    };
    lbi_target_run(target, &target->c, &variant, ret_result);
    if (ret_result->finding_count == 0 && ret_result->line != NULL &&
        lb_verdict_is_bad(ret_result->verdict)) {
        lbi_target_file(ret_result, "case", target->c.id, "line %u expects %s, and there came %s",
                        (unsigned)ret_result->line->place, ret_result->expected,
                        ret_result->actual);
    }
}
