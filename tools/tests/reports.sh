#!/usr/bin/env bash
# The reports for machines: each is valid by its schema, whatever a run has to say, and says it; a spoiled
# one is not valid; two runs give the same but for time; an interrupted run is told of, too.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
sample=$3
schemas=$source_dir/conformance/schemas
python=/usr/bin/python3
need_cases
for tool in xmllint prove; do
    command -v "$tool" >/dev/null || { echo "no $tool; tools/setup installs it" >&2; exit 77; }
done
"$python" -c 'import jsonschema' 2>/dev/null || { echo "no jsonschema; tools/setup" >&2; exit 77; }

valid_junit() { xmllint --noout --schema "$schemas/junit.xsd" "$1" >"$scratch/why" 2>&1; }
valid_json() { "$python" -m jsonschema -i "$1" "$schemas/report.schema.json" >"$scratch/why" 2>&1; }
valid_sarif() { "$python" -m jsonschema -i "$1" "$schemas/sarif.schema.json" >"$scratch/why" 2>&1; }
# All plans are kept and all points numbered; that a point is "not ok" is no matter here.
valid_tap() {
    prove -v -e cat "$1" >"$scratch/why" 2>&1 || true
    ! grep -q 'Parse errors' "$scratch/why" && grep -q '^Files=1' "$scratch/why"
}

# is_valid FORMAT FILE, is_spoiled FORMAT FILE SED...: the file is valid; no longer, when sed has changed it.
is_valid() {
    "valid_$1" "$2" || { fail "$2 is no valid $1"; tail -n 5 "$scratch/why" >&2; }
}
is_spoiled() {
    local format=$1 file=$2
    shift 2
    sed "$@" "$file" >"$scratch/spoiled"
    if cmp -s "$file" "$scratch/spoiled"; then
        fail "sed $* spoils nothing in $file"
    elif "valid_$format" "$scratch/spoiled"; then
        fail "$file is valid $format also after sed $*"
    fi
}

# A run with everything in it.
cd "$scratch"
printf 'area-1/is-FAIL\tF2 @ length\tfirst\narea-1/is-FAIL\tR3 @ idle\tsecond\n' >known
printf 'area-0/is-PASS\t-\tlong mended\narea-1/is-HANG\tFAIL\tanother verdict\n' >>known
for run in all interrupted; do
    for format in tap tap13 junit json sarif baseline; do
        for baseline in '' known; do
            code=0
            "$sample" "$run" "$format" "$baseline" >"$run.$format.$baseline" || code=$?
            [ "$code" -eq 4 ] || fail "$run $format: exit code $code, expected 4"
        done
    done
    for baseline in '' known; do
        is_valid tap "$run.tap13.$baseline"
        is_valid junit "$run.junit.$baseline"
        is_valid json "$run.json.$baseline"
        is_valid sarif "$run.sarif.$baseline"
        tail -n +2 "$run.tap.$baseline" | cmp -s - <(tail -n +2 "$run.tap13.$baseline") ||
            fail "TAP 14 and 13 differ"
        [ "$(head -n 1 "$run.tap.$baseline")" = 'TAP version 14' ] || fail "no TAP 14"
    done
done
for format in tap13 junit json sarif; do
    code=0
    "$sample" skipped "$format" '' >"skipped.$format" || code=$?
    [ "$code" -eq 77 ] || fail "skipped $format: exit code $code, expected 77"
    is_valid "${format%13}" "skipped.$format"
    code=0
    "$sample" none "$format" '' >"none.$format" || code=$?
    [ "$code" -eq 0 ] || fail "none $format: exit code $code"
    [ "$format" = tap13 ] || is_valid "$format" "none.$format"
done

