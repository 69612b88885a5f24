/*
 * The reference reader. It sees the whole message at once, keeps no state between calls and knows no
 * buffers, so that it shares no mistake with the reader that it judges.
 *
 * RFC 9112: 4 (status line), 5 (fields), 6.3 (framing), 7.1 (chunked), 9.3 (persistence).
 */
#include "model.h"

#include <string.h>
#include <strings.h>

#include "core/assert.h"

/* The bytes that are still to be read. */
struct cursor {
    const uint8_t *bytes;
    size_t size;
    size_t at;
};

/* What the fields of one head say about framing and persistence. */
struct fields {
    uint32_t length_count;
    bool is_length_bad;
    uint64_t length;
    uint32_t coding_count;
    bool is_chunked;
    bool has_close;
    bool has_keep_alive;
    bool has_upgrade;
    uint32_t content_coding_count;
    enum lb_model_coding content_coding;
    uint64_t mark;
};

/* How reading a part went. */
enum part { PART_DONE, PART_MORE, PART_UNKNOWN };

/* line_take: the next line without its CRLF. A CR or LF elsewhere is beyond the grammar. */
static enum part line_take(struct cursor *c, const uint8_t **ret_line, size_t *ret_size)
{
    for (size_t i = c->at; i < c->size; i++) {
        if (c->bytes[i] == '\n' || c->bytes[i] == '\0') {
            return PART_UNKNOWN;
        }
        if (c->bytes[i] == '\r') {
            if (i + 1 == c->size) {
                return PART_MORE;
            }
            if (c->bytes[i + 1] != '\n') {
                return PART_UNKNOWN;
            }
            *ret_line = c->bytes + c->at;
            *ret_size = i - c->at;
            c->at = i + 2;
            return PART_DONE;
        }
    }
    return PART_MORE;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_token(uint8_t byte)
{
    bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    return is_letter || is_digit(byte) || (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool is_text(uint8_t byte)
{
    return byte == '\t' || (byte >= ' ' && byte <= '~');
}

/* status_line_read: "HTTP/1.1 200 reason"; the minor version through ret_minor. */
static enum part status_line_read(struct cursor *c, uint16_t *ret_code, uint8_t *ret_minor)
{
    const uint8_t *line = NULL;
    size_t size = 0;
    enum part part = line_take(c, &line, &size);
    if (part != PART_DONE) {
        return part;
    }
    if (size < 13 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1')) {
        return PART_UNKNOWN;
    }
    if (line[8] != ' ' || line[12] != ' ' || line[9] < '1' || line[9] > '5') {
        return PART_UNKNOWN;
    }
    if (!is_digit(line[10]) || !is_digit(line[11])) {
        return PART_UNKNOWN;
    }
    for (size_t i = 13; i < size; i++) {
        if (!is_text(line[i])) {
            return PART_UNKNOWN;
        }
    }
    *ret_code = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    *ret_minor = (uint8_t)(line[7] - '0');
    return PART_DONE;
}

static bool name_is(const uint8_t *name, size_t size, const char *wanted)
{
    return strlen(wanted) == size && strncasecmp((const char *)name, wanted, size) == 0;
}

/* length_read: one Content-Length. */
static void length_read(struct fields *fields, const uint8_t *value, size_t size)
{
    uint64_t length = 0;
    bool is_bad = size == 0;
    while (size > 1 && value[0] == '0') {
        value++;
        size--;
    }
    is_bad = is_bad || size > 19;
    for (size_t i = 0; i < size && !is_bad; i++) {
        is_bad = !is_digit(value[i]);
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    if (length > INT64_MAX || (fields->length_count > 0 && length != fields->length)) {
        is_bad = true;
    }
    fields->length_count++;
    fields->length = length;
    fields->is_length_bad = fields->is_length_bad || is_bad;
}

/* connection_read: the options of one Connection field (RFC 9110 section 7.6.1). */
static void connection_read(struct fields *fields, const uint8_t *value, size_t size)
{
    size_t at = 0;
    while (at <= size) {
        size_t end = at;
        while (end < size && value[end] != ',') {
            end++;
        }
        size_t first = at;
        size_t last = end;
        while (first < last && (value[first] == ' ' || value[first] == '\t')) {
            first++;
        }
        while (last > first && (value[last - 1] == ' ' || value[last - 1] == '\t')) {
            last--;
        }
        fields->has_close |= name_is(value + first, last - first, "close");
        fields->has_keep_alive |= name_is(value + first, last - first, "keep-alive");
        at = end + 1;
    }
}

/* content_coding_of: the coding that a Content-Encoding names (RFC 9110 section 8.4.1). */
static enum lb_model_coding content_coding_of(const uint8_t *value, size_t size)
{
    if (size == 0 || name_is(value, size, "identity")) {
        return LB_MODEL_PLAIN;
    }
    return name_is(value, size, "gzip") || name_is(value, size, "x-gzip") ? LB_MODEL_GZIP
           : name_is(value, size, "deflate")                              ? LB_MODEL_DEFLATE
                                                                          : LB_MODEL_OTHER;
}

/* mark_mix: FNV-1a over one part of a field and what separates it from the next. */
static uint64_t mark_mix(uint64_t mark, const uint8_t *bytes, size_t size, uint8_t separator)
{
    for (size_t i = 0; i < size; i++) {
        mark = (mark ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return (mark ^ separator) * UINT64_C(0x100000001b3);
}

uint64_t lb_model_mark(uint64_t mark, const void *name, size_t name_size, const void *value,
                       size_t value_size)
{
    LB_ASSERT(name != NULL);
    LB_ASSERT(value != NULL);
    return mark_mix(mark_mix(mark, name, name_size, ':'), value, value_size, '\n');
}

/* field_read: one field line of a head or trailer. */
static enum part field_read(struct fields *fields, const uint8_t *line, size_t size)
{
    size_t colon = 0;
    while (colon < size && is_token(line[colon])) {
        colon++;
    }
    if (colon == 0 || colon == size || line[colon] != ':') {
        return PART_UNKNOWN;
    }
    size_t first = colon + 1;
    size_t last = size;
    while (first < last && (line[first] == ' ' || line[first] == '\t')) {
        first++;
    }
    while (last > first && (line[last - 1] == ' ' || line[last - 1] == '\t')) {
        last--;
    }
    for (size_t i = first; i < last; i++) {
        if (!is_text(line[i])) {
            return PART_UNKNOWN;
        }
    }
    fields->mark = lb_model_mark(fields->mark, line, colon, line + first, last - first);
    if (name_is(line, colon, "content-length")) {
        if (last < size && memchr(line + last, '\t', size - last) != NULL) {
            return PART_UNKNOWN; /* parsers differ on a tab behind a number */
        }
        length_read(fields, line + first, last - first);
    } else if (name_is(line, colon, "transfer-encoding")) {
        fields->coding_count++;
        fields->is_chunked = name_is(line + first, last - first, "chunked");
    } else if (name_is(line, colon, "connection")) {
        connection_read(fields, line + first, last - first);
    } else if (name_is(line, colon, "upgrade")) {
        fields->has_upgrade = true;
    } else if (name_is(line, colon, "content-encoding")) {
        fields->content_coding_count++;
        fields->content_coding = content_coding_of(line + first, last - first);
    }
    return PART_DONE;
}

/* fields_read: field lines up to the empty line. */
static enum part fields_read(struct cursor *c, struct fields *fields)
{
    for (;;) {
        const uint8_t *line = NULL;
        size_t size = 0;
        enum part part = line_take(c, &line, &size);
        if (part != PART_DONE || size == 0) {
            return part;
        }
        part = field_read(fields, line, size);
        if (part != PART_DONE) {
            return part;
        }
    }
}

/* head_frame: decides framing from a complete head; PART_UNKNOWN where clients may differ. */
static enum part head_frame(struct lb_model *model, const struct fields *fields, uint8_t minor,
                            bool is_head_request)
{
    model->may_keep_alive = !fields->has_close && (minor == 1 || fields->has_keep_alive);
    model->coding = fields->content_coding_count > 1 ? LB_MODEL_OTHER : fields->content_coding;
    if (fields->has_upgrade) {
        return PART_UNKNOWN;
    }
    if (fields->coding_count > 0 && (minor == 0 || fields->coding_count > 1 ||
                                     !fields->is_chunked || fields->length_count > 0)) {
        return PART_UNKNOWN;
    }
    bool is_bodiless = is_head_request || model->code == 204 || model->code == 304;
    if (fields->is_length_bad || fields->length_count > 1) {
        model->is_faulty = fields->is_length_bad && !is_bodiless;
        return PART_UNKNOWN;
    }
    if (is_bodiless || (fields->length_count == 1 && fields->length == 0)) {
        model->framing = LB_MODEL_NONE;
    } else if (fields->coding_count == 1) {
        model->framing = LB_MODEL_CHUNKED;
    } else {
        model->framing = fields->length_count == 1 ? LB_MODEL_LENGTH : LB_MODEL_UNTIL_CLOSE;
    }
    model->may_keep_alive = model->may_keep_alive && model->framing != LB_MODEL_UNTIL_CLOSE;
    return PART_DONE;
}

/* chunk_size_read: the size line of a chunk; extensions are read over. */
static enum part chunk_size_read(struct cursor *c, uint64_t *ret_size)
{
    const uint8_t *line = NULL;
    size_t length = 0;
    enum part part = line_take(c, &line, &length);
    if (part != PART_DONE) {
        return part;
    }
    uint64_t size = 0;
    size_t i = 0;
    while (i < length && i < 8) {
        uint8_t byte = line[i];
        uint8_t lower = (uint8_t)(byte | 0x20);
        if (is_digit(byte)) {
            size = size * 16 + (uint64_t)(byte - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            size = size * 16 + (uint64_t)(lower - 'a' + 10);
        } else {
            break;
        }
        i++;
    }
    if (i == 0 || i != length) {
        return PART_UNKNOWN; /* extensions included: clients may refuse them */
    }
    *ret_size = size;
    return PART_DONE;
}

static void body_store(struct lb_model *model, uint8_t *body, const uint8_t *bytes, size_t size)
{
    memcpy(body + model->body_size, bytes, size);
    model->body_size += size;
}

/* chunked_read: chunks and trailers to the end. */
static enum part chunked_read(struct cursor *c, uint8_t *body, struct lb_model *model)
{
    for (;;) {
        uint64_t size = 0;
        enum part part = chunk_size_read(c, &size);
        if (part != PART_DONE) {
            return part;
        }
        if (size == 0) {
            struct fields trailers = {0};
            model->trailer_start = c->at;
            part = fields_read(c, &trailers);
            model->trailer_end = c->at;
            return trailers.has_upgrade ? PART_UNKNOWN : part;
        }
        size_t left = c->size - c->at;
        size_t taken = size < left ? (size_t)size : left;
        body_store(model, body, c->bytes + c->at, taken);
        c->at += taken;
        if (taken < size || c->size - c->at < 2) {
            bool is_odd = taken == size && c->size > c->at && c->bytes[c->at] != '\r';
            return is_odd ? PART_UNKNOWN : PART_MORE;
        }
        if (memcmp(c->bytes + c->at, "\r\n", 2) != 0) {
            return PART_UNKNOWN;
        }
        c->at += 2;
    }
}

static enum part length_body_read(struct cursor *c, uint64_t length, uint8_t *body,
                                  struct lb_model *model)
{
    size_t left = c->size - c->at;
    size_t taken = length < left ? (size_t)length : left;
    body_store(model, body, c->bytes + c->at, taken);
    c->at += taken;
    return taken == length ? PART_DONE : PART_MORE;
}

/* head_is_upgrade: whether a 101 hands the connection over to the protocol that was asked for. */
static bool head_is_upgrade(const struct lb_model *model, const struct lb_model_asked *asked,
                            const struct fields *fields)
{
    return model->code == 101 && asked->is_upgrade && fields->has_upgrade &&
           fields->length_count + fields->coding_count == 0 && !fields->has_close;
}

/* head_read: heads up to the final one. */
static enum part head_read(struct cursor *c, const struct lb_model_asked *asked,
                           struct lb_model *model, struct fields *fields)
{
    for (;;) {
        uint8_t minor = 0;
        enum part part = status_line_read(c, &model->code, &minor);
        if (part != PART_DONE) {
            return part;
        }
        memset(fields, 0, sizeof *fields);
        part = fields_read(c, fields);
        if (part != PART_DONE) {
            bool is_doubtful =
                fields->is_length_bad || fields->coding_count > 0 || fields->length_count > 1;
            return is_doubtful ? PART_UNKNOWN : part;
        }
        model->fields_mark = fields->mark;
        if (model->code >= 200) {
            model->is_head_complete = true;
            model->head_end = c->at;
            return head_frame(model, fields, minor, asked->is_head);
        }
        if (head_is_upgrade(model, asked, fields)) {
            model->is_head_complete = true;
            model->head_end = c->at;
            model->framing = LB_MODEL_UPGRADED;
            return PART_DONE;
        }
        if (model->code == 101 || fields->has_upgrade ||
            fields->length_count + fields->coding_count > 0) {
            return PART_UNKNOWN;
        }
    }
}

void lb_model_read(const uint8_t *bytes, size_t size, bool is_ended, bool is_head_request,
                   uint8_t *body, struct lb_model *ret_model)
{
    const struct lb_model_asked asked = {.is_head = is_head_request};
    lb_model_read_as(&asked, bytes, size, is_ended, body, ret_model);
}

void lb_model_read_as(const struct lb_model_asked *asked, const uint8_t *bytes, size_t size,
                      bool is_ended, uint8_t *body, struct lb_model *ret_model)
{
    struct cursor c = {bytes, size, 0};
    struct fields fields = {0};
    memset(ret_model, 0, sizeof *ret_model);
    enum part part = head_read(&c, asked, ret_model, &fields);
    if (part == PART_DONE) {
        switch (ret_model->framing) {
        case LB_MODEL_NONE:
            break;
        case LB_MODEL_LENGTH:
            part = length_body_read(&c, fields.length, body, ret_model);
            break;
        case LB_MODEL_CHUNKED:
            part = chunked_read(&c, body, ret_model);
            break;
        case LB_MODEL_UNTIL_CLOSE:
        case LB_MODEL_UPGRADED:
            (void)length_body_read(&c, size - c.at, body, ret_model);
            part = is_ended ? PART_DONE : PART_MORE;
            break;
        }
    }
    LB_ASSERT(ret_model->body_size <= size);
    ret_model->is_known = part != PART_UNKNOWN;
    ret_model->is_complete = part == PART_DONE;
    ret_model->is_line_open = part == PART_MORE && c.at < size;
    ret_model->end = c.at;
}

bool lb_model_trailer(const struct lb_model *model, const uint8_t *bytes, const char *name,
                      const char *value)
{
    struct cursor c = {bytes, model->trailer_end, model->trailer_start};
    const uint8_t *line = NULL;
    size_t size = 0;
    while (line_take(&c, &line, &size) == PART_DONE && size > 0) {
        const uint8_t *colon = memchr(line, ':', size);
        LB_ASSERT(colon != NULL);
        const uint8_t *first = colon + 1;
        const uint8_t *last = line + size;
        while (first < last && (*first == ' ' || *first == '\t')) {
            first++;
        }
        while (last > first && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        size_t value_size = (size_t)(last - first);
        if (name_is(line, (size_t)(colon - line), name) && strlen(value) == value_size &&
            memcmp(first, value, value_size) == 0) {
            return true;
        }
    }
    return false;
}
