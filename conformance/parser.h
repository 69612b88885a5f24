/*
 * The parser of the case language, shared by its files: lexer.c (characters, words, errors),
 * parse.c (header, blocks, comments), parse_server.c and parse_client.c (one function per
 * statement).
 *
 * The parser reads one line at a time through a cursor. Its first error sticks: from then on the
 * cursor stands still and every function returns something harmless, so that a statement is read
 * straight through and the error is looked at once, by the loop over lines. Whoever uses a result
 * as an index checks it all the same.
 */
#ifndef LASTBYTE_CONFORMANCE_PARSER_H
#define LASTBYTE_CONFORMANCE_PARSER_H

#include "case.h"
#include "sim/net.h"

#define LBI_CASE_SPECS_MAX 32        /* spec lines of one case */
#define LBI_CASE_TAGS_MAX 32         /* words of a tags line */
#define LBI_CASE_ALTERNATIVES_MAX 32 /* outcomes of one statement joined by `or` */
#define LBI_CASE_ITEMS_MAX 32        /* items of one outcome */
#define LBI_CASE_TERMS_MAX 16        /* terms of one expect */
#define LBI_CASE_WORDS_MAX 32        /* words that an error can list */

/* Comments and empty lines that wait for the line below them, in order. */
struct lbi_comments {
    struct lb_comment *first;
    struct lb_comment *last;
};

struct lbi_parser {
    struct lb_case *c;
    struct lb_case_error *error;
    const char *text; /* borrowed for the parse */
    size_t size;
    size_t at; /* the cursor: offset of the next character; stays within its line */
    size_t line_start;
    size_t line_end;           /* offset of the newline, or `size` */
    uint32_t line;             /* from 1 */
    bool is_failed;            /* *error is filled */
    bool is_done;              /* no statement is left: the cursor stands at the end of the file */
    struct lbi_comments above; /* of the line under the cursor */
};

/* What could stand at a place: words, for a list and for a suggestion. */
struct lbi_words {
    const char *words[LBI_CASE_WORDS_MAX];
    uint32_t count;
};

/* -- lexer.c: errors -- */

/* lbi_parser_fail_at: fails at `offset` of the current line. `found` is said as it stands. */
void lbi_parser_fail_at(struct lbi_parser *p, size_t offset, const char *found,
                        const char *expected);

/* lbi_parser_fail: fails at the cursor; what was found is the word, string or end that stands
 * there. */
void lbi_parser_fail(struct lbi_parser *p, const char *expected);

/* lbi_parser_fail_words: likewise; expected is one of `words`, with the nearest one suggested.
 * `kind` says what they are ("a host") and may be "". */
void lbi_parser_fail_words(struct lbi_parser *p, const char *kind, const struct lbi_words *words);

/* lbi_words_add: adds a word; ignored when it is there already. */
void lbi_words_add(struct lbi_words *words, const char *word);

/* -- lexer.c: lines -- */

/* lbi_parser_check_bytes: fails at the first byte that no case may hold. */
void lbi_parser_check_bytes(struct lbi_parser *p);

/* lbi_parser_next: moves to the next line that holds a statement, and collects the comments and
 * empty lines before it into p->above; at the end of the file sets p->is_done. */
void lbi_parser_next(struct lbi_parser *p);

/* lbi_parser_end: the statement ends here. Returns its comment, copied; size 0: none. */
struct lb_text lbi_parser_end(struct lbi_parser *p);

/* lbi_comments_add: appends a comment (size 0: an empty line, not twice in a row). */
void lbi_comments_add(struct lb_case *c, struct lbi_comments *comments, struct lb_text text);

/* -- lexer.c: what stands in a line -- */

/* lbi_parser_is_end: whether nothing but blanks and a comment is left. Skips blanks. */
bool lbi_parser_is_end(struct lbi_parser *p);

/* lbi_parser_peek: the word at the cursor, borrowed from the text; size 0: there is none. */
struct lb_text lbi_parser_peek(struct lbi_parser *p);

/* lbi_parser_is_at: whether the word at the cursor is `word`. */
bool lbi_parser_is_at(struct lbi_parser *p, const char *word);

