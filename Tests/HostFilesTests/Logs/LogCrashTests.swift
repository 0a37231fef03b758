import Foundation
import NIOCore
import Support
import Testing

@testable import HostFiles

/// Every point at which the writer or the kubelet may stop, one after the other.
@Suite struct LogCrashTests {
    private static let start: Int64 = 1_700_000_000_000_000_000

    /// What the engine has: it hands out everything from a time on, again and again.
    private let source: [LogLine] = {
        // Some share a time, some cross, some are empty, cut, binary, or look like an entry themselves.
        let offsets: [Int64] = [
            0, 0, 0, 5, 3, 40_000_000, 39_000_000, 40_000_000, 900_000_000, 900_000_000, 900_000_001,
        ]
        let contents = [
            "a", "", "2023-11-14T22:13:20.000000000Z stdout F b", "é", "\u{0}\u{1}", " ", "P", "x y z", "q", "r", "s",
        ]
        return zip(offsets, contents).enumerated().map { number, pair in
            LogLine(
                timestamp: start + pair.0, stream: number % 3 == 1 ? .stderr : .stdout, isPartial: number % 4 == 2,
                content: ByteBuffer(string: pair.1))
        }
    }()

    private func encoded(_ lines: some Sequence<LogLine>) -> [UInt8] {
        var buffer = ByteBuffer()
        for line in lines { line.append(to: &buffer) }
        return Array(buffer.readableBytesView)
    }

    private func contents(_ paths: String...) throws -> [UInt8] {
        try paths.flatMap { try [UInt8](Data(contentsOf: URL(filePath: $0))) }
    }

