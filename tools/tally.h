/*
 * The tally: what is known of a run of many cases. The children that judge write into its records; every
 * report is printed from it, and from nothing else.
 */
#ifndef LASTBYTE_TOOLS_TALLY_H
#define LASTBYTE_TOOLS_TALLY_H

#include "baseline.h"
#include "command.h"
#include "roster.h"
#include "run.h"

#define TALLY_CRASH_MAX 256
#define TALLY_FINGERPRINT_MAX 256 /* bytes of what a failure is filed under, the NUL included */

/*
 * What one case of the roster came to. Shared with children, who see the same roster: what it points to is
 * theirs as well as their parent's.
 */
struct tally_record {
    bool is_done; /* it has run; what stands below is set */
    struct lb_check check;
    bool is_hashed;      /* a round has come to its end */
    uint64_t hash;       /* of the traces of that one */
    uint64_t other_hash; /* of a later round that was not the same */
    bool is_unequal;
    uint64_t time_ns;            /* of all rounds */
    char crash[TALLY_CRASH_MAX]; /* of a CRASH: what ended the process */
};

/* What the baseline says of a case. */
enum tally_known {
    TALLY_NEW,   /* nothing, or it has failed otherwise */
    TALLY_KNOWN, /* it has failed as expected */
    TALLY_FIXED, /* it is expected to fail, and has not */
};

struct tally {
    const struct roster *roster;
    struct tally_record *records;    /* one for each case of the roster */
    const struct baseline *baseline; /* NULL: none */
    enum exit_code code;             /* of what the records do not show: a rig that failed */
    int signal;                      /* that ended the run early; 0: none */
    int64_t started_s;               /* since 1970 */
    uint64_t time_ns;
};

/* What the records add up to. */
struct tally_sum {
    uint64_t verdicts[LB_VERDICT_COUNT];
    uint64_t cases; /* that have run */
    uint64_t variants;
    uint64_t broken_files;
    uint64_t not_run;
    uint64_t known;
    uint64_t fixed;
    uint64_t unequal;
};

/* tally_add: what one round says of a case; the graver verdict stays. */
void tally_add(struct tally_record *record, const struct lb_check *check, uint64_t hash,
               uint64_t time_ns);

/* tally_crash: a case has ended its process. `death` says how, if nothing else has been said. */
void tally_crash(struct tally_record *record, const char *death);

/* tally_known: what the baseline says of case `index`. */
enum tally_known tally_known(const struct tally *tally, size_t index);

/* tally_reason: the baseline's reason for case `index`; NULL: it does not name the case. */
const char *tally_reason(const struct tally *tally, size_t index);

/* tally_sum: adds up. */
void tally_sum(const struct tally *tally, struct tally_sum *ret_sum);

/* tally_code: the exit code of it all. */
enum exit_code tally_code(const struct tally *tally);

/*
 * tally_finding: what failure `at` of a case is filed under, "F2 @ length"; without a broken rule its
 * verdict. False beyond the last; a case as expected has none.
 */
bool tally_finding(const struct tally_record *record, uint32_t at,
                   char ret_text[TALLY_FINGERPRINT_MAX]);

#endif
