/*
 * Encoding: a case of the fuzz dialect to its canonical bytes.
 *
 * Canonical order: options, slice, scripts (host by host, connection by connection), callers,
 * schedule. Each line has one shortest operation: an entry of a table before a literal, a head
 * line of the table before its text, text before octets, trailing zeros left out, `respond` and
 * `exchange` wherever the lines are exactly theirs. As a response begins at its `want` and holds
 * no other, taking the longest match at each `want` is taking the fewest bytes and operations.
 *
 * Invariant: what was encoded has been decoded again and compared, so that no case is ever said
 * wrongly.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "draft.h"
#include "operations.h"

struct encoder {
    const struct lb_case *c;
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    uint32_t size;
    uint32_t operation_count;
    uint32_t operand_start; /* of the current operation */
    uint32_t request_count; /* made by the lines so far */
    enum lb_status status;  /* the first failure; from then on nothing is added */
    struct lb_codec_error error;
};

/* encoder_fail: the first failure stays. */
__attribute__((format(printf, 4, 5))) static void encoder_fail(struct encoder *encoder,
                                                               enum lb_status status,
                                                               uint32_t place, const char *format,
                                                               ...)
{
    va_list arguments;
    LB_ASSERT(status != LB_OK);
    if (encoder->status == LB_OK) {
        encoder->status = status;
        encoder->error.place = place;
        va_start(arguments, format);
        (void)vsnprintf(encoder->error.reason, sizeof(encoder->error.reason), format, arguments);
        va_end(arguments);
    }
}

/* -- operations and operands -- */

static void encoder_put(struct encoder *encoder, uint8_t byte)
{
    if (encoder->size == sizeof(encoder->bytes)) {
        encoder_fail(encoder, LB_LIMIT, 0, "it takes more than %u bytes",
                     (unsigned)sizeof(encoder->bytes));
        return;
    }
    encoder->bytes[encoder->size] = byte;
    encoder->size++;
}

static void encoder_begin(struct encoder *encoder, enum lbi_operation operation, uint32_t place)
{
    LB_ASSERT(lbi_operation_of_slot((uint8_t)operation) == operation);
    if (encoder->operation_count == LB_CODEC_OPERATIONS_MAX) {
        encoder_fail(encoder, LB_LIMIT, place, "it takes more than %u operations",
                     (unsigned)LB_CODEC_OPERATIONS_MAX);
    }
    encoder->operation_count++;
    encoder_put(encoder, (uint8_t)(0x80 | operation));
    encoder->operand_start = encoder->size;
}

/* encoder_end: leaves out trailing zeros, as missing operands are zero. */
static void encoder_end(struct encoder *encoder)
{
    while (encoder->size > encoder->operand_start && encoder->bytes[encoder->size - 1] == 0) {
        encoder->size--;
    }
}

static void put_operand(struct encoder *encoder, uint64_t operand)
{
    LB_ASSERT(operand < 0x80);
    encoder_put(encoder, (uint8_t)operand);
}

static void put_digits(struct encoder *encoder, uint64_t number)
{
    LB_ASSERT(number <= LBI_LITERAL_MAX);
    for (; number > 0; number >>= 7) {
        put_operand(encoder, number & 0x7f);
    }
}

/* put_size: an entry of the table, or the number itself. */
static void put_size(struct encoder *encoder, uint64_t size, uint32_t place)
{
    for (uint32_t i = 0; i < LBI_SIZES; i++) {
        if (lbi_size(i) == size) {
            put_operand(encoder, i);
            return;
        }
    }
    if (size > LBI_LITERAL_MAX) {
        encoder_fail(encoder, LB_PROTOCOL, place, "a number above 2^63 - 1");
        return;
    }
    put_operand(encoder, LBI_LITERAL);
    put_digits(encoder, size);
}

