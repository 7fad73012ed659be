#!/bin/sh
# Installs the daemons as systemd services: programs, users, units, and configuration where there is none yet.
# It starts nothing and overwrites no configuration, so it also upgrades: run it again, then restart the services.
set -eu

usage() {
    echo "usage: $0 [--from DIRECTORY_OF_PROGRAMS] agent|collector..." >&2
    exit 2
}

here=$(cd "$(dirname "$0")" && pwd)
from=$here/../target/release
if [ "${1-}" = --from ]; then
    [ $# -ge 2 ] || usage
    from=$2
    shift 2
fi
[ $# -ge 1 ] || usage

install_program() {
    [ -x "$from/$1" ] || { echo "$from/$1 is missing: cargo build --release --workspace" >&2; exit 1; }
    # A running program cannot be written to; a new file beside it can take its name.
    install -m 0755 "$from/$1" "/usr/bin/.$1.new"
    mv "/usr/bin/.$1.new" "/usr/bin/$1"
}

install_configuration() {
    [ -e "/etc/haidang/$1" ] || install -m 0644 "$here/config/$1" "/etc/haidang/$1"
}

install -d -m 0755 /etc/haidang /usr/lib/systemd/system /usr/lib/sysusers.d
install -m 0644 "$here/systemd/haidang.sysusers" /usr/lib/sysusers.d/haidang.conf
systemd-sysusers haidang.conf

for role in "$@"; do
    case $role in
    agent)
        install_configuration agent.yml
        ;;
    collector)
        install_program haidang
        install -d -m 0755 /etc/haidang/rules.d /etc/haidang/drills
        for file in collector alerting inventory backup-policy; do install_configuration "$file.yml"; done
        ;;
    *) usage ;;
    esac
    install_program "haidang-$role"
    install -m 0644 "$here/systemd/haidang-$role.service" /usr/lib/systemd/system/
done
systemctl daemon-reload
echo "Installed: $*. Now make /etc/haidang yours, then: systemctl enable --now haidang-$1 (README, \"Install it as services\")."
