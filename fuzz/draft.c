/*
 * Drafts: how lines become a case of the fuzz dialect.
 *
 * The dialect: hosts a to h, those that some line names; of each host the scripts that have lines,
 * in the order of their connections, and at last `conn *`. A script that leaves its connection open
 * ends with `serve`, so that a wrong turn of the program rarely ends the conversation. Requests are
 * r1, r2, ... in order, their paths /r1, /r2, ...
 *
 * Invariants: no line follows one after which it could have no effect; a script is empty or was
 * given a line; what the draft points to lives in the case's arena or is static.
 */
#include "draft.h"

#include <stdio.h>
#include <string.h>

#include "core/assert.h"

#define DRAFT_LINES_MIN 8
#define DRAFT_SEGMENTS_MAX 4096 /* of all fills, where a slice is set */

struct lb_line lbi_draft_line(enum lb_verb verb)
{
    struct lb_line line;
    LB_ASSERT(verb < LB_VERB_COUNT);
    memset(&line, 0, sizeof(line));
    line.verb = verb;
    line.request = -1;
    line.host = -1;
    return line;
}

static struct lb_text text_static(const char *text)
{
    return (struct lb_text){.bytes = text, .size = (uint32_t)strlen(text)};
}

void lbi_draft_begin(struct lbi_draft *draft, struct lb_case *c)
{
    LB_ASSERT(c != NULL);
    memset(draft, 0, sizeof(*draft));
    lb_case_clear(c);
    draft->c = c;
    c->title = text_static("Whatever servers, callers and the schedule do, the rules hold");
    c->level = LB_LEVEL_HOUSE;
    c->spec_count = 1;
    c->specs = lb_case_alloc(c, sizeof(*c->specs));
    c->specs[0].document = text_static("LASTBYTE");
    c->specs[0].section = text_static("E1");
    c->tag_count = 1;
    c->tags = lb_case_alloc(c, sizeof(*c->tags));
    c->tags[0] = text_static("fuzz");
}

/* lines_add: room for one line more. */
static struct lb_line *lines_add(struct lb_case *c, struct lbi_draft_lines *lines)
{
    LB_ASSERT(lines->lines.count <= lines->capacity);
    LB_ASSERT(lines->lines.count < LB_CASE_LINES_MAX);
    if (lines->lines.count == lines->capacity) {
        uint32_t capacity = lines->capacity == 0 ? DRAFT_LINES_MIN : 2 * lines->capacity;
        struct lb_line *grown = lb_case_alloc(c, capacity * sizeof(*grown));
        if (lines->lines.count > 0) {
            memcpy(grown, lines->lines.lines, lines->lines.count * sizeof(*grown));
        }
        lines->lines.lines = grown;
        lines->capacity = capacity;
    }
    return &lines->lines.lines[lines->lines.count++];
}

bool lbi_draft_may_serve(const struct lbi_draft *draft, uint32_t host, uint32_t conn,
                         enum lb_verb verb)
{
    LB_ASSERT(host < LBI_HOSTS);
    LB_ASSERT(conn < LBI_CONNS);
    const struct lbi_draft_script *script = &draft->scripts[host][conn];
    switch (script->state) {
    case LBI_SCRIPT_OPEN:
        return verb != LB_VERB_REFUSE || script->lines.lines.count == 0;
    case LBI_SCRIPT_HALF:
        return verb == LB_VERB_WANT_BODY || verb == LB_VERB_WANT_END || verb == LB_VERB_PAUSE ||
               verb == LB_VERB_AWAIT || verb == LB_VERB_CLOSE_SERVER || verb == LB_VERB_RESET ||
               verb == LB_VERB_STALL;
    case LBI_SCRIPT_GONE:
        return verb == LB_VERB_CLOSE_SERVER || verb == LB_VERB_RESET;
    case LBI_SCRIPT_ENDED:
        return false;
    }
    return false;
}

