/*
 * The search of the reducer.
 *
 * Mental model: `best` is the smallest program known to show the finding. A pass walks over it and
 * offers candidates to search_try, which makes them canonical, drops what is not smaller or was tried
 * before, and asks. A candidate that is taken becomes `best` at once, and the pass goes on from there.
 * Passes that remove much come first; all are repeated until a whole round changes nothing.
 *
 * Invariants: best is canonical, shows the finding, and only gets smaller. A pass leaves the numbers of
 * records that it holds valid when best has changed.
 */
#include "reduce.h"

#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "program.h"

#define TRIED_PLACES 8192u /* hashes of tried candidates; older ones are forgotten */
#define WINDOW 8u          /* records between the two of a pair that goes together */
#define UNITS_MAX 64u
#define DEPARTURE_CHOICES 3u
#define DEPARTURES_TRIED 127u /* decisions at which a single departure is tried */
#define SHIFT_MAX 32u         /* decisions that may go with a record */
#define RESPOND_SIZE 3u       /* index of a small size that is not 0 */

struct search {
    const struct lb_reduce_options *options;
    struct lb_reduce_result *result;
    struct lbi_program best;
    struct lbi_program candidate; /* being made by a pass */
    struct lbi_program canonical; /* of the candidate */
    struct lb_case c;
    uint64_t tried[TRIED_PLACES];
    bool gone[LB_CODEC_SIZE_MAX];
    bool is_over;
};

/* A run of records of the server's lane: one exchange, or all of a connection's script. */
struct unit {
    uint32_t from;
    uint32_t to;
    bool is_script;
};

/* -- trying -- */

static uint64_t program_hash(const struct lbi_program *program)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < program->size; i++) {
        hash = (hash ^ program->bytes[i]) * UINT64_C(0x100000001b3);
    }
    for (uint32_t i = 0; i < program->prefix_size; i++) {
        hash = (hash ^ program->prefix[i]) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 29;
}

/* search_is_new: whether a candidate was not tried before, as far as that is remembered. */
static bool search_is_new(struct search *s, const struct lbi_program *program)
{
    uint64_t hash = program_hash(program);
    uint64_t *place = &s->tried[hash % TRIED_PLACES];
    bool is_new = *place != hash;
    *place = hash;
    return is_new;
}

/* search_canonical: what a program says, in its canonical form. */
static void search_canonical(struct search *s, const struct lbi_program *program,
                             struct lbi_program *ret_program)
{
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size = 0;
    struct lb_codec_error error;
    if (s->options->form != LB_REDUCE_OPERATIONS) {
        *ret_program = *program;
        return;
    }
    lb_codec_decode(program->bytes, program->size, &s->c);
    enum lb_status status = lb_codec_encode(&s->c, bytes, sizeof(bytes), &size, &error);
    LB_ASSERT(status == LB_OK); /* what was decoded can be encoded */
    lbi_program_set(ret_program, bytes, size, false);
    lbi_program_set_prefix(ret_program, program->prefix, program->prefix_size);
}

static bool search_may_go_on(struct search *s)
{
    const struct lb_reduce_options *options = s->options;
    bool is_spent = options->run_max > 0 && s->result->run_count >= options->run_max;
    s->is_over =
        s->is_over || is_spent || (options->go_on != NULL && !options->go_on(options->context));
    return !s->is_over;
}

/* search_try: takes a candidate if it is smaller and shows the finding. */
static bool search_try(struct search *s, const struct lbi_program *candidate)
{
    if (!search_may_go_on(s)) {
        return false;
    }
    search_canonical(s, candidate, &s->canonical);
    if (lbi_program_compare(&s->canonical, &s->best) >= 0 || !search_is_new(s, &s->canonical)) {
        return false;
    }
    uint8_t bytes[LB_CODEC_SIZE_MAX];
    size_t size = lbi_program_store(&s->canonical, bytes);
    s->result->run_count++;
    if (!s->options->is_same(s->options->context, bytes, size)) {
        return false;
    }
    s->best = s->canonical;
    s->result->better_count++;
    if (s->options->on_better != NULL) {
        s->options->on_better(s->options->context, bytes, size);
    }
    return true;
}

