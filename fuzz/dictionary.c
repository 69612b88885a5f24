/*
 * The dictionary of the byte form: each operation alone and with its common operands, and the
 * idioms. The committed fuzz/operations.dict is this text; a test compares.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "mutator.h"
#include "operations.h"

static void print_entry(FILE *stream, const char *word, const char *suffix, const uint8_t *bytes,
                        size_t size)
{
    for (const char *at = word; *at != '\0'; at++) {
        (void)fputc(*at == '-' ? '_' : *at, stream);
    }
    fprintf(stream, "%s=\"", suffix);
    for (size_t i = 0; i < size; i++) {
        fprintf(stream, "\\x%02x", bytes[i]);
    }
    fprintf(stream, "\"\n");
}

/* last_operand: the position of an operation's last operand; -1 if it has none. */
static int last_operand(const struct lbi_operation_row *row)
{
    int last = LBI_OPERANDS_MAX - 1;
    while (last >= 0 && row->operands[last] == LBI_OPERAND_NONE) {
        last--;
    }
    return last;
}

/* print_operation: alone, and with 1 in place of its last operand. */
static void print_operation(FILE *stream, enum lbi_operation operation)
{
    const struct lbi_operation_row *row = lbi_operation_row(operation);
    int last = last_operand(row);
    enum lbi_operand kind = last < 0 ? LBI_OPERAND_NONE : row->operands[last];
    uint8_t bytes[1 + LBI_OPERANDS_MAX] = {(uint8_t)(0x80 | operation)};
    print_entry(stream, row->word, "", bytes, 1);
    if (last >= 0 && kind != LBI_OPERAND_OCTETS && operation != LBI_OPERATION_VERSION) {
        bytes[last + 1] = kind == LBI_OPERAND_TEXT ? 'x' : kind == LBI_OPERAND_TIME ? 3 : 1;
        print_entry(stream, row->word, "_some", bytes, (size_t)last + 2);
    }
}

void lb_dictionary_text(char **ret_text, size_t *ret_size)
{
    FILE *stream = open_memstream(ret_text, ret_size);
    const uint8_t *bytes;
    const char *name;
    size_t size;
    LB_ASSERT(stream != NULL);
    fprintf(stream, "# Operations of the byte form. Generated: replay_lifecycle --dictionary\n");
    for (int i = 0; i < LBI_OPERATION_COUNT; i++) {
        print_operation(stream, (enum lbi_operation)i);
    }
    fprintf(stream, "# Idioms\n");
    for (uint32_t i = 0; (bytes = lb_idiom(i, &size, &name)) != NULL; i++) {
        print_entry(stream, name, "", bytes, size);
    }
    int status = fclose(stream);
    LB_ASSERT(status == 0);
}