/* state_after: what may follow a line. */
static enum lbi_script_state state_after(enum lbi_script_state state, enum lb_verb verb)
{
    if (verb == LB_VERB_CLOSE_SERVER || verb == LB_VERB_RESET || verb == LB_VERB_STALL ||
        verb == LB_VERB_REFUSE) {
        return LBI_SCRIPT_ENDED;
    }
    if (verb == LB_VERB_WANT_END) {
        return LBI_SCRIPT_GONE;
    }
    return verb == LB_VERB_HALF_CLOSE ? LBI_SCRIPT_HALF : state;
}

static bool is_head_line(const struct lb_line *line, bool is_empty)
{
    return line->verb == LB_VERB_HEAD_LINE && (line->bytes.size == 0) == is_empty;
}

bool lbi_head_end_is_implied(const struct lb_lines *script, uint32_t at)
{
    LB_ASSERT(at < script->count);
    if (at == 0 || at + 1 == script->count) {
        return false;
    }
    const struct lb_line *lines = script->lines;
    enum lb_verb next = lines[at + 1].verb;
    return is_head_line(&lines[at - 1], false) && is_head_line(&lines[at], true) &&
           (next == LB_VERB_WANT || next == LB_VERB_SERVE);
}

/* head_end: ends a head that the script has left open. */
static void head_end(struct lb_case *c, struct lbi_draft_lines *lines)
{
    uint32_t count = lines->lines.count;
    if (count > 0 && is_head_line(&lines->lines.lines[count - 1], false)) {
        struct lb_line line = lbi_draft_line(LB_VERB_HEAD_LINE);
        line.bytes = text_static("");
        *lines_add(c, lines) = line;
    }
}

/* lines_forget_want: takes back a request that is wanted and not answered before the next one is. */
static void lines_forget_want(struct lbi_draft_lines *lines)
{
    uint32_t count = lines->lines.count;
    if (count > 0 && lines->lines.lines[count - 1].verb == LB_VERB_WANT) {
        lines->lines.count--;
    }
}

void lbi_draft_serve(struct lbi_draft *draft, uint32_t host, uint32_t conn,
                     const struct lb_line *line)
{
    LB_ASSERT(line->verb < LB_VERB_SERVE);
    LB_ASSERT(lbi_draft_may_serve(draft, host, conn, line->verb));
    struct lbi_draft_script *script = &draft->scripts[host][conn];
    if (line->verb == LB_VERB_WANT) {
        head_end(draft->c, &script->lines);
        lines_forget_want(&script->lines);
    }
    *lines_add(draft->c, &script->lines) = *line;
    script->state = state_after(script->state, line->verb);
}

void lbi_draft_ask(struct lbi_draft *draft, const struct lb_line *line)
{
    LB_ASSERT(line->verb >= LB_VERB_GET);
    LB_ASSERT(line->verb < LB_VERB_EXPECT_POOL);
    struct lb_case *c = draft->c;
    struct lb_line *added = lines_add(c, &draft->client);
    *added = *line;
    if (lb_verb_is_request(line->verb)) {
        uint32_t index = c->request_count;
        draft->newest = draft->client.lines.count - 1;
        LB_ASSERT(index < LBI_REQUESTS_MAX);
        added->path = lbi_request_path(index);
        added->request = (int32_t)index;
        memcpy(c->requests[index], added->path.bytes + 1, added->path.size);
        c->request_count++;
    }
    LB_ASSERT(added->request < (int32_t)c->request_count);
    LB_ASSERT(added->host < LBI_HOSTS);
    if (line->host >= 0) {
        draft->hosts_used |= UINT32_C(1) << (uint32_t)line->host;
    }
}

struct lb_line *lbi_draft_newest(struct lbi_draft *draft)
{
    LB_ASSERT(draft->newest < draft->client.lines.count || draft->c->request_count == 0);
    return draft->c->request_count == 0 ? NULL : &draft->client.lines.lines[draft->newest];
}

