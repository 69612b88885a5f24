/*
 * The printer of the case language: the canonical text of a case, or of one statement.
 *
 * Canonical: header values at column 8, quotes of specs at one column; one empty line before each
 * host and the client; two blanks of indentation a level; in the client block verbs are filled to
 * five characters, `=>` and the terms of expect stand at one column; a comment beside a statement
 * stands two blanks after it. What is printed parses to an equal case, and prints the same again.
 *
 * Text goes to a sink that grows, that is bounded, or that only counts.
 */
#include "parser.h"

#include "core/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_COLUMN 7u /* characters of a header line before its value */
#define CLIENT_COLUMN_MIN 28u
#define CLIENT_COLUMN_MAX 44u
#define VERB_WIDTH 5   /* a client verb is filled to this */
#define NUMBER_SIZE 24 /* room for a number or a time */

/* Where text goes. `size` counts what was put, also where it found no room. */
struct sink {
    char *bytes; /* NULL: count only */
    size_t size;
    size_t capacity; /* of bytes; a NUL is kept inside it */
    bool may_grow;
};

static void sink_put(struct sink *sink, const char *bytes, size_t size)
{
    if (sink->may_grow && sink->size + size + 1 > sink->capacity) {
        size_t capacity = (sink->size + size + 1) * 2;
        char *larger = realloc(sink->bytes, capacity);
        if (larger == NULL) {
            fputs("lastbyte: no memory for a case's text\n", stderr);
            abort();
        }
        sink->bytes = larger;
        sink->capacity = capacity;
    }
    if (sink->size + 1 < sink->capacity) {
        size_t room = sink->capacity - sink->size - 1;
        size_t kept = size < room ? size : room;
        memcpy(sink->bytes + sink->size, bytes, kept);
        sink->bytes[sink->size + kept] = '\0';
    }
    sink->size += size;
}

static void sink_word(struct sink *sink, const char *word)
{
    sink_put(sink, word, strlen(word));
}

static void sink_text(struct sink *sink, struct lb_text text)
{
    if (text.size > 0) {
        sink_put(sink, text.bytes, text.size);
    }
}

static void sink_fill(struct sink *sink, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sink_put(sink, " ", 1);
    }
}

static void sink_number(struct sink *sink, uint64_t number)
{
    char digits[NUMBER_SIZE];
    snprintf(digits, sizeof(digits), "%" PRIu64, number);
    sink_word(sink, digits);
}

/* sink_time: the largest unit that divides it. */
static void sink_time(struct sink *sink, uint64_t time_ns)
{
    uint32_t unit = LBI_UNIT_COUNT - 1;
    while (unit > 0 && time_ns % lbi_unit(unit)->ns != 0) {
        unit--;
    }
    if (time_ns == 0) {
        sink_word(sink, "0s");
    } else {
        sink_number(sink, time_ns / lbi_unit(unit)->ns);
        sink_word(sink, lbi_unit(unit)->word);
    }
}

/* sink_escaped: bytes as a string or a rest of a line says them. A blank at either end of a rest
 * would be lost, so `is_string` false escapes it: at the start where `is_start_kept` is false. */
static void sink_escaped(struct sink *sink, struct lb_text text, bool is_string, bool is_start_kept)
{
    static const char letters[] = "r\rn\nt\t\\\\";
    char escape[8];
    for (uint32_t i = 0; i < text.size; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        bool is_edge = (i == 0 && !is_start_kept) || i + 1 == text.size;
        size_t letter = 0;
        while (letter < sizeof(letters) - 1 && (unsigned char)letters[letter + 1] != byte) {
            letter += 2;
        }
        if (letter < sizeof(letters) - 1) {
            snprintf(escape, sizeof(escape), "\\%c", letters[letter]);
        } else if (byte == '"' && is_string) {
            snprintf(escape, sizeof(escape), "\\\"");
        } else if (byte < 0x20 || byte >= 0x7f || (byte == ' ' && !is_string && is_edge)) {
            snprintf(escape, sizeof(escape), "\\x%02x", byte);
        } else {
            snprintf(escape, sizeof(escape), "%c", byte);
        }
        sink_word(sink, escape);
    }
}

