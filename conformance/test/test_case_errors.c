/*
 * Tests of the errors of the case language: each names its place and its cause, and no bytes do
 * harm.
 */
#include "test/case_fixture.h"

#include "sim/net.h"

#include <sys/stat.h>
#include <unistd.h>

/* -- errors -- */

#define HEADER "case 1\ntitle t\nlevel MUST\nspec LASTBYTE E1\n"
#define CONN HEADER "host a\nconn 1\n"
#define CLIENT HEADER "host a\nclient\n"
#define MADE CLIENT "get r a /p\n"

#define OPTION_WORDS                                                                               \
    "one of per-host, idle-per-host, idle-total, idle-timeout, dial-timeout, head-timeout, "       \
    "head-size, retries, drain, drain-time, continue-timeout, written-timeout, gzip, gzip-tail, "  \
    "gzip-ratio, keep-alive"

#define SERVER_WORDS                                                                               \
    "one of want, |, send, chunk, fill, gzip, pause, await, close, half-close, reset, "            \
    "stall, refuse, serve, conn, host, client"

#define CLIENT_WORDS                                                                               \
    "one of get, head, post, put, delete, options, read, write, close, cancel, drop, wait, poll, " \
    "trailer, close-idle, advance, settle, signal, expect"

#define WANT_WORDS "one of GET, HEAD, POST, PUT, DELETE, OPTIONS, any, body, close, reset"

#define REQUEST_WORDS                                                                              \
    "body N, expect, interim, upgrade, http10, idempotent, with, close, deadline T (in this "      \
    "order), &, => or the end of the line"

#define ERROR_WORDS                                                                                \
    "one of incomplete, cancelled, reset, timeout, protocol, refused, closed, limit, "             \
    "memory, source"

struct error_row {
    const char *text;
    uint32_t line;
    uint32_t column;
    const char *found;
    const char *expected;
};

