#!/usr/bin/env bash
# The injected bugs: every patch has its form and applies. tools/bugs builds them and sees them killed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$source_dir"

rules=" $(sed -n 's/^| \([EFROB][0-9]*\) |.*/\1/p' conformance/README.md | tr '\n' ' ')"

# check_patch FILE: its form, and that it applies.
check_patch() {
    local head rule
    head=$(sed '/^$/,$d' "$1")
    [ "$(sed -n 1p <<<"$head" | cut -d: -f1)" = Title ] || fail "$1:1: expected Title: ..."
    [[ $(sed -n 2p <<<"$head") =~ ^Shipped:\ .*\((19|20)[0-9][0-9]|^Shipped:\ .*\([0-9]+\.[0-9] ]] ||
        fail "$1:2: expected Shipped: PROJECT (YEAR or version)"
    [ "$(sed -n 3p <<<"$head" | cut -d: -f1)" = Breaks ] || fail "$1:3: expected Breaks: RULE..."
    [ -z "$(sed '1,3d' <<<"$head" | grep -vE '^(Note|Explore): ' || true)" ] || fail "$1:4: expected Note:, Explore: or an empty line"
    for rule in $(sed -n 's/^Breaks: *//p' <<<"$head"); do
        [[ $rules == *" $rule "* ]] || fail "$1:3: there is no rule $rule"
    done
    if grep '^+++ ' "$1" | grep -qv '^+++ b/transport/'; then
        fail "$1: changes more than transport/"
    fi
    git apply --check "$1" 2>"$scratch/why" || fail "$1 does not apply: $(head -n 1 "$scratch/why")"
}

count=0
for patch in conformance/bugs/*.patch; do
    check_patch "$patch"
    count=$((count + 1))
done
[ "$count" -ge 1 ] || fail "there are no bugs"
titles=$(sed -n 's/^Title: //p' conformance/bugs/*.patch | sort | uniq -d)
[ -z "$titles" ] || fail "two bugs have the title: $titles"

# check_tables KILLS SPARED: they name bugs and cases that there are, and each case once.
check_tables() {
    local id names name rest
    "$lastbyte" list cases | awk '{ print $1 }' | sort >"$scratch/ids"
    [ -s "$scratch/ids" ] || fail "there are no cases"
    while IFS=$'\t' read -r id names; do
        for name in $names; do
            [ -e "conformance/bugs/$name.patch" ] || fail "$1: $id kills $name, which is no bug"
        done
    done < <(grep -v '^#' "$1")
    while IFS=$'\t' read -r id rest; do
        [ -n "$rest" ] || fail "$2: expected what $id is for, behind a tab"
    done < <(grep -v '^#' "$2")
    grep -v '^#' "$1" | cut -f1 | sort >"$scratch/killing"
    grep -v '^#' "$2" | cut -f1 >"$scratch/spared-as-named"
    # FAMILY-* stands for all rows of a family that kill nothing, FAMILY-ROW-* for some.
    while read -r id; do
        if [[ $id == *-\* ]]; then
            awk -v stem="${id%\*}" 'index($0, stem) == 1' "$scratch/ids" |
                comm -23 - "$scratch/killing" >"$scratch/rows"
            [ -s "$scratch/rows" ] || fail "$2: every row of $id kills a bug, or it has none"
            cat "$scratch/rows"
        else
            printf '%s\n' "$id"
        fi
    done <"$scratch/spared-as-named" | sort >"$scratch/spared"
    while read -r id; do
        fail "$id: kills no bug, and $2 does not say what it is for; or both tables have it, or one twice"
    done < <(sort "$scratch/killing" "$scratch/spared" | uniq -u | comm -13 - "$scratch/ids")
    while read -r id; do
        fail "$1 or $2: there is no case $id"
    done < <(sort -u "$scratch/killing" "$scratch/spared" | comm -13 "$scratch/ids" -)
}
check_tables conformance/bugs/kills.tsv conformance/bugs/spared.tsv

# What follows is the same whatever build this is of; the preset asan has done it.
[[ $lastbyte != */build/fuzz/* ]] || finish

# The last one stays built, for what comes behind.
bugs="drain-without-size-limit error-told-once-only socket-closed-twice close-waits-for-the-drain
    idle-check-cached early-close-gives-the-connection-back"
# shellcheck disable=SC2086 # names
expect 0 "$source_dir/tools/bugs" --matrix "$scratch/matrix" $bugs
says '6 of 6 bugs are killed'
for name in $bugs; do
    awk -F'\t' -v name="$name" '$1 == name && $4 == "rule" { found = 1 } END { exit !found }' \
        "$scratch/matrix" || fail "$name is killed by no rule that its head names"
done
grep -q $'^idle-check-cached\texplore\t' "$scratch/matrix" || fail "exploration killed nothing"

# An input that shows a finding becomes the smallest one that shows the same.
copy=$source_dir/build/bugs/src
broken=$copy/build/lastbyte
input=$scratch/torn-down-while-draining
expect 0 "$lastbyte" encode torn-down-while-draining between-two-reads -o "$scratch"
finding=R4/before-the-end-of-the-response
expect 0 "$broken" minimize "$input" --output "$scratch/least" --also "$scratch/also"
says "finding    $finding"
says 'spec   LASTBYTE R4'
operations=$(sed -n 's/^left *\([0-9]*\) operation.*/\1/p' "$scratch/out")
[ "${operations:-99}" -le 6 ] || fail "$operations operations are left, expected 6 at most"
[ "$(stat -c %s "$scratch/least")" -lt "$(stat -c %s "$input")" ] || fail "nothing was left out"
expect 1 "$broken" replay "$scratch/least"
says 'broken rule R4 @ before-the-end-of-the-response'
expect 1 "$broken" check "$scratch/least.case"
expect 0 "$lastbyte" replay "$scratch/least"
for other in "$scratch"/also/*; do
    expect 1 "$broken" replay "$other"
    says "broken rule $(basename "$other" | sed 's/_/ @ /')"
done

# Cut short, it leaves the best so far, which shows the finding, too.
expect 0 "$broken" minimize "$input" --output "$scratch/begun" --max-runs 8 --quiet
says 'more may be possible'
expect 1 "$broken" replay "$scratch/begun"
says 'broken rule R4 @ before-the-end-of-the-response'
expect 2 "$broken" minimize "$input" --output "$input"
says 'is the input'

expect 1 "$broken" triage "$source_dir/corpus/lifecycle" --minimize --keep 2 --out "$scratch/filed"
says "$finding"
found=$(find "$scratch/filed" -type f | wc -l)
[ "$found" -ge 2 ] || fail "triage filed $found inputs, expected 2"

# A client that dies is a finding as well.
sed -i '/^void lb_request_cancel/,/^}/ s/^{/{\n    __builtin_trap();/' "$copy/transport/life/request.c"
expect 0 cmake --build "$copy/build" --target lastbyte
expect 0 "$broken" minimize "$scratch/between-two-reads" --output "$scratch/dead"
says 'finding    crash/'
says 'cancel r1'
[ -s "$scratch/dead.case" ] || fail "a crash leaves no case"
expect 132 "$broken" replay "$scratch/dead"
expect 1 "$broken" triage "$scratch/dead"
says 'crash/'
git -C "$copy" checkout -q -- transport
finish
