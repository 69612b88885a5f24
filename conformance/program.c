/*
 * The client lane: one program that executes its lines in order, and for each line with `&` a caller
 * of its own that executes that operation while the program goes on.
 *
 * Every line is total: an operation that finds nothing to do it to (a read before the head has come)
 * is ignored, and seen as that. Before `poll` and `expect` the program waits until nobody else can
 * run, so that what it looks at does not depend on the schedule.
 *
 * Once the postlude has begun (is_ending) the program makes no further step, and what its callers
 * bring back is kept without a look at the handles, which are gone.
 */
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "model.h"
#include "stage.h"
#include "world.h"

#define READ_PIECE 4096u /* bytes asked for at once by `read R all` */

static struct lb_caller *caller_of(struct lb_world *world, const struct lb_line *line)
{
    LB_ASSERT(line->request >= 0);
    LB_ASSERT((uint32_t)line->request < LB_CASE_REQUESTS_MAX);
    return &world->callers[line->request];
}

/* caller_conclude: a caller has seen how its request ended. The first outcome stands. */
static void caller_conclude(struct lb_world *world, struct lb_caller *caller, enum lb_status status)
{
    LB_ASSERT(status != LB_OK);
    if (caller->outcome == LB_OK) {
        caller->outcome = status;
        caller->outcome_time_ns = lb_stage_now(world);
        caller->outcome_sequence = lb_stage_sequence(world);
    } else if (caller->outcome != status && !world->is_ending) {
        lb_world_find(world, "F3", "another-outcome", "what gave \"%s\" gives \"%s\" now",
                      lb_status_word(caller->outcome), lb_status_word(status));
    }
}

/* judge_hurry: close and cancel wait for nothing that takes time (B1). */
static void judge_hurry(struct lb_world *world, uint64_t start_ns, const char *verb)
{
    uint64_t taken_ns = lb_stage_now(world) - start_ns;
    if (taken_ns > 0) {
        lb_world_find(world, "B1", verb, "%s took %llu ns", verb, (unsigned long long)taken_ns);
    }
}

/* request_fields: the further fields of a request; their names are copied into `ret_names`. Returns how
 * many there are. */
static size_t request_fields(const struct lb_line *line, struct lb_field *ret_fields,
                             char **ret_names)
{
    size_t count = 0;
    for (uint32_t i = 0; i < line->field_count; i++) {
        const char *text = line->fields[i].bytes;
        size_t name_size = strcspn(text, ":");
        char *name = malloc(line->fields[i].size + 1);
        LB_ASSERT(name != NULL);
        memcpy(name, text, name_size);
        name[name_size] = '\0';
        const char *value = text + name_size + (text[name_size] == ':' ? 1 : 0);
        ret_names[i] = name;
        ret_fields[count++] = (struct lb_field){name, value + strspn(value, " ")};
    }
    if (line->is_idempotent) {
        ret_fields[count++] = (struct lb_field){"Idempotency-Key", "1"};
    }
    LB_ASSERT(count <= LB_CASE_FIELDS_MAX + 1);
    return count;
}

/* caller_make: makes the request of a get, post, ... */
static enum lb_status caller_make(struct lb_world *world, struct lb_caller *caller,
                                  const struct lb_line *line)
{
    const struct lb_case *c = world->c;
    LB_ASSERT(line->host >= 0);
    uint64_t now_ns = lb_stage_now(world);
    struct lb_field fields[LB_CASE_FIELDS_MAX + 1];
    char *names[LB_CASE_FIELDS_MAX] = {NULL};
    const struct lb_case_source *source = line->source;
    struct lb_request_options options = {
        .method = lb_verb_method(line->verb),
        .endpoint = {"http", c->hosts[line->host].name, 80},
        .target = line->path.bytes,
        .deadline_ns = line->time_ns == 0 ? LB_NEVER : now_ns + line->time_ns,
        .fields = fields,
        .field_count = request_fields(line, fields, names),
        .source = lb_world_source_make(world, caller, line),
        .source_size = source == NULL || source->is_chunked ? LB_SIZE_UNKNOWN : source->size,
        .interim = lb_world_interim_make(caller, line),
        .upgrade = line->is_upgrade ? "x-chat" : NULL,
        .is_expect = line->is_expect,
        .is_close = line->is_close,
        .is_http10 = line->is_http10,
        .call_site = c->requests[line->request],
    };
    caller->line = line;
    caller->start_time_ns = now_ns;
    caller->asked_sequence = lb_stage_sequence(world);
    caller->deadline_ns = options.deadline_ns;
    lb_stage_leave(world);
    enum lb_status status = lb_request_new(world->transport, &options, &caller->request);
    lb_stage_enter(world);
    for (uint32_t i = 0; i < line->field_count; i++) {
        free(names[i]);
    }
    if (status != LB_OK) {
        lb_world_source_end(caller);
    }
    caller->id = status == LB_OK ? ++world->request_count : 0;
    return status;
}

