/*
 * What an operation brought, against what its line expects.
 *
 * An expected outcome is a list of items in order; the body bytes that an operation brought are one
 * run, which the expected "bytes" and `fill N` items must cover exactly. Any of the alternatives may
 * fit; the first that does says how far the standard pattern has been consumed.
 */
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "stage.h"
#include "world.h"

#define OUTCOME_FILL_MIN 4 /* bytes of the pattern that are not taken for text */

/* A place in a text that is being made; never overflows. */
struct writer {
    char *text;
    size_t size;
    size_t used;
};

static void write_text(struct writer *w, const char *text)
{
    size_t length = strlen(text);
    size_t room = w->size - w->used - 1;
    length = length < room ? length : room;
    memcpy(w->text + w->used, text, length);
    w->used += length;
    w->text[w->used] = '\0';
}

/* write_bytes: a string of the case language, cut after 60 bytes. */
static void write_bytes(struct writer *w, const char *bytes, size_t size)
{
    size_t shown = size < 60 ? size : 60;
    write_text(w, "\"");
    for (size_t i = 0; i < shown; i++) {
        char piece[8];
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == '"' || byte == '\\') {
            snprintf(piece, sizeof piece, "\\%c", byte);
        } else if (byte == '\r' || byte == '\n') {
            snprintf(piece, sizeof piece, byte == '\r' ? "\\r" : "\\n");
        } else if (byte < ' ' || byte > '~') {
            snprintf(piece, sizeof piece, "\\x%02X", byte);
        } else {
            snprintf(piece, sizeof piece, "%c", byte);
        }
        write_text(w, piece);
    }
    write_text(w, shown < size ? "\"..." : "\"");
    if (shown < size) {
        char rest[40];
        snprintf(rest, sizeof rest, " (%zu bytes)", size);
        write_text(w, rest);
    }
}

/* pattern_size: how many of the bytes are the standard pattern from `offset` on. */
static size_t pattern_size(const char *bytes, size_t size, uint64_t offset)
{
    size_t i = 0;
    while (i < size && bytes[i] == lb_fill_byte(offset + i)) {
        i++;
    }
    return i;
}

static bool is_pattern(const char *bytes, size_t size, uint64_t offset)
{
    return pattern_size(bytes, size, offset) == size;
}

/* seen_bytes: the bytes that an operation brought. */
static const char *seen_bytes(const struct lb_caller *caller, const struct lb_seen *seen)
{
    return seen->text != NULL ? seen->text : caller == NULL ? NULL : caller->received;
}

/* seen_print: what an operation brought, in the words of the case language. */
static void seen_print(const struct lb_caller *caller, const struct lb_seen *seen, char *ret_text,
                       size_t size)
{
    struct writer w = {ret_text, size, 0};
    ret_text[0] = '\0';
    char piece[40];
    for (uint32_t i = 0; i < seen->code_count; i++) {
        snprintf(piece, sizeof piece, "%u ", (unsigned)caller->interim.codes[i]);
        write_text(&w, piece);
    }
    if (seen->code != 0) {
        snprintf(piece, sizeof piece, "%u ", (unsigned)seen->code);
        write_text(&w, piece);
    }
    size_t count = seen->bytes_end - seen->bytes_start;
    if (count > 0) {
        const char *bytes = seen_bytes(caller, seen) + seen->bytes_start;
        size_t fill = pattern_size(bytes, count, caller->fill_offset);
        fill = fill < OUTCOME_FILL_MIN ? 0 : fill;
        if (fill > 0) {
            snprintf(piece, sizeof piece, "fill %zu ", fill);
            write_text(&w, piece);
        }
        if (fill < count) {
            write_bytes(&w, bytes + fill, count - fill);
            write_text(&w, " ");
        }
    }
    write_text(&w, seen->is_ended ? "end " : "");
    write_text(&w, seen->is_done ? "ok " : "");
    write_text(&w, seen->is_none ? "none " : "");
    write_text(&w, seen->is_pending ? "pending " : "");
    write_text(&w, seen->is_ignored ? "nothing: it did not apply " : "");
    if (seen->error != LB_OK) {
        write_text(&w, "error ");
        write_text(&w, lb_status_word(seen->error));
        write_text(&w, " ");
    }
    if (w.used > 0) {
        ret_text[w.used - 1] = '\0';
    } else {
        write_text(&w, "no bytes");
    }
}

