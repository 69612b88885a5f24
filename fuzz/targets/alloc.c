/*
 * The fuzz target of faults.
 *
 * Surface: what the transport does when an allocation, a worker's start or a call of the network fails,
 *          or every read or write is short, slow or held up.
 * Input:   operands first: the fault (0: none; modulo the number of families of `lastbyte faults`) and,
 *          for a fault that strikes one call, which one, in two digits of seven bits; then a case in
 *          bytes (codec.h).
 * Claims:  as of lifecycle.
 */
#include "page.h"

#include "core/assert.h"

/* fault_read: the fault that the first operands say; false: none. */
static bool fault_read(const uint8_t *bytes, size_t size, struct lb_fault *ret_fault)
{
    uint8_t operands[3] = {0};
    uint32_t count = 0;
    for (size_t i = 0; i < 3 && i < size && bytes[i] < 0x80; i++) {
        operands[i] = bytes[i];
    }
    while (lb_fault_family(count, ret_fault)) {
        count++;
    }
    LB_ASSERT(count > 0);
    uint32_t index = operands[0] % (count + 1);
    if (index == 0) {
        return false;
    }
    bool is_there = lb_fault_family(index - 1, ret_fault);
    LB_ASSERT(is_there);
    if (!lb_fault_is_bound(ret_fault->kind)) {
        ret_fault->number = 1u + operands[1] + ((uint32_t)operands[2] << 7);
    }
    return true;
}

LB_TARGET_PAGE(alloc)
{
    struct lb_fault fault;
    struct lb_variant variant = {.name = "base"};
    lb_codec_decode(bytes, size, &target->c);
    variant.slice = target->c.slice_count > 0 ? target->c.slices[0] : 0;
    variant.fault = fault_read(bytes, size, &fault) ? &fault : NULL;
    if (variant.fault != NULL) {
        lb_fault_print(&fault, target->fault);
    }
    lbi_target_run(target, &target->c, &variant, ret_result);
    target->is_broken = target->is_broken && ret_result->is_fault_reached;
}
