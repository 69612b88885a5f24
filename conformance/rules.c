/*
 * The rules that hold for every case, judged from traffic: what each connection carried (wire.h), and
 * what each caller was given for its request.
 *
 * What a caller saw must be explained by one of the exchanges that carried its request. The judge
 * only speaks where the model knows the bytes; a request that several callers share by its path is
 * judged by whether any exchange explains it.
 */
#include "core/assert.h"
#include "sim/net.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

/* A broken rule. NULL rule: none. */
struct breach {
    const char *rule;
    const char *context;
};

static const char *const framing_words[] = {"none", "length", "chunked", "until-close"};

/* body_breach: the bytes and the end that a caller saw, against the model's body (F1, F2). */
static struct breach body_breach(const struct lb_wire_exchange *exchange,
                                 const struct lb_caller *caller)
{
    const struct lb_model *model = &exchange->model;
    size_t compared =
        caller->received_size < model->body_size ? caller->received_size : model->body_size;
    if (compared > 0 && memcmp(caller->received, exchange->body, compared) != 0) {
        return (struct breach){"F1", "other-bytes"};
    }
    if (!model->is_known) {
        return (struct breach){NULL, NULL};
    }
    if (caller->received_size > model->body_size) {
        return (struct breach){"F1", "more-bytes-than-sent"};
    }
    if (caller->outcome == LB_END && !model->is_complete) {
        return (struct breach){"F2", framing_words[model->framing]};
    }
    if (caller->outcome == LB_END && caller->received_size < model->body_size) {
        return (struct breach){"F1", "end-before-all-bytes"};
    }
    return (struct breach){NULL, NULL};
}

/* error_breach: an error that the network did not cause (F6, F12). */
static struct breach error_breach(const struct lb_wire_exchange *exchange,
                                  const struct lb_net_log *log, const struct lb_caller *caller)
{
    const struct lb_model *model = &exchange->model;
    switch (caller->outcome) {
    case LB_PROTOCOL:
        if (model->is_known && !model->is_line_open) {
            return (struct breach){"F12", "well-formed-refused"};
        }
        break;
    case LB_INCOMPLETE:
        if (model->is_known && model->is_complete) {
            return (struct breach){"F2", "complete-called-incomplete"};
        }
        if (!log->is_server_ended) {
            return (struct breach){"F6", "incomplete-without-an-end"};
        }
        break;
    case LB_RESET: /* or what came before anything was written has spoiled the connection (R3) */
        if (!log->is_reset && !log->is_server_ended && log->written_size > 0) {
            return (struct breach){"F6", "reset-without-a-reset"};
        }
        break;
    case LB_OK:
    case LB_END:
    case LB_AGAIN:
    case LB_CANCELLED:
    case LB_TIMEOUT:
    case LB_REFUSED:
    case LB_CLOSED:
    case LB_LIMIT:
    case LB_MEMORY:
    case LB_SOURCE:
        break;
    }
    return (struct breach){NULL, NULL};
}

/* exchange_breach: whether one exchange explains what the caller saw. */
static struct breach exchange_breach(const struct lb_world *world,
                                     const struct lb_wire_exchange *exchange,
                                     const struct lb_caller *caller)
{
    const struct lb_model *model = &exchange->model;
    if (!exchange->is_located) {
        return (struct breach){NULL, NULL};
    }
    struct lb_net_log log;
    lb_net_log(world->net, exchange->log_index, &log);
    struct breach breach = error_breach(exchange, &log, caller);
    if (breach.rule != NULL || caller->code == 0) {
        return breach;
    }
    if (model->is_faulty) {
        return (struct breach){"F12", "faulty-length-accepted"};
    }
    if (!model->is_head_complete) {
        return model->is_known ? (struct breach){"F5", "answer-before-a-response"} : breach;
    }
    if (model->code != caller->code) {
        return (struct breach){"F5", "another-status"};
    }
    return body_breach(exchange, caller);
}

