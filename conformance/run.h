/*
 * Running a case: one variant (slice and schedule) in one simulated world, judged by the rules that
 * hold for every case (rules.h) and by the case's own expectations.
 *
 * A runner keeps its world's memory between runs, so that a run costs few allocations; a run leaves
 * nothing behind that the next one could see.
 */
#ifndef LASTBYTE_CONFORMANCE_RUN_H
#define LASTBYTE_CONFORMANCE_RUN_H

#include "case.h"
#include "sim/fault.h"

#define LB_FINDINGS_MAX 8

/* How a run, or a case over all its variants, came out; later ones are graver. */
enum lb_verdict {
    LB_VERDICT_PASS,
    LB_VERDICT_NOTE, /* as PASS; a MAY case, which tells what was chosen among lawful alternatives */
    LB_VERDICT_SKIP,   /* the subject cannot do what the case is about; nothing was judged */
    LB_VERDICT_WEAK,   /* only `should` lines failed, or a SHOULD case failed */
    LB_VERDICT_BROKEN, /* a `setup` line or a server's script failed, or a departure is stale */
    LB_VERDICT_FAIL,   /* an expectation or a rule failed */
    LB_VERDICT_LEAK,   /* a worker, socket or byte survived where none may */
    LB_VERDICT_HANG,   /* the step or time budget was used up */
    LB_VERDICT_CRASH,  /* never set by a run in this process */
};

#define LB_VERDICT_COUNT 9

/* lb_verdict_word: "PASS", "WEAK", ...: a static string. */
const char *lb_verdict_word(enum lb_verdict verdict);

/* lb_verdict_is_bad: whether a verdict is an unexpected result: BROKEN and graver. */
bool lb_verdict_is_bad(enum lb_verdict verdict);

/* A broken promise: what a failure is filed under. */
struct lb_finding {
    char rule[8];     /* "R3" */
    char context[48]; /* small words only, no numbers: "length/early-close" */
    char detail[200]; /* one sentence for people; may hold numbers and names */
};

#define LB_NOTES_MAX 16

/* Which of its lawful alternatives a line brought. */
struct lb_note {
    const struct lb_line *line; /* points into the case; it has several alternatives */
    uint32_t taken;             /* a bit for each (lb_alternative_print) */
};

/* One way of running a case. */
struct lb_variant {
    uint32_t slice;                            /* as lb_net_options.slice */
    const struct lb_sim_departure *departures; /* kept during the run; NULL: the case's own */
    uint32_t departure_count;
    const char *name; /* "base", "rotate-3", ...; borrowed */
    /* What goes wrong outside, kept during the run; NULL: nothing. With a fault the rules judge; what the
     * case expects counts only where README.md says so, under short reads and writes. */
    const struct lb_fault *fault;
};

struct lb_result {
    enum lb_verdict verdict;
    struct lb_finding findings[LB_FINDINGS_MAX]; /* broken rules, in order of discovery */
    uint32_t finding_count;
    struct lb_note
        notes[LB_NOTES_MAX]; /* of a case about policy, in the order in which they came */
    uint32_t note_count;
    /* The first line whose outcome differs. NULL: none. Points into the case. */
    const struct lb_line *line;
    char expected[256];
    char actual[256];
    bool
        is_fault_reached; /* the variant's fault took effect; a run in which it did not is BROKEN */
    uint32_t stale_position; /* the departure that never took effect + 1; 0: none */
    uint64_t trace_hash;
    uint64_t outcome_hash; /* of what the program's lines saw */
    uint64_t world_hash;   /* of that, and of what passed on each connection by itself */
    uint64_t steps;
    uint64_t switches;
    uint64_t decisions;
    uint64_t time_ns;
    uint32_t workers;       /* started, the postlude's included */
    uint32_t requests_sent; /* requests that reached a server whole */
    uint32_t responses;     /* gets and heads that returned a status code */
    uint32_t connections;   /* opened */
    uint32_t reuses;        /* requests that reached a server on a connection after its first */
    char profile[2048];     /* the workers left at the worst settled phase, a line each; or "" */
};

/* Where text of a run goes; NULL members are not called. */
struct lb_run_output {
    /* One line of the trace, without newline. */
    void (*trace)(void *context, const char *line);
    /* What a line of the client lane brought, in the words of the case language. */
    void (*seen)(void *context, const struct lb_line *line, const char *text);
    void *context;
    struct lb_story *story; /* records the run (story.h); kept during it */
};

struct lb_runner;
struct lb_stage;

