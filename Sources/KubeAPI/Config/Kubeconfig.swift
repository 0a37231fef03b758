/// A kubeconfig file (`v1 Config`), as it is written.
struct Kubeconfig: KubeModel {
    struct Cluster: KubeModel {
        var server = ""
        var serverName = ""
        var skipsVerification = false
        var authorityFile = ""
        var authorityData = ""
        var proxy = ""
        var unknownFields: [Member] = []

        static let fields = Fields<Self> {
            $0("server", \.server)
            $0("tls-server-name", \.serverName)
            $0("insecure-skip-tls-verify", \.skipsVerification)
            $0("certificate-authority", \.authorityFile)
            $0("certificate-authority-data", \.authorityData)
            $0("proxy-url", \.proxy)
        }
    }

    struct User: KubeModel {
        var certificateFile = ""
        var certificateData = ""
        var keyFile = ""
        var keyData = ""
        var token = ""
        var tokenFile = ""
        var username = ""
        var password = ""
        var exec: Exec?
        var provider: Value?
        var unknownFields: [Member] = []

        static let fields = Fields<Self> {
            $0("client-certificate", \.certificateFile)
            $0("client-certificate-data", \.certificateData)
            $0("client-key", \.keyFile)
            $0("client-key-data", \.keyData)
            $0("token", \.token)
            $0("tokenFile", \.tokenFile)
            $0("username", \.username)
            $0("password", \.password)
            $0("exec", \.exec)
            $0("auth-provider", \.provider)
        }
    }

    struct Exec: KubeModel {
        struct Variable: KubeModel {
            var name = ""
            var value = ""
            var unknownFields: [Member] = []
            static let fields = Fields<Self> {
                $0("name", \.name)
                $0("value", \.value)
            }
        }
        var apiVersion = ""
        var command = ""
        var args: [String] = []
        var env: [Variable] = []
        var installHint = ""
        var provideClusterInfo = false
        var interactiveMode = ""
        var unknownFields: [Member] = []

        static let fields = Fields<Self> {
            $0("apiVersion", \.apiVersion)
            $0("command", \.command)
            $0("args", \.args)
            $0("env", \.env)
            $0("installHint", \.installHint)
            $0("provideClusterInfo", \.provideClusterInfo)
            $0("interactiveMode", \.interactiveMode)
        }
    }

    struct Context: KubeModel {
        var cluster = ""
        var user = ""
        var namespace = ""
        var unknownFields: [Member] = []

        static let fields = Fields<Self> {
            $0("cluster", \.cluster)
            $0("user", \.user)
            $0("namespace", \.namespace)
        }
    }

    /// An entry of one of the lists: its content stands under the singular of the list's name.
    struct Named: KubeModel {
        var name = ""
        var cluster: Cluster?
        var user: User?
        var context: Context?
        var unknownFields: [Member] = []

        static let fields = Fields<Self> {
            $0("name", \.name)
            $0("cluster", \.cluster)
            $0("user", \.user)
            $0("context", \.context)
        }
    }

    var currentContext = ""
    var clusters: [Named] = []
    var users: [Named] = []
    var contexts: [Named] = []
    var unknownFields: [Member] = []

    static let fields = Fields<Self> {
        $0("current-context", \.currentContext)
        $0("clusters", \.clusters)
        $0("users", \.users)
        $0("contexts", \.contexts)
    }
}
