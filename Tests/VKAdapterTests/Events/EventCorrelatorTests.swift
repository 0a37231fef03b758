import KubeAPI
import Testing

@testable import VKAdapter

struct EventCorrelatorTests {
    private let start = Timestamp(seconds: 1_000_000)

    private func occurrence(_ message: String, reason: String = "BackOff", pod: String = "web") -> Occurrence {
        let pod = Pod {
            $0.metadata.name = pod
            $0.metadata.namespace = "default"
            $0.metadata.uid = "uid-of-\(pod)"
            $0.spec.containers = [Container { $0.name = "main" }]
        }
        return Occurrence(
            object: ObjectReference(pod, container: "main"), type: .warning, reason: reason, message: message)
    }

    private func correlator(_ limits: EventCorrelator.Limits = .init()) -> EventCorrelator {
        EventCorrelator(component: "kubelet", host: "mac-1", limits: limits)
    }

    @Test func `the same again is one event that counts`() throws {
        var correlator = correlator()
        guard case .create(let first) = correlator.take(occurrence("again"), now: start) else {
            Issue.record("not told")
            return
        }
        #expect(first.metadata.namespace == "default" && first.metadata.name.hasPrefix("web."))
        #expect(first.involvedObject.fieldPath == "spec.containers{main}" && first.count == 1)
        #expect(first.source.component == "kubelet" && first.source.host == "mac-1" && first.type == "Warning")
        let later = start.advanced(by: .seconds(20))
        guard case .update(let second) = correlator.take(occurrence("again"), now: later) else {
            Issue.record("not counted")
            return
        }
        #expect(second.metadata.name == first.metadata.name && second.count == 2)
        #expect(second.firstTimestamp == start && second.lastTimestamp == later)
        guard case .create(let other) = correlator.take(occurrence("else"), now: later) else {
            Issue.record("another message is another event")
            return
        }
        #expect(other.metadata.name != first.metadata.name)
    }

    @Test func `the tenth different message of one reason within ten minutes is combined`() {
        var correlator = correlator()
        for index in 0..<9 {
            guard case .create(let event) = correlator.take(occurrence("no \(index)"), now: start) else {
                Issue.record("no \(index) is not told")
                return
            }
            #expect(event.message == "no \(index)")
        }
        guard case .create(let combined) = correlator.take(occurrence("no 9"), now: start) else {
            Issue.record("the tenth is not told")
            return
        }
        #expect(combined.message == "(combined from similar events): no 9")
        guard case .update(let next) = correlator.take(occurrence("no 10"), now: start) else {
            Issue.record("the eleventh is not counted")
            return
        }
        #expect(next.metadata.name == combined.metadata.name && next.count == 2)
        // Ten quiet minutes later they are told one by one again.
        guard case .create(let fresh) = correlator.take(occurrence("no 11"), now: start.advanced(by: .seconds(601)))
        else {
            Issue.record("not told afresh")
            return
        }
        #expect(fresh.message == "no 11")
    }

    @Test func `an object that something happens to all the time is told of 25 times, then once in five minutes`() {
        var correlator = correlator()
        var told = 0
        for _ in 0..<100 { if correlator.take(occurrence("again"), now: start) != .drop { told += 1 } }
        #expect(told == 25)
        #expect(correlator.take(occurrence("again"), now: start.advanced(by: .seconds(299))) == .drop)
        guard case .update(let event) = correlator.take(occurrence("again"), now: start.advanced(by: .seconds(301)))
        else {
            Issue.record("the refill does not come")
            return
        }
        #expect(event.count == 102, "what was not told is counted all the same")
        #expect(correlator.take(occurrence("again"), now: start.advanced(by: .seconds(301))) == .drop)
        #expect(correlator.take(occurrence("it", pod: "other"), now: start) != .drop, "another pod has its own burst")
    }

    @Test func `what is remembered is bounded, and a message is never longer than the API server takes`() {
        var limits = EventCorrelator.Limits()
        limits.remembered = 16
        var correlator = correlator(limits)
        for index in 0..<1000 {
            guard
                case .create(let event) = correlator.take(
                    occurrence(String(repeating: "ä", count: 600), pod: "pod-\(index)"), now: start)
            else {
                Issue.record("pod \(index) is not told of")
                return
            }
            #expect(event.message.utf8.count <= 1024)
        }
        var recent = Recent<Int, Int>(8)
        for index in 0..<100 { recent[index] = index }
        #expect(recent[99] == 99 && recent[0] == nil)
    }
}
