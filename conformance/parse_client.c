/*
 * The statements of the scripted program: one function per kind of statement.
 *
 *   [setup|should] VERB operands [&] [=> outcome [or outcome]...]
 *   outcome: item... [unreached-ok "reason"]
 *   [setup|should] expect WHAT subject term...
 *
 * `&` and `=>` exclude each other: the outcome of an operation that is left pending stands beside
 * its wait. A request is made by its get, head, post, ..., which stands before its other uses.
 */
#include "parser.h"

#include "core/assert.h"

#include <stdio.h>
#include <string.h>

/* -- words -- */

const char *lbi_term_word(enum lb_term_key key)
{
    static const char *const words[LB_TERM_COUNT] = {
        "idle",      "busy", "waiting", "opened", "closed",  "state",
        "closed-by", "read", "write",   "dial",   "rewound",
    };
    LB_ASSERT(key < LB_TERM_COUNT);
    return words[key];
}

const char *lbi_closed_by_word(enum lb_closed_by closed_by)
{
    static const char *const words[] = {"nobody", "client", "server"};
    LB_ASSERT(closed_by <= LB_CLOSED_BY_SERVER);
    return words[closed_by];
}

/* -- requests -- */

/* client_new_request: the name of a request that this line makes. */
static void client_new_request(struct lbi_parser *p, struct lb_line *line)
{
    struct lb_case *c = p->c;
    char name[LB_CASE_NAME_MAX];
    (void)lbi_parser_peek(p);
    size_t start = p->at;
    lbi_parser_name(p, "the name of a request", name);
    for (uint32_t i = 0; i < c->request_count; i++) {
        if (strcmp(c->requests[i], name) == 0) {
            lbi_parser_fail_at(p, start, "a request that was made above already", "another name");
        }
    }
    if (c->request_count == LB_CASE_REQUESTS_MAX) {
        lbi_parser_fail_at(p, start, "one request more", "at most 64 requests");
    }
    if (!p->is_failed) {
        memcpy(c->requests[c->request_count], name, sizeof(name));
        line->request = (int32_t)c->request_count;
        c->request_count++;
    }
}

/* client_request: a request that was made above. */
static void client_request(struct lbi_parser *p, struct lb_line *line)
{
    struct lb_text word = lbi_parser_peek(p);
    for (uint32_t i = 0; i < p->c->request_count; i++) {
        if (lbi_parser_take(p, p->c->requests[i])) {
            line->request = (int32_t)i;
            return;
        }
    }
    if (word.size > 0 && p->c->request_count > 0 && p->c->request_count < 8) {
        struct lbi_words words = {.count = 0};
        for (uint32_t i = 0; i < p->c->request_count; i++) {
            lbi_words_add(&words, p->c->requests[i]);
        }
        lbi_parser_fail_words(p, "a request made above", &words);
    } else {
        lbi_parser_fail(p, "a request made above by get, head, post, ...");
    }
}

/* -- operands -- */

/* source_event: `at M` and what happens there. */
static void source_event(struct lbi_parser *p, struct lb_case_source *source)
{
    static const struct lbi_words words = {.words = {"await", "stall", "fail", "end"}, .count = 4};
    char name[LB_CASE_NAME_MAX];
    source->at = lbi_parser_number(p, "a place in the body", 0, source->size);
    source->event =
        (enum lb_source_event)(LB_SOURCE_AWAITS + (int)lbi_parser_choice(p, "", &words));
    if (source->event == LB_SOURCE_AWAITS && !p->is_failed) {
        lbi_parser_name(p, "the name of a signal", name);
        source->signal = lb_case_text(p->c, name, strlen(name));
    }
}

/* request_source: `N [chunked] [piece M] [once] [at M EVENT]` after `body`. */
static void request_source(struct lbi_parser *p, struct lb_line *line)
{
    struct lb_case_source *source = lb_case_alloc(p->c, sizeof(*source));
    source->size = lbi_parser_number(p, "a number of bytes", 0, LB_CASE_FILL_MAX);
    source->is_chunked = lbi_parser_take(p, "chunked");
    if (lbi_parser_take(p, "piece")) {
        source->piece = lbi_parser_number(p, "a number of bytes", 1, LB_CASE_FILL_MAX);
    }
    source->is_once = lbi_parser_take(p, "once");
    if (lbi_parser_take(p, "at")) {
        source_event(p, source);
    }
    line->source = source;
}

