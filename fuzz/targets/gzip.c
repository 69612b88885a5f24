/*
 * The fuzz target of content codings.
 *
 * Surface: the decoder (wire/coding.c) inside the framing, inside the reads.
 * Input:   operations of an encoder, records as in the byte form (enum operation): zlib writes the body,
 *          which is then corrupted, cut, and sent. Never raw coded bytes: mutations of these are refused
 *          at once.
 * Claims:  as of lifecycle; above all what a reference decoder makes of the whole body is what is read (F8).
 *          And a body that was coded and not corrupted comes back as it was.
 */
#include "page.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/assert.h"
#include "draft.h"

#define CODED_MAX 8192u
#define PLAIN_MAX 32768u
#define CHUNKS_MAX 256u
#define WINDOW_GZIP 31 /* of deflateInit2: a gzip of the largest window */
#define WINDOW_ZLIB 15
#define WINDOW_RAW (-15)

/* The operations, modulo their number; operands behind them, 0 if missing. */
enum operation {
    OPERATION_FILL,    /* size: bytes of the pattern */
    OPERATION_SAME,    /* size, byte: all alike */
    OPERATION_FLUSH,   /* kind */
    OPERATION_MEMBER,  /* level, strategy: ends the member, and begins another */
    OPERATION_FORM,    /* 0 gzip, 1 deflate, 2 raw deflate; before anything else */
    OPERATION_CORRUPT, /* at, mask: of the coded bytes, when all is written */
    OPERATION_CUT,     /* n: leaves out the last bytes of the coding */
    OPERATION_TAIL,    /* half a byte's value, n: so many behind the coding */
    OPERATION_CHUNK,   /* size: of chunks; 0: a length */
    OPERATION_SLICE,   /* size: of segments */
    OPERATION_READ,    /* size: what the program reads first */
    OPERATION_TAIL_DROPPED,
    OPERATION_COUNT
};

struct coder {
    z_stream stream;
    bool is_open;
    bool is_clean; /* what was coded is what is sent, whole */
    bool is_tail_dropped;
    int window;
    uint32_t member_count;
    uint32_t chunk;
    uint32_t slice;
    uint32_t read;
    size_t size; /* of coded */
    size_t plain_size;
    uint8_t coded[CODED_MAX];
    uint8_t plain[PLAIN_MAX];
};

/* size_of: an operand as one of the interesting sizes. */
static uint64_t size_of(uint32_t operand)
{
    return lbi_size_cut(lbi_size(operand % LBI_SIZES), UINT32_MAX);
}

static void coder_write(struct coder *coder, const uint8_t *bytes, size_t size, int flush)
{
    coder->stream.next_in = (uint8_t *)(uintptr_t)bytes; /* zlib only reads it */
    coder->stream.avail_in = (uInt)size;
    coder->stream.next_out = coder->coded + coder->size;
    coder->stream.avail_out = (uInt)(CODED_MAX - coder->size);
    int code = deflate(&coder->stream, flush);
    coder->is_clean = coder->is_clean && code != Z_STREAM_ERROR && coder->stream.avail_in == 0 &&
                      coder->stream.avail_out > 0;
    coder->size = CODED_MAX - coder->stream.avail_out;
}

static void coder_open(struct coder *coder, int level, int strategy)
{
    memset(&coder->stream, 0, sizeof(coder->stream));
    int code = deflateInit2(&coder->stream, level, Z_DEFLATED, coder->window, 8, strategy);
    LB_ASSERT(code == Z_OK);
    coder->is_open = true;
    coder->member_count++;
}

static void coder_close(struct coder *coder)
{
    if (coder->is_open) {
        coder_write(coder, NULL, 0, Z_FINISH);
        (void)deflateEnd(&coder->stream);
        coder->is_open = false;
    }
}

/* coder_fill: `size` bytes into the coding: of the pattern (same < 0), or all alike. */
static void coder_fill(struct coder *coder, size_t size, int same)
{
    uint8_t *bytes = coder->plain + coder->plain_size;
    if (!coder->is_open) {
        coder_open(coder, 6, Z_DEFAULT_STRATEGY);
    }
    size = size < PLAIN_MAX - coder->plain_size ? size : PLAIN_MAX - coder->plain_size;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(same < 0 ? lb_fill_byte(coder->plain_size + i) : same);
    }
    coder_write(coder, bytes, size, Z_NO_FLUSH);
    coder->plain_size += size;
}

