import Foundation
import Support
import Testing

@testable import HostFiles

@Suite struct RotatedLogsTests {
    @Test func `a log makes room for a new one, and the oldest go`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let log = directory + "/p/c/0.log"
            try SystemFiles.makeDirectories(directory + "/p/c", mode: 0o755)
            try SystemFiles.write(directory + "/p/c/10.log", [], mode: 0o644)
            let logs = LogDirectory(path: directory)
            for round in 1...5 {
                try SystemFiles.write(log, [UInt8(round)], mode: 0o644)
                #expect(try RotatedLogs(of: log, in: logs, largerThan: 1) == nil)
                try #require(try RotatedLogs(of: log, in: logs, largerThan: 0)).makeRoom(keeping: 3)
            }
            let names = try Directories.names(directory + "/p/c").sorted()
            #expect(names.count == 4 && names.contains("10.log"))
            let rotated = names.filter { $0.hasPrefix("0.log.") }
            let content = try rotated.map { try SystemFiles.read(directory + "/p/c/" + $0, limit: 9) }
            #expect(content == [[3], [4], [5]])
            #expect(try RotatedLogs(of: log, in: logs, largerThan: 0) == nil)
            #expect(throws: HostFilesError.self) { try RotatedLogs(of: "/etc/passwd", in: logs, largerThan: 0) }
            try FileManager.default.createSymbolicLink(atPath: log, withDestinationPath: rotated[0])
            #expect(try RotatedLogs(of: log, in: logs, largerThan: 0) == nil)
        }
    }
}
