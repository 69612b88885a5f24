/*
 * The write worker of a connection: waits for an exchange, writes its request, reports, waits again;
 * ends when the connection is closed, which shuts the socket down and so unblocks a write.
 *
 *   wait for a request --> head --+--> report --> wait ...
 *                                 |     ^
 *                                 v     | left out: a final response has ended the connection (R8)
 *                     [wait for 100] ---+
 *                                 |     |
 *                                 v     | at its end
 *                     source --> socket +
 *
 * Before it writes on a reused connection it looks whether anything has arrived: what the server sent
 * before it was asked cannot be the answer (R3). Reuse needs the write finished (R1, R7), so whoever
 * ends an exchange before it is waits for the report (is_write_awaited).
 *
 * The request is pinned from its first byte to the report: it stays, and its send returns no error,
 * while this worker is inside its head or its source (B6). Each piece is read and written without the
 * lock; between the two it looks whether the exchange is still wanted. A source that blocks is freed by
 * its close, which whoever ends the request calls (E9). A head alone outlives its request where the
 * response is drained meanwhile (E5): it is the connection's then.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "life/life.h"

/* Framing around a chunk (RFC 9112 section 7.1): its size before it; its end and the last chunk behind. */
#define CHUNK_BEFORE 8u
#define CHUNK_AFTER 7u
LB_STATIC_ASSERT(LBI_UPLOAD_SIZE <= 0xffffffu, "a chunk's size has at most six digits");

/* A request's body on its way. */
struct upload {
    struct lbi_connection *connection;
    struct lb_request *request;
    char *bytes;   /* CHUNK_BEFORE + LBI_UPLOAD_SIZE + CHUNK_AFTER */
    uint64_t left; /* of a source of known size; else LB_SIZE_UNKNOWN */
};

/* write_bytes: writes all of them; under no lock. */
static enum lb_status write_bytes(struct lbi_connection *c, const char *bytes, size_t size)
{
    size_t written = 0;
    while (written < size) {
        size_t taken = 0;
        enum lb_status status = c->socket->ops->write(c->socket, bytes + written, size - written,
                                                      LB_NEVER, LB_SITE_SOCKET_WRITE, &taken);
        if (status != LB_OK) {
            return status;
        }
        LB_ASSERT(taken > 0);
        LB_ASSERT(taken <= size - written);
        written += taken;
        c->is_write_empty = false;
    }
    return LB_OK;
}

/* write_wake_awaiting: tells whoever waits for this worker's progress. */
static void write_wake_awaiting(struct lbi_connection *c)
{
    if (c->is_write_awaited) {
        lbi_wake(c->transport, &c->read_wake, LB_SITE_WAKE_READ);
    }
    if (c->is_write_awaited && c->request != NULL) { /* a drain has none */
        lbi_wake(c->transport, &c->request->wake, LB_SITE_WAKE_CALLER);
    }
}

/* write_go_ahead: the head is written; false when the body is not to be sent. */
static bool write_go_ahead(struct lbi_connection *c, const struct lb_request *request)
{
    struct lb_transport *t = c->transport;
    lbi_lock(t, LB_SITE_WRITE_DONE);
    if (c->state == LBI_CONNECTION_BUSY) {
        c->is_head_written = true;
        write_wake_awaiting(c);
    }
    uint64_t deadline_ns = lbi_deadline(t, t->options.continue_duration_ns);
    bool is_waiting = request->is_expect && t->options.continue_duration_ns > 0;
    c->write_site = LB_SITE_WAIT_CONTINUE;
    while (is_waiting && c->state == LBI_CONNECTION_BUSY && c->go_ahead == LBI_CONTINUE_OPEN) {
        is_waiting = lbi_wait(t, &c->write_wake, deadline_ns, LB_SITE_WAIT_CONTINUE);
    }
    bool is_wanted = c->state == LBI_CONNECTION_BUSY && c->go_ahead != LBI_CONTINUE_REFUSED;
    lbi_unlock(t);
    return is_wanted;
}

/* upload_enter: the source to read the next piece from; NULL when nobody wants it any more. */
static struct lb_source *upload_enter(struct upload *upload)
{
    struct lbi_connection *c = upload->connection;
    struct lb_source *source = NULL;
    lbi_lock(c->transport, LB_SITE_SOURCE_READ);
    if (c->state == LBI_CONNECTION_BUSY) {
        source = upload->request->source;
        LB_ASSERT(source != NULL);
        upload->request->is_source_read = true;
        c->write_site = LB_SITE_SOURCE_READ;
    }
    lbi_unlock(c->transport);
    return source;
}

/* upload_leave: the source has been read; false when nobody wants its bytes any more. */
static bool upload_leave(struct upload *upload)
{
    struct lbi_connection *c = upload->connection;
    lbi_lock(c->transport, LB_SITE_SOURCE_READ);
    bool is_wanted = c->state == LBI_CONNECTION_BUSY;
    c->write_site = LB_SITE_SOCKET_WRITE;
    lbi_unlock(c->transport);
    return is_wanted;
}

/* upload_write: writes `size` bytes that stand behind CHUNK_BEFORE, framed. */
static enum lb_status upload_write(struct upload *upload, size_t size, bool is_last)
{
    char *start = upload->bytes + CHUNK_BEFORE;
    char *end = start + size;
    if (upload->left == LB_SIZE_UNKNOWN) {
        if (size > 0) {
            char digits[CHUNK_BEFORE + 1];
            int count = snprintf(digits, sizeof digits, "%zx\r\n", size);
            LB_ASSERT(count > 0);
            LB_ASSERT((size_t)count <= CHUNK_BEFORE);
            start -= count;
            memcpy(start, digits, (size_t)count);
            memcpy(end, "\r\n", 2);
            end += 2;
        }
        if (is_last) {
            memcpy(end, "0\r\n\r\n", 5);
            end += 5;
        }
    }
    return write_bytes(upload->connection, start, (size_t)(end - start));
}

