/*
 * Programs: see program.h.
 *
 * Invariant: starts ascend, the first is 0 if there is a record, starts[count] is the size; in the
 * operation format the byte at each start, and no other, has its top bit set.
 */
#include "program.h"

#include <string.h>

#include "core/assert.h"

#define OPERATION_BIT 0x80u
#define REQUEST_NONE UINT32_MAX

/* program_index: finds the records of the bytes as they are now. */
static void program_index(struct lbi_program *program)
{
    program->count = 0;
    for (size_t i = 0; i < program->size; i++) {
        if (program->is_bytes || (program->bytes[i] & OPERATION_BIT) != 0) {
            program->starts[program->count] = (uint16_t)i;
            program->count++;
        }
    }
    program->starts[program->count] = (uint16_t)program->size;
    LB_ASSERT(program->count == 0 || program->starts[0] == 0);
}

void lbi_program_set(struct lbi_program *program, const uint8_t *bytes, size_t size, bool is_bytes)
{
    LB_ASSERT(bytes != NULL || size == 0);
    size = size < LB_CODEC_SIZE_MAX ? size : LB_CODEC_SIZE_MAX;
    while (!is_bytes && size > 0 && (*bytes & OPERATION_BIT) == 0) {
        bytes++;
        size--;
    }
    program->prefix_size = 0;
    program->is_bytes = is_bytes;
    program->size = size;
    if (size > 0) {
        memcpy(program->bytes, bytes, size);
    }
    program_index(program);
}

void lbi_program_set_prefix(struct lbi_program *program, const uint8_t *bytes, size_t size)
{
    LB_ASSERT(!program->is_bytes);
    program->prefix_size = 0;
    for (uint32_t i = 0; i < LBI_PREFIX_MAX && i < size && (bytes[i] & OPERATION_BIT) == 0; i++) {
        program->prefix[i] = bytes[i];
        program->prefix_size = bytes[i] != 0 ? i + 1 : program->prefix_size;
    }
}

size_t lbi_program_store(const struct lbi_program *program, uint8_t *ret_bytes)
{
    size_t room = LB_CODEC_SIZE_MAX - program->prefix_size;
    size_t size = program->size < room ? program->size : room;
    if (program->prefix_size > 0) {
        memcpy(ret_bytes, program->prefix, program->prefix_size);
    }
    if (size > 0) {
        memcpy(ret_bytes + program->prefix_size, program->bytes, size);
    }
    return program->prefix_size + size;
}

int lbi_program_compare(const struct lbi_program *a, const struct lbi_program *b)
{
    LB_ASSERT(a->is_bytes == b->is_bytes);
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    int order = memcmp(a->bytes, b->bytes, a->size);
    if (order == 0 && a->prefix_size != b->prefix_size) {
        order = a->prefix_size < b->prefix_size ? -1 : 1;
    }
    return order != 0 ? order : memcmp(a->prefix, b->prefix, a->prefix_size);
}

enum lbi_operation lbi_program_operation(const struct lbi_program *program, uint32_t index)
{
    LB_ASSERT(!program->is_bytes);
    LB_ASSERT(index < program->count);
    return lbi_operation_of_slot(program->bytes[program->starts[index]] & 0x7f);
}

uint32_t lbi_program_operand_count(const struct lbi_program *program, uint32_t index)
{
    LB_ASSERT(!program->is_bytes);
    LB_ASSERT(index < program->count);
    return (uint32_t)(program->starts[index + 1] - program->starts[index] - 1);
}

uint8_t lbi_program_operand(const struct lbi_program *program, uint32_t index, uint32_t place)
{
    return place < lbi_program_operand_count(program, index)
               ? program->bytes[program->starts[index] + 1u + place]
               : 0;
}

bool lbi_program_replace(struct lbi_program *program, uint32_t index, const uint8_t *bytes,
                         size_t size)
{
    LB_ASSERT(index < program->count);
    size_t from = program->starts[index];
    size_t to = program->starts[index + 1];
    if (program->size - (to - from) + size > LB_CODEC_SIZE_MAX) {
        return false;
    }
    memmove(program->bytes + from + size, program->bytes + to, program->size - to);
    if (size > 0) {
        memcpy(program->bytes + from, bytes, size);
    }
    program->size = program->size - (to - from) + size;
    program_index(program);
    return true;
}

bool lbi_program_set_operand(struct lbi_program *program, uint32_t index, uint32_t place,
                             uint8_t value)
{
    uint8_t record[LB_CODEC_SIZE_MAX];
    size_t size = lbi_program_operand_count(program, index) + 1u;
    LB_ASSERT(value < OPERATION_BIT);
    if (place >= sizeof(record) - 1) {
        return false;
    }
    memcpy(record, program->bytes + program->starts[index], size);
    for (; size <= place + 1; size++) {
        record[size] = 0;
    }
    record[place + 1] = value;
    return lbi_program_replace(program, index, record, size);
}

