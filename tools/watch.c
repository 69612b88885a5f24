/*
 * A transport's events, made into the two things that a person asks: which connection was it, and was it
 * a new one? See watch.h.
 *
 * The transport counts its requests itself, and says only that number; so requests are made one at a time
 * and counted here, too. Events come with the transport's lock held, hence in their order.
 */
#include "watch.h"

#include "core/assert.h"
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct watch_connection {
    char name[WATCH_NAME_MAX];
    uint32_t exchange_count;
    bool is_connected;
    struct watch_connection *prev, *next;
};

static struct watch_connection *watch_find(struct watch *watch, const char *name)
{
    struct watch_connection *connection = watch->connections;

    while (connection != NULL && strcmp(connection->name, name) != 0) {
        connection = connection->next;
    }
    return connection;
}

static void watch_dial(struct watch *watch, const char *name)
{
    struct watch_connection *connection = tool_alloc(sizeof(*connection));

    LB_ASSERT(strlen(name) < WATCH_NAME_MAX);
    memcpy(connection->name, name, strlen(name) + 1);
    DL_APPEND(watch->connections, connection);
    watch->totals.dialed++;
}

static void watch_close(struct watch *watch, const char *name)
{
    struct watch_connection *connection = watch_find(watch, name);

    LB_ASSERT(connection != NULL);
    watch->totals.closed += connection->is_connected;
    DL_DELETE(watch->connections, connection);
    free(connection);
}

/* watch_connect: a dial has succeeded, unless it was given up before. */
static void watch_connect(struct watch *watch, const char *name)
{
    struct watch_connection *connection = watch_find(watch, name);

    if (connection != NULL) {
        connection->is_connected = true;
        watch->totals.connected++;
    }
}

static struct watched *watch_of(struct watch *watch, uint64_t id)
{
    struct watched *watched = watch->requests;

    while (watched != NULL && watched->id != id) {
        watched = watched->next;
    }
    return watched;
}

static void watch_start(struct watch *watch, const char *name, uint64_t id)
{
    struct watch_connection *connection = watch_find(watch, name);
    struct watched *watched = watch_of(watch, id);

    LB_ASSERT(connection != NULL);
    connection->exchange_count++;
    watch->totals.exchanges++;
    watch->totals.reused += connection->exchange_count > 1;
    if (watched != NULL) {
        memcpy(watched->connection, connection->name, sizeof(watched->connection));
        watched->ordinal = connection->exchange_count;
    }
}

static void watch_retry(struct watch *watch, uint64_t id)
{
    struct watched *watched = watch_of(watch, id);

    watch->totals.retries++;
    if (watched != NULL) {
        watched->retry_count++;
    }
}

static void watch_emit(struct lb_trace *trace, enum lb_event event, const char *subject,
                       uint64_t value)
{
    struct watch *watch = (struct watch *)(void *)trace;

    uv_mutex_lock(&watch->lock);
    if (event == LB_EVENT_DIAL_START) {
        watch_dial(watch, subject);
    } else if (event == LB_EVENT_DIAL_END && value == LB_OK) {
        watch_connect(watch, subject);
    } else if (event == LB_EVENT_EXCHANGE_START) {
        watch_start(watch, subject, value);
    } else if (event == LB_EVENT_CONNECTION_CLOSE) {
        watch_close(watch, subject);
    } else if (event == LB_EVENT_RETRY) {
        watch_retry(watch, value);
    }
    uv_mutex_unlock(&watch->lock);
}

void watch_init(struct watch *watch)
{
    LB_ASSERT(watch != NULL);
    memset(watch, 0, sizeof(*watch));
    watch->trace.emit = watch_emit;
    LB_ASSERT(uv_mutex_init(&watch->birth) == 0);
    LB_ASSERT(uv_mutex_init(&watch->lock) == 0);
}

void watch_deinit(struct watch *watch)
{
    LB_ASSERT(watch->connections == NULL);
    uv_mutex_destroy(&watch->lock);
    uv_mutex_destroy(&watch->birth);
}

enum lb_status watch_request_new(struct watch *watch, struct lb_transport *transport,
                                 const struct lb_request_options *options,
                                 struct watched *ret_watched, struct lb_request **ret_request)
{
    memset(ret_watched, 0, sizeof(*ret_watched));
    uv_mutex_lock(&watch->birth);
    enum lb_status status = lb_request_new(transport, options, ret_request);
    if (status == LB_OK) {
        uv_mutex_lock(&watch->lock);
        ret_watched->id = ++watch->id_last;
        DL_APPEND(watch->requests, ret_watched);
        uv_mutex_unlock(&watch->lock);
    }
    uv_mutex_unlock(&watch->birth);
    return status;
}

struct watched watch_look(struct watch *watch, const struct watched *watched)
{
    uv_mutex_lock(&watch->lock);
    struct watched copy = *watched;
    uv_mutex_unlock(&watch->lock);
    return copy;
}

void watch_forget(struct watch *watch, struct watched *watched)
{
    uv_mutex_lock(&watch->lock);
    LB_ASSERT(watch_of(watch, watched->id) == watched);
    DL_DELETE(watch->requests, watched);
    uv_mutex_unlock(&watch->lock);
}

struct watch_totals watch_totals(struct watch *watch)
{
    uv_mutex_lock(&watch->lock);
    struct watch_totals totals = watch->totals;
    uv_mutex_unlock(&watch->lock);
    return totals;
}
