# shellcheck shell=bash
# What scripts/demo.sh is made of: telling, waiting, and cleaning up. Sourced, not run.
# Works with the bash 3.2 of a Mac.

# The caller sets these: steps (how many there are), system (uname -s).
: "${steps:?}" "${system:?}"
# Which parts could not be shown (containers, machines), and why.
skipped_parts='' skipped=''

number=0
work='' engine='' machines='' private='' image='' pod='' bin='' instance='' had_pause='' waiting=''
# What the pod is made of: container, vm, hybrid, or none when there can be none.
kind=''
daemons=() # pid:name

bold='' plain='' terminal=''
if [ -t 1 ]; then terminal=1 bold=$'\e[1m' plain=$'\e[0m'; fi

# ---- telling

step() {
    number=$((number + 1))
    printf '\n%s[%d/%d] %s%s\n' "$bold" "$number" "$steps" "$1" "$plain"
}
say() { printf '    %s\n' "$*"; }
# A command as a user would type it, then what it says.
show() {
    say "\$ cri-shim ctl $*"
    ctl "$@" | indent
}
indent() { sed 's/^/    /'; }
skip() {
    skipped_parts="$skipped_parts $1"
    skipped="$skipped${skipped:+; }$1: $2"
    say "$1 are skipped: $2"
}
fail() {
    printf '    failed: %s\n' "$*" >&2
    exit 1
}

# Runs a command and shows that time passes: a spinner on a terminal, a line every ten seconds elsewhere.
progress() {
    local text=$1 log from=$SECONDS told=0 frames="|/-+" i=0 pid status=0
    shift
    log=$(mktemp "$work/log.XXXXXX")
    "$@" >"$log" 2>&1 </dev/null &
    pid=$! waiting=$!
    while kill -0 "$pid" 2>/dev/null; do
        if [ -n "$terminal" ]; then
            printf '\r    %s %s %d s ' "${frames:i++%4:1}" "$text" $((SECONDS - from))
        elif [ $((SECONDS - from - told)) -ge 10 ]; then
            told=$((SECONDS - from))
            say "… $text, $told s"
        fi
        sleep 0.1
    done
    wait "$pid" || status=$?
    waiting=''
    [ -z "$terminal" ] || printf '\r\e[K'
    if [ $status = 0 ]; then
        [ $((SECONDS - from)) -lt 2 ] || say "$text: $((SECONDS - from)) s"
    else
        say "$text: failed after $((SECONDS - from)) s"
        tail -n 20 "$log" | indent >&2
    fi
    rm -f "$log"
    return $status
}

# wait_for SECONDS COMMAND…: until the command succeeds; its last output is shown when it never does.
wait_for() {
    local limit=$((SECONDS + $1)) last=''
    shift
    until last=$("$@" 2>&1); do
        daemons_alive || return 1
        if [ $SECONDS -ge $limit ]; then
            echo "gave up: $last"
            return 1
        fi
        sleep 0.2
    done
}

file_size() { du -h "$1" | cut -f1 | tr -d ' '; }

# ---- packages

offer_packages() {
    local groups="build demo" packages needed='' answer=''
    if [ "$system" = Darwin ]; then groups=build; fi
    command -v swift >/dev/null || fail "there is no swift here: install Swift 6.3 from swift.org, then run this again"
    if [ "$system" = Linux ] && docker version >/dev/null 2>&1; then say "a Docker Engine answers already"; fi
    # shellcheck disable=SC2086
    packages=$(scripts/deps missing $groups)
    if [ -z "$packages" ]; then
        say "every package is installed"
        return
    fi
    if command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086
        needed=$(LC_ALL=C apt-get --assume-no --no-install-recommends install $packages 2>/dev/null |
            sed -n 's/^Need to get \(.*\) of archives.*/\1 to fetch, /p; s/^After this operation, \(.*\) of additional.*/\1 on disk, /p' |
            tr -d '\n') || true # declining, as asked to, is a failure to apt
        [ -n "$needed" ] || needed="about 90 MB to fetch, 400 MB on disk, "
    fi
    say "to install: $packages"
    say "${needed}about a minute"
    if [ -z "${YES:-}${CI:-}" ]; then
        [ -t 0 ] || fail "nobody to ask: set YES=1 to install without a question"
        printf '    Install? [Y/n] '
        read -r answer
        case $answer in n* | N*) fail "not installed; nothing was changed" ;; esac
    fi
    # shellcheck disable=SC2086
    progress "installing" scripts/deps install $groups || exit 1
}

