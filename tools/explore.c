/*
 * `lastbyte explore`: every selected case under every schedule of a few departures, then under drawn
 * ones, slice by slice; and whether the alternatives of its lines are exactly those that came.
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

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#define EXPLORE_ANCHORS_MAX 8192
#define EXPLORE_PROGRESS_NS UINT64_C(500000000)
#define EXPLORE_JOBS_MAX 64
#define EXPLORE_ID_MAX 96 /* of an id in the table, the NUL included */
#define EXPLORE_NONE SIZE_MAX

/* A case's line in the table: its certificates added up. */
struct explore_row {
    char id[EXPLORE_ID_MAX]; /* "": it has not been explored */
    enum lb_verdict verdict;
    uint32_t slice_count;
    bool is_cut;
    bool is_deviated;
    uint32_t delay_complete;
    uint64_t schedule_count;
    uint64_t slept_count;
    uint64_t trace_count;
    uint64_t outcome_count; /* of the slice with most; so are the next ones */
    uint32_t tuple_count;
    uint32_t decision_max;
    uint64_t time_ns;
};

/* What the children have found; they change it side by side. */
struct explore_found {
    _Atomic size_t next;                      /* the case that nobody has begun */
    _Atomic size_t running[EXPLORE_JOBS_MAX]; /* by each job; EXPLORE_NONE: none */
    _Atomic uint64_t begun[EXPLORE_JOBS_MAX]; /* schedules of the slice that each job explores */
    _Atomic uint64_t case_count;
    _Atomic uint64_t bad_count;
    _Atomic uint64_t schedule_count;
    _Atomic uint64_t incomplete_count; /* slices whose search a limit has cut */
    _Atomic uint32_t codes;            /* a bit for each exit code */
    struct explore_row rows[];         /* one for each case */
};

struct explore {
    const char *folder;
    const char *drivers; /* words, joined by commas */
    const char *done;    /* a file with the rows of cases to leave out; or NULL */
    char *done_text;     /* what it holds; NULL: nothing */
    bool is_verbose;
    bool may_sleep;
    uint32_t driver_bits;
    uint64_t delay_max;
    uint64_t draw_count;
    uint64_t schedule_max;
    uint64_t seconds; /* of processor time, of one slice; 0: no limit */
    uint64_t seed;
    uint64_t job_count;
    size_t job; /* this one's number */
    bool is_terminal;
    const struct paths *paths;
    struct explore_found *found; /* shared */
    struct explore_row *row;     /* of the case that runs */
    struct lb_explorer *explorer;
    struct lb_case c;
    struct lb_variant variant; /* that runs now */
    uint64_t case_start_ns;
    uint64_t case_processor_ns;
    uint64_t progress_ns;
    uint64_t case_schedules;
    uint32_t taken[LB_CASE_LINES_MAX];
};

static void explore_code(struct explore *explore, enum exit_code code)
{
    LB_ASSERT((unsigned)code < 32);
    explore->found->codes |= UINT32_C(1) << (unsigned)code;
}

/* The time that this process has had a processor. */
static uint64_t explore_processor_ns(void)
{
    uv_rusage_t usage;

    if (uv_getrusage(&usage) != 0) {
        return 0;
    }
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * UINT64_C(1000000000) +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * UINT64_C(1000);
}

