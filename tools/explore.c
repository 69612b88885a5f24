/*
 * `lastbyte explore`: every selected case under every schedule of a few departures, then under drawn
 * ones, slice by slice.
 *
 * The search of a case runs in a child process: a failed assertion ends that, names the schedule, and
 * the next case goes on in a new one. What is known so far stands in shared memory. SIGINT and SIGTERM
 * end the search after the schedule that runs, and the summary is printed.
 */
#include "core/assert.h"
#include "explore.h"
#include "isolate.h"
#include "options.h"
#include "report.h"
#include "select.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define EXPLORE_ANCHORS_MAX 2048
#define EXPLORE_PROGRESS_NS UINT64_C(500000000)

/* What the children have found. */
struct explore_found {
    size_t next; /* the case that runs, or is next */
    uint64_t case_count;
    uint64_t bad_count;
    uint64_t schedule_count;
    uint64_t incomplete_count; /* cases whose search a limit has cut */
    enum exit_code code;
};

struct explore {
    const char *folder;
    bool is_verbose;
    uint64_t delay_max;
    uint64_t priority_count;
    uint64_t schedule_max;
    uint64_t seconds; /* of one case; 0: no limit */
    uint64_t seed;
    bool is_terminal;
    const struct paths *paths;
    struct explore_found *found; /* shared */
    struct lb_explorer *explorer;
    struct lb_case c;
    struct lb_variant variant; /* that runs now */
    uint64_t case_start_ns;
    uint64_t progress_ns;
    uint64_t case_schedules;
    uint32_t taken[LB_CASE_LINES_MAX];
};

static void explore_progress(struct explore *explore)
{
    uint64_t now_ns = uv_hrtime();

    if (explore->is_terminal && now_ns - explore->progress_ns > EXPLORE_PROGRESS_NS) {
        double seconds = (double)(now_ns - explore->case_start_ns) / 1e9;

        explore->progress_ns = now_ns;
        printf("\r\x1b[K%zu of %zu: %s: %" PRIu64 " schedules, %.0f/s", explore->found->next + 1,
               explore->paths->count, explore->c.id, explore->case_schedules,
               (double)explore->case_schedules / seconds);
        fflush(stdout);
    }
}

/* Before each run: names it, should it end the process; false: the time is over. */
static bool explore_go_on(void *context, const struct lb_sim_departure *departures, uint32_t count)
{
    struct explore *explore = context;

    explore->variant.departures = departures;
    explore->variant.departure_count = count;
    explore->case_schedules++;
    if (explore->case_schedules % 256 != 0) {
        return isolate_signal() == 0;
    }
    explore_progress(explore);
    uint64_t elapsed_ns = uv_hrtime() - explore->case_start_ns;
    return isolate_signal() == 0 &&
           (explore->seconds == 0 || elapsed_ns < explore->seconds * UINT64_C(1000000000));
}

/* Prints the lines whose alternatives have not all come. */
static void explore_print_unreached(const struct explore *explore)
{
    for (uint32_t i = 0; i < explore->c.client.count; i++) {
        const struct lb_line *line = &explore->c.client.lines[i];

        for (uint32_t j = 0; j < line->outcome_count && line->outcome_count > 1; j++) {
            if ((explore->taken[i] & UINT32_C(1) << (j % 32)) == 0) {
                printf("  line %" PRIu32 ": alternative %" PRIu32 " of %" PRIu32
                       " was never seen\n",
                       line->place, j + 1, line->outcome_count);
            }
        }
    }
}

static void explore_print_failure(struct explore *explore, const char *path,
                                  const struct lb_explore_options *options,
                                  const struct lb_explore *result)
{
    const struct lb_variant variant = {options->slice, result->departures, result->departure_count,
                                       LB_EXPLORED, NULL};
    char anchors[EXPLORE_ANCHORS_MAX];

    report_explained(path, &explore->c, &variant, &result->result);
    if (explore->c.departure_count == 0) {
        lb_explore_anchors(explore->explorer, &explore->c, options, result, anchors,
                           sizeof anchors);
        if (anchors[0] != '\0') {
            printf("  the schedule as lines of a case:\n%s", anchors);
        }
        report_reproduce(path, &variant);
    }
}

