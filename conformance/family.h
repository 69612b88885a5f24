/*
 * A family: cases that differ in data only, written as tables above one case with holes. Every
 * choice of one row from each table is a case of its own, with an id of its own. The form is
 * described in conformance/README.md.
 *
 * Whatever is said of an expanded case, an error of its text or the place of a statement, names a
 * line of the family's file: that of the case below the tables, or the row's if the text comes from
 * a cell.
 */
#ifndef LASTBYTE_CONFORMANCE_FAMILY_H
#define LASTBYTE_CONFORMANCE_FAMILY_H

#include "case.h"

#define LB_FAMILY_SUFFIX ".family"
#define LB_FAMILY_TABLES_MAX 6
#define LB_FAMILY_ROWS_MAX 64    /* of one table */
#define LB_FAMILY_COLUMNS_MAX 12 /* of one table, the rows' names not counted */
#define LB_FAMILY_CASES_MAX 512
#define LB_FAMILY_ID_MAX 64 /* bytes of an id, the NUL included */

struct lb_family;

/*
 * lb_family_parse: reads a family from text. `file` names it in errors (copied); the stem of the
 * ids and the area are taken from its path. Gives *ret_family (lb_family_free). Returns LB_OK, or
 * LB_PROTOCOL with *ret_error filled. Any bytes are allowed. That each expansion is a case is not
 * looked at.
 */
LB_MUST_USE enum lb_status lb_family_parse(const char *file, const char *text, size_t size,
                                           struct lb_family **ret_family,
                                           struct lb_case_error *ret_error);

/* lb_family_load: the same from a file; LB_PROTOCOL also for one that cannot be read. */
LB_MUST_USE enum lb_status lb_family_load(const char *file, struct lb_family **ret_family,
                                          struct lb_case_error *ret_error);

/* lb_family_free: releases what lb_family_parse gave; NULL is legal. */
void lb_family_free(struct lb_family **family);

/* lb_family_count: how many cases it has, at least one. */
uint32_t lb_family_count(const struct lb_family *family);

/* lb_family_rows: the names of the rows that case `index` is made of, joined by `-`; with the
 * file's stem and `-` before it, its id. Lives as long as the family. */
const char *lb_family_rows(const struct lb_family *family, uint32_t index);

/* lb_family_find: the case that lb_family_rows calls `rows`; false if there is none. */
bool lb_family_find(const struct lb_family *family, const char *rows, uint32_t *ret_index);

/* lb_family_is_few: whether the case is one of the few that show each row of each table at least
 * once: the n-th of them takes the n-th row of every table, from the first again at the end. */
bool lb_family_is_few(const struct lb_family *family, uint32_t index);

/* lb_family_case: parses one expansion. Returns as lb_case_parse; *ret_case was initialised. */
LB_MUST_USE enum lb_status lb_family_case(const struct lb_family *family, uint32_t index,
                                          struct lb_case *ret_case,
                                          struct lb_case_error *ret_error);

/* lb_family_print: the canonical text, comments included. Gives *ret_text (malloc, free),
 * NUL-terminated. It parses to the same cases, and prints the same again. */
void lb_family_print(const struct lb_family *family, char **ret_text, size_t *ret_size);

#endif