static void explore_progress(struct explore *explore)
{
    uint64_t now_ns = uv_hrtime();

    if (explore->is_terminal && now_ns - explore->progress_ns > EXPLORE_PROGRESS_NS) {
        double seconds = (double)(now_ns - explore->case_start_ns) / 1e9;

        explore->progress_ns = now_ns;
        printf("\r\x1b[K%zu of %zu: %s: %" PRIu64 " schedules, %.0f/s",
               (size_t)explore->found->next, explore->paths->count, explore->c.id,
               explore->case_schedules, (double)explore->case_schedules / seconds);
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
    explore->found->begun[explore->job] = explore->case_schedules;
    if (explore->case_schedules % 256 != 0) {
        return isolate_signal() == 0;
    }
    explore_progress(explore);
    uint64_t used_ns = explore_processor_ns() - explore->case_processor_ns;
    return isolate_signal() == 0 &&
           (explore->seconds == 0 || used_ns < explore->seconds * UINT64_C(1000000000));
}

/* explore_judge_alternative: an alternative that came though it is said not to, or the other way round.
 * Returns whether that is wrong. */
static bool explore_judge_alternative(const struct explore *explore, const char *path,
                                      const struct lb_line *line, uint32_t index)
{
    size_t at = (size_t)(line - explore->c.client.lines);
    bool is_marked = line->outcomes[index].unreached.size > 0;
    bool is_taken = (explore->taken[at] & UINT32_C(1) << (index % 32)) != 0;
    char text[256];

    if (is_marked != is_taken) {
        return false;
    }
    char *file = files_whole(path); /* of a family, whose line it is */
    report_verdict(LB_VERDICT_FAIL);
    printf("%s: %s\n  %s:%" PRIu32 ": ", explore->c.id,
           is_marked ? "an alternative that is said to be unreached was reached"
                     : "an alternative was not reached by any schedule",
           file, line->place);
    free(file);
    lb_alternative_print(line, index, text, sizeof text);
    printf("%s\n  %s\n", text,
           is_marked
               ? "its unreached-ok is stale"
               : "either it is wrong, or unreached-ok \"REASON\" behind it says for whom it is");
    return true;
}

/* Whether the alternatives joined by `or` are exactly those that came. */
static bool explore_judge_alternatives(const struct explore *explore, const char *path)
{
    bool is_good = true;

    for (uint32_t i = 0; i < explore->c.client.count; i++) {
        const struct lb_line *line = &explore->c.client.lines[i];

        for (uint32_t j = 0; j < line->outcome_count && line->outcome_count > 1; j++) {
            is_good = !explore_judge_alternative(explore, path, line, j) && is_good;
        }
    }
    return is_good;
}

static void explore_print_failure(struct explore *explore, const char *path,
                                  const struct lb_explore_options *options,
                                  const struct lb_explore *result)
{
    const struct lb_variant variant = {options->slice, result->departures, result->departure_count,
                                       LB_EXPLORED, NULL};
    char anchors[EXPLORE_ANCHORS_MAX];

    report_explained(path, &explore->c, &variant, &result->result);
    if (explore->c.departure_count > 0) {
        return;
    }
    printf("  found by %s after %" PRIu64 " schedules; %" PRIu32 " departure%s left\n",
           result->is_base ? "the base schedule" : lb_driver_word(result->driver),
           result->schedule_count, result->departure_count,
           result->departure_count == 1 ? " is" : "s are");
    bool is_verified = lb_explore_anchors(explore->explorer, &explore->c, options, result, anchors,
                                          sizeof anchors);
    if (anchors[0] != '\0') {
        printf("  the schedule as lines of a case%s:\n%s",
               is_verified ? "" : ", which do not show the same", anchors);
    }
    report_reproduce(path, &variant);
}

/* What pct promises, and what its schedules have made of it. */
static void explore_print_pct(const struct lb_explore *result)
{
    if (result->driver_counts[LB_DRIVER_PCT] == 0) {
        return;
    }
    printf("  pct: n = %" PRIu32 ", k = %" PRIu32, result->worker_max, result->decision_max);
    for (uint32_t d = 2; d < 2 + LB_EXPLORE_PCT_COUNT; d++) {
        double chance = lb_explore_guarantee(result, d);
        uint64_t count = result->pct_counts[d - 2];
        double missed = 1.0;

        if (chance <= 0.0) {
            printf("; no guarantee: only the first %u workers are ranked", LB_EXPLORE_WORKERS_MAX);
            break;
        }
        for (double power = 1.0 - chance; count > 0; count /= 2, power *= power) {
            missed *= count % 2 == 1 ? power : 1.0;
        }
        printf("; d = %" PRIu32 ": 1/%.0f a schedule, %" PRIu64 " schedules: %.2g", d, 1.0 / chance,
               result->pct_counts[d - 2], 1.0 - missed);
    }
    printf("\n");
}

/* One line for one slice: the certificate. */
static void explore_print(struct explore *explore, const char *path,
                          const struct lb_explore_options *options, const struct lb_explore *result)
{
    char slice[REPORT_SLICE_MAX];
    double seconds = (double)(explore_processor_ns() - explore->case_processor_ns) / 1e9;
    bool is_bad = report_is_bad(result->verdict);

    if (explore->is_terminal) {
        printf("\r\x1b[K");
    }
    if (!is_bad && !explore->is_verbose) {
        return;
    }
    report_slice(options->slice, slice);
    report_verdict(result->verdict);
    printf("%s slice %s: %" PRIu64 " schedules (", explore->c.id, slice, result->schedule_count);
    for (uint32_t i = 0; i < LB_DRIVER_COUNT; i++) {
        printf("%s %" PRIu64 "%s", lb_driver_word((enum lb_driver)i), result->driver_counts[i],
               i + 1 < LB_DRIVER_COUNT ? ", " : ")");
    }
    printf("; all %" PRIu64 " of %" PRIu32 " demotions, %" PRIu64 " asleep%s%s; %" PRIu32
           " decisions, %" PRIu64 " traces, %" PRIu64 " worlds (%016" PRIx64 "), %" PRIu64
           " outcomes (%016" PRIx64 "), %" PRIu32 " switches, %.2f s\n",
           result->delay_size, result->delay_complete, result->slept_count,
           result->is_deviated ? ", all deviations" : "", result->is_complete ? "" : "; cut",
           result->decision_max, result->trace_count, result->world_count, result->world_set,
           result->outcome_count, result->outcome_set, result->tuple_count, seconds);
    if (explore->is_verbose) {
        explore_print_pct(result);
    }
    if (is_bad) {
        explore_print_failure(explore, path, options, result);
    }
}

/* Adds a certificate to the row of its case. */
static void explore_add(struct explore *explore, const struct lb_explore *result)
{
    struct explore_row *row = explore->row;
    bool is_first = row->slice_count == 0;

    row->slice_count++;
    row->verdict = result->verdict > row->verdict ? result->verdict : row->verdict;
    row->is_cut |= !result->is_complete;
    row->is_deviated = result->is_deviated && (is_first || row->is_deviated);
    row->delay_complete = is_first || result->delay_complete < row->delay_complete
                              ? result->delay_complete
                              : row->delay_complete;
    row->schedule_count += result->schedule_count;
    row->slept_count += result->slept_count;
    row->trace_count += result->trace_count;
    row->outcome_count =
        result->outcome_count > row->outcome_count ? result->outcome_count : row->outcome_count;
    row->tuple_count =
        result->tuple_count > row->tuple_count ? result->tuple_count : row->tuple_count;
    row->decision_max =
        result->decision_max > row->decision_max ? result->decision_max : row->decision_max;
    row->time_ns += explore_processor_ns() - explore->case_processor_ns;
}

/* Explores one slice; false: the case is over. */
static bool explore_slice(struct explore *explore, const char *path, uint32_t slice)
{
    struct explore_found *found = explore->found;
    const struct lb_explore_options options = {.slice = slice,
                                               .drivers = explore->driver_bits,
                                               .delay_max = (uint32_t)explore->delay_max,
                                               .draw_count = explore->draw_count,
                                               .schedule_max = explore->schedule_max,
                                               .seed = explore->seed,
                                               .may_sleep = explore->may_sleep,
                                               .taken = explore->taken,
                                               .go_on = explore_go_on,
                                               .context = explore};
    struct lb_explore *result = tool_alloc(sizeof(*result));

    explore->variant = (struct lb_variant){.slice = slice, .name = LB_EXPLORED};
    explore->case_start_ns = uv_hrtime();
    explore->case_processor_ns = explore_processor_ns();
    explore->case_schedules = 0;
    lb_explore(explore->explorer, &explore->c, &options, result);
    explore_print(explore, path, &options, result);
    explore_add(explore, result);
    bool is_bad = report_is_bad(result->verdict);
    found->schedule_count += result->schedule_count;
    found->bad_count += is_bad ? 1 : 0;
    found->incomplete_count += result->is_complete || is_bad ? 0 : 1;
    if (is_bad) {
        explore_code(explore, EXIT_UNEXPECTED);
    }
    free(result);
    return !is_bad && isolate_signal() == 0;
}

/* One line of the table. */
static void explore_print_row(FILE *file, const struct explore_row *row)
{
    double seconds = (double)row->time_ns / 1e9;
    char all[32];

    snprintf(all, sizeof all, "d=%" PRIu32 "%s%s", row->delay_complete,
             row->is_deviated ? ",dev" : "", row->is_cut ? ",cut" : "");
    fprintf(file,
            "%-52s %9" PRIu64 " %9" PRIu64 " %-12s %6" PRIu32 " %8" PRIu64 " %8" PRIu64 " %8" PRIu32
            " %7.2f %8.0f\n",
            row->id, row->schedule_count, row->slept_count, all, row->decision_max,
            row->trace_count, row->outcome_count, row->tuple_count, seconds,
            seconds > 0 ? (double)row->schedule_count / seconds : 0.0);
}

/* A case came out well: it need not be explored again by whoever hands over the same file. */
static void explore_done(const struct explore *explore)
{
    FILE *file = explore->done == NULL ? NULL : fopen(explore->done, "a");

    if (file != NULL) {
        explore_print_row(file, explore->row);
        (void)fclose(file);
    }
}

/* What can be said of a case when all its slices have been explored. Alternatives can be missed by less
 * than every schedule of two demotions. */
static void explore_conclude(struct explore *explore, const char *path)
{
    const struct explore_row *row = explore->row;
    bool is_enough = !row->is_cut && (row->delay_complete >= 2 || explore->c.departure_count > 0);

    if (is_enough && !explore_judge_alternatives(explore, path)) {
        explore->row->verdict = LB_VERDICT_FAIL;
        explore->found->bad_count++;
        explore_code(explore, EXIT_UNEXPECTED);
    } else {
        explore_done(explore);
    }
}

static void explore_case(struct explore *explore, size_t index)
{
    const char *path = explore->paths->items[index];
    uint32_t count = 0;
    bool is_going = true;

    if (!select_load(path, &explore->c)) {
        explore_code(explore, EXIT_USAGE);
        return;
    }
    explore->row = &explore->found->rows[index];
    snprintf(explore->row->id, sizeof explore->row->id, "%s", explore->c.id);
    memset(explore->taken, 0, sizeof explore->taken);
    count = explore->c.slice_count == 0 ? 1 : explore->c.slice_count;
    report_running(path, &explore->variant);
    for (uint32_t i = 0; i < count && is_going; i++) {
        is_going =
            explore_slice(explore, path, explore->c.slice_count == 0 ? 0 : explore->c.slices[i]);
    }
    if (is_going) {
        explore_conclude(explore, path);
    }
    report_running(NULL, NULL);
    explore->found->case_count++;
    lb_case_clear(&explore->c);
    fflush(stdout);
}

/* The body of a child: from case to case, until none is left. */
static void explore_child(void *argument)
{
    struct explore *explore = argument;
    struct explore_found *found = explore->found;

    if (lb_explorer_new(&explore->explorer) != LB_OK) {
        fprintf(stderr, "lastbyte explore: no explorer could be made\n");
        explore_code(explore, EXIT_RIG);
        found->next = explore->paths->count;
        return;
    }
    select_case_init(&explore->c);
    while (isolate_signal() == 0) {
        size_t index = atomic_fetch_add(&found->next, 1);

        if (index >= explore->paths->count) {
            break;
        }
        found->running[explore->job] = index;
        explore_case(explore, index);
        found->running[explore->job] = EXPLORE_NONE;
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

/* The table: a line for each case, those that were done before first. Time is the processor's. */
static void explore_table(const struct explore *explore)
{
    printf("\n%-52s %9s %9s %-12s %6s %8s %8s %8s %7s %8s\n%s", "case", "schedules", "asleep",
           "all of", "deci-", "traces", "outcomes", "switches", "seconds", "per s",
           explore->done_text == NULL ? "" : explore->done_text);
    for (size_t i = 0; i < explore->paths->count; i++) {
        if (explore->found->rows[i].id[0] != '\0') {
            explore_print_row(stdout, &explore->found->rows[i]);
        }
    }
    printf("\n");
}

/* One job: children until no case is left. */
static void explore_job(struct explore *explore)
{
    struct explore_found *found = explore->found;

    while (found->next < explore->paths->count && isolate_signal() == 0) {
        enum isolate_end end = isolate_run(explore_child, explore);
        size_t index = found->running[explore->job];

        if (end == ISOLATE_FAILED) {
            fprintf(stderr, "lastbyte explore: the process that runs the cases has failed\n");
            explore_code(explore, EXIT_RIG);
            return;
        }
        if (end == ISOLATE_CRASHED && !isolate_has_killed() && index != EXPLORE_NONE) {
            report_verdict(LB_VERDICT_CRASH);
            printf("%s: the process that ran it has ended in schedule %" PRIu64
                   " of its slice; what it said stands above\n",
                   explore->paths->items[index], found->begun[explore->job]);
            found->rows[index].verdict = LB_VERDICT_CRASH;
            found->bad_count++;
            explore_code(explore, EXIT_UNEXPECTED);
        }
        found->running[explore->job] = EXPLORE_NONE;
    }
}

/* The further jobs, in processes of their own. */
static void explore_fork(struct explore *explore, pid_t *ret_jobs)
{
    pid_t parent = getpid();

    fflush(NULL);
    for (size_t i = 1; i < explore->job_count; i++) {
        ret_jobs[i] = fork();
        if (ret_jobs[i] == 0) {
            if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) {
                _exit(EXIT_FAILURE);
            }
            explore->job = i;
            explore->is_terminal = false;
            explore_job(explore);
            fflush(NULL);
            _exit(EXIT_SUCCESS);
        }
        if (ret_jobs[i] < 0) {
            fprintf(stderr, "lastbyte explore: job %zu could not be started\n", i);
            explore_code(explore, EXIT_RIG);
        }
    }
}

/* Waits for the further jobs; one that runs on after a signal is told. */
static void explore_join(struct explore *explore, const pid_t *jobs)
{
    for (size_t i = 1; i < explore->job_count; i++) {
        int status = 0;

        if (jobs[i] <= 0) {
            continue;
        }
        if (isolate_signal() != 0) {
            (void)kill(jobs[i], isolate_signal());
        }
        while (waitpid(jobs[i], &status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
            explore_code(explore, EXIT_RIG);
        }
    }
}

static void explore_run(struct explore *explore)
{
    uint64_t start_ns = uv_hrtime();
    pid_t jobs[EXPLORE_JOBS_MAX] = {0};

    for (size_t i = 0; i < EXPLORE_JOBS_MAX; i++) {
        explore->found->running[i] = EXPLORE_NONE;
    }
    isolate_watch();
    explore_fork(explore, jobs);
    explore_job(explore);
    explore_join(explore, jobs);
    if (explore->is_verbose) {
        explore_table(explore);
    }
    explore_summary(explore, uv_hrtime() - start_ns);
}

/* The gravest of the codes that were set, and of that of a signal. */
static enum exit_code explore_worst(const struct explore_found *found)
{
    enum exit_code worst = EXIT_AS_EXPECTED;

    for (unsigned i = 0; i < 32; i++) {
        if ((found->codes & UINT32_C(1) << i) != 0) {
            worst = command_worse(worst, (enum exit_code)i);
        }
    }
    return command_ended(worst, isolate_signal());
}

/* Reads the words of --drivers. */
static enum exit_code explore_drivers(struct explore *explore)
{
    const char *at = explore->drivers;

    while (*at != '\0') {
        size_t size = strcspn(at, ",");
        uint32_t i = 0;

        while (i < LB_DRIVER_COUNT && (strlen(lb_driver_word((enum lb_driver)i)) != size ||
                                       strncmp(lb_driver_word((enum lb_driver)i), at, size) != 0)) {
            i++;
        }
        if (i == LB_DRIVER_COUNT) {
            fprintf(stderr,
                    "lastbyte explore: --drivers: expected words of delays, deviations, pct, walk, "
                    "joined by commas, found '%s'\n",
                    explore->drivers);
            return EXIT_USAGE;
        }
        explore->driver_bits |= 1u << i;
        at += size + (at[size] == ',' ? 1 : 0);
    }
    return EXIT_AS_EXPECTED;
}

/* Whether a line of the file of cases that are done begins with this path's id. */
static bool explore_is_done(const char *text, const char *path)
{
    char *id = select_id(path);
    size_t size = strlen(id);
    bool is_done = false;

    for (const char *at = text; *at != '\0' && !is_done;
         at += strcspn(at, "\n"), at += *at != '\0') {
        is_done = strcspn(at, " \n") == size && strncmp(at, id, size) == 0;
    }
    free(id);
    return is_done;
}

/* Leaves out the cases that are done. */
static void explore_skip_done(struct explore *explore, struct paths *paths)
{
    size_t text_size = 0;
    size_t kept = 0;

    if (explore->done == NULL || access(explore->done, F_OK) != 0 ||
        !files_read(explore->done, &explore->done_text, &text_size)) {
        return;
    }
    for (size_t i = 0; i < paths->count; i++) {
        char *path = paths->items[i];

        if (explore_is_done(explore->done_text, path)) {
            free(path);
        } else {
            paths->items[kept++] = path;
        }
    }
    printf("%zu of %zu cases are done\n", paths->count - kept, paths->count);
    paths->count = kept;
}

static enum exit_code explore_selected(struct explore *explore, const struct paths *paths)
{
    size_t size = sizeof(*explore->found) + paths->count * sizeof(explore->found->rows[0]);

    explore->found = isolate_shared(size);
    if (explore->found == NULL) {
        fprintf(stderr, "lastbyte explore: no shared memory\n");
        return EXIT_RIG;
    }
    explore->paths = paths;
    explore_run(explore);
    enum exit_code code = explore_worst(explore->found);
    isolate_release(explore->found, size);
    return code;
}

enum exit_code command_explore(int argc, char **argv)
{
    struct explore *explore = tool_alloc(sizeof(*explore));
    *explore = (struct explore){.folder = SELECT_FOLDER,
                                .drivers = "delays,deviations,pct,walk",
                                .delay_max = 2,
                                .draw_count = 200,
                                .job_count = 1,
                                .is_terminal = isatty(STDOUT_FILENO) == 1};
    const struct option_row rows[] = {
        OPTIONS_FLAG('v', "verbose", &explore->is_verbose,
                     "print the certificate of every case, and a table of all"),
        OPTIONS_TEXT(0, "drivers", "WORDS", &explore->drivers,
                     "which of delays,deviations,pct,walk (all)"),
        OPTIONS_NUMBER(0, "delays", "D", &explore->delay_max, 0, LB_EXPLORE_DELAYS_MAX,
                       "delays: every schedule of at most D demotions (2)"),
        OPTIONS_NUMBER(0, "draw", "N", &explore->draw_count, 0, UINT32_MAX,
                       "pct and walk: N schedules, three of four pct's (200)"),
        OPTIONS_FLAG(0, "sleep", &explore->may_sleep,
                     "delays: leave out what only swaps steps that have nothing in common"),
        OPTIONS_NUMBER(0, "seed", "N", &explore->seed, 0, UINT64_MAX - 1, "what is drawn (0)"),
        OPTIONS_NUMBER(0, "max", "N", &explore->schedule_max, 0, UINT64_MAX - 1,
                       "at most N schedules a slice (no limit)"),
        OPTIONS_DURATION(0, "time", &explore->seconds,
                         "at most so much processor time a slice (no limit)"),
        OPTIONS_NUMBER(0, "jobs", "N", &explore->job_count, 1, EXPLORE_JOBS_MAX,
                       "N processes side by side (1)"),
        OPTIONS_TEXT(0, "done", "FILE", &explore->done,
                     "leave out the cases named in FILE, and add those that came out well"),
        OPTIONS_TEXT(0, "cases", "DIR", &explore->folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "explore",
        .arguments = "[PATH|ID...]",
        .about = "Runs conformance cases under every schedule of few departures from the default\n"
                 "one, then under drawn ones. A failure is reduced to the fewest departures. The\n"
                 "alternatives of `or` must be exactly those that come.",
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
    if (code == EXIT_AS_EXPECTED) {
        code = explore_drivers(explore);
    }
    if (code == EXIT_AS_EXPECTED) {
        explore_skip_done(explore, &paths);
        code = explore_selected(explore, &paths);
    }
    paths_deinit(&paths);
    free(explore->done_text);
    free(explore);
    return code;
}
