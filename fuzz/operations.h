/*
 * The operations of the byte form: one table, from which the decoder, the encoder, the mutator and
 * the dictionary work.
 *
 * The table is append-only. An operation's canonical slot is its number and never moves: canonical
 * encodings keep their meaning for ever. The slots above the last operation are aliases, which
 * make useful operations likelier (lbi_operation_of_slot). A new operation takes the lowest alias
 * slot as its canonical one, and may take further alias slots from operations that have many.
 */
#ifndef LASTBYTE_FUZZ_OPERATIONS_H
#define LASTBYTE_FUZZ_OPERATIONS_H

#include "codec.h"

#define LBI_HOSTS 8         /* hosts a to h */
#define LBI_CONNS 8         /* scripts of a host: connections 1 to 7, and `conn *` */
#define LBI_CONN_ANY 7      /* the script of `conn *` */
#define LBI_RETRIES_MAX 4   /* or a run could use up its workers */
#define LBI_REQUESTS_MAX 16 /* requests r1 to r16; further ones are ignored */
#define LBI_SIGNALS 4       /* signals s1 to s4 */
#define LBI_HEAD_TOKENS 64
#define LBI_SIZES 127
#define LBI_TIMES 32
#define LBI_LITERAL 127      /* in place of an index: the number itself follows */
#define LBI_LITERAL_DIGITS 9 /* of seven bits, the lowest first */
#define LBI_LITERAL_MAX ((UINT64_C(1) << 63) - 1)
#define LBI_OPERANDS_MAX 4 /* kinds of one operation */
#define LBI_RESPOND_KINDS 8
#define LBI_RESPOND_LINES 8 /* lines of an expanded `respond`, at most */
#define LBI_RESPOND_PAUSE (50 * LBI_MILLISECOND)
#define LBI_MILLISECOND UINT64_C(1000000)

/* Bytes of all fills, so that these and all text of 4096 bytes of input stay under
 * LB_CODEC_SERVED_MAX: 64 heads of at most 80 bytes and the text are less than 10 KiB. */
#define LBI_FILLED_MAX (54u * 1024u)

/* Bytes of the bodies of all requests: each may be read in pieces of one byte, and again at each try. */
#define LBI_UPLOADED_MAX (16u * 1024u)
#define LBI_PIECES 8 /* sizes of the pieces in which a source gives its bytes */
#define LBI_FIELDS 4 /* names of trailer fields that are looked at */

/* Time of all pauses, advances and deadlines; and of each one. */
#define LBI_TIME_TOTAL_MAX (300u * UINT64_C(1000000000))

/* What an operand says. One number, time, text or octets, and that last. */
enum lbi_operand {
    LBI_OPERAND_NONE,
    LBI_OPERAND_HOST,     /* below 8: a to h; else one of a to d, mostly a */
    LBI_OPERAND_ANY_HOST, /* 0: all; then as HOST, from 1 */
    LBI_OPERAND_CONN,     /* below 7: connection 1 to 7; 7: `conn *`; else 1 to 4 */
    LBI_OPERAND_REQUEST,  /* how many requests before the newest, modulo their count */
    LBI_OPERAND_GET,      /* bits: close, background */
    LBI_OPERAND_BACK,     /* bit: background */
    LBI_OPERAND_WANT,     /* bits: or close, or reset */
    LBI_OPERAND_END,      /* modulo 3: close or reset, close, reset */
    LBI_OPERAND_RESPOND,  /* modulo 8: enum lbi_respond */
    LBI_OPERAND_HEAD,     /* modulo 64: a head line */
    LBI_OPERAND_SIGNAL,   /* modulo 4 */
    LBI_OPERAND_CHOICE,   /* modulo 3 */
    LBI_OPERAND_PRIORITY, /* modulo 8 */
    LBI_OPERAND_DIGITS,   /* a number below 2^16, seven bits each, the lowest first */
    LBI_OPERAND_NUMBER,   /* an interesting size, or 127 and the number */
    LBI_OPERAND_READ,     /* likewise; 0: all */
    LBI_OPERAND_FILL,     /* likewise; 0: one; cut to what all servers may send */
    LBI_OPERAND_TIME,     /* an interesting time, or 127 and the nanoseconds; 0: a millisecond */
    LBI_OPERAND_DEADLINE, /* likewise; 0: none */
    LBI_OPERAND_TEXT,     /* all operands are characters */
    LBI_OPERAND_OCTETS,   /* pairs: low seven bits, top bit */
    LBI_OPERAND_METHOD,   /* modulo 6: get, head, post, put, delete, options */
    LBI_OPERAND_FLAGS,  /* bits: close, background, interim, upgrade, http10, expect, idempotent */
    LBI_OPERAND_SOURCE, /* bits: chunked, once; from the third on modulo 8: a size of pieces */
    LBI_OPERAND_EVENT,  /* modulo 4: await, stall, fail, end */
    LBI_OPERAND_FIELD,  /* modulo 4: the name of a trailer field */
    LBI_OPERAND_WHOLE,  /* an interesting size, or 127 and the number; 0: all */
    LBI_OPERAND_KINDS
};

