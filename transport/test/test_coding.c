/*
 * Tests of the content codings: what zlib has coded comes out again however it is cut, a cut is never
 * an end, and neither tails nor bombs nor failing allocations get through.
 *
 * Mental model: a play feeds coded bytes in segments of a size and decodes into rooms of a size, until
 * the coding or the framing is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "core/limits.h"
#include "test/memory_fixture.h"
#include "wire/coding.h"

#define TEXT_SIZE 3000
#define CODED_MAX (64u << 10)
#define ZEROS_SIZE ((size_t)(4u << 20))
#define DECODED_MAX (ZEROS_SIZE + 4096)
#define WHOLE SIZE_MAX

static const struct lbi_coding_options gzip = {LBI_CODING_GZIP, LB_GZIP_TAIL_MEMBERS, 0};
static const struct lbi_coding_options gzip_dropped = {LBI_CODING_GZIP, LB_GZIP_TAIL_DROPPED, 0};
static const struct lbi_coding_options deflated = {LBI_CODING_DEFLATE, LB_GZIP_TAIL_MEMBERS, 0};
static const struct lbi_coding_options deflated_dropped = {LBI_CODING_DEFLATE, LB_GZIP_TAIL_DROPPED,
                                                           0};

static char text[TEXT_SIZE]; /* repeats itself, but not too soon */

static char coded[CODED_MAX]; /* of the running test */
static size_t coded_size;

static struct play {
    struct test_memory memory;
    struct lbi_coding *coding;
    enum lb_status status;
    size_t used;
    size_t size;
} play;

static char decoded[DECODED_MAX]; /* of the running play */

/* coded_add: adds one member made by zlib to the coded bytes. */
static void coded_add(const struct lbi_coding_options *options, const char *bytes, size_t size,
                      int level, gz_header *header)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size};
    int bits = options->kind == LBI_CODING_GZIP ? 31 : 15;
    assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, bits, 9, Z_DEFAULT_STRATEGY), Z_OK);
    if (header != NULL) {
        assert_int_equal(deflateSetHeader(&stream, header), Z_OK);
    }
    stream.next_out = (Bytef *)coded + coded_size;
    stream.avail_out = (uInt)(CODED_MAX - coded_size);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    coded_size += stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
}

/* coded_set: the coded bytes are one member. */
static void coded_set(const struct lbi_coding_options *options, const char *bytes, size_t size)
{
    coded_size = 0;
    coded_add(options, bytes, size, 6, NULL);
}

static void coded_tail(const char *tail)
{
    memcpy(coded + coded_size, tail, strlen(tail));
    coded_size += strlen(tail);
}

static enum lb_status play_begin(const struct lbi_coding_options *options, size_t fail_at)
{
    memset(&play, 0, sizeof play);
    test_memory_init(&play.memory, fail_at);
    return lbi_coding_new(&play.memory.memory, options, &play.coding);
}

static void play_end(void)
{
    lbi_coding_free(&play.coding);
    assert_null(play.coding);
    assert_int_equal(play.memory.block_count, 0);
    assert_int_equal(play.memory.size, 0);
}

/* play_decode: one call with room for `room` bytes. */
static void play_decode(size_t room)
{
    size_t left = sizeof decoded - play.size;
    size_t stored = 0;
    room = room < left ? room : left;
    play.status = lbi_coding_decode(play.coding, decoded + play.size, room, &stored);
    assert_true(stored <= room);
    assert_true(play.status != LB_OK || stored == room);
    play.size += stored;
}

/* play_feed: the next segment; the framing's end comes with the last bytes or, alone, behind them. */
static void play_feed(size_t slice, bool is_end_alone)
{
    size_t room = 0;
    char *input = lbi_coding_room(play.coding, &room);
    size_t size = coded_size - play.used;
    bool has_bytes = size > 0;
    size = size < slice ? size : slice;
    size = size < room ? size : room;
    memcpy(input, coded + play.used, size);
    play.used += size;
    bool is_last = play.used == coded_size && !(is_end_alone && has_bytes);
    lbi_coding_feed(play.coding, size, is_last ? LB_END : LB_OK);
}

/* play_on: from the beginning until it is over. */
static void play_on(size_t slice, size_t room, bool is_end_alone)
{
    play.status = LB_AGAIN;
    while (play.status == LB_OK || play.status == LB_AGAIN) {
        play_decode(room);
        if (play.status == LB_AGAIN) {
            play_feed(slice, is_end_alone);
        }
    }
}

