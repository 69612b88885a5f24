/*
 * Tests of the codec: its tables, fixed strings, millions of random strings, and all conformance
 * cases.
 *
 * usage: test_codec [CASE-DIRECTORY [RANDOM-STRINGS]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"
#include "mutator.h"

#ifndef LASTBYTE_SOURCE_DIR
#define LASTBYTE_SOURCE_DIR "."
#endif

#define STRING_MAX 512

/* What main was told, for the tests; set once before they run. */
static struct {
    const char *case_directory;
    uint64_t string_count;
} arguments = {LASTBYTE_SOURCE_DIR "/conformance/cases", 200000};

/* -- tables -- */

static void test_operations_own_their_slots(void **state)
{
    uint32_t counts[LBI_OPERATION_COUNT] = {0};
    (void)state;
    for (uint32_t slot = 0; slot < 128; slot++) {
        counts[lbi_operation_of_slot((uint8_t)slot)]++;
    }
    for (int i = 0; i < LBI_OPERATION_COUNT; i++) {
        enum lbi_operation operation = (enum lbi_operation)i;
        assert_int_equal(lbi_operation_of_slot((uint8_t)i), i);
        assert_int_equal(counts[i], 1 + lbi_operation_row(operation)->aliases);
    }
}

static const char *const operation_words[] = {
    "exchange",
    "get",
    "head",
    "read",
    "close",
    "cancel",
    "drop",
    "wait",
    "poll",
    "close-idle",
    "advance",
    "settle",
    "signal",
    "script",
    "respond",
    "want",
    "want-end",
    "line",
    "line-text",
    "line-octets",
    "send",
    "send-octets",
    "chunk",
    "chunk-octets",
    "chunk-fill",
    "chunk-end",
    "fill",
    "pause",
    "await",
    "end",
    "half-close",
    "reset",
    "stall",
    "refuse",
    "after",
    "priority",
    "per-host",
    "idle-per-host",
    "idle-total",
    "idle-timeout",
    "dial-timeout",
    "head-timeout",
    "head-size",
    "retries",
    "slice",
    "version",
    "ask",
    "body",
    "body-event",
    "with",
    "write",
    "trailer",
    "want-body",
    "gzip-fill",
    "chunk-gzip",
    "drain",
    "drain-time",
    "continue-timeout",
    "written-timeout",
    "gzip",
    "gzip-tail",
    "gzip-ratio",
    "keep-alive",
};

/* Slots are for ever: whoever moves one breaks every stored input. Rows are only appended. */
static void test_operations_never_move(void **state)
{
    (void)state;
    assert_true(LBI_OPERATION_COUNT >= sizeof(operation_words) / sizeof(*operation_words));
    for (size_t i = 0; i < sizeof(operation_words) / sizeof(*operation_words); i++) {
        assert_string_equal(lbi_operation_row((enum lbi_operation)i)->word, operation_words[i]);
    }
}

static void test_sizes_and_times_ascend(void **state)
{
    (void)state;
    assert_int_equal(lbi_size(0), 0);
    assert_int_equal(lbi_time(0), 0);
    for (uint32_t i = 1; i < LBI_SIZES; i++) {
        assert_true(lbi_size(i) > lbi_size(i - 1));
    }
    for (uint32_t i = 1; i < LBI_TIMES; i++) {
        assert_true(lbi_time(i) > lbi_time(i - 1));
    }
    assert_int_equal(lbi_size_cut(70000, 65540), 65536);
    assert_int_equal(lbi_size_cut(1234, 1234), 1234);
    assert_int_equal(lbi_time_cut(7, 6), 0);
}

static void test_head_lines_are_found(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LBI_HEAD_TOKENS; i++) {
        struct lbi_head_token token = lbi_head_token(i);
        char text[64];
        uint32_t index = 0;
        uint64_t number = 0;
        int size = snprintf(text, sizeof(text), "%s%s", token.text, token.has_number ? "17" : "");
        struct lb_text line = {.bytes = text, .size = (uint32_t)size};
        assert_true(lbi_head_token_find(line, &index, &number));
        assert_int_equal(index, i);
        assert_int_equal(number, token.has_number ? 17 : 0);
    }
}