# The table of README.md: how each verdict stands in each format.
while read -r verdict ok element kind level rule; do
    grep -qE "^${ok/not/not ok} [0-9]+ - .*is-$verdict[:.]" all.tap. || fail "TAP: $verdict is not '$ok'"
    got=$(xmllint --xpath "name((//testcase[@name='is-$verdict']/*[not(self::system-out)])[1])" all.junit.)
    [ "${got:-none}" = "$element" ] || fail "JUnit: $verdict is '$got', expected $element"
    got=$("$python" - "$verdict" all.sarif. <<'END'
import json, sys
run = json.load(open(sys.argv[2]))['runs'][0]
for r in run['results']:
    assert run['tool']['driver']['rules'][r['ruleIndex']]['id'] == r['ruleId'], r
    if r['locations'][0]['logicalLocations'][0]['fullyQualifiedName'].endswith('is-' + sys.argv[1]):
        print(r['kind'], r['level'], r['ruleId'])
        break
else:
    print('none none none')
END
    )
    [ "$got" = "$kind $level $rule" ] || fail "SARIF: $verdict is '$got', expected $kind $level $rule"
done <<'END'
PASS ok none none none none
NOTE ok none informational none policy
SKIP ok skipped notApplicable none skipped
WEAK ok none fail warning expectation
BROKEN not error fail error case-broken
FAIL not failure fail error F2
LEAK not failure fail error E1
HANG not failure fail error hang
CRASH not error fail error crash
UNEQUAL not failure fail error nondeterminism
FILE not error fail error case-file
END
grep -q '^ok .*is-SKIP.* # SKIP ' all.tap. || fail "TAP: no SKIP"
grep -q '^not ok .*is-FAIL.* # TODO first' all.tap.known || fail "TAP: a known failure is no TODO"
grep '^not ok .*is-HANG' all.tap.known | grep -q ' # TODO' && fail "TAP: a failure of another kind is TODO"
grep -q '^Bail out! interrupted by SIGINT' interrupted.tap. || fail "TAP: no Bail out"
grep -q 'is-CRASH' interrupted.tap. && fail "a case that has not run is told of"
[ "$(xmllint --xpath 'string(//testcase[@name="is-FAIL"]/skipped/@message)' all.junit.known)" = \
    'known: first' ] || fail "JUnit: a known failure is not skipped"
[ "$(xmllint --xpath 'string(/testsuites/@failures)' all.junit.)" = 4 ] || fail "JUnit: failures"
[ "$(xmllint --xpath 'string(/testsuites/@errors)' all.junit.)" = 3 ] || fail "JUnit: errors"
"$python" - <<'END' || fail "JSON or SARIF do not say what they should"
import json
load = lambda name: json.load(open(name))
report = load('all.json.known')
cases = {c['id'].split('is-')[1]: c for c in report['cases']}
assert cases['FAIL']['baseline'] == 'known' and cases['FAIL']['reason'] == 'first'
assert cases['PASS']['baseline'] == 'fixed' and cases['HANG']['baseline'] is None
assert report['summary']['known'] == 1 and report['summary']['fixed'] == 1
assert report['exit_code'] == 4 and report['broken_files'][0]['line'] == 7
notes = cases['NOTE']['notes']
assert notes[0] == {'line': 9, 'statement': 'want GET /1 or close',
                    'alternatives': ['want GET /1', 'close'], 'taken': ['close']}, notes
assert notes[1]['taken'] == notes[1]['alternatives'] and len(notes[1]['taken']) == 2
assert cases['WEAK']['difference']['line'] == 12
assert '\\x1b' in cases['WEAK']['difference']['actual'] and '\u00e9' in cases['CRASH']['crash']
assert load('interrupted.json.')['interrupted'] == 'SIGINT'
assert load('interrupted.json.')['summary']['not_run'] == 1
results = load('all.sarif.known')['runs'][0]['results']
fail = [r for r in results if r['properties']['verdict'] == 'FAIL']
assert [r['partialFingerprints']['lastbyteFinding/v1'] for r in fail] == ['F2@length', 'R3@idle']
assert all(r['suppressions'][0]['justification'] == 'first' for r in fail)
assert fail[0]['locations'][0]['physicalLocation']['region']['startLine'] == 12
assert fail[0]['locations'][0]['physicalLocation']['artifactLocation']['uri'].startswith('some%20cases/')
assert load('interrupted.sarif.')['runs'][0]['invocations'][0]['executionSuccessful'] is False
END
grep -qP '^area-1/is-FAIL\tR3 @ idle\tfirst$' all.baseline.known || fail "baseline: no finding"
grep -qP '^area-0/is-CRASH\tCRASH\tnot explained yet$' all.baseline. || fail "baseline: no verdict"

