/*
 * A request, from lb_request_new to lb_request_free.
 *
 *                 +------------ lbi_request_lost, may retry (R5) -----------+
 *                 v                                                         |
 *   NEW --lbi_pool_obtain--> QUEUED --lbi_connection_begin--> STARTED ------+
 *    |  \________________________________________________________^  |
 *    |                         |                                    | read_deliver
 *    |                         |                                    v
 *    +----lbi_request_fail-----+---------- lbi_request_lost ----- BODY -- lbi_request_end --> DONE
 *
 * QUEUED   in its host's queue; `dial` is the dial made for it, unless limits forbade one.
 * STARTED  has a connection whose exchange it is; may be carried away from it and start again.
 * BODY     the head has been delivered; the body is open.
 * DONE     has no connection; `outcome` is LB_END or the error, and never changes again (F3).
 */
#include <stddef.h>
#include <string.h>
#include <utlist.h>

#include "core/assert.h"
#include "life/life.h"

/* Which changes of phase there are: request_may[from][to]. */
static const bool request_may[5][5] = {
    [LBI_REQUEST_NEW] =
        {[LBI_REQUEST_QUEUED] = true, [LBI_REQUEST_STARTED] = true, [LBI_REQUEST_DONE] = true},
    [LBI_REQUEST_QUEUED] = {[LBI_REQUEST_STARTED] = true, [LBI_REQUEST_DONE] = true},
    [LBI_REQUEST_STARTED] =
        {[LBI_REQUEST_NEW] = true, [LBI_REQUEST_BODY] = true, [LBI_REQUEST_DONE] = true},
    [LBI_REQUEST_BODY] = {[LBI_REQUEST_DONE] = true},
};

void lbi_request_set_phase(struct lb_request *request, enum lbi_request_phase phase)
{
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(request->transport->is_locked);
    LB_ASSERT(request_may[request->phase][phase]);
    request->phase = phase;
}

/* request_init: what cannot fail of making a request. */
static void request_init(struct lb_request *request, struct lb_transport *t,
                         const struct lb_request_options *options)
{
    request->magic = LBI_REQUEST_MAGIC;
    request->transport = t;
    request->phase = LBI_REQUEST_NEW;
    request->deadline_ns = options->deadline_ns;
    request->call_site = options->call_site;
    request->source = options->source;
    request->source_size = options->source_size;
    request->has_body = options->source != NULL && options->source_size > 0;
    request->interim = options->interim;
    request->may_repeat = lbi_request_may_repeat(options);
    request->is_head_method = strcmp(options->method, "HEAD") == 0;
    request->is_close = options->is_close || options->is_http10;
    request->is_expect = options->is_expect;
    request->is_upgrade = options->upgrade != NULL;
    request->body_state = LB_BODY_NONE;
    t->runtime->ops->cond_init(t->runtime, &request->wake);
}

/* request_make: what lb_request_new does, but for the source. */
static enum lb_status request_make(struct lb_transport *t, const struct lb_request_options *options,
                                   struct lb_request **ret_request)
{
    struct lbi_request_head *head = NULL;
    bool is_coding_asked = !t->options.is_gzip_off && lbi_request_may_ask(options);
    enum lb_status status = lbi_request_head_new(t->memory, options, is_coding_asked, &head);
    if (status != LB_OK) {
        return status;
    }
    struct lb_request *request = t->memory->alloc(t->memory, sizeof *request);
    if (request == NULL) {
        lbi_request_head_release(&head);
        return LB_MEMORY;
    }
    memset(request, 0, sizeof *request);
    lbi_lock(t, LB_SITE_REQUEST_NEW);
    status = lbi_host_acquire(t, &options->endpoint, &request->host);
    if (status == LB_OK) {
        request_init(request, t, options);
        request->id = ++t->request_id_last;
        request->head = head;
        request->is_coding_asked = is_coding_asked;
        DL_APPEND(t->requests, request);
        *ret_request = request;
    }
    lbi_unlock(t);
    if (status != LB_OK) {
        lbi_request_head_release(&head);
        t->memory->release(t->memory, request, sizeof *request);
    }
    return status;
}

enum lb_status lb_request_new(struct lb_transport *t, const struct lb_request_options *options,
                              struct lb_request **ret_request)
{
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    LB_ASSERT(options != NULL);
    LB_ASSERT(ret_request != NULL);
    struct lb_request_options own = *options;
    own.is_close = options->is_close || t->options.is_keep_alive_off;
    enum lb_status status = request_make(t, &own, ret_request);
    if (status != LB_OK && options->source != NULL) {
        options->source->ops->close(options->source);
    }
    return status;
}

