#!/usr/bin/env bash
# Random operations with snapshots, scrubs and aborts at the same time, checked against a model;
# at the end the repo is verified and zdb looks at the pool.
#
#   scripts/soak.sh [--minutes 60] [--seed N] [--workers 4]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --tests
ZDB=$(scripts/openzfs.sh assert)/sbin/zdb exec node_modules/.bin/node test/soak/soak.ts "$@"
