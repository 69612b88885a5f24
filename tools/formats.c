/*
 * Report formats: see formats.h. A format knows how to print a tally to a stream; where that goes, and that
 * a file is written whole or not at all, is known here.
 */
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/assert.h"
#include "report.h"

struct format {
    const char *name;
    bool (*print)(const struct tally *tally, FILE *file);
};

static const struct format formats_all[] = {
    {"tap", report_tap},   {"tap13", report_tap13}, {"junit", report_junit},
    {"json", report_json}, {"sarif", report_sarif}, {"baseline", report_baseline},
};

#define FORMAT_COUNT (sizeof(formats_all) / sizeof(formats_all[0]))

/* -- asking for them -- */

static const struct format *format_find(const char *name, size_t size)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strlen(formats_all[i].name) == size && strncmp(formats_all[i].name, name, size) == 0) {
            return &formats_all[i];
        }
    }
    return NULL;
}

/* Whether a file can be made where `path` says; a message if not, before hours are lost. */
static bool path_is_writable(const char *path)
{
    char *folder = tool_copy(path);
    char *slash = strrchr(folder, '/');
    bool is_good = !files_is_folder(path);
    if (slash != NULL && slash > folder) {
        *slash = '\0';
        is_good = is_good && files_is_folder(folder);
    }
    if (!is_good) {
        fprintf(stderr, "lastbyte check: --report: '%s' is %s\n", path,
                files_is_folder(path) ? "a folder, expected a file" : "in no folder that is there");
    }
    free(folder);
    return is_good;
}

static bool formats_add(struct formats *formats, const char *text)
{
    size_t size = strcspn(text, "=");
    const char *path = text[size] == '=' ? text + size + 1 : NULL;
    const struct format *format = format_find(text, size);
    if (format == NULL || (path != NULL && path[0] == '\0')) {
        fprintf(
            stderr,
            "lastbyte check: --report is '%s', expected FORMAT or FORMAT=FILE, where FORMAT is one"
            " of tap, tap13, junit, json, sarif, baseline\n",
            text);
        return false;
    }
    if (path == NULL && formats->is_output_taken) {
        fprintf(stderr, "lastbyte check: two reports cannot both go to standard output\n");
        return false;
    }
    for (size_t i = 0; path != NULL && i < formats->count; i++) {
        const char *other = formats->wanted[i].path;
        if (other != NULL && (strcmp(path, other) == 0 || files_is_same(path, other))) {
            fprintf(stderr, "lastbyte check: two reports cannot both be the file '%s'\n", path);
            return false;
        }
    }
    formats->is_output_taken = formats->is_output_taken || path == NULL;
    formats->wanted[formats->count++] = (struct formats_wanted){format, path};
    return path == NULL || path_is_writable(path);
}

bool formats_parse(const struct option_texts *texts, struct formats *ret_formats)
{
    *ret_formats = (struct formats){0};
    bool is_good = true;
    for (size_t i = 0; i < texts->count && is_good; i++) {
        is_good = formats_add(ret_formats, texts->items[i]);
    }
    return is_good;
}

static enum exit_code wanted_write(const struct formats_wanted *wanted, const struct tally *tally)
{
    char *bytes = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&bytes, &size);
    bool is_printed = file != NULL && wanted->format->print(tally, file);
    is_printed = file != NULL && fclose(file) == 0 && is_printed;
    if (!is_printed) {
        fprintf(stderr, "lastbyte check: no memory for the %s report\n", wanted->format->name);
        free(bytes);
        return EXIT_RIG;
    }
    enum exit_code code = EXIT_AS_EXPECTED;
    if (wanted->path == NULL) {
        (void)fwrite(bytes, 1, size, stdout); /* lost output is seen at the end of the process */
    } else if (!files_write(wanted->path, bytes, size)) {
        fprintf(stderr, "lastbyte check: %s: %s\n", wanted->path, strerror(errno));
        code = EXIT_RIG;
    }
    free(bytes);
    return code;
}

enum exit_code formats_write(const struct formats *formats, const struct tally *tally)
{
    enum exit_code code = EXIT_AS_EXPECTED;
    for (size_t i = 0; i < formats->count; i++) {
        code = command_worse(code, wanted_write(&formats->wanted[i], tally));
    }
    return code;
}

/* -- what they share -- */

void formats_moment(int64_t seconds, char ret_text[FORMATS_TIME_MAX])
{
    time_t moment = (time_t)seconds;
    struct tm parts = {0};
    (void)gmtime_r(&moment, &parts);
    size_t size = strftime(ret_text, FORMATS_TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts);
    LB_ASSERT(size > 0);
}

