import Foundation
import Testing

@testable import VMImages

@Suite struct MachineReferencesTests {
    private let digest = String(repeating: "a", count: 63) + "0"

    @Test("digests are found in ids and in paths, and nothing that is longer or shorter")
    func found() {
        func digests(_ text: String) -> Set<String> {
            var found: Set<String> = []
            MachineReferences.collect(Array(text.utf8), into: &found)
            return found
        }
        #expect(digests("{\"image\":\"sha256:\(digest)\"}") == ["sha256:" + digest])
        #expect(digests("/images/blobs/sha256/\(digest)") == ["sha256:" + digest])
        #expect(digests("\(digest)") == ["sha256:" + digest])
        #expect(digests("\(digest)0").isEmpty)
        #expect(digests("\(digest.dropFirst())").isEmpty)
        #expect(digests("").isEmpty)
    }

    @Test("every JSON file of every machine counts; what is no machine does not disturb")
    func directories() throws {
        let fixture = try Fixture()
        let machines = fixture.directory + "/machines"
        #expect(try MachineReferences.digests(in: machines).isEmpty)
        try FileManager.default.createDirectory(atPath: machines + "/one", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: machines + "/two", withIntermediateDirectories: true)
        let other = String(repeating: "b", count: 64)
        try Data(digest.utf8).write(to: URL(filePath: machines + "/one/config.json"))
        try Data("x".utf8).write(to: URL(filePath: machines + "/file"))
        try Data(other.utf8).write(to: URL(filePath: machines + "/two/container.json"))
        try Data(String(repeating: "c", count: 64).utf8).write(to: URL(filePath: machines + "/two/console.log"))
        #expect(try MachineReferences.digests(in: machines) == ["sha256:" + digest, "sha256:" + other])
    }
}
