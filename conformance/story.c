/*
 * Recording a run: an array of events, and what the transport's events say about its connections.
 *
 * Mental model: each event keeps its text, so that a story can be told when its world is gone. With each
 * event it is found out anew who could wake whom (wake.c): a worker's point of no return is the first
 * event since which nobody could, without a gap.
 *
 * Invariants: events are in the order in which they happened; a story changes nothing in its world, and
 * never calls the transport, whose lock may be held.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "story_inside.h"

enum lb_status lb_story_new(struct lb_story **ret_story)
{
    LB_ASSERT(ret_story != NULL);
    struct lb_story *story = calloc(1, sizeof *story);
    if (story == NULL) {
        return LB_MEMORY;
    }
    *ret_story = story;
    return LB_OK;
}

static void story_clear(struct lb_story *story)
{
    for (uint32_t i = 0; i < story->event_count; i++) {
        free(story->events[i].text);
        free(story->events[i].expected);
    }
    story->event_count = 0;
}

void lb_story_free(struct lb_story **story_pointer)
{
    struct lb_story *story = *story_pointer;
    if (story != NULL) {
        story_clear(story);
        free(story->events);
        free(story);
    }
    *story_pointer = NULL;
}

void lbi_story_begin(struct lb_story *story, const struct lb_case *c)
{
    story_clear(story);
    struct lbi_story_event *events = story->events;
    uint32_t room = story->event_room;
    memset(story, 0, sizeof *story);
    story->events = events;
    story->event_room = room;
    story->c = c;
}

void lbi_story_worker_name(const struct lb_story *story, int32_t worker, char *ret_name,
                           size_t size)
{
    if (worker < 0 || (uint32_t)worker >= story->worker_count) {
        snprintf(ret_name, size, "world");
        return;
    }
    const struct lbi_story_worker *w = &story->workers[worker];
    snprintf(ret_name, size, "%s(%s)", lb_role_word(w->role), w->label);
}

struct lbi_story_conn *lbi_story_conn(struct lb_story *story, const char *name)
{
    for (uint32_t i = 0; i < story->conn_count; i++) {
        if (lb_name_is(story->conns[i].name, name)) {
            return &story->conns[i];
        }
    }
    if (story->conn_count == LB_NET_CONNS_MAX) {
        return NULL;
    }
    struct lbi_story_conn *conn = &story->conns[story->conn_count++];
    memset(conn, 0, sizeof *conn);
    snprintf(conn->name, sizeof conn->name, "%s", name);
    return conn;
}

/* story_add: a fresh event of now; NULL: there is no more room. */
static struct lbi_story_event *story_add(struct lb_world *world, enum lbi_story_kind kind,
                                         const char *text)
{
    struct lb_story *story = world->story;
    LB_ASSERT(story != NULL);
    if (story->event_count == LB_STORY_EVENTS_MAX) {
        story->is_cut = true;
        return NULL;
    }
    if (story->event_count == story->event_room) {
        story->event_room = story->event_room == 0 ? 256 : story->event_room * 2;
        story->events = realloc(story->events, story->event_room * sizeof *story->events);
        LB_ASSERT(story->events != NULL);
    }
    struct lbi_story_event *event = &story->events[story->event_count++];
    *event = (struct lbi_story_event){.kind = kind,
                                      .worker = lb_sim_current(world->sim),
                                      .time_ns = lb_sim_now(world->sim),
                                      .step = lb_sim_steps(world->sim),
                                      .detail = "",
                                      .text = strdup(text)};
    LB_ASSERT(event->text != NULL);
    return event;
}

/* story_orphans: notes since when each worker cannot be woken any more. */
static void story_orphans(struct lb_world *world)
{
    struct lb_story *story = world->story;
    if (story->worker_count == 0 || story->is_noted) {
        return;
    }
    lbi_wake_settle(world, false);
    for (uint32_t i = 0; i < story->worker_count; i++) {
        struct lbi_story_worker *worker = &story->workers[i];
        if (story->wakes[i] != 0) {
            worker->orphaned = 0;
        } else if (worker->orphaned == 0) {
            worker->orphaned = story->event_count;
        }
    }
}

/* story_start: a worker that was started. */
static void story_start(struct lb_world *world, const struct lb_sim_event *event)
{
    struct lb_story *story = world->story;
    struct lb_sim_view view;
    LB_ASSERT(event->value == story->worker_count);
    LB_ASSERT(story->worker_count < LB_SIM_WORKERS_MAX);
    lb_sim_view(world->sim, (uint32_t)event->value, &view);
    struct lbi_story_worker *worker = &story->workers[story->worker_count++];
    *worker = (struct lbi_story_worker){
        .role = view.role, .creator = event->worker, .started = story->event_count};
    snprintf(worker->label, sizeof worker->label, "%s", view.label);
}

