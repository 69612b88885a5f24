/*
 * The reader of families.
 *
 *   family 1
 *   table NAME | HOLE | HOLE ...        one or more tables; a hole is filled with the row's cell,
 *     ROW      | CELL | CELL ...        {NAME} with the row's name
 *   case 1 ...                          a case with holes {HOLE}
 *
 * Invariants: every cell of a family that was read has its hole in the case, every hole its column;
 * no two cases have one id; `spec` lines have no holes, so that what a family shows is true of all.
 */
#include "family_inside.h"

#include "core/assert.h"
#include "parser.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The reading of one family. */
struct reading {
    struct lb_family *family;
    struct lb_case_error *error;
    bool is_failed;
    bool is_headed; /* `family 1` has been read */
};

/* -- memory and pieces -- */

void *lbi_family_alloc(size_t size)
{
    void *block = calloc(1, size);
    LB_ASSERT(block != NULL);
    return block;
}

bool lbi_piece_is(struct lbi_piece piece, const char *word)
{
    return piece.size == strlen(word) && memcmp(piece.bytes, word, piece.size) == 0;
}

static bool piece_is_same(struct lbi_piece a, struct lbi_piece b)
{
    return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

struct lbi_piece lbi_piece_from(struct lbi_piece piece, uint32_t count)
{
    LB_ASSERT(count <= piece.size);
    return (struct lbi_piece){piece.bytes + count, piece.size - count, piece.line,
                              piece.column + count};
}

struct lbi_piece lbi_piece_of(struct lbi_piece piece, uint32_t count)
{
    LB_ASSERT(count <= piece.size);
    piece.size = count;
    return piece;
}

struct lbi_piece lbi_piece_trim(struct lbi_piece piece)
{
    while (piece.size > 0 && piece.bytes[0] == ' ') {
        piece = lbi_piece_from(piece, 1);
    }
    while (piece.size > 0 && piece.bytes[piece.size - 1] == ' ') {
        piece.size--;
    }
    return piece;
}

struct lbi_piece lbi_piece_word(struct lbi_piece piece)
{
    uint32_t size = 0;
    piece = lbi_piece_trim(piece);
    while (size < piece.size && piece.bytes[size] != ' ') {
        size++;
    }
    return lbi_piece_of(piece, size);
}

struct lbi_piece lbi_piece_line(const struct lb_family *family, size_t *offset, uint32_t line)
{
    LB_ASSERT(*offset < family->size);
    const char *start = family->text + *offset;
    const char *end = memchr(start, '\n', family->size - *offset);
    size_t size = end == NULL ? family->size - *offset : (size_t)(end - start);
    *offset += size + (end == NULL ? 0 : 1);
    return (struct lbi_piece){start, (uint32_t)size, line, 1};
}

uint32_t lbi_piece_find(struct lbi_piece piece, const char *mark)
{
    uint32_t mark_size = (uint32_t)strlen(mark);
    for (uint32_t at = 0; at + mark_size <= piece.size; at++) {
        if (memcmp(piece.bytes + at, mark, mark_size) == 0) {
            return at;
        }
    }
    return piece.size;
}

/* -- errors -- */

/* reading_fail: the first error sticks. `found`: NULL: the piece itself. */
static void reading_fail(struct reading *reading, struct lbi_piece piece, const char *found,
                         const char *expected)
{
    struct lb_case_error *error = reading->error;
    if (reading->is_failed) {
        return;
    }
    reading->is_failed = true;
    error->line = piece.line;
    error->column = piece.column;
    snprintf(error->expected, sizeof(error->expected), "%s", expected);
    if (found != NULL) {
        snprintf(error->found, sizeof(error->found), "%s", found);
    } else if (piece.size == 0) {
        snprintf(error->found, sizeof(error->found), "nothing");
    } else {
        bool is_long = piece.size > 40;
        snprintf(error->found, sizeof(error->found), "\"%.*s%s\"", is_long ? 40 : (int)piece.size,
                 piece.bytes, is_long ? "..." : "");
    }
}

/* reading_name: fails if a piece is no name: a-z or a digit, then a-z, 0-9 and -. */
static void reading_name(struct reading *reading, struct lbi_piece name, const char *kind)
{
    char expected[128];
    uint32_t valid = 0;
    while (valid < name.size) {
        char byte = name.bytes[valid];
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
        if (!is_plain && (byte != '-' || valid == 0)) {
            break;
        }
        valid++;
    }
    if (valid == 0 || valid != name.size) {
        snprintf(expected, sizeof(expected), "%s: a-z and 0-9, then also -", kind);
        reading_fail(reading, name, NULL, expected);
    }
}

/* -- tables -- */

/* reading_cells: the pieces of a line between its |, the first one apart. */
static void reading_cells(struct reading *reading, struct lbi_piece line, struct lbi_row *row)
{
    uint32_t bar = lbi_piece_find(line, "|");
    row->name = lbi_piece_trim(lbi_piece_of(line, bar));
    while (bar < line.size) {
        line = lbi_piece_from(line, bar + 1);
        bar = lbi_piece_find(line, "|");
        if (row->cell_count == LB_FAMILY_COLUMNS_MAX) {
            reading_fail(reading, line, "one column more", "at most 12 columns");
            return;
        }
        row->cells[row->cell_count] = lbi_piece_trim(lbi_piece_of(line, bar));
        row->cell_count++;
    }
}

bool lbi_family_hole(const struct lb_family *family, struct lbi_piece name, uint32_t *ret_table,
                     uint32_t *ret_column)
{
    for (uint32_t t = 0; t < family->table_count; t++) {
        const struct lbi_row *head = &family->tables[t].head;
        *ret_table = t;
        if (piece_is_same(head->name, name)) {
            *ret_column = UINT32_MAX;
            return true;
        }
        for (uint32_t i = 0; i < head->cell_count; i++) {
            *ret_column = i;
            if (piece_is_same(head->cells[i], name)) {
                return true;
            }
        }
    }
    return false;
}

/* reading_head: a name of a table or of a column, once in a family. */
static void reading_head(struct reading *reading, struct lbi_piece name, const char *kind)
{
    uint32_t table = 0;
    uint32_t column = 0;
    reading_name(reading, name, kind);
    if (lbi_family_hole(reading->family, name, &table, &column)) {
        reading_fail(reading, name, NULL, "a name that no table and no column above has");
    }
}

static void reading_table(struct reading *reading, struct lbi_piece line)
{
    struct lb_family *family = reading->family;
    struct lbi_row head = {.cell_count = 0};
    if (family->table_count == LB_FAMILY_TABLES_MAX) {
        reading_fail(reading, line, "one table more", "at most 6 tables");
        return;
    }
    if (family->table_count > 0 && family->tables[family->table_count - 1].row_count == 0) {
        reading_fail(reading, line, NULL, "a row of the table above: a table has at least one");
        return;
    }
    reading_cells(reading, lbi_piece_from(line, 5), &head); /* behind `table` */
    reading_head(reading, head.name, "the name of a table");
    for (uint32_t i = 0; i < head.cell_count; i++) {
        reading_head(reading, head.cells[i], "the name of a column");
        for (uint32_t k = 0; k < i; k++) {
            if (piece_is_same(head.cells[k], head.cells[i])) {
                reading_fail(reading, head.cells[i], NULL, "a name that no column before it has");
            }
        }
        if (piece_is_same(head.name, head.cells[i])) {
            reading_fail(reading, head.cells[i], NULL, "another name than the table's");
        }
    }
    family->tables[family->table_count].head = head;
    family->table_count++;
}

static void reading_row(struct reading *reading, struct lbi_piece line)
{
    struct lb_family *family = reading->family;
    struct lbi_table *table = &family->tables[family->table_count - 1];
    struct lbi_row row = {.cell_count = 0};
    char expected[96];
    LB_ASSERT(family->table_count > 0);
    if (table->row_count == LB_FAMILY_ROWS_MAX) {
        reading_fail(reading, line, "one row more", "at most 64 rows");
        return;
    }
    reading_cells(reading, line, &row);
    reading_name(reading, row.name, "the name of a row");
    for (uint32_t i = 0; i < table->row_count; i++) {
        if (piece_is_same(table->rows[i].name, row.name)) {
            reading_fail(reading, row.name, NULL, "a name that no row above has");
        }
    }
    if (row.cell_count > table->head.cell_count) {
        snprintf(expected, sizeof(expected), "no more than %u cells behind the row's name",
                 (unsigned)table->head.cell_count);
        reading_fail(reading, row.cells[table->head.cell_count], NULL, expected);
    } else if (row.cell_count < table->head.cell_count) {
        struct lbi_piece missing = table->head.cells[row.cell_count];
        snprintf(expected, sizeof(expected), "| and a cell for the column %.*s",
                 missing.size > 40 ? 40 : (int)missing.size, missing.bytes);
        reading_fail(reading, lbi_piece_from(line, line.size), "the end of the line", expected);
    }
    table->rows[table->row_count] = row;
    table->row_count++;
}

/* reading_tables: all lines before the case. */
static void reading_tables(struct reading *reading)
{
    struct lb_family *family = reading->family;
    size_t offset = 0;
    bool is_below_comment = false; /* lines of comment stand directly above */
    uint32_t number = 0;
    while (!reading->is_failed && offset < family->size) {
        size_t start = offset;
        struct lbi_piece line = lbi_piece_trim(lbi_piece_line(family, &offset, ++number));
        struct lbi_piece word = lbi_piece_word(line);
        bool is_comment = line.size > 0 && line.bytes[0] == '#';
        if (!is_below_comment) {
            family->template_start = start;
            family->template_line = number;
        }
        is_below_comment = is_comment;
        if (line.size == 0 || is_comment) {
            continue;
        }
        if (!reading->is_headed) {
            reading->is_headed = lbi_piece_is(word, "family");
            struct lbi_piece rest = reading->is_headed ? lbi_piece_from(line, 6) : line;
            if (!reading->is_headed || !lbi_piece_is(lbi_piece_trim(rest), "1")) {
                reading_fail(reading, lbi_piece_trim(rest), NULL,
                             reading->is_headed ? "1" : "family 1");
            }
        } else if (lbi_piece_is(word, "table")) {
            reading_table(reading, line);
        } else if (lbi_piece_is(word, "case")) {
            return;
        } else if (family->table_count == 0) {
            reading_fail(reading, word, NULL, "table");
        } else {
            reading_row(reading, line);
        }
    }
    reading_fail(reading, (struct lbi_piece){.line = number + 1, .column = 1},
                 "the end of the file", reading->is_headed ? "case 1" : "family 1");
}

/* -- the case with its holes -- */

struct lbi_piece lbi_hole_at(struct lbi_piece line, uint32_t at)
{
    LB_ASSERT(line.bytes[at] == '{');
    struct lbi_piece rest = lbi_piece_from(line, at + 1);
    uint32_t size = lbi_piece_find(rest, "}");
    return lbi_piece_of(rest, size == rest.size ? 0 : size);
}

/* reading_expect_hole: fails at a hole that no table has, listing those that there are. */
static void reading_expect_hole(struct reading *reading, struct lbi_piece name)
{
    const struct lb_family *family = reading->family;
    struct lb_case_error *error = reading->error;
    char expected[sizeof(error->expected)];
    size_t used = (size_t)snprintf(expected, sizeof(expected),
                                   "a hole of these tables (a brace of the wire is \\x7b):");
    for (uint32_t t = 0; t < family->table_count; t++) {
        const struct lbi_row *head = &family->tables[t].head;
        for (uint32_t i = 0; i <= head->cell_count && used < sizeof(expected); i++) {
            struct lbi_piece known = i == 0 ? head->name : head->cells[i - 1];
            used += (size_t)snprintf(expected + used, sizeof(expected) - used, " {%.*s}",
                                     (int)known.size, known.bytes);
        }
    }
    reading_fail(reading, name, NULL, expected);
}

/* reading_holes: looks at all holes of the case, and marks the columns that they use. */
static void reading_holes(struct reading *reading,
                          bool is_used[LB_FAMILY_TABLES_MAX][LB_FAMILY_COLUMNS_MAX + 1])
{
    const struct lb_family *family = reading->family;
    size_t offset = family->template_start;
    for (uint32_t number = family->template_line; offset < family->size; number++) {
        struct lbi_piece line = lbi_piece_line(family, &offset, number);
        bool is_spec = lbi_piece_is(lbi_piece_word(line), "spec");
        for (uint32_t at = 0; at < line.size && !reading->is_failed; at++) {
            uint32_t table = 0;
            uint32_t column = 0;
            if (line.bytes[at] != '{') {
                continue;
            }
            struct lbi_piece name = lbi_hole_at(line, at);
            if (!lbi_family_hole(family, name, &table, &column)) {
                reading_expect_hole(reading, name);
            } else if (is_spec) {
                reading_fail(reading, lbi_piece_from(line, at), "a hole in a line of spec",
                             "the same words for the whole family");
            } else {
                is_used[table][column == UINT32_MAX ? LB_FAMILY_COLUMNS_MAX : column] = true;
            }
        }
    }
}

/* reading_columns: fails at a column, or a table, that nothing of the case asks for. */
static void reading_columns(struct reading *reading)
{
    bool is_used[LB_FAMILY_TABLES_MAX][LB_FAMILY_COLUMNS_MAX + 1] = {{false}};
    const struct lb_family *family = reading->family;
    char expected[96];
    reading_holes(reading, is_used);
    for (uint32_t t = 0; t < family->table_count; t++) {
        const struct lbi_row *head = &family->tables[t].head;
        for (uint32_t i = 0; i <= head->cell_count; i++) {
            bool is_name = i == head->cell_count;
            struct lbi_piece name = is_name ? head->name : head->cells[i];
            if (is_used[t][is_name ? LB_FAMILY_COLUMNS_MAX : i] || (is_name && i > 0)) {
                continue;
            }
            snprintf(expected, sizeof(expected), "a hole {%.*s} in the case below",
                     name.size > 40 ? 40 : (int)name.size, name.bytes);
            reading_fail(reading, name, NULL, expected);
        }
    }
}

/* -- the cases -- */

uint32_t lbi_family_row(const struct lb_family *family, uint32_t index, uint32_t t)
{
    LB_ASSERT(t < family->table_count);
    for (uint32_t i = family->table_count - 1; i > t; i--) {
        index /= family->tables[i].row_count;
    }
    return index % family->tables[t].row_count;
}

/* reading_rows: the names of all cases; they are short enough, and each is another. */
static void reading_rows(struct reading *reading)
{
    struct lb_family *family = reading->family;
    struct lbi_piece first = family->tables[0].head.name;
    size_t stem = strlen(family->stem) + 1;
    uint64_t count = 1;
    for (uint32_t t = 0; t < family->table_count; t++) {
        LB_ASSERT(family->tables[t].row_count > 0);
        count *= family->tables[t].row_count;
    }
    if (count > LB_FAMILY_CASES_MAX) {
        reading_fail(reading, first, "too many rows", "tables that make at most 512 cases");
        return;
    }
    family->case_count = (uint32_t)count;
    family->rows = lbi_family_alloc(count * sizeof(*family->rows));
    for (uint32_t i = 0; i < family->case_count && !reading->is_failed; i++) {
        size_t used = 0;
        struct lbi_piece name = {0};
        for (uint32_t t = 0; t < family->table_count && used < LB_FAMILY_ID_MAX; t++) {
            name = family->tables[t].rows[lbi_family_row(family, i, t)].name;
            used += (size_t)snprintf(family->rows[i] + used, LB_FAMILY_ID_MAX - used, "%s%.*s",
                                     t > 0 ? "-" : "", (int)name.size, name.bytes);
        }
        if (used + stem >= LB_FAMILY_ID_MAX) {
            reading_fail(reading, name, NULL, "rows that make ids of at most 63 characters");
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(family->rows[k], family->rows[i]) == 0) {
                char expected[128];
                snprintf(expected, sizeof(expected), "no second case called %s", family->rows[i]);
                reading_fail(reading, name, NULL, expected);
            }
        }
    }
}

