/*
 * Tests of the response reader: framing, cuts, limits and failures, without a connection.
 *
 * Mental model: a play feeds a response in segments, as a connection would, and collects the bytes of
 * the body. However a response is cut, and however small the reader's room, a play comes out the same.
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
#include "wire/response.h"

#define HEAD_SIZE_MAX 65536u
#define BODY_MAX 65536u

/* A response that is read to its end, and what becomes of it. */
struct sample {
    const char *wire;
    const char *body;
    enum lbi_framing framing;
    uint16_t code;
    bool is_head_request;
    bool may_keep_alive;
};

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define NONE LBI_FRAMING_NONE
#define LENGTH LBI_FRAMING_LENGTH
#define UNTIL_CLOSE LBI_FRAMING_UNTIL_CLOSE

static const struct sample samples[] = {
    {OK "Content-Length: 5\r\n\r\nhello", "hello", LENGTH, 200, false, true},
    {OK "content-length:  1 \r\nX: y\r\n\r\n\r", "\r", LENGTH, 200, false, true},
    {OK "Content-Length: 0\r\n\r\n", "", NONE, 200, false, true},
    {OK "Content-Length: 2\r\nConnection: close\r\n\r\nab", "ab", LENGTH, 200, false, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", "ab", LENGTH, 200, false, false},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab", "ab", LENGTH, 200,
     false, true},
    {OK "Connection: a,  CLOSE \t\r\nContent-Length: 0\r\n\r\n", "", NONE, 200, false, false},
    {OK "Connection: closed, x-close\r\nContent-Length: 0\r\n\r\n", "", NONE, 200, false, true},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive , close\r\nContent-Length: 0\r\n\r\n", "", NONE,
     200, false, false},
    {CHUNKED "5\r\nhello\r\n0\r\n\r\n", "hello", LBI_FRAMING_CHUNKED, 200, false, true},
    {CHUNKED "0\r\n\r\n", "", LBI_FRAMING_CHUNKED, 200, false, true},
    {CHUNKED "5\r\nhello\r\n00B;x=y\r\n, world, \r\n\r\n1\r\n0\r\n000\r\nA: b\r\nC:\r\n\r\n",
     "hello, world, \r\n0", LBI_FRAMING_CHUNKED, 200, false, true},
    {OK "TRANSFER-encoding: Chunked \t\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n", "x",
     LBI_FRAMING_CHUNKED, 200, false, false},
    {OK "\r\nuntil the end", "until the end", UNTIL_CLOSE, 200, false, false},
    {"HTTP/1.0 404 No\r\n\r\n", "", UNTIL_CLOSE, 404, false, false},
    {"HTTP/1.2 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", LENGTH, 200, false, true},
    {"HTTP/1.9 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "", NONE, 200, false,
     false},
    {"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx", "x", LENGTH, 200, false, true},
    {"HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n", "", NONE, 999, false, true},
    {"HTTP/1.1 204 No Content\r\n\r\n", "", NONE, 204, false, true},
    {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", NONE, 204, false, true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", NONE, 304, false, true},
    {"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", "", NONE, 304, false, false},
    {OK "Content-Length: 5\r\n\r\n", "", NONE, 200, true, true},
    {OK "\r\n", "", NONE, 200, true, true},
    {CHUNKED, "", NONE, 200, true, true},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", "x", LENGTH, 200, false,
     true},
    {"HTTP/1.1 103 Early Hints\r\nLink: a\r\nTransfer: b\r\n\r\nHTTP/1.1 102 P\r\n\r\n" CHUNKED
     "1\r\nx\r\n0\r\n\r\n",
     "x", LBI_FRAMING_CHUNKED, 200, false, true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "", NONE, 204, false, true},
};

#define SAMPLE_COUNT (sizeof samples / sizeof *samples)

/* How a response is fed, and what came of it. */
struct play {
    struct lbi_reader reader;
    struct test_memory memory;
    struct lbi_head head;
    uint32_t head_size_max;
    bool is_head_request;
    size_t out_size; /* room for each read of the body */
    enum lb_status status;
    size_t used; /* bytes of the response that were taken */
    size_t body_size;
    char body[BODY_MAX];
};

static struct play play; /* of the running test */