/* lb_runner_new: gives *ret_runner, released by lb_runner_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_runner_new(struct lb_runner **ret_runner);
void lb_runner_free(struct lb_runner **runner);

/*
 * lb_runner_run: runs `c` once. `output` may be NULL. Fills *ret_result. Never blocks on real time.
 */
void lb_runner_run(struct lb_runner *runner, const struct lb_case *c,
                   const struct lb_variant *variant, const struct lb_run_output *output,
                   struct lb_result *ret_result);

/* lb_runner_set_stage: from now on runs happen on that stage (stage.h), of which the results have no
 * trace and no steps, and which takes no faults, slices or departures; NULL: in the simulation. */
void lb_runner_set_stage(struct lb_runner *runner, struct lb_stage *stage);

/* lb_runner_cover_switches: counts the scheduler's switches as coverage (lb_sim_cover_switches). */
void lb_runner_cover_switches(struct lb_runner *runner, uint8_t *counters, size_t size);

#define LB_COVER_STATES_SIZE 256

/* lb_runner_cover_states: from now on counts each event of the transport, by the state in which it finds
 * its connection and by that of the body there, in a map of LB_COVER_STATES_SIZE; NULL: no more. Keeps
 * counters. */
void lb_runner_cover_states(struct lb_runner *runner, uint8_t *counters);

/* lb_runner_watch_outcomes: from now on adds, for each line of a case's client lane, what it saw to a hash
 * (0: it saw nothing). A run clears those of its case. Keeps outcomes, of LB_CASE_LINES_MAX; NULL: no
 * more. */
void lb_runner_watch_outcomes(struct lb_runner *runner, uint64_t *outcomes);

/* lb_runner_watch_decisions: notes the alternatives at each decision (lb_sim_watch_decisions). */
void lb_runner_watch_decisions(struct lb_runner *runner, uint8_t *alternatives, size_t capacity);

/* lb_runner_watch_steps: notes the steps of each run and their footprints (lb_sim_watch_steps). */
void lb_runner_watch_steps(struct lb_runner *runner, struct lb_sim_step *steps, size_t capacity);

/* lb_runner_noted_steps: steps of the last run (lb_sim_noted_steps). */
size_t lb_runner_noted_steps(const struct lb_runner *runner);

/* lb_runner_watch_alternatives: from now on sets, for each line of a case's client lane, the bit of the
 * outcome that came of those joined by `or`. Keeps taken, of LB_CASE_LINES_MAX; NULL: no more. */
void lb_runner_watch_alternatives(struct lb_runner *runner, uint32_t *taken);

/* lb_runner_anchor: the anchored form of departure `position` of the last run's schedule; false: it did
 * not take effect, or has none (lb_sim_departure_anchor). */
bool lb_runner_anchor(const struct lb_runner *runner, size_t position,
                      struct lb_sim_departure *ret_departure);

/* -- faults (fault.c) -- */

#define LB_FAULT_TEXT_MAX 48 /* bytes of a fault as text, the NUL included */

/* lb_fault_print: a fault as `--fault` takes it: "alloc 17", "read 3 late-reset", "slow-write 100ms". */
void lb_fault_print(const struct lb_fault *fault, char ret_text[LB_FAULT_TEXT_MAX]);

/* lb_fault_parse: the fault that lb_fault_print prints so; false if there is none. */
bool lb_fault_parse(const char *text, struct lb_fault *ret_fault);

/* lb_fault_family: family `index` of the set that `lastbyte faults` runs each case with: a fault whose
 * number is 1, to be counted up until it is no longer reached, or a bound. False beyond the last. */
bool lb_fault_family(uint32_t index, struct lb_fault *ret_fault);

/* The default set of variants: each slice of the case x (its own schedule + a fixed set of others;
 * only its own schedule where it has one). */
struct lb_check {
    enum lb_verdict verdict; /* the gravest */
    uint32_t variant_count;
    /* The first variant with that verdict; its name and departures are static or the case's. */
    struct lb_variant worst;
    struct lb_result result; /* of that variant */
    /* What all variants together have taken, in the order of the lines' places. */
    struct lb_note notes[LB_NOTES_MAX];
    uint32_t note_count;
};

/* lb_check_case: runs all variants of the default set. */
void lb_check_case(struct lb_runner *runner, const struct lb_case *c, struct lb_check *ret_check);

/* lb_check_variant: variant `index` of the default set into *ret_variant; false beyond the last. */
bool lb_check_variant(const struct lb_case *c, uint32_t index, struct lb_variant *ret_variant);

#endif
