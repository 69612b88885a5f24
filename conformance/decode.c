/*
 * The reference decoder of content codings: the whole body in one call of zlib, so that it knows no
 * buffers and no moments. RFC 1952 section 2.2 (members), RFC 9110 section 8.4.1.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/assert.h"
#include "model.h"

#define DECODED_MAX ((size_t)64 << 20) /* what grows beyond it is not known */
#define WINDOW_BITS 15
#define WINDOW_GZIP 16 /* added: a gzip and nothing else */

/* The output, which grows. */
struct output {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

/* output_room: at least half as much room as there is output. */
static void output_room(struct output *output)
{
    if (output->capacity - output->size < output->capacity / 2 + 64) {
        size_t capacity = output->capacity * 2 + 256;
        uint8_t *bytes = realloc(output->bytes, capacity);
        LB_ASSERT(bytes != NULL);
        output->bytes = bytes;
        output->capacity = capacity;
    }
}

/* member_inflate: one member, to its end or as far as it goes; what zlib says at last. */
static int member_inflate(z_stream *stream, struct output *output)
{
    int code = Z_OK;
    while (code == Z_OK && output->size < DECODED_MAX) {
        output_room(output);
        size_t room = output->capacity - output->size;
        stream->next_out = output->bytes + output->size;
        stream->avail_out = (uInt)room;
        code = inflate(stream, Z_SYNC_FLUSH);
        output->size += room - stream->avail_out;
    }
    return code;
}

/* is_member: whether a further member can begin here. */
static bool is_member(const z_stream *stream)
{
    return stream->next_in[0] == 0x1f && (stream->avail_in == 1 || stream->next_in[1] == 0x8b);
}

/* members_inflate: member after member; sets the marks of the model. */
static void members_inflate(struct lb_model *model, z_stream *stream, bool is_tail_dropped,
                            struct output *output)
{
    bool is_gzip = model->coding == LB_MODEL_GZIP;
    for (;;) {
        int code = member_inflate(stream, output);
        if (code == Z_OK) {
            model->is_known = false; /* too much to say */
            return;
        }
        if (code != Z_STREAM_END) {
            model->is_coding_cut = code == Z_BUF_ERROR;
            model->is_coding_wrong = code != Z_BUF_ERROR;
            return;
        }
        if (stream->avail_in == 0 || is_tail_dropped) {
            return;
        }
        if (!is_gzip || !is_member(stream)) {
            model->is_coding_wrong = true;
            return;
        }
        code = inflateReset(stream);
        LB_ASSERT(code == Z_OK);
    }
}

void lb_model_decode(struct lb_model *model, const uint8_t *coded, bool is_tail_dropped,
                     uint8_t **ret_body)
{
    z_stream stream;
    struct output output = {NULL, 0, 0};
    bool is_gzip = model->coding == LB_MODEL_GZIP;
    *ret_body = NULL;
    /* A deflate without zlib's frame is sent by some; clients differ about it. */
    bool is_bare =
        model->coding == LB_MODEL_DEFLATE && (model->body_size < 2 || (coded[0] & 0x0f) != 8 ||
                                              ((unsigned)coded[0] << 8 | coded[1]) % 31 != 0);
    if (model->coding == LB_MODEL_OTHER || is_bare || model->body_size == 0) {
        model->is_known = model->is_known && model->coding == LB_MODEL_OTHER;
        return;
    }
    memset(&stream, 0, sizeof stream);
    int code = inflateInit2(&stream, WINDOW_BITS + (is_gzip ? WINDOW_GZIP : 0));
    LB_ASSERT(code == Z_OK);
    stream.next_in = (z_const Bytef *)coded;
    stream.avail_in = (uInt)model->body_size;
    members_inflate(model, &stream, is_tail_dropped, &output);
    if (is_gzip && coded[0] != 0x1f) {
        model->is_coding_wrong = true; /* though zlib may wait for the second byte to say so */
    }
    inflateEnd(&stream);
    model->is_decoded = true;
    model->body_size = output.size;
    output_room(&output);
    *ret_body = output.bytes;
}
