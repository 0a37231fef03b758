import KubeAPI

@testable import VKAdapter

/// Pods as tests want them: short to write, defaults applied.
enum Sample {
    static func pod(_ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        var pod = Pod {
            $0.metadata.name = "web"
            $0.metadata.namespace = "default"
            $0.metadata.uid = "1234-uid"
            $0.spec.containers = [container()]
        }
        configure(&pod)
        pod.applyDefaults()
        return pod
    }

    static func container(_ name: String = "c", _ configure: (inout Container) -> Void = { _ in }) -> Container {
        var container = Container {
            $0.name = name
            $0.image = "busybox:1"
        }
        configure(&container)
        return container
    }

    /// Reads a pod as a user writes it.
    static func pod(yaml: String) -> Pod {
        var pod = Pod.manifest(Array(yaml.utf8), file: "sample.yaml").pods.first ?? Pod()
        pod.metadata.uid = "1234-uid"
        return pod
    }

    static let context = MappingContext {
        $0.nodeName = "node-1"
        $0.hostIPs = ["192.0.2.1", "2001:db8::1"]
        $0.resolvConf = ResolvConf(parsing: "nameserver 192.0.2.53\nsearch example.org\noptions timeout:1\n")
        $0.allocatable = ["cpu": "4", "memory": "8Gi"]
        $0.labels = ["example.dev/node": "node-1"]
    }
}

extension MappingContext {
    init(_ configure: (inout MappingContext) -> Void) {
        self.init()
        configure(&self)
    }
}