/* search_make_gone: the candidate is best without the marked records. Clears the marks. */
static void search_make_gone(struct search *s)
{
    lbi_program_without(&s->best, s->gone, s->options->form == LB_REDUCE_OPERATIONS, &s->candidate);
    memset(s->gone, 0, s->best.count * sizeof(s->gone[0]));
}

static bool search_try_gone(struct search *s)
{
    search_make_gone(s);
    return search_try(s, &s->candidate);
}

static void search_mark(struct search *s, uint32_t from, uint32_t to)
{
    LB_ASSERT(from <= to);
    LB_ASSERT(to <= s->best.count);
    for (uint32_t i = from; i < to; i++) {
        s->gone[i] = true;
    }
}

static bool search_try_without(struct search *s, uint32_t from, uint32_t to)
{
    search_mark(s, from, to);
    return search_try_gone(s);
}

/* -- leaving out -- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* pass_halves: large blocks, from the end. */
static void pass_halves(struct search *s)
{
    for (uint32_t size = s->best.count / 2; size > 2; size /= 2) {
        for (uint32_t end = s->best.count; end > 0 && !s->is_over;) {
            uint32_t from = end > size ? end - size : 0;
            (void)search_try_without(s, from, end);
            end = least(from, s->best.count);
        }
    }
}

/* pass_blocks: one record after the other, from the end; as long as that succeeds, twice as many. */
static void pass_blocks(struct search *s)
{
    uint32_t size = 1;
    for (uint32_t end = s->best.count; end > 0 && !s->is_over;) {
        uint32_t from = end > size ? end - size : 0;
        if (search_try_without(s, from, end)) {
            size *= 2;
            end = least(from, s->best.count);
        } else if (size > 1) {
            size = 1;
        } else {
            end--;
            end = least(end, s->best.count);
        }
    }
}

/* pass_pairs: two records that are nothing without each other. */
static void pass_pairs(struct search *s)
{
    for (uint32_t second = s->best.count; second > 1 && !s->is_over; second--) {
        for (uint32_t back = 2; back <= WINDOW + 1 && back <= second; back++) {
            if (second > s->best.count) {
                break;
            }
            s->gone[second - 1] = true;
            s->gone[second - back] = true;
            if (search_try_gone(s)) {
                break;
            }
        }
    }
}

/* pass_lane: all records of a lane. */
static void pass_lane(struct search *s, enum lbi_lane lane)
{
    bool is_there = false;
    for (uint32_t i = 0; i < s->best.count; i++) {
        s->gone[i] = lbi_operation_row(lbi_program_operation(&s->best, i))->lane == lane;
        is_there = is_there || s->gone[i];
    }
    if (is_there) {
        (void)search_try_gone(s);
    }
}

/* -- requests and connections -- */

static bool record_is_server(const struct lbi_program *program, uint32_t index)
{
    return lbi_operation_row(lbi_program_operation(program, index))->lane == LBI_LANE_SERVER;
}

/* unit_end: behind the last record of the unit that begins at `from`. */
static uint32_t unit_end(const struct lbi_program *program, uint32_t from, bool is_script)
{
    uint32_t to = from + 1;
    while (to < program->count && record_is_server(program, to)) {
        enum lbi_operation operation = lbi_program_operation(program, to);
        if (operation == LBI_OPERATION_SCRIPT ||
            (!is_script && lbi_operation_is_exchange_start(operation))) {
            break;
        }
        to++;
    }
    return to;
}

