/*
 * `lastbyte fmt`: the canonical form of cases and families. Printing and parsing are exact inverses,
 * so that a file which differs from its canonical form differs only in spacing.
 *
 * A case of a family has no file: it is printed as the case that it is after expansion, and its
 * file's form is that of the family.
 */
#include "core/assert.h"
#include "options.h"
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fmt {
    const char *folder;
    bool is_check;
    bool is_in_place;
    struct lb_case c;
    struct lb_case again;
};

/* Whether two families expand to the same cases; a message if an expansion is no case. */
static bool fmt_is_same(struct fmt *fmt, const struct lb_family *one, const struct lb_family *other)
{
    uint32_t count = lb_family_count(one);
    bool is_same = lb_family_count(other) == count;

    for (uint32_t i = 0; i < count && is_same; i++) {
        struct lb_case_error error = {0};

        is_same = lb_family_case(one, i, &fmt->c, &error) == LB_OK &&
                  lb_family_case(other, i, &fmt->again, &error) == LB_OK &&
                  lb_case_is_equal(&fmt->c, &fmt->again) &&
                  strcmp(lb_family_rows(one, i), lb_family_rows(other, i)) == 0;
    }
    return is_same;
}

/* Prints a family; false, with a message, if it is none, or one of its expansions is no case. */
static bool fmt_print_family(struct fmt *fmt, const char *file, char **ret_text, size_t *ret_size)
{
    struct lb_family *family = NULL;
    struct lb_family *again = NULL;
    struct lb_case_error error = {0};
    bool is_good = select_load_family(file, &family);

    for (uint32_t i = 0; is_good && i < lb_family_count(family); i++) {
        is_good = select_load_row(family, i, &fmt->c);
    }
    if (is_good) {
        lb_family_print(family, ret_text, ret_size);
        is_good = lb_family_parse(file, *ret_text, *ret_size, &again, &error) == LB_OK;
        LB_ASSERT(is_good);
        is_good = fmt_is_same(fmt, family, again);
        LB_ASSERT(is_good);
    }
    lb_family_free(&again);
    lb_family_free(&family);
    return is_good;
}

/* Prints what a path names; false, with a message, if it is no case. */
static bool fmt_print(struct fmt *fmt, const char *path, char **ret_text, size_t *ret_size)
{
    if (files_has_suffix(path, LB_FAMILY_SUFFIX)) {
        return fmt_print_family(fmt, path, ret_text, ret_size);
    }
    if (!select_load(path, &fmt->c)) {
        return false;
    }
    lb_case_print(&fmt->c, ret_text, ret_size);
    return true;
}

static enum exit_code fmt_path(struct fmt *fmt, const char *path)
{
    enum exit_code code = EXIT_AS_EXPECTED;
    bool is_file = fmt->is_check || fmt->is_in_place;
    char *file = is_file ? files_whole(path) : tool_copy(path);
    char *printed = NULL;
    char *text = NULL;
    size_t printed_size = 0;
    size_t size = 0;

    if (!fmt_print(fmt, file, &printed, &printed_size)) {
        free(file);
        return EXIT_USAGE;
    }
    if (!is_file) {
        fwrite(printed, 1, printed_size, stdout);
    } else if (files_read(file, &text, &size) && size == printed_size &&
               memcmp(text, printed, size) == 0) {
        code = EXIT_AS_EXPECTED;
    } else if (fmt->is_check) {
        printf("%s is not in canonical form\n", file);
        code = EXIT_UNEXPECTED;
    } else if (!files_write(file, printed, printed_size)) {
        fprintf(stderr, "lastbyte fmt: cannot write %s: %s\n", file, strerror(errno));
        code = EXIT_RIG;
    }
    free(printed);
    free(text);
    free(file);
    return code;
}

enum exit_code command_fmt(int argc, char **argv)
{
    struct fmt fmt = {.folder = SELECT_FOLDER};
    const struct option_row rows[] = {
        OPTIONS_FLAG(0, "check", &fmt.is_check,
                     "print nothing but the names of files that differ; exit code 1"),
        OPTIONS_FLAG(0, "in-place", &fmt.is_in_place, "rewrite the files that differ"),
        OPTIONS_TEXT(0, "cases", "DIR", &fmt.folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "fmt",
        .arguments = "[PATH|ID...]",
        .about =
            "Prints cases in their canonical form, or brings files into it. A family is printed\n"
            "as its file; the id of one of its cases prints the case that it expands to.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    if (fmt.is_check && fmt.is_in_place) {
        fprintf(stderr, "lastbyte fmt: --check and --in-place exclude each other\n");
        return EXIT_USAGE;
    }
    code = select_files("fmt", fmt.folder, argv, count, &paths);
    if (code == EXIT_AS_EXPECTED) {
        select_case_init(&fmt.c);
        select_case_init(&fmt.again);
        for (size_t i = 0; i < paths.count; i++) {
            code = command_worse(code, fmt_path(&fmt, paths.items[i]));
            lb_case_clear(&fmt.c);
        }
        lb_case_deinit(&fmt.again);
        lb_case_deinit(&fmt.c);
    }
    paths_deinit(&paths);
    return code;
}
