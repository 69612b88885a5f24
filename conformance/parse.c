/*
 * The parser's frame: the header, the blocks, and the comments between them.
 *
 *   lb_case_parse -> header -> host, conn ... -> client
 *
 * The header is a table of keywords in their order; a keyword that stands too early or too late is
 * answered with those that could stand there. A comment belongs to the line below it. The header
 * keeps none of its own: a comment between its lines moves above `case 1`, one beside the line that
 * begins a block moves above that line.
 */
#include "parser.h"

#include "core/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* -- words shared with the printer -- */

const char *lbi_option_key(enum lb_case_option option)
{
    static const char *const keys[LB_CASE_OPTION_COUNT] = {
#define OPTION_KEY(name, key, kind) [LB_CASE_OPTION_##name] = key,
        LB_CASE_OPTION_LIST(OPTION_KEY)
#undef OPTION_KEY
    };
    LB_ASSERT(option < LB_CASE_OPTION_COUNT);
    return keys[option];
}

bool lbi_option_is_time(enum lb_case_option option)
{
    enum option_kind { OPTION_KIND_NUMBER, OPTION_KIND_TIME };
    static const enum option_kind kinds[LB_CASE_OPTION_COUNT] = {
#define OPTION_KIND(name, key, kind) [LB_CASE_OPTION_##name] = OPTION_KIND_##kind,
        LB_CASE_OPTION_LIST(OPTION_KIND)
#undef OPTION_KIND
    };
    LB_ASSERT(option < LB_CASE_OPTION_COUNT);
    return kinds[option] == OPTION_KIND_TIME;
}

const char *lbi_level_word(enum lb_level level)
{
    static const char *const words[] = {"MUST", "SHOULD", "MAY", "HOUSE"};
    LB_ASSERT(level <= LB_LEVEL_HOUSE);
    return words[level];
}

/* -- header -- */

/* parser_grow: room for one more element in an array of the arena that doubles at powers of two. */
static void *parser_grow(struct lbi_parser *p, void *array, uint32_t count, size_t size)
{
    bool is_full = count == 0 || (count & (count - 1)) == 0;
    if (!is_full) {
        return array;
    }
    void *larger = lb_case_alloc(p->c, (count == 0 ? 1 : (size_t)count * 2) * size);
    if (count > 0) {
        memcpy(larger, array, count * size);
    }
    return larger;
}

static void header_case(struct lbi_parser *p)
{
    lbi_parser_expect(p, "1");
}

static void header_title(struct lbi_parser *p)
{
    (void)lbi_parser_peek(p); /* skips blanks */
    p->c->title = lbi_parser_rest(p);
    if (p->c->title.size == 0) {
        lbi_parser_fail(p, "a sentence that can be false");
    }
}

static void header_level(struct lbi_parser *p)
{
    struct lbi_words words = {.count = 0};
    for (int level = LB_LEVEL_MUST; level <= LB_LEVEL_HOUSE; level++) {
        lbi_words_add(&words, lbi_level_word((enum lb_level)level));
    }
    p->c->level = (enum lb_level)lbi_parser_choice(p, "a level", &words);
}

/* parser_copy: a word, copied into the arena. */
static struct lb_text parser_copy(struct lbi_parser *p, const char *kind)
{
    struct lb_text word = lbi_parser_word(p, kind);
    return lb_case_text(p->c, word.bytes, word.size);
}

static void header_spec(struct lbi_parser *p)
{
    struct lb_case *c = p->c;
    if (c->spec_count == LBI_CASE_SPECS_MAX) {
        lbi_parser_fail(p, "at most 32 lines of spec");
        return;
    }
    c->specs = parser_grow(p, c->specs, c->spec_count, sizeof(*c->specs));
    struct lb_case_spec *spec = &c->specs[c->spec_count];
    c->spec_count++;
    spec->document = parser_copy(p, "a document such as RFC9112 or LASTBYTE");
    spec->section = parser_copy(p, "a section such as 9.3 or R3");
    if (!lbi_parser_is_end(p)) {
        spec->quote = lbi_parser_string(p, "a quote in \" or the end of the line");
    }
}

