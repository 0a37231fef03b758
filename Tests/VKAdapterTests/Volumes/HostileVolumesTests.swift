import Foundation
import HostFiles
import KubeAPI
import Logging
import Support
import Testing

@testable import VKAdapter

/// Pods that mean harm: nothing outside of their own directories is touched, and nothing crashes.
@Suite struct HostileVolumesTests {
    private static let words = [
        "..", ".", "/", "//", "...", "..data", "..data_tmp", "a", "b", "ü", "\u{0}", "\n", "", "~", "-rf", "a/b",
        "../a",
        "/etc/passwd", "../../../../etc/passwd", "a/../../b", "%2e%2e", "\u{202E}x", " ",
    ]

    private func path(_ random: inout SeededRandom) -> String {
        if Int.random(in: 0..<50, using: &random) == 0 {
            return String(
                repeating: Bool.random(using: &random) ? "x" : "x/", count: 1 << Int.random(in: 5...20, using: &random))
        }
        return (0..<Int.random(in: 1...5, using: &random)).map { _ in Self.words.randomElement(using: &random)! }
            .joined(separator: Bool.random(using: &random) ? "/" : "")
    }

    private func items(_ random: inout SeededRandom) -> [KeyToPath] {
        let count = Int.random(in: 0..<20, using: &random) == 0 ? 10_000 : Int.random(in: 0...4, using: &random)
        // Most of a large list is well made: it has to be written.
        return (0..<count).map { number in
            KeyToPath {
                $0.key = ["a", "b", "none"].randomElement(using: &random)!
                $0.path = count > 4 || Bool.random(using: &random) ? "d\(number % 7)/f\(number)" : path(&random)
                $0.mode = [nil, 0, 0o777, -1, 0o4755, .max].randomElement(using: &random)!
                if count > 4 {
                    $0.key = "a"
                    $0.mode = nil
                }
            }
        }
    }

    private func volume(_ random: inout SeededRandom) -> Volume {
        Volume {
            $0.name = Int.random(in: 0..<4, using: &random) == 0 ? path(&random) : "v"
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                let list = items(&random)
                $0.configMap = ConfigMapVolume {
                    $0.name = "m"
                    $0.items = list
                    $0.optional = true
                }
            case 1:
                let list = items(&random)
                $0.secret = SecretVolume {
                    $0.secretName = "s"
                    $0.items = list
                    $0.defaultMode = 0o400
                }
            case 2:
                let (name, field) = (path(&random), path(&random))
                $0.downwardAPI = DownwardAPIVolume {
                    $0.items = [
                        DownwardAPIFile {
                            $0.path = name
                            $0.fieldRef = ObjectFieldSelector { $0.fieldPath = "metadata.labels['\(field)']" }
                        }
                    ]
                }
            case 3:
                let lists = (0..<3).map { _ in items(&random) }
                $0.projected = ProjectedVolume {
                    $0.sources = lists.map { list in
                        VolumeProjection {
                            $0.configMap = ConfigMapVolume {
                                $0.name = "m"
                                $0.items = list
                            }
                        }
                    }
                }
            default: $0.emptyDir = EmptyDirVolume()
            }
        }
    }

    /// Every path below a directory, with what is there.
    private func tree(_ directory: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: directory).sorted().map { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory)/\(path)")
            return "\(path) \(attributes[.size] ?? 0) \(attributes[.posixPermissions] ?? 0)"
        }
    }

    @Test func `no pod touches anything outside of its directory`() async throws {
        var random = Faults.random("hostile volumes")
        let directory = try TemporaryDirectory()
        let outside = try directory.make("outside")
        try directory.write("outside/secret", "keep")
        let before = try tree(outside)
        let host = LocalVolumeHost(root: directory.path + "/state")
        var material = VolumeMaterial()
        material.objects.configMaps["m"] = ["a": Array("text".utf8), "b": [0, 0xFF]]
        material.objects.configMaps["m"]?[path(&random)] = [1]
        material.objects.secrets["s"] = ["a": Array("hidden".utf8)]
        for _ in 0..<(20 * Faults.rounds) {
            let volume = volume(&random)
            let pod = Sample.pod {
                $0.metadata.uid = ["uid", "..", "a/b"].randomElement(using: &random)!
                $0.spec.volumes = [volume]
            }
            let sources = VolumeSources(pod: pod, context: Sample.context, material: material)
            do throws(AdapterError) {
                guard let content = try sources.content(of: volume) else { continue }
                let path = try await host.sync(pod: pod.metadata.uid, volume: volume.name, content)
                #expect(path.hasPrefix(directory.path + "/state/pods/uid/volumes/"))
                // What a container that could write there would leave for the next time.
                for name in ["..data", "a", "d1", "..data_tmp"] where Bool.random(using: &random) {
                    try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
                    try? FileManager.default.createSymbolicLink(
                        atPath: "\(path)/\(name)", withDestinationPath: Bool.random(using: &random) ? outside : "..")
                }
                let subPath = self.path(&random)
                _ = try await host.mount(.volume(volume.name), subPath: subPath, readOnly: false, pod: "uid")
            } catch {
                #expect(!error.message.isEmpty)
            }
        }
        #expect(try tree(outside) == before)
        let top = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
        #expect(top == ["outside", "state"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/state") == ["pods"])
        try await host.removePod(uid: "uid")
        #expect(try tree(outside) == before)
    }
}