/* find_units: the scripts and exchanges of the servers; their number. */
static uint32_t find_units(const struct lbi_program *program, struct unit *ret_units)
{
    uint32_t count = 0;
    bool is_first = true;
    for (uint32_t i = 0; i < program->count && count + 2 < UNITS_MAX; i++) {
        if (!record_is_server(program, i)) {
            continue;
        }
        enum lbi_operation operation = lbi_program_operation(program, i);
        if (is_first || operation == LBI_OPERATION_SCRIPT) {
            ret_units[count] = (struct unit){i, unit_end(program, i, true), true};
            count++;
        }
        if (lbi_operation_is_exchange_start(operation)) {
            ret_units[count] = (struct unit){i, unit_end(program, i, false), false};
            count++;
        }
        is_first = false;
    }
    return count;
}

/* script_names: the host and connection that the script with record `at` is for. */
static void script_names(const struct lbi_program *program, uint32_t at, uint8_t *ret_host,
                         uint8_t *ret_conn)
{
    bool is_named = lbi_program_operation(program, at) == LBI_OPERATION_SCRIPT;
    *ret_host = is_named ? lbi_program_operand(program, at, 0) : 0;
    *ret_conn = is_named ? lbi_program_operand(program, at, 1) : 0;
}

/* program_renumber: the scripts of a host for connections behind `conn` are for one less. */
static void program_renumber(struct lbi_program *program, uint8_t host, uint8_t conn)
{
    for (uint32_t i = 0; i < program->count; i++) {
        uint8_t its_host = 0;
        uint8_t its_conn = 0;
        if (lbi_program_operation(program, i) != LBI_OPERATION_SCRIPT) {
            continue;
        }
        script_names(program, i, &its_host, &its_conn);
        if (its_host == host && its_conn > conn && its_conn != LBI_CONN_ANY) {
            (void)lbi_program_set_operand(program, i, 1, (uint8_t)(its_conn - 1));
        }
    }
}

/* search_try_unit: best without a unit and what is marked besides; where that is a whole script, those
 * behind it move up. Clears the marks. */
static bool search_try_unit(struct search *s, const struct unit *unit)
{
    uint8_t host = 0;
    uint8_t conn = 0;
    script_names(&s->best, unit->from, &host, &conn);
    search_mark(s, unit->from, unit->to);
    search_make_gone(s);
    if (unit->is_script) {
        program_renumber(&s->candidate, host, conn);
    }
    return search_try(s, &s->candidate);
}

/* pass_units: scripts and exchanges, from the last. */
static void pass_units(struct search *s)
{
    struct unit units[UNITS_MAX];
    uint32_t count = find_units(&s->best, units);
    for (uint32_t i = count; i > 0 && !s->is_over; i--) {
        if (i <= count && search_try_unit(s, &units[i - 1])) {
            count = find_units(&s->best, units);
            i = least(i, count + 1);
        }
    }
}

/* find_request: the record of the request made `before`-th last; false: there are not so many. */
static bool find_request(const struct lbi_program *program, uint32_t before, uint32_t *ret_index)
{
    for (uint32_t i = program->count; i > 0; i--) {
        if (lbi_operation_is_request(lbi_program_operation(program, i - 1))) {
            if (before == 0) {
                *ret_index = i - 1;
                return true;
            }
            before--;
        }
    }
    return false;
}

/* search_try_request: a request with all that belongs to it, and one of the units that served it. */
static bool search_try_request(struct search *s, uint32_t request)
{
    struct unit units[UNITS_MAX];
    uint32_t count = find_units(&s->best, units);
    for (uint32_t i = count; i > 0 && !s->is_over; i--) {
        s->gone[request] = true;
        if (search_try_unit(s, &units[i - 1])) {
            return true;
        }
    }
    return false;
}

/* pass_requests: requests together with what their servers do for them. */
static void pass_requests(struct search *s)
{
    uint32_t request = 0;
    for (uint32_t before = 0; !s->is_over && find_request(&s->best, before, &request);) {
        before += search_try_request(s, request) ? 0 : 1;
    }
}

/* -- saying more with less -- */

/* record_begins_exchange: whether a server's steps for one request begin at a record: it reads the
 * request, or is the first of a script that answers unasked. */