static const struct error_row error_rows[] = {
    {"case 2\n", 1, 6, "\"2\"", "1"},
    {"cases 1\n", 1, 1, "\"cases\"", "case (did you mean \"case\"?)"},
    {"case 1\nlevel MUST\n", 2, 1, "\"level\"", "title"},
    {"case 1\ntitle \n", 2, 7, "the end of the line", "a sentence that can be false"},
    {"case 1\ntitle t \n", 2, 8, "a blank at the end of the line",
     "no blank there; one of the wire is written \\x20"},
    {"case 1\ntitle t\\q\n", 2, 8, "the escape \\q", "one of \\r, \\n, \\t, \\\\, \\xHH"},
    {"case 1\ntitle t\nlevel must\n", 3, 7, "\"must\"", "a level: one of MUST, SHOULD, MAY, HOUSE"},
    {"case 1\ntitle t\nlevel MUST\nclient\n", 4, 1, "\"client\"", "spec"},
    {"case 1\ntitle t\nlevel MUST\nspec LASTBYTE\n", 4, 14, "the end of the line",
     "a section such as 9.3 or R3"},
    {"case 1\ntitle t\nlevel MUST\nspec LASTBYTE E1 quote\n", 4, 18, "\"quote\"",
     "a quote in \" or the end of the line"},
    {HEADER "titel x\n", 5, 1, "\"titel\"",
     "one of spec, tags, vary, option, schedule, host, client"},
    {HEADER "title x\n", 5, 1, "\"title\"",
     "one of spec, tags, vary, option, schedule, host, client"},
    {HEADER "tags\n", 5, 5, "the end of the line", "a tag"},
    {HEADER "tags a\ntags b\n", 6, 1, "\"tags\"", "one of vary, option, schedule, host, client"},
    {HEADER "vary slices 1\n", 5, 6, "\"slices\"", "slice (did you mean \"slice\"?)"},
    {HEADER "vary slice 0\n", 5, 12, "\"0\"", "whole or a number of bytes from 1 to 4294967294"},
    {HEADER "vary slice 1 2 3 4 5 6 7 8 9\n", 5, 28, "\"9\"", "at most 8 slices"},
    {HEADER "option pre-host=1\n", 5, 8, "\"pre-host=1\"",
     "KEY=VALUE: " OPTION_WORDS " (did you mean \"per-host\"?)"},
    {HEADER "option per-host\n", 5, 8, "\"per-host\"",
     "KEY=VALUE: " OPTION_WORDS " (did you mean \"per-host\"?)"},
    {HEADER "option per-host=x\n", 5, 17, "\"x\"", "a number"},
    {HEADER "option per-host=1 per-host=2\n", 5, 19, "an option that is set already",
     "each option once"},
    {HEADER "option idle-timeout=3\n", 5, 22, "a number without a unit",
     "a unit: one of ns, us, ms, s, min"},
    {HEADER "option head-size=4294967296\n", 5, 18, "\"4294967296\"",
     "a number from 0 to 4294967295"},
    {HEADER "schedule later 1\n", 5, 10, "\"later\"",
     "a departure: one of after, demote, start (did you mean \"after\"?)"},
    {HEADER "schedule after 65536\n", 5, 16, "\"65536\"", "a number of decisions from 0 to 65535"},
    {HEADER "schedule after 1 first\n", 5, 18, "\"first\"",
     "the end of the line or a choice: one of second, third"},
    {HEADER "schedule demote a.1\n", 5, 17, "\"a.1\"", "a worker such as read(a.1)"},
    {HEADER "schedule demote red(a.1) @ body.close #1\n", 5, 17, "\"red(a.1)\"",
     "a role (read, write, dial, caller or server) and (LABEL)"},
    {HEADER "schedule demote read() @ body.close #1\n", 5, 17, "\"read()\"",
     "a label of 1 to 23 characters a-z 0-9 . * - in brackets"},
    {HEADER "schedule demote read(a.1) body.close #1\n", 5, 27, "\"body.close\"", "@"},
    {HEADER "schedule demote read(a.1) @ body.clos #1\n", 5, 29, "\"body.clos\"",
     "a label of site.h, such as socket.read.body"},
    {HEADER "schedule demote read(a.1) @ body.close 1\n", 5, 40, "\"1\"",
     "an occurrence such as #1"},
    {HEADER "schedule demote read(a.1) @ body.close #0\n", 5, 41, "\"0\"",
     "an occurrence from 1 to 4294967295"},
    {HEADER "schedule start 1 8\n", 5, 18, "\"8\"", "a priority from 0 to 7"},
    {HEADER "schedule start 512 1\n", 5, 16, "\"512\"", "a worker from 0 to 511"},
    {HEADER "", 5, 1, "the end of the file", "a client block"},
    {HEADER "host a\n", 6, 1, "the end of the file", "a client block"},
    {HEADER "host A\n", 5, 6, "\"A\"", "the name of a host: a-z, then a-z, 0-9 and -"},
    {HEADER "host abcdefghijklmnop\n", 5, 6, "\"abcdefghijklmnop\"",
     "the name of a host of at most 15 characters"},
    {HEADER "host a\nhost a\nclient\n", 6, 6, "a host that stands above already", "another name"},
    {HEADER "host a\nwant any\n", 6, 1, "\"want\"", "one of conn, host, client"},
    {HEADER "host a\nconn x\n", 6, 6, "\"x\"", "* or a connection's number"},
    {CONN "conn 1\n", 7, 6, "a connection that has its script already", "another number"},
    {HEADER "host a\nconn *\nconn *\n", 7, 6, "a connection that has its script already",
     "another number"},
    {HEADER "host a\nconn 257\n", 6, 6, "\"257\"", "* or a connection's number from 1 to 256"},
    {CONN "wnat GET /p\n", 7, 1, "\"wnat\"", SERVER_WORDS " (did you mean \"want\"?)"},
    {CONN "halfclose\n", 7, 1, "\"halfclose\"", SERVER_WORDS " (did you mean \"half-close\"?)"},
    {CONN "want POTS /p\n", 7, 6, "\"POTS\"", WANT_WORDS " (did you mean \"POST\"?)"},
    {CONN "want POST /p body x\n", 7, 19, "\"x\"", "a number of bytes"},
    {CONN "want POST /p body 1048577\n", 7, 19, "\"1048577\"",
     "a number of bytes from 0 to 1048576"},
    {CONN "want POST /p expect body 1\n", 7, 21, "\"body\"", "the end of the line"},
    {CONN "want body\n", 7, 10, "the end of the line", "all, end or a number of bytes"},
    {CONN "want body 0\n", 7, 11, "\"0\"", "all, end or a number of bytes from 1 to 1048576"},
    {CONN "want body end or close\n", 7, 15, "\"or\"", "the end of the line"},
    {CONN "gzip\n", 7, 5, "the end of the line", "a number of bytes"},
    {CONN "gzip 5 cut 0\n", 7, 12, "\"0\"", "a number of bytes from 1 to 1048576"},
    {CONN "gzip 5 of\n", 7, 8, "\"of\"", "the end of the line"},
    {CONN "want GET p\n", 7, 10, "\"p\"", "a path that begins with /"},
    {CONN "want GET\n", 7, 9, "the end of the line", "a path that begins with /"},
    {CONN "want GET /p or stay\n", 7, 16, "\"stay\"", "one of close, reset"},
    {CONN "want reset or close\n", 7, 15, "\"close\"", "close before reset, each once"},
    {CONN "|x\n", 7, 2, "\"x\"", "a blank after |"},
    {CONN "| x \n", 7, 4, "a blank at the end of the line",
     "no blank there; one of the wire is written \\x20"},
    {CONN "| x\\q\n", 7, 4, "the escape \\q", "one of \\r, \\n, \\t, \\\\, \\xHH"},
    {CONN "| \\\"\n", 7, 3, "the escape \\\"", "one of \\r, \\n, \\t, \\\\, \\xHH"},
    {CONN "| \\x4g\n", 7, 3, "\\x without two hexadecimal digits", "\\xHH"},
    {CONN "send\n", 7, 5, "the end of the line", "a string of at least one byte"},
    {CONN "send \"\"\n", 7, 6, "an empty string", "a string of at least one byte"},
    {CONN "send \"abc\n", 7, 6, "a string without its end", "a closing \" on the same line"},
    {CONN "send \"a\\q\"\n", 7, 8, "the escape \\q", "one of \\r, \\n, \\t, \\\\, \\\", \\xHH"},
    {CONN "send \"a\\x4\"\n", 7, 8, "\\x without two hexadecimal digits", "\\xHH"},
    {CONN "send \"a\" b\n", 7, 10, "\"b\"", "the end of the line"},
    {CONN "send \"abc\\\n", 7, 10, "the escape \\ ", "one of \\r, \\n, \\t, \\\\, \\\", \\xHH"},
    {CONN "chunk fill 0\n", 7, 12, "\"0\"", "a number of bytes from 1 to 1048576"},
    {CONN "chunk ends\n", 7, 7, "\"ends\"",
     "a string of at least one byte, fill N, gzip N, or end"},
    {CONN "fill 1048577\n", 7, 6, "\"1048577\"", "a number of bytes from 1 to 1048576"},
    {CONN "fill 99999999999999999999\n", 7, 6, "\"99999999999999999999\"",
     "a number of at most 18446744073709551615"},
    {CONN "fill 12a\n", 7, 6, "\"12a\"", "a number of bytes"},
    {CONN "pause 200\n", 7, 10, "a number without a unit", "a unit: one of ns, us, ms, s, min"},
    {CONN "pause 200 ms\n", 7, 10, "a number without a unit", "a unit: one of ns, us, ms, s, min"},
    {CONN "pause 2sec\n", 7, 8, "\"sec\"", "a unit: one of ns, us, ms, s, min"},
    {CONN "pause ms\n", 7, 7, "\"ms\"", "a time with its unit, such as 200ms"},
    {CONN "pause 99999999999999999999s\n", 7, 7, "\"99999999999999999999s\"",
     "a number of at most 18446744073709551615"},
    {CONN "pause 18446744073709551615s\n", 7, 7, "\"18446744073709551615s\"",
     "a time of at most 60min"},
    {CONN "await 1\n", 7, 7, "\"1\"", "the name of a signal: a-z, then a-z, 0-9 and -"},
    {CONN "pause 1s\nrefuse\n", 8, 1, "refuse after another line",
     "refuse as the only line of its connection"},
    {CONN "refuse\nclose\n", 8, 1, "\"close\"", "nothing after refuse but conn, host or client"},
    {CONN "serve\nclose\n", 8, 1, "\"close\"", "nothing after serve but conn, host or client"},
    {CONN "close now\n", 7, 7, "\"now\"", "the end of the line"},
    {CLIENT "gte r a /p\n", 7, 1, "\"gte\"",
     CLIENT_WORDS ", setup, should (did you mean \"get\"?)"},
    {CLIENT "get r b /p\n", 7, 7, "\"b\"", "a host of this case: a"},
    {CLIENT "get r a p\n", 7, 9, "\"p\"", "a path that begins with /"},
    {CLIENT "get r a /p=>200\n", 7, 12, "\">\" in a path",
     "a character of a path (RFC 3986 section 3.3)"},
    {CLIENT "get r a /p closed\n", 7, 12, "\"closed\"", REQUEST_WORDS},
    {CLIENT "post r a /p expect body 5\n", 7, 20, "\"body\"", REQUEST_WORDS},
    {CLIENT "post r a /p body\n", 7, 17, "the end of the line", "a number of bytes"},
    {CLIENT "post r a /p body 5 at 6 fail\n", 7, 23, "\"6\"", "a place in the body from 0 to 5"},
    {CLIENT "post r a /p body 5 at 4 wait\n", 7, 25, "\"wait\"",
     "one of await, stall, fail, end (did you mean \"await\"?)"},
    {CLIENT "post r a /p body 5 at 4 await\n", 7, 30, "the end of the line",
     "the name of a signal: a-z, then a-z, 0-9 and -"},
    {CLIENT "post r a /p body 5 piece 0\n", 7, 26, "\"0\"", "a number of bytes from 1 to 1048576"},
    {CLIENT "get r a /p interim stop 0\n", 7, 25, "\"0\"",
     "which interim response from 1 to 4294967295"},
    {CLIENT "get r a /p with Range\n", 7, 17, "\"Range\"", "a field such as \"Range: bytes=0-3\""},
    {MADE "write r x\n", 8, 9, "\"x\"", "a string of at least one byte"},
    {MADE "trailer r\n", 8, 10, "the end of the line", "the name of a field"},
    {MADE "expect source r open=1\n", 8, 17, "\"open=1\"",
     "a term such as idle=1, with a key of: one of closed, read, rewound"},
    {CLIENT "get r a /p deadline 0s\n", 7, 21, "\"0s\"", "a deadline above zero"},
    {CLIENT "get r a /p deadline 1\n", 7, 22, "a number without a unit",
     "a unit: one of ns, us, ms, s, min"},
    {CLIENT "get R a /p\n", 7, 5, "\"R\"", "the name of a request: a-z, then a-z, 0-9 and -"},
    {HEADER "client\nget r a /p\n", 6, 7, "\"a\"", "a host, but this case has none"},
    {MADE "get r a /q\n", 8, 5, "a request that was made above already", "another name"},
    {MADE "read q 1\n", 8, 6, "\"q\"", "a request made above: r"},
    {CLIENT "read q 1\n", 7, 6, "\"q\"", "a request made above by get, head, post, ..."},
    {MADE "read r 0\n", 8, 8, "\"0\"", "all or a number of bytes from 1 to 4294967295"},
    {MADE "read r\n", 8, 7, "the end of the line", "all or a number of bytes"},
    {MADE "read r 1 => \n", 8, 13, "the end of the line",
     "a status code, \"bytes\", fill N, end, ok, none, pending or error WORD"},
    {MADE "read r 1 => 99\n", 8, 13, "\"99\"", "a status code from 100 to 999"},
    {MADE "read r 1 => 1000\n", 8, 13, "\"1000\"", "a status code from 100 to 999"},
    {MADE "read r 1 => error\n", 8, 18, "the end of the line", "an error: " ERROR_WORDS},
    {MADE "read r 1 => error incomplet\n", 8, 19, "\"incomplet\"",
     "an error: " ERROR_WORDS " (did you mean \"incomplete\"?)"},
    {MADE "read r 1 => ok or\n", 8, 18, "the end of the line",
     "a status code, \"bytes\", fill N, end, ok, none, pending or error WORD"},
    {MADE "read r 1 => ok or end unreached-ok\n", 8, 35, "the end of the line", "the reason in \""},
    {MADE "read r 1 => ok unreached-ok \"x\"\n", 8, 32, "the end of the line",
     "or and another alternative: one alone must be reached"},
    {MADE "read r 1 & => ok\n", 8, 12, "\"=>\"",
     "the end of the line: the outcome stands beside its wait"},
    {MADE "cancel r &\n", 8, 10, "\"&\"", "=> or the end of the line"},
    {MADE "read r 1 ok\n", 8, 10, "\"ok\"", "&, => or the end of the line"},
    {MADE "cancel r ok\n", 8, 10, "\"ok\"", "=> or the end of the line"},
    {MADE "settle now\n", 8, 8, "\"now\"", "the end of the line"},
    {MADE "settle => ok\n", 8, 8, "\"=>\"", "the end of the line"},
    {MADE "close-idle b\n", 8, 12, "\"b\"", "a host of this case: a"},
    {MADE "expect\n", 8, 7, "the end of the line",
     "one of pool, conns, body, wire, source, workers"},
    {MADE "expect pol a idle=1\n", 8, 8, "\"pol\"",
     "one of pool, conns, body, wire, source, workers (did you mean \"pool\"?)"},
    {MADE "expect pool a\n", 8, 14, "the end of the line",
     "a term such as idle=1, with a key of: one of idle, busy, waiting"},
    {MADE "expect pool a opened=1\n", 8, 15, "\"opened=1\"",
     "a term such as idle=1, with a key of: one of idle, busy, waiting"},
    {MADE "expect pool a idle\n", 8, 19, "the end of the line", "=, <= or >="},
    {MADE "expect pool a idle<1\n", 8, 19, "\"<1\"", "=, <= or >="},
    {MADE "expect pool a idle=x\n", 8, 20, "\"x\"", "a number"},
    {MADE "expect body r state<=open\n", 8, 20, "\"<=open\"", "="},
    {MADE "expect body r state=opn\n", 8, 21, "\"opn\"",
     "a state: one of none, open, ended, failed, cancelled, closed (did you mean \"open\"?)"},
    {MADE "expect wire a closed-by=client\n", 8, 13, "\"a\"", "a connection such as a.1"},
    {MADE "expect wire a. closed-by=client\n", 8, 15, "a host without a number",
     "a connection such as a.1"},
    {MADE "expect wire a.0 closed-by=client\n", 8, 15, "\"0\"",
     "a connection's number from 1 to 256"},
    {MADE "expect wire a.1 closed-by=me\n", 8, 27, "\"me\"", "who: one of nobody, client, server"},
    {MADE "setup\n", 8, 6, "the end of the line", CLIENT_WORDS},
    {MADE "setup setup get r\n", 8, 7, "\"setup\"", CLIENT_WORDS},
    {MADE "client\n", 8, 1, "a second client block", "one client block"},
    {MADE "host b\n", 8, 1, "\"host\"", "the client block to be the last"},
    {MADE "pause 1s\n", 8, 1, "\"pause\"", CLIENT_WORDS ", setup, should"},
    {"", 1, 1, "an empty file", "a case"},
    {"\n", 2, 1, "the end of the file", "case"},
    {"# only\n", 2, 1, "the end of the file", "case"},
    {"case 1\r\ntitle t\r\n", 1, 7, "a CR LF line end (0x0d)",
     "lines that end with LF alone; a CR of the wire is written \\r"},
    {"case 1\rtitle", 1, 7, "a lone CR (0x0d)",
     "lines that end with LF alone; a CR of the wire is written \\r"},
    {"case\t1\n", 1, 5, "a tab (0x09)", "blanks; a tab of the wire is written \\t"},
    {"case 1\ntitle \x80", 2, 7, "a byte that is not ASCII (0x80)",
     "printable ASCII; any other byte of the wire is written \\xHH"},
    {"case 1\ntitle \xc3\xa9\n", 2, 7, "a byte that is not ASCII (0xc3)",
     "printable ASCII; any other byte of the wire is written \\xHH"},
    {"case 1\ntitle \x01\n", 2, 7, "a control character (0x01)",
     "printable ASCII; any other byte of the wire is written \\xHH"},
};