static void put_time(struct encoder *encoder, uint64_t time_ns, uint32_t place)
{
    for (uint32_t i = 0; i < LBI_TIMES; i++) {
        if (lbi_time(i) == time_ns) {
            put_operand(encoder, i);
            return;
        }
    }
    if (time_ns > LBI_LITERAL_MAX) {
        encoder_fail(encoder, LB_PROTOCOL, place, "a time of more than 2^63 - 1 nanoseconds");
        return;
    }
    put_operand(encoder, LBI_LITERAL);
    put_digits(encoder, time_ns);
}

static bool text_is_seven_bit(struct lb_text text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        if (((unsigned char)text.bytes[i] & 0x80) != 0) {
            return false;
        }
    }
    return true;
}

/* put_text: all characters, or pairs without the last zero; never cut by encoder_end. */
static void put_text(struct encoder *encoder, struct lb_text text, bool is_octets)
{
    for (uint32_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        put_operand(encoder, byte & 0x7f);
        if (is_octets && (i + 1 < text.size || byte >> 7 != 0)) {
            put_operand(encoder, byte >> 7);
        }
    }
    encoder->operand_start = encoder->size;
}

/* -- lines -- */

/* host_slot: the number of a host's letter, or LBI_HOSTS. */
static uint32_t host_slot(const struct encoder *encoder, int32_t host)
{
    if (host < 0 || (uint32_t)host >= encoder->c->host_count) {
        return LBI_HOSTS;
    }
    const char *name = encoder->c->hosts[host].name;
    bool is_letter = name[0] >= 'a' && name[0] < 'a' + LBI_HOSTS && name[1] == '\0';
    return is_letter ? (uint32_t)(name[0] - 'a') : LBI_HOSTS;
}

static void put_host(struct encoder *encoder, const struct lb_line *line, uint32_t first)
{
    uint32_t slot = host_slot(encoder, line->host);
    if (slot == LBI_HOSTS) {
        encoder_fail(encoder, LB_PROTOCOL, line->place, "a host that is not one of a to h");
        return;
    }
    put_operand(encoder, slot + first);
}

/* put_request: how far back the request lies. */
static void put_request(struct encoder *encoder, const struct lb_line *line)
{
    if (line->request < 0 || (uint32_t)line->request >= encoder->request_count) {
        encoder_fail(encoder, LB_PROTOCOL, line->place, "a request that no line before it makes");
        return;
    }
    put_operand(encoder, (encoder->request_count - 1 - (uint32_t)line->request) & 0x7f);
}

static void put_signal(struct encoder *encoder, struct lb_text signal, uint32_t place)
{
    for (uint32_t i = 0; i < LBI_SIGNALS; i++) {
        struct lb_text name = lbi_signal_name(i);
        if (name.size == signal.size && memcmp(name.bytes, signal.bytes, name.size) == 0) {
            put_operand(encoder, i);
            return;
        }
    }
    encoder_fail(encoder, LB_PROTOCOL, place, "a signal that is not one of s1 to s4");
}

/* put_flags: the bits of a request. */
static void put_flags(struct encoder *encoder, const struct lb_line *line)
{
    uint32_t flags = (line->is_close ? 1u : 0u) | (line->is_background ? 2u : 0u) |
                     (line->is_interim ? 4u : 0u) | (line->is_upgrade ? 8u : 0u) |
                     (line->is_http10 ? 16u : 0u) | (line->is_expect ? 32u : 0u) |
                     (line->is_idempotent ? 64u : 0u);
    put_operand(encoder, flags);
}

/* put_field: the name of a trailer field. */
static void put_field(struct encoder *encoder, const struct lb_line *line)
{
    for (uint32_t i = 0; i < LBI_FIELDS; i++) {
        struct lb_text name = lbi_field_name(i);
        if (name.size == line->bytes.size &&
            memcmp(name.bytes, line->bytes.bytes, name.size) == 0) {
            put_operand(encoder, i);
            return;
        }
    }
    encoder_fail(encoder, LB_PROTOCOL, line->place, "a trailer field of another name");
}