static void sink_string(struct sink *sink, struct lb_text text)
{
    LB_ASSERT(text.size > 0);
    sink_word(sink, "\"");
    sink_escaped(sink, text, true, true);
    sink_word(sink, "\"");
}

/* -- statements -- */

static void print_or(struct sink *sink, const struct lb_line *line)
{
    sink_word(sink, line->is_or_close ? " or close" : "");
    sink_word(sink, line->is_or_reset ? " or reset" : "");
}

/* print_want_request: what a `want` wants, without what may come instead. */
static void print_want_request(struct sink *sink, const struct lb_line *line)
{
    if (line->path.size == 0) {
        sink_word(sink, " any");
    } else {
        LB_ASSERT(line->method.size > 0);
        sink_word(sink, " ");
        sink_text(sink, line->method);
        sink_word(sink, " ");
        sink_text(sink, line->path);
        if (line->has_body) {
            sink_word(sink, " body ");
            sink_number(sink, line->number);
        }
        sink_word(sink, line->is_expect ? " expect" : "");
    }
}

static void print_want(struct sink *sink, const struct lb_line *line)
{
    print_want_request(sink, line);
    print_or(sink, line);
}

static void print_want_end(struct sink *sink, const struct lb_line *line)
{
    LB_ASSERT(line->is_or_close || line->is_or_reset);
    sink_word(sink, line->is_or_close ? " close" : " reset");
    sink_word(sink, line->is_or_close && line->is_or_reset ? " or reset" : "");
}

/* print_size: ` N`, or another word for one number. */
static void print_size(struct sink *sink, uint64_t number, uint64_t special, const char *word)
{
    sink_word(sink, " ");
    if (number == special) {
        sink_word(sink, word);
    } else {
        sink_number(sink, number);
    }
}

/* print_data: the sizes of a fill or of a gzip. */
static void print_data(struct sink *sink, const struct lb_line *line)
{
    bool is_chunk = line->verb == LB_VERB_CHUNK_FILL || line->verb == LB_VERB_CHUNK_GZIP;
    sink_word(sink, !is_chunk ? " " : line->verb == LB_VERB_CHUNK_FILL ? " fill " : " gzip ");
    sink_number(sink, line->number);
    if (line->cut > 0) {
        sink_word(sink, " cut ");
        sink_number(sink, line->cut);
    }
}

/* print_server: what follows the first word of a server's statement. */
static void print_server(struct sink *sink, const struct lb_line *line)
{
    if (line->verb == LB_VERB_WANT) {
        print_want(sink, line);
    } else if (line->verb == LB_VERB_WANT_END) {
        print_want_end(sink, line);
    } else if (line->verb == LB_VERB_HEAD_LINE) {
        sink_word(sink, line->bytes.size > 0 ? " " : "");
        sink_escaped(sink, line->bytes, false, true);
    } else if (line->verb == LB_VERB_SEND || line->verb == LB_VERB_CHUNK) {
        sink_word(sink, " ");
        sink_string(sink, line->bytes);
    } else if (line->verb == LB_VERB_WANT_BODY) {
        sink_word(sink, " body");
        print_size(sink, line->number, line->number == 0 ? 0 : LB_CASE_ALL,
                   line->number == 0 ? "end" : "all");
    } else if (line->verb == LB_VERB_CHUNK_FILL || line->verb == LB_VERB_FILL ||
               line->verb == LB_VERB_CHUNK_GZIP || line->verb == LB_VERB_GZIP) {
        print_data(sink, line);
    } else if (line->verb == LB_VERB_CHUNK_END) {
        sink_word(sink, " end");
    } else if (line->verb == LB_VERB_PAUSE) {
        sink_word(sink, " ");
        sink_time(sink, line->time_ns);
    } else if (line->verb == LB_VERB_AWAIT) {
        sink_word(sink, " ");
        sink_text(sink, line->name);
    }
}

