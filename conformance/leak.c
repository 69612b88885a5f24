/*
 * The workers that a run has left, and why: each with its class, what would wake it, and why nobody does.
 *
 * Mental model: at the settled phase that is judged, wake.c says who can wake whom. What is needed of the
 * world for the report is put into words then; how long a worker lives is known when the run is over.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "story_inside.h"

/* Words in a fixed room, joined by "; ". */
struct words {
    char *text;
    size_t size;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void words_add(struct words *words, const char *format,
                                                            ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (words->used > 0 && words->used + 3 < words->size) {
        words->used += (size_t)snprintf(words->text + words->used, words->size - words->used, "; ");
    }
    if (words->used < words->size) {
        int added =
            vsnprintf(words->text + words->used, words->size - words->used, format, arguments);
        words->used += (size_t)added;
    }
    va_end(arguments);
}

static const char *name_of(const struct lb_story *story, int32_t worker, char *room, size_t size)
{
    lbi_story_worker_name(story, worker, room, size);
    return room;
}

/* leak_wait: what a worker at such a site waits for; %c is its connection, %r its request. */
static const char *leak_wait(enum lb_site site)
{
    static const struct {
        enum lb_site site;
        const char *words;
    } waits[] = {
        {LB_SITE_WAIT_BODY_END, "read to the end, close or cancel of %r; death of %c"},
        {LB_SITE_WAIT_REQUEST, "a request for %c; its end"},
        {LB_SITE_WAIT_CONTINUE, "a response on %c; its end"},
        {LB_SITE_WAIT_WRITTEN, "the end of the write on %c"},
        {LB_SITE_WAIT_WORKERS, "the end of the other workers of %c"},
        {LB_SITE_WAIT_CONNECTION, "a connection for %r, dialed or given back; its cancel"},
        {LB_SITE_WAIT_HEAD, "the head of %r; its failure or cancel"},
        {LB_SITE_WAIT_READER, "the end of another read of %r"},
        {LB_SITE_WAIT_RELEASE, "the write worker leaving the source of %r"},
        {LB_SITE_WAIT_DRAINED, "the end of every worker"},
        {LB_SITE_SOURCE_READ, "the source of %r"},
        {LB_SITE_CALLER_WAIT, "the end of the pending operation of %r"},
        {LB_SITE_SOCKET_CONNECT, "an answer to the connect of %c; its shutdown"},
        {LB_SITE_SOCKET_READ_FIRST, "bytes, end or reset of %c; its shutdown"},
        {LB_SITE_SOCKET_READ_HEAD, "bytes, end or reset of %c; its shutdown"},
        {LB_SITE_SOCKET_READ_BODY, "bytes, end or reset of %c; its shutdown"},
        {LB_SITE_SOCKET_READ_DRAIN, "bytes, end or reset of %c; its shutdown"},
        {LB_SITE_SOCKET_WRITE, "room on %c; its reset or shutdown"},
    };
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        if (waits[i].site == site) {
            return waits[i].words;
        }
    }
    return "somebody at %c";
}

/* leak_would_wake: what would end the wait. */
static void leak_would_wake(const struct lb_world *world, uint32_t worker, struct words *words)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[worker];
    const struct lbi_story_conn *conn = story->conn_of[worker];
    int32_t request = story->request_of[worker];
    char name[48];
    if (view->wait == LB_SIM_WAIT_LOCK || view->wait == LB_SIM_WAIT_END) {
        words_add(words, view->wait == LB_SIM_WAIT_LOCK ? "the lock of %s" : "the end of %s",
                  name_of(story, view->holder, name, sizeof name));
        return;
    }
    char text[LBI_WORDS_MAX];
    size_t used = 0;
    for (const char *at = leak_wait(view->site); *at != '\0' && used < sizeof text - 30; at++) {
        if (at[0] == '%') {
            const char *conn_name = conn == NULL ? "its connection" : conn->name;
            at++;
            used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                                     *at == 'c'    ? conn_name
                                     : request < 0 ? "its request"
                                                   : world->c->requests[request]);
        } else {
            text[used++] = *at;
        }
    }
    text[used] = '\0';
    words_add(words, "%s", text);
    if (view->deadline_ns != LB_NEVER) {
        words_add(words, "at %" PRIu64 " ms", view->deadline_ns / 1000000);
    }
}