static void play_begin(size_t out_size, bool is_head_request)
{
    memset(&play, 0, sizeof play);
    test_memory_init(&play.memory, 0);
    play.head_size_max = HEAD_SIZE_MAX;
    play.out_size = out_size;
    play.is_head_request = is_head_request;
    play.status = LB_AGAIN;
}

/* play_open: the reader's own beginning, after the test has changed what it wants of the play. */
static void play_open(void)
{
    lbi_reader_init(&play.reader, &play.memory.memory, play.head_size_max);
    lbi_reader_begin(&play.reader, play.is_head_request);
}

/* play_end: nothing stays behind. */
static void play_end(void)
{
    lbi_head_deinit(&play.head);
    lbi_reader_deinit(&play.reader);
    assert_int_equal(play.memory.block_count, 0);
    assert_int_equal(play.memory.size, 0);
}

/* play_head: feeds head bytes; returns how many were taken. */
static size_t play_head(const char *bytes, size_t size)
{
    size_t used = 0;
    bool is_interim = true;
    while (is_interim) {
        size_t taken = 0;
        play.status = lbi_reader_feed_head(&play.reader, bytes + used, size - used, &taken);
        used += taken;
        assert_true(used <= size);
        is_interim = play.status == LB_OK && lbi_reader_is_interim(&play.reader);
        if (is_interim) {
            lbi_reader_next(&play.reader, false);
            play.status = LB_AGAIN;
            is_interim = used < size;
        }
    }
    if (play.status == LB_OK) {
        lbi_reader_take_head(&play.reader, &play.head);
        play.status = play.reader.framing == LBI_FRAMING_NONE ? LB_END : LB_OK;
    } else if (play.status == LB_AGAIN) {
        assert_int_equal(used, size);
    }
    return used;
}

/* play_body: one read of the body; returns how many bytes were taken. */
static size_t play_body(const char *bytes, size_t size)
{
    size_t used = 0;
    size_t stored = 0;
    assert_true(play.body_size + play.out_size <= BODY_MAX);
    play.status = lbi_reader_feed_body(&play.reader, bytes, size, &used, play.body + play.body_size,
                                       play.out_size, &stored);
    assert_true(used <= size);
    assert_true(stored <= play.out_size);
    assert_true(stored <= used);
    assert_true(play.status != LB_OK || used > 0); /* it goes on */
    play.body_size += stored;
    return used;
}

/* play_segment: feeds bytes that arrived together, until all are taken or the response is over. */
static void play_segment(const char *bytes, size_t size)
{
    size_t used = 0;
    while (used < size && (play.status == LB_AGAIN || play.status == LB_OK)) {
        bool is_head = play.status == LB_AGAIN;
        used +=
            is_head ? play_head(bytes + used, size - used) : play_body(bytes + used, size - used);
    }
    play.used += used;
}

/* play_sliced: the bytes in segments of `slice`. */
static void play_sliced(const char *bytes, size_t size, size_t slice)
{
    for (size_t at = 0; at < size; at += slice) {
        play_segment(bytes + at, size - at < slice ? size - at : slice);
    }
}

/* play_finish: the connection ends. */
static void play_finish(void)
{
    if (play.status == LB_AGAIN || play.status == LB_OK) {
        play.status = lbi_reader_finish(&play.reader);
    }
}

/* expect_end: the play came to its end, with the sample's bytes and nothing more taken. */
static void expect_end(const struct sample *sample)
{
    if (play.status != LB_END) {
        fail_msg("%s: %s", lb_status_word(play.status), sample->wire);
    }
    assert_int_equal(play.head.code, sample->code);
    assert_int_equal(play.reader.framing, sample->framing);
    assert_int_equal(play.reader.may_keep_alive, sample->may_keep_alive);
    assert_int_equal(play.body_size, strlen(sample->body));
    assert_memory_equal(play.body, sample->body, play.body_size);
    assert_int_equal(play.used, strlen(sample->wire));
    play_end();
}

/* ends_with_connection: whether the end of the message is the end of its connection. */
static bool ends_with_connection(const struct sample *sample)
{
    return sample->framing == LBI_FRAMING_UNTIL_CLOSE;
}

