/*
 * Tests of the mutator as AFL++ calls it: results within bounds, the same for the same seed, and trimming
 * that leaves out one operation after the other and keeps what is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

void *afl_custom_init(void *afl, unsigned int seed);
void afl_custom_deinit(void *data);
uint8_t afl_custom_havoc_mutation_probability(void *data);
size_t afl_custom_havoc_mutation(void *data, uint8_t *bytes, size_t size, uint8_t **ret_bytes,
                                 size_t size_max);
int32_t afl_custom_init_trim(void *data, uint8_t *bytes, size_t size);
size_t afl_custom_trim(void *data, uint8_t **ret_bytes);
int32_t afl_custom_post_trim(void *data, unsigned char is_kept);

static void test_afl_mutator_is_reproducible(void **state)
{
    uint8_t bytes[64] = "\x8e\x00\x05\x81\x83\x84";
    void *first = afl_custom_init(NULL, 7);
    void *second = afl_custom_init(NULL, 7);
    (void)state;
    assert_int_equal(afl_custom_havoc_mutation_probability(first), 25);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t *a = NULL;
        uint8_t *b = NULL;
        size_t size = afl_custom_havoc_mutation(first, bytes, i % 7, &a, sizeof(bytes));
        assert_int_equal(afl_custom_havoc_mutation(second, bytes, i % 7, &b, sizeof(bytes)), size);
        assert_in_range(size, 1, sizeof(bytes));
        assert_memory_equal(a, b, size);
    }
    afl_custom_deinit(first);
    afl_custom_deinit(second);
}

/* Needed is the operation 0x83 with its operand; all others go. */
static void test_afl_mutator_trims_operations(void **state)
{
    uint8_t bytes[] = {0x05, 0x81, 0x83, 0x07, 0x84, 0x01, 0x02, 0x80};
    uint8_t kept[16];
    size_t kept_size = 0;
    void *data = afl_custom_init(NULL, 1);
    int32_t count = afl_custom_init_trim(data, bytes, sizeof(bytes));
    int32_t step = 0;
    (void)state;
    assert_int_equal(count, 4);
    while (step < count) {
        uint8_t *trimmed = NULL;
        size_t size = afl_custom_trim(data, &trimmed);
        unsigned char is_kept = memmem(trimmed, size, "\x83\x07", 2) != NULL;
        if (is_kept) {
            memcpy(kept, trimmed, size);
            kept_size = size;
        }
        step = afl_custom_post_trim(data, is_kept);
    }
    assert_int_equal(kept_size, 3);
    assert_memory_equal(kept, "\x05\x83\x07", 3);
    afl_custom_deinit(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_afl_mutator_is_reproducible),
        cmocka_unit_test(test_afl_mutator_trims_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
