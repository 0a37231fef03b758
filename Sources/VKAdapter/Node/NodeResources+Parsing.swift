import KubeAPI

extension NodeResources.Reserve {
    /// What can be reserved.
    static let names = ["cpu", "memory", NodeResources.disk, "pid"]

    /// As a kubelet's `--kube-reserved` has it: `cpu=200m,memory=500Mi`.
    /// - Parameters:
    ///   - texts: one of each resource.
    ///   - setting: what they are the value of.
    /// - Throws: ``AdapterError`` `invalidArgument` with what is wrong.
    static func parse(_ texts: [String], _ setting: String) throws(AdapterError) -> [String: Quantity] {
        var amounts: [String: Quantity] = [:]
        for text in texts {
            func wrong(_ why: String) -> AdapterError {
                AdapterError(.invalidArgument, "\(setting): \"\(text)\" \(why): write it like cpu=200m or memory=500Mi")
            }
            let parts = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw wrong("is no amount of a resource") }
            guard names.contains(parts[0]) else {
                throw wrong("reserves none of \(names.joined(separator: ", "))")
            }
            guard amounts[parts[0]] == nil else { throw wrong("reserves \(parts[0]) a second time") }
            guard let amount = Quantity(parts[1]) else { throw wrong("has no quantity") }
            guard amount.milliValue >= 0 else { throw wrong("is less than nothing") }
            amounts[parts[0]] = amount
        }
        return amounts
    }
}
