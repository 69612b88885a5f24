/*
 * The JSON report: everything that is known of a run, in one object. conformance/schemas/report.schema.json
 * says what may stand in it; a change that breaks readers gets a new FORMATS_JSON_VERSION.
 */
#include "formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "report.h"

/* Text that may hold anything. */
static json_t *json_of(const char *bytes, size_t size)
{
    char *plain = report_plain(bytes, size);
    json_t *text = json_string(plain);
    free(plain);
    return text;
}

static json_t *json_of_text(const char *text)
{
    return json_of(text, strlen(text));
}

/* Takes a text from malloc. */
static json_t *json_take(char *text)
{
    json_t *value = json_string(text);
    free(text);
    return value;
}

static json_t *json_seconds(uint64_t time_ns)
{
    return json_real((double)(time_ns / 1000) / 1e6);
}

static json_t *json_hash(uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    return json_string(text);
}

static json_t *json_statement(const struct lb_case *c, const struct lb_line *line)
{
    char text[FORMATS_ALTERNATIVE_MAX];
    lb_line_print(c, line, text, sizeof(text));
    return json_of_text(text);
}

static json_t *json_findings(const struct lb_result *result)
{
    json_t *findings = json_array();
    for (uint32_t i = 0; i < result->finding_count; i++) {
        const struct lb_finding *finding = &result->findings[i];
        (void)json_array_append_new(findings, json_pack("{s:s, s:s, s:o}", "rule", finding->rule,
                                                        "context", finding->context, "detail",
                                                        json_of_text(finding->detail)));
    }
    return findings;
}

static json_t *json_difference(const struct lb_case *c, const struct lb_result *result)
{
    if (result->line == NULL) {
        return json_null();
    }
    return json_pack("{s:i, s:o, s:o, s:o}", "line", (int)result->line->place, "statement",
                     json_statement(c, result->line), "expected", json_of_text(result->expected),
                     "actual", json_of_text(result->actual));
}

static json_t *json_note(const struct lb_case *c, const struct lb_note *note)
{
    json_t *alternatives = json_array();
    json_t *taken = json_array();
    for (uint32_t i = 0; i < lb_line_alternatives(note->line); i++) {
        char text[FORMATS_ALTERNATIVE_MAX];
        lb_alternative_print(note->line, i, text, sizeof(text));
        (void)json_array_append_new(alternatives, json_of_text(text));
        if ((note->taken >> i & 1) != 0) {
            (void)json_array_append_new(taken, json_of_text(text));
        }
    }
    return json_pack("{s:i, s:o, s:o, s:o}", "line", (int)note->line->place, "statement",
                     json_statement(c, note->line), "alternatives", alternatives, "taken", taken);
}

static json_t *json_notes(const struct lb_case *c, const struct lb_check *check)
{
    json_t *notes = json_array();
    for (uint32_t i = 0; i < check->note_count; i++) {
        (void)json_array_append_new(notes, json_note(c, &check->notes[i]));
    }
    return notes;
}

static const char *known_word(enum tally_known known)
{
    switch (known) {
    case TALLY_NEW:
        return NULL;
    case TALLY_KNOWN:
        return "known";
    case TALLY_FIXED:
        return "fixed";
    }
    LB_UNREACHABLE("what a baseline says");
    return NULL;
}

/* What a case says of itself. */
static json_t *json_header(const struct roster_case *entry)
{
    json_t *rules = json_array();
    json_t *tags = json_array();
    for (uint32_t i = 0; i < entry->c.spec_count; i++) {
        char name[REPORT_RULE_MAX];
        report_rule(&entry->c.specs[i], name);
        (void)json_array_append_new(rules, json_of_text(name));
    }
    for (uint32_t i = 0; i < entry->c.tag_count; i++) {
        (void)json_array_append_new(tags, json_of(entry->c.tags[i].bytes, entry->c.tags[i].size));
    }
    return json_pack("{s:o, s:o, s:i, s:o, s:s, s:o, s:o}", "id", json_of_text(entry->name), "file",
                     json_take(formats_file(entry)), "line", (int)entry->place, "title",
                     json_take(formats_title(entry)), "level", report_level(entry->c.level),
                     "rules", rules, "tags", tags);
}

