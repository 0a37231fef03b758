import ArgumentParser
import Launch

/// What of this machine pods get, and when they have to go for want of it: a kubelet's flags.
struct ResourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "When pods have to go: memory.available<100Mi,nodefs.available<10%. Empty: never.", valueName: "list"))
    var evictionHard: String?

    @Option(
        help: ArgumentHelp("The same, for those that wait first: memory.available<300Mi.", valueName: "list"))
    var evictionSoft: String?

    @Option(help: ArgumentHelp("How long those wait: memory.available=1m30s.", valueName: "list"))
    var evictionSoftGracePeriod: String?

    @Option(
        help: ArgumentHelp(
            "How much more has to be free before it is over: nodefs.available=500Mi.", valueName: "list"))
    var evictionMinimumReclaim: String?

    @Option(
        help: ArgumentHelp("Seconds a pod gets that goes for one of --eviction-soft, at most.", valueName: "number"))
    var evictionMaxPodGracePeriod: Int?

    @Option(help: ArgumentHelp("How long a pressure is told after it was seen last.", valueName: "time"))
    var evictionPressureTransitionPeriod: String?

    @Option(help: ArgumentHelp("Kept from pods for this node's daemons: cpu=200m,memory=500Mi.", valueName: "list"))
    var kubeReserved: String?

    @Option(help: ArgumentHelp("Kept from pods for everything else on this machine.", valueName: "list"))
    var systemReserved: String?

    @Option(
        help: ArgumentHelp(
            "Kernel settings pods may have beside the safe ones: net.core.*,kernel.msgmax.", valueName: "list"))
    var allowedUnsafeSysctls: String?

    func set(_ flags: inout FlagValues) {
        flags.set("evictionHard", evictionHard)
        flags.set("evictionSoft", evictionSoft)
        flags.set("evictionSoftGracePeriod", evictionSoftGracePeriod)
        flags.set("evictionMinimumReclaim", evictionMinimumReclaim)
        flags.set("evictionMaxPodGracePeriod", evictionMaxPodGracePeriod.map { "\($0)" })
        flags.set("evictionPressureTransitionPeriod", evictionPressureTransitionPeriod)
        flags.set("kubeReserved", kubeReserved)
        flags.set("systemReserved", systemReserved)
        flags.set("allowedUnsafeSysctls", allowedUnsafeSysctls)
    }
}
