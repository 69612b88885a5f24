/*
 * The inside of a story, shared by story.c (recording), wake.c (who could wake whom), leak.c (the
 * workers left), conversation.c and table.c (telling).
 */
#ifndef LASTBYTE_CONFORMANCE_STORY_INSIDE_H
#define LASTBYTE_CONFORMANCE_STORY_INSIDE_H

#include "core/assert.h"
#include "story.h"
#include "world.h"

enum lbi_story_kind {
    LBI_STORY_SIM,     /* an event of the simulation */
    LBI_STORY_LINE,    /* the program begins a line */
    LBI_STORY_OUTCOME, /* a line of the program has its outcome; text: what came */
    LBI_STORY_SERVER,  /* a server did a line of its script, or saw a request */
    LBI_STORY_FAILED,  /* a server's script was not followed; text: why */
    LBI_STORY_PHASE,   /* a part of the postlude begins */
};

struct lbi_story_event {
    enum lbi_story_kind kind;
    enum lb_sim_event_kind sim_kind;
    enum lb_site site;
    int32_t worker; /* -1: none */
    uint64_t time_ns;
    uint64_t step;
    uint64_t value;
    char subject[LB_SIM_LABEL_MAX]; /* SIM, SERVER: what it is about, such as a connection */
    const char *detail;             /* SIM: the word of a note; static */
    const struct lb_line *line;     /* LINE, OUTCOME */
    bool is_bad;
    char *text;     /* owned; what happened, without the worker */
    char *expected; /* owned; OUTCOME: what was expected instead; NULL: this */
};

struct lbi_story_worker {
    enum lb_role role;
    char label[LB_SIM_LABEL_MAX];
    int32_t creator;   /* -1: the world */
    uint32_t started;  /* index of its event */
    uint32_t ended;    /* index of its event + 1; 0: it has not ended */
    uint32_t orphaned; /* index of the event since which nobody can wake it + 1; 0: somebody can */
};

/* A connection as the transport's own events tell. */
struct lbi_story_conn {
    char name[LB_SIM_LABEL_MAX];
    uint64_t request; /* id of the last request on it; 0: none yet */
    bool is_idle;
    bool is_closed;
};

/* Who can wake a blocked worker in the end: a set of these. */
enum lbi_wake {
    LBI_WAKE_TIME = 1,
    LBI_WAKE_PEER = 2,
    LBI_WAKE_POOL = 4,    /* it owns the connection, as an idle one */
    LBI_WAKE_CALLER = 8,  /* somebody holds the handle, or has handed over the source */
    LBI_WAKE_RUNNER = 16, /* somebody who can run */
};

#define LBI_LEAKS_MAX 24 /* workers whose standing is kept; more are counted */
#define LBI_WORDS_MAX 240

/* A worker that was left at the settled phase that is judged. */
struct lbi_leak {
    uint32_t worker;
    uint32_t roots;    /* enum lbi_wake: who can wake it at once */
    uint32_t wakes;    /* and through others; 0: orphaned */
    int32_t via;       /* the worker through which they could; -1: none */
    uint32_t orphaned; /* index of the event since which it is orphaned + 1; 0: not */
    char parked[64];
    char would_wake[LBI_WORDS_MAX];
    char nobody[LBI_WORDS_MAX];
    char holds[LBI_WORDS_MAX];
};

struct lb_story {
    const struct lb_case *c; /* of the run */
    struct lbi_story_event *events;
    uint32_t event_count;
    uint32_t event_room;
    bool is_cut; /* LB_STORY_EVENTS_MAX */
    struct lbi_story_worker workers[LB_SIM_WORKERS_MAX];
    uint32_t worker_count;
    struct lbi_story_conn conns[LB_NET_CONNS_MAX];
    uint32_t conn_count;
    bool is_stopping;           /* the last event's worker was about to block, or to end */
    const struct lb_line *line; /* that the program executes; NULL: between two lines */
    uint32_t program_at;        /* index of the next client line whose outcome is not seen */
    uint32_t failed; /* index of the first bad event + 1, or where the phase was judged */
    uint32_t phase_events[LB_PHASE_FREED + 1]; /* events before each settled phase was judged */
    enum lb_phase leak_phase;
    bool is_hung;        /* the budget was used up */
    bool is_noted;       /* the workers left have been noted */
    uint32_t leak_count; /* in leaks */
    uint32_t leak_more;  /* beyond LBI_LEAKS_MAX */
    struct lbi_leak leaks[LBI_LEAKS_MAX];
    /* Who can wake each worker now (wake.c); those that are done have all bits. */
    struct lb_sim_view views[LB_SIM_WORKERS_MAX];
    uint16_t alive[LB_SIM_WORKERS_MAX]; /* workers that are not done */
    uint32_t alive_count;
    const struct lbi_story_conn *conn_of[LB_SIM_WORKERS_MAX]; /* each stands behind; NULL: none */
    int16_t request_of[LB_SIM_WORKERS_MAX]; /* index of the request that it is about; -1: none */
    uint64_t acts;                          /* requests that the program will do something to */
    uint32_t roots[LB_SIM_WORKERS_MAX];     /* enum lbi_wake: at once */
    uint32_t wakes[LB_SIM_WORKERS_MAX];     /* and through others; 0: an orphan */
    int32_t via[LB_SIM_WORKERS_MAX];        /* through which worker first; -1: none */
    char cycle[4 * LBI_WORDS_MAX];          /* the orphans that wait for each other; "" */
};

/* -- story.c -- */

/* lbi_story_begin: forgets the last run. */
void lbi_story_begin(struct lb_story *story, const struct lb_case *c);

/* lbi_story_conn: the connection of that name, which becomes known by it; NULL: too many. */
struct lbi_story_conn *lbi_story_conn(struct lb_story *story, const char *name);

/* lbi_story_worker: "read(a.1)". */
void lbi_story_worker_name(const struct lb_story *story, int32_t worker, char *ret_name,
                           size_t size);

/* lbi_story_mark: what it means that the outcome of a line differs: "FAIL", "WEAK" or "BROKEN". */
const char *lbi_story_mark(const struct lb_story *story, const struct lb_line *line);

/* -- conversation.c, table.c -- */

/* lbi_story_time: a virtual time: "200ms". */
void lbi_story_time(uint64_t time_ns, char *ret_text, size_t size);

/* lbi_story_departure: a departure that took effect, as a sentence. */
void lbi_story_departure(const struct lb_story *story, const struct lbi_story_event *event,
                         char *ret_text, size_t size);

/* -- wake.c -- */

/* lbi_wake_settle: finds out who can wake each worker in the end: views, alive, wakes and the like of the
 * story. Unless is_full, wakes only says whether somebody can. */
void lbi_wake_settle(const struct lb_world *world, bool is_full);

/* lbi_wake_may: whether worker `by`, if it runs, may do what `blocked` waits for; after the last settle. */
bool lbi_wake_may(const struct lb_world *world, uint32_t by, uint32_t blocked);

/* -- leak.c -- */

/* lbi_leak_note: notes the workers left at a settled phase: orphans, and, if something was found there
 * or a line about them has failed, all but those of idle connections. */
void lbi_leak_note(struct lb_world *world, enum lb_phase phase, bool is_bad);

#endif
