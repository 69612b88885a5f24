/*
 * `lastbyte minimize`: an input that shows a finding becomes the smallest one that shows the same, as
 * bytes and as a readable case.
 *
 * The smallest input so far stands in the output file from the first success on, replaced whole each
 * time: interrupting loses nothing.
 */
#include "codec.h"
#include "core/assert.h"
#include "explore.h"
#include "isolate.h"
#include "options.h"
#include "report.h"
#include "select.h"
#include "shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINIMIZE_CRASH "crash/" /* the beginning of what is no rule's finding */
#define MINIMIZE_TRIES 3        /* the finding must show as often before anything is left out */

struct minimize {
    const char *out;
    const char *also;
    uint64_t run_max;
    uint64_t seconds;
    bool is_quiet;
    const char *target_name;
    const struct lb_target_row *row;
    struct judge *judge;
    struct lb_case c;
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size;
    size_t size_before;
    struct judge_seen seen;
    struct shrink_result result;
};

/* A path with a suffix behind it: gives it (free). */
static char *minimize_path(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *joined = tool_alloc(size);
    snprintf(joined, size, "%s%s", path, suffix);
    return joined;
}

/* Reads the input: bytes, or a case that bytes can say. */
static enum exit_code minimize_load(struct minimize *minimize, const char *path)
{
    char *bytes = NULL;
    size_t size = 0;
    if (select_is_case(path)) {
        struct lb_case projected;
        struct lb_codec_error error = {0};
        enum lb_status status = LB_OK;
        if (!select_load(path, &minimize->c)) {
            return EXIT_USAGE;
        }
        select_case_init(&projected);
        status = lb_codec_project(&minimize->c, &projected, &error);
        if (status == LB_OK) {
            status = lb_codec_encode(&projected, minimize->bytes, sizeof(minimize->bytes),
                                     &minimize->size, &error);
        }
        lb_case_deinit(&projected);
        if (status != LB_OK) {
            fprintf(stderr, "%s:%" PRIu32 ": bytes cannot say this: %s\n", path, error.place,
                    error.reason);
        }
        return status == LB_OK ? EXIT_AS_EXPECTED : EXIT_USAGE;
    }
    if (!files_read(path, &bytes, &size)) {
        fprintf(stderr, "lastbyte minimize: cannot read %s: %s\n", path, files_reason(path));
        return EXIT_USAGE;
    }
    minimize->size = size < sizeof(minimize->bytes) ? size : sizeof(minimize->bytes);
    memcpy(minimize->bytes, bytes, minimize->size);
    free(bytes);
    return EXIT_AS_EXPECTED;
}

/* Sees the finding, and sees it again. */
static enum exit_code minimize_see(struct minimize *minimize, const char *path)
{
    for (int i = 0; i < MINIMIZE_TRIES; i++) {
        struct judge_seen seen;
        if (!judge_run(minimize->judge, minimize->bytes, minimize->size, &seen)) {
            return EXIT_RIG;
        }
        if (i == 0) {
            minimize->seen = seen;
        } else if (strcmp(seen.finding, minimize->seen.finding) != 0) {
            fprintf(stderr, "lastbyte minimize: %s shows '%s' once and '%s' once more\n", path,
                    minimize->seen.finding, seen.finding);
            return EXIT_NONDETERMINISM;
        }
    }
    if (minimize->seen.finding[0] == '\0') {
        fprintf(stderr,
                "lastbyte minimize: %s breaks no rule, expected an input that shows a finding\n"
                "See: lastbyte replay FILE\n",
                path);
        return EXIT_USAGE;
    }
    return EXIT_AS_EXPECTED;
}

