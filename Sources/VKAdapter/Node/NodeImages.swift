import KubeAPI
import Logging
import Proto

/// Tells which images the node has: the scheduler prefers nodes that have what a pod needs.
struct NodeImages: Sendable {
    /// The kubelet's limits (`nodeStatusMaxImages`, `MaxNamesPerImageInNodeStatus`).
    static let maximum = 50
    static let maximumNames = 5

    let store: any ImageStore
    let keeper: NodeKeeper
    /// Says when an image was pulled.
    let pulls: ImagePulls
    /// Between looks, for others pull and remove images as well.
    var interval: Duration = .seconds(60)
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        let (ticks, tick) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        tick.yield()
        await withDiscardingTaskGroup { group in
            group.addTask {
                while !Task.isCancelled {
                    do { try await Task.sleep(for: interval) } catch { return }
                    tick.yield()
                }
            }
            group.addTask { for await _ in pulls.changes { tick.yield() } }
            var isAway = false
            for await _ in ticks {
                do {
                    let images = Self.status(try await store.images())
                    await keeper.update { $0.images = images }
                    isAway = false
                } catch {
                    if Task.isCancelled { break }
                    if !isAway { logger.debug("cannot learn which images the node has: \(error)") }
                    isAway = true
                }
            }
            group.cancelAll()
        }
    }

    /// The largest ones, and of their names the first; digests before tags.
    static func status(_ images: [CRI.Image]) -> [NodeImage] {
        images.map { image in
            NodeImage {
                $0.names = Array((image.repoDigests + image.repoTags).prefix(maximumNames))
                $0.sizeBytes = Int64(clamping: image.size)
            }
        }
        .filter { !$0.names.isEmpty }
        .sorted { ($1.sizeBytes, $0.names[0]) < ($0.sizeBytes, $1.names[0]) }
        .prefix(maximum).map { $0 }
    }
}
