/*
 * The loop's inside, for its runtime (runtime/loop.c) and its sockets (socket/loop_tcp.c).
 *
 * A worker is running, ready, waiting in a queue, or over. Waiting has one door in (lbi_loop_park) and
 * two out: somebody wakes the queue, or the deadline passes.
 */
#ifndef LASTBYTE_RUNTIME_LOOP_H
#define LASTBYTE_RUNTIME_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "lastbyte/loop.h"
#include "runtime/fiber.h"

#define LBI_LOOP_MAGIC UINT32_C(0x6c6f6f70)
#define LBI_LOOP_EVENTS_MAX 64u /* events taken from the kernel at once */

/* Workers that wait for one thing, first come first. All bytes zero is empty. */
struct lbi_loop_queue {
    struct lb_worker *first, *last;
};

struct lb_worker {
    struct lbi_fiber fiber;
    struct lb_loop *loop;
    lb_worker_fn function;
    void *argument;
    struct lbi_loop_queue *queue;  /* waiting, or ready: where it stands */
    struct lb_worker *prev, *next; /* of that queue */
    struct lbi_loop_queue joiners; /* who waits for its end */
    uint64_t deadline_ns;          /* waiting: until when; otherwise LB_NEVER */
    uint64_t timer_ns;             /* when the loop looks at its deadline: not after it */
    uint32_t timer_index;          /* in the heap; UINT32_MAX: it is in none */
    enum lb_status status;         /* how its last wait ended */
    bool is_caller;                /* nobody joins it */
    bool is_over;
};

/* A descriptor that the loop watches. Embed it; it stays where it is until lbi_loop_close. */
struct lbi_loop_watch {
    /* happened: epoll's events for it; notes them and wakes queues, and does nothing else. */
    void (*happened)(struct lbi_loop_watch *watch, uint32_t events);
};

/* The loop's network, a part of it; made and used by socket/loop_tcp.c. */
struct lbi_loop_network {
    struct lb_network network; /* first */
    struct lb_loop *loop;
    uint32_t opened_count;
    uint32_t closed_count;
};

struct lb_loop {
    struct lb_runtime runtime; /* first */
    uint32_t magic;
    struct lb_memory *memory;
    struct lbi_loop_network network;
    pthread_t thread;            /* who runs it */
    struct lb_worker *current;   /* NULL: the loop does not run */
    struct lb_worker *favourite; /* ready, and runs next */
    struct lbi_loop_queue ready;
    struct lb_worker *over;   /* has ended just now; the next to run takes its stack */
    struct lbi_fiber outside; /* the caller of lb_loop_run */
    struct lbi_fiber_pool stacks;
    struct lb_worker **timers; /* a heap by timer_ns; has room for every live worker */
    uint32_t timer_count, timer_room;
    uint32_t live_count;    /* workers and callers that are not over */
    uint32_t outside_count; /* of these, waiting for something outside: a socket, a lookup */
    uint32_t run_count;     /* workers run since the kernel was last asked */
    uint32_t share_count;   /* shares that who runs has taken, without a wait */
    bool is_telling;        /* events are told: there is no favourite */
    int epoll_fd;
    struct epoll_event events[LBI_LOOP_EVENTS_MAX];
};

/*
 * lbi_loop_park: makes the running worker wait in `queue` until it is woken (LB_OK) or `deadline_ns`
 * (LB_TIMEOUT). is_outside: what wakes it comes from the kernel, not from another worker.
 */
enum lb_status lbi_loop_park(struct lb_loop *loop, struct lbi_loop_queue *queue,
                             uint64_t deadline_ns, bool is_outside);

/* lbi_loop_share: the running worker is about to do what may go on and on without a wait. Now and then it
 * makes room for all who are ready, and for the kernel's events and the timers. */
void lbi_loop_share(struct lb_loop *loop);

/* lbi_loop_wake: makes everybody in `queue` ready. */
void lbi_loop_wake(struct lb_loop *loop, struct lbi_loop_queue *queue);

/* lbi_loop_watch: watches `fd` until lbi_loop_close, edge-triggered: each thing that happens is told once.
 * Keeps watch until then. False: no memory. */
bool lbi_loop_watch(struct lb_loop *loop, int fd, struct lbi_loop_watch *watch);

/* lbi_loop_close: closes `fd`, watched or not; nothing that happens to it is told any more, not even when
 * another process has it, too. */
void lbi_loop_close(struct lb_loop *loop, int fd);

/* lbi_loop_now: the clock of the runtime. */
uint64_t lbi_loop_now(void);

/* -- socket/loop_tcp.c -- */

void lbi_loop_network_init(struct lb_loop *loop);
/* lbi_loop_network_deinit: its sockets have all been closed. */
void lbi_loop_network_deinit(struct lb_loop *loop);

#endif
