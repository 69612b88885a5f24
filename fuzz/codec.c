/*
 * Decoding: bytes to a case, in one pass over at most LB_CODEC_OPERATIONS_MAX operations.
 *
 * Mental model: operations are read one at a time and appended to a draft, each to its lane. A
 * server operation goes to the script that the last `script` selected (host a's first connection
 * before that); a client operation names requests by how far they lie back. What could have no
 * effect is left out, what is out of bounds is brought into them, never the other way round:
 * decoding knows no error.
 *
 * Invariants, on which the encoder's promise rests that canonical bytes are never longer: an
 * operand is only ever reduced; a number that is cut becomes one of the table; sizes and times are
 * cut against totals that do not depend on the order of lines.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "draft.h"

/* One operation: what it is and its operands, in the input. */
struct record {
    enum lbi_operation operation;
    const uint8_t *operands;
    uint32_t count;
};

#define LBI_METHODS (LB_VERB_OPTIONS - LB_VERB_GET + 1)

struct decoder {
    struct lbi_draft draft;
    struct record record;
    uint32_t host; /* of the selected script */
    uint32_t conn;
};

/* -- operands -- */

/* record_operand: operand `index`, 0 if it is missing. */
static uint8_t record_operand(const struct record *record, uint32_t index)
{
    return index < record->count ? record->operands[index] : 0;
}

/* record_digits: the operands from `index` on as digits of seven bits, the lowest first. */
static uint64_t record_digits(const struct record *record, uint32_t index)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < LBI_LITERAL_DIGITS && index + i < record->count; i++) {
        number |= (uint64_t)record->operands[index + i] << (7 * i);
    }
    return number;
}

static uint64_t record_size(const struct record *record, uint32_t index)
{
    uint8_t operand = record_operand(record, index);
    return operand == LBI_LITERAL ? record_digits(record, index + 1) : lbi_size(operand);
}

static uint64_t record_time(const struct record *record, uint32_t index)
{
    uint8_t operand = record_operand(record, index);
    return operand == LBI_LITERAL ? record_digits(record, index + 1)
                                  : lbi_time(operand % LBI_TIMES);
}

/* operand_host: most foreign operands mean host a, so that requests share connections. */
static uint32_t operand_host(uint8_t operand)
{
    if (operand < LBI_HOSTS) {
        return operand;
    }
    return operand % 16 < 4 ? operand % 4 : 0;
}

static uint32_t operand_conn(uint8_t operand)
{
    return operand < LBI_CONNS ? operand : operand % 4;
}

/* decoder_fill: the size of a fill; 0: nothing may be sent any more. */
static uint64_t decoder_fill(struct decoder *decoder, uint64_t size)
{
    uint64_t room = LBI_FILLED_MAX - decoder->draft.filled;
    uint64_t cut = lbi_size_cut(size == 0 ? 1 : size, room);
    decoder->draft.filled += cut;
    return cut;
}

/* decoder_time: a time, cut to what is left of the total. */
static uint64_t decoder_time(struct decoder *decoder, uint64_t time_ns)
{
    uint64_t cut = lbi_time_cut(time_ns, LBI_TIME_TOTAL_MAX - decoder->draft.time_ns);
    decoder->draft.time_ns += cut;
    return cut;
}

/* decoder_octets: pairs of operands as bytes. */
static struct lb_text decoder_octets(struct decoder *decoder)
{
    const struct record *record = &decoder->record;
    uint32_t size = (record->count + 1) / 2;
    char *bytes = lb_case_alloc(decoder->draft.c, (size_t)size + 1);
    for (uint32_t i = 0; i < size; i++) {
        uint8_t top = record_operand(record, 2 * i + 1);
        bytes[i] = (char)(unsigned char)(record->operands[2 * i] | (top & 1) << 7);
    }
    return (struct lb_text){.bytes = bytes, .size = size};
}

