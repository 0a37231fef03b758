import CSpawn
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A process that this one started, and reaps.
public final class ChildProcess: Sendable {
    public let id: Int32
    public let identity: ProcessIdentity?

    private enum State {
        case running([CheckedContinuation<ProcessEnd, Never>])
        case ended(ProcessEnd)
    }
    private let state = Mutex(State.running([]))

    /// - Throws: `ProcessError` with `notFound` or `notStarted`.
    public static func start(_ request: ProcessRequest) async throws -> ChildProcess {
        let path = try Executables.find(request.executable)
        let child: ChildProcess = try await withCheckedThrowingContinuation { continuation in
            // The thread that forks is the parent the system watches: it must not end before this process does.
            SpawnThread.shared.run {
                continuation.resume(
                    with: Result {
                        let id = try spawn(path, request)
                        return ChildProcess(id: id)
                    })
            }
        }
        ReaperThreads.reap(child.id) { child.note($0) }
        return child
    }

    private init(id: Int32) {
        self.id = id
        identity = ProcessIdentity.of(id)
    }

    /// Suspends until it has ended, also when the task is cancelled.
    public func waitForEnd() async -> ProcessEnd {
        await withCheckedContinuation { continuation in
            let end: ProcessEnd? = state.withLock { state in
                switch state {
                case .ended(let end): return end
                case .running(let waiting):
                    state = .running(waiting + [continuation])
                    return nil
                }
            }
            if let end { continuation.resume(returning: end) }
        }
    }

    /// nil while it runs.
    public var end: ProcessEnd? {
        state.withLock { if case .ended(let end) = $0 { end } else { nil } }
    }

    /// Sends a signal; nothing once it has ended.
    /// - Parameter group: to all it started as well, of a process with a session of its own.
    public func signal(_ number: Int32, group: Bool = false) {
        state.withLock { state in
            // Not reaped while the lock is held: the number is still its own.
            if case .running = state { kill(group ? -id : id, number) }
        }
    }

    /// Takes the process's end under the lock that ``signal(_:)`` holds, so that no signal meets a stranger.
    private func note(_ reap: () -> ProcessEnd) {
        var waiting: [CheckedContinuation<ProcessEnd, Never>] = []
        let end = state.withLock { state in
            let end = reap()
            if case .running(let continuations) = state { waiting = continuations }
            state = .ended(end)
            return end
        }
        for continuation in waiting { continuation.resume(returning: end) }
    }
}

private func spawn(_ path: String, _ request: ProcessRequest) throws -> Int32 {
    var opened: [Int32] = []
    defer { for descriptor in opened { close(descriptor) } }
    func open(_ file: String, _ flags: Int32) throws -> Int32 {
        let descriptor = Executables.open(file, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("opening \(file)", errno) }
        opened.append(descriptor)
        return descriptor
    }
    let descriptors = try request.descriptors.map { try $0 >= 0 ? $0 : open("/dev/null", O_RDWR) }
    let namespace = try request.networkNamespace.map { try open($0, O_RDONLY) } ?? -1
    let environment = request.environment.map { $0.map { "\($0.key)=\($0.value)" } }

    let arguments = CStrings([path] + request.arguments)
    let variables = environment.map(CStrings.init)
    let directory = request.directory.map { strdup($0) }
    let program = strdup(path)
    defer {
        free(program)
        if let directory { free(directory) }
    }
    let id = descriptors.withUnsafeBufferPointer { descriptors in
        var copy = vz_spawn()
        copy.executable = UnsafePointer(program)
        copy.arguments = UnsafePointer(arguments.pointer)
        copy.environment = variables.map { UnsafePointer($0.pointer) } ?? vz_spawn_environment()
        copy.descriptors = descriptors.baseAddress
        copy.descriptor_count = Int32(descriptors.count)
        copy.directory = directory.flatMap { UnsafePointer($0) }
        copy.new_session = request.hasOwnSession ? 1 : 0
        copy.dies_with_parent = request.diesWithParent ? 1 : 0
        copy.network_namespace = namespace
        return vz_spawn_start(&copy)
    }
    guard id > 0 else { throw failure("starting \(path)", errno) }
    return id
}

private func failure(_ what: String, _ code: Int32) -> ProcessError {
    ProcessError(code == ENOENT ? .notFound : .notStarted, "\(what) failed: \(String(cString: strerror(code)))")
}

/// Strings as `execve` wants them.
private final class CStrings {
    let pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        pointer = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() { pointer[index] = strdup(string) }
        pointer[count] = nil
    }

    deinit {
        for index in 0..<count { free(pointer[index]) }
        pointer.deallocate()
    }
}
