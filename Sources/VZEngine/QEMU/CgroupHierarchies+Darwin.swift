#if canImport(Darwin)
/// There are no control groups here.
enum CgroupHierarchies {
    static func mounted() -> [String] { [] }
}
#endif
