/*
 * A baseline as a report: what fails now is expected from now on. Reasons are for people to write.
 */
#include "formats.h"

#include "core/assert.h"

#define BASELINE_NO_REASON "not explained yet"

/* Whether a case has run, so that what was known of it is out of date. */
static bool name_has_run(const struct tally *tally, const char *name)
{
    size_t index = roster_find(tally->roster, name);
    return index != SIZE_MAX && tally->records[index].is_done;
}

static void baseline_keep(const struct tally *tally, FILE *file)
{
    for (size_t i = 0; tally->baseline != NULL && i < tally->baseline->count; i++) {
        const struct baseline_row *row = &tally->baseline->rows[i];
        if (!name_has_run(tally, row->name)) {
            fprintf(file, "%s\t%s\t%s\n", row->name, row->finding, row->reason);
        }
    }
}

bool report_baseline(const struct tally *tally, FILE *file)
{
    LB_ASSERT(file != NULL);
    fprintf(file, "# Failures that are expected: lastbyte check --baseline FILE\n"
                  "# case\tfinding, or - for any\treason\n");
    baseline_keep(tally, file);
    for (size_t i = 0; i < tally->roster->count; i++) {
        const struct roster_case *entry = &tally->roster->cases[i];
        const char *reason = tally_reason(tally, i);
        char finding[TALLY_FINGERPRINT_MAX];
        bool has_run = !entry->is_broken && tally->records[i].is_done;
        for (uint32_t k = 0; has_run && tally_finding(&tally->records[i], k, finding); k++) {
            fprintf(file, "%s\t%s\t%s\n", entry->name, finding,
                    reason == NULL ? BASELINE_NO_REASON : reason);
        }
    }
    return ferror(file) == 0;
}
