import HostFiles
import KubeAPI
import Logging

extension PodVolumes {
    /// Looks again and again at what limited volumes take, until the task is cancelled.
    func watchUsage(_ tell: @escaping @Sendable (News) -> Void) async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: intervals.usage) } catch { return }
            for (uid, entry) in entries where entry.written.values.contains(where: { $0.sizeLimit != nil }) {
                do throws(AdapterError) {
                    let uses = try await host.usage(pod: uid)
                    if let message = Self.excess(uses, in: entry.pod) { tell(.exceeded(uid: uid, message: message)) }
                } catch {
                    if Task.isCancelled { return }
                    logger.warning(
                        "cannot see what the volumes take: \(error)", metadata: ["pod": "\(entry.pod.fullName)"])
                }
            }
        }
    }

    /// The kubelet's words for the first volume that is larger than it may be; `nil` when none is.
    static func excess(_ uses: [VolumeUse], in pod: Pod) -> String? {
        for volume in pod.spec.volumes {
            guard let limit = volume.emptyDir?.sizeLimit, limit.value > 0,
                let use = uses.first(where: { $0.name == volume.name }), use.usedBytes > UInt64(limit.value)
            else { continue }
            return "Usage of EmptyDir volume \"\(volume.name)\" exceeds the limit \"\(limit)\". "
        }
        return nil
    }
}
