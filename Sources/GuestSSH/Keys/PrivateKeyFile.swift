#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a private key file holds, looked at before it is offered: libssh2's own refusals do not say why.
enum PrivateKeyFile {
    enum Kind: Equatable {
        case usable
        case rsa
        case encrypted
        case unknown
    }

    /// - Parameter hasPassphrase: an encrypted key can be used.
    /// - Throws: `GuestSSHError` with `badKey`.
    static func check(_ path: String, hasPassphrase: Bool = false) throws(GuestSSHError) {
        switch kind(try KeyFiles.read(path, "the private key")) {
        case .usable: break
        case .rsa:
            throw GuestSSHError(
                .badKey,
                "\(path) holds an RSA key, which libssh2 cannot use with a current SSH server: make an ed25519 key "
                    + "(ssh-keygen -t ed25519)")
        case .encrypted where hasPassphrase: break
        case .encrypted:
            throw GuestSSHError(
                .badKey, "\(path) is protected by a passphrase: name that as well, or use a key without one")
        case .unknown:
            throw GuestSSHError(.badKey, "\(path) is no private key in OpenSSH or PEM form")
        }
    }

    static func kind(_ bytes: [UInt8]) -> Kind {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map {
            String(decoding: $0, as: UTF8.self).filter { $0 != "\r" }
        }
        guard let start = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") && $0.contains("PRIVATE KEY-----") })
        else { return .unknown }
        let body = lines[(start + 1)...].prefix { !$0.hasPrefix("-----") }
        let label = lines[start]
        if label.contains("ENCRYPTED") || body.contains(where: { $0.hasPrefix("Proc-Type:") }) { return .encrypted }
        if label.contains(" RSA ") { return .rsa }
        guard let data = Base64.decode(body.joined().utf8), !data.isEmpty else { return .unknown }
        if label.contains(" OPENSSH ") { return openSSH(data) }
        if label.contains(" EC ") { return .usable }
        // PKCS#8: rsaEncryption's object identifier stands near its beginning.
        let rsa: [UInt8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]
        return data.prefix(64).indices.contains { data[$0...].starts(with: rsa) } ? .rsa : .usable
    }

    private static func openSSH(_ data: [UInt8]) -> Kind {
        var rest = data[...]
        let magic = Array("openssh-key-v1\0".utf8)
        guard rest.starts(with: magic) else { return .unknown }
        rest = rest.dropFirst(magic.count)
        func string() -> ArraySlice<UInt8>? {
            guard rest.count >= 4 else { return nil }
            let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        guard let cipher = string(), string() != nil, string() != nil else { return .unknown }
        guard cipher.elementsEqual("none".utf8) else { return .encrypted }
        rest = rest.dropFirst(4)
        // The public key, which begins with its kind.
        guard let key = string() else { return .unknown }
        rest = key
        guard let kind = string() else { return .unknown }
        return kind.elementsEqual("ssh-rsa".utf8) ? .rsa : .usable
    }
}

enum KeyFiles {
    /// - Throws: `GuestSSHError` with `badKey`.
    static func read(_ path: String, _ what: String) throws(GuestSSHError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw GuestSSHError(.badKey, "\(what) \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = systemRead(descriptor, &bytes, bytes.count)
        guard count >= 0 else {
            throw GuestSSHError(.badKey, "\(what) \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        return Array(bytes.prefix(count))
    }

    /// Without the newline that editors put at its end.
    /// - Throws: `GuestSSHError` with `badKey`, also for what no passphrase can be.
    static func passphrase(_ path: String) throws(GuestSSHError) -> String {
        guard let text = String(validating: try password(path), as: UTF8.self), !text.contains("\0") else {
            throw GuestSSHError(.badKey, "\(path) holds no passphrase: it is no text")
        }
        return text
    }

    /// Without the newline that editors put at its end.
    static func password(_ path: String) throws(GuestSSHError) -> [UInt8] {
        var bytes = try read(path, "the password file")
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        return bytes
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, buffer, count)
}
