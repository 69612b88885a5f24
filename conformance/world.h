/*
 * The world of one run: scheduler, network, scripted servers, the program and its callers, memory,
 * and what the callers saw. Shared by the files of the runner:
 *
 *   memory.c    the memory of a transport
 *   fault.c     faults as text, and the set of them that each case is run with
 *   world.c     findings, failures, options, signals
 *   run.c       a run from its making to its verdict
 *   stage.h     what the interpreters stand on: the simulation, or another stage
 *   rig.c, rig_runtime.c, rig_net.c   a stage of threads and real sockets
 *   program.c   the client lane: callers and their operations
 *   source.c    what the program hands over: sources of bodies, hooks
 *   taken.c     sockets that the program takes over
 *   coding.c, decode.c   coded bodies, as servers write them and as zlib reads them
 *   server.c    the server lane: scripts
 *   upload.c    requests and their bodies as a server reads them
 *   outcome.c   outcomes seen against outcomes expected
 *   model.c     what the bytes on a connection mean, read independently of the transport
 *   wire.c      the model applied to every connection of the run
 *   rules.c, settled.c   the rules that hold for every case
 *   variant.c   the default set of variants
 *   narrate.c   the trace as text
 *   story.c     the trace as a record: wake.c asks it who can wake whom, leak.c who is left;
 *               conversation.c and table.c tell it to people
 *   cover.c     events by the state in which they find things, as coverage
 */
#ifndef LASTBYTE_CONFORMANCE_WORLD_H
#define LASTBYTE_CONFORMANCE_WORLD_H

#include "case.h"
#include "run.h"
#include "sim/net.h"
#include "sim/sim.h"

#define LB_WORLD_STEPS_MAX 200000u
#define LB_WORLD_SEGMENT_STEPS 16u /* more, for each segment that a slice makes */
#define LB_WORLD_PROGRAM_MAX_NS (600ull * 1000000000)   /* a program that takes longer is a HANG */
#define LB_WORLD_TIME_MAX_NS (8ull * 3600 * 1000000000) /* beyond every lawful wait of a case */
#define LB_WORLD_ITEMS_MAX 4 /* items of one seen outcome: code, bytes, end or error */
#define LB_WORLD_SIGNALS_MAX 16
#define LB_WORLD_INTERIMS_MAX 30 /* codes of interim responses that are kept for one request */

/* What an operation brought. Its bytes are a range of the request's received ones. */
struct lb_seen {
    uint16_t code;        /* 0: none */
    uint32_t code_count;  /* interim ones before it: those of its caller from the first on */
    bool is_done;         /* ok */
    bool is_none;         /* none */
    bool is_ended;        /* end */
    bool is_pending;      /* pending */
    bool is_ignored;      /* the operation did not apply: there was nothing to do it to */
    enum lb_status error; /* LB_OK: none */
    size_t bytes_start;
    size_t bytes_end;
    const char *text; /* a trailer field's value in place of received bytes; NULL: it is none */
};

/* The source of a request's body, and what was done to it (source.c). */
struct lb_world_source {
    struct lb_source source;
    struct lb_world *world;
    const struct lb_case_source *script; /* NULL: the request has no body */
    const char *name;                    /* of the request */
    uint64_t at;                         /* the next byte */
    uint64_t read_size;                  /* bytes given, over all passes */
    uint32_t read_count;
    uint32_t late_count; /* reads that began after the close */
    uint32_t close_count;
    uint32_t rewind_count;
    bool is_reading;
    bool is_failed; /* it has failed, or ended before its size */
    uint64_t failed_time_ns;
    bool is_over; /* nothing may touch it any more (B6) */
    struct lb_sim_queue queue;
};

/* The hook that sees interim responses, and the codes that it saw. */
struct lb_world_interim {
    struct lb_interim interim;
    struct lb_caller *caller;
    uint16_t codes[LB_WORLD_INTERIMS_MAX];
    uint32_t count;
    bool is_refused; /* it has ended the request */
};