# Each schema refuses what is spoiled.
is_spoiled tap all.tap13. '/^ok 3/d'
is_spoiled tap all.tap13. 's/^1\.\.11$/1..12/'
is_spoiled junit all.junit. 's/<testcase classname/<test classname/'
is_spoiled junit all.junit. '0,/ time="[0-9.]*"/s/ time="[0-9.]*"/ time="soon"/'
is_spoiled junit all.junit. 's/type="LEAK"/type="DRIP"/'
is_spoiled junit all.junit. '0,/area-1/s/name="area-1"/name="area-0"/'
is_spoiled junit all.junit. 's/&amp;/\&/'
is_spoiled json all.json. 's/"version": 1/"version": 2/'
is_spoiled json all.json. 's/"verdict": "LEAK"/"verdict": "DRIP"/'
is_spoiled json all.json. '0,/"line": 1,/s/"line": 1,/"line": 0,/'
is_spoiled json all.json. '/"exit_code"/d'
is_spoiled json all.json. 's/"found":/"find":/'
is_spoiled sarif all.sarif. 's/"2\.1\.0"/"2.2.0"/'
is_spoiled sarif all.sarif. 's/"kind": "informational"/"kind": "fail"/'
is_spoiled sarif all.sarif. 's/"startLine": 12/"startLine": 0/'
is_spoiled sarif all.sarif. 's/"partialFingerprints"/"partialFingerprint"/'
is_spoiled sarif all.sarif. 's/some%20cases/some cases/'

# The rules of the SARIF report are those of README.md, word for word.
"$python" - "$source_dir/conformance/README.md" all.sarif. <<'END' || fail "README.md and SARIF differ"
import json, re, sys
table = re.findall(r'^\| ([EFROB]\d+) \| (.*) \|$', open(sys.argv[1]).read(), re.M)
rules = json.load(open(sys.argv[2]))['runs'][0]['tool']['driver']['rules']
shown = [(r['id'], r['shortDescription']['text']) for r in rules if re.match(r'[EFROB]\d', r['id'])]
assert table == shown and len(table) > 30, set(table) ^ set(shown)
END

# A real run, twice, in another order and in parallel: the same but for time.
timeless() {
    sed -E -e 's/("seconds": |  seconds: )[0-9.e-]+/\10/' -e 's/(time|timestamp)="[^"]*"/\1=""/g' \
        -e 's/"(started|startTimeUtc|endTimeUtc)": "[^"]*"/"\1": ""/' "$1"
}
n=0
for options in '' '' '--jobs 2' '--shuffle 3' '--jobs 3 --shuffle 4'; do
    n=$((n + 1))
    # shellcheck disable=SC2086
    expect 0 "$lastbyte" check --cases "$cases" $options --report tap13=run.tap --report junit=run.junit \
        --report json=run.json --report sarif=run.sarif -v
    for format in tap junit json sarif; do
        [ "$n" -gt 1 ] || is_valid "$format" "run.$format"
        timeless "run.$format" >"run.$format.$n"
        cmp -s "run.$format.1" "run.$format.$n" || fail "$format differs with: $options"
    done
    grep -v ' cases/s$' out >"run.people.$n"
    cmp -s run.people.1 "run.people.$n" || fail "the report for people differs with: $options"
done
prove -e cat run.tap >out 2>&1 || fail "prove: $(tail -n 3 out)"

