// A CRI server of the smallest kind on grpc-go: the peer that cri-shim is measured against.
//
// It answers Version and ListContainers the way a real runtime does: from a store under a lock, with a response built
// per call. The store is filled from a ListContainers response that another server gave, so that both answer the same.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"
	"sort"
	"sync"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	pb "vzcri/bench/pb"
)

// record is a container as the store keeps it: not in the shape of the wire.
type record struct {
	id, sandbox, name, image, imageRef string
	attempt                            uint32
	state                              pb.ContainerState
	createdAt                          int64
	labels, annotations                map[string]string
	wireImage                          *pb.ImageSpec
	imageID                            string
}

type server struct {
	pb.UnimplementedRuntimeServiceServer
	mu         sync.RWMutex
	containers map[string]*record
}

func (s *server) Version(context.Context, *pb.VersionRequest) (*pb.VersionResponse, error) {
	return &pb.VersionResponse{
		Version: "0.1.0", RuntimeName: "peer", RuntimeVersion: "1.0.0", RuntimeApiVersion: "v1",
	}, nil
}

func (s *server) ListContainers(_ context.Context, q *pb.ListContainersRequest) (*pb.ListContainersResponse, error) {
	f := q.GetFilter()
	s.mu.RLock()
	all := make([]*record, 0, len(s.containers))
	for _, c := range s.containers {
		if matches(c, f) {
			all = append(all, c)
		}
	}
	s.mu.RUnlock()
	sort.Slice(all, func(i, j int) bool { return all[i].createdAt > all[j].createdAt })
	answer := &pb.ListContainersResponse{Containers: make([]*pb.Container, 0, len(all))}
	for _, c := range all {
		answer.Containers = append(answer.Containers, &pb.Container{
			Id: c.id, PodSandboxId: c.sandbox, Metadata: &pb.ContainerMetadata{Name: c.name, Attempt: c.attempt},
			Image: &pb.ImageSpec{Image: c.image, Annotations: c.wireImage.GetAnnotations()}, ImageRef: c.imageRef,
			State: c.state, CreatedAt: c.createdAt, Labels: c.labels, Annotations: c.annotations, ImageId: c.imageID,
		})
	}
	return answer, nil
}

func matches(c *record, f *pb.ContainerFilter) bool {
	if f == nil {
		return true
	}
	if f.Id != "" && f.Id != c.id || f.PodSandboxId != "" && f.PodSandboxId != c.sandbox {
		return false
	}
	if f.State != nil && f.State.State != c.state {
		return false
	}
	for k, v := range f.LabelSelector {
		if c.labels[k] != v {
			return false
		}
	}
	return true
}

func main() {
	socket := flag.String("socket", "", "unix socket to listen on")
	from := flag.String("from", "", "file with the ListContainersResponse to fill the store from")
	flag.Parse()
	s := &server{containers: map[string]*record{}}
	if *from != "" {
		bytes, err := os.ReadFile(*from)
		if err != nil {
			log.Fatal(err)
		}
		var list pb.ListContainersResponse
		if err := proto.Unmarshal(bytes, &list); err != nil {
			log.Fatal(err)
		}
		for _, c := range list.Containers {
			s.containers[c.Id] = &record{
				id: c.Id, sandbox: c.PodSandboxId, name: c.Metadata.GetName(), attempt: c.Metadata.GetAttempt(),
				image: c.Image.GetImage(), wireImage: c.Image, imageRef: c.ImageRef, state: c.State,
				createdAt: c.CreatedAt, labels: c.Labels, annotations: c.Annotations, imageID: c.ImageId,
			}
		}
	}
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	g := grpc.NewServer()
	pb.RegisterRuntimeServiceServer(g, s)
	log.Fatal(g.Serve(listener))
}