/* What came of it. */
static json_t *json_outcome(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    const struct tally_record *record = &tally->records[index];
    const struct lb_check *check = &record->check;
    const struct lb_result *result = &check->result;
    const char *reason = tally_reason(tally, index);
    enum tally_known known = tally_known(tally, index);
    char slice[REPORT_SLICE_MAX] = "";
    bool has_run = check->verdict != LB_VERDICT_CRASH;
    report_slice(check->worst.slice, slice);
    return json_pack(
        "{s:s, s:i, s:o, s:s?, s:o*, s:o, s:o, s:o, s:o, s:s?, s:s?, s:o, s:o, s:o, s:o}",
        "verdict", lb_verdict_word(check->verdict), "variants", (int)check->variant_count,
        "seconds", json_seconds(record->time_ns), "baseline", known_word(known), "reason",
        reason != NULL && known != TALLY_NEW ? json_of_text(reason) : NULL, "findings",
        json_findings(result), "difference", json_difference(&entry->c, result), "notes",
        json_notes(&entry->c, check), "stale_departure",
        result->stale_position > 0 ? json_integer(result->stale_position) : json_null(), "slice",
        has_run ? slice : NULL, "schedule", has_run ? check->worst.name : NULL, "workers",
        result->profile[0] != '\0' ? json_of_text(result->profile) : json_null(), "crash",
        record->crash[0] != '\0' ? json_of_text(record->crash) : json_null(), "nondeterminism",
        record->is_unequal ? json_pack("{s:o, s:o}", "hash", json_hash(record->other_hash),
                                       "before", json_hash(record->hash))
                           : json_null(),
        "reproduce", json_take(formats_reproduce(tally, index)));
}

json_t *report_json_case(const struct tally *tally, size_t index)
{
    json_t *value = json_header(&tally->roster->cases[index]);
    json_t *outcome = json_outcome(tally, index);
    LB_ASSERT(!tally->roster->cases[index].is_broken);
    if (value == NULL || outcome == NULL || json_object_update(value, outcome) != 0) {
        json_decref(value);
        value = NULL;
    }
    json_decref(outcome);
    return value;
}

static json_t *json_broken(const struct roster_case *entry)
{
    const struct lb_case_error *error = &entry->error;
    return json_pack("{s:o, s:o, s:i, s:i, s:o, s:o}", "id", json_of_text(entry->name), "file",
                     json_take(formats_file(entry)), "line", (int)error->line, "column",
                     (int)error->column, "found", json_of_text(error->found), "expected",
                     json_of_text(error->expected));
}

static json_t *json_summary(const struct tally *tally)
{
    struct tally_sum sum;
    json_t *verdicts = json_object();
    tally_sum(tally, &sum);
    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        (void)json_object_set_new(verdicts, lb_verdict_word((enum lb_verdict)i),
                                  json_integer((json_int_t)sum.verdicts[i]));
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "cases", (json_int_t)sum.cases,
                     "variants", (json_int_t)sum.variants, "broken_files",
                     (json_int_t)sum.broken_files, "not_run", (json_int_t)sum.not_run, "known",
                     (json_int_t)sum.known, "fixed", (json_int_t)sum.fixed, "nondeterministic",
                     (json_int_t)sum.unequal, "verdicts", verdicts);
}

bool report_json(const struct tally *tally, FILE *file)
{
    json_t *cases = json_array();
    json_t *broken = json_array();
    char started[FORMATS_TIME_MAX];
    formats_moment(tally->started_s, started);
    for (size_t i = 0; i < tally->roster->count; i++) {
        if (tally->roster->cases[i].is_broken) {
            (void)json_array_append_new(broken, json_broken(&tally->roster->cases[i]));
        } else if (tally->records[i].is_done) {
            (void)json_array_append_new(cases, report_json_case(tally, i));
        }
    }
    json_t *report = json_pack(
        "{s:s, s:i, s:{s:s, s:s}, s:s, s:o, s:i, s:s?, s:o, s:o, s:o}", "format", "lastbyte-check",
        "version", FORMATS_JSON_VERSION, "tool", "name", "lastbyte", "version", LASTBYTE_VERSION,
        "started", started, "seconds", json_seconds(tally->time_ns), "exit_code",
        (int)tally_code(tally), "interrupted", tally->signal != 0 ? formats_signal(tally) : NULL,
        "summary", json_summary(tally), "cases", cases, "broken_files", broken);
    bool is_written = report != NULL && json_dumpf(report, file, FORMATS_JSON) == 0;
    fputc('\n', file);
    json_decref(report);
    return is_written;
}