void lbi_request_pin(struct lb_request *request)
{
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(request->transport->is_locked);
    request->pin_count++;
    LB_ASSERT(request->pin_count > 0);
}

void lbi_request_unpin(struct lb_request *request)
{
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(request->transport->is_locked);
    LB_ASSERT(request->pin_count > 0);
    request->pin_count--;
    if (request->pin_count == 0 && request->is_pin_awaited) {
        lbi_wake(request->transport, &request->wake, LB_SITE_WAKE_CALLER);
    }
}

void lbi_request_close_source(struct lb_request *request, struct lbi_work *work)
{
    if (request->source == NULL) {
        return;
    }
    LB_ASSERT(request->source_closing == NULL);
    request->source_closing = request->source;
    request->source = NULL;
    lbi_request_pin(request);
    request->next_source = work->sources;
    work->sources = request;
}

/* request_await_pins: waits until nobody is inside anything of the request, or until the deadline. Those
 * who are leave it for no peer's sake: their socket is being shut down, their source closed. */
static bool request_await_pins(struct lb_request *request, uint64_t deadline_ns)
{
    request->is_pin_awaited = true;
    return request->pin_count == 0 ||
           lbi_wait(request->transport, &request->wake, deadline_ns, LB_SITE_WAIT_RELEASE);
}

/* request_rewind: another attempt needs the source at its first byte (R5). */
static void request_rewind(struct lb_request *request, struct lbi_work *work)
{
    struct lb_transport *t = request->transport;
    struct lb_source *source = request->source;
    LB_ASSERT(source != NULL);
    LB_ASSERT(source->ops->rewind != NULL);
    if (request->pin_count > 0) {
        (void)request_await_pins(request, request->deadline_ns);
        return; /* and look again */
    }
    lbi_request_pin(request);
    lbi_unlock(t);
    enum lb_status status = source->ops->rewind(source);
    lbi_lock(t, LB_SITE_SOURCE_REWIND);
    lbi_request_unpin(request);
    request->is_source_read = false;
    if (status != LB_OK && request->phase == LBI_REQUEST_NEW) {
        lbi_request_fail(request, LB_SOURCE, work);
    }
}

/* request_deadline: until when the sender waits: the request's deadline or the head's. */
static uint64_t request_deadline(const struct lb_request *request)
{
    uint64_t deadline_ns = request->deadline_ns;
    if (request->connection != NULL && request->connection->head_deadline_ns < deadline_ns) {
        deadline_ns = request->connection->head_deadline_ns;
    }
    return deadline_ns;
}

/* request_begin: the first attempt, or another one, unless it is too late. */
static void request_begin(struct lb_request *request, struct lbi_work *work)
{
    struct lb_transport *t = request->transport;
    if (t->is_closing) {
        lbi_request_fail(request, LB_CLOSED, work);
    } else if (request->deadline_ns != LB_NEVER && request->deadline_ns <= lbi_now(t)) {
        lbi_request_fail(request, LB_TIMEOUT, work);
    } else if (request->is_source_read) {
        request_rewind(request, work);
    } else {
        lbi_pool_obtain(request, work);
    }
}

/* request_wait: waits for the next change, or for the deadline. */
static void request_wait(struct lb_request *request, struct lbi_work *work)
{
    struct lb_transport *t = request->transport;
    bool is_queued = request->phase == LBI_REQUEST_QUEUED;
    bool is_woken = lbi_wait(t, &request->wake, request_deadline(request),
                             is_queued ? LB_SITE_WAIT_CONNECTION : LB_SITE_WAIT_HEAD);
    bool is_waiting = request->phase == LBI_REQUEST_QUEUED || request->phase == LBI_REQUEST_STARTED;
    if (!is_woken && is_waiting && request_deadline(request) <= lbi_now(t)) {
        lbi_request_fail(request, LB_TIMEOUT, work);
    }
}

/* request_result: what send returns: the head, unless somebody took it back meanwhile (F6). */
static enum lb_status request_result(const struct lb_request *request)
{
    bool is_taken_back = request->outcome == LB_CANCELLED || request->outcome == LB_CLOSED;
    return request->body_state == LB_BODY_NONE || is_taken_back ? request->outcome : LB_OK;
}

