/*
 * Exploration: one case and slice under many schedules, in a fixed order, until one of them shows a
 * failure or all of them have run.
 *
 * Four drivers over the one scheduler; a schedule of each is a list of departures, so that what any of
 * them finds is reduced, stored and run again in the same way:
 *
 *   delays      every schedule of up to d demotions, fewest first (delay-bounded search). If asked,
 *               a schedule that only swaps two steps which touch nothing in common, as against one that
 *               has run, sleeps
 *   deviations  the rest of all schedules of up to two departures: those with ranks
 *   pct         random ranks, and one to three demotions at random decisions (probabilistic concurrency
 *               testing with d = 2, 3, 4)
 *   walk        at each decision, whoever
 */
#ifndef LASTBYTE_CONFORMANCE_EXPLORE_H
#define LASTBYTE_CONFORMANCE_EXPLORE_H

#include "run.h"

#define LB_EXPLORE_DELAYS_MAX 4u /* departures of a schedule that is enumerated */
#define LB_EXPLORE_DEPARTURES_MAX LB_SIM_DEPARTURES_MAX /* of any schedule: a walk has most */
#define LB_EXPLORE_DECISIONS_MAX 4096u /* decisions of a run at which departures are tried */
#define LB_EXPLORE_RANKS 8u            /* places, each before one of the first workers */
#define LB_EXPLORE_WORKERS_MAX 60u     /* workers that pct ranks */
#define LB_EXPLORED "explored"         /* the name of a variant of an exploration */
#define LB_EXPLORE_TEXT_MAX 512u       /* bytes of a schedule as text, the NUL included */
#define LB_EXPLORE_PCT_COUNT 3u        /* depths of pct: 2, 3, 4 */

enum lb_driver {
    LB_DRIVER_DELAYS,
    LB_DRIVER_DEVIATIONS,
    LB_DRIVER_PCT,
    LB_DRIVER_WALK,
};

#define LB_DRIVER_COUNT 4u
#define LB_DRIVERS_ALL ((1u << LB_DRIVER_COUNT) - 1u)

/* lb_driver_word: "delays", ...: a static string. */
const char *lb_driver_word(enum lb_driver driver);

struct lb_explore_options {
    uint32_t slice;
    uint32_t drivers;   /* a bit for each; the base schedule is run by all */
    uint32_t delay_max; /* demotions of a schedule of delays, at most LB_EXPLORE_DELAYS_MAX */
    uint64_t
        draw_count; /* schedules of pct and walk: three of four are pct's, if both are asked for */
    uint64_t schedule_max; /* schedules of all; 0: no limit */
    uint64_t seed;         /* of pct and walk */
    bool may_sleep;        /* delays leaves out what only swaps steps with nothing in common */
    uint32_t *taken;       /* for each client line, a bit for each alternative that came; or NULL */
    /* Before each run; returning false ends the search after it. NULL allowed. */
    bool (*go_on)(void *context, const struct lb_sim_departure *departures, uint32_t count);
    void *context;
};

/* The certificate: what was run, and what it showed. */
struct lb_explore {
    enum lb_verdict verdict; /* the gravest of all schedules; the search ends at a bad one */
    struct lb_sim_departure
        departures[LB_EXPLORE_DEPARTURES_MAX]; /* of the first with that verdict, reduced if bad */
    uint32_t departure_count;
    enum lb_driver driver;   /* that found it */
    bool is_base;            /* the base schedule showed it */
    struct lb_result result; /* of that schedule */
    uint64_t schedule_count; /* run */
    uint64_t driver_counts
        [LB_DRIVER_COUNT]; /* of these, by each driver; the base schedule is nobody's */
    uint64_t pct_counts[LB_EXPLORE_PCT_COUNT];
    uint64_t delay_size;    /* schedules of up to delay_complete demotions, those asleep included */
    uint64_t slept_count;   /* schedules of delays that were not run, since an equivalent one was */
    uint64_t trace_count;   /* different traces among those that were run */
    uint64_t outcome_count; /* different lists of what the program's lines saw */
    uint64_t world_count;   /* different outcomes and conversations, each connection's by itself */
    uint64_t world_set;     /* a hash of that set */
    uint64_t outcome_set;   /* a hash of that set */
    uint32_t tuple_count;   /* different switches: site and role left and entered, blocked or not */
    uint32_t decision_max;  /* decisions of the longest run: the k of pct */
    uint32_t worker_max;    /* workers of the run with most: the n of pct */
    uint32_t delay_complete; /* every schedule of up to so many demotions has run, or slept */
    bool is_deviated;        /* all of deviations have run */
    bool is_beyond;          /* a run had decisions at which no departure was tried */
    bool is_complete;        /* everything that was asked for has run */
};

struct lb_explorer;

/* lb_explorer_new: gives *ret_explorer, released by lb_explorer_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_explorer_new(struct lb_explorer **ret_explorer);
void lb_explorer_free(struct lb_explorer **explorer);

/*
 * lb_explore: explores one slice of a case. A case with a schedule of its own has that one alone. A
 * failure is reduced: without any of the departures that are left it does not show the same verdict and
 * finding.
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

/*
 * lb_explore_guarantee: the least chance of one schedule of pct with depth `d` (2 to 4) to show a fault of
 * that depth, 1 / (n * k^(d-1)), for the n and k of a certificate; 0 if it has none: beyond
 * LB_EXPLORE_WORKERS_MAX workers. From d = 3 on it is given only for faults that show when whoever is demoted
 * later stays behind.
 */
double lb_explore_guarantee(const struct lb_explore *explore, uint32_t d);

/*
 * lb_explore_anchors: the schedule's departures as `schedule` lines that survive changes of the code
 * elsewhere; stores at most `size` bytes, NUL-terminated. False: the lines, run twice, do not show what
 * the schedule shows.
 */
bool lb_explore_anchors(struct lb_explorer *explorer, const struct lb_case *c,
                        const struct lb_explore_options *options, const struct lb_explore *explore,
                        char *ret_text, size_t size);

#endif
