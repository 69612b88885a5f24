/*
 * Content codings over zlib.
 *
 *   BEFORE -- first byte --> MEMBER -- its end --> BEHIND -- another member's first byte --> MEMBER
 *
 * BEFORE   nothing has come: a body of no bytes at all is an empty body.
 * MEMBER   inside a member (of deflate there is one): the end of the body here is a cut.
 * BEHIND   behind a member: the end of the body here is its end; what comes is a tail.
 *
 * The ratio (B4) bounds what is given out by what has been taken: at no time more than
 * LBI_DECODED_FREE, or the ratio times the coded bytes that zlib has consumed, whichever is more. zlib
 * is given no room beyond that; when it has consumed all it can without room, and the bound has not
 * moved, the body is over. So it does not matter how the bytes are cut.
 *
 * Decoding with no room left is lawful: inflate() then walks on through what stores nothing, the
 * checks included, and stops at the first byte that it would have to store.
 */
#define ZLIB_CONST
#include "wire/coding.h"

#include <stdalign.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "core/assert.h"
#include "core/limits.h"

#define CODING_MAGIC 0x636f6465u
#define CODING_WINDOW_BITS 15 /* the largest: any sender's will do */
#define CODING_GZIP_BITS 16   /* added: a gzip header and trailer, nothing else */

enum coding_state { CODING_BEFORE, CODING_MEMBER, CODING_BEHIND };

struct lbi_coding {
    uint32_t magic;
    enum coding_state state;
    struct lb_memory *memory;
    struct lbi_coding_options options;
    enum lb_status framing; /* how it stands behind the input: LB_OK, LB_END or an error */
    uint64_t coded_size;    /* bytes that zlib has consumed */
    uint64_t decoded_size;  /* bytes given out */
    z_stream stream;
    size_t input_start, input_end;
    char input[LBI_INPUT_SIZE];
};

/* In front of each of zlib's blocks, which it releases without their size. */
union coding_block {
    size_t size; /* this header included */
    max_align_t alignment;
};

static void *coding_alloc(void *opaque, unsigned count, unsigned size)
{
    struct lb_memory *memory = opaque;
    size_t total = sizeof(union coding_block) + (size_t)count * size;
    union coding_block *block = memory->alloc(memory, total);
    if (block == NULL) {
        return NULL;
    }
    block->size = total;
    return block + 1;
}

static void coding_release(void *opaque, void *address)
{
    struct lb_memory *memory = opaque;
    union coding_block *block = (union coding_block *)address - 1;
    memory->release(memory, block, block->size);
}

enum lbi_coding_kind lbi_coding_kind_of(const struct lbi_head *head)
{
    const char *at = head->bytes;
    const char *value = lbi_head_find_next(head, "content-encoding", &at);
    if (value == NULL || lbi_head_find_next(head, "content-encoding", &at) != NULL) {
        return LBI_CODING_NONE;
    }
    if (strcasecmp(value, "gzip") == 0 || strcasecmp(value, "x-gzip") == 0) {
        return LBI_CODING_GZIP;
    }
    return strcasecmp(value, "deflate") == 0 ? LBI_CODING_DEFLATE : LBI_CODING_NONE;
}

enum lb_status lbi_coding_new(struct lb_memory *memory, const struct lbi_coding_options *options,
                              struct lbi_coding **ret_coding)
{
    LB_ASSERT(options->kind != LBI_CODING_NONE);
    struct lbi_coding *coding = memory->alloc(memory, sizeof *coding);
    if (coding == NULL) {
        return LB_MEMORY;
    }
    memset(coding, 0, offsetof(struct lbi_coding, input));
    coding->magic = CODING_MAGIC;
    coding->memory = memory;
    coding->options = *options;
    coding->stream.zalloc = coding_alloc;
    coding->stream.zfree = coding_release;
    coding->stream.opaque = memory;
    int bits = CODING_WINDOW_BITS + (options->kind == LBI_CODING_GZIP ? CODING_GZIP_BITS : 0);
    int result = inflateInit2(&coding->stream, bits);
    if (result != Z_OK) {
        LB_ASSERT(result == Z_MEM_ERROR);
        memory->release(memory, coding, sizeof *coding);
        return LB_MEMORY;
    }
    *ret_coding = coding;
    return LB_OK;
}

void lbi_coding_free(struct lbi_coding **coding_pointer)
{
    struct lbi_coding *coding = *coding_pointer;
    *coding_pointer = NULL;
    if (coding == NULL) {
        return;
    }
    LB_ASSERT(coding->magic == CODING_MAGIC);
    int result = inflateEnd(&coding->stream);
    LB_ASSERT(result == Z_OK);
    coding->magic = 0;
    coding->memory->release(coding->memory, coding, sizeof *coding);
}

char *lbi_coding_room(struct lbi_coding *coding, size_t *ret_size)
{
    LB_ASSERT(coding->input_start == coding->input_end);
    LB_ASSERT(coding->framing == LB_OK);
    *ret_size = sizeof coding->input;
    return coding->input;
}

