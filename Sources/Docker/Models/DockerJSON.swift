import FoundationEssentials
import NIOCore

/// The Engine API's JSON: keys begin with a capital, ours do not.
enum DockerJSON {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    static func decode<T: Decodable>(_ type: T.Type, from bytes: ByteBuffer) throws -> T {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { Key(stringValue: lowered($0.last!.stringValue)) }
        return try decoder.decode(type, from: Data(bytes.readableBytesView))
    }

    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .custom { path in
            let name = path.last!.stringValue
            return Key(stringValue: name.prefix(1).uppercased() + name.dropFirst())
        }
        return ByteBuffer(bytes: try encoder.encode(value))
    }

    /// `Id` and `ID` become `id`, `OOMKilled` becomes `oomKilled`, `IPAddress` becomes `ipAddress`.
    static func lowered(_ key: String) -> String {
        let capitals = key.prefix { $0.isUppercase }
        guard !capitals.isEmpty else { return key }
        // The last of several capitals begins the next word, unless the key ends with them.
        let count = capitals.count == key.count || capitals.count == 1 ? capitals.count : capitals.count - 1
        return key.prefix(count).lowercased() + key.dropFirst(count)
    }
}
