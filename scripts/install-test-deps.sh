#!/bin/sh
# Installs the programs that tests drive, where it can: on Debian and its kin, as root. Elsewhere it says what
# is missing. It always exits 0: a test whose program is missing skips itself and says so.
set -u

# One line for each Debian package: package, command that succeeds when it is there, what it is for.
needs() {
    cat <<'EOF'
gcc|command -v gcc || command -v cc|the race detector
libc6-dev|test -e /usr/include/stdlib.h|the race detector
zookeeper|test -e /usr/share/java/zookeeper.jar|a ZooKeeper server for the registry's tests
default-jdk-headless|command -v javac|Motan Java as a peer
maven|command -v mvn|Motan Java as a peer
etcd-server|command -v etcd|an etcd server for the registry's tests
php-cli|command -v php|a PHP client
php-curl|php -m | grep -qix curl|a PHP client over HTTP
php-fpm|ls /usr/sbin/php-fpm*|a FastCGI provider
python3|command -v python3|a Python client and HTTP provider
python3-flask|python3 -c 'import flask'|an HTTP/JSON provider in Python
python3-requests|python3 -c 'import requests'|a Python client over HTTP
nodejs|command -v node|a client and an HTTP provider in JavaScript
wrk|command -v wrk|a client that keeps many connections busy
haproxy|command -v haproxy || test -x /usr/sbin/haproxy|a load balancer before and behind motand, the bench
nginx|command -v nginx || test -x /usr/sbin/nginx|an HTTP provider, the bench
prometheus|command -v prometheus|metrics scraped by a real Prometheus
chromium|command -v chromium|a browser that looks at pages
curl|command -v curl|a client in a shell
systemd|command -v systemd-analyze|the checks of the systemd units
EOF
}

# missing prints the lines of needs whose command fails.
missing() {
    needs | while IFS= read -r line; do
        package=${line%%|*} rest=${line#*|}
        reason=${rest##*|} probe=${rest%|*}
        sh -c "$probe" >/dev/null 2>&1 </dev/null || printf '%s|%s\n' "$package" "$reason"
    done
}

lacking=$(missing)
[ -n "$lacking" ] || exit 0
packages=$(printf '%s\n' "$lacking" | cut -d '|' -f 1 | tr '\n' ' ')

if [ "$(id -u)" -ne 0 ]; then
    why='not root'
elif ! command -v apt-get >/dev/null 2>&1; then
    why='no apt-get here'
else
    why='apt-get could not install them'
    echo "test-deps: installing $packages"
    # Packages must not start their services: the tests start their own, on ports of their own.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 0' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    install="apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120"
    {
        apt-get update -qq
        # All at once; if one of them does not exist here, each alone.
        # shellcheck disable=SC2086 # a list of words
        $install $packages || for package in $packages; do
            $install "$package"
        done
    } </dev/null >/dev/null 2>&1
    lacking=$(missing)
fi

if [ -n "$lacking" ]; then
    echo "test-deps: missing, $why; the tests that need them skip themselves:"
    printf '%s\n' "$lacking" | while IFS='|' read -r package reason; do
        printf '  %-10s %s\n' "$package" "$reason"
    done
fi
exit 0