static void test_respond_matches_its_expansion(void **state)
{
    (void)state;
    for (int i = 0; i < LBI_RESPOND_KINDS; i++) {
        for (uint64_t size = 0; size < 300; size += 1 + size / 7) {
            struct lbi_respond_lines made;
            enum lbi_respond kind = LBI_RESPOND_LENGTH;
            uint64_t found = 0;
            uint32_t count = 0;
            lbi_respond_expand((enum lbi_respond)i, size, &made);
            assert_true(lbi_respond_match(made.lines, made.count, &kind, &found, &count));
            assert_int_equal(kind, i);
            assert_int_equal(count, made.count);
            assert_int_equal(found, i == LBI_RESPOND_NO_BODY ? 0 : size);
        }
    }
}

/* -- the properties, of one string -- */

struct scratch {
    struct lb_case first;
    struct lb_case second;
};

static void scratch_init(struct scratch *scratch)
{
    assert_int_equal(lb_case_init(&scratch->first), LB_OK);
    assert_int_equal(lb_case_init(&scratch->second), LB_OK);
}

static void scratch_deinit(struct scratch *scratch)
{
    lb_case_deinit(&scratch->first);
    lb_case_deinit(&scratch->second);
}

/* bytes_fail: shows the string that breaks a property. */
static void bytes_fail(const uint8_t *bytes, size_t size, const char *what)
{
    fprintf(stderr, "%s:", what);
    for (size_t i = 0; i < size; i++) {
        fprintf(stderr, "%s%02x", bytes[i] >= 0x80 ? " " : "", bytes[i]);
    }
    fprintf(stderr, "\n");
    fail_msg("%s", what);
}

/* check_bounds: a decoded case stays in the dialect's and the language's bounds. */
static void check_bounds(const struct lb_case *c, const uint8_t *bytes, size_t size)
{
    uint64_t served = 0;
    uint64_t time_ns = 0;
    for (uint32_t i = 0; i < c->host_count; i++) {
        for (uint32_t j = 0; j < c->hosts[i].conn_count; j++) {
            const struct lb_lines *script = &c->hosts[i].conns[j].script;
            for (uint32_t k = 0; k < script->count; k++) {
                served += script->lines[k].bytes.size + 8;
                bool is_body = script->lines[k].verb == LB_VERB_WANT_BODY;
                served += is_body ? 0 : script->lines[k].number;
                time_ns += script->lines[k].time_ns;
            }
        }
    }
    for (uint32_t i = 0; i < c->client.count; i++) {
        time_ns += c->client.lines[i].time_ns;
    }
    if (served > LB_CODEC_SERVED_MAX || time_ns > LBI_TIME_TOTAL_MAX ||
        c->request_count > LBI_REQUESTS_MAX) {
        bytes_fail(bytes, size, "a bound is passed");
    }
}

/* check_string: decode is total; decode after encode is the same case; canon is idempotent and
 * never longer. */
static void check_string(struct scratch *scratch, const uint8_t *bytes, size_t size)
{
    uint8_t canon[LB_CODEC_SIZE_MAX];
    uint8_t again[LB_CODEC_SIZE_MAX];
    size_t canon_size = 0;
    size_t again_size = 0;
    struct lb_codec_error error;
    lb_codec_decode(bytes, size, &scratch->first);
    check_bounds(&scratch->first, bytes, size);
    if (lb_codec_encode(&scratch->first, canon, sizeof(canon), &canon_size, &error) != LB_OK) {
        fprintf(stderr, "%s\n", error.reason);
        bytes_fail(bytes, size, "a decoded case has no bytes");
    }
    if (canon_size > size) {
        bytes_fail(canon, canon_size, "canonical");
        bytes_fail(bytes, size, "canonical bytes are longer");
    }
    lb_codec_decode(canon, canon_size, &scratch->second);
    if (!lb_case_is_equal(&scratch->first, &scratch->second)) {
        bytes_fail(bytes, size, "canonical bytes say another case");
    }
    if (lb_codec_encode(&scratch->second, again, sizeof(again), &again_size, &error) != LB_OK ||
        again_size != canon_size || memcmp(again, canon, again_size) != 0) {
        bytes_fail(bytes, size, "canonical bytes are not canonical");
    }
}