/* decoder_head: a head line of the table. */
static struct lb_text decoder_head(struct decoder *decoder)
{
    const struct record *record = &decoder->record;
    struct lbi_head_token token = lbi_head_token(record_operand(record, 0) % LBI_HEAD_TOKENS);
    if (!token.has_number) {
        return (struct lb_text){.bytes = token.text, .size = (uint32_t)strlen(token.text)};
    }
    char text[64];
    int size = snprintf(text, sizeof(text), "%s%" PRIu64, token.text, record_size(record, 1));
    LB_ASSERT(size > 0);
    LB_ASSERT((size_t)size < sizeof(text));
    return lb_case_text(decoder->draft.c, text, (size_t)size);
}

/* -- lines made of operands, by the kinds of the table -- */

/* operand_flags: the bits of a line. */
static void operand_flags(enum lbi_operand kind, uint8_t operand, struct lb_line *line)
{
    if (kind == LBI_OPERAND_GET) {
        line->is_close = (operand & 1) != 0;
        line->is_background = (operand & 2) != 0;
    } else if (kind == LBI_OPERAND_FLAGS) {
        line->is_close = (operand & 1) != 0;
        line->is_background = (operand & 2) != 0;
        line->is_interim = (operand & 4) != 0;
        line->is_upgrade = (operand & 8) != 0;
        line->is_http10 = (operand & 16) != 0;
        line->is_expect = (operand & 32) != 0;
        line->is_idempotent = (operand & 64) != 0;
    } else if (kind == LBI_OPERAND_BACK) {
        line->is_background = (operand & 1) != 0;
    } else if (kind == LBI_OPERAND_WANT) {
        line->is_or_close = (operand & 1) != 0;
        line->is_or_reset = (operand & 2) != 0;
    } else {
        LB_ASSERT(kind == LBI_OPERAND_END);
        line->is_or_close = operand % 3 != 2;
        line->is_or_reset = operand % 3 != 1;
    }
}

/* decoder_request: the request that an operand names; false if there is none yet. */
static bool decoder_request(const struct decoder *decoder, uint8_t operand, struct lb_line *line)
{
    uint32_t count = decoder->draft.c->request_count;
    if (count == 0) {
        return false;
    }
    line->request = (int32_t)(count - 1 - operand % count);
    return true;
}

/* decoder_read: how much a read asks for. */
static uint64_t decoder_read(const struct record *record, uint32_t index)
{
    uint64_t size = record_size(record, index);
    return size == 0 || size == UINT64_MAX ? LB_CASE_ALL : lbi_size_cut(size, UINT32_MAX);
}

/* decoder_whole: how much of a body a server reads. */
static uint64_t decoder_whole(const struct record *record, uint32_t index)
{
    uint64_t size = record_size(record, index);
    return size == 0 ? LB_CASE_ALL : lbi_size_cut(size, LB_CASE_FILL_MAX);
}

/* decoder_text: the operands from `index` on as characters. */
static struct lb_text decoder_text(struct decoder *decoder, uint32_t index)
{
    const struct record *record = &decoder->record;
    uint32_t size = record->count > index ? record->count - index : 0;
    const char *bytes = size == 0 ? "" : (const char *)record->operands + index;
    return lb_case_text(decoder->draft.c, bytes, size);
}

