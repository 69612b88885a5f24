/*
 * The chunked decoder: one state per place in the grammar, one byte at a time through the framing and
 * whole runs through the data.
 *
 *   SIZE -> DIGITS [-> BLANK] [-> EXTENSION] -> SIZE_LF -+-> DATA -> DATA_CR -> DATA_LF -> SIZE
 *                                                        |
 *                                          (size 0)      +-> TRAILER -> LAST_LF -> ENDED
 *                                                             |    ^
 *                                                             v    |
 *                                              TRAILER_NAME -> TRAILER_VALUE -> TRAILER_LF
 */
#include "wire/chunked.h"

#include <stdbool.h>
#include <string.h>

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

/* blank_step: a byte behind the size: blanks, then the extensions or the line's end. */
static bool blank_step(struct lbi_chunked *chunked, char byte)
{
    chunked->state = byte == '\r'  ? LBI_CHUNKED_SIZE_LF
                     : byte == ';' ? LBI_CHUNKED_EXTENSION
                                   : LBI_CHUNKED_BLANK;
    return byte == '\r' || byte == ';' || byte == ' ' || byte == '\t';
}

/* size_step: a byte behind a digit of the size. */
static bool size_step(struct lbi_chunked *chunked, char byte)
{
    int value = digit_value(byte);
    if (value >= 0) {
        if (chunked->left > INT64_MAX / 16) {
            return false; /* what no memory holds is an overflow */
        }
        chunked->left = chunked->left * 16 + (uint64_t)value;
        return true;
    }
    return blank_step(chunked, byte);
}

/* line_step: a byte of a line's rest; its CR leads to `next`. */
static bool line_step(struct lbi_chunked *chunked, char byte, enum lbi_chunked_state next)
{
    if (byte == '\r') {
        chunked->state = next;
        return true;
    }
    return is_text(byte);
}

/* trailer_step: a byte of a trailer field's name, or of the last line. */
static bool trailer_step(struct lbi_chunked *chunked, char byte)
{
    bool is_first = chunked->state == LBI_CHUNKED_TRAILER;
    if (is_first && byte == '\r') {
        chunked->state = LBI_CHUNKED_LAST_LF;
        return true;
    }
    if (!is_first && byte == ':') {
        chunked->state = LBI_CHUNKED_TRAILER_VALUE;
        return true;
    }
    chunked->state = LBI_CHUNKED_TRAILER_NAME;
    return lbi_is_token(byte);
}

/* expect_step: exactly one byte may stand here. */
static bool expect_step(struct lbi_chunked *chunked, char byte, char expected,
                        enum lbi_chunked_state next)
{
    chunked->state = next;
    return byte == expected;
}

/* chunked_step: one byte of framing; false: it may not stand there. */
static bool chunked_step(struct lbi_chunked *chunked, char byte)
{
    switch (chunked->state) {
    case LBI_CHUNKED_SIZE:
        chunked->state = LBI_CHUNKED_DIGITS;
        chunked->left = 0;
        return digit_value(byte) >= 0 && size_step(chunked, byte);
    case LBI_CHUNKED_DIGITS:
        return size_step(chunked, byte);
    case LBI_CHUNKED_BLANK:
        return blank_step(chunked, byte);
    case LBI_CHUNKED_EXTENSION:
        return line_step(chunked, byte, LBI_CHUNKED_SIZE_LF);
    case LBI_CHUNKED_SIZE_LF:
        return expect_step(chunked, byte, '\n',
                           chunked->left > 0 ? LBI_CHUNKED_DATA : LBI_CHUNKED_TRAILER);
    case LBI_CHUNKED_DATA_CR:
        return expect_step(chunked, byte, '\r', LBI_CHUNKED_DATA_LF);
    case LBI_CHUNKED_DATA_LF:
        return expect_step(chunked, byte, '\n', LBI_CHUNKED_SIZE);
    case LBI_CHUNKED_TRAILER:
    case LBI_CHUNKED_TRAILER_NAME:
        return trailer_step(chunked, byte);
    case LBI_CHUNKED_TRAILER_VALUE:
        return line_step(chunked, byte, LBI_CHUNKED_TRAILER_LF);
    case LBI_CHUNKED_TRAILER_LF:
        return expect_step(chunked, byte, '\n', LBI_CHUNKED_TRAILER);
    case LBI_CHUNKED_LAST_LF:
        return expect_step(chunked, byte, '\n', LBI_CHUNKED_ENDED);
    case LBI_CHUNKED_DATA:
    case LBI_CHUNKED_ENDED:
        break;
    }
    LB_UNREACHABLE("a state of framing");
}

enum lb_status lbi_chunked_decode(struct lbi_chunked *chunked, const char *bytes, size_t size,
                                  size_t *ret_used, char *out, size_t out_size, size_t *ret_size)
{
    LB_ASSERT(chunked->state != LBI_CHUNKED_ENDED);
    size_t used = 0;
    size_t stored = 0;
    bool is_good = true;
    while (is_good && used < size && chunked->state != LBI_CHUNKED_ENDED) {
        if (chunked->state != LBI_CHUNKED_DATA) {
            is_good = chunked_step(chunked, bytes[used]);
            used += is_good ? 1 : 0;
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
    if (!is_good) {
        return LB_PROTOCOL;
    }
    return chunked->state == LBI_CHUNKED_ENDED ? LB_END : LB_OK;
}
