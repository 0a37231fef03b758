import Foundation
import Support
import Testing

@testable import HostFiles

/// Volumes of random, mostly hostile content in a directory where containers make links as they like. Whatever becomes of
/// a call, nothing outside changes.
@Suite struct HostileVolumeTests {
    private static let words = [
        "a", "b", "..", ".", "", "..data", "..data_tmp", "secret", "deep", "\u{0}", "é", "a b", "-rf", "~", "*", "\n",
        String(repeating: "n", count: 255), String(repeating: "n", count: 256),
    ]

    private func path(_ random: inout some RandomNumberGenerator) -> String {
        let parts = (0..<Int.random(in: 1...4, using: &random)).map { _ in Self.words.randomElement(using: &random)! }
        let path = parts.joined(separator: "/")
        return Int.random(in: 0..<8, using: &random) == 0 ? "/" + path : path
    }

    @Test func `nothing outside a pod's directory is ever touched`() async throws {
        var random = Faults.random("hostile volumes")
        let rounds = Faults.rounds * 40
        try await withTemporaryDirectory { directory async throws in
            let base = try SystemFiles.realPath(directory)
            let outside = base + "/secret"
            try SystemFiles.makeDirectories(outside + "/deep", mode: 0o755)
            try SystemFiles.write(outside + "/a", Array("kept".utf8), mode: 0o600)
            let files = PodFiles(root: base + "/state")
            var made: [String] = []
            var worked = 0
            for _ in 0..<rounds {
                let isWritable = Int.random(in: 0..<3, using: &random) == 0
                var content = isWritable ? VolumeContent.empty() : VolumeContent(files: [])
                if !isWritable {
                    content.files = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                        .init(
                            path: path(&random), content: [1, 2, 3], mode: UInt32.random(in: 0...0o777, using: &random))
                    }
                }
                let (uid, name) = (path(&random), ["v", "w", path(&random)].randomElement(using: &random)!)
                for uid in ["u", uid] {
                    if let place = try? files.sync(pod: uid, volume: name, content) {
                        made.append(place)
                        worked += 1
                    }
                    let subPath = path(&random)
                    if let place = try? files.mount(.volume(name), subPath: subPath, readOnly: false, pod: uid) {
                        #expect(place.hasPrefix(base + "/state/pods/"), "\(place)")
                    }
                    _ = try? files.containerFiles(pod: uid, container: name, attempt: 0, hosts: "x")
                    _ = try? files.terminationMessage(pod: uid, container: name, attempt: 0, limit: 10)
                    _ = try? files.usage(pod: uid)
                    if Int.random(in: 0..<10, using: &random) == 0 { try? files.remove(pod: uid) }
                }
                // What a container may do in its volume.
                if let volume = made.randomElement(using: &random) {
                    let link = "\(volume)/\(["a", "b", "..data", "..data_tmp", "x"].randomElement(using: &random)!)"
                    unlink(link)
                    symlink([outside, "../../../../../../secret", "loop", base].randomElement(using: &random)!, link)
                }
            }
            #expect(worked > 0)
            let names = try Directories.names(base).sorted()
            #expect(names == ["secret", "state"])
            #expect(try Directories.names(base + "/state") == ["pods"])
            #expect(try Directories.names(outside).sorted() == ["a", "deep"])
            #expect(try Directories.names(outside + "/deep").isEmpty)
            #expect(try SystemFiles.read(outside + "/a", limit: 9) == Array("kept".utf8))
            for uid in try files.pods() { try files.remove(pod: uid) }
            #expect(try files.pods().isEmpty)
        }
    }
}
