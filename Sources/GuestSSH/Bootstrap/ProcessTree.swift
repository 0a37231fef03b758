/// Signals for a process in a guest and what it started: SSH itself has none that libssh2 could send.
enum ProcessTree {
    /// Kills a process, its children and theirs, and whatever is in its session or process group.
    static func kill(_ id: Int32) -> GuestCommand {
        GuestCommand(["/bin/sh", "-c", script, "vzcri-kill", String(id)])
    }

    /// - Parameter name: without `SIG`.
    static func signal(_ name: String, to id: Int32) -> GuestCommand {
        GuestCommand(["/bin/sh", "-c", "kill -s \"$1\" \"$2\"", "vzcri-signal", name, String(id)])
    }

    /// Looks for them until nothing new is found, kills them all, and looks again: one may have forked in between.
    private static let script = """
        leader=$1
        if [ -r /proc/self/stat ]; then
            list() {
                for file in /proc/[0-9]*/stat; do
                    { read -r line <"$file"; } 2>/dev/null || continue
                    id=${line%% *}
                    set -- ${line##*) }
                    case $1 in Z|X) continue ;; esac
                    echo "$id $2 $3 $4"
                done
            }
        else
            list() { ps -A -o pid= -o ppid= -o pgid= -o stat= | while read -r id parent group state; do
                case $state in Z*) ;; *) echo "$id $parent $group 0" ;; esac
            done; }
        fi
        round=0
        while [ $round -lt 20 ]; do
            round=$((round + 1))
            all=$(list)
            found=" "
            alive=
            again=1
            while [ -n "$again" ]; do
                again=
                while read -r id parent group session; do
                    [ -n "$id" ] && [ "$id" != $$ ] || continue
                    case $found in *" $id "*) continue ;; esac
                    belongs=
                    if [ "$id" = "$leader" ] || [ "$group" = "$leader" ] || [ "$session" = "$leader" ]; then belongs=1; fi
                    case $found in *" $parent "*) belongs=1 ;; esac
                    if [ -n "$belongs" ]; then
                        found="$found$id "
                        alive=1
                        again=1
                    fi
                done <<END
        $all
        END
            done
            [ -n "$alive" ] || exit 0
            kill -s KILL $found 2>/dev/null
        done
        exit 1
        """
}
