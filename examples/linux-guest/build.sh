#!/usr/bin/env bash
# Makes a small bootable Linux guest on the spot: Debian's cloud kernel, busybox and an SSH server.
#
#   build.sh [--sshd dropbear|openssh] [--authorized-key FILE] [OUT_DIR]        OUT_DIR: ./linux-guest
#
# Writes into OUT_DIR: vmlinux, initrd.cpio, disk.raw (64 MiB, mounted at /data), guest.json (kernel command line, user),
# and id_ed25519 with its public half when no key was given. Nothing is installed: packages are downloaded and unpacked
# into a cache ($VZCRI_GUEST_CACHE, else ~/.cache/vz-cri/linux-guest). The second run takes no network and no second.
# Several may run at once. Without apt and Debian's packages (a Mac) the work is done in a Debian container.
set -euo pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() { echo "build.sh: $*" >&2; exit 1; }

sshd=dropbear key="" out=linux-guest base_only=""
while [ $# -gt 0 ]; do
    case $1 in
        --sshd) sshd=${2:?--sshd needs a name}; shift 2 ;;
        --authorized-key) key=${2:?--authorized-key needs a file}; shift 2 ;;
        --base-only) base_only=1; shift ;;
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
        -*) die "unknown option $1 (see --help)" ;;
        *) out=$1; shift ;;
    esac
done
case $sshd in dropbear | openssh) ;; *) die "--sshd is dropbear or openssh, not $sshd" ;; esac
[ -z "$key" ] || [ -r "$key" ] || die "no public key can be read from $key"

case $(uname -m) in
    x86_64) arch=amd64 consoles="console=ttyS0 reboot=t no_timer_check tsc=reliable" ;;
    aarch64 | arm64) arch=arm64 consoles="console=ttyAMA0 console=hvc0" ;;
    *) die "no guest for a $(uname -m)" ;;
esac
command_line="$consoles panic=-1 quiet mitigations=off random.trust_cpu=on nokaslr"

digest() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c1-16; }
name=$arch-$sshd-$(cd "$here" && { cat build.sh; find rootfs -type f | LC_ALL=C sort | xargs cat; } | digest)
cache=${VZCRI_GUEST_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/vz-cri/linux-guest}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
base=$cache/$name

# ---- What does not depend on the key: kernel, first part of the initrd, disk. Needs Debian's packages.

apt_options=()
apt() { local tool=$1; shift; "apt-$tool" -q -q -o APT::Sandbox::User="$(id -un)" "${apt_options[@]}" "$@"; }
has_kernel() { apt cache show "linux-image-cloud-$arch" >/dev/null 2>&1; }