    private func put(_ bytes: some Sequence<UInt8>, _ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: String(path[..<path.lastIndex(of: "/")!]), withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(filePath: path))
    }

    /// A new process: opens, asks the source from there on, writes all it gets, ends.
    private func resume(_ path: String, _ cursor: String, until count: Int? = nil) async throws {
        let file = LogFile(path: path, cursorPath: cursor)
        let position = try await file.open()
        let rest = source.prefix(count ?? source.count).filter { $0.timestamp >= position?.timestamp ?? .min }
        for line in rest { try await file.append([line]) }
        try await file.close()
    }

    @Test func `a file cut at any byte is completed, every line once`() async throws {
        let whole = encoded(source)
        try await withTemporaryDirectory { directory in
            for (hasCursor, end) in [true, false].flatMap({ has in (0...whole.count).map { (has, $0) } }) {
                let (path, cursor) = (
                    "\(directory)/\(end)-\(hasCursor)/0.log", "\(directory)/\(end)-\(hasCursor).cursor"
                )
                try put([], path)
                if hasCursor { try await resume(path, cursor, until: 0) }
                let handle = try #require(FileHandle(forWritingAtPath: path))
                try handle.write(contentsOf: whole[..<end])
                try handle.close()
                try await resume(path, cursor)
                #expect(try contents(path) == whole, "cut at \(end), cursor \(hasCursor)")
            }
        }
    }

    /// Where the kubelet's rotation and we can be interrupted.
    enum Interruption: CaseIterable {
        /// Renamed, and nobody was here to be told.
        case renamed
        /// The new file is there, the record still names the old one.
        case created
        /// The record names the new file, which is empty.
        case recorded
        /// Renamed back, as the kubelet does when nobody answers.
        case renamedBack
    }

    @Test(arguments: Interruption.allCases)
    func `a rotation interrupted after any number of lines loses and repeats none`(_ interruption: Interruption)
        async throws
    {
        try await withTemporaryDirectory { directory in
            for count in 0...source.count {
                let place = "\(directory)/\(count)"
                let (path, old, cursor) = (
                    place + "/logs/0.log", place + "/logs/0.log.20231114-221320", place + "/cursor"
                )
                try await resume(path, cursor, until: count)
                try FileManager.default.moveItem(atPath: path, toPath: old)
                switch interruption {
                case .renamed: break
                case .created: try put([], path)
                case .recorded:
                    let file = LogFile(path: path, cursorPath: cursor)
                    _ = try await file.open()
                    try await file.close()
                case .renamedBack: try FileManager.default.moveItem(atPath: old, toPath: path)
                }
                try await resume(path, cursor)
                let all = interruption == .renamedBack ? try contents(path) : try contents(old, path)
                #expect(all == encoded(source), "\(count) lines before")
                if interruption != .renamedBack { #expect(try contents(old) == encoded(source.prefix(count))) }
            }
        }
    }

    @Test func `two rotations with a kill after each lose and repeat nothing`() async throws {
        try await withTemporaryDirectory { directory in
            for first in 0...source.count {
                for second in first...source.count {
                    let place = "\(directory)/\(first)-\(second)"
                    let (path, cursor) = (place + "/logs/0.log", place + "/cursor")
                    try await resume(path, cursor, until: first)
                    try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
                    try await resume(path, cursor, until: second)
                    try FileManager.default.moveItem(atPath: path, toPath: path + ".2")
                    try await resume(path, cursor)
                    #expect(try contents(path + ".1", path + ".2", path) == encoded(source), "\(first), \(second)")
                }
            }
        }
    }

    @Test func `a file that was torn and then renamed while nobody ran is completed in the next`() async throws {
        let whole = encoded(source)
        try await withTemporaryDirectory { directory in
            for end in 0...whole.count {
                let place = "\(directory)/\(end)"
                let (path, cursor) = (place + "/logs/0.log", place + "/cursor")
                try await resume(path, cursor, until: 0)
                let handle = try #require(FileHandle(forWritingAtPath: path))
                try handle.write(contentsOf: whole[..<end])
                try handle.close()
                try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
                try await resume(path, cursor)
                #expect(try contents(path + ".1", path) == whole, "cut at \(end)")
            }
        }
    }

    @Test func `a stream that breaks off anywhere goes on where it was`() async throws {
        try await withTemporaryDirectory { directory in
            let file = LogFile(path: directory + "/logs/0.log", cursorPath: directory + "/cursor")
            for count in 0...source.count {
                let position = try await file.open()
                try await file.append(source.prefix(count).filter { $0.timestamp >= position?.timestamp ?? .min })
            }
            try await file.close()
            #expect(try contents(directory + "/logs/0.log") == encoded(source))
        }
    }

    @Test func `a dense log is resumed`() async throws {
        // More than one block of the tail within the time that is looked back.
        let dense = (0..<6000).map { number in
            LogLine(
                timestamp: Self.start + Int64(number), stream: .stdout, isPartial: false,
                content: ByteBuffer(string: "\(number)"))
        }
        try await withTemporaryDirectory { directory in
            let (path, cursor) = (directory + "/logs/0.log", directory + "/cursor")
            for count in [3000, 5999, 6000] {
                let file = LogFile(path: path, cursorPath: cursor)
                let position = try await file.open()
                try await file.append(dense.prefix(count).filter { $0.timestamp >= position?.timestamp ?? .min })
                try await file.close()
            }
            #expect(try contents(path) == encoded(dense))
        }
    }

    @Test(arguments: ["", "vzcri-log-cursor 1\n", "nonsense\n1 2\n", "vzcri-log-cursor 1\nx y\n"])
    func `a record that is none is as good as no record`(_ record: String) async throws {
        try await withTemporaryDirectory { directory in
            let (path, cursor) = (directory + "/logs/0.log", directory + "/cursor")
            try await resume(path, cursor, until: 4)
            try put(record.utf8, cursor)
            try await resume(path, cursor)
            #expect(try contents(path) == encoded(source))
        }
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func `a full disk is said to be one`() async throws {
        try await withTemporaryDirectory { directory in
            let file = LogFile(path: "/dev/full", cursorPath: directory + "/cursor")
            _ = try await file.open()
            let error = await #expect(throws: HostFilesError.self) { try await file.append([source[0]]) }
            #expect(error?.code == .noSpace)
            try await file.close()
        }
    }
}
