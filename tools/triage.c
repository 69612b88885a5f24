/*
 * `lastbyte triage`: a folder of crashes, filed by finding: how many inputs show each, the smallest of
 * them, and, minimized, how many different forms are left. Two inputs with one finding are taken for one
 * bug; many forms say that there may be two.
 *
 * With --out each finding gets a folder with its smallest inputs, named by their content, so that filing
 * twice, or into a folder that another machine has filed into, changes nothing.
 */
#include "codec.h"
#include "core/assert.h"
#include "isolate.h"
#include "options.h"
#include "report.h"
#include "select.h"
#include "shrink.h"

#include "files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIAGE_FORMS_MANY 5 /* more forms than these may be more than one bug */
#define TRIAGE_RUNS_MAX 5000
#define TRIAGE_SECONDS 30

/* An input that shows something. */
struct triage_input {
    const char *path;
    char finding[JUDGE_FINDING_MAX];
    uint8_t *bytes; /* minimized, where that is asked for */
    size_t size;
    uint64_t runs;
};

struct triage {
    const char *target_name;
    const struct lb_target_row *row;
    const char *out;
    uint64_t kept; /* inputs of a finding that are minimized and filed */
    bool is_minimized;
    bool is_terminal;
    struct judge *judge;
    struct triage_input *inputs;
    size_t count;
    uint64_t quiet_count; /* inputs that show nothing */
    enum exit_code code;
};

static void triage_read(struct triage *triage, const char *path)
{
    char *bytes = NULL;
    size_t size = 0;
    struct judge_seen seen;
    struct triage_input *input = &triage->inputs[triage->count];
    if (!files_read(path, &bytes, &size)) {
        fprintf(stderr, "lastbyte triage: cannot read %s: %s\n", path, files_reason(path));
        triage->code = command_worse(triage->code, EXIT_USAGE);
        return;
    }
    size = size < LB_CODEC_SIZE_MAX ? size : LB_CODEC_SIZE_MAX;
    if (!judge_run(triage->judge, (const uint8_t *)bytes, size, &seen)) {
        triage->code = command_worse(triage->code, EXIT_RIG);
    } else if (seen.finding[0] == '\0') {
        triage->quiet_count++;
    } else {
        *input = (struct triage_input){.path = path, .size = size};
        memcpy(input->finding, seen.finding, sizeof(input->finding));
        input->bytes = tool_alloc(LB_CODEC_SIZE_MAX);
        memcpy(input->bytes, bytes, size);
        triage->count++;
    }
    free(bytes);
}

/* By finding, the smallest first. */
static int input_compare(const void *a, const void *b)
{
    const struct triage_input *first = a;
    const struct triage_input *second = b;
    int order = strcmp(first->finding, second->finding);
    if (order == 0 && first->size != second->size) {
        order = first->size < second->size ? -1 : 1;
    }
    return order != 0 ? order : strcmp(first->path, second->path);
}

/* The inputs from `first` on that show one finding. */
static size_t triage_same(const struct triage *triage, size_t first)
{
    size_t end = first + 1;
    while (end < triage->count &&
           strcmp(triage->inputs[end].finding, triage->inputs[first].finding) == 0) {
        end++;
    }
    return end - first;
}

static void triage_minimize(struct triage *triage, struct triage_input *input)
{
    const struct shrink_options options = {.form = triage->row->form,
                                           .run_max = TRIAGE_RUNS_MAX,
                                           .seconds = TRIAGE_SECONDS,
                                           .is_shown = triage->is_terminal};
    struct shrink_result result;
    shrink_run(triage->judge, &options, input->finding, input->bytes, &input->size, &result);
    input->runs = result.reduce.run_count;
    if (result.is_broken) {
        triage->code = command_worse(triage->code, EXIT_RIG);
    }
}

/* Different inputs among `count`. */
static size_t triage_forms(const struct triage_input *inputs, size_t count)
{
    size_t forms = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_new = true;
        for (size_t k = 0; k < i && is_new; k++) {
            is_new = inputs[k].size != inputs[i].size ||
                     memcmp(inputs[k].bytes, inputs[i].bytes, inputs[i].size) != 0;
        }
        forms += is_new ? 1 : 0;
    }
    return forms;
}

