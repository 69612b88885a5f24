/*
 * `lastbyte refine`: every selected case on threads and real sockets, judged as in the simulation; and
 * what its program saw there is something that a schedule of the simulation has shown, too.
 *
 * The outcomes that the simulation shows are looked for when they are needed: first under the default
 * variants, and only where these do not have the one in question by exploration, with the budget that
 * `lastbyte explore` has without options. A real connection cuts bytes as it likes: the slices of the
 * case count, and the bytes as written, and as they arrive.
 *
 * The cases run in a child process, as those of `check` do. When the rig has failed, its threads cannot
 * be ended but with their process, and a new child goes on with the next case.
 */
#include "core/assert.h"
#include "explore.h"
#include "isolate.h"
#include "options.h"
#include "report.h"
#include "rig.h"
#include "select.h"
#include "sim/net.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define REFINE_SLICES_MAX (LB_CASE_SLICES_MAX + 2)
#define REFINE_DELAYS 2
#define REFINE_DRAWN 200
#define REFINE_SEEN_MAX 160 /* bytes of what one line saw */

/* What the children have found. */
struct refine_found {
    uint64_t step; /* the case that runs, or is next, counted over all rounds */
    uint64_t verdicts[LB_VERDICT_COUNT];
    uint64_t unrefined; /* runs whose outcome no schedule showed */
    uint64_t explored;  /* runs for which the default variants were not enough */
    enum exit_code code;
};

struct refine {
    const char *folder;
    bool is_verbose;
    bool is_alone; /* nothing runs in the simulation */
    uint64_t rounds;
    uint64_t seed;
    const struct paths *paths;
    struct refine_found *found; /* shared */
    struct lb_rig *rig;
    struct lb_runner *real; /* stands on the rig */
    struct lb_runner *simulated;
    struct lb_explorer *explorer;
    struct lb_case c;
    struct lb_result *result;
    char seen[LB_CASE_LINES_MAX][REFINE_SEEN_MAX]; /* of each client line; "": nothing */
};

/* The slices that a real connection may look like. Returns how many. */
static uint32_t refine_slices(const struct lb_case *c, uint32_t ret_slices[REFINE_SLICES_MAX])
{
    uint32_t count = 0;

    ret_slices[count++] = 0;
    ret_slices[count++] = LB_NET_WHOLE;
    for (uint32_t i = 0; i < c->slice_count; i++) {
        if (c->slices[i] != 0 && c->slices[i] != LB_NET_WHOLE) {
            ret_slices[count++] = c->slices[i];
        }
    }
    LB_ASSERT(count <= REFINE_SLICES_MAX);
    return count;
}

/* Whether one of the default variants, in one of the slices, brings the outcome. */
static bool refine_is_default(struct refine *refine, uint64_t outcome_hash)
{
    uint32_t slices[REFINE_SLICES_MAX];
    uint32_t count = refine_slices(&refine->c, slices);
    struct lb_result *result = tool_alloc(sizeof(*result));
    struct lb_variant variant = {0};
    bool is_found = false;

    for (uint32_t i = 0; lb_check_variant(&refine->c, i, &variant) && !is_found; i++) {
        for (uint32_t j = 0; j < count && !is_found; j++) {
            variant.slice = slices[j];
            lb_runner_run(refine->simulated, &refine->c, &variant, NULL, result);
            is_found = result->outcome_hash == outcome_hash;
        }
    }
    free(result);
    return is_found;
}

/* Whether some schedule of few departures brings the outcome. */
static bool refine_is_explored(struct refine *refine, uint64_t outcome_hash, uint64_t *ret_count)
{
    uint32_t slices[REFINE_SLICES_MAX];
    uint32_t count = refine_slices(&refine->c, slices);
    struct lb_explore *explore = tool_alloc(sizeof(*explore));
    bool is_found = false;

    *ret_count = 0;
    for (uint32_t i = 0; i < count && !is_found; i++) {
        const struct lb_explore_options options = {.slice = slices[i],
                                                   .delay_max = REFINE_DELAYS,
                                                   .drivers = LB_DRIVERS_ALL,
                                                   .draw_count = REFINE_DRAWN};

        lb_explore(refine->explorer, &refine->c, &options, explore);
        *ret_count += explore->schedule_count;
        is_found = lb_explorer_has_outcome(refine->explorer, outcome_hash);
    }
    free(explore);
    return is_found;
}

/* Why a case cannot be judged on threads; NULL: it can. */
static const char *refine_reason(const struct lb_case *c)
{
    bool is_reading[LB_CASE_REQUESTS_MAX] = {false}; /* in the background */

    if (c->departure_count > 0) {
        return "it holds under one schedule, and threads have none";
    }
    for (uint32_t i = 0; i < c->client.count; i++) {
        const struct lb_line *line = &c->client.lines[i];

        if (line->verb == LB_VERB_READ && is_reading[line->request]) {
            return "of two readers of one body it cannot be seen which one read first";
        }
        if (line->verb == LB_VERB_READ && line->is_background) {
            is_reading[line->request] = true;
        } else if (line->verb == LB_VERB_WAIT) {
            is_reading[line->request] = false;
        }
    }
    return NULL;
}

