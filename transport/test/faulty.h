/*
 * The outside with one fault, for tests on threads and real sockets: memory, a runtime and a network
 * around the real ones, each of which fails the n-th call of one kind, or cuts and delays every call.
 * The simulation has the same faults (sim/fault.h).
 *
 * One fault at a time, for the whole process: faulty_begin sets it, and only between two worlds.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_FAULTY_H
#define LASTBYTE_TRANSPORT_TEST_FAULTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/lastbyte.h"

enum faulty_kind {
    FAULTY_NONE,
    /* the n-th call */
    FAULTY_ALLOC,           /* gives NULL */
    FAULTY_START,           /* worker_start: LB_MEMORY */
    FAULTY_OPEN,            /* LB_MEMORY */
    FAULTY_CONNECT_REFUSED, /* LB_REFUSED */
    FAULTY_CONNECT_TIMEOUT, /* LB_TIMEOUT */
    FAULTY_READ_RESET,      /* LB_RESET, from then on */
    FAULTY_READ_END,        /* LB_END, from then on */
    FAULTY_WRITE_RESET,     /* LB_RESET, from then on */
    /* every call */
    FAULTY_SHORT_READ,  /* at most n bytes */
    FAULTY_SHORT_WRITE, /* at most n bytes */
    FAULTY_DELAY,       /* reads and writes begin n milliseconds late, one byte at a time */
};

#define FAULTY_KIND_COUNT 12

/* faulty_kind_word: a static string, such as "read-reset". */
const char *faulty_kind_word(enum faulty_kind kind);

/* faulty_begin: sets the fault; nothing has been counted. No call of the three is in progress. */
void faulty_begin(enum faulty_kind kind, uint32_t number);

/* faulty_is_reached: whether a call was struck, or cut. */
bool faulty_is_reached(void);

/* faulty_memory: the memory, safe from any worker; lives for ever. */
struct lb_memory *faulty_memory(void);

/* faulty_bytes: bytes of it that are out, of which nobody may be left at the end. */
size_t faulty_bytes(void);

/* faulty_runtime: the runtime, lives for ever. */
struct lb_runtime *faulty_runtime(void);

/* faulty_workers: workers of it that were started and are not yet joined. */
uint32_t faulty_workers(void);

/* faulty_network: the network around `inner`, which is kept until it is called again. */
struct lb_network *faulty_network(struct lb_network *inner);

/* faulty_sockets: sockets of it that are open. */
uint32_t faulty_sockets(void);

#endif
