/*
 * The rules of a settled world: nobody can run, so whoever waits must have a reason that stands.
 *
 * Workers are judged through their connection, which is one of:
 *   dialing   not connected; its dial worker waits for the network;
 *   held      its last exchange's caller has the head and has neither read to the end, closed nor
 *             cancelled: a leak of the caller's, counted, not judged (E7);
 *   engaged   a caller is blocked inside send or read for it: judged through that caller;
 *   taken     its program has taken the socket over: none of the transport's;
 *   parked    everything else that still has workers: it must be idle, clean and waiting (E1, R1).
 * Blocked callers are judged by what they are owed: bytes, an end, a time-out, a connection (B5).
 */
#include <string.h>

#include "core/assert.h"
#include "stage.h"
#include "wire.h"

#define DECODED_FREE (1u << 20) /* what a coding may grow to whatever its ratio */

#define PROFILE_ROWS 64 /* of a profile; one with more is not judged */

enum standing {
    STANDING_DIALING,
    STANDING_HELD,
    STANDING_ENGAGED,
    STANDING_TAKEN,
    STANDING_PARKED,
};

/* A connection with its workers. */
struct place {
    size_t log_index;
    struct lb_net_log log;
    bool has_read, has_write, has_dial;
    struct lb_sim_view read, write, dial;
    const struct lb_wire_exchange *last;
    enum standing standing;
};

/* place_workers: the live workers that carry the connection's name. */
static void place_workers(const struct lb_world *world, struct place *place)
{
    for (uint32_t i = 0; i < world->view_count; i++) {
        const struct lb_sim_view *view = &world->views[i];
        if (view->state == LB_SIM_DONE || !lb_name_is(view->label, place->log.name)) {
            continue;
        }
        switch (view->role) {
        case LB_ROLE_READ:
            place->has_read = true;
            place->read = *view;
            break;
        case LB_ROLE_WRITE:
            place->has_write = true;
            place->write = *view;
            break;
        case LB_ROLE_DIAL:
            place->has_dial = true;
            place->dial = *view;
            break;
        case LB_ROLE_CALLER:
        case LB_ROLE_SERVER:
            break;
        }
    }
}

static bool caller_holds(const struct lb_caller *caller)
{
    return caller->code != 0 && caller->outcome == LB_OK && !caller->is_closed &&
           !caller->is_cancelled;
}

static bool caller_is_blocked(const struct lb_caller *caller)
{
    return caller->is_sending || caller->reading_count > 0;
}

/* was_sent_since: whether the caller's request was written somewhere after this connection began. */
static bool was_sent_since(const struct lb_world *world, const struct place *place,
                           const struct lb_caller *caller)
{
    const struct lb_wire_exchange *last = lb_wire_last_of(world, caller);
    LB_ASSERT(place->log.record_count > 0);
    return last != NULL && last->begin.sequence > place->log.records[0].sequence;
}

/* place_is_being_written: a fault holds up the write of a request that somebody waits for. */
static bool place_is_being_written(const struct lb_world *world, const struct place *place)
{
    for (uint32_t i = 0; i < world->c->request_count && place->log.is_write_held; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (caller->line != NULL && caller_is_blocked(caller) &&
            lb_wire_is_host_of(world, &place->log, caller)) {
            return true;
        }
    }
    return false;
}

/* place_standing: which of the four the connection is. */
static enum standing place_standing(const struct lb_world *world, const struct place *place)
{
    if (!place->log.is_connected) {
        return STANDING_DIALING;
    }
    if (lb_wire_is_taken(world, &place->log)) {
        return STANDING_TAKEN;
    }
    if (place_is_being_written(world, place)) {
        return STANDING_ENGAGED;
    }
    enum standing standing = STANDING_PARKED;
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (place->last == NULL && caller->code != 0 &&
            lb_wire_is_unasked(world, &place->log, caller) &&
            !was_sent_since(world, place, caller)) {
            return STANDING_ENGAGED;
        }
        if (place->last == NULL) {
            continue;
        }
        if (!lb_wire_is_of(world, place->last, caller) ||
            lb_wire_last_of(world, caller)->log_index != place->log_index) {
            continue; /* not its request, or sent again since */
        }
        if (caller_is_blocked(caller)) {
            return STANDING_ENGAGED;
        }
        if (caller_holds(caller)) {
            standing = STANDING_HELD;
        }
    }
    return standing;
}

