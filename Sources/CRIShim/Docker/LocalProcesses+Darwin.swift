#if canImport(Darwin)
/// On macOS the engine always runs in a virtual machine: none of its processes can be seen from here.
enum LocalProcesses {
    static func isProcess(_ process: Int, of container: String) throws -> Bool { false }
    static func killTree(_ process: Int, of container: String) throws -> Bool { false }
    static func lowestOOMScore() throws -> Int64? { nil }
}
#endif
