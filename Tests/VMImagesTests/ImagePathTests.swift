import Foundation
import Testing

@testable import VMImages

@Suite struct ImagePathTests {
    @Test(
        "an image that names a file by a path instead of a digest is refused, and no file of another is touched (S2)",
        arguments: ["layer", "config", "kernel", "disk"])
    func paths(_ place: String) throws {
        let fixture = try Fixture()
        let outside = try fixture.file("outside", Array("secret".utf8))
        let hostile = "sha256:../../../outside"
        let good = try fixture.add("good", disk: try fixture.file("disk", size: 1 << 20, [(0, [1])]))

        // As somebody who can write blobs would make it: everything else about it is right.
        func put(_ value: some Encodable) throws -> String {
            let bytes = Array(try JSONEncoder().encode(value))
            let digest = "sha256:" + SHA256.hex(of: bytes)
            try Data(bytes).write(to: URL(filePath: fixture.store.layout.blob(digest)))
            return digest
        }
        var config = good.config
        if place == "kernel" { config.boot = .kernel(digest: hostile, initrd: nil, commandLine: "") }
        if place == "disk" { config.disks[0].digest = hostile }
        var manifest = try fixture.store.contents(
            .init(id: good.id, names: [], size: 0, importedAt: 0)
        ).manifest
        manifest.config.digest = place == "config" ? hostile : try put(config)
        if place == "layer" { manifest.layers[0].digest = hostile }
        let id = try put(manifest)
        try fixture.store.change { index in
            index.images.append(.init(id: id, names: ["docker.io/library/bad:latest"], size: 1, importedAt: 1))
        }
        #expect(throws: VMImageError.self) { try fixture.another.resolve("bad") }
        #expect(throws: VMImageError.self) { try fixture.another.lease("bad") }
        #expect(try fixture.another.list().map(\.id) == [good.id])
        _ = try? fixture.another.remove("bad") { [] }
        _ = try? fixture.another.collect { [] }
        #expect(try String(contentsOfFile: outside, encoding: .utf8) == "secret")
        #expect(try fixture.another.resolve("good")?.id == good.id)
    }
}