static bool record_begins_exchange(const struct lbi_program *program, uint32_t index)
{
    if (!record_is_server(program, index)) {
        return false;
    }
    enum lbi_operation operation = lbi_program_operation(program, index);
    bool is_first = index == 0 || !record_is_server(program, index - 1) ||
                    lbi_program_operation(program, index - 1) == LBI_OPERATION_SCRIPT;
    return operation == LBI_OPERATION_WANT ||
           (is_first && operation != LBI_OPERATION_SCRIPT && operation != LBI_OPERATION_RESPOND);
}

/* search_try_respond: the records from `from` to `to` as one whole response. */
static bool search_try_respond(struct search *s, uint32_t from, uint32_t to)
{
    static const uint8_t sizes[] = {0, RESPOND_SIZE};
    for (uint32_t k = 0; k < sizeof(sizes) * LBI_RESPOND_KINDS && !s->is_over; k++) {
        const uint8_t record[3] = {(uint8_t)(0x80 | LBI_OPERATION_RESPOND),
                                   (uint8_t)(k % LBI_RESPOND_KINDS), sizes[k / LBI_RESPOND_KINDS]};
        search_mark(s, from + 1, to);
        search_make_gone(s);
        if (lbi_program_replace(&s->candidate, from, record, sizeof(record)) &&
            search_try(s, &s->candidate)) {
            return true;
        }
    }
    return false;
}

/* pass_respond: an exchange of several steps as one whole response. */
static void pass_respond(struct search *s)
{
    for (uint32_t i = 0; i < s->best.count && !s->is_over; i++) {
        if (record_begins_exchange(&s->best, i)) {
            uint32_t end = unit_end(&s->best, i, false);
            if (end > i + 1) {
                (void)search_try_respond(s, i, end);
            }
        }
    }
}

/* What an operation may be instead: something simpler, with the first operands kept. */
struct simpler {
    enum lbi_operation from;
    enum lbi_operation to;
    uint8_t kept;
};

static const struct simpler simpler[] = {
    {LBI_OPERATION_GET, LBI_OPERATION_EXCHANGE, LBI_OPERANDS_MAX},
    {LBI_OPERATION_HEAD, LBI_OPERATION_GET, LBI_OPERANDS_MAX},
    {LBI_OPERATION_ASK, LBI_OPERATION_EXCHANGE, 1},
    {LBI_OPERATION_ASK, LBI_OPERATION_GET, 1},
    {LBI_OPERATION_CANCEL, LBI_OPERATION_CLOSE, 1},
    {LBI_OPERATION_DROP, LBI_OPERATION_CLOSE, 1},
    {LBI_OPERATION_SETTLE, LBI_OPERATION_ADVANCE, 0},
    {LBI_OPERATION_LINE_TEXT, LBI_OPERATION_LINE, 0},
    {LBI_OPERATION_LINE_OCTETS, LBI_OPERATION_LINE, 0},
    {LBI_OPERATION_SEND_OCTETS, LBI_OPERATION_SEND, LBI_OPERANDS_MAX},
    {LBI_OPERATION_CHUNK_OCTETS, LBI_OPERATION_CHUNK, LBI_OPERANDS_MAX},
    {LBI_OPERATION_CHUNK_GZIP, LBI_OPERATION_CHUNK_FILL, 2},
    {LBI_OPERATION_GZIP_FILL, LBI_OPERATION_FILL, 2},
    {LBI_OPERATION_HALF_CLOSE, LBI_OPERATION_END, 0},
    {LBI_OPERATION_RESET, LBI_OPERATION_END, 0},
    {LBI_OPERATION_STALL, LBI_OPERATION_END, 0},
    {LBI_OPERATION_REFUSE, LBI_OPERATION_END, 0},
    {LBI_OPERATION_WANT_END, LBI_OPERATION_END, 0},
    {LBI_OPERATION_PRIORITY, LBI_OPERATION_AFTER, 0},
};

