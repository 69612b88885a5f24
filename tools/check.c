/*
 * `lastbyte check`: every selected case under its default set of variants.
 *
 * The cases run one after another in one process and with one runner, in the order of their files
 * or shuffled, as many rounds as asked for. A case must come out the same in every round, so that
 * state that leaks from one case into another is seen: as exit code 4.
 *
 * That process is a child: when a case ends it, by a failed assertion say, the case is a CRASH, and a
 * new child goes on with the next one. What is known so far stands in shared memory.
 *
 * SIGINT and SIGTERM end it after the case that runs, and the summary is printed; a second one does
 * not wait for that case.
 */
#include "core/assert.h"
#include "isolate.h"
#include "options.h"
#include "report.h"
#include "select.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define CHECK_SEED_NONE UINT64_MAX

/* One case and what is known of it. */
struct check_entry {
    const char *path;
    uint64_t hash; /* of the first round */
    bool is_hashed;
    bool is_broken; /* the file is no case; said once */
};

/* What the children have found, for each other and for their parent. */
struct check_found {
    uint64_t step; /* the next case, counted over all rounds */
    uint64_t verdicts[LB_VERDICT_COUNT];
    uint64_t variants;
    uint64_t broken_files;
    enum exit_code code;
    struct check_entry entries[];
};

struct check {
    const char *folder;
    bool is_verbose;
    bool is_hashes;
    uint64_t rounds;
    uint64_t seed;
    struct lb_runner *runner;
    struct lb_case c;
    struct check_found *found; /* shared */
    size_t entry_count;
};

static uint64_t check_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void check_shuffle(struct check *check, uint64_t *state)
{
    for (size_t i = check->entry_count; i > 1; i--) {
        size_t k = (size_t)(check_random(state) % i);
        struct check_entry entry = check->found->entries[i - 1];

        check->found->entries[i - 1] = check->found->entries[k];
        check->found->entries[k] = entry;
    }
}

/* Compares the hash of a case with that of the round before. */
static void check_compare(struct check *check, struct check_entry *entry, uint64_t hash)
{
    if (!entry->is_hashed) {
        entry->is_hashed = true;
        entry->hash = hash;
    } else if (entry->hash != hash) {
        printf("NONDETERMINISM %s: trace hash %016" PRIx64 ", before %016" PRIx64 "\n", entry->path,
               hash, entry->hash);
        check->found->code = command_worse(check->found->code, EXIT_NONDETERMINISM);
    }
}

static void check_report(struct check *check, const struct check_entry *entry,
                         const struct lb_check *outcome)
{
    bool is_bad = report_is_bad(outcome->verdict);
    char slice[REPORT_SLICE_MAX];

    if (!is_bad && !check->is_verbose && outcome->verdict != LB_VERDICT_WEAK) {
        return;
    }
    report_slice(outcome->worst.slice, slice);
    report_verdict(outcome->verdict);
    if (outcome->verdict == LB_VERDICT_PASS) {
        printf("%s (%" PRIu32 " variant%s)\n", check->c.id, outcome->variant_count,
               outcome->variant_count == 1 ? "" : "s");
        return;
    }
    report_title(&check->c);
    printf("  in slice %s, schedule %s; %" PRIu32 " variant%s ran\n", slice, outcome->worst.name,
           outcome->variant_count, outcome->variant_count == 1 ? "" : "s");
    report_explained(entry->path, &check->c, &outcome->worst, &outcome->result);
    report_reproduce(entry->path, &outcome->worst);
}

static void check_judge(struct check *check, struct check_entry *entry)
{
    struct lb_check outcome = {0};

    lb_check_case(check->runner, &check->c, &outcome);
    LB_ASSERT((unsigned)outcome.verdict < LB_VERDICT_COUNT);
    check->found->verdicts[outcome.verdict]++;
    check->found->variants += outcome.variant_count;
    if (report_is_bad(outcome.verdict)) {
        check->found->code = command_worse(check->found->code, EXIT_UNEXPECTED);
    }
    check_report(check, entry, &outcome);
    check_compare(check, entry, outcome.result.trace_hash);
}

/* Prints the trace hash of each variant, and compares them all. */
static void check_print_hashes(struct check *check, struct check_entry *entry)
{
    struct lb_variant variant = {0};
    struct lb_result *result = tool_alloc(sizeof(*result));
    uint64_t all = 0;

    for (uint32_t i = 0; lb_check_variant(&check->c, i, &variant); i++) {
        char slice[REPORT_SLICE_MAX];

        report_running(entry->path, &variant);
        report_slice(variant.slice, slice);
        lb_runner_run(check->runner, &check->c, &variant, NULL, result);
        printf("%s %s %s %016" PRIx64 "\n", check->c.id, slice, variant.name, result->trace_hash);
        all = (all ^ result->trace_hash) * 0x100000001b3u;
        check->found->variants++;
    }
    check_compare(check, entry, all);
    free(result);
}

static void check_entry_run(struct check *check, struct check_entry *entry)
{
    if (entry->is_broken) {
        return;
    }
    report_running(entry->path, NULL);
    if (!select_load(entry->path, &check->c)) {
        entry->is_broken = true;
        check->found->broken_files++;
        check->found->code = command_worse(check->found->code, EXIT_USAGE);
    } else if (check->is_hashes) {
        check_print_hashes(check, entry);
    } else {
        check_judge(check, entry);
    }
    lb_case_clear(&check->c);
    report_running(NULL, NULL);
    fflush(stdout);
}

