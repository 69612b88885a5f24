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
#include "stage.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DRAIN_SLACK (8u << 10) /* bytes that a buffer may hold beyond what a drain takes from it */
#define DRAIN_FRAME 6u         /* bytes of a chunk of one byte */

/* A broken rule. NULL rule: none. */
struct breach {
    const char *rule;
    const char *context;
};

static const char *const framing_words[] = {"none", "length", "chunked", "until-close", "upgraded"};

/* coding_breach: the end of a body whose coding is undone: both must have come (F8). */
static struct breach coding_breach(const struct lb_model *model, const struct lb_caller *caller)
{
    if (!model->is_decoded || caller->outcome != LB_END) {
        return (struct breach){NULL, NULL};
    }
    if (model->is_coding_cut) {
        return (struct breach){"F8", "end-of-a-cut-coding"};
    }
    return model->is_coding_wrong ? (struct breach){"F8", "end-of-a-wrong-coding"}
                                  : (struct breach){NULL, NULL};
}

/* body_breach: the bytes and the end that a caller saw, against the model's body (F1, F2, F8). */
static struct breach body_breach(const struct lb_wire_exchange *exchange,
                                 const struct lb_caller *caller)
{
    const struct lb_model *model = &exchange->model;
    if (model->framing == LB_MODEL_UPGRADED && !caller->has_taken) {
        return (struct breach){NULL, NULL}; /* a 101 without its socket is an empty response */
    }
    size_t compared =
        caller->received_size < model->body_size ? caller->received_size : model->body_size;
    const char *rule = model->is_decoded ? "F8" : "F1";
    if (compared > 0 && memcmp(caller->received, exchange->body, compared) != 0) {
        return (struct breach){rule, "other-bytes"};
    }
    if (!model->is_known) {
        return (struct breach){NULL, NULL};
    }
    if (caller->received_size > model->body_size) {
        return (struct breach){rule, "more-bytes-than-sent"};
    }
    if (caller->outcome == LB_END && !model->is_complete) {
        return (struct breach){"F2", framing_words[model->framing]};
    }
    if (caller->outcome == LB_END && caller->received_size < model->body_size) {
        return (struct breach){rule, "end-before-all-bytes"};
    }
    return coding_breach(model, caller);
}

