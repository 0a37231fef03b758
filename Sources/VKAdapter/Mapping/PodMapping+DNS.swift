import KubeAPI
import Proto

extension PodMapping {
    /// The resolv.conf of the pod (kubelet `GetPodDNS`).
    static func dns(_ pod: Pod, _ context: MappingContext) -> CRI.DNSConfig {
        PodDNS(pod, context).config
    }
}

/// What names a pod's processes look up where, and what could not be had of it.
struct PodDNS: Sendable {
    /// Something a pod's owner should know.
    struct Remark: Sendable, Hashable {
        var reason: String
        var message: String
    }

    private(set) var config = CRI.DNSConfig()
    /// The kubelet's events about it.
    private(set) var remarks: [Remark] = []
    /// The pod wants the cluster's name servers, and nobody has said which they are.
    private(set) var isMissingCluster = false

    /// Resolvers read no more than these (`validation.MaxDNSNameservers`, `MaxDNSSearchPaths`, `MaxDNSSearchListChars`).
    private static let (mostServers, mostSearches, longestSearch, longestLine) = (3, 32, 253, 2048)

    /// The words for a node without the cluster's name servers.
    static let missingCluster =
        "kubelet does not have ClusterDNS IP configured and cannot create Pod using \"ClusterFirst\" policy. "
        + "Falling back to \"Default\" policy."

    init(_ pod: Pod, _ context: MappingContext) {
        var result = ResolvConf()
        let wantsCluster =
            pod.spec.dnsPolicy == .clusterFirstWithHostNet
            || (pod.spec.dnsPolicy == .clusterFirst && !pod.spec.hostNetwork)
        if pod.spec.dnsPolicy == .none {
            // Only what dnsConfig says.
        } else if wantsCluster, !context.clusterDNS.isEmpty {
            result.nameservers = context.clusterDNS
            result.options = ["ndots:5"]
            if !context.clusterDomain.isEmpty {
                let domain = context.clusterDomain
                result.searches = ["\(pod.metadata.namespace).svc.\(domain)", "svc.\(domain)", domain]
            }
            for search in context.resolvConf.searches where !result.searches.contains(search) {
                result.searches.append(search)
            }
        } else {
            isMissingCluster = wantsCluster
            result = context.resolvConf
        }
        if let more = pod.spec.dnsConfig {
            for server in more.nameservers where !result.nameservers.contains(server) {
                result.nameservers.append(server)
            }
            for search in more.searches where !result.searches.contains(search) { result.searches.append(search) }
            for option in more.options {
                result.options.removeAll { $0 == option.name || $0.hasPrefix("\(option.name):") }
                result.options.append(option.value.map { "\(option.name):\($0)" } ?? option.name)
            }
        }
        if isMissingCluster {
            let name = "\(pod.metadata.name)_\(pod.metadata.namespace)(\(pod.metadata.uid))"
            remarks.append(Remark(reason: "MissingClusterDNS", message: "pod: \"\(name)\". \(Self.missingCluster)"))
        }
        config.servers = servers(result.nameservers)
        config.searches = searches(result.searches)
        config.options = result.options
    }

    private mutating func servers(_ all: [String]) -> [String] {
        guard all.count > Self.mostServers else { return all }
        let some = Array(all.prefix(Self.mostServers))
        remarks.append(
            Remark(
                reason: "DNSConfigForming",
                message: "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver "
                    + "line is: \(some.joined(separator: " "))"))
        return some
    }

    private mutating func searches(_ all: [String]) -> [String] {
        var some = all.prefix(Self.mostSearches).filter { $0.utf8.count <= Self.longestSearch }
        while some.joined(separator: " ").utf8.count > Self.longestLine { some.removeLast() }
        guard some.count < all.count else { return all }
        remarks.append(
            Remark(
                reason: "DNSConfigForming",
                message: "Search Line limits were exceeded, some search paths have been omitted, the applied search "
                    + "line is: \(some.joined(separator: " "))"))
        return some
    }
}
