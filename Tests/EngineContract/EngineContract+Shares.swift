import Foundation
import Testing
import VZEngine

extension EngineContract {
    private static func folder(_ path: String, _ text: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try text.write(toFile: path + "/host", atomically: false, encoding: .utf8)
        return path
    }

    static let shareClauses = [
        Clause("directories are shared both ways, and one that is read-only stays so") { subject, directory in
            var made = try await subject.make(in: directory, hasGuest: true)
            let open = try folder(directory + "/open", "from the host")
            let closed = try folder(directory + "/closed dir", "from the host too")
            made.config.shares = [
                .init(tag: "open", source: open, readOnly: false), .init(tag: "closed", source: closed, readOnly: true),
            ]
            let run = try await made.run()
            try await run.booted()
            #expect(try await run.read("host", ofShare: "open") == "from the host")
            #expect(try await run.read("host", ofShare: "closed") == "from the host too")
            #expect(try await run.write("from the guest", to: "guest", ofShare: "open"))
            #expect(try await !run.write("from the guest", to: "guest", ofShare: "closed"))
            #expect(try String(contentsOfFile: open + "/guest", encoding: .utf8) == "from the guest")
            #expect(try FileManager.default.contentsOfDirectory(atPath: closed) == ["host"])
            try await finish(run, made)
        },
        Clause("a share of a running machine becomes another directory") { subject, directory in
            var made = try await subject.make(in: directory, hasGuest: true)
            let (old, new) = (try folder(directory + "/old", "old"), try folder(directory + "/new", "new"))
            made.config.shares = [.init(tag: "data", source: old, readOnly: false)]
            let run = try await made.run()
            try await run.booted()
            let machine = run.machine
            let other = MachineConfig.Share(tag: "data", source: new, readOnly: true)
            if try await works(.replaceShare, subject, run, { try await machine.replaceShare(other) }) {
                #expect(try await run.read("host", ofShare: "data") == "new")
                #expect(try await !run.write("x", to: "guest", ofShare: "data"))
                let unknown = MachineConfig.Share(tag: "other", source: new, readOnly: true)
                #expect(await code { try await machine.replaceShare(unknown) } == .invalidArgument)
                let absent = MachineConfig.Share(tag: "data", source: directory + "/none", readOnly: true)
                #expect(await code { try await machine.replaceShare(absent) } == .invalidArgument)
                #expect(try await run.read("host", ofShare: "data") == "new")
            } else {
                #expect(try await run.read("host", ofShare: "data") == "old")
            }
            try await finish(run, made)
        },
    ]
}