/* coder_damage: an operation on what is coded so far. */
static void coder_damage(struct coder *coder, enum operation operation, uint32_t a, uint32_t b)
{
    coder->is_clean = false;
    if (operation == OPERATION_CORRUPT && coder->size > 0) {
        coder->coded[(a * 127 + (b >> 3)) % coder->size] ^= (uint8_t)(1u << b % 8);
    } else if (operation == OPERATION_CUT) {
        coder->size -= a < coder->size ? a : coder->size;
    } else if (operation == OPERATION_TAIL) {
        for (uint32_t i = 0; i <= b && coder->size < CODED_MAX; i++) {
            coder->coded[coder->size++] = (uint8_t)(2 * a);
        }
    }
}

static void coder_apply(struct coder *coder, enum operation operation, uint32_t a, uint32_t b)
{
    static const int flushes[] = {Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH, Z_BLOCK};
    static const int windows[] = {WINDOW_GZIP, WINDOW_ZLIB, WINDOW_RAW};
    switch (operation) {
    case OPERATION_FILL:
    case OPERATION_SAME:
        coder_fill(coder, (size_t)size_of(a), operation == OPERATION_FILL ? -1 : (int)b);
        return;
    case OPERATION_FLUSH:
        coder_fill(coder, 0, -1);
        coder_write(coder, NULL, 0, flushes[a % 4]);
        return;
    case OPERATION_MEMBER:
        coder_close(coder);
        coder_open(coder, (int)(a % 10), (int)(b % 5));
        return;
    case OPERATION_FORM:
        coder->window = coder->size == 0 && !coder->is_open ? windows[a % 3] : coder->window;
        return;
    case OPERATION_CORRUPT:
    case OPERATION_CUT:
    case OPERATION_TAIL:
        coder_close(coder);
        coder_damage(coder, operation, a, b);
        return;
    case OPERATION_CHUNK:
        coder->chunk = a;
        return;
    case OPERATION_SLICE:
        coder->slice = a;
        return;
    case OPERATION_READ:
        coder->read = a;
        return;
    case OPERATION_TAIL_DROPPED:
        coder->is_tail_dropped = true;
        return;
    case OPERATION_COUNT:
        break;
    }
}

/* coder_run: all operations. */
static void coder_run(struct coder *coder, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    for (uint32_t i = 0; i < LB_CODEC_OPERATIONS_MAX && at < size; at++) {
        if (bytes[at] >= 0x80) {
            uint32_t a = at + 1 < size && bytes[at + 1] < 0x80 ? bytes[at + 1] : 0;
            bool has_b = at + 2 < size && bytes[at + 1] < 0x80 && bytes[at + 2] < 0x80;
            coder_apply(coder, (enum operation)((bytes[at] & 0x7f) % OPERATION_COUNT), a,
                        has_b ? bytes[at + 2] : 0);
            i++;
        }
    }
    if (coder->size == 0 && !coder->is_open) {
        coder_fill(coder, 64, -1);
    }
    coder_close(coder);
    bool may_follow = coder->window == WINDOW_GZIP && !coder->is_tail_dropped;
    coder->is_clean =
        coder->is_clean && coder->window != WINDOW_RAW && (coder->member_count == 1 || may_follow);
}

/* -- the case -- */

static void serve(struct lbi_draft *draft, enum lb_verb verb, const void *bytes, size_t size)
{
    struct lb_line line = lbi_draft_line(verb);
    line.bytes = lb_case_text(draft->c, bytes, size);
    lbi_draft_serve(draft, 0, 0, &line);
}

static void serve_text(struct lbi_draft *draft, enum lb_verb verb, const char *text)
{
    serve(draft, verb, text, strlen(text));
}