/* A comparison while it walks along the items. */
struct matching {
    const struct lb_caller *caller;
    const struct lb_seen *seen;
    size_t at;         /* next byte of the seen range */
    uint32_t codes_at; /* next status code */
    uint64_t fill_offset;
};

static bool match_bytes(struct matching *m, const struct lb_outcome_item *item)
{
    size_t left = m->seen->bytes_end - m->at;
    const char *bytes = seen_bytes(m->caller, m->seen);
    bytes = bytes == NULL ? NULL : bytes + m->at;
    if (item->kind == LB_OUTCOME_FILL) {
        if (left < item->number || !is_pattern(bytes, (size_t)item->number, m->fill_offset)) {
            return false;
        }
        m->fill_offset += item->number;
        m->at += (size_t)item->number;
        return true;
    }
    if (left < item->bytes.size || memcmp(bytes, item->bytes.bytes, item->bytes.size) != 0) {
        return false;
    }
    m->at += item->bytes.size;
    return true;
}

/* match_code: the next status code: the interim ones, then the final one. */
static bool match_code(struct matching *m, uint64_t number)
{
    uint32_t at = m->codes_at++;
    if (at < m->seen->code_count) {
        return m->caller->interim.codes[at] == number;
    }
    return at == m->seen->code_count && m->seen->code == number;
}

static bool match_item(struct matching *m, const struct lb_outcome_item *item)
{
    const struct lb_seen *seen = m->seen;
    switch (item->kind) {
    case LB_OUTCOME_CODE:
        return match_code(m, item->number);
    case LB_OUTCOME_BYTES:
    case LB_OUTCOME_FILL:
        return m->seen->bytes_end == m->at ? item->bytes.size + item->number == 0
                                           : match_bytes(m, item);
    case LB_OUTCOME_END:
        return seen->is_ended;
    case LB_OUTCOME_OK:
        return seen->is_done;
    case LB_OUTCOME_NONE:
        return seen->is_none;
    case LB_OUTCOME_PENDING:
        return seen->is_pending;
    case LB_OUTCOME_ERROR:
        return seen->error == item->error;
    }
    return false;
}

/* count_of: how many items, other than bytes, were seen. */
static uint32_t count_of(const struct lb_seen *seen)
{
    return seen->code_count + (seen->code != 0 ? 1u : 0u) + (seen->is_ended ? 1u : 0u) +
           (seen->is_done ? 1u : 0u) + (seen->is_none ? 1u : 0u) + (seen->is_pending ? 1u : 0u) +
           (seen->error != LB_OK ? 1u : 0u) + (seen->is_ignored ? 1u : 0u);
}

/* match_outcome: whether one alternative is exactly what was seen. */
static bool match_outcome(struct matching *m, const struct lb_outcome *outcome)
{
    uint32_t other_count = 0;
    for (uint32_t i = 0; i < outcome->item_count; i++) {
        const struct lb_outcome_item *item = &outcome->items[i];
        bool is_bytes = item->kind == LB_OUTCOME_BYTES || item->kind == LB_OUTCOME_FILL;
        other_count += is_bytes ? 0 : 1;
        if (!match_item(m, item)) {
            return false;
        }
    }
    return m->at == m->seen->bytes_end && other_count == count_of(m->seen);
}

/* expected_text: what stands behind `=>` of a line. */
static void expected_text(const struct lb_world *world, const struct lb_line *line, char *ret_text,
                          size_t size)
{
    char text[512];
    lb_line_print(world->c, line, text, sizeof text);
    const char *arrow = strstr(text, "=> ");
    snprintf(ret_text, size, "%.*s", (int)size - 1, arrow == NULL ? text : arrow + 3);
}

