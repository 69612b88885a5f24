/*
 * `lastbyte encode`: cases as bytes. A case is first projected to the dialect that bytes can say,
 * then encoded; what cannot be said is refused with the line and the reason, never cut.
 */
#include "codec.h"
#include "core/assert.h"
#include "mutator.h"
#include "options.h"
#include "select.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_LINES 6 /* two times get, read, close */

struct encode {
    const char *folder;
    const char *out; /* NULL: standard output */
    bool is_out_folder;
    bool is_probed; /* the bytes end with two plain exchanges */
    bool is_few;    /* of a family only as many cases as show each row */
    struct lb_case c;
    struct lb_case projected;
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size;
};

/* Adds two plain exchanges, so that a seed ends by finding out whether its pool is still sound. */
static bool encode_probe(struct encode *encode)
{
    size_t size = 0;
    const char *name = NULL;
    const uint8_t *probe = lb_idiom(0, &size, &name);

    LB_ASSERT(strcmp(name, "two_exchanges") == 0);
    if (size > sizeof(encode->bytes) - encode->size) {
        return false;
    }
    memcpy(encode->bytes + encode->size, probe, size);
    encode->size += size;
    lb_codec_decode(encode->bytes, encode->size, &encode->c);
    return encode->c.client.count == encode->projected.client.count + PROBE_LINES;
}

/* Loads, projects and encodes one case; a message is printed if one of these cannot be done. */
static bool encode_case(struct encode *encode, const char *path)
{
    struct lb_codec_error error = {0};

    if (!select_load(path, &encode->c)) {
        return false;
    }
    if (lb_codec_project(&encode->c, &encode->projected, &error) == LB_OK &&
        lb_codec_encode(&encode->projected, encode->bytes, sizeof(encode->bytes), &encode->size,
                        &error) == LB_OK) {
        if (!encode->is_probed || encode_probe(encode)) {
            return true;
        }
        snprintf(error.reason, sizeof(error.reason), "no room for the two exchanges of --probe");
    }
    char *file = files_whole(path);
    if (error.place > 0) {
        fprintf(stderr, "%s:%" PRIu32 ": cannot be said in bytes: %s", file, error.place,
                error.reason);
    } else {
        fprintf(stderr, "%s: cannot be said in bytes: %s", file, error.reason);
    }
    fprintf(stderr, "%s%s\n", files_part(path) != NULL ? " in " : "",
            files_part(path) != NULL ? encode->c.id : "");
    free(file);
    return false;
}

/* Writes the bytes to a file that is none of the inputs. */
static enum exit_code encode_write(const struct encode *encode, const char *file,
                                   const struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        char *input = files_whole(paths->items[i]);
        bool is_input = files_is_same(file, input);

        free(input);
        if (is_input) {
            fprintf(stderr, "lastbyte encode: %s is an input\n", file);
            return EXIT_USAGE;
        }
    }
    if (!files_write(file, encode->bytes, encode->size)) {
        fprintf(stderr, "lastbyte encode: cannot write %s: %s\n", file, strerror(errno));
        return EXIT_RIG;
    }
    return EXIT_AS_EXPECTED;
}

static enum exit_code encode_store(const struct encode *encode, const char *path,
                                   const struct paths *paths)
{
    char *stem = NULL;
    char *file = NULL;
    enum exit_code code;

    if (encode->out == NULL) {
        fwrite(encode->bytes, 1, encode->size, stdout);
        return EXIT_AS_EXPECTED;
    }
    stem = select_id(path);
    file = encode->is_out_folder ? files_join(encode->out, stem) : NULL;
    code = encode_write(encode, file != NULL ? file : encode->out, paths);
    free(file);
    free(stem);
    return code;
}

/* Whether the output can hold what was selected; makes the folder where several cases need one. */
static bool encode_prepare(struct encode *encode, const struct paths *paths)
{
    if (encode->out == NULL) {
        if (paths->count > 1) {
            fprintf(stderr, "lastbyte encode: several cases need --output FOLDER\n");
            return false;
        }
        if (isatty(STDOUT_FILENO) == 1) {
            fprintf(stderr, "lastbyte encode: bytes do not belong on a terminal; use --output\n");
            return false;
        }
        return true;
    }
    encode->is_out_folder =
        paths->count > 1 || files_is_folder(encode->out) || files_has_suffix(encode->out, "/");
    if (encode->is_out_folder && !files_make_folder(encode->out)) {
        fprintf(stderr, "lastbyte encode: cannot make the folder %s: %s\n", encode->out,
                strerror(errno));
        return false;
    }
    return !encode->is_out_folder || select_same_ids("encode", paths) == EXIT_AS_EXPECTED;
}

static enum exit_code encode_run(struct encode *encode, const struct paths *paths)
{
    enum exit_code code = EXIT_AS_EXPECTED;

    if (!encode_prepare(encode, paths)) {
        return EXIT_USAGE;
    }
    select_case_init(&encode->c);
    select_case_init(&encode->projected);
    for (size_t i = 0; i < paths->count; i++) {
        if (encode->is_few && !select_is_few(paths->items[i])) {
            continue;
        }
        bool is_encoded = encode_case(encode, paths->items[i]);

        LB_ASSERT(!is_encoded || encode->size <= sizeof(encode->bytes));
        code = command_worse(code, is_encoded ? encode_store(encode, paths->items[i], paths)
                                              : EXIT_USAGE);
        lb_case_clear(&encode->c);
        lb_case_clear(&encode->projected);
    }
    lb_case_deinit(&encode->projected);
    lb_case_deinit(&encode->c);
    return code;
}

enum exit_code command_encode(int argc, char **argv)
{
    struct encode encode = {.folder = SELECT_FOLDER};
    const struct option_row rows[] = {
        OPTIONS_TEXT('o', "output", "FILE|DIR", &encode.out,
                     "where the bytes go; in a folder, each file has its case's id as name"),
        OPTIONS_FLAG(0, "probe", &encode.is_probed,
                     "end with two plain exchanges: is the pool still sound?"),
        OPTIONS_FLAG(0, "few", &encode.is_few,
                     "of a family only the first row of each table, then the second of each, ..."),
        OPTIONS_TEXT(0, "cases", "DIR", &encode.folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "encode",
        .arguments = "PATH|ID...",
        .about =
            "Turns cases into bytes for fuzzers. Expectations are left out; a case that bytes\n"
            "cannot say is refused with its line, and the others are still encoded.",
        .rows = rows,
    };
    struct paths paths = {0};
    enum exit_code code;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    if (count == 0) {
        fprintf(stderr, "lastbyte encode: nothing selected\nSee: lastbyte encode --help\n");
        return EXIT_USAGE;
    }
    code = select_cases("encode", encode.folder, argv, count, &paths);
    if (code == EXIT_AS_EXPECTED) {
        code = encode_run(&encode, &paths);
    }
    paths_deinit(&paths);
    return code;
}