/* print_subject: the request, host, path or connection that a client's statement is about. */
static void print_subject(struct sink *sink, const struct lb_case *c, const struct lb_line *line)
{
    LB_ASSERT(line->request < (int32_t)c->request_count);
    LB_ASSERT(line->host < (int32_t)c->host_count);
    if (line->request >= 0) {
        sink_word(sink, " ");
        sink_word(sink, c->requests[line->request]);
    }
    if (line->host >= 0) {
        sink_word(sink, " ");
        sink_word(sink, c->hosts[line->host].name);
    }
    if (line->verb == LB_VERB_EXPECT_WIRE) {
        sink_word(sink, ".");
        sink_number(sink, line->number);
    }
    if (line->path.size > 0) {
        sink_word(sink, " ");
        sink_text(sink, line->path);
    }
}

/* print_expect_word: what an `expect` looks at. */
static const char *print_expect_word(enum lb_verb verb)
{
    static const char *const words[] = {" pool", " conns", " body", " wire", " source", " workers"};
    return verb < LB_VERB_EXPECT_POOL ? "" : words[verb - LB_VERB_EXPECT_POOL];
}

/* print_source: the body of a request. */
static void print_source(struct sink *sink, const struct lb_case_source *source)
{
    static const char *const events[] = {"", " await ", " stall", " fail", " end"};
    LB_ASSERT(source->event <= LB_SOURCE_ENDS);
    sink_word(sink, " body ");
    sink_number(sink, source->size);
    sink_word(sink, source->is_chunked ? " chunked" : "");
    if (source->piece > 0) {
        sink_word(sink, " piece ");
        sink_number(sink, source->piece);
    }
    sink_word(sink, source->is_once ? " once" : "");
    if (source->event != LB_SOURCE_GOES_ON) {
        sink_word(sink, " at ");
        sink_number(sink, source->at);
        sink_word(sink, events[source->event]);
        sink_text(sink, source->signal);
    }
}

/* print_request: the options of a request. */
static void print_request(struct sink *sink, const struct lb_line *line)
{
    if (line->source != NULL) {
        print_source(sink, line->source);
    }
    sink_word(sink, line->is_expect ? " expect" : "");
    sink_word(sink, line->is_interim ? " interim" : "");
    if (line->number > 0) {
        sink_word(sink, " stop ");
        sink_number(sink, line->number);
    }
    sink_word(sink, line->is_upgrade ? " upgrade" : "");
    sink_word(sink, line->is_http10 ? " http10" : "");
    sink_word(sink, line->is_idempotent ? " idempotent" : "");
    for (uint32_t i = 0; i < line->field_count; i++) {
        sink_word(sink, " with ");
        sink_string(sink, line->fields[i]);
    }
    sink_word(sink, line->is_close ? " close" : "");
    if (line->time_ns > 0) {
        sink_word(sink, " deadline ");
        sink_time(sink, line->time_ns);
    }
}

/* print_client: a client's statement up to `=>` or its terms. */
static void print_client(struct sink *sink, const struct lb_case *c, const struct lb_line *line,
                         int verb_width)
{
    static const char *const prefixes[] = {"", "setup ", "should "};
    char verb[32];
    LB_ASSERT(line->prefix <= LB_PREFIX_SHOULD);
    bool is_plain = line->prefix == LB_PREFIX_NONE;
    snprintf(verb, sizeof(verb), "%-*s", is_plain ? verb_width : 0, lb_verb_word(line->verb));
    sink_word(sink, prefixes[line->prefix]);
    sink_word(sink, verb);
    sink_word(sink, print_expect_word(line->verb));
    print_subject(sink, c, line);
    if (lb_verb_is_request(line->verb)) {
        print_request(sink, line);
    } else if (line->verb == LB_VERB_READ) {
        print_size(sink, line->number, LB_CASE_ALL, "all");
    } else if (line->verb == LB_VERB_WRITE) {
        sink_word(sink, " ");
        sink_string(sink, line->bytes);
    } else if (line->verb == LB_VERB_TRAILER) {
        sink_word(sink, " ");
        sink_text(sink, line->bytes);
    } else if (line->verb == LB_VERB_ADVANCE) {
        sink_word(sink, " ");
        sink_time(sink, line->time_ns);
    } else if (line->verb == LB_VERB_SIGNAL) {
        sink_word(sink, " ");
        sink_text(sink, line->name);
    }
    sink_word(sink, line->is_background ? " &" : "");
}

