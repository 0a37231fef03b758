import Docker
import Foundation
import NIOCore
import Support
import Testing

extension EngineTests {
    @Suite("Images")
    struct Images {
        /// A tar archive with one small file.
        private func archive() async throws -> ByteBuffer {
            try await withTemporaryDirectory { directory in
                try FileManager.default.createDirectory(atPath: directory + "/tree", withIntermediateDirectories: true)
                try Data(TestEngine.name().utf8).write(to: URL(filePath: directory + "/tree/file"))
                let tar = try await ChildProcess.run(
                    "/bin/tar", ["-C", directory + "/tree", "-cf", directory + "/t", "."])
                try #require(tar.code == 0)
                return ByteBuffer(bytes: try Data(contentsOf: URL(filePath: directory + "/t")))
            }
        }

        @Test("an image is imported, listed, tagged, used and removed")
        func lifecycle() async throws {
            let client = try await TestEngine.client()
            let name = TestEngine.name()
            try await client.importImage(
                try await archive(), repository: name, tag: "1",
                changes: [#"ENV A="b c""#, "LABEL X=y", "USER 65534:1", "ENTRYPOINT [\"/x\"]"])
            let image = try #require(try await client.inspectImageIfPresent(name + ":1"))
            #expect(image.id.hasPrefix("sha256:") && image.size > 0 && image.os == "linux")
            #expect(image.config?.env?.contains("A=b c") == true && image.config?.labels == ["X": "y"])
            #expect(image.config?.user == "65534:1" && image.config?.entrypoint == ["/x"])
            let byID = try await client.inspectImageIfPresent(image.id)?.id
            #expect(byID == image.id)

            try await client.tagImage(name + ":1", repository: "localhost:5000/team/" + name, tag: "v2")
            let listed = try await client.listImages().first { $0.id == image.id }
            #expect(listed?.repoTags.map(Set.init) == [name + ":1", "localhost:5000/team/\(name):v2"])
            #expect(try await client.imageBytes() > 0)

            let container = try await client.createContainer(
                name: TestEngine.name(), ContainerCreateRequest(image: image.id))
            try await client.removeImage("localhost:5000/team/\(name):v2", force: false)
            #expect(await TestEngine.code { try await client.removeImage(image.id, force: false) } == .conflict)
            try await client.removeContainer(container, force: true, volumes: true)
            try await client.removeImage(name + ":1", force: false)
            let gone = try await client.inspectImageIfPresent(name + ":1")
            #expect(gone == nil)
            #expect(await TestEngine.code { try await client.removeImage(name + ":1", force: false) } == .notFound)
            await client.close()
        }

        @Test("an archive that is none is refused")
        func badArchive() async throws {
            let client = try await TestEngine.client()
            let junk = ByteBuffer(repeating: 0x41, count: 4096)
            #expect(
                await TestEngine.failure { try await client.importImage(junk, repository: TestEngine.name(), tag: "1") }
                    != nil)
            #expect(await TestEngine.failure { try await client.loadImages(junk) } != nil)
            await client.close()
        }

        @Test("a saved image is loaded again under its name")
        func load() async throws {
            let client = try await TestEngine.client()
            let name = TestEngine.name()
            try await client.importImage(try await archive(), repository: name, tag: "1")
            let socket = try DockerEngine.requireSocket()
            let saved = try await withTemporaryDirectory { directory in
                let get = try await ChildProcess.run(
                    "/usr/bin/curl",
                    [
                        "-sS", "--fail", "--unix-socket", socket, "-o", directory + "/t",
                        "http://localhost/images/\(name):1/get",
                    ])
                try #require(get.code == 0)
                return ByteBuffer(bytes: try Data(contentsOf: URL(filePath: directory + "/t")))
            }
            try await client.removeImage(name + ":1", force: false)
            let loaded = try await client.loadImages(saved)
            #expect(loaded == [name + ":1"])
            #expect(try await client.inspectImageIfPresent(name + ":1") != nil)
            try await client.removeImage(name + ":1", force: false)
            await client.close()
        }

        @Test("a registry that is not there is an error, not an end")
        func pull() async throws {
            let client = try await TestEngine.client()
            let error = await TestEngine.failure {
                for try await _ in try await client.pullImage("localhost:1/none", tag: "1", auth: nil) {}
            }
            #expect(error?.message.isEmpty == false)
            await client.close()
        }
    }
}