static void play_sample(const struct sample *sample, size_t slice, size_t out_size)
{
    play_begin(out_size, sample->is_head_request);
    play_open();
    play_sliced(sample->wire, strlen(sample->wire), slice);
    if (ends_with_connection(sample)) {
        play_finish();
    }
    expect_end(sample);
}

static void test_response_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        play_sample(&samples[i], SIZE_MAX / 2, 4096);
    }
}

static void test_response_sliced(void **state)
{
    static const size_t slices[] = {1, 2, 3, 7, 16};
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t k = 0; k < sizeof slices / sizeof *slices; k++) {
            play_sample(&samples[i], slices[k], 4096);
        }
    }
}

static void test_response_split_in_two(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        size_t size = strlen(sample->wire);
        for (size_t at = 1; at < size; at++) {
            play_begin(4096, sample->is_head_request);
            play_open();
            play_segment(sample->wire, at);
            play_segment(sample->wire + at, size - at);
            if (ends_with_connection(sample)) {
                play_finish();
            }
            expect_end(sample);
        }
    }
}

static void test_response_small_rooms(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t out_size = 1; out_size <= 5; out_size++) {
            play_sample(&samples[i], SIZE_MAX / 2, out_size);
            play_sample(&samples[i], 1, out_size);
            play_sample(&samples[i], 3, out_size);
        }
    }
}

static void test_response_leaves_what_follows(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        char bytes[512];
        if (ends_with_connection(sample)) {
            continue;
        }
        int size = snprintf(bytes, sizeof bytes, "%sHTTP/1.1 200 OK\r\n", sample->wire);
        for (size_t out_size = 1; out_size <= 32; out_size += 31) {
            play_begin(out_size, sample->is_head_request);
            play_open();
            play_sliced(bytes, (size_t)size, 200);
            expect_end(sample);
        }
    }
}

/* Whatever is missing, a truncated message is incomplete; only a body that ends with its connection
 * has no part that could be missing. */
static void test_response_truncated_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        for (size_t size = 0; size < strlen(sample->wire); size++) {
            for (size_t slice = 1; slice <= 1000; slice += 999) {
                play_begin(4096, sample->is_head_request);
                play_open();
                play_sliced(sample->wire, size, slice);
                assert_true(play.status == LB_AGAIN || play.status == LB_OK);
                bool is_body = play.status == LB_OK && ends_with_connection(sample);
                play_finish();
                assert_int_equal(play.status, is_body ? LB_END : LB_INCOMPLETE);
                assert_true(play.body_size <= strlen(sample->body));
                assert_memory_equal(play.body, sample->body, play.body_size);
                assert_int_equal(play.used, size);
                play_end();
            }
        }
    }
}

/* The body's bytes and its end in one answer, if both are there and the room is exactly theirs. */
static void test_response_end_comes_with_the_last_bytes(void **state)
{
    static const char *const wires[] = {
        OK "Content-Length: 5\r\n\r\nhello",
        CHUNKED "5\r\nhello\r\n0\r\n\r\n",
        CHUNKED "2\r\nhe\r\n3;e\r\nllo\r\n0\r\nT: v\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        size_t size = strlen(wires[i]);
        play_begin(5, false);
        play_open();
        size_t used = play_head(wires[i], size);
        assert_int_equal(play.status, LB_OK);
        assert_int_equal(play_body(wires[i] + used, size - used), size - used);
        assert_int_equal(play.status, LB_END);
        assert_int_equal(play.body_size, 5);
        play_end();
    }
}

/* Without room for more, the next chunk's bytes wait, and no end is claimed. */
static void test_response_full_room_is_no_end(void **state)
{
    static const char wire[] = CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    (void)state;
    play_begin(5, false);
    play_open();
    size_t used = play_head(wire, strlen(wire));
    used += play_body(wire + used, strlen(wire) - used);
    assert_int_equal(play.status, LB_OK);
    assert_int_equal(play.body_size, 5);
    assert_int_equal(wire[used], '!');
    play_body(wire + used, strlen(wire) - used);
    assert_int_equal(play.status, LB_END);
    assert_memory_equal(play.body, "hello!", 6);
    play_end();
}

