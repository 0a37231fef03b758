import HostFiles
import KubeAPI
import Logging
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The pods of a directory of manifests, as it changes.
struct ManifestDirectory: Sendable {
    let path: String
    let nodeName: String
    /// Between looks at the directory when nobody says that it changed.
    var interval: Duration = .seconds(20)
    /// Between a change and the look: editors write in pieces.
    var settling: Duration = .milliseconds(50)
    var pool: NIOThreadPool = .singleton
    let logger: Logger

    /// What a file was when it was read.
    fileprivate struct Facts: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var seconds: Int
        var nanoseconds: Int
    }

    private enum Content: Sendable {
        case bytes([UInt8])
        case unreadable(String)
    }

    private struct Look: Sendable {
        var names: Set<String> = []
        var changed: [(name: String, facts: Facts, content: Content)] = []
    }

    /// The largest file that is read.
    static let sizeLimit = 4 << 20

    /// - Throws: when the directory cannot be listed: a wrong path is said at start.
    func check() async throws {
        _ = try await pool.runIfActive { try Self.look(path, known: [:]) }
    }

    /// Hands over all pods at once and after every change, until the task is cancelled.
    func run(_ deliver: (_ pods: [Pod], _ unreadable: Set<String>) async -> Void) async {
        var set = ManifestSet(nodeName: nodeName)
        var known: [String: Facts] = [:]
        var isFirst = true
        var trouble: String?
        var isUnwatched = false
        while !Task.isCancelled {
            // The watch begins before the look: a change is in one or the other. What cannot be watched is looked at now
            // and then.
            let watcher = watch(&isUnwatched)
            do {
                let (before, path) = (known, path)
                let look = try await pool.runIfActive { try Self.look(path, known: before) }
                if trouble != nil { logger.info("the manifests in \(path) can be read again") }
                trouble = nil
                let isGone = !Set(known.keys).isSubset(of: look.names)
                if isFirst || isGone || !look.changed.isEmpty {
                    set.keep(only: look.names)
                    known = known.filter { look.names.contains($0.key) }
                    for (name, facts, content) in look.changed {
                        known[name] = facts
                        take(content, name, &set)
                    }
                    let (pods, problems) = set.pods()
                    for problem in problems { logger.error("\(path)/\(problem)") }
                    await deliver(pods, set.brokenFiles)
                    isFirst = false
                }
            } catch {
                if Task.isCancelled { return }
                // What ran goes on: a directory that cannot be read does not say that its pods are unwanted.
                let text = "\(error)"
                if trouble != text {
                    logger.error("the manifests cannot be read, their pods stay as they are: \(text)")
                }
                trouble = text
            }
            await waitForChange(watcher)
        }
    }

    /// nil when the directory cannot be watched; that is said once.
    private func watch(_ isUnwatched: inout Bool) -> FileWatcher? {
        do {
            let watcher = try FileWatcher(directory: path)
            isUnwatched = false
            return watcher
        } catch {
            if !isUnwatched { logger.warning("changes of manifests are looked for every \(interval): \(error)") }
            isUnwatched = true
            return nil
        }
    }

    private func waitForChange(_ watcher: FileWatcher?) async {
        await withTaskGroup(of: Void.self) { group in
            if let watcher {
                group.addTask {
                    for await _ in watcher { break }
                    try? await Task.sleep(for: settling)
                }
            }
            group.addTask { try? await Task.sleep(for: interval) }
            await group.next()
            group.cancelAll()
        }
    }

    private func take(_ content: Content, _ name: String, _ set: inout ManifestSet) {
        switch content {
        case .bytes(let bytes):
            for failure in set.update(name, bytes: bytes, path: "\(path)/\(name)") {
                logger.error("\(failure.message)")
            }
        case .unreadable(let why):
            set.unreadable(name)
            logger.error("\(why)")
        }
    }

    private static func look(_ path: String, known: [String: Facts]) throws -> Look {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemCall.failure("list the manifest directory", path) }
        defer { close(descriptor) }
        var look = Look()
        for name in try SystemCall.names(in: descriptor, path: path).sorted() where StaticPod.isManifest(name) {
            let file = "\(path)/\(name)"
            var status = stat()
            guard stat(file, &status) == 0 else {
                // Gone since, or a link to nowhere.
                if errno == ENOENT { continue }
                throw SystemCall.failure("look at", file)
            }
            guard status.st_mode & S_IFMT == S_IFREG else { continue }
            look.names.insert(name)
            let facts = Facts(status)
            if known[name] == facts { continue }
            look.changed.append((name, facts, read(file)))
        }
        return look
    }

    private static func read(_ file: String) -> Content {
        do throws(AdapterError) {
            let bytes = try SystemCall.readOwn(file, limit: sizeLimit) ?? []
            return .bytes(bytes)
        } catch {
            return .unreadable("\(error)")
        }
    }
}

extension ManifestDirectory.Facts {
    fileprivate init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        #if canImport(Glibc)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
        #else
        seconds = status.st_mtimespec.tv_sec
        nanoseconds = status.st_mtimespec.tv_nsec
        #endif
    }
}
