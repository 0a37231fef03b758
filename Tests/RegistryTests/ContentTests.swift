import FoundationEssentials
import NIOCore
import Registry
import Testing

@Suite struct ContentTests {
    @Test func `a manifest is read with all that is known of it, and what is not known is passed over`() throws {
        let text = #"""
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b",
             "config":{"mediaType":"c/d","digest":"sha256:1","size":2,"data":"e30="},
             "layers":[{"mediaType":"e/f","digest":"sha256:2","size":5000000000,"annotations":{"k":"v"},"urls":[]}],
             "new":1}
            """#
        let manifest = try JSONDecoder().decode(OCIManifest.self, from: Data(text.utf8))
        #expect(manifest.artifactType == "a/b")
        #expect(manifest.config.data == "e30=")
        #expect(
            manifest.layers == [
                Descriptor(mediaType: "e/f", digest: "sha256:2", size: 5_000_000_000, annotations: ["k": "v"])
            ])
    }

    @Test func `a body of bytes can be read again from anywhere`() async throws {
        let body = BlobBody(ByteBuffer(string: "0123456789"))
        #expect(String(buffer: try await body.bytes(from: 0).collect(upTo: 10)) == "0123456789")
        #expect(String(buffer: try await body.bytes(from: 7).collect(upTo: 10)) == "789")
        #expect(try await body.bytes(from: 10).range == 10..<10)
    }

    @Test func `more than may come is refused`() async throws {
        let body = BlobBody(ByteBuffer(string: "0123456789"))
        await #expect { () async throws in
            _ = try await body.bytes(from: 0).collect(upTo: 9)
        } throws: { ($0 as? RegistryError)?.code == .wrongContent }
    }
}
