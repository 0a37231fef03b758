import KubeAPI

/// Certificates of several bundles as one file.
enum TrustBundles {
    /// Every certificate once, in the order of the bundles' names; what is around them is left out.
    static func pem(_ bundles: [ClusterTrustBundle]) -> String {
        var seen: Set<String> = []
        var text = ""
        for bundle in bundles.sorted(by: { $0.metadata.name < $1.metadata.name }) {
            for block in blocks(bundle.spec.trustBundle) where seen.insert(block).inserted {
                text += "-----BEGIN CERTIFICATE-----\n\(block)-----END CERTIFICATE-----\n"
            }
        }
        return text
    }

    /// What is between the marks, in lines of 64 characters.
    private static func blocks(_ text: String) -> [String] {
        var blocks: [String] = []
        var block: [UInt8]?
        for line in text.utf8.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            let line = line.filter { $0 != 0x20 && $0 != 0x09 }
            if line.elementsEqual("-----BEGINCERTIFICATE-----".utf8) {
                block = []
            } else if line.elementsEqual("-----ENDCERTIFICATE-----".utf8) {
                if let whole = block, !whole.isEmpty { blocks.append(wrapped(whole)) }
                block = nil
            } else {
                block?.append(contentsOf: line)
            }
        }
        return blocks
    }

    private static func wrapped(_ bytes: [UInt8]) -> String {
        stride(from: 0, to: bytes.count, by: 64).map { start in
            String(decoding: bytes[start..<min(start + 64, bytes.count)], as: UTF8.self) + "\n"
        }.joined()
    }
}
