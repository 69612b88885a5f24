/*
 * The crew: see crew.h.
 *
 * Each child takes the next case that nobody has taken, runs it, writes what came of it into shared memory
 * and tells its parent. A case that ends its child, by a failed assertion say, is a CRASH, and another
 * child goes on. The roster is copied with the process, so that a record may point into it.
 *
 * Rounds come one after another: no case runs twice at the same time. What two rounds say of a case must be
 * the same, so that state that leaks from one case into another is seen.
 */
#include "crew.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "core/assert.h"
#include "report.h"
#include "story.h"

/* What the children share with each other and with their parent. */
struct crew_shared {
    _Atomic uint64_t next; /* place in the order of the case to be taken next */
    _Atomic uint64_t current[ISOLATE_TEAM_MAX]; /* the case that a child runs, + 1; 0: none */
    struct tally_record records[];
};

struct crew {
    const struct crew_options *options;
    const struct roster *roster;
    struct tally *tally;
    struct crew_shared *shared;
    uint32_t *order;
    bool is_last_round;
    struct lb_runner *runner; /* a child's */
};

/* -- order -- */

static uint64_t crew_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void order_shuffle(uint32_t *order, size_t count, uint64_t *state)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)(crew_random(state) % i);
        uint32_t index = order[i - 1];

        order[i - 1] = order[k];
        order[k] = index;
    }
}

static uint32_t *order_new(const struct roster *roster)
{
    uint32_t *order = tool_alloc((roster->count + 1) * sizeof(*order));
    for (size_t i = 0; i < roster->count; i++) {
        order[i] = (uint32_t)i;
    }
    return order;
}

uint32_t *crew_order(const struct crew_options *options, const struct roster *roster)
{
    uint32_t *order = order_new(roster);
    uint64_t state = options->seed;
    if (options->seed != CREW_SEED_NONE) {
        order_shuffle(order, roster->count, &state);
    }
    return order;
}

/* -- in a child -- */

/* Prints the trace hash of each variant; gives the hash of them all. */
static uint64_t print_hashes(struct crew *crew, const struct roster_case *entry,
                             struct lb_check *ret_check)
{
    struct lb_variant variant = {0};
    struct lb_result *result = tool_alloc(sizeof(*result));
    uint64_t all = 0;

    for (uint32_t i = 0; lb_check_variant(&entry->c, i, &variant); i++) {
        char slice[REPORT_SLICE_MAX];

        report_running(entry->path, &variant);
        report_slice(variant.slice, slice);
        lb_runner_run(crew->runner, &entry->c, &variant, NULL, result);
        printf("%s %s %s %016" PRIx64 "\n", entry->c.id, slice, variant.name, result->trace_hash);
        all = (all ^ result->trace_hash) * 0x100000001b3u;
        ret_check->variant_count++;
    }
    free(result);
    fflush(stdout);
    return all;
}

/* Has a bad result say of the workers left who could wake them. */
static void check_explain(struct lb_check *check, const struct lb_case *c)
{
    struct lb_runner *runner = NULL;

    if (lb_verdict_is_bad(check->verdict) && lb_runner_new(&runner) == LB_OK) {
        lb_runner_explain(runner, c, &check->worst, &check->result);
        lb_runner_free(&runner);
    }
}

static void crew_case(struct crew *crew, uint32_t index)
{
    const struct roster_case *entry = &crew->roster->cases[index];
    struct tally_record *record = &crew->shared->records[index];
    struct lb_check *check = tool_alloc(sizeof(*check));
    uint64_t start = uv_hrtime();
    uint64_t hash = 0;

    report_running(entry->path, NULL);
    report_crash_into(record->crash, sizeof(record->crash));
    if (crew->options->is_hashes) {
        hash = print_hashes(crew, entry, check);
    } else {
        lb_check_case(crew->runner, &entry->c, check);
        hash = check->result.trace_hash;
        check_explain(check, &entry->c);
    }
    report_crash_into(NULL, 0);
    report_running(NULL, NULL);
    tally_add(record, check, hash, uv_hrtime() - start);
    free(check);
}