bool lbi_operation_is_request(enum lbi_operation operation)
{
    return operation == LBI_OPERATION_EXCHANGE || operation == LBI_OPERATION_GET ||
           operation == LBI_OPERATION_HEAD || operation == LBI_OPERATION_ASK;
}

bool lbi_operation_is_exchange_start(enum lbi_operation operation)
{
    return operation == LBI_OPERATION_WANT || operation == LBI_OPERATION_RESPOND;
}

/* The requests of a program while some of its records go: where each stands afterwards. */
struct survivors {
    uint32_t places[LBI_REQUESTS_MAX]; /* REQUEST_NONE: gone */
    uint32_t made;                     /* requests so far, before */
    uint32_t kept;                     /* and after */
};

/* survivors_request: a record that makes a request, kept or not. */
static void survivors_request(struct survivors *survivors, bool is_kept)
{
    if (survivors->made < LBI_REQUESTS_MAX) {
        survivors->places[survivors->made] = is_kept ? survivors->kept : REQUEST_NONE;
        survivors->made++;
        survivors->kept += is_kept ? 1 : 0;
    }
}

/* survivors_handle: what an operand that names a request becomes; false: that request is gone. */
static bool survivors_handle(const struct survivors *survivors, uint8_t operand,
                             uint8_t *ret_operand)
{
    if (survivors->made == 0) {
        *ret_operand = operand;
        return true;
    }
    uint32_t place = survivors->places[survivors->made - 1 - operand % survivors->made];
    if (place == REQUEST_NONE) {
        return false;
    }
    *ret_operand = (uint8_t)(survivors->kept - 1 - place);
    return true;
}

/* survivors_keep: whether a record that is not marked stays; sets *ret_handle, where it has one. */
static bool survivors_keep(const struct survivors *survivors, const struct lbi_program *program,
                           uint32_t index, bool *ret_has_handle, uint8_t *ret_handle)
{
    enum lbi_operation operation = lbi_program_operation(program, index);
    bool is_addition = operation == LBI_OPERATION_BODY || operation == LBI_OPERATION_BODY_EVENT ||
                       operation == LBI_OPERATION_WITH;
    *ret_has_handle = lbi_operation_row(operation)->operands[0] == LBI_OPERAND_REQUEST;
    if (is_addition) {
        return survivors->made == 0 || survivors->places[survivors->made - 1] != REQUEST_NONE;
    }
    return !*ret_has_handle ||
           survivors_handle(survivors, lbi_program_operand(program, index, 0), ret_handle);
}

static void program_append(struct lbi_program *program, const uint8_t *bytes, size_t size)
{
    LB_ASSERT(program->size + size <= LB_CODEC_SIZE_MAX);
    memcpy(program->bytes + program->size, bytes, size);
    program->starts[program->count] = (uint16_t)program->size;
    program->count++;
    program->size += size;
    program->starts[program->count] = (uint16_t)program->size;
}

/* program_drop: the program without the marked records, whatever others mean by it. */
static void program_drop(const struct lbi_program *program, const bool *gone,
                         struct lbi_program *ret_program)
{
    for (uint32_t i = 0; i < program->count; i++) {
        if (!gone[i]) {
            program_append(ret_program, program->bytes + program->starts[i],
                           (size_t)(program->starts[i + 1] - program->starts[i]));
        }
    }
}

void lbi_program_without(const struct lbi_program *program, const bool *gone, bool is_meant,
                         struct lbi_program *ret_program)
{
    struct survivors survivors = {.made = 0, .kept = 0};
    lbi_program_set(ret_program, NULL, 0, program->is_bytes);
    memcpy(ret_program->prefix, program->prefix, sizeof(program->prefix));
    ret_program->prefix_size = program->prefix_size;
    if (!is_meant) {
        program_drop(program, gone, ret_program);
        return;
    }
    for (uint32_t i = 0; i < program->count; i++) {
        const uint8_t *record = program->bytes + program->starts[i];
        size_t size = (size_t)(program->starts[i + 1] - program->starts[i]);
        bool has_handle = false;
        uint8_t handle = 0;
        if (lbi_operation_is_request(lbi_program_operation(program, i))) {
            survivors_request(&survivors, !gone[i]);
        }
        if (gone[i] || !survivors_keep(&survivors, program, i, &has_handle, &handle)) {
            continue;
        }
        program_append(ret_program, record, size);
        if (has_handle && handle != lbi_program_operand(program, i, 0)) {
            bool is_set = lbi_program_set_operand(ret_program, ret_program->count - 1, 0, handle);
            LB_ASSERT(is_set || size == 1);
        }
    }
}

void lbi_program_swap(struct lbi_program *program, uint32_t index)
{
    uint8_t first[LB_CODEC_SIZE_MAX];
    LB_ASSERT(index + 1 < program->count);
    size_t from = program->starts[index];
    size_t middle = program->starts[index + 1];
    size_t end = program->starts[index + 2];
    memcpy(first, program->bytes + from, middle - from);
    memmove(program->bytes + from, program->bytes + middle, end - middle);
    memcpy(program->bytes + from + (end - middle), first, middle - from);
    program_index(program);
}
