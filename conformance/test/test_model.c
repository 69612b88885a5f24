/*
 * Tests of the reference reader: what it says of bytes that a person has read, and that the
 * transport's own reader says the same wherever the reference claims to know.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"
#include "wire/response.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
#define WIRE_MAX 1024u
#define ROUNDS 60000u

struct sample {
    const char *wire;
    const char *body;
    enum lb_model_framing framing;
    uint16_t code;
    bool is_head_request;
    bool may_keep_alive;
};

static const struct sample samples[] = {
    {OK "Content-Length: 5\r\n\r\nhello", "hello", LB_MODEL_LENGTH, 200, false, true},
    {OK "Content-Length: 0\r\n\r\n", "", LB_MODEL_NONE, 200, false, true},
    {OK "CONTENT-length:  2 \r\nConnection: x, Close\r\n\r\nab", "ab", LB_MODEL_LENGTH, 200, false,
     false},
    {CHUNKED "5\r\nhello\r\nb\r\n, world, \r\n\r\n000\r\nA: b\r\n\r\n", "hello, world, \r\n",
     LB_MODEL_CHUNKED, 200, false, true},
    {CHUNKED "0\r\n\r\n", "", LB_MODEL_CHUNKED, 200, false, true},
    {OK "\r\nuntil the end", "until the end", LB_MODEL_UNTIL_CLOSE, 200, false, false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", LB_MODEL_LENGTH, 200, false, false},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", "x",
     LB_MODEL_LENGTH, 200, false, true},
    {"HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\nContent-Length: 1\r\n\r\nx", "x",
     LB_MODEL_LENGTH, 200, false, false},
    {"HTTP/1.1 204 No\r\n\r\n", "", LB_MODEL_NONE, 204, false, true},
    {"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n", "", LB_MODEL_NONE, 304, false, true},
    {OK "Content-Length: 9\r\n\r\n", "", LB_MODEL_NONE, 200, true, true},
    {CHUNKED, "", LB_MODEL_NONE, 200, true, true},
    {"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx", "x",
     LB_MODEL_LENGTH, 404, false, true},
};

#define SAMPLE_COUNT (sizeof samples / sizeof *samples)

static uint8_t body[WIRE_MAX];
static struct lb_model model;

static void read_text(const char *wire, size_t size, bool is_ended, bool is_head_request)
{
    assert_true(size <= sizeof body);
    lb_model_read((const uint8_t *)wire, size, is_ended, is_head_request, body, &model);
}

static void test_model_reads_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        bool is_until_close = sample->framing == LB_MODEL_UNTIL_CLOSE;
        char wire[WIRE_MAX];
        int size = snprintf(wire, sizeof wire, "%s%s", sample->wire, is_until_close ? "" : "HTTP");
        read_text(wire, (size_t)size, is_until_close, sample->is_head_request);
        assert_true(model.is_known);
        assert_true(model.is_head_complete);
        assert_true(model.is_complete);
        assert_false(model.is_faulty);
        assert_int_equal(model.code, sample->code);
        assert_int_equal(model.framing, sample->framing);
        assert_int_equal(model.may_keep_alive, sample->may_keep_alive);
        assert_int_equal(model.end, strlen(sample->wire));
        assert_int_equal(model.body_size, strlen(sample->body));
        assert_memory_equal(body, sample->body, model.body_size);
    }
}

static void test_model_truncated_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        for (size_t size = 0; size < strlen(sample->wire); size++) {
            for (int is_ended = 0; is_ended < 2; is_ended++) {
                read_text(sample->wire, size, is_ended != 0, sample->is_head_request);
                bool is_whole = model.is_head_complete && is_ended != 0 &&
                                model.framing == LB_MODEL_UNTIL_CLOSE;
                assert_true(model.is_known || sample->framing == LB_MODEL_CHUNKED ||
                            sample->is_head_request);
                assert_int_equal(model.is_complete, is_whole);
                assert_true(model.body_size <= strlen(sample->body));
                assert_memory_equal(body, sample->body, model.body_size);
            }
        }
    }
}

/* Inside a head that names a coding the reader claims nothing; behind it, it does again. */
static void test_model_knows_a_cut_chunked_body(void **state)
{
    static const char wire[] = CHUNKED "2\r\nab\r\n0\r\nA: b\r\n\r\n";
    (void)state;
    for (size_t size = strlen(CHUNKED); size < strlen(wire); size++) {
        read_text(wire, size, true, false);
        assert_true(model.is_known);
        assert_true(model.is_head_complete);
        assert_false(model.is_complete);
    }
}

/* Names and values without their blanks, in order, of the final head alone. */
static void test_model_marks_the_fields(void **state)
{
    static const char wire[] = "HTTP/1.1 103 Hints\r\nC: d\r\n\r\n" OK "A:  b \r\nB:\r\n\r\n";
    uint64_t mark = lb_model_mark(0, "A", 1, "b", 1);
    (void)state;
    mark = lb_model_mark(mark, "B", 1, "", 0);
    read_text(wire, strlen(wire), false, false);
    assert_true(model.fields_mark == mark);
    assert_true(lb_model_mark(lb_model_mark(0, "B", 1, "", 0), "A", 1, "b", 1) != mark);
    read_text(OK "\r\n", strlen(OK "\r\n"), false, false);
    assert_true(model.fields_mark == 0);
}

