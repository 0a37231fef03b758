import Foundation
import Logging
import Proto
import Synchronization
import Testing

@testable import CRIShim

/// What is nobody's business.
@Suite struct VMSecretTests {
    /// Keeps everything that is logged.
    private struct Lines: LogHandler {
        let lines: Mutexed
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        final class Mutexed: Sendable {
            private let text = Mutex("")
            var all: String { text.withLock { $0 } }
            func add(_ line: String) { text.withLock { $0 += line + "\n" } }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.add("\(event.level) \(event.message) \(metadata) \(event.metadata ?? [:])")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `no value of a container's environment is in any log, or in a file that others can read (S4)`() async throws {
        let lines = Lines.Mutexed()
        let secret = "hunter2-\(Identifiers.hex(8))"
        try await VMBench.with(logger: Logger(label: "test") { _ in Lines(lines: lines) }) { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox) { config in
                config.envs = [
                    .init {
                        $0.key = "TOKEN"
                        $0.value = Array(secret.utf8)
                    }
                ]
                config.annotations = [MachinePorts.annotation: "[]"]
            }
            try await bench.start(id)
            _ = try? await bench.runtime.execSync(bench.container(id), command: ["x", secret], timeout: 5)
            for place in FileManager.default.enumerator(atPath: bench.directory + "/r") ?? .init() {
                let path = bench.directory + "/r/\(place)"
                guard let bytes = FileManager.default.contents(atPath: path) else { continue }
                guard String(decoding: bytes, as: UTF8.self).contains(secret) else { continue }
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int ?? 0o777
                #expect(mode & 0o077 == 0, "\(path)")
            }
            try await bench.supervisor(id).crash()
            _ = try await bench.ended(id)
            try await bench.remove(id)
        }
        #expect(lines.all.contains("container"), "something was logged")
        #expect(!lines.all.contains(secret))
    }
}