static void test_response_error_after_bytes(void **state)
{
    static const char *const wires[] = {
        CHUNKED "5\r\nhello\r\nzz\r\n",
        CHUNKED "5\r\nhelloXX0\r\n\r\n",
        CHUNKED "5\r\nhello\r\n\r\n",
        CHUNKED "5\r\nhello\r\n-1\r\n",
        CHUNKED "5\r\nhello\r\n+1\r\n",
        CHUNKED "5\r\nhello\r\n 1\r\n",
        CHUNKED "5\r\nhello\r\n1\n",
        CHUNKED "5\r\nhello\r\n1\r\r\n",
        CHUNKED "5\r\nhello\n",
        CHUNKED "5\r\nhello\r\n1;a\n",
        CHUNKED "5\r\nhello\r\n;a\r\n",
        CHUNKED "5\r\nhello\r\n0\r\n\n",
        CHUNKED "5\r\nhello\r\n0\r\nA: b\n\r\n",
        CHUNKED "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
        CHUNKED "5\r\nhello\r\n0\r\n A: b\r\n\r\n",
        CHUNKED "5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        CHUNKED "5\r\nhello\r\n0\r\nA: b\rc\r\n\r\n",
        CHUNKED "5\r\nhello\r\n0x1\r\n",
        CHUNKED "5\r\nhello\r\n0\r\n: v\r\n\r\n",
        CHUNKED "5\r\nhello\r\n8000000000000000\r\n",
        CHUNKED "5\r\nhello\r\nFFFFFFFFFFFFFFFF\r\n",
        CHUNKED "5\r\nhello\r\n10000000000000000\r\n",
        CHUNKED "5\r\nhello\r\n00000000000000000000000000000001Z\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        for (size_t slice = 1; slice <= 1000; slice += 999) {
            char more[4];
            size_t used = 1;
            size_t stored = 1;
            play_begin(64, false);
            play_open();
            play_sliced(wires[i], strlen(wires[i]), slice);
            assert_int_equal(play.status, LB_PROTOCOL);
            assert_int_equal(play.body_size, 5);
            assert_memory_equal(play.body, "hello", 5);
            /* It is sticky, and takes nothing more. */
            assert_int_equal(
                lbi_reader_feed_body(&play.reader, "0\r\n", 3, &used, more, sizeof more, &stored),
                LB_PROTOCOL);
            assert_int_equal(used, 0);
            assert_int_equal(stored, 0);
            play_end();
        }
    }
}

/* size_expect: a body of one chunk whose size is written as `digits` has `size` bytes. */
static void size_expect(const char *digits, size_t size)
{
    char wire[2048];
    int used = snprintf(wire, sizeof wire, "%s%s\r\n%0*d%s0\r\n\r\n", CHUNKED, digits, (int)size, 0,
                        "\r\n");
    play_begin(4096, false);
    play_open();
    play_sliced(wire, (size_t)used, 100);
    assert_int_equal(play.status, LB_END);
    assert_int_equal(play.body_size, size);
    play_end();
}

/* Each size is the number that its digits say, in either case and with zeros in front. */
static void test_response_chunk_sizes(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 1234; size++) {
        char digits[32];
        (void)snprintf(digits, sizeof digits, "%zx", size);
        size_expect(digits, size);
        (void)snprintf(digits, sizeof digits, "%zX", size);
        size_expect(digits, size);
        (void)snprintf(digits, sizeof digits, "%020zx", size);
        size_expect(digits, size);
    }
}