static void place_make(const struct lb_world *world, size_t log_index, struct place *ret_place)
{
    memset(ret_place, 0, sizeof *ret_place);
    ret_place->log_index = log_index;
    lb_stage_log(world, log_index, &ret_place->log);
    place_workers(world, ret_place);
    ret_place->last = lb_wire_last(world->wire, log_index);
    ret_place->standing = place_standing(world, ret_place);
}

/* place_is_waiting: both workers stand where those of an idle connection stand. */
static bool place_is_waiting(const struct lb_world *world, const struct place *place)
{
    return place->has_read && place->has_write && place->read.state == LB_SIM_BLOCKING &&
           place->read.site == LB_SITE_SOCKET_READ_FIRST &&
           lb_stage_log_of(world, place->read.queue) == (ptrdiff_t)place->log_index &&
           place->write.site == LB_SITE_WAIT_REQUEST;
}

/* place_is_finishing: one of its workers waits for a time that has not come, or never comes: the end of
 * a drain, or of the request's write (E5, R7). */
static bool place_is_finishing(const struct lb_world *world, const struct place *place,
                               enum lb_phase phase)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    bool is_unwritten = place->last != NULL && place->last->upload.state != LB_UPLOAD_OVER;
    bool is_draining = place->has_read && place->read.site == LB_SITE_SOCKET_READ_DRAIN;
    if ((is_unwritten && options.written_duration_ns == LB_NEVER) ||
        (is_draining && options.drain_duration_ns == LB_NEVER)) {
        return true;
    }
    bool is_read = place->has_read && place->read.state == LB_SIM_BLOCKING &&
                   place->read.deadline_ns != LB_NEVER;
    bool is_write = place->has_write && place->write.state == LB_SIM_BLOCKING &&
                    place->write.deadline_ns != LB_NEVER;
    return phase == LB_PHASE_SCRIPT && (is_read || is_write);
}

/* judge_parked: a parked connection is idle, clean, and not for ever (E1, R1 to R3, B3). */
static void judge_parked(struct lb_world *world, const struct place *place, enum lb_phase phase)
{
    const struct lb_net_log *log = &place->log;
    if (!place_is_waiting(world, place)) {
        if (place_is_finishing(world, place, phase)) {
            return;
        }
        lb_world_find(world, "E1", "orphaned", "%s has workers at %s and %s that nothing will wake",
                      log->name,
                      place->has_read ? lb_site_label(place->read.site) : "(no read worker)",
                      place->has_write ? lb_site_label(place->write.site) : "(no write worker)");
        return;
    }
    if (phase == LB_PHASE_IDLE_CLOSED) {
        lb_world_find(world, "E1", "idle-after-close-idle", "%s outlives close-idle", log->name);
        return;
    }
    struct lb_transport_options options;
    lb_world_options(world, &options);
    if (phase == LB_PHASE_TIMEOUTS && options.idle_duration_ns != LB_NEVER) {
        lb_world_find(world, "B3", "idle-timeout", "%s outlives the idle time-out", log->name);
        return;
    }
    size_t read_size = log->sent_size - log->unread_size;
    struct lb_wire_mark now = {.sent_size = log->sent_size,
                               .read_size = read_size,
                               .is_server_ended = log->is_server_ended || log->is_reset};
    const char *context = NULL;
    const char *rule =
        place->last == NULL ? NULL : lb_wire_dirt(world, place->last, &now, &context);
    if (rule != NULL) {
        lb_world_find(world, rule, context, "%s is pooled though it is not clean", log->name);
    }
}

/* may_have_failed: whether a body can have come to an error that is told at the next read: of its framing,
 * in a line that has no end yet; of its coding: wrong, cut, or grown beyond its limit; or because there was
 * no memory for the socket of an upgrade. */
