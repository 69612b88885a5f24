/*
 * The response reader.
 *
 * llhttp walks the head; this file decides. It pauses llhttp at the end of the head, so that no byte
 * of the body is looked at before somebody asks for it, and then reads the body itself: llhttp 8.1
 * refuses chunk extensions that RFC 9112 section 7.1.1 has a client ignore ("5;a=1;b=2"). Not one byte
 * beyond the message is taken: what stays in the caller's buffer is the leftover of rule R2.
 *
 * RFC 9112: 2 (message), 6.1, 6.3 (framing), 7.1 (chunked), 8 (incomplete), 9.3 (persistence).
 */
#include "wire/response.h"

#include <string.h>
#include <strings.h>

#include "core/assert.h"
#include "core/limits.h"
#include "wire/token.h"

/* reader_of: the reader that a callback of llhttp belongs to. */
static struct lbi_reader *reader_of(llhttp_t *parser)
{
    struct lbi_reader *reader = parser->data;
    LB_ASSERT(reader != NULL);
    LB_ASSERT(&reader->parser == parser);
    return reader;
}

/* reader_fail: makes the running callback end llhttp with our own status. */
static int reader_fail(struct lbi_reader *reader, enum lb_status status)
{
    LB_ASSERT(status > LB_AGAIN);
    reader->failure = status;
    return HPE_USER;
}

/* reader_store: one piece of a field's name or value. */
static int reader_store(llhttp_t *parser, const char *at, size_t size)
{
    struct lbi_reader *reader = reader_of(parser);
    LB_ASSERT(!reader->is_head_complete);
    if (memchr(at, '\0', size) != NULL) {
        return reader_fail(reader, LB_PROTOCOL);
    }
    enum lb_status status = lbi_head_append(&reader->head, at, size);
    return status == LB_OK ? 0 : reader_fail(reader, status);
}

/* reader_store_end: the end of a name or value. */
static int reader_store_end(struct lbi_reader *reader)
{
    enum lb_status status = lbi_head_append(&reader->head, "", 1);
    return status == LB_OK ? 0 : reader_fail(reader, status);
}

/* reader_name_end: a name is a token; what llhttp takes beside that ("Content-Length : 5") would be
 * another field than the peer means (RFC 9112 section 5.1). */
static int reader_name_end(llhttp_t *parser)
{
    struct lbi_reader *reader = reader_of(parser);
    const struct lbi_head *head = &reader->head;
    size_t at = head->size;
    while (at > 0 && head->bytes[at - 1] != '\0') {
        at--;
        if (!lbi_is_token(head->bytes[at])) {
            return reader_fail(reader, LB_PROTOCOL);
        }
    }
    return at == head->size ? reader_fail(reader, LB_PROTOCOL) : reader_store_end(reader);
}

/* reader_value_end: white space behind a value is not part of it (RFC 9112 section 5.1). */
static int reader_value_end(llhttp_t *parser)
{
    lbi_head_trim(&reader_of(parser)->head);
    return reader_store_end(reader_of(parser));
}

/* reader_has_chunked: whether the only transfer coding is chunked, given that there is one. */
static bool reader_has_chunked(const struct lbi_reader *reader)
{
    const char *at = reader->head.bytes;
    const char *first = lbi_head_find_next(&reader->head, "transfer-encoding", &at);
    const char *second = lbi_head_find_next(&reader->head, "transfer-encoding", &at);
    return first != NULL && strcasecmp(first, "chunked") == 0 && second == NULL;
}

