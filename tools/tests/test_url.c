/*
 * Tests of the URL parser: what it takes, what it refuses and where, and that no byte anywhere gets past
 * it that would break a request.
 */
#include "url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct good {
    const char *text;
    const char *scheme;
    const char *host;
    uint16_t port;
    const char *target;
};

static const struct good goods[] = {
    {"http://a", "http", "a", 80, "/"},
    {"https://a", "https", "a", 443, "/"},
    {"HTTP://Example.ORG/A", "http", "example.org", 80, "/A"},
    {"http://a:8080/", "http", "a", 8080, "/"},
    {"http://a:/x", "http", "a", 80, "/x"},
    {"https://a:00443/x", "https", "a", 443, "/x"},
    {"http://a:65535", "http", "a", 65535, "/"},
    {"http://127.0.0.1:1/p?q=1&r=/?", "http", "127.0.0.1", 1, "/p?q=1&r=/?"},
    {"http://a?q", "http", "a", 80, "/?q"},
    {"http://a:7?q", "http", "a", 7, "/?q"},
    {"http://a#f", "http", "a", 80, "/"},
    {"http://a/p#f?no", "http", "a", 80, "/p"},
    {"http://[::1]", "http", "::1", 80, "/"},
    {"https://[2001:DB8::7]:8443/x", "https", "2001:db8::7", 8443, "/x"},
    {"http://[::ffff:127.0.0.1]:80/", "http", "::ffff:127.0.0.1", 80, "/"},
    {"http://a_b-c.d/%20%aF", "http", "a_b-c.d", 80, "/%20%aF"},
    {"http://a//", "http", "a", 80, "//"},
    {"http://a/@:", "http", "a", 80, "/@:"},
};

#define GOOD_COUNT (sizeof(goods) / sizeof(goods[0]))

struct bad {
    const char *text;
    size_t offset;
    const char *expected; /* a part of it */
};

static const struct bad bads[] = {
    {"", 0, "http://"},
    {"a", 0, "http://"},
    {"ftp://a", 0, "http://"},
    {"http:/a", 0, "http://"},
    {"http//a", 0, "http://"},
    {"https", 0, "http://"},
    {"http://", 7, "a host"},
    {"http:///p", 7, "a host"},
    {"http://:80", 7, "a host"},
    {"http://?q", 7, "a host"},
    {"http://me@a/", 9, "no user information"},
    {"http://me:secret@a/", 16, "no user information"},
    {"http://a b", 8, "':', '/'"},
    {"http://a%20", 8, "':', '/'"},
    {"http://a:x", 9, "a digit"},
    {"http://a:8x", 10, "a digit"},
    {"http://a:0", 9, "a port"},
    {"http://a:65536", 9, "a port"},
    {"http://a:99999999999999999999", 9, "a port"},
    {"http://a:-1", 9, "a digit"},
    {"http://[::1", 11, "and ']'"},
    {"http://[]", 8, "IPv6"},
    {"http://[:::1]", 8, "IPv6"},
    {"http://[1.2.3.4]", 8, "IPv6"},
    {"http://[fe80::1%25eth0]", 15, "and ']'"},
    {"http://[::1]x", 12, "':', '/'"},
    {"http://[0000:0000:0000:0000:0000:0000:0000:0000:0000]", 8, "IPv6"},
    {"http://::1/", 7, "a host"},
    {"http://a/b c", 10, "%XX"},
    {"http://a/%2", 9, "%XX"},
    {"http://a/%zz", 9, "%XX"},
    {"http://a/\r\nX: y", 9, "%XX"},
    {"http://a/\xc3\xa4", 9, "%XX"},
    {"http://a/#x#", 11, "%XX"},
    {"http://a/\"", 9, "%XX"},
};

#define BAD_COUNT (sizeof(bads) / sizeof(bads[0]))