/* What a line of the program saw. */
static void refine_see(void *context, const struct lb_line *line, const char *text)
{
    struct refine *refine = context;

    snprintf(refine->seen[line - refine->c.client.lines], REFINE_SEEN_MAX, "%s", text);
}

static void refine_print_seen(const struct refine *refine)
{
    printf("  its program saw\n");
    for (uint32_t i = 0; i < refine->c.client.count; i++) {
        const struct lb_line *line = &refine->c.client.lines[i];

        if (refine->seen[i][0] != '\0') {
            printf("    line %" PRIu32 ": %s", line->place, lb_verb_word(line->verb));
            if (line->request >= 0) {
                printf(" %s", refine->c.requests[line->request]);
            }
            printf(" => %s\n", refine->seen[i]);
        }
    }
}

static void refine_reproduce(const char *path, uint64_t seed)
{
    printf("  reproduce: lastbyte refine --seed %" PRIu64 " --rounds 100 ", seed);
    report_word(stdout, path);
    printf("\n");
}

static void refine_report(const struct refine *refine, const char *path, enum lb_verdict verdict)
{
    if (!report_is_bad(verdict) && !refine->is_verbose && verdict != LB_VERDICT_WEAK) {
        return;
    }
    report_verdict(verdict);
    if (report_is_bad(verdict) || verdict == LB_VERDICT_WEAK) {
        report_title(&refine->c);
        printf("  on threads and sockets\n");
        report_details(path, &refine->c, refine->result);
    } else {
        printf("%s\n", refine->c.id);
    }
}

/* Runs the case on the rig, and judges the run. */
static void refine_judge(struct refine *refine, const char *path, uint64_t seed)
{
    const struct lb_run_output output = {.seen = refine_see, .context = refine};
    struct refine_found *found = refine->found;
    struct lb_result *result = refine->result;
    uint64_t count = 0;

    memset(refine->seen, 0, sizeof refine->seen);
    lb_rig_set_chaos(refine->rig, seed);
    lb_runner_run(refine->real, &refine->c, NULL, &output, result);
    if (lb_rig_failure(refine->rig) != NULL) {
        printf("RIG    %s: %s\n", refine->c.id, lb_rig_failure(refine->rig));
        found->code = command_worse(found->code, EXIT_RIG);
    }
    bool is_bad = report_is_bad(result->verdict);
    refine_report(refine, path, result->verdict);
    bool is_refined = is_bad || refine->is_alone || refine_is_default(refine, result->outcome_hash);
    if (!is_refined) {
        found->explored++;
        is_refined = refine_is_explored(refine, result->outcome_hash, &count);
    }
    if (!is_refined) {
        found->unrefined++;
        report_verdict(LB_VERDICT_FAIL);
        report_title(&refine->c);
        printf("  what came on threads and sockets came under none of %" PRIu64 " schedules\n",
               count);
        refine_print_seen(refine);
    }
    if (is_bad || !is_refined) {
        found->code = command_worse(found->code, EXIT_UNEXPECTED);
        refine_reproduce(path, seed);
    }
    found->verdicts[is_refined ? result->verdict : LB_VERDICT_FAIL]++;
}

static void refine_case(struct refine *refine)
{
    struct refine_found *found = refine->found;
    const char *path = refine->paths->items[found->step % refine->paths->count];
    uint64_t round = found->step / refine->paths->count;

    report_running(path, NULL);
    if (!select_load(path, &refine->c)) {
        found->code = command_worse(found->code, EXIT_USAGE);
    } else if (refine_reason(&refine->c) != NULL) {
        found->verdicts[LB_VERDICT_SKIP]++;
        if (refine->is_verbose) {
            report_verdict(LB_VERDICT_SKIP);
            printf("%s: %s\n", refine->c.id, refine_reason(&refine->c));
        }
    } else {
        refine_judge(refine, path, refine->seed == 0 ? 0 : refine->seed + round);
    }
    lb_case_clear(&refine->c);
    report_running(NULL, NULL);
    fflush(stdout);
}

static bool refine_make(struct refine *refine)
{
    refine->result = tool_alloc(sizeof(*refine->result));
    select_case_init(&refine->c);
    bool is_made = lb_rig_new(&refine->rig) == LB_OK && lb_runner_new(&refine->real) == LB_OK &&
                   lb_runner_new(&refine->simulated) == LB_OK &&
                   lb_explorer_new(&refine->explorer) == LB_OK;
    if (is_made) {
        lb_runner_set_stage(refine->real, lb_rig_stage(refine->rig));
    }
    return is_made;
}

