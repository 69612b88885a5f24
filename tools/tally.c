/*
 * The tally: see tally.h.
 */
#include "tally.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"

void tally_add(struct tally_record *record, const struct lb_check *check, uint64_t hash,
               uint64_t time_ns)
{
    LB_ASSERT((unsigned)check->verdict < LB_VERDICT_COUNT);
    record->time_ns += time_ns;
    if (!record->is_hashed) {
        record->hash = hash;
        record->is_hashed = true;
    } else if (record->hash != hash) {
        record->other_hash = hash;
        record->is_unequal = true;
    }
    if (!record->is_done || check->verdict > record->check.verdict) {
        record->check = *check;
    }
    record->is_done = true;
}

void tally_crash(struct tally_record *record, const char *death)
{
    record->check = (struct lb_check){.verdict = LB_VERDICT_CRASH};
    if (record->crash[0] == '\0') {
        snprintf(record->crash, sizeof(record->crash), "%s", death);
    }
    record->is_done = true;
}

bool tally_finding(const struct tally_record *record, uint32_t at,
                   char ret_text[TALLY_FINGERPRINT_MAX])
{
    const struct lb_result *result = &record->check.result;
    LB_ASSERT(record->is_done);
    if (!lb_verdict_is_bad(record->check.verdict)) {
        return false;
    }
    if (result->finding_count == 0) {
        snprintf(ret_text, TALLY_FINGERPRINT_MAX, "%s", lb_verdict_word(record->check.verdict));
        return at == 0;
    }
    if (at >= result->finding_count) {
        return false;
    }
    snprintf(ret_text, TALLY_FINGERPRINT_MAX, "%s @ %s", result->findings[at].rule,
             result->findings[at].context);
    return true;
}

const char *tally_reason(const struct tally *tally, size_t index)
{
    const struct roster_case *entry = &tally->roster->cases[index];
    return tally->baseline == NULL ? NULL : baseline_reason(tally->baseline, entry->name);
}

enum tally_known tally_known(const struct tally *tally, size_t index)
{
    const struct tally_record *record = &tally->records[index];
    const struct roster_case *entry = &tally->roster->cases[index];
    char finding[TALLY_FINGERPRINT_MAX];
    LB_ASSERT(index < tally->roster->count);
    if (!record->is_done || record->is_unequal || tally_reason(tally, index) == NULL) {
        return TALLY_NEW;
    }
    if (!lb_verdict_is_bad(record->check.verdict)) {
        return record->check.verdict == LB_VERDICT_SKIP ? TALLY_NEW : TALLY_FIXED;
    }
    for (uint32_t i = 0; tally_finding(record, i, finding); i++) {
        if (!baseline_has(tally->baseline, entry->name, finding)) {
            return TALLY_NEW;
        }
    }
    return TALLY_KNOWN;
}

void tally_sum(const struct tally *tally, struct tally_sum *ret_sum)
{
    *ret_sum = (struct tally_sum){0};
    for (size_t i = 0; i < tally->roster->count; i++) {
        const struct tally_record *record = &tally->records[i];
        if (tally->roster->cases[i].is_broken) {
            ret_sum->broken_files++;
        } else if (!record->is_done) {
            ret_sum->not_run++;
        } else {
            enum tally_known known = tally_known(tally, i);
            ret_sum->cases++;
            ret_sum->verdicts[record->check.verdict]++;
            ret_sum->variants += record->check.variant_count;
            ret_sum->unequal += record->is_unequal ? 1 : 0;
            ret_sum->known += known == TALLY_KNOWN ? 1 : 0;
            ret_sum->fixed += known == TALLY_FIXED ? 1 : 0;
        }
    }
}

enum exit_code tally_code(const struct tally *tally)
{
    struct tally_sum sum;
    enum exit_code code = tally->code;
    uint64_t bad = 0;
    tally_sum(tally, &sum);
    for (size_t i = 0; i < LB_VERDICT_COUNT; i++) {
        bad += lb_verdict_is_bad((enum lb_verdict)i) ? sum.verdicts[i] : 0;
    }
    LB_ASSERT(bad >= sum.known);
    if (sum.cases > 0 && sum.verdicts[LB_VERDICT_SKIP] == sum.cases) {
        code = command_worse(code, EXIT_SKIPPED);
    }
    if (bad > sum.known) {
        code = command_worse(code, EXIT_UNEXPECTED);
    }
    if (sum.unequal > 0) {
        code = command_worse(code, EXIT_NONDETERMINISM);
    }
    if (sum.broken_files > 0) {
        code = command_worse(code, EXIT_USAGE);
    }
    return command_ended(code, tally->signal);
}