enum lbi_lane { LBI_LANE_SERVER, LBI_LANE_CLIENT, LBI_LANE_SCHEDULER, LBI_LANE_OPTION };

/*
 * OPERATION(enumerator, word, lane, verb, operands, aliases). `verb` is the line that it makes;
 * LB_VERB_COUNT where it makes none or several. `aliases` is the number of its alias slots.
 */
#define LBI_OPERATION_LIST(OPERATION)                                                              \
    OPERATION(EXCHANGE, "exchange", CLIENT, COUNT, OP3(HOST, GET, DEADLINE), 5)                    \
    OPERATION(GET, "get", CLIENT, GET, OP3(HOST, GET, DEADLINE), 4)                                \
    OPERATION(HEAD, "head", CLIENT, HEAD, OP3(HOST, GET, DEADLINE), 1)                             \
    OPERATION(READ, "read", CLIENT, READ, OP3(REQUEST, BACK, READ), 5)                             \
    OPERATION(CLOSE, "close", CLIENT, CLOSE, OP2(REQUEST, BACK), 3)                                \
    OPERATION(CANCEL, "cancel", CLIENT, CANCEL, OP1(REQUEST), 1)                                   \
    OPERATION(DROP, "drop", CLIENT, DROP, OP1(REQUEST), 1)                                         \
    OPERATION(WAIT, "wait", CLIENT, WAIT, OP1(REQUEST), 2)                                         \
    OPERATION(POLL, "poll", CLIENT, POLL, OP1(REQUEST), 0)                                         \
    OPERATION(CLOSE_IDLE, "close-idle", CLIENT, CLOSE_IDLE, OP1(ANY_HOST), 1)                      \
    OPERATION(ADVANCE, "advance", CLIENT, ADVANCE, OP1(TIME), 2)                                   \
    OPERATION(SETTLE, "settle", CLIENT, SETTLE, OP0, 1)                                            \
    OPERATION(SIGNAL, "signal", CLIENT, SIGNAL, OP1(SIGNAL), 1)                                    \
    OPERATION(SCRIPT, "script", SERVER, COUNT, OP2(HOST, CONN), 2)                                 \
    OPERATION(RESPOND, "respond", SERVER, COUNT, OP2(RESPOND, NUMBER), 6)                          \
    OPERATION(WANT, "want", SERVER, WANT, OP1(WANT), 1)                                            \
    OPERATION(WANT_END, "want-end", SERVER, WANT_END, OP1(END), 0)                                 \
    OPERATION(LINE, "line", SERVER, HEAD_LINE, OP2(HEAD, NUMBER), 2)                               \
    OPERATION(LINE_TEXT, "line-text", SERVER, HEAD_LINE, OP1(TEXT), 0)                             \
    OPERATION(LINE_OCTETS, "line-octets", SERVER, HEAD_LINE, OP1(OCTETS), 0)                       \
    OPERATION(SEND, "send", SERVER, SEND, OP1(TEXT), 2)                                            \
    OPERATION(SEND_OCTETS, "send-octets", SERVER, SEND, OP1(OCTETS), 0)                            \
    OPERATION(CHUNK, "chunk", SERVER, CHUNK, OP1(TEXT), 1)                                         \
    OPERATION(CHUNK_OCTETS, "chunk-octets", SERVER, CHUNK, OP1(OCTETS), 0)                         \
    OPERATION(CHUNK_FILL, "chunk-fill", SERVER, CHUNK_FILL, OP1(FILL), 1)                          \
    OPERATION(CHUNK_END, "chunk-end", SERVER, CHUNK_END, OP0, 1)                                   \
    OPERATION(FILL, "fill", SERVER, FILL, OP1(FILL), 1)                                            \
    OPERATION(PAUSE, "pause", SERVER, PAUSE, OP1(TIME), 3)                                         \
    OPERATION(AWAIT, "await", SERVER, AWAIT, OP1(SIGNAL), 0)                                       \
    OPERATION(END, "end", SERVER, CLOSE_SERVER, OP0, 1)                                            \
    OPERATION(HALF_CLOSE, "half-close", SERVER, HALF_CLOSE, OP0, 0)                                \
    OPERATION(RESET, "reset", SERVER, RESET, OP0, 0)                                               \
    OPERATION(STALL, "stall", SERVER, STALL, OP0, 0)                                               \
    OPERATION(REFUSE, "refuse", SERVER, REFUSE, OP0, 0)                                            \
    OPERATION(AFTER, "after", SCHEDULER, COUNT, OP2(CHOICE, DIGITS), 3)                            \
    OPERATION(PRIORITY, "priority", SCHEDULER, COUNT, OP2(PRIORITY, DIGITS), 2)                    \
    OPERATION(PER_HOST, "per-host", OPTION, COUNT, OP1(NUMBER), 1)                                 \
    OPERATION(IDLE_PER_HOST, "idle-per-host", OPTION, COUNT, OP1(NUMBER), 0)                       \
    OPERATION(IDLE_TOTAL, "idle-total", OPTION, COUNT, OP1(NUMBER), 0)                             \
    OPERATION(IDLE_TIMEOUT, "idle-timeout", OPTION, COUNT, OP1(TIME), 0)                           \
    OPERATION(DIAL_TIMEOUT, "dial-timeout", OPTION, COUNT, OP1(TIME), 0)                           \
    OPERATION(HEAD_TIMEOUT, "head-timeout", OPTION, COUNT, OP1(TIME), 0)                           \
    OPERATION(HEAD_SIZE, "head-size", OPTION, COUNT, OP1(NUMBER), 0)                               \
    OPERATION(RETRIES, "retries", OPTION, COUNT, OP1(NUMBER), 0)                                   \
    OPERATION(SLICE, "slice", OPTION, COUNT, OP1(NUMBER), 2)                                       \
    OPERATION(VERSION, "version", OPTION, COUNT, OP1(NUMBER), 0)                                   \
    OPERATION(ASK, "ask", CLIENT, COUNT, OP4(HOST, METHOD, FLAGS, DEADLINE), 3)                    \
    OPERATION(BODY, "body", CLIENT, COUNT, OP2(SOURCE, NUMBER), 2)                                 \
    OPERATION(BODY_EVENT, "body-event", CLIENT, COUNT, OP3(EVENT, SIGNAL, NUMBER), 1)              \
    OPERATION(WITH, "with", CLIENT, COUNT, OP1(TEXT), 0)                                           \
    OPERATION(WRITE, "write", CLIENT, WRITE, OP2(REQUEST, TEXT), 0)                                \
    OPERATION(TRAILER, "trailer", CLIENT, TRAILER, OP2(REQUEST, FIELD), 0)                         \
    OPERATION(WANT_BODY, "want-body", SERVER, WANT_BODY, OP1(WHOLE), 1)                            \
    OPERATION(GZIP_FILL, "gzip-fill", SERVER, GZIP, OP1(FILL), 0)                                  \
    OPERATION(CHUNK_GZIP, "chunk-gzip", SERVER, CHUNK_GZIP, OP1(FILL), 0)                          \
    OPERATION(DRAIN, "drain", OPTION, COUNT, OP1(NUMBER), 1)                                       \
    OPERATION(DRAIN_TIME, "drain-time", OPTION, COUNT, OP1(TIME), 0)                               \
    OPERATION(CONTINUE_TIMEOUT, "continue-timeout", OPTION, COUNT, OP1(TIME), 0)                   \
    OPERATION(WRITTEN_TIMEOUT, "written-timeout", OPTION, COUNT, OP1(TIME), 0)                     \
    OPERATION(GZIP, "gzip", OPTION, COUNT, OP1(NUMBER), 1)                                         \
    OPERATION(GZIP_TAIL, "gzip-tail", OPTION, COUNT, OP1(NUMBER), 0)                               \
    OPERATION(GZIP_RATIO, "gzip-ratio", OPTION, COUNT, OP1(NUMBER), 0)                             \
    OPERATION(KEEP_ALIVE, "keep-alive", OPTION, COUNT, OP1(NUMBER), 0)

