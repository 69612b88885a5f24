/*
 * The drivers of exploration.
 *
 * Mental model: a run under a schedule tells how many decisions it took and how many workers could have
 * run at each. A schedule with one departure more departs at one of the decisions behind its last one.
 * The search goes through that tree with a stack of one frame for each departure; the runs on the way
 * down are repeated for each bound, which costs little because the leaves are many.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "sim/sim.h"

#define SEEN_FIRST 1024u /* places of a fresh set of hashes */
#define RANKS 8u         /* workers that the second driver ranks */

/* A set of hashes: open addressing, at most half full. */
struct seen {
    uint64_t *places; /* 0: free */
    size_t capacity;  /* a power of two */
    uint64_t count;
};

/* A schedule on the way down, and where its next child departs. */
struct frame {
    uint8_t
        alternatives[LB_EXPLORE_DECISIONS_MAX]; /* workers that could have run instead, up to 3 */
    uint32_t decision_count;
    uint32_t position; /* of the next departure */
    uint8_t choice;
};

struct lb_explorer {
    struct lb_runner *runner;
    struct seen traces;
    struct seen outcomes;
    struct frame frames[LB_EXPLORE_DELAYS_MAX];
};

/* A search under way. */
struct search {
    struct lb_explorer *explorer;
    const struct lb_case *c;
    const struct lb_explore_options *options;
    struct lb_explore *found;
    struct lb_sim_departure departures[LB_EXPLORE_DEPARTURES_MAX];
    uint32_t departure_count;
    bool is_stopped; /* from outside */
    bool is_over;    /* a bad verdict, a limit, or stopped */
};

static void seen_clear(struct seen *seen)
{
    memset(seen->places, 0, seen->capacity * sizeof *seen->places);
    seen->count = 0;
}

/* seen_place: where a hash stands, or would. */
static uint64_t *seen_place(const struct seen *seen, uint64_t hash)
{
    size_t at = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (seen->capacity - 1);
    while (seen->places[at] != 0 && seen->places[at] != hash) {
        at = (at + 1) & (seen->capacity - 1);
    }
    return &seen->places[at];
}

