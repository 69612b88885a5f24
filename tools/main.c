/*
 * The command `lastbyte`: finds the subcommand in a table and runs it. Whatever it does is in the
 * file named after it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

struct command {
    const char *name;
    command_fn *run;
    const char *about;
};

static const struct command commands[] = {
    {"check", command_check, "run conformance cases and judge them"},
    {"run", command_run, "run one case once and tell what happened"},
    {"explore", command_explore, "run cases under every schedule of few departures"},
    {"faults", command_faults, "run cases with each failure of the outside"},
    {"refine", command_refine, "run cases on threads and real sockets"},
    {"list", command_list, "list cases, or rules and how many cases each has"},
    {"new", command_new, "write a case to begin with"},
    {"fmt", command_fmt, "print cases in their canonical form"},
    {"fuzz", command_fuzz, "hunt for broken rules with libFuzzer"},
    {"replay", command_replay, "run fuzz inputs again and say what they show"},
    {"minimize", command_minimize, "reduce an input to what its finding needs"},
    {"triage", command_triage, "file inputs by the finding that each shows"},
    {"encode", command_encode, "turn cases into bytes for fuzzers"},
    {"decode", command_decode, "turn bytes into a case"},
    {"get", command_get, "ask real servers, and watch connections and workers meanwhile"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static void print_help(FILE *file)
{
    fprintf(file, "usage: lastbyte COMMAND [options] [arguments]\n\n"
                  "Conformance and fuzzing for the life of an HTTP/1.1 response body.\n\n"
                  "commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(file, "  %-9s %s\n", commands[i].name, commands[i].about);
    }
    fprintf(file,
            "\nlastbyte COMMAND --help says more about one of them.\n\n"
            "exit codes: 0 as expected, 1 an unexpected result, 2 usage, bad input or nothing\n"
            "selected, 3 the rig failed, 4 nondeterminism seen, 77 every case was skipped,\n"
            "130 and 143 ended by SIGINT or SIGTERM\n");
}

static enum exit_code help(int argc, char **argv)
{
    char help_option[] = "--help";
    char *words[2];
    const struct command *command;

    if (argc < 3) {
        print_help(stdout);
        return EXIT_AS_EXPECTED;
    }
    command = command_find(argv[2]);
    if (command == NULL) {
        fprintf(stderr, "lastbyte: unknown command '%s'\nSee: lastbyte --help\n", argv[2]);
        return EXIT_USAGE;
    }
    words[0] = argv[2];
    words[1] = help_option;
    return command->run(2, words);
}

/*
 * Opens what stands for standard input, output and error where the caller has closed them, so that
 * no other file takes their numbers. For reading only: what is written there fails, and is seen to.
 */
static void open_standard(void)
{
    int descriptor;

    do {
        descriptor = open("/dev/null", O_RDONLY);
    } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor >= 0) {
        close(descriptor);
    }
}

static enum exit_code run(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("lastbyte %s\n", LASTBYTE_VERSION);
        return EXIT_AS_EXPECTED;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return help(argc, argv);
    }
    command = command_find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "lastbyte: unknown command '%s'\nSee: lastbyte --help\n", argv[1]);
        return EXIT_USAGE;
    }
    return command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    enum exit_code code;

    open_standard();
    code = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "lastbyte: could not write to standard output\n");
        code = command_worse(code, EXIT_RIG);
    }
    return (int)code;
}
