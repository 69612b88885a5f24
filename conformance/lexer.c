/*
 * The lexer of the case language: characters, lines, words, numbers, strings, and precise errors.
 *
 * There is no token stream: a statement asks for what it wants next, because what a character
 * means depends on it (`#` begins a comment, except in a head line, a title, a string and `#N` of
 * a schedule). A word is a run of characters other than blank, `"` and `#`. Bytes are checked
 * once, up front: from then on a text holds printable ASCII and newlines only, and a place is the
 * offset in its line plus one.
 */
#include "parser.h"

#include "core/assert.h"

#include <stdio.h>
#include <string.h>

/* -- errors -- */

void lbi_parser_fail_at(struct lbi_parser *p, size_t offset, const char *found,
                        const char *expected)
{
    LB_ASSERT(offset >= p->line_start);
    LB_ASSERT(offset <= p->size);
    if (!p->is_failed) {
        p->is_failed = true;
        p->error->line = p->line;
        p->error->column = (uint32_t)(offset - p->line_start) + 1;
        snprintf(p->error->found, sizeof(p->error->found), "%s", found);
        snprintf(p->error->expected, sizeof(p->error->expected), "%s", expected);
    }
}

/* parser_skip_blanks: moves the cursor over blanks. */
static void parser_skip_blanks(struct lbi_parser *p)
{
    while (p->at < p->line_end && p->text[p->at] == ' ') {
        p->at++;
    }
}

/* text_end_of_word: the offset after the word that begins at `at`. */
static size_t text_end_of_word(const struct lbi_parser *p, size_t at)
{
    while (at < p->line_end && strchr(" \"#", p->text[at]) == NULL) {
        at++;
    }
    return at;
}

/* parser_found: describes what stands at the cursor. */
static void parser_found(const struct lbi_parser *p, char *ret_found, size_t size)
{
    if (p->is_done) {
        snprintf(ret_found, size, "the end of the file");
        return;
    }
    if (p->at >= p->line_end) {
        snprintf(ret_found, size, "the end of the line");
        return;
    }
    if (p->text[p->at] == '"') {
        size_t end = p->at + 1;
        while (end < p->line_end && p->text[end] != '"') {
            end += p->text[end] == '\\' && end + 1 < p->line_end ? 2 : 1;
        }
        end += end < p->line_end ? 1 : 0;
        snprintf(ret_found, size, "the string %.*s", (int)(end - p->at > 40 ? 40 : end - p->at),
                 p->text + p->at);
        return;
    }
    if (p->text[p->at] == '#') {
        snprintf(ret_found, size, "a comment");
        return;
    }
    size_t end = text_end_of_word(p, p->at);
    bool is_long = end - p->at > 40;
    snprintf(ret_found, size, "\"%.*s%s\"", (int)(is_long ? 40 : end - p->at), p->text + p->at,
             is_long ? "..." : "");
}

void lbi_parser_fail(struct lbi_parser *p, const char *expected)
{
    char found[sizeof(p->error->found)];
    parser_skip_blanks(p);
    parser_found(p, found, sizeof(found));
    lbi_parser_fail_at(p, p->at, found, expected);
}

void lbi_words_add(struct lbi_words *words, const char *word)
{
    bool is_known = false;
    for (uint32_t i = 0; i < words->count; i++) {
        is_known = is_known || strcmp(words->words[i], word) == 0;
    }
    if (!is_known) {
        LB_ASSERT(words->count < LBI_CASE_WORDS_MAX);
        words->words[words->count] = word;
        words->count++;
    }
}

#define NEAR_SIZE_MAX 24 /* longer words are like no other */

/* word_distance: how many characters must be put in, left out or changed to get from a to b. */
static uint32_t word_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    LB_ASSERT(a_size <= NEAR_SIZE_MAX);
    LB_ASSERT(b_size <= NEAR_SIZE_MAX);
    uint32_t row[NEAR_SIZE_MAX + 1];
    for (uint32_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (uint32_t i = 1; i <= a_size; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b_size; j++) {
            uint32_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_size];
}

/* words_nearest: the word that `typed` was probably meant to be, or NULL. */
static const char *words_nearest(const struct lbi_words *words, struct lb_text typed)
{
    const char *nearest = NULL;
    uint32_t distance_min = 3;
    const char *equal = typed.size == 0 ? NULL : memchr(typed.bytes, '=', typed.size);
    if (equal != NULL) {
        typed.size = (uint32_t)(equal - typed.bytes); /* of KEY=VALUE the key */
    }
    if (typed.size < 2 || typed.size > NEAR_SIZE_MAX) {
        return NULL;
    }
    for (uint32_t i = 0; i < words->count; i++) {
        size_t size = strlen(words->words[i]);
        if (size <= NEAR_SIZE_MAX) {
            uint32_t distance = word_distance(typed.bytes, typed.size, words->words[i], size);
            if (distance < distance_min && distance < typed.size && distance < size) {
                distance_min = distance;
                nearest = words->words[i];
            }
        }
    }
    return nearest;
}

