import Support
import Testing

@testable import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

@Suite struct ExamplesTests {
    private let platform = HostPlatform(system: .linux, isRoot: true, environment: [:])
    private var tables: [SettingsTable] { [ShimSettings.table(for: platform), AdapterSettings.table(for: platform)] }

    private func text(_ path: String) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    @Test("the example configuration can be used, and names the defaults of a root's Linux")
    func configuration() throws {
        let file = try ConfigurationFile(path: "config.yaml", text: try text("examples/config.yaml"), tables: tables)
        #expect(file.entries["shim"]?["listen"]?.value == .list(["unix://" + platform.socketPath]))
        #expect(file.entries["adapter"]?["cri"]?.value == .text("unix://" + platform.socketPath))
        #expect(file.entries["shim"]?["dockerHost"]?.value == .text(platform.dockerHost))
    }

    @Test("crictl's example names our socket for both services")
    func crictl() throws {
        let lines = try text("examples/crictl.yaml").split(separator: "\n")
        for service in ["runtime", "image"] {
            #expect(lines.contains("\(service)-endpoint: unix://\(platform.socketPath)"))
        }
    }

    @Test("the documentation lists every key with its flag, variable and default, and no other")
    func documentation() throws {
        let sections = try text("docs/configuration.md").split(separator: "\n## `").dropFirst()
        #expect(sections.count == tables.count)
        for (section, table) in zip(sections, tables) {
            #expect(section.hasPrefix(table.section))
            let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `") }
                .map { $0.split(separator: "|").map { $0.filter { $0 != "`" && $0 != " " } } }
            #expect(rows.map { $0[0] } == table.keys.map(\.name))
            for (row, key) in zip(rows, table.keys) {
                #expect(row[1] == key.flag ?? "", "\(table.section).\(key.name)")
                #expect(row[2] == key.variable ?? "", "\(table.section).\(key.name)")
                switch key.standard {
                case .text(let text): #expect(row[3] == text)
                case .integer(let number): #expect(row[3] == "\(number)")
                case .boolean(let truth): #expect(row[3] == "\(truth)")
                case .list(let texts) where !texts.isEmpty: #expect(row[3] == texts.joined(separator: ","))
                default: break
                }
            }
        }
    }
}
