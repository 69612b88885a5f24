/*
 * The tables of the byte form: operations and their slots, interesting sizes and times, head
 * lines, and the responses that `respond` stands for.
 *
 * Invariants, which the tests check: every operation owns the slot of its number and as many alias
 * slots as its row says; sizes and times ascend; no two head lines say the same; no text is said
 * by a head line and by a response in two ways of which the longer is canonical.
 */
#include "operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"

/* -- operations -- */

#define O(kind) LBI_OPERAND_##kind
#define OP0                                                                                        \
    {                                                                                              \
        O(NONE), O(NONE), O(NONE)                                                                  \
    }
#define OP1(a)                                                                                     \
    {                                                                                              \
        O(a), O(NONE), O(NONE)                                                                     \
    }
#define OP2(a, b)                                                                                  \
    {                                                                                              \
        O(a), O(b), O(NONE)                                                                        \
    }
#define OP3(a, b, c)                                                                               \
    {                                                                                              \
        O(a), O(b), O(c)                                                                           \
    }

#define OP4(a, b, c, d)                                                                            \
    {                                                                                              \
        O(a), O(b), O(c), O(d)                                                                     \
    }

static const struct lbi_operation_row operation_rows[LBI_OPERATION_COUNT] = {
#define OPERATION_ROW(name, word, lane, verb, operands, aliases)                                   \
    {word, LBI_LANE_##lane, LB_VERB_##verb, operands, aliases},
    LBI_OPERATION_LIST(OPERATION_ROW)
#undef OPERATION_ROW
};

#define SLOT(name) LBI_OPERATION_##name

/* The operation of each slot. The first LBI_OPERATION_COUNT are canonical; the others are
 * spread, so that a changed bit of an opcode makes another kind of operation. */
static const uint8_t operation_slots[128] = {
    /* canonical */
    SLOT(EXCHANGE),
    SLOT(GET),
    SLOT(HEAD),
    SLOT(READ),
    SLOT(CLOSE),
    SLOT(CANCEL),
    SLOT(DROP),
    SLOT(WAIT),
    SLOT(POLL),
    SLOT(CLOSE_IDLE),
    SLOT(ADVANCE),
    SLOT(SETTLE),
    SLOT(SIGNAL),
    SLOT(SCRIPT),
    SLOT(RESPOND),
    SLOT(WANT),
    SLOT(WANT_END),
    SLOT(LINE),
    SLOT(LINE_TEXT),
    SLOT(LINE_OCTETS),
    SLOT(SEND),
    SLOT(SEND_OCTETS),
    SLOT(CHUNK),
    SLOT(CHUNK_OCTETS),
    SLOT(CHUNK_FILL),
    SLOT(CHUNK_END),
    SLOT(FILL),
    SLOT(PAUSE),
    SLOT(AWAIT),
    SLOT(END),
    SLOT(HALF_CLOSE),
    SLOT(RESET),
    SLOT(STALL),
    SLOT(REFUSE),
    SLOT(AFTER),
    SLOT(PRIORITY),
    SLOT(PER_HOST),
    SLOT(IDLE_PER_HOST),
    SLOT(IDLE_TOTAL),
    SLOT(IDLE_TIMEOUT),
    SLOT(DIAL_TIMEOUT),
    SLOT(HEAD_TIMEOUT),
    SLOT(HEAD_SIZE),
    SLOT(RETRIES),
    SLOT(SLICE),
    SLOT(VERSION),
    SLOT(ASK),
    SLOT(BODY),
    SLOT(BODY_EVENT),
    SLOT(WITH),
    SLOT(WRITE),
    SLOT(TRAILER),
    SLOT(WANT_BODY),
    SLOT(GZIP_FILL),
    SLOT(CHUNK_GZIP),
    SLOT(DRAIN),
    SLOT(DRAIN_TIME),
    SLOT(CONTINUE_TIMEOUT),
    SLOT(WRITTEN_TIMEOUT),
    SLOT(GZIP),
    SLOT(GZIP_TAIL),
    SLOT(GZIP_RATIO),
    SLOT(KEEP_ALIVE),
    /* aliases */
    SLOT(ADVANCE),
    SLOT(SLICE),
    SLOT(GET),
    SLOT(RESPOND),
    SLOT(EXCHANGE),
    SLOT(PRIORITY),
    SLOT(READ),
    SLOT(PAUSE),
    SLOT(WAIT),
    SLOT(SEND),
    SLOT(BODY),
    SLOT(ASK),
    SLOT(CLOSE),
    SLOT(AFTER),
    SLOT(RESPOND),
    SLOT(SCRIPT),
    SLOT(ASK),
    SLOT(EXCHANGE),
    SLOT(READ),
    SLOT(WANT_BODY),
    SLOT(BODY_EVENT),
    SLOT(RESPOND),
    SLOT(LINE),
    SLOT(GET),
    SLOT(AFTER),
    SLOT(ASK),
    SLOT(GZIP),
    SLOT(DRAIN),
    SLOT(READ),
    SLOT(PAUSE),
    SLOT(HEAD),
    SLOT(CLOSE),
    SLOT(PER_HOST),
    SLOT(WANT),
    SLOT(FILL),
    SLOT(EXCHANGE),
    SLOT(CANCEL),
    SLOT(BODY),
    SLOT(ADVANCE),
    SLOT(SCRIPT),
    SLOT(SLICE),
    SLOT(GET),
    SLOT(RESPOND),
    SLOT(EXCHANGE),
    SLOT(READ),
    SLOT(AFTER),
    SLOT(WAIT),
    SLOT(SIGNAL),
    SLOT(SEND),
    SLOT(RESPOND),
    SLOT(CHUNK_END),
    SLOT(EXCHANGE),
    SLOT(CLOSE),
    SLOT(LINE),
    SLOT(RESPOND),
    SLOT(GET),
    SLOT(PRIORITY),
    SLOT(READ),
    SLOT(PAUSE),
    SLOT(CLOSE_IDLE),
    SLOT(CHUNK),
    SLOT(DROP),
    SLOT(SETTLE),
    SLOT(CHUNK_FILL),
    SLOT(END),
};

#undef SLOT

const struct lbi_operation_row *lbi_operation_row(enum lbi_operation operation)
{
    LB_ASSERT(operation < LBI_OPERATION_COUNT);
    return &operation_rows[operation];
}

enum lbi_operation lbi_operation_of_slot(uint8_t slot)
{
    LB_ASSERT(slot < 128);
    return (enum lbi_operation)operation_slots[slot];
}

enum lbi_operation lbi_operation_of_option(enum lb_case_option option)
{
    static const enum lbi_operation operations[LB_CASE_OPTION_COUNT] = {
#define OPTION_OPERATION(name, key, kind) LBI_OPERATION_##name,
        LB_CASE_OPTION_LIST(OPTION_OPERATION)
#undef OPTION_OPERATION
    };
    LB_ASSERT(option < LB_CASE_OPTION_COUNT);
    return operations[option];
}

/* -- sizes and times -- */

static const uint64_t sizes[LBI_SIZES] = {
    0,          1,          2,          3,          4,          5,         6,
    7,          8,          9,          10,         11,         12,        13,
    14,         15,         16,         17,         18,         19,        20,
    21,         22,         23,         24,         25,         26,        27,
    28,         29,         30,         31,         32,         33,        34,
    35,         36,         37,         38,         39,         40,        47,
    48,         49,         63,         64,         65,         79,        80,
    81,         95,         96,         97,         99,         100,       101,
    127,        128,        129,        159,        160,        191,       192,
    193,        199,        200,        239,        240,        254,       255,
    256,        257,        258,        300,        383,        384,       385,
    400,        499,        500,        511,        512,        513,       767,
    768,        999,        1000,       1001,       1023,       1024,      1025,
    1460,       1499,       1500,       1536,       2000,       2047,      2048,
    2049,       3000,       4000,       4095,       4096,       4097,      5000,
    8000,       8191,       8192,       8193,       10000,      16383,     16384,
    16385,      20000,      32767,      32768,      32769,      65535,     65536,
    1048576,    2147483647, 2147483648, 4294967295, 4294967296, INT64_MAX, UINT64_C(1) << 63,
    UINT64_MAX,
};

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

static const uint64_t times[LBI_TIMES] = {
    0,          MS,         10 * MS, 50 * MS, 100 * MS, 300 * MS, S,          1500 * MS,
    5 * S,      5 * S + 1,  10 * S,  15 * S,  20 * S,   29 * S,   30 * S - 1, 30 * S,
    30 * S + 1, 31 * S,     45 * S,  60 * S,  61 * S,   75 * S,   89 * S,     90 * S - 1,
    90 * S,     90 * S + 1, 91 * S,  100 * S, 120 * S,  180 * S,  300 * S,    600 * S,
};

uint64_t lbi_size(uint32_t index)
{
    LB_ASSERT(index < LBI_SIZES);
    return sizes[index];
}

uint64_t lbi_time(uint32_t index)
{
    LB_ASSERT(index < LBI_TIMES);
    return times[index];
}

/* table_cut: the greatest entry that is at most `limit`; entry 0 is 0. */
static uint64_t table_cut(const uint64_t *table, uint32_t count, uint64_t limit)
{
    uint32_t index = count - 1;
    LB_ASSERT(table[0] == 0);
    while (table[index] > limit) {
        index--;
    }
    return table[index];
}

uint64_t lbi_size_cut(uint64_t value, uint64_t limit)
{
    return value <= limit ? value : table_cut(sizes, LBI_SIZES, limit);
}

uint64_t lbi_time_cut(uint64_t value, uint64_t limit)
{
    return value <= limit ? value : table_cut(times, LBI_TIMES, limit);
}

/* -- head lines -- */

#define STATUS_OK "HTTP/1.1 200 OK"
#define STATUS_EMPTY "HTTP/1.1 204 No Content"
#define FIELD_LENGTH "Content-Length: "
#define FIELD_CHUNKED "Transfer-Encoding: chunked"
#define FIELD_CLOSE "Connection: close"

static const struct lbi_head_token head_tokens[LBI_HEAD_TOKENS] = {
    {"", false},
    {STATUS_OK, false},
    {FIELD_LENGTH, true},
    {FIELD_CHUNKED, false},
    {FIELD_CLOSE, false},
    {"Connection: keep-alive", false},
    {STATUS_EMPTY, false},
    {"HTTP/1.1 304 Not Modified", false},
    {"HTTP/1.1 404 Not Found", false},
    {"HTTP/1.1 100 Continue", false},
    {"HTTP/1.1 103 Early Hints", false},
    {"HTTP/1.1 101 Switching Protocols", false},
    {"HTTP/1.0 200 OK", false},
    {"Connection: keep-alive, close", false},
    {"Content-Length: 5, 5", false},
    {"Content-Length: 5, 6", false},
    {"HTTP/1.1 206 Partial Content", false},
    {"HTTP/1.1 301 Moved Permanently", false},
    {"HTTP/1.1 302 Found", false},
    {"HTTP/1.1 408 Request Timeout", false},
    {"HTTP/1.1 500 Internal Server Error", false},
    {"HTTP/1.1 503 Service Unavailable", false},
    {"HTTP/1.1 205 Reset Content", false},
    {"HTTP/1.1 102 Processing", false},
    {"HTTP/1.1 199 Odd", false},
    {"HTTP/1.1 299 Odd", false},
    {"HTTP/1.1 999 Odd", false},
    {"HTTP/1.1 200", false},
    {"HTTP/1.1 200 ", false},
    {"HTTP/1.1 20 OK", false},
    {"HTTP/1.1 2000 OK", false},
    {"HTTP/1.1  200 OK", false},
    {"HTTP/1.2 200 OK", false},
    {"HTTP/2.0 200 OK", false},
    {"HTTP/0.9 200 OK", false},
    {"ICY 200 OK", false},
    {"http/1.1 200 ok", false},
    {"Connection: Close", false},
    {"Connection: close, keep-alive", false},
    {"Connection:", false},
    {"Connection: upgrade", false},
    {"Upgrade: other", false},
    {"Keep-Alive: timeout=1, max=1", false},
    {"Keep-Alive: timeout=0", false},
    {"Transfer-Encoding: Chunked", false},
    {"Transfer-Encoding: gzip, chunked", false},
    {"Transfer-Encoding: chunked, gzip", false},
    {"Transfer-Encoding: chunked, chunked", false},
    {"Transfer-Encoding: identity", false},
    {"Transfer-Encoding:", false},
    {"Transfer-Encoding : chunked", false},
    {"Transfer-Encoding: chunked;q=1", false},
    {"Content-Length: -1", false},
    {"Content-Length: +5", false},
    {"Content-Length: 0x5", false},
    {"Content-Length: 5 5", false},
    {"Content-Length:", false},
    {"content-length:5", false},
    {"Content-Length : 5", false},
    {"Content-Length: 18446744073709551616", false},
    {"Trailer: Digest", false},
    {"Content-Encoding: gzip", false},
    {" folded", false},
    {"no colon", false},
};

struct lbi_head_token lbi_head_token(uint32_t index)
{
    LB_ASSERT(index < LBI_HEAD_TOKENS);
    return head_tokens[index];
}

/* text_number: whether `size` bytes are the decimal of a number, without leading zeros. */
static bool text_number(const char *bytes, size_t size, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (size == 0 || (size > 1 && bytes[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] < '0' || bytes[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(bytes[i] - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *ret_number = number;
    return true;
}

bool lbi_head_token_find(struct lb_text text, uint32_t *ret_index, uint64_t *ret_number)
{
    for (uint32_t i = 0; i < LBI_HEAD_TOKENS; i++) {
        const struct lbi_head_token *token = &head_tokens[i];
        size_t size = strlen(token->text);
        bool is_prefix =
            text.size >= size && (size == 0 || memcmp(text.bytes, token->text, size) == 0);
        uint64_t number = 0;
        if (is_prefix &&
            (token->has_number ? text_number(text.bytes + size, text.size - size, &number)
                               : text.size == size)) {
            *ret_index = i;
            *ret_number = number;
            return true;
        }
    }
    return false;
}

/* -- respond -- */

/* A line that is added to a response: verb, and what it says. */
static struct lb_line *respond_add(struct lbi_respond_lines *lines, enum lb_verb verb)
{
    LB_ASSERT(lines->count < LBI_RESPOND_LINES);
    struct lb_line *line = &lines->lines[lines->count];
    lines->count++;
    memset(line, 0, sizeof(*line));
    line->verb = verb;
    line->request = -1;
    line->host = -1;
    return line;
}

static void respond_head(struct lbi_respond_lines *lines, const char *text)
{
    struct lb_line *line = respond_add(lines, LB_VERB_HEAD_LINE);
    line->bytes = (struct lb_text){.bytes = text, .size = (uint32_t)strlen(text)};
}

static void respond_fill(struct lbi_respond_lines *lines, enum lb_verb verb, uint64_t size)
{
    if (size > 0) {
        respond_add(lines, verb)->number = size;
    }
}

/* respond_fields: the fields and the empty line. */
static void respond_fields(struct lbi_respond_lines *lines, enum lbi_respond kind, uint64_t size)
{
    switch (kind) {
    case LBI_RESPOND_LENGTH:
    case LBI_RESPOND_LAST:
    case LBI_RESPOND_CUT:
    case LBI_RESPOND_SLOW:
        (void)snprintf(lines->length, sizeof(lines->length), FIELD_LENGTH "%" PRIu64, size);
        respond_head(lines, lines->length);
        break;
    case LBI_RESPOND_CHUNKED:
    case LBI_RESPOND_LATE_END:
        respond_head(lines, FIELD_CHUNKED);
        break;
    case LBI_RESPOND_NO_BODY:
    case LBI_RESPOND_UNTIL_END:
        break;
    }
    if (kind == LBI_RESPOND_LAST) {
        respond_head(lines, FIELD_CLOSE);
    }
    respond_head(lines, "");
}

/* respond_body: what follows the head. */
static void respond_body(struct lbi_respond_lines *lines, enum lbi_respond kind, uint64_t size)
{
    switch (kind) {
    case LBI_RESPOND_LENGTH:
    case LBI_RESPOND_LAST:
        respond_fill(lines, LB_VERB_FILL, size);
        break;
    case LBI_RESPOND_CHUNKED:
        respond_fill(lines, LB_VERB_CHUNK_FILL, size);
        respond_add(lines, LB_VERB_CHUNK_END);
        break;
    case LBI_RESPOND_NO_BODY:
        break;
    case LBI_RESPOND_UNTIL_END:
        respond_fill(lines, LB_VERB_FILL, size);
        respond_add(lines, LB_VERB_CLOSE_SERVER);
        break;
    case LBI_RESPOND_CUT:
        respond_fill(lines, LB_VERB_FILL, size / 2);
        respond_add(lines, LB_VERB_CLOSE_SERVER);
        break;
    case LBI_RESPOND_SLOW:
        respond_fill(lines, LB_VERB_FILL, size / 2);
        respond_add(lines, LB_VERB_PAUSE)->time_ns = LBI_RESPOND_PAUSE;
        respond_fill(lines, LB_VERB_FILL, size - size / 2);
        break;
    case LBI_RESPOND_LATE_END:
        respond_fill(lines, LB_VERB_CHUNK_FILL, size);
        respond_add(lines, LB_VERB_PAUSE)->time_ns = LBI_RESPOND_PAUSE;
        respond_add(lines, LB_VERB_CHUNK_END);
        break;
    }
}

void lbi_respond_expand(enum lbi_respond kind, uint64_t size, struct lbi_respond_lines *ret_lines)
{
    LB_ASSERT(kind < LBI_RESPOND_KINDS);
    ret_lines->count = 0;
    respond_add(ret_lines, LB_VERB_WANT);
    respond_head(ret_lines, kind == LBI_RESPOND_NO_BODY ? STATUS_EMPTY : STATUS_OK);
    respond_fields(ret_lines, kind, size);
    respond_body(ret_lines, kind, size);
}

uint64_t lbi_respond_sent(enum lbi_respond kind, uint64_t size)
{
    LB_ASSERT(kind < LBI_RESPOND_KINDS);
    switch (kind) {
    case LBI_RESPOND_NO_BODY:
        return 0;
    case LBI_RESPOND_CUT:
        return size / 2;
    case LBI_RESPOND_LENGTH:
    case LBI_RESPOND_CHUNKED:
    case LBI_RESPOND_UNTIL_END:
    case LBI_RESPOND_LAST:
    case LBI_RESPOND_SLOW:
    case LBI_RESPOND_LATE_END:
        return size;
    }
    return size;
}

/* line_is_alike: whether two server lines say the same. */
static bool line_is_alike(const struct lb_line *a, const struct lb_line *b)
{
    return a->verb == b->verb && a->is_or_close == b->is_or_close &&
           a->is_or_reset == b->is_or_reset && a->number == b->number && a->time_ns == b->time_ns &&
           a->path.size == b->path.size && a->bytes.size == b->bytes.size &&
           (a->bytes.size == 0 || memcmp(a->bytes.bytes, b->bytes.bytes, a->bytes.size) == 0);
}

/* respond_guess: the size that `lines` have if they begin with a response at all. */
static uint64_t respond_guess(const struct lb_line *lines, uint32_t count)
{
    uint32_t index = 0;
    uint64_t number = 0;
    if (count > 2 && lbi_head_token_find(lines[2].bytes, &index, &number) &&
        head_tokens[index].has_number) {
        return number;
    }
    for (uint32_t i = 2; i < count && i < LBI_RESPOND_LINES; i++) {
        if (lines[i].verb == LB_VERB_FILL || lines[i].verb == LB_VERB_CHUNK_FILL) {
            return lines[i].number;
        }
        if (lines[i].verb != LB_VERB_HEAD_LINE) {
            return 0;
        }
    }
    return 0;
}

bool lbi_respond_match(const struct lb_line *lines, uint32_t count, enum lbi_respond *ret_kind,
                       uint64_t *ret_size, uint32_t *ret_count)
{
    struct lbi_respond_lines made;
    uint64_t size = 0;
    uint32_t best = 0;
    if (count < 3 || lines[0].verb != LB_VERB_WANT || lines[1].verb != LB_VERB_HEAD_LINE) {
        return false;
    }
    size = respond_guess(lines, count);
    for (int kind = 0; kind < LBI_RESPOND_KINDS; kind++) {
        uint64_t kind_size = kind == LBI_RESPOND_NO_BODY ? 0 : size;
        lbi_respond_expand((enum lbi_respond)kind, kind_size, &made);
        bool is_alike = made.count <= count && made.count > best;
        for (uint32_t i = 0; is_alike && i < made.count; i++) {
            is_alike = line_is_alike(&lines[i], &made.lines[i]);
        }
        if (is_alike) {
            best = made.count;
            *ret_kind = (enum lbi_respond)kind;
            *ret_size = kind_size;
            *ret_count = best;
        }
    }
    return best > 0;
}

/* -- bodies and trailers -- */

uint64_t lbi_piece(uint32_t index)
{
    static const uint64_t pieces[LBI_PIECES] = {0, 1, 2, 7, 64, 500, 1000, 4096};
    LB_ASSERT(index < LBI_PIECES);
    return pieces[index];
}

struct lb_text lbi_field_name(uint32_t index)
{
    static const char *const names[LBI_FIELDS] = {"Digest", "A", "Content-Length", "b"};
    LB_ASSERT(index < LBI_FIELDS);
    return (struct lb_text){.bytes = names[index], .size = (uint32_t)strlen(names[index])};
}

/* -- names -- */

struct lb_text lbi_signal_name(uint32_t index)
{
    static const char *const names[LBI_SIGNALS] = {"s1", "s2", "s3", "s4"};
    LB_ASSERT(index < LBI_SIGNALS);
    return (struct lb_text){.bytes = names[index], .size = 2};
}

struct lb_text lbi_request_path(uint32_t index)
{
    static const char *const paths[LBI_REQUESTS_MAX] = {
        "/r1", "/r2",  "/r3",  "/r4",  "/r5",  "/r6",  "/r7",  "/r8",
        "/r9", "/r10", "/r11", "/r12", "/r13", "/r14", "/r15", "/r16",
    };
    LB_ASSERT(index < LBI_REQUESTS_MAX);
    return (struct lb_text){.bytes = paths[index], .size = index < 9 ? 3 : 4};
}

char lbi_host_letter(uint32_t index)
{
    LB_ASSERT(index < LBI_HOSTS);
    return (char)('a' + (int)index);
}
