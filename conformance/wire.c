/*
 * Reading the connections of a run.
 *
 * A request begins on a connection at the last moment when the client looked whether something had
 * arrived and had not yet written: what came before that moment it could know, what came after it
 * no client can tell from an answer.
 */
#include "stage.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/assert.h"

/* wire_reserve: room for the decoded bodies of all answers. Returns a stamp of the traffic: what was
 * read under the same stamp, in the same run, need not be read again. */
static uint64_t wire_reserve(struct lb_world *world)
{
    struct lb_wire *wire = world->wire;
    size_t total = 1;
    uint64_t stamp = 1;
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        total += log.sent_size;
        stamp += 4 * (log.sent_size + log.written_size) + (log.is_server_ended ? 1 : 0) +
                 (log.is_reset ? 2 : 0);
    }
    if (total > wire->capacity) {
        free(wire->bodies);
        wire->bodies = malloc(total * 2);
        LB_ASSERT(wire->bodies != NULL);
        wire->capacity = total * 2;
        wire->stamp = 0;
    }
    return stamp;
}

/* request_line_read: method and path, as far as they are there. */
static void request_line_read(struct lb_wire_exchange *exchange)
{
    const char *text = (const char *)exchange->head;
    const char *end = text + exchange->head_size;
    const char *method_end = memchr(text, ' ', exchange->head_size);
    method_end = method_end == NULL ? end : method_end;
    const char *path = method_end == end ? end : method_end + 1;
    const char *path_end = memchr(path, ' ', (size_t)(end - path));
    path_end = path_end == NULL ? end : path_end;
    exchange->method = text;
    exchange->method_size = (size_t)(method_end - text);
    exchange->is_head = exchange->method_size == 4 && memcmp(text, "HEAD", 4) == 0;
    exchange->path = path;
    exchange->path_size = (size_t)(path_end - path);
}

/* request_read: the request at `bytes`; its size, SIZE_MAX when it is not whole. A head that is not
 * whole is partial, and ends where the bytes end. */
static size_t request_read(const uint8_t *bytes, size_t size, struct lb_wire_exchange *exchange)
{
    LB_ASSERT(size > 0);
    size_t head = lb_upload_head(bytes, size);
    exchange->is_partial = head == 0;
    exchange->head = bytes;
    exchange->head_size = head == 0 ? size : head;
    request_line_read(exchange);
    if (exchange->is_partial) {
        exchange->upload.state = LB_UPLOAD_DATA;
        return SIZE_MAX;
    }
    lb_upload_begin(&exchange->upload, bytes, head);
    exchange->is_upgrade = exchange->upload.is_upgrade;
    exchange->is_gzip = exchange->upload.is_coding;
    size_t taken = lb_upload_take(&exchange->upload, bytes + head, size - head, UINT64_MAX);
    return exchange->upload.state == LB_UPLOAD_OVER ? head + taken : SIZE_MAX;
}

/* log_mark: adds one record to what has passed. */
static void log_mark(struct lb_wire_mark *now, const struct lb_net_record *record)
{
    now->sequence = record->sequence;
    now->time_ns = record->time_ns;
    switch ((int)record->kind) {
    case LB_NET_SENT:
        now->sent_size += (size_t)record->value;
        return;
    case LB_NET_LOST:
        now->sent_size -= (size_t)record->value;
        return;
    case LB_NET_READ:
        now->read_size += (size_t)record->value;
        return;
    case LB_NET_SERVER_END:
    case LB_NET_SERVER_RESET:
        now->is_server_ended = true;
        return;
    default:
        return;
    }
}

/* A walk along the records of a connection. */
struct walk {
    struct lb_wire_mark now;
    struct lb_wire_mark looked;
    bool has_looked;
    size_t written;
    size_t start;                      /* of the newest request */
    size_t next;                       /* where the next one begins; SIZE_MAX: none can */
    struct lb_wire_exchange *exchange; /* the newest one; NULL: none */
};

