import FoundationEssentials
import NIOCore

/// How the error stream tells the end of a command.
enum CommandStatus {
    private struct Status: Decodable {
        struct Details: Decodable {
            struct Cause: Decodable {
                var reason: String?
                var message: String?
            }
            var causes: [Cause]?
        }
        var status: String
        var message: String?
        var reason: String?
        var details: Details?
        var code: Int?
    }

    /// - Parameter version: of the channel protocol: from 4 on a JSON Status, before that a text when it failed.
    static func encode(_ result: RemoteCommandResult, version: Int) -> ByteBuffer? {
        switch result {
        case .exited(code: 0) where version < 4: return nil
        case .exited(code: 0): return ByteBuffer(string: #"{"metadata":{},"status":"Success"}"#)
        case .exited(let code) where version < 4:
            return ByteBuffer(string: "command terminated with non-zero exit code: exit status \(code)")
        case .failed(let message) where version < 4: return ByteBuffer(string: message)
        case .exited(let code):
            return ByteBuffer(
                string:
                    #"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status \#(code)","#
                    + #""reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"\#(code)"}]}}"#)
        case .failed(let message):
            let message = quoted(message)
            return ByteBuffer(
                string: #"{"metadata":{},"status":"Failure","message":\#(message),"reason":"InternalError","#
                    + #""details":{"causes":[{"message":\#(message)}]},"code":500}"#)
        }
    }

    /// Text as a JSON string.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case "\0"..."\u{1f}":
                let code = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    static func decode(_ bytes: ByteBuffer, version: Int) -> RemoteCommandResult {
        let text = String(buffer: bytes)
        if version < 4 {
            guard !text.isEmpty else { return .exited(code: 0) }
            if let code = text.split(separator: "exit status ").last.flatMap({ Int32($0) }), code != 0 {
                return .exited(code: code)
            }
            return .failed(message: text)
        }
        guard let status = try? JSONDecoder().decode(Status.self, from: Data(bytes.readableBytesView)) else {
            return .failed(message: text.isEmpty ? "the connection ended before the command's exit code came" : text)
        }
        if status.status == "Success" { return .exited(code: 0) }
        let cause = status.details?.causes?.first { $0.reason == "ExitCode" }
        if status.reason == "NonZeroExitCode", let code = cause?.message.flatMap({ Int32($0) }) {
            return .exited(code: code)
        }
        return .failed(message: status.message ?? text)
    }
}