void lbi_coding_feed(struct lbi_coding *coding, size_t size, enum lb_status framing)
{
    LB_ASSERT(coding->input_start == coding->input_end);
    LB_ASSERT(coding->framing == LB_OK);
    LB_ASSERT(size <= sizeof coding->input);
    LB_ASSERT(framing != LB_AGAIN);
    coding->input_start = 0;
    coding->input_end = size;
    coding->framing = framing;
}

/* coding_may_begin: whether a member may begin with a byte: ID1 (RFC 1952 section 2.3.1), or CMF with
 * method 8 and a window of at most 32 KiB (RFC 1950 section 2.2). zlib wants two bytes for that. */
static bool coding_may_begin(const struct lbi_coding *coding, char byte)
{
    unsigned char first = (unsigned char)byte;
    bool is_gzip = coding->options.kind == LBI_CODING_GZIP;
    return is_gzip ? first == 0x1f : (first & 0x0f) == 8 && first >> 4 <= 7;
}

/* coding_between: outside a member: the end, another member, or a tail. LB_OK: it goes on. */
static enum lb_status coding_between(struct lbi_coding *coding)
{
    bool is_behind = coding->state == CODING_BEHIND;
    if (coding->input_start == coding->input_end) {
        return coding->framing == LB_OK ? LB_AGAIN : coding->framing;
    }
    if (is_behind && coding->options.tail == LB_GZIP_TAIL_DROPPED) {
        coding->input_start = coding->input_end;
        return LB_OK;
    }
    if (is_behind && coding->options.kind == LBI_CODING_DEFLATE) {
        return LB_PROTOCOL;
    }
    if (!coding_may_begin(coding, coding->input[coding->input_start])) {
        return LB_PROTOCOL;
    }
    if (is_behind) {
        int result = inflateReset(&coding->stream);
        LB_ASSERT(result == Z_OK);
    }
    coding->state = CODING_MEMBER;
    return LB_OK;
}

/* coding_allowance: bytes that may be given out before more coded ones are consumed. */
static uint64_t coding_allowance(const struct lbi_coding *coding)
{
    uint64_t ratio = coding->options.decoded_ratio_max;
    if (ratio == 0 || coding->coded_size > UINT64_MAX / ratio) {
        return UINT64_MAX;
    }
    uint64_t decoded_max = coding->coded_size * ratio;
    decoded_max = decoded_max < LBI_DECODED_FREE ? LBI_DECODED_FREE : decoded_max;
    LB_ASSERT(coding->decoded_size <= decoded_max);
    return decoded_max - coding->decoded_size;
}

/* coding_inflate: a step inside a member. LB_OK: it goes on; LB_AGAIN: room or coded bytes are needed. */
static enum lb_status coding_inflate(struct lbi_coding *coding, char *out, size_t size,
                                     size_t *ret_size)
{
    z_stream *stream = &coding->stream;
    uint64_t allowance = coding_allowance(coding);
    size_t room = size < LBI_DECODED_STEP ? size : LBI_DECODED_STEP;
    room = allowance < room ? (size_t)allowance : room;
    size_t coded = coding->input_end - coding->input_start;
    stream->next_in = (const Bytef *)coding->input + coding->input_start;
    stream->avail_in = (uInt)coded;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    size_t taken = coded - stream->avail_in;
    *ret_size = room - stream->avail_out;
    coding->input_start += taken;
    coding->coded_size += taken;
    coding->decoded_size += *ret_size;
    if (result == Z_STREAM_END) {
        coding->state = CODING_BEHIND;
        return LB_OK;
    }
    if (result == Z_MEM_ERROR) {
        return LB_MEMORY;
    }
    if (result == Z_DATA_ERROR || result == Z_NEED_DICT) {
        return LB_PROTOCOL;
    }
    LB_ASSERT(result == Z_OK || result == Z_BUF_ERROR);
    bool is_held = room < size; /* by the ratio, or by the step */
    if (is_held && (taken > 0 || *ret_size > 0)) {
        return LB_OK;
    }
    return is_held && stream->avail_in > 0 ? LB_LIMIT : LB_AGAIN;
}

enum lb_status lbi_coding_decode(struct lbi_coding *coding, char *out, size_t size,
                                 size_t *ret_size)
{
    LB_ASSERT(coding->magic == CODING_MAGIC);
    LB_ASSERT(out != NULL);
    size_t stored = 0;
    enum lb_status status = LB_OK;
    while (status == LB_OK) {
        size_t given = 0;
        status = coding->state == CODING_MEMBER
                     ? coding_inflate(coding, out + stored, size - stored, &given)
                     : coding_between(coding);
        stored += given;
    }
    *ret_size = stored;
    if (status != LB_AGAIN) {
        return status;
    }
    if (coding->input_start < coding->input_end) {
        LB_ASSERT(stored == size);
        return LB_OK;
    }
    if (coding->framing == LB_OK) {
        return LB_AGAIN;
    }
    if (stored == size) {
        return LB_OK; /* there may be more inside zlib: the next call tells */
    }
    return coding->framing == LB_END ? LB_INCOMPLETE : coding->framing;
}