/* walk_begin: the request that begins where the walk stands; false: there is no room for it. */
static bool walk_begin(struct walk *walk, struct lb_wire *wire, size_t log_index,
                       const struct lb_net_log *log)
{
    if (wire->count == LB_WIRE_EXCHANGES_MAX) {
        return false;
    }
    struct lb_wire_exchange *exchange = &wire->exchanges[wire->count];
    uint32_t ordinal = walk->exchange == NULL ? 0 : walk->exchange->ordinal + 1;
    memset(exchange, 0, sizeof *exchange);
    size_t size = request_read(log->written + walk->next, log->written_size - walk->next, exchange);
    exchange->log_index = log_index;
    exchange->host = log->host;
    exchange->ordinal = ordinal;
    exchange->wrote = walk->now;
    exchange->begin = walk->has_looked ? walk->looked : walk->now;
    walk->has_looked = false;
    walk->exchange = exchange;
    walk->start = walk->next;
    walk->next = size == SIZE_MAX ? SIZE_MAX : walk->next + size;
    wire->count++;
    return true;
}

/* walk_wrote: bytes of the newest request were written. */
static void walk_wrote(struct walk *walk, size_t size)
{
    struct lb_wire_exchange *exchange = walk->exchange;
    size_t head_end = walk->start + exchange->head_size;
    bool is_head_done = walk->written >= head_end;
    walk->written += size;
    if (!is_head_done && walk->written >= head_end) {
        exchange->asked = walk->now;
    }
    if (!exchange->has_body_begun && walk->written > head_end) {
        exchange->has_body_begun = true;
        exchange->body_begin = walk->now;
    }
}

/* taken_sequence: from when on a connection's socket is a program's; UINT32_MAX: never. */
static uint32_t taken_sequence(const struct lb_world *world, const struct lb_net_log *log)
{
    for (uint32_t i = 0; i < world->c->request_count; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (caller->has_taken && lb_name_is(caller->taken_name, log->name)) {
            return caller->taken_sequence;
        }
    }
    return UINT32_MAX;
}

bool lb_wire_is_taken(const struct lb_world *world, const struct lb_net_log *log)
{
    return taken_sequence(world, log) != UINT32_MAX;
}

/* is_write_slowed: whether a write may end later than it began. As a rule it takes no time. */
static bool is_write_slowed(const struct lb_world *world)
{
    enum lb_fault_kind kind = world->fault.fault.kind;
    return kind == LB_FAULT_SLOW_WRITE || kind == LB_FAULT_WINDOW;
}

/* log_requests: the requests of one connection, each with the mark of its beginning. */
static void log_requests(const struct lb_world *world, size_t log_index,
                         const struct lb_net_log *log)
{
    struct lb_wire *wire = world->wire;
    uint32_t own_sequence = taken_sequence(world, log);
    bool is_slowed = is_write_slowed(world);
    struct walk walk = {.exchange = NULL};
    for (size_t i = 0; i < log->record_count; i++) {
        const struct lb_net_record *record = &log->records[i];
        log_mark(&walk.now, record);
        if (record->kind == LB_NET_SENT && record->time_ns > walk.looked.time_ns && !is_slowed) {
            walk.has_looked = false; /* it was a look for something else: no write followed */
        }
        if (record->kind == LB_NET_LOOKED) {
            walk.looked = walk.now;
            walk.has_looked = true;
        }
        if (record->kind != LB_NET_WROTE) {
            continue;
        }
        if (record->sequence >= own_sequence) {
            return; /* what a program writes to the socket that it took is its own */
        }
        if (walk.written == walk.next && !walk_begin(&walk, wire, log_index, log)) {
            return;
        }
        walk_wrote(&walk, (size_t)record->value);
    }
}

/* log_has_end: whether the client could see the server's sending end in order: it did, or nothing
 * but that end is there to be seen. */
static bool log_has_end(const struct lb_net_log *log)
{
    for (size_t i = log->record_count; log->is_reset && i > 0; i--) {
        const struct lb_net_record *record = &log->records[i - 1];
        if (record->kind == LB_NET_READ_END && record->value == LB_END) {
            return true;
        }
    }
    return log->is_server_ended && !log->is_reset;
}

/* path_is: from the end, where paths differ; not memcmp, for the reason that lb_name_is has. */
static bool path_is(const char *path, const char *wanted, size_t size)
{
    while (size > 0 && path[size - 1] == wanted[size - 1]) {
        size--;
    }
    return size == 0;
}

