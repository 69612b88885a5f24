/*
 * The canary: a target that must fail, or the rig is blind.
 *
 * Surface: all that stands between bytes and a finding: engine, decoder, simulation, transport, report.
 * Input:   a case in bytes (codec.h).
 * Claims:  that no connection is ever used again, which is false after two exchanges. Whoever cannot
 *          find that within a second from nothing finds nothing else either.
 */
#include "page.h"

LB_TARGET_PAGE(canary)
{
    lb_codec_decode(bytes, size, &target->c);
    lbi_target_run(target, &target->c, NULL, ret_result);
    if (ret_result->reuses > 0) {
        lbi_target_file(ret_result, "canary", "reused",
                        "%u requests came on a connection that had served another",
                        (unsigned)ret_result->reuses);
    }
}
