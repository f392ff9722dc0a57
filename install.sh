#!/bin/sh
# Builds Portcullis from this folder, or takes a binary; tries it out, installs, upgrades or removes it.
set -eu

usage() {
    cat <<'TEXT'
Usage: ./install.sh --try [--listen ADDR:PORT]
       ./install.sh [--binary FILE] [--wait SECONDS] [--root FOLDER] [--user NAME]
       ./install.sh --uninstall [--root FOLDER]

  --try        build, then serve on loopback (127.0.0.1:8080 unless --listen says otherwise),
               with everything that it needs in ./portcullis-data; prints the link to set it up
  (nothing)    install as a service with a user of its own, or upgrade what is installed: with a
               copy of the data, and back to the old version when the new one is not ready in time
  --binary     take this program instead of building one
  --wait       how long a new version has to become ready (60 seconds unless said)
  --uninstall  remove program and service; data and configuration stay
  --root       put everything below this folder instead of /
  --user       whom the service runs as (portcullis unless said); made if missing
TEXT
}

say() { printf 'install.sh: %s\n' "$1" >&2; }

fail() {
    say "$1"
    exit 1
}

misused() {
    say "$1"
    usage >&2
    exit 2
}

what=install listen=127.0.0.1:8080 binary='' patience=60 root='' user=portcullis
while [ $# -gt 0 ]; do
    case $1 in
        --try | --uninstall) what=${1#--} ;;
        --listen | --binary | --wait | --root | --user)
            [ $# -ge 2 ] || misused "$1 needs a value"
            case $1 in
                --listen) listen=$2 ;;
                --binary) binary=$(realpath "$2") || fail "there is no $2" ;;
                --wait) patience=$2 ;;
                --root) root=$(realpath -m "$2") ;;
                --user) user=$2 ;;
            esac
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

cd "$(dirname "$0")"

build() {
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
    binary=${CARGO_TARGET_DIR:-target}/release/portcullis
}

if [ "$what" = try ]; then
    build
    exec "$binary" --data-dir ./portcullis-data serve --listen "$listen"
fi

[ "$(id -u)" -eq 0 ] || fail 'run this as root'
program=$root/usr/local/bin/portcullis
settings=$root/etc/portcullis
data=$root/var/lib/portcullis
unit=$root/etc/systemd/system/portcullis.service
man=$root/usr/local/share/man/man1/portcullis.1
systemd=''
[ -n "$root" ] || [ ! -d /run/systemd/system ] || systemd=yes
[ -n "$systemd" ] || say 'no systemd runs here (or --root is given): the service is put in place, not enabled'

start() {
    if [ -n "$systemd" ]; then
        systemctl daemon-reload && systemctl enable --quiet portcullis && systemctl restart portcullis
        return
    fi
    log=$(mktemp)
    (cd "$settings" && exec setpriv --reuid "$user" --regid "$(id -gn "$user")" --clear-groups -- \
        "$program" --data-dir "$data" serve) >"$log" 2>&1 &
    running=$!
}

stop() {
    if [ -n "$systemd" ]; then
        systemctl stop portcullis 2>/dev/null || true
    elif [ -n "${running:-}" ]; then
        kill "$running" 2>/dev/null || true
        wait "$running" 2>/dev/null || true
        running=''
    fi
}

# Whether it answers that it is ready, within the time that it has.
is_ready() {
    address=$(sed -n 's/^ *PORTCULLIS_SERVER__LISTEN *= *["'\'']\{0,1\}\([^"'\''#[:space:]]*\).*/\1/p' "$settings/.env" 2>/dev/null | tail -n 1)
    [ -n "$address" ] || address=$(sed -n 's/^listen *= *"\([^"]*\)".*/\1/p' "$settings/portcullis.toml" | head -n 1)
    address=$(printf '%s' "${address:-127.0.0.1:8080}" | sed 's/^0\.0\.0\.0:/127.0.0.1:/; s/^\[::\]:/[::1]:/')
    end=$(($(date +%s) + patience))
    while [ "$(date +%s)" -lt "$end" ]; do
        for url in "http://$address/health/ready" "https://$address/health/ready"; do
            ! curl -fsk --max-time 5 -o /dev/null "$url" 2>/dev/null || return 0
        done
        sleep 0.2
    done
    return 1
}

complaints() {
    if [ -n "$systemd" ]; then journalctl -u portcullis -n 20 --no-pager; else tail -n 20 "$log"; fi >&2
}

if [ "$what" = uninstall ]; then
    [ -z "$systemd" ] || systemctl disable --now --quiet portcullis || true
    rm -f "$program" "$program.before" "$unit" "$man"
    [ -z "$systemd" ] || systemctl daemon-reload
    say "removed; the data stays in $data, the configuration in $settings"
    exit 0
fi

command -v curl >/dev/null 2>&1 || fail 'curl is missing, which asks the service whether it is ready. Install it, then run this again.'
[ -n "$binary" ] || build
"$binary" --version >/dev/null || fail "$binary does not run on this machine"
id "$user" >/dev/null 2>&1 ||
    useradd --system --user-group --no-create-home --home-dir /var/lib/portcullis --shell /usr/sbin/nologin "$user"
group=$(id -gn "$user")
install -d -m 0755 "$root/usr/local/bin" "$(dirname "$unit")" "$(dirname "$man")"
install -d -m 0750 -o root -g "$group" "$settings"
install -d -m 0700 -o "$user" -g "$group" "$data"
if [ ! -e "$settings/portcullis.toml" ]; then
    "$binary" config example | sed 's/^#environment = .*/environment = "production"/' >"$settings/portcullis.toml"
    chown "root:$group" "$settings/portcullis.toml"
    chmod 0640 "$settings/portcullis.toml"
fi

upgrade=''
if [ -e "$program" ]; then
    upgrade=yes
    stop
    [ ! -e "$data/portcullis.lock" ] || flock -n "$data/portcullis.lock" true ||
        fail "$data is in use by a server that this script did not start; stop it first"
    rm -rf "$data.before"
    cp -a --reflink=auto "$data" "$data.before"
    mv -f "$program" "$program.before"
fi
install -m 0755 "$binary" "$program.new" && mv -f "$program.new" "$program"
sed "s/^User=.*/User=$user/; s/^Group=.*/Group=$group/" deploy/portcullis.service >"$unit"
"$program" man >"$man" 2>/dev/null || rm -f "$man"

if start && is_ready; then
    [ -n "$systemd" ] || { stop && say 'it became ready and was stopped again: start the service where systemd runs'; }
    say "$("$program" --version) is installed; its configuration is $settings/portcullis.toml"
    [ -z "$upgrade" ] || say "the data as it was before is in $data.before; remove it when all is well"
    [ -n "$upgrade" ] || say "make the first administrator: runuser -u $user -- $program --data-dir $data user create --email YOU --role admin"
    exit 0
fi
complaints
stop
[ -n "$upgrade" ] || fail "it was not ready within $patience s; see above"
rm -rf "$data.failed"
mv "$data" "$data.failed" && mv "$data.before" "$data"
mv -f "$program.before" "$program"
if ! start || ! is_ready; then
    complaints
    fail 'the old version is back in place, but it is not ready either; see above'
fi
[ -n "$systemd" ] || stop
fail "the new version was not ready within $patience s: the old one is back, with the data as it was before (what the new one left is in $data.failed)"