/* check_text: printing and parsing a decoded case gives it again. */
static void check_text(struct scratch *scratch, const uint8_t *bytes, size_t size)
{
    char *text = NULL;
    size_t text_size = 0;
    struct lb_case_error error;
    char reason[512];
    lb_codec_decode(bytes, size, &scratch->first);
    lb_case_print(&scratch->first, &text, &text_size);
    if (lb_case_parse("fuzz/bytes.case", text, text_size, &scratch->second, &error) != LB_OK) {
        lb_case_error_text(&error, reason, sizeof(reason));
        fprintf(stderr, "%s%s\n", text, reason);
        bytes_fail(bytes, size, "a decoded case does not parse");
    }
    if (!lb_case_is_equal(&scratch->first, &scratch->second)) {
        fprintf(stderr, "%s", text);
        bytes_fail(bytes, size, "the text of a decoded case says another case");
    }
    free(text);
}

/* -- fixed strings -- */

static void test_nothing_is_the_empty_case(void **state)
{
    struct scratch scratch;
    (void)state;
    scratch_init(&scratch);
    lb_codec_decode(NULL, 0, &scratch.first);
    assert_int_equal(scratch.first.host_count, 0);
    assert_int_equal(scratch.first.client.count, 0);
    check_string(&scratch, (const uint8_t *)"", 0);
    check_string(&scratch, (const uint8_t *)"GET / HTTP/1.1\r\n", 16);
    check_text(&scratch, (const uint8_t *)"", 0);
    scratch_deinit(&scratch);
}

/* check_form: `bytes` decode to a case whose canonical bytes are `canon`. */
static void check_form(const char *bytes, size_t size, const char *canon, size_t canon_size)
{
    struct scratch scratch;
    uint8_t found[LB_CODEC_SIZE_MAX];
    size_t found_size = 0;
    struct lb_codec_error error;
    scratch_init(&scratch);
    check_string(&scratch, (const uint8_t *)bytes, size);
    check_text(&scratch, (const uint8_t *)bytes, size);
    assert_int_equal(lb_codec_encode(&scratch.first, found, sizeof(found), &found_size, &error),
                     LB_OK);
    assert_int_equal(found_size, canon_size);
    assert_memory_equal(found, canon, canon_size);
    scratch_deinit(&scratch);
}

#define CHECK_FORM(bytes, canon) check_form(bytes, sizeof(bytes) - 1, canon, sizeof(canon) - 1)

static void test_fine_operations_become_macros(void **state)
{
    (void)state;
    /* get r1 a, read all, close: an exchange */
    CHECK_FORM("\x81\x83\x84", "\x80");
    /* two gets, and a read of the older one between them */
    CHECK_FORM("\x81\x81\x83\x01\x84\x01", "\x81\x81\x83\x01\x84\x01");
    /* want, 200, Content-Length: 5, the empty line, fill 5: respond */
    CHECK_FORM("\x8f\x91\x01\x91\x02\x05\x91\x9a\x05", "\x8e\x00\x05");
    /* a response of no bytes and a close are a cut one */
    CHECK_FORM("\x8e\x9d", "\x8e\x05");
    /* a head line as text has its place in the table */
    CHECK_FORM("\x92no colon", "\x91\x3f");
    CHECK_FORM("\x92"
               "Content-Length: 1234",
               "\x91\x02\x7f\x52\x09");
}

