import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

/// A machine without a readiness probe is ready when its guest can be reached.
@Suite struct GuestReadinessTests {
    private func ready(
        _ book: GuestBook, kind: String?, id: String = "one", probe: Bool = false, before: Bool? = nil
    ) -> Bool {
        var pod = Sample.pod()
        let name = pod.spec.containers[0].name
        if probe { pod.spec.containers[0].readinessProbe = Probe() }
        var input = StatusInput(pod: pod, now: Timestamp.now())
        input.runtimeName = "vz-cri"
        input.sandbox = .init {
            $0.state = .sandboxReady
            if let kind { $0.annotations = [RuntimePlan.Annotation.kind: kind] }
        }
        input.containers = [
            .init {
                $0.id = id
                $0.metadata = .init { $0.name = name }
                $0.state = .containerRunning
                $0.startedAt = 1
                $0.createdAt = 1
            }
        ]
        if let before {
            var status = PodStatus()
            var container = ContainerStatus()
            container.name = name
            container.containerID = "vz-cri://\(id)"
            container.ready = before
            status.containerStatuses = [container]
            input.previous = status
        }
        input.readGuests(book)
        return input.status().containerStatuses[0].ready
    }

    @Test("what is told of a machine counts; containers and machines nobody tells of are ready when they run")
    func told() {
        let book = GuestBook()
        #expect(book.replace(["one": true, "two": false]))
        #expect(ready(book, kind: "vm", id: "one") && !ready(book, kind: "vm", id: "two"))
        #expect(!ready(book, kind: "hybrid", id: "two") && ready(book, kind: "hybrid", id: "container"))
        #expect(ready(book, kind: "container", id: "container") && ready(book, kind: nil, id: "container"))
        #expect(book.note("two", isReachable: true) && !book.note("two", isReachable: true))
        #expect(ready(book, kind: "vm", id: "two"))
        // A probe has the word.
        #expect(book.note("two", isReachable: false))
        #expect(ready(book, kind: "vm", id: "two", probe: true))
        #expect(!book.replace(["one": true, "two": false]))
        book.isNotServed()
        #expect(ready(book, kind: "vm", id: "two"))
    }

    @Test("a machine that was not told of yet stays what it was, and one that has just begun is not ready")
    func unknown() {
        let book = GuestBook()
        for _ in 0..<2 {
            #expect(!ready(book, kind: "vm") && !ready(book, kind: "vm", before: false))
            #expect(ready(book, kind: "vm", before: true))
            #expect(ready(book, kind: "container") && ready(book, kind: "hybrid"))
            _ = book.replace([:])
        }
    }
}
