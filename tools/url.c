/*
 * URLs, read from left to right; see url.h. A cursor stands at the first byte that is not read yet; each
 * part either moves it behind itself or says what it expected there.
 */
#include "url.h"

#include "core/assert.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct url_cursor {
    const char *text;
    size_t at;
    struct url_error *error;
};

static bool url_fail(const struct url_cursor *cursor, size_t offset, const char *expected)
{
    LB_ASSERT(offset <= strlen(cursor->text));
    cursor->error->offset = offset;
    cursor->error->expected = expected;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool url_read_scheme(struct url_cursor *cursor, struct url *url)
{
    static const char *const schemes[] = {"http", "https"};
    static const uint16_t ports[] = {80, 443};

    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);

        if (strncasecmp(cursor->text, schemes[i], size) == 0 &&
            strncmp(cursor->text + size, "://", 3) == 0) {
            url->scheme = schemes[i];
            url->port = ports[i];
            cursor->at = size + 3;
            return true;
        }
    }
    return url_fail(cursor, 0, "http:// or https://");
}

/* url_take: copies a host of `size` bytes in lower case, and goes on behind it. */
static void url_take_host(struct url_cursor *cursor, size_t size, struct url *url)
{
    LB_ASSERT(size > 0);
    LB_ASSERT(size < URL_HOST_MAX);
    for (size_t i = 0; i < size; i++) {
        char c = cursor->text[cursor->at + i];

        url->host[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    url->host[size] = '\0';
    cursor->at += size;
}

/* url_read_address: an IPv6 address, the cursor stands behind its "[". */
static bool url_read_address(struct url_cursor *cursor, struct url *url)
{
    const char *from = cursor->text + cursor->at;
    size_t size = strspn(from, "0123456789abcdefABCDEF:.");
    struct in6_addr address;

    if (from[size] != ']') {
        return url_fail(cursor, cursor->at + size, "an IPv6 address and ']'");
    }
    if (size == 0 || size >= INET6_ADDRSTRLEN) {
        return url_fail(cursor, cursor->at, "an IPv6 address");
    }
    size_t start = cursor->at;
    url_take_host(cursor, size, url);
    if (inet_pton(AF_INET6, url->host, &address) != 1) {
        return url_fail(cursor, start, "an IPv6 address");
    }
    cursor->at++;
    return true;
}

static bool url_read_name(struct url_cursor *cursor, struct url *url)
{
    const char *from = cursor->text + cursor->at;
    size_t size = 0;

    while (is_letter(from[size]) || is_digit(from[size]) || is_one_of(from[size], "-._")) {
        size++;
    }
    if (size == 0) {
        return url_fail(cursor, cursor->at,
                        "a host: a name or an address, an IPv6 one in brackets");
    }
    if (size >= URL_HOST_MAX) {
        return url_fail(cursor, cursor->at + URL_HOST_MAX - 1,
                        "the host's end: a name is too long");
    }
    url_take_host(cursor, size, url);
    return true;
}

static bool url_read_host(struct url_cursor *cursor, struct url *url)
{
    const char *from = cursor->text + cursor->at;
    size_t size = strcspn(from, "/?#");
    const char *at_sign = memchr(from, '@', size);

    if (at_sign != NULL) {
        return url_fail(cursor, (size_t)(at_sign - cursor->text),
                        "no user information: a password is no part of a URL");
    }
    if (*from == '[') {
        cursor->at++;
        return url_read_address(cursor, url);
    }
    return url_read_name(cursor, url);
}

/* url_read_port: what stands behind a ":"; nothing there means the scheme's port. */
static bool url_read_port(struct url_cursor *cursor, struct url *url)
{
    const char *text = cursor->text;
    size_t start = cursor->at;
    uint32_t port = 0;

    while (is_digit(text[cursor->at])) {
        port = port * 10 + (uint32_t)(text[cursor->at] - '0');
        if (port > UINT16_MAX) {
            return url_fail(cursor, start, "a port from 1 to 65535");
        }
        cursor->at++;
    }
    if (cursor->at == start) {
        return true;
    }
    if (port == 0) {
        return url_fail(cursor, start, "a port from 1 to 65535");
    }
    url->port = (uint16_t)port;
    return true;
}

/* url_next: the size of the character at the cursor, 1 or, "%XX", 3; 0: none that a path, a query or a
 * fragment may hold. */
static size_t url_next(const struct url_cursor *cursor)
{
    const char *c = cursor->text + cursor->at;

    if (*c == '%') {
        return is_hex(c[1]) && is_hex(c[2]) ? 3 : 0;
    }
    return is_letter(*c) || is_digit(*c) || is_one_of(*c, "-._~!$&'()*+,;=:@/?") ? 1 : 0;
}

/* url_read_rest: path, query and fragment, of which the target is all but the last. */
static bool url_read_rest(struct url_cursor *cursor, struct url *url)
{
    size_t size = 0;
    bool is_fragment = false;

    if (cursor->text[cursor->at] != '/') {
        url->target[size++] = '/';
    }
    while (cursor->text[cursor->at] != '\0') {
        size_t next = url_next(cursor);

        if (cursor->text[cursor->at] == '#' && !is_fragment) {
            is_fragment = true;
            cursor->at++;
            continue;
        }
        if (next == 0) {
            return url_fail(cursor, cursor->at,
                            "a character that a URL may hold; others are written %XX");
        }
        if (!is_fragment) {
            if (size + next >= URL_TARGET_MAX) {
                return url_fail(cursor, cursor->at, "the URL's end: it is too long");
            }
            memcpy(url->target + size, cursor->text + cursor->at, next);
            size += next;
        }
        cursor->at += next;
    }
    url->target[size] = '\0';
    LB_ASSERT(url->target[0] == '/');
    return true;
}

bool url_parse(const char *text, struct url *ret_url, struct url_error *ret_error)
{
    struct url_cursor cursor = {.text = text, .at = 0, .error = ret_error};

    LB_ASSERT(text != NULL);
    LB_ASSERT(ret_url != NULL);
    LB_ASSERT(ret_error != NULL);
    if (!url_read_scheme(&cursor, ret_url) || !url_read_host(&cursor, ret_url)) {
        return false;
    }
    if (text[cursor.at] == ':') {
        cursor.at++;
        if (!url_read_port(&cursor, ret_url)) {
            return false;
        }
        if (text[cursor.at] != '\0' && !is_one_of(text[cursor.at], "/?#")) {
            return url_fail(&cursor, cursor.at, "a digit of the port, '/', '?' or the end");
        }
    }
    if (text[cursor.at] != '\0' && !is_one_of(text[cursor.at], "/?#")) {
        return url_fail(&cursor, cursor.at, "':', '/', '?' or the end");
    }
    return url_read_rest(&cursor, ret_url);
}
