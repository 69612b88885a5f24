/*
 * The JUnit report: a test suite for each area, a test case for each case and each broken file. The
 * elements are those that Jenkins, GitHub and GitLab read; tools/tests/junit.xsd is their schema.
 *
 * A failure is a case that did not hold; an error is one that could not be judged: broken or crashed.
 */
#include "formats.h"

#include <inttypes.h>
#include <libxml/xmlwriter.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "report.h"

/* What a test case is to a reader of JUnit. */
enum junit_kind { JUNIT_PASSED, JUNIT_FAILURE, JUNIT_ERROR, JUNIT_SKIPPED, JUNIT_KIND_COUNT };

/* What is being written; after an error of the writer nothing more is. */
struct junit {
    const struct tally *tally;
    xmlTextWriterPtr writer;
    bool is_failed;
};

static void junit_open(struct junit *junit, const char *element)
{
    junit->is_failed =
        xmlTextWriterStartElement(junit->writer, BAD_CAST element) < 0 || junit->is_failed;
}

static void junit_close(struct junit *junit)
{
    junit->is_failed = xmlTextWriterEndElement(junit->writer) < 0 || junit->is_failed;
}

/* A value may hold anything; XML may not. */
static void junit_attribute(struct junit *junit, const char *name, const char *value)
{
    char *plain = report_plain(value, strlen(value));
    junit->is_failed =
        xmlTextWriterWriteAttribute(junit->writer, BAD_CAST name, BAD_CAST plain) < 0 ||
        junit->is_failed;
    free(plain);
}

static void junit_number(struct junit *junit, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    junit_attribute(junit, name, text);
}

static void junit_seconds(struct junit *junit, uint64_t time_ns)
{
    char text[32];
    snprintf(text, sizeof(text), "%.6f", (double)time_ns / 1e9);
    junit_attribute(junit, "time", text);
}

static void junit_text(struct junit *junit, const char *text)
{
    junit->is_failed =
        xmlTextWriterWriteString(junit->writer, BAD_CAST text) < 0 || junit->is_failed;
}

/* -- what a case is -- */

static enum junit_kind verdict_kind(enum lb_verdict verdict)
{
    switch (verdict) {
    case LB_VERDICT_PASS:
    case LB_VERDICT_NOTE:
    case LB_VERDICT_WEAK:
        return JUNIT_PASSED;
    case LB_VERDICT_SKIP:
        return JUNIT_SKIPPED;
    case LB_VERDICT_FAIL:
    case LB_VERDICT_LEAK:
    case LB_VERDICT_HANG:
        return JUNIT_FAILURE;
    case LB_VERDICT_BROKEN:
    case LB_VERDICT_CRASH:
        return JUNIT_ERROR;
    }
    LB_UNREACHABLE("a verdict");
    return JUNIT_ERROR;
}

static enum junit_kind case_kind(const struct tally *tally, size_t index)
{
    const struct tally_record *record = &tally->records[index];
    if (tally->roster->cases[index].is_broken) {
        return JUNIT_ERROR;
    }
    if (tally_known(tally, index) == TALLY_KNOWN) {
        return JUNIT_SKIPPED; /* the one thing that neither passes nor turns a build red */
    }
    enum junit_kind kind = verdict_kind(record->check.verdict);
    return kind != JUNIT_ERROR && record->is_unequal ? JUNIT_FAILURE : kind;
}

static bool case_is_shown(const struct tally *tally, size_t index)
{
    return tally->roster->cases[index].is_broken || tally->records[index].is_done;
}

/* The first words of a failure: they are the line that a list of failures shows. */
static void junit_message(struct junit *junit, size_t index)
{
    const struct tally_record *record = &junit->tally->records[index];
    char finding[TALLY_FINGERPRINT_MAX] = "";
    char message[TALLY_FINGERPRINT_MAX * 4];
    const struct lb_result *result = &record->check.result;
    if (record->crash[0] != '\0') {
        snprintf(message, sizeof(message), "CRASH: %s", record->crash);
    } else if (record->is_unequal) {
        snprintf(message, sizeof(message), "nondeterminism: two rounds gave different traces");
    } else if (tally_finding(record, 0, finding) && result->finding_count > 0) {
        snprintf(message, sizeof(message), "%s: %s", finding, result->findings[0].detail);
    } else if (result->line != NULL) {
        snprintf(message, sizeof(message), "%s: expected %s, actual %s", finding, result->expected,
                 result->actual);
    } else {
        snprintf(message, sizeof(message), "%s", lb_verdict_word(record->check.verdict));
    }
    junit_attribute(junit, "message", message);
}

static void junit_verdict(struct junit *junit, size_t index, enum junit_kind kind)
{
    const struct tally *tally = junit->tally;
    const struct roster_case *entry = &tally->roster->cases[index];
    const char *type =
        entry->is_broken ? "BROKEN-FILE" : lb_verdict_word(tally->records[index].check.verdict);
    if (kind == JUNIT_SKIPPED) {
        const char *reason = tally_reason(tally, index);
        bool is_known = tally_known(tally, index) == TALLY_KNOWN;
        char message[512];
        snprintf(message, sizeof(message), "%s: %s", is_known ? "known" : type,
                 is_known ? reason : "the client cannot do this");
        junit_open(junit, "skipped");
        junit_attribute(junit, "message", message);
        junit_close(junit);
        return;
    }
    junit_open(junit, kind == JUNIT_FAILURE ? "failure" : "error");
    if (entry->is_broken) {
        char *title = formats_title(entry);
        junit_attribute(junit, "message", title);
        free(title);
    } else {
        junit_message(junit, index);
    }
    junit_attribute(junit, "type", type);
    char *details = entry->is_broken ? NULL : formats_details(tally, index);
    junit_text(junit, details == NULL ? "" : details);
    free(details);
    junit_close(junit);
}

