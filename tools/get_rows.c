/*
 * What `lastbyte get` prints: a table with a row for each request, the transport's counts beside it; on a
 * terminal, between two rows, a line with the counts as they are now.
 */
#include "core/assert.h"
#include "get.h"
#include "profile.h"

#include <inttypes.h>
#include <string.h>

/* How long a row waits for workers that are about to end, so that the counts are those of a state and not
 * of a change. */
#define GET_SETTLE_MS 100

#define GET_COUNTS_FORMAT                                                                          \
    "%6" PRIu32 " %5" PRIu32 " %8" PRIu32 " %8" PRIu32 " %5" PRIu32 " %8" PRIu32

/* How things stand. */
struct get_counts {
    struct lb_stats stats;
    uint32_t workers;
};

static struct get_counts counts_now(struct get *get)
{
    struct get_counts counts;

    lb_transport_stats(get->transport, NULL, &counts.stats);
    counts.workers = profile_workers(get->transport);
    return counts;
}

/* counts_are_settled: each connection has its two workers, each dial its one, and there are no others;
 * and each busy connection has a body that is open, so that none is being drained. */
static bool counts_are_settled(const struct get_counts *counts)
{
    const struct lb_stats *stats = &counts->stats;

    return counts->workers == 2 * (stats->idle + stats->busy) + stats->dialing &&
           stats->busy == stats->open_bodies;
}

static struct get_counts counts_settled(struct get *get)
{
    struct get_counts counts = counts_now(get);

    for (int i = 0; i < GET_SETTLE_MS && !counts_are_settled(&counts); i++) {
        uv_sleep(1);
        counts = counts_now(get);
    }
    return counts;
}

static void live_erase(const struct get *get)
{
    if (get->is_live) {
        fprintf(stderr, "\r\x1b[K");
        fflush(stderr);
    }
}

static void print_counts(FILE *file, const struct get_counts *counts)
{
    const struct lb_stats *stats = &counts->stats;

    fprintf(file, GET_COUNTS_FORMAT "\n", stats->idle, stats->busy, stats->dialing, stats->waiting,
            stats->open_bodies, counts->workers);
}

void get_print_head(struct get *get)
{
    fprintf(get->rows, "%10s %6s %12s %-10s %-24s %-9s %6s %5s %8s %8s %5s %8s\n", "request",
            "status", "bytes", "body", "connection", "use", "idle", "busy", "dialing", "waiting",
            "open", "workers");
    fflush(get->rows);
}

/* outcome_body: how the body stands, or why the request failed. */
static const char *outcome_body(const struct get_outcome *outcome)
{
    if (outcome->status != LB_OK) {
        return lb_status_word(outcome->status);
    }
    LB_ASSERT(outcome->body != LB_BODY_NONE);
    return lb_body_state_word(outcome->body);
}

void get_print_row(struct get *get, const struct get_outcome *outcome)
{
    bool is_alone = get->plan.parallel == 1; /* others would change the counts meanwhile */
    struct get_counts counts = is_alone ? counts_settled(get) : counts_now(get);
    const struct watched *watched = &outcome->watched;
    char code[8] = "-";
    char use[24] = "-";

    if (outcome->code != 0) {
        snprintf(code, sizeof(code), "%u", outcome->code);
    }
    if (watched->ordinal == 1) {
        snprintf(use, sizeof(use), "new");
    } else if (watched->ordinal > 1) {
        snprintf(use, sizeof(use), "reused %" PRIu32, watched->ordinal - 1);
    }
    uv_mutex_lock(&get->lock);
    live_erase(get);
    fprintf(get->rows, "%10" PRIu64 " %6s %12" PRIu64 " %-10s %-24s %-9s ", outcome->job, code,
            outcome->size, outcome_body(outcome),
            watched->connection[0] != '\0' ? watched->connection : "-", use);
    print_counts(get->rows, &counts);
    fflush(get->rows);
    uv_mutex_unlock(&get->lock);
}

void get_print_counts(struct get *get, const char *moment)
{
    struct get_counts counts = counts_settled(get);

    uv_mutex_lock(&get->lock);
    live_erase(get);
    fprintf(get->rows, "%-76s ", moment);
    print_counts(get->rows, &counts);
    fflush(get->rows);
    uv_mutex_unlock(&get->lock);
}

void get_print_live(struct get *get)
{
    struct get_counts counts = counts_now(get);

    uv_mutex_lock(&get->lock);
    fprintf(stderr,
            "\r\x1b[Kidle %" PRIu32 ", busy %" PRIu32 ", dialing %" PRIu32 ", waiting %" PRIu32
            ", open bodies %" PRIu32 ", workers %" PRIu32,
            counts.stats.idle, counts.stats.busy, counts.stats.dialing, counts.stats.waiting,
            counts.stats.open_bodies, counts.workers);
    fflush(stderr);
    uv_mutex_unlock(&get->lock);
}

void get_print_end(struct get *get)
{
    struct watch_totals totals = watch_totals(&get->watch);

    live_erase(get);
    fprintf(get->rows,
            "requests     %" PRIu64 " answered, %" PRIu64 " failed, %" PRIu64
            " bytes of bodies, %" PRIu64 " retries\n",
            get->answered, get->failed, get->size, totals.retries);
    fprintf(get->rows,
            "connections  %" PRIu64 " made, %" PRIu64 " closed, %" PRIu64 " of %" PRIu64
            " exchanges on a reused one\n",
            totals.connected, totals.closed, totals.reused, totals.exchanges);
    fflush(get->rows);
}
