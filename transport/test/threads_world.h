/*
 * A world for tests on threads and real sockets: servers on loopback, a transport with counted memory,
 * and short forms of the client's calls. There is one, made anew for each test.
 *
 * Mental model: what other threads bring about is waited for (await_*), with a bound that only a broken
 * client reaches. Counts come from those who cannot flatter the client: connections from the servers,
 * workers and descriptors from the kernel, bytes from the memory handed in.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_THREADS_WORLD_H
#define LASTBYTE_TRANSPORT_TEST_THREADS_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include "lastbyte/lastbyte.h"
#include "test/counted_memory.h"
#include "test/loopback.h"
#include "test/pattern_source.h"

#define WORLD_SERVERS_MAX 6
#define WORLD_MS UINT64_C(1000000)
#define WORLD_SIZE 5000 /* bytes of a body: more than the client's buffer */
#define WORLD_FDS 2     /* descriptors of a client's connection; the server has one more */

struct world {
    struct counted_memory memory;
    struct lb_network *network;
    struct lb_transport *transport;
    struct lb_transport_options options;
    struct loopback *servers[WORLD_SERVERS_MAX];
    size_t server_count;
    uint32_t fd_count;     /* before the servers */
    uint32_t idle_fds;     /* with the servers, without connections */
    uint32_t thread_count; /* before the servers */
    uint32_t number_last;  /* of requests */
};

extern struct world world;

/* One request, and what became of it. */
struct call {
    struct lb_request *request;
    struct lb_response *response;
    struct lb_body *body;
    uint32_t number;
    enum lb_status status; /* of a call in another thread */
    size_t size;           /* what it has read */
    pthread_t thread;
};

/* How a request differs from a plain GET; all zero is one. */
struct call_options {
    const char *method;
    const char *host; /* another name of the server */
    size_t server;
    uint64_t deadline_ns; /* 0: none */
    bool is_close;
    const char *call_site;
    uint16_t port;                 /* another one than the server's; 0: the server's */
    struct pattern_source *source; /* the request's body, whose number is set; NULL: none */
    enum loopback_upload upload;   /* when the server reads it */
};

/* world_setup, world_setup_six: a world with one server, or six. world_teardown: frees the transport,
 * and asserts that no worker, no descriptor and no byte is left. For cmocka. */
int world_setup(void **state);
int world_setup_six(void **state);
int world_teardown(void **state);

/* world_remake: another transport, of the world's options as the test has changed them. */
void world_remake(void);

uint64_t world_now(void);

/* world_stats: the transport's account of all hosts; of one name. */
struct lb_stats world_stats(void);
struct lb_stats world_stats_of(const char *host);

/* world_rows: workers of a role that the profile says wait for a site; call_site NULL: any. */
uint32_t world_rows(enum lb_role role, enum lb_site waits_for, const char *call_site);

/* await_workers: waits until there are so many threads of read and of write workers, as the kernel
 * counts them and as the profile does, and no dial worker. */
void await_workers(uint32_t read_count, uint32_t write_count);

/* await_pool: waits until the transport has so many idle and busy connections, and nobody waits. */
void await_pool(uint32_t idle_count, uint32_t busy_count);

/* await_conns: waits until all servers have seen so many connections opened, and ended by the client. */
void await_conns(uint32_t accepted_count, uint32_t ended_count);

/* await_fds: waits until the process holds the descriptors of so many connections. */
void await_fds(uint32_t connection_count);

/* await_half_closed: waits until the first server has ended so many connections itself and the kernel
 * knows it at the client's end, too. */
void await_half_closed(uint32_t count);

/* await_requests: waits until the first server has read so many requests. */
void await_requests(uint32_t count);

/* await_blocked: waits until a source's read blocks. */
void await_blocked(struct pattern_source *source);

/* call_make: makes a request. call_send: sends it; a head must come. call_get: both, plain. */
struct call call_make(enum loopback_kind kind, const struct call_options *options);
void call_send(struct call *call);
struct call call_get(enum loopback_kind kind);
struct call call_get_as(enum loopback_kind kind, const struct call_options *options);

/* call_read: reads up to `size` bytes or the outcome, checking each byte; returns the outcome. */
enum lb_status call_read(struct call *call, size_t size);

/* call_read_all: reads to the end: the whole body must come. */
void call_read_all(struct call *call);

/* call_start: runs a function with the call in another thread; call_finish: waits for it. */
void call_start(struct call *call, void *(*function)(void *));
enum lb_status call_finish(struct call *call);

/* Functions for call_start: send; read to the outcome; close. */
void *call_send_main(void *argument);
void *call_read_main(void *argument);
void *call_close_main(void *argument);

/* call_free: releases the request. call_drop: loses its handle. */
void call_free(struct call *call);
void call_drop(struct call *call);

#endif
