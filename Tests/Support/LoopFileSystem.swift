import Foundation

/// A file system of a test's own, in a file without blocks until something is written there. Needs root.
public enum LoopFileSystem {
    public static let canRun =
        getuid() == 0 && (ProcessInfo.processInfo.environment["CI"] == "true" || canMount)
    private static let canMount = FileManager.default.fileExists(atPath: "/dev/loop-control")

    public struct Failure: Error, CustomStringConvertible { public let description: String }

    /// - Parameters:
    ///   - maker: what makes it, without the file: `["mkfs.xfs", "-q"]`.
    ///   - size: in bytes.
    ///   - body: is given where it is mounted; unmounted afterwards.
    public static func with<R: Sendable>(
        _ maker: [String], size: UInt64, _ body: (String) async throws -> R
    ) async throws -> R {
        try await withTemporaryDirectory { directory in
            let image = directory + "/image"
            guard FileManager.default.createFile(atPath: image, contents: nil) else {
                throw Failure(description: "\(image) cannot be made")
            }
            let handle = try FileHandle(forWritingTo: URL(filePath: image))
            try handle.truncate(atOffset: size)
            try handle.close()
            let place = directory + "/mounted"
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
            try await run(maker + [image])
            try await run(["mount", "-o", "loop", image, place])
            do {
                let result = try await body(place)
                try await unmount(place)
                return result
            } catch {
                try await unmount(place)
                throw error
            }
        }
    }

    /// What has just ended, and a child between fork and exec, may have a file open there for a moment longer.
    private static func unmount(_ place: String) async throws {
        let end = ContinuousClock.now + .seconds(90)
        while try await outcome(["umount", place]).code != 0 {
            if ContinuousClock.now > end {
                let holders = try await outcome(["/bin/sh", "-c", whoHolds, "sh", place]).output
                // Whoever still has a file open there keeps the file system, not the place.
                try await run(["umount", "-l", place])
                throw Failure(description: "\(place) is still in use: \(holders)")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static let whoHolds = """
        grep -F "$1" /proc/self/mountinfo
        for process in /proc/[0-9]*; do
            if ls -l $process/fd $process/cwd $process/root 2>/dev/null | grep -F "$1"; then
                echo "$process: $(tr '\\0' ' ' <$process/cmdline)"
            fi
        done
        """

    private static func outcome(_ command: [String]) async throws -> ChildProcess.Outcome {
        try await ChildProcess.run("/usr/bin/env", ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] + command)
    }

    private static func run(_ command: [String]) async throws {
        let outcome = try await outcome(command)
        guard outcome.code == 0 else {
            throw Failure(description: "\(command.joined(separator: " ")): \(outcome.errors)")
        }
    }
}
