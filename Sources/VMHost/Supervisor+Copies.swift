import HostFiles
import Logging
import NIOPosix
import Synchronization
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Copies of shared directories, in a guest that cannot mount them.
extension Supervisor {
    /// Copies what the container mounts, and sets the guest up once more, with it.
    func copyShares(into guest: any Guest, _ setup: GuestSetup.Script, within limit: Duration) async throws {
        let copy = GuestCopy(config: config, guest: guest)
        for share in config.shares {
            let mounts = config.mounts.filter { $0.tag == share.tag }
            guard !mounts.isEmpty else { continue }
            logger.notice("the guest cannot mount shared directories", metadata: ["copying": "\(share.source)"])
            let link = try await Self.dataLink(of: share)
            let leftOut = try await copy.copy(share)
            parts.withLock { $0.copied[share.tag] = link ?? "" }
            if link != nil { copied.continuation.yield(share) }
            for mount in mounts { tell(Self.notice(of: mount, share, isRefreshed: link != nil, leftOut)) }
        }
        let result = try await guest.complete(setup.command, deadline: limit)
        for line in result.errors.split(separator: "\n") { heed(setupLine: line) }
        guard result.code == 0 else {
            throw VZEngineError(
                .startFailed, "the guest could not be set up with its copies of shared directories: \(result.errors)")
        }
    }

    private static func notice(
        of mount: MachineConfig.Mount, _ share: MachineConfig.Share, isRefreshed: Bool, _ leftOut: Int
    ) -> MachineStatus.Notice {
        var message =
            "\(mount.guestPath): the guest cannot mount shared directories, so its files were copied in from \(share.source); "
        message += isRefreshed ? "what is replaced there is copied again" : "later changes there are not seen"
        if !mount.readOnly { message += ", and what is written here stays in the guest" }
        if leftOut > 0 { message += "; \(leftOut) sockets, pipes or devices were left out" }
        return .init(reason: "MountCopied", message: message)
    }

    /// Says something to whoever looks at the container, once.
    func tell(_ notice: MachineStatus.Notice) {
        board.update { status in
            guard status.notices?.contains(notice) != true else { return }
            status.notices = (status.notices ?? []) + [notice]
        }
    }

    /// A line that the guest's set-up complains in: `vzcri: Reason: …` is for the container's user.
    func heed(setupLine line: Substring) {
        logger.warning("set-up of the guest", metadata: ["said": "\(line)"])
        guard line.hasPrefix("vzcri: ") else { return }
        let parts = line.dropFirst("vzcri: ".count).split(separator: ":", maxSplits: 1)
        guard parts.count == 2, parts[0] == "MountPathUnavailable" else { return }
        tell(.init(reason: String(parts[0]), message: String(parts[1].drop { $0 == " " })))
    }

    // MARK: Sources that are replaced

    /// As long as the machine lives: copies again what is replaced on the host.
    func followSources() async {
        await withTaskGroup(of: Void.self) { group in
            var followed: Set<String> = []
            // Copied once more after the guest's restart: followed already.
            for await share in copied.stream where followed.insert(share.tag).inserted {
                group.addTask { await self.keepFresh(share) }
            }
            group.cancelAll()
        }
    }

    private func keepFresh(_ share: MachineConfig.Share) async {
        do {
            let watcher = try FileWatcher(directory: share.source)
            var changes = watcher.makeAsyncIterator()
            // Something may have happened while it was copied.
            repeat { try await refresh(share) } while await changes.next() != nil
        } catch is CancellationError {
        } catch {
            logger.warning(
                "a copied directory is not followed any more",
                metadata: ["source": "\(share.source)", "error": "\(error)"])
        }
    }

    /// Until the guest has what is there now.
    /// - Throws: when the machine ends.
    private func refresh(_ share: MachineConfig.Share) async throws {
        var pause = Duration.milliseconds(100)
        while let link = try await Self.dataLink(of: share), link != parts.withLock({ $0.copied[share.tag] }) {
            try await board.waitUntilReachable()
            guard let guest else { throw CancellationError() }
            do {
                try await GuestCopy(config: config, guest: guest).refresh(share)
                parts.withLock { $0.copied[share.tag] = link }
                logger.info("a shared directory was copied again", metadata: ["source": "\(share.source)"])
            } catch {
                try Task.checkCancellation()
                logger.warning(
                    "a shared directory was not copied again",
                    metadata: ["source": "\(share.source)", "error": "\(error)"])
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(5))
            }
        }
    }

    /// What the link leads to that is exchanged when such a directory gets new content; nil when it is no such directory.
    private static func dataLink(of share: MachineConfig.Share) async throws -> String? {
        let path = share.source + "/..data"
        return try await NIOThreadPool.singleton.runIfActive {
            var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let count = buffer.withUnsafeMutableBytes { bytes in
                bytes.withMemoryRebound(to: CChar.self) { readlink(path, $0.baseAddress!, $0.count) }
            }
            return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }
    }
}