enum lb_body_state lb_caller_body_state(const struct lb_caller *caller)
{
    LB_ASSERT(caller->response != NULL);
    lb_stage_leave(caller->world);
    enum lb_body_state state = lb_body_state(lb_response_body(caller->response));
    lb_stage_enter(caller->world);
    return state;
}

/* caller_look: at everything that a response tells of its head. */
static void caller_look(struct lb_caller *caller)
{
    const struct lb_response *response = caller->response;
    struct lb_field field;
    caller->code = lb_response_code(response);
    caller->told_size = lb_response_size(response);
    caller->is_told_decoded = lb_response_is_decoded(response);
    for (size_t i = 0; lb_response_field(response, i, &field); i++) {
        const char *first = lb_response_header(response, field.name);
        caller->told_mark = lb_model_mark(caller->told_mark, field.name, strlen(field.name),
                                          field.value, strlen(field.value));
        caller->is_field_lost |= first == NULL || (i == 0 && first != field.value);
    }
}

/* caller_send: sends the request and waits for the head. */
static void caller_send(struct lb_world *world, struct lb_caller *caller, struct lb_seen *seen)
{
    struct lb_response *response = NULL;
    caller->is_sending = true;
    lb_stage_leave(world);
    enum lb_status status = lb_request_send(caller->request, &response);
    lb_stage_enter(world);
    caller->is_sending = false;
    seen->code_count = caller->interim.count < LB_WORLD_INTERIMS_MAX ? caller->interim.count
                                                                     : LB_WORLD_INTERIMS_MAX;
    caller->is_answered = true;
    caller->answered_sequence = lb_stage_sequence(world);
    if (status != LB_OK) {
        seen->error = status;
        lb_world_source_end(caller);
        caller_conclude(world, caller, status);
        return;
    }
    if (world->is_ending) {
        return; /* the response is gone with the transport */
    }
    caller->response = response;
    caller_look(caller);
    seen->code = caller->code;
    world->result->responses++;
    if (caller->code == 101 && caller->line->is_upgrade) {
        lb_taken_take(caller);
    }
    if (!caller->has_taken && lb_caller_body_state(caller) == LB_BODY_ENDED) {
        seen->is_ended = true;
        caller_conclude(world, caller, LB_END);
    }
}

/* caller_keep: adds bytes to the received ones. */
static void caller_keep(struct lb_caller *caller, const char *bytes, size_t size)
{
    if (caller->received_capacity - caller->received_size < size) {
        size_t capacity = (caller->received_capacity + size) * 2;
        caller->received = realloc(caller->received, capacity);
        LB_ASSERT(caller->received != NULL);
        caller->received_capacity = capacity;
    }
    if (size > 0) {
        memcpy(caller->received + caller->received_size, bytes, size);
        caller->received_size += size;
    }
}

static enum lb_status body_read(struct lb_world *world, struct lb_body *body, void *bytes,
                                size_t size, size_t *ret_size)
{
    lb_stage_leave(world);
    enum lb_status status = lb_body_read(body, bytes, size, ret_size);
    lb_stage_enter(world);
    return status;
}

