/*
 * The TAP report, version 14: a test point for each case and each broken file, in the order of the roster.
 * What there is to say of one stands below it as YAML; its values are JSON, which YAML allows.
 * Nothing here is new in version 14: version 13, which `prove` knows, differs in its first line alone.
 */
#include "formats.h"

#include <stdlib.h>
#include <string.h>

#include "core/assert.h"

/* A description: `#` begins a directive, so it is escaped, as is the escape. A newline ends it. */
static void tap_text(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '#' || *text == '\\') {
            fputc('\\', file);
        }
        fputc(*text == '\n' ? ' ' : *text, file);
    }
}

/* The diagnostics: what the JSON report says, without what the test point says itself. */
static bool tap_diagnostics(json_t *value, FILE *file)
{
    static const char *const left_out[] = {"id", "title", "level", "rules", "tags"};
    const char *key;
    json_t *member;
    if (value == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        (void)json_object_del(value, left_out[i]);
    }
    fprintf(file, "  ---\n");
    json_object_foreach(value, key, member)
    {
        bool is_empty =
            json_is_null(member) || (json_is_array(member) && json_array_size(member) == 0);
        char *text = is_empty ? NULL : json_dumps(member, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        if (!is_empty && text == NULL) {
            return false;
        }
        if (text != NULL) {
            fprintf(file, "  %s: %s\n", key, text);
        }
        free(text);
    }
    fprintf(file, "  ...\n");
    return true;
}

static bool tap_broken(const struct roster_case *entry, size_t number, FILE *file)
{
    char *title = formats_title(entry);
    char *path = formats_file(entry);
    fprintf(file, "not ok %zu - ", number);
    tap_text(file, path);
    fprintf(file, ": no case: ");
    tap_text(file, title);
    fprintf(file, "\n");
    json_t *value =
        json_pack("{s:s, s:s, s:i, s:i, s:s}", "verdict", "BROKEN-FILE", "file", path, "line",
                  (int)entry->error.line, "column", (int)entry->error.column, "error", title);
    bool is_printed = tap_diagnostics(value, file);
    json_decref(value);
    free(path);
    free(title);
    return is_printed;
}

static bool tap_case(const struct tally *tally, size_t index, size_t number, FILE *file)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    const struct tally_record *record = &tally->records[index];
    enum tally_known known = tally_known(tally, index);
    bool is_bad = lb_verdict_is_bad(record->check.verdict) || record->is_unequal;
    char *title = formats_title(entry);
    fprintf(file, "%s %zu - ", is_bad ? "not ok" : "ok", number);
    tap_text(file, entry->name);
    fprintf(file, ": ");
    tap_text(file, title);
    free(title);
    if (known == TALLY_KNOWN) { /* a directive of TAP: a failure that is expected */
        fprintf(file, " # TODO ");
        tap_text(file, tally_reason(tally, index));
    } else if (record->check.verdict == LB_VERDICT_SKIP) {
        fprintf(file, " # SKIP the client cannot do this");
    }
    fprintf(file, "\n");
    if (record->check.verdict == LB_VERDICT_PASS && known == TALLY_NEW && !is_bad) {
        return true;
    }
    json_t *value = report_json_case(tally, index);
    bool is_printed = tap_diagnostics(value, file);
    json_decref(value);
    return is_printed;
}

/* The plan is what follows, also of a run that ended early: that it did is said by a bail out. */
static bool tap_print(const struct tally *tally, unsigned version, FILE *file)
{
    struct tally_sum sum;
    size_t number = 0;
    bool is_printed = true;
    LB_ASSERT(file != NULL);
    tally_sum(tally, &sum);
    fprintf(file, "TAP version %u\n1..%zu\n", version, (size_t)(sum.cases + sum.broken_files));
    for (size_t i = 0; i < tally->roster->count && is_printed; i++) {
        if (tally->roster->cases[i].is_broken) {
            is_printed = tap_broken(&tally->roster->cases[i], ++number, file);
        } else if (tally->records[i].is_done) {
            is_printed = tap_case(tally, i, ++number, file);
        }
    }
    if (tally->signal != 0) {
        fprintf(file, "Bail out! interrupted by %s\n", formats_signal(tally));
    } else if (sum.not_run > 0) {
        fprintf(file, "Bail out! the process that runs the cases has failed\n");
    }
    return is_printed;
}

bool report_tap(const struct tally *tally, FILE *file)
{
    return tap_print(tally, 14, file);
}

bool report_tap13(const struct tally *tally, FILE *file)
{
    return tap_print(tally, 13, file);
}
