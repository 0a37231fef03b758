/// Names from outside that become one component of a path.
enum PathComponent {
    /// - Throws: when the name could lead anywhere else.
    static func checked(_ name: String, _ what: String) throws(AdapterError) -> String {
        let good =
            !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && name.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 != 0 }
        guard good else {
            throw AdapterError(.invalidArgument, "\(what) \"\(name)\" cannot be the name of a directory")
        }
        return name
    }
}
