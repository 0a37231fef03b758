#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension Check {
    static let guestChecks = [
        Check("guest logins") { host, subject in
            guard !subject.hasNoMachines else { return [] }
            var verdicts: [Verdict] = []
            for login in subject.logins { verdicts += await problems(of: login, host) }
            guard verdicts.isEmpty else { return verdicts }
            let users = subject.logins.compactMap { login in login.user.map { "\($0) (\(login.origin))" } }
            return [
                .ok(
                    users.isEmpty
                        ? "none is configured: only images that name a user of their own can be entered"
                        : users.joined(separator: ", "))
            ]
        }
    ]

    private static func problems(of login: Subject.Login, _ host: any Host) async -> [Verdict] {
        var verdicts: [Verdict] = []
        let isVariable = login.origin.hasPrefix("VZ_SSH")
        let hasProof = login.keyFile != nil || login.passwordFile != nil || login.keyBase64 != nil || login.hasPassword
        if login.user != nil, !hasProof {
            verdicts.append(
                .failure(
                    "\(login.origin): user \(login.user ?? "") has neither key nor password",
                    fix: isVariable
                        ? "set VZ_SSH_PRIVATE_KEY_PATH (or VZ_SSH_PASSWORD_FILE)" : "add keyFile: or passwordFile:"))
        }
        if login.user == nil, hasProof, isVariable {
            verdicts.append(
                .warning(
                    "\(login.origin): there is a key or a password, and no user it is for", fix: "set VZ_SSH_USER"))
        }
        if let file = login.keyFile { verdicts += await secretFile(file, "key", login, host) }
        if let file = login.passwordFile { verdicts += await secretFile(file, "password", login, host) }
        if let base64 = login.keyBase64 {
            guard let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters), !data.isEmpty else {
                return verdicts + [
                    .failure(
                        "VZ_SSH_PRIVATE_KEY_BASE64 is no base64",
                        fix: "VZ_SSH_PRIVATE_KEY_BASE64=$(base64 < KEYFILE | tr -d '\\n')")
                ]
            }
            verdicts += problem(PrivateKey(String(decoding: data, as: UTF8.self)), "VZ_SSH_PRIVATE_KEY_BASE64", login)
        }
        return verdicts
    }

    private static func secretFile(
        _ path: String, _ kind: String, _ login: Subject.Login, _ host: any Host
    ) async -> [Verdict] {
        guard let facts = await host.look(at: path) else {
            return [
                .failure(
                    "\(login.origin): the \(kind) file \(path) is not there", fix: "put it there, or correct the path")
            ]
        }
        guard facts.kind == .file, let text = await host.text(of: path) else {
            return [
                .failure(
                    "\(login.origin): the \(kind) file \(path) cannot be read", fix: "chown \(host.userID) \(path)")
            ]
        }
        var verdicts: [Verdict] = []
        if facts.mode & 0o077 != 0 {
            verdicts.append(
                .failure(
                    "\(login.origin): others may read the \(kind) file \(path) (mode \(octal(facts.mode)))",
                    fix: "chmod 600 \(path)"))
        }
        if kind == "key" {
            verdicts += problem(PrivateKey(text), path, login)
        } else if text.allSatisfy(\.isWhitespace) {
            verdicts.append(.failure("\(login.origin): \(path) holds no password", fix: "write it there, on one line"))
        }
        return verdicts
    }

    private static func problem(_ key: PrivateKey, _ place: String, _ login: Subject.Login) -> [Verdict] {
        switch key {
        case .usable: []
        case .encrypted where login.hasPassphrase: []
        case .encrypted:
            [
                .failure(
                    "\(login.origin): the key \(place) needs a passphrase",
                    fix: "ssh-keygen -p -N '' -f \(place.hasPrefix("/") ? place : "KEYFILE")")
            ]
        case .refused(let kind):
            [
                .failure(
                    "\(login.origin): \(place) is an \(kind) key, which guests of today refuse from this client",
                    fix: "ssh-keygen -t ed25519 -N '' -f KEYFILE, and put KEYFILE.pub into the guest's authorized_keys")
            ]
        case .notAKey:
            [
                .failure(
                    "\(login.origin): \(place) is no private key",
                    fix: "name the private half, as ssh-keygen -t ed25519 makes it")
            ]
        }
    }
}
