/*
 * The request head's serialiser. A part is checked before anything is built, so that no byte of a
 * caller can end the request line or a field early (RFC 9112 sections 3 and 5, RFC 9110 section 5.5).
 *
 * The head is put together twice, by the same function: once without storage, to learn its size.
 */
#include "wire/request_head.h"

#include <string.h>
#include <strings.h>

#include "core/assert.h"
#include "core/limits.h"
#include "wire/token.h"

/* Fields that the transport writes itself: who wrote them twice would frame a message twice. */
static const char *const own_names[] = {
    "host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "trailer"};

/* text_is_plain: whether a part holds only visible ASCII characters and is not empty. */
static bool text_is_plain(const char *text)
{
    LB_ASSERT(text != NULL);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return false;
        }
    }
    return *text != '\0';
}

static bool text_is_token(const char *text)
{
    LB_ASSERT(text != NULL);
    const char *at = text;
    while (*at != '\0' && lbi_is_token(*at)) {
        at++;
    }
    return at > text && *at == '\0';
}

/* value_is_plain: whether a field's value holds no control character but HTAB. */
static bool value_is_plain(const char *value)
{
    LB_ASSERT(value != NULL);
    for (const char *at = value; *at != '\0'; at++) {
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f) {
            return false;
        }
    }
    return true;
}

/* fields_validate: LB_OK, or why the caller's fields cannot be sent. */
static enum lb_status fields_validate(const struct lb_request_options *options)
{
    size_t size = 0;
    for (size_t i = 0; i < options->field_count; i++) {
        const struct lb_field *field = &options->fields[i];
        if (!text_is_token(field->name) || !value_is_plain(field->value)) {
            return LB_PROTOCOL;
        }
        for (size_t j = 0; j < sizeof own_names / sizeof own_names[0]; j++) {
            if (strcasecmp(field->name, own_names[j]) == 0) {
                return LB_PROTOCOL;
            }
        }
        size += strlen(field->name) + strlen(field->value);
        if (size > LBI_FIELDS_MAX) {
            return LB_LIMIT;
        }
    }
    return LB_OK;
}

/* target_is_good: origin form, or the asterisk of OPTIONS (RFC 9112 section 3.2.4). */
static bool target_is_good(const struct lb_request_options *options)
{
    bool is_asterisk = strcmp(options->target, "*") == 0;
    return text_is_plain(options->target) &&
           (options->target[0] == '/' || (is_asterisk && strcmp(options->method, "OPTIONS") == 0));
}

/* version_is_good: whether the version can carry what is asked of it (RFC 9112 section 6.1, RFC 9110
 * sections 7.8 and 10.1.1). */
static bool version_is_good(const struct lb_request_options *options)
{
    bool is_chunked = options->source != NULL && options->source_size == LB_SIZE_UNKNOWN;
    bool is_expect = options->source != NULL && options->is_expect;
    return !options->is_http10 || (!is_chunked && !is_expect && options->upgrade == NULL);
}

/* request_validate: LB_OK, or why the options cannot be sent. */
static enum lb_status request_validate(const struct lb_request_options *options)
{
    const struct lb_endpoint *endpoint = &options->endpoint;
    if (!text_is_token(options->method) || strcmp(options->method, "CONNECT") == 0) {
        return LB_PROTOCOL;
    }
    if (strcmp(endpoint->scheme, "http") != 0 && strcmp(endpoint->scheme, "https") != 0) {
        return LB_PROTOCOL;
    }
    if (!text_is_plain(endpoint->host) || strpbrk(endpoint->host, "/?#@") != NULL) {
        return LB_PROTOCOL;
    }
    if (!target_is_good(options) || !version_is_good(options)) {
        return LB_PROTOCOL;
    }
    if (options->upgrade != NULL && !text_is_plain(options->upgrade)) {
        return LB_PROTOCOL;
    }
    if (strlen(options->target) > LBI_TARGET_MAX || strlen(endpoint->host) > LBI_HOST_MAX ||
        strlen(options->method) > LBI_METHOD_MAX) {
        return LB_LIMIT;
    }
    return fields_validate(options);
}

/* A head that is put together. */
struct builder {
    char *bytes; /* NULL: only measured */
    size_t size;
};

static void builder_add(struct builder *b, const char *text)
{
    size_t size = strlen(text);
    if (b->bytes != NULL) {
        memcpy(b->bytes + b->size, text, size);
    }
    b->size += size;
}

static void builder_add_number(struct builder *b, uint64_t number)
{
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    builder_add(b, digits + at);
}

