#!/bin/sh
# Measures Argus beside nginx and Varnish. Installs from Debian what is missing. Arguments go to the
# program: --only hits,slow,beside,cold,crowd  --rounds 3  --seconds 2  --dir DIR
set -eu
missing=
for pair in nginx:nginx varnishd:varnish wrk:wrk; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
    apt-get update -q
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
fi
cd "$(dirname "$0")/../.."
exec cargo run --profile production --locked -p edge-bench -- "$@"
