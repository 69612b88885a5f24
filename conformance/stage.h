/*
 * The stage: what the interpreters of a case stand on. They are written once, against these functions;
 * a world without a stage of its own stands on the simulation (sim/sim.h, sim/net.h), one with a stage
 * on whatever that is: threads and real sockets (rig.h).
 *
 * What a function does stands with the one of the simulation that has its name. Only `leave` and `enter`
 * have none: around each call into the transport the interpreters leave the stage, so that they hold
 * nothing there while they are blocked or called back; in the simulation that is no call at all.
 */
#ifndef LASTBYTE_CONFORMANCE_STAGE_H
#define LASTBYTE_CONFORMANCE_STAGE_H

#include "world.h"

struct lb_stage;

struct lb_stage_ops {
    /* begin: a run of `world` begins; sets the outside in its transport's options. finish: it is over,
     * and nothing of it is left. */
    void (*begin)(struct lb_stage *stage, struct lb_world *world,
                  struct lb_transport_options *options);
    void (*finish)(struct lb_stage *stage);
    void (*leave)(struct lb_stage *stage);
    void (*enter)(struct lb_stage *stage);
    uint64_t (*now)(struct lb_stage *stage);
    enum lb_status (*spawn)(struct lb_stage *stage, const struct lb_worker_options *options);
    void (*point)(struct lb_stage *stage, enum lb_site site);
    enum lb_status (*block)(struct lb_stage *stage, struct lb_sim_queue *queue,
                            uint64_t deadline_ns, enum lb_site site);
    void (*wake)(struct lb_stage *stage, struct lb_sim_queue *queue);
    void (*wait_quiet)(struct lb_stage *stage, enum lb_site site);
    void (*wait_settled)(struct lb_stage *stage, enum lb_site site);
    enum lb_sim_stop (*run)(struct lb_stage *stage, enum lb_sim_horizon horizon);
    uint32_t (*worker_count)(struct lb_stage *stage);
    void (*view)(struct lb_stage *stage, uint32_t index, struct lb_sim_view *ret_view);
    /* a connection as its server sees it */
    void (*input)(struct lb_stage *stage, const struct lb_peer *peer, const uint8_t **ret_bytes,
                  size_t *ret_size);
    enum lb_status (*wait_input)(struct lb_stage *stage, struct lb_peer *peer, size_t size,
                                 enum lb_site site);
    void (*consume)(struct lb_stage *stage, struct lb_peer *peer, size_t size);
    enum lb_status (*send)(struct lb_stage *stage, struct lb_peer *peer, const void *bytes,
                           size_t size, enum lb_site site);
    void (*end)(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site);
    void (*close)(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site);
    void (*reset)(struct lb_stage *stage, struct lb_peer *peer, enum lb_site site);
    /* the record */
    uint32_t (*sequence)(struct lb_stage *stage);
    size_t (*log_count)(struct lb_stage *stage);
    void (*log)(struct lb_stage *stage, size_t index, struct lb_net_log *ret_log);
    ptrdiff_t (*log_of)(struct lb_stage *stage, const void *queue);
};

struct lb_stage {
    const struct lb_stage_ops *ops;
};

static inline void lb_stage_leave(struct lb_world *world)
{
    if (world->stage != NULL) {
        world->stage->ops->leave(world->stage);
    }
}

static inline void lb_stage_enter(struct lb_world *world)
{
    if (world->stage != NULL) {
        world->stage->ops->enter(world->stage);
    }
}

static inline uint64_t lb_stage_now(const struct lb_world *world)
{
    return world->stage == NULL ? lb_sim_now(world->sim) : world->stage->ops->now(world->stage);
}

static inline enum lb_status lb_stage_spawn(struct lb_world *world,
                                            const struct lb_worker_options *options)
{
    uint32_t index = 0;
    return world->stage == NULL ? lb_sim_spawn(world->sim, options, &index)
                                : world->stage->ops->spawn(world->stage, options);
}

static inline void lb_stage_point(struct lb_world *world, enum lb_site site, const void *object)
{
    if (world->stage == NULL) {
        lb_sim_point(world->sim, site, object);
    } else {
        world->stage->ops->point(world->stage, site);
    }
}

static inline void lb_stage_block(struct lb_world *world, struct lb_sim_queue *queue,
                                  enum lb_site site)
{
    if (world->stage == NULL) {
        (void)lb_sim_block(world->sim, queue, LB_NEVER, site);
    } else {
        (void)world->stage->ops->block(world->stage, queue, LB_NEVER, site);
    }
}

static inline void lb_stage_sleep(struct lb_world *world, uint64_t duration_ns, enum lb_site site)
{
    uint64_t time_ns = lb_stage_now(world) + duration_ns;
    if (world->stage == NULL) {
        lb_sim_sleep(world->sim, time_ns, site);
    } else {
        (void)world->stage->ops->block(world->stage, NULL, time_ns, site);
    }
}

static inline void lb_stage_wake(struct lb_world *world, struct lb_sim_queue *queue)
{
    if (world->stage == NULL) {
        lb_sim_wake(world->sim, queue);
    } else {
        world->stage->ops->wake(world->stage, queue);
    }
}

