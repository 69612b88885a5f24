/*
 * The storage for fields: one block that grows by doubling, so that a head costs few allocations.
 */
#include "wire/head.h"

#include <string.h>
#include <strings.h>

#include "core/assert.h"
#include "core/limits.h"

void lbi_head_deinit(struct lbi_head *head)
{
    LB_ASSERT(head != NULL);
    if (head->bytes != NULL) {
        head->memory->release(head->memory, head->bytes, head->capacity);
    }
    head->bytes = NULL;
    head->size = 0;
    head->capacity = 0;
}

enum lb_status lbi_head_append(struct lbi_head *head, const char *bytes, size_t size)
{
    LB_ASSERT(head->memory != NULL);
    LB_ASSERT(head->size <= head->capacity);
    if (size == 0) {
        return LB_OK;
    }
    if (head->capacity - head->size < size) {
        size_t capacity = head->capacity == 0 ? LBI_HEAD_CAPACITY : head->capacity * 2;
        while (capacity - head->size < size) {
            capacity *= 2;
        }
        char *grown = head->memory->alloc(head->memory, capacity);
        if (grown == NULL) {
            return LB_MEMORY;
        }
        if (head->size > 0) {
            memcpy(grown, head->bytes, head->size);
        }
        size_t used = head->size;
        lbi_head_deinit(head);
        head->bytes = grown;
        head->size = used;
        head->capacity = capacity;
    }
    memcpy(head->bytes + head->size, bytes, size);
    head->size += size;
    return LB_OK;
}

void lbi_head_trim(struct lbi_head *head)
{
    while (head->size > 0 &&
           (head->bytes[head->size - 1] == ' ' || head->bytes[head->size - 1] == '\t')) {
        head->size--;
    }
}

void lbi_head_give(struct lbi_head *head, struct lbi_head *ret_head)
{
    *ret_head = *head;
    head->bytes = NULL;
    head->size = 0;
    head->capacity = 0;
}

/* head_next: the value of the field whose name stands at `name`; returns where the next name stands,
 * or NULL when there is no field at `name`. */
static const char *head_next(const struct lbi_head *head, const char *name, const char **ret_value)
{
    if (head->size == 0 || name == head->bytes + head->size) {
        return NULL;
    }
    const char *value = name + strlen(name) + 1;
    LB_ASSERT(value < head->bytes + head->size);
    *ret_value = value;
    return value + strlen(value) + 1;
}

const char *lbi_head_find_next(const struct lbi_head *head, const char *name, const char **at)
{
    const char *value = NULL;
    LB_ASSERT(name != NULL);
    while (*at != NULL) {
        const char *found = *at;
        *at = head_next(head, found, &value);
        if (*at != NULL && strcasecmp(found, name) == 0) {
            return value;
        }
    }
    return NULL;
}

const char *lbi_head_find(const struct lbi_head *head, const char *name)
{
    const char *at = head->bytes;
    return lbi_head_find_next(head, name, &at);
}

bool lbi_head_field(const struct lbi_head *head, size_t index, const char **ret_name,
                    const char **ret_value)
{
    const char *name = head->bytes;
    const char *value = NULL;
    const char *next = head_next(head, name, &value);
    while (next != NULL && index > 0) {
        name = next;
        next = head_next(head, name, &value);
        index--;
    }
    if (next == NULL) {
        return false;
    }
    *ret_name = name;
    *ret_value = value;
    return true;
}
