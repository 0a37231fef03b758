/// Our own program for Linux pods (`podhelper/podhelper.c`): it holds a sandbox's namespaces, enters a network namespace
/// that is there before it, forwards ports from inside and kills what an exec left running. The engine gets it as an image of one file that needs no registry.
enum PodHelper {
    /// Changes with the program, so that an older shim's image is not taken for ours.
    static var repository: String { "vzcri/pause" }
    static var tag: String { "2" }
    static var image: String { "\(repository):\(tag)" }
    /// A label of the image that says which source it was made from.
    static let sourceLabel = "io.vzcri.source"
    static var source: String {
        String(PodHelperBinaries.sourceChecksum.prefix { $0 != " " })
    }
    static let path = "/pause"

    /// The program for an architecture as the engine names it; nil when there is none.
    static func program(for architecture: String) -> [UInt8]? {
        switch architecture {
        case "x86_64", "amd64": decode(PodHelperBinaries.x86_64)
        case "aarch64", "arm64": decode(PodHelperBinaries.aarch64)
        default: nil
        }
    }

    /// The root file system to import.
    static func archive(for architecture: String) throws -> [UInt8] {
        guard let program = program(for: architecture) else {
            throw ShimError(
                .unsupported,
                "the container engine runs on \(architecture), for which there is no built-in pause program: name a pause "
                    + "image for it with --pause-image")
        }
        var archive = TarArchive()
        archive.add(file: "pause", mode: 0o755, contents: program)
        return archive.finished()
    }

    private static func decode(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count * 3 / 4)
        var bits: UInt32 = 0
        var count = 0
        for byte in text.utf8 {
            let value: UInt8
            switch byte {
            case 65...90: value = byte - 65
            case 97...122: value = byte - 71
            case 48...57: value = byte + 4
            case 43: value = 62
            case 47: value = 63
            default: continue
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return result
    }
}
