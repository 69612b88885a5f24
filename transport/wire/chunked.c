/*
 * The chunked decoder: one state per place in the grammar, one byte at a time through the framing and
 * whole runs through the data.
 *
 *   SIZE -> DIGITS [-> BLANK] [-> EXTENSION] -> SIZE_LF -+-> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                                        |
 *                                          (size 0)      +-> TRAILER -> LAST_LF -> ENDED
 *                                                             |    ^
 *                                                             v    |
 *                             TRAILER_NAME -> TRAILER_BLANK -> TRAILER_VALUE -> TRAILER_LF
 *
 * Trailer fields are added to `trailers` byte by byte; whether a field may stand there is known at its
 * end, and it is taken back if not.
 */
#include "wire/chunked.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/assert.h"
#include "wire/token.h"

/* digit_value: of a hexadecimal digit, or -1. */
static int digit_value(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* is_text: what may stand in an extension or a field's value: no control but HTAB. */
static bool is_text(char byte)
{
    return byte == '\t' || ((unsigned char)byte >= ' ' && byte != 0x7f);
}

/* may_trail: whether a field may stand in a trailer section: not when it is needed before the body is
 * read, because it frames or routes the message, controls the connection, modifies the request, says
 * who somebody is, directs the response's handling, or tells the body's format (RFC 9110 section
 * 6.5.1; the groups and their members are RFC 7230's, section 4.1.2). */
static bool may_trail(const char *name)
{
    static const char *const banned[] = {
        "Transfer-Encoding",
        "Content-Length",
        "TE",
        "Trailer",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Upgrade",
        "Host",
        "Max-Forwards",
        "Cache-Control",
        "Expect",
        "Pragma",
        "Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "If-Range",
        "Authorization",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Cookie",
        "Set-Cookie",
        "Age",
        "Date",
        "Expires",
        "Location",
        "Retry-After",
        "Vary",
        "Warning",
        "Content-Encoding",
        "Content-Range",
        "Content-Type",
    };
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++) {
        if (strcasecmp(name, banned[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* step_if: the status of a step: whether the byte may stand where it stands. */
static enum lb_status step_if(bool may_stand)
{
    return may_stand ? LB_OK : LB_PROTOCOL;
}

/* blank_step: a byte behind the size: blanks, then the extensions or the line's end. */
static enum lb_status blank_step(struct lbi_chunked *chunked, char byte)
{
    chunked->state = byte == '\r'  ? LBI_CHUNKED_SIZE_LF
                     : byte == ';' ? LBI_CHUNKED_EXTENSION
                                   : LBI_CHUNKED_BLANK;
    return step_if(byte == '\r' || byte == ';' || byte == ' ' || byte == '\t');
}

/* size_step: a byte of the size, or behind its last digit. */
static enum lb_status size_step(struct lbi_chunked *chunked, char byte)
{
    int value = digit_value(byte);
    bool is_first = chunked->state == LBI_CHUNKED_SIZE;
    if (value < 0) {
        return is_first ? LB_PROTOCOL : blank_step(chunked, byte);
    }
    chunked->state = LBI_CHUNKED_DIGITS;
    chunked->left = is_first ? 0 : chunked->left;
    if (chunked->left > INT64_MAX / 16) {
        return LB_PROTOCOL; /* what no memory holds is an overflow */
    }
    chunked->left = chunked->left * 16 + (uint64_t)value;
    return LB_OK;
}

/* extension_step: a byte of the extensions, which are read over. */
static enum lb_status extension_step(struct lbi_chunked *chunked, char byte)
{
    if (byte == '\r') {
        chunked->state = LBI_CHUNKED_SIZE_LF;
        return LB_OK;
    }
    return step_if(is_text(byte));
}

/* trailer_keep: adds a byte to the field that is being read. */
static enum lb_status trailer_keep(struct lbi_chunked *chunked, char byte)
{
    return chunked->trailers == NULL ? LB_OK : lbi_head_append(chunked->trailers, &byte, 1);
}

/* name_step: a byte of a trailer field's name, or of the last line. */
static enum lb_status name_step(struct lbi_chunked *chunked, char byte)
{
    bool is_first = chunked->state == LBI_CHUNKED_TRAILER;
    if (is_first && byte == '\r') {
        chunked->state = LBI_CHUNKED_LAST_LF;
        return LB_OK;
    }
    if (!is_first && byte == ':') {
        chunked->state = LBI_CHUNKED_TRAILER_BLANK;
        return trailer_keep(chunked, '\0');
    }
    if (is_first && chunked->trailers != NULL) {
        chunked->field_start = chunked->trailers->size;
    }
    chunked->state = LBI_CHUNKED_TRAILER_NAME;
    return lbi_is_token(byte) ? trailer_keep(chunked, byte) : LB_PROTOCOL;
}

/* field_end: a trailer field is complete: it is kept, or taken back. */
static enum lb_status field_end(struct lbi_chunked *chunked)
{
    struct lbi_head *trailers = chunked->trailers;
    if (trailers == NULL) {
        return LB_OK;
    }
    LB_ASSERT(chunked->field_start < trailers->size);
    lbi_head_trim(trailers);
    enum lb_status status = trailer_keep(chunked, '\0');
    if (!may_trail(trailers->bytes + chunked->field_start)) {
        trailers->size = chunked->field_start;
    }
    return status;
}

/* value_step: a byte behind a trailer field's colon. */
static enum lb_status value_step(struct lbi_chunked *chunked, char byte)
{
    bool is_blank = byte == ' ' || byte == '\t';
    if (byte == '\r') {
        chunked->state = LBI_CHUNKED_TRAILER_LF;
        return field_end(chunked);
    }
    if (is_blank && chunked->state == LBI_CHUNKED_TRAILER_BLANK) {
        return LB_OK;
    }
    chunked->state = LBI_CHUNKED_TRAILER_VALUE;
    return is_text(byte) ? trailer_keep(chunked, byte) : LB_PROTOCOL;
}

/* expect_step: exactly one byte may stand here. */
static enum lb_status expect_step(struct lbi_chunked *chunked, char byte, char expected,
                                  enum lbi_chunked_state next)
{
    chunked->state = next;
    return step_if(byte == expected);
}

/* trailer_step: one byte of the trailer section. */
static enum lb_status trailer_step(struct lbi_chunked *chunked, char byte)
{
    if (chunked->trailer_size == chunked->trailer_size_max) {
        return LB_LIMIT;
    }
    chunked->trailer_size++;
    switch (chunked->state) {
    case LBI_CHUNKED_TRAILER:
    case LBI_CHUNKED_TRAILER_NAME:
        return name_step(chunked, byte);
    case LBI_CHUNKED_TRAILER_BLANK:
    case LBI_CHUNKED_TRAILER_VALUE:
        return value_step(chunked, byte);
    case LBI_CHUNKED_TRAILER_LF:
        return expect_step(chunked, byte, '\n', LBI_CHUNKED_TRAILER);
    case LBI_CHUNKED_LAST_LF:
        return expect_step(chunked, byte, '\n', LBI_CHUNKED_ENDED);
    case LBI_CHUNKED_SIZE:
    case LBI_CHUNKED_DIGITS:
    case LBI_CHUNKED_BLANK:
    case LBI_CHUNKED_EXTENSION:
    case LBI_CHUNKED_SIZE_LF:
    case LBI_CHUNKED_DATA:
    case LBI_CHUNKED_DATA_CR:
    case LBI_CHUNKED_DATA_LF:
    case LBI_CHUNKED_ENDED:
        break;
    }
    LB_UNREACHABLE("a state of trailers");
}

/* chunked_step: one byte of framing. */
static enum lb_status chunked_step(struct lbi_chunked *chunked, char byte)
{
    switch (chunked->state) {
    case LBI_CHUNKED_SIZE:
    case LBI_CHUNKED_DIGITS:
        return size_step(chunked, byte);
    case LBI_CHUNKED_BLANK:
        return blank_step(chunked, byte);
    case LBI_CHUNKED_EXTENSION:
        return extension_step(chunked, byte);
    case LBI_CHUNKED_SIZE_LF:
        return expect_step(chunked, byte, '\n',
                           chunked->left > 0 ? LBI_CHUNKED_DATA : LBI_CHUNKED_TRAILER);
    case LBI_CHUNKED_DATA_CR:
        return expect_step(chunked, byte, '\r', LBI_CHUNKED_DATA_LF);
    case LBI_CHUNKED_DATA_LF:
        return expect_step(chunked, byte, '\n', LBI_CHUNKED_SIZE);
    case LBI_CHUNKED_TRAILER:
    case LBI_CHUNKED_TRAILER_NAME:
    case LBI_CHUNKED_TRAILER_BLANK:
    case LBI_CHUNKED_TRAILER_VALUE:
    case LBI_CHUNKED_TRAILER_LF:
    case LBI_CHUNKED_LAST_LF:
        return trailer_step(chunked, byte);
    case LBI_CHUNKED_DATA:
    case LBI_CHUNKED_ENDED:
        break;
    }
    LB_UNREACHABLE("a state of framing");
}

void lbi_chunked_begin(struct lbi_chunked *chunked, struct lbi_head *trailers,
                       uint32_t trailer_size_max)
{
    LB_ASSERT(trailers == NULL || trailers->size == 0);
    memset(chunked, 0, sizeof *chunked);
    chunked->state = LBI_CHUNKED_SIZE;
    chunked->trailers = trailers;
    chunked->trailer_size_max = trailer_size_max;
}

enum lb_status lbi_chunked_decode(struct lbi_chunked *chunked, const char *bytes, size_t size,
                                  size_t *ret_used, char *out, size_t out_size, size_t *ret_size)
{
    LB_ASSERT(chunked->state != LBI_CHUNKED_ENDED);
    size_t used = 0;
    size_t stored = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK && used < size && chunked->state != LBI_CHUNKED_ENDED) {
        if (chunked->state != LBI_CHUNKED_DATA) {
            status = chunked_step(chunked, bytes[used]);
            used += status == LB_OK ? 1 : 0;
            continue;
        }
        LB_ASSERT(chunked->left > 0);
        size_t run = size - used < out_size - stored ? size - used : out_size - stored;
        run = chunked->left < run ? (size_t)chunked->left : run;
        if (run == 0) {
            break; /* no room */
        }
        memcpy(out + stored, bytes + used, run);
        stored += run;
        used += run;
        chunked->left -= run;
        chunked->state = chunked->left > 0 ? LBI_CHUNKED_DATA : LBI_CHUNKED_DATA_CR;
    }
    *ret_used = used;
    *ret_size = stored;
    if (status != LB_OK) {
        return status;
    }
    return chunked->state == LBI_CHUNKED_ENDED ? LB_END : LB_OK;
}
