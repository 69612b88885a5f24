/*
 * The fuzz target of the codec and of the case language.
 *
 * Surface: codec.c, encode.c, conformance/print.c and parse.c.
 * Input:   a case in bytes (codec.h).
 * Claims:  1 parse(print(c)) is c, and prints as before
 *          2 decode(encode(c)) is c; nothing that was decoded has no bytes
 *          3 encode(decode(x)) is not longer than x, and canonical: it stays as it is
 *          4 c, its text and its canonical bytes make the same trace
 */
#include "page.h"

#include <stdlib.h>
#include <string.h>

/* claim_trace: target->other makes the trace that target->c has made. */
static void claim_trace(struct lb_target *target, struct lb_result *result, const char *context)
{
    lbi_target_run(target, &target->other, NULL, &target->second);
    if (target->second.trace_hash != result->trace_hash) {
        lbi_target_file(result, "trace", context, "what was said anew makes another trace");
    }
}

static void claim_text(struct lb_target *target, struct lb_result *result)
{
    char *text = NULL;
    char *again = NULL;
    size_t size = 0;
    size_t again_size = 0;
    struct lb_case_error error;
    char reason[512];
    lb_case_print(&target->c, &text, &size);
    if (lb_case_parse("fuzz/bytes.case", text, size, &target->other, &error) != LB_OK) {
        lb_case_error_text(&error, reason, sizeof(reason));
        lbi_target_file(result, "text", "does-not-parse", "%.190s", reason);
        free(text);
        return;
    }
    lb_case_print(&target->other, &again, &again_size);
    if (!lb_case_is_equal(&target->c, &target->other)) {
        lbi_target_file(result, "text", "another-case", "the text parses as another case");
    } else if (again_size != size || memcmp(again, text, size) != 0) {
        lbi_target_file(result, "text", "another-text", "the text parses and prints otherwise");
    }
    free(again);
    free(text);
    claim_trace(target, result, "of-the-text");
}

static void claim_bytes(struct lb_target *target, size_t size, struct lb_result *result)
{
    uint8_t canon[LB_CODEC_SIZE_MAX];
    uint8_t again[LB_CODEC_SIZE_MAX];
    size_t canon_size = 0;
    size_t again_size = 0;
    struct lb_codec_error error;
    if (lb_codec_encode(&target->c, canon, sizeof(canon), &canon_size, &error) != LB_OK) {
        lbi_target_file(result, "bytes", "do-not-encode", "%s", error.reason);
        return;
    }
    if (canon_size > size) {
        lbi_target_file(result, "bytes", "longer", "%zu bytes have %zu canonical ones", size,
                        canon_size);
    }
    lb_codec_decode(canon, canon_size, &target->other);
    if (!lb_case_is_equal(&target->c, &target->other)) {
        lbi_target_file(result, "bytes", "another-case", "canonical bytes say another case");
        return;
    }
    if (lb_codec_encode(&target->other, again, sizeof(again), &again_size, &error) != LB_OK ||
        again_size != canon_size || memcmp(again, canon, canon_size) != 0) {
        lbi_target_file(result, "bytes", "not-canonical", "canonical bytes encode otherwise");
    }
    claim_trace(target, result, "of-canonical-bytes");
}

LB_TARGET_PAGE(roundtrip)
{
    lb_codec_decode(bytes, size, &target->c);
    lbi_target_run(target, &target->c, NULL, ret_result);
    claim_text(target, ret_result);
    claim_bytes(target, size, ret_result);
}