/* print_item: one item of an outcome. */
static void print_item(struct sink *sink, const struct lb_outcome_item *item)
{
    switch (item->kind) {
    case LB_OUTCOME_CODE:
        sink_number(sink, item->number);
        break;
    case LB_OUTCOME_BYTES:
        sink_string(sink, item->bytes);
        break;
    case LB_OUTCOME_FILL:
        sink_word(sink, "fill ");
        sink_number(sink, item->number);
        break;
    case LB_OUTCOME_END:
        sink_word(sink, "end");
        break;
    case LB_OUTCOME_OK:
        sink_word(sink, "ok");
        break;
    case LB_OUTCOME_NONE:
        sink_word(sink, "none");
        break;
    case LB_OUTCOME_PENDING:
        sink_word(sink, "pending");
        break;
    case LB_OUTCOME_ERROR:
        sink_word(sink, "error ");
        sink_word(sink, lb_status_word(item->error));
        break;
    }
}

static void print_outcome(struct sink *sink, const struct lb_outcome *outcome)
{
    for (uint32_t i = 0; i < outcome->item_count; i++) {
        sink_word(sink, i == 0 ? "" : " ");
        print_item(sink, &outcome->items[i]);
    }
}

/* print_tail: `=>` and the outcomes, or the terms of an expect. */
static void print_tail(struct sink *sink, const struct lb_line *line)
{
    static const char *const compares[] = {"=", "<=", ">="};
    for (uint32_t i = 0; i < line->outcome_count; i++) {
        sink_word(sink, i == 0 ? "=> " : " or ");
        print_outcome(sink, &line->outcomes[i]);
        if (line->outcomes[i].unreached.size > 0) {
            sink_word(sink, " unreached-ok ");
            sink_string(sink, line->outcomes[i].unreached);
        }
    }
    for (uint32_t i = 0; i < line->term_count; i++) {
        const struct lb_term *term = &line->terms[i];
        sink_word(sink, i == 0 ? "" : " ");
        sink_word(sink, lbi_term_word(term->key));
        sink_word(sink, compares[term->compare]);
        if (term->key == LB_TERM_STATE) {
            sink_word(sink, lb_body_state_word((enum lb_body_state)term->number));
        } else if (term->key == LB_TERM_CLOSED_BY) {
            sink_word(sink, lbi_closed_by_word((enum lb_closed_by)term->number));
        } else {
            sink_number(sink, term->number);
        }
    }
}

/* print_statement: one statement. `column`: where its tail stands, 0: one blank after it. */
static void print_statement(struct sink *sink, const struct lb_case *c, const struct lb_line *line,
                            size_t column)
{
    size_t start = sink->size;
    if (line->verb <= LB_VERB_SERVE) {
        sink_word(sink, lb_verb_word(line->verb));
        print_server(sink, line);
        return;
    }
    print_client(sink, c, line, column > 0 ? VERB_WIDTH : 0);
    if (line->outcome_count > 0 || line->term_count > 0) {
        size_t used = sink->size - start;
        sink_fill(sink, column > used ? column - used : 1);
        print_tail(sink, line);
    }
}

/* -- blocks -- */

static void print_comments(struct sink *sink, const struct lb_comment *comments, size_t indentation)
{
    for (const struct lb_comment *comment = comments; comment != NULL; comment = comment->next) {
        if (comment->text.size > 0) {
            sink_fill(sink, indentation);
            sink_text(sink, comment->text);
        }
        sink_word(sink, "\n");
    }
}

static void print_lines(struct sink *sink, const struct lb_case *c, const struct lb_lines *lines,
                        size_t indentation, size_t column)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct lb_line *line = &lines->lines[i];
        print_comments(sink, line->above, indentation);
        sink_fill(sink, indentation);
        print_statement(sink, c, line, column);
        if (line->beside.size > 0) {
            sink_word(sink, "  ");
            sink_text(sink, line->beside);
        }
        sink_word(sink, "\n");
    }
}