/* upload_piece: reads a piece and writes it; LB_END when it was the last. */
static enum lb_status upload_piece(struct upload *upload)
{
    bool is_known = upload->left != LB_SIZE_UNKNOWN;
    LB_ASSERT(upload->left > 0);
    size_t room =
        is_known && upload->left < LBI_UPLOAD_SIZE ? (size_t)upload->left : (size_t)LBI_UPLOAD_SIZE;
    struct lb_source *source = upload_enter(upload);
    if (source == NULL) {
        return LB_CLOSED;
    }
    size_t size = 0;
    enum lb_status status = source->ops->read(source, upload->bytes + CHUNK_BEFORE, room, &size);
    if (!upload_leave(upload)) {
        return LB_CLOSED;
    }
    if (status != LB_OK && status != LB_END) {
        return LB_SOURCE;
    }
    LB_ASSERT(size <= room);
    LB_ASSERT(size > 0 || status == LB_END);
    upload->left -= is_known ? size : 0;
    if (is_known && status == LB_END && upload->left > 0) {
        return LB_SOURCE; /* fewer bytes than were announced */
    }
    bool is_last = status == LB_END || upload->left == 0;
    status = upload_write(upload, size, is_last);
    return status == LB_OK && is_last ? LB_END : status;
}

/* write_body: writes the request's body, if it is wanted; under no lock. */
static enum lb_status write_body(struct lbi_connection *c, struct lb_request *request)
{
    struct lb_memory *memory = c->transport->memory;
    const size_t size = CHUNK_BEFORE + LBI_UPLOAD_SIZE + CHUNK_AFTER;
    if (!write_go_ahead(c, request)) {
        return LB_OK;
    }
    struct upload upload = {c, request, memory->alloc(memory, size), request->source_size};
    if (upload.bytes == NULL) {
        return LB_MEMORY;
    }
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        status = upload_piece(&upload);
    }
    memory->release(memory, upload.bytes, size);
    return status == LB_END ? LB_OK : status;
}

/* write_is_answered: whether what the server has sent may still be the answer, although the write
 * failed: it came to somebody who had asked, or is no leftover of an earlier exchange (F6). */
static bool write_is_answered(const struct lbi_connection *c)
{
    bool is_stale = c->is_reused && c->is_write_empty;
    return !is_stale && (c->is_answered || c->socket->ops->is_pending(c->socket));
}

/* write_fail: the request could not be written. What the caller's own source has done comes before what
 * the network has; a response that has arrived comes before both (F6). */
static void write_fail(struct lbi_connection *c, enum lb_status status, struct lbi_work *work)
{
    bool is_own = status == LB_SOURCE || status == LB_MEMORY;
    if (c->exchange == LBI_EXCHANGE_BODY) {
        lbi_request_close_source(c->request, work);
    } else if (is_own || !write_is_answered(c)) {
        lbi_connection_close(c, is_own ? status : LB_RESET, !is_own, work);
    }
}

/* write_report: the write has ended; starts the clock for the response's head (B3). */
static void write_report(struct lbi_connection *c, enum lb_status status, struct lbi_work *work)
{
    struct lb_transport *t = c->transport;
    c->is_write_done = true;
    c->is_write_failed = status != LB_OK;
    lbi_emit(t, LB_EVENT_EXCHANGE_WRITTEN, lbi_connection_name(c), status);
    lbi_request_head_release(&c->head);
    if (c->writing != NULL) {
        lbi_request_unpin(c->writing);
        c->writing = NULL;
    }
    if (c->state != LBI_CONNECTION_BUSY) {
        return;
    }
    if (c->exchange == LBI_EXCHANGE_DRAIN) {
        write_wake_awaiting(c); /* whose end looks at the failure, too */
        return;
    }
    if (c->is_write_failed) {
        write_fail(c, status, work);
    } else if (!lbi_connection_may_repeat(c)) {
        lbi_request_close_source(c->request, work);
    }
    if (c->state != LBI_CONNECTION_BUSY) {
        return;
    }
    if (c->exchange == LBI_EXCHANGE_HEAD && t->options.head_duration_ns != LB_NEVER) {
        c->head_deadline_ns = lbi_deadline(t, t->options.head_duration_ns);
        lbi_wake(t, &c->request->wake, LB_SITE_WAKE_CALLER);
    }
    write_wake_awaiting(c);
}

/* write_request: one turn: waits for an exchange and writes it; false when the connection is over. */
static bool write_request(struct lbi_connection *c)
{
    struct lb_transport *t = c->transport;
    struct lbi_work work = LBI_NO_WORK;
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
    struct lb_request *request = c->request;
    const struct lbi_request_head *head = request->head;
    bool has_body = request->has_body;
    c->is_write_begun = true;
    c->writing = request;
    lbi_request_pin(request);
    lbi_unlock(t);
    enum lb_status status = write_bytes(c, head->bytes, head->size);
    if (status == LB_OK && has_body) {
        status = write_body(c, request);
    }
    lbi_lock(t, LB_SITE_WRITE_DONE);
    write_report(c, status, &work);
    if (!lbi_work_is_empty(&work)) {
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
