// The client of `make bench`: fills a CRI server, and measures it with closed-loop callers on one connection.
//
//	load -socket S fill -image I -containers N    one pod with N created containers, through the CRI
//	load -socket S dump -out F                    the ListContainers response, to F
//	load codec -from F                            how long this client's protobuf takes to encode and decode F
//	load -socket S measure -pid P -call Version -callers 8 -for 2s
//
// `measure` prints one JSON object: calls per second, latencies in microseconds, and the server's CPU time per call in
// microseconds (utime + stime of process P, from /proc).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	pb "vzcri/bench/pb"
)

func main() {
	log.SetFlags(0)
	socket := flag.String("socket", "", "unix socket of the server")
	flag.Parse()
	if flag.Arg(0) == "codec" {
		codec(flag.Args()[1:])
		return
	}
	conn, err := grpc.Dial("passthrough:///localhost", grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithTimeout(20*time.Second), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", *socket)
		}))
	if err != nil {
		log.Fatalf("cannot connect to %s: %v", *socket, err)
	}
	client := pb.NewRuntimeServiceClient(conn)
	if flag.NArg() == 0 {
		log.Fatal("name what to do: fill, dump or measure")
	}
	args := flag.Args()[1:]
	switch flag.Arg(0) {
	case "fill":
		fill(client, args)
	case "dump":
		dump(client, args)
	case "measure":
		measure(client, args)
	default:
		log.Fatalf("unknown: %s", flag.Arg(0))
	}
}

func fill(client pb.RuntimeServiceClient, args []string) {
	flags := flag.NewFlagSet("fill", flag.ExitOnError)
	image := flags.String("image", "", "image of the containers")
	count := flags.Int("containers", 100, "how many")
	logs := flags.String("logs", "", "log directory")
	flags.Parse(args)
	ctx := context.Background()
	pod := &pb.PodSandboxConfig{
		Metadata:     &pb.PodSandboxMetadata{Name: "bench", Uid: "bench-uid", Namespace: "default"},
		Hostname:     "bench",
		LogDirectory: *logs,
		Labels: map[string]string{"app": "bench", "io.kubernetes.pod.name": "bench",
			"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": "bench-uid"},
		Linux: &pb.LinuxPodSandboxConfig{},
	}
	sandbox, err := client.RunPodSandbox(ctx, &pb.RunPodSandboxRequest{Config: pod})
	if err != nil {
		log.Fatalf("RunPodSandbox: %v", err)
	}
	for i := 0; i < *count; i++ {
		name := fmt.Sprintf("container-%d", i)
		_, err := client.CreateContainer(ctx, &pb.CreateContainerRequest{
			PodSandboxId: sandbox.PodSandboxId, SandboxConfig: pod,
			Config: &pb.ContainerConfig{
				Metadata: &pb.ContainerMetadata{Name: name}, Image: &pb.ImageSpec{Image: *image},
				Command: []string{"sleep", "3600"}, LogPath: name + ".log",
				// What the kubelet puts on every container.
				Labels: map[string]string{"io.kubernetes.container.name": name, "io.kubernetes.pod.name": "bench",
					"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": "bench-uid"},
				Annotations: map[string]string{"io.kubernetes.container.hash": "8f3c2a1b",
					"io.kubernetes.container.restartCount":             "0",
					"io.kubernetes.container.terminationMessagePath":   "/dev/termination-log",
					"io.kubernetes.container.terminationMessagePolicy": "File",
					"io.kubernetes.pod.terminationGracePeriod":         "30"},
				Linux: &pb.LinuxContainerConfig{},
			},
		})
		if err != nil {
			log.Fatalf("CreateContainer %s: %v", name, err)
		}
	}
}

