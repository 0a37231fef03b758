#!/usr/bin/env bash
# A pod manifest becomes a running container and a running virtual machine, in one pod: through vk-adapter, our gRPC and
# cri-shim, on a real Docker Engine and a real QEMU.
#
#   YES=1                              do not ask before installing (implied by CI)
#   DEMO_REQUIRE="containers machines" a part that had to be skipped is a failure
#   DEMO_IMAGE=NAME                    use this local container image (with sh, sleep, httpd and wget) instead of making
#                                      one; needed on a Mac
#   DOCKER_HOST=…                      the Docker Engine to use
#   DEMO_KEEP=1                        leave the demo's directory behind when a step fails
#
# Everything it starts lives in one temporary directory with its own sockets and ports, so several can run at once.
# Where one half cannot run the other is shown.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=14
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
progress "building cri-shim, vk-adapter and vm-host (the first time takes a few minutes)" build
# shellcheck disable=SC2086
bin=$(swift build ${SWIFTFLAGS:-} --show-bin-path)
say "$(file_size "$bin/cri-shim") cri-shim, $(file_size "$bin/vk-adapter") vk-adapter, $(file_size "$bin/vm-host") vm-host"

step "a guest for the virtual machine"
make_guest

step "start cri-shim"
start_shim
progress "waiting for its socket" wait_for 20 ctl version
instance=$(cat "$work/root/instance")
show version

step "images"
if [ -n "$engine" ]; then make_image; else skip containers "no Docker Engine answers"; fi
decide_kind
if [ -z "$engine$machines" ]; then
    say "there is nothing to run a pod on"
    steps=7
else
    show images

    if [ "$kind" = none ]; then
        steps=10
        step "start vk-adapter"
        start_adapter
    else
        step "start vk-adapter, and give it a manifest"
        start_adapter
        write_manifest
        progress "waiting for the pod to run" wait_for 150 pod_runs
        show pods
        show ps
        address=$(pod_ip)
        say "the pod's address: $address"

        step "commands, and their exact exit codes"
        if has web; then command_in web 7; fi
        if has machine; then command_in machine 11; fi

        step "files, passed through the pod's shared directory"
        if [ "$kind" = hybrid ]; then
            pass_file web machine
            pass_file machine web
        else
            say "the pod has one container here: nobody to pass a file to"
        fi

        step "one address, one localhost"
        if [ "$kind" = hybrid ]; then
            reach web "the machine" localhost 9090
            reach web "the machine, by name," vm 9090
            reach machine "the container" localhost 8080
            reach machine "the container, by name," pod 8080
        else
            say "the pod has one container here"
        fi
        [ "$(pod_ip)" = "$address" ] || fail "the pod's address changed to $(pod_ip)"
        if [ "$kind" = hybrid ]; then
            outside "$address" 8080
            outside "$address" 9090
        fi

        step "logs"
        if has web; then say "\$ cri-shim ctl logs web: $(ctl logs web | wc -l | tr -d ' ') lines"; fi
        if has machine; then show logs machine; fi
    fi

    step "a job in a virtual machine of its own: its exit code is the container's"
    if [ -n "$machines" ]; then run_job; else say "no virtual machine here"; fi

    step "delete the pods: their manifests go away"
    rm -f "$work/pods"/*.yaml
    progress "waiting for the pods to be gone" wait_for 60 pods_gone
    say "no pod, no container, no machine, no volume of them is left"
fi

step "stop everything, and look what is left behind"
clean_up
nothing_left
if [ -n "$skipped" ]; then
    printf '\nDone in %d s, but parts were skipped: %s\n' $((SECONDS - started)) "$skipped"
    for part in ${DEMO_REQUIRE:-}; do
        case " $skipped_parts " in *" $part "*) exit 1 ;; esac
    done
else
    printf '\n%sDone in %d s.%s Every step did what it should.\n' "$bold" $((SECONDS - started)) "$plain"
fi
