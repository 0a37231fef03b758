import NIOCore
import Registry

/// One push under way: what its steps share.
final class PushRun: Sendable {
    let store: ImageStore
    let sink: any BlobSink
    let workers: Workers
    let meter: PullMeter
    /// For messages.
    let name: String
    let directory: String
    /// How large a pack may be: ``PackIndex/packLimit``, smaller in tests.
    let packLimit: Int64
    let slots: SlotPool

    init(
        store: ImageStore, sink: any BlobSink, workers: Workers, meter: PullMeter, name: String, directory: String,
        packLimit: Int64
    ) {
        self.store = store
        self.sink = sink
        self.workers = workers
        self.meter = meter
        self.name = name
        self.directory = directory
        self.packLimit = packLimit
        slots = SlotPool(limit: 3 * workers.threads, size: FrameSize.compressedLimit)
    }

    /// Sends a blob that the registry does not have.
    func send(_ blob: Descriptor, _ body: @Sendable () async throws -> BlobBody) async throws {
        meter.expect(blob.size)
        if try await sink.exists(blob.digest) {
            meter.count(blob.size)
        } else {
            try await sink.upload(blob, try await body())
        }
    }

    func send(_ bytes: [UInt8], mediaType: String) async throws -> Descriptor {
        let blob = Descriptor(
            mediaType: mediaType, digest: "sha256:" + SHA256.hex(of: bytes), size: Int64(bytes.count))
        let meter = meter
        try await send(blob) {
            meter.count(blob.size)
            return BlobBody(ByteBuffer(bytes: bytes))
        }
        return blob
    }

    /// Sends a file of the store.
    func send(_ file: Manifest.Descriptor) async throws -> Descriptor {
        let blob = Descriptor(mediaType: file.mediaType, digest: file.digest, size: file.size)
        let (path, workers, meter) = (store.layout.blob(file.digest), workers, meter)
        try await send(blob) {
            let open = try await workers.run { try OpenFile.reading(path) }
            return FileBytes.body(open, size: blob.size, workers) { meter.count($0) }
        }
        return blob
    }
}