static void play_whole(const struct lbi_coding_options *options, size_t slice, size_t room)
{
    assert_int_equal(play_begin(options, 0), LB_OK);
    play_on(slice, room, slice % 2 == 1);
}

/* expect: how the coded bytes come out, however they are cut. */
static void expect(const struct lbi_coding_options *options, enum lb_status status,
                   const char *bytes, size_t size)
{
    static const size_t slices[] = {WHOLE, 1, 2, 7, 100};
    static const size_t rooms[] = {WHOLE, 1, 3, 64};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
            play_whole(options, slices[i], rooms[k]);
            assert_int_equal(play.status, status);
            assert_int_equal(play.size, size);
            assert_memory_equal(decoded, bytes, size);
            play_end();
        }
    }
}

static int setup(void **state)
{
    uint32_t value = 1;
    (void)state;
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        value = value * 1103515245u + 12345u;
        bool is_copy = i >= 300 && value >> 16 & 3;
        text[i] = is_copy ? text[i - 300] : (char)('a' + (value >> 20) % 26);
    }
    return 0;
}

static void test_coding_undoes_both(void **state)
{
    static const size_t sizes[] = {0, 1, 5, 258, TEXT_SIZE};
    static const struct lbi_coding_options *const kinds[] = {&gzip, &gzip_dropped, &deflated,
                                                             &deflated_dropped};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            for (int level = 0; level <= 9; level += 3) {
                coded_size = 0;
                coded_add(kinds[k], text, sizes[i], level, NULL);
                expect(kinds[k], LB_END, text, sizes[i]);
            }
        }
    }
}

static void test_coding_reads_over_gzip_fields(void **state)
{
    static Bytef extra[300];
    gz_header header = {.extra = extra,
                        .extra_len = sizeof extra,
                        .name = (Bytef *)(uintptr_t) "name",
                        .comment = (Bytef *)(uintptr_t) "comment",
                        .hcrc = 1};
    (void)state;
    coded_size = 0;
    coded_add(&gzip, text, 5, 6, &header);
    assert_true(coded_size > sizeof extra);
    expect(&gzip, LB_END, text, 5);
}

static void test_coding_of_nothing_is_an_empty_body(void **state)
{
    (void)state;
    coded_size = 0;
    expect(&gzip, LB_END, "", 0);
    expect(&deflated, LB_END, "", 0);
    expect(&gzip_dropped, LB_END, "", 0);
}

/* Whatever is missing: never an end; and what is there comes first, whatever the room. */
static void test_coding_cut_everywhere(void **state)
{
    static const struct lbi_coding_options *const kinds[] = {&gzip, &gzip_dropped, &deflated};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        coded_set(kinds[k], text, TEXT_SIZE);
        size_t whole_size = coded_size;
        size_t size_before = 0;
        for (coded_size = 1; coded_size < whole_size; coded_size++) {
            play_whole(kinds[k], WHOLE, WHOLE);
            size_t size = play.size;
            assert_int_equal(play.status, LB_INCOMPLETE);
            assert_memory_equal(decoded, text, size);
            assert_true(size >= size_before);
            size_before = size;
            play_end();
            for (size_t slice = 1; slice <= 36; slice *= 6) {
                play_whole(kinds[k], slice, slice % 3 + 1);
                assert_int_equal(play.status, LB_INCOMPLETE);
                assert_int_equal(play.size, size);
                assert_memory_equal(decoded, text, size);
                play_end();
            }
        }
        assert_int_equal(size_before, TEXT_SIZE);
    }
}

/* The framing's own error comes behind all that can be decoded, and is not made an incompleteness. */
static void test_coding_hands_the_framing_s_error_on(void **state)
{
    (void)state;
    coded_set(&gzip, text, TEXT_SIZE);
    for (size_t size = 0; size <= coded_size; size++) {
        size_t room = 0;
        assert_int_equal(play_begin(&gzip, 0), LB_OK);
        play_decode(1);
        assert_int_equal(play.status, LB_AGAIN);
        memcpy(lbi_coding_room(play.coding, &room), coded, size);
        assert_true(room >= size);
        lbi_coding_feed(play.coding, size, LB_RESET);
        do {
            play_decode(10);
        } while (play.status == LB_OK);
        assert_int_equal(play.status, LB_RESET);
        assert_memory_equal(decoded, text, play.size);
        assert_true(play.size == TEXT_SIZE || size < coded_size - 8);
        play_end();
    }
}