/* leak_request: why the program does nothing any more to the request. */
static void leak_request(const struct lb_world *world, int32_t request, struct words *words)
{
    const char *name = world->c->requests[request];
    const struct lb_caller *caller = &world->callers[request];
    if (caller->is_dropped) {
        words_add(words, "the handle of %s was dropped", name);
    } else if (caller->is_closed) {
        words_add(words, "%s was closed", name);
    } else if (caller->is_cancelled) {
        words_add(words, "%s was cancelled", name);
    } else if (caller->outcome != LB_OK) {
        words_add(words, "%s has had its outcome, %s", name, lb_status_word(caller->outcome));
    } else if (caller->code == 0) {
        words_add(words, "the caller of %s waits itself", name);
    }
}

/* leak_nobody: why none of those that could wake an orphan does. */
static void leak_nobody(const struct lb_world *world, uint32_t worker, struct words *words)
{
    const struct lb_story *story = world->story;
    const struct lbi_story_conn *conn = story->conn_of[worker];
    int32_t request = story->request_of[worker];
    bool is_ours = story->views[worker].role != LB_ROLE_CALLER;
    if (request >= 0 && is_ours) {
        leak_request(world, request, words);
    }
    char name[48];
    for (uint32_t i = 0; i < story->alive_count; i++) {
        if (lbi_wake_may(world, story->alive[i], worker)) {
            words_add(words, "%s is orphaned itself",
                      name_of(story, story->alive[i], name, sizeof name));
        }
    }
    if (conn != NULL && is_ours) {
        words_add(words, "%s is %s", conn->name,
                  conn->is_closed ? "closed" : "not idle, the pool does not own it");
    }
    if (words->used == 0) {
        words_add(words, "no worker is left that could");
    }
}

static void leak_holds(const struct lb_world *world, uint32_t worker, struct words *words)
{
    const struct lb_story *story = world->story;
    const struct lb_sim_view *view = &story->views[worker];
    char name[48];
    for (size_t i = 0; i < lb_net_log_count(world->net); i++) {
        struct lb_net_log log;
        lb_net_log(world->net, i, &log);
        bool is_owner = view->role == LB_ROLE_READ || view->role == LB_ROLE_DIAL;
        if (log.is_open && is_owner && lb_name_is(log.name, view->label)) {
            words_add(words, "socket %s", log.name);
        }
    }
    for (uint32_t i = 0; i < story->alive_count; i++) {
        const struct lb_sim_view *other = &story->views[story->alive[i]];
        if (other->wait == LB_SIM_WAIT_LOCK && other->holder == (int32_t)worker) {
            words_add(words, "the lock that %s waits for",
                      name_of(story, story->alive[i], name, sizeof name));
            return;
        }
    }
}

/* leak_add: one worker's standing, in words. */
static void leak_add(struct lb_world *world, uint32_t worker)
{
    struct lb_story *story = world->story;
    if (story->leak_count == LBI_LEAKS_MAX) {
        story->leak_more++;
        return;
    }
    struct lbi_leak *leak = &story->leaks[story->leak_count++];
    memset(leak, 0, sizeof *leak);
    leak->worker = worker;
    leak->roots = story->roots[worker];
    leak->wakes = story->wakes[worker];
    leak->via = story->via[worker];
    leak->orphaned = story->workers[worker].orphaned;
    snprintf(leak->parked, sizeof leak->parked, "%s", lb_site_label(story->views[worker].site));
    struct words would_wake = {leak->would_wake, sizeof leak->would_wake, 0};
    leak_would_wake(world, worker, &would_wake);
    if (leak->wakes == 0) {
        struct words nobody = {leak->nobody, sizeof leak->nobody, 0};
        leak_nobody(world, worker, &nobody);
    }
    struct words holds = {leak->holds, sizeof leak->holds, 0};
    leak_holds(world, worker, &holds);
}