static void junit_case(struct junit *junit, size_t index)
{
    const struct tally *tally = junit->tally;
    const struct roster_case *entry = &tally->roster->cases[index];
    const char *slash = strrchr(entry->name, '/');
    enum junit_kind kind = case_kind(tally, index);
    char *path = formats_file(entry);
    char area[ROSTER_NAME_MAX];
    snprintf(area, sizeof(area), "%.*s", slash == NULL ? 0 : (int)(slash - entry->name),
             entry->name);
    junit_open(junit, "testcase");
    junit_attribute(junit, "classname", area[0] != '\0' ? area : "cases");
    junit_attribute(junit, "name", slash == NULL ? entry->name : slash + 1);
    junit_attribute(junit, "file", path);
    junit_number(junit, "line", formats_place(tally, index));
    junit_seconds(junit, tally->records[index].time_ns);
    free(path);
    if (kind != JUNIT_PASSED) {
        junit_verdict(junit, index, kind);
    }
    bool is_told = kind == JUNIT_PASSED || kind == JUNIT_SKIPPED;
    char *details = is_told ? formats_details(tally, index) : NULL;
    if (details != NULL && details[0] != '\0') {
        junit_open(junit, "system-out");
        junit_text(junit, lb_verdict_word(tally->records[index].check.verdict));
        junit_text(junit, tally_known(tally, index) == TALLY_FIXED ? ", fixed\n" : "\n");
        junit_text(junit, details);
        junit_close(junit);
    }
    free(details);
    junit_close(junit);
}

/* -- suites -- */

/* How many bytes of a name are its area. */
static size_t area_size(const struct roster_case *entry)
{
    const char *slash = strrchr(entry->name, '/');
    return slash == NULL ? 0 : (size_t)(slash - entry->name);
}

static bool area_is(const struct roster_case *a, const struct roster_case *b)
{
    return area_size(a) == area_size(b) && strncmp(a->name, b->name, area_size(a)) == 0;
}

/* Writes the counts of the cases of one area; NULL: of all. */
static void junit_counts(struct junit *junit, const struct roster_case *area)
{
    const struct tally *tally = junit->tally;
    uint64_t counts[JUNIT_KIND_COUNT] = {0};
    uint64_t all = 0;
    uint64_t time_ns = 0;
    for (size_t i = 0; i < tally->roster->count; i++) {
        if (case_is_shown(tally, i) && (area == NULL || area_is(&tally->roster->cases[i], area))) {
            counts[case_kind(tally, i)]++;
            all++;
            time_ns += tally->records[i].time_ns;
        }
    }
    junit_number(junit, "tests", all);
    junit_number(junit, "failures", counts[JUNIT_FAILURE]);
    junit_number(junit, "errors", counts[JUNIT_ERROR]);
    junit_number(junit, "skipped", counts[JUNIT_SKIPPED]);
    junit_seconds(junit, area == NULL ? tally->time_ns : time_ns);
}

/* The area of case `first`, which is the first of it. */
static void junit_suite(struct junit *junit, size_t first)
{
    const struct roster *roster = junit->tally->roster;
    const struct roster_case *area = &roster->cases[first];
    char name[ROSTER_NAME_MAX];
    char started[FORMATS_TIME_MAX];
    snprintf(name, sizeof(name), "%.*s", (int)area_size(area), area->name);
    formats_moment(junit->tally->started_s, started);
    started[strlen(started) - 1] = '\0'; /* JUnit has no time zone */
    junit_open(junit, "testsuite");
    junit_attribute(junit, "name", name[0] != '\0' ? name : "cases");
    junit_attribute(junit, "timestamp", started);
    junit_counts(junit, area);
    for (size_t i = first; i < roster->count; i++) {
        if (case_is_shown(junit->tally, i) && area_is(&roster->cases[i], area)) {
            junit_case(junit, i);
        }
    }
    if (junit->tally->signal != 0) {
        junit_open(junit, "system-err");
        junit_text(junit, "interrupted by ");
        junit_text(junit, formats_signal(junit->tally));
        junit_close(junit);
    }
    junit_close(junit);
}

static void junit_suites(struct junit *junit)
{
    const struct roster *roster = junit->tally->roster;
    junit_open(junit, "testsuites");
    junit_attribute(junit, "name", "lastbyte check");
    junit_counts(junit, NULL);
    for (size_t i = 0; i < roster->count; i++) {
        bool is_first = case_is_shown(junit->tally, i);
        for (size_t k = 0; k < i && is_first; k++) {
            is_first =
                !case_is_shown(junit->tally, k) || !area_is(&roster->cases[k], &roster->cases[i]);
        }
        if (is_first) {
            junit_suite(junit, i);
        }
    }
    junit_close(junit);
}

bool report_junit(const struct tally *tally, FILE *file)
{
    xmlOutputBufferPtr buffer = xmlOutputBufferCreateFile(file, NULL);
    LB_ASSERT(file != NULL);
    struct junit junit = {.tally = tally,
                          .writer = buffer == NULL ? NULL : xmlNewTextWriter(buffer)};
    if (junit.writer == NULL) {
        return false;
    }
    junit.is_failed = xmlTextWriterSetIndent(junit.writer, 1) < 0 ||
                      xmlTextWriterStartDocument(junit.writer, "1.0", "UTF-8", NULL) < 0;
    junit_suites(&junit);
    junit.is_failed = xmlTextWriterEndDocument(junit.writer) < 0 || junit.is_failed;
    xmlFreeTextWriter(junit.writer);
    return !junit.is_failed;
}
