import Logging
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
        print("wall \(ratio(a.wall, b.wall)) of bare; wanted at most \(text(limit)) s, which is 5 % and 150 ms more")
        print("CPU  \(ratio(a.processor, b.processor)) of bare; wanted at most 1.05")
        print(a.wall <= limit && a.processor <= b.processor * 1.05 ? "both goals are met" : "a goal is missed")
    }

    private static func ratio(_ a: Double, _ b: Double) -> String { text(a / b) }

    static func text(_ value: Double) -> String {
        let thousandths = Int((value * 1000).rounded())
        let rest = String(thousandths % 1000)
        return "\(thousandths / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    private static func fail(_ text: String) -> Never {
        _ = "vm-bench: \(text)\n".withCString { write(2, $0, strlen($0)) }
        exit(1)
    }
}

/// One start: seconds on the clock, and seconds of processor time of everything that took part.
struct Sample: CustomStringConvertible {
    var wall: Double
    var processor: Double

    var description: String { "\(VMBench.text(wall)) s, CPU \(VMBench.text(processor)) s" }

    static func median(_ samples: [Sample]) -> Sample {
        func middle(_ values: [Double]) -> Double {
            let sorted = values.sorted()
            let half = sorted.count / 2
            return sorted.count % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
        }
        return Sample(wall: middle(samples.map(\.wall)), processor: middle(samples.map(\.processor)))
    }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
}
