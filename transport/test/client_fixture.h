/*
 * A client in a simulated world for tests: one transport, hosts "a" and "b", and servers that answer
 * each request with the next of a list of answers, made of parts that come at times of their own.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_CLIENT_FIXTURE_H
#define LASTBYTE_TRANSPORT_TEST_CLIENT_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/lastbyte.h"
#include "sim/net.h"

#define FIXTURE_MS UINT64_C(1000000)
#define FIXTURE_PARTS_MAX 8
#define FIXTURE_ANSWERS_MAX 8

/* A piece of an answer. */
struct fixture_part {
    uint64_t pause_ns; /* before it */
    const char *bytes; /* NULL: none */
    size_t size;       /* 0: bytes is a string */
    bool is_close;     /* behind the bytes the server closes the connection */
};

struct fixture_answer {
    struct fixture_part parts[FIXTURE_PARTS_MAX]; /* the first without anything is the end */
};

/* The world of the running test. */
struct fixture {
    struct lb_sim *sim;
    struct lb_net *net;
    struct lb_transport_options options; /* of the transport: to be changed before fixture_open */
    struct lb_transport *transport;
    struct fixture_answer answers[FIXTURE_ANSWERS_MAX]; /* the n-th request gets the n-th */
    size_t answer_count;                                /* how many have been given */
    bool is_unasked; /* each connection gets one answer, before its request, which nobody reads */
    uint32_t done_count; /* scripts that have come to their end */
    bool is_running;     /* inside a run: still so in the teardown of a test that failed there */
};

extern struct fixture fixture;

/* fixture_setup, fixture_teardown: for cmocka. The teardown frees the transport; nothing survives. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* fixture_begin: an empty world; allocation `fail_at` fails (0: none). NULL: the default schedule; 0:
 * segments as sent. */
void fixture_begin(size_t fail_at, const struct lb_sim_departure *departure, uint32_t slice);

/* fixture_open: makes the transport as the options say. */
enum lb_status fixture_open(void);

/* fixture_run: runs a script as a caller until nothing happens any more, all time-outs included but
 * those of idle connections; it must come to its end. */
void fixture_run(lb_worker_fn script);

/* fixture_spawn: starts another caller. */
void fixture_spawn(const char *label, lb_worker_fn script);

/* fixture_close: frees the transport, as a script. */
void fixture_close(void *argument);

/* fixture_expect_nothing_left: no socket, no worker, no byte. */
void fixture_expect_nothing_left(void);

/* fixture_make: a request for "/" of a host, with nothing special about it. */
struct lb_request *fixture_make(const char *host, const char *method);

/* fixture_get: makes and sends it. */
struct lb_request *fixture_get(const char *host, struct lb_response **ret_response);

/* fixture_sleep: lets time pass. */
void fixture_sleep(uint64_t duration_ns);

/* fixture_expect_stats: the account of all hosts. */
void fixture_expect_stats(uint32_t idle, uint32_t busy, uint32_t open_bodies);

/* fixture_alloc_count, fixture_memory_size, fixture_has_failed: allocations asked for, bytes that are
 * out, and whether the allocation that was to fail did. */
size_t fixture_alloc_count(void);
size_t fixture_memory_size(void);
bool fixture_has_failed(void);

/* fixture_shut_time: when the client shut connection `index` down, or LB_NEVER. */
uint64_t fixture_shut_time(size_t index);

#endif
