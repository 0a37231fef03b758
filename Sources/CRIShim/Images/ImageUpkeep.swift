public import VMImages

/// What becomes of VM images without anybody asking.
public struct ImageUpkeep: Sendable {
    /// Those that no collection removes.
    public var keep = KeptImages()
    /// What is brought before anybody needs it.
    public var prePull = PrePull()
    /// What is removed, and when.
    public var collection = ImageCollectionPolicy()

    public init() {}
}

/// Images that stay, whatever their age and however full the disk is; clients are told that they are pinned.
public struct KeptImages: Sendable {
    /// Of names, configured.
    public var patterns: [ImagePattern] = []
    /// Those that were imported or committed on this host: no registry may have them, so they would be lost.
    public var keepsMade = true

    public init() {}

    /// Why an image stays; nil when nothing keeps it.
    public func reason(_ image: VMImage) -> String? {
        if image.isPinned { return "it is pinned" }
        if keepsMade, !image.wasPulled { return "it was made here" }
        let names = image.names + image.digests
        guard let pattern = patterns.first(where: { names.contains(where: $0.matches) }) else { return nil }
        return "its name fits \(pattern)"
    }
}

/// When VM images that nobody uses are removed.
public struct ImageCollectionPolicy: Sendable, Hashable {
    /// Unused for longer than this they go; nil is never.
    public var maximumAge: Duration?
    /// In percent of their disk: they go when more than this is used, until no more than ``low`` is. 100 is never.
    public var high = 85
    public var low = 80
    /// What came or was used so lately stays: somebody may be about to use it.
    public var minimumAge = Duration.seconds(120)

    public init() {}

    /// How many bytes have to go; 0 while the disk is not full.
    func excess(capacity: UInt64, available: UInt64) -> UInt64 {
        guard high < 100, capacity > 0 else { return 0 }
        let used = capacity - min(available, capacity)
        guard Double(used) * 100 > Double(capacity) * Double(high) else { return 0 }
        let wanted = capacity / 100 * UInt64(max(0, low))
        return used > wanted ? used - wanted : 0
    }

    /// Why an image goes for its age; nil when it may stay.
    func reason(age: Duration) -> String? {
        guard let maximumAge, age > maximumAge else { return nil }
        return "unused for longer than \(Self.text(maximumAge))"
    }

    /// In the largest unit that fits.
    static func text(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        return switch seconds {
        case 172_800...: "\(seconds / 86_400) days"
        case 7200...: "\(seconds / 3600) hours"
        case 120...: "\(seconds / 60) minutes"
        default: "\(seconds) seconds"
        }
    }
}
