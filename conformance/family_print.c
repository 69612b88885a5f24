/*
 * The printer of families: the canonical text.
 *
 * Canonical: the columns of a table stand below each other, one empty line before each table and
 * before the case; the case has the form that the printer of cases (print.c) gives its expansions,
 * as far as its words do not depend on a cell. It is laid out line by line, for with its holes
 * open it is no case yet: words are set one blank apart, strings, titles and head lines are left
 * as they are. What is printed parses to the same cases, and prints the same again.
 */
#include "family_inside.h"

#include "core/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYWORD_WIDTH 7    /* characters of a header line before its value */
#define VERB_WIDTH 5       /* a client verb is filled to this */
#define TAIL_COLUMN_MIN 26 /* where outcomes stand at least, and at most; two of indentation less */
#define TAIL_COLUMN_MAX 42

/* A block of the case below the tables. */
enum block { BLOCK_HEADER, BLOCK_HOST, BLOCK_CLIENT };

/* A statement of the case in pieces, each laid out. */
struct layout {
    char *left;    /* owned: up to the tail */
    char *tail;    /* owned: `=>` and what follows, or the terms of an expect; "" */
    char *comment; /* owned: beside it; "" */
    size_t left_size;
};

struct printer {
    const struct lb_family *family;
    FILE *file;
    enum block block;
    int tail_column;
    int spec_column;
    struct lbi_piece above[LB_CASE_LINES_MAX]; /* comments and empty lines that wait */
    uint32_t above_count;
};

/* -- statements -- */

/* piece_token: the word, or string, at the start of a piece without blanks before it. A quote opens
 * a string in which blanks stand. */
static uint32_t piece_token(struct lbi_piece piece)
{
    bool is_string = false;
    uint32_t at = 0;
    while (at < piece.size && (is_string || piece.bytes[at] != ' ')) {
        if (piece.bytes[at] == '\\' && is_string) {
            at++;
        } else if (piece.bytes[at] == '"') {
            is_string = !is_string;
        }
        at++;
    }
    return at < piece.size ? at : piece.size;
}

static struct lbi_piece piece_behind(struct lbi_piece piece, uint32_t count)
{
    LB_ASSERT(count <= piece.size);
    piece.bytes += count;
    piece.size -= count;
    return lbi_piece_trim(piece);
}

/* token_is_term: whether a word of an expect is a term, such as idle=1. */
static bool token_is_term(struct lbi_piece token)
{
    return memchr(token.bytes, '=', token.size) != NULL;
}

/* layout_make: takes a statement apart. */
static void layout_make(struct lbi_piece line, enum block block, struct layout *ret_layout)
{
    size_t sizes[3] = {0};
    FILE *parts[3];
    bool is_expect = false;
    bool is_fresh = true; /* nothing, or a prefix, stands before */
    bool is_schedule = lbi_piece_is(lbi_piece_word(line), "schedule");
    uint32_t part = 0;
    parts[0] = open_memstream(&ret_layout->left, &sizes[0]);
    parts[1] = open_memstream(&ret_layout->tail, &sizes[1]);
    parts[2] = open_memstream(&ret_layout->comment, &sizes[2]);
    LB_ASSERT(parts[0] != NULL && parts[1] != NULL && parts[2] != NULL);
    while (line.size > 0) {
        struct lbi_piece token = line;
        token.size = piece_token(line);
        bool is_prefix = lbi_piece_is(token, "setup") || lbi_piece_is(token, "should");
        if (token.bytes[0] == '#' && !is_schedule) {
            part = 2;
            token.size = line.size;
        } else if (block == BLOCK_CLIENT && part == 0 &&
                   (lbi_piece_is(token, "=>") || (is_expect && token_is_term(token)))) {
            part = 1;
        }
        fprintf(parts[part], "%s%.*s", ftell(parts[part]) > 0 ? " " : "", (int)token.size,
                token.bytes);
        if (block == BLOCK_CLIENT && is_fresh && !is_prefix && part == 0) {
            is_expect = lbi_piece_is(token, "expect");
            for (long used = ftell(parts[0]); used < VERB_WIDTH; used++) {
                fputc(' ', parts[0]);
            }
        }
        is_fresh = is_fresh && is_prefix;
        line = piece_behind(line, token.size);
    }
    for (uint32_t i = 0; i < 3; i++) {
        fclose(parts[i]);
    }
    ret_layout->left_size = sizes[0];
    while (ret_layout->left_size > 0 && ret_layout->left[ret_layout->left_size - 1] == ' ') {
        ret_layout->left[--ret_layout->left_size] = '\0';
    }
}

static void layout_deinit(struct layout *layout)
{
    free(layout->left);
    free(layout->tail);
    free(layout->comment);
}

