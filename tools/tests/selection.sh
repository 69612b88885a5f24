#!/usr/bin/env bash
# What runs: filters, --failed, --list; what counts: the baseline.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases
cd "$scratch"
check=("$lastbyte" check)

# count WANTED OPTION...: so many cases are listed, and as many run.
count() {
    local wanted=$1
    shift
    expect 0 "${check[@]}" --cases some --list "$@"
    [ "$(wc -l <out)" -eq "$wanted" ] || fail "--list $*: $(wc -l <out) cases, expected $wanted"
    expect 0 "${check[@]}" --cases some "$@"
    says "$wanted case"
}
mkdir -p some/one some/two
make() { # make AREA/ID LEVEL RULE TAG CODE
    cat >"some/$1.case" <<CASE
case   1
title  A response is read
level  $2
spec   $3
tags   $4

host a
  conn 1
    want GET /1
    | HTTP/1.1 204 No Content
    |

client
  get   r1 a /1             => $5
CASE
}
make one/first MUST 'LASTBYTE R3' idle '204 end'
make one/second HOUSE 'RFC9112 9.3' pool '204 end'
make two/third MAY 'LASTBYTE R3' pool '204 end or 200'

count 3
count 2 --area one
count 3 --area one --area two
count 2 --tag pool
count 1 --tag pool --area one
count 2 --rule R3
count 1 --rule 'RFC9112 9.3'
count 1 --level MAY
count 2 --level MAY --level MUST
count 1 --id 's*'
count 2 --id 'one/*'
expect 0 "${check[@]}" --cases some -v --level MAY
says 'NOTE   third'
says 'some/two/third.case:14: took 204 end, of: 204 end or 200'
expect 2 "${check[@]}" --cases some --tag nothing
says 'nothing selected'
expect 2 "${check[@]}" --cases some --level must
says "--level is 'must', expected MUST, SHOULD, MAY or HOUSE"
expect 0 "${check[@]}" --cases some --list
printf 'one/first\none/second\ntwo/third\n' | cmp -s - out || fail "--list: $(cat out)"
expect 0 "${check[@]}" --cases some --list --shuffle 1
cp out shuffled
expect 0 "${check[@]}" --cases some --list --shuffle 1
cmp -s out shuffled || fail "--shuffle 1 gives two orders"
sort shuffled | cmp -s - <(printf 'one/first\none/second\ntwo/third\n') || fail "--shuffle loses cases"

# What failed last time.
make one/second HOUSE 'RFC9112 9.3' pool '200 end'
expect 1 "${check[@]}" --cases some --report json=last.json
expect 0 "${check[@]}" --cases some --failed last.json --list
[ "$(cat out)" = one/second ] || fail "--failed: $(cat out)"
expect 1 "${check[@]}" --cases some --failed last.json
says '1 case,'
echo '{"format": "lastbyte-check", "version": 1, ' >broken.json
expect 2 "${check[@]}" --cases some --failed broken.json
says 'broken.json:'
says 'expected a report that `lastbyte check --report json=FILE` wrote'
for text in '[]' '{}' '{"format": "lastbyte-check", "version": 2}' \
    '{"format": "lastbyte-check", "version": 1}' \
    '{"format": "lastbyte-check", "version": 1, "cases": [{}], "broken_files": []}'; do
    echo "$text" >broken.json
    expect 2 "${check[@]}" --cases some --failed broken.json
    says 'expected a report that'
done
expect 2 "${check[@]}" --cases some --failed none.json
says 'none.json'

# A baseline: a known failure does not count, another one does, a fixed one is told of, a stale one is wrong.
expect 1 "${check[@]}" --cases some --report baseline=known
grep -qP '^one/second\tFAIL\tnot explained yet$' known || fail "baseline: $(cat known)"
sed -i 's/not explained yet/the server says 204/' known
expect 0 "${check[@]}" --cases some --baseline known
says 'known: the server says 204'
says '1 known, 0 fixed'
expect 0 "${check[@]}" --cases some --baseline known --report baseline=again
cmp -s known again || fail "a baseline written again differs"
expect 0 "${check[@]}" --cases some --baseline known --area two --report baseline=again
cmp -s known again || fail "a baseline loses the lines of cases that did not run"
make one/first MUST 'LASTBYTE R3' idle '200 end'
expect 1 "${check[@]}" --cases some --baseline known
says '1 known, 0 fixed'
make one/first MUST 'LASTBYTE R3' idle '204 end'
make one/second HOUSE 'RFC9112 9.3' pool '204 end'
expect 0 "${check[@]}" --cases some --baseline known
says 'fixed: it is in the baseline (the server says 204)'
says '0 known, 1 fixed'
printf 'one/fourth\t-\tnever was\n' >>known
expect 2 "${check[@]}" --cases some --baseline known
says "known:4: no case is called 'one/fourth'"
says '3 cases'
printf 'one/first -\n' >bad
expect 2 "${check[@]}" --cases some --baseline bad
says 'bad:1: expected a finding or -'
expect 2 "${check[@]}" --cases some --baseline none
finish