/* pass_operations: simpler operations in place of others. */
static void pass_operations(struct search *s)
{
    for (uint32_t i = 0; i < s->best.count && !s->is_over; i++) {
        for (size_t k = 0; k < sizeof(simpler) / sizeof(simpler[0]); k++) {
            uint8_t record[1 + LBI_OPERANDS_MAX];
            uint32_t count = lbi_program_operand_count(&s->best, i);
            if (lbi_program_operation(&s->best, i) != simpler[k].from) {
                continue;
            }
            count = least(count, simpler[k].kept);
            record[0] = (uint8_t)(0x80 | simpler[k].to);
            memcpy(record + 1, s->best.bytes + s->best.starts[i] + 1, count);
            s->candidate = s->best;
            if (lbi_program_replace(&s->candidate, i, record, 1 + count) &&
                search_try(s, &s->candidate)) {
                break;
            }
        }
        if (i >= s->best.count) {
            break;
        }
    }
}

/* search_try_instead: one operation, its first operand kept or none, in place of the records from `from` to
 * `to`. */
static bool search_try_instead(struct search *s, uint32_t from, uint32_t to,
                               enum lbi_operation operation)
{
    const uint8_t record[2] = {(uint8_t)(0x80 | operation), lbi_program_operand(&s->best, from, 0)};
    for (size_t size = 1; size <= (record[1] == 0 ? 1 : 2) && !s->is_over; size++) {
        search_mark(s, from + 1, to);
        search_make_gone(s);
        if (from < s->candidate.count && lbi_program_replace(&s->candidate, from, record, size) &&
            search_try(s, &s->candidate)) {
            return true;
        }
    }
    return false;
}

/* pass_instead: any operation in place of one, or one of their lane in place of `size` neighbours. */
static void pass_instead(struct search *s, uint32_t size)
{
    for (uint32_t i = 0; i + size <= s->best.count && !s->is_over; i++) {
        enum lbi_lane lane = lbi_operation_row(lbi_program_operation(&s->best, i))->lane;
        for (int k = 0; k < LBI_OPERATION_COUNT && i + size <= s->best.count; k++) {
            enum lbi_operation operation = (enum lbi_operation)k;
            bool is_of_lane = lbi_operation_row(operation)->lane == lane;
            if ((size == 1 || is_of_lane) && search_try_instead(s, i, i + size, operation)) {
                break;
            }
        }
    }
}

/* -- departures -- */

static bool record_is_departure(const struct lbi_program *program, uint32_t index)
{
    return lbi_program_operation(program, index) == LBI_OPERATION_AFTER;
}

/* The departures of a program. */
struct departures {
    uint32_t count;
    uint32_t first;     /* its record; that of the last if there is one alone */
    uint32_t decisions; /* before the last one */
};

static struct departures find_departures(const struct lbi_program *program)
{
    struct departures found = {0, program->count, 0};
    for (uint32_t i = 0; i < program->count; i++) {
        if (record_is_departure(program, i)) {
            found.first = found.count == 0 ? i : found.first;
            found.decisions += found.count == 0 ? 0 : 1;
            found.decisions += lbi_program_operand(program, i, 1);
            found.decisions += 128u * lbi_program_operand(program, i, 2);
            found.count++;
        }
    }
    return found;
}

/* pass_one_departure: a single one instead of all, at any of the first decisions; or the one earlier. */
static void pass_one_departure(struct search *s)
{
    const struct departures found = find_departures(&s->best);
    uint32_t last = least(found.decisions, DEPARTURES_TRIED);
    for (uint32_t k = 0; found.count > 0 && k < DEPARTURE_CHOICES * (last + 1) && !s->is_over;
         k++) {
        const uint8_t record[3] = {(uint8_t)(0x80 | LBI_OPERATION_AFTER),
                                   (uint8_t)(k % DEPARTURE_CHOICES),
                                   (uint8_t)(k / DEPARTURE_CHOICES)};
        for (uint32_t i = found.first + 1; i < s->best.count; i++) {
            s->gone[i] = record_is_departure(&s->best, i);
        }
        search_make_gone(s);
        if (lbi_program_replace(&s->candidate, found.first, record, sizeof(record)) &&
            search_try(s, &s->candidate)) {
            return;
        }
    }
}

