import HTTP
import NIOCore

extension RawConnection: ByteTransport {
    var received: any AsyncSequence<ByteBuffer, any Error> & Sendable { inbound }
}

extension SPDYStream: SessionStream {}

extension SPDYSession: CommandSession {
    func streams(for options: RemoteCommandOptions, version: Int, within limit: Duration) async -> CommandStreams? {
        var expected: Set<String> = ["error"]
        if options.stdin { expected.insert("stdin") }
        if options.stdout { expected.insert("stdout") }
        if options.stderr, !options.tty { expected.insert("stderr") }
        if options.tty, version >= 3 { expected.insert("resize") }
        guard let found = await collect(expected, within: limit), let error = found["error"] else { return nil }
        return CommandStreams(
            error: error, stdin: found["stdin"], stdout: found["stdout"], stderr: found["stderr"],
            resize: found["resize"])
    }

    /// The streams of these types that the caller opens; others are reset.
    private func collect(_ wanted: Set<String>, within limit: Duration) async -> [String: SPDYStream]? {
        await withTaskGroup(of: [String: SPDYStream]?.self) { group in
            group.addTask {
                var streams: [String: SPDYStream] = [:]
                for await stream in self.incoming {
                    let kind = stream.headers["streamtype"]?.lowercased() ?? ""
                    guard wanted.contains(kind), streams[kind] == nil else {
                        stream.reset()
                        continue
                    }
                    streams[kind] = stream
                    if streams.count == wanted.count { return streams }
                }
                return nil
            }
            group.addTask {
                do { try await Task.sleep(for: limit) } catch {}
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }
}