enum lb_status lb_request_send(struct lb_request *request, struct lb_response **ret_response)
{
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(ret_response != NULL);
    struct lb_transport *t = request->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_REQUEST_SEND);
    LB_ASSERT(request->phase == LBI_REQUEST_NEW || request->phase == LBI_REQUEST_DONE);
    LB_ASSERT(request->body_state == LB_BODY_NONE);
    bool has_ended = t->ended != NULL;
    t->caller_count++;
    while (request->phase != LBI_REQUEST_BODY && request->phase != LBI_REQUEST_DONE) {
        if (request->phase == LBI_REQUEST_NEW) {
            request_begin(request, &work);
        } else {
            request_wait(request, &work);
        }
        if (!lbi_work_is_empty(&work)) {
            lbi_unlock_run(t, &work);
            lbi_lock(t, LB_SITE_REQUEST_SEND);
        }
    }
    enum lb_status status = request_result(request);
    while (status != LB_OK && request->pin_count > 0) {
        (void)request_await_pins(request, LB_NEVER);
    }
    if (status == LB_OK) {
        *ret_response = &request->response;
    }
    if (has_ended && !t->is_closing) {
        lbi_unlock(t);
        lbi_reap(t);
        lbi_lock(t, LB_SITE_REQUEST_SEND);
    }
    lbi_leave(t, &work);
    return status;
}

/* request_set_outcome: the request is DONE; its body is in its final state already. */
static void request_set_outcome(struct lb_request *request, enum lb_status outcome,
                                struct lbi_work *work)
{
    LB_ASSERT(request->outcome == LB_OK);
    LB_ASSERT(request->body_state != LB_BODY_OPEN);
    lbi_request_set_phase(request, LBI_REQUEST_DONE);
    request->outcome = outcome;
    lbi_request_close_source(request, work);
    lbi_emit(request->transport, LB_EVENT_REQUEST_END, lb_status_word(outcome), request->id);
}

/* request_set_body: the body's state changes, on connection `c`. */
static void request_set_body(struct lb_request *request, const struct lbi_connection *c,
                             enum lb_body_state state)
{
    LB_ASSERT(request->body_state == LB_BODY_OPEN);
    LB_ASSERT(c != NULL);
    request->body_state = state;
    lbi_body_release(&request->body);
    lbi_emit(request->transport, LB_EVENT_BODY_STATE, lbi_connection_name(c), state);
}

void lbi_request_end(struct lb_request *request, const struct lbi_connection *c,
                     struct lbi_work *work)
{
    LB_ASSERT(request->phase == LBI_REQUEST_BODY);
    LB_ASSERT(request->body_state == LB_BODY_OPEN);
    request_set_body(request, c, LB_BODY_ENDED);
    request_set_outcome(request, LB_END, work);
}

/* body_state_of: the final state of an open body that ends with an error. */
static enum lb_body_state body_state_of(enum lb_status cause)
{
    if (cause == LB_CANCELLED) {
        return LB_BODY_CANCELLED;
    }
    return cause == LB_CLOSED ? LB_BODY_CLOSED : LB_BODY_FAILED;
}

void lbi_request_lost(struct lb_request *request, const struct lbi_connection *c,
                      enum lb_status cause, bool may_retry, struct lbi_work *work)
{
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(request->connection == NULL);
    LB_ASSERT(cause > LB_AGAIN);
    struct lb_transport *t = request->transport;
    if (may_retry && request->phase == LBI_REQUEST_STARTED &&
        request->retry_count < t->options.retries_max) {
        request->retry_count++;
        lbi_request_set_phase(request, LBI_REQUEST_NEW);
        lbi_emit(t, LB_EVENT_RETRY, "", request->id);
    } else {
        if (request->body_state == LB_BODY_OPEN) {
            request_set_body(request, c, body_state_of(cause));
        }
        request_set_outcome(request, cause, work);
    }
    lbi_wake(t, &request->wake, LB_SITE_WAKE_CALLER);
}

void lbi_request_fail(struct lb_request *request, enum lb_status cause, struct lbi_work *work)
{
    LB_ASSERT(request->transport->is_locked);
    switch (request->phase) {
    case LBI_REQUEST_QUEUED:
        lbi_pool_unqueue(request);
        lbi_request_lost(request, NULL, cause, false, work);
        return;
    case LBI_REQUEST_STARTED:
    case LBI_REQUEST_BODY:
        lbi_connection_close(request->connection, cause, false, work);
        return;
    case LBI_REQUEST_NEW:
        lbi_request_lost(request, NULL, cause, false, work);
        return;
    case LBI_REQUEST_DONE:
        break;
    }
    LB_ASSERT(request->phase != LBI_REQUEST_DONE);
}

void lbi_request_close(struct lb_request *request, struct lbi_work *work)
{
    LB_ASSERT(request->phase == LBI_REQUEST_BODY);
    if (lbi_connection_may_drain(request->connection)) {
        lbi_connection_drain(request->connection, work);
    } else {
        lbi_request_fail(request, LB_CLOSED, work);
    }
}

void lb_request_cancel(struct lb_request *request)
{
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    struct lb_transport *t = request->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_REQUEST_CANCEL);
    if (request->phase != LBI_REQUEST_DONE) {
        lbi_request_fail(request, LB_CANCELLED, &work);
    }
    lbi_unlock_run(t, &work);
}

