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
finish
