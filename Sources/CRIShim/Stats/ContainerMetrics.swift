import Proto
import VZEngine

/// What containers and pods use, under the names that cAdvisor gave it: a kubelet serves it as `/metrics/cadvisor`. A value
/// that nobody knows is left out.
enum ContainerMetrics {
    /// The labels of every metric.
    private static let labels = ["container", "id", "image", "name", "namespace", "pod"]

    /// What a metric is about.
    struct Subject {
        var pod: SandboxEntry
        /// nil for the pod as a whole.
        var container: ContainerEntry?
        var measurement: Measurement
    }

    struct Value {
        var more: [String] = []
        var value: UInt64
    }

    struct Kind {
        var name: String
        var help: String
        var type: CRI.MetricType
        /// Labels beyond those of every metric.
        var more: [String]
        var values: @Sendable (Subject) -> [Value]
    }

    static var descriptors: [CRI.MetricDescriptor] {
        (ofContainers + ofPods).map { kind in
            .init {
                $0.name = kind.name
                $0.help = kind.help
                $0.labelKeys = labels + kind.more
            }
        }
    }

    static func metrics(of pod: ContainerStatistics.MeasuredPod) -> CRI.PodSandboxMetrics {
        .init {
            $0.podSandboxId = pod.sandbox.id
            if let measurement = pod.partial {
                let subject = Subject(pod: pod.sandbox, container: nil, measurement: measurement)
                $0.metrics = ofPods.flatMap { metrics($0, subject) }
            }
            $0.containerMetrics = pod.containers.compactMap { container, measurement in
                guard let measurement else { return nil }
                let subject = Subject(pod: pod.sandbox, container: container, measurement: measurement)
                return .init {
                    $0.containerId = container.id
                    $0.metrics = ofContainers.flatMap { metrics($0, subject) }
                }
            }
        }
    }

    private static func metrics(_ kind: Kind, _ subject: Subject) -> [CRI.Metric] {
        let container = subject.container
        let id = container?.id ?? subject.pod.id
        let values = [
            container?.record.name ?? "", "/" + id, container?.record.image.image ?? "", id,
            subject.pod.record.metadata.namespace, subject.pod.record.metadata.name,
        ]
        return kind.values(subject).map { value in
            .init {
                $0.name = kind.name
                $0.timestamp = subject.measurement.time
                $0.metricType = kind.type
                $0.labelValues = values + value.more
                $0.value = .init { $0.value = value.value }
            }
        }
    }
}
