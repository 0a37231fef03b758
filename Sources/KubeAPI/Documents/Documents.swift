/// Reads files of Kubernetes objects: YAML with any number of documents, JSON with any number of texts.
public enum Documents {
    /// One object of a file, or why it cannot be read.
    public enum Entry: Sendable {
        case object(Value)
        case failure(KubeAPIError)
    }

    /// Every object of a file in order; members of a `List` stand for themselves. An unreadable document is one
    /// failure that names file and line, and the others are still read.
    /// - Parameters:
    ///   - bytes: UTF-8, with or without a byte order mark.
    ///   - file: how the failures name the file.
    public static func read(_ bytes: [UInt8], file: String) -> [Entry] {
        var bytes = bytes[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return [.failure(error(file, 0, "not UTF-8 text"))]
        }
        if let json = json(bytes) { return json.flatMap { expanded($0, file: file) } }
        var entries: [Entry] = []
        for part in split(text) {
            do throws(DecodingIssue) {
                guard let value = try YAMLReader.read(part.text, firstLine: part.line) else { continue }
                entries += expanded(value, file: file)
            } catch {
                entries.append(.failure(Self.error(file, error.line, error.description)))
            }
        }
        return entries
    }

    /// One JSON text, as a request body or an answer of an API server.
    public static func json(_ bytes: [UInt8]) throws(KubeAPIError) -> Value {
        do throws(DecodingIssue) {
            return try JSONReader.read(bytes)
        } catch {
            throw KubeAPIError(.invalidArgument, "cannot read JSON, line \(error.line): \(error)")
        }
    }

    static func error(_ file: String, _ line: Int, _ reason: String) -> KubeAPIError {
        KubeAPIError(.invalidArgument, line > 0 ? "\(file):\(line): \(reason)" : "\(file): \(reason)")
    }

    /// The file as JSON; `nil` when it is something else, as YAML in flow style.
    private static func json(_ bytes: ArraySlice<UInt8>) -> [Value]? {
        guard let first = bytes.first(where: { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }), first == UInt8(ascii: "{")
        else { return nil }
        do throws(DecodingIssue) {
            return try JSONReader.readAll(Array(bytes))
        } catch {
            return nil
        }
    }

    private static func expanded(_ value: Value, file: String) -> [Entry] {
        guard case .object = value.kind else {
            return [.failure(error(file, value.line, "expected a Kubernetes object, found \(value.kindName)"))]
        }
        guard let kind = value["kind"]?.string, kind.hasSuffix("List"), let items = value["items"]?.array else {
            return [.object(value)]
        }
        let itemKind = String(kind.dropLast(4))
        return items.flatMap { item -> [Entry] in
            guard case .object(var members) = item.kind else { return expanded(item, file: file) }
            if !itemKind.isEmpty, item["kind"] == nil {
                members.insert(Member("kind", Value(.string(itemKind), line: item.line)), at: 0)
                if item["apiVersion"] == nil, let version = value["apiVersion"] {
                    members.insert(Member("apiVersion", version), at: 1)
                }
            }
            return expanded(Value(.object(members), line: item.line), file: file)
        }
    }

    /// The documents of a YAML file and the lines they start on. `---` at the start of a line separates; a YAML
    /// error in one document cannot reach the next one.
    private static func split(_ text: String) -> [(text: String, line: Int)] {
        var parts: [(text: [UInt8], line: Int)] = [([], 1)]
        for (index, line) in text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let line = line.last == 0x0D ? line.dropLast() : line
            let last = parts.count - 1
            if line.starts(with: "---".utf8), line.count == 3 || isBlank(line[line.index(line.startIndex, offsetBy: 3)])
            {
                // What stands beside the marker belongs to the new document; blanks keep its column.
                parts.append((Array("   ".utf8) + line.dropFirst(3) + [0x0A], index + 1))
            } else if line.elementsEqual("...".utf8) {
                parts[last].text.append(0x0A)
            } else {
                parts[last].text.append(contentsOf: line)
                parts[last].text.append(0x0A)
            }
        }
        return parts.filter { part in
            part.text.split(separator: 0x0A).contains { line in
                let first = line.first { !isBlank($0) }
                return first != nil && first != UInt8(ascii: "#")
            }
        }.map { (String(decoding: $0.text, as: UTF8.self), $0.line) }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
