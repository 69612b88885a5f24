/*
 * The fuzz target of the pool.
 *
 * Surface: limits, waiters, cancels and dials of several hosts (life/pool.c, life/dial.c).
 * Input:   a case in bytes (codec.h). Limits are low where the bytes set none, so that most requests
 *          wait for something; dials and heads end in time.
 * Claims:  as of lifecycle.
 */
#include "page.h"

#define SECOND UINT64_C(1000000000)

LB_TARGET_PAGE(pool)
{
    lb_codec_decode(bytes, size, &target->c);
    lbi_target_default(target, LB_CASE_OPTION_PER_HOST, 2);
    lbi_target_default(target, LB_CASE_OPTION_IDLE_PER_HOST, 1);
    lbi_target_default(target, LB_CASE_OPTION_IDLE_TOTAL, 2);
    lbi_target_default(target, LB_CASE_OPTION_IDLE_TIMEOUT, SECOND);
    lbi_target_default(target, LB_CASE_OPTION_DIAL_TIMEOUT, SECOND);
    lbi_target_run(target, &target->c, NULL, ret_result);
}
