import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The files of machines. Everything here blocks.
extension VMRuntime {
    /// Where a bundle is while it is being made or removed: a name that no machine has.
    static func draft(_ directory: String) -> String {
        guard let slash = directory.lastIndex(of: "/") else { return "." + directory }
        return directory[...slash] + "." + directory[directory.index(after: slash)...]
    }

    static func moved(_ path: String, from old: String, to new: String) -> String {
        path.hasPrefix(old + "/") ? new + path.dropFirst(old.count) : path
    }

    static func rename(_ old: String, to new: String) throws {
        #if canImport(Glibc)
        let result = Glibc.rename(old, new)
        #else
        let result = Darwin.rename(old, new)
        #endif
        guard result == 0 else { throw RootDirectory.failure("renaming \(old) to \(new)", errno) }
    }

    /// Removes everything of a machine. A crash in between leaves what the next start removes.
    static func discard(_ bundle: MachineBundle) throws {
        let draft = draft(bundle.directory)
        try RootDirectory.removeTree(draft)
        if access(bundle.directory, F_OK) == 0 {
            try rename(bundle.directory, to: draft)
            try RootDirectory.removeTree(draft)
        }
        try RootDirectory.removeTree(bundle.runDirectory)
    }

    /// Drops the disks that a machine has of its own.
    static func dropDisks(of config: MachineConfig, in bundle: MachineBundle) throws {
        let paths = config.disks.map(\.path) + MachineBoot.goesWithDisk(config.boot)
        for path in paths where path.hasPrefix(bundle.directory + "/") {
            guard unlink(path) == 0 || errno == ENOENT else {
                throw RootDirectory.failure("removing \(path)", errno)
            }
        }
    }
}