static inline void lb_stage_wait_quiet(struct lb_world *world, enum lb_site site)
{
    if (world->stage == NULL) {
        lb_sim_wait_quiet(world->sim, site);
    } else {
        world->stage->ops->wait_quiet(world->stage, site);
    }
}

static inline void lb_stage_wait_settled(struct lb_world *world, enum lb_site site)
{
    if (world->stage == NULL) {
        lb_sim_wait_settled(world->sim, site);
    } else {
        world->stage->ops->wait_settled(world->stage, site);
    }
}

static inline enum lb_sim_stop lb_stage_run(struct lb_world *world, enum lb_sim_horizon horizon)
{
    return world->stage == NULL ? lb_sim_run(world->sim, horizon)
                                : world->stage->ops->run(world->stage, horizon);
}

/* lb_stage_note: an event for the trace of a simulation; elsewhere nobody reads it. */
static inline void lb_stage_note(struct lb_world *world, const char *subject, const char *detail,
                                 uint64_t value)
{
    if (world->stage == NULL) {
        lb_sim_note(world->sim, subject, detail, value);
    }
}

static inline uint32_t lb_stage_worker_count(const struct lb_world *world)
{
    return world->stage == NULL ? lb_sim_worker_count(world->sim)
                                : world->stage->ops->worker_count(world->stage);
}

static inline void lb_stage_view(const struct lb_world *world, uint32_t index,
                                 struct lb_sim_view *ret_view)
{
    if (world->stage == NULL) {
        lb_sim_view(world->sim, index, ret_view);
    } else {
        world->stage->ops->view(world->stage, index, ret_view);
    }
}

static inline void lb_stage_input(struct lb_world *world, const struct lb_peer *peer,
                                  const uint8_t **ret_bytes, size_t *ret_size)
{
    if (world->stage == NULL) {
        lb_net_input((const struct lb_net_conn *)(const void *)peer, ret_bytes, ret_size);
    } else {
        world->stage->ops->input(world->stage, peer, ret_bytes, ret_size);
    }
}

static inline enum lb_status lb_stage_wait_input(struct lb_world *world, struct lb_peer *peer,
                                                 size_t size, enum lb_site site)
{
    return world->stage == NULL
               ? lb_net_wait_input((struct lb_net_conn *)(void *)peer, size, LB_NEVER, site)
               : world->stage->ops->wait_input(world->stage, peer, size, site);
}

static inline void lb_stage_consume(struct lb_world *world, struct lb_peer *peer, size_t size)
{
    if (world->stage == NULL) {
        lb_net_consume((struct lb_net_conn *)(void *)peer, size);
    } else {
        world->stage->ops->consume(world->stage, peer, size);
    }
}

LB_MUST_USE static inline enum lb_status lb_stage_send(struct lb_world *world, struct lb_peer *peer,
                                                       const void *bytes, size_t size,
                                                       enum lb_site site)
{
    return world->stage == NULL ? lb_net_send((struct lb_net_conn *)(void *)peer, bytes, size, site)
                                : world->stage->ops->send(world->stage, peer, bytes, size, site);
}

static inline void lb_stage_end(struct lb_world *world, struct lb_peer *peer, enum lb_site site)
{
    if (world->stage == NULL) {
        lb_net_end((struct lb_net_conn *)(void *)peer, site);
    } else {
        world->stage->ops->end(world->stage, peer, site);
    }
}

static inline void lb_stage_close(struct lb_world *world, struct lb_peer *peer, enum lb_site site)
{
    if (world->stage == NULL) {
        lb_net_close((struct lb_net_conn *)(void *)peer, site);
    } else {
        world->stage->ops->close(world->stage, peer, site);
    }
}

static inline void lb_stage_reset(struct lb_world *world, struct lb_peer *peer, enum lb_site site)
{
    if (world->stage == NULL) {
        lb_net_reset_conn((struct lb_net_conn *)(void *)peer, site);
    } else {
        world->stage->ops->reset(world->stage, peer, site);
    }
}

static inline uint32_t lb_stage_sequence(const struct lb_world *world)
{
    return world->stage == NULL ? lb_net_sequence(world->net)
                                : world->stage->ops->sequence(world->stage);
}

static inline size_t lb_stage_log_count(const struct lb_world *world)
{
    return world->stage == NULL ? lb_net_log_count(world->net)
                                : world->stage->ops->log_count(world->stage);
}

static inline void lb_stage_log(const struct lb_world *world, size_t index,
                                struct lb_net_log *ret_log)
{
    if (world->stage == NULL) {
        lb_net_log(world->net, index, ret_log);
    } else {
        world->stage->ops->log(world->stage, index, ret_log);
    }
}

static inline ptrdiff_t lb_stage_log_of(const struct lb_world *world, const void *queue)
{
    return world->stage == NULL ? lb_net_log_of(world->net, queue)
                                : world->stage->ops->log_of(world->stage, queue);
}

#endif