/* method_is: whether an exchange's method is this one, or begins as it does if it was cut. */
static bool method_is(const struct lb_wire_exchange *exchange, const char *method)
{
    size_t i = 0;
    while (i < exchange->method_size && method[i] != '\0' && exchange->method[i] == method[i]) {
        i++;
    }
    return i == exchange->method_size && (exchange->is_partial || method[i] == '\0');
}

static bool exchange_is_of(const struct lb_world *world, const struct lb_wire_exchange *exchange,
                           const struct lb_caller *caller);

/* caller_was_written: whether some exchange carried the caller's request whole. */
static bool caller_was_written(const struct lb_world *world, const struct lb_caller *caller)
{
    uint32_t i = 0;
    while (i < world->wire->count && (world->wire->exchanges[i].is_partial ||
                                      !exchange_is_of(world, &world->wire->exchanges[i], caller))) {
        i++;
    }
    return i < world->wire->count;
}

static bool exchange_is_of(const struct lb_world *world, const struct lb_wire_exchange *exchange,
                           const struct lb_caller *caller)
{
    const struct lb_line *line = caller->line;
    if (line == NULL || exchange->wrote.sequence < caller->asked_sequence) {
        return false; /* of a head that was cut, when it was asked for is what tells */
    }
    bool is_partial = exchange->is_partial;
    bool is_path_size = is_partial ? exchange->path_size <= line->path.size
                                   : exchange->path_size == line->path.size;
    if (!is_path_size || !path_is(exchange->path, line->path.bytes, exchange->path_size)) {
        return false; /* first, because this is what mostly differs */
    }
    if (!method_is(exchange, lb_verb_method(line->verb))) {
        return false;
    }
    if (is_partial && caller->is_answered &&
        caller->answered_sequence <= exchange->begin.sequence &&
        caller_was_written(world, caller)) {
        return false; /* what little there is of it agrees, but it was answered by then, elsewhere */
    }
    return lb_name_is(exchange->host, world->c->hosts[line->host].name);
}

/* wire_settle_callers: whose request each exchange can be, as the callers stand now. */
static void wire_settle_callers(struct lb_world *world)
{
    LB_STATIC_ASSERT(LB_CASE_REQUESTS_MAX <= 64, "a bit for each request");
    for (uint32_t i = 0; i < world->wire->count; i++) {
        struct lb_wire_exchange *exchange = &world->wire->exchanges[i];
        exchange->callers = 0;
        for (uint32_t j = 0; j < world->c->request_count; j++) {
            bool is_its = exchange_is_of(world, exchange, &world->callers[j]);
            exchange->callers |= is_its ? UINT64_C(1) << j : 0;
        }
    }
}

/* line_may_ask: whether a request leaves it to the transport to ask for a coding. */
static bool line_may_ask(const struct lb_line *line)
{
    return line->verb != LB_VERB_HEAD && !lb_wire_has_field(line, "accept-encoding") &&
           !lb_wire_has_field(line, "range");
}

/* exchange_settle_gzip: whether the transport, and not its caller, has asked for a coding. */
static void exchange_settle_gzip(const struct lb_world *world, struct lb_wire_exchange *exchange)
{
    struct lb_transport_options options;
    lb_world_options(world, &options);
    exchange->is_gzip = exchange->is_gzip && !options.is_gzip_off;
    for (uint32_t i = 0; i < world->c->request_count && exchange->is_gzip; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (exchange_is_of(world, exchange, caller) &&
            lb_wire_has_field(caller->line, "accept-encoding")) {
            exchange->is_gzip = false;
        }
    }
}

/* exchange_settle_head: a head that was cut while it was written asks for what the requests ask that it can
 * belong to; false: they do not agree. */
static bool exchange_settle_head(const struct lb_world *world, struct lb_wire_exchange *exchange)
{
    uint32_t count = 0;
    uint32_t head_count = 0;
    uint32_t upgrade_count = 0;
    uint32_t gzip_count = 0;
    for (uint32_t i = 0; i < world->c->request_count && exchange->is_partial; i++) {
        const struct lb_caller *caller = &world->callers[i];
        if (exchange_is_of(world, exchange, caller)) {
            count++;
            head_count += caller->line->verb == LB_VERB_HEAD ? 1 : 0;
            upgrade_count += caller->line->is_upgrade ? 1 : 0;
            gzip_count += line_may_ask(caller->line) ? 1 : 0;
        }
    }
    if (count > 0) {
        exchange->is_head = head_count == count;
        exchange->is_upgrade = upgrade_count == count;
        exchange->is_gzip = gzip_count == count;
    }
    return (head_count == 0 || head_count == count) &&
           (upgrade_count == 0 || upgrade_count == count) &&
           (gzip_count == 0 || gzip_count == count);
}