# Lists of our own: the system's may be absent or too old, and only root may renew them.
own_lists() {
    mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
    apt_options=(-o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt/cache")
    apt get update >&2
}

# The packages named and every library they need, into ./debs, unpacked into ./tree.
unpack() {
    local queue=("$@") package needed
    declare -A seen=()
    while [ ${#queue[@]} -gt 0 ]; do
        package=${queue[0]} queue=("${queue[@]:1}")
        [ -z "${seen[$package]:-}" ] || continue
        seen[$package]=1
        needed=$(apt cache depends "$package" | sed -nE 's/^ +(Pre)?Depends: ((lib|zlib)[^ <]*)$/\2/p')
        queue+=($needed)
    done
    mkdir -p debs
    (cd debs && apt get download "${!seen[@]}")
    local deb
    for deb in debs/*.deb; do dpkg-deb -x "$deb" tree; done
}

# A program of the tree, with the tree's libraries.
run() {
    local directories
    directories=$(find "$PWD/tree/lib" "$PWD/tree/usr/lib" -maxdepth 1 -name '*-linux-gnu*' -type d | paste -sd:)
    "$loader" --library-path "$directories" "$@"
}

# A program and the libraries it is linked with, into the root file system.
add_program() {
    local program=$1 target=$2 library
    install -D -m 755 "$program" "root$target"
    install -D -m 755 "$(readlink -f "$loader")" "root/$(case $arch in amd64) echo lib64 ;; *) echo lib ;; esac)/$(basename "$loader")"
    run --list "$program" | sed -nE 's/.* => ([^ ]+) .*/\1/p' | while read -r library; do
        install -D -m 644 "$library" "root/lib/$(basename "$library")"
    done
}

# The kernel as QEMU starts it fastest: not packed, so that the guest need not unpack it.
unpack_kernel() {
    local packed=$1 sectors offset length
    case $arch in
        arm64)
            if gzip -t "$packed" 2>/dev/null; then gzip -dc "$packed"; else cat "$packed"; fi >vmlinux
            ;;
        amd64)
            # The boot protocol's header says where the payload is; its last four bytes are the length of the result.
            number() { od -An -v -t "u$2" -j "$1" -N "$2" "$packed" | tr -d ' '; }
            sectors=$(number 497 1) offset=$(number 584 4) length=$(number 588 4)
            offset=$(((sectors + 1) * 512 + offset))
            head -c $((offset + length - 4)) "$packed" | tail -c +$((offset + 1)) >payload
            run tree/usr/bin/lz4 -dcq payload >vmlinux || die "Debian packs its kernel in a new way: $packed"
            ;;
    esac
}

# Every module with what it needs before it, once, in an order that loads.
add_modules() {
    local version=$1 module line
    shift
    "$busybox" depmod -b "$PWD/tree" "$version"
    declare -A added=()
    add_module() {
        local path=$1 needed
        [ -z "${added[$path]:-}" ] || return 0
        added[$path]=1
        # Nearest last in modules.dep.
        for needed in $(sed -nE "s|^$path: *(.*)|\1|p" "tree/lib/modules/$version/modules.dep" | tr ' ' '\n' | sed '1!G;h;$!d'); do
            add_module "$needed"
        done
        install -D -m 644 "tree/lib/modules/$version/$path" "root/lib/modules/$(basename "$path")"
        basename "$path" >>root/etc/modules
    }
    for module in "$@"; do
        line=$(sed -nE "s|^(kernel/[^:]*/$module\.ko):.*|\1|p" "tree/lib/modules/$version/modules.dep")
        # Absent ones are built in on this kernel, or not of this architecture.
        [ -z "$line" ] || add_module "$line"
    done
}

make_base() {
    has_kernel || own_lists
    local kernel
    kernel=$(apt cache depends "linux-image-cloud-$arch" | sed -nE 's/^ +Depends: (linux-image-[0-9].*)$/\1/p' | sed -n 1p)
    [ -n "$kernel" ] || die "these package lists know no kernel of linux-image-cloud-$arch"
    local server=dropbear-bin
    [ "$sshd" = dropbear ] || server="openssh-server openssh-client openssh-sftp-server"
    unpack "$kernel" busybox-static lz4 e2fsprogs $server
    loader=$(find tree/lib* tree/usr/lib* -name 'ld-linux-*.so.*' | sed -n 1p)
    busybox=$PWD/tree/bin/busybox
    [ -x "$busybox" ] || busybox=$PWD/tree/usr/bin/busybox
    unpack_kernel tree/boot/vmlinuz-*
    mkdir -p root/{bin,sbin,usr/bin,usr/sbin,usr/lib,lib,etc,dev,proc,sys,run,tmp,root,data,mnt,var/{log,empty}}
    cp -R "$here/rootfs/." root/
    install -m 755 "$busybox" root/bin/busybox
    local applet
    for applet in $("$busybox" --list); do
        case $applet in busybox | dpkg* | rpm* | ash) continue ;; esac
        [ -e "root/sbin/$applet" ] || ln -s busybox "root/bin/$applet"
    done
    ln -s ../bin/busybox root/sbin/init
    ln -s ../bin/busybox root/sbin/modprobe
    add_modules "$(basename tree/lib/modules/*)" virtio_pci virtio_mmio virtio_blk virtio_net virtiofs virtio_console \
        virtio-rng virtio_balloon pvpanic-pci pvpanic-mmio button evdev gpio_keys crc32c_generic ext4
    case $sshd in
        dropbear)
            add_program tree/usr/sbin/dropbear /usr/sbin/dropbear
            add_program tree/usr/bin/dropbearkey /usr/bin/dropbearkey
            ;;
        openssh)
            add_program tree/usr/sbin/sshd /usr/sbin/sshd
            add_program tree/usr/bin/ssh-keygen /usr/bin/ssh-keygen
            add_program tree/usr/lib/openssh/sftp-server /usr/lib/openssh/sftp-server
            # As the package has it: the limits of an ordinary server are part of what is tried with it.
            install -D -m 644 tree/usr/share/openssh/sshd_config root/etc/ssh/sshd_config
            ;;
    esac
    chmod 700 root/root
    find root -exec touch -h -d @0 {} +
    (cd root && find . -mindepth 1 | LC_ALL=C sort | "$busybox" cpio -o -H newc -R 0:0 --renumber-inodes 2>/dev/null) >initrd.cpio
    truncate -s 64M disk.raw
    run tree/sbin/mke2fs -q -F -t ext4 -m 0 -L data disk.raw
    printf '%s\n' "$kernel" >kernel-version
    mkdir ready
    mv vmlinux initrd.cpio disk.raw kernel-version ready/
    sync -f ready 2>/dev/null || true
}

