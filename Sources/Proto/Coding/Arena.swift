import CProtobufC

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Memory for the C form of one message: bumped forward, freed as a whole. Nothing in it outlives the coding call that
/// made it, and it is used by one thread.
final class Arena {
    private var chunks: [UnsafeMutableRawPointer] = []
    private var cursor: UnsafeMutableRawPointer
    private var end: UnsafeMutableRawPointer
    private var total: Int
    private let limit: Int

    /// - Parameters:
    ///   - capacity: bytes of the first chunk.
    ///   - limit: bytes after which decoding is refused: a few bytes of input can ask for a large structure.
    init(capacity: Int, limit: Int = .max) {
        let first = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        chunks.append(first)
        cursor = first
        end = first + capacity
        total = capacity
        self.limit = limit
    }

    deinit {
        for chunk in chunks { chunk.deallocate() }
    }

    /// Uninitialised memory aligned to 8 bytes, or nil beyond the limit.
    func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        let rounded = (size + 7) & ~7
        if rounded > end - cursor {
            let chunk = max(rounded, min(total, 1 << 20))
            guard total + chunk <= limit else { return nil }
            total += chunk
            let next = UnsafeMutableRawPointer.allocate(byteCount: chunk, alignment: 16)
            chunks.append(next)
            cursor = next
            end = next + chunk
        }
        defer { cursor += rounded }
        return cursor
    }

    /// For building: without a limit there is always memory.
    private func take<T>(_ type: T.Type, _ count: Int = 1) -> UnsafeMutablePointer<T> {
        allocate(MemoryLayout<T>.stride * count)!.bindMemory(to: T.self, capacity: count)
    }

    // MARK: Building C messages

    func string(_ value: String, _ place: StaticString) throws(WireError) -> UnsafeMutablePointer<CChar> {
        let copied =
            value.utf8.withContiguousStorageIfAvailable { copy($0) }
            ?? Array(value.utf8).withUnsafeBufferPointer { copy($0) }
        guard let copied else {
            throw WireError("\(place) holds a NUL byte; no string on this wire may")
        }
        return copied
    }

    private func copy(_ utf8: UnsafeBufferPointer<UInt8>) -> UnsafeMutablePointer<CChar>? {
        let target = take(CChar.self, utf8.count + 1)
        guard let base = utf8.baseAddress else {
            target[0] = 0
            return target
        }
        if memchr(base, 0, utf8.count) != nil { return nil }
        memcpy(target, base, utf8.count)
        target[utf8.count] = 0
        return target
    }

    func strings(_ values: [String], _ place: StaticString) throws(WireError) -> UnsafeMutablePointer<
        UnsafeMutablePointer<CChar>?
    > {
        let array = take(UnsafeMutablePointer<CChar>?.self, values.count)
        for index in values.indices { array[index] = try string(values[index], place) }
        return array
    }

    func bytes(_ value: [UInt8]) -> ProtobufCBinaryData {
        let target = take(UInt8.self, value.count)
        value.withUnsafeBufferPointer { target.update(from: $0.baseAddress ?? UnsafePointer(target), count: $0.count) }
        return ProtobufCBinaryData(len: value.count, data: target)
    }

    func byteStrings(_ values: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData> {
        array(values) { bytes($0) }
    }

    func array<T, C>(_ values: [T], _ convert: (T) -> C) -> UnsafeMutablePointer<C> {
        let array = take(C.self, values.count)
        for index in values.indices { (array + index).initialize(to: convert(values[index])) }
        return array
    }

    func message<M: WireMessage>(_ value: M) throws(WireError) -> UnsafeMutablePointer<M.C> {
        let target = take(M.C.self)
        protobuf_c_message_init(M.descriptor, target)
        try value.fill(target, self)
        return target
    }

    func messages<M: WireMessage>(_ values: [M]) throws(WireError) -> UnsafeMutablePointer<UnsafeMutablePointer<M.C>?> {
        let array = take(UnsafeMutablePointer<M.C>?.self, values.count)
        for index in values.indices { array[index] = try message(values[index]) }
        return array
    }

    /// Entries in key order, so that equal maps have equal bytes.
    func map<C>(
        _ values: [String: String], _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
        _ fill: (UnsafeMutablePointer<C>, String, String) throws(WireError) -> Void
    ) throws(WireError) -> UnsafeMutablePointer<UnsafeMutablePointer<C>?> {
        let array = take(UnsafeMutablePointer<C>?.self, values.count)
        var index = 0
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            let entry = take(C.self)
            protobuf_c_message_init(descriptor, entry)
            try fill(entry, key, value)
            array[index] = entry
            index += 1
        }
        return array
    }
}
