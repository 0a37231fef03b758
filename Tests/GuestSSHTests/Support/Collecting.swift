import GuestSSH
import NIOCore
import Testing

/// All that a process said.
struct Outcome: Sendable {
    var output: [UInt8] = []
    var errors: [UInt8] = []
    var exit: GuestExit?

    var text: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: errors, as: UTF8.self) }
    var code: Int32? { exit?.code }
}

extension GuestProcess {
    func collect() async throws -> Outcome {
        var outcome = Outcome()
        for try await event in output {
            switch event {
            case .output(let bytes): outcome.output += Array(bytes.readableBytesView)
            case .errorOutput(let bytes): outcome.errors += Array(bytes.readableBytesView)
            case .exited(let exit): outcome.exit = exit
            }
        }
        return outcome
    }
}

extension GuestOutput.Iterator {
    /// Reads until the output holds a text.
    mutating func read(
        until wanted: String, _ text: inout String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        while !text.contains(wanted) {
            guard case .output(let bytes)? = try await next() else {
                Issue.record(
                    "ended before \(wanted.debugDescription): \(text.debugDescription)", sourceLocation: sourceLocation)
                return
            }
            text += String(buffer: bytes)
        }
    }
}

extension GuestLink {
    func outcome(
        _ arguments: [String], environment: [String: String] = [:], directory: String = "", input: [UInt8]? = nil
    ) async throws -> Outcome {
        let process = try await run(
            GuestCommand(
                arguments, environment: environment, workingDirectory: directory, hasInput: input != nil))
        guard let input else { return try await process.collect() }
        async let outcome = process.collect()
        try await process.write(ByteBuffer(bytes: input))
        try await process.closeInput()
        return try await outcome
    }

    func shell(_ script: String) async throws -> Outcome { try await outcome(["/bin/sh", "-c", script]) }
}

extension GuestConnection {
    func readAll() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await some in inbound { bytes += Array(some.readableBytesView) }
        return bytes
    }
}

/// Expects a `GuestSSHError`.
func fails(
    with code: GuestSSHError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async throws {
    do {
        try await body()
        Issue.record("nothing failed", sourceLocation: sourceLocation)
    } catch let error as GuestSSHError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    }
}
