/*
 * The fuzz target of the case language.
 *
 * Surface: the parser of cases and that of families (conformance/parse*.c, lexer.c, family.c), the printers.
 * Input:   text.
 * Claims:  any bytes are a case or an error that names a place; what is a case prints as text that is the
 *          same case, and that prints as itself. Likewise of a family.
 */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "family.h"

/* claim_place: an error names a place within the text, what stands there, and what could. */
static void claim_place(const struct lb_case_error *error, const char *text, size_t size,
                        const char *context, struct lb_result *result)
{
    uint32_t lines = 2;
    for (size_t i = 0; i < size; i++) {
        lines += text[i] == '\n' ? 1 : 0;
    }
    if (error->line > lines || (error->line > 0 && error->column == 0) ||
        error->expected[0] == '\0') {
        lbi_target_file(result, "text", context, "the error names line %u, column %u, expected %s",
                        (unsigned)error->line, (unsigned)error->column, error->expected);
    }
}

static void claim_case(struct lb_target *target, const char *text, size_t size,
                       struct lb_result *result)
{
    char *first = NULL;
    char *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    struct lb_case_error error;
    if (lb_case_parse("fuzz/text.case", text, size, &target->c, &error) != LB_OK) {
        claim_place(&error, text, size, "error-without-place", result);
        return;
    }
    lb_case_print(&target->c, &first, &first_size);
    if (lb_case_parse("fuzz/text.case", first, first_size, &target->other, &error) != LB_OK) {
        lbi_target_file(result, "text", "printed-does-not-parse", "line %u: expected %.120s",
                        (unsigned)error.line, error.expected);
        free(first);
        return;
    }
    lb_case_print(&target->other, &second, &second_size);
    if (!lb_case_is_equal(&target->c, &target->other)) {
        lbi_target_file(result, "text", "another-case", "what was printed is another case");
    } else if (first_size != second_size || memcmp(first, second, first_size) != 0) {
        lbi_target_file(result, "text", "another-text", "what was printed prints otherwise");
    }
    free(first);
    free(second);
}

static void claim_family(struct lb_target *target, const char *text, size_t size,
                         struct lb_result *result)
{
    struct lb_family *family = NULL;
    struct lb_family *again = NULL;
    char *first = NULL;
    char *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;
    struct lb_case_error error;
    if (lb_family_parse("fuzz/text.family", text, size, &family, &error) != LB_OK) {
        claim_place(&error, text, size, "family-error-without-place", result);
        return;
    }
    lb_family_print(family, &first, &first_size);
    if (lb_family_case(family, 0, &target->other, &error) != LB_OK) {
        claim_place(&error, text, size, "expansion-error-without-place", result);
    }
    if (lb_family_parse("fuzz/text.family", first, first_size, &again, &error) != LB_OK) {
        lbi_target_file(result, "text", "printed-family-does-not-parse", "line %u: expected %.120s",
                        (unsigned)error.line, error.expected);
    } else {
        lb_family_print(again, &second, &second_size);
        if (first_size != second_size || memcmp(first, second, first_size) != 0) {
            lbi_target_file(result, "text", "another-family", "what was printed prints otherwise");
        }
    }
    lb_family_free(&family);
    lb_family_free(&again);
    free(first);
    free(second);
}

LB_TARGET_PAGE(case_text)
{
    target->text = bytes;
    target->text_size = size;
    claim_case(target, (const char *)bytes, size, ret_result);
    claim_family(target, (const char *)bytes, size, ret_result);
}
