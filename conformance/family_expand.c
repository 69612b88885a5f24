/*
 * The expansion of families.
 *
 * Expansion is about text: it knows lines and holes, and nothing of the language between them, so
 * that a hole may stand anywhere. A line that is a hole and nothing else becomes as many lines as
 * its cell says, set apart by ` ; `, or none. Beside the text a list of spans is kept, from where on
 * in which line the characters come from where in the file; by it every place is led back.
 *
 * Invariant: spans stand in the order of the text that they say where it comes from.
 */
#include "family_inside.h"

#include "core/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPANS_MAX 16384u /* of one expansion; one for each line and two for each hole */

/* Characters of an expansion that come from one place. */
struct span {
    uint32_t line;   /* of the expansion, from 1 */
    uint32_t column; /* of its first character */
    uint32_t source_line;
    uint32_t source_column;
};

struct expansion {
    const struct lb_family *family;
    uint32_t index;
    char *text;
    size_t size;
    size_t line_start;
    uint32_t line;
    struct span *spans;
    uint32_t span_count;
    bool is_full; /* something found no room */
};

/* expansion_put: characters that come from `piece`. */
static void expansion_put(struct expansion *expansion, struct lbi_piece piece)
{
    if (expansion->size + piece.size + 1 > LB_CASE_FILE_MAX || expansion->span_count == SPANS_MAX) {
        expansion->is_full = true;
        return;
    }
    expansion->spans[expansion->span_count] =
        (struct span){expansion->line, (uint32_t)(expansion->size - expansion->line_start) + 1,
                      piece.line, piece.column};
    expansion->span_count++;
    memcpy(expansion->text + expansion->size, piece.bytes, piece.size);
    expansion->size += piece.size;
}

static void expansion_end_line(struct expansion *expansion)
{
    if (!expansion->is_full) {
        expansion->text[expansion->size] = '\n';
        expansion->size++;
        expansion->line_start = expansion->size;
        expansion->line++;
    }
}

/* expansion_cell: what fills a hole. */
static struct lbi_piece expansion_cell(const struct expansion *expansion, struct lbi_piece name)
{
    uint32_t table = 0;
    uint32_t column = 0;
    bool is_known = lbi_family_hole(expansion->family, name, &table, &column);
    LB_ASSERT(is_known);
    const struct lbi_row *row =
        &expansion->family->tables[table]
             .rows[lbi_family_row(expansion->family, expansion->index, table)];
    return column == UINT32_MAX ? row->name : row->cells[column];
}

/* expansion_lines: a hole that is a line: the lines of its cell. */
static void expansion_lines(struct expansion *expansion, struct lbi_piece cell)
{
    static const char mark[] = " ; ";
    while (cell.size > 0) {
        uint32_t end = lbi_piece_find(cell, mark);
        expansion_put(expansion, lbi_piece_trim(lbi_piece_of(cell, end)));
        expansion_end_line(expansion);
        cell = lbi_piece_from(cell, end < cell.size ? end + (uint32_t)strlen(mark) : end);
    }
}

/* expansion_line: a line of the case with its holes filled. */
static void expansion_line(struct expansion *expansion, struct lbi_piece line)
{
    struct lbi_piece trimmed = lbi_piece_trim(line);
    if (trimmed.size > 2 && trimmed.bytes[0] == '{' &&
        lbi_piece_find(trimmed, "}") == trimmed.size - 1) {
        expansion_lines(expansion, expansion_cell(expansion, lbi_hole_at(trimmed, 0)));
        return;
    }
    for (uint32_t at = lbi_piece_find(line, "{"); at < line.size; at = lbi_piece_find(line, "{")) {
        struct lbi_piece name = lbi_hole_at(line, at);
        expansion_put(expansion, lbi_piece_of(line, at));
        expansion_put(expansion, expansion_cell(expansion, name));
        line = lbi_piece_from(line, at + name.size + 2);
    }
    expansion_put(expansion, line);
    expansion_end_line(expansion);
}

/* expansion_place: leads a place of the expansion back to the file; the column may be NULL. */
static void expansion_place(const struct expansion *expansion, uint32_t *line, uint32_t *column)
{
    struct span best = {0};
    uint32_t at = column == NULL ? 1 : *column;
    for (uint32_t i = 0; i < expansion->span_count; i++) {
        const struct span *span = &expansion->spans[i];
        if (span->line > *line || (span->line == *line && span->column > at)) {
            break;
        }
        best = *span;
    }
    LB_ASSERT(best.line > 0);
    if (column != NULL) {
        *column = best.line == *line ? best.source_column + (at - best.column) : 1;
    }
    *line = best.source_line + (*line - best.line);
}

/* expansion_places: the same for every statement of a case. */
static void expansion_places(const struct expansion *expansion, struct lb_case *c)
{
    for (uint32_t h = 0; h < c->host_count; h++) {
        struct lb_case_host *host = &c->hosts[h];
        expansion_place(expansion, &host->place, NULL);
        for (uint32_t i = 0; i < host->conn_count; i++) {
            struct lb_lines *script = &host->conns[i].script;
            expansion_place(expansion, &host->conns[i].place, NULL);
            for (uint32_t k = 0; k < script->count; k++) {
                expansion_place(expansion, &script->lines[k].place, NULL);
            }
        }
    }
    for (uint32_t i = 0; i < c->client.count; i++) {
        expansion_place(expansion, &c->client.lines[i].place, NULL);
    }
}

enum lb_status lb_family_case(const struct lb_family *family, uint32_t index,
                              struct lb_case *ret_case, struct lb_case_error *ret_error)
{
    LB_ASSERT(index < family->case_count);
    struct expansion expansion = {.family = family, .index = index, .line = 1};
    size_t offset = family->template_start;
    char name[LB_FAMILY_ID_MAX * 4];
    expansion.text = lbi_family_alloc(LB_CASE_FILE_MAX);
    expansion.spans = lbi_family_alloc(SPANS_MAX * sizeof(*expansion.spans));
    for (uint32_t number = family->template_line; offset < family->size; number++) {
        expansion_line(&expansion, lbi_piece_line(family, &offset, number));
    }
    snprintf(name, sizeof(name), "%s/%s-%s.case", family->area, family->stem, family->rows[index]);
    enum lb_status status = LB_PROTOCOL;
    struct lb_case_error error = {.line = 0};
    if (expansion.is_full) {
        lb_case_error_whole(&error, name, "more than 1 MiB", "a smaller case");
        lb_case_clear(ret_case);
    } else {
        status = lb_case_parse(name, expansion.text, expansion.size, ret_case, &error);
    }
    if (status == LB_OK) {
        expansion_places(&expansion, ret_case);
    } else {
        expansion_place(&expansion, &error.line, &error.column);
        snprintf(error.file, sizeof(error.file), "%s", family->file);
        snprintf(error.id, sizeof(error.id), "%s-%s", family->stem, family->rows[index]);
        *ret_error = error;
    }
    free(expansion.spans);
    free(expansion.text);
    return status;
}