/* outcome_mix: adds what a line saw to the hash of the run's outcomes. */
static void outcome_mix(const struct lb_world *world, const struct lb_line *line,
                        const struct lb_seen *seen)
{
    uint64_t flags = (uint64_t)seen->is_ended | (uint64_t)seen->is_pending << 1 |
                     (uint64_t)seen->is_ignored << 2 | (uint64_t)seen->is_done << 3;
    uint64_t words[] = {(uint64_t)(line - world->c->client.lines), seen->code, seen->error,
                        seen->bytes_end - seen->bytes_start, flags};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        world->result->outcome_hash =
            (world->result->outcome_hash ^ words[i]) * UINT64_C(0x100000001b3);
    }
    for (size_t i = 1; world->outcomes != NULL && i < sizeof words / sizeof words[0]; i++) {
        uint64_t *outcome = &world->outcomes[words[0]];
        *outcome = (*outcome ^ (words[i] + 1)) * UINT64_C(0x100000001b3);
    }
}

/* outcome_note: alternative `index` of a line has come. */
static void outcome_note(struct lb_world *world, const struct lb_line *line, uint32_t index)
{
    if (world->taken != NULL) {
        world->taken[line - world->c->client.lines] |= UINT32_C(1) << (index % 32);
    }
    lb_world_note(world, line, index);
}

void lb_outcome_judge(struct lb_world *world, const struct lb_line *line,
                      const struct lb_seen *seen)
{
    struct lb_caller *caller = line->request < 0 ? NULL : &world->callers[line->request];
    char actual[256];
    outcome_mix(world, line, seen);
    if (world->story != NULL) {
        seen_print(caller, seen, actual, sizeof actual); /* before the pattern has moved on */
    }
    if (world->seen != NULL) {
        seen_print(caller, seen, actual, sizeof actual);
        world->seen->seen(world->seen->context, line, actual);
    }
    if (line->outcome_count == 0) {
        lb_story_outcome(world, line, actual, NULL);
        return;
    }
    for (uint32_t i = 0; i < line->outcome_count; i++) {
        uint64_t fill_offset = caller == NULL ? 0 : caller->fill_offset;
        struct matching m = {.caller = caller,
                             .seen = seen,
                             .at = seen->bytes_start,
                             .fill_offset = seen->text == NULL ? fill_offset : 0};
        if (match_outcome(&m, &line->outcomes[i])) {
            if (caller != NULL && line->verb != LB_VERB_POLL && seen->text == NULL) {
                caller->fill_offset = m.fill_offset;
            }
            outcome_note(world, line, i);
            lb_story_outcome(world, line, actual, NULL);
            return;
        }
    }
    char expected[256];
    expected_text(world, line, expected, sizeof expected);
    seen_print(caller, seen, actual, sizeof actual);
    lb_world_fail(world, line, expected, actual);
    lb_story_outcome(world, line, actual, lb_world_is_expected(world) ? expected : NULL);
}

/* -- expect -- */

/* closed_by: who ended a connection first, as the network saw it. */
static uint64_t closed_by(const struct lb_net_log *log)
{
    for (size_t i = 0; i < log->record_count; i++) {
        switch ((int)log->records[i].kind) {
        case LB_NET_SHUT:
        case LB_NET_CLOSED:
            return LB_CLOSED_BY_CLIENT;
        case LB_NET_SERVER_END:
        case LB_NET_SERVER_RESET:
            return LB_CLOSED_BY_SERVER;
        default:
            break;
        }
    }
    return LB_CLOSED_BY_NOBODY;
}

/* conns_value: connections of a host that were made, or made and closed by the client. */
static uint64_t conns_value(const struct lb_world *world, const char *host, bool is_closed)
{
    uint64_t count = 0;
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        if (lb_name_is(log.host, host) && log.is_connected && (!is_closed || !log.is_open)) {
            count++;
        }
    }
    return count;
}

static uint64_t wire_value(const struct lb_world *world, const struct lb_line *line)
{
    const char *host = world->c->hosts[line->host].name;
    for (size_t i = 0; i < lb_stage_log_count(world); i++) {
        struct lb_net_log log;
        lb_stage_log(world, i, &log);
        if (lb_name_is(log.host, host) && log.ordinal == line->number) {
            return closed_by(&log);
        }
    }
    return LB_CLOSED_BY_NOBODY;
}