static void test_bodies_belong_to_the_newest_request(void **state)
{
    (void)state;
    /* a get that is asked for has its operation; a post with a body of 5 that awaits s1 at 2 */
    CHECK_FORM("\xae\x00\x00\x03", "\x81\x00\x03");
    CHECK_FORM("\xae\x00\x02\xaf\x01\x05\xb0\x00\x00\x02",
               "\xae\x00\x02\xaf\x01\x05\xb0\x00\x00\x02");
    /* the last body counts, an event without a body and a body without a request do not */
    CHECK_FORM("\x81\xb0\x01\xaf\x00\x05\xb0\x01\xaf\x04\x07", "\x81\xaf\x04\x07");
    CHECK_FORM("\xaf\x00\x05\xb1"
               "A: b\x81",
               "\x81");
    /* an exchange with a body stays one */
    CHECK_FORM("\x81\xaf\x00\x05\xb1"
               "A: b\x83\x84",
               "\x80\xaf\x00\x05\xb1"
               "A: b");
    /* an event beyond its body is cut */
    CHECK_FORM("\x81\xaf\x00\x05\xb0\x02\x00\x09", "\x81\xaf\x00\x05\xb0\x02\x00\x05");
}

static void test_what_says_nothing_goes(void **state)
{
    (void)state;
    CHECK_FORM("\x83\x84\x85\x86\x87\x88", "");     /* no request to read, close, ... */
    CHECK_FORM("\x8d\x01\x8d\x02\x03", "");         /* scripts without lines */
    CHECK_FORM("\x8e\xa0\x9a\x8e", "\x8e\xa0");     /* lines after a stall */
    CHECK_FORM("\x8e\xa1", "\x8e");                 /* refuse after a line */
    CHECK_FORM("\xad\x05\x80\x00\x00\x00", "\x80"); /* the version, trailing zeros */
    CHECK_FORM("\x94\x96", "");                     /* sends of nothing */
}

static void test_cut_sizes_come_from_the_table(void **state)
{
    (void)state;
    /* a fill of far too much, and again: 32769 of 54 KiB, then 20000 of the rest */
    CHECK_FORM("\x9a\x7f\x00\x00\x00\x00\x00\x20\x9a\x7f\x7f\x7f\x7f", "\x9a\x74\x9a\x71");
}

/* -- random strings -- */

static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* random_string: one of four mixtures, from bytes of all values to operations that fit each
 * other. */
static size_t random_string(uint64_t *seed, uint8_t *ret_bytes)
{
    uint64_t style = random_next(seed) % 4;
    size_t size = random_next(seed) % (style == 0 ? STRING_MAX : 64);
    for (size_t i = 0; i < size; i++) {
        uint64_t value = random_next(seed) >> 16;
        bool is_opcode = (value & 3) != 0;
        value >>= 2;
        if (style == 0) {
            ret_bytes[i] = (uint8_t)value;
        } else if (is_opcode) {
            ret_bytes[i] = (uint8_t)(0x80 | (value % (style == 1 ? 128 : LBI_OPERATION_COUNT)));
        } else {
            ret_bytes[i] = (uint8_t)(value % (style == 3 ? 8 : 128));
        }
    }
    return size;
}