static bool may_have_failed(const struct lb_world *world, const struct lb_model *model)
{
    bool lacks_memory = world->fault.fault.kind == LB_FAULT_ALLOC && world->fault.is_reached;
    return model->is_line_open || (lacks_memory && model->framing == LB_MODEL_UPGRADED) ||
           (model->is_decoded &&
            (model->is_coding_wrong || model->is_coding_cut || model->body_size > DECODED_FREE));
}

/* judge_held: a connection behind an open body stays until the deadline, and not longer (E6, E7). */
static void judge_held(struct lb_world *world, const struct place *place)
{
    const struct lb_caller *caller = lb_wire_caller(world, place->last);
    const char *name = place->log.name;
    bool is_late = caller != NULL && lb_stage_now(world) >= caller->deadline_ns;
    bool is_server_over = place->log.is_server_ended || place->log.is_reset;
    if (is_late && place->has_read) {
        lb_world_find(world, "E6", "deadline", "%s stands behind a body past its deadline", name);
    } else if (!is_late && !place->has_read && !is_server_over && place->last->model.is_known &&
               !may_have_failed(world, &place->last->model)) {
        lb_world_find(world, "E7", "gone-under-an-open-body", "%s has no workers", name);
    } else if (place->has_read && place->read.site != LB_SITE_WAIT_BODY_END) {
        lb_world_find(world, "E7", "not-waiting-for-the-body", "the read worker of %s is at %s",
                      name, lb_site_label(place->read.site));
    }
}

/* judge_dialing: a dial worker waits for the network, and not beyond its time (E2, B3). */
static void judge_dialing(struct lb_world *world, const struct place *place, enum lb_phase phase)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    const char *name = place->log.name;
    if (place->has_dial && place->dial.site != LB_SITE_SOCKET_CONNECT) {
        lb_world_find(world, "E2", "dial-outlives-its-dial", "the dial worker of %s is at %s", name,
                      lb_site_label(place->dial.site));
    } else if (place->has_dial && phase != LB_PHASE_SCRIPT &&
               options.dial_duration_ns != LB_NEVER) {
        lb_world_find(world, "B3", "dial-timeout", "the dial of %s goes on beyond its time", name);
    }
}

/* judge_kept: a connection that was left clean is given back: its client closes it only for a reason
 * of the pool's, of which there is none where no limit, no close-idle and no time-out can play (E4). */
static void judge_kept(struct lb_world *world, const struct place *place)
{
    const struct lb_net_log *log = &place->log;
    struct lb_transport_options options;
    lb_world_options(world, &options);
    if (!log->is_shut || place->last == NULL || !place->last->is_located ||
        place->last->upload.has_body || !place->last->model.is_known ||
        !lb_wire_may_pool(world, log, &options)) {
        return;
    }
    struct lb_wire_mark mark;
    lb_wire_mark_at(log, LB_NET_SHUT, &mark);
    const char *context = NULL;
    const struct lb_caller *caller = lb_wire_caller(world, place->last);
    bool is_ended = caller != NULL && caller->outcome == LB_END;
    if (is_ended && lb_wire_dirt(world, place->last, &mark, &context) == NULL) {
        lb_world_find(world, "E4", "clean-connection-closed", "%s was closed though it was clean",
                      log->name);
    }
}

/* judge_single: a connection has both workers, or none (E2). */
static void judge_single(struct lb_world *world, const struct place *place)
{
    lb_world_find(world, "E2", place->has_read ? "read-alone" : "write-alone",
                  "of %s only the %s worker is left, at %s", place->log.name,
                  place->has_read ? "read" : "write",
                  lb_site_label(place->has_read ? place->read.site : place->write.site));
}

