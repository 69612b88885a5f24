/*
 * The statements of a scripted server: one function per statement, found by its first word.
 *
 * A script ends at the line that begins a block. Some statements stand alone: `refuse` is the only
 * line of its connection, `serve` the last one.
 */
#include "parser.h"

#include "core/assert.h"

#include <string.h>

/* server_or: `or close`, `or reset` after a want, in this order. */
static void server_or(struct lbi_parser *p, struct lb_line *line)
{
    static const struct lbi_words words = {.words = {"close", "reset"}, .count = 2};
    while (!p->is_failed && lbi_parser_take(p, "or")) {
        bool is_close = lbi_parser_is_at(p, "close");
        if (is_close ? line->is_or_close || line->is_or_reset : line->is_or_reset) {
            lbi_parser_fail(p, "close before reset, each once");
        }
        bool is_reset = lbi_parser_choice(p, "", &words) == 1;
        line->is_or_close = line->is_or_close || !is_reset;
        line->is_or_reset = line->is_or_reset || is_reset;
    }
}

/* server_body: `N`, `all` or `end` after `want body`. */
static void server_body(struct lbi_parser *p, struct lb_line *line)
{
    line->verb = LB_VERB_WANT_BODY;
    if (lbi_parser_take(p, "all")) {
        line->number = LB_CASE_ALL;
    } else if (!lbi_parser_take(p, "end")) {
        line->number = lbi_parser_number(p, "all, end or a number of bytes", 1, LB_CASE_FILL_MAX);
    }
}

/* server_request: `METHOD /path [body N] [expect]`. */
static void server_request(struct lbi_parser *p, const char *method, struct lb_line *line)
{
    line->method = lb_case_text(p->c, method, strlen(method));
    line->path = lbi_parser_path(p);
    line->has_body = lbi_parser_take(p, "body");
    if (line->has_body) {
        line->number = lbi_parser_number(p, "a number of bytes", 0, LB_CASE_FILL_MAX);
    }
    line->is_expect = lbi_parser_take(p, "expect");
}

static void server_want(struct lbi_parser *p, struct lb_line *line)
{
    enum { WANT_ANY = 6, WANT_BODY, WANT_CLOSE, WANT_RESET };
    static const struct lbi_words words = {.words = {"GET", "HEAD", "POST", "PUT", "DELETE",
                                                     "OPTIONS", "any", "body", "close", "reset"},
                                           .count = 10};
    uint32_t what = lbi_parser_choice(p, "", &words);
    line->verb = what <= WANT_ANY ? LB_VERB_WANT : LB_VERB_WANT_END;
    line->is_or_close = what == WANT_CLOSE;
    line->is_or_reset = what == WANT_RESET;
    if (what < WANT_ANY && !p->is_failed) {
        server_request(p, words.words[what], line);
    } else if (what == WANT_BODY) {
        server_body(p, line);
        return;
    }
    server_or(p, line);
}

static void server_chunk(struct lbi_parser *p, struct lb_line *line)
{
    if (lbi_parser_take(p, "end")) {
        line->verb = LB_VERB_CHUNK_END;
    } else if (lbi_parser_take(p, "fill")) {
        line->verb = LB_VERB_CHUNK_FILL;
        line->number = lbi_parser_number(p, "a number of bytes", 1, LB_CASE_FILL_MAX);
    } else if (lbi_parser_take(p, "gzip")) {
        line->verb = LB_VERB_CHUNK_GZIP;
        line->number = lbi_parser_number(p, "a number of bytes", 0, LB_CASE_FILL_MAX);
    } else {
        line->verb = LB_VERB_CHUNK;
        line->bytes = lbi_parser_string(p, "a string of at least one byte, fill N, gzip N, or end");
    }
}

/* server_gzip: `N [cut M]`. */
static void server_gzip(struct lbi_parser *p, struct lb_line *line)
{
    line->number = lbi_parser_number(p, "a number of bytes", 0, LB_CASE_FILL_MAX);
    if (lbi_parser_take(p, "cut")) {
        line->cut = lbi_parser_number(p, "a number of bytes", 1, LB_CASE_FILL_MAX);
    }
}