/* unasked_breach: the same for a connection on which nothing was written: what its server has sent, or
 * that it has ended, may be the answer to any request to the host. has_any: there is such a one. */
static struct breach unasked_breach(const struct lb_world *world, const struct lb_caller *caller,
                                    bool *ret_has_any)
{
    struct breach breach = {NULL, NULL};
    *ret_has_any = false;
    for (size_t i = 0; i < lb_net_log_count(world->net); i++) {
        struct lb_net_log log;
        lb_net_log(world->net, i, &log);
        bool is_over = log.is_server_ended || log.is_reset;
        if (!lb_wire_is_unasked(world, &log, caller) &&
            !(is_over && log.written_size == 0 && lb_wire_is_host_of(world, &log, caller))) {
            continue;
        }
        struct lb_wire_exchange exchange;
        uint8_t *body = malloc(log.sent_size + 1);
        LB_ASSERT(body != NULL);
        *ret_has_any = true;
        lb_wire_read_unasked(world, i, caller, body, &exchange);
        breach = exchange_breach(world, &exchange, caller);
        free(body);
        if (breach.rule == NULL) {
            return breach;
        }
    }
    return breach;
}

/* is_server_to_blame: whether a request of which nothing was written may have ended as it did: with an
 * error that a server causes only if some connection to the host has ended, or said something. */
static bool is_server_to_blame(const struct lb_world *world, const struct lb_caller *caller)
{
    bool is_caused = caller->outcome == LB_INCOMPLETE || caller->outcome == LB_RESET ||
                     caller->outcome == LB_PROTOCOL;
    for (size_t i = 0; i < lb_net_log_count(world->net) && is_caused; i++) {
        struct lb_net_log log;
        lb_net_log(world->net, i, &log);
        bool is_over = log.is_server_ended || log.is_reset || log.sent_size > 0;
        is_caused = !(is_over && lb_wire_is_host_of(world, &log, caller));
    }
    return !is_caused;
}

/* judge_answer: what a caller saw must be explained by an exchange of its request. */
static void judge_answer(struct lb_world *world, const struct lb_caller *caller, const char *name)
{
    struct breach breach = {NULL, NULL};
    bool has_exchange = false;
    for (uint32_t i = 0; i < world->wire->count; i++) {
        const struct lb_wire_exchange *exchange = &world->wire->exchanges[i];
        if (!lb_wire_is_of(world, exchange, caller)) {
            continue;
        }
        has_exchange = true;
        breach = exchange_breach(world, exchange, caller);
        if (breach.rule == NULL) {
            return;
        }
    }
    bool has_unasked = false;
    struct breach unasked = unasked_breach(world, caller, &has_unasked);
    if (has_unasked) {
        breach = unasked.rule == NULL || !has_exchange ? unasked : breach;
    } else if (!has_exchange && caller->code != 0) {
        breach = (struct breach){"F5", "answer-without-a-request"};
    } else if (!has_exchange && !is_server_to_blame(world, caller)) {
        breach = (struct breach){"F6", "error-without-a-connection"};
    }
    if (breach.rule != NULL) {
        lb_world_find(world, breach.rule, breach.context,
                      "%s was given %u, %zu bytes and \"%s\", which no exchange of it explains",
                      name, (unsigned)caller->code, caller->received_size,
                      lb_status_word(caller->outcome));
    }
}

/* judge_cause: outcomes that only the caller or a time-out can bring (F6, B3). */
static void judge_cause(struct lb_world *world, const struct lb_caller *caller, const char *name)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    uint64_t earliest_ns = caller->deadline_ns - caller->start_time_ns;
    earliest_ns = options.head_duration_ns < earliest_ns ? options.head_duration_ns : earliest_ns;
    earliest_ns = options.dial_duration_ns < earliest_ns ? options.dial_duration_ns : earliest_ns;
    if (caller->outcome == LB_TIMEOUT &&
        caller->outcome_time_ns - caller->start_time_ns < earliest_ns) {
        lb_world_find(world, "B3", "too-early", "%s timed out before any of its limits", name);
    }
    if (caller->outcome == LB_REFUSED && !lb_wire_was_refused(world, caller)) {
        lb_world_find(world, "F6", "refused-by-nobody", "%s was refused, and no dial was", name);
    }
    if (caller->outcome == LB_CANCELLED && !caller->is_cancelled) {
        lb_world_find(world, "F6", "cancelled-by-nobody", "%s was never cancelled", name);
    }
    if (caller->outcome == LB_CLOSED && !caller->is_closed && !world->is_ending) {
        lb_world_find(world, "F6", "closed-by-nobody", "%s was never closed", name);
    }
}