/* judge_place: the workers of one connection, both or none. */
static void judge_place(struct lb_world *world, const struct place *place, enum lb_phase phase)
{
    const char *name = place->log.name;
    LB_ASSERT(place->has_read == place->has_write);
    switch (place->standing) {
    case STANDING_DIALING:
        judge_dialing(world, place, phase);
        return;
    case STANDING_HELD:
        judge_held(world, place);
        return;
    case STANDING_ENGAGED:
        return;
    case STANDING_TAKEN:
        if (place->has_read || place->has_dial) {
            lb_world_find(world, "E1", "worker-behind-a-taken-socket", "%s has workers", name);
        }
        return;
    case STANDING_PARKED:
        if (place->has_dial) {
            lb_world_find(world, "E2", "dial-outlives-its-dial", "the dial worker of %s is at %s",
                          name, lb_site_label(place->dial.site));
        }
        if (place->has_read) {
            judge_parked(world, place, phase);
        } else if (place->log.is_open) {
            lb_world_find(world, "E1", "socket-without-workers", "%s is open", name);
        }
        return;
    }
}

/* judge_served: a caller blocked for an exchange: its server must owe it something (B5, E6). */
static void judge_served(struct lb_world *world, const struct lb_caller *caller, const char *name,
                         const struct lb_wire_exchange *exchange, enum lb_phase phase)
{
    struct lb_net_log log;
    lb_stage_log(world, exchange->log_index, &log);
    struct lb_transport_options options;
    lb_world_options(world, &options);
    const struct lb_model *model = &exchange->model;
    struct place place;
    place_make(world, exchange->log_index, &place);
    bool is_held_up = log.is_write_held && phase == LB_PHASE_SCRIPT;
    bool is_uploading = exchange->upload.state != LB_UPLOAD_OVER;
    if (is_held_up || (is_uploading && place_is_finishing(world, &place, phase))) {
        return; /* what has come may wait for the end of the write, for a while (R7) */
    }
    if (exchange->is_partial && !log.is_write_held) {
        lb_world_find(world, "B5", "request-not-written",
                      "%s waits for an answer on %s to a request "
                      "that is not written to its end",
                      name, log.name);
    } else if (log.unread_size > 0) {
        lb_world_find(world, "B5", "bytes-not-read", "%s waits beside %zu unread bytes on %s", name,
                      log.unread_size, log.name);
    } else if (log.is_server_ended || log.is_reset || log.is_shut) {
        lb_world_find(world, "E6", "death-not-told", "%s waits on %s, which has ended", name,
                      log.name);
    } else if (model->is_known && caller->is_sending && model->is_head_complete) {
        lb_world_find(world, "B5", "head-not-delivered", "%s waits for a head that came on %s",
                      name, log.name);
    } else if (model->is_known && caller->reading_count > 0 && model->is_complete) {
        lb_world_find(world, "B5", "end-not-told", "%s waits for an end that came on %s", name,
                      log.name);
    } else if (phase != LB_PHASE_SCRIPT && caller->is_sending && !log.is_write_held &&
               exchange->upload.state == LB_UPLOAD_OVER && options.head_duration_ns != LB_NEVER) {
        lb_world_find(world, "B3", "head-timeout", "%s waits for a head beyond its time", name);
    }
}

/* judge_caller: a blocked caller. Returns whether it waits for a connection. */
static bool judge_caller(struct lb_world *world, const struct lb_caller *caller, const char *name,
                         enum lb_phase phase)
{
    if (caller->has_taken) {
        return false; /* the socket is the program's */
    }
    if (lb_stage_now(world) > caller->deadline_ns) {
        lb_world_find(world, "B3", "deadline", "%s is blocked beyond its deadline", name);
        return false;
    }
    if (caller->is_cancelled && !caller->was_final_when_cancelled) {
        lb_world_find(world, "E6", "cancel", "%s was cancelled and is still blocked", name);
        return false;
    }
    if (caller->is_closed && caller->reading_count > 0) {
        lb_world_find(world, "B1", "close-beside-read", "%s was closed and a read is still blocked",
                      name);
        return false;
    }
    if (caller->code != 0 && lb_wire_has_unasked(world, caller)) {
        return false;
    }
    const struct lb_wire_exchange *exchange = lb_wire_last_of(world, caller);
    if (exchange == NULL) {
        return caller->is_sending;
    }
    struct lb_net_log log;
    lb_stage_log(world, exchange->log_index, &log);
    if (caller->is_sending && caller->source.is_reading) {
        return false; /* whatever it is to do next, its source holds it up */
    }
    if (caller->is_sending && log.is_shut) {
        return true; /* it was carried away from there, and is sent again */
    }
    if (exchange->is_located) {
        judge_served(world, caller, name, exchange, phase);
    }
    return false;
}

