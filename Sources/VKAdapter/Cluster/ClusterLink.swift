import KubeAPI

/// How the adapter speaks with its cluster's API server: what it tells it of pods, and what it asks for them.
struct ClusterLink: Sendable {
    let client: KubeClient
    let writer: StatusWriter
    let events: EventRecorder
    let mirrors: MirrorPods
    let material: ClusterMaterial
}
