public import NIOCore

/// Takes a command's output; returns when it may be given more. Commands print nothing themselves.
public typealias ByteSink = @Sendable (ByteBuffer) async throws -> Void

/// Where a command's output goes.
public struct ControlOutput: Sendable {
    public var standard: ByteSink
    public var error: ByteSink

    public init(standard: @escaping ByteSink, error: @escaping ByteSink) {
        self.standard = standard
        self.error = error
    }

    func print(_ text: String) async throws {
        try await standard(ByteBuffer(string: text))
    }

    func note(_ text: String) async throws {
        try await error(ByteBuffer(string: text + "\n"))
    }
}
