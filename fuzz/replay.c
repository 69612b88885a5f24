/*
 * The replay driver: a fuzz target without an engine, for gcc and ctest.
 *
 * It runs every file of its arguments, and every file below a directory, in the order of their
 * names, each from a block of exactly its size, so that an over-read is seen. A finding aborts in
 * the target. Exit codes: 0 nothing was found, 2 usage or an unreadable path, 3 no memory or lost
 * output, 4 a repeated run differed.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/assert.h"
#include "engine.h"
#include "mutator.h"

#define EXIT_BAD_USAGE 2
#define EXIT_LOST 3
#define EXIT_DIFFERENT 4
#define INPUT_SIZE_MAX (1u << 20) /* larger files are no inputs */
#define MUTANT_SIZE_MAX 4096u
#define DEPTH_MAX 8 /* of directories */

/* What some targets have and some have not. */
#pragma weak LLVMFuzzerCustomMutator
#pragma weak LLVMFuzzerCustomCrossOver

struct input {
    char *path;
    uint8_t *bytes;
    size_t size;
};

struct replay {
    struct input *inputs;
    size_t count;
    size_t capacity;
    uint64_t repeat;
    uint64_t mutants;
    uint64_t seed;
    bool has_stats;
    bool has_hash;
};

/* The generator of LLVMFuzzerMutate, whose signature has no room for one. */
static uint64_t mutate_state;

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t value = *state;
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

static void *replay_alloc(size_t size)
{
    void *block = malloc(size > 0 ? size : 1);
    if (block == NULL) {
        fprintf(stderr, "replay: no memory\n");
        exit(3);
    }
    return block;
}

/* -- mutation of bytes: what engines do first -- */

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t size_max)
{
    uint64_t kind = random_next(&mutate_state) % 4;
    size_t at = size == 0 ? 0 : random_next(&mutate_state) % size;
    uint8_t value = (uint8_t)random_next(&mutate_state);
    LB_ASSERT(size <= size_max);
    if ((kind == 0 || size == 0) && size < size_max) {
        memmove(bytes + at + 1, bytes + at, size - at);
        bytes[at] = value;
        return size + 1;
    }
    if (size == 0) {
        return 0;
    }
    if (kind == 1) {
        memmove(bytes + at, bytes + at + 1, size - at - 1);
        return size - 1;
    }
    if (kind == 2) {
        bytes[at] = value;
    } else {
        bytes[at] ^= (uint8_t)(1u << value % 8);
    }
    return size;
}

/* -- inputs -- */

__attribute__((noreturn)) static void path_fail(const char *path, const char *reason)
{
    fprintf(stderr, "replay: %s: %s\n", path, reason);
    exit(EXIT_BAD_USAGE);
}

static void input_load(struct replay *replay, const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        path_fail(path, strerror(errno));
    }
    if (replay->count == replay->capacity) {
        size_t capacity = replay->capacity == 0 ? 64 : 2 * replay->capacity;
        struct input *grown = realloc(replay->inputs, capacity * sizeof(*grown));
        if (grown == NULL) {
            path_fail(path, "no memory");
        }
        replay->inputs = grown;
        replay->capacity = capacity;
    }
    struct input *input = &replay->inputs[replay->count];
    input->bytes = replay_alloc(size);
    input->size = size;
    input->path = replay_alloc(strlen(path) + 1);
    memcpy(input->path, path, strlen(path) + 1);
    if (fread(input->bytes, 1, size, file) != size) {
        path_fail(path, "cannot be read");
    }
    (void)fclose(file);
    replay->count++;
}

static void path_load(struct replay *replay, const char *path, int depth);

static int entry_is_seen(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void directory_load(struct replay *replay, const char *path, int depth)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, entry_is_seen, alphasort);
    if (count < 0) {
        path_fail(path, strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        size_t size = strlen(path) + strlen(entries[i]->d_name) + 2;
        char *below = replay_alloc(size);
        (void)snprintf(below, size, "%s/%s", path, entries[i]->d_name);
        path_load(replay, below, depth + 1);
        free(below);
        free(entries[i]);
    }
    free(entries);
}