static void print_host(struct sink *sink, const struct lb_case *c, const struct lb_case_host *host)
{
    sink_word(sink, "\n");
    print_comments(sink, host->above, 0);
    sink_word(sink, "host ");
    sink_word(sink, host->name);
    sink_word(sink, "\n");
    for (uint32_t i = 0; i < host->conn_count; i++) {
        print_comments(sink, host->conns[i].above, 2);
        sink_word(sink, "  conn ");
        if (host->conns[i].number == 0) {
            sink_word(sink, "*");
        } else {
            sink_number(sink, host->conns[i].number);
        }
        sink_word(sink, "\n");
        print_lines(sink, c, &host->conns[i].script, 4, 0);
    }
}

/* client_column: where the outcomes of the client block stand, its indentation not counted: after
 * the longest statement that fits; longer ones get one blank. */
static size_t client_column(const struct lb_case *c)
{
    size_t column = CLIENT_COLUMN_MIN - 2;
    for (uint32_t i = 0; i < c->client.count; i++) {
        const struct lb_line *line = &c->client.lines[i];
        if (line->outcome_count > 0 || line->term_count > 0) {
            struct sink counter = {.bytes = NULL};
            print_client(&counter, c, line, VERB_WIDTH);
            bool is_fitting = counter.size + 1 <= CLIENT_COLUMN_MAX - 2;
            column = is_fitting && counter.size + 1 > column ? counter.size + 1 : column;
        }
    }
    return column;
}

static void print_client_block(struct sink *sink, const struct lb_case *c)
{
    sink_word(sink, "\n");
    print_comments(sink, c->above_client, 0);
    sink_word(sink, "client\n");
    print_lines(sink, c, &c->client, 2, client_column(c));
}

/* -- header -- */

/* print_keyword: a keyword of the header, filled to the column of values. */
static void print_keyword(struct sink *sink, const char *word)
{
    size_t size = strlen(word);
    sink_word(sink, word);
    sink_fill(sink, size < HEADER_COLUMN ? HEADER_COLUMN - size : 1);
}

static size_t spec_width(const struct lb_case_spec *spec)
{
    return (size_t)spec->document.size + 1 + spec->section.size;
}

static void print_specs(struct sink *sink, const struct lb_case *c)
{
    size_t width = 0;
    LB_ASSERT(c->spec_count > 0);
    for (uint32_t i = 0; i < c->spec_count; i++) {
        if (c->specs[i].quote.size > 0 && spec_width(&c->specs[i]) > width) {
            width = spec_width(&c->specs[i]);
        }
    }
    for (uint32_t i = 0; i < c->spec_count; i++) {
        const struct lb_case_spec *spec = &c->specs[i];
        print_keyword(sink, "spec");
        sink_text(sink, spec->document);
        sink_word(sink, " ");
        sink_text(sink, spec->section);
        if (spec->quote.size > 0) {
            sink_fill(sink, width - spec_width(spec) + 2);
            sink_string(sink, spec->quote);
        }
        sink_word(sink, "\n");
    }
}

static void print_options(struct sink *sink, const struct lb_case *c)
{
    bool is_first = true;
    for (uint32_t i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        enum lb_case_option option = (enum lb_case_option)i;
        if (!c->is_option_set[i]) {
            continue;
        }
        if (is_first) {
            print_keyword(sink, "option");
        } else {
            sink_word(sink, " ");
        }
        is_first = false;
        sink_word(sink, lbi_option_key(option));
        sink_word(sink, "=");
        if (!lbi_option_is_time(option)) {
            sink_number(sink, c->options[i]);
        } else if (c->options[i] == LB_NEVER) {
            sink_word(sink, "never");
        } else {
            sink_time(sink, c->options[i]);
        }
    }
    sink_word(sink, is_first ? "" : "\n");
}

