/*
 * The SARIF report, version 2.1.0: a rule for each rule of lastbyte and for each way in which a run can go
 * wrong without breaking one; a result for each finding. A result's place is a line of a case.
 *
 * Section numbers are those of the OASIS standard of 27 March 2020.
 */
#include "formats.h"

#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "promise.h"
#include "report.h"

/* What else a result can be filed under. */
static const struct lb_promise ways[] = {
    {"expectation", "a line of a case came out otherwise than the case says",
     "The line that a result points to has another outcome than the ones that the case calls "
     "lawful. The message has both.",
     "the case"},
    {"hang", "a run does not come to an end", "The budget of steps or of virtual time was used up.",
     "lastbyte's own promise; no standard speaks of it"},
    {"crash", "the process that ran a case has ended",
     "A failed assertion, a signal or a sanitizer has ended the process inside the case.",
     "lastbyte's own promise; no standard speaks of it"},
    {"case-broken", "a case does not fit",
     "A setup line or a server's script did not hold, or a departure of the schedule never took "
     "effect: the case says nothing about the client.",
     "the case language"},
    {"case-file", "a file is no case",
     "The file cannot be read as a case; the message says where and why.", "the case language"},
    {"nondeterminism", "the same case gave two traces",
     "Two rounds of one case under the same schedules differed.",
     "lastbyte's own promise; no standard speaks of it"},
    {"policy", "what a client chose among lawful alternatives",
     "A case about policy has passed; the message says which of its alternatives came. No defect.",
     "the case"},
    {"skipped", "a case that says nothing about this client",
     "The client cannot do what the case is about.", "the case"},
};

#define WAY_COUNT ((uint32_t)(sizeof(ways) / sizeof(ways[0])))

/* -- rules -- */

static uint32_t promise_count(void)
{
    uint32_t count = 0;
    while (lb_promise_at(count) != NULL) {
        count++;
    }
    return count;
}

/* The place of a rule in the list of rules (3.27.6). */
static uint32_t rule_index(const char *rule)
{
    uint32_t index = lb_promise_index(rule);
    for (uint32_t i = 0; i < WAY_COUNT && index == UINT32_MAX; i++) {
        index = strcmp(ways[i].rule, rule) == 0 ? promise_count() + i : UINT32_MAX;
    }
    LB_ASSERT(index != UINT32_MAX);
    return index;
}

static json_t *sarif_rule(const struct lb_promise *promise)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s\nSource: %s.", promise->help, promise->source);
    return json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}", "id", promise->rule,
                     "shortDescription", "text", promise->brief, "fullDescription", "text",
                     promise->help, "help", "text", text, "properties", "source", promise->source);
}

static json_t *sarif_rules(void)
{
    json_t *rules = json_array();
    for (uint32_t i = 0; lb_promise_at(i) != NULL; i++) {
        (void)json_array_append_new(rules, sarif_rule(lb_promise_at(i)));
    }
    for (uint32_t i = 0; i < WAY_COUNT; i++) {
        (void)json_array_append_new(rules, sarif_rule(&ways[i]));
    }
    return rules;
}

/* -- results -- */

/* One result. Its texts are plain (report_plain). */
struct result {
    const char *rule;
    const char *context; /* for the fingerprint */
    const char *message;
    const char *level; /* 3.27.10 */
    const char *kind;  /* 3.27.9 */
};

/* A path as a URI: relative as it is, absolute with its scheme. */
static json_t *sarif_uri(const struct roster_case *entry)
{
    xmlChar *escaped = xmlURIEscapeStr(BAD_CAST entry->file, BAD_CAST "/");
    LB_ASSERT(escaped != NULL);
    json_t *uri = json_sprintf("%s%s", entry->file[0] == '/' ? "file://" : "", (char *)escaped);
    xmlFree(escaped);
    return uri;
}

/* Where a result is: the line, and of a broken file the column (3.28). */
static json_t *sarif_location(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    json_t *region = json_pack("{s:i}", "startLine", (int)formats_place(tally, index));
    if (entry->is_broken) {
        (void)json_object_set_new(region, "startColumn", json_integer(entry->error.column));
    }
    return json_pack("{s:{s:{s:o}, s:o}, s:[{s:s}]}", "physicalLocation", "artifactLocation", "uri",
                     sarif_uri(entry), "region", region, "logicalLocations", "fullyQualifiedName",
                     entry->name);
}

/* Adds what a baseline says (3.27.24, 3.35). */
static void sarif_baseline(const struct tally *tally, size_t index, json_t *result)
{
    bool is_known = tally_known(tally, index) == TALLY_KNOWN;
    if (tally->baseline == NULL) {
        return;
    }
    (void)json_object_set_new(result, "baselineState", json_string(is_known ? "unchanged" : "new"));
    if (is_known) {
        const char *reason = tally_reason(tally, index);
        char *plain = report_plain(reason, strlen(reason));
        (void)json_object_set_new(
            result, "suppressions",
            json_pack("[{s:s, s:s}]", "kind", "external", "justification", plain));
        free(plain);
    }
}

