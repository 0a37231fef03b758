import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Which virtiofsd there is: the one that was part of QEMU, or its successor with other options.
struct ShareServerKind: Sendable, Hashable {
    enum Family: Sendable, Hashable { case qemu, rust }

    var path: String
    var family: Family
    /// It can refuse writes by itself.
    var hasReadOnly: Bool
    /// It can be told what not to be able to.
    var hasCapabilities: Bool

    static let places = [
        "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/kvm/virtiofsd",
    ]

    static func find(_ path: String?) async throws -> ShareServerKind {
        let path = try path ?? places.first { access($0, X_OK) == 0 } ?? inPath()
        let help = try await Command.run(path, ["--help"], deadline: .seconds(20))
        return ShareServerKind(path: path, help: help.text + help.errorText)
    }

    private static func inPath() throws -> String {
        do {
            return try Executables.find("virtiofsd")
        } catch {
            throw VZEngineError(
                .startFailed,
                "directories cannot be shared with the guest: there is no virtiofsd in "
                    + "\(places.joined(separator: ", ")) or PATH. Install it (Debian: qemu-system-common or virtiofsd)",
                cause: error)
        }
    }

    init(path: String, help: String) {
        self.path = path
        family = help.contains("--shared-dir") ? .rust : .qemu
        hasReadOnly = help.contains("--readonly")
        hasCapabilities = help.contains("modcaps")
    }

    /// Its arguments when it accepts on descriptor `descriptor`. A guest's root makes no devices of the host in what it shares.
    func arguments(source: String, readOnly: Bool, descriptor: Int32, isRoot: Bool) -> [String] {
        switch family {
        case .rust:
            // Another sandbox than none needs privileges.
            [
                "--fd=\(descriptor)", "--shared-dir", source, "--cache", "auto", "--sandbox",
                isRoot ? "chroot" : "none",
            ] + (readOnly && hasReadOnly ? ["--readonly"] : [])
                + (isRoot && hasCapabilities ? ["--modcaps=-mknod"] : [])
        case .qemu:
            [
                "--fd=\(descriptor)", "-o", "source=\(Self.escaped(source))", "-o", "cache=auto", "-o",
                "sandbox=chroot",
                "-o", "log_level=warn",
            ] + (isRoot && hasCapabilities ? ["-o", "modcaps=-mknod"] : [])
        }
    }

    /// In its list of options a comma stands for itself behind a backslash.
    static func escaped(_ path: String) -> String {
        path.replacing("\\", with: "\\\\").replacing(",", with: "\\,")
    }

    /// Runs it where the directory is mounted read-only, in a mount namespace of its own: the guest's root may mount
    /// what it was given as it likes.
    static let readOnlyWrapper = #"""
        set -e
        source=$1 point=$2
        shift 2
        mount --rbind -- "$source" "$point"
        table=$(cat /proc/self/mountinfo)
        while read -r _ _ _ _ at _; do
            at=$(printf '%b' "$at")
            case $at in "$point" | "$point"/*) mount -o remount,bind,ro -- "$at" ;; esac
        done <<TABLE
        $table
        TABLE
        exec "$@"
        """#
}
