/*
 * The dial worker: makes one connection, hands it over, starts its two workers, and ends.
 *
 * A dial is made for the request that started it (dialed_for) but is not bound to it: when that
 * request has been served or has gone, the connection goes to whoever waits, or to the pool (R9). A
 * dial that fails ends the request that it was made for, if that still waits.
 */
#include <stddef.h>

#include "core/assert.h"
#include "life/life.h"

/* dial_start_worker: starts one of the connection's workers. */
static enum lb_status dial_start_worker(struct lbi_connection *c, enum lb_role role,
                                        lb_worker_fn function, enum lb_site site,
                                        struct lb_worker **ret_worker)
{
    struct lb_runtime *runtime = c->transport->runtime;
    struct lb_worker_options options = {role, lbi_connection_name(c), function, c};
    return runtime->ops->worker_start(runtime, &options, site, ret_worker);
}

/* dial_fail: closes a connection that is not closed yet. */
static void dial_fail(struct lbi_connection *c, enum lb_status cause)
{
    struct lb_transport *t = c->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_DIAL_DONE);
    if (c->state != LBI_CONNECTION_CLOSED) {
        lbi_connection_close(c, cause, false, &work);
    }
    lbi_unlock_run(t, &work);
}

enum lb_status lbi_dial_start(struct lbi_connection *c)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC); /* its pins are the lock's: work_unpin asserts them */
    enum lb_status status =
        dial_start_worker(c, LB_ROLE_DIAL, lbi_dial_worker, LB_SITE_START_DIAL, &c->dial_worker);
    if (status != LB_OK) {
        dial_fail(c, status);
    }
    return status;
}

/* dial_hand_over: the dial has ended; true when the connection is in use or pooled. */
static bool dial_hand_over(struct lbi_connection *c, enum lb_status status)
{
    struct lb_transport *t = c->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_DIAL_DONE);
    lbi_emit(t, LB_EVENT_DIAL_END, lbi_connection_name(c), status);
    if (c->state == LBI_CONNECTION_CLOSED) {
        LB_ASSERT(c->dialed_for == NULL);
    } else if (status != LB_OK) {
        lbi_connection_close(c, status, false, &work);
    } else if (c->dialed_for != NULL) {
        struct lb_request *request = c->dialed_for;
        lbi_pool_unqueue(request);
        lbi_connection_begin(c, request);
    } else {
        lbi_pool_give(c, &work);
    }
    bool is_open = c->state != LBI_CONNECTION_CLOSED;
    lbi_unlock_run(t, &work);
    return is_open;
}

void lbi_dial_worker(void *argument)
{
    struct lbi_connection *c = argument;
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    struct lb_transport *t = c->transport;
    uint64_t deadline_ns = lbi_deadline(t, t->options.dial_duration_ns);
    enum lb_status status = c->socket->ops->connect(c->socket, deadline_ns, LB_SITE_SOCKET_CONNECT);
    if (dial_hand_over(c, status)) {
        status = dial_start_worker(c, LB_ROLE_WRITE, lbi_write_worker, LB_SITE_START_WRITE,
                                   &c->write_worker);
        if (status == LB_OK) {
            status = dial_start_worker(c, LB_ROLE_READ, lbi_read_worker, LB_SITE_START_READ,
                                       &c->read_worker);
        }
        if (status == LB_OK) {
            return; /* from here on the read worker owns the connection's end */
        }
        dial_fail(c, status);
    }
    lbi_connection_finish(c, NULL);
}
