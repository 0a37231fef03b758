import FoundationEssentials

/// JSON with a schema number. A record of a newer schema is refused by name, never guessed at.
enum RecordCoding {
    private struct Header: Decodable { var schema: Int }

    static func encode(_ record: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(record))
    }

    /// - Parameter place: what is read, for the message.
    static func decode<R: Decodable>(_ type: R.Type, schema: Int, from bytes: [UInt8], place: String) throws -> R {
        let data = Data(bytes)
        let found: Int
        do {
            found = try JSONDecoder().decode(Header.self, from: data).schema
        } catch {
            throw ShimError(
                .corruptRecord, "\(place) is no record of this program; move it away to go on", cause: error)
        }
        guard found <= schema else {
            throw ShimError(
                .newerRecord,
                "\(place) has schema \(found), this program knows up to \(schema): run the newer cri-shim that wrote it"
            )
        }
        do {
            return try JSONDecoder().decode(R.self, from: data)
        } catch {
            throw ShimError(.corruptRecord, "\(place) cannot be read; move it away to go on", cause: error)
        }
    }

    /// Reads what has no schema number of its own.
    static func decodePlain<R: Decodable>(_ type: R.Type, from bytes: [UInt8], place: String) throws -> R {
        do {
            return try JSONDecoder().decode(R.self, from: Data(bytes))
        } catch {
            throw ShimError(.corruptRecord, "\(place) cannot be read; move it away to go on", cause: error)
        }
    }
}