static void test_response_refused_heads(void **state)
{
    static const char *const wires[] = {
        OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        OK "Content-Length: 5, 6\r\n\r\n",
        OK "Content-Length: 5x\r\n\r\n",
        OK "Content-Length: -5\r\n\r\n",
        OK "Content-Length: 0x5\r\n\r\n",
        OK "Content-Length: \r\n\r\n",
        OK "Content-Length: 9223372036854775808\r\n\r\n",
        OK "Content-Length: 18446744073709551615\r\n\r\n",
        OK "Content-Length: 18446744073709551616\r\n\r\n",
        OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        OK "Transfer-Encoding: gzip\r\n\r\n",
        OK "Transfer-Encoding: identity\r\n\r\n",
        OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK "Transfer-Encoding: chunked, gzip\r\n\r\n",
        OK "Transfer-Encoding: chunked, chunked\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK "Transfer-Encoding: xchunked\r\n\r\n",
        OK "Transfer-Encoding: chunked;q=1\r\n\r\n",
        OK "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n",
        OK "Transfer-Encoding:\r\n\r\n",
        OK "Transfer-Encoding: \t \r\nContent-Length: 5\r\n\r\n",
        OK "Transfer-Encoding: ,\r\n\r\n",
        OK "Content-Length : 5\r\n\r\n",
        OK "Content-Length: 5 5\r\n\r\n",
        OK "Content-Length: 5,\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTX/1.1 200 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        OK "No colon\r\n\r\n",
        OK "Control\x01: in a name\r\n\r\n",
        OK "A: b\r\n\rX",
        "HTTP/1.1 103 Hints\r\nNo colon\r\n\r\n" OK "\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        for (size_t slice = 1; slice <= 1000; slice += 999) {
            play_begin(64, false);
            play_open();
            play_sliced(wires[i], strlen(wires[i]), slice);
            if (play.status != LB_PROTOCOL) {
                fail_msg("%s: %s", lb_status_word(play.status), wires[i]);
            }
            assert_int_equal(play.head.code, 0);
            play_end();
        }
    }
}

static void test_response_nul_in_a_field(void **state)
{
    static const char wire[] = OK "A: b\0c\r\n\r\n";
    (void)state;
    for (size_t slice = 1; slice <= 1000; slice += 999) {
        play_begin(64, false);
        play_open();
        play_sliced(wire, sizeof wire - 1, slice);
        assert_int_equal(play.status, LB_PROTOCOL);
        play_end();
    }
}

static void test_response_largest_length(void **state)
{
    static const char wire[] = OK "Content-Length: 9223372036854775807\r\n\r\nx";
    (void)state;
    play_begin(64, false);
    play_open();
    play_sliced(wire, strlen(wire), 1000);
    assert_int_equal(play.status, LB_OK);
    assert_int_equal(play.body_size, 1);
    play_finish();
    assert_int_equal(play.status, LB_INCOMPLETE);
    play_end();
}

