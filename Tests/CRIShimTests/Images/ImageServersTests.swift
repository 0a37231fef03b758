import Logging
import NIOPosix
import Support
import Testing
import VMImages

@testable import CRIShim

@Suite struct ImageServersTests {
    @Test func `what was left for machines that are no more goes when the next shim starts`() async throws {
        try await withTemporaryDirectory { directory in
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let state = directory + "/state"
            let servers = ImageServers(
                store: ImageStore(directory: directory + "/images", logger: logger), root: directory, state: state,
                program: "/bin/false", logLevel: nil, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
            let places = ["a", "b"].map {
                LazyPlace(image: "sha256:" + String(repeating: $0, count: 64), state: state)
            }
            for place in places { try place.hold("gone") }
            try places[0].noteStarted()
            try places[1].hold("machine")
            await servers.adopt(keeping: ["machine"])
            #expect(try LazyPlace.existing(state: state) == [places[1]])
            #expect(try places[1].holders() == ["machine"])
            await servers.shutDown()
        }
    }
}
