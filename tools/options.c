/*
 * Options of a command line; see options.h. One pass over argv: an option takes its value from its
 * own word (`--name=VALUE`) or from the next one; everything else is gathered at the front.
 */
#include "options.h"

#include <inttypes.h>
#include <string.h>

#include "core/assert.h"

#define OPTIONS_HELP_LEFT 26 /* columns of an option's name and argument */
#define OPTIONS_HELP_INDENT (OPTIONS_HELP_LEFT + 4)
#define OPTIONS_HELP_WIDTH 80

/* A command line while it is read. */
struct option_cursor {
    const struct options *options;
    int argc;
    char **argv;
    int next; /* index of the next unread word */
};

bool options_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;

    LB_ASSERT(text != NULL);
    LB_ASSERT(least <= most);
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(*text - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (number < least || number > most) {
        return false;
    }
    *ret_number = number;
    return true;
}

bool options_duration(const char *text, uint64_t *ret_seconds)
{
    char digits[24];
    uint64_t scale = 1;
    uint64_t number;
    size_t size;

    LB_ASSERT(text != NULL);
    size = strlen(text);
    if (size == 0 || size >= sizeof(digits)) {
        return false;
    }
    if (strchr("smh", text[size - 1]) != NULL) {
        size--;
        scale = text[size] == 'h' ? 3600 : text[size] == 'm' ? 60 : 1;
    }
    memcpy(digits, text, size);
    digits[size] = '\0';
    if (!options_number(digits, 0, UINT64_MAX / 3600, &number)) {
        return false;
    }
    *ret_seconds = number * scale;
    return true;
}

static void options_complain(const struct options *options, const char *what, const char *word,
                             const char *detail)
{
    fprintf(stderr, "lastbyte %s: %s '%s'%s\n", options->command, what, word, detail);
    fprintf(stderr, "See: lastbyte %s --help\n", options->command);
}

static const struct option_row *option_find(const struct options *options, const char *word,
                                            size_t size)
{
    for (const struct option_row *row = options->rows; row->kind != OPTION_LAST; row++) {
        if (word[1] == '-') {
            if (strlen(row->name) == size - 2 && memcmp(row->name, word + 2, size - 2) == 0) {
                return row;
            }
        } else if (size == 2 && row->letter != '\0' && row->letter == word[1]) {
            return row;
        }
    }
    return NULL;
}

static bool option_store(const struct options *options, const struct option_row *row,
                         const char *value)
{
    char detail[80] = "";
    bool is_stored = false;

    switch (row->kind) {
    case OPTION_NUMBER:
        is_stored = options_number(value, row->least, row->most, row->number);
        snprintf(detail, sizeof(detail), ", expected a number from %" PRIu64 " to %" PRIu64,
                 row->least, row->most);
        break;
    case OPTION_DURATION:
        is_stored = options_duration(value, row->number) && *row->number >= row->least &&
                    *row->number <= row->most;
        snprintf(detail, sizeof(detail), ", expected a time such as 90s, 15m or 2h");
        break;
    case OPTION_TEXT:
        is_stored = *value != '\0';
        *row->text = value;
        snprintf(detail, sizeof(detail), ", expected a value");
        break;
    case OPTION_TEXTS:
        is_stored = *value != '\0' && row->texts->count < OPTIONS_TEXTS_MAX;
        snprintf(detail, sizeof(detail), ", expected a value, at most %d times", OPTIONS_TEXTS_MAX);
        if (is_stored) {
            row->texts->items[row->texts->count++] = value;
        }
        break;
    case OPTION_FLAG:
    case OPTION_LAST:
        LB_ASSERT(false);
        break;
    }
    if (!is_stored) {
        char what[80];

        snprintf(what, sizeof(what), "--%s is", row->name);
        options_complain(options, what, value, detail);
    }
    return is_stored;
}