enum lbi_operation {
#define LBI_OPERATION_ENUM(name, word, lane, verb, operands, aliases) LBI_OPERATION_##name,
    LBI_OPERATION_LIST(LBI_OPERATION_ENUM)
#undef LBI_OPERATION_ENUM
        LBI_OPERATION_COUNT
};

/* A row of the table. */
struct lbi_operation_row {
    const char *word;
    enum lbi_lane lane;
    enum lb_verb verb; /* LB_VERB_COUNT: none or several lines */
    enum lbi_operand operands[LBI_OPERANDS_MAX];
    uint8_t aliases;
};

/* lbi_operation_row: the row of an operation; static. */
const struct lbi_operation_row *lbi_operation_row(enum lbi_operation operation);

/* lbi_operation_of_slot: the operation of a byte's low seven bits. */
enum lbi_operation lbi_operation_of_slot(uint8_t slot);

/* lbi_operation_of_option: the operation that sets an option. */
enum lbi_operation lbi_operation_of_option(enum lb_case_option option);

/* lbi_size, lbi_time: entry `index` of the tables of interesting sizes and times, both
 * ascending. */
uint64_t lbi_size(uint32_t index);
uint64_t lbi_time(uint32_t index);

/* lbi_size_cut, lbi_time_cut: `value` if it is at most `limit`, else the greatest entry that is:
 * what was cut takes no more bytes than what it was cut from. */