static void reading_family(struct reading *reading)
{
    const struct lb_family *family = reading->family;
    struct lbi_parser parser = {
        .error = reading->error, .text = family->text, .size = family->size};
    lbi_parser_check_bytes(&parser);
    reading->is_failed = parser.is_failed;
    if (!reading->is_failed) {
        reading_tables(reading);
    }
    if (!reading->is_failed) {
        struct lbi_piece place = {.line = family->template_line, .column = 1};
        if (family->table_count == 0) {
            reading_fail(reading, place, "\"case\"", "table");
        } else if (family->tables[family->table_count - 1].row_count == 0) {
            reading_fail(reading, place, "\"case\"", "a row of the table above");
        }
    }
    if (!reading->is_failed) {
        reading_columns(reading);
    }
    if (!reading->is_failed) {
        reading_rows(reading);
    }
}

/* family_set_names: stem and area from a path such as cases/leftover/after.family. */
static void family_set_names(struct lb_family *family, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *stem = slash == NULL ? file : slash + 1;
    const char *area = slash == NULL ? file : slash;
    const char *dot = strrchr(stem, '.');
    size_t size = dot == NULL || dot == stem ? strlen(stem) : (size_t)(dot - stem);
    while (area > file && area[-1] != '/') {
        area--;
    }
    snprintf(family->file, sizeof(family->file), "%s", file);
    snprintf(family->stem, sizeof(family->stem), "%.*s", (int)size, stem);
    snprintf(family->area, sizeof(family->area), "%.*s", (int)(slash == NULL ? 0 : slash - area),
             area);
}

