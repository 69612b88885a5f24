# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder. To be sourced; sets `source_dir`.
#
# Scripts say what they do, one line a step, and fail with a sentence that says what to do about it.

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
    printf '\n== %s\n' "$*"
}

die() {
    printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 3
}

# run_logged LOG COMMAND...: runs a command quietly; shows the end of its log if it fails.
run_logged() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "this failed: $* (its whole output is in $log)"
    fi
}

# build PRESET [TARGET...]: configures a preset and builds it, in build/ or build/PRESET.
build() {
    local preset=$1
    shift
    local dir="$source_dir/build/$preset"
    [ "$preset" = release ] && dir="$source_dir/build"
    say "building preset $preset in ${dir#"$source_dir"/}/"
    mkdir -p "$source_dir/build/logs"
    (
        cd "$source_dir" || exit 3
        run_logged "build/logs/$preset-configure.log" cmake --preset "$preset"
        if [ $# -gt 0 ]; then
            run_logged "build/logs/$preset-build.log" cmake --build "$dir" --target "$@"
        else
            run_logged "build/logs/$preset-build.log" cmake --build "$dir"
        fi
    )
}

# build_plain TARGET...: the targets with libFuzzer and no sanitizer, in build/fuzz-plain.
build_plain() {
    say "building libFuzzer without sanitizers in build/fuzz-plain/"
    run_logged build/logs/fuzz-plain-configure.log cmake --preset fuzz -B build/fuzz-plain -DLASTBYTE_SANITIZE=
    run_logged build/logs/fuzz-plain-build.log cmake --build build/fuzz-plain --target "$@"
}

# On kernels that randomise addresses by more bits than older sanitizer runtimes can bear, the script
# starts itself again without randomisation.
tame_address_space() {
    local bits
    bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
    if [ "$bits" -gt 28 ] && [ -z "${LASTBYTE_TAMED:-}" ] && setarch -R true 2>/dev/null; then
        LASTBYTE_TAMED=1 exec setarch -R "$0" "$@"
    fi
}
