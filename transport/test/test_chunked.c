/*
 * Tests of the chunked decoder's trailer section: which fields are kept, which are taken back, what is
 * refused, and where the bound lies. Chunks themselves are tested through the reader (test_response).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/memory_fixture.h"
#include "wire/chunked.h"

#define TRAILER_MAX 1000

static struct play {
    struct test_memory memory;
    struct lbi_head trailers;
    struct lbi_chunked chunked;
    enum lb_status status;
    size_t used;
    char out[64];
} play; /* of the running test */

static void play_begin(uint32_t trailer_size_max)
{
    memset(&play, 0, sizeof play);
    test_memory_init(&play.memory, 0);
    play.trailers.memory = &play.memory.memory;
    lbi_chunked_begin(&play.chunked, &play.trailers, trailer_size_max);
}

/* play_sliced: decodes the bytes in segments of `slice` until they are over or the body is. */
static void play_sliced(const char *bytes, size_t slice)
{
    size_t size = strlen(bytes);
    while (play.used < size && play.status == LB_OK) {
        size_t left = size - play.used;
        size_t used = 0;
        size_t stored = 0;
        play.status =
            lbi_chunked_decode(&play.chunked, bytes + play.used, left < slice ? left : slice, &used,
                               play.out, sizeof play.out, &stored);
        play.used += used;
    }
}

static void play_end(void)
{
    lbi_head_deinit(&play.trailers);
    assert_int_equal(play.memory.block_count, 0);
    assert_int_equal(play.memory.size, 0);
}

static void expect_field(size_t index, const char *name, const char *value)
{
    const char *found_name = NULL;
    const char *found_value = NULL;
    assert_true(lbi_head_field(&play.trailers, index, &found_name, &found_value));
    assert_string_equal(found_name, name);
    assert_string_equal(found_value, value);
}

static void expect_fields(size_t count)
{
    const char *name = NULL;
    const char *value = NULL;
    assert_true(count == 0 || lbi_head_field(&play.trailers, count - 1, &name, &value));
    assert_false(lbi_head_field(&play.trailers, count, &name, &value));
}

static void test_chunked_keeps_trailers(void **state)
{
    static const char wire[] = "1\r\nx\r\n0\r\nA: one\r\nB:\t two words \t\r\nC:\r\nD: \t \r\n"
                               "a:again\r\n\r\n";
    (void)state;
    for (size_t slice = 1; slice <= sizeof wire; slice++) {
        play_begin(TRAILER_MAX);
        play_sliced(wire, slice);
        assert_int_equal(play.status, LB_END);
        assert_int_equal(play.used, sizeof wire - 1);
        expect_fields(5);
        expect_field(0, "A", "one");
        expect_field(1, "B", "two words");
        expect_field(2, "C", "");
        expect_field(3, "D", "");
        expect_field(4, "a", "again");
        assert_string_equal(lbi_head_find(&play.trailers, "a"), "one");
        play_end();
    }
}

static void test_chunked_allocates_nothing_without_trailers(void **state)
{
    (void)state;
    play_begin(TRAILER_MAX);
    play_sliced("5;ext=1\r\nhello\r\n0\r\n\r\n", 1);
    assert_int_equal(play.status, LB_END);
    assert_int_equal(play.memory.alloc_count, 0);
    expect_fields(0);
    play_end();
}

static void test_chunked_takes_banned_trailers_back(void **state)
{
    static const char *const banned[] = {"Transfer-Encoding",
                                         "content-length",
                                         "TE",
                                         "TRAILER",
                                         "Connection",
                                         "Keep-Alive",
                                         "Upgrade",
                                         "Host",
                                         "Max-Forwards",
                                         "Cache-Control",
                                         "Expect",
                                         "Range",
                                         "If-Match",
                                         "WWW-Authenticate",
                                         "Set-Cookie",
                                         "Location",
                                         "Date",
                                         "Vary",
                                         "Content-Encoding",
                                         "Content-Range",
                                         "Content-Type",
                                         "Age",
                                         "Retry-After"};
    (void)state;
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++) {
        char wire[128];
        snprintf(wire, sizeof wire, "0\r\nETag: \"a\"\r\n%s: 5\r\nDigest: b\r\n%s:\r\n\r\n",
                 banned[i], banned[i]);
        for (size_t slice = 1; slice <= 100; slice += 99) {
            play_begin(TRAILER_MAX);
            play_sliced(wire, slice);
            assert_int_equal(play.status, LB_END);
            expect_fields(2);
            expect_field(0, "ETag", "\"a\"");
            expect_field(1, "Digest", "b");
            play_end();
        }
    }
}