/* orphan_waits_for: an orphan that an orphan waits for; -1: none. */
static int32_t orphan_waits_for(const struct lb_world *world, uint32_t worker)
{
    const struct lb_story *story = world->story;
    for (uint32_t i = 0; i < story->alive_count; i++) {
        uint32_t by = story->alive[i];
        if (story->wakes[by] == 0 && lbi_wake_may(world, by, worker)) {
            return (int32_t)by;
        }
    }
    return -1;
}

/* leak_cycle: orphans that wait for each other, from the first one that is part of it. */
static void leak_cycle(struct lb_world *world)
{
    struct lb_story *story = world->story;
    for (uint32_t i = 0; i < story->leak_count; i++) {
        int32_t first = (int32_t)story->leaks[i].worker;
        int32_t at = first;
        struct words words = {story->cycle, sizeof story->cycle, 0};
        for (uint32_t n = 0; n < story->alive_count && at >= 0 && story->wakes[at] == 0; n++) {
            char name[48];
            char next[48];
            char holds[LBI_WORDS_MAX] = "";
            struct words held = {holds, sizeof holds, 0};
            leak_holds(world, (uint32_t)at, &held);
            int32_t other = orphan_waits_for(world, (uint32_t)at);
            words_add(&words, "%s%s%s%s waits at %s for %s", name_of(story, at, name, sizeof name),
                      holds[0] == '\0' ? "" : " holds ", holds, holds[0] == '\0' ? "" : " and",
                      lb_site_label(story->views[at].site),
                      name_of(story, other, next, sizeof next));
            at = other;
            if (at == first) {
                return;
            }
        }
        story->cycle[0] = '\0';
    }
}

void lbi_leak_note(struct lb_world *world, enum lb_phase phase, bool is_bad)
{
    struct lb_story *story = world->story;
    const struct lb_line *line = world->result->line;
    bool is_about =
        line != NULL && (line->verb == LB_VERB_EXPECT_WORKERS ||
                         line->verb == LB_VERB_EXPECT_POOL || line->verb == LB_VERB_EXPECT_CONNS);
    lbi_wake_settle(world, true);
    story->leak_phase = phase;
    story->leak_count = 0;
    story->leak_more = 0;
    story->cycle[0] = '\0';
    for (uint32_t i = 0; i < story->alive_count; i++) {
        uint32_t worker = story->alive[i];
        bool is_parked = (story->wakes[worker] & LBI_WAKE_POOL) != 0;
        bool is_script = story->views[worker].role == LB_ROLE_SERVER;
        bool is_ours = is_bad || is_about;
        if (!is_script && (story->wakes[worker] == 0 ||
                           (is_ours && (!is_parked || phase >= LB_PHASE_IDLE_CLOSED)))) {
            leak_add(world, worker);
        }
    }
    leak_cycle(world);
}

/* -- telling -- */

bool lb_story_has_leaks(const struct lb_story *story)
{
    return story->leak_count > 0;
}

/* class_words: "peer or time". */
static void class_words(uint32_t wakes, char *ret_text, size_t size)
{
    static const struct {
        enum lbi_wake wake;
        const char *word;
    } classes[] = {
        {LBI_WAKE_PEER, "peer"},     {LBI_WAKE_TIME, "time"},          {LBI_WAKE_POOL, "pool"},
        {LBI_WAKE_CALLER, "caller"}, {LBI_WAKE_RUNNER, "the running"},
    };
    size_t used = 0;
    ret_text[0] = '\0';
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if ((wakes & classes[i].wake) != 0 && used < size) {
            used += (size_t)snprintf(ret_text + used, size - used, "%s%s", used == 0 ? "" : " or ",
                                     classes[i].word);
        }
    }
}