/* caller_read: reads until `count` bytes, the end, or an error. */
static void caller_read(struct lb_world *world, struct lb_caller *caller, uint64_t count,
                        struct lb_seen *seen)
{
    if (caller->response == NULL) {
        seen->error = caller->outcome > LB_AGAIN ? caller->outcome : LB_OK;
        seen->is_ignored = caller->outcome <= LB_AGAIN;
        return;
    }
    struct lb_body *body = lb_response_body(caller->response);
    char piece[READ_PIECE];
    uint64_t got = 0;
    enum lb_status status = LB_OK;
    seen->bytes_start = caller->received_size;
    seen->bytes_end = caller->received_size;
    bool was_closed = caller->has_close_returned;
    caller->reading_count++;
    while (status == LB_OK && got < count && !world->is_ending) {
        size_t size = 0;
        uint64_t want = count - got < sizeof piece ? count - got : sizeof piece;
        status = caller->has_taken ? lb_taken_read(caller, piece, (size_t)want, &size)
                                   : body_read(world, body, piece, (size_t)want, &size);
        caller_keep(caller, piece, size);
        seen->bytes_end = caller->received_size;
        got += size;
    }
    lb_taken_leave(caller);
    if (was_closed && !world->is_ending && (status != LB_CLOSED || got > 0)) {
        lb_world_find(world, "F4", "read-after-close", "a closed body gives %llu bytes and \"%s\"",
                      (unsigned long long)got, lb_status_word(status));
    } else if (status != LB_OK && !(status == LB_CLOSED && caller->is_closed)) {
        caller_conclude(world, caller, status);
    }
    seen->is_ended = status == LB_END && got < count;
    seen->error = status > LB_AGAIN ? status : LB_OK;
}

/* caller_close: closes the body, or the socket that was taken. */
static void caller_close(struct lb_world *world, struct lb_caller *caller)
{
    uint64_t start_ns = lb_stage_now(world);
    bool was_closed = caller->is_closed;
    if (caller->has_taken) {
        lb_taken_close(caller);
    } else {
        caller->is_closed = true;
        lb_stage_leave(world);
        lb_body_close(lb_response_body(caller->response));
        lb_stage_enter(world);
        caller->has_close_returned = true;
    }
    if (!was_closed) {
        caller->close_time_ns = start_ns;
        caller->close_sequence = lb_stage_sequence(world);
    }
    judge_hurry(world, start_ns, "close");
}

/* caller_operate: executes get, head, ..., read or close for its line. */
static void caller_operate(struct lb_world *world, struct lb_caller *caller,
                           const struct lb_line *line, struct lb_seen *seen)
{
    if (lb_verb_is_request(line->verb)) {
        caller_send(world, caller, seen);
    } else if (line->verb == LB_VERB_READ) {
        caller_read(world, caller, line->number, seen);
    } else {
        LB_ASSERT(line->verb == LB_VERB_CLOSE);
        seen->is_done = true;
        if (caller->response != NULL) {
            caller_close(world, caller);
        }
    }
}

/* background_run: the body of a background caller. */
static void background_run(void *argument)
{
    struct lb_caller *caller = argument;
    LB_ASSERT(caller->is_pending);
    struct lb_world *world = caller->world;
    caller_operate(world, caller, caller->pending_line, &caller->pending_seen);
    caller->is_pending_done = true;
    lb_stage_wake(world, &caller->pending_queue);
}

/* program_spawn: starts a background caller for a line. */
static void program_spawn(struct lb_world *world, struct lb_caller *caller,
                          const struct lb_line *line)
{
    if (caller->is_pending) {
        return; /* one at a time: ignored */
    }
    caller->pending_line = line;
    caller->pending_seen = (struct lb_seen){.code = 0};
    caller->is_pending = true;
    caller->is_pending_done = false;
    struct lb_worker_options options = {LB_ROLE_CALLER, world->c->requests[line->request],
                                        background_run, caller};
    if (lb_stage_spawn(world, &options) != LB_OK) {
        caller->is_pending = false;
        lb_world_exhaust(world);
    }
}

/* program_request: get, head, ..., read and close, here or in the background. */
static void program_request(struct lb_world *world, const struct lb_line *line)
{
    struct lb_caller *caller = caller_of(world, line);
    struct lb_seen seen = {.code = 0};
    if (lb_verb_is_request(line->verb)) {
        LB_ASSERT(caller->request == NULL);
        enum lb_status status = caller_make(world, caller, line);
        if (status != LB_OK) {
            caller->is_invalid = true;
            seen.error = status;
            caller_conclude(world, caller, status);
            lb_outcome_judge(world, line, &seen);
            return;
        }
    }
    if (line->is_background) {
        program_spawn(world, caller, line);
        return;
    }
    caller_operate(world, caller, line, &seen);
    if (!world->is_ending) {
        lb_outcome_judge(world, line, &seen);
    }
}