void lbi_parser_fail_words(struct lbi_parser *p, const char *kind, const struct lbi_words *words)
{
    char expected[sizeof(p->error->expected)];
    char suggestion[NEAR_SIZE_MAX + 24] = "";
    LB_ASSERT(words->count > 0);
    const char *nearest = words_nearest(words, lbi_parser_peek(p));
    if (nearest != NULL) {
        snprintf(suggestion, sizeof(suggestion), " (did you mean \"%s\"?)", nearest);
    }
    size_t room = sizeof(expected) - strlen(suggestion);
    size_t used = (size_t)snprintf(expected, room, "%s%s%s", kind, kind[0] == '\0' ? "" : ": ",
                                   words->count > 1 ? "one of " : "");
    for (uint32_t i = 0; i < words->count && used < room; i++) {
        used += (size_t)snprintf(expected + used, room - used, "%s%s", i > 0 ? ", " : "",
                                 words->words[i]);
    }
    used = strlen(expected);
    snprintf(expected + used, sizeof(expected) - used, "%s", suggestion);
    lbi_parser_fail(p, expected);
}

/* -- lines -- */

/* byte_refusal: why no case may hold `byte` followed by `next`, or NULL. */
static const char *byte_refusal(unsigned char byte, unsigned char next)
{
    if (byte == '\r') {
        return next == '\n' ? "a CR LF line end" : "a lone CR";
    }
    if (byte == '\t') {
        return "a tab";
    }
    if (byte == 0) {
        return "a NUL byte";
    }
    if (byte >= 0x80) {
        return "a byte that is not ASCII";
    }
    if (byte == '\n' || (byte >= 0x20 && byte < 0x7f)) {
        return NULL;
    }
    return "a control character";
}

/* byte_remedy: what to write instead of `byte`. */
static const char *byte_remedy(unsigned char byte)
{
    switch (byte) {
    case '\r':
        return "lines that end with LF alone; a CR of the wire is written \\r";
    case '\t':
        return "blanks; a tab of the wire is written \\t";
    default:
        return "printable ASCII; any other byte of the wire is written \\xHH";
    }
}

void lbi_parser_check_bytes(struct lbi_parser *p)
{
    size_t line_start = 0;
    uint32_t line = 1;
    for (size_t i = 0; i < p->size && !p->is_failed; i++) {
        unsigned char byte = (unsigned char)p->text[i];
        unsigned char next = i + 1 < p->size ? (unsigned char)p->text[i + 1] : 0;
        const char *refusal = byte_refusal(byte, next);
        if (refusal != NULL) {
            char found[sizeof(p->error->found)];
            snprintf(found, sizeof(found), "%s (0x%02x)", refusal, byte);
            p->line = line;
            p->line_start = line_start;
            lbi_parser_fail_at(p, i, found, byte_remedy(byte));
        }
        if (byte == '\n') {
            line++;
            line_start = i + 1;
        }
    }
}

void lbi_comments_add(struct lb_case *c, struct lbi_comments *comments, struct lb_text text)
{
    if (text.size == 0 && comments->last != NULL && comments->last->text.size == 0) {
        return;
    }
    struct lb_comment *comment = lb_case_alloc(c, sizeof(*comment));
    comment->text = text;
    if (comments->last == NULL) {
        comments->first = comment;
    } else {
        comments->last->next = comment;
    }
    comments->last = comment;
}

/* parser_comment: skips the comment at the cursor and gives it, copied, without trailing blanks. */
static struct lb_text parser_comment(struct lbi_parser *p)
{
    LB_ASSERT(p->text[p->at] == '#');
    size_t end = p->line_end;
    while (p->text[end - 1] == ' ') {
        end--;
    }
    struct lb_text text = lb_case_text(p->c, p->text + p->at, end - p->at);
    p->at = p->line_end;
    return text;
}

/* parser_begin_line: the cursor to the start of the line at `start`. */
static void parser_begin_line(struct lbi_parser *p, size_t start)
{
    LB_ASSERT(start <= p->size);
    const char *end = memchr(p->text + start, '\n', p->size - start);
    p->line_start = start;
    p->line_end = end == NULL ? p->size : (size_t)(end - p->text);
    p->at = start;
    p->line++;
}

void lbi_parser_next(struct lbi_parser *p)
{
    LB_ASSERT(!p->is_done);
    p->above = (struct lbi_comments){0};
    while (!p->is_failed && !p->is_done) {
        size_t start = p->line == 0 ? 0 : p->line_end + 1;
        if (start >= p->size) {
            p->is_done = true;
            p->line += p->line_end < p->size || p->line == 0 ? 1 : 0;
            p->line_start = p->line_end < p->size ? p->size : p->line_start;
            p->line_end = p->size;
            p->at = p->size;
            return;
        }
        parser_begin_line(p, start);
        parser_skip_blanks(p);
        if (p->at == p->line_end) {
            lbi_comments_add(p->c, &p->above, (struct lb_text){0});
        } else if (p->text[p->at] == '#') {
            lbi_comments_add(p->c, &p->above, parser_comment(p));
        } else {
            return;
        }
    }
}