/* judge_waiters: requests that wait for a connection to a host: a dial each, or a full host (B5). */
static void judge_waiters(struct lb_world *world, int32_t host, uint32_t waiting,
                          enum lb_phase phase)
{
    const char *name = world->c->hosts[host].name;
    struct lb_transport_options options;
    lb_world_options(world, &options);
    uint32_t limit = options.connections_per_host_max;
    uint32_t open = 0;
    uint32_t dials = 0;
    uint32_t parked = 0;
    uint32_t held = 0; /* requests that have a connection, which shows when they are written */
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct place place;
        place_make(world, i, &place);
        if (!lb_name_is(place.log.host, name) || !place.log.is_open ||
            place.standing == STANDING_TAKEN) {
            continue;
        }
        bool is_idle =
            place.standing == STANDING_PARKED &&
            (place_is_waiting(world, &place) || !place_is_finishing(world, &place, phase));
        open++;
        held += place.log.is_write_held ? 1 : 0;
        dials += place.has_dial ? 1 : 0;
        parked += is_idle ? 1 : 0;
    }
    waiting -= held < waiting ? held : waiting;
    if (waiting > 0 && parked > 0) {
        lb_world_find(world, "B5", "waiter-beside-idle", "%u requests wait for %s beside %u idle",
                      (unsigned)waiting, name, (unsigned)parked);
    } else if (waiting > dials && (limit == 0 || open < limit)) {
        lb_world_find(world, "B5", "waiter-forgotten",
                      "%u requests wait for %s, %u dials, %u open, limit %u", (unsigned)waiting,
                      name, (unsigned)dials, (unsigned)open, (unsigned)limit);
    }
}

/* judge_idle: no more connections are parked than the pool may hold (B2). */
static void judge_idle(struct lb_world *world, const struct place *place, enum lb_phase phase,
                       uint32_t *parked_count)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    if (place->standing != STANDING_PARKED || !place->has_read ||
        (!place_is_waiting(world, place) && place_is_finishing(world, place, phase))) {
        return;
    }
    int32_t host = 0;
    while (!lb_name_is(world->c->hosts[host].name, place->log.host)) {
        host++;
    }
    parked_count[host]++;
    parked_count[LB_CASE_HOSTS_MAX]++;
    if (parked_count[host] > options.idle_per_host_max) {
        lb_world_find(world, "B2", "idle-per-host", "%s is one idle connection too many",
                      place->log.name);
    }
    if (options.idle_total_max != 0 && parked_count[LB_CASE_HOSTS_MAX] > options.idle_total_max) {
        lb_world_find(world, "B2", "idle-total", "%s is one idle connection too many",
                      place->log.name);
    }
}

static void judge_callers(struct lb_world *world, enum lb_phase phase)
{
    uint32_t waiting[LB_CASE_HOSTS_MAX] = {0};
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (caller_is_blocked(caller) &&
            judge_caller(world, caller, world->c->requests[i], phase)) {
            waiting[caller->line->host]++;
        }
    }
    for (uint32_t h = 0; h < world->c->host_count; h++) {
        if (waiting[h] > 0) {
            judge_waiters(world, (int32_t)h, waiting[h], phase);
        }
    }
}

/* judge_source: a source is closed when its request is over, and when it is cancelled at once (O2,
 * E9). */
static void judge_source(struct lb_world *world, const struct lb_caller *caller,
                         enum lb_phase phase)
{
    const struct lb_world_source *source = &caller->source;
    if (source->script == NULL || source->close_count > 0) {
        return;
    }
    bool is_late = lb_stage_now(world) >= caller->deadline_ns;
    bool is_cancelled = caller->is_cancelled && !caller->was_final_when_cancelled;
    bool is_over = caller->outcome != LB_OK || caller->is_closed;
    if (is_cancelled || is_late) {
        lb_world_find(world, "E9", is_late ? "open-past-the-deadline" : "open-after-the-cancel",
                      "the source of %s is open", source->name);
    } else if (phase == LB_PHASE_FREED || (is_over && phase != LB_PHASE_SCRIPT)) {
        lb_world_find(world, "O2",
                      phase == LB_PHASE_FREED ? "never-closed" : "open-after-its-exchange",
                      "the source of %s is open", source->name);
    }
}

