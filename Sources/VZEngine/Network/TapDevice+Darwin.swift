#if canImport(Darwin)
/// QEMU on a Mac is for trying things only; machines there are Virtualization.framework's.
final class TapDevice: Sendable {
    let descriptor: Descriptor
    let name = ""

    private init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    static func name(ofMachine id: String) -> String { "" }

    static func make(bridge: String, name: String) throws -> TapDevice {
        throw VZEngineError(.invalidArgument, "QEMU cannot be connected to \(bridge) on this system")
    }
}
#endif
