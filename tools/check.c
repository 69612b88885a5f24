/*
 * `lastbyte check`: every selected case under its default set of variants.
 *
 * A roster of cases (roster.h) is judged in child processes (crew.h); what they find is a tally (tally.h),
 * from which every report is printed (formats.h). What people are told comes as soon as all cases before
 * it have ended, so that its order is that of the files whatever runs in parallel or is shuffled.
 *
 * SIGINT and SIGTERM end it after the cases that run, and all reports are written; a second one does not
 * wait for those cases.
 */
#include "baseline.h"
#include "core/assert.h"
#include "formats.h"
#include "crew.h"
#include "options.h"
#include "past.h"
#include "report.h"
#include "select.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define CHECK_PROGRESS_NS UINT64_C(200000000)

struct check {
    const char *folder;
    bool is_verbose;
    bool is_list;
    uint64_t jobs;
    struct crew_options crew;
    struct roster_filter filter;
    const char *failed;        /* a JSON report; NULL: none */
    const char *baseline_path; /* NULL: none */
    struct option_texts reports;

    struct formats formats;
    struct paths names; /* that failed */
    struct baseline baseline;
    struct roster roster;
    bool *is_ended; /* of each case: it can be told */
    size_t ended;   /* cases that have */
    size_t told;    /* cases of which people have been told */

    bool is_terminal;     /* where people are told how far it is */
    bool is_shown;        /* they are being told */
    uint64_t progress_ns; /* when they were told last */
};

/* -- telling people -- */

/* Shows how far it is, or takes that away before something else is told. */
static void check_progress(struct check *check, const char *name)
{
    uint64_t now_ns = uv_hrtime();
    if (check->is_shown) {
        printf("\r\x1b[K");
    }
    check->is_shown = name != NULL && check->is_terminal;
    if (check->is_shown) {
        printf("%zu of %zu: %s", check->ended, check->roster.count, name);
        check->progress_ns = now_ns;
    }
}

static void check_tell(struct check *check, const struct tally *tally, size_t index)
{
    if (!check->roster.cases[index].is_broken && tally->records[index].is_done) {
        people_case(tally, index, check->is_verbose);
    }
}

/* Called when a case has come to its end: tells of all that have none before them which has not. */
static void check_ended(void *context, const struct tally *tally, size_t index)
{
    struct check *check = context;
    check->is_ended[index] = true;
    check->ended++;
    while (check->told < check->roster.count &&
           (check->is_ended[check->told] || check->roster.cases[check->told].is_broken)) {
        check_progress(check, NULL);
        check_tell(check, tally, check->told++);
    }
    if (uv_hrtime() - check->progress_ns > CHECK_PROGRESS_NS) {
        check_progress(check, check->roster.cases[index].name);
    }
    fflush(stdout);
}

/* -- the baseline -- */

/* Whether a name is that of a case, be it selected or not. */
static bool name_is_known(const struct roster *everything, const struct roster *selected,
                          const char *name)
{
    return roster_find(selected, name) != SIZE_MAX || roster_find(everything, name) != SIZE_MAX;
}

/* Complains of each line of the baseline that names no case. */
static enum exit_code baseline_check(const struct check *check)
{
    struct paths paths = {0};
    struct roster everything = {0};
    enum exit_code code = EXIT_AS_EXPECTED;
    if (check->baseline_path == NULL) {
        return code;
    }
    if (files_is_folder(check->folder) &&
        select_cases("check", check->folder, NULL, 0, &paths) == EXIT_AS_EXPECTED) {
        roster_load(&paths, &everything);
    }
    for (size_t i = 0; i < check->baseline.count; i++) {
        const struct baseline_row *row = &check->baseline.rows[i];
        if (!name_is_known(&everything, &check->roster, row->name)) {
            fprintf(stderr,
                    "%s:%u: no case is called '%s'; expected AREA/ID of one that is there\n",
                    check->baseline_path, (unsigned)row->line, row->name);
            code = EXIT_USAGE;
        }
    }
    roster_deinit(&everything);
    paths_deinit(&paths);
    return code;
}

/* -- running -- */

static enum exit_code check_list(const struct check *check)
{
    uint32_t *order = crew_order(&check->crew, &check->roster);
    enum exit_code code = EXIT_AS_EXPECTED;
    for (size_t i = 0; i < check->roster.count; i++) {
        const struct roster_case *entry = &check->roster.cases[order[i]];
        if (entry->is_broken) {
            code = EXIT_USAGE;
        } else {
            printf("%s\n", entry->name);
        }
    }
    free(order);
    return code;
}