/* decoder_operand: operand `index` of the record into a line; false: the operation says nothing. */
static bool decoder_operand(struct decoder *decoder, enum lbi_operand kind, uint32_t index,
                            struct lb_line *line)
{
    const struct record *record = &decoder->record;
    uint8_t operand = record_operand(record, index);
    switch (kind) {
    case LBI_OPERAND_HOST:
        line->host = (int32_t)operand_host(operand);
        return true;
    case LBI_OPERAND_ANY_HOST:
        line->host = operand == 0 ? -1 : (int32_t)operand_host((uint8_t)(operand - 1));
        return true;
    case LBI_OPERAND_REQUEST:
        return decoder_request(decoder, operand, line);
    case LBI_OPERAND_GET:
    case LBI_OPERAND_FLAGS:
    case LBI_OPERAND_BACK:
    case LBI_OPERAND_WANT:
    case LBI_OPERAND_END:
        operand_flags(kind, operand, line);
        return true;
    case LBI_OPERAND_METHOD:
        line->verb = (enum lb_verb)(LB_VERB_GET + operand % LBI_METHODS);
        return true;
    case LBI_OPERAND_FIELD:
        line->bytes = lbi_field_name(operand % LBI_FIELDS);
        return true;
    case LBI_OPERAND_WHOLE:
        line->number = decoder_whole(record, index);
        return true;
    case LBI_OPERAND_HEAD:
        line->bytes = decoder_head(decoder);
        return true;
    case LBI_OPERAND_SIGNAL:
        line->name = lbi_signal_name(operand % LBI_SIGNALS);
        return true;
    case LBI_OPERAND_READ:
        line->number = decoder_read(record, index);
        return true;
    case LBI_OPERAND_FILL:
        line->number = decoder_fill(decoder, record_size(record, index));
        return line->number > 0;
    case LBI_OPERAND_TIME:
        line->time_ns = record_time(record, index);
        line->time_ns = decoder_time(decoder, line->time_ns == 0 ? LBI_MILLISECOND : line->time_ns);
        return line->time_ns > 0;
    case LBI_OPERAND_DEADLINE:
        line->time_ns = decoder_time(decoder, record_time(record, index));
        return true;
    case LBI_OPERAND_TEXT:
    case LBI_OPERAND_OCTETS:
        line->bytes =
            kind == LBI_OPERAND_TEXT ? decoder_text(decoder, index) : decoder_octets(decoder);
        return line->bytes.size > 0 || line->verb == LB_VERB_HEAD_LINE;
    case LBI_OPERAND_NUMBER: /* belongs to the head line before it */
    case LBI_OPERAND_NONE:
        return true;
    case LBI_OPERAND_CONN:
    case LBI_OPERAND_RESPOND:
    case LBI_OPERAND_CHOICE:
    case LBI_OPERAND_PRIORITY:
    case LBI_OPERAND_DIGITS:
    case LBI_OPERAND_SOURCE:
    case LBI_OPERAND_EVENT:
    case LBI_OPERAND_KINDS:
        break;
    }
    LB_ASSERT(false);
    return false;
}

/* decoder_line: the line of an operation that makes one; false: it says nothing. */
static bool decoder_line(struct decoder *decoder, enum lb_verb verb, struct lb_line *ret_line)
{
    const struct lbi_operation_row *row = lbi_operation_row(decoder->record.operation);
    *ret_line = lbi_draft_line(verb);
    bool is_said = true;
    for (uint32_t i = 0; is_said && i < LBI_OPERANDS_MAX; i++) {
        is_said = decoder_operand(decoder, row->operands[i], i, ret_line);
    }
    return is_said;
}

/* -- lanes -- */

/* decoder_respond: a response in several lines, or nothing if not all of it may stand. */
static void decoder_respond(struct decoder *decoder)
{
    struct lbi_draft *draft = &decoder->draft;
    struct lbi_respond_lines made;
    const struct record *record = &decoder->record;
    enum lbi_respond kind = (enum lbi_respond)(record_operand(record, 0) % LBI_RESPOND_KINDS);
    bool has_pause = kind == LBI_RESPOND_SLOW || kind == LBI_RESPOND_LATE_END;
    uint64_t room = LBI_FILLED_MAX - draft->filled;
    if (has_pause && LBI_TIME_TOTAL_MAX - draft->time_ns < LBI_RESPOND_PAUSE) {
        return;
    }
    uint64_t limit = kind == LBI_RESPOND_CUT ? 2 * room + 1 : room;
    uint64_t size = lbi_size_cut(record_size(record, 1), limit);
    lbi_respond_expand(kind, size, &made);
    draft->filled += lbi_respond_sent(kind, size);
    draft->time_ns += has_pause ? LBI_RESPOND_PAUSE : 0;
    for (uint32_t i = 0; i < made.count; i++) {
        if (made.lines[i].bytes.bytes == made.length) {
            made.lines[i].bytes = lb_case_text(draft->c, made.length, strlen(made.length));
        }
        lbi_draft_serve(draft, decoder->host, decoder->conn, &made.lines[i]);
    }
}

