/*
 * Tests of words and marks: every enumerator has one word, and no two share it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/assert.h"
#include "lastbyte/lastbyte.h"

#define WORDS_MAX 128

/* A set of words while it is collected. */
struct words {
    const char *words[WORDS_MAX];
    size_t count;
};

/* words_add: one more word, which is not empty, is spelled as words are, and is new. */
static void words_add(struct words *words, const char *word)
{
    assert_non_null(word);
    assert_true(strlen(word) > 0);
    assert_int_equal(strspn(word, "abcdefghijklmnopqrstuvwxyz.-"), strlen(word));
    for (size_t i = 0; i < words->count; i++) {
        assert_string_not_equal(words->words[i], word);
    }
    assert_true(words->count < WORDS_MAX);
    words->words[words->count++] = word;
}

static void test_words_of_statuses(void **state)
{
    struct words words = {.count = 0};
    (void)state;
    for (int i = 0; i < LB_STATUS_COUNT; i++) {
        words_add(&words, lb_status_word((enum lb_status)i));
    }
    assert_string_equal(lb_status_word(LB_OK), "ok");
    assert_string_equal(lb_status_word(LB_MEMORY), "memory");
}

static void test_words_of_roles(void **state)
{
    struct words words = {.count = 0};
    (void)state;
    for (int i = 0; i < LB_ROLE_COUNT; i++) {
        words_add(&words, lb_role_word((enum lb_role)i));
    }
    assert_string_equal(lb_role_word(LB_ROLE_READ), "read");
}

static void test_words_of_body_states(void **state)
{
    struct words words = {.count = 0};
    (void)state;
    for (int i = 0; i < LB_BODY_STATE_COUNT; i++) {
        words_add(&words, lb_body_state_word((enum lb_body_state)i));
    }
    assert_string_equal(lb_body_state_word(LB_BODY_CLOSED), "closed");
}

static void test_words_of_sites(void **state)
{
    struct words words = {.count = 0};
    (void)state;
    for (int i = 0; i < LB_SITE_COUNT; i++) {
        words_add(&words, lb_site_label((enum lb_site)i));
    }
    assert_string_equal(lb_site_label(LB_SITE_WAIT_BODY_END), "wait.body-end");
}

static void test_words_of_events(void **state)
{
    struct words words = {.count = 0};
    (void)state;
    for (int i = 0; i < LB_EVENT_COUNT; i++) {
        words_add(&words, lb_event_word((enum lb_event)i));
    }
    assert_string_equal(lb_event_word(LB_EVENT_RETRY), "request.retry");
}

static void test_words_standard_memory_gives(void **state)
{
    (void)state;
    struct lb_memory *memory = lb_memory_standard();
    char *block = memory->alloc(memory, 16);
    assert_non_null(block);
    memset(block, 'x', 16);
    memory->release(memory, block, 16);
    assert_ptr_equal(memory, lb_memory_standard());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_statuses),
        cmocka_unit_test(test_words_of_roles),
        cmocka_unit_test(test_words_of_body_states),
        cmocka_unit_test(test_words_of_sites),
        cmocka_unit_test(test_words_of_events),
        cmocka_unit_test(test_words_standard_memory_gives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