/* told_breach: what a response said of itself, against the model's (F1, F8, F12). */
static struct breach told_breach(const struct lb_wire_exchange *exchange,
                                 const struct lb_caller *caller)
{
    const struct lb_model *model = &exchange->model;
    bool is_sized = caller->told_size != LB_SIZE_UNKNOWN;
    bool is_framed = model->framing == LB_MODEL_CHUNKED || model->framing == LB_MODEL_UNTIL_CLOSE;
    if (!model->is_known) {
        return (struct breach){NULL, NULL};
    }
    if (caller->told_mark != model->fields_mark || caller->is_field_lost) {
        return (struct breach){"F1", "other-fields"};
    }
    if (caller->is_told_decoded && (!exchange->is_gzip || model->framing == LB_MODEL_NONE ||
                                    model->coding == LB_MODEL_PLAIN)) {
        return (struct breach){"F8", "decoded-without-a-cause"};
    }
    if (model->is_decoded != caller->is_told_decoded && model->body_size > 0) {
        return (struct breach){"F8", "coding-kept-back"};
    }
    if (is_sized && (is_framed || caller->is_told_decoded)) {
        return (struct breach){"F12", "size-from-nowhere"};
    }
    if (model->framing == LB_MODEL_LENGTH && model->is_complete && !caller->is_told_decoded &&
        caller->told_size != model->body_size) {
        return (struct breach){"F12", "another-size"};
    }
    return (struct breach){NULL, NULL};
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

/* has_answer_unread: whether a whole head lay before the client when it failed to write (F6). */
static bool has_answer_unread(const struct lb_wire_exchange *exchange, const struct lb_net_log *log)
{
    struct lb_wire_mark mark;
    lb_wire_mark_at(log, LB_NET_WRITE_END, &mark);
    bool has_failed = moment_of(log, LB_NET_WRITE_END) != UINT32_MAX;
    return has_failed && exchange->model.is_known && exchange->model.is_head_complete &&
           !log->is_reset && mark.sent_size >= exchange->start + exchange->model.head_end;
}

/* error_breach: an error that the network did not cause (F6, F12). */
static struct breach error_breach(const struct lb_wire_exchange *exchange,
                                  const struct lb_net_log *log, const struct lb_caller *caller)
{
    const struct lb_model *model = &exchange->model;
    /* of what the model does not know, the coding may be cut where it likes */
    bool is_coding_cut =
        model->is_known ? model->is_complete && model->is_coding_cut : exchange->is_gzip;
    switch (caller->outcome) {
    case LB_PROTOCOL:
        if (model->is_known && !model->is_line_open && !model->is_coding_wrong &&
            !caller->interim.is_refused) {
            return (struct breach){"F12", "well-formed-refused"};
        }
        break;
    case LB_INCOMPLETE:
        if (model->is_known && model->is_complete && !model->is_coding_cut) {
            return (struct breach){"F2", "complete-called-incomplete"};
        }
        if (!log->is_server_ended && !is_coding_cut) {
            return (struct breach){"F6", "incomplete-without-an-end"};
        }
        break;
    case LB_RESET: /* or what came before anything was written has spoiled the connection (R3) */
        if (!log->is_reset && !log->is_server_ended && log->written_size > 0) {
            return (struct breach){"F6", "reset-without-a-reset"};
        }
        if (caller->code == 0 && has_answer_unread(exchange, log)) {
            return (struct breach){"F6", "failed-write-before-the-answer"};
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
    lb_stage_log(world, exchange->log_index, &log);
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
    breach = told_breach(exchange, caller);
    return breach.rule != NULL ? breach : body_breach(exchange, caller);
}

/* unasked_breach: the same for a connection on which nothing was written: what its server has sent, or
 * that it has ended, may be the answer to any request to the host. has_any: there is such a one. */
static struct breach unasked_breach(const struct lb_world *world, const struct lb_caller *caller,
                                    bool *ret_has_any)
{
    struct breach breach = {NULL, NULL};
    *ret_has_any = false;
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
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
        free(exchange.decoded);
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
    for (size_t i = 0; i < lb_stage_log_count(world) && is_caused; i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
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
    if (caller->outcome == LB_SOURCE && !caller->source.is_failed) {
        lb_world_find(world, "F6", "source-without-a-cause", "the source of %s did not fail", name);
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
        LB_ASSERT(exchange[-1].log_index == exchange->log_index);
        const char *context = NULL;
        const char *rule = lb_wire_dirt(world, exchange - 1, &exchange->begin, &context);
        if (rule != NULL) {
            struct lb_net_log log;
            lb_stage_log(world, exchange->log_index, &log);
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
        lb_stage_log(world, world->wire->exchanges[i].log_index, &log);
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

/* is_head_other: whether two heads differ, as far as both have been written. */
static bool is_head_other(const struct lb_wire_exchange *a, const struct lb_wire_exchange *b)
{
    size_t size = a->head_size < b->head_size ? a->head_size : b->head_size;
    bool is_longer = a->head_size > size ? !b->is_partial : b->head_size > size && !a->is_partial;
    return is_longer || memcmp(a->head, b->head, size) != 0;
}

/* judge_resent: what is sent again is the same, and may be sent again although some of it had been
 * written (R5). That a body is the same is judged where it is read (judge_request). */
static void judge_resent(struct lb_world *world, const struct lb_wire_exchange *first,
                         const struct lb_wire_exchange *last, const struct lb_caller *caller)
{
    const struct lb_line *line = caller->line;
    bool may_repeat = line->verb != LB_VERB_POST || line->is_idempotent ||
                      lb_wire_has_field(line, "idempotency-key") ||
                      lb_wire_has_field(line, "x-idempotency-key");
    if (!may_repeat) {
        lb_world_find(world, "R5", "not-idempotent", "%s was sent again after some of it",
                      caller->world->c->requests[line->request]);
    }
    if (is_head_other(first, last)) {
        lb_world_find(world, "R5", "another-head", "%s was sent again with another head",
                      caller->world->c->requests[line->request]);
    }
    if (caller->source.script != NULL && caller->source.script->is_once && first->has_body_begun) {
        lb_world_find(world, "R5", "body-sent-twice", "the body of %s comes only once",
                      caller->world->c->requests[line->request]);
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
        if (lb_wire_caller(world, last) != caller) {
            continue; /* so little was written of it that it can be another's */
        }
        struct lb_net_log log;
        lb_stage_log(world, first->log_index, &log);
        if (first->ordinal == 0 && has_written_at_once(&log)) {
            lb_world_find(world, "R5", "not-a-reused-connection",
                          "a request was sent again although %s had been made for it", log.name);
        }
        if (log_has_read_since(&log, first->begin.sequence)) {
            lb_world_find(world, "R5", "response-bytes-had-come",
                          "a request was sent again although %s had begun to answer it", log.name);
        }
        judge_resent(world, first, last, caller);
    }
}

/* judge_expect: a body behind Expect: 100-continue begins when the server has said something, or when
 * the time of the wait is over (R8). */
static void judge_expect(struct lb_world *world, const struct lb_wire_exchange *exchange,
                         const char *name)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    if (!exchange->upload.is_expect || !exchange->has_body_begun || !exchange->is_located) {
        return;
    }
    uint64_t waited_ns = exchange->body_begin.time_ns - exchange->asked.time_ns;
    bool has_heard = exchange->body_begin.read_size > exchange->start;
    if (!has_heard && waited_ns < options.continue_duration_ns) {
        lb_world_find(world, "R8", "body-before-100", "%s carries a body after %llu ns", name,
                      (unsigned long long)waited_ns);
    }
}

/* judge_request: what one request says on the wire: its body is the source's, whole only if the source
 * was, and its head what its caller and the options ask for (R1, R7, R8, F8). */
static void judge_request(struct lb_world *world, const struct lb_wire_exchange *exchange)
{
    struct lb_net_log log;
    lb_stage_log(world, exchange->log_index, &log);
    const struct lb_upload *upload = &exchange->upload;
    if (upload->is_other || upload->state == LB_UPLOAD_BROKEN) {
        lb_world_find(world, upload->is_expect ? "R8" : "R7",
                      upload->is_other ? "another-body" : "broken-body",
                      "%s carries what is not the body of its request", log.name);
    }
    judge_expect(world, exchange, log.name);
    const struct lb_caller *caller = lb_wire_caller(world, exchange);
    if (caller == NULL) {
        return;
    }
    struct lb_transport_options options;
    lb_world_options(world, &options);
    const struct lb_line *line = caller->line;
    const char *name = world->c->requests[line->request];
    if (caller->source.is_failed && upload->has_body && upload->state == LB_UPLOAD_OVER) {
        lb_world_find(world, "R7", "whole-without-its-source", "%s: %s looks whole", log.name,
                      name);
    }
    if (exchange->is_partial) { /* what the head does not say, it would have said */
        return;
    }
    if (options.is_gzip_off && !lb_wire_has_field(line, "accept-encoding") &&
        memmem(exchange->head, exchange->head_size, "\r\nAccept-Encoding:", 18) != NULL) {
        lb_world_find(world, "F8", "asked-without-leave", "%s asks for a coding", name);
    }
    bool is_close_wanted = (line->is_close || options.is_keep_alive_off) && !line->is_upgrade;
    if (is_close_wanted && !upload->is_close && !upload->is_http10) {
        lb_world_find(world, "R1", "close-not-said", "%s does not say close", name);
    }
    if (upload->is_http10 != line->is_http10) {
        lb_world_find(world, "R1", "another-version", "%s says another version", name);
    }
}

/* read_after: bytes that the client has read on a connection since a moment, up to another. */
static uint64_t read_after(const struct lb_net_log *log, uint32_t from, uint32_t to)
{
    uint64_t size = 0;
    for (size_t i = 0; i < log->record_count; i++) {
        const struct lb_net_record *record = &log->records[i];
        if (record->kind == LB_NET_READ && record->sequence >= from && record->sequence < to) {
            size += record->value;
        }
    }
    return size;
}

/* judge_drain: what a body closed early may still bring, and in what time (E5). */
static void judge_drain(struct lb_world *world, const struct lb_caller *caller, const char *name)
{
    const struct lb_wire_exchange *exchange = lb_wire_last_of(world, caller);
    if (!caller->has_close_returned || caller->outcome != LB_OK || caller->has_taken ||
        exchange == NULL || lb_wire_caller(world, exchange) != caller || !exchange->is_located ||
        !exchange->model.is_known) {
        return;
    }
    struct lb_net_log log;
    struct lb_transport_options options;
    lb_world_options(world, &options);
    lb_stage_log(world, exchange->log_index, &log);
    bool is_last = lb_wire_last(world->wire, exchange->log_index) == exchange;
    uint32_t until = is_last ? UINT32_MAX : exchange[1].begin.sequence;
    uint64_t read_size = read_after(&log, caller->close_sequence, until);
    uint64_t frame = exchange->model.framing == LB_MODEL_CHUNKED ? DRAIN_FRAME : 1;
    if (read_size / frame > options.drain_size_max + DRAIN_SLACK) {
        lb_world_find(world, "E5", "too-many-bytes", "%llu bytes were read of %s after its close",
                      (unsigned long long)read_size, name);
    }
    struct lb_wire_mark shut;
    lb_wire_mark_at(&log, LB_NET_SHUT, &shut);
    bool is_drained =
        exchange->model.is_complete && shut.read_size >= exchange->start + exchange->model.end;
    uint64_t limit_ns = options.drain_size_max > 0 ? options.drain_duration_ns : 0;
    if (log.is_shut && is_last && !is_drained && shut.time_ns > caller->close_time_ns &&
        shut.time_ns - caller->close_time_ns > limit_ns) {
        lb_world_find(world, "E5", "too-long", "%s was closed %llu ns after the body of %s",
                      log.name, (unsigned long long)(shut.time_ns - caller->close_time_ns), name);
    }
}

/* judge_trailer: a trailer field that was shown was sent, and may stand there (F11). */
static void judge_trailer(struct lb_world *world, const struct lb_caller *caller, const char *name)
{
    static const char *const forbidden[] = {"content-length", "transfer-encoding", "connection",
                                            "host", "trailer"};
    const struct lb_wire_exchange *exchange = lb_wire_last_of(world, caller);
    if (caller->trailer_value == NULL || exchange == NULL || !exchange->is_located ||
        !exchange->model.is_known) {
        return;
    }
    struct lb_net_log log;
    lb_stage_log(world, exchange->log_index, &log);
    if (!lb_model_trailer(&exchange->model, log.sent + exchange->start, caller->trailer_name,
                          caller->trailer_value)) {
        lb_world_find(world, "F11", "not-sent", "%s has a trailer field that nobody sent", name);
    }
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        if (strcasecmp(forbidden[i], caller->trailer_name) == 0) {
            lb_world_find(world, "F11", "forbidden", "%s shows %s as a trailer field", name,
                          forbidden[i]);
        }
    }
}

/* judge_source_order: the failure of a source comes before one of the network that came later (F6). In
 * one moment either may be told: between the source's word and the transport's lock another may run. */
static void judge_source_order(struct lb_world *world, const struct lb_caller *caller,
                               const char *name)
{
    bool is_network = caller->outcome == LB_RESET || caller->outcome == LB_INCOMPLETE;
    if (!caller->source.is_failed || caller->code != 0 || !is_network) {
        return;
    }
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        for (size_t j = 0; j < log.record_count; j++) {
            const struct lb_net_record *record = &log.records[j];
            if ((record->kind == LB_NET_SERVER_END || record->kind == LB_NET_SERVER_RESET) &&
                record->time_ns <= caller->source.failed_time_ns) {
                return;
            }
        }
    }
    lb_world_find(world, "F6", "network-before-the-source", "%s hides that its source failed",
                  name);
}

/* judge_limit: the sockets of a host that were open when one more was opened (B2). */
static void judge_limit(struct lb_world *world, uint32_t limit)
{
    size_t count = lb_stage_log_count(world);
    for (size_t i = 0; i < count; i++) {
        struct lb_net_log newest;
        lb_stage_log(world, i, &newest);
        uint32_t opened = moment_of(&newest, LB_NET_OPENED);
        uint32_t open = 0;
        for (size_t j = 0; j < count; j++) {
            struct lb_net_log other;
            lb_stage_log(world, j, &other);
            if (lb_wire_is_taken(world, &other)) {
                continue; /* no connection of the transport's any more */
            }
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
        if (caller->line != NULL && !caller->is_invalid) {
            judge_answer(world, caller, c->requests[i]);
            judge_cause(world, caller, c->requests[i]);
            judge_source_order(world, caller, c->requests[i]);
            judge_drain(world, caller, c->requests[i]);
            judge_trailer(world, caller, c->requests[i]);
        }
    }
    for (uint32_t i = 0; i < world->wire->count; i++) {
        judge_request(world, &world->wire->exchanges[i]);
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
    world->result->connections = (uint32_t)lb_stage_log_count(world);
}
