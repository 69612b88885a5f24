/*
 * The runtime of real use: each worker is a POSIX thread, the clock is CLOCK_MONOTONIC.
 */
#ifndef LASTBYTE_THREADS_H
#define LASTBYTE_THREADS_H

#include "lastbyte/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a worker's stack, guard page and thread-local variables of the program included. What the
 * caller has handed over and workers call (a source's read, hooks, memory) lives within half of it; the
 * rest is for this library, the resolver and TLS. */
#define LB_THREADS_STACK_SIZE 262144u

/*
 * lb_runtime_threads: the runtime on POSIX threads. Returns a static object without state, for any
 * number of transports; safe from any thread. Never blocks.
 *
 * A worker is a joinable thread with every signal blocked, so that handlers run on the program's own
 * threads; it is named after its role and the end of its label ("read 0.0.1:80#7"). worker_start
 * returns LB_MEMORY when there is no memory or no further thread.
 */
struct lb_runtime *lb_runtime_threads(void);

#ifdef __cplusplus
}
#endif
#endif
