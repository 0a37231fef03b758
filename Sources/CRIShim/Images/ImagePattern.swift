import Registry

/// A pattern of image names: `*` stands for any text without a slash, `**` for any text, `?` for one character that is no
/// slash. It fits a name as written, or with the registry, tag or digest that the name does not say: `vms/*` fits
/// `vms/sonoma:15`, `docker.io/vms/*` fits it too.
public struct ImagePattern: Sendable, Hashable, CustomStringConvertible {
    private let text: [UInt8]

    /// nil for what can be no pattern: empty, or with blanks.
    public init?(_ text: String) {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else { return nil }
        self.text = Array(text.utf8)
    }

    public var description: String { String(decoding: text, as: UTF8.self) }

    /// Whether any way of writing the name fits. What is no image name is compared as it stands.
    public func matches(_ name: String) -> Bool {
        Self.spellings(of: name).contains { Self.fits(text[...], Array($0.utf8)[...]) }
    }

    /// The name as written, in full, and each without tag and digest.
    private static func spellings(of name: String) -> Set<String> {
        guard let reference = try? ImageReference(parsing: name) else { return [name] }
        var spellings: Set = [name]
        for base in [reference.name, reference.canonicalName, reference.familiarName] {
            spellings.insert(base)
            spellings.insert(base + ":" + (reference.tag ?? "latest"))
            if let digest = reference.digest { spellings.insert(base + "@" + digest) }
        }
        return spellings
    }

    /// Linear in the name for each `*`: backtracks to the last star only, to the last `**` when that fails.
    private static func fits(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
        let slash = UInt8(ascii: "/")
        let star = UInt8(ascii: "*")
        var pattern = pattern
        var name = name
        // Where to go on when the present way fails: behind a star, with one more character taken by it.
        var single: (pattern: ArraySlice<UInt8>, name: ArraySlice<UInt8>)?
        var double: (pattern: ArraySlice<UInt8>, name: ArraySlice<UInt8>)?
        while true {
            if pattern.starts(with: [star, star]) {
                pattern = pattern.drop { $0 == star }
                double = (pattern, name)
                single = nil
                continue
            }
            if pattern.first == star {
                pattern = pattern.dropFirst()
                single = (pattern, name)
                continue
            }
            if pattern.isEmpty, name.isEmpty { return true }
            if let wanted = pattern.first, let found = name.first,
                wanted == found || (wanted == UInt8(ascii: "?") && found != slash)
            {
                pattern = pattern.dropFirst()
                name = name.dropFirst()
                continue
            }
            if let back = single, let taken = back.name.first, taken != slash {
                single = (back.pattern, back.name.dropFirst())
                (pattern, name) = (back.pattern, back.name.dropFirst())
            } else if let back = double, !back.name.isEmpty {
                double = (back.pattern, back.name.dropFirst())
                single = nil
                (pattern, name) = (back.pattern, back.name.dropFirst())
            } else {
                return false
            }
        }
    }
}