static void test_case_errors_name_place_and_cause(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
        const struct error_row *row = &error_rows[i];
        struct lb_case_error error = {.line = 99};
        enum lb_status status = lb_case_parse("f", row->text, strlen(row->text), &parsed, &error);
        if (status != LB_PROTOCOL || error.line != row->line || error.column != row->column ||
            strcmp(error.found, row->found) != 0 || strcmp(error.expected, row->expected) != 0) {
            fail_msg("%s\ngives %u:%u: found %s, expected %s", row->text, error.line, error.column,
                     error.found, error.expected);
        }
        assert_int_equal(parsed.host_count, 0);
        assert_int_equal(parsed.client.count, 0);
    }
}

static void test_case_error_text_says_it_in_one_line(void **state)
{
    (void)state;
    struct lb_case_error error;
    char text[512];
    char small[8];
    assert_int_equal(
        lb_case_parse("d/f.case", CONN "wnat\n", strlen(CONN "wnat\n"), &parsed, &error),
        LB_PROTOCOL);
    lb_case_error_text(&error, text, sizeof(text));
    assert_string_equal(text, "d/f.case:7:1: found \"wnat\", expected " SERVER_WORDS
                              " (did you mean \"want\"?)");
    lb_case_error_text(&error, small, sizeof(small));
    assert_string_equal(small, "d/f.cas");
    assert_int_equal(lb_case_parse("f", "", 0, &parsed, &error), LB_PROTOCOL);
    lb_case_error_text(&error, text, sizeof(text));
    assert_string_equal(text, "f:1:1: found an empty file, expected a case");
}

