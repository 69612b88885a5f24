/*
 * A case: servers, callers and expectations, as the parser makes it, the printer prints it, the codec
 * decodes it and the runner runs it. The language is described in conformance/README.md.
 *
 * A case owns an arena; everything reachable from it lives until lb_case_deinit or lb_case_clear.
 */
#ifndef LASTBYTE_CONFORMANCE_CASE_H
#define LASTBYTE_CONFORMANCE_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/assert.h"
#include "lastbyte/client.h"
#include "sim/sim.h"

#define LB_CASE_HOSTS_MAX 8
#define LB_CASE_REQUESTS_MAX 64
#define LB_CASE_NAME_MAX 16         /* bytes of a host, request or signal name, the NUL included */
#define LB_CASE_LINES_MAX 1024      /* lines of one block */
#define LB_CASE_FILE_MAX (1u << 20) /* bytes of a case file */
#define LB_CASE_SLICES_MAX 8
#define LB_CASE_TIME_MAX_NS (UINT64_C(3600) * 1000000000) /* of one time in a case */
#define LB_CASE_FILL_MAX (1u << 20)                       /* bytes of one fill or body */
#define LB_CASE_FIELDS_MAX 8                              /* further fields of one request */
#define LB_CASE_GZIP_BLOCK 65535u /* bytes of the pattern in one stored block of a gzip */

/* Bytes that may hold NULs. */
struct lb_text {
    const char *bytes; /* also NUL-terminated after `size` */
    uint32_t size;
};

enum lb_level { LB_LEVEL_MUST, LB_LEVEL_SHOULD, LB_LEVEL_MAY, LB_LEVEL_HOUSE };

struct lb_case_spec {
    struct lb_text document; /* "RFC9112", "LASTBYTE" */
    struct lb_text section;  /* "9.3", "R3" */
    struct lb_text quote;    /* size 0: none */
};

/* VERB(enumerator, word, lane). The words of the language. */
#define LB_VERB_LIST(VERB)                                                                         \
    /* server lane */                                                                              \
    VERB(WANT, "want", SERVER)        /* method, path (size 0: any request), is_expect, */         \
                                      /* has_body and number: its bytes, is_or_* */                \
    VERB(WANT_BODY, "want", SERVER)   /* `want body`: number; 0: `end`, LB_CASE_ALL: `all` */      \
    VERB(WANT_END, "want", SERVER)    /* `want close`, `want reset`, both: is_or_* */              \
    VERB(HEAD_LINE, "|", SERVER)      /* bytes: the line without CRLF */                           \
    VERB(SEND, "send", SERVER)        /* bytes */                                                  \
    VERB(CHUNK, "chunk", SERVER)      /* bytes */                                                  \
    VERB(CHUNK_FILL, "chunk", SERVER) /* `chunk fill N`: number */                                 \
    VERB(CHUNK_GZIP, "chunk", SERVER) /* `chunk gzip N`: number */                                 \
    VERB(CHUNK_END, "chunk", SERVER)  /* `chunk end` */                                            \
    VERB(FILL, "fill", SERVER)        /* number */                                                 \
    VERB(GZIP, "gzip", SERVER)        /* number; cut: bytes of the coding, 0: all */               \
    VERB(PAUSE, "pause", SERVER)      /* time_ns */                                                \
    VERB(AWAIT, "await", SERVER)      /* name: a signal */                                         \
    VERB(CLOSE_SERVER, "close", SERVER)                                                            \
    VERB(HALF_CLOSE, "half-close", SERVER)                                                         \
    VERB(RESET, "reset", SERVER)                                                                   \
    VERB(STALL, "stall", SERVER)                                                                   \
    VERB(REFUSE, "refuse", SERVER) /* only line of its connection */                               \
    VERB(SERVE, "serve", SERVER)   /* answer every further request with 200 "ok" */                \
    /* client lane */                                                                              \
    VERB(GET, "get", CLIENT)   /* request, host, path, source, is_expect, */                       \
                               /* is_interim and number: the one that stops it, */                 \
                               /* is_upgrade, is_http10, is_idempotent, is_close, */               \
                               /* fields, time_ns: deadline */                                     \
    VERB(HEAD, "head", CLIENT) /* likewise, as the next ones */                                    \
    VERB(POST, "post", CLIENT)                                                                     \
    VERB(PUT, "put", CLIENT)                                                                       \
    VERB(DELETE, "delete", CLIENT)                                                                 \
    VERB(OPTIONS, "options", CLIENT)                                                               \
    VERB(READ, "read", CLIENT)             /* request, number; LB_CASE_ALL */                      \
    VERB(WRITE, "write", CLIENT)           /* request, bytes */                                    \
    VERB(CLOSE, "close", CLIENT)           /* request */                                           \
    VERB(CANCEL, "cancel", CLIENT)         /* request */                                           \
    VERB(DROP, "drop", CLIENT)             /* request */                                           \
    VERB(WAIT, "wait", CLIENT)             /* request */                                           \
    VERB(POLL, "poll", CLIENT)             /* request */                                           \
    VERB(TRAILER, "trailer", CLIENT)       /* request, bytes: the field's name */                  \
    VERB(CLOSE_IDLE, "close-idle", CLIENT) /* host, or -1: all */                                  \
    VERB(ADVANCE, "advance", CLIENT)       /* time_ns */                                           \
    VERB(SETTLE, "settle", CLIENT)                                                                 \
    VERB(SIGNAL, "signal", CLIENT)         /* name */                                              \
    VERB(EXPECT_POOL, "expect", CLIENT)    /* host; terms: idle busy waiting */                    \
    VERB(EXPECT_CONNS, "expect", CLIENT)   /* host; terms: opened closed */                        \
    VERB(EXPECT_BODY, "expect", CLIENT)    /* request; terms: state */                             \
    VERB(EXPECT_WIRE, "expect", CLIENT)    /* host, number: connection; terms: closed-by */        \
    VERB(EXPECT_SOURCE, "expect", CLIENT)  /* request; terms: closed read rewound */               \
    VERB(EXPECT_WORKERS, "expect", CLIENT) /* terms: read write dial */