/* The next case that nobody has taken; false: there is none. */
static bool crew_take(struct crew *crew, uint32_t member, uint32_t *ret_index)
{
    while (isolate_signal() == 0) {
        uint64_t place = atomic_fetch_add(&crew->shared->next, 1);
        if (place >= crew->roster->count) {
            return false;
        }
        *ret_index = crew->order[place];
        if (!crew->roster->cases[*ret_index].is_broken) {
            atomic_store(&crew->shared->current[member], *ret_index + 1u);
            return true;
        }
    }
    return false;
}

static void crew_work(void *argument, uint32_t member)
{
    struct crew *crew = argument;
    uint32_t index = 0;

    if (lb_runner_new(&crew->runner) != LB_OK) {
        fprintf(stderr, "lastbyte check: no runner could be made\n");
        exit(EXIT_RIG); /* with no case taken, the parent sees a rig that failed */
    }
    while (crew_take(crew, member, &index)) {
        crew_case(crew, index);
        atomic_store(&crew->shared->current[member], 0);
        isolate_tell(index);
    }
    lb_runner_free(&crew->runner);
}

/* -- in the parent -- */

static void crew_heard(void *argument, uint32_t index)
{
    const struct crew *crew = argument;
    LB_ASSERT(index < crew->roster->count);
    if (crew->is_last_round && crew->options->is_done != NULL) {
        crew->options->is_done(crew->options->context, crew->tally, index);
    }
}

static bool crew_ended(void *argument, uint32_t member, enum isolate_end end,
                       const char death[ISOLATE_DEATH_MAX])
{
    struct crew *crew = argument;
    uint64_t current = atomic_exchange(&crew->shared->current[member], 0);
    if (end == ISOLATE_DONE) {
        return false;
    }
    if (isolate_has_killed()) {
        return false;
    }
    if (end == ISOLATE_FAILED || current == 0) {
        if (isolate_signal() == 0) {
            fprintf(stderr, "lastbyte check: a process that runs cases has failed: %s\n", death);
            crew->tally->code = command_worse(crew->tally->code, EXIT_RIG);
        }
        return false;
    }
    tally_crash(&crew->shared->records[current - 1], death);
    crew_heard(crew, (uint32_t)(current - 1));
    return isolate_signal() == 0;
}

static void crew_round(struct crew *crew)
{
    uint32_t jobs = crew->options->is_hashes ? 1 : crew->options->jobs;
    const struct isolate_team team = {
        .count = jobs < crew->roster->count ? jobs : (uint32_t)crew->roster->count,
        .argument = crew,
        .work = crew_work,
        .heard = crew_heard,
        .ended = crew_ended,
    };
    atomic_store(&crew->shared->next, 0);
    isolate_team_run(&team);
}

static size_t shared_size(const struct roster *roster)
{
    return sizeof(struct crew_shared) + roster->count * sizeof(struct tally_record);
}

bool crew_run(const struct crew_options *options, const struct roster *roster,
              struct tally *ret_tally)
{
    struct crew crew = {.options = options, .roster = roster, .tally = ret_tally};
    uint64_t state = options->seed;
    uint64_t start = uv_hrtime();
    uv_timeval64_t now = {0};
    LB_ASSERT(roster->count > 0);
    LB_ASSERT(options->jobs > 0);
    crew.shared = isolate_shared(shared_size(roster));
    if (crew.shared == NULL) {
        fprintf(stderr, "lastbyte check: no shared memory for %zu cases\n", roster->count);
        return false;
    }
    (void)uv_gettimeofday(&now);
    ret_tally->roster = roster;
    ret_tally->records = crew.shared->records;
    ret_tally->started_s = now.tv_sec;
    crew.order = order_new(roster);
    isolate_watch();
    for (uint64_t round = 0;
         round < options->rounds && isolate_signal() == 0 && ret_tally->code != EXIT_RIG; round++) {
        crew.is_last_round = round + 1 == options->rounds;
        if (options->seed != CREW_SEED_NONE) {
            order_shuffle(crew.order, roster->count, &state);
        }
        crew_round(&crew);
    }
    ret_tally->signal = isolate_signal();
    ret_tally->time_ns = uv_hrtime() - start;
    free(crew.order);
    return true;
}

void crew_release(struct tally *tally)
{
    struct crew_shared *shared =
        (struct crew_shared *)(void *)((char *)tally->records -
                                       offsetof(struct crew_shared, records));
    isolate_release(shared, shared_size(tally->roster));
    tally->records = NULL;
}
