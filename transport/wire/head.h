/*
 * The fields of a message's head, or of its trailer section, as the receiver keeps them.
 */
#ifndef LASTBYTE_WIRE_HEAD_H
#define LASTBYTE_WIRE_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lastbyte/memory.h"
#include "lastbyte/status.h"

/* A response's head: its code and its fields as "name NUL value NUL ...". Without a field it has no
 * storage. */
struct lbi_head {
    struct lb_memory *memory; /* kept until deinit */
    char *bytes;
    size_t size;
    size_t capacity;
    uint16_t code; /* 0 of a trailer section */
};

/* lbi_head_deinit: releases the fields. All bytes zero is legal. */
void lbi_head_deinit(struct lbi_head *head);

/* lbi_head_append: adds bytes behind the last one. Errors: LB_MEMORY, with the head as it was. */
enum lb_status lbi_head_append(struct lbi_head *head, const char *bytes, size_t size);

/* lbi_head_trim: drops the white space behind the value that is being added, which is not part of it
 * (RFC 9112 section 5.1). */
void lbi_head_trim(struct lbi_head *head);

/* lbi_head_give: gives the fields to *ret_head and keeps none. */
void lbi_head_give(struct lbi_head *head, struct lbi_head *ret_head);

/* lbi_head_find: the first value of `name`, case-insensitive, borrowed; NULL if there is none. */
const char *lbi_head_find(const struct lbi_head *head, const char *name);

/* lbi_head_find_next: the value of the next field `name` from *at on, and NULL behind the last. *at
 * begins as head->bytes and moves on. */
const char *lbi_head_find_next(const struct lbi_head *head, const char *name, const char **at);

/* lbi_head_field: the field at `index`, from 0, borrowed; false: there are no more. */
bool lbi_head_field(const struct lbi_head *head, size_t index, const char **ret_name,
                    const char **ret_value);

#endif