enum lb_verb {
#define LB_VERB_ENUM(name, word, lane) LB_VERB_##name,
    LB_VERB_LIST(LB_VERB_ENUM)
#undef LB_VERB_ENUM
        LB_VERB_COUNT
};

/* lb_verb_word: the word of a verb, a static string. */
const char *lb_verb_word(enum lb_verb verb);

/* lb_case_word: word `index` of the language and the group that it is in ("server", "outcome", ...), static
 * strings; false behind the last one. */
bool lb_case_word(uint32_t index, const char **ret_group, const char **ret_word);

/* lb_verb_is_request: whether a verb makes a request. */
static inline bool lb_verb_is_request(enum lb_verb verb)
{
    return verb >= LB_VERB_GET && verb <= LB_VERB_OPTIONS;
}

/* lb_verb_method: the method of a verb that makes a request, a static string such as "POST". */
const char *lb_verb_method(enum lb_verb verb);

#define LB_CASE_ALL UINT64_MAX /* `read R all`, `want body all` */

/* One item of an outcome, in the order of happening. */
enum lb_outcome_kind {
    LB_OUTCOME_CODE,  /* a status code: number; several: the last one is the final one */
    LB_OUTCOME_BYTES, /* "bytes" */
    LB_OUTCOME_FILL,  /* fill N: number bytes of the pattern, continuing where the last one ended */
    LB_OUTCOME_END,   /* end */
    LB_OUTCOME_OK,    /* ok */
    LB_OUTCOME_NONE,  /* none: no such trailer field */
    LB_OUTCOME_PENDING, /* pending */
    LB_OUTCOME_ERROR,   /* error WORD */
};

struct lb_outcome_item {
    enum lb_outcome_kind kind;
    uint64_t number;
    struct lb_text bytes;
    enum lb_status error;
};

/* One lawful outcome: items in order. */
struct lb_outcome {
    const struct lb_outcome_item *items;
    uint32_t item_count;
    struct lb_text
        unreached; /* why no schedule of this transport brings it; empty: some one must */
};

