import Foundation

/// The checked-out tree under test.
struct Repository {
    let root: URL

    init(file: String = #filePath) {
        root = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    /// Paths relative to the root of every file that belongs to the project, sorted. Build products and hidden
    /// directories other than the project's own are left out.
    func files(under folder: String = "") throws -> [String] {
        let base = folder.isEmpty ? root : root.appendingPathComponent(folder)
        guard let walk = FileManager.default.enumerator(atPath: base.path) else {
            throw Unreadable(path: base.path)
        }
        var found: [String] = []
        for case let path as String in walk {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let hidden = name.hasPrefix(".") && ![".ci", ".github", ".gitignore", ".gitattributes"].contains(name)
            let isDirectory = walk.fileAttributes?[.type] as? FileAttributeType == .typeDirectory
            if isDirectory, hidden || name == "bin" || name == "__pycache__" {
                walk.skipDescendants()
            } else if !isDirectory, !hidden, name != "Package.resolved" {
                found.append(folder.isEmpty ? path : "\(folder)/\(path)")
            }
        }
        return found.sorted()
    }

    func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    /// Swift files of ours under `folder`, without what `make proto` writes.
    func ownSwiftFiles(under folder: String) throws -> [String] {
        try files(under: folder).filter { $0.hasSuffix(".swift") && !Self.isGenerated($0) }
    }

    static let generatedFolders = ["Sources/CProto", "Sources/Proto/Generated"]

    static func isGenerated(_ path: String) -> Bool {
        generatedFolders.contains { path.hasPrefix($0 + "/") }
    }

    struct Unreadable: Error { var path: String }
}
