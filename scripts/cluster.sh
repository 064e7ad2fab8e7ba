#!/usr/bin/env bash
# Builds stock IPFS Cluster (ipfs-cluster-service, ipfs-cluster-ctl; the version that
# scripts/cluster/go.mod names) unless the cache has it, and prints the folder of the programs.
# Needs Go. The first build takes minutes.
set -euo pipefail
cd "$(dirname "$0")/cluster"

flags=(-trimpath '-ldflags=-s -w')
programs=(ipfs-cluster-service ipfs-cluster-ctl)

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipfs-zfs/cluster
key=$( (go version && go env GOARCH GOAMD64 CGO_ENABLED && echo "${flags[@]}" && cat go.mod go.sum) |
  sha256sum | cut -c1-16)
folder=$cache/$key
mkdir -p "$cache"
# Two builds at once would both compile everything.
exec 9>"$cache/lock"
flock 9
if [ ! -e "$folder" ]; then
  echo "building IPFS Cluster, which takes minutes the first time" >&2
  work=$(mktemp -d "$cache/building.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  go build "${flags[@]}" -o "$work/" "${programs[@]/#/github.com/ipfs-cluster/ipfs-cluster/cmd/}"
  mv "$work" "$folder"
  trap - EXIT
fi
echo "$folder"