/* The body of a child: from the next case to the last, or to one at which the rig fails. */
static void refine_child(void *argument)
{
    struct refine *refine = argument;
    struct refine_found *found = refine->found;
    uint64_t last = refine->rounds * refine->paths->count;
    bool is_failed = !refine_make(refine);

    if (is_failed) {
        fprintf(stderr, "lastbyte refine: no rig could be made\n");
        found->code = command_worse(found->code, EXIT_RIG);
        found->step = last;
    }
    while (!is_failed && found->step < last && isolate_signal() == 0) {
        refine_case(refine);
        found->step++;
        is_failed = lb_rig_failure(refine->rig) != NULL;
    }
    if (is_failed) {
        return; /* with threads that nobody can end */
    }
    lb_explorer_free(&refine->explorer);
    lb_runner_free(&refine->simulated);
    lb_runner_free(&refine->real);
    lb_rig_free(&refine->rig);
    lb_case_deinit(&refine->c);
    free(refine->result);
}

static void refine_summary(const struct refine *refine, uint64_t time_ns)
{
    const struct refine_found *found = refine->found;
    const char *separator = ": ";
    uint64_t runs = 0;

    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        runs += found->verdicts[i];
    }
    printf("%" PRIu64 " run%s", runs, runs == 1 ? "" : "s");
    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        if (found->verdicts[i] > 0) {
            printf("%s%" PRIu64 " %s", separator, found->verdicts[i],
                   lb_verdict_word((enum lb_verdict)i));
            separator = ", ";
        }
    }
    printf("; %" PRIu64 " needed exploration, %" PRIu64 " came under no schedule%s; %.2f s\n",
           found->explored, found->unrefined, isolate_signal() != 0 ? "; interrupted" : "",
           (double)time_ns / 1e9);
}

static void refine_run(struct refine *refine)
{
    struct refine_found *found = refine->found;
    uint64_t last = refine->rounds * refine->paths->count;
    uint64_t start_ns = uv_hrtime();

    isolate_watch();
    while (found->step < last && isolate_signal() == 0) {
        enum isolate_end end = isolate_run(refine_child, refine);

        if (end == ISOLATE_FAILED) {
            fprintf(stderr, "lastbyte refine: the process that runs the cases has failed\n");
            found->code = command_worse(found->code, EXIT_RIG);
            break;
        }
        if (end == ISOLATE_CRASHED && !isolate_has_killed()) {
            const char *path = refine->paths->items[found->step % refine->paths->count];
            uint64_t round = found->step / refine->paths->count;

            report_verdict(LB_VERDICT_CRASH);
            printf("%s: the process that ran it has ended; what it said stands above\n", path);
            refine_reproduce(path, refine->seed == 0 ? 0 : refine->seed + round);
            found->verdicts[LB_VERDICT_CRASH]++;
            found->code = command_worse(found->code, EXIT_UNEXPECTED);
            found->step++;
        }
    }
    found->code = command_ended(found->code, isolate_signal());
    refine_summary(refine, uv_hrtime() - start_ns);
}

enum exit_code command_refine(int argc, char **argv)
{
    struct refine *refine = tool_alloc(sizeof(*refine));
    *refine = (struct refine){.folder = SELECT_FOLDER, .rounds = 1};
    const struct option_row rows[] = {
        OPTIONS_FLAG('v', "verbose", &refine->is_verbose, "print a line for every run"),
        OPTIONS_NUMBER(0, "rounds", "N", &refine->rounds, 1, 1000000, "run everything N times"),
        OPTIONS_NUMBER(
            0, "seed", "SEED", &refine->seed, 0, UINT32_MAX,
            "hold threads up at random; each round draws from the next seed (0: do not)"),
        OPTIONS_FLAG(0, "no-simulation", &refine->is_alone,
                     "judge by what the cases expect and by the rules alone"),
        OPTIONS_TEXT(0, "cases", "DIR", &refine->folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "refine",
        .arguments = "[PATH|ID...]",
        .about =
            "Runs conformance cases on threads and real sockets, on loopback. They are judged as\n"
            "in the simulation, and what they show must come under some schedule there.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        free(refine);
        return code;
    }
    code = select_cases("refine", refine->folder, argv, count, &paths);
    refine->found = isolate_shared(sizeof(*refine->found));
    if (code == EXIT_AS_EXPECTED && refine->found == NULL) {
        fprintf(stderr, "lastbyte refine: no shared memory\n");
        code = EXIT_RIG;
    }
    if (code == EXIT_AS_EXPECTED) {
        refine->paths = &paths;
        refine_run(refine);
        code = refine->found->code;
    }
    isolate_release(refine->found, sizeof(*refine->found));
    paths_deinit(&paths);
    free(refine);
    return code;
}