static void decoder_server(struct decoder *decoder)
{
    const struct record *record = &decoder->record;
    enum lb_verb verb = lbi_operation_row(record->operation)->verb;
    struct lb_line line;
    if (record->operation == LBI_OPERATION_SCRIPT) {
        decoder->host = operand_host(record_operand(record, 0));
        decoder->conn = operand_conn(record_operand(record, 1));
        return;
    }
    bool is_respond = record->operation == LBI_OPERATION_RESPOND;
    if (!lbi_draft_may_serve(&decoder->draft, decoder->host, decoder->conn,
                             is_respond ? LB_VERB_WANT : verb)) {
        return;
    }
    if (is_respond) {
        decoder_respond(decoder);
    } else if (decoder_line(decoder, verb, &line)) {
        lbi_draft_serve(&decoder->draft, decoder->host, decoder->conn, &line);
    }
}

/* decoder_body: the body of the newest request. */
static void decoder_body(struct decoder *decoder, struct lb_line *request)
{
    struct lbi_draft *draft = &decoder->draft;
    const struct record *record = &decoder->record;
    uint8_t operand = record_operand(record, 0);
    struct lb_case_source *source = lb_case_alloc(draft->c, sizeof(*source));
    source->size = lbi_size_cut(record_size(record, 1), LBI_UPLOADED_MAX - draft->uploaded);
    source->is_chunked = (operand & 1) != 0;
    source->is_once = (operand & 2) != 0;
    source->piece = lbi_piece((uint32_t)(operand >> 2) % LBI_PIECES);
    draft->uploaded += source->size;
    request->source = source;
}

/* decoder_event: what the source of the newest request does at one place. */
static void decoder_event(struct decoder *decoder, struct lb_line *request)
{
    const struct record *record = &decoder->record;
    if (request->source == NULL) {
        return;
    }
    struct lb_case_source *source = lb_case_alloc(decoder->draft.c, sizeof(*source));
    *source = *request->source;
    source->event = (enum lb_source_event)(LB_SOURCE_AWAITS + record_operand(record, 0) % 4);
    source->signal = (struct lb_text){.bytes = NULL, .size = 0};
    if (source->event == LB_SOURCE_AWAITS) {
        source->signal = lbi_signal_name(record_operand(record, 1) % LBI_SIGNALS);
    }
    source->at = lbi_size_cut(record_size(record, 2), source->size);
    request->source = source;
}

/* decoder_with: a further field of the newest request. */
static void decoder_with(struct decoder *decoder, struct lb_line *request)
{
    struct lb_text text = decoder_text(decoder, 0);
    if (text.size == 0 || request->field_count == LB_CASE_FIELDS_MAX) {
        return;
    }
    uint32_t count = request->field_count;
    struct lb_text *fields = lb_case_alloc(decoder->draft.c, (count + 1) * sizeof(*fields));
    if (count > 0) {
        memcpy(fields, request->fields, count * sizeof(*fields));
    }
    fields[count] = text;
    request->fields = fields;
    request->field_count = count + 1;
}

/* decoder_more: what is added to the newest request; false: the operation is another one. */
static bool decoder_more(struct decoder *decoder)
{
    struct lb_line *newest = lbi_draft_newest(&decoder->draft);
    switch ((int)decoder->record.operation) {
    case LBI_OPERATION_BODY:
        if (newest != NULL) {
            decoder_body(decoder, newest);
        }
        return true;
    case LBI_OPERATION_BODY_EVENT:
        if (newest != NULL) {
            decoder_event(decoder, newest);
        }
        return true;
    case LBI_OPERATION_WITH:
        if (newest != NULL) {
            decoder_with(decoder, newest);
        }
        return true;
    default:
        return false;
    }
}

static void decoder_client(struct decoder *decoder)
{
    struct lbi_draft *draft = &decoder->draft;
    enum lbi_operation operation = decoder->record.operation;
    bool is_exchange = operation == LBI_OPERATION_EXCHANGE;
    bool is_ask = operation == LBI_OPERATION_ASK;
    if (decoder_more(decoder)) {
        return;
    }
    enum lb_verb verb = is_exchange || is_ask ? LB_VERB_GET : lbi_operation_row(operation)->verb;
    bool is_request = lb_verb_is_request(verb);
    struct lb_line line;
    if (is_request && draft->c->request_count == LBI_REQUESTS_MAX) {
        return;
    }
    if (!decoder_line(decoder, verb, &line)) {
        return;
    }
    line.is_background = line.is_background && !is_exchange;
    lbi_draft_ask(draft, &line);
    if (is_exchange) {
        line = lbi_draft_line(LB_VERB_READ);
        line.request = (int32_t)draft->c->request_count - 1;
        line.number = LB_CASE_ALL;
        lbi_draft_ask(draft, &line);
        line.verb = LB_VERB_CLOSE;
        line.number = 0;
        lbi_draft_ask(draft, &line);
    }
}