static enum options_outcome option_read(struct option_cursor *cursor)
{
    const struct options *options = cursor->options;
    const char *word = cursor->argv[cursor->next++];
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option_row *row;

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        options_help(options, stdout);
        return OPTIONS_HELP;
    }
    row = option_find(options, word, size);
    if (row == NULL) {
        options_complain(options, "unknown option", word, "");
        return OPTIONS_WRONG;
    }
    if (row->kind == OPTION_FLAG) {
        if (equals != NULL) {
            options_complain(options, "no value belongs to", word, "");
            return OPTIONS_WRONG;
        }
        *row->flag = true;
        return OPTIONS_OK;
    }
    if (equals != NULL) {
        return option_store(options, row, equals + 1) ? OPTIONS_OK : OPTIONS_WRONG;
    }
    if (cursor->next == cursor->argc) {
        options_complain(options, "a value is missing after", word, "");
        return OPTIONS_WRONG;
    }
    return option_store(options, row, cursor->argv[cursor->next++]) ? OPTIONS_OK : OPTIONS_WRONG;
}

enum options_outcome options_parse(const struct options *options, int argc, char **argv,
                                   int *ret_count)
{
    struct option_cursor cursor = {.options = options, .argc = argc, .argv = argv, .next = 1};
    bool is_ended = false;
    int count = 0;

    LB_ASSERT(options != NULL);
    LB_ASSERT(argc >= 1);
    while (cursor.next < argc) {
        char *word = argv[cursor.next];

        LB_ASSERT(count < cursor.next);
        if (is_ended || word[0] != '-' || word[1] == '\0') {
            argv[count++] = word;
            cursor.next++;
        } else if (strcmp(word, "--") == 0) {
            is_ended = true;
            cursor.next++;
        } else {
            enum options_outcome outcome = option_read(&cursor);

            if (outcome != OPTIONS_OK) {
                return outcome;
            }
        }
    }
    if (count > 0 && options->arguments[0] == '\0') {
        options_complain(options, "takes no arguments, found", argv[0], "");
        return OPTIONS_WRONG;
    }
    *ret_count = count;
    return OPTIONS_OK;
}

/* Prints words, and new lines between them where the next one has no room, indented as the first. */
static void help_wrap(const char *text, FILE *file)
{
    size_t column = OPTIONS_HELP_INDENT;

    for (const char *word = text; *word != '\0'; word += strspn(word, " ")) {
        size_t size = strcspn(word, " ");
        bool is_first = word == text;

        LB_ASSERT(size > 0);
        if (!is_first && column + 1 + size > OPTIONS_HELP_WIDTH) {
            fprintf(file, "\n%*s", OPTIONS_HELP_INDENT, "");
            column = OPTIONS_HELP_INDENT;
        } else if (!is_first) {
            fputc(' ', file);
            column++;
        }
        fprintf(file, "%.*s", (int)size, word);
        column += size;
        word += size;
    }
    fputc('\n', file);
}

void options_help(const struct options *options, FILE *file)
{
    LB_ASSERT(options != NULL);
    fprintf(file, "usage: lastbyte %s%s%s%s\n\n%s\n", options->command,
            options->rows->kind != OPTION_LAST ? " [options]" : "",
            options->arguments[0] != '\0' ? " " : "", options->arguments, options->about);
    if (options->rows->kind == OPTION_LAST) {
        return;
    }
    fprintf(file, "\noptions:\n");
    for (const struct option_row *row = options->rows; row->kind != OPTION_LAST; row++) {
        char left[64];

        snprintf(left, sizeof(left), "%c%c%s --%s%s%s", row->letter != '\0' ? '-' : ' ',
                 row->letter != '\0' ? row->letter : ' ', row->letter != '\0' ? "," : " ",
                 row->name, row->argument != NULL ? " " : "",
                 row->argument != NULL ? row->argument : "");
        fprintf(file, "  %-*s  ", OPTIONS_HELP_LEFT, left);
        help_wrap(row->help, file);
    }
}

bool options_begin(const struct options *options, int argc, char **argv, int *ret_count,
                   enum exit_code *ret_code)
{
    switch (options_parse(options, argc, argv, ret_count)) {
    case OPTIONS_HELP:
        *ret_code = EXIT_AS_EXPECTED;
        return false;
    case OPTIONS_WRONG:
        *ret_code = EXIT_USAGE;
        return false;
    case OPTIONS_OK:
        return true;
    }
    LB_UNREACHABLE("an outcome of options_parse");
}
