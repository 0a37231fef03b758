import HostFiles
public import Processes

/// Where the server of one image and those who need it meet. It outlives both: whoever is started anew finds here how things
/// stand. Everything blocks.
///
/// ```
/// STATE/i/IMAGE/nbd             its socket
/// STATE/i/IMAGE/server.json     which process serves; there only while it listens
/// STATE/i/IMAGE/hold-MACHINE    a machine reads from it
/// STATE/i/IMAGE/started         a guest has started
/// STATE/i/IMAGE/server.log      what the server has to say
/// ```
public struct LazyPlace: Sendable, Hashable {
    public let directory: String

    /// - Parameters:
    ///   - image: `sha256:…`
    ///   - state: the shim's; a short path.
    public init(image: String, state: String) {
        directory = "\(Self.all(state))/\(StoreLayout.hex(image).prefix(16))"
    }

    private init(directory: String) { self.directory = directory }

    private static func all(_ state: String) -> String { state + "/i" }

    /// Those there are.
    public static func existing(state: String) throws -> [LazyPlace] {
        let directory = all(state)
        return try Directories.names(directory).map { LazyPlace(directory: "\(directory)/\($0)") }
    }

    public var socket: String { directory + "/nbd" }
    public var log: String { directory + "/server.log" }
    private var record: String { directory + "/server.json" }
    private var started: String { directory + "/started" }
    private var lock: String { directory + "/lock" }
    private static let hold = "hold-"

    /// The name under which the server offers a disk.
    public static func export(_ disk: Int) -> String { LazyDisk.name(disk) }

    public func make() throws { try Directories.make(directory, mode: 0o700) }

    /// As long as a machine holds it the server stays.
    public func hold(_ machine: String) throws {
        try make()
        try StoreLock.with(lock) { try touch("\(directory)/\(Self.hold)\(machine)") }
    }

    public func release(_ machine: String) throws {
        guard FilePlaces.isDirectory(directory) else { return }
        try FilePlaces.remove("\(directory)/\(Self.hold)\(machine)")
    }

    /// The machines that hold it.
    public func holders() throws -> Set<String> {
        guard FilePlaces.isDirectory(directory) else { return [] }
        return Set(
            try Directories.names(directory).filter { $0.hasPrefix(Self.hold) }.map { String($0.dropFirst(5)) })
    }

    /// A guest can be reached: it has read what it needs to start.
    public func noteStarted() throws {
        guard FilePlaces.isDirectory(directory), !hasStarted else { return }
        try touch(started)
    }

    var hasStarted: Bool { FilePlaces.exists(started) }

    /// The process that listens; nil for none that says so.
    public func server() throws -> ProcessIdentity? {
        guard let bytes = try FilePlaces.contents(of: record, limit: 4096) else { return nil }
        return try JSONText.value(ProcessIdentity.self, bytes, record)
    }

    /// This process listens.
    func noteServing() throws {
        guard let own = ProcessIdentity.current else {
            throw VMImageError(.failed, "the system does not say which process this is")
        }
        let bytes = try JSONText.bytes(own)
        try StoreLock.with(lock) { try AtomicFile.write(bytes, to: record, mode: 0o600) }
    }

    /// Says that this process serves no longer, unless somebody still needs it.
    func retire() throws -> Bool {
        // The lock is left alone as long as somebody does: letting it go is a change in this directory, and wakes whoever
        // waits for one.
        guard try holders().isEmpty else { return false }
        return try StoreLock.with(lock) {
            guard try holders().isEmpty else { return false }
            try FilePlaces.remove(record)
            return true
        }
    }

    /// Takes everything away, when nobody serves and nobody needs it.
    public func remove() throws {
        guard FilePlaces.isDirectory(directory) else { return }
        for name in try Directories.names(directory) { try FilePlaces.remove("\(directory)/\(name)") }
        try FilePlaces.removeDirectory(directory)
    }

    private func touch(_ path: String) throws { _ = try OpenFile.locking(path) }
}
