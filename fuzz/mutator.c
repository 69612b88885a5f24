/*
 * The mutator of the byte form: changes of operations instead of bytes.
 *
 * Mental model: an input is a row of records, each a byte with its top bit set and the operands
 * behind it. A change replaces a span of the input by other bytes, at the bounds of records. A
 * quarter of the calls go to the engine's own mutation, so that nothing is out of reach. Same
 * bytes and same seed give the same result.
 *
 * Invariant: what is written stays within size_max; a change that would not fit is not made.
 */
#include "mutator.h"

#include <string.h>

#include "core/assert.h"
#include "operations.h"

#define RECORDS_MAX 256u /* records that a change can meet; those behind stay as they are */
#define SLICE_MAX 8u     /* records that are copied, moved or deleted at once */
#define INSERT_MAX 512u  /* bytes of one change */
#define PREFIX_MAX 4u    /* operands before the first record that a change can make */
#define OWN_MAX 16u      /* operations of a target's own */

/* An input and where its records begin; starts[count] is its end. */
struct input {
    uint8_t *bytes;
    size_t size;
    size_t size_max;
    size_t starts[RECORDS_MAX + 1];
    uint32_t count;
    uint64_t random;
    const struct lb_mutator *mutator;
};

static uint32_t random_below(struct input *input, uint32_t bound)
{
    LB_ASSERT(bound > 0);
    input->random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t value = input->random;
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((value ^ value >> 31) % bound);
}

/* find_records: fills starts with the bounds of `bytes`; their number. */
static uint32_t find_records(const uint8_t *bytes, size_t size, size_t *ret_starts)
{
    uint32_t count = 0;
    for (size_t i = 0; i < size && count < RECORDS_MAX; i++) {
        if (bytes[i] >= 0x80) {
            ret_starts[count] = i;
            count++;
        }
    }
    ret_starts[count] = size;
    return count;
}

/* input_replace: the bytes from `from` to `to` become `insert`; false if they do not fit. */
static bool input_replace(struct input *input, size_t from, size_t to, const uint8_t *insert,
                          size_t insert_size)
{
    LB_ASSERT(from <= to);
    LB_ASSERT(to <= input->size);
    if (input->size - (to - from) + insert_size > input->size_max) {
        return false;
    }
    memmove(input->bytes + from + insert_size, input->bytes + to, input->size - to);
    if (insert_size > 0) {
        memcpy(input->bytes + from, insert, insert_size);
    }
    input->size = input->size - (to - from) + insert_size;
    input->count = find_records(input->bytes, input->size, input->starts);
    return true;
}

/* random_bound: the start of a record, or the end. */
static size_t random_bound(struct input *input)
{
    return input->starts[random_below(input, input->count + 1)];
}

/* random_span: one to SLICE_MAX records, mostly few; there is one at least. */
static void random_span(struct input *input, size_t *ret_from, size_t *ret_to)
{
    LB_ASSERT(input->count > 0);
    uint32_t first = random_below(input, input->count);
    uint32_t size = 1 + (random_below(input, 2) == 0 ? 0 : random_below(input, SLICE_MAX));
    uint32_t end = first + size < input->count ? first + size : input->count;
    *ret_from = input->starts[first];
    *ret_to = input->starts[end];
}

/* random_operand: mostly small, so that handles and flags mean something. */
static uint8_t random_operand(struct input *input, enum lbi_operand kind)
{
    switch (kind) {
    case LBI_OPERAND_HOST:
    case LBI_OPERAND_ANY_HOST:
        return (uint8_t)(random_below(input, 4) == 0 ? random_below(input, 4) : 0);
    case LBI_OPERAND_CONN:
    case LBI_OPERAND_REQUEST:
    case LBI_OPERAND_GET:
    case LBI_OPERAND_SIGNAL:
    case LBI_OPERAND_CHOICE:
    case LBI_OPERAND_END:
    case LBI_OPERAND_WANT:
    case LBI_OPERAND_BACK:
        return (uint8_t)random_below(input, 4);
    case LBI_OPERAND_EVENT:
    case LBI_OPERAND_FIELD:
        return (uint8_t)random_below(input, 4);
    case LBI_OPERAND_METHOD:
        return (uint8_t)random_below(input, 6);
    case LBI_OPERAND_FLAGS:
        return (uint8_t)(random_below(input, 2) == 0 ? 1u << random_below(input, 7)
                                                     : random_below(input, 128));
    case LBI_OPERAND_SOURCE:
        return (uint8_t)random_below(input, 32);
    case LBI_OPERAND_RESPOND:
    case LBI_OPERAND_PRIORITY:
        return (uint8_t)random_below(input, 8);
    case LBI_OPERAND_TIME:
        return (uint8_t)random_below(input, LBI_TIMES);
    case LBI_OPERAND_DEADLINE:
        return (uint8_t)(random_below(input, 4) == 0 ? random_below(input, LBI_TIMES) : 0);
    case LBI_OPERAND_HEAD:
        return (uint8_t)random_below(input, random_below(input, 2) == 0 ? 8 : LBI_HEAD_TOKENS);
    case LBI_OPERAND_NUMBER:
    case LBI_OPERAND_FILL:
    case LBI_OPERAND_READ:
    case LBI_OPERAND_WHOLE:
    case LBI_OPERAND_DIGITS:
        return (uint8_t)random_below(input, random_below(input, 2) == 0 ? 8 : 127);
    case LBI_OPERAND_NONE:
    case LBI_OPERAND_TEXT:
    case LBI_OPERAND_OCTETS:
    case LBI_OPERAND_KINDS:
        break;
    }
    return (uint8_t)random_below(input, 128);
}