/* exchange_settle_look: what the client saw before it was asked for the request says nothing about what
 * has come since (R3): not to look again is no excuse. */
static void exchange_settle_look(const struct lb_world *world, struct lb_wire_exchange *exchange)
{
    const struct lb_caller *caller =
        exchange->ordinal == 0 ? NULL : lb_wire_caller(world, exchange);
    LB_ASSERT(exchange->begin.sequence <= exchange->wrote.sequence);
    if (caller != NULL && exchange->begin.sequence < caller->asked_sequence) {
        exchange->begin = exchange->wrote;
    }
}

/* exchange_read: reads the answer that begins at `start`, its coding undone if it was asked for. */
static void exchange_read(const struct lb_world *world, struct lb_wire_exchange *exchange,
                          const struct lb_net_log *log, size_t start, uint8_t *body)
{
    static const uint8_t nothing[1] = {0};
    const uint8_t *sent = log->sent_size == 0 ? nothing : log->sent;
    const struct lb_model_asked asked = {exchange->is_head, exchange->is_upgrade};
    struct lb_model *model = &exchange->model;
    exchange->is_located = true;
    exchange->start = start;
    exchange->body = body;
    lb_model_read_as(&asked, sent + start, log->sent_size - start, log_has_end(log), body, model);
    if (exchange->is_gzip && model->coding != LB_MODEL_PLAIN && model->framing != LB_MODEL_NONE) {
        bool is_dropped = world->c->options[LB_CASE_OPTION_GZIP_TAIL] != 0;
        lb_model_decode(model, body, is_dropped, &exchange->decoded);
        exchange->body = exchange->decoded == NULL ? body : exchange->decoded;
    }
}

/* log_answers: finds and reads the answers to the requests that log_requests has added. */
static void log_answers(const struct lb_world *world, uint32_t first, const struct lb_net_log *log,
                        uint8_t **bodies)
{
    struct lb_wire *wire = world->wire;
    size_t start = 0;
    for (uint32_t i = first; i < wire->count; i++) {
        struct lb_wire_exchange *exchange = &wire->exchanges[i];
        bool is_settled = exchange_settle_head(world, exchange);
        exchange_settle_look(world, exchange);
        exchange_settle_gzip(world, exchange);
        exchange_read(world, exchange, log, start, *bodies);
        if (!is_settled) {
            exchange->model.is_known = false;
            exchange->model.body_size = 0;
        }
        *bodies += exchange->model.is_decoded ? exchange->model.end : exchange->model.body_size;
        if (!exchange->model.is_complete) {
            return;
        }
        start += exchange->model.end;
    }
}

void lb_wire_forget(struct lb_wire *wire)
{
    for (uint32_t i = 0; i < wire->count; i++) {
        free(wire->exchanges[i].decoded);
        wire->exchanges[i].decoded = NULL;
    }
    wire->count = 0;
}

void lb_wire_read(struct lb_world *world)
{
    struct lb_wire *wire = world->wire;
    uint64_t stamp = wire_reserve(world);
    if (stamp == wire->stamp) {
        wire_settle_callers(world);
        return;
    }
    lb_wire_forget(wire);
    wire->stamp = stamp;
    uint8_t *bodies = wire->bodies;
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        uint32_t first = wire->count;
        log_requests(world, i, &log);
        log_answers(world, first, &log, &bodies);
    }
    LB_ASSERT((size_t)(bodies - wire->bodies) <= wire->capacity);
    wire_settle_callers(world);
}

const struct lb_wire_exchange *lb_wire_last(const struct lb_wire *wire, size_t log_index)
{
    for (uint32_t i = wire->count; i > 0; i--) {
        if (wire->exchanges[i - 1].log_index == log_index) {
            return &wire->exchanges[i - 1];
        }
    }
    return NULL;
}

