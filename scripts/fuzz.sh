#!/bin/sh
# Runs every fuzz target of the module for a time each: scripts/fuzz.sh [duration]. Inputs that fail are
# written to testdata/fuzz of their package; commit them with the fix.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
duration=${1:-60s}

failed=0 count=0
for package in $($GO list ./...); do
    listed=$($GO test -list '^Fuzz' "$package") || { echo "$listed" >&2; failed=$((failed + 1)); }
    for target in $(printf '%s\n' "$listed" | grep '^Fuzz' || true); do
        count=$((count + 1))
        echo "fuzz: $package $target for $duration"
        $GO test -run '^$' -fuzz "^$target\$" -fuzzminimizetime=10x -fuzztime "$duration" "$package" || failed=$((failed + 1))
    done
done
echo "fuzz: $count targets, $failed failed"
[ "$failed" -eq 0 ]