static void test_model_beyond_the_grammar(void **state)
{
    static const char *const wires[] = {
        OK "A: b\n\r\n",
        OK "A: b\rc\r\n\r\n",
        OK " folded\r\n\r\n",
        OK "A b\r\n\r\n",
        OK "A : b\r\n\r\n",
        OK ": b\r\n\r\n",
        OK "A: \x01\r\n\r\n",
        OK "A: \xff\r\n\r\n",
        OK "Upgrade: x\r\n\r\n",
        OK "Content-Length: 1\t\r\n\r\nx",
        OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK "Transfer-Encoding: gzip\r\n\r\n",
        OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 100 Go\r\nContent-Length: 0\r\n\r\n",
        CHUNKED "x\r\n",
        CHUNKED "\r\n",
        CHUNKED "1;a=b\r\nx\r\n",
        CHUNKED "123456789\r\n",
        CHUNKED "1\r\nxy\r\n",
        CHUNKED "1\r\nx\n",
        CHUNKED "0\r\nno trailer\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        read_text(wires[i], strlen(wires[i]), false, false);
        if (model.is_known || model.is_faulty || model.is_complete) {
            fail_msg("claims to know: %s", wires[i]);
        }
    }
}

static void test_model_faulty_lengths(void **state)
{
    static const char *const lengths[] = {
        "",
        "x",
        "-1",
        "+1",
        "1 2",
        "0x1",
        "1, 2",
        "9223372036854775808",
        "18446744073709551617",
        "1\r\nContent-Length: 2",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char wire[WIRE_MAX];
        int size = snprintf(wire, sizeof wire, OK "Content-Length: %s\r\n\r\n", lengths[i]);
        read_text(wire, (size_t)size, false, false);
        assert_true(model.is_faulty);
        assert_false(model.is_known);
    }
}

/* -- the transport's reader beside it -- */

/* A response while it is generated. */
struct draft {
    uint64_t seed;
    size_t size;
    char wire[WIRE_MAX];
};

/* pick: the next number below `count` (splitmix64). */
static uint32_t pick(struct draft *draft, uint32_t count)
{
    uint64_t z = draft->seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % count);
}

static void add(struct draft *draft, const char *text)
{
    size_t size = strlen(text);
    assert_true(draft->size + size <= WIRE_MAX);
    memcpy(draft->wire + draft->size, text, size);
    draft->size += size;
}

#define ADD_ONE_OF(draft, table) add(draft, (table)[pick(draft, sizeof(table) / sizeof *(table))])

static void draft_head(struct draft *draft)
{
    static const char *const interims[] = {
        "", "", "", "", "", "HTTP/1.1 100 Go on\r\n\r\n", "HTTP/1.1 103 H\r\nLink: a\r\n\r\n",
    };
    static const char *const lines[] = {
        OK,
        OK,
        OK,
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 304 \r\n",
        "HTTP/1.1 500 It's broken\r\n",
        "HTTP/1.1 101 S\r\n",
    };
    static const char *const fields[] = {
        "Content-Length: 5\r\n",
        "content-length:0\r\n",
        "Content-Length:\t12  \r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:Chunked \t\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive\r\n",
        "Connection: a,  close \t\r\n",
        "Connection: keep-alive ,b\r\n",
        "Connection: closed\r\n",
        "Proxy-Connection: close\r\n",
        "Empty:\r\n",
        "A: b c\t!\r\n",
    };
    ADD_ONE_OF(draft, interims);
    ADD_ONE_OF(draft, lines);
    for (uint32_t i = pick(draft, 4); i > 0; i--) {
        ADD_ONE_OF(draft, fields);
    }
    add(draft, "\r\n");
}

/* draft_make: a head, a body that may or may not fit it, and sometimes a flaw. */
static void draft_make(struct draft *draft)
{
    static const char *const bodies[] = {
        "",
        "hello",
        "hello, world",
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "1\r\nx\r\n0A\r\n0123456789\r\n0\r\nA: b\r\n\r\n",
        "3\r\nabc\r\n00\r\n\r\nHTTP/1.1 200 OK\r\n",
    };
    static const char flaws[] = "\r\n \t:;,019afXz\x01\x7f";
    draft->size = 0;
    draft_head(draft);
    ADD_ONE_OF(draft, bodies);
    uint32_t flaw = pick(draft, 6);
    size_t at = pick(draft, (uint32_t)draft->size);
    if (flaw == 0) {
        draft->size = at;
    } else if (flaw == 1) {
        draft->wire[at] = flaws[pick(draft, sizeof flaws)];
    } else if (flaw == 2) {
        memmove(draft->wire + at, draft->wire + at + 1, draft->size - at - 1);
        draft->size--;
    }
}

/* What the transport's reader makes of a response. */
struct reading {
    struct lbi_reader reader;
    enum lb_status status; /* LB_AGAIN: inside the head; LB_OK: inside the body */
    size_t used;
    size_t body_size;
    char body[WIRE_MAX];
};