/* request_fields: `with "name: value"`, as often as it stands. */
static void request_fields(struct lbi_parser *p, struct lb_line *line)
{
    struct lb_text fields[LB_CASE_FIELDS_MAX];
    uint32_t count = 0;
    while (lbi_parser_take(p, "with")) {
        if (count == LB_CASE_FIELDS_MAX) {
            lbi_parser_fail(p, "at most 8 fields");
            return;
        }
        fields[count] = lbi_parser_string(p, "a field such as \"Range: bytes=0-3\"");
        count++;
    }
    if (count > 0 && !p->is_failed) {
        struct lb_text *kept = lb_case_alloc(p->c, count * sizeof(*kept));
        memcpy(kept, fields, count * sizeof(*kept));
        line->fields = kept;
        line->field_count = count;
    }
}

/* request_deadline: the time after `deadline`. */
static void request_deadline(struct lbi_parser *p, struct lb_line *line)
{
    (void)lbi_parser_peek(p);
    size_t start = p->at;
    line->time_ns = lbi_parser_time(p);
    if (!p->is_failed && line->time_ns == 0) {
        p->at = start;
        lbi_parser_fail(p, "a deadline above zero");
    }
}

/* client_get: `NAME HOST PATH` and the options of a request, in their order. */
static void client_get(struct lbi_parser *p, struct lb_line *line)
{
    client_new_request(p, line);
    line->host = lbi_parser_host(p);
    line->path = lbi_parser_path(p);
    if (lbi_parser_take(p, "body")) {
        request_source(p, line);
    }
    line->is_expect = lbi_parser_take(p, "expect");
    line->is_interim = lbi_parser_take(p, "interim");
    if (line->is_interim && lbi_parser_take(p, "stop")) {
        line->number = lbi_parser_number(p, "which interim response", 1, UINT32_MAX);
    }
    line->is_upgrade = lbi_parser_take(p, "upgrade");
    line->is_http10 = lbi_parser_take(p, "http10");
    line->is_idempotent = lbi_parser_take(p, "idempotent");
    request_fields(p, line);
    line->is_close = lbi_parser_take(p, "close");
    if (lbi_parser_take(p, "deadline")) {
        request_deadline(p, line);
    }
}

/* client_trailer: `NAME FIELD`. */
static void client_trailer(struct lbi_parser *p, struct lb_line *line)
{
    client_request(p, line);
    struct lb_text word = lbi_parser_word(p, "the name of a field");
    line->bytes = lb_case_text(p->c, word.bytes, word.size);
}

/* client_write: `NAME "bytes"`. */
static void client_write(struct lbi_parser *p, struct lb_line *line)
{
    client_request(p, line);
    line->bytes = lbi_parser_string(p, "a string of at least one byte");
}

static void client_read(struct lbi_parser *p, struct lb_line *line)
{
    client_request(p, line);
    if (lbi_parser_take(p, "all")) {
        line->number = LB_CASE_ALL;
    } else {
        line->number = lbi_parser_number(p, "all or a number of bytes", 1, UINT32_MAX);
    }
}

static void client_close_idle(struct lbi_parser *p, struct lb_line *line)
{
    if (!lbi_parser_is_end(p) && !lbi_parser_is_at(p, "=>")) {
        line->host = lbi_parser_host(p);
    }
}

static void client_signal(struct lbi_parser *p, struct lb_line *line)
{
    char name[LB_CASE_NAME_MAX];
    lbi_parser_name(p, "the name of a signal", name);
    line->name = lb_case_text(p->c, name, strlen(name));
}

/* -- outcomes -- */

/* outcome_error: the word of an operating error. */
static enum lb_status outcome_error(struct lbi_parser *p)
{
    struct lbi_words words = {.count = 0};
    for (int status = LB_INCOMPLETE; status < LB_STATUS_COUNT; status++) {
        lbi_words_add(&words, lb_status_word((enum lb_status)status));
    }
    return (enum lb_status)(LB_INCOMPLETE + (int)lbi_parser_choice(p, "an error", &words));
}

