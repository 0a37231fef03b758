extension Pod {
    /// The pods of a file, and one failure for every object that is no readable, valid pod.
    public struct Manifest: Sendable {
        /// With defaults applied.
        public var pods: [Pod] = []
        /// Each message names file and line, the field and what to do.
        public var failures: [KubeAPIError] = []
    }

    /// Reads the pods of a manifest file.
    /// - Parameters:
    ///   - bytes: YAML or JSON, any number of documents, lists expanded.
    ///   - file: how the failures name the file.
    public static func manifest(_ bytes: [UInt8], file: String) -> Manifest {
        var manifest = Manifest()
        for entry in Documents.read(bytes, file: file) {
            switch entry {
            case .failure(let error): manifest.failures.append(error)
            case .object(let value):
                do throws(DecodingIssue) {
                    manifest.pods.append(try pod(value))
                } catch {
                    let line = error.line > 0 ? error.line : value.line
                    manifest.failures.append(Documents.error(file, line, name(value) + error.description))
                }
            }
        }
        return manifest
    }

    private static func pod(_ value: Value) throws(DecodingIssue) -> Pod {
        let kind = value["kind"]?.string ?? ""
        let version = value["apiVersion"]?.string ?? ""
        guard kind == "Pod", version == "v1" else {
            let found = kind.isEmpty ? "an object without kind" : "\(version) \(kind)"
            throw DecodingIssue(path: "", line: value.line, reason: "\(found) cannot run here, only v1 Pod can")
        }
        var pod = try Pod(value)
        pod.applyDefaults()
        if var problem = pod.validate().first {
            problem.line = value.line(at: problem.path)
            throw problem
        }
        return pod
    }

    private static func name(_ value: Value) -> String {
        guard value["kind"]?.string == "Pod", let name = value["metadata"]?["name"]?.string else { return "" }
        return "pod \"\(name)\": "
    }
}

extension Value {
    /// The line of the node a path like `spec.containers[0].image` names, or of the nearest node above it.
    func line(at path: String) -> Int {
        var node = self
        for part in path.split(whereSeparator: { $0 == "." || $0 == "[" }) {
            if part.hasSuffix("]"), let index = Int(part.dropLast()) {
                guard let array = node.array, array.indices.contains(index) else { break }
                node = array[index]
            } else {
                guard let next = node[String(part)] else { break }
                node = next
            }
        }
        return node.line
    }
}
