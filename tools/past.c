/*
 * A past run: see past.h.
 */
#include "past.h"

#include <stdio.h>
#include <string.h>

#include "core/assert.h"
#include "formats.h"

static bool past_complain(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s, expected a report that `lastbyte check --report json=FILE` wrote\n",
            path, what);
    return false;
}

/* Whether a report's verdict is an unexpected one; an unknown word is one. */
static bool word_is_bad(const char *word)
{
    for (int i = 0; i < LB_VERDICT_COUNT; i++) {
        if (strcmp(word, lb_verdict_word((enum lb_verdict)i)) == 0) {
            return lb_verdict_is_bad((enum lb_verdict)i);
        }
    }
    return true;
}

/* Adds one case; false: it is none. */
static bool past_case(const json_t *value, struct paths *ret_names)
{
    const char *id = json_string_value(json_object_get(value, "id"));
    const char *verdict = json_string_value(json_object_get(value, "verdict"));
    if (id == NULL || verdict == NULL) {
        return false;
    }
    if (word_is_bad(verdict) || json_is_object(json_object_get(value, "nondeterminism"))) {
        paths_add(ret_names, id);
    }
    return true;
}

static bool past_cases(const char *path, const json_t *report, struct paths *ret_names)
{
    const json_t *cases = json_object_get(report, "cases");
    const json_t *broken = json_object_get(report, "broken_files");
    size_t index;
    const json_t *value;
    if (!json_is_array(cases) || !json_is_array(broken)) {
        return past_complain(path, "no lists of cases and of broken files");
    }
    json_array_foreach(cases, index, value)
    {
        if (!past_case(value, ret_names)) {
            return past_complain(path, "a case without id or verdict");
        }
    }
    json_array_foreach(broken, index, value)
    {
        const char *file = json_string_value(json_object_get(value, "file"));
        if (file == NULL) {
            return past_complain(path, "a broken file without a name");
        }
        paths_add(ret_names, file);
    }
    return true;
}

bool past_failures(const char *path, struct paths *ret_names)
{
    char *bytes = NULL;
    size_t size = 0;
    json_error_t error;
    LB_ASSERT(path != NULL);
    if (!files_read(path, &bytes, &size)) {
        fprintf(stderr, "lastbyte check: %s: %s\n", path, files_reason(path));
        return false;
    }
    json_t *report = json_loadb(bytes, size, 0, &error);
    free(bytes);
    if (report == NULL) {
        fprintf(stderr, "%s:%d:%d: %s\n", path, error.line, error.column, error.text);
        return past_complain(path, "no JSON");
    }
    const char *format = json_string_value(json_object_get(report, "format"));
    json_int_t version = json_integer_value(json_object_get(report, "version"));
    bool is_good = false;
    if (format == NULL || strcmp(format, "lastbyte-check") != 0) {
        (void)past_complain(path, "another kind of JSON");
    } else if (version != FORMATS_JSON_VERSION) {
        (void)past_complain(path, "another version of the format");
    } else {
        is_good = past_cases(path, report, ret_names);
    }
    json_decref(report);
    return is_good;
}