enum lb_status lb_family_parse(const char *file, const char *text, size_t size,
                               struct lb_family **ret_family, struct lb_case_error *ret_error)
{
    LB_ASSERT(file != NULL);
    LB_ASSERT(text != NULL || size == 0);
    struct lb_case_error error = {.line = 0};
    snprintf(error.file, sizeof(error.file), "%s", file);
    if (!lbi_file_has_size(file, size, "a family of cases", ret_error)) {
        return LB_PROTOCOL;
    }
    struct lb_family *family = lbi_family_alloc(sizeof(*family));
    struct reading reading = {.family = family, .error = &error};
    family_set_names(family, file);
    family->text = lbi_family_alloc(size + 1);
    memcpy(family->text, text, size);
    family->size = size;
    reading_family(&reading);
    if (reading.is_failed) {
        lb_family_free(&family);
        *ret_error = error;
        return LB_PROTOCOL;
    }
    LB_ASSERT(family->case_count > 0);
    *ret_family = family;
    return LB_OK;
}

enum lb_status lb_family_load(const char *file, struct lb_family **ret_family,
                              struct lb_case_error *ret_error)
{
    size_t size = 0;
    char *bytes = lbi_family_alloc(LB_CASE_FILE_MAX + 1);
    enum lb_status status = LB_PROTOCOL;
    if (lbi_file_load(file, bytes, LB_CASE_FILE_MAX + 1, &size, "a readable family of cases",
                      ret_error)) {
        status = lb_family_parse(file, bytes, size, ret_family, ret_error);
    }
    free(bytes);
    return status;
}

