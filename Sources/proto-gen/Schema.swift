import CProto
import CProtobufC

/// Everything reachable from the services of one package, read off the protobuf-c descriptors.
struct Schema {
    struct Method {
        var name: String
        var request: String
        var response: String
        var streams: Bool
    }

    struct Service {
        var name: String
        var methods: [Method]
    }

    /// By full name, in name order: the output must not depend on the order of discovery.
    private(set) var messages: [String: UnsafePointer<ProtobufCMessageDescriptor>] = [:]
    private(set) var enums: [String: UnsafePointer<ProtobufCEnumDescriptor>] = [:]
    private(set) var services: [Service] = []
    let package: String

    /// - Parameter streaming: names of the methods that stream their answers; protobuf-c's descriptors do not say.
    init(services: [UnsafePointer<ProtobufCServiceDescriptor>], streaming: Set<String>) {
        package = String(cString: services[0].pointee.package)
        for service in services {
            let methods = (0..<Int(service.pointee.n_methods)).map { index -> Method in
                let method = service.pointee.methods[index]
                visit(method.input)
                visit(method.output)
                let name = String(cString: method.name)
                return Method(
                    name: name, request: String(cString: method.input.pointee.name),
                    response: String(cString: method.output.pointee.name), streams: streaming.contains(name))
            }
            self.services.append(
                Service(
                    name: String(cString: service.pointee.short_name), methods: methods.sorted { $0.name < $1.name }))
        }
    }

    private mutating func visit(_ message: UnsafePointer<ProtobufCMessageDescriptor>) {
        let name = String(cString: message.pointee.name)
        guard messages[name] == nil else { return }
        messages[name] = message
        for field in message.fields {
            switch field.type {
            case PROTOBUF_C_TYPE_MESSAGE: visit(field.messageDescriptor)
            case PROTOBUF_C_TYPE_ENUM:
                let values = field.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self)
                enums[String(cString: values.pointee.name)] = values
            default: break
            }
        }
    }
}

extension UnsafePointer<ProtobufCMessageDescriptor> {
    var fields: [ProtobufCFieldDescriptor] {
        (0..<Int(pointee.n_fields)).map { pointee.fields[$0] }
    }

    /// Map fields are repeated messages named `…Entry` with exactly a key and a value.
    var isMapEntry: Bool {
        String(cString: pointee.short_name).hasSuffix("Entry") && fields.count == 2
            && fields.map { String(cString: $0.name) } == ["key", "value"]
            && String(cString: pointee.name).split(separator: ".").count == packageDepth + 2
    }

    private var packageDepth: Int { String(cString: pointee.package_name).split(separator: ".").count }
}

extension ProtobufCFieldDescriptor {
    var messageDescriptor: UnsafePointer<ProtobufCMessageDescriptor> {
        descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
    }
}