/* check_refused: that bytes are refused at line and column, found as said. */
static void check_refused(const char *bytes, size_t size, uint32_t line, uint32_t column,
                          const char *found)
{
    struct lb_case_error error;
    assert_int_equal(lb_case_parse("f", bytes, size, &parsed, &error), LB_PROTOCOL);
    assert_string_equal(error.found, found);
    assert_int_equal(error.line, line);
    assert_int_equal(error.column, column);
}

static void test_case_nul_bytes_are_refused(void **state)
{
    (void)state;
    check_refused("case 1\nti\0tle", 13, 2, 3, "a NUL byte (0x00)");
    check_refused("\0", 1, 1, 1, "a NUL byte (0x00)");
}

/* repeated: HEADER, `prefix`, then `count` times `line`, in fresh memory. */
static char *repeated(const char *prefix, const char *line, size_t count)
{
    size_t size = strlen(HEADER) + strlen(prefix);
    char *text = malloc(size + count * strlen(line) + 1);
    assert_non_null(text);
    memcpy(text, HEADER, strlen(HEADER));
    memcpy(text + strlen(HEADER), prefix, strlen(prefix) + 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + size + i * strlen(line), line, strlen(line) + 1);
    }
    return text;
}

static void test_case_too_many_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        const char *line;
        size_t count;
        uint32_t place;
        const char *found;
    } rows[] = {
        {"client\n", "settle\n", LB_CASE_LINES_MAX, 5 + LB_CASE_LINES_MAX + 1, "one line more"},
        {"host a\nconn *\n", "close\n", LB_CASE_LINES_MAX, 6 + LB_CASE_LINES_MAX + 1,
         "one line more"},
        {"", "schedule after 1\n", LB_SIM_DEPARTURES_MAX, 4 + LB_SIM_DEPARTURES_MAX + 1,
         "\"after\""},
        {"", "spec A 1\n", 31, 4 + 31 + 1, "\"A\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = repeated(rows[i].prefix, rows[i].line, rows[i].count + 1);
        struct lb_case_error error;
        assert_int_equal(lb_case_parse("f", text, strlen(text), &parsed, &error), LB_PROTOCOL);
        assert_string_equal(error.found, rows[i].found);
        assert_int_equal(error.line, rows[i].place);
        free(text);
    }
    char *text = repeated("client\n", "settle\n", LB_CASE_LINES_MAX);
    parse(text);
    assert_int_equal(parsed.client.count, LB_CASE_LINES_MAX);
    free(text);
}

