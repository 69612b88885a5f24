/*
 * `lastbyte faults`: every selected case with every single fault of the outside (sim/fault.h), judged by
 * the rules that hold for every conversation; under short reads and writes by what it expects, too. A
 * fault of one call is tried with the first call, the second, and so on, until a run comes to its end
 * without it. Before the first one the case runs without a fault: what fails then is no matter of
 * faults, and is left to `lastbyte check`.
 *
 * The runs follow one another in one child process; when one ends it, that run is a CRASH, and a new
 * child goes on behind it. Where they stand is in shared memory.
 *
 * A case often breaks one promise under many faults: one line is printed for each rule, place and kind
 * of fault of a case, the others are counted.
 */
#include "core/assert.h"
#include "isolate.h"
#include "options.h"
#include "report.h"
#include "select.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define FAULTS_NUMBER_MAX 100000u /* calls of one kind in one run */
#define FAULTS_SEEN_MAX 256       /* different findings of one case */

/* A finding of a case that has been printed. */
struct faults_seen {
    enum lb_fault_kind kind;
    struct lb_finding finding;
};

/* Which run it is. Counted up in one place: faults_next. */
struct faults_place {
    uint64_t entry; /* of the selected cases */
    uint32_t variant;
    bool
        is_sound; /* the variant has passed without a fault; otherwise no fault explains anything */
    uint32_t family;
    uint32_t number; /* of the fault; bounds: 0 */
};

/* What the children know, for each other and for their parent. */
struct faults_found {
    struct faults_place place;
    bool is_begun; /* place is a run, not yet judged */
    uint64_t cases;
    uint64_t runs;
    uint64_t reached;
    uint64_t per_kind[LB_FAULT_KIND_COUNT]; /* reached */
    uint64_t findings;
    uint64_t hidden; /* findings without a line */
    uint64_t broken_files;
    uint64_t unsound; /* variants that fail without a fault */
    enum exit_code code;
    uint32_t seen_count; /* of the case at `place` */
    struct faults_seen seen[FAULTS_SEEN_MAX];
};

struct faults {
    const char *folder;
    const char *only; /* a fault as text; NULL: all */
    bool is_all;      /* under every schedule of the default set */
    bool is_verbose;
    struct lb_fault one;
    const struct paths *paths;
    struct lb_runner *runner;
    struct lb_case c;
    struct faults_found *found; /* shared */
};

/* The fault of a place; false: there is no such family. */
static bool faults_fault(const struct faults *faults, struct lb_fault *ret_fault)
{
    const struct faults_place *place = &faults->found->place;
    if (faults->only != NULL) {
        *ret_fault = faults->one;
        return place->family == 0;
    }
    if (!lb_fault_family(place->family, ret_fault)) {
        return false;
    }
    ret_fault->number = lb_fault_is_bound(ret_fault->kind) ? 0 : place->number + 1;
    return true;
}

/* Whether a variant takes part: every slice under its first schedule, or all. */
static bool faults_has_variant(const struct faults *faults, const struct lb_variant *variant)
{
    return faults->is_all || strcmp(variant->name, "base") == 0 ||
           strcmp(variant->name, "own") == 0;
}

/* The next place: the next call, or, after a run that did not come to the fault, the next family. */
static void faults_next(struct faults *faults, const struct lb_fault *fault, bool is_reached)
{
    struct faults_place *place = &faults->found->place;
    bool is_counted = faults->only == NULL && !lb_fault_is_bound(fault->kind);
    LB_ASSERT(place->number < FAULTS_NUMBER_MAX);
    if (is_counted && is_reached) {
        place->number++;
    } else {
        place->family++;
        place->number = 0;
    }
}

/* Whether a finding of the case, under this kind of fault, is new. */
static bool faults_is_new(struct faults_found *found, enum lb_fault_kind kind,
                          const struct lb_finding *finding)
{
    for (uint32_t i = 0; i < found->seen_count; i++) {
        const struct faults_seen *seen = &found->seen[i];
        if (seen->kind == kind && strcmp(seen->finding.rule, finding->rule) == 0 &&
            strcmp(seen->finding.context, finding->context) == 0) {
            return false;
        }
    }
    if (found->seen_count < FAULTS_SEEN_MAX) {
        found->seen[found->seen_count++] = (struct faults_seen){kind, *finding};
    }
    return true;
}

/* Prints a finding as one line with what reproduces it. */
static void faults_tell(struct faults *faults, enum lb_verdict verdict,
                        const struct lb_finding *finding, const struct lb_variant *variant)
{
    const char *path = faults->paths->items[faults->found->place.entry];
    faults->found->findings++;
    if (!faults_is_new(faults->found, variant->fault->kind, finding) && !faults->is_verbose) {
        faults->found->hidden++;
        return;
    }
    report_verdict(verdict);
    printf("%s @ %s: %s;", finding->rule, finding->context, finding->detail);
    report_reproduce(path, variant);
}