static void path_load(struct replay *replay, const char *path, int depth)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        path_fail(path, strerror(errno));
    }
    if (S_ISDIR(status.st_mode)) {
        if (depth >= DEPTH_MAX) {
            path_fail(path, "directories are too deep");
        }
        directory_load(replay, path, depth);
    } else if (!S_ISREG(status.st_mode)) {
        path_fail(path, "neither a file nor a directory");
    } else if (status.st_size > (off_t)INPUT_SIZE_MAX) {
        path_fail(path, "larger than 1 MiB");
    } else {
        input_load(replay, path, (size_t)status.st_size);
    }
}

/* -- runs -- */

static void run_bytes(const uint8_t *bytes, size_t size)
{
    int result = LLVMFuzzerTestOneInput(bytes, size);
    LB_ASSERT(result == 0);
}

static uint64_t last_hash(void)
{
    return lb_target_counters(lb_engine_target())->trace_hash;
}

/* replay_inputs: every input as often as asked; whether all runs of each gave one trace. */
static bool replay_inputs(const struct replay *replay)
{
    bool is_same = true;
    for (size_t i = 0; i < replay->count; i++) {
        const struct input *input = &replay->inputs[i];
        run_bytes(input->bytes, input->size);
        uint64_t hash = last_hash();
        for (uint64_t j = 1; j < replay->repeat; j++) {
            run_bytes(input->bytes, input->size);
            if (last_hash() != hash) {
                fprintf(stderr, "replay: %s: run %" PRIu64 " gave another trace\n", input->path,
                        j + 1);
                is_same = false;
                break;
            }
        }
        if (replay->has_hash) {
            printf("%016" PRIx64 "  %s\n", hash, input->path);
        }
    }
    return is_same;
}

/* make_mutant: one mutant of an input into *ret_bytes; its size. */
static size_t make_mutant(const struct replay *replay, uint64_t *state, uint8_t *ret_bytes)
{
    const struct input *input = &replay->inputs[random_next(state) % replay->count];
    const struct input *other = &replay->inputs[random_next(state) % replay->count];
    unsigned int seed = (unsigned int)(random_next(state) >> 32);
    size_t size = input->size < MUTANT_SIZE_MAX ? input->size : MUTANT_SIZE_MAX;
    mutate_state = random_next(state);
    if (size > 0) {
        memcpy(ret_bytes, input->bytes, size);
    }
    uint64_t kind = random_next(state) % 8;
    if (kind < 4 && LLVMFuzzerCustomMutator != NULL) {
        return LLVMFuzzerCustomMutator(ret_bytes, size, MUTANT_SIZE_MAX, seed);
    }
    if (kind == 4 && LLVMFuzzerCustomCrossOver != NULL) {
        return LLVMFuzzerCustomCrossOver(input->bytes, size, other->bytes, other->size, ret_bytes,
                                         MUTANT_SIZE_MAX, seed);
    }
    for (uint64_t i = 1 + random_next(state) % 3; i > 0; i--) {
        size = LLVMFuzzerMutate(ret_bytes, size, MUTANT_SIZE_MAX);
    }
    return size;
}

static void replay_mutants(const struct replay *replay)
{
    static uint8_t bytes[MUTANT_SIZE_MAX];
    uint64_t state = replay->seed;
    for (uint64_t i = 0; i < replay->mutants; i++) {
        size_t size = make_mutant(replay, &state, bytes);
        uint8_t *exact = replay_alloc(size);
        if (size > 0) {
            memcpy(exact, bytes, size);
        }
        run_bytes(exact, size);
        free(exact);
    }
}