/* outcome_item: one item of an outcome. */
static void outcome_item(struct lbi_parser *p, struct lb_outcome_item *item)
{
    static const char kind[] =
        "a status code, \"bytes\", fill N, end, ok, none, pending or error WORD";
    struct lb_text word = lbi_parser_peek(p);
    if (lbi_parser_take(p, "end")) {
        item->kind = LB_OUTCOME_END;
    } else if (lbi_parser_take(p, "ok")) {
        item->kind = LB_OUTCOME_OK;
    } else if (lbi_parser_take(p, "none")) {
        item->kind = LB_OUTCOME_NONE;
    } else if (lbi_parser_take(p, "pending")) {
        item->kind = LB_OUTCOME_PENDING;
    } else if (lbi_parser_take(p, "error")) {
        item->kind = LB_OUTCOME_ERROR;
        item->error = outcome_error(p);
    } else if (lbi_parser_take(p, "fill")) {
        item->kind = LB_OUTCOME_FILL;
        item->number = lbi_parser_number(p, "a number of bytes", 1, UINT32_MAX);
    } else if (word.size > 0 && word.bytes[0] >= '0' && word.bytes[0] <= '9') {
        item->kind = LB_OUTCOME_CODE;
        item->number = lbi_parser_number(p, "a status code", 100, 999);
    } else {
        item->kind = LB_OUTCOME_BYTES;
        item->bytes = lbi_parser_string(p, kind);
    }
}

/* client_outcomes: alternatives after `=>`, until the end of the line. */
static void client_outcomes(struct lbi_parser *p, struct lb_line *line)
{
    struct lb_outcome outcomes[LBI_CASE_ALTERNATIVES_MAX];
    struct lb_outcome_item items[LBI_CASE_ITEMS_MAX];
    uint32_t count = 0;
    do {
        if (count == LBI_CASE_ALTERNATIVES_MAX) {
            lbi_parser_fail(p, "at most 32 alternatives");
            return;
        }
        uint32_t item_count = 0;
        memset(items, 0, sizeof(items));
        do {
            if (item_count == LBI_CASE_ITEMS_MAX) {
                lbi_parser_fail(p, "at most 32 items in an outcome");
                return;
            }
            outcome_item(p, &items[item_count]);
            item_count++;
        } while (!p->is_failed && !lbi_parser_is_end(p) && !lbi_parser_is_at(p, "or") &&
                 !lbi_parser_is_at(p, "unreached-ok"));
        struct lb_outcome_item *kept = lb_case_alloc(p->c, item_count * sizeof(*kept));
        memcpy(kept, items, item_count * sizeof(*kept));
        outcomes[count] = (struct lb_outcome){.items = kept, .item_count = item_count};
        if (lbi_parser_take(p, "unreached-ok")) {
            outcomes[count].unreached = lbi_parser_string(p, "the reason in \"");
        }
        count++;
    } while (lbi_parser_take(p, "or"));
    if (count == 1 && outcomes[0].unreached.size > 0) {
        lbi_parser_fail(p, "or and another alternative: one alone must be reached");
        return;
    }
    struct lb_outcome *all = lb_case_alloc(p->c, count * sizeof(*all));
    memcpy(all, outcomes, count * sizeof(*all));
    line->outcomes = all;
    line->outcome_count = count;
}

/* -- expect -- */

#define EXPECT_KEYS_MAX 3
#define EXPECT_COUNT 6u

/* What `expect` looks at: its word, verb and keys. */
struct expect_row {
    const char *word;
    enum lb_verb verb;
    uint32_t key_count;
    enum lb_term_key keys[EXPECT_KEYS_MAX];
};

static const struct expect_row expect_rows[EXPECT_COUNT] = {
    {"pool", LB_VERB_EXPECT_POOL, 3, {LB_TERM_IDLE, LB_TERM_BUSY, LB_TERM_WAITING}},
    {"conns", LB_VERB_EXPECT_CONNS, 2, {LB_TERM_OPENED, LB_TERM_CLOSED}},
    {"body", LB_VERB_EXPECT_BODY, 1, {LB_TERM_STATE}},
    {"wire", LB_VERB_EXPECT_WIRE, 1, {LB_TERM_CLOSED_BY}},
    {"source", LB_VERB_EXPECT_SOURCE, 3, {LB_TERM_CLOSED, LB_TERM_READ, LB_TERM_REWOUND}},
    {"workers", LB_VERB_EXPECT_WORKERS, 3, {LB_TERM_READ, LB_TERM_WRITE, LB_TERM_DIAL}},
};

/* term_key: skips the key of a term; one of those of `row`. */
static enum lb_term_key term_key(struct lbi_parser *p, const struct expect_row *row)
{
    struct lbi_words words = {.count = 0};
    struct lb_text word = lbi_parser_peek(p);
    size_t size = 0;
    while (size < word.size && strchr("<>=", word.bytes[size]) == NULL) {
        size++;
    }
    for (uint32_t i = 0; i < row->key_count; i++) {
        const char *key_word = lbi_term_word(row->keys[i]);
        if (strlen(key_word) == size && memcmp(key_word, word.bytes, size) == 0) {
            p->at += p->is_failed ? 0 : size;
            return row->keys[i];
        }
        lbi_words_add(&words, key_word);
    }
    lbi_parser_fail_words(p, "a term such as idle=1, with a key of", &words);
    return row->keys[0];
}

