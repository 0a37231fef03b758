/// Random identifiers. Never derived from pod names, so nothing about a pod can be guessed or collide.
enum Identifiers {
    private static let digits = Array("0123456789abcdef".utf8)

    /// `length` lower-case hexadecimal digits from the system's random source.
    static func hex(_ length: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return String(
            decoding: (0..<length).map { _ in digits[Int(generator.next(upperBound: 16 as UInt8))] }, as: UTF8.self)
    }

    /// The id of a sandbox: 64 digits, like a container's.
    static func sandbox() -> String { hex(64) }
}