/* judge_freed: nothing is left of a transport that was freed (E3). */
static void judge_freed(struct lb_world *world)
{
    for (uint32_t i = 0; i < world->view_count; i++) {
        const struct lb_sim_view *view = &world->views[i];
        if (view->state != LB_SIM_DONE && view->role != LB_ROLE_SERVER) {
            lb_world_find(world, "E3", lb_role_word(view->role), "%s(%s) is left at %s",
                          lb_role_word(view->role), view->label, lb_site_label(view->site));
        } else if (!view->is_joined && view->role != LB_ROLE_SERVER &&
                   view->role != LB_ROLE_CALLER) {
            lb_world_find(world, "E3", "not-joined", "%s(%s) was never joined",
                          lb_role_word(view->role), view->label);
        }
    }
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        if (log.is_open) {
            lb_world_find(world, "E3", "socket", "%s is left open", log.name);
        }
    }
    if (world->memory.block_count > 0) {
        lb_world_find(world, "E3", "memory", "%llu blocks are left",
                      (unsigned long long)world->memory.block_count);
    }
}

/* judge_profile: the transport's own list of its live workers, against the simulation's (E1): a leak that
 * it does not show is one that nobody finds. */
static void judge_profile(struct lb_world *world)
{
    struct lb_profile_row rows[PROFILE_ROWS];
    size_t row_count = 0;
    uint32_t listed[LB_ROLE_COUNT] = {0};
    lb_transport_profile(world->transport, rows, PROFILE_ROWS, &row_count);
    if (row_count == PROFILE_ROWS) {
        return; /* there may be more */
    }
    for (size_t i = 0; i < row_count; i++) {
        listed[rows[i].role] += rows[i].count;
    }
    for (uint32_t i = 0; i < world->view_count; i++) {
        listed[world->views[i].role] -= world->views[i].state == LB_SIM_DONE ? 0 : 1;
    }
    if (listed[LB_ROLE_READ] != 0 || listed[LB_ROLE_WRITE] != 0 || listed[LB_ROLE_DIAL] != 0) {
        lb_world_find(world, "E1", "profile-miscounts", "the profile does not show who is there");
    }
}

/* world_look: every worker once: nobody moves while a settled world is judged. */
static void world_look(struct lb_world *world)
{
    world->view_count = lb_stage_worker_count(world);
    LB_ASSERT(world->view_count <= LB_SIM_WORKERS_MAX);
    for (uint32_t i = 0; i < world->view_count; i++) {
        lb_stage_view(world, i, &world->views[i]);
    }
}

/* judge_places: connections, and who is blocked; who holds or awaits which only where that can be told. */
static void judge_places(struct lb_world *world, enum lb_phase phase)
{
    uint32_t parked_count[LB_CASE_HOSTS_MAX + 1] = {0};
    bool is_told = !lb_wire_has_foundling(world);
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct place place;
        place_make(world, i, &place);
        if (place.has_read != place.has_write) {
            judge_single(world, &place);
        } else if (is_told) {
            judge_place(world, &place, phase);
        }
        if (is_told) {
            judge_idle(world, &place, phase, parked_count);
        }
        if (is_told && phase == LB_PHASE_SCRIPT) {
            judge_kept(world, &place);
        }
    }
    if (is_told) {
        judge_callers(world, phase);
    }
}

void lb_rules_settled(struct lb_world *world, enum lb_phase phase)
{
    LB_ASSERT(world->stage != NULL || lb_sim_current(world->sim) < 0);
    world_look(world);
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        judge_source(world, &world->callers[i], phase);
    }
    if (phase == LB_PHASE_FREED) {
        judge_freed(world);
        return;
    }
    lb_wire_read(world);
    judge_places(world, phase);
    if (world->stage == NULL) {
        judge_profile(world);
    }
}