uint64_t lbi_size_cut(uint64_t value, uint64_t limit);
uint64_t lbi_time_cut(uint64_t value, uint64_t limit);

/* A head line of the table: its text, and whether a decimal number follows it. */
struct lbi_head_token {
    const char *text;
    bool has_number;
};

/* lbi_head_token: head line `index` (< LBI_HEAD_TOKENS); 0 is the empty line. */
struct lbi_head_token lbi_head_token(uint32_t index);

/* lbi_head_token_find: the head line that says `text`; false if none does. */
bool lbi_head_token_find(struct lb_text text, uint32_t *ret_index, uint64_t *ret_number);

/* What `respond` makes: `want`, a head, and n bytes of body. */
enum lbi_respond {
    LBI_RESPOND_LENGTH,    /* Content-Length: n */
    LBI_RESPOND_CHUNKED,   /* one chunk of n bytes (none if 0), the last chunk */
    LBI_RESPOND_NO_BODY,   /* 204 */
    LBI_RESPOND_UNTIL_END, /* n bytes, delimited by the close that follows */
    LBI_RESPOND_LAST,      /* Content-Length: n, Connection: close */
    LBI_RESPOND_CUT,       /* Content-Length: n, n/2 bytes, and a close */
    LBI_RESPOND_SLOW,      /* Content-Length: n, n/2 bytes, 50 ms later the rest */
    LBI_RESPOND_LATE_END,  /* a chunk of n bytes, 50 ms later the last chunk */
};

/* An expanded `respond`; the lines point into it. */
struct lbi_respond_lines {
    struct lb_line lines[LBI_RESPOND_LINES];
    uint32_t count;
    char length[40]; /* the field with the length */
};

/* lbi_respond_expand: the lines of a response. */
void lbi_respond_expand(enum lbi_respond kind, uint64_t size, struct lbi_respond_lines *ret_lines);

/* lbi_respond_sent: bytes of `size` that a response sends. */
uint64_t lbi_respond_sent(enum lbi_respond kind, uint64_t size);

/* lbi_respond_match: the longest response that `lines` begin with; *ret_count is its number of
 * lines. False if there is none. */
bool lbi_respond_match(const struct lb_line *lines, uint32_t count, enum lbi_respond *ret_kind,
                       uint64_t *ret_size, uint32_t *ret_count);

/* lbi_piece: entry `index` of the sizes of pieces, ascending; 0 is 0: whatever is asked for. */
uint64_t lbi_piece(uint32_t index);

/* lbi_field_name: a name of a trailer field; static. */
struct lb_text lbi_field_name(uint32_t index);

/* lbi_signal_name, lbi_request_path, lbi_host_letter: the names of the fuzz dialect; static. */
struct lb_text lbi_signal_name(uint32_t index);
struct lb_text lbi_request_path(uint32_t index);
char lbi_host_letter(uint32_t index);

#endif
