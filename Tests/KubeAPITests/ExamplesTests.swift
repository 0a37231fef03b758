import Foundation
import Testing

@testable import KubeAPI

@Suite("Examples") struct ExamplesTests {
    private static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "examples")

    @Test("every manifest among the examples is one pod, and valid")
    func manifests() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.directory.path)
            .filter { $0.hasSuffix("pod.yaml") || $0.hasSuffix("job.yaml") }
        #expect(names.count >= 3)
        for name in names {
            let bytes = try Data(contentsOf: Self.directory.appending(path: name))
            let manifest = Pod.manifest([UInt8](bytes), file: name)
            #expect(manifest.pods.count == 1, "\(name)")
            #expect(manifest.failures.isEmpty, "\(name): \(manifest.failures)")
        }
    }
}
