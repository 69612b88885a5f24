/*
 * Tests of the response body's upper layers through the client: codings that the transport asked for
 * and undoes, trailers, and what a response says of itself.
 *
 * Mental model: the answer is written into `wire` as the server sends it; a script reads the body in
 * rooms of a size and keeps what came of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "test/client_fixture.h"

#define OK200 "HTTP/1.1 200 OK\r\n"
#define TEXT_SIZE 2000
#define WIRE_MAX 8192

static char text[TEXT_SIZE];
static char coded[WIRE_MAX];
static size_t coded_size;
static char wire[WIRE_MAX]; /* the answer; every request gets it */
static size_t wire_size;
static size_t head_size; /* of the answer */

static struct lb_request *request;
static struct lb_response *response;
static char bytes[TEXT_SIZE + 100]; /* what was read */
static size_t size;
static size_t room; /* of each read */
static enum lb_status status;

enum framing { LENGTH, CHUNKED, UNTIL_CLOSE };

/* code: the text as gzip (or zlib's format) in `coded`. */
static void code(bool is_gzip)
{
    z_stream stream = {.next_in = (Bytef *)text, .avail_in = TEXT_SIZE};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, is_gzip ? 31 : 15, 9, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_out = (Bytef *)coded;
    stream.avail_out = sizeof coded;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    coded_size = stream.total_out;
    assert_int_equal(deflateEnd(&stream), Z_OK);
}

static void wire_add(const char *added, size_t added_size)
{
    assert_true(wire_size + added_size <= WIRE_MAX);
    memcpy(wire + wire_size, added, added_size);
    wire_size += added_size;
}

/* answer: the coded bytes with a framing; `fields` are lines of the head. */
static void answer(const char *fields, enum framing framing)
{
    char line[64];
    wire_size = 0;
    wire_add(OK200, strlen(OK200));
    wire_add(fields, strlen(fields));
    if (framing == LENGTH) {
        snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", coded_size);
    } else {
        snprintf(line, sizeof line, "%s\r\n",
                 framing == CHUNKED ? "Transfer-Encoding: chunked\r\n" : "");
    }
    wire_add(line, strlen(line));
    head_size = wire_size;
    if (framing != CHUNKED) {
        wire_add(coded, coded_size);
        return;
    }
    for (size_t at = 0; at < coded_size; at += 100) {
        size_t run = coded_size - at < 100 ? coded_size - at : 100;
        snprintf(line, sizeof line, "%zx\r\n", run);
        wire_add(line, strlen(line));
        wire_add(coded + at, run);
        wire_add("\r\n", 2);
    }
    wire_add("0\r\n\r\n", 5);
}

/* answer_cut: the server sends so much of the wire to every request, and then perhaps closes. */
static void answer_cut(size_t cut, bool is_close)
{
    for (size_t i = 0; i < FIXTURE_ANSWERS_MAX; i++) {
        struct fixture_part part = {.bytes = wire, .size = cut, .is_close = is_close};
        memset(&fixture.answers[i], 0, sizeof fixture.answers[i]);
        fixture.answers[i].parts[0] = part;
    }
}

/* answer_text: an answer without a coding. */
static void answer_text(const char *whole)
{
    wire_size = 0;
    wire_add(whole, strlen(whole));
    answer_cut(wire_size, false);
}

static enum lb_status read_some(size_t at_most)
{
    size_t stored = SIZE_MAX;
    enum lb_status result =
        lb_body_read(lb_response_body(response), bytes + size, at_most, &stored);
    assert_true(stored <= at_most);
    assert_true(result == LB_OK || result == LB_END || stored == 0);
    size += stored;
    return result;
}

static void read_all(void)
{
    size = 0;
    do {
        size_t left = sizeof bytes - size;
        status = read_some(left < room ? left : room);
    } while (status == LB_OK);
}

/* script_read: gets, reads all, and releases. */
static void script_read(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    read_all();
    lb_request_free(&request);
    fixture.done_count++;
}

static void expect_text(enum lb_status expected)
{
    assert_int_equal(status, expected);
    assert_true(expected != LB_END || size == TEXT_SIZE);
    assert_true(size <= TEXT_SIZE);
    assert_memory_equal(bytes, text, size);
}

