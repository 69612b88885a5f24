/*
 * Options of a command line: strict, long, typed. A table says which there are, where each value
 * goes and how its help reads; parsing, messages and help all come from that table.
 *
 * `--name`, `--name VALUE`, `--name=VALUE`, `-x`, `-x VALUE`; `--` ends the options. No
 * abbreviations, no clusters of letters. What is no option is an argument, wherever it stands.
 */
#ifndef LASTBYTE_TOOLS_OPTIONS_H
#define LASTBYTE_TOOLS_OPTIONS_H

#include "command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_LAST,     /* ends the table */
    OPTION_FLAG,     /* no value */
    OPTION_NUMBER,   /* decimal, from `least` to `most` */
    OPTION_DURATION, /* seconds: 90, 90s, 15m, 2h */
    OPTION_TEXT,     /* any value but "" */
    OPTION_TEXTS,    /* the same, and as often as one likes */
};

#define OPTIONS_TEXTS_MAX 64 /* values of one OPTION_TEXTS */

/* The values of an option that may be given again and again, in their order. */
struct option_texts {
    const char *items[OPTIONS_TEXTS_MAX];
    size_t count;
};

/* One option. Rows are made by the macros below, which keep kind and target together. */
struct option_row {
    enum option_kind kind;
    char letter;          /* 0: none */
    const char *name;     /* without the dashes */
    const char *argument; /* how help names the value; NULL for a flag */
    const char *help;     /* one sentence without a full stop */
    bool *flag;
    uint64_t *number;
    const char **text;
    struct option_texts *texts;
    uint64_t least;
    uint64_t most;
};

#define OPTIONS_FLAG(letter_, name_, flag_, help_)                                                 \
    {                                                                                              \
        .kind = OPTION_FLAG, .letter = (letter_), .name = (name_), .help = (help_),                \
        .flag = (flag_)                                                                            \
    }
#define OPTIONS_NUMBER(letter_, name_, argument_, number_, least_, most_, help_)                   \
    {                                                                                              \
        .kind = OPTION_NUMBER, .letter = (letter_), .name = (name_), .argument = (argument_),      \
        .help = (help_), .number = (number_), .least = (least_), .most = (most_)                   \
    }
#define OPTIONS_DURATION(letter_, name_, seconds_, help_)                                          \
    {                                                                                              \
        .kind = OPTION_DURATION, .letter = (letter_), .name = (name_), .argument = "TIME",         \
        .help = (help_), .number = (seconds_), .least = 1, .most = 365u * 24u * 3600u              \
    }
#define OPTIONS_TEXT(letter_, name_, argument_, text_, help_)                                      \
    {                                                                                              \
        .kind = OPTION_TEXT, .letter = (letter_), .name = (name_), .argument = (argument_),        \
        .help = (help_), .text = (text_)                                                           \
    }
#define OPTIONS_TEXTS(letter_, name_, argument_, texts_, help_)                                    \
    {                                                                                              \
        .kind = OPTION_TEXTS, .letter = (letter_), .name = (name_), .argument = (argument_),       \
        .help = (help_), .texts = (texts_)                                                         \
    }
#define OPTIONS_LAST                                                                               \
    {                                                                                              \
        .kind = OPTION_LAST                                                                        \
    }

/* What a command takes. */
struct options {
    const char *command;   /* "check" */
    const char *arguments; /* how help names the arguments: "[PATH|ID...]"; "" if there are none */
    const char *about;     /* what the command does: sentences, lines of at most 80 columns */
    const struct option_row *rows; /* ended by OPTIONS_LAST */
};

enum options_outcome {
    OPTIONS_OK,
    OPTIONS_HELP,  /* --help was asked for and has been printed */
    OPTIONS_WRONG, /* a message has been printed */
};

/*
 * options_parse: reads argv[1] to argv[argc - 1], stores values, and moves the arguments to the
 * front of argv, from argv[0]; *ret_count is their number. Messages go to stderr, help to stdout.
 */
enum options_outcome options_parse(const struct options *options, int argc, char **argv,
                                   int *ret_count);

/*
 * options_begin: the same for a command, which is over when this returns false: *ret_code is then its
 * exit code, for help or wrong usage.
 */
bool options_begin(const struct options *options, int argc, char **argv, int *ret_count,
                   enum exit_code *ret_code);

/* options_help: prints usage, what the command does, and its options. */
void options_help(const struct options *options, FILE *file);

/* options_number: reads a whole decimal number from `least` to `most`; false if `text` is none. */
bool options_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number);

/* options_duration: reads seconds: a number with no unit, `s`, `m` or `h`; false if `text` is none.
 */
bool options_duration(const char *text, uint64_t *ret_seconds);

#endif
