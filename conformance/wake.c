/*
 * Who could wake whom: for each blocked worker the set of those that can end its wait, and from these
 * sets, as their fixpoint, who it depends on in the end.
 *
 * Mental model. A worker's wait is an object and what has to happen to it; both follow from the site at
 * which it blocks, the queue, and whom it works for: read(a.1) at wait.body-end waits for the body of the
 * exchange on a.1 to be read to its end, closed or cancelled. lbi_wake_may says which other worker may do
 * that, if it runs. The fixpoint begins with what acts by itself:
 *
 *   time     the wait has a deadline
 *   peer     it is for the network, and the server has not ended the connection
 *   pool     the connection is idle: a request, close-idle or the idle time-out takes it
 *   caller   the program holds the open body's handle, or has handed over the source that blocks
 *   runner   somebody who can run
 *
 * and adds every worker that one of those in it may wake. Whoever stays outside is an orphan: nobody can
 * ever wake it. That the client may be destroyed does not count: it would take everything back.
 *
 * Invariants: only the simulation, the network's record, the program's state and the story are looked at,
 * never the transport. Where a worker's wait is not known, whoever works for the same connection may end
 * it: an orphan is one for certain.
 */
#include <string.h>

#include "story_inside.h"

#define WAKE_ALL (LBI_WAKE_TIME | LBI_WAKE_PEER | LBI_WAKE_POOL | LBI_WAKE_CALLER | LBI_WAKE_RUNNER)

static const struct lbi_story_conn *conn_find(const struct lb_story *story, const char *name)
{
    for (uint32_t i = 0; i < story->conn_count; i++) {
        if (lb_name_is(story->conns[i].name, name)) {
            return &story->conns[i];
        }
    }
    return NULL;
}

/* request_of_id: index of the request that the transport knows by that number; -1: none. */
static int32_t request_of_id(const struct lb_world *world, uint64_t id)
{
    for (uint32_t i = 0; i < world->c->request_count && id != 0; i++) {
        if (world->callers[i].id == id) {
            return (int32_t)i;
        }
    }
    return -1;
}

static bool view_is(const struct lb_sim_view *view, enum lb_role role, const char *label)
{
    return view->role == role && lb_name_is(view->label, label);
}

/* wake_conn: the connection that a worker stands behind; NULL: none. */
static const struct lbi_story_conn *wake_conn(const struct lb_world *world, uint32_t worker)
{
    const struct lb_sim_view *view = &world->story->views[worker];
    if (view->role != LB_ROLE_CALLER) {
        return conn_find(world->story, view->label);
    }
    ptrdiff_t log_index = lb_net_log_of(world->net, view->queue);
    if (log_index < 0) {
        return NULL;
    }
    struct lb_net_log log;
    lb_net_log(world->net, (size_t)log_index, &log);
    return conn_find(world->story, log.name);
}

/* wake_request: index of the request that a worker is about; -1: none. */
static int32_t wake_request(const struct lb_world *world, uint32_t worker)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[worker];
    if (view_is(view, LB_ROLE_CALLER, "main")) {
        return story->line == NULL ? -1 : story->line->request;
    }
    if (view->role == LB_ROLE_CALLER) {
        for (uint32_t i = 0; i < world->c->request_count; i++) {
            if (lb_name_is(world->c->requests[i], view->label)) {
                return (int32_t)i;
            }
        }
        return -1;
    }
    const struct lbi_story_conn *conn = story->conn_of[worker];
    return conn == NULL ? -1 : request_of_id(world, conn->request);
}

/* line_acts: whether a line does something to the exchange of its request. */
static bool line_acts(const struct lb_line *line)
{
    return lb_verb_is_request(line->verb) || line->verb == LB_VERB_READ ||
           line->verb == LB_VERB_CLOSE || line->verb == LB_VERB_CANCEL ||
           line->verb == LB_VERB_WRITE;
}

/* program_acts: the requests that the program does something to: inside a call, or in a line to come. */
static uint64_t program_acts(const struct lb_world *world)
{
    LB_STATIC_ASSERT(LB_CASE_REQUESTS_MAX <= 64, "a bit for each request");
    uint64_t acts = 0;
    for (uint32_t i = world->story->program_at; i < world->c->client.count && !world->is_ending;
         i++) {
        const struct lb_line *line = &world->c->client.lines[i];
        acts |= line->request >= 0 && line_acts(line) ? UINT64_C(1) << line->request : 0;
    }
    return acts;
}

