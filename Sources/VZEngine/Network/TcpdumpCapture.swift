import NIOCore
import NIOPosix
import Processes
import Synchronization

/// What a machine says and is told on a network, by tcpdump: for systems where only that program may listen.
struct TcpdumpCapture: AddressDiscovery {
    let interface: String
    var program = "tcpdump"

    var name: String { "tcpdump on \(interface)" }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        let output = try SocketPair()
        let errors = try ErrorOutput()
        let filter = "(arp and ether src \(hardwareAddress)) or (udp and src port 67)"
        var request = ProcessRequest(
            program, ["-i", interface, "-n", "-p", "-U", "-s", "1600", "-w", "-", filter])
        request.diesWithParent = true
        request.descriptors = [-1, output.other.number, errors.descriptor.number]
        let child = try await ChildProcess.start(request)
        output.other.close()
        errors.descriptor.close()
        let said = try await errors.attach(MultiThreadedEventLoopGroup.singleton)
        do {
            try await PacketReader.run(output.own, what: name, isStream: true, Frames(hardwareAddress, report).take)
        } catch {
            await Self.end(child, said)
            throw error
        }
        await Self.end(child, said)
        if !Task.isCancelled { throw VZEngineError(.failed, "\(name) has ended: \(errors.text)") }
    }

    private static func end(_ child: ChildProcess, _ errors: any Channel) async {
        child.signal(15)
        let overdue = Task {
            try await Task.sleep(for: .seconds(2))
            child.signal(9)
        }
        _ = await child.waitForEnd()
        overdue.cancel()
        await errors.drained(within: .milliseconds(200))
        errors.close(promise: nil)
    }

    /// What came so far.
    private final class Frames: Sendable {
        private let file = Mutex(CaptureFile())
        private let card: HardwareAddress
        private let report: @Sendable (AddressSighting) -> Void

        init(_ card: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void) {
            self.card = card
            self.report = report
        }

        func take(_ bytes: ArraySlice<UInt8>) {
            for frame in file.withLock({ $0.take(bytes) }) {
                if let found = FrameReader.sighting(in: frame, of: card) { report(found) }
            }
        }
    }
}