/* reader_frame: decides the body's framing when the head is complete; false: it is faulty. */
static bool reader_frame(struct lbi_reader *reader)
{
    const llhttp_t *parser = &reader->parser;
    uint16_t code = parser->status_code;
    bool is_coded = lbi_head_find(&reader->head, "transfer-encoding") != NULL; /* empty, too */
    bool has_length = (parser->flags & F_CONTENT_LENGTH) != 0;
    if (is_coded && (parser->http_major == 1 && parser->http_minor == 0)) {
        return false; /* RFC 9112 section 6.1: faulty in HTTP/1.0 */
    }
    if (reader->is_head_request || code < 200 || code == 204 || code == 304) {
        bool is_head = reader->is_head_request && code >= 200 && code != 204 && code != 304;
        reader->framing = LBI_FRAMING_NONE;
        reader->said_size = !is_head ? 0 : has_length ? parser->content_length : LB_SIZE_UNKNOWN;
        return true;
    }
    if (is_coded) {
        reader->framing = LBI_FRAMING_CHUNKED;
        return reader_has_chunked(reader);
    }
    if (has_length) {
        reader->said_size = parser->content_length;
        reader->framing = parser->content_length == 0 ? LBI_FRAMING_NONE : LBI_FRAMING_LENGTH;
        reader->length_left = parser->content_length;
        return parser->content_length <= INT64_MAX; /* what no file holds is an overflow */
    }
    reader->framing = LBI_FRAMING_UNTIL_CLOSE;
    return true;
}

/* value_has: whether a comma-separated list has a member, in any case. */
static bool value_has(const char *value, const char *member)
{
    const char *at = value + strspn(value, ", \t");
    while (*at != '\0') {
        size_t run = strcspn(at, ",");
        size_t size = run;
        while (at[size - 1] == ' ' || at[size - 1] == '\t') {
            size--;
        }
        if (size == strlen(member) && strncasecmp(at, member, size) == 0) {
            return true;
        }
        at += run;
        at += strspn(at, ", \t");
    }
    return false;
}

/* reader_is_persistent: RFC 9112 section 9.3. Not llhttp's word: it misses a close in front of a tab,
 * or beside a keep-alive in HTTP/1.0. */
static bool reader_is_persistent(const struct lbi_reader *reader)
{
    const char *at = reader->head.bytes;
    const char *value = NULL;
    bool has_close = false;
    bool has_keep_alive = false;
    while ((value = lbi_head_find_next(&reader->head, "connection", &at)) != NULL) {
        has_close = has_close || value_has(value, "close");
        has_keep_alive = has_keep_alive || value_has(value, "keep-alive");
    }
    return !has_close && (reader->parser.http_minor > 0 || has_keep_alive) &&
           reader->framing != LBI_FRAMING_UNTIL_CLOSE;
}

