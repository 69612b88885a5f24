/*
 * Tests of how the harness reads and writes messages on its own: requests as servers read them, gzip as
 * they write it, codings undone in one piece, trailer fields, and answers to upgrades.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "case.h"
#include "coding.h"
#include "model.h"
#include "upload.h"

#define HEAD_MAX 256u

/* begin: a request with these fields behind its request line. */
static void begin(struct lb_upload *upload, const char *fields)
{
    char head[HEAD_MAX];
    int size = snprintf(head, sizeof head, "POST / HTTP/1.1\r\n%s\r\n", fields);
    assert_int_equal(lb_upload_head((const uint8_t *)head, (size_t)size), size);
    assert_int_equal(lb_upload_head((const uint8_t *)head, (size_t)size - 1), 0);
    lb_upload_begin(upload, (const uint8_t *)head, (size_t)size);
}

static size_t take(struct lb_upload *upload, const char *bytes, uint64_t limit)
{
    return lb_upload_take(upload, (const uint8_t *)bytes, strlen(bytes), limit);
}

/* pattern: bytes of the standard pattern from `offset` on, as a string. */
static const char *pattern(uint64_t offset, size_t size)
{
    static char text[64];
    assert_true(size < sizeof text);
    for (size_t i = 0; i < size; i++) {
        text[i] = lb_fill_byte(offset + i);
    }
    text[size] = '\0';
    return text;
}

static void test_upload_reads_heads(void **state)
{
    (void)state;
    struct lb_upload upload;
    begin(&upload, "Host: a\r\n");
    assert_int_equal(upload.state, LB_UPLOAD_OVER);
    assert_false(upload.has_body);
    begin(&upload, "content-length: 0\r\nConnection: close\r\nExpect: 100-continue\r\n");
    assert_int_equal(upload.state, LB_UPLOAD_OVER);
    assert_true(upload.has_body);
    assert_true(upload.is_close);
    assert_true(upload.is_expect);
    assert_false(upload.is_http10);
    begin(&upload, "Content-Length: 5\r\n");
    assert_int_equal(upload.state, LB_UPLOAD_DATA);
    assert_int_equal(upload.left, 5);
    begin(&upload, "Transfer-Encoding: chunked\r\n");
    assert_int_equal(upload.state, LB_UPLOAD_SIZE_LINE);
    static const char *const broken[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: \r\n",
        "Transfer-Encoding: gzip\r\n",
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        begin(&upload, broken[i]);
        assert_int_equal(upload.state, LB_UPLOAD_BROKEN);
    }
    lb_upload_begin(&upload, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", 18);
    assert_true(upload.is_http10);
}

static void test_upload_reads_known_lengths(void **state)
{
    (void)state;
    struct lb_upload upload;
    begin(&upload, "Content-Length: 7\r\n");
    assert_int_equal(take(&upload, pattern(0, 9), 3), 3);
    assert_int_equal(upload.state, LB_UPLOAD_DATA);
    assert_int_equal(take(&upload, pattern(3, 9), UINT64_MAX), 4);
    assert_int_equal(upload.state, LB_UPLOAD_OVER);
    assert_int_equal(upload.offset, 7);
    assert_false(upload.is_other);
    assert_int_equal(take(&upload, "GET", UINT64_MAX), 0);
    begin(&upload, "Content-Length: 7\r\n");
    assert_int_equal(take(&upload, pattern(1, 7), UINT64_MAX), 7);
    assert_true(upload.is_other);
}

static void test_upload_reads_chunks_byte_by_byte(void **state)
{
    (void)state;
    char wire[128];
    int size = snprintf(wire, sizeof wire, "5\r\n%s\r\n", pattern(0, 5));
    size +=
        snprintf(wire + size, sizeof wire - (size_t)size, "0a\r\n%s\r\n0\r\n\r\n", pattern(5, 10));
    for (size_t step = 1; step < (size_t)size; step++) {
        struct lb_upload upload;
        begin(&upload, "Transfer-Encoding: chunked\r\n");
        size_t at = 0;
        for (size_t end = step; at < (size_t)size; end += step) {
            size_t here = end < (size_t)size ? end : (size_t)size;
            at += lb_upload_take(&upload, (const uint8_t *)wire + at, here - at, UINT64_MAX);
            assert_true((upload.state == LB_UPLOAD_OVER) == (at == (size_t)size));
        }
        assert_int_equal(upload.offset, 15);
        assert_false(upload.is_other);
    }
}

static void test_upload_breaks_on_other_chunks(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "x\r\n", "\r\n", "5;a=b\r\n", "5\r\nABCDEF", "123456789\r\n", "0\r\nA: b\r\n", "5\rA"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct lb_upload upload;
        begin(&upload, "Transfer-Encoding: chunked\r\n");
        (void)take(&upload, broken[i], UINT64_MAX);
        assert_int_equal(upload.state, LB_UPLOAD_BROKEN);
    }
}

