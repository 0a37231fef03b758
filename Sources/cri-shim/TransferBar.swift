import CRIControl
import Synchronization
import VMImages

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// How far a transfer is: on one line of a terminal, or as a line of its own now and then where standard error is none.
final class TransferBar: Sendable {
    private let isWanted: Bool
    private let isTerminal = isatty(2) == 1
    private let isShown = Mutex(false)
    private let lastLine = Mutex(ContinuousClock.now)
    /// Between lines of their own: a short transfer has none.
    private static let pause = Duration.seconds(10)

    init(isWanted: Bool) { self.isWanted = isWanted }

    func show(_ progress: PullProgress) {
        guard isWanted else { return }
        guard isTerminal else {
            lastLine.withLock { last in
                guard ContinuousClock.now - last >= Self.pause else { return }
                last = .now
                Self.put(Self.text(progress) + "\n")
            }
            return
        }
        isShown.withLock { isShown in
            isShown = true
            Self.put("\r\u{1b}[K" + Self.text(progress))
        }
    }

    func clear() {
        isShown.withLock { isShown in
            if isShown { Self.put("\r\u{1b}[K") }
            isShown = false
        }
    }

    /// `42 %  1.2GB of 2.9GB  85MB/s  20 s left  400MB were here`
    static func text(_ progress: PullProgress) -> String {
        func size(_ bytes: Int64) -> String { Display.size(UInt64(max(0, bytes))) }
        var parts: [String] = []
        if progress.total > 0 {
            parts.append("\(min(100, progress.done * 100 / progress.total)) %")
            parts.append("\(size(progress.done)) of \(size(progress.total))")
        }
        if progress.rate > 0 { parts.append("\(size(Int64(progress.rate)))/s") }
        if progress.total > progress.done, let left = progress.remaining {
            let seconds = left.components.seconds
            parts.append(seconds < 120 ? "\(seconds) s left" : "\((seconds + 59) / 60) min left")
        }
        if progress.reused > 0 { parts.append("\(size(progress.reused)) were here") }
        return parts.isEmpty ? "looking at what is here" : parts.joined(separator: "  ")
    }

    /// A terminal that takes no text is no reason to stop.
    private static func put(_ text: String) {
        var text = text
        text.withUTF8 { _ = write(2, $0.baseAddress, $0.count) }
    }
}

/// What comes over standard input.
enum StandardInput {
    /// All of it; more than `limit` is cut off.
    static func all(limit: Int) -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while all.count < limit {
            let count = read(0, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            all += chunk[..<count]
        }
        return Array(all.prefix(limit))
    }
}