/* A request as its callers see it. */
struct lb_caller {
    struct lb_world *world;
    uint64_t id;                  /* the transport's number for it, from 1; 0: not made */
    struct lb_request *request;   /* NULL: not made, or released */
    struct lb_response *response; /* NULL: no head */
    const struct lb_line *line;   /* its get or head */
    char *received;               /* every byte that reads brought, in order */
    size_t received_size;
    size_t received_capacity;
    uint64_t fill_offset;   /* of the next byte that an expected `fill` names */
    uint16_t code;          /* of the head; 0: none came */
    uint64_t told_size;     /* what the response says of its body's size */
    bool is_told_decoded;   /* and of its coding */
    uint64_t told_mark;     /* of the fields of its head (lb_model_mark) */
    bool is_field_lost;     /* one of them was not found by its name */
    enum lb_status outcome; /* LB_OK while it goes on; LB_END or an error once seen */
    uint64_t outcome_time_ns;
    bool is_answered;           /* send has returned */
    uint32_t answered_sequence; /* of the network's next record when it did */
    uint32_t asked_sequence;    /* of the network's next record when the request was made */
    uint32_t outcome_sequence;  /* of the network's next record when the outcome was seen */
    uint64_t start_time_ns;
    uint64_t deadline_ns;
    bool is_invalid; /* its request could not be made */
    bool is_dropped;
    bool is_closed; /* close was called on a response */
    bool has_close_returned;
    uint64_t close_time_ns;
    uint32_t close_sequence;  /* of the network's next record when close had returned */
    struct lb_socket *taken;  /* of a 101; NULL: none, or closed */
    bool has_taken;           /* the socket was taken over */
    const char *taken_name;   /* of its connection */
    uint32_t taken_sequence;  /* from here on what is written there is the program's */
    const char *trailer_name; /* of the last trailer field that was looked at and was there */
    char *trailer_value;      /* malloc */
    struct lb_world_source source;
    struct lb_world_interim interim;
    bool is_cancelled;             /* cancel was called */
    bool was_final_when_cancelled; /* its outcome was already seen */
    bool is_sending;               /* a caller is inside send */
    uint32_t reading_count;        /* callers inside read */
    /* The operation left pending with `&`; one at a time. */
    const struct lb_line *pending_line;
    bool is_pending;
    bool is_pending_done;
    struct lb_seen pending_seen;
    struct lb_sim_queue pending_queue;
};

struct lb_signal {
    struct lb_text name;
    bool is_given;
    struct lb_sim_queue queue;
};

/* The memory a transport gets: counted, so that every byte is asked back (E3). */
struct lb_counted_memory {
    struct lb_memory memory;
    void **blocks; /* those that live, in order of their allocation */
    size_t block_count;
    size_t block_room;
    struct lb_fault_state *fault; /* of alloc; NULL: none */
};

struct lb_peer;           /* a connection as its server sees it; the stage knows what it is */
struct lb_stage;          /* what the interpreters stand on (stage.h) */
#define LB_COVER_SLOTS 64 /* connections that coverage tells apart */

/* Coverage of states (cover.c). */
struct lb_cover {
    uint8_t *counters; /* LB_COVER_STATES_SIZE; NULL: nobody asks */
    uint8_t connections[LB_COVER_SLOTS];
    uint8_t bodies[LB_COVER_SLOTS];
};

struct lb_world {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_stage *stage; /* in place of these two; NULL: none (stage.h) */
    struct lb_transport *transport;
    struct lb_trace trace; /* the transport's events become notes of the simulation */
    struct lb_counted_memory memory;
    const struct lb_case *c;
    const struct lb_variant *variant;
    struct lb_transport_options options; /* of the case; its outside is not set */
    struct lb_fault_state fault;         /* the variant's, at work */
    const struct lb_run_output *output;  /* NULL: nobody reads the trace */
    struct lb_story *story;              /* NULL: nothing is recorded */
    const struct lb_run_output *seen;    /* of what lines saw; NULL: none */
    struct lb_result *result;
    struct lb_caller callers[LB_CASE_REQUESTS_MAX];
    struct lb_signal signals[LB_WORLD_SIGNALS_MAX];
    uint32_t signal_count;
    uint64_t request_count; /* requests made */
    const struct lb_line
        *wants[LB_NET_CONNS_MAX]; /* the request each server waits for; NULL: none */
    uint32_t server_count;
    uint32_t switch_count;              /* that the transport's checker has been told of */
    bool is_idle_close_wanted;          /* what the postlude's caller does next */
    const struct lb_line *program_line; /* the line that the program executes; NULL: none */
    bool is_policy;        /* its case is about policy, and nothing goes wrong outside */
    bool is_program_ended; /* the client lane has come to its end */
    bool is_ending;        /* the postlude has begun: programs and scripts stop */
    uint64_t
        profiled[LB_SIM_WORKERS_MAX / 64]; /* the transport's workers in the result's profile */
    const char *lifetime; /* when they were gone; NULL: not yet, or there is no profile */
    struct lb_sim_view views[LB_SIM_WORKERS_MAX]; /* of the workers, at the last settled phase */
    uint32_t view_count;
    struct lb_wire *wire; /* the model's storage (wire.c) */
    uint32_t *taken;      /* for each client line, the alternatives that came; NULL: nobody asks */
    uint64_t *outcomes;   /* for each client line, a hash of what it saw; NULL: nobody asks */
    struct lb_cover cover;
};