/* read_coded: the model of a coded body that is delimited by its length. */
static void read_coded(const char *coding, const uint8_t *coded, size_t size, bool is_tail_dropped,
                       struct lb_model *ret_model, uint8_t **ret_body)
{
    uint8_t *wire = malloc(size + HEAD_MAX);
    uint8_t *body = malloc(size + HEAD_MAX);
    assert_non_null(wire);
    assert_non_null(body);
    int head = snprintf((char *)wire, HEAD_MAX,
                        "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                        coding, size);
    memcpy(wire + head, coded, size);
    lb_model_read(wire, (size_t)head + size, false, false, body, ret_model);
    assert_true(ret_model->is_complete);
    lb_model_decode(ret_model, body, is_tail_dropped, ret_body);
    free(wire);
    free(body);
}

static void test_gzip_is_what_zlib_reads(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = lb_gzip_size(sizes[i]);
        uint8_t *coded = malloc(size);
        struct lb_model model;
        uint8_t *body = NULL;
        assert_non_null(coded);
        lb_gzip_write(7, sizes[i], coded);
        read_coded("gzip", coded, size, false, &model, &body);
        assert_true(model.is_decoded);
        assert_false(model.is_coding_cut);
        assert_false(model.is_coding_wrong);
        assert_int_equal(model.body_size, sizes[i]);
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(body[j], lb_fill_byte(7 + j));
        }
        free(body);
        free(coded);
    }
    assert_int_equal(lb_gzip_size(100), 123);
    assert_int_equal(lb_gzip_size(65536), 65536 + 28);
}

static void test_decode_tells_cut_from_wrong(void **state)
{
    (void)state;
    uint8_t coded[2 * 43];
    uint8_t *body = NULL;
    struct lb_model model;
    lb_gzip_write(0, 20, coded);
    for (size_t size = 1; size < 43; size++) {
        read_coded("GZIP", coded, size, false, &model, &body);
        assert_true(model.is_coding_cut);
        assert_false(model.is_coding_wrong);
        assert_true(model.body_size <= 20);
        free(body);
    }
    lb_gzip_write(20, 20, coded + 43);
    read_coded("x-gzip", coded, 86, false, &model, &body);
    assert_int_equal(model.body_size, 40);
    free(body);
    read_coded("gzip", coded, 86, true, &model, &body);
    assert_int_equal(model.body_size, 20);
    free(body);
    coded[43] = 'x';
    read_coded("gzip", coded, 44, false, &model, &body);
    assert_true(model.is_coding_wrong);
    free(body);
    coded[40] ^= 1; /* of the check sum or the size */
    read_coded("gzip", coded, 43, false, &model, &body);
    assert_true(model.is_coding_wrong);
    assert_int_equal(model.body_size, 20);
    free(body);
}

static void test_decode_claims_nothing_about_the_rest(void **state)
{
    (void)state;
    uint8_t *body = NULL;
    struct lb_model model;
    read_coded("br", (const uint8_t *)"abc", 3, false, &model, &body);
    assert_null(body);
    assert_true(model.is_known);
    assert_false(model.is_decoded);
    read_coded("deflate", (const uint8_t *)"\x4b\x04\x00", 3, false, &model, &body);
    assert_null(body);
    assert_false(model.is_known);
}

static void test_trailer_fields_are_found(void **state)
{
    (void)state;
    static const char wire[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
                               "0\r\nDigest: one\r\nA:  two words \r\n\r\nHTTP";
    uint8_t body[sizeof wire];
    struct lb_model model;
    const uint8_t *bytes = (const uint8_t *)wire;
    lb_model_read(bytes, sizeof wire - 1, false, false, body, &model);
    assert_true(model.is_complete);
    assert_int_equal(model.end, sizeof wire - 1 - 4);
    assert_true(lb_model_trailer(&model, bytes, "digest", "one"));
    assert_true(lb_model_trailer(&model, bytes, "A", "two words"));
    assert_false(lb_model_trailer(&model, bytes, "A", "two"));
    assert_false(lb_model_trailer(&model, bytes, "Transfer-Encoding", "chunked"));
}

static void test_upgrades_are_final_when_asked_for(void **state)
{
    (void)state;
    static const char wire[] = "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n"
                               "Connection: upgrade\r\nUpgrade: x-chat\r\n\r\nhello";
    uint8_t body[sizeof wire];
    struct lb_model model;
    const struct lb_model_asked asked = {.is_upgrade = true};
    lb_model_read_as(&asked, (const uint8_t *)wire, sizeof wire - 1, false, body, &model);
    assert_true(model.is_known);
    assert_true(model.is_head_complete);
    assert_false(model.is_complete);
    assert_int_equal(model.framing, LB_MODEL_UPGRADED);
    assert_int_equal(model.body_size, 5);
    assert_memory_equal(body, "hello", 5);
    lb_model_read_as(&asked, (const uint8_t *)wire, sizeof wire - 1, true, body, &model);
    assert_true(model.is_complete);
    lb_model_read((const uint8_t *)wire, sizeof wire - 1, false, false, body, &model);
    assert_false(model.is_known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upload_reads_heads),
        cmocka_unit_test(test_upload_reads_known_lengths),
        cmocka_unit_test(test_upload_reads_chunks_byte_by_byte),
        cmocka_unit_test(test_upload_breaks_on_other_chunks),
        cmocka_unit_test(test_gzip_is_what_zlib_reads),
        cmocka_unit_test(test_decode_tells_cut_from_wrong),
        cmocka_unit_test(test_decode_claims_nothing_about_the_rest),
        cmocka_unit_test(test_trailer_fields_are_found),
        cmocka_unit_test(test_upgrades_are_final_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