static int setup(void **state)
{
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        text[i] = (char)('a' + (i * i / 7 + i / 100) % 26);
    }
    room = 64;
    code(true);
    return fixture_setup(state);
}

static bool log_has(size_t index, const char *line)
{
    struct lb_net_log log;
    lb_net_log(fixture.net, index, &log);
    return memmem(log.written, log.written_size, line, strlen(line)) != NULL;
}

/* -- codings -- */

static void script_decoded(void *argument)
{
    struct lb_field field;
    (void)argument;
    request = fixture_get("a", &response);
    assert_true(lb_response_is_decoded(response));
    assert_true(lb_response_size(response) == LB_SIZE_UNKNOWN);
    assert_string_equal(lb_response_header(response, "content-encoding"), "gzip");
    assert_true(lb_response_field(response, 0, &field));
    assert_string_equal(field.name, "Content-Encoding");
    read_all();
    expect_text(LB_END);
    fixture_expect_stats(1, 0, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_is_decoded(void **state)
{
    (void)state;
    answer("Content-Encoding: gzip\r\n", CHUNKED);
    answer_cut(wire_size, false);
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_decoded);
    fixture_run(script_decoded);
    assert_int_equal(lb_net_log_count(fixture.net), 1);
    assert_true(log_has(0, "\r\nAccept-Encoding: gzip, deflate\r\n"));
}

static void test_body_is_decoded_however_it_is_cut(void **state)
{
    static const uint32_t slices[] = {0, 1, 3, 100};
    (void)state;
    for (size_t i = 0; i < 3 * 2 * 4 * 3; i++) {
        bool is_gzip = i / 3 % 2 == 0;
        enum framing framing = i % 3 == 0 ? LENGTH : i % 3 == 1 ? CHUNKED : UNTIL_CLOSE;
        fixture_begin(0, NULL, slices[i / 6 % 4]);
        code(is_gzip);
        answer(is_gzip ? "Content-Encoding: X-GZip\r\n" : "content-encoding: Deflate \r\n",
               framing);
        answer_cut(wire_size, framing == UNTIL_CLOSE);
        room = i / 24 == 0 ? 1 : i / 24 == 1 ? 100 : sizeof bytes;
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_read);
        expect_text(LB_END);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

/* Who reads exactly the decoded bytes has read to the end, if the end is there. */
static void script_read_exactly(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    assert_true(lb_response_size(response) == LB_SIZE_UNKNOWN);
    size = 0;
    while (size < TEXT_SIZE) {
        status = read_some(TEXT_SIZE - size);
    }
    expect_text(LB_END);
    fixture_expect_stats(1, 0, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_end_comes_with_the_last_decoded_bytes(void **state)
{
    (void)state;
    for (enum framing framing = LENGTH; framing <= CHUNKED; framing++) {
        fixture_begin(0, NULL, 0);
        answer("Content-Encoding: gzip\r\n", framing);
        answer_cut(wire_size, false);
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_read_exactly);
        fixture_run(script_read_exactly);
        assert_int_equal(lb_net_log_count(fixture.net), 1);
        fixture_run(fixture_close);
    }
}

/* A read brings what there is, and does not wait for its room to be filled. */
static void script_read_what_is_there(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size = 0;
    assert_int_equal(read_some(sizeof bytes), LB_OK);
    assert_true(size > 0);
    assert_int_equal(lb_sim_now(fixture.sim), 0);
    while (size < TEXT_SIZE) {
        status = read_some(sizeof bytes - size);
    }
    expect_text(LB_END);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_coded_brings_what_is_there(void **state)
{
    (void)state;
    for (enum framing framing = LENGTH; framing <= CHUNKED; framing++) {
        fixture_begin(0, NULL, 0);
        answer("Content-Encoding: gzip\r\n", framing);
        size_t cut = head_size + coded_size / 2;
        answer_cut(cut, false);
        fixture.answers[0].parts[1] =
            (struct fixture_part){FIXTURE_MS, wire + cut, wire_size - cut, false};
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_read_what_is_there);
        fixture_run(fixture_close);
    }
}

/* F8: when the coding has ended, the body goes on until its framing ends. */
static void test_body_coding_s_end_is_not_the_body_s(void **state)
{
    (void)state;
    room = sizeof bytes;
    answer("Content-Encoding: gzip\r\n", CHUNKED);
    for (size_t cut = wire_size - 5; cut < wire_size; cut++) { /* in the last chunk */
        fixture_begin(0, NULL, 0);
        answer_cut(cut, true);
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_read);
        expect_text(LB_INCOMPLETE);
        assert_int_equal(size, TEXT_SIZE);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

static void test_body_coded_cut_everywhere(void **state)
{
    (void)state;
    for (enum framing framing = LENGTH; framing <= UNTIL_CLOSE; framing++) {
        answer("Content-Encoding: gzip\r\n", framing);
        for (size_t cut = head_size; cut < wire_size; cut += 3) {
            bool is_empty = framing == UNTIL_CLOSE && cut == head_size;
            fixture_begin(0, NULL, 0);
            answer_cut(cut, true);
            room = cut % 3 == 0 ? 7 : 1000;
            assert_int_equal(fixture_open(), LB_OK);
            fixture_run(script_read);
            assert_int_equal(status, is_empty ? LB_END : LB_INCOMPLETE);
            assert_memory_equal(bytes, text, size);
            fixture_run(fixture_close);
            fixture_expect_nothing_left();
        }
    }
}

/* The framing is whole, the coding is not: the body fails, and its connection with it. */
static void test_body_coding_cut_in_a_whole_message(void **state)
{
    (void)state;
    coded_size -= 1;
    answer("Content-Encoding: gzip\r\n", LENGTH);
    answer_cut(wire_size, false);
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_read);
    expect_text(LB_INCOMPLETE);
    assert_int_equal(size, TEXT_SIZE);
    assert_int_equal(fixture_shut_time(0), 0);
}

static void test_body_of_garbage(void **state)
{
    (void)state;
    memcpy(coded, "this is no gzip", 15);
    coded_size = 15;
    answer("Content-Encoding: gzip\r\n", CHUNKED);
    answer_cut(wire_size, false);
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_read);
    expect_text(LB_PROTOCOL);
    assert_int_equal(size, 0);
    assert_int_equal(fixture_shut_time(0), 0);
}

static void test_body_tail_as_the_options_say(void **state)
{
    (void)state;
    memcpy(coded + coded_size, "tail", 4);
    coded_size += 4;
    answer("Content-Encoding: gzip\r\n", CHUNKED);
    for (int i = 0; i < 2; i++) {
        fixture_begin(0, NULL, 0);
        answer_cut(wire_size, false);
        fixture.options.gzip_tail = i == 0 ? LB_GZIP_TAIL_MEMBERS : LB_GZIP_TAIL_DROPPED;
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_read);
        expect_text(i == 0 ? LB_PROTOCOL : LB_END);
        assert_int_equal(size, TEXT_SIZE);
        fixture_run(fixture_close);
    }
}

/* What was not asked for is given out as it came. */
static void script_raw(void *argument)
{
    const char *field_name = argument;
    struct lb_field field = {field_name, "bytes=0-"};
    struct lb_request_options options = {.method = "GET",
                                         .endpoint = {"http", "a", 80},
                                         .target = "/",
                                         .deadline_ns = LB_NEVER,
                                         .fields = &field,
                                         .field_count = field_name == NULL ? 0 : 1};
    assert_int_equal(lb_request_new(fixture.transport, &options, &request), LB_OK);
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    assert_false(lb_response_is_decoded(response));
    assert_int_equal(lb_response_size(response), coded_size);
    read_all();
    assert_int_equal(status, LB_END);
    assert_int_equal(size, coded_size);
    assert_memory_equal(bytes, coded, coded_size);
    lb_request_free(&request);
    fixture.done_count++;
}

static void script_raw_range(void *argument)
{
    char name[] = "range";
    (void)argument;
    script_raw(name);
}

static void script_raw_accept(void *argument)
{
    char name[] = "ACCEPT-encoding";
    (void)argument;
    script_raw(name);
}

static void test_body_not_asked_for_is_not_decoded(void **state)
{
    static const lb_worker_fn scripts[] = {script_raw, script_raw_range, script_raw_accept};
    (void)state;
    answer("Content-Encoding: gzip\r\n", LENGTH);
    for (size_t i = 0; i < 3; i++) {
        fixture_begin(0, NULL, 0);
        answer_cut(wire_size, false);
        fixture.options.is_gzip_off = i == 0;
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(scripts[i]);
        assert_false(log_has(0, "Accept-Encoding: gzip, deflate"));
        fixture_run(fixture_close);
    }
}

static void test_body_of_two_codings_is_not_decoded(void **state)
{
    static const char *const fields[] = {"Content-Encoding: gzip, gzip\r\n",
                                         "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n",
                                         "Content-Encoding: br\r\n"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fixture_begin(0, NULL, 0);
        answer(fields[i], LENGTH);
        answer_cut(wire_size, false);
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_raw);
        fixture_run(fixture_close);
    }
}

