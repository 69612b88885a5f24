/*
 * The fuzz target of bodies of requests.
 *
 * Surface: sources, Expect: 100-continue, early responses, retries (life/write_worker.c,
 *          wire/request_head.c).
 * Input:   a case in bytes (codec.h). Requests that have no body of their own become a POST with one:
 *          whole, in pieces, chunked, or not to be read twice, by turns; two retries, and a short wait
 *          for 100, where the bytes do not say otherwise.
 * Claims:  as of lifecycle.
 */
#include "page.h"

#define MILLISECOND UINT64_C(1000000)
#define KINDS 8 /* of added bodies */

/* add_body: the body of request number `index`. */
static void add_body(struct lb_case *c, struct lb_line *line)
{
    static const uint32_t sizes[KINDS] = {5, 64, 1, 300, 17, 0, 5000, 33};
    uint32_t kind = (uint32_t)line->request % KINDS;
    struct lb_case_source *source = lb_case_alloc(c, sizeof(*source));
    source->size = sizes[kind];
    source->is_chunked = kind % 2 == 1;
    source->is_once = kind % 4 == 2;
    source->piece = kind % 3 == 1 ? sizes[kind] / 3 + 1 : 0;
    line->source = source;
    line->verb = line->verb == LB_VERB_GET ? LB_VERB_POST : line->verb;
}

LB_TARGET_PAGE(upload)
{
    struct lb_case *c = &target->c;
    lb_codec_decode(bytes, size, c);
    for (uint32_t i = 0; i < c->client.count; i++) {
        struct lb_line *line = &c->client.lines[i];
        if (lb_verb_is_request(line->verb) && line->verb != LB_VERB_HEAD && !line->is_upgrade &&
            line->source == NULL) {
            add_body(c, line);
        }
    }
    lbi_target_default(target, LB_CASE_OPTION_RETRIES, 2);
    lbi_target_default(target, LB_CASE_OPTION_CONTINUE_TIMEOUT, 100 * MILLISECOND);
    lbi_target_run(target, c, NULL, ret_result);
}
