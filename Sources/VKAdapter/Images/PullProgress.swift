import Proto
import RPC

/// How far the pull of an image is.
struct PullProgress: Sendable, Hashable {
    var done: UInt64
    /// As far as it is known; it may grow.
    var total: UInt64
    var perSecond: UInt64

    /// For people: `1.2 GiB of 3.4 GiB (35%), 12.0 MiB/s`.
    var text: String {
        let part = total > 0 ? min(100, Int(Double(done) / Double(total) * 100)) : 0
        let speed = perSecond > 0 ? ", \(Self.text(perSecond))/s" : ""
        return total > 0 ? "\(Self.text(done)) of \(Self.text(total)) (\(part)%)\(speed)" : "\(Self.text(done))\(speed)"
    }

    static func text(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var (amount, unit) = (bytes, 0)
        var tenths: UInt64 = 0
        while amount >= 1024, unit + 1 < units.count {
            tenths = amount % 1024 * 10 / 1024
            amount /= 1024
            unit += 1
        }
        return unit == 0 ? "\(amount) B" : "\(amount).\(tenths) \(units[unit])"
    }
}

extension CRIProvider {
    func pullProgress(of image: String) async throws -> PullProgress? {
        do {
            // Pulls that go on are told of at once; one that is not among them begins or ends just now.
            let pulls = try client.stream(HostAPI.HostService.watchPulls, .init(), timeout: .seconds(3))
            for try await pull in pulls where pull.image == image && !pull.finished {
                return PullProgress(done: pull.bytesDone, total: pull.bytesTotal, perSecond: pull.bytesPerSecond)
            }
            return nil
        } catch let error as RPCError where [.unimplemented, .deadlineExceeded].contains(error.code) {
            return nil
        } catch {
            throw adapterError(error, "learn how far the pull of \(image) is")
        }
    }
}
