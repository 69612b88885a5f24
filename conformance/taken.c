/*
 * The socket that a program takes over after a 101: read, written and closed by the program alone.
 *
 * Two callers may be inside it, as two may be inside a body: a close beside a blocked read shuts the
 * socket down, and the read that returns from it closes it.
 */
#include "core/assert.h"
#include "stage.h"
#include "world.h"

void lb_taken_take(struct lb_caller *caller)
{
    LB_ASSERT(caller->response != NULL);
    struct lb_socket *socket = NULL;
    lb_stage_leave(caller->world);
    enum lb_status status = lb_response_take_socket(caller->response, &socket);
    lb_stage_enter(caller->world);
    if (status != LB_OK) {
        if (lb_world_has_fault(caller->world) || caller->line->source != NULL) {
            return; /* there was no memory for it, or its request was not written in time (R7) */
        }
        lb_world_find(caller->world, "F10", "socket-not-given",
                      "the socket of a 101 was asked for and not given");
        return;
    }
    caller->taken = socket;
    caller->has_taken = true;
    caller->taken_name = caller->taken->ops->name(caller->taken);
    caller->taken_sequence = lb_stage_sequence(caller->world);
    struct lb_socket *again = NULL;
    lb_stage_leave(caller->world);
    status = lb_response_take_socket(caller->response, &again);
    lb_stage_enter(caller->world);
    if (status == LB_OK) {
        lb_world_find(caller->world, "O1", "socket-given-twice", "a socket was given twice");
    }
}

/* taken_release: closes the socket when its last user has left it. */
static void taken_release(struct lb_caller *caller)
{
    if (caller->taken != NULL && caller->is_closed && caller->reading_count == 0) {
        struct lb_socket *socket = caller->taken;
        caller->taken = NULL;
        lb_stage_leave(caller->world);
        socket->ops->close(&socket, LB_SITE_SOCKET_CLOSE);
        lb_stage_enter(caller->world);
    }
}

enum lb_status lb_taken_read(struct lb_caller *caller, void *bytes, size_t size, size_t *ret_size)
{
    *ret_size = 0;
    if (caller->taken == NULL || caller->is_closed) {
        return LB_CLOSED;
    }
    struct lb_socket *socket = caller->taken;
    lb_stage_leave(caller->world);
    enum lb_status status =
        socket->ops->read(socket, bytes, size, LB_NEVER, LB_SITE_SOCKET_READ_BODY, ret_size);
    lb_stage_enter(caller->world);
    return status;
}

enum lb_status lb_taken_write(struct lb_caller *caller, const char *bytes, size_t size)
{
    size_t at = 0;
    enum lb_status status = caller->is_closed ? LB_CLOSED : LB_OK;
    caller->reading_count++;
    while (status == LB_OK && at < size) {
        size_t taken = 0;
        struct lb_socket *socket = caller->taken;
        lb_stage_leave(caller->world);
        status = socket->ops->write(socket, bytes + at, size - at, LB_NEVER, LB_SITE_SOCKET_WRITE,
                                    &taken);
        lb_stage_enter(caller->world);
        at += taken;
    }
    lb_taken_leave(caller);
    return status;
}

void lb_taken_leave(struct lb_caller *caller)
{
    LB_ASSERT(caller->reading_count > 0);
    caller->reading_count--;
    taken_release(caller);
}

void lb_taken_close(struct lb_caller *caller)
{
    bool was_closed = caller->is_closed;
    caller->is_closed = true;
    caller->has_close_returned = true;
    if (caller->taken != NULL && !was_closed) {
        caller->reading_count++; /* it is not closed under this shutdown */
        lb_stage_leave(caller->world);
        caller->taken->ops->shutdown(caller->taken, LB_SITE_SOCKET_SHUTDOWN);
        lb_stage_enter(caller->world);
        lb_taken_leave(caller);
    }
}
