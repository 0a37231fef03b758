extension APIResource where Object == Pod {
    public static var pods: Self { Self(plural: "pods") }
}