static void header_tags(struct lbi_parser *p)
{
    struct lb_case *c = p->c;
    do {
        if (c->tag_count == LBI_CASE_TAGS_MAX) {
            lbi_parser_fail(p, "at most 32 tags");
            return;
        }
        c->tags = parser_grow(p, c->tags, c->tag_count, sizeof(*c->tags));
        c->tags[c->tag_count] = parser_copy(p, "a tag");
        c->tag_count++;
    } while (!p->is_failed && !lbi_parser_is_end(p));
}

static void header_vary(struct lbi_parser *p)
{
    struct lb_case *c = p->c;
    lbi_parser_expect(p, "slice");
    do {
        if (c->slice_count == LB_CASE_SLICES_MAX) {
            lbi_parser_fail(p, "at most 8 slices");
            return;
        }
        bool is_whole = lbi_parser_take(p, "whole");
        c->slices[c->slice_count] =
            is_whole
                ? LB_NET_WHOLE
                : (uint32_t)lbi_parser_number(p, "whole or a number of bytes", 1, LB_NET_WHOLE - 1);
        c->slice_count++;
    } while (!p->is_failed && !lbi_parser_is_end(p));
}

/* option_key: skips a key and its `=`; the option. */
static enum lb_case_option option_key(struct lbi_parser *p)
{
    struct lbi_words words = {.count = 0};
    struct lb_text word = lbi_parser_peek(p);
    const char *equal = word.size == 0 ? NULL : memchr(word.bytes, '=', word.size);
    size_t size = equal == NULL ? word.size : (size_t)(equal - word.bytes);
    for (uint32_t i = 0; i < LB_CASE_OPTION_COUNT; i++) {
        const char *key = lbi_option_key((enum lb_case_option)i);
        if (equal != NULL && strlen(key) == size && memcmp(key, word.bytes, size) == 0) {
            p->at += p->is_failed ? 0 : size + 1;
            return (enum lb_case_option)i;
        }
        lbi_words_add(&words, key);
    }
    lbi_parser_fail_words(p, "KEY=VALUE", &words);
    return LB_CASE_OPTION_PER_HOST;
}

static void header_option(struct lbi_parser *p)
{
    struct lb_case *c = p->c;
    do {
        size_t start = p->at;
        enum lb_case_option option = option_key(p);
        if (p->is_failed) {
            return;
        }
        if (c->is_option_set[option]) {
            lbi_parser_fail_at(p, start, "an option that is set already", "each option once");
            return;
        }
        c->is_option_set[option] = true;
        if (!lbi_option_is_time(option)) {
            c->options[option] = lbi_parser_number(p, "a number", 0, UINT32_MAX);
        } else if (lbi_parser_take(p, "never")) {
            c->options[option] = LB_NEVER;
        } else {
            c->options[option] = lbi_parser_time(p);
        }
    } while (!lbi_parser_is_end(p));
}

/* departure_worker: `read(a.1)`: a role and a label. */
static void departure_worker(struct lbi_parser *p, struct lb_sim_departure *departure)
{
    static const char shape[] = "a worker such as read(a.1)";
    struct lb_text word = lbi_parser_peek(p);
    const char *open = word.size == 0 ? NULL : memchr(word.bytes, '(', word.size);
    if (p->is_failed || open == NULL || word.bytes[word.size - 1] != ')') {
        lbi_parser_fail(p, shape);
        return;
    }
    size_t role_size = (size_t)(open - word.bytes);
    size_t label_size = word.size - role_size - 2;
    int role = 0;
    while (role < LB_ROLE_COUNT &&
           (strlen(lb_role_word((enum lb_role)role)) != role_size ||
            memcmp(lb_role_word((enum lb_role)role), word.bytes, role_size) != 0)) {
        role++;
    }
    if (role == LB_ROLE_COUNT) {
        lbi_parser_fail(p, "a role (read, write, dial, caller or server) and (LABEL)");
        return;
    }
    bool is_plain = strspn(open + 1, "abcdefghijklmnopqrstuvwxyz0123456789.*-") == label_size;
    if (label_size == 0 || label_size >= LB_SIM_LABEL_MAX || !is_plain) {
        lbi_parser_fail(p, "a label of 1 to 23 characters a-z 0-9 . * - in brackets");
        return;
    }
    departure->role = (enum lb_role)role;
    memcpy(departure->label, open + 1, label_size);
    p->at += word.size;
}