/* leak_class: "orphaned", "hostage to time, or through read(a.1) to peer". */
static void leak_class(const struct lb_story *story, const struct lbi_leak *leak, char *ret_text,
                       size_t size)
{
    char direct[64];
    char indirect[64];
    char name[48];
    name_of(story, leak->via, name, sizeof name);
    class_words(leak->roots, direct, sizeof direct);
    class_words(leak->wakes & ~leak->roots, indirect, sizeof indirect);
    if (leak->wakes == 0) {
        snprintf(ret_text, size, "orphaned");
    } else if (indirect[0] == '\0') {
        snprintf(ret_text, size, "hostage to %s", direct);
    } else if (direct[0] == '\0') {
        snprintf(ret_text, size, "hostage to %s, through %s", indirect, name);
    } else {
        snprintf(ret_text, size, "hostage to %s, or through %s to %s", direct, name, indirect);
    }
}

/* leak_lifetime: the first phase at which the worker is gone. */
static const char *leak_lifetime(const struct lb_story *story, const struct lbi_leak *leak)
{
    static const char *const lifetimes[] = {"until-timeout", "until-timeout", "until-idle-close",
                                            "until-destroy"};
    uint32_t ended = story->workers[leak->worker].ended;
    for (uint32_t phase = 0; phase <= LB_PHASE_FREED && ended > 0; phase++) {
        if (story->phase_events[phase] == 0 || ended <= story->phase_events[phase]) {
            return lifetimes[phase];
        }
    }
    return "forever";
}

/* leak_turned: when a worker became an orphan, and who did what then; false: it is none. */
static bool leak_turned(const struct lb_story *story, const struct lbi_leak *leak, char *ret_text,
                        size_t size)
{
    if (leak->wakes != 0 || leak->orphaned == 0) {
        return false;
    }
    const struct lbi_story_event *event = &story->events[leak->orphaned - 1];
    char name[48];
    char line[LBI_WORDS_MAX] = "";
    if (event->kind == LBI_STORY_OUTCOME) {
        lb_line_print(story->c, event->line, line, sizeof line);
        char *arrow = strstr(line, " => ");
        if (arrow != NULL) {
            *arrow = '\0';
        }
    }
    snprintf(ret_text, size, "step %" PRIu64 ", %s: %s%s%s", event->step,
             name_of(story, event->worker, name, sizeof name), line, line[0] == '\0' ? "" : " => ",
             event->text);
    return true;
}

/* leak_created: "dial(a.1) <- caller(main)". */
static void leak_created(const struct lb_story *story, const struct lbi_leak *leak, char *ret_text,
                         size_t size)
{
    int32_t at = story->workers[leak->worker].creator;
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t n = 0; n < 4 && used < size; n++) {
        char name[48];
        used += (size_t)snprintf(ret_text + used, size - used, "%s%s", n == 0 ? "" : " <- ",
                                 name_of(story, at, name, sizeof name));
        if (at < 0) {
            break;
        }
        at = story->workers[at].creator;
    }
}

static const char *leak_title(const struct lb_story *story)
{
    return story->is_hung ? "workers when the budget was used up:"
                          : lb_narrate_left(story->leak_phase);
}

/* leak_row: "    would wake on  ..."; broken into lines of at most LB_STORY_WIDTH columns. */
static void leak_row(const struct lb_story_output *output, const char *name, const char *text,
                     enum lb_tone tone)
{
    size_t width = LB_STORY_WIDTH - 21;
    while (name[0] != '\0' || *text != '\0') {
        char line[LB_STORY_WIDTH + 1];
        size_t size = strlen(text);
        if (size > width) {
            size = width;
            while (size > 1 && text[size] != ' ') {
                size--;
            }
        }
        snprintf(line, sizeof line, "      %-13s  %.*s", name, (int)size, text);
        output->line(output->context, line, tone);
        text += size + (text[size] == ' ' ? 1 : 0);
        name = "";
    }
}