/* put_bits: the operands that are bits; false: it is another kind. */
static bool put_bits(struct encoder *encoder, enum lbi_operand kind, const struct lb_line *line)
{
    switch ((int)kind) {
    case LBI_OPERAND_GET:
        put_operand(encoder, (line->is_close ? 1u : 0u) | (line->is_background ? 2u : 0u));
        return true;
    case LBI_OPERAND_BACK:
        put_operand(encoder, line->is_background ? 1 : 0);
        return true;
    case LBI_OPERAND_WANT:
        put_operand(encoder, (line->is_or_close ? 1u : 0u) | (line->is_or_reset ? 2u : 0u));
        return true;
    case LBI_OPERAND_END:
        put_operand(encoder, line->is_or_close == line->is_or_reset ? 0
                             : line->is_or_close                    ? 1
                                                                    : 2);
        return true;
    case LBI_OPERAND_FLAGS:
        put_flags(encoder, line);
        return true;
    default:
        return false;
    }
}

/* put_line_operand: what a line says of one kind. */
static void put_line_operand(struct encoder *encoder, enum lbi_operand kind,
                             const struct lb_line *line)
{
    if (put_bits(encoder, kind, line)) {
        return;
    }
    switch (kind) {
    case LBI_OPERAND_HOST:
        put_host(encoder, line, 0);
        break;
    case LBI_OPERAND_ANY_HOST:
        if (line->host >= 0) {
            put_host(encoder, line, 1);
        }
        break;
    case LBI_OPERAND_REQUEST:
        put_request(encoder, line);
        break;
    case LBI_OPERAND_SIGNAL:
        put_signal(encoder, line->name, line->place);
        break;
    case LBI_OPERAND_METHOD:
        LB_ASSERT(lb_verb_is_request(line->verb));
        put_operand(encoder, (uint64_t)(line->verb - LB_VERB_GET));
        break;
    case LBI_OPERAND_FIELD:
        put_field(encoder, line);
        break;
    case LBI_OPERAND_WHOLE:
        put_size(encoder, line->number == LB_CASE_ALL ? 0 : line->number, line->place);
        break;
    case LBI_OPERAND_READ:
        put_size(encoder, line->number == LB_CASE_ALL ? 0 : line->number, line->place);
        break;
    case LBI_OPERAND_FILL:
        put_size(encoder, line->number == 1 ? 0 : line->number, line->place);
        break;
    case LBI_OPERAND_TIME:
        put_time(encoder, line->time_ns == LBI_MILLISECOND ? 0 : line->time_ns, line->place);
        break;
    case LBI_OPERAND_DEADLINE:
        put_time(encoder, line->time_ns, line->place);
        break;
    case LBI_OPERAND_TEXT:
        put_text(encoder, line->bytes, false);
        break;
    case LBI_OPERAND_OCTETS:
        put_text(encoder, line->bytes, true);
        break;
    case LBI_OPERAND_NONE:
        break;
    case LBI_OPERAND_CONN:
    case LBI_OPERAND_RESPOND:
    case LBI_OPERAND_HEAD:
    case LBI_OPERAND_CHOICE:
    case LBI_OPERAND_PRIORITY:
    case LBI_OPERAND_DIGITS:
    case LBI_OPERAND_NUMBER:
    case LBI_OPERAND_GET:
    case LBI_OPERAND_BACK:
    case LBI_OPERAND_WANT:
    case LBI_OPERAND_END:
    case LBI_OPERAND_FLAGS:
    case LBI_OPERAND_SOURCE:
    case LBI_OPERAND_EVENT:
    case LBI_OPERAND_KINDS:
        LB_ASSERT(false);
    }
}

/* operation_of_line: the operation that makes a line from its operands; LBI_OPERATION_COUNT:
 * none. */