# Without a file it is the only output; a file is written whole or not at all.
expect 0 "$lastbyte" check --cases "$cases" --report json cut-before-last-chunk
cp out one.json
is_valid json one.json
expect 2 "$lastbyte" check --report xml
says 'expected FORMAT or FORMAT=FILE'
expect 2 "$lastbyte" check --report json=
expect 2 "$lastbyte" check --report json --report tap
says 'cannot both go to standard output'
expect 2 "$lastbyte" check --report json=same --report tap=same
says 'cannot both be the file'
expect 2 "$lastbyte" check --report "json=$scratch/none/report"
says 'in no folder that is there'
mkdir folder
expect 2 "$lastbyte" check --report json=folder
says 'is a folder'
code=0
"$lastbyte" check --cases "$cases" --report json cut-before-last-chunk >/dev/full 2>err || code=$?
[ "$code" -eq 3 ] || fail "a lost report: exit code $code"

# Interrupted, and crashed: what ran is told, also of a case that ended its process. The case takes so long,
# seconds, that whatever happens happens inside it.
mkdir slow
cat >slow/slow.case <<'CASE'
case   1
title  A large body in small segments
level  MUST
spec   LASTBYTE F1
vary   slice 16 17 18 19 20 21 22 23

host a
  conn 1
    want GET /1
    | HTTP/1.1 200 OK
    | Content-Length: 1048576
    |
    fill 1048576

client
  get   r1 a /1   => 200
  read  r1 all    => fill 1048576 end
CASE
cp "$cases/close/is-idempotent.case" slow/

# busy_child PID [OTHER]: waits for a child of a process, another one than OTHER, that has used some processor
# time, and prints it. Each round has children of its own; this one is then at its beginning.
busy_child() {
    local child ticks
    while kill -0 "$1"; do
        child=$(pgrep -P "$1" | grep -vx "${2:-}" | head -n 1) || true
        ticks=$(awk '{ print $14 }' "/proc/${child:-none}/stat" 2>/dev/null || echo 0)
        if [ "${ticks:-0}" -ge 10 ]; then
            echo "$child"
            return
        fi
        sleep 0.1
    done
    echo "no process $1 has a busy child any more" >&2
    return 1
}
# all_gone SESSION: that none of its processes is left, or soon is, and sooner than a round takes.
all_gone() {
    for _ in $(seq 20); do
        pgrep -s "$1" >/dev/null || return 0
        sleep 0.1
    done
    return 1
}
"${tied[@]}" setsid "$lastbyte" check --repeat 1000000 --report json=late.json --report sarif=late.sarif \
    --report junit=late.junit --report tap13=late.tap slow/slow.case slow/is-idempotent.case \
    >out 2>&1 &
check=$!
child=$(busy_child "$check")
kill -KILL "$child"
busy_child "$check" "$child" >/dev/null
kill -INT "$check"
sleep 0.2
kill -INT "$check" 2>/dev/null || true # the second one does not wait for the case
code=0
wait "$check" || code=$?
[ "$code" -eq 1 ] || fail "check with a crash, interrupted: exit code $code, expected 1"
for format in tap junit json sarif; do
    is_valid "$format" "late.$format"
done
all_gone "$check" || fail "check has left processes behind"
grep -q '"interrupted": "SIGINT"' late.json || fail "JSON: not interrupted"
grep -q '"crash": "signal 9 (Killed)"' late.json || fail "JSON: no crash"
grep -q '^CRASH ' out || fail "people are told of no crash"
[ "$(find . -name 'late.*' | wc -l)" -eq 4 ] || fail "a temporary file was left: $(ls late.*)"

# Killed, it leaves no process behind either.
"${tied[@]}" setsid "$lastbyte" check --repeat 1000000 --jobs 2 slow >out 2>&1 &
check=$!
busy_child "$check" >/dev/null
kill -KILL "$check"
wait "$check" 2>/dev/null || true
all_gone "$check" || fail "a killed check has left processes behind"
finish
