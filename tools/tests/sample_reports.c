/*
 * Prints a report of a run that never was: a case of each verdict, with all that a report can have to say,
 * and text that no format may take as its own. For tests/reports.sh.
 *
 *   sample_reports all|skipped|none|interrupted FORMAT BASELINE
 *
 * Exits with the exit code that `check` would have. BASELINE may be "".
 */
#include "formats.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "report.h"

#define SAMPLE_EVIL "\x1b[31m ]]> <&\"'> # -- \\ \xff \xc3\xa9 \xed\xa0\x80 %s ..."

static const char text[] = "case   1\n"
                           "title  A title ]]> <with> & \"quotes\" # and \\x1b\\xff\n"
                           "level  MAY\n"
                           "spec   RFC9112 9.3  \"a quote\"\n"
                           "spec   LASTBYTE R3\n"
                           "tags   one two\n"
                           "host a\n"
                           "  conn 1\n"
                           "    want GET /1 or close\n"
                           "client\n"
                           "  get r1 a /1 => 200 or error reset\n"
                           "  read r1 all => \"x\\xff\" end or error reset\n";

/* One case more than there are verdicts: the same trace twice was not to be had. Then a broken file. */
#define SAMPLE_UNEQUAL LB_VERDICT_COUNT
#define SAMPLE_BROKEN (LB_VERDICT_COUNT + 1)
#define SAMPLE_COUNT (LB_VERDICT_COUNT + 2)

static struct roster_case cases[SAMPLE_COUNT];
static struct tally_record records[SAMPLE_COUNT];

static void sample_case(size_t index)
{
    struct roster_case *entry = &cases[index];
    const char *word = index < LB_VERDICT_COUNT  ? lb_verdict_word((enum lb_verdict)index)
                       : index == SAMPLE_UNEQUAL ? "UNEQUAL"
                                                 : "FILE";
    char path[64];
    snprintf(path, sizeof(path), "some cases/area-%zu/is-%s.case", index % 2, word);
    entry->path = tool_copy(path);
    entry->file = tool_copy(path);
    entry->place = 1;
    snprintf(entry->name, sizeof(entry->name), "area-%zu/is-%s", index % 2, word);
    enum lb_status status = lb_case_init(&entry->c);
    LB_ASSERT(status == LB_OK);
    status = lb_case_parse(path, text, strlen(text), &entry->c, &entry->error);
    LB_ASSERT(status == LB_OK);
}

static void sample_broken(struct roster_case *entry)
{
    struct lb_case_error *error = &entry->error;
    entry->is_broken = true;
    lb_case_clear(&entry->c);
    error->line = 7;
    error->column = 3;
    snprintf(error->found, sizeof(error->found), "%s", SAMPLE_EVIL);
    snprintf(error->expected, sizeof(error->expected), "%s", SAMPLE_EVIL);
}

static void sample_finding(struct lb_result *result, const char *rule, const char *context)
{
    struct lb_finding *finding = &result->findings[result->finding_count++];
    snprintf(finding->rule, sizeof(finding->rule), "%s", rule);
    snprintf(finding->context, sizeof(finding->context), "%s", context);
    snprintf(finding->detail, sizeof(finding->detail), "%s", SAMPLE_EVIL);
}

static void sample_difference(const struct roster_case *entry, struct lb_result *result)
{
    result->line = &entry->c.client.lines[1];
    snprintf(result->expected, sizeof(result->expected), "%s", SAMPLE_EVIL);
    snprintf(result->actual, sizeof(result->actual), "%s", SAMPLE_EVIL);
}

/* What a case of a verdict has to say. */
static void sample_verdict(const struct roster_case *entry, struct tally_record *record,
                           enum lb_verdict verdict)
{
    struct lb_result *result = &record->check.result;
    record->check.verdict = verdict;
    switch (verdict) {
    case LB_VERDICT_PASS:
    case LB_VERDICT_SKIP:
        break;
    case LB_VERDICT_NOTE:
        record->check.notes[0] = (struct lb_note){&entry->c.hosts[0].conns[0].script.lines[0], 2};
        record->check.notes[1] = (struct lb_note){&entry->c.client.lines[1], 3};
        record->check.note_count = 2;
        break;
    case LB_VERDICT_BROKEN:
        result->stale_position = 2;
        break;
    case LB_VERDICT_FAIL:
        sample_finding(result, "F2", "length");
        sample_finding(result, "R3", "idle");
        sample_difference(entry, result);
        break;
    case LB_VERDICT_LEAK:
        sample_finding(result, "E1", "read worker");
        snprintf(result->profile, sizeof(result->profile), "2  read  %s\n1  write\n", SAMPLE_EVIL);
        break;
    case LB_VERDICT_WEAK:
    case LB_VERDICT_HANG:
        sample_difference(entry, result);
        break;
    case LB_VERDICT_CRASH:
        tally_crash(record, SAMPLE_EVIL);
        break;
    }
}

static void sample_make(void)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct tally_record *record = &records[i];
        sample_case(i);
        if (i == SAMPLE_BROKEN) {
            sample_broken(&cases[i]);
            continue;
        }
        record->is_done = true;
        record->time_ns = 1234567;
        record->check.variant_count = 3;
        record->check.worst.name = "base";
        if (i == SAMPLE_UNEQUAL) {
            record->is_unequal = true;
            record->other_hash = 1;
        } else {
            sample_verdict(&cases[i], record, (enum lb_verdict)i);
        }
    }
}

int main(int argc, char **argv)
{
    struct roster roster = {cases, SAMPLE_COUNT};
    struct tally tally = {.roster = &roster, .records = records, .started_s = 1, .time_ns = 5};
    struct baseline baseline = {0};
    struct formats formats;
    struct option_texts texts = {.count = 1};
    if (argc != 4) {
        return EXIT_USAGE;
    }
    texts.items[0] = argv[2];
    if (!formats_parse(&texts, &formats) ||
        (argv[3][0] != '\0' && !baseline_load(argv[3], &baseline))) {
        return EXIT_USAGE;
    }
    sample_make();
    tally.baseline = argv[3][0] != '\0' ? &baseline : NULL;
    if (strcmp(argv[1], "skipped") == 0) {
        roster.cases = &cases[LB_VERDICT_SKIP];
        roster.count = 1;
        tally.records = &records[LB_VERDICT_SKIP];
    } else if (strcmp(argv[1], "none") == 0) {
        roster.count = 0;
    } else if (strcmp(argv[1], "interrupted") == 0) {
        tally.signal = SIGINT;
        records[LB_VERDICT_CRASH].is_done = false;
    }
    enum exit_code code = command_worse(tally_code(&tally), formats_write(&formats, &tally));
    roster.cases = cases;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        lb_case_deinit(&cases[i].c);
        free(cases[i].path);
        free(cases[i].file);
    }
    baseline_deinit(&baseline);
    return (int)code;
}