const struct lb_wire_exchange *lb_wire_last_of(const struct lb_world *world,
                                               const struct lb_caller *caller)
{
    const struct lb_wire_exchange *found = NULL;
    for (uint32_t i = 0; i < world->wire->count; i++) {
        const struct lb_wire_exchange *exchange = &world->wire->exchanges[i];
        bool is_later = found == NULL || exchange->begin.sequence > found->begin.sequence;
        if (is_later && lb_wire_is_of(world, exchange, caller)) {
            found = exchange;
        }
    }
    return found;
}

bool lb_wire_is_host_of(const struct lb_world *world, const struct lb_net_log *log,
                        const struct lb_caller *caller)
{
    LB_ASSERT(caller->line != NULL);
    return lb_name_is(log->host, world->c->hosts[caller->line->host].name);
}

void lb_wire_read_unasked(const struct lb_world *world, size_t log_index,
                          const struct lb_caller *caller, uint8_t *body,
                          struct lb_wire_exchange *ret_exchange)
{
    struct lb_net_log log;
    struct lb_transport_options options;
    const struct lb_line *line = caller->line;
    lb_world_options(world, &options);
    lb_stage_log(world, log_index, &log);
    LB_ASSERT(log.written_size == 0);
    memset(ret_exchange, 0, sizeof *ret_exchange);
    ret_exchange->log_index = log_index;
    ret_exchange->is_head = line->verb == LB_VERB_HEAD;
    ret_exchange->is_upgrade = line->is_upgrade;
    ret_exchange->is_gzip = !options.is_gzip_off && line_may_ask(line);
    exchange_read(world, ret_exchange, &log, 0, body);
}

bool lb_wire_has_field(const struct lb_line *line, const char *name)
{
    size_t size = strlen(name);
    for (uint32_t i = 0; i < line->field_count; i++) {
        const struct lb_text *field = &line->fields[i];
        bool is_as_long = strcspn(field->bytes, ":") == size; /* one without a colon is all name */
        if (is_as_long && strncasecmp(field->bytes, name, size) == 0) {
            return true;
        }
    }
    return false;
}

bool lb_wire_is_unasked(const struct lb_world *world, const struct lb_net_log *log,
                        const struct lb_caller *caller)
{
    return log->written_size == 0 && log->sent_size > 0 && caller->line != NULL &&
           lb_wire_is_host_of(world, log, caller);
}

bool lb_wire_was_refused(const struct lb_world *world, const struct lb_caller *caller)
{
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        bool is_host = lb_wire_is_host_of(world, &log, caller);
        for (size_t j = 0; j < log.record_count && is_host; j++) {
            if (log.records[j].kind == LB_NET_FAILED && log.records[j].value == LB_REFUSED) {
                return true;
            }
        }
    }
    return false;
}

bool lb_wire_has_unasked(const struct lb_world *world, const struct lb_caller *caller)
{
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        if (lb_wire_is_unasked(world, &log, caller)) {
            return true;
        }
    }
    return false;
}

const struct lb_caller *lb_wire_caller(const struct lb_world *world,
                                       const struct lb_wire_exchange *exchange)
{
    uint64_t callers = exchange->callers;
    bool is_one = callers != 0 && (callers & (callers - 1)) == 0;
    return is_one ? &world->callers[__builtin_ctzll(callers)] : NULL;
}

bool lb_wire_has_foundling(const struct lb_world *world)
{
    bool is_found = false;
    for (uint32_t i = 0; i < world->wire->count && !is_found; i++) {
        const struct lb_wire_exchange *exchange = &world->wire->exchanges[i];
        is_found = exchange->is_partial && (exchange->callers & (exchange->callers - 1)) != 0;
    }
    return is_found;
}

void lb_wire_mark_at(const struct lb_net_log *log, enum lb_net_record_kind kind,
                     struct lb_wire_mark *ret_mark)
{
    memset(ret_mark, 0, sizeof *ret_mark);
    for (size_t i = 0; i < log->record_count; i++) {
        log_mark(ret_mark, &log->records[i]);
        if (log->records[i].kind == kind) {
            return;
        }
    }
}