/* An end that has been fed comes with the last bytes, if the room is exactly theirs; and behind them
 * when it is fed later, without any room. */
static void test_coding_end_comes_with_the_last_bytes(void **state)
{
    static const struct lbi_coding_options *const kinds[] = {&gzip, &deflated, &gzip_dropped};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int level = 0; level <= 9; level += 9) {
            coded_size = 0;
            coded_add(kinds[k], text, TEXT_SIZE, level, NULL);
            if (kinds[k]->tail == LB_GZIP_TAIL_DROPPED) {
                coded_tail("tail");
            }
            assert_int_equal(play_begin(kinds[k], 0), LB_OK);
            play_decode(TEXT_SIZE);
            play_feed(WHOLE, false);
            play_decode(TEXT_SIZE);
            assert_int_equal(play.status, LB_END);
            assert_int_equal(play.size, TEXT_SIZE);
            play_end();

            assert_int_equal(play_begin(kinds[k], 0), LB_OK);
            play_decode(TEXT_SIZE);
            play_feed(coded_size - 12, true);
            play_decode(TEXT_SIZE);
            while (play.status == LB_AGAIN) { /* its last twelve bytes, one by one */
                play_feed(1, true);
                play_decode(TEXT_SIZE - play.size);
            }
            assert_int_equal(play.status, LB_END);
            assert_int_equal(play.size, TEXT_SIZE);
            play_end();
        }
    }
}

static void test_coding_full_room_is_no_end(void **state)
{
    (void)state;
    coded_set(&gzip, text, TEXT_SIZE);
    assert_int_equal(play_begin(&gzip, 0), LB_OK);
    play_decode(TEXT_SIZE);
    play_feed(WHOLE, false);
    play_decode(TEXT_SIZE - 1);
    assert_int_equal(play.status, LB_OK);
    play_decode(0);
    assert_int_equal(play.status, LB_OK);
    play_decode(1);
    assert_int_equal(play.status, LB_END);
    assert_memory_equal(decoded, text, TEXT_SIZE);
    play_end();
}

static void test_coding_members(void **state)
{
    (void)state;
    coded_set(&gzip, text, 1000);
    coded_add(&gzip, text, 0, 6, NULL);
    coded_add(&gzip, text + 1000, 2000, 1, NULL);
    size_t whole_size = coded_size;
    expect(&gzip, LB_END, text, TEXT_SIZE);
    expect(&gzip_dropped, LB_END, text, 1000);
    coded_set(&gzip, text, 1000);
    size_t first_size = coded_size;
    coded_add(&gzip, text, 0, 6, NULL);
    size_t second_size = coded_size;
    coded_add(&gzip, text + 1000, 2000, 1, NULL);
    assert_int_equal(coded_size, whole_size);
    for (coded_size = first_size; coded_size < whole_size; coded_size++) {
        bool is_between = coded_size == first_size || coded_size == second_size;
        play_whole(&gzip, coded_size % 5 + 1, 100);
        assert_int_equal(play.status, is_between ? LB_END : LB_INCOMPLETE);
        assert_memory_equal(decoded, text, play.size);
        play_end();
    }
}

static void test_coding_tails(void **state)
{
    static const char *const tails[] = {"x", "\n", "\x1f\x8c", "HTTP/1.1 200 OK\r\n\r\n",
                                        "\x1f\x8b\x09 no such method"};
    (void)state;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        coded_set(&gzip, text, 1000);
        coded_tail(tails[i]);
        expect(&gzip, LB_PROTOCOL, text, 1000);
        expect(&gzip_dropped, LB_END, text, 1000);
        coded_set(&deflated, text, 1000);
        coded_tail(tails[i]);
        expect(&deflated, LB_PROTOCOL, text, 1000);
        expect(&deflated_dropped, LB_END, text, 1000);
    }
    coded_set(&deflated, text, 1000);
    coded_add(&deflated, text, 1000, 6, NULL); /* deflate has no members */
    expect(&deflated, LB_PROTOCOL, text, 1000);
    expect(&deflated_dropped, LB_END, text, 1000);
}