static void check_summary(const struct check *check, uint64_t time_ns)
{
    uint64_t cases = 0;
    const char *separator = ": ";

    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        cases += check->found->verdicts[i];
    }
    printf("%" PRIu64 " case%s, %" PRIu64 " variant%s", cases, cases == 1 ? "" : "s",
           check->found->variants, check->found->variants == 1 ? "" : "s");
    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        if (check->found->verdicts[i] > 0) {
            printf("%s%" PRIu64 " %s", separator, check->found->verdicts[i],
                   lb_verdict_word((enum lb_verdict)i));
            separator = ", ";
        }
    }
    if (check->found->broken_files > 0) {
        printf("; %" PRIu64 " broken file%s", check->found->broken_files,
               check->found->broken_files == 1 ? "" : "s");
    }
    if (isolate_signal() != 0) {
        printf("; interrupted");
    }
    double seconds = (double)time_ns / 1e9;
    printf("; %.2f s, %.0f cases/s\n", seconds, seconds > 0 ? (double)cases / seconds : 0.0);
}

/* The body of a child: from the next case to the last. */
static void check_child(void *argument)
{
    struct check *check = argument;
    struct check_found *found = check->found;

    if (lb_runner_new(&check->runner) != LB_OK) {
        fprintf(stderr, "lastbyte check: no runner could be made\n");
        found->code = command_worse(found->code, EXIT_RIG);
        found->step = check->rounds * check->entry_count;
        return;
    }
    select_case_init(&check->c);
    while (found->step < check->rounds * check->entry_count && isolate_signal() == 0) {
        check_entry_run(check, &found->entries[found->step % check->entry_count]);
        found->step++;
    }
    lb_case_deinit(&check->c);
    lb_runner_free(&check->runner);
}

/* The case at which a child ended. */
static void check_crashed(struct check *check)
{
    struct check_found *found = check->found;
    const struct check_entry *entry = &found->entries[found->step % check->entry_count];

    found->verdicts[LB_VERDICT_CRASH]++;
    found->code = command_worse(found->code, EXIT_UNEXPECTED);
    report_verdict(LB_VERDICT_CRASH);
    printf("%s: the process that ran it has ended; what it said stands above\n", entry->path);
    printf("  reproduce: lastbyte check --verbose ");
    report_word(stdout, entry->path);
    printf("\n");
    found->step++;
}

/* Runs one round or, where the order is that of the files, all of them. */
static void check_run(struct check *check)
{
    struct check_found *found = check->found;
    uint64_t last = check->rounds * check->entry_count;

    while (found->step < last && isolate_signal() == 0) {
        switch (isolate_run(check_child, check)) {
        case ISOLATE_DONE:
            break;
        case ISOLATE_CRASHED:
            if (isolate_signal() == 0) { /* otherwise the second signal ended it */
                check_crashed(check);
            }
            break;
        case ISOLATE_FAILED:
            fprintf(stderr, "lastbyte check: the process that runs the cases has failed\n");
            found->code = command_worse(found->code, EXIT_RIG);
            return;
        }
    }
}

/* All rounds, and what they found. */
static void check_rounds(struct check *check)
{
    struct check_found *found = check->found;
    uint64_t state = check->seed;
    uint64_t start = uv_hrtime();

    isolate_watch();
    if (check->seed == CHECK_SEED_NONE) {
        check_run(check);
    } else {
        uint64_t rounds = check->rounds;

        check->rounds = 1;
        for (uint64_t round = 0; round < rounds; round++) {
            check_shuffle(check, &state);
            found->step = 0;
            check_run(check);
        }
        check->rounds = rounds;
    }
    if (isolate_signal() != 0) {
        found->code = command_worse(found->code, isolate_signal() == SIGINT ? EXIT_INTERRUPTED
                                                                            : EXIT_TERMINATED);
    }
    if (check->is_hashes) {
        return;
    }
    check_summary(check, uv_hrtime() - start);
}

static enum exit_code check_selected(struct check *check, const struct paths *paths)
{
    size_t size = sizeof(*check->found) + paths->count * sizeof(check->found->entries[0]);

    check->found = isolate_shared(size);
    if (check->found == NULL) {
        fprintf(stderr, "lastbyte check: no shared memory for %zu cases\n", paths->count);
        return EXIT_RIG;
    }
    check->found->code = select_same_ids("check", paths);
    check->entry_count = paths->count;
    for (size_t i = 0; i < paths->count; i++) {
        check->found->entries[i].path = paths->items[i];
    }
    check_rounds(check);
    enum exit_code code = check->found->code;
    isolate_release(check->found, size);
    return code;
}

enum exit_code command_check(int argc, char **argv)
{
    struct check check = {.folder = SELECT_FOLDER, .rounds = 1, .seed = CHECK_SEED_NONE};
    const struct option_row rows[] = {
        OPTIONS_FLAG('v', "verbose", &check.is_verbose, "print a line for every case"),
        OPTIONS_NUMBER(0, "repeat", "N", &check.rounds, 1, 1000000,
                       "run everything N times; each time must give the same traces"),
        OPTIONS_NUMBER(0, "shuffle", "SEED", &check.seed, 0, CHECK_SEED_NONE - 1,
                       "run the cases in an order drawn from SEED"),
        OPTIONS_TEXT(0, "cases", "DIR", &check.folder, "where the cases are"),
        OPTIONS_FLAG(0, "hashes", &check.is_hashes,
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
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    code = select_cases("check", check.folder, argv, count, &paths);
    if (code == EXIT_AS_EXPECTED) {
        code = check_selected(&check, &paths);
    }
    paths_deinit(&paths);
    return code;
}
