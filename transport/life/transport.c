/*
 * The transport as a whole: made, asked to close idle connections, freed.
 *
 * Freeing ends everything in one transition: every request that has not ended ends with LB_CLOSED,
 * every connection is closed; then it waits until the callers have left and the connections are gone,
 * joins the workers, and releases requests whether or not somebody still has their handles (E3, E7).
 */
#include <stddef.h>
#include <string.h>

#include "core/assert.h"
#include "life/life.h"

void lb_transport_options_default(struct lb_transport_options *ret_options)
{
    LB_ASSERT(ret_options != NULL);
    const uint64_t second_ns = 1000000000u;
    memset(ret_options, 0, sizeof *ret_options);
    ret_options->memory = lb_memory_standard();
    ret_options->connections_per_host_max = 0;
    ret_options->idle_per_host_max = 2;
    ret_options->idle_total_max = 100;
    ret_options->idle_duration_ns = 90 * second_ns;
    ret_options->dial_duration_ns = 30 * second_ns;
    ret_options->head_duration_ns = LB_NEVER;
    ret_options->written_duration_ns = second_ns / 20;
    ret_options->head_size_max = 64 * 1024;
    ret_options->retries_max = 4;
    ret_options->continue_duration_ns = second_ns;
    ret_options->drain_duration_ns = LB_DRAIN_DURATION_NS;
    ret_options->gzip_tail = LB_GZIP_TAIL_MEMBERS;
    ret_options->gzip_ratio_max = 200;
}

enum lb_status lb_transport_new(const struct lb_transport_options *options,
                                struct lb_transport **ret_transport)
{
    LB_ASSERT(options != NULL);
    LB_ASSERT(options->runtime != NULL);
    LB_ASSERT(options->network != NULL);
    LB_ASSERT(options->memory != NULL);
    LB_ASSERT(options->head_size_max > 0);
    struct lb_transport *t = options->memory->alloc(options->memory, sizeof *t);
    if (t == NULL) {
        return LB_MEMORY;
    }
    memset(t, 0, sizeof *t);
    t->magic = LBI_TRANSPORT_MAGIC;
    t->options = *options;
    t->runtime = options->runtime;
    t->memory = options->memory;
    t->runtime->ops->mutex_init(t->runtime, &t->lock);
    t->runtime->ops->cond_init(t->runtime, &t->drained);
    *ret_transport = t;
    return LB_OK;
}

/* host_close_idle: closes what nobody uses and nobody waits for. */
static void host_close_idle(struct lbi_host *host, struct lbi_work *work)
{
    LBI_CHECK_MAGIC(host, LBI_HOST_MAGIC);
    host->is_idle_refused = true;
    while (host->idle != NULL) {
        lbi_connection_close(host->idle, LB_CLOSED, false, work);
    }
    for (struct lbi_connection *c = host->connections; c != NULL; c = c->next) {
        bool is_unwanted = c->dialed_for == NULL && host->waiters == NULL;
        if (c->state == LBI_CONNECTION_DIALING && is_unwanted) {
            lbi_connection_close(c, LB_CLOSED, false, work);
        }
    }
}

void lb_transport_close_idle(struct lb_transport *t, const char *name)
{
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_POOL_CLOSE_IDLE);
    struct lbi_host *host = lbi_host_find(t, name, NULL);
    while (host != NULL) {
        host_close_idle(host, &work);
        host = lbi_host_find(t, name, host);
    }
    lbi_unlock_run(t, &work);
}

/* transport_end_all: every request and every connection ends; under the lock. */
static void transport_end_all(struct lb_transport *t, struct lbi_work *work)
{
    for (struct lb_request *request = t->requests; request != NULL; request = request->next) {
        if (request->phase != LBI_REQUEST_DONE) {
            lbi_request_fail(request, LB_CLOSED, work);
        }
    }
    for (struct lbi_host *host = t->hosts; host != NULL; host = host->next) {
        for (struct lbi_connection *c = host->connections; c != NULL; c = c->next) {
            if (c->state != LBI_CONNECTION_CLOSED) {
                lbi_connection_close(c, LB_CLOSED, false, work);
            }
        }
    }
}

void lb_transport_free(struct lb_transport **transport)
{
    LB_ASSERT(transport != NULL);
    struct lb_transport *t = *transport;
    *transport = NULL;
    if (t == NULL) {
        return;
    }
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_CLIENT_FREE);
    LB_ASSERT(!t->is_closing);
    t->is_closing = true;
    transport_end_all(t, &work);
    lbi_unlock_run(t, &work);
    lbi_lock(t, LB_SITE_CLIENT_FREE);
    while (t->caller_count > 0 || t->connection_count > 0) {
        (void)lbi_wait(t, &t->drained, LB_NEVER, LB_SITE_WAIT_DRAINED);
    }
    lbi_unlock(t);
    lbi_reap(t);
    lbi_lock(t, LB_SITE_CLIENT_FREE);
    while (t->requests != NULL) {
        lbi_request_release(t->requests);
        lbi_lock(t, LB_SITE_CLIENT_FREE);
    }
    LB_ASSERT(t->hosts == NULL);
    LB_ASSERT(t->ended == NULL);
    lbi_unlock(t);
    t->runtime->ops->cond_deinit(t->runtime, &t->drained);
    t->runtime->ops->mutex_deinit(t->runtime, &t->lock);
    t->magic = 0;
    struct lb_memory *memory = t->memory;
    memory->release(memory, t, sizeof *t);
}
