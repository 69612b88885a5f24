/*
 * The runtime for many connections on one OS thread: each worker and each caller is a coroutine, and
 * whoever has to wait makes room for another one. Its network is TCP over Linux's epoll.
 *
 *   lb_loop_new(memory, &loop);
 *   lb_loop_run(loop, program, &argument);    program: makes a transport on lb_loop_runtime and
 *   lb_loop_free(&loop);                      lb_loop_network, uses it, and frees it
 *
 * Against threads it saves the hand-over between them: no futex, no wake-up of another core, no lock,
 * and three system calls for a small request (send, epoll_wait, recv) where threads make about
 * fifteen. What it asks for is that nobody blocks but in calls of this library, neither a caller nor
 * the read of a request body's source: while somebody computes or sleeps, nobody else runs.
 *
 * It is epoll itself, edge-triggered, each socket registered once, and not libuv: uv_poll is
 * level-triggered, so what a caller does not read yet makes the loop spin unless the watch is taken
 * back and set again, and each of these is a system call of its own (epoll_ctl).
 */
#ifndef LASTBYTE_LOOP_H
#define LASTBYTE_LOOP_H

#include "lastbyte/memory.h"
#include "lastbyte/runtime.h"
#include "lastbyte/socket.h"
#include "lastbyte/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Usable bytes of a coroutine's stack, callers' ones included. Only what has been touched takes memory;
 * below it lies a page that nobody can touch. */
#define LB_LOOP_STACK_SIZE (256u * 1024u)

struct lb_loop;

/*
 * lb_loop_new: makes a loop. Keeps memory until lb_loop_free; stacks are mapped, not allocated. Gives
 * *ret_loop. Errors: LB_MEMORY, also when there is no descriptor left for it. Does not block.
 */
LB_MUST_USE enum lb_status lb_loop_new(struct lb_memory *memory, struct lb_loop **ret_loop);

/*
 * lb_loop_free: releases a loop that does not run, whose transports have been freed and whose callers
 * have all ended. Takes *loop; NULL is allowed. Does not block.
 */
void lb_loop_free(struct lb_loop **loop);

/*
 * lb_loop_spawn: makes a caller, which begins to run function(argument) when whoever runs waits for the
 * first time, or with lb_loop_run. Keeps argument until function returns. Errors: LB_MEMORY. Does not
 * block. Called by a caller of this loop, or by the thread that will run it, while it does not run.
 */
LB_MUST_USE enum lb_status lb_loop_spawn(struct lb_loop *loop, lb_worker_fn function,
                                         void *argument);

/*
 * lb_loop_run: runs function(argument) as a caller, and returns when every caller and every worker has
 * ended: so a transport on this loop is freed by one of its callers. Keeps argument meanwhile. Errors:
 * LB_MEMORY, then nothing has run. Blocks. A state in which everybody waits for somebody else, and
 * nobody for a socket or a deadline, is a programmer's error.
 */
LB_MUST_USE enum lb_status lb_loop_run(struct lb_loop *loop, lb_worker_fn function, void *argument);

/*
 * lb_loop_runtime: the runtime of this loop, borrowed. Everything that uses it, transports included, is
 * called by callers of this loop only; but a transport may be made before the loop runs.
 */
struct lb_runtime *lb_loop_runtime(struct lb_loop *loop);

/*
 * lb_loop_network: sockets over TCP for this loop, borrowed; to be used with its runtime only. They do
 * what socket.h and lb_network_tcp_new say, with these differences:
 * - a socket has one descriptor, from its connect on;
 * - looking a name up is done by a thread of its own, so that the loop goes on; addresses in digits
 *   need none. A deadline or a shutdown still takes effect when the resolver has answered;
 * - is_pending asks the kernel only if the last answer is older than 50 microseconds, or may have been
 *   overtaken. So a byte that comes to an idle connection that shortly before a request takes it may
 *   not be seen, and be read as the request's answer: as one that is still under way on the wire then,
 *   which nobody can see (rule R3).
 */
struct lb_network *lb_loop_network(struct lb_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
