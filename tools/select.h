/*
 * Selecting cases: what the arguments of a command mean. An argument is a file, a folder, an id
 * (`cut-before-last-chunk`) or an area and an id (`chunked/cut-before-last-chunk`); none means
 * every case of the folder of cases. The name of a family, its file's stem, means all its cases.
 *
 * A path names one case: a file, or a file of a family and the rows behind a colon,
 * `leftover/after.family:length-response-now`. That a family's tables are in order is known when it
 * is expanded: a broken one stays in the list as its file, and fails when it is loaded.
 */
#ifndef LASTBYTE_TOOLS_SELECT_H
#define LASTBYTE_TOOLS_SELECT_H

#include "case.h"
#include "command.h"
#include "family.h"
#include "files.h"
#include "target.h"

/* The folder of cases that is used unless --cases names another. */
#define SELECT_FOLDER LASTBYTE_SOURCE_DIR "/conformance/cases"

/*
 * select_cases: the files that `arguments` mean, each once. A message is printed for what cannot be
 * found. `command` names the command in messages. Returns EXIT_AS_EXPECTED or EXIT_USAGE.
 */
enum exit_code select_cases(const char *command, const char *folder, char **arguments, int count,
                            struct paths *ret_paths);

/*
 * select_files: the same, but a family that is meant as a whole stays one path, its file.
 */
enum exit_code select_files(const char *command, const char *folder, char **arguments, int count,
                            struct paths *ret_paths);

/* select_expand: puts the cases of families in the place of their files. */
void select_expand(struct paths *paths);

/* select_find: adds the case, or the family, of the folder that has a name (NAME or AREA/NAME); false if
 * none has. Nothing is printed. */
bool select_find(const char *folder, const char *name, struct paths *ret_paths);

/* select_id: gives the id of the case that a path names (free). */
char *select_id(const char *path);

/* select_is_case: whether a path is that of a case or a family, not of bytes. */
bool select_is_case(const char *path);

/* select_is_few: whether a path is a case of its own, or one of the few of a family that show each
 * of its rows. */
bool select_is_few(const char *path);

/*
 * select_same_ids: prints a message for each id that two of the files share.
 * Returns EXIT_AS_EXPECTED or EXIT_USAGE.
 */
enum exit_code select_same_ids(const char *command, const struct paths *paths);

/* select_read: loads a case; false with *ret_error filled if it is none. */
bool select_read(const char *path, struct lb_case *ret_case, struct lb_case_error *ret_error);

/* select_complain: prints why a file is no case, to standard error. */
void select_complain(const struct lb_case_error *error);

/* select_load: loads a case; a message with its place is printed if it is none. */
bool select_load(const char *path, struct lb_case *ret_case);

/* select_load_row: the same for case `index` of a family. */
bool select_load_row(const struct lb_family *family, uint32_t index, struct lb_case *ret_case);

/* select_load_family: gives the family of a file (lb_family_free); a message likewise. */
bool select_load_family(const char *file, struct lb_family **ret_family);

/* select_case_init: lb_case_init that ends the process when there is no memory. */
void select_case_init(struct lb_case *ret_case);

/* select_target: the fuzz target of that name; NULL, with a message that lists them, if there is none. */
const struct lb_target_row *select_target(const char *command, const char *name);

#endif