/* One line for one slice: the certificate. */
static void explore_print(struct explore *explore, const char *path,
                          const struct lb_explore_options *options, const struct lb_explore *result)
{
    char slice[REPORT_SLICE_MAX];
    double seconds = (double)(uv_hrtime() - explore->case_start_ns) / 1e9;
    bool is_bad = report_is_bad(result->verdict);

    if (explore->is_terminal) {
        printf("\r\x1b[K");
    }
    if (!is_bad && !explore->is_verbose) {
        return;
    }
    report_slice(options->slice, slice);
    report_verdict(result->verdict);
    printf("%s slice %s: %" PRIu64 " schedules (all of %" PRIu32 " departures%s, %" PRIu64
           " drawn), %" PRIu32 " decisions, %" PRIu64 " traces, %" PRIu64 " outcomes, %.2f s\n",
           explore->c.id, slice, result->schedule_count, result->delay_complete,
           result->is_complete ? "" : "; cut", result->priority_count, result->decision_max,
           result->trace_count, result->outcome_count, seconds);
    if (is_bad) {
        explore_print_failure(explore, path, options, result);
    }
}

/* Explores one slice; false: the case is over. */
static bool explore_slice(struct explore *explore, const char *path, uint32_t slice)
{
    struct explore_found *found = explore->found;
    const struct lb_explore_options options = {.slice = slice,
                                               .delay_max = (uint32_t)explore->delay_max,
                                               .priority_count = explore->priority_count,
                                               .schedule_max = explore->schedule_max,
                                               .seed = explore->seed,
                                               .taken = explore->taken,
                                               .go_on = explore_go_on,
                                               .context = explore};
    struct lb_explore *result = tool_alloc(sizeof(*result));

    explore->variant = (struct lb_variant){.slice = slice, .name = LB_EXPLORED};
    explore->case_start_ns = uv_hrtime();
    explore->case_schedules = 0;
    lb_explore(explore->explorer, &explore->c, &options, result);
    explore_print(explore, path, &options, result);
    bool is_bad = report_is_bad(result->verdict);
    found->schedule_count += result->schedule_count;
    found->bad_count += is_bad ? 1 : 0;
    found->incomplete_count += result->is_complete || is_bad ? 0 : 1;
    found->code = is_bad ? command_worse(found->code, EXIT_UNEXPECTED) : found->code;
    free(result);
    return !is_bad && isolate_signal() == 0;
}

static void explore_case(struct explore *explore, const char *path)
{
    uint32_t count = 0;
    bool is_going = true;

    if (!select_load(path, &explore->c)) {
        explore->found->code = command_worse(explore->found->code, EXIT_USAGE);
        return;
    }
    memset(explore->taken, 0, sizeof explore->taken);
    count = explore->c.slice_count == 0 ? 1 : explore->c.slice_count;
    report_running(path, &explore->variant);
    for (uint32_t i = 0; i < count && is_going; i++) {
        is_going =
            explore_slice(explore, path, explore->c.slice_count == 0 ? 0 : explore->c.slices[i]);
    }
    if (is_going && explore->is_verbose) {
        explore_print_unreached(explore);
    }
    report_running(NULL, NULL);
    explore->found->case_count++;
    lb_case_clear(&explore->c);
    fflush(stdout);
}

/* The body of a child: from the next case to the last. */
static void explore_child(void *argument)
{
    struct explore *explore = argument;

    if (lb_explorer_new(&explore->explorer) != LB_OK) {
        fprintf(stderr, "lastbyte explore: no explorer could be made\n");
        explore->found->code = command_worse(explore->found->code, EXIT_RIG);
        explore->found->next = explore->paths->count;
        return;
    }
    select_case_init(&explore->c);
    while (explore->found->next < explore->paths->count && isolate_signal() == 0) {
        explore_case(explore, explore->paths->items[explore->found->next]);
        explore->found->next++;
    }
    lb_case_deinit(&explore->c);
    lb_explorer_free(&explore->explorer);
}

