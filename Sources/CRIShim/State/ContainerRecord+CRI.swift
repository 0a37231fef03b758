import Proto

extension ContainerRecord {
    /// What a CreateContainer request says that outlives it, whichever runtime it is for.
    /// - Parameter imageID: of the image it is made from.
    init(_ creation: ContainerCreation, imageID: String) {
        let config = creation.config
        name = config.metadata?.name ?? ""
        attempt = config.metadata?.attempt ?? 0
        if let image = config.image {
            self.image = .init(
                image: image.image, userSpecified: image.userSpecifiedImage, handler: image.runtimeHandler,
                annotations: image.annotations.isEmpty ? nil : image.annotations)
        }
        self.imageID = imageID
        labels = config.labels
        annotations = config.annotations
        logPath = creation.logPath
        mounts = config.mounts.map {
            .init(
                containerPath: $0.containerPath, hostPath: $0.hostPath, readOnly: $0.readonly,
                relabel: $0.selinuxRelabel, propagation: $0.propagation.rawValue)
        }
        tty = config.tty
        stdin = config.stdin
        stdinOnce = config.stdinOnce
        stopSignal = config.stopSignal.rawValue
    }
}
