/*
 * `lastbyte fuzz`: a campaign. One or more libFuzzer processes share a corpus in the output folder;
 * whatever they find is kept there, with the line that names the broken rule and the command that
 * shows it again. Ctrl-C is passed on, a second one is final; in both cases the summary is printed.
 *
 * Output folder: corpus/ (inputs that reached something new), crash-*, timeout-*, oom-*, leak-*
 * (findings), engine-N.log (all that the engines said).
 */
#include "command.h"
#include "core/assert.h"
#include "engine.h"
#include "files.h"
#include "options.h"
#include "report.h"
#include "select.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUZZ_JOBS_MAX 64
#define FUZZ_GRACE_SECONDS 15 /* an engine that runs on for longer is killed */
#define FUZZ_FINDINGS_MAX 64  /* beyond it the campaign ends */
#define FUZZ_FINDING_LINE_MAX 240
#define FUZZ_WORD_MAX 8192  /* bytes of an engine's option, the NUL included */
#define FUZZ_INTERRUPTED 72 /* libFuzzer's exit code after SIGINT */
#define FUZZ_SEED_NONE UINT64_MAX
#define NS_PER_SECOND 1000000000u

struct fuzz_finding {
    char *path;
    char line[FUZZ_FINDING_LINE_MAX];
};

struct fuzz {
    const struct lb_target_row *target;
    const char *binary;
    const char *corpus; /* NULL: OUT/corpus */
    const char *seeds;  /* NULL: corpus/TARGET of the sources */
    const char *out;    /* NULL: fuzz-out/TARGET */
    uint64_t seconds;
    uint64_t jobs;
    uint64_t seed;
    bool is_keep_going;

    char *binary_found;
    char *corpus_made;
    char *out_made;
    struct paths words; /* paths made for the engine */
    char *dictionary;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    struct engine *engines;
    FILE *logs[FUZZ_JOBS_MAX];
    uint64_t start_ns;
    bool is_interrupted;
    bool is_late; /* an engine ignored its time */
    bool is_terminal;
    struct fuzz_finding findings[FUZZ_FINDINGS_MAX];
    size_t finding_count;
    enum exit_code code;
};

static uint64_t fuzz_elapsed(const struct fuzz *fuzz)
{
    return (uv_hrtime() - fuzz->start_ns) / NS_PER_SECOND;
}

static void fuzz_print_progress(const struct fuzz *fuzz)
{
    uint64_t executions = 0;
    uint64_t rate = 0;
    struct engine_stats best = {0};

    for (uint64_t i = 0; i < fuzz->jobs; i++) {
        const struct engine_stats *stats = &fuzz->engines[i].stats;

        executions += stats->executions + fuzz->engines[i].executions_before;
        rate += stats->rate;
        best.coverage = stats->coverage > best.coverage ? stats->coverage : best.coverage;
        best.features = stats->features > best.features ? stats->features : best.features;
        best.corpus = stats->corpus > best.corpus ? stats->corpus : best.corpus;
    }
    printf("%" PRIu64 " s of %" PRIu64 " s: %" PRIu64 " executions, %" PRIu64
           "/s, coverage %" PRIu64 ", features %" PRIu64 ", corpus %" PRIu64 ", findings %zu",
           fuzz_elapsed(fuzz), fuzz->seconds, executions, rate, best.coverage, best.features,
           best.corpus, fuzz->finding_count);
}

