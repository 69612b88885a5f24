/*
 * Projection: a conformance case as a case of the fuzz dialect, so that it seeds a campaign.
 *
 * Kept: what servers and callers do, options, the schedule. Dropped: expectations, and slices where
 * there are several, as bytes say one run. Renamed: hosts, requests, signals and paths, in order.
 * Made wider: `want` takes any request, and what was beyond a script is `serve`. Refused, with the
 * place and the reason: what the dialect has no room for.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "draft.h"

struct projection {
    const struct lb_case *c;
    struct lbi_draft draft;
    struct lb_text signals[LBI_SIGNALS]; /* their names in `c` */
    uint32_t signal_count;
    bool is_refused;
    struct lb_codec_error error;
};

__attribute__((format(printf, 3, 4))) static void refuse(struct projection *projection,
                                                         uint32_t place, const char *format, ...)
{
    va_list arguments;
    if (!projection->is_refused) {
        projection->is_refused = true;
        projection->error.place = place;
        va_start(arguments, format);
        (void)vsnprintf(projection->error.reason, sizeof(projection->error.reason), format,
                        arguments);
        va_end(arguments);
    }
}

/* -- what both lanes have -- */

/* project_signal: the dialect's name of a signal. */
static struct lb_text project_signal(struct projection *projection, const struct lb_line *line)
{
    uint32_t index = 0;
    while (index < projection->signal_count &&
           (projection->signals[index].size != line->name.size ||
            memcmp(projection->signals[index].bytes, line->name.bytes, line->name.size) != 0)) {
        index++;
    }
    if (index == LBI_SIGNALS) {
        refuse(projection, line->place, "more than %d signals", LBI_SIGNALS);
        return lbi_signal_name(0);
    }
    if (index == projection->signal_count) {
        projection->signals[index] = line->name;
        projection->signal_count++;
    }
    return lbi_signal_name(index);
}

/* project_time: counts a time against the dialect's total. */
static void project_time(struct projection *projection, const struct lb_line *line)
{
    if (line->time_ns > LBI_TIME_TOTAL_MAX - projection->draft.time_ns) {
        refuse(projection, line->place, "times of more than %u s in all",
               (unsigned)(LBI_TIME_TOTAL_MAX / UINT64_C(1000000000)));
        return;
    }
    projection->draft.time_ns += line->time_ns;
}

/* -- servers -- */

/* project_fill: counts a fill against the dialect's total. */
static void project_fill(struct projection *projection, const struct lb_line *line)
{
    if (line->number > LBI_FILLED_MAX - projection->draft.filled) {
        refuse(projection, line->place, "fills of more than %u bytes in all", LBI_FILLED_MAX);
        return;
    }
    projection->draft.filled += line->number;
}

static void project_server_line(struct projection *projection, uint32_t host, uint32_t conn,
                                const struct lb_line *line)
{
    struct lb_line made = lbi_draft_line(line->verb);
    bool is_fill = line->verb == LB_VERB_FILL || line->verb == LB_VERB_CHUNK_FILL;
    if (!lbi_draft_may_serve(&projection->draft, host, conn, line->verb)) {
        refuse(projection, line->place, "a line after the end of its connection");
        return;
    }
    made.is_or_close = line->is_or_close;
    made.is_or_reset = line->is_or_reset;
    made.number = line->number;
    made.time_ns = line->time_ns;
    if (is_fill) {
        project_fill(projection, line);
    }
    if (line->verb == LB_VERB_PAUSE) {
        project_time(projection, line);
    }
    if (line->verb == LB_VERB_AWAIT) {
        made.name = project_signal(projection, line);
    }
    if (line->bytes.size > 0) {
        made.bytes = lb_case_text(projection->draft.c, line->bytes.bytes, line->bytes.size);
    }
    bool is_nothing =
        (is_fill && line->number == 0) || (line->verb == LB_VERB_PAUSE && line->time_ns == 0);
    if (!projection->is_refused && !is_nothing) {
        lbi_draft_serve(&projection->draft, host, conn, &made);
    }
}

/* project_silence: a server that has taken a request and has nothing more to do says nothing. */
static void project_silence(struct projection *projection, uint32_t host, uint32_t conn)
{
    const struct lb_line stall = lbi_draft_line(LB_VERB_STALL);
    if (!projection->is_refused &&
        lbi_draft_may_serve(&projection->draft, host, conn, LB_VERB_STALL)) {
        lbi_draft_serve(&projection->draft, host, conn, &stall);
    }
}

/* script_is_bare: whether a script does nothing but serve. */
static bool script_is_bare(const struct lb_lines *script)
{
    return script->count == 0 || script->lines[0].verb == LB_VERB_SERVE;
}

