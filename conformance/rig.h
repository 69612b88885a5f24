/*
 * The rig: a stage on POSIX threads and real sockets (stage.h). The transport gets lb_runtime_threads and
 * lb_network_tcp, each caller and each server is a thread, and all bytes pass through loopback.
 *
 * Two things are not the world's own: its time, and who has to wait. The rig knows at each moment which
 * threads wait and which of these will go on by themselves; when none will, the world is quiet, and then
 * the clock moves to the next deadline, as in the simulation. So no outcome depends on how fast the
 * machine is, and every rule that holds in the simulation is judged here, too; the order of events is
 * the threads' own, and chaos disturbs it.
 */
#ifndef LASTBYTE_CONFORMANCE_RIG_H
#define LASTBYTE_CONFORMANCE_RIG_H

#include "lastbyte/status.h"

#include <stdbool.h>
#include <stdint.h>

struct lb_rig;
struct lb_stage;

/* lb_rig_new: gives *ret_rig, released by lb_rig_free. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_rig_new(struct lb_rig **ret_rig);

/* lb_rig_free: takes *rig; NULL is allowed, one that has failed is not. */
void lb_rig_free(struct lb_rig **rig);

/* lb_rig_stage: the stage, for lb_runner_set_stage; lives as long as the rig. */
struct lb_stage *lb_rig_stage(struct lb_rig *rig);

/* lb_rig_set_chaos: from now on threads are held up at random where they call into the runtime and the
 * network, some of them again and again. A seed of 0: not at all. */
void lb_rig_set_chaos(struct lb_rig *rig, uint64_t seed);

/* lb_rig_failure: what went wrong with the rig itself in the last run, a sentence; NULL: nothing. Then
 * threads are left that nothing can end: the process is to end. */
const char *lb_rig_failure(const struct lb_rig *rig);

#endif