/* request_destroy: releases a request that is in no list but the transport's. */
static void request_destroy(struct lb_request *request)
{
    struct lb_transport *t = request->transport;
    LB_ASSERT(t->is_locked);
    LB_ASSERT(request->connection == NULL);
    LB_ASSERT(request->pin_count == 0);
    LB_ASSERT(request->source == NULL);
    LB_ASSERT(request->upgraded == NULL);
    DL_DELETE(t->requests, request);
    lbi_host_release(&request->host);
    lbi_request_head_release(&request->head);
    lbi_head_deinit(&request->response.head);
    lbi_head_deinit(&request->response.trailers);
    LB_ASSERT(request->body.coding == NULL);
    t->runtime->ops->cond_deinit(t->runtime, &request->wake);
    request->magic = 0;
    t->memory->release(t->memory, request, sizeof *request);
}

void lbi_request_release(struct lb_request *request)
{
    struct lb_transport *t = request->transport;
    LB_ASSERT(t->is_locked);
    while (request->pin_count > 0) {
        (void)request_await_pins(request, LB_NEVER);
    }
    struct lb_socket *untaken = request->upgraded;
    request->upgraded = NULL;
    request_destroy(request);
    lbi_unlock(t);
    if (untaken != NULL) {
        untaken->ops->shutdown(untaken, LB_SITE_SOCKET_SHUTDOWN);
        untaken->ops->close(&untaken, LB_SITE_SOCKET_CLOSE);
    }
}

void lb_request_free(struct lb_request **request_pointer)
{
    LB_ASSERT(request_pointer != NULL);
    struct lb_request *request = *request_pointer;
    *request_pointer = NULL;
    if (request == NULL) {
        return;
    }
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    struct lb_transport *t = request->transport;
    struct lbi_work work = LBI_NO_WORK;
    lbi_lock(t, LB_SITE_REQUEST_FREE);
    LB_ASSERT(request->phase != LBI_REQUEST_QUEUED);
    LB_ASSERT(request->phase != LBI_REQUEST_STARTED);
    if (request->phase == LBI_REQUEST_BODY) {
        lbi_request_close(request, &work);
    } else if (request->phase != LBI_REQUEST_DONE) {
        lbi_request_fail(request, LB_CLOSED, &work);
    }
    if (!lbi_work_is_empty(&work)) {
        lbi_unlock_run(t, &work);
        lbi_lock(t, LB_SITE_REQUEST_FREE);
    }
    lbi_request_release(request);
}

enum lb_status lb_response_take_socket(struct lb_response *response, struct lb_socket **ret_socket)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(ret_socket != NULL);
    struct lb_request *request =
        (struct lb_request *)(void *)((char *)response - offsetof(struct lb_request, response));
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    lbi_lock(request->transport, LB_SITE_REQUEST_UPGRADE);
    struct lb_socket *socket = request->upgraded;
    request->upgraded = NULL;
    lbi_unlock(request->transport);
    if (socket == NULL) {
        return LB_CLOSED;
    }
    *ret_socket = socket;
    return LB_OK;
}

uint16_t lb_response_code(const struct lb_response *response)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(response->head.code != 0);
    return response->head.code;
}

const char *lb_response_header(const struct lb_response *response, const char *name)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(response->head.code != 0);
    return lbi_head_find(&response->head, name);
}

bool lb_response_field(const struct lb_response *response, size_t index, struct lb_field *ret_field)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(response->head.code != 0);
    LB_ASSERT(ret_field != NULL);
    return lbi_head_field(&response->head, index, &ret_field->name, &ret_field->value);
}

uint64_t lb_response_size(const struct lb_response *response)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(response->head.code != 0);
    return lb_response_is_decoded(response) ? LB_SIZE_UNKNOWN : response->size;
}

bool lb_response_is_decoded(const struct lb_response *response)
{
    LB_ASSERT(response != NULL);
    LB_ASSERT(response->head.code != 0);
    return response->coding_kind != LBI_CODING_NONE;
}

const char *lb_response_trailer(const struct lb_response *response, const char *name)
{
    LB_ASSERT(response != NULL);
    const struct lb_request *request =
        (const struct lb_request *)(const void *)((const char *)response -
                                                  offsetof(struct lb_request, response));
    LBI_CHECK_MAGIC(request, LBI_REQUEST_MAGIC);
    LB_ASSERT(name != NULL);
    lbi_lock(request->transport, LB_SITE_RESPONSE_TRAILER);
    bool has_ended = request->body_state == LB_BODY_ENDED;
    lbi_unlock(request->transport);
    return has_ended ? lbi_head_find(&response->trailers, name) : NULL;
}
