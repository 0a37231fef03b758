import NIOCore

extension GuestLink {
    /// Writes a small file, whole or not at all: under another name first, then renamed.
    ///
    /// - Throws: `GuestSSHError` with `channel` and what the guest said.
    public func writeFile(_ bytes: [UInt8], to path: String, mode: UInt16) async throws {
        let script = """
            umask 077 && cat >"$1.vzcri-new" && chmod "$2" "$1.vzcri-new" && mv -f "$1.vzcri-new" "$1" && exit 0
            code=$?; rm -f "$1.vzcri-new"; exit "$code"
            """
        let command = GuestCommand(
            ["/bin/sh", "-c", script, "vzcri-write", path, String(mode & 0o7777, radix: 8)], hasInput: true)
        let (exit, text) = try await Self.run(command, pool, input: bytes, isUrgent: false)
        guard exit == .code(0) else {
            throw GuestSSHError(.channel, "writing \(path) in the guest failed: \(text)")
        }
    }

    /// Reads a small file.
    ///
    /// - Parameter limit: a longer one is an error, `exhausted`.
    public func readFile(_ path: String, limit: Int) async throws -> [UInt8] {
        let process = try await run(GuestCommand(["/bin/sh", "-c", "cat <\"$1\"", "vzcri-read", path]))
        var bytes: [UInt8] = []
        var errors = Words()
        for try await event in process.output {
            switch event {
            case .output(let some):
                bytes.append(contentsOf: some.readableBytesView)
                if bytes.count > limit {
                    await process.kill()
                    throw GuestSSHError(.exhausted, "\(path) in the guest is longer than \(limit) bytes")
                }
            case .errorOutput(let some): errors.take(some)
            case .exited(.code(0)): break
            case .exited:
                throw GuestSSHError(.channel, "reading \(path) in the guest failed: \(errors.text)")
            }
        }
        return bytes
    }

    /// Runs a command to its end. What it says is kept in short.
    static func run(
        _ command: GuestCommand, _ pool: LinkPool, input: [UInt8] = [], isUrgent: Bool = true
    ) async throws -> (GuestExit, String) {
        let process = try await start(command, pool, isUrgent: isUrgent)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            if command.hasInput {
                group.addTask {
                    // Whether it wants all of it is its own affair; its exit code says what came of it.
                    do {
                        try await process.write(ByteBuffer(bytes: input))
                        try await process.closeInput()
                    } catch is GuestSSHError {}
                }
            }
            var words = Words()
            for try await event in process.output {
                switch event {
                case .output(let bytes), .errorOutput(let bytes): words.take(bytes)
                case .exited(let exit):
                    group.cancelAll()
                    return (exit, words.text)
                }
            }
            throw GuestSSHError(.connectionLost, "the guest's command ended without an exit code")
        }
    }

    /// The beginning of what a program said, in one line.
    private struct Words {
        private var bytes: [UInt8] = []

        mutating func take(_ more: ByteBuffer) {
            bytes.append(contentsOf: more.readableBytesView.prefix(max(0, 1000 - bytes.count)))
        }

        var text: String {
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).joined(separator: "; ")
        }
    }
}