/* term_compare: skips `=`, `<=` or `>=`; words take `=` alone. */
static enum lb_compare term_compare(struct lbi_parser *p, bool is_word)
{
    bool has_two = p->at + 1 < p->line_end && p->text[p->at + 1] == '=';
    char first = p->at < p->line_end ? p->text[p->at] : ' ';
    if (p->is_failed) {
        return LB_COMPARE_EQUAL;
    }
    if (first == '=') {
        p->at += 1;
        return LB_COMPARE_EQUAL;
    }
    if (!is_word && has_two && (first == '<' || first == '>')) {
        p->at += 2;
        return first == '<' ? LB_COMPARE_AT_MOST : LB_COMPARE_AT_LEAST;
    }
    lbi_parser_fail(p, is_word ? "=" : "=, <= or >=");
    return LB_COMPARE_EQUAL;
}

/* term_value: the number, state or closer after the comparison. */
static uint64_t term_value(struct lbi_parser *p, enum lb_term_key key)
{
    struct lbi_words words = {.count = 0};
    if (key == LB_TERM_STATE) {
        for (int state = 0; state < LB_BODY_STATE_COUNT; state++) {
            lbi_words_add(&words, lb_body_state_word((enum lb_body_state)state));
        }
        return lbi_parser_choice(p, "a state", &words);
    }
    if (key == LB_TERM_CLOSED_BY) {
        for (int closer = LB_CLOSED_BY_NOBODY; closer <= LB_CLOSED_BY_SERVER; closer++) {
            lbi_words_add(&words, lbi_closed_by_word((enum lb_closed_by)closer));
        }
        return lbi_parser_choice(p, "who", &words);
    }
    return lbi_parser_number(p, "a number", 0, UINT32_MAX);
}

/* expect_terms: one term or more, to the end of the line. */
static void expect_terms(struct lbi_parser *p, const struct expect_row *row, struct lb_line *line)
{
    struct lb_term terms[LBI_CASE_TERMS_MAX];
    uint32_t count = 0;
    do {
        if (count == LBI_CASE_TERMS_MAX) {
            lbi_parser_fail(p, "at most 16 terms");
            return;
        }
        enum lb_term_key key = term_key(p, row);
        terms[count].key = key;
        terms[count].compare = term_compare(p, key == LB_TERM_STATE || key == LB_TERM_CLOSED_BY);
        terms[count].number = term_value(p, key);
        count++;
    } while (!p->is_failed && !lbi_parser_is_end(p));
    struct lb_term *all = lb_case_alloc(p->c, count * sizeof(*all));
    memcpy(all, terms, count * sizeof(*all));
    line->terms = all;
    line->term_count = count;
}

/* expect_wire: `HOST.N`. */
static void expect_wire(struct lbi_parser *p, struct lb_line *line)
{
    static const char kind[] = "a connection such as a.1";
    struct lb_text word = lbi_parser_peek(p);
    const char *dot = word.size == 0 ? NULL : memchr(word.bytes, '.', word.size);
    size_t size = dot == NULL ? 0 : (size_t)(dot - word.bytes);
    for (uint32_t i = 0; i < p->c->host_count && !p->is_failed && dot != NULL; i++) {
        const char *name = p->c->hosts[i].name;
        if (strlen(name) == size && memcmp(name, word.bytes, size) == 0) {
            p->at += size + 1;
            line->host = (int32_t)i;
            if (p->at >= p->line_end || p->text[p->at] == ' ') {
                lbi_parser_fail_at(p, p->at, "a host without a number", kind);
            }
            line->number = lbi_parser_number(p, "a connection's number", 1, LB_NET_CONNS_MAX);
            return;
        }
    }
    lbi_parser_fail(p, kind);
}

static void client_expect(struct lbi_parser *p, struct lb_line *line)
{
    struct lbi_words words = {.count = 0};
    for (uint32_t i = 0; i < EXPECT_COUNT; i++) {
        lbi_words_add(&words, expect_rows[i].word);
    }
    const struct expect_row *row = &expect_rows[lbi_parser_choice(p, "", &words)];
    line->verb = row->verb;
    if (row->verb == LB_VERB_EXPECT_POOL || row->verb == LB_VERB_EXPECT_CONNS) {
        line->host = lbi_parser_host(p);
    } else if (row->verb == LB_VERB_EXPECT_BODY || row->verb == LB_VERB_EXPECT_SOURCE) {
        client_request(p, line);
    } else if (row->verb == LB_VERB_EXPECT_WIRE) {
        expect_wire(p, line);
    }
    expect_terms(p, row, line);
}