/* program_wait: collects the outcome of a pending operation. */
static void program_wait(struct lb_world *world, const struct lb_line *line)
{
    struct lb_caller *caller = caller_of(world, line);
    while (caller->is_pending && !caller->is_pending_done && !world->is_ending) {
        lb_stage_block(world, &caller->pending_queue, LB_SITE_CALLER_WAIT);
    }
    if (world->is_ending) {
        return;
    }
    struct lb_seen seen = caller->pending_seen;
    seen.is_ignored = !caller->is_pending;
    caller->is_pending = false;
    lb_outcome_judge(world, line, &seen);
}

static void program_poll(struct lb_world *world, const struct lb_line *line)
{
    struct lb_caller *caller = caller_of(world, line);
    lb_stage_wait_quiet(world, LB_SITE_CALLER_QUIET);
    struct lb_seen seen = {.code = 0};
    if (!caller->is_pending) {
        seen.is_ignored = true;
    } else if (!caller->is_pending_done) {
        seen.is_pending = true;
    } else {
        seen = caller->pending_seen;
    }
    if (!world->is_ending) {
        lb_outcome_judge(world, line, &seen);
    }
}

/* program_cancel: abandons a request; before its get there is nothing to cancel. */
static void program_cancel(struct lb_world *world, const struct lb_line *line)
{
    struct lb_caller *caller = caller_of(world, line);
    struct lb_seen seen = {.code = 0};
    seen.is_done = true;
    if (caller->request != NULL) {
        caller->was_final_when_cancelled = caller->outcome != LB_OK;
        caller->is_cancelled = true;
        uint64_t start_ns = lb_stage_now(world);
        lb_stage_leave(world);
        lb_request_cancel(caller->request);
        lb_stage_enter(world);
        judge_hurry(world, start_ns, "cancel");
    }
    lb_outcome_judge(world, line, &seen);
}

/* program_write: bytes to the socket that was taken. */
static void program_write(struct lb_world *world, const struct lb_line *line)
{
    struct lb_caller *caller = caller_of(world, line);
    struct lb_seen seen = {.code = 0};
    seen.is_ignored = caller->taken == NULL;
    if (!seen.is_ignored) {
        seen.error = lb_taken_write(caller, line->bytes.bytes, line->bytes.size);
        seen.is_done = seen.error == LB_OK;
    }
    if (!world->is_ending) {
        lb_outcome_judge(world, line, &seen);
    }
}

/* program_trailer: looks at a trailer field, which is there after the end only (F11). */
static void program_trailer(struct lb_world *world, const struct lb_line *line)
{
    struct lb_caller *caller = caller_of(world, line);
    struct lb_seen seen = {.code = 0};
    seen.is_ignored = caller->response == NULL;
    if (!seen.is_ignored) {
        lb_stage_leave(world);
        seen.text = lb_response_trailer(caller->response, line->bytes.bytes);
        lb_stage_enter(world);
        seen.is_none = seen.text == NULL;
    }
    if (seen.text != NULL) {
        seen.bytes_end = strlen(seen.text);
        free(caller->trailer_value);
        caller->trailer_value = strdup(seen.text);
        LB_ASSERT(caller->trailer_value != NULL);
        caller->trailer_name = line->bytes.bytes;
        if (lb_caller_body_state(caller) != LB_BODY_ENDED) {
            lb_world_find(world, "F11", "before-the-end", "a trailer field of %s before its end",
                          world->c->requests[line->request]);
        }
    }
    if (!world->is_ending) {
        lb_outcome_judge(world, line, &seen);
    }
}