/* Kills the engines that still run though their time has long been up. */
static void fuzz_kill_late(struct fuzz *fuzz)
{
    for (uint64_t i = 0; i < fuzz->jobs; i++) {
        if (fuzz->engines[i].is_running) {
            if (!fuzz->is_late) {
                fprintf(stderr, "%slastbyte fuzz: still running %d s after its time: killed\n",
                        fuzz->is_terminal ? "\n" : "", FUZZ_GRACE_SECONDS);
            }
            fuzz->is_late = true;
            fuzz->code = EXIT_RIG;
            engine_stop(&fuzz->engines[i], true);
        }
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct fuzz *fuzz = timer->data;

    if (fuzz_elapsed(fuzz) > fuzz->seconds + FUZZ_GRACE_SECONDS) {
        fuzz_kill_late(fuzz);
    }
    if (fuzz->is_terminal) {
        printf("\r\x1b[K");
        fuzz_print_progress(fuzz);
        fflush(stdout);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct fuzz *fuzz = handle->data;

    (void)number;
    fprintf(stderr, "%slastbyte fuzz: %s\n", fuzz->is_terminal ? "\n" : "",
            fuzz->is_interrupted ? "interrupted again: the engines are killed"
                                 : "interrupted: waiting for the engines; once more kills them");
    for (uint64_t i = 0; i < fuzz->jobs; i++) {
        engine_stop(&fuzz->engines[i], fuzz->is_interrupted);
    }
    fuzz->is_interrupted = true;
}

static bool fuzz_is_known(const struct fuzz *fuzz, const char *path)
{
    for (size_t i = 0; i < fuzz->finding_count; i++) {
        if (strcmp(fuzz->findings[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* Says why an engine is not started again. */
static void fuzz_say_ended(const struct fuzz *fuzz, const struct engine *engine, const char *reason)
{
    if (fuzz->is_keep_going) {
        fprintf(stderr, "%slastbyte fuzz: engine %d %s, and ends\n", fuzz->is_terminal ? "\n" : "",
                (int)(engine - fuzz->engines) + 1, reason);
    }
}

static void on_artifact(void *context, struct engine *engine, const char *path, const char *finding)
{
    struct fuzz *fuzz = context;

    LB_ASSERT(fuzz->finding_count <= FUZZ_FINDINGS_MAX);
    if (fuzz_is_known(fuzz, path)) {
        fuzz_say_ended(fuzz, engine, "found again what is known already");
        engine->artifact_count--; /* nothing new: no reason to start again */
        return;
    }
    if (fuzz->finding_count == FUZZ_FINDINGS_MAX) {
        fuzz_say_ended(fuzz, engine, "found more than a campaign keeps");
        engine->artifact_count--; /* nothing new: no reason to start again */
        return;
    }
    struct fuzz_finding *row = &fuzz->findings[fuzz->finding_count++];

    row->path = tool_copy(path);
    snprintf(row->line, sizeof(row->line), "%s", finding);
}

/* Adds a word to an engine's arguments. */
static void arguments_add(char **arguments, size_t *count, const char *word)
{
    LB_ASSERT(*count + 1 < ENGINE_ARGUMENTS_MAX);
    arguments[(*count)++] = tool_copy(word);
}

static void arguments_add_number(char **arguments, size_t *count, const char *name, uint64_t number)
{
    char word[FUZZ_WORD_MAX];

    snprintf(word, sizeof(word), "-%s=%" PRIu64, name, number);
    arguments_add(arguments, count, word);
}

static void arguments_add_text(char **arguments, size_t *count, const char *name, const char *text)
{
    char word[FUZZ_WORD_MAX];
    int size = snprintf(word, sizeof(word), "-%s=%s", name, text);

    LB_ASSERT(size > 0);
    LB_ASSERT((size_t)size < sizeof(word));
    arguments_add(arguments, count, word);
}

/* Starts engine `index` for the time that is left; false if it cannot be started. */
static bool fuzz_start_engine(struct fuzz *fuzz, uint64_t index)
{
    char *arguments[ENGINE_ARGUMENTS_MAX] = {NULL};
    size_t count = 0;
    int error;
    char prefix[FUZZ_WORD_MAX];
    uint64_t elapsed = fuzz_elapsed(fuzz); /* it may be up by now; 0 would mean no limit */

    snprintf(prefix, sizeof(prefix), "%s/", fuzz->out);
    arguments_add(arguments, &count, fuzz->binary_found);
    arguments_add_number(arguments, &count, "max_total_time",
                         elapsed < fuzz->seconds ? fuzz->seconds - elapsed : 1);
    arguments_add_number(arguments, &count, "timeout", 10);
    arguments_add_number(arguments, &count, "rss_limit_mb", 512);
    arguments_add_number(arguments, &count, "max_len", fuzz->target->size_max);
    arguments_add_number(arguments, &count, "print_final_stats", 1);
    arguments_add_text(arguments, &count, "artifact_prefix", prefix);
    if (fuzz->seed != FUZZ_SEED_NONE) {
        arguments_add_number(arguments, &count, "seed", fuzz->seed + index);
    }
    if (fuzz->dictionary != NULL) {
        arguments_add_text(arguments, &count, "dict", fuzz->dictionary);
    }
    arguments_add(arguments, &count, fuzz->corpus);
    if (fuzz->seeds != NULL) {
        arguments_add(arguments, &count, fuzz->seeds);
    }
    error = engine_start(&fuzz->engines[index], arguments);
    for (size_t i = 0; i < count; i++) {
        free(arguments[i]);
    }
    if (error != 0) {
        fprintf(stderr, "lastbyte fuzz: cannot start %s: %s\n", fuzz->binary_found,
                uv_strerror(error));
    }
    return error == 0;
}

/* Ends the loop once no engine runs. */
static void fuzz_end_if_idle(struct fuzz *fuzz)
{
    for (uint64_t i = 0; i < fuzz->jobs; i++) {
        if (fuzz->engines[i].is_running) {
            return;
        }
    }
    if (!uv_is_closing((uv_handle_t *)&fuzz->timer)) {
        uv_close((uv_handle_t *)&fuzz->timer, NULL);
        uv_close((uv_handle_t *)&fuzz->signals[0], NULL);
        uv_close((uv_handle_t *)&fuzz->signals[1], NULL);
    }
}

/* Whether an engine that found nothing new has done its work. */
static void fuzz_judge_exit(struct fuzz *fuzz, const struct engine *engine, int status)
{
    bool is_idle = engine->executions_before + engine->stats.executions == 0;

    if (fuzz->finding_count > 0 || fuzz->code != EXIT_AS_EXPECTED) {
        return;
    }
    if (status == FUZZ_INTERRUPTED || (status == 0 && !is_idle)) {
        return;
    }
    fprintf(stderr,
            "%slastbyte fuzz: the engine ended with code %d%s: ", fuzz->is_terminal ? "\n" : "",
            status, status == 0 ? " but ran nothing" : "");
    report_text(stderr, engine->last_line, strlen(engine->last_line));
    fprintf(stderr, "\n");
    fuzz->code = EXIT_RIG;
}

static void on_exit_engine(void *context, struct engine *engine, int status)
{
    struct fuzz *fuzz = context;
    bool is_found = engine->artifact_count > 0;

    if (!is_found && !fuzz->is_interrupted) {
        fuzz_judge_exit(fuzz, engine, status);
    }
    if (is_found && fuzz->is_keep_going && !fuzz->is_interrupted &&
        fuzz_elapsed(fuzz) < fuzz->seconds) {
        if (fuzz_start_engine(fuzz, (uint64_t)(engine - fuzz->engines))) {
            return;
        }
        fuzz->code = EXIT_RIG; /* and on_exit comes once more */
    }
    if (is_found && !fuzz->is_keep_going) {
        for (uint64_t i = 0; i < fuzz->jobs; i++) {
            engine_stop(&fuzz->engines[i], false);
        }
    }
    fuzz_end_if_idle(fuzz);
}

static bool fuzz_open_logs(struct fuzz *fuzz)
{
    for (uint64_t i = 0; i < fuzz->jobs; i++) {
        const struct engine_events events = {
            .on_artifact = on_artifact, .on_exit = on_exit_engine, .context = fuzz};
        char name[32];
        char *path;

        snprintf(name, sizeof(name), "engine-%" PRIu64 ".log", i + 1);
        path = files_join(fuzz->out, name);
        fuzz->logs[i] = fopen(path, "ab");
        if (fuzz->logs[i] == NULL) {
            fprintf(stderr, "lastbyte fuzz: cannot write %s: %s\n", path, strerror(errno));
            free(path);
            return false;
        }
        free(path);
        engine_init(&fuzz->engines[i], &fuzz->loop, fuzz->logs[i], &events);
    }
    return true;
}

static void fuzz_watch_signals(struct fuzz *fuzz)
{
    const int numbers[2] = {SIGINT, SIGTERM};

    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(&fuzz->loop, &fuzz->signals[i]);
        fuzz->signals[i].data = fuzz;
        (void)uv_signal_start(&fuzz->signals[i], on_signal, numbers[i]);
    }
    (void)uv_timer_init(&fuzz->loop, &fuzz->timer);
    fuzz->timer.data = fuzz;
    (void)uv_timer_start(&fuzz->timer, on_tick, 1000, 1000);
}

/* Prints a finding and how to see it again; with others of the same line it is printed once. */
static void fuzz_print_finding(const struct fuzz *fuzz, size_t index)
{
    const struct fuzz_finding *finding = &fuzz->findings[index];
    size_t same = 0;

    for (size_t i = 0; i < fuzz->finding_count; i++) {
        bool is_same = strcmp(fuzz->findings[i].line, finding->line) == 0;

        if (is_same && i < index) {
            return;
        }
        same += is_same;
    }
    printf("FOUND  ");
    report_text(stdout, finding->line, strlen(finding->line));
    if (same > 1) {
        printf(" (%zu inputs, the first is shown)", same);
    }
    printf("\n  input      ");
    report_word(stdout, finding->path);
    printf("\n  reproduce: lastbyte replay ");
    report_target(fuzz->target->name);
    report_word(stdout, finding->path);
    printf("\n  sanitized: ");
    report_word(stdout, fuzz->binary_found);
    printf(" ");
    report_word(stdout, finding->path);
    printf("\n");
}

static void fuzz_print_summary(const struct fuzz *fuzz)
{
    printf("%s", fuzz->is_terminal ? "\r\x1b[K" : "");
    if (fuzz->is_interrupted) {
        printf("interrupted; nothing is lost\n");
    }
    fuzz_print_progress(fuzz);
    printf("\n");
    for (size_t i = 0; i < fuzz->finding_count; i++) {
        fuzz_print_finding(fuzz, i);
    }
    if (fuzz->finding_count == 0 && fuzz->code == EXIT_AS_EXPECTED) {
        printf("nothing found; the corpus is in %s\n", fuzz->corpus);
    }
}

static enum exit_code fuzz_run(struct fuzz *fuzz)
{
    fuzz->engines = tool_alloc(fuzz->jobs * sizeof(*fuzz->engines));
    fuzz->is_terminal = isatty(STDOUT_FILENO) == 1;
    if (uv_loop_init(&fuzz->loop) != 0) {
        fprintf(stderr, "lastbyte fuzz: no event loop\n");
        return EXIT_RIG;
    }
    if (fuzz_open_logs(fuzz)) {
        fuzz->start_ns = uv_hrtime();
        fuzz_watch_signals(fuzz);
        for (uint64_t i = 0; i < fuzz->jobs && fuzz->code == EXIT_AS_EXPECTED; i++) {
            if (!fuzz_start_engine(fuzz, i)) {
                fuzz->code = EXIT_RIG;
            }
        }
        fuzz_end_if_idle(fuzz);
        (void)uv_run(&fuzz->loop, UV_RUN_DEFAULT);
        fuzz_print_summary(fuzz);
    } else {
        fuzz->code = EXIT_RIG;
    }
    (void)uv_loop_close(&fuzz->loop);
    for (uint64_t i = 0; i < fuzz->jobs; i++) {
        if (fuzz->logs[i] != NULL && (fclose(fuzz->logs[i]) != 0 || fuzz->engines[i].is_log_lost)) {
            fprintf(stderr, "lastbyte fuzz: engine %" PRIu64 "'s log could not be written whole\n",
                    i + 1);
            fuzz->code = EXIT_RIG;
        }
    }
    return command_worse(fuzz->code, fuzz->finding_count > 0 ? EXIT_UNEXPECTED : EXIT_AS_EXPECTED);
}

/* Gives the engine's file beside this program, or in the folders where the presets build it. */
static char *fuzz_find_binary(const char *target)
{
    static const char *const folders[] = {".",          "fuzz",      "../fuzz",
                                          "build/fuzz", "../fuzz19", "fuzz19"};
    char self[4096];
    size_t size = sizeof(self);

    if (uv_exepath(self, &size) != 0 || strrchr(self, '/') == NULL) {
        return NULL;
    }
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *folder = files_join(self, folders[i]);
        char name[64];
        char *path;

        snprintf(name, sizeof(name), "fuzz_%s", target);
        path = files_join(folder, name);
        free(folder);
        if (access(path, X_OK) == 0) {
            bool is_plain = strchr(files_short(path), '/') == NULL;
            char *shown = tool_copy(is_plain ? path : files_short(path));

            free(path);
            return shown;
        }
        free(path);
    }
    return NULL;
}

/* An engine takes a word that begins with a dash for an option: such paths get `./` in front. */
static void fuzz_keep_paths(struct fuzz *fuzz)
{
    const char **places[] = {&fuzz->out, &fuzz->corpus, &fuzz->seeds, &fuzz->binary};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (*places[i] != NULL && **places[i] == '-') {
            char *path = files_join(".", *places[i]);

            paths_add(&fuzz->words, path);
            *places[i] = fuzz->words.items[fuzz->words.count - 1];
            free(path);
        }
    }
}

/* Finds the engine, the seeds and the dictionary, and makes the folders. */
static enum exit_code fuzz_prepare(struct fuzz *fuzz)
{
    char name[96];

    fuzz_keep_paths(fuzz);
    if (fuzz->binary == NULL) {
        fuzz->binary_found = fuzz_find_binary(fuzz->target->name);
    } else if (strchr(fuzz->binary, '/') != NULL) {
        fuzz->binary_found = tool_copy(fuzz->binary);
    } else {
        fuzz->binary_found = files_join(".", fuzz->binary);
    }
    if (fuzz->binary != NULL && access(fuzz->binary_found, X_OK) != 0) {
        fprintf(stderr, "lastbyte fuzz: cannot run %s: %s\n", fuzz->binary_found, strerror(errno));
        return EXIT_USAGE;
    }
    if (fuzz->binary_found == NULL) {
        fprintf(stderr,
                "lastbyte fuzz: no engine fuzz_%s found. Build one:\n"
                "  cmake --preset fuzz && cmake --build build/fuzz --target fuzz_%s\n"
                "or name it with --binary\n",
                fuzz->target->name, fuzz->target->name);
        return EXIT_USAGE;
    }
    if (fuzz->out == NULL) {
        fuzz->out_made = files_join("fuzz-out", fuzz->target->name);
        fuzz->out = fuzz->out_made;
    }
    if (fuzz->corpus == NULL) {
        fuzz->corpus_made = files_join(fuzz->out, "corpus");
        fuzz->corpus = fuzz->corpus_made;
    }
    if (!files_make_folder(fuzz->out) || !files_make_folder(fuzz->corpus)) {
        fprintf(stderr, "lastbyte fuzz: cannot make the folders %s and %s: %s\n", fuzz->out,
                fuzz->corpus, strerror(errno));
        return EXIT_RIG;
    }
    if (access(fuzz->out, W_OK | X_OK) != 0 || access(fuzz->corpus, W_OK | X_OK) != 0) {
        fprintf(stderr, "lastbyte fuzz: cannot write to the folders %s and %s: %s\n", fuzz->out,
                fuzz->corpus, strerror(errno));
        return EXIT_RIG;
    }
    if (fuzz->seeds != NULL && !files_is_folder(fuzz->seeds)) {
        fprintf(stderr, "lastbyte fuzz: no folder of seeds at '%s'\n", fuzz->seeds);
        return EXIT_USAGE;
    }
    snprintf(name, sizeof(name), "fuzz/%s", fuzz->target->dictionary);
    fuzz->dictionary = files_join(LASTBYTE_SOURCE_DIR, name);
    if (!files_is_file(fuzz->dictionary)) {
        free(fuzz->dictionary);
        fuzz->dictionary = NULL;
    }
    return EXIT_AS_EXPECTED;
}

static void fuzz_free(struct fuzz *fuzz)
{
    for (size_t i = 0; i < fuzz->finding_count; i++) {
        free(fuzz->findings[i].path);
    }
    paths_deinit(&fuzz->words);
    free(fuzz->engines);
    free(fuzz->binary_found);
    free(fuzz->corpus_made);
    free(fuzz->out_made);
    free(fuzz->dictionary);
    free(fuzz);
}

/* The seeds in the sources, unless others are named: every input of corpus/TARGET. */
static char *fuzz_default_seeds(const struct lb_target_row *target)
{
    char *folder = files_join(LASTBYTE_SOURCE_DIR "/corpus", target->seeds);

    if (!files_is_folder(folder)) {
        free(folder);
        folder = NULL;
    }
    return folder;
}

static enum exit_code fuzz_campaign(struct fuzz *fuzz)
{
    char *seeds = fuzz->seeds == NULL ? fuzz_default_seeds(fuzz->target) : NULL;
    enum exit_code code;

    if (seeds != NULL) {
        fuzz->seeds = seeds;
    }
    code = fuzz_prepare(fuzz);
    if (code == EXIT_AS_EXPECTED) {
        code = fuzz_run(fuzz);
    }
    free(seeds);
    return code;
}

enum exit_code command_fuzz(int argc, char **argv)
{
    struct fuzz *fuzz = tool_alloc(sizeof(*fuzz));
    const struct option_row rows[] = {
        OPTIONS_DURATION(0, "time", &fuzz->seconds, "how long: 90s, 15m, 2h (60s)"),
        OPTIONS_TEXT(0, "out", "DIR", &fuzz->out, "where findings and logs go (fuzz-out/TARGET)"),
        OPTIONS_TEXT(0, "corpus", "DIR", &fuzz->corpus,
                     "the growing corpus, read and written (OUT/corpus)"),
        OPTIONS_TEXT(0, "seeds", "DIR", &fuzz->seeds, "inputs to start from (corpus/TARGET)"),
        OPTIONS_TEXT(0, "binary", "FILE", &fuzz->binary, "the engine (fuzz_TARGET, as built)"),
        OPTIONS_NUMBER(0, "jobs", "N", &fuzz->jobs, 1, FUZZ_JOBS_MAX, "engines at once (1)"),
        OPTIONS_NUMBER(0, "seed", "N", &fuzz->seed, 1, UINT32_MAX / 2,
                       "seed of the engine's random choices"),
        OPTIONS_FLAG(0, "keep-going", &fuzz->is_keep_going,
                     "start the engine again after a finding, until the time is up"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "fuzz",
        .arguments = "[TARGET]",
        .about =
            "Hunts for broken rules with libFuzzer, and says what was found, where it is kept\n"
            "and how to see it again. Ctrl-C ends a campaign early and loses nothing. Without a\n"
            "target it is `lifecycle`; fuzz/README.md has them all.",
        .rows = rows,
    };
    enum exit_code code = EXIT_USAGE;
    int count = 0;

    fuzz->seconds = 60;
    fuzz->jobs = 1;
    fuzz->seed = FUZZ_SEED_NONE;
    if (options_begin(&options, argc, argv, &count, &code)) {
        code = count > 1 ? EXIT_USAGE : EXIT_AS_EXPECTED;
        if (count > 1) {
            fprintf(stderr, "lastbyte fuzz: one target at a time; '%s' is a second one\n", argv[1]);
        } else {
            fuzz->target = select_target("fuzz", count == 1 ? argv[0] : REPORT_TARGET);
            code = fuzz->target == NULL ? EXIT_USAGE : fuzz_campaign(fuzz);
        }
    }
    fuzz_free(fuzz);
    return code;
}
