import Foundation
import Testing

/// What a process holds of the system.
struct Footprint: Sendable, CustomStringConvertible {
    var descriptors: Int
    var threads: Int
    /// Memory of its own, in KiB.
    var memory: Int

    static func of(_ id: Int32) throws -> Footprint {
        let status = try String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)
        func number(_ name: String) throws -> Int {
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(name + ":") })
            return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
        }
        return Footprint(
            descriptors: try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd").count,
            threads: try number("Threads"), memory: try number("RssAnon"))
    }

    /// Whether it has not grown beyond what comes and goes. An allocator takes its memory in pieces, hence the one MiB.
    func isNoMore(than before: Footprint) -> Bool {
        descriptors <= before.descriptors + 2 && threads <= before.threads + 2
            && Double(memory) <= Double(before.memory) * 1.05 + 1024
    }

    var description: String { "\(descriptors) descriptors, \(threads) threads, \(memory) KiB" }
}
