extension PortConnection {
    /// Carries the bytes of each to the other, the ends of their halves included, until both have ended.
    /// - Throws: when one of them breaks.
    public static func join(_ near: PortConnection, _ far: PortConnection) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await bytes in near.inbound { try await far.write(bytes) }
                try await far.closeOutput()
            }
            group.addTask {
                for try await bytes in far.inbound { try await near.write(bytes) }
                try await near.closeOutput()
            }
            defer { group.cancelAll() }
            // Who has ended its output may still listen.
            while try await group.next() != nil {}
        }
    }
}
