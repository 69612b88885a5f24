/*
 * `lastbyte replay`: inputs of a fuzzer again, judged by what their target claims. An input is bytes, or a
 * case, which then runs once as it is written; a family stands for its cases.
 */
#include "core/assert.h"
#include "options.h"
#include "report.h"
#include "select.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct replay {
    bool is_verbose;
    bool is_quiet;
    const char *target_name;
    struct lb_target *target;
    struct lb_runner *runner;
    struct lb_case c;
    struct lb_variant variant; /* of the last one */
    struct lb_result result;
    uint64_t counts[LB_VERDICT_COUNT];
};

/* Takes the variant as which a case is written: its first slice, its own schedule. */
static void replay_vary(struct replay *replay, const struct lb_case *c)
{
    replay->variant =
        (struct lb_variant){.name = "own", .slice = c->slice_count > 0 ? c->slices[0] : 0};
}

/* Judges an input, bytes or a case; false with a message if the file is none. */
static bool replay_judge(struct replay *replay, const char *path)
{
    char *bytes = NULL;
    size_t size = 0;

    if (select_is_case(path)) {
        if (!select_load(path, &replay->c)) {
            return false;
        }
        replay_vary(replay, &replay->c);
        report_running(path, NULL);
        lb_runner_run(replay->runner, &replay->c, &replay->variant, NULL, &replay->result);
        report_running(NULL, NULL);
        return true;
    }
    if (!files_read(path, &bytes, &size)) {
        fprintf(stderr, "lastbyte replay: cannot read %s: %s\n", path, files_reason(path));
        return false;
    }
    report_running(path, NULL);
    lb_target_judge(replay->target, (const uint8_t *)bytes, size, &replay->result);
    replay_vary(replay, lb_target_case(replay->target)); /* how most targets run it */
    report_running(NULL, NULL);
    free(bytes);
    return true;
}

static void replay_print_case(const struct lb_case *c)
{
    char *text = NULL;
    size_t size = 0;

    lb_case_print(c, &text, &size);
    fwrite(text, 1, size, stdout);
    printf("\n");
    free(text);
}

/* The verdict on a run. Bytes are judged by what their target claims alone: nobody wrote their scripts down
 * to fit the conversation. */
static enum lb_verdict replay_verdict(const struct lb_result *result, bool is_text)
{
    return is_text || result->finding_count > 0 ? result->verdict : LB_VERDICT_PASS;
}

static void replay_report(const struct replay *replay, const char *path, bool is_alone)
{
    const struct lb_result *result = &replay->result;
    bool is_text = select_is_case(path);
    enum lb_verdict verdict = replay_verdict(result, is_text);
    bool is_bad = report_is_bad(verdict);

    if (replay->is_verbose || (!replay->is_quiet && (is_alone || is_bad))) {
        if (is_text) {
            replay_print_case(&replay->c);
        } else {
            lb_target_print(replay->target, stdout);
            printf("\n");
        }
    }
    if (!is_bad && !is_alone && !replay->is_verbose) {
        return;
    }
    report_verdict(verdict);
    report_text(stdout, path, strlen(path));
    printf("\n");
    if (verdict == result->verdict) {
        const struct lb_case *c = is_text ? &replay->c : lb_target_case(replay->target);

        report_explained(is_text ? path : NULL, c, &replay->variant, result);
    } else {
        printf("  no rule is broken, though the conversation did not fit its script (%s)\n",
               lb_verdict_word(result->verdict));
    }
    if (is_bad) {
        printf("  reproduce: lastbyte replay ");
        if (!is_text) {
            report_target(replay->target_name);
        }
        report_word(stdout, path);
        printf("\n");
    }
}

static enum exit_code replay_input(struct replay *replay, const char *path, bool is_alone)
{
    enum exit_code code = EXIT_USAGE;

    if (replay_judge(replay, path)) {
        LB_ASSERT((unsigned)replay->result.verdict < LB_VERDICT_COUNT);
        enum lb_verdict verdict = replay_verdict(&replay->result, select_is_case(path));
        replay->counts[verdict]++;
        replay_report(replay, path, is_alone);
        code = report_is_bad(verdict) ? EXIT_UNEXPECTED : EXIT_AS_EXPECTED;
    }
    lb_case_clear(&replay->c);
    return code;
}

static void replay_summary(const struct replay *replay)
{
    uint64_t total = 0;

    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        total += replay->counts[i];
    }
    printf("%" PRIu64 " inputs", total);
    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        if (replay->counts[i] > 0) {
            printf(", %" PRIu64 " %s", replay->counts[i], lb_verdict_word((enum lb_verdict)i));
        }
    }
    printf("\n");
}

static enum exit_code replay_run(struct replay *replay, const struct paths *paths)
{
    enum exit_code code = EXIT_AS_EXPECTED;
    const struct lb_target_row *row = select_target("replay", replay->target_name);

    if (row == NULL) {
        return EXIT_USAGE;
    }
    if (lb_runner_new(&replay->runner) != LB_OK || lb_target_new(row, &replay->target) != LB_OK) {
        fprintf(stderr, "lastbyte replay: no runner could be made\n");
        lb_runner_free(&replay->runner);
        return EXIT_RIG;
    }
    select_case_init(&replay->c);
    for (size_t i = 0; i < paths->count; i++) {
        code = command_worse(code, replay_input(replay, paths->items[i], paths->count == 1));
    }
    if (paths->count > 1) {
        replay_summary(replay);
    }
    lb_case_deinit(&replay->c);
    lb_target_free(&replay->target);
    lb_runner_free(&replay->runner);
    return code;
}

/* Gathers the inputs that the arguments name. */
static enum exit_code replay_gather(char **arguments, int count, struct paths *ret_paths)
{
    for (int i = 0; i < count; i++) {
        if (files_part(arguments[i]) !=
            NULL) { /* a case of a family; whether it is there is seen */
            paths_add(ret_paths, arguments[i]); /* when it is loaded */
            continue;
        }
        enum files_found found = files_gather(arguments[i], "", ret_paths);

        if (found == FILES_NONE) {
            fprintf(stderr, "lastbyte replay: no file or folder is called '%s'\n", arguments[i]);
        }
        if (found != FILES_FOUND) {
            return EXIT_USAGE;
        }
    }
    select_expand(ret_paths);
    if (ret_paths->count == 0) {
        fprintf(stderr, "lastbyte replay: nothing selected\n");
        return EXIT_USAGE;
    }
    paths_once(ret_paths);
    return EXIT_AS_EXPECTED;
}

enum exit_code command_replay(int argc, char **argv)
{
    struct replay *replay = tool_alloc(sizeof(*replay));
    const struct option_row rows[] = {
        OPTIONS_FLAG('v', "verbose", &replay->is_verbose, "print every input as a case"),
        OPTIONS_FLAG('q', "quiet", &replay->is_quiet, "print no input as a case"),
        OPTIONS_TEXT(0, "target", "NAME", &replay->target_name,
                     "the fuzz target whose input it is (lifecycle)"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "replay",
        .arguments = "FILE|DIR...",
        .about =
            "Decodes inputs of a fuzzer, prints them as cases, runs them and judges them by what\n"
            "their target claims. Cases and families run once, as they are written.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code = EXIT_USAGE;
    int count = 0;

    replay->target_name = REPORT_TARGET;
    if (options_begin(&options, argc, argv, &count, &code)) {
        code = replay_gather(argv, count, &paths);
        if (code == EXIT_AS_EXPECTED) {
            code = replay_run(replay, &paths);
        }
    }
    paths_deinit(&paths);
    free(replay);
    return code;
}