bool lbi_parser_is_end(struct lbi_parser *p)
{
    parser_skip_blanks(p);
    return p->at >= p->line_end || p->text[p->at] == '#';
}

struct lb_text lbi_parser_end(struct lbi_parser *p)
{
    if (p->is_failed) {
        return (struct lb_text){0};
    }
    if (!lbi_parser_is_end(p)) {
        lbi_parser_fail(p, "the end of the line");
        return (struct lb_text){0};
    }
    return p->at < p->line_end ? parser_comment(p) : (struct lb_text){0};
}

/* -- words -- */

struct lb_text lbi_parser_peek(struct lbi_parser *p)
{
    if (lbi_parser_is_end(p)) {
        return (struct lb_text){0};
    }
    size_t end = text_end_of_word(p, p->at);
    return (struct lb_text){.bytes = p->text + p->at, .size = (uint32_t)(end - p->at)};
}

bool lbi_parser_is_at(struct lbi_parser *p, const char *word)
{
    struct lb_text text = lbi_parser_peek(p);
    return text.size == strlen(word) && memcmp(text.bytes, word, text.size) == 0;
}

bool lbi_parser_take(struct lbi_parser *p, const char *word)
{
    LB_ASSERT(word[0] != '\0');
    bool is_there = !p->is_failed && lbi_parser_is_at(p, word);
    if (is_there) {
        p->at += strlen(word);
    }
    return is_there;
}

void lbi_parser_expect(struct lbi_parser *p, const char *word)
{
    if (!lbi_parser_take(p, word)) {
        struct lbi_words words = {.words = {word}, .count = 1};
        lbi_parser_fail_words(p, "", &words);
    }
}

struct lb_text lbi_parser_word(struct lbi_parser *p, const char *kind)
{
    struct lb_text word = lbi_parser_peek(p);
    if (word.size == 0) {
        lbi_parser_fail(p, kind);
    }
    if (p->is_failed) {
        return (struct lb_text){.bytes = "", .size = 0};
    }
    p->at += word.size;
    return word;
}

uint32_t lbi_parser_choice(struct lbi_parser *p, const char *kind, const struct lbi_words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        if (lbi_parser_take(p, words->words[i])) {
            return i;
        }
    }
    lbi_parser_fail_words(p, kind, words);
    return 0;
}

void lbi_parser_name(struct lbi_parser *p, const char *kind, char ret_name[LB_CASE_NAME_MAX])
{
    struct lb_text word = lbi_parser_peek(p);
    char expected[sizeof(p->error->expected)];
    memset(ret_name, 0, LB_CASE_NAME_MAX);
    size_t valid = 0;
    while (valid < word.size) {
        char byte = word.bytes[valid];
        bool is_letter = byte >= 'a' && byte <= 'z';
        bool is_other = (byte >= '0' && byte <= '9') || byte == '-';
        if (!is_letter && !(is_other && valid > 0)) {
            break;
        }
        valid++;
    }
    if (valid == 0 || valid != word.size) {
        snprintf(expected, sizeof(expected), "%s: a-z, then a-z, 0-9 and -", kind);
        lbi_parser_fail(p, expected);
    } else if (word.size >= LB_CASE_NAME_MAX) {
        snprintf(expected, sizeof(expected), "%s of at most %d characters", kind,
                 LB_CASE_NAME_MAX - 1);
        lbi_parser_fail(p, expected);
    } else if (!p->is_failed) {
        memcpy(ret_name, word.bytes, word.size);
        p->at += word.size;
    }
}

struct lb_text lbi_parser_path(struct lbi_parser *p)
{
    static const char kind[] = "a path that begins with /";
    static const char others[] = "-._~!$&'()*+,;=:@/?%";
    struct lb_text word = lbi_parser_peek(p);
    bool is_server = word.size == 1 && word.bytes[0] == '*'; /* of OPTIONS */
    if (word.size == 0 || (word.bytes[0] != '/' && !is_server)) {
        lbi_parser_fail(p, kind);
    }
    for (uint32_t i = 0; i < word.size; i++) {
        char byte = word.bytes[i];
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9');
        if (!is_plain && strchr(others, byte) == NULL) {
            char found[] = "\"?\" in a path";
            found[1] = byte;
            lbi_parser_fail_at(p, p->at + i, found, "a character of a path (RFC 3986 section 3.3)");
        }
    }
    word = lbi_parser_word(p, kind);
    return lb_case_text(p->c, word.bytes, word.size);
}

int32_t lbi_parser_host(struct lbi_parser *p)
{
    struct lbi_words words = {.count = 0};
    for (uint32_t i = 0; i < p->c->host_count; i++) {
        lbi_words_add(&words, p->c->hosts[i].name);
    }
    if (words.count == 0) {
        lbi_parser_fail(p, "a host, but this case has none");
        return -1;
    }
    uint32_t index = lbi_parser_choice(p, "a host of this case", &words);
    return p->is_failed ? -1 : (int32_t)index;
}