/* -- statements -- */

/* client_operands: what follows the first word of the statement `verb`. */
static void client_operands(struct lbi_parser *p, enum lb_verb verb, struct lb_line *line)
{
    line->verb = verb;
    if (lb_verb_is_request(verb)) {
        client_get(p, line);
    } else if (verb == LB_VERB_WRITE) {
        client_write(p, line);
    } else if (verb == LB_VERB_TRAILER) {
        client_trailer(p, line);
    } else if (verb == LB_VERB_READ) {
        client_read(p, line);
    } else if (verb == LB_VERB_CLOSE_IDLE) {
        client_close_idle(p, line);
    } else if (verb == LB_VERB_ADVANCE) {
        line->time_ns = lbi_parser_time(p);
    } else if (verb == LB_VERB_SIGNAL) {
        client_signal(p, line);
    } else if (verb == LB_VERB_EXPECT_POOL) {
        client_expect(p, line);
    } else if (verb != LB_VERB_SETTLE) {
        client_request(p, line);
    }
}

/* client_verb: skips prefix and first word; the first verb with it. */
static enum lb_verb client_verb(struct lbi_parser *p, enum lb_prefix *ret_prefix)
{
    struct lbi_words words = {.count = 0};
    for (int verb = LB_VERB_GET; verb <= LB_VERB_EXPECT_POOL; verb++) {
        lbi_words_add(&words, lb_verb_word((enum lb_verb)verb));
    }
    if (lbi_parser_is_at(p, "client")) {
        lbi_parser_fail_at(p, p->at, "a second client block", "one client block");
    } else if (lbi_parser_is_at(p, "host") || lbi_parser_is_at(p, "conn")) {
        lbi_parser_fail(p, "the client block to be the last");
    } else if (lbi_parser_take(p, "setup")) {
        *ret_prefix = LB_PREFIX_SETUP;
    } else if (lbi_parser_take(p, "should")) {
        *ret_prefix = LB_PREFIX_SHOULD;
    } else {
        lbi_words_add(&words, "setup");
        lbi_words_add(&words, "should");
    }
    uint32_t index = lbi_parser_choice(p, "", &words);
    return (enum lb_verb)(LB_VERB_GET + (int)(p->is_failed ? 0 : index));
}

/* verb_may_pend: whether `&` may follow. */
static bool verb_may_pend(enum lb_verb verb)
{
    return lb_verb_is_request(verb) || verb == LB_VERB_READ || verb == LB_VERB_CLOSE;
}

/* verb_has_outcome: whether `=>` may follow. */
static bool verb_has_outcome(enum lb_verb verb)
{
    return verb <= LB_VERB_CLOSE_IDLE;
}

/* client_tail: `&`, or `=>` and its outcomes, or neither. */
static void client_tail(struct lbi_parser *p, struct lb_line *line)
{
    line->is_background = verb_may_pend(line->verb) && lbi_parser_take(p, "&");
    if (line->is_background) {
        if (!lbi_parser_is_end(p)) {
            lbi_parser_fail(p, "the end of the line: the outcome stands beside its wait");
        }
    } else if (verb_has_outcome(line->verb) && lbi_parser_take(p, "=>")) {
        client_outcomes(p, line);
    } else if (!lbi_parser_is_end(p)) {
        static const char options[] = "body N, expect, interim, upgrade, http10, idempotent, with, "
                                      "close, deadline T (in this "
                                      "order), &, => or the end of the line";
        lbi_parser_fail(p, lb_verb_is_request(line->verb) ? options
                           : verb_may_pend(line->verb)    ? "&, => or the end of the line"
                           : verb_has_outcome(line->verb) ? "=> or the end of the line"
                                                          : "the end of the line");
    }
}

void lbi_parser_client(struct lbi_parser *p)
{
    while (!p->is_failed && !p->is_done) {
        struct lb_line *line = lbi_parser_add_line(p, &p->c->client);
        if (line == NULL) {
            return;
        }
        enum lb_verb verb = client_verb(p, &line->prefix);
        client_operands(p, verb, line);
        client_tail(p, line);
        line->beside = lbi_parser_end(p);
        if (!p->is_failed) {
            lbi_parser_next(p);
        }
    }
}