void lb_family_free(struct lb_family **family)
{
    LB_ASSERT(family != NULL);
    if (*family != NULL) {
        free((*family)->text);
        free((*family)->rows);
        free(*family);
        *family = NULL;
    }
}

uint32_t lb_family_count(const struct lb_family *family)
{
    LB_ASSERT(family->case_count > 0);
    return family->case_count;
}

const char *lb_family_rows(const struct lb_family *family, uint32_t index)
{
    LB_ASSERT(index < family->case_count);
    return family->rows[index];
}

bool lb_family_find(const struct lb_family *family, const char *rows, uint32_t *ret_index)
{
    for (uint32_t i = 0; i < family->case_count; i++) {
        if (strcmp(family->rows[i], rows) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

bool lb_family_is_few(const struct lb_family *family, uint32_t index)
{
    LB_ASSERT(index < family->case_count);
    for (uint32_t k = 0; k < LB_FAMILY_ROWS_MAX; k++) {
        bool is_new = false; /* some table has not begun again */
        bool is_it = true;
        for (uint32_t t = 0; t < family->table_count; t++) {
            is_new = is_new || k < family->tables[t].row_count;
            is_it = is_it && lbi_family_row(family, index, t) == k % family->tables[t].row_count;
        }
        if (is_new && is_it) {
            return true;
        }
    }
    return false;
}
