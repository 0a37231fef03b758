import Testing

@Suite("Imports")
struct ImportTests {
    let repository = Repository()

    private func sources(of target: Manifest.Target) throws -> [SourceFile] {
        guard repository.exists(target.folder) else { return [] }
        return try repository.files(under: target.folder).filter { $0.hasSuffix(".swift") }
            .map { SourceFile(path: $0, text: try repository.text($0)) }
    }

    @Test("a file imports only what its target declares")
    func declared() throws {
        for target in try Manifest.load(repository).targets {
            let declared = Set(target.dependencies.map { $0.name.replacing("-", with: "_") })
            let testing: Set = target.type == "test" || target.folder.hasPrefix("Tests/") ? ["Testing"] : []
            let system = testing.union(Walls.frameworks[target.name] ?? [])
            for file in try sources(of: target) {
                for one in file.imports where !declared.contains(one.module) {
                    #expect(
                        Walls.toolchain.union(system).contains(one.module),
                        "\(file.path):\(one.line) imports \(one.module), which target \(target.name) does not declare")
                }
            }
        }
    }

    @Test("a target declares only what its room may have")
    func allowed() throws {
        for target in try Manifest.load(repository).targets where !target.folder.hasPrefix("Tests/") {
            guard let allowed = Walls.mayImport[target.name] else {
                Issue.record("\(target.name) has no row in Walls.mayImport: say what this room may import")
                continue
            }
            for dependency in target.dependencies {
                #expect(
                    allowed.contains(dependency.name),
                    "\(target.name) may not depend on \(dependency.name)")
            }
        }
    }

    @Test("the two halves and the leaves do not reach into each other, by any path")
    func apart() throws {
        let targets = try Manifest.load(repository).targets
        let direct = Dictionary(
            uniqueKeysWithValues: targets.map { ($0.name, $0.dependencies.filter(\.isOfThisSystem).map(\.name)) })
        func reachable(_ name: String) -> Set<String> {
            var seen: Set<String> = []
            var open = [name]
            while let next = open.popLast() {
                for one in direct[next] ?? [] where seen.insert(one).inserted { open.append(one) }
            }
            return seen
        }
        for rule in Walls.neverTogether {
            #expect(!reachable(rule.room).contains(rule.module), "\(rule.room) reaches \(rule.module): \(rule.why)")
        }
    }

    @Test("nothing but tests is built on the double of Apple's framework")
    func double() throws {
        for target in try Manifest.load(repository).targets {
            let isOn = target.dependencies.contains { ["Virtualization", "vm-host-double"].contains($0.name) }
            if isOn { #expect(Walls.onTheDouble.contains(target.name), "\(target.name)") }
        }
    }

    @Test("nothing re-exports a module")
    func exported() throws {
        for path in try repository.ownSwiftFiles(under: "Sources") {
            for one in SourceFile(path: path, text: try repository.text(path)).imports {
                #expect(!one.attributes.contains("@_exported"), "\(path):\(one.line) re-exports \(one.module)")
            }
        }
    }

    @Test("rooms that every daemon carries do without all of Foundation")
    func foundation() throws {
        for room in Walls.withoutFoundation.sorted() {
            for path in try repository.ownSwiftFiles(under: "Sources/\(room)") {
                for one in SourceFile(path: path, text: try repository.text(path)).imports {
                    #expect(
                        one.module != "Foundation",
                        "\(path):\(one.line): import FoundationEssentials, or do without")
                }
            }
        }
    }

    @Test("the import reader understands every form")
    func reader() {
        let literal = String(repeating: "\"", count: 3)
        let text = """
            import A
            public import B
            @testable import C
            import struct D.E
                @preconcurrency internal import F
            // import G
            let text = "import H"
            let more = \(literal)
                import I
                \(literal)
            """
        let file = SourceFile(path: "x.swift", text: text)
        #expect(file.imports.map(\.module) == ["A", "B", "C", "D", "F"])
        #expect(file.imports.map(\.line) == [1, 2, 3, 4, 5])
    }
}
