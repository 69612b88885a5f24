/*
 * Selecting cases: see select.h.
 */
#include "select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "report.h"

#define CASE_SUFFIX ".case"

/* Whether `path` is the file of `id`, or of `area/id`. */
static bool path_is_id(const char *path, const char *id)
{
    size_t path_size = strlen(path);
    size_t tail = strlen(id) + strlen(CASE_SUFFIX);

    if (path_size <= tail || !files_has_suffix(path, CASE_SUFFIX)) {
        return false;
    }
    return path[path_size - tail - 1] == '/' &&
           strncmp(path + path_size - tail, id, strlen(id)) == 0;
}

/* Adds the file of an id; false if no case has it. */
static bool select_id(const char *folder, const char *id, struct paths *ret_paths)
{
    struct paths all = {0};
    bool is_found = false;

    (void)files_gather(folder, CASE_SUFFIX, &all);
    for (size_t i = 0; i < all.count; i++) {
        if (path_is_id(all.items[i], id)) {
            paths_add(ret_paths, all.items[i]);
            is_found = true;
        }
    }
    paths_deinit(&all);
    return is_found;
}

/* Leaves each file one path, the shorter where it is in the current folder. */
static void select_once(struct paths *paths)
{
    paths_once(paths);
    for (size_t i = 0; i < paths->count; i++) {
        char *path = tool_copy(files_short(paths->items[i]));

        free(paths->items[i]);
        paths->items[i] = path;
    }
}

/* Adds what one argument means; a message is printed if it means nothing. */
static bool select_argument(const char *command, const char *folder, const char *argument,
                            struct paths *ret_paths)
{
    switch (files_gather(argument, CASE_SUFFIX, ret_paths)) {
    case FILES_FOUND:
        return true;
    case FILES_FAILED:
        return false;
    case FILES_NONE:
        break;
    }
    if (!select_id(folder, argument, ret_paths)) {
        fprintf(stderr, "lastbyte %s: no file, folder or case is called '%s'\n", command, argument);
        return false;
    }
    return true;
}

enum exit_code select_cases(const char *command, const char *folder, char **arguments, int count,
                            struct paths *ret_paths)
{
    LB_ASSERT(folder != NULL);
    LB_ASSERT(count >= 0);
    if (count == 0) {
        enum files_found found = files_gather(folder, CASE_SUFFIX, ret_paths);

        if (found == FILES_NONE) {
            fprintf(stderr, "lastbyte %s: no folder of cases at '%s'; --cases names another\n",
                    command, folder);
        }
        if (found != FILES_FOUND) {
            return EXIT_USAGE;
        }
    }
    for (int i = 0; i < count; i++) {
        if (!select_argument(command, folder, arguments[i], ret_paths)) {
            return EXIT_USAGE;
        }
    }
    if (ret_paths->count == 0) {
        fprintf(stderr, "lastbyte %s: nothing selected\n", command);
        return EXIT_USAGE;
    }
    select_once(ret_paths);
    return EXIT_AS_EXPECTED;
}

/* The name of a file without its folders; points into `path`. */
static const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static int name_compare(const void *a, const void *b)
{
    const char *left = *(char *const *)a;
    const char *right = *(char *const *)b;
    int order = strcmp(path_name(left), path_name(right));

    return order != 0 ? order : strcmp(left, right);
}

enum exit_code select_same_ids(const char *command, const struct paths *paths)
{
    struct paths sorted = {0};
    enum exit_code code = EXIT_AS_EXPECTED;

    for (size_t i = 0; i < paths->count; i++) {
        paths_add(&sorted, paths->items[i]);
    }
    if (sorted.count > 1) {
        qsort(sorted.items, sorted.count, sizeof(sorted.items[0]), name_compare);
    }
    for (size_t i = 1; i < sorted.count; i++) {
        const char *before = sorted.items[i - 1];

        if (strcmp(path_name(before), path_name(sorted.items[i])) == 0) {
            fprintf(stderr, "lastbyte %s: two cases have one id: %s and %s\n", command, before,
                    sorted.items[i]);
            code = EXIT_USAGE;
        }
    }
    paths_deinit(&sorted);
    return code;
}

void select_case_init(struct lb_case *ret_case)
{
    if (lb_case_init(ret_case) != LB_OK) {
        fprintf(stderr, "lastbyte: out of memory\n");
        exit(EXIT_RIG);
    }
}

bool select_load(const char *path, struct lb_case *ret_case)
{
    struct lb_case_error error = {0};
    char text[640];

    if (lb_case_load(path, ret_case, &error) == LB_OK) {
        return true;
    }
    lb_case_error_text(&error, text, sizeof(text));
    fflush(stdout);
    report_text(stderr, text, strlen(text));
    fprintf(stderr, "\n");
    return false;
}
