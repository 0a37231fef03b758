extension KeyedDecodingContainer {
    /// The value of `key`; `standard` where the engine leaves it out or writes null. Engines differ in what they tell.
    func value<T: Decodable>(_ key: Key, or standard: T) throws -> T {
        try decodeIfPresent(T.self, forKey: key) ?? standard
    }
}