/* The keys that `expect` compares. */
enum lb_term_key {
    LB_TERM_IDLE,
    LB_TERM_BUSY,
    LB_TERM_WAITING,
    LB_TERM_OPENED,
    LB_TERM_CLOSED,
    LB_TERM_STATE,     /* number: enum lb_body_state; only `=` */
    LB_TERM_CLOSED_BY, /* number: enum lb_closed_by; only `=` */
    LB_TERM_READ,      /* workers; of a source: bytes */
    LB_TERM_WRITE,
    LB_TERM_DIAL,
    LB_TERM_REWOUND,
    LB_TERM_COUNT
};

enum lb_closed_by { LB_CLOSED_BY_NOBODY, LB_CLOSED_BY_CLIENT, LB_CLOSED_BY_SERVER };

enum lb_compare { LB_COMPARE_EQUAL, LB_COMPARE_AT_MOST, LB_COMPARE_AT_LEAST };

struct lb_term {
    enum lb_term_key key;
    enum lb_compare compare;
    uint64_t number;
};

enum lb_prefix { LB_PREFIX_NONE, LB_PREFIX_SETUP, LB_PREFIX_SHOULD };

/* A comment or an empty line that stands above a line; comments are kept for the printer. */
struct lb_comment {
    struct lb_text text; /* with its '#', without indentation and newline; size 0: an empty line */
    const struct lb_comment *next;
};

/* What a source does when it has given a number of bytes. */
enum lb_source_event {
    LB_SOURCE_GOES_ON,
    LB_SOURCE_AWAITS, /* waits for a signal, then goes on */
    LB_SOURCE_STALLS, /* waits until it is closed */
    LB_SOURCE_FAILS,
    LB_SOURCE_ENDS, /* as if these were all bytes */
};

/* The body of a request: bytes of the standard pattern. */
struct lb_case_source {
    uint64_t size;
    uint64_t piece; /* bytes that one read gives at most; 0: all that are asked for */
    uint64_t at;    /* after so many bytes the event; at most `size` */
    enum lb_source_event event;
    struct lb_text signal; /* AWAITS */
    bool is_chunked;       /* its size is not said */
    bool is_once;          /* it cannot be rewound */
};

/* One statement. Fields that its verb does not use are zero. */
struct lb_line {
    enum lb_verb verb;
    enum lb_prefix prefix;
    uint32_t place;     /* line number in its file, from 1; 0: not from a file */
    bool is_background; /* `&` */
    bool is_or_close;   /* WANT: `or close`; WANT_END: close is lawful */
    bool is_or_reset;   /* likewise for reset */
    bool has_body;      /* WANT: the body is read, too; number: its bytes */
    bool is_expect;     /* requests: ask for 100-continue; WANT: the head must do so */
    bool is_interim;    /* requests: a hook sees interim responses; number: which one it refuses */
    bool is_upgrade;    /* requests: another protocol is asked for */
    bool is_http10;     /* requests: HTTP/1.0 */
    bool is_idempotent; /* requests: the field Idempotency-Key */
    bool is_close;      /* requests: Connection: close */
    int32_t request;    /* index into requests, -1: none */
    int32_t host;       /* index into hosts, -1: none */
    uint64_t number;
    uint64_t cut;          /* GZIP: only so many bytes of the coding, 0: all */
    uint64_t time_ns;      /* requests: deadline as a duration, 0: none */
    struct lb_text method; /* WANT */
    struct lb_text path;   /* requests, WANT */
    struct lb_text bytes;
    const struct lb_case_source *source; /* requests: the body; NULL: none */
    const struct lb_text *fields;        /* requests: further fields, "name: value" */
    uint32_t field_count;
    struct lb_text name;
    const struct lb_outcome *outcomes; /* alternatives; none: whatever happens is lawful */
    uint32_t outcome_count;
    const struct lb_term *terms;
    uint32_t term_count;
    const struct lb_comment *above; /* comments and empty lines before this line */
    struct lb_text beside; /* the comment after the statement, with its '#'; size 0: none */
};

struct lb_lines {
    struct lb_line *lines;
    uint32_t count;
};

