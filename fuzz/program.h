/*
 * A program: an input of a fuzz target as a row of records, for changes at the bounds of records.
 *
 * A record is an operation: a byte with its top bit set and the operands behind it. Operands before the
 * first one, which some targets read, are the program's prefix. In text each byte is a record of its own.
 */
#ifndef LASTBYTE_FUZZ_PROGRAM_H
#define LASTBYTE_FUZZ_PROGRAM_H

#include "operations.h"

#define LBI_PREFIX_MAX 16 /* operands before the first operation that are kept */

struct lbi_program {
    uint8_t prefix[LBI_PREFIX_MAX];
    uint32_t prefix_size;
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size;
    uint16_t starts[LB_CODEC_SIZE_MAX + 1]; /* of each record; starts[count] is the end */
    uint32_t count;
    bool is_bytes; /* each byte is a record */
};

/* lbi_program_set: bytes as a program without a prefix; those beyond LB_CODEC_SIZE_MAX, and in the
 * operation format those before the first operation, are left out. */
void lbi_program_set(struct lbi_program *program, const uint8_t *bytes, size_t size, bool is_bytes);

/* lbi_program_set_prefix: the operands before the first operation of `bytes`, trailing zeros left out,
 * become the prefix. */
void lbi_program_set_prefix(struct lbi_program *program, const uint8_t *bytes, size_t size);

/* lbi_program_store: the program as bytes, prefix included; `ret_bytes` has room for LB_CODEC_SIZE_MAX.
 * Returns how many; what would not fit is left out. */
size_t lbi_program_store(const struct lbi_program *program, uint8_t *ret_bytes);

/*
 * lbi_program_compare: shortlex order: fewer records before more, then fewer bytes, then the order of
 * the bytes, in which the simplest operation is the first and zero the simplest operand; prefixes come
 * last. Below, at or above 0.
 */
int lbi_program_compare(const struct lbi_program *a, const struct lbi_program *b);

/* lbi_program_operation: the operation of record `index` (operation format). */
enum lbi_operation lbi_program_operation(const struct lbi_program *program, uint32_t index);

/* lbi_program_operand: operand `place` (from 0) of record `index`; 0 if it is missing. */
uint8_t lbi_program_operand(const struct lbi_program *program, uint32_t index, uint32_t place);

/* lbi_program_operand_count: operands that record `index` has. */
uint32_t lbi_program_operand_count(const struct lbi_program *program, uint32_t index);

/* lbi_program_replace: record `index` becomes `size` other bytes; false: they do not fit. */
bool lbi_program_replace(struct lbi_program *program, uint32_t index, const uint8_t *bytes,
                         size_t size);

/* lbi_program_set_operand: operand `place` of record `index`, with zeros up to it where they are
 * missing; false: it does not fit. */
bool lbi_program_set_operand(struct lbi_program *program, uint32_t index, uint32_t place,
                             uint8_t value);

/*
 * lbi_program_without: `program` without the records marked in `gone` (of program->count). is_meant: they
 * are operations of the byte form: what belongs to a request that goes, goes with it; what names another
 * request names the same one afterwards.
 */
void lbi_program_without(const struct lbi_program *program, const bool *gone, bool is_meant,
                         struct lbi_program *ret_program);

/* lbi_program_swap: records `index` and `index + 1` change places. */
void lbi_program_swap(struct lbi_program *program, uint32_t index);

/* lbi_operation_is_request: whether an operation makes a request. */
bool lbi_operation_is_request(enum lbi_operation operation);

/* lbi_operation_is_exchange_start: whether a server's operation reads the next request. */
bool lbi_operation_is_exchange_start(enum lbi_operation operation);

#endif