static void script_head(void *argument)
{
    (void)argument;
    request = fixture_make("a", "HEAD");
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    assert_false(lb_response_is_decoded(response));
    assert_int_equal(lb_response_size(response), coded_size);
    read_all();
    assert_int_equal(status, LB_END);
    assert_int_equal(size, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_of_head_is_not_decoded(void **state)
{
    (void)state;
    answer("Content-Encoding: gzip\r\n", LENGTH);
    answer_cut(head_size, false);
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_head);
    assert_false(log_has(0, "Accept-Encoding"));
}

static void script_bodiless(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    assert_false(lb_response_is_decoded(response));
    assert_int_equal(lb_response_size(response), 0);
    read_all();
    assert_int_equal(status, LB_END);
    assert_int_equal(size, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_that_is_none_is_not_decoded(void **state)
{
    (void)state;
    answer_text("HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n");
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_bodiless);
    answer_text(OK200 "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
    fixture_run(script_bodiless);
}

static void script_close_failing(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size = 0;
    assert_int_equal(read_some(10), LB_OK);
    lb_body_close(lb_response_body(response));
    fixture_expect_stats(0, 0, 0); /* at once: it is not worth a drain */
    lb_request_free(&request);
    fixture.done_count++;
}

/* The message is over, well or badly, but not all of it has been decoded when its body is closed. */
static void script_close_decoding(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size = 0;
    assert_int_equal(read_some(10), LB_OK);
    lb_body_close(lb_response_body(response));
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    fixture_expect_stats(1, 0, 0);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_closed_while_decoding_is_drained(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        fixture_begin(0, NULL, 0);
        answer("Content-Encoding: gzip\r\n", i == 0 ? LENGTH : CHUNKED);
        wire[wire_size - 1] = i == 2 ? 'X' : wire[wire_size - 1]; /* behind the last chunk */
        assert_true(wire_size < 4096);
        answer_cut(wire_size, false);
        fixture.options.drain_size_max = 1;
        assert_int_equal(fixture_open(), LB_OK);
        if (i == 2) { /* the reader has met the fault, the caller has not */
            fixture_run(script_close_failing);
        } else {
            fixture_run(script_close_decoding);
        }
        assert_int_equal(fixture_shut_time(0), i == 2 ? 0 : LB_NEVER);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

/* -- the decoder's memory -- */

/* How a body that is being decoded ends. */
static enum { BY_END, BY_CLOSE, BY_CANCEL, BY_FREE } ending;

static void script_memory(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size_t before = fixture_memory_size();
    size = 0;
    assert_int_equal(read_some(10), LB_OK);
    assert_true(fixture_memory_size() > before + 30000);
    switch (ending) {
    case BY_END:
        read_all();
        assert_int_equal(fixture_memory_size(), before);
        break;
    case BY_CLOSE:
        lb_body_close(lb_response_body(response));
        assert_true(fixture_memory_size() <= before);
        break;
    case BY_CANCEL:
        lb_request_cancel(request);
        assert_true(fixture_memory_size() <= before);
        break;
    case BY_FREE:
        break;
    }
    lb_request_free(&request);
    assert_true(fixture_memory_size() < before);
    fixture.done_count++;
}

static void test_body_decoder_is_released(void **state)
{
    (void)state;
    answer("Content-Encoding: gzip\r\n", LENGTH);
    for (ending = BY_END; ending <= BY_FREE; ending++) {
        for (uint64_t drain_size_max = 0; drain_size_max <= 10000; drain_size_max += 10000) {
            fixture_begin(0, NULL, 0);
            answer_cut(wire_size, false);
            fixture.options.drain_size_max = drain_size_max;
            assert_int_equal(fixture_open(), LB_OK);
            fixture_run(script_memory);
            fixture_run(fixture_close);
            fixture_expect_nothing_left();
        }
    }
}

/* A reader is inside the decoder while the body ends: the memory waits for him. */
static void script_reader(void *argument)
{
    (void)argument;
    read_all();
    fixture.done_count++;
}

static void script_end_beside_a_reader(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size_t before = fixture_memory_size();
    fixture_spawn("reader", script_reader);
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    assert_true(size > 0);
    assert_true(fixture_memory_size() > before + 30000);
    switch (ending) {
    case BY_END:
    case BY_CLOSE:
        lb_body_close(lb_response_body(response));
        break;
    case BY_CANCEL:
        lb_request_cancel(request);
        break;
    case BY_FREE:
        fixture_close(NULL);
        return;
    }
    lb_sim_wait_quiet(fixture.sim, LB_SITE_CALLER_QUIET);
    assert_true(fixture_memory_size() <= before);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_ends_beside_a_reader_of_coded_bytes(void **state)
{
    (void)state;
    answer("Content-Encoding: gzip\r\n", LENGTH);
    for (ending = BY_CLOSE; ending <= BY_FREE; ending++) {
        fixture_begin(0, NULL, 0);
        answer_cut(head_size + coded_size / 2, false);
        fixture.options.drain_size_max = 10000;
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_end_beside_a_reader);
        assert_int_equal(fixture.done_count, 2);
        expect_text(ending == BY_CANCEL ? LB_CANCELLED : LB_CLOSED);
        if (ending != BY_FREE) {
            fixture_run(fixture_close);
        }
        fixture_expect_nothing_left();
    }
}

/* Two readers take turns; together they get it all, and both the end. */
static void script_second(void *argument)
{
    char own[TEXT_SIZE];
    enum lb_status result = LB_OK;
    (void)argument;
    while (result == LB_OK) {
        size_t stored = 0;
        result = lb_body_read(lb_response_body(response), own, sizeof own, &stored);
        size += stored;
    }
    assert_int_equal(result, LB_END);
    fixture.done_count++;
}

static void script_two_readers(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size = 0;
    fixture_spawn("second", script_second);
    fixture_spawn("third", script_second);
    lb_sim_wait_settled(fixture.sim, LB_SITE_CALLER_SETTLE);
    assert_int_equal(size, TEXT_SIZE);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_coded_two_readers(void **state)
{
    (void)state;
    answer("Content-Encoding: gzip\r\n", LENGTH);
    answer_cut(head_size + 100, false);
    fixture.answers[0].parts[1] = (struct fixture_part){FIXTURE_MS, wire + head_size + 100,
                                                        wire_size - head_size - 100, false};
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_two_readers);
    assert_int_equal(fixture.done_count, 3);
}

/* script_simple: a get and a read of all; keeps the first failure. */
static void script_simple(void *argument)
{
    struct lb_request_options options = {
        .method = "GET", .endpoint = {"http", "a", 80}, .target = "/", .deadline_ns = LB_NEVER};
    (void)argument;
    request = NULL;
    status = lb_request_new(fixture.transport, &options, &request);
    status = status == LB_OK ? lb_request_send(request, &response) : status;
    if (status == LB_OK) {
        read_all();
        assert_memory_equal(bytes, text, size);
    }
    lb_request_free(&request);
    fixture_close(NULL);
}

static void test_body_survives_every_memory_failure(void **state)
{
    bool has_failed = true;
    size_t n = 0;
    (void)state;
    answer("Content-Encoding: gzip\r\n", CHUNKED);
    wire_size -= 2;
    wire_add("A: b\r\n\r\n", 8);
    while (has_failed) {
        fixture_begin(++n, NULL, 0);
        answer_cut(wire_size, false);
        status = fixture_open();
        if (status == LB_OK) {
            fixture_run(script_simple);
        }
        has_failed = fixture_has_failed();
        assert_int_equal(status, has_failed ? LB_MEMORY : LB_END);
        fixture_expect_nothing_left();
    }
    assert_int_equal(n, 11); /* transport, head, request, host, connection, fields, decoder, zlib's
                              * state and window, trailers, and the run in which none fails */
}

/* -- trailers -- */

static void script_trailers(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size = 0;
    assert_null(lb_response_trailer(response, "A"));
    assert_int_equal(read_some(4), LB_OK);
    assert_null(lb_response_trailer(response, "A"));
    assert_int_equal(read_some(1), LB_END);
    assert_string_equal(lb_response_trailer(response, "a"), "one");
    assert_string_equal(lb_response_trailer(response, "B"), "");
    assert_null(lb_response_trailer(response, "Content-Type"));
    assert_null(lb_response_trailer(response, "C"));
    assert_null(lb_response_header(response, "A"));
    lb_body_close(lb_response_body(response));
    assert_string_equal(lb_response_trailer(response, "A"), "one");
    lb_request_free(&request);
    fixture.done_count++;
}

#define CHUNKED_HEAD OK200 "Transfer-Encoding: chunked\r\n\r\n"

static void test_body_trailers_behind_the_end(void **state)
{
    (void)state;
    answer_text(CHUNKED_HEAD
                "5\r\nhello\r\n0\r\nA: one\r\nContent-Type: x\r\nB:\r\nA: two\r\n\r\n");
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_trailers);
    fixture_run(script_trailers);
    assert_int_equal(lb_net_log_count(fixture.net), 1);
}

/* script_no_trailers: whatever becomes of the body, there are none. */
static void script_no_trailers(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    read_all();
    assert_null(lb_response_trailer(response, "A"));
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_trailers_only_of_a_whole_body(void **state)
{
    static const struct {
        const char *whole;
        enum lb_status status;
    } rows[] = {
        {CHUNKED_HEAD "5\r\nhello\r\n0\r\nA: one\r\nno colon\r\n\r\n", LB_PROTOCOL},
        {CHUNKED_HEAD "5\r\nhello\r\n0\r\nA: one\r\n folded\r\n\r\n", LB_PROTOCOL},
        {CHUNKED_HEAD "5\r\nhello\r\n0\r\nA: one\r\nB: 0123456789012345678901234567890123456789"
                      "0123456789012345678901234567890123456789\r\n\r\n",
         LB_LIMIT},
        {CHUNKED_HEAD "5\r\nhello\r\n0\r\nA: one\r\n", LB_INCOMPLETE},
        {CHUNKED_HEAD "5\r\nhello\r\n0\r\n\r\n", LB_END},
        {OK200 "Trailer: A\r\nContent-Length: 5\r\n\r\nhello", LB_END},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_begin(0, NULL, 0);
        answer_text(rows[i].whole);
        fixture.answers[0].parts[0].is_close = rows[i].status == LB_INCOMPLETE;
        fixture.options.head_size_max = 80;
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_no_trailers);
        assert_int_equal(status, rows[i].status);
        assert_int_equal(size, 5);
        fixture_run(fixture_close);
        fixture_expect_nothing_left();
    }
}

static void script_count_allocations(void *argument)
{
    (void)argument;
    request = fixture_get("a", &response);
    size_t alloc_count = fixture_alloc_count();
    read_all();
    assert_int_equal(status, LB_END);
    assert_int_equal(fixture_alloc_count(), alloc_count);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_plain_needs_no_memory(void **state)
{
    (void)state;
    answer_text(CHUNKED_HEAD "5\r\nhello\r\n0\r\n\r\n");
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_count_allocations);
}

/* -- what a response says of itself -- */

static void script_fields(void *argument)
{
    static const char *const expected[][2] = {
        {"A", "one"}, {"Content-Length", "5"}, {"B", ""}, {"a", "two"}};
    struct lb_field field = {NULL, NULL};
    (void)argument;
    request = fixture_get("a", &response);
    for (size_t i = 0; i < 4; i++) {
        assert_true(lb_response_field(response, i, &field));
        assert_string_equal(field.name, expected[i][0]);
        assert_string_equal(field.value, expected[i][1]);
    }
    assert_false(lb_response_field(response, 4, &field));
    assert_false(lb_response_field(response, SIZE_MAX, &field));
    assert_string_equal(field.value, "two");
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_fields_in_order(void **state)
{
    (void)state;
    answer_text(OK200 "A: one\r\nContent-Length: 5\r\nB:\r\na: two\r\n\r\nhello");
    assert_int_equal(fixture_open(), LB_OK);
    fixture_run(script_fields);
}

#define EARLY "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"

static const char *method; /* of script_size */
static uint64_t said_size; /* what lb_response_size gave */

static void script_size(void *argument)
{
    struct lb_field field;
    (void)argument;
    request = fixture_make("a", method);
    assert_int_equal(lb_request_send(request, &response), LB_OK);
    said_size = lb_response_size(response);
    assert_int_equal(lb_response_field(response, 0, &field),
                     lb_response_header(response, "Content-Length") != NULL ||
                         lb_response_header(response, "Transfer-Encoding") != NULL);
    lb_request_free(&request);
    fixture.done_count++;
}

static void test_body_size_as_the_head_says(void **state)
{
    static const struct {
        const char *method;
        const char *whole;
        uint64_t size;
    } rows[] = {
        {"GET", OK200 "Content-Length: 5\r\n\r\nhello", 5},
        {"GET", OK200 "Content-Length: 0\r\n\r\n", 0},
        {"GET", CHUNKED_HEAD "0\r\n\r\n", LB_SIZE_UNKNOWN},
        {"GET", OK200 "\r\nhello", LB_SIZE_UNKNOWN},
        {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 0},
        {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 0},
        {"GET", EARLY CHUNKED_HEAD "0\r\n\r\n", LB_SIZE_UNKNOWN},
        {"GET", EARLY OK200 "\r\nhello", LB_SIZE_UNKNOWN},
        {"GET", EARLY OK200 "Content-Length: 5\r\n\r\nhello", 5},
        {"HEAD", EARLY OK200 "\r\n", LB_SIZE_UNKNOWN},
        {"HEAD", OK200 "Content-Length: 5\r\n\r\n", 5},
        {"HEAD", OK200 "\r\n", LB_SIZE_UNKNOWN},
        {"HEAD", CHUNKED_HEAD, LB_SIZE_UNKNOWN},
        {"HEAD", "HTTP/1.1 204 No Content\r\n\r\n", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture_begin(0, NULL, 0);
        answer_text(rows[i].whole);
        method = rows[i].method;
        assert_int_equal(fixture_open(), LB_OK);
        fixture_run(script_size);
        assert_true(said_size == rows[i].size);
        fixture_run(fixture_close);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_body_is_decoded),
        TEST(test_body_is_decoded_however_it_is_cut),
        TEST(test_body_end_comes_with_the_last_decoded_bytes),
        TEST(test_body_coded_brings_what_is_there),
        TEST(test_body_coding_s_end_is_not_the_body_s),
        TEST(test_body_coded_cut_everywhere),
        TEST(test_body_coding_cut_in_a_whole_message),
        TEST(test_body_of_garbage),
        TEST(test_body_tail_as_the_options_say),
        TEST(test_body_not_asked_for_is_not_decoded),
        TEST(test_body_of_two_codings_is_not_decoded),
        TEST(test_body_of_head_is_not_decoded),
        TEST(test_body_that_is_none_is_not_decoded),
        TEST(test_body_closed_while_decoding_is_drained),
        TEST(test_body_decoder_is_released),
        TEST(test_body_ends_beside_a_reader_of_coded_bytes),
        TEST(test_body_coded_two_readers),
        TEST(test_body_survives_every_memory_failure),
        TEST(test_body_trailers_behind_the_end),
        TEST(test_body_trailers_only_of_a_whole_body),
        TEST(test_body_plain_needs_no_memory),
        TEST(test_body_fields_in_order),
        TEST(test_body_size_as_the_head_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