static void explore_summary(const struct explore *explore, uint64_t time_ns)
{
    const struct explore_found *found = explore->found;
    double seconds = (double)time_ns / 1e9;

    printf("%" PRIu64 " case%s, %" PRIu64 " schedules, %" PRIu64 " bad", found->case_count,
           found->case_count == 1 ? "" : "s", found->schedule_count, found->bad_count);
    if (found->incomplete_count > 0) {
        printf(", %" PRIu64 " cut by a limit", found->incomplete_count);
    }
    printf("%s; %.2f s, %.0f schedules/s\n", isolate_signal() != 0 ? "; interrupted" : "", seconds,
           seconds > 0 ? (double)found->schedule_count / seconds : 0.0);
}

static void explore_run(struct explore *explore)
{
    struct explore_found *found = explore->found;
    uint64_t start_ns = uv_hrtime();

    isolate_watch();
    while (found->next < explore->paths->count && isolate_signal() == 0) {
        enum isolate_end end = isolate_run(explore_child, explore);

        if (end == ISOLATE_FAILED) {
            fprintf(stderr, "lastbyte explore: the process that runs the cases has failed\n");
            found->code = command_worse(found->code, EXIT_RIG);
            break;
        }
        if (end == ISOLATE_CRASHED && isolate_signal() == 0) {
            report_verdict(LB_VERDICT_CRASH);
            printf("%s: the process that ran it has ended; what it said stands above\n",
                   explore->paths->items[found->next]);
            found->bad_count++;
            found->code = command_worse(found->code, EXIT_UNEXPECTED);
            found->next++;
        }
    }
    if (isolate_signal() != 0) {
        found->code = command_worse(found->code, isolate_signal() == SIGINT ? EXIT_INTERRUPTED
                                                                            : EXIT_TERMINATED);
    }
    explore_summary(explore, uv_hrtime() - start_ns);
}

enum exit_code command_explore(int argc, char **argv)
{
    struct explore *explore = tool_alloc(sizeof(*explore));
    *explore = (struct explore){.folder = SELECT_FOLDER,
                                .delay_max = 2,
                                .priority_count = 200,
                                .is_terminal = isatty(STDOUT_FILENO) == 1};
    const struct option_row rows[] = {
        OPTIONS_FLAG('v', "verbose", &explore->is_verbose,
                     "print the certificate of every case, and alternatives never seen"),
        OPTIONS_NUMBER(0, "delays", "D", &explore->delay_max, 0, LB_EXPLORE_DELAYS_MAX,
                       "every schedule of at most D departures (2)"),
        OPTIONS_NUMBER(0, "draw", "N", &explore->priority_count, 0, UINT32_MAX,
                       "then N schedules with drawn ranks and one to three demotions (200)"),
        OPTIONS_NUMBER(0, "seed", "N", &explore->seed, 0, UINT64_MAX - 1, "what is drawn (0)"),
        OPTIONS_NUMBER(0, "max", "N", &explore->schedule_max, 0, UINT64_MAX - 1,
                       "at most N schedules a slice (no limit)"),
        OPTIONS_DURATION(0, "time", &explore->seconds, "at most so long a slice (no limit)"),
        OPTIONS_TEXT(0, "cases", "DIR", &explore->folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "explore",
        .arguments = "[PATH|ID...]",
        .about = "Runs conformance cases under every schedule of few departures from the default\n"
                 "one, then under drawn ones. A failure is reduced to the fewest departures.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        free(explore);
        return code;
    }
    code = select_cases("explore", explore->folder, argv, count, &paths);
    explore->found = isolate_shared(sizeof(*explore->found));
    if (code == EXIT_AS_EXPECTED && explore->found == NULL) {
        fprintf(stderr, "lastbyte explore: no shared memory\n");
        code = EXIT_RIG;
    }
    if (code == EXIT_AS_EXPECTED) {
        explore->paths = &paths;
        explore_run(explore);
        code = explore->found->code;
    }
    isolate_release(explore->found, sizeof(*explore->found));
    paths_deinit(&paths);
    free(explore);
    return code;
}