/* random_own: an operation of a target's own, with some operands, mostly small. */
static size_t random_own(struct input *input, uint8_t *ret_bytes)
{
    size_t size = 1 + random_below(input, LBI_OPERANDS_MAX + 1);
    ret_bytes[0] = (uint8_t)(0x80 | random_below(input, OWN_MAX));
    for (size_t i = 1; i < size; i++) {
        ret_bytes[i] = (uint8_t)random_below(input, random_below(input, 2) == 0 ? 8 : 128);
    }
    return size;
}

/* random_operation: half of them favoured ones; likelier the more slots it has. */
static enum lbi_operation random_operation(struct input *input)
{
    const struct lb_mutator *mutator = input->mutator;
    if (mutator->favoured_count > 0 && random_below(input, 2) == 0) {
        uint8_t index = mutator->favoured[random_below(input, (uint32_t)mutator->favoured_count)];
        LB_ASSERT(index < LBI_OPERATION_COUNT);
        return (enum lbi_operation)index;
    }
    return lbi_operation_of_slot((uint8_t)random_below(input, 128));
}

/* random_record: an operation with operands of its kinds. */
static size_t random_record(struct input *input, uint8_t *ret_bytes)
{
    if (input->mutator->form == LB_TARGET_OWN) {
        return random_own(input, ret_bytes);
    }
    enum lbi_operation operation = random_operation(input);
    const struct lbi_operation_row *row = lbi_operation_row(operation);
    size_t size = 1;
    ret_bytes[0] = (uint8_t)(0x80 | operation);
    for (uint32_t i = 0; i < LBI_OPERANDS_MAX && row->operands[i] != LBI_OPERAND_NONE; i++) {
        ret_bytes[size] = random_operand(input, row->operands[i]);
        size++;
    }
    return size;
}

/* -- changes; each returns false if it could not be made -- */

static bool change_insert(struct input *input)
{
    uint8_t record[1 + LBI_OPERANDS_MAX];
    size_t size = random_record(input, record);
    size_t at = random_bound(input);
    return input_replace(input, at, at, record, size);
}

static bool change_insert_idiom(struct input *input)
{
    uint32_t count = 0;
    size_t size = 0;
    const char *name;
    if (input->mutator->form == LB_TARGET_OWN) {
        return false;
    }
    while (lb_idiom(count, &size, &name) != NULL) {
        count++;
    }
    const uint8_t *idiom = lb_idiom(random_below(input, count), &size, &name);
    size_t at = random_bound(input);
    return input_replace(input, at, at, idiom, size);
}

static bool change_delete(struct input *input)
{
    size_t from;
    size_t to;
    if (input->count == 0) {
        return false;
    }
    random_span(input, &from, &to);
    return input_replace(input, from, to, NULL, 0);
}

/* change_replace: another operation with operands of its own. */
static bool change_replace(struct input *input)
{
    uint8_t record[1 + LBI_OPERANDS_MAX];
    if (input->count == 0) {
        return false;
    }
    uint32_t index = random_below(input, input->count);
    size_t size = random_record(input, record);
    return input_replace(input, input->starts[index], input->starts[index + 1], record, size);
}

/* change_opcode: another operation with the same operands. */
static bool change_opcode(struct input *input)
{
    if (input->count == 0) {
        return false;
    }
    uint32_t index = random_below(input, input->count);
    bool is_own = input->mutator->form == LB_TARGET_OWN;
    uint8_t operation =
        is_own ? (uint8_t)random_below(input, OWN_MAX) : (uint8_t)random_operation(input);
    input->bytes[input->starts[index]] = (uint8_t)(0x80 | operation);
    return true;
}

/* change_prefix: an operand before the first record, which need not be there yet. */
static bool change_prefix(struct input *input)
{
    size_t size = input->count > 0 ? input->starts[0] : input->size;
    size_t place = random_below(input, PREFIX_MAX);
    if (input->mutator->form != LB_TARGET_PREFIXED) {
        return false;
    }
    for (; size <= place; size++) {
        const uint8_t zero = 0;
        if (!input_replace(input, size, size, &zero, 1)) {
            return false;
        }
    }
    input->bytes[place] = (uint8_t)random_below(input, random_below(input, 2) == 0 ? 16 : 128);
    return true;
}

/* change_operand: one operand, which need not be there yet, becomes another or the one beside
 * it. */
