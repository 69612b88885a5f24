/*
 * The write worker of a connection: waits for an exchange, writes its head, reports, waits again;
 * ends when the connection is closed, which shuts the socket down and so unblocks a write.
 *
 * Before it writes on a reused connection it looks whether anything has arrived: what the server sent
 * before it was asked cannot be the answer (R3). Reuse needs the write finished (R1, R7), so whoever
 * ends an exchange before it is waits for the report (is_write_awaited).
 */
#include <stddef.h>

#include "core/assert.h"
#include "life/life.h"

/* write_all: writes the head; under no lock. */
static enum lb_status write_all(struct lbi_connection *c)
{
    size_t written = 0;
    while (written < c->head->size) {
        size_t size = 0;
        enum lb_status status =
            c->socket->ops->write(c->socket, c->head->bytes + written, c->head->size - written,
                                  LB_NEVER, LB_SITE_SOCKET_WRITE, &size);
        if (status != LB_OK) {
            return status;
        }
        LB_ASSERT(size > 0);
        LB_ASSERT(size <= c->head->size - written);
        written += size;
        c->is_write_empty = false;
    }
    return LB_OK;
}

/* write_is_answered: whether what the server has sent may still be the answer, although the write
 * failed: it came to somebody who had asked, or is no leftover of an earlier exchange (F6). */
static bool write_is_answered(const struct lbi_connection *c)
{
    bool is_stale = c->is_reused && c->is_write_empty;
    return !is_stale && (c->is_answered || c->socket->ops->is_pending(c->socket));
}

/* write_report: the write has ended; starts the clock for the response's head (B3). */
static void write_report(struct lbi_connection *c, enum lb_status status, struct lbi_work *work)
{
    struct lb_transport *t = c->transport;
    c->is_write_done = true;
    c->is_write_failed = status != LB_OK;
    lbi_emit(t, LB_EVENT_EXCHANGE_WRITTEN, lbi_connection_name(c), status);
    lbi_request_head_release(&c->head);
    if (c->writing_for != NULL) {
        LB_ASSERT(c->writing_for->writing_count > 0);
        c->writing_for->writing_count--;
        lbi_wake(t, &c->writing_for->wake, LB_SITE_WAKE_CALLER);
        c->writing_for = NULL;
    }
    if (c->state != LBI_CONNECTION_BUSY) {
        return;
    }
    if (c->is_write_failed && !write_is_answered(c)) {
        lbi_connection_close(c, LB_RESET, true, work);
        return;
    }
    if (c->exchange == LBI_EXCHANGE_HEAD && t->options.head_duration_ns != LB_NEVER) {
        c->head_deadline_ns = lbi_deadline(t, t->options.head_duration_ns);
        lbi_wake(t, &c->request->wake, LB_SITE_WAKE_CALLER);
    }
    if (c->is_write_awaited) {
        lbi_wake(t, &c->read_wake, LB_SITE_WAKE_READ);
        lbi_wake(t, &c->request->wake, LB_SITE_WAKE_CALLER);
    }
}

/* write_request: one turn: waits for an exchange and writes it; false when the connection is over. */
static bool write_request(struct lbi_connection *c)
{
    struct lb_transport *t = c->transport;
    struct lbi_work work = {NULL, NULL};
    while (c->state != LBI_CONNECTION_CLOSED && !c->is_write_wanted) {
        (void)lbi_wait(t, &c->write_wake, LB_NEVER, LB_SITE_WAIT_REQUEST);
    }
    if (c->state == LBI_CONNECTION_CLOSED) {
        return false;
    }
    c->is_write_wanted = false;
    if (c->is_reused && c->socket->ops->is_pending(c->socket)) {
        lbi_connection_close(c, LB_RESET, true, &work);
        lbi_unlock_run(t, &work);
        lbi_lock(t, LB_SITE_WRITE_TAKE);
        return false;
    }
    c->is_write_begun = true;
    lbi_unlock(t);
    enum lb_status status = write_all(c);
    lbi_lock(t, LB_SITE_WRITE_DONE);
    write_report(c, status, &work);
    if (work.shuts != NULL) {
        lbi_unlock_run(t, &work);
        lbi_lock(t, LB_SITE_WRITE_TAKE);
    }
    return true;
}

void lbi_write_worker(void *argument)
{
    struct lbi_connection *c = argument;
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    lbi_lock(c->transport, LB_SITE_WRITE_TAKE);
    c->has_write_worker = true;
    while (write_request(c)) {
    }
    c->has_write_worker = false;
    lbi_unlock(c->transport);
}