static void faults_judge(struct faults *faults, const struct lb_variant *variant,
                         const struct lb_result *result)
{
    struct faults_found *found = faults->found;
    found->runs++;
    if (!result->is_fault_reached) {
        return;
    }
    found->reached++;
    found->per_kind[variant->fault->kind]++;
    for (uint32_t i = 0; i < result->finding_count; i++) {
        faults_tell(faults, result->verdict, &result->findings[i], variant);
    }
    if (result->finding_count == 0 && report_is_bad(result->verdict)) {
        struct lb_finding finding = {.rule = "case", .context = "expectation"};
        snprintf(finding.detail, sizeof finding.detail, "expected %.80s, actual %.80s",
                 result->expected, result->actual);
        faults_tell(faults, result->verdict, &finding, variant);
    }
    if (report_is_bad(result->verdict)) {
        found->code = command_worse(found->code, EXIT_UNEXPECTED);
    }
}

/* A variant that fails without any fault: told, and left. */
static void faults_tell_unsound(struct faults *faults, const char *path)
{
    faults->found->unsound++;
    faults->found->code = command_worse(faults->found->code, EXIT_UNEXPECTED);
    printf("FAIL   %s fails without a fault, see: lastbyte check ", path);
    report_word(stdout, path);
    printf("\n");
}

/* Whether a variant passes without a fault; seen once. */
static bool faults_is_sound(struct faults *faults, struct lb_variant *variant,
                            struct lb_result *result)
{
    const char *path = faults->paths->items[faults->found->place.entry];
    if (!faults->found->place.is_sound) {
        variant->fault = NULL;
        faults->found->is_begun = true;
        report_running(path, variant);
        lb_runner_run(faults->runner, &faults->c, variant, NULL, result);
        report_running(NULL, NULL);
        faults->found->is_begun = false;
        faults->found->place.is_sound = !report_is_bad(result->verdict);
        if (!faults->found->place.is_sound) {
            faults_tell_unsound(faults, path);
        }
    }
    return faults->found->place.is_sound;
}

/* All faults of one variant, from the place on. */
static void faults_variant(struct faults *faults, struct lb_variant *variant)
{
    const char *path = faults->paths->items[faults->found->place.entry];
    struct lb_result *result = tool_alloc(sizeof(*result));
    struct lb_fault fault;

    bool is_sound = faults_is_sound(faults, variant, result);
    variant->fault = &fault;
    while (is_sound && isolate_signal() == 0 && faults_fault(faults, &fault)) {
        faults->found->is_begun = true;
        report_running(path, variant);
        lb_runner_run(faults->runner, &faults->c, variant, NULL, result);
        report_running(NULL, NULL);
        faults->found->is_begun = false;
        faults_judge(faults, variant, result);
        faults_next(faults, &fault, result->is_fault_reached);
    }
    free(result);
}

/* All variants of one case, from the place on. */
static void faults_case(struct faults *faults)
{
    struct faults_found *found = faults->found;
    struct faults_place *place = &found->place;
    struct lb_variant variant = {0};

    if (!select_load(faults->paths->items[place->entry], &faults->c)) {
        found->broken_files++;
        found->code = command_worse(found->code, EXIT_USAGE);
        lb_case_clear(&faults->c);
        return;
    }
    while (isolate_signal() == 0 && lb_check_variant(&faults->c, place->variant, &variant)) {
        if (faults_has_variant(faults, &variant)) {
            faults_variant(faults, &variant);
        }
        if (isolate_signal() == 0) {
            *place = (struct faults_place){.entry = place->entry, .variant = place->variant + 1};
        }
    }
    found->cases++;
    lb_case_clear(&faults->c);
    fflush(stdout);
}

/* The body of a child: from the place to the last run. */
static void faults_child(void *argument)
{
    struct faults *faults = argument;
    struct faults_found *found = faults->found;

    if (lb_runner_new(&faults->runner) != LB_OK) {
        fprintf(stderr, "lastbyte faults: no runner could be made\n");
        found->code = command_worse(found->code, EXIT_RIG);
        found->place.entry = faults->paths->count;
        return;
    }
    select_case_init(&faults->c);
    while (found->place.entry < faults->paths->count && isolate_signal() == 0) {
        faults_case(faults);
        if (isolate_signal() == 0) {
            found->place = (struct faults_place){.entry = found->place.entry + 1};
            found->seen_count = 0;
        }
    }
    lb_case_deinit(&faults->c);
    lb_runner_free(&faults->runner);
}

/* The run at which a child ended: a finding, and the next run. Its reproduction was the last thing that
 * the child said, if it failed an assertion; it is said again for those that were killed. */