static void print_layout(const struct printer *printer, const struct layout *layout)
{
    fprintf(printer->file, "%s", layout->left);
    if (layout->tail[0] != '\0') {
        int gap = printer->tail_column - (int)layout->left_size;
        fprintf(printer->file, "%*s%s", gap > 1 ? gap : 1, "", layout->tail);
    }
    if (layout->comment[0] != '\0') {
        fprintf(printer->file, "  %s", layout->comment);
    }
    fprintf(printer->file, "\n");
}

/* print_header: a line of the header: its keyword, then its value. */
static void print_header(const struct printer *printer, struct lbi_piece line)
{
    struct lbi_piece word = lbi_piece_word(line);
    struct lbi_piece value = piece_behind(line, word.size);
    fprintf(printer->file, "%-*.*s", KEYWORD_WIDTH, (int)word.size, word.bytes);
    fprintf(printer->file, "%s", word.size >= KEYWORD_WIDTH ? " " : "");
    if (lbi_piece_is(word, "title")) {
        fprintf(printer->file, "%.*s\n", (int)value.size, value.bytes);
        return;
    }
    struct layout layout = {0};
    if (lbi_piece_is(word, "spec") && memchr(value.bytes, '"', value.size) != NULL) {
        uint32_t bare =
            (uint32_t)((const char *)memchr(value.bytes, '"', value.size) - value.bytes);
        struct lbi_piece section = value;
        section.size = bare;
        layout_make(section, BLOCK_HEADER, &layout);
        fprintf(printer->file, "%-*s", printer->spec_column, layout.left);
        layout_deinit(&layout);
        value = piece_behind(value, bare);
    }
    layout_make(value, lbi_piece_is(word, "schedule") ? BLOCK_HOST : BLOCK_HEADER, &layout);
    print_layout(printer, &layout);
    layout_deinit(&layout);
}

/* -- the lines above a statement -- */

static void printer_keep(struct printer *printer, struct lbi_piece line)
{
    bool is_blank = line.size == 0;
    bool is_again =
        is_blank && printer->above_count > 0 && printer->above[printer->above_count - 1].size == 0;
    if (!is_again && printer->above_count < LB_CASE_LINES_MAX) {
        printer->above[printer->above_count] = line;
        printer->above_count++;
    }
}

/* print_above: comments that wait, below one empty line or as they stand; `may_gap`: empty lines
 * between them are kept. */
static void print_above(struct printer *printer, int indentation, bool is_apart, bool may_gap)
{
    bool is_first = true;
    fprintf(printer->file, "%s", is_apart ? "\n" : "");
    for (uint32_t i = 0; i < printer->above_count; i++) {
        struct lbi_piece line = printer->above[i];
        if (line.size > 0) {
            fprintf(printer->file, "%*s%.*s\n", indentation, "", (int)line.size, line.bytes);
        } else if (may_gap && !(is_apart && is_first)) {
            fprintf(printer->file, "\n");
        }
        is_first = false;
    }
    printer->above_count = 0;
}

/* -- the case -- */

/* printer_measure: the columns of the case's outcomes and of its specs' quotes. */
static void printer_measure(struct printer *printer)
{
    const struct lb_family *family = printer->family;
    size_t offset = family->template_start;
    bool is_client = false;
    printer->tail_column = TAIL_COLUMN_MIN;
    while (offset < family->size) {
        struct lbi_piece line = lbi_piece_trim(lbi_piece_line(family, &offset, 1));
        struct lbi_piece word = lbi_piece_word(line);
        struct layout layout = {0};
        const char *quote = line.size == 0 ? NULL : memchr(line.bytes, '"', line.size);
        is_client = is_client || lbi_piece_is(word, "client");
        if (lbi_piece_is(word, "spec") && quote != NULL) {
            line = piece_behind(line, word.size);
            line.size = (uint32_t)(quote - line.bytes);
            layout_make(line, BLOCK_HEADER, &layout);
            int column = (int)layout.left_size + 2;
            printer->spec_column = column > printer->spec_column ? column : printer->spec_column;
        } else {
            layout_make(line, is_client ? BLOCK_CLIENT : BLOCK_HOST, &layout);
            int column = (int)layout.left_size + 1;
            bool is_wider = column > printer->tail_column && column <= TAIL_COLUMN_MAX;
            if (layout.tail[0] != '\0' && is_wider) {
                printer->tail_column = column;
            }
        }
        layout_deinit(&layout);
    }
}