/* seen_key: a hash as it stands in a set, in which 0 is no hash. */
static uint64_t seen_key(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

static void seen_add(struct seen *seen, uint64_t hash)
{
    hash = seen_key(hash);
    if ((seen->count + 1) * 2 > seen->capacity) {
        struct seen grown = {calloc(seen->capacity * 2, sizeof *grown.places), seen->capacity * 2,
                             seen->count};
        LB_ASSERT(grown.places != NULL);
        for (size_t i = 0; i < seen->capacity; i++) {
            if (seen->places[i] != 0) {
                *seen_place(&grown, seen->places[i]) = seen->places[i];
            }
        }
        free(seen->places);
        *seen = grown;
    }
    uint64_t *place = seen_place(seen, hash);
    seen->count += *place == 0 ? 1 : 0;
    *place = hash;
}

/* search_run: runs the schedule as it stands. */
static void search_run(struct search *s, struct frame *frame, struct lb_result *ret_result)
{
    const struct lb_variant variant = {s->options->slice, s->departures, s->departure_count,
                                       LB_EXPLORED, NULL};
    if (s->options->go_on != NULL) {
        s->is_stopped |= !s->options->go_on(s->options->context, s->departures, s->departure_count);
    }
    if (frame != NULL) {
        lb_runner_watch_decisions(s->explorer->runner, frame->alternatives,
                                  LB_EXPLORE_DECISIONS_MAX);
    }
    lb_runner_run(s->explorer->runner, s->c, &variant, NULL, ret_result);
    lb_runner_watch_decisions(s->explorer->runner, NULL, 0);
    if (frame != NULL) {
        bool is_beyond = ret_result->decisions > LB_EXPLORE_DECISIONS_MAX;
        s->found->is_beyond |= is_beyond;
        frame->decision_count =
            is_beyond ? LB_EXPLORE_DECISIONS_MAX : (uint32_t)ret_result->decisions;
        frame->choice = 0;
    }
}

/* search_count: a schedule has run for the first time: adds it to the certificate. */
static void search_count(struct search *s, const struct lb_result *result)
{
    struct lb_explore *found = s->found;
    seen_add(&s->explorer->traces, result->trace_hash);
    seen_add(&s->explorer->outcomes, result->outcome_hash);
    found->schedule_count++;
    found->decision_max =
        result->decisions > found->decision_max ? (uint32_t)result->decisions : found->decision_max;
    if (found->schedule_count == 1 || result->verdict > found->verdict) {
        found->verdict = result->verdict;
        found->result = *result;
        found->departure_count = s->departure_count;
        memcpy(found->departures, s->departures, sizeof s->departures);
    }
    bool is_limit =
        s->options->schedule_max > 0 && found->schedule_count >= s->options->schedule_max;
    s->is_over = lb_verdict_is_bad(found->verdict) || is_limit || s->is_stopped;
}

/* frame_next: moves to the next place where a departure makes a difference; false: there is none. */
static bool frame_next(struct frame *frame)
{
    while (frame->position < frame->decision_count &&
           frame->choice >= frame->alternatives[frame->position]) {
        frame->position++;
        frame->choice = 0;
    }
    return frame->position < frame->decision_count;
}

/* search_depart: adds the departure that a frame stands at; returns where the next one may stand. */
static uint32_t search_depart(struct search *s, uint32_t depth)
{
    struct frame *frame = &s->explorer->frames[depth];
    uint32_t first = depth == 0 ? 0 : s->explorer->frames[depth - 1].position + 1;
    LB_ASSERT(frame->position >= first);
    s->departures[depth] = (struct lb_sim_departure){
        .kind = LB_SIM_AFTER, .choice = frame->choice, .skip = (uint16_t)(frame->position - first)};
    s->departure_count = depth + 1;
    return frame->position + 1;
}

/* search_delays: every schedule of exactly `bound` departures. */
static void search_delays(struct search *s, uint32_t bound)
{
    LB_ASSERT(bound >= 1);
    LB_ASSERT(bound <= LB_EXPLORE_DELAYS_MAX);
    struct frame *frames = s->explorer->frames;
    struct lb_result result;
    uint32_t depth = 0;
    s->departure_count = 0;
    search_run(s, &frames[0], &result);
    frames[0].position = 0;
    while (!s->is_over) {
        if (!frame_next(&frames[depth])) {
            if (depth == 0) {
                return;
            }
            depth--;
            frames[depth].choice++;
            continue;
        }
        uint32_t behind = search_depart(s, depth);
        if (depth + 1 < bound) {
            depth++;
            search_run(s, &frames[depth], &result);
            frames[depth].position = behind;
        } else {
            search_run(s, NULL, &result);
            search_count(s, &result);
            frames[depth].choice++;
        }
    }
}

/* search_random: the next number of the second driver (splitmix64). */
static uint64_t search_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* search_draw: ranks for the first workers, and `demotions` places in order. */
static void search_draw(struct search *s, uint64_t *state, uint32_t demotions)
{
    uint8_t ranks[RANKS];
    uint32_t last = 0;
    for (uint32_t i = 0; i < RANKS; i++) {
        uint32_t j = (uint32_t)(search_random(state) % (i + 1));
        ranks[i] = ranks[j];
        ranks[j] = (uint8_t)i;
    }
    for (uint32_t i = 0; i < RANKS; i++) {
        s->departures[i] = (struct lb_sim_departure){
            .kind = LB_SIM_PRIORITY, .worker = (uint16_t)i, .priority = ranks[i]};
    }
    for (uint32_t i = 0; i < demotions; i++) {
        uint32_t room = s->found->decision_max / demotions + 1;
        uint32_t skip = (uint32_t)(search_random(state) % room);
        s->departures[RANKS + i] =
            (struct lb_sim_departure){.kind = LB_SIM_AFTER, .skip = (uint16_t)(skip & 0xffff)};
        last += skip;
    }
    LB_ASSERT(last <= s->found->decision_max + demotions);
    s->departure_count = RANKS + demotions;
}

/* search_priorities: the second driver, with one to three demotions in turn. */
static void search_priorities(struct search *s)
{
    uint64_t state = s->options->seed;
    for (uint64_t i = 0; i < s->options->priority_count && !s->is_over; i++) {
        struct lb_result result;
        search_draw(s, &state, 1 + (uint32_t)(i % 3));
        search_run(s, NULL, &result);
        s->found->priority_count++;
        search_count(s, &result);
    }
}

/* is_same: whether a run shows what the failure shows. */
static bool is_same(const struct lb_result *a, const struct lb_result *b)
{
    bool has_finding = a->finding_count > 0;
    return a->verdict == b->verdict && a->line == b->line &&
           has_finding == (b->finding_count > 0) &&
           (!has_finding || strcmp(a->findings[0].rule, b->findings[0].rule) == 0);
}

/* search_reduce: leaves departures out of a failing schedule for as long as it still fails so. */
static void search_reduce(struct search *s)
{
    struct lb_explore *found = s->found;
    for (uint32_t i = found->departure_count; i > 0; i--) {
        struct lb_result result;
        s->departure_count = found->departure_count - 1;
        memcpy(s->departures, found->departures, sizeof s->departures);
        memmove(&s->departures[i - 1], &s->departures[i],
                (found->departure_count - i) * sizeof s->departures[0]);
        search_run(s, NULL, &result);
        if (is_same(&result, &found->result)) {
            found->departure_count = s->departure_count;
            memcpy(found->departures, s->departures, sizeof s->departures);
            found->result = result;
        }
    }
}

void lb_explore(struct lb_explorer *explorer, const struct lb_case *c,
                const struct lb_explore_options *options, struct lb_explore *ret_explore)
{
    LB_ASSERT(options->delay_max <= LB_EXPLORE_DELAYS_MAX);
    struct search s = {.explorer = explorer, .c = c, .options = options, .found = ret_explore};
    struct lb_result result;
    memset(ret_explore, 0, sizeof *ret_explore);
    seen_clear(&explorer->traces);
    seen_clear(&explorer->outcomes);
    lb_runner_watch_alternatives(explorer->runner, options->taken);
    bool is_own = c->departure_count > 0;
    if (is_own) {
        LB_ASSERT(c->departure_count <= LB_SIM_DEPARTURES_MAX);
        const struct lb_variant own = {options->slice, c->departures, c->departure_count, "own",
                                       NULL};
        lb_runner_run(explorer->runner, c, &own, NULL, &result);
    } else {
        search_run(&s, NULL, &result);
    }
    search_count(&s, &result);
    for (uint32_t bound = 1; bound <= options->delay_max && !s.is_over && !is_own; bound++) {
        search_delays(&s, bound);
        bool is_whole = !s.is_over && !ret_explore->is_beyond;
        ret_explore->delay_complete = is_whole ? bound : ret_explore->delay_complete;
    }
    if (!is_own && !s.is_over) {
        search_priorities(&s);
    }
    ret_explore->is_complete = is_own || (!s.is_over && !ret_explore->is_beyond);
    if (lb_verdict_is_bad(ret_explore->verdict) && !is_own) {
        search_reduce(&s);
    }
    lb_runner_watch_alternatives(explorer->runner, NULL);
    ret_explore->trace_count = explorer->traces.count;
    ret_explore->outcome_count = explorer->outcomes.count;
}

enum lb_status lb_explorer_new(struct lb_explorer **ret_explorer)
{
    struct lb_explorer *explorer = calloc(1, sizeof *explorer);
    if (explorer == NULL) {
        return LB_MEMORY;
    }
    explorer->traces = (struct seen){calloc(SEEN_FIRST, sizeof(uint64_t)), SEEN_FIRST, 0};
    explorer->outcomes = (struct seen){calloc(SEEN_FIRST, sizeof(uint64_t)), SEEN_FIRST, 0};
    if (explorer->traces.places == NULL || explorer->outcomes.places == NULL ||
        lb_runner_new(&explorer->runner) != LB_OK) {
        lb_explorer_free(&explorer);
        return LB_MEMORY;
    }
    *ret_explorer = explorer;
    return LB_OK;
}

void lb_explorer_free(struct lb_explorer **explorer_pointer)
{
    struct lb_explorer *explorer = *explorer_pointer;
    *explorer_pointer = NULL;
    if (explorer == NULL) {
        return;
    }
    lb_runner_free(&explorer->runner);
    free(explorer->traces.places);
    free(explorer->outcomes.places);
    free(explorer);
}

bool lb_explorer_has_outcome(const struct lb_explorer *explorer, uint64_t outcome_hash)
{
    LB_ASSERT(explorer != NULL);
    return *seen_place(&explorer->outcomes, seen_key(outcome_hash)) != 0;
}

/* -- schedules as text -- */

void lb_departures_print(const struct lb_sim_departure *departures, uint32_t count,
                         char ret_text[LB_EXPLORE_TEXT_MAX])
{
    static const char *const choices[] = {"", "s", "t"};
    size_t at = 0;
    LB_ASSERT(count <= LB_EXPLORE_DEPARTURES_MAX);
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        const struct lb_sim_departure *d = &departures[i];
        LB_ASSERT(d->kind != LB_SIM_ANCHOR);
        int size = d->kind == LB_SIM_AFTER
                       ? snprintf(ret_text + at, LB_EXPLORE_TEXT_MAX - at, "%s%u%s",
                                  i == 0 ? "" : ",", d->skip, choices[d->choice])
                       : snprintf(ret_text + at, LB_EXPLORE_TEXT_MAX - at, "%sw%u=%u",
                                  i == 0 ? "" : ",", d->worker, d->priority);
        LB_ASSERT(size > 0);
        at += (size_t)size;
        LB_ASSERT(at < LB_EXPLORE_TEXT_MAX);
    }
}

