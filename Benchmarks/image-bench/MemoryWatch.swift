import Dispatch

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The most anonymous memory that this process has, looked at many times a second. Linux; 0 elsewhere.
final class MemoryWatch: @unchecked Sendable {
    // Touched by the timer's queue alone.
    private var most = 0
    private let queue = DispatchQueue(label: "memory")
    private let timer: any DispatchSourceTimer

    init() {
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: .milliseconds(50))
        timer.setEventHandler { [weak self] in self?.look() }
        timer.activate()
    }

    /// In MiB.
    func stop() -> Int {
        timer.cancel()
        return queue.sync {
            look()
            return most
        }
    }

    private func look() {
        guard let file = fopen("/proc/self/status", "r") else { return }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("RssAnon:") else { continue }
            most = max(most, (Int(text.filter(\.isNumber)) ?? 0) >> 10)
        }
    }
}