static enum exit_code check_judge(struct check *check)
{
    struct tally tally = {.code = baseline_check(check)};
    bool is_for_people = !check->formats.is_output_taken;
    tally.baseline = check->baseline_path != NULL ? &check->baseline : NULL;
    check->crew.context = check;
    check->crew.is_done = is_for_people ? check_ended : NULL;
    check->is_terminal = isatty(STDOUT_FILENO) == 1 && !check->is_verbose;
    check->progress_ns = uv_hrtime();
    check->is_ended = tool_alloc(check->roster.count * sizeof(*check->is_ended));
    if (!crew_run(&check->crew, &check->roster, &tally)) {
        free(check->is_ended);
        return EXIT_RIG;
    }
    check_progress(check, NULL);
    for (; is_for_people && check->told < check->roster.count; check->told++) {
        check_tell(check, &tally, check->told); /* behind a case that has not ended */
    }
    if (is_for_people && !check->crew.is_hashes) {
        people_summary(&tally);
    }
    enum exit_code code = tally_code(&tally);
    code = command_worse(code, formats_write(&check->formats, &tally));
    crew_release(&tally);
    free(check->is_ended);
    return code;
}

/* Reads what is to run and what is known of it. */
static enum exit_code check_prepare(struct check *check, char **arguments, int count)
{
    struct paths paths = {0};
    enum exit_code code = select_cases("check", check->folder, arguments, count, &paths);
    if (code == EXIT_AS_EXPECTED) {
        roster_load(&paths, &check->roster);
    }
    paths_deinit(&paths);
    if (code != EXIT_AS_EXPECTED) {
        return code;
    }
    check->filter.names = check->failed != NULL ? &check->names : NULL;
    roster_filter(&check->roster, &check->filter);
    roster_complain(&check->roster);
    if (check->roster.count == 0) {
        fprintf(stderr, "lastbyte check: nothing selected: no case fits all that was asked for\n");
        return EXIT_USAGE;
    }
    return EXIT_AS_EXPECTED;
}

static enum exit_code check_run(struct check *check, char **arguments, int count)
{
    check->crew.jobs = (uint32_t)check->jobs;
    if (!roster_filter_check(&check->filter) || !formats_parse(&check->reports, &check->formats) ||
        (check->failed != NULL && !past_failures(check->failed, &check->names)) ||
        (check->baseline_path != NULL && !baseline_load(check->baseline_path, &check->baseline))) {
        return EXIT_USAGE;
    }
    if (check->crew.is_hashes && check->reports.count > 0) {
        fprintf(stderr, "lastbyte check: --hashes judges nothing that --report could tell\n");
        return EXIT_USAGE;
    }
    enum exit_code code = check_prepare(check, arguments, count);
    if (code != EXIT_AS_EXPECTED) {
        return code;
    }
    return check->is_list ? check_list(check) : check_judge(check);
}

enum exit_code command_check(int argc, char **argv)
{
    struct check check = {
        .folder = SELECT_FOLDER, .jobs = 1, .crew = {.rounds = 1, .seed = CREW_SEED_NONE}};
    const struct option_row rows[] = {
        OPTIONS_FLAG('v', "verbose", &check.is_verbose, "print a line for every case"),
        OPTIONS_TEXTS(0, "report", "FORMAT[=FILE]", &check.reports,
                      "write a report: tap, tap13, junit, json, sarif or baseline; without FILE to "
                      "standard output, in place of the one for people; repeatable"),
        OPTIONS_TEXTS(0, "id", "PATTERN", &check.filter.ids,
                      "only cases whose id, or AREA/ID, is like a shell pattern; repeatable"),
        OPTIONS_TEXTS(0, "area", "AREA", &check.filter.areas, "only those of an area; repeatable"),
        OPTIONS_TEXTS(0, "tag", "TAG", &check.filter.tags, "only those with a tag; repeatable"),
        OPTIONS_TEXTS(0, "rule", "RULE", &check.filter.rules,
                      "only those that cite a rule, R3 or 'RFC9112 9.3'; repeatable"),
        OPTIONS_TEXTS(0, "level", "LEVEL", &check.filter.levels,
                      "only those of a level: MUST, SHOULD, MAY, HOUSE; repeatable"),
        OPTIONS_TEXT(0, "failed", "FILE", &check.failed,
                     "only those that failed in the run whose JSON report FILE is"),
        OPTIONS_FLAG(0, "list", &check.is_list, "print what would run, in that order"),
        OPTIONS_TEXT(0, "baseline", "FILE", &check.baseline_path,
                     "failures that are expected; `--report baseline=FILE` writes them"),
        OPTIONS_NUMBER(0, "jobs", "N", &check.jobs, 1, ISOLATE_TEAM_MAX,
                       "run so many cases at a time"),
        OPTIONS_NUMBER(0, "repeat", "N", &check.crew.rounds, 1, 1000000,
                       "run everything N times; each time must give the same traces"),
        OPTIONS_NUMBER(0, "shuffle", "SEED", &check.crew.seed, 0, CREW_SEED_NONE - 1,
                       "run the cases in an order drawn from SEED"),
        OPTIONS_TEXT(0, "cases", "DIR", &check.folder, "where the cases are"),
        OPTIONS_FLAG(0, "hashes", &check.crew.is_hashes,
                     "print `id slice schedule hash` for each variant instead of judging it"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "check",
        .arguments = "[PATH|ID...]",
        .about = "Runs conformance cases, each in several variants, and judges them. Without\n"
                 "arguments it runs all of them.",
        .rows = rows,
    };
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    code = check_run(&check, argv, count);
    roster_deinit(&check.roster);
    baseline_deinit(&check.baseline);
    paths_deinit(&check.names);
    return code;
}
