/// Names from outside that become one component of a path.
public enum PathComponent {
    /// - Parameter what: what it names, for the message.
    /// - Throws: `escapes` when the name could lead anywhere else.
    public static func checked(_ name: String, _ what: String) throws(HostFilesError) -> String {
        let good =
            !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 != 0 }
        guard good else {
            throw HostFilesError(.escapes, "\(what) \"\(name.prefix(300))\" cannot be the name of a directory")
        }
        return name
    }
}