/* The schedule of the case by anchors, where it then still shows the finding. */
static void minimize_anchor(struct minimize *minimize)
{
    struct lb_sim_departure anchored[LB_SIM_DEPARTURES_MAX];
    struct lb_runner *runner = NULL;
    struct lb_result result;
    struct lb_case *c = &minimize->c;
    struct lb_variant variant = {.name = "own"};
    uint32_t count = c->departure_count;
    bool is_anchored = lb_runner_new(&runner) == LB_OK;
    variant.slice = c->slice_count > 0 ? c->slices[0] : 0;
    if (is_anchored) {
        lb_runner_run(runner, c, &variant, NULL, &result);
    }
    for (uint32_t i = 0; is_anchored && i < count; i++) {
        bool is_priority = c->departures[i].kind == LB_SIM_PRIORITY;
        anchored[i] = c->departures[i];
        is_anchored = is_priority || lb_runner_anchor(runner, i, &anchored[i]);
    }
    for (int i = 0; is_anchored && i < 2; i++) {
        variant.departures = anchored;
        variant.departure_count = count;
        lb_runner_run(runner, c, &variant, NULL, &result);
        char finding[JUDGE_FINDING_MAX] = "";
        if (result.finding_count > 0) {
            snprintf(finding, sizeof(finding), "%s/%s", result.findings[0].rule,
                     result.findings[0].context);
        }
        is_anchored = strcmp(finding, minimize->seen.finding) == 0;
    }
    if (is_anchored) {
        memcpy(c->departures, anchored, count * sizeof(anchored[0]));
    }
    lb_runner_free(&runner);
}

static bool minimize_is_crash(const struct minimize *minimize)
{
    return strncmp(minimize->seen.finding, MINIMIZE_CRASH, strlen(MINIMIZE_CRASH)) == 0;
}

/* Names the case after what it shows. */
static void minimize_name(struct minimize *minimize)
{
    char title[sizeof(minimize->seen.finding) + sizeof(minimize->seen.detail) + 8];
    const char *finding = minimize->seen.finding;
    struct lb_case *c = &minimize->c;
    bool is_crash = minimize_is_crash(minimize);
    bool has_detail = minimize->seen.detail[0] != '\0';
    snprintf(title, sizeof(title), "Shows %s%s%s", finding, has_detail ? ": " : "",
             minimize->seen.detail);
    c->title = lb_case_text(c, title, strlen(title));
    if (!is_crash) {
        c->specs[0].section = lb_case_text(c, finding, strcspn(finding, "/"));
    }
    if (!is_crash && c->departure_count > 0) {
        minimize_anchor(minimize);
    }
}

/* What is left as its target prints it: gives *ret_text (free). A crash would end this process, too: its
 * input is only decoded. */
static void minimize_text(struct minimize *minimize, char **ret_text, size_t *ret_size)
{
    struct lb_target *target = NULL;
    FILE *stream = open_memstream(ret_text, ret_size);
    bool is_text = minimize->row->form == LB_TARGET_TEXT;
    LB_ASSERT(stream != NULL);
    if (minimize_is_crash(minimize) && is_text) {
        (void)fwrite(minimize->bytes, 1, minimize->size, stream);
    } else if (minimize_is_crash(minimize)) {
        char *text = NULL;
        size_t size = 0;
        lb_codec_decode(minimize->bytes, minimize->size, &minimize->c);
        lb_case_print(&minimize->c, &text, &size);
        (void)fwrite(text, 1, size, stream);
        free(text);
    } else if (lb_target_new(minimize->row, &target) == LB_OK) {
        struct lb_result result;
        lb_target_judge(target, minimize->bytes, minimize->size, &result);
        lb_target_print(target, stream);
        lb_target_free(&target);
    }
    (void)fclose(stream);
}

/* Prints what is left, and writes it beside the bytes. */
static enum exit_code minimize_print(struct minimize *minimize, const char *out)
{
    char *text = NULL;
    size_t size = 0;
    enum exit_code code = EXIT_AS_EXPECTED;
    struct lb_case_error error;
    char *path = minimize_path(out, ".case");
    minimize_text(minimize, &text, &size);
    if (minimize->row->form != LB_TARGET_TEXT &&
        lb_case_parse(path, text, size, &minimize->c, &error) == LB_OK) {
        free(text);
        minimize_name(minimize);
        lb_case_print(&minimize->c, &text, &size);
    }
    if (!minimize->is_quiet) {
        fwrite(text, 1, size, stdout);
        printf("\n");
    }
    if (!files_write(out, minimize->bytes, minimize->size) || !files_write(path, text, size)) {
        fprintf(stderr, "lastbyte minimize: cannot write %s: %s\n", out, strerror(errno));
        code = EXIT_RIG;
    }
    free(text);
    free(path);
    return code;
}

