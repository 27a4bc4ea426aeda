#!/bin/sh
# The mesh as two hosts would run it, on this one: two motands with a real ZooKeeper between them, a PHP and a
# Python service behind the one, PHP, Python and curl callers at the other. Prints the calls and their answers.
# It uses ports 17000 to 17999 of the loopback interface, and ends everything it has started.
set -u
cd "$(dirname "$0")/.."
sh scripts/install-test-deps.sh

work=$(mktemp -d)
started=''
finish() {
    for pid in $started; do kill "$pid" 2>/dev/null; done
    for pid in $started; do wait "$pid" 2>/dev/null; done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# start NAME COMMAND...: runs it in the background, output to a file of its own.
start() {
    name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    started="$started $!"
}

# await WHAT COMMAND...: until the command succeeds, at most 20 seconds.
await() {
    what=$1
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ]; then
            echo "demo: $what did not come up; its output:" >&2
            tail -n 20 "$work"/*.log >&2
            exit 1
        fi
        sleep 0.2
    done
}

have() { command -v "$1" >/dev/null 2>&1; }

zookeeper_jar=/usr/share/java/zookeeper.jar
registry=zookeeper
if ! have java || [ ! -e "$zookeeper_jar" ]; then
    registry=file
    echo "demo: no ZooKeeper here (Debian: apt-get install zookeeper); a file takes its place"
fi
have curl || { echo "demo: curl is missing, it is the least that is needed"; exit 1; }

# The registry between the two hosts.
if [ "$registry" = zookeeper ]; then
    mkdir -p "$work/zk"
    start zookeeper java -Xmx128m -Dzookeeper.admin.enableServer=false \
        -cp "$zookeeper_jar" org.apache.zookeeper.server.ZooKeeperServerMain 17181 "$work/zk"
    registry_yaml="{protocol: zookeeper, address: \"127.0.0.1:17181\"}"
else
    cat >"$work/nodes.yaml" <<EOF
services:
  - {path: com.example.PhpService, group: demo, nodes: ["127.0.0.1:17982"]}
  - {path: com.example.PythonService, group: demo, nodes: ["127.0.0.1:17982"]}
EOF
    registry_yaml="{protocol: file, path: \"$work/nodes.yaml\"}"
fi

# Host B: the services, and the motand that exports them.
sed -e "s|@WORK@|$work|g" -e "s|@REGISTRY@|$registry_yaml|g" scripts/demo/host-b.yaml >"$work/host-b.yaml"
have php && start php php -S 127.0.0.1:17301 scripts/demo/provider.php
have python3 && start python python3 scripts/demo/provider.py 17302
start host-b bin/motand run -c "$work/host-b.yaml" -localIP 127.0.0.1

# Host A: the motand that local programs call.
sed -e "s|@WORK@|$work|g" -e "s|@REGISTRY@|$registry_yaml|g" scripts/demo/host-a.yaml >"$work/host-a.yaml"
start host-a bin/motand run -c "$work/host-a.yaml" -localIP 127.0.0.1

await "motand on host B" curl -fs http://127.0.0.1:17902/healthz
await "motand on host A" curl -fs http://127.0.0.1:17802/healthz
curl -fs http://127.0.0.1:17902/200 >/dev/null # take the services of host B into use, as an operator does
here=http://127.0.0.1:17803
if have python3; then await "the Python service, seen from host A" curl -fs -d '[{"name":"x"}]' $here/rpc/com.example.PythonService/greet; fi
if have php; then await "the PHP service, seen from host A" curl -fs -d '[{"name":"x"}]' $here/rpc/com.example.PhpService/greet; fi

row() { printf '  %-8s %-42s %s\n' "$1" "$2" "$3"; }
echo
row caller call answer
row ------ ---- ------
try() { # try CALLER CALL COMMAND...
    who=$1 what=$2
    shift 2
    row "$who" "$what" "$("$@" 2>&1 | tr -d '\r\n' | cut -c 1-120)"
}
if have python3; then
    try curl 'PythonService.greet({name: Ada})' curl -s -d '[{"name":"Ada"}]' $here/rpc/com.example.PythonService/greet
    try python 'PythonService.greet({name: Grace})' python3 scripts/demo/client.py $here com.example.PythonService greet '[{"name":"Grace"}]'
fi
if have php; then
    try curl 'PhpService.greet({name: Ada})' curl -s -d '[{"name":"Ada"}]' $here/rpc/com.example.PhpService/greet
    try php 'PhpService.greet({name: Linus})' php scripts/demo/client.php $here com.example.PhpService greet '[{"name":"Linus"}]'
fi
if have php && have python3; then
    try php 'PythonService.greet({name: Linus})' php scripts/demo/client.php $here com.example.PythonService greet '[{"name":"Linus"}]'
    try python 'PhpService.greet({name: Grace})' python3 scripts/demo/client.py $here com.example.PhpService greet '[{"name":"Grace"}]'
fi
try motand 'DemoService.echo([1, null, "x"])' bin/motand call --addr 127.0.0.1:17801 com.example.DemoService echo '[[1,null,"x"]]'
try curl 'DemoService.fail("no luck")' curl -s -d '["no luck"]' $here/rpc/com.example.DemoService/fail
try curl 'NoSuchService.hello()' curl -s -X POST $here/rpc/com.example.NoSuchService/hello
echo
if [ "$registry" = zookeeper ]; then
    echo "  host B stops: its services leave the registry, and host A says so"
    for pid in $started; do last_but_one=${last:-} last=$pid; done
    kill "$last_but_one"
    wait "$last_but_one" 2>/dev/null
    try curl 'DemoService.hello("anybody")' curl -s -d '["anybody"]' $here/rpc/com.example.DemoService/hello
    echo
fi
