import Testing

@testable import CRIControl

@Suite("Display")
struct DisplayTests {
    @Test(
        "an age is the largest whole unit",
        arguments: [
            (0, "0s"), (45, "45s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_799, "47h"),
            (172_800, "2d"), (1_000_000, "11d"),
        ] as [(Int64, String)])
    func age(seconds: Int64, text: String) {
        #expect(Display.age(of: 1_000, now: 1_000 + seconds * 1_000_000_000) == text)
    }

    @Test("an unknown time has no age, a future one is 0s")
    func oddAges() {
        #expect(Display.age(of: 0, now: 5) == "-")
        #expect(Display.age(of: 9_000_000_000, now: 5) == "0s")
    }

    @Test(
        "sizes have three digits",
        arguments: [
            (0, "0B"), (999, "999B"), (1000, "1.00kB"), (1_240_000, "1.24MB"), (56_190_000, "56.1MB"),
            (742_000_000, "742MB"), (1_000_000_000, "1.00GB"), (UInt64.max, "18.4EB"),
        ] as [(UInt64, String)])
    func size(bytes: UInt64, text: String) {
        #expect(Display.size(bytes) == text)
    }

    @Test("ids are short, states are words")
    func words() {
        #expect(Display.shortID("sha256:0123456789abcdef0123") == "0123456789abc")
        #expect(Display.shortID("01") == "01")
        #expect(Display.state("CONTAINER_RUNNING", prefix: "CONTAINER_") == "Running")
        #expect(Display.state("SANDBOX_NOTREADY", prefix: "SANDBOX_") == "NotReady")
    }

    @Test("a table aligns its columns and cannot be made to move the cursor")
    func table() {
        var table = Table(["ID", "NAME", "STATE"])
        table.add(["1", "a longer name", "Running"])
        table.add(["22", "b\u{1B}[2J", ""])
        table.add(["3"])
        #expect(
            table.text == """
                ID  NAME           STATE
                1   a longer name  Running
                22  b [2J
                3

                """)
    }

    @Test("ports are read, and what is no port is refused")
    func ports() throws {
        #expect(try PortMapping(parsing: "8080:80") == PortMapping(parsing: "8080:80"))
        #expect(try PortMapping(parsing: "80").local == 80)
        #expect(try PortMapping(parsing: ":80").local == 0)
        for text in ["", "a", "0", "80:", "70000", "1:2:3", "-1:80", "1:70000"] {
            #expect(throws: ControlError.self, "\(text)") { try PortMapping(parsing: text) }
        }
    }
}