/* number_take: a decimal number of at most `most`; moves *at behind it; false if there is none. */
static bool number_take(const char **at, uint32_t most, uint32_t *ret_number)
{
    const char *start = *at;
    uint32_t number = 0;
    while (**at >= '0' && **at <= '9' && number <= most) {
        number = number * 10 + (uint32_t)(**at - '0');
        (*at)++;
    }
    *ret_number = number;
    return *at > start && number <= most;
}

/* departure_take: one departure; moves *at behind it. */
static bool departure_take(const char **at, struct lb_sim_departure *ret_departure)
{
    uint32_t first = 0;
    uint32_t second = 0;
    memset(ret_departure, 0, sizeof *ret_departure);
    if (**at == 'w') {
        (*at)++;
        bool is_worker = number_take(at, LB_SIM_WORKERS_MAX - 1, &first) && **at == '=';
        *at += is_worker ? 1 : 0;
        ret_departure->kind = LB_SIM_PRIORITY;
        is_worker = is_worker && number_take(at, RANKS - 1, &second);
        ret_departure->worker = (uint16_t)first;
        ret_departure->priority = (uint8_t)second;
        return is_worker;
    }
    ret_departure->kind = LB_SIM_AFTER;
    bool is_number = number_take(at, UINT16_MAX, &first);
    ret_departure->skip = (uint16_t)first;
    if (is_number && (**at == 's' || **at == 't')) {
        ret_departure->choice = **at == 's' ? 1 : 2;
        (*at)++;
    }
    return is_number;
}