static void test_coding_wrong_checks(void **state)
{
    (void)state;
    coded_set(&gzip, text, TEXT_SIZE);
    for (size_t back = 1; back <= 8; back++) { /* CRC32 and ISIZE (RFC 1952 section 2.3.1) */
        coded[coded_size - back] ^= 1;
        expect(&gzip, LB_PROTOCOL, text, TEXT_SIZE);
        coded[coded_size - back] ^= 1;
    }
    expect(&gzip, LB_END, text, TEXT_SIZE);
    coded_set(&deflated, text, TEXT_SIZE);
    for (size_t back = 1; back <= 4; back++) { /* ADLER32 (RFC 1950 section 2.2) */
        coded[coded_size - back] ^= 1;
        expect(&deflated, LB_PROTOCOL, text, TEXT_SIZE);
        coded[coded_size - back] ^= 1;
    }
}

static void test_coding_garbage(void **state)
{
    static const char *const garbage[] = {"x",     "plain text that nobody has coded",
                                          "\x1f ", "\x1f\x8b\x07",
                                          "\x78 ", "\x78\x9d",
                                          "\x88",  "\x1f\x8b\x08\xe0"};
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        bool is_gzip = garbage[i][0] == 0x1f || garbage[i][0] == 'x' || garbage[i][0] == 'p';
        bool is_deflate = garbage[i][0] != 0x1f && strcmp(garbage[i], "x") != 0;
        coded_size = 0;
        coded_tail(garbage[i]);
        if (is_gzip) {
            coded_tail("0000000000");
            expect(&gzip, LB_PROTOCOL, "", 0);
        }
        if (is_deflate) {
            expect(&deflated, LB_PROTOCOL, "", 0);
        }
    }
    coded_size = 0;
    coded_tail("p");
    expect(&gzip, LB_PROTOCOL, "", 0); /* one byte is enough to tell */
    expect(&deflated, LB_PROTOCOL, "", 0);
    coded_set(&gzip, text, 10);
    expect(&deflated, LB_PROTOCOL, "", 0);
    coded_set(&deflated, text, 10);
    expect(&gzip, LB_PROTOCOL, "", 0);
    coded_size = 0;
    coded_tail("\x78\xbb"
               "abcd"); /* zlib with a preset dictionary (RFC 1950 section 2.2) */
    expect(&deflated, LB_PROTOCOL, "", 0);
}

/* play_zeros: decodes zeros with a ratio; returns how many came. */
static size_t play_zeros(uint32_t ratio, size_t slice, size_t room)
{
    struct lbi_coding_options options = gzip;
    options.decoded_ratio_max = ratio;
    play_whole(&options, slice, room);
    size_t size = play.size;
    play_end();
    return size;
}

static void test_coding_ratio(void **state)
{
    static const size_t cuts[][2] = {{WHOLE, WHOLE}, {1, WHOLE}, {WHOLE, 999}, {7, 1}, {3, 70000}};
    char *zeros = calloc(1, ZEROS_SIZE);
    (void)state;
    coded_set(&gzip, zeros, ZEROS_SIZE);
    assert_in_range(coded_size, ZEROS_SIZE / 1100, ZEROS_SIZE / 900);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        size_t slice = cuts[i][0];
        size_t room = cuts[i][1];
        assert_int_equal(play_zeros(200, slice, room), LBI_DECODED_FREE);
        assert_int_equal(play.status, LB_LIMIT);
        assert_int_equal(play_zeros(1, slice, room), LBI_DECODED_FREE);
        assert_int_equal(play.status, LB_LIMIT);
        assert_int_equal(play_zeros(0, slice, room), ZEROS_SIZE);
        assert_int_equal(play.status, LB_END);
        assert_int_equal(play_zeros(1100, slice, room), ZEROS_SIZE);
        assert_int_equal(play.status, LB_END);
        assert_int_equal(play_zeros(UINT32_MAX, slice, room), ZEROS_SIZE);
        assert_int_equal(play.status, LB_END);
    }
    free(zeros);
}