static int reader_on_head(llhttp_t *parser)
{
    struct lbi_reader *reader = reader_of(parser);
    LB_ASSERT(!reader->is_head_complete);
    /* A higher minor version is read as 1.1 (RFC 9110 section 6.2). llhttp takes two digits for a
     * code, too. */
    if (parser->http_major != 1 || parser->status_code < 100) {
        return reader_fail(reader, LB_PROTOCOL);
    }
    if (!reader_frame(reader)) {
        return reader_fail(reader, LB_PROTOCOL);
    }
    reader->head.code = parser->status_code;
    reader->may_keep_alive = reader_is_persistent(reader) && parser->status_code >= 200;
    reader->is_head_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t reader_settings = {
    .on_header_field = reader_store,
    .on_header_value = reader_store,
    .on_header_field_complete = reader_name_end,
    .on_header_value_complete = reader_value_end,
    .on_headers_complete = reader_on_head,
};

/* reader_restart: a fresh parser, for the next response or after an interim one. */
static void reader_restart(struct lbi_reader *reader)
{
    llhttp_init(&reader->parser, HTTP_RESPONSE, &reader_settings);
    reader->parser.lenient_flags |= LENIENT_VERSION; /* reader_on_head judges the version */
    reader->parser.data = reader;
    reader->head.size = 0;
    reader->is_head_complete = false;
    reader->said_size = LB_SIZE_UNKNOWN;
}

void lbi_reader_init(struct lbi_reader *reader, struct lb_memory *memory, uint32_t head_size_max)
{
    LB_ASSERT(memory != NULL);
    LB_ASSERT(head_size_max > 0);
    memset(reader, 0, sizeof *reader);
    reader->head.memory = memory;
    reader->trailers.memory = memory;
    reader->head_size_max = head_size_max;
}

void lbi_reader_deinit(struct lbi_reader *reader)
{
    lbi_head_deinit(&reader->head);
    lbi_head_deinit(&reader->trailers);
}

void lbi_reader_begin(struct lbi_reader *reader, bool is_head_request)
{
    LB_ASSERT(reader->head.memory != NULL);
    reader_restart(reader);
    reader->framing = LBI_FRAMING_NONE;
    reader->is_head_request = is_head_request;
    reader->is_complete = false;
    reader->may_keep_alive = false;
    lbi_head_deinit(&reader->trailers);
    lbi_chunked_begin(&reader->chunked, &reader->trailers, reader->head_size_max);
    reader->failure = LB_OK;
    reader->head_size = 0;
    reader->body_size = 0;
    reader->overhead_size = 0;
}

/* reader_execute: runs llhttp over bytes; tells how many it took. LB_OK when it took all of them or
 * paused, otherwise the failure, which is sticky. */
static enum lb_status reader_execute(struct lbi_reader *reader, const char *bytes, size_t size,
                                     size_t *ret_used)
{
    LB_ASSERT(size > 0);
    llhttp_errno_t error = llhttp_execute(&reader->parser, bytes, size);
    *ret_used = size;
    if (error == HPE_OK) {
        return LB_OK;
    }
    const char *stop = llhttp_get_error_pos(&reader->parser);
    LB_ASSERT(stop >= bytes);
    LB_ASSERT(stop <= bytes + size);
    *ret_used = (size_t)(stop - bytes);
    if (error == HPE_PAUSED) {
        llhttp_resume(&reader->parser);
        return LB_OK;
    }
    if (reader->failure == LB_OK) {
        reader->failure = LB_PROTOCOL;
    }
    return reader->failure;
}

enum lb_status lbi_reader_feed_head(struct lbi_reader *reader, const char *bytes, size_t size,
                                    size_t *ret_used)
{
    LB_ASSERT(reader->failure == LB_OK);
    LB_ASSERT(!reader->is_head_complete);
    size_t used = 0;
    while (used < size) {
        /* Never far beyond the limit, so that it does not matter how the bytes are cut. */
        size_t room = (size_t)reader->head_size_max - reader->head_size + 1;
        size_t fed = size - used < room ? size - used : room;
        size_t taken = 0;
        enum lb_status status = reader_execute(reader, bytes + used, fed, &taken);
        used += taken;
        reader->head_size += (uint32_t)taken;
        if (status != LB_OK) {
            return status;
        }
        if (reader->head_size > reader->head_size_max) {
            return reader->failure = LB_LIMIT;
        }
        if (!reader->is_head_complete) {
            LB_ASSERT(used == size);
            break;
        }
        if (bytes[used - 1] != '\n') {
            return reader->failure = LB_PROTOCOL; /* llhttp takes any byte for the last LF */
        }
        *ret_used = used;
        return LB_OK;
    }
    *ret_used = used;
    return LB_AGAIN;
}

bool lbi_reader_is_interim(const struct lbi_reader *reader)
{
    LB_ASSERT(reader->is_head_complete);
    return reader->head.code < 200 && reader->head.code != 101;
}

void lbi_reader_next(struct lbi_reader *reader, bool is_fresh)
{
    LB_ASSERT(reader->is_head_complete);
    LB_ASSERT(reader->failure == LB_OK);
    reader_restart(reader);
    reader->head_size = is_fresh ? 0 : reader->head_size;
}

void lbi_reader_take_head(struct lbi_reader *reader, struct lbi_head *ret_head)
{
    LB_ASSERT(reader->is_head_complete);
    lbi_head_give(&reader->head, ret_head);
}

void lbi_reader_take_trailers(struct lbi_reader *reader, struct lbi_head *ret_trailers)
{
    LB_ASSERT(reader->is_complete);
    LB_ASSERT(reader->failure == LB_OK);
    lbi_head_give(&reader->trailers, ret_trailers);
}

void lbi_reader_drop_trailers(struct lbi_reader *reader)
{
    reader->chunked.trailers = NULL;
    lbi_head_deinit(&reader->trailers);
}

/* reader_copy: body bytes that need no decoding, at most `limit` of them. Returns how many. */
static size_t reader_copy(const char *bytes, size_t size, char *out, size_t out_size,
                          uint64_t limit)
{
    size_t run = size < out_size ? size : out_size;
    run = limit < run ? (size_t)limit : run;
    memcpy(out, bytes, run);
    return run;
}

/* reader_decode: one piece of the body, by its framing. */
static enum lb_status reader_decode(struct lbi_reader *reader, const char *bytes, size_t size,
                                    size_t *ret_used, char *out, size_t out_size, size_t *ret_size)
{
    switch (reader->framing) {
    case LBI_FRAMING_LENGTH:
        LB_ASSERT(reader->length_left > 0);
        *ret_used = *ret_size = reader_copy(bytes, size, out, out_size, reader->length_left);
        reader->length_left -= *ret_size;
        return reader->length_left == 0 ? LB_END : LB_OK;
    case LBI_FRAMING_CHUNKED:
        return lbi_chunked_decode(&reader->chunked, bytes, size, ret_used, out, out_size, ret_size);
    case LBI_FRAMING_UNTIL_CLOSE:
        *ret_used = *ret_size = reader_copy(bytes, size, out, out_size, UINT64_MAX);
        return LB_OK;
    case LBI_FRAMING_NONE:
        break;
    }
    LB_UNREACHABLE("a body without framing");
}

/* reader_allowance: bytes of framing that may still come before the next byte of the body. */
static uint64_t reader_allowance(const struct lbi_reader *reader)
{
    uint64_t overhead_max = reader->body_size * LBI_OVERHEAD_PER_BYTE + reader->head_size_max;
    LB_ASSERT(reader->overhead_size <= overhead_max);
    return overhead_max - reader->overhead_size;
}

enum lb_status lbi_reader_feed_body(struct lbi_reader *reader, const char *bytes, size_t size,
                                    size_t *ret_used, char *out, size_t out_size, size_t *ret_size)
{
    LB_ASSERT(reader->is_head_complete);
    LB_ASSERT(!reader->is_complete);
    LB_ASSERT(out_size > 0);
    size_t used = 0;
    size_t stored = 0;
    enum lb_status status = reader->failure;
    while (status == LB_OK && used < size) {
        /* Up to the limit, then byte by byte, so that it does not matter how the bytes are cut. */
        uint64_t allowance = reader_allowance(reader);
        size_t fed = allowance > 1 ? size - used : 1;
        fed = allowance > 1 && allowance < fed ? (size_t)allowance : fed;
        size_t taken = 0;
        size_t given = 0;
        status = reader_decode(reader, bytes + used, fed, &taken, out + stored, out_size - stored,
                               &given);
        LB_ASSERT(taken <= fed);
        LB_ASSERT(given <= out_size - stored);
        used += taken;
        stored += given;
        reader->body_size += given;
        reader->overhead_size += taken - given;
        if (status == LB_OK && taken == 0) {
            break; /* no room */
        }
        if (status == LB_OK && taken - given > allowance) {
            status = LB_LIMIT;
        }
    }
    *ret_used = used;
    *ret_size = stored;
    reader->is_complete = status == LB_END;
    reader->failure = status == LB_END ? LB_OK : status;
    return status;
}

uint64_t lbi_reader_plain_size(const struct lbi_reader *reader)
{
    LB_ASSERT(reader->is_head_complete);
    LB_ASSERT(!reader->is_complete);
    if (reader->failure != LB_OK) {
        return 0;
    }
    switch (reader->framing) {
    case LBI_FRAMING_LENGTH:
        return reader->length_left;
    case LBI_FRAMING_UNTIL_CLOSE:
        return UINT64_MAX;
    case LBI_FRAMING_CHUNKED:
    case LBI_FRAMING_NONE:
        break;
    }
    return 0;
}

enum lb_status lbi_reader_pass(struct lbi_reader *reader, size_t size)
{
    LB_ASSERT(size > 0);
    LB_ASSERT(size <= lbi_reader_plain_size(reader));
    reader->body_size += size;
    if (reader->framing == LBI_FRAMING_LENGTH) {
        reader->length_left -= size;
        reader->is_complete = reader->length_left == 0;
    }
    return reader->is_complete ? LB_END : LB_OK;
}

enum lb_status lbi_reader_finish(struct lbi_reader *reader)
{
    LB_ASSERT(!reader->is_complete);
    if (reader->is_head_complete && reader->framing == LBI_FRAMING_UNTIL_CLOSE &&
        reader->failure == LB_OK) {
        reader->is_complete = true;
        return LB_END;
    }
    return LB_INCOMPLETE;
}
