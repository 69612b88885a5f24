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

void select_complain(const struct lb_case_error *error)
{
    char text[768];

    lb_case_error_text(error, text, sizeof(text));
    fflush(stdout);
    report_text(stderr, text, strlen(text));
    fprintf(stderr, "\n");
}

/* -- paths and ids -- */

bool select_is_case(const char *path)
{
    return files_has_suffix(path, CASE_SUFFIX) || files_has_suffix(path, LB_FAMILY_SUFFIX) ||
           files_part(path) != NULL;
}

char *select_id(const char *path)
{
    const char *part = files_part(path);
    char *file = files_whole(path);
    char *stem = files_stem(file, part != NULL ? LB_FAMILY_SUFFIX : CASE_SUFFIX);
    size_t size = strlen(stem) + (part != NULL ? strlen(part) + 1 : 0) + 1;
    char *id = tool_alloc(size);

    snprintf(id, size, "%s%s%s", stem, part != NULL ? "-" : "", part != NULL ? part : "");
    free(stem);
    free(file);
    return id;
}

/* Whether `path` has the id, or the area and the id, of `name`. */
static bool path_is_named(const char *path, const char *name)
{
    const char *slash = strrchr(name, '/');
    char *id = select_id(path);
    char *file = files_whole(path);
    char *area = strrchr(file, '/');
    bool is_named = strcmp(id, slash != NULL ? slash + 1 : name) == 0;

    if (is_named && slash != NULL) { /* what stands before the id ends the folder's path */
        size_t size = (size_t)(slash - name);
        size_t folder = area != NULL ? (size_t)(area - file) : 0;

        is_named = folder >= size && strncmp(file + folder - size, name, size) == 0 &&
                   (folder == size || file[folder - size - 1] == '/');
    }
    free(file);
    free(id);
    return is_named;
}

/* Whether `path` is the file of the family `name`, or of `area/name`. */
static bool path_is_family(const char *path, const char *name)
{
    size_t size = strlen(path);
    size_t tail = strlen(name) + strlen(LB_FAMILY_SUFFIX);

    return files_has_suffix(path, LB_FAMILY_SUFFIX) && size >= tail &&
           (size == tail || path[size - tail - 1] == '/') &&
           strncmp(path + size - tail, name, strlen(name)) == 0;
}

/* -- families -- */

bool select_load_family(const char *file, struct lb_family **ret_family)
{
    struct lb_case_error error = {0};

    if (lb_family_load(file, ret_family, &error) == LB_OK) {
        return true;
    }
    select_complain(&error);
    return false;
}

/* The path of a case of a family. */
static char *family_path(const char *file, const char *rows)
{
    size_t size = strlen(file) + strlen(rows) + 2;
    char *path = tool_alloc(size);

    snprintf(path, size, "%s:%s", file, rows);
    return path;
}

/* Adds the cases of a family; of a broken one its file, which is complained of when it is loaded. */
static void family_expand(const char *file, struct paths *ret_paths)
{
    struct lb_case_error error = {0};
    struct lb_family *family = NULL;

    if (lb_family_load(file, &family, &error) != LB_OK) {
        paths_add(ret_paths, file);
        return;
    }
    for (uint32_t i = 0; i < lb_family_count(family); i++) {
        char *path = family_path(file, lb_family_rows(family, i));

        paths_add(ret_paths, path);
        free(path);
    }
    lb_family_free(&family);
}

void select_expand(struct paths *paths)
{
    struct paths expanded = {0};

    for (size_t i = 0; i < paths->count; i++) {
        if (files_has_suffix(paths->items[i], LB_FAMILY_SUFFIX)) {
            family_expand(paths->items[i], &expanded);
        } else {
            paths_add(&expanded, paths->items[i]);
        }
    }
    paths_deinit(paths);
    *paths = expanded;
}

/* The family of a path with a part, and which case of it that is; false with an error if it is none. */
static bool family_find(const char *path, struct lb_family **ret_family, uint32_t *ret_index,
                        struct lb_case_error *ret_error)
{
    char *file = files_whole(path);
    bool is_found = lb_family_load(file, ret_family, ret_error) == LB_OK;

    if (is_found && !lb_family_find(*ret_family, files_part(path), ret_index)) {
        char found[80];

        snprintf(found, sizeof(found), "\"%.70s\"", files_part(path));
        lb_case_error_whole(ret_error, file, found, "a row, or rows, of this family");
        lb_family_free(ret_family);
        is_found = false;
    }
    free(file);
    return is_found;
}

bool select_is_few(const char *path)
{
    struct lb_case_error error = {0};
    struct lb_family *family = NULL;
    uint32_t index = 0;
    bool is_few = true;

    if (files_part(path) != NULL && family_find(path, &family, &index, &error)) {
        is_few = lb_family_is_few(family, index);
    }
    lb_family_free(&family);
    return is_few;
}

/* -- arguments -- */

/* Adds a file, or all cases and families of a folder in the order of their paths. */
static enum files_found select_gather(const char *path, struct paths *ret_paths)
{
    struct paths gathered = {0};
    enum files_found found = files_gather(path, CASE_SUFFIX, &gathered);

    if (found == FILES_FOUND && files_is_folder(path)) {
        found = files_gather(path, LB_FAMILY_SUFFIX, &gathered);
        paths_sort(&gathered);
    }
    for (size_t i = 0; i < gathered.count; i++) {
        paths_add(ret_paths, gathered.items[i]);
    }
    paths_deinit(&gathered);
    return found;
}