static enum lbi_operation operation_of_line(const struct lb_line *line)
{
    enum lbi_operand text = text_is_seven_bit(line->bytes) ? LBI_OPERAND_TEXT : LBI_OPERAND_OCTETS;
    for (int i = 0; i < LBI_OPERATION_COUNT; i++) {
        const struct lbi_operation_row *row = lbi_operation_row((enum lbi_operation)i);
        enum lbi_operand first = row->operands[0];
        bool is_text = first == LBI_OPERAND_TEXT || first == LBI_OPERAND_OCTETS;
        if (row->verb == line->verb && first != LBI_OPERAND_HEAD && (!is_text || first == text)) {
            return (enum lbi_operation)i;
        }
    }
    return LBI_OPERATION_COUNT;
}

static void encode_operation(struct encoder *encoder, enum lbi_operation operation,
                             const struct lb_line *line)
{
    const struct lbi_operation_row *row = lbi_operation_row(operation);
    encoder_begin(encoder, operation, line->place);
    for (uint32_t i = 0; i < LBI_OPERANDS_MAX; i++) {
        put_line_operand(encoder, row->operands[i], line);
    }
    encoder_end(encoder);
}

/* is_plain: whether a request is one of the two that have operations of their own. */
static bool is_plain(const struct lb_line *line)
{
    bool has_flag = line->is_interim || line->is_upgrade || line->is_http10 || line->is_expect ||
                    line->is_idempotent;
    return (line->verb == LB_VERB_GET || line->verb == LB_VERB_HEAD) && !has_flag;
}

/* put_source: the bits of a source. */
static void put_source(struct encoder *encoder, const struct lb_case_source *source, uint32_t place)
{
    for (uint32_t i = 0; i < LBI_PIECES; i++) {
        if (lbi_piece(i) == source->piece) {
            put_operand(encoder,
                        (source->is_chunked ? 1u : 0u) | (source->is_once ? 2u : 0u) | i << 2);
            return;
        }
    }
    encoder_fail(encoder, LB_PROTOCOL, place, "pieces of %u bytes", (unsigned)source->piece);
}

/* encode_more: what stands in a request's line beyond its operation. */
static void encode_more(struct encoder *encoder, const struct lb_line *line)
{
    const struct lb_case_source *source = line->source;
    if (source != NULL) {
        encoder_begin(encoder, LBI_OPERATION_BODY, line->place);
        put_source(encoder, source, line->place);
        put_size(encoder, source->size, line->place);
        encoder_end(encoder);
    }
    if (source != NULL && source->event != LB_SOURCE_GOES_ON) {
        encoder_begin(encoder, LBI_OPERATION_BODY_EVENT, line->place);
        put_operand(encoder, (uint64_t)(source->event - LB_SOURCE_AWAITS));
        if (source->event == LB_SOURCE_AWAITS) {
            put_signal(encoder, source->signal, line->place);
        } else {
            put_operand(encoder, 0);
        }
        put_size(encoder, source->at, line->place);
        encoder_end(encoder);
    }
    for (uint32_t i = 0; i < line->field_count; i++) {
        encoder_begin(encoder, LBI_OPERATION_WITH, line->place);
        put_text(encoder, line->fields[i], false);
        encoder_end(encoder);
    }
}

/* encode_head: a head line by its place in the table; false if it has none. */
static bool encode_head(struct encoder *encoder, const struct lb_line *line)
{
    uint32_t index = 0;
    uint64_t number = 0;
    if (!lbi_head_token_find(line->bytes, &index, &number)) {
        return false;
    }
    bool is_literal = number <= LBI_LITERAL_MAX || lbi_size_cut(UINT64_MAX, number) == number;
    if (!is_literal) {
        return false;
    }
    encoder_begin(encoder, LBI_OPERATION_LINE, line->place);
    put_operand(encoder, index);
    put_size(encoder, number, line->place);
    encoder_end(encoder);
    return true;
}

