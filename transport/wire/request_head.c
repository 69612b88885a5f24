/*
 * The request head's serialiser. A part is checked before anything is built, so that no byte of a
 * caller can end the request line or a field early (RFC 9112 sections 3 and 5, RFC 9110 section 5.5).
 */
#include "wire/request_head.h"

#include <string.h>
#include <strings.h>

#include "core/assert.h"
#include "core/limits.h"

#define LBI_HEAD_PARTS 9
#define LBI_PORT_SIZE 8 /* ":65535" and the NUL */

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

/* request_validate: LB_OK, or why the options cannot be sent. */
static enum lb_status request_validate(const struct lb_request_options *options)
{
    const struct lb_endpoint *endpoint = &options->endpoint;
    if (strcmp(options->method, "GET") != 0 && strcmp(options->method, "HEAD") != 0) {
        return LB_PROTOCOL;
    }
    if (strcmp(endpoint->scheme, "http") != 0 && strcmp(endpoint->scheme, "https") != 0) {
        return LB_PROTOCOL;
    }
    if (!text_is_plain(endpoint->host) || strpbrk(endpoint->host, "/?#@") != NULL) {
        return LB_PROTOCOL;
    }
    if (!text_is_plain(options->target) || options->target[0] != '/') {
        return LB_PROTOCOL;
    }
    if (strlen(options->target) > LBI_TARGET_MAX || strlen(endpoint->host) > LBI_HOST_MAX) {
        return LB_LIMIT;
    }
    return LB_OK;
}

/* head_asks: the line that asks for the codings that wire/coding.c undoes, or nothing. */
static const char *head_asks(bool is_coding_asked)
{
    return is_coding_asked ? "\r\nAccept-Encoding: gzip, deflate" : "";
}

bool lbi_request_head_may_ask(const struct lb_request_options *options)
{
    bool may_ask = strcmp(options->method, "HEAD") != 0;
    for (size_t i = 0; i < options->field_count; i++) {
        const char *name = options->fields[i].name;
        may_ask =
            may_ask && strcasecmp(name, "Accept-Encoding") != 0 && strcasecmp(name, "Range") != 0;
    }
    return may_ask;
}

/* head_parts: the pieces of the head in order: the request line, Host (the port only where it is not
 * the scheme's own, an IPv6 address in brackets: RFC 9110 section 7.2), persistence. */
static void head_parts(const struct lb_request_options *options, bool is_coding_asked, char *port,
                       const char **parts)
{
    const struct lb_endpoint *endpoint = &options->endpoint;
    bool is_ipv6 = strchr(endpoint->host, ':') != NULL;
    uint16_t usual = endpoint->scheme[4] == 's' ? 443 : 80;
    size_t at = LBI_PORT_SIZE - 1;
    port[at] = '\0';
    for (uint32_t rest = endpoint->port; endpoint->port != usual && rest > 0; rest /= 10) {
        port[--at] = (char)('0' + rest % 10);
    }
    if (endpoint->port != usual) {
        port[--at] = ':';
    }
    parts[0] = options->method;
    parts[1] = " ";
    parts[2] = options->target;
    parts[3] = is_ipv6 ? " HTTP/1.1\r\nHost: [" : " HTTP/1.1\r\nHost: ";
    parts[4] = endpoint->host;
    parts[5] = is_ipv6 ? "]" : "";
    parts[6] = port + at;
    parts[7] = head_asks(is_coding_asked);
    parts[8] = options->is_close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n";
}

enum lb_status lbi_request_head_new(struct lb_memory *memory,
                                    const struct lb_request_options *options, bool is_coding_asked,
                                    struct lbi_request_head **ret_head)
{
    LB_ASSERT(memory != NULL);
    enum lb_status status = request_validate(options);
    if (status != LB_OK) {
        return status;
    }
    char port[LBI_PORT_SIZE];
    const char *parts[LBI_HEAD_PARTS];
    size_t sizes[LBI_HEAD_PARTS];
    size_t size = 0;
    head_parts(options, is_coding_asked, port, parts);
    for (size_t i = 0; i < LBI_HEAD_PARTS; i++) {
        sizes[i] = strlen(parts[i]);
        size += sizes[i];
    }
    struct lbi_request_head *head = memory->alloc(memory, sizeof *head + size);
    if (head == NULL) {
        return LB_MEMORY;
    }
    head->memory = memory;
    head->owner_count = 1;
    head->size = (uint32_t)size;
    size_t at = 0;
    for (size_t i = 0; i < LBI_HEAD_PARTS; i++) {
        memcpy(head->bytes + at, parts[i], sizes[i]);
        at += sizes[i];
    }
    LB_ASSERT(at == size);
    *ret_head = head;
    return LB_OK;
}

struct lbi_request_head *lbi_request_head_acquire(struct lbi_request_head *head)
{
    LB_ASSERT(head->owner_count > 0);
    head->owner_count++;
    return head;
}

void lbi_request_head_release(struct lbi_request_head **head)
{
    struct lbi_request_head *released = *head;
    *head = NULL;
    if (released == NULL) {
        return;
    }
    LB_ASSERT(released->owner_count > 0);
    if (--released->owner_count == 0) {
        struct lb_memory *memory = released->memory;
        memory->release(memory, released, sizeof *released + released->size);
    }
}
