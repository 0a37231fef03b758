import HTTP
import HostFiles
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix

/// The node's own logs, as a file server shows them. No link is followed: nothing outside of the directory is shown.
extension KubeletAPI {
    /// Bytes read at a time.
    private static let piece = 256 << 10

    func nodeLogs(_ path: String, _ request: HTTPRequest, _ node: KubeletNode) async throws -> HTTPResponse {
        let missing = Refusal(status: .notFound, text: "404 page not found\n")
        guard let directory = node.logDirectory else { throw missing }
        let pool = node.pool
        let entry: DirectoryHandle.Entry?
        do {
            entry = try await pool.runIfActive {
                let root = try DirectoryHandle.open(directory)
                return path.isEmpty ? .directory(root) : try root.opened(path)
            }
        } catch let error as HostFilesError {
            logger.info("a log of the node is not shown: \(error)")
            throw missing
        }
        switch entry {
        case nil: throw missing
        case .directory(let handle):
            let names = try await pool.runIfActive { try handle.listing() }
            return HTTPResponse(.ok, text: Self.page(names), type: "text/html; charset=utf-8")
        case .file(let file):
            return HTTPResponse(
                .ok, headers: ["content-type": "text/plain; charset=utf-8"],
                body: .stream { writer in
                    // What is written after this is another request's.
                    var offset: Int64 = 0
                    while offset < file.size {
                        let (at, count) = (offset, Int(min(Int64(Self.piece), file.size - offset)))
                        let bytes = try await pool.runIfActive { try file.read(at: at, count: count) }
                        if bytes.isEmpty { return }
                        offset += Int64(bytes.count)
                        try await writer.write(ByteBuffer(bytes: bytes))
                    }
                })
        }
    }

    static func page(_ names: [(name: String, isDirectory: Bool)]) -> String {
        var page = "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n"
        for (name, isDirectory) in names {
            let name = isDirectory ? name + "/" : name
            page += "<a href=\"\(reference(name))\">\(text(name))</a>\n"
        }
        return page + "</pre>\n"
    }

    private static func text(_ name: String) -> String {
        name.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&#34;").replacing("'", with: "&#39;")
    }

    private static func reference(_ name: String) -> String {
        var out = ""
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "/"):
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                out += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        // A name with a colon would be read as a scheme.
        return out.utf8.first == UInt8(ascii: "%") || out.contains("%3A") ? "./" + out : out
    }
}