/* search_try_shifted: best without record `index` and what belongs to it, its one departure at whichever
 * decision is now the one that it was at: a few fewer come before it. */
static bool search_try_shifted(struct search *s, uint32_t index, uint32_t decisions)
{
    decisions = least(decisions, DEPARTURES_TRIED);
    for (uint32_t less = 1; less <= least(decisions, SHIFT_MAX) && !s->is_over; less++) {
        s->gone[index] = true;
        search_make_gone(s);
        uint32_t departure = find_departures(&s->candidate).first;
        if (lbi_program_set_operand(&s->candidate, departure, 1, (uint8_t)(decisions - less)) &&
            search_try(s, &s->candidate)) {
            return true;
        }
    }
    return false;
}

/* pass_shifted: records of a program with one departure, which their going shifts. */
static void pass_shifted(struct search *s)
{
    struct departures found = find_departures(&s->best);
    for (uint32_t i = found.first; found.count == 1 && i > 0 && !s->is_over; i--) {
        if (search_try_shifted(s, i - 1, found.decisions)) {
            found = find_departures(&s->best);
            i = least(i, found.first + 1);
        }
    }
}

/* -- operands -- */

static bool search_try_operand(struct search *s, uint32_t index, uint32_t place, uint8_t value)
{
    if (index >= s->best.count || lbi_program_operand(&s->best, index, place) <= value) {
        return false;
    }
    s->candidate = s->best;
    return lbi_program_set_operand(&s->candidate, index, place, value) &&
           search_try(s, &s->candidate);
}

/* search_lower: the least value of an operand, as if all above one that shows the finding did. */
static void search_lower(struct search *s, uint32_t index, uint32_t place)
{
    uint32_t records = s->best.count;
    uint32_t low = 0; /* does not show it */
    if (search_try_operand(s, index, place, 0)) {
        return;
    }
    while (!s->is_over && s->best.count == records && index < records) {
        uint32_t high = lbi_program_operand(&s->best, index, place);
        if (high <= low + 1) {
            return;
        }
        uint32_t middle = low == 0 ? 1 : low + (high - low) / 2;
        if (!search_try_operand(s, index, place, (uint8_t)middle)) {
            low = middle;
        }
    }
}

/* search_cut_operands: record `index` without its operands from `from` to `to`. */
static bool search_cut_operands(struct search *s, uint32_t index, uint32_t from, uint32_t to)
{
    uint8_t record[LB_CODEC_SIZE_MAX];
    const uint8_t *bytes = s->best.bytes + s->best.starts[index];
    size_t size = (size_t)(s->best.starts[index + 1] - s->best.starts[index]);
    LB_ASSERT(from < to);
    LB_ASSERT(to < size);
    memcpy(record, bytes, 1 + from);
    memcpy(record + 1 + from, bytes + 1 + to, size - 1 - to);
    s->candidate = s->best;
    return lbi_program_replace(&s->candidate, index, record, size - (to - from)) &&
           search_try(s, &s->candidate);
}

/* search_shorten: fewer characters of a text, or digits of a number; in blocks from the end. */
static void search_shorten(struct search *s, uint32_t index, uint32_t first)
{
    uint32_t records = s->best.count;
    uint32_t size = lbi_program_operand_count(&s->best, index);
    for (size = size > first ? size - first : 0; size > 0; size /= 2) {
        uint32_t end = lbi_program_operand_count(&s->best, index);
        while (end > first && !s->is_over) {
            uint32_t from = end > first + size ? end - size : first;
            if (search_cut_operands(s, index, from, end) && s->best.count != records) {
                return;
            }
            end = least(from, lbi_program_operand_count(&s->best, index));
        }
    }
}

