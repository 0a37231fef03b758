import KubeAPI
import Logging
import NIOConcurrencyHelpers

/// Tells a tracing system what the adapter does: which pods are worked on, and what is asked of the runtime for them.
/// Nobody waits for it: what cannot be told in time is dropped, and counted.
final class Tracer: Sendable {
    struct Limits: Sendable {
        /// Spans that wait at most.
        var queue = 4096
        /// Spans told at a time.
        var batch = 512
        var interval: Duration = .seconds(5)
        /// For telling one batch.
        var deadline: Duration = .seconds(10)
    }

    /// What the running task works on.
    @TaskLocal static var current: Span.Context?

    private struct State {
        var waiting: [Span] = []
        var dropped = 0
    }

    private let state = NIOLockedValueBox(State())
    private let sampling: TraceSampling
    private let exporter: any SpanExporter
    private let limits: Limits
    private let logger: Logger
    private let full: AsyncStream<Void>
    private let isFull: AsyncStream<Void>.Continuation

    init(sampling: TraceSampling, exporter: any SpanExporter, limits: Limits = Limits(), logger: Logger) {
        self.sampling = sampling
        self.exporter = exporter
        self.limits = limits
        self.logger = logger
        (full, isFull) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Runs work as a span below the one the task is in; below none it begins a trace, which is told or not.
    func span<Result>(
        _ name: String, _ kind: Span.Kind = .inner, attributes: @autoclosure () -> [String: String] = [:],
        isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> Result
    ) async rethrows -> Result {
        let parent = Self.current
        let context = Span.Context(
            trace: parent?.trace ?? .random(), span: .random(in: 1 ... .max),
            isSampled: parent?.isSampled ?? sampling.takes())
        guard context.isSampled else { return try await Self.$current.withValue(context, operation: work) }
        var span = Span(
            context: context, parent: parent?.span, name: name, kind: kind, attributes: attributes(),
            start: Timestamp.now().nanosecondsSince1970)
        do {
            let result = try await Self.$current.withValue(context, operation: work)
            span.end = Timestamp.now().nanosecondsSince1970
            add(span)
            return result
        } catch {
            span.end = Timestamp.now().nanosecondsSince1970
            span.failure = "\(error)"
            add(span)
            throw error
        }
    }

    private func add(_ span: Span) {
        let isBatch = state.withLockedValue { state in
            guard state.waiting.count < limits.queue else {
                state.dropped += 1
                return false
            }
            state.waiting.append(span)
            return state.waiting.count >= limits.batch
        }
        if isBatch { isFull.yield() }
    }

    /// Tells what has ended until the task is cancelled, then what is left.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [limits, isFull] in
                while !Task.isCancelled {
                    do { try await Task.sleep(for: limits.interval) } catch { break }
                    isFull.yield()
                }
                isFull.finish()
            }
            for await _ in full { await tell() }
        }
        // The task is cancelled, and calls made in it would be: the last words are another task's.
        await Task { await tell() }.value
        await exporter.close()
    }

    private func tell() async {
        while true {
            let (spans, dropped) = state.withLockedValue { state -> ([Span], Int) in
                let spans = Array(state.waiting.prefix(limits.batch))
                state.waiting.removeFirst(spans.count)
                defer { state.dropped = 0 }
                return (spans, state.dropped)
            }
            if dropped > 0 { logger.warning("\(dropped) spans were not told: too many at once") }
            guard !spans.isEmpty else { return }
            do {
                let exporter = exporter
                try await withDeadline(limits.deadline, "no answer within \(limits.deadline)") {
                    try await exporter.export(spans)
                }
            } catch {
                logger.warning("\(spans.count) spans cannot be told to the tracing system: \(error)")
                return
            }
        }
    }
}

/// Takes spans.
protocol SpanExporter: Sendable {
    func export(_ spans: [Span]) async throws
    func close() async
}

/// Which traces are told (`--trace-sample-rate`).
public struct TraceSampling: Sendable, Hashable {
    /// Of all, from 0 to 1.
    public let share: Double

    /// - Parameter text: `always`, `never`, or a percentage from 0 to 100.
    /// - Returns: `nil` for something else.
    public init?(_ text: String) {
        switch text.lowercased() {
        case "always", "": share = 1
        case "never": share = 0
        default:
            guard let percent = Double(text), (0...100).contains(percent) else { return nil }
            share = percent / 100
        }
    }

    func takes() -> Bool { share >= 1 || share > 0 && Double.random(in: 0..<1) < share }
}