/* judge_memory: requests that ran out of memory: one fault of memory explains one of them (F6, B7). */
static void judge_memory(struct lb_world *world)
{
    enum lb_fault_kind kind = world->fault.fault.kind;
    bool is_explained = world->fault.is_reached && world->fault.fault.how == LB_FAULT_MEMORY;
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        count += world->callers[i].outcome == LB_MEMORY ? 1 : 0;
    }
    if (count > (is_explained ? 1u : 0u)) {
        lb_world_find(world, "F6", "memory-without-a-cause",
                      "%u requests ran out of memory, the fault is: %s", (unsigned)count,
                      lb_fault_kind_word(kind));
    }
}

/* judge_reuse: each request after a connection's first must have found it clean (R1 to R4). */
static void judge_reuse(struct lb_world *world)
{
    for (uint32_t i = 1; i < world->wire->count; i++) {
        const struct lb_wire_exchange *exchange = &world->wire->exchanges[i];
        if (exchange->ordinal == 0) {
            continue;
        }
        const char *context = NULL;
        const char *rule = lb_wire_dirt(world, exchange - 1, &exchange->begin, &context);
        if (rule != NULL) {
            struct lb_net_log log;
            lb_net_log(world->net, exchange->log_index, &log);
            lb_world_find(world, rule, context, "request %u on %s found the connection unclean",
                          (unsigned)exchange->ordinal + 1, log.name);
        }
    }
}

/* log_has_read_since: whether the client has read bytes on a connection since a moment. */
static bool log_has_read_since(const struct lb_net_log *log, uint32_t sequence)
{
    for (size_t i = 0; i < log->record_count; i++) {
        if (log->records[i].kind == LB_NET_READ && log->records[i].sequence > sequence) {
            return true;
        }
    }
    return false;
}

/* has_written_at_once: whether a connection's first request was written in the moment in which it was
 * made: it cannot have lain in the pool. */
static bool has_written_at_once(const struct lb_net_log *log)
{
    for (size_t i = 1; i < log->record_count; i++) {
        if (log->records[i].kind == LB_NET_WROTE) {
            return log->records[i - 1].kind == LB_NET_CONNECTED;
        }
    }
    return false;
}

/* judge_after: after send has returned an error, nothing of the request is written any more (B6). */
static void judge_after(struct lb_world *world)
{
    for (uint32_t i = 0; i < world->wire->count; i++) {
        const struct lb_caller *caller = lb_wire_caller(world, &world->wire->exchanges[i]);
        if (caller == NULL || caller->code != 0 || caller->outcome <= LB_AGAIN) {
            continue;
        }
        struct lb_net_log log;
        lb_net_log(world->net, world->wire->exchanges[i].log_index, &log);
        const struct lb_net_record *last = NULL;
        for (size_t j = 0; j < log.record_count; j++) {
            last = log.records[j].kind == LB_NET_WROTE ? &log.records[j] : last;
        }
        if (last != NULL && last->sequence >= caller->outcome_sequence) {
            lb_world_find(world, "B6", "written-after-the-error",
                          "%s was written to after its request had failed", log.name);
        }
    }
}