/* random_script: fine operations that often add up to responses and exchanges. */
static size_t random_script(uint64_t *seed, uint8_t *ret_bytes)
{
    static const char *const pieces[] = {
        "\x8f",
        "\x91\x01",
        "\x91\x02\x05",
        "\x91\x02\x01",
        "\x91\x02\x7f\x05",
        "\x91\x02",
        "\x91",
        "\x91\x03",
        "\x91\x04",
        "\x91\x06",
        "\x9a\x05",
        "\x9a\x02",
        "\x9a\x03",
        "\x9a",
        "\x98\x05",
        "\x99",
        "\x9b\x03",
        "\x9d",
        "\x81",
        "\x83",
        "\x84",
        "\x81\x01",
        "\x8e",
        "\x8e\x05",
        "\x8e\x06\x05",
        "\x8e\x03",
        "\x8d\x01",
        "\x8d\x01\x02",
        "\x8d",
        "\x9a\x7f\x7f\x7f\x02",
        "\x8e\x05\x7f\x7f\x7f\x06",
        "\x9b\x1e",
        "\x8a\x1d",
        "\x81\x01\x01\x1d",
        "\x9b\x7f\x01\x02",
        "\x8e\x07\x02",
        "\x8e\x06\x75",
        "\x92HTTP/1.1 200 OK",
        "\x93\x41\x01\x42",
        "\x92",
    };
    size_t size = 0;
    for (uint64_t count = random_next(seed) % 80; count > 0; count--) {
        const char *piece = pieces[(random_next(seed) >> 20) % (sizeof(pieces) / sizeof(*pieces))];
        size_t piece_size = strlen(piece);
        if (size + piece_size <= STRING_MAX) {
            memcpy(ret_bytes + size, piece, piece_size);
            size += piece_size;
        }
    }
    return size;
}

static void test_random_strings(void **state)
{
    struct scratch scratch;
    uint8_t bytes[STRING_MAX];
    uint64_t seed = UINT64_C(0x9E3779B97F4A7C15);
    (void)state;
    scratch_init(&scratch);
    for (uint64_t i = 0; i < arguments.string_count; i++) {
        size_t size = i % 3 == 0 ? random_script(&seed, bytes) : random_string(&seed, bytes);
        check_string(&scratch, bytes, size);
        if (i % 64 == 0) {
            check_text(&scratch, bytes, size);
        }
    }
    scratch_deinit(&scratch);
}

static void test_long_strings(void **state)
{
    struct scratch scratch;
    uint8_t bytes[LB_CODEC_SIZE_MAX + 10];
    uint64_t seed = 7;
    (void)state;
    scratch_init(&scratch);
    for (uint32_t i = 0; i < 500; i++) {
        for (size_t j = 0; j < sizeof(bytes); j++) {
            uint64_t value = random_next(&seed) >> 8;
            bool is_opcode = value % 64 == 0;
            bytes[j] = (uint8_t)((value >> 8 & 0x7f) | (is_opcode ? 0x80u : 0u));
        }
        check_string(&scratch, bytes, sizeof(bytes));
        memset(bytes + 1, i % 2 == 0 ? 0x8e : 'x', sizeof(bytes) - 1);
        bytes[0] = 0x94;
        check_string(&scratch, bytes, sizeof(bytes));
    }
    scratch_deinit(&scratch);
}

static void test_slices_stay_few(void **state)
{
    (void)state;
    CHECK_FORM("\x9a\x7f\x7f\x7f\x7f\xac\x01", "\xac\x09\x9a\x74");
    CHECK_FORM("\xac\x01\x9a\x05", "\xac\x01\x9a\x05");
}

/* -- what is generated -- */

static void test_dictionary_is_current(void **state)
{
    static char file_text[65536];
    char *text = NULL;
    size_t size = 0;
    (void)state;
    FILE *file = fopen(LASTBYTE_SOURCE_DIR "/fuzz/operations.dict", "rb");
    assert_non_null(file);
    size_t file_size = fread(file_text, 1, sizeof(file_text), file);
    (void)fclose(file);
    lb_dictionary_text(&text, &size);
    assert_int_equal(file_size, size); /* otherwise: replay_lifecycle --dictionary > that file */
    assert_memory_equal(file_text, text, size);
    free(text);
}

static void test_idioms_say_something(void **state)
{
    struct scratch scratch;
    const uint8_t *bytes;
    const char *name = "";
    size_t size = 0;
    (void)state;
    scratch_init(&scratch);
    for (uint32_t i = 0; (bytes = lb_idiom(i, &size, &name)) != NULL; i++) {
        check_string(&scratch, bytes, size);
        check_text(&scratch, bytes, size);
    }
    scratch_deinit(&scratch);
}

