/*
 * Shrinking: the reducer with a judge behind it, within limits and with what it finds kept on disk.
 */
#ifndef LASTBYTE_TOOLS_SHRINK_H
#define LASTBYTE_TOOLS_SHRINK_H

#include "judge.h"
#include "reduce.h"

struct shrink_options {
    enum lb_target_form form; /* of the target's inputs */
    const char *best;         /* the file that holds the smallest input so far; NULL: none */
    const char *also; /* a folder for inputs that show another finding; NULL: they are forgotten */
    uint64_t run_max; /* executions; 0: no limit */
    uint64_t seconds; /* 0: no limit */
    bool is_shown;    /* progress on the terminal */
};

struct shrink_result {
    struct lb_reduce_result reduce;
    uint64_t time_ns;
    uint64_t other_count; /* other findings met on the way */
    bool is_broken;       /* the rig has failed; said */
};

/* shrink_run: reduces `*size` bytes, of LB_CODEC_SIZE_MAX, that show `finding`. SIGINT and SIGTERM
 * (isolate_watch) end the search; what it has found stands in `bytes` and in the file. */
void shrink_run(struct judge *judge, const struct shrink_options *options, const char *finding,
                uint8_t *bytes, size_t *size, struct shrink_result *ret_result);

/* shrink_slug: a finding as the name of a file or folder: gives it (free). */
char *shrink_slug(const char *finding);

#endif
