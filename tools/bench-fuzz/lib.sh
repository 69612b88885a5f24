# shellcheck shell=bash disable=SC2034
# Shared by the measurements with injected bugs. To be sourced, behind common.sh and in $source_dir.
#
# A bug is a patch in conformance/bugs/, applied to a copy of the sources in build/bench-bugs/src/, as
# tools/bugs does. The programs built of it go to build/bench-bugs/NAME/. The client in them is without
# its own assertions: a finding is what the rules see.

bench_place=$source_dir/build/bench-bugs
bench_copy=$bench_place/src
bench_logs=$bench_place/logs

# Bugs that a corpus grown in 30,000 executions shows; those that make the client go round for ever are left
# out.
bench_bugs=(
    body-error-waits-for-the-close
    body-of-204-left
    cancel-told-as-a-time-out
    cancelled-connection-pooled
    close-flag-overwritten
    close-waits-for-the-drain
    close-waits-for-the-reader
    continue-taken-for-final
    cut-length-taken-for-the-end
    failed-dial-keeps-its-slot
    head-waits-for-a-body
    host-limit-counts-after-the-dial
    host-not-in-the-key
    hosts-never-forgotten
    own-dial-preferred
    pooled-at-the-end-of-the-head
    read-after-close-gives-bytes
    request-still-read-after-the-error
    reset-taken-for-the-end
    six-2-lost-wake-up-of-an-early-close
    slot-of-an-early-close-lost
    slot-released-twice
    source-closed-twice
    timer-of-the-idle-time-survives
    write-worker-left-behind
)

# Of these, bugs that take some looking for.
bench_trial_bugs=(
    body-error-waits-for-the-close
    cancelled-connection-pooled
    close-waits-for-the-reader
    continue-taken-for-final
    cut-length-taken-for-the-end
    own-dial-preferred
    request-still-read-after-the-error
    reset-taken-for-the-end
    six-2-lost-wake-up-of-an-early-close
    timer-of-the-idle-time-survives
)

# bench_begin: takes the folder, and brings the copy up to date: a repository of its own, so that git
# takes a bug back. Files that have not changed are left alone, and not built again.
bench_begin() {
    local file
    mkdir -p "$bench_logs" "$bench_copy"
    exec 9>"$bench_place/lock"
    flock -n 9 || die "another measurement is at work in build/bench-bugs/"
    git ls-files -z | while IFS= read -r -d '' file; do
        [ -e "$file" ] || continue
        cmp -s "$file" "$bench_copy/$file" ||
            { mkdir -p "$bench_copy/$(dirname "$file")" && cp "$file" "$bench_copy/$file"; }
    done
    rm -rf "$bench_copy/.git"
    (cd "$bench_copy" && find . -path ./build -prune -o -type f -print | sed 's|^\./||' | sort) |
        comm -23 - <(git ls-files | sort) | (cd "$bench_copy" && xargs -r -d '\n' rm -f)
    git -C "$bench_copy" init -q
    git -C "$bench_copy" add transport
    git -C "$bench_copy" -c user.name=bench -c user.email=bench@localhost commit -q -m base
}

# bench_build FOLDER TARGET OPTION...: builds one program of the copy.
bench_build() {
    local folder=$1 target=$2
    shift 2
    (cd "$bench_copy" && cmake -B "build/$folder" -DLASTBYTE_UNGUARDED=ON "$@" &&
        nice cmake --build "build/$folder" --target "$target") >"$bench_logs/build-$folder.log" 2>&1 ||
        die "build/bench-bugs/src/build/$folder does not build; see build/bench-bugs/logs/build-$folder.log"
}

# bench_program NAME: builds one program, and puts it into build/bench-bugs/BUG/NAME. What it is:
#   lastbyte  the command        full  libFuzzer, without sanitizers
#   afl       AFL++, plain       no-mutator, no-feedback  libFuzzer without one of its helps
bench_program() {
    local bug=$1 name=$2 target=fuzz_lifecycle
    local options=(--preset fuzz -DLASTBYTE_SANITIZE=)
    case $name in
    lastbyte) target=lastbyte options=(--preset release) ;;
    afl) options=(--preset aflpp) ;;
    no-mutator) options+=(-DLASTBYTE_BYTES_ONLY=ON) ;;
    no-feedback) options+=(-DLASTBYTE_FEEDBACK=OFF) ;;
    esac
    bench_build "$name" "$target" "${options[@]}"
    mkdir -p "$bench_place/$bug"
    cp "$bench_copy/build/$name/$target" "$bench_place/$bug/$name"
}

# bench_bug BUG PROGRAM...: the programs of the sources with a bug; with `none`, as they are.
bench_bug() {
    local bug=$1 patch=$source_dir/conformance/bugs/$1.patch name
    shift
    git -C "$bench_copy" checkout -q -- transport
    if [ "$bug" != none ]; then
        [ -f "$patch" ] || die "there is no $patch"
        git -C "$bench_copy" apply "$patch" || die "$bug does not apply any more"
    fi
    for name in "$@"; do
        bench_program "$bug" "$name"
    done
    git -C "$bench_copy" checkout -q -- transport
}
