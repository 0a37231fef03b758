import Synchronization
import VZEngine

extension VMRuntime {
    /// How long anybody waits for one machine's numbers.
    private static let measureLimit = Duration.seconds(2)

    func measurements(of containers: [ContainerEntry]) async -> [String: Measurement] {
        let directory = options.root + "/machines"
        let meters = containers.compactMap { container in
            (try? machine(container.id)).map { (container.id, meter(of: $0)) }  // one that has gone has no numbers
        }
        return await withTaskGroup(of: (String, Measurement?).self) { group in
            for (id, meter) in meters {
                group.addTask {
                    (id, await meter.measurement(within: Self.measureLimit)?.measurement(disksIn: directory))
                }
            }
            var all: [String: Measurement] = [:]
            for await (id, measurement) in group { all[id] = measurement }
            return all
        }
    }

    private func meter(of machine: ManagedMachine) -> MachineMeter {
        let client = client(for: machine)
        return machine.state.withLock { state in
            if let meter = state.meter { return meter }
            let meter = MachineMeter(machine, client: client, logger: logger)
            state.meter = meter
            return meter
        }
    }
}
