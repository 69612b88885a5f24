/*
 * What the pages of the fuzz targets share. A page is a function lb_target_judge_NAME: it makes a case of
 * the bytes (target->c), runs it, and files what does not hold.
 */
#ifndef LASTBYTE_FUZZ_TARGETS_PAGE_H
#define LASTBYTE_FUZZ_TARGETS_PAGE_H

#include "codec.h"
#include "target.h"

struct lb_target {
    const struct lb_target_row *row;
    struct lb_case c;     /* what is judged and shown */
    struct lb_case other; /* a second one, for pages that compare */
    struct lb_runner *runner;
    struct lb_target_counters counters;
    /* of the input under judgement */
    bool has_responded;
    bool has_reused;
    bool is_broken;
    char fault[LB_FAULT_TEXT_MAX]; /* that its run has; "": none */
    const uint8_t *text;           /* the input of a target of text */
    size_t text_size;
    uint64_t outcomes[2][LB_CASE_LINES_MAX]; /* of client lines, for pages that compare */
    struct lb_result second;                 /* likewise */
};

/* lbi_target_run: runs a case once, its slice and schedule as `variant` says, NULL: as the case does.
 * Fills *ret_result, and counts. */
void lbi_target_run(struct lb_target *target, const struct lb_case *c,
                    const struct lb_variant *variant, struct lb_result *ret_result);

/* lbi_target_default: an option of target->c, unless the bytes have set it. */
void lbi_target_default(struct lb_target *target, enum lb_case_option option, uint64_t value);

/* lbi_case_has_reset: whether some server resets its connection. */
bool lbi_case_has_reset(const struct lb_case *c);

/* lbi_line_may_race: whether a request's source fails, ends or waits before it has given all. */
bool lbi_line_may_race(const struct lb_line *line);

/* lbi_target_compare: files "CLAIM/LINE-WORD", once, where the first `count` lines of the program have seen
 * something else in the second of the runs that were watched (target->outcomes). */
void lbi_target_compare(const struct lb_target *target, uint32_t count, const char *claim,
                        struct lb_result *result);

/* lbi_target_file: files a finding of the target's own, behind those of the rules. `detail` is a
 * format. */
void lbi_target_file(struct lb_result *result, const char *claim, const char *context,
                     const char *detail, ...) __attribute__((format(printf, 4, 5)));

/* LB_TARGET_PAGE: the head of a page's function, which registry and page must spell alike. *ret_result is
 * zeroed. */
#define LB_TARGET_PAGE(id)                                                                         \
    void lb_target_judge_##id(struct lb_target *target, const uint8_t *bytes, size_t size,         \
                              struct lb_result *ret_result)

#endif