static bool is_program(const struct lb_sim_view *view)
{
    return view_is(view, LB_ROLE_CALLER, "main");
}

/* acts_on: whether a caller, if it runs, does something to a request. */
static bool acts_on(const struct lb_world *world, uint32_t by, int32_t request)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[by];
    if (view->role != LB_ROLE_CALLER || request < 0) {
        return false;
    }
    if (is_program(view)) {
        return (story->acts >> request & 1) != 0;
    }
    const struct lb_caller *caller = &world->callers[request];
    return story->request_of[by] == request && caller->is_pending && !caller->is_pending_done;
}

/* is_host_of: whether a connection is one to the host of a request. */
static bool is_host_of(const struct lb_world *world, const char *conn, int32_t request)
{
    if (request < 0 || world->callers[request].line == NULL) {
        return false;
    }
    const char *host = world->c->hosts[world->callers[request].line->host].name;
    size_t size = strlen(host);
    return strncmp(conn, host, size) == 0 && conn[size] == '.';
}

/* serves: whether a read or write worker works for the connection that a request is on. */
static bool serves(const struct lb_world *world, uint32_t by, int32_t request)
{
    const struct lb_sim_view *view = &world->story->views[by];
    bool is_ours = view->role == LB_ROLE_READ || view->role == LB_ROLE_WRITE;
    return is_ours && request >= 0 && world->story->request_of[by] == request;
}

/* may_connect: whether it may bring a waiting request to a connection, or end its wait. */
static bool may_connect(const struct lb_world *world, uint32_t by, int32_t request)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[by];
    if (view->role == LB_ROLE_DIAL || view->role == LB_ROLE_READ) {
        return is_host_of(world, view->label, request);
    }
    if (acts_on(world, by, request)) {
        return true;
    }
    for (uint32_t i = 0; i < story->conn_count; i++) {
        const struct lbi_story_conn *conn = &story->conns[i];
        if (!conn->is_closed && is_host_of(world, conn->name, request) &&
            acts_on(world, by, request_of_id(world, conn->request))) {
            return true;
        }
    }
    return false;
}

bool lbi_wake_may(const struct lb_world *world, uint32_t by, uint32_t blocked)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[blocked];
    const struct lb_sim_view *other = &story->views[by];
    LB_ASSERT(view->state == LB_SIM_BLOCKING);
    if (by == blocked || view->wait == LB_SIM_WAIT_QUIET) {
        return false;
    }
    if (view->wait == LB_SIM_WAIT_LOCK || view->wait == LB_SIM_WAIT_END) {
        return view->holder == (int32_t)by;
    }
    if (view_is(other, LB_ROLE_CALLER, "postlude")) {
        return other->state == LB_SIM_RUNNABLE;
    }
    int32_t request = story->request_of[blocked];
    const struct lbi_story_conn *conn = story->conn_of[blocked];
    bool is_same = conn != NULL && story->conn_of[by] == conn;
    bool is_read = is_same && other->role == LB_ROLE_READ;
    bool is_write = is_same && other->role == LB_ROLE_WRITE;
    bool is_dial = is_same && other->role == LB_ROLE_DIAL;
    switch ((int)view->site) {
    case LB_SITE_WAIT_BODY_END:
        return acts_on(world, by, request) ||
               (is_write && other->site != LB_SITE_WAIT_REQUEST && !conn->is_closed);
    case LB_SITE_WAIT_REQUEST:
    case LB_SITE_WAIT_CONTINUE:
        return is_read || acts_on(world, by, request);
    case LB_SITE_WAIT_WORKERS:
    case LB_SITE_WAIT_WRITTEN:
        return is_write || is_dial;
    case LB_SITE_WAIT_CONNECTION:
        return may_connect(world, by, request);
    case LB_SITE_WAIT_HEAD:
    case LB_SITE_WAIT_READER:
        return serves(world, by, request) || acts_on(world, by, request);
    case LB_SITE_WAIT_RELEASE:
        return other->role == LB_ROLE_WRITE && is_host_of(world, other->label, request);
    case LB_SITE_WAIT_DRAINED:
        return other->role == LB_ROLE_READ || other->role == LB_ROLE_WRITE ||
               other->role == LB_ROLE_DIAL;
    case LB_SITE_CALLER_WAIT:
        return request >= 0 && other->role == LB_ROLE_CALLER && !is_program(other) &&
               story->request_of[by] == request;
    default:
        return is_read || is_write || is_dial || acts_on(world, by, request);
    }
}

