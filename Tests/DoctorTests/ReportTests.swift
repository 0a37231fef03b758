import Foundation
import Testing

@testable import Doctor

enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}

@Suite("The doctor's report")
struct ReportTests {
    private let findings = [
        Finding(check: "docker", level: .ok, what: "Docker 29"),
        Finding(check: "kvm", level: .warning, what: "there is no /dev/kvm", fix: "modprobe kvm_intel"),
        Finding(check: "qemu", level: .failure, what: "there is\nno QEMU\u{1b}[2J", fix: "apt install qemu-system-x86"),
    ]

    @Test("a line each, with what to do, and a count")
    func lines() {
        #expect(
            DoctorReport(findings).text(colours: false) == """
                ✔ docker: Docker 29
                ! kvm: there is no /dev/kvm · modprobe kvm_intel
                ✘ qemu: there is no QEMU [2J · apt install qemu-system-x86

                1 ok, 1 warning, 1 failure

                """)
    }

    @Test("on a terminal the signs have colours, and nothing else has")
    func colours() {
        let text = DoctorReport([findings[0]]).text(colours: true)
        #expect(text.hasPrefix("\u{1b}[32m✔\u{1b}[0m docker: Docker 29\n"))
    }

    @Test("the exit code is the worst finding's")
    func exitCodes() {
        #expect(DoctorReport([]).exitCode == 0)
        #expect(DoctorReport([findings[0]]).exitCode == 0)
        #expect(DoctorReport(Array(findings.prefix(2))).exitCode == 1)
        #expect(DoctorReport(findings).exitCode == 2)
    }

    @Test("as JSON it has everything")
    func json() throws {
        struct Document: Decodable {
            var findings: [Finding]
            var ok: Int
            var warnings: Int
            var failures: Int
        }
        let document = try JSONDecoder().decode(Document.self, from: Data(DoctorReport(findings).json().utf8))
        #expect(document.findings == findings)
        #expect(document.ok == 1 && document.warnings == 1 && document.failures == 1)
    }
}