void lb_story_leaks(const struct lb_story *story, const struct lb_story_output *output)
{
    if (story->leak_count == 0) {
        return;
    }
    char text[4 * LBI_WORDS_MAX];
    char words[LBI_WORDS_MAX];
    char name[48];
    snprintf(text, sizeof text, "  %s", leak_title(story));
    output->line(output->context, text, LB_TONE_TITLE);
    for (uint32_t i = 0; i < story->leak_count; i++) {
        const struct lbi_leak *leak = &story->leaks[i];
        leak_class(story, leak, words, sizeof words);
        snprintf(text, sizeof text, "    %s  %s, lives %s",
                 name_of(story, (int32_t)leak->worker, name, sizeof name), words,
                 leak_lifetime(story, leak));
        output->line(output->context, text, LB_TONE_PLAIN);
        leak_row(output, "parked at", leak->parked, LB_TONE_PLAIN);
        leak_row(output, "would wake on", leak->would_wake, LB_TONE_PLAIN);
        if (leak->nobody[0] != '\0') {
            leak_row(output, "nobody left", leak->nobody, LB_TONE_PLAIN);
        }
        if (leak_turned(story, leak, text, sizeof text)) {
            leak_row(output, "turned orphan", text, LB_TONE_BAD);
        }
        if (leak->holds[0] != '\0') {
            leak_row(output, "holds", leak->holds, LB_TONE_PLAIN);
        }
        leak_created(story, leak, words, sizeof words);
        leak_row(output, "created by", words, LB_TONE_PLAIN);
    }
    if (story->leak_more > 0) {
        snprintf(text, sizeof text, "    and %" PRIu32 " more", story->leak_more);
        output->line(output->context, text, LB_TONE_PLAIN);
    }
    if (story->cycle[0] != '\0') {
        leak_row(output, "deadlock", story->cycle, LB_TONE_BAD);
    }
}

/* leak_summary: the same in a line or two for each worker. */
static void leak_summary(const struct lb_story *story, char *ret_text, size_t size)
{
    size_t used = (size_t)snprintf(ret_text, size, "%s\n", leak_title(story));
    for (uint32_t i = 0; i < story->leak_count && used < size; i++) {
        const struct lbi_leak *leak = &story->leaks[i];
        char name[48];
        char words[LBI_WORDS_MAX];
        leak_class(story, leak, words, sizeof words);
        used += (size_t)snprintf(ret_text + used, size - used, "  %s %s, %s: waits at %s for %s\n",
                                 name_of(story, (int32_t)leak->worker, name, sizeof name), words,
                                 leak_lifetime(story, leak), leak->parked, leak->would_wake);
        if (used < size && leak_turned(story, leak, words, sizeof words)) {
            used += (size_t)snprintf(ret_text + used, size - used, "    since %s\n", words);
        }
    }
    if (story->cycle[0] != '\0' && used < size) {
        snprintf(ret_text + used, size - used, "  deadlock: %s\n", story->cycle);
    }
}

void lb_runner_explain(struct lb_runner *runner, const struct lb_case *c,
                       const struct lb_variant *variant, struct lb_result *result)
{
    struct lb_story *story = NULL;
    LB_ASSERT(result->verdict > LB_VERDICT_PASS);
    if (lb_story_new(&story) != LB_OK) {
        return;
    }
    struct lb_result again;
    const struct lb_run_output output = {.story = story};
    lb_runner_run(runner, c, variant, &output, &again);
    if (again.trace_hash == result->trace_hash && lb_story_has_leaks(story)) {
        leak_summary(story, result->profile, sizeof result->profile);
    }
    lb_story_free(&story);
}
