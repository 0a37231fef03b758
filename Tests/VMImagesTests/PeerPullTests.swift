import Foundation
import Logging
import NIOCore
import Registry
import Support
import Synchronization
import Testing

@testable import VMImages

/// Several stores that pull one image at once, and peers that are no good.
@Suite struct PeerPullTests {
    /// Another host in this process.
    private final class Neighbour: FramePeer {
        enum Fault: Sendable {
            /// Nothing comes, ever.
            case stalls
            /// Something else comes.
            case lies
            /// What comes is no frame at all.
            case garbles
            /// It is gone after so many frames.
            case dies(after: Int)
            /// Each second time it has too much to do.
            case isBusy
        }

        struct Gone: Error {}

        let name = "neighbour"
        private let board: FrameBoard
        private let fault: Fault?
        private let asked = Mutex(0)
        private let ended = Mutex<[AsyncThrowingStream<FrameNews, any Error>.Continuation]>([])
        var requests: Int { asked.withLock { $0 } }

        init(_ board: FrameBoard, _ fault: Fault? = nil) {
            self.board = board
            self.fault = fault
        }

        func follow(disk: String) async throws -> (id: String, news: AsyncThrowingStream<FrameNews, any Error>) {
            let (news, continuation) = AsyncThrowingStream.makeStream(of: FrameNews.self)
            ended.withLock { $0.append(continuation) }
            let base = try #require(try board.follow(disk))
            let task = Task {
                for await piece in base { continuation.yield(piece) }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
            return (board.id, news)
        }

        func frame(_ number: Int, ofDisk disk: String) async throws -> ByteBuffer? {
            let count = asked.withLock { asked in
                asked += 1
                return asked
            }
            switch fault {
            case .stalls:
                try await Task.sleep(for: .seconds(2))
                throw Gone()
            case .lies: return try board.frame((number + 1) % 2, ofDisk: disk)
            case .garbles: return ByteBuffer(string: "no frame")
            case .dies(let after) where count > after:
                for news in ended.withLock({ $0 }) { news.finish(throwing: Gone()) }
                throw Gone()
            case .isBusy where count % 2 == 1: return nil
            default: break
            }
            guard let bytes = try board.frame(number, ofDisk: disk) else { throw Gone() }
            return bytes
        }
    }

    private func pushed(_ disk: [UInt8], to registry: MemoryRegistry) async throws -> [UInt8] {
        let fixture = try Fixture()
        _ = try fixture.add("guest", disk: try fixture.file("disk", disk))
        let digest = try await ImagePusher(store: fixture.store, packLimit: 24 << 20)
            .push("guest", to: registry, tag: "15")
        return try #require(registry.bytes(digest))
    }

    /// A registry that is farther away than the neighbours.
    private struct Distant: BlobSource {
        let registry: MemoryRegistry

        func blob(_ descriptor: Descriptor, range: Range<Int64>?) async throws -> BlobStream {
            try await Task.sleep(for: .milliseconds(200))
            return try await registry.blob(descriptor, range: range)
        }
    }

    private func reference() throws -> ImageReference { try ImageReference(parsing: "registry.example/team/mac:15") }

