import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Proto
import Streaming
import Support
import Testing

/// One streamed command, through the URL of an Exec.
enum ExecSession {
    static func run(
        _ shim: ShimProcess, _ container: String, _ command: [String], input: [UInt8]? = nil,
        terminal: [(Int, Int)] = []
    ) async throws -> (code: Int32, output: [UInt8]) {
        let url = try await shim.call(
            CRI.RuntimeService.exec,
            .init {
                $0.containerId = container
                $0.cmd = command
                $0.stdin = true
                $0.stdout = true
                $0.tty = !terminal.isEmpty
            }
        ).url
        let output = NIOLockedValueBox<[UInt8]>([])
        let (stdin, stdinIn) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        let (resizes, resizesIn) = AsyncStream<TerminalSize>.makeStream()
        let sink = OutputSink { bytes in output.withLockedValue { $0 += bytes.readableBytesView } }
        async let result = RemoteCommandClient.run(
            url: url,
            options: .init(stdin: true, stdout: true, stderr: false, tty: !terminal.isEmpty), stdin: stdin,
            stdout: sink,
            resizes: terminal.isEmpty ? nil : resizes, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "e2e"))
        if let input {
            for start in stride(from: 0, to: input.count, by: 32 << 10) {
                stdinIn.yield(ByteBuffer(bytes: input[start..<min(start + 32 << 10, input.count)]))
            }
        }
        for (index, size) in terminal.enumerated() {
            resizesIn.yield(.init(width: size.0, height: size.1))
            // Sizes and input travel on streams of their own: the guest is asked until it has the new one.
            try await eventually("size \(index) is seen", within: .seconds(60)) {
                let seen = output.withLockedValue { String(decoding: $0, as: UTF8.self) }
                if seen.contains("\(size.1) \(size.0)") { return true }
                let now = try await shim.execute(
                    container, ["sh", "-c", "for t in /dev/pts/[0-9]*; do stty size < $t; done"])
                if now.text.contains("\(size.1) \(size.0)"), !seen.contains("\(size.1) \(size.0)") {
                    stdinIn.yield(ByteBuffer(string: "\n"))
                    try await eventually("the command answers") {
                        output.withLockedValue { String(decoding: $0, as: UTF8.self) }.contains("\(size.1) \(size.0)")
                    }
                    return true
                }
                return false
            }
        }
        stdinIn.finish()
        switch try await result {
        case .exited(let code): return (code, output.withLockedValue { $0 })
        case .failed(let message): throw ShimProcess.Failure(description: message)
        }
    }
}