/* reading_step: feeds bytes that arrived together. */
static void reading_step(struct reading *r, const char *bytes, size_t size, size_t room)
{
    size_t at = 0;
    while (at < size && (r->status == LB_AGAIN || r->status == LB_OK)) {
        size_t used = 0;
        size_t stored = 0;
        if (r->status == LB_AGAIN) {
            r->status = lbi_reader_feed_head(&r->reader, bytes + at, size - at, &used);
            bool is_interim = r->status == LB_OK && lbi_reader_is_interim(&r->reader);
            bool is_bodiless = r->reader.framing == LBI_FRAMING_NONE;
            if (is_interim) {
                lbi_reader_next(&r->reader, false);
                r->status = LB_AGAIN;
            } else if (r->status == LB_OK && is_bodiless) {
                r->status = LB_END;
            }
        } else {
            r->status = lbi_reader_feed_body(&r->reader, bytes + at, size - at, &used,
                                             r->body + r->body_size, room, &stored);
        }
        at += used;
        r->body_size += stored;
    }
    r->used += at;
}

static void reading_make(struct reading *r, const struct draft *draft, size_t slice, size_t room,
                         bool is_ended, bool is_head_request)
{
    memset(r, 0, sizeof *r);
    lbi_reader_init(&r->reader, lb_memory_standard(), 65536);
    lbi_reader_begin(&r->reader, is_head_request);
    r->status = LB_AGAIN;
    for (size_t at = 0; at < draft->size; at += slice) {
        size_t left = draft->size - at;
        reading_step(r, draft->wire + at, left < slice ? left : slice, room);
    }
    if (is_ended && (r->status == LB_AGAIN || r->status == LB_OK)) {
        r->status = lbi_reader_finish(&r->reader);
    }
    lbi_reader_deinit(&r->reader);
}

/* agree: whether both say the same, as far as the model claims to know. */
static bool agree(const struct reading *r, bool is_ended)
{
    static const enum lb_model_framing framings[] = {
        [LBI_FRAMING_NONE] = LB_MODEL_NONE,
        [LBI_FRAMING_LENGTH] = LB_MODEL_LENGTH,
        [LBI_FRAMING_CHUNKED] = LB_MODEL_CHUNKED,
        [LBI_FRAMING_UNTIL_CLOSE] = LB_MODEL_UNTIL_CLOSE,
    };
    if (!model.is_known) {
        return !model.is_faulty || r->status == LB_PROTOCOL;
    }
    bool is_doubted = model.is_line_open && r->status == LB_PROTOCOL;
    bool is_body_same =
        r->body_size == model.body_size && memcmp(r->body, body, model.body_size) == 0;
    bool is_head_same = !model.is_head_complete || (r->reader.head.code == model.code &&
                                                    framings[r->reader.framing] == model.framing);
    if (!model.is_complete) {
        enum lb_status open = model.is_head_complete ? LB_OK : LB_AGAIN;
        bool is_open = r->status == (is_ended ? LB_INCOMPLETE : open);
        return is_body_same && is_head_same && (is_open || is_doubted);
    }
    return r->status == LB_END && is_body_same && is_head_same && r->used == model.end &&
           r->reader.may_keep_alive == model.may_keep_alive;
}

static void test_model_agrees_with_the_transport(void **state)
{
    static const size_t slices[] = {WIRE_MAX, 1, 3};
    static struct reading reading;
    static struct draft draft = {.seed = 1};
    uint32_t complete_count = 0;
    uint32_t cut_count = 0;
    (void)state;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        draft_make(&draft);
        bool is_ended = pick(&draft, 2) == 0;
        bool is_head_request = pick(&draft, 8) == 0;
        size_t slice = slices[pick(&draft, 3)];
        size_t room = pick(&draft, 2) == 0 ? 1 + pick(&draft, 4) : 64;
        read_text(draft.wire, draft.size, is_ended, is_head_request);
        reading_make(&reading, &draft, slice, room, is_ended, is_head_request);
        if (!agree(&reading, is_ended)) {
            fail_msg("round %u: the transport says %s after %zu bytes, %zu of body, keep-alive %d; "
                     "the model ends at %zu with %zu, keep-alive %d:\n%.*s",
                     i, lb_status_word(reading.status), reading.used, reading.body_size,
                     reading.reader.may_keep_alive, model.end, model.body_size,
                     model.may_keep_alive, (int)draft.size, draft.wire);
        }
        complete_count += model.is_known && model.is_complete ? 1 : 0;
        cut_count += model.is_known && !model.is_complete ? 1 : 0;
    }
    assert_true(complete_count > ROUNDS / 10);
    assert_true(cut_count > ROUNDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_reads_samples),
        cmocka_unit_test(test_model_truncated_everywhere),
        cmocka_unit_test(test_model_knows_a_cut_chunked_body),
        cmocka_unit_test(test_model_marks_the_fields),
        cmocka_unit_test(test_model_beyond_the_grammar),
        cmocka_unit_test(test_model_faulty_lengths),
        cmocka_unit_test(test_model_agrees_with_the_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
