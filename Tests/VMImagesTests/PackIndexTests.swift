import Registry
import Support
import Testing

@testable import VMImages

@Suite struct PackIndexTests {
    private func digest(_ number: Int) -> String { SHA256.hex(of: Array("\(number)".utf8)) }

    private func index(frames: Int, length: Int) -> PackIndex {
        var index = PackIndex(size: Int64(frames) * Int64(DiskIndex.chunkSize), packs: [], frames: [])
        var position: Int64 = 0
        for number in 0..<frames {
            if index.packs.isEmpty || position + Int64(length) > PackIndex.packLimit {
                index.packs.append(.init(digest: "sha256:" + digest(-number - 1), size: 0))
                position = 0
            }
            index.frames.append(
                .init(
                    offset: Int64(number) * Int64(DiskIndex.chunkSize), digest: digest(number),
                    pack: index.packs.count - 1, start: position, length: length))
            position += Int64(length)
            index.packs[index.packs.count - 1].size = position
        }
        return index
    }

    @Test("a full disk of 128 GiB that cannot be compressed has 300 layers at most, and a manifest of 1 MiB at most")
    func large() async throws {
        // Away from the threads that others need: it takes seconds without an optimizer.
        try await ImageStore.offload { try sizes() }
    }

    private func sizes() throws {
        let index = index(frames: 131_072, length: FrameSize.compressedLimit)
        let bytes = index.bytes
        let packs = index.packs.map {
            Descriptor(mediaType: PackIndex.packMediaType, digest: $0.digest, size: $0.size)
        }
        #expect(packs.count + 6 <= 300)
        let manifest = OCIManifest(
            artifactType: VMImageConfig.mediaType,
            config: Descriptor(mediaType: VMImageConfig.mediaType, digest: "sha256:" + digest(0), size: 1000),
            layers: packs)
        #expect(try JSONText.bytes(manifest).count <= 1 << 20)
        #expect(bytes.count < 20 << 20)
        #expect(try PackIndex(parsing: bytes) == index)
    }

    @Test("an index that cannot be true is refused")
    func damaged() throws {
        let good = String(decoding: index(frames: 3, length: 1000).bytes, as: UTF8.self)
        func changed(_ old: String, _ new: String) -> String { good.replacing(old, with: new, maxReplacements: 1) }
        let bad = [
            "", "vzcri disk index 1\n", changed("size 3145728", "size -1"), changed("size 3145728", "size 1"),
            changed("frame 1048576", "frame 4096"), changed("1048576 \(digest(1)) 0", "1048576 \(digest(1)) 1"),
            changed("1048576 \(digest(1)) 0", "1048576 \(digest(1)) -1"), changed(" 0 1000 1000", " 0 1000 2001"),
            changed(" 0 1000 1000", " 0 -1 1000"), changed(" 0 1000 1000", " 0 9223372036854775807 1000"),
            changed(" 0 1000 1000", " 0 1000 9223372036854775807"), changed("1048576 \(digest(1))", "5 \(digest(1))"),
            changed("1048576 \(digest(1))", "2097152 \(digest(1))"), changed(digest(1), "../../etc"),
            changed(" 3000\n", " 999999999999\n"), good + "x\n",
        ]
        for text in bad {
            #expect(throws: VMImageError.self, "\(text)") { try PackIndex(parsing: Array(text.utf8)) }
        }
    }

    @Test("frames that lie after each other are fetched together, up to a limit")
    func runs() {
        let frames = index(frames: 6, length: 1000).frames
        #expect(PullRun.runs(of: frames, limit: 3000).map(\.count) == [3, 3])
        #expect(PullRun.runs(of: [frames[0], frames[2], frames[3], frames[5]], limit: 3000).map(\.count) == [1, 2, 1])
        #expect(PullRun.runs(of: frames, limit: 10).map(\.count) == [1, 1, 1, 1, 1, 1])
        #expect(PullRun.runs(of: [], limit: 10).isEmpty)
    }
}