static void program_simple(struct lb_world *world, const struct lb_line *line)
{
    struct lb_seen seen = {.code = 0};
    seen.is_done = true;
    switch ((int)line->verb) {
    case LB_VERB_DROP:
        caller_of(world, line)->is_dropped = true;
        break;
    case LB_VERB_CLOSE_IDLE:
        lb_stage_leave(world);
        lb_transport_close_idle(world->transport,
                                line->host < 0 ? NULL : world->c->hosts[line->host].name);
        lb_stage_enter(world);
        break;
    case LB_VERB_ADVANCE:
        lb_stage_sleep(world, line->time_ns, LB_SITE_CALLER_ADVANCE);
        break;
    case LB_VERB_SETTLE:
        lb_stage_wait_settled(world, LB_SITE_CALLER_SETTLE);
        break;
    case LB_VERB_SIGNAL: {
        struct lb_signal *signal = lb_world_signal(world, line->name);
        if (signal == NULL) {
            lb_world_fail(world, line, "a signal", "there is no room for more signals");
            return;
        }
        signal->is_given = true;
        lb_stage_wake(world, &signal->queue);
        break;
    }
    default:
        LB_UNREACHABLE("a verb of the client lane");
    }
    if (!world->is_ending) {
        lb_outcome_judge(world, line, &seen);
    }
}

static void program_line(struct lb_world *world, const struct lb_line *line)
{
    switch ((int)line->verb) {
    case LB_VERB_GET:
    case LB_VERB_HEAD:
    case LB_VERB_POST:
    case LB_VERB_PUT:
    case LB_VERB_DELETE:
    case LB_VERB_OPTIONS:
    case LB_VERB_READ:
    case LB_VERB_CLOSE:
        program_request(world, line);
        return;
    case LB_VERB_WRITE:
        program_write(world, line);
        return;
    case LB_VERB_TRAILER:
        program_trailer(world, line);
        return;
    case LB_VERB_CANCEL:
        program_cancel(world, line);
        return;
    case LB_VERB_WAIT:
        program_wait(world, line);
        return;
    case LB_VERB_POLL:
        program_poll(world, line);
        return;
    case LB_VERB_EXPECT_POOL:
    case LB_VERB_EXPECT_CONNS:
    case LB_VERB_EXPECT_BODY:
    case LB_VERB_EXPECT_WIRE:
    case LB_VERB_EXPECT_SOURCE:
    case LB_VERB_EXPECT_WORKERS:
        lb_stage_wait_quiet(world, LB_SITE_CALLER_QUIET);
        if (!world->is_ending) {
            lb_outcome_expect(world, line);
        }
        return;
    default:
        program_simple(world, line);
    }
}

/* program_run: the body of the program's caller. */
static void program_run(void *argument)
{
    struct lb_world *world = argument;
    const struct lb_lines *client = &world->c->client;
    for (uint32_t i = 0; i < client->count && !world->is_ending; i++) {
        const struct lb_line *line = &client->lines[i];
        world->program_line = line;
        lb_stage_point(world, LB_SITE_CALLER_STEP, NULL);
        if (world->output != NULL || world->story != NULL) {
            lb_narrate_line(world, line);
        }
        program_line(world, line);
    }
    if (!world->is_ending) {
        world->program_line = NULL;
        world->is_program_ended = true;
    }
}

void lb_program_start(struct lb_world *world)
{
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        struct lb_caller *caller = &world->callers[i];
        char *received = caller->received;
        size_t capacity = caller->received_capacity;
        free(caller->trailer_value);
        memset(caller, 0, sizeof *caller);
        caller->received = received;
        caller->received_capacity = capacity;
        caller->world = world;
    }
    struct lb_worker_options options = {LB_ROLE_CALLER, "main", program_run, world};
    enum lb_status status = lb_stage_spawn(world, &options);
    LB_ASSERT(status == LB_OK);
}

void lb_program_release(struct lb_world *world)
{
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        struct lb_caller *caller = &world->callers[i];
        bool is_over = caller->outcome != LB_OK || caller->is_closed;
        bool is_busy = caller->is_sending || caller->reading_count > 0;
        if (caller->taken != NULL) {
            lb_taken_close(caller); /* it is the program's own, and no request's */
        }
        if (caller->request != NULL && is_over && !is_busy && !caller->is_dropped) {
            lb_stage_leave(world);
            lb_request_free(&caller->request);
            lb_stage_enter(world);
            lb_world_source_end(caller);
            caller->response = NULL;
        }
    }
}
