import Testing

@testable import Doctor

@Suite("The doctor's checks")
struct CheckTests {
    @Test("a check says what is so, how bad that is, and what to do about it", arguments: Case.all)
    func tells(_ example: Case) async throws {
        var host = example.host
        var subject = Subject.standard
        example.change(&host, &subject)
        let check = try #require(Check.all.first { $0.name == example.check })
        let findings = await check.findings(host, subject)
        guard let level = example.level else {
            #expect(findings.isEmpty)
            return
        }
        #expect(findings.map(\.level).max() == level)
        #expect(
            findings.contains {
                $0.level == level && $0.what.contains(example.what) && ($0.fix ?? "").contains(example.fix)
            },
            "\(findings)")
        for finding in findings { #expect((finding.fix == nil) == (finding.level == .ok), "\(finding)") }
    }

    @Test("every check has a host on which all is well, and one on which it is not")
    func isCovered() {
        for check in Check.all {
            let levels = Case.all.filter { $0.check == check.name }.compactMap(\.level)
            #expect(levels.contains(.ok), "\(check.name) never passes")
            #expect(levels.contains { $0 > .ok }, "\(check.name) never fails")
        }
        #expect(Set(Check.all.map(\.name)).count == Check.all.count)
    }

    @Test("a host on which all is well is told so", arguments: [FakeHost.linux, FakeHost.mac])
    func allIsWell(_ host: FakeHost) async {
        let findings = await Doctor.examine(host, .standard)
        #expect(findings.allSatisfy { $0.level == .ok }, "\(findings)")
        #expect(findings.count > 10)
    }

    @Test("what does not apply to a system is not shown on it")
    func isOfItsSystem() async {
        let linux = Set(await Doctor.examine(FakeHost.linux, .standard).map(\.check))
        let mac = Set(await Doctor.examine(FakeHost.mac, .standard).map(\.check))
        #expect(
            mac.subtracting(linux) == [
                "macos", "virtualization", "entitlements", "host slots", "sleep", "login", "keychain", "local network",
                "dhcp pool",
            ])
        #expect(linux.subtracting(mac) == ["qemu", "kvm", "virtiofsd", "firmware", "network tools"])
    }

    @Test("a check that hangs is left behind after its time, and the others' answers are shown in their order")
    func hangs() async {
        let never = AsyncStream<Void>.makeStream()
        let checks = [
            Check("stuck", deadline: .milliseconds(50)) { _, _ in
                // Heeds no cancellation: it is detached.
                await Task.detached { for await _ in never.stream {} }.value
                return [.ok("at last")]
            },
            Check("quick") { _, _ in [.ok("at once")] },
        ]
        let findings = await Doctor.examine(FakeHost.linux, .standard, checks)
        never.continuation.finish()
        #expect(findings.map(\.check) == ["stuck", "quick"])
        #expect(findings.map(\.level) == [.warning, .ok])
        #expect(findings[0].what.contains("nothing was found out"))
    }
}

@Suite("What a private key's text tells")
struct PrivateKeyTests {
    static func openSSH(_ cipher: String, _ kind: String) -> String {
        func field(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(bytes.count)] + bytes }
        let bytes =
            Array("openssh-key-v1\0".utf8) + field(Array(cipher.utf8)) + field(Array("none".utf8)) + field([])
            + [0, 0, 0, 1] + field(field(Array(kind.utf8)))
        return "-----BEGIN OPENSSH PRIVATE KEY-----\n\(Base64.encode(bytes))\n-----END OPENSSH PRIVATE KEY-----\n"
    }

    @Test("its kind, and whether it can be used without a passphrase")
    func kinds() {
        #expect(PrivateKey(Self.openSSH("none", "ssh-ed25519")) == .usable("ssh-ed25519"))
        #expect(PrivateKey(Self.openSSH("none", "ecdsa-sha2-nistp256")) == .usable("ecdsa-sha2-nistp256"))
        #expect(PrivateKey(Self.openSSH("aes256-ctr", "ssh-ed25519")) == .encrypted("ssh-ed25519"))
        #expect(PrivateKey(Self.openSSH("none", "ssh-rsa")) == .refused("ssh-rsa"))
        #expect(PrivateKey("-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n") == .usable("ecdsa"))
        #expect(
            PrivateKey("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMHc=\n-----END EC PRIVATE KEY-----\n")
                == .encrypted("ecdsa"))
    }

    @Test(
        "what is none is none",
        arguments: ["", "hello", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "-----BEGIN CERTIFICATE-----\nMII=\n"])
    func none(_ text: String) { #expect(PrivateKey(text) == .notAKey) }

    @Test("a key that is cut off anywhere is none, and harms nobody")
    func cutOff() {
        let whole = Self.openSSH("none", "ssh-ed25519")
        for length in 0..<whole.count - 1 {
            let key = PrivateKey(String(whole.prefix(length)))
            #expect(key == .notAKey || key == .usable("ssh-ed25519"))
        }
    }
}
