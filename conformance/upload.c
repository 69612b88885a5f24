/*
 * Reading requests. One state machine over the body; the head is searched for the few fields that decide
 * about framing and about the connection.
 */
#include "upload.h"

#include <string.h>
#include <strings.h>

#include "case.h"
#include "core/assert.h"

size_t lb_upload_head(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = size < 4 ? NULL : memmem(bytes, size, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

/* line_is: whether a head line is the field `name` (with its colon); its value through ret_value. */
static bool line_is(const char *line, size_t size, const char *name, const char **ret_value)
{
    size_t name_size = strlen(name);
    if (size < name_size || strncasecmp(line, name, name_size) != 0) {
        return false;
    }
    const char *value = line + name_size;
    while (value < line + size && *value == ' ') {
        value++;
    }
    *ret_value = value;
    return true;
}

static bool value_is(const char *value, const char *line_end, const char *wanted)
{
    size_t size = (size_t)(line_end - value);
    return strlen(wanted) == size && strncasecmp(value, wanted, size) == 0;
}

/* upload_break: from here on nothing is known. */
static void upload_break(struct lb_upload *upload)
{
    upload->state = LB_UPLOAD_BROKEN;
}

/* upload_length: the value of Content-Length. */
static void upload_length(struct lb_upload *upload, const char *value, const char *end)
{
    uint64_t length = 0;
    bool is_bad = value == end || end - value > 18 || upload->has_body;
    for (; !is_bad && value < end; value++) {
        is_bad = *value < '0' || *value > '9';
        length = length * 10 + (uint64_t)(*value - '0');
    }
    upload->has_body = true;
    upload->left = length;
    upload->state = length > 0 ? LB_UPLOAD_DATA : LB_UPLOAD_OVER;
    if (is_bad) {
        upload_break(upload);
    }
}

/* upload_field: one field of the head. */
static void upload_field(struct lb_upload *upload, const char *line, size_t size)
{
    static const char upgrade[] = "Upgrade: ";
    static const char coding[] = "Accept-Encoding: ";
    const char *value = NULL;
    const char *end = line + size;
    if (size >= sizeof upgrade - 1 && memcmp(line, upgrade, sizeof upgrade - 1) == 0) {
        upload->is_upgrade = true;
    } else if (size >= sizeof coding - 1 && memcmp(line, coding, sizeof coding - 1) == 0) {
        upload->is_coding = true;
    } else if (line_is(line, size, "content-length:", &value)) {
        upload_length(upload, value, end);
    } else if (line_is(line, size, "transfer-encoding:", &value)) {
        bool is_bad = upload->has_body || !value_is(value, end, "chunked");
        upload->has_body = true;
        upload->is_chunked = true;
        upload->state = is_bad ? LB_UPLOAD_BROKEN : LB_UPLOAD_SIZE_LINE;
    } else if (line_is(line, size, "expect:", &value)) {
        upload->is_expect = value_is(value, end, "100-continue");
    } else if (line_is(line, size, "connection:", &value)) {
        upload->is_close = upload->is_close || value_is(value, end, "close");
    }
}

void lb_upload_begin(struct lb_upload *upload, const uint8_t *head, size_t size)
{
    LB_ASSERT(size >= 4);
    memset(upload, 0, sizeof *upload);
    upload->state = LB_UPLOAD_OVER;
    const char *at = (const char *)head;
    const char *end = at + size - 2;
    const char *line_end = memmem(at, size, "\r\n", 2);
    upload->is_http10 = line_end - at >= 8 && memcmp(line_end - 8, "HTTP/1.0", 8) == 0;
    while (line_end + 2 < end) {
        at = line_end + 2;
        line_end = memmem(at, (size_t)(end + 2 - at), "\r\n", 2);
        LB_ASSERT(line_end != NULL);
        upload_field(upload, at, (size_t)(line_end - at));
    }
}

/* take_data: bytes of the body, which are the pattern's. */
static size_t take_data(struct lb_upload *upload, const uint8_t *bytes, size_t size, uint64_t limit)
{
    uint64_t count = upload->left < size ? upload->left : size;
    count = count < limit ? count : limit;
    for (uint64_t i = 0; i < count; i++) {
        if ((char)bytes[i] != lb_fill_byte(upload->offset + i)) {
            upload->is_other = true;
        }
    }
    upload->offset += count;
    upload->left -= count;
    if (upload->left == 0) {
        upload->state = upload->is_chunked ? LB_UPLOAD_DATA_END : LB_UPLOAD_OVER;
    }
    return (size_t)count;
}

/* take_size_line: the size of a chunk; 0: the line is not whole. */
static size_t take_size_line(struct lb_upload *upload, const uint8_t *bytes, size_t size)
{
    uint64_t number = 0;
    size_t at = 0;
    while (at < size && at <= 8 && bytes[at] != '\r') {
        uint8_t lower = (uint8_t)(bytes[at] | 0x20);
        bool is_digit = bytes[at] >= '0' && bytes[at] <= '9';
        if (!is_digit && (lower < 'a' || lower > 'f')) {
            upload_break(upload);
            return 0;
        }
        number = number * 16 + (uint64_t)(is_digit ? bytes[at] - '0' : lower - 'a' + 10);
        at++;
    }
    if (at + 2 > size && at <= 8) {
        return 0;
    }
    if (at == 0 || at > 8 || bytes[at + 1] != '\n') {
        upload_break(upload);
        return 0;
    }
    upload->left = number;
    upload->state = number == 0 ? LB_UPLOAD_TRAILER : LB_UPLOAD_DATA;
    return at + 2;
}

/* take_line_end: CRLF; 0: it is not whole. */
static size_t take_line_end(struct lb_upload *upload, const uint8_t *bytes, size_t size)
{
    if (bytes[0] != '\r' || (size > 1 && bytes[1] != '\n')) {
        upload_break(upload);
        return 0;
    }
    if (size < 2) {
        return 0;
    }
    upload->state = upload->state == LB_UPLOAD_TRAILER ? LB_UPLOAD_OVER : LB_UPLOAD_SIZE_LINE;
    return 2;
}

size_t lb_upload_take(struct lb_upload *upload, const uint8_t *bytes, size_t size, uint64_t limit)
{
    size_t at = 0;
    size_t taken = 1;
    while (at < size && taken > 0) {
        switch (upload->state) {
        case LB_UPLOAD_DATA:
            taken = take_data(upload, bytes + at, size - at, limit);
            limit -= taken;
            break;
        case LB_UPLOAD_SIZE_LINE:
            taken = take_size_line(upload, bytes + at, size - at);
            break;
        case LB_UPLOAD_DATA_END:
        case LB_UPLOAD_TRAILER:
            taken = take_line_end(upload, bytes + at, size - at);
            break;
        case LB_UPLOAD_OVER:
        case LB_UPLOAD_BROKEN:
            taken = 0;
            break;
        }
        at += taken;
    }
    LB_ASSERT(at <= size);
    return at;
}
