/*
 * The fuzz target of raw responses.
 *
 * Surface: the readers of heads, chunks and trailers (wire/), and what becomes of the connection.
 * Input:   what the server says, as it is, to two requests. A byte of 0x80 or above cuts, and its low bits say
 *          how (enum cut); a byte below is sent. Octets above 127 come from `octet`, which sets the top bit of
 *          the byte behind it. The first byte, if it is a cut, also picks the method: 0 GET, 1 HEAD.
 * Claims:  as of lifecycle: no end but the framing's, no bytes but the server's, no reuse after doubt.
 */
#include "page.h"

#include "draft.h"

#define PAUSE_NS UINT64_C(1000000)

/* What a byte of 0x80 or above does, modulo their number. */
enum cut {
    CUT_SEGMENT, /* what follows is another segment */
    CUT_PAUSE,   /* and comes a millisecond later */
    CUT_WANT,    /* the server reads the next request first */
    CUT_CLOSE,
    CUT_RESET,
    CUT_HALF_CLOSE,
    CUT_OCTET, /* the next byte has its top bit set */
    CUT_COUNT
};

static void script_add(struct lbi_draft *draft, enum lb_verb verb, struct lb_text bytes)
{
    struct lb_line line = lbi_draft_line(verb);
    line.bytes = bytes;
    line.time_ns = verb == LB_VERB_PAUSE ? PAUSE_NS : 0;
    if (lbi_draft_may_serve(draft, 0, 0, verb)) {
        lbi_draft_serve(draft, 0, 0, &line);
    }
}

/* script_cut: what a cut puts into the script, behind the segment before it. */
static void script_cut(struct lbi_draft *draft, enum cut cut)
{
    static const enum lb_verb verbs[CUT_COUNT] = {
        [CUT_PAUSE] = LB_VERB_PAUSE,           [CUT_WANT] = LB_VERB_WANT,
        [CUT_CLOSE] = LB_VERB_CLOSE_SERVER,    [CUT_RESET] = LB_VERB_RESET,
        [CUT_HALF_CLOSE] = LB_VERB_HALF_CLOSE,
    };
    if (cut != CUT_SEGMENT && cut != CUT_OCTET) {
        script_add(draft, verbs[cut], (struct lb_text){.bytes = ""});
    }
}

/* script_make: the server's lines: a request, and what the bytes say. */
static void script_make(struct lbi_draft *draft, const uint8_t *bytes, size_t size)
{
    char segment[4096];
    size_t used = 0;
    uint8_t top = 0;
    script_add(draft, LB_VERB_WANT, (struct lb_text){.bytes = ""});
    for (size_t i = 0; i <= size && i < sizeof(segment); i++) {
        bool is_end = i == size || bytes[i] >= 0x80;
        enum cut cut = i == size ? CUT_SEGMENT : (enum cut)((bytes[i] & 0x7f) % CUT_COUNT);
        if (!is_end) {
            segment[used++] = (char)(unsigned char)(bytes[i] | top);
            top = 0;
        } else if (i < size && cut == CUT_OCTET) {
            top = 0x80;
        } else {
            if (used > 0) {
                script_add(draft, LB_VERB_SEND, lb_case_text(draft->c, segment, used));
            }
            used = 0;
            script_cut(draft, cut);
        }
    }
}

/* program_exchange: a request, all of its body, a close. */
static void program_exchange(struct lbi_draft *draft, enum lb_verb verb)
{
    static const enum lb_verb behind[] = {LB_VERB_READ, LB_VERB_READ, LB_VERB_CLOSE};
    struct lb_line line = lbi_draft_line(verb);
    line.host = 0;
    lbi_draft_ask(draft, &line);
    for (uint32_t i = 0; i < 3; i++) {
        line = lbi_draft_line(behind[i]);
        line.request = (int32_t)draft->c->request_count - 1;
        line.number = i == 0 ? 3 : behind[i] == LB_VERB_READ ? LB_CASE_ALL : 0;
        lbi_draft_ask(draft, &line);
    }
}

LB_TARGET_PAGE(framing)
{
    struct lbi_draft draft;
    bool is_head = size > 0 && bytes[0] >= 0x80 && (bytes[0] & 1) != 0;
    lbi_draft_begin(&draft, &target->c);
    script_make(&draft, bytes, size);
    program_exchange(&draft, is_head ? LB_VERB_HEAD : LB_VERB_GET);
    program_exchange(&draft, LB_VERB_GET);
    lbi_draft_finish(&draft);
    lbi_target_default(target, LB_CASE_OPTION_HEAD_TIMEOUT, 100 * PAUSE_NS);
    lbi_target_run(target, &target->c, NULL, ret_result);
}