/* lb_world_set_options: a run begins: reads the options from its case, which judges ask for often. */
void lb_world_set_options(struct lb_world *world);
/* lb_world_options: the transport's options of the case that runs. */
void lb_world_options(const struct lb_world *world, struct lb_transport_options *ret_options);

/* lb_world_drains: whether bodies that are closed early are drained. */
bool lb_world_drains(const struct lb_world *world);

/* lb_world_find: files a finding, at most once per rule and context. `detail` is a format. */
void lb_world_find(struct lb_world *world, const char *rule, const char *context,
                   const char *detail, ...) __attribute__((format(printf, 4, 5)));

/* lb_world_fail: notes the first line whose outcome differs, and how grave that is. Nothing where
 * the run has a fault that may change outcomes. */
void lb_world_fail(struct lb_world *world, const struct lb_line *line, const char *expected,
                   const char *actual);

/* lb_world_has_fault: whether the run has a fault. */
bool lb_world_has_fault(const struct lb_world *world);

/* lb_world_is_expected: whether what the case expects counts: not under a fault that may change it. */
bool lb_world_is_expected(const struct lb_world *world);

/* lb_world_exhaust: the run has started as many workers as it may: a livelock. */
void lb_world_exhaust(struct lb_world *world);

/* lb_world_grade: raises the verdict to at least `verdict`. */
void lb_world_grade(struct lb_world *world, enum lb_verdict verdict);

/* lb_world_note: alternative `index` of a line has come; kept where the case is about policy. */
void lb_world_note(struct lb_world *world, const struct lb_line *line, uint32_t index);

/* lb_world_signal: the signal of that name; NULL beyond LB_WORLD_SIGNALS_MAX. */
struct lb_signal *lb_world_signal(struct lb_world *world, struct lb_text name);

/* lb_name_is: whether two names are the same. Names are short, and compared so often that the hooks
 * which engines put into strcmp would cost more than the comparison. */
static inline bool lb_name_is(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    return *a == *b;
}

/* -- memory.c -- */

/* lb_memory_count: makes `counted` an allocator without blocks; its list is released with free. */
void lb_memory_count(struct lb_counted_memory *counted);
/* lb_memory_reclaim: releases what a transport has left behind; it and its workers are gone. */
void lb_memory_reclaim(struct lb_counted_memory *counted);

/* -- program.c -- */

/* lb_program_start: starts the program's caller; it ends with is_program_ended. */
void lb_program_start(struct lb_world *world);
/* lb_caller_body_state: how the body of a caller's response stands. */
enum lb_body_state lb_caller_body_state(const struct lb_caller *caller);
/* lb_program_release: releases the requests that have ended or were closed, on a caller's stack. */
void lb_program_release(struct lb_world *world);

/* -- source.c -- */

/* lb_world_source_make: a fresh source for a request line, to be kept by its request; NULL: it has no
 * body. */
struct lb_source *lb_world_source_make(struct lb_world *world, struct lb_caller *caller,
                                       const struct lb_line *line);
/* lb_world_source_end: the request was not made, its send has failed, or it was released: its source is
 * closed, and not touched any more (B6, O2). */
void lb_world_source_end(struct lb_caller *caller);
/* lb_world_interim_make: a fresh hook for a request line; NULL: it has none. */
struct lb_interim *lb_world_interim_make(struct lb_caller *caller, const struct lb_line *line);

/* -- taken.c -- */

/* lb_taken_take: takes the socket of a response that says 101. */
void lb_taken_take(struct lb_caller *caller);
/* lb_taken_read, lb_taken_write: as those of a socket; write takes all bytes. read is called between
 * reading_count++ and lb_taken_leave. */
enum lb_status lb_taken_read(struct lb_caller *caller, void *bytes, size_t size, size_t *ret_size);
enum lb_status lb_taken_write(struct lb_caller *caller, const char *bytes, size_t size);
/* lb_taken_leave: a call on the socket is over; the last one after a close closes it. */
void lb_taken_leave(struct lb_caller *caller);
/* lb_taken_close: ends the socket; what is blocked in it returns LB_CLOSED. */
void lb_taken_close(struct lb_caller *caller);