/* server_head_line: the line without `|` and the blank after it. */
static void server_head_line(struct lbi_parser *p, struct lb_line *line)
{
    LB_ASSERT(p->text[p->at] == '|');
    line->verb = LB_VERB_HEAD_LINE;
    p->at++;
    if (p->at < p->line_end && p->text[p->at] != ' ') {
        lbi_parser_fail(p, "a blank after |");
        return;
    }
    p->at += p->at < p->line_end ? 1 : 0;
    line->bytes = lbi_parser_rest(p);
}

/* server_operands: what follows the first word of the statement `verb`. */
static void server_operands(struct lbi_parser *p, enum lb_verb verb, struct lb_line *line)
{
    char name[LB_CASE_NAME_MAX];
    line->verb = verb;
    if (verb == LB_VERB_WANT) {
        server_want(p, line);
    } else if (verb == LB_VERB_SEND) {
        line->bytes = lbi_parser_string(p, "a string of at least one byte");
    } else if (verb == LB_VERB_CHUNK) {
        server_chunk(p, line);
    } else if (verb == LB_VERB_FILL) {
        line->number = lbi_parser_number(p, "a number of bytes", 1, LB_CASE_FILL_MAX);
    } else if (verb == LB_VERB_GZIP) {
        server_gzip(p, line);
    } else if (verb == LB_VERB_PAUSE) {
        line->time_ns = lbi_parser_time(p);
    } else if (verb == LB_VERB_AWAIT) {
        lbi_parser_name(p, "the name of a signal", name);
        line->name = lb_case_text(p->c, name, strlen(name));
    }
}

/* server_words: the first words of statements, in the order of their verbs. */
static void server_words(struct lbi_words *ret_words)
{
    for (int verb = LB_VERB_WANT; verb <= LB_VERB_SERVE; verb++) {
        lbi_words_add(ret_words, lb_verb_word((enum lb_verb)verb));
    }
    lbi_words_add(ret_words, "conn");
    lbi_words_add(ret_words, "host");
    lbi_words_add(ret_words, "client");
}

/* server_verb: skips the first word and gives the first verb with it. */
static enum lb_verb server_verb(struct lbi_parser *p)
{
    struct lbi_words words = {.count = 0};
    server_words(&words);
    uint32_t index = lbi_parser_choice(p, "", &words);
    int verb = LB_VERB_WANT;
    while (verb < LB_VERB_SERVE && strcmp(lb_verb_word((enum lb_verb)verb), words.words[index])) {
        verb++;
    }
    return (enum lb_verb)verb;
}

/* server_check_order: fails when nothing may follow the lines that are there. */
static void server_check_order(struct lbi_parser *p, const struct lb_lines *script)
{
    if (script->count > 0 && script->lines[script->count - 1].verb == LB_VERB_REFUSE) {
        lbi_parser_fail(p, "nothing after refuse but conn, host or client");
    } else if (script->count > 0 && script->lines[script->count - 1].verb == LB_VERB_SERVE) {
        lbi_parser_fail(p, "nothing after serve but conn, host or client");
    } else if (script->count > 0 && lbi_parser_is_at(p, "refuse")) {
        lbi_parser_fail_at(p, p->at, "refuse after another line",
                           "refuse as the only line of its connection");
    }
}

void lbi_parser_conn(struct lbi_parser *p, struct lb_case_conn *conn)
{
    while (!p->is_failed && !p->is_done && !lbi_parser_is_at(p, "conn") &&
           !lbi_parser_is_at(p, "host") && !lbi_parser_is_at(p, "client")) {
        server_check_order(p, &conn->script);
        struct lb_line *line = lbi_parser_add_line(p, &conn->script);
        if (line == NULL) {
            return;
        }
        if (p->text[p->at] == '|') {
            server_head_line(p, line);
        } else {
            server_operands(p, server_verb(p), line);
            line->beside = lbi_parser_end(p);
        }
        if (!p->is_failed) {
            lbi_parser_next(p);
        }
    }
}