static void test_response_switching_protocols_is_final(void **state)
{
    static const char wire[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    (void)state;
    play_begin(64, false);
    play_open();
    play_sliced(wire, strlen(wire), 1000);
    assert_int_equal(play.status, LB_END);
    assert_int_equal(play.head.code, 101);
    assert_false(play.reader.may_keep_alive);
    play_end();
}

/* The limit counts every byte up to the end of the last head, interim heads included. */
static void test_response_head_limit(void **state)
{
    static const char wire[] =
        "HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" OK "Content-Length: 1\r\n\r\nx";
    uint32_t head_size = (uint32_t)strlen(wire) - 1;
    (void)state;
    for (uint32_t slice = 1; slice <= head_size + 1; slice++) {
        for (uint32_t limit = 1; limit <= head_size; limit++) {
            play_begin(64, false);
            play.head_size_max = limit;
            play_open();
            play_sliced(wire, strlen(wire), slice);
            assert_int_equal(play.status, limit < head_size ? LB_LIMIT : LB_END);
            play_end();
        }
    }
}

/* A limit and a fault behind it: the limit is what comes first, however the bytes are cut. */
static void test_response_head_limit_before_a_fault(void **state)
{
    static const char wire[] = OK "A: b\r\n"
                                  "A\x01"
                                  "fault: c\r\n\r\n";
    uint32_t fault = (uint32_t)strlen(OK "A: b\r\nA\x01");
    (void)state;
    for (uint32_t limit = 1; limit < strlen(wire); limit++) {
        enum lb_status status = LB_OK;
        for (uint32_t slice = 1; slice <= strlen(wire); slice++) {
            play_begin(64, false);
            play.head_size_max = limit;
            play_open();
            play_sliced(wire, strlen(wire), slice);
            status = slice == 1 ? play.status : status;
            assert_int_equal(play.status, status);
            play_end();
        }
        assert_int_equal(status, limit + 1 < fault ? LB_LIMIT : LB_PROTOCOL);
    }
}

/* chunks_write: a chunked response whose chunks of one byte have extensions of `extension` bytes. */
static size_t chunks_write(char *wire, size_t room, size_t count, int extension)
{
    size_t size = (size_t)snprintf(wire, room, "%s", CHUNKED);
    for (size_t i = 0; i < count; i++) {
        size += (size_t)snprintf(wire + size, room - size, "1;%0*d\r\nx\r\n", extension, 0);
    }
    return size + (size_t)snprintf(wire + size, room - size, "0\r\n\r\n");
}

static void test_response_overhead_limit(void **state)
{
    static char wire[8192];
    size_t size = chunks_write(wire, sizeof wire, 60, 32);
    enum lb_status status = LB_OK;
    size_t body_size = 0;
    (void)state;
    for (size_t slice = 1; slice <= size; slice = slice * 2 + 1) {
        for (size_t out_size = 1; out_size <= 64; out_size *= 8) {
            play_begin(out_size, false);
            play.head_size_max = 100;
            play_open();
            play_sliced(wire, size, slice);
            if (slice == 1 && out_size == 1) {
                status = play.status;
                body_size = play.body_size;
            }
            assert_int_equal(play.status, status);
            assert_int_equal(play.body_size, body_size);
            play_end();
        }
    }
    assert_int_equal(status, LB_LIMIT);
    assert_in_range(body_size, 1, 10);
}

static void test_response_lawful_overhead(void **state)
{
    static char wire[32768];
    size_t size = chunks_write(wire, sizeof wire, 2000, 1);
    (void)state;
    for (size_t slice = 1; slice <= size; slice = slice * 4 + 1) {
        play_begin(64, false);
        play.head_size_max = 100;
        play_open();
        play_sliced(wire, size, slice);
        assert_int_equal(play.status, LB_END);
        assert_int_equal(play.body_size, 2000);
        play_end();
    }
}

/* many_fields: a head whose fields need storage that grows several times. */
static size_t many_fields(char *wire, size_t room)
{
    size_t size = (size_t)snprintf(wire, room, "%s", OK);
    for (int i = 0; i < 200; i++) {
        size += (size_t)snprintf(wire + size, room - size, "Field-%d: value %d\r\n", i, i * i);
    }
    return size + (size_t)snprintf(wire + size, room - size, "Content-Length: 0\r\n\r\n");
}

static void test_response_memory_failures(void **state)
{
    static char wire[8192];
    size_t size = many_fields(wire, sizeof wire);
    size_t failures = 0;
    (void)state;
    for (size_t slice = 1; slice <= size; slice = slice * 16 + 1) {
        bool has_failed = true;
        for (size_t n = 1; has_failed; n++) {
            play_begin(64, false);
            play.memory.fail_at = n;
            play_open();
            play_sliced(wire, size, slice);
            has_failed = play.memory.has_failed;
            failures += has_failed ? 1 : 0;
            assert_int_equal(play.status, has_failed ? LB_MEMORY : LB_END);
            assert_int_equal(play.head.code, has_failed ? 0 : 200);
            play_end();
        }
    }
    assert_true(failures >= 9); /* 512 bytes double at least three times, in each of three slices */
}

static void test_response_header_lookup(void **state)
{
    static const char wire[] = "HTTP/1.1 103 Hints\r\nLink: early\r\nInterim: x\r\n\r\n" OK
                               "Content-Type: text/plain \r\nX-Empty:\r\nX-Twice: one\r\n"
                               "x-twice: two\r\nX-Fold: a\r\n b\r\n"
                               "Content-Length: 0\r\n\r\n";
    (void)state;
    for (size_t slice = 1; slice <= 1000; slice += 999) {
        play_begin(64, false);
        play_open();
        play_sliced(wire, strlen(wire), slice);
        assert_int_equal(play.status, LB_END);
        assert_string_equal(lbi_head_find(&play.head, "content-TYPE"), "text/plain");
        assert_string_equal(lbi_head_find(&play.head, "X-Empty"), "");
        assert_string_equal(lbi_head_find(&play.head, "X-Twice"), "one");
        assert_string_equal(lbi_head_find(&play.head, "X-Fold"), "a b");
        assert_null(lbi_head_find(&play.head, "X-Twic"));
        assert_null(lbi_head_find(&play.head, "one"));
        assert_null(lbi_head_find(&play.head, "Interim"));
        assert_null(lbi_head_find(&play.head, ""));
        play_end();
    }
    struct lbi_head empty = {.memory = NULL};
    assert_null(lbi_head_find(&empty, "A"));
    lbi_head_deinit(&empty);
}

static void test_response_trailers_are_no_headers(void **state)
{
    static const char wire[] = CHUNKED "0\r\nTrailer: x\r\n\r\n";
    (void)state;
    play_begin(64, false);
    play_open();
    play_sliced(wire, strlen(wire), 1);
    assert_int_equal(play.status, LB_END);
    assert_null(lbi_head_find(&play.head, "Trailer"));
    play_end();
}

/* One reader serves one exchange after the other, after good ones and after bad ones. */
static void test_response_begin_forgets(void **state)
{
    (void)state;
    play_begin(64, false);
    play_open();
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < SAMPLE_COUNT; i++) {
            const struct sample *sample = &samples[i];
            lbi_reader_begin(&play.reader, sample->is_head_request);
            play.status = LB_AGAIN;
            play.used = 0;
            play.body_size = 0;
            size_t size = strlen(sample->wire) - round;
            play_sliced(sample->wire, size, 7);
            if (round == 0 && ends_with_connection(sample)) {
                play_finish();
            }
            assert_int_equal(play.used, size);
            assert_int_equal(play.status == LB_END, round == 0);
            lbi_head_deinit(&play.head);
        }
    }
    play_end();
}