/* serve_body: the response that carries the coding. */
static void serve_body(struct lbi_draft *draft, const struct coder *coder)
{
    char length[40];
    size_t piece = (size_t)size_of(coder->chunk);
    piece = piece > coder->size / CHUNKS_MAX ? piece : coder->size / CHUNKS_MAX + 1;
    snprintf(length, sizeof(length), "Content-Length: %zu", coder->size);
    serve_text(draft, LB_VERB_WANT, "");
    serve_text(draft, LB_VERB_HEAD_LINE, "HTTP/1.1 200 OK");
    serve_text(draft, LB_VERB_HEAD_LINE,
               coder->window == WINDOW_GZIP ? "Content-Encoding: gzip"
                                            : "Content-Encoding: deflate");
    serve_text(draft, LB_VERB_HEAD_LINE, coder->chunk == 0 ? length : "Transfer-Encoding: chunked");
    serve_text(draft, LB_VERB_HEAD_LINE, "");
    for (size_t at = 0; at < coder->size && coder->chunk != 0; at += piece) {
        size_t left = coder->size - at;
        serve(draft, LB_VERB_CHUNK, coder->coded + at, left < piece ? left : piece);
    }
    if (coder->chunk != 0) {
        serve(draft, LB_VERB_CHUNK_END, "", 0);
    } else if (coder->size > 0) {
        serve(draft, LB_VERB_SEND, coder->coded, coder->size);
    }
}

static void ask(struct lbi_draft *draft, enum lb_verb verb, uint64_t number)
{
    struct lb_line line = lbi_draft_line(verb);
    line.host = lb_verb_is_request(verb) ? 0 : -1;
    line.request = (int32_t)draft->c->request_count - 1;
    line.number = number;
    lbi_draft_ask(draft, &line);
}

/* expect_plain: the newest line brings what was coded, and the end. */
static void expect_plain(struct lb_case *c, struct lb_line *line, const struct coder *coder)
{
    bool has_bytes = coder->plain_size > 0;
    struct lb_outcome_item *items = lb_case_alloc(c, 2 * sizeof(*items));
    struct lb_outcome *outcome = lb_case_alloc(c, sizeof(*outcome));
    items[0].kind = has_bytes ? LB_OUTCOME_BYTES : LB_OUTCOME_END;
    items[0].bytes = lb_case_text(c, (const char *)coder->plain, coder->plain_size);
    items[1].kind = LB_OUTCOME_END;
    outcome->items = items;
    outcome->item_count = has_bytes ? 2 : 1;
    line->outcomes = outcome;
    line->outcome_count = 1;
}

LB_TARGET_PAGE(gzip)
{
    static struct coder coder; /* too large for a stack; what of it is read is set anew */
    struct lbi_draft draft;
    memset(&coder, 0, offsetof(struct coder, coded));
    coder.window = WINDOW_GZIP;
    coder.is_clean = true;
    coder_run(&coder, bytes, size);
    lbi_draft_begin(&draft, &target->c);
    serve_body(&draft, &coder);
    ask(&draft, LB_VERB_GET, 0);
    if (coder.read > 0) {
        ask(&draft, LB_VERB_READ, size_of(coder.read));
    }
    ask(&draft, LB_VERB_READ, LB_CASE_ALL);
    if (coder.is_clean && coder.read == 0) {
        struct lbi_draft_lines *lines = &draft.client;
        expect_plain(&target->c, &lines->lines.lines[lines->lines.count - 1], &coder);
    }
    ask(&draft, LB_VERB_CLOSE, 0);
    ask(&draft, LB_VERB_GET, 0);
    ask(&draft, LB_VERB_READ, LB_CASE_ALL);
    lbi_draft_finish(&draft);
    lbi_target_default(target, LB_CASE_OPTION_GZIP, 1);
    lbi_target_default(target, LB_CASE_OPTION_GZIP_TAIL, coder.is_tail_dropped ? 1 : 0);
    target->c.slices[0] = (uint32_t)size_of(coder.slice);
    target->c.slice_count = target->c.slices[0] > 0 ? 1 : 0;
    lbi_target_run(target, &target->c, NULL, ret_result);
    if (ret_result->finding_count == 0 && ret_result->verdict == LB_VERDICT_FAIL) {
        lbi_target_file(ret_result, "F8", "not-what-was-coded", "there came %s",
                        ret_result->actual);
    }
}