    @Test("two and four hosts that pull an image at once fetch it about once", arguments: [2, 4])
    func together(hosts: Int) async throws {
        // Two may begin the same frame before they have heard of each other: of many frames those are few.
        let noise = try #require(FileHandle(forReadingAtPath: "/dev/urandom"))
        let disk = [UInt8](try #require(try noise.read(upToCount: 192 << 20)))
        try #require(disk.count == 192 << 20)
        let made = MemoryRegistry()
        let manifest = try await pushed(disk, to: made)
        let registry = made.copy()
        let source = Distant(registry: registry)
        let fixtures = try (0..<hosts).map { _ in try Fixture() }
        let stores = fixtures.map(\.store)
        let boards = stores.map { FrameBoard(store: $0) }
        let name = try reference()
        try await withThrowingTaskGroup(of: VMImage.self) { group in
            for host in 0..<hosts {
                var exchange = PeerExchange(
                    board: boards[host], peers: boards.filter { $0.id != boards[host].id }.map { Neighbour($0) })
                // How fast anybody is here says nothing.
                (exchange.patience, exchange.assembly) = (.seconds(600), .seconds(600))
                group.addTask { [exchange] in
                    try await ImagePuller(store: stores[host], exchange: exchange)
                        .pull(name, manifest: manifest, from: source)
                }
            }
            for try await image in group { #expect(image.id == "sha256:" + SHA256.hex(of: manifest)) }
        }
        for store in stores {
            #expect(try content(of: store, try #require(try store.resolve("registry.example/team/mac:15"))) == disk)
        }
        let share = Double(registry.served) / Double(disk.count)
        // `Benchmarks/run-peers` measures it where nothing else runs.
        #expect(share < 1.5, "\(share) times the image left the registry")
    }

    @Test("a host that has the image gives all of it, busy or not", arguments: [false, true])
    func whole(isBusy: Bool) async throws {
        var random = Faults.random("whole")
        let disk = random.bytes(24 << 20)
        let registry = MemoryRegistry()
        let manifest = try await pushed(disk, to: registry)
        let (first, second) = (try Fixture(), try Fixture())
        _ = try await ImagePuller(store: first.store).pull(reference(), manifest: manifest, from: registry)
        let other = registry.copy()
        let peer = Neighbour(FrameBoard(store: first.store), isBusy ? .isBusy : nil)
        var exchange = PeerExchange(board: FrameBoard(store: second.store), peers: [peer])
        exchange.patience = .seconds(600)
        let image = try await ImagePuller(store: second.store, exchange: exchange)
            .pull(reference(), manifest: manifest, from: other)
        #expect(try content(of: second.store, image) == disk)
        #expect(other.served < Int64(disk.count) / 2)
        #expect(peer.requests >= 6)
    }

    @Test(
        "a peer that is no good costs nothing but itself",
        arguments: [.stalls, .lies, .garbles, .dies(after: 2)] as [Neighbour.Fault])
    private func faults(fault: Neighbour.Fault) async throws {
        var random = Faults.random("faults")
        let disk = random.bytes(24 << 20)
        let registry = MemoryRegistry()
        let manifest = try await pushed(disk, to: registry)
        let (first, second) = (try Fixture(), try Fixture())
        _ = try await ImagePuller(store: first.store).pull(reference(), manifest: manifest, from: registry)
        let log = RecordingLog()
        let store = ImageStore(directory: second.store.directory, logger: log.logger)
        let peer = Neighbour(FrameBoard(store: first.store), fault)
        let exchange = PeerExchange(board: FrameBoard(store: store), peers: [peer])
        let image = try await ImagePuller(store: store, exchange: exchange)
            .pull(reference(), manifest: manifest, from: registry)
        #expect(try content(of: store, image) == disk)
        switch fault {
        case .lies, .garbles:
            #expect(log.lines.contains { $0.contains("a peer serves wrong content and is left alone") })
            // Those that were under way, and none after that.
            #expect(peer.requests <= PullRun.requests(toEachOf: 1))
        case .dies: #expect(log.lines.contains { $0.contains("a peer is not asked") })
        default: break
        }
    }

    @Test("where a registry serves no ranges an image comes all the same")
    func noRanges() async throws {
        var random = Faults.random("ranges")
        let disk = random.bytes(24 << 20)
        let made = MemoryRegistry()
        let manifest = try await pushed(disk, to: made)
        let registry = made.copy(hasRanges: false)
        let (first, second) = (try Fixture(), try Fixture())
        let exchange = PeerExchange(
            board: FrameBoard(store: second.store), peers: [Neighbour(FrameBoard(store: first.store))])
        let image = try await ImagePuller(store: second.store, exchange: exchange)
            .pull(reference(), manifest: manifest, from: registry)
        #expect(try content(of: second.store, image) == disk)
    }

    @Test("who stops following a disk while something comes holds nobody up")
    func leaving() async throws {
        let fixture = try Fixture()
        let board = FrameBoard(store: fixture.store)
        let digest = "sha256:" + String(repeating: "b", count: 64)
        board.begin(digest, try OpenFile.reading(try fixture.file("disk", [7])), has: [])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<300 {
                        let news = try #require(try board.follow(digest))
                        let following = Task { for await _ in news {} }
                        await Task.yield()
                        following.cancel()
                        await following.value
                    }
                }
            }
            group.addTask { for number in 0..<3000 { board.tell(digest, .fetches([number])) } }
            try await group.waitForAll()
        }
        var last = try #require(try board.follow(digest)).makeAsyncIterator()
        _ = await last.next()
        #expect(await last.next() == .fetches(Array(0..<3000)))
    }

    @Test("who follows a disk hears what comes and what is lost; what is no digest is nobody's")
    func board() async throws {
        let fixture = try Fixture()
        let board = FrameBoard(store: fixture.store)
        let digest = "sha256:" + String(repeating: "a", count: 64)
        #expect(try board.follow("sha256:../../etc/passwd") == nil)
        #expect(try board.frame(0, ofDisk: "sha256:../../etc/passwd") == nil)
        var news = try #require(try board.follow(digest)).makeAsyncIterator()
        let file = try OpenFile.reading(try fixture.file("disk", [UInt8](repeating: 7, count: 6 << 20)))
        board.begin(digest, file, has: [0])
        board.tell(digest, .fetches([1]))
        board.tell(digest, .has([1]))
        #expect(await news.next() == .has([]))
        #expect(await news.next() == .has([0]))
        #expect(await news.next() == .fetches([1]))
        #expect(await news.next() == .has([1]))
        #expect(try board.frame(1, ofDisk: digest) != nil)
        #expect(try board.frame(2, ofDisk: digest) == nil)
        board.end(digest, isHere: false)
        #expect(await news.next() == .lost([0, 1]))
        #expect(try board.frame(1, ofDisk: digest) == nil)
        board.close()
        #expect(await news.next() == nil)
    }
}
