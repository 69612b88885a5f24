/*
 * The fuzz target of the whole lifecycle of a body.
 *
 * Surface: everything that transport/ does for requests, from dial to reuse, under a schedule.
 * Input:   a case in bytes (codec.h).
 * Claims:  in every conversation the rules hold, and it comes to an end.
 */
#include "page.h"

LB_TARGET_PAGE(lifecycle)
{
    lb_codec_decode(bytes, size, &target->c);
    lbi_target_run(target, &target->c, NULL, ret_result);
}
