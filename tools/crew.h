/*
 * The crew: child processes that judge the cases of a roster; what they find is a tally.
 */
#ifndef LASTBYTE_TOOLS_CREW_H
#define LASTBYTE_TOOLS_CREW_H

#include "isolate.h"
#include "tally.h"

#define CREW_SEED_NONE UINT64_MAX

struct crew_options {
    uint32_t jobs;   /* children at a time, at most ISOLATE_TEAM_MAX */
    uint64_t rounds; /* each case runs so often, and must give the same traces each time */
    uint64_t seed;   /* of the order in which they run; CREW_SEED_NONE: that of the roster */
    bool is_hashes;  /* the child prints the hash of each variant, and judges none; with one job */
    /* In the last round, when a case has come to its end; NULL allowed. */
    void (*is_done)(void *context, const struct tally *tally, size_t index);
    void *context;
};

/*
 * crew_run: runs all cases that are not broken, until SIGINT or SIGTERM comes. Fills *ret_tally, whose
 * baseline the caller has set; its records are released by crew_release. False: no memory for them.
 */
bool crew_run(const struct crew_options *options, const struct roster *roster,
              struct tally *ret_tally);
void crew_release(struct tally *tally);

/* crew_order: gives the order in which round one runs the cases (free). */
uint32_t *crew_order(const struct crew_options *options, const struct roster *roster);

#endif