void lbi_draft_depart(struct lbi_draft *draft, const struct lb_sim_departure *departure)
{
    struct lb_case *c = draft->c;
    LB_ASSERT(c->departure_count < LB_SIM_DEPARTURES_MAX);
    if (c->departures == NULL) {
        c->departures = lb_case_alloc(c, LB_SIM_DEPARTURES_MAX * sizeof(*c->departures));
    }
    c->departures[c->departure_count] = *departure;
    c->departure_count++;
}

/* script_finish: the lines of a script; `serve` at the end of one that leaves its connection
 * open. */
static struct lb_lines script_finish(struct lb_case *c, struct lbi_draft_script *script)
{
    if (script->state == LBI_SCRIPT_OPEN) {
        head_end(c, &script->lines);
        *lines_add(c, &script->lines) = lbi_draft_line(LB_VERB_SERVE);
    }
    return script->lines.lines;
}

/* scripts_trim: no script that goes on with `serve` ends with a request that it does not answer;
 * the hosts that have a script are used. */
static void scripts_trim(struct lbi_draft *draft)
{
    for (uint32_t host = 0; host < LBI_HOSTS; host++) {
        for (uint32_t conn = 0; conn < LBI_CONNS; conn++) {
            struct lbi_draft_script *script = &draft->scripts[host][conn];
            if (script->state == LBI_SCRIPT_OPEN) {
                lines_forget_want(&script->lines);
            }
            if (script->lines.lines.count > 0) {
                draft->hosts_used |= UINT32_C(1) << host;
            }
        }
    }
}

/* host_finish: a host of the case: its scripts, `conn *` at last. */
static void host_finish(struct lbi_draft *draft, uint32_t host, struct lb_case_host *ret_host)
{
    struct lb_case *c = draft->c;
    uint32_t count = 0;
    for (uint32_t i = 0; i < LBI_CONN_ANY; i++) {
        count += draft->scripts[host][i].lines.lines.count > 0 ? 1 : 0;
    }
    ret_host->name[0] = lbi_host_letter(host);
    ret_host->conns = lb_case_alloc(c, (count + 1) * sizeof(*ret_host->conns));
    for (uint32_t i = 0; i < LBI_CONNS; i++) {
        struct lbi_draft_script *script = &draft->scripts[host][i];
        if (i == LBI_CONN_ANY || script->lines.lines.count > 0) {
            struct lb_case_conn *conn = &ret_host->conns[ret_host->conn_count];
            conn->number = i == LBI_CONN_ANY ? 0 : i + 1;
            conn->script = script_finish(c, script);
            ret_host->conn_count++;
        }
    }
    LB_ASSERT(ret_host->conn_count == count + 1);
}

/* slice_finish: segments are not so small that a run of the case takes very many steps. */
static void slice_finish(const struct lbi_draft *draft)
{
    struct lb_case *c = draft->c;
    uint32_t least = (uint32_t)(draft->filled / DRAFT_SEGMENTS_MAX) + 1;
    LB_ASSERT(draft->filled <= LBI_FILLED_MAX);
    if (c->slice_count > 0 && c->slices[0] < least) {
        c->slices[0] = least;
    }
}

void lbi_draft_finish(struct lbi_draft *draft)
{
    struct lb_case *c = draft->c;
    int32_t places[LBI_HOSTS];
    _Static_assert(LBI_HOSTS <= LB_CASE_HOSTS_MAX, "a case holds all hosts");
    scripts_trim(draft);
    for (uint32_t i = 0; i < LBI_HOSTS; i++) {
        places[i] = (int32_t)c->host_count;
        if ((draft->hosts_used >> i & 1) != 0) {
            host_finish(draft, i, &c->hosts[c->host_count]);
            c->host_count++;
        }
    }
    slice_finish(draft);
    c->client = draft->client.lines;
    for (uint32_t i = 0; i < c->client.count; i++) {
        struct lb_line *line = &c->client.lines[i];
        if (line->host >= 0) {
            line->host = places[line->host];
        }
    }
}
