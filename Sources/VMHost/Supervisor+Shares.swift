import HostFiles
import Logging
import NIOPosix
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Shared directories that are exchanged for others of the same name while the machine runs.
extension Supervisor {
    private struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64
    }

    /// Whose parent is busy is not looked at more often than this.
    private static let lookInterval = Duration.milliseconds(100)

    /// As long as the machine lives.
    func followShares(of machine: any Machine) async {
        let used = Set(config.mounts.map(\.tag))
        await withTaskGroup(of: Void.self) { group in
            for share in config.shares where used.contains(share.tag) {
                // What is in the bundle is ours.
                guard !share.source.hasPrefix(bundle.directory + "/") else { continue }
                group.addTask { await self.follow(share, of: machine) }
            }
        }
    }

    private func follow(_ share: MachineConfig.Share, of machine: any Machine) async {
        guard let slash = share.source.lastIndex(of: "/"), slash != share.source.startIndex else { return }
        do {
            let watcher = try FileWatcher(directory: String(share.source[..<slash]))
            var changes = watcher.makeAsyncIterator()
            var known = try await Self.identity(of: share.source)
            while await changes.next() != nil {
                // There may be none between one and the next.
                if let now = try await Self.identity(of: share.source), now != known {
                    known = now
                    await replace(share, in: machine)
                }
                try await Task.sleep(for: Self.lookInterval)
            }
        } catch is CancellationError {
        } catch {
            logger.debug(
                "whether a shared directory is exchanged is not known",
                metadata: ["source": "\(share.source)", "error": "\(error)"])
        }
    }

    private func replace(_ share: MachineConfig.Share, in machine: any Machine) async {
        do {
            try await machine.replaceShare(share)
            logger.notice("a shared directory was exchanged", metadata: ["source": "\(share.source)"])
        } catch {
            logger.warning(
                "the guest keeps a shared directory that was exchanged on the host",
                metadata: ["source": "\(share.source)", "error": "\(error)"])
            for mount in config.mounts where mount.tag == share.tag {
                tell(
                    .init(
                        reason: "MountReplaced",
                        message:
                            "\(mount.guestPath): another directory is at \(share.source) now; the guest keeps the one "
                            + "that was there when it started"))
            }
        }
    }

    /// nil when no directory is there. A link is none: it would lead elsewhere.
    private static func identity(of path: String) async throws -> Identity? {
        try await NIOThreadPool.singleton.runIfActive {
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
            return Identity(device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino))
        }
    }
}
