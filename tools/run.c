/*
 * `lastbyte run`: one variant of one case, told as a conversation, and, if it went wrong, as a table of
 * its workers. It runs twice, because a trace that does not come out the same twice explains nothing:
 * exit code 4.
 */
#include "run.h"

#include "core/assert.h"
#include "explore.h"
#include "options.h"
#include "report.h"
#include "select.h"
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_INDEX_MAX 1000000

struct run {
    const char *folder;
    const char *slice;      /* NULL: that of the variant */
    const char *schedule;   /* NULL: the case's first variant */
    const char *departures; /* NULL: those of the schedule */
    const char *fault;      /* NULL: none */
    struct lb_fault parsed_fault;
    struct lb_sim_departure list[LB_EXPLORE_DEPARTURES_MAX];
    bool is_hash;
    bool is_trace;
    bool is_table;
    bool is_whole;
    bool is_terminal;
    const char *path;
    struct lb_case c;
    struct lb_variant variant;
};

static void run_print_trace(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
}

/* Prints a line of a story, in colour on a terminal. */
static void run_print_told(void *context, const char *line, enum lb_tone tone)
{
    static const char *const colours[] = {
        [LB_TONE_PLAIN] = "",
        [LB_TONE_TITLE] = "\x1b[1m",
        [LB_TONE_BAD] = "\x1b[1;31m",
        [LB_TONE_MARK] = "\x1b[33m",
    };
    const struct run *run = context;
    bool is_coloured = run->is_terminal && colours[tone][0] != '\0';

    printf("%s", is_coloured ? colours[tone] : "");
    report_text(stdout, line, strlen(line));
    printf("%s\n", is_coloured ? "\x1b[0m" : "");
}

/* Tells what happened: the conversation, unless the trace was asked for, and of a bad run the table. */
static void run_tell(struct run *run, const struct lb_story *story, bool is_bad)
{
    const struct lb_story_output output = {run_print_told, run};

    if (!run->is_trace) {
        lb_story_conversation(story, &output);
    }
    if (run->is_table || run->is_whole || is_bad) {
        printf("\n");
        lb_story_table(story, run->is_whole, &output);
    }
}

/* Lists the schedules of a case, for a message. */
static void run_print_schedules(const struct lb_case *c)
{
    struct lb_variant variant = {0};
    uint32_t first_slice = 0;

    fprintf(stderr, "Its schedules:");
    for (uint32_t i = 0; lb_check_variant(c, i, &variant); i++) {
        if (i == 0) {
            first_slice = variant.slice;
        }
        if (variant.slice == first_slice) {
            fprintf(stderr, " %s", variant.name);
        }
    }
    fprintf(stderr, "\n");
}

/* Whether variant `index` is the one that --schedule and --slice ask for. */
static bool run_is_wanted(const struct run *run, const struct lb_variant *variant, uint32_t index,
                          bool is_any_slice)
{
    uint64_t number = 0;
    uint32_t slice = 0;

    if (run->schedule != NULL && options_number(run->schedule, 0, RUN_INDEX_MAX, &number)) {
        return index == number;
    }
    if (run->slice != NULL && !is_any_slice && report_slice_parse(run->slice, &slice) &&
        variant->slice != slice) {
        return false;
    }
    return run->schedule == NULL || strcmp(run->schedule, variant->name) == 0;
}

/* Gives the variant the departures of --departures, which have been parsed before. */
static void run_depart(struct run *run)
{
    if (run->departures != NULL) {
        run->variant.departures = run->list;
        (void)lb_departures_parse(run->departures, run->list, LB_EXPLORE_DEPARTURES_MAX,
                                  &run->variant.departure_count);
        run->variant.name = LB_EXPLORED;
    }
}

/* Finds the variant; a slice that the case does not list is lawful and replaces the variant's. */
static bool run_find_variant(struct run *run)
{
    for (int is_any_slice = 0; is_any_slice <= 1; is_any_slice++) {
        for (uint32_t i = 0; lb_check_variant(&run->c, i, &run->variant); i++) {
            if (!run_is_wanted(run, &run->variant, i, is_any_slice != 0)) {
                continue;
            }
            if (run->slice != NULL) {
                (void)report_slice_parse(run->slice, &run->variant.slice);
            }
            run_depart(run);
            return true;
        }
    }
    fprintf(stderr, "lastbyte run: %s has no schedule '%s'\n", run->path,
            run->schedule != NULL ? run->schedule : "base");
    run_print_schedules(&run->c);
    return false;
}

static void run_print_outcome(struct run *run, const struct lb_story *story,
                              struct lb_result *result)
{
    char slice[REPORT_SLICE_MAX];

    report_slice(run->variant.slice, slice);
    if (run->is_hash) {
        printf("%s %s %s %016" PRIx64 "\n", run->c.id, slice, run->variant.name,
               result->trace_hash);
        return;
    }
    bool is_bad = report_is_bad(result->verdict);
    run_tell(run, story, is_bad);
    printf("\n");
    report_verdict(result->verdict);
    report_title(&run->c);
    if (is_bad && lb_story_has_leaks(story)) {
        const struct lb_story_output output = {run_print_told, run};

        result->profile[0] = '\0'; /* told at length instead */
        report_details(run->path, &run->c, result);
        lb_story_leaks(story, &output);
    } else {
        report_details(run->path, &run->c, result);
    }
    if (run->fault != NULL && !result->is_fault_reached) {
        printf("  the fault '%s' was never reached\n", run->fault);
    }
    printf("  slice %s, schedule %s: %" PRIu64 " steps, %" PRIu64 " switches, %" PRIu64
           " decisions, %.3f s of virtual time\n",
           slice, run->variant.name, result->steps, result->switches, result->decisions,
           (double)result->time_ns / 1e9);
    printf("  %" PRIu32 " requests, %" PRIu32 " responses, %" PRIu32 " connections, %" PRIu32
           " reuses, trace hash %016" PRIx64 "\n",
           result->requests_sent, result->responses, result->connections, result->reuses,
           result->trace_hash);
}