build_base() {
    if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && { has_kernel || { own_lists && has_kernel; }; }; then
        exec 9>"$cache/.lock-$name"
        flock 9
        [ ! -d "$base" ] || return 0
        work=$(mktemp -d "$cache/.work-XXXXXX")
        trap 'rm -rf "${work:-}"' EXIT
        (cd "$work" && make_base)
        mv "$work/ready" "$base"
        rm -rf "$work"
        trap - EXIT
        exec 9>&-
        return
    fi
    [ -z "$base_only" ] || die "this Debian offers no kernel of linux-image-cloud-$arch"
    command -v docker >/dev/null || die "needs Debian's apt-get, or Docker to run it in a container"
    docker run --rm -v "$here:/guest:ro" -v "$cache:/cache" -e VZCRI_GUEST_CACHE=/cache debian:bookworm \
        sh -c '/guest/build.sh --base-only --sshd "$1" && chown -R "$2" /cache' build "$sshd" "$(id -u):$(id -g)"
}
[ -d "$base" ] || build_base
[ -z "$base_only" ] || exit 0

# ---- What does: the key in a second archive behind the first; the kernel unpacks both.

entry() { # name, mode, file or nothing
    local size=0
    [ -z "${3:-}" ] || size=$(wc -c <"$3" | tr -d ' ')
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
        $((++inode)) $((8#$2)) 0 0 1 0 "$size" 0 0 0 0 $((${#1} + 1)) 0 "$1"
    pad $((110 + ${#1} + 1))
    [ -z "${3:-}" ] || { cat "$3"; pad "$size"; }
}
pad() { local count=$(((4 - $1 % 4) % 4)); [ $count = 0 ] || head -c $count /dev/zero; }

mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 8>"$out/.lock"
if command -v flock >/dev/null; then flock 8; fi
if [ -z "$key" ]; then
    key=$out/id_ed25519.pub
    [ -f "$key" ] || ssh-keygen -q -t ed25519 -N '' -C linux-guest -f "$out/id_ed25519"
fi
inode=721000
new=$out/.new-$$
trap 'rm -rf "$new"' EXIT
mkdir "$new"
{
    cat "$base/initrd.cpio"
    entry root 40700
    entry root/.ssh 40700
    entry root/.ssh/authorized_keys 100600 "$key"
    entry 'TRAILER!!!' 0
} >"$new/initrd.cpio"
for file in vmlinux disk.raw; do
    cp --reflink=auto --sparse=always "$base/$file" "$new/$file" 2>/dev/null || cp "$base/$file" "$new/$file"
done
cat >"$new/guest.json" <<JSON
{
  "architecture": "$arch",
  "kernel": "vmlinux",
  "initrd": "initrd.cpio",
  "disk": "disk.raw",
  "commandLine": "$command_line",
  "user": "root",
  "sshPort": 22,
  "sshServer": "$sshd",
  "kernelPackage": "$(cat "$base/kernel-version")"
}
JSON
mv -f "$new"/* "$out/"
echo "$out"