/* story_follow: what an event of the transport says about a connection. */
static void story_follow(struct lb_story *story, const struct lb_sim_event *event)
{
    static const struct {
        const char *word;
        enum lb_event event;
    } followed[] = {
        {"exchange.start", LB_EVENT_EXCHANGE_START},
        {"connection.idle", LB_EVENT_CONNECTION_IDLE},
        {"connection.take", LB_EVENT_CONNECTION_TAKE},
        {"connection.close", LB_EVENT_CONNECTION_CLOSE},
        {"dial.start", LB_EVENT_DIAL_START},
    };
    size_t i = 0;
    while (i < sizeof followed / sizeof followed[0] &&
           !lb_name_is(followed[i].word, event->detail)) {
        i++;
    }
    if (i == sizeof followed / sizeof followed[0]) {
        return;
    }
    struct lbi_story_conn *conn = lbi_story_conn(story, event->subject);
    if (conn == NULL) {
        return;
    }
    switch ((int)followed[i].event) {
    case LB_EVENT_EXCHANGE_START:
        conn->request = event->value;
        break;
    case LB_EVENT_CONNECTION_IDLE:
        conn->is_idle = true;
        break;
    case LB_EVENT_CONNECTION_TAKE:
        conn->is_idle = false;
        break;
    case LB_EVENT_CONNECTION_CLOSE:
        conn->is_idle = false;
        conn->is_closed = true;
        break;
    default:
        break;
    }
}

void lb_story_event(struct lb_world *world, const struct lb_sim_event *event)
{
    struct lb_story *story = world->story;
    if (story == NULL) {
        return;
    }
    if (story->is_stopping) {
        story_orphans(world); /* a worker that blocks, or ends, says so before it does */
        story->is_stopping = false;
    }
    if (event->kind == LB_SIM_SWITCHED) {
        return; /* who does the next thing says it */
    }
    char text[LBI_WORDS_MAX];
    lb_narrate_text(world, event, text, sizeof text);
    if (event->kind == LB_SIM_STARTED) {
        story_start(world, event);
    }
    struct lbi_story_event *added = story_add(world, LBI_STORY_SIM, text);
    if (added == NULL) {
        return;
    }
    added->sim_kind = event->kind;
    added->site = event->site;
    added->worker = event->worker;
    added->value = event->value;
    added->detail = event->detail;
    snprintf(added->subject, sizeof added->subject, "%s", event->subject);
    if (event->kind == LB_SIM_NOTED) {
        story_follow(story, event);
    }
    if (event->kind == LB_SIM_ENDED) {
        story->workers[event->worker].ended = story->event_count;
    }
    story_orphans(world);
    story->is_stopping = event->kind == LB_SIM_BLOCKED || event->kind == LB_SIM_ENDED;
}

void lb_story_line(struct lb_world *world, const struct lb_line *line)
{
    struct lb_story *story = world->story;
    if (story == NULL) {
        return;
    }
    char text[LBI_WORDS_MAX];
    lb_line_print(world->c, line, text, sizeof text);
    story->line = line;
    story->program_at = (uint32_t)(line - world->c->client.lines);
    struct lbi_story_event *event = story_add(world, LBI_STORY_LINE, text);
    if (event != NULL) {
        event->line = line;
    }
}

/* story_fail: the first bad event is what the table leads to. */
static void story_fail(struct lb_story *story, struct lbi_story_event *event)
{
    if (event != NULL) {
        event->is_bad = true;
        story->failed = story->failed == 0 ? story->event_count : story->failed;
    }
}

void lb_story_outcome(struct lb_world *world, const struct lb_line *line, const char *actual,
                      const char *expected)
{
    struct lb_story *story = world->story;
    if (story == NULL) {
        return;
    }
    struct lbi_story_event *event = story_add(world, LBI_STORY_OUTCOME, actual);
    if (event != NULL) {
        event->line = line;
        event->expected = expected == NULL ? NULL : strdup(expected);
    }
    if (expected != NULL) {
        story_fail(story, event);
    }
    if (story->line == line) {
        story->line = NULL;
        story->program_at++;
    }
    story_orphans(world);
}