static void test_case_too_many_names_are_refused(void **state)
{
    (void)state;
    char text[8192];
    size_t used = (size_t)snprintf(text, sizeof(text), HEADER "host a\nclient\n");
    for (int i = 0; i <= LB_CASE_REQUESTS_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "get r%d a /\n", i);
    }
    check_refused(text, used, 6 + LB_CASE_REQUESTS_MAX + 1, 5, "one request more");
    used = (size_t)snprintf(text, sizeof(text), HEADER);
    for (int i = 0; i <= LB_CASE_HOSTS_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "host h%d\n", i);
    }
    check_refused(text, used, 4 + LB_CASE_HOSTS_MAX + 1, 6, "one host more");
}

static void test_case_too_large_is_refused(void **state)
{
    (void)state;
    size_t size = LB_CASE_FILE_MAX + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '\n', size);
    check_refused(text, size, 1, 1, "more than 1 MiB");
    check_refused(text, size - 1, LB_CASE_FILE_MAX + 1, 1, "the end of the file");
    free(text);
}

/* -- files -- */

static void test_case_load_names_what_is_wrong_with_a_file(void **state)
{
    (void)state;
    struct lb_case_error error;
    char directory[] = "/tmp/lastbyte-case-XXXXXX";
    char file[64];
    assert_non_null(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/x.case", directory);
    assert_int_equal(lb_case_load(directory, &parsed, &error), LB_PROTOCOL);
    assert_string_equal(error.found, "a directory");
    assert_int_equal(error.line, 1);
    assert_int_equal(error.column, 1);
    assert_int_equal(mkfifo(file, 0600), 0); /* to open it would wait for a writer */
    assert_int_equal(lb_case_load(file, &parsed, &error), LB_PROTOCOL);
    assert_string_equal(error.found, "no regular file");
    assert_int_equal(remove(file), 0);
    assert_int_equal(lb_case_load(file, &parsed, &error), LB_PROTOCOL);
    assert_string_equal(error.found, "No such file or directory");
    assert_string_equal(error.file, file);
    FILE *stream = fopen(file, "wb");
    assert_non_null(stream);
    fclose(stream);
    assert_int_equal(lb_case_load(file, &parsed, &error), LB_PROTOCOL);
    assert_string_equal(error.found, "an empty file");
    assert_int_equal(truncate(file, LB_CASE_FILE_MAX + 1), 0);
    assert_int_equal(lb_case_load(file, &parsed, &error), LB_PROTOCOL);
    assert_string_equal(error.found, "more than 1 MiB");
    stream = fopen(file, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(everything, 1, strlen(everything), stream), strlen(everything));
    fclose(stream);
    assert_int_equal(lb_case_load(file, &parsed, &error), LB_OK);
    assert_string_equal(parsed.id, "x");
    assert_string_equal(parsed.area, directory + strlen("/tmp/"));
    unlink(file);
    rmdir(directory);
}

static void test_case_id_and_area_come_from_the_path(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"cases/framing/cut.case", "cut", "framing"},
        {"cut.case", "cut", ""},
        {"/cut", "cut", ""},
        {"a/.hidden", ".hidden", "a"},
        {"a/b.c.case", "b.c", "a"},
        {"", "", ""},
        {"a/", "", "a"},
    };
    struct lb_case_error error;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(lb_case_parse(rows[i][0], CLIENT, strlen(CLIENT), &parsed, &error), LB_OK);
        assert_string_equal(parsed.id, rows[i][1]);
        assert_string_equal(parsed.area, rows[i][2]);
    }
}