bool lb_departures_parse(const char *text, struct lb_sim_departure *ret_departures, uint32_t room,
                         uint32_t *ret_count)
{
    uint32_t count = 0;
    const char *at = text;
    bool is_good = true;
    while (is_good && *at != '\0') {
        is_good = count < room && departure_take(&at, &ret_departures[count]);
        count += is_good ? 1 : 0;
        if (is_good && *at == ',') {
            at++;
            is_good = *at != '\0';
        } else {
            is_good = is_good && *at == '\0';
        }
    }
    *ret_count = count;
    return is_good;
}

void lb_explore_anchors(struct lb_explorer *explorer, const struct lb_case *c,
                        const struct lb_explore_options *options, const struct lb_explore *explore,
                        char *ret_text, size_t size)
{
    struct lb_result result;
    const struct lb_variant variant = {options->slice, explore->departures,
                                       explore->departure_count, LB_EXPLORED, NULL};
    size_t at = 0;
    LB_ASSERT(size > 0);
    ret_text[0] = '\0';
    lb_runner_run(explorer->runner, c, &variant, NULL, &result);
    for (uint32_t i = 0; i < explore->departure_count; i++) {
        static const char *const choices[] = {"", " second", " third"};
        const struct lb_sim_departure *d = &explore->departures[i];
        struct lb_sim_departure anchor;
        int used = 0;
        if (lb_runner_anchor(explorer->runner, i, &anchor)) {
            used = snprintf(ret_text + at, size - at, "schedule demote %s(%s) @ %s #%u%s\n",
                            lb_role_word(anchor.role), anchor.label, lb_site_label(anchor.site),
                            anchor.occurrence, choices[anchor.choice]);
        } else if (d->kind == LB_SIM_PRIORITY) {
            used = snprintf(ret_text + at, size - at, "schedule start %u %u\n", d->worker,
                            d->priority);
        }
        at += used > 0 && (size_t)used < size - at ? (size_t)used : 0;
    }
}
