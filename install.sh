#!/bin/sh
# Builds Portcullis from this folder and starts it.
set -eu

usage() {
    cat <<'TEXT'
Usage: ./install.sh --try [--listen ADDR:PORT]

  --try     build, then serve on loopback (127.0.0.1:8080 unless --listen says otherwise),
            with everything that it needs in ./portcullis-data; prints the link to set it up
TEXT
}

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit 1
}

misused() {
    printf 'install.sh: %s\n' "$1" >&2
    usage >&2
    exit 2
}

try=
listen=127.0.0.1:8080
while [ $# -gt 0 ]; do
    case $1 in
        --try) try=yes ;;
        --listen)
            [ $# -ge 2 ] || misused '--listen needs an address and port'
            listen=$2
            shift
            ;;
        --listen=*) listen=${1#--listen=} ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) misused "there is no option $1" ;;
    esac
    shift
done
[ -n "$try" ] || misused 'say --try'

cd "$(dirname "$0")"

# rustup puts cargo here, but a shell that was open before does not know yet.
if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
    PATH=${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH
fi
command -v cargo >/dev/null 2>&1 ||
    fail 'cargo is missing. Install Rust from https://rustup.rs, then run this again.'
command -v cc >/dev/null 2>&1 ||
    fail 'a C compiler is missing. Install one (Debian, Ubuntu: apt-get install build-essential; Fedora: dnf install gcc make; Alpine: apk add build-base), then run this again.'

least=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
[ "$(printf '%s\n%s\n' "$least" "$found" | sort -V | head -n 1)" = "$least" ] ||
    fail "Rust $found is too old: this needs $least or newer. Bring it up to date with: rustup update"

printf 'Building; the first time takes some minutes.\n' >&2
cargo build --release --locked --bin portcullis

program=${CARGO_TARGET_DIR:-target}/release/portcullis
exec "$program" --data-dir ./portcullis-data serve --listen "$listen"