/* record_text_start: where the text of an operation begins; its operand count: it has none. */
static uint32_t record_text_start(const struct lbi_program *program, uint32_t index)
{
    const struct lbi_operation_row *row = lbi_operation_row(lbi_program_operation(program, index));
    for (uint32_t i = 0; i < LBI_OPERANDS_MAX; i++) {
        if (row->operands[i] == LBI_OPERAND_TEXT || row->operands[i] == LBI_OPERAND_OCTETS) {
            return i;
        }
    }
    return lbi_program_operand_count(program, index);
}

/* search_unliteral: a number that is spelled out as one of the table. */
static void search_unliteral(struct search *s, uint32_t index)
{
    uint32_t count = lbi_program_operand_count(&s->best, index);
    for (uint32_t place = 0; place < count; place++) {
        if (lbi_program_operand(&s->best, index, place) != LBI_LITERAL) {
            continue;
        }
        for (uint32_t value = LBI_SIZES - 1; value > 0 && !s->is_over; value /= 2) {
            uint8_t record[LB_CODEC_SIZE_MAX];
            memcpy(record, s->best.bytes + s->best.starts[index], 1 + place);
            record[1 + place] = (uint8_t)value;
            s->candidate = s->best;
            if (lbi_program_replace(&s->candidate, index, record, 2 + place) &&
                search_try(s, &s->candidate)) {
                return;
            }
        }
        return;
    }
}

/* pass_operands: less of each operation, the last operand first. */
static void pass_operands(struct search *s)
{
    for (uint32_t i = 0; i < s->best.count && !s->is_over; i++) {
        uint32_t records = s->best.count;
        uint32_t text = record_text_start(&s->best, i);
        if (text < lbi_program_operand_count(&s->best, i)) {
            search_shorten(s, i, text);
        } else {
            search_unliteral(s, i);
            for (uint32_t k = 0;
                 s->best.count == records && k + 1 < lbi_program_operand_count(&s->best, i); k++) {
                (void)search_cut_operands(s, i, k, k + 1);
            }
        }
        if (s->best.count != records) {
            continue;
        }
        for (uint32_t k = lbi_program_operand_count(&s->best, i); k > 0; k--) {
            search_lower(s, i, k - 1);
            if (s->best.count != records) {
                break;
            }
        }
    }
}

/* pass_digits: lower operands of records whose meaning is not known, the last first. */
static void pass_digits(struct search *s)
{
    for (uint32_t i = 0; i < s->best.count && !s->is_over; i++) {
        search_shorten(s, i, 0);
        for (uint32_t k = lbi_program_operand_count(&s->best, i); k > 0; k--) {
            search_lower(s, i, k - 1);
        }
    }
}

/* search_try_rename: host, connection or signal `from` becomes `to` wherever it stands. */
static bool search_try_rename(struct search *s, enum lbi_operand kind, uint8_t from, uint8_t to)
{
    s->candidate = s->best;
    for (uint32_t i = 0; i < s->candidate.count; i++) {
        const struct lbi_operation_row *row =
            lbi_operation_row(lbi_program_operation(&s->candidate, i));
        for (uint32_t k = 0; k < LBI_OPERANDS_MAX; k++) {
            if (row->operands[k] == kind && lbi_program_operand(&s->candidate, i, k) == from) {
                (void)lbi_program_set_operand(&s->candidate, i, k, to);
            }
        }
    }
    return search_try(s, &s->candidate);
}

/* pass_names: equal names lowered together. */
static void pass_names(struct search *s)
{
    static const enum lbi_operand kinds[] = {LBI_OPERAND_HOST, LBI_OPERAND_SIGNAL};
    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        for (uint8_t from = LBI_HOSTS - 1; from > 0; from--) {
            for (uint8_t to = 0; to < from && !s->is_over; to++) {
                if (search_try_rename(s, kinds[kind], from, to)) {
                    break;
                }
            }
        }
    }
}