static void decoder_scheduler(struct decoder *decoder)
{
    const struct record *record = &decoder->record;
    struct lb_sim_departure departure;
    memset(&departure, 0, sizeof(departure));
    uint64_t digits = record_digits(record, 1);
    if (record->operation == LBI_OPERATION_AFTER) {
        departure.kind = LB_SIM_AFTER;
        departure.choice = record_operand(record, 0) % 3;
        departure.skip = (uint16_t)(digits & UINT16_MAX);
    } else {
        LB_ASSERT(record->operation == LBI_OPERATION_PRIORITY);
        departure.kind = LB_SIM_PRIORITY;
        departure.priority = record_operand(record, 0) % 8;
        departure.worker = (uint16_t)(digits % LB_SIM_WORKERS_MAX);
    }
    lbi_draft_depart(&decoder->draft, &departure);
}

static void option_set(struct lb_case *c, enum lb_case_option option, uint64_t value)
{
    c->is_option_set[option] = true;
    c->options[option] = value;
}

/* option_time: a duration; what no case could wait for is `never`. */
static uint64_t option_time(const struct record *record)
{
    uint64_t time_ns = record_time(record, 0);
    if (time_ns == 0) {
        return LBI_MILLISECOND;
    }
    return time_ns > LBI_TIME_TOTAL_MAX ? LB_NEVER : time_ns;
}

static void decoder_option(struct decoder *decoder)
{
    const struct record *record = &decoder->record;
    struct lb_case *c = decoder->draft.c;
    bool is_retries = record->operation == LBI_OPERATION_RETRIES;
    uint64_t number_max = is_retries ? LBI_RETRIES_MAX : UINT32_MAX;
    uint64_t number = lbi_size_cut(record_size(record, 0), number_max);
    if (record->operation == LBI_OPERATION_SLICE) {
        c->slices[0] = (uint32_t)number;
        c->slice_count = number > 0 ? 1 : 0;
        return;
    }
    for (int i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        enum lb_case_option option = (enum lb_case_option)i;
        if (lbi_operation_of_option(option) == record->operation) {
            bool is_time = lbi_operation_row(record->operation)->operands[0] == LBI_OPERAND_TIME;
            option_set(c, option, is_time ? option_time(record) : number);
        }
    }
}

/* -- the pass -- */

static void decoder_apply(struct decoder *decoder)
{
    switch (lbi_operation_row(decoder->record.operation)->lane) {
    case LBI_LANE_SERVER:
        decoder_server(decoder);
        break;
    case LBI_LANE_CLIENT:
        decoder_client(decoder);
        break;
    case LBI_LANE_SCHEDULER:
        decoder_scheduler(decoder);
        break;
    case LBI_LANE_OPTION:
        decoder_option(decoder);
        break;
    }
}

void lb_codec_decode(const uint8_t *bytes, size_t size, struct lb_case *ret_case)
{
    struct decoder decoder;
    LB_ASSERT(bytes != NULL || size == 0);
    size = size < LB_CODEC_SIZE_MAX ? size : LB_CODEC_SIZE_MAX;
    decoder.host = 0;
    decoder.conn = 0;
    lbi_draft_begin(&decoder.draft, ret_case);
    size_t at = 0;
    while (at < size && bytes[at] < 0x80) {
        at++;
    }
    for (uint32_t i = 0; i < LB_CODEC_OPERATIONS_MAX && at < size; i++) {
        size_t start = at + 1;
        decoder.record.operation = lbi_operation_of_slot(bytes[at] & 0x7f);
        for (at = start; at < size && bytes[at] < 0x80; at++) {
        }
        decoder.record.operands = bytes + start;
        decoder.record.count = (uint32_t)(at - start);
        decoder_apply(&decoder);
    }
    lbi_draft_finish(&decoder.draft);
}
