import Foundation
import Logging
import Support
import Synchronization
import Testing
import VMImages

/// Several processes' worth of stores on one directory, doing what comes to their mind.
@Suite struct ConcurrencyTests {
    private static let names = ["a", "b", "c"]
    private static let kernels = ["one", "two", "three", "four"]

    @Test(
        "whatever several processes do at a time, what is listed is whole, what is leased stays, and nothing is left over"
    )
    func interleaved() throws {
        var random = Faults.random("image store")
        for round in 0..<Faults.rounds { try run(round, &random) }
    }

    private func run(_ round: Int, _ random: inout SeededRandom) throws {
        let fixture = try Fixture()
        // Made here: workers share the files.
        let disk = try fixture.file("disk", size: 6 << 20, [(0, [1]), (5 << 20, [2])])
        let requests = try Self.kernels.map { try fixture.request("x", kernel: $0, disk: disk) }
        let directory = fixture.store.directory
        let failures = Mutex<[String]>([])
        let seeds = (0..<4).map { _ in random.next() }
        DispatchQueue.concurrentPerform(iterations: seeds.count) { index in
            do {
                try Self.work(
                    ImageStore(directory: directory, logger: Logger(label: "worker")), requests,
                    SeededRandom(seed: seeds[index]))
            } catch {
                failures.withLock { $0.append("worker \(index): \(error)") }
            }
        }
        #expect(failures.withLock { $0 } == [], "round \(round)")
        for image in try fixture.store.list() { try Self.requireWhole(image, in: fixture.store) }
        for name in Self.names { try fixture.store.remove(name) { [] } }
        try fixture.store.collect { [] }
        #expect(try fixture.store.list().isEmpty)
        #expect(try fixture.files() == ["/index.json"], "round \(round)")
    }

    private static func work(_ store: ImageStore, _ requests: [ImageImport], _ seed: SeededRandom) throws {
        var random = seed
        for _ in 0..<25 {
            let name = names.randomElement(using: &random) ?? ""
            switch Int.random(in: 0..<6, using: &random) {
            case 0, 1:
                var request = requests.randomElement(using: &random) ?? requests[0]
                request.name = name
                _ = try store.importImage(request)
            case 2: try store.remove(name) { [] }
            case 3: try store.collect { [] }
            case 4:
                guard let lease = try store.lease(name) else { continue }
                // Others may take every name away meanwhile.
                try store.remove(name) { [] }
                try store.collect { [] }
                try requireWhole(lease.image, in: store)
                lease.release()
            default:
                guard let image = try store.resolve(name) else { continue }
                do {
                    try store.tag(image.id, as: names.randomElement(using: &random) ?? "")
                } catch let error as VMImageError where error.code == .notFound {
                    // somebody was faster
                }
            }
        }
    }

    private struct Broken: Error, CustomStringConvertible {
        var description: String
    }

    private static func requireWhole(_ image: VMImage, in store: ImageStore) throws {
        let files = store.files(of: image)
        guard case .kernel(let kernel, _, _) = files.boot else { throw Broken(description: "no kernel") }
        let text = String(decoding: try bytes(of: kernel), as: UTF8.self)
        guard kernels.contains(text) else { throw Broken(description: "\(kernel) holds \(text)") }
        for disk in files.disks {
            let content = try bytes(of: disk.path)
            guard content.count == 6 << 20, content[0] == 1, content[5 << 20] == 2 else {
                throw Broken(description: "\(disk.path) is not whole")
            }
        }
    }
}