static enum exit_code run_twice(struct run *run, struct lb_runner *runner)
{
    struct lb_story *story = NULL;
    struct lb_result *results = tool_alloc(2 * sizeof(*results));
    enum exit_code code = EXIT_AS_EXPECTED;

    if (lb_story_new(&story) != LB_OK) {
        fprintf(stderr, "lastbyte run: no memory for the story of a run\n");
        free(results);
        return EXIT_RIG;
    }
    const struct lb_run_output output = {.trace = run->is_trace ? run_print_trace : NULL,
                                         .story = story};
    report_running(run->path, &run->variant);
    lb_runner_run(runner, &run->c, &run->variant, run->is_hash ? NULL : &output, &results[0]);
    lb_runner_run(runner, &run->c, &run->variant, NULL, &results[1]);
    report_running(NULL, NULL);
    run_print_outcome(run, story, &results[0]);
    if (report_is_bad(results[0].verdict) && !run->is_hash) {
        code = EXIT_UNEXPECTED;
    }
    if (results[0].trace_hash != results[1].trace_hash ||
        results[0].verdict != results[1].verdict) {
        printf("  NONDETERMINISM: the second run gave %s and trace hash %016" PRIx64 "\n",
               lb_verdict_word(results[1].verdict), results[1].trace_hash);
        code = EXIT_NONDETERMINISM;
    }
    lb_story_free(&story);
    free(results);
    return code;
}

static enum exit_code run_case(struct run *run)
{
    struct lb_runner *runner = NULL;
    enum exit_code code = EXIT_USAGE;

    select_case_init(&run->c);
    if (select_load(run->path, &run->c) && run_find_variant(run)) {
        run->variant.fault = run->fault == NULL ? NULL : &run->parsed_fault;
        if (lb_runner_new(&runner) != LB_OK) {
            fprintf(stderr, "lastbyte run: no runner could be made\n");
            code = EXIT_RIG;
        } else {
            code = run_twice(run, runner);
            lb_runner_free(&runner);
        }
    }
    lb_case_deinit(&run->c);
    return code;
}

/* Whether the options and arguments name one case and a slice. */
static bool run_is_clear(struct run *run, int count)
{
    uint32_t slice = 0;

    if (count != 1) {
        fprintf(stderr, "lastbyte run: takes one case\nSee: lastbyte run --help\n");
        return false;
    }
    if (run->slice != NULL && !report_slice_parse(run->slice, &slice)) {
        fprintf(stderr, "lastbyte run: --slice is '%s', expected a number, whole or written\n",
                run->slice);
        return false;
    }
    if (run->fault != NULL && !lb_fault_parse(run->fault, &run->parsed_fault)) {
        report_fault_error("run", "--fault", run->fault);
        return false;
    }
    struct lb_sim_departure list[LB_EXPLORE_DEPARTURES_MAX];
    uint32_t departures = 0;
    if (run->departures != NULL &&
        !lb_departures_parse(run->departures, list, LB_EXPLORE_DEPARTURES_MAX, &departures)) {
        fprintf(stderr,
                "lastbyte run: --departures is '%s', expected at most %u of N, Ns, Nt or wN=P, "
                "joined by commas\n",
                run->departures, LB_EXPLORE_DEPARTURES_MAX);
        return false;
    }
    return true;
}

enum exit_code command_run(int argc, char **argv)
{
    struct run run = {.folder = SELECT_FOLDER, .is_terminal = isatty(STDOUT_FILENO) == 1};
    const struct option_row rows[] = {
        OPTIONS_TEXT(0, "slice", "N", &run.slice,
                     "bytes of a segment; `whole`: one segment; `written`: as the case says"),
        OPTIONS_TEXT(0, "schedule", "NAME", &run.schedule,
                     "the variant with this schedule, or with this index"),
        OPTIONS_TEXT(
            0, "departures", "LIST", &run.departures,
            "departures from the schedule as `explore` prints them: after 3, then 0: `3,0`"),
        OPTIONS_TEXT(0, "fault", "FAULT", &run.fault,
                     "what goes wrong outside, such as 'alloc 17'; then the rules alone judge"),
        OPTIONS_FLAG('v', "trace", &run.is_trace,
                     "every event of the simulation in place of the conversation"),
        OPTIONS_FLAG(0, "table", &run.is_table,
                     "also the table of workers, which a bad verdict brings by itself"),
        OPTIONS_FLAG(0, "whole", &run.is_whole, "and all of its rows"),
        OPTIONS_FLAG(0, "hash", &run.is_hash, "print only `id slice schedule hash`"),
        OPTIONS_TEXT(0, "cases", "DIR", &run.folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "run",
        .arguments = "CASE",
        .about =
            "Runs one variant of one case and tells it: the conversation, and if the verdict is "
            "bad\n"
            "what each worker did, and which were left. It runs twice; both must give one trace.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    if (!run_is_clear(&run, count)) {
        return EXIT_USAGE;
    }
    code = select_cases("run", run.folder, argv, count, &paths);
    if (code == EXIT_AS_EXPECTED && paths.count != 1) {
        fprintf(stderr, "lastbyte run: '%s' names %zu cases\n", argv[0], paths.count);
        code = EXIT_USAGE;
    }
    if (code == EXIT_AS_EXPECTED) {
        run.path = paths.items[0];
        code = run_case(&run);
    }
    paths_deinit(&paths);
    return code;
}