/* -- server.c -- */

/* lb_server_on_connect, lb_server_on_accept: the hooks of the simulation's network. */
enum lb_net_answer lb_server_on_connect(void *world, struct lb_net_conn *conn,
                                        uint64_t *ret_delay_ns);
void lb_server_on_accept(void *world, struct lb_net_conn *conn);
/* lb_server_answer: what the host does with the attempt to make its connection `ordinal`. */
enum lb_net_answer lb_server_answer(const struct lb_world *world, const char *host,
                                    uint32_t ordinal, uint64_t *ret_delay_ns);
/* lb_server_serve: executes the script of the host's connection `ordinal`, on a worker. */
void lb_server_serve(struct lb_world *world, struct lb_peer *peer, const char *host,
                     uint32_t ordinal);

/* -- outcome.c -- */

/* lb_outcome_judge: compares what an operation brought with what its line expects, and fails the
 * line if no alternative fits. Moves the request's fill offset on. */
void lb_outcome_judge(struct lb_world *world, const struct lb_line *line,
                      const struct lb_seen *seen);
/* lb_outcome_expect: the same for an `expect` line. */
void lb_outcome_expect(struct lb_world *world, const struct lb_line *line);

/* -- rules.c, settled.c -- */

/* The settled phases at which workers are judged (schedules and leaks, section 2). */
enum lb_phase { LB_PHASE_SCRIPT, LB_PHASE_TIMEOUTS, LB_PHASE_IDLE_CLOSED, LB_PHASE_FREED };

/* lb_rules_settled: judges the workers, callers and sockets of a settled world. */
void lb_rules_settled(struct lb_world *world, enum lb_phase phase);
/* lb_rules_traffic: judges what passed on the connections and what the callers saw of it. */
void lb_rules_traffic(struct lb_world *world);

/* -- cover.c -- */

/* lb_cover_begin: a run begins. */
void lb_cover_begin(struct lb_cover *cover);
/* lb_cover_event: counts an event of the transport; somebody asks. */
void lb_cover_event(struct lb_cover *cover, enum lb_event event, const char *subject,
                    uint64_t value);

/* -- narrate.c -- */

/* lb_narrate: an event of the simulation as a line of the trace; the context is the world. */
void lb_narrate(void *world, const struct lb_sim_event *event);
/* lb_narrate_text: what happened in an event, without time and worker. */
void lb_narrate_text(const struct lb_world *world, const struct lb_sim_event *event, char *ret_text,
                     size_t size);
/* lb_narrate_line: a line that the program begins to execute. */
void lb_narrate_line(struct lb_world *world, const struct lb_line *line);
/* lb_narrate_left: the heading of the workers left at a phase; static. */
const char *lb_narrate_left(enum lb_phase phase);
/* lb_narrate_profile: the live workers and what they wait for, into the result's profile. */
void lb_narrate_profile(struct lb_world *world, const char *title);

/* -- story.c: each does nothing where there is no story; there is none but in the simulation -- */

/* lb_story_event: an event of the simulation. */
void lb_story_event(struct lb_world *world, const struct lb_sim_event *event);
/* lb_story_line: the program begins a line. */
void lb_story_line(struct lb_world *world, const struct lb_line *line);
/* lb_story_outcome: and has its outcome; `expected` NULL: it is as expected. */
void lb_story_outcome(struct lb_world *world, const struct lb_line *line, const char *actual,
                      const char *expected);
/* lb_story_server: the server that runs begins with `count` lines that belong together. */
void lb_story_server(struct lb_world *world, const struct lb_line *line, uint32_t count);
/* lb_story_said: it has seen something. */
void lb_story_said(struct lb_world *world, const char *text);
/* lb_story_failed: a line's expectation was not met. */
void lb_story_failed(struct lb_world *world, const struct lb_line *line, const char *expected,
                     const char *actual);
/* lb_story_phase: the part of a run that begins. */
void lb_story_phase(struct lb_world *world, const char *title);
/* lb_story_judged: a settled phase was judged; is_bad: and something was found. */
void lb_story_judged(struct lb_world *world, enum lb_phase phase, bool is_bad);
/* lb_story_cut: the run has used up its budget. */
void lb_story_cut(struct lb_world *world);

#endif
