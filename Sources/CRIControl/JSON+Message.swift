extension JSON {
    /// A CRI message in protobuf's JSON form: lowerCamelCase names, 64-bit numbers as strings, bytes in base64, enum
    /// values by name; unset messages are absent, other defaults are written.
    ///
    /// Reads the message by reflection: it serves people at a terminal, not the wire.
    init(message: Any) {
        self = Self.value(message) ?? .null
    }

    private static func value(_ any: Any) -> JSON? {
        switch any {
        case let text as String: return .string(text)
        case let flag as Bool: return .bool(flag)
        case let number as Int32: return .number("\(number)")
        case let number as UInt32: return .number("\(number)")
        case let number as Int64: return .string("\(number)")
        case let number as UInt64: return .string("\(number)")
        case let number as Int: return .number("\(number)")
        case let number as Double: return number.isFinite ? .number("\(number)") : .string("\(number)")
        case let number as Float: return number.isFinite ? .number("\(number)") : .string("\(number)")
        // By type: any empty array casts to any other.
        case let bytes as [UInt8] where type(of: any) == [UInt8].self: return .string(base64(bytes))
        case let map as [String: String]:
            return .object(map.sorted { $0.key < $1.key }.map { Member(name: $0.key, value: .string($0.value)) })
        case let named as any RawRepresentable<Int32>: return .string("\(named)")
        default: return structured(any)
        }
    }

    private static func structured(_ any: Any) -> JSON? {
        let mirror = Mirror(reflecting: any)
        switch mirror.displayStyle {
        case .optional:
            return mirror.children.first.flatMap { value($0.value) }
        case .collection, .set:
            return .array(mirror.children.compactMap { value($0.value) })
        case .dictionary:
            let members = mirror.children.compactMap { pair -> Member? in
                let parts = Array(Mirror(reflecting: pair.value).children)
                guard parts.count == 2, let item = value(parts[1].value) else { return nil }
                return Member(name: "\(parts[0].value)", value: item)
            }
            return .object(members.sorted { $0.name < $1.name })
        default:
            let members = mirror.children.compactMap { child -> Member? in
                guard let name = child.label, let item = value(child.value) else { return nil }
                return Member(name: name, value: item)
            }
            return .object(members)
        }
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for position in 0..<4 {
                text.append(position <= group.count ? alphabet[bits >> (18 - 6 * position) & 63] : "=")
            }
        }
        return text
    }
}
