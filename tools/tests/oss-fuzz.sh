#!/usr/bin/env bash
# The fuzz targets as OSS-Fuzz would build them: address, undefined and memory with libFuzzer, address with
# AFL++, each with OSS-Fuzz's checks. And the checks are seen to fail: a target without its sanitizer, one
# that is not there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$source_dir"

git rev-parse HEAD >/dev/null 2>&1 || {
    echo "no repository to take the sources from" >&2
    exit 77
}
for build in 'address libfuzzer' 'undefined libfuzzer' 'memory libfuzzer' 'address afl'; do
    # shellcheck disable=SC2086 # two words
    expect 0 tools/oss-fuzz-local $build
    says 'targets pass the checks'
done

# What was built for one sanitizer does not pass the checks of another.
expect 3 tools/oss-fuzz-local --checks build/oss-fuzz/out-undefined-libfuzzer address libfuzzer
says 'calls of ASan, expected 1000 to'
expect 3 tools/oss-fuzz-local --checks build/oss-fuzz/out-address-libfuzzer memory libfuzzer
says 'calls of ASan, expected 0 to 0'
cp -r build/oss-fuzz/out-address-libfuzzer "$scratch/less"
rm "$scratch/less/fuzz_pool" "$scratch/less/fuzz_split.dict"
printf 'not an archive' >"$scratch/less/fuzz_upload_seed_corpus.zip"
expect 3 tools/oss-fuzz-local --checks "$scratch/less" address libfuzzer
says 'fuzz_pool: was not built'
says 'fuzz_split: fuzz_split.dict is missing'
says 'fuzz_upload: its seeds cannot be unpacked'
expect 2 tools/oss-fuzz-local address
expect 2 tools/oss-fuzz-local thread libfuzzer
finish
