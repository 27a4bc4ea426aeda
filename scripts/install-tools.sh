#!/bin/sh
# Builds the tools pinned in scripts/tools/go.mod into bin/tools. A build takes minutes, so it is kept in
# GOPATH/bin under the tool's and Go's versions, and shared by all clones.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}

tool=github.com/golangci/golangci-lint/v2
# GOFLAGS of the caller (such as -mod=vendor) are about the main module.
export GOFLAGS=
version=$($GO -C scripts/tools list -m -f '{{.Version}}' "$tool")
gopath=$($GO env GOPATH)
kept=${gopath%%:*}/bin/golangci-lint-$version-$($GO env GOVERSION)

if [ ! -x "$kept" ]; then
    echo "lint: building golangci-lint $version, once"
    mkdir -p "$(dirname "$kept")"
    $GO -C scripts/tools build -trimpath -ldflags '-s -w' -o "$kept.$$" "$tool/cmd/golangci-lint"
    mv "$kept.$$" "$kept"
fi
mkdir -p bin/tools
ln -sf "$kept" bin/tools/golangci-lint
