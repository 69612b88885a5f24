/*
 * The fuzz target of segments.
 *
 * Surface: everything that reads from a socket, which may give its bytes in pieces of any size.
 * Input:   a case in bytes (codec.h); its slice and schedule do not count.
 * Claims:  the rules hold, and the program sees the same, line by line, whether the servers' bytes come in
 *          the segments in which they were sent, byte by byte, in pieces of seven or as a whole.
 *
 * Not where a difference is lawful. A reset takes with it what was not read, so that it matters how much
 * was. Behind a read that asks for some bytes only, the end of the body may have come with them or not:
 * what is compared ends there, unless the next line reads on. It also ends at a source that fails, ends or
 * waits: where the end of a body waits for the request's, its last bytes do, too, and how many those are is
 * up to the segments.
 */
#include "page.h"

#include "sim/net.h"

/* is_same_read: whether line `at` reads on, to the end, what the line before it has read of. */
static bool is_same_read(const struct lb_case *c, uint32_t at)
{
    const struct lb_line *line = &c->client.lines[at];
    return at < c->client.count && line->verb == LB_VERB_READ && line->number == LB_CASE_ALL &&
           line->request == c->client.lines[at - 1].request && !line->is_background;
}

/* comparable: how many lines of the program segments may not change. */
static uint32_t comparable(const struct lb_case *c)
{
    if (lbi_case_has_reset(c)) {
        return 0;
    }
    for (uint32_t i = 0; i < c->client.count; i++) {
        const struct lb_line *line = &c->client.lines[i];
        bool is_counted = line->verb == LB_VERB_READ && line->number != LB_CASE_ALL;
        if (lbi_line_may_race(line)) {
            return i;
        }
        if (is_counted && !is_same_read(c, i + 1)) {
            return i + 1;
        }
    }
    return c->client.count;
}

LB_TARGET_PAGE(split)
{
    static const uint32_t slices[] = {1, 7, LB_NET_WHOLE};
    struct lb_variant variant = {.name = "as-sent"};
    struct lb_case *c = &target->c;
    lb_codec_decode(bytes, size, c);
    uint32_t count = comparable(c);
    c->slice_count = 0;
    c->departure_count = 0;
    lb_runner_watch_outcomes(target->runner, target->outcomes[0]);
    lbi_target_run(target, c, &variant, ret_result);
    lb_runner_watch_outcomes(target->runner, target->outcomes[1]);
    for (uint32_t i = 0; i < 3 && ret_result->finding_count == 0; i++) {
        variant.slice = slices[i];
        lbi_target_run(target, c, &variant, &target->second);
        if (target->second.finding_count > 0) {
            *ret_result = target->second;
            return;
        }
        lbi_target_compare(target, count, "split", ret_result);
    }
}