/* is_held: whether the program holds an open body, and nobody is inside it: it can still end it. */
static bool is_held(const struct lb_world *world, int32_t request)
{
    if (request < 0) {
        return false;
    }
    const struct lb_caller *caller = &world->callers[request];
    return caller->code != 0 && caller->outcome == LB_OK && !caller->is_closed &&
           !caller->is_cancelled && !caller->is_dropped && caller->reading_count == 0;
}

/* wake_roots: who acts by itself and may end the wait of a worker. */
static uint32_t wake_roots(const struct lb_world *world, uint32_t worker)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[worker];
    switch (view->state) {
    case LB_SIM_DONE:
        return WAKE_ALL;
    case LB_SIM_RUNNABLE:
        return LBI_WAKE_RUNNER;
    case LB_SIM_BLOCKING:
        break;
    }
    uint32_t roots = view->deadline_ns == LB_NEVER ? 0 : LBI_WAKE_TIME;
    roots |= view->wait == LB_SIM_WAIT_QUIET ? LBI_WAKE_RUNNER : 0;
    roots |= view->role == LB_ROLE_SERVER ? LBI_WAKE_PEER : 0;
    ptrdiff_t log_index = lb_net_log_of(world->net, view->queue);
    if (log_index >= 0) {
        struct lb_net_log log;
        lb_net_log(world->net, (size_t)log_index, &log);
        roots |= log.is_server_ended || log.is_reset ? 0 : LBI_WAKE_PEER;
    }
    const struct lbi_story_conn *conn = story->conn_of[worker];
    bool is_pooled = conn != NULL && conn->is_idle && world->transport != NULL;
    roots |= is_pooled && view->role != LB_ROLE_CALLER ? LBI_WAKE_POOL : 0;
    if (view->site == LB_SITE_SOURCE_READ ||
        (view->site == LB_SITE_WAIT_BODY_END && is_held(world, story->request_of[worker]))) {
        roots |= LBI_WAKE_CALLER;
    }
    return roots;
}

/* wake_through: adds to a worker's set those of the workers that may wake it; whether that was more. Who
 * waits for the end of all is woken by the last: by none, if one of them is never woken. Unless is_full,
 * the first that is found is enough. */
static bool wake_through(const struct lb_world *world, uint32_t worker, bool is_full)
{
    struct lb_story *story = world->story;
    uint32_t found = story->wakes[worker];
    bool is_all = story->views[worker].site == LB_SITE_WAIT_DRAINED;
    for (uint32_t i = 0; i < story->alive_count && (is_full || is_all || found == 0); i++) {
        uint32_t by = story->alive[i];
        if ((story->wakes[by] == 0 && !is_all) || !lbi_wake_may(world, by, worker)) {
            continue;
        }
        if (story->wakes[by] == 0) {
            return false;
        }
        if (story->via[worker] < 0 && (story->wakes[by] & ~found) != 0) {
            story->via[worker] = (int32_t)by;
        }
        found |= story->wakes[by];
    }
    bool is_more = found != story->wakes[worker];
    story->wakes[worker] = found;
    return is_more;
}

/* wake_look: what is needed of each worker as it stands now. */
static void wake_look(const struct lb_world *world)
{
    struct lb_story *story = world->story;
    LB_ASSERT(story->worker_count <= LB_SIM_WORKERS_MAX);
    story->alive_count = 0;
    story->acts = program_acts(world);
    for (uint32_t i = 0; i < story->worker_count; i++) {
        lb_sim_view(world->sim, i, &story->views[i]);
        if (story->views[i].state != LB_SIM_DONE) {
            story->alive[story->alive_count++] = (uint16_t)i;
            story->conn_of[i] = wake_conn(world, i);
            story->request_of[i] = (int16_t)wake_request(world, i);
        }
        story->roots[i] = wake_roots(world, i);
        story->wakes[i] = story->roots[i];
        story->via[i] = -1;
    }
}

void lbi_wake_settle(const struct lb_world *world, bool is_full)
{
    struct lb_story *story = world->story;
    wake_look(world);
    bool is_more = true;
    while (is_more) {
        is_more = false;
        for (uint32_t i = 0; i < story->alive_count; i++) {
            uint32_t worker = story->alive[i];
            bool is_open = story->views[worker].state == LB_SIM_BLOCKING &&
                           (is_full || story->wakes[worker] == 0);
            is_more = (is_open && wake_through(world, worker, is_full)) || is_more;
        }
    }
}