/* departure_site: the label of a scheduling point. */
static enum lb_site departure_site(struct lbi_parser *p)
{
    for (int site = 0; site < LB_SITE_COUNT; site++) {
        if (lbi_parser_take(p, lb_site_label((enum lb_site)site))) {
            return (enum lb_site)site;
        }
    }
    lbi_parser_fail(p, "a label of site.h, such as socket.read.body");
    return LB_SITE_NONE;
}

/* departure_anchor: `read(a.1) @ SITE #N`. */
static void departure_anchor(struct lbi_parser *p, struct lb_sim_departure *departure)
{
    departure->kind = LB_SIM_ANCHOR;
    departure_worker(p, departure);
    lbi_parser_expect(p, "@");
    departure->site = departure_site(p);
    bool is_hash = lbi_parser_is_end(p) && p->at < p->line_end;
    if (p->is_failed || !is_hash) {
        lbi_parser_fail(p, "an occurrence such as #1");
        return;
    }
    p->at++;
    departure->occurrence = (uint32_t)lbi_parser_number(p, "an occurrence", 1, UINT32_MAX);
}

static void header_schedule(struct lbi_parser *p)
{
    static const struct lbi_words kinds = {.words = {"after", "demote", "start"}, .count = 3};
    struct lb_case *c = p->c;
    if (c->departure_count == LB_SIM_DEPARTURES_MAX) {
        lbi_parser_fail(p, "at most 64 departures");
        return;
    }
    c->departures = parser_grow(p, c->departures, c->departure_count, sizeof(*c->departures));
    struct lb_sim_departure *departure = &c->departures[c->departure_count];
    c->departure_count++;
    uint32_t kind = lbi_parser_choice(p, "a departure", &kinds);
    if (kind == 2) {
        departure->kind = LB_SIM_PRIORITY;
        departure->worker = (uint16_t)lbi_parser_number(p, "a worker", 0, LB_SIM_WORKERS_MAX - 1);
        departure->priority = (uint8_t)lbi_parser_number(p, "a priority", 0, 7);
        return;
    }
    if (kind == 1) {
        departure_anchor(p, departure);
    } else {
        departure->kind = LB_SIM_AFTER;
        departure->skip = (uint16_t)lbi_parser_number(p, "a number of decisions", 0, UINT16_MAX);
    }
    if (lbi_parser_take(p, "second")) {
        departure->choice = 1;
    } else if (lbi_parser_take(p, "third")) {
        departure->choice = 2;
    } else if (!lbi_parser_is_end(p)) {
        static const struct lbi_words choices = {.words = {"second", "third"}, .count = 2};
        lbi_parser_fail_words(p, "the end of the line or a choice", &choices);
    }
}

/* A keyword of the header, in the order of the header. */
struct header_row {
    const char *word;
    void (*parse)(struct lbi_parser *p);
    bool is_mandatory;
    bool is_repeatable;
};

#define HEADER_COUNT 8u

static const struct header_row header_rows[HEADER_COUNT] = {
    {"case", header_case, true, false},      {"title", header_title, true, false},
    {"level", header_level, true, false},    {"spec", header_spec, true, true},
    {"tags", header_tags, false, false},     {"vary", header_vary, false, false},
    {"option", header_option, false, false}, {"schedule", header_schedule, false, true},
};

/* header_expected: the keywords that can stand after the first `next` rows; whether the header may
 * end there. */
static bool header_expected(uint32_t next, struct lbi_words *ret_words)
{
    if (next > 0 && header_rows[next - 1].is_repeatable) {
        lbi_words_add(ret_words, header_rows[next - 1].word);
    }
    for (uint32_t i = next; i < HEADER_COUNT; i++) {
        lbi_words_add(ret_words, header_rows[i].word);
        if (header_rows[i].is_mandatory) {
            return false;
        }
    }
    lbi_words_add(ret_words, "host");
    lbi_words_add(ret_words, "client");
    return true;
}

