/*
 * Tests of the request head: its bytes, what is refused before anything is built, and its owners.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "test/memory_fixture.h"
#include "wire/request_head.h"

static const struct lb_request_options plain = {
    .method = "GET",
    .endpoint = {.scheme = "http", .host = "a", .port = 80},
    .target = "/",
};

/* expect_bytes: the options make exactly these bytes, and nothing stays behind. */
static void expect_bytes(const struct lb_request_options *options, const char *bytes)
{
    struct test_memory memory;
    struct lbi_request_head *head = NULL;
    test_memory_init(&memory, 0);
    assert_int_equal(lbi_request_head_new(&memory.memory, options, false, &head), LB_OK);
    assert_int_equal(head->size, strlen(bytes));
    assert_memory_equal(head->bytes, bytes, strlen(bytes));
    lbi_request_head_release(&head);
    assert_null(head);
    assert_int_equal(memory.block_count, 0);
    assert_int_equal(memory.size, 0);
}

/* expect_refused: the options are refused, without an allocation and with the output untouched. */
static void expect_refused(const struct lb_request_options *options, enum lb_status status)
{
    struct test_memory memory;
    struct lbi_request_head *head = NULL;
    test_memory_init(&memory, 0);
    assert_int_equal(lbi_request_head_new(&memory.memory, options, false, &head), status);
    assert_null(head);
    assert_int_equal(memory.alloc_count, 0);
}