/* judge_tries: a request is not sent again for ever (R5, B5). */
static void judge_tries(struct lb_world *world)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        uint64_t tries = 0;
        for (uint32_t j = 0; j < world->wire->count; j++) {
            const struct lb_wire_exchange *exchange = &world->wire->exchanges[j];
            tries += lb_wire_caller(world, exchange) == &world->callers[i] ? 1 : 0;
        }
        if (tries > (uint64_t)options.retries_max + 1) {
            lb_world_find(world, "R5", "too-often", "%s was sent %llu times", world->c->requests[i],
                          (unsigned long long)tries);
        }
    }
}

/* judge_retry: a request is sent again only on account of a connection that was reused, and only
 * when not a byte of a response to it had been read there (R5). */
static void judge_retry(struct lb_world *world)
{
    for (uint32_t i = 0; i < world->wire->count; i++) {
        const struct lb_wire_exchange *first = &world->wire->exchanges[i];
        const struct lb_caller *caller = lb_wire_caller(world, first);
        const struct lb_wire_exchange *last =
            caller == NULL ? NULL : lb_wire_last_of(world, caller);
        if (last == NULL || last == first || first->begin.sequence > last->begin.sequence) {
            continue;
        }
        struct lb_net_log log;
        lb_net_log(world->net, first->log_index, &log);
        if (first->ordinal == 0 && has_written_at_once(&log)) {
            lb_world_find(world, "R5", "not-a-reused-connection",
                          "a request was sent again although %s had been made for it", log.name);
        }
        if (log_has_read_since(&log, first->begin.sequence)) {
            lb_world_find(world, "R5", "response-bytes-had-come",
                          "a request was sent again although %s had begun to answer it", log.name);
        }
    }
}

/* moment_of: when a connection did something first; UINT32_MAX: never. */
static uint32_t moment_of(const struct lb_net_log *log, enum lb_net_record_kind kind)
{
    for (size_t i = 0; i < log->record_count; i++) {
        if (log->records[i].kind == kind) {
            return log->records[i].sequence;
        }
    }
    return UINT32_MAX;
}

/* judge_limit: the sockets of a host that were open when one more was opened (B2). */
static void judge_limit(struct lb_world *world, uint32_t limit)
{
    size_t count = lb_net_log_count(world->net);
    for (size_t i = 0; i < count; i++) {
        struct lb_net_log newest;
        lb_net_log(world->net, i, &newest);
        uint32_t opened = moment_of(&newest, LB_NET_OPENED);
        uint32_t open = 0;
        for (size_t j = 0; j < count; j++) {
            struct lb_net_log other;
            lb_net_log(world->net, j, &other);
            open += lb_name_is(other.host, newest.host) &&
                            moment_of(&other, LB_NET_OPENED) <= opened &&
                            moment_of(&other, LB_NET_CLOSED) > opened
                        ? 1
                        : 0;
        }
        if (open > limit) {
            lb_world_find(world, "B2", "per-host", "%s is connection %u of a host with room for %u",
                          newest.name, (unsigned)open, (unsigned)limit);
        }
    }
}

void lb_rules_traffic(struct lb_world *world)
{
    LB_ASSERT(world->wire != NULL);
    const struct lb_case *c = world->c;
    for (uint32_t i = 0; i < c->request_count; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (caller->line != NULL) {
            judge_answer(world, caller, c->requests[i]);
            judge_cause(world, caller, c->requests[i]);
        }
    }
    judge_memory(world);
    judge_reuse(world);
    judge_retry(world);
    judge_tries(world);
    judge_after(world);
    struct lb_transport_options options;
    lb_world_options(world, &options);
    if (options.connections_per_host_max > 0) {
        judge_limit(world, options.connections_per_host_max);
    }
    for (uint32_t i = 0; i < world->wire->count; i++) {
        const struct lb_wire_exchange *exchange = &world->wire->exchanges[i];
        world->result->requests_sent += exchange->is_partial ? 0 : 1;
        world->result->reuses += !exchange->is_partial && exchange->ordinal > 0 ? 1 : 0;
    }
    world->result->connections = (uint32_t)lb_net_log_count(world->net);
}
