import CProto
import CProtobufC
import Foundation
import Proto
import RPC
import Testing

/// Our descriptors against the table of the public CRI: the same facts, no more and no fewer.
@Suite("CRI wire compatibility")
struct WireFactsTests {
    private static func table() throws -> Set<String> {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "cri-wire-facts.tsv")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }
        return Set(lines.map { $0.replacingOccurrences(of: "\\s+$", with: "", options: .regularExpression) })
    }

    @Test("every message, field, enum value and method of the public CRI exists here, and nothing else")
    func facts() throws {
        let expected = try Self.table()
        #expect(expected.count > 800)
        var walker = DescriptorFacts()
        walker.visit(cri__runtime_service__desc(), streaming: Self.streaming)
        walker.visit(cri__image_service__desc(), streaming: Self.streaming)
        let missing = expected.subtracting(walker.facts).sorted()
        let surplus = walker.facts.subtracting(expected).sorted()
        #expect(missing.isEmpty, "missing: \(missing.prefix(10))")
        #expect(surplus.isEmpty, "not in the public CRI: \(surplus.prefix(10))")
    }

    /// Whether a method streams is the one fact that protobuf-c does not keep; the Swift stubs do.
    private static let streaming: Set<String> = {
        var names: Set<String> = []
        func note(_ method: Any, _ name: String) {
            if String(describing: type(of: method)).hasPrefix("ServerStreamingMethod") { names.insert(name) }
        }
        note(CRI.RuntimeService.streamPodSandboxes, "StreamPodSandboxes")
        note(CRI.RuntimeService.streamContainers, "StreamContainers")
        note(CRI.RuntimeService.streamContainerStats, "StreamContainerStats")
        note(CRI.RuntimeService.streamPodSandboxStats, "StreamPodSandboxStats")
        note(CRI.RuntimeService.streamPodSandboxMetrics, "StreamPodSandboxMetrics")
        note(CRI.RuntimeService.getContainerEvents, "GetContainerEvents")
        note(CRI.RuntimeService.version, "Version")
        note(CRI.ImageService.streamImages, "StreamImages")
        return names
    }()

    @Test("the services know all their methods")
    func methods() {
        #expect(CRI.RuntimeService.allMethods.count == 37)
        #expect(CRI.ImageService.allMethods.count == 6)
        #expect(CRI.RuntimeService.version.path == "/runtime.v1.RuntimeService/Version")
    }
}

private struct DescriptorFacts {
    var facts: Set<String> = ["package\truntime.v1"]
    private var seen: Set<String> = []

    private func local(_ name: UnsafePointer<CChar>) -> String {
        String(String(cString: name).dropFirst("runtime.v1.".count))
    }

    mutating func visit(_ service: UnsafePointer<ProtobufCServiceDescriptor>, streaming: Set<String>) {
        let name = String(cString: service.pointee.short_name)
        facts.insert("service\t\(name)")
        for index in 0..<Int(service.pointee.n_methods) {
            let method = service.pointee.methods[index]
            let methodName = String(cString: method.name)
            let kind = streaming.contains(methodName) ? "server-stream" : "unary"
            facts.insert(
                "rpc\t\(name)\t\(methodName)\t\(local(method.input.pointee.name))\t\(local(method.output.pointee.name))\t\(kind)"
            )
            visit(method.input)
            visit(method.output)
        }
    }

    private mutating func visit(_ message: UnsafePointer<ProtobufCMessageDescriptor>) {
        let name = local(message.pointee.name)
        guard seen.insert(name).inserted else { return }
        facts.insert("message\t\(name)")
        for index in 0..<Int(message.pointee.n_fields) {
            let field = message.pointee.fields[index]
            let label = field.label == PROTOBUF_C_LABEL_REPEATED ? "repeated" : "optional"
            facts.insert("field\t\(name)\t\(String(cString: field.name))\t\(field.id)\t\(type(of: field))\t\(label)")
        }
    }

    private mutating func type(of field: ProtobufCFieldDescriptor) -> String {
        switch field.type {
        case PROTOBUF_C_TYPE_STRING: return "string"
        case PROTOBUF_C_TYPE_BYTES: return "bytes"
        case PROTOBUF_C_TYPE_BOOL: return "bool"
        case PROTOBUF_C_TYPE_INT32: return "int32"
        case PROTOBUF_C_TYPE_UINT32: return "uint32"
        case PROTOBUF_C_TYPE_INT64: return "int64"
        case PROTOBUF_C_TYPE_UINT64: return "uint64"
        case PROTOBUF_C_TYPE_DOUBLE: return "double"
        case PROTOBUF_C_TYPE_MESSAGE:
            let message = field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
            visit(message)
            return String(cString: message.pointee.name)
        case PROTOBUF_C_TYPE_ENUM:
            let values = field.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self)
            let name = local(values.pointee.name)
            if seen.insert(name).inserted {
                facts.insert("enum\t\(name)")
                for index in 0..<Int(values.pointee.n_values) {
                    let value = values.pointee.values[index]
                    facts.insert("value\t\(name)\t\(String(cString: value.name))\t\(value.value)")
                }
            }
            return String(cString: values.pointee.name)
        default: return "unknown(\(field.type.rawValue))"
        }
    }
}
