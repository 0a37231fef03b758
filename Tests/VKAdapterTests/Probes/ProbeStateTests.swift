import KubeAPI
import Testing

@testable import VKAdapter

/// A probe with a clock of the test's: `s`, `f` and `u` are looks that end well, badly, or not at all.
@Suite struct ProbeStateTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var kind: ProbeState.Kind
        var success: Int32 = 1
        var failure: Int32 = 3
        var looks: String
        /// After each look: `+` good, `-` not.
        var results: String
        var testDescription: String { "\(kind) s\(success) f\(failure): \(looks)" }
    }

    static func probe(_ configure: (inout Probe) -> Void = { _ in }) -> Probe {
        var probe = Probe { $0.exec = ExecAction { $0.command = ["true"] } }
        configure(&probe)
        probe.applyDefaults()
        return probe
    }

    static func run(_ id: String = "c-0", started: Bool = true, at seconds: Int64 = 0) -> ProbeState.Run {
        ProbeState.Run(id: id, startedAt: Runtime.timestamp(seconds), hasStarted: started)
    }

    static let cases: [Case] = [
        Case(kind: .readiness, looks: "s", results: "+"),
        Case(kind: .readiness, looks: "f", results: "-"),
        Case(kind: .readiness, success: 2, looks: "sfss", results: "---+"),
        Case(kind: .readiness, looks: "sfffs", results: "+++-+"),
        Case(kind: .readiness, looks: "sffsff", results: "++++++"),
        Case(kind: .readiness, failure: 1, looks: "sfs", results: "+-+"),
        Case(kind: .readiness, looks: "sffuf", results: "++++-"),
        Case(kind: .liveness, looks: "u", results: "+"),
        Case(kind: .liveness, looks: "ffsff", results: "+++++"),
        Case(kind: .liveness, looks: "fff", results: "++-"),
        Case(kind: .startup, looks: "ffs", results: "--+"),
        Case(kind: .startup, failure: 30, looks: "ffffffs", results: "------+"),
    ]

    @Test("thresholds count looks in a row, and what could not be asked counts for nothing", arguments: cases)
    func thresholds(_ one: Case) {
        var state = ProbeState(
            one.kind,
            Self.probe {
                $0.successThreshold = one.success
                $0.failureThreshold = one.failure
            })
        var now = Runtime.timestamp(0)
        var results = ""
        for look in one.looks {
            #expect(state.step(Self.run(), now: now) == .probe)
            let outcome: ProbeState.Outcome = look == "s" ? .success : look == "f" ? .failure("no") : .unknown("?")
            _ = state.take(outcome, of: "c-0", began: now, now: now)
            results += state.isGood ? "+" : "-"
            if state.failedRun == nil, one.kind != .startup || !state.isGood {
                #expect(state.step(Self.run(), now: now) == .wait(until: now.advanced(by: .seconds(10))))
            }
            now = now.advanced(by: .seconds(10))
        }
        #expect(results == one.results)
    }

    @Test("nothing is asked before the delay is over, counted from the start of the container")
    func delay() {
        var state = ProbeState(.readiness, Self.probe { $0.initialDelaySeconds = 20 })
        #expect(state.step(nil, now: Runtime.timestamp(0)) == .rest)
        #expect(state.step(Self.run(at: 5), now: Runtime.timestamp(10)) == .wait(until: Runtime.timestamp(25)))
        #expect(state.step(Self.run(at: 5), now: Runtime.timestamp(25)) == .probe)
    }

    @Test("liveness and readiness wait for the start")
    func start() {
        for kind in [ProbeState.Kind.readiness, .liveness] {
            var state = ProbeState(kind, Self.probe())
            #expect(state.step(Self.run(started: false), now: Runtime.timestamp(0)) == .rest)
            #expect(state.step(Self.run(), now: Runtime.timestamp(0)) == .probe)
        }
    }

    @Test("a machine that boots is not asked whether it is alive, but whether it is ready")
    func booting() {
        var run = Self.run()
        run.isBooting = true
        var liveness = ProbeState(.liveness, Self.probe())
        #expect(liveness.step(run, now: Runtime.timestamp(0)) == .rest)
        var readiness = ProbeState(.readiness, Self.probe())
        #expect(readiness.step(run, now: Runtime.timestamp(0)) == .probe)
        run.isBooting = false
        #expect(liveness.step(run, now: Runtime.timestamp(20)) == .probe)
    }

    @Test("a start-up probe is not asked again once it has succeeded")
    func startup() {
        var state = ProbeState(.startup, Self.probe())
        #expect(state.step(Self.run(started: false), now: Runtime.timestamp(0)) == .probe)
        let isNews = state.take(.success, of: "c-0", began: Runtime.timestamp(0), now: Runtime.timestamp(0))
        #expect(isNews)
        #expect(state.step(Self.run(), now: Runtime.timestamp(100)) == .rest)
    }

    @Test(
        "a run that failed is not asked again; the next one begins anew",
        arguments: [ProbeState.Kind.liveness, .startup])
    func hold(kind: ProbeState.Kind) {
        var state = ProbeState(kind, Self.probe { $0.failureThreshold = 1 })
        #expect(state.step(Self.run(), now: Runtime.timestamp(0)) == .probe)
        let isNews = state.take(.failure("no"), of: "c-0", began: Runtime.timestamp(0), now: Runtime.timestamp(0))
        #expect(isNews)
        #expect(state.failedRun == "c-0")
        #expect(state.step(Self.run(), now: Runtime.timestamp(100)) == .rest)
        #expect(state.step(Self.run("c-1", at: 100), now: Runtime.timestamp(100)) == .probe)
        #expect(state.failedRun == nil)
    }

    @Test("what comes of a run that is gone is not counted")
    func lateAnswer() {
        var state = ProbeState(.readiness, Self.probe())
        #expect(state.step(Self.run(), now: Runtime.timestamp(0)) == .probe)
        #expect(state.step(Self.run("c-1"), now: Runtime.timestamp(1)) == .probe)
        let isNews = state.take(.success, of: "c-0", began: Runtime.timestamp(0), now: Runtime.timestamp(2))
        #expect(!isNews)
        #expect(!state.isGood)
    }

    @Test("a container that was ready before the adapter started stays ready until it is asked")
    func adopted() {
        var state = ProbeState(.readiness, Self.probe())
        let now = Runtime.timestamp(1000)
        #expect(state.step(Self.run(), now: now, known: true, spread: 0.5) == .wait(until: Runtime.timestamp(1005)))
        #expect(state.isGood)
        var other = ProbeState(.readiness, Self.probe())
        _ = other.step(Self.run(), now: now, known: false, spread: 0)
        #expect(!other.isGood)
    }

    @Test("a look that takes longer than a period is followed by the next at once, not by several")
    func slow() {
        var state = ProbeState(.readiness, Self.probe { $0.periodSeconds = 1 })
        #expect(state.step(Self.run(), now: Runtime.timestamp(0)) == .probe)
        _ = state.take(.success, of: "c-0", began: Runtime.timestamp(0), now: Runtime.timestamp(7))
        #expect(state.step(Self.run(), now: Runtime.timestamp(7)) == .probe)
        _ = state.take(.success, of: "c-0", began: Runtime.timestamp(7), now: Runtime.timestamp(7))
        #expect(state.step(Self.run(), now: Runtime.timestamp(7)) == .wait(until: Runtime.timestamp(8)))
    }

    @Test("any odd probe has a result", arguments: [Int32.min, -1, 0, .max])
    func hostile(number: Int32) {
        for kind in ProbeState.Kind.allCases {
            var state = ProbeState(
                kind,
                Probe {
                    $0.initialDelaySeconds = number
                    $0.periodSeconds = number
                    $0.timeoutSeconds = number
                    $0.failureThreshold = number
                    $0.successThreshold = number
                })
            var now = Runtime.timestamp(0)
            for _ in 0..<4 {
                if case .probe = state.step(Self.run(), now: now) {
                    _ = state.take(.failure(""), of: "c-0", began: now, now: now)
                }
                now = now.advanced(by: .seconds(10))
            }
            #expect(state.timeout >= .seconds(1))
        }
    }
}