# ---- the engine

make_work_directory() {
    local base=${TMPDIR:-/tmp}
    # Kept short: the path of a unix socket has 104 bytes at most.
    [ ${#base} -le 60 ] || base=/tmp
    work=$(cd "$(mktemp -d "$base/vzdemo.XXXXXX")" && pwd -P)
    chmod 700 "$work"
    mkdir "$work/pods"
    pod=demo-${work##*.}
    pod=$(printf %s "$pod" | tr '[:upper:]' '[:lower:]')
    trap 'on_exit $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

find_engine() {
    if docker version --format '{{.Server.Version}}' >"$work/out" 2>"$work/err"; then
        engine=$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null) || engine=
        engine=${DOCKER_HOST:-${engine:-unix:///var/run/docker.sock}}
        say "Docker $(cat "$work/out") answers at $engine"
    elif [ "$system" = Darwin ]; then
        say "no Docker Engine answers: start Docker Desktop, Colima or another one"
    elif [ "$(id -u)" != 0 ]; then
        tail -n 1 "$work/err" | indent
        say "run this as root, or let your user use Docker: sudo usermod -aG docker \$USER, then log in again"
    else
        if [ -d /run/systemd/system ] && systemctl start docker >/dev/null 2>&1 && docker version >/dev/null 2>&1; then
            engine=unix:///var/run/docker.sock
            say "started the docker service"
            export DOCKER_HOST=$engine
            return
        fi
        say "none runs here as a service: starting a private one for the demo"
        # Before it is up, so that an interrupted start is cleaned up as well.
        private=$work/engine
        progress "starting dockerd" start_private_engine || return 0
        engine=$(cat "$work/engine.host")
        say "Docker $(DOCKER_HOST=$engine docker version --format '{{.Server.Version}}') at $engine"
    fi
    if [ "$system" = Darwin ] && [ -n "$engine" ] && [ -z "${DEMO_IMAGE:-}" ]; then
        say "nothing is pulled from a public registry: name a local image with sh in DEMO_IMAGE"
        engine=
    fi
    if [ -n "$engine" ]; then
        export DOCKER_HOST=$engine
        ! docker image inspect vzcri/pause:1 >/dev/null 2>&1 || had_pause=1
    else
        unset DOCKER_HOST
    fi
}

start_private_engine() {
    mkdir -p "$work/engine"
    local host
    host=$(scripts/docker-engine start "$work/engine") || return 1
    case $host in /*) host=unix://$host ;; esac
    echo "$host" >"$work/engine.host"
}

make_image() {
    if [ -n "${DEMO_IMAGE:-}" ]; then
        docker image inspect "$DEMO_IMAGE" >/dev/null 2>&1 || fail "the engine has no image $DEMO_IMAGE"
        image=$DEMO_IMAGE
        say "using the local image $image"
        return
    fi
    local tree=$work/image applet
    mkdir -p "$tree/bin" "$tree/tmp" "$tree/etc" "$tree/root"
    cp "$(command -v busybox)" "$tree/bin/busybox"
    for applet in $("$tree/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    chmod 1777 "$tree/tmp"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
    image=vzcri-demo/busybox:${work##*.}
    image=$(printf %s "$image" | tr '[:upper:]' '[:lower:]')
    tar -C "$tree" --owner=0 --group=0 -c . |
        docker import --change 'ENV PATH=/bin' --change 'CMD ["sh"]' - "$image" >/dev/null
    rm -rf "$tree"
    say "made $image from this machine's busybox ($(docker image inspect --format '{{.Size}}' "$image") bytes); nothing was pulled"
}

# ---- the virtual machine

# A guest of Debian's kernel, busybox and an SSH server, imported as an image.
make_guest() {
    local reason='' guest
    if [ "$system" != Linux ]; then
        reason="virtual machines on a Mac are not there yet"
    elif ! command -v "qemu-system-$(uname -m)" >/dev/null; then
        reason="there is no qemu-system-$(uname -m)"
    fi
    if [ -n "$reason" ]; then
        skip machines "$reason"
        return
    fi
    guest=$work/guest
    progress "making it from Debian's kernel, busybox and an SSH server (the first time fetches packages)" \
        examples/linux-guest/build.sh "$guest"
    say "examples/linux-guest/build.sh: $(file_size "$guest/vmlinux") kernel, $(file_size "$guest/initrd.cpio") root file system"
    command_line=$(sed -nE 's/.*"commandLine": "(.*)",?/\1/p' "$guest/guest.json")
    say "\$ cri-shim image import --kernel vmlinux --initrd initrd.cpio … --name localhost/linux-guest:latest"
    "$bin/cri-shim" image import --root "$work/root" --kernel "$guest/vmlinux" --initrd "$guest/initrd.cpio" \
        --command-line "$command_line" --disk "$guest/disk.raw" --user root --key-file "$guest/id_ed25519" \
        --cpus 1 --memory 256Mi --name localhost/linux-guest:latest | indent
    machines=1
}

# ---- the daemons

build() {
    # shellcheck disable=SC2086
    swift build ${SWIFTFLAGS:-} --product cri-shim
    # shellcheck disable=SC2086
    swift build ${SWIFTFLAGS:-} --product vk-adapter
    # shellcheck disable=SC2086
    swift build ${SWIFTFLAGS:-} --product vm-host
}

start_daemon() {
    local name=$1
    shift
    # DOCKER_HOST is for the docker commands here; the shim is told by its flag.
    env -u DOCKER_HOST "$bin/$name" "$@" >"$work/$name.log" 2>&1 </dev/null &
    daemons+=("$!:$name")
    say "$name started (process $!)"
}

daemons_alive() {
    local one
    for one in ${daemons[@]+"${daemons[@]}"}; do
        kill -0 "${one%%:*}" 2>/dev/null || {
            echo "${one#*:} has ended"
            return 1
        }
    done
}

start_shim() {
    start_daemon cri-shim serve --listen "unix://$work/cri.sock" --root "$work/root" \
        ${engine:+--docker-host "$engine"}
}

start_adapter() {
    start_daemon vk-adapter run --standalone --cri "unix://$work/cri.sock" --pod-manifest-path "$work/pods" \
        --root "$work/adapter" --pod-logs "$work/logs" --nodename demo --kubelet-address 127.0.0.1 --kubelet-port 0
}

ctl() { CONTAINER_RUNTIME_ENDPOINT=unix://$work/cri.sock "$bin/cri-shim" ctl "$@"; }

# What the pod of examples/hybrid-pod.yaml can be here. Its machine's network and shared directory need root.
decide_kind() {
    if [ -n "$machines" ] && [ "$(id -u)" = 0 ]; then
        kind=vm
        [ -z "$engine" ] || kind=hybrid
    else
        kind=none
        [ -z "$engine" ] || kind=container
        [ -z "$machines" ] || skip hybrid-pods "their network and volumes need root; the job below does not"
    fi
}

# has CONTAINER: whether the pod has it here.
has() {
    case $1:$kind in web:hybrid | web:container | machine:hybrid | machine:vm) true ;; *) false ;; esac
}

# The manifest of what can run here: examples/hybrid-pod.yaml, or one half of it.
write_manifest() {
    local file=$work/manifest.yaml
    sed -e "s|^  name: hybrid\$|  name: $pod|" -e "s|image: busybox:1|image: $image|" examples/hybrid-pod.yaml >"$file"
    has machine || without machine "$file"
    has web || without web "$file"
    mv "$file" "$work/pods/pod.yaml"
    say "examples/hybrid-pod.yaml → ${work##*/}/pods/pod.yaml, as pod $pod"
}

# Takes one container out of a manifest.
without() {
    awk -v name="$1" '
        /^    - name: / { inside = ($3 == name && containers) }
        /^  containers:/ { containers = 1 }
        !inside' "$2" >"$2.part"
    mv "$2.part" "$2"
}

pod_runs() {
    local running wanted=1
    [ "$kind" != hybrid ] || wanted=2
    running=$(ctl ps | grep -c Running) || true
    [ "$running" = "$wanted" ] || {
        ctl ps
        return 1
    }
    [ -n "$(pod_ip)" ] || return 1
    # A machine runs before its guest has booted.
    ! has machine || has_log machine
}
pod_ip() { ctl inspectp "$(ctl pods -q --name "$pod-demo")" | sed -n 's/^ *"ip": "\([^"]*\)".*/\1/p' | head -n 1; }
has_log() { [ -n "$(ctl logs "$1")" ]; }

# command_in CONTAINER CODE
command_in() {
    local code=0
    say "\$ cri-shim ctl exec $1 -- sh -c 'echo hello from \$(uname -r) on \$(hostname); exit $2'"
    # shellcheck disable=SC2016  # the other shell expands it
    ctl exec "$1" -- sh -c 'echo "hello from $(uname -r) on $(hostname)"; exit '"$2" </dev/null >"$work/out" || code=$?
    indent <"$work/out"
    grep -q '^hello from' "$work/out" || fail "the command's output did not arrive"
    [ "$code" = "$2" ] || fail "the exit code was $code, not $2"
    say "exit code $code"
}

# pass_file FROM TO
pass_file() {
    local token="token-$RANDOM$RANDOM" found
    ctl exec "$1" -- sh -c "echo $token > /shared/token" </dev/null
    found=$(ctl exec "$2" -- cat /shared/token </dev/null)
    say "\$ cri-shim ctl exec $1 -- sh -c 'echo $token > /shared/token'"
    say "\$ cri-shim ctl exec $2 -- cat /shared/token"
    say "$found"
    [ "$found" = "$token" ] || fail "$2 found another text"
}

# reach FROM WHOM HOST PORT: the greeting, from the other half's server. (busybox' own wget does not stand being linked
# statically with Debian's C library.)
reach() {
    say "\$ cri-shim ctl exec $1 -- sh -c 'printf \"GET /greeting HTTP/1.0\\r\\n\\r\\n\" | nc $3 $4 | tail -n 1'"
    wait_for 30 greeting "$1" "$3" "$4" >/dev/null || fail "$1 does not reach $2"
    greeting "$1" "$3" "$4" | indent
}
greeting() {
    ctl exec "$1" -- sh -c "printf 'GET /greeting HTTP/1.0\r\n\r\n' | nc -w 5 $2 $3 | tail -n 1" </dev/null >"$work/answer"
    grep hello "$work/answer"
}

# outside ADDRESS PORT: as a probe would.
outside() {
    say "\$ curl http://$1:$2/greeting"
    curl -sS --fail --max-time 10 "http://$1:$2/greeting" >"$work/answer" || fail "nothing answers at $1:$2"
    indent <"$work/answer"
}

# examples/vm-job.yaml: a machine that runs one command and is gone.
run_job() {
    sed -e "s|^  name: job\$|  name: $pod-job|" examples/vm-job.yaml >"$work/pods/job.yaml"
    say "examples/vm-job.yaml → ${work##*/}/pods/job.yaml, as pod $pod-job"
    progress "waiting for its end" wait_for 150 job_ended
    show logs build
    code=$(ctl inspect build | sed -n 's/^ *"exitCode": *\(-\{0,1\}[0-9]*\).*/\1/p' | head -n 1)
    say "the container's exit code: $code"
    [ "$code" = 42 ] || fail "it is not 42"
}
job_ended() { ctl ps -a | grep -q 'Exited *build'; }

pods_gone() {
    [ "$(ctl pods -q | wc -l)" -eq 0 ] && [ "$(ctl ps -a -q | wc -l)" -eq 0 ] && [ -z "$(our_containers)" ] &&
        [ -z "$(find "$work/adapter/pods" "$work/logs" "$work/root/machines" -mindepth 1 2>/dev/null)" ]
}
# Docker's containers of this run: they bear the instance id of our root directory.
our_containers() { [ -z "$instance" ] || [ -z "$engine" ] || docker ps -aq --no-trunc --filter "label=io.vzcri.instance=$instance"; }

# ---- the end

# All of them, or the one named.
stop_daemons() {
    local one=${1:-} pid i kept=()
    # The adapter first: it is the shim's client.
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        pid=${daemons[i]%%:*}
        if [ -n "$one" ] && [ "${daemons[i]#*:}" != "$one" ]; then
            kept+=("${daemons[i]}")
            continue
        fi
        kill -TERM "$pid" 2>/dev/null || continue
        for _ in $(seq 150); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        if kill -0 "$pid" 2>/dev/null; then
            echo "    ${daemons[i]#*:} did not end in 15 s; killing it" >&2
            kill -KILL "$pid" 2>/dev/null
        fi
        wait "$pid" 2>/dev/null || true
    done
    daemons=(${kept[@]+"${kept[@]}"})
}

clean_up() {
    local left
    stop_daemons vk-adapter
    # What a failed step left, while there is somebody who can remove it.
    for left in $(ctl pods -q 2>/dev/null); do ctl rmp -f "$left" >/dev/null 2>&1 || true; done
    stop_daemons
    # Only where that failed: a supervisor takes its machine with it.
    [ -z "$work" ] || pkill -KILL -f "vm-host .*$work/" 2>/dev/null || true
    if [ -n "$engine" ]; then
        left=$(our_containers 2>/dev/null) || left=
        # shellcheck disable=SC2086
        [ -z "$left" ] || docker rm -f $left >/dev/null 2>&1 || true
        [ -n "${DEMO_IMAGE:-}" ] || [ -z "$image" ] || docker image rm "$image" >/dev/null 2>&1 || true
        # Another demo may be using it: then Docker keeps it.
        [ -n "$had_pause" ] || docker image rm vzcri/pause:1 >/dev/null 2>&1 || true
    fi
    if [ -n "$private" ]; then
        scripts/docker-engine stop "$private" >/dev/null 2>&1 || echo "    could not stop the private engine in $private" >&2
        private=
    fi
    engine=
    [ -z "$work" ] || rm -rf "$work"
}

nothing_left() {
    local left=''
    [ ! -e "$work" ] || left="the directory $work"
    ! pgrep -f "$work" >/dev/null || left="$left a process: $(pgrep -fl "$work")"
    [ -z "$left" ] || fail "left behind: $left"
    say "no container, no machine, no process, no directory, no socket"
    trap - EXIT
}

on_exit() {
    local status=$1 name
    trap - EXIT
    trap '' INT TERM HUP
    [ "$status" != 0 ] || exit 0
    [ -z "$waiting" ] || kill "$waiting" 2>/dev/null || true
    if [ "$status" -gt 128 ]; then
        clean_up
        printf '\nInterrupted in step %d of %d; what was started is stopped and removed.\n' "$number" "$steps" >&2
        exit "$status"
    fi
    for name in cri-shim vk-adapter; do
        [ -s "$work/$name.log" ] || continue
        printf '\n    last lines of %s:\n' "$name" >&2
        tail -n 15 "$work/$name.log" | indent >&2
    done
    if [ -n "${DEMO_KEEP:-}" ]; then
        stop_daemons
        printf '\n    kept: %s\n' "$work" >&2
    else
        clean_up
    fi
    printf '\nThe demo failed in step %d of %d.\n' "$number" "$steps" >&2
    exit "$status"
}
