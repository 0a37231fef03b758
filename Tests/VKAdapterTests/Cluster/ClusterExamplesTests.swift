import FoundationEssentials
import KubeAPI
import Testing

@testable import VKAdapter

/// What people apply to a cluster says what this program reads.
struct ClusterExamplesTests {
    private func example(_ name: String) throws -> Value {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let bytes = try Data(contentsOf: root.appending(path: "examples/\(name)"))
        guard case .object(let value)? = Documents.read(Array(bytes), file: name).first else {
            throw CocoaError(.fileReadCorruptFile)
        }
        return value
    }

    @Test func `the pods of the example that brings images only bring images`() throws {
        let template = try #require(try example("prepull.yaml")["spec"]?["template"])
        var pod = try Pod(template)
        pod.spec.restartPolicy = .always
        #expect(PullOnly(pod) != nil)
    }

    @Test func `the example's runtime class counts places of machines, on nodes like ours`() throws {
        let runtimeClass = try example("runtimeclass.yaml")
        #expect(runtimeClass["handler"]?.string == "vm")
        #expect(runtimeClass["overhead"]?["podFixed"]?[NodeDescription.slots]?.string == "1")
        let scheduling = try #require(runtimeClass["scheduling"])
        let labels = NodeDescription.standardLabels(name: "n", os: "darwin", architecture: "arm64")
        for (name, value) in labels where scheduling["nodeSelector"]?[name] != nil {
            #expect(scheduling["nodeSelector"]?[name]?.string == value)
        }
        #expect(scheduling["nodeSelector"]?["type"] != nil)
        let text = String(decoding: scheduling.jsonBytes(), as: UTF8.self)
        #expect(text.contains(#""key":"\#(NodeDescription.taintKey)""#))
    }
}