static void minimize_summary(const struct minimize *minimize, const char *out)
{
    const struct shrink_result *result = &minimize->result;
    const struct lb_reduce_result *reduce = &result->reduce;
    printf("finding    %s\n", minimize->seen.finding);
    if (minimize->seen.detail[0] != '\0') {
        printf("           %s\n", minimize->seen.detail);
    }
    printf("left       %" PRIu32 " operation%s, %zu bytes of %zu%s\n", reduce->operation_count,
           reduce->operation_count == 1 ? "" : "s", minimize->size, minimize->size_before,
           reduce->is_complete ? "" : "; more may be possible");
    printf("took       %" PRIu64 " executions, %.2f s\n", reduce->run_count,
           (double)result->time_ns / 1e9);
    if (result->other_count > 0) {
        printf("also seen  %" PRIu64 " other finding%s%s%s\n", result->other_count,
               result->other_count == 1 ? "" : "s", minimize->also == NULL ? "" : ", kept in ",
               minimize->also == NULL ? "" : minimize->also);
    }
    printf("reproduce: lastbyte replay ");
    report_target(minimize->target_name);
    report_word(stdout, out);
    printf("\n");
}

static enum exit_code minimize_run(struct minimize *minimize, const char *path)
{
    const bool is_terminal = isatty(STDOUT_FILENO) == 1;
    char *out = minimize_path(path, ".min");
    const struct shrink_options options = {.form = minimize->row->form,
                                           .best = minimize->out != NULL ? minimize->out : out,
                                           .also = minimize->also,
                                           .run_max = minimize->run_max,
                                           .seconds = minimize->seconds,
                                           .is_shown = is_terminal};
    enum exit_code code = minimize_see(minimize, path);
    if (code == EXIT_AS_EXPECTED && files_is_same(options.best, path)) {
        fprintf(stderr, "lastbyte minimize: %s is the input\n", options.best);
        code = EXIT_USAGE;
    }
    if (code == EXIT_AS_EXPECTED) {
        minimize->size_before = minimize->size;
        isolate_watch();
        shrink_run(minimize->judge, &options, minimize->seen.finding, minimize->bytes,
                   &minimize->size, &minimize->result);
        code = minimize->result.is_broken ? EXIT_RIG : EXIT_AS_EXPECTED;
        code = command_worse(code, minimize_print(minimize, options.best));
        minimize_summary(minimize, options.best);
    }
    free(out);
    return command_ended(code, isolate_signal());
}

enum exit_code command_minimize(int argc, char **argv)
{
    struct minimize *minimize = tool_alloc(sizeof(*minimize));
    minimize->target_name = REPORT_TARGET;
    minimize->run_max = 5000;
    minimize->seconds = 30;
    const struct option_row rows[] = {
        OPTIONS_TEXT('o', "output", "FILE", &minimize->out,
                     "where the bytes go, and the case with .case behind the name (INPUT.min)"),
        OPTIONS_TEXT(0, "target", "NAME", &minimize->target_name,
                     "the fuzz target whose input it is (lifecycle)"),
        OPTIONS_NUMBER(0, "max-runs", "N", &minimize->run_max, 1, UINT32_MAX,
                       "at most N executions (5000)"),
        OPTIONS_DURATION(0, "time", &minimize->seconds, "at most so long (30s)"),
        OPTIONS_TEXT(0, "also", "DIR", &minimize->also,
                     "keep an input for every other finding met on the way"),
        OPTIONS_FLAG('q', "quiet", &minimize->is_quiet, "do not print the case"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "minimize",
        .arguments = "FILE",
        .about =
            "Reduces an input that shows a finding to the smallest one that shows the same:\n"
            "fewer operations, requests, connections, departures, smaller numbers. FILE is an\n"
            "input of a fuzzer or a case.",
        .rows = rows,
    };
    enum exit_code code = EXIT_USAGE;
    int count = 0;
    if (!options_begin(&options, argc, argv, &count, &code)) {
        free(minimize);
        return code;
    }
    select_case_init(&minimize->c);
    minimize->row = select_target("minimize", minimize->target_name);
    if (minimize->row == NULL) {
        code = EXIT_USAGE;
    } else if (count != 1) {
        fprintf(stderr, "lastbyte minimize: expected one file\nSee: lastbyte minimize --help\n");
        code = EXIT_USAGE;
    } else {
        code = minimize_load(minimize, argv[0]);
        if (code == EXIT_AS_EXPECTED) {
            code = judge_new(minimize->row, &minimize->judge) ? minimize_run(minimize, argv[0])
                                                              : EXIT_RIG;
        }
    }
    judge_free(&minimize->judge);
    lb_case_deinit(&minimize->c);
    free(minimize);
    return code;
}