/* expect_plain: how many of the bytes behind a head are the body's for certain. */
static void expect_plain(const char *wire, uint64_t size)
{
    play_begin(64, false);
    play_open();
    size_t used = play_head(wire, strlen(wire));
    assert_int_equal(used, strlen(wire));
    assert_int_equal(play.status, LB_OK);
    assert_true(lbi_reader_plain_size(&play.reader) == size);
}

static void test_response_plain_bytes_may_pass(void **state)
{
    (void)state;
    expect_plain(CHUNKED, 0);
    play_end();
    expect_plain(OK "\r\n", UINT64_MAX);
    assert_int_equal(lbi_reader_pass(&play.reader, 1000), LB_OK);
    assert_int_equal(lbi_reader_finish(&play.reader), LB_END);
    play_end();
    expect_plain(OK "Content-Length: 10\r\n\r\n", 10);
    assert_int_equal(lbi_reader_pass(&play.reader, 3), LB_OK);
    assert_true(lbi_reader_plain_size(&play.reader) == 7);
    assert_int_equal(lbi_reader_finish(&play.reader), LB_INCOMPLETE);
    char out[8];
    size_t used = 0;
    size_t size = 0;
    assert_int_equal(lbi_reader_feed_body(&play.reader, "ab", 2, &used, out, sizeof out, &size),
                     LB_OK);
    assert_true(lbi_reader_plain_size(&play.reader) == 5);
    assert_int_equal(lbi_reader_pass(&play.reader, 5), LB_END);
    assert_true(play.reader.is_complete);
    play_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response_whole),
        cmocka_unit_test(test_response_sliced),
        cmocka_unit_test(test_response_split_in_two),
        cmocka_unit_test(test_response_small_rooms),
        cmocka_unit_test(test_response_leaves_what_follows),
        cmocka_unit_test(test_response_truncated_everywhere),
        cmocka_unit_test(test_response_end_comes_with_the_last_bytes),
        cmocka_unit_test(test_response_full_room_is_no_end),
        cmocka_unit_test(test_response_error_after_bytes),
        cmocka_unit_test(test_response_chunk_sizes),
        cmocka_unit_test(test_response_refused_heads),
        cmocka_unit_test(test_response_nul_in_a_field),
        cmocka_unit_test(test_response_largest_length),
        cmocka_unit_test(test_response_switching_protocols_is_final),
        cmocka_unit_test(test_response_head_limit),
        cmocka_unit_test(test_response_head_limit_before_a_fault),
        cmocka_unit_test(test_response_overhead_limit),
        cmocka_unit_test(test_response_lawful_overhead),
        cmocka_unit_test(test_response_memory_failures),
        cmocka_unit_test(test_response_header_lookup),
        cmocka_unit_test(test_response_trailers_are_no_headers),
        cmocka_unit_test(test_response_begin_forgets),
        cmocka_unit_test(test_response_plain_bytes_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