/* parser_adopt: moves comments to the end of `list`; empty lines are left behind. */
static void parser_adopt(struct lbi_parser *p, struct lbi_comments *list, struct lb_text beside)
{
    for (const struct lb_comment *above = p->above.first; above != NULL; above = above->next) {
        if (above->text.size > 0) {
            lbi_comments_add(p->c, list, above->text);
        }
    }
    if (beside.size > 0) {
        lbi_comments_add(p->c, list, beside);
    }
}

/* comments_without_blank_start: the list without the empty line that it may begin with. */
static const struct lb_comment *comments_without_blank_start(const struct lbi_comments *comments)
{
    const struct lb_comment *first = comments->first;
    return first != NULL && first->text.size == 0 ? first->next : first;
}

static void parser_header(struct lbi_parser *p)
{
    uint32_t next = 0;
    struct lbi_comments above = {0};
    while (!p->is_failed) {
        struct lbi_words words = {.count = 0};
        bool may_end = header_expected(next, &words);
        if (may_end &&
            (p->is_done || lbi_parser_is_at(p, "host") || lbi_parser_is_at(p, "client"))) {
            break;
        }
        uint32_t row = next > 0 && header_rows[next - 1].is_repeatable ? next - 1 : next;
        while (row < HEADER_COUNT && !lbi_parser_is_at(p, header_rows[row].word) &&
               (row < next || !header_rows[row].is_mandatory)) {
            row++;
        }
        if (row == HEADER_COUNT || !lbi_parser_take(p, header_rows[row].word)) {
            lbi_parser_fail_words(p, "", &words);
            break;
        }
        header_rows[row].parse(p);
        struct lb_text beside = lbi_parser_end(p);
        if (row == 0 && beside.size == 0) {
            above = p->above;
        } else {
            parser_adopt(p, &above, beside);
        }
        next = row + 1;
        lbi_parser_next(p);
    }
    p->c->above = comments_without_blank_start(&above);
}

/* -- blocks -- */

struct lb_line *lbi_parser_add_line(struct lbi_parser *p, struct lb_lines *lines)
{
    if (!p->is_failed && lines->count == LB_CASE_LINES_MAX) {
        lbi_parser_fail_at(p, p->at, "one line more", "at most 1024 lines in a block");
    }
    if (p->is_failed) {
        return NULL;
    }
    lines->lines = parser_grow(p, lines->lines, lines->count, sizeof(*lines->lines));
    struct lb_line *line = &lines->lines[lines->count];
    lines->count++;
    line->place = p->line;
    line->request = -1;
    line->host = -1;
    line->above = p->above.first;
    return line;
}

/* parser_open: ends the line that begins a block; the comments above it, its own included. */
static const struct lb_comment *parser_open(struct lbi_parser *p, struct lbi_comments *above)
{
    struct lb_text beside = lbi_parser_end(p);
    if (beside.size > 0) {
        lbi_comments_add(p->c, above, beside);
    }
    return above->first;
}

/* block_conn: `conn N`, its script included. */
static void block_conn(struct lbi_parser *p, struct lb_case_host *host)
{
    uint32_t number = 0;
    uint32_t place = p->line;
    struct lbi_comments above = p->above;
    lbi_parser_expect(p, "conn");
    (void)lbi_parser_peek(p);
    size_t start = p->at;
    if (!lbi_parser_take(p, "*")) {
        number = (uint32_t)lbi_parser_number(p, "* or a connection's number", 1, LB_NET_CONNS_MAX);
    }
    for (uint32_t i = 0; i < host->conn_count; i++) {
        if (host->conns[i].number == number) {
            lbi_parser_fail_at(p, start, "a connection that has its script already",
                               "another number");
        }
    }
    const struct lb_comment *comments = parser_open(p, &above);
    if (p->is_failed) {
        return;
    }
    host->conns = parser_grow(p, host->conns, host->conn_count, sizeof(*host->conns));
    struct lb_case_conn *conn = &host->conns[host->conn_count];
    host->conn_count++;
    conn->number = number;
    conn->place = place;
    conn->above = comments;
    lbi_parser_next(p);
    lbi_parser_conn(p, conn);
}