/* pass_swaps: neighbours in the order of their bytes. */
static void pass_swaps(struct search *s)
{
    for (uint32_t i = 0; i + 1 < s->best.count && !s->is_over; i++) {
        s->candidate = s->best;
        lbi_program_swap(&s->candidate, i);
        (void)search_try(s, &s->candidate);
    }
}

/* -- inputs that are bytes -- */

/* pass_bytes: lower values. */
static void pass_bytes(struct search *s)
{
    static const uint8_t values[] = {0, ' ', '0', 'a'};
    for (uint32_t i = 0; i < s->best.count && !s->is_over; i++) {
        for (size_t k = 0; k < sizeof(values) && i < s->best.count; k++) {
            s->candidate = s->best;
            s->candidate.bytes[i] = values[k];
            if (search_try(s, &s->candidate)) {
                break;
            }
        }
    }
}

/* pass_prefix: lower operands before the first operation. */
static void pass_prefix(struct search *s)
{
    for (uint32_t i = s->best.prefix_size; i > 0 && !s->is_over; i--) {
        for (uint8_t value = 0; i <= s->best.prefix_size && value < s->best.prefix[i - 1];) {
            s->candidate = s->best;
            s->candidate.prefix[i - 1] = value;
            lbi_program_set_prefix(&s->candidate, s->candidate.prefix, s->candidate.prefix_size);
            value = search_try(s, &s->candidate) || s->is_over ? UINT8_MAX : (uint8_t)(value + 1);
        }
    }
}

/* -- the whole -- */

/* search_round: every pass once. */
static void search_round(struct search *s)
{
    pass_halves(s);
    if (s->options->form != LB_REDUCE_OPERATIONS) {
        pass_blocks(s);
        if (s->options->form == LB_REDUCE_BYTES) {
            pass_bytes(s);
        } else {
            pass_digits(s);
            pass_swaps(s);
        }
        return;
    }
    pass_lane(s, LBI_LANE_SCHEDULER);
    pass_lane(s, LBI_LANE_OPTION);
    pass_units(s);
    pass_blocks(s);
    pass_requests(s);
    pass_respond(s);
    pass_operations(s);
    pass_operands(s);
    pass_names(s);
    pass_swaps(s);
    pass_prefix(s);
}

void lb_reduce(const struct lb_reduce_options *options, uint8_t *bytes, size_t *size,
               struct lb_reduce_result *ret_result)
{
    LB_ASSERT(options->is_same != NULL);
    LB_ASSERT(*size <= LB_CODEC_SIZE_MAX);
    static const struct search fresh;
    struct search *s = malloc(sizeof(*s));
    LB_ASSERT(s != NULL);
    *s = fresh;
    s->options = options;
    s->result = ret_result;
    *ret_result = (struct lb_reduce_result){.run_count = 0};
    enum lb_status status = lb_case_init(&s->c);
    LB_ASSERT(status == LB_OK);
    lbi_program_set(&s->candidate, bytes, *size, options->form == LB_REDUCE_BYTES);
    if (options->form != LB_REDUCE_BYTES) {
        lbi_program_set_prefix(&s->candidate, bytes, *size);
    }
    search_canonical(s, &s->candidate, &s->best);
    uint64_t better_before = UINT64_MAX;
    while (better_before != ret_result->better_count && !s->is_over) {
        better_before = ret_result->better_count;
        search_round(s);
        if (better_before == ret_result->better_count) {
            pass_pairs(s);
            if (options->form == LB_REDUCE_OPERATIONS) {
                pass_one_departure(s);
                pass_shifted(s);
                pass_instead(s, 1);
                pass_instead(s, 2);
            }
        }
    }
    ret_result->is_complete = !s->is_over;
    ret_result->operation_count = s->best.count;
    *size = lbi_program_store(&s->best, bytes);
    lb_case_deinit(&s->c);
    free(s);
}
