import Foundation
import TLS
import Testing

@Suite struct FilesTests {
    private func make(_ directory: String, _ names: [String], days: Int = 365) throws -> (certificateFile: String, keyFile: String) {
        try SelfSignedCertificate.make(names: names, directory: directory, validity: days)
    }

    @Test func `a certificate is kept while it is good and made anew when it is not`() async throws {
        try await withDirectory { directory in
            let files = try make(directory, ["a", "10.0.0.1"])
            let first = try Data(contentsOf: URL(filePath: files.certificateFile))
            let mode = try FileManager.default.attributesOfItem(atPath: files.keyFile)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            _ = try make(directory, ["10.0.0.1", "a"])
            #expect(try Data(contentsOf: URL(filePath: files.certificateFile)) == first)
            _ = try make(directory, ["a", "b"], days: 10)
            let second = try Data(contentsOf: URL(filePath: files.certificateFile))
            #expect(second != first)
            // Ten days are too few to be kept.
            _ = try make(directory, ["a", "b"])
            #expect(try Data(contentsOf: URL(filePath: files.certificateFile)) != second)
            #expect(try Set(FileManager.default.contentsOfDirectory(atPath: directory)) == ["server.crt", "server.key"])
        }
    }

    @Test func `what is missing, too open or no certificate is named`() async throws {
        try await withDirectory { directory in
            let files = try make(directory, ["a"])
            func message(_ configuration: TLSServerConfiguration) -> String {
                do throws(TLSError) {
                    _ = try TLSContext.server(configuration)
                    return ""
                } catch {
                    return error.message
                }
            }
            #expect(message(.init(certificateFile: "/nowhere", keyFile: files.keyFile)).contains("/nowhere: No such file"))
            #expect(message(.init(certificateFile: files.keyFile, keyFile: files.keyFile)).contains("is no PEM certificate"))
            let other = try SelfSignedCertificate.make(names: ["b"], directory: directory, name: "other")
            #expect(message(.init(certificateFile: files.certificateFile, keyFile: other.keyFile)).contains(other.keyFile))
            #expect(
                message(.init(certificateFile: files.certificateFile, keyFile: files.keyFile, clientCertificate: .required))
                    .contains("no client CA file"))
            chmod(files.keyFile, 0o644)
            #expect(message(.init(certificateFile: files.certificateFile, keyFile: files.keyFile)).contains("chmod 600"))
        }
    }
}