const char *lbi_story_mark(const struct lb_story *story, const struct lb_line *line)
{
    bool is_weak = line->prefix == LB_PREFIX_SHOULD ||
                   (line->prefix == LB_PREFIX_NONE && story->c->level == LB_LEVEL_SHOULD);
    return lb_verdict_word(line->prefix == LB_PREFIX_SETUP ? LB_VERDICT_BROKEN
                           : is_weak                       ? LB_VERDICT_WEAK
                                                           : LB_VERDICT_FAIL);
}

void lb_story_said(struct lb_world *world, const char *text)
{
    if (world->story == NULL) {
        return;
    }
    struct lbi_story_event *event = story_add(world, LBI_STORY_SERVER, text);
    if (event != NULL && event->worker >= 0) {
        snprintf(event->subject, sizeof event->subject, "%s",
                 world->story->workers[event->worker].label);
    }
}

/* head_print: the head of a response as one line: "200 length 10 close". */
static void head_print(const struct lb_line *lines, uint32_t count, char *ret_text, size_t size)
{
    const char *first = lines[0].bytes.bytes;
    const char *code = strncmp(first, "HTTP/1.", 7) == 0 ? strchr(first, ' ') : NULL;
    size_t used = (size_t)snprintf(ret_text, size, "%.*s", code == NULL ? 40 : 3,
                                   code == NULL ? first : code + 1);
    uint32_t other = 0;
    for (uint32_t i = 1; i < count && used < size; i++) {
        const char *text = lines[i].bytes.bytes;
        const char *value = strchr(text, ':');
        value = value == NULL ? text : value + 1 + strspn(value + 1, " ");
        const char *word = strncasecmp(text, "Content-Length:", 15) == 0      ? " length "
                           : strncasecmp(text, "Transfer-Encoding:", 18) == 0 ? " "
                           : strncasecmp(text, "Content-Encoding:", 17) == 0  ? " "
                           : strncasecmp(text, "Connection:", 11) == 0        ? " "
                                                                              : NULL;
        other += word == NULL && text[0] != '\0' ? 1 : 0;
        if (word != NULL) {
            used += (size_t)snprintf(ret_text + used, size - used, "%s%s", word, value);
        }
    }
    if (other > 0 && used < size) {
        snprintf(ret_text + used, size - used, " and %" PRIu32 " more", other);
    }
}

void lb_story_server(struct lb_world *world, const struct lb_line *line, uint32_t count)
{
    if (world->story == NULL) {
        return;
    }
    char text[LBI_WORDS_MAX];
    if (line->verb == LB_VERB_HEAD_LINE) {
        head_print(line, count, text, sizeof text);
    } else {
        lb_line_print(world->c, line, text, sizeof text);
    }
    lb_story_said(world, text);
}

void lb_story_failed(struct lb_world *world, const struct lb_line *line, const char *expected,
                     const char *actual)
{
    struct lb_story *story = world->story;
    if (story == NULL) {
        return;
    }
    const struct lb_lines *client = &world->c->client;
    bool is_client = line >= client->lines && line < client->lines + client->count;
    if (is_client && story->event_count > 0 && story->line == line &&
        lb_sim_current(world->sim) >= 0) {
        return; /* its outcome says it */
    }
    char text[2 * LBI_WORDS_MAX + 40];
    snprintf(text, sizeof text, "FAIL, expected %s: %s", expected, actual);
    story_fail(story, story_add(world, LBI_STORY_FAILED, text));
}

void lb_story_phase(struct lb_world *world, const char *title)
{
    if (world->story != NULL) {
        (void)story_add(world, LBI_STORY_PHASE, title);
    }
}

void lb_story_judged(struct lb_world *world, enum lb_phase phase, bool is_bad)
{
    struct lb_story *story = world->story;
    if (story == NULL) {
        return;
    }
    story_orphans(world);
    story->phase_events[phase] = story->event_count;
    if (is_bad && story->failed == 0) {
        story->failed = story->event_count;
    }
    bool is_stuck = phase == LB_PHASE_TIMEOUTS && !world->is_program_ended;
    if (!story->is_noted && (is_bad || is_stuck || phase == LB_PHASE_SCRIPT)) {
        lbi_leak_note(world, phase, is_bad || is_stuck);
        story->is_noted = is_bad || story->leak_count > 0;
    }
}

void lb_story_cut(struct lb_world *world)
{
    struct lb_story *story = world->story;
    if (story == NULL || story->is_noted) {
        return;
    }
    story_orphans(world);
    story->failed = story->failed == 0 ? story->event_count : story->failed;
    story->is_hung = true;
    lbi_leak_note(world, LB_PHASE_SCRIPT, true);
}
