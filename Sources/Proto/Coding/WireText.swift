import CProtobufC

/// Renders a message as protobuf's JSON by walking its descriptor: lowerCamelCase names, enums by name, 64-bit integers as
/// strings, bytes in base64, defaults left out.
enum WireText {
    /// Fields that carry secrets, wherever they occur.
    private static let secrets: Set<String> = ["password", "auth", "identity_token", "registry_token"]

    static func describe<M: WireMessage>(_ value: M, redacting: Bool) -> String {
        let arena = Arena(capacity: 2048)
        do {
            let message = UnsafeRawPointer(try arena.message(value))
            var out = ""
            write(message, M.descriptor, redacting, &out)
            return withExtendedLifetime(arena) { out }
        } catch {
            return "{\"error\":\(quote("\(error)"))}"
        }
    }

    private static func write(
        _ message: UnsafeRawPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, _ redacting: Bool,
        _ out: inout String
    ) {
        out += "{"
        var first = true
        for index in 0..<Int(descriptor.pointee.n_fields) {
            let field = descriptor.pointee.fields[index]
            guard isSet(field, message) else { continue }
            if !first { out += "," }
            first = false
            let name = String(cString: field.name)
            out += quote(jsonName(name)) + ":"
            if redacting, field.type == PROTOBUF_C_TYPE_STRING, secrets.contains(name) {
                out += "\"[redacted]\""
            } else if field.label == PROTOBUF_C_LABEL_REPEATED {
                writeRepeated(field, message, redacting, &out)
            } else {
                writeValue(message + Int(field.offset), field, redacting, &out)
            }
        }
        out += "}"
    }

    private static func isSet(_ field: ProtobufCFieldDescriptor, _ message: UnsafeRawPointer) -> Bool {
        if field.label == PROTOBUF_C_LABEL_REPEATED {
            return message.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self) > 0
        }
        let place = message + Int(field.offset)
        switch field.type {
        case PROTOBUF_C_TYPE_MESSAGE: return place.load(as: UnsafeRawPointer?.self) != nil
        case PROTOBUF_C_TYPE_STRING: return place.load(as: UnsafePointer<CChar>?.self).map { $0[0] != 0 } ?? false
        case PROTOBUF_C_TYPE_BYTES: return place.load(as: ProtobufCBinaryData.self).len > 0
        case PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_DOUBLE:
            return place.load(as: UInt64.self) != 0
        default: return place.load(as: UInt32.self) != 0
        }
    }

    private static func writeRepeated(
        _ field: ProtobufCFieldDescriptor, _ message: UnsafeRawPointer, _ redacting: Bool, _ out: inout String
    ) {
        let count = message.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self)
        let elements = message.load(fromByteOffset: Int(field.offset), as: UnsafeRawPointer.self)
        let entry = field.type == PROTOBUF_C_TYPE_MESSAGE ? mapEntry(field) : nil
        out += entry == nil ? "[" : "{"
        for index in 0..<count {
            if index > 0 { out += "," }
            let element = elements + index * stride(of: field)
            if let entry {
                let pair = element.load(as: UnsafeRawPointer.self)
                writeValue(pair + Int(entry[0].offset), entry[0], redacting, &out)
                out += ":"
                writeValue(pair + Int(entry[1].offset), entry[1], redacting, &out)
            } else {
                writeValue(element, field, redacting, &out)
            }
        }
        out += entry == nil ? "]" : "}"
    }

    private static func mapEntry(_ field: ProtobufCFieldDescriptor) -> UnsafePointer<ProtobufCFieldDescriptor>? {
        let type = field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee
        guard type.n_fields == 2, String(cString: type.short_name).hasSuffix("Entry"),
            String(cString: type.fields[0].name) == "key", String(cString: type.fields[1].name) == "value"
        else { return nil }
        return type.fields
    }

    private static func stride(of field: ProtobufCFieldDescriptor) -> Int {
        switch field.type {
        case PROTOBUF_C_TYPE_BYTES: MemoryLayout<ProtobufCBinaryData>.stride
        case PROTOBUF_C_TYPE_MESSAGE, PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_UINT64,
            PROTOBUF_C_TYPE_DOUBLE:
            8
        default: 4
        }
    }

    private static func writeValue(
        _ place: UnsafeRawPointer, _ field: ProtobufCFieldDescriptor, _ redacting: Bool, _ out: inout String
    ) {
        switch field.type {
        case PROTOBUF_C_TYPE_STRING: out += quote(String(cString: place.load(as: UnsafePointer<CChar>.self)))
        case PROTOBUF_C_TYPE_BYTES:
            let data = place.load(as: ProtobufCBinaryData.self)
            out += "\"" + base64(UnsafeBufferPointer(start: data.data, count: data.len)) + "\""
        case PROTOBUF_C_TYPE_BOOL: out += place.load(as: Int32.self) != 0 ? "true" : "false"
        case PROTOBUF_C_TYPE_INT32: out += String(place.load(as: Int32.self))
        case PROTOBUF_C_TYPE_UINT32: out += String(place.load(as: UInt32.self))
        case PROTOBUF_C_TYPE_INT64: out += "\"\(place.load(as: Int64.self))\""
        case PROTOBUF_C_TYPE_UINT64: out += "\"\(place.load(as: UInt64.self))\""
        case PROTOBUF_C_TYPE_DOUBLE:
            let value = place.load(as: Double.self)
            out += value.isFinite ? "\(value)" : value.isNaN ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\""
        case PROTOBUF_C_TYPE_ENUM:
            let number = place.load(as: Int32.self)
            let type = field.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self)
            if let value = protobuf_c_enum_descriptor_get_value(type, number) {
                out += quote(String(cString: value.pointee.name))
            } else {
                out += String(number)
            }
        case PROTOBUF_C_TYPE_MESSAGE:
            write(
                place.load(as: UnsafeRawPointer.self),
                field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), redacting, &out)
        default: out += "null"
        }
    }

    private static func jsonName(_ name: String) -> String {
        let parts = name.split(separator: "_")
        return String(parts[0]) + parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    private static func quote(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    private static func base64(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var out = ""
        var index = 0
        while index < bytes.count {
            let rest = min(3, bytes.count - index)
            var group = 0
            for offset in 0..<3 { group = group << 8 | (offset < rest ? Int(bytes[index + offset]) : 0) }
            for place in 0..<4 { out.append(place <= rest ? alphabet[group >> (18 - 6 * place) & 63] : "=") }
            index += 3
        }
        return out
    }
}