char *formats_file(const struct roster_case *entry)
{
    return report_plain(entry->file, strlen(entry->file));
}

char *formats_title(const struct roster_case *entry)
{
    char text[640];
    if (!entry->is_broken) {
        return report_plain(entry->c.title.bytes, entry->c.title.size);
    }
    snprintf(text, sizeof(text), "found %s, expected %s", entry->error.found,
             entry->error.expected);
    return report_plain(text, strlen(text));
}

char *formats_reproduce(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    const struct tally_record *record = &tally->records[index];
    char *bytes = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&bytes, &size);
    LB_ASSERT(file != NULL);
    if (record->is_done && record->check.verdict != LB_VERDICT_CRASH) {
        report_command(file, entry->path, &record->check.worst);
    } else {
        fprintf(file, "lastbyte check --verbose ");
        report_word(file, entry->path);
    }
    (void)fclose(file);
    char *text = report_plain(bytes, size);
    free(bytes);
    return text;
}

uint32_t formats_place(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    const struct tally_record *record = &tally->records[index];
    uint32_t place = entry->place;
    LB_ASSERT(place > 0);
    if (entry->is_broken) {
        return entry->error.line;
    }
    if (record->is_done && record->check.result.line != NULL) {
        place = record->check.result.line->place;
    } else if (record->is_done && record->check.note_count > 0) {
        place = record->check.notes[0].line->place;
    }
    return place > 0 ? place : 1;
}

const char *formats_signal(const struct tally *tally)
{
    LB_ASSERT(tally->signal != 0);
    return tally->signal == SIGINT ? "SIGINT" : "SIGTERM";
}

void formats_note(FILE *file, const struct lb_note *note)
{
    char text[FORMATS_ALTERNATIVE_MAX];
    const char *separator = "";
    for (uint32_t i = 0; i < lb_line_alternatives(note->line); i++) {
        if ((note->taken >> i & 1) != 0) {
            lb_alternative_print(note->line, i, text, sizeof(text));
            fprintf(file, "%s%s", separator, text);
            separator = " and ";
        }
    }
    separator = ", of: ";
    for (uint32_t i = 0; i < lb_line_alternatives(note->line); i++) {
        lb_alternative_print(note->line, i, text, sizeof(text));
        fprintf(file, "%s%s", separator, text);
        separator = " or ";
    }
}

/* What a case's verdict rests on. */
static void details_print(FILE *file, const struct roster_case *entry,
                          const struct tally_record *record)
{
    const struct lb_result *result = &record->check.result;
    if (result->line != NULL) {
        fprintf(file, "%s:%u:\n  expected  %s\n  actual    %s\n", entry->file,
                (unsigned)result->line->place, result->expected, result->actual);
    }
    for (uint32_t i = 0; i < result->finding_count; i++) {
        const struct lb_finding *finding = &result->findings[i];
        fprintf(file, "broken rule %s @ %s: %s\n", finding->rule, finding->context,
                finding->detail);
    }
    if (result->stale_position > 0) {
        fprintf(file, "departure %u of the schedule is stale: it never took effect\n",
                (unsigned)result->stale_position);
    }
    if (result->profile[0] != '\0') {
        fprintf(file, "%s", result->profile);
    }
    if (record->crash[0] != '\0') {
        fprintf(file, "the process that ran it has ended: %s\n", record->crash);
    }
    if (record->is_unequal) {
        fprintf(file, "nondeterminism: trace hash %016" PRIx64 ", before %016" PRIx64 "\n",
                record->other_hash, record->hash);
    }
    for (uint32_t i = 0; i < record->check.note_count; i++) {
        fprintf(file, "%s:%u: took ", entry->file, (unsigned)record->check.notes[i].line->place);
        formats_note(file, &record->check.notes[i]);
        fprintf(file, "\n");
    }
}

char *formats_details(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    const struct tally_record *record = &tally->records[index];
    char *bytes = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&bytes, &size);
    LB_ASSERT(file != NULL);
    if (record->is_done) {
        details_print(file, entry, record);
    }
    (void)fflush(file);
    if (size > 0) {
        char *reproduce = formats_reproduce(tally, index);
        fprintf(file, "reproduce: %s\n", reproduce);
        free(reproduce);
    }
    (void)fclose(file);
    char *text = report_plain(bytes, size);
    free(bytes);
    return text;
}
