/*
 * Exploration: one case and slice under many schedules, in a fixed order, until one of them shows a
 * failure or all of them have run.
 *
 * Two drivers over the one scheduler. *Delays* takes every schedule of up to d departures from the base
 * schedule (delay-bounded search), fewest departures first, so that a failure is found with as few as it
 * needs. *Priorities* draws ranks for the first workers and places for a few demotions (probabilistic
 * concurrency testing): it reaches orders that need many departures.
 */
#ifndef LASTBYTE_CONFORMANCE_EXPLORE_H
#define LASTBYTE_CONFORMANCE_EXPLORE_H

#include "run.h"

#define LB_EXPLORE_DELAYS_MAX 4u       /* departures of a schedule that is enumerated */
#define LB_EXPLORE_DEPARTURES_MAX 12u  /* of any schedule: eight ranks, and demotions */
#define LB_EXPLORE_DECISIONS_MAX 4096u /* decisions of a run at which departures are tried */
#define LB_EXPLORED "explored"         /* the name of a variant of an exploration */
#define LB_EXPLORE_TEXT_MAX 128u       /* bytes of a schedule as text, the NUL included */

struct lb_explore_options {
    uint32_t slice;
    uint32_t delay_max;      /* departures of a schedule, at most LB_EXPLORE_DELAYS_MAX */
    uint64_t priority_count; /* schedules of the second driver */
    uint64_t schedule_max;   /* schedules of both; 0: no limit */
    uint64_t seed;           /* of the second driver */
    uint32_t *taken; /* for each client line, a bit for each alternative that came; or NULL */
    /* Before each run; returning false ends the search after it. NULL allowed. */
    bool (*go_on)(void *context, const struct lb_sim_departure *departures, uint32_t count);
    void *context;
};

/* The certificate: what was run, and what it showed. */
struct lb_explore {
    enum lb_verdict verdict; /* the gravest of all schedules; the search ends at a bad one */
    struct lb_sim_departure
        departures[LB_EXPLORE_DEPARTURES_MAX]; /* of the first with that verdict */
    uint32_t departure_count;
    struct lb_result result; /* of that schedule */
    uint64_t schedule_count; /* run */
    uint64_t priority_count; /* of these, by the second driver */
    uint64_t trace_count;    /* different traces among them */
    uint64_t outcome_count;  /* different lists of what the program's lines saw */
    uint32_t decision_max;   /* decisions of the longest run */
    uint32_t delay_complete; /* every schedule of up to so many departures has run */
    bool is_beyond;          /* a run had decisions at which no departure was tried */
    bool is_complete;        /* everything that was asked for has run */
};

struct lb_explorer;

/* lb_explorer_new: gives *ret_explorer, released by lb_explorer_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_explorer_new(struct lb_explorer **ret_explorer);
void lb_explorer_free(struct lb_explorer **explorer);

/*
 * lb_explore: explores one slice of a case. A case with a schedule of its own has that one alone. A
 * failure is reduced to the fewest departures that show the same verdict and finding.
 */
void lb_explore(struct lb_explorer *explorer, const struct lb_case *c,
                const struct lb_explore_options *options, struct lb_explore *ret_explore);

/* lb_explorer_has_outcome: whether a run of the last lb_explore brought this outcome (the outcome_hash of
 * its result). */
bool lb_explorer_has_outcome(const struct lb_explorer *explorer, uint64_t outcome_hash);

/*
 * lb_departures_print, lb_departures_parse: a schedule as one word, such as "3,0s,w2=1": after 3
 * decisions, then after 0 the second best, worker 2 starts with priority 1; "" is the base schedule.
 * Anchored departures have no such form. Parsing gives false for what is none, or longer than room.
 */
void lb_departures_print(const struct lb_sim_departure *departures, uint32_t count,
                         char ret_text[LB_EXPLORE_TEXT_MAX]);
bool lb_departures_parse(const char *text, struct lb_sim_departure *ret_departures, uint32_t room,
                         uint32_t *ret_count);

/* lb_explore_anchors: the schedule's departures as `schedule` lines that survive changes of the code
 * elsewhere, as they took effect when it ran last; stores at most `size` bytes, NUL-terminated. */
void lb_explore_anchors(struct lb_explorer *explorer, const struct lb_case *c,
                        const struct lb_explore_options *options, const struct lb_explore *explore,
                        char *ret_text, size_t size);

#endif
