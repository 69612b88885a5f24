/*
 * `lastbyte decode`: bytes as a case. Every byte string is one, so nothing can be refused.
 */
#include "codec.h"
#include "options.h"
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum exit_code decode_file(const char *path, const char *out)
{
    struct lb_case c;
    enum exit_code code = EXIT_AS_EXPECTED;
    char *bytes = NULL;
    char *text = NULL;
    size_t size = 0;
    size_t text_size = 0;

    if (!files_read(path, &bytes, &size)) {
        fprintf(stderr, "lastbyte decode: cannot read %s: %s\n", path, files_reason(path));
        return EXIT_USAGE;
    }
    if (out != NULL && files_is_same(out, path)) {
        fprintf(stderr, "lastbyte decode: %s is the input\n", out);
        free(bytes);
        return EXIT_USAGE;
    }
    select_case_init(&c);
    lb_codec_decode((const uint8_t *)bytes, size, &c);
    lb_case_print(&c, &text, &text_size);
    if (out == NULL) {
        fwrite(text, 1, text_size, stdout);
    } else if (!files_write(out, text, text_size)) {
        fprintf(stderr, "lastbyte decode: cannot write %s: %s\n", out, strerror(errno));
        code = EXIT_RIG;
    }
    free(text);
    free(bytes);
    lb_case_deinit(&c);
    return code;
}

enum exit_code command_decode(int argc, char **argv)
{
    const char *out = NULL;
    const struct option_row rows[] = {
        OPTIONS_TEXT('o', "output", "FILE", &out, "where the case goes"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "decode",
        .arguments = "FILE",
        .about = "Turns bytes into the case that they say.",
        .rows = rows,
    };
    enum exit_code code = EXIT_AS_EXPECTED;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    if (count != 1) {
        fprintf(stderr, "lastbyte decode: takes one file\nSee: lastbyte decode --help\n");
        return EXIT_USAGE;
    }
    return decode_file(argv[0], out);
}
