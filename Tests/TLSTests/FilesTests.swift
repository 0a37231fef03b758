import Foundation
import Support
import TLS
import Testing

@Suite("Certificate and key files") struct FilesTests {
    private func make(_ directory: String, _ names: [String], days: Int = 365) throws -> (
        certificateFile: String, keyFile: String
    ) {
        try SelfSignedCertificate.make(names: names, directory: directory, validity: days)
    }

    private func data(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

    private func message(_ configuration: TLSServerConfiguration) -> String {
        do throws(TLSError) {
            _ = try TLSContext.server(configuration)
            return ""
        } catch {
            return error.message
        }
    }

    @Test("a self-signed certificate is kept while it is good, and made anew when it is not")
    func keeping() async throws {
        try await withDirectory { directory in
            let directory = directory + "/not/yet"
            let files = try make(directory, ["a", "10.0.0.1", "::1"])
            let first = try data(files.certificateFile)
            let mode = try FileManager.default.attributesOfItem(atPath: files.keyFile)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            _ = try make(directory, ["0:0::1", "10.0.0.1", "a"])
            #expect(try data(files.certificateFile) == first)
            _ = try make(directory, ["a"], days: 10)
            let second = try data(files.certificateFile)
            #expect(second != first, "it names other hosts")
            _ = try make(directory, ["a"])
            let third = try data(files.certificateFile)
            #expect(third != second, "ten days are too few to be kept")
            chmod(files.keyFile, 0o644)
            let leaked = try data(files.keyFile)
            _ = try make(directory, ["a"])
            #expect(try data(files.keyFile) != leaked, "others could read the key")
            try Data("garbage".utf8).write(to: URL(filePath: files.certificateFile))
            _ = try make(directory, ["a"])
            #expect(message(.init(certificateFile: files.certificateFile, keyFile: files.keyFile)) == "")
            #expect(
                try Set(FileManager.default.contentsOfDirectory(atPath: directory)) == ["server.crt", "server.key"])
        }
    }

    @Test(
        "names that are none make no certificate",
        arguments: [[], [""], ["a,DNS:b"], ["a b"], ["a\nb"], ["fe80::1%eth0"]])
    func names(_ names: [String]) async throws {
        try await withDirectory { directory in
            #expect(throws: TLSError.self) { try SelfSignedCertificate.make(names: names, directory: directory) }
            let made = try FileManager.default.contentsOfDirectory(atPath: directory)
            #expect(made.isEmpty)
        }
    }

    @Test("a directory that cannot be made is named")
    func unwritable() async throws {
        try await withDirectory { directory in
            try Data().write(to: URL(filePath: directory + "/file"))
            let error = #expect(throws: TLSError.self) { try make(directory + "/file/tls", ["a"]) }
            #expect(error?.message == "cannot create the directory \(directory)/file/tls: Not a directory")
        }
    }

    @Test("what is missing, too open or of the wrong kind is named")
    func refused() async throws {
        try await withDirectory { directory in
            let good = try make(directory, ["a"])
            func server(_ certificate: String, _ key: String) -> String {
                message(.init(certificateFile: certificate, keyFile: key))
            }
            #expect(server("/nowhere", good.keyFile).hasPrefix("cannot read a certificate from /nowhere: No such file"))
            #expect(
                server(good.certificateFile, "/nowhere")
                    == "cannot read the key file /nowhere: No such file or directory")
            #expect(server(good.keyFile, good.keyFile).hasPrefix("cannot read a certificate from \(good.keyFile)"))
            #expect(
                server(good.certificateFile, good.certificateFile).hasPrefix(
                    "the key file \(good.certificateFile) is open to others"))
            #expect(server(good.certificateFile, directory).hasPrefix("cannot read a private key from \(directory)"))
            let other = try SelfSignedCertificate.make(names: ["b"], directory: directory, name: "other")
            #expect(
                server(good.certificateFile, other.keyFile)
                    .hasPrefix(
                        "the key in \(other.keyFile) does not belong to the certificate in \(good.certificateFile)"))
            chmod(good.keyFile, 0o644)
            #expect(
                server(good.certificateFile, good.keyFile)
                    == "the key file \(good.keyFile) is open to others (mode 0644): run chmod 600 on it")
            chmod(good.keyFile, 0o640)
            #expect(server(good.certificateFile, good.keyFile) == "")
            try Data("garbage".utf8).write(to: URL(filePath: good.keyFile))
            #expect(
                server(good.certificateFile, good.keyFile).hasPrefix("cannot read a private key from \(good.keyFile)"))
        }
    }

    @Test("rules that contradict each other are refused")
    func rules() async throws {
        try await withDirectory { directory in
            let files = try make(directory, ["a"])
            var server = TLSServerConfiguration(
                certificateFile: files.certificateFile, keyFile: files.keyFile, clientCertificate: .required)
            #expect(message(server).contains("no authority file (client CA) is given"))
            server.clientCertificate = .none
            server.allowedNames = ["alice"]
            #expect(message(server).contains("not asked for"))
            server.allowedNames = []
            server.clientCAFile = "/nowhere"
            server.clientCertificate = .optional
            #expect(message(server).hasPrefix("cannot read authorities from /nowhere"))
            #expect(throws: TLSError.self) { try TLSContext.client(.init(certificateFile: files.certificateFile)) }
            #expect(throws: TLSError.self) { try TLSContext.client(.init(applicationProtocols: [""])) }
        }
    }

    @Test("an encrypted key is refused without asking anybody for its pass phrase")
    func encrypted() async throws {
        try await withDirectory { directory in
            let files = try make(directory, ["a"])
            let made = try await openssl(
                "pkey", "-in", files.keyFile, "-aes128", "-passout", "pass:x", "-out", directory + "/enc.key")
            try #require(made.code == 0, "\(made.errors)")
            chmod(directory + "/enc.key", 0o600)
            #expect(
                message(.init(certificateFile: files.certificateFile, keyFile: directory + "/enc.key"))
                    == "the key in \(directory)/enc.key is encrypted: store it without a pass phrase")
        }
    }

    @Test("openssl agrees with what the authority issues")
    func authority() async throws {
        try await withDirectory { directory in
            let authority = try CertificateAuthority.make(commonName: "test authority", directory: directory)
            let files = try authority.issue(
                commonName: "web", organizations: ["team"], names: ["web.example", "127.0.0.1"], usage: .server,
                directory: directory)
            let verified = try await openssl(
                "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "web.example", "-CAfile",
                authority.certificateFile, files.certificateFile)
            #expect(verified.code == 0, "\(verified.output)\(verified.errors)")
            let wrong = try await openssl(
                "verify", "-purpose", "sslclient", "-CAfile", authority.certificateFile, files.certificateFile)
            #expect(wrong.code != 0)
            let other = try CertificateAuthority.make(commonName: "other", directory: directory, name: "other")
            let mixed = CertificateAuthority(certificateFile: authority.certificateFile, keyFile: other.keyFile)
            let error = #expect(throws: TLSError.self) { try mixed.issue(commonName: "x", directory: directory) }
            #expect(error?.message.contains("does not belong to the authority") == true)
        }
    }
}