static void test_url_takes_a_url_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD_COUNT; i++) {
        struct url_error error = {0, NULL};
        struct url url;

        if (!url_parse(goods[i].text, &url, &error)) {
            fail_msg("%s: at %zu: expected %s", goods[i].text, error.offset, error.expected);
        }
        assert_string_equal(url.scheme, goods[i].scheme);
        assert_string_equal(url.host, goods[i].host);
        assert_int_equal(url.port, goods[i].port);
        assert_string_equal(url.target, goods[i].target);
    }
}

static void test_url_says_where_a_text_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < BAD_COUNT; i++) {
        struct url_error error = {SIZE_MAX, NULL};
        struct url url;

        if (url_parse(bads[i].text, &url, &error)) {
            fail_msg("%s was taken for a URL", bads[i].text);
        }
        if (error.offset != bads[i].offset || strstr(error.expected, bads[i].expected) == NULL) {
            fail_msg("%s: at %zu: expected %s", bads[i].text, error.offset, error.expected);
        }
    }
}

static void test_url_has_bounds(void **state)
{
    static char text[URL_TARGET_MAX + 64];
    struct url_error error;
    static struct url url;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "http://", 7);
    text[7 + URL_HOST_MAX - 1] = '\0';
    assert_true(url_parse(text, &url, &error));
    assert_int_equal(strlen(url.host), URL_HOST_MAX - 1);
    text[7 + URL_HOST_MAX - 1] = 'a';
    text[7 + URL_HOST_MAX] = '\0';
    assert_false(url_parse(text, &url, &error));
    assert_int_equal(error.offset, 7 + URL_HOST_MAX - 1);

    memset(text, 'a', sizeof(text)); /* an address that is longer than any, and than a host */
    memcpy(text, "http://[", 8);
    memcpy(text + 8 + URL_HOST_MAX, "]", 2);
    assert_false(url_parse(text, &url, &error));
    assert_int_equal(error.offset, 8);

    memset(text, 'a', sizeof(text));
    memcpy(text, "http://a/", 9);
    text[8 + URL_TARGET_MAX - 1] = '\0';
    assert_true(url_parse(text, &url, &error));
    assert_int_equal(strlen(url.target), URL_TARGET_MAX - 1);
    text[8 + URL_TARGET_MAX - 1] = 'a';
    text[8 + URL_TARGET_MAX] = '\0';
    assert_false(url_parse(text, &url, &error));
    assert_int_equal(error.offset, 8 + URL_TARGET_MAX - 1);
}

/* look: whatever the text, either each part is fit for a request, or the error lies in the text. The text
 * is copied to a block of its own size, so that a sanitizer sees a read behind it. */
static void look(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    struct url_error error = {SIZE_MAX, NULL};
    static struct url url;

    assert_non_null(copy);
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (url_parse(copy, &url, &error)) {
        assert_true(strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0);
        assert_true(url.host[0] != '\0');
        assert_true(url.port > 0);
        assert_int_equal(url.target[0], '/');
        for (const char *c = url.target; *c != '\0'; c++) {
            assert_true(*c > ' ' && *c < 0x7f && *c != '#');
        }
        assert_int_equal(strspn(url.host, "abcdefghijklmnopqrstuvwxyz0123456789-._:"),
                         strlen(url.host));
    } else {
        assert_non_null(error.expected);
        assert_true(error.offset <= strlen(copy));
    }
    free(copy);
}

static void test_url_survives_each_cut_and_each_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD_COUNT + BAD_COUNT; i++) {
        const char *text = i < GOOD_COUNT ? goods[i].text : bads[i - GOOD_COUNT].text;
        char changed[128];
        size_t size = strlen(text);

        assert_true(size < sizeof(changed));
        for (size_t at = 0; at <= size; at++) {
            look(text, at);
            memcpy(changed, text, size + 1);
            for (int byte = 0; byte < 256 && at < size; byte++) {
                changed[at] = (char)byte;
                look(changed, size);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_url_takes_a_url_apart),
        cmocka_unit_test(test_url_says_where_a_text_is_none),
        cmocka_unit_test(test_url_has_bounds),
        cmocka_unit_test(test_url_survives_each_cut_and_each_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
