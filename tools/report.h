/*
 * Reports: how a verdict is told to a person, the same in every command.
 */
#ifndef LASTBYTE_TOOLS_REPORT_H
#define LASTBYTE_TOOLS_REPORT_H

#include "command.h"
#include "run.h"

#include <stdio.h>

#define REPORT_SLICE_MAX 16 /* bytes of a slice as text, the NUL included */

#define REPORT_TARGET "lifecycle" /* the fuzz target that is meant where none is named */

/* report_slice: a slice as options and reports spell it: "written", "whole", or a number. */
void report_slice(uint32_t slice, char ret_text[REPORT_SLICE_MAX]);

/* report_slice_parse: the slice that report_slice spells so; false if there is none. */
bool report_slice_parse(const char *text, uint32_t *ret_slice);

/* report_level: the word of a level: "MUST", ...: a static string. */
const char *report_level(enum lb_level level);

#define REPORT_RULE_MAX 64 /* bytes of a rule's name, the NUL included */

/* report_rule: what a `spec` line cites: "R3" for a rule of ours, "RFC9112 9.3" for others. */
void report_rule(const struct lb_case_spec *spec, char ret_name[REPORT_RULE_MAX]);

/* report_text: prints text from a file or a child; a control byte becomes \xHH. */
void report_text(FILE *file, const char *bytes, size_t size);

/* report_title: prints a case's id and title as one line. */
void report_title(const struct lb_case *c);

/* report_word: prints a path so that a shell takes it as one word, and a command as no option. */
void report_word(FILE *file, const char *word);

/* report_target: prints the option that names a fuzz target, where it is not the one that is meant
 * anyway. */
void report_target(const char *name);

/* report_verdict: prints the word of a verdict in a column, in colour on a terminal. */
void report_verdict(enum lb_verdict verdict);

/* report_is_bad: whether a verdict is an unexpected result. */
bool report_is_bad(enum lb_verdict verdict);

/*
 * report_details: prints what a person needs of a bad run: the first differing line with the text
 * of the case around it, the broken rules, the workers left. `path` is the case's file, or NULL
 * where it has none.
 */
void report_details(const char *path, const struct lb_case *c, const struct lb_result *result);

/* report_explained: the same of one variant of a case; a bad one is run once more, to say of the workers
 * left who could wake them. */
void report_explained(const char *path, const struct lb_case *c, const struct lb_variant *variant,
                      const struct lb_result *result);

/* report_reproduce: prints the line that runs one variant of a case again. */
void report_reproduce(const char *path, const struct lb_variant *variant);

/* report_fault_error: prints that the value of an option is no fault, and what a fault is. */
void report_fault_error(const char *command, const char *option, const char *text);

/*
 * report_running: names what is running now, for the message of a failed assertion. `variant` may
 * be NULL. Both are kept until the next call; NULL says that nothing runs.
 */
void report_running(const char *path, const struct lb_variant *variant);

/* report_crash_into: a failed assertion is also told to `text`, of `size` bytes, which is kept until the
 * next call; NULL: no more. */
void report_crash_into(char *text, size_t size);

/*
 * report_plain: gives text as JSON and XML can hold it (free): valid UTF-8; of a control byte but tab and
 * newline, and of a byte that is no part of a character, \xHH.
 */
char *report_plain(const char *bytes, size_t size);

/* report_command: prints the command of report_reproduce, without what stands before it. */
void report_command(FILE *file, const char *path, const struct lb_variant *variant);

#endif
