#!/usr/bin/env bash
# A pod manifest becomes running containers: through vk-adapter, our gRPC and cri-shim, on a real Docker Engine.
#
#   YES=1                     do not ask before installing (implied by CI)
#   DEMO_REQUIRE=containers   a part that had to be skipped is a failure
#   DEMO_IMAGE=NAME           use this local image (with sh and sleep) instead of making one; needed on a Mac
#   DOCKER_HOST=…             the Docker Engine to use
#   DEMO_KEEP=1               leave the demo's directory behind when a step fails
#
# Everything it starts lives in one temporary directory with its own sockets and ports, so several can run at once.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=11
system=$(uname -s)
PATH="$PATH:/usr/sbin:/sbin"
started=$SECONDS
# shellcheck source=scripts/demo-lib.sh
. scripts/demo-lib.sh

make_work_directory
step "what this needs"
offer_packages

step "a Docker Engine"
find_engine

step "build"
progress "building cri-shim and vk-adapter (the first time takes a few minutes)" build
# shellcheck disable=SC2086
bin=$(swift build ${SWIFTFLAGS:-} --show-bin-path)
say "$(file_size "$bin/cri-shim") cri-shim, $(file_size "$bin/vk-adapter") vk-adapter"

step "start cri-shim"
start_shim
progress "waiting for its socket" wait_for 20 ctl version
instance=$(cat "$work/root/instance")
show version

if [ -z "$engine" ]; then
    skip "no Docker Engine answers: images, pods, exec, volumes and logs are not shown"
else
    step "an image"
    make_image

    step "start vk-adapter, and give it a manifest"
    start_adapter
    sed -e "s|^  name: demo\$|  name: $pod|" -e "s|image: busybox:1|image: $image|" examples/pod.yaml >"$work/pods/pod.yaml"
    say "examples/pod.yaml → ${work##*/}/pods/pod.yaml, as pod $pod"
    progress "waiting for the pod to run" wait_for 60 pod_runs
    show pods
    show ps
    say "the pod's address: $(pod_ip)"

    step "a command in a container, and its exact exit code"
    say "\$ cri-shim ctl exec writer -- sh -c 'echo hello from \$HOSTNAME; exit 7'"
    code=0
    # shellcheck disable=SC2016  # the container's shell expands it
    ctl exec writer -- sh -c 'echo "hello from $HOSTNAME"; exit 7' </dev/null >"$work/out" || code=$?
    indent <"$work/out"
    grep -q '^hello from' "$work/out" || fail "the command's output did not arrive"
    [ "$code" = 7 ] || fail "the exit code was $code, not 7"
    say "exit code $code"

    step "a file passed between the two containers"
    token="token-$RANDOM$RANDOM"
    ctl exec writer -- sh -c "echo $token > /shared/token" </dev/null
    found=$(ctl exec reader -- cat /shared/token </dev/null)
    say "\$ cri-shim ctl exec writer -- sh -c 'echo $token > /shared/token'"
    say "\$ cri-shim ctl exec reader -- cat /shared/token"
    say "$found"
    [ "$found" = "$token" ] || fail "the reader found another text"

    step "logs"
    progress "waiting for both containers to have said something" wait_for 20 logs_arrived
    show logs --tail 3 writer
    show logs reader

    step "delete the pod: its manifest goes away"
    rm "$work/pods/pod.yaml"
    progress "waiting for the pod to be gone" wait_for 60 pod_gone
    say "no pod, no container, no volume of it is left"
fi

number=$((steps - 1))
step "stop everything, and look what is left behind"
clean_up
nothing_left
if [ -n "$skipped" ]; then
    printf '\nDone in %d s, but parts were skipped: %s\n' $((SECONDS - started)) "$skipped"
    [ "${DEMO_REQUIRE:-}" != containers ] || exit 1
else
    printf '\n%sDone in %d s.%s Every step did what it should.\n' "$bold" $((SECONDS - started)) "$plain"
fi
