import Testing

@Suite("Layout")
struct LayoutTests {
    let repository = Repository()

    private func ownSources() throws -> [SourceFile] {
        try repository.ownSwiftFiles(under: "Sources").map { SourceFile(path: $0, text: try repository.text($0)) }
    }

    @Test("no two paths differ in case only")
    func caseInsensitive() throws {
        var seen: [String: String] = [:]
        for path in try repository.files() {
            var partial = ""
            for part in path.split(separator: "/") {
                partial += partial.isEmpty ? part : "/" + part
                let folded = partial.lowercased()
                #expect(
                    seen[folded, default: partial] == partial,
                    "\(partial) and \(seen[folded] ?? "") differ in case only")
                seen[folded] = partial
            }
        }
    }

    @Test("platform code stands in +Linux and +Darwin files only, both of them")
    func platforms() throws {
        let files = try ownSources()
        let paths = Set(files.map(\.path))
        for file in files {
            let linux = file.name.hasSuffix("+Linux.swift")
            let darwin = file.name.hasSuffix("+Darwin.swift")
            if linux {
                let twin = file.path.replacing("+Linux.swift", with: "+Darwin.swift")
                #expect(paths.contains(twin), "\(file.path) has no \(twin)")
            } else if darwin {
                let twin = file.path.replacing("+Darwin.swift", with: "+Linux.swift")
                #expect(paths.contains(twin), "\(file.path) has no \(twin)")
            } else {
                for condition in file.systemConditions {
                    Issue.record(
                        "\(file.path):\(condition.line): \(condition.text) belongs in a +Linux or +Darwin file")
                }
                for one in file.imports where ["Glibc", "Musl", "Darwin"].contains(one.module) {
                    #expect(
                        file.enclosingCondition(ofLine: one.line)?.contains("canImport(") == true,
                        "\(file.path):\(one.line) imports \(one.module) outside #if canImport(…)")
                }
            }
        }
    }

    @Test("no file of ours is longer than 450 lines")
    func length() throws {
        for folder in ["Sources", "Tests", "Benchmarks"] where repository.exists(folder) {
            for path in try repository.ownSwiftFiles(under: folder) {
                let lines = SourceFile(path: path, text: try repository.text(path)).lines.count
                #expect(lines <= 450, "\(path) has \(lines) lines: which two concepts is it?")
            }
        }
    }

    @Test("nobody waits for a child with Foundation's call that loses some children's ends")
    func children() throws {
        let call = "waitUntil" + "Exit"
        for folder in ["Sources", "Tests", "Benchmarks"] where repository.exists(folder) {
            for path in try repository.ownSwiftFiles(under: folder) {
                #expect(!(try repository.text(path).contains(call)), "\(path): take Processes or Support.ChildProcess")
            }
        }
    }

    @Test("main.swift is one call")
    func mains() throws {
        for file in try ownSources() where file.name == "main.swift" {
            #expect(file.statements.count == 1, "\(file.path) has \(file.statements.count) statements")
        }
    }

    @Test("generated folders are marked as such")
    func generated() throws {
        let attributes = try repository.text(".gitattributes")
        for folder in Repository.generatedFolders {
            #expect(attributes.contains("\(folder)/** linguist-generated"), "\(folder) in .gitattributes")
        }
    }

    @Test("no text names a machine's path or a package registry")
    func machinePaths() throws {
        // Joined here, so that this file does not name them either.
        let forbidden = [
            ["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"], ["py", "pi.org"], ["registry.np", "mjs"],
            ["proxy.gol", "ang.org"], ["deb.deb", "ian.org"], ["crat", "es.io"], ["rubyg", "ems.org"],
        ].map { $0.joined() }
        for path in try repository.files() where path != "LICENSE" {
            guard let text = try? repository.text(path) else { continue }  // not text
            for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                for word in forbidden where Self.names(line, word) {
                    Issue.record("\(path):\(number + 1) names \(word)")
                }
            }
        }
    }

    /// Whether `word` stands in `line` at the start of a path or host, not inside a longer one.
    private static func names(_ line: Substring, _ word: String) -> Bool {
        line.ranges(of: word).contains { range in
            guard let before = line[..<range.lowerBound].last else { return true }
            return !(before.isLetter || before.isNumber || "_-.)}$".contains(before))
        }
    }
}
