/*
 * Report formats: a tally as text for people or for machines. What each verdict becomes in each of them
 * is in conformance/README.md.
 */
#ifndef LASTBYTE_TOOLS_FORMATS_H
#define LASTBYTE_TOOLS_FORMATS_H

#include "tally.h"

#include <jansson.h>
#include <stdio.h>

#define FORMATS_JSON_VERSION 1 /* of the JSON report; conformance/schemas/ has its schema */

/* How JSON is written: seconds need no more digits. */
#define FORMATS_JSON (JSON_INDENT(2) | JSON_REAL_PRECISION(6))

/* One report that was asked for: `--report FORMAT[=FILE]`. */
struct formats_wanted {
    const struct format *format;
    const char *path; /* NULL: standard output */
};

struct formats {
    struct formats_wanted wanted[OPTIONS_TEXTS_MAX];
    size_t count;
    bool is_output_taken; /* one of them goes to standard output */
};

/* formats_parse: what the values of --report ask for; false after a message. */
bool formats_parse(const struct option_texts *texts, struct formats *ret_formats);

/*
 * formats_write: writes every report, a file whole or not at all. Returns EXIT_AS_EXPECTED, or EXIT_RIG
 * after a message.
 */
enum exit_code formats_write(const struct formats *formats, const struct tally *tally);

/* -- for people (report_people.c), to standard output -- */

/* people_case: what there is to say of a case; of one that is as expected only if `is_verbose`. */
void people_case(const struct tally *tally, size_t index, bool is_verbose);

/* people_summary: the last line, and the baseline's. */
void people_summary(const struct tally *tally);

/* -- for machines; false: no memory -- */

bool report_tap(const struct tally *tally, FILE *file);
bool report_tap13(const struct tally *tally, FILE *file);
bool report_junit(const struct tally *tally, FILE *file);
bool report_json(const struct tally *tally, FILE *file);
bool report_sarif(const struct tally *tally, FILE *file);

/* report_baseline: a baseline with the failures of this run; what the one that was given says of cases that
 * have not run, and its reasons, are kept. */
bool report_baseline(const struct tally *tally, FILE *file);

/* -- what they share (formats.c) -- */

#define FORMATS_TIME_MAX 32 /* bytes of a moment, the NUL included */

/* formats_moment: seconds since 1970 as "2026-01-31T12:00:00Z". */
void formats_moment(int64_t seconds, char ret_text[FORMATS_TIME_MAX]);

/* formats_file: gives the file of a case, as text that JSON and XML can hold (free). */
char *formats_file(const struct roster_case *entry);

/* formats_title: gives its title likewise (free); of a broken file what is wrong with it. */
char *formats_title(const struct roster_case *entry);

/* formats_reproduce: gives the command that shows a case's verdict again (free). */
char *formats_reproduce(const struct tally *tally, size_t index);

/* formats_details: gives what people are told of a case, several lines (free); "" if there is nothing. */
char *formats_details(const struct tally *tally, size_t index);

/* formats_place: the line of its file that a case's verdict is about. */
uint32_t formats_place(const struct tally *tally, size_t index);

/* formats_signal: "SIGINT", "SIGTERM". */
const char *formats_signal(const struct tally *tally);

#define FORMATS_ALTERNATIVE_MAX 512 /* bytes of one alternative of a line, the NUL included */

/* formats_note: prints "want GET /2, of: want GET /2 or close": what a line took, of what it could. */
void formats_note(FILE *file, const struct lb_note *note);

/* report_json_case: gives a case as the JSON report has it (json_decref); NULL: no memory. */
json_t *report_json_case(const struct tally *tally, size_t index);

#endif