/* lbi_parser_take: skips the word at the cursor if it is `word`; whether it was. */
bool lbi_parser_take(struct lbi_parser *p, const char *word);

/* lbi_parser_expect: skips `word`, or fails saying that it was expected. */
void lbi_parser_expect(struct lbi_parser *p, const char *word);

/* lbi_parser_word: skips the word at the cursor, borrowed from the text; `kind` names it in
 * errors. */
struct lb_text lbi_parser_word(struct lbi_parser *p, const char *kind);

/* lbi_parser_choice: skips the word at the cursor and gives its position in `words`; 0 on
 * failure. */
uint32_t lbi_parser_choice(struct lbi_parser *p, const char *kind, const struct lbi_words *words);

/* lbi_parser_number: skips a decimal number between `least` and `most`; `least` on failure. */
uint64_t lbi_parser_number(struct lbi_parser *p, const char *kind, uint64_t least, uint64_t most);

/* lbi_parser_time: skips a time such as 200ms and gives nanoseconds. */
uint64_t lbi_parser_time(struct lbi_parser *p);

/* lbi_parser_string: skips a string and gives what it says, copied; fails when it holds no byte. */
struct lb_text lbi_parser_string(struct lbi_parser *p, const char *kind);

/* lbi_parser_rest: the rest of the line with its escapes resolved, copied: head lines and
 * titles. */
struct lb_text lbi_parser_rest(struct lbi_parser *p);

/* lbi_parser_name: skips a name (a-z, then a-z 0-9 -) of less than LB_CASE_NAME_MAX characters. */
void lbi_parser_name(struct lbi_parser *p, const char *kind, char ret_name[LB_CASE_NAME_MAX]);

/* lbi_parser_path: skips a path and its query, copied. */
struct lb_text lbi_parser_path(struct lbi_parser *p);

/* lbi_parser_host: skips the name of a host of this case; its index, or -1 on failure. */
int32_t lbi_parser_host(struct lbi_parser *p);

/* -- parse.c -- */

/* lbi_parser_add_line: appends a line that begins at the cursor's line to `lines`, with what stands
 * above it; NULL after an error, also when the block is full. */
struct lb_line *lbi_parser_add_line(struct lbi_parser *p, struct lb_lines *lines);

/* lbi_file_has_size: whether a file is neither empty nor too large; false with *ret_error filled,
 * `expected` copied. */
bool lbi_file_has_size(const char *file, size_t size, const char *expected,
                       struct lb_case_error *ret_error);

/* lbi_file_load: reads at most `size` bytes of a file; false with *ret_error filled, `expected`
 * copied. `ret_bytes` may be NULL: no memory. */
bool lbi_file_load(const char *file, char *ret_bytes, size_t size, size_t *ret_size,
                   const char *expected, struct lb_case_error *ret_error);

/* -- parse_server.c and parse_client.c -- */

/* lbi_parser_conn: the script of a connection: from the line under the cursor to the next line that
 * begins a block. */
void lbi_parser_conn(struct lbi_parser *p, struct lb_case_conn *conn);

/* lbi_parser_client: the lines of the client block, to the end of the file. */
void lbi_parser_client(struct lbi_parser *p);

/* -- words shared with the printer -- */

/* lbi_option_key: the key of an option, a static string. */
const char *lbi_option_key(enum lb_case_option option);

/* lbi_option_is_time: whether an option is a duration. */
bool lbi_option_is_time(enum lb_case_option option);

/* lbi_term_word: the key of a term, a static string. */
const char *lbi_term_word(enum lb_term_key key);

/* lbi_level_word: "MUST", "SHOULD", "MAY", "HOUSE": a static string. */
const char *lbi_level_word(enum lb_level level);

/* lbi_closed_by_word: "nobody", "client", "server": a static string. */
const char *lbi_closed_by_word(enum lb_closed_by closed_by);

/* A unit of time. */
struct lbi_unit {
    const char *word;
    uint64_t ns;
};

#define LBI_UNIT_COUNT 5

/* lbi_unit: unit `index`, the smallest first. */
const struct lbi_unit *lbi_unit(uint32_t index);

#endif