static void encode_line(struct encoder *encoder, const struct lb_line *line)
{
    if (line->prefix != LB_PREFIX_NONE || line->outcome_count > 0 || line->term_count > 0) {
        encoder_fail(encoder, LB_PROTOCOL, line->place, "bytes say no expectations");
        return;
    }
    if (line->verb == LB_VERB_HEAD_LINE && encode_head(encoder, line)) {
        return;
    }
    if (lb_verb_is_request(line->verb)) {
        enum lbi_operation plain =
            line->verb == LB_VERB_GET ? LBI_OPERATION_GET : LBI_OPERATION_HEAD;
        encode_operation(encoder, is_plain(line) ? plain : LBI_OPERATION_ASK, line);
        encode_more(encoder, line);
        return;
    }
    enum lbi_operation operation = operation_of_line(line);
    if (operation == LBI_OPERATION_COUNT) {
        encoder_fail(encoder, LB_PROTOCOL, line->place, "bytes cannot say \"%s\" here",
                     lb_verb_word(line->verb));
        return;
    }
    encode_operation(encoder, operation, line);
}

/* -- lanes -- */

static void encode_options(struct encoder *encoder)
{
    const struct lb_case *c = encoder->c;
    for (int i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        enum lbi_operation operation = lbi_operation_of_option((enum lb_case_option)i);
        uint64_t value = c->options[i];
        if (!c->is_option_set[i]) {
            continue;
        }
        encoder_begin(encoder, operation, 0);
        if (lbi_operation_row(operation)->operands[0] != LBI_OPERAND_TIME) {
            put_size(encoder, value, 0);
        } else if (value == LB_NEVER) {
            put_operand(encoder, LBI_TIMES - 1);
        } else {
            put_time(encoder, value == LBI_MILLISECOND ? 0 : value, 0);
        }
        encoder_end(encoder);
    }
    if (c->slice_count > 0) {
        encoder_begin(encoder, LBI_OPERATION_SLICE, 0);
        put_size(encoder, c->slices[0], 0);
        encoder_end(encoder);
    }
}

/* encode_script: the lines of one script, without the `serve` that every open one has. */
static void encode_script(struct encoder *encoder, const struct lb_lines *script)
{
    uint32_t count = script->count;
    if (count > 0 && script->lines[count - 1].verb == LB_VERB_SERVE) {
        count--;
    }
    for (uint32_t i = 0; i < count && encoder->status == LB_OK;) {
        enum lbi_respond kind = LBI_RESPOND_LENGTH;
        uint64_t size = 0;
        uint32_t matched = 0;
        const struct lb_line *line = &script->lines[i];
        if (lbi_respond_match(line, count - i, &kind, &size, &matched)) {
            encoder_begin(encoder, LBI_OPERATION_RESPOND, line->place);
            put_operand(encoder, kind);
            put_size(encoder, size, line->place);
            encoder_end(encoder);
            i += matched;
        } else if (lbi_head_end_is_implied(script, i)) {
            i++;
        } else {
            encode_line(encoder, line);
            i++;
        }
    }
}

static void encode_host(struct encoder *encoder, uint32_t index)
{
    const struct lb_case_host *host = &encoder->c->hosts[index];
    uint32_t slot = host_slot(encoder, (int32_t)index);
    if (slot == LBI_HOSTS) {
        encoder_fail(encoder, LB_PROTOCOL, host->place, "a host that is not one of a to h");
        return;
    }
    for (uint32_t i = 0; i < host->conn_count; i++) {
        const struct lb_case_conn *conn = &host->conns[i];
        uint32_t place = conn->number == 0 ? LBI_CONN_ANY : conn->number - 1;
        bool is_bare = conn->script.count == 1 && conn->script.lines[0].verb == LB_VERB_SERVE;
        if (place > LBI_CONN_ANY || (conn->number != 0 && place == LBI_CONN_ANY)) {
            encoder_fail(encoder, LB_PROTOCOL, conn->place, "a connection after the seventh");
            return;
        }
        if (conn->script.count == 0 || is_bare) {
            continue;
        }
        if (slot != 0 || place != 0) {
            encoder_begin(encoder, LBI_OPERATION_SCRIPT, conn->place);
            put_operand(encoder, slot);
            put_operand(encoder, place);
            encoder_end(encoder);
        }
        encode_script(encoder, &conn->script);
    }
}