/* What a host does on one of its connections. */
struct lb_case_conn {
    uint32_t number; /* 1 is the first; 0: `conn *`, every one without its own */
    uint32_t place;
    struct lb_lines script;
    const struct lb_comment *above;
};

struct lb_case_host {
    char name[LB_CASE_NAME_MAX];
    uint32_t place;
    struct lb_case_conn *conns;
    uint32_t conn_count;
    const struct lb_comment *above;
};

/* OPTION(enumerator, key, kind). What a case can set of the transport. */
#define LB_CASE_OPTION_LIST(OPTION)                                                                \
    OPTION(PER_HOST, "per-host", NUMBER)               /* connections_per_host_max */              \
    OPTION(IDLE_PER_HOST, "idle-per-host", NUMBER)     /* idle_per_host_max */                     \
    OPTION(IDLE_TOTAL, "idle-total", NUMBER)           /* idle_total_max */                        \
    OPTION(IDLE_TIMEOUT, "idle-timeout", TIME)         /* idle_duration_ns */                      \
    OPTION(DIAL_TIMEOUT, "dial-timeout", TIME)         /* dial_duration_ns */                      \
    OPTION(HEAD_TIMEOUT, "head-timeout", TIME)         /* head_duration_ns */                      \
    OPTION(HEAD_SIZE, "head-size", NUMBER)             /* head_size_max */                         \
    OPTION(RETRIES, "retries", NUMBER)                 /* retries_max */                           \
    OPTION(DRAIN, "drain", NUMBER)                     /* drain_size_max */                        \
    OPTION(DRAIN_TIME, "drain-time", TIME)             /* drain_duration_ns */                     \
    OPTION(CONTINUE_TIMEOUT, "continue-timeout", TIME) /* continue_duration_ns */                  \
    OPTION(WRITTEN_TIMEOUT, "written-timeout", TIME)   /* written_duration_ns */                   \
    OPTION(GZIP, "gzip", NUMBER)                       /* 0: is_gzip_off, as without the option */ \
    OPTION(GZIP_TAIL, "gzip-tail", NUMBER)             /* gzip_tail; 0: members, 1: dropped */     \
    OPTION(GZIP_RATIO, "gzip-ratio", NUMBER)           /* gzip_ratio_max */                        \
    OPTION(KEEP_ALIVE, "keep-alive", NUMBER)           /* 0: is_keep_alive_off */

enum lb_case_option {
#define LB_CASE_OPTION_ENUM(name, key, kind) LB_CASE_OPTION_##name,
    LB_CASE_OPTION_LIST(LB_CASE_OPTION_ENUM)
#undef LB_CASE_OPTION_ENUM
        LB_CASE_OPTION_COUNT
};

struct lb_case {
    char id[64];   /* the file's stem; "" when not from a file */
    char area[32]; /* the name of its folder; "" likewise */
    struct lb_text title;
    enum lb_level level;
    struct lb_case_spec *specs;
    uint32_t spec_count;
    struct lb_text *tags;
    uint32_t tag_count;
    uint32_t slices[LB_CASE_SLICES_MAX]; /* LB_NET_WHOLE, or bytes of a segment */
    uint32_t slice_count;                /* 0: as written, once */
    bool is_option_set[LB_CASE_OPTION_COUNT];
    uint64_t options[LB_CASE_OPTION_COUNT]; /* numbers, or durations in nanoseconds */
    struct lb_sim_departure *departures;    /* the schedule */
    uint32_t departure_count;
    struct lb_case_host hosts[LB_CASE_HOSTS_MAX];
    uint32_t host_count;
    char requests[LB_CASE_REQUESTS_MAX][LB_CASE_NAME_MAX]; /* in the order of their making */
    uint32_t request_count;
    struct lb_lines client;
    const struct lb_comment *above_client;
    const struct lb_comment *above; /* before `case 1` */
    const struct lb_comment *below; /* after the last line */
    struct lb_arena *arena;         /* owns what the pointers above point to */
};

/* lb_case_init: an empty case with an arena of its own. Errors: LB_MEMORY. */
LB_MUST_USE enum lb_status lb_case_init(struct lb_case *ret_case);

