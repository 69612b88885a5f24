/*
 * Faults: what the outside of a transport does wrong in a simulation, one thing a run. A fault is part of
 * the options of a world, so that a run with it is as repeatable as one without.
 *
 * Two sorts. One strikes a single call, the n-th of its kind over the whole run: an allocation, the start
 * of a worker, a call of the network. The other bounds every call: short reads, short or slow writes,
 * a peer that takes few bytes at a time.
 *
 * What a struck call does to its connection is done by the connection's peer as far as anybody can see:
 * it stands in the record as the peer's end or reset, and stays. So whoever judges from the record needs
 * no exception.
 */
#ifndef LASTBYTE_SIM_FAULT_H
#define LASTBYTE_SIM_FAULT_H

#include <stdbool.h>
#include <stdint.h>

struct lb_sim;

enum lb_fault_kind {
    LB_FAULT_NONE,
    /* one call, the `number`-th */
    LB_FAULT_ALLOC,   /* an allocation gives NULL */
    LB_FAULT_START,   /* worker_start returns LB_MEMORY */
    LB_FAULT_OPEN,    /* open returns LB_MEMORY */
    LB_FAULT_CONNECT, /* connect fails, see `how` */
    LB_FAULT_READ,    /* the connection breaks in a read, see `how` */
    LB_FAULT_WRITE,   /* the connection breaks in a write, see `how` */
    /* every call */
    LB_FAULT_SHORT_READ,  /* a read gives at most `amount` bytes */
    LB_FAULT_SHORT_WRITE, /* a write takes at most `amount` bytes */
    LB_FAULT_SLOW_WRITE,  /* a write blocks for `amount` nanoseconds before it takes any */
    LB_FAULT_WINDOW,      /* a write blocks while the server has left `amount` bytes unread */
};

#define LB_FAULT_KIND_COUNT 11

/* How the struck call fails, and what its connection is then. */
enum lb_fault_how {
    LB_FAULT_NOT,     /* it does not; the `how` of bounds */
    LB_FAULT_MEMORY,  /* ALLOC, START, OPEN */
    LB_FAULT_REFUSED, /* CONNECT: LB_REFUSED */
    LB_FAULT_TIMEOUT, /* CONNECT, READ: nothing comes before the deadline. Only calls that have one
                          * are counted. */
    LB_FAULT_RESET,   /* READ, WRITE: LB_RESET; bytes that were not read are lost */
    LB_FAULT_END,     /* READ: LB_END; bytes that were not read have never been sent */
    LB_FAULT_LATE_RESET, /* READ: as RESET, but in the moment in which the call would return */
    LB_FAULT_LATE_END,   /* READ: as END, likewise */
    LB_FAULT_BROKEN,     /* WRITE: LB_RESET; reads give what has come, then LB_RESET */
    LB_FAULT_CLOSED,     /* WRITE: LB_RESET; reads give what has come, then LB_END */
};

#define LB_FAULT_HOW_COUNT 10

struct lb_fault {
    enum lb_fault_kind kind;
    enum lb_fault_how how;
    uint32_t number; /* 1 is the first; bounds: 0 */
    uint64_t amount; /* bounds: bytes or nanoseconds, not 0; otherwise 0 */
};

/* A fault at work: one for all parts of a world. All bytes zero is no fault. */
struct lb_fault_state {
    struct lb_fault fault;
    struct lb_sim *sim;  /* notes the strike in the trace; NULL: nobody does */
    uint32_t call_count; /* calls that it may strike, so far */
    bool is_reached;     /* a call was struck, or bounded */
};

/* lb_fault_kind_word: "alloc", "start", "open", "connect", "read", "write", "short-read",
 * "short-write", "slow-write", "window"; "none". A static string. */
const char *lb_fault_kind_word(enum lb_fault_kind kind);

/* lb_fault_how_word: "memory", "refused", "timeout", "reset", "end", "late-reset", "late-end",
 * "broken", "closed"; "not". A static string. */
const char *lb_fault_how_word(enum lb_fault_how how);

/* lb_fault_is_bound: whether the kind bounds every call. */
bool lb_fault_is_bound(enum lb_fault_kind kind);

/* lb_fault_may: whether a call of this kind may fail so. */
bool lb_fault_may(enum lb_fault_kind kind, enum lb_fault_how how);

/*
 * lb_fault_strike: a call of `kind` begins; how it fails, LB_FAULT_NOT: it does not. has_deadline: the
 * call has one. `state` may be NULL.
 */
enum lb_fault_how lb_fault_strike(struct lb_fault_state *state, enum lb_fault_kind kind,
                                  bool has_deadline);

/* lb_fault_bound: the bound of calls of `kind` (one that bounds every call); 0: none. */
uint64_t lb_fault_bound(struct lb_fault_state *state, enum lb_fault_kind kind);

#endif