static void builder_add_field(struct builder *b, const char *name, const char *value)
{
    builder_add(b, name);
    builder_add(b, ": ");
    builder_add(b, value);
    builder_add(b, "\r\n");
}

/* build_host: the port only where it is not the scheme's own, an IPv6 address in brackets (RFC 9110
 * section 7.2). */
static void build_host(struct builder *b, const struct lb_endpoint *endpoint)
{
    bool is_ipv6 = strchr(endpoint->host, ':') != NULL;
    uint16_t usual = endpoint->scheme[4] == 's' ? 443 : 80;
    builder_add(b, is_ipv6 ? "Host: [" : "Host: ");
    builder_add(b, endpoint->host);
    builder_add(b, is_ipv6 ? "]" : "");
    if (endpoint->port != usual) {
        builder_add(b, ":");
        builder_add_number(b, endpoint->port);
    }
    builder_add(b, "\r\n");
}

/* build_framing: how the body is framed; "Content-Length: 0" where a method lets expect one (RFC 9110
 * section 8.6). */
static void build_framing(struct builder *b, const struct lb_request_options *options)
{
    if (options->source == NULL) {
        bool is_usual = strcmp(options->method, "POST") == 0 ||
                        strcmp(options->method, "PUT") == 0 ||
                        strcmp(options->method, "PATCH") == 0;
        builder_add(b, is_usual ? "Content-Length: 0\r\n" : "");
        return;
    }
    if (options->source_size == LB_SIZE_UNKNOWN) {
        builder_add(b, "Transfer-Encoding: chunked\r\n");
    } else {
        builder_add(b, "Content-Length: ");
        builder_add_number(b, options->source_size);
        builder_add(b, "\r\n");
    }
    bool is_expect = options->is_expect && options->source_size > 0; /* RFC 9110 section 10.1.1 */
    builder_add(b, is_expect ? "Expect: 100-continue\r\n" : "");
}

static void build(struct builder *b, const struct lb_request_options *options, bool is_coding_asked)
{
    builder_add(b, options->method);
    builder_add(b, " ");
    builder_add(b, options->target);
    builder_add(b, options->is_http10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    build_host(b, &options->endpoint);
    if (is_coding_asked) {
        builder_add_field(b, "Accept-Encoding", "gzip, deflate"); /* what wire/coding.c undoes */
    }
    if (options->upgrade != NULL) {
        builder_add_field(b, "Connection",
                          "Upgrade"); /* which ends the connection in its own way */
        builder_add_field(b, "Upgrade", options->upgrade);
    } else if (options->is_close) {
        builder_add_field(b, "Connection", "close");
    }
    build_framing(b, options);
    for (size_t i = 0; i < options->field_count; i++) {
        builder_add_field(b, options->fields[i].name, options->fields[i].value);
    }
    builder_add(b, "\r\n");
}

enum lb_status lbi_request_head_new(struct lb_memory *memory,
                                    const struct lb_request_options *options, bool is_coding_asked,
                                    struct lbi_request_head **ret_head)
{
    LB_ASSERT(memory != NULL);
    LB_ASSERT(options->field_count == 0 || options->fields != NULL);
    enum lb_status status = request_validate(options);
    if (status != LB_OK) {
        return status;
    }
    struct builder b = {NULL, 0};
    build(&b, options, is_coding_asked);
    struct lbi_request_head *head = memory->alloc(memory, sizeof *head + b.size);
    if (head == NULL) {
        return LB_MEMORY;
    }
    head->memory = memory;
    head->size = (uint32_t)b.size;
    b = (struct builder){head->bytes, 0};
    build(&b, options, is_coding_asked);
    LB_ASSERT(b.size == head->size);
    *ret_head = head;
    return LB_OK;
}

void lbi_request_head_release(struct lbi_request_head **head)
{
    struct lbi_request_head *released = *head;
    *head = NULL;
    if (released != NULL) {
        struct lb_memory *memory = released->memory;
        memory->release(memory, released, sizeof *released + released->size);
    }
}

bool lbi_request_has_field(const struct lb_request_options *options, const char *name)
{
    for (size_t i = 0; i < options->field_count; i++) {
        if (strcasecmp(options->fields[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool lbi_request_may_ask(const struct lb_request_options *options)
{
    return strcmp(options->method, "HEAD") != 0 &&
           !lbi_request_has_field(options, "Accept-Encoding") &&
           !lbi_request_has_field(options, "Range");
}

bool lbi_request_may_repeat(const struct lb_request_options *options)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(options->method, methods[i]) == 0) {
            return true;
        }
    }
    return lbi_request_has_field(options, "idempotency-key") ||
           lbi_request_has_field(options, "x-idempotency-key");
}
