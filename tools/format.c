/*
 * `lastbyte format`: the canonical form of cases. Printing and parsing are exact inverses, so that
 * a file which differs from its canonical form differs only in spacing.
 */
#include "core/assert.h"
#include "options.h"
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct format {
    const char *folder;
    bool is_check;
    bool is_in_place;
    struct lb_case c;
};

static enum exit_code format_case(struct format *format, const char *path)
{
    enum exit_code code = EXIT_AS_EXPECTED;
    char *printed = NULL;
    char *text = NULL;
    size_t printed_size = 0;
    size_t size = 0;
    bool is_same;

    if (!select_load(path, &format->c)) {
        return EXIT_USAGE;
    }
    lb_case_print(&format->c, &printed, &printed_size);
    is_same =
        files_read(path, &text, &size) && size == printed_size && memcmp(text, printed, size) == 0;
    if (format->is_check && !is_same) {
        printf("%s is not in canonical form\n", path);
        code = EXIT_UNEXPECTED;
    } else if (format->is_in_place && !is_same && !files_write(path, printed, printed_size)) {
        fprintf(stderr, "lastbyte format: cannot write %s: %s\n", path, strerror(errno));
        code = EXIT_RIG;
    } else if (!format->is_check && !format->is_in_place) {
        fwrite(printed, 1, printed_size, stdout);
    }
    free(printed);
    free(text);
    return code;
}

enum exit_code command_format(int argc, char **argv)
{
    struct format format = {.folder = SELECT_FOLDER};
    const struct option_row rows[] = {
        OPTIONS_FLAG(0, "check", &format.is_check,
                     "print nothing but the names of files that differ; exit code 1"),
        OPTIONS_FLAG(0, "in-place", &format.is_in_place, "rewrite the files that differ"),
        OPTIONS_TEXT(0, "cases", "DIR", &format.folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "format",
        .arguments = "[PATH|ID...]",
        .about = "Prints cases in their canonical form, or brings files into it.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    if (format.is_check && format.is_in_place) {
        fprintf(stderr, "lastbyte format: --check and --in-place exclude each other\n");
        return EXIT_USAGE;
    }
    code = select_cases("format", format.folder, argv, count, &paths);
    if (code == EXIT_AS_EXPECTED) {
        select_case_init(&format.c);
        for (size_t i = 0; i < paths.count; i++) {
            code = command_worse(code, format_case(&format, paths.items[i]));
            lb_case_clear(&format.c);
        }
        lb_case_deinit(&format.c);
    }
    paths_deinit(&paths);
    return code;
}
