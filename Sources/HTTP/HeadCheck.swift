import NIOHTTP1

/// What must not stand in a head, because the other side would read it as the end of a line or of the head
/// (RFC 9112, 11).
enum HeadCheck {
    /// nil when the headers can be sent; otherwise the name of the one that cannot.
    static func unsendable(_ headers: HTTPHeaders) -> String? {
        headers.first { name, value in !isToken(name) || !isFieldValue(value) }?.name
    }

    /// A request target as it may stand in a request line: no spaces, no control characters, ASCII only.
    static func isTarget(_ target: String) -> Bool {
        !target.isEmpty && target.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    /// RFC 9110, 5.6.2.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    /// RFC 9110, 5.5; bytes above ASCII are let through, as everywhere.
    private static func isFieldValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7f) }
    }
}
