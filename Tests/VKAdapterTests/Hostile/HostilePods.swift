import KubeAPI

/// A pod that uses nearly everything a pod can: what is spoiled of it is something the adapter reads.
enum HostilePods {
    static func rich() throws -> Value { try Value(json: Array(text.utf8)) }

    private static func container(_ name: String, more: String = "") -> String {
        """
        {"name":"\(name)","image":"busybox:1","imagePullPolicy":"IfNotPresent","command":["sh","-c"],"args":["sleep $(KEY)"],
        "workingDir":"/work","env":[{"name":"KEY","value":"1"},{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
        {"name":"MAP","valueFrom":{"configMapKeyRef":{"name":"map","key":"a","optional":true}}},
        {"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu","divisor":"1m"}}}],
        "envFrom":[{"prefix":"M_","configMapRef":{"name":"map","optional":true}},{"secretRef":{"name":"secret","optional":true}}],
        "ports":[{"name":"http","containerPort":80,"hostPort":0,"protocol":"TCP"}],
        "resources":{"requests":{"cpu":"10m","memory":"1Mi"},"limits":{"cpu":"20m","memory":"2Mi"}},
        "volumeMounts":[{"name":"scratch","mountPath":"/scratch","subPath":"a/b"},
        {"name":"scratch","mountPath":"/expanded","subPathExpr":"$(POD)"},{"name":"map","mountPath":"/map","readOnly":true},
        {"name":"map","mountPath":"/one","subPath":"a"},{"name":"secret","mountPath":"/secret"},
        {"name":"info","mountPath":"/info"},{"name":"all","mountPath":"/all","mountPropagation":"None"}],
        "securityContext":{"runAsUser":0,"runAsGroup":0,"privileged":false,"readOnlyRootFilesystem":true,
        "capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]},"seccompProfile":{"type":"Localhost","localhostProfile":"p.json"},
        "procMount":"Default"},
        "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"FallbackToLogsOnError",
        "stdin":true,"stdinOnce":false,"tty":false\(more)}
        """
    }

    private static let probes = """
        ,"livenessProbe":{"exec":{"command":["true"]},"periodSeconds":10,"timeoutSeconds":1,"failureThreshold":3,
        "terminationGracePeriodSeconds":5},"readinessProbe":{"tcpSocket":{"host":"127.0.0.1","port":1},"periodSeconds":5},
        "startupProbe":{"exec":{"command":["true"]},"initialDelaySeconds":0},
        "lifecycle":{"postStart":{"exec":{"command":["true"]}},"preStop":{"sleep":{"seconds":0}}},
        "resizePolicy":[{"resourceName":"cpu","restartPolicy":"NotRequired"}]
        """

    private static var text: String {
        """
        {"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"app":"x"},"annotations":{"example.dev/a":"b",
        "vzcri.dev/vm-slots":"0"},"generation":1,"finalizers":["example.dev/f"],"ownerReferences":[]},
        "spec":{"restartPolicy":"Always","terminationGracePeriodSeconds":1,"activeDeadlineSeconds":86400,
        "dnsPolicy":"ClusterFirst","dnsConfig":{"nameservers":["192.0.2.5"],"searches":["example.org"],
        "options":[{"name":"ndots","value":"2"}]},"hostAliases":[{"ip":"192.0.2.7","hostnames":["other"]}],
        "hostname":"h","subdomain":"s","setHostnameAsFQDN":false,"hostNetwork":false,"hostPID":false,
        "shareProcessNamespace":false,"enableServiceLinks":true,"automountServiceAccountToken":false,
        "serviceAccountName":"default","imagePullSecrets":[{"name":"pull"}],"priority":0,"priorityClassName":"",
        "preemptionPolicy":"Never","schedulerName":"s","nodeSelector":{},"runtimeClassName":"",
        "readinessGates":[],"overhead":{"cpu":"1m"},"os":{"name":"linux"},
        "tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],
        "affinity":{"nodeAffinity":{}},"topologySpreadConstraints":[],
        "securityContext":{"fsGroup":1000,"runAsUser":0,"supplementalGroups":[1],"fsGroupChangePolicy":"OnRootMismatch",
        "sysctls":[{"name":"net.core.somaxconn","value":"1"}],"seccompProfile":{"type":"RuntimeDefault"}},
        "initContainers":[\(container("side", more: #","restartPolicy":"Always""#))],
        "containers":[\(container("c", more: probes)),\(container("d"))],
        "ephemeralContainers":[],
        "volumes":[{"name":"scratch","emptyDir":{"sizeLimit":"1Gi"}},
        {"name":"map","configMap":{"name":"map","optional":true,"defaultMode":420,"items":[{"key":"a","path":"a","mode":256},
        {"key":"b","path":"deep/er/b"}]}},
        {"name":"secret","secret":{"secretName":"secret","optional":true,"defaultMode":256}},
        {"name":"info","downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}},
        {"path":"cpu","resourceFieldRef":{"containerName":"c","resource":"limits.cpu","divisor":"1m"}}]}},
        {"name":"all","projected":{"defaultMode":292,"sources":[{"configMap":{"name":"map","optional":true}},
        {"secret":{"name":"secret","optional":true,"items":[{"key":"a","path":"s/a"}]}},
        {"downwardAPI":{"items":[{"path":"name","fieldRef":{"fieldPath":"metadata.name"}}]}},
        {"serviceAccountToken":{"path":"token","expirationSeconds":3600,"audience":"x"}}]}}]},
        "status":{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"True"}],"qosClass":"Burstable"}}
        """
    }
}
