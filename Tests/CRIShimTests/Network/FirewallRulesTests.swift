import Testing

@testable import CRIShim

@Suite struct FirewallRulesTests {
    private let names = NetworkNames(instance: "0123456789abcdef0123456789abcdef")
    private var rules: FirewallRules { FirewallRules(names: names) }
    private let range = IPv4Range("10.7.0.0/24")!

    @Test func `names fit into the kernel's limits and carry the instance`() {
        #expect(names.bridge == "vzcri01234567")
        let link = names.link(of: "fedcba9876543210")
        #expect(link == "v012345fedcba98")
        #expect(names.isLink(link))
        #expect(!NetworkNames(instance: "1123456789abcdef").isLink(link))
        #expect(NetworkNames.Chain.allCases.allSatisfy { names.chain($0).utf8.count <= 28 })
        #expect(names.bridgeAddress == "02:01:23:45:67:01")
        #expect(NetworkNames.podAddress(IPv4Address("10.7.0.2")!) == "0a:58:0a:07:00:02")
    }

    @Test func `jumps that are there are not added again`() {
        let fresh = rules.installation(range: range, mappings: [], over: "")
        #expect(
            fresh == """
                *nat
                :VZCRI-01234567-PORT - [0:0]
                :VZCRI-01234567-OUT - [0:0]
                -A VZCRI-01234567-OUT -s 10.7.0.0/24 ! -o vzcri01234567 -j MASQUERADE
                -I PREROUTING 1 -m addrtype --dst-type LOCAL -j VZCRI-01234567-PORT
                -I OUTPUT 1 -m addrtype --dst-type LOCAL -j VZCRI-01234567-PORT
                -I POSTROUTING 1 -j VZCRI-01234567-OUT
                COMMIT
                *filter
                :VZCRI-01234567-FWD - [0:0]
                :VZCRI-01234567-IN - [0:0]
                -A VZCRI-01234567-FWD -i vzcri01234567 -j ACCEPT
                -A VZCRI-01234567-FWD -o vzcri01234567 -j ACCEPT
                -A VZCRI-01234567-IN -i vzcri01234567 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP
                -I FORWARD 1 -j VZCRI-01234567-FWD
                -I INPUT 1 -j VZCRI-01234567-IN
                COMMIT

                """)
        let saved = fresh.split(separator: "\n").map { line in
            line.hasPrefix("-I")
                ? "-A" + line.dropFirst(2).replacing(" 1 ", with: " ", maxReplacements: 1) : String(line)
        }.joined(separator: "\n")
        let again = rules.installation(range: range, mappings: [], over: saved)
        #expect(!again.contains("-I "))
        #expect(again.contains("-A VZCRI-01234567-FWD -i vzcri01234567 -j ACCEPT"))
    }

    @Test func `host ports of one address come before those of all`() {
        func mapping(_ sandbox: String, _ port: Int, _ host: String?) -> FirewallRules.Mapping {
            .init(
                sandbox: sandbox, address: IPv4Address("10.7.0.9")!,
                port: .init(transport: .tcp, hostAddress: host.flatMap { IPv4Address($0) }, hostPort: port, podPort: 80)
            )
        }
        let text = rules.installation(
            range: range, mappings: [mapping("all", 8080, nil), mapping("one", 8080, "127.0.0.1")], over: "")
        let lines = text.split(separator: "\n").filter { $0.contains("DNAT --to") }
        #expect(
            lines == [
                "-A VZCRI-01234567-PORT -d 127.0.0.1/32 -p tcp -m tcp --dport 8080 -m comment --comment one -j DNAT --to-destination 10.7.0.9:80",
                "-A VZCRI-01234567-PORT -p tcp -m tcp --dport 8080 -m comment --comment all -j DNAT --to-destination 10.7.0.9:80",
            ])
    }

    @Test func `what is removed is ours, all of it and nothing else`() throws {
        let saved = """
            *filter
            :FORWARD DROP [0:0]
            :VZCRI-01234567-FWD - [0:0]
            :VZCRI-99999999-FWD - [0:0]
            -A FORWARD -j VZCRI-01234567-FWD
            -A FORWARD -j VZCRI-99999999-FWD
            -A FORWARD -j DOCKER-USER
            -A VZCRI-01234567-FWD -i vzcri01234567 -j ACCEPT
            COMMIT
            *nat
            :VZCRI-01234567-OUT - [0:0]
            -A POSTROUTING -j VZCRI-01234567-OUT
            COMMIT
            """
        #expect(
            rules.removal(from: saved) == """
                *nat
                :VZCRI-01234567-OUT - [0:0]
                -D POSTROUTING -j VZCRI-01234567-OUT
                -X VZCRI-01234567-OUT
                COMMIT
                *filter
                :VZCRI-01234567-FWD - [0:0]
                -D FORWARD -j VZCRI-01234567-FWD
                -X VZCRI-01234567-FWD
                COMMIT

                """)
        #expect(rules.removal(from: saved.replacing("01234567", with: "88888888")) == nil)
    }
}