static void faults_crashed(struct faults *faults)
{
    struct faults_found *found = faults->found;
    struct lb_variant variant = {0};
    struct lb_fault fault;

    if (!found->is_begun || !faults_fault(faults, &fault)) {
        fprintf(stderr,
                "lastbyte faults: the process that runs the cases ended between two runs\n");
        found->code = command_worse(found->code, EXIT_RIG);
        found->place.entry = faults->paths->count;
        return;
    }
    found->is_begun = false;
    if (!found->place.is_sound) {
        faults_tell_unsound(faults, faults->paths->items[found->place.entry]);
        found->place.variant++;
        return;
    }
    found->runs++;
    found->reached++;
    found->per_kind[fault.kind]++;
    found->code = command_worse(found->code, EXIT_UNEXPECTED);
    select_case_init(&faults->c);
    if (select_load(faults->paths->items[found->place.entry], &faults->c) &&
        lb_check_variant(&faults->c, found->place.variant, &variant)) {
        struct lb_finding finding = {.rule = "B7", .context = "crash"};
        snprintf(finding.detail, sizeof finding.detail, "the process that ran it has ended");
        variant.fault = &fault;
        faults_tell(faults, LB_VERDICT_CRASH, &finding, &variant);
    }
    lb_case_deinit(&faults->c);
    faults_next(faults, &fault, true);
}

static void faults_summary(const struct faults *faults, uint64_t time_ns)
{
    const struct faults_found *found = faults->found;
    double seconds = (double)time_ns / 1e9;
    const char *separator = " (";

    printf("%" PRIu64 " cases, %" PRIu64 " runs, %" PRIu64 " faults reached", found->cases,
           found->runs, found->reached);
    for (int i = 0; i < LB_FAULT_KIND_COUNT; i++) {
        if (found->per_kind[i] > 0) {
            printf("%s%s %" PRIu64, separator, lb_fault_kind_word((enum lb_fault_kind)i),
                   found->per_kind[i]);
            separator = ", ";
        }
    }
    printf("%s; %" PRIu64 " findings", found->reached > 0 ? ")" : "", found->findings);
    if (found->hidden > 0) {
        printf(", %" PRIu64 " of them like those above (--verbose prints them)", found->hidden);
    }
    if (found->unsound > 0) {
        printf("; %" PRIu64 " variants fail without a fault", found->unsound);
    }
    if (found->broken_files > 0) {
        printf("; %" PRIu64 " broken file%s", found->broken_files,
               found->broken_files == 1 ? "" : "s");
    }
    if (isolate_signal() != 0) {
        printf("; interrupted");
    }
    printf("; %.2f s, %.0f runs/s\n", seconds, seconds > 0 ? (double)found->runs / seconds : 0.0);
}

/* Runs children until all runs are done; what they found is judged as a whole. */
static void faults_run(struct faults *faults)
{
    struct faults_found *found = faults->found;
    uint64_t start = uv_hrtime();

    isolate_watch();
    while (found->place.entry < faults->paths->count && isolate_signal() == 0) {
        enum isolate_end end = isolate_run(faults_child, faults);
        if (end == ISOLATE_FAILED) {
            fprintf(stderr, "lastbyte faults: the process that runs the cases has failed\n");
            found->code = command_worse(found->code, EXIT_RIG);
            break;
        }
        if (end == ISOLATE_CRASHED && !isolate_has_killed()) {
            faults_crashed(faults);
        }
    }
    found->code = command_ended(found->code, isolate_signal());
    if (found->reached == 0 && found->code == EXIT_AS_EXPECTED) {
        fprintf(stderr, "lastbyte faults: no run came to a fault\n");
        found->code = EXIT_USAGE;
    }
    faults_summary(faults, uv_hrtime() - start);
}

static enum exit_code faults_selected(struct faults *faults, const struct paths *paths)
{
    size_t size = sizeof(*faults->found);

    if (faults->only != NULL && !lb_fault_parse(faults->only, &faults->one)) {
        report_fault_error("faults", "--only", faults->only);
        return EXIT_USAGE;
    }
    faults->paths = paths;
    faults->found = isolate_shared(size);
    if (faults->found == NULL) {
        fprintf(stderr, "lastbyte faults: no shared memory\n");
        return EXIT_RIG;
    }
    faults->found->code = select_same_ids("faults", paths);
    faults_run(faults);
    enum exit_code code = faults->found->code;
    isolate_release(faults->found, size);
    return code;
}

enum exit_code command_faults(int argc, char **argv)
{
    struct faults faults = {.folder = SELECT_FOLDER};
    const struct option_row rows[] = {
        OPTIONS_FLAG(0, "all-schedules", &faults.is_all,
                     "under each schedule of the default set, not the first alone"),
        OPTIONS_TEXT(0, "only", "FAULT", &faults.only, "this fault alone, such as 'alloc 17'"),
        OPTIONS_FLAG('v', "verbose", &faults.is_verbose, "print a line for every finding"),
        OPTIONS_TEXT(0, "cases", "DIR", &faults.folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "faults",
        .arguments = "[PATH|ID...]",
        .about =
            "Runs conformance cases with every single fault of the outside: each allocation,\n"
            "worker start and socket call fails in each of its ways, all reads and writes are\n"
            "short, all writes wait. The rules judge; what the cases expect does not count.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    code = select_cases("faults", faults.folder, argv, count, &paths);
    if (code == EXIT_AS_EXPECTED) {
        code = faults_selected(&faults, &paths);
    }
    paths_deinit(&paths);
    return code;
}
