/*
 * Tests of faults as text: what is printed is parsed again, what is no fault is refused, and each family
 * of the set is one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "run.h"

static void test_fault_text_is_parsed_as_printed(void **state)
{
    static const char *const texts[] = {
        "alloc 17",          "start 1",          "open 4294967295", "connect 2 refused",
        "connect 2 timeout", "read 3 timeout",   "read 3 reset",    "read 3 end",
        "read 3 late-reset", "read 3 late-end",  "write 9 reset",   "write 9 broken",
        "write 9 closed",    "short-read 7",     "short-write 1",   "slow-write 100ms",
        "slow-write 3ns",    "slow-write 60min", "window 64"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[LB_FAULT_TEXT_MAX];
        struct lb_fault fault;
        assert_true(lb_fault_parse(texts[i], &fault));
        lb_fault_print(&fault, text);
        assert_string_equal(text, texts[i]);
    }
}

static void test_fault_text_sets_every_member(void **state)
{
    struct lb_fault fault;
    (void)state;
    assert_true(lb_fault_parse("read 3 late-end", &fault));
    assert_int_equal(fault.kind, LB_FAULT_READ);
    assert_int_equal(fault.how, LB_FAULT_LATE_END);
    assert_int_equal(fault.number, 3);
    assert_int_equal(fault.amount, 0);
    assert_true(lb_fault_parse("slow-write 2us", &fault));
    assert_int_equal(fault.kind, LB_FAULT_SLOW_WRITE);
    assert_int_equal(fault.how, LB_FAULT_NOT);
    assert_int_equal(fault.number, 0);
    assert_int_equal(fault.amount, 2000);
}

static void test_fault_text_refuses_what_is_none(void **state)
{
    static const char *const texts[] = {"",
                                        "alloc",
                                        "alloc 0",
                                        "alloc 01",
                                        "alloc -1",
                                        "alloc 4294967296",
                                        "alloc 99999999999999999999",
                                        "alloc 1 ",
                                        "alloc  1",
                                        " alloc 1",
                                        "alloc 1 memory",
                                        "alloc 1x",
                                        "none 1",
                                        "read 1",
                                        "read 1 broken",
                                        "read 1 refused",
                                        "read 1 reset now",
                                        "write 1 end",
                                        "connect 1 reset",
                                        "short-read 0",
                                        "short-read 1 reset",
                                        "slow-write 1",
                                        "slow-write 1h",
                                        "slow-write 61min",
                                        "window 5ms",
                                        "an-unreasonably-long-word-that-does-not-fit-a-fault 1"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct lb_fault fault = {.number = 77};
        if (lb_fault_parse(texts[i], &fault)) {
            fail_msg("'%s' is a fault", texts[i]);
        }
        assert_int_equal(fault.number, 77);
    }
}

static void test_fault_text_names_each_family(void **state)
{
    bool has_kind[LB_FAULT_KIND_COUNT] = {true}; /* none */
    bool has_how[LB_FAULT_HOW_COUNT] = {false};
    struct lb_fault family;
    (void)state;
    for (uint32_t i = 0; lb_fault_family(i, &family); i++) {
        char text[LB_FAULT_TEXT_MAX];
        struct lb_fault parsed;
        lb_fault_print(&family, text);
        assert_true(lb_fault_parse(text, &parsed));
        assert_memory_equal(&parsed, &family, sizeof family);
        has_kind[family.kind] = true;
        has_how[family.how] = true;
    }
    for (int i = 0; i < LB_FAULT_KIND_COUNT; i++) {
        assert_true(has_kind[i]);
    }
    for (int i = 0; i < LB_FAULT_HOW_COUNT; i++) {
        assert_true(has_how[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_text_is_parsed_as_printed),
        cmocka_unit_test(test_fault_text_sets_every_member),
        cmocka_unit_test(test_fault_text_refuses_what_is_none),
        cmocka_unit_test(test_fault_text_names_each_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
