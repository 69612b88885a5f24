/*
 * What the reader of families (family.c) and their printer (family_print.c) share: the tables, and
 * the lines that they were read from.
 */
#ifndef LASTBYTE_CONFORMANCE_FAMILY_INSIDE_H
#define LASTBYTE_CONFORMANCE_FAMILY_INSIDE_H

#include "family.h"

/* A piece of the file and where it stands. */
struct lbi_piece {
    const char *bytes; /* borrowed from the family's text */
    uint32_t size;
    uint32_t line;   /* from 1 */
    uint32_t column; /* from 1 */
};

struct lbi_row {
    struct lbi_piece name;
    struct lbi_piece cells[LB_FAMILY_COLUMNS_MAX];
    uint32_t cell_count;
};

struct lbi_table {
    struct lbi_row head; /* the table's name and those of its columns */
    struct lbi_row rows[LB_FAMILY_ROWS_MAX];
    uint32_t row_count;
};

struct lb_family {
    char file[256];
    char stem[LB_FAMILY_ID_MAX];
    char area[32];
    char *text; /* owned, NUL-terminated */
    size_t size;
    struct lbi_table tables[LB_FAMILY_TABLES_MAX];
    uint32_t table_count;
    uint32_t template_line; /* the first line of the case below the tables; comments belong to it */
    size_t template_start;  /* its offset */
    uint32_t case_count;
    char (*rows)[LB_FAMILY_ID_MAX]; /* owned: of each case the names of its rows */
};

/* lbi_family_alloc: zeroed memory; ends the process when there is none, as the harness does. */
void *lbi_family_alloc(size_t size);

/* lbi_piece_is: whether a piece is the word. */
bool lbi_piece_is(struct lbi_piece piece, const char *word);

/* lbi_piece_line: the line at `offset` of the text, without its newline; moves *offset to the next. */
struct lbi_piece lbi_piece_line(const struct lb_family *family, size_t *offset, uint32_t line);

/* lbi_piece_trim: without blanks at both ends. */
struct lbi_piece lbi_piece_trim(struct lbi_piece piece);

/* lbi_piece_word: the first word of a piece, without blanks before it. */
struct lbi_piece lbi_piece_word(struct lbi_piece piece);

/* lbi_piece_from: what is left of a piece behind its first `count` characters. */
struct lbi_piece lbi_piece_from(struct lbi_piece piece, uint32_t count);

/* lbi_piece_of: the first `count` characters of a piece. */
struct lbi_piece lbi_piece_of(struct lbi_piece piece, uint32_t count);

/* lbi_piece_find: the offset of `mark` in a piece, or its size. */
uint32_t lbi_piece_find(struct lbi_piece piece, const char *mark);

/* lbi_hole_at: the name in the hole that begins at `at`; size 0: there is none. */
struct lbi_piece lbi_hole_at(struct lbi_piece line, uint32_t at);

/* lbi_family_hole: which table and which column have the name; column UINT32_MAX: it is the table's
 * own. False: there is none. */
bool lbi_family_hole(const struct lb_family *family, struct lbi_piece name, uint32_t *ret_table,
                     uint32_t *ret_column);

/* lbi_family_row: the row of table `t` that case `index` takes; those of the last table change
 * fastest. */
uint32_t lbi_family_row(const struct lb_family *family, uint32_t index, uint32_t t);

#endif
