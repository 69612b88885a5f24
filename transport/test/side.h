/*
 * Where a scenario on real sockets runs: on threads, or on the loop. A test program is compiled once for
 * each; TEST_ON_LOOP says that it is for the loop. Scenarios know no thread but through this.
 */
#ifndef LASTBYTE_TRANSPORT_TEST_SIDE_H
#define LASTBYTE_TRANSPORT_TEST_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include <pthread.h>

#include "lastbyte/lastbyte.h"

#if defined(TEST_ON_LOOP)
#define SIDE_IS_LOOP true
#define SIDE_NAME "loop"
#else
#define SIDE_IS_LOOP false
#define SIDE_NAME "threads"
#endif

/* side_begin: makes the network, and the loop if there is one. Keeps memory until side_end, which
 * releases both: all sockets have been closed. */
void side_begin(struct lb_memory *memory);
void side_end(void);

struct lb_runtime *side_runtime(void);
struct lb_network *side_network(void);

/* side_run: runs a scenario, as a caller of the loop on the loop, and `after` in its wake. side_is_left:
 * it has failed on the way, so that nothing can be taken down. */
bool side_is_left(void);
void side_run(void (*scenario)(void **state), void (*after)(void));

/* Something done beside the scenario. */
struct side_task {
    pthread_t thread;
    void (*function)(void *argument);
    void *argument;
    bool is_over; /* on the loop */
};

/* side_start: starts function(argument) beside the scenario; keeps task and argument until side_finish,
 * which waits for its end. */
void side_start(struct side_task *task, void (*function)(void *argument), void *argument);
void side_finish(struct side_task *task);

/* side_pause: lets time pass, and others run, where only the real world can be waited for. */
void side_pause(uint32_t milliseconds);

#endif
