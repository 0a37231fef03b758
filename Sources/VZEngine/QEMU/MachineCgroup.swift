public import Logging
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The control group of one machine's processes, below the one its pod has: `vzcri-<id>` in every hierarchy there is.
/// What a host lacks is left out.
public struct MachineCgroup: Sendable {
    private let directories: [String]
    /// What was made for it, outermost first.
    private let made: [String]
    private let logger: Logger

    /// Makes it.
    /// - Parameters:
    ///   - parent: as the CRI names it: a path, or a systemd slice.
    ///   - id: the machine's.
    public static func make(parent: String, id: String, logger: Logger) async throws -> MachineCgroup {
        let hierarchies = CgroupHierarchies.mounted()
        return try await NIOThreadPool.singleton.runIfActive {
            make(path: path(of: parent) + "/vzcri-\(id.prefix(16))", in: hierarchies, logger: logger)
        }
    }

    static func make(path: String, in hierarchies: [String], logger: Logger) -> MachineCgroup {
        var (directories, made): ([String], [String]) = ([], [])
        for hierarchy in hierarchies {
            do {
                made += try makeAll(path, in: hierarchy)
                directories.append(hierarchy + path)
            } catch {
                logger.warning(
                    "a hierarchy of control groups cannot be used",
                    metadata: ["hierarchy": "\(hierarchy)", "path": "\(path)", "error": "\(error)"])
            }
        }
        return MachineCgroup(directories: directories, made: made, logger: logger)
    }

    /// `/a/b` as it is; `a-b.slice` is `/a.slice/a-b.slice`. Never leads out of the hierarchy.
    static func path(of parent: String) -> String {
        let parts = parent.split(separator: "/").filter { $0 != "." && $0 != ".." }
        guard parts.count == 1, parts[0].hasSuffix(".slice"), parts[0].count > 6 else {
            return parts.map { "/" + $0 }.joined()
        }
        var (path, prefix) = ("", "")
        for part in parts[0].dropLast(6).split(separator: "-") {
            prefix += prefix.isEmpty ? part : "-" + part
            path += "/\(prefix).slice"
        }
        return path
    }

    private static func makeAll(_ path: String, in hierarchy: String) throws -> [String] {
        var made: [String] = []
        var directory = hierarchy
        for part in path.split(separator: "/") {
            let outer = directory
            directory += "/" + part
            if mkdir(directory, 0o755) == 0 {
                made.append(directory)
                inheritCpuset(from: outer, to: directory)
            } else if errno != EEXIST {
                let failure = VZEngineError.system("make \(directory)")
                for directory in made.reversed() { rmdir(directory) }
                throw failure
            }
        }
        return made
    }

    /// In the old hierarchy a new group may use no processor and no memory until it is told which.
    private static func inheritCpuset(from outer: String, to inner: String) {
        for name in ["cpuset.cpus", "cpuset.mems"] where access("\(inner)/cgroup.clone_children", F_OK) == 0 {
            guard access("\(inner)/\(name)", W_OK) == 0 else { continue }
            do {
                try SystemFile.write(try SystemFile.text("\(outer)/\(name)"), to: "\(inner)/\(name)")
            } catch {
                // Then no process can be added, which is logged.
                continue
            }
        }
    }

    /// Puts a process and all of its threads into it. Blocks for a moment.
    public func add(_ process: Int32) async {
        let failures: [String]
        do {
            failures = try await NIOThreadPool.singleton.runIfActive { [directories] in
                directories.compactMap { directory in
                    do {
                        try SystemFile.write("\(process)", to: directory + "/cgroup.procs")
                        return nil
                    } catch {
                        return "\(error)"
                    }
                }
            }
        } catch {
            failures = ["\(error)"]
        }
        for failure in failures {
            logger.warning(
                "a process is not in its control group", metadata: ["pid": "\(process)", "error": "\(failure)"])
        }
    }

    /// Removes what was made, once its processes have ended. A directory that others use by now stays.
    public func remove() async {
        do {
            try await NIOThreadPool.singleton.runIfActive { [made] in
                for directory in made.reversed() { Self.removeOne(directory) }
            }
        } catch {
            logger.warning("a control group stays behind", metadata: ["error": "\(error)"])
        }
    }

    /// The kernel lets go of a process a moment after it was reaped.
    private static func removeOne(_ directory: String) {
        for _ in 0..<50 {
            if rmdir(directory) == 0 || errno != EBUSY || isPopulated(directory) { return }
            usleep(10_000)
        }
    }

    private static func isPopulated(_ directory: String) -> Bool {
        // What cannot be read is not there any more.
        do { return try !SystemFile.read(directory + "/cgroup.procs").isEmpty } catch { return false }
    }
}