/* block_host: `host NAME`, its connections included. */
static void block_host(struct lbi_parser *p)
{
    struct lb_case *c = p->c;
    char name[LB_CASE_NAME_MAX];
    uint32_t place = p->line;
    struct lbi_comments above = p->above;
    lbi_parser_expect(p, "host");
    (void)lbi_parser_peek(p);
    size_t start = p->at;
    lbi_parser_name(p, "the name of a host", name);
    for (uint32_t i = 0; i < c->host_count; i++) {
        if (strcmp(c->hosts[i].name, name) == 0) {
            lbi_parser_fail_at(p, start, "a host that stands above already", "another name");
        }
    }
    if (c->host_count == LB_CASE_HOSTS_MAX) {
        lbi_parser_fail_at(p, start, "one host more", "at most 8 hosts");
    }
    (void)parser_open(p, &above);
    if (p->is_failed) {
        return;
    }
    struct lb_case_host *host = &c->hosts[c->host_count];
    c->host_count++;
    memcpy(host->name, name, sizeof(host->name));
    host->place = place;
    host->above = comments_without_blank_start(&above);
    lbi_parser_next(p);
    while (!p->is_failed && !p->is_done && lbi_parser_is_at(p, "conn")) {
        block_conn(p, host);
    }
}

static void parser_blocks(struct lbi_parser *p)
{
    static const struct lbi_words starts = {.words = {"host", "client"}, .count = 2};
    static const struct lbi_words inside = {.words = {"conn", "host", "client"}, .count = 3};
    while (!p->is_failed && !lbi_parser_is_at(p, "client")) {
        if (p->is_done) {
            lbi_parser_fail(p, "a client block");
        } else if (lbi_parser_is_at(p, "host")) {
            block_host(p);
        } else {
            lbi_parser_fail_words(p, "", p->c->host_count > 0 ? &inside : &starts);
        }
    }
    if (!p->is_failed) {
        struct lbi_comments above = p->above;
        lbi_parser_expect(p, "client");
        (void)parser_open(p, &above);
        p->c->above_client = comments_without_blank_start(&above);
        if (!p->is_failed) {
            lbi_parser_next(p);
        }
        lbi_parser_client(p);
    }
}

/* parser_below: keeps what stands below the last line, without empty lines at its end. */
static void parser_below(struct lbi_parser *p)
{
    struct lbi_comments below = {0};
    bool is_gap = false;
    for (const struct lb_comment *above = p->above.first; above != NULL; above = above->next) {
        if (above->text.size == 0) {
            is_gap = true;
        } else {
            if (is_gap) {
                lbi_comments_add(p->c, &below, (struct lb_text){0});
            }
            lbi_comments_add(p->c, &below, above->text);
            is_gap = false;
        }
    }
    p->c->below = below.first;
}

/* -- the whole -- */

/* case_set_id: id and area from a path such as cases/framing/cut.case. */
static void case_set_id(struct lb_case *c, const char *file)
{
    const char *stem = strrchr(file, '/');
    const char *area_end = stem == NULL ? file : stem;
    const char *area = area_end;
    stem = stem == NULL ? file : stem + 1;
    while (area > file && area[-1] != '/') {
        area--;
    }
    const char *dot = strrchr(stem, '.');
    int stem_size = dot == NULL || dot == stem ? (int)strlen(stem) : (int)(dot - stem);
    snprintf(c->id, sizeof(c->id), "%.*s", stem_size, stem);
    snprintf(c->area, sizeof(c->area), "%.*s", (int)(area_end - area), area);
}