static uint64_t input_hash(const struct triage_input *input)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < input->size; i++) {
        hash = (hash ^ input->bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void triage_file(struct triage *triage, const struct triage_input *input)
{
    char name[32];
    char *slug = shrink_slug(input->finding);
    char *folder = files_join(triage->out, slug);
    snprintf(name, sizeof(name), "%016" PRIx64 ".bin", input_hash(input));
    char *path = files_join(folder, name);
    if (!files_make_folder(folder) || !files_write(path, input->bytes, input->size)) {
        fprintf(stderr, "lastbyte triage: cannot write %s: %s\n", path, strerror(errno));
        triage->code = command_worse(triage->code, EXIT_RIG);
    }
    free(path);
    free(folder);
    free(slug);
}

/* One finding: `count` inputs from `first` on. */
static void triage_finding(struct triage *triage, size_t first, size_t count)
{
    struct triage_input *inputs = &triage->inputs[first];
    size_t kept = count < triage->kept ? count : (size_t)triage->kept;
    const char *smallest = inputs[0].path;
    size_t size = inputs[0].size;
    for (size_t i = 0; i < kept && triage->is_minimized && isolate_signal() == 0; i++) {
        triage_minimize(triage, &inputs[i]);
    }
    for (size_t i = 0; i < kept && triage->out != NULL; i++) {
        triage_file(triage, &inputs[i]);
    }
    printf("%6zu  %-48s ", count, inputs[0].finding);
    if (triage->is_minimized) {
        size_t forms = triage_forms(inputs, kept);
        for (size_t i = 1; i < kept; i++) {
            size = inputs[i].size < size ? inputs[i].size : size;
        }
        size = inputs[0].size < size ? inputs[0].size : size;
        printf("%zu form%s of %zu, least %zu bytes%s  ", forms, forms == 1 ? "" : "s", kept, size,
               forms > TRIAGE_FORMS_MANY ? ", maybe several bugs" : "");
    } else {
        printf("least %zu bytes  ", size);
    }
    report_word(stdout, smallest);
    printf("\n");
}

static void triage_run(struct triage *triage, const struct paths *paths)
{
    size_t findings = 0;
    isolate_watch();
    triage->inputs = tool_alloc(paths->count * sizeof(triage->inputs[0]));
    for (size_t i = 0; i < paths->count && isolate_signal() == 0; i++) {
        triage_read(triage, paths->items[i]);
    }
    qsort(triage->inputs, triage->count, sizeof(triage->inputs[0]), input_compare);
    for (size_t first = 0; first < triage->count;) {
        size_t count = triage_same(triage, first);
        triage_finding(triage, first, count);
        findings++;
        first += count;
    }
    printf("%zu input%s, %zu finding%s, %" PRIu64 " that show nothing%s\n",
           triage->count + (size_t)triage->quiet_count,
           triage->count + triage->quiet_count == 1 ? "" : "s", findings, findings == 1 ? "" : "s",
           triage->quiet_count, isolate_signal() != 0 ? "; interrupted" : "");
    if (findings > 0) {
        triage->code = command_worse(triage->code, EXIT_UNEXPECTED);
    }
    triage->code = command_ended(triage->code, isolate_signal());
}

static enum exit_code triage_gather(char **arguments, int count, struct paths *ret_paths)
{
    for (int i = 0; i < count; i++) {
        enum files_found found = files_gather(arguments[i], "", ret_paths);
        if (found == FILES_NONE) {
            fprintf(stderr, "lastbyte triage: no file or folder is called '%s'\n", arguments[i]);
        }
        if (found != FILES_FOUND) {
            return EXIT_USAGE;
        }
    }
    if (ret_paths->count == 0) {
        fprintf(stderr, "lastbyte triage: nothing selected\nSee: lastbyte triage --help\n");
        return EXIT_USAGE;
    }
    paths_once(ret_paths);
    return EXIT_AS_EXPECTED;
}

enum exit_code command_triage(int argc, char **argv)
{
    struct triage triage = {
        .target_name = REPORT_TARGET, .kept = 8, .is_terminal = isatty(STDOUT_FILENO) == 1};
    const struct option_row rows[] = {
        OPTIONS_TEXT(0, "target", "NAME", &triage.target_name,
                     "the fuzz target whose inputs they are (lifecycle)"),
        OPTIONS_FLAG(0, "minimize", &triage.is_minimized,
                     "minimize the smallest inputs of each finding, and count their forms"),
        OPTIONS_TEXT(0, "out", "DIR", &triage.out,
                     "file the smallest inputs of each finding in DIR/FINDING/"),
        OPTIONS_NUMBER(0, "keep", "N", &triage.kept, 1, 100000,
                       "inputs of a finding that are minimized and filed (8)"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "triage",
        .arguments = "FILE|DIR...",
        .about =
            "Files inputs of a fuzzer by the finding that each shows: the broken rule and where\n"
            "body and connection stood, or the crash.",
        .rows = rows,
    };
    struct paths paths = {0};
    int count = 0;
    if (!options_begin(&options, argc, argv, &count, &triage.code)) {
        return triage.code;
    }
    triage.row = select_target("triage", triage.target_name);
    triage.code = triage.row == NULL ? EXIT_USAGE : triage_gather(argv, count, &paths);
    if (triage.code == EXIT_AS_EXPECTED) {
        if (judge_new(triage.row, &triage.judge)) {
            triage_run(&triage, &paths);
        } else {
            triage.code = EXIT_RIG;
        }
    }
    for (size_t i = 0; i < triage.count; i++) {
        free(triage.inputs[i].bytes);
    }
    free(triage.inputs);
    judge_free(&triage.judge);
    paths_deinit(&paths);
    return triage.code;
}