/* What is free is free, to the byte; behind it the coded bytes so far count, however they are cut. */
static void test_coding_ratio_to_the_byte(void **state)
{
    char *zeros = calloc(1, ZEROS_SIZE);
    (void)state;
    coded_set(&gzip, zeros, LBI_DECODED_FREE);
    assert_int_equal(play_zeros(1, 100, 1000), LBI_DECODED_FREE);
    assert_int_equal(play.status, LB_END);
    coded_set(&gzip, zeros, LBI_DECODED_FREE + 1);
    assert_int_equal(play_zeros(1, 100, 1000), LBI_DECODED_FREE);
    assert_int_equal(play.status, LB_LIMIT);
    coded_size =
        0; /* bytes that do not shrink, then a bomb: ratio 40 of about 30,000 coded bytes */
    for (size_t i = 0; i < 10; i++) {
        coded_add(&gzip, text, TEXT_SIZE, 0, NULL);
    }
    coded_add(&gzip, zeros, 3u << 20, 9, NULL);
    size_t size = play_zeros(40, WHOLE, WHOLE);
    assert_int_equal(play.status, LB_LIMIT);
    assert_in_range(size, LBI_DECODED_FREE + 100000, 2u << 20);
    for (size_t slice = 1; slice <= 1000; slice += 333) {
        for (size_t room = 1; room <= 5000; room += 4999) {
            assert_int_equal(play_zeros(40, slice, room), size);
            assert_int_equal(play.status, LB_LIMIT);
        }
    }
    free(zeros);
}

static void test_coding_memory_failures(void **state)
{
    static const struct lbi_coding_options *const kinds[] = {&gzip, &deflated};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        bool has_failed = true;
        size_t n = 0;
        coded_set(kinds[k], text, TEXT_SIZE);
        while (has_failed) {
            enum lb_status status = play_begin(kinds[k], ++n);
            if (status == LB_OK) {
                play_on(100, 100, false);
                status = play.status;
            } else {
                assert_null(play.coding);
            }
            has_failed = play.memory.has_failed;
            assert_int_equal(status, has_failed ? LB_MEMORY : LB_END);
            assert_memory_equal(decoded, text, play.size);
            play_end();
        }
        assert_int_equal(n,
                         4); /* ours, zlib's state, its window, and the run in which none fails */
    }
}

static void test_coding_kind_of_a_head(void **state)
{
    static const struct {
        const char *fields; /* name NUL value NUL ... */
        size_t size;
        enum lbi_coding_kind kind;
    } rows[] = {
#define ROW(fields, kind) {fields, sizeof(fields) - 1, kind}
        ROW("Content-Encoding\0gzip\0", LBI_CODING_GZIP),
        ROW("content-encoding\0GZip\0", LBI_CODING_GZIP),
        ROW("Content-Encoding\0X-gzip\0", LBI_CODING_GZIP),
        ROW("A\0gzip\0Content-Encoding\0deflate\0B\0c\0", LBI_CODING_DEFLATE),
        ROW("Content-Encoding\0gzip\0Content-Encoding\0gzip\0", LBI_CODING_NONE),
        ROW("Content-Encoding\0gzip\0Content-Encoding\0identity\0", LBI_CODING_NONE),
        ROW("Content-Encoding\0gzip, gzip\0", LBI_CODING_NONE),
        ROW("Content-Encoding\0identity\0", LBI_CODING_NONE),
        ROW("Content-Encoding\0\0", LBI_CODING_NONE),
        ROW("Content-Encoding\0gzipp\0", LBI_CODING_NONE),
        ROW("Content-Encoding\0br\0", LBI_CODING_NONE),
        ROW("Content-Type\0gzip\0", LBI_CODING_NONE),
        ROW("", LBI_CODING_NONE),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct test_memory memory;
        test_memory_init(&memory, 0);
        struct lbi_head head = {.memory = &memory.memory};
        assert_int_equal(lbi_head_append(&head, rows[i].fields, rows[i].size), LB_OK);
        assert_int_equal(lbi_coding_kind_of(&head), rows[i].kind);
        lbi_head_deinit(&head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coding_undoes_both),
        cmocka_unit_test(test_coding_reads_over_gzip_fields),
        cmocka_unit_test(test_coding_of_nothing_is_an_empty_body),
        cmocka_unit_test(test_coding_cut_everywhere),
        cmocka_unit_test(test_coding_hands_the_framing_s_error_on),
        cmocka_unit_test(test_coding_end_comes_with_the_last_bytes),
        cmocka_unit_test(test_coding_full_room_is_no_end),
        cmocka_unit_test(test_coding_members),
        cmocka_unit_test(test_coding_tails),
        cmocka_unit_test(test_coding_wrong_checks),
        cmocka_unit_test(test_coding_garbage),
        cmocka_unit_test(test_coding_ratio),
        cmocka_unit_test(test_coding_ratio_to_the_byte),
        cmocka_unit_test(test_coding_memory_failures),
        cmocka_unit_test(test_coding_kind_of_a_head),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