/* log_pause: the longest time between two records up to the client's shutdown. */
static uint64_t log_pause(const struct lb_net_log *log)
{
    uint64_t longest_ns = 0;
    for (size_t i = 1; i < log->record_count && log->records[i - 1].kind != LB_NET_SHUT; i++) {
        uint64_t pause_ns = log->records[i].time_ns - log->records[i - 1].time_ns;
        longest_ns = pause_ns > longest_ns ? pause_ns : longest_ns;
    }
    return longest_ns;
}

bool lb_wire_may_pool(const struct lb_world *world, const struct lb_net_log *log,
                      const struct lb_transport_options *options)
{
    size_t all_count = lb_stage_log_count(world);
    size_t host_count = 0;
    for (size_t i = 0; i < all_count; i++) {
        struct lb_net_log other;
        lb_stage_log(world, i, &other);
        host_count += lb_name_is(other.host, log->host) ? 1 : 0;
    }
    for (uint32_t i = 0; i < world->c->client.count; i++) {
        const struct lb_line *line = &world->c->client.lines[i];
        bool has_deadline = line->verb != LB_VERB_ADVANCE && line->time_ns != 0;
        if (line->verb == LB_VERB_CLOSE_IDLE || line->verb == LB_VERB_CANCEL || has_deadline) {
            return false; /* a request that takes the connection and goes may take it along */
        }
    }
    bool is_total_free = options->idle_total_max == 0 || all_count <= options->idle_total_max;
    return is_total_free && host_count <= options->idle_per_host_max &&
           options->head_duration_ns == LB_NEVER && log_pause(log) < options->idle_duration_ns;
}

/* exchange_dirt: what the exchange itself says against reuse (R1). */
static const char *exchange_dirt(const struct lb_world *world,
                                 const struct lb_wire_exchange *exchange, const char **ret_context)
{
    const struct lb_model *model = &exchange->model;
    struct lb_transport_options options;
    lb_world_options(world, &options);
    const struct lb_caller *caller = lb_wire_caller(world, exchange);
    if (exchange->upload.is_close || (caller != NULL && caller->line->is_close)) {
        *ret_context = "request-close";
        return "R1";
    }
    if (options.is_keep_alive_off) {
        *ret_context = "keep-alive-off";
        return "R1";
    }
    if (exchange->upload.is_http10) {
        *ret_context = "request-of-an-old-version";
        return "R1";
    }
    if (model->framing == LB_MODEL_UPGRADED) {
        *ret_context = "upgraded";
        return "R1";
    }
    if (model->framing == LB_MODEL_UNTIL_CLOSE) {
        *ret_context = "until-close";
        return "R1";
    }
    if (!model->may_keep_alive) {
        *ret_context = "response-close";
        return "R1";
    }
    bool is_drained = caller != NULL && caller->is_closed && lb_world_drains(world);
    if (model->framing != LB_MODEL_NONE && caller != NULL && caller->outcome != LB_END &&
        !is_drained) {
        *ret_context = "body-not-at-its-end";
        return "R1";
    }
    return NULL;
}

const char *lb_wire_dirt(const struct lb_world *world, const struct lb_wire_exchange *exchange,
                         const struct lb_wire_mark *mark, const char **ret_context)
{
    const struct lb_model *model = &exchange->model;
    if (exchange->is_partial) {
        *ret_context = "request-not-written";
        return "R1";
    }
    if (exchange->upload.state != LB_UPLOAD_OVER) {
        *ret_context = "request-not-written";
        return exchange->upload.is_expect ? "R8" : "R7";
    }
    if (!exchange->is_located || !model->is_known) {
        return NULL; /* nothing is claimed about what the model does not know */
    }
    size_t end = exchange->start + model->end;
    if (!model->is_complete || mark->sent_size < end) {
        *ret_context = "before-the-end-of-the-response";
        return "R4";
    }
    if (mark->read_size < end) {
        *ret_context = "response-not-read";
        return "R1";
    }
    const char *rule = exchange_dirt(world, exchange, ret_context);
    if (rule != NULL) {
        return rule;
    }
    if (mark->sent_size > end) {
        bool is_buffered = mark->read_size > end;
        *ret_context = is_buffered ? "leftover-in-buffer" : "bytes-on-idle";
        return is_buffered ? "R2" : "R3";
    }
    if (mark->is_server_ended) {
        *ret_context = "end-on-idle";
        return "R3";
    }
    return NULL;
}
