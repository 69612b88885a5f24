#!/usr/bin/env bash
# What conformance/rules.tsv and conformance/catalogue.tsv say is true: each case and unit test that they
# name exists, each case that shows a rule cites it, each entry has cover or a reason and stands once, no
# case cites what is no rule, and a case whose comment names rows of the catalogue is among their cover.
# Then the tables are broken in each of these ways, and it has to be said.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

# facts FOLDER: what there is: "case AREA/ID", "test FILE:FUNCTION", "cites AREA/ID RULE", "rule NAME",
# "shows AREA/ID LETTER FIRST LAST", the rows that a comment of a case names. A family stands for all its
# cases, under its own name: what its `spec` lines cite has no holes, so it is true of each.
facts() {
    local root=$1
    find "$root/conformance/cases" \( -name '*.case' -o -name '*.family' \) -printf 'case\t%P\n' |
        sed -E 's/\.(case|family)$//'
    grep -rHoE --include='test_*.c' '^static void test_[a-z0-9_]+\(' "$root"/*/test "$root/tools/tests" |
        sed -E 's|^.*/(test_[a-z0-9_]+)\.c:static void (test_[a-z0-9_]+)\($|test\t\1:\2|'
    grep -rHE --include='*.case' --include='*.family' '^spec ' "$root/conformance/cases" |
        sed -E "s|^$root/conformance/cases/(.*)\.(case\|family):spec +|cites\t\1\t|" |
        sed -E 's|\tLASTBYTE +([^ ]+).*|\t\1|; s|\t(RFC[0-9]+) +([^ ]+).*|\t\1 \2|'
    grep -rHE --include='*.case' --include='*.family' '^ *#' "$root/conformance/cases" |
        sed -E "s|^$root/conformance/cases/(.*)\.(case\|family):|\1\t|; s/([A-Z][0-9]{2,3}) to ([A-Z][0-9]{2,3})/\1-\2/g" |
        awk -F '\t' '{
            count = split($2, words, /[ ,;:.#]+/)
            for (i = 1; i <= count; i++)
                if (words[i] ~ /^[CDIKLNQSTX][0-9][0-9][0-9]?(-[A-Z][0-9][0-9][0-9]?)?$/) {
                    split(words[i], ends, "-")
                    first = substr(ends[1], 2) + 0
                    last = ends[2] == "" ? first : substr(ends[2], 2) + 0
                    print "shows\t" $1 "\t" substr(words[i], 1, 1) "\t" first "\t" last
                }
        }'
    sed -nE 's/^\| ([A-Z][0-9]+) \|.*/rule\t\1/p' "$root/conformance/README.md"
}

# judge FOLDER: complaints about the tables of a source tree, one a line.
judge() {
    local root=$1
    facts "$root" >"$scratch/facts"
    awk -F '\t' '
        function say(what) { print table ":" FNR ": " what }
        function check_name(name) {
            if (name ~ /\// && !(name in cases)) say("no case " name)
            else if (name ~ /:/ && !(name in tests)) say("no unit test " name)
            else if (name !~ /[\/:]/) say(name " names neither case nor unit test")
        }
        function check_entry(entry) {
            if (entry in entries) say(entry " is listed twice")
            entries[entry] = 1
        }
        function check_range(row,   ends, first, last, i) {
            if (row !~ /^[A-Z][0-9]+(-[A-Z][0-9]+)?$/) { say(row " is no row"); return }
            split(row, ends, "-")
            first = substr(ends[1], 2) + 0
            last = ends[2] == "" ? first : substr(ends[2], 2) + 0
            if (last < first || (ends[2] != "" && substr(ends[2], 1, 1) != substr(row, 1, 1)))
                say(row " is no range")
            for (i = first; i <= last; i++) {
                check_entry(substr(row, 1, 1) " " i)
                for (name in seen) shown[name, substr(row, 1, 1) " " i] = 1
            }
        }
        FNR == 1 { table = FILENAME; sub(/.*\//, "", table); split("", entries) }
        table == "facts" && $1 == "case" { cases[$2] = 1; next }
        table == "facts" && $1 == "test" { tests[$2] = 1; next }
        table == "facts" && $1 == "cites" { cites[$2, $3] = 1; cited[$3] = $2; next }
        table == "facts" && $1 == "rule" { house[$2] = 1; next }
        table == "facts" && $1 == "shows" { for (i = $4; i <= $5; i++) shows[$2, $3 " " i] = 1; next }
        /^#/ || /^(row|rule)\t/ { next }
        NF != 4 { say(NF " columns, expected 4"); next }
        $2 == "" { say($1 " claims nothing") }
        $3 == "" || $4 == "" { say($1 " has an empty column; nothing is written -") }
        $3 == "-" && $4 == "-" { say($1 " has neither cover nor reason") }
        {
            count = $3 == "-" ? 0 : split($3, names, " ")
            split("", seen)
            for (i = 1; i <= count; i++) {
                check_name(names[i])
                if (names[i] in seen) say(names[i] " is named twice for " $1)
                seen[names[i]] = 1
                if (table == "rules.tsv" && (names[i] in cases) && !((names[i], $1) in cites))
                    say(names[i] " does not cite " $1)
            }
        }
        table == "catalogue.tsv" { check_range($1) }
        table == "rules.tsv" {
            check_entry($1 ", " $2)
            known[$1] = 1
            if ($1 !~ /^RFC[0-9]+ [0-9.]+$/ && !($1 in house)) say($1 " is no rule of README.md")
        }
        END {
            for (rule in cited) if (!(rule in known)) print cited[rule] " cites " rule ", which rules.tsv has not"
            for (pair in shows) if (!(pair in shown)) {
                split(pair, both, SUBSEP)
                print both[1] " says that it shows " both[2] ", which catalogue.tsv does not say"
            }
            for (rule in house) if (!(rule in known) && !(rule in cited)) print "rules.tsv has no line for " rule
        }
    ' "$scratch/facts" "$root/conformance/rules.tsv" "$root/conformance/catalogue.tsv"
}

judge "$source_dir" >"$scratch/complaints"
while read -r complaint; do
    fail "$complaint"
done <"$scratch/complaints"

expect 0 "$lastbyte" list rules
says "pipelining: one request at a time on a connection"
expect 2 "$lastbyte" list rules --rules "$scratch/nothing"

# broken FILE SED COMPLAINT: with FILE of the copy changed by SED, the complaint is made, and no other.
copy=$scratch/copy
mkdir -p "$copy/tools" "$copy/transport" "$copy/fuzz"
cp -r "$source_dir/conformance" "$copy/"
cp -r "$source_dir/tools/tests" "$copy/tools/"
cp -r "$source_dir/transport/test" "$copy/transport/"
cp -r "$source_dir/fuzz/test" "$copy/fuzz/"
broken() {
    local file=$1 change=$2 complaint=$3
    cp "$copy/$file" "$scratch/kept"
    sed -i -E "$change" "$copy/$file"
    if cmp -s "$copy/$file" "$scratch/kept"; then
        fail "nothing was broken by $change in $file"
    fi
    judge "$copy" >"$scratch/out"
    says "$complaint"
    [ "$(sort -u "$scratch/out" | wc -l)" -eq 1 ] || fail "more than one complaint: $(cat "$scratch/out")"
    cp "$scratch/kept" "$copy/$file"
}

if [ "$failures" -eq 0 ]; then
    catalogue=conformance/catalogue.tsv rules=conformance/rules.tsv
    one_case=conformance/cases/close/is-idempotent.case one_family=conformance/cases/leftover/beside.family
    broken $catalogue 's|^(T005\t.*)origins/connection-close-response|\1origins/no-such|' 'no case origins/no-such'
    broken $catalogue 's|^(T009\t.*)of_a_get|\1of_nothing|' 'no unit test test_request_head:test_request_head_of_nothing'
    broken $catalogue 's|^(T005\t[^\t]*)\t.*|\1\t-\t-|' 'T005 has neither cover nor reason'
    broken $catalogue 's|^(T005)\t|T004\t|' 'T 4 is listed twice'
    broken $catalogue 's|^(T066-T068)\t|T065-T068\t|' 'T 65 is listed twice'
    broken $catalogue 's|^(T005\t.*)\t-$|\1|' '3 columns, expected 4'
    broken $catalogue 's|^(T005\t.*)origins/connection-close-response|\1connection|' 'names neither case nor unit test'
    broken $rules 's|^(O1\t.*)cancel/then-close|\1cancel/then-clothes|' 'no case cancel/then-clothes'
    broken $rules 's|^(O1\t.*)cancel/then-close|\1cancel/races-the-head|' 'cancel/races-the-head does not cite O1'
    broken $rules 's|^(B1\t)cancel\t|\1close\t|' 'B1, close is listed twice'
    broken $rules '/^R6\t/d' 'cites R6, which rules.tsv has not'
    broken $rules 's|^(R4\tone exchange\t).*|\1-\t-|' 'R4 has neither cover nor reason'
    broken conformance/README.md '/^\| E9 \|/d' 'E9 is no rule of README.md'
    broken conformance/README.md 's/^\| E9 \|.*/&\n| Z9 | what is not |/' 'rules.tsv has no line for Z9'
    broken $catalogue 's|^(T095\t.*) upload/known-length|\1|' 'upload/known-length says that it shows T 95'
    broken $one_case 's/^host a$/# T999\n&/' 'close/is-idempotent says that it shows T 999'
    broken $one_case 's/^spec +LASTBYTE F4.*/&\nspec   LASTBYTE F44/' 'cites F44, which rules.tsv has not'
    broken $one_family 's/^spec +LASTBYTE F5.*/&\nspec   LASTBYTE F45/' 'leftover/beside cites F45, which rules.tsv has not'
    broken $rules 's|^(F5\t.*)leftover/beside|\1leftover/besides|' 'no case leftover/besides'
fi
echo "coverage: $(grep -vc '^#' "$source_dir/conformance/catalogue.tsv") rows, $(grep -vc '^#' \
    "$source_dir/conformance/rules.tsv") parts of rules, $(cat "$source_dir"/conformance/{rules,catalogue}.tsv |
    grep -c $'[\t ]open: ' || true) of both still open"
finish