enum lb_status lb_case_parse(const char *file, const char *text, size_t size,
                             struct lb_case *ret_case, struct lb_case_error *ret_error)
{
    LB_ASSERT(file != NULL);
    LB_ASSERT(text != NULL || size == 0);
    struct lb_case_error error = {.line = 0};
    struct lbi_parser parser = {.c = ret_case, .error = &error, .text = text, .size = size};
    snprintf(error.file, sizeof(error.file), "%s", file);
    lb_case_clear(ret_case);
    if (!lbi_file_has_size(file, size, "a case", ret_error)) {
        return LB_PROTOCOL;
    }
    lbi_parser_check_bytes(&parser);
    if (!parser.is_failed) {
        lbi_parser_next(&parser);
        parser_header(&parser);
        parser_blocks(&parser);
        parser_below(&parser);
    }
    if (parser.is_failed) {
        lb_case_clear(ret_case);
        *ret_error = error;
        return LB_PROTOCOL;
    }
    LB_ASSERT(parser.is_done);
    case_set_id(ret_case, file);
    return LB_OK;
}

/* load_bytes: reads at most `size` bytes; what is wrong with the file, or NULL. */
static const char *load_bytes(const char *file, char *ret_bytes, size_t size, size_t *ret_size)
{
    struct stat info;
    if (stat(file, &info) == 0 && !S_ISREG(info.st_mode)) { /* to open a pipe would wait */
        return S_ISDIR(info.st_mode) ? "a directory" : "no regular file";
    }
    FILE *stream = fopen(file, "rb");
    if (stream == NULL) {
        return strerror(errno);
    }
    *ret_size = fread(ret_bytes, 1, size, stream);
    const char *problem = ferror(stream) ? strerror(errno) : NULL;
    fclose(stream);
    return problem;
}

bool lbi_file_load(const char *file, char *ret_bytes, size_t size, size_t *ret_size,
                   const char *expected, struct lb_case_error *ret_error)
{
    LB_ASSERT(file != NULL);
    LB_ASSERT(ret_error != NULL);
    const char *problem =
        ret_bytes == NULL ? "no memory" : load_bytes(file, ret_bytes, size, ret_size);
    if (problem != NULL) {
        lb_case_error_whole(ret_error, file, problem, expected);
    }
    return problem == NULL;
}

bool lbi_file_has_size(const char *file, size_t size, const char *expected,
                       struct lb_case_error *ret_error)
{
    if (size > 0 && size <= LB_CASE_FILE_MAX) {
        return true;
    }
    lb_case_error_whole(ret_error, file, size == 0 ? "an empty file" : "more than 1 MiB", expected);
    return false;
}

enum lb_status lb_case_load(const char *file, struct lb_case *ret_case,
                            struct lb_case_error *ret_error)
{
    size_t size = 0;
    char *bytes = malloc(LB_CASE_FILE_MAX + 1);
    enum lb_status status = LB_PROTOCOL;
    if (lbi_file_load(file, bytes, LB_CASE_FILE_MAX + 1, &size, "a readable case file",
                      ret_error)) {
        status = lb_case_parse(file, bytes, size, ret_case, ret_error);
    } else {
        lb_case_clear(ret_case);
    }
    free(bytes);
    return status;
}

void lb_case_error_whole(struct lb_case_error *ret_error, const char *file, const char *found,
                         const char *expected)
{
    LB_ASSERT(file != NULL);
    LB_ASSERT(found != NULL);
    *ret_error = (struct lb_case_error){.line = 1, .column = 1};
    snprintf(ret_error->file, sizeof(ret_error->file), "%s", file);
    snprintf(ret_error->found, sizeof(ret_error->found), "%s", found);
    snprintf(ret_error->expected, sizeof(ret_error->expected), "%s", expected);
}

void lb_case_error_text(const struct lb_case_error *error, char *ret_text, size_t size)
{
    LB_ASSERT(error != NULL);
    LB_ASSERT(error->line > 0);
    LB_ASSERT(size > 0);
    snprintf(ret_text, size, "%s:%" PRIu32 ":%" PRIu32 ": found %s, expected %s%s%s", error->file,
             error->line, error->column, error->found, error->expected,
             error->id[0] != '\0' ? " in " : "", error->id);
}
