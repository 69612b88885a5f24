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
    static const char *const methods[] = {"", "get", "GET ", "POST", "HEADER", "CONNECT"};
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

static void test_request_head_lives_for_its_last_owner(void **state)
{
    struct test_memory memory;
    struct lbi_request_head *first = NULL;
    (void)state;
    test_memory_init(&memory, 0);
    assert_int_equal(lbi_request_head_new(&memory.memory, &plain, false, &first), LB_OK);
    struct lbi_request_head *second = lbi_request_head_acquire(first);
    assert_ptr_equal(second, first);
    lbi_request_head_release(&first);
    assert_null(first);
    assert_int_equal(memory.block_count, 1);
    assert_memory_equal(second->bytes, "GET / ", 6);
    lbi_request_head_release(&second);
    assert_int_equal(memory.block_count, 0);
    assert_int_equal(memory.size, 0);
    lbi_request_head_release(&second);
    assert_null(second);
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
        cmocka_unit_test(test_request_head_lives_for_its_last_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