bool select_find(const char *folder, const char *name, struct paths *ret_paths)
{
    struct paths all = {0};
    size_t before = ret_paths->count;

    (void)select_gather(folder, &all);
    for (size_t i = 0; i < all.count; i++) {
        if (path_is_family(all.items[i], name)) {
            paths_add(ret_paths, all.items[i]);
        }
    }
    select_expand(&all);
    for (size_t i = 0; i < all.count; i++) {
        if (select_is_case(all.items[i]) && path_is_named(all.items[i], name)) {
            paths_add(ret_paths, all.items[i]);
        }
    }
    paths_deinit(&all);
    return ret_paths->count > before;
}

/* Leaves each case one path, the shorter where it is in the current folder. */
static void select_once(struct paths *paths)
{
    paths_once(paths);
    for (size_t i = 0; i < paths->count; i++) {
        char *path = tool_copy(files_short(paths->items[i]));

        free(paths->items[i]);
        paths->items[i] = path;
    }
}

/* Whether a path that names a case or a family is there, be it a folder or a link to nothing. */
static bool path_is_meant(const char *path)
{
    return (files_has_suffix(path, CASE_SUFFIX) || files_has_suffix(path, LB_FAMILY_SUFFIX)) &&
           files_is_there(path);
}

/* Adds what one argument means; a message is printed if it means nothing. */
static bool select_argument(const char *command, const char *folder, const char *argument,
                            struct paths *ret_paths)
{
    char *file = files_whole(argument);
    bool is_part = files_part(argument) != NULL && files_is_file(file);

    free(file);
    if (is_part || path_is_meant(argument)) { /* what is wrong with it is told when it is loaded */
        paths_add(ret_paths, argument);
        return true;
    }
    switch (select_gather(argument, ret_paths)) {
    case FILES_FOUND:
        return true;
    case FILES_FAILED:
        return false;
    case FILES_NONE:
        break;
    }
    if (!select_find(folder, argument, ret_paths)) {
        fprintf(stderr, "lastbyte %s: no file, folder or case is called '%s'\n", command, argument);
        return false;
    }
    return true;
}

enum exit_code select_files(const char *command, const char *folder, char **arguments, int count,
                            struct paths *ret_paths)
{
    LB_ASSERT(folder != NULL);
    LB_ASSERT(count >= 0);
    if (count == 0) {
        enum files_found found = select_gather(folder, ret_paths);

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

enum exit_code select_cases(const char *command, const char *folder, char **arguments, int count,
                            struct paths *ret_paths)
{
    enum exit_code code = select_files(command, folder, arguments, count, ret_paths);

    if (code == EXIT_AS_EXPECTED) {
        select_expand(ret_paths);
        select_once(ret_paths);
    }
    return code;
}

/* -- ids -- */

/* A path and the id that it has. */
struct named {
    char *id;
    const char *path;
};

static int named_compare(const void *a, const void *b)
{
    const struct named *left = a;
    const struct named *right = b;
    int order = strcmp(left->id, right->id);

    return order != 0 ? order : strcmp(left->path, right->path);
}

enum exit_code select_same_ids(const char *command, const struct paths *paths)
{
    struct named *all = tool_alloc((paths->count + 1) * sizeof(*all));
    enum exit_code code = EXIT_AS_EXPECTED;

    for (size_t i = 0; i < paths->count; i++) {
        all[i] = (struct named){select_id(paths->items[i]), paths->items[i]};
    }
    qsort(all, paths->count, sizeof(all[0]), named_compare);
    for (size_t i = 1; i < paths->count; i++) {
        if (strcmp(all[i - 1].id, all[i].id) == 0) {
            fprintf(stderr, "lastbyte %s: two cases have one id: %s and %s\n", command,
                    all[i - 1].path, all[i].path);
            code = EXIT_USAGE;
        }
    }
    for (size_t i = 0; i < paths->count; i++) {
        free(all[i].id);
    }
    free(all);
    return code;
}

/* -- loading -- */

void select_case_init(struct lb_case *ret_case)
{
    if (lb_case_init(ret_case) != LB_OK) {
        fprintf(stderr, "lastbyte: out of memory\n");
        exit(EXIT_RIG);
    }
}

bool select_load_row(const struct lb_family *family, uint32_t index, struct lb_case *ret_case)
{
    struct lb_case_error error = {0};

    if (lb_family_case(family, index, ret_case, &error) == LB_OK) {
        return true;
    }
    select_complain(&error);
    return false;
}

bool select_read(const char *path, struct lb_case *ret_case, struct lb_case_error *ret_error)
{
    struct lb_family *family = NULL;
    uint32_t index = 0;

    if (files_part(path) != NULL) {
        bool is_case = family_find(path, &family, &index, ret_error) &&
                       lb_family_case(family, index, ret_case, ret_error) == LB_OK;

        lb_family_free(&family);
        return is_case;
    }
    if (!files_has_suffix(path, LB_FAMILY_SUFFIX)) {
        return lb_case_load(path, ret_case, ret_error) == LB_OK;
    }
    if (lb_family_load(path, &family, ret_error) == LB_OK) { /* broken when it was expanded */
        lb_case_error_whole(ret_error, path, "a family", "one of its cases");
        lb_family_free(&family);
    }
    return false;
}

bool select_load(const char *path, struct lb_case *ret_case)
{
    struct lb_case_error error = {0};

    if (!select_read(path, ret_case, &error)) {
        select_complain(&error);
        return false;
    }
    return true;
}

const struct lb_target_row *select_target(const char *command, const char *name)
{
    const struct lb_target_row *row = lb_target_find(name);

    if (row == NULL) {
        fprintf(stderr, "lastbyte %s: no fuzz target is called '%s'; there are", command, name);
        for (uint32_t i = 0; lb_target_row(i) != NULL; i++) {
            fprintf(stderr, "%s %s", i == 0 ? "" : ",", lb_target_row(i)->name);
        }
        fprintf(stderr, "\n");
    }
    return row;
}
