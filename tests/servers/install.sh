#!/bin/sh
# Installs the servers that the tests use, from Debian's packages, and starts none of them.
#
# Quick and quiet when all is there. Where it may not install (no apt-get, neither root nor passwordless sudo, or no
# network) it says so in one line and ends with status 0: the tests that need a server are then skipped, with the
# reason. With --strict (for CI) it ends with status 1 instead.
set -eu

packages="dovecot-imapd dovecot-lmtpd dovecot-sieve dovecot-managesieved postfix postgresql chromium fonts-dejavu-core"

strict=0
[ "${1:-}" = "--strict" ] && strict=1

cannot() {
    echo "test servers: not installed ($1); tests that need them are skipped" >&2
    exit "$strict"
}

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    cannot "no apt-get on this system"
fi

missing=""
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = "installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    cannot "missing:$missing; it takes root or passwordless sudo"
fi

work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
kept=""     # what stood in the policy's place
placed=""   # whether it is ours now
no_cluster=""

restore() {
    if [ -n "$placed" ]; then
        $root rm -f "$policy"
        [ -z "$kept" ] || $root cp -a "$kept" "$policy"
    fi
    [ -z "$no_cluster" ] || $root rm -f "$no_cluster"
    # The copy of root's file is root's too.
    [ -z "$kept" ] || $root rm -f "$kept"
    rm -rf "$work"
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Packages ask this file whether they may start their service: 101 is no (invoke-rc.d(8)).
if [ -e "$policy" ] || [ -L "$policy" ]; then
    $root cp -a "$policy" "$work/policy-rc.d"
    kept="$work/policy-rc.d"
fi
printf '#!/bin/sh\nexit 101\n' >"$work/refuse"
placed=yes
$root rm -f "$policy"
$root install -m 755 "$work/refuse" "$policy"

# Without an answer Postfix's package would ask what kind of mail server this is: none. A configuration that stands is
# left as it is.
if [ ! -e /etc/postfix/main.cf ] && command -v debconf-set-selections >/dev/null 2>&1; then
    echo "postfix postfix/main_mailer_type select No configuration" | $root debconf-set-selections
fi

# Without a cluster of its own: each test run makes one. (Debian's postgresql-common creates "main" otherwise.)
if [ ! -e /etc/postgresql-common ]; then
    $root mkdir -p /etc/postgresql-common/createcluster.d
    printf 'create_main_cluster = false\n' >"$work/createcluster"
    no_cluster=/etc/postgresql-common/createcluster.d/mailwhy-tests.conf
    $root install -m 644 "$work/createcluster" "$no_cluster"
fi

install_missing() {
    # shellcheck disable=SC2086  # words, on purpose
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 $missing
}

echo "test servers: installing$missing" >&2
# The lists that are there may do; only when they do not are they fetched.
if ! install_missing >"$work/log" 2>&1; then
    if ! { $root apt-get update -qq && install_missing; } >>"$work/log" 2>&1; then
        tail -n 5 "$work/log" >&2
        cannot "apt-get failed"
    fi
fi
