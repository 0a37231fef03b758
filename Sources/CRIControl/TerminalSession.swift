import Dispatch
import Streaming

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// This process' terminal as a session's input.
public enum TerminalSession {
    /// Runs a session with standard input and, when both sides want one, the terminal in raw mode, its size followed.
    public static func run<Result: Sendable>(
        stdin: Bool, tty: Bool, _ body: (SessionInput) async throws -> Result
    ) async throws -> Result {
        let raw = stdin && tty ? RawTerminal(descriptor: 0) : nil
        defer { raw?.restore() }
        let (resizes, sizes) = AsyncStream.makeStream(of: TerminalSize.self, bufferingPolicy: .bufferingNewest(1))
        defer { sizes.finish() }
        let report: @Sendable () -> Void = {
            if let size = RawTerminal.size(of: 1) ?? RawTerminal.size(of: 0) {
                sizes.yield(TerminalSize(width: Int(size.columns), height: Int(size.rows)))
            }
        }
        let watch: (any DispatchSourceSignal)? =
            tty ? DispatchSource.makeSignalSource(signal: SIGWINCH, queue: .global()) : nil
        watch?.setEventHandler(handler: report)
        watch?.resume()
        defer { watch?.cancel() }
        if tty { report() }
        return try await body(
            SessionInput(stdin: stdin ? DescriptorInput(descriptor: 0) : nil, tty: tty, resizes: resizes))
    }
}