/* lb_case_clear: an empty case again; the arena's memory is kept for the next one. */
void lb_case_clear(struct lb_case *c);

/* lb_case_deinit: releases the arena. A zeroed case is legal. */
void lb_case_deinit(struct lb_case *c);

/* lb_case_alloc: zeroed memory that lives as long as the case's contents; ends the process when
 * there is none, as everything of the harness (not of the transport) does. */
void *lb_case_alloc(struct lb_case *c, size_t size);

/* lb_case_text: a copy of bytes in the case's arena. */
struct lb_text lb_case_text(struct lb_case *c, const char *bytes, size_t size);

/* lb_case_is_equal: whether two cases say the same; places, comments, id and area do not count. */
bool lb_case_is_equal(const struct lb_case *a, const struct lb_case *b);

/* lb_fill_byte: byte `offset` of the standard pattern, a printable ASCII character. */
static inline char lb_fill_byte(uint64_t offset)
{
    /* The top six bits of a mixed offset: no short period, so that a shift by any distance shows. */
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    LB_STATIC_ASSERT(sizeof(alphabet) == 64 + 1, "six bits pick a character");
    uint64_t hash = (offset + 1) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 29;
    hash *= UINT64_C(0xBF58476D1CE4E5B9);
    return alphabet[hash >> 58];
}

/* Where and why a text is no case. */
struct lb_case_error {
    char file[256];
    char id[128];       /* of a family: the case that is none; "" otherwise */
    uint32_t line;      /* from 1; also of what is wrong with the file as a whole */
    uint32_t column;    /* from 1 */
    char found[80];     /* what stands there, escaped and cut */
    char expected[320]; /* what could stand there */
};

/*
 * lb_case_parse: reads a case from text. `file` names it in errors (borrowed, copied); id and area
 * are taken from its path. Returns LB_OK, or LB_PROTOCOL with *ret_error filled and *ret_case cleared.
 * Any bytes are allowed, none crash. *ret_case was initialised.
 */
LB_MUST_USE enum lb_status lb_case_parse(const char *file, const char *text, size_t size,
                                         struct lb_case *ret_case, struct lb_case_error *ret_error);

/* lb_case_load: the same from a file; LB_PROTOCOL also for what is no regular file, cannot be read, is
 * empty or too large. Waits for nothing, whatever the path names. */
LB_MUST_USE enum lb_status lb_case_load(const char *file, struct lb_case *ret_case,
                                        struct lb_case_error *ret_error);

/* lb_case_error_whole: fills *ret_error with what is wrong with a file as a whole, at its start; all is
 * copied, and cut to its room. */
void lb_case_error_whole(struct lb_case_error *ret_error, const char *file, const char *found,
                         const char *expected);

/* lb_case_error_text: "FILE:LINE:COLUMN: found X, expected Y", as a static buffer's content would be,
 * and " in ID" for a case of a family; stores at most `size` bytes, NUL-terminated. */
void lb_case_error_text(const struct lb_case_error *error, char *ret_text, size_t size);

/* lb_case_print: the canonical text, comments included. Gives *ret_text (malloc, free), NUL-terminated.
 * parse(print(c)) equals c; print(parse(print(c))) is print(c). */
void lb_case_print(const struct lb_case *c, char **ret_text, size_t *ret_size);

/* lb_case_is_policy: whether the case is about what clients may choose: its level is MAY, or it has the
 * tag `policy`. */
bool lb_case_is_policy(const struct lb_case *c);

/* lb_line_alternatives: how many lawful alternatives a line has: those joined by `or`; of a `want` with
 * `or close` two, the request and the end of the connection. 1: no choice. */
uint32_t lb_line_alternatives(const struct lb_line *line);

/* lb_alternative_print: alternative `index` of a line, as the line has it; stores at most `size` bytes,
 * NUL-terminated. */
void lb_alternative_print(const struct lb_line *line, uint32_t index, char *ret_text, size_t size);

/* lb_line_print: one statement without indentation and comments, for traces and reports; stores at
 * most `size` bytes, NUL-terminated. */
void lb_line_print(const struct lb_case *c, const struct lb_line *line, char *ret_text,
                   size_t size);

#endif
