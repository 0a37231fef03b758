import Logging
import Proto
import Synchronization

/// Which images are brought before anybody needs them, and when.
public struct PrePull: Sendable, Hashable {
    /// Names, as containers have them.
    public var images: [String] = []
    /// Bytes for each second; nil is as fast as they come. Docker's images come as fast as Docker brings them.
    public var rate: Int64?
    /// nil is always.
    public var window: DailyWindow?

    public init() {}
}

/// Brings images in the background, one after the other, while the window is open.
final class PrePuller: Sendable {
    private let settings: PrePull
    private let logger: Logger
    private let clock: @Sendable () -> Int
    private let pull: @Sendable (CRI.ImageSpec) async throws -> String
    private let schedule: Mutex<PrePullSchedule>
    /// A clock on the wall may be set, and a host may sleep: nobody is told of either, so it is looked at again.
    private static let longestSleep = 600

    /// - Parameters:
    ///   - clock: the second of the day.
    ///   - pull: brings an image, or sees that it is here and that its name still means it.
    init(
        _ settings: PrePull, logger: Logger, clock: @escaping @Sendable () -> Int = DailyWindow.now,
        pull: @escaping @Sendable (CRI.ImageSpec) async throws -> String
    ) {
        self.settings = settings
        self.logger = logger
        self.clock = clock
        self.pull = pull
        schedule = Mutex(PrePullSchedule(settings.images, now: .now))
    }

    /// What became of each image.
    var entries: [PrePullSchedule.Entry] { schedule.withLock { $0.entries } }

    /// Until cancelled.
    func run() async {
        guard !settings.images.isEmpty else { return }
        do {
            while true {
                if let wait = untilOpen() {
                    try await Task.sleep(for: wait)
                    continue
                }
                let (image, at) = schedule.withLock { $0.next(now: .now) }
                if let image {
                    try await bring(image)
                } else {
                    try await Task.sleep(for: min(at - .now, .seconds(Self.longestSleep)))
                }
            }
        } catch {
            // Cancelled: what came is kept for the next time.
        }
    }

    /// nil while the window is open.
    private func untilOpen() -> Duration? {
        let now = clock()
        guard let window = settings.window, !window.isOpen(at: now) else { return nil }
        return .seconds(min(window.untilChange(at: now), Self.longestSleep))
    }

    private func bring(_ image: String) async throws {
        let before = entries.first { $0.image == image }?.state
        schedule.withLock { $0.began(image) }
        do {
            guard let id = try await whileOpen({ [pull] in try await pull(.init { $0.image = image }) }) else {
                schedule.withLock { $0.cut(image) }
                logger.info("an image is brought on when its window opens again", metadata: ["image": "\(image)"])
                return
            }
            schedule.withLock { $0.succeeded(image, id: id, now: .now) }
            if before != .here(id: id) {
                logger.info("an image was brought beforehand", metadata: ["image": "\(image)", "id": "\(id)"])
            }
        } catch {
            try Task.checkCancellation()
            schedule.withLock { $0.failed(image, "\(error)", now: .now) }
            let failures = entries.first { $0.image == image }?.failures ?? 0
            logger.warning(
                "an image could not be brought beforehand; it is tried again",
                metadata: ["image": "\(image)", "failures": "\(failures)", "error": "\(error)"])
        }
    }

    /// - Returns: nil when the window closed before.
    private func whileOpen(_ body: @escaping @Sendable () async throws -> String) async throws -> String? {
        guard let window = settings.window else { return try await body() }
        return try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask { try await body() }
            group.addTask { [clock] in
                while true {
                    let now = clock()
                    guard window.isOpen(at: now) else { return nil }
                    try await Task.sleep(for: .seconds(min(window.untilChange(at: now), Self.longestSleep)))
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    /// For verbose answers.
    var report: String {
        "["
            + entries.map { entry in
                let (state, detail) =
                    switch entry.state {
                    case .waiting: ("waiting", "")
                    case .pulling: ("pulling", "")
                    case .here(let id): ("here", id)
                    case .failed(let why): ("failed", why)
                    }
                return JSONText.object([
                    ("image", .text(entry.image)), ("state", .text(state)), ("detail", .text(detail)),
                    ("failures", .number(entry.failures)),
                ])
            }.joined(separator: ",") + "]"
    }
}