static uint64_t workers_value(const struct lb_world *world, enum lb_role role)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < lb_stage_worker_count(world); i++) {
        struct lb_sim_view view;
        lb_stage_view(world, i, &view);
        count += view.role == role && view.state != LB_SIM_DONE ? 1 : 0;
    }
    return count;
}

/* source_value: what was done to a source. */
static uint64_t source_value(const struct lb_world_source *source, enum lb_term_key key)
{
    switch ((int)key) {
    case LB_TERM_CLOSED:
        return source->close_count;
    case LB_TERM_READ:
        return source->read_size;
    default:
        LB_ASSERT(key == LB_TERM_REWOUND);
        return source->rewind_count;
    }
}

/* term_value: what the world says about one key of an expect line. */
static uint64_t term_value(struct lb_world *world, const struct lb_line *line, enum lb_term_key key)
{
    const char *host = line->host < 0 ? NULL : world->c->hosts[line->host].name;
    struct lb_stats stats = {0};
    if (line->verb == LB_VERB_EXPECT_SOURCE) {
        return source_value(&world->callers[line->request].source, key);
    }
    if (line->verb == LB_VERB_EXPECT_POOL) {
        lb_stage_leave(world);
        lb_transport_stats(world->transport, host, &stats);
        lb_stage_enter(world);
    }
    switch (key) {
    case LB_TERM_IDLE:
        return stats.idle;
    case LB_TERM_BUSY:
        return stats.busy;
    case LB_TERM_WAITING:
        return stats.waiting;
    case LB_TERM_OPENED:
        return conns_value(world, host, false);
    case LB_TERM_CLOSED:
        return conns_value(world, host, true);
    case LB_TERM_STATE: {
        const struct lb_caller *caller = &world->callers[line->request];
        return caller->response == NULL ? LB_BODY_NONE : lb_caller_body_state(caller);
    }
    case LB_TERM_CLOSED_BY:
        return wire_value(world, line);
    case LB_TERM_READ:
        return workers_value(world, LB_ROLE_READ);
    case LB_TERM_WRITE:
        return workers_value(world, LB_ROLE_WRITE);
    case LB_TERM_DIAL:
        return workers_value(world, LB_ROLE_DIAL);
    case LB_TERM_REWOUND:
    case LB_TERM_COUNT:
        break;
    }
    LB_UNREACHABLE("a key of an expect line");
    return 0;
}

static bool term_holds(const struct lb_term *term, uint64_t value)
{
    switch (term->compare) {
    case LB_COMPARE_EQUAL:
        return value == term->number;
    case LB_COMPARE_AT_MOST:
        return value <= term->number;
    case LB_COMPARE_AT_LEAST:
        return value >= term->number;
    }
    return false;
}

/* terms_of: the terms of a printed expect line. */
static const char *terms_of(const char *text)
{
    const char *at = text + strcspn(text, "=<>");
    while (at > text && at[-1] != ' ') {
        at--;
    }
    return at;
}

void lb_outcome_expect(struct lb_world *world, const struct lb_line *line)
{
    struct lb_line actual_line = *line;
    struct lb_term terms[LB_TERM_COUNT];
    LB_ASSERT(line->term_count <= LB_TERM_COUNT);
    bool is_good = true;
    for (uint32_t i = 0; i < line->term_count; i++) {
        uint64_t value = term_value(world, line, line->terms[i].key);
        is_good = is_good && term_holds(&line->terms[i], value);
        terms[i] = line->terms[i];
        terms[i].number = value;
        terms[i].compare = LB_COMPARE_EQUAL;
    }
    if (is_good && world->story == NULL) {
        return;
    }
    char expected[256];
    char actual[256];
    actual_line.terms = terms;
    lb_line_print(world->c, line, expected, sizeof expected);
    lb_line_print(world->c, &actual_line, actual, sizeof actual);
    if (!is_good) {
        lb_world_fail(world, line, expected, actual);
    }
    bool is_told = !is_good && lb_world_is_expected(world);
    lb_story_outcome(world, line, terms_of(actual), is_told ? terms_of(expected) : NULL);
}
