import CRIShim
import Registry
import Settings

extension ImageUpkeep {
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init(_ settings: ShimSettings) throws {
        self.init()
        let resolved = settings.resolved
        keep = try KeptImages(settings)
        if settings.imageMaximumAge > 0 { collection.maximumAge = .seconds(settings.imageMaximumAge) }
        prePull = try PrePull(settings)
        collection.high = settings.imageGCHighThreshold
        collection.low = settings.imageGCLowThreshold
        guard collection.high == 100 || collection.low < collection.high else {
            throw resolved.invalid(
                "imageGCLowThreshold",
                "\(collection.low) is not below imageGCHighThreshold, which is \(collection.high)")
        }
    }
}

extension PrePull {
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init(_ settings: ShimSettings) throws {
        self.init()
        let resolved = settings.resolved
        _ = try Self.references(settings)
        images = settings.prePullImages
        if let text = settings.prePullRate {
            let amount = text.hasSuffix("B") ? String(text.dropLast()) : text
            guard let bytes = ByteCount.parse(amount), bytes >= 64 << 10 else {
                throw resolved.invalid(
                    "prePull.rate", "\"\(text)\" is no rate of at least 64Ki: write 50Mi for 50 MiB a second")
            }
            rate = bytes
        }
        if let text = settings.prePullWindow {
            guard let window = DailyWindow(text) else {
                throw resolved.invalid(
                    "prePull.window", "\"\(text)\" is no part of a day: write 01:00-05:00, by this host's clock")
            }
            self.window = window
        }
    }

    static func references(_ settings: ShimSettings) throws -> [ImageReference] {
        try settings.prePullImages.map { text in
            do {
                guard !ImageReference.isID(text) else {
                    throw RegistryError(.invalidArgument, "\(text) is an id: images are pulled by their names")
                }
                return try ImageReference(parsing: text)
            } catch let error as RegistryError {
                throw settings.resolved.invalid("prePull.images", error.message)
            }
        }
    }
}

extension KeptImages {
    /// What the command line keeps as the daemon does.
    init(_ settings: ShimSettings) throws {
        self.init()
        patterns = try settings.pinnedImages.map {
            try ShimConfiguration.pattern($0, of: "pinnedImages", in: settings.resolved)
        }
        // What is brought beforehand would only be brought again.
        patterns += try PrePull.references(settings).compactMap { reference in
            ImagePattern(reference.digest.map { "\(reference.canonicalName)@\($0)" } ?? reference.canonical)
        }
    }
}
