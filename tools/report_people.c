/*
 * The report for people: a line for each case that they should know of, what it rests on below it, and one
 * line at the end. The words and the colours are those of every command (report.h).
 */
#include "formats.h"

#include <inttypes.h>

#include "core/assert.h"
#include "report.h"

static void people_notes(const struct roster_case *entry, const struct lb_check *check)
{
    for (uint32_t i = 0; i < check->note_count; i++) {
        printf("  %s:%" PRIu32 ": took ", entry->file, check->notes[i].line->place);
        formats_note(stdout, &check->notes[i]);
        printf("\n");
    }
}

static void people_known(const struct tally *tally, size_t index)
{
    switch (tally_known(tally, index)) {
    case TALLY_NEW:
        return;
    case TALLY_KNOWN:
        printf("  known: %s\n", tally_reason(tally, index));
        return;
    case TALLY_FIXED:
        printf("  fixed: it is in the baseline (%s), and does not fail any more\n",
               tally_reason(tally, index));
        return;
    }
}

static void people_unequal(const struct tally *tally, size_t index)
{
    const struct tally_record *record = &tally->records[index];
    if (record->is_unequal) {
        printf("NONDETERMINISM %s: trace hash %016" PRIx64 ", before %016" PRIx64 "\n",
               tally->roster->cases[index].path, record->other_hash, record->hash);
    }
}

static void people_crash(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    printf("  the process that ran it has ended: %s\n", tally->records[index].crash);
    printf("  reproduce: lastbyte check --verbose ");
    report_word(stdout, entry->path);
    printf("\n");
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

void people_case(const struct tally *tally, size_t index, bool is_verbose)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    const struct lb_check *check = &tally->records[index].check;
    enum tally_known known = tally_known(tally, index);
    LB_ASSERT(tally->records[index].is_done);
    people_unequal(tally, index);
    if (!is_verbose && known == TALLY_NEW && !lb_verdict_is_bad(check->verdict) &&
        check->verdict != LB_VERDICT_WEAK) {
        return;
    }
    report_verdict(check->verdict);
    if (!lb_verdict_is_bad(check->verdict) && check->verdict != LB_VERDICT_WEAK) {
        printf("%s (%" PRIu32 " variant%s)\n", entry->c.id, check->variant_count,
               plural(check->variant_count));
        people_notes(entry, check);
        people_known(tally, index);
        return;
    }
    report_title(&entry->c);
    people_known(tally, index);
    if (check->verdict == LB_VERDICT_CRASH) {
        people_crash(tally, index);
        return;
    }
    char slice[REPORT_SLICE_MAX];
    report_slice(check->worst.slice, slice);
    printf("  in slice %s, schedule %s; %" PRIu32 " variant%s ran\n", slice, check->worst.name,
           check->variant_count, plural(check->variant_count));
    report_details(entry->path, &entry->c, &check->result);
    people_notes(entry, check);
    report_reproduce(entry->path, &check->worst);
}

void people_summary(const struct tally *tally)
{
    struct tally_sum sum;
    const char *separator = ": ";
    tally_sum(tally, &sum);
    printf("%" PRIu64 " case%s, %" PRIu64 " variant%s", sum.cases, plural(sum.cases), sum.variants,
           plural(sum.variants));
    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        if (sum.verdicts[i] > 0) {
            printf("%s%" PRIu64 " %s", separator, sum.verdicts[i],
                   lb_verdict_word((enum lb_verdict)i));
            separator = ", ";
        }
    }
    if (tally->baseline != NULL) {
        printf("; %" PRIu64 " known, %" PRIu64 " fixed", sum.known, sum.fixed);
    }
    if (sum.broken_files > 0) {
        printf("; %" PRIu64 " broken file%s", sum.broken_files, plural(sum.broken_files));
    }
    if (tally->signal != 0) {
        printf("; interrupted, %" PRIu64 " not run", sum.not_run);
    }
    double seconds = (double)tally->time_ns / 1e9;
    printf("; %.2f s, %.0f cases/s\n", seconds, seconds > 0 ? (double)sum.cases / seconds : 0.0);
}