static void print_departure(struct sink *sink, const struct lb_sim_departure *departure)
{
    static const char *const choices[] = {"", " second", " third"};
    LB_ASSERT(departure->choice < 3);
    print_keyword(sink, "schedule");
    switch (departure->kind) {
    case LB_SIM_AFTER:
        sink_word(sink, "after ");
        sink_number(sink, departure->skip);
        sink_word(sink, choices[departure->choice]);
        break;
    case LB_SIM_ANCHOR:
        sink_word(sink, "demote ");
        sink_word(sink, lb_role_word(departure->role));
        sink_word(sink, "(");
        sink_word(sink, departure->label);
        sink_word(sink, ") @ ");
        sink_word(sink, lb_site_label(departure->site));
        sink_word(sink, " #");
        sink_number(sink, departure->occurrence);
        sink_word(sink, choices[departure->choice]);
        break;
    case LB_SIM_PRIORITY:
        sink_word(sink, "start ");
        sink_number(sink, departure->worker);
        sink_word(sink, " ");
        sink_number(sink, departure->priority);
        break;
    }
    sink_word(sink, "\n");
}

static void print_header(struct sink *sink, const struct lb_case *c)
{
    LB_ASSERT(c->title.size > 0);
    print_comments(sink, c->above, 0);
    print_keyword(sink, "case");
    sink_word(sink, "1\n");
    print_keyword(sink, "title");
    sink_escaped(sink, c->title, false, false);
    sink_word(sink, "\n");
    print_keyword(sink, "level");
    sink_word(sink, lbi_level_word(c->level));
    sink_word(sink, "\n");
    print_specs(sink, c);
    for (uint32_t i = 0; i < c->tag_count; i++) {
        if (i == 0) {
            print_keyword(sink, "tags");
        }
        sink_text(sink, c->tags[i]);
        sink_word(sink, i + 1 < c->tag_count ? " " : "\n");
    }
    for (uint32_t i = 0; i < c->slice_count; i++) {
        if (i == 0) {
            print_keyword(sink, "vary");
            sink_word(sink, "slice");
        }
        sink_word(sink, " ");
        if (c->slices[i] == LB_NET_WHOLE) {
            sink_word(sink, "whole");
        } else {
            sink_number(sink, c->slices[i]);
        }
        sink_word(sink, i + 1 < c->slice_count ? "" : "\n");
    }
    print_options(sink, c);
    for (uint32_t i = 0; i < c->departure_count; i++) {
        print_departure(sink, &c->departures[i]);
    }
}

/* -- public -- */

void lb_case_print(const struct lb_case *c, char **ret_text, size_t *ret_size)
{
    LB_ASSERT(c != NULL);
    LB_ASSERT(ret_text != NULL);
    struct sink sink = {.may_grow = true};
    print_header(&sink, c);
    for (uint32_t i = 0; i < c->host_count; i++) {
        print_host(&sink, c, &c->hosts[i]);
    }
    print_client_block(&sink, c);
    print_comments(&sink, c->below, 0);
    LB_ASSERT(sink.bytes != NULL);
    *ret_text = sink.bytes;
    *ret_size = sink.size;
}

void lb_line_print(const struct lb_case *c, const struct lb_line *line, char *ret_text, size_t size)
{
    LB_ASSERT(c != NULL);
    LB_ASSERT(line != NULL);
    LB_ASSERT(size > 0);
    struct sink sink = {.bytes = ret_text, .capacity = size};
    ret_text[0] = '\0';
    print_statement(&sink, c, line, 0);
}

void lb_alternative_print(const struct lb_line *line, uint32_t index, char *ret_text, size_t size)
{
    LB_ASSERT(index < lb_line_alternatives(line));
    LB_ASSERT(size > 0);
    struct sink sink = {.bytes = ret_text, .capacity = size};
    ret_text[0] = '\0';
    if (line->verb != LB_VERB_WANT) {
        print_outcome(&sink, &line->outcomes[index]);
    } else if (index == 0) {
        sink_word(&sink, "want");
        print_want_request(&sink, line);
    } else {
        sink_word(&sink, line->is_or_close ? "close" : "reset");
        sink_word(&sink, line->is_or_close && line->is_or_reset ? " or reset" : "");
    }
}