/* print_statement: a line of the case. */
static void print_statement(struct printer *printer, struct lbi_piece line)
{
    struct lbi_piece word = lbi_piece_word(line);
    bool is_start = lbi_piece_is(word, "host") || lbi_piece_is(word, "client");
    if (is_start) {
        printer->block = lbi_piece_is(word, "host") ? BLOCK_HOST : BLOCK_CLIENT;
        print_above(printer, 0, true, true);
    } else if (printer->block == BLOCK_HEADER) {
        print_above(printer, 0, lbi_piece_is(word, "case"), false);
        print_header(printer, line);
        return;
    } else {
        bool is_conn = printer->block == BLOCK_HOST && lbi_piece_is(word, "conn");
        int indentation = printer->block == BLOCK_CLIENT || is_conn ? 2 : 4;
        print_above(printer, indentation, false, true);
        fprintf(printer->file, "%*s", indentation, "");
    }
    if (line.bytes[0] == '|') {
        fprintf(printer->file, "%.*s\n", (int)line.size, line.bytes);
        return;
    }
    struct layout layout = {0};
    layout_make(line, is_start ? BLOCK_HOST : printer->block, &layout);
    print_layout(printer, &layout);
    layout_deinit(&layout);
}

static void print_case(struct printer *printer)
{
    const struct lb_family *family = printer->family;
    size_t offset = family->template_start;
    printer_measure(printer);
    while (offset < family->size) {
        struct lbi_piece line = lbi_piece_trim(lbi_piece_line(family, &offset, 1));
        if (line.size == 0 || line.bytes[0] == '#') {
            printer_keep(printer, line);
        } else {
            print_statement(printer, line);
        }
    }
    while (printer->above_count > 0 && printer->above[printer->above_count - 1].size == 0) {
        printer->above_count--;
    }
    print_above(printer, 0, false, true);
}

/* -- the tables -- */

/* row_width: the characters of a row's cell; cell 0 is its name with what stands before it. */
static int row_width(const struct lbi_row *row, uint32_t cell, bool is_head)
{
    const int before = is_head ? (int)strlen("table ") : 2;
    return cell == 0 ? before + (int)row->name.size : (int)row->cells[cell - 1].size;
}

/* print_row: the head of a table, or a row below it. */
static void print_row(const struct printer *printer, const struct lbi_table *table,
                      const struct lbi_row *row)
{
    bool is_head = row == &table->head;
    fprintf(printer->file, "%s%.*s", is_head ? "table " : "  ", (int)row->name.size,
            row->name.bytes);
    for (uint32_t i = 0; i < row->cell_count; i++) {
        int width = row_width(&table->head, i, true);
        for (uint32_t k = 0; k < table->row_count; k++) {
            int other = row_width(&table->rows[k], i, false);
            width = other > width ? other : width;
        }
        struct lbi_piece cell = row->cells[i];
        fprintf(printer->file, "%*s |%s%.*s", width - row_width(row, i, is_head), "",
                cell.size > 0 ? " " : "", (int)cell.size, cell.bytes);
    }
    fprintf(printer->file, "\n");
}

static void print_tables(struct printer *printer)
{
    const struct lb_family *family = printer->family;
    size_t offset = 0;
    uint32_t table = 0;
    uint32_t row = 0;
    while (offset < family->template_start) {
        struct lbi_piece line = lbi_piece_trim(lbi_piece_line(family, &offset, 1));
        struct lbi_piece word = lbi_piece_word(line);
        if (line.size == 0 || line.bytes[0] == '#') {
            printer_keep(printer, line);
        } else if (lbi_piece_is(word, "table")) {
            print_above(printer, 0, true, false);
            print_row(printer, &family->tables[table], &family->tables[table].head);
            table++;
            row = 0;
        } else if (table == 0) {
            print_above(printer, 0, false, false);
            fprintf(printer->file, "family 1\n");
        } else {
            LB_ASSERT(row < family->tables[table - 1].row_count);
            print_above(printer, 2, false, false);
            print_row(printer, &family->tables[table - 1], &family->tables[table - 1].rows[row]);
            row++;
        }
    }
    LB_ASSERT(table == family->table_count);
    bool has_comment = false;
    for (uint32_t i = 0; i < printer->above_count; i++) {
        has_comment = has_comment || printer->above[i].size > 0;
    }
    print_above(printer, 0, has_comment, false);
}

void lb_family_print(const struct lb_family *family, char **ret_text, size_t *ret_size)
{
    LB_ASSERT(family != NULL);
    LB_ASSERT(ret_text != NULL);
    struct printer *printer = calloc(1, sizeof(*printer));
    LB_ASSERT(printer != NULL);
    printer->family = family;
    printer->file = open_memstream(ret_text, ret_size);
    LB_ASSERT(printer->file != NULL);
    print_tables(printer);
    print_case(printer);
    fclose(printer->file);
    free(printer);
}