/* print_stats: what the runs since `before` did. */
static void print_stats(const char *what, const struct lb_target_counters *before)
{
    const struct lb_target_counters *now = lb_target_counters(lb_engine_target());
    uint64_t runs = now->runs - before->runs;
    double all = runs > 0 ? (double)runs : 1.0;
    printf("%s: %" PRIu64 " runs, %.1f %% came to a response, %.1f %% reused a connection, "
           "%.1f %% did not fit their script\n",
           what, runs, 100.0 * (double)(now->responded - before->responded) / all,
           100.0 * (double)(now->reused - before->reused) / all,
           100.0 * (double)(now->broken - before->broken) / all);
}

/* -- command line -- */

static const char usage[] =
    "usage: replay [OPTION]... PATH...\n"
    "Runs a fuzz target on files and on all files below directories.\n"
    "  --repeat N      run each file N times and compare the traces\n"
    "  --hash          print the hash of each file's trace\n"
    "  --stats         print how many runs were useful\n"
    "  --mutants N     then run N mutants of the files, and print how many were useful\n"
    "  --seed S        of the mutants (default 1)\n"
    "  --dictionary    print the dictionary of the byte form instead\n";

__attribute__((noreturn)) static void usage_fail(const char *reason, const char *word)
{
    fprintf(stderr, "replay: %s%s\n%s", reason, word, usage);
    exit(EXIT_BAD_USAGE);
}

static uint64_t parse_number(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0') {
        usage_fail("not a number: ", text);
    }
    return number;
}

/* output_finish: ends with code 3 if what was printed did not arrive. */
static void output_finish(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "replay: could not write to standard output\n");
        exit(EXIT_LOST);
    }
}

static void print_dictionary(void)
{
    char *text = NULL;
    size_t size = 0;
    lb_dictionary_text(&text, &size);
    fwrite(text, 1, size, stdout);
    free(text);
    output_finish();
    exit(0);
}

/* parse_options: returns the position of the first path. */
static int parse_options(int argc, char **argv, struct replay *replay)
{
    static const struct option options[] = {
        {"repeat", required_argument, NULL, 'r'}, {"hash", no_argument, NULL, 'h'},
        {"stats", no_argument, NULL, 's'},        {"mutants", required_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 'S'},   {"dictionary", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, '?' + 1},     {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'r') {
            replay->repeat = parse_number(optarg);
            if (replay->repeat == 0) {
                usage_fail("--repeat begins with 1: ", optarg);
            }
        } else if (option == 'h') {
            replay->has_hash = true;
        } else if (option == 's') {
            replay->has_stats = true;
        } else if (option == 'm') {
            replay->mutants = parse_number(optarg);
        } else if (option == 'S') {
            replay->seed = parse_number(optarg);
        } else if (option == 'd') {
            print_dictionary();
        } else if (option == '?' + 1) {
            printf("%s", usage);
            output_finish();
            exit(0);
        } else {
            exit(EXIT_BAD_USAGE);
        }
    }
    if (optind == argc) {
        usage_fail("no path", "");
    }
    return optind;
}

static void replay_deinit(struct replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        free(replay->inputs[i].bytes);
        free(replay->inputs[i].path);
    }
    free(replay->inputs);
}

int main(int argc, char **argv)
{
    struct replay replay = {.repeat = 1, .seed = 1};
    struct lb_target_counters before = {0};
    for (int i = parse_options(argc, argv, &replay); i < argc; i++) {
        path_load(&replay, argv[i], 0);
    }
    if (replay.count == 0) {
        fprintf(stderr, "replay: no file in what was named\n");
        return EXIT_BAD_USAGE;
    }
    (void)LLVMFuzzerInitialize(&argc, &argv);
    bool is_same = replay_inputs(&replay);
    printf("%zu files, nothing found\n", replay.count);
    if (replay.has_stats) {
        print_stats("files", &before);
    }
    if (replay.mutants > 0) {
        before = *lb_target_counters(lb_engine_target());
        replay_mutants(&replay);
        print_stats("mutants", &before);
    }
    replay_deinit(&replay);
    output_finish();
    return is_same ? 0 : EXIT_DIFFERENT;
}
