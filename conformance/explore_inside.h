/*
 * The inside of exploration, shared by explore.c (runs, certificate, reduction) and explore_drivers.c (which
 * schedules).
 */
#ifndef LASTBYTE_CONFORMANCE_EXPLORE_INSIDE_H
#define LASTBYTE_CONFORMANCE_EXPLORE_INSIDE_H

#include "explore.h"

#define LBI_EXPLORE_STEPS_MAX 16384u /* steps of a run whose footprints are kept */
#define LBI_EXPLORE_TUPLES 65536u    /* counters of switches */

/* A set of hashes: open addressing, at most half full. */
struct lbi_seen {
    uint64_t *places; /* 0: free */
    size_t capacity;  /* a power of two */
    uint64_t count;
};

/* A schedule on the way down, and where its next child departs. */
struct lbi_frame {
    uint8_t
        alternatives[LB_EXPLORE_DECISIONS_MAX]; /* workers that could have run instead, up to 3 */
    uint8_t asleep[LB_EXPLORE_DECISIONS_MAX];   /* of these, a bit for each that need not run */
    uint32_t decision_count;
    uint32_t position; /* of the next departure */
    uint8_t choice;
};

struct lb_explorer {
    struct lb_runner *runner;
    struct lbi_seen traces;
    struct lbi_seen outcomes;
    struct lbi_seen worlds;
    struct lbi_frame frames[LB_EXPLORE_DELAYS_MAX];
    struct lb_sim_step steps[LBI_EXPLORE_STEPS_MAX];
    uint8_t tuples[LBI_EXPLORE_TUPLES];
};

/* A search under way. */
struct lbi_search {
    struct lb_explorer *explorer;
    const struct lb_case *c;
    const struct lb_explore_options *options;
    struct lb_explore *found;
    struct lb_sim_departure departures[LB_EXPLORE_DEPARTURES_MAX];
    uint32_t departure_count;
    enum lb_driver driver;
    bool is_base;    /* no driver has begun */
    bool is_stopped; /* from outside */
    bool is_over;    /* a bad verdict, a limit, or stopped */
};

/* lbi_search_run: runs the schedule as it stands; with a frame, notes there where it could depart. */
void lbi_search_run(struct lbi_search *s, struct lbi_frame *frame, struct lb_result *ret_result);

/* lbi_search_count: a schedule has run for the first time: adds it to the certificate. */
void lbi_search_count(struct lbi_search *s, const struct lb_result *result);

/* -- explore_drivers.c: each goes on until it has run what it has, or the search is over -- */

/* lbi_search_delays: every schedule of exactly `bound` demotions. */
void lbi_search_delays(struct lbi_search *s, uint32_t bound);

/* lbi_search_deviations: every schedule of one rank, of one rank and one demotion, of two ranks. */
void lbi_search_deviations(struct lbi_search *s);

/* lbi_search_draws: the schedules of pct and walk. */
void lbi_search_draws(struct lbi_search *s);

#endif