static bool change_operand(struct input *input)
{
    if (input->count == 0) {
        return false;
    }
    uint32_t index = random_below(input, input->count);
    size_t start = input->starts[index];
    size_t size = input->starts[index + 1] - start;
    enum lbi_operation operation = lbi_operation_of_slot(input->bytes[start] & 0x7f);
    size_t kind_count = 1;
    const struct lbi_operation_row *row = lbi_operation_row(operation);
    while (kind_count < LBI_OPERANDS_MAX && row->operands[kind_count] != LBI_OPERAND_NONE) {
        kind_count++;
    }
    size_t reach = size - 1 > kind_count ? size - 1 : kind_count;
    size_t place = 1 + random_below(input, (uint32_t)reach);
    while (size <= place) {
        const uint8_t zero = 0;
        if (!input_replace(input, start + size, start + size, &zero, 1)) {
            return false;
        }
        size++;
    }
    enum lbi_operand kind = place <= kind_count ? row->operands[place - 1] : LBI_OPERAND_TEXT;
    uint8_t *operand = &input->bytes[start + place];
    switch (random_below(input, 4)) {
    case 0:
        *operand = (uint8_t)((*operand + 1) & 0x7f);
        break;
    case 1:
        *operand = (uint8_t)((*operand - 1) & 0x7f);
        break;
    default:
        *operand = random_operand(input, kind);
        break;
    }
    return true;
}

/* change_swap: two neighbours change places. */
static bool change_swap(struct input *input)
{
    uint8_t copy[INSERT_MAX];
    if (input->count < 2) {
        return false;
    }
    uint32_t index = random_below(input, input->count - 1);
    size_t first = input->starts[index];
    size_t second = input->starts[index + 1];
    size_t end = input->starts[index + 2];
    if (end - first > sizeof(copy)) {
        return false;
    }
    memcpy(copy, input->bytes + second, end - second);
    memcpy(copy + (end - second), input->bytes + first, second - first);
    return input_replace(input, first, end, copy, end - first);
}

/* change_copy: a slice a second time, elsewhere; or moved there. */
static bool change_copy(struct input *input)
{
    uint8_t copy[INSERT_MAX];
    size_t from;
    size_t to;
    if (input->count == 0) {
        return false;
    }
    random_span(input, &from, &to);
    if (to - from > sizeof(copy)) {
        return false;
    }
    size_t size = to - from;
    memcpy(copy, input->bytes + from, size);
    bool is_move = random_below(input, 3) == 0;
    if (is_move && !input_replace(input, from, to, NULL, 0)) {
        return false;
    }
    size_t at = random_bound(input);
    return input_replace(input, at, at, copy, size);
}

typedef bool change_fn(struct input *input);

/* The changes, as often as they are likely. */
static change_fn *const changes[] = {
    change_insert,  change_insert, change_insert_idiom, change_delete,
    change_replace, change_opcode, change_operand,      change_operand,
    change_operand, change_swap,   change_copy,         change_prefix,
};

#define CHANGE_COUNT (sizeof(changes) / sizeof(*changes))

size_t lb_mutator_mutate(const struct lb_mutator *mutator, uint8_t *bytes, size_t size,
                         size_t size_max)
{
    struct input input = {.bytes = bytes,
                          .size = size,
                          .size_max = size_max,
                          .random = mutator->seed,
                          .mutator = mutator};
    LB_ASSERT(size <= size_max);
    LB_ASSERT(mutator->form != LB_TARGET_TEXT);
    if (mutator->mutate_bytes != NULL && random_below(&input, 4) == 0) {
        return mutator->mutate_bytes(bytes, size, size_max);
    }
    input.count = find_records(bytes, size, input.starts);
    uint32_t count = 1 + (random_below(&input, 2) == 0 ? 0 : random_below(&input, 4));
    bool is_changed = false;
    for (uint32_t i = 0; i < count || (!is_changed && i < 16); i++) {
        change_fn *change = changes[random_below(&input, CHANGE_COUNT)];
        is_changed = change(&input) || is_changed;
    }
    LB_ASSERT(input.size <= size_max);
    return input.size;
}

size_t lb_mutator_cross(unsigned int seed, const uint8_t *first, size_t first_size,
                        const uint8_t *second, size_t second_size, uint8_t *ret_bytes,
                        size_t size_max)
{
    size_t starts[RECORDS_MAX + 1];
    struct input input = {.bytes = ret_bytes,
                          .size = first_size < size_max ? first_size : size_max,
                          .size_max = size_max,
                          .random = seed};
    if (input.size > 0) {
        memcpy(ret_bytes, first, input.size);
    }
    input.count = find_records(ret_bytes, input.size, input.starts);
    uint32_t count = find_records(second, second_size, starts);
    uint32_t from = random_below(&input, count + 1);
    uint32_t to = from + random_below(&input, count - from + 1);
    size_t into = random_bound(&input);
    size_t until = random_below(&input, 2) == 0 ? into : random_bound(&input);
    size_t low = into < until ? into : until;
    size_t high = into < until ? until : into;
    if (second_size > 0) {
        (void)input_replace(&input, low, high, second + starts[from], starts[to] - starts[from]);
    }
    LB_ASSERT(input.size <= size_max);
    return input.size;
}