/* -- the mutator; its engine here flips a bit -- */

static size_t mutate_bytes(uint8_t *bytes, size_t size, size_t size_max)
{
    assert_true(size <= size_max);
    if (size > 0) {
        bytes[size / 2] ^= 1;
    }
    return size;
}

/* check_mutants: of one form. */
static void check_mutants(const struct lb_mutator *like)
{
    uint8_t first[100] = "\x8e\x00\x05\x81\x83\x84";
    uint8_t second[100];
    size_t size = 6;
    struct lb_mutator mutator = *like;
    for (unsigned int seed = 0; seed < 20000; seed++) {
        uint8_t crossed[60];
        memcpy(second, first, sizeof(second));
        mutator.seed = seed;
        size_t second_size = lb_mutator_mutate(&mutator, second, size, sizeof(second));
        size_t first_size = lb_mutator_mutate(&mutator, first, size, sizeof(first));
        assert_true(first_size <= sizeof(first));
        assert_int_equal(first_size, second_size);
        assert_memory_equal(first, second, first_size);
        assert_true(lb_mutator_cross(seed, first, first_size, second, size < 100 ? size : 100,
                                     crossed, sizeof(crossed)) <= sizeof(crossed));
        size = first_size;
    }
}

static void test_mutants_are_reproducible(void **state)
{
    static const uint8_t favoured[] = {LBI_OPERATION_AFTER};
    const struct lb_mutator mutators[] = {
        {.form = LB_TARGET_OPERATIONS, .mutate_bytes = mutate_bytes},
        {.form = LB_TARGET_OPERATIONS, .favoured = favoured, .favoured_count = 1},
        {.form = LB_TARGET_PREFIXED, .mutate_bytes = mutate_bytes},
        {.form = LB_TARGET_OWN, .mutate_bytes = mutate_bytes},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(mutators) / sizeof(*mutators); i++) {
        check_mutants(&mutators[i]);
    }
}

/* Half of what is inserted is what a target favours, and prefixes change where there are some. */
static void test_mutants_know_their_target(void **state)
{
    static const uint8_t favoured[] = {LBI_OPERATION_AFTER};
    struct lb_mutator mutator = {
        .form = LB_TARGET_PREFIXED, .favoured = favoured, .favoured_count = 1};
    uint32_t favoured_count = 0;
    uint32_t prefix_count = 0;
    (void)state;
    for (unsigned int seed = 0; seed < 1000; seed++) {
        uint8_t bytes[64] = "\x81";
        mutator.seed = seed;
        size_t size = lb_mutator_mutate(&mutator, bytes, 1, sizeof(bytes));
        prefix_count += size > 0 && bytes[0] < 0x80 ? 1 : 0;
        favoured_count += memchr(bytes, 0x80 | LBI_OPERATION_AFTER, size) != NULL ? 1 : 0;
    }
    assert_true(prefix_count > 50);
    assert_true(favoured_count > 150); /* 70 or so if it is but one of all */
}

/* -- conformance cases -- */

struct share {
    uint32_t cases;
    uint32_t encoded;
};

/* check_case: a conformance case is projected and encoded, or refused with a reason. */
static void check_case(struct scratch *scratch, const char *file, struct share *share)
{
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size = 0;
    struct lb_case_error case_error;
    struct lb_codec_error error;
    if (lb_case_load(file, &scratch->first, &case_error) != LB_OK) {
        return; /* the parser's tests say so */
    }
    share->cases++;
    enum lb_status status = lb_codec_project(&scratch->first, &scratch->second, &error);
    if (status == LB_OK) {
        status = lb_codec_encode(&scratch->second, bytes, sizeof(bytes), &size, &error);
    }
    if (status != LB_OK) {
        assert_true(error.reason[0] != '\0');
        print_message("%s:%u: %s\n", file, (unsigned)error.place, error.reason);
        return;
    }
    share->encoded++;
    check_string(scratch, bytes, size);
    check_text(scratch, bytes, size);
}

