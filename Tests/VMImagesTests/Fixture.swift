import Foundation
import Logging
import VMImages

/// A store in a directory of its own, and files to make images of. Gone with the object.
final class Fixture {
    let directory = "/tmp/vzt-images-\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
    let store: ImageStore

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        store = ImageStore(directory: directory + "/images", logger: Logger(label: "test"))
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Another process' view of the same store.
    var another: ImageStore { ImageStore(directory: store.directory, logger: Logger(label: "another")) }

    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        try file(name, size: Int64(bytes.count), [(0, bytes)])
    }

    /// A sparse file with some data in it.
    func file(_ name: String, size: Int64, _ parts: [(offset: Int64, bytes: [UInt8])]) throws -> String {
        let path = "\(directory)/\(name)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw Failed(path) }
        defer { close(descriptor) }
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw Failed(path) }
        for part in parts where pwrite(descriptor, part.bytes, part.bytes.count, off_t(part.offset)) != part.bytes.count
        {
            throw Failed(path)
        }
        return path
    }

    /// What a kernel image is made of; `text` tells images apart.
    func request(_ name: String, kernel text: String = "kernel", disk: String? = nil) throws -> ImageImport {
        let kernel = try file("kernel-\(text)", Array(text.utf8))
        return ImageImport(
            name: name, boot: .kernel(path: kernel, initrd: nil, commandLine: "console=ttyS0"),
            disks: disk.map { [$0] } ?? [])
    }

    func add(_ name: String, kernel: String = "kernel", disk: String? = nil) throws -> VMImage {
        try store.importImage(try request(name, kernel: kernel, disk: disk))
    }

    /// Everything in the store but its lock, relative.
    func files(_ below: String = "") throws -> Set<String> {
        var found: Set<String> = []
        let path = store.directory + below
        guard let listing = opendir(path) else { return [] }
        defer { closedir(listing) }
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." || (below.isEmpty && name == "lock") { continue }
            if entry.pointee.d_type == 4 {
                found.formUnion(try files("\(below)/\(name)"))
            } else {
                found.insert("\(below)/\(name)")
            }
        }
        return found
    }

    struct Failed: Error, CustomStringConvertible {
        var description: String

        init(_ path: String) { description = "\(path): \(String(cString: strerror(errno)))" }
    }
}

func bytes(of path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw Fixture.Failed(path) }
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    guard read(descriptor, &bytes, bytes.count) == bytes.count else { throw Fixture.Failed(path) }
    return bytes
}

/// What a file takes on disk.
func allocated(_ path: String) throws -> Int64 {
    var status = stat()
    guard stat(path, &status) == 0 else { throw Fixture.Failed(path) }
    return Int64(status.st_blocks) * 512
}
