#!/usr/bin/env bash
# The corpus is what the conformance cases make of it, and every input has its line in the manifest.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_cases

expect 0 env LASTBYTE="$lastbyte" "$source_dir/tools/seeds" --check
finish