static void sarif_add(json_t *results, const struct tally *tally, size_t index,
                      const struct result *result)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    char *message = report_plain(result->message, strlen(result->message));
    char *reproduce = entry->is_broken ? NULL : formats_reproduce(tally, index);
    const char *verdict =
        entry->is_broken ? "BROKEN-FILE" : lb_verdict_word(tally->records[index].check.verdict);
    json_t *value =
        json_pack("{s:s, s:i, s:s, s:s, s:{s:s}, s:[o], s:{s:o}, s:{s:s, s:s*}}", "ruleId",
                  result->rule, "ruleIndex", (int)rule_index(result->rule), "kind", result->kind,
                  "level", result->level, "message", "text", message, "locations",
                  sarif_location(tally, index), "partialFingerprints", "lastbyteFinding/v1",
                  json_sprintf("%s@%s", result->rule, result->context), "properties", "verdict",
                  verdict, "reproduce", reproduce);
    free(reproduce);
    free(message);
    if (value != NULL) {
        sarif_baseline(tally, index, value);
    }
    (void)json_array_append_new(results, value);
}

/* What a bad verdict without a broken rule is filed under. */
static const char *verdict_way(enum lb_verdict verdict)
{
    switch (verdict) {
    case LB_VERDICT_PASS:
    case LB_VERDICT_WEAK:
    case LB_VERDICT_FAIL:
    case LB_VERDICT_LEAK:
        return "expectation";
    case LB_VERDICT_NOTE:
        return "policy";
    case LB_VERDICT_SKIP:
        return "skipped";
    case LB_VERDICT_BROKEN:
        return "case-broken";
    case LB_VERDICT_HANG:
        return "hang";
    case LB_VERDICT_CRASH:
        return "crash";
    }
    LB_UNREACHABLE("a verdict");
    return "expectation";
}

/* A case without a broken rule: what its verdict says, under its own name. */
static void sarif_verdict(json_t *results, const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    enum lb_verdict verdict = tally->records[index].check.verdict;
    const char *kind = verdict == LB_VERDICT_NOTE   ? "informational"
                       : verdict == LB_VERDICT_SKIP ? "notApplicable"
                                                    : "fail";
    const char *level = strcmp(kind, "fail") != 0    ? "none"
                        : verdict == LB_VERDICT_WEAK ? "warning"
                                                     : "error";
    char *details = formats_details(tally, index);
    char *title = formats_title(entry);
    size_t size = strlen(title) + strlen(details) + 2;
    char *message = tool_alloc(size);
    snprintf(message, size, "%s\n%s", title, details);
    const struct result result = {verdict_way(verdict), entry->name, message, level, kind};
    sarif_add(results, tally, index, &result);
    free(message);
    free(title);
    free(details);
}

static void sarif_case(json_t *results, const struct tally *tally, size_t index)
{
    const struct tally_record *record = &tally->records[index];
    const struct lb_result *found = &record->check.result;
    if (record->is_unequal) {
        const struct result result = {"nondeterminism", tally->roster->cases[index].name,
                                      "two rounds gave different traces", "error", "fail"};
        sarif_add(results, tally, index, &result);
    }
    for (uint32_t i = 0; i < found->finding_count; i++) {
        const struct lb_finding *finding = &found->findings[i];
        const struct result result = {finding->rule, finding->context, finding->detail, "error",
                                      "fail"};
        sarif_add(results, tally, index, &result);
    }
    if (found->finding_count == 0 && record->check.verdict != LB_VERDICT_PASS) {
        sarif_verdict(results, tally, index);
    }
}

static json_t *sarif_results(const struct tally *tally)
{
    json_t *results = json_array();
    for (size_t i = 0; i < tally->roster->count; i++) {
        const struct roster_case *entry = &tally->roster->cases[i];
        if (entry->is_broken) {
            char *title = formats_title(entry);
            const struct result result = {"case-file", entry->name, title, "error", "fail"};
            sarif_add(results, tally, i, &result);
            free(title);
        } else if (tally->records[i].is_done) {
            sarif_case(results, tally, i);
        }
    }
    return results;
}

/* How the command itself fared (3.20). */
static json_t *sarif_invocation(const struct tally *tally)
{
    char started[FORMATS_TIME_MAX];
    char ended[FORMATS_TIME_MAX];
    enum exit_code code = tally_code(tally);
    formats_moment(tally->started_s, started);
    formats_moment(tally->started_s + (int64_t)(tally->time_ns / 1000000000), ended);
    return json_pack("{s:b, s:i, s:s, s:s, s:s*}", "executionSuccessful",
                     tally->signal == 0 && code != EXIT_RIG, "exitCode", (int)code, "startTimeUtc",
                     started, "endTimeUtc", ended, "exitSignalName",
                     tally->signal != 0 ? formats_signal(tally) : NULL);
}

bool report_sarif(const struct tally *tally, FILE *file)
{
    json_t *report = json_pack("{s:s, s:s, s:[{s:{s:{s:s, s:s, s:o}}, s:[o], s:o}]}", "$schema",
                               "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0",
                               "runs", "tool", "driver", "name", "lastbyte", "version",
                               LASTBYTE_VERSION, "rules", sarif_rules(), "invocations",
                               sarif_invocation(tally), "results", sarif_results(tally));
    bool is_written = report != NULL && json_dumpf(report, file, FORMATS_JSON) == 0;
    fputc('\n', file);
    json_decref(report);
    return is_written;
}
