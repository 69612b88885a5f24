/*
 * Selecting cases: what the arguments of a command mean. An argument is a file, a folder, an id
 * (`cut-before-last-chunk`) or an area and an id (`chunked/cut-before-last-chunk`); none means
 * every case of the folder of cases.
 */
#ifndef LASTBYTE_TOOLS_SELECT_H
#define LASTBYTE_TOOLS_SELECT_H

#include "case.h"
#include "command.h"
#include "files.h"

/* The folder of cases that is used unless --cases names another. */
#define SELECT_FOLDER LASTBYTE_SOURCE_DIR "/conformance/cases"

/*
 * select_cases: the files that `arguments` mean, each once. A message is printed for what cannot be
 * found. `command` names the command in messages. Returns EXIT_AS_EXPECTED or EXIT_USAGE.
 */
enum exit_code select_cases(const char *command, const char *folder, char **arguments, int count,
                            struct paths *ret_paths);

/*
 * select_same_ids: prints a message for each id that two of the files share.
 * Returns EXIT_AS_EXPECTED or EXIT_USAGE.
 */
enum exit_code select_same_ids(const char *command, const struct paths *paths);

/* select_load: loads a case; a message with its place is printed if it is none. */
bool select_load(const char *path, struct lb_case *ret_case);

/* select_case_init: lb_case_init that ends the process when there is no memory. */
void select_case_init(struct lb_case *ret_case);

#endif