/* is_exchange: whether three lines are a get, a read of all of it, and a close. */
static bool is_exchange(const struct lb_line *lines, uint32_t count)
{
    return count >= 3 && lines[0].verb == LB_VERB_GET && is_plain(&lines[0]) &&
           !lines[0].is_background && lines[1].verb == LB_VERB_READ && !lines[1].is_background &&
           lines[1].number == LB_CASE_ALL && lines[1].request == lines[0].request &&
           lines[2].verb == LB_VERB_CLOSE && !lines[2].is_background &&
           lines[2].request == lines[0].request;
}

static void encode_client(struct encoder *encoder)
{
    const struct lb_lines *client = &encoder->c->client;
    for (uint32_t i = 0; i < client->count && encoder->status == LB_OK;) {
        const struct lb_line *line = &client->lines[i];
        bool is_request = lb_verb_is_request(line->verb);
        if (is_exchange(line, client->count - i)) {
            encode_operation(encoder, LBI_OPERATION_EXCHANGE, line);
            encode_more(encoder, line);
            i += 3;
        } else {
            encode_line(encoder, line);
            i++;
        }
        encoder->request_count += is_request ? 1 : 0;
    }
}

static void encode_schedule(struct encoder *encoder)
{
    const struct lb_case *c = encoder->c;
    for (uint32_t i = 0; i < c->departure_count && encoder->status == LB_OK; i++) {
        const struct lb_sim_departure *departure = &c->departures[i];
        switch (departure->kind) {
        case LB_SIM_AFTER:
            encoder_begin(encoder, LBI_OPERATION_AFTER, 0);
            put_operand(encoder, departure->choice & 0x7f);
            put_digits(encoder, departure->skip);
            encoder_end(encoder);
            break;
        case LB_SIM_PRIORITY:
            encoder_begin(encoder, LBI_OPERATION_PRIORITY, 0);
            put_operand(encoder, departure->priority & 0x7f);
            put_digits(encoder, departure->worker);
            encoder_end(encoder);
            break;
        case LB_SIM_ANCHOR:
            encoder_fail(encoder, LB_PROTOCOL, 0,
                         "a departure anchored to a worker and its operation (number %u)", i + 1);
            break;
        }
    }
}

/* encoder_verify: decodes what was encoded and compares. */
static void encoder_verify(struct encoder *encoder)
{
    struct lb_case again;
    enum lb_status status = lb_case_init(&again);
    LB_ASSERT(status == LB_OK);
    lb_codec_decode(encoder->bytes, encoder->size, &again);
    if (!lb_case_is_equal(encoder->c, &again)) {
        encoder_fail(encoder, LB_PROTOCOL, 0,
                     "not a case of the fuzz dialect (its header, bounds or order)");
    }
    lb_case_deinit(&again);
}

enum lb_status lb_codec_encode(const struct lb_case *c, uint8_t *ret_bytes, size_t size,
                               size_t *ret_size, struct lb_codec_error *ret_error)
{
    struct encoder encoder;
    LB_ASSERT(c != NULL);
    LB_ASSERT(ret_size != NULL);
    encoder.c = c;
    encoder.size = 0;
    encoder.operation_count = 0;
    encoder.operand_start = 0;
    encoder.request_count = 0;
    encoder.status = LB_OK;
    encode_options(&encoder);
    for (uint32_t i = 0; i < c->host_count && encoder.status == LB_OK; i++) {
        encode_host(&encoder, i);
    }
    encode_client(&encoder);
    encode_schedule(&encoder);
    if (encoder.status == LB_OK) {
        encoder_verify(&encoder);
    }
    if (encoder.status == LB_OK && encoder.size > size) {
        encoder_fail(&encoder, LB_LIMIT, 0, "it takes %u bytes", (unsigned)encoder.size);
    }
    if (encoder.status != LB_OK) {
        *ret_error = encoder.error;
        return encoder.status;
    }
    if (encoder.size > 0) {
        memcpy(ret_bytes, encoder.bytes, encoder.size);
    }
    *ret_size = encoder.size;
    return LB_OK;
}