static void test_request_head_of_a_get(void **state)
{
    (void)state;
    expect_bytes(&plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_request_head_of_a_head(void **state)
{
    (void)state;
    struct lb_request_options options = plain;
    options.method = "HEAD";
    options.target = "/path?query=1&x=%20#y";
    expect_bytes(&options, "HEAD /path?query=1&x=%20#y HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void test_request_head_names_an_unusual_port(void **state)
{
    static const struct {
        const char *scheme;
        uint16_t port;
        const char *host;
    } rows[] = {
        {"http", 80, "a"},          {"http", 443, "a:443"},      {"https", 443, "a"},
        {"https", 80, "a:80"},      {"http", 8080, "a:8080"},    {"http", 1, "a:1"},
        {"http", 65535, "a:65535"}, {"https", 10000, "a:10000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lb_request_options options = plain;
        char bytes[64];
        options.endpoint.scheme = rows[i].scheme;
        options.endpoint.port = rows[i].port;
        snprintf(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", rows[i].host);
        expect_bytes(&options, bytes);
    }
}

static void test_request_head_brackets_ipv6(void **state)
{
    (void)state;
    struct lb_request_options options = plain;
    options.endpoint.host = "::1";
    expect_bytes(&options, "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n");
    options.endpoint.port = 8080;
    expect_bytes(&options, "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
}

static void test_request_head_asks_to_close(void **state)
{
    (void)state;
    struct lb_request_options options = plain;
    options.is_close = true;
    expect_bytes(&options, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
}

/* Every byte but visible ASCII is refused, wherever it stands in a target or a host. */
static void test_request_head_refuses_bytes(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        for (size_t at = 1; at < 4; at++) {
            char target[] = "/abc";
            char host[] = "xabc";
            struct lb_request_options options = plain;
            target[at] = (char)byte;
            host[at - 1] = (char)byte;
            bool is_visible = byte > ' ' && byte < 0x7f;
            options.target = target;
            if (!is_visible) {
                expect_refused(&options, LB_PROTOCOL);
            }
            options = plain;
            options.endpoint.host = host;
            if (!is_visible || strchr("/?#@", byte) != NULL) {
                expect_refused(&options, LB_PROTOCOL);
            }
        }
    }
}

static void test_request_head_refuses_injection(void **state)
{
    static const char *const parts[] = {"/ HTTP/1.1\r\nX: y", "/\r\n\r\n", "/\n", "/a b", "/\t"};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct lb_request_options options = plain;
        options.target = parts[i];
        expect_refused(&options, LB_PROTOCOL);
        options = plain;
        options.endpoint.host = parts[i] + 1;
        expect_refused(&options, LB_PROTOCOL);
    }
}

static void test_request_head_refuses_other_forms(void **state)
{
    static const char *const methods[] = {"", "G T", "GET ", "GET\r\n", "CONNECT"};
    static const char *const schemes[] = {"", "HTTP", "ftp", "httpx", "http "};
    static const char *const targets[] = {"", "*", "a", "http://a/", "?q"};
    struct lb_request_options options = plain;
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        options = plain;
        options.method = methods[i];
        expect_refused(&options, LB_PROTOCOL);
    }
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        options = plain;
        options.endpoint.scheme = schemes[i];
        expect_refused(&options, LB_PROTOCOL);
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        options = plain;
        options.target = targets[i];
        expect_refused(&options, LB_PROTOCOL);
    }
    options = plain;
    options.endpoint.host = "";
    expect_refused(&options, LB_PROTOCOL);
}

static void test_request_head_limits(void **state)
{
    char target[LBI_TARGET_MAX + 2];
    char host[LBI_HOST_MAX + 2];
    struct test_memory memory;
    struct lbi_request_head *head = NULL;
    struct lb_request_options options = plain;
    (void)state;
    memset(target, 't', sizeof target);
    memset(host, 'h', sizeof host);
    target[0] = '/';
    target[LBI_TARGET_MAX] = '\0';
    host[LBI_HOST_MAX] = '\0';
    options.target = target;
    options.endpoint.host = host;
    test_memory_init(&memory, 0);
    assert_int_equal(lbi_request_head_new(&memory.memory, &options, false, &head), LB_OK);
    lbi_request_head_release(&head);
    target[LBI_TARGET_MAX] = 't';
    target[LBI_TARGET_MAX + 1] = '\0';
    expect_refused(&options, LB_LIMIT);
    options.target = "/";
    host[LBI_HOST_MAX] = 'h';
    host[LBI_HOST_MAX + 1] = '\0';
    expect_refused(&options, LB_LIMIT);
}

static void test_request_head_without_memory(void **state)
{
    struct test_memory memory;
    struct lbi_request_head *head = NULL;
    (void)state;
    test_memory_init(&memory, 1);
    assert_int_equal(lbi_request_head_new(&memory.memory, &plain, false, &head), LB_MEMORY);
    assert_null(head);
    assert_int_equal(memory.block_count, 0);
}

/* expect_with: the options make a head that begins and ends like this. */
static void expect_with(const struct lb_request_options *options, const char *line,
                        const char *fields)
{
    char bytes[256];
    int size = snprintf(bytes, sizeof bytes, "%s\r\nHost: a\r\n%s\r\n", line, fields);
    assert_in_range(size, 1, (int)sizeof bytes - 1);
    expect_bytes(options, bytes);
}

static void test_request_head_of_other_methods(void **state)
{
    struct lb_request_options options = plain;
    (void)state;
    options.method = "DELETE";
    expect_with(&options, "DELETE / HTTP/1.1", "");
    options.method = "POST";
    expect_with(&options, "POST / HTTP/1.1", "Content-Length: 0\r\n");
    options.method = "OPTIONS";
    options.target = "*";
    expect_with(&options, "OPTIONS * HTTP/1.1", "");
    options.method = "GET";
    expect_refused(&options, LB_PROTOCOL);
}

static void test_request_head_frames_a_body(void **state)
{
    struct lb_source source = {NULL};
    struct lb_request_options options = plain;
    (void)state;
    options.method = "PUT";
    options.source = &source;
    options.source_size = UINT64_MAX - 1;
    expect_with(&options, "PUT / HTTP/1.1", "Content-Length: 18446744073709551614\r\n");
    options.is_expect = true;
    options.source_size = LB_SIZE_UNKNOWN;
    expect_with(&options, "PUT / HTTP/1.1",
                "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n");
    options.source_size = 1;
    expect_with(&options, "PUT / HTTP/1.1", "Content-Length: 1\r\nExpect: 100-continue\r\n");
    options.source_size = 0; /* without content there is nothing to wait for */
    expect_with(&options, "PUT / HTTP/1.1", "Content-Length: 0\r\n");
    options.source_size = LB_SIZE_UNKNOWN;
    options.is_http10 = true;
    expect_refused(&options, LB_PROTOCOL);
    options.source_size = 7;
    expect_refused(&options, LB_PROTOCOL);
    options.is_expect = false;
    expect_with(&options, "PUT / HTTP/1.0", "Content-Length: 7\r\n");
}

static void test_request_head_adds_fields(void **state)
{
    static const struct lb_field fields[] = {{"X-One", "1"}, {"x", ""}, {"Accept", "a,\tb \xc3"}};
    static const struct lb_field broken[] = {
        {"", "v"},          {"a b", "v"},     {"a:", "v"},
        {"n", "a\nb"},      {"n", "\x7f"},    {"HOST", "v"},
        {"Expect", ""},     {"Trailer", "x"}, {"content-length", "1"},
        {"Connection", "x"}};
    struct lb_request_options options = plain;
    (void)state;
    options.fields = fields;
    options.field_count = 3;
    expect_with(&options, "GET / HTTP/1.1", "X-One: 1\r\nx: \r\nAccept: a,\tb \xc3\r\n");
    options.field_count = 1;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        options.fields = &broken[i];
        expect_refused(&options, LB_PROTOCOL);
    }
}

static void test_request_head_asks_for_codings(void **state)
{
    static const struct lb_field fields[] = {{"accept-encoding", "br"}, {"RANGE", "bytes=0-1"}};
    static const char bytes[] =
        "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, deflate\r\n\r\n";
    struct test_memory memory;
    struct lbi_request_head *head = NULL;
    struct lb_request_options options = plain;
    (void)state;
    test_memory_init(&memory, 0);
    assert_int_equal(lbi_request_head_new(&memory.memory, &options, true, &head), LB_OK);
    assert_int_equal(head->size, sizeof bytes - 1);
    assert_memory_equal(head->bytes, bytes, sizeof bytes - 1);
    lbi_request_head_release(&head);
    assert_true(lbi_request_may_ask(&options));
    options.method = "POST";
    assert_true(lbi_request_may_ask(&options));
    options.method = "HEAD";
    assert_false(lbi_request_may_ask(&options));
    options.method = "GET";
    options.field_count = 1;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        options.fields = &fields[i];
        assert_false(lbi_request_may_ask(&options));
    }
}

static void test_request_head_bounds_fields(void **state)
{
    static char value[LBI_FIELDS_MAX + 1];
    struct lb_field field = {"n", value};
    struct lb_request_options options = plain;
    (void)state;
    memset(value, 'v', LBI_FIELDS_MAX);
    options.fields = &field;
    options.field_count = 1;
    expect_refused(&options, LB_LIMIT);
}

static void test_request_head_asks_for_an_upgrade(void **state)
{
    struct lb_request_options options = plain;
    (void)state;
    options.upgrade = "echo";
    options.is_close = true; /* which the upgrade says in its own way */
    expect_with(&options, "GET / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: echo\r\n");
    options.upgrade = "e\r\n";
    expect_refused(&options, LB_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_head_of_a_get),
        cmocka_unit_test(test_request_head_of_a_head),
        cmocka_unit_test(test_request_head_names_an_unusual_port),
        cmocka_unit_test(test_request_head_brackets_ipv6),
        cmocka_unit_test(test_request_head_asks_to_close),
        cmocka_unit_test(test_request_head_refuses_bytes),
        cmocka_unit_test(test_request_head_refuses_injection),
        cmocka_unit_test(test_request_head_refuses_other_forms),
        cmocka_unit_test(test_request_head_limits),
        cmocka_unit_test(test_request_head_without_memory),
        cmocka_unit_test(test_request_head_of_other_methods),
        cmocka_unit_test(test_request_head_frames_a_body),
        cmocka_unit_test(test_request_head_adds_fields),
        cmocka_unit_test(test_request_head_asks_for_codings),
        cmocka_unit_test(test_request_head_bounds_fields),
        cmocka_unit_test(test_request_head_asks_for_an_upgrade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