/* -- any bytes -- */

/* parse_any: parses bytes in memory of exactly their size, so that a sanitizer sees an overrun;
 * what is a case must round-trip. */
static bool parse_any(const char *bytes, size_t size)
{
    struct lb_case_error error;
    char *exact = malloc(size > 0 ? size : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    bool is_case = lb_case_parse("any", exact, size, &parsed, &error) == LB_OK;
    free(exact);
    if (is_case) {
        check_round_trip(&parsed);
    } else {
        assert_true(error.found[0] != '\0');
        assert_true(error.expected[0] != '\0');
    }
    return is_case;
}

static void test_case_any_prefix_is_harmless(void **state)
{
    (void)state;
    uint32_t cases = 0;
    for (size_t size = 0; size <= strlen(everything); size++) {
        cases += parse_any(everything, size) ? 1 : 0;
    }
    assert_true(cases > 100); /* a case may end anywhere in its client block */
    assert_true(cases < strlen(everything) / 2);
}

static void test_case_any_changed_byte_is_harmless(void **state)
{
    (void)state;
    static const char values[] = {0, '\n', ' ', '"', '#', '0', '=', '\\', 'z', '|', '\x80', '\t'};
    char text[sizeof(everything)];
    size_t size = strlen(everything);
    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < sizeof(values); j++) {
            memcpy(text, everything, sizeof(text));
            text[i] = values[j];
            (void)parse_any(text, size);
        }
        memcpy(text, everything, sizeof(text));
        memmove(text + i, text + i + 1, size - i); /* left out */
        (void)parse_any(text, size - 1);
        memcpy(text, everything, sizeof(text));
        text[i] = (char)(text[i] ^ 1);
        (void)parse_any(text, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_case_errors_name_place_and_cause),
        TEST(test_case_error_text_says_it_in_one_line),
        TEST(test_case_nul_bytes_are_refused),
        TEST(test_case_too_many_are_refused),
        TEST(test_case_too_many_names_are_refused),
        TEST(test_case_too_large_is_refused),
        TEST(test_case_load_names_what_is_wrong_with_a_file),
        TEST(test_case_id_and_area_come_from_the_path),
        TEST(test_case_any_prefix_is_harmless),
        TEST(test_case_any_changed_byte_is_harmless),
    };
    return cmocka_run_group_tests_name("case_errors", tests, NULL, NULL);
}