func dump(client pb.RuntimeServiceClient, args []string) {
	flags := flag.NewFlagSet("dump", flag.ExitOnError)
	out := flags.String("out", "", "file to write")
	flags.Parse(args)
	list, err := client.ListContainers(context.Background(), &pb.ListContainersRequest{})
	if err != nil {
		log.Fatalf("ListContainers: %v", err)
	}
	bytes, err := proto.Marshal(list)
	if err == nil {
		err = os.WriteFile(*out, bytes, 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d containers, %d bytes\n", len(list.Containers), len(bytes))
}

// codec prints microseconds per encoding and per decoding of the list in a file, each the best of 9 rounds.
func codec(args []string) {
	flags := flag.NewFlagSet("codec", flag.ExitOnError)
	from := flags.String("from", "", "file with a ListContainersResponse")
	flags.Parse(args)
	bytes, err := os.ReadFile(*from)
	if err != nil {
		log.Fatal(err)
	}
	var list pb.ListContainersResponse
	if err := proto.Unmarshal(bytes, &list); err != nil {
		log.Fatal(err)
	}
	best := func(work func()) float64 {
		const calls = 500
		least := time.Hour
		for round := 0; round < 9; round++ {
			start := time.Now()
			for i := 0; i < calls; i++ {
				work()
			}
			if took := time.Since(start); took < least {
				least = took
			}
		}
		return float64(least.Nanoseconds()) / calls / 1000
	}
	encode := best(func() { proto.Marshal(&list) })
	decode := best(func() {
		var one pb.ListContainersResponse
		proto.Unmarshal(bytes, &one)
	})
	json.NewEncoder(os.Stdout).Encode(map[string]float64{"encode": encode, "decode": decode, "bytes": float64(len(bytes))})
}

// result is what one measurement prints.
type result struct {
	Call           string
	Callers, Calls int
	PerSecond      float64
	P50, P99       float64
	CPUPerCall     float64
	Containers     int
}

func measure(client pb.RuntimeServiceClient, args []string) {
	flags := flag.NewFlagSet("measure", flag.ExitOnError)
	call := flags.String("call", "Version", "Version or ListContainers")
	callers := flags.Int("callers", 1, "closed-loop callers")
	pid := flags.Int("pid", 0, "process of the server")
	length := flags.Duration("for", 2*time.Second, "how long to measure")
	warm := flags.Duration("warm", 300*time.Millisecond, "how long to warm up")
	flags.Parse(args)
	size := 0
	one := func() error {
		_, err := client.Version(context.Background(), &pb.VersionRequest{})
		return err
	}
	if *call == "ListContainers" {
		list, err := client.ListContainers(context.Background(), &pb.ListContainersRequest{})
		if err != nil {
			log.Fatal(err)
		}
		size = len(list.Containers)
		one = func() error {
			_, err := client.ListContainers(context.Background(), &pb.ListContainersRequest{})
			return err
		}
	}
	loop(*callers, *warm, one)
	server := cpu(*pid)
	start := time.Now()
	latencies := loop(*callers, *length, one)
	elapsed := time.Since(start).Seconds()
	server = cpu(*pid) - server
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	n := float64(len(latencies))
	at := func(p float64) float64 { return float64(latencies[int(p*(n-1))].Nanoseconds()) / 1000 }
	json.NewEncoder(os.Stdout).Encode(result{
		Call: *call, Callers: *callers, Calls: len(latencies), PerSecond: n / elapsed, P50: at(.5), P99: at(.99),
		CPUPerCall: server / n * 1e6, Containers: size,
	})
}

// loop runs the callers, each with one call in flight, and returns every latency.
func loop(callers int, length time.Duration, one func() error) []time.Duration {
	var wait sync.WaitGroup
	all := make([][]time.Duration, callers)
	end := time.Now().Add(length)
	for i := range all {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			for before := time.Now(); before.Before(end); {
				if err := one(); err != nil {
					log.Fatalf("a call failed: %v", err)
				}
				now := time.Now()
				all[i] = append(all[i], now.Sub(before))
				before = now
			}
		}(i)
	}
	wait.Wait()
	var flat []time.Duration
	for _, some := range all {
		flat = append(flat, some...)
	}
	return flat
}

// cpu is the process' user and system time in seconds.
func cpu(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		log.Fatalf("the server's process: %v", err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // USER_HZ
}
