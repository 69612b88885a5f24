/*
 * The fuzz target of the whole lifecycle of a body.
 *
 * Surface: everything that transport/ does for requests, from dial to reuse, under a schedule.
 * Input:   a case in bytes (codec.h), at most 4096 of them.
 * Claims:  in every conversation the lifecycle rules hold, and it comes to an end.
 *
 * A finding prints as one stable line, from which engines and triage group crashes, then in full.
 * The statics are what makes an execution cheap: a run leaves nothing in them that the next one
 * could see, which the determinism test checks.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"
#include "core/assert.h"
#include "run.h"
#include "target.h"

#define SWITCH_COUNTERS 4096u /* cleared and scanned by libFuzzer in every execution */

static struct {
    struct lb_case c;
    struct lb_runner *runner;
    struct lb_target_counters counters;
} target;

/* Which switches between workers a run made, as coverage for libFuzzer, which reads this section
 * beside its own counters. Other engines write it and never read it. */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t switches[SWITCH_COUNTERS];

const char *__asan_default_options(void);

/* Leaks are looked for. Fake stacks are not: one for each coroutine costs more than it finds. An
 * execution frees some 50 KiB: a quarantine of 16 MiB holds hundreds of them, and stays in the cache.
 * Only the start of a new block is filled, for the blocks that hold a buffer are mostly that. */
const char *__asan_default_options(void)
{
    return "handle_abort=1:allocator_may_return_null=1:detect_stack_use_after_return=0"
           ":quarantine_size_mb=16:malloc_context_size=8:max_malloc_fill_size=256";
}

const struct lb_target_counters *lb_target_counters(void)
{
    return &target.counters;
}

static void print_case(void)
{
    char *text = NULL;
    size_t size = 0;
    lb_case_print(&target.c, &text, &size);
    fprintf(stderr, "--- case\n%s", text);
    free(text);
}

static void print_assertion(const char *file, int line, const char *expression)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
    lb_assert_hook = NULL; /* the printing may assert as well */
    print_case();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (target.runner == NULL) {
        enum lb_status status = lb_case_init(&target.c);
        LB_ASSERT(status == LB_OK);
        status = lb_runner_new(&target.runner);
        LB_ASSERT(status == LB_OK);
        lb_runner_cover_switches(target.runner, switches, sizeof(switches));
        lb_assert_hook = print_assertion;
    }
    return 0;
}

/* report: the stable line, the details, the case; does not return. */
static void report(const struct lb_result *result)
{
    fprintf(stderr, "ASSERTION FAILED: lastbyte %.7s/%.44s\n", result->findings[0].rule,
            result->findings[0].context);
    for (uint32_t i = 0; i < result->finding_count; i++) {
        fprintf(stderr, "%s/%s: %s\n", result->findings[i].rule, result->findings[i].context,
                result->findings[i].detail);
    }
    fprintf(stderr, "steps %" PRIu64 ", virtual time %" PRIu64 " ns, trace %016" PRIx64 "\n",
            result->steps, result->time_ns, result->trace_hash);
    if (result->profile[0] != '\0') {
        fprintf(stderr, "--- workers\n%s\n", result->profile);
    }
    print_case();
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lb_result result;
    struct lb_variant variant = {.name = "base"};
    (void)LLVMFuzzerInitialize(NULL, NULL);
    lb_codec_decode(bytes, size, &target.c);
    variant.slice = target.c.slice_count > 0 ? target.c.slices[0] : 0;
    lb_runner_run(target.runner, &target.c, &variant, NULL, &result);
    target.counters.runs++;
    target.counters.responded += result.requests_sent > 0 && result.responses > 0 ? 1 : 0;
    target.counters.reused += result.reuses > 0 ? 1 : 0;
    target.counters.broken += result.verdict == LB_VERDICT_BROKEN ? 1 : 0;
    target.counters.trace_hash = result.trace_hash;
    if (result.finding_count > 0) {
        report(&result);
    }
    return 0;
}
