/*
 * The entry points of the engines, for whichever target the build names.
 *
 * A finding prints as one stable line, from which engines and triage group crashes, then in full. The
 * target is a static, which makes an execution cheap: a run leaves nothing in it that the next one could
 * see, which the determinism test checks.
 */
#include "engine.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/assert.h"
#include "feedback.h"
#include "mutator.h"

const char *__asan_default_options(void);

/* Leaks are looked for. Fake stacks are not: one for each coroutine costs more than it finds. An
 * execution frees some 50 KiB: a quarantine of 16 MiB holds hundreds of them, and stays in the cache.
 * Only the start of a new block is filled, for the blocks that hold a buffer are mostly that. */
const char *__asan_default_options(void)
{
    return "handle_abort=1:allocator_may_return_null=1:detect_stack_use_after_return=0"
           ":quarantine_size_mb=16:malloc_context_size=8:max_malloc_fill_size=256";
}

/* What the engines' entry points keep, which have no argument to pass it. */
static struct lb_target *engine_target;

const struct lb_target_row *lb_engine_row(void)
{
    const struct lb_target_row *row = lb_target_find(LASTBYTE_TARGET);
    LB_ASSERT(row != NULL);
    return row;
}

static void print_assertion(const char *file, int line, const char *expression)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    lb_assert_hook = NULL; /* the printing may assert as well */
    fprintf(stderr, "--- case\n");
    lb_target_print(engine_target, stderr);
}

struct lb_target *lb_engine_target(void)
{
    if (engine_target == NULL) {
        enum lb_status status = lb_target_new(lb_engine_row(), &engine_target);
        LB_ASSERT(status == LB_OK);
        lb_feedback_begin(engine_target);
        lb_assert_hook = print_assertion;
    }
    return engine_target;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    (void)lb_engine_target();
    return 0;
}

/* report: the stable line, the details, the case; does not return. */
static void report(const struct lb_target *target, const struct lb_result *result)
{
    fprintf(stderr, "ASSERTION FAILED: lastbyte %.7s/%.44s\n", result->findings[0].rule,
            result->findings[0].context);
    for (uint32_t i = 0; i < result->finding_count; i++) {
        fprintf(stderr, "%s/%s: %s\n", result->findings[i].rule, result->findings[i].context,
                result->findings[i].detail);
    }
    fprintf(stderr, "steps %" PRIu64 ", virtual time %" PRIu64 " ns, trace %016" PRIx64 "\n",
            result->steps, result->time_ns, lb_target_counters(target)->trace_hash);
    if (result->profile[0] != '\0') {
        fprintf(stderr, "--- workers\n%s\n", result->profile);
    }
    fprintf(stderr, "--- case\n");
    lb_target_print(target, stderr);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lb_result result;
    struct lb_target *target = lb_engine_target();
    lb_target_judge(target, bytes, size, &result);
    lb_feedback_end();
    if (result.finding_count > 0) {
        report(target, &result);
    }
    return 0;
}

/* Text has no operations: its engine mutates bytes. AFL++ mutates in a process of its own; its driver has
 * no place for a mutator. */
#ifdef LASTBYTE_ENGINE_MUTATES

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t size_max, unsigned int seed)
{
    struct lb_mutator mutator = {.seed = seed, .mutate_bytes = LLVMFuzzerMutate};
    const struct lb_target_row *row = lb_engine_row();
    mutator.form = row->form;
    mutator.favoured = lb_target_favoured(row, &mutator.favoured_count);
    return lb_mutator_mutate(&mutator, bytes, size, size_max);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
                                 size_t second_size, uint8_t *ret_bytes, size_t size_max,
                                 unsigned int seed)
{
    return lb_mutator_cross(seed, first, first_size, second, second_size, ret_bytes, size_max);
}

#endif
