/*
 * The inside of `lastbyte get`: what was asked for, and what its parts share while it runs.
 */
#ifndef LASTBYTE_TOOLS_GET_H
#define LASTBYTE_TOOLS_GET_H

#include "command.h"
#include "lastbyte/client.h"
#include "lastbyte/tls.h"
#include "options.h"
#include "url.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <uv.h>

#define GET_PARALLEL_MAX 256 /* callers */

/* What the command line says. */
struct get_plan {
    const char *const *texts; /* the URLs as they were given: call sites of profiles */
    struct url *urls;
    uint32_t url_count;
    uint64_t repeat;
    uint64_t parallel;
    uint64_t read_max; /* bytes of each body */
    bool is_forgetful; /* an open body is neither read on nor closed */
    bool is_head;
    bool is_http10;
    bool is_keep_alive_off;
    bool is_drained;
    bool is_profiled;
    uint64_t per_host_max;
    uint64_t idle_per_host_max;
    uint64_t deadline_s; /* 0: none */
    const char *post;    /* a path or "-"; NULL: no body is sent */
    bool is_chunked;
    bool is_expect;
    struct option_texts headers;
    struct lb_field fields[OPTIONS_TEXTS_MAX]; /* the same, cut apart */
    const char *output;                        /* a path or "-"; NULL: bodies are thrown away */
    const char *ca_path;                       /* trust these; NULL: the system's */
    bool is_insecure;                          /* trust everybody */
};

struct get_source;

/* One who asks: a thread with at most one request. */
struct get_caller {
    struct get *get;
    uv_thread_t thread;
    struct lb_request *request; /* in progress; guarded by get.lock */
};

/* A run. What is below `lock` is guarded by it. */
struct get {
    struct get_plan plan;
    struct lb_tls_watch tls_watch;
    struct lb_network *network;
    struct lb_transport *transport;
    struct watch watch;
    FILE *rows;   /* where the rows go */
    FILE *bodies; /* where bodies go, or NULL */
    bool is_live; /* a line on the terminal shows the counts meanwhile */
    struct get_caller callers[GET_PARALLEL_MAX];
    uv_async_t finished; /* the last caller has ended */

    uv_mutex_t lock;
    struct get_source *sources; /* of requests whose body was forgotten */
    uint64_t job_last;          /* the request that was begun last, from 1 */
    uint32_t caller_count;      /* callers that have not ended */
    bool is_stopped;            /* no further request is begun ... */
    bool is_cancelled;          /* ... and those in progress are cancelled */
    uint64_t answered;
    uint64_t failed;
    uint64_t size;          /* bytes of bodies read */
    enum exit_code problem; /* the gravest so far */
};

/* -- get_request.c -- */

/* get_caller_main: what a caller's thread does: request after request until there are no more; the
 * argument is a caller. */
void get_caller_main(void *argument);

/* -- get_rows.c -- */

/* What is told of a request when it is over for its caller. */
struct get_outcome {
    uint64_t job;            /* the how many-th request of the run */
    uint16_t code;           /* 0: no response came */
    uint64_t size;           /* bytes of the body read */
    enum lb_status status;   /* LB_OK, or why it failed */
    enum lb_body_state body; /* NONE: no response came */
    struct watched watched;
};

/* get_print_head: the names of the columns. */
void get_print_head(struct get *get);

/* get_print_row: one request, and how things stand; under no lock. */
void get_print_row(struct get *get, const struct get_outcome *outcome);

/* get_print_counts: a row about no request: how things stand at `moment`. */
void get_print_counts(struct get *get, const char *moment);

/* get_print_live: replaces the line on the terminal. */
void get_print_live(struct get *get);

/* get_print_end: what there has been, after the transport was freed. */
void get_print_end(struct get *get);

/* -- get_source.c -- */

/* get_source_new: a source of a file, or of standard input ("-"); gives *ret_source. Its size is
 * LB_SIZE_UNKNOWN where it is no regular file. False: it cannot be read; errno says why. */
bool get_source_new(const char *path, struct get_source **ret_source, uint64_t *ret_size);

/* get_source_base: what the request is given. */
struct lb_source *get_source_base(struct get_source *source);

/* get_source_free: once its request has been released. Takes *source; NULL is allowed. */
void get_source_free(struct get_source **source);

/* get_source_keep, get_source_free_all: keeps a source until the transport has been freed. */
void get_source_keep(struct get *get, struct get_source *source);
void get_source_free_all(struct get *get);

#endif