static void test_chunked_checks_trailers_that_nobody_keeps(void **state)
{
    (void)state;
    play_begin(TRAILER_MAX);
    play.chunked.trailers = NULL;
    play_sliced("0\r\nA: b\r\nContent-Length: 5\r\n\r\n", 1);
    assert_int_equal(play.status, LB_END);
    assert_int_equal(play.memory.alloc_count, 0);
    play_end();
    play_begin(TRAILER_MAX);
    play.chunked.trailers = NULL;
    play_sliced("0\r\nA b\r\n\r\n", 1);
    assert_int_equal(play.status, LB_PROTOCOL);
    play_end();
}

static void test_chunked_refuses_malformed_trailers(void **state)
{
    static const char *const wires[] = {
        "0\r\n: v\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nA : v\r\n\r\n",
        "0\r\n A: v\r\n\r\n",
        "0\r\nA: v\r\n folded\r\n\r\n",
        "0\r\nA: v\n\r\n",
        "0\r\nA: v\r\r\n\r\n",
        "0\r\nA: \x01\r\n\r\n",
        "0\r\nA: \x7f\r\n\r\n",
        "0\r\nA: v\r\n\rX",
        "0\r\nA: v\r\n\n",
        "0\r\n\nA: v\r\n\r\n",
        "0\r\nA\x80: v\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        for (size_t slice = 1; slice <= 100; slice += 99) {
            play_begin(TRAILER_MAX);
            play_sliced(wires[i], slice);
            if (play.status != LB_PROTOCOL) {
                fail_msg("%s: %s", lb_status_word(play.status), wires[i]);
            }
            play_end();
        }
    }
}

/* The bound counts every byte behind the last chunk, those of banned fields and the last line too. */
static void test_chunked_trailer_limit(void **state)
{
    static const char wire[] = "0\r\nA: one\r\nHost: x\r\n\r\n";
    uint32_t trailer_size = (uint32_t)strlen(wire) - 3;
    (void)state;
    for (size_t slice = 1; slice <= sizeof wire; slice++) {
        for (uint32_t limit = 1; limit <= trailer_size; limit++) {
            play_begin(limit);
            play_sliced(wire, slice);
            assert_int_equal(play.status, limit < trailer_size ? LB_LIMIT : LB_END);
            assert_int_equal(play.used, 3 + limit);
            play_end();
        }
    }
}

static void test_chunked_memory_failures(void **state)
{
    static char wire[4096];
    size_t size = (size_t)snprintf(wire, sizeof wire, "0\r\n");
    bool has_failed = true;
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 60; i++) {
        size +=
            (size_t)snprintf(wire + size, sizeof wire - size, "Trailing-field: value %d\r\n", i);
    }
    snprintf(wire + size, sizeof wire - size, "\r\n");
    while (has_failed) {
        play_begin(sizeof wire);
        play.memory.fail_at = ++n;
        play_sliced(wire, sizeof wire);
        has_failed = play.memory.has_failed;
        assert_int_equal(play.status, has_failed ? LB_MEMORY : LB_END);
        play_end();
    }
    assert_int_equal(n, 4); /* 512, 1024 and 2048 bytes, and the run in which none fails */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunked_keeps_trailers),
        cmocka_unit_test(test_chunked_allocates_nothing_without_trailers),
        cmocka_unit_test(test_chunked_takes_banned_trailers_back),
        cmocka_unit_test(test_chunked_checks_trailers_that_nobody_keeps),
        cmocka_unit_test(test_chunked_refuses_malformed_trailers),
        cmocka_unit_test(test_chunked_trailer_limit),
        cmocka_unit_test(test_chunked_memory_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
