/*
 * The transport's account of itself: counts per host, and its workers by what they wait for.
 *
 * What a worker waits for follows from the state of its connection; only where in a request its writer
 * stands is recorded. Which workers there are is noted by themselves, under the lock: a worker counts from its first look at the
 * connection, a dial worker from the decision to dial until the read worker has joined it. While nobody
 * can run, each row is what the workers of the runtime stand at; in between, one that has been woken is
 * counted where it stood.
 */
#include <stddef.h>
#include <string.h>

#include "core/assert.h"
#include "life/life.h"

/* stats_add: adds one host's account. */
static void stats_add(const struct lbi_host *host, struct lb_stats *stats)
{
    stats->idle += host->idle_count;
    stats->waiting += host->waiter_count;
    for (const struct lbi_connection *c = host->connections; c != NULL; c = c->next) {
        stats->busy += c->state == LBI_CONNECTION_BUSY ? 1 : 0;
        stats->dialing += c->state == LBI_CONNECTION_DIALING ? 1 : 0;
        stats->open_bodies += c->exchange == LBI_EXCHANGE_BODY ? 1 : 0;
    }
}

void lb_transport_stats(struct lb_transport *t, const char *name, struct lb_stats *ret_stats)
{
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    LB_ASSERT(ret_stats != NULL);
    memset(ret_stats, 0, sizeof *ret_stats);
    lbi_lock(t, LB_SITE_POOL_STATS);
    const struct lbi_host *host = lbi_host_find(t, name, NULL);
    while (host != NULL) {
        stats_add(host, ret_stats);
        host = lbi_host_find(t, name, host);
    }
    lbi_unlock(t);
}

/* A profile while it is made. */
struct profile {
    struct lb_profile_row *rows;
    size_t room;
    size_t count;
};

/* profile_add: counts one worker in the row of its kind. */
static void profile_add(struct profile *profile, enum lb_role role, enum lb_site waits_for,
                        const char *call_site)
{
    for (size_t i = 0; i < profile->count; i++) {
        struct lb_profile_row *row = &profile->rows[i];
        bool is_same_site =
            row->call_site == call_site ||
            (row->call_site != NULL && call_site != NULL && strcmp(row->call_site, call_site) == 0);
        if (row->role == role && row->waits_for == waits_for && is_same_site) {
            row->count++;
            return;
        }
    }
    if (profile->count < profile->room) {
        profile->rows[profile->count++] = (struct lb_profile_row){role, waits_for, 1, call_site};
    }
}

/* profile_closed_site: what whoever takes a closed connection down waits for. */
static enum lb_site profile_closed_site(const struct lbi_connection *c)
{
    LB_ASSERT(c->state == LBI_CONNECTION_CLOSED);
    bool is_joining = c->is_finishing && c->pin_count == 0 && !c->is_reading;
    return is_joining && c->has_write_worker ? LB_SITE_JOIN_WRITE : LB_SITE_WAIT_WORKERS;
}

/* profile_dial_site: what a dial worker waits for; after the dial it is about to end. */
static enum lb_site profile_dial_site(const struct lbi_connection *c)
{
    switch (c->state) {
    case LBI_CONNECTION_DIALING:
        return LB_SITE_SOCKET_CONNECT;
    case LBI_CONNECTION_IDLE:
    case LBI_CONNECTION_BUSY:
        return LB_SITE_DIAL_DONE;
    case LBI_CONNECTION_CLOSED:
        break;
    }
    return profile_closed_site(c);
}

/* profile_read_site: what a read worker waits for. */
static enum lb_site profile_read_site(const struct lbi_connection *c)
{
    if (c->state == LBI_CONNECTION_CLOSED) {
        return profile_closed_site(c);
    }
    switch (c->exchange) {
    case LBI_EXCHANGE_NONE:
        return LB_SITE_SOCKET_READ_FIRST;
    case LBI_EXCHANGE_HEAD:
        if (c->is_write_awaited && !c->is_write_done) {
            return LB_SITE_WAIT_WRITTEN;
        }
        return c->is_answered ? LB_SITE_SOCKET_READ_HEAD : LB_SITE_SOCKET_READ_FIRST;
    case LBI_EXCHANGE_BODY:
        return LB_SITE_WAIT_BODY_END;
    case LBI_EXCHANGE_DRAIN:
        break;
    }
    bool is_behind = c->is_write_awaited && !c->is_write_done;
    return is_behind ? LB_SITE_WAIT_WRITTEN : LB_SITE_SOCKET_READ_DRAIN;
}

/* profile_write_site: what a write worker waits for. */
static enum lb_site profile_write_site(const struct lbi_connection *c)
{
    bool is_writing = c->is_write_begun && !c->is_write_done;
    return is_writing ? c->write_site : LB_SITE_WAIT_REQUEST;
}

/* profile_add_connection: the workers of one connection. */
static void profile_add_connection(struct profile *profile, const struct lbi_connection *c)
{
    LBI_CHECK_MAGIC(c, LBI_CONNECTION_MAGIC);
    bool is_open = c->exchange == LBI_EXCHANGE_BODY;
    const char *call_site = is_open ? c->request->call_site : NULL;
    if (!c->is_dial_joined) {
        profile_add(profile, LB_ROLE_DIAL, profile_dial_site(c), NULL);
    }
    if (c->has_read_worker) {
        profile_add(profile, LB_ROLE_READ, profile_read_site(c), call_site);
    }
    if (c->has_write_worker) {
        profile_add(profile, LB_ROLE_WRITE, profile_write_site(c), call_site);
    }
}

void lb_transport_profile(struct lb_transport *t, struct lb_profile_row *rows, size_t row_count,
                          size_t *ret_row_count)
{
    LBI_CHECK_MAGIC(t, LBI_TRANSPORT_MAGIC);
    LB_ASSERT(rows != NULL);
    LB_ASSERT(row_count > 0);
    LB_ASSERT(ret_row_count != NULL);
    struct profile profile = {rows, row_count, 0};
    lbi_lock(t, LB_SITE_POOL_PROFILE);
    for (const struct lbi_host *host = t->hosts; host != NULL; host = host->next) {
        for (const struct lbi_connection *c = host->connections; c != NULL; c = c->next) {
            profile_add_connection(&profile, c);
        }
    }
    lbi_unlock(t);
    *ret_row_count = profile.count;
}