static void check_directory(struct scratch *scratch, const char *directory, struct share *share,
                            uint32_t depth)
{
    DIR *stream = opendir(directory);
    const struct dirent *entry;
    char path[1024];
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');
        int size = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        assert_true(size > 0 && (size_t)size < sizeof(path));
        if (dot != NULL && strcmp(dot, ".case") == 0) {
            check_case(scratch, path, share);
        } else if (dot == NULL && depth > 0) {
            check_directory(scratch, path, share, depth - 1);
        }
    }
    if (stream != NULL) {
        (void)closedir(stream);
    }
}

static void test_conformance_cases_have_bytes(void **state)
{
    struct scratch scratch;
    struct share share = {0};
    (void)state;
    scratch_init(&scratch);
    check_directory(&scratch, arguments.case_directory, &share, 2);
    print_message("%u of %u cases have bytes\n", (unsigned)share.encoded, (unsigned)share.cases);
    assert_true(share.encoded * 100 >= share.cases * 95);
    scratch_deinit(&scratch);
}

static void test_refusals_name_place_and_reason(void **state)
{
    static const char text[] = "case   1\n"
                               "title  A case that bytes cannot say\n"
                               "level  HOUSE\n"
                               "spec   LASTBYTE E1\n"
                               "tags   none\n"
                               "\n"
                               "host a\n"
                               "  conn 9\n"
                               "    want GET /\n"
                               "\n"
                               "client\n"
                               "  get r1 a /\n";
    struct scratch scratch;
    struct lb_case_error case_error;
    struct lb_codec_error error;
    uint8_t byte;
    size_t size = 0;
    (void)state;
    scratch_init(&scratch);
    assert_int_equal(lb_case_parse("a/b.case", text, strlen(text), &scratch.first, &case_error),
                     LB_OK);
    assert_int_equal(lb_codec_project(&scratch.first, &scratch.second, &error), LB_PROTOCOL);
    assert_int_equal(error.place, 8);
    assert_string_equal(error.reason, "a connection after the seventh");
    assert_int_equal(lb_codec_encode(&scratch.first, &byte, 1, &size, &error), LB_PROTOCOL);
    lb_codec_decode((const uint8_t *)"\x81\x01", 2, &scratch.first);
    assert_int_equal(lb_codec_encode(&scratch.first, &byte, 1, &size, &error), LB_LIMIT);
    assert_string_equal(error.reason, "it takes 2 bytes");
    scratch_deinit(&scratch);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations_own_their_slots),
        cmocka_unit_test(test_operations_never_move),
        cmocka_unit_test(test_sizes_and_times_ascend),
        cmocka_unit_test(test_head_lines_are_found),
        cmocka_unit_test(test_respond_matches_its_expansion),
        cmocka_unit_test(test_nothing_is_the_empty_case),
        cmocka_unit_test(test_fine_operations_become_macros),
        cmocka_unit_test(test_bodies_belong_to_the_newest_request),
        cmocka_unit_test(test_what_says_nothing_goes),
        cmocka_unit_test(test_cut_sizes_come_from_the_table),
        cmocka_unit_test(test_random_strings),
        cmocka_unit_test(test_long_strings),
        cmocka_unit_test(test_slices_stay_few),
        cmocka_unit_test(test_dictionary_is_current),
        cmocka_unit_test(test_idioms_say_something),
        cmocka_unit_test(test_mutants_are_reproducible),
        cmocka_unit_test(test_mutants_know_their_target),
        cmocka_unit_test(test_conformance_cases_have_bytes),
        cmocka_unit_test(test_refusals_name_place_and_reason),
    };
    if (argc > 1) {
        arguments.case_directory = argv[1];
    }
    if (argc > 2) {
        arguments.string_count = strtoull(argv[2], NULL, 10);
    }
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