/* project_conn: one script. */
static void project_conn(struct projection *projection, uint32_t host,
                         const struct lb_case_conn *conn, bool has_default)
{
    uint32_t index = conn->number == 0 ? LBI_CONN_ANY : conn->number - 1;
    if (conn->number > LBI_CONN_ANY) {
        refuse(projection, conn->place, "a connection after the seventh");
        return;
    }
    if (conn->number != 0 && has_default && script_is_bare(&conn->script)) {
        refuse(projection, conn->place, "a bare connection beside a scripted `conn *`");
        return;
    }
    for (uint32_t i = 0; i < conn->script.count && !projection->is_refused; i++) {
        const struct lb_line *line = &conn->script.lines[i];
        if (line->verb != LB_VERB_SERVE) {
            project_server_line(projection, host, index, line);
            if (line->verb == LB_VERB_WANT && i + 1 == conn->script.count) {
                project_silence(projection, host, index);
            }
        } else if (projection->draft.scripts[host][index].state != LBI_SCRIPT_OPEN) {
            refuse(projection, line->place, "a line after the end of its connection");
        }
    }
}

static void project_hosts(struct projection *projection)
{
    const struct lb_case *c = projection->c;
    _Static_assert(LB_CASE_HOSTS_MAX <= LBI_HOSTS, "every host has a letter");
    for (uint32_t i = 0; i < c->host_count; i++) {
        const struct lb_case_host *host = &c->hosts[i];
        bool has_default = false;
        for (uint32_t j = 0; j < host->conn_count; j++) {
            has_default = has_default ||
                          (host->conns[j].number == 0 && !script_is_bare(&host->conns[j].script));
        }
        for (uint32_t j = 0; j < host->conn_count; j++) {
            project_conn(projection, i, &host->conns[j], has_default);
        }
    }
}

/* -- callers -- */

static void project_client_line(struct projection *projection, const struct lb_line *line,
                                int32_t *requests)
{
    struct lb_line made = lbi_draft_line(line->verb);
    bool is_request = line->verb == LB_VERB_GET || line->verb == LB_VERB_HEAD;
    uint32_t count = projection->draft.c->request_count;
    if (is_request && count == LBI_REQUESTS_MAX) {
        refuse(projection, line->place, "more than %d requests", LBI_REQUESTS_MAX);
        return;
    }
    made.is_background = line->is_background;
    made.is_close = line->is_close;
    made.host = line->host;
    made.number = line->number;
    made.time_ns = line->time_ns;
    project_time(projection, line);
    if (is_request) {
        requests[line->request] = (int32_t)count;
    } else if (line->request >= 0) {
        made.request = requests[line->request];
    }
    if (line->verb == LB_VERB_SIGNAL) {
        made.name = project_signal(projection, line);
    }
    bool is_nothing = (line->verb == LB_VERB_ADVANCE && line->time_ns == 0) ||
                      (line->verb == LB_VERB_READ && line->number == 0);
    if (!projection->is_refused && !is_nothing) {
        lbi_draft_ask(&projection->draft, &made);
    }
}

static void project_client(struct projection *projection)
{
    const struct lb_lines *client = &projection->c->client;
    int32_t requests[LB_CASE_REQUESTS_MAX] = {0};
    for (uint32_t i = 0; i < client->count && !projection->is_refused; i++) {
        const struct lb_line *line = &client->lines[i];
        if (line->verb < LB_VERB_EXPECT_POOL) {
            project_client_line(projection, line, requests);
        }
    }
}

/* -- options and schedule -- */

static void project_options(struct projection *projection)
{
    const struct lb_case *c = projection->c;
    struct lb_case *made = projection->draft.c;
    for (int i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        enum lbi_operation operation = lbi_operation_of_option((enum lb_case_option)i);
        bool is_time = lbi_operation_row(operation)->operands[0] == LBI_OPERAND_TIME;
        uint64_t value = c->options[i];
        if (!c->is_option_set[i]) {
            continue;
        }
        if (is_time && (value == 0 || (value > LBI_TIME_TOTAL_MAX && value != LB_NEVER))) {
            refuse(projection, 0, "option %s=0, or of more than %u s",
                   lbi_operation_row(operation)->word,
                   (unsigned)(LBI_TIME_TOTAL_MAX / UINT64_C(1000000000)));
        }
        made->is_option_set[i] = true;
        made->options[i] = value;
    }
    if (c->slice_count == 1) {
        made->slice_count = 1;
        made->slices[0] = c->slices[0];
    }
}

static void project_schedule(struct projection *projection)
{
    const struct lb_case *c = projection->c;
    for (uint32_t i = 0; i < c->departure_count; i++) {
        lbi_draft_depart(&projection->draft, &c->departures[i]);
    }
}

enum lb_status lb_codec_project(const struct lb_case *c, struct lb_case *ret_case,
                                struct lb_codec_error *ret_error)
{
    struct projection projection;
    LB_ASSERT(c != NULL);
    LB_ASSERT(c != ret_case);
    memset(&projection, 0, sizeof(projection));
    projection.c = c;
    lbi_draft_begin(&projection.draft, ret_case);
    project_options(&projection);
    project_hosts(&projection);
    project_client(&projection);
    project_schedule(&projection);
    if (projection.is_refused) {
        lb_case_clear(ret_case);
        *ret_error = projection.error;
        return LB_PROTOCOL;
    }
    lbi_draft_finish(&projection.draft);
    return LB_OK;
}
