/*
 * The trace of a simulation: events, their hash, and the coverage of switches.
 *
 * Mental model: an event is hashed word by word whether or not anybody watches; the struct is only
 * built for a watcher. Strings go in by content, never by address.
 *
 * Invariants: same events, same hash; the hash depends on no address and on nothing outside the
 * run.
 */
#include "sim/sim_inside.h"

/* The hash with the bytes of a string, 8 at a time, and an end mark. Not sanitized: it is passed
 * for every event, and reads nothing that its caller has not read. */
__attribute__((no_sanitize_address)) static uint64_t trace_mix_string(uint64_t hash,
                                                                      const char *string)
{
    uint64_t word = 1; /* leading zero bytes count, too */
    for (const char *at = string; *at != '\0'; at += 1) {
        word = (word << 8) | (unsigned char)*at;
        if ((word >> 56) != 0) {
            hash = lbi_sim_mix(hash, word);
            word = 1;
        }
    }
    return lbi_sim_mix(hash, word);
}

/* The hash of a static word, by content; computed once for each address that it comes from. */
static uint64_t trace_word(struct lb_sim *sim, const char *word)
{
    size_t place = (size_t)((uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    LB_STATIC_ASSERT(LBI_SIM_WORD_CACHE == 256, "eight bits pick a place");
    struct lbi_sim_word *cached = &sim->words[place];
    if (cached->word != word) {
        *cached = (struct lbi_sim_word){.word = word, .hash = trace_mix_string(0, word)};
    }
    return cached->hash;
}

/* Whether the words of an event say something new: those of the others name a worker whose index is
 * hashed, and which was named when it was started, or what a worker was blocked on, as when it was. */
static inline bool trace_has_words(enum lb_sim_event_kind kind)
{
    return kind == LB_SIM_NOTED || kind == LB_SIM_BLOCKED || kind == LB_SIM_STARTED;
}

static void trace_tell(struct lb_sim *sim, const struct lb_sim_event *event)
{
    LB_ASSERT(event->subject != NULL);
    LB_ASSERT(event->detail != NULL);
    sim->options.on_event(sim->options.context, event);
}

/* lbi_sim_emit, in one piece with a kind that is known. */
static inline void trace_emit(struct lb_sim *sim, enum lb_sim_event_kind kind, enum lb_site site,
                              int32_t worker, uint64_t value, const char *subject,
                              const char *detail)
{
    LB_ASSERT(worker >= -1);
    LB_ASSERT(worker < (int32_t)LB_SIM_WORKERS_MAX);
    bool has_words = trace_has_words(kind);
    uint64_t head = (uint64_t)kind << 48 | (uint64_t)site << 32 | (uint64_t)(worker + 1);
    uint64_t hash = lbi_sim_mix(sim->hash, head);
    hash = lbi_sim_mix(hash, sim->now_ns);
    hash = lbi_sim_mix(hash, value);
    if (has_words && subject[0] != '\0') {
        hash = trace_mix_string(hash, subject);
    }
    if (has_words && detail[0] != '\0') {
        hash = lbi_sim_mix(hash, trace_word(sim, detail));
    }
    sim->hash = hash;
    if (__builtin_expect(sim->options.on_event != NULL, 0)) {
        struct lb_sim_event event = {.kind = kind,
                                     .site = site,
                                     .worker = worker,
                                     .time_ns = sim->now_ns,
                                     .value = value,
                                     .subject = subject,
                                     .detail = detail};
        trace_tell(sim, &event);
    }
}

void lbi_sim_emit(struct lb_sim *sim, enum lb_sim_event_kind kind, enum lb_site site,
                  int32_t worker, uint64_t value, const char *subject, const char *detail)
{
    LB_ASSERT(subject != NULL);
    LB_ASSERT(detail != NULL);
    trace_emit(sim, kind, site, worker, value, subject, detail);
}

void lbi_sim_cover(struct lb_sim *sim, const struct lb_sim_worker *from,
                   const struct lb_sim_worker *to)
{
    LB_STATIC_ASSERT(LB_SITE_COUNT <= 128, "a site fits 7 bits");
    LB_STATIC_ASSERT(LB_ROLE_COUNT < 7, "a role or `outside` fits 3 bits");
    LB_ASSERT(to->state == LB_SIM_RUNNABLE);
    if (sim->cover == NULL) {
        return;
    }
    uint32_t left = from == NULL ? 7u : (uint32_t)from->site << 3 | (uint32_t)from->role;
    uint32_t entered = (uint32_t)to->site << 3 | (uint32_t)to->role;
    uint32_t how = from == NULL ? 0 : (uint32_t)from->state;
    uint32_t tuple = left << 12 | entered << 2 | how;
    uint32_t hash = (tuple * UINT32_C(0x9e3779b1)) >> 16;
    uint8_t *counter = &sim->cover[hash & (sim->cover_size - 1)];
    *counter = (uint8_t)(*counter + (*counter != UINT8_MAX));
}

void lb_sim_note(struct lb_sim *sim, const char *subject, const char *detail, uint64_t value)
{
    LB_ASSERT(subject != NULL);
    LB_ASSERT(detail != NULL);
    const struct lb_sim_worker *worker = sim->current;
    trace_emit(sim, LB_SIM_NOTED, worker == NULL ? LB_SITE_NONE : worker->site,
               worker == NULL ? -1 : worker->index, value, subject, detail);
}

uint64_t lb_sim_hash(const struct lb_sim *sim)
{
    uint64_t hash = sim->hash;
    LB_MAYBE(hash == 0);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

void lb_sim_cover_switches(struct lb_sim *sim, uint8_t *counters, size_t size)
{
    LB_ASSERT(sim != NULL);
    LB_ASSERT(counters == NULL || (size > 0 && size <= LBI_SIM_COVER_MAX));
    LB_ASSERT((size & (size - 1)) == 0);
    sim->cover = counters;
    sim->cover_size = size;
}

void lb_sim_watch_decisions(struct lb_sim *sim, uint8_t *alternatives, size_t capacity)
{
    sim->alternatives = alternatives;
    sim->alternatives_capacity = capacity;
}
