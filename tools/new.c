/*
 * `lastbyte new`: a case, or a family, to begin with: it is in canonical form and passes `check`, so that
 * whatever fails afterwards is what was written since.
 */
#include "core/assert.h"
#include "options.h"
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NEW_ID_SIZE_MAX 63 /* characters of an id, and of an area, without the NUL */
#define NEW_AREA_SIZE_MAX 31

static const char skeleton_case[] = "case   1\n"
                                    "title  Say here what holds, in a sentence that can be false\n"
                                    "level  HOUSE\n"
                                    "spec   LASTBYTE F1\n"
                                    "\n"
                                    "host a\n"
                                    "  conn 1\n"
                                    "    want GET /1\n"
                                    "    | HTTP/1.1 200 OK\n"
                                    "    | Content-Length: 4\n"
                                    "    |\n"
                                    "    send \"body\"\n"
                                    "\n"
                                    "client\n"
                                    "  get   r1 a /1             => 200\n"
                                    "  read  r1 all              => \"body\" end\n"
                                    "  expect pool a             idle=1 busy=0 waiting=0\n"
                                    "  expect conns a            opened=1 closed=0\n";

static const char skeleton_family[] =
    "family 1\n"
    "\n"
    "table body | head                       | data\n"
    "  length   | Content-Length: 4          | body\n"
    "  chunked  | Transfer-Encoding: chunked | 4\\r\\nbody\\r\\n0\\r\\n\\r\\n\n"
    "\n"
    "case   1\n"
    "title  Say here what holds for {body}, in a sentence that can be false\n"
    "level  HOUSE\n"
    "spec   LASTBYTE F1\n"
    "\n"
    "host a\n"
    "  conn 1\n"
    "    want GET /1\n"
    "    | HTTP/1.1 200 OK\n"
    "    | {head}\n"
    "    |\n"
    "    send \"{data}\"\n"
    "\n"
    "client\n"
    "  get   r1 a /1             => 200\n"
    "  read  r1 all              => \"body\" end\n"
    "  expect pool a             idle=1 busy=0 waiting=0\n"
    "  expect conns a            opened=1 closed=0\n";

struct new_case {
    const char *folder;
    bool is_family;
    char *area; /* owned; NULL: the current folder */
    const char *id;
};

/* Whether a word can be an id or an area; otherwise a message says why not. */
static bool new_word_is_good(const char *kind, const char *word, size_t size_max)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t valid = word[0] == '-' ? 0 : strspn(word, plain);

    if (valid == 0 || word[valid] != '\0') {
        fprintf(
            stderr,
            "lastbyte new: %s is '%s', found '%.1s' at character %zu, expected a-z and 0-9, then "
            "also -\n",
            kind, word, word + valid, valid + 1);
        return false;
    }
    if (strlen(word) > size_max) {
        fprintf(stderr, "lastbyte new: %s is '%s', expected at most %zu characters\n", kind, word,
                size_max);
        return false;
    }
    return true;
}

/* Takes NAME or AREA/NAME apart. */
static bool new_parse(struct new_case *made, const char *name)
{
    const char *slash = strrchr(name, '/');

    made->id = slash != NULL ? slash + 1 : name;
    if (!new_word_is_good("the name", made->id, NEW_ID_SIZE_MAX)) {
        return false;
    }
    if (slash != NULL) {
        made->area = tool_copy(name);
        made->area[slash - name] = '\0';
        return new_word_is_good("the area", made->area, NEW_AREA_SIZE_MAX);
    }
    return true;
}

/* Whether a case or a family of the folder has the id already; a message names it. */
static bool new_is_taken(const struct new_case *made)
{
    struct paths named = {0};
    bool is_taken = files_is_folder(made->folder) && select_find(made->folder, made->id, &named);

    if (is_taken) {
        fprintf(stderr, "lastbyte new: the id %s is taken, by %s\n", made->id,
                files_short(named.items[0]));
    }
    paths_deinit(&named);
    return is_taken;
}

/* Writes the skeleton, and says what comes next. */
static enum exit_code new_write(const struct new_case *made)
{
    const char *text = made->is_family ? skeleton_family : skeleton_case;
    char *folder = made->area != NULL ? files_join(made->folder, made->area) : tool_copy(".");
    char *stem = files_join(folder, made->id);
    size_t size = strlen(stem) + strlen(LB_FAMILY_SUFFIX) + 1;
    char *path = tool_alloc(size);
    struct stat about;
    enum exit_code code = EXIT_AS_EXPECTED;

    snprintf(path, size, "%s%s", stem, made->is_family ? LB_FAMILY_SUFFIX : ".case");
    if (lstat(path, &about) == 0) {
        fprintf(stderr, "lastbyte new: %s is there already\n", files_short(path));
        code = EXIT_USAGE;
    } else if (!files_make_folder(folder) || !files_write(path, text, strlen(text))) {
        fprintf(stderr, "lastbyte new: cannot write %s: %s\n", path, strerror(errno));
        code = EXIT_RIG;
    } else {
        printf("%s\n", files_short(path));
    }
    free(path);
    free(stem);
    free(folder);
    return code;
}

enum exit_code command_new(int argc, char **argv)
{
    struct new_case made = {.folder = SELECT_FOLDER};
    const struct option_row rows[] = {
        OPTIONS_FLAG(0, "family", &made.is_family, "a family: tables, and one case with holes"),
        OPTIONS_TEXT(0, "cases", "DIR", &made.folder, "where the cases are"),
        OPTIONS_LAST,
    };
    const struct options options = {
        .command = "new",
        .arguments = "AREA/NAME|NAME",
        .about =
            "Writes a case to begin with, which passes `check` as it is, and prints its path:\n"
            "in its area below the folder of cases, or, without an area, in the current folder.\n"
            "Nothing is overwritten.",
        .rows = rows,
    };
    enum exit_code code = EXIT_USAGE;
    int count = 0;

    if (!options_begin(&options, argc, argv, &count, &code)) {
        return code;
    }
    if (count != 1) {
        fprintf(stderr, "lastbyte new: expected one name, such as chunked/cut-before-last-chunk\n");
        return EXIT_USAGE;
    }
    code = EXIT_USAGE;
    if (new_parse(&made, argv[0]) && !new_is_taken(&made)) {
        code = new_write(&made);
    }
    free(made.area);
    return code;
}
