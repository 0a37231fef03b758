extension ContainedGuest {
    /// The machine as a shell script: `power_on` is the machine's own process, which reads what it is told and says what
    /// happens; `boots` runs the guest from power-on to power-off; `start` becomes the guest's first process.
    static let script = #"""
        set -u
        PATH=$PATH:/usr/sbin:/sbin
        tell() { echo "$*" >&2; }
        # Ends with this shell, also when that has ended by now.
        child() { exec setpriv --pdeathsig KILL sh -c 'eval "$MACHINE"' machine guarded $$ "$@"; }
        guarded() {
            [ "$PPID" = "$1" ] || exit
            shift
            "$@"
        }
        relay() { exec cat; }
        # Whoever is given what only the machine's process may hold would be taken for it.
        alone() { "$@" 7<&- 8<&- 9<&-; }

        # power_on DISK INITRD MEMORY [TAG ro|rw DIRECTORY]...
        power_on() {
            disk=$1 initrd=$2 memory=$3
            shift 3
            mount -t tmpfs -o mode=700 machine /run || exit
            mkdir /run/netns /run/shares
            : >/run/pid
            while [ $# -gt 0 ]; do
                printf '%s\n%s\n' "$2" "$3" >"/run/shares/$1"
                shift 3
            done
            ip netns add guest || exit
            net=64
            until ip link add "vmnet$net" type veth peer name eth0 netns guest 2>/dev/null; do
                net=$((net + 1))
                [ $net -lt 250 ] || exit 70
            done
            ip addr add "198.19.$net.1/24" dev "vmnet$net" && ip link set "vmnet$net" up || exit
            for words in "link set lo up" "addr add 198.19.$net.2/24 dev eth0" "link set eth0 up" \
                "route add default via 198.19.$net.1"; do
                ip -n guest $words || exit
            done
            # Open at both ends, so that nobody waits for the other.
            mkfifo -m 600 /run/console /run/panic /run/go /run/mounted
            exec 8<>/run/console 7<>/run/panic
            child relay <&8 7<&- 8<&- 2>/dev/null &
            child panics <&7 7<&- 8<&- &
            child boots "$disk" "$initrd" "$memory" </dev/null 7<&- 8<&- &
            # Nobody else has the disk open, or is about to be made with it, when somebody looks whose it is.
            read -r word </run/mounted
            [ -z "$disk" ] || exec 9<>"$disk"
            tell address "198.19.$net.2"
            while read -r word tag mode path; do
                case $word in
                    pause) alone signal STOP ;;
                    resume) if [ -p /run/go ] && [ -n "$memory" ]; then memory= && alone echo >/run/go; else alone signal CONT; fi ;;
                    button) alone inside /sbin/power-off </dev/null >/dev/null 2>&1 & ;;
                    share) alone replace "$tag" "$mode" "$path" ;;
                    save) sync && alone tar -C /mnt --one-file-system -cf "$tag" tmp run etc root var .machine/boot 2>/dev/null ;;
                esac
                tell done $?
            done
        }

        # Everything in the guest, as soon as there is one: its first process, which makes others, and all the others.
        signal() {
            until read -r pid </run/pid; do sleep 0.01; done
            kill -s "$1" "$pid"
            nsenter -t "$pid" -p sh -c 'kill -s "$1" -- -1' signal "$1" </dev/null 2>/dev/null
            true
        }
        inside() { read -r pid </run/pid && exec nsenter -t "$pid" -p -u -i -n chroot /mnt "$@"; }

        # The kernel's last words; then it stands still.
        panics() {
            read -r word || exit
            echo "[    1.000000] Kernel panic - not syncing: sysrq triggered crash" >/run/console
            signal STOP
        }

        bind() { # TAG PLACE
            { read -r mode && read -r source; } <"/run/shares/$1" && mount --bind "$source" "$2" || return
            [ "$mode" = rw ] || mount -o remount,ro,bind "$2"
        }

        replace() { # TAG ro|rw DIRECTORY
            printf '%s\n%s\n' "$2" "$3" >"/run/shares/$1"
            bind "$1" "/mnt/.machine/shares/$1" || return
            [ ! -f "/mnt/.machine/mounted/$1" ] || while read -r place; do bind "$1" "/mnt$place"; done <"/mnt/.machine/mounted/$1"
        }

        # boots DISK INITRD MEMORY: from power-on to power-off, however often the guest restarts.
        boots() {
            disk=$1 initrd=$2 memory=$3
            loop=
            # Held by a place of the machine's own, and so it goes with the machine.
            mkdir /run/disk
            if [ -n "$disk" ] && mount -o loop "$disk" /run/disk; then loop=$(findmnt -n -o SOURCE /run/disk); fi
            echo >/run/mounted
            while :; do
                umount -R -l /mnt 2>/dev/null
                mount -t tmpfs -o mode=755 memory /mnt || exit
                load
                cat /proc/sys/kernel/random/uuid >/mnt/.machine/boot
                if [ -n "$memory" ]; then
                    tar -C /mnt -xf "$memory"
                    rm -f "$memory"
                    read -r word <>/run/go
                    memory=
                fi
                nsenter --net=/run/netns/guest \
                    setpriv --pdeathsig KILL --bounding-set -sys_module,-sys_time,-sys_rawio,-mac_admin,-syslog,-bpf \
                    sh -c 'eval "$MACHINE"' machine guarded $$ kernel \
                    </dev/null >/run/console 2>&1 &
                kernel=$!
                until pgrep -P $kernel >/run/pid; do kill -0 $kernel 2>/dev/null || break; done
                wait $kernel
                case $? in
                    129) tell restarted ;;
                    130) tell off && exit ;;
                    *) tell crashed && exit ;;
                esac
            done
        }

        # The guest's memory as it is when its first process starts.
        load() {
            start=1
            LC_ALL=C grep -aobE '070701[0-9A-Fa-f]{104}TRAILER!!!' "$initrd" | cut -d: -f1 | while read -r offset; do
                tail -c +$start "$initrd" | (cd /mnt && busybox cpio -idum 2>/dev/null)
                start=$(((offset + 121 + 3) / 4 * 4 + 1))
            done
            mkdir -p /mnt/.machine/shares /mnt/.machine/mounted
            { cat /proc/filesystems && printf 'nodev\tvirtiofs\n'; } >/mnt/.machine/filesystems
            mount -t tmpfs -o mode=755 dev /mnt/dev
            for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
                numbers=${node#*:}
                mknod -m 666 "/mnt/dev/${node%%:*}" c "${numbers%:*}" "${numbers#*:}"
            done
            [ -z "$loop" ] || mknod -m 600 /mnt/dev/vda b $(stat -c '0x%t 0x%T' "$loop")
            mkdir /mnt/dev/pts /mnt/dev/shm
            mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts /mnt/dev/pts
            ln -s pts/ptmx /mnt/dev/ptmx
            ln -s /proc/self/fd /mnt/dev/fd
            for file in /mnt/dev/console /mnt/.machine/panic; do
                : >$file
                mount --bind "/run/${file##*/}" $file
            done
            for share in /run/shares/*; do
                [ -f "$share" ] || continue
                mkdir "/mnt/.machine/shares/${share##*/}"
                bind "${share##*/}" "/mnt/.machine/shares/${share##*/}"
            done
            printf '%s\n' '::sysinit:/.machine/start' '::respawn:/sbin/run-sshd' >/mnt/etc/inittab
            cat >/mnt/.machine/start <<'END'
        #!/bin/sh
        hostname linux-guest
        mkdir -p /run/sshd
        [ ! -b /dev/vda ] || mount /dev/vda /data
        END
            # What the guest's kernel would do for a file system that its machine gives it. Busybox's shell runs what it has
            # itself and looks no further: its own has another name here.
            LC_ALL=C sed -i 's/\x00mount\x00/\x00mounr\x00/g' /mnt/bin/busybox
            rm /mnt/bin/mount
            cat >/mnt/bin/mount <<'END'
        #!/bin/sh
        [ "$1 $2" = "-t virtiofs" ] || exec busybox mounr "$@"
        [ -d "/.machine/shares/$3" ] || { echo "mount: $3: no such device" >&2; exit 32; }
        echo "$4" >>"/.machine/mounted/$3"
        exec busybox mounr -o bind "/.machine/shares/$3" "$4"
        END
            chmod 755 /mnt/.machine/start /mnt/bin/mount
        }

        kernel() { exec unshare --pid --fork --kill-child=KILL --uts --ipc sh -c 'eval "$MACHINE"' machine start; }

        # The guest's first process. What reaches beyond a guest's own kernel is out of its reach.
        start() {
            mount -t proc proc /mnt/proc && mount -t sysfs sys /mnt/sys || exit
            mount --bind /mnt/.machine/boot /mnt/proc/sys/kernel/random/boot_id || exit
            mount --bind /mnt/.machine/filesystems /mnt/proc/filesystems || exit
            [ ! -e /mnt/proc/sysrq-trigger ] || mount --bind /dev/null /mnt/proc/sysrq-trigger || exit
            exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ chroot /mnt /sbin/init
        }

        "$@"
        """#
}
