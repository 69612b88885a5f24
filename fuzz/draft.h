/*
 * A draft: a case of the fuzz dialect while it is made, line by line, by the decoder or from a
 * conformance case. It holds the dialect's bounds and order, so that both can make nothing else.
 */
#ifndef LASTBYTE_FUZZ_DRAFT_H
#define LASTBYTE_FUZZ_DRAFT_H

#include "operations.h"

/* What may still stand in a script. */
enum lbi_script_state {
    LBI_SCRIPT_OPEN,  /* any line */
    LBI_SCRIPT_HALF,  /* after half-close: no sending */
    LBI_SCRIPT_GONE,  /* after `want close`: the server's own end only */
    LBI_SCRIPT_ENDED, /* after close, reset, stall or refuse: nothing */
};

/* Lines that grow in the case's arena. */
struct lbi_draft_lines {
    struct lb_lines lines;
    uint32_t capacity;
};

struct lbi_draft_script {
    struct lbi_draft_lines lines;
    enum lbi_script_state state;
};

struct lbi_draft {
    struct lb_case *c;
    struct lbi_draft_script scripts[LBI_HOSTS][LBI_CONNS];
    struct lbi_draft_lines client; /* `host` of a line counts from a until lbi_draft_finish */
    uint32_t hosts_used;           /* a bit for each */
    uint64_t filled;               /* bytes of all fills so far */
    uint64_t uploaded;             /* bytes of all bodies of requests so far */
    uint32_t newest;               /* the client line that made the newest request */
    uint64_t time_ns;              /* all pauses, advances and deadlines so far */
};

/* lbi_draft_begin: clears `c` (kept until finish) and gives it the dialect's header. */
void lbi_draft_begin(struct lbi_draft *draft, struct lb_case *c);

/* lbi_draft_may_serve: whether a server line with `verb` has an effect in a script as it stands. */
bool lbi_draft_may_serve(const struct lbi_draft *draft, uint32_t host, uint32_t conn,
                         enum lb_verb verb);

/* lbi_draft_serve: appends a server line; its texts must live as long as the case. The line must
 * be one that may be served. */
void lbi_draft_serve(struct lbi_draft *draft, uint32_t host, uint32_t conn,
                     const struct lb_line *line);

/*
 * lbi_head_end_is_implied: whether line `at` of a finished script is an empty head line that bytes do
 * not say: one that ends a head before the next request is read or answered. A server that waits for
 * a request in the middle of its answer only stands still, so no bytes say that. (A head is left
 * open by whatever else follows it: the end of the connection, a stall, `want close`.)
 */
bool lbi_head_end_is_implied(const struct lb_lines *script, uint32_t at);

/* lbi_draft_ask: appends a client line; a get, head, post, ... makes the next request, of which there
 * must be less than LBI_REQUESTS_MAX. */
void lbi_draft_ask(struct lbi_draft *draft, const struct lb_line *line);

/* lbi_draft_newest: the line that made the newest request, to add to it; NULL: there is none. */
struct lb_line *lbi_draft_newest(struct lbi_draft *draft);

/* lbi_draft_depart: appends a departure; there are less than LB_SIM_DEPARTURES_MAX. */
void lbi_draft_depart(struct lbi_draft *draft, const struct lb_sim_departure *departure);

/* lbi_draft_finish: makes hosts and scripts of what was gathered. */
void lbi_draft_finish(struct lbi_draft *draft);

/* lbi_draft_line: an empty line with a verb. */
struct lb_line lbi_draft_line(enum lb_verb verb);

#endif
