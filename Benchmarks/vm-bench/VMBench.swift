import Logging
import Measuring
import NIOPosix
import Processes
import Proto
import RPC
import Sockets

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// From the start of a machine to its first command: `StartContainer` and `ExecSync` through a running shim beside bare
/// QEMU and a loop of `ssh`, both with a shared directory on virtio-fs, in interleaved pairs.
///
///     vm-bench SOCKET IMAGE GUEST_DIRECTORY WORK_DIRECTORY PAIRS
enum VMBench {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 6, let pairs = Int(arguments[5]), pairs > 0 else {
            fail("usage: vm-bench SOCKET IMAGE GUEST_DIRECTORY WORK_DIRECTORY PAIRS")
        }
        do {
            let ours = ShimMachine(socket: arguments[1], image: arguments[2], directory: arguments[4] + "/ours")
            let bare = BareMachine(guest: arguments[3], directory: arguments[4] + "/bare")
            var (a, b): ([Sample], [Sample]) = ([], [])
            for pair in 1...pairs {
                // Who goes first changes, so that neither always finds the other's warm caches.
                if pair % 2 == 0 {
                    b.append(try await bare.start())
                    a.append(try await ours.start(pair))
                } else {
                    a.append(try await ours.start(pair))
                    b.append(try await bare.start())
                }
                print("pair \(pair): vz-cri \(a[pair - 1])   bare \(b[pair - 1])")
            }
            await ours.close()
            report(a, b)
        } catch {
            fail("\(error)")
        }
    }

    private static func report(_ ours: [Sample], _ bare: [Sample]) {
        let (a, b) = (Sample.median(ours), Sample.median(bare))
        print("median: vz-cri \(a)   bare \(b)")
        let limit = b.wall * 1.05 + 0.150
        print(
            "wall \(ratio(a.wall, b.wall)) of bare; wanted at most \(Measuring.text(limit)) s, which is 5 % and 150 ms more"
        )
        print("CPU  \(ratio(a.processor, b.processor)) of bare; wanted at most 1.05")
        print(a.wall <= limit && a.processor <= b.processor * 1.05 ? "both goals are met" : "a goal is missed")
    }

    private static func ratio(_ a: Double, _ b: Double) -> String { Measuring.text(a / b) }

    private static func fail(_ text: String) -> Never { Measuring.fail("vm-bench", text) }
}

/// One start: seconds on the clock, and seconds of processor time of everything that took part.
struct Sample: CustomStringConvertible {
    var wall: Double
    var processor: Double

    var description: String { "\(Measuring.text(wall)) s, CPU \(Measuring.text(processor)) s" }

    static func median(_ samples: [Sample]) -> Sample {
        Sample(
            wall: Measuring.median(samples.map(\.wall)), processor: Measuring.median(samples.map(\.processor)))
    }
}
