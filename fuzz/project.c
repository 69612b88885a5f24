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

#include "coding.h"
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
static struct lb_text project_signal(struct projection *projection, struct lb_text name,
                                     uint32_t place)
{
    uint32_t index = 0;
    while (index < projection->signal_count &&
           (projection->signals[index].size != name.size ||
            memcmp(projection->signals[index].bytes, name.bytes, name.size) != 0)) {
        index++;
    }
    if (index == LBI_SIGNALS) {
        refuse(projection, place, "more than %d signals", LBI_SIGNALS);
        return lbi_signal_name(0);
    }
    if (index == projection->signal_count) {
        projection->signals[index] = name;
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

/* project_cut: the first bytes of a coding, as such. */
static void project_cut(struct projection *projection, const struct lb_line *line,
                        struct lb_line *made)
{
    size_t size = lb_gzip_size((size_t)line->number);
    char *bytes = lb_case_alloc(projection->draft.c, size + 1);
    lb_gzip_write(0, (size_t)line->number, (uint8_t *)bytes);
    size = line->cut < size ? (size_t)line->cut : size;
    made->verb = LB_VERB_SEND;
    made->number = 0;
    made->bytes = (struct lb_text){.bytes = bytes, .size = (uint32_t)size};
}

static void project_server_line(struct projection *projection, uint32_t host, uint32_t conn,
                                const struct lb_line *line)
{
    struct lb_line made = lbi_draft_line(line->verb);
    bool is_fill = line->verb == LB_VERB_FILL || line->verb == LB_VERB_CHUNK_FILL ||
                   line->verb == LB_VERB_GZIP || line->verb == LB_VERB_CHUNK_GZIP;
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
        made.name = project_signal(projection, line->name, line->place);
    }
    if (line->bytes.size > 0) {
        made.bytes = lb_case_text(projection->draft.c, line->bytes.bytes, line->bytes.size);
    }
    if (line->verb == LB_VERB_WANT) {
        made.number = 0; /* its body is read by a line of its own */
    }
    if (line->verb == LB_VERB_WANT_BODY && line->number == 0) {
        made.number = LB_CASE_ALL;
    }
    if (line->cut > 0) {
        project_cut(projection, line, &made);
    }
    bool is_nothing =
        (is_fill && line->number == 0) || (line->verb == LB_VERB_PAUSE && line->time_ns == 0);
    if (!projection->is_refused && !is_nothing) {
        lbi_draft_serve(&projection->draft, host, conn, &made);
    }
    if (!projection->is_refused && line->has_body) {
        made = lbi_draft_line(LB_VERB_WANT_BODY);
        made.number = LB_CASE_ALL;
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
            bool is_want = line->verb == LB_VERB_WANT || line->verb == LB_VERB_WANT_BODY;
            if (is_want && i + 1 == conn->script.count) {
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

/* project_request: what a request says beyond its method and host. */
static void project_request(struct projection *projection, const struct lb_line *line,
                            struct lb_line *made)
{
    struct lb_case *c = projection->draft.c;
    if (line->number > 0) {
        refuse(projection, line->place, "a hook that refuses an interim response");
    }
    made->is_expect = line->is_expect;
    made->is_interim = line->is_interim;
    made->is_upgrade = line->is_upgrade;
    made->is_http10 = line->is_http10;
    made->is_idempotent = line->is_idempotent;
    if (line->source != NULL) {
        struct lb_case_source *source = lb_case_alloc(c, sizeof(*source));
        *source = *line->source;
        if (source->size > LBI_UPLOADED_MAX - projection->draft.uploaded) {
            refuse(projection, line->place, "bodies of more than %u bytes in all",
                   LBI_UPLOADED_MAX);
            return;
        }
        projection->draft.uploaded += source->size;
        if (source->event == LB_SOURCE_AWAITS) {
            source->signal = project_signal(projection, source->signal, line->place);
        }
        made->source = source;
    }
    if (line->field_count > 0) {
        struct lb_text *fields = lb_case_alloc(c, line->field_count * sizeof(*fields));
        for (uint32_t i = 0; i < line->field_count; i++) {
            fields[i] = lb_case_text(c, line->fields[i].bytes, line->fields[i].size);
        }
        made->fields = fields;
        made->field_count = line->field_count;
    }
}

static void project_client_line(struct projection *projection, const struct lb_line *line,
                                int32_t *requests)
{
    struct lb_line made = lbi_draft_line(line->verb);
    bool is_request = lb_verb_is_request(line->verb);
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
        made.name = project_signal(projection, line->name, line->place);
    }
    if (is_request) {
        project_request(projection, line, &made);
    }
    made.bytes = line->bytes.size == 0
                     ? line->bytes
                     : lb_case_text(projection->draft.c, line->bytes.bytes, line->bytes.size);
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
