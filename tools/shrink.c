/*
 * Shrinking: see shrink.h.
 */
#include "shrink.h"

#include "core/assert.h"
#include "files.h"
#include "isolate.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define SHRINK_OTHERS_MAX 32 /* other findings that are told apart */
#define SHRINK_PROGRESS_NS UINT64_C(200000000)

struct shrink {
    struct judge *judge;
    const struct shrink_options *options;
    const char *finding;
    struct shrink_result *result;
    uint64_t start_ns;
    uint64_t progress_ns;
    char others[SHRINK_OTHERS_MAX][JUDGE_FINDING_MAX];
    size_t best_size;
};

char *shrink_slug(const char *finding)
{
    char *slug = tool_copy(finding);
    for (char *at = slug; *at != '\0'; at++) {
        *at = isalnum((unsigned char)*at) || *at == '-' || *at == '.' ? *at : '_';
    }
    return slug;
}

/* shrink_other: an input shows another finding than the one looked for: the first of each is kept. */
static void shrink_other(struct shrink *shrink, const char *finding, const uint8_t *bytes,
                         size_t size)
{
    uint64_t count = shrink->result->other_count;
    for (uint64_t i = 0; i < count; i++) {
        if (strcmp(shrink->others[i], finding) == 0) {
            return;
        }
    }
    if (count == SHRINK_OTHERS_MAX) {
        return;
    }
    snprintf(shrink->others[count], sizeof(shrink->others[count]), "%s", finding);
    shrink->result->other_count++;
    if (shrink->options->also != NULL) {
        char *slug = shrink_slug(finding);
        char *path = files_join(shrink->options->also, slug);
        if (!files_make_folder(shrink->options->also) || !files_write(path, bytes, size)) {
            fprintf(stderr, "lastbyte: cannot write %s: %s\n", path, strerror(errno));
            shrink->result->is_broken = true;
        }
        free(path);
        free(slug);
    }
}

static bool on_is_same(void *context, const uint8_t *bytes, size_t size)
{
    struct shrink *shrink = context;
    struct judge_seen seen;
    if (!judge_run(shrink->judge, bytes, size, &seen)) {
        shrink->result->is_broken = true;
        return false;
    }
    bool is_same = strcmp(seen.finding, shrink->finding) == 0;
    if (!is_same && seen.finding[0] != '\0') {
        shrink_other(shrink, seen.finding, bytes, size);
    }
    return is_same;
}

static void on_better(void *context, const uint8_t *bytes, size_t size)
{
    struct shrink *shrink = context;
    shrink->best_size = size;
    if (shrink->options->best != NULL && !files_write(shrink->options->best, bytes, size)) {
        fprintf(stderr, "lastbyte: cannot write %s: %s\n", shrink->options->best, strerror(errno));
        shrink->result->is_broken = true;
    }
}

static bool on_go_on(void *context)
{
    struct shrink *shrink = context;
    uint64_t now_ns = uv_hrtime();
    uint64_t limit_ns = shrink->options->seconds * UINT64_C(1000000000);
    if (shrink->options->is_shown && now_ns - shrink->progress_ns > SHRINK_PROGRESS_NS) {
        shrink->progress_ns = now_ns;
        printf("\r\x1b[K%" PRIu64 " executions, %zu bytes", shrink->result->reduce.run_count,
               shrink->best_size);
        fflush(stdout);
    }
    return !shrink->result->is_broken && isolate_signal() == 0 &&
           (limit_ns == 0 || now_ns - shrink->start_ns < limit_ns);
}

static enum lb_reduce_form form_of(enum lb_target_form form)
{
    switch (form) {
    case LB_TARGET_OPERATIONS:
    case LB_TARGET_PREFIXED:
        return LB_REDUCE_OPERATIONS;
    case LB_TARGET_OWN:
        return LB_REDUCE_RECORDS;
    case LB_TARGET_TEXT:
        return LB_REDUCE_BYTES;
    }
    LB_ASSERT(false);
    return LB_REDUCE_BYTES;
}

void shrink_run(struct judge *judge, const struct shrink_options *options, const char *finding,
                uint8_t *bytes, size_t *size, struct shrink_result *ret_result)
{
    struct shrink shrink = {.judge = judge,
                            .options = options,
                            .finding = finding,
                            .result = ret_result,
                            .start_ns = uv_hrtime(),
                            .best_size = *size};
    const struct lb_reduce_options reduce = {.is_same = on_is_same,
                                             .on_better = on_better,
                                             .go_on = on_go_on,
                                             .context = &shrink,
                                             .form = form_of(options->form),
                                             .run_max = options->run_max};
    LB_ASSERT(finding[0] != '\0');
    *ret_result = (struct shrink_result){.time_ns = 0};
    shrink.progress_ns = shrink.start_ns;
    lb_reduce(&reduce, bytes, size, &ret_result->reduce);
    ret_result->time_ns = uv_hrtime() - shrink.start_ns;
    if (options->is_shown) {
        printf("\r\x1b[K");
    }
}
